"""`rdmsr wrmsr rdtsc rdtscp cpuid irq inta eoi sti cli given`: what a vCPU does, and what is done to its lines."""

from __future__ import annotations

import re
from dataclasses import dataclass

import click

from timerlab.commands.io import Access
from timerlab.commands.memory import on_vcpu
from timerlab.commands.verb import CmosType, LineType, MsrType, ValueType, VcpuType, fail, verb
from timerlab.devices.words import Seen, happened, msr_read_words, msr_words, vector_words
from timerlab.machine import Machine, check_msr
from timerlab.text import count, hexa

REGISTERS = ("eax", "ebx", "ecx", "edx")
"""What CPUID writes, in the order in which it is told."""


@dataclass(frozen=True, slots=True)
class Rdmsr(Access):
    """RDMSR on a vCPU."""

    msr: int
    vcpu: int = 0

    def text(self) -> str:
        return f"rdmsr {self.msr:x}h{on_vcpu(self.vcpu)}"

    def check(self, machine: Machine) -> None:
        check_msr(self.msr)

    def apply(self, machine: Machine) -> int:
        return machine.rdmsr(self.msr, self.vcpu)

    def words(self, machine: Machine, value: int | None, before: Seen) -> str:
        assert value is not None
        return f"{hexa(value, 16)}  {msr_read_words(machine, self.msr, value, self.vcpu)}".rstrip()


@dataclass(frozen=True, slots=True)
class Wrmsr(Access):
    """WRMSR on a vCPU."""

    msr: int
    value: int
    vcpu: int = 0

    def text(self) -> str:
        return f"wrmsr {self.msr:x}h {self.value:x}h{on_vcpu(self.vcpu)}"

    def check(self, machine: Machine) -> None:
        check_msr(self.msr, self.value)

    def apply(self, machine: Machine) -> None:
        machine.wrmsr(self.msr, self.value, self.vcpu)

    def words(self, machine: Machine, value: int | None, before: Seen) -> str:
        return msr_words(machine, self.msr, self.value, self.vcpu, before, machine.peeks())


@dataclass(frozen=True, slots=True)
class Rdtsc(Access):
    """RDTSC or, with `aux`, RDTSCP on a vCPU."""

    vcpu: int = 0
    aux: bool = False

    def text(self) -> str:
        return f"rdtsc{'p' if self.aux else ''}{on_vcpu(self.vcpu)}"

    def apply(self, machine: Machine) -> int:
        return machine.rdtsc(self.vcpu, self.aux)

    def words(self, machine: Machine, value: int | None, before: Seen) -> str:
        assert value is not None
        aux = f", ECX {hexa(machine.board.vcpus[self.vcpu].state.aux, 8)}" if self.aux else ""
        return f"{hexa(value, 16)}  {count(value)} cycles{aux}"


@dataclass(frozen=True, slots=True)
class Cpuid(Access):
    """CPUID on a vCPU; its value is that of one of the four registers."""

    leaf: int
    subleaf: int = 0
    vcpu: int = 0
    register: str = REGISTERS[0]

    def text(self) -> str:
        register = "" if self.register == REGISTERS[0] else f" {self.register}"
        return f"cpuid {self.leaf:x}h {self.subleaf:x}h{register}{on_vcpu(self.vcpu)}"

    def check(self, machine: Machine) -> None:
        machine.cpuid(self.leaf, self.subleaf, self.vcpu)

    def apply(self, machine: Machine) -> int:
        return machine.cpuid(self.leaf, self.subleaf, self.vcpu)[REGISTERS.index(self.register)]

    def words(self, machine: Machine, value: int | None, before: Seen) -> str:
        registers = machine.cpuid(self.leaf, self.subleaf, self.vcpu)
        return "  ".join(f"{name.upper()} {hexa(one, 8)}" for name, one in zip(REGISTERS, registers, strict=True))


@dataclass(frozen=True, slots=True)
class Irq(Access):
    """A line that is driven by hand."""

    line: int
    level: int

    def text(self) -> str:
        return f"irq {self.line} {self.level}"

    def check(self, machine: Machine) -> None:
        machine.check_line(self.line, self.level)

    def apply(self, machine: Machine) -> None:
        machine.irq(self.line, self.level)

    def words(self, machine: Machine, value: int | None, before: Seen) -> str:
        return happened(before, machine.peeks()) or "no change, the line is there already"


