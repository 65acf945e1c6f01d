"""The prompt: one line that is always there, its rule, its suggestion and the mark under a mistake.

`Prompt` draws the rule, the sign and the mark; `Line` lies on it and is what one types into. The line keeps what was
typed when the focus goes back to a panel.
"""

from __future__ import annotations

from collections.abc import Callable

from rich.text import Text
from textual import events
from textual.strip import Strip
from textual.suggester import Suggester
from textual.widgets import Input

from timerlab.views import keys
from timerlab.views.bar import Bar
from timerlab.views.decoding import underline
from timerlab.views.history import LONGEST, History
from timerlab.views.rows import ASCII, Row, numbers
from timerlab.views.theme import role_styles

_KEYS = {key: action.name for action in keys.actions("prompt") for key in action.keys.split(",")}


class Remembered(Suggester):
    """Suggests the newest command that begins with what is typed."""

    def __init__(self, history: History) -> None:
        super().__init__(use_cache=False, case_sensitive=True)
        self.history = history

    async def get_suggestion(self, value: str) -> str | None:
        """The whole suggested line, or None."""
        return self.history.suggestion(value) or None


class Line(Input):
    """What is typed: numbers strong, a mistake in red, the suggestion faint behind the cursor."""

    DEFAULT_CSS = """
    Line, Line:focus {
        background: $background; color: $foreground; border: none; padding: 0; height: 1; background-tint: transparent;
    }
    Line > .input--cursor { background: $primary; color: $background; text-style: none; }
    Line > .input--placeholder, Line > .input--suggestion { color: $tl-faint; text-style: none; }
    """

    def __init__(self, history: History, *, id: str | None = None) -> None:
        super().__init__(id=id, compact=True, suggester=Remembered(history), select_on_focus=False)
        self.cursor_blink = False
        self.highlighter = _Painter(self)  # type: ignore[assignment]
        self.history = history
        self.mistake: tuple[int, int] | None = None
        """Column (from 0) and length of the token that is wrong."""
        self.recalled: int | None = None
        """Place in the history while walking through it."""
        self.draft = ""
        """What was typed before the walk or the choice began."""
        self.commands = True
        """Whether a command is typed, and not a filter."""
        self.moved: Callable[[], None] = lambda: None
        """Called when the cursor may have scrolled the line under the mark of a mistake."""

    async def _on_key(self, event: events.Key) -> None:
        """The prompt's own keys act here and now: by a binding they would act after what is typed behind them."""
        if self.screen.focused is not self:
            # typed ahead, while the focus was already going elsewhere
            self.app.post_message(events.Key(event.key, event.character))
        elif event.key in _KEYS:
            act: Callable[[str], None] = self.app.act  # type: ignore[attr-defined]
            act(_KEYS[event.key])
        else:
            return
        event.stop()
        event.prevent_default()

    def validate_value(self, value: str) -> str:
        """One line without control characters, however it was pasted."""
        if not value.isprintable():
            value = "".join(c if c.isprintable() else " " for c in value)
        if self.commands:
            value = value.lstrip(": ")  # the sign that leads here, typed twice or pasted
        return value[:LONGEST]

    def watch_selection(self) -> None:
        """The cursor moved: the mark under a mistake follows the text."""
        if self.mistake is not None:
            self.call_after_refresh(self.moved)

    def set_line(self, text: str) -> None:
        """Replace the line, the cursor at its end."""
        self.value = text
        self.cursor_position = len(self.value)

    def older(self) -> None:
        """The command before, of those that begin with what was typed."""
        if self.recalled is None:
            self.draft = self.value
        self._recall((-1 if self.recalled is None else self.recalled) + 1)

    def newer(self) -> None:
        """The command after; past the newest, what was typed."""
        if self.recalled is not None:
            self._recall(self.recalled - 1)

    def _recall(self, at: int) -> None:
        lines = self.history.newest(self.draft)
        if at < 0:
            self.recalled = None
            self.set_line(self.draft)
        elif at < len(lines):
            self.recalled = at
            self.set_line(lines[at])

    @property
    def suggestion(self) -> str:
        """The line that `→` or `tab` takes, empty where there is none."""
        if not self.value:
            return self.placeholder
        return self._suggestion if len(self._suggestion) > len(self.value) else ""

    def action_cursor_right(self, select: bool = False) -> None:
        """On an empty line take the last command, else as usual."""
        if not self.value and self.placeholder and not select:
            self.set_line(self.placeholder)
        else:
            super().action_cursor_right(select)

    @property
    def shift(self) -> int:
        """Cells that are scrolled away at the left."""
        return self.scroll_offset.x

    def render_line(self, y: int) -> Strip:
        """The line; without the focus, the two keys that lead to it stand at its right end."""
        strip = super().render_line(y)
        width = self.size.width
        if self.has_focus or width < 40:
            return strip
        styles = role_styles(self.app.theme_variables)
        key, words = styles["interactive"], styles["label"]
        arrow = "   →".translate(ASCII) if getattr(self.app, "ascii", False) else "   →"
        tail = Text.assemble(("  :", key), (" type", words), (arrow, key), (" take", words), end="")
        ending = Strip(tail.render(self.app.console))
        return Strip.join([strip.adjust_cell_length(width - ending.cell_length), ending])

    def _on_paste(self, event: events.Paste) -> None:
        """Take the first line; the app says how many were left out."""
        lines = [line for line in event.text.splitlines() if line.strip()]
        if lines:
            self.replace(self.validate_value(lines[0]), *sorted(self.selection))
        if len(lines) > 1:
            left_out: Callable[[int], None] | None = getattr(self.app, "pasted_too_much", None)
            if left_out is not None:
                left_out(len(lines) - 1)
        event.prevent_default()
        event.stop()


