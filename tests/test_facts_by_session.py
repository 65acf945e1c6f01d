"""The TSC's facts as somebody finds them who has only `Session`: its commands, its options, its reads.

Numbered as the facts are (`# T1`). Not reachable from outside: the halves of RAX and RDX above 31 (no CPU executes),
and a host whose TSC reads other than 0 after S3.
"""

import pytest
from sessionrig import MASK, S, do, lab

from timerlab import GuestFault


def test_a_3_ghz_tsc_reads_4500000000_after_a_second_and_a_half():  # T1
    s = lab(tsc_khz=3_000_000)
    s.skip("1500ms")
    assert s.rdtsc() == 4_500_000_000 == 0x10C388D00
    assert "0000 0001 0C38 8D00h" in s.do("rdtsc").text  # EDX:EAX


def test_writes_of_tsc_and_tsc_adjust_move_together():  # T2 T3 T4 T5
    s = lab(tsc_khz=1_000_000)
    s.skip("5s")
    s.wrmsr(0x10, 0)
    assert (s.rdtsc(), s.rdmsr(0x3B)) == (0, 0xFFFFFFFED5FA0E00)
    s.wrmsr(0x3B, 0)
    assert s.rdtsc() == 5_000_000_000
    s.wrmsr(0x3B, 1000)
    assert (s.rdtsc(), s.rdmsr(0x3B)) == (5_000_001_000, 1000)
    s.wrmsr(0x3B, 400)
    assert s.rdtsc() == 5_000_000_400
    s.wrmsr(0x10, s.rdtsc() + 250)
    assert s.rdmsr(0x3B) == 650


def test_an_offset_is_added_to_the_hosts_tsc():  # T6 T7
    s = lab("kvm", "host_boot=with_guest", tsc_khz=1_000_000)
    do(s, "skip 3s", "kvm set_offset -1000000000")
    assert (s.rdtsc(), s.rdmsr(0x10), s.peek("vcpu0.offset") & MASK) == (2 * S, 2 * S, 0xFFFFFFFFC4653600)
    s = lab("kvm", "host_boot=with_guest")
    do(s, "kvm host_tsc_step -1", "kvm set_offset 1")
    assert (s.peek("vcpu0.host"), s.rdtsc()) == (MASK, 0)


@pytest.mark.parametrize(
    ("vendor", "host_khz", "khz", "seconds", "ratio", "tsc"),
    [
        ("intel", 2_600_000, 2_000_000, 10, 0x0000C4EC4EC4EC4E, 19_999_999_999),  # T8 T9
        ("amd", 2_600_000, 2_000_000, 10, 0x00C4EC4EC4, 19_999_999_994),  # T10
        ("amd", 2_000_000, 3_000_000, 1, 0x0180000000, 3 * S),  # T11
        ("intel", 2_000_000, 3_000_000, 1, 0x0001800000000000, 3 * S),  # T12
        ("intel", 2_600_000, 2_600_650, 1, 1 << 48, 2_600_000_000),  # T34
        ("intel", 2_600_000, 2_600_651, 1, 0x0001001068C1BC08, 2_600_650_999),  # T35
        ("amd", 3_000_000, 1_000_000, 1, 0x0055555555, 999_999_999),  # T36
    ],
)
def test_the_hardware_scales_a_guests_tsc(vendor, host_khz, khz, seconds, ratio, tsc):
    s = lab("kvm", f"host_boot=with_guest vendor={vendor}", tsc_khz=host_khz)
    assert do(s, f"kvm set_tsc_khz {khz}") == 0
    s.skip(f"{seconds}s")
    assert (s.peek("vcpu0.ratio"), s.rdtsc()) == (ratio, tsc)


def test_the_largest_vmx_multiplier_fits_its_field():  # T12
    s = lab()
    do(s, "l2 ratio ffffffffffffffffh")
    assert s.peek("nest0.field_ratio") == MASK


def test_reserved_bits_of_tsc_ratio_fault():  # T13
    s = lab(quirks="vendor=amd")
    with pytest.raises(GuestFault):
        s.wrmsr(0xC0000104, 1 << 40)
    s.wrmsr(0xC0000104, (1 << 40) - 1)
    assert s.rdmsr(0xC0000104) == 0xFFFFFFFFFF
    with pytest.raises(GuestFault):
        lab(quirks="vendor=intel").rdmsr(0xC0000104)


def test_rdtscp_gives_tsc_and_tsc_aux_together():  # T14
    s = lab(tsc_khz=1_000_000)
    s.wrmsr(0xC0000103, 0x5003)
    s.skip("1s")
    r = s.do("rdtscp")
    assert r.value == S and "ECX 0000 5003h" in r.text


