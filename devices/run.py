"""A train of edges on its way through the fabric."""

from __future__ import annotations

from collections.abc import Iterator

from timerlab.clock import Clock
from timerlab.devices.source import Source
from timerlab.line import Gap, Train

KEPT = 3
"""Edges of a train that are handled one by one after a leap, so that lines and pins end as they must."""


class Run:
    """A train of a source: `at` edges are done."""

    __slots__ = ("absorbed", "at", "change", "inert", "other", "source", "steady", "train", "waiting")

    def __init__(self, source: Source, train: Train) -> None:
        self.source = source
        self.train = train
        self.at = 0
        self.steady = 0
        """Edges since anything but counts has changed."""
        self.change: tuple[int, ...] = ()
        """What its last rise changed in its source's counts."""
        self.other: tuple[int, ...] = ()
        """What it changed in other counts; empty for nothing."""
        self.inert = False
        """Its last rise reached nobody."""
        self.waiting = False
        """Its last rise met one that still waited, and that was all."""
        self.absorbed = False
        """Its policy kept its last rise to itself."""

    @property
    def left(self) -> int:
        """Edges still to come."""
        return self.train.count - self.at

    @property
    def last_level(self) -> int:
        """The line's level after all of them."""
        return self.train.last_level

    @property
    def long(self) -> bool:
        """Whether a leap along it is worth the while; none is along a vCPU's run line."""
        return self.train.count - self.at > 2 * KEPT and self.source.gate < 0

    @property
    def next_ns(self) -> int:
        """When the next edge is; there must be one."""
        return self.train.ns(self.at)

    @property
    def stands(self) -> bool:
        """Whether its source stands still, as its vCPU is out."""
        tick = self.source.tick
        return tick is not None and tick.stands_still

    @property
    def period(self) -> int:
        """ns from one rise to the next, rounded down."""
        clock = self.train.clock
        return (self.train.hold + self.train.rest) * clock.den // clock.num

    @property
    def last_rise(self) -> int:
        """When the latest of the rises was that are done; there must be one among the last two edges."""
        rose = self.train.level ^ (self.at - 1 & 1)
        return self.train.ns(self.at - 1 if rose else self.at - 2)

    def rest(self) -> list[Train]:
        """The edges that are still to come."""
        train, at = self.train, self.at
        if at >= train.count:
            return []
        if not at:
            return [train]
        turned = at & 1
        hold, rest = (train.rest, train.hold) if turned else (train.hold, train.rest)
        return [Train(train.clock, train.tick(at), train.level ^ turned, hold, rest, train.count - at)]

    def edges(self) -> Iterator[tuple[int, int]]:
        """(ns, level) of the edges from `at` on."""
        train = self.train
        clock = train.clock
        num, den, epoch, rem = clock.num, clock.den, clock.epoch, clock.rem
        tick = train.tick(self.at) - clock.base
        odd = self.at & 1
        level = train.level ^ odd
        gaps = (train.hold, train.rest)
        for _ in range(self.at, train.count):
            yield epoch - (rem - tick * den) // num, level
            tick += gaps[odd]
            odd ^= 1
            level ^= 1

    def skip(self, until: int) -> int:
        """Pass over whole pulses up to nanosecond `until`, but for the last few edges; how many pulses."""
        pulses = max(0, (self.train.until(until) - self.at - KEPT) // 2)
        self.at += 2 * pulses
        return pulses


class Gates(Run):
    """All that a vCPU's run line does: trains, one after the other, as one. `at` counts the edges of all of them."""

    __slots__ = ("begun", "count", "number", "trains")

    def __init__(self, source: Source, trains: list[Train]) -> None:
        super().__init__(source, trains[0])
        self.trains = trains
        self.count = sum(train.count for train in trains)
        self.number = self.begun = 0
        """The train in which `at` lies, and the edges before that."""

    @property
    def left(self) -> int:
        """Edges still to come."""
        return self.count - self.at

    @property
    def last_level(self) -> int:
        """The line's level after all of them."""
        return self.trains[-1].last_level

    @property
    def next_ns(self) -> int:
        """When the next edge is; there must be one."""
        self._go_on()
        return self.train.ns(self.at - self.begun)

    def _go_on(self) -> None:
        while self.at - self.begun >= self.train.count and self.number + 1 < len(self.trains):
            self.begun += self.train.count
            self.number += 1
            self.train = self.trains[self.number]

    def edges(self) -> Iterator[tuple[int, int]]:
        """(ns, level) of the edges from `at` on."""
        self._go_on()
        first = self.at - self.begun
        for number in range(self.number, len(self.trains)):
            train = self.trains[number]
            for index in range(first, train.count):
                yield train.ns(index), train.level ^ (index & 1)
            first = 0


def spread(gap: Gap, level: int, since: int) -> Train | None:
    """Edges that a line has forgotten, as a train with as many of them, evenly spread from `since` on; `level` is the
    line's before them. Their number is exact, their moments are not.
    """
    count = gap.rises + gap.falls
    if not count:
        return None
    time = max(1, gap.until - since)
    return Train(Clock(count, time, since), 1, 1 - level, 1, 1, count)
