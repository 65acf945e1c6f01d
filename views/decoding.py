"""The line under the prompt: what the command being typed means, what it would do now, or what the last one did."""

from __future__ import annotations

import re
from collections.abc import Iterable

from timerlab.views.bar import Bar, Spans
from timerlab.views.rows import Row, Span, clip, cut, numbers, width_of

_EFFECT = re.compile(r"(= )(−?[0-9][0-9 ]*|[0-9A-F]+h)(?![\w.])")

_LONG = re.compile(r"\b[0-9A-Fa-f]{32,}h?\b")
"""A number that leaves no room to say what is wrong with it."""
_WRONG = re.compile(r"(?:(?!, |: |; |  ).)+")
_ADVICE = re.compile(r"(?:Did you mean |  try )(.+?)(?: \?|$)")


def result_spans(text: str, fault: str | None = None, ok: bool = True) -> Spans:
    """A result in one line: the value after `=` strong, a fault or a broken expectation behind its `!`."""
    text = " ".join(text.split("\n", 1)[0].split(" "))
    if fault:
        head = fault if text.startswith(fault) else ""
        return [
            ("! ", "fault"),
            (head or fault, "fault"),
            ("  " if not head else "", "text"),
            *numbers(text[len(head) :]),
        ]
    if not ok:
        return [("! ", "fault"), *numbers(text)]
    found = _EFFECT.search(text)
    if found is None:
        return list(numbers(text))
    return [*numbers(text[: found.start(2)]), *numbers(found[2], "strong"), *numbers(text[found.end() :])]


def error_spans(message: str, suggestion: str | None) -> Spans:
    """A command error: what is wrong in red, the range and the advice plain, what to type instead as a command."""
    message = _LONG.sub(lambda number: f"{number[0][:8]}…{number[0][-8:]}", message)
    found = _WRONG.match(message)
    wrong = found[0] if found else message
    spans: Spans = [("! ", "fault"), (wrong, "fault")]
    at = len(wrong)
    for advice in _ADVICE.finditer(message, at):
        spans += numbers(message[at : advice.start(1)])
        for part in re.split(r"(, or |, | or )", advice[1]):
            spans.append((part, "label" if part.strip(" ,") in ("or", "") else "interactive"))
        at = advice.end(1)
    spans += numbers(message[at:])
    if suggestion and suggestion not in message:
        spans += [("  Did you mean ", "label"), (suggestion, "interactive"), (" ?", "label")]
    return spans


def underline(column: int, size: int, shift: int = 0) -> Row:
    """`└──┘` under the token at `column` (from 1), as wide as it; one cell wide it is `╵`."""
    at = column - 1 - shift
    sign = "╵" if size <= 1 else "└" + "─" * (size - 2) + "┘"
    sign = sign[max(0, -at) :]  # what is scrolled away at the left has no mark
    return ((" " * max(0, at), "text"), (sign, "fault")) if sign else ()


def sentences(row: Iterable[Span], width: int) -> Row:
    """A row; where it is too wide, only as many of its sentences as fit."""
    kept = tuple(row)
    text = "".join(part for part, _ in kept)
    end = text.rfind(". ", 0, width)
    return kept if len(text) <= width or end < 0 else cut(kept, 0, end + 1)


def folded(row: Iterable[Span], width: int, indent: int) -> list[Row]:
    """A row; where it is too wide, as two, the second one indented."""
    kept = tuple(row)
    text = "".join(part for part, _ in kept)
    at = text.rfind(" ", indent + 1, width + 1)
    while at > 0 and text[at - 1].isdigit() and text[at + 1 : at + 2].isdigit():  # not within a number
        at = text.rfind(" ", indent + 1, at)
    if len(text) <= width or at < 0:
        return [kept]
    rest = cut(kept, len(text) - len(text[at:].lstrip()), len(text))
    return [cut(kept, 0, at), ((" " * indent, "text"), *rest)]


class Decoding(Bar):
    """One row, or two while more has to be said; two blanks at the left, under the prompt's text."""

    DEFAULT_CSS = """
    Decoding { height: 1; }
    """

    said: tuple[Row, ...] = ()

    def on_resize(self) -> None:
        """Cut anew to the new width."""
        self.say(self.said)

    def say(self, rows: Iterable[Iterable[Span]]) -> None:
        """Show `rows`, each cut to the width."""
        self.said = tuple(tuple(row) for row in rows)
        width = max(1, self.size.width - 2)
        shown = []
        for kept in self.said:
            shown.append([("  ", "text"), *(clip(kept, width) if width_of(kept) > width else kept)])
        self.put(shown)
