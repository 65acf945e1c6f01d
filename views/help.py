"""Help: the keys of what has the focus, then what it is; searchable, whole screen when that is small."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import ClassVar

from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen

from timerlab.views import prose
from timerlab.views.frame import Frame
from timerlab.views.hints import Hints
from timerlab.views.keys import OSCILLATORS, actions
from timerlab.views.panel import Panel
from timerlab.views.rows import Row, plain

KeyRow = tuple[str, str]
"""A key as printed, and what it does."""


def key_rows(own: Sequence[KeyRow], lesson: bool, clock: str = "pit") -> list[KeyRow]:
    """The keys that work at a panel: its own first, then those of the whole screen; `clock` is the one that `c` means
    there.
    """
    places = ("panel", "anywhere", "lesson") if lesson else ("panel", "anywhere")
    taken = {key for key, _ in own}
    here = {"clock": f"go on by one clock of the {OSCILLATORS[clock]}; other panels have clocks of their own"}
    rows = ((action.sign, here.get(action.name, action.help)) for action in actions(*places))
    return [*own, *(row for row in rows if row[0] not in taken)]


@lru_cache(8)
def page(keys: tuple[KeyRow, ...], markdown: str, width: int, search: str = "") -> list[Row]:
    """The help as rows, not to be changed; with `search`, only the rows that hold it."""
    rows: list[Row] = []
    for key, words in keys:
        lines = prose.rows(words, width - 12) or [()]
        for index, line in enumerate(lines):
            muted = tuple((text, "text") for text, _ in line)
            rows.append(((f"{key if not index else '':<12}", "interactive"), *muted))
    if keys and markdown:
        rows.append(())
    rows += prose.rows(markdown, width) if markdown else []
    if search:
        wanted = search.lower()
        rows = [row for row in rows if wanted in plain(row).lower()]
        rows = rows or [((f"nothing holds {search}", "label"),)]
    return rows


class HelpPanel(Panel):
    """A page of help as a panel; `/` searches in it."""

    KEY = "?"
    NAME = "Help"
    HELP = "Type `/` and a word to see only the rows that hold it; `esc` shows all again."
    HINTS = (("/", "search"), ("↑↓", "scroll"), ("esc", "close"))
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up", "roll(-1)", show=False),
        Binding("down", "roll(1)", show=False),
        Binding("pageup", "roll(-12)", show=False),
        Binding("pagedown", "roll(12)", show=False),
        Binding("home", "roll(-9999)", show=False),
        Binding("end", "roll(9999)", show=False),
        Binding("slash", "search", show=False),
    ]

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.part = ""
        self.keys: Sequence[KeyRow] = ()
        self.markdown = ""
        self.search = ""
        self.searching = False

    def tell(self, part: str, keys: Sequence[KeyRow], markdown: str) -> None:
        """Show another page, from its top."""
        if (part, keys, markdown) != (self.part, self.keys, self.markdown):
            self.part, self.keys, self.markdown = part, keys, markdown
            self.search, self.searching, self.first = "", False, 0
            self.draw()

    def head(self, frame: Frame) -> tuple[str, str]:
        """What it is about, and the search."""
        del frame
        found = f"/ {self.search}{'█' if self.searching else ''}" if self.search or self.searching else ""
        return self.part, found

    def body(self, frame: Frame, width: int, height: int) -> list[Row]:
        """The page."""
        del frame, height
        return list(page(tuple(self.keys), self.markdown, width, self.search))

    def cells(self, row: int) -> Sequence[tuple[int, int]]:
        """There is nothing to point at."""
        del row
        return ()

    def action_roll(self, rows: int) -> None:
        """Scroll."""
        self.scroll_rows(rows)

    def action_search(self) -> None:
        """Begin to search: what is typed now narrows the page."""
        self.searching = True
        self.draw()

    def leave_search(self) -> bool:
        """Show all rows again; whether there was a search."""
        was = self.searching or bool(self.search)
        self.search, self.searching, self.first = "", False, 0
        self.draw()
        return was

    def on_key(self, event: events.Key) -> None:
        """While searching, letters make up the word."""
        if not self.searching:
            return
        if event.key == "enter":
            self.searching = False
        elif event.key == "backspace":
            self.search = self.search[:-1]
        elif event.character is not None and event.is_printable:
            self.search += event.character
        else:
            return
        event.stop()
        event.prevent_default()
        self.first = 0
        self.draw()


class HelpScreen(ModalScreen[None]):
    """Help over the body; over everything where the screen is small."""

    CSS = """
    HelpScreen { background: $background; }
    HelpScreen > Vertical { background: $background; padding: 0 1; }
    HelpScreen > Vertical > Hints { height: 1; }
    HelpScreen.-over { background: transparent; }
    HelpScreen.-over > Vertical { margin-top: 2; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,question_mark,q,f1", "close", "close", show=False),
        Binding("ctrl+q", "app.act('quit')", "quit", show=False),
    ]

    def __init__(self, frame: Frame | None, part: str, keys: Sequence[KeyRow], markdown: str) -> None:
        super().__init__()
        self.frame = frame
        self.page = (part, keys, markdown)

    def compose(self) -> ComposeResult:
        """The page and its keys."""
        with Vertical():
            yield HelpPanel(id="help")
            yield Hints(id="help-keys")

    def on_mount(self) -> None:
        """Fill the page."""
        panel = self.query_one(HelpPanel)
        panel.tell(*self.page)
        if self.frame is not None:
            panel.see(self.frame)
        panel.focus()
        self.query_one(Hints).show(HelpPanel.HINTS)

    def on_resize(self) -> None:
        """Over the body from 120 columns on, the whole screen below."""
        self.set_class(self.size.width >= 120 and self.size.height >= 24, "-over")

    def action_close(self) -> None:
        """Leave the search first, then the help."""
        if not self.query_one(HelpPanel).leave_search():
            self.dismiss()


def own_help(panel: Panel | None) -> tuple[list[KeyRow], str]:
    """A panel's own keys as rows of the help, and the rest of its help: the table of keys is taken out of it."""
    if panel is None:
        return [], ""
    before, head, after = panel.HELP.partition("| key | does |\n|---|---|\n")
    if not head:
        return [], panel.HELP
    table, _, rest = after.partition("\n\n")
    cells = [line.strip("| ").split(" | ", 1) for line in table.splitlines()]
    return [(key.replace("`", ""), words) for key, words in cells], f"{before.rstrip()}\n\n{rest}".rstrip()
