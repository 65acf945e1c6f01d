"""The local APIC's timer: an initial count, a divider, and when it expires.

Source: Intel SDM 3A, APIC Timer; IA32_TSC_DEADLINE under TSC-Deadline Mode. Time is the APIC's bus clock (or the core
crystal's); the divider is a power of two, so that everything stands on whole bus clocks: a running timer is the bus
clock `end` at which it expires next, and TMCCT is how many divided clocks are left to it. In TSC-deadline mode it
expires when the TSC that the vCPU sees reaches the deadline.

`Timer` is the manual's counting rule. `LoadTimer` is QEMU's, which counts from the time of the last write to TMICT
whatever was written to the divider or the mode since (L5, L6). A timer that is not always running (lapic_arat=no,
CPUID.6:EAX[2] = 0) stands still while its processor sleeps in C3: its bus clock is then the one at which it fell
asleep.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from operator import attrgetter
from typing import Any

from timerlab.clock import NANOSECONDS, Clock, Ticker
from timerlab.line import FOREVER, Train

ONE_SHOT, PERIODIC, DEADLINE, RESERVED = range(4)
MODES = {ONE_SHOT: "one-shot", PERIODIC: "periodic", DEADLINE: "deadline", RESERVED: "reserved"}
"""Timer modes by LVT bits 18:17."""

NEVER = FOREVER
"""A nanosecond that no machine reaches."""

KVM_LEAST_NS = 200_000
"""The shortest period that KVM lets a guest have, in ns (L10)."""

_TSC_MASK = (1 << 64) - 1


def divider(tdcr: int) -> int:
    """What a divide configuration divides by: 1 to 128, from its bits 3, 1 and 0 (SDM 3A, Divide Configuration)."""
    return 1 << ((tdcr & 3 | tdcr >> 1 & 4) + 1 & 7)


@dataclass(slots=True)
class TimerState:
    """The timer's registers and what it waits for."""

    mode: int = ONE_SHOT
    tmict: int = 0
    tdcr: int = 0
    end: int | None = None
    """The bus clock of the next expiry; in deadline mode its ns, where the TSC is looked at only once."""
    load: int | None = None
    """The bus clock of the last write to TMICT, where the rule counts from it."""
    deadline: int = 0
    """IA32_TSC_DEADLINE; 0 is disarmed."""
    since: int = 0
    """The ns from which the TSC has run as it does towards the deadline: when it was armed, or the TSC moved."""
    slept: int | None = None
    """The bus clock at which it stopped, while it does."""


NAMES = ("mode", "tmict", "tdcr", "end", "load", "deadline", "since", "slept")
_values = attrgetter(*NAMES)


