"""Which clocks a guest's system takes, what it says of them, and that it is a device like the others."""

from dataclasses import replace
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st
from osrig import KVM, MS, S, World

from timerlab.devices.os import GuestOs
from timerlab.devices.os_clocks import detect, detect_2010, kvm_para_available, rating
from timerlab.devices.os_peeks import peeks_of
from timerlab.scaling import time_scale

# -- which clocks


def test_kvmclock_is_found_by_its_signature_and_bits():
    """Bit 3 the new MSRs, else bit 0 the old ones, else none."""
    for eax, msrs in ((0b1001, "new"), (0b1000, "new"), (0b0001, "old"), (0b0010, "none"), (0, "none")):
        w = World(eax=eax)
        assert detect(w.sight.cpuid) == msrs
    assert kvm_para_available(World().sight.cpuid)


def test_the_document_of_2010_chooses_wrongly_for_bit_0_alone_and_for_bit_3_alone():
    one, eight, two = World(eax=1), World(eax=8), World(eax=2)
    assert (detect(one.sight.cpuid), detect_2010(one.sight.cpuid)) == ("old", "new")
    assert (detect(eight.sight.cpuid), detect_2010(eight.sight.cpuid)) == ("new", "none")
    assert (detect(two.sight.cpuid), detect_2010(two.sight.cpuid)) == ("none", "new")


def test_a_changed_signature_is_no_kvm():
    w = World()
    w.leaves[0x4000_0000] = (0x4000_0001, KVM[0], KVM[1], 0x4E)
    w.boot()
    assert w.writes == []
    assert w.os.ns("kvmclock", w.now) is None


def test_no_kvmclock_writes_no_msr_and_the_clocksource_is_another():
    w = World(invariant=False)
    w.boot(kvmclock=False)
    assert w.writes == []
    assert w.os.state.current == "hpet"


def test_kvmclock_is_registered_with_the_msrs_that_cpuid_offers():
    new, old = World(vcpus=2), World(eax=1)
    new.boot()
    old.boot()
    assert new.writes == [(0, 0x4B56_4D01, 0x1001), (1, 0x4B56_4D01, 0x1041)]
    assert old.writes == [(0, 0x12, 0x1001)]


def test_kvmclock_is_rated_below_a_tsc_that_never_stops():
    """T70"""
    w = World()
    assert rating("kvmclock", w.sight.cpuid, False) == 299
    assert w.boot().state.current == "tsc"


def test_a_tsc_that_halts_in_idle_is_no_clocksource():
    w = World(invariant=False)
    assert rating("kvmclock", w.sight.cpuid, True) == 400
    assert w.boot().state.current == "kvmclock"
    assert w.os.state.unstable == "it halts in idle"
    with pytest.raises(ValueError, match="halts in idle"):
        w.os.choose(w.now, "tsc")


@pytest.mark.parametrize(
    "there, falls_to", [("kvmclock hpet pm", "kvmclock"), ("hpet pm", "hpet"), ("pm", "pm"), ("", "jiffies")]
)
def test_an_unstable_tsc_falls_back_by_rating(there, falls_to):
    """T62"""
    w = World(kvm="kvmclock" in there, hpet_hz=Fraction(100_000_000) if "hpet" in there else Fraction(0))
    if "pm" not in there:
        w.os = GuestOs(replace(w.os.sight, pm_hz=Fraction(0)))
    w.boot()
    before = w.os.raw(w.now)
    assert w.os.state.current == "tsc"
    w.os.fall_back(w.now, "test")
    assert w.os.state.current == falls_to
    assert w.os.raw(w.now) == before


def test_ticks_come_from_the_local_apic_unless_the_guest_is_told_not_to():
    for options, source in (({}, "lapic0.timer"), ({"nolapic": True}, "irq.0"), ({"nolapic_timer": True}, "irq.0")):
        w = World()
        w.rates["lapic0.timer"] = Fraction(1000)
        assert w.boot(**options).state.source == source
    assert World().boot().state.source == "irq.0"


def test_the_rtc_gives_whole_seconds():
    w = World()
    w.boot(calibration="kvm")
    w.skip(1999 * MS)
    assert w.os.read("rtc", w.now) == S


# -- drift


def test_pvclock_truncation_costs_24_microseconds_a_day():
    w = World()
    w.boot(calibration="kvm")
    (row,) = (row for row in w.os.rows(w.now) if row.clock == "kvmclock")
    assert row.a_day == -24_140
    w.skip(3600 * S)
    assert w.drift("kvmclock") == -1006


def test_a_guest_that_moves_without_scaling_keeps_its_old_rate_error():
    """T27, T28"""
    for old, new, shown in ((2_600_000, 3_000_000, 1_153_846_153), (3_000_000, 2_600_000, 866_666_666)):
        w = World(khz=old)
        w.boot(calibration="kvm", watchdog="off")
        w.skip(S)
        w.retune(new)
        before = w.os.ns("tsc", w.now)
        w.skip(S)
        assert abs(w.os.ns("tsc", w.now) - before - shown) < 200


