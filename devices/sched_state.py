"""What the host's scheduler remembers of its vCPUs, and who is told of what it does."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from timerlab.devices.sched_load import Load

SLICE_NS = 5_000_000
"""How long a turn is where several share a processor."""


class Follower(Protocol):
    """Who is told when a vCPU leaves its guest and comes back."""

    def exit(self, v: int, now: int, cause: str) -> None:
        """It left."""

    def enter(self, v: int, now: int, moved: bool) -> None:
        """It is about to run again, on another processor if it `moved`."""

    def counts(self, v: int) -> tuple[int, ...]:
        """Numbers that grow by the same amount in each round."""

    def add(self, v: int, change: tuple[int, ...], times: int) -> None:
        """Let them grow by so many rounds."""


@dataclass(slots=True)
class Run:
    """What is known of one vCPU."""

    pcpu: int
    left: int
    """The processor that it was on when it was last in its guest."""
    halted: bool = False
    cause: str = ""
    """Why it is out; empty while it is in its guest."""
    until: int | None = None
    """When it comes back by itself."""
    since: int = 0
    run: int = 0
    halt: int = 0
    steal: int = 0
    out: int = 0
    load: Load | None = None
    exits: int = 0
    moves: int = 0
    before: int = 0
    """When the stretch began that ended at `since`, and what was done in it."""
    was: str = "run"

    @property
    def state(self) -> str:
        """In one word: run, halt, stolen, exit, stopped."""
        if not self.cause:
            return "halt" if self.halted else "run"
        return {"preempt": "stolen", "stop": "stopped", "smi": "smi"}.get(self.cause, "exit")

    def settle(self, now: int) -> None:
        """Count the time since the last change to what it was spent with."""
        spent = now - self.since
        if spent:
            self.before, self.since, self.was = self.since, now, self.state
        match self.state:
            case "run":
                self.run += spent
            case "halt":
                self.halt += spent
            case "stolen":
                self.steal += spent
            case _:
                self.out += spent

    def spent(self, state: str, t: int) -> int:
        """ns in state `run` or `stolen` up to `t`, which may lie before the last change: in the stretch before it, or
        among windows of the load that were passed over.
        """
        counted = self.steal if state == "stolen" else self.run
        if t >= self.since:
            return counted + (t - self.since if self.state == state else 0)
        if self.was == state:
            counted -= self.since - max(t, self.before)
        if t < self.before and self.load is not None:
            out = self.load.out_between(t, self.before)
            counted -= out if state == "stolen" else self.before - t - out
        return counted


@dataclass(slots=True)
class SchedState:
    """All vCPUs, and what is common to them."""

    runs: tuple[Run, ...]
    stopped: bool = False
    shares: bool = True
    slice: int = SLICE_NS
    others: tuple[int, ...] = ()
    """Threads of the host that always want to run, on each processor."""
    arrival: tuple[int, int, int, tuple[int, ...]] | None = None
    """The VM is on its way to another host: when it arrives, when it left, the new host's kHz, and the guest TSCs."""
