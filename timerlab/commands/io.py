"""`outb outw outl inb inw inl`: port accesses, and `reset`."""

from __future__ import annotations

from abc import abstractmethod
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from timerlab.bus import WIDTHS, check_access
from timerlab.command import Entry, Instant, Result
from timerlab.commands.verb import PortType, ValueType, verb
from timerlab.devices.words import Seen, read_words, wrote_words
from timerlab.errors import GuestFault
from timerlab.machine import Machine
from timerlab.text import hexa

if TYPE_CHECKING:
    from timerlab.session import Session


def port_text(port: int) -> str:
    """A port as it is typed: `43h`, `4d0h`."""
    return f"{port:02x}h"


class Access(Instant):
    """One access to the machine: what a program, a script and the prompt have in common."""

    def check(self, machine: Machine) -> None:
        """ValueError where an argument is out of range."""

    @abstractmethod
    def apply(self, machine: Machine) -> int | None:
        """Carry it out; the value that it gives, or None. GuestFault where hardware faults."""

    @abstractmethod
    def words(self, machine: Machine, value: int | None, before: Seen) -> str:
        """What it did: `before` is all that could be seen then."""

    def run(self, session: Session) -> Result:
        machine = session.machine
        before = machine.peeks()
        try:
            value = self.apply(machine)
        except GuestFault as fault:
            return Result(text=str(fault), fault=fault.name)
        except ValueError as error:  # only where it is tried: a session checks first
            return Result(text=str(error), ok=False)
        return Result(value, self.words(machine, value, before))

    def redo(self, machine: Machine, entry: Entry, until: int) -> None:
        with suppress(GuestFault):
            self.apply(machine)


class Tried(Access):
    """An access that hangs on the machine's state whether it makes sense. It is tried on a copy first, so that what is
    refused has changed nothing.
    """

    def check(self, machine: Machine) -> None:
        with suppress(GuestFault):
            self.apply(machine.ahead(machine.now))


@dataclass(frozen=True, slots=True)
class Out(Access):
    """A write of `width` bits to a port."""

    port: int
    value: int
    width: int = 8

    def text(self) -> str:
        return f"out{WIDTHS[self.width]} {port_text(self.port)} {self.value:0{self.width // 4}x}h"

    def check(self, machine: Machine) -> None:
        check_access(self.port, self.width, self.value)

    def apply(self, machine: Machine) -> None:
        machine.write(self.port, self.value, self.width)

    def words(self, machine: Machine, value: int | None, before: Seen) -> str:
        return wrote_words(machine, self.port, self.value, self.width, before, machine.peeks())


@dataclass(frozen=True, slots=True)
class In(Access):
    """A read of `width` bits from a port."""

    port: int
    width: int = 8

    def text(self) -> str:
        return f"in{WIDTHS[self.width]} {port_text(self.port)}"

    def check(self, machine: Machine) -> None:
        check_access(self.port, self.width)

    def apply(self, machine: Machine) -> int:
        return machine.read(self.port, self.width)

    def words(self, machine: Machine, value: int | None, before: Seen) -> str:
        assert value is not None
        words = read_words(machine, self.port, value, self.width, before)
        return f"{hexa(value, self.width // 4)}  {words}".rstrip()


@dataclass(frozen=True, slots=True)
class Reset(Access):
    """A hardware reset."""

    def text(self) -> str:
        return "reset"

    def apply(self, machine: Machine) -> None:
        machine.reset()

    def words(self, machine: Machine, value: int | None, before: Seen) -> str:
        return "all chips at power-on; time, log and edge counts go on"


@verb("outb PORT VALUE", examples=("outb 43h 36h", "outb pit.ch0 a9h"), completes=("port", "value"))
@click.argument("port", type=PortType())
@click.argument("value", type=ValueType(8))
def outb(port: int, value: int) -> Out:
    """Write a byte to a port."""
    return Out(port, value, 8)


@verb("outw PORT VALUE", examples=("outw 40h 04a9h",), completes=("port", "value"))
@click.argument("port", type=PortType())
@click.argument("value", type=ValueType(16))
def outw(port: int, value: int) -> Out:
    """Write a word: its low byte to the port, its high byte to the next one, as the 8-bit bus does."""
    return Out(port, value, 16)


@verb("outl PORT VALUE", examples=("outl 40h 0",), completes=("port", "value"))
@click.argument("port", type=PortType())
@click.argument("value", type=ValueType(32))
def outl(port: int, value: int) -> Out:
    """Write a long: four bytes to four ascending ports."""
    return Out(port, value, 32)


@verb("inb PORT", examples=("inb 40h", "inb port61"), completes=("port",))
@click.argument("port", type=PortType())
def inb(port: int) -> In:
    """Read a byte from a port. Reads have side effects: they drain latches and turn flip-flops."""
    return In(port, 8)


@verb("inw PORT", examples=("inw 40h",), completes=("port",))
@click.argument("port", type=PortType())
def inw(port: int) -> In:
    """Read a word: the low byte from the port, the high byte from the next one."""
    return In(port, 16)


@verb("inl PORT", examples=("inl 40h",), completes=("port",))
@click.argument("port", type=PortType())
def inl(port: int) -> In:
    """Read a long: four bytes from four ascending ports."""
    return In(port, 32)


@verb("reset", examples=("reset",))
def reset() -> Reset:
    """Put all chips to power-on, as the reset line does. Time, the log and the edge counters go on."""
    return Reset()
