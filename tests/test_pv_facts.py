"""KVM's paravirtual MSRs and the structures that they register, byte by byte."""

from __future__ import annotations

from fractions import Fraction

import pytest
from kvmrig import EPOCH, MS, Rig, S

from timerlab.devices.pv_pages import TimeInfo, inside_page, last_odd
from timerlab.devices.pv_regs import FEATURE, REGS, SIGNATURE, detect
from timerlab.errors import GuestFault
from timerlab.policy import Stamp

WALL, TIME, APF, STEAL, EOI, POLL, APF_INT, ACK, MIGRATION = range(0x4B56_4D00, 0x4B56_4D09)


def faults(rig: Rig, msr: int, value: int, v: int = 0) -> bool:
    """Whether a WRMSR takes #GP(0), and then changes nothing."""
    before = rig.pv.snapshot(), rig.ram.snapshot()
    try:
        rig.wrmsr(msr, value, v)
    except GuestFault as fault:
        assert fault.name == "#GP(0)"
        assert (rig.pv.snapshot(), rig.ram.snapshot()) == before
        return True
    return False


# -- CPUID and availability


def test_cpuid_40000000h_is_kvms_signature() -> None:  # T1
    eax, ebx, ecx, edx = Rig().pv.cpuid(0x4000_0000)
    assert (eax, ebx, ecx, edx) == (0x4000_0001, 0x4B4D_564B, 0x564B_4D56, 0x0000_004D)
    assert b"".join(part.to_bytes(4, "little") for part in (ebx, ecx, edx)) == b"KVMKVMKVM\0\0\0"


def test_feature_bits_make_up_cpuid_40000001h() -> None:  # T2, T27
    names = (0, 1, 3, 4, 5, 6, 12, 14, 24)
    assert sum(1 << bit for bit in names) == 0x0100_507B
    assert Rig(features=0x0100_507B).pv.cpuid(0x4000_0001) == (0x0100_507B, 0, 0, 0)
    assert Rig().pv.cpuid(0x4000_0001) == (0x0100_7EFB, 0, 0, 0)
    assert Rig(kvm_features="no_schedstats").pv.cpuid(0x4000_0001) == (0x0100_7EDB, 0, 0, 0)


def test_cpuid_40000010h_tells_rates_where_userspace_added_it() -> None:
    assert Rig().pv.cpuid(0x4000_0010) is None
    rig = Rig(kvm_cpuid_khz="present")
    assert rig.pv.cpuid(0x4000_0000)[0] == 0x4000_0010
    assert rig.pv.cpuid(0x4000_0010) == (2_600_000, 1_000_000, 0, 0)


@pytest.mark.parametrize(("features", "msrs"), [(0x0100_7EFB, (WALL, TIME)), (3, (0x11, 0x12)), (0, None)])
def test_a_guest_finds_kvmclock_by_its_bits(features: int, msrs: tuple[int, int] | None) -> None:
    assert detect(SIGNATURE, features) == msrs
    assert detect((0, 0, 0), features) is None


def test_an_msr_without_its_bit_faults_if_features_are_enforced() -> None:  # T26
    assert faults(Rig(features=1), TIME, 0x1001)
    assert not faults(Rig(features=1, kvm_enforce_pv="off"), TIME, 0x1001)
    for msr, bit in FEATURE.items():
        rig = Rig(features=(1 << 25) - 1 & ~(1 << bit))
        assert faults(rig, msr, 0)
        with pytest.raises(GuestFault):
            rig.rdmsr(msr)
        assert not faults(Rig(features=1 << bit), msr, 0)


def test_the_rest_of_kvms_range_faults() -> None:  # T51
    rig = Rig()
    for msr in (0x4B56_4D09, 0x4B56_4DFF):
        assert rig.pv.knows(msr)
        assert faults(rig, msr, 0)
        with pytest.raises(GuestFault):
            rig.rdmsr(msr)
    assert not rig.pv.knows(0x4B56_4E00)


