"""Bits by their names, as all panels write them: upper case and bold while set, lower case and muted while clear."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from timerlab.views.rows import Row, Span

__all__ = ["cells_of", "flags", "labelled"]

Bits = tuple[tuple[str, int], ...]
"""Names in lower case with their bit numbers, in the order in which they are written."""


@lru_cache(1024)
def flags(value: int, bits: Bits) -> Row:
    """Some bits of a register, a blank apart."""
    row: list[Span] = []
    for name, bit in bits:
        if row:
            row.append((" ", "text"))
        row.append((name.upper(), "strong") if value >> bit & 1 else (name, "label"))
    return tuple(row)


def cells_of(bits: Bits, first: int) -> Sequence[tuple[int, int]]:
    """First cell and width of each bit in a row that begins at cell `first`."""
    cells, at = [], first
    for name, _ in bits:
        cells.append((at, len(name)))
        at += len(name) + 1
    return tuple(cells)


@lru_cache(256)
def labelled(label: str, mark: str) -> Row:
    """The beginning of each row: its label, and its mark in a column of its own."""
    return ((f"{label:<9}", "label"), (mark, "changed"), (" ", "text"))
