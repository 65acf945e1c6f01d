"""The rows of the waves panel: axis, two rows a line, what the cursors measure.

The window is counted from now and moves with it, in whole cells, so that what is drawn stands still while now moves
within a cell. After now a line is a prediction and drawn faint.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import lru_cache

from timerlab.line import Wave as Cells
from timerlab.text import count, duration_exact, moment, rate
from timerlab.views.frame import Frame, Wave
from timerlab.views.port61 import tone
from timerlab.views.rows import Row, Span, clip, highlight, pad, put, rule
from timerlab.views.square import cell_of, draw, halved, ruler
from timerlab.views.tone import note_name
from timerlab.views.wave_lines import label

__all__ = ["Plan", "View", "fitting", "head_rows", "names_of", "pitch", "plan_for", "rows", "shown_lines", "window"]


@dataclass(frozen=True)
class View:
    """What the keys of the panel set: all of it belongs to the eye, none of it to the session."""

    cell: int = 50_000
    """Virtual ns that a cell covers."""
    shift: int = 0
    """Cells by which the window is moved to later times."""
    selected: int = 0
    """The line that the keys `[` and `]` search."""
    first: int = 0
    """The uppermost line, where not all fit."""
    a: int | None = None
    """Cursor A in virtual ns."""
    b: int | None = None
    """Cursor B."""
    active: str = ""
    """The cursor that moves: a or b."""
    focused: bool = False
    """Whether the panel has the focus: only then is the selected line marked."""
    names: tuple[str, ...] = ()
    """The lines from the top; empty for all of them as they come."""


@dataclass(frozen=True)
class Plan:
    """Where things stand at a width."""

    at: int
    """The first cell of the waves."""
    a: int
    """The column of the value at A."""
    b: int
    """The column of the value at B."""
    one: int
    """The column of the value now, while there is no cursor."""
    cells: int
    """How many cells a wave has."""
    back: int
    """How many of them lie before now."""
    facts: bool
    """Whether a second row says what a line is, and cursors have a table."""


@lru_cache(8)
def plan_for(width: int) -> Plan:
    """The three layouts: 78 and less, 118, 131 and more."""
    if width >= 131:
        return Plan(16, 12, 14, 12, width - 16, (width - 16) * 3 // 5, False)
    if width >= 100:
        return Plan(20, 13, 16, 13, width - 20, (width - 20) * 6 // 7, True)
    return Plan(14, 10, 12, 12, width - 14, (width - 14) * 5 // 6, False)


def names_of(frame: Frame, view: View) -> Sequence[str]:
    """The lines from the top."""
    return view.names or frame.lines()


def window(frame: Frame, width: int, view: View) -> tuple[int, int]:
    """The first moment of the window and the first after it, in virtual ns."""
    plan = plan_for(width)
    lo = (frame.now // view.cell - plan.back + view.shift) * view.cell
    return lo, lo + plan.cells * view.cell


def fitting(frame: Frame, width: int, view: View, name: str = "") -> View:
    """The view that shows the span from A to B, or else some four periods of a line: of the selected one, if it is not
    told.
    """
    cells = plan_for(width).cells
    if view.a is not None and view.b is not None and view.a != view.b:
        cell = _two_digits(-(-abs(view.b - view.a) * 5 // (4 * cells)))
        middle = (view.a + view.b) // 2
        fitted = replace(view, cell=cell, shift=0)
        lo, hi = window(frame, width, fitted)
        return replace(fitted, shift=(middle - (lo + hi) // 2) // cell)
    names = names_of(frame, view)
    name = name or names[min(view.selected, len(names) - 1)]
    first = frame.edge(name, frame.now, 1)
    second = first and frame.edge(name, first[0], 1)
    third = second and frame.edge(name, second[0], 1)
    if first is None or third is None:
        return replace(view, shift=0)
    return replace(view, cell=_two_digits(-(-4 * (third[0] - first[0]) // cells)), shift=0)


def _two_digits(n: int) -> int:
    """The whole number rounded up to two digits."""
    ten = int("1" + "0" * max(0, len(str(n)) - 2))
    return max(1, -(-n // ten) * ten)


def shown_lines(height: int, lines: int, view: View, width: int) -> int:
    """How many lines fit under each other."""
    return max(1, min(lines, _room(height, view, width) // 2))


def pitch(height: int, lines: int, view: View, width: int) -> int:
    """How many rows a line takes: two, and up to two blank ones where there is room for all lines."""
    return max(2, min(4, _room(height, view, width) // max(1, lines)))


def _room(height: int, view: View, width: int) -> int:
    """How many rows there are for lines."""
    below = 0
    if view.a is not None or view.b is not None:
        below = 5 if plan_for(width).facts and height >= 20 else 1
    return height - head_rows(view, width) - below


def head_rows(view: View, width: int) -> int:
    """How many rows stand over the first line."""
    return 2 if width >= 131 and view.a is None and view.b is None else 3


def rows(frame: Frame, width: int, height: int, view: View) -> list[Row]:
    """The panel's rows for `height` of them: axis, two rows a line, the cursors' facts."""
    plan = plan_for(width)
    lo, hi = window(frame, width, view)
    names = names_of(frame, view)
    many = shown_lines(height, len(names), view, width)
    first = max(0, min(view.first, len(names) - many))
    seen = range(lo, hi)
    at_now = cell_of(frame.now, lo, hi - lo, plan.cells) if frame.now in seen else None
    at_cursor = {
        name: cell_of(ns, lo, hi - lo, plan.cells)
        for name, ns in (("A", view.a), ("B", view.b))
        if ns is not None and ns in seen
    }
    table = _axis(frame, plan, view, lo, hi, at_now, at_cursor, head_rows(view, width))
    apart = pitch(height, len(names), view, width)
    for at in range(first, first + many):
        table += _line(frame, plan, view, names[at], at == view.selected, apart > 2, lo, hi, at_now, at_cursor)
        table += [_between(plan, at_now, at_cursor)] * (apart - 2)
    table = [pad(row, width) for row in table]
    if view.a is not None or view.b is not None:
        table += _facts(frame, plan, width, height, view, names[min(view.selected, len(names) - 1)])
    return table


def _axis(
    frame: Frame,
    plan: Plan,
    view: View,
    lo: int,
    hi: int,
    at_now: int | None,
    at_cursor: dict[str, int],
    head: int,
) -> list[Row]:
    """The letters of the cursors, the labels of the ticks, the ruler."""
    unit, ticks, labels = ruler(lo, hi, frame.now, plan.cells)
    line = ["─"] * plan.cells
    inside = range(0)
    if len(at_cursor) == 2 or (at_cursor and view.a is not None and view.b is not None):
        ends = [min(max(cell_of(ns, lo, hi - lo, plan.cells), 0), plan.cells - 1) for ns in (view.a or 0, view.b or 0)]
        inside = range(min(ends), max(ends) + 1)
    for at in inside:
        line[at] = "━"
    for at in ticks:
        line[at] = "┷" if at in inside else "┴"
    for at in at_cursor.values():
        line[at] = "┳"
    spans: list[Span] = []
    for at, sign in enumerate(line):
        role = "interactive" if at in inside or sign == "┳" else "rule"
        if at == at_now:
            sign, role = "┃", "changed"
        if spans and spans[-1][1] == role:
            spans[-1] = (spans[-1][0] + sign, role)
        else:
            spans.append((sign, role))
    mark = labels.find("now")
    written: Row = ((labels, "label"),) if mark < 0 else put(((labels, "label"),), mark, (("now", "text"),))
    axis: Row = ((f"{unit} from now", "label"),)
    if head == 2:
        return [(*pad(axis, plan.at), *written), ((" " * plan.at, "text"), *spans)]
    letters: Row = pad((("line", "label"),), plan.at)
    if view.a is not None:
        letters = put(letters, plan.a - 3 if plan.facts else plan.a, (("at A" if plan.facts else "A", "label"),))
    if view.b is not None:
        letters = put(letters, plan.b, (("B", "label"),))
    if view.a is None and view.b is None:
        letters = put(letters, plan.one - 2, (("now", "label"),))
    for name, at in at_cursor.items():
        letters = put(letters, plan.at + at, ((name, "badge"),))
    return [letters, ((" " * plan.at, "text"), *written), (*pad(axis, plan.at), *spans)]


def _line(
    frame: Frame,
    plan: Plan,
    view: View,
    name: str,
    selected: bool,
    roomy: bool,
    lo: int,
    hi: int,
    at_now: int | None,
    at_cursor: dict[str, int],
) -> list[Row]:
    """One line's two rows, with its name, its values and, where there is room, what it is."""
    upper, lower = _drawn(frame, name, lo, hi, plan.cells)
    before = 0
    if lo < 0:  # nothing was before the power came on
        before = min(plan.cells, max(0, cell_of(0, lo, hi - lo, plan.cells)))
        upper, lower = " " * before + upper[before:], " " * before + lower[before:]
    selected = selected and view.focused
    dense = upper.count("░") * 2 > plan.cells
    role = "interactive" if selected else "label" if dense else "text"
    split = 0 if at_now is None and frame.now < lo else plan.cells if at_now is None else at_now
    strokes = _crossing(at_now, at_cursor)
    first: list[Span] = [(" " + label(name), "strong" if selected else "text")]
    wave_rows = [_strokes(text, role, split, strokes) for text in (upper, lower)]
    left = pad(first, plan.at)
    if selected:
        left = put(highlight(left, 1, plan.a - 1), 0, (("▌", "interactive"),))
    for ns, at in ((view.a, plan.a), (view.b, plan.b)):
        if ns is not None:
            left = put(left, at, ((str(_level(frame, name, ns)), "strong"),))
    if view.a is None and view.b is None:
        left = put(left, plan.one, ((str(_level(frame, name, frame.now)), "strong"),))
    second: list[Span] = []
    if plan.facts or roomy:
        words = _what(frame, name, dense)
        if len(words) > plan.at - 2:  # the first part says it
            words = words.partition(",")[0].partition("  ")[0]
        second = [(" " + words, "label")]
    return [(*left, *wave_rows[0]), (*pad(clip(second, plan.at - 1), plan.at), *wave_rows[1])]


