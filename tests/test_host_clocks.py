"""Clocks that are gated, spread or known to change, against sums that are made nanosecond by nanosecond."""

from dataclasses import FrozenInstanceError
from fractions import Fraction
from itertools import pairwise
from math import floor

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from timerlab.clock import Clock, Scaled
from timerlab.devices.host_clocks import PPM, Anchor, Later, anchor, gated, spread, steady

RATES = st.fractions(min_value=0, max_value=6, max_denominator=50)
RUNNING = RATES.filter(bool)
ANCHORS = st.builds(
    lambda epoch, base, rem: Anchor(epoch, base, rem.numerator, rem.denominator),
    st.integers(0, 200),
    st.integers(0, 10**6),
    st.fractions(min_value=0, max_value=1, max_denominator=60).filter(lambda part: part < 1),
)
DUTIES = st.fractions(min_value=0, max_value=1, max_denominator=20).filter(lambda duty: 0 < duty < 1)
PERIODS = st.integers(2, 40)
PPMS = st.integers(1, 300_000)


def duty_in(ns, period, duty):
    """How much of the nanosecond that begins `ns` after a period's start counts."""
    inside = ns % period
    return max(Fraction(0), min(Fraction(inside + 1), duty * period) - inside)


def triangle(at, period):
    """The triangle's height at a moment of its period: 0, 1 in the middle, 0."""
    return 2 * min(at, period - at) / Fraction(period)


def slowed_in(ns, period, ppm):
    """The mean rate in the nanosecond that begins `ns` after a period's start; it is straight but at the peak."""
    at = Fraction(ns % period)
    cuts = [at, at + 1]
    if at < Fraction(period, 2) < at + 1:
        cuts.insert(1, Fraction(period, 2))
    pairs = pairwise(cuts)
    return 1 - Fraction(ppm, PPM) * sum((b - a) * (triangle(a, period) + triangle(b, period)) / 2 for a, b in pairs)


def total(start, share, rate, since, to):
    """The exact reading at `to`: the anchor's, and what each nanosecond from there on is worth."""
    value = start.base + Fraction(start.rem, start.den)
    return value + rate * sum(share(ns - since) for ns in range(start.epoch, to))


@settings(max_examples=150)
@given(ANCHORS, RUNNING, st.integers(0, 200), PERIODS, DUTIES, st.integers(0, 130))
def test_a_gated_clock_counts_as_the_sum_of_its_nanoseconds(start, rate, since, period, duty, ahead):
    clock = gated(start, rate, since, period, duty)
    to = start.epoch + ahead
    value = total(start, lambda ns: duty_in(ns, period, duty), rate, since, to)
    assert clock.ticks(to) == floor(value)
    here = anchor(clock, to)
    assert here.base + Fraction(here.rem, here.den) == value
    assert clock.hz == rate * duty * 10**9


@settings(max_examples=150)
@given(ANCHORS, RUNNING, st.integers(0, 200), PERIODS, PPMS, st.integers(0, 130))
def test_a_spread_clock_counts_as_the_sum_of_its_nanoseconds(start, rate, since, period, ppm, ahead):
    clock = spread(start, rate, since, period, ppm)
    to = start.epoch + ahead
    value = total(start, lambda ns: slowed_in(ns, period, ppm), rate, since, to)
    assert clock.ticks(to) == floor(value)
    here = anchor(clock, to)
    assert here.base + Fraction(here.rem, here.den) == value
    assert clock.hz == rate * (1 - Fraction(ppm, 2 * PPM)) * 10**9


def clocks(draw):
    start, rate = draw(ANCHORS), draw(RUNNING)
    since, period = draw(st.integers(0, 200)), draw(PERIODS)
    match draw(st.sampled_from(("steady", "gated", "spread"))):
        case "steady":
            return steady(start, rate)
        case "gated":
            return gated(start, rate, since, period, draw(DUTIES))
    return spread(start, rate, since, period, draw(PPMS))


CLOCKS = st.composite(clocks)()


@st.composite
def turning(draw):
    """A clock that goes on as another one, from the reading at which it turns."""
    before = draw(CLOCKS)
    at = before.epoch + draw(st.integers(1, 100))
    return Later(before, at, draw(st.sampled_from((steady, paused)))(anchor(before, at), draw(RUNNING)))


def paused(start, rate):
    return steady(start, Fraction(0))


@settings(max_examples=300)
@given(CLOCKS | turning(), st.integers(0, 400))
def test_the_ns_of_a_tick_is_the_first_at_which_it_can_be_read(clock, ahead):
    first = clock.before if isinstance(clock, Later) else clock
    tick = first.base + 1 + ahead
    if isinstance(clock, Later) and ahead % 4 == 0:
        tick = clock.after.base + ahead % 3 - 1  # about the turn
    if not clock.num and tick > clock.after.base:
        with pytest.raises(ValueError, match="never reaches"):
            clock.ns(tick)
        return
    ns = clock.ns(tick)
    assert clock.ticks(ns) >= tick > clock.ticks(ns - 1)


@given(CLOCKS | turning(), st.integers(0, 300), st.integers(-(1 << 64), 1 << 64))
def test_an_offset_clock_reads_so_much_more_at_every_moment(clock, ahead, ticks):
    first = clock.before if isinstance(clock, Later) else clock
    assert clock.offset(ticks).ticks(first.epoch + ahead) == clock.ticks(first.epoch + ahead) + ticks
    assert clock.offset(ticks).hz == clock.hz
    assert clock.offset(ticks).offset(-ticks) == clock


@given(CLOCKS, st.integers(0, 200), RATES)
def test_an_anchor_loses_no_part_of_a_tick(clock, ahead, rate):
    """Between any two anchors the exact reading is the same sum, however the rate changes there."""
    here = anchor(clock, clock.epoch + ahead)
    again = anchor(steady(here, rate), here.epoch)
    assert again == here
    later = anchor(steady(here, rate), here.epoch + 7)
    exact = here.base + Fraction(here.rem, here.den) + 7 * rate
    assert later.base + Fraction(later.rem, later.den) == exact


@given(CLOCKS, st.integers(1, 1 << 50), st.integers(0, 1 << 64), st.integers(1, 300))
def test_a_scaled_clock_stands_on_them_as_on_an_oscillator(parent, ratio, plus, ahead):
    clock = Scaled(parent, ratio, 48, plus)
    ns = parent.epoch + ahead
    assert clock.ticks(ns) == (parent.ticks(ns) * ratio >> 48) + plus


@given(CLOCKS)
def test_clocks_are_equal_by_value_and_never_change(clock):
    assert clock == clock.offset(0)
    assert hash(clock) == hash(clock.offset(0))
    assert clock != clock.offset(1)
    with pytest.raises(FrozenInstanceError):
        clock.base = 1


def test_a_tick_of_the_last_fast_nanosecond_is_not_told_by_the_slow_clock_after_it():
    before = steady(Anchor(), Fraction(5))
    clock = Later(before, 10, steady(anchor(before, 10), Fraction(1, 100)))
    assert [clock.ns(tick) for tick in (44, 45, 46, 50, 51)] == [9, 9, 10, 10, 110]


def test_a_clock_that_counts_nothing_says_so():
    clock = gated(Anchor(5, 9), Fraction(0), 0, 10, Fraction(1, 2))
    assert (clock.num, clock.ticks(1000), clock.ns(9)) == (0, 9, 5)
    with pytest.raises(ValueError, match="stands at tick 9 never reaches 10"):
        clock.ns(10)


def test_a_steady_clock_is_an_oscillator():
    assert steady(Anchor(), Fraction(13, 5)) == Clock.at(2_600_000_000)
