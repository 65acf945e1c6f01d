"""`v3`, `vmcall` and `nvmm` at the prompt, on a whole machine."""

from __future__ import annotations

import pytest

import timerlab.commands.nvmm
import timerlab.commands.v3  # noqa: F401  (they add their verbs to the group)
from timerlab import Session
from timerlab.errors import CommandError


def palacios(**options):
    quirks = {"policy": "palacios", **options.pop("quirks", {})}
    return Session(quirks=quirks, **options)


def nvmm(**options):
    quirks = {"policy": "nvmm", **options.pop("quirks", {})}
    return Session(quirks=quirks, **options)


@pytest.mark.parametrize("line", ["v3 advance", "nvmm commit", "nvmm lost"])
def test_a_machine_of_another_policy_refuses(line):
    s = Session()
    with pytest.raises(CommandError, match="this machine has policy=bare"):
        s.do(line)
    assert s.log == []


def test_a_slaved_guest_refuses_to_be_moved_and_nothing_changes():
    s = palacios()
    s.skip("1ms")
    before, log = s.machine.digest(), len(s.log)
    for line in ("v3 offset_time -1000", "v3 skip_time"):
        with pytest.raises(CommandError, match="slaved to host clock"):
            s.do(line)
    assert (s.machine.digest(), len(s.log)) == (before, log)


def test_three_reads_are_equal_within_an_instant():
    s = palacios()
    s.skip("10ms")
    s.do("v3 advance")
    assert s.do("v3 host_time").value == s.do("v3 guest_time").value == s.do("v3 guest_tsc").value == 26_000_000
    s.skip("1ms")
    assert s.do("v3 guest_time").value == 26_000_000


def test_guest_time_moves_at_exits_and_a_trapped_rdtsc_is_one():
    s = palacios()
    s.do("v3 khz 1300000")
    s.do("v3 start_time")
    s.skip("10ms")
    assert s.peek("policy.v0.guest_cycles") == 0
    assert s.rdtsc() == 13_000_000
    assert s.peek("policy.v0.guest_cycles") == 13_000_000
    s.wrmsr(0x10, 5000)
    assert s.rdtsc() == 5000
    assert (s.peek("policy.v0.guest_cycles"), s.peek("policy.v0.tsc_guest_offset")) == (13_000_000, 5000 - 13_000_000)


def test_a_null_that_is_read_is_a_host_fault_and_a_result():
    s = palacios(quirks={"palacios": "seed_exact"})
    s.do("v3 follow off")
    result = s.do("v3 advance")
    assert result.fault == "host #PF"
    assert "NULL" in result.text
    assert s.do("expect fault v3 advance").ok


def test_a_core_that_is_taken_out_stays_out_and_skipped_time_is_left_out():
    s = palacios()
    s.skip("1ms")
    s.do("v3 follow off")
    assert s.do("v3 exit").value == 2_600_000
    s.skip("5ms")
    s.do("v3 skip_time")
    s.do("v3 enter")
    s.skip("1ms")
    assert s.do("v3 exit").value == 5_200_000


def test_timers_are_told_in_pit_clocks():
    s = palacios()
    s.do("v3 add_timer pit")
    s.skip("1ms")
    s.do("v3 advance")
    assert "1193.182 PIT clocks" in s.peek("policy.v0.timers")
    s.do("v3 remove_timer pit")
    assert s.peek("policy.v0.num_timers") == 0


def test_hypercalls_give_what_the_register_holds():
    s = palacios(quirks={"palacios": "later"}, vcpus=2)
    s.skip("1ms")
    assert s.do("vmcall d000h v1").value == 2_600_000
    assert s.do("vmcall d001h").value == 2_600_000
    unknown = s.do("vmcall 1")
    assert (unknown.value, unknown.text) == (None, "hypercall 1h is unhandled")
    s.do("v3 deinit_vm")
    assert s.do("vmcall d000h").value is None
    assert nvmm().do("vmcall d000h").fault == "#UD"


