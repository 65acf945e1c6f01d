"""The rows of guest memory: a paravirtual structure field by field, the arithmetic that a guest does with it, the other
structures in a row each, and the bytes of every page that was written.

Source of the arithmetic: Linux arch/x86/include/asm/pvclock.h, pvclock_scale_delta.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from fractions import Fraction
from functools import lru_cache

from timerlab.text import count, decimal, duration, hexa, moment
from timerlab.views.frame import Frame
from timerlab.views.guest_memory_forms import FORMS, PAGE, Field, Structure, bytes_of
from timerlab.views.marks import strongest
from timerlab.views.rows import Row, Span, clip, numbers, pad, put, width_of

__all__ = ["MIDDLE", "WIDE", "dump", "fields_of", "has_page", "page", "summary"]

WIDE, MIDDLE, NARROW = 100, 78, 64
"""Widths from which on a column says what a value means; from which on a structure has a row a field; from which on it
has, where there are rows for all of them.
"""
_PAGE_ROWS = 12
"""Rows of the longest structure with its arithmetic."""
_NS = 10**9
_WORD = 1 << 64


def has_page(width: int, height: int) -> bool:
    """Whether a structure has a row a field, in so many cells."""
    return width >= MIDDLE or (width >= NARROW and height >= _PAGE_ROWS)


def _place(one: Structure, at: int) -> str:
    """The address of a field, in seven cells: its last digits where it has more."""
    address = one.address + at
    return f"{address:04X}h" if address < 1 << 24 else f"…{address & 0xFFFF:04X}h"


def _names(one: Structure, field: Field) -> str:
    """The value's full name."""
    return f"pv{'' if one.kind == 'wall' else one.vcpu}.{field.peek}" if field.peek else ""


def fields_of(one: Structure, width: int) -> list[Field]:
    """The fields that have a row: paddings only where there is room."""
    return [field for field in FORMS[one.kind].fields if width >= WIDE or not field.name.startswith("pad")]


# -- one structure


def page(frame: Frame, one: Structure, width: int) -> list[Row]:
    """A structure: the names of the columns, a row a field, a blank one, the arithmetic."""
    data = bytes_of(frame.memory(), one.address, FORMS[one.kind].size)
    at = 43 if width >= WIDE else 36 if width >= MIDDLE else 34
    end = 89 if width >= WIDE else width
    head = f"{'address':<10}{'bytes, low first':<{at - 10}}{'field':<{end - at - 5}}value"
    table: list[Row] = [pad(((head + ("   meaning" if width >= WIDE else ""), "label"),), width)]
    for field in fields_of(one, width):
        mark = strongest(frame.marks, _names(one, field)) if field.peek else " "
        raw = data[field.at : field.at + field.size]
        value = int.from_bytes(raw, "little", signed=field.form == "shift")
        table.append(pad(_field(one, field, raw, value, mark, width, at, end), width))
    return [*table, (), *(clip(row, width) for row in _arithmetic(frame, one, data, width))]


@lru_cache(512)
def _field(one: Structure, field: Field, raw: bytes, value: int, mark: str, width: int, at: int, end: int) -> Row:
    """One field."""
    unused = field.name.startswith("pad")
    row: Row = ((_place(one, field.at), "absent" if unused else "label"),)
    row = put(row, 8, ((mark, "changed"), (" " + raw.hex(" ").upper(), "absent" if unused else "text")))
    row = put(row, at, ((field.name, "absent" if unused else "strong"),))
    if unused:
        return row
    shown, means = _told(field, value)
    if width < WIDE and field.form in ("stable", "preempted", "date"):
        shown, means = means, ()
    row = put(row, end - sum(len(text) for text, _ in shown), shown)
    return (*pad(row, end), ("   ", "text"), *clip(means, width - end - 3)) if width >= WIDE else row


