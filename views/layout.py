"""Where every part of the screen stands, as a pure function of the terminal's size.

`plan` gives a region for each part by its widget id; `Board` hands them to Textual. Three shapes (guide, section 5):

* small, from 80x24: one panel by tab; some have another one under them (`panels.GROUPS`);
* medium, from 120 columns: devices on the left, a page of others on the right, over a strip of the log;
* large, from 200x50: three columns of 64 over waves and log, no tabs.

A column holds whole panels, from the top, as many as fit; the one that was asked for comes before the others. Sizes
between add rows to waves and log only. Typing never moves a panel: a taller prompt covers one row.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from textual.geometry import NULL_OFFSET, NULL_SPACING, Region, Size
from textual.layout import ArrangeResult, Layout, WidgetPlacement
from textual.widget import Widget

from timerlab.views.panels import CLASSES, GROUPS, rows_of

Shape = Literal["small", "medium", "large"]

NOTE_ROWS = 6
"""Rows of a lesson's text at 80x24."""
IRQ_ROWS = 12
"""Rows of the interrupts, where there is room for more lines than always have something to say."""
LEAST_ROWS = 4
"""Rows with which waves, log or a table without an end are worth a place."""
STRIP_ROWS = 4
"""The strip of the log on a medium screen, at least."""
LESSON_ROWS: Mapping[str, int] = {"mem": 17, "clocks": 22}
"""Rows of panels beside a lesson that is about them, where they can use more than they ask for."""
LOWER_ROWS = 12
"""Waves and log at the bottom of a large screen, at least."""
WIDTHS = (78, 64, 58)
"""The widths that panels are drawn for."""
PANELS = tuple(CLASSES)
"""Widget ids of the panels, in the order of `tab`."""

LEFT = ("pit", "port61", "rtc")
"""The left column of a medium screen."""
COLUMNS = ((*LEFT, "acpi"), ("apic", "hpet", "irq"))
"""The first two columns of a large screen."""
THIRD = ("tsc", "clocks", "tree", "nested", "fabric")
"""The third, over memory and log; what comes first stays longest."""
PAGES: tuple[tuple[str, ...], ...] = (("apic", "hpet", "acpi", "tsc"), ("irq", "fabric"), ("nested", "tsc"), ("waves",))
"""What the right column of a medium screen holds, a page at a time."""
SPREADS: tuple[tuple[str, ...], ...] = (("clocks",), ("tree", "mem"))
"""Panels that are drawn for all of a medium screen's width; those together that share it."""
NOTHING: Mapping[str, int] = {}
OPEN = ("fabric", "waves", "log")
"""Panels that have use for any number of rows."""
LAST = ("acpi",)
"""What gives way to the others of its column."""


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
    aside: bool = False
    """A cell of a large screen holds the help of the focused panel."""
    mistake: bool = False
    """A row more under the prompt marks the mistake."""
    decoded: int = 1
    """Rows of the decode line: two while it also says what would happen."""
    beside: str = "apic"
    """The panel that was last shown on a page of the right column: it stays while the left one has the focus."""
    more: dict[str, int] = field(default_factory=lambda: {"irq": IRQ_ROWS})
    """Rows of tables that this session makes longer than they ask for, where there is room for them."""

    version: int = 0
    """Grows with each change."""

    def __setattr__(self, name: str, value: object) -> None:
        """Count the change, and remember what was shown on the right."""
        object.__setattr__(self, name, value)
        if name == "shown" and any(value in page for page in PAGES):
            object.__setattr__(self, "beside", value)
        if name != "version":
            object.__setattr__(self, "version", getattr(self, "version", 0) + 1)


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
    parts.update(_shown(body, view))
    return parts


def _shown(body: Region, view: View) -> dict[str, Region]:
    """The shown panel with what rides with it, and the log where there is room below."""
    group = GROUPS.get(view.shown, (view.shown,))
    parts = _stack(body, group, view.shown, more=view.more)
    if len(parts) < len(group) and view.shown != group[0]:  # the rider below, what is left to the other
        wanted = min(rows_of(view.shown, body.width), body.height)
        parts = {view.shown: Region(body.x, body.bottom - wanted, body.width, wanted)}
        parts[group[0]] = Region(body.x, body.y, body.width, max(0, body.height - wanted - 1))
    rest = _cut(body, _used(body, parts))[1]
    if rest.height >= LEAST_ROWS:
        parts["log"] = rest
    return parts