def test_skew_in_time_and_in_cycles_and_synchronising():
    s = palacios(vcpus=2)
    s.do("v3 skew -1us v1")
    assert s.peek("policy.v1.skew") == -2600
    s.do("v3 skew 100 cycles")
    assert s.peek("policy.v0.skew") == 100
    s.do("v3 bound 40")
    s.do("v3 advance")
    assert s.peek("policy.v0.skew") == 100, "no time has passed, and time does not go back"
    s.skip("1us")
    s.do("v3 advance")
    assert s.peek("policy.v0.skew") == 60
    assert s.peek("policy.spread") > 0
    s.do("v3 sync")
    assert (s.peek("policy.spread"), s.peek("policy.spread_ns")) == (0, 0)


def test_nvmm_loses_what_a_write_back_costs_and_tells_it():
    s = nvmm(tsc_khz=2_200_000)
    s.skip("1s")
    s.do("vmexit v0 io")
    s.do("nvmm commit")
    s.skip("1ms")
    s.do("vmenter v0")
    assert s.rdtsc() == 2_200_000_000
    assert s.do("nvmm lost").value == 2_200_000
    s.do("nvmm commit 42")
    assert s.rdtsc() == 42


def test_a_year_of_moves_loses_the_same_as_its_rounds():
    s = nvmm(vcpus=2, quirks={"nvmm_rebase": "report"})
    s.do("hostload v0 5ms 20ms moving")
    s.skip("1min")
    lost, tsc = s.peek("policy.v0.lost"), s.rdtsc()
    assert lost == s.peek("vcpu0.steal_ns") * 26 // 10
    assert tsc == 60 * 2_600_000_000 - lost
    s.skip("1y")
    assert s.peek("policy.v0.lost") == s.peek("vcpu0.steal_ns") * 26 // 10


LINES = [
    "v3 advance", "v3 advance 5", "v3 exit 200000 v1", "v3 enter", "v3 start_time", "v3 follow off",
    "v3 offset_time -5", "v3 skip_time v1", "v3 update_timers", "v3 add_timer pit v1", "v3 remove_timer pit v1",
    "v3 init_core 1300000", "v3 init_core", "v3 deinit_core", "v3 init_vm", "v3 deinit_vm", "v3 khz -5",
    "v3 ratio 10 13", "v3 dilation 1 2", "v3 trap on", "v3 skew -2us v1", "v3 skew -7 cycles", "v3 bound 3",
    "v3 sync", "v3 rdtsc", "v3 rdtscp v1", "vmcall d000h 1 2",
]  # fmt: skip


@pytest.mark.parametrize("form", ["intended", "seed_exact", "later"])
def test_what_the_log_shows_reads_back_and_replays(form, tmp_path):
    s = palacios(vcpus=2, quirks={"palacios": form})
    for line in LINES:
        s.skip("1ms")
        again = s.parse(line)
        assert s.parse(again.text()) == again
        try:
            s.do(line)
        except CommandError as error:
            assert form == "later", (line, error)
    end = s.machine.digest(), s.rdtsc(vcpu=1)
    s.save(tmp_path / "one.timerlab")
    other = Session.load(tmp_path / "one.timerlab")
    assert other.machine.digest() == s.machine.digest()
    s.goto(0)
    s.to_end()
    assert s.machine.digest() == other.machine.digest()
    assert end[0]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("v3 advanc", "Did you mean advance"),
        ("v3 follow perhaps", "on or off"),
        ("v3 ratio 1", "NUMBER is missing"),
        ("v3 ratio 1 0", "clock_ratio_denom cannot be 0"),
        ("v3 advance x", "not a number"),
        ("v3 add_timer 5", "no name"),
        ("v3 enter now", "one word too many"),
        ("v3 advance v7", "no vCPU"),
        ("vmcall 1 2 3 4 5 6 7 8", "six"),
        ("v3 skew 3parsec", "no unit"),
        ("v3 remove_timer pit", "the list is empty"),
    ],
)
def test_a_call_that_makes_no_sense_says_so(line, said):
    s = palacios()
    before = s.machine.digest()
    with pytest.raises(CommandError, match=said):
        s.do(line)
    assert s.machine.digest() == before
