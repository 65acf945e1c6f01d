"""`skip until step`: time that passes; `run pause rate`: how it passes on the screen."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any, ClassVar

import click

from timerlab.command import LATE, Command, Entry, Instant, Long, Progress, Result, Work
from timerlab.commands.verb import TimeType, Words, fail, verb
from timerlab.conditions import Condition, Turn, parse_condition, unknown
from timerlab.errors import CommandError
from timerlab.text import count, duration, moment, plural
from timerlab.tokens import Token
from timerlab.units import LONGEST_NS, Span, parse_rate, parse_time

DEFAULT_LIMIT = Span(1_000_000_000)

if TYPE_CHECKING:
    from timerlab.session import Session


@dataclass(frozen=True, slots=True)
class Skip(Instant):
    """Let time pass at once."""

    span: Span

    def text(self) -> str:
        return f"skip {self.span}"

    def run(self, session: Session) -> Result:
        machine = session.machine
        to = self.span.after(machine.now, machine.board.clocks)
        if to == machine.now:
            return Result(text="nothing to skip")
        before = machine.peeks()
        start = machine.now
        machine.advance(to)
        after = machine.peeks()
        edges = after["irq.0.edges"] - before["irq.0.edges"]
        raised = f", IRQ0 rose {plural(edges, 'time')}" if edges else ""
        return Result(text=f"{duration(to - start)} later{raised}")


@dataclass(frozen=True, slots=True)
class Step(Instant):
    """Go to the next event, or to the next edge of a line."""

    line: str | None = None

    def text(self) -> str:
        return f"step {self.line}" if self.line else "step"

    def run(self, session: Session) -> Result:
        machine = session.machine
        if self.line is None:
            event = machine.next_event()
            if event is None or event[0] > machine.now + LONGEST_NS:
                return Result(text="no event ahead: nothing counts to an edge")
            at, name = event
        else:
            edge = machine.next_edge(self.line, machine.now + session.horizon)
            if edge is None:
                return Result(text=f"no edge of {self.line} ahead")
            at, name = edge[0], self.line
        start = machine.now
        machine.advance(at)
        arrow = "↑" if machine.turned(name, 1) else "↓"
        return Result(at, f"{name} {arrow} after {duration(at - start)}")


@dataclass(frozen=True, slots=True)
class Until(Long):
    """Let time pass until a condition holds."""

    condition: Condition
    limit: Span = DEFAULT_LIMIT

    def text(self) -> str:
        return f"until {self.condition}" + ("" if self.limit == DEFAULT_LIMIT else f" limit {self.limit}")

    def work(self, session: Session, entry: Entry, ready: Any) -> Work:
        machine, start = session.machine, session.machine.now
        end = self.limit.after(start, machine.board.clocks)
        steps = 0
        budget = yield Progress(0, end - start, f"until {self.condition}")
        # an edge that is now was waited for already
        held = not isinstance(self.condition, Turn) and self.condition.now(machine)
        while not held:
            at = self.condition.next_try(machine, end)
            if at is None or at > end or at <= machine.now:
                break
            machine.advance(at)
            held = self.condition.now(machine)
            steps += 1
            if steps >= budget:
                steps = 0
                far = f"{duration(machine.now - start)} of {duration(end - start)}"
                budget = yield Progress(machine.now - start, end - start, f"until {self.condition}: {far}")
        if held:
            return Result(machine.now, f"{self.condition} after {duration(machine.now - start)}")
        machine.advance(end)
        if not isinstance(self.condition, Turn) and self.condition.now(machine):
            since = "since when is not known: this value is looked at where the machine can change"
            return Result(machine.now, f"{self.condition} after {duration(machine.now - start)}, {since}")
        return Result(text=f"{self.condition} not within {duration(end - start)}")


class View(Instant):
    """A command of the session or the screen, which the log does not keep."""

    logged: ClassVar[bool] = False


@dataclass(frozen=True, slots=True)
class Run(View):
    """Let time pass at the session's rate; `span` limits it."""

    span: Span | None = None

    def text(self) -> str:
        return f"run {self.span}" if self.span else "run"

    def run(self, session: Session) -> Result:
        if not session.paced:
            if self.span is None:
                message = "run without a time needs a screen to pace it: write run TIME or skip TIME"
                raise CommandError(message, length=3)
            return session.perform(Skip(self.span)).finish()
        session.running = True
        session.run_until = None
        if self.span is not None:
            session.run_until = self.span.after(session.now, session.machine.board.clocks)
        return Result(text=f"running until {moment(session.run_until)}" if session.run_until else "running")


@dataclass(frozen=True, slots=True)
class Pause(View):
    """Stop the pacing."""

    def text(self) -> str:
        return "pause"

    def run(self, session: Session) -> Result:
        session.pause()
        return Result(text=f"paused at {moment(session.now)}")