def _medium(body: Region, view: View) -> dict[str, Region]:
    if view.note:
        return _medium_lesson(body, view)
    spread = next((one for one in SPREADS if view.shown in one), None)
    if spread is not None:
        return _spread(body, spread, view)
    three = body.width >= 178
    if three:
        left_width = right_width = 64 if body.width >= 196 else 58
    else:
        left_width = 58 if body.width < 130 else 64 if body.width < 158 else 78
        right_width = body.width - left_width - 2
    left, right = _columns(body, left_width)
    right, third = _columns(right, right_width)
    page = next(page for page in PAGES if view.beside in page)
    if three:
        parts = {**_stack(left, LEFT, view.shown), **_page(right, page, view)}
        parts["log"] = third
        return parts
    most = body.height - STRIP_ROWS - 1
    first = ("pit", "port61")
    has_strip = most >= _wanted(first, left_width)
    if not has_strip:
        return {
            **_stack(left, LEFT, view.shown),
            **({"log": right} if view.shown == "log" else _page(right, page, view)),
        }
    upper = Region(body.x, body.y, body.width, most)
    left, right = _columns(upper, left_width)
    parts = _stack(left, LEFT, view.shown)
    drawn = _page(right, page, view)
    still = {name: region for name, region in drawn.items() if name not in OPEN}
    height = max(_used(upper, parts), _used(upper, still))
    if len(still) < len(drawn):
        right = Region(right.x, right.y, right.width, height)
        drawn = _page(right, page, view)
    parts.update(drawn)
    parts["log"] = _cut(body, height)[1]
    return parts


def _spread(body: Region, names: Sequence[str], view: View) -> dict[str, Region]:
    """Panels over the whole width, and the log where there is room below."""
    parts = _stack(body, [name for name in names if name in CLASSES], view.shown, more=view.more)
    rest = _cut(body, _used(body, parts))[1]
    return {**parts, "log": rest} if rest.height >= LEAST_ROWS else parts


