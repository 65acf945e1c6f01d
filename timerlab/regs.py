"""Registers as data: name, place, bits, meaning, source. Declared once, read by everything that shows or explains a
register.

A `Reg` has one or more `Layout`s, because a port such as 43h carries three kinds of words; which one a value has is
decided by a pure function of the value. In each layout every bit belongs to exactly one field (a test holds all
registers to that).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal

Access = Literal["rw", "ro", "wo", "w1c", "rc", "rsvd"]


@dataclass(frozen=True, slots=True)
class Field:
    """Bits `hi` to `lo` of a register.

    `values` names what the field can hold, `short` the same in a word or two; `about` is one line of documentation,
    with its source.
    """

    name: str
    hi: int
    lo: int
    access: Access
    about: str
    values: Mapping[int, str] = field(default_factory=dict)
    source: str = ""
    short: Mapping[int, str] = field(default_factory=dict)

    @property
    def width(self) -> int:
        """How many bits it has."""
        return self.hi - self.lo + 1

    @property
    def mask(self) -> int:
        """Its bits, in place."""
        return ((1 << self.width) - 1) << self.lo

    def of(self, value: int) -> int:
        """What the field holds in `value`."""
        return (value & self.mask) >> self.lo

    def bits(self, value: int) -> str:
        """Its bits in `value`, as text: `011`."""
        return format(self.of(value), f"0{self.width}b")

    def meaning(self, value: int) -> str:
        """What its bits in `value` mean, in words; empty where the number says it all."""
        return self.values.get(self.of(value), "")

    def brief(self, value: int) -> str:
        """The meaning in as few words as there are for it."""
        return self.short.get(self.of(value)) or self.meaning(value)


@dataclass(frozen=True, slots=True)
class Layout:
    """One way to read a register's bits, from the highest field to the lowest."""

    name: str
    fields: tuple[Field, ...]
    about: str = ""
    source: str = ""


@dataclass(frozen=True, slots=True)
class Reg:
    """A register: `name` as typed at the prompt, `space` and `address`, `width` in bits, and its layouts.

    Spaces: "io" is a port; "mem" an address; "msr" a model-specific register; "cmos" an index behind ports 70h and
    71h; "ioapic" an index behind IOREGSEL and IOWIN; "lapic" an offset in the local APIC's page, and MSR
    800h + offset / 16 as well. An address of -1 is no place at all: a value that is latched inside.

    `choose` picks the layout of a value; with one layout it need not be given. `peek` is the name of the value that
    holds the register's present content, with `{}` for the vCPU in a register that each vCPU has (`banked`); empty
    where there is nothing to see, as in a port that is only written. `span` is over how many addresses the
    declaration holds (plain RAM).
    """

    name: str
    title: str
    space: str
    address: int
    width: int
    access: Access
    layouts: tuple[Layout, ...]
    about: str
    source: str
    choose: Callable[[int], int] = lambda value: 0
    peek: str = ""
    span: int = 1

    @property
    def banked(self) -> bool:
        """Whether each vCPU has one of its own."""
        return "{}" in self.peek or self.space in ("msr", "lapic")

    def layout(self, value: int) -> Layout:
        """The layout that `value` has."""
        return self.layouts[self.choose(value)]


@dataclass(frozen=True, slots=True)
class Peek:
    """A value or a wire that can be looked at by its name: what it is, and where that stands."""

    about: str
    source: str


def flag(name: str, bit: int, access: Access, about: str, *, source: str = "", **values: str) -> Field:
    """A field of one bit; `clear=` and `set=` say in words what 0 and 1 mean."""
    words = {0: values.get("clear", "0"), 1: values.get("set", "1")} if values else {}
    return Field(name, bit, bit, access, about, words, source)


class RegTable:
    """The registers of a board, by name and by place."""

    def __init__(self, regs: Iterable[Reg]) -> None:
        self.by_name: dict[str, Reg] = {}
        self.by_place: dict[tuple[str, int], list[Reg]] = {}
        for reg in regs:
            if reg.name in self.by_name:
                raise ValueError(f"register {reg.name} is declared twice")
            self.by_name[reg.name] = reg
            if reg.address >= 0:
                for address in range(reg.address, reg.address + reg.span):
                    self.by_place.setdefault((reg.space, address), []).append(reg)

    def __iter__(self) -> Iterator[Reg]:
        return iter(self.by_name.values())

    def written_at(self, space: str, address: int) -> Reg | None:
        """The register that a write to the place reaches."""
        regs = self.by_place.get((space, address), ())
        return next((r for r in regs if r.access != "ro"), None)

    def read_at(self, space: str, address: int) -> Reg | None:
        """The register that a read of the place gives."""
        regs = self.by_place.get((space, address), ())
        return next((r for r in regs if r.access != "wo"), None)
