"""A line plot in Braille dots: two columns and four rows of dots in a cell, values against time.

What stands where: labels of the scale and the axis on the left, each line's name behind its last dot, below it either
one row that ends the axis, with a cause at the place of a jump, or, where there is room, a ruler and its labels. The
scale ends at whole steps of 1, 2 or 5, so that it stands still while the last dot moves. Integers only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import groupby
from typing import NamedTuple

from timerlab.text import MINUS, count
from timerlab.views.rows import Row, Span, pad, put

__all__ = ["Cause", "Memo", "Scale", "Series", "end_of", "extremes", "nice", "plot", "scale_of", "short"]

Point = tuple[int, int]
Dots = tuple[Point, ...]

_DOTS = ((0x01, 0x02, 0x04, 0x40), (0x08, 0x10, 0x20, 0x80))
"""The bit of each dot of a Braille cell: column, then row (Unicode, Braille Patterns)."""
_BRAILLE = 0x2800
_ZERO, _ZERO_ASCII = "┈", "."
_ROOMY = 10
"""Rows from which on there are a ruler and labels under the plot."""
_LEAST = 1000
"""The scale covers so much at least: what is less is a flat line."""
_UNITS = (("s", 10**9), ("ms", 10**6), ("µs", 10**3), ("ns", 1))


@dataclass(slots=True)
class Memo:
    """What was made of a line so far: for which axes, of how many points from which first one on, and the dots."""

    axes: object = None
    first: Point | None = None
    many: int = 0
    found: list[Point] = field(default_factory=list)


@dataclass(frozen=True, eq=False)
class Series:
    """One line: points in the order of x. The first series of several is drawn over the others. What was made of one is
    remembered for the very same object.
    """

    name: str
    role: str
    points: tuple[Point, ...]
    memo: Memo | None = None
    """The dots of a line that this one goes on from: the same points, and maybe some more."""


@dataclass(frozen=True, slots=True)
class Cause:
    """Why a line jumps at x from one y to another."""

    x: int
    words: str
    low: int
    high: int


class Scale(NamedTuple):
    """The values at the upper and the lower end, and from one label to the next."""

    top: int
    bottom: int
    step: int


def nice(least: int) -> int:
    """The smallest of 1, 2, 5, 10, 20, ... that is not below a whole number."""
    ten = int("1" + "0" * (len(str(max(1, least))) - 1))
    return next(n for n in (ten, 2 * ten, 5 * ten, 10 * ten) if n >= least)


def short(ns: int, sign: bool = False) -> str:
    """A round time of a label: `+1.5 ms`, `200 µs`, `0`."""
    if not ns:
        return "0"
    unit, one = next((unit, one) for unit, one in _UNITS if abs(ns) >= one)
    whole, part = divmod(abs(ns), one)
    digits = str(part).zfill(len(str(one)) - 1).rstrip("0") if part else ""
    return f"{MINUS if ns < 0 else '+' if sign else ''}{count(whole)}{'.' + digits if digits else ''} {unit}"


def end_of(lo: int, now: int) -> int:
    """Where an axis from `lo` ends that has to reach `now`: a little later, at a round place, so that it stands still
    for a while.
    """
    step = nice(max(1, (now - lo) // 40))
    return lo + max(1, -((lo - now) // step)) * step


@lru_cache(64)
def extremes(series: Series) -> Point:
    """The least and the greatest y; zeros for a line without points."""
    values = [y for _, y in series.points]
    return (min(values), max(values)) if values else (0, 0)


def scale_of(series: Sequence[Series], rows: int, ends: Sequence[Point | None] = ()) -> Scale:
    """The scale for so many rows: zero is on it, and all values but what is less than a dot on one side. Labels are two
    rows apart or three; where there are few rows, only zero and the ends are labelled, and steps are finer.
    """
    values = [y for one in series for y in extremes(one)] + [end[1] for end in ends if end is not None]
    top, bottom = max((0, *values)), min((0, *values))
    if -bottom * 4 * rows < top:  # less than a dot
        bottom = 0
    elif top * 4 * rows < -bottom:
        top = 0
    if top - bottom < _LEAST:
        if top <= _LEAST // 2 and -bottom <= _LEAST // 2:
            top, bottom = _LEAST // 2, -_LEAST // 2
        else:
            top, bottom = (_LEAST, 0) if top > -bottom else (0, -_LEAST)
    most = max(1, (rows - 1) // 3 if rows >= _ROOMY else 2 * rows - 2)
    step = nice(-(-(top - bottom) // most))
    while -(-top // step) - bottom // step > most and not (top and bottom and most == 1):
        step = nice(step + 1)
    return Scale(-(-top // step) * step, bottom // step * step, step)


def plot(
    series: Sequence[Series],
    lo: int,
    hi: int,
    width: int,
    height: int,
    *,
    ends: Sequence[Point | None] = (),
    left: int = 9,
    names: int = 9,
    causes: Sequence[Cause] = (),
    ascii: bool = False,
) -> list[Row]:
    """The plot from x = `lo` to `hi` in `width` x `height` cells: `left` of them for the scale's labels, `names` for
    those of the lines. `ends` are points behind the last of each series.
    """
    foot = 2 if height >= _ROOMY else 1
    rows, cells = max(1, height - foot), max(1, width - left - 1 - names)
    scale = scale_of(series, rows, ends)
    zero = _dot_row(0, rows, scale)
    flat: list[Series] = []
    lines: list[tuple[Series, Dots, Dots]] = []
    for one, end in zip(series, (*ends, *(None,) * (len(series) - len(ends))), strict=True):
        dots = _dots(one, lo, hi, cells, rows, scale)
        last = () if end is None or not lo <= end[0] <= hi else (_dot(end, lo, hi, cells, rows, scale),)
        if all(y == zero for _, y in (*dots, *last)):
            flat += [one] if dots or last else []
        else:
            lines.append((one, dots, (*dots[-1:], *last) if last else ()))
    grid = _grid(lines, ascii)
    written = _names([(one, (*dots, *last)[-1]) for one, dots, last in lines], flat, zero, rows)
    labels = _labels(scale, rows)
    table: list[Row] = []
    for row in range(rows):
        head: list[Span] = [(f"{labels.get(row, ''):>{left}}", "label"), ("┤" if row in labels else "│", "rule")]
        line: Row = (*head, *_cells(grid, row, cells, zero // 4, ascii))
        if row in written:
            name, role, at = written[row]
            line = put(
                line, left + 1 + (at + 1 if at < cells - 4 else cells), ((f" {name}"[: names or len(name) + 1], role),)
            )
        table.append(line)
    for cause in causes if foot == 2 else ():
        at = _place(cause.x, lo, hi, cells)
        middle = (_dot_row(cause.high, rows, scale) + _dot_row(cause.low, rows, scale)) // 8
        middle += middle == zero // 4
        words = f"{'<' if ascii else '◄'} {cause.words}"
        if at + 2 + len(words) <= cells + names and not any(at < x < at + 2 + len(words) for x in grid.get(middle, ())):
            table[middle] = put(table[middle], left + 1 + at + 2, ((words, "label"),))
    table += _foot(lo, hi, cells, left, names, foot, causes)
    return [pad(row, width) for row in table]


def _place(x: int, lo: int, hi: int, cells: int) -> int:
    """The cell of an x."""
    return min(cells - 1, max(0, (x - lo) * cells // max(1, hi - lo)))


def _dot_row(y: int, rows: int, scale: Scale) -> int:
    """The row of dots of a y, from the top."""
    span = scale.top - scale.bottom
    return ((scale.top - y) * (4 * rows - 1) * 2 + span) // (2 * span)


def _dot(point: Point, lo: int, hi: int, cells: int, rows: int, scale: Scale) -> Point:
    """A point as a dot: column and row from the upper left."""
    row = _dot_row(point[1], rows, scale)
    return (point[0] - lo) * (2 * cells - 1) // max(1, hi - lo), max(0, min(row, 4 * rows - 1))


@lru_cache(256)
def _dots(series: Series, lo: int, hi: int, cells: int, rows: int, scale: Scale) -> Dots:
    """A series as dots, without those that fall onto the one before; what lies outside of the axis is left out."""
    points = series.points
    if points and not lo <= points[0][0] <= points[-1][0] <= hi:
        points = tuple(point for point in points if lo <= point[0] <= hi)
    if not points:
        return ()
    columns, span = 2 * cells - 1, max(1, hi - lo)
    height, most, top = scale.top - scale.bottom, (4 * rows - 1) * 2, scale.top
    least, greatest = extremes(series)
    low, high = (
        _dot((x, y), lo, hi, cells, rows, scale) for x, y in ((points[0][0], least), (points[-1][0], greatest))
    )
    if low[1] == high[1]:
        return (low, high) if high > low else (low,)
    both = 2 * height
    memo, axes = series.memo or Memo(), (lo, hi, cells, rows, scale)
    if memo.axes != axes or memo.first != points[0] or memo.many > len(points):
        memo.axes, memo.first, memo.many, memo.found = axes, points[0], 0, []
    found = [((x - lo) * columns // span, ((top - y) * most + height) // both) for x, y in points[memo.many :]]
    if least < scale.bottom or greatest > scale.top:
        found = [(x, max(0, min(y, 4 * rows - 1))) for x, y in found]
    memo.many = len(points)
    memo.found += [dot for dot, _ in groupby(found)]
    return tuple(dot for dot, _ in groupby(memo.found))


@lru_cache(64)
def _line(dots: Dots) -> dict[tuple[int, int], int]:
    """The cells of a line through dots: (row, cell) to its dots."""
    cells: dict[tuple[int, int], int] = {}

    def strip(x: int, first: int, last: int) -> None:
        bits, cell = _DOTS[x & 1], x >> 1
        for y in range(first, last + 1) if first <= last else range(last, first + 1):
            key = (y >> 2, cell)
            cells[key] = cells.get(key, 0) | bits[y & 3]

    before = dots[0]
    strip(before[0], before[1], before[1])
    for here in dots[1:]:
        (x0, y0), (x1, y1) = before, here
        at = y0
        for x in range(x0, x1 + 1) if x1 > x0 else (x1,):
            y = y1 if x1 == x0 else y0 + (2 * (y1 - y0) * (x - x0) + x1 - x0) // (2 * (x1 - x0))
            step = 1 if y > at else -1 if y < at else 0
            strip(x, at + (step if x > x0 else 0), y)
            at = y
        before = here
    return cells


def _grid(lines: Sequence[tuple[Series, Dots, Dots]], ascii: bool) -> dict[int, dict[int, Span]]:
    """All lines, each with what leads to its end, by row and cell: signs and roles. A cell has its first line's."""
    masks: dict[tuple[int, int], int] = {}
    roles: dict[tuple[int, int], str] = {}
    for one, *parts in lines:
        for dots in parts:
            for key, bits in _line(dots).items() if dots else ():
                masks[key] = masks.get(key, 0) | bits
                roles.setdefault(key, one.role)
    grid: dict[int, dict[int, Span]] = {}
    for (row, cell), bits in masks.items():
        sign = _plain(bits) if ascii else chr(_BRAILLE + bits)
        grid.setdefault(row, {})[cell] = (sign, roles[row, cell])
    return grid


