"""The local APIC in words: what a write to it did, and what a value that was read from it means.

Pure functions of what could be seen before and after (peeks of vCPU `index`); the effect comes first, in few words.
Addresses are offsets in the xAPIC page; an MSR of x2APIC mode is turned into one by `offset_of`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from timerlab.devices.lapic_lvt_regs import DELIVERY
from timerlab.devices.lapic_regs import SHORTHANDS
from timerlab.text import count, hexa, moment, plural

Seen = Mapping[str, Any]

_MASKED = 1 << 16
_ERRORS = ((0x80, "illegal register"), (0x40, "illegal vector received"), (0x20, "illegal vector to send"))
_LVTS = {
    0x2F0: ("lvt_cmci", "CMCI"),
    0x330: ("lvt_thermal", "thermal"),
    0x340: ("lvt_perf", "performance"),
    0x350: ("lvt_lint0", "LINT0"),
    0x360: ("lvt_lint1", "LINT1"),
    0x370: ("lvt_error", "error"),
}
_READ_ONLY = {0x030: "version", 0x090: "APR", 0x0A0: "PPR", 0x0C0: "RRD", 0x390: "TMCCT"}
_BITMAPS = {0x100: "ISR", 0x180: "TMR", 0x200: "IRR"}
_APIC_BASE, _TSC_DEADLINE, _X2APIC_ICR, _SELF_IPI = 0x1B, 0x6E0, 0x830, 0x83F


def offset_of(msr: int) -> int:
    """The xAPIC offset of an x2APIC MSR."""
    return (msr - 0x800) * 16


def wrote(address: int, value: int, before: Seen, after: Seen, index: int = 0) -> str:
    """The effect of a write at `address` in the page of vCPU `index`'s APIC."""
    was, seen = _Of(before, index), _Of(after, index)
    if address == 0x380:
        return _tmict(value, seen)
    if address == 0x320:
        return _lvt_timer(value, was, seen)
    if address == 0x3E0:
        return f"timer divides by {seen('divider')}{_expiry(was, seen)}"
    if address == 0x0B0:
        return _eoi(was, seen)
    if address == 0x080:
        return _offer(f"TPR {hexa(seen('tpr'), 2)}, PPR {hexa(seen('ppr'), 2)}", was, seen)
    if address == 0x0F0:
        return _svr(was, seen)
    if address == 0x280:
        return f"ESR shows {_errors(seen('esr'))}"
    if address == 0x300:
        return _sent(seen("icr_low"), f"{seen('icr_high') >> 24:02X}h", was, seen)
    if address == 0x310:
        return f"the next message goes to {seen('icr_high') >> 24:02X}h"
    if address in _LVTS and seen(_LVTS[address][0]) is not None:
        name, title = _LVTS[address]
        return f"{title} {_entry(seen(name))}{_forced(value, seen(name))}"
    if address == 0x020:
        return f"ID {seen('id') >> 24:02X}h"
    if address == 0x0D0:
        return f"LDR {seen('ldr') >> 24:02X}h"
    if address == 0x0E0:
        return {0xF: "flat logical addresses", 0: "cluster logical addresses"}.get(
            seen("dfr") >> 28, "a model of logical addresses that there is not"
        )
    if address in _READ_ONLY or (0x100 <= address < 0x280 and not address & 0xF):
        return f"{_READ_ONLY.get(address, 'this register')} is read-only, nothing changes"
    return _nothing(address, was, seen)


