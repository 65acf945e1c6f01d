"""What an access to the 8259 pair did, in words. Made from what could be seen before and after it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from timerlab.devices.pic_regs import COMMANDS, ELCR_MASTER, ELCR_SLAVE, command_kind
from timerlab.text import hexa

Seen = Mapping[str, Any]

_EOIS = (1, 3, 5, 7)


def wrote(address: int, value: int, before: Seen, after: Seen) -> str:
    """The effect of a byte that was just written to 20h, 21h, A0h, A1h, 4D0h or 4D1h."""
    if address >= 0x4D0:
        return _elcr(address, value, before, after)
    put, first = _chip(address)
    if address & 1:
        return _data(put, first, value, before) + _output(before, after)
    kind = command_kind(value)
    if kind == 0:
        said = _icw1(address, value)
    elif kind == 1:
        said = _ocw2(put, first, value, before, after)
    else:
        said = _ocw3(put, value, before, after)
    return said + _output(before, after)


def read(address: int, value: int, before: Seen) -> str:
    """What a byte is that was just read."""
    if address >= 0x4D0:
        if value == 0xFF:
            return "no ELCR, the bus floats"
        return f"level-triggered: {levels(value, 8 * (address & 1))}"
    put, first = _chip(address)
    if before[put + "poll"]:
        if not value & 0x80:
            return "poll: nothing asks for service"
        return f"poll: IRQ{first + (value & 7)} asks, and is in service now"
    if address & 1:
        return f"IMR, masked: {levels(value, first)}"
    if before[put + "read"] == "isr":
        return f"ISR, in service: {levels(value, first)}"
    return f"IRR, requests: {levels(value, first)}"


def levels(bits: int, first: int) -> str:
    """The IRQs of a bit map: `IRQ0 IRQ4`, or `none`, or `all`."""
    if bits == 0xFF:
        return "all"
    return " ".join(f"IRQ{first + i}" for i in range(8) if bits >> i & 1) or "none"


def _chip(address: int) -> tuple[str, int]:
    return ("pic.slave.", 8) if address & 0x80 else ("pic.master.", 0)


def _output(before: Seen, after: Seen) -> str:
    """INT, where it moved."""
    old, new = before["pic.master.intr"], after["pic.master.intr"]
    if old == new:
        return ""
    if not new:
        return ", INT falls"
    highest = after["pic.highest"]
    return ", INT rises" + ("" if highest is None else f" for IRQ{highest}")


def _icw1(address: int, value: int) -> str:
    words = ["ICW2"] + ([] if value & 2 else ["ICW3"]) + (["ICW4"] if value & 1 else [])
    return f"ICW1: masks and edge latches clear, {address + 1:X}h wants {', '.join(words)}"


def _data(put: str, first: int, value: int, before: Seen) -> str:
    due = before[put + "init"]
    if due == "icw2":
        base = value & 0xF8
        return f"ICW2: IRQ{first} to IRQ{first + 7} at vectors {hexa(base, 2)} to {hexa(base + 7, 2)}"
    if due == "icw3":
        return "ICW3: taken, the cascade is wired to IR2"
    if due == "icw4":
        return "ICW4: " + " ".join(
            name if value & bit else name.lower() for name, bit in (("SFNM", 16), ("AEOI", 2), ("UPM", 1))
        )
    old = before[put + "imr"]
    parts = []
    if value & ~old:
        parts.append(f"{levels(value & ~old, first)} masked")
    if old & ~value:
        parts.append(f"{levels(old & ~value, first)} unmasked")
    return ", ".join(parts) or "no mask changes"


def _ocw2(put: str, first: int, value: int, before: Seen, after: Seen) -> str:
    command = value >> 5
    said = COMMANDS[command]
    if command in _EOIS:
        ended = before[put + "isr"] & ~after[put + "isr"]
        said += f": {levels(ended, first)} ends" if ended else ": no ISR bit to clear"
    if before[put + "lowest"] != after[put + "lowest"]:
        said += f", IRQ{first + after[put + 'lowest']} is lowest now"
    return said


def _ocw3(put: str, value: int, before: Seen, after: Seen) -> str:
    parts = []
    if value & 4:
        parts.append("the next read is a poll")
    if value & 2:
        parts.append(f"reads give {after[put + 'read'].upper()}")
    if value & 0x40:
        parts.append("special mask " + ("on" if after[put + "smm"] else "off"))
    return ", ".join(parts) or "OCW3 that changes nothing"


def _elcr(address: int, value: int, before: Seen, after: Seen) -> str:
    slave = address & 1
    name = f"pic.elcr{slave + 1}"
    if before[name] == 0xFF:
        return "no ELCR, nothing answers"
    refused = value & ~(ELCR_SLAVE if slave else ELCR_MASTER)
    said = f"level-triggered: {levels(after[name], 8 * slave)}"
    if refused:
        said += f"; always edge: {levels(refused, 8 * slave)}"
    return said + _output(before, after)
