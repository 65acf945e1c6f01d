"""The base of every panel: a title rule over rows of text, drawn on Textual's line API.

A panel has one job, a pure function from a `Frame` to rows. This class keeps the rows of the last frame, compares, and
asks for the lines that differ to be drawn again; styles are resolved once for a theme and strips are built once for a
row.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import ClassVar

from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.binding import Binding, BindingType
from textual.filter import ANSIToTruecolor
from textual.geometry import Region
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget

from timerlab.views import theme
from timerlab.views.bar import safe
from timerlab.views.frame import Frame
from timerlab.views.rows import ASCII, Row, highlight, pad, plain, put, rule

__all__ = ["Panel"]

_FOREIGN = re.compile("[\x00-\x1f\x7f-\x9f\u0300-\u036f\u1100-\u1fff\u200b-\u200f\u2028-\u202e\u2e80-\U0010ffff]")
"""What is not one cell wide, or not to be printed at all; no sign of the design is among it."""


class Panel(Widget, can_focus=True):
    """A panel: the app calls `see` with each frame, the panel draws what changed.

    A subclass names itself with the class variables, and gives `body` and perhaps `head`. `size.width` is the panel's
    width (58, 64 or 78; waves and log also wider), without the screen's margins.
    """

    KEY: ClassVar[str] = ""
    """The key that shows and focuses it, as the title rule says: `1`."""
    NAME: ClassVar[str] = ""
    """Its name in the title rule: `PIT`."""
    TAB: ClassVar[str] = ""
    """Its name among the tabs: `pit`."""
    HELP: ClassVar[str] = ""
    """Markdown for `?`: what it shows and its own keys."""
    HINTS: ClassVar[Sequence[tuple[str, str]]] = ()
    """Key hints of its own for the last row: `(("a b", "cursors"), …)`; empty for the common ones."""
    HINT_ACTIONS: ClassVar[Mapping[str, str]] = {"enter": "choose"}
    """The actions of keys in the key row that are the panel's own, for a click on them."""
    TOPIC: ClassVar[str] = ""
    """The prefixes, by blanks, of the values whose marks count for its tab: `pit.`."""

    CLOCK: ClassVar[str] = ""
    """The oscillator that `c` goes on by one clock of, as times name it: `rtc` for `skip 1rtc`; empty where no
    oscillator is shown."""

    ALLOW_SELECT = False
    DEFAULT_CSS = "Panel { width: 1fr; height: 1fr; background: $background; }"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up", "move(-1,0)", "row up", show=False),
        Binding("down", "move(1,0)", "row down", show=False),
        Binding("left", "move(0,-1)", "value left", show=False),
        Binding("right", "move(0,1)", "value right", show=False),
        Binding("enter", "choose", "inspect", show=False),
        Binding("y", "copy", "copy", show=False),
    ]

    class Command(Message):
        """Asks the app to run a command, as if it had been typed."""

        def __init__(self, text: str) -> None:
            super().__init__()
            self.text = text

    class Inspect(Message):
        """Asks the app to show what is under the cursor: `name` is a value's name, `text` its row."""

        def __init__(self, panel: Panel, name: str, text: str) -> None:
            super().__init__()
            self.panel = panel
            self.name = name
            self.text = text

    class Copied(Message):
        """Says what went to the clipboard: `what` is value, row or panel."""

        def __init__(self, what: str, text: str) -> None:
            super().__init__()
            self.what = what
            self.text = text

    class Hinted(Message):
        """Says that the key hints of this panel changed."""

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self.frame: Frame | None = None
        """The frame that is drawn."""
        self.cursor: tuple[int, int] | None = None
        """The row (0 is the first under the title) and the value in it that the cursor stands on."""
        self.first = 0
        """The first row that is drawn under the title, where not all fit."""
        self._rows: list[Row] = []
        self._strips: list[Strip | None] = []
        self._styles: dict[str, Style] = {}
        self._total = 0
        self._width = 0
        self._ascii = False

    # what a subclass gives

    def head(self, frame: Frame) -> tuple[str, str]:
        """The title rule's part after the name and its value at the right end."""
        return "", ""

    def body(self, frame: Frame, width: int, height: int) -> list[Row]:
        """The rows under the title for this width; `height` is what is to be seen at once."""
        return []

    def cells(self, row: int) -> Sequence[tuple[int, int]]:
        """The first cell and the width of each value in a row that the cursor can stand on."""
        return ((11, self.size.width - 11),)

    def value_name(self, row: int, column: int) -> str:
        """The name of the value at the cursor, as `show` takes it; empty where there is none."""
        return ""

    @classmethod
    def rows_at(cls, width: int) -> int:
        """How many rows, the title's included, the panel wants at a width; 0: as many as there are."""
        return 0

    @property
    def clock(self) -> str:
        """The oscillator of what is shown, as times name it; empty where it is none's."""
        return self.CLOCK

    # what the app calls

    def owns_hints(self, special: bool) -> bool:
        """Whether its own hints are shown; `special`: the past or a lesson has hints of its own."""
        return bool(self.HINTS) and not special

    @classmethod
    def is_marked(cls, frame: Frame) -> bool:
        """Whether one of its values carries a mark; a hidden panel's tab then shows it."""
        topics = tuple(cls.TOPIC.split())
        return bool(topics) and any(name.startswith(topics) for name in frame.marks)

    @classmethod
    def owns(cls, name: str) -> bool:
        """Whether a value or a register of this name is one of its topics."""
        return bool(cls.TOPIC) and f"{name}.".startswith(tuple(cls.TOPIC.split()))

    def see(self, frame: Frame) -> None:
        """Draw a frame; nothing happens for the frame that is drawn already."""
        if frame is not self.frame:
            self.frame = frame
            self.draw()

    def draw(self) -> None:
        """Bring the rows up to date and have the lines drawn that differ."""
        width, height = self.size
        self._width = width
        if self.frame is None or not width or not height or not self.is_attached:
            return
        body = self.body(self.frame, width, height - 1)
        self._total = len(body)
        self._keep_in_view(height - 1)
        rows = [self._title(self.frame, width), *body[self.first : self.first + height - 1]]
        if self.cursor and self.has_focus and 0 <= self.cursor[0] - self.first < len(rows) - 1:
            at = self.cursor[0] - self.first + 1
            rows[at] = self.point(rows[at], self.cursor[0], self.cursor[1])
        rows += [()] * (height - len(rows))
        if len(self._rows) != height or self._ascii != self.frame.ascii:
            self._ascii = self.frame.ascii
            self._rows, self._strips = rows, [None] * height
            self.refresh()
            return
        start = -1
        for y in range(height + 1):
            differs = y < height and rows[y] != self._rows[y]
            if differs:
                self._strips[y] = None
                start = y if start < 0 else start
            elif start >= 0:
                self.refresh(Region(0, start, width, y - start))
                start = -1
        self._rows = rows

    def point(self, row: Row, at: int, column: int) -> Row:
        """A row with the cursor on one of its values."""
        cells = self.cells(at)
        if not cells:
            return row
        start, width = cells[min(column, len(cells) - 1)]
        marked = highlight(pad(row, self.size.width), start, start + width)
        return put(marked, start - 1, [("▌", "interactive")]) if start else marked

    def text(self) -> str:
        """The whole panel as plain text, rows that are scrolled away included."""
        if self.frame is None:
            return ""
        width = self.size.width
        rows = [self._title(self.frame, width), *self.body(self.frame, width, max(self._total, self.size.height - 1))]
        return "\n".join(plain(row) for row in rows)

    # Textual's side

    def render_line(self, y: int) -> Strip:
        """The strip of a line, built when it is first asked for."""
        if y >= len(self._strips):
            return Strip.blank(self.size.width, self._style("text"))
        strip = self._strips[y]
        if strip is None:
            strip = self._strips[y] = self._strip(self._rows[y])
        return strip

    def render_lines(self, crop: Region) -> list[Strip]:
        """The strips of some lines, past Textual's style cache: a panel has no border, padding or opacity to add."""
        strips = [self.render_line(y) for y in crop.line_range]
        for line_filter in self.get_line_filters():
            if not isinstance(line_filter, ANSIToTruecolor):  # the roles of a theme of true colours are true colours
                ground = self.background_colors[1]
                strips = [strip.apply_filter(line_filter, ground) for strip in strips]
        if crop.column_span != (0, self._width):
            strips = [strip.crop(*crop.column_span) for strip in strips]
        return strips

    def notify_style_update(self) -> None:
        """Forget the styles of the theme that was."""
        super().notify_style_update()
        self._styles = {}
        self._strips = [None] * len(self._strips)

    def on_resize(self) -> None:
        """Lay the rows out for the new size."""
        self._rows = []
        self.draw()

    def on_focus(self) -> None:
        """Make the title rule heavy."""
        self.draw()

    def on_blur(self) -> None:
        """Make the title rule light again."""
        self.draw()

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        """Scroll, where not all rows fit."""
        event.stop()
        self.scroll_rows(3)

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        """Scroll back."""
        event.stop()
        self.scroll_rows(-3)

    def on_click(self, event: events.Click) -> None:
        """Put the cursor where the mouse is."""
        at = event.y - 1 + self.first
        if event.y < 1 or at >= self._total:
            return
        cells = self.cells(at)
        column = max((c for c, (start, _) in enumerate(cells) if start <= event.x), default=0)
        self.cursor = (at, column) if cells else None
        self.draw()

    # what the keys do

    def scroll_rows(self, rows: int) -> None:
        """Scroll by some rows; the cursor stays where it can be seen."""
        seen = self.size.height - 1
        self.first = max(0, min(self.first + rows, self._total - seen))
        if self.cursor:
            row = max(self.first, min(self.cursor[0], self.first + seen - 1))
            self.cursor = (row, self.cursor[1])
        self.draw()

    def action_move(self, rows: int, columns: int) -> None:
        """Move the cursor; the first press only shows it."""
        if not self._total:
            return
        if self.cursor is None:
            self.cursor = (self.first, 0)
            while not self.cells(self.cursor[0]) and self.cursor[0] < self._total - 1:
                self.cursor = (self.cursor[0] + 1, 0)
        else:
            row, column = self.cursor
            target = row + rows
            while rows and 0 <= target < self._total and not self.cells(target):
                target += rows
            if 0 <= target < self._total:
                row = target
            column = max(0, min(column + columns, len(self.cells(row)) - 1))
            self.cursor = (row, column)
        self.draw()

    def action_choose(self) -> None:
        """Ask for the inspector of the value at the cursor."""
        if self.cursor is None:
            self.action_move(0, 0)
        else:
            self.post_message(self.Inspect(self, self.value_name(*self.cursor), self._row_text(self.cursor[0])))

    def action_copy(self) -> None:
        """Copy the row at the cursor, or the whole panel where there is no cursor."""
        what, text = ("row", self._row_text(self.cursor[0])) if self.cursor else ("panel", self.text())
        self.app.copy_to_clipboard(text)
        self.post_message(self.Copied(what, text))

    def action_leave(self) -> None:
        """Take the cursor away."""
        self.cursor = None
        self.draw()

    # inside

    def _row_text(self, row: int) -> str:
        """One row as plain text."""
        lines = self.text().split("\n")
        return lines[row + 1] if row + 1 < len(lines) else ""

    def _title(self, frame: Frame, width: int) -> Row:
        """The title rule; it counts the rows that lie below what fits."""
        part, value = self.head(frame)
        below = self._total - self.first - (self.size.height - 1)
        if below > 0:
            value = f"{value}  ↓ {below}".strip()
        return rule(self.KEY, self.NAME, part, value, width, self.has_focus)

    def _keep_in_view(self, seen: int) -> None:
        """Scroll so that the cursor can be seen, and no further than the last row."""
        if self.cursor:
            row = min(self.cursor[0], max(0, self._total - 1))
            self.cursor = (row, self.cursor[1])
            self.first = min(max(self.first, row - seen + 1), row)
        self.first = max(0, min(self.first, self._total - seen))

    def _style(self, role: str) -> Style:
        """The style of a role in the theme of now."""
        if not self._styles:
            self._styles = theme.role_styles(self.app.theme_variables)
        return self._styles[role]

    def _strip(self, row: Row) -> Strip:
        """A row as a strip of exactly the panel's width."""
        width = self._width
        row = pad(row, width)
        if self.frame is not None and self.frame.ascii:
            row = tuple((text.translate(ASCII), role) for text, role in row)
        line = "".join([text for text, _ in row])
        if _FOREIGN.search(line):  # a note or a file's text: wide, or meant for the terminal
            foreign = [Segment(safe(text), self._style(role)) for text, role in row]
            return Strip(foreign).adjust_cell_length(width, self._style("text"))
        if not self._styles:
            self._styles = theme.role_styles(self.app.theme_variables)
        styles = self._styles
        return Strip([Segment(text, styles[role]) for text, role in row], len(line))