def _drawn(frame: Frame, name: str, lo: int, hi: int, cells: int) -> tuple[str, str]:
    """A line's two rows: by half cells, so that a pulse across two cells stands as one, but for what has no pulses."""
    whole = frame.wave(name, lo, hi, 1)
    edges = whole.counts[0]
    if not edges:
        return _alike(whole, cells, frame.ascii)
    if edges >= 3 * cells and min(frame.wave(name, lo, hi, cells).counts) >= 3:
        return _alike(whole, cells, frame.ascii)
    halves = halved(frame.wave(name, lo, hi, 2 * cells))
    if edges * 5 > cells * 6 and halves.counts.count(1) * 3 > cells:  # as fast as the cells: a moiré at best
        return _alike(whole, cells, frame.ascii)
    return draw(halves, frame.ascii)


def _alike(whole: Wave, cells: int, ascii: bool) -> tuple[str, str]:
    """Two rows of the same sign: of what is flat, or dense."""
    upper, lower = draw(whole if not whole.counts[0] else Cells(whole.start, [3], list(whole.levels)), ascii)
    return upper * cells, lower * cells


def _crossing(at_now: int | None, at_cursor: dict[str, int]) -> list[tuple[int, str]]:
    """The cells that the strokes of now and of the cursors stand in, with their roles."""
    strokes = dict.fromkeys(at_cursor.values(), "interactive")
    if at_now is not None:
        strokes.setdefault(at_now, "changed")
    return sorted(strokes.items())