def test_migration_control_needs_userspace() -> None:
    assert faults(Rig(), MIGRATION, 1)
    assert faults(Rig(kvm_enforce_pv="off"), MIGRATION, 1)
    rig = Rig(kvm_features="migration")
    assert rig.rdmsr(MIGRATION) == 1
    rig.wrmsr(MIGRATION, 0)
    assert rig.rdmsr(MIGRATION) == 0


def test_every_msr_is_declared_and_every_peek_told_of() -> None:
    assert {reg.address for reg in REGS} == set(FEATURE)
    for reg in REGS:
        (layout,) = reg.layouts
        assert layout.fields[0].hi == 63
        assert sum(f.mask for f in layout.fields) == (1 << 64) - 1
    rig = Rig(2)
    assert rig.pv.peek(0).keys() == rig.pv.peeks.keys()
    assert {reg.peek.format(1) for reg in REGS if reg.peek} <= rig.pv.peeks.keys()


# -- the time page


def test_registering_a_page_fills_it_in_before_the_guest_runs_on() -> None:  # T3
    rig = Rig()
    rig.go(S)
    rig.wrmsr(TIME, 0x1001)
    assert rig.number(0x1000) == 2
    assert rig.rdmsr(TIME) == 0x1001
    page = TimeInfo.read(rig.ram.bytes_at, 0x1000)
    assert page == TimeInfo(2, 0, 0, 0xC4EC_4EC4, -1, 1)
    assert rig.clock() == 999_999_999


def test_bit_0_clear_stops_updates_and_leaves_memory() -> None:  # T4
    rig = Rig()
    rig.wrmsr(TIME, 0x1001)
    before = rig.ram.bytes_at(0x1000, 32)
    rig.wrmsr(TIME, 0x1000)
    rig.go(1000 * S)
    rig.kvm.set_clock(0, rig.now)
    assert rig.ram.bytes_at(0x1000, 32) == before
    assert rig.rdmsr(TIME) == 0x1000


def test_an_odd_version_that_the_guest_left_is_passed_over() -> None:  # T5
    rig = Rig()
    rig.put(0x1000, 5)
    rig.pv.step_by_step(True)
    rig.wrmsr(TIME, 0x1001)
    assert rig.number(0x1000) == 7
    assert rig.pv.go_on() == 1
    assert rig.number(0x1000) == 7
    assert rig.pv.go_on() == 0
    assert rig.number(0x1000) == 8


def test_the_version_is_odd_while_the_page_is_written() -> None:  # T6
    rig = Rig()
    rig.put(0x1000, 8)
    rig.pv.state.vcpus[0].system_time = 0x1001
    rig.pv.step_by_step(True)
    seen = [8]
    for _ in range(2):
        rig.kvm.refresh_wanted(0, rig.now)
        seen.append(rig.number(0x1000))
        while rig.pv.go_on():
            assert rig.number(0x1000) == seen[-1]
        seen.append(rig.number(0x1000))
    assert seen == [8, 9, 10, 11, 12]


def test_a_reader_that_a_writer_comes_between_reads_again() -> None:  # T7
    rig = Rig()
    rig.wrmsr(TIME, 0x1001)
    rig.pv.step_by_step(True)
    rig.pv.read_step(0, rig.now)
    rig.kvm.refresh_wanted(0, rig.now)
    assert rig.number(0x1000) == 3
    rig.pv.read_step(0, rig.now)
    reading = rig.pv.read_step(0, rig.now)
    assert reading.retry and reading.ns is None
    assert rig.seen("pv0.retries") == 1
    assert rig.pv.read_time(0, rig.now).retry
    rig.pv.finish()
    assert rig.pv.read_time(0, rig.now).ns == 0


def test_an_odd_version_never_matches_even_if_it_does_not_change() -> None:  # T7
    rig = Rig()
    rig.wrmsr(TIME, 0x1001)
    rig.put(0x1000, 9)
    assert rig.pv.read_time(0, rig.now).retry


def test_a_page_is_converted_to_time() -> None:  # T8
    page = TimeInfo(2, 1_000_000, 5_000_000_000, 0xC4EC_4EC4, -1, 0)
    assert page.delta(27_000_000) == 26_000_000
    assert page.ns(27_000_000) == 5_009_999_999


