"""A year of windows, not one by one.

What a round of a load changes in the numbers of those who follow (steal, lost cycles, versions of a page) is the same
round after round. So all vCPUs go through some rounds in the order of time; then each has as many more of its rounds as
there is time for, at once, and what is left is gone through one by one again.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from timerlab.clock import NANOSECONDS
from timerlab.devices.sched_load import Load
from timerlab.devices.sched_state import Run
from timerlab.devices.sched_turns import Turns
from timerlab.line import Gap, Train

FEW = 40
"""So many windows of one vCPU are gone through one by one before a leap is thought of."""
DRAWN = 10_240
"""Windows at irregular places whose edges are told one by one; a guest that sees more of them is estimated anyway."""
LONGEST_ROUND = 64
"""Rounds of a load after which every host TSC has made whole ticks, at most; beyond it, a cycle may be missing."""
UNLIKE = 1000
"""A round that takes so many times a window of another vCPU waits for its turn: the others leap between its windows."""


@dataclass(slots=True)
class Rounds:
    """A vCPU on its way into a leap: how many windows a round has and how long it takes, the window at whose end the
    next look is due, and what was seen at the looks before.
    """

    windows: int
    length: int
    look: int
    seen: list[list[tuple[int, ...]]]


class Leaps(Turns):
    """The part of `Sched` by which time passes."""

    on_leap: Callable[[int], None]
    watched: Callable[[], bool]
    appointments: Callable[[int, int], tuple[int, ...]]

    def sync(self, now: int) -> None:
        """Windows that begin and end up to `now`, in the order of time; many at once."""
        while (turn := self.next_turn()) is not None and turn <= now:
            if not (self._many(now) and self._leap(now)):
                self._step(turn)

    def _many(self, now: int) -> bool:
        """Whether there are so many windows ahead that a leap may be worth it."""
        loads = (run.load for run in self.state.runs if self._turns(run))
        return any((now - load.begins) // load.period > FEW for load in loads if load is not None)

    @staticmethod
    def _turns(run: Run) -> bool:
        """Whether a vCPU goes out and in by a load now."""
        return run.load is not None and not run.halted and (not run.cause or run.until is not None)

    def _round(self, load: Load) -> int:
        """After how many windows everything about a load is as it was."""
        windows = load.round * (self.pcpus if load.moves else 1)
        return windows * min(LONGEST_ROUND, self.whole_round(windows * load.period))

    def _leap(self, to: int) -> bool:
        """Leap as far as can be; whether there was one."""
        loads = {v: run.load for v, run in enumerate(self.state.runs) if run.load is not None and self._turns(run)}
        sizes = {v: self._round(load) for v, load in loads.items()}
        shortest = min(load.period for load in loads.values())
        going: dict[int, Rounds] = {}
        stops = [] if self.state.arrival is None else [self.state.arrival[0]]
        for v in range(len(self.state.runs)):
            load = loads.get(v)
            if load is not None and sizes[v] * load.period <= UNLIKE * shortest:
                going[v] = Rounds(sizes[v], sizes[v] * load.period, load.index + sizes[v], [])
            elif (due := self.due(v)) is not None:
                stops.append(due)
        to = min([to, *[stop - 1 for stop in stops]])
        begins = max((max(loads[v].begins, self.state.runs[v].until or 0) for v in going), default=to)
        least = 5 * max((rounds.length for rounds in going.values()), default=0)
        if moments := self.appointments(begins, to):
            # one soon would be counted as if it came with each round; and the last one is to find things as they are
            to = min((moment for moment in moments if moment - begins < least), default=moments[-1]) - 1
        if not going or to - begins < least:
            return False
        self._warm_up(going)
        self._jump(going, to)
        return True

    def _warm_up(self, going: dict[int, Rounds]) -> None:
        """Go through windows one by one until each vCPU was looked at twice, a round apart."""
        while any(len(rounds.seen) < 2 for rounds in going.values()):
            turn = self.next_turn()
            assert turn is not None
            self._step(turn)
            for v, rounds in going.items():
                run = self.state.runs[v]
                if len(rounds.seen) < 2 and run.load and run.load.index >= rounds.look and self._just_back(run):
                    rounds.seen.append(self._numbers(v))
                    rounds.look = run.load.index + rounds.windows

    @staticmethod
    def _just_back(run: Run) -> bool:
        """Whether a vCPU came back from a window of its load, and not from anything else."""
        load = run.load
        return not run.cause and load is not None and run.since == load.after(-1).begins + load.out

    def _jump(self, going: dict[int, Rounds], to: int) -> None:
        """Give each vCPU as many more rounds as there is time for."""
        ends = []
        for v, rounds in going.items():
            run = self.state.runs[v]
            load, due = run.load, self.due(v)
            assert load is not None and due is not None
            times = (to - due) // rounds.length - 1  # the last round leaves its stamps
            if times <= 0:
                continue
            before, after = rounds.seen
            for follower, old, new in zip(self.followers, before[1:], after[1:], strict=True):
                follower.add(v, tuple(b - a for a, b in zip(old, new, strict=True)), times)
            changes = (b - a for a, b in zip(before[0], after[0], strict=True))
            now = (run.run, run.steal, run.exits, run.moves)
            run.run, run.steal, run.exits, run.moves = (
                n + times * change for n, change in zip(now, changes, strict=True)
            )
            self._draw(v, load, due, times * rounds.windows)
            run.load = load.after(times * rounds.windows)
            run.since += times * rounds.length
            run.before += times * rounds.length
            if run.until is not None:
                run.until += times * rounds.length
            ends.append(run.since)
        if ends:
            self.on_leap(min(ends))

    def _numbers(self, v: int) -> list[tuple[int, ...]]:
        run = self.state.runs[v]
        return [(run.run, run.steal, run.exits, run.moves), *(follower.counts(v) for follower in self.followers)]

    def _draw(self, v: int, load: Load, due: int, windows: int) -> None:
        """The edges of so many windows from the one at `due` on."""
        inside, stolen, _ = self.lines[v]
        if load.seed is not None:
            told = min(windows, DRAWN) if self.watched() else 0
            drawn = [load.after(number).begins for number in range(told)]
            edges = [edge for begins in drawn for edge in (begins, begins + load.out)]
            if told and not inside.level:
                edges = [due, *edges[:-1]]
            for line in (inside, stolen):
                pairs = zip(edges[::2], edges[1::2], strict=True)
                line.absorb([Train(NANOSECONDS, a, 1 - line.level, b - a, b - a, 2) for a, b in pairs])
            if windows > told:
                last = load.after(windows - 1).begins + load.out
                for line in (inside, stolen):
                    line.absorb((Gap(windows - told, windows - told, last),))
            return
        rest = load.period - load.out
        hold, rest = (load.out, rest) if inside.level else (rest, load.out)
        for line in (inside, stolen):
            line.absorb((Train(NANOSECONDS, due, 1 - line.level, hold, rest, 2 * windows),))
