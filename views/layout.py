"""Where every part of the screen stands, as a pure function of the terminal's size.

`plan` gives a region for each part by its widget id; `Board` hands them to Textual. Three shapes (guide, section 5):

* small, from 80x24: one panel by tab, port 61h under the PIT;
* medium, from 120 columns: two columns of 58 over a strip of the log;
* large, from 200x50: three columns of 64, waves across two of them, no tabs.

Sizes between add columns and rows to waves and log only. Typing never moves a panel: a taller prompt covers one row.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from textual.geometry import NULL_OFFSET, NULL_SPACING, Region, Size
from textual.layout import ArrangeResult, Layout, WidgetPlacement
from textual.widget import Widget

Shape = Literal["small", "medium", "large"]

PIT_ROWS = 14
"""Rows of the PIT panel, title and two rows of OUT included."""
PORT_ROWS = 3
"""Rows of the port 61h panel without its refresh row."""
NOTE_ROWS = 6
"""Rows of a lesson's text at 80x24."""
PANELS = ("pit", "port61", "waves", "log")
"""Widget ids of the panels, in the order of `tab`."""


@dataclass(slots=True)
class View:
    """What the user chose to see; the size does the rest."""

    shown: str = "pit"
    """The panel that a small screen shows."""
    zoomed: bool = False
    """`shown` alone, whatever the size."""
    lesson: bool = False
    """A lesson's strip stands where the tabs were."""
    note: bool = False
    """The lesson's text is shown."""
    inspecting: bool = False
    """The register inspector is open: over the body, and beside `shown` on a large screen."""
    aside: bool = True
    """The free cell of a large screen holds the help of the focused panel."""
    mistake: bool = False
    """A row more under the prompt marks the mistake."""
    decoded: int = 1
    """Rows of the decode line: two while it also says what would happen."""


def shape(width: int, height: int) -> Shape:
    """Which of the three shapes fits `width` x `height` cells."""
    if width >= 200 and height >= 50:
        return "large"
    return "medium" if width >= 120 and height >= 24 else "small"


def plan(width: int, height: int, view: View) -> dict[str, Region]:
    """Regions by widget id; a part without room is left out."""
    parts: dict[str, Region] = {}
    parts.update(_edges(width, height, view))
    kind = shape(width, height)
    top = 1 if "tabs" not in parts and "strip" not in parts and kind != "large" else 2
    if view.lesson and kind != "small":
        top = 3
    foot = 5 if kind == "large" else 4
    body = Region(1, top, width - 2, height - top - foot)
    if body.height <= 0 or body.width <= 0:
        return parts
    if view.inspecting:
        parts.update(_inspecting(body, view, kind))
    elif view.zoomed:
        parts[view.shown] = body
    elif kind == "large":
        parts.update(_large(body, view))
    elif kind == "medium":
        parts.update(_medium(body, view))
    else:
        parts.update(_small(body, view))
    return {name: region for name, region in parts.items() if region.height > 0 and region.width > 0}


def _edges(width: int, height: int, view: View) -> dict[str, Region]:
    """Top bar, tab row or lesson strip, and the rows at the bottom."""
    if height < 6:
        parts = {"prompt": Region(0, height - 1, width, 1), "line": Region(3, height - 1, max(1, width - 4), 1)}
        return {"topbar": Region(0, 0, width, 1), **parts} if height > 1 else parts
    mark, more = int(view.mistake), max(0, view.decoded - 1)
    if height < 8:
        mark = more = 0
    top = height - 4 - mark - more
    parts = {
        "topbar": Region(0, 0, width, 1),
        "prompt": Region(0, top, width, 2 + mark),
        "line": Region(3, top + 1, width - 4, 1),
        "decoding": Region(1, top + 2 + mark, width - 2, 1 + more),
        "hints": Region(1, height - 1, width - 2, 1),
    }
    if view.lesson:
        parts["strip"] = Region(0, 1, width, 1)
    elif shape(width, height) != "large":
        parts["tabs"] = Region(0, 1, width, 1)
    return parts


