"""Registers of a machine, whichever way they are reached: what is in them now, and the commands that write them."""

from __future__ import annotations

from timerlab.machine import Machine
from timerlab.regs import Reg

RTC_INDEX, RTC_DATA = 0x70, 0x71
IOAPIC = 0xFEC0_0000


def find(machine: Machine, name: str) -> tuple[Reg, int] | None:
    """(register, vCPU) by the register's name (`lapic.svr`, vCPU 0), or by the name of the value that holds its content
    (`lapic2.svr`); None for neither.
    """
    name = name.lower()
    reg = machine.board.regs.by_name.get(name)
    if reg is not None:
        return reg, 0
    return machine.board.register_peeks.get(name)


def peek_name(reg: Reg, vcpu: int) -> str:
    """The name of the value that holds a register's content; empty where there is none."""
    return reg.peek.format(vcpu)


def content(machine: Machine, reg: Reg, vcpu: int = 0) -> int | None:
    """What is in a register now; None where that cannot be seen."""
    name = peek_name(reg, vcpu)
    if not name:
        return None
    value = machine.peek(name)
    return value if isinstance(value, int) else None


def write_commands(machine: Machine, reg: Reg, value: int, vcpu: int = 0) -> list[str]:
    """The commands that put a value into a register, as one would type them; none where it cannot be written."""
    if reg.access == "ro" or reg.address < 0:
        return []
    on = f" v{vcpu}" if reg.banked and vcpu else ""
    written = f"{value:0{max(1, reg.width // 4)}x}h"
    match reg.space:
        case "io":
            verb = {8: "outb", 16: "outw", 32: "outl"}[reg.width]
            return [f"{verb} {reg.address:02x}h {written}"]
        case "cmos":
            mask = 0x80 if machine.board.nmi_masked else 0
            return [f"outb {RTC_INDEX:02x}h {reg.address | mask:02x}h", f"outb {RTC_DATA:02x}h {written}"]
        case "mem":
            return [f"{_store(reg.width)} {reg.address:08x}h {written}"]
        case "ioapic":
            held = content(machine, reg, vcpu)
            commands: list[str] = []
            for i in range(max(1, reg.width // 32)):
                half = value >> 32 * i & 0xFFFFFFFF
                if reg.width > 32 and held is not None and held != value and held >> 32 * i & 0xFFFFFFFF == half:
                    continue  # this half stays as it is
                commands += [f"writel {IOAPIC:08x}h {reg.address + i:02x}h", f"writel {IOAPIC + 0x10:08x}h {half:08x}h"]
            return commands
        case "lapic":
            if machine.board.x2apic(vcpu):
                return [f"wrmsr {0x800 + reg.address // 16:03x}h {written}{on}"]
            return [f"writel {machine.board.lapic_base(vcpu) + reg.address:08x}h {written}{on}"]
        case "msr":
            return [f"wrmsr {reg.address:03x}h {written}{on}"]
    return []


def where(reg: Reg) -> str:
    """Where a register is, in words: `port 43h`, `index 0Bh`, `MSR 1Bh`."""
    if reg.address < 0:
        return "latched"
    match reg.space:
        case "io":
            return f"port {reg.address:X}h"
        case "cmos":
            return f"index {reg.address:02X}h"
        case "ioapic":
            return f"I/O APIC index {reg.address:02X}h"
        case "lapic":
            return f"offset {reg.address:03X}h, MSR {0x800 + reg.address // 16:X}h"
        case "msr":
            return f"MSR {reg.address:X}h"
    return f"address {reg.address:X}h"


def _store(width: int) -> str:
    return {8: "writeb", 16: "writew", 32: "writel", 64: "writeq"}[width]


def at_port(machine: Machine, port: int, write: bool) -> Reg | None:
    """The register that a byte access to a port reaches; behind ports 71h and 20h it depends on the state."""
    regs = machine.board.regs
    if port == RTC_DATA:
        index = machine.board.rtc.register_of(port)
        return regs.written_at("cmos", index) if write else regs.read_at("cmos", index)
    found = regs.written_at("io", port) if write else regs.read_at("io", port)
    return found or regs.read_at("io", port) or regs.written_at("io", port)


def at_address(machine: Machine, address: int, vcpu: int, write: bool) -> tuple[Reg, int] | None:
    """(register, bits below the ones that are reached) of a memory access."""
    board = machine.board
    offset = address - board.lapic_base(vcpu)
    space, place, shift = "mem", address, 0
    if board.lapics[vcpu].decodes and 0 <= offset < 0x1000:
        space, place = "lapic", offset
    elif address == IOAPIC + 0x10:
        space, place = "ioapic", board.ioapic.state.sel
        shift = 32 if place >= 0x10 and place & 1 else 0
    elif address & 4 and address & ~7 in range(0xFED0_0000, 0xFED0_0400):
        place, shift = address & ~7, 32
    reg = board.regs.written_at(space, place) if write else board.regs.read_at(space, place)
    return None if reg is None else (reg, shift)


def at_msr(machine: Machine, msr: int) -> Reg | None:
    """The register that an MSR is."""
    regs = machine.board.regs
    offset = (msr - 0x800) * 16
    return regs.read_at("msr", msr) or regs.written_at("msr", msr) or regs.read_at("lapic", offset)
