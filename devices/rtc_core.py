"""The RTC in time: what passes of it between two accesses, in closed form, and what will.

Source: MC146818A datasheet: Update Cycle, Interrupts, Register A, Register B. An update counts if SET was 0 and the
divider ran from its start to its end; UF, AF and the new time come at its end, PF at each rise of the tap.
"""

from __future__ import annotations

from collections.abc import Mapping

from timerlab.clock import NS_PER_S, Clock
from timerlab.devices.rtc_calendar import Rules, advance, alarms, next_alarm
from timerlab.devices.rtc_reckoned import updates_to_alarm
from timerlab.devices.rtc_state import AF, AIE, PF, PIE, SET, SQWE, UF, UIE, RtcState
from timerlab.devices.rtc_waves import (
    BASE_HZ,
    FIRST,
    SECOND,
    T_UC,
    T_UC_FAST,
    Tap,
    Updates,
    divider,
    double,
    fine,
    half_period,
    square,
)
from timerlab.line import Train


class Core:
    """The rules of one RTC: its crystal and its quirks. State is passed in."""

    def __init__(self, clock: Clock, quirks: Mapping[str, str]) -> None:
        self.clock = clock
        self.slow_update = quirks["update"] == "mc146818"
        self.pf_with_pie = quirks["rtc_pf"] == "with_pie"
        self.reckoned_alarm = quirks["rtc_alarm"] == "qemu"
        self.century = quirks["rtc_century"] == "counts"
        self.dow_of_date = quirks["rtc_dow"] == "date"
        self.april = {"april_last": 24, "ds12887": 1, "ignored": 0}[quirks["rtc_dse"]]
        second, odd = divmod(BASE_HZ * clock.den, clock.num)
        self.second = 0 if odd else second
        """A second of the crystal in ns, where that is a whole number."""
        # a timer that fires in the first ns after a tick, and not in the one of the tick
        self._after = Clock(clock.num, clock.den, clock.epoch, clock.base - 1, clock.den - 1)
        self.one_crystal = quirks["rtc_crystal"] == "khz32"
        self._zero: tuple[int, int] | None = None
        self._clocks = (fine(clock), double(clock))

    # -- the chain

    def slow(self, a: int) -> int:
        """How many times slower the divider runs than DV takes it to: where the crystal has 32 768 Hz whatever DV says,
        the stages that divide 4 MHz or 1 MHz down to that are in its way.
        """
        return {0: 128, 1: 32}.get(a >> 4 & 7, 1) if self.one_crystal else 1

    def zero_for(self, ns: int, a: int = 0x20) -> int:
        """A moment at which the divider was zero, as state keeps it: all waves repeat each second, so that one in the
        second before power-on does as well.
        """
        second = self.second * self.slow(a)
        return ns % second - second if second else ns

    def rebase(self, s: RtcState, old: int, now: int) -> None:
        """DV was `old` and is another one, and the divider runs on: what was left of its second is left still. Another
        time base has another length of update: one under way does not count.
        """
        before, after = self.slow(old), self.slow(s.a)
        if before != after:
            s.zero = self.zero_for(now - (now - s.zero) * after // before, s.a)
        if (before != after or (old ^ s.a) & 0x20) and not s.b & SET:
            self.enter(s, now)

    def clocks(self, s: RtcState) -> tuple[Clock, Clock]:
        """The clocks of updates and of taps."""
        chain = s.zero, self.slow(s.a)
        if chain != self._zero:
            here = Clock(self.clock.num, self.clock.den * chain[1], s.zero)
            self._clocks = fine(here), double(here)
            self._zero = chain
        return self._clocks

    def updates(self, s: RtcState) -> Updates | None:
        """The updates to come, as long as nothing inhibits them."""
        if s.b & SET or divider(s.a) != "runs":
            return None
        return self.all_updates(s)

    def all_updates(self, s: RtcState) -> Updates:
        """The updates, inhibited or not."""
        t_uc = 0 if not self.slow_update else T_UC if s.a & 0x20 else T_UC_FAST
        return Updates(self.clocks(s)[0], t_uc)

    def tap(self, s: RtcState) -> Tap | None:
        """The moments at which PF is set."""
        half = half_period(s.a)
        if not half:
            return None
        if self.pf_with_pie:
            if s.anchor is None:
                return None
            period = self.period_ticks(s.a)
            return Tap(self._after, s.anchor + period, period)
        if divider(s.a) != "runs":
            return None
        return Tap(self.clocks(s)[1], half, 2 * half)

    @staticmethod
    def period_ticks(a: int) -> int:
        """The period of the timer behind rtc_pf=with_pie, in 32 768 Hz ticks: it knows one time base."""
        return half_period(a & 15 | 0x20)

    def square(self, s: RtcState) -> Train | None:
        """The SQW pin from the divider's zero on."""
        half = half_period(s.a)
        if not half or not s.b & SQWE or divider(s.a) != "runs":
            return None
        return square(self.clocks(s)[1], half)

    def sqw(self, s: RtcState, now: int) -> int:
        """The level of the SQW pin."""
        half = half_period(s.a)
        if not half or not s.b & SQWE:
            return 0
        runs = divider(s.a) == "runs"
        clock = self.clocks(s)[1] if runs else double(Clock(self.clock.num, self.clock.den))
        return clock.ticks(now if runs else s.held) // half & 1

    def uip(self, s: RtcState, now: int) -> int:
        """UIP, bit 7 of register A."""
        updates = self.updates(s)
        return 0 if updates is None or now < s.dead else updates.uip(now)

    def updating(self, s: RtcState, now: int) -> bool:
        """Whether an update is under way: the time bytes belong to the chip."""
        updates = self.updates(s)
        return updates is not None and now >= s.dead and updates.under_way(now)

    def rules(self, s: RtcState) -> Rules:
        """How the time counts."""
        return s.rules(self.century, self.dow_of_date, self.april)

    # -- the past

    def step(self, s: RtcState, now: int) -> int | None:
        """Bring the state to `now`; the ns at which IRQF rose on the way, or None."""
        rises: list[int] = []
        quiet = not s.irqf
        tap = self.tap(s)
        if tap is not None:
            seen = tap.count(s.t)
            events = tap.count(now) - seen
            if events:
                if not s.flags & PF:
                    s.flags |= PF
                    if s.b & PIE:
                        rises.append(tap.ns(seen))
                        events -= 1
                if s.b & PIE:
                    s.coalesced += events
        updates = self.updates(s)
        if updates is not None:
            seen = updates.ended(max(s.t, s.dead))
            n = updates.ended(now) - seen
            if n > 0:
                self._update(s, n, updates, seen, rises)
        if s.dead and now >= s.dead:
            s.dead = 0
        s.t = now
        return min(rises) if quiet and rises else None

    def _update(self, s: RtcState, n: int, updates: Updates, seen: int, rises: list[int]) -> None:
        rules = self.rules(s)
        found = self.alarm_in(s, n)
        if found is not None and not s.flags & AF and s.b & AIE:
            rises.append(updates.end(seen + found - 1))
        if s.b & AIE and not self.reckoned_alarm:
            s.coalesced += alarms(s.time, s.autumn, s.alarm, n, rules) - (found is not None and not s.flags & AF)
        if self.reckoned_alarm:
            self._count_to_alarm(s, n, rules)
        elif found is not None:
            s.flags |= AF
        if not s.flags & UF and s.b & UIE:
            rises.append(updates.end(seen))
        if s.b & UIE:
            s.coalesced += n - (not s.flags & UF)
        s.flags |= UF
        s.time, s.autumn = advance(s.time, s.autumn, n, rules)
        s.updates += n

    # -- the alarm

    def alarm_in(self, s: RtcState, within: int | None = None) -> int | None:
        """How many updates until AF is next due, if register C is not read; None if not `within` so many, or never."""
        rules = self.rules(s)
        if not self.reckoned_alarm:
            if within is None:
                return next_alarm(s.time, s.autumn, s.alarm, rules)
            return next_alarm(s.time, s.autumn, s.alarm, rules, within)
        if s.flags & UF:
            found = s.due
        elif s.due == 1:
            found = 1
        else:
            time, _ = advance(s.time, s.autumn, 1, rules)
            found = 1 + updates_to_alarm(time, s.alarm, s.fmt)
        return found if found and (within is None or found <= within) else None

    def _count_to_alarm(self, s: RtcState, n: int, rules: Rules) -> None:
        """What `n` updates do to AF and its timer under rtc_alarm=qemu: the first sets UF and has the alarm reckoned
        anew, later ones matter only when it is due.
        """
        if not s.flags & UF:
            if s.due == 1:
                s.flags |= AF
            time, _ = advance(s.time, s.autumn, 1, rules)
            s.due = 0 if s.flags & AF else updates_to_alarm(time, s.alarm, s.fmt)
            n -= 1
        if s.due:
            if n >= s.due:
                s.flags |= AF
                s.due = 0
            else:
                s.due -= n

    def rearm(self, s: RtcState) -> None:
        """Under rtc_alarm=qemu, reckon the alarm anew, as each write does that may move it."""
        if self.reckoned_alarm:
            waits = s.flags & (UF | AF) != UF | AF
            s.due = updates_to_alarm(s.time, s.alarm, s.fmt) if waits else 0

    # -- the future

    def next_update(self, s: RtcState) -> int | None:
        """When the next update ends that counts."""
        updates = self.updates(s)
        return None if updates is None else updates.end(updates.ended(max(s.t, s.dead)))

    def next_alarm(self, s: RtcState) -> int | None:
        """When AF is next due."""
        updates = self.updates(s)
        if updates is None:
            return None
        found = self.alarm_in(s)
        return None if found is None else updates.end(updates.ended(max(s.t, s.dead)) + found - 1)

    def next_periodic(self, s: RtcState) -> int | None:
        """When PF is next due."""
        tap = self.tap(s)
        return None if tap is None else tap.ns(tap.count(s.t))

    def rhythm(self, s: RtcState, now: int) -> tuple[int, int]:
        """The period of the periodic interrupt, 0 while there is none, and the time since its last tick at `now`, both
        in clocks of 32 768 Hz.
        """
        period = self.period_ticks(s.a) if s.b & PIE else 0
        due = self.next_periodic(s) if period else None
        return period, 0 if due is None else max(0, period - (due - now) * BASE_HZ // NS_PER_S)

    def next_irq(self, s: RtcState) -> int | None:
        """When IRQF rises if nothing is accessed; None while it is 1, or for ever 0."""
        if s.irqf:
            return None
        found = []
        if s.b & PIE:
            found.append(self.next_periodic(s))
        if s.b & UIE:
            found.append(self.next_update(s))
        elif s.b & AIE:
            found.append(self.next_alarm(s))
        if s.b & AIE and s.b & UIE and self.reckoned_alarm:
            found.append(self.next_alarm(s))
        return min((ns for ns in found if ns is not None), default=None)

    def enter(self, s: RtcState, now: int) -> None:
        """Updates are let go at `now`: one that has started already does not count."""
        all_ = self.all_updates(s)
        s.dead = all_.end(all_.ended(now)) if all_.under_way(now) else 0


__all__ = ["FIRST", "SECOND", "Core"]
