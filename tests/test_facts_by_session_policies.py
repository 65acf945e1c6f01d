"""Facts of the time policies of Palacios, KVM and NVMM, found by `Session` alone.

P, K and N with their numbers, as the facts have them. K T19 and T47 need a vCPU that is made later, K T55's TSC a host
that resumes with another TSC than 0: no option of a session gives these.
"""

import pytest
from sessionrig import MASK, S, do, kvm, lab

from timerlab import CommandError


def v3(quirks: str = "", khz: int = 1_000_000, **options: object):
    """A Palacios guest on a host whose TSC starts at 0, so that host cycles are ns at 1 GHz."""
    return lab("palacios", f"host_boot=with_guest {quirks}", tsc_khz=khz, **options)


# Palacios


def test_guest_cycles_follow_the_host_from_start_time_on():  # P T1 T3 T4 T41
    s = v3()
    do(s, "skip 1ms", "v3 start_time", "skip 750us", "v3 advance")
    assert (s.peek("policy.v0.initial_host_time"), do(s, "v3 guest_time"), s.rdtsc()) == (1_000_000, 750_000, 750_000)
    s.wrmsr(0x10, 5_000_000)
    assert (s.peek("policy.v0.tsc_guest_offset"), do(s, "v3 guest_time"), s.rdtsc()) == (4_250_000, 750_000, 5_000_000)
    with pytest.raises(CommandError, match="slaved"):
        s.do("v3 offset_time -1000")
    assert do(s, "v3 guest_time") == 750_000
    s.wrmsr(0x10, 0)
    s.skip("250us")
    assert s.peek("policy.v0.tsc_guest_offset") == -750_000 and s.rdtsc() == 250_000


@pytest.mark.parametrize(
    ("form", "words", "host", "guest"),
    [
        ("intended", ["v3 ratio 1 2"], 750_000, 375_000),  # T2
        ("intended", ["v3 dilation 2 1"], 750_000, 1_500_000),  # T8
        ("seed_exact", ["v3 dilation 2 1"], 750_000, 750_000),
        ("intended", ["v3 dilation 1 2"], 3 * S, 1_500_000_000),  # T28
        ("intended", ["v3 dilation 1 3", "v3 ratio 2 3"], 3 * S, 666_666_666),  # T29
        ("intended", ["v3 dilation 1 10", "v3 ratio 800 1000"], 1_000_000_000_007, 80 * S),  # T30
        ("intended", ["v3 ratio 10 13"], 26 * S, 20 * S),  # T31
        ("seed_exact", ["v3 ratio 2600000 2600000"], 3_547_450_783_406, MASK + 1 - 3_547_450_783_405),  # T43
        ("intended", ["v3 ratio 2600000 2600000"], 3_547_450_783_406, 3_547_450_783_406),
    ],
)
def test_guest_cycles_are_host_cycles_by_dilation_and_ratio(form, words, host, guest):
    s = v3(f"palacios={form}")
    do(s, *words)
    s.skip(host)
    assert do(s, "v3 advance") == guest
    assert s.peek("policy.v0.guest_cycles") & MASK == guest
    assert s.peek("policy.v0.rollovers") == (guest >> 63)
    s.wrmsr(0x10, 12345)
    assert (s.rdtsc(), do(s, "v3 guest_time")) == (12345, guest)


