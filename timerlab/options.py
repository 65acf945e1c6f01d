"""What a session is made with: the options, checked once, whoever gives them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction

from timerlab.config import Config
from timerlab.quirks import resolve

Number = int | Fraction


@dataclass(frozen=True, slots=True)
class Options:
    """What a session was made with; constants and `quirks` are those that it runs with, given or not."""

    profile: str
    vcpus: int
    guest: str
    start: str
    pit_hz: Fraction
    tsc_khz: Fraction
    apic_bus_hz: Fraction
    hpet_period_fs: int
    hpet_timers: int
    pcpus: int
    quirks: dict[str, str]


def checked(
    vcpus: int,
    profile: str,
    guest: str,
    start: str,
    pit_hz: Number | None,
    quirks: Mapping[str, str] | None,
    tsc_khz: Number | None,
    apic_bus_hz: Number | None,
    hpet_period_fs: Number | None,
    hpet_timers: Number | None,
    pcpus: Number | None,
) -> tuple[Options, Config]:
    """The options, and the machine that they ask for; ValueError for one that makes no sense."""
    config = Config(
        profile,
        None if pit_hz is None else Fraction(pit_hz),
        tuple(sorted((quirks or {}).items())),
        vcpus,
        guest,
        start,
        None if tsc_khz is None else Fraction(tsc_khz),
        None if apic_bus_hz is None else Fraction(apic_bus_hz),
        _whole("hpet_period_fs", hpet_period_fs),
        _whole("hpet_timers", hpet_timers),
        _whole("pcpus", pcpus),
    )
    constants = (config.hz, config.khz, config.bus_hz, config.period_fs, config.timers, config.processors)
    return Options(profile, vcpus, guest, start, *constants, resolve(profile, quirks)), config


def _whole(name: str, value: Number | None) -> int | None:
    """An option that counts; ValueError for a fraction."""
    if value is None or Fraction(value).denominator == 1:
        return None if value is None else int(value)
    raise ValueError(f"{name} cannot be {value}: a whole number")
