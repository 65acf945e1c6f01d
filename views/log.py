"""The log: what was typed, what came of it and what the devices did meanwhile, newest at the bottom."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual import events
from textual.binding import Binding, BindingType

from timerlab.text import plural
from timerlab.views.frame import Frame
from timerlab.views.log_rows import Book, Place, rows
from timerlab.views.panel import Panel
from timerlab.views.rows import Row, plain

__all__ = ["LogPanel"]


class LogPanel(Panel):
    """The log, with a cursor of its own and a filter."""

    KEY = "l"
    NAME = "Log"
    TAB = "log"
    HINTS = (("enter", "go there"), ("[ ]", "entry"), ("/", "filter"), ("y", "copy"))
    HELP = """\
# Log

`›` a command, `=` its result, `!` a fault or a broken expectation, `■` one that was met, `·` an event of a line.
Many events alike are one row with their count.

| key | does |
|---|---|
| up, down | the cursor; past the last row it follows the newest again |
| `[` `]` | previous, next entry |
| `enter` | go to that event, or to where that entry had ended |
| `/` | show only rows that hold a text |
| `y` | copy the row, or all of the log's rows that are shown |
"""
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("left_square_bracket", "entry(-1)", "previous entry", show=False),
        Binding("right_square_bracket", "entry(1)", "next entry", show=False),
    ]

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self.book = Book()
        self.place: Place | None = None
        """The row under the log's cursor; None: it follows the newest."""
        self.bottom: Place | None = None
        """The lowest row that is seen; None: the newest."""

    @property
    def filter(self) -> str:
        """Only rows that hold this text are shown."""
        return self.book.filter

    @filter.setter
    def filter(self, text: str) -> None:
        """Show only rows that hold a text; all, if it is empty."""
        self.book.filter = text
        self.place = self.bottom = None
        self.draw()

    def head(self, frame: Frame) -> tuple[str, str]:
        """The filter, and how many entries there are."""
        all_of_them = plural(len(frame.log), "entry", "entries")
        if not self.filter:
            return "", all_of_them
        return f"with {self.filter}", f"{len(self.book.places(frame))} of {all_of_them}"

    def body(self, frame: Frame, width: int, height: int) -> list[Row]:
        """See `log_rows.rows`."""
        bottom = self.bottom
        if bottom is None and frame.past and frame.log:
            # what follows the place in the past stays in sight
            bottom = self.book.step(frame, (max(0, min(frame.position, len(frame.log)) - 1), 0), height // 2)
        return rows(frame, width, height, self.book, bottom, self.place if self.has_focus else None)

    def cells(self, row: int) -> Sequence[tuple[int, int]]:
        """The log has its own cursor."""
        return ()

    def on_click(self, event: events.Click) -> None:
        """Put the cursor on the row under the mouse."""
        shown = self._shown()
        if 0 < event.y <= len(shown):
            self.place = shown[event.y - 1]
            self.bottom = shown[-1]
            self.draw()

    def scroll_rows(self, rows: int) -> None:
        """Scroll; at the newest row the log follows again."""
        if self.frame is None:
            return
        newest = self.book.last(self.frame)
        shown = self._shown()
        if newest is None or not shown:
            return
        height = self.size.height - 1
        bottom = self.book.step(self.frame, shown[-1], rows)
        if rows < 0 and len(self.book.upto(self.frame, bottom, height)) < height:
            bottom = self._full(bottom, height)
        self.bottom = None if bottom >= newest else bottom
        self.draw()

    def action_move(self, rows: int, columns: int) -> None:
        """Move the cursor by rows; below the newest it leaves, and the log follows again."""
        shown = self._shown()
        if self.frame is None or not shown:
            return
        if self.place is None:
            self.place = shown[-1]
        else:
            target = self.book.step(self.frame, self.place, rows)
            if rows > 0 and target == self.place:
                self.place = self.bottom = None
                self.draw()
                return
            self.place = target
        self._keep(self.place)
        self.draw()

    def action_entry(self, direction: int) -> None:
        """Put the cursor on the previous or next entry."""
        if self.frame is None:
            return
        places = self.book.places(self.frame)
        if not places:
            return
        here = self.place[0] if self.place else places[-1] + 1
        found = [at for at in places if (at < here if direction < 0 else at > here)]
        if found:
            self.place = (found[-1] if direction < 0 else found[0], 0)
            self._keep(self.place)
            self.draw()

    def action_choose(self) -> None:
        """Ask the app to go to the event under the cursor, or to the end of the entry."""
        if self.frame is not None and self.place is not None:
            at, row = self.place
            lines = self.book.lines(self.frame, at)
            line = lines[min(row, len(lines) - 1)]
            place = f"{line.t_ns}ns" if line.event else f"#{self.frame.log[at].index}"
            self.post_message(self.Command(f"goto {place}"))

    def action_copy(self) -> None:
        """Copy the row under the cursor, or the rows that are shown."""
        if self.frame is None:
            return
        what, text = "panel", self.text()
        if self.place is not None:
            lines = self.book.lines(self.frame, self.place[0])
            what, text = "row", plain(lines[min(self.place[1], len(lines) - 1)].spans)
        self.app.copy_to_clipboard(text)
        self.post_message(self.Copied(what, text))

    def action_leave(self) -> None:
        """Take the cursor away, then the filter, and follow the newest row."""
        if self.place is None:
            self.book.filter = ""
        self.place = self.bottom = None
        self.draw()

    def _shown(self) -> list[Place]:
        """The places of the rows that are seen."""
        if self.frame is None:
            return []
        bottom = self.bottom or self.book.last(self.frame)
        return [at for at, _ in self.book.upto(self.frame, bottom, self.size.height - 1)] if bottom else []

    def _full(self, bottom: Place, height: int) -> Place:
        """The lowest row of the first full page, where there is no row above it."""
        if self.frame is None:
            return bottom
        return self.book.step(self.frame, self.book.step(self.frame, bottom, -(1 << 30)), height - 1)

    def _keep(self, place: Place) -> None:
        """Scroll so that a row can be seen."""
        shown = self._shown()
        if self.frame is None or not shown or shown[0] <= place <= shown[-1]:
            return
        height = self.size.height - 1
        self.bottom = place if place > shown[-1] else self.book.step(self.frame, place, height - 1)
