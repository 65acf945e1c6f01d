"""What a guest's operating system believes: ticks, calibration, clocksources, lost ticks. T numbers are those of the
reference on tick policies and phenomena.
"""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st
from osrig import MS, S, World

from timerlab.devices.os_clocks import (
    calibrated_pit,
    compensated,
    mult_shift,
    pit_window,
)

PIT_HZ = Fraction(105_000_000, 88)


def scenario_c(**options):
    """A guest that ticks at 1 ms, 2 ms ... and is out from 100.3 to 150.3 ms; the TSC's rate is told, not measured."""
    w = World()
    w.boot(calibration="kvm", hz=1000, **options)
    w.tick(*range(MS, 100 * MS + 1, MS))
    w.skip_to(100_300_000)
    w.out()
    w.now = 150_300_000
    w.back()
    return w


# -- ticks


def test_a_tick_counting_clock_is_behind_by_the_ticks_of_a_downtime():
    """T15: HZ 1000, 30 s, nothing re-injected; with a latch one tick less."""
    w = World()
    w.boot(calibration="kvm")
    w.train(MS, MS, 1000)
    w.stall(30 * S)
    assert w.drift("ticks") == -30_000 * MS
    w.tick(w.now)
    assert w.drift("ticks") == -29_999 * MS


def test_kvmclock_goes_on_over_a_downtime_unless_the_host_restores_what_it_saved():
    """T15"""
    w = World()
    w.boot(calibration="kvm")
    w.skip(S)
    w.stall(30 * S)
    assert abs(w.drift("kvmclock")) < 30
    w.kvm_ns -= 30 * S
    assert abs(w.drift("kvmclock") + 30 * S) < 30


def test_a_passthrough_tsc_runs_on_while_ticks_are_lost():
    """T17"""
    w = World()
    w.boot(calibration="kvm")
    w.tick(MS)
    before = w.os.cycles(w.now)
    w.stall(50 * MS)
    assert w.os.cycles(w.now) - before == 130_000_000
    assert w.os.tick_count() == 1
    w.tick(w.now)
    assert w.os.tick_count() == 2


def test_the_scheduler_clock_is_kvmclock_minus_steal():
    """T18: 3 s stolen of 10 s"""
    w = World()
    w.boot(calibration="kvm")
    w.skip(3500 * MS)
    w.stall(3 * S, stolen=True)
    w.skip_to(10 * S)
    assert w.sight.steal(0, w.now) == 3 * S
    assert w.drift("kvmclock") == -3
    assert w.os.ns("sched", w.now) == 7 * S - 3


def test_a_guest_that_compensates_on_top_of_reinjection_runs_fast_by_what_was_missed():
    """T16: the tick after the gap makes up for 50 missed ones, and the host injects these 50 as well."""
    w = World()
    w.boot(calibration="kvm", compensate="buggy")
    w.tick(*range(MS, 101 * MS, MS))
    w.stall(50 * MS + 500_000)
    w.tick(151 * MS)
    assert w.os.tick_count() == 151
    w.tick(*range(151 * MS + 10_000, 151 * MS + 510_000, 10_000))
    assert w.os.tick_count() == 151 + 50
    w.tick(152 * MS)
    assert w.drift("ticks") == 50 * MS


def test_a_guest_whose_first_injected_tick_is_itself_one_of_the_missed_runs_one_less_fast():
    """Scenario C with the in-kernel PIT's order: the first of 50 makes up for all, 49 are added."""
    w = scenario_c(compensate="buggy")
    w.tick(150_300_000)
    assert w.drift("ticks") == -300_000
    w.tick(*range(150_320_000, 150_320_000 + 49 * 14_000, 14_000), 151 * MS)
    assert w.drift("ticks") == 49 * MS


def test_a_compensating_guest_without_reinjection_is_equal_to_due_again():
    """T69"""
    for kind in ("buggy", "right"):
        w = scenario_c(compensate=kind)
        w.tick(150_300_000)
        assert w.os.tick_count() == 150, kind
        w.tick(*range(151 * MS, 201 * MS, MS))
        assert w.os.tick_count() == 200, kind


def test_right_compensation_counts_a_reinjected_tick_once():
    w = scenario_c(compensate="right")
    w.tick(*range(150_300_000, 150_300_000 + 49 * 14_000, 14_000), 151 * MS)
    w.tick(*range(152 * MS, 201 * MS, MS))
    assert w.os.tick_count() == 200


def test_without_compensation_a_gap_is_lost():
    w = scenario_c()
    w.tick(150_300_000)
    assert w.os.tick_count() == 101