def _between(plan: Plan, at_now: int | None, at_cursor: dict[str, int]) -> Row:
    """A blank row between two lines: only the strokes go through it."""
    return (*pad((), plan.at), *_strokes(" " * plan.cells, "text", plan.cells, _crossing(at_now, at_cursor)))


def _strokes(text: str, role: str, split: int, strokes: Sequence[tuple[int, str]]) -> Row:
    """One row of a wave: faint from `split` on, crossed by the strokes of now and the cursors where it is blank."""
    spans: list[Span] = []
    at = 0
    for stop, over in [*strokes, (len(text), "")]:
        if at < stop:
            past = min(max(split, at), stop)
            if at < past:
                spans.append((text[at:past], role))
            if past < stop:
                spans.append((text[past:stop], "absent"))
        if over:
            spans.append((text[stop] if text[stop] != " " else "│", over))
        at = stop + 1
    return tuple(spans)


def _level(frame: Frame, name: str, ns: int) -> int:
    """A line's level at a moment, an edge at that very moment included."""
    if ns == frame.now:
        known = frame.peeks.get(name + ".level", frame.peeks.get(name))
        if isinstance(known, int):
            return known
    return frame.wave(name, ns, ns + 1, 1).levels[0]


def _what(frame: Frame, name: str, dense: bool) -> str:
    """What a line is, in a few words."""
    if name.startswith("pit.ch"):
        channel = name[:7]
        kind, period = frame.peeks.get(channel + ".kind"), frame.peeks.get(channel + ".period")
        if kind is None:
            return "unprogrammed"
        if dense and isinstance(period, int) and period:
            return rate(frame.options.pit_hz / period, unit="kHz") + ", dense"
        return f"mode {kind}" + (f"  N {period}" if isinstance(period, int) and period else "")
    if name == "speaker":
        hz = tone(frame)
        note = note_name(hz) if hz else None
        return "silent" if hz is None else f"♪ {note[0]}  {rate(hz)}" if note else rate(hz)
    if name in ("port61.gate2", "port61.spkr"):
        return f"port 61h bit {int(name == 'port61.spkr')}"
    if name == "refresh":
        return "port 61h bit 4"
    edges = frame.peeks.get(name + ".edges")
    return f"{count(edges)} ↑" if isinstance(edges, int) else ""


