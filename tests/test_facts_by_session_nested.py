"""Facts of nested TSCs, found by `Session` alone.

T numbers as the facts have them. T20 (three levels) is not reachable: the product has two.
"""

import pytest
from sessionrig import MASK, S, do, kvm

from timerlab import GuestFault, Session

FREE = [f"l2 intercept {way} {msr} off" for way in ("rdmsr", "wrmsr") for msr in ("tsc", "tsc_adjust")]


def t1(
    quirks: str = "", *lines: str, o01: int = -4 * S, o12: int = S, khz: int = 1_000_000, **options: object
) -> Session:
    """L1's offset -4e9, L2's 1e9, at host TSC 1e10, L2 running, nothing intercepted."""
    s = kvm(quirks, tsc_khz=khz, **options)
    do(
        s,
        f"skip {10**16 // khz // 1000}us" if khz != 1_000_000 else "skip 10s",
        f"kvm set_offset {o01}",
        f"l2 offset {o12}",
        *FREE,
        *lines,
        "l2 enter",
    )
    return s


def look(s: Session, *names: str) -> list[int]:
    return [s.peek(f"nest0.{name}") for name in names]


def test_l2_is_l1_plus_its_offset():  # T1 T2 T12 T15
    s = t1()
    assert look(s, "o01", "o12", "o02") == [-4 * S, S, -3 * S]
    assert (s.rdtsc(), s.peek("vcpu0.l1tsc"), do(s, "kvm get_tsc")) == (7 * S, 6 * S, 6 * S)
    do(s, "l2 exit")
    assert (s.peek("vcpu0.offset"), s.peek("nest0.field_offset"), s.rdtsc(), s.rdmsr(0x10)) == (-4 * S, S, 6 * S, 6 * S)


def test_l1s_offset_changes_under_l2():  # T3 T4
    s = t1()
    do(s, "kvm set_offset -3500000000")
    assert look(s, "o02") == [-2_500_000_000] and s.rdtsc() == 7_500_000_000
    do(s, "l2 exit", "l2 enter")
    assert look(s, "o02") == [-2_500_000_000]


def test_vmcs12_has_its_offset_and_multiplier_only_where_it_uses_them():  # T5 T6
    s = t1("", "l2 controls use_tsc_offsetting off")
    assert s.rdtsc() == 6 * S
    s = t1("", "l2 ratio 1.5", "l2 controls use_tsc_scaling on", "l2 controls use_tsc_offsetting off")
    assert (s.rdtsc(), look(s, "m12")) == (6 * S, [1 << 48])


def test_l2_scales_l1s_offset_too_and_a_change_is_reckoned_anew():  # T7 T31 T32
    s = t1("", "l2 ratio 1.5", "l2 controls use_tsc_scaling on")
    assert (look(s, "o02"), s.rdtsc()) == ([-5 * S], 10 * S)
    do(s, "kvm set_offset -3000000000")
    assert (look(s, "o02"), s.rdtsc()) == ([-3_500_000_000], 11_500_000_000)
    do(s, "l2 exit", "l2 enter")
    assert look(s, "o02") == [-3_500_000_000]


def test_two_ratios_multiply():  # T8 T9
    s = kvm(tsc_khz=1_000_000)
    do(
        s,
        "kvm set_tsc_khz 500000",
        "skip 10s",
        "kvm set_offset 1000000000",
        "l2 ratio 1.5",
        "l2 controls use_tsc_scaling on",
        "l2 enter",
    )
    assert look(s, "m02", "o02") == [0x0000C00000000000, 1_500_000_000]
    assert (s.peek("vcpu0.l1tsc"), s.rdtsc()) == (6 * S, 9 * S)


@pytest.mark.parametrize(
    ("rounding", "o01", "o02"), [("truncate", -1001, -1501), ("floor", -1001, -1502), ("truncate", 1001, 1501)]
)
def test_a_negative_offset_is_rounded_towards_zero(rounding, o01, o02):  # T10 T30
    s = t1(f"vendor=amd nested_rounding={rounding}", "wrmsr tsc_ratio 180000000h", o01=o01, o12=0)
    assert look(s, "o02") == [o02]