def two_reads(rig: Rig, stable: bool) -> tuple[int | None, int]:
    """vCPU 0 reads 100, vCPU 1 then computes 99: what it gets, and the warps."""
    for v, ns in ((0, 100), (1, 99)):
        rig.pv.state.vcpus[v].system_time = 0x1001 + 64 * v
        rig.pv.write_time(v, Stamp(rig.tsc(v), ns, 2_600_000, stable))
    assert rig.pv.read_time(0, rig.now).ns == 100
    reading = rig.pv.read_time(1, rig.now)
    assert bool(reading.warp) == (reading.ns == 99)
    return reading.ns, rig.seen("pv.warps")


def test_the_last_value_hides_a_page_that_is_behind() -> None:  # T13
    assert two_reads(Rig(2), stable=False) == (100, 0)


def test_with_tsc_stable_nothing_hides_it_and_it_is_a_warp() -> None:  # T13
    assert two_reads(Rig(2), stable=True) == (99, 1)


def test_a_guest_without_bit_24_does_not_trust_the_flag() -> None:  # T56
    assert two_reads(Rig(2, kvm_features="no_stable"), stable=True) == (100, 0)


def test_a_tsc_below_the_page_is_said_to_be_a_jump() -> None:  # T40
    rig = Rig(khz=2_000_000)
    rig.go(S)
    rig.pv.state.vcpus[0].system_time = 0x1001
    rig.pv.write_time(0, Stamp(rig.tsc() + 1, 0, 2_000_000, True))
    reading = rig.pv.read_time(0, rig.now)
    assert (reading.ns, reading.huge) == (9_223_372_036_854_775_807, True)
    assert rig.seen("pv.huge") == 1


def test_guest_stopped_stays_until_the_guest_clears_it() -> None:  # T14, T53
    rig = Rig()
    rig.wrmsr(TIME, 0x1001)
    assert rig.pv.stop_guest(0, rig.now)
    assert rig.seen("pv0.flags") == 3
    rig.kvm.refresh_wanted(0, rig.now)
    assert rig.seen("pv0.flags") == 3
    assert rig.pv.read_time(0, rig.now).stopped
    assert rig.seen("pv0.flags") == 1
    assert rig.seen("pv.touched") == 1
    rig.kvm.refresh_wanted(0, rig.now)
    assert rig.seen("pv0.flags") == 1


def test_a_vcpu_that_is_out_gets_guest_stopped_before_it_runs() -> None:
    rig = Rig()
    rig.wrmsr(TIME, 0x1001)
    rig.exit("stop")
    assert rig.pv.stop_guest(0, rig.now)
    assert (rig.seen("pv0.flags"), rig.seen("pv0.stop_wanted")) == (1, 1)
    rig.enter()
    assert (rig.seen("pv0.flags"), rig.seen("pv0.stop_wanted")) == (3, 0)


def test_without_a_page_guest_stopped_is_einval() -> None:  # T52
    rig = Rig()
    assert not rig.pv.stop_guest(0, rig.now)
    rig.wrmsr(TIME, 0x1FF1)
    before = rig.ram.snapshot()
    assert not rig.pv.stop_guest(0, rig.now)
    assert rig.ram.snapshot() == before == ()


def test_old_and_new_msr_share_one_value() -> None:  # T28
    rig = Rig()
    rig.wrmsr(0x12, 0x1001)
    assert rig.rdmsr(TIME) == 0x1001


def test_a_page_that_would_cross_a_boundary_is_never_written() -> None:
    assert inside_page(0x1FE0, 32) and not inside_page(0x1FE4, 32)
    rig = Rig()
    rig.wrmsr(TIME, 0x1FE5)
    assert rig.ram.snapshot() == ()
    assert rig.rdmsr(TIME) == 0x1FE5


def test_the_old_msr_gets_refreshes_after_100_ms_and_the_new_one_stays() -> None:  # T35
    old = Rig()
    old.go(S)
    old.wrmsr(0x12, 0x1001)
    assert (old.seen("pv0.version"), old.seen("pv0.flags")) == (2, 0)
    old.out("preempt", MS, moved=True)
    old.go(100 * MS)
    assert old.seen("pv0.version") == 6
    new = Rig()
    new.go(S)
    new.wrmsr(TIME, 0x1001)
    new.out("preempt", MS, moved=True)
    assert (new.seen("pv0.version"), new.seen("pv0.flags")) == (2, 1)
    new.go(40 * MS)
    assert new.seen("pv0.version") == 2


