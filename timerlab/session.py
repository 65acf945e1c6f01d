"""A session: a machine, the log of what was done to it, and the way along that log.

This is what the screen, the CLI, scripts and other programs drive. Everything that changes goes through `perform`,
typed or not, and stands in the log; `run`, `pause`, `rate` and other things of the view are the session's own and
stay out of it. Host time is not known here: a pacer calls `pass_time`.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from timerlab import assist, script
from timerlab.assist import Completion, Decode
from timerlab.bus import check_access
from timerlab.command import LATE, Action, Entry, Instant, Job, Long, Result, Work
from timerlab.commands import io, parse
from timerlab.commands.script import ReplayTrace
from timerlab.commands.time import Skip
from timerlab.commands.verb import Words
from timerlab.errors import CommandError, ScriptError
from timerlab.events import Event, events
from timerlab.helptext import help_text
from timerlab.history import Advance, History, Played
from timerlab.line import Wave, edge_after
from timerlab.machine import Config, Machine
from timerlab.replay import Feed
from timerlab.tokens import strip_comment
from timerlab.trace import Trace
from timerlab.units import LONGEST_NS, Span, parse_time

HORIZON_NS = 3600 * 1_000_000_000
"""How far ahead an edge is looked for."""


@dataclass(frozen=True, slots=True)
class Options:
    """What a session was made with. `pit_hz` and `quirks` are those that it runs with, given or not."""

    profile: str
    vcpus: int
    guest: str
    start: str
    pit_hz: Fraction
    quirks: dict[str, str]


def _version() -> str:
    try:
        return version("timerlab")
    except PackageNotFoundError:
        return "0"


class Session:
    """A machine with its log, at virtual time 0 and paused.

    `profile` names a set of quirks and constants, `quirks` puts single ones on top, `pit_hz` another clock for the
    PIT (int or Fraction). `start` is the calendar date of time 0. ValueError says which of them makes no sense. One
    vCPU, and nobody who takes interrupts (`guest="none"`), is what there is so far.
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
    ) -> None:
        if vcpus != 1:
            raise ValueError(f"vcpus cannot be {vcpus}: there is 1 so far")
        if guest != "none":
            raise ValueError(f"guest cannot be {guest!r}: none")
        try:
            datetime.fromisoformat(start)
        except ValueError:
            raise ValueError(f"start cannot be {start!r}: a date such as 2026-01-01T00:00:00") from None
        config = Config(profile, None if pit_hz is None else Fraction(pit_hz), tuple(sorted((quirks or {}).items())))
        self.machine = Machine(config)
        self.history = History(self.machine)
        self._given = {"profile": profile, "quirks": quirks, "pit_hz": pit_hz, "start": start}
        self.options = Options(profile, vcpus, guest, start, config.hz, dict(self.machine.quirks))
        self.head: dict[str, str] = {}
        self.folder = ""
        self.running = False
        self.rate = Fraction(1)
        self.late = next(iter(LATE))
        self.run_until: int | None = None
        self.paced = False
        self.quitting = False
        self.stops = 0
        self.feed: Feed | None = None
        self._feed_entry: Entry | None = None
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
            self._words = Words(board.clocks, self.machine.line_names(), list(self.machine.peeks()), regs=board.regs)
        return self._words

    def parse(self, text: str) -> Action | None:
        """The action that a line asks for, or None for a comment; CommandError."""
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

    def perform(self, action: Action, typed: str = "") -> Job:
        """Start an action; instant ones are done when this returns."""
        self.stops += 1
        if isinstance(action, Long):
            if self.feed is not None:
                self.end_feed()
            entry = self.history.open(action, typed)
            return Job(self._work(action, entry))
        assert isinstance(action, Instant)
        if not action.logged:
            return Job(result=action.run(self))
        if self.feed is not None:
            self.end_feed()
        entry = self.history.open(action, typed)
        try:
            result = action.run(self)
        except CommandError:
            self.history.undo(entry)
            raise
        self.history.close(entry, result)
        return Job(result=result)

    def _work(self, action: Long, entry: Entry) -> Work:
        """A long action with its entry kept true to what was done, however it ends."""
        try:
            result = yield from action.work(self, entry)
        except CommandError:
            self.history.undo(entry)
            raise
        except GeneratorExit:
            if self._feed_entry is entry:
                self.end_feed()
            else:
                self.history.close(entry, Result(text="stopped"))
            raise
        self.history.close(entry, result)
        return result

    # -- the contract's verbs

    def outb(self, port: int, value: int) -> None:
        """Write a byte to a port; ValueError for a value that does not fit."""
        self._write(port, value, 8)

    def outw(self, port: int, value: int) -> None:
        """Write a word, low byte first, to `port` and the next one."""
        self._write(port, value, 16)

    def outl(self, port: int, value: int) -> None:
        """Write a long, low byte first, to four ports from `port` on."""
        self._write(port, value, 32)

    def inb(self, port: int) -> int:
        """Read a byte from a port; FFh where nothing answers."""
        return self._read(port, 8)

    def inw(self, port: int) -> int:
        """Read a word from `port` and the next one."""
        return self._read(port, 16)

    def inl(self, port: int) -> int:
        """Read a long from four ports from `port` on."""
        return self._read(port, 32)

    def _write(self, port: int, value: int, width: int) -> None:
        check_access(port, width, value)
        self._prepare()
        entry = self.history.open(io.Out(port, value, width))
        self.machine.write(port, value, width)
        self.history.close(entry)

    def _read(self, port: int, width: int) -> int:
        check_access(port, width)
        self._prepare()
        entry = self.history.open(io.In(port, width))
        value = self.machine.read(port, width)
        self.history.close(entry, Result(value))
        return value

    def _prepare(self) -> None:
        self.stops += 1
        if self.feed is not None:
            self.end_feed()

    def skip(self, time: int | str) -> None:
        """Let `time` ns, or a time such as "10ms" or "100pit", pass; ValueError for less than none."""
        if isinstance(time, str):
            span = parse_time(time, self.machine.board.clocks)
        elif time < 0:
            raise ValueError(f"cannot skip {time} ns: time only goes on")
        elif time > LONGEST_NS:
            raise ValueError(f"cannot skip {time} ns: up to a thousand years")
        else:
            span = Span(time)
        self._skip(span)

    def skip_to(self, ns: int) -> None:
        """Let time pass to moment `ns`; ValueError for the past."""
        if ns < self.now:
            raise ValueError(f"{ns} ns is in the past, it is {self.now} ns")
        self._skip(Span(ns - self.now))

    def _skip(self, span: Span) -> None:
        self._prepare()
        entry = self.history.open(Skip(span))
        self.machine.advance(span.after(self.now, self.machine.board.clocks))
        self.history.close(entry)

    def reset(self) -> None:
        """A hardware reset."""
        self.perform(io.Reset())

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
        """Go to a moment; beyond the end of the log, time is skipped. Nothing ahead is lost until
        something is typed there.
        """
        if ns < 0:
            raise ValueError(f"{ns} ns is before power-on")
        self.stops += 1
        self.pause_feed()
        if ns <= self.history.end_ns:
            self.history.travel(ns)
        else:
            self.to_end()
            self._skip(Span(ns - self.now))

    def goto_entry(self, index: int) -> None:
        """Go to where entry `index` of the log was just done; IndexError where there is none."""
        if not 0 <= index < len(self.log):
            raise IndexError(f"no entry {index}")
        self.stops += 1
        self.pause_feed()
        self.history.travel_to_entry(index + 1)

    def back(self) -> Entry | None:
        """Go back one stop, to before the last entry that was begun; the entry, or None at the beginning."""
        self.stops += 1
        self.pause_feed()
        position = self.position
        half = self.past and self.now > self.log[position].t_ns
        if not half and not position:
            return None
        position -= not half
        entry = self.log[position]
        self.history.travel_to_entry(position)
        return entry

    def to_end(self) -> None:
        """Go to the end of the log."""
        self.stops += 1
        if self.past:
            self.history.travel_to_entry(len(self.log))

    # -- pacing: what the pacer calls

    def pass_time(self, to: int) -> None:
        """Let paced time pass up to moment `to`. In the past this plays what is recorded, and goes on from its end."""
        if self.past:
            self.history.travel(min(to, self.history.end_ns))
            if to <= self.history.end_ns:
                return
        if self.feed is not None and self._feed_entry is not None:
            self.feed.play(self.machine, 1 << 62, until=to)
            if not self.feed.over:
                self.machine.advance(to)
                self.history.fed(self._feed_entry, self.feed.at)
                return
            self.end_feed()
        if to > self.now:
            self.history.advance(to)

    def pause(self) -> None:
        """Stop pacing."""
        self.running = False
        self.run_until = None
        self.stops += 1

    # -- traces

    def open_feed(self, trace: Trace, entry: Entry, most: int | None) -> Feed:
        """Begin to play a trace: at its own times where they lie ahead, from now on where they do not."""
        first = trace.accesses[0].t_ns if trace.accesses else 0
        offset = 0 if self.now <= first else self.now
        self.history.played[entry.index] = Played(trace, offset, 0)
        self.feed, self._feed_entry = Feed(trace, offset, most), entry
        return self.feed

    def fed(self, feed: Feed) -> None:
        """A feed has come further."""
        if self._feed_entry is not None:
            self.history.fed(self._feed_entry, feed.at)

    def close_feed(self, feed: Feed) -> Result:
        """A feed has come to its end; what its reads were like."""
        self.fed(feed)
        self.feed = self._feed_entry = None
        total = feed.tally.total()
        bad = f"; {len(feed.trace.bad)} bad lines passed over" if feed.trace.bad else ""
        return Result(total.different, f"{feed.tally.words()}{bad}", ok=not total.different)

    def pause_feed(self) -> None:
        """Leave a feed where it is: it is played on only from where it is the present."""
        if self.feed is not None:
            self.end_feed()

    def end_feed(self) -> None:
        """Stop a paced feed; what it played stays, and its entry says how much that was."""
        feed, entry = self.feed, self._feed_entry
        if feed is None or entry is None:
            return
        result = self.close_feed(feed)
        if not feed.over and isinstance(entry.action, ReplayTrace):
            entry.action = entry.action.limited(feed.at)
        self.history.close(entry, result)

    # -- files

    def save(self, path: str) -> tuple[str, int]:
        """Write the session as a script; (the path, how many entries). A file that is there is replaced whole or not at
        all. OSError.
        """
        self.pause_feed()
        target = Path(path).expanduser()
        if not target.suffix:
            target = target.with_suffix(script.SUFFIX)
        lines = [f"#: {key} = {value}" for key, value in self._head().items()]
        waiting = False
        done = self.log[: self.position] if self.past else self.log
        for entry in done:
            if entry.kind == "advance":
                waiting = True
                continue
            lines.append(f"@{entry.t_ns} {entry.text}" if waiting else entry.text)
            # a replay that was stopped ends later than its last access
            waiting = entry.kind == "replay"
        if waiting or (self.past and self.now > (done[-1].end_ns if done else 0)):
            lines.append(f"@{self.now}")
        part = target.with_name(target.name + ".part")
        part.write_text("\n".join(lines) + "\n", encoding="utf-8")
        os.replace(part, target)
        return str(target), len(done)

    def _head(self) -> dict[str, str]:
        head = {
            "timerlab": _version(),
            **{k: v for k, v in self.head.items() if k not in ("timerlab", *script.OPTION_KEYS)},
        }
        head["profile"] = str(self._given["profile"])
        quirks = self._given["quirks"]
        if isinstance(quirks, Mapping) and quirks:
            head["quirks"] = " ".join(f"{name}={value}" for name, value in sorted(quirks.items()))
        if self._given["pit_hz"] is not None:
            head["pit_hz"] = str(self._given["pit_hz"])
        head["start"] = self.options.start
        return head

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Session:
        """The session that a script describes, at its end. OSError, or ScriptError with file, line and column."""
        name = os.fspath(path)
        text, name, folder = script.find(name)
        head = script.read_head(text, name)
        session = cls.from_head(head, name)
        session.folder = folder
        for line in script.read_lines(text, name, session.words):
            session.play_line(line, name)
        return session

    @classmethod
    def from_head(cls, head: Mapping[str, str], name: str) -> Session:
        """A fresh session with a head's options; ScriptError where they make no sense."""
        try:
            session = cls(**script.head_options(head))  # type: ignore[arg-type]
        except ValueError as error:
            raise ScriptError(name, CommandError(str(error))) from None
        session.head = dict(head)
        return session

    def play_line(self, line: script.Line, name: str) -> Result | None:
        """Carry out a line of a script; ScriptError where it makes no sense at that place."""
        try:
            if line.at_ns is not None:
                if line.at_ns < self.now:
                    raise CommandError(f"@{line.at_ns} is in the past, it is {self.now} ns")
                self.history.advance(line.at_ns)
            return None if line.action is None else self.perform(line.action, line.text).finish()
        except CommandError as error:
            error.line = line.number
            raise ScriptError(name, error) from None

    def become(self, name: str, column: int = 1) -> int:
        """Turn into the session that a file describes; how many commands it holds. CommandError, and then nothing has
        changed.
        """
        try:
            other = Session.load(name)
        except CommandError as error:
            raise CommandError(str(error), column, length=len(name)) from None
        except (OSError, UnicodeDecodeError) as error:
            raise CommandError(f"cannot read {name}: {error}", column, length=len(name)) from None
        kept = self.stops, self.paced, self.late
        self.__dict__.update(other.__dict__)
        self.stops, self.paced, self.late = kept[0] + 1, kept[1], kept[2]
        return len(self.log)

    # -- waves

    def lines(self) -> list[str]:
        """The wires that can be drawn."""
        return self.machine.line_names()

    def wave(self, name: str, lo: int, hi: int, cells: int) -> Wave:
        """A window of a wire in cells: what happened up to now, and what will if nothing is written; KeyError for an
        unknown wire.
        """
        machine = self.machine
        if hi > machine.now:
            machine = machine.ahead(hi)
        if max(lo, 0) < machine.known_since(name):
            machine = self._remembered(lo, hi)
        return machine.wave(name, lo, hi, cells)

    def _remembered(self, lo: int, hi: int) -> Machine:
        """A machine that remembers a window which this one has forgotten: it went through it again
        from a checkpoint.
        """
        other = self.history.again(max(lo, 0), min(hi, self.now))
        if hi > other.now:
            other.advance(hi)
        return other

    def edge(self, name: str, ns: int, direction: int) -> tuple[int, int] | None:
        """(ns, level) of the next (+1) or previous (-1) edge of a wire after or before `ns`, up to
        an hour ahead of now.
        """
        machine = self.machine
        if direction < 0:
            if ns > machine.now:
                machine = machine.ahead(ns)
            return machine.edge_before(name, ns)
        if ns >= machine.now:
            return machine.ahead(ns).next_edge(name, ns + self.horizon)
        return edge_after(machine.history(name)[1], ns) or machine.next_edge(name, ns + self.horizon)

    def events(self, lo: int, hi: int, limit: int) -> list[Event]:
        """What happened on the interrupt lines in `[lo, hi)`, as far as it is remembered; the last `limit` events."""
        return events(self.machine, lo, hi, limit)

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


__all__ = ["Advance", "Options", "Session"]