def test_the_ratio_msr_of_amd():  # T11 T18 T33 T34
    s = t1("vendor=amd", "l2 intercept wrmsr tsc_ratio off")
    assert (look(s, "m12"), s.rdmsr(0xC0000104)) == ([1 << 32], 1 << 32)
    s.wrmsr(0xC0000104, 0x180000000)
    assert (look(s, "m02", "o02"), s.rdtsc()) == ([0x180000000, -3 * S], 12 * S)
    do(s, "l2 exit", "l2 enter")
    assert (look(s, "o02"), s.rdtsc()) == ([-5 * S], 10 * S)
    do(s, "l2 exit", "wrmsr tsc_ratio 100000000h")
    assert s.rdtsc() == 6 * S
    do(s, "l2 enter")
    assert s.rdtsc() == 7 * S
    s = kvm("vendor=amd tsc_ratio_msr=no")
    for way in (lambda: s.rdmsr(0xC0000104), lambda: s.wrmsr(0xC0000104, 1 << 32)):
        with pytest.raises(GuestFault):
            way()
    do(s, "l2 enter")
    assert look(s, "m12") == [1 << 32]


def test_an_intercept_exits_to_l1():  # T13 T19
    s = t1("", "l2 intercept rdtsc on", "l2 intercept rdmsr tsc on", "l2 intercept wrmsr tsc on")
    for line in ("rdtsc", "rdtscp", "rdmsr tsc", "wrmsr tsc 5"):
        r = s.do(line)
        assert (r.fault, r.value, s.peek("nest0.guest_mode")) == ("#VMEXIT", None, 0), line
        assert s.rdtsc() == 6 * S
        do(s, "l2 enter")
    s = t1("vendor=amd", "l2 intercept rdtsc on")
    assert s.do("rdtsc").fault == "#VMEXIT" and s.peek("vcpu0.tsc") == 6 * S
    s = t1("", "l2 controls use_msr_bitmaps off")
    assert s.do("rdmsr tsc").fault == "#VMEXIT"
    assert s.do("expect nest0.guest_mode == 0").ok


@pytest.mark.parametrize(("quirk", "value"), [("l2", 7 * S), ("kvm_2010", 6 * S)])
def test_rdmsr_in_l2_today_and_in_2010(quirk, value):  # T14 T39
    s = t1(f"l2_rdmsr={quirk}")
    assert (s.rdmsr(0x10), s.rdtsc()) == (value, 7 * S)


def test_a_write_in_l2_sets_l1():  # T16 T21 T22
    s = t1()
    s.wrmsr(0x10, 9 * S)
    assert (look(s, "o01", "o02"), s.peek("vcpu0.l1tsc"), s.rdtsc(), s.rdmsr(0x3B)) == ([-S, 0], 9 * S, 10 * S, 3 * S)
    do(s, "l2 exit")
    assert s.rdmsr(0x3B) == 3 * S
    s = t1()
    s.wrmsr(0x3B, 700)
    assert look(s, "o01", "o02") == [-3_999_999_300, -2_999_999_300]
    assert (s.peek("vcpu0.l1tsc"), s.rdtsc()) == (6_000_000_700, 7_000_000_700)


def test_l1_edits_count_from_the_next_entry():  # T17
    s = t1("vendor=amd")
    do(s, "l2 offset 1000000500")
    assert s.rdtsc() == 7 * S
    do(s, "l2 exit", "l2 enter")
    assert s.rdtsc() == 7_000_000_500


@pytest.mark.parametrize(
    ("khz", "m01", "m02", "l1", "l2"),
    [
        (1_000_000, 0x0000800000000000, 0x0002000000000000, S, 4 * S),  # T23
        (666_666, 93_824_898_411_893, 375_299_593_647_572, 666_665_999, 2_666_663_999),  # T24
        (200_000, 28_147_497_671_065, 112_589_990_684_260, 199_999_999, 799_999_999),  # T25
    ],
)
def test_a_slow_l1_and_an_l2_four_times_as_fast(khz, m01, m02, l1, l2):
    s = kvm(tsc_khz=2_000_000)
    do(s, f"kvm set_tsc_khz {khz}", "l2 ratio 4.0", "l2 controls use_tsc_scaling on", "l2 enter", "skip 1s")
    assert look(s, "m01", "m02") == [m01, m02]
    assert (s.peek("vcpu0.l1tsc"), s.rdtsc()) == (l1, l2)


