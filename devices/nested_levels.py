"""Levels of guests, one in another: what the TSC of each is, by steps and as hardware gives it.

Each level turns the TSC below it into its own: times a ratio, plus an offset. Hardware does that once, so whoever runs
the innermost guest makes one ratio and one offset of all of them. By steps each product is cut to whole cycles, and
once only in hardware: with ratios the two may differ by some cycles.

Sources: Linux 6.1 arch/x86/kvm/x86.c, kvm_calc_nested_tsc_offset, kvm_calc_nested_tsc_multiplier; kvm list mail of
2010, "TSC in nested SVM and VMX" (the sum without ratios).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from timerlab.scaling import WORD, nested_offset, nested_ratio, scaled, signed


class Level(NamedTuple):
    """How a level makes its TSC of the one below: `ratio` of `frac` fraction bits, `offset` modulo 2^64."""

    ratio: int
    offset: int


def joined(below: Level, own: Level, frac: int, floor: bool = False) -> Level:
    """One level instead of two: `own` runs on top of `below`. A negative offset of `below` is scaled by its magnitude,
    or with `floor` rounded down.
    """
    ratio = nested_ratio(below.ratio, own.ratio, frac) % WORD
    return Level(ratio, nested_offset(signed(below.offset), own.ratio, signed(own.offset), frac, floor))


def compose(levels: Iterable[Level], frac: int, floor: bool = False) -> Level:
    """One level instead of any number, outermost first; none gives ratio 1 and offset 0."""
    all_of_them = Level(1 << frac, 0)
    for level in levels:
        all_of_them = joined(all_of_them, level, frac, floor)
    return all_of_them


def reading(below: int, level: Level, frac: int) -> int:
    """The TSC of a level whose base counts `below`: the product rounded down, plus the offset, 64 bits."""
    return (scaled(below, level.ratio, frac) + level.offset) % WORD


def by_steps(host: int, levels: Iterable[Level], frac: int) -> tuple[int, ...]:
    """The TSC of each level, outermost first, each made of the one before it."""
    counts = []
    for level in levels:
        host = reading(host, level, frac)
        counts.append(host)
    return tuple(counts)
