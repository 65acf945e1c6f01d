"""Square waves in heavy box characters, two rows high.

A flat part is `━` on the upper row while the line is high, on the lower one while it is low. An edge joins the two
rows: `┏┛` rising, `┓┗` falling. What is narrower than a cell stays visible: a low pulse hangs as `┳╹`, a high one
stands as `╻┻`, and three or more edges become `░`.
"""

from __future__ import annotations

from fractions import Fraction

from timerlab.line import Wave as Cells
from timerlab.text import decimal
from timerlab.views.frame import Wave

__all__ = ["cell_of", "draw", "halved", "nice_step", "ruler", "series"]

_HEAVY = {
    "low": (" ", "━"),
    "high": ("━", " "),
    "rise": ("┏", "┛"),
    "fall": ("┓", "┗"),
    "notch": ("┳", "╹"),
    "spike": ("╻", "┻"),
    "dense": ("░", "░"),
}
_ASCII = {
    "low": (" ", "_"),
    "high": ("-", " "),
    "rise": ("/", "/"),
    "fall": ("/", "/"),
    "notch": ("-", "/"),
    "spike": ("/", "_"),
    "dense": ("#", "#"),
}


def draw(wave: Wave, ascii: bool = False) -> tuple[str, str]:
    """The two rows of a wave, one character a cell.

    Neighbours with two edges each are drawn alike or not at all: a run that mixes notches and spikes says no more than
    that the line is too dense for its cells, and becomes `░` as a whole.
    """
    signs = _ASCII if ascii else _HEAVY
    shapes: list[str] = []
    level, run = wave.start, 0
    for at, (edges, after) in enumerate(zip(wave.counts, wave.levels, strict=True)):
        if edges == 0:
            shapes.append("high" if after else "low")
        elif edges == 1:
            shapes.append("rise" if after else "fall")
        elif edges == 2 and level == after:
            shapes.append("notch" if after else "spike")
        else:
            shapes.append("dense")
        level = after
        if edges < 2:
            _even_out(shapes, run, at)
            run = at + 1
    _even_out(shapes, run, len(shapes))
    return "".join(signs[shape][0] for shape in shapes), "".join(signs[shape][1] for shape in shapes)


def halved(fine: Wave) -> Cells:
    """A wave of half as many cells. A pulse that stands across the border of two cells, in the nearer half of each, is
    narrower than a cell: it goes into the first of them whole, and is drawn as what it is.
    """
    counts, levels = fine.counts, fine.levels
    half = [counts[i] + counts[i + 1] for i in range(0, len(counts) - 1, 2)]
    ends = list(levels[1::2])
    for i in range(1, len(counts) - 2, 2):
        if counts[i] == 1 == counts[i + 1] and not counts[i - 1] and not counts[i + 2]:
            half[i // 2], half[i // 2 + 1] = 2, 0
            ends[i // 2] = levels[i + 1]
    return Cells(fine.start, half, ends)


def _even_out(shapes: list[str], start: int, end: int) -> None:
    """Make a run of cells that differ in shape dense."""
    if end - start > 1 and len(set(shapes[start:end])) > 1:
        shapes[start:end] = ["dense"] * (end - start)


def series(step: int) -> tuple[int, int]:
    """The 1-2-5 numbers next below and next above a whole number of at least 1."""
    ten = int("1" + "0" * (len(str(step)) - 1))
    around = [ten // 10, ten // 5, ten // 2, ten, 2 * ten, 5 * ten, 10 * ten, 20 * ten]
    below = max((n for n in around if n < step), default=1)
    return max(1, below), min(n for n in around if n > step)


def nice_step(span_ns: int, cells: int, apart: int) -> int:
    """The smallest 1-2-5 step in ns whose ticks stand at least `apart` cells from each other."""
    least = max(1, -(-span_ns * apart // cells))
    ten = int("1" + "0" * (len(str(least)) - 1))
    return next(n for n in (ten, 2 * ten, 5 * ten, 10 * ten) if n >= least)


_UNITS = (("ns", 1), ("µs", 10**3), ("ms", 10**6), ("s", 10**9))


def cell_of(ns: int, lo_ns: int, span_ns: int, cells: int) -> int:
    """The cell that holds a moment: cell i covers lo + span·i//cells up to the start of the next one."""
    return ((ns - lo_ns + 1) * cells - 1) // span_ns


def ruler(lo_ns: int, hi_ns: int, now_ns: int, cells: int) -> tuple[str, list[int], str]:
    """The axis under the waves, counted from now: the unit's name, the cells of the ticks, the row of labels."""
    span = hi_ns - lo_ns
    unit, one = next((name, size) for name, size in reversed(_UNITS) if span >= size or size == 1)
    step, places, apart = 1, 0, 10
    for _ in range(2):  # a label of a window far from now is long, and wants its ticks further apart
        step = nice_step(span, cells, apart)
        places = 0
        while step * 10**places % one:
            places += 1
        far = max(abs(lo_ns - now_ns), abs(hi_ns - now_ns))
        apart = max(10, len(decimal(Fraction(far, one), places)) + 3)
    labels = [" "] * cells
    ticks: list[int] = []
    written: list[tuple[int, str]] = []
    if lo_ns <= now_ns < hi_ns:
        written.append((cell_of(now_ns, lo_ns, span, cells), "now"))  # first: no label of a tick stands on it
    for n in range(-((now_ns - lo_ns) // step), (hi_ns - 1 - now_ns) // step + 1):
        if n:
            cell = cell_of(now_ns + n * step, lo_ns, span, cells)
            ticks.append(cell)
            written.append((cell, ("+" if n > 0 else "") + decimal(Fraction(n * step, one), places)))
    for cell, text in written:
        start = cell - len(text) // 2
        end = start + len(text)
        if start >= 0 and end <= cells and all(sign == " " for sign in labels[max(0, start - 1) : end + 1]):
            labels[start:end] = text
    return unit, ticks, "".join(labels)
