"""L2's time stamp counter, fact by fact: offsets and ratios, who answers an access to it, what an exit leaves."""

from __future__ import annotations

from fractions import Fraction

import pytest
from nestedrig import ADJUST, RATIO, TSC, Bench, G, example, svm

from timerlab.devices.nested import ExitToL1, VmFail
from timerlab.devices.nested_levels import Level, by_steps, compose
from timerlab.errors import GuestFault
from timerlab.scaling import SVM_FRAC, VMX_FRAC, WORD, ratio_of

VMX_ONE, VMX_15 = 1 << 48, 3 << 47
SVM_15 = 3 << 31


def exit_of(answer: object) -> ExitToL1:
    assert isinstance(answer, ExitToL1)
    return answer


def test_offsets_add_up() -> None:  # T1
    bench = example()
    assert (bench.tsc1, bench.tsc2, bench.o02, bench.m02) == (6 * G, 7 * G, -3 * G, VMX_ONE)


def test_an_exit_takes_nothing_out_and_writes_nothing_back() -> None:  # T2
    bench = example(SVM_FRAC)
    bench.nested.exit(0, bench.now)
    assert bench.cpu.active is None and bench.o01 == -4 * G
    assert bench.look("field_offset") == G and bench.nested.l2_tsc(0, bench.now) == 6 * G


def test_l2_follows_a_change_of_l1_and_the_next_entry_gives_the_same() -> None:  # T3, T4
    bench = example()
    assert bench.look("delta") == G
    bench.l1(-3_500_000_000)
    assert (bench.o02, bench.tsc2) == (-2_500_000_000, 7_500_000_000)
    assert bench.look("delta") == G and bench.look("moved") == 500_000_000
    bench.again()
    assert bench.o02 == -2_500_000_000


def test_without_use_tsc_offsetting_the_offset_is_0_and_the_multiplier_1() -> None:  # T5, T6
    bench = Bench()
    bench.l1(-4 * G)
    bench.nested.set_control(0, "use_tsc_offsetting", False)
    bench.enter(G, VMX_15)
    assert (bench.o02, bench.m02, bench.tsc2) == (-4 * G, VMX_ONE, 6 * G)


def test_without_use_tsc_scaling_the_multiplier_is_1() -> None:
    bench = Bench()
    bench.nested.set_ratio(0, VMX_15)
    bench.enter(5)
    assert (bench.m02, bench.o02) == (VMX_ONE, 5)


def test_a_multiplier_of_l1_scales_the_offset_of_l0() -> None:  # T7
    bench = Bench()
    bench.l1(-4 * G)
    bench.enter(G, VMX_15)
    assert (bench.o02, bench.tsc2) == (-5 * G, 10 * G)