def _told(field: Field, value: int) -> tuple[Row, Row]:
    """A value, and what it means."""
    means: Row = ((field.about, "label"),)
    match field.form:
        case "version":
            odd = value & 1
            words = "odd: update under way" if odd else "even: may be read"
            return ((count(value), "attention" if odd else "text"),), ((words, "attention" if odd else "label"),)
        case "ns":
            return ((f"{count(value)} ns", "text"),), means
        case "mul":
            return numbers(hexa(value, 8)), ((f"{decimal(Fraction(value, 1 << 32), 9)} × 2^32", "label"),)
        case "shift":
            words = "the delta as it is" if not value else f"shift the delta {'left' if value > 0 else 'right'} first"
            return ((count(value), "text"),), (("halve the delta first" if value == -1 else words, "label"),)
        case "stable":
            return numbers(hexa(value, 2)), _flags(value)
        case "preempted":
            return numbers(hexa(value, 2)), _preempted(value)
        case "hex":
            return numbers(hexa(value, 2 * field.size)), means
        case "date":
            return ((count(value), "text"),), ((_date(value), "label"),)
    return ((count(value), "text"),), means


def _flags(value: int) -> Row:
    """The flags of a time page."""
    stable = ("STABLE", "strong") if value & 1 else ("stable", "label")
    stopped = ("STOPPED", "attention") if value & 2 else ("stopped", "label")
    return (stable, (" ", "text"), stopped)


def _preempted(value: int) -> Row:
    """The preempted byte."""
    row: Row = (("░ PREEMPTED", "attention"),) if value & 1 else (("preempted", "label"),)
    return (*row, (" FLUSH_TLB", "strong")) if value & 2 else row


