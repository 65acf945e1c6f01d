"""A session: a machine, the log of what was done to it, and the way along that log.

This is what the screen, the CLI, scripts and other programs drive. Everything that changes goes through `perform`,
typed or not, and stands in the log; `run`, `pause`, `rate` and other things of the view are the session's own and
stay out of it. Host time is not known here: a pacer calls `pass_time`.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from fractions import Fraction
from operator import index
from typing import Any

from timerlab import assist, edges, options, saving
from timerlab.assist import Completion, Decode
from timerlab.command import LATE, Command, Entry, Instant, Job, Long, Result, Work
from timerlab.commands import parse
from timerlab.commands.io import Access
from timerlab.commands.time import Skip
from timerlab.commands.verb import Words
from timerlab.errors import CommandError
from timerlab.events import Event, events
from timerlab.feeding import Feeder
from timerlab.helptext import help_text
from timerlab.history import Advance, History
from timerlab.line import Wave
from timerlab.machine import Machine
from timerlab.tokens import strip_comment
from timerlab.units import LONGEST_NS, Span, parse_time
from timerlab.verbs import Verbs

HORIZON_NS = 3600 * 1_000_000_000
"""How far ahead an edge is looked for."""


class Session(Verbs):
    """A machine with its log, at virtual time 0 and paused.

    `profile` names a set of quirks and constants, `quirks` puts single ones on top; `pit_hz`, `tsc_khz`, `apic_bus_hz`
    (int or Fraction), `hpet_period_fs` and `hpet_timers` put other constants in the place of the profile's. `vcpus`
    is 1 to 64, `guest` says who takes interrupts: "none", "manual", "ideal" or "latency=50us". `start` is the calendar
    date of time 0, `pcpus` how many processors the host has, if not one for each vCPU. ValueError says which of them
    makes no sense.
    """

    horizon = HORIZON_NS

    def __init__(
        self,
        vcpus: int = 1,
        profile: str = "datasheet",
        guest: str = "none",
        start: str = "2026-01-01T00:00:00",
        pit_hz: int | Fraction | None = None,
        quirks: Mapping[str, str] | None = None,
        tsc_khz: int | Fraction | None = None,
        apic_bus_hz: int | Fraction | None = None,
        hpet_period_fs: int | None = None,
        hpet_timers: int | None = None,
        pcpus: int | None = None,
    ) -> None:
        self.options, config = options.checked(
            vcpus, profile, guest, start, pit_hz, quirks, tsc_khz, apic_bus_hz, hpet_period_fs, hpet_timers, pcpus
        )
        self.machine = Machine(config)
        self.history = History(self.machine)
        self.head: dict[str, str] = {}
        self.folder = ""
        self.running = False
        self.rate = Fraction(1)
        self.late = next(iter(LATE))
        self.run_until: int | None = None
        self.paced = False
        self.quitting = False
        self.stops = 0
        self.feeder = Feeder(self.history)
        self._job: Job | None = None
        self._again: tuple[tuple[int, ...], Machine] | None = None
        self._scout: tuple[tuple[int, ...], Machine] | None = None
        self._words: Words | None = None

    # -- time and log

    @property
    def now(self) -> int:
        """Virtual time in ns."""
        return self.machine.now

    @property
    def log(self) -> Sequence[Entry]:
        """What was done, in order. Read only."""
        return self.history.entries

    @property
    def position(self) -> int:
        """How many entries of the log are done."""
        return self.history.position

    @property
    def end_ns(self) -> int:
        """The time at the end of the log."""
        return max(self.history.end_ns, self.now if not self.past else 0)

    @property
    def past(self) -> bool:
        """Whether something of the log lies ahead."""
        return self.history.past

    # -- commands

    @property
    def words(self) -> Words:
        """The names that a command may use here."""
        if self._words is None:
            board = self.machine.board
            self._words = Words(
                board.clocks,
                self.machine.line_names(),
                list(dict.fromkeys((*self.machine.peeks(), *board.abouts, *self.machine.line_names()))),
                regs=board.regs,
                vcpus=self.options.vcpus,
                bases=(board.lapic_base(0),),
            )
        return self._words

    def parse(self, text: str) -> Command | None:
        """The command that a line asks for, or None for a comment; CommandError."""
        return parse(text, self.words)

    def begin(self, text: str) -> Job:
        """Start a typed command; CommandError where it cannot be read, with the state untouched."""
        action = self.parse(text)
        if action is None:
            return Job(result=Result())
        return self.perform(action, text.strip() if action.kind == "note" else strip_comment(text).strip())

    def do(self, text: str) -> Result:
        """Carry out a typed command to its end."""
        return self.begin(text).finish()

    def perform(self, action: Command, typed: str = "") -> Job:
        """Start a command; instant ones are done when this returns. A job that is still at work is stopped first."""
        if isinstance(action, Long):
            self.settle()
            self._job = Job(self._work(action, typed))
            return self._job
        assert isinstance(action, Instant)
        if not action.logged:
            self.stops += 1
            return Job(result=action.run(self))
        if isinstance(action, Access):
            try:
                action.check(self.machine)
            except ValueError as error:
                raise CommandError(str(error), 1, length=len(typed)) from None
        self.settle()
        entry = self.history.open(action, typed)
        result = action.run(self)
        self.history.close(entry, result)
        return Job(result=result)

    def _work(self, action: Long, typed: str) -> Work:
        """A long command: what it needs is got ready before anything changes; its entry tells what was done, however
        it ends.
        """
        ready = yield from action.prepare(self)
        entry = self.history.open(action, typed)
        try:
            result = yield from action.work(self, entry, ready)
        except GeneratorExit:
            if self.feeder.at_work:
                self.feeder.end()
            else:
                # what is left of it is the time that passed: done again, it would go on
                entry.action, entry.typed = Advance(), ""
                self.history.close(entry, Result(text=f"stopped: {action.text()}"))
            raise
        self.history.close(entry, result)
        return result

    def settle(self) -> None:
        """Before anything new: stop a job or a paced trace that is still at work. What they did stays."""
        self.stops += 1
        if self._job is not None:
            job, self._job = self._job, None
            job.cancel()
        if self.feeder.at_work:
            self.feeder.end()

    # -- time

    def skip(self, time: int | str) -> None:
        """Let `time` ns, or a time such as "10ms" or "100pit", pass; ValueError for less than none or more than a
        thousand years.
        """
        if isinstance(time, str):
            self._skip(parse_time(time, self.machine.board.clocks))
        else:
            self._skip(Span(self._whole(time, 0)))

    def skip_to(self, ns: int) -> None:
        """Let time pass to moment `ns`; ValueError for the past."""
        self._skip(Span(self._whole(ns, self.now) - self.now))

    def _skip(self, span: Span) -> None:
        self.settle()
        entry = self.history.open(Skip(span))
        self.machine.advance(span.after(self.now, self.machine.board.clocks))
        self.history.close(entry)

    @staticmethod
    def _whole(ns: int, least: int) -> int:
        """A time that is an int, not before `least` and at most a thousand years after it; TypeError, ValueError."""
        ns = index(ns)
        if not least <= ns <= least + LONGEST_NS:
            raise ValueError(f"{ns} ns is out of range: {least} to {least + LONGEST_NS}, time only goes on")
        return ns

    def next_event(self) -> tuple[int, str] | None:
        """(ns, line) of the next edge of an OUT or an interrupt line, or None."""
        return self.machine.next_event()

    def peek(self, name: str) -> Any:
        """A value without any side effect; KeyError for a name that there is not."""
        return self.machine.peek(name)

    def peeks(self) -> dict[str, Any]:
        """All values at once."""
        return self.machine.peeks()

    # -- travelling

    def goto(self, ns: int) -> None:
        """Go to a moment; beyond the end of the log, time is skipped. Nothing ahead is lost until something is typed
        there. ValueError for a moment before power-on, or more than a thousand years beyond the end.
        """
        if 0 <= index(ns) <= self.history.end_ns:
            self.settle()
            self.history.travel(ns)
        else:
            ahead = self._whole(ns, self.history.end_ns) - self.history.end_ns
            self.to_end()
            self._skip(Span(ahead))

    def goto_entry(self, index: int) -> None:
        """Go to where entry `index` of the log was just done; IndexError where there is none."""
        if not 0 <= index < len(self.log):
            raise IndexError(f"no entry {index}")
        self.settle()
        self.history.travel_to_entry(index + 1)

    def back(self) -> Entry | None:
        """Go back one stop, to before the last entry that was begun; the entry, or None at the beginning."""
        self.settle()
        position = self.position
        half = self.history.halfway
        if not half and not position:
            return None
        position -= not half
        entry = self.log[position]
        self.history.travel_to_entry(position)
        return entry

    def to_end(self) -> None:
        """Go to the end of the log."""
        self.settle()
        if self.past:
            self.history.travel_to_entry(len(self.log))

    # -- pacing: what the pacer calls

    def pass_time(self, to: int) -> None:
        """Let paced time pass up to moment `to`. In the past this plays what is recorded, and goes on from its end; a
        trace that ends pauses.
        """
        if self._job is not None and not self._job.finished:
            return
        if self.past:
            self.history.travel(min(to, self.history.end_ns))
            if to <= self.history.end_ns:
                return
        if self.feeder.at_work:
            if not self.feeder.pass_time(to):
                self.pause()
        elif to > self.now:
            self.history.advance(to)

    def pause(self) -> None:
        """Stop pacing."""
        self.running = False
        self.run_until = None
        self.stops += 1

    # -- files

    def save(self, path: str) -> tuple[str, int]:
        """Write what was done as a script; (the path, how many entries). OSError."""
        return saving.save(self, path)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Session:
        """The session that a script describes, at its end. OSError, ScriptError with file, line and column, or
        CommandError for a name that is neither a file nor a preset.
        """
        return saving.load(cls, path)

    def become(self, name: str, column: int = 1) -> int:
        """Turn into the session that a file describes; how many entries it has. CommandError, and then nothing has
        changed.
        """
        try:
            other = saving.load(type(self), name)
        except CommandError as error:
            raise CommandError(str(error), column, length=len(name)) from None
        except OSError as error:
            raise CommandError(f"cannot read {name}: {error}", column, length=len(name)) from None
        self.settle()
        self.machine, self.history, self.feeder = other.machine, other.history, other.feeder
        self.options, self.head, self.folder = other.options, other.head, other.folder
        self._words = self._again = self._scout = self.run_until = None
        self.running = False
        return len(self.log)

    # -- waves

    def lines(self) -> list[str]:
        """The wires that can be drawn."""
        return self.machine.line_names()

    def wave(self, name: str, lo: int, hi: int, cells: int) -> Wave:
        """A window of a wire in cells: what happened up to now, and what will if nothing is written; KeyError for an
        unknown wire.
        """
        return self._remembering(name, lo, hi).wave(name, lo, hi, cells)

    def edge(self, name: str, ns: int, direction: int) -> tuple[int, int] | None:
        """(ns, level) of the next (+1) or previous (-1) edge of a wire after or before `ns`, up to an hour ahead of
        now.
        """
        return edges.next_edge(self, name, ns) if direction > 0 else edges.previous_edge(self, name, ns)

    def events(self, lo: int, hi: int, limit: int) -> list[Event]:
        """What happened on the interrupt lines in `[lo, hi)`, in order; the last `limit` events."""
        return events(self._remembering("irq.0", lo, min(hi, self.now + 1)), lo, hi, limit)

    # -- the guest, for a screen

    def memory(self) -> Mapping[int, bytes]:
        """Guest RAM that was written: pages of 4 KiB by their number, those that are not all zero."""
        return dict(self.machine.board.ram.snapshot())

    def clocks(self) -> Sequence[Any]:
        """What each clock of the guest's operating system believes; none before it is booted."""
        return self.machine.board.os.rows(self.now)

    def track(self) -> Sequence[tuple[int, Mapping[str, int]]]:
        """The drifts of those clocks that were sampled, oldest first: (ns, drift by clock)."""
        return tuple(self.machine.board.os.track)

    def _remembering(self, name: str, lo: int, hi: int) -> Machine:
        """A machine that knows a window of a wire: this one, a copy that went on to `hi`, or, for what was long ago,
        one that went through it again from a checkpoint.
        """
        machine = self.machine
        if max(lo, 0) < machine.known_since(name) and not self.running:
            return self.again(max(lo, 0), hi)
        return self._scouted(hi) if hi > machine.now else machine

    def _scouted(self, hi: int) -> Machine:
        """A copy that went on to `hi`, or beyond, if nothing is written; a screen asks for many windows of one moment,
        and shares it.
        """
        key = (self.history.version, self.history.position, self.history.taken, self.now, self.stops)
        if self._scout is None or self._scout[0] != key or self._scout[1].config != self.machine.config:
            scout = Machine(self.machine.config) if self._scout is None else self._scout[1]
            if scout.config != self.machine.config:
                scout = Machine(self.machine.config)
            scout.restore(self.machine.snapshot())
            self._scout = (key, scout)
        if hi > self._scout[1].now:
            self._scout[1].advance(hi)
        return self._scout[1]

    def again(self, lo: int, hi: int) -> Machine:
        """A machine that went through `lo` to `hi` once more and remembers it."""
        key = (self.history.version, self.history.position, self.now, lo, hi)
        if self._again is None or self._again[0] != key:
            other = self.history.again(lo, min(hi, self.now))
            if hi > other.now:
                other.advance(hi)
            self._again = (key, other)
        return self._again[1]

    # -- help

    def decode(self, text: str) -> Decode:
        """What a line that is being typed says, and what it would do now."""
        return assist.decode(self, text)

    def complete(self, text: str) -> list[Completion]:
        """How a line may go on."""
        return assist.complete(self, text)

    def help_text(self, topic: str | None = None) -> str:
        """Help on a topic as Markdown; CommandError for one that there is not."""
        return help_text(self.machine, topic)
