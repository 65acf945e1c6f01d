"""Measurements, each with the number that the reference on tick policies and phenomena has for it."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from timerlab.devices import probe_sums as sums
from timerlab.devices.probe import PROBES, Probe
from timerlab.scaling import WORD

MS, S, US = 10**6, 10**9, 10**3
KHZ = 2_600_000


def made(skew=0):
    tsc = [1_000_000, 1_000_000 + skew]
    return Probe(lambda v, now: (tsc[v] + now * 13 // 5) % WORD, lambda v: Fraction(KHZ), 2)


def probe(name, *arguments):
    return made().measure(name, arguments, 0).value


@pytest.mark.parametrize(
    "fence, ps",
    [("none", 9_615), ("lfence", 15_385), ("rdtscp", 15_385), ("cpuid", 57_692), ("trapped", 576_923)],
)
def test_what_a_read_costs_is_how_uncertain_it_is(fence, ps):
    """T53: 9.6, 15.4, 57.7, 576.9 ns at 2.6 GHz"""
    assert probe("read", fence) == ps


def test_only_an_unfenced_read_may_be_early():
    assert sums.sampled("none") == (-10, 25)
    assert sums.sampled("lfence") == (0, 40)
    assert sums.sampled("cpuid", 700) == (0, 700)
    assert "RDMSR is not serializing" in made().measure("read", ("rdmsr",), 0).words


def test_two_reads_out_of_order_are_held_by_the_last_value_filter():
    """T26"""
    assert probe("pair", 10) == probe("pair", 10, "raw") == -10
    assert probe("pair", 10, "last_value") == 0


@given(st.lists(st.integers(0, 10**6), min_size=2, max_size=30))
def test_the_last_value_filter_never_goes_back(reads):
    last = reads[0]
    for read in reads[1:]:
        step = sums.pair(last, read, True)
        assert step >= 0
        last += step


@pytest.mark.parametrize("granularity, values", [(MS, 2_600_000), (4 * MS, 10_400_000)])
def test_a_coarse_clock_has_one_value_for_millions_of_the_tsc(granularity, values):
    """T23, T24"""
    assert probe("alias", granularity) == values


def test_a_read_that_may_be_one_early_or_ten_late_has_twelve_values():
    assert probe("band") == 12


def test_a_recalibration_steps_back_by_5_ns():
    """T25: the old epoch one cycle early, the new one ten late"""
    old, new = (999, 0), (2_601_010, MS)
    assert sums.epoch_ns(2_602_000, *old, KHZ) == 1_000_385
    assert sums.epoch_ns(2_602_000, *new, KHZ) == 1_000_380
    assert probe("recalibrate", *old, *new, 2_602_000) == -5
    assert "−4.231" in made().measure("recalibrate", (*old, *new, 2_602_000), 0).words


def test_a_page_that_was_recorded_steps_back_by_154_ns():
    """T54"""
    old, new = (6_436_668_531_813, 12_292_479_390), (6_436_936_248_314, 12_395_600_930)
    assert sums.refreshed(old, 3_308_756_133, -1, new) == -154
    assert new[1] - old[1] == 103_121_540
    assert probe("refresh", *old, 3_308_756_133, -1, *new) == -154


def test_the_red_pill():
    """T36"""
    assert 100 <= probe("redpill", "native") <= 200
    assert probe("redpill") == probe("redpill", "trapped") == 1500
    assert probe("redpill", "trapped", 2100) == 2100


@pytest.mark.parametrize("loop, ns", [("tsc", 5_040 * US), ("counted", 5_100 * US), ("hidden", 5_100 * US)])
def test_a_delay_with_the_vcpu_out_in_its_midst(loop, ns):
    """T32"""
    assert probe("udelay", 100 * US, 40 * US, 5 * MS, loop) == ns
    assert probe("udelay", 100 * US, 40 * US, 0, loop) == 100 * US


@given(st.integers(0, 10**6), st.integers(0, 10**6), st.integers(0, 10**7), st.sampled_from(("tsc", "counted")))
def test_a_delay_is_never_shorter_than_asked(asked, done, out, loop):
    ns = sums.udelay(asked, done, out, loop)
    assert asked <= ns <= asked + out


def test_io_delays_are_paid_unless_the_guest_may_leave_them_out():
    """T33, T63"""
    assert probe("iodelay", 10) == 130 * US
    assert probe("iodelay", 10, "native") == 10 * US
    assert probe("iodelay", 10, "nop") == 0


def test_a_section_without_interrupts_lasts_as_long_as_the_vcpu_is_out():
    """T51"""
    found = made().measure("cli", (20 * US, 5 * MS), 0)
    assert found.value == 5_020 * US
    assert "TSC +13 052 000" in found.words


def test_a_stall_moves_the_tsc():
    """T17, T34"""
    assert probe("cycles", 50 * MS) == 130_000_000
    assert probe("cycles", 200 * US) == 520_000


def test_bits_can_be_sent_by_load_and_read_from_steal():
    """T64"""
    assert sums.covert("1011", 100 * MS) == (50 * MS, 0, 50 * MS, 50 * MS)
    assert probe("covert", "1011") == 0b1011
    assert probe("covert", "1011", 100 * MS, 50 * MS) == 0


@given(st.text("01", min_size=1, max_size=64), st.integers(2, 10**9))
def test_what_is_sent_is_decoded(bits, slot):
    assert sums.decoded(sums.covert(bits, slot), slot // 4) == bits


def test_fair_scheduling_steals_half_of_a_second_from_each_of_two():
    """T19"""
    assert probe("fair", 2, 1) == 500 * MS
    assert probe("fair", 2, 2) == 0


def test_the_scheduler_clock_leaves_steal_out():
    """T18"""
    assert probe("sched", 10 * S, 3 * S) == 7 * S


def test_a_calibration_over_channel_2():
    """59659 clocks are 49.999916 ms"""
    assert sums.pit_calibration(59_659, 1_193_182, KHZ) == (49_999_916, 129_999_782)
    assert probe("calibrate", 59_659) == 129_999_782


def test_a_pit_count_of_16_bits_reads_60_ms_as_5():
    found = made().measure("pitalias", (60 * MS,), 0)
    assert 5_070_000 < found.value < 5_080_000
    assert "11.8 times too high" in found.words


def test_a_move_without_scaling():
    """T27, T28"""
    assert probe("migrate", 2_600_000, 3_000_000) == 1_153_846_153
    assert "+15.385 %" in made().measure("migrate", (2_600_000, 3_000_000), 0).words
    assert probe("migrate", 3_000_000, 2_600_000) == 866_666_666
    assert "−13.333 %" in made().measure("migrate", (3_000_000, 2_600_000), 0).words


def test_catch_up_hides_a_slower_host_and_never_a_faster_one():
    """T28"""
    assert probe("catchup", 3_000_000, 2_600_000) == 400_000_000
    assert probe("catchup", 2_600_000, 3_000_000) == 0


def test_an_hpet_that_is_passed_through_counts_at_the_new_rate():
    """T55"""
    assert probe("hpetmove", 69_841_279, 10_000_000) == 100_000_000
    assert abs(probe("hpetmove", 69_841_279, 10_000_000, "virtual") - 14_318_180) <= 1


def test_what_ntp_does_about_a_downtime():
    """T30, T31, T66"""
    assert probe("downtime", 100 * MS) == 200 * S
    assert probe("downtime", 30 * S) == 0
    assert probe("downtime", 1001 * S) == -1
    assert probe("slew", 86_400 * S) == 43_200 * MS


@pytest.mark.parametrize(
    "arguments, said",
    [
        ((25 * S,), 23),  # T20
        ((25 * S, 0, "stopped"), 0),
        ((19_900 * MS,), 0),  # T21
        ((22_548_578_304,), 21),  # T57
        ((22_548_578_303,), 0),
        ((22_500 * MS,), 0),
        ((20 * S, 3 * S), 21),  # T58
    ],
)
def test_what_a_soft_lockup_watchdog_says(arguments, said):
    assert probe("stuck", *arguments) == said


@pytest.mark.parametrize(
    "arguments, difference, word",
    [
        ((2_600_000, 2_900_000), 57_692_307, "stable"),  # T59
        ((2_600_000, 2_925_000), 62_500_000, "stable"),
        ((2_600_000, 3_000_000), 76_923_076, "unstable"),
        ((1_000_000, 1_000_700, "modern"), 350_000, "stable"),  # T60
        ((1_000_000, 1_000_900, "modern"), 450_000, "unstable"),
    ],
)
def test_what_a_clocksource_watchdog_finds(arguments, difference, word):
    found = made().measure("skew", arguments, 0)
    assert (found.value, found.words.rsplit(" ", 1)[1]) == (difference, word)


def test_a_sleep_on_a_host_whose_timer_is_coarse():
    """Host HZ 100: a sleep of 1 ms lasts 10 to 20 ms."""
    assert probe("sleep", MS, 10 * MS) == 20 * MS
    assert probe("sleep", MS, 10 * MS, 10 * MS - 1) == 10 * MS + 1
    assert probe("sleep", MS, 0) == MS


@given(st.integers(1, 10**8), st.integers(1, 10**8), st.integers(0, 10**8))
def test_a_sleep_is_never_short_and_at_most_two_ticks_long(asked, granularity, phase):
    ns = sums.slept(asked, granularity, phase)
    assert asked < ns <= asked + 2 * granularity


@pytest.mark.parametrize("hz, lost, behind", [(100, 5, 50), (250, 12, 48), (1000, 50, 50)])
def test_the_same_stall_loses_more_ticks_at_a_higher_hz(hz, lost, behind):
    """T52"""
    assert probe("lost", 100_300 * US, 50 * MS, hz, "nolatch") == lost
    assert lost * 1000 // hz == behind


def test_ticks_lost_in_a_downtime_and_in_smm():
    """T15, T34, T35"""
    assert probe("lost", 500 * US, 30 * S, 1000, "nolatch") == 30_000
    assert probe("lost", 500 * US, 30 * S, 1000) == 29_999
    assert probe("lost", 10_200 * US, 2500 * US, 1000) == 1
    assert probe("lost", 10_800 * US, 2500 * US, 1000) == 2
    assert probe("lost", 10_200 * US, 200 * US, 1000) == 0


@given(st.integers(0, 10**9), st.integers(0, 10**8), st.integers(1, 10**4))
def test_due_ticks_are_the_multiples_in_the_gap(start, out, hz):
    gap = range(start * hz // S, (start + out) * hz // S + 2)
    assert sums.due(start, out, hz) == sum(start * hz <= k * S < (start + out) * hz for k in gap)


def test_a_vcpu_that_is_in_and_out_each_10_ms():
    """T56"""
    found = sums.latencies(MS, 10 * MS, 10 * MS, 10_500 * US, S)
    assert (found.due, found.delivered, found.lost, found.pending) == (1000, 549, 450, 1)
    assert found.worst == 9_500 * US
    assert dict(found.bins) == {0: 500, 10 * MS: 49}
    assert probe("latency", MS, 10 * MS, 10 * MS, 10_500 * US) == 549


def test_preemption_that_is_aligned_with_ticks_loses_every_second_one_and_random_about_its_share():
    """Out for 5 % of the time: 0.1 ms around each second tick, or at a place of each 2 ms that is picked."""
    out = (MS, 1900 * US, 100 * US, 1950 * US, S)
    assert sums.latencies(*out, latch=False).lost == 500
    for seed in range(1, 6):
        assert 25 <= sums.latencies(*out, seed=seed, latch=False).lost <= 100
    assert sums.latencies(*out, seed=7) == sums.latencies(*out, seed=7) != sums.latencies(*out, seed=8)
    assert probe("latency", *out, 0, "nolatch") == 500


def test_a_histogram_counts_every_pair_once():
    pairs = [(0, 0), (0, 999), (0, 1000), (0, 1001), (0, 5 * S), (0, 100 * S)]
    assert sums.histogram(pairs) == ((0, 1), (1000, 2), (2000, 1), (5 * S, 1), (100 * S, 1))


@given(
    st.integers(10**5, 10**7),
    st.integers(10**5, 10**7),
    st.integers(10**5, 10**7),
    st.integers(0, 10**7),
    st.integers(0, 9),
)
def test_every_tick_is_delivered_lost_or_pending(period, on, off, phase, seed):
    found = sums.latencies(period, on, off, phase, 10**8, seed)
    assert found.delivered + found.lost + found.pending == found.due == 10**8 // period
    assert sum(n for _, n in found.bins) == found.delivered
    assert found.worst <= off


def test_a_table_by_tsc_aux_corrects_a_skewed_cpu():
    p = made(skew=500)
    assert p.measure("warp", (), 0).value == 500
    assert p.measure("table", (0, 1, -500), 10**9).value == 0
    assert p.measure("table", (0, 1, -499), 10**9).value == 1
    assert p.measure("warp", (1, 0), 0).value == -500


def test_a_probe_of_an_unknown_name_or_argument_is_refused():
    p = made()
    for name, arguments in (
        ("sundial", ()),
        ("read", ("hand",)),
        ("udelay", (1,)),
        ("warp", (0, 2)),
        ("covert", ("102",)),
        ("alias", (0,)),
        ("band", (1, 2, 3)),
    ):
        with pytest.raises(ValueError):
            p.measure(name, arguments, 0)


@pytest.mark.parametrize("name", PROBES)
def test_every_probe_says_what_it_is(name):
    spec = PROBES[name]
    assert spec.usage.startswith(f"probe {name}")
    assert spec.about and spec.unit
    needed = [param for param in spec.params if param.default is None]
    assert needed == list(spec.params[: len(needed)]), "what must be given comes first"


def test_qemu_s_rtc_makes_up_for_8_ticks_in_942_clocks():  # T7
    assert sums.rtc_slew(512, 8) == [64, 64, 73, 85, 102, 128, 170, 256]
    found = made().measure("rtcslew", (512, 8), 0)
    assert found.value == 942
    assert found.words == "gaps 64, 64, 73, 85, 102, 128, 170, 256: 942 clocks of 32 768 Hz, 28.748 ms"
