"""`kvm`, `pvread`, `pvwall`, `pvwrite`, `apf`: how they are read, what they do and what they say."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace

import pytest
from kvmrig import MS, Rig, S

import timerlab.commands.kvm
import timerlab.commands.pv
from timerlab.commands import parse
from timerlab.commands.verb import Words
from timerlab.devices.pv_words import read_msr, wrote_msr
from timerlab.errors import CommandError

assert timerlab.commands.kvm.CALLS and timerlab.commands.pv.pv_of  # their verbs are known now


class Bench:
    """What the verbs ask of a machine, around a rig."""

    def __init__(self, vcpus: int = 2, **given: str) -> None:
        self.rig = rig = Rig(vcpus, **given)
        host = SimpleNamespace(state=SimpleNamespace(pcpus=rig.cpus), tsc=self.tsc, write=self.write)
        self.board = SimpleNamespace(policy=rig.kvm, pv=rig.pv, ram=rig.ram, host=host)

    @property
    def now(self) -> int:
        return self.rig.now

    def tsc(self, p: int, now: int) -> int:
        return self.rig.cpus[p].host_tsc(now)

    def write(self, p: int, value: int, now: int) -> None:
        self.rig.cpus[p].plus += value - self.tsc(p, now)

    def peeks(self) -> dict[str, object]:
        tscs = {f"vcpu{v}.tsc": cpu.l1_tsc(self.now) for v, cpu in enumerate(self.rig.cpus)}
        return self.rig.kvm.peek(self.now) | self.rig.pv.peek(self.now) | tscs

    def peek(self, name: str) -> object:
        return self.peeks()[name]

    def host_act(self, act: Callable[[], object]) -> None:
        act()

    def check_vcpu(self, vcpu: int) -> None:
        assert 0 <= vcpu < len(self.rig.cpus)

    def rdtsc(self, vcpu: int) -> int:
        return self.rig.tsc(vcpu)

    def do(self, line: str) -> tuple[int | None, str]:
        """A command's value and its words; its text says the same command again."""
        words = Words({}, (), (), vcpus=len(self.rig.cpus))
        action = parse(line, words)
        assert parse(action.text(), words) == action
        before = self.peeks()
        value = action.apply(self)
        return value, action.words(self, value, before)


def error(line: str) -> str:
    with pytest.raises(CommandError) as raised:
        Bench().do(line)
    return str(raised.value)


def test_the_tsc_is_set_and_read_by_userspace() -> None:
    bench = Bench()
    bench.rig.go(S)
    value, said = bench.do("kvm set_tsc 1000000000")
    assert value is None
    assert "generation 1 → 2" in said
    assert bench.do("kvm get_tsc")[0] == 1_000_000_000
    bench.do("kvm set_tsc 1000000000 v1")
    assert bench.rig.vm.use_master
    bench.do("kvm set_offset -5 v1")
    assert bench.do("kvm get_tsc v1")[0] == 2_599_999_995
    bench.do("kvm set_adjust -1 v1")
    assert bench.rig.cpus[1].adjust == (1 << 64) - 1


def test_an_ioctl_that_fails_gives_einval() -> None:
    bench = Bench(tsc_scaling="no")
    assert bench.do("kvm set_tsc_khz 2000000")[0] == -22
    value, said = bench.do("kvm kvmclock_ctrl v1")
    assert (value, said) == (-22, "EINVAL: v1 has no time page")
    assert bench.do("kvm set_tsc_khz 2600000")[0] == 0


def test_the_clock_is_set_with_and_without_realtime() -> None:
    bench = Bench()
    bench.do("kvm set_clock 180s")
    value, said = bench.do("kvm get_clock")
    assert value == 180 * S
    assert "TSC_STABLE, REALTIME, HOST_TSC" in said
    bench.do(f"kvm set_clock 0 realtime {bench.rig.kvm.realtime(0) - 7 * S}")
    assert bench.do("kvm get_clock")[0] == 7 * S
    bench.do("kvm step_realtime -1000")
    assert bench.rig.vm.wall_step == -1000
    bench.do("kvm clocksource hpet")
    assert "no flags" in bench.do("kvm get_clock")[1]


def test_a_vcpu_is_made() -> None:
    bench = Bench()
    bench.rig.kvm.online = 1
    bench.rig.kvm.start(0)
    bench.do("kvm create v1 2000000")
    assert bench.rig.kvm.state.vcpus[1].khz == 2_000_000
    with pytest.raises(ValueError, match="there already"):
        bench.do("kvm create v1")


def test_a_host_whose_tscs_go_back_is_found_out_at_the_next_load_elsewhere() -> None:
    bench = Bench()
    bench.rig.go(S)
    bench.rig.exit("preempt")
    bench.do("kvm host_tsc_step -10")
    bench.rig.enter(moved=True)
    assert bench.rig.vm.unstable


def test_the_page_is_read_in_steps_with_a_writer_in_between() -> None:
    bench = Bench()
    bench.rig.wrmsr(0x4B56_4D01, 0x1001)
    bench.rig.go(S)
    assert bench.do("pvread") == (999_999_999, "999999999 ns")
    bench.do("pvwrite steps")
    assert bench.do("pvread step")[0] is None
    bench.do("kvm refresh")
    bench.do("pvread step")
    assert bench.do("pvread step") == (None, "version 5 is not 4: read again")
    assert bench.do("pvwrite next") == (1, "1 write left")
    assert bench.do("pvwrite next") == (0, "the update is done")
    with pytest.raises(ValueError, match="no update is under way"):
        bench.do("pvwrite next")
    assert bench.do("pvwrite whole")[0] == 0
    assert bench.do("pvread")[0] == 999_999_999
    assert "4 294 967 294 800 000 000" in bench.do("pvread formulas")[1]