def test_ratios_multiply() -> None:  # T8, T9
    bench = Bench()
    bench.l1(G, VMX_ONE // 2)
    bench.enter(0, VMX_15)
    assert (bench.m02, bench.o02) == (0x0000_C000_0000_0000, 1_500_000_000)
    assert (bench.tsc1, bench.tsc2) == (6 * G, 9 * G)


@pytest.mark.parametrize(
    ("rounding", "offset", "scaled"),
    [("truncate", -1001, -1501), ("floor", -1001, -1502), ("truncate", 1001, 1501), ("floor", 1001, 1501)],
)
def test_a_negative_offset_is_scaled_by_its_magnitude_or_rounded_down(rounding: str, offset: int, scaled: int) -> None:
    bench = svm(nested_rounding=rounding)  # T10, T30
    bench.l1(offset)
    bench.enter(0, SVM_15)
    assert bench.o02 == scaled


def test_the_tsc_ratio_msr_is_1_at_reset() -> None:  # T11
    bench = svm()
    assert bench.nested.tsc_ratio(0) == 0x1_0000_0000
    bench.enter()
    assert bench.m02 == 1 << 32


def test_l1_reads_its_own_tsc() -> None:  # T12
    bench = Bench()
    bench.l1(-4 * G, VMX_ONE // 2)
    assert bench.cpu.rdmsr(TSC, bench.now) == G
    assert not bench.nested.runs(0) and bench.nested.l2_tsc(0, bench.now) == G


@pytest.mark.parametrize(("frac", "number"), [(VMX_FRAC, 31), (SVM_FRAC, 0x7C)])
def test_an_intercepted_rdmsr_exits_and_l0_gives_no_value(frac: int, number: int) -> None:  # T13
    bench = example(frac)
    bench.nested.exit(0, bench.now)
    bench.nested.set_msr_exit(0, TSC, write=False, on=True)
    assert bench.nested.enter(0, bench.now) is None
    out = exit_of(bench.nested.rdmsr(0, TSC, bench.now))
    assert (out.name, out.number, out.msr, out.value) == ("RDMSR", number, TSC, None)
    assert not bench.nested.runs(0) and bench.cpu.active is None
    assert str(bench.look("last_exit")).startswith("exit to L1: RDMSR 10h, ")


def test_l2_reads_its_own_tsc_by_rdmsr_and_in_2010_that_of_l1() -> None:  # T14, T39
    assert example().nested.rdmsr(0, TSC, 10 * G) == 7 * G
    old = example(SVM_FRAC, l2_rdmsr="kvm_2010")
    assert old.nested.rdmsr(0, TSC, old.now) == 6 * G and old.tsc2 == 7 * G


def test_in_2010_the_offset_of_l1_was_in_hsave_while_l2_ran() -> None:
    old = example(SVM_FRAC, l2_rdmsr="kvm_2010")
    assert old.look("kept_in") == "nested.hsave"
    old.nested.exit(0, old.now)
    assert old.look("kept_in") == "vmcb"
    assert example(SVM_FRAC).look("kept_in") == "vmcb01" and example().look("kept_in") == "vmcs01"


def test_userspace_reads_and_sets_l1() -> None:  # T15, T38
    bench = example()
    assert bench.cpu.policy.rdtsc(0, bench.now) == 6 * G
    bench.cpu.policy.set_tsc(0, 6 * G, bench.now)
    assert (bench.o01, bench.o02, bench.cpu.adjust) == (-4 * G, -3 * G, 0)


def test_a_write_of_l2_that_nobody_intercepts_sets_l1() -> None:  # T16, T21
    bench = example()
    assert bench.nested.wrmsr(0, TSC, 9 * G, bench.now) is None
    assert (bench.o01, bench.o02, bench.tsc1, bench.tsc2) == (-G, 0, 9 * G, 10 * G)
    assert bench.nested.rdmsr(0, ADJUST, bench.now) == 3 * G
    bench.nested.exit(0, bench.now)
    assert bench.cpu.rdmsr(ADJUST, bench.now) == 3 * G


def test_an_intercepted_write_changes_nothing() -> None:
    bench = example()
    bench.nested.set_msr_exit(0, TSC, write=True, on=True)
    out = exit_of(bench.nested.wrmsr(0, TSC, 9 * G, bench.now))
    assert (out.name, out.number, out.value, bench.o01) == ("WRMSR", 32, 9 * G, -4 * G)
    assert out.text() == "exit to L1: WRMSR 10h of 0000 0002 1871 1A00h, reason 32"


def test_an_edit_of_vmcb12_counts_from_the_next_vmrun_on() -> None:  # T17
    bench = example(SVM_FRAC)
    bench.nested.set_offset(0, G + 500)
    assert (bench.o02, bench.tsc2, bench.look("o12"), bench.look("next_o12")) == (-3 * G, 7 * G, G, G + 500)
    bench.l1(-4 * G + 1)
    assert bench.o02 == -3 * G + 1, "a change of L1's offset goes by what VMRUN took"
    bench.again()
    assert (bench.o02, bench.o01) == (-3 * G + 501, -4 * G + 1), "and only L2 is shifted"


def test_l1_writes_the_ratio_msr_for_the_next_vmrun() -> None:  # T18
    bench = svm()
    bench.cpu.wrmsr(RATIO, SVM_15, bench.now)
    bench.enter()
    assert bench.m02 == SVM_15


@pytest.mark.parametrize(("frac", "control", "number"), [(VMX_FRAC, "rdtsc_exiting", 16), (SVM_FRAC, "rdtsc", 0x6E)])
def test_an_intercepted_rdtsc_is_reflected(frac: int, control: str, number: int) -> None:  # T19
    bench = example(frac)
    bench.nested.set_control(0, control, True)
    out = exit_of(bench.nested.rdtsc(0, bench.now))
    assert (out.name, out.number) == ("RDTSC", number) and not bench.nested.runs(0)


def test_three_levels_of_offsets_add_up_modulo_2_64() -> None:  # T20
    a, b, c = 3, WORD - 10, 1 << 63
    levels = [Level(VMX_ONE, one) for one in (a, b, c)]
    assert compose(levels, VMX_FRAC) == (VMX_ONE, (a + b + c) % WORD)
    assert compose([], VMX_FRAC) == (VMX_ONE, 0)
    assert by_steps(1000, levels, VMX_FRAC) == (1003, 993, 993 + (1 << 63))


def test_three_levels_of_ratios_multiply() -> None:
    levels = [Level(VMX_15, 0), Level(VMX_15, -1000 % WORD), Level(VMX_ONE // 2, 7)]
    assert compose(levels, VMX_FRAC) == (9 << 45, -493 % WORD)


def test_a_write_of_tsc_adjust_in_l2_moves_both() -> None:  # T22
    bench = example()
    assert bench.nested.wrmsr(0, ADJUST, 700, bench.now) is None
    assert (bench.o01, bench.o02) == (-3_999_999_300, -2_999_999_300)
    assert (bench.tsc1, bench.tsc2) == (6_000_000_700, 7_000_000_700)


@pytest.mark.parametrize(
    ("khz", "m01", "m02", "l1", "l2"),
    [
        (1_000_000, 0x0000_8000_0000_0000, 0x0002_0000_0000_0000, 1_000_000_000, 4_000_000_000),
        (666_666, 93_824_898_411_893, 375_299_593_647_572, 666_665_999, 2_666_663_999),
        (200_000, 28_147_497_671_065, 112_589_990_684_260, 199_999_999, 799_999_999),
    ],
)
def test_a_guest_four_times_as_fast_as_its_host(khz: int, m01: int, m02: int, l1: int, l2: int) -> None:  # T23 to T25
    bench = Bench(now=G, khz=Fraction(2_000_000))
    bench.l1(0, ratio_of(khz, 2_000_000, VMX_FRAC))
    bench.enter(0, 0x0004_0000_0000_0000)
    assert (bench.cpu.ratio, bench.m02, bench.tsc1, bench.tsc2) == (m01, m02, l1, l2)


@pytest.mark.parametrize(
    ("o01", "l1", "o02", "hardware", "steps"),
    [
        (0, 7_692_307_697, 0, 11_538_461_546, 11_538_461_545),
        (-1001, 7_692_306_696, -1501, 11_538_460_045, 11_538_460_044),
    ],
)
def test_hardware_and_two_steps_are_a_cycle_apart(o01: int, l1: int, o02: int, hardware: int, steps: int) -> None:
    bench = Bench(now=10_000_000_007)  # T26 to T28
    bench.l1(o01, 0x0000_C4EC_4EC4_EC4E)
    bench.enter(0, VMX_15)
    assert (bench.m02, bench.o02, bench.tsc1) == (0x0001_2762_7627_6275, o02, l1)
    assert (bench.tsc2, bench.look("tsc2"), bench.look("two_step")) == (hardware, hardware, steps)


def test_ratios_of_svm_multiply() -> None:  # T29
    bench = svm()
    bench.l1(0, 0xC4EC_4EC4)
    bench.enter(0, SVM_15)
    assert bench.m02 == 0x1_2762_7626


def test_a_change_of_l1_is_scaled_for_l2() -> None:  # T31, T32
    bench = Bench()
    bench.l1(-4 * G)
    bench.enter(G, VMX_15)
    bench.l1(-3 * G)
    assert (bench.o02, bench.tsc2) == (-3_500_000_000, 11_500_000_000)
    bench.again()
    assert bench.o02 == -3_500_000_000


def test_a_change_of_the_ratio_of_l1_leaves_o02() -> None:
    bench = Bench()
    bench.l1(-4 * G)
    bench.enter(G, VMX_15)
    bench.cpu.set_l1(bench.now, ratio=VMX_ONE // 2)
    assert (bench.m02, bench.o02, bench.look("moved")) == (0x0000_C000_0000_0000, -5 * G, 0)
    bench.cpu.set_l1(bench.now, offset=G, ratio=VMX_ONE)
    assert (bench.m02, bench.o02) == (VMX_15, 2_500_000_000)


def test_a_write_of_the_ratio_in_l2_leaves_o02_until_the_next_vmrun() -> None:  # T33
    bench = example(SVM_FRAC)
    assert bench.nested.wrmsr(0, RATIO, SVM_15, bench.now) is None
    assert (bench.m02, bench.o02, bench.tsc2) == (SVM_15, -3 * G, 12 * G)
    bench.again()
    assert (bench.o02, bench.tsc2) == (-5 * G, 10 * G)


def test_after_a_write_of_the_ratio_in_l2_a_change_of_the_offset_of_l1_is_scaled_by_it() -> None:
    bench = example(SVM_FRAC)
    bench.nested.wrmsr(0, RATIO, SVM_15, bench.now)
    bench.l1(-4 * G)
    assert bench.o02 == -5 * G


def test_without_tscratemsr_the_msr_faults_and_the_ratio_is_1() -> None:  # T34
    bench = svm()
    bench.cpu.has_ratio = False
    bench.enter()
    assert bench.m02 == 1 << 32 and bench.look("field_ratio") is None
    with pytest.raises(GuestFault, match="#GP"):
        bench.nested.rdmsr(0, RATIO, bench.now)
    with pytest.raises(GuestFault, match="#GP"):
        bench.nested.wrmsr(0, RATIO, SVM_15, bench.now)
    assert bench.m02 == 1 << 32


def test_a_reserved_bit_of_the_ratio_msr_changes_nothing() -> None:
    bench = example(SVM_FRAC)
    with pytest.raises(GuestFault, match="#GP"):
        bench.nested.wrmsr(0, RATIO, 1 << 40, bench.now)
    assert (bench.m02, bench.o02) == (1 << 32, -3 * G)


@pytest.mark.parametrize(("quirk", "by"), [("checked", "L0"), ("unchecked", "processor")])
def test_a_multiplier_of_0_fails_vm_entry(quirk: str, by: str) -> None:  # T35
    bench = Bench(vmcs12_zero_multiplier=quirk)
    bench.nested.set_control(0, "use_tsc_scaling", True)
    bench.nested.set_ratio(0, 0)
    failed = bench.nested.enter(0, bench.now)
    assert isinstance(failed, VmFail) and (failed.number, failed.by) == (7, by)
    assert not bench.nested.runs(0) and bench.cpu.active is None and bench.look("entries") == 0
    assert failed.text().startswith("VMfailValid, error 7: ")


def test_the_check_of_the_multiplier_goes_by_the_scaling_bit_alone() -> None:
    for quirk, fails in (("checked", True), ("unchecked", False)):
        bench = Bench(vmcs12_zero_multiplier=quirk)
        bench.nested.set_control(0, "use_tsc_offsetting", False)
        bench.nested.set_control(0, "use_tsc_scaling", True)
        bench.nested.set_ratio(0, 0)
        assert (bench.nested.enter(0, bench.now) is not None) == fails


def test_a_product_of_multipliers_that_is_0_fails_in_the_processor() -> None:
    bench = Bench()
    bench.l1(0, VMX_ONE // 2)
    bench.nested.set_control(0, "use_tsc_scaling", True)
    bench.nested.set_ratio(0, 1)
    failed = bench.nested.enter(0, bench.now)
    assert failed is not None and failed.by == "processor"
    amd = svm()
    amd.enter(12, 0)
    assert (amd.m02, amd.tsc2) == (0, 12), "SVM takes a ratio of 0: L2's TSC stands still"


def test_a_deadline_of_l1_goes_by_the_tsc_of_l1() -> None:  # T36
    bench = example()
    bench.now += 500
    assert bench.cpu.host_tsc(bench.now) == 10_000_000_500
    assert (bench.tsc1, bench.tsc2) == (6_000_000_500, 7_000_000_500)


def test_the_pvclock_page_of_l1_is_stamped_with_the_tsc_of_l1() -> None:  # T37
    bench = example()
    assert bench.cpu.policy.stamp(0, bench.now).tsc == 6 * G


def test_on_another_processor_both_guests_go_on() -> None:  # T40
    bench = example()
    bench.cpu.jump = -1_000_000
    bench.l1(-4 * G + 1_000_000)
    assert (bench.o01, bench.o02) == (-3_999_000_000, -2_999_000_000)
    assert (bench.tsc1, bench.tsc2) == (6 * G, 7 * G)


def test_writes_of_both_levels_add_up_in_tsc_adjust() -> None:  # T41, T42
    bench = Bench(now=1000)
    bench.cpu.wrmsr(TSC, (1000 - 4_294_967_296) % WORD, bench.now)
    bench.enter(-281_474_976_710_656)
    assert bench.cpu.adjust == -4_294_967_296 % WORD
    assert bench.tsc2 == 18_446_462_594_437_874_664
    bench.nested.wrmsr(0, TSC, (1000 - 8_589_934_592) % WORD, bench.now)
    assert bench.nested.rdmsr(0, ADJUST, bench.now) == 18_446_744_065_119_617_024
    bench.nested.exit(0, bench.now)
    assert bench.cpu.rdmsr(ADJUST, bench.now) == 18_446_744_065_119_617_024
    assert bench.tsc1 == 18_446_744_065_119_618_024
