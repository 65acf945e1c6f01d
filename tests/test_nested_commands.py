"""`l2` as it is typed: what it does on a session, what it says, and what it refuses."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

import timerlab.commands.nested  # noqa: F401
from timerlab import Session
from timerlab.errors import CommandError

INTEL = {"vendor": "intel"}
AMD = {"vendor": "amd"}


def session(*commands: str, quirks: dict[str, str] | None = None, **options: Any) -> Session:
    """A session in which the commands were done."""
    made = Session(quirks=quirks or INTEL, **options)
    for command in commands:
        assert made.do(command).fault is None, command
    return made


def said(made: Session, *commands: str) -> list[str]:
    """What each command says."""
    return [made.do(command).text for command in commands]


def test_in_and_out() -> None:
    made = session("skip 1s", "wrmsr tsc 6000000000")
    assert said(made, "l2 offset 1000000000", "l2 enter", "rdtsc", "l2 exit", "rdtsc") == [
        "TSC offset of vmcs12 1 000 000 000, counts when L2 is entered",
        "L2 runs on v0, o02 = 3 400 000 000 + 1 000 000 000 = 4 400 000 000",
        "0000 0001 A13B 8600h  7 000 000 000 cycles",
        "exit to L1: VMCALL, reason 18; L1 runs on v0, offset 3 400 000 000 again, L2's 1 000 000 000 stays in vmcs12",
        "0000 0001 65A0 BC00h  6 000 000 000 cycles",
    ]


def test_ratios_are_told() -> None:
    made = session("l2 ratio 1.5", "l2 controls use_tsc_scaling on", "l2 offset -5")
    assert said(made, "l2 vmlaunch") == [
        "L2 runs on v0, o02 = 0 · 1.500 000 − 5 = −5, m02 = 1.000 000 · 1.500 000 = 1.500 000"
    ]
    assert said(made, "l2 ratio 2.0") == [
        "TSC multiplier of vmcs12 0002 0000 0000 0000h = 2.000 000, counts from the next VM entry on"
    ]


def test_a_multiplier_that_nothing_uses_says_so() -> None:
    assert said(session(), "l2 ratio 2.0")[0].endswith("; not used: use_tsc_scaling is off")
    made = session("l2 controls use_tsc_scaling on", "l2 controls use_tsc_offsetting off")
    assert said(made, "l2 ratio 2.0")[0].endswith("; not used: use_tsc_offsetting is off")


def test_a_failed_entry_has_the_vm_instruction_error_as_its_value() -> None:
    for quirk, by in (("checked", "L0"), ("unchecked", "the processor")):
        made = session("l2 ratio 0", "l2 controls use_tsc_scaling on", quirks=INTEL | {"vmcs12_zero_multiplier": quirk})
        result = made.do("l2 enter")
        assert (result.value, result.fault) == (7, None)
        assert result.text.startswith("VMfailValid, error 7: ") and result.text.endswith(f"found by {by}; L1 goes on")
        assert made.peek("nest0.guest_mode") == 0


def test_the_ratio_of_amd_is_an_msr() -> None:
    made = session("l2 ratio 1.5", "l2 vmrun", quirks=AMD)
    assert made.peek("nest0.m02") == 0x1_8000_0000
    with pytest.raises(CommandError, match="L1 cannot write TSC_RATIO now"):
        made.do("l2 ratio 1.0")
    without = session(quirks=AMD | {"tsc_ratio_msr": "no"})
    assert without.do("l2 ratio 1.5").fault == "#GP(0)"


def test_without_nested_guests_an_entry_is_an_invalid_opcode() -> None:
    assert session(quirks=INTEL | {"nested": "off"}).do("l2 enter").fault == "#UD"


def test_the_preemption_timer_ends_l2_by_itself() -> None:
    made = session("l2 preemption_timer 100", tsc_khz=2_000_000)
    made.do("l2 enter")
    assert made.peek("nest0.due") == 1600
    made.skip(1599)
    assert made.peek("nest0.guest_mode") == 1
    made.skip(1)
    assert made.peek("nest0.guest_mode") == 0
    assert said(made, "l2 preemption_timer 0", "l2 enter")[1] == (
        "L2 was entered on v0, and left before its first instruction: exit to L1: VMX-preemption timer, reason 52"
    )
    assert said(made, "l2 preemption_timer off", "l2 preemption_timer 4") == [
        "VMX-preemption timer not activated",
        "VMX-preemption timer 4: L2 exits 128 cycles of L1's TSC after entry",
    ]


def test_an_advance_in_parts_is_an_advance_at_once() -> None:
    def at_end(steps: Sequence[int]) -> Any:
        made = session("l2 preemption_timer 100", "l2 offset 7", "l2 enter")
        for step in steps:
            made.skip(step)
        return made.machine.snapshot()

    assert at_end([10_000]) == at_end([1230, 1, 1, 8768])


def test_switches_and_bits_of_the_map() -> None:
    made = session("l2 intercept rdtsc on", "l2 intercept rdmsr tsc on", "l2 intercept wrmsr 6e0h on")
    assert [made.peek(f"nest0.{name}") for name in ("rdtsc_exiting", "rdmsr_exits", "wrmsr_exits")] == [
        1,
        "10h",
        "6E0h",
    ]
    assert said(made, "l2 intercept rdmsr tsc off", "l2 intercept rdmsr 3000h off") == [
        "RDMSR 10h in L2 is L0's to answer",
        "RDMSR 3000h in L2 exits to L1, whatever the map says",
    ]
    assert said(session(quirks=AMD), "l2 controls msr_prot off")[0].startswith("msr_prot off: ")


@pytest.mark.parametrize(
    ("line", "quirks", "message"),
    [
        ("l2", INTEL, "wants a word after it"),
        ("l2 entre", INTEL, "Did you mean enter"),
        ("l2 vmrun", INTEL, "VMRUN is no instruction of this vendor"),
        ("l2 vmresume", AMD, "VMRESUME is no instruction of this vendor"),
        ("l2 exit", INTEL, "L2 does not run on v0"),
        ("l2 enter v1", INTEL, "v1 is no vCPU"),
        ("l2 enter v0 v0", INTEL, "one word too many"),
        ("l2 offset", INTEL, "l2 wants VALUE"),
        ("l2 offset 1ffffffffffffffffh", INTEL, "does not fit 64 bits"),
        ("l2 ratio 65536.0", INTEL, "below 65536"),
        ("l2 ratio 256.0", AMD, "below 256"),
        ("l2 ratio -1", INTEL, "negative"),
        ("l2 controls use_tsc_ofsetting on", INTEL, "Did you mean use_tsc_offsetting"),
        ("l2 controls use_tsc_scaling", INTEL, "l2 wants on or off"),
        ("l2 controls use_tsc_scaling yes", INTEL, "no on or off"),
        ("l2 intercept rdtscp on", INTEL, "rdtsc_exiting is for both"),
        ("l2 intercept cpuid on", INTEL, "cpuid is no instruction"),
        ("l2 preemption_timer 5", AMD, "no VMX-preemption timer"),
        ("l2 preemption_timer 100000000h", INTEL, "does not fit"),
    ],
)
def test_what_is_refused_changes_nothing(line: str, quirks: dict[str, str], message: str) -> None:
    made = session("skip 5ns", quirks=quirks)
    before = made.machine.snapshot(), len(made.log)
    with pytest.raises(CommandError) as refused:
        made.do(line)
    assert message in refused.value.message
    assert (made.machine.snapshot(), len(made.log)) == before


@pytest.mark.parametrize(
    "line",
    [
        "l2 enter",
        "l2 vmlaunch v1",
        "l2 exit v1",
        "l2 offset -5",
        "l2 offset 12 v1",
        "l2 ratio 1.5",
        "l2 ratio 18000h v1",
        "l2 controls use_tsc_scaling on",
        "l2 intercept rdtsc off v1",
        "l2 intercept wrmsr 10h on",
        "l2 preemption_timer 5",
        "l2 preemption_timer off v1",
    ],
)
def test_what_is_kept_reads_back_as_the_same(line: str) -> None:
    made = session(vcpus=2)
    action = made.parse(line)
    assert action is not None and action.text() == line and made.parse(action.text()) == action


def test_a_session_that_is_travelled_gives_the_same() -> None:
    made = session("l2 offset 7", "l2 enter", "skip 1us", "wrmsr tsc 100", "skip 1us", "l2 exit", "l2 enter")
    end = made.machine.snapshot()
    made.goto(500)
    assert made.peek("nest0.guest_mode") == 1
    made.goto(2000)
    assert made.machine.snapshot() == end


def test_accesses_of_l2_are_dispatched() -> None:
    made = session("l2 offset 1000", "l2 enter")
    assert made.do("rdtsc").value == 1000 == made.do("rdmsr tsc").value
    made.do("wrmsr tsc 50")
    assert (made.peek("vcpu0.l1tsc"), made.do("rdtsc").value) == (50, 1050)
    made.do("l2 intercept rdtsc on")
    out = made.do("rdtsc")
    assert out.value is None and "exit to L1: RDTSC" in out.text and made.peek("nest0.guest_mode") == 0
    assert made.do("rdtsc").value == 50


def test_a_deadline_of_l1_comes_by_the_tsc_of_l1_while_l2_runs() -> None:
    made = session("skip 10s", "wrmsr tsc 6000000000", tsc_khz=1_000_000)  # T36
    for line in ("writel fee000f0h 1ffh", "writel fee00320h 40041h", "wrmsr 6e0h 6000000500"):
        assert made.do(line).fault is None
    made.do("l2 offset 1000000000")
    made.do("l2 enter")
    assert made.next_event() == (10_000_000_500, "lapic0.timer")
    made.skip(499)
    assert made.peek("lapic0.deadline") == 6_000_000_500
    made.skip(1)
    assert made.peek("lapic0.deadline") == 0 and made.do("rdtsc").value == 7_000_000_500
