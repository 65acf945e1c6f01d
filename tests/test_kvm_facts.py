"""How KVM sets the TSCs of a VM, holds them together, and carries them over what happens to the host."""

from __future__ import annotations

import pytest
from kvmrig import MS, Rig, S

WRITE = 1_000_000_000


def frozen(rig: Rig, v: int, tsc: int) -> None:
    rig.cpus[v].frozen = tsc


def test_a_vm_starts_with_its_vcpus_in_one_generation_and_the_master_clock_on() -> None:  # T18
    rig = Rig(4)
    rig.wrmsr(0x4B56_4D01, 0x1001)
    assert rig.vm.nr_matched == 3
    assert rig.vm.use_master
    for v in range(4):
        rig.wrmsr(0x4B56_4D01, (0x1000 + 64 * v) | 1, v)
        assert rig.seen(f"pv{v}.flags") == 1


def test_userspaces_write_within_a_second_of_what_is_expected_copies_the_offset() -> None:  # T14
    rig = Rig(2)
    rig.go(S)
    rig.kvm.set_tsc(0, WRITE, rig.now)
    rig.go(200 * MS)
    rig.kvm.set_tsc(1, WRITE, rig.now)
    assert rig.cpus[0].offset == rig.cpus[1].offset
    assert rig.vm.nr_matched == 1
    assert rig.tsc(1) == rig.tsc(0) == WRITE + 520_000_000


def test_two_seconds_later_it_begins_a_new_generation() -> None:  # T15
    rig = Rig(2)
    rig.go(S)
    rig.kvm.set_tsc(0, WRITE, rig.now)
    generation = rig.vm.cur_generation
    rig.go(2 * S)
    rig.kvm.set_tsc(1, WRITE, rig.now)
    assert rig.vm.cur_generation == generation + 1
    assert rig.vm.nr_matched == 0
    assert rig.tsc(1) == WRITE


@pytest.mark.parametrize("khz", [2_600_000, 2_000_000])
def test_a_write_of_0_matches_if_the_rate_is_the_last_writers(khz: int) -> None:  # T16
    rig = Rig(2)
    rig.go(10 * S)
    rig.kvm.set_tsc_khz(1, khz, rig.now)
    generation = rig.vm.cur_generation
    rig.kvm.set_tsc(1, 0, rig.now)
    assert (rig.vm.cur_generation == generation) == (khz == 2_600_000)
    assert rig.tsc(1) == (26_000_000_000 if khz == 2_600_000 else 0)


def test_a_guests_write_moves_offset_and_adjust_and_is_held_against_nothing() -> None:  # T17
    rig = Rig(2)
    rig.go(S)
    before = rig.kvm.state.vm.last_write, rig.vm.cur_generation, rig.vm.nr_matched
    rig.wrmsr(0x10, 100)
    assert rig.tsc(0) == 100
    assert rig.cpus[0].adjust == (100 - 2_600_000_000) % (1 << 64)
    assert (rig.vm.last_write, rig.vm.cur_generation, rig.vm.nr_matched) == before


@pytest.mark.parametrize(("khz", "master", "matched"), [(0, True, 4), (2_000_000, False, 0)])
def test_a_hotplugged_vcpu_keeps_the_master_clock_on_if_its_rate_is_the_others(
    khz: int, master: bool, matched: int
) -> None:  # T19
    rig = Rig(5, online=4)
    rig.go(S)
    assert rig.vm.use_master and rig.vm.nr_matched == 3
    rig.kvm.create(4, rig.now, khz)
    assert rig.vm.use_master == master
    assert rig.vm.nr_matched == matched
    with pytest.raises(ValueError, match="v4 is there already"):
        rig.kvm.create(4, rig.now)


