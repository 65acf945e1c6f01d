"""What a verb is, and the types of its arguments."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, NoReturn

import click

from timerlab.bus import ADDRESS_BITS, MEMORY_WIDTHS, PORTS
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
    vcpus: int = 1
    bases: tuple[int, ...] = ()
    """Where the local APIC's page of vCPU 0 is."""


def fail(message: str, token: str, suggestion: str | None = None) -> NoReturn:
    """CommandError at a word."""
    raise CommandError(message, column_of(token), length=len(token), suggestion=suggestion)


def lacking(message: str, ctx: click.Context) -> NoReturn:
    """CommandError at the end of a line that is not whole yet."""
    raise CommandError(message, ctx.obj.end if ctx.obj else 1, incomplete=True)


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
        for param in self.params:
            if param.type is click.STRING:
                param.type = click.UNPROCESSED  # a STRING would be a word without its column
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
    """A value to write, that fits so many bits; a `signed` one may be negative, and stands for its two's complement."""

    WIDER: ClassVar = {
        8: (("outw", 16), ("outl", 32)),
        16: (("outl", 32),),
    }

    def __init__(self, bits: int, signed: bool = False) -> None:
        self.bits = bits
        self.signed = signed
        self.name = {8: "value", 16: "word", 32: "long", 64: "value"}[bits]

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
        if self.signed and -(1 << self.bits - 1) <= number < 0:
            return number & top
        if not 0 <= number <= top:
            self._too_wide(value, number, top, ctx.params if ctx else {})
        return number

    def _too_wide(self, value: str, number: int, top: int, given: Mapping[str, Any]) -> NoReturn:
        what = {8: "a byte", 16: "a word", 32: "a long", 64: "64 bits"}[self.bits]
        if number < 0:
            fail(f"{value} is negative, and {what} is {0:0{self.bits // 4}X}h–{top:X}h", value)
        low = f"{number & top:x}h"
        wider = self._wider(number, given, value)
        hint = f"  Did you mean {low}, or {wider} ?" if wider else f"  Did you mean {low} ?"
        fail(f"{number:X}h does not fit {what}, {0:0{self.bits // 4}X}h–{top:X}h.{hint}", value, low)

    def _wider(self, number: int, given: Mapping[str, Any], value: str) -> str | None:
        """The verb that writes so many bits, with its place."""
        if "address" in given:
            fits = [(f"write{letter}", width) for width, letter in MEMORY_WIDTHS.items() if width > self.bits]
            place = f" {given['address']:08x}h {value}"
        else:
            fits = list(self.WIDER.get(self.bits, ()))
            place = "" if given.get("port") is None else f" {given['port']:02x}h {value}"
        return next((verb + place for verb, width in fits if number < 1 << width), None)


class NumberOrName(click.ParamType[int]):
    """A number in a range, or the name of a register that stands for one."""

    what = "number"
    top = 0

    def names(self, words: Words) -> dict[str, int]:
        """What each name stands for."""
        return {}

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """The number."""
        if isinstance(value, int):
            return value
        words: Words = ctx.obj if ctx else Words({}, (), ())
        names = self.names(words)
        if value.lower() in names:
            return names[value.lower()]
        try:
            number = parse_number(value)
        except ValueError:
            guess = near(value, list(names)) if not value[:1].isdigit() else _as_hex(value)
            hint = f"  Did you mean {guess} ?" if guess else ""
            some = ", ".join(list(names)[:3])
            fail(f"{value} is no {self.what}: a number or {some}, ...{hint}", value, guess)
        if not 0 <= number <= self.top:
            fail(f"{value} is no {self.what}, 0–{self.top:X}h", value)
        return number


class AddressType(NumberOrName):
    """A physical address, or the name of a register that lives at one."""

    name = "address"
    what = "address"
    top = (1 << ADDRESS_BITS) - 1

    def names(self, words: Words) -> dict[str, int]:
        """Registers in memory, and those of the local APIC."""
        found = {reg.name: reg.address for reg in words.regs if reg.space == "mem"}
        if words.bases:
            found |= {reg.name: words.bases[0] + reg.address for reg in words.regs if reg.space == "lapic"}
        return found


class MsrType(NumberOrName):
    """The number of a model-specific register, or its name."""

    name = "msr"
    what = "MSR"
    top = (1 << 32) - 1

    def names(self, words: Words) -> dict[str, int]:
        """The MSRs, and the local APIC's registers, which are MSRs in x2APIC mode."""
        found = {reg.name: reg.address for reg in words.regs if reg.space == "msr"}
        return found | {reg.name: 0x800 + reg.address // 16 for reg in words.regs if reg.space == "lapic"}


class CmosType(NumberOrName):
    """An index of CMOS RAM."""

    name = "place"
    what = "CMOS index"
    top = 0x7F

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """The index, of RAM."""
        index = super().convert(value, param, ctx)
        if index < 0x0E:
            fail(f"{value} is no RAM: 0Eh–7Fh", value)
        return index

    def names(self, words: Words) -> dict[str, int]:
        """Registers behind the index."""
        return {reg.name: reg.address for reg in words.regs if reg.space == "cmos"}


class LineType(click.ParamType[int]):
    """An interrupt line: `5` or `irq.5`, `20` or `pin.20`."""

    name = "line"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Its number."""
        if isinstance(value, int):
            return value
        digits = value.lower().removeprefix("irq.").removeprefix("pin.").removeprefix("irq")
        if not (digits.isascii() and digits.isdigit()) or int(digits[:4]) > 23 or int(digits) == 2:
            fail(f"{value} is no line: 0, 1, 3 to 15 are ISA lines, 16 to 23 I/O APIC pins", value)
        return int(digits)


class VcpuType(click.ParamType[int]):
    """A vCPU: `v1`."""

    name = "vcpu"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Its number."""
        if isinstance(value, int):
            return value
        count = ctx.obj.vcpus if ctx else 1
        digits = value.lower().removeprefix("v")
        if not (digits.isascii() and digits.isdigit() and len(digits) < 4 and int(digits) < count):
            there = "v0" if count == 1 else f"v0 to v{count - 1}"
            fail(f"{value} is no vCPU: {there}", value)
        return int(digits)


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
