"""Lanes: one row a vCPU that says over time whether it ran, was halted, was stolen, or was out for another reason.

`━` runs, `─` is halted, `░` is stolen, `·` is out: exited to its hypervisor, in an SMI, stopped. A cell that saw any of
its vCPU stolen is `░`, however short that was: it is what one looks for. Else a cell is what the vCPU was at its end.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache

from timerlab.text import decimal
from timerlab.views.frame import Frame, Wave
from timerlab.views.rows import Row, Span, pad
from timerlab.views.square import series

__all__ = ["ACROSS", "Window", "lane", "lanes", "span", "stolen_ns", "zoomed"]

ACROSS = 60_000_000
"""ns to now that lanes show at first."""
LEAST, MOST = 10_000, 10 * 60 * 10**9
"""The least and the most that they can show."""
NAME, VALUE = 12, 8
"""Cells of a vCPU's name and state, and of what was stolen from it."""
FEW = 64
"""So many edges are gone through one by one; of more, what was stolen is reckoned by sixteenths of a cell."""
_FINE = 16
_SIGNS = {"run": ("━", "="), "halt": ("─", "-"), "stolen": ("░", "#"), "out": ("·", ".")}
_ROLES = {"run": "text", "halt": "label", "stolen": "attention", "out": "label"}
_UNITS = (("s", 10**9), ("ms", 10**6), ("µs", 10**3), ("ns", 1))


@dataclass(frozen=True, slots=True)
class Window:
    """What lanes show: `cells` whole cells from `lo` to `hi`, and behind them the cell that now is in."""

    lo: int
    hi: int
    cells: int

    @classmethod
    def until(cls, now: int, across: int, cells: int) -> Window:
        """The window that ends now, the last of `cells` cells; it moves by whole cells, and stands still within one."""
        cell = max(1, across // cells)
        hi = now // cell * cell
        return cls(hi - cell * (cells - 1), hi, cells - 1)

    @property
    def cell(self) -> int:
        """ns in a cell."""
        return (self.hi - self.lo) // self.cells


def zoomed(across: int, direction: int) -> int:
    """The next window: 1, 2 or 5, smaller (−1) or larger (+1)."""
    return max(LEAST, min(MOST, series(across)[direction > 0]))


def lane(run: Wave, stolen: Wave, halt: Wave, last: str, first: int = 0, ascii: bool = False) -> Row:
    """One vCPU's cells from its three waves, which are up while it takes interrupts, while it is stolen, while it is
    halted; behind them one for `last`, what it is now. Before cell `first` there was nothing.
    """
    spans: list[Span] = [(" " * first, "text")] if first > 0 else []
    kind, many, before, cells = "", 0, stolen.start, len(run.levels)
    for at in range(max(0, first), cells + 1):
        if at == cells:
            here = last if last in _SIGNS else "out"
        else:
            level = stolen.levels[at]
            if before or level or stolen.counts[at]:
                here = "stolen"
            elif not run.levels[at]:
                here = "out"
            else:
                here = "halt" if halt.levels[at] else "run"
            before = level
        if here != kind and many:
            spans.append((_SIGNS[kind][ascii] * many, _ROLES[kind]))
            many = 0
        kind = here
        many += 1
    if many:
        spans.append((_SIGNS[kind][ascii] * many, _ROLES[kind]))
    return tuple(spans)


def stolen_ns(frame: Frame, name: str, across: int, window: Window, seen: Wave) -> tuple[int, bool]:
    """For how long a line was up in the last `across` ns, and whether that is exact. `seen` is its wave."""
    lo, now = max(0, frame.now - across), frame.now
    if sum(seen.counts) > FEW:
        fine = frame.wave(name, window.lo, window.hi, window.cells * _FINE)
        return sum(fine.levels) * window.cell // _FINE, False
    up, end = 0, now
    while end > lo:
        edge = frame.edge(name, end, -1)
        begin = lo if edge is None else max(lo, edge[0])
        up += (end - begin) * (seen.start if edge is None else edge[1])
        end = begin
    return up, True


@lru_cache(256)
def span(ns: int, across: int, exact: bool = True) -> str:
    """A time with one decimal, in the unit that suits the window: `22.7 ms`; `~411 ms` where it is not exact."""
    unit, one = next((unit, one) for unit, one in _UNITS if across >= 10 * one or one == 1)
    places = 1 if exact and ns < 1000 * one and one > 1 else 0
    return f"{'' if exact else '~'}{decimal(Fraction(ns, one), places)} {unit}"


def lanes(frame: Frame, width: int, across: int = ACROSS, vcpus: int | None = None) -> list[Row]:
    """A row for each of the first `vcpus` vCPUs: name and state, the lane, what was stolen of it in the window."""
    window = Window.until(frame.now, across, max(2, width - NAME - VALUE))
    first = 0 if window.lo >= 0 else -(window.lo // window.cell)
    many = frame.options.vcpus if vcpus is None else min(vcpus, frame.options.vcpus)
    return [pad(_row(frame, v, window, first, across), width) for v in range(many)]


def _row(frame: Frame, v: int, window: Window, first: int, across: int) -> Row:
    """One vCPU."""
    state = str(frame.peeks.get(f"vcpu{v}.state") or "run")
    run, stolen, halt = (
        frame.wave(f"vcpu{v}.{line}", window.lo, window.hi, window.cells) for line in ("run", "stolen", "halt")
    )
    lost, exact = stolen_ns(frame, f"vcpu{v}.stolen", across, window, stolen)
    last = frame.edge(f"vcpu{v}.stolen", frame.now, -1) if lost else None
    just = last is not None and last[0] >= window.hi
    role = "attention" if state == "stolen" else "text" if state == "run" else "label"
    label = f"v{v} "
    return (
        (label, "strong"),
        (f"{state:<{NAME - len(label)}}", role),
        *lane(run, stolen, halt, "stolen" if just else state, first, frame.ascii),
        (f"{span(lost, across, exact):>{VALUE}}", "attention" if lost else "label"),
    )
