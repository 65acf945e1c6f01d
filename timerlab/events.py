"""What happened on interrupt lines and timers, as rows for a log; expanded only for the window that is asked for."""

from __future__ import annotations

from dataclasses import dataclass

from timerlab.machine import Machine

ASKING = ("irq.", "pin.", "hpet.", "lapic")
"""How the wires begin that ask for interrupts."""

APART = 3
"""So many rises of one train in a window are told one by one; more become one event with a count."""


@dataclass(frozen=True, slots=True)
class Event:
    """An edge on a line at `t_ns`, or `count` of them from there to `last_ns`; `value` is the level that it goes to.

    The kind `estimate`: from here on interrupts are counted in proportion, for several sources share a busy vCPU and
    the budget of edges that are handled one by one is spent.
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
        if not name.startswith(ASKING):
            continue
        for train in line.ring:
            first, last = train.until(lo - 1), train.until(hi - 1)
            # a rise is an even edge of a train that begins with one, else an odd edge
            first += (first ^ train.level ^ 1) & 1
            rises = (last - first + 1) // 2 if last > first else 0
            if rises <= 0:
                continue
            final = first + 2 * (rises - 1)
            if rises <= APART:
                found += [Event(train.ns(i), name, "rise", 1, 1, train.ns(i)) for i in range(first, final + 1, 2)]
            else:
                found.append(Event(train.ns(first), name, "rise", 1, rises, train.ns(final)))
    found.sort(key=lambda event: event.t_ns)
    return found[-limit:]
