"""The leaps: edges whose fate is known, counted at once.

*Steady* (`none`, `manual`, `ideal`): where a source's edges leave everything as they found it, but for counts, each
further edge counts as the last one did, up to the next edge of a source of which that is not known yet.

*One source for one vCPU* (`latency`), handler latency L, gap P: with L <= P each edge is taken as it comes; with
L >= P the vCPU takes one every L, always with another one waiting, and the rest coalesces.

Inert sources (masked everywhere) and blocked ones (their request waits for something that no edge brings) only count;
so do those whose tick policy keeps the edges to itself while their vCPU is out.

A vCPU that goes out or comes back ends a leap, and while a tick policy has something to do at a moment of its own there
are none.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

from timerlab.devices.fabric import Fabric
from timerlab.devices.run import KEPT, Run

STEADY = 4
"""A source's edges that must leave everything as it was before the rest of its train is counted at once: two pulses."""

TRIES = 64
"""How many handler ends are looked at for one that finds the line as it is now."""


class Leaps(ABC):
    """The part of the `Flow` that does not go edge by edge."""

    fabric: Fabric
    contended: bool

    @abstractmethod
    def step(self, edges: int) -> None:
        """So many edges count towards the budget."""

    @abstractmethod
    def asked(self, run: Run, pulses: int) -> None:
        """A leap passed over so many requests of a source."""

    def _leap_steady(self, long: list[Run], runs: list[Run], to: int) -> bool:
        """Count the edges of steady trains at once; whether there were any."""
        ready = [run for run in long if run.steady >= STEADY and run.long]
        if not ready:
            return False
        barrier = min((run.next_ns for run in runs if run.left and run not in ready and not run.stands), default=to + 1)
        barrier = min(barrier, to + 1)
        leapt = False
        for run in ready:
            leapt |= self._count(run, run.skip(barrier - 1))
        return leapt

    def _count(self, run: Run, pulses: int) -> bool:
        """So many pulses that go as the last one went; whether there are any."""
        if not pulses:
            return False
        run.source.add(pulses, run.change, run.last_rise)
        tick = run.source.tick
        if tick is not None and tick.late_counts:
            self.step(pulses * run.change[-4])
        if run.other:
            self.fabric.add_others(pulses, run.other)
        self.asked(run, pulses)
        taken = pulses * sum(run.change[3 : 3 + len(self.fabric.vcpus)])
        if taken and self.fabric.told is not None:
            last, period = run.last_rise, run.period
            self.fabric.told(run.source.name, last - (taken - 1) * period, period, taken, last)
        return True

    # -- with a handler latency

    def _leap_slow(self, rising: list[Run], runs: list[Run], now: int, to: int) -> bool:
        """Whether an edge, or the end of a handler, lets some source leap."""
        if self.fabric.fanned or self.fabric.alarms:
            return False
        leapt = False
        for run in rising:
            if run.long and run.inert:
                leapt |= self._count(run, run.skip(to if run.source.tick is None else self._until(run, runs, to)))
            elif run.long and run.absorbed:
                leapt |= self._leap_absorbed(run, runs, to)
            elif run.long and run.waiting:
                leapt |= self._leap_blocked(run, runs, to)
        for vcpu, until in list(self.fabric.ends.items()):
            if until == now + self.fabric.guest.latency_ns and not self.fabric.waits(vcpu):
                leapt |= self._leap_taken(vcpu, rising, runs, now, to)
        return leapt

    @staticmethod
    def _until(run: Run, runs: list[Run], to: int) -> int:
        """How far a source with a tick policy may be counted where only its vCPU decides: to the next edge of a vCPU's
        run line.
        """
        gates = [other.next_ns for other in runs if other.left and other.source.gate >= 0]
        return min(min(gates, default=to + 1) - 1, to)

    def _leap_absorbed(self, run: Run, runs: list[Run], to: int) -> bool:
        """What a policy keeps to itself while all who could take it are out changes nothing else."""
        fabric, tick = self.fabric, run.source.tick
        who = fabric.holders(run.source)
        if tick is None or not all(fabric.out >> vcpu & 1 for vcpu in (tick.target, *who)):
            return False
        return self._count(run, run.skip(self._until(run, runs, to)))

    def _leap_blocked(self, run: Run, runs: list[Run], to: int) -> bool:
        """A request that waits, waits on: for the handler that runs to end or, where none does and it was not taken,
        for IF, for TPR, for a level.
        """
        fabric = self.fabric
        holders = fabric.holders(run.source)
        if not holders:
            return False
        end = min((fabric.ends[vcpu] for vcpu in holders if vcpu in fabric.ends), default=to + 1)
        held = {served.source for vcpu in holders for served in fabric.vcpus[vcpu].state.served}
        others = [other for other in runs if other is not run and other.left and not other.stands]
        barrier = min(
            (other.next_ns for other in others if not other.long or other.source.name in held), default=to + 1
        )
        barrier = min(barrier, to + 1)
        return self._count(run, run.skip(min(barrier, end) - 1))

    def _leap_taken(self, vcpu: int, rising: list[Run], runs: list[Run], now: int, to: int) -> bool:
        """A vCPU has just taken an interrupt, and nothing waits for it: its source may have it to itself."""
        served = self.fabric.vcpus[vcpu].state.served
        latency = self.fabric.guest.latency_ns
        for run in runs:
            if run.source.name != served[-1].source or not run.long or run.other:
                continue
            if run.inert or run.change[:1] != (1,) or run.change[2]:
                continue  # what was taken is older than the mask that its source meets now, or than anything known
            clock, period = run.train.clock, run.train.hold + run.train.rest
            barrier = self._barrier(run, runs, vcpu, to)
            tick = run.source.tick
            if latency * clock.num >= period * clock.den:
                return tick is None and self._leap_behind(run, now, barrier, vcpu)
            as_it_comes = run in rising and run.change[:3] == (1, 0, 0) and run.change[3 + vcpu] == 1
            if tick is not None:
                # the one in service is all of its backlog, and is so again after each later one
                as_it_comes &= tick.state.n <= 1 and (tick.state.n == 0) == tick.state.acked
                as_it_comes &= not run.change[-2] and not (run.change[-4] and tick.late_counts)
                run.change = (*run.change[:-1], 0)
            if as_it_comes and not self.fabric.queues(vcpu) and self._count(run, run.skip(barrier - 1)):
                self.fabric.occupy(vcpu, run.train.ns(run.at - 1) + latency)
                return True
        return False

    def _barrier(self, run: Run, runs: list[Run], vcpu: int, to: int) -> int:
        """How far a source may leap: to the next edge of another one that may ask the same vCPU, or let it go on."""
        held = {served.source for served in self.fabric.vcpus[vcpu].state.served}
        others = [
            other.next_ns
            for other in runs
            if other is not run
            and other.left
            and not other.stands
            and (other.source.name in held or not (other.inert or other.waiting))
            and (not other.long or other.source.vcpu in (vcpu, -1) or other.source.name in held)
        ]
        return min(min(others, default=to + 1), to + 1)

    def _leap_behind(self, run: Run, now: int, barrier: int, vcpu: int) -> bool:
        """One delivery every latency, always with another request waiting: edges are at most the latency apart."""
        latency = self.fabric.guest.latency_ns
        last = min(barrier - 1, run.train.ns(run.train.count - 1 - KEPT))
        most = (last - now) // latency - 1
        for taken in range(most, max(0, most - TRIES), -1):
            then = now + taken * latency
            done = run.train.until(then) - run.at
            if done > 0 and not done & 1:
                # the line stands as it stands now, so the pins need not hear of it
                source = run.source
                run.at += done
                source.raised += done // 2
                source.delivered[vcpu] += taken
                source.coalesced += done // 2 - taken
                self.fabric.occupy(vcpu, then + latency)
                self.asked(run, done // 2)
                if self.fabric.told is not None:
                    self.fabric.told(source.name, now + latency, latency, taken, then)
                return True
        return False
