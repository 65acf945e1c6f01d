"""`note expect load save replay quit`: what scripts are made of."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

import click

from timerlab.command import Command, Entry, Instant, Kind, Long, Progress, Result, Work
from timerlab.commands.io import Access
from timerlab.commands.time import View
from timerlab.commands.verb import Words, fail, verb
from timerlab.conditions import OPS, Compare, Condition, Value, parse_condition, parse_op, parse_value, separate, shown
from timerlab.errors import CommandError, ScriptError
from timerlab.machine import Machine
from timerlab.places import trace_path
from timerlab.text import count, plural
from timerlab.tokens import Token
from timerlab.trace import Trace, load_trace

if TYPE_CHECKING:
    from timerlab.session import Session


@dataclass(frozen=True, slots=True)
class Note(Instant):
    """Words for the reader; the machine does not notice."""

    words: str
    kind: ClassVar[Kind] = "note"

    def text(self) -> str:
        return f"note {self.words}".rstrip()

    def run(self, session: Session) -> Result:
        return Result(text=self.words)


@dataclass(frozen=True, slots=True)
class Expect(Instant):
    """`expect COND`."""

    condition: Condition
    kind: ClassVar[Kind] = "expect"

    def text(self) -> str:
        return f"expect {self.condition}"

    def run(self, session: Session) -> Result:
        met = self.condition.now(session.machine)
        words = (
            f"met: {self.condition}"
            if met
            else f"not met: {self.condition}, but {self.condition.seen(session.machine)}"
        )
        return Result(int(met), words, ok=met)


@dataclass(frozen=True, slots=True)
class ExpectResult(Instant):
    """`expect COMMAND OP VALUE`, and `expect fault COMMAND`, `expect refused COMMAND` (with such an `op`)."""

    action: Instant
    op: str
    value: Value = None
    kind: ClassVar[Kind] = "expect"

    def text(self) -> str:
        if self.op in ("fault", "refused"):
            return f"expect {self.op} {self.action.text()}"
        return f"expect {self.action.text()} {self.op} {shown(self.value)}"

    def run(self, session: Session) -> Result:
        if self.op == "refused":
            why = self._refused(session)
            text = f"{self.action.text()}: {why}" if why else f"{self.action.text()} is not refused"
            return Result(int(bool(why)), f"{'met' if why else 'not met'}: {text}", ok=bool(why))
        result = self.action.run(session)
        if self.op == "fault":
            met, seen = result.fault is not None, result.fault or "no fault"
        else:
            met = Compare("", self.op, self.value).holds(result.value)
            seen = (
                "no value"
                if result.value is None
                else f"{result.value:X}h"
                if isinstance(result.value, int)
                else "none"
            )
        words = "met" if met else "not met"
        return Result(result.value, f"{words}: {self.action.text()} gives {seen}", result.fault, ok=met)

    def _refused(self, session: Session) -> str:
        """Why the command makes no sense now; empty where it does. It is not carried out."""
        if not isinstance(self.action, Access):
            return ""
        try:
            self.action.check(session.machine)
        except (ValueError, CommandError) as error:
            return str(error)
        return ""

    def redo(self, machine: Machine, entry: Entry, until: int) -> None:
        if self.op != "refused":
            self.action.redo(machine, entry, until)


@dataclass(frozen=True, slots=True)
class Load(View):
    """Become the session that a file describes."""

    name: str
    column: int = 1

    def text(self) -> str:
        return f"load {self.name}"

    def run(self, session: Session) -> Result:
        lines = session.become(self.name, self.column)
        return Result(text=f"{self.name}: {plural(lines, 'command')}, profile {session.options.profile}")


@dataclass(frozen=True, slots=True)
class Save(View):
    """Write the session to a file."""

    path: str
    column: int = 1

    def text(self) -> str:
        return f"save {self.path}"

    def run(self, session: Session) -> Result:
        try:
            path, entries = session.save(self.path)
        except (OSError, ValueError, RuntimeError) as error:
            # ValueError: no file has such a name; RuntimeError: `~name` of a user that there is not
            why = (error.strerror if isinstance(error, OSError) else None) or error
            raise CommandError(f"cannot write {self.path}: {why}", self.column, length=len(self.path)) from None
        return Result(text=f"wrote {path}, {plural(entries, 'entry', 'entries')}")


@dataclass(frozen=True, slots=True)
class Quit(View):
    """Leave the screen."""

    def text(self) -> str:
        return "quit"

    def run(self, session: Session) -> Result:
        session.quitting = True
        return Result(text="bye")


@dataclass(frozen=True, slots=True)
class ReplayTrace(Long):
    """Play the accesses of a trace, and compare every read.

    `most` limits how many accesses are played; a replay that was stopped is kept with the number that it reached.
    """

    path: str
    skip_bad: bool = False
    paced: bool = False
    most: int | None = None
    column: int = 1
    kind: ClassVar[Kind] = "replay"

    def text(self) -> str:
        parts = ["replay", self.path]
        parts += ["--skip-bad"] if self.skip_bad else []
        parts += [] if self.most is None else ["--most", str(self.most)]
        return " ".join(parts)

    def limited(self, most: int) -> ReplayTrace:
        """The same, over after so many accesses."""
        return replace(self, most=most, paced=False)

    def prepare(self, session: Session) -> Generator[Progress, int, Trace]:
        budget = yield Progress(0, 0, f"read {self.path}")
        for found in self._read(session):
            if isinstance(found, Trace):
                return found
            if found % max(budget, 1) == 0:
                budget = yield Progress(found, 0, f"read {self.path}: {count(found)} lines")
        raise AssertionError("a trace ends with itself")

    def work(self, session: Session, entry: Entry, ready: Trace) -> Work:
        feeder = session.feeder
        feed = feeder.begin(ready, entry, self.most)
        if self.paced and session.paced:
            session.running = True
            return Result(text=f"{ready.name}: {count(feed.total)} accesses, played at the session's rate")
        while not feed.over:
            budget = yield Progress(feed.at, feed.total, f"replay {ready.name}: {feed.tally.words()}")
            feeder.play(budget)
        return feeder.end()

    def _read(self, session: Session) -> Iterator[int | Trace]:
        """Line numbers as the trace is read, and then the trace; CommandError where it cannot be."""
        try:
            yield from load_trace(trace_path(self.path, session.folder), self.skip_bad)
        except ScriptError as error:
            # what could stand there instead is what the screen asks for
            instead = None if self.skip_bad else f"{self.path} --skip-bad"
            raise CommandError(str(error), self.column, length=len(self.path), suggestion=instead) from None
        except CommandError as error:
            raise CommandError(error.message, self.column, length=len(self.path)) from None
        except OSError as error:
            message = f"cannot read {self.path}: {error.strerror or error}"
            raise CommandError(message, self.column, length=len(self.path)) from None

    def redo(self, machine: Machine, entry: Entry, until: int) -> None:
        raise AssertionError("a replayed trace is redone by the session, which knows where in it a checkpoint lies")


@verb("note TEXT", examples=("note OUT falls for one clock",))
@click.argument("text", nargs=-1, type=click.UNPROCESSED)
def note(text: tuple[str, ...]) -> Note:
    """Say something to whoever plays the script. It stays in the log and changes nothing."""
    return Note(" ".join(text))


@verb(
    "expect COND | COMMAND OP VALUE | fault COMMAND | refused COMMAND",
    examples=("expect pit.ch0.out == 1", "expect inb 40h == a9h"),
    completes=("condition",),
)
@click.argument("what", nargs=-1, type=click.UNPROCESSED)
@click.pass_obj
def expect(words: Words, what: tuple[Token, ...]) -> Command:
    """State what must be so: a condition, what a command returns, that a command faults in the guest, or that it would
    be refused as making no sense now. One that is not met fails the script.
    """
    from timerlab.commands import group, parse_tokens

    tokens = list(what)
    end = tokens[-1].column + len(tokens[-1]) if tokens else words.end
    if tokens and tokens[0] in ("fault", "refused"):
        if len(tokens) < 2:
            raise CommandError(f"{tokens[0]} wants a command after it", end, incomplete=True)
        return ExpectResult(_instant(parse_tokens(tokens[1:], words), tokens[1]), str(tokens[0]))
    if tokens and tokens[0].lower() in group.commands:
        tokens = separate(tokens)
        if len(tokens) < 3 or tokens[-2] not in OPS:
            raise CommandError(
                f"expect COMMAND wants a comparison at its end: {'  '.join(OPS)} and a value", end, incomplete=True
            )
        action = _instant(parse_tokens(tokens[:-2], words), tokens[0])
        return ExpectResult(action, parse_op(tokens[-2]), parse_value(tokens[-1]))
    return Expect(parse_condition(tokens, words, end))


def _instant(action: Command, word: Token) -> Instant:
    if not isinstance(action, Instant) or not action.logged or action.kind != "command":
        fail(f"{word} gives no value to expect", word)
    return action


@verb("load NAME | FILE", examples=("load hz-1000",), completes=("preset",))
@click.argument("name", type=click.UNPROCESSED)
def load(name: str) -> Load:
    """Open a preset by its name, or a file that `save` wrote. On the screen it is played line by line."""
    return Load(str(name), getattr(name, "column", 1))


@verb("save FILE", examples=("save mine.timerlab",), completes=("file",))
@click.argument("path", type=click.UNPROCESSED, metavar="FILE")
def save(path: str) -> Save:
    """Write the session as a script that anyone can replay to the nanosecond."""
    return Save(str(path), getattr(path, "column", 1))


@verb(
    "replay TRACE [--paced] [--skip-bad] [--most N]",
    examples=("replay seabios-pc.trace.gz", "replay boot.log --paced"),
    completes=("trace",),
)
@click.argument("path", type=click.UNPROCESSED, metavar="TRACE")
@click.option("--skip-bad", is_flag=True, help="pass over lines that cannot be read")
@click.option("--paced", is_flag=True, help="on the screen: at the session's rate instead of at once")
@click.option("--most", type=click.IntRange(0), help="only so many accesses")
def replay(path: str, skip_bad: bool, paced: bool, most: int | None) -> ReplayTrace:
    """Play the timer accesses of a QEMU trace at their times, and compare every read."""
    return ReplayTrace(str(path), skip_bad, paced, most, getattr(path, "column", 1))


@verb("quit", examples=("quit",))
def quit() -> Quit:
    """Leave."""
    return Quit()
