"""`nvmm`: what NVMM's userland does with a vCPU's TSC."""

from __future__ import annotations

import re
from dataclasses import dataclass

import click

from timerlab.commands.io import Tried
from timerlab.commands.memory import on_vcpu
from timerlab.commands.verb import ValueType, VcpuType, fail, verb
from timerlab.devices.nvmm import LOST, Nvmm
from timerlab.devices.words import Seen
from timerlab.machine import Machine
from timerlab.text import count, plural


def nvmm_of(machine: Machine) -> Nvmm:
    """The policy; ValueError where the machine has another one."""
    policy = machine.board.policy
    if not isinstance(policy, Nvmm):
        raise ValueError(f"nvmm needs policy=nvmm, this machine has policy={policy.name}")
    return policy


@dataclass(frozen=True, slots=True)
class Commit(Tried):
    """Userland commits MSR state, with the TSC that it had got or another one."""

    value: int | None = None
    vcpu: int = 0

    def text(self) -> str:
        value = "" if self.value is None else f" {self.value:x}h"
        return f"nvmm commit{value}{on_vcpu(self.vcpu)}"

    def apply(self, machine: Machine) -> None:
        machine.check_vcpu(self.vcpu)
        policy = nvmm_of(machine)
        machine.host_act(lambda: policy.commit(self.vcpu, machine.now, self.value))

    def words(self, machine: Machine, value: int | None, before: Seen) -> str:
        state = nvmm_of(machine).states[self.vcpu]
        if state.gtsc_want_update:
            return f"v{self.vcpu} goes on from TSC {count(state.gtsc)} when it enters the guest"
        return f"v{self.vcpu} goes on from TSC {count(nvmm_of(machine).rdtsc(self.vcpu, machine.now))}"


@dataclass(frozen=True, slots=True)
class Lost(Tried):
    """The account of lost cycles; its value is their sum."""

    vcpu: int = 0

    def text(self) -> str:
        return f"nvmm lost{on_vcpu(self.vcpu)}"

    def apply(self, machine: Machine) -> int:
        machine.check_vcpu(self.vcpu)
        return nvmm_of(machine).states[self.vcpu].lost % (1 << 64)

    def words(self, machine: Machine, value: int | None, before: Seen) -> str:
        state = nvmm_of(machine).states[self.vcpu]
        parts = [f"{name} {count(n)}" for name in LOST if (n := getattr(state, "lost_" + name))]
        return f"{plural(state.lost, 'cycle')} lost" + (f": {', '.join(parts)}" if parts else "")


@verb("nvmm commit [VALUE] [vN] | lost [vN]", examples=("nvmm lost", "nvmm commit"), completes=("nvmm", "vcpu"))
@click.argument("what", type=click.Choice(("commit", "lost"), case_sensitive=False))
@click.argument("words", nargs=-1)
@click.pass_context
def nvmm(ctx: click.Context, what: str, words: tuple[str, ...]) -> Commit | Lost:
    """What NVMM's userland does: `commit` writes MSR state back, as an emulator does with the whole vCPU, so that the
    TSC goes on from where the vCPU left the guest, or from VALUE. `lost` tells the cycles that went missing, and why.
    """
    rest, vcpu = list(words), 0
    if rest and re.fullmatch(r"v\d+", rest[-1].lower()):
        vcpu = VcpuType().convert(rest.pop(), None, ctx)
    value = ValueType(64).convert(rest.pop(0), None, ctx) if rest and what == "commit" else None
    if rest:
        fail(f"{rest[0]} is one word too many: nvmm commit [VALUE] [vN], nvmm lost [vN]", rest[0])
    return Lost(vcpu) if what == "lost" else Commit(value, vcpu)