@pytest.mark.parametrize(("tsc", "after"), [(2_550_000_000, 2_599_999_999), (2_600_000_007, 2_600_000_007)])
def test_catch_up_raises_a_tsc_to_what_time_says_and_never_lowers_it(tsc: int, after: int) -> None:  # T20, T21
    rig = Rig(host_clocksource="hpet")
    rig.kvm.state.vcpus[0].catchup = True
    rig.go(S)
    frozen(rig, 0, tsc)
    rig.cpus[0].offset = 0
    rig.kvm.refresh_wanted(0, rig.now)
    assert rig.tsc() == after
    assert rig.cpus[0].offset == after - tsc


def test_on_an_unstable_host_a_migrated_vcpu_goes_on_from_its_last_tsc() -> None:  # T22
    rig = Rig(host_clocksource="hpet")
    rig.go(S)
    frozen(rig, 0, 0)
    rig.cpus[0].offset = 5_000_000_000
    rig.exit("preempt")
    frozen(rig, 0, 1_000_000_000)
    rig.enter(moved=True)
    assert rig.cpus[0].offset == 4_000_000_000
    assert rig.tsc() == 5_000_000_000
    assert rig.kvm.state.vcpus[0].catchup


def test_a_host_tsc_that_is_10_behind_is_marked_unstable() -> None:  # T23
    rig = Rig(2)
    rig.go(S)
    rig.exit("preempt")
    rig.cpus[0].plus = -10
    rig.enter(moved=True)
    assert rig.vm.unstable and not rig.vm.tsc_clock and not rig.vm.use_master
    assert rig.kvm.state.vcpus[0].catchup
    assert not rig.kvm.state.vcpus[1].catchup
    assert rig.tsc() == 2_600_000_000


def test_the_first_write_of_userspace_is_taken_as_it_is_since_6_7() -> None:  # T46
    rig = Rig()
    rig.go(200 * MS)
    generation = rig.vm.cur_generation
    rig.kvm.set_tsc(0, WRITE, rig.now)
    assert rig.tsc() == WRITE
    assert rig.vm.cur_generation == generation + 1


def test_before_6_7_it_is_taken_for_a_restored_0() -> None:  # T46
    rig = Rig(kvm_user_set="before")
    rig.go(200 * MS)
    generation = rig.vm.cur_generation
    rig.kvm.set_tsc(0, WRITE, rig.now)
    assert rig.tsc() == 520_000_000
    assert rig.vm.cur_generation == generation


def test_a_vcpu_made_after_10_s_has_the_tsc_of_the_others() -> None:  # T47
    rig = Rig(2, online=1)
    rig.go(10 * S)
    rig.kvm.create(1, rig.now)
    assert rig.tsc(1) == rig.tsc(0) == 26_000_000_000
    assert rig.cpus[1].offset == rig.vm.cur_offset
    assert (rig.vm.last_write, rig.vm.last_nsec) == (0, 10 * S)


def test_on_an_unstable_host_a_matching_write_is_carried_on_by_time() -> None:  # T48
    rig = Rig(2, host_clocksource="hpet")
    rig.go(S)
    rig.kvm.set_tsc(0, WRITE, rig.now)
    rig.go(200 * MS)
    rig.kvm.set_tsc(1, WRITE, rig.now)
    assert rig.tsc(1) == 1_519_999_999
    assert rig.vm.nr_matched == 1


@pytest.mark.parametrize(
    ("value", "new"), [(12_600_000_000, True), (12_599_999_999, False), (7_400_000_000, True), (7_400_000_001, False)]
)
def test_the_second_of_grace_is_open_at_both_ends(value: int, new: bool) -> None:  # T49
    rig = Rig()
    rig.kvm.set_tsc(0, 10_000_000_000, rig.now)
    generation = rig.vm.cur_generation
    rig.kvm.set_tsc(0, value, rig.now)
    assert (rig.vm.cur_generation > generation) == new