def test_a_guests_write_to_its_tsc_doubles_what_the_page_says() -> None:  # T36
    rig = Rig()
    rig.wrmsr(TIME, 0x1001)
    rig.go(S)
    assert rig.clock() == 999_999_999
    rig.wrmsr(0x10, 5_200_000_000)
    assert rig.clock() == 1_999_999_999
    rig.kvm.set_clock(rig.now, rig.now)
    assert rig.clock() == S


@pytest.mark.parametrize("frac", [48, 32])
def test_a_scaled_guests_page_has_the_floor_of_its_rate(frac: int) -> None:  # T37
    rig = Rig(frac=frac)
    rig.kvm.set_tsc_khz(0, 2_000_000, 0)
    rig.wrmsr(TIME, 0x1001)
    assert (rig.seen("pv0.mul"), rig.seen("pv0.shift")) == (0x8000_0431, 0)
    assert rig.kvm.stamp(0, 0).khz == 1_999_999


def test_the_version_wraps() -> None:  # T54
    rig = Rig()
    rig.put(0x1000, 0xFFFF_FFFE)
    rig.pv.step_by_step(True)
    rig.wrmsr(TIME, 0x1001)
    assert rig.number(0x1000) == 0xFFFF_FFFF
    rig.pv.finish()
    assert rig.number(0x1000) == 0
    assert last_odd(0xFFFF_FFFF) == 1


def test_an_idle_guests_page_is_refreshed_after_300_s_with_the_same_pair() -> None:  # T55
    rig = Rig()
    rig.wrmsr(TIME, 0x1001)
    rig.go(S)
    rig.exit("halt")
    rig.inside[0] = True
    before = TimeInfo.read(rig.ram.bytes_at, 0x1000)
    rig.go(298 * S)
    assert TimeInfo.read(rig.ram.bytes_at, 0x1000) == before
    rig.go(2 * S)
    after = TimeInfo.read(rig.ram.bytes_at, 0x1000)
    assert after.version == before.version + 2
    assert (after.tsc_timestamp, after.system_time) == (before.tsc_timestamp, before.system_time)


# -- the wall clock


def test_the_wall_clock_page_holds_when_kvmclock_was_0() -> None:  # T15
    rig = Rig(khz=2_000_000)
    rig.go(10 * S)
    rig.wrmsr(WALL, 0x2000)
    assert (rig.number(0x2004), rig.number(0x2008)) == (0x6553_F100, 0x0EE6_B280)
    assert rig.number(0x2000) == 2


def test_the_wall_clock_has_what_kvmclock_lost_by_its_multiplier() -> None:
    rig = Rig()
    rig.go(10 * S)
    assert rig.kvm.kvmclock(rig.now) == 10 * S - 3
    rig.wrmsr(WALL, 0x2000)
    assert rig.number(0x2008) == 0x0EE6_B280 + 3


def test_wall_time_is_the_page_and_kvmclock() -> None:  # T16
    rig = Rig(khz=2_000_000)
    rig.wrmsr(WALL, 0x2000)
    assert (rig.number(0x2004), rig.number(0x2008)) == (0x6553_F100, 0x0EE6_B280)
    rig.wrmsr(TIME, 0x1001)
    rig.go(10 * S)
    sec, nsec = rig.pv.read_wall()
    assert Fraction(sec * S + nsec + rig.pv.read_time(0, rig.now).ns, S) == Fraction("1700000010.25")


def test_any_vcpu_writes_the_one_wall_clock() -> None:  # T29
    rig = Rig(2)
    rig.wrmsr(WALL, 0x2000, 1)
    assert rig.rdmsr(WALL, 0) == rig.rdmsr(0x11, 0) == 0x2000


