"""The one text format, `*.timerlab`: presets, lessons and saved sessions.

A head of `#: key = value` lines, then one command a line; `@<ns>` before a command lets time pass to that moment
first, and stands alone where nothing follows. The head is the only place for the profile and the options; `KEYS`
lists what it may say.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from timerlab.command import Command
from timerlab.commands import parse
from timerlab.commands.script import Load, ReplayTrace
from timerlab.commands.time import Run
from timerlab.commands.verb import Words
from timerlab.errors import CommandError, ScriptError
from timerlab.places import trace_path
from timerlab.units import parse_hz

CLOCK_KEYS = ("pit_hz", "tsc_khz", "apic_bus_hz")
WHOLE_KEYS = ("vcpus", "pcpus", "hpet_period_fs", "hpet_timers")
OPTION_KEYS = ("profile", "quirks", *CLOCK_KEYS, *WHOLE_KEYS, "guest", "start")
KEYS = ("timerlab", *OPTION_KEYS, "title", "chapter", "about", "lesson", "panel", "rate")
"""What a head may say: the version that wrote it, the session's options, and what a lesson needs;
`panel` is the part of the screen that it opens with, such as `rtc`."""

_HEAD = re.compile(r"#:\s*(?P<key>[a-z_]+)\s*=\s*(?P<value>.*?)\s*$")
_AT = re.compile(r"(?P<indent>\s*)@(?P<ns>[0-9]+)(?=\s|$)")
MAX_NS = 10**22


@dataclass(frozen=True, slots=True)
class Line:
    """A line that does something: its number, the moment to wait for (or None), the command (or None), and the text."""

    number: int
    at_ns: int | None
    action: Command | None
    text: str


def head_options(head: Mapping[str, str]) -> dict[str, object]:
    """The head's options, typed."""
    options: dict[str, object] = {}
    for key in OPTION_KEYS:
        if key not in head:
            continue
        value = head[key]
        if key == "quirks":
            pairs = [pair.partition("=") for pair in value.replace(",", " ").split()]
            for name, equals, _ in pairs:
                if not equals:
                    raise ValueError(f"quirks = {name}: write NAME=VALUE, such as odd_mode3=harris")
            options[key] = {name: chosen for name, _, chosen in pairs}
        elif key in CLOCK_KEYS:
            options[key] = parse_hz(value)
        elif key in WHOLE_KEYS:
            if not (value.isascii() and value.isdigit() and len(value) < 10):
                raise ValueError(f"{key} = {value} is not a number")
            options[key] = int(value)
        else:
            options[key] = value
    return options


class Head(dict[str, str]):
    """What a head says; `places` tells the line, column and length of each value."""

    def __init__(self) -> None:
        super().__init__()
        self.places: dict[str, tuple[int, int, int]] = {}


def read_head(text: str, name: str) -> Head:
    """The head of a script; ScriptError for a key that there is not."""
    head = Head()
    for number, line in enumerate(text.splitlines(), 1):
        if not line.startswith("#:"):
            continue
        match = _HEAD.match(line)
        if match is None:
            raise ScriptError(name, CommandError("a head line is `#: key = value`", 1, line=number, length=len(line)))
        if match["key"] not in KEYS:
            message = f"no key {match['key']}: {', '.join(KEYS)}"
            raise ScriptError(
                name, CommandError(message, match.start("key") + 1, line=number, length=len(match["key"]))
            )
        head[match["key"]] = match["value"]
        head.places[match["key"]] = number, match.start("value") + 1, len(match["value"])
    return head


def _check_in_script(action: Command, text: str, column: int, folder: str) -> None:
    """CommandError for what makes sense at a prompt only, and for a trace that is not there."""
    column += len(text) - len(text.lstrip())
    if isinstance(action, Run) and action.span is None:
        raise CommandError(
            "run without a time needs a screen to pace it: write run TIME or skip TIME", column, length=3
        )
    if isinstance(action, Load):
        raise CommandError("load cannot stand in a script: it would put another one in its place", column, length=4)
    if isinstance(action, ReplayTrace):
        try:
            trace_path(action.path, folder)
        except CommandError as error:
            raise CommandError(error.message, action.column, length=error.length) from None


def read_lines(text: str, name: str, words: Words, folder: str = "") -> list[Line]:
    """All commands of a script, parsed; ScriptError at the first that cannot be read. Traces are looked for in `folder`
    first.
    """
    lines: list[Line] = []
    last = 0
    for number, raw in enumerate(text.splitlines(), 1):
        if raw.startswith("#"):
            continue
        at_ns, rest, column = None, raw, 1
        try:
            match = _AT.match(raw)
            if match is not None:
                digits = match["ns"].lstrip("0") or "0"
                if len(digits) > len(str(MAX_NS)) or int(digits) > MAX_NS:
                    raise CommandError(
                        f"@{digits[:24]} ns is too late a moment", match.start("ns"), length=len(match["ns"]) + 1
                    )
                at_ns = int(digits)
                if at_ns < last:
                    raise CommandError(
                        f"@{at_ns} is before @{last} of a line above", match.start("ns"), length=len(match["ns"]) + 1
                    )
                last = at_ns
                rest, column = raw[match.end() :], match.end() + 1
            elif raw.lstrip().startswith("@"):
                raise CommandError("@ wants a moment in ns after it: @1500", raw.index("@") + 1)
            action = parse(rest, words, column)
            if action is not None:
                _check_in_script(action, rest, column, folder)
        except CommandError as error:
            error.line = number
            raise ScriptError(name, error) from None
        if action is not None or at_ns is not None:
            lines.append(Line(number, at_ns, action, rest.strip()))
    return lines
