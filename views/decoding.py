"""The line under the prompt: what the command being typed means, what it would do now, or what the last one did."""

from __future__ import annotations

import re
from collections.abc import Iterable

from timerlab.views.bar import Bar, Spans
from timerlab.views.rows import Row, Span, clip, numbers, width_of

_EFFECT = re.compile(r"(= )(−?[0-9][0-9 ]*|[0-9A-F]+h)(?![\w.])")

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
    at = max(0, column - 1 - shift)
    sign = "╵" if size <= 1 else "└" + "─" * (size - 2) + "┘"
    return ((" " * at, "text"), (sign, "fault"))


class Decoding(Bar):
    """One row, or two while more has to be said; two blanks at the left, under the prompt's text."""

    DEFAULT_CSS = """
    Decoding { height: 1; }
    """

    def say(self, rows: Iterable[Iterable[Span]]) -> None:
        """Show `rows`, each cut to the width."""
        width = max(1, self.size.width - 2)
        shown = []
        for row in rows:
            kept = tuple(row)
            shown.append([("  ", "text"), *(clip(kept, width) if width_of(kept) > width else kept)])
        self.put(shown)
