"""How vCPUs leave their guests and come back as time passes: windows, and turns on a shared processor."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from math import gcd

from timerlab.device import Device
from timerlab.devices.sched_load import Load
from timerlab.devices.sched_state import Follower, Run, SchedState
from timerlab.line import Line


class Turns(Device):
    """The part of `Sched` that happens by itself."""

    state: SchedState
    pcpus: int
    lines: tuple[tuple[Line, Line, Line], ...]
    followers: list[Follower]
    before: Callable[[int], None]
    arrive: Callable[[int, int, int, tuple[int, ...]], None]
    on_move: Callable[[int, int], None]
    on_stop: Callable[[int, int], None]
    whole_round: Callable[[int], int]

    def _run(self, v: int) -> Run:
        return self.state.runs[v]

    def _leave(self, v: int, now: int, cause: str, until: int | None) -> None:
        run = self._run(v)
        run.settle(now)
        run.cause, run.until = cause, until
        run.left = run.pcpu
        run.exits += 1
        self._tell_exit(v, now, cause)

    def _come_back(self, v: int, now: int) -> None:
        run = self._run(v)
        run.settle(now)
        run.cause, run.until = "", None
        self._tell_enter(v, now)

    def _tell_exit(self, v: int, now: int, cause: str) -> None:
        for follower in self.followers:
            follower.exit(v, now, cause)

    def _tell_enter(self, v: int, now: int) -> None:
        run = self._run(v)
        moved, run.left = run.left != run.pcpu, run.pcpu
        for follower in self.followers:
            follower.enter(v, now, moved)

    def _drive(self, v: int, now: int) -> None:
        run, (inside, stolen, halted) = self._run(v), self.lines[v]
        inside.drive(now, int(not run.cause))
        stolen.drive(now, int(run.cause == "preempt"))
        halted.drive(now, int(run.halted and not run.cause))

    def _reshare(self, pcpu: int, now: int) -> None:
        """Who could run on a processor has changed: those that can take turns from now on."""
        state = self.state
        here = [v for v, run in enumerate(state.runs) if run.pcpu == pcpu and self._contends(run)]
        turns = len(here) + state.others[pcpu]
        shares = state.shares and turns > 1 and not state.stopped
        # who runs now goes first, so that nobody loses a turn that it had begun
        here.sort(key=lambda v: (bool(state.runs[v].cause), v))
        for turn, v in enumerate(here):
            run, piece = state.runs[v], state.slice
            if not shares:
                run.load = None
                if run.cause == "preempt":
                    self._come_back(v, now)
            else:
                run.load = Load(now + (turn + 1) * piece, (turns - 1) * piece, turns * piece, shared=True)
                if turn and not run.cause:
                    self._leave(v, now, "preempt", now + turn * piece)
                elif turn:
                    run.until = now + turn * piece
                elif run.cause:
                    self._come_back(v, now)
            self._drive(v, now)
        for run in state.runs:
            if run.load is not None and run.load.shared and run.pcpu == pcpu and not self._contends(run):
                run.load = None

    @staticmethod
    def _contends(run: Run) -> bool:
        """Whether a vCPU takes part in sharing: it wants to run, and no load of its own says when it does."""
        mine = run.load is not None and not run.load.shared
        turned = run.cause == "preempt" and run.load is not None and run.load.shared
        return not run.halted and not mine and (not run.cause or turned)

    def _cont(self, now: int) -> None:
        self.state.stopped = False
        for v, run in enumerate(self.state.runs):
            if run.cause == "stop":
                self._come_back(v, now)
                if run.load is not None:
                    run.load = run.load.missed(now)
            self._drive(v, now)
        for pcpu in range(self.pcpus):
            self._reshare(pcpu, now)

    def _arrive(self, now: int) -> None:
        assert self.state.arrival is not None
        _, left, khz, tsc = self.state.arrival
        self.state.arrival = None
        for run in self.state.runs:
            run.left = -1  # whatever processor it is on now, it is not the one that it left
        self.arrive(now, left, khz, tsc)
        self._cont(now)

    # -- time

    def due(self, v: int) -> int | None:
        """When a vCPU next leaves or comes back by itself."""
        run = self._run(v)
        if run.cause:
            return run.until
        if run.load is None or run.halted or self.state.stopped:
            return None
        return run.load.begins

    def next_turn(self) -> int | None:
        """When something next happens by itself."""
        moments = [due for v in range(len(self.state.runs)) if (due := self.due(v)) is not None]
        if self.state.arrival is not None:
            moments.append(self.state.arrival[0])
        return min(moments, default=None)

    def next_event(self, now: int) -> Iterator[tuple[int, str]]:
        """For each vCPU, when it next leaves or comes back."""
        for v in range(len(self.state.runs)):
            due = self.due(v)
            if due is not None:
                yield due, self.lines[v][0].name

    def _step(self, turn: int) -> None:
        """All that happens by itself at a moment."""
        self.before(turn)
        if self.state.arrival is not None and self.state.arrival[0] == turn:
            self._arrive(turn)
            return
        for v in range(len(self.state.runs)):
            if self.due(v) == turn:
                self._turn(v, turn)

    def _turn(self, v: int, now: int) -> None:
        """A window of a vCPU begins or ends."""
        run = self._run(v)
        if run.cause:
            load = run.load
            if self.state.stopped:
                run.settle(now)
                run.cause, run.until = "stop", None
                self.on_stop(v, now)
            else:
                if load is not None and load.moves and run.cause == "preempt":
                    run.pcpu = (run.pcpu + 1) % self.pcpus
                    run.moves += 1
                    self.on_move(v, now)
                self._come_back(v, now)
                if load is not None:
                    run.load = load.missed(now)
            self._drive(v, now)
            if load is None:
                self._reshare(run.pcpu, now)
            return
        assert run.load is not None
        load, run.load = run.load, run.load.after()
        self._leave(v, now, "preempt", now + load.out)
        self._drive(v, now)


def ticks_whole(periods_ns: int, nums: Sequence[tuple[int, int]]) -> int:
    """How many times `periods_ns` must pass until clocks of `num / den` ticks a ns have all made whole ticks."""
    times = 1
    for num, den in nums:
        need = den // gcd(periods_ns * num, den)
        times = times * need // gcd(times, need)
    return times
