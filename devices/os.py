"""A guest's operating system, as far as it keeps time. It is off until it is booted.

It counts ticks, calibrates the TSC, picks a clocksource, watches over it and over its processors, and lets NTP pull
its system clock. What it believes is the sum of what it could see; true time is virtual time. Modelled after Linux
6.1 (see the files of this family for sources). Not modelled: processes, tickless idle (a processor that runs reads its
clocksource often enough), and what a kernel programs into its timers: that is done at the prompt, or by a program.

Nothing here drives a wire, and nothing is due that must be stepped: between two host events every counter runs at one
rate, and a year of watchdog checks and NTP polls is decided at once. The board tells it of host events (`exit`,
`enter`), of delivered ticks (`ticks`), and brings it to the present (`sync`) before anything that counts is changed.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from timerlab.clock import NS_PER_S
from timerlab.device import Device, State
from timerlab.devices import os_ntp as ntp
from timerlab.devices.os_boot import Boot
from timerlab.devices.os_clocks import compensated
from timerlab.devices.os_peeks import nothing, seen
from timerlab.devices.os_read import CLOCKS, SOURCES
from timerlab.devices.os_sight import Sight
from timerlab.devices.os_state import COMPENSATIONS, HANGS, WATCHDOGS, Core, Ntp, Options, OsState, plain

__all__ = ["GuestOs", "Options", "Sight"]

TRACK = 512
"""How many samples of the clocks' drifts are kept for a plot."""


