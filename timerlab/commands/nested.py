"""`l2`: a guest hypervisor's own guest, what it writes for it, into it and out of it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from types import MappingProxyType

import click

from timerlab.command import Command
from timerlab.commands.io import Access
from timerlab.commands.memory import on_vcpu
from timerlab.commands.verb import MsrType, ValueType, VcpuType, fail, verb
from timerlab.conditions import near
from timerlab.devices.nested_state import RATIO_SHIFT, TSC_RATIO, VmFail
from timerlab.devices.nested_words import entered, later, left, ratio_words
from timerlab.devices.words import Seen
from timerlab.errors import CommandError
from timerlab.machine import Machine
from timerlab.scaling import SVM_FRAC, VMX_FRAC, signed
from timerlab.text import count, hexa

_ENTRIES = {"enter": "", "vmrun": "amd", "vmlaunch": "intel", "vmresume": "intel"}
"""Words for a VM entry, and whose instruction each is."""
_USAGE = "l2 enter | exit | offset V | ratio V | controls NAME on|off | intercept WHAT on|off | preemption_timer N"
_DECIMAL = re.compile(r"[0-9]{1,20}\.[0-9]{1,30}")


def _frac(machine: Machine) -> int:
    """Fraction bits of a ratio."""
    return SVM_FRAC if machine.board.nested.svm else VMX_FRAC


@dataclass(frozen=True, slots=True)
class Enter(Access):
    """A VM entry. Its value is 0, or the VM-instruction error."""

    word: str
    vcpu: int = 0

    def text(self) -> str:
        return f"l2 {self.word}{on_vcpu(self.vcpu)}"

    def check(self, machine: Machine) -> None:
        machine.check_vcpu(self.vcpu)
        nested = machine.board.nested
        if _ENTRIES[self.word] == ("intel" if nested.svm else "amd"):
            raise ValueError(f"{self.word.upper()} is no instruction of this vendor: l2 enter")
        if nested.runs(self.vcpu):
            raise ValueError(f"L2 runs on v{self.vcpu} already: l2 exit leaves it")

    def apply(self, machine: Machine) -> int:
        failed: list[VmFail | None] = []
        machine.host_act(lambda: failed.append(machine.board.nested.enter(self.vcpu, machine.now)))
        return failed[0].number if failed[0] else 0

    def words(self, machine: Machine, value: int | None, before: Seen) -> str:
        failed = machine.board.nested.refused(self.vcpu, machine.now) if value else None
        if failed is not None:
            return f"{failed.text()}; L1 goes on"
        return entered(machine.peeks(), self.vcpu, _frac(machine))


@dataclass(frozen=True, slots=True)
class Exit(Access):
    """An exit to L1, by a hypercall of L2's."""

    vcpu: int = 0

    def text(self) -> str:
        return f"l2 exit{on_vcpu(self.vcpu)}"

    def check(self, machine: Machine) -> None:
        machine.check_vcpu(self.vcpu)
        if not machine.board.nested.runs(self.vcpu):
            raise ValueError(f"L2 does not run on v{self.vcpu}: l2 enter starts it")

    def apply(self, machine: Machine) -> None:
        nested = machine.board.nested

        def leave() -> None:
            nested.exit(self.vcpu, machine.now)

        machine.host_act(leave)

    def words(self, machine: Machine, value: int | None, before: Seen) -> str:
        return left(machine.peeks(), self.vcpu, machine.board.nested.svm)


@dataclass(frozen=True, slots=True)
class Offset(Access):
    """L1 writes the TSC offset of vmcs12 or vmcb12."""

    value: int
    vcpu: int = 0

    def text(self) -> str:
        return f"l2 offset {signed(self.value)}{on_vcpu(self.vcpu)}"

    def check(self, machine: Machine) -> None:
        machine.check_vcpu(self.vcpu)

    def apply(self, machine: Machine) -> None:
        machine.board.nested.set_offset(self.vcpu, self.value)

    def words(self, machine: Machine, value: int | None, before: Seen) -> str:
        block = "vmcb12" if machine.board.nested.svm else "vmcs12"
        return f"TSC offset of {block} {count(signed(self.value))}, {later(machine.peeks(), self.vcpu)}"