def test_the_wall_clocks_version_is_odd_while_it_is_written() -> None:  # T30
    rig = Rig()
    rig.put(0x2000, 3)
    rig.pv.step_by_step(True)
    seen = []
    for _ in range(2):
        rig.wrmsr(WALL, 0x2000)
        seen.append(rig.number(0x2000))
        assert rig.pv.read_wall() is None
        rig.pv.finish()
        seen.append(rig.number(0x2000))
    assert seen == [5, 6, 7, 8]


def test_address_0_is_no_wall_clock() -> None:  # T31
    rig = Rig()
    rig.wrmsr(WALL, 0)
    assert rig.ram.snapshot() == ()
    assert rig.rdmsr(WALL) == 0
    with pytest.raises(ValueError, match="no wall clock"):
        rig.pv.read_wall()


def test_the_wall_clock_does_not_follow_a_step_of_the_hosts() -> None:
    rig = Rig()
    rig.wrmsr(WALL, 0x2000)
    rig.wall_step = 3600 * S
    rig.go(S)
    assert rig.pv.read_wall() == divmod(EPOCH, S)
    rig.wrmsr(WALL, 0x2000)
    assert rig.pv.read_wall()[0] == 0x6553_F100 + 3600


# -- steal time


def test_steal_time_is_registered() -> None:  # T17, T18, T44
    rig = Rig()
    rig.wrmsr(STEAL, 0x3001)
    assert rig.rdmsr(STEAL) == 0x3001
    assert faults(rig, STEAL, 0x3002)
    assert faults(rig, STEAL, 0x4000_003E)
    assert rig.rdmsr(STEAL) == 0x3001
    rig.wrmsr(STEAL, 0x4000_0001)
    assert faults(Rig(kvm_features="no_schedstats", kvm_enforce_pv="off"), STEAL, 0x3001)


def test_time_off_the_processor_is_stolen() -> None:  # T19
    rig = Rig()
    rig.wrmsr(STEAL, 0x3001)
    version = rig.seen("pv0.steal_version")
    for _ in range(3):
        rig.out("preempt", 1_500_000)
        rig.go(MS)
    assert rig.number(0x3000, 8) == 4_500_000
    assert rig.seen("pv0.steal_version") == version + 6


@pytest.mark.parametrize("cause", ["halt", "stop", "user", "io", "kernel", "fault", "smi"])
def test_halt_exits_and_a_stopped_vm_are_not_stolen(cause: str) -> None:  # T20
    rig = Rig()
    rig.wrmsr(STEAL, 0x3001)
    version = rig.seen("pv0.steal_version")
    rig.out(cause, 10 * MS)
    assert rig.number(0x3000, 8) == 0
    loaded = cause in ("halt", "stop", "user", "io")
    assert rig.seen("pv0.steal_version") == version + 2 * loaded


def test_the_first_update_adds_all_delay_so_far_to_what_is_in_memory() -> None:  # T41
    rig = Rig()
    rig.out("preempt", 2 * S)
    rig.put(0x3000, 7, 8)
    rig.put(0x3008, 5)
    rig.pv.step_by_step(True)
    rig.wrmsr(STEAL, 0x3001)
    rig.pv.go_on()
    assert rig.number(0x3008) == 7
    rig.pv.finish()
    assert (rig.number(0x3000, 8), rig.number(0x3008)) == (2_000_000_007, 8)


def test_delay_while_it_is_disabled_is_added_when_it_is_enabled_again() -> None:  # T42
    rig = Rig()
    rig.wrmsr(STEAL, 0x3001)
    rig.wrmsr(STEAL, 0x3000)
    rig.out("preempt", S)
    assert rig.number(0x3000, 8) == 0
    rig.wrmsr(STEAL, 0x3001)
    assert rig.number(0x3000, 8) == S


def test_the_preempted_byte_is_set_without_the_version() -> None:  # T43
    rig = Rig()
    rig.wrmsr(STEAL, 0x3001)
    version = rig.number(0x3008)
    rig.exit("preempt")
    assert (rig.ram.bytes_at(0x3010, 1), rig.number(0x3008)) == (b"\x01", version)
    rig.enter()
    assert (rig.ram.bytes_at(0x3010, 1), rig.number(0x3008)) == (b"\x00", version + 2)


