"""What the sources did meanwhile, brought to the controllers in the order of time, with the guest's reaction.

Chips tell their edges as trains, and no guest changes a timer by taking its interrupt: so all sources are brought to
the present first, and then their edges go through the fabric. Order within one nanosecond: edges (sources in wiring
order), handlers that end, what the guest takes.

A year holds more edges than can be handled one by one. Two leaps keep it exact:

* *Steady*: when each source's next edge finds the controllers as its last one did, every further edge counts alike, and
  the rest of a train is counted at once (`none`, `manual`, `ideal`).
* *One source*, handler latency L, gaps P: with L <= P each edge is taken as it comes; with L >= P the vCPU takes one
  every L, and the rest coalesces.

Where neither holds (several sources share a busy vCPU), edges are handled one by one, up to `BUDGET` of them since the
guest last did something; from then on the counts go on in the proportion that those edges had, and `estimated_since`
says so. The budget is part of the state and counts virtual events, so it does not matter in which steps time passes.
"""

from __future__ import annotations

from collections.abc import Iterator
from heapq import heapify, heappop, heapreplace
from typing import Any

from timerlab.devices.fabric import Fabric
from timerlab.devices.source import Source
from timerlab.line import Gap, Train

BUDGET = 100_000
"""Edges that are handled one by one since the guest last did something, where several sources share a busy vCPU."""

FEW = 48
"""So many edges are handled one by one before a leap is thought of."""

STEADY = 4
"""A source's edges that must leave everything as it was before the rest of its train is counted at once: two pulses."""

KEPT = 3
"""Edges of a train that are handled one by one after a leap, so that lines and pins end as they must."""

PATIENCE = 4096
"""Edges after which a leap that did not come about is no longer looked for."""


