"""What the sources did meanwhile, brought to the controllers in the order of time, with the guest's reaction.

Chips tell their edges as trains, and no guest changes a timer by taking its interrupt: so all sources are brought to
the present first, and then their edges go through the fabric. Order within one nanosecond: edges (sources in wiring
order), handlers that end, what the guest takes.

A year holds more edges than can be handled one by one. `leaps` says where many can be counted at once, exactly. Where
they cannot (several sources share a busy vCPU, or a level is held in service again and again), edges are handled one
by one, up to `BUDGET` of them since the guest last did something; from then on the counts go on in the proportion that
those edges had, and `estimated_since` says so. What leads there is part of the state and counts virtual events, so it
does not matter in which steps time passes.
"""

from __future__ import annotations

from heapq import heapify, heappop, heapreplace
from typing import Any

from timerlab.devices.fabric import Fabric
from timerlab.devices.leaps import Leaps
from timerlab.devices.run import Run, spread
from timerlab.devices.source import Source
from timerlab.line import Gap, Train

BUDGET = 100_000
"""Edges that are handled one by one since the guest last did something, where several sources share a busy vCPU."""

FEW = 48
"""So many edges are handled one by one before a leap is thought of."""

MANY, TAIL = 64, 8
"""So many pieces in the queue are too many, and so many of a source's latest ones stay as they are."""

ODD = 16
"""So many interrupts may be taken in ways that no leap knows (`Fabric.odd`) before edges count towards the budget."""


