"""The watchdogs at work: checks of the TSC, and the timers of the lockup detectors, up to a moment."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable

from timerlab.devices import os_ntp as ntp
from timerlab.devices.os_clocks import rating
from timerlab.devices.os_read import Reader
from timerlab.devices.os_state import Core
from timerlab.devices.os_watch import (
    INTERVAL,
    TIMER,
    check,
    hard_at,
    quiet_timers,
    same_verdict,
    steps_between,
    stuck,
    units,
)

KEPT = 16
"""How many lines of the kernel's log are kept."""


class Guard(Reader):
    """The watchdogs. Each acts on a vCPU that runs; what was due while it was out comes when it is back."""

    @abstractmethod
    def fall_back(self, t: int, why: str) -> None:
        """The TSC is unstable."""

    def say(self, t: int, words: str) -> None:
        """A line of the kernel's log."""
        self.state.messages = (*self.state.messages[1 - KEPT :], (t, words))

    # -- the clocksource

    def reference(self) -> str | None:
        """The clock that the TSC is checked against: the best one that needs no check itself."""
        there = [name for name in ("kvmclock", "hpet", "pm") if self.there(name)]
        return max(there, key=lambda name: rating(name, self.sight.cpuid, bool(self.state.unstable)), default=None)

    def _watched(self) -> bool:
        s, o = self.state, self.state.options
        return bool(o.watchdog != "off" and s.khz and not s.unstable and not o.tsc_reliable and self.reference())

    def guard_clock(self, now: int) -> None:
        """All checks of the TSC up to `now`, and NTP's polls before one that marks it."""
        s = self.state
        while s.cs_due <= now and self._watched():
            self._check(s.cs_due, s.cs_due + INTERVAL)
            count = (now - s.cs_due) // INTERVAL + 1
            if count > 1 and self._watched():
                self._checks(count)

    def _scaled(self, clock: str, count: int) -> int:
        mult, shift = self.scale_of(clock)
        return count * mult >> shift

    def _checks(self, count: int) -> None:
        """The next `count` checks at once, if they all have the same verdict and it changes nothing."""
        s, ref = self.state, self.reference()
        assert ref is not None and s.cs_tsc is not None
        last = s.cs_due + (count - 1) * INTERVAL
        tsc, other = self.cycles(last), self.count_of(ref, last)
        slack = 1 if ref != "kvmclock" else 2
        steps = steps_between(tsc - s.cs_tsc, count)
        ref_steps = steps_between(other - s.cs_ref, count, slack)
        word = same_verdict(
            s.options.watchdog,
            (self._scaled("tsc", steps[0]), self._scaled("tsc", steps[1])),
            (self._scaled(ref, ref_steps[0]), self._scaled(ref, ref_steps[1])),
        )
        if word in ("stable", "skipped"):
            s.checks += count
            s.skipped += count if word == "skipped" else 0
            s.cs_tsc, s.cs_ref, s.cs_due = tsc, other, last + INTERVAL

    def _check(self, t: int, due: int) -> None:
        """One check at `t`; the next one is `due` then."""
        s, ref = self.state, self.reference()
        assert ref is not None
        tsc, other = self.cycles(t), self.count_of(ref, t)
        if s.cs_gap and s.options.watchdog == "classic":
            tsc += int(self.sight.tsc_khz(0) * s.cs_gap // 1_000_000)
        # 6.1 reads both again when a read took too long
        s.cs_gap = 0
        before, ref_before = s.cs_tsc, s.cs_ref
        s.cs_tsc, s.cs_ref, s.cs_due = tsc, other, due
        if before is None:
            return
        s.checks += 1
        verdict = check(s.options.watchdog, self._scaled("tsc", tsc - before), self._scaled(ref, other - ref_before))
        s.skipped += verdict.word == "skipped"
        if verdict.word == "unstable":
            if self.ntp.on:
                ntp.advance(self.ntp, self.raw_drift, t - 1)
            self.fall_back(t, f"{verdict.difference:+d} ns against {ref} in one interval")

    # -- the processors

    def started(self, v: int, core: Core, clock: int, t: int) -> None:
        """The lockup detectors of a vCPU begin at `t`."""
        core.due = t + TIMER
        core.touch = core.report = units(clock)
        core.timer_run = self.sight.run_ns(v, t)

    def back(self, v: int, now: int) -> None:
        """vCPU `v` runs again: what was due comes now, once."""
        s, core = self.state, self.cores[v]
        if s.stage != "up":
            return
        if core.due <= now and core.hang != "irq":
            self._timer(v, core, now, self.local_clock())
            core.due += ((now - core.due) // TIMER + 1) * TIMER
        if v == 0:
            if s.cs_due <= now and self._watched():
                self._check(now, s.cs_due + ((now - s.cs_due) // INTERVAL + 1) * INTERVAL)
            n = self.ntp
            if n.on and not n.gave_up and n.due <= now:
                ntp.poll(n, self.raw_drift, now)
                n.due += ((now - n.due) // n.poll + 1) * n.poll

    def guard_core(self, v: int, core: Core, now: int) -> None:
        """All that the lockup detectors of a running vCPU do up to `now`."""
        if core.hang == "irq":
            self._look_hard(v, core, now)
            return
        clock = self.local_clock()
        while core.due <= now:
            count = (now - core.due) // TIMER + 1
            if count > 1 and not self.sight.guest_stopped(v):
                loops = core.hang != "none" and self.state.options.soft
                passed = self._before_report(core, clock, count) if loops else count
                last = core.due + (passed - 1) * TIMER
                if passed and (core.hang != "none" or quiet_timers(clock, core.due, passed, core.report)):
                    core.timer_run = self.sight.run_ns(v, last)
                    if core.hang == "none":
                        core.touch = core.report = units(clock(last))
                    core.due = last + TIMER
                    continue
            self._timer(v, core, core.due, clock)
            core.due += TIMER

    def _before_report(self, core: Core, clock: Callable[[int], int], count: int) -> int:
        """How many of the next `count` timers of a hung vCPU come before the one that reports."""

        def quiet(k: int) -> bool:
            return stuck(units(clock(core.due + k * TIMER)), core.touch, core.report) is None

        low, high = -1, 1
        while high < count and quiet(high):
            low, high = high, 2 * high
        high = min(high, count)
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if quiet(middle) else (low, middle)
        return high

    def _timer(self, v: int, core: Core, t: int, clock: Callable[[int], int]) -> None:
        """One interrupt of a lockup detector's timer: the check comes first, then a healthy processor's run."""
        now = units(clock(t))
        core.timer_run = self.sight.run_ns(v, t)
        said = stuck(now, core.touch, core.report)
        if self.sight.guest_stopped(v):
            self.sight.clear_stopped(v)
            core.silenced += said is not None
            core.touch = core.report = now
        elif said is not None and self.state.options.soft:
            core.soft, core.stuck, core.report = core.soft + 1, said, now
            self.say(t, f"watchdog: BUG: soft lockup - CPU#{v} stuck for {said}s!")
        if core.hang == "none":
            core.touch = core.report = now

    def _look_hard(self, v: int, core: Core, now: int) -> None:
        """The hard-lockup detector on a vCPU that hangs with interrupts off, and so counts cycles all the time."""
        at, run = hard_at(core.timer_run), self.sight.run_ns(v, now)
        if run >= at and self.state.options.hard and not core.barked:
            core.barked = True
            core.hard += 1
            self.say(now - (run - at), f"watchdog: Watchdog detected hard LOCKUP on cpu {v}")
