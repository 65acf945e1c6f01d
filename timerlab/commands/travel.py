"""`back goto`: where in the session's time one is. They undo nothing until something new is typed there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from timerlab.command import Result
from timerlab.commands.time import View
from timerlab.commands.verb import Words, fail, verb
from timerlab.errors import CommandError
from timerlab.text import duration, moment
from timerlab.units import Span, parse_time

if TYPE_CHECKING:
    from timerlab.session import Session


@dataclass(frozen=True, slots=True)
class Back(View):
    """Undo the last stop."""

    def text(self) -> str:
        return "back"

    def run(self, session: Session) -> Result:
        was = session.now
        entry = session.back()
        if entry is None:
            return Result(text="at the beginning")
        return Result(text=f"before {entry.text}, {duration(was - session.now)} back")


@dataclass(frozen=True, slots=True)
class Goto(View):
    """Go to a moment, or to the end of a log entry."""

    span: Span | None
    entry: int | None = None
    column: int = 1

    def text(self) -> str:
        return f"goto #{self.entry}" if self.span is None else f"goto {self.span}"

    def run(self, session: Session) -> Result:
        if self.span is None:
            assert self.entry is not None
            if not 0 <= self.entry < len(session.log):
                top = f"#0 to #{len(session.log) - 1}" if session.log else "the log is empty"
                raise CommandError(f"no entry #{self.entry}: {top}", self.column, length=len(str(self.entry)) + 1)
            session.goto_entry(self.entry)
        else:
            session.goto(self.span.moment(session.machine.board.clocks))
        return Result(text=f"at {moment(session.now)}" + (", in the past" if session.past else ""))


@verb("back", examples=("back",))
def back() -> Back:
    """Go back one stop: to before the last command, step or run. Nothing is lost until something is typed there."""
    return Back()


@verb("goto TIME | #ENTRY", examples=("goto 0", "goto 12.5ms", "goto #3"), completes=("time",))
@click.argument("where", type=click.UNPROCESSED, metavar="TIME")
@click.pass_obj
def goto(words: Words, where: str) -> Goto:
    """Go to a moment of the session, or to the end of an entry of the log; beyond the end, time is skipped."""
    column = getattr(where, "column", 1)
    if where.startswith("#"):
        if not (where.isascii() and where[1:].isdigit()) or len(where) > 12:
            fail(f"{where} is no entry of the log: #0, #1, ...", where)
        return Goto(None, int(where[1:]), column)
    try:
        return Goto(parse_time(where, words.clocks), None, column)
    except ValueError as error:
        fail(str(error), where)
