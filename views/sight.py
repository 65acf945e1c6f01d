"""What the register inspector looks at: a register, what is in it, where its cursor stands, and what a write would have
to say to turn a bit.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from timerlab.devices.pit_regs import command_kind
from timerlab.registers import peek_name
from timerlab.regs import Field, Layout, Reg
from timerlab.text import hexa

__all__ = [
    "Effect",
    "Sight",
    "Subject",
    "Written",
    "base",
    "content",
    "field_at",
    "first_bit",
    "refusal",
    "status_words",
    "turned",
]

COPIES = ("rw", "wo", "rsvd")
"""Bits that a write has to carry on as they are."""


@dataclass(frozen=True, eq=False)
class Subject:
    """What is inspected: a register of a vCPU, or the control word of one of the PIT's channels."""

    reg: Reg
    vcpu: int = 0
    channel: int | None = None

    @property
    def key(self) -> tuple[str, int, int | None]:
        """What tells it from others."""
        return self.reg.name, self.vcpu, self.channel

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Subject) and self.key == other.key

    def __hash__(self) -> int:
        return hash(self.key)


@dataclass(frozen=True)
class Written:
    """A write to a register, as the log has it."""

    t_ns: int
    text: str
    value: int
    words: str = ""


@dataclass(frozen=True)
class Effect:
    """What turning a bit comes to: the commands and what they would do now, or why it cannot be."""

    commands: tuple[str, ...] = ()
    words: str = ""
    fault: str = ""
    refused: str = ""


@dataclass(frozen=True)
class Sight:
    """All that the rows are made of."""

    subject: Subject
    value: int | None
    """What is in the register; None where that is not known."""
    bit: int = 0
    effect: Effect = Effect()
    writes: Sequence[Written] = ()
    """Newest first."""
    status: str = ""
    """What a read gives where that is another register."""
    later: int = 0
    """In the past: how many entries of the log a command would replace."""

    @property
    def reg(self) -> Reg:
        """The register."""
        return self.subject.reg

    @property
    def shown(self) -> int:
        """The value that the bits are drawn from."""
        return base(self.subject) if self.value is None else self.value

    @property
    def layout(self) -> Layout:
        """How the value is read."""
        return self.reg.layout(self.shown)

    @property
    def field(self) -> Field:
        """The field at the cursor."""
        return field_at(self.layout, self.bit)

    @property
    def last(self) -> Written | None:
        """The write that the value comes from, as far as that is known."""
        channel = self.subject.channel
        if channel is None:
            return self.writes[0] if self.writes else None
        own = (one for one in self.writes if command_kind(one.value) == 0 and one.value >> 6 == channel)
        return next(own, None)


# what a register holds, and what a write would have to say


def field_at(layout: Layout, bit: int) -> Field:
    """The field that a bit belongs to."""
    return next((one for one in layout.fields if one.lo <= bit <= one.hi), layout.fields[0])


def first_bit(subject: Subject) -> int:
    """Where the cursor begins: at the highest field that can be written, if there is one."""
    fields = sorted(subject.reg.layout(base(subject)).fields, key=lambda one: -one.hi)
    return next((one.lo for one in fields if one.access in ("rw", "wo", "w1c")), fields[0].lo)


def base(subject: Subject) -> int:
    """What the bits begin with where nothing is known of them."""
    return 0 if subject.channel is None else subject.channel << 6 | 0x30


def content(subject: Subject, peeks: Mapping[str, int | str | None], newest: Sequence[Written]) -> int | None:
    """What is in the register: by its value, or else what was written last."""
    if subject.channel is not None:
        name = f"pit.ch{subject.channel}."
        mode, rw, bcd = (peeks.get(name + what) for what in ("mode", "rw", "bcd"))
        if not (isinstance(mode, int) and isinstance(rw, int) and isinstance(bcd, int)):
            return None
        return subject.channel << 6 | rw << 4 | mode << 1 | bcd
    name = peek_name(subject.reg, subject.vcpu) or (subject.reg.name if subject.reg.name in peeks else "")
    if name:
        value = peeks.get(name)
        return value if isinstance(value, int) else None
    return newest[0].value if newest else None


def status_words(subject: Subject, peeks: Mapping[str, int | str | None]) -> str:
    """What a read gives in place of a control word: the status byte."""
    value = content(subject, peeks, ())
    if subject.channel is None or value is None:
        return ""
    out, null = (peeks.get(f"pit.ch{subject.channel}.{what}") or 0 for what in ("out", "null"))
    status = int(out) << 7 | int(null) << 6 | value & 0x3F
    return f"{hexa(status, 2)}  OUT {out}, NULL {null}"


def turned(reg: Reg, value: int, bit: int) -> int:
    """What has to be written to turn a bit: what can only be read is 0, and so is what a 1 clears, but for this bit."""
    kept = 0
    for one in reg.layout(value).fields:
        if one.access in COPIES:
            kept |= value & one.mask
    clears = field_at(reg.layout(value), bit).access == "w1c"
    return kept | 1 << bit if clears else kept ^ 1 << bit


def refusal(reg: Reg, value: int, bit: int) -> str:
    """Why a bit cannot be turned; empty where it can."""
    one = field_at(reg.layout(value), bit)
    if reg.address < 0:
        return f"{reg.title} is latched inside the chip and can only be read"
    if reg.access == "ro":
        return f"{reg.title} can only be read"
    match one.access:
        case "ro":
            return f"{one.name} can only be read"
        case "rsvd":
            return f"bit {bit} is reserved" + (f": {one.about}" if one.about else "")
        case "rc":
            return f"{one.name} is cleared by a read of the register, not by a write"
        case "w1c" if not value >> bit & 1:
            return f"{one.name} is clear already: a written 1 clears it"
    return ""
