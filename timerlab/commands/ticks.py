"""`policy`: what becomes of a timer's ticks while the guest cannot take them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import click

from timerlab.commands.io import Access
from timerlab.commands.memory import on_vcpu
from timerlab.commands.verb import VcpuType, fail, verb
from timerlab.conditions import near
from timerlab.devices.ticks import POLICIES
from timerlab.devices.ticks_regs import source_named, words_for
from timerlab.devices.words import Seen
from timerlab.machine import Machine

NAMES = (*POLICIES, "off")


@dataclass(frozen=True, slots=True)
class Policy(Access):
    """A source's tick policy; `vcpu` is None for the vCPU that took its latest interrupt."""

    source: str
    policy: str
    vcpu: int | None = None

    def text(self) -> str:
        vcpu = "" if self.vcpu is None else on_vcpu(self.vcpu) or " v0"
        return f"policy {self.source} {self.policy}{vcpu}"

    def check(self, machine: Machine) -> None:
        machine.board.fabric.ticks.find(self.source)
        if self.policy not in NAMES:
            raise ValueError(f"no policy {self.policy}: {', '.join(NAMES)}")
        if self.vcpu is not None:
            machine.check_vcpu(self.vcpu)

    def meant(self, machine: Machine) -> str:
        """The policy that the word means on this machine."""
        return "reinject" if self.policy == "delay" and machine.quirks.get("tick_delay") == "reinject" else self.policy

    def apply(self, machine: Machine) -> None:
        self.check(machine)
        ticks, meant = machine.board.fabric.ticks, self.meant(machine)
        machine.host_act(lambda: ticks.put(self.source, meant, self.vcpu))

    def words(self, machine: Machine, value: int | None, before: Seen) -> str:
        name = machine.board.fabric.ticks.find(self.source).name
        meant = self.meant(machine)
        if meant == "off":
            return f"{name} has no policy: one request may wait at the controller, more are lost"
        said = f"{name}: {POLICIES[meant].about}"
        return said if meant == self.policy else f"{said} (tick_delay=reinject)"


def sources_among(lines: Iterable[str]) -> list[str]:
    """The wires that ask for interrupts."""
    return [
        name
        for name in lines
        if name.startswith(("irq.", "pin."))
        or (name.startswith("hpet.") and name.endswith(".out"))
        or (name.startswith("lapic") and name.endswith(".timer"))
    ]


class SourceType(click.ParamType[str]):
    """A tick source: `pit`, `rtc`, `hpet.t0`, `lapic0`, `irq.5`, `pin.16`."""

    name = "source"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The word, where there is such a source."""
        word = str(value).lower()
        there = sources_among(ctx.obj.lines) if ctx else [word]
        if source_named(word) not in there:
            names = words_for(there)
            guess = near(word, names)
            hint = f"  Did you mean {guess} ?" if guess else ""
            fail(f"no tick source {value}: pit, rtc, hpet.t0, lapic0, irq.5, pin.16{hint}", value, guess)
        return word


class PolicyType(click.ParamType[str]):
    """A policy's name, or `off`."""

    name = "policy"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The name."""
        word = str(value).lower()
        if word not in NAMES:
            guess = near(word, list(NAMES))
            hint = f"  Did you mean {guess} ?" if guess else ""
            fail(f"no policy {value}: {', '.join(NAMES)}{hint}", value, guess)
        return word


@verb(
    "policy SOURCE POLICY [vN]",
    examples=("policy pit reinject", "policy hpet.t0 slew v0", "policy rtc off"),
    completes=("source", "policy", "vcpu"),
)
@click.argument("source", type=SourceType())
@click.argument("policy", type=PolicyType())
@click.argument("vcpu", type=VcpuType(), required=False, default=None)
def policy(source: str, policy: str, vcpu: int | None) -> Policy:
    """Choose what becomes of a timer's ticks while the guest cannot take them: discard, discard_nolatch, merge, delay,
    slew, slew_nolatch, slew_rtc or reinject. `off` takes the policy away.

    A policy counts what was due, delivered, late, lost and made up, under the name of the line: ticks.irq.0.due and so
    on (`show ticks`). SOURCE is pit, rtc, hpet.t0, lapic0, irq.5 or pin.16; vN is the vCPU that it is for, unless told
    the one that took its latest interrupt.
    """
    return Policy(source, policy, vcpu)
