"""`show explain help`: commands that only look."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from timerlab.command import Command, Result
from timerlab.commands.io import Access, Reset
from timerlab.commands.time import View
from timerlab.commands.verb import VcpuType, Verb, Words, fail, group, verb
from timerlab.conditions import near, shown
from timerlab.errors import CommandError
from timerlab.quirks import PROFILES, QUIRKS
from timerlab.regs import Reg
from timerlab.text import count, hexa
from timerlab.tokens import Token, column_of
from timerlab.units import parse_number

if TYPE_CHECKING:
    from timerlab.session import Session

COUNTS = ("cr", "ce", "ol")
BYTES = ("status", "value")


@dataclass(frozen=True, slots=True)
class Show(View):
    """List what can be seen, by name."""

    name: str = ""

    def text(self) -> str:
        return f"show {self.name}".rstrip()

    def run(self, session: Session) -> Result:
        seen = session.peeks()
        rows = [(name, value) for name, value in seen.items() if name == self.name or name.startswith(self.name + ".")]
        if not self.name:
            rows = list(seen.items())
        if not rows:
            raise CommandError(f"there is nothing to show of {self.name} now", 6, length=len(self.name))
        width = max(len(name) for name, _ in rows)
        lines = [f"{name:<{width}}  {value_words(name, value)}" for name, value in rows]
        only = rows[0][1] if len(rows) == 1 else None
        return Result(only if isinstance(only, int) else None, "\n".join(lines))


def value_words(name: str, value: object) -> str:
    """A value as a list shows it: counts and bytes in hex as well, absent ones as `none`."""
    what = name.rpartition(".")[2]
    if not isinstance(value, int):
        return shown(value if isinstance(value, str) else None)
    if what in COUNTS:
        return f"{count(value)}  {hexa(value, 4)}"
    return f"{count(value)}  {hexa(value, 2)}" if what in BYTES else count(value)


@dataclass(frozen=True, slots=True)
class Explain(View):
    """Say what something is or does, bit by bit, with its source."""

    words: str
    action: Command | None = None
    reg: Reg | None = None
    value: int = 0
    column: int = 1
    vcpu: int | None = None
    """The vCPU whose TSC is explained."""

    def text(self) -> str:
        return f"explain {self.words}"

    def run(self, session: Session) -> Result:
        # it explains commands, and so stands above them
        from timerlab.explain import explain_access, explain_name, explain_tsc, explain_value

        machine = session.machine
        match self.action:
            case Access():
                lines = explain_access(machine, self.action)
            case None if self.reg is not None:
                lines = explain_value(self.reg, self.value)
            case None if self.vcpu is not None:
                lines = explain_tsc(machine, self.vcpu)
            case _:
                found = explain_name(machine, self.words) or explain_verb(self.words)
                if found is None:
                    board = machine.board
                    names = [
                        *board.regs.by_name,
                        *board.abouts,
                        *board.line_abouts,
                        *QUIRKS,
                        *PROFILES,
                        *group.commands,
                    ]
                    guess = near(self.words, names)
                    hint = f"  Did you mean {guess} ?" if guess else ""
                    raise CommandError(
                        f"nothing is called {self.words}{hint}", self.column, length=len(self.words), suggestion=guess
                    )
                lines = found
        return Result(text="\n".join(lines))


def explain_verb(name: str) -> list[str] | None:
    """A command by its name."""
    found = group.commands.get(name.lower())
    if not isinstance(found, Verb):
        return None
    return [found.usage, *(f"  {line.strip()}" for line in (found.help or "").splitlines() if line.strip())]


@dataclass(frozen=True, slots=True)
class Help(View):
    """The help text of a topic."""

    topic: str = ""
    column: int = 1

    def text(self) -> str:
        return f"help {self.topic}".rstrip()

    def run(self, session: Session) -> Result:
        try:
            return Result(text=session.help_text(self.topic or None))
        except CommandError as error:
            raise CommandError(
                error.message, self.column, length=len(self.topic), suggestion=error.suggestion
            ) from None


@verb("show [NAME]", examples=("show", "show pit.ch0", "show port61.value"), completes=("peek",))
@click.argument("name", required=False, type=click.UNPROCESSED)
@click.pass_obj
def show(words: Words, name: str | None) -> Show:
    """List the values that can be looked at: all, those of a part (`pit.ch0`), or one. Looking has no side effect."""
    if name is None:
        return Show()
    if not any(peek == name or peek.startswith(name + ".") for peek in words.peeks):
        parts = {peek[:i] for peek in words.peeks for i, c in enumerate(peek) if c == "."}
        guess = near(name, [*words.peeks, *parts])
        fail(f"nothing to show is called {name}" + (f"  Did you mean {guess} ?" if guess else ""), name, guess)
    return Show(str(name))


@verb(
    "explain COMMAND | VALUE as REGISTER | tsc VCPU | NAME",
    examples=("explain outb 43h b6h", "explain 36h as pit.cmd", "explain tsc 0", "explain odd_mode3"),
    completes=("explain",),
)
@click.argument("what", nargs=-1, type=click.UNPROCESSED)
@click.pass_obj
def explain(words: Words, what: tuple[Token, ...]) -> Explain:
    """Say bit by bit what a command or a value does, and in which section of which document that stands.

    `explain tsc 0` shows how the TSC of a vCPU comes about, with the numbers of now. NAME is a register, a value, a
    wire, a quirk, a profile or a command.
    """
    from timerlab.commands import parse_tokens

    if not what:
        raise CommandError("explain wants a command, VALUE as REGISTER, or a name", words.end, incomplete=True)
    said = " ".join(what)
    if len(what) == 2 and what[0].lower() == "tsc" and what[1] != "as":
        return Explain(said, column=what[1].column, vcpu=VcpuType().convert(what[1], None, click.get_current_context()))
    if len(what) > 1 and what[0].lower() in group.commands:
        action = parse_tokens(list(what), words)
        if isinstance(action, Access) and not isinstance(action, Reset):
            return Explain(said, action)
        return Explain(str(what[0].lower()), column=what[0].column)
    if len(what) >= 2 and what[1] == "as":
        if len(what) < 3:
            raise CommandError("as wants a register after it: pit.cmd, port61, ...", words.end, incomplete=True)
        return _value_as(words, what, said)
    if len(what) > 1:
        fail(f"{what[1]} is one word too many: explain COMMAND, VALUE as REGISTER, tsc VCPU, or NAME", what[1])
    return Explain(str(what[0]), column=what[0].column)


def _value_as(words: Words, what: tuple[Token, ...], said: str) -> Explain:
    name = what[2].lower()
    if name not in words.regs.by_name:
        guess = near(name, list(words.regs.by_name))
        fail(f"no register {what[2]}" + (f"  Did you mean {guess} ?" if guess else ""), what[2], guess)
    reg = words.regs.by_name[name]
    try:
        value = parse_number(what[0])
    except ValueError as error:
        fail(str(error), what[0])
    if not 0 <= value < 1 << reg.width:
        fail(f"{what[0]} does not fit the {reg.width} bits of {reg.name}", what[0])
    return Explain(said, None, reg, value)


@verb("inspect NAME", examples=("inspect rtc.b", "inspect port61"), completes=("register",))
@click.argument("name", type=click.UNPROCESSED)
@click.pass_obj
def inspect(words: Words, name: str) -> Explain:
    """Show a register bit by bit: on the screen as the inspector, where a bit can be turned.

    NAME is a register, or a value that one holds.
    """
    return Explain(str(name), column=column_of(name))


@verb("help [TOPIC]", examples=("help", "help outb", "help quirks"), completes=("topic",))
@click.argument("topic", required=False, type=click.UNPROCESSED)
def help(topic: str | None) -> Help:
    """Help on a command, a register, a value, a quirk, `quirks`, `profiles` or `registers`; without a topic, the list
    of commands.
    """
    return Help(str(topic or ""), column_of(topic or ""))
