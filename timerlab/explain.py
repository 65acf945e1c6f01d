"""What a value, an access or a name means: words from the register tables, the quirk table and a trial on a copy of the
machine.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from timerlab.command import Result
from timerlab.commands.cpu import Rdmsr, Wrmsr
from timerlab.commands.io import Access, In, Out
from timerlab.commands.memory import ReadMemory, WriteMemory
from timerlab.conditions import shown
from timerlab.devices.pit_regs import COMMAND, MODE_ABOUT, command_kind
from timerlab.explain_tsc import explain_tsc
from timerlab.machine import Machine
from timerlab.quirks import PROFILES, QUIRKS
from timerlab.registers import at_address, at_msr, at_port, content, where
from timerlab.regs import Reg
from timerlab.text import bits, hexa, plural

if TYPE_CHECKING:
    from timerlab.session import Session

__all__ = [
    "Trial",
    "explain_access",
    "explain_name",
    "explain_register",
    "explain_tsc",
    "explain_value",
    "register_of",
    "trial_of",
    "tried",
]


@dataclass(slots=True)
class Trial:
    """What instant commands need of a session, on a copy of its machine: to see what they would do."""

    machine: Machine
    horizon: int
    paced: bool = False


def trial_of(machine: Machine) -> Machine:
    """A copy of the machine on which anything may be tried."""
    return machine.ahead(machine.now)


def explain_value(reg: Reg, value: int) -> list[str]:
    """A value in a register, bit by bit."""
    layout = reg.layout(value)
    lines = [f"{hexa(value, reg.width // 4)} = {bits(value, reg.width)} in {reg.name}, {reg.title}: {layout.name}"]
    if layout.about:
        lines.append(f"  {layout.about}. {layout.source}")
    for field in layout.fields:
        place = f"{field.hi}:{field.lo}" if field.width > 1 else f"{field.lo}"
        meaning = field.meaning(value)
        said = f"{meaning}; " if meaning else ""
        lines.append(
            f"  {place:<4} {field.name:<8} {field.bits(value):<8} {said}{field.about}. {field.source or reg.source}"
        )
    if reg is COMMAND and command_kind(value) == 0:
        mode = value >> 1 & 7
        kind = mode & 3 if mode > 5 else mode
        lines.append(f"  mode {kind}: {MODE_ABOUT[kind]}. Intel 8254, Mode {kind}")
    return lines


def register_of(machine: Machine, action: Access) -> tuple[Reg, int] | None:
    """(register, value in place) that an access reaches; the value is what it writes, 0 for a read. None where it
    reaches none, or several.
    """
    match action:
        case Out(port, value, 8):
            reg = at_port(machine, port, write=True)
            return None if reg is None else (reg, value)
        case In(port, 8):
            reg = at_port(machine, port, write=False)
            return None if reg is None else (reg, 0)
        case WriteMemory(address, value, width, vcpu):
            found = at_address(machine, address, vcpu, write=True)
            if found is None or found[1] + width > found[0].width:
                return None
            return found[0], _in_place(machine, found, value, width, vcpu)
        case ReadMemory(address, width, vcpu):
            found = at_address(machine, address, vcpu, write=False)
            return None if found is None else (found[0], 0)
        case Wrmsr(msr, value, _):
            reg = at_msr(machine, msr)
            return None if reg is None or value >> reg.width else (reg, value)
        case Rdmsr(msr, _):
            reg = at_msr(machine, msr)
            return None if reg is None else (reg, 0)
    return None


def _in_place(machine: Machine, found: tuple[Reg, int], value: int, width: int, vcpu: int) -> int:
    """A register's content with some of its bits written."""
    reg, shift = found
    held = content(machine, reg, vcpu) or 0
    return held & ~(((1 << width) - 1) << shift) & (1 << reg.width) - 1 | value << shift


def explain_access(machine: Machine, action: Access) -> list[str]:
    """An access, bit by bit, and what it would do or give now."""
    found = register_of(machine, action)
    lines: list[str] = []
    writes = isinstance(action, (Out, WriteMemory, Wrmsr))
    if isinstance(action, Out) and action.width > 8:
        for i in range(action.width // 8):
            reg = machine.board.regs.written_at("io", action.port + i)
            if reg is not None:
                lines += explain_value(reg, action.value >> 8 * i & 0xFF)
    elif found is not None and writes:
        lines += explain_value(*found)
    elif found is not None:
        reg = found[0]
        lines.append(f"{reg.name}, {reg.title}: {reg.about}. {reg.source}")
    if isinstance(action, Out) and not lines:
        return [f"nothing answers at port {action.port:X}h: the write is lost"]
    result = tried(machine, action)
    if found is not None and not writes and result.value is not None:
        reg = found[0]
        whole = getattr(action, "width", 64) == reg.width
        if whole and reg.access != "wo" and not reg.name.startswith("pit.ch"):
            lines += explain_value(reg, result.value)[1:]
    rule = machine.quirks["pit_count"]
    if rule != QUIRKS["pit_count"].default and isinstance(action, Out) and action.port == COMMAND.address:
        lines.append(f"  but here pit_count={rule}: it counts {QUIRKS['pit_count'].values[rule]}")
    return [*lines, f"  now: {result.text}"]


def tried(machine: Machine, action: Access) -> Result:
    """What an access would do or give now."""
    return action.run(cast("Session", Trial(trial_of(machine), 0)))


def explain_name(machine: Machine, name: str) -> list[str] | None:
    """A register, quirk, profile, value or wire by its name; None for a name that there is not."""
    name = name.lower()
    reg = machine.board.regs.by_name.get(name)
    if reg is not None:
        return explain_register(reg)
    if name in QUIRKS:
        quirk = QUIRKS[name]
        lines = [f"{name}: {quirk.about}"]
        for value, about in quirk.values.items():
            here = " (here)" if machine.quirks[name] == value else ""
            lines.append(f"  {value:<12} {about}{here}")
        return [*lines, f"  {quirk.source}", *_wire(machine, name)]
    if name in PROFILES:
        profile = PROFILES[name]
        lines = [f"{name}: {profile.about}; PIT at {profile.pit_hz} Hz"]
        return lines + [f"  {quirk}={value}: {QUIRKS[quirk].values[value]}" for quirk, value in profile.quirks.items()]
    peek = machine.board.abouts.get(name)
    lines = [] if peek is None else [f"{name} is {shown(machine.peek(name))}: {peek.about}. {peek.source}"]
    return [*lines, *_wire(machine, name)] or None


def _wire(machine: Machine, name: str) -> list[str]:
    """A wire by its name; nothing for a name that there is not."""
    told = machine.board.line_abouts.get(name)
    if told is None:
        return []
    level, edges = machine.peek(name + ".level"), machine.peek(name + ".edges")
    return [
        f"{name}, a wire: {told.about}. {told.source}",
        f"  now: level {level}, {plural(edges, 'rise')} since power-on",
    ]


def explain_register(reg: Reg) -> list[str]:
    """A register with all its layouts."""
    access = {"wo": "write only", "ro": "read only"}.get(reg.access, "read and write")
    lines = [f"{reg.name}, {reg.title}: {where(reg)}, {access}. {reg.about}. {reg.source}"]
    for layout in reg.layouts:
        if len(reg.layouts) > 1:
            lines.append(f"  {layout.name}: {layout.about}. {layout.source}")
        for field in layout.fields:
            place = f"{field.hi}:{field.lo}" if field.width > 1 else f"{field.lo}"
            lines.append(f"  {place:<4} {field.name:<8} {field.about}")
    return lines
