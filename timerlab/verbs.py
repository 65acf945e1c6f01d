"""The contract's verbs: what a program calls on a session, in the field's own names.

Each is one logged access, as if it had been typed: `s.outb(0x43, 0x34)` is `outb 43h 34h`. ValueError for an
argument out of range, with nothing changed; GuestFault where hardware faults.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

from timerlab.command import Result
from timerlab.commands.cpu import Cpuid, Eoi, Inta, Interrupts, Irq, Nmi, Rdmsr, Rdtsc, Wrmsr
from timerlab.commands.io import Access, In, Out, Reset
from timerlab.commands.memory import ReadMemory, WriteMemory
from timerlab.errors import GuestFault

if TYPE_CHECKING:
    from timerlab.devices.cpuid import Registers
    from timerlab.history import History
    from timerlab.machine import Machine


class Verbs(ABC):
    """The part of a `Session` that programs call."""

    machine: Machine
    history: History

    @abstractmethod
    def settle(self) -> None:
        """Stop what is at work."""

    def _access(self, action: Access) -> int | None:
        self.machine.check_vcpu(getattr(action, "vcpu", 0))
        action.check(self.machine)
        self.settle()
        entry = self.history.open(action)
        try:
            value = action.apply(self.machine)
        except GuestFault as fault:
            self.history.close(entry, Result(text=str(fault), fault=fault.name))
            raise
        self.history.close(entry, None if value is None else Result(value))
        return value

    def _value(self, action: Access) -> int:
        value = self._access(action)
        assert value is not None
        return value

    # -- ports

    def outb(self, port: int, value: int) -> None:
        """Write a byte to a port."""
        self._access(Out(port, value, 8))

    def outw(self, port: int, value: int) -> None:
        """Write a word, low byte first, to `port` and the next one."""
        self._access(Out(port, value, 16))

    def outl(self, port: int, value: int) -> None:
        """Write a long, low byte first, to four ports from `port` on."""
        self._access(Out(port, value, 32))

    def inb(self, port: int) -> int:
        """Read a byte from a port; FFh where nothing answers."""
        return self._value(In(port, 8))

    def inw(self, port: int) -> int:
        """Read a word from `port` and the next one."""
        return self._value(In(port, 16))

    def inl(self, port: int) -> int:
        """Read a long from four ports from `port` on."""
        return self._value(In(port, 32))

    # -- memory

    def readb(self, address: int, vcpu: int = 0) -> int:
        """Read a byte from memory, as seen by a vCPU."""
        return self._value(ReadMemory(address, 8, vcpu))

    def readw(self, address: int, vcpu: int = 0) -> int:
        """Read 16 bits from memory."""
        return self._value(ReadMemory(address, 16, vcpu))

    def readl(self, address: int, vcpu: int = 0) -> int:
        """Read 32 bits from memory."""
        return self._value(ReadMemory(address, 32, vcpu))

    def readq(self, address: int, vcpu: int = 0) -> int:
        """Read 64 bits from memory, in one access."""
        return self._value(ReadMemory(address, 64, vcpu))

    def writeb(self, address: int, value: int, vcpu: int = 0) -> None:
        """Write a byte to memory."""
        self._access(WriteMemory(address, value, 8, vcpu))

    def writew(self, address: int, value: int, vcpu: int = 0) -> None:
        """Write 16 bits to memory."""
        self._access(WriteMemory(address, value, 16, vcpu))

    def writel(self, address: int, value: int, vcpu: int = 0) -> None:
        """Write 32 bits to memory."""
        self._access(WriteMemory(address, value, 32, vcpu))

    def writeq(self, address: int, value: int, vcpu: int = 0) -> None:
        """Write 64 bits to memory, in one access."""
        self._access(WriteMemory(address, value, 64, vcpu))

    # -- the CPU

    def rdmsr(self, msr: int, vcpu: int = 0) -> int:
        """RDMSR; GuestFault where it takes #GP."""
        return self._value(Rdmsr(msr, vcpu))

    def wrmsr(self, msr: int, value: int, vcpu: int = 0) -> None:
        """WRMSR; GuestFault where it takes #GP."""
        self._access(Wrmsr(msr, value, vcpu))

    def rdtsc(self, vcpu: int = 0) -> int:
        """RDTSC."""
        return self._value(Rdtsc(vcpu))

    def rdtscp(self, vcpu: int = 0) -> tuple[int, int]:
        """RDTSCP: the TSC, and the 32 bits of IA32_TSC_AUX."""
        return self._value(Rdtsc(vcpu, aux=True)), self.machine.board.vcpus[vcpu].state.aux

    def cpuid(self, leaf: int, subleaf: int = 0, vcpu: int = 0) -> Registers:
        """CPUID: EAX, EBX, ECX, EDX."""
        self._access(Cpuid(leaf, subleaf, vcpu))
        return self.machine.cpuid(leaf, subleaf, vcpu)

    # -- interrupts

    def irq(self, line: int, level: int) -> None:
        """Pull an ISA line (or an I/O APIC pin, from 16 on) up by hand, or let it go."""
        self._access(Irq(line, level))

    def nmi(self, what: str) -> None:
        """Pull IOCHK# (`iochk`) or SERR# (`serr`), which port 61h turns into an NMI."""
        self._access(Nmi(what))

    def inta(self, vcpu: int = 0) -> int | None:
        """A vCPU takes the interrupt that waits for it: its vector, or None where none is asserted."""
        return self._access(Inta(vcpu))

    def eoi(self, vcpu: int = 0) -> None:
        """The handler ends that a vCPU runs."""
        self._access(Eoi(vcpu))

    def sti(self, vcpu: int = 0) -> None:
        """Set RFLAGS.IF: the vCPU takes interrupts, if the guest model does."""
        self._access(Interrupts(True, vcpu))

    def cli(self, vcpu: int = 0) -> None:
        """Clear RFLAGS.IF."""
        self._access(Interrupts(False, vcpu))

    def reset(self) -> None:
        """A hardware reset."""
        self._access(Reset())