def test_a_tlb_flush_left_in_the_preempted_byte_is_done_at_the_next_entry() -> None:
    rig = Rig()
    rig.wrmsr(STEAL, 0x3001)
    rig.exit("preempt")
    rig.ram.put(0x3010, b"\x03")
    rig.enter()
    assert (rig.ram.bytes_at(0x3010, 1), rig.seen("pv0.flushes")) == (b"\x00", 1)


def test_a_vm_that_is_stopped_while_a_vcpu_is_stolen_is_stolen_no_more() -> None:
    rig = Rig()
    rig.wrmsr(STEAL, 0x3001)
    rig.exit("preempt")
    rig.go(MS)
    rig.pv.exit(0, rig.now, "stop")
    rig.go(S)
    rig.enter()
    assert rig.number(0x3000, 8) == MS


def test_rounds_of_a_load_are_added_as_if_they_had_been() -> None:
    one, leap = Rig(), Rig()
    for rig in (one, leap):
        rig.wrmsr(STEAL, 0x3001)
        rig.wrmsr(TIME, 0x1001)
        rig.kvm.clocksource(False, 0)
        rig.out("preempt", 3 * MS)
    for _ in range(50):
        one.out("preempt", 3 * MS)
    before = leap.pv.counts(0)
    leap.out("preempt", 3 * MS)
    change = tuple(b - a for a, b in zip(before, leap.pv.counts(0), strict=True))
    leap.now += 48 * 3 * MS
    leap.pv.add(0, change, 48)
    leap.out("preempt", 3 * MS)
    assert leap.pv.counts(0)[:2] == one.pv.counts(0)[:2] == (51 * 3 * MS,) * 2
    assert leap.ram.bytes_at(0x3000, 64) == one.ram.bytes_at(0x3000, 64)


# -- asynchronous page faults


def with_apf(value: int = 0x400B, v: int = 0, vcpus: int = 1, acked: bool = True) -> Rig:
    """A vCPU with asynchronous page faults on, and the first broadcast handled."""
    rig = Rig(vcpus)
    rig.wrmsr(APF_INT, 0xF2, v)
    rig.wrmsr(APF, value, v)
    if acked:
        rig.put(0x4004, 0)
        rig.wrmsr(ACK, 1, v)
        rig.interrupts.clear()
    return rig


def test_without_bit_3_asynchronous_page_faults_stay_off() -> None:  # T21
    rig = Rig()
    rig.wrmsr(APF, 0x4001)
    assert rig.rdmsr(APF) == 0x4001
    assert not rig.pv.apf[0].on
    assert rig.pv.apf[0].missing(0x7000) is None
    assert rig.ram.snapshot() == ()


def test_reserved_bits_and_bits_without_a_feature_fault() -> None:  # T22
    rig = Rig()
    for value in (0x4010, 0x4020):
        assert faults(rig, APF, value)
    assert faults(Rig(features=0x10), APF, 0x4004)
    assert faults(Rig(features=0x10), APF, 0x4008)
    assert not faults(rig, APF, 0x400F)


def test_a_missing_page_is_told_by_a_page_fault_and_its_coming_by_an_interrupt() -> None:  # T23
    rig = with_apf()
    assert rig.pv.apf[0].missing(0x7000) == 0x1000
    assert rig.number(0x4000) == 1
    assert (rig.seen("pv0.pf_code"), rig.seen("pv0.cr2")) == (0, 0x1000)
    assert rig.number(0x4004) == 0
    assert rig.pv.apf[0].present() == 0x1000
    assert rig.number(0x4004) == 0x1000
    assert rig.interrupts == [(0, 0xF2)]
    rig.put(0x4004, 0)
    rig.wrmsr(ACK, 1)
    assert rig.interrupts == [(0, 0xF2)]


def test_poll_control_has_one_bit_and_is_1_at_first() -> None:  # T24
    rig = Rig()
    assert rig.rdmsr(POLL) == 1
    rig.wrmsr(POLL, 0)
    assert rig.rdmsr(POLL) == 0
    assert faults(rig, POLL, 2)