@pytest.mark.parametrize(
    ("form", "khz", "reported", "ratio"),
    [
        ("intended", 3_000_000, 2_600_000, (1, 1)),  # T10
        ("seed_exact", 3_000_000, 2_600_000, (1, 1)),
        ("later", 3_000_000, 3_000_000, (15, 13)),  # T34
        ("intended", 2_000_000, 2_000_000, (10, 13)),  # T31
        ("intended", 1_300_000, 1_300_000, (1, 2)),
        ("seed_exact", 1_300_000, 1_300_000, (1, 1)),  # T35
        ("intended", 2_599_999, 2_599_999, (2_599_999, 2_600_000)),  # T32
        ("later", 2_599_999, 2_599_999, (2539, 2539)),
        ("intended", 1000, 1000, (1, 2600)),  # T33
        ("later", 1000, 1000, (0, 2539)),
        ("intended", 0, 2_600_000, (1, 1)),
        ("later", 0, 2_600_000, None),
    ],
)
def test_the_khz_option_makes_the_ratio(form, khz, reported, ratio):
    s = v3(f"palacios={form}", 2_600_000)
    do(s, f"v3 khz {khz}")
    assert do(s, "vmcall d000h") == reported == s.peek("policy.v0.guest_cpu_freq")  # T9
    found = s.peek("policy.v0.clock_ratio_num"), s.peek("policy.v0.clock_ratio_denom")
    if ratio:
        assert found == ratio
    s.skip("10s")
    assert do(s, "v3 advance") == 26 * S * found[0] // found[1]
    assert s.rdtsc() == 26 * S * found[0] // found[1]


def test_timers_are_told_at_the_reported_rate():  # T11 T35 T42
    s = v3(khz=2_600_000)
    do(s, "v3 add_timer a", "v3 add_timer b", "v3 remove_timer a", "skip 1ms")
    r = s.do("v3 update_timers")
    assert r.value == 2_600_000 and "1193.182 PIT clocks" in r.text and s.peek("policy.v0.num_timers") == 1
    s = v3("palacios=seed_exact", 2_600_000)
    do(s, "v3 khz 1300000", "v3 add_timer a", "skip 1s", "v3 advance")
    assert "v0.timers" not in s.do("v3 update_timers").text
    assert (s.peek("policy.v0.guest_cycles"), s.peek("policy.v0.guest_cpu_freq")) == (2_600_000_000, 1_300_000)


def test_a_free_running_guest_counts_what_it_is_told():  # T5 T6 T7 T37 T38 T39
    s = v3()
    do(s, "v3 follow off", "skip 750us", "v3 exit 750000", "v3 add_timer a", "v3 update_timers", "v3 offset_time -1000")
    assert do(s, "v3 guest_time") == 749_000
    told, rolled = s.peek("policy.v0.timers"), s.peek("policy.v0.rollovers")
    assert s.do("v3 update_timers").value is None
    assert (s.peek("policy.v0.last_update"), s.peek("policy.v0.timers")) == (749_000, told)
    assert s.peek("policy.v0.rollovers") == rolled + 1
    do(s, "v3 offset_time 1000")
    assert do(s, "v3 update_timers") == 1000
    assert do(s, "v3 exit 200000") == 950_000
    do(s, "skip 400us", "v3 skip_time")
    assert do(s, "v3 guest_time") == 950_000
    do(s, "skip 100us")
    assert do(s, "v3 advance") == 1_050_000


def test_the_first_text_reads_through_null():  # T36
    s = v3("palacios=seed_exact")
    do(s, "v3 follow off")
    s.skip("1ms")
    faults = s.peek("policy.v0.host_faults")
    r = s.do("v3 advance")
    assert r.fault == "host #PF" and s.peek("policy.v0.host_faults") == faults + 1
    assert do(s, "v3 guest_time") == do(s, "v3 exit 0") == 1_000_000  # what the exit before the call had counted


def test_a_stall_of_the_core_is_guest_time_when_it_follows_the_host():  # T44
    s = v3(khz=2_600_000)
    do(s, "preempt v0 50ms", "skip 50ms")
    assert do(s, "v3 guest_time") == 130_000_000


def test_rdtsc_gives_two_halves_and_rip_goes_on():  # T40 T45
    s = v3("palacios=later")
    s.wrmsr(0x10, 0x123456789)
    s.wrmsr(0xC0000103, 7)
    assert "RDX 0000 0000 0000 0001h  RAX 0000 0000 2345 6789h  RIP +2" in s.do("v3 rdtsc").text
    assert "RCX 0000 0000 0000 0007h  RIP +3" in s.do("v3 rdtscp").text
    s.skip("1ms")
    assert do(s, "vmcall d001h") == 1_000_000
    assert do(v3(), "vmcall d001h") is None


