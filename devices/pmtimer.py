"""The ACPI PM timer: a counter that nothing stops, and its carry as an event.

Source: ACPI Specification, Power Management Timer; PM1 Event Grouping. TMR_STS is set when the highest bit of the
count changes, in either direction. Not modelled: the other PM1 events, PM1 control, and SCI_EN.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import astuple, dataclass
from typing import Any

from timerlab.clock import Clock
from timerlab.device import State, WidePortDevice
from timerlab.devices.pmtimer_regs import CENTURY, EN_PORT, HPET_ADDRESS, PEEKS, PORTS, REGS, STS_PORT, TMR_PORT
from timerlab.line import Line, Train

__all__ = ["PORTS", "PmTimer"]

TMR = 1
"""TMR_STS and TMR_EN, bit 0 of PM1 status and of PM1 enable."""


@dataclass(slots=True)
class PmState:
    """TMR_STS, TMR_EN, and how often the highest bit had changed when TMR_STS was brought to the present."""

    sts: int = 0
    en: int = 0
    carries: int = 0


class PmTimer(WidePortDevice):
    """The PM timer on `clock`, with its request `sci`, a level."""

    name = "acpi"
    regs = REGS
    peeks = PEEKS

    def __init__(self, clock: Clock, quirks: Mapping[str, str], sci: Line) -> None:
        self.clock = clock
        self.sci = sci
        self._century = CENTURY if quirks["rtc_century"] == "counts" else 0
        bits = 32 if quirks["pm_bits"] == "bits32" else 24
        self.mask = (1 << bits) - 1
        self.half = 1 << bits - 1
        """Counts between two changes of the highest bit."""
        self.state = PmState()
        self._due = clock.ns(self.half)

    # -- time

    def sync(self, now: int) -> None:
        """Set TMR_STS if the highest bit has changed by `now`."""
        if now < self._due:
            return
        s = self.state
        if not s.sts:
            s.sts = TMR
            if s.en:
                self.sci.absorb((Train(self.clock, (s.carries + 1) * self.half, 1, 0, 0, 1),))
        self._forget(now)

    def _forget(self, now: int) -> None:
        """Take all changes of the highest bit up to `now` as seen."""
        self.state.carries = self.clock.ticks(now) // self.half
        self._due = self.clock.ns((self.state.carries + 1) * self.half)

    def next_carry(self, now: int) -> int:
        """The ns at which the highest bit changes next after `now`."""
        return self.clock.ns((self.clock.ticks(now) // self.half + 1) * self.half)

    def next_event(self, now: int) -> Iterator[tuple[int, str]]:
        """The rise of SCI, where it can rise by itself."""
        if self.state.en and not self._sts(now):
            yield self.next_carry(now), self.sci.name

    def _sts(self, now: int) -> int:
        return TMR if now >= self._due else self.state.sts

    def reset(self, now: int) -> None:
        """Status and enable clear; the timer counts on."""
        self.sync(now)
        self.state.sts = self.state.en = 0
        self.sci.drive(now, 0)

    # -- ports

    def count(self, now: int) -> int:
        """The count at `now`."""
        return self.clock.ticks(now) & self.mask

    def _word(self, port: int, now: int) -> int:
        """The byte at `port`."""
        if TMR_PORT <= port < TMR_PORT + 4:
            return self.count(now) >> 8 * (port - TMR_PORT) & 0xFF
        return {STS_PORT: self._sts(now), EN_PORT: self.state.en}.get(port, 0)

    def read_wide(self, port: int, width: int, now: int) -> int:
        """A read of any width: all of its bytes are of one moment."""
        return sum(self._word(port + i, now) << 8 * i for i in range(width // 8))

    def write_wide(self, port: int, value: int, width: int, now: int) -> None:
        """A write of any width: 1 to TMR_STS clears it, TMR_EN is kept; the timer cannot be written."""
        s = self.state
        for i in range(width // 8):
            byte = value >> 8 * i
            if port + i == STS_PORT and byte & TMR:
                s.sts = 0
            elif port + i == EN_PORT:
                s.en = byte & TMR
        self.sci.drive(now, s.sts & s.en)

    # -- looking and state

    def peek(self, now: int) -> dict[str, Any]:
        """The count, the two registers, and the next change of the highest bit."""
        sts = self._sts(now)
        return {
            "acpi.century": self._century,
            "acpi.hpet": HPET_ADDRESS,
            "acpi.tmr": self.count(now),
            "acpi.pm1_sts": sts,
            "acpi.pm1_en": self.state.en,
            "acpi.next_carry": self.next_carry(now),
            "acpi.sci": sts & self.state.en,
        }

    def snapshot(self) -> State:
        """TMR_STS, TMR_EN, and the changes of the highest bit that they tell of."""
        return astuple(self.state)

    def restore(self, state: State) -> None:
        """Take back what `snapshot` gave."""
        self.state = PmState(*state)
        self._due = self.clock.ns((self.state.carries + 1) * self.half)
