"""The preemption timer of L1, what L2 may execute, the maps of MSRs, and what is refused."""

from __future__ import annotations

from fractions import Fraction

import pytest
from nestedrig import AUX, TSC, Bench, FakeCpu, G, example, svm

from timerlab.devices.nested import ExitToL1, Nested
from timerlab.devices.nested_levels import Level, reading
from timerlab.errors import GuestFault
from timerlab.quirks.nested import QUIRKS as TABLE
from timerlab.scaling import SVM_FRAC, VMX_FRAC, WORD

VMX_ONE, VMX_15 = 1 << 48, 3 << 47
SVM_15 = 3 << 31


def exit_of(answer: object) -> ExitToL1:
    assert isinstance(answer, ExitToL1)
    return answer


@pytest.mark.parametrize("start", [10 * G, 10 * G + 3])
def test_the_preemption_timer_counts_32_cycles_of_l1(start: int) -> None:  # T43
    bench = Bench(now=start, khz=Fraction(2_000_000))
    bench.nested.set_preemption(0, 100)
    bench.enter(0, 0x0004_0000_0000_0000)
    assert bench.look("due") == start + 1600
    assert list(bench.nested.next_event(start)) == [(start + 1600, "nest0.guest_mode")]
    bench.nested.sync(start + 1599)
    assert bench.nested.runs(0)
    bench.nested.sync(start + 5000)
    assert not bench.nested.runs(0) and bench.look("due") is None and bench.cpu.active is None
    assert bench.look("last_exit") == "exit to L1: VMX-preemption timer, reason 52"


@pytest.mark.parametrize("khz", [Fraction(2_600_000), Fraction(333_333_333, 1000), Fraction(7, 3)])
@pytest.mark.parametrize("ratio", [VMX_ONE, VMX_15, 12_345_678_901_234])
def test_the_preemption_timer_expires_in_the_first_ns_that_has_the_cycles(khz: Fraction, ratio: int) -> None:
    bench = Bench(now=1_234_567, khz=khz)
    bench.l1(-99, ratio)
    bench.nested.set_preemption(0, 3)
    bench.enter()
    start, due = bench.cpu.l1_tsc(bench.now), bench.look("due")
    assert isinstance(due, int)
    gone = [(bench.cpu.l1_tsc(ns) - start) % WORD for ns in (due - 1, due)]
    assert gone[0] < 96 <= gone[1]


def test_a_preemption_timer_of_0_lets_no_instruction_run() -> None:
    bench = Bench()
    bench.nested.set_preemption(0, 0)
    bench.enter()
    assert not bench.nested.runs(0) and (bench.look("entries"), bench.look("exits")) == (1, 1)


def test_an_exit_stops_the_preemption_timer_and_an_entry_starts_it_anew() -> None:
    bench = Bench()
    bench.nested.set_preemption(0, 100)
    bench.enter()
    bench.now += 1000
    bench.again()
    assert bench.look("due") == bench.now + 3200
    bench.nested.set_preemption(0, None)
    bench.again()
    assert bench.look("due") is None


def test_rdtscp_in_l2() -> None:  # T44
    bench = example()
    bench.cpu.aux = 5
    assert bench.nested.rdtscp(0, bench.now) == (7 * G, 5) and bench.nested.rdmsr(0, AUX, bench.now) == 5
    bench.nested.set_control(0, "rdtsc_exiting", True)
    bench.nested.set_control(0, "enable_rdtscp", False)
    with pytest.raises(GuestFault, match="#UD"):
        bench.nested.rdtscp(0, bench.now)
    assert bench.nested.runs(0), "the fault is L2's own"
    bench.nested.set_control(0, "enable_rdtscp", True)
    assert exit_of(bench.nested.rdtscp(0, bench.now)).number == 51


def test_svm_has_an_intercept_of_its_own_for_rdtscp() -> None:
    bench = example(SVM_FRAC)
    bench.nested.set_control(0, "rdtscp", True)
    assert bench.tsc2 == 7 * G
    assert exit_of(bench.nested.rdtscp(0, bench.now)).number == 0x87


def test_without_nested_virtualization_vm_entry_is_an_invalid_opcode() -> None:
    for bench in (Bench(nested="off"), svm(nested="off")):
        with pytest.raises(GuestFault, match="#UD"):
            bench.nested.enter(0, bench.now)
        assert not bench.nested.runs(0)