# NVMM


def test_nvmm_goes_on_where_the_vcpu_left_the_guest_when_it_moved():  # N T24 T25 T26 T27 T60
    s = lab("nvmm", vcpus=2, pcpus=3, tsc_khz=2_200_000)
    assert s.rdtsc() == 0
    s.wrmsr(0x10, 8_000_000_000)
    do(s, "vmexit v0 user 3s", "skip 3s")
    assert s.rdtsc() == 14_600_000_000 and do(s, "nvmm lost") == 0
    do(s, "migrate v0 p2 3s", "skip 3s")
    assert s.rdtsc() == 14_600_000_000 and do(s, "nvmm lost") == 6_600_000_000
    s.wrmsr(0x10, 5000)
    s.skip("1us")
    assert s.rdtsc() == 7200
    offsets = []
    for fix in ("none", "uptime"):
        s = lab("nvmm", f"nvmm_fix={fix}", vcpus=1, pcpus=2, tsc_khz=2_200_000)
        s.skip("100s")
        s.wrmsr(0x10, 8_000_000_000)
        do(s, "migrate v0 p1 3s", "skip 3s")
        offsets.append(s.peek("vcpu0.offset"))
    assert s.rdtsc() == 14_600_000_000 and offsets[1] - offsets[0] == 6_600_000_000


@pytest.mark.parametrize(("rebase", "tsc"), [("report", 2_156_000_000), ("source", 2_200_000_000)])
def test_a_thousand_io_exits_lose_their_time_as_the_report_has_it(rebase, tsc):  # N T61
    s = lab("nvmm", f"nvmm_rebase={rebase}", tsc_khz=2_200_000)
    for _ in range(1000):
        s.do("vmexit v0 io 20us")
        s.skip("1ms")
    assert (s.rdtsc(), do(s, "nvmm lost")) == (tsc, 2_200_000_000 - tsc)


def test_a_write_back_of_all_state_loses_the_exit():  # N T62
    s = lab("nvmm", tsc_khz=2_200_000)
    do(s, "skip 1s", "vmexit v0 user 1ms", "nvmm commit", "skip 1ms")
    assert s.rdtsc() == 2_200_000_000 and do(s, "nvmm lost") == 2_200_000


# KVM: writes held together


def test_the_rate_of_a_guest_within_250_ppm_is_the_hosts():  # K T12 T13
    for khz, same in ((2_599_349, False), (2_599_350, True), (2_600_650, True), (2_600_651, False)):
        s = kvm()
        do(s, f"kvm set_tsc_khz {khz}")
        assert (s.peek("vcpu0.ratio") == 1 << 48) == same, khz
    s = kvm()
    assert (s.peek("kvm.v0.mul"), s.peek("kvm.v0.shift")) == (0xA6666666, 2)


def generation(s) -> tuple[int, int]:
    return s.peek("kvm.generation"), s.peek("kvm.nr_matched")


def test_a_write_within_a_second_is_taken_for_the_same():  # K T14 T15 T16 T51
    s = kvm(vcpus=2)
    do(s, "kvm set_tsc 1000000000 v0")
    g, _ = generation(s)
    do(s, "skip 200ms", "kvm set_tsc 1000000000 v1")
    assert (s.rdtsc(0), s.rdtsc(1), generation(s)) == (1_520_000_000, 1_520_000_000, (g, 1))
    do(s, "kvm set_tsc 1520000000 v1")
    assert generation(s) == (g, 1) and s.peek("kvm.master") == 1
    do(s, "skip 1800ms", "kvm set_tsc 0 v0")
    assert generation(s)[0] == g
    s = kvm(vcpus=2)
    do(s, "kvm set_tsc 1000000000 v0")
    g, _ = generation(s)
    do(s, "skip 2s", "kvm set_tsc 1000000000 v1")
    assert generation(s) == (g + 1, 0) and s.rdtsc(1) == 1_000_000_000 and s.peek("kvm.master") == 0


