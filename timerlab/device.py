"""What a chip is to the engine.

A chip's whole state is one slots dataclass of ints, bools, enums and tuples (its parts may be such dataclasses too).
It is brought to the present by `sync`, in closed form, and puts on its lines what happened meanwhile. Everything
that only looks works on a copy.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

from timerlab.regs import Peek, Reg

State = tuple[Any, ...]
"""A chip's state as plain data."""


class Device(ABC):
    """A chip, whatever way it is reached.

    `now` is always a virtual time in ns, and never earlier than in the call before.
    """

    name: ClassVar[str]
    regs: ClassVar[tuple[Reg, ...]] = ()
    peeks: ClassVar[Mapping[str, Peek]] = {}
    """What each name that `peek` gives means."""

    @abstractmethod
    def sync(self, now: int) -> None:
        """Bring the chip to `now`, and its edges onto its lines."""

    @abstractmethod
    def next_event(self, now: int) -> Iterator[tuple[int, str]]:
        """For each line that the chip drives, the ns of its next edge after `now` and the line's name."""

    @abstractmethod
    def reset(self, now: int) -> None:
        """Hardware reset: to the power-on state, at `now`."""

    @abstractmethod
    def peek(self, now: int) -> dict[str, Any]:
        """Everything that can be seen of the chip at `now`, by name; nothing is stored."""

    @abstractmethod
    def snapshot(self) -> State:
        """The state as plain data."""

    @abstractmethod
    def restore(self, state: State) -> None:
        """Take back a state that `snapshot` gave."""


class PortDevice(Device):
    """A chip that answers at I/O ports, a byte at a time as ISA has it."""

    @abstractmethod
    def read(self, port: int, now: int) -> int:
        """The byte that a read of `port` gives, with all that a read does to the chip; it has been synced to `now`."""

    @abstractmethod
    def write(self, port: int, value: int, now: int) -> None:
        """Take a byte written to `port`; the chip has been synced to `now`."""


class WidePortDevice(Device):
    """A chip that answers at I/O ports in one access, whatever its width: a PCI or ACPI block."""

    @abstractmethod
    def read_wide(self, port: int, width: int, now: int) -> int:
        """What a read of `width` bits (8, 16, 32) from `port` on gives."""

    @abstractmethod
    def write_wide(self, port: int, value: int, width: int, now: int) -> None:
        """Take a value of `width` bits written to `port` and those after it."""


class MemoryDevice(Device):
    """A chip that answers in memory. An access is one access, whatever its width."""

    @abstractmethod
    def load(self, offset: int, width: int, now: int) -> int:
        """What a read of `width` bits (8, 16, 32, 64) at `offset` from the chip's base gives, with its side effects;
        the chip has been synced to `now`. A width or alignment that the chip does not take gives what its document
        says.
        """

    @abstractmethod
    def store(self, offset: int, value: int, width: int, now: int) -> None:
        """Take a value of `width` bits written at `offset`; the chip has been synced to `now`."""
