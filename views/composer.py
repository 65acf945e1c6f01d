"""What happens while one types: completion, history, decoding, mistakes, and the filter that `/` opens.

The line, the list and the decode row know nothing of each other; this is where they meet.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from timerlab.errors import CommandError
from timerlab.text import plural
from timerlab.views.decoding import Decoding, error_spans, folded, result_spans, sentences
from timerlab.views.hints import Hint, prompt_hints
from timerlab.views.history import History
from timerlab.views.layout import View
from timerlab.views.popup import Popup, choices
from timerlab.views.prompt import Line, Prompt
from timerlab.views.rows import Row, Span

FIRST = "outb 43h 34h"
"""What is suggested to somebody who has never typed a command."""


class Composer:
    """The state of the prompt."""

    def __init__(self, view: View, history: History, relayout: Callable[[], None]) -> None:
        self.view = view
        self.history = history
        self.relayout = relayout
        self.session: Any = None
        self.line = Line(history, id="line")
        self.prompt = Prompt(id="prompt")
        self.popup = Popup(id="popup")
        self.decoding = Decoding(id="decoding")
        self.error: CommandError | None = None
        self.usage = ""
        self.last: Row = ()
        """What the unfocused decode row says: the last result."""
        self.progress: Row = ()
        """What it says while a job is under way."""
        self.filtering: Any = None
        """The panel that the line filters, instead of being a command."""
        self.notice: tuple[str, Row] = ("", ())
        """What has to be said while the line holds this text: how much a paste left out."""
        self._verbs: frozenset[str] = frozenset()
        self._refused: tuple[str, CommandError] | None = None
        """A line that could not be carried out, and why: that stands until the line is another."""
        self._look: object = None
        """What the prompt's line showed when it was drawn last."""
        self._quiet = ""
        self._decoded: list[Row] = []
        self.line.moved = self.refresh

    # what was typed

    @property
    def typing(self) -> bool:
        """Whether the line has the focus."""
        return self.line.has_focus

    def changed(self) -> None:
        """The line's text is another: decode it, list what can come next."""
        line, text = self.line, self.line.value
        if self.filtering is not None:
            self.filtering.filter = text
            self.filtering.draw()
            return
        chosen = text == self._quiet
        self._quiet = ""
        self._decode(text)
        if not chosen:
            line.recalled = None
            if self.typing and text.strip():
                self._list(text)
            else:
                self.popup.close()
        self.refresh()

    def _decode(self, text: str) -> None:
        self.error, self.usage, self._decoded = None, "", []
        self.line.mistake = None
        if not text.strip():
            return
        if self._refused is not None and self._refused[0] == text:
            self._wrong(self._refused[1])
            return
        try:
            decode = self.session.decode(text)
        except CommandError as error:
            self._wrong(error)
            return
        self.usage = decode.usage
        if decode.error is not None:
            self._wrong(decode.error, typing=True)
            return
        self._decoded = [tuple(row) for row in (decode.value, decode.then) if row]

    def _wrong(self, error: CommandError, typing: bool = False) -> None:
        """Keep an error; one at the end of what is still being typed is not a mistake yet."""
        text = self.line.value
        column = max(1, error.column)
        if typing and column > len(text.rstrip()):
            return
        if typing and column - 1 + error.length >= len(text) and self._may_go_on(text):
            return
        self.error = error
        self.line.mistake = (min(column - 1, len(text)), error.length)

    def _may_go_on(self, text: str) -> bool:
        """Whether what is typed is the beginning of something: then it is not wrong, only unfinished."""
        return any(one.text.startswith(text) and one.text.rstrip() != text for one in self.session.complete(text))

    def _list(self, text: str) -> None:
        earlier = [(line, self.history.age(line)) for line in self.history.newest(text)]
        completions = [(one.text, one.help) for one in self.session.complete(text)]
        listed = choices(earlier, completions)
        if [choice.text.strip() for choice in listed] == [text.strip()] and not listed[0].earlier:
            listed = []
        self.popup.open(self.usage or "commands", listed)

    def show_error(self, error: CommandError) -> None:
        """An error that came with Enter: it stands even at the end of the line."""
        self.popup.close()
        self._decoded = []
        self._refused = self.line.value, error
        self._wrong(error)
        self.refresh()

    @property
    def verb(self) -> str:
        """The first word on the line."""
        return (self.line.value.split() or [""])[0]

    # what the keys do

    def older(self) -> None:
        """Up: the choice before, else an older command."""
        self._choose(-1) if self.popup.is_open else self._walk(self.line.older)

    def newer(self) -> None:
        """Down: the next choice, else a newer command."""
        self._choose(1) if self.popup.is_open else self._walk(self.line.newer)

    def _choose(self, step: int) -> None:
        if self.popup.at < 0:
            self.line.draft = self.line.value
        choice = self.popup.move(step)
        self._set(choice.text)

    def _walk(self, move: Callable[[], None]) -> None:
        before = self.line.value
        move()
        if self.line.value != before:
            self._quiet = self.line.value

    def _set(self, text: str) -> None:
        if text != self.line.value:
            self._quiet = text
            self.line.set_line(text)

    def take(self) -> None:
        """Tab: the chosen line, the replacement of a mistake, or the suggestion."""
        if self.popup.is_open and self.popup.chosen is not None:
            text = self.popup.chosen.text
            self.popup.close()
            self.line.set_line(text)
            if text == self.line.value:
                self.changed()
        elif self.error is not None and self.error.suggestion and self.line.mistake is not None:
            start, size = self.line.mistake
            text = self.line.value
            self.line.set_line(text[:start] + self.error.suggestion + text[start + size :])
        elif self.line.suggestion:
            self.line.set_line(self.line.suggestion)

    def list_history(self) -> None:
        """ctrl+r: every earlier command that holds what is typed."""
        earlier = [(line, self.history.age(line)) for line in self.history.holding(self.line.value.strip())]
        self.popup.open("history", choices(earlier, (), len(earlier)))

    def close(self) -> bool:
        """Esc: close the list and give back what was typed; whether there was one."""
        if not self.popup.is_open:
            return False
        chosen = self.popup.at >= 0
        self.popup.close()
        if chosen:
            self._set(self.line.draft)
        self.refresh()
        return True

    # the filter

    def begin_filter(self, panel: Any) -> None:
        """Let the line filter a panel."""
        self.filtering = panel
        self.line.commands = False
        self.popup.close()
        self.line.set_line(str(panel.filter or ""))
        self.line.placeholder = "filter"

    def end_filter(self, keep: bool) -> None:
        """The line takes commands again."""
        panel, self.filtering = self.filtering, None
        if panel is not None:
            if not keep:
                panel.filter = ""
                panel.draw()
            self.line.set_line("")
        self.line.commands = True
        self.suggest()

    # what is seen

    def suggest(self) -> None:
        """The last command stands faint on an empty line."""
        self.line.placeholder = next(iter(self.history.newest()), FIRST)

    def say(self, spans: Iterable[Span]) -> None:
        """What stands behind `last` while the line has not the focus."""
        self.last = tuple(spans)
        self.refresh()

    def say_result(self, result: Any) -> None:
        """The last result, in one line."""
        self.say(result_spans(result.text, result.fault, result.ok))

    def rows(self) -> list[Row]:
        """The decode row, or two; a second one, while one types, for what is too long for one."""
        width = max(20, self.line.app.size.width - 4)
        if self.progress:
            return [self.progress]
        if self.filtering is not None:
            return [(("only rows that hold this text", "label"),)]
        if self.typing:
            if self.error is not None:
                return folded(error_spans(self.error.message, self.error.suggestion), width, 2)
            later = self._dropped() or (self.notice[1] if self.notice[0] == self.line.value else ())
            if later and self.line.value.strip():
                return [*(sentences(row, width) for row in self._decoded[:1]), later]
            if self._decoded:
                return [sentences(row, width) for row in self._decoded[:2]]
            if self.usage and self.line.value.strip():
                return [((self.usage, "label"),)]
        last = (("last  ", "label"), *self.last) if self.last else ()
        return folded(last, width, 6) if self.typing else [last]

    def _dropped(self) -> Row:
        """In the past: how much of the log a command typed here would replace."""
        session = self.session
        if session is None or not session.past:
            return ()
        later = len(session.log) - session.position
        return (("a command here replaces ", "past"), (plural(later, "later entry", "later entries"), "past"))

    def refresh(self) -> None:
        """Draw the prompt's parts."""
        rows = self.rows()
        shown = self.typing and self.filtering is None and not self.progress
        mistake = self.line.mistake if shown else None
        shape = (mistake is not None, len(rows))
        if shape != (self.view.mistake, self.view.decoded):
            self.view.mistake, self.view.decoded = shape
            self.relayout()
        self.prompt.filtering = self.filtering is not None
        past = bool(self.session is not None and self.session.past)
        self.prompt.show(self.typing, past, mistake, self.line.shift)
        self.decoding.say(rows)
        line = self.line
        look = (line.value, line.cursor_position, line.placeholder, line._suggestion, mistake, self.typing)
        if look != self._look:
            self._look = look
            line.refresh()

    def hints(self, busy: bool) -> list[Hint]:
        """The key row while one types."""
        if self.filtering is not None:
            return [("enter", "keep the filter"), ("ctrl+u", "clear"), ("esc", "show all")]
        suggestion = self.error.suggestion if self.error is not None else None
        if not self._verbs:
            self._verbs = frozenset(one.text.strip() for one in self.session.complete(""))
        verb = self.verb if self.verb in self._verbs else ""
        return prompt_hints(verb, self.error is not None, suggestion or "", self.popup.is_open, busy)
