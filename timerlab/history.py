"""The log, and travel along it.

A machine is a pure function of its log, so any moment is reached by restoring the nearest checkpoint before it and
doing again what the log says. The log is whole: every entry begins when the one before it ended, and time that the
pacer let pass is an entry of its own. Being in the past is being at `position` < len(entries), or in the middle of
an entry.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from typing import ClassVar

from timerlab.command import Command, Entry, Kind, Result
from timerlab.commands.script import ReplayTrace
from timerlab.machine import Machine, Snapshot
from timerlab.replay import redo
from timerlab.trace import Trace

EVERY = 256
"""Entries between two checkpoints, and so the most that a journey does again; docs/benchmarks.md says what it costs."""

AGAIN = 1 << 16
"""How many trains a line remembers where a window is gone through once more."""

EVERY_ACCESSES = 1024
"""Accesses of a trace between two checkpoints."""


@dataclass(frozen=True, slots=True)
class Advance(Command):
    """Time that the pacer let pass: `advance to`, extended in place until the next command."""

    kind: ClassVar[Kind] = "advance"

    def text(self) -> str:
        """What the log shows for it."""
        return "run"


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The machine after `position` entries and `fed` accesses of the entry after them."""

    position: int
    fed: int
    snapshot: Snapshot

    @property
    def place(self) -> tuple[int, int, int]:
        """How far along the log this is."""
        return self.position, self.fed, self.snapshot.now


@dataclass(slots=True)
class Played:
    """What redoing a replay entry needs: its trace, the offset of its times and how many accesses it did."""

    trace: Trace
    offset: int
    done: int


