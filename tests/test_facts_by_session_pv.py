"""KVM's paravirtual MSRs, CPUID, and the time page byte by byte, found by `Session` alone.

T numbers as the facts have them. The two values of T13 are made by a write to a TSC; T11 and T12 are what
`pvread formulas` shows.
"""

import struct

import pytest
from sessionrig import S, do, kvm, lab

from timerlab import GuestFault, Session

NEW, WALL, APF, STEAL, EOI, POLL, INT, ACK, MIGRATE = 0x4B564D01, 0x4B564D00, *range(0x4B564D02, 0x4B564D09)


def memory(s: Session, address: int, size: int) -> bytes:
    """Guest memory, a byte at a time."""
    return bytes(s.readb(address + i) for i in range(size))


def page(s: Session, address: int = 0x1000) -> tuple[int, ...]:
    """version, pad0, tsc_timestamp, system_time, mul, shift, flags, pad of a vcpu_time_info."""
    return struct.unpack("<IIQQIbBH", memory(s, address, 32))


def steal(s: Session, address: int = 0x3000) -> tuple[int, ...]:
    """steal, version, flags, preempted of a steal time page."""
    return struct.unpack("<QIIB47x", memory(s, address, 64))[:4]


# CPUID


def test_cpuid_has_kvms_signature_and_features():  # T1 T27
    s = lab("kvm")
    assert s.cpuid(0x40000000) == (0x40000001, 0x4B4D564B, 0x564B4D56, 0x4D)
    for name, eax in (
        ("all", 0x01007EFB),
        ("no_schedstats", 0x01007EDB),
        ("no_stable", 0x00007EFB),
        ("old", 3),
        ("migration", 0x01027EFB),
        ("none", 0),
    ):
        s = lab("kvm", f"kvm_features={name}")
        assert s.cpuid(0x40000001) == (eax, 0, 0, 0)
        assert do(s, "cpuid 40000001h") == eax
    s = lab("kvm", "kvm_cpuid_khz=present", apic_bus_hz=10**9)
    assert (s.cpuid(0x40000000)[0], s.cpuid(0x40000010)[:2]) == (0x40000010, (2_600_000, 1_000_000))
    assert all(lab(profile).cpuid(0x40000001) == (0, 0, 0, 0) for profile in ("datasheet", "qemu", "palacios", "nvmm"))


BITS = {NEW: 3, WALL: 3, 0x11: 0, 0x12: 0, APF: 4, STEAL: 5, EOI: 6, POLL: 12, INT: 14, ACK: 14, MIGRATE: 17}
FEATURES = {"all": 0x01007EFB, "no_schedstats": 0x01007EDB, "old": 3, "migration": 0x01027EFB, "none": 0}


@pytest.mark.parametrize("enforce", ["on", "off"])
@pytest.mark.parametrize("features", FEATURES)
def test_an_msr_whose_cpuid_bit_is_missing_faults_where_that_is_enforced(features, enforce):  # T26
    s = lab("kvm", f"kvm_features={features} kvm_enforce_pv={enforce}")
    for msr, bit in BITS.items():
        there = FEATURES[features] >> bit & 1 or (enforce == "off" and msr != MIGRATE)
        for line in (f"rdmsr {msr:x}h", f"wrmsr {msr:x}h 0"):
            no_statistics = line == "wrmsr 4b564d03h 0" and features == "no_schedstats"
            assert s.do(line).fault == (None if there and not no_statistics else "#GP(0)"), (line, features)


@pytest.mark.parametrize("msr", [0x4B564D09, 0x4B564D0A, 0x4B564D80, 0x4B564DFF])
@pytest.mark.parametrize("enforce", ["on", "off"])
def test_the_msrs_after_the_last_fault(msr, enforce):  # T51
    s = lab("kvm", f"kvm_enforce_pv={enforce}")
    with pytest.raises(GuestFault):
        s.rdmsr(msr)
    with pytest.raises(GuestFault):
        s.wrmsr(msr, 0)
    assert s.do(f"expect fault rdmsr {msr:x}h").ok


