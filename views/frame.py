"""One picture of a session, taken once a tick: all that a panel may see.

A panel never reads the session itself. It gets a `Frame`: the values, the marks and the few questions about time
(waves, edges, events) that are answered for this very moment and remembered for it, so that two panels that ask the
same pay once. While nothing changes, `Camera.take` returns the very same frame, and a panel that gets it has nothing
to do.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, Protocol, TypeVar

from timerlab.views.marks import Marks

__all__ = ["Camera", "Clock", "Entry", "Event", "Frame", "Outcome", "Settings", "Source", "Wave"]

T = TypeVar("T")


class Wave(Protocol):
    """A line between two moments: the level before, and for each cell its edges and the level at its end."""

    @property
    def start(self) -> int:
        """The level just before the first cell."""

    @property
    def counts(self) -> Sequence[int]:
        """Edges in each cell."""

    @property
    def levels(self) -> Sequence[int]:
        """The level at the end of each cell."""


class Outcome(Protocol):
    """What a command gave: an effect in words, perhaps a fault."""

    @property
    def text(self) -> str:
        """The effect, then the value."""

    @property
    def fault(self) -> str | None:
        """The fault, if there was one."""

    @property
    def ok(self) -> bool:
        """False for an expectation that was not met."""


class Entry(Protocol):
    """One line of the session's log."""

    @property
    def index(self) -> int:
        """Its number, as `goto #N` takes it."""

    @property
    def t_ns(self) -> int:
        """When it began."""

    @property
    def end_ns(self) -> int:
        """When it had ended."""

    @property
    def text(self) -> str:
        """The command or the note."""

    @property
    def kind(self) -> str:
        """What it is: command, advance, note, expect, replay."""

    @property
    def result(self) -> Outcome | None:
        """What it gave."""


class Event(Protocol):
    """An edge that a device made, or many alike as one."""

    @property
    def t_ns(self) -> int:
        """When, or when the first."""

    @property
    def last_ns(self) -> int:
        """When the last."""

    @property
    def source(self) -> str:
        """The line: `irq.0`."""

    @property
    def kind(self) -> str:
        """What it was: rise or fall."""

    @property
    def count(self) -> int:
        """How many."""


class Settings(Protocol):
    """What the session was made with."""

    @property
    def profile(self) -> str:
        """The chipset whose answers it gives."""

    @property
    def vcpus(self) -> int:
        """How many vCPUs the guest has."""

    @property
    def guest(self) -> str:
        """What drives the guest."""

    @property
    def start(self) -> str:
        """The calendar moment of time zero, in ISO form."""

    @property
    def pit_hz(self) -> Fraction:
        """The PIT's clock."""

    @property
    def tsc_khz(self) -> Fraction:
        """The TSC's clock, in kHz."""

    @property
    def apic_bus_hz(self) -> Fraction:
        """The clock of the local APICs' timers."""

    @property
    def hpet_period_fs(self) -> int:
        """The length of an HPET tick in fs."""

    @property
    def hpet_timers(self) -> int:
        """How many timers the HPET has."""

    @property
    def quirks(self) -> Mapping[str, str]:
        """Every quirk with the value that it runs with."""


class Clock(Protocol):
    """A clock of the guest's system, against true time."""

    @property
    def clock(self) -> str:
        """Its name: ticks, tsc, hpet."""

    @property
    def believes(self) -> int:
        """ns since the system was booted, by this clock."""

    @property
    def drift(self) -> int:
        """That minus true time, in ns."""

    @property
    def rate(self) -> Fraction | None:
        """By what share of one it runs fast now; None where that cannot be said."""

    @property
    def resolution(self) -> int:
        """ns between two values."""

    @property
    def why(self) -> str:
        """What its error comes from."""


class Source(Protocol):
    """The questions of a session that are answered late, only when a panel asks."""

    @property
    def log(self) -> Sequence[Any]:
        """All entries, oldest first."""

    def wave(self, name: str, lo_ns: int, hi_ns: int, cells: int) -> Wave:
        """A line as cells."""

    def edge(self, name: str, ns: int, direction: int) -> tuple[int, int] | None:
        """The next or the previous edge and the level after it."""

    def events(self, lo_ns: int, hi_ns: int, limit: int) -> Sequence[Any]:
        """What happened between two moments, at most so many rows."""

    def lines(self) -> Sequence[str]:
        """The lines that can be drawn."""

    def memory(self) -> Mapping[int, bytes]:
        """Guest RAM that was written: pages of 4 KiB by their number, those that are not all zero."""

    def clocks(self) -> Sequence[Any]:
        """What each clock of the guest's system believes; none before it is booted."""

    def track(self) -> Sequence[tuple[int, Mapping[str, int]]]:
        """The drifts of those clocks that were sampled: (ns, drift by clock), oldest first."""


