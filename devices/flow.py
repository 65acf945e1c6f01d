"""What the sources did meanwhile, brought to the controllers in the order of time, with the guest's reaction.

Chips tell their edges as trains, and no guest changes a timer by taking its interrupt: so all sources are brought to
the present first, and then their edges go through the fabric. Order within one nanosecond: vCPUs that go out and come
back (who comes back takes what waits for it), edges (sources in wiring order), handlers that end, what the guest takes,
what tick policies do at moments of their own.

A year holds more edges than can be handled one by one. `leaps` says where many can be counted at once, exactly. Where
they cannot (several sources share a busy vCPU, or a level is held in service again and again), edges are handled one
by one, up to `BUDGET` of them since the guest last did something; from then on the counts go on in the proportion that
those edges had, and `estimated_since` says so. What leads there is part of the state and counts virtual events, so it
does not matter in which steps time passes. What a tick policy is late with, and vCPUs that go out again and again,
count towards the same budget; between them there are leaps.
"""

from __future__ import annotations

from heapq import heapify, heappop, heapreplace
from typing import Any

from timerlab.devices.budget import Budget
from timerlab.devices.fabric import Fabric
from timerlab.devices.run import Gates, Run, spread
from timerlab.devices.source import Source
from timerlab.devices.ticks import Delay, moved
from timerlab.line import Gap, Train

BUDGET = 100_000
"""Edges that are handled one by one since the guest last did something, where several sources share a busy vCPU."""

FEW = 48
"""So many edges are handled one by one before a leap is thought of."""

MANY, TAIL = 64, 8
"""So many pieces in the queue are too many, and so many of a source's latest ones stay as they are."""

EXACT = 4096
"""The same where moments matter: a vCPU goes out or comes back, or there are tick policies."""

GATE = 10
"""A vCPU that goes out and comes back counts as so many edges: leaps begin anew."""


