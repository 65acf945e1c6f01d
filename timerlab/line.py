"""Wires: a level that changes, and the trains of edges that it saw.

A chip that is brought from one moment to another tells what its output did meanwhile as a few `Train`s: a first
edge, a rhythm, a count. A year of a 1000 Hz square wave is one train. A `Line` keeps its level, how often it rose,
and a bounded ring of the latest trains, which is enough to draw any window that the ring still covers; what is older
is computed again from a checkpoint.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from timerlab.clock import NANOSECONDS, Clock

RING = 256
"""How many trains a line remembers. A steady wave is one train, however long it lasts."""

FOREVER = 1 << 100
"""The count of a train without an end: more edges than any clock makes in the age of the world."""


@dataclass(frozen=True, slots=True)
class Train:
    """`count` edges on ticks of `clock`, level and not level in turn.

    The first edge, at tick `first`, goes to `level`; the second comes `hold` ticks later, the third `rest` ticks
    after that, and so on. One edge alone has count 1, and neither interval matters.
    """

    clock: Clock
    first: int
    level: int
    hold: int
    rest: int
    count: int

    @classmethod
    def edge(cls, ns: int, level: int) -> Train:
        """A single edge to `level` at nanosecond `ns`, as a command makes it."""
        return cls(NANOSECONDS, ns, level, 0, 0, 1)

    @property
    def last_level(self) -> int:
        """The level after the last edge."""
        return self.level if self.count & 1 else 1 - self.level

    @property
    def rises(self) -> int:
        """How many of the edges go up."""
        return (self.count + self.level) // 2

    def tick(self, index: int) -> int:
        """The tick of edge `index`, 0 being the first."""
        pairs, odd = divmod(index, 2)
        return self.first + pairs * (self.hold + self.rest) + (self.hold if odd else 0)

    def ns(self, index: int) -> int:
        """The nanosecond of edge `index`."""
        return self.clock.ns(self.tick(index))

    def upto(self, tick: int) -> int:
        """How many edges fall at or before `tick`."""
        past = tick - self.first
        if past < 0:
            return 0
        period = self.hold + self.rest
        if not period:
            return self.count
        pairs, part = divmod(past, period)
        return min(self.count, 2 * pairs + (2 if part >= self.hold else 1))

    def until(self, ns: int) -> int:
        """How many edges fall at or before nanosecond `ns`."""
        return self.upto(self.clock.ticks(ns))

    def cut(self, lo: int, hi: int) -> Train | None:
        """Its edges on ticks `lo < tick <= hi`, or None where there are none."""
        skipped = self.upto(lo) if lo >= self.first else 0
        count = self.upto(hi) - skipped
        if count <= 0:
            return None
        if skipped & 1:
            return Train(self.clock, self.tick(skipped), 1 - self.level, self.rest, self.hold, count)
        return Train(self.clock, self.tick(skipped), self.level, self.hold, self.rest, count)

    def followed_by(self, other: Train) -> Train | None:
        """Both as one train, where `other` goes on in the same rhythm; None where it does not."""
        if other.clock != self.clock or other.level == self.last_level:
            return None
        if self.count == 1 and other.count > 1:
            # one edge has no rhythm of its own: it takes the other's, turned by one edge
            hold, rest = other.rest, other.hold
        else:
            hold, rest = self.hold, self.rest
        joined = Train(self.clock, self.first, self.level, hold, rest, self.count + other.count)
        if joined.tick(self.count) != other.first or hold + rest == 0:
            return None
        if other.count > 1 and joined.tick(self.count + 1) != other.first + other.hold:
            return None
        if other.count > 2 and hold + rest != other.hold + other.rest:
            return None
        return joined


@dataclass(frozen=True, slots=True)
class Gap:
    """Edges that are counted and not kept: `rises` and `falls` of them, the last at or before nanosecond `until`."""

    rises: int
    falls: int
    until: int


@dataclass(frozen=True, slots=True)
class Wave:
    """A window of a line in cells: the level before it, the edges in each cell, and the level at each cell's end."""

    start: int
    counts: list[int]
    levels: list[int]