class GuestOs(Boot, Device):
    """The operating system. `sight` is the machine, as a guest sees it."""

    name = "os"

    def __init__(self, sight: Sight) -> None:
        self.sight = sight
        self.state = OsState()
        self.cores = [Core() for _ in range(sight.vcpus)]
        self.ntp = Ntp()
        self.track: deque[tuple[int, dict[str, int]]] = deque(maxlen=TRACK)
        """(ns, drift of each clock): what was sampled, for a plot. No part of the state."""

    def fall_back(self, t: int, why: str) -> None:
        """The TSC is marked unstable at `t`; the next best clocksource goes on from where the system clock is."""
        s = self.state
        s.unstable = why
        self.say(t, f"clocksource: marking tsc unstable, {why}")
        if s.current == "tsc":
            self.choose(t, self._best())

    def choose(self, t: int, clocksource: str) -> None:
        """Make the system clock of another clocksource from `t` on; ValueError where the guest does not have it."""
        s = self.state
        if s.stage != "up":
            raise ValueError("the system is not up: os boot")
        if clocksource not in SOURCES:
            raise ValueError(f"no clocksource {clocksource}: {', '.join(SOURCES)}")
        if not self.there(clocksource):
            raise ValueError(f"the guest has no {clocksource}")
        if clocksource == "tsc" and s.unstable:
            raise ValueError(f"the TSC is no clocksource: {s.unstable}")
        base = self.raw(t)
        s.base, s.current = base, clocksource
        s.base_at = self.ns(clocksource, t) or 0
        self.say(t, f"clocksource: switched to {clocksource}")

    # -- what a person turns

    def discipline(self, now: int, on: bool, poll: int = 64 * NS_PER_S) -> None:
        """NTP on, with a poll each `poll` ns, or off."""
        if self.state.stage != "up":
            raise ValueError("the system is not up: os boot")
        if not NS_PER_S <= poll <= 131_072 * NS_PER_S:
            raise ValueError("NTP polls each 1 s to 131072 s")
        if self.ntp.on:
            ntp.stop(self.ntp, now)
        if on:
            self.ntp.poll = poll
            ntp.start(self.ntp, self.raw_drift, now)

    def compensate(self, now: int, kind: str) -> None:
        """Another way to make up for lost ticks, from the next tick on."""
        if kind not in COMPENSATIONS:
            raise ValueError(f"no compensation {kind}: {', '.join(COMPENSATIONS)}")
        self.state.options = replace(self.state.options, compensate=kind)

    def watch(self, kind: str) -> None:
        """Another clocksource watchdog; a TSC that was marked stays so."""
        if kind not in WATCHDOGS:
            raise ValueError(f"no watchdog {kind}: {', '.join(WATCHDOGS)}")
        s = self.state
        s.options = replace(s.options, watchdog=kind)
        s.cs_tsc, s.cs_due = None, max(s.cs_due, s.at + 1)

    def detectors(self, soft: bool | None = None, hard: bool | None = None) -> None:
        """The lockup detectors on or off; None leaves one as it is."""
        o = self.state.options
        self.state.options = replace(o, soft=o.soft if soft is None else soft, hard=o.hard if hard is None else hard)

    def hang(self, v: int, now: int, kind: str) -> None:
        """Let vCPU `v` hang in a loop: `preempt`ion off, or `irq`s off; `none` ends it."""
        if kind not in HANGS:
            raise ValueError(f"no hang {kind}: {', '.join(HANGS)}")
        core = self.cores[v]
        late = core.hang == "irq" and kind != "irq"
        core.hang, core.barked = kind, False
        if late and not core.out:
            self.back(v, now)

    def disturb(self, ns: int) -> None:
        """Let the next check of the clocksource watchdog read the TSC so much later than its reference, as when the
        vCPU is stolen between the two reads.
        """
        self.state.cs_gap = ns

    # -- time

    def ticks(self, first: int, period: int, count: int, last: int | None = None) -> None:
        """`count` ticks of the source are delivered, the first at `first`, each `period` ns after the one before.
        `last` is when the last of them is, where the period is no whole number of ns.
        """
        s = self.state
        if s.stage == "off" or count <= 0:
            return
        last = first + period * (count - 1) if last is None else last
        begin, end = self.cycles(first), self.cycles(last)
        cycles = s.khz * 1000 // s.options.hz
        if s.tick_tsc is None:
            s.tick_from = begin
        elif not cycles:
            pass
        elif s.options.compensate == "buggy":
            s.extra += compensated(begin - s.tick_tsc, end - begin, count, cycles) - count
        elif s.options.compensate == "right":
            # whole ticks of the TSC since the first one; an eighth, so that one that comes early is none too few
            early = cycles // 8 - s.tick_from
            s.extra += (end + early) // cycles - (s.tick_tsc + early) // cycles - count
        s.tick_tsc = end

    def exit(self, v: int, now: int, cause: str) -> None:
        """vCPU `v` leaves the guest: until it is back nothing of the system runs on it. A halted one is not out."""
        self.sync(now)
        if cause != "halt":
            self._turn(v, now, out=True)

    def enter(self, v: int, now: int, moved: bool) -> None:
        """vCPU `v` is back: timers that were due meanwhile come now."""
        self.sync(now)
        self._turn(v, now, out=False)

    def catch_up(self, now: int) -> None:
        """Come to `now`, where something is about to change that it reads."""
        if self.state.stage != "off":
            self._advance(now)

    def leap(self, now: int) -> None:
        """Come to `now` over rounds of a load, in which each vCPU was in and out by turns and never long."""
        if self.state.stage == "off":
            return
        outs = [core.out for core in self.cores]
        for core in self.cores:
            core.out = False
        self._advance(now)
        for core, out in zip(self.cores, outs, strict=True):
            core.out = out

    def counts(self, v: int) -> tuple[int, ...]:
        """None: no number here grows with the rounds of a load."""
        return ()

    def add(self, v: int, change: tuple[int, ...], times: int) -> None:
        """Nothing to add."""

    def _turn(self, v: int, now: int, out: bool) -> None:
        core = self.cores[v]
        if core.out == out or self.state.stage == "off":
            return
        if not out:
            if v == 0:
                self._note_counters(now)
            core.out = False
            self.back(v, now)
            end = self.state.cal_end
            if v == 0 and end is not None and now >= end:
                # its loop looks again only now; a reference is read beside the TSC, a PIT just seen to have ended
                if self.state.cal_read is None:
                    self.state.cal_read = self._reference(now)
                self._calibrated(now)
        core.out = out

    def sync(self, now: int) -> None:
        """Come to `now`: each vCPU has been in or out since the last time as it was then."""
        if self.state.stage == "off":
            return
        self._advance(now)
        for v in range(self.sight.vcpus):
            self._turn(v, now, out=not self.sight.v_running(v))

    def _advance(self, now: int) -> None:
        s = self.state
        if now <= s.at:
            return
        if not self.cores[0].out:
            self._calibrating(now)
            if s.stage == "up":
                self.guard_clock(now)
                if self.ntp.on:
                    ntp.advance(self.ntp, self.raw_drift, now)
        if s.stage == "up":
            for v, core in enumerate(self.cores):
                if not core.out:
                    self.guard_core(v, core, now)
        if not self.cores[0].out:
            self._note_counters(now)  # now that nobody reads them for a moment before it
        s.at = now

    def _note_counters(self, now: int) -> None:
        """Read the counters that wrap, as a kernel does at each tick."""
        s = self.state
        s.hpet_total, s.pm_total = self.counted("hpet", now), self.counted("pm", now)
        s.hpet_seen, s.pm_seen = self.sight.hpet(now), self.sight.pm(now)

    def sample(self, now: int) -> None:
        """Note every clock's drift at `now`, for a plot."""
        track = self.track
        if self.state.stage == "off" or (track and track[-1][0] > now):
            return
        true = now - self.state.boot
        drifts = {clock: ns - true for clock in CLOCKS if (ns := self.ns(clock, now)) is not None}
        if "ticks" in drifts:
            # between two ticks this clock stands; what is noted is its drift at the latest one
            drifts["ticks"] += min(self.sight.since(self.state.source, now), NS_PER_S // self.state.options.hz)
        if track and track[-1] == (now, drifts):
            return
        if len(track) > 1 and track[-2][0] == now:
            track.pop()  # two at one moment are a jump; what lay between is not seen
        if len(track) == TRACK:
            thinned = list(track)[::2]
            track.clear()
            track.extend(thinned)
        track.append((now, drifts))

    def next_look(self, now: int) -> int | None:
        """When the system next does something by itself: a check of the TSC, a watchdog's timer, NTP's poll, the end of
        a calibration. None while it is off.
        """
        s = self.state
        if s.stage == "off":
            return None
        moments = [s.cs_due, s.cal_end, self.ntp.due, *[core.due for core in self.cores]]
        return min((moment for moment in moments if moment is not None and moment > now), default=None)

    # -- what a device is

    def next_event(self, now: int) -> Iterator[tuple[int, str]]:
        """None: it drives no line."""
        return iter(())

    def reset(self, now: int) -> None:
        """The machine is reset: the system is gone."""
        self.state, self.ntp = OsState(), Ntp()
        self.cores = [Core() for _ in range(self.sight.vcpus)]
        self.track.clear()

    def peek(self, now: int) -> dict[str, Any]:
        """Each clock, its drift and rate, and what the watchdogs and NTP have done."""
        return nothing(self.sight.vcpus) if self.state.stage == "off" else seen(self, now)

    def read(self, clock: str, now: int) -> int:
        """What a program reads of a clock: ns since boot; ValueError where there is no such clock."""
        if clock not in CLOCKS:
            raise ValueError(f"no clock {clock}: {', '.join(CLOCKS)}")
        ns = self.ns(clock, now)
        if ns is None:
            off = self.state.stage == "off"
            raise ValueError("the system is off: os boot" if off else f"the guest has no {clock} clock now")
        return ns

    def snapshot(self) -> State:
        """The state as plain data, without the samples of the plot."""
        return plain(self.state), tuple(plain(core) for core in self.cores), plain(self.ntp)

    def restore(self, state: State) -> None:
        """Take back what `snapshot` gave; samples of a time that is not yet are dropped."""
        self.state = OsState(*state[0])
        self.cores = [Core(*core) for core in state[1]]
        self.ntp = Ntp(*state[2])
        while self.track and self.track[-1][0] > self.state.at:
            self.track.pop()
