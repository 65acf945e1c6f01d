"""The ways of an interrupt: from each source, wire by wire, to the vCPU that takes it, or to where it is held up.

`ways` works them out of a frame's values and draws nothing. The order of causes is the order of the wires: what stands
nearest to the source is told.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache

from timerlab.views.fabric_ends import DEAD, DELIVERY, HELD, OPEN, SERVES, WAITS, End, Hop, fixed, special, taken
from timerlab.views.frame import Frame
from timerlab.views.irq_rows import (
    ACTIVE_LOW,
    FSB_EN,
    IRQS,
    LEVEL,
    LOGICAL,
    MASKED,
    PINS,
    REMOTE_IRR,
    fed_by,
    pin_of,
    reached,
    route,
    targets,
    vcpu_names,
)

__all__ = ["Hop", "Way", "ways"]

_UNSENT = (3, 6)
_ENABLED, _BSP, _EN = 1 << 8, 1 << 8, 1 << 11
_EXTINT = 7 << 8
_ALIKE = 4
"""Of more APIC timers in the same state there is one way for all."""

Counts = tuple[int, int, int, int]


@dataclass(frozen=True, slots=True)
class Way:
    """A way from a source as far as it leads.

    `state` is open, waits (a request is on it and cannot go on), serves (taken, not ended), held (idle, but a request
    would wait) or dead (a request would be lost or stay behind a mask); `why` says it in words, empty for an open one.
    """

    source: str
    line: str
    hops: tuple[Hop, ...]
    state: str = OPEN
    why: str = ""
    counts: Counts | None = None
    """Raised, taken, coalesced, lost: of the source, the same on each of its ways."""
    note: str = ""
    """What is to be known of the source itself."""


@lru_cache(2)
def ways(frame: Frame) -> list[Way]:
    """All ways of the sources that can do something or did; PIT and RTC always."""
    found: list[Way] = []
    for irq in (0, 8):
        found += _isa(frame, irq)
    for timer in range((frame.number("hpet.cap") >> 8 & 31) + 1):
        found += _hpet(frame, timer)
    for irq in IRQS:
        if irq not in (0, 8) and _used(frame, f"irq.{irq}"):
            found += _isa(frame, irq)
    for pin in range(16, PINS):
        if _used(frame, f"pin.{pin}"):
            found.append(_way(frame, "by hand", f"pin.{pin}", f"pin {pin}", _pin(frame, pin)))
    found += _timers(frame)
    found += _output(frame)
    return found


def _used(frame: Frame, line: str) -> bool:
    """Whether a line did something, is up, or is the ACPI timer's, which may ask."""
    seen = bool(frame.peeks[f"{line}.edges"] or frame.peeks[f"{line}.level"])
    return seen or (line == "irq.9" and bool(frame.number("acpi.pm1_en") & 1))


def _counts(frame: Frame, line: str) -> Counts:
    peeks = frame.peeks
    return tuple(peeks[f"{line}.{what}"] for what in ("edges", "delivered", "coalesced", "lost"))  # type: ignore[return-value]


def _way(frame: Frame, source: str, counted: str, line: str, end: End, note: str = "") -> Way:
    return Way(source, line, end.hops, end.state, end.why, _counts(frame, counted), note)


# the sources


