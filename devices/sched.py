"""The host's scheduler: which vCPU is in its guest, on which processor, since when, and why it is not.

A vCPU runs or is halted as its guest has it; in both it takes interrupts. It is *out* while the host has it:
descheduled though it could run (*stolen*: what a guest learns as steal time), exited to its hypervisor, or stopped with
its whole VM. Windows in which it is out come by commands, or again and again from a `Load`, or because several that
could run share a processor: these take turns, a slice each, as an ideal fair scheduler has it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from timerlab.device import State
from timerlab.devices.sched_leaps import Leaps
from timerlab.devices.sched_load import Load
from timerlab.devices.sched_peeks import peeks_of
from timerlab.devices.sched_state import Follower, Run, SchedState
from timerlab.devices.sched_turns import ticks_whole
from timerlab.line import Line

__all__ = ["Load", "Sched", "ticks_whole"]


class Sched(Leaps):
    """The run states of all vCPUs. `lines` are three for each: up while it takes interrupts, while it is stolen, while
    it is halted. `whole_round` tells after how many stretches of so many ns every processor's TSC has made whole ticks;
    `arrive` is called when the VM is on another host, `on_move` when a vCPU is on another processor, `on_stop`
    when one that is out is stopped with the VM, `on_leap` when many windows were passed over, `before` when something
    is about to happen by itself; `appointments` tells of what else comes in its time (`Policy.appointments`), and
    `watched` whether it matters when each window of an irregular load is.
    """

    name = "sched"

    def __init__(self, vcpus: int, pcpus: int, lines: Sequence[tuple[Line, Line, Line]]) -> None:
        self.pcpus = pcpus
        self.lines = tuple(lines)
        self.peeks = peeks_of(vcpus)  # type: ignore[misc]
        self.followers: list[Follower] = []
        self.arrive: Callable[[int, int, int, tuple[int, ...]], None] = lambda now, left, khz, tsc: None
        self.on_move: Callable[[int, int], None] = lambda v, now: None
        self.on_stop: Callable[[int, int], None] = lambda v, now: None
        self.whole_round: Callable[[int], int] = lambda period: 1
        self.on_leap: Callable[[int], None] = lambda now: None
        self.appointments: Callable[[int, int], tuple[int, ...]] = lambda now, to: ()
        self.watched: Callable[[], bool] = lambda: True
        self.before: Callable[[int], None] = lambda now: None
        self.state = SchedState(tuple(Run(v % pcpus, v % pcpus) for v in range(vcpus)), others=(0,) * pcpus)

    # -- asked by others

    def pcpu(self, v: int) -> int:
        """The processor that a vCPU is on, or was on last."""
        return self.state.runs[v].pcpu

    def in_guest(self, v: int) -> bool:
        """Whether a vCPU is in its guest, running or halted."""
        return not self.state.runs[v].cause

    def out_mask(self) -> int:
        """A bit for each vCPU that takes no interrupts."""
        return sum(1 << v for v, run in enumerate(self.state.runs) if run.cause)

    def begin(self, now: int) -> None:
        """Power-on: those that share a processor take turns from now on."""
        for pcpu in range(self.pcpus):
            self._reshare(pcpu, now)

    # -- leaving and coming back

    def exit(self, v: int, now: int, cause: str, until: int | None = None) -> None:
        """A vCPU leaves its guest, until it is told to come back, or until a moment; ValueError where it is out, or is
        to be preempted while it is halted and does not want to run.
        """
        run = self._run(v)
        if run.halted and cause == "preempt":
            raise ValueError(f"v{v} is halted, there is nothing to take from it: wake v{v}")
        if run.cause:
            raise ValueError(f"v{v} is {run.state} already: {self._way_back(v)}")
        self._leave(v, now, cause, until)
        self._drive(v, now)
        self._reshare(run.pcpu, now)

    def enter(self, v: int, now: int) -> None:
        """A vCPU comes back; ValueError where it is in its guest."""
        run = self._run(v)
        if not run.cause:
            raise ValueError(f"v{v} is in its guest: {run.state}")
        if self.state.stopped:
            raise ValueError("the VM is stopped: vmcont lets it go on")
        self._come_back(v, now)
        self._drive(v, now)
        self._reshare(run.pcpu, now)

    def _way_back(self, v: int) -> str:
        """What lets a vCPU that is out come back."""
        if self.state.arrival is not None:
            return "the VM is on its way to another host"
        return "vmcont lets the VM go on" if self.state.stopped else f"vmenter v{v} brings it back"

    def halt(self, v: int, now: int, halted: bool) -> None:
        """The guest executes HLT, and wakes for each interrupt only; or is busy again. ValueError for no change."""
        run = self._run(v)
        if run.halted == halted:
            raise ValueError(f"v{v} is {'halted' if halted else 'awake'} already")
        if run.cause:
            if run.load is None or not run.load.shared:
                raise ValueError(f"v{v} is out ({run.state}) and executes nothing: {self._way_back(v)}")
            self._come_back(v, now)  # it waits for its turn: it has it, to halt
        run.settle(now)
        run.halted = halted
        if halted:
            self._tell_exit(v, now, "halt")
        else:
            self._tell_enter(v, now)
            if run.load is not None:
                run.load = run.load.missed(now)
        self._drive(v, now)
        self._reshare(run.pcpu, now)

    def move(self, v: int, pcpu: int, now: int, out: int = 0) -> None:
        """Move a vCPU to another processor; it is out for `out` ns on the way. ValueError for one that there is not."""
        if not 0 <= pcpu < self.pcpus:
            raise ValueError(f"no processor p{pcpu}: p0 to p{self.pcpus - 1}")
        run = self._run(v)
        before, inside = run.pcpu, not run.cause
        if inside:
            self._leave(v, now, "preempt", now + out)
        run.pcpu = pcpu
        run.moves += 1
        if inside and not out:
            self._come_back(v, now)
        self.on_move(v, now)
        self._drive(v, now)
        self._reshare(before, now)
        self._reshare(pcpu, now)

    def stop(self, now: int) -> None:
        """Stop the VM: every vCPU leaves its guest. ValueError where it is stopped."""
        if self.state.stopped:
            raise ValueError("the VM is stopped already: vmcont lets it go on")
        self.state.stopped = True
        for v, run in enumerate(self.state.runs):
            if not run.cause:
                self._leave(v, now, "stop", None)
            elif run.until is not None or run.cause == "preempt":
                run.settle(now)
                run.cause, run.until = "stop", None
                self.on_stop(v, now)
            self._drive(v, now)

    def cont(self, now: int) -> None:
        """Let the VM go on. ValueError where it is not stopped, or on its way to another host."""
        if not self.state.stopped:
            raise ValueError("the VM is not stopped")
        if self.state.arrival is not None:
            raise ValueError("the VM is on its way to another host")
        self._cont(now)

    def smi(self, ns: int, now: int) -> None:
        """A system management interrupt: no processor runs anything else for `ns`; TSCs go on."""
        for v, run in enumerate(self.state.runs):
            if not run.cause:
                self._leave(v, now, "smi", now + ns)
            elif run.until is not None:
                run.until = max(run.until, now + ns)
            self._drive(v, now)

    def depart(self, khz: int, downtime: int, tsc: tuple[int, ...], now: int) -> None:
        """The VM leaves for another host; it is stopped until it arrives there."""
        if self.state.arrival is not None:
            raise ValueError("the VM is on its way already")
        if not self.state.stopped:
            self.stop(now)
        self.state.arrival = (now + downtime, now, khz, tsc)
        if not downtime:
            self._arrive(now)

    def put_load(self, v: int, load: Load | None, now: int) -> None:
        """Give a vCPU a load, or take it away."""
        run = self._run(v)
        run.load = load
        if run.until is not None and run.cause == "preempt":
            self._come_back(v, now)
        self._drive(v, now)
        self._reshare(run.pcpu, now)

    def put_others(self, pcpu: int, threads: int, now: int) -> None:
        """So many threads of the host always want to run on a processor."""
        others = list(self.state.others)
        others[pcpu] = threads
        self.state.others = tuple(others)
        self._reshare(pcpu, now)

    def share(self, shares: bool, slice_ns: int, now: int) -> None:
        """Whether vCPUs on one processor take turns, and how long a turn is."""
        self.state.shares, self.state.slice = shares, slice_ns
        for pcpu in range(self.pcpus):
            self._reshare(pcpu, now)

    # -- what the engine asks of every chip

    def reset(self, now: int) -> None:
        """A reset of the guest: what was halted runs; the host goes on as it was."""
        for v, run in enumerate(self.state.runs):
            if run.halted:
                run.settle(now)
                run.halted = False
                self._drive(v, now)
        for pcpu in range(self.pcpus):
            self._reshare(pcpu, now)

    def peek(self, now: int) -> dict[str, Any]:
        """All that can be seen, as `vcpuN.name`."""
        seen: dict[str, Any] = {}
        for v, kept in enumerate(self.state.runs):
            run = replace(kept)
            run.settle(now)
            put = f"vcpu{v}."
            seen[put + "state"] = run.state
            seen[put + "pcpu"] = run.pcpu
            seen[put + "run_ns"] = run.run
            seen[put + "halt_ns"] = run.halt
            seen[put + "steal_ns"] = run.steal
            seen[put + "out_ns"] = run.out
            seen[put + "exits"] = run.exits
            seen[put + "moves"] = run.moves
        return seen

    def snapshot(self) -> State:
        """The state, flat."""
        state = self.state
        runs = tuple(tuple(getattr(run, name) for name in Run.__slots__) for run in state.runs)
        return runs, state.stopped, state.shares, state.slice, state.others, state.arrival

    def restore(self, state: State) -> None:
        """Take back what `snapshot` gave."""
        runs, *rest = state
        self.state = SchedState(tuple(Run(*run) for run in runs), *rest)