def test_pv_eoi_takes_an_address_of_4_bytes() -> None:  # T25
    rig = Rig()
    rig.wrmsr(EOI, 0x5001)
    assert rig.rdmsr(EOI) == 0x5001
    assert faults(rig, EOI, 0x5003)


def test_enabling_sends_a_broadcast() -> None:  # T45
    rig = with_apf(acked=False)
    assert rig.number(0x4004) == 0xFFFF_FFFF
    assert rig.interrupts == [(0, 0xF2)]


def test_one_ready_page_at_a_time() -> None:  # T46
    rig = with_apf()
    apf = rig.pv.apf[0]
    for page in (0x7000, 0x8000):
        apf.missing(page)
    apf.present(0x8000)
    apf.present(0x7000)
    assert rig.number(0x4004) == 0x2000
    assert rig.seen("pv0.apf_queued") == 1
    rig.wrmsr(ACK, 1)
    assert rig.interrupts == [(0, 0xF2)]
    rig.put(0x4004, 0)
    assert rig.interrupts == [(0, 0xF2)]
    rig.wrmsr(ACK, 1)
    assert rig.number(0x4004) == 0x1000
    assert rig.interrupts == [(0, 0xF2)] * 2


def test_a_token_names_its_vcpu() -> None:  # T47
    rig = with_apf(v=3, vcpus=4)
    apf = rig.pv.apf[3]
    apf.missing(0x7000)
    apf.missing(0x8000)
    assert rig.seen("pv3.cr2") == 0x2003


@pytest.mark.parametrize("where", [{"cpl": 0}, {"paging": False}, {"nested": True}])
def test_a_vcpu_that_cannot_be_told_halts_until_the_page_comes(where: dict[str, int]) -> None:  # T48
    rig = with_apf(0x4009)
    apf = rig.pv.apf[0]
    assert apf.missing(0x7000, **where) is None
    assert rig.number(0x4000) == 0
    assert (rig.halts, rig.seen("pv0.apf_halted")) == ([(0, True)], 1)
    assert apf.present() is None
    assert (rig.halts, rig.seen("pv0.apf_halted")) == ([(0, True), (0, False)], 0)
    assert rig.interrupts == []


def test_an_interrupt_wakes_it_too() -> None:
    rig = with_apf(0x4009)
    rig.pv.apf[0].missing(0x7000, cpl=0)
    rig.pv.apf[0].woken()
    assert rig.halts == [(0, True), (0, False)]


def test_at_cpl_0_and_in_l2_bits_1_and_2_let_it_be_told() -> None:
    assert with_apf(0x400B).pv.apf[0].missing(0x7000, cpl=0) == 0x1000
    assert with_apf(0x400D).pv.apf[0].missing(0x7000, nested=True) == 0x1000


def test_the_vector_has_8_bits_and_the_acknowledgement_one() -> None:  # T49
    rig = with_apf()
    assert faults(rig, APF_INT, 0x100)
    rig.pv.apf[0].missing(0x7000)
    rig.pv.apf[0].missing(0x8000)
    rig.pv.apf[0].present()
    rig.pv.apf[0].present()
    rig.put(0x4004, 0)
    rig.wrmsr(ACK, 3)
    assert rig.number(0x4004) == 0x2000
    assert rig.rdmsr(ACK) == 0


def test_disabling_forgets_what_is_outstanding() -> None:
    rig = with_apf()
    apf = rig.pv.apf[0]
    apf.missing(0x7000)
    apf.missing(0x8000)
    apf.present()
    rig.wrmsr(APF, 0)
    assert (rig.seen("pv0.apf_missing"), rig.seen("pv0.apf_queued")) == (0, 0)
    with pytest.raises(ValueError, match="no page is missing"):
        apf.present()


def test_with_the_local_apic_off_ready_pages_wait() -> None:
    rig = with_apf()
    rig.lapic = False
    rig.pv.apf[0].missing(0x7000)
    rig.pv.apf[0].present()
    assert (rig.interrupts, rig.number(0x4004)) == ([], 0)
    rig.lapic = True
    rig.wrmsr(ACK, 1)
    assert (rig.interrupts, rig.number(0x4004)) == ([(0, 0xF2)], 0x1000)


