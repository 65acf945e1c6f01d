"""Interrupt messages, and what becomes of a request: the words that the controllers have in common.

Source: Intel SDM 3A, Advanced Programmable Interrupt Controller: Message Signalled Interrupts, Local Vector Table;
Intel 82093AA datasheet, I/O Redirection Table.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, IntEnum


class Delivery(IntEnum):
    """Delivery modes, as in bits 10:8 of a redirection entry, an LVT entry or the ICR."""

    FIXED = 0
    LOWEST = 1
    SMI = 2
    RESERVED = 3
    NMI = 4
    INIT = 5
    STARTUP = 6
    EXTINT = 7


class Outcome(Enum):
    """What became of a request at the place that it reached."""

    NEW = "new"
    """A request bit that was clear is set now, or an NMI, SMI, INIT was taken: the CPU will hear of it."""
    MERGED = "merged"
    """The request bit was set already: two become one."""
    HELD = "held"
    """It is remembered where it is and goes on later: latched behind a mask (8259), or a level that waits."""
    LOST = "lost"
    """Masked, dropped or addressed to nobody: nothing remembers it."""


@dataclass(frozen=True, slots=True)
class Message:
    """A message to the local APICs: from an I/O APIC pin, another local APIC, or a write to FEExxxxxh.

    `dest` is an APIC ID, or a logical mask where `logical`; `broadcast` is a destination of all ones.
    """

    dest: int
    logical: bool
    delivery: Delivery
    vector: int
    level: bool = False
    source: str = ""
    """Who sent it, by the name of the line or the APIC: for the counts, not for the hardware."""

    @classmethod
    def msi(cls, address: int, data: int, source: str) -> Message:
        """The message that a write of `data` to FEExxxxxh is (SDM 3A, Message Address and Data Register Formats)."""
        return cls(
            address >> 12 & 0xFF,
            bool(address & 4),
            Delivery(data >> 8 & 7),
            data & 0xFF,
            bool(data & 0x8000),
            source,
        )
