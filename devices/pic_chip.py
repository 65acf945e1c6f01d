"""One 8259A: its registers, and what its own words and an INTA do to them.

Source: Intel 8259A datasheet (order 231468): Initialization Command Words, Operation Control Words. How two of them
make a PC's pair, and what their lines do, is in `pic`.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from operator import attrgetter

_FIRST = bytes((bits & -bits).bit_length() - 1 if bits else 8 for bits in range(256))
"""The lowest bit that is set; 8 for none."""

RANK = tuple(
    bytes(_FIRST[(bits << 8 | bits) >> turn & 0xFF] for bits in range(256)) for turn in (1, 2, 3, 4, 5, 6, 7, 0)
)
"""`RANK[lowest][bits]`: how far behind the highest priority the best of `bits` is, 0 to 7; 8 for none."""


@dataclass(slots=True)
class Chip:
    """One 8259A, in the datasheet's words; each bit map has IR0 in bit 0."""

    irr: int = 0
    isr: int = 0
    imr: int = 0
    base: int = 0
    lowest: int = 7
    """The level of lowest priority; the next one, modulo 8, is the highest."""
    init: int = 0
    """The words that are still to come: bit 0 ICW2, bit 1 ICW3, bit 2 ICW4."""
    lines: int = 0
    """The levels of the inputs; in the master, bit 2 is the slave's INT."""
    level: int = 0
    """The inputs that are level-triggered: the ELCR, or all of them by LTIM."""
    ris: int = 0
    """1: a read of A0 = 0 gives ISR."""
    poll: int = 0
    smm: int = 0
    aeoi: int = 0
    rotate: int = 0
    """Rotate in AEOI mode."""
    sfnm: int = 0

    def take(self, level: int) -> None:
        """A chip's own part of INTA: the level is in service, and its edge is used up."""
        bit = 1 << level
        if not self.aeoi:
            self.isr |= bit
        elif self.rotate:
            self.lowest = level
        if not self.level & bit:
            self.irr &= ~bit

    def value(self, a0: int) -> int:
        """What a read gives where no poll is armed."""
        if a0:
            return self.imr
        return self.isr if self.ris else self.irr

    def data(self, value: int) -> None:
        """The next word of an initialisation, or OCW1. ICW3 is taken and not used: the cascade is wired."""
        due = self.init & -self.init
        self.init ^= due
        if not due:
            self.imr = value
        elif due == 1:
            self.base = value & 0xF8
        elif due == 4:
            self.aeoi, self.sfnm = value >> 1 & 1, value >> 4 & 1

    def ocw2(self, word: int, skips_masked: bool) -> None:
        """R, SL, EOI in bits 7:5; in special mask mode a non-specific EOI may skip what is masked."""
        command, level = word >> 5, word & 7
        if command in (1, 5):
            busy = self.isr
            if self.smm and skips_masked:
                busy &= ~self.imr
            if not busy:
                return
            level = (RANK[self.lowest][busy] + self.lowest + 1) & 7
        if command & 1:
            self.isr &= ~(1 << level)
        if command >= 5:
            self.lowest = level
        elif not command & 3:
            self.rotate = command >> 2

    def ocw3(self, word: int) -> None:
        """Special mask, poll, and what reads give."""
        if word & 0x40:
            self.smm = word >> 5 & 1
        if word & 4:
            self.poll = 1
        if word & 2:
            self.ris = word & 1


FIELDS = len(fields(Chip))
"""How many values a chip's state is."""

whole = attrgetter(*(field.name for field in fields(Chip)))
"""A chip's state as a tuple."""
