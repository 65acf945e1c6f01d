"""What a machine is built from."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction

from timerlab.guest import Guest, parse_guest
from timerlab.quirks import MAX_PIT_HZ, PROFILES, Profile, resolve

MAX_VCPUS = 64
MAX_TIMERS = 32
MIN_TIMERS = 3
MAX_PERIOD_FS = 100_000_000
MIN_PERIOD_FS = 1_000_000
"""An HPET's period: the specification allows 100 ns at most; below 1 ns, ticks could not be told apart here."""
MAX_HZ = 1_000_000_000
"""The fastest APIC bus: one tick a nanosecond, so that no two expiries fall into one."""
MAX_KHZ = 100_000_000


@dataclass(frozen=True, slots=True)
class Config:
    """A profile, the quirks on top of it, its constants, and who is there. None: as the profile has it. ValueError for
    what makes no sense.
    """

    profile: str = "datasheet"
    pit_hz: Fraction | None = None
    quirks: tuple[tuple[str, str], ...] = ()
    vcpus: int = 1
    guest: str = "none"
    start: str = "2026-01-01T00:00:00"
    tsc_khz: Fraction | None = None
    apic_bus_hz: Fraction | None = None
    hpet_period_fs: int | None = None
    hpet_timers: int | None = None
    pcpus: int | None = None
    """The host's processors; as many as vCPUs, where it is not told."""

    def __post_init__(self) -> None:
        resolve(self.profile, dict(self.quirks))
        parse_guest(self.guest)
        _within("vcpus", self.vcpus, 1, MAX_VCPUS)
        _within("pcpus", self.processors, 1, MAX_VCPUS)
        _within("hpet_timers", self.timers, MIN_TIMERS, MAX_TIMERS)
        _within("hpet_period_fs", self.period_fs, MIN_PERIOD_FS, MAX_PERIOD_FS)
        for name, value, top in (
            ("pit_hz", self.hz, MAX_PIT_HZ),
            ("tsc_khz", self.khz, MAX_KHZ),
            ("apic_bus_hz", self.bus_hz, MAX_HZ),
        ):
            if not 0 < value <= top:
                raise ValueError(f"{name} cannot be {value}: above 0, up to {top}")
        try:
            date = datetime.fromisoformat(self.start)
        except ValueError:
            date = None
        if date is None or date.tzinfo is not None or date.microsecond:
            raise ValueError(f"start cannot be {self.start!r}: a date such as 2026-01-01T00:00:00")

    @property
    def constants(self) -> Profile:
        """The profile, for its constants."""
        return PROFILES[self.profile]

    @property
    def hz(self) -> Fraction:
        """The PIT's clock in Hz."""
        return self.constants.pit_hz if self.pit_hz is None else self.pit_hz

    @property
    def khz(self) -> Fraction:
        """The TSC's clock in kHz."""
        return self.constants.tsc_khz if self.tsc_khz is None else self.tsc_khz

    @property
    def bus_hz(self) -> Fraction:
        """The APIC timers' clock in Hz, before its divider."""
        return self.constants.apic_bus_hz if self.apic_bus_hz is None else self.apic_bus_hz

    @property
    def period_fs(self) -> int:
        """The HPET's period in fs."""
        return self.constants.hpet_period_fs if self.hpet_period_fs is None else self.hpet_period_fs

    @property
    def processors(self) -> int:
        """The host's processors."""
        return self.vcpus if self.pcpus is None else self.pcpus

    @property
    def timers(self) -> int:
        """The HPET's comparators."""
        return self.constants.hpet_timers if self.hpet_timers is None else self.hpet_timers

    @property
    def date(self) -> tuple[int, int, int, int, int, int]:
        """The calendar at time 0: year, month, day, hour, minute, second."""
        start = datetime.fromisoformat(self.start)
        return start.year, start.month, start.day, start.hour, start.minute, start.second

    @property
    def who(self) -> Guest:
        """The guest model."""
        return parse_guest(self.guest)


def _within(name: str, value: int, least: int, most: int) -> None:
    if not isinstance(value, int) or not least <= value <= most:
        raise ValueError(f"{name} cannot be {value!r}: {least} to {most}")
