"""What a command is to the session: a verb with typed arguments, done at once or in steps.

A `Command` is kept in the log as it was parsed, so that replay parses nothing. `Instant` ones are over when they
return; `Long` ones are generators that yield whenever their budget is spent, and a `Job` drives either
kind in the same way, for the screen's pump, the CLI and tests alike.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Literal

if TYPE_CHECKING:
    from timerlab.machine import Machine
    from timerlab.session import Session

Kind = Literal["command", "advance", "note", "expect", "replay"]
Styled = tuple[str, str]
"""A piece of text with the role in which a screen shows it (strong, label, fault, ...)."""

BUDGET = 10_000
"""Steps of work between two looks at the outside, where nobody asks for another number."""


LATE: Mapping[str, str] = {
    "carry_on": "host time that was slept through is left out: carry on from now",
    "catch_up": "host time that was slept through is made up for: catch up",
}
"""What can be done about a host that slept, or a process that was stopped."""


@dataclass(slots=True)
class Result:
    """What a command gave: a value, a guest fault, and a sentence that says the effect first. `ok` is False for an
    expectation not met.
    """

    value: int | None = None
    text: str = ""
    fault: str | None = None
    ok: bool = True


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a job is: `done` of `total` (0: unknown), and where it stands in words."""

    done: int
    total: int
    text: str


Work = Generator[Progress, int, Result]
"""A long command at work: it is sent a budget of steps, and yields its progress when that is spent."""


class Command(ABC):
    """A parsed command. `logged` ones are part of what a machine is a function of."""

    logged: ClassVar[bool] = True
    kind: ClassVar[Kind] = "command"

    @abstractmethod
    def text(self) -> str:
        """The command as a person would type it."""

    def redo(self, machine: Machine, entry: Entry, until: int) -> None:
        """Do to the machine what the entry did, but nothing after moment `until`. By default only time passed."""
        machine.advance(min(entry.end_ns, until))


class Instant(Command):
    """A command that is over when `run` returns."""

    @abstractmethod
    def run(self, session: Session) -> Result:
        """Carry it out; CommandError before anything has changed, where it makes no sense."""


class Long(Command):
    """A command that may take long."""

    def prepare(self, session: Session) -> Generator[Progress, int, Any]:
        """Get ready what `work` will need, and change nothing; CommandError where it cannot be had."""
        yield from ()

    @abstractmethod
    def work(self, session: Session, entry: Entry, ready: Any) -> Work:
        """Carry it out in steps; whatever it has done when it is stopped stays done."""


@dataclass(slots=True)
class Entry:
    """A line of the log: what was done at `t_ns`, and when it was over."""

    index: int
    t_ns: int
    end_ns: int
    action: Command
    typed: str = ""
    result: Result | None = None

    @property
    def kind(self) -> Kind:
        """What sort of entry it is."""
        return self.action.kind

    @property
    def text(self) -> str:
        """The command, as typed or as it would be."""
        return self.typed or self.action.text()


@dataclass(slots=True)
class Job:
    """A command at work. `step` until `finished`; then `result` is there. `cancel` leaves the machine at the last whole
    step.
    """

    work: Work | None = None
    result: Result | None = None
    _progress: Progress = field(default_factory=lambda: Progress(0, 1, ""))

    @property
    def finished(self) -> bool:
        """Whether there is nothing left to do."""
        return self.work is None

    def step(self, budget: int = BUDGET) -> Progress:
        """Do about `budget` steps of work."""
        if self.work is not None:
            try:
                self._progress = self.work.send(budget) if self._progress.text else next(self.work)
            except StopIteration as end:
                self.work, self.result = None, end.value
                self._progress = Progress(1, 1, "done")
            except BaseException:
                self.work = None
                raise
        return self._progress

    def finish(self) -> Result:
        """Do all of it."""
        while not self.finished:
            self.step()
        assert self.result is not None
        return self.result

    def cancel(self) -> None:
        """Stop here. What was done stays done, and stands in the log."""
        if self.work is not None:
            self.work.close()
            self.work, self.result = None, Result(text="stopped")