def read(address: int, value: int, before: Seen, index: int = 0) -> str:
    """What a value that was read at `address` in the page of vCPU `index`'s APIC means."""
    was = _Of(before, index)
    if address == 0x390:
        mode, ends = was("timer_mode"), was("next")
        return f"{plural(value, 'count')} left, {mode}" + ("" if ends is None else f", expires at {moment(ends)}")
    if address == 0x380:
        return plural(value, "count")
    if 0x100 <= address < 0x280 and not address & 0xF:
        first = (address >> 4 & 7) * 32
        vectors = [f"{first + bit:02X}h" for bit in range(32) if value >> bit & 1]
        return f"{_BITMAPS[address & 0x380]} {' '.join(vectors) or 'none of them'}"
    if address == 0x280:
        return f"ESR {_errors(value)}"
    if address == 0x320:
        return f"timer {was('timer_mode')}, {_entry(value, timer=True)}"
    if address in _LVTS and was(_LVTS[address][0]) is not None:
        return f"{_LVTS[address][1]} {_entry(value)}"
    if address == 0x3E0:
        return f"timer divides by {was('divider')}"
    if address == 0x0F0:
        return f"{'ENABLE' if value & 0x100 else 'enable'}, spurious vector {value & 0xFF:02X}h"
    if address in (0x080, 0x0A0):
        return f"vectors up to {value & 0xF0 | 0xF:02X}h wait"
    if address == 0x020:
        return f"ID {value >> 24:02X}h" if was("mode") == "xapic" else f"ID {value:X}h"
    if address == 0x030:
        return f"version {value & 0xFF:02X}h, {plural((value >> 16 & 0xFF) + 1, 'LVT entry', 'LVT entries')}"
    if address == 0x300:
        return _message(value)
    return "" if address in _PLAIN else f"no register at {address:03X}h" + _logged(address)


_PLAIN = frozenset((0x090, 0x0B0, 0x0C0, 0x0D0, 0x0E0, 0x310))


def wrote_msr(msr: int, value: int, before: Seen, after: Seen, index: int = 0) -> str:
    """The effect of a WRMSR that did not fault."""
    was, seen = _Of(before, index), _Of(after, index)
    if msr == _APIC_BASE:
        mode = {"off": "APIC off", "xapic": "xAPIC mode", "x2apic": "x2APIC mode"}[seen("mode")]
        if was("mode") == seen("mode"):
            return f"{mode}, page {seen('base') & ~0xFFF:X}h"
        return mode + (", its registers are reset" if seen("mode") == "off" else "")
    if msr == _TSC_DEADLINE:
        return _deadline(value, was, seen)
    if msr == _X2APIC_ICR:
        return _sent(value & 0xFFFF_FFFF, f"{value >> 32:X}h", was, seen)
    if msr == _SELF_IPI:
        if seen("errors") != was("errors") or value < 16:
            return f"vector {value:02X}h is illegal, nothing is sent"
        return f"fixed {value:02X}h to itself"
    return wrote(offset_of(msr), value, before, after, index)


def read_msr(msr: int, value: int, before: Seen, index: int = 0) -> str:
    """What a value means that RDMSR gave."""
    was = _Of(before, index)
    if msr == _APIC_BASE:
        return f"{was('mode')}, page {value & ~0xFFF:X}h{', BSP' if value & 0x100 else ''}"
    if msr == _TSC_DEADLINE:
        ends = was("next")
        return "not armed" if not value else f"TSC {count(value)}" + ("" if ends is None else f", at {moment(ends)}")
    if msr == _X2APIC_ICR:
        return f"{_message(value & 0xFFFF_FFFF)} to {value >> 32:X}h"
    return read(offset_of(msr), value, before, index)


class _Of:
    """The values of one vCPU's APIC, by short name."""

    def __init__(self, seen: Seen, index: int) -> None:
        self.seen, self.put = seen, f"lapic{index}."

    def __call__(self, name: str) -> Any:
        return self.seen[self.put + name]


def _expiry(was: _Of, seen: _Of) -> str:
    """When the timer expires next, where that is news."""
    if was("next") == seen("next"):
        return ""
    return "; it stops" if seen("next") is None else f"; next expiry at {moment(seen('next'))}"