class History:
    """The entries of a session and the checkpoints along them; `machine` is moved by `travel` and friends."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.entries: list[Entry] = []
        self.position = 0
        self.played: dict[int, Played] = {}
        self._checkpoints = [Checkpoint(0, 0, machine.snapshot())]
        self._fed = 0
        self._open: Entry | None = None
        self.version = 0
        """Changes whenever something new happens; travelling is nothing new."""

    # -- where we are

    @property
    def end_ns(self) -> int:
        """The end of the log in time."""
        return self.entries[-1].end_ns if self.entries else 0

    @property
    def past(self) -> bool:
        """Whether something of the log lies ahead."""
        return self.position < len(self.entries) - (self._open is not None)

    @property
    def halfway(self) -> bool:
        """Whether the entry that lies ahead is done in part."""
        return self.past and (self._fed > 0 or self.machine.now > self.entries[self.position].t_ns)

    @property
    def taken(self) -> int:
        """How many accesses are done of a replay in whose middle this is."""
        return self._fed

    # -- writing

    def open(self, action: Command, typed: str = "") -> Entry:
        """Begin an entry at the present; what lay ahead of it is dropped."""
        if self.past:
            self.cut()
        self.version += 1
        now = self.machine.now
        entry = Entry(len(self.entries), now, now, action, typed)
        self.entries.append(entry)
        self._open = entry
        return entry

    def close(self, entry: Entry, result: Result | None = None) -> None:
        """End the entry at the present."""
        entry.end_ns = self.machine.now
        entry.result = result
        self._open = None
        self.position = len(self.entries)
        self._fed = 0
        if self.position - self._checkpoints[-1].position >= EVERY:
            self._checkpoints.append(Checkpoint(self.position, 0, self.machine.snapshot()))

    def advance(self, to: int) -> None:
        """Paced time: extends the last entry if it is such, or begins one."""
        if self.past:
            self.cut()
        last = self.entries[-1] if self.entries else None
        if last is None or last.kind != "advance":
            if to == self.machine.now:
                return
            last = self.open(Advance())
            self._open = None
        elif self._checkpoints[-1].position == len(self.entries) and self._checkpoints[-1].snapshot.now == last.end_ns:
            # the entry is about to grow past a checkpoint that was taken at its end
            self._checkpoints.pop()
        self.version += 1
        self.machine.advance(to)
        last.end_ns = to
        self.position = len(self.entries)

    def cut(self) -> None:
        """Drop what lies ahead; an entry that is half done becomes what is done of it."""
        half = self.entries[self.position] if self.past else None
        now = self.machine.now
        del self.entries[self.position :]
        self.played = {
            i: p for i, p in self.played.items() if i < self.position or (half and i == half.index and self._fed)
        }
        while self._checkpoints[-1].position > self.position or (
            self._checkpoints[-1].position == self.position
            and (self._checkpoints[-1].fed > self._fed or self._checkpoints[-1].snapshot.now > now)
        ):
            self._checkpoints.pop()
        if half is not None and self._fed and isinstance(half.action, ReplayTrace):
            self.played[half.index].done = self._fed
            done = half.action.limited(self._fed)
            self.entries.append(Entry(half.index, half.t_ns, now, done, result=half.result))
        elif half is not None and now > half.t_ns:
            self.entries.append(Entry(half.index, half.t_ns, now, Advance()))
        self.position = len(self.entries)
        self._fed = 0

    def fed(self, entry: Entry, done: int) -> None:
        """A replay has come so far: checkpoint now and then."""
        self.version += 1
        self.played[entry.index].done = done
        entry.end_ns = self.machine.now
        while self._checkpoints[-1].position > entry.index:
            self._checkpoints.pop()
        last = self._checkpoints[-1]
        if done - (last.fed if last.position == entry.index else 0) >= EVERY_ACCESSES:
            self._checkpoints.append(Checkpoint(entry.index, done, self.machine.snapshot()))

    # -- travelling

    def travel(self, ns: int) -> None:
        """Go to a moment from 0 to `end_ns`: after everything that was done at or before it."""
        self._go(bisect_right(self.entries, ns, key=lambda entry: entry.end_ns), ns, into=True)

    def travel_to_entry(self, position: int) -> None:
        """Go to where `position` entries are done, and no more."""
        self._go(position, self.entries[position - 1].end_ns if position else 0, into=False)

    def _go(self, position: int, ns: int, into: bool) -> None:
        """`position` entries done and, with `into`, of the next one what was done by `ns`."""
        nearest = self._nearest(position, ns, into)
        here = (self.position, self._fed, self.machine.now)
        beyond = self.position > position or self.machine.now > ns
        if here < nearest.place or beyond or (self.position == position and self._fed and not into):
            self.machine.restore(nearest.snapshot)
            self.position, self._fed = nearest.position, nearest.fed
        self.position, self._fed = self._walk(self.machine, self.position, self._fed, position, ns, into)

    def _nearest(self, position: int, ns: int, into: bool) -> Checkpoint:
        """The last checkpoint before a place as `_go` takes it."""
        nearest = self._checkpoints[0]
        for checkpoint in self._checkpoints:
            reached = checkpoint.position < position or (
                checkpoint.position == position and (into or not checkpoint.fed)
            )
            if reached and checkpoint.snapshot.now <= ns:
                nearest = checkpoint
        return nearest

    def _walk(self, machine: Machine, at: int, fed: int, position: int, ns: int, into: bool) -> tuple[int, int]:
        """Do entries again on `machine`, from `at` entries and `fed` accesses; the place that it comes to."""
        while at < position:
            self._redo(machine, self.entries[at], fed, ns)
            at, fed = at + 1, 0
        if into and at < len(self.entries):
            fed = self._redo(machine, self.entries[at], fed, ns)
        return at, fed

    def _redo(self, machine: Machine, entry: Entry, fed: int, until: int) -> int:
        played = self.played.get(entry.index)
        if played is None:
            entry.action.redo(machine, entry, until)
            return 0
        done = redo(machine, played.trace, played.offset, fed, played.done, until)
        machine.advance(max(machine.now, min(entry.end_ns, until)))
        return done

    def again(self, lo: int, hi: int) -> Machine:
        """Another machine that went through `lo` to `hi` once more, from a checkpoint before it, and
        so remembers its edges.
        """
        other = Machine(self.machine.config)
        other.remember(AGAIN)
        position, into = self.position, self.halfway or self._open is not None
        if hi < self.machine.now:
            position, into = min(position, bisect_right(self.entries, hi, key=lambda entry: entry.end_ns)), True
        start = self._nearest(position, lo, into)
        other.restore(start.snapshot)
        self._walk(other, start.position, start.fed, position, hi, into)
        return other