class Line:
    """A wire. `level` is what it carries now, `edges` how often it rose since power-on.

    Several drivers on one line are wired-or: each `driver()` is an input of its own, and the line is high while any
    of them is.
    """

    __slots__ = ("edges", "keeps", "known_since", "level", "name", "ring", "sinks", "start")

    def __init__(self, name: str, level: int = 0) -> None:
        self.name = name
        self.level = level
        self.edges = 0
        self.start = level
        """The level before the oldest train in the ring."""
        self.known_since = 0
        """The nanosecond from which the ring tells everything."""
        self.ring: deque[Train] = deque()
        self.keeps = RING
        self.sinks: list[Callable[[Train | Gap], None]] = []

    def absorb(self, trains: Iterable[Train | Gap]) -> None:
        """Take in what the driver did, oldest first, and pass it on to whoever listens."""
        for train in trains:
            if isinstance(train, Gap):
                self._forget(train)
            elif train.level != self.level:
                self._append(train)
            else:
                raise AssertionError(f"{self.name}: an edge to {train.level}, where the line already is")
            for sink in self.sinks:
                sink(train)

    def drive(self, ns: int, level: int) -> None:
        """Put the line to `level` at `ns`; nothing happens where it is there already."""
        if level != self.level:
            self.absorb((Train.edge(ns, level),))

    def note(self, ns: int, level: int) -> None:
        """The same, but nobody who listens hears of it."""
        if level != self.level:
            self._append(Train.edge(ns, level))

    def _append(self, train: Train) -> None:
        self.level = train.last_level
        self.edges += train.rises
        ring = self.ring
        if ring:
            joined = ring[-1].followed_by(train)
            if joined is not None:
                ring[-1] = joined
                return
        ring.append(train)
        if len(ring) > self.keeps:
            old = ring.popleft()
            self.start = old.last_level
            self.known_since = old.ns(old.count - 1) + 1

    def _forget(self, gap: Gap) -> None:
        self.edges += gap.rises
        self.level ^= (gap.rises + gap.falls) & 1
        self.ring.clear()
        self.start = self.level
        self.known_since = gap.until + 1

    # -- state

    def snapshot(self) -> tuple[int, int]:
        """Level and rises: what a digest covers. The ring is history, and no state."""
        return self.level, self.edges

    def history(self) -> tuple[int, int, tuple[Train, ...]]:
        """Level before the ring, the nanosecond from which it is whole, and its trains."""
        return self.start, self.known_since, tuple(self.ring)

    def restore(self, state: tuple[int, int], history: tuple[int, int, tuple[Train, ...]]) -> None:
        """Put back what `snapshot` and `history` told."""
        self.level, self.edges = state
        self.start, self.known_since = history[0], history[1]
        self.ring = deque(history[2])


# -- reading trains: shared by a line's ring and by predictions


def wave_of(start: int, trains: list[Train], lo: int, hi: int, cells: int) -> Wave:
    """The window `[lo, hi)` in `cells` cells; `start` is the level before the first train."""
    span = hi - lo
    counts = [0] * cells
    seen = 0
    for train in trains:
        before = train.until(lo - 1)
        seen += before
        after = train.until(hi - 1)
        if after - before <= cells:
            for index in range(before, after):
                # the first cell whose end, lo + span * cell // cells, lies behind the edge
                counts[-((lo - train.ns(index) - 1) * cells // span) - 1] += 1
            continue
        for cell in range(cells):
            upto = train.until(lo + span * (cell + 1) // cells - 1)
            counts[cell] += upto - before
            before = upto
    first = level = start ^ (seen & 1)
    levels = []
    for count in counts:
        level ^= count & 1
        levels.append(level)
    return Wave(first, counts, levels)


def edge_after(trains: Iterable[Train], ns: int) -> tuple[int, int] | None:
    """The first edge after `ns`, as (nanosecond, level), or None."""
    for train in trains:
        index = train.until(ns)
        if index < train.count:
            return train.ns(index), train.level ^ (index & 1)
    return None


def edge_before(trains: list[Train], ns: int) -> tuple[int, int] | None:
    """The last edge before `ns`, as (nanosecond, level), or None. A pulse without a width counts as its rise."""
    for train in reversed(trains):
        index = train.until(ns - 1)
        if index:
            at, level = train.ns(index - 1), train.level ^ ((index - 1) & 1)
            if not level and index > 1 and train.ns(index - 2) == at:
                return at, 1
            return at, level
    return None


def turns_at(trains: Iterable[Train], ns: int, level: int) -> bool:
    """Whether one of the edges at `ns` goes to `level`."""
    for train in trains:
        first, last = train.until(ns - 1), train.until(ns)
        if last > first + 1 or (last > first and train.level ^ (first & 1) == level):
            return True
    return False