def test_three_vcpus_written_a_millisecond_apart_have_one_offset() -> None:  # T50
    rig = Rig(3, khz=2_345_678)
    rig.kvm.set_tsc(0, 200_000_000, rig.now)
    rig.go(MS)
    rig.kvm.set_tsc(1, 0, rig.now)
    rig.go(MS)
    rig.kvm.set_tsc(2, 200_000_000, rig.now)
    assert len({cpu.offset for cpu in rig.cpus}) == 1
    assert rig.vm.nr_matched == 2


def test_a_vcpu_that_matches_twice_is_counted_once() -> None:  # T51
    rig = Rig(2)
    rig.kvm.set_tsc(0, WRITE, rig.now)
    rig.kvm.set_tsc(1, WRITE, rig.now)
    rig.kvm.set_tsc(1, WRITE, rig.now)
    assert rig.vm.nr_matched == 1


def test_equal_offsets_match_and_others_turn_the_master_clock_off() -> None:  # T52
    rig = Rig(2)
    rig.go(S)
    rig.kvm.set_offset(0, 1000, rig.now)
    assert not rig.vm.use_master
    rig.kvm.set_offset(1, 1000, rig.now)
    assert rig.vm.nr_matched == 1 and rig.vm.use_master
    generation = rig.vm.cur_generation
    rig.kvm.set_offset(1, 2000, rig.now)
    assert rig.vm.cur_generation == generation + 1
    assert not rig.vm.use_master


@pytest.mark.parametrize(("offset", "tsc"), [(0, 10**12), (180 * 10**9, 1_180 * 10**9), (-180 * 10**9, 820 * 10**9)])
def test_the_offset_attribute_is_what_the_guest_reads_more(offset: int, tsc: int) -> None:  # T53
    rig = Rig()
    frozen(rig, 0, 10**12)
    rig.kvm.set_offset(0, offset, rig.now)
    assert rig.tsc() == tsc


def test_the_boot_vcpu_on_the_old_msr_turns_the_master_clock_off_for_all() -> None:  # T54
    rig = Rig(2)
    rig.wrmsr(0x4B56_4D01, 0x1001, 0)
    rig.wrmsr(0x4B56_4D01, 0x1041, 1)
    assert (rig.seen("pv0.flags"), rig.seen("pv1.flags")) == (1, 1)
    rig.wrmsr(0x12, 0x1001, 0, host=True)
    assert rig.vm.use_master
    rig.wrmsr(0x12, 0x1041, 1)
    assert rig.vm.use_master
    rig.wrmsr(0x12, 0x1001, 0)
    assert not rig.vm.use_master
    assert (rig.seen("pv0.flags"), rig.seen("pv1.flags")) == (0, 0)
    rig.wrmsr(0x4B56_4D01, 0x1001, 0)
    assert rig.vm.use_master
    assert (rig.seen("pv0.flags"), rig.seen("pv1.flags")) == (1, 1)


def test_a_resume_with_the_tsc_behind_adds_the_difference_at_the_next_load() -> None:  # T55
    rig = Rig(2)
    rig.go(S)
    frozen(rig, 0, 9_000_000_000)
    frozen(rig, 1, 9_000_000_100)
    for v in range(2):
        rig.exit("stop", v)
    before = [cpu.offset for cpu in rig.cpus]
    for v in range(2):
        frozen(rig, v, 1_000_000_000)
    assert rig.kvm.resumed(rig.now)
    assert [one.offset_adjustment for one in rig.kvm.state.vcpus] == [8_000_000_100] * 2
    assert (rig.vm.last_write, rig.vm.last_nsec) == (0, 0)
    for v in range(2):
        rig.enter(v)
    assert [cpu.offset - was for cpu, was in zip(rig.cpus, before, strict=True)] == [8_000_000_100] * 2
    assert not rig.vm.use_master
    rig.kvm.set_tsc(0, WRITE, rig.now)
    rig.kvm.set_tsc(1, WRITE, rig.now)
    assert rig.vm.nr_matched == 1 and not rig.vm.use_master