@dataclass(frozen=True, eq=False)
class Frame:
    """The session at one moment; two frames are the same only if they are the same object."""

    now: int
    """Virtual ns."""
    peeks: Mapping[str, int | str | None]
    """Every value by its name."""
    source: Source
    """Who answers `wave`, `edge` and `events`."""
    options: Settings
    """What the session was made with."""
    marks: Mapping[str, str] = field(default_factory=dict)
    """The change mark of each value that carries one."""
    next: tuple[int, str] | None = None
    """When and where the next edge comes."""
    running: bool = False
    """Whether virtual time advances by itself."""
    rate: Fraction = Fraction(1)
    """Virtual ns for a host ns."""
    lag: int = 0
    """Host ns by which virtual time is behind."""
    notice: str = ""
    """What the last late wake-up did."""
    past: bool = False
    """Whether this is before the end of the session."""
    position: int = 0
    """How many log entries have been executed."""
    end_ns: int = 0
    """The end of the session."""
    stops: int = 0
    """The session's count of stops."""
    ascii: bool = False
    """Whether to draw with ASCII signs alone."""
    _known: dict[Any, Any] = field(default_factory=dict, repr=False)

    def number(self, name: str) -> int:
        """A value as a number; 0 where there is none."""
        value = self.peeks.get(name)
        return value if isinstance(value, int) else 0

    def wave(self, name: str, lo_ns: int, hi_ns: int, cells: int) -> Wave:
        """A line between two moments as so many cells; beyond now it is a prediction."""
        return self._once(("wave", name, lo_ns, hi_ns, cells), lambda: self.source.wave(name, lo_ns, hi_ns, cells))

    def edge(self, name: str, ns: int, direction: int) -> tuple[int, int] | None:
        """The next (+1) or previous (−1) edge of a line strictly off `ns`, with the level after it."""
        return self._once(("edge", name, ns, direction), lambda: self.source.edge(name, ns, direction))

    def events(self, lo_ns: int, hi_ns: int, limit: int) -> Sequence[Event]:
        """What the lines did between two moments, in at most `limit` rows."""
        return self._once(("events", lo_ns, hi_ns, limit), lambda: self.source.events(lo_ns, hi_ns, limit))

    @property
    def log(self) -> Sequence[Entry]:
        """The session's log, oldest first."""
        return self.source.log

    def memory(self) -> Mapping[int, bytes]:
        """Guest RAM that was written: pages of 4 KiB by their number, those that are not all zero."""
        return self._once("memory", self.source.memory)

    def clocks(self) -> Sequence[Clock]:
        """What each clock of the guest's system believes; none before it is booted."""
        return self._once("clocks", self.source.clocks)

    def track(self) -> Sequence[tuple[int, Mapping[str, int]]]:
        """The drifts of those clocks that were sampled, oldest first."""
        return self._once("track", self.source.track)

    def lines(self) -> Sequence[str]:
        """The names of all lines that can be drawn."""
        return self._once("lines", self.source.lines)

    def _once(self, key: object, ask: Callable[[], T]) -> T:
        """Ask once for this frame."""
        if key not in self._known:
            self._known[key] = ask()
        known: T = self._known[key]
        return known


class Camera:
    """Takes the frames of one session."""

    def __init__(self, session: Any, pacer: Any = None, clock: Callable[[], int] = time.monotonic_ns) -> None:
        self.session = session
        self.pacer = pacer
        self.ascii = False
        self._clock = clock
        self._marks = Marks()
        self._key: tuple[Any, ...] = ()
        self._frame: Frame | None = None

    def aim(self, session: Any, pacer: Any = None) -> None:
        """Turn to another session, as after `load` or a lesson."""
        self.session, self.pacer = session, pacer
        self._frame = None
        self._marks.forget()

    def take(self) -> Frame:
        """The frame of this moment: the very last one, if nothing has changed since."""
        s, host_ns = self.session, self._clock()
        lag = self.pacer.lag_ns if self.pacer else 0
        notice = self.pacer.notice if self.pacer else ""
        key = (s.now, s.stops, len(s.log), s.position, s.running, s.rate, s.past, lag, notice, self.ascii)
        if self._frame is not None and key == self._key and not self._marks.due(host_ns, s.running):
            return self._frame
        peeks = s.peeks()
        self._key = key
        self._frame = Frame(
            now=s.now,
            peeks=peeks,
            source=s,
            options=s.options,
            marks=self._marks.watch(peeks, s.stops, s.running, host_ns),
            next=s.next_event(),
            running=s.running,
            rate=s.rate,
            lag=lag,
            notice=notice,
            past=s.past,
            position=s.position,
            end_ns=s.end_ns,
            stops=s.stops,
            ascii=self.ascii,
        )
        return self._frame
