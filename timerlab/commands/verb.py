"""What a verb is, and the types of its arguments."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NoReturn

import click

from timerlab.bus import PORTS
from timerlab.command import Command
from timerlab.conditions import Vocabulary, near
from timerlab.errors import CommandError
from timerlab.regs import RegTable
from timerlab.tokens import column_of
from timerlab.units import Span, parse_number, parse_time


@dataclass(slots=True)
class Words(Vocabulary):
    """The names that a command may use, and where the line ends that is being read."""

    regs: RegTable = field(default_factory=lambda: RegTable(()))
    end: int = 1


def fail(message: str, token: str, suggestion: str | None = None) -> NoReturn:
    """CommandError at a word."""
    raise CommandError(message, column_of(token), length=len(token), suggestion=suggestion)


class Verb(click.Command):
    """A click command whose callback returns an `Command`; it never prints.

    `usage` is the one-line form, `examples` are lines that work as they stand, `words` say what its arguments may
    be, for completion.
    """

    def __init__(
        self, *args: Any, usage: str, examples: tuple[str, ...] = (), completes: tuple[str, ...] = (), **kwargs: Any
    ) -> None:
        kwargs.setdefault("add_help_option", False)
        kwargs.setdefault("context_settings", {"ignore_unknown_options": True, "allow_extra_args": True})
        super().__init__(*args, **kwargs)
        self.usage = usage
        self.examples = examples
        self.completes = completes

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """As click does, but a word too many is reported at its column."""
        rest = super().parse_args(ctx, args)
        if rest:
            fail(f"{rest[0]} is one word too many: {self.usage}", rest[0])
        return rest


group = click.Group("timerlab")
"""All verbs."""


def _unwrapped(function: Callable[..., Command]) -> str:
    """A docstring with a line a paragraph: the first one is what lists of commands show."""
    return "\n\n".join(" ".join(part.split()) for part in (function.__doc__ or "").split("\n\n"))


def verb(
    usage: str, *, examples: tuple[str, ...] = (), completes: tuple[str, ...] = ()
) -> Callable[[Callable[..., Command]], Verb]:
    """Make a function that returns an `Command` a verb; its docstring is the help, the usage's first word the name."""

    def wrap(function: Callable[..., Command]) -> Verb:
        command = click.command(
            usage.split()[0], cls=Verb, usage=usage, examples=examples, completes=completes, help=_unwrapped(function)
        )(function)
        group.add_command(command)
        return command

    return wrap


class PortType(click.ParamType[int]):
    """An I/O port: 0 to FFFFh, or the name of a register that lives at one."""

    name = "port"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """The port's number."""
        if isinstance(value, int):
            return value
        words: Words = ctx.obj if ctx else Words({}, (), ())
        ports = {reg.name: reg.address for reg in words.regs if reg.space == "io" and reg.address >= 0}
        if value.lower() in ports:
            return ports[value.lower()]
        try:
            port = parse_number(value)
        except ValueError as error:
            guess = near(value, list(ports)) if not value[:1].isdigit() else _as_hex(value)
            hint = f"  Did you mean {guess} ?" if guess else ""
            fail(
                f"{value} is no port: a number or {', '.join(list(ports)[:3])}, ...{hint}" if guess else str(error),
                value,
                guess,
            )
        if not 0 <= port < PORTS:
            fail(f"{value} is no port, 0–FFFFh", value)
        return port


class ValueType(click.ParamType[int]):
    """A value to write, that fits so many bits."""

    def __init__(self, bits: int) -> None:
        self.bits = bits
        self.name = {8: "value", 16: "word", 32: "long"}[bits]

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """The value."""
        if isinstance(value, int):
            return value
        try:
            number = parse_number(value)
        except ValueError as error:
            guess = _as_hex(value)
            fail(f"{error}.  Did you mean {guess} ?" if guess else str(error), value, guess)
        top = (1 << self.bits) - 1
        if not 0 <= number <= top:
            self._too_wide(value, number, top, ctx.params.get("port") if ctx else None)
        return number

    def _too_wide(self, value: str, number: int, top: int, port: int | None) -> NoReturn:
        what = {8: "a byte", 16: "a word", 32: "a long"}[self.bits]
        if number < 0:
            fail(f"{value} is negative, and {what} is {0:0{self.bits // 4}X}h–{top:X}h", value)
        wider = "outw" if number < 1 << 16 else "outl" if number < 1 << 32 else None
        low = f"{number & top:x}h"
        place = "" if port is None else f" {port:02x}h {value}"
        hint = f"  Did you mean {low}, or {wider}{place} ?" if wider else f"  Did you mean {low} ?"
        fail(f"{number:X}h does not fit {what}, {0:0{self.bits // 4}X}h–{top:X}h.{hint}", value, low)


def _as_hex(value: str) -> str | None:
    """The word with the `h` that it may lack, or None."""
    try:
        parse_number(value + "h")
    except ValueError:
        return None
    return value + "h"


class TimeType(click.ParamType[Span]):
    """A stretch of time or a moment: `10ms`, `100pit`."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """A `Span`."""
        if not isinstance(value, str):
            return value
        try:
            return parse_time(value, ctx.obj.clocks if ctx else ())
        except ValueError as error:
            fail(str(error), value)