@pytest.mark.parametrize(
    ("msr", "good", "bad"),
    [
        (STEAL, 0x3001, [0x3002, 0x3003, 0x3021, 0x4000003E]),  # T17 T18 T44
        (STEAL, 0x40000001, [0x40000003]),
        (APF, 0x4001, [0x4011, 0x4021, 0x4030]),  # T21 T22
        (APF, 0x400B, [0x4019]),
        (EOI, 0x5001, [0x5003, 0x5002]),  # T25
        (POLL, 0, [2, 3, 1 << 63]),  # T24
        (POLL, 1, [4]),
        (INT, 0xF2, [0x100, 1 << 32]),  # T49
        (NEW, 0x1000, []),  # T4
        (NEW, 0x1003, []),  # misaligned: not checked
        (WALL, 0x2000, []),
        (0x12, 0x1001, []),
    ],
)
def test_reserved_bits_fault_and_the_old_value_is_kept(msr, good, bad):
    s = lab("kvm")
    s.wrmsr(msr, good)
    assert s.rdmsr(msr) == good
    for value in bad:
        with pytest.raises(GuestFault):
            s.wrmsr(msr, value)
        assert s.rdmsr(msr) == good


def test_other_policies_have_none_of_these_msrs():
    for profile in ("datasheet", "qemu", "palacios", "nvmm"):
        for msr in BITS:
            assert lab(profile).do(f"rdmsr {msr:x}h").fault == "#GP(0)"
    s = lab("nvmm", "nvmm_pvclock=kvm")
    s.wrmsr(NEW, 0x1001)
    assert s.readl(0x1000) == 2


# the time page


def test_a_time_page_is_written_before_the_guest_goes_on():  # T3 T4 T28 T29
    s = kvm()
    s.wrmsr(NEW, 0x1001)
    assert s.rdmsr(NEW) == s.rdmsr(0x12) == 0x1001
    assert page(s) == (2, 0, 0, 0, 0xC4EC4EC4, -1, 1, 0)
    s.skip("1s")
    kept = page(s)
    s.wrmsr(NEW, 0x1000)
    do(s, "kvm update", "kvm refresh")
    assert (page(s), s.rdmsr(NEW)) == (kept, 0x1000)
    s.wrmsr(0x12, 0x1001)
    assert s.rdmsr(NEW) == 0x1001
    s = kvm(vcpus=2)
    s.wrmsr(WALL, 0x2000, 1)
    assert (s.rdmsr(WALL, 0), s.rdmsr(0x11, 0)) == (0x2000, 0x2000)


@pytest.mark.parametrize(
    ("before", "middle", "after"),
    [(0, 1, 2), (5, 7, 8), (8, 9, 10), (10, 11, 12), (0xFFFFFFFE, 0xFFFFFFFF, 0), (0xFFFFFFFF, 1, 2)],
)
def test_the_version_of_a_time_page_is_odd_while_it_is_written(before, middle, after):  # T5 T6 T7 T54
    s = kvm()
    s.writel(0x1000, before)
    do(s, "skip 1s", "pvwrite steps")
    s.wrmsr(NEW, 0x1001)
    assert page(s) == (middle, 0, 0, 0, 0, 0, 0, 0)
    assert s.do("pvread").value is None
    assert do(s, "pvwrite next") == 1
    assert page(s)[:2] == (middle, 0) and page(s)[4] == 0xC4EC4EC4
    assert s.do("pvread").value is None
    assert do(s, "pvwrite next") == 0
    assert page(s)[0] == after and page(s)[4:] == (0xC4EC4EC4, -1, 1, 0)
    assert do(s, "pvread") in (999_999_999, S)


