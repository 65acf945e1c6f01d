"""Clocks: exact in both directions, whatever is derived from them."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from timerlab.clock import Clock

PIT = Fraction(105_000_000, 88)

rates = st.one_of(
    st.sampled_from([PIT, Fraction(1_193_182), Fraction(32_768), Fraction(315_000_000, 88), Fraction(100_000_000)]),
    st.fractions(Fraction(1, 10**6), 10**9, max_denominator=10**6),
)
fast = st.fractions(10**9, 10**11, max_denominator=10**4)
moments = st.integers(0, 10**20)
clocks = st.builds(Clock.at, rates, st.integers(0, 10**12))


def reading(clock, ns):
    """The exact, unrounded reading of a clock."""
    return clock.base + Fraction((ns - clock.epoch) * clock.num + clock.rem, clock.den)


@given(clocks, moments)
def test_ticks_is_the_floor_of_the_exact_reading(clock, ns):
    exact = reading(clock, ns)
    assert clock.ticks(ns) <= exact < clock.ticks(ns) + 1


@given(clocks, st.integers(-(10**6), 10**18))
def test_a_tick_falls_in_the_first_ns_that_shows_it(clock, tick):
    ns = clock.ns(tick)
    assert clock.ticks(ns) >= tick
    assert clock.ticks(ns - 1) < tick


@given(clocks, st.integers(0, 10**18))
def test_below_1_ghz_every_tick_has_a_ns_of_its_own(clock, tick):
    if clock.hz <= 10**9:
        assert clock.ticks(clock.ns(tick)) == tick


@given(fast, st.integers(0, 10**18))
def test_above_1_ghz_several_ticks_share_a_ns(hz, tick):
    clock = Clock.at(hz)
    assert clock.ticks(clock.ns(tick)) >= tick
    assert clock.ticks(clock.ns(tick) - 1) < tick


@given(clocks, moments, moments)
def test_an_anchor_may_be_anywhere(clock, anchor, ns):
    moved = clock.anchored(anchor)
    assert 0 <= moved.rem < moved.den
    assert reading(moved, ns) == reading(clock, ns)
    assert moved.ticks(ns) == clock.ticks(ns)


@given(clocks, st.lists(st.tuples(st.integers(1, 10**12), rates), max_size=6), st.integers(0, 10**12))
def test_a_change_of_rate_goes_on_from_the_reading(clock, changes, after):
    now = clock.epoch
    lost = Fraction(0)
    exact = reading(clock, now)
    for span, hz in changes:
        now += span
        exact += span * clock.hz / 10**9
        was = reading(clock, now)
        clock = clock.rerated(now, hz)
        assert clock.hz == hz
        assert clock.ticks(now) == int(was // 1)
        # at most one unit of the new clock's remainder is dropped a change
        assert 0 <= was - reading(clock, now) < Fraction(1, clock.den)
        lost += Fraction(1, clock.den)
    assert 0 <= exact + after * clock.hz / 10**9 - reading(clock, now + after) <= lost


@given(clocks, st.integers(0, 10**12), st.integers(0, 10**12), st.integers(0, 10**12))
def test_a_pause_leaves_no_trace_but_the_time_it_took(clock, run, pause, after):
    at = clock.epoch + run
    still = clock.paused(at)
    assert still.ticks(at + pause) == clock.ticks(at)
    again = still.rerated(at + pause, clock.hz)
    assert reading(again, at + pause + after) == reading(clock, at + after)


def test_a_clock_that_stands_reaches_only_the_tick_it_stands_on():
    still = Clock.at(1000).paused(5_500_000)
    assert still.ns(5) == 5_500_000
    with pytest.raises(ValueError, match="never reaches"):
        still.ns(6)
    assert Clock.at(0).ticks(10**18) == 0


@given(clocks, st.integers(1, 10**5), moments, moments)
def test_a_divider_keeps_the_phase_wherever_its_source_is_anchored(clock, by, anchor, ns):
    for source in (clock, clock.anchored(anchor)):
        slow = source.divided(by)
        assert 0 <= slow.rem < slow.den
        assert slow.ticks(ns) == clock.ticks(ns) // by
        assert slow.hz == clock.hz / by


@given(clocks, st.integers(-(10**9), 10**9), moments)
def test_an_offset_is_the_same_at_every_moment(clock, ticks, ns):
    assert clock.offset(ticks).ticks(ns) == clock.ticks(ns) + ticks


def test_rates_and_dividers_that_make_no_sense_are_refused():
    with pytest.raises(ValueError):
        Clock.at(-1)
    for by in (0, -3):
        with pytest.raises(ValueError):
            Clock.at(1).divided(by)


def test_the_pit_keeps_the_crystals_exact_ratio():
    clock = Clock.at(PIT)
    assert (clock.num, clock.den) == (21, 17600)
    assert clock.ns(1) == 839
    assert clock.ns(21) == 17600
    year = 365 * 86_400 * 10**9
    assert clock.ticks(year) == year * 21 // 17600
