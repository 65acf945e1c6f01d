"""Every action of the screen in one table: its keys, its words, and the command that it issues.

Bindings, the key row, the help page and the palette all read `ACTIONS`; nothing else names a key.
An action that changes the session does it by a command, so that it stands in the log and in a saved session.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from textual.binding import Binding, BindingType

Place = Literal["panel", "anywhere", "prompt", "popup", "lesson", "help"]
"""Where an action's keys work: letters only while a panel has the focus."""


@dataclass(frozen=True, slots=True)
class Action:
    """One thing that a key does."""

    name: str
    """Identifier; the screen's method is `act_NAME` unless `command` is given."""
    keys: str
    """Textual's key names, separated by commas."""
    sign: str
    """The key as it is printed: `space`, `N`, `ctrl+o`."""
    hint: str
    """One or two words for the key row, verb first."""
    help: str
    """One line for the help page and the palette."""
    command: str = ""
    """The command that it issues, when it is always the same one."""
    place: Place = "panel"


ACTIONS: tuple[Action, ...] = (
    Action("run", "space", "space", "run", "run at the chosen rate, or pause"),
    Action("next", "n", "n", "next", "go to the next event of any line", "step"),
    Action("clock", "c", "c", "one clock", "go on by one clock of the panel's oscillator, the PIT's where it has none"),
    Action("skip_ms", "s", "s", "skip 1 ms", "skip a millisecond", "skip 1ms"),
    Action("skip_s", "S", "S", "skip 1 s", "skip a second", "skip 1s"),
    Action("back", "N", "N", "back", "undo one stop: go back to where the last command or step began", "back"),
    Action("goto", "g", "g", "go to", "go to a time or a log entry: type it at the prompt"),
    Action("slower", "less_than_sign", "<", "slower", "a tenth of the rate; below real time also 1pit/s"),
    Action("faster", "greater_than_sign", ">", "faster", "ten times the rate"),
    Action("to_end", "end", "end", "to the end", "from the past back to the end of the session"),
    Action("prompt", "colon", ":", "type", "type a command"),
    Action("panel_next", "tab", "tab", "panel", "the next panel"),
    Action("panel_previous", "shift+tab", "shift+tab", "previous panel", "the panel before"),
    Action("zoom", "z", "z", "zoom", "this panel alone, and back"),
    Action("filter", "slash", "/", "filter", "filter the log, choose the waves' lines; on a page of help, its rows"),
    Action("copy", "y", "y", "copy", "copy the row under the cursor, or the panel"),
    Action("out", "escape", "esc", "back out", "stop what is at work; leave the cursor, the filter or the zoom"),
    Action("help", "question_mark,f1", "?", "keys", "keys and help of the focused panel", place="panel"),
    Action("help_typed", "f1", "F1", "help", "help for what is being typed", place="prompt"),
    Action("jump", "ctrl+o", "ctrl+o", "jump", "jump to a panel by a letter", place="anywhere"),
    Action("palette", "ctrl+p", "ctrl+p", "palette", "everything that can be done, searchable", place="anywhere"),
    Action("theme", "ctrl+t", "ctrl+t", "theme", "dark, light, high contrast", place="anywhere"),
    Action("save_svg", "ctrl+s", "ctrl+s", "save screen", "save the screen as SVG", place="anywhere"),
    Action("suspend", "ctrl+z", "ctrl+z", "suspend", "back to the shell; `fg` returns", place="anywhere"),
    Action("quit", "ctrl+q", "ctrl+q", "quit", "leave timerlab", place="anywhere"),
    Action("leave", "q", "q", "quit", "leave timerlab", "quit"),
    Action("submit", "enter", "enter", "do it", "run the command", place="prompt"),
    Action("take", "tab", "tab", "take", "take the suggestion or the chosen completion", place="prompt"),
    Action("older", "up", "↑↓", "choose", "choose a completion, or an older and a newer command", place="prompt"),
    Action("newer", "down", "↓", "newer", "the next completion, or a newer command", place="prompt"),
    Action("history", "ctrl+r", "ctrl+r", "history", "all earlier commands that hold what is typed", place="prompt"),
    Action("clear", "ctrl+u", "ctrl+u", "clear", "clear the line up to the cursor", place="prompt"),
    Action("close", "escape", "esc", "close", "close the list; then back to the panels", place="prompt"),
    Action("note_next", "pagedown", "pgdn", "next", "on to the next note of the lesson", place="lesson"),
    Action("note_back", "pageup", "pgup", "back", "back to the note before", place="lesson"),
    Action("show_me", "f3", "F3", "show me", "run the lesson's next line", place="lesson"),
    Action("restart", "f4", "F4", "restart", "start the lesson again", place="lesson"),
    Action("notes", "f5", "F5", "notes", "show or hide the lesson's text", place="lesson"),
    Action("close_lesson", "f8", "F8", "free play", "leave the lesson; the session goes on", place="lesson"),
)

OSCILLATORS = {"pit": "PIT", "rtc": "RTC", "hpet": "HPET", "pm": "PM timer", "apic": "APIC bus", "tsc": "TSC"}
"""What the oscillators are called, by the names that times have for them."""

AHEAD = ("prompt", "filter")
"""Actions that act before the keys behind them are looked at, so that a command may be typed as fast as one can."""

BY_NAME: dict[str, Action] = {action.name: action for action in ACTIONS}


def actions(*places: Place) -> Iterator[Action]:
    """The actions that work at `places`, in the table's order."""
    return (action for action in ACTIONS if action.place in places)


def bindings(*places: Place) -> list[BindingType]:
    """Textual's bindings for the actions at `places`; all of them call `app.act(NAME)`."""
    return [
        Binding(action.keys, f"app.act('{action.name}')", action.help, show=False, priority=action.name in AHEAD)
        for action in actions(*places)
    ]
