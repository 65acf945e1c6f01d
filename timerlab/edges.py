"""The edge before or after a moment, however long ago: as the wires remember it, or from a checkpoint once more."""

from __future__ import annotations

from typing import TYPE_CHECKING

from timerlab.line import edge_after

if TYPE_CHECKING:
    from timerlab.session import Session

STRIDE_NS = 1_000_000
"""How far beyond a moment of long ago its next edge is looked for first; then eight times as far, and so on."""


def next_edge(session: Session, name: str, ns: int) -> tuple[int, int] | None:
    """(ns, level) of the first edge after `ns`, up to the session's horizon beyond it."""
    machine = session.machine
    if ns >= machine.now:
        return machine.ahead(ns).next_edge(name, ns + session.horizon)
    stride = STRIDE_NS
    while ns < machine.known_since(name):
        hi = min(ns + stride, machine.now)
        edge = edge_after(session.again(max(ns, 0), hi).history(name)[1], ns)
        if edge is not None and edge[0] <= hi:
            return edge
        if hi == machine.now:
            break
        stride *= 8
    return edge_after(machine.history(name)[1], ns) or machine.next_edge(name, ns + session.horizon)


def previous_edge(session: Session, name: str, ns: int) -> tuple[int, int] | None:
    """(ns, level) of the last edge before `ns`."""
    machine = session.machine
    if ns > machine.now:
        machine = machine.ahead(ns)
    while True:
        edge = machine.edge_before(name, ns)
        since = machine.known_since(name)
        if edge is not None or not since:
            return edge
        ns = min(ns, since)
        machine = session.again(ns - 1, ns)
        if machine.known_since(name) >= since:
            return machine.edge_before(name, ns)