def test_the_wall_clock_is_read_with_the_time_page() -> None:
    bench = Bench(1)
    bench.rig.wrmsr(0x4B56_4D01, 0x1001)
    bench.rig.wrmsr(0x4B56_4D00, 0x2000)
    bench.rig.go(10 * S)
    value, said = bench.do("pvwall")
    assert value == 1_700_000_010_250_000_000 - 3
    assert said.startswith("1700000010.249999997 s")


def test_a_page_is_missing_and_comes() -> None:
    bench = Bench()
    bench.rig.wrmsr(0x4B56_4D06, 0xF2, 1)
    bench.rig.wrmsr(0x4B56_4D02, 0x4009, 1)
    bench.rig.put(0x4004, 0)
    bench.rig.wrmsr(0x4B56_4D07, 1, 1)
    assert bench.do("apf missing 7000h v1")[0] == 0x1001
    assert bench.do("apf missing 8000h cpl0 v1")[0] is None
    assert bench.do("apf ready 8000h v1")[0] is None
    value, said = bench.do("apf ready v1")
    assert value == 0x1001
    assert "vector F2h" in said
    with pytest.raises(ValueError, match="no page is missing"):
        bench.do("apf ready v1")


def test_a_fault_of_the_guests_own_is_taken_for_a_pages_while_the_flags_are_left() -> None:
    bench = Bench()
    bench.rig.wrmsr(0x4B56_4D02, 0x4009)
    bench.rig.put(0x4004, 0)
    bench.rig.wrmsr(0x4B56_4D07, 1)
    assert bench.do("apf fault 9000h") == (0, "#PF, CR2 = 0000 9000h, flags 0 in memory: an ordinary one")
    bench.do("apf missing 7000h")
    value, said = bench.do("apf fault 9000h")
    assert value == 1
    assert said.endswith("the guest takes CR2 for the token of a page that is missing")
    assert bench.peeks()["pv0.cr2"] == 0x9000


def test_a_page_that_comes_may_be_told_by_another_fault() -> None:
    bench = Bench(kvm_apf="page_fault")
    bench.rig.wrmsr(0x4B56_4D02, 0x4001)
    bench.rig.put(0x4000, 0)
    bench.do("apf missing 7000h")
    assert "flags in memory are not 0" in bench.do("apf ready")[1]
    bench.rig.put(0x4000, 0)
    bench.do("apf missing 8000h")
    bench.rig.put(0x4000, 0)
    assert bench.do("apf ready") == (0x2000, "token 0000 2000h waits: flags in memory are not 0; "
                                             "it is looked at again when v0 enters its guest")  # fmt: skip


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("kvm set_tcs 1", "Did you mean set_tsc"),
        ("kvm set_tsc", "VALUE is missing"),
        ("kvm get_clock 1", "one word too many"),
        ("kvm set_tsc 1 v0 v1", "one vCPU too many"),
        ("kvm set_tsc 1 v7", "v7 is no vCPU"),
        ("kvm set_tsc_khz -1", "out of range"),
        ("kvm clocksource pit", "no clocksource"),
        ("kvm set_clock 0 realtime", "realtime wants ns"),
        ("pvread twice", "neither step nor formulas"),
        ("pvwrite now", "steps"),
        ("apf missing", "apf wants ADDRESS"),
        ("apf missing 7000h cpl3", "none of cpl0"),
        ("apf fault 7000h cpl0", "one word too many"),
        ("apf ready 1000h 2000h", "one word too many"),
    ],
)
def test_a_word_that_is_wrong_is_told_of(line: str, said: str) -> None:
    assert said in error(line)


def test_a_machine_without_kvm_says_so() -> None:
    bench = Bench()
    bench.board.policy, bench.board.pv = SimpleNamespace(name="nvmm"), None
    with pytest.raises(ValueError, match="kvm needs policy=kvm, this machine has policy=nvmm"):
        bench.do("kvm get_clock")
    with pytest.raises(ValueError, match="no paravirtual MSRs"):
        bench.do("pvread")


def test_msr_accesses_in_words() -> None:
    bench = Bench()
    rig = bench.rig

    def wrote(msr: int, value: int, v: int = 0) -> str:
        before = bench.peeks()
        rig.wrmsr(msr, value, v)
        return wrote_msr(msr, value, before, bench.peeks(), v)

    assert wrote(0x4B56_4D01, 0x1001) == "time page at 1000h: version 2, 2 600 000 kHz, TSC_STABLE"
    assert wrote(0x12, 0x1001) == "time page at 1000h: version 4, 2 600 000 kHz, master clock off"
    assert wrote(0x4B56_4D01, 0x1000) == "the time page is written no more, memory keeps it, master clock on"
    assert "never written" in wrote(0x4B56_4D01, 0x1FE5)
    assert wrote(0x4B56_4D00, 0x2000) == "wall clock at 2000h: 1700000000.250000000 s when kvmclock was 0"
    rig.out("preempt", MS)
    assert wrote(0x4B56_4D03, 0x3001) == "steal time at 3000h: 1.000 000 ms so far"
    assert "bit 3" in wrote(0x4B56_4D02, 0x4001)
    assert wrote(0x4B56_4D02, 0x4009).startswith("asynchronous page faults on")
    assert wrote(0x4B56_4D07, 1) == "acknowledged, no event is delivered"
    assert read_msr(0x4B56_4D03, 0x3001, bench.peeks()) == "steal time at 3000h"