class Run:
    """A train of a source on its way through the fabric: `at` edges are done."""

    __slots__ = ("at", "change", "source", "steady", "train")

    def __init__(self, source: Source, train: Train) -> None:
        self.source = source
        self.train = train
        self.at = 0
        self.steady = 0
        self.change: tuple[int, ...] = ()
        """What its last rise changed in the counts."""

    @property
    def left(self) -> int:
        """Edges still to come."""
        return self.train.count - self.at

    @property
    def next_ns(self) -> int:
        """When the next edge is; there must be one."""
        return self.train.ns(self.at)

    def edges(self) -> Iterator[tuple[int, int]]:
        """(ns, level) of the edges from `at` on."""
        train = self.train
        clock = train.clock
        num, den, epoch, rem = clock.num, clock.den, clock.epoch, clock.rem
        tick = train.tick(self.at) - clock.base
        odd = self.at & 1
        level = train.level ^ odd
        gaps = (train.hold, train.rest)
        for _ in range(self.at, train.count):
            yield epoch - (rem - tick * den) // num, level
            tick += gaps[odd]
            odd ^= 1
            level ^= 1

    def skip(self, until: int) -> int:
        """Pass over whole pulses up to nanosecond `until`, but for the last few edges; how many pulses."""
        pulses = max(0, (self.train.until(until) - self.at - KEPT) // 2)
        self.at += 2 * pulses
        return pulses


class Flow:
    """The queue between the sources and the fabric."""

    def __init__(self, fabric: Fabric) -> None:
        self.fabric = fabric
        self.queue: list[tuple[Source, Train]] = []
        self.stepped = 0
        """Edges since the guest last did something, while sources contend for a vCPU."""
        self.served: dict[tuple[Any, ...], dict[str, int]] = {}
        """For each place for which several sources may contend, how often each asked there (up to 2)."""
        self.contended = False
        self.estimated_since: int | None = None

    def put(self, source: Source, train: Train | Gap) -> None:
        """An edge or many, to be handled by the next `settle`."""
        if isinstance(train, Gap):
            # edges that a line itself has forgotten: they are counted, and met the request of the ones that follow
            source.raised += train.rises
            source.coalesced += train.rises
        else:
            self.queue.append((source, train))

    def visible(self, now: int) -> None:
        """The guest, or who plays it, does something: estimates end, and the budget begins anew."""
        if self.served or self.contended:
            self.served.clear()
            self.stepped = 0
            self.contended = False
            if self.estimated_since is not None:
                self.estimated_since = None
                self._come_back(now)

    def settle(self, to: int) -> None:
        """Handle everything up to and including `to`."""
        fabric = self.fabric
        if self.estimated_since is not None:
            self._estimate([Run(source, train) for source, train in self.queue])
            self.queue.clear()
        elif self.queue:
            runs = [Run(source, train) for source, train in self.queue]
            self.queue.clear()
            self._go(runs, to)
        else:
            if fabric.guest.kind == "latency":
                self._go([], to)
            if fabric.look:
                fabric.react(to)

    # -- edge by edge

    def _go(self, runs: list[Run], to: int) -> None:
        fabric = self.fabric
        slow, reacts = fabric.guest.kind == "latency", fabric.guest.reacts
        patience, long = self._hope(runs)
        signature: Any = None
        fates: dict[int, Any] = {}
        ends = fabric.ends
        heap = self._heap(runs)
        while True:
            now = heap[0][0] if heap else None
            if slow:
                done = min(ends.values()) if ends else None
                if done is not None and done <= to and (now is None or done < now):
                    fabric.free(done)
                    fabric.react(done)
                    if patience and self._leap_served(runs, done, to):
                        heap = self._heap(runs)
                        patience, long = self._hope(runs)
                    continue
            if now is None:
                return
            rising: list[Run] = []
            while heap and heap[0][0] == now:
                _, order, number, level, run, edges = heap[0]
                if level:
                    if patience:
                        run.change = run.source.counts()
                    rising.append(run)
                    run.source.rise()
                else:
                    run.source.fall()
                run.at += 1
                run.steady += 1
                step = next(edges, None)
                if step is None:
                    heappop(heap)
                else:
                    heapreplace(heap, (step[0], order, number, step[1], run, edges))
            if ends:
                fabric.free(now)
            if fabric.look:
                fabric.react(now)
            if self.contended:
                self.stepped += len(rising)
                if self.stepped >= BUDGET:
                    self._give_up(runs, now)
                    return
            elif reacts and rising:
                self._notice(rising, slow)
            if patience:
                patience -= 1
                if not patience and not self.contended and sum(run.left for run in runs) > BUDGET:
                    # no rule is known for what these sources do to each other
                    self._contend()
                for run in rising:
                    run.change = tuple(a - b for a, b in zip(run.source.counts(), run.change, strict=True))
                if slow:
                    leapt = self._leap_slow(rising, runs, now, to)
                else:
                    found = fabric.signature()
                    if len(long) == 1:
                        # one source alone may have two fates in turn, as a level that is taken and let go has
                        if fates.setdefault(level, found) != found:
                            fates[level] = found
                            long[0].steady = 0
                    elif found != signature:
                        signature = found
                        for run in long:
                            run.steady = 0
                    leapt = self._leap_steady(long, runs, to)
                if leapt:
                    heap = self._heap(runs)
                    patience, long = self._hope(runs)

    @staticmethod
    def _hope(runs: list[Run]) -> tuple[int, list[Run]]:
        """For how many edges a leap is looked for, and the trains that are long enough to leap along."""
        long = [run for run in runs if run.left > 2 * KEPT]
        return PATIENCE if sum(run.left for run in long) > FEW else 0, long

    @staticmethod
    def _heap(runs: list[Run]) -> list[Any]:
        """The next edge of each run, in order of time, then of wiring."""
        heap = []
        for number, run in enumerate(runs):
            edges = run.edges()
            step = next(edges, None)
            if step is not None:
                heap.append((step[0], run.source.order, number, step[1], run, edges))
        heapify(heap)
        return heap

    # -- leaps

    def _leap_steady(self, long: list[Run], runs: list[Run], to: int) -> bool:
        """Count the edges of steady trains at once, up to the next one of a train that is nearly over or not steady;
        whether there were any.
        """
        if self.contended or not any(run.steady >= STEADY for run in long):
            return False
        ready = [run for run in long if run.steady >= STEADY and run.left > 2 * KEPT]
        barrier = min((run.next_ns for run in runs if run.left and run not in ready), default=to + 1)
        leapt = False
        for run in ready:
            pulses = run.skip(barrier - 1)
            if pulses:
                run.source.add(pulses, run.change)
                leapt = True
        return leapt

    def _leap_slow(self, rising: list[Run], runs: list[Run], now: int, to: int) -> bool:
        """With a handler latency: the closed form of a source that has a vCPU to itself; whether there was one."""
        if self.contended or len(rising) != 1 or rising[0].left <= 2 * KEPT:
            return False
        run = rising[0]
        if run.change[2]:
            pulses = run.skip(to)
            run.source.add(pulses, run.change)
            return bool(pulses)
        vcpu = run.source.vcpu
        barrier = self._barrier(run, runs, vcpu, to)
        state = self.fabric.vcpus[vcpu].state if vcpu >= 0 else None
        if run.change[1]:
            blocked = state is None or (state.busy_until is None and not state.interrupts)
            pulses = run.skip(barrier - 1) if blocked else 0
            run.source.add(pulses, run.change)
            return bool(pulses)
        latency = self.fabric.guest.latency_ns
        if state is None or state.busy_until != now + latency or len(state.served) != 1 or self.fabric.waits(vcpu):
            return False
        clock, period = run.train.clock, run.train.hold + run.train.rest
        if latency <= period * clock.den // clock.num:
            pulses = run.skip(barrier - 1)
            run.source.add(pulses, run.change)
            self.fabric.occupy(vcpu, run.train.ns(run.at - 1) + latency)
            return bool(pulses)
        return self._leap_behind(run, now, barrier, latency, vcpu)

    def _leap_served(self, runs: list[Run], now: int, to: int) -> bool:
        """The same where a handler has just ended and the vCPU took the request that waited meanwhile."""
        latency, leapt = self.fabric.guest.latency_ns, False
        for vcpu, until in list(self.fabric.ends.items()):
            served = self.fabric.vcpus[vcpu].state.served
            if self.contended or until != now + latency or len(served) != 1 or self.fabric.waits(vcpu):
                continue
            for run in runs:
                clock, period = run.train.clock, run.train.hold + run.train.rest
                behind = latency * clock.num >= period * clock.den
                if run.source.name == served[0].source and run.left > 2 * KEPT and behind:
                    leapt |= self._leap_behind(run, now, self._barrier(run, runs, vcpu, to), latency, vcpu)
        return leapt

    @staticmethod
    def _barrier(run: Run, runs: list[Run], vcpu: int, to: int) -> int:
        """How far a source may leap: to the next edge of one that is nearly over, or asks the same vCPU."""
        others = [
            other.next_ns
            for other in runs
            if other is not run and other.left and (other.left <= 2 * KEPT or other.source.vcpu == vcpu)
        ]
        return min(others, default=to + 1)

    def _leap_behind(self, run: Run, now: int, barrier: int, latency: int, vcpu: int) -> bool:
        """A source that asks more often than it is served: one delivery every `latency`, always with another request
        waiting (edges at most `latency` apart).
        """
        last = min(barrier - 1, run.train.ns(run.train.count - 1))
        most = (last - now) // latency - 1
        for served in range(most, max(0, most - 64), -1):
            then = now + served * latency
            done = run.train.until(then) - run.at
            if done > 0 and not done & 1:
                # the line stands as it stands now, so the pins need not hear of it
                source = run.source
                run.at += done
                source.raised += done // 2
                source.delivered[vcpu] += served
                source.coalesced += done // 2 - served
                self.fabric.occupy(vcpu, then + latency)
                return True
        return False

    # -- several sources for one vCPU: a budget, then an estimate

    def _notice(self, rising: list[Run], slow: bool) -> None:
        """Count the edges of sources that contend for a vCPU, or for one of its vectors."""
        for run in rising:
            source = run.source
            if source.vcpu < 0:
                continue
            place = (source.vcpu,) if slow else (source.vcpu, source.way, source.vector)
            asked = self.served.setdefault(place, {})
            times = asked.get(source.name, 0)
            if times < 2:
                asked[source.name] = times + 1
                if sum(count == 2 for count in asked.values()) > 1:
                    self._contend()
                    return

    def _contend(self) -> None:
        """From here on edges count towards the budget."""
        self.contended = True
        for source in self.fabric.sources:
            source.base = source.counts()

    def _give_up(self, runs: list[Run], now: int) -> None:
        """From now on the counts go on in the proportion of the edges that were handled one by one."""
        self.estimated_since = now
        for source in self.fabric.sources:
            source.share = (source.counts(), tuple(a - b for a, b in zip(source.counts(), source.base, strict=True)))
        self._estimate(runs)

    def _estimate(self, runs: list[Run]) -> None:
        for run in runs:
            if run.left:
                source, train = run.source, run.train
                level = train.level ^ (run.at & 1)
                source.raised += (run.left + level) // 2
                source.level = train.last_level
                run.at = train.count
        for source in self.fabric.sources:
            start, share = source.share
            more = source.raised - start[0]
            if more:
                coalesced, lost, *delivered = [more * part // max(1, share[0]) for part in share[1:]]
                source.coalesced, source.lost = start[1] + coalesced, start[2] + lost
                source.delivered = [was + part for was, part in zip(start[3:], delivered, strict=True)]

    def _come_back(self, now: int) -> None:
        """Exact again: the pins go where the lines are, and a handler that was running ends now."""
        for source in self.fabric.sources:
            source.share = ((), ())
            counts, level = source.snapshot(), source.level
            if level:
                source.rise()
            else:
                source.fall()
            source.restore(counts)
        for vcpu in self.fabric.vcpus:
            if vcpu.state.busy_until is not None:
                self.fabric.occupy(vcpu.index, now)

    # -- state

    def snapshot(self) -> tuple[Any, ...]:
        """The budget and the estimate; between two settlements the queue is empty."""
        served = tuple((place, tuple(sorted(asked.items()))) for place, asked in sorted(self.served.items()))
        return self.stepped, served, self.contended, self.estimated_since

    def restore(self, state: tuple[Any, ...]) -> None:
        """Take back what `snapshot` gave."""
        self.stepped, served, self.contended, self.estimated_since = state
        self.served = {place: dict(asked) for place, asked in served}
        self.queue.clear()
