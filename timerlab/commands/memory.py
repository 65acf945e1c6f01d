"""`readb readw readl readq writeb writew writel writeq`: memory accesses, to chips and to guest RAM."""

from __future__ import annotations

from dataclasses import dataclass

import click

from timerlab.bus import MEMORY_WIDTHS, check_memory
from timerlab.commands.io import Access
from timerlab.commands.verb import AddressType, ValueType, VcpuType, Verb, verb
from timerlab.devices.words import Seen, loaded_words, stored_words
from timerlab.machine import Machine
from timerlab.text import hexa


def on_vcpu(vcpu: int) -> str:
    """How a vCPU other than the first is named at the end of a command."""
    return f" v{vcpu}" if vcpu else ""


@dataclass(frozen=True, slots=True)
class WriteMemory(Access):
    """A write of `width` bits to memory by a vCPU."""

    address: int
    value: int
    width: int = 32
    vcpu: int = 0

    def text(self) -> str:
        letter, digits = MEMORY_WIDTHS[self.width], self.width // 4
        return f"write{letter} {self.address:08x}h {self.value:0{digits}x}h{on_vcpu(self.vcpu)}"

    def check(self, machine: Machine) -> None:
        check_memory(self.address, self.width, self.value)

    def apply(self, machine: Machine) -> None:
        machine.store(self.address, self.value, self.width, self.vcpu)

    def words(self, machine: Machine, value: int | None, before: Seen) -> str:
        return stored_words(machine, self.address, self.value, self.width, self.vcpu, before, machine.peeks())


@dataclass(frozen=True, slots=True)
class ReadMemory(Access):
    """A read of `width` bits from memory by a vCPU."""

    address: int
    width: int = 32
    vcpu: int = 0

    def text(self) -> str:
        return f"read{MEMORY_WIDTHS[self.width]} {self.address:08x}h{on_vcpu(self.vcpu)}"

    def check(self, machine: Machine) -> None:
        check_memory(self.address, self.width)

    def apply(self, machine: Machine) -> int:
        return machine.load(self.address, self.width, self.vcpu)

    def words(self, machine: Machine, value: int | None, before: Seen) -> str:
        assert value is not None
        said = loaded_words(machine, self.address, value, self.width, self.vcpu, before)
        return f"{hexa(value, self.width // 4)}  {said}".rstrip()


def _write(letter: str, width: int, name: str) -> Verb:
    def write(address: int, value: int, vcpu: int) -> WriteMemory:
        return WriteMemory(address, value, width, vcpu)

    write.__doc__ = f"Write {name} to memory: a chip's register, or guest RAM. One access, whatever its width."
    click.argument("vcpu", type=VcpuType(), required=False, default=0)(write)
    click.argument("value", type=ValueType(width))(write)
    click.argument("address", type=AddressType())(write)
    example = {8: "writeb 1000h 5ah", 16: "writew 1000h 5aa5h", 32: "writel hpet.conf 1", 64: "writeq hpet.t0.cmp 1000"}
    return verb(
        f"write{letter} ADDRESS VALUE [vN]", examples=(example[width],), completes=("address", "value", "vcpu")
    )(write)


def _read(letter: str, width: int, name: str) -> Verb:
    def read(address: int, vcpu: int) -> ReadMemory:
        return ReadMemory(address, width, vcpu)

    read.__doc__ = f"Read {name} from memory: a chip's register, or guest RAM. One access, whatever its width."
    click.argument("vcpu", type=VcpuType(), required=False, default=0)(read)
    click.argument("address", type=AddressType())(read)
    example = {8: "readb 1000h", 16: "readw 1000h", 32: "readl fee00390h", 64: "readq hpet.cnt"}
    return verb(f"read{letter} ADDRESS [vN]", examples=(example[width],), completes=("address", "vcpu"))(read)


_NAMES = {8: "a byte", 16: "16 bits", 32: "32 bits", 64: "64 bits"}
VERBS = [make(MEMORY_WIDTHS[width], width, name) for make in (_read, _write) for width, name in _NAMES.items()]
"""The eight of them."""
