"""A comparator of the HPET: when it matches, what its output does, in closed form.

Source: IA-PC HPET Specification 1.0a, Timer N Configuration and Capabilities, Timer N Comparator. Ticks count from the
write that enabled the main counter; the counter at tick k is `cnt` + k, modulo 2^64. Two rules say when a timer fires
(quirk `hpet_match`): `Equal`, the datasheet's, and `Deadline`, QEMU's host timer.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from timerlab.clock import Clock
from timerlab.devices.hpet_regs import (
    ENB,
    FSB_EN,
    LEVEL,
    MODE32,
    PERIODIC,
    ROUTE,
    ROUTE_LO,
    STORED,
    VAL_SET,
    Caps,
)
from timerlab.line import FOREVER, Gap, Train

LOW = (1 << 32) - 1
ALL = (1 << 64) - 1
HIGH = ALL ^ LOW

KEPT = 32
"""Periods of double pulses that are kept as trains when many are due at once."""
AHEAD = 16
"""Firings of a host timer that a prediction looks ahead."""


@dataclass(slots=True)
class Timer:
    """What a comparator remembers."""

    conf: int = 0
    """The bits of the configuration that can be written, VAL_SET included."""
    cmp: int = 0
    period: int = 0
    fsb: int = 0
    sts: int = 0
    """Tn_INT_STS."""
    matches: int = 0
    """Matches since power-on."""
    next: int | None = None
    """The tick of the next match, or of the host timer; None where there is none."""
    fall: int | None = None
    """The tick at which the pulse that is out ends."""
    phase: int = 0
    """How far into a tick the host timer was set, in units of the clock's 1/den tick."""
    wrap: bool = False
    """The host timer stands at the wrap, and the comparator comes after it."""

    def snapshot(self) -> tuple[Any, ...]:
        """As plain data, in the order of the fields."""
        return (
            self.conf,
            self.cmp,
            self.period,
            self.fsb,
            self.sts,
            self.matches,
            self.next,
            self.fall,
            self.phase,
            self.wrap,
        )

    def copy(self) -> Timer:
        """One that can be changed."""
        return replace(self)

    @property
    def periodic(self) -> bool:
        """TYPE_CNF."""
        return bool(self.conf & PERIODIC)

    @property
    def edge(self) -> bool:
        """Whether a match is a pulse: INT_TYPE_CNF = 0, or a message."""
        return not self.conf & LEVEL or bool(self.conf & FSB_EN)


def mask_of(timer: Timer, caps: Caps) -> int:
    """All bits that take part in a comparison: 32 or 64."""
    return LOW if timer.conf & MODE32 or not caps.wide else ALL


def cycle_of(timer: Timer, mask: int) -> int:
    """Ticks from a match to the next where nothing is written: the period, or the time that the counter needs to come
    round.
    """
    return (timer.period & mask if timer.periodic else 0) or mask + 1


class Equal:
    """The datasheet's rule: a match is the counter taking the comparator's value."""

    def __init__(self, kept: bool) -> None:
        self.kept = kept

    def arm(self, timer: Timer, mask: int, cnt: int, tick: int, phase: int) -> None:
        """Look for the next match after `tick`; one at `tick` itself is past, or was never taken."""
        away = (timer.cmp - cnt - tick) & mask
        timer.next = tick + (away or mask + 1)

    def disarm(self, timer: Timer) -> None:
        """The counter stands: no match, and no pulse."""
        timer.next = timer.fall = None

    def clock(self, timer: Timer, clock: Clock) -> Clock:
        """The clock on whose ticks the output changes."""
        return clock

    def due(self, timer: Timer) -> int | None:
        """The tick at which there is something to do."""
        return timer.next if timer.fall is None else timer.fall

    def advance(self, timer: Timer, mask: int, cnt: int, clock: Clock, upto: int) -> list[Train | Gap]:
        """Do all matches up to tick `upto`; what the output did."""
        told: list[Train | Gap] = []
        cycle = cycle_of(timer, mask)
        if timer.fall is not None and timer.fall <= upto:
            told.append(Train(clock, timer.fall, 0, cycle - 1, 1, 1))
            timer.fall = None
        first = timer.next
        if first is None or first > upto:
            return told
        n = (upto - first) // cycle + 1
        timer.next = first + n * cycle
        timer.matches += n
        if timer.periodic:
            timer.cmp = (timer.cmp + n * timer.period) & mask
        enabled = bool(timer.conf & ENB)
        if timer.edge:
            if enabled:
                hold = 1 if cycle > 1 else 0
                count = 2 * n
                last = timer.next - cycle
                if hold and last == upto:
                    count -= 1
                    timer.fall = last + 1
                told.append(Train(clock, first, 1, hold, cycle - hold, count))
        elif not timer.sts and (enabled or self.kept):
            timer.sts = 1
            if enabled:
                told.append(Train(clock, first, 1, 0, 0, 1))
        return told

    def future(self, timer: Timer, mask: int, cnt: int, clock: Clock, ahead: int) -> list[Train]:
        """What the output will do if nothing is written."""
        told = []
        cycle = cycle_of(timer, mask)
        if timer.fall is not None:
            told.append(Train(clock, timer.fall, 0, cycle - 1, 1, 1))
        if timer.next is not None and timer.conf & ENB:
            if timer.edge:
                hold = 1 if cycle > 1 else 0
                told.append(Train(clock, timer.next, 1, hold, cycle - hold, FOREVER))
            elif not timer.sts:
                told.append(Train(clock, timer.next, 1, 0, 0, 1))
        return told