class Timer:
    """The counting rule of the manual. All `now` are ns; each method that writes wants the timer to be at `now`."""

    def __init__(self, clock: Clock, quirks: Mapping[str, str], tsc: Callable[[], Ticker]) -> None:
        self.clock = clock
        self.tsc = tsc
        self.extra = 1 if quirks["lapic_periodic"] == "tmict_plus_1" else 0
        self.keeps_count = quirks["lapic_mode_change"] == "keep_count"
        self.live = quirks["lapic_deadline_tsc"] == "live"
        clamped = quirks["lapic_min_period"] == "kvm_200us" and quirks["lapic_divide"] == "rescale"
        self.least = -(-KVM_LEAST_NS * clock.num // clock.den) if clamped else 0
        """Bus clocks that a period has at least."""
        self.state = TimerState()
        self._tsc_seen: Ticker | None = None
        self._at: int | None = None
        self.due = NEVER
        """The ns before which nothing can happen; 0 where that is not known."""

    def reset(self) -> None:
        """To the power-on state: stopped, all registers 0."""
        self.state = TimerState()
        self._changed()

    def _changed(self) -> None:
        """Note when there is next something to do."""
        s = self.state
        if s.slept is not None:
            self.due = NEVER
        elif s.mode < DEADLINE:
            self.due = NEVER if s.end is None else self._ns(s.end)
        else:
            self.due = 0 if s.deadline else NEVER

    def _tick(self, now: int) -> int:
        """The timer's bus clock at `now`: the one at which it stopped, while it does."""
        return self.clock.ticks(now) if self.state.slept is None else self.state.slept

    def _ns(self, tick: int) -> int:
        clock = self.clock
        return clock.ns(tick) if clock.num or tick <= clock.base else NEVER

    @property
    def period(self) -> int:
        """Bus clocks from a write to TMICT to the expiry, and from one expiry to the next in periodic mode."""
        s = self.state
        clocks = (s.tmict + self.extra) * divider(s.tdcr)
        return self.least if clocks < self.least and s.mode == PERIODIC else clocks

    # -- time

    def advance(self, now: int) -> list[Train]:
        """Bring the timer to `now`: a pulse without width for each expiry on the way."""
        if now < self.due:
            return []
        if self.state.mode >= DEADLINE:
            return self._deadline_passed(now)
        told = self._expiries(self.clock.ticks(now))
        self._changed()
        return told

    def _expiries(self, tick: int) -> list[Train]:
        """The expiries up to bus clock `tick`."""
        s = self.state
        if s.end is None or s.end > tick:
            return []
        if s.mode == ONE_SHOT:
            first, s.end = s.end, None
            return [Train(self.clock, first, 1, 0, 0, 2)]
        first, period = s.end, self.period
        count = (tick - first) // period + 1
        s.end = first + count * period
        return [Train(self.clock, first, 1, 0, period, 2 * count)]

    def _deadline_passed(self, now: int) -> list[Train]:
        s = self.state
        if not s.deadline:
            return []
        at = s.end
        if self.live:
            clock = self.tsc()
            if clock is not self._tsc_seen and clock != self._tsc_seen:
                s.since = self._since(clock, now)
                self._see(clock)
            at = self._at
        if at is None or at > now:
            return []
        s.deadline, s.end, s.since = 0, None, 0
        self._changed()
        return [Train(NANOSECONDS, at, 1, 0, 0, 2)]

    def _see(self, clock: Ticker) -> None:
        """Keep the TSC's clock, and when it reaches the deadline."""
        self._tsc_seen = clock
        self._at = self._reaches(clock, self.state.since, self.state.deadline)

    def _since(self, clock: Ticker, now: int) -> int:
        """From when the TSC has run as it does: from `now`, if it is not the clock that was seen last."""
        return self.state.since if self._tsc_seen is None or clock == self._tsc_seen else now

    def _deadline_ns(self, now: int) -> int | None:
        """When the TSC reaches the deadline, which may be past; None where nothing is armed, or it never does."""
        s = self.state
        if not s.deadline:
            return None
        if not self.live:
            return s.end
        clock = self.tsc()
        return self._reaches(clock, self._since(clock, now), s.deadline)

    @staticmethod
    def _reaches(clock: Ticker, since: int, deadline: int) -> int | None:
        """When a TSC of 64 bits is first at or past the deadline, from `since` on."""
        tick = clock.ticks(since)
        left = deadline - (tick & _TSC_MASK)
        if left <= 0:
            return since
        return clock.ns(tick + left) if clock.num else None

    def tsc_moved(self, now: int) -> None:
        """The TSC was written or its rate changed at `now`: what is armed is compared with what it reads now."""
        if self.live and self.state.deadline:
            self.state.since = now
            self._see(self.tsc())

    def rearm(self, now: int) -> None:
        """The VM has come to another host, whose userspace writes the deadline again after the TSC (QEMU,
        kvm_put_tscdeadline_msr).
        """
        s = self.state
        if s.deadline and not self.live:
            at = self._reaches(self.tsc(), now, s.deadline)
            s.end = NEVER if at is None else at
            self._changed()

    def stop(self, now: int) -> None:
        """Its processor falls asleep in C3: the timer stands still."""
        if self.state.slept is None:
            self.state.slept = self.clock.ticks(now)
            self._changed()

    def go_on(self, now: int) -> None:
        """Its processor is awake again: what was left is left still; a deadline that has passed is over now."""
        s = self.state
        if s.slept is None:
            return
        lost, s.slept = self.clock.ticks(now) - s.slept, None
        if s.mode < DEADLINE:
            s.end = None if s.end is None else s.end + lost
            s.load = None if s.load is None else s.load + lost
        elif s.deadline and not self.live:
            s.end = None if s.end is None else max(s.end, now)
        self.tsc_moved(now)
        self._changed()

    def future(self, now: int) -> list[Train]:
        """All expiries to come if nobody touches the timer; a deadline's by the TSC as it is at `now`."""
        s = self.state
        if s.slept is not None:
            return []
        if s.mode >= DEADLINE:
            at = self._deadline_ns(now)
            return [] if at is None else [Train(NANOSECONDS, at, 1, 0, 0, 2)]
        if s.end is None or self._ns(s.end) == NEVER:
            return []
        if s.mode == ONE_SHOT:
            return [Train(self.clock, s.end, 1, 0, 0, 2)]
        return [Train(self.clock, s.end, 1, 0, self.period, FOREVER)]

    def count(self, now: int) -> int:
        """TMCCT at `now`, also where the timer was not brought there."""
        s = self.state
        if s.end is None or s.mode >= DEADLINE:
            return 0
        tick, end = self._tick(now), s.end
        if end <= tick:
            if s.mode == ONE_SHOT:
                return 0
            end += ((tick - end) // self.period + 1) * self.period
        return max(0, -((tick - end) // divider(s.tdcr)) - self.extra)

    def deadline(self, now: int) -> int:
        """What IA32_TSC_DEADLINE reads at `now`: 0 once it has expired."""
        at = self._deadline_ns(now) if self.state.slept is None else None
        return self.state.deadline if at is None or at > now else 0

    # -- registers

    def write_tmict(self, value: int, now: int) -> None:
        """A write to the initial count (re)starts the timer, 0 stops it; ignored in deadline mode."""
        s = self.state
        if s.mode >= DEADLINE:
            return
        s.tmict = value
        s.end = self._tick(now) + self.period if value else None
        self._changed()

    def write_tdcr(self, value: int, now: int) -> None:
        """A write to the divide configuration: the counts that are left are kept, and take the new time each."""
        s = self.state
        left = self.count(now) + self.extra
        before = divider(s.tdcr)
        s.tdcr = value & 0xB
        if divider(s.tdcr) != before and s.end is not None and s.mode < DEADLINE:
            s.end = self._tick(now) + left * divider(s.tdcr)
        self._changed()

    def write_lvtt(self, mode: int, now: int) -> None:
        """The LVT timer entry was written: a change of mode disarms, anything else leaves the timer alone."""
        s = self.state
        old, s.mode = s.mode, mode
        if mode != old:
            if mode >= DEADLINE or old >= DEADLINE:
                self.state = TimerState(mode=mode, tdcr=s.tdcr, slept=s.slept)
            elif not self.keeps_count:
                s.end = None
        self._changed()

    def write_deadline(self, value: int, now: int) -> list[Train]:
        """A write to IA32_TSC_DEADLINE: 0 disarms, what is past expires at once; ignored outside deadline mode."""
        s = self.state
        if s.mode != DEADLINE:
            return []
        s.deadline, s.since, s.end = value, now if value else 0, None
        if value:
            self._see(self.tsc())
            if not self.live:
                s.since, s.end = 0, NEVER if self._at is None else self._at
        self._changed()
        return self.advance(now)

    # -- state

    def snapshot(self) -> tuple[Any, ...]:
        """The state as plain data."""
        return tuple(_values(self.state))

    def restore(self, state: tuple[Any, ...]) -> None:
        """Take back what `snapshot` gave."""
        self.state = TimerState(*state)
        self._tsc_seen = None
        self._changed()


class LoadTimer(Timer):
    """QEMU's rule: everything is counted from the last write to TMICT with the divider and the mode that there are
    now. A timer that was armed keeps its moment through a write to the divider, and is armed anew by the next write to
    the LVT entry, or when it has expired.
    """

    def _next(self, tick: int) -> int | None:
        """The next expiry after bus clock `tick`, as QEMU computes it."""
        s = self.state
        if s.load is None or s.mode >= DEADLINE or not s.tmict:
            return None
        by = divider(s.tdcr)
        past, whole = (tick - s.load) // by, s.tmict + self.extra
        if s.mode == PERIODIC:
            return s.load + (past // whole + 1) * whole * by
        return s.load + whole * by if past < s.tmict else None

    def _expiries(self, tick: int) -> list[Train]:
        s = self.state
        told: list[Train] = []
        while s.end is not None and s.end <= tick:
            first, period = s.end, self.period
            if s.mode == PERIODIC and s.load is not None and not (first - s.load) % period:
                count = (tick - first) // period + 1
                s.end = first + count * period
                told.append(Train(self.clock, first, 1, 0, period, 2 * count))
            else:
                told.append(Train(self.clock, first, 1, 0, 0, 2))
                s.end = self._next(first)
        return told

    def future(self, now: int) -> list[Train]:
        """All expiries to come: the one that is armed, and where the divider changed since, those of the new grid."""
        s = self.state
        if s.slept is not None or s.mode >= DEADLINE or s.end is None or self._ns(s.end) == NEVER:
            return super().future(now)
        first, told = s.end, []
        if s.mode == ONE_SHOT or s.load is None or (first - s.load) % self.period:
            told.append(Train(self.clock, first, 1, 0, 0, 2))
            again = self._next(first)
            if again is None:
                return told
            first = again
        if s.mode == ONE_SHOT:
            return [*told, Train(self.clock, first, 1, 0, 0, 2)]
        return [*told, Train(self.clock, first, 1, 0, self.period, FOREVER)]

    def count(self, now: int) -> int:
        """TMCCT at `now`: a function of the time since the load alone."""
        s = self.state
        if s.load is None or not s.tmict or s.mode >= DEADLINE:
            return 0
        past = (self._tick(now) - s.load) // divider(s.tdcr)
        return s.tmict - past % (s.tmict + self.extra) if s.mode == PERIODIC else max(0, s.tmict - past)

    def write_tmict(self, value: int, now: int) -> None:
        """A write to the initial count: the new time of load."""
        s = self.state
        if s.mode >= DEADLINE:
            return
        s.tmict = value
        s.load = self._tick(now) if value else None
        s.end = None if s.load is None else self._next(s.load)
        self._changed()

    def write_tdcr(self, value: int, now: int) -> None:
        """A write to the divide configuration: shows in TMCCT at once, and in what is armed not yet."""
        self.state.tdcr = value & 0xB

    def write_lvtt(self, mode: int, now: int) -> None:
        """The LVT timer entry was written: the timer is armed anew from its load."""
        s = self.state
        old, s.mode = s.mode, mode
        if mode != old:
            if mode >= DEADLINE or old >= DEADLINE:
                self.state = TimerState(mode=mode, tdcr=s.tdcr, slept=s.slept)
            elif not self.keeps_count:
                s.load = s.end = None
        if mode < DEADLINE:
            s.end = self._next(self._tick(now))
        self._changed()


def make_timer(clock: Clock, quirks: Mapping[str, str], tsc: Callable[[], Ticker]) -> Timer:
    """The timer with the counting rule that the quirks ask for."""
    rule = LoadTimer if quirks["lapic_divide"] == "from_load" else Timer
    return rule(clock, quirks, tsc)
