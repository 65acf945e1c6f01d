"""How things are measured here: in turns, by CPU time, as medians, always beside a peer.

The machine that this runs on has other work to do. So what is measured and its peer take turns (A B A B), CPU time is
taken instead of the clock on the wall where one process does the work, and the median of the turns counts.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median

Sample = Callable[[], float]
"""Measures once; the cost of one operation in ns."""


@dataclass(frozen=True)
class Row:
    """A line of the table: a number, its peer's, how many times the peer it is, and whether its aim is met."""

    what: str
    shown: str
    peer: str
    peer_shown: str
    ratio: float | str
    aim: str = ""
    met: bool | None = None

    @property
    def verdict(self) -> str:
        """The aim, with whether it is met."""
        if self.met is None:
            return self.aim
        return f"{self.aim}: {'met' if self.met else 'MISSED'}"


@dataclass(frozen=True)
class Group:
    """A table with a title and a sentence on how it was measured."""

    title: str
    about: str
    rows: Sequence[Row]


def span(ns: float) -> str:
    """A stretch of time with three digits."""
    for unit, size in (("s", 1e9), ("ms", 1e6), ("µs", 1e3)):
        if ns >= size:
            return f"{three(ns / size)} {unit}"
    return f"{three(ns)} ns"


def three(number: float) -> str:
    """A number with three digits."""
    if number >= 1000:
        return f"{float(f'{number:.3g}'):,.0f}"
    return f"{number:.{0 if number >= 100 else 1 if number >= 10 else 2}f}"


def per_second(ns: float) -> str:
    """How many operations of `ns` fit a second."""
    return f"{three(1e9 / ns)}/s"


def cpu(work: Callable[[], object], times: int = 1) -> float:
    """CPU ns of this process for one of the `times` operations that `work` does."""
    start = time.process_time_ns()
    work()
    return (time.process_time_ns() - start) / times


def turns(samples: Sequence[Sample], rounds: int) -> list[list[float]]:
    """`rounds` samples of each, taken in turns; one round before them is thrown away."""
    taken: list[list[float]] = [[] for _ in samples]
    for turn in range(rounds + 1):
        for sample, mine in zip(samples, taken, strict=True):
            cost = sample()
            if turn:
                mine.append(cost)
    return taken


def ratio(these: Sequence[float], those: Sequence[float]) -> float:
    """The median of how many times the other each was, turn by turn."""
    return median(a / b for a, b in zip(these, those, strict=True))


def compared(
    what: str,
    these: Sequence[float],
    peer: str,
    those: Sequence[float],
    *,
    under: float | None = None,
    under_ns: float | None = None,
) -> Row:
    """A row of two medians. `under` is the aim for the ratio, `under_ns` that for the number itself."""
    times, cost = ratio(these, those), median(these)
    aims, met = [], True
    if under_ns is not None:
        aims.append(f"under {span(under_ns).replace('.00', '')}")
        met &= cost < under_ns
    if under is not None:
        aims.append(f"under {under:g}×")
        met &= times < under
    return Row(what, span(cost), peer, span(median(those)), times, ", ".join(aims), met if aims else None)