def _plain(bits: int) -> str:
    """The ASCII sign for a cell's dots."""
    rows = [y for y in range(4) if bits & (_DOTS[0][y] | _DOTS[1][y])]
    if len(rows) > 2:
        return "|"
    return "'" if rows[-1] < 2 else "-" if rows[0] < 3 else "_"


def _cells(grid: dict[int, dict[int, Span]], row: int, cells: int, zero: int, ascii: bool) -> list[Span]:
    """One row's cells as spans; nothing but zero's dotted line where there is no dot."""
    empty: Span = (_ZERO_ASCII if ascii else _ZERO, "rule") if row == zero else (" ", "text")
    line = grid.get(row)
    if not line:
        return [(empty[0] * cells, empty[1])]
    spans: list[Span] = []
    text, role = "", empty[1]
    for cell in range(cells):
        sign, kind = line.get(cell, empty)
        if kind != role and text:
            spans.append((text, role))
            text = ""
        text += sign
        role = kind
    spans.append((text, role))
    return spans


def _names(
    lines: Sequence[tuple[Series, Point]], flat: Sequence[Series], zero: int, rows: int
) -> dict[int, tuple[str, str, int]]:
    """The lines' names by row, with the cell of the last dot. Of the lines that are at zero throughout, the first is
    named. A second one in a row goes to the row that its dot is near to; one that ends at the same dot is left out.
    """
    written: dict[int, tuple[str, str, int]] = {}
    if flat:
        written[zero >> 2] = (flat[0].name, "label", 1 << 30)
    seen: set[Point] = set()
    for one, (x, y) in lines:
        for row in (y >> 2, (y >> 2) + (1 if y & 2 else -1)):
            if (x, y) not in seen and row not in written and 0 <= row < rows:
                written[row] = (one.name, one.role, x >> 1)
                break
        seen.add((x, y))
    return written