@dataclass(frozen=True, slots=True)
class Ratio(Access):
    """L1 writes its guest's ratio: the TSC multiplier of vmcs12, or the MSR TSC_RATIO. `value` is the register's, or a
    decimal number as text.
    """

    value: int | str
    vcpu: int = 0

    def text(self) -> str:
        value = self.value if isinstance(self.value, str) else f"{self.value:x}h"
        return f"l2 ratio {value}{on_vcpu(self.vcpu)}"

    def bits(self, machine: Machine) -> int:
        """The register's value, rounded down."""
        return self.value if isinstance(self.value, int) else int(Fraction(self.value) * (1 << _frac(machine)))

    def check(self, machine: Machine) -> None:
        machine.check_vcpu(self.vcpu)
        nested = machine.board.nested
        top = 1 << (40 if nested.svm else 64)
        if self.bits(machine) >= top:
            whole = top >> _frac(machine)
            raise ValueError(f"a TSC ratio is below {whole}, {hexa(top - 1, 16)} at most")
        if nested.svm and nested.runs(self.vcpu):
            raise ValueError(f"L2 runs on v{self.vcpu}: L1 cannot write TSC_RATIO now, wrmsr {TSC_RATIO:x}h is L2's")

    def apply(self, machine: Machine) -> None:
        if machine.board.nested.svm:
            machine.wrmsr(TSC_RATIO, self.bits(machine), self.vcpu)
        else:
            machine.board.nested.set_ratio(self.vcpu, self.bits(machine))

    def words(self, machine: Machine, value: int | None, before: Seen) -> str:
        bits, nested = self.bits(machine), machine.board.nested
        said = f"{hexa(bits, 16)} = {ratio_words(bits, _frac(machine))}"
        if nested.svm:
            return f"TSC_RATIO {said}, {later(machine.peeks(), self.vcpu)}"
        guest = nested.state[self.vcpu]
        off = "" if guest.use_tsc_offsetting and guest.use_tsc_scaling else "; not used: "
        if off:
            off += "use_tsc_scaling is off" if guest.use_tsc_offsetting else "use_tsc_offsetting is off"
        return f"TSC multiplier of vmcs12 {said}, {later(machine.peeks(), self.vcpu)}{off}"


@dataclass(frozen=True, slots=True)
class Switch(Access):
    """L1 sets or clears a control, or an instruction's intercept; `word` is `controls` or `intercept`."""

    word: str
    name: str
    on: bool
    vcpu: int = 0

    def text(self) -> str:
        return f"l2 {self.word} {self.name} {'on' if self.on else 'off'}{on_vcpu(self.vcpu)}"

    def control(self, machine: Machine) -> str:
        """The control that it is: RDTSC's intercept is one of VMX's controls."""
        if self.word == "intercept" and not machine.board.nested.svm and self.name == "rdtsc":
            return "rdtsc_exiting"
        return self.name

    def check(self, machine: Machine) -> None:
        machine.check_vcpu(self.vcpu)
        nested, name = machine.board.nested, self.control(machine)
        if name not in nested.controls:
            if name == "rdtscp":
                raise ValueError("vmcs12 has no intercept of its own for RDTSCP: rdtsc_exiting is for both")
            guess = near(name, list(nested.controls))
            block = "vmcb12" if nested.svm else "vmcs12"
            hint = f"  Did you mean {guess} ?" if guess else ""
            raise ValueError(f"{block} has no {name}: {', '.join(nested.controls)}{hint}")

    def apply(self, machine: Machine) -> None:
        machine.board.nested.set_control(self.vcpu, self.control(machine), self.on)

    def words(self, machine: Machine, value: int | None, before: Seen) -> str:
        name = self.control(machine)
        about = machine.board.nested.controls[name]
        return f"{name} {'on' if self.on else 'off'}: {about}"


@dataclass(frozen=True, slots=True)
class MsrSwitch(Access):
    """L1 sets or clears an MSR's bit in the MSR bitmap or permissions map; `word` is `rdmsr` or `wrmsr`."""

    word: str
    msr: int
    on: bool
    vcpu: int = 0

    def text(self) -> str:
        return f"l2 intercept {self.word} {self.msr:x}h {'on' if self.on else 'off'}{on_vcpu(self.vcpu)}"

    def check(self, machine: Machine) -> None:
        machine.check_vcpu(self.vcpu)

    def apply(self, machine: Machine) -> None:
        machine.board.nested.set_msr_exit(self.vcpu, self.msr, self.word == "wrmsr", self.on)

    def words(self, machine: Machine, value: int | None, before: Seen) -> str:
        nested = machine.board.nested
        exits = nested.state[self.vcpu].intercepts(self.msr, self.word == "wrmsr", nested.svm)
        said = "exits to L1" if exits else "is L0's to answer"
        wanted = "" if exits == self.on else ", whatever the map says"
        return f"{self.word.upper()} {self.msr:X}h in L2 {said}{wanted}"


@dataclass(frozen=True, slots=True)
class PreemptionTimer(Access):
    """L1 writes the VMX-preemption timer of vmcs12; None: does not activate it."""

    value: int | None
    vcpu: int = 0

    def text(self) -> str:
        return f"l2 preemption_timer {'off' if self.value is None else self.value}{on_vcpu(self.vcpu)}"

    def check(self, machine: Machine) -> None:
        machine.check_vcpu(self.vcpu)
        if machine.board.nested.svm:
            raise ValueError("SVM has no VMX-preemption timer")

    def apply(self, machine: Machine) -> None:
        machine.board.nested.set_preemption(self.vcpu, self.value)

    def words(self, machine: Machine, value: int | None, before: Seen) -> str:
        if self.value is None:
            return "VMX-preemption timer not activated"
        cycles = count(self.value << RATIO_SHIFT)
        return f"VMX-preemption timer {count(self.value)}: L2 exits {cycles} cycles of L1's TSC after entry"


