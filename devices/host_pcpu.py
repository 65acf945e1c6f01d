"""What is known of one host processor and of its package, and the clock that this makes of its time stamp counter."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

from timerlab.clock import Ticker
from timerlab.devices.host_clocks import PPM, Anchor, Counter, Later, anchor, gated, spread, steady

KHZ_PER_NS = 1_000_000
"""kHz of a clock that ticks once a nanosecond."""

POWER_ON = Anchor()

SLEEPS = {"c1": "HLT", "c1e": "HLT, with the clock slowed down or stopped", "c3": "deep sleep"}
"""The C-states that there are here."""


@dataclass(frozen=True, slots=True)
class Pcpu:
    """One processor, from `start` on."""

    khz: Fraction
    """The TSC's rate at full speed, as it is calibrated."""
    core: Fraction
    """The core clock, which a P-state sets."""
    start: Anchor = POWER_ON
    asleep: str = ""
    """The C-state, or empty where it works."""
    wake_at: int | None = None
    """When it wakes by itself."""
    next_core: Fraction | None = None
    core_at: int | None = None
    """The P-state that it is on its way to, and when it is there."""
    duty: Fraction = Fraction(1)
    """The share of each throttling period in which the clock runs."""
    period: int = 0
    since: int = 0
    adjust: int = 0
    """Its IA32_TSC_ADJUST, 64 bits."""
    set_at: int = 0
    set_to: int = 0
    """When the TSC was put to a value last, and to which."""


@dataclass(frozen=True, slots=True)
class Socket:
    """A package: how far its crystal is off, and how much its clock is spread downwards."""

    ppm: int = 0
    spread: int = 0
    period: int = 0
    since: int = 0


@dataclass(frozen=True, slots=True)
class Rules:
    """What the processors are like, from the quirks."""

    constant: bool
    nonstop: bool
    full_halt: bool
    write: str
    adjusts: bool

    @classmethod
    def of(cls, quirks: Mapping[str, str]) -> Rules:
        """The rules that the quirks ask for."""
        return cls(
            quirks["constant_tsc"] == "yes",
            quirks["nonstop_tsc"] == "yes",
            quirks["turion_halt"] == "full",
            quirks["tsc_write"],
            quirks["tsc_adjust"] == "yes",
        )

    def khz(self, cpu: Pcpu) -> Fraction:
        """The rate at which the TSC runs when it runs, as system software knows it: without ppm and spread."""
        return cpu.khz if self.constant or (self.full_halt and cpu.asleep) else cpu.core

    def stands(self, cpu: Pcpu) -> bool:
        """Whether the TSC stands still as long as the processor sleeps."""
        return cpu.asleep in ("c1e", "c3") and not self.nonstop

    def gates(self, cpu: Pcpu) -> bool:
        """Whether the TSC stands in the off part of the throttled clock."""
        return cpu.duty < 1 and not self.constant

    def counter(self, cpu: Pcpu, socket: Socket) -> Counter:
        """The TSC as it runs now, as if it never changed."""
        if self.stands(cpu):
            return steady(cpu.start, Fraction(0))
        rate = self.khz(cpu) / KHZ_PER_NS * Fraction(PPM + socket.ppm, PPM)
        if self.gates(cpu):
            return gated(cpu.start, rate, cpu.since, cpu.period, cpu.duty)
        if socket.spread:
            return spread(cpu.start, rate, socket.since, socket.period, socket.spread)
        return steady(cpu.start, rate)

    def anchored(self, cpu: Pcpu, socket: Socket, now: int) -> Pcpu:
        """The same processor, told from `now` on: no reading changes."""
        return replace(cpu, start=anchor(self.counter(cpu, socket), now))

    def following(self, cpu: Pcpu, socket: Socket) -> tuple[int, Pcpu] | None:
        """When it next changes by itself, and what it is then; None if it does not."""
        at = min((moment for moment in (cpu.wake_at, cpu.core_at) if moment is not None), default=None)
        if at is None:
            return None
        fields: dict[str, Any] = {}
        if cpu.wake_at == at:
            fields |= {"asleep": "", "wake_at": None}
        if cpu.core_at == at:
            fields |= {"core": cpu.next_core, "next_core": None, "core_at": None}
        return at, self.changed(cpu, socket, at, fields)

    def changed(self, cpu: Pcpu, socket: Socket, now: int, fields: Mapping[str, Any]) -> Pcpu:
        """The processor with other fields from `now` on. If its TSC goes on as before, its `start` is the old one."""
        here = self.anchored(cpu, socket, now)
        then = replace(here, **fields)
        if self.counter(then, socket) == self.counter(here, socket):
            return replace(then, start=cpu.start)
        return then

    def clock(self, cpu: Pcpu, socket: Socket) -> Ticker:
        """The TSC as a clock, with what it is known to do later."""
        here = self.counter(cpu, socket)
        coming = self.following(cpu, socket)
        if coming is None:
            return here
        at, then = coming
        after = self.clock(then, socket)
        return after if then.start == cpu.start else Later(here, at, after)