@pytest.mark.parametrize(
    ("o01", "l1", "l2", "two"),
    [(0, 7_692_307_697, 11_538_461_546, 11_538_461_545), (-1001, 7_692_306_696, 11_538_460_045, 11_538_460_044)],
)
def test_what_hardware_gives_is_a_cycle_off_the_two_steps(o01, l1, l2, two):  # T26 T27 T28
    s = kvm(tsc_khz=1_300_000)
    do(s, "kvm set_tsc_khz 1000000")  # 10/13
    s.skip("7692307692ns")
    do(
        s,
        f"kvm host_tsc_step {10_000_000_007 - s.peek('vcpu0.host')}",
        f"kvm set_offset {o01}",
        "l2 ratio 1.5",
        "l2 controls use_tsc_scaling on",
        "l2 enter",
    )
    assert (s.peek("vcpu0.host"), s.peek("nest0.m01"), s.peek("nest0.m02")) == (
        10_000_000_007,
        0x0000C4EC4EC4EC4E,
        0x0001276276276275,
    )
    assert (s.peek("vcpu0.l1tsc"), s.rdtsc(), s.peek("nest0.two_step")) == (l1, l2, two)
    if o01:
        assert look(s, "o02") == [-1501]


def test_an_svm_ratio_of_ratios():  # T29
    s = kvm("vendor=amd", tsc_khz=2_600_000)
    do(s, "kvm set_tsc_khz 2000000", "wrmsr tsc_ratio 180000000h", "l2 enter")
    assert look(s, "m01", "m02") == [0xC4EC4EC4, 0x127627626]


@pytest.mark.parametrize("check", ["checked", "unchecked"])
def test_a_multiplier_of_0_fails_the_entry(check):  # T35
    s = kvm(f"vmcs12_zero_multiplier={check}")
    assert do(s, "l2 controls use_tsc_scaling on", "l2 ratio 0", "l2 enter") == 7
    assert look(s, "guest_mode") == [0]
    # without offsetting it is taken as 1, but the SDM's check asks for use TSC scaling alone
    assert do(s, "l2 controls use_tsc_offsetting off", "l2 enter") == (7 if check == "checked" else 0)


def test_l1s_deadline_comes_while_l2_runs():  # T36
    s = t1(guest="manual")
    do(s, "l2 exit")
    s.writel(0xFEE000F0, 0x1FF)
    s.writel(0xFEE00320, 0x40041)
    s.wrmsr(0x6E0, 6_000_000_500)
    do(s, "l2 enter")
    assert do(s, "until lapic0.irr != 0") == 10 * S + 500
    assert (s.peek("vcpu0.host"), s.rdtsc(), s.inta()) == (10_000_000_500, 7_000_000_500, 0x41)
    do(s, "l2 exit")
    s.eoi()
    s.wrmsr(0x6E0, s.rdtsc() + 1000)
    do(s, "l2 ratio 4.0", "l2 controls use_tsc_scaling on", "l2 enter")
    assert do(s, "until lapic0.irr != 0") == s.now == 10 * S + 1500


@pytest.mark.parametrize("nested", [False, True])
def test_l1s_deadline_survives_migrations(nested):
    s = kvm(guest="manual", pcpus=2, tsc_khz=1_000_000)
    s.writel(0xFEE000F0, 0x1FF)
    s.writel(0xFEE00320, 0x40041)
    do(s, "skip 1s")
    s.wrmsr(0x6E0, 4 * S)
    if nested:
        do(s, "l2 offset 5000", "l2 enter")
    do(s, "kvm unstable", "plug p1 none", "migrate v0 p1 1ms", "skip 1s")
    assert s.peek("vcpu0.l1tsc") in range(1_999_000_000, 2 * S + 1)
    do(s, "until lapic0.irr != 0 limit 10s")
    assert s.peek("vcpu0.l1tsc") in range(4 * S, 4 * S + 2)
    assert s.inta() == 0x41 and s.inta() is None
    s = kvm(guest="manual", tsc_khz=2_600_000)
    s.writel(0xFEE000F0, 0x1FF)
    s.writel(0xFEE00320, 0x40041)
    s.wrmsr(0x6E0, 2_600_000_000)
    do(s, "skip 400ms", "migrate host 3000000 100ms", "until lapic0.irr != 0 limit 10s")
    assert s.rdtsc() in range(2_599_990_000, 2_600_000_010)
    assert abs(s.now - 1_100_000_000) < 10