class _Painter:
    """Gives the line's text its roles; Textual asks it for a highlighted copy."""

    def __init__(self, line: Line) -> None:
        self.line = line

    def __call__(self, text: Text) -> Text:
        """`text` with the verb plain, numbers strong and the mistake in red."""
        styles = role_styles(self.line.app.theme_variables)
        words = text.plain
        verb = len(words) - len(words.lstrip())
        verb += len(words[verb:].split(" ", 1)[0])
        at = 0
        for part, role in numbers(words, "strong"):
            start, at = at, at + len(part)
            if at > verb:
                text.stylize(styles[role], max(start, verb), at)
        if self.line.mistake is not None:
            start, size = self.line.mistake
            text.stylize(styles["fault"], start, start + size)
        return text


class Prompt(Bar):
    """The rule above the line, the sign before it, and the mark under a mistake."""

    DEFAULT_CSS = """
    Prompt { height: 2; }
    """

    typing = False
    past = False
    filtering = False
    mark: Row = ()

    def show(self, typing: bool, past: bool, mistake: tuple[int, int] | None, shift: int) -> None:
        """Draw: the rule heavy while typing, `◄` for `›` in the past, `└──┘` under a mistake."""
        self.typing, self.past = typing, past
        self.mark = ((" " * 3, "text"), *underline(mistake[0] + 1, mistake[1], shift)) if mistake else ()
        self._draw()

    def _draw(self) -> None:
        width, height = self.size
        line = ("━" * (width - 2), "interactive") if self.typing else ("─" * (width - 2), "rule")
        rule: Row = ((" ", "text"), line)
        role = "past" if self.past else "interactive" if self.typing else "label"
        sign: Row = ((" ", "text"), ("/" if self.filtering else "◄" if self.past else "›", role))
        self.put([rule, sign, self.mark] if height > 1 else [sign])

    def on_resize(self) -> None:
        """Draw again at the new width."""
        self._draw()

    def on_click(self) -> None:
        """A click anywhere on it begins to type."""
        self.screen.set_focus(self.screen.query_one(Line))