def test_the_upper_half_of_tsc_aux_faults_on_intel_and_is_dropped_on_amd():  # T15 T26
    with pytest.raises(GuestFault):
        lab(quirks="vendor=intel").wrmsr(0xC0000103, 1 << 32)
    s = lab(quirks="vendor=amd")
    s.wrmsr(0xC0000103, 0x1_0000_5003)
    assert s.rdmsr(0xC0000103) == 0x5003
    s.wrmsr(0xC0000103, 1 << 32)
    assert s.rdmsr(0xC0000103) == 0


@pytest.mark.parametrize("profile", ["datasheet", "qemu", "ich", "kvm", "palacios", "nvmm"])
def test_with_tsd_programs_may_not_read_the_tsc_but_rdpid_works(profile):  # T16 T48
    s = lab(profile, "rdtscp=yes")
    s.wrmsr(0xC0000103, 0x5003)
    do(s, "tsd 1", "rdtsc", "rdtscp", "cpl 3")
    assert [s.do(line).fault for line in ("rdtsc", "rdtscp", "rdpid")] == ["#GP(0)", "#GP(0)", None]
    assert do(s, "rdpid") == 0x5003
    assert s.do("expect fault rdtsc").ok and not s.do("expect fault rdpid").ok
    assert [s.do(line).fault for line in ("rdmsr tsc", "wrmsr tsc 0")] == ["#GP(0)"] * 2
    do(s, "cpl 0", "tsd 0", "cpl 3", "rdtsc", "rdtscp")


@pytest.mark.parametrize("khz", [2_592_000, 2_500_000, 3_000_000, 2_599_999, 1])  # T17 T18: the same law
def test_cpuid_15h_gives_the_tscs_rate(khz):
    den, num, crystal, _ = lab(tsc_khz=khz).cpuid(0x15)
    assert crystal * num == khz * 1000 * den and num < 1 << 32


def test_a_processor_that_does_not_enumerate_its_rate_has_a_zero_there():  # T46
    assert lab(quirks="vendor=amd").cpuid(0x15) == (0, 0, 0, 0)


def test_a_crystal_of_50_ppm_more_is_1500000_cycles_ahead_after_10_s():  # T19
    s = lab(quirks="sockets=two", vcpus=2, tsc_khz=3_000_000)
    do(s, "socket 1 50", "skip 10s")
    assert s.rdtsc(1) - s.rdtsc(0) == do(s, "probe warp") == 1_500_000


def test_half_a_percent_of_spread_makes_a_quarter_on_the_average():  # T20
    s = lab(tsc_khz=3_000_000)
    do(s, "spread 0 5000 40us", "skip 1s")  # 25000 whole swings
    assert 3 * S - s.rdtsc() == 7_500_000


def test_a_tsc_that_is_not_constant_follows_its_core():  # T21 T23 T42
    s = lab(quirks="constant_tsc=no", tsc_khz=3_000_000)
    do(s, "skip 1s", "pstate p0 1500000", "skip 1s")
    assert s.rdtsc() == 4_500_000_000
    t = s.rdtsc()
    r = s.do("pstate p0 3000000 10ms")
    assert "15 000 000 to 30 000 000" in r.text
    s.skip("10ms")
    assert 15_000_000 <= s.rdtsc() - t <= 30_000_000
    s = lab(quirks="constant_tsc=no", tsc_khz=2_000_000)
    do(s, "tstate p0 50", "skip 2s")
    assert s.rdtsc() == 2 * S
    s = lab(tsc_khz=3_000_000)
    do(s, "skip 1s", "pstate p0 1500000", "tstate p0 50", "skip 1s")
    assert s.rdtsc() == 6 * S


def test_a_tsc_that_stops_in_c3_is_caught_up():  # T22
    s = lab(quirks="nonstop_tsc=no", tsc_khz=2_000_000)
    do(s, "cstate p0 c3 250ms", "skip 1s")
    assert s.rdtsc() == 1_500_000_000
    do(s, "catchup p0")
    assert s.rdtsc() == 2 * S


def test_a_hot_plugged_processor_is_behind_until_its_tsc_adjust_is_written():  # T24 T47
    s = lab(tsc_khz=2_400_000, vcpus=2)
    do(s, "skip 5s", "plug p1 none")
    assert s.rdtsc(0) - s.rdtsc(1) == 12_000_000_000
    s.wrmsr(0x3B, s.rdmsr(0x3B, 1) + 12_000_000_000, 1)
    assert s.rdtsc(0) == s.rdtsc(1)
    assert s.rdmsr(0x3B, 1) - s.rdmsr(0x3B, 0) == 12_000_000_000


