"""The bits of a register as boxes: numbers above, a box for each field, its name in the lower edge or under it.

Eight bits stand in one row; of wider registers each sixteen have a row of their own, bit under bit. From three rows on
the edges are left out, and sixteen reserved bits are one line.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from timerlab.regs import Field
from timerlab.views.rows import Row, Span, put, width_of

__all__ = ["Boxes", "boxes"]

GROUP = 16
"""Bits in a row of a wide register."""
NAME_ROWS = 3
"""At most so many rows of names under a row of bits."""


@dataclass
class Boxes:
    """The rows, how wide they are, and what a click in them means."""

    rows: list[Row] = field(default_factory=list)
    width: int = 0
    hits: dict[int, list[tuple[int, int, int]]] = field(default_factory=dict)
    """For a row: first cell, the cell after the last, bit."""
    groups: list[tuple[int, int, int]] = field(default_factory=list)
    """First row, last row and lowest bit of each group, from the highest on."""


@dataclass(frozen=True)
class Box:
    """The bits of one field in one row: from cell `x` on, `inner` cells wide; where each of its bits stands."""

    field: Field
    hi: int
    lo: int
    x: int
    inner: int
    at: tuple[int, ...]

    @property
    def name(self) -> str:
        """The name as it stands at the box; reserved bits have none."""
        return "" if self.field.access == "rsvd" else self.field.name

    @property
    def holds_name(self) -> bool:
        """Whether the name has room in the box's lower edge."""
        return len(self.name) + 2 <= self.inner or len(self.name) == self.inner


@dataclass(frozen=True)
class _Ink:
    """What decides how a bit looks."""

    value: int
    known: bool
    cursor: int | None

    def holds(self, one: Field) -> bool:
        """Whether the cursor is in a field."""
        return self.cursor is not None and one.lo <= self.cursor <= one.hi

    def bit(self, one: Field, bit: int) -> Span:
        """A bit as a span of one cell."""
        is_set = self.value >> bit & 1
        if one.access == "rsvd" and not is_set:
            return "·", "label"
        if not self.known:
            return str(is_set), "label"
        return str(is_set), "strong" if is_set else "text"


def boxes(
    fields: Sequence[Field],
    bits: int,
    value: int,
    cursor: int | None,
    width: int,
    *,
    known: bool = True,
    tight: bool = False,
) -> Boxes:
    """The bits of `value` in at most `width` cells; the field and the bit at `cursor` are marked. `tight` leaves the
    edges out.
    """
    ink = _Ink(value, known, cursor)
    groups = [(hi, max(0, hi - GROUP + 1)) for hi in range(bits - 1, -1, -GROUP)]
    tight = tight or len(groups) > 2
    found = Boxes()
    for hi, lo in groups:
        first = len(found.rows)
        held = [one for one in fields if one.hi >= lo and one.lo <= hi]
        if tight and len(held) == 1 and held[0].access == "rsvd" and not ink.holds(held[0]):
            found.rows.append(((f"{hi}:{lo}", "label"), ("  ··· reserved", "label")))
        else:
            row = _spread(held, hi, lo, width) if bits <= 8 else _even(held, hi, lo, width)
            _draw(found, row, ink, tight)
        found.groups.append((first, len(found.rows) - 1, lo))
    found.width = max((width_of(row) for row in found.rows), default=0)
    return found