def test_the_page_of_the_new_host_has_another_multiplier():
    """T29"""
    assert time_scale(S, 2_600_000_000) == (0xC4EC_4EC4, -1)
    assert time_scale(S, 3_000_000_000) == (0xAAAA_AAAA, -1)


def test_a_row_says_believed_time_drift_rate_and_why():
    w = World()
    w.boot()
    w.skip(S)
    seen = w.os.peek(w.now)
    for row in w.os.rows(w.now):
        assert row.drift == row.believes - w.now
        assert seen[f"os.{row.clock}.ns"] == row.believes
        assert row.why


# -- as a device


def test_peeks_are_the_same_names_off_and_on_and_change_nothing():
    w = World(vcpus=2)
    names = set(peeks_of(2))
    assert set(w.os.peek(0)) == names
    w.boot()
    before = w.os.snapshot()
    assert set(w.os.peek(w.now)) == names
    assert w.os.snapshot() == before


def test_snapshot_and_restore_is_the_identity_and_forgets_samples_ahead():
    w = World()
    w.boot()
    w.os.discipline(w.now, True)
    w.os.sample(w.now)
    kept = w.os.snapshot()
    w.skip(100 * S)
    w.os.sample(w.now)
    assert w.os.snapshot() != kept
    w.os.restore(kept)
    assert w.os.snapshot() == kept
    assert len(w.os.track) == 1


def test_the_track_is_bounded():
    w = World()
    w.boot()
    for _ in range(1000):
        w.skip(MS)
        w.os.sample(w.now)
    assert 256 <= len(w.os.track) <= 512
    assert w.os.track[0][0] < 30 * MS  # thinned out, not cut off
    assert set(w.os.track[-1][1]) == {"ticks", "tsc", "hpet", "pm", "rtc", "kvmclock", "sched", "system"}


@given(st.lists(st.integers(1, 10**10), min_size=1, max_size=8), st.booleans())
def test_slicing_time_cannot_be_seen(slices, stalled):
    worlds = World(khz=2_600_123), World(khz=2_600_123)
    for w in worlds:
        w.boot()
        w.os.discipline(w.now, True)
        if stalled:
            w.stall(7 * S)
    for ns in slices:
        worlds[0].skip(ns)
    worlds[1].skip(sum(slices))
    assert worlds[0].os.snapshot() == worlds[1].os.snapshot()


def test_options_out_of_range_are_refused():
    for options in ({"hz": 0}, {"window": 10}, {"window": 60 * MS}, {"watchdog": "cat"}, {"calibration": "sundial"}):
        with pytest.raises(ValueError):
            World().boot(**options)


def test_a_reset_turns_the_system_off():
    w = World()
    w.boot()
    w.os.reset(w.now)
    assert w.os.peek(w.now)["os.stage"] == "off"
    assert w.os.snapshot() == World().os.snapshot()


def test_time_that_is_isolated_is_seen_by_no_clock_of_the_guest():
    """T65: 50 ms that TSC, ticks and kvmclock do not count"""
    w = World()
    w.boot(calibration="kvm", hz=1000)
    w.train(MS, MS, 500)
    clocks = ("ticks", "tsc", "kvmclock", "system")
    before = {clock: w.drift(clock) for clock in clocks}
    w.out()
    w.now += 50 * MS
    w.tsc = [clock.offset(-130_000_000) for clock in w.tsc]
    w.back()
    for clock in clocks:
        assert w.drift(clock) - before[clock] == -50 * MS, clock
    w.skip(100 * S)
    assert (w.os.state.unstable, w.os.cores[0].soft) == ("", 0)


def test_rounds_of_a_load_in_which_the_guest_runs_by_turns_are_no_stall():
    w = World()
    w.boot(calibration="kvm")
    w.skip(S)
    w.out()
    w.now += 365 * 86_400 * S
    w.os.leap(w.now)
    w.back()
    assert w.os.cores[0].soft == 0
    assert not w.os.state.unstable
    assert w.os.cores[0].due > w.now


def test_a_halted_vcpu_is_not_out():
    w = World()
    w.boot(calibration="kvm")
    w.os.exit(0, w.now, "halt")
    assert not w.os.cores[0].out
    w.skip(100 * S)
    assert w.os.cores[0].soft == 0


def test_the_guest_knows_from_cpuid_that_its_tsc_halts_in_idle():
    assert World(invariant=True).boot().state.unstable == ""
    w = World()
    w.leaves[0x8000_0000] = (0x8000_0006, 0, 0, 0)
    assert w.boot().state.unstable == "it halts in idle"