def test_old_processors_take_32_bits_and_clear_the_others():  # T25 T40
    s = lab(quirks="tsc_write=low32", vcpus=2, tsc_khz=1_000_000)
    s.wrmsr(0x10, 0x12345678_9ABCDEF0)
    assert s.rdtsc() == 0x9ABCDEF0
    s = lab(quirks="tsc_write=low32", vcpus=2, tsc_khz=1_000_000)
    do(s, "skip 5s", "resync")
    assert (s.rdtsc(0), s.rdtsc(1)) == (5 * S, 705_032_704)
    assert do(s, "probe warp") == -4_294_967_296


def test_amd_writes_can_be_made_to_do_nothing_or_to_fault():
    s = lab(quirks="tsc_write=ignored")
    s.skip("1s")
    s.wrmsr(0x10, 0)
    assert s.rdtsc() == 2_600_000_000
    with pytest.raises(GuestFault):
        lab(quirks="tsc_write=fault").wrmsr(0x10, 0)


def test_without_rdtscp_and_rdpid_there_is_no_tsc_aux():  # T27
    s = lab(quirks="rdtscp=no rdpid=no")
    assert [s.do(w).fault for w in ("rdtscp", "rdpid", "rdmsr tsc_aux", "wrmsr tsc_aux 1")] == [
        "#UD",
        "#UD",
        "#GP(0)",
        "#GP(0)",
    ]
    s = lab(quirks="rdtscp=no")
    assert [s.do(w).fault for w in ("rdtscp", "rdpid", "rdmsr tsc_aux")] == ["#UD", None, None]


def test_guest_and_host_write_the_two_msrs_of_a_kvm_guest():  # T28 T29 T30 T31 T32
    s = lab("kvm")
    both = lambda: (s.rdtsc(), s.rdmsr(0x3B))  # noqa: E731
    s.wrmsr(0x10, 4_294_967_296)
    assert both() == (4_294_967_296, 4_294_967_296)
    s.wrmsr(0x3B, 8_589_934_592)
    assert both() == (8_589_934_592, 8_589_934_592)
    do(s, "kvm set_tsc 77309411328")
    assert both() == (77_309_411_328, 8_589_934_592)
    do(s, "kvm set_adjust 132559870623744")
    assert both() == (77_309_411_328, 132_559_870_623_744)
    do(s, "kvm set_adjust 8589934592")
    assert both() == (77_309_411_328, 8_589_934_592)
    s.wrmsr(0x3B, 12_884_901_888)
    assert s.rdtsc() == 81_604_378_624
    s.wrmsr(0x10, 17_179_869_184)
    assert both() == (17_179_869_184, 18_446_744_022_169_944_064)


def test_tsc_adjust_there_and_back_and_then_the_tsc():  # T33
    s = lab("kvm")
    s.wrmsr(0x10, 5000)
    s.wrmsr(0x3B, 0)
    s.wrmsr(0x10, 5000)
    do(s, "kvm set_adjust 0")
    s.wrmsr(0x3B, 100_000_000_000)
    assert s.rdtsc() == 100_000_005_000
    s.wrmsr(0x3B, 0)
    assert s.rdtsc() == 5000
    s.wrmsr(0x10, 100_000_000_000)
    assert s.rdmsr(0x3B) == 99_999_995_000


def test_kvm_without_tsc_adjust_in_cpuid_stores_a_write_and_moves_nothing():
    s = lab("kvm", "tsc_adjust=no")
    s.wrmsr(0x3B, 1000)
    assert (s.rdtsc(), s.rdmsr(0x3B)) == (0, 1000)
    for profile in ("datasheet", "palacios"):
        with pytest.raises(GuestFault):
            lab(profile, "tsc_adjust=no").rdmsr(0x3B)


def test_without_scaling_hardware_a_faster_guest_is_raised_at_each_refresh():  # T37
    s = lab("kvm", "host_boot=with_guest tsc_scaling=no host_clocksource=hpet")
    do(s, "kvm set_tsc_khz 3000000", "skip 10ms")
    assert s.rdtsc() == 26_000_000
    do(s, "kvm refresh")
    assert s.rdtsc() == 30_000_000
    do(s, "skip 1ms", "vmexit v0 kernel", "vmenter")
    assert s.rdtsc() == 33_000_000