@dataclass(frozen=True, slots=True)
class Rate(View):
    """How fast virtual time runs."""

    rate: Fraction

    def text(self) -> str:
        return f"rate {self.rate}"

    def run(self, session: Session) -> Result:
        session.rate = self.rate
        return Result(text=rate_words(self.rate))


@dataclass(frozen=True, slots=True)
class Late(View):
    """What to do about host time that was slept through."""

    policy: str

    def text(self) -> str:
        return f"rate {self.policy}"

    def run(self, session: Session) -> Result:
        session.late = self.policy
        return Result(text=LATE[self.policy])


def rate_words(rate: Fraction) -> str:
    """A rate in words: `real time`, `1/1000 of real time, 1 ms in 1 s`."""
    if rate == 1:
        return "real time"
    if rate > 1 and rate.denominator == 1:
        return f"{count(int(rate))} times real time"
    return f"{duration(rate * 1_000_000_000)} in each second"


@verb("skip TIME", examples=("skip 10ms", "skip 100pit", "skip 1y"), completes=("time",))
@click.argument("time", type=TimeType())
def skip(time: Span) -> Skip:
    """Let so much time pass at once: ns us ms s min hr day y, or ticks of a clock.

    A bare number is ns. `100pit` is to the hundredth clock of the PIT after the present one.
    """
    return Skip(time)


@verb("step [LINE | N CLOCK]", examples=("step", "step irq.0", "step 5pit"), completes=("line",))
@click.argument("what", nargs=-1, type=click.UNPROCESSED)
@click.pass_obj
def step(words: Words, what: tuple[Token, ...]) -> Command:
    """Go to the next event, to the next edge of LINE, or N ticks of a clock ahead (`step 5pit` is `skip 5pit`)."""
    if not what:
        return Step()
    if len(what) == 2 and what[0].isdecimal() and what[1] in words.clocks:
        try:
            return Skip(parse_time(what[0] + what[1], words.clocks))
        except ValueError as error:
            fail(str(error), what[0])
    if len(what) > 1:
        fail(f"{what[1]} is one word too many: step, step LINE or step 5pit", what[1])
    if what[0] in words.lines:
        return Step(str(what[0]))
    if what[0][0].isdigit():
        try:
            span = parse_time(what[0], words.clocks)
        except ValueError as error:
            fail(str(error), what[0])
        if span.clock is None:
            clocks = f"{span.amount}pit" if what[0].isdecimal() else "5pit"
            fail(f"step counts clocks: write {clocks}, or skip {what[0]}", what[0], clocks)
        return Skip(span)
    raise unknown("line", what[0], words.lines)


@verb(
    "until COND [limit TIME]",
    examples=("until rise irq.0", "until pit.ch0.ce == 100", "until port61.out2 limit 100ms"),
    completes=("condition",),
)
@click.argument("cond", nargs=-1, type=click.UNPROCESSED)
@click.pass_obj
def until(words: Words, cond: tuple[Token, ...]) -> Until:
    """Let time pass until the first ns at which a condition holds, for 1 s at most unless a limit is given.

    COND is `PEEK == VALUE` (also != < <= > >=), `PEEK` alone, `rise LINE`, `fall LINE` or `at TIME`. Counters are
    reached in closed form.
    """
    tokens, limit = list(cond), DEFAULT_LIMIT
    marks = [i for i, word in enumerate(tokens) if word == "limit"]
    if marks:
        rest = tokens[marks[0] + 1 :]
        if len(rest) != 1:
            fail("limit wants one time after it", rest[1] if rest else tokens[marks[0]])
        try:
            limit = parse_time(rest[0], words.clocks)
        except ValueError as error:
            fail(str(error), rest[0])
        tokens = tokens[: marks[0]]
    end = tokens[-1].column + len(tokens[-1]) if tokens else cond[0].column if cond else words.end
    return Until(parse_condition(tokens, words, end), limit)


@verb("run [TIME]", examples=("run", "run 10ms"), completes=("time",))
@click.argument("time", type=TimeType(), required=False)
def run(time: Span | None) -> Run:
    """Let time pass at the session's rate, for TIME or until paused. Without a screen, `run TIME` is `skip TIME`."""
    return Run(time)


@verb("pause", examples=("pause",))
def pause() -> Pause:
    """Stop time."""
    return Pause()


@verb("rate RATE", examples=("rate 1", "rate 1/1000", "rate 1pit/s", "rate catch_up"), completes=("rate",))
@click.argument("rate", type=click.UNPROCESSED)
@click.pass_obj
def rate(words: Words, rate: str) -> Command:
    """How fast virtual time runs against real time: 1, 1/1000, 10ms/s, 1pit/s, from 1/10000000 to 1000000.

    `rate carry_on` and `rate catch_up` choose what happens to host time that was slept through (a stopped process, a
    closed lid).
    """
    if rate in LATE:
        return Late(str(rate))
    try:
        return Rate(parse_rate(rate, words.clocks))
    except ValueError as error:
        fail(str(error), rate)