def test_a_reader_that_finds_an_odd_version_reads_again():  # T7
    s = kvm()
    s.wrmsr(NEW, 0x1001)
    s.writel(0x1000, 9)
    assert s.do("pvread").value is None
    s.writel(0x1000, 10)
    assert do(s, "pvread") == 0


@pytest.mark.parametrize(
    ("khz", "mul", "shift", "second", "hour"),
    [
        (500_000, 0x80000000, 2, 0, 0),
        (1_000_000, 0x80000000, 1, 0, 0),
        (1_800_000, 0x8E38E38E, 0, -1, -336),
        (1_999_999, 0x80000431, 0, -1, -1245),
        (2_000_000, 0x80000000, 0, 0, 0),
        (2_100_000, 0xF3CF3CF3, -1, -1, -713),
        (2_200_000, 0xE8BA2E8B, -1, -1, -587),
        (2_400_000, 0xD5555555, -1, -1, -336),
        (2_500_000, 0xCCCCCCCC, -1, -1, -839),
        (2_592_000, 0xC587E6B7, -1, -1, -336),
        (2_600_000, 0xC4EC4EC4, -1, -1, -1006),
        (2_800_000, 0xB6DB6DB6, -1, -1, -1006),
        (3_000_000, 0xAAAAAAAA, -1, -1, -839),
        (3_200_000, 0xA0000000, -1, 0, 0),
        (3_500_000, 0x92492492, -1, -1, -420),
        (4_000_000, 0x80000000, -1, 0, 0),
        (5_000_000, 0xCCCCCCCC, -2, -1, -839),
    ],
)
def test_multiplier_and_shift_of_a_page(khz, mul, shift, second, hour):
    s = kvm("kvmclock_sync=off", tsc_khz=khz)
    s.wrmsr(NEW, 0x1001)
    s.skip("1s")
    assert page(s)[4:6] == (mul, shift)
    assert do(s, "pvread") == S + second
    s.skip_to(3600 * S)
    assert do(s, "pvread") == 3600 * S + hour
    if khz == 2_600_000:  # T38
        assert s.peek("pv0.khz") == 2_600_000


@pytest.mark.parametrize(
    ("khz", "stamp", "system", "tsc", "ns"),
    [
        (2_600_000, 1_000_000, 5 * S, 27_000_000, 5_009_999_999),  # T8
        (3_000_000, 0, 0, 1000, 333),  # T9
        (2_000_000, 0, 0, 1, 0),  # T10
        (1_000_000, 0, 0, 1 << 63, 0),  # T39
        (2_000_000, 1, 0, 0, 9_223_372_036_854_775_807),  # T40
        (2_596_122, 6_436_668_531_813, 12_292_479_390, 6_436_778_274_017, 12_334_750_979),  # T32
        (2_596_122, 6_436_668_531_813, 12_292_479_390, 6_436_857_312_353, 12_365_195_749),  # T33
        (2_596_122, 6_436_668_531_813, 12_292_479_390, 6_436_936_248_314, 12_395_601_084),  # T34
    ],
)
def test_a_guest_reads_what_a_page_says_at_a_tsc(khz, stamp, system, tsc, ns):
    s = kvm(tsc_khz=khz)
    s.wrmsr(NEW, 0x1001)
    s.writeq(0x1008, stamp)
    s.writeq(0x1010, system)
    if khz == 2_596_122:
        s.writel(0x1018, 3_308_756_133)
    s.wrmsr(0x10, tsc)
    assert do(s, "pvread") == ns


def test_the_recorded_refresh_steps_back_by_154_ns():  # T34
    assert do(lab("kvm"), "probe refresh 6436668531813 12292479390 3308756133 -1 6436936248314 12395600930") == -154


def test_the_formulas_that_were_printed_are_wrong_by_2_to_the_32():  # T11 T12
    s = kvm()
    s.wrmsr(NEW, 0x1001)
    s.skip("10ms")
    assert "42 949 672 948 000 000" in s.do("pvread formulas").text.replace(
        "42949672948000000", "42 949 672 948 000 000"
    )