def test_without_scaling_hardware_a_slower_guest_is_refused():  # T38
    s = lab("kvm", "tsc_scaling=no")
    assert do(s, "kvm set_tsc_khz 2000000") == -22
    s.skip("1s")
    assert s.rdtsc() == 2_600_000_000


def test_without_tsc_offsetting_neither_offset_nor_multiplier_counts():  # T39: L2's, over L1's TSC
    s = lab(tsc_khz=1_000_000)
    do(
        s,
        "skip 1us",
        "l2 offset 500",
        "l2 ratio 2.0",
        "l2 controls use_tsc_scaling on",
        "l2 controls use_tsc_offsetting off",
        "l2 enter",
    )
    assert s.rdtsc() == 1000


def test_a_halted_turion_runs_ahead():  # T41
    s = lab(quirks="constant_tsc=no turion_halt=full", vcpus=2, tsc_khz=2_000_000)
    do(s, "pstate p0 1600000", "pstate p1 1600000", "cstate p1 c1", "skip 1s")
    assert s.rdtsc(1) - s.rdtsc(0) == 400_000_000


@pytest.mark.parametrize("quirks", ["", "pit_count=elapsed"])
def test_the_tsc_is_calibrated_over_pit_channel_2(quirks):  # T43
    s = lab(quirks=quirks, pit_hz=1_193_182)
    assert do(s, "probe calibrate 59659 1193182") == 129_999_782
    for port, value in ((0x61, 1), (0x43, 0xB0), (0x42, 59659 & 255), (0x42, 59659 >> 8)):
        s.outb(port, value)
    t = s.rdtsc()
    do(s, "until pit.ch2.out limit 100ms")
    assert abs(s.rdtsc() - t - 129_999_782) <= 2 * 2180  # a load pulse, and the grid


def test_a_kvm_guest_does_not_see_that_its_host_was_suspended():  # T44, where the host's TSC starts again at 0
    s = lab("kvm", "host_boot=with_guest", tsc_khz=1_000_000, vcpus=2)
    do(s, "skip 9000s", "suspend 1hr")
    assert (s.peek("vcpu0.host"), s.rdtsc(0), s.rdtsc(1)) == (0, 9_000_000_000_000, 9_000_000_000_000)
    s.skip("1s")
    assert s.rdtsc(1) == 9_001_000_000_000 and s.peek("vcpu1.offset") == 9_000_000_000_000
    assert (s.peek("kvm.master"), s.peek("kvm.backwards_seen")) == (0, 1)


# CPUID under each profile


@pytest.mark.parametrize("vendor", ["intel", "amd"])
@pytest.mark.parametrize("profile", ["datasheet", "qemu", "ich", "kvm", "palacios", "nvmm"])
def test_cpuid_says_what_the_machine_does(profile, vendor):
    s = lab(profile, f"vendor={vendor}")
    name = b"".join(r.to_bytes(4, "little") for r in (s.cpuid(0)[1], s.cpuid(0)[3], s.cpuid(0)[2]))
    assert name == {"intel": b"GenuineIntel", "amd": b"AuthenticAMD"}[vendor]
    assert s.cpuid(1)[3] & 1 << 4 and s.cpuid(0x80000007)[3] & 1 << 8
    answers = {
        "rdmsr tsc_adjust": s.cpuid(7)[1] & 2,
        "rdtscp": s.cpuid(0x80000001)[3] & 1 << 27,
        "rdpid": s.cpuid(7)[2] & 1 << 22,
        "rdmsr tsc_deadline": s.cpuid(1)[2] & 1 << 24,
        "rdmsr tsc_ratio": vendor == "amd" and s.cpuid(0x8000000A)[3] & 1 << 4,
    }
    for line, there in answers.items():
        assert (s.do(line).fault is None) == bool(there), line
    hypervisor = profile in ("kvm", "nvmm")
    assert bool(s.cpuid(1)[2] >> 31) == hypervisor
    leaf = {"kvm": (0x40000001, 0x4B4D564B, 0x564B4D56, 0x4D), "nvmm": (0x40000010, 0x205F5F5F, 0x4D4D564E, 0x5F5F5F20)}
    assert s.cpuid(0x40000000) == leaf.get(profile, (0, 0, 0, 0))


def test_a_hidden_invariant_tsc_and_a_stopping_one_are_not_told():
    for quirk in ("invariant_tsc=hidden", "constant_tsc=no", "nonstop_tsc=no"):
        assert lab(quirks=quirk).cpuid(0x80000007)[3] & 1 << 8 == 0