@given(st.integers(1, 10**7), st.integers(1, 10**7), st.integers(1, 400), st.integers(1, 10**6))
def test_compensation_of_a_batch_is_that_of_its_ticks_one_by_one(first, step, count, cycles):
    one_by_one = max(1, first // cycles) + sum(max(1, step // cycles) for _ in range(count - 1))
    assert compensated(first, step * (count - 1), count, cycles) == one_by_one


@given(st.integers(1, 60), st.integers(500_000, 3_000_000), st.sampled_from(("buggy", "right")))
def test_ticks_told_as_a_batch_count_as_ticks_told_one_by_one(count, period, kind):
    worlds = World(), World()
    for w in worlds:
        w.boot(calibration="kvm", compensate=kind)
        w.tick(MS)
    worlds[0].train(5 * MS, period, count)
    worlds[1].tick(*range(5 * MS, 5 * MS + period * count, period))
    assert worlds[0].os.tick_count() == worlds[1].os.tick_count()
    assert worlds[0].os.snapshot() == worlds[1].os.snapshot()


def test_a_divisor_of_1193_makes_a_1000_hz_clock_gain_13_seconds_a_day():
    w = World()
    w.rates["irq.0"] = PIT_HZ / 1193
    w.boot(calibration="kvm")
    (row,) = (row for row in w.os.rows(w.now) if row.clock == "ticks")
    assert row.ppm == (PIT_HZ / 1193 / 1000 - 1) * 10**6
    assert row.a_day == 13_167_720_795


# -- calibration


def test_a_pit_calibration_takes_its_window_for_exact_and_its_whole_count_makes_it_fast():
    assert pit_window(10 * MS) == 11_931
    w = World()
    os = w.boot(window=10 * MS)
    # 11931 clocks of 105/88 MHz are 9.999314 ms, not 10
    assert os.state.khz == calibrated_pit(2_600_000 * 9_999_315 // 10**6, 10 * MS) == 2_599_821
    assert w.os.peek(w.now)["os.khz_error"] == -68_847


@pytest.mark.parametrize("kind, low, high", [("hpet", 2_599_995, 2_600_005), ("pm", 2_599_900, 2_600_100)])
def test_a_calibration_against_a_counter_is_as_exact_as_that_is_fine(kind, low, high):
    os = World().boot(calibration=kind)
    assert low <= os.state.khz <= high


def test_a_late_last_read_makes_the_tsc_look_faster():
    """1 µs late in 10 ms is 100 ppm."""
    exact, late = World().boot(calibration="hpet"), World().boot(calibration="hpet", late=1000)
    assert late.state.khz - exact.state.khz == 260


def test_a_vcpu_that_is_stolen_in_the_window_sees_the_pit_end_late():
    w = World()
    w.boot(up=False)
    w.skip(5 * MS)
    w.stall(10 * MS)
    assert w.os.state.khz == 3_900_000
    assert w.os.state.stage == "up"


def test_a_counter_that_is_read_beside_the_tsc_does_not_mind():
    w = World()
    w.boot(up=False, calibration="hpet")
    w.skip(5 * MS)
    w.stall(10 * MS)
    assert w.os.state.khz == 2_600_000


def test_a_pm_timer_wraps_once_unseen_in_a_window_and_the_rate_is_far_too_high():
    w = World()
    w.boot(up=False, calibration="pm", window=10 * MS)
    w.skip(5 * MS)
    w.stall(5 * S)
    assert w.os.state.khz > 10 * 2_600_000


def test_cpuid_tells_the_rate_where_it_enumerates_the_crystal():
    w = World()
    w.leaves[0x15] = (2, 216, 24_000_000, 0)
    assert w.boot(calibration="cpuid").state.khz == 2_592_000


def test_cpuid_that_tells_no_rate_is_refused_and_nothing_is_booted():
    w = World()
    w.leaves[0x15] = (2, 200, 0, 0)
    with pytest.raises(ValueError, match="CPUID tells no rate"):
        w.boot(calibration="cpuid")
    assert w.os.state.stage == "off"


def test_a_second_calibration_changes_the_rate_and_not_the_time():
    w = World()
    w.boot()
    w.skip(S)
    before = w.drift("tsc")
    w.os.calibrate(w.now, "hpet", 10 * MS, 0)
    w.skip(10 * MS)
    assert w.os.state.khz == 2_600_000
    # 10 ms more of the old rate
    assert abs(w.drift("tsc") - before - 689) <= 2


def test_mult_and_shift_are_rounded_as_linux_does():
    assert mult_shift(2_600_000, khz=True) == (6_452_775, 24)
    mult, shift = mult_shift(3_579_545, 24)
    assert abs(Fraction(mult, 1 << shift) * 3_579_545 / 10**9 - 1) < Fraction(1, 10**9)


@given(st.integers(10_000, 10_000_000))
def test_mult_and_shift_are_within_a_ppm_and_do_not_overflow_in_ten_minutes(khz):
    mult, shift = mult_shift(khz, khz=True)
    assert abs(Fraction(mult * khz, 1 << shift) - 10**6) < 1
    assert mult * khz * 1000 * 600 < 1 << 64


# -- counters that wrap


def test_a_pm_timer_that_is_read_often_enough_loses_no_wrap():
    w = World()
    w.boot(calibration="kvm")
    w.skip(3600 * S)
    assert abs(w.drift("pm")) < 10**6


def test_a_gap_longer_than_the_wrap_of_the_pm_timer_loses_it():
    w = World()
    w.boot(calibration="kvm")
    w.skip(S)
    w.stall(4 * S)
    assert abs(w.drift("pm")) < 1000
    w.stall(5 * S)
    lost = (1 << 24) * S // 3_579_545
    assert abs(w.drift("pm") + lost) < 2000
    assert "1 wrap missed" in w.os.why("pm", w.now)


def test_an_hpet_of_32_bits_loses_429_seconds():
    w = World(hpet_hz=Fraction(10_000_000))
    w.boot(calibration="kvm")
    w.stall(430 * S)
    assert w.drift("hpet") == -429_496_729_600