@pytest.mark.parametrize(
    ("value", "new"), [(12_600_000_000, 1), (12_599_999_999, 0), (7_400_000_000, 1), (7_400_000_001, 0)]
)
def test_the_edges_of_that_second_are_exact(value, new):  # K T49
    s = kvm(vcpus=2)
    do(s, "kvm set_tsc 10000000000 v0")
    g, _ = generation(s)
    do(s, f"kvm set_tsc {value} v1")
    assert generation(s)[0] == g + new


@pytest.mark.parametrize(("user_set", "tsc"), [("v6_7", 1_000_000_000), ("before", 520_000_000)])
def test_the_first_write_of_userspace(user_set, tsc):  # K T46
    s = kvm(f"kvm_user_set={user_set}")
    do(s, "skip 200ms", "kvm set_tsc 1000000000")
    assert s.rdtsc() == tsc


def test_an_unstable_host_adds_the_time_that_went_by():  # K T48
    s = kvm("host_clocksource=hpet", vcpus=2)
    do(s, "kvm set_tsc 1000000000 v0", "skip 200ms", "kvm set_tsc 1000000000 v1")
    assert (s.peek("kvm.last_write"), s.peek("kvm.nr_matched"), s.rdtsc(1)) == (1_519_999_999, 1, 1_519_999_999)


def test_three_vcpus_are_written_one_after_the_other():  # K T50
    s = kvm(vcpus=3)
    for v in range(3):
        do(s, f"kvm set_tsc_khz 2345678 v{v}")
    for v, value in ((0, 200_000_000), (1, 0), (2, 200_000_000)):
        do(s, f"kvm set_tsc {value} v{v}", "skip 1ms")
    assert len({s.peek(f"vcpu{v}.offset") for v in range(3)}) == 1 and s.peek("kvm.nr_matched") == 2


def test_offsets_by_the_attribute():  # K T52 T53
    s = kvm(vcpus=2, tsc_khz=1_000_000)
    s.skip("1000s")
    for offset, tsc in ((0, 1_000_000_000_000), (180 * S, 1_180_000_000_000), (-180 * S, 820_000_000_000)):
        do(s, f"kvm set_offset {offset} v0")
        assert s.rdtsc() == tsc
    do(s, f"kvm set_offset {-180 * S} v1")
    assert (s.peek("kvm.nr_matched"), s.peek("kvm.master")) == (1, 1)
    do(s, "kvm set_offset 5 v1")
    assert (s.peek("kvm.nr_matched"), s.peek("kvm.master")) == (0, 0)


def test_four_equal_vcpus_have_a_master_clock_until_the_first_uses_the_old_msr():  # K T18 T54
    s = kvm(vcpus=4)
    for v in range(4):
        s.wrmsr(0x4B564D01, 0x1001 + v * 0x100, v)
    assert (s.peek("kvm.nr_matched"), s.peek("kvm.master")) == (3, 1)
    flags = lambda: [s.readb(0x101D + v * 0x100) for v in range(4)]  # noqa: E731
    assert flags() == [1, 1, 1, 1]
    s.wrmsr(0x12, 0x1101, 1)
    assert s.peek("kvm.master") == 1
    s.wrmsr(0x12, 0x1001, 0)
    s.skip("100ms")
    assert (s.peek("kvm.master"), flags()) == (0, [0, 0, 0, 0])
    s.wrmsr(0x4B564D01, 0x1001, 0)
    s.skip("100ms")
    assert (s.peek("kvm.master"), flags()) == (1, [1, 1, 1, 1])


def test_a_slow_guest_is_raised_and_a_fast_one_left():  # K T20 T21
    s = kvm("tsc_scaling=no host_clocksource=hpet", tsc_khz=2_550_000)
    do(s, "kvm set_tsc_khz 2600000", "skip 1s")
    assert s.rdtsc() == 2_554_999_999  # a refresh of all, 100 ms after power-on, has raised it once
    do(s, "kvm refresh")
    assert s.rdtsc() == 2_599_999_999
    s.wrmsr(0x10, 5_000_000_000)
    do(s, "kvm refresh")
    assert s.rdtsc() == 5_000_000_000


