"""The key row: at most six keys that work now; the last one, the way to help or out, is never dropped."""

from __future__ import annotations

from collections.abc import Sequence

from textual import events
from textual.widgets import Input

from timerlab.views.bar import Bar, Spans, joined
from timerlab.views.keys import BY_NAME, OSCILLATORS
from timerlab.views.rows import width_of

MOST = 6
"""Hints in the row."""

Hint = tuple[str, str]
"""The key as printed, and what it does."""


def hint(name: str, words: str = "") -> Hint:
    """The hint of an action of the table, with other words where they say more."""
    action = BY_NAME[name]
    return action.sign, words or action.hint


def panel_hints(wide: bool, running: bool, past: bool, busy: bool, lesson: bool, clock: str = "pit") -> list[Hint]:
    """The hints while a panel has the focus; `clock` is the oscillator that `c` goes on by."""
    if busy:
        return [hint("prompt"), hint("out", "stop it, nothing is lost")]
    if past:
        play = hint("run", "pause" if running else "play on")
        return [play, hint("next"), hint("back"), hint("goto"), hint("to_end"), _help(wide)]
    if lesson:
        return [
            hint("run", "pause" if running else "play"),
            hint("note_next", "next note"),
            hint("show_me"),
            hint("restart"),
            hint("close_lesson"),
            _help(wide),
        ]
    return [
        hint("run", "pause" if running else "run"),
        hint("next", "next event" if wide else "next"),
        hint("clock", f"{'one ' if wide else ''}{OSCILLATORS[clock]} clock"),
        hint("back"),
        ("enter", "inspect"),
        _help(wide),
    ]


def own_hints(hints: Sequence[Hint], wide: bool) -> list[Hint]:
    """A panel's own hints, and the way to help behind them where there is room."""
    return [*hints, _help(wide)] if len(hints) < MOST else list(hints)


def _help(wide: bool) -> Hint:
    return hint("help", "all keys" if wide else "keys")


def prompt_hints(verb: str, error: bool, taken: str, listed: bool, busy: bool) -> list[Hint]:
    """The hints while the prompt has the focus: nothing that is a letter."""
    if busy:
        return [hint("close", "stop it, nothing is lost")]
    aid = hint("help_typed", f"help {verb}".strip())
    if error:
        take = [hint("take", f"take {taken}")] if taken else []
        return [*take, hint("clear"), aid, hint("close", "panels")]
    row = [hint("submit"), hint("take"), hint("older"), hint("history")]
    return [*row, hint("close", "close" if listed else "panel"), aid]


def spans(hints: Sequence[Hint], width: int) -> Spans:
    """As many of `hints` as fit, the last one always among them."""
    return _row(fitting(hints, width))


def fitting(hints: Sequence[Hint], width: int) -> list[Hint]:
    """Those of `hints` that are shown in a row of `width` cells."""
    kept = [*hints[: MOST - 1], hints[-1]] if len(hints) > MOST else list(hints)
    while len(kept) > 1 and width_of(_row(kept)) > width:
        del kept[-3 if len(kept) > 2 and kept[-2][0] == "esc" else -2]
    return kept


def _row(hints: Sequence[Hint]) -> Spans:
    return joined([[(key, "interactive!"), (f" {words}", "label")] for key, words in hints], 3)


class Hints(Bar):
    """The row itself."""

    def show(self, hints: Sequence[Hint]) -> None:
        """Draw `hints`."""
        self.hints = list(hints)
        self.put([spans(hints, self.size.width)])

    def on_resize(self) -> None:
        """Draw again at the new width."""
        self.show(getattr(self, "hints", []) or [("?", "keys")])

    async def on_click(self, event: events.Click) -> None:
        """A click on a hint presses its key."""
        at = 0
        typing = isinstance(self.screen.focused, Input)
        for key, words in fitting(self.hints, self.size.width):
            end = at + len(key) + len(words) + 1
            if at <= event.x < end:
                own = getattr(self.screen.focused, "HINT_ACTIONS", {})
                if key in own and self.screen.focused is not None:
                    await self.screen.focused.run_action(own[key])
                    return
                for action in BY_NAME.values():
                    if action.sign == key and typing == (action.place == "prompt"):
                        await self.run_action(f"app.act('{action.name}')")
                        return
            at = end + 3
