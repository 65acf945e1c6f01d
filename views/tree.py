"""The clock tree: each oscillator, what is made from it, by which divider, offset or ratio, and how far it has come."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import NamedTuple

from timerlab.text import rate
from timerlab.views.frame import Frame
from timerlab.views.panel import Panel
from timerlab.views.rows import Row, Span, clip, pad
from timerlab.views.tree_node import Node
from timerlab.views.tree_rows import grown
from timerlab.views.tree_wiring import Wiring, wiring_of
from timerlab.views.tsc import short

__all__ = ["Columns", "TreePanel", "columns", "rows"]

SHORT = 12
"""In a panel with fewer rows than this the clocks that can be spared give way; a higher one scrolls."""
COMPACT = 9
"""Rows, the title's included, of the panel in a column of a large screen."""
_POLICIES = {"palacios": "Palacios", "kvm": "KVM", "nvmm": "NVMM"}


class Columns(NamedTuple):
    """Where things stand: `way` begins, `rate` and `reading` end, `feeds` begins; 0 where there is no such column."""

    way: int
    rate: int
    reading: int
    feeds: int
    header: bool


def columns(width: int) -> Columns:
    """The columns at a width."""
    if width >= 118:
        return Columns(28, 70, 92, 95, True)
    if width >= 78:
        return Columns(22, 57, 78, 0, True)
    if width >= 64:
        return Columns(20, 44, 64, 0, False)
    return Columns(18, 39, 58, 0, False)


class Line(NamedTuple):
    """A row as far as it stays the same: up to the rate; then how its reading is got, and what it feeds."""

    head: Row
    indent: int
    node: Node


def rows(frame: Frame, width: int, height: int = 0) -> list[Row]:
    """The panel's rows. Where `height` is small, clocks that can be spared are left out; 0: all are shown."""
    at = columns(width)
    table: list[Row] = [_header(width)] if at.header else []
    for line in _lines(wiring_of(frame), width, height - len(table) if height else 0):
        node = line.node
        row = (*line.head, _reading(node.read, frame, at.reading - at.rate))
        if at.feeds:
            text, role = node.feeds if node.note is None else node.note(frame)
            table.append(pad(clip((*row, (" " * (at.feeds - at.reading), "text"), (text, role)), width), width))
        else:
            table.append(row if at.reading == width else pad(row, width))
    return table


@lru_cache(8)
def _header(width: int) -> Row:
    """The names of the columns; those of numbers stand at their right end."""
    at = columns(width)
    text = f"{'clock':<{at.way}}{'from its parent':<{at.rate - at.way - 4}}rate{'reading':>{at.reading - at.rate}}"
    return pad(((text, "label"), ("   feeds" if at.feeds else "", "label")), width)


def _reading(read: Callable[[Frame], str] | None, frame: Frame, room: int) -> Span:
    """A reading at the right end of its cells: without gaps where those do not fit, then shortened."""
    if read is None:
        return " " * room, "text"
    text = read(frame)
    if len(text) >= room:
        plain = text.replace(" ", "")
        text = plain if len(plain) < room else short(int(plain)) if plain.isdigit() else plain[: room - 1]
    return f"{text:>{room}}", "text"


@lru_cache(64)
def _lines(wiring: Wiring, width: int, height: int) -> tuple[Line, ...]:
    """The rows of the tree, as far as they stay the same."""
    at = columns(width)
    return tuple(
        Line(_drawn(node, prefix, at), len(prefix), node)
        for prefix, node in _walk(_fitting(grown(wiring), height), "", True)
    )


def _fitting(trees: tuple[Node, ...], height: int) -> tuple[Node, ...]:
    """The trees without what can be spared, so that they fit a low panel if they can."""
    if not 0 < height < SHORT:
        return trees
    above: dict[int, Node] = {}
    nodes = list(trees)
    for node in nodes:  # grows meanwhile
        nodes += node.below
        above.update((id(one), node) for one in node.below)
    rows = [node for _, node in _walk(trees, "", True)]
    left = {id(node): len(node.below) for node in rows}
    gone: set[int] = set()
    while len(rows) - len(gone) > height:
        spare, at = max(((node.spare, at) for at, node in enumerate(rows) if not left[id(node)]), default=(0, 0))
        if not spare:
            break
        last: Node | None = rows[at]
        while last is not None and last.spare and not left[id(last)]:
            gone.add(id(last))
            left[id(last)] = -1  # never again
            last = above.get(id(last))
            if last is not None:  # one that all others have gone from goes too, if it can be spared
                left[id(last)] -= 1
    return _without(trees, gone)


