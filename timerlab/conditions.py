"""Conditions: what `until` waits for and `expect` asks.

`PEEK OP VALUE`, `PEEK` alone (not 0), `rise LINE`, `fall LINE`, `at TIME`. A condition can be tested now, and can
say when it may next become true: lines at their edges, running counters through the chip's closed form, everything
else at events.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from timerlab import text
from timerlab.clock import Clock
from timerlab.errors import CommandError
from timerlab.machine import Machine
from timerlab.tokens import Token, column_of
from timerlab.units import Span, parse_number, parse_time

OPS: Mapping[str, Callable[[Any, Any], bool]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<=": operator.le,
    ">=": operator.ge,
    "<": operator.lt,
    ">": operator.gt,
}

Value = int | str | None

_STATES = (
    ("lo", "hi", "irr", "isr", "ready", "icw2", "icw3", "icw4"),
    ("off", "xapic", "x2apic", "one-shot", "periodic", "deadline", "reserved"),
    ("run", "halt", "stolen", "exit", "smi", "stopped"),
    ("c1", "c1e", "c3", "throttled"),
    ("calibrating", "up", "kvmclock", "tsc", "hpet", "pm", "jiffies", "new", "old", "preempt", "irq"),
)
WORDS = frozenset(word for words in _STATES for word in words)
"""The states that values have by name."""
_DATE = re.compile(r"\d{4}-\d\d-\d\dt\d\d:\d\d:\d\d", re.IGNORECASE)


@dataclass(slots=True)
class Vocabulary:
    """The names that a command may use on this machine."""

    clocks: Mapping[str, Clock]
    lines: Sequence[str]
    peeks: Sequence[str]


@dataclass(frozen=True, slots=True)
class Compare:
    """`PEEK OP VALUE`; a bare `PEEK` is `PEEK != 0`."""

    peek: str
    op: str = "!="
    value: Value = 0
    bare: bool = False

    def holds(self, seen: Value) -> bool:
        """Whether a value meets it; an absent value (`none`, or a choice of that name) equals only `none`."""
        seen = None if seen == "none" else seen
        if seen is None or self.value is None or isinstance(seen, str) or isinstance(self.value, str):
            if self.bare:
                return bool(seen)
            same = seen == self.value
            return same if self.op == "==" else not same if self.op == "!=" else False
        return OPS[self.op](seen, self.value)

    def now(self, machine: Machine) -> bool:
        """Whether it holds now."""
        return self.holds(machine.peek(self.peek))

    def next_try(self, machine: Machine, limit: int) -> int | None:
        """The next moment after now at which it may hold, or None if it cannot before `limit`."""
        counter = re.fullmatch(r"pit\.ch([0-2])\.ce", self.peek)
        if counter and isinstance(self.value, int):
            bound = self.value - (self.op in ("<", ">="))
            return machine.board.pit.reach(int(counter[1]), self.holds, lambda ce: ce <= bound, machine.now)
        if machine.COUNTERS.fullmatch(self.peek) and isinstance(self.value, int):
            return machine.reach(self.peek, self.op, self.value)
        if self.peek.endswith(".edges") and isinstance(self.value, int) and self.op in ("==", ">=", ">"):
            line = self.peek.removesuffix(".edges")
            if machine.future(line) is not None:
                return machine.reach_rises(line, self.value + (self.op == ">"))
        line = self.peek.removesuffix(".level").removesuffix(".edges")
        if line in machine.line_names():
            edge = machine.next_edge(line, limit)
            return edge[0] if edge else None
        return machine.next_change(self.peek)

    def __str__(self) -> str:
        return self.peek if self.bare else f"{self.peek} {self.op} {shown(self.value)}"

    def seen(self, machine: Machine) -> str:
        """What there is instead, in words."""
        return f"{self.peek} is {shown(machine.peek(self.peek))}"


@dataclass(frozen=True, slots=True)
class Turn:
    """`rise LINE` and `fall LINE`: the line changes to `level` at this very nanosecond."""

    line: str
    level: int

    def now(self, machine: Machine) -> bool:
        """Whether that edge is now."""
        return machine.turned(self.line, self.level)

    def next_try(self, machine: Machine, limit: int) -> int | None:
        """The next edge of the line."""
        edge = machine.next_edge(self.line, limit)
        return edge[0] if edge else None

    def __str__(self) -> str:
        return f"{'rise' if self.level else 'fall'} {self.line}"

    def seen(self, machine: Machine) -> str:
        """What there is instead, in words."""
        return f"{self.line} is {machine.peek(self.line + '.level')}, with no such edge now"


@dataclass(frozen=True, slots=True)
class At:
    """`at TIME`: it is that moment, or later."""

    when: Span

    def now(self, machine: Machine) -> bool:
        """Whether it is that late."""
        return machine.now >= self.when.moment(machine.board.clocks)

    def next_try(self, machine: Machine, limit: int) -> int | None:
        """The moment itself."""
        return self.when.moment(machine.board.clocks)

    def __str__(self) -> str:
        return f"at {self.when}"

    def seen(self, machine: Machine) -> str:
        """What there is instead, in words."""
        return f"it is {text.moment(machine.now)}"


Condition = Compare | Turn | At


def shown(value: Value) -> str:
    """A value as conditions write it."""
    return "none" if value is None else str(value)


def near(word: str, names: Sequence[str]) -> str | None:
    """The name that was probably meant."""
    from difflib import get_close_matches

    found = get_close_matches(word.lower(), names, 1, 0.6)
    return found[0] if found else None


def unknown(what: str, token: str, names: Sequence[str]) -> CommandError:
    """One line for a name that there is not, with what may have been meant."""
    guess = near(token, names)
    hint = f"  Did you mean {guess} ?" if guess else ""
    return CommandError(f"no {what} {token}{hint}", column_of(token), length=len(token), suggestion=guess)


def parse_value(token: str) -> Value:
    """A number, `none`, a date, or the name of a state; CommandError with the column otherwise."""
    if token.lower() in ("none", "–"):
        return None
    if token.lower() in WORDS:
        return token.lower()
    if _DATE.fullmatch(token):
        return token.upper()
    try:
        return parse_number(token)
    except ValueError as error:
        raise CommandError(str(error), column_of(token), length=len(token)) from None


def separate(tokens: Sequence[Token]) -> list[Token]:
    """Operators that touch a word (`pit.ch0.ce<=5`) as words of their own."""
    apart: list[Token] = []
    for token in tokens:
        for match in re.finditer(r"==|!=|<=|>=|<|>|=|[^=!<>]+|!", token):
            apart.append(Token(match.group(), token.column + match.start()))
    return apart


def parse_op(token: Token) -> str:
    """A comparison; CommandError for anything else."""
    if token not in OPS:
        raise CommandError(
            f"{token} does not compare: {'  '.join(OPS)}",
            token.column,
            length=len(token),
            suggestion="==" if token == "=" else None,
        )
    return str(token)


def parse_condition(tokens: Sequence[Token], words: Vocabulary, end: int) -> Condition:
    """A condition from its words; `end` is the column after the last one, where something missing is reported."""
    tokens = separate(tokens)
    if not tokens:
        raise CommandError(
            "a condition is missing: PEEK, PEEK == VALUE, rise LINE, fall LINE or at TIME", end, incomplete=True
        )
    first = tokens[0]
    if first in ("rise", "fall", "at"):
        if len(tokens) < 2:
            raise CommandError(
                f"{first} wants {'a time' if first == 'at' else 'a line'} after it", end, incomplete=True
            )
        _no_more(tokens[2:])
        if first == "at":
            try:
                return At(parse_time(tokens[1], words.clocks))
            except ValueError as error:
                raise CommandError(str(error), tokens[1].column, length=len(tokens[1])) from None
        if tokens[1] not in words.lines:
            raise unknown("line", tokens[1], words.lines)
        return Turn(str(tokens[1]), int(first == "rise"))
    if first not in words.peeks:
        raise unknown("value to look at", first, words.peeks)
    if len(tokens) == 1:
        return Compare(str(first), bare=True)
    op = parse_op(tokens[1])
    if len(tokens) < 3:
        raise CommandError(f"{op} wants a value after it", end, incomplete=True)
    _no_more(tokens[3:])
    value = str(tokens[2]) if tokens[2] in words.lines else parse_value(tokens[2])
    if not isinstance(value, int) and op not in ("==", "!="):
        raise CommandError(f"{op} compares numbers; {tokens[2]} is only == or !=", tokens[1].column, length=len(op))
    return Compare(str(first), op, value)


def _no_more(tokens: Sequence[Token]) -> None:
    if tokens:
        raise CommandError(f"{tokens[0]} is one word too many", tokens[0].column, length=len(tokens[0]))