@lru_cache(64)
def _date(seconds: int) -> str:
    """A moment of CLOCK_REALTIME."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S")


def _arithmetic(frame: Frame, one: Structure, data: bytes, width: int) -> list[Row]:
    """What a guest makes of a structure, with the numbers of now."""
    make = {"time": _clock, "wall": _wall, "steal": _stolen, "apf": _faults}.get(one.kind)
    return make(frame, one, data, width) if make else []


def _clock(frame: Frame, one: Structure, data: bytes, width: int) -> list[Row]:
    """time = system_time + ((TSC − tsc_timestamp) shifted × mul >> 32)."""
    stamp, system = int.from_bytes(data[8:16], "little"), int.from_bytes(data[16:24], "little")
    mul, shift = int.from_bytes(data[24:28], "little"), int.from_bytes(data[28:29], "little", signed=True)
    tsc = frame.number(f"vcpu{one.vcpu}.tsc")
    delta = (tsc - stamp) % _WORD
    shifted = (delta << shift) % _WORD if shift >= 0 else delta >> -shift
    ns = (shifted * mul >> 32) % _WORD
    time = (system + ns) % _WORD
    off = time - frame.now
    below = tsc < stamp
    first: Row = (
        ("delta  ", "label"),
        (f"{count(tsc)} − {count(stamp)} = ", "text"),
        (count(delta), "attention" if below else "strong"),
        (" cycles", "label"),
        *((("  the TSC is below the page's", "attention"),) if below else ()),
    )
    halved = f"{'<<' if shift > 0 else '>>'} {abs(shift)} = {count(shifted)}" if shift else ""
    product = (f" × {mul:08X}", "text"), ("h", "label"), (" >> 32 = ", "text"), (f"{count(ns)} ns", "strong")
    said = f"true {'−' if off < 0 else '+'} {duration(abs(off))}" if off else "true"
    last: Row = (
        ("+ system_time = ", "label"),
        (moment(time), "strong"),
        (f"   {said}", "attention" if abs(off) > 1000 else "label"),
    )
    if width >= WIDE:
        begin = (("  ", "text"), *first)
        return [
            (*begin, *((("   " + halved, "text"),) if halved else ())),
            (("  time   ", "label"), (count(shifted), "text"), *product, ("   ", "text"), *last),
        ]
    second: list[Row] = [(("       ", "label"), (halved or count(shifted), "text"), *product)]
    if width_of(second[0]) > width:
        second = [second[0][:2], (("      ", "label"), *product)]
    return [first, *second, (("time   ", "label"), *last)]


def _wall(frame: Frame, one: Structure, data: bytes, width: int) -> list[Row]:
    """Wall time = sec.nsec + kvmclock."""
    ns = int.from_bytes(data[4:8], "little") * _NS + int.from_bytes(data[8:12], "little")
    clocks = (frame.peeks.get(f"pv{v}.kvmclock") for v in range(frame.options.vcpus))
    clock = next((value for value in clocks if isinstance(value, int)), None)
    lead: Span = ("  time   " if width >= WIDE else "time   ", "label")
    if clock is None:
        return [(lead, ("a time page is wanted: kvmclock is added to it", "label"))]
    total = ns + clock
    now = f"{_date(total // _NS % (1 << 32))}.{total % _NS // 1_000_000:03d}"
    return [(lead, (f"+ kvmclock {moment(clock)} = ", "text"), (now, "strong"))]


def _stolen(frame: Frame, one: Structure, data: bytes, width: int) -> list[Row]:
    """What the host has counted, and what of it is told."""
    delay, told = frame.number(f"pv{one.vcpu}.run_delay"), frame.number(f"pv{one.vcpu}.last_steal")
    lead: Span = ("  host   " if width >= WIDE else "host   ", "label")
    return [
        (
            lead,
            ("run_delay ", "label"),
            (duration(delay), "strong"),
            (f", {duration(delay - told)} of it not told yet" if delay > told else ", all of it told", "label"),
        )
    ]


def _faults(frame: Frame, one: Structure, data: bytes, width: int) -> list[Row]:
    """Pages that are missing, and events that wait."""
    missing, queued = frame.number(f"pv{one.vcpu}.apf_missing"), frame.number(f"pv{one.vcpu}.apf_queued")
    lead: Span = ("  host   " if width >= WIDE else "host   ", "label")
    return [(lead, (f"{missing} missing, {queued} to be delivered", "text"))]


# -- one row a structure


def summary(frame: Frame, one: Structure, width: int, chosen: bool = False, below: bool = False) -> Row:
    """A structure in one row: where, what, its version, what it says. `below`: under a page, with the same columns."""
    below = below or width >= MIDDLE
    form, data = FORMS[one.kind], bytes_of(frame.memory(), one.address, FORMS[one.kind].size)
    marks = strongest(frame.marks, one.peek, *(name for field in form.fields if (name := _names(one, field))))
    at = next((field.at for field in form.fields if field.name == "version"), None)
    version = "" if at is None else f"version {int.from_bytes(data[at : at + 4], 'little')}"
    place = _place(one, 0) if below else hexa(one.address, 8)
    if len(place) > 10:
        place = f"…{one.address & 0xFFFF_FFFF:08X}h"[-10:]
    row: Row = numbers(place, "label")
    row = put(row, 8 if below else 11, ((marks, "changed"),))
    row = put(row, 10 if below else 13, ((one.name, "strong" if chosen else "text"),))
    row = put(row, 25, ((version, "label"),))
    return pad(clip(put(row, 26 + max(10, len(version)), _says(one, data)), width), width)


def _says(one: Structure, data: bytes) -> Row:
    """What a structure says, in a few words."""
    match one.kind:
        case "time":
            return _flags(data[29])
        case "wall":
            return ((_date(int.from_bytes(data[4:8], "little")), "text"),)
        case "steal":
            return ((duration(int.from_bytes(data[:8], "little")), "text"), ("  ", "text"), *_preempted(data[16]))
        case "apf":
            return numbers(f"token {hexa(int.from_bytes(data[4:8], 'little'), 8)}")
    return numbers(f"flag {hexa(int.from_bytes(data[:4], 'little'), 8)}")


# -- bytes


def dump(memory: Mapping[int, bytes], width: int, most: int = 4096) -> tuple[list[Row], list[int]]:
    """The bytes that are not 0, sixteen in a row, and the address of each row; `most` rows."""
    table: list[Row] = []
    places: list[int] = []
    nothing = bytes(16)
    for number, data in sorted(memory.items()):
        for at in range(0, PAGE, 16):
            part = data[at : at + 16]
            if part == nothing:
                continue
            if len(table) == most:
                return [*table, ((("…", "label"),))], places
            table.append(_sixteen(number * PAGE + at, part, width))
            places.append(number * PAGE + at)
    return table, places


@lru_cache(2048)
def _sixteen(address: int, part: bytes, width: int) -> Row:
    """One row of bytes: zeros are faint; letters where there is room."""
    text = f"{address:08X}"
    row: list[Span] = [(text, "label"), ("h ", "label")] if width >= 64 else [(text, "label"), (" ", "label")]
    run, role = "", ""
    for at, byte in enumerate(part):
        here = "text" if byte else "absent"
        if here != role and run:
            row.append((run, role))
            run = ""
        role = here
        run += f" {byte:02X}" if at else f"{byte:02X}"
    row.append((run, role))
    if width >= MIDDLE:
        row.append(("  " + "".join(chr(byte) if 32 <= byte < 127 else "·" for byte in part), "label"))
    return pad(row, width)
