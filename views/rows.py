"""Rows of text with roles: what a panel's pure `rows` function gives, and the few ways to put them together.

A row is a tuple of spans, a span is a text and a role. Widths are counted in characters: every sign of the design is
one cell wide.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache

__all__ = [
    "ASCII",
    "Row",
    "Span",
    "clip",
    "cut",
    "highlight",
    "numbers",
    "pad",
    "plain",
    "put",
    "rule",
    "width_of",
]

Span = tuple[str, str]
"""A text and the role it plays."""

Row = tuple[Span, ...]
"""One line of a panel."""

ASCII = str.maketrans(
    {
        **dict(zip("►║◄↑↓×●•·–─━", '>"<^vx*+.--=', strict=True)),
        **dict(zip("▲◊›░♪▌■□│┃−→", "^o>#~|#.||->", strict=True)),
        **dict(zip("┴┬┳┷╳┄╌▐…÷", "++++x--|.:", strict=True)),
        **dict.fromkeys("┌┐└┘├┤", "+"),
        "µ": "u",
        "←": "<",
    }
)
"""The sign that stands for each sign of the design where fonts are poor; squares are drawn in their own ASCII form."""

_HEX = re.compile(r"(?<![\w.])((?:0000 )*)([0-9A-F]{1,4}(?: [0-9A-F]{4})*|[0-9A-F]+)h(?!\w)")


def width_of(spans: Iterable[Span]) -> int:
    """How many cells the spans take."""
    cells = 0
    for text, _ in spans:
        cells += len(text)
    return cells


def plain(row: Iterable[Span]) -> str:
    """The text alone, without the blanks at its end."""
    return "".join(text for text, _ in row).rstrip()


def pad(spans: Iterable[Span], width: int) -> Row:
    """The spans, filled with blanks or cut to `width` cells."""
    row = tuple(spans)
    gap = width
    for text, _ in row:
        gap -= len(text)
    if gap > 0:
        return (*row, (" " * gap, "text"))
    return row if gap == 0 else cut(row, 0, width)


def clip(spans: Iterable[Span], width: int) -> Row:
    """The spans; where they are wider than `width`, cut with a `…` at the end."""
    row = tuple(spans)
    if width_of(row) <= width:
        return row
    return (*cut(row, 0, width - 1), ("…", "label"))


def cut(row: Iterable[Span], start: int, end: int) -> Row:
    """The cells from `start` up to `end` of a row."""
    kept = []
    at = 0
    for text, role in row:
        lo, hi = max(start - at, 0), min(end - at, len(text))
        if lo < hi:
            kept.append((text[lo:hi], role))
        at += len(text)
    return tuple(kept)


def put(row: Iterable[Span], at: int, spans: Iterable[Span]) -> Row:
    """The row with other spans laid over it from cell `at` on; the row grows if need be."""
    base, over = tuple(row), tuple(spans)
    return (*pad(cut(base, 0, at), at), *over, *cut(base, at + width_of(over), 1 << 30))


def highlight(row: Row, start: int, end: int) -> Row:
    """The row with its cells from `start` up to `end` on the selection's colour."""
    return (
        *pad(cut(row, 0, start), start),
        *((text, role + "*") for text, role in pad(cut(row, start, end), end - start)),
        *cut(row, end, 1 << 30),
    )


@lru_cache(4096)
def numbers(text: str, role: str = "text") -> Row:
    """A text with its hexadecimal numbers set as the design wants: the `h` muted, leading zero groups faint."""
    spans: list[Span] = []
    at = 0
    for found in _HEX.finditer(text):
        if found.start() > at:
            spans.append((text[at : found.start()], role))
        zeros, digits = found.groups()
        if zeros:
            spans.append((zeros, "absent"))
        spans += [(digits, role), ("h", "label")]
        at = found.end()
    if at < len(text):
        spans.append((text[at:], role))
    return tuple(spans)


def rule(key: str, name: str, part: str, value: str, width: int, heavy: bool) -> Row:
    """A title rule: `─ 1 PIT 8254 ─── 1.193 182 MHz ─`; its line is heavy for the panel that has the focus."""
    line, role = ("━", "interactive") if heavy else ("─", "rule")
    left: list[Span] = [(line + " ", role)]
    if key:
        left.append((key + " ", "interactive"))
    left.append((name, "strong"))
    if part:
        left.append((" " + part, "label"))
    left.append((" ", role))
    right: list[Span] = [(" " + value + " ", "label"), (line, role)] if value else []
    gap = width - width_of(left) - width_of(right)
    if gap < 1:
        return cut((*left, *right), 0, width)
    return (*left, (line * gap, role), *right)