@dataclass(frozen=True, slots=True)
class Nmi(Access):
    """An error that asks for an NMI."""

    what: str

    def text(self) -> str:
        return f"nmi {self.what}"

    def check(self, machine: Machine) -> None:
        if self.what not in ("iochk", "serr"):
            raise ValueError(f"no NMI source {self.what}: iochk, serr")

    def apply(self, machine: Machine) -> None:
        machine.nmi(self.what)

    def words(self, machine: Machine, value: int | None, before: Seen) -> str:
        after = machine.peeks()
        taken = [f"v{vcpu}" for vcpu in range(len(machine.board.vcpus)) if _nmis(after, vcpu) > _nmis(before, vcpu)]
        if not after[f"port61.{self.what}"]:
            return f"{self.what.upper()} is disabled in port 61h, nothing happens"
        who = f"NMI to {', '.join(taken)}" if taken else "no NMI reaches a vCPU"
        masked = ", port 70h masks it" if machine.board.nmi_masked else ""
        return f"{self.what.upper()} set in port 61h, {who}{masked}"


def _nmis(seen: Seen, vcpu: int) -> int:
    return int(seen[f"lapic{vcpu}.nmis"])


@dataclass(frozen=True, slots=True)
class Inta(Access):
    """A vCPU takes what waits for it."""

    vcpu: int = 0

    def text(self) -> str:
        return f"inta{on_vcpu(self.vcpu)}"

    def apply(self, machine: Machine) -> int | None:
        return machine.inta(self.vcpu)

    def words(self, machine: Machine, value: int | None, before: Seen) -> str:
        if value is None:
            why = "" if machine.board.vcpus[self.vcpu].state.interrupts else ": IF is 0, sti sets it"
            return f"no interrupt is asserted{why}"
        return f"{hexa(value, 2)}  {vector_words(machine, self.vcpu)}"


@dataclass(frozen=True, slots=True)
class Eoi(Access):
    """The handler ends that a vCPU runs."""

    vcpu: int = 0

    def text(self) -> str:
        return f"eoi{on_vcpu(self.vcpu)}"

    def apply(self, machine: Machine) -> int | None:
        return machine.eoi(self.vcpu)

    def words(self, machine: Machine, value: int | None, before: Seen) -> str:
        if value is None:
            said = happened(before, machine.peeks())
            return "no handler runs: EOI to whoever has an interrupt in service" + (f", {said}" if said else "")
        said = happened(before, machine.peeks())
        return f"handler of {hexa(value, 2)} ends" + (f", {said}" if said else "")


@dataclass(frozen=True, slots=True)
class Interrupts(Access):
    """`sti` and `cli`."""

    on: bool
    vcpu: int = 0

    def text(self) -> str:
        return f"{'sti' if self.on else 'cli'}{on_vcpu(self.vcpu)}"

    def apply(self, machine: Machine) -> None:
        machine.interrupts(self.on, self.vcpu)

    def words(self, machine: Machine, value: int | None, before: Seen) -> str:
        said = happened(before, machine.peeks())
        return f"IF {int(self.on)} on v{self.vcpu}" + (f", {said}" if said else "")


@dataclass(frozen=True, slots=True)
class Given(Access):
    """A byte of CMOS RAM that somebody left there before power-on."""

    index: int
    value: int

    def text(self) -> str:
        return f"given {self.index:02x}h {self.value:02x}h"

    def apply(self, machine: Machine) -> None:
        machine.given(self.index, self.value)

    def words(self, machine: Machine, value: int | None, before: Seen) -> str:
        return f"CMOS {hexa(self.index, 2)} holds {hexa(self.value, 2)}"


@verb("rdmsr MSR [vN]", examples=("rdmsr tsc", "rdmsr 1bh"), completes=("msr", "vcpu"))
@click.argument("msr", type=MsrType())
@click.argument("vcpu", type=VcpuType(), required=False, default=0)
def rdmsr(msr: int, vcpu: int) -> Rdmsr:
    """Read a model-specific register of a vCPU."""
    return Rdmsr(msr, vcpu)


@verb("wrmsr MSR VALUE [vN]", examples=("wrmsr tsc 0", "wrmsr tsc_adjust -1"), completes=("msr", "value", "vcpu"))
@click.argument("msr", type=MsrType())
@click.argument("value", type=ValueType(64, signed=True))
@click.argument("vcpu", type=VcpuType(), required=False, default=0)
def wrmsr(msr: int, value: int, vcpu: int) -> Wrmsr:
    """Write a model-specific register of a vCPU. A negative value is its 64-bit two's complement."""
    return Wrmsr(msr, value, vcpu)