@pytest.mark.parametrize(
    ("frac", "msr", "with_map", "without_map"),
    [
        (VMX_FRAC, 0x10, False, True),
        (VMX_FRAC, 0x2000, True, True),
        (VMX_FRAC, 0xC000_1FFF, False, True),
        (VMX_FRAC, 0xC001_0015, True, True),
        (SVM_FRAC, 0x10, False, False),
        (SVM_FRAC, 0xC001_0015, False, False),
        (SVM_FRAC, 0xC001_2000, True, False),
    ],
)
def test_msrs_without_a_bit_in_the_map_always_exit(frac: int, msr: int, with_map: bool, without_map: bool) -> None:
    control = "msr_prot" if frac == SVM_FRAC else "use_msr_bitmaps"
    for on, exits in ((True, with_map), (False, without_map)):
        bench = example(frac)
        bench.nested.set_control(0, control, on)
        assert (bench.nested.leaves(0, msr, bench.now) is not None) == exits
        assert bench.nested.runs(0) != exits


def test_a_fault_of_l2_goes_before_an_exit() -> None:
    bench = example()
    bench.nested.set_msr_exit(0, TSC, write=False, on=True)
    bench.cpu.cpl = 3
    with pytest.raises(GuestFault, match="#GP"):
        bench.nested.rdmsr(0, TSC, bench.now)
    assert bench.nested.runs(0)


def test_bits_of_the_map_are_for_reads_or_for_writes() -> None:
    bench = example()
    for msr in (0x3B, 0x10, 0x3B):
        bench.nested.set_msr_exit(0, msr, write=False, on=True)
    bench.nested.set_msr_exit(0, 0x6E0, write=True, on=True)
    bench.nested.set_msr_exit(0, 0x6E0, write=True, on=False)
    assert (bench.look("rdmsr_exits"), bench.look("wrmsr_exits")) == ("10h 3Bh", None)
    assert bench.nested.leaves(0, 0x10, bench.now, 5) is None
    assert bench.nested.leaves(0, 0x10, bench.now) is not None


def test_what_is_refused() -> None:
    vmx, amd = example(), example(SVM_FRAC)
    for refused in (
        lambda: vmx.nested.enter(0, vmx.now),
        lambda: Bench().nested.exit(0, 0),
        lambda: vmx.nested.set_ratio(0, WORD),
        lambda: amd.nested.set_ratio(0, SVM_15),
        lambda: vmx.nested.set_preemption(0, 1 << 32),
        lambda: amd.nested.set_preemption(0, 1),
        lambda: vmx.nested.set_control(0, "msr_prot", True),
        lambda: amd.nested.set_control(0, "offset", True),
    ):
        before = vmx.nested.snapshot(), amd.nested.snapshot()
        with pytest.raises(ValueError):
            refused()
        assert (vmx.nested.snapshot(), amd.nested.snapshot()) == before


def test_each_vcpu_has_its_own_guest() -> None:
    cpus = [FakeCpu(0), FakeCpu(1)]
    nested = Nested(cpus, {quirk.name: quirk.default for quirk in TABLE})
    nested.set_offset(1, 5)
    assert nested.enter(1, 0) is None
    assert (nested.runs(0), nested.runs(1)) == (False, True)
    assert (cpus[0].active, cpus[1].active) == (None, (VMX_ONE, 5))
    assert nested.peek(0)["nest0.field_offset"] == 0 and nested.peek(0)["nest1.field_offset"] == 5


def test_reset_ends_l2_and_forgets_what_was_written_for_it() -> None:
    bench = example()
    bench.nested.set_msr_exit(0, TSC, write=False, on=True)
    bench.nested.reset(bench.now)
    assert bench.cpu.active is None and not bench.nested.runs(0)
    assert (bench.look("field_offset"), bench.look("rdmsr_exits"), bench.look("entries")) == (0, None, 1)


@pytest.mark.parametrize("frac", [VMX_FRAC, SVM_FRAC])
def test_every_value_is_described_and_looking_stores_nothing(frac: int) -> None:
    bench = example(frac)
    before = bench.nested.snapshot(), bench.cpu.active
    assert list(bench.nested.peek(bench.now)) and set(bench.nested.peek(bench.now)) == set(bench.nested.peeks)
    assert (bench.nested.snapshot(), bench.cpu.active) == before
    idle = Bench(frac)
    assert set(idle.nested.peek(0)) == set(idle.nested.peeks)
    assert [idle.look(name) for name in ("o12", "o02", "tsc2", "two_step", "delta", "due")] == [None] * 6


def test_a_reading_wraps_at_64_bits() -> None:
    assert reading(WORD - 1, Level(VMX_ONE, 2), VMX_FRAC) == 1
