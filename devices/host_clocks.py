"""Clocks of a processor's time stamp counter that are not a plain oscillator: gated by a duty cycle, spread in
frequency, or known to change at a given moment. Exact, as `timerlab.clock` is; nothing is a float.

`Gated` and `Spread` count *warped* time: an int, in fine units, of how much of each period has counted. Warped time
never falls, and comes again in each period but for a constant, so that the first nanosecond of a tick is found by one
division and a bisection inside of one period.

Sources: ACPI specification, Processor Throttling; Intel SDM 3B, Time-Stamp Counter, Software Controlled Clock
Modulation. Spread spectrum is triangular and down-spread, as clock generators document it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from fractions import Fraction
from math import gcd

from timerlab.clock import NS_PER_S, Clock, Ticker

PPM = 1_000_000


class Warped(ABC):
    """What `Gated` and `Spread` share: ticks are `num / den` for each unit of warped time, from the anchor on."""

    __slots__ = ()

    num: int
    den: int
    epoch: int
    base: int
    rem: int
    since: int
    period: int

    @abstractmethod
    def _inside(self, ns: int) -> int:
        """Warped time from the beginning of a period to `ns` in it."""

    @property
    @abstractmethod
    def unit(self) -> int:
        """Units of warped time in a nanosecond that counts in full."""

    def warped(self, ns: int) -> int:
        """Warped time from `since` to `ns`."""
        periods, inside = divmod(ns - self.since, self.period)
        return periods * self._inside(self.period) + self._inside(inside)

    @property
    def hz(self) -> Fraction:
        """Ticks a second, on the average over a period."""
        return Fraction(self.num * NS_PER_S * self._inside(self.period), self.den * self.period)

    def ticks(self, ns: int) -> int:
        """The last tick at or before nanosecond `ns`."""
        return self.base + (self.num * (self.warped(ns) - self.warped(self.epoch)) + self.rem) // self.den

    def ns(self, tick: int) -> int:
        """The first nanosecond at which `ticks` reaches `tick`; ValueError where it never does."""
        if not self.num:
            if tick <= self.base:
                return self.epoch
            raise ValueError(f"a clock that stands at tick {self.base} never reaches {tick}")
        goal = self.warped(self.epoch) - (self.rem - (tick - self.base) * self.den) // self.num
        whole = self._inside(self.period)
        periods = (goal - 1) // whole
        goal -= periods * whole
        low, high = 0, self.period  # warped time is below the goal at the one, and not at the other
        while low + 1 < high:
            middle = (low + high) // 2
            if self._inside(middle) < goal:
                low = middle
            else:
                high = middle
        return self.since + periods * self.period + high


@dataclass(frozen=True, slots=True)
class Gated(Warped):
    """An oscillator that counts in the first `on / unit` nanoseconds of each `period`, and stands in the rest of it.

    Periods begin at `since`. `rem / den` is the part of a tick that had passed at `epoch`, as in `Clock`; a
    nanosecond that counts is worth `num * unit / den` ticks.
    """

    num: int
    den: int
    epoch: int
    base: int
    rem: int
    since: int
    period: int
    on: int
    per: int

    @property
    def unit(self) -> int:
        """Units of warped time in a nanosecond."""
        return self.per

    def _inside(self, ns: int) -> int:
        return min(ns * self.per, self.on)

    def offset(self, ticks: int) -> Gated:
        """A clock that reads `ticks` more at every moment."""
        return replace(self, base=self.base + ticks)


@dataclass(frozen=True, slots=True)
class Spread(Warped):
    """An oscillator that a clock generator slows down and lets up again, in a triangle: from its full rate at the
    beginning of each `period` to `ppm` millionths less in the middle of it. On the average it lacks half of that.
    """

    num: int
    den: int
    epoch: int
    base: int
    rem: int
    since: int
    period: int
    ppm: int

    @property
    def unit(self) -> int:
        """Units of warped time in a nanosecond at full rate."""
        return 2 * self.period * PPM

    def _inside(self, ns: int) -> int:
        rest = self.period - ns
        area = 2 * ns * ns if ns <= rest else self.period * self.period - 2 * rest * rest  # of the triangle
        return self.unit * ns - self.ppm * area

    def offset(self, ticks: int) -> Spread:
        """A clock that reads `ticks` more at every moment."""
        return replace(self, base=self.base + ticks)


@dataclass(frozen=True, slots=True)
class Later:
    """A clock that is known to go on as another one: `before` up to nanosecond `at`, `after` from there on."""

    before: Ticker
    at: int
    after: Ticker

    @property
    def hz(self) -> Fraction:
        """Ticks a second, in the long run."""
        return self.after.hz

    @property
    def num(self) -> int:
        """0 for a clock that stands still in the end."""
        return self.after.num

    def ticks(self, ns: int) -> int:
        """The last tick at or before nanosecond `ns`."""
        return (self.before if ns < self.at else self.after).ticks(ns)

    def ns(self, tick: int) -> int:
        """The first nanosecond at which `ticks` reaches `tick`; ValueError where it never does."""
        if tick <= self.before.ticks(self.at - 1):
            return self.before.ns(tick)
        return max(self.at, self.after.ns(tick))

    def offset(self, ticks: int) -> Later:
        """A clock that reads `ticks` more at every moment."""
        return Later(self.before.offset(ticks), self.at, self.after.offset(ticks))


Counter = Clock | Gated | Spread
"""A clock with one rule from its anchor on."""


@dataclass(frozen=True, slots=True)
class Anchor:
    """What a counter read at nanosecond `epoch`, exactly: `base` ticks and `rem / den` of one, in lowest terms."""

    epoch: int = 0
    base: int = 0
    rem: int = 0
    den: int = 1


def anchor(clock: Counter, ns: int) -> Anchor:
    """What a clock reads at `ns`, with nothing rounded."""
    if isinstance(clock, Clock):
        passed = ns - clock.epoch
    else:
        passed = clock.warped(ns) - clock.warped(clock.epoch)
    whole, rem = divmod(clock.num * passed + clock.rem, clock.den)
    common = gcd(rem, clock.den)
    return Anchor(ns, clock.base + whole, rem // common, clock.den // common)


def steady(start: Anchor, rate: Fraction) -> Clock:
    """A clock of `rate` ticks a nanosecond from an anchor on, with its part of a tick."""
    num, den, rem = _common(start, rate)
    return Clock(num, den, start.epoch, start.base, rem)


def gated(start: Anchor, rate: Fraction, since: int, period: int, duty: Fraction) -> Gated:
    """The same, counting in the first `duty` of each `period`."""
    on = duty * period
    num, den, rem = _common(start, rate / on.denominator)
    return Gated(num, den, start.epoch, start.base, rem, since, period, on.numerator, on.denominator)


def spread(start: Anchor, rate: Fraction, since: int, period: int, ppm: int) -> Spread:
    """The same, spread downwards by `ppm`."""
    num, den, rem = _common(start, rate / (2 * period * PPM))
    return Spread(num, den, start.epoch, start.base, rem, since, period, ppm)


def _common(start: Anchor, rate: Fraction) -> tuple[int, int, int]:
    """Rate and part of a tick over one denominator: no part of a tick is lost, however often the rate changes."""
    den = rate.denominator * start.den // gcd(rate.denominator, start.den)
    return rate.numerator * (den // rate.denominator), den, start.rem * (den // start.den)