def _spread(held: Iterable[Field], hi: int, lo: int, width: int) -> list[Box]:
    """Boxes as wide as bits and names want, as far as there is room."""
    held = list(held)
    for cell, margin in ((5, 2), (4, 2), (3, 2), (3, 0), (3, -99)):
        row, x = [], 1
        for one in held:
            n = one.width
            name = 0 if one.access == "rsvd" else len(one.name) + margin
            inner = max(n * cell, name)
            at = tuple(x + (2 * i + 1) * inner // (2 * n) for i in range(n))
            row.append(Box(one, one.hi, one.lo, x, inner, at))
            x += inner + 1
        if x <= width:
            break
    return row


def _even(held: Iterable[Field], hi: int, lo: int, width: int) -> list[Box]:
    """Boxes in which all bits are equally far apart."""
    cell = next((cell for cell in (5, 4, 3) if (hi - lo + 1) * cell + 1 <= width), 2)
    row = []
    for one in held:
        top, low = min(hi, one.hi), max(lo, one.lo)
        x = 1 + (hi - top) * cell
        at = tuple(x + i * cell + (cell - 1) // 2 for i in range(top - low + 1))
        row.append(Box(one, top, low, x, (top - low + 1) * cell - 1, at))
    return row


def _draw(found: Boxes, row: list[Box], ink: _Ink, tight: bool) -> None:
    """Numbers, edge, bits, edge, names."""
    end = row[-1].x + row[-1].inner
    numbers: Row = ()
    middle: Row = ()
    hits: list[tuple[int, int, int]] = []
    for box in row:
        marked = ink.holds(box.field)
        middle = put(middle, box.x - 1, (("│", "rule"),))
        if marked:
            middle = put(middle, box.x, ((" " * box.inner, "text*"),))
        half = max(1, box.inner // (2 * len(box.at)))
        for i, x in enumerate(box.at):
            bit = box.hi - i
            number, chosen = str(bit), bit == ink.cursor
            numbers = put(numbers, x + 1 - len(number), ((number, "strong" if chosen else "label"),))
            sign, role = ink.bit(box.field, bit)
            if chosen:
                around = 1 if half > 1 and box.inner > 2 else 0
                middle = put(middle, x - around, ((" " * around + sign + " " * around, "badge"),))
            else:
                middle = put(middle, x, ((sign, role + "*" * marked),))
            hits.append((max(x - half, 0), x + half + 1, bit))
    middle = put(middle, end, (("│", "rule"),))
    found.rows.append(numbers)
    if not tight:
        found.rows.append(_edge(row, "┌┬┐", ink, named=False))
    first = len(found.rows)
    found.rows.append(middle)
    if not tight:
        found.rows.append(_edge(row, "└┴┘", ink, named=True))
    found.rows += _names([box for box in row if tight or not box.holds_name], ink, end + 1)
    for y in range(first - 1 - (not tight), first + 1):
        found.hits[y] = hits


def _role(box: Box, ink: _Ink) -> str:
    """How a field's name looks."""
    if ink.holds(box.field):
        return "interactive*"
    held = box.field.of(ink.value) and box.field.width == 1
    return "text" if held and ink.known else "label"


def _edge(row: list[Box], corners: str, ink: _Ink, named: bool) -> Row:
    """The upper or the lower edge of the boxes, with the names in it."""
    spans: list[Span] = [(corners[0], "rule")]
    for i, box in enumerate(row):
        name = box.name if named and box.holds_name else ""
        if name and len(name) + 2 <= box.inner:
            name = f" {name} "
        before = (box.inner - len(name)) // 2
        spans.append(("─" * before, "rule"))
        if name:
            spans.append((name, _role(box, ink)))
        spans.append(("─" * (box.inner - before - len(name)), "rule"))
        spans.append((corners[2] if i == len(row) - 1 else corners[1], "rule"))
    return tuple(span for span in spans if span[0])


def _names(row: list[Box], ink: _Ink, width: int) -> list[Row]:
    """The names under their boxes, in as many rows as they need to stand apart."""
    lines: list[Row] = [()]
    for box in row:
        name = box.name
        if not name:
            continue
        start = max(0, min(box.x + (box.inner - len(name)) // 2, width - len(name)))
        free = next((i for i, line in enumerate(lines) if start > width_of(line) or not line), None)
        if free is None and len(lines) < NAME_ROWS:
            lines.append(())
            free = len(lines) - 1
        if free is None:
            free = min(range(len(lines)), key=lambda i: width_of(lines[i]))
            start = width_of(lines[free]) + 1
            name = name[: max(0, box.x + box.inner - start)]
        if name:
            lines[free] = put(lines[free], start, ((name, _role(box, ink)),))
    return [line for line in lines if line]