def test_l1s_time_page_is_of_l1():  # T37
    s = t1()
    do(s, "l2 exit")
    s.wrmsr(0x4B564D01, 0x1001)
    do(s, "l2 enter", "kvm update")
    assert s.readq(0x1008) == 6 * S
    version = s.readl(0x1000)
    do(s, "l2 exit", "l2 enter", "l2 exit")
    assert s.readl(0x1000) == version


def test_userspace_writes_l1s_tsc_while_l2_runs():  # T38
    s = t1()
    do(s, "kvm set_tsc 6000000000")
    assert (look(s, "o01", "o02"), s.rdmsr(0x3B)) == ([-4 * S, -3 * S], 0)


@pytest.mark.parametrize("vendor", ["intel", "amd"])
def test_both_go_on_on_a_processor_that_is_behind(vendor):  # T40
    s = kvm(f"vendor={vendor}", pcpus=2, tsc_khz=1_000_000)
    do(
        s,
        "kvm unstable",
        "skip 10s",
        "resync -1000000000",
        "kvm set_offset -4000000000",
        "l2 offset 1000000000",
        "l2 enter",
        "migrate v0 p1",
    )
    assert (look(s, "o01", "o02"), s.peek("vcpu0.l1tsc"), s.rdtsc()) == ([-3 * S, -2 * S], 6 * S, 7 * S)


def test_tsc_adjust_is_one_register_for_both():  # T41 T42
    s = kvm()
    s.wrmsr(0x10, 1000)
    do(s, "kvm set_adjust 0", "l2 offset -281474976710656", *FREE)
    s.wrmsr(0x10, (1000 - 4_294_967_296) & MASK)
    assert s.rdmsr(0x3B) == -4_294_967_296 & MASK
    do(s, "l2 enter")
    assert s.rdtsc() == 18_446_462_594_437_874_664
    s.wrmsr(0x10, (1000 - 8_589_934_592) & MASK)
    assert s.rdmsr(0x3B) == 18_446_744_065_119_617_024
    do(s, "l2 exit")
    assert (s.rdmsr(0x3B), s.rdtsc()) == (18_446_744_065_119_617_024, 18_446_744_065_119_618_024)


def test_the_preemption_timer_counts_l1s_tsc():  # T43
    s = kvm(tsc_khz=2_000_000)
    do(s, "l2 ratio 4.0", "l2 controls use_tsc_scaling on", "l2 preemption_timer 100", "l2 enter")
    do(s, "until nest0.guest_mode == 0")
    assert (s.now, s.peek("vcpu0.l1tsc")) == (1600, 3200)


def test_rdtscp_in_l2():  # T44
    s = t1("", "wrmsr tsc_aux 5")
    r = s.do("rdtscp")
    assert r.value == 7 * S and "ECX 0000 0005h" in r.text
    s = t1("", "l2 controls enable_rdtscp off")
    assert s.do("rdtscp").fault == "#UD"


@pytest.mark.parametrize("vendor", ["intel", "amd"])
def test_travel_and_files_keep_l2(vendor, tmp_path):
    s = t1(f"vendor={vendor}")
    do(s, "skip 5", "wrmsr tsc 9000000000", "skip 7")
    seen = s.rdtsc(), s.rdmsr(0x3B), s.peek("vcpu0.l1tsc")
    s.save(tmp_path / "l2.timerlab")
    other = Session.load(tmp_path / "l2.timerlab")
    assert (other.rdtsc(), other.rdmsr(0x3B), other.peek("vcpu0.l1tsc"), other.peek("nest0.guest_mode")) == (*seen, 1)
    s.goto(10 * S + 3)
    assert (s.rdtsc(), s.peek("nest0.guest_mode")) == (7 * S + 3, 1)
    s.goto(S)
    assert s.peek("nest0.guest_mode") == 0