def _tmict(value: int, seen: _Of) -> str:
    mode = seen("timer_mode")
    if mode in ("deadline", "reserved"):
        return f"ignored in {'TSC-deadline' if mode == 'deadline' else 'reserved'} mode"
    if not value:
        return "timer stops"
    parts = [f"{mode}, {plural(value, 'count')} of {plural(seen('divider'), 'bus clock')}"]
    if seen("next") is not None:
        parts.append(f"expires at {moment(seen('next'))}")
    if seen("lvt_timer") & _MASKED:
        parts.append("masked")
    return ", ".join(parts)


def _lvt_timer(value: int, was: _Of, seen: _Of) -> str:
    entry = seen("lvt_timer")
    return f"timer {seen('timer_mode')}, {_entry(entry, timer=True)}{_forced(value, entry)}{_expiry(was, seen)}"


def _entry(value: int, timer: bool = False) -> str:
    """Delivery, vector and mask of an LVT entry."""
    delivery = DELIVERY[value >> 8 & 7]
    fixed = timer or delivery == "fixed"
    return f"{f'vector {value & 0xFF:02X}h' if fixed else delivery}, {'MASK' if value & _MASKED else 'mask'}"


def _forced(value: int, entry: int) -> str:
    return " (forced, the SVR disables the APIC)" if entry & _MASKED and not value & _MASKED else ""


def _eoi(was: _Of, seen: _Of) -> str:
    ended = was("isr_max")
    if ended is None:
        return "nothing was in service"
    return _offer(f"{ended:02X}h ends", was, seen)


def _offer(head: str, was: _Of, seen: _Of) -> str:
    """What the CPU is offered now, where that is news."""
    vector = seen("pending")
    if vector == was("pending"):
        return head
    return f"{head}, " + ("nothing is offered" if vector is None else f"{vector:02X}h is offered")


def _svr(was: _Of, seen: _Of) -> str:
    svr, old = seen("svr"), was("svr")
    head = f"spurious vector {svr & 0xFF:02X}h"
    if (svr ^ old) & 0x100:
        head = ("APIC enabled, " if svr & 0x100 else "APIC disabled, every LVT entry masked, ") + head
    if (svr ^ old) & 0x1000:
        head += ", EOI broadcasts " + ("suppressed" if svr & 0x1000 else "sent")
    return _offer(head, was, seen)


def _errors(value: int) -> str:
    return ", ".join(word for bit, word in _ERRORS if value & bit) or "no error"


def _message(low: int) -> str:
    delivery = DELIVERY[low >> 8 & 7]
    return f"{delivery} {low & 0xFF:02X}h" if delivery in ("fixed", "lowest priority", "start-up") else delivery


def _sent(low: int, dest: str, was: _Of, seen: _Of) -> str:
    """What the ICR sent, and to whom."""
    delivery = low >> 8 & 7
    if delivery < 2 and low & 0xFF < 16:
        return f"vector {low & 0xFF:02X}h is illegal, nothing is sent"
    if delivery in (3, 7):
        return f"{DELIVERY[delivery]} cannot be sent"
    if low & 0xC700 == 0x8500:
        return "INIT de-assert, nothing is sent"
    short = low >> 18 & 3
    to = SHORTHANDS[short] if short else f"{dest}{' logical' if low & 0x800 else ''}"
    return _offer(f"{_message(low)} to {to}", was, seen)


def _deadline(value: int, was: _Of, seen: _Of) -> str:
    if seen("timer_mode") != "deadline":
        return "ignored outside TSC-deadline mode"
    if not value:
        return "disarmed" if was("deadline") else "was not armed"
    if not seen("deadline"):
        return "past already, expires at once"
    return "armed" + ("" if seen("next") is None else f", expires at {moment(seen('next'))}")


def _nothing(address: int, was: _Of, seen: _Of) -> str:
    said = f"no register at {address:03X}h, nothing changes"
    return said + (", error collected" if seen("errors") != was("errors") else "")


def _logged(address: int) -> str:
    return ", an error" if not address & 0xF else ""
