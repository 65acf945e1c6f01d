"""The budget of edges that are handled one by one, and what counts do beyond it: they go on in proportion."""

from __future__ import annotations

from typing import Any

from timerlab.devices.leaps import Leaps
from timerlab.devices.run import Run
from timerlab.devices.source import Source
from timerlab.devices.ticks import Delay

ODD = 16
"""So many interrupts may be taken in ways that no leap knows (`Fabric.odd`) before edges count towards the budget."""


def _at_most_due(source: Source, change: tuple[int, ...]) -> tuple[int, ...]:
    """A backlog that was made up for in the meantime is not made up for again and again: of the ticks that were due,
    those that were not lost were taken, at most.
    """
    own = 3 + len(source.delivered)
    due, delivered, late, lost, made_up, _ = change[own:]
    most = max(0, due - lost)
    if delivered <= most:
        return change
    taken = [part * most // delivered for part in change[3:own]]
    taken[0] += most - sum(taken) if sum(change[3:own]) == delivered else 0
    return (*change[:3], *taken, due, most, min(late, most), lost, made_up, 0)


class Budget(Leaps):
    """The part of the `Flow` for several sources that share a vCPU, late ticks, and vCPUs that come and go."""

    runs: list[Run]
    """The trains that are being handled."""
    early: bool
    """Whether the edges of this nanosecond are still to come."""
    stepped: int
    served: dict[tuple[Any, ...], dict[str, int]]
    odd: int
    estimated_since: int | None

    def step(self, edges: int) -> None:
        """So many edges count towards the budget."""
        if edges and not self.stepped and not self.contended:
            self._base()
        self.stepped += edges

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
        self._base()

    def _base(self) -> None:
        """Counts go on, if they ever do, in proportion to what is counted from here on."""
        for source, counts in self._counts().items():
            source.base = counts

    def _counts(self) -> dict[Source, tuple[int, ...]]:
        """The counts of now: a leap may have counted what is still to come."""
        found = {source: source.counts() for source in self.fabric.sources}
        for run in self.runs:
            begun = run.train.until(self.fabric.now - self.early)
            ahead = run.at - begun
            if ahead > 0 and run.change:
                rises = (ahead + (run.train.level ^ (begun & 1))) // 2
                each = zip(found[run.source], run.change, strict=True)
                found[run.source] = tuple(count - rises * change for count, change in each)
        for source in self.fabric.ticked:
            if isinstance(source.tick, Delay):
                own, counts = 3 + len(source.delivered), found[source]
                due = source.tick.due_by(self.fabric.now, self.early)
                found[source] = (*counts[:own], due, *counts[own + 1 :])
        return found

    def _give_up(self, runs: list[Run], now: int) -> None:
        """From now on the counts go on in the proportion of the edges that were handled one by one."""
        self.estimated_since = now
        for source, counts in self._counts().items():
            change = tuple(a - b for a, b in zip(counts, source.base, strict=True))
            source.share = (counts, change if source.tick is None else _at_most_due(source, change), source.level)
        self._estimate(runs)

    def _estimate(self, runs: list[Run]) -> None:
        due: dict[Source, int] = {}
        for run in runs:
            source, train = run.source, run.train
            if source.gate >= 0:
                if run.left and run.last_level == self.fabric.out >> source.gate & 1:
                    self.fabric.set_out(self.fabric.out ^ 1 << source.gate)
                run.at += run.left
                continue
            if run.left:
                rises = (run.left + (train.level ^ (run.at & 1))) // 2
                if source.tick is not None:
                    due[source] = due.get(source, 0) + rises
                elif source.share[1][0]:
                    source.raised += rises
                if source.tick is None:
                    source.level = train.last_level
                run.at = train.count
        for source in self.fabric.sources:
            start, share, _ = source.share
            if source.tick is not None:
                self._estimate_ticked(source, due.get(source, 0))
                continue
            more = source.raised - start[0]
            if more:
                coalesced, lost, *delivered = [more * part // max(1, share[0]) for part in share[1:]]
                source.coalesced, source.lost = start[1] + coalesced, start[2] + lost
                source.delivered = [was + part for was, part in zip(start[3:], delivered, strict=True)]

    @staticmethod
    def _estimate_ticked(source: Source, due: int) -> None:
        """The same for a source with a tick policy: in proportion to the ticks that were due."""
        tick = source.tick
        assert tick is not None
        start, share, _ = source.share
        own = 3 + len(source.delivered)
        state = tick.state
        state.due += due
        more = state.due - start[own]
        parts = [was + more * part // max(1, share[own]) for was, part in zip(start, share, strict=True)]
        source.raised, source.coalesced, source.lost = parts[:3]
        source.delivered = parts[3:own]
        state.delivered, state.late, state.lost, state.made_up, state.n = parts[own + 1 :]

    def _come_back(self, now: int) -> None:
        """Exact again: the pins go where the lines are, a handler that was running ends now, and tick policies begin
        anew.
        """
        fabric = self.fabric
        for source in fabric.sources:
            level, was = source.level, source.share[2]
            source.share = ()
            if level != was:
                kept = source.snapshot()
                if level:
                    source.rise()
                else:
                    source.fall()
                source.restore(kept)
        for vcpu in fabric.vcpus:
            index, out = vcpu.index, fabric.out >> vcpu.index & 1
            if vcpu.state.busy_until is not None or index in fabric.stopped:
                fabric.occupy(index, None if out else now)
                if out:
                    fabric.stopped[index] = 0
        fabric.ticks.forget(now)