class Flow(Budget):
    """The queue between the sources and the fabric."""

    def __init__(self, fabric: Fabric) -> None:
        self.fabric = fabric
        self.queue: list[tuple[Source, Train]] = []
        self.levels: dict[Source, int] = {}
        """Where the queue leaves each source's line; the rest are where the source says."""
        self.runs: list[Run] = []
        self.early = False
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
        fabric = self.fabric
        if source.gate >= 0 and not fabric.guest.reacts and not fabric.ticked:
            # nobody reacts: all that counts is where it ends
            rises = train.rises + train.falls if isinstance(train, Gap) else train.count
            if rises & 1:
                fabric.set_out(fabric.out ^ 1 << source.gate)
            return
        if isinstance(train, Gap):
            since = max((one.ns(one.count - 1) for own, one in self.queue if own is source), default=self.since)
            level = self.levels.get(source, source.level)
            edges = spread(train, level, since)
            if edges is None:
                return
            train = edges
        self.queue.append((source, train))
        self.levels[source] = train.last_level

    def visible(self, now: int) -> None:
        """The guest, or who plays it, does something: estimates end, and the budget begins anew."""
        fabric = self.fabric
        fabric.fanned = fabric.unsteady
        fabric.now = now
        if fabric.ticked:
            fabric.ticks.before()
        if self.served or self.odd or self.contended or self.stepped:
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
        fabric.now = self.since
        if fabric.ticked and to == self.since:
            fabric.ticks.after(to)
        if len(self.queue) > MANY and len(self.queue) > (EXACT if self._moments_matter() else MANY):
            self._join()
        runs = self._runs()
        self.runs = runs
        if self.queue:
            self.queue.clear()
            self.levels.clear()
        if self.estimated_since is not None:
            self._estimate(runs)
        elif runs or fabric.ends or fabric.alarms:
            fabric.flowing = True
            self._go(runs, to)
            fabric.flowing = False
        fabric.now = to
        if fabric.look and self.estimated_since is None:
            fabric.react(to)
        if fabric.ticked:
            self._hold(runs)
        self._note_odd()
        hard, fabric.hard = fabric.hard, 0
        self.runs = []
        self.step(hard)
        self.since = to

    def _moments_matter(self) -> bool:
        """Whether a vCPU goes out or comes back, or there are tick policies."""
        return bool(self.fabric.ticked or self.fabric.out) or any(source.gate >= 0 for source, _ in self.queue)

    def _runs(self) -> list[Run]:
        """What is in the queue; some sources stand still while their vCPU is out."""
        runs: list[Run] = []
        gates: dict[Source, list[Train]] = {}
        for source, train in self.queue:
            if source.gate >= 0:
                gates.setdefault(source, []).append(train)
            elif isinstance(source.tick, Delay):
                source.tick.absorb(train)
            else:
                runs.append(Run(source, train))
        for source in self.fabric.ticked:
            if isinstance(source.tick, Delay):
                runs += [Run(source, train) for train in source.tick.coming()]
        return [*(Gates(source, trains) for source, trains in gates.items()), *runs]

    def _hold(self, runs: list[Run]) -> None:
        """What has not come yet stays where it is."""
        left: dict[Source, list[Train]] = {}
        for run in runs:
            if isinstance(run.source.tick, Delay):
                left.setdefault(run.source, []).extend(run.rest())
        for source, trains in left.items():
            if isinstance(source.tick, Delay):
                source.tick.keep(trains)

    def _join(self) -> None:
        """Of a source that comes in very many pieces, make one of all but the last of them: their number stays."""
        pieces: dict[Source, list[Train]] = {}
        exact = [(one, train) for one, train in self.queue if one.gate >= 0 or isinstance(one.tick, Delay)]
        for source, train in self.queue:
            pieces.setdefault(source, []).append(train)
        self.queue[:] = exact
        for source, trains in pieces.items():
            if source.gate >= 0 or isinstance(source.tick, Delay):
                continue
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
        ends, alarms = fabric.ends, fabric.alarms
        counts: tuple[int, ...] = ()
        long, heap = self._begin(runs, to)
        if long:
            fabric.find_shared({run.source for run in runs})
        while True:
            now = heap[0][0] if heap else None
            if ends or alarms:
                own = fabric.own_moment()
                if own is not None and own <= to and (now is None or own < now):
                    if self._act(own) and self._spent(runs, own):
                        return
                    if slow and long and not self.contended and self._leap_slow([], runs, own, to):
                        long, heap = self._begin(runs, to)
                    continue
            if now is None:
                return
            fabric.now = now
            if heap[0][4].source.gate >= 0:
                self.early = True
                long, heap = self._pass_gates(heap, runs, now, to)
                spent = self._spent(runs, now)
                self.early = False
                if spent:
                    return
                continue
            rising: list[Run] = []
            if long:
                counts = fabric.others_counts()
            while heap and heap[0][0] == now:
                _, order, number, level, run, edges = heap[0]
                if level:
                    if long:
                        run.change = run.source.counts()
                    rising.append(run)
                    tick = run.source.tick
                    if tick is not None and tick.state.last is None:
                        tick.state.period = run.period
                    run.source.rise()
                else:
                    run.source.fall()
                run.at += 1
                run.steady += 1
                step = next(edges, None)
                if step is None or step[0] > to:
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
            if reacts or self.contended or fabric.hard:
                if self.contended:
                    self.stepped += len(rising)
                elif rising and reacts:
                    self._notice(rising, slow)
                if self._spent(runs, now):
                    return
            if long and not self.contended:
                self._learn(rising, counts)
                if alarms:
                    signature = None
                    continue
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
                    long, heap = self._begin(runs, to)

    def _act(self, now: int) -> bool:
        """A moment after edges, or between them: handlers end, policies act; whether that counts towards the budget."""
        fabric = self.fabric
        fabric.now = now
        if fabric.ends:
            fabric.free(now)
        if fabric.look:
            fabric.react(now)
        if fabric.alarms:
            fabric.ticks.ring(now)
            if fabric.look:
                fabric.react(now)
        if fabric.odd:
            self._note_odd()
        return bool(fabric.hard)

    def _spent(self, runs: list[Run], now: int) -> bool:
        """Whether the budget is spent, and counts go on in proportion."""
        hard, self.fabric.hard = self.fabric.hard, 0
        if hard:
            self.step(hard)
        if self.stepped >= BUDGET:
            self._give_up(runs, now)
            return True
        return False

    def _pass_gates(self, heap: list[Any], runs: list[Run], now: int, to: int) -> tuple[list[Run], list[Any]]:
        """vCPUs go out and come back: sources stand still or go on, and who comes back takes what waits for it."""
        fabric = self.fabric
        shifts = {one: one.tick.state.shift for one in fabric.ticked if isinstance(one.tick, Delay)}
        while heap and heap[0][0] == now and heap[0][4].source.gate >= 0:
            _, order, number, level, run, edges = heap[0]
            if level:
                self.step(GATE)
                run.source.rise()
            else:
                run.source.fall()
            run.at += 1
            step = next(edges, None)
            if step is None:
                heappop(heap)
            else:
                heapreplace(heap, (step[0], order, number, step[1], run, edges))
        for run in runs:
            tick = run.source.tick
            if isinstance(tick, Delay):
                run.train = moved(run.train, tick.state.shift - shifts[run.source])
            run.steady = 0
        if fabric.ends:
            fabric.free(now)
        if fabric.look:
            fabric.react(now)
        return self._begin(runs, to)

    def _begin(self, runs: list[Run], to: int) -> tuple[list[Run], list[Any]]:
        """The trains that are long enough for a leap, if there are so many edges that one is looked for; and the next
        edge of each run, in order of time, then of wiring.
        """
        long = [run for run in runs if run.long and not run.stands]
        if self.contended or sum(run.left for run in long) <= FEW:
            long = []
        heap = []
        for number, run in enumerate(runs):
            edges = run.edges()
            step = next(edges, None)
            if step is not None and step[0] <= to and not run.stands:
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
            raised, coalesced, lost = run.change[:3]
            delivered = run.change[3 : 3 + len(run.source.delivered)]
            run.other = ()
            if changed and own:
                run.other = tuple(a - b for a, b in zip(after, counts, strict=True))
            elif changed:
                run.steady = 0
            # a policy that has just found out what was lost before does so once
            regular = not changed and (run.source.tick is None or run.change[-3] <= 1)
            taken = any(delivered)
            run.waiting = regular and coalesced == raised == 1 and not lost and not taken
            run.inert = regular and not coalesced and lost == raised == 1 and not taken
            run.absorbed = regular and not raised and not taken and run.source.tick is not None

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