def _distance(frame: Frame, a: int, b: int) -> tuple[str, str, str]:
    """B − A, its inverse, and how many PIT clocks it is."""
    apart = b - a
    clocks = round(Fraction(apart, 1_000_000_000) * frame.options.pit_hz)
    return duration_exact(apart), rate(Fraction(1_000_000_000, abs(apart))) if apart else "–", count(clocks)


def _facts(frame: Frame, plan: Plan, width: int, height: int, view: View, selected: str) -> list[Row]:
    """The cursors' table, or their one row where the panel is small."""
    a, b = view.a, view.b
    known = [(name, ns) for name, ns in (("A", a), ("B", b)) if ns is not None]
    apart = _distance(frame, a, b) if a is not None and b is not None else None
    if not plan.facts or height < 20:
        row: list[Span] = []
        if apart:
            row = [
                ("B − A ", "label"),
                (apart[0], "strong"),
                ("  1/(B − A) ", "label"),
                (apart[1], "strong"),
                ("  ", "text"),
                (apart[2], "text"),
                (" PIT clocks", "label"),
            ]
        else:
            name, ns = known[0]
            row = [
                (name + " ", "label"),
                (moment(ns), "strong"),
                (f"  now − {name} ", "label"),
                (duration_exact(frame.now - ns), "text"),
            ]
        return [pad(row, width)]
    table: list[Row] = [(), rule("", "Cursors", "", f"edges of {label(selected)}", width, False)]
    right: list[tuple[str, str, str, str]] = []
    if apart:
        clocks = apart[2]
        right = [("B − A", apart[0], "in PIT clocks", clocks), ("1/(B − A)", apart[1], "", "")]
    last, ns = known[-1]
    right.append((f"now − {last}", duration_exact(frame.now - ns), "", ""))
    left: list[tuple[str, str, str, str]] = [(n, "badge", moment(t), _edge_at(frame, selected, t)) for n, t in known]
    left.append(("┃", "changed", moment(frame.now), "now, running" if frame.running else "now, paused"))
    for at in range(max(len(left), len(right))):
        line: Row = ()
        if at < len(left):
            sign, role, when, what = left[at]
            line = put(put(((sign, role),), 3, ((when, "text"),)), 30, ((what, "label"),))
        if at < len(right):
            name, value, more, number = right[at]
            line = put(line, 60, ((f"{name:<10}", "label"), (f"{value:>13}", "strong")))
            line = put(line, 90, ((f"{more:<15}", "label"), (number, "strong")))
        table.append(pad(line, width))
    return table


def _edge_at(frame: Frame, name: str, ns: int) -> str:
    """The edge of the selected line that a cursor stands on."""
    found = frame.edge(name, ns - 1, 1)
    if found is None or found[0] != ns:
        return f"{label(name)} is {_level(frame, name, ns)}"
    return f"{label(name)} {'↑' if found[1] else '↓'}"
