"""Clocks: exact oscillators, and what is derived from them.

Virtual time is an int of nanoseconds since power-on. A `Clock` turns it into ticks and back without rounding twice:
its rate is a ratio of two ints, and what is left of a tick at the anchor is kept as a remainder. Nothing here is a
float.

The two directions are floor and ceil, so that a tick falls in the first nanosecond in which it can be seen:
`ticks(ns)` is the number of the last tick at or before `ns`; `ns(tick)` is the first nanosecond at which `ticks`
reaches `tick`. Below 1 GHz `ticks(ns(k)) == k`; above it several ticks share a nanosecond, and `ticks(ns(k)) >= k`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Protocol

NS_PER_S = 1_000_000_000


class Ticker(Protocol):
    """What every clock can be asked, whether it is an oscillator or made from others."""

    @property
    def hz(self) -> Fraction:
        """Ticks a second, on the average."""

    @property
    def num(self) -> int:
        """0 for a clock that stands still."""

    def ticks(self, ns: int) -> int:
        """The last tick at or before nanosecond `ns`."""

    def ns(self, tick: int) -> int:
        """The first nanosecond at which `ticks` reaches `tick`; ValueError where it never does."""

    def offset(self, ticks: int) -> Ticker:
        """A clock that reads `ticks` more at every moment."""


@dataclass(frozen=True, slots=True)
class Clock:
    """An oscillator: `num / den` ticks a nanosecond, anchored at tick `base` in nanosecond `epoch`.

    `rem` (0 <= rem < den) is the part of a tick that had passed at the anchor, in units of `1 / den` tick. `num` of
    0 is a clock that stands still.
    """

    num: int
    den: int
    epoch: int = 0
    base: int = 0
    rem: int = 0

    @classmethod
    def at(cls, hz: Fraction | int, epoch: int = 0) -> Clock:
        """A clock of `hz` ticks a second, with tick 0 at nanosecond `epoch`; ValueError below 0."""
        rate = Fraction(hz) / NS_PER_S
        if rate < 0:
            raise ValueError(f"a clock cannot run at {hz} Hz: 0 or more")
        return cls(rate.numerator, rate.denominator, epoch)

    @property
    def hz(self) -> Fraction:
        """Ticks a second."""
        return Fraction(self.num * NS_PER_S, self.den)

    def ticks(self, ns: int) -> int:
        """The last tick at or before nanosecond `ns`."""
        return self.base + ((ns - self.epoch) * self.num + self.rem) // self.den

    def ns(self, tick: int) -> int:
        """The first nanosecond at or after `tick`; ValueError on a clock that stands still, unless
        it stands on the tick.
        """
        if not self.num:
            if tick <= self.base:
                return self.epoch
            raise ValueError(f"a clock that stands at tick {self.base} never reaches {tick}")
        return self.epoch - (self.rem - (tick - self.base) * self.den) // self.num

    def anchored(self, ns: int) -> Clock:
        """The same clock with its anchor moved to `ns`; the remainder is kept, so every reading stays."""
        scaled = (ns - self.epoch) * self.num + self.rem
        return replace(self, epoch=ns, base=self.base + scaled // self.den, rem=scaled % self.den)

    def rerated(self, ns: int, hz: Fraction | int) -> Clock:
        """This clock running at `hz` from `ns` on: it goes on from its reading, the part of a tick
        included (rounded down).
        """
        here = self.anchored(ns)
        there = Clock.at(hz, ns)
        return replace(there, base=here.base, rem=here.rem * there.den // here.den)

    def paused(self, ns: int) -> Clock:
        """This clock standing still from `ns` on; `rerated` lets it go on with its remainder."""
        here = self.anchored(ns)
        return replace(here, num=0)

    def divided(self, by: int) -> Clock:
        """A clock with one tick for each `by` ticks of this one, phase included; ValueError below 1."""
        if by < 1:
            raise ValueError(f"a divider of {by}: 1 or more")
        base, odd = divmod(self.base, by)
        return Clock(self.num, self.den * by, self.epoch, base, self.rem + odd * self.den)

    def offset(self, ticks: int) -> Clock:
        """A clock that reads `ticks` more than this one at every moment."""
        return replace(self, base=self.base + ticks)


@dataclass(frozen=True, slots=True)
class Scaled:
    """A count made from another one as scaling hardware does: times `ratio`, of `frac` fraction bits, rounded down,
    plus `plus`. Its ticks are whole ticks of `parent` that were scaled, so it may jump by more than one.
    """

    parent: Ticker
    ratio: int
    frac: int
    plus: int = 0

    @property
    def hz(self) -> Fraction:
        """Ticks a second."""
        return self.parent.hz * Fraction(self.ratio, 1 << self.frac)

    @property
    def num(self) -> int:
        """0 for a clock that stands still."""
        return self.parent.num if self.ratio else 0

    def ticks(self, ns: int) -> int:
        """The last tick at or before nanosecond `ns`."""
        return (self.parent.ticks(ns) * self.ratio >> self.frac) + self.plus

    def ns(self, tick: int) -> int:
        """The first nanosecond at which `ticks` reaches `tick`; ValueError where it never does."""
        if not self.ratio:
            if tick <= self.plus:
                return 0
            raise ValueError(f"a clock that stands at tick {self.plus} never reaches {tick}")
        return self.parent.ns(-(-(tick - self.plus << self.frac) // self.ratio))

    def offset(self, ticks: int) -> Scaled:
        """A clock that reads `ticks` more than this one at every moment."""
        return replace(self, plus=self.plus + ticks)


NANOSECONDS = Clock(1, 1)
"""The clock of virtual time itself: tick and nanosecond are one. Edges that a command makes stand on it."""