def _without(nodes: tuple[Node, ...], gone: set[int]) -> tuple[Node, ...]:
    """The nodes without some, wherever these hang."""
    if not gone:
        return nodes
    kept = [node for node in nodes if id(node) not in gone]
    return tuple([replace(node, below=_without(node.below, gone)) if node.below else node for node in kept])


def _walk(nodes: Sequence[Node], prefix: str, roots: bool) -> Iterator[tuple[str, Node]]:
    """Each node with the lines that lead to it: `│  ├─ `."""
    for node in nodes:
        last = node is nodes[-1]
        yield ("" if roots else prefix + ("└─ " if last else "├─ ")), node
        yield from _walk(node.below, "" if roots else prefix + ("   " if last else "│  "), False)


def _drawn(node: Node, prefix: str, at: Columns) -> Row:
    """A row up to the rate."""
    room = at.way - len(prefix) - 1
    names = node.names if at.feeds or not node.told else node.told
    name = next((one for one in names if len(one) <= room), names[-1][:room])
    hertz = "" if node.hz is None else rate(node.hz, node.places if at.header else 3, node.unit)
    gap = 2 if at.header else 1
    room = at.rate - at.way - len(hertz) - gap
    way = next((one for one in node.ways if len(one) <= room), node.ways[-1][:room])
    return (
        (prefix, "rule"),
        (f"{name:<{at.way - len(prefix)}}", node.role),
        (f"{way:<{room + gap}}{hertz}", "label"),
    )


def policy_words(frame: Frame, wiring: Wiring) -> str:
    """Who makes the guests' time, and with what."""
    name = _POLICIES.get(frame.options.quirks.get("policy", "bare"))
    if name is None:
        return "no hypervisor"
    one = 1 << (32 if wiring.amd else 48)
    if any(guest.ratio != one for guest in wiring.guests):
        return f"policy {name}, offset and ratio"
    return f"policy {name}, {'guest cycles' if wiring.counted else 'offset'}"


class TreePanel(Panel):
    """The clock tree: who hangs on whom."""

    KEY = "8"
    NAME = "Clock tree"
    TAB = "tree"
    HELP = """\
# Clock tree

Each oscillator, and below it the clocks that are made from it.

| column | what it shows |
|---|---|
| from its parent | the divider, the offset, or the ratio that makes it |
| rate | how fast it runs; nothing where it has no rate of its own |
| reading | where it is now: counts, rises of OUT, periods; for kvmclock ns |
| feeds | what hangs on it further on, or how far it is from what it should be |

`÷ 1193` divides, `− 26 000 000 000 000` is what is added to the parent's count, `× 0.900 000 000` a ratio of the TSC
scaling hardware. Below `kvmclock` goes what the pvclock page says: the shift, then the multiplier.

Processors and vCPUs that are alike share a row. Guests hang on the processor that they run on; one whose TSC differs
from that of vCPU 0 stands out, and says by how much. `guest cycles` are what Palacios counts; L2's TSC is there
while L2 runs, timers of local APICs once a count is written to them; those in TSC-deadline mode wait for a guest's TSC.

A low panel leaves out what it can spare, and its title says how many rows; `z` shows them all. `enter` opens the
register at the cursor.
"""

    def head(self, frame: Frame) -> tuple[str, str]:
        """Who hangs on whom; at the right the policy, and how many rows were left out."""
        wiring = wiring_of(frame)
        width, seen = self.size.width, self.size.height - 1
        left = len(_lines(wiring, width, 0)) - len(_lines(wiring, width, seen - columns(width).header))
        words = policy_words(frame, wiring)
        if left:
            return "", f"{words}  {left} left out"
        return "who hangs on whom", words

    def body(self, frame: Frame, width: int, height: int) -> list[Row]:
        """See `rows`."""
        return rows(frame, width, height)

    def cells(self, row: int) -> Sequence[tuple[int, int]]:
        """A whole row, from its name to its reading."""
        line = self._line(row)
        return () if line is None else ((line.indent, columns(self.size.width).reading - line.indent),)

    def value_name(self, row: int, column: int) -> str:
        """The value at the cursor: `pit.ch0.cr`."""
        line = self._line(row)
        return "" if line is None else line.node.value

    @classmethod
    def rows_at(cls, width: int) -> int:
        """In a column of a large screen what cannot be spared; wherever it is wider, the rows of most sessions."""
        return COMPACT if width < 78 else 18

    def _line(self, row: int) -> Line | None:
        """The row of the tree that is drawn in a row of the panel."""
        if self.frame is None:
            return None
        width = self.size.width
        first = int(columns(width).header)
        lines = _lines(wiring_of(self.frame), width, self.size.height - 1 - first)
        return lines[row - first] if 0 <= row - first < len(lines) else None
