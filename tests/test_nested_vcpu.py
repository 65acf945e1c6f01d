"""L2 on the vCPU of the board: what its instructions give, when they fault, and that every change of L1 arrives."""

from __future__ import annotations

from fractions import Fraction

import pytest

from timerlab.clock import Clock
from timerlab.devices.nested import ExitToL1, Nested
from timerlab.devices.vcpu import Vcpu
from timerlab.errors import GuestFault
from timerlab.policy import Bare
from timerlab.quirks import resolve
from timerlab.quirks.nested import QUIRKS
from timerlab.scaling import WORD, signed

G = 10**9
NOW = 10 * G
TSC, RATIO = 0x10, 0xC000_0104


def made(vendor: str = "intel", **quirks: str) -> tuple[Vcpu, Nested]:
    """A vCPU of a 1 GHz host, 4 s behind it, and its nested guest, 1 s ahead and running."""
    clock = Clock(1, 1)  # a tick a nanosecond
    rules = {quirk.name: quirk.default for quirk in QUIRKS} | resolve("datasheet", {"vendor": vendor} | quirks)
    cpu = Vcpu(0, lambda: clock, lambda: Fraction(1_000_000), rules)
    cpu.policy = Bare([cpu], rules)
    nested = Nested([cpu], rules)
    cpu.followers.append(lambda now: nested.follow(0, now))
    cpu.set_l1(NOW, offset=-4 * G)
    nested.set_offset(0, G)
    assert nested.enter(0, NOW) is None
    return cpu, nested


def test_the_vcpu_reads_what_l2_reads_and_keeps_l1() -> None:
    cpu, nested = made()
    assert (cpu.rdtsc(NOW), cpu.tsc(NOW), cpu.l1_tsc(NOW), nested.rdtsc(0, NOW)) == (7 * G, 7 * G, 6 * G, 7 * G)
    counts = [clock.ticks(NOW + 500) % WORD for clock in (cpu.clock(), cpu.l1_clock())]
    assert counts == [7 * G + 500, 6 * G + 500]
    nested.exit(0, NOW)
    assert cpu.rdtsc(NOW) == 6 * G


def test_every_change_of_l1_arrives() -> None:
    cpu, nested = made()
    cpu.set_l1(NOW, offset=-3_500_000_000)
    assert cpu.rdtsc(NOW) == 7_500_000_000
    assert nested.wrmsr(0, TSC, 9 * G, NOW) is None
    assert (cpu.l1_tsc(NOW), cpu.rdtsc(NOW), cpu.adjust) == (9 * G, 10 * G, 2_500_000_000)
    cpu.set_l1(NOW, ratio=1 << 47)
    assert cpu.active is not None and (cpu.active[0], signed(cpu.active[1])) == (1 << 47, 0)
    assert nested.peek(NOW)["nest0.o01"] == -G


def test_the_ratio_msr_of_amd() -> None:
    cpu, nested = made("amd")
    assert nested.wrmsr(0, RATIO, 3 << 31, NOW) is None
    assert (cpu.rdtsc(NOW), nested.rdmsr(0, RATIO, NOW)) == (12 * G, 3 << 31)
    nested.exit(0, NOW)
    assert nested.enter(0, NOW) is None and cpu.rdtsc(NOW) == 10 * G
    cpu.state.cpl = 3
    assert nested.peek(NOW)["nest0.field_ratio"] == 3 << 31, "looking needs no privilege"


def test_without_the_ratio_msr() -> None:
    cpu, nested = made("amd", tsc_ratio_msr="no")
    with pytest.raises(GuestFault, match="#GP"):
        nested.wrmsr(0, RATIO, 3 << 31, NOW)
    assert cpu.active is not None and cpu.active[0] == 1 << 32


def test_cr4_tsd_faults_in_l2_before_it_exits() -> None:
    cpu, nested = made()
    nested.set_control(0, "rdtsc_exiting", True)
    cpu.state.tsd, cpu.state.cpl = True, 3
    for read in (nested.rdtsc, nested.rdtscp):
        with pytest.raises(GuestFault, match="#GP"):
            read(0, NOW)
    assert nested.runs(0)
    cpu.state.cpl = 0
    assert isinstance(nested.rdtscp(0, NOW), ExitToL1) and not nested.runs(0)


def test_rdtscp_needs_both_levels() -> None:
    cpu, nested = made()
    cpu.state.aux = 5
    assert nested.rdtscp(0, NOW) == (7 * G, 5)
    cpu.set_controls(NOW, enable_rdtscp=False)
    with pytest.raises(GuestFault, match="#UD"):
        nested.rdtscp(0, NOW)


def test_snapshots_of_both_bring_l2_back() -> None:
    cpu, nested = made()
    kept = cpu.snapshot(), nested.snapshot()
    nested.exit(0, NOW)
    cpu.set_l1(NOW, offset=5)
    cpu.restore(kept[0])
    nested.restore(kept[1])
    assert nested.runs(0) and nested.rdtsc(0, NOW) == 7 * G
    assert (cpu.snapshot(), nested.snapshot()) == kept
