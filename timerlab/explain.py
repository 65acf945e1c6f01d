"""What a value, an access or a name means: words from the register tables, the quirk table and a trial on a copy of the
machine.
"""

from __future__ import annotations

from dataclasses import dataclass

from timerlab.conditions import shown
from timerlab.devices.board import LINES
from timerlab.devices.pit_regs import COMMAND, MODE_ABOUT, command_kind
from timerlab.devices.words import read_words, wrote_words
from timerlab.machine import Machine
from timerlab.quirks import PROFILES, QUIRKS
from timerlab.regs import Reg
from timerlab.text import bits, hexa, plural


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


def explain_write(machine: Machine, port: int, value: int, width: int) -> list[str]:
    """A write, bit by bit, and what it would do now."""
    lines: list[str] = []
    for i in range(width // 8):
        reg = machine.board.regs.written_at("io", port + i)
        if reg is not None:
            lines += explain_value(reg, value >> 8 * i & 0xFF)
    if not lines:
        return [f"nothing answers at port {port:X}h: the write is lost"]
    rule = machine.quirks["pit_count"]
    if rule != QUIRKS["pit_count"].default and port == COMMAND.address:
        lines.append(f"  but here pit_count={rule}: it counts {QUIRKS['pit_count'].values[rule]}")
    return [*lines, "  now: " + write_effect(machine, port, value, width)]


def explain_read(machine: Machine, port: int, width: int) -> list[str]:
    """A read, and what it would give now."""
    regs = machine.board.regs
    reg = regs.read_at("io", port) or regs.written_at("io", port)
    value, words = read_effect(machine, port, width)
    lines = [f"{reg.name}, {reg.title}: {reg.about}. {reg.source}"] if reg else []
    if reg is not None and reg.width == width and reg.access != "wo" and not reg.name.startswith("pit.ch"):
        lines += explain_value(reg, value)[1:]
    return [*lines, f"  now: {hexa(value, width // 4)}  {words}"]


def write_effect(machine: Machine, port: int, value: int, width: int) -> str:
    """What a write would do now."""
    trial = trial_of(machine)
    before = trial.peeks()
    trial.write(port, value, width)
    return wrote_words(trial, port, value, width, before, trial.peeks())


def read_effect(machine: Machine, port: int, width: int) -> tuple[int, str]:
    """What a read would give now, with words for it."""
    trial = trial_of(machine)
    before = trial.peeks()
    value = trial.read(port, width)
    return value, read_words(trial, port, value, width, before)


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
    if name not in LINES:
        return []
    level, edges = machine.peek(name + ".level"), machine.peek(name + ".edges")
    return [
        f"{name}, a wire: {LINES[name].about}. {LINES[name].source}",
        f"  now: level {level}, {plural(edges, 'rise')} since power-on",
    ]


def explain_register(reg: Reg) -> list[str]:
    """A register with all its layouts."""
    where = f"port {reg.address:X}h" if reg.address >= 0 else "latched"
    access = {"wo": "write only", "ro": "read only"}.get(reg.access, "read and write")
    lines = [f"{reg.name}, {reg.title}: {where}, {access}. {reg.about}. {reg.source}"]
    for layout in reg.layouts:
        if len(reg.layouts) > 1:
            lines.append(f"  {layout.name}: {layout.about}. {layout.source}")
        for field in layout.fields:
            place = f"{field.hi}:{field.lo}" if field.width > 1 else f"{field.lo}"
            lines.append(f"  {place:<4} {field.name:<8} {field.about}")
    return lines