def _labels(scale: Scale, rows: int) -> dict[int, str]:
    """The scale's labels by row."""
    values = range(scale.bottom, scale.top + 1, scale.step) if rows >= _ROOMY else (scale.bottom, scale.top, 0)
    return {_dot_row(y, rows, scale) >> 2: short(y, sign=True) for y in values}


def _foot(lo: int, hi: int, cells: int, left: int, names: int, rows: int, causes: Sequence[Cause]) -> list[Row]:
    """What stands under the plot: ruler and labels, or the axis' end with the causes."""
    if rows == 1:
        line: Row = ((" " * left, "text"), ("└", "rule"), (short(lo) if lo else "0 s", "label"))
        edge = left + 1 + len(short(lo)) + 3
        for cause in causes:
            words = f"{short(cause.x // 100_000_000 * 100_000_000) or '0 s'}: {cause.words}"
            at = min(left + 1 + _place(cause.x, lo, hi, cells), left + 1 + cells + names - len(words))
            if at >= edge:
                line = put(line, at, ((words, "label"),))
                edge = at + len(words) + 2
        return [line]
    step = nice(-(-(hi - lo) * 10 // cells))
    ruler, labels = ["─"] * cells, [" "] * (cells + names)
    for x in range(-(-lo // step) * step, hi + 1, step):
        at, text = _place(x, lo, hi, cells), short(x) if x else "0 s"
        ruler[at] = "┴"
        if at + len(text) <= cells + names:
            labels[at : at + len(text)] = text
    return [
        ((" " * left, "text"), ("└", "rule"), ("".join(ruler), "rule")),
        ((" " * (left + 1), "text"), ("".join(labels), "label")),
    ]
