"""What an access to the I/O APIC did, in words. Made from what could be seen before and after it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from timerlab.devices.ioapic_regs import ARB, BASE, DELIVERY_SHORT, EOI, ID, PINS, SEL, TABLE, VER, WIN
from timerlab.text import count, hexa

Seen = Mapping[str, Any]

_KEPT, _DEST = 0x1_AFFF, 0xFF00_0000
"""Bits of an entry's halves that a write sets."""
_NARROW = "IOWIN takes and gives 32 bits at once"
_MASK, _LEVEL, _REMOTE_IRR = 1 << 16, 1 << 15, 1 << 14


def wrote(address: int, value: int, before: Seen, after: Seen) -> str:
    """The effect of a value that was just written, by its address."""
    offset = address - BASE
    if offset == SEL:
        return f"IOWIN is {place(after['ioapic.sel'])} now"
    if offset == EOI:
        return _eoi(value & 0xFF, before, after)
    if offset != WIN:
        return "no register there"
    index = before["ioapic.sel"]
    pin = _pin(index)
    if pin is not None:
        old, new = before[f"ioapic.rte{pin}"], after[f"ioapic.rte{pin}"]
        if (after["ioapic.win"] ^ value) & (_DEST if index & 1 else _KEPT):
            return _NARROW
        return f"pin {pin}: {entry(new)}{_irr(old, new)}"
    if index == ID:
        return f"I/O APIC ID {count(after['ioapic.id'] >> 24)}"
    return f"{place(index)} cannot be written"


def read(address: int, value: int, before: Seen) -> str:
    """What a value is that was just read, by its address."""
    offset = address - BASE
    if offset == SEL:
        return f"index of {place(value)}"
    if offset != WIN:
        return "the EOI register cannot be read" if offset == EOI else "no register there"
    if value != before["ioapic.win"]:
        return _NARROW
    index = before["ioapic.sel"]
    pin = _pin(index)
    if pin is not None:
        return f"pin {pin}, {'high' if index & 1 else 'low'} half: {entry(before[f'ioapic.rte{pin}'])}"
    if index in (ID, ARB):
        return f"{place(index)} {count(value >> 24)}"
    if index == VER:
        return f"version {hexa(value & 0xFF, 2)}, {count((value >> 16 & 0xFF) + 1)} pins"
    return f"{place(index)}"


def place(index: int) -> str:
    """What stands at an index."""
    pin = _pin(index)
    if pin is not None:
        return f"the {'high' if index & 1 else 'low'} half of pin {pin}"
    return {ID: "the ID", VER: "the version", ARB: "the arbitration ID"}.get(index, f"index {hexa(index, 2)}, empty")


def entry(value: int) -> str:
    """A redirection entry in words: `vector 30h, fixed, edge, to APIC 0, MASKED`."""
    delivery = value >> 8 & 7
    parts = [f"vector {hexa(value & 0xFF, 2)}"] if delivery < 2 else []
    parts.append(DELIVERY_SHORT[delivery])
    parts.append("level" if value & _LEVEL else "edge")
    dest = value >> 56
    parts.append(f"to mask {hexa(dest, 2)}" if value & 0x800 else "to all" if dest == 0xFF else f"to APIC {dest}")
    if value & _REMOTE_IRR:
        parts.append("RIRR")
    parts.append("MASKED" if value & _MASK else "open")
    return ", ".join(parts)


def _pin(index: int) -> int | None:
    return (index - TABLE) >> 1 if TABLE <= index < TABLE + 2 * PINS else None


def _irr(old: int, new: int) -> str:
    """What became of remote IRR."""
    if old & _REMOTE_IRR and not new & _REMOTE_IRR:
        return "; remote IRR cleared"
    return "; sent, EOI awaited" if new & _REMOTE_IRR and not old & _REMOTE_IRR else ""


def _eoi(vector: int, before: Seen, after: Seen) -> str:
    """Which entries a write to the EOI register ended."""
    if before["ioapic.ver"] & 0xFF < 0x20:
        return "no EOI register in this version"
    waiting = [pin for pin in range(PINS) if before[f"ioapic.rte{pin}"] & _REMOTE_IRR]
    hit = [pin for pin in waiting if before[f"ioapic.rte{pin}"] & 0xFF == vector]
    if not hit:
        return f"EOI of vector {hexa(vector, 2)}, no pin waits for it"
    again = [pin for pin in hit if after[f"ioapic.rte{pin}"] & _REMOTE_IRR]
    ended = f"EOI of vector {hexa(vector, 2)}: {_pins(hit)} end{'s' if len(hit) == 1 else ''}"
    return ended + (f", {_pins(again)} sent again" if again else "")


def _pins(pins: list[int]) -> str:
    return ("pin " if len(pins) == 1 else "pins ") + ", ".join(str(pin) for pin in pins)
