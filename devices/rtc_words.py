"""What an access to the RTC did, in words: the effect first. Made from what could be seen before and after it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from timerlab.devices.rtc_regs import DV_SHORT
from timerlab.text import hexa, plural, stamp

Seen = Mapping[str, Any]

_NAMES = (
    "seconds",
    "seconds alarm",
    "minutes",
    "minutes alarm",
    "hours",
    "hours alarm",
    "day of week",
    "date",
    "month",
    "year",
    "register A",
    "register B",
    "register C",
    "register D",
)
_PEEKS = {0: "seconds", 2: "minutes", 4: "hours", 6: "dow", 7: "date", 8: "month", 9: "year"}
_ALARMS = {1: "seconds_alarm", 3: "minutes_alarm", 5: "hours_alarm"}
_B_BITS = (("SET", 7), ("PIE", 6), ("AIE", 5), ("UIE", 4), ("SQWE", 3), ("DM", 2), ("24/12", 1), ("DSE", 0))
_C_BITS = (("IRQF", 7), ("PF", 6), ("AF", 5), ("UF", 4))


def place(index: int) -> str:
    """What stands at an index, in words: `seconds`, `register B`, `century 32h`, `RAM 10h`."""
    if index < len(_NAMES):
        return _NAMES[index]
    return "century 32h" if index == 0x32 else f"RAM {hexa(index, 2)}"


def wrote(address: int, value: int, before: Seen, after: Seen) -> str:
    """The effect of a byte written to port `address`."""
    if address == 0x70:
        said = f"71h reaches {place(value & 0x7F)}"
        if before["rtc.nmi_mask"] != after["rtc.nmi_mask"]:
            said += ", NMI masked" if after["rtc.nmi_mask"] else ", NMI on"
        return said
    if address == 0x72:
        return f"73h reaches byte {hexa(value & 0x7F, 2)} of the second bank"
    if address == 0x73:
        return f"{hexa(value, 2)} → second bank"
    index = before["rtc.index"]
    parts = _wrote(index, value, before, after) + _pins(before, after)
    return ", ".join(part for part in parts if part)


def _wrote(index: int, value: int, before: Seen, after: Seen) -> list[str]:
    if index == 10:
        return _wrote_a(before, after)
    if index == 11:
        changed = []
        for name, bit in _B_BITS:
            old, new = before["rtc.b"] >> bit & 1, after["rtc.b"] >> bit & 1
            if old != new:
                changed.append(f"{name} {'set' if new else 'clear'}")
        if value & 0x80 and value & 0x10:
            changed.append("UIE stays clear with SET")
        return changed or ["no bit changes"]
    if index in (12, 13):
        return [f"{place(index)} cannot be written"]
    if index in _ALARMS:
        if after["rtc." + _ALARMS[index]] != value:
            return ["ignored, an update is under way"]
        when = after["rtc.next_alarm"]
        said = f"{place(index)} any" if value >= 0xC0 else f"{place(index)} {hexa(value, 2)}"
        return [said, "next match " + (f"at {stamp(when)} s" if when is not None else "never")]
    if index in _PEEKS:
        kept = after["rtc." + _PEEKS[index]]
        if kept == before["rtc." + _PEEKS[index]] != value & (0x7F if not index else 0xFF):
            return ["ignored, an update is under way"]
        clock = after["rtc.clock"]
        return [
            f"{place(index)} {hexa(kept, 2)}",
            f"it is {clock.replace('T', ' ')}" if clock else "the bytes are no time",
        ]
    return [f"{hexa(value, 2)} → {place(index)}"]


def _wrote_a(before: Seen, after: Seen) -> list[str]:
    old, new = before["rtc.a"] >> 4 & 7, after["rtc.a"] >> 4 & 7
    parts = []
    if before["rtc.rate"] != after["rtc.rate"]:
        rate = after["rtc.rate"]
        parts.append(f"rate {rate} Hz" if rate else "no rate")
    if DV_SHORT[old] != DV_SHORT[new]:
        if new >= 6:
            parts.append("divider held at zero, updates stop")
        elif 3 <= new <= 5:
            parts.append("divider stands, test mode")
        elif old >= 3:
            due = after["rtc.next_update"]
            parts.append("divider runs" + (f", next second at {stamp(due)} s" if due is not None else ""))
        else:
            parts.append(f"time base {DV_SHORT[new]}")
    return parts or ["no bit changes"]


def _pins(before: Seen, after: Seen) -> list[str]:
    if before["rtc.irqf"] == after["rtc.irqf"]:
        return []
    return ["IRQ8 rises" if after["rtc.irqf"] else "IRQ8 falls"]


def read(address: int, value: int, before: Seen) -> str:
    """What a byte read from port `address` is."""
    if address in (0x70, 0x72):
        return f"{address:X}h cannot be read, the bus floats" if value == 0xFF else "the index written last"
    if address == 0x73:
        return "byte of the second bank"
    index = before["rtc.index"]
    if index == 10:
        uip = "UIP" if value >> 7 else "uip"
        rate = before["rtc.rate"]
        return f"reg A: {uip}  {DV_SHORT[value >> 4 & 7]}, {f'{rate} Hz' if rate else 'no rate'}"
    if index == 11:
        return "reg B: " + " ".join(name if value >> bit & 1 else name.lower() for name, bit in _B_BITS)
    if index == 12:
        return _read_c(value, before)
    if index == 13:
        return "reg D: VRT" if value >> 7 else "reg D: vrt, the battery failed; set by this read"
    if index in _PEEKS and before["rtc." + _PEEKS[index]] != value:
        return "an update is under way"
    clock = before["rtc.clock"] if index in _PEEKS else None
    near = ", UIP: it may be about to change" if index in _PEEKS and before["rtc.uip"] else ""
    return place(index) + (f" of {clock.replace('T', ' ')}" if clock else "") + near


def _read_c(value: int, before: Seen) -> str:
    said = "reg C: " + (" ".join(name for name, bit in _C_BITS if value >> bit & 1) or "no flag")
    if value:
        said += ", cleared by this read"
    if value >> 7:
        said += ", IRQ8 falls"
    lost = before["rtc.coalesced"]
    return said + (f", {plural(lost, 'event')} lost" if lost else "")
