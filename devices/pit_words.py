"""What an access to the 8254 did, in words: the effect first, then the value."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from timerlab.devices.pit_regs import COMMAND, RW_SHORT, STATUS, command_kind
from timerlab.text import count, hexa

Seen = Mapping[str, Any]


def number(code: int, bcd: int) -> str:
    """A count as decimal and hex: `1193  04A9h`; BCD shows its digits only."""
    if bcd:
        return f"{code:04X} BCD"
    return f"{count(code)}  {hexa(code, 4)}"


def wrote(address: int, value: int, before: Seen, after: Seen) -> str:
    """The effect of a byte that was just written to 40h to 43h."""
    if address == COMMAND.address:
        return _command(value, before, after)
    return _data(address & 3, value, before, after) + pins(before, after, comma=True)


def read(address: int, value: int, before: Seen) -> str:
    """What a byte is that was just read from 40h to 43h."""
    if address == COMMAND.address:
        return "43h cannot be read, the bus floats" if value else "43h cannot be read"
    ch = address & 3
    put = f"pit.ch{ch}."
    if before[put + "status"] is not None:
        return f"status ch {ch}: " + status_words(STATUS, value)
    byte = {"lo": "low byte", "hi": "high byte"}[before[put + "rd"]]
    if before[put + "ol"] is not None:
        return f"{byte} of the latched count of ch {ch}, {number(before[put + 'ol'], before[put + 'bcd'])}"
    return f"{byte} of the running count of ch {ch}, {number(before[put + 'ce'], before[put + 'bcd'])}"


def status_words(fields: tuple[Any, ...], value: int) -> str:
    """A status byte in words."""
    names = " ".join(f.name if f.of(value) else f.name.lower() for f in fields if f.width == 1 and f.name != "BCD")
    rest = [f.brief(value) for f in fields if f.width > 1 or f.name == "BCD"]
    return f"{names}  {', '.join(part for part in rest if part)}"


def pins(before: Seen, after: Seen, comma: bool = False) -> str:
    """The pins that moved."""
    moved = []
    for ch in range(3):
        name = f"pit.ch{ch}.out"
        if before[name] != after[name]:
            moved.append(f"OUT{ch} goes {'high' if after[name] else 'low'}")
    if before["irq.0.edges"] != after["irq.0.edges"]:
        moved.append("IRQ0 rises")
    return (", " if comma and moved else "") + ", ".join(moved)


def _command(value: int, before: Seen, after: Seen) -> str:
    kind = command_kind(value)
    if kind == 0:
        ch = value >> 6
        rw = value >> 4 & 3
        due = f"4{ch}h wants {'two bytes' if rw == 3 else 'one byte'}"
        moved = pins(before, after)
        head = f"ch {ch} mode {value >> 1 & 7}, {RW_SHORT[rw]}" + (", BCD" if value & 1 else "")
        stops = "" if after[f"pit.ch{ch}.loaded"] or not before[f"pit.ch{ch}.loaded"] else "the count stops"
        null = "NULL is set" if after[f"pit.ch{ch}.null"] and not before[f"pit.ch{ch}.null"] else ""
        return "; ".join([head, ", ".join(part for part in (moved, null, stops, due) if part)])
    chosen = [value >> 6] if kind == 1 else [ch for ch in range(3) if value & 2 << ch]
    latched = []
    if kind == 1 or not value & 0x20:
        latched += [_latched(ch, before, after) for ch in chosen]
    if kind == 2 and not value & 0x10:
        latched += [_status(ch, before, after) for ch in chosen]
    return "; ".join(latched) or "read-back that latches nothing"


def _latched(ch: int, before: Seen, after: Seen) -> str:
    put = f"pit.ch{ch}."
    held, ol = before[put + "ol"], after[put + "ol"]
    if held is not None:
        return f"latch ch {ch} ignored, {number(held, after[put + 'bcd'])} is held already"
    if ol is None:
        why = "no control word yet" if after[put + "mode"] is None else "a word is half read"
        return f"latch ch {ch} ignored, {why}"
    reads = "two reads" if after[put + "ol_left"] == 2 else "one read"
    if after[put + "bcd"]:
        return f"latch ch {ch} = {ol:04X} BCD, held until {reads} of 4{ch}h"
    return f"latch ch {ch} = {count(ol)}   {hexa(ol, 4)}, held until {reads} of 4{ch}h"


def _status(ch: int, before: Seen, after: Seen) -> str:
    put = f"pit.ch{ch}."
    if before[put + "status"] is not None:
        return f"status ch {ch} ignored, {hexa(before[put + 'status'], 2)} is held already"
    return f"status ch {ch} = {hexa(after[put + 'status'], 2)}, held until a read of 4{ch}h"


def _data(ch: int, value: int, before: Seen, after: Seen) -> str:
    put = f"pit.ch{ch}."
    byte = hexa(value, 2)
    if before[put + "mode"] is None:
        return f"ch {ch} has no control word yet, {byte} goes nowhere"
    if before[put + "rw"] == 3 and before[put + "wr"] == "lo":
        held = "; the count stops" if before[put + "kind"] == 0 and before[put + "loaded"] else ""
        return f"{byte} → ch {ch}, low byte; high byte due next{held}"
    cr, bcd = after[put + "cr"], after[put + "bcd"]
    most = (" (10 000)" if bcd else " (65 536)") if not cr else ""
    return f"ch {ch} count {number(cr, bcd)}{most} {_loads(put, before, after)}"


def _loads(put: str, before: Seen, after: Seen) -> str:
    if not after[put + "null"]:
        return "is loaded"
    kind = after[put + "kind"]
    if kind in (1, 5):
        return "waits for GATE to rise"
    if kind in (2, 3) and after[put + "loaded"]:
        if not after[put + "gate"]:
            return "waits for GATE to rise"
        return "waits for the end of this period" if kind == 2 else "waits for the end of this half"
    return "loads on the next clock"