def test_a_move_to_a_processor_that_is_behind_goes_on():  # K T22 T23
    s = kvm(pcpus=2, tsc_khz=1_000_000)
    do(s, "skip 4s", "plug p1 none", "skip 1s", "kvm unstable", "migrate v0 p1")
    assert (s.peek("vcpu0.host"), s.rdtsc(), s.peek("vcpu0.offset")) == (S, 5 * S, 4 * S)
    s = kvm(pcpus=2, tsc_khz=1_000_000)
    do(s, "skip 4s", "plug p1 none", "resync -10")
    assert (s.peek("kvm.unstable"), s.peek("kvm.v0.catchup")) == (0, 0)
    do(s, "migrate v0 p1")
    assert (s.peek("kvm.unstable"), s.peek("kvm.v0.catchup"), s.peek("kvm.master"), s.rdtsc()) == (1, 1, 0, 4 * S)


def test_after_s3_the_greatest_difference_is_owed_to_all_vcpus():  # K T55
    s = kvm(vcpus=2, tsc_khz=1_000_000)
    do(s, "skip 9s", "preempt v0", "skip 100", "preempt v1", "suspend 1hr")
    assert [s.peek(f"kvm.v{v}.offset_adjustment") for v in (0, 1)] == [9_000_000_100] * 2
    do(s, "vmenter v0", "vmenter v1")
    assert (s.rdtsc(0), s.rdtsc(1)) == (9_000_000_100, 9_000_000_100)
    assert [s.peek(f"kvm.{n}") for n in ("master", "backwards_seen", "last_write", "last_nsec")] == [0, 1, 0, 0]
    do(s, "kvm set_tsc 0 v0", "kvm set_tsc 0 v1")
    assert s.peek("kvm.master") == 0


def test_set_clock_with_a_time_of_day():  # K T56
    s = kvm()
    s.wrmsr(0x4B564D01, 0x1001)
    do(s, "kvm set_clock 0")
    assert do(s, "pvread") == do(s, "kvm get_clock") == 0
    do(s, "skip 180s")
    assert abs(do(s, "pvread") - 180 * S) <= 60  # the multiplier is 32 bits
    day = 1_767_225_600 * S + 180 * S  # the session's start, and 180 s
    do(s, f"kvm set_clock 0 realtime {day - 180 * S}")
    assert do(s, "pvread") == 180 * S
    do(s, f"kvm set_clock 0 realtime {day + 180 * S}")
    assert do(s, "pvread") == 0


def test_a_guests_write_of_its_tsc_moves_kvmclock_until_a_refresh():  # K T17 T57 T58
    s = kvm()
    s.wrmsr(0x4B564D01, 0x1001)
    s.skip("1s")
    before, version = do(s, "pvread"), s.peek("pv0.version")
    s.wrmsr(0x10, s.rdtsc() + 2_600_000)
    assert do(s, "pvread") - before in (999_999, 1_000_000) and s.rdmsr(0x3B) == 2_600_000
    assert s.peek("pv0.version") == version
    do(s, "kvm update")
    assert do(s, "pvread") - before in (0, 1)
    now, version = do(s, "pvread"), s.peek("pv0.version")
    s.wrmsr(0x3B, s.rdmsr(0x3B) + 2_600_000)
    assert do(s, "pvread") == now and s.peek("pv0.version") == version + 2


def test_a_move_refreshes_pages_only_without_a_master_clock():  # K T59
    for quirks, own in (("", 0), ("host_clocksource=hpet", 2)):
        s = kvm(quirks, vcpus=2, pcpus=3)
        for v in (0, 1):
            s.wrmsr(0x4B564D01, 0x1001 + v * 0x100, v)
        s.skip("1s")
        first = [s.peek(f"pv{v}.version") for v in (0, 1)]
        do(s, "migrate v0 p2")
        assert [s.peek(f"pv{v}.version") - first[v] for v in (0, 1)] == [own, 0]
        s.skip("100ms")
        assert s.peek("pv1.version") - first[1] == own