@pytest.mark.parametrize(("features", "second"), [("all", 99), ("no_stable", 100)])
def test_a_guest_that_trusts_its_pages_sees_a_warp(features, second):  # T13 T56
    s = kvm(f"kvm_features={features}", vcpus=2, tsc_khz=1_000_000)
    for v in (0, 1):
        s.wrmsr(NEW, 0x1001 + v * 0x100, v)
    s.skip(100)
    assert do(s, "pvread v0") == 100
    s.wrmsr(0x10, 99, 1)
    r = s.do("pvread v1")
    assert r.value == second and ("warp" in r.text) == (features == "all")
    do(s, "kvm kvmclock_ctrl v0")


def test_a_recorded_zeroed_page_by_the_old_msr_and_by_the_new_one():  # T35
    s = kvm()
    s.wrmsr(0x12, 0x1001)
    assert (page(s)[0], page(s)[6]) == (2, 0)
    s = kvm()
    s.skip("1s")
    s.wrmsr(NEW, 0x1001)
    assert (page(s)[0], page(s)[6]) == (2, 1)
    s.skip("40ms")
    assert page(s)[0] == 2


def test_the_old_msrs_page_is_refreshed_by_a_move_and_after_100_ms():  # T35
    s = kvm(pcpus=2)
    s.wrmsr(0x12, 0x1001)
    do(s, "migrate v0 p1 1ms", "skip 100ms")
    assert (page(s)[0], page(s)[6]) == (6, 0)


def test_a_write_of_the_tsc_shows_until_the_page_is_refreshed():  # T36
    s = kvm()
    s.wrmsr(NEW, 0x1001)
    s.skip("1s")
    assert do(s, "pvread") == 999_999_999
    s.wrmsr(0x10, 5_200_000_000)
    assert do(s, "pvread") == 1_999_999_999
    do(s, "kvm update")
    assert s.peek("pv0.kvmclock") == S


@pytest.mark.parametrize("vendor", ["intel", "amd"])
def test_a_scaled_guests_page_has_the_rate_that_the_ratio_gives(vendor):  # T37
    s = kvm(f"vendor={vendor}")
    do(s, "kvm set_tsc_khz 2000000")
    s.wrmsr(NEW, 0x1001)
    assert page(s)[4:6] == (0x80000431, 0)


def test_guest_stopped_stays_until_the_guest_clears_it():  # T14 T52 T53
    s = kvm(vcpus=2)
    s.wrmsr(NEW, 0x1001)
    before = memory(s, 0, 0x1000)
    assert do(s, "kvm kvmclock_ctrl v1") == -22 and memory(s, 0, 0x1000) == before
    assert do(s, "kvm kvmclock_ctrl v0") == 0
    assert (page(s)[0], page(s)[6]) == (4, 3)
    do(s, "kvm refresh")
    assert page(s)[6] == 3
    s.writeb(0x101D, 1)
    do(s, "kvm refresh")
    assert page(s)[6] == 1


def test_an_idle_guests_page_is_written_every_300_s():  # T55
    s = kvm(guest="ideal")
    s.skip("1s")
    s.wrmsr(NEW, 0x1001)
    do(s, "halt v0")
    s.skip_to(200 * S)
    first = page(s)
    s.skip_to(299 * S)
    assert page(s) == first
    s.skip_to(301 * S)
    assert page(s) == (first[0] + 2, *first[1:])
    s = kvm("kvmclock_sync=off")
    s.wrmsr(NEW, 0x1001)
    s.skip("1s")
    version = page(s)[0]
    s.skip("1day")
    assert page(s)[0] == version


def test_a_structure_that_would_cross_a_page_is_never_written():
    s = kvm()
    s.wrmsr(NEW, 0x1FF1)
    do(s, "kvm refresh")
    assert s.rdmsr(NEW) == 0x1FF1 and memory(s, 0x1FF0, 32) == bytes(32)
