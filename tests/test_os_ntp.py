"""NTP: how fast it slews, when it steps, and when it gives up."""

import time
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st
from osrig import MS, S, World
from test_os_watch import OneByOne

from timerlab.devices.os_ntp import MAX, PER, PPM, absorb, advance, correction, poll, slewing, start
from timerlab.devices.os_state import Ntp

YEAR = 365 * 86_400 * S


def line(ppb, at=0, jumps=()):
    """A raw clock's drift: a rate error in parts per 10^9 from `at` on, and jumps (when, ns)."""
    return lambda t: (t - at) * ppb // 10**9 + sum(ns for when, ns in jumps if t >= when)


def test_a_downtime_of_100_ms_is_absorbed_in_200_s():
    """T30"""
    assert absorb(-100 * MS) == absorb(100 * MS)
    assert (absorb(-100 * MS).word, absorb(-100 * MS).ns) == ("slew", 200 * S)
    w = World()
    w.boot(calibration="kvm", tsc_reliable=True)
    w.os.discipline(w.now, True)
    w.skip(64 * S)
    w.out(cause="stop")
    w.now += 100 * MS
    w.tsc = [clock.offset(-260_000_000) for clock in w.tsc]
    w.back()
    assert abs(w.drift("system") + 100 * MS) < 1000
    poll_at = w.os.ntp.due
    for seconds in (50, 100, 150, 199):
        w.skip_to(poll_at + seconds * S)
        assert abs(w.drift("system") + 100 * MS - seconds * 500_000) < 15_000
    w.skip_to(poll_at + 200 * S)
    assert abs(w.drift("system")) < 15_000
    assert w.os.ntp.steps == 0


def test_a_downtime_of_30_s_is_a_step():
    """T31"""
    assert absorb(-30 * S).word == "step"
    w = World()
    w.boot(calibration="kvm", clocksource="tsc", tsc_reliable=True)
    w.os.discipline(w.now, True)
    w.skip(S)
    w.jump(-30 * 2_600_000_000)
    w.skip_to(w.os.ntp.due)
    assert (w.os.ntp.steps, abs(w.drift("system")) < 10) == (1, True)


def test_more_than_1000_s_is_given_up():
    n = Ntp()
    drift = line(0, jumps=((S, -1001 * S),))
    start(n, drift, 0)
    advance(n, drift, 100 * S)
    assert n.gave_up
    assert correction(n, 1000 * S) == 0


def test_128_ms_is_still_slewed():
    assert absorb(128 * MS).word == "slew"
    assert absorb(128 * MS + 1).word == "step"


def test_500_ppm_over_a_day_are_43_2_s():
    """T66"""
    n = Ntp(on=True, freq=MAX)
    assert correction(n, 86_400 * S) == 43_200 * MS
    assert MAX == 500 * PPM


def test_a_rate_error_below_500_ppm_is_learnt():
    w = World()
    w.boot()
    w.os.discipline(w.now, True)
    w.skip(86_400 * S)
    assert abs(w.drift("system")) < 1000
    assert w.drift("tsc") > 5 * S
    assert -69_000 < w.os.slew_ppb(w.now) < -68_800


def test_a_rate_error_above_500_ppm_is_stepped_each_time_it_makes_128_ms():
    n, drift = Ntp(), line(600_000)
    start(n, drift, 0)
    advance(n, drift, 10_000 * S)
    # 100 ppm are left: 128 ms take 1280 s
    assert n.freq == -MAX
    assert 6 <= n.steps <= 8


def test_switched_off_the_clock_keeps_what_it_has_and_runs_by_itself():
    w = World()
    w.boot()
    w.os.discipline(w.now, True)
    w.skip(1000 * S)
    before = w.drift("system")
    w.os.discipline(w.now, False)
    assert w.drift("system") == before
    w.skip(1000 * S)
    assert w.drift("system") - before > 60 * MS


@given(
    st.integers(-2_000_000, 2_000_000),
    st.lists(st.tuples(st.integers(1, 2000 * S), st.integers(-200 * MS, 200 * MS)), max_size=4),
    st.integers(1, 3000),
)
def test_ntp_never_slews_above_500_ppm(ppb, jumps, seconds):
    n, drift = Ntp(), line(ppb, jumps=jumps)
    start(n, drift, 0)
    for t in range(0, seconds * S, 16 * S):
        advance(n, drift, t)
        assert abs(slewing(n, t)) <= MAX
        steps, here = n.steps, correction(n, t)
        if n.due > t + S:
            assert abs(correction(n, t + S) - here) <= 500_000 + 2
        assert n.steps == steps


@given(st.integers(-3_000_000, 3_000_000), st.integers(-300, 300), st.integers(0, 3000))
def test_polls_at_once_leave_what_polls_one_by_one_leave(ppb, jump, polls):
    drift = line(ppb, jumps=((10 * S, jump * MS),))
    at_once, by_one = Ntp(), Ntp()
    for n in (at_once, by_one):
        start(n, drift, 0)
    advance(at_once, drift, 700 * S)
    advance(at_once, drift, 700 * S + polls * 64 * S)
    while by_one.due <= 700 * S + polls * 64 * S and not by_one.gave_up:
        poll(by_one, drift, by_one.due)
        by_one.due += by_one.poll
    if at_once.gave_up:
        by_one.due = at_once.due
    assert at_once == by_one


@pytest.mark.parametrize("ppb", [0, 1, 7, 68_847, -152_400, 499_999, 500_000, 500_001, 600_000, 150_000_000])
def test_a_year_of_polls_is_passed_quickly_and_exactly(ppb):
    n, drift = Ntp(), line(ppb)
    start(n, drift, 0)
    begin = time.perf_counter()
    advance(n, drift, YEAR)
    assert time.perf_counter() - begin < 2
    slow = Ntp()
    start(slow, drift, 0)
    while slow.due <= YEAR // 20:
        poll(slow, drift, slow.due)
        slow.due += slow.poll
    fast = Ntp()
    start(fast, drift, 0)
    advance(fast, drift, YEAR // 20)
    assert fast == slow


def test_a_poll_that_was_due_while_the_vcpu_was_out_comes_when_it_is_back():
    w = World()
    w.boot(calibration="kvm", tsc_reliable=True)
    w.os.discipline(w.now, True)
    w.skip(60 * S)
    w.out(cause="stop")
    w.now += 30 * S
    w.tsc = [clock.offset(-30 * 2_600_000_000) for clock in w.tsc]
    w.back()
    assert w.os.ntp.steps == 1
    assert abs(w.drift("system")) < 10
    assert w.os.ntp.due == 128 * S


@given(st.integers(-1000, 1000), st.integers(1, 4000))
def test_the_whole_system_at_once_is_the_system_poll_by_poll(ppm, seconds):
    worlds = World(), OneByOne()
    for w in worlds:
        w.boot(calibration="kvm", clocksource="tsc")
        w.os.discipline(w.now, True)
        w.retune(2_600_000 * (1 + Fraction(ppm, 10**6)))
        w.skip(seconds * S)
    assert worlds[0].os.snapshot() == worlds[1].os.snapshot()


def test_units_of_frequency_are_those_of_timex():
    assert PER == 65_536 * 10**6