class Flow(Leaps):
    """The queue between the sources and the fabric."""

    def __init__(self, fabric: Fabric) -> None:
        self.fabric = fabric
        self.queue: list[tuple[Source, Train]] = []
        self.levels: dict[Source, int] = {}
        """Where the queue leaves each source's line; the rest are where the source says."""
        self.since = 0
        """When the fabric was settled last."""
        self.stepped = 0
        """Edges since the guest last did something that had no leap."""
        self.served: dict[tuple[Any, ...], dict[str, int]] = {}
        """For each place for which several sources may contend, how often each asked there (up to 2)."""
        self.contended = False
        self.odd = 0
        self.estimated_since: int | None = None

    def put(self, source: Source, train: Train | Gap) -> None:
        """An edge or many, to be handled by the next `settle`."""
        if isinstance(train, Gap):
            since = max((one.ns(one.count - 1) for own, one in self.queue if own is source), default=self.since)
            edges = spread(train, self.levels.get(source, source.level), since)
            if edges is None:
                return
            train = edges
        self.queue.append((source, train))
        self.levels[source] = train.last_level

    def visible(self, now: int) -> None:
        """The guest, or who plays it, does something: estimates end, and the budget begins anew."""
        self.fabric.fanned = self.fabric.unsteady
        if self.served or self.odd or self.contended:
            self.served.clear()
            self.stepped = self.odd = 0
            self.contended = False
            if self.estimated_since is not None:
                self.estimated_since = None
                self._come_back(now)
            for source in self.fabric.sources:
                source.vcpu = -1

    def settle(self, to: int) -> None:
        """Handle everything up to and including `to`."""
        fabric = self.fabric
        if len(self.queue) > MANY:
            self._join()
        runs = [Run(source, train) for source, train in self.queue]
        if runs:
            self.queue.clear()
            self.levels.clear()
        if self.estimated_since is not None:
            self._estimate(runs)
        elif runs or fabric.ends:
            fabric.flowing = True
            self._go(runs, to)
            fabric.flowing = False
        elif fabric.look:
            fabric.react(to)
        self._note_odd()
        self.since = to

    def _join(self) -> None:
        """Of a source that comes in very many pieces, make one of all but the last of them: their number stays."""
        pieces: dict[Source, list[Train]] = {}
        for source, train in self.queue:
            pieces.setdefault(source, []).append(train)
        self.queue.clear()
        for source, trains in pieces.items():
            early, late = trains[:-TAIL], trains[-TAIL:]
            if len(early) > TAIL:
                rises = sum(train.rises for train in early)
                falls = sum(train.count for train in early) - rises
                until = early[-1].ns(early[-1].count - 1)
                joined = spread(Gap(rises, falls, until), 1 - early[0].level, self.since)
                early = [joined] if joined is not None else []
            self.queue += [(source, train) for train in (*early, *late)]

    # -- edge by edge

    def _go(self, runs: list[Run], to: int) -> None:
        fabric = self.fabric
        slow, reacts = fabric.guest.kind == "latency", fabric.guest.reacts
        signature: Any = None
        ends = fabric.ends
        counts: tuple[int, ...] = ()
        long, heap = self._begin(runs)
        if long:
            fabric.find_shared({run.source for run in runs})
        while True:
            now = heap[0][0] if heap else None
            if slow:
                done = min(ends.values()) if ends else None
                if done is not None and done <= to and (now is None or done < now):
                    fabric.free(done)
                    fabric.react(done)
                    if fabric.odd:
                        self._note_odd()
                    if long and not self.contended and self._leap_slow([], runs, done, to):
                        long, heap = self._begin(runs)
                    continue
            if now is None:
                return
            rising: list[Run] = []
            if long:
                counts = fabric.others_counts()
            while heap and heap[0][0] == now:
                _, order, number, level, run, edges = heap[0]
                if level:
                    if long:
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
            if slow and fabric.fanned:
                fabric.odd += len(rising)
            if fabric.odd:
                self._note_odd()
            if reacts or self.contended:
                if self.contended:
                    self.stepped += len(rising)
                elif rising:
                    self._notice(rising, slow)
                if self.stepped >= BUDGET:
                    self._give_up(runs, now)
                    return
            if long and not self.contended:
                self._learn(rising, counts)
                if slow:
                    leapt = self._leap_slow(rising, runs, now, to)
                else:
                    found = fabric.signature()
                    if found != signature:
                        signature = found
                        for run in long:
                            run.steady = 0
                    leapt = self._leap_steady(long, runs, to)
                if leapt:
                    long, heap = self._begin(runs)

    def _begin(self, runs: list[Run]) -> tuple[list[Run], list[Any]]:
        """The trains that are long enough for a leap, if there are so many edges that one is looked for; and the next
        edge of each run, in order of time, then of wiring.
        """
        long = [run for run in runs if run.long]
        if self.contended or sum(run.left for run in long) <= FEW:
            long = []
        heap = []
        for number, run in enumerate(runs):
            edges = run.edges()
            step = next(edges, None)
            if step is not None:
                heap.append((step[0], run.source.order, number, step[1], run, edges))
        heapify(heap)
        return long, heap

    def _learn(self, rising: list[Run], counts: tuple[int, ...]) -> None:
        """What the rises of this nanosecond changed: in their own counts, and in others'. What several of them changed
        together in others' is nobody's, and none of them is steady.
        """
        own = len(rising) == 1
        after = self.fabric.others_counts()
        changed = after != counts
        for run in rising:
            run.change = tuple(a - b for a, b in zip(run.source.counts(), run.change, strict=True))
            raised, coalesced, lost, *delivered = run.change
            run.other = ()
            if changed and own:
                run.other = tuple(a - b for a, b in zip(after, counts, strict=True))
            elif changed:
                run.steady = 0
            run.waiting = not changed and coalesced == raised == 1 and not lost and not any(delivered)
            run.inert = not changed and not coalesced and lost == raised and not any(delivered)

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

    def asked(self, run: Run, pulses: int) -> None:
        """A leap passed over so many requests of a source; for contention they count as if they had been handled."""
        source = run.source
        if self.fabric.guest.reacts and source.vcpu >= 0:
            slow = self.fabric.guest.kind == "latency"
            place = (source.vcpu,) if slow else (source.vcpu, source.way, source.vector)
            asked = self.served.setdefault(place, {})
            asked[source.name] = min(2, asked.get(source.name, 0) + pulses)

    def _note_odd(self) -> None:
        """Count what was taken in ways that no leap knows."""
        fabric = self.fabric
        if fabric.odd:
            self.odd, fabric.odd = min(ODD + 1, self.odd + fabric.odd), 0
            if self.odd > ODD and not self.contended:
                self._contend()

    def _contend(self) -> None:
        """From here on edges count towards the budget."""
        self.contended = True
        for source in self.fabric.sources:
            source.base = source.counts()

    def _give_up(self, runs: list[Run], now: int) -> None:
        """From now on the counts go on in the proportion of the edges that were handled one by one."""
        self.estimated_since = now
        for source in self.fabric.sources:
            change = tuple(a - b for a, b in zip(source.counts(), source.base, strict=True))
            source.share = (source.counts(), change, source.level)
        self._estimate(runs)

    def _estimate(self, runs: list[Run]) -> None:
        for run in runs:
            if run.left:
                source, train = run.source, run.train
                if source.share[1][0]:
                    source.raised += (run.left + (train.level ^ (run.at & 1))) // 2
                source.level = train.last_level
                run.at = train.count
        for source in self.fabric.sources:
            start, share, _ = source.share
            more = source.raised - start[0]
            if more:
                coalesced, lost, *delivered = [more * part // max(1, share[0]) for part in share[1:]]
                source.coalesced, source.lost = start[1] + coalesced, start[2] + lost
                source.delivered = [was + part for was, part in zip(start[3:], delivered, strict=True)]

    def _come_back(self, now: int) -> None:
        """Exact again: the pins go where the lines are, and a handler that was running ends now."""
        for source in self.fabric.sources:
            level, was = source.level, source.share[2]
            source.share = ()
            if level != was:
                kept = source.snapshot()
                if level:
                    source.rise()
                else:
                    source.fall()
                source.restore(kept)
        for vcpu in self.fabric.vcpus:
            if vcpu.state.busy_until is not None:
                self.fabric.occupy(vcpu.index, now)

    # -- state

    def snapshot(self) -> tuple[Any, ...]:
        """The budget and the estimate; between two settlements the queue is empty."""
        served = tuple((place, tuple(sorted(asked.items()))) for place, asked in sorted(self.served.items()))
        return self.stepped, served, self.contended, self.odd, self.estimated_since

    def restore(self, state: tuple[Any, ...]) -> None:
        """Take back what `snapshot` gave."""
        self.stepped, served, self.contended, self.odd, self.estimated_since = state
        self.served = {place: dict(asked) for place, asked in served}
        self.queue.clear()
        self.levels.clear()
