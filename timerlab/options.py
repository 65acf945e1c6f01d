"""What a session is made with: the options, checked once, whoever gives them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction

from timerlab.machine import Config
from timerlab.quirks import resolve


@dataclass(frozen=True, slots=True)
class Options:
    """What a session was made with. `pit_hz` and `quirks` are those that it runs with, given or not."""

    profile: str
    vcpus: int
    guest: str
    start: str
    pit_hz: Fraction
    quirks: dict[str, str]


def checked(
    vcpus: int, profile: str, guest: str, start: str, pit_hz: int | Fraction | None, quirks: Mapping[str, str] | None
) -> tuple[Options, Config]:
    """The options, and the machine that they ask for; ValueError for one that makes no sense."""
    if vcpus != 1:
        raise ValueError(f"vcpus cannot be {vcpus}: there is 1 so far")
    if guest != "none":
        raise ValueError(f"guest cannot be {guest!r}: none")
    try:
        datetime.fromisoformat(start)
    except ValueError:
        raise ValueError(f"start cannot be {start!r}: a date such as 2026-01-01T00:00:00") from None
    config = Config(profile, None if pit_hz is None else Fraction(pit_hz), tuple(sorted((quirks or {}).items())))
    return Options(profile, vcpus, guest, start, config.hz, resolve(profile, quirks)), config
