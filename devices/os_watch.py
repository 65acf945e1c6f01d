"""The kernel's watchdogs: over its clocksource, over softly locked and over hard locked processors.

Sources: Linux kernel/time/clocksource.c (5.13 for `classic`, 6.1 for `modern`), kernel/watchdog.c,
kernel/watchdog_hld.c. Each has a timer that looks again and again; what a look finds is a function of readings, and a
row of looks between two host events, in which every counter runs at one rate, is decided at once: its readings have
bounds, and where both bounds have the same verdict no look need be made.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from timerlab.clock import NS_PER_S

INTERVAL = NS_PER_S // 2
"""WATCHDOG_INTERVAL: ns between two checks of the TSC."""
THRESHOLD = 62_500_000
"""WATCHDOG_THRESHOLD to 5.13: ns that the two clocks may differ by in one interval; more is unstable."""
MARGIN = 200_000
"""WATCHDOG_MAX_SKEW doubled, as both clocks have it in 6.1: the limit is the sum of two."""
LONGEST = NS_PER_S
"""6.1: an interval above this is skipped."""

TIMER = 4 * NS_PER_S
"""Between two interrupts of a lockup detector's timer: a fifth of the soft-lockup threshold."""
UNIT = 30
"""A soft-lockup detector counts units of 2^30 ns, which it calls seconds."""
STUCK = 20
"""Units without a healthy run after which it reports: twice watchdog_thresh."""
NMI = 10 * NS_PER_S
"""ns of unhalted cycles between two looks of the hard-lockup detector."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one check found: stable, unstable or skipped, and the difference in ns."""

    word: str
    difference: int


def check(kind: str, clock_ns: int, ref_ns: int) -> Verdict:
    """One check: how far two clocks went in one interval, by their own reckoning."""
    difference = clock_ns - ref_ns
    if kind == "modern":
        if clock_ns > LONGEST or ref_ns > LONGEST:
            return Verdict("skipped", difference)
        limit = 2 * MARGIN
    else:
        limit = THRESHOLD
    return Verdict("unstable" if abs(difference) > limit else "stable", difference)


def steps_between(total: int, count: int, slack: int = 1) -> tuple[int, int]:
    """The least and the greatest step that a counter of one rate made, which made `total` in `count` equal times;
    `slack` is how far a reading may be from the straight line.
    """
    return (total - slack) // count, -(-(total + slack) // count)


def same_verdict(kind: str, clock: tuple[int, int], ref: tuple[int, int]) -> str | None:
    """The verdict that every check has whose two intervals lie within these bounds; None where they differ."""
    words = {check(kind, c, r).word for c in clock for r in ref}
    if len(words) > 1:
        return None
    word = words.pop()
    if word == "unstable" and (clock[0] - ref[1] > 0) != (clock[1] - ref[0] > 0):
        return None
    return word


def units(ns: int) -> int:
    """A clock in the soft-lockup detector's units."""
    return ns >> UNIT


def stuck(now: int, touch: int, report: int) -> int | None:
    """What a soft-lockup timer reports, in units: the time since the last healthy run, if the last report is more
    than 20 before now; else None.
    """
    return now - touch if now > report + STUCK else None


def quiet_timers(clock: Callable[[int], int], first: int, count: int, report: int) -> bool:
    """Whether none of `count` healthy timers from `first` on can report: each finds the one before it close enough.
    `clock` is the scheduler's clock in ns, which runs at one rate up to the last of them; `report` stands before.
    """
    if stuck(units(clock(first)), 0, report) is not None:
        return False
    if count == 1:
        return True
    total = clock(first + TIMER * (count - 1)) - clock(first)
    _, most = steps_between(total, count - 1, 3)
    return -(-most >> UNIT) <= STUCK if most >= 0 else True


def hard_at(timer_run: int) -> int:
    """The unhalted ns at which the hard-lockup detector reports a processor whose last timer interrupt was at
    `timer_run`: the first look after it still finds it new, the second does not.
    """
    return NMI * (timer_run // NMI + 2)