def _small(body: Region, view: View) -> dict[str, Region]:
    parts: dict[str, Region] = {}
    if view.note:
        parts["note"], body = _cut(body, min(NOTE_ROWS, body.height // 2))
    if view.shown not in ("pit", "port61"):
        parts[view.shown] = body
        return parts
    pit, below = _cut(body, PIT_ROWS)
    parts["pit"] = pit
    port, rest = _cut(below, PORT_ROWS)
    if port.height == PORT_ROWS:
        parts["port61"] = port
        if rest.height >= 4:
            parts["log"] = rest
    elif view.shown == "port61":
        parts["port61"] = Region(body.x, body.bottom - PORT_ROWS, body.width, PORT_ROWS)
        parts["pit"] = Region(body.x, body.y, body.width, body.height - PORT_ROWS - 1)
    return parts


def _medium(body: Region, view: View) -> dict[str, Region]:
    if view.note:
        left, right = _columns(body, min(46, body.width // 2 - 12))
        parts = {"note": left}
        parts["pit"], rest = _cut(right, PIT_ROWS)
        if rest.height >= 12:
            parts["waves"], parts["log"] = _cut(rest, rest.height - 1 - max(4, rest.height // 3))
        else:
            parts["log" if view.shown == "log" else "waves"] = rest
        return parts
    left_width = 58 if body.width < 130 else 64 if body.width < 160 else 78
    refresh = int(64 <= left_width < 78)  # that wide, the port has its refresh row
    upper, strip = _cut(body, PIT_ROWS + 1 + PORT_ROWS + refresh)
    left, right = _columns(upper, left_width)
    parts = {}
    parts["pit"], parts["port61"] = _cut(left, PIT_ROWS)
    if strip.height >= 4:
        parts["waves"], parts["log"] = right, strip
    else:
        left, right = _columns(body, left_width)
        parts["log" if view.shown == "log" else "waves"] = right
    return parts


def _large(body: Region, view: View) -> dict[str, Region]:
    column = 78 if body.width >= 3 * 78 + 6 else 64
    first, rest = _columns(body, column, 3)
    second, third = _columns(rest, column, 3)
    head = PIT_ROWS + 1 + PORT_ROWS + 1  # the refresh row has room here
    parts: dict[str, Region] = {}
    if view.note:
        parts["note"] = first
        upper, lower = _cut(second, head)
        parts["pit"], parts["port61"] = _cut(upper, PIT_ROWS)
        parts["waves"] = Region(lower.x, lower.y, rest.width, lower.height)
        parts["log"] = _cut(third, head)[0]
        return parts
    upper, lower = _cut(first, head)
    parts["pit"], parts["port61"] = _cut(upper, PIT_ROWS)
    parts["log"] = third
    if view.aside:
        parts["aside"] = _cut(second, head)[0]
        parts["waves"] = Region(lower.x, lower.y, 2 * column + 3, lower.height)
    else:
        parts["waves"] = Region(lower.x, lower.y, 2 * column + 3, lower.height)
    return parts


def _inspecting(body: Region, view: View, kind: Shape) -> dict[str, Region]:
    """The inspector; on a large screen the panel it came from keeps a column."""
    if kind != "large" or view.zoomed:
        return {"inspector": body}
    column = 78 if body.width >= 3 * 78 + 6 else 64
    left, right = _columns(body, 2 * column + 3, 3)
    if view.shown not in ("pit", "port61"):
        return {"inspector": left, view.shown: right}
    parts = {"inspector": left}
    parts["pit"], below = _cut(right, PIT_ROWS)
    parts["port61"], rest = _cut(below, PORT_ROWS + 1)
    parts["log"] = rest
    return parts


def _cut(region: Region, rows: int) -> tuple[Region, Region]:
    """`region`'s first `rows` rows, and what is left below one blank row."""
    rows = min(rows, region.height)
    return (
        Region(region.x, region.y, region.width, rows),
        Region(region.x, region.y + rows + 1, region.width, max(0, region.height - rows - 1)),
    )


def _columns(region: Region, width: int, gutter: int = 2) -> tuple[Region, Region]:
    """`region`'s first `width` columns, and what is left after the gutter."""
    return (
        Region(region.x, region.y, width, region.height),
        Region(region.x + width + gutter, region.y, max(0, region.width - width - gutter), region.height),
    )


class Board(Layout):
    """Places the screen's parts by `plan`; the list above the prompt is placed by its own wish."""

    name = "board"

    def __init__(self, view: View) -> None:
        self.view = view

    def arrange(self, parent: Widget, children: list[Widget], size: Size, greedy: bool = True) -> ArrangeResult:
        """The placement of each child that has a place at this size."""
        del parent, greedy
        places = plan(size.width, size.height, self.view)
        prompt = places.get("prompt")
        placements = []
        for child in children:
            region = places.get(child.id or "")
            if child.id == "popup" and prompt is not None:
                wanted = getattr(child, "height_wanted", 0)
                rows = min(wanted, prompt.y)
                region = Region(1, prompt.y + 1 - rows, min(60, size.width - 2), rows) if rows > 2 else None
            if region is not None:
                placements.append(WidgetPlacement(region, NULL_OFFSET, NULL_SPACING, child))
        return placements