def test_s3_in_which_the_tsc_starts_again_leaves_the_guests_where_it_was() -> None:  # T44 of the TSC
    rig = Rig()
    frozen(rig, 0, 9_000_000_000_000)
    rig.kvm.set_offset(0, 0, rig.now)
    rig.kvm.suspended(rig.now)
    rig.suspended = 3600 * S
    frozen(rig, 0, 1_000_000_000)
    assert rig.kvm.resumed(rig.now)
    assert rig.cpus[0].offset == 8_999_000_000_000
    assert rig.tsc() == 9_000_000_000_000
    assert rig.kvm.kvmclock(rig.now) == 3600 * S


def test_a_resume_with_the_tsc_ahead_changes_nothing() -> None:
    rig = Rig(2)
    rig.go(S)
    rig.kvm.suspended(rig.now)
    before = rig.kvm.snapshot()[0]
    assert not rig.kvm.resumed(rig.now)
    assert rig.kvm.snapshot()[0] == before
    assert rig.tsc(1) == 2_600_000_000


def test_set_clock_adds_what_has_passed_since_the_realtime_it_is_given() -> None:  # T56
    rig = Rig()
    rig.wrmsr(0x4B56_4D01, 0x1001)
    rig.go(5 * S)
    real = rig.kvm.realtime(rig.now)
    for clock, realtime, want in (
        (0, None, 0),
        (180 * S, None, 180 * S),
        (0, real - 180 * S, 180 * S),
        (0, real + 180 * S, 0),
    ):
        rig.kvm.set_clock(clock, rig.now, realtime)
        assert rig.clock() == want
        assert rig.kvm.get_clock(rig.now).clock == want


def test_get_clock_tells_host_tsc_and_realtime_with_the_master_clock_on_alone() -> None:
    rig = Rig()
    rig.go(S)
    data = rig.kvm.get_clock(rig.now)
    assert (data.clock, data.flags, data.host_tsc) == (999_999_999, 2 | 4 | 8, 2_600_000_000)
    assert data.realtime == rig.kvm.realtime(rig.now)
    rig.kvm.clocksource(False, rig.now)
    data = rig.kvm.get_clock(rig.now)
    assert (data.clock, data.flags, data.host_tsc) == (S, 0, 0)


def test_a_guests_write_to_its_tsc_makes_kvmclock_jump_until_the_next_refresh() -> None:  # T57
    rig = Rig()
    rig.wrmsr(0x4B56_4D01, 0x1001)
    rig.go(S)
    before = rig.clock()
    rig.wrmsr(0x10, rig.tsc() + 2_600_000)
    assert rig.clock() - before in (999_999, 1_000_000)
    rig.kvm.refresh_wanted(0, rig.now)
    assert rig.clock() == before


def test_a_guests_write_to_tsc_adjust_does_not() -> None:  # T58
    rig = Rig()
    rig.wrmsr(0x4B56_4D01, 0x1001)
    rig.go(S)
    before, tsc, version = rig.clock(), rig.tsc(), rig.seen("pv0.version")
    rig.wrmsr(0x3B, 2_600_000)
    assert rig.tsc() - tsc == 2_600_000
    assert rig.clock() == before
    assert rig.seen("pv0.version") == version + 2


def test_another_pcpu_asks_for_a_refresh_with_the_master_clock_off_alone() -> None:  # T59
    rig = Rig(2)
    rig.wrmsr(0x4B56_4D01, 0x1001, 0)
    rig.wrmsr(0x4B56_4D01, 0x1041, 1)
    rig.go(S)
    versions = rig.seen("pv0.version"), rig.seen("pv1.version")
    rig.out("preempt", MS, moved=True)
    rig.go(S)
    assert (rig.seen("pv0.version"), rig.seen("pv1.version")) == versions
    rig.kvm.clocksource(False, rig.now)
    rig.go(S)
    first, second = rig.seen("pv0.version"), rig.seen("pv1.version")
    rig.out("preempt", MS, moved=True)
    assert (rig.seen("pv0.version"), rig.seen("pv1.version")) == (first + 2, second)
    rig.go(100 * MS - 1)
    assert (rig.seen("pv0.version"), rig.seen("pv1.version")) == (first + 2, second)
    rig.go(1)
    assert (rig.seen("pv0.version"), rig.seen("pv1.version")) == (first + 4, second + 2)