def _isa(frame: Frame, irq: int) -> Iterator[Way]:
    """An ISA line: along the 8259s, and along its I/O APIC pin. HPET T0 or T1 may have taken its place."""
    chip = {0: "PIT OUT0", 8: "RTC IRQF", 9: "ACPI SCI"}.get(irq, "by hand")
    opens = {0: "pit.ch0.mode", 8: "rtc.b", 9: "acpi.pm1_en"}.get(irq, f"irq.{irq}.level")
    thief = fed_by(frame, irq)
    if thief:
        stolen = End((Hop("", "hpet.conf", "×"),), DEAD, f"stolen by {thief} (LEG_RT_CNF)")
        yield Way(chip, "", stolen.hops, stolen.state, stolen.why)
        opens = f"hpet.t{irq // 8}.conf"
    note = _timer_note(frame, irq // 8) if thief else _note(frame, irq)
    start = Hop("", opens)
    name, line = f"irq.{irq}", f"IRQ{irq}"
    for end in (_pic(frame, irq), _pin(frame, pin_of(irq))):
        yield _way(frame, thief or chip, name, line, end.after(start), note)


def _note(frame: Frame, irq: int) -> str:
    """Why a source of an ISA line is silent."""
    if irq == 0 and frame.peeks["pit.ch0.kind"] is None:
        return "ch 0 has no control word"
    if irq == 8:
        if not frame.number("rtc.b") & 0x70:
            return "PIE AIE UIE are 0"
        if frame.peeks["rtc.irqf"]:
            return "IRQF is up: no edge until C is read"
    if irq == 9 and not frame.number("acpi.pm1_en") & 1:
        return "TMR_EN is 0"
    return ""


def _timer_note(frame: Frame, timer: int) -> str:
    """Why an HPET timer is silent."""
    if not frame.number("hpet.conf") & 1:
        return "ENABLE_CNF is 0"
    if frame.number("hpet.conf") & 2 and timer < 2 and frame.number(f"hpet.t{timer}.conf") & FSB_EN:
        return "FSB_EN: it sends messages"
    return "" if frame.number(f"hpet.t{timer}.conf") & 4 else "INT_ENB_CNF is 0"


def _hpet(frame: Frame, timer: int) -> Iterator[Way]:
    """An HPET timer that goes its own way; its legacy way is that of the IRQ."""
    conf, line = frame.number(f"hpet.t{timer}.conf"), f"hpet.t{timer}.out"
    way, pin = route(frame, timer)
    if way == "legacy" or not (conf & 4 or frame.peeks[f"{line}.edges"]):
        return
    note = _timer_note(frame, timer) if way != "fsb" else ""
    start = Hop("", f"hpet.t{timer}.conf")
    if way == "fsb":
        word = frame.number(f"hpet.t{timer}.fsb")
        end = _message(frame, word >> 32, word & 0xFFFF_FFFF).after(start, Hop("FSB", f"hpet.t{timer}.fsb"))
        yield _way(frame, f"HPET T{timer}", line, "message", end, note)
    elif way == "pin" and pin < PINS:
        yield _way(frame, f"HPET T{timer}", line, f"pin {pin}", _pin(frame, pin).after(start), note)
    else:
        end = End((start, Hop(f"pin {pin}", f"hpet.t{timer}.conf", "×")), DEAD, "has no wire to this pin")
        yield _way(frame, f"HPET T{timer}", line, "", end, note)


def _timers(frame: Frame) -> list[Way]:
    """The APIC timers that expired or are unmasked."""
    found: list[Way] = []
    for vcpu in range(frame.options.vcpus):
        put = f"lapic{vcpu}."
        entry, line = frame.number(f"{put}lvt_timer"), f"{put}timer"
        if entry & MASKED and not frame.peeks[f"{line}.edges"]:
            continue
        hop = Hop("LVT", f"{put}lvt_timer", "×" if entry & MASKED else "")
        if entry & MASKED:
            off = not frame.number(f"{put}svr") & _ENABLED
            end = End((hop,), DEAD, "masked: SVR disables the APIC" if off else "masked in the LVT")
        else:
            end = fixed(frame, [vcpu], entry & 0xFF).after(hop)
        found.append(_way(frame, f"v{vcpu} timer", line, f"APIC v{vcpu}", end))
    return found if len(found) <= _ALIKE else _gathered(found)


def _gathered(found: list[Way]) -> list[Way]:
    """Ways alike as one, with the sum of their counts."""
    groups: dict[tuple[str, str, tuple[str, ...]], list[Way]] = {}
    for way in found:
        alike = (way.state, _anyone(way.why), tuple(_anyone(hop.text) + hop.sign for hop in way.hops))
        groups.setdefault(alike, []).append(way)
    gathered = []
    for members in groups.values():
        first = members[0]
        if len(members) > 1:
            all_counts = [way.counts for way in members if way.counts]
            sums = [sum(part) for part in zip(*all_counts, strict=True)]
            numbers = [int(way.source[1:].partition(" ")[0]) for way in members]
            hops = tuple(replace(hop, text=_anyone(hop.text)) for hop in first.hops)
            first = Way(
                f"{len(members)} timers",
                "APIC",
                hops,
                first.state,
                _anyone(first.why),
                (sums[0], sums[1], sums[2], sums[3]),
                vcpu_names(numbers, 0) if len(numbers) < 4 or numbers[-1] - numbers[0] == len(numbers) - 1 else "",
            )
        gathered.append(first)
    return gathered


def _anyone(text: str) -> str:
    """A text about one vCPU as one about each of several."""
    words = [("its vCPU" if word[:1] == "v" and word[1:].isdigit() else word) for word in text.split(" ")]
    return " ".join(words)


def _output(frame: Frame) -> Iterator[Way]:
    """INTR of the 8259s along I/O APIC pin 0, where that is set up; and an INTR that was withdrawn."""
    if frame.peeks["ioapic.rte0"] != MASKED:
        end = _pin(frame, 0)
        yield Way("8259 INTR", "", end.hops, end.state, end.why)
    if frame.peeks["pic.withdrawn"]:
        why = "withdrawn: an INTA now finds a spurious IRQ 7"
        yield Way("8259 INTR", "", (Hop("", "pic.master.status", "×"),), WAITS, why)


# the 8259s


def _pic(frame: Frame, irq: int) -> End:
    """From an input of the 8259s on."""
    chip, bit = ("pic.slave", 1 << (irq - 8)) if irq >= 8 else ("pic.master", 1 << irq)
    asks = frame.number(f"{chip}.irr") & bit
    serves = frame.number(f"{chip}.isr") & bit
    sign = "▲" if asks else "►" if serves else ""
    here = f"8259 IR{irq}"
    if frame.number(f"{chip}.imr") & bit:
        stop = Hop(here, f"{chip}.imr", sign + "×" if asks else "×")
        return End((stop,), WAITS if asks else DEAD, f"masked in the {'slave' if irq >= 8 else 'master'}'s IMR")
    hops: tuple[Hop, ...] = (Hop(here, f"{chip}.status", sign),)
    if irq >= 8:
        if frame.number("pic.master.imr") & 4:
            stop = Hop("IR2", "pic.master.imr", "×")
            return End((*hops, stop), WAITS if asks else DEAD, "cascade masked in the master's IMR")
        hops += (Hop("IR2", "pic.master.status"),)
    first = frame.peeks["pic.highest"]
    if asks and first != irq:
        if first is not None:
            return End(hops, WAITS, f"IRQ{first} goes first")
        if frame.peeks["pic.master.intr"]:
            return End(hops, WAITS, "a spurious IRQ 15 goes first")
        if irq >= 8 and frame.peeks["pic.slave.intr"] and not frame.number("pic.master.irr") & 4:
            return End(hops, WAITS, "IR2 has heard no new edge")
        return End(hops, WAITS, f"ISR blocks it: {_in_service(frame)} not ended")
    vector = frame.number(f"{chip}.base") | irq & 7
    rest = _lint0(frame, vector, bool(asks))
    if serves and not asks:
        rest = replace(rest, state=SERVES, why="")
    return rest.after(*hops, Hop("INTR", "pic.master.intr"))


def _in_service(frame: Frame) -> str:
    """The IRQs in service, the cascade only where it stands alone."""
    isr = frame.number("pic.master.isr") | frame.number("pic.slave.isr") << 8
    found = [irq for irq in range(16) if isr >> irq & 1 and (irq != 2 or isr == 4)]
    return " ".join(f"IRQ{irq}" for irq in found[:3]) or "a handler"


def _lint0(frame: Frame, vector: int, asks: bool) -> End:
    """From INTR into vCPU 0: LINT0 of its local APIC, or past it."""
    base, svr, entry = (frame.number(f"lapic0.{name}") for name in ("base", "svr", "lvt_lint0"))
    delivery = entry & 0x700
    if not base & _EN:
        return taken(frame, 0, vector, asks).after(Hop("APIC off", "lapic0.base"))
    if entry & (MASKED | 0x700) == _EXTINT:
        return taken(frame, 0, vector, asks).after(Hop("LINT0 ExtINT", "lapic0.lvt_lint0"))
    past = bool(frame.peeks["lapic0.extint"]) if asks else entry == MASKED
    if base & _BSP and not svr & _ENABLED and past:
        return taken(frame, 0, vector, asks).after(Hop("PIC mode", "lapic0.svr"))
    hop = Hop("LINT0", "lapic0.lvt_lint0", "×")
    if entry & MASKED:
        why = "masked in the LVT" if svr & _ENABLED else "masked: SVR disables the APIC"
        return End((hop,), WAITS if asks else DEAD, why)
    if delivery:
        return End((Hop(f"LINT0 {DELIVERY[delivery >> 8]}", hop.name),), HELD, "no INTA for the 8259")
    end = fixed(frame, [0], entry & 0xFF).after(Hop("LINT0 fixed", hop.name))
    return replace(end, state=HELD, why="the 8259 is not asked for its vector") if end.state == OPEN else end


# the I/O APIC and messages


def _pin(frame: Frame, pin: int) -> End:
    """From a pin of the I/O APIC on."""
    entry, name = frame.number(f"ioapic.rte{pin}"), f"ioapic.rte{pin}"
    high = frame.number(f"ioapic.pin{pin}")
    if entry & ACTIVE_LOW and frame.options.quirks.get("polarity") == "inverts":
        high ^= 1
    level = bool(entry & LEVEL)
    here = f"pin {pin}" + (" level" if level else "")
    if entry & MASKED:
        up = level and high
        stop = Hop(here, name, "▲×" if up else "×")
        return End((stop,), WAITS if up else DEAD, "masked in the redirection entry")
    delivery = entry >> 8 & 7
    if delivery in _UNSENT:
        return End((Hop(here, name, "×"),), DEAD, f"delivery mode {DELIVERY[delivery]} is never sent")
    to = reached(frame, entry)
    if not to:
        what = "logical mask" if entry & LOGICAL else "APIC ID"
        return End((Hop(here, name, "×"),), DEAD, f"nobody has {what} {entry >> 56:02X}h")
    if delivery > 1:
        return special(frame, delivery, to).after(Hop(here, name))
    end = fixed(frame, to, entry & 0xFF, delivery == 1)
    if not entry & REMOTE_IRR:
        held = level and bool(high)
        return replace(end, state=WAITS if held and end.state == DEAD else end.state).after(
            Hop(here, name, "▲" if held else "")
        )
    if end.state in (OPEN, SERVES, HELD):
        why = f"remote IRR waits for the EOI of {entry & 0xFF:02X}h"
        end = replace(end, state=WAITS if high and end.state != SERVES else SERVES, why=why)
    return end.after(Hop(here, name, "►"))


def _message(frame: Frame, address: int, data: int) -> End:
    """From a write to FEExxxxxh on."""
    if address >> 20 != 0xFEE:
        return End((Hop(f"{address:08X}h", "", "×"),), DEAD, "no message: the address is not FEExxxxxh")
    delivery = data >> 8 & 7
    if delivery in _UNSENT:
        return End((Hop("message", "", "×"),), DEAD, f"delivery mode {DELIVERY[delivery]} is never sent")
    to = targets(frame, address >> 12 & 0xFF, bool(address & 4))
    if not to:
        return End((Hop("message", "", "×"),), DEAD, f"nobody has address {address >> 12 & 0xFF:02X}h")
    if delivery > 1:
        return special(frame, delivery, to)
    return fixed(frame, to, data & 0xFF, delivery == 1)