class Deadline:
    """QEMU's rule: a host timer is set to the comparator when it is written, and to what comes next when it fires.

    What lies up to half the comparator's range behind the counter is past, and fires after one tick. A periodic
    comparator moves on only when the counter is past it, so that the firing on the match finds it where it was, and
    is repeated a tick later. The host timer keeps the part of a tick that had passed when it was set.
    """

    def __init__(self, kept: bool) -> None:
        self.kept = kept

    def arm(self, timer: Timer, mask: int, cnt: int, tick: int, phase: int) -> None:
        """Set the host timer `phase` into `tick`."""
        away = self._away(timer, mask, cnt + tick)
        timer.wrap = False
        if mask == LOW and not timer.periodic:
            wrap = LOW - ((cnt + tick) & LOW)
            if wrap < away:
                away, timer.wrap = wrap, True
        timer.next, timer.phase = tick + away, phase

    def disarm(self, timer: Timer) -> None:
        """Stop the host timer."""
        timer.next, timer.phase, timer.wrap = None, 0, False

    @staticmethod
    def _away(timer: Timer, mask: int, counter: int) -> int:
        """Ticks to the comparator; 1 where it is not ahead."""
        away = (timer.cmp - counter) & mask
        return away if 0 < away <= mask >> 1 else 1

    def clock(self, timer: Timer, clock: Clock) -> Clock:
        """The counter's clock, late by the phase."""
        return replace(clock, base=clock.base - 1, rem=clock.den - timer.phase) if timer.phase else clock

    def due(self, timer: Timer) -> int | None:
        """The tick at which the host timer fires."""
        return timer.next

    @staticmethod
    def _catch_up(behind: int, period: int, mask: int) -> int:
        """How far a comparator that lies `behind` (> 0) the counter moves, in periods, until it does not.

        A period of more than half the range moves it back, until it is so far behind that it counts as ahead.
        """
        half = (mask >> 1) + 1
        if period < half:
            return -(-behind // period)
        return (half - behind) // (mask + 1 - period) + 1

    def _fire(self, timer: Timer, mask: int, cnt: int, told: list[Train | Gap], clock: Clock) -> None:
        """The host timer fires."""
        tick = timer.next
        assert tick is not None
        timer.matches += 1
        period = timer.period & mask
        if timer.periodic and period:
            behind = (cnt + tick - timer.cmp) & mask
            if 0 < behind <= (mask >> 1) + 1:
                timer.cmp = (timer.cmp + self._catch_up(behind, period, mask) * period) & mask
            timer.next = tick + self._away(timer, mask, cnt + tick)
        elif timer.wrap:
            timer.wrap = False
            timer.next = tick + self._away(timer, mask, cnt + tick)
        else:
            timer.next = None
        if not timer.conf & ENB:
            timer.sts |= self.kept and not timer.edge
            return
        if timer.edge:
            if timer.sts:
                # a level that was left over from before the switch to edges ends with the pulse
                timer.sts = 0
                told.append(Train(clock, tick, 0, 0, 0, 1))
            else:
                self._pulse(told, clock, tick)
        elif not timer.sts:
            timer.sts = 1
            told.append(Train(clock, tick, 1, 0, 0, 1))

    @staticmethod
    def _pulse(told: list[Train | Gap], clock: Clock, tick: int) -> None:
        """A pulse of no width; pulses on neighbouring ticks are one train."""
        last = told[-1] if told else None
        if isinstance(last, Train) and last.rest == 1 and last.tick(last.count) == tick:
            told[-1] = replace(last, count=last.count + 2)
        else:
            told.append(Train(clock, tick, 1, 0, 1, 2))

    def advance(self, timer: Timer, mask: int, cnt: int, clock: Clock, upto: int) -> list[Train | Gap]:
        """Do all firings up to tick `upto`; what the output did."""
        told: list[Train | Gap] = []
        while timer.next is not None and timer.next <= upto:
            if not timer.conf & ENB or timer.edge != bool(timer.sts):
                self._leap(timer, mask, cnt, clock, upto, told)
            self._fire(timer, mask, cnt, told, clock)
        return told

    def _leap(self, timer: Timer, mask: int, cnt: int, clock: Clock, upto: int, told: list[Train | Gap]) -> None:
        """Do whole periods in one step, from a firing on the match to one."""
        tick, period = timer.next, timer.period & mask
        if tick is None or not timer.periodic or not period:
            return
        ahead = (timer.cmp - cnt - tick) & mask
        if ahead and not (period == 1 and ahead == mask):
            return
        # one tick after the match it is 1 behind, and then as far ahead as the next one shows
        cycle = ((self._catch_up(1, period, mask) * period - 1) & mask) + 1
        turns = (upto - tick) // cycle
        if turns <= 1:
            return
        pulses = turns * min(cycle, 2)
        timer.matches += pulses
        timer.cmp = (timer.cmp + turns * cycle) & mask
        timer.next = tick + turns * cycle
        if not timer.conf & ENB or not timer.edge:
            return
        if cycle <= 2:
            told.append(Train(clock, tick, 1, 0, 1, 2 * pulses))
            return
        older = max(0, turns - KEPT)
        kept = tick + older * cycle
        if older:
            told.append(Gap(2 * older, 2 * older, clock.ns(kept - cycle + 1)))
        told += [Train(clock, at, 1, 0, 1, 4) for at in range(kept, timer.next, cycle)]

    def future(self, timer: Timer, mask: int, cnt: int, clock: Clock, ahead: int) -> list[Train]:
        """What the output will do in its next `ahead` firings if nothing is written."""
        trial = timer.copy()
        told: list[Train | Gap] = []
        for _ in range(ahead):
            if trial.next is None:
                break
            self._fire(trial, mask, cnt, told, clock)
        return [train for train in told if isinstance(train, Train)]


Rule = Equal | Deadline


class Writes:
    """What a write to a timer's registers changes, by the quirks; the rule is told afterwards."""

    def __init__(self, quirks: Mapping[str, str]) -> None:
        self.gated = quirks["hpet_status"] == "gated"
        self.checked = quirks["hpet_config"] == "checked"
        self.split = quirks["hpet_64bit"] == "split"
        self.both = quirks["valset"] == "both"
        self.host_timer = quirks["hpet_match"] == "deadline"

    def conf(self, timer: Timer, caps: Caps, value: int) -> None:
        """The low half of the configuration (Timer N Configuration and Capabilities)."""
        old, new = timer.conf, value & STORED
        if self.checked:
            can = LEVEL | ENB | PERIODIC * caps.periodic | MODE32 * caps.wide | FSB_EN * caps.fsb
            if caps.periodic and value & PERIODIC:
                can |= VAL_SET
            routed = value if caps.routes >> (value >> ROUTE_LO & 31) & 1 else old
            new = value & can | routed & ROUTE
        timer.conf = new
        if new & MODE32:
            timer.cmp &= LOW
            timer.period &= LOW
        if self.gated and (new & ~old & FSB_EN or old & ~new & ENB):
            timer.sts = 0
        if timer.edge and not (self.gated and self.host_timer):
            timer.sts = 0
        if not timer.edge or not new & ENB:
            timer.fall = None

    def cmp(self, timer: Timer, mask: int, value: int, bits: int) -> None:
        """`bits` of the comparator, or of the period (Timer N Comparator; Periodic Mode)."""
        reach = bits if self.split else bits & mask
        value &= reach
        chosen = bool(timer.conf & VAL_SET)
        if chosen or not timer.periodic:
            timer.cmp = timer.cmp & ~reach | value
        if timer.periodic and (not chosen or (self.both and not (self.split and bits == HIGH))):
            timer.period = timer.period & ~reach | value
            if self.host_timer and mask == LOW and bits & LOW:
                # a host timer's 32-bit period is kept positive
                timer.period &= ~(1 << 31)
        timer.conf &= ~VAL_SET