def test_6_1_takes_the_pair_anew_with_each_matching_write_and_6_12_does_not() -> None:
    pairs = []
    for update in ("v6_1", "v6_12"):
        rig = Rig(2, kvm_update=update)
        rig.go(S)
        rig.kvm.set_tsc(1, 0, rig.now)
        pairs.append(rig.vm.master_ns)
    assert pairs == [S, 0]


def test_a_new_generation_takes_the_pair_anew_while_the_master_clock_is_on() -> None:
    rig = Rig()
    rig.go(5 * S)
    rig.kvm.set_tsc(0, WRITE, rig.now)
    assert rig.vm.use_master
    assert (rig.vm.master_ns, rig.vm.master_tsc) == (5 * S, 13_000_000_000)


def test_a_clocksource_other_than_the_tsc_turns_the_master_clock_off_and_back() -> None:
    rig = Rig(2)
    rig.kvm.clocksource(False, rig.now)
    assert not rig.vm.use_master
    rig.kvm.clocksource(True, rig.now)
    assert rig.vm.use_master
    rig.kvm.mark_unstable(rig.now)
    with pytest.raises(ValueError, match="unstable"):
        rig.kvm.clocksource(True, rig.now)


def test_a_p_state_of_a_tsc_that_is_not_constant_makes_it_unstable_and_reaches_the_page() -> None:
    rig = Rig()
    rig.wrmsr(0x4B56_4D01, 0x1001)
    rig.go(S)
    rig.kvm.rate_changed(rig.now)
    assert rig.vm.use_master
    cpu = rig.cpus[0]
    cpu.khz, cpu.clock = cpu.khz / 2, cpu.clock.rerated(rig.now, 1_300_000_000)
    rig.kvm.rate_changed(rig.now)
    assert rig.vm.unstable and not rig.vm.use_master
    assert rig.seen("pv0.khz") == 1_300_000


def test_a_request_waits_for_the_next_entry() -> None:
    rig = Rig(2)
    rig.wrmsr(0x4B56_4D01, 0x1001, 0)
    rig.go(S)
    version = rig.seen("pv0.version")
    rig.exit("user")
    rig.kvm.set_clock(77 * S, rig.now)
    assert (rig.seen("pv0.version"), rig.seen("kvm.v0.pending")) == (version, 1)
    rig.enter()
    assert (rig.seen("pv0.version"), rig.seen("kvm.v0.pending")) == (version + 2, 0)
    assert rig.clock() == 77 * S


def test_an_smi_is_not_seen_by_the_host() -> None:
    rig = Rig(host_clocksource="hpet")
    rig.go(S)
    before = rig.kvm.snapshot()
    rig.kvm.exit(0, rig.now, "smi")
    assert rig.kvm.snapshot() == before


def test_a_migrated_vm_goes_on_from_its_tsc_and_its_clock_without_the_downtime() -> None:
    rig = Rig(2)
    for v in range(2):
        rig.wrmsr(0x4B56_4D01, 0x1001 + 64 * v, v)
    rig.go(10 * S)
    tscs = [rig.tsc(v) for v in range(2)]
    for v in range(2):
        rig.exit("stop", v)
    rig.go(3 * S)
    for cpu in rig.cpus:
        cpu.khz = 3_000_000
        cpu.clock = cpu.clock.at(3_000_000_000, rig.now)
    rig.kvm.arrived(rig.now, tscs, 3 * S, 3_000_000)
    rig.pv.arrived(rig.now)
    for v in range(2):
        rig.enter(v)
    assert [rig.tsc(v) for v in range(2)] == tscs
    assert rig.clock(0) == rig.clock(1) == 10 * S
    assert rig.vm.use_master
    rig.go(S)
    assert abs(rig.tsc() - tscs[0] - 2_600_000_000) <= 1
    assert abs(rig.clock() - 11 * S) < 1000