# -- reset, snapshots


def test_init_unregisters_and_leaves_memory() -> None:  # T50
    rig = with_apf()
    rig.wrmsr(TIME, 0x1001)
    rig.wrmsr(STEAL, 0x3001)
    rig.wrmsr(EOI, 0x5001)
    rig.wrmsr(WALL, 0x2000)
    rig.wrmsr(POLL, 0)
    before = rig.ram.snapshot()
    rig.pv.init(0)
    assert [rig.rdmsr(msr) for msr in (TIME, APF, STEAL, EOI, APF_INT)] == [0] * 5
    assert (rig.rdmsr(WALL), rig.rdmsr(POLL)) == (0x2000, 0)
    rig.kvm.set_clock(5 * S, rig.now)
    rig.out("preempt", S)
    assert rig.ram.snapshot() == before


def test_looking_changes_nothing_and_a_snapshot_brings_all_back() -> None:
    rig = with_apf(vcpus=2)
    rig.wrmsr(TIME, 0x1001)
    rig.pv.read_time(0, rig.now)
    rig.pv.read_step(0, rig.now)
    rig.exit("preempt")
    rig.pv.step_by_step(True)
    rig.wrmsr(WALL, 0x2000)
    rig.pv.apf[0].missing(0x7000)
    before, memory = rig.pv.snapshot(), rig.ram.snapshot()
    rig.pv.peek(rig.now)
    assert (rig.pv.snapshot(), rig.ram.snapshot()) == (before, memory)
    hash(before)
    rig.pv.finish()
    rig.enter()
    rig.wrmsr(STEAL, 0x3001)
    rig.pv.apf[0].present()
    rig.pv.restore(before)
    rig.ram.restore(memory)
    assert (rig.pv.snapshot(), rig.ram.snapshot()) == (before, memory)


def test_a_refresh_that_steps_back_is_held_by_the_filter() -> None:  # T34
    rig = Rig(khz=2_596_122)
    rig.pv.state.vcpus[0].system_time = 0x1001
    rig.cpus[0].frozen, rig.cpus[0].offset = 6_436_936_248_314, 0
    old = TimeInfo(2, 6_436_668_531_813, 12_292_479_390, 3_308_756_133, -1, 0)
    new = TimeInfo(4, 6_436_936_248_314, 12_395_600_930, 3_308_756_133, -1, 0)
    rig.ram.put(0x1000, old.pack())
    assert rig.pv.read_time(0, rig.now).ns == 12_395_601_084
    rig.ram.put(0x1000, new.pack())
    reading = rig.pv.read_time(0, rig.now)
    assert (reading.ns, reading.held, reading.warp) == (12_395_601_084, 154, 0)


def test_with_interrupts_off_a_vcpu_waits_for_its_page() -> None:
    rig = with_apf(0x400B)
    rig.open = False
    assert rig.pv.apf[0].missing(0x7000) is None
    assert rig.halts[-1] == (0, True)
    rig.open = True
    assert rig.pv.apf[0].present(0x7000) is None
    assert rig.halts[-1] == (0, False)
    assert rig.seen("pv0.apf_flags") == 0


def test_before_5_8_a_page_fault_tells_that_a_page_is_there() -> None:
    rig = Rig(kvm_apf="page_fault")
    rig.wrmsr(APF, 0x4001)
    assert (rig.seen("pv0.apf_flags"), rig.seen("pv0.cr2")) == (2, 0xFFFF_FFFF)
    rig.put(0x4000, 0)
    assert rig.pv.apf[0].missing(0x7000) == 0x1000
    assert (rig.seen("pv0.apf_flags"), rig.seen("pv0.pf_code")) == (1, 0)
    rig.put(0x4000, 0)
    rig.open = False
    assert rig.pv.apf[0].present() == 0x1000
    rig.out("user", MS)
    assert rig.seen("pv0.apf_flags") == 0
    rig.open = True
    rig.out("user", MS)
    assert (rig.seen("pv0.apf_flags"), rig.seen("pv0.cr2")) == (2, 0x1000)
    assert not rig.interrupts
