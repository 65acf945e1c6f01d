"""The RTC's divider chain: the waves that follow from the moment at which it was zero.

Source: MC146818A datasheet: Divider Stages, Table 5 (periodic rates), Update Cycle. All taps belong to one chain, so
each of them rises at odd multiples of half its period after zero; the first update starts half a second after zero,
and then there is one each second.
"""

from __future__ import annotations

from timerlab.clock import Clock
from timerlab.line import FOREVER, Train

BASE_HZ = 32_768
SECOND = 64_000_000
"""A second in ticks of `fine`: the fewest that hold both 8/32768 s and 1984 us."""
T_BUC = SECOND * 8 // BASE_HZ
"""UIP rises this long before the update starts: 244.14 us."""
T_UC = SECOND // 1_000_000 * 1984
T_UC_FAST = SECOND // 1_000_000 * 248
"""How long an update takes, at 32 768 Hz and at the MHz bases."""
FIRST = SECOND // 2
"""The first update starts this long after the divider was released."""

HELD, STOPPED = 6, 3
"""DV from 110 on holds the divider at zero; 011 to 101 are test modes, in which it stands still."""


def fine(clock: Clock) -> Clock:
    """The clock that updates are reckoned on: `SECOND` ticks for each 32 768 of `clock`."""
    return Clock(clock.num * 15_625, clock.den * 8, clock.epoch)


def double(clock: Clock) -> Clock:
    """The clock that taps are reckoned on: half of the shortest tap's period is one tick."""
    return Clock(clock.num * 2, clock.den, clock.epoch)


def half_period(a: int) -> int:
    """Half a period of the tap that register A selects, in ticks of `double`; 0 for none."""
    rs = a & 15
    if not rs:
        return 0
    if a >> 4 & 7 >= 2 and rs <= 2:
        rs += 7
    return 1 << (rs - 1)


def rate_hz(a: int) -> int | None:
    """The rate of the tap in Hz, with the crystal that DV names; None for none."""
    half = half_period(a)
    return BASE_HZ // half if half else None


def divider(a: int) -> str:
    """What DV makes of the divider: `runs`, `stopped`, or `held` at zero."""
    dv = a >> 4 & 7
    return "runs" if dv < STOPPED else "held" if dv >= HELD else "stopped"


class Updates:
    """The updates of a divider that runs on: each takes `t_uc` from its start."""

    __slots__ = ("clock", "t_uc")

    def __init__(self, clock: Clock, t_uc: int) -> None:
        self.clock = clock
        self.t_uc = t_uc

    def ended(self, ns: int) -> int:
        """How many updates ended at or before `ns`."""
        return (self.clock.ticks(ns) - FIRST - self.t_uc) // SECOND + 1

    def end(self, index: int) -> int:
        """When update `index` ends, 0 being the first."""
        return self.clock.ns(FIRST + self.t_uc + index * SECOND)

    def under_way(self, ns: int) -> bool:
        """Whether an update has started at or before `ns`, and not ended."""
        return (self.clock.ticks(ns) - FIRST) % SECOND < self.t_uc

    def uip(self, ns: int) -> int:
        """UIP: an update is under way, or starts within 244 us."""
        return int((self.clock.ticks(ns) - FIRST + T_BUC) % SECOND < T_BUC + self.t_uc)

    def wave(self) -> Train:
        """UIP, for ever."""
        high = T_BUC + self.t_uc
        return Train(self.clock, FIRST - T_BUC, 1, high, SECOND - high, FOREVER)


class Tap:
    """A regular event: at tick `first` of a clock, and each `period` ticks."""

    __slots__ = ("clock", "first", "period")

    def __init__(self, clock: Clock, first: int, period: int) -> None:
        self.clock = clock
        self.first = first
        self.period = period

    def count(self, ns: int) -> int:
        """How many events were at or before `ns`."""
        return max(0, (self.clock.ticks(ns) - self.first) // self.period + 1)

    def ns(self, index: int) -> int:
        """When event `index` is, 0 being the first."""
        return self.clock.ns(self.first + index * self.period)


def square(clock: Clock, half: int) -> Train:
    """A tap as a wave, for ever."""
    return Train(clock, half, 1, half, half, FOREVER)


def rest_of(train: Train, ns: int) -> Train:
    """What is left of an endless train after `ns`."""
    index = train.until(ns)
    if index & 1:
        return Train(train.clock, train.tick(index), 1 - train.level, train.rest, train.hold, train.count - index)
    return Train(train.clock, train.tick(index), train.level, train.hold, train.rest, train.count - index)
