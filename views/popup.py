"""The list above the prompt: earlier commands that match, then what can come next; 60 wide, at most 8 rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from textual import events

from timerlab.views.bar import Bar
from timerlab.views.rows import Row, Span, clip, numbers, pad, width_of

MOST = 8
"""Rows of the list that are seen at once."""
EARLIER = 3
"""Earlier commands that stand before the completions."""


@dataclass(frozen=True, slots=True)
class Choice:
    """One line of the list: the whole new line, and what it is."""

    text: str
    help: str
    earlier: bool = False


def choices(
    earlier: Sequence[tuple[str, str]], completions: Sequence[tuple[str, str]], most_earlier: int = EARLIER
) -> list[Choice]:
    """Earlier commands first, newest first, then completions that are not among them."""
    result = [Choice(text, f"history, {age}" if age else "history", True) for text, age in earlier[:most_earlier]]
    known = {choice.text.strip() for choice in result}
    result += [Choice(text, aid) for text, aid in completions if text.strip() not in known]
    return result


def frame(title: str, listed: Sequence[Choice], at: int, first: int, width: int) -> list[Row]:
    """The list with its border: title on top, keys at the bottom."""
    inner = width - 2
    head: tuple[Span, ...] = (
        ("╭─ ", "interactive"),
        *clip(((title or "commands", "label"),), inner - 4),
        (" ", "text"),
    )
    rows: list[Row] = [(*head, ("─" * (width - 1 - width_of(head)), "interactive"), ("╮", "interactive"))]
    seen = listed[first : first + MOST]
    longest = min(max((len(choice.text.rstrip()) for choice in seen), default=0), inner - 12)
    for index, choice in enumerate(seen, first):
        star = "*" if index == at else ""
        name = clip(numbers(choice.text.rstrip(), "strong"), inner - 3)
        gap = max(0, longest - width_of(name)) + 2
        spans = (("› " if choice.earlier else "  ", "interactive"), *name, (" " * gap, "text"), (choice.help, "label"))
        body = pad(clip(spans, inner), inner)
        rows.append((("│", "interactive"), *((text, role + star) for text, role in body), ("│", "interactive")))
    more = f"{at + 1} of {len(listed)}   " if len(listed) > MOST and at >= 0 else ""
    keys: tuple[Span, ...] = (
        (f" {more}", "label"),
        ("↑↓", "interactive"),
        (" choose   ", "label"),
        ("tab", "interactive"),
        (" takes   ", "label"),
        ("esc", "interactive"),
        (" closes ", "label"),
    )
    keys = keys if width_of(keys) < inner - 1 else ()
    line = "─" * (inner - 1 - width_of(keys))
    rows.append((("╰" + line, "interactive"), *keys, ("─╯", "interactive")))
    return rows


class Popup(Bar):
    """The list itself; the prompt moves in it, a click takes a row."""

    DEFAULT_CSS = """
    Popup { layer: above; height: auto; }
    """

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.title = ""
        self.listed: list[Choice] = []
        self.at = -1
        self.first = 0

    @property
    def height_wanted(self) -> int:
        """Rows that it takes with its border; 0 while it is closed."""
        return min(len(self.listed), MOST) + 2 if self.listed else 0

    @property
    def is_open(self) -> bool:
        """Whether there is anything to choose."""
        return bool(self.listed)

    def open(self, title: str, listed: Sequence[Choice]) -> None:
        """Show `listed`, nothing chosen yet."""
        before = self.height_wanted
        self.title, self.listed, self.at, self.first = title, list(listed), -1, 0
        self._draw(before)

    def close(self) -> None:
        """Take the list away."""
        if self.listed:
            self.open("", [])

    def move(self, step: int) -> Choice:
        """Choose the next or the previous row, around the ends."""
        count = len(self.listed)
        self.at = (self.at + step) % count if self.at >= 0 else (0 if step > 0 else count - 1)
        self.first = min(max(self.first, self.at - MOST + 1), self.at)
        self._draw(self.height_wanted)
        return self.listed[self.at]

    @property
    def chosen(self) -> Choice | None:
        """The chosen row; the first one while none is."""
        return self.listed[max(0, self.at)] if self.listed else None

    def _draw(self, before: int) -> None:
        self.display = bool(self.listed)
        width = max(20, min(60, self.screen.size.width - 2))
        self.put(frame(self.title, self.listed, max(0, self.at), self.first, width) if self.listed else [])
        if before != self.height_wanted:
            self.refresh(layout=True)

    def on_resize(self) -> None:
        """Draw again at the new width."""
        self._draw(self.height_wanted)

    def on_mouse_scroll_down(self) -> None:
        """The wheel moves the choice."""
        if self.listed:
            self.move(1)

    def on_mouse_scroll_up(self) -> None:
        """The wheel moves the choice back."""
        if self.listed:
            self.move(-1)

    async def on_click(self, event: events.Click) -> None:
        """A click on a row takes it."""
        at = event.y - 1 + self.first
        if 1 <= event.y < self.size.height - 1 and 0 <= at < len(self.listed):
            self.at = at
            await self.run_action("app.act('take')")
