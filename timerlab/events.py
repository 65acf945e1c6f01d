"""What happened on interrupt lines and timers, as rows for a log; expanded only for the window that is asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from timerlab.line import Train, turns_at
from timerlab.machine import Machine
from timerlab.policy import Note

ASKING = ("irq.", "pin.", "hpet.", "lapic")
"""How the wires begin that ask for interrupts."""

APART = 3
"""So many rises of one train in a window are told one by one; more become one event with a count."""


@dataclass(frozen=True, slots=True)
class Event:
    """An edge on a line at `t_ns`, or `count` of them from there to `last_ns`; `value` is the level that it goes to.

    What a policy did by itself has its words as the kind. A vCPU's kinds are `stolen`, `out` (for another reason),
    `runs` and `halted`. The kind `estimate`: from here on interrupts are counted in proportion, for several sources
    share a busy vCPU and the budget of edges that are handled one by one is spent.
    """

    t_ns: int
    source: str
    kind: str
    value: int
    count: int
    last_ns: int


def events(machine: Machine, lo: int, hi: int, limit: int) -> list[Event]:
    """The rises of the interrupt lines in `[lo, hi)`, in order; the last `limit` of them."""
    found: list[Event] = []
    since = machine.board.flow.estimated_since
    if since is not None and lo <= since < hi:
        found.append(Event(since, "guest", "estimate", 0, 1, since))
    for name, line in machine.board.lines.items():
        if name.startswith(ASKING):
            found += _latest(line.ring, limit, lambda train: _edges(train, name, "rise", 1, lo, hi))  # noqa: B023
        elif name.startswith("vcpu"):
            found += _states(machine, name, lo, hi, limit)
    found += _notes(machine, lo, hi)
    found.sort(key=lambda event: event.t_ns)
    return found[-limit:]


def _latest(ring: Sequence[Train], limit: int, told: Callable[[Train], list[Event]]) -> list[Event]:
    """What a line's trains tell, in order: the last `limit` of it and maybe some more. Older trains are not asked."""
    parts: list[list[Event]] = []
    many = 0
    for train in reversed(ring):
        if many >= limit:
            break
        parts.append(told(train))
        many += len(parts[-1])
    return [event for part in reversed(parts) for event in part]


def _notes(machine: Machine, lo: int, hi: int) -> list[Event]:
    """What the policy did by itself: one event for all vCPUs that it did the same to."""
    together: dict[tuple[int, str], list[Note]] = {}
    for note in machine.board.policy.notes:
        if lo <= note.ns < hi:
            together.setdefault((note.ns, note.text), []).append(note)
    found = []
    for (ns, text), notes in together.items():
        who = ", ".join(f"v{v}" for v in dict.fromkeys(note.vcpu for note in notes))
        found.append(Event(ns, "policy", f"{who}: {text}", 0, max(note.times for note in notes), ns))
    return found


def _edges(train: Train, name: str, kind: str, level: int, lo: int, hi: int) -> list[Event]:
    """The edges of a train to `level` in `[lo, hi)`: one by one, or as one event."""
    first, last = train.until(lo - 1), train.until(hi - 1)
    # an edge to the train's own first level has an even index, one to the other an odd one
    first += (first ^ train.level ^ level) & 1
    edges = (last - first + 1) // 2 if last > first else 0
    if edges <= 0:
        return []
    final = first + 2 * (edges - 1)
    if edges <= APART:
        return [Event(train.ns(i), name, kind, level, 1, train.ns(i)) for i in range(first, final + 1, 2)]
    return [Event(train.ns(first), name, kind, level, edges, train.ns(final))]


class _Rises:
    """Where a wire rises, to be asked often."""

    def __init__(self, ring: Iterable[Train]) -> None:
        self._long = [train for train in ring if train.count > APART]
        self._short = {
            train.ns(edge) for train in ring if train.count <= APART for edge in range(1 - train.level, train.count, 2)
        }

    def at(self, ns: int) -> bool:
        """Whether there is a rise at a nanosecond."""
        return ns in self._short or turns_at(self._long, ns, 1)


def _states(machine: Machine, name: str, lo: int, hi: int, limit: int) -> list[Event]:
    """What a vCPU's wire tells: that it is stolen, or out for another reason, that it runs again, that it is halted."""
    vcpu, _, what = name.partition(".")
    ring = machine.board.lines[name].ring
    if what != "run":
        kind = {"stolen": "stolen", "halt": "halted"}[what]
        return _latest(ring, limit, lambda train: _edges(train, vcpu, kind, 1, lo, hi))
    stolen, halted = (_Rises(machine.board.lines[f"{vcpu}.{other}"].ring) for other in ("stolen", "halt"))

    def told(train: Train) -> list[Event]:
        # of many windows in one train the thefts alone are told
        back = [event for event in _edges(train, vcpu, "runs", 1, lo, hi) if event.count == 1]
        away = _edges(train, vcpu, "out", 0, lo, hi)
        kept = [event for event in back if not halted.at(event.t_ns)]
        return kept + [event for event in away if not stolen.at(event.t_ns)]

    return _latest(ring, limit, told)
