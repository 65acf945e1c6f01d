"""`tsd cpl rdpid`: who of a guest may read the TSC, and what every program may read."""

from __future__ import annotations

from dataclasses import dataclass

import click

from timerlab.commands.io import Access
from timerlab.commands.memory import on_vcpu
from timerlab.commands.verb import VcpuType, verb
from timerlab.devices.words import Seen
from timerlab.machine import Machine
from timerlab.text import hexa


@dataclass(frozen=True, slots=True)
class Privilege(Access):
    """The guest's code runs at another level, or CR4.TSD is written."""

    what: str
    level: int
    vcpu: int = 0

    def text(self) -> str:
        return f"{self.what} {self.level}{on_vcpu(self.vcpu)}"

    def check(self, machine: Machine) -> None:
        machine.check_vcpu(self.vcpu)
        if (self.what, self.level) not in (("cpl", 0), ("cpl", 3), ("tsd", 0), ("tsd", 1)):
            raise ValueError(f"{self.what} {self.level}: cpl 0, cpl 3, tsd 0, tsd 1")

    def apply(self, machine: Machine) -> None:
        cpu = machine.board.vcpus[self.vcpu]
        if self.what == "cpl":
            cpu.set_privilege(cpl=self.level)
        else:
            cpu.set_privilege(tsd=bool(self.level))

    def words(self, machine: Machine, value: int | None, before: Seen) -> str:
        state = machine.board.vcpus[self.vcpu].state
        faults = state.tsd and state.cpl
        return (
            f"CPL {state.cpl}, CR4.TSD {int(state.tsd)} on v{self.vcpu}: "
            f"RDTSC and RDTSCP {'fault' if faults else 'are allowed'}"
        )


@dataclass(frozen=True, slots=True)
class Rdpid(Access):
    """RDPID on a vCPU."""

    vcpu: int = 0

    def text(self) -> str:
        return f"rdpid{on_vcpu(self.vcpu)}"

    def check(self, machine: Machine) -> None:
        machine.check_vcpu(self.vcpu)

    def apply(self, machine: Machine) -> int:
        return machine.board.vcpus[self.vcpu].rdpid()

    def words(self, machine: Machine, value: int | None, before: Seen) -> str:
        assert value is not None
        return f"{hexa(value, 8)}  TSC_AUX"


@verb("tsd 0 | 1 [vN]", examples=("tsd 1",), completes=("level", "vcpu"))
@click.argument("level", type=click.IntRange(0, 1))
@click.argument("vcpu", type=VcpuType(), required=False, default=0)
def tsd(level: int, vcpu: int) -> Privilege:
    """Write CR4.TSD of a vCPU: with 1, RDTSC and RDTSCP fault above CPL 0."""
    return Privilege("tsd", level, vcpu)


@verb("cpl 0 | 3 [vN]", examples=("cpl 3",), completes=("", "vcpu"))
@click.argument("level", type=click.IntRange(0, 3))
@click.argument("vcpu", type=VcpuType(), required=False, default=0)
def cpl(level: int, vcpu: int) -> Privilege:
    """Let a vCPU's code run at privilege level 0, the kernel's, or 3, that of programs."""
    return Privilege("cpl", level, vcpu)


@verb("rdpid [vN]", examples=("rdpid",), completes=("vcpu",))
@click.argument("vcpu", type=VcpuType(), required=False, default=0)
def rdpid(vcpu: int) -> Rdpid:
    """Read TSC_AUX of a vCPU by RDPID, which no privilege level keeps from programs."""
    return Rdpid(vcpu)