class _Line:
    """The words after `l2`, taken one by one."""

    def __init__(self, words: tuple[str, ...], context: click.Context) -> None:
        self.rest = list(words)
        self.context = context
        self.end: int = context.obj.end if context.obj else 1

    def take(self, what: str, usage: str) -> str:
        """The next word; an error that says what is missing."""
        if not self.rest:
            raise CommandError(f"l2 wants {what}: {usage}", self.end, incomplete=True)
        return self.rest.pop(0)

    def choice(self, what: str, usage: str, among: tuple[str, ...]) -> str:
        """The next word, one of some."""
        word = self.take(what, usage)
        if word.lower() not in among:
            guess = near(word, list(among))
            hint = f"  Did you mean {guess} ?" if guess else ""
            fail(f"{word} is no {what}: {', '.join(among)}{hint}", word, guess)
        return word.lower()

    def vcpu(self, usage: str) -> int:
        """The vCPU at the line's end, v0 if none is named."""
        if not self.rest:
            return 0
        vcpu = VcpuType().convert(self.rest.pop(0), None, self.context)
        if self.rest:
            fail(f"{self.rest[0]} is one word too many: {usage}", self.rest[0])
        return vcpu

    def on(self, usage: str) -> bool:
        """`on` or `off`."""
        return self.choice("on or off", usage, ("on", "off")) == "on"


def _offset(line: _Line) -> Command:
    usage = "l2 offset VALUE [vN]"
    value = ValueType(64, signed=True).convert(line.take("VALUE", usage), None, line.context)
    return Offset(value, line.vcpu(usage))


def _ratio(line: _Line) -> Command:
    usage = "l2 ratio VALUE [vN], a number with a point or the register's bits"
    word = line.take("VALUE", usage)
    value = str(word) if _DECIMAL.fullmatch(word) else ValueType(64).convert(word, None, line.context)
    return Ratio(value, line.vcpu(usage))


def _controls(line: _Line) -> Command:
    usage = "l2 controls NAME on|off [vN]"
    name = line.take("NAME", usage).lower()
    return Switch("controls", str(name), line.on(usage), line.vcpu(usage))


def _intercept(line: _Line) -> Command:
    usage = "l2 intercept rdtsc|rdtscp|rdmsr MSR|wrmsr MSR on|off [vN]"
    name = line.choice("instruction", usage, ("rdtsc", "rdtscp", "rdmsr", "wrmsr"))
    if name in ("rdtsc", "rdtscp"):
        return Switch("intercept", name, line.on(usage), line.vcpu(usage))
    msr = MsrType().convert(line.take("MSR", usage), None, line.context)
    return MsrSwitch(name, msr, line.on(usage), line.vcpu(usage))


def _preemption_timer(line: _Line) -> Command:
    usage = "l2 preemption_timer N|off [vN]"
    word = line.take("N", usage)
    value = None if word.lower() == "off" else ValueType(32).convert(word, None, line.context)
    return PreemptionTimer(value, line.vcpu(usage))


_PARTS: Mapping[str, Callable[[_Line], Command]] = MappingProxyType(
    {
        "offset": _offset,
        "ratio": _ratio,
        "controls": _controls,
        "intercept": _intercept,
        "preemption_timer": _preemption_timer,
    }
)


@verb(
    f"{_USAGE} [vN]",
    examples=("l2 offset 1000000000", "l2 enter", "l2 intercept rdmsr tsc on", "l2 controls use_tsc_offsetting off"),
    completes=("l2",) * 5,
)
@click.argument("words", nargs=-1, type=click.UNPROCESSED)
@click.pass_context
def l2(context: click.Context, words: tuple[str, ...]) -> Command:
    """A guest of the guest: L1 is a hypervisor too and runs L2.

    `enter` (also `vmrun`, or `vmlaunch` and `vmresume`)
    lets L2 run, `exit` goes back to L1; while L2 runs, `rdtsc`, `rdmsr` and `wrmsr` are L2's.

    L2's TSC is L1's plus L2's offset: with -4 and +1 the processor has -3 while L2 runs, and -4 again after its exit.
    If L1's becomes -3.5 meanwhile, the processor's becomes -2.5, which is what the next VM entry would make it.

    The rest is what L1 writes into vmcs12 or vmcb12, and counts from the next VM entry on. A ratio is a number with a
    point, `1.5`, or the register's bits. `intercept` says which instructions of L2's exit to L1. The preemption timer
    counts 32 cycles of L1's TSC.
    """
    line = _Line(words, context)
    if not words:
        raise CommandError(f"l2 wants a word after it: {_USAGE} [vN]", line.end, incomplete=True)
    names = (*_ENTRIES, "exit", *_PARTS)
    name = line.choice("part of l2", _USAGE, names)
    if name in _PARTS:
        return _PARTS[name](line)
    vcpu = line.vcpu(f"l2 {name} [vN]")
    return Exit(vcpu) if name == "exit" else Enter(name, vcpu)