@verb("rdtsc [vN]", examples=("rdtsc",), completes=("vcpu",))
@click.argument("vcpu", type=VcpuType(), required=False, default=0)
def rdtsc(vcpu: int) -> Rdtsc:
    """Read a vCPU's time stamp counter."""
    return Rdtsc(vcpu)


@verb("rdtscp [vN]", examples=("rdtscp",), completes=("vcpu",))
@click.argument("vcpu", type=VcpuType(), required=False, default=0)
def rdtscp(vcpu: int) -> Rdtsc:
    """Read a vCPU's time stamp counter together with IA32_TSC_AUX."""
    return Rdtsc(vcpu, aux=True)


@verb(
    "cpuid LEAF [SUBLEAF] [eax | ebx | ecx | edx] [vN]",
    examples=("cpuid 15h", "cpuid 80000007h edx"),
    completes=("leaf", "", "", "vcpu"),
)
@click.argument("leaf", type=ValueType(32))
@click.argument("words", nargs=-1)
@click.pass_context
def cpuid(ctx: click.Context, leaf: int, words: tuple[str, ...]) -> Cpuid:
    """What CPUID tells about counters and timers. Its value is EAX, or that of another register."""
    rest, vcpu, register = list(words), 0, REGISTERS[0]
    if rest and re.fullmatch(r"[vV]\d+", rest[-1]):
        vcpu = VcpuType().convert(rest.pop(), None, ctx)
    if rest and rest[-1].lower() in REGISTERS:
        register = str(rest.pop().lower())
    if len(rest) > 1:
        fail(f"{rest[1]} is neither a register nor a vCPU: eax, ebx, ecx, edx, v0", rest[1])
    return Cpuid(leaf, ValueType(32).convert(rest[0], None, ctx) if rest else 0, vcpu, register)


@verb("irq LINE LEVEL", examples=("irq 5 1", "irq 5 0"), completes=("irq", "level"))
@click.argument("line", type=LineType())
@click.argument("level", type=click.IntRange(0, 1))
def irq(line: int, level: int) -> Irq:
    """Pull an interrupt line up by hand, or let it go: 0, 1, 3 to 15 are ISA lines, which reach the 8259 and the
    I/O APIC, 16 to 23 pins of the I/O APIC.
    """
    return Irq(line, level)


@verb("nmi iochk | serr", examples=("nmi iochk",), completes=("nmi",))
@click.argument("what", type=click.Choice(("iochk", "serr"), case_sensitive=False))
def nmi(what: str) -> Nmi:
    """Pull IOCHK# or SERR#: the status bit in port 61h is set, and asks for an NMI unless port 70h masks it."""
    return Nmi(what)


@verb("inta [vN]", examples=("inta",), completes=("vcpu",))
@click.argument("vcpu", type=VcpuType(), required=False, default=0)
def inta(vcpu: int) -> Inta:
    """Let a vCPU take the interrupt that waits for it, as its interrupt acknowledge cycle does; the value is the
    vector.
    """
    return Inta(vcpu)


@verb("eoi [vN]", examples=("eoi",), completes=("vcpu",))
@click.argument("vcpu", type=VcpuType(), required=False, default=0)
def eoi(vcpu: int) -> Eoi:
    """End the handler that a vCPU runs: EOI to the 8259s or to the local APIC, wherever its interrupt came from."""
    return Eoi(vcpu)


@verb("sti [vN]", examples=("sti",), completes=("vcpu",))
@click.argument("vcpu", type=VcpuType(), required=False, default=0)
def sti(vcpu: int) -> Interrupts:
    """Set a vCPU's interrupt flag: it takes interrupts again."""
    return Interrupts(True, vcpu)


@verb("cli [vN]", examples=("cli",), completes=("vcpu",))
@click.argument("vcpu", type=VcpuType(), required=False, default=0)
def cli(vcpu: int) -> Interrupts:
    """Clear a vCPU's interrupt flag: requests wait."""
    return Interrupts(False, vcpu)


@verb("given PLACE VALUE", examples=("given 0fh 00h",), completes=("cmos", "value"))
@click.argument("place", type=CmosType())
@click.argument("value", type=ValueType(8))
def given(place: int, value: int) -> Given:
    """Put a byte into CMOS RAM that somebody left there before power-on. A replayed trace gives what it reads there
    before it was written.
    """
    return Given(place, value)