def _medium_lesson(body: Region, view: View) -> dict[str, Region]:
    """A lesson's text on the left; on the right what it is about, and the waves."""
    left, right = _columns(body, min(46, body.width // 2 - 12))
    asked = view.shown if view.shown not in ("waves", "log") else "pit"
    group = GROUPS.get(asked, (asked,))
    parts = _stack(right, group if asked != group[0] else (asked,), asked, more=LESSON_ROWS)
    rest = _cut(right, _used(right, parts))[1]
    parts["note"] = left
    if rest.height >= 12:
        parts["waves"], parts["log"] = _cut(rest, rest.height - 1 - max(LEAST_ROWS, rest.height // 3))
    elif rest.height >= LEAST_ROWS:
        parts["log" if view.shown == "log" else "waves"] = rest
    elif view.shown in ("waves", "log"):
        return {"note": left, view.shown: right}
    return parts


def _page(region: Region, page: Sequence[str], view: View) -> dict[str, Region]:
    """A page of the right column: panels at a width that they are drawn for, the last ones at all of it."""
    more = {"irq": IRQ_ROWS} if region.height >= 2 * IRQ_ROWS else NOTHING
    return _stack(region, page, view.beside, fit=True, tight=True, more=more)


def _large(body: Region, view: View) -> dict[str, Region]:
    column = 78 if body.width >= 3 * 78 + 6 else 64
    first, rest = _columns(body, column, 3)
    second, third = _columns(rest, column, 3)
    most = body.height - LOWER_ROWS - 1
    if view.note:
        parts, log = {"note": _cut(first, most)[0]}, _cut(first, most)[1]
        columns = (second, third)
    else:
        parts, log = {}, third
        columns = (first, second)
    drawn: dict[str, Region] = {}
    for region, column_of in zip(columns, COLUMNS, strict=True):
        drawn.update(_stack(_cut(region, most)[0], column_of, view.shown, fit=True, tight=True, more={"irq": IRQ_ROWS}))
    height = _used(body, drawn)
    if view.note:
        parts["note"], log = _cut(first, height)
        lower = _cut(rest, height)[1]
    else:
        upper, log = _cut(third, height)
        names: tuple[str, ...] = THIRD
        if view.aside:
            names = (view.shown if view.shown in THIRD else "tsc", "aside")
        parts.update(_stack(upper, names, view.shown, fit=True, tight=True))
        lower = _cut(Region(first.x, body.y, 2 * column + 3, body.height), height)[1]
    parts.update(drawn)
    parts["waves"], parts["log"] = lower, log
    if not view.note and log.height > _height("mem", column, True) + LEAST_ROWS:
        memory, parts["log"] = _cut(log, _height("mem", column, True))
        parts["mem"] = Region(memory.x, memory.y, column, memory.height)
    if view.note and view.shown not in parts:  # a column of its own for what a lesson leaves out
        upper = _cut(third, height)[0]
        parts = {name: region for name, region in parts.items() if not upper.contains_region(region)}
        parts.update(
            _stack(upper, (*THIRD, "mem"), view.shown, tight=True, more={view.shown: LESSON_ROWS.get(view.shown, 0)})
        )
    return parts


def _inspecting(body: Region, view: View, kind: Shape) -> dict[str, Region]:
    """The inspector; on a large screen the panel it came from keeps a column."""
    if kind != "large" or view.zoomed:
        return {"inspector": body}
    column = 78 if body.width >= 3 * 78 + 6 else 64
    left, right = _columns(body, 2 * column + 3, 3)
    return {"inspector": left, **_shown(right, view)}


# columns and rows


def _height(name: str, width: int, tight: bool = False) -> int:
    """The rows that a panel wants at a width; 0 for as many as there are. `tight`: no more than at 64."""
    if name not in CLASSES or name in OPEN:
        return 0
    rows = rows_of(name, width)
    return min(rows, rows_of(name, WIDTHS[1])) if tight and width > WIDTHS[1] else rows


def _wanted(names: Iterable[str], width: int) -> int:
    """The rows of panels on each other, with a blank row between two."""
    return sum(_height(name, width) + 1 for name in names) - 1


def _used(region: Region, parts: Mapping[str, Region]) -> int:
    """How many of a region's rows the parts take."""
    return max((one.bottom - region.y for one in parts.values()), default=0)


def _stack(
    region: Region,
    names: Sequence[str],
    must: str,
    fit: bool = False,
    tight: bool = False,
    more: Mapping[str, int] = NOTHING,
) -> dict[str, Region]:
    """Panels of a column from its top, in their order: `must` before all, then those that fit, riders last.

    A panel without a height of its own takes what is left. With `fit`, the others are as wide as they are drawn for;
    `tight` keeps them short, `more` lets some have more rows than they ask for.
    """
    width = next((one for one in WIDTHS if one <= region.width), region.width) if fit else region.width
    heights = {name: _height(name, width, tight) for name in names}
    heights = {name: max(rows, more.get(name, 0)) if rows else 0 for name, rows in heights.items()}
    chosen: set[str] = set()
    left = region.height
    for name in sorted(names, key=lambda one: (one != must, one in LAST)):
        wanted = heights[name] or LEAST_ROWS
        if wanted > left and name in more:
            wanted = heights[name] = max(_height(name, width, tight), min(left, more[name]))
        if wanted <= left or not chosen:
            chosen.add(name)
            left -= wanted + 1
    parts: dict[str, Region] = {}
    at = region.y
    for name in names:
        if name in chosen:
            wanted = heights[name]
            is_open = not wanted
            if is_open:
                wanted = max(LEAST_ROWS, LEAST_ROWS + left + 1)
                left = -1
            wanted = min(wanted, region.bottom - at)
            parts[name] = Region(region.x, at, region.width if is_open else width, wanted)
            at += wanted + 1
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
