"""What an access did, in words: the effect first, then the value. Made from what could be seen before and after it.

Each chip has words of its own; this file finds the chip, and adds what happened elsewhere: lines that moved, interrupts
that were taken.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from timerlab.devices import (
    hpet_words,
    ioapic_words,
    lapic_words,
    pic_words,
    pit_words,
    pmtimer_words,
    pv_words,
    rtc_words,
)
from timerlab.devices.port61 import PORT as PORT61
from timerlab.text import count, hexa, signed

if TYPE_CHECKING:
    from timerlab.machine import Machine

Seen = Mapping[str, Any]
Wrote = Callable[[int, int, Seen, Seen], str]
Read = Callable[[int, int, Seen], str]

_PORTS: Mapping[str, tuple[Wrote, Read]] = {
    "pit": (pit_words.wrote, pit_words.read),
    "rtc": (rtc_words.wrote, rtc_words.read),
    "pic": (pic_words.wrote, pic_words.read),
    "acpi": (pmtimer_words.wrote, pmtimer_words.read),
}
_MEMORY: Mapping[str, tuple[Wrote, Read]] = {
    "hpet": (hpet_words.wrote, hpet_words.read),
    "ioapic": (ioapic_words.wrote, ioapic_words.read),
}
TOLD = 3
"""So many lines that moved are told one by one."""


def wrote_words(machine: Machine, port: int, value: int, width: int, before: Seen, after: Seen) -> str:
    """The effect of a port write that was just done."""
    device = machine.board.bus.map.get(port)
    if width > 8 and (device is None or device.name != "acpi"):
        reached = [port + i for i in range(width // 8) if (port + i) & 0xFFFF in machine.board.bus.map]
        if not reached:
            return f"nothing answers at port {port:X}h"
        return joined(f"{width // 8} byte writes, {_ports(reached)}", pit_words.pins(before, after))
    if device is None:
        return f"nothing answers at port {port:X}h"
    if port == PORT61:
        return joined(_port61(before, after), happened(before, after))
    words = _PORTS[device.name][0](port, value, before, after)
    # the 8254's own words tell of OUT 0 and IRQ 0
    return joined(words, happened(before, after, but=("irq.0",) if device.name == "pit" else ()))


def read_words(machine: Machine, port: int, value: int, width: int, before: Seen) -> str:
    """What a value that was just read from a port is."""
    device = machine.board.bus.map.get(port)
    if width > 8 and (device is None or device.name != "acpi"):
        reached = [port + i for i in range(width // 8) if (port + i) & 0xFFFF in machine.board.bus.map]
        return f"byte reads, {_ports(reached)}" if reached else f"nothing answers at port {port:X}h"
    if device is None:
        return f"nothing answers at port {port:X}h, the bus floats"
    if port == PORT61:
        fields = machine.board.port61.regs[0].layouts[0].fields
        return " ".join(f.name if f.of(value) else f.name.lower() for f in fields)
    return _PORTS[device.name][1](port, value, before)


def stored_words(machine: Machine, address: int, value: int, width: int, vcpu: int, before: Seen, after: Seen) -> str:
    """The effect of a memory write that was just done."""
    offset = _apic_offset(machine, address, vcpu, before)
    if offset is not None:
        if width != 32 or offset & 15:
            return "the local APIC takes 32 bits at multiples of 16 only"
        return joined(lapic_words.wrote(offset, value, before, after, vcpu), happened(before, after))
    device, _ = machine.board.memory.find(address)
    if address in machine.MESSAGES:
        if width != 32 or address < machine.MESSAGES.start + 0x1000:
            return "no APIC page there, and no message: the write is lost"
        return joined("interrupt message", happened(before, after))
    if device.name not in _MEMORY:
        return f"RAM, {width // 8} bytes"
    return joined(_MEMORY[device.name][0](address, value, before, after), happened(before, after))


def loaded_words(machine: Machine, address: int, value: int, width: int, vcpu: int, before: Seen) -> str:
    """What a value that was just read from memory is."""
    offset = _apic_offset(machine, address, vcpu, before)
    if offset is not None:
        if width != 32 or offset & 15:
            return "the local APIC answers 32 bits at multiples of 16 only"
        return lapic_words.read(offset, value, before, vcpu)
    device, _ = machine.board.memory.find(address)
    if device.name not in _MEMORY:
        return "RAM" if address not in machine.MESSAGES else "no APIC page there, the bus floats"
    return _MEMORY[device.name][1](address, value, before)


def msr_words(machine: Machine, msr: int, value: int, vcpu: int, before: Seen, after: Seen) -> str:
    """The effect of a WRMSR that was just done."""
    put = f"vcpu{vcpu}."
    if machine.board.vcpus[vcpu].knows(msr):
        if msr == 0xC000_0103:
            return f"RDTSCP gives {hexa(value, 8)} in ECX"
        if msr == 0xC000_0104:
            jump = signed(after[put + "tsc"] - before[put + "tsc"])
            inside = after.get(f"nest{vcpu}.guest_mode")
            return f"L2's TSC moves by {jump}" if inside else "L2's TSC is multiplied so from the next VMRUN on"
        moved = after[put + "offset"] - before[put + "offset"]
        if not moved:
            return "the TSC stays as it is"
        adjust = f", TSC_ADJUST is {count(after[put + 'adjust'])}" if machine.quirks["tsc_adjust"] == "yes" else ""
        return f"the TSC moves by {signed(moved)}{adjust}"
    if pv_words.knows(msr) and machine.board.pv is not None:
        return joined(pv_words.wrote_msr(msr, value, before, after, vcpu), happened(before, after))
    return joined(lapic_words.wrote_msr(msr, value, before, after, vcpu), happened(before, after))


def msr_read_words(machine: Machine, msr: int, value: int, vcpu: int) -> str:
    """What a value that RDMSR gave is."""
    if machine.board.vcpus[vcpu].knows(msr):
        if msr == 0x3B and value >> 63:
            return count(value - (1 << 64))
        return count(value)
    if pv_words.knows(msr) and machine.board.pv is not None:
        return pv_words.read_msr(msr, value, machine.peeks(), vcpu)
    return lapic_words.read_msr(msr, value, machine.peeks(), vcpu)


def vector_words(machine: Machine, vcpu: int) -> str:
    """Where the interrupt came from that a vCPU has just taken."""
    served = machine.board.vcpus[vcpu].state.served[-1]
    if served.way == "queue":
        return "from userspace, past all controllers"
    way = {"pic": "the 8259s", "lapic": "the local APIC"}[served.way]
    if served.spurious:
        return f"spurious, from {way}: nobody asks any more"
    return f"from {line_word(served.source)} through {way}"


def line_word(name: str) -> str:
    """A line as prose has it: `IRQ8`, `HPET T0`."""
    head, _, rest = name.partition(".")
    if head == "irq":
        return f"IRQ{rest}"
    if head == "pin":
        return f"pin {rest}"
    if head == "hpet":
        return f"HPET T{rest[1:].partition('.')[0]}"
    if head.startswith("lapic"):
        return f"the APIC timer of v{head[5:]}"
    return {"ipi": "an IPI", "pic": "the 8259s"}.get(name, name)


def happened(before: Seen, after: Seen, but: tuple[str, ...] = ()) -> str:
    """Interrupt lines that moved, and interrupts that were taken."""
    said = []
    for name in after:
        line, _, what = name.rpartition(".")
        if what != "level" or line in but or not line.startswith(("irq.", "pin.")):
            continue
        rises = after[line + ".edges"] - before[line + ".edges"]
        if after[name] != before[name]:
            said.append(f"{line_word(line)} {'rises' if after[name] else 'falls'}")
        elif rises:
            said.append(f"{line_word(line)} pulses")
    for name in after:
        if name.endswith(".taken") and after[name] != before[name]:
            vcpu, last = name.partition(".")[0], after[name.replace("taken", "last")]
            times = after[name] - before[name]
            said.append(f"v{vcpu[4:]} takes {hexa(last, 2) if times == 1 else f'{times} interrupts'}")
    return ", ".join(said[:TOLD]) + (f" and {len(said) - TOLD} more" if len(said) > TOLD else "")


def joined(*parts: str) -> str:
    """The parts that say something, with commas."""
    return ", ".join(part for part in parts if part)


def _apic_offset(machine: Machine, address: int, vcpu: int, before: Seen) -> int | None:
    """The offset in a vCPU's APIC page, if the address was in it."""
    if before[f"lapic{vcpu}.mode"] != "xapic":
        return None
    offset = address - (before[f"lapic{vcpu}.base"] & ~0xFFF)
    return offset if 0 <= offset < 0x1000 else None


def _ports(ports: list[int]) -> str:
    named = ", ".join(f"{port:X}h" for port in ports)
    return f"port {named} answers" if len(ports) == 1 else f"ports {named} answer"


def _port61(before: Seen, after: Seen) -> str:
    parts = []
    for name, word in (("gate2", "GATE2"), ("spkr", "SPKR"), ("nochk", "NOCHK"), ("noserr", "NOSERR")):
        old, new = before["port61." + name], after["port61." + name]
        if name == "gate2" and old != new:
            parts.append(f"GATE2 {'rises' if new else 'falls'}")
        elif old != new:
            parts.append(f"{word} {'set' if new else 'clear'}")
    return ", ".join(parts) or "no bit changes"