def test_without_scaling_a_migrated_guest_runs_at_its_new_hosts_rate() -> None:
    rig = Rig(tsc_scaling="no")
    rig.go(S)
    tsc = rig.tsc()
    rig.cpus[0].khz = 2_700_000
    rig.cpus[0].clock = rig.cpus[0].clock.at(2_700_000_000, rig.now)
    rig.kvm.arrived(rig.now, [tsc], 0, 2_700_000)
    rig.go(S)
    assert rig.tsc() - tsc == 2_700_000_000


def test_a_reset_leaves_the_tscs_as_userspaces_0_is_taken_for_a_vcpu_that_is_made() -> None:
    rig = Rig(2)
    rig.go(5 * S)
    rig.wrmsr(0x3B, 1000, 1)
    rig.kvm.reset(rig.now)
    assert [rig.tsc(v) for v in range(2)] == [13_000_000_000] * 2
    assert [cpu.adjust for cpu in rig.cpus] == [0, 0]


def test_looking_changes_nothing_and_a_snapshot_brings_all_back() -> None:
    rig = Rig(3)
    rig.go(S)
    rig.kvm.set_tsc(1, 77, rig.now)
    rig.exit("preempt", 2)
    before = rig.kvm.snapshot()
    seen = rig.kvm.peek(rig.now)
    assert seen.keys() == rig.kvm.peeks.keys()
    rig.kvm.stamp(0, rig.now)
    assert rig.kvm.snapshot() == before
    rig.go(1000 * S)
    rig.kvm.set_clock(5, rig.now)
    rig.kvm.restore(before)
    assert rig.kvm.snapshot() == before


def test_the_periodic_refresh_of_a_year_is_the_same_in_one_step_and_in_many() -> None:
    for source in ("tsc", "hpet"):
        one, many = Rig(2, host_clocksource=source), Rig(2, host_clocksource=source)
        for rig in (one, many):
            rig.wrmsr(0x4B56_4D01, 0x1001, 0)
            rig.exit("halt", 1)
            rig.wrmsr(0x4B56_4D01, 0x1041, 1)
        year = 365 * 86_400 * S
        one.go(year)
        for _ in range(365):
            many.go(year // 365)
        assert one.kvm.snapshot() == many.kvm.snapshot()
        assert one.ram.snapshot() == many.ram.snapshot()
        assert one.seen("pv0.version") == 2 + 2 + 2 * (365 * 288)


def test_the_periodic_refresh_can_be_off() -> None:
    rig = Rig(kvmclock_sync="off")
    rig.wrmsr(0x4B56_4D01, 0x1001)
    rig.go(S)
    version = rig.seen("pv0.version")
    rig.go(1000 * S)
    assert rig.seen("pv0.version") == version
    assert rig.kvm.next_event(rig.now) is None


def test_pages_of_a_very_slow_guest_have_a_rate_of_1_khz_at_least() -> None:
    rig = Rig(khz=2_600_000)
    rig.cpus[0].ratio = 1
    assert rig.kvm.stamp(0, S).khz == 1


def test_on_an_unstable_host_each_load_goes_on_from_the_last_exit_and_catches_up() -> None:
    rig = Rig(host_clocksource="hpet")
    rig.wrmsr(0x4B56_4D01, 0x1001)
    for at in range(1, 6):
        rig.go(10 * MS)
        rig.out("preempt", 10 * MS)
        assert 52_000_000 * at - 1 <= rig.tsc() <= 52_000_000 * at
        assert rig.clock() == 20 * MS * at
