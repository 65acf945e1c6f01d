"""One channel of the 8254: its registers as state, and how its counts are coded.

The counting element is described by what was loaded and how many clocks it has counted since (`n`, `p`), from which
CE follows in closed form; see `pit_clocked` and `pit_elapsed` for the two rules by which it counts.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from operator import attrgetter
from typing import Any

LOW, HIGH, WORD = 1, 2, 3
"""The control word's RW field: low byte only, high byte only, low byte then high byte."""


@dataclass(slots=True)
class Channel:
    """The state of one channel, in the datasheet's mnemonics. `tick` and `load_ns` anchor the
    counting element in time.
    """

    index: int
    # control word register and read/write logic
    mode: int | None = None  # as written, 0..7; None before the first control word
    rw: int = 0
    bcd: bool = False
    wr_hi: bool = False  # the write flip-flop: the next byte written is the high one
    rd_hi: bool = False  # the read flip-flop: the next byte read is the high one
    ol: int | None = None  # latched count
    ol_left: int = 0  # bytes of it that are still to be read
    status: int | None = None  # latched status
    # counting element
    cr: int = 0  # count register, as written: a binary or BCD code
    n: int = 0  # the code that was loaded into CE
    p: int = 0  # clocks counted since that load (in mode 3: since the half began)
    low: bool = False  # mode 3 is in the low half of its period
    armed: bool = False  # a whole count was written since the control word
    loaded: bool = False  # CE was loaded since the control word
    load: bool = False  # CR goes to CE on the next clock
    trig: bool = False  # the trigger flip-flop: GATE rose
    halt: bool = False  # mode 0 waits for the second byte of a count
    null: bool = True
    out: int = 0
    gate: int = 1
    tick: int = 0  # clocked: the last clock that is in this state
    load_ns: int = 0  # elapsed: when the count was loaded
    seen_ns: int = 0  # elapsed: the moment up to which edges are told
    irq: int = 0  # elapsed: the line that QEMU's timer drives
    irq_next: int | None = None  # elapsed: when that timer fires

    def copy(self) -> Channel:
        """Another channel in the same state."""
        return Channel(*_FIELDS(self))

    def snapshot(self) -> tuple[Any, ...]:
        """The state as plain data."""
        return _FIELDS(self)


_FIELDS = attrgetter(*(f.name for f in fields(Channel)))


# -- codes: a count is 16 bits of binary, or four decades of BCD


def length(code: int, bcd: bool) -> int:
    """How many clocks it takes to count `code` down to zero: 1 to 65536, or to 16665 in BCD,
    where a digit may exceed 9.
    """
    if not bcd:
        return code or 0x10000
    value = (code >> 12) * 1000 + (code >> 8 & 15) * 100 + (code >> 4 & 15) * 10 + (code & 15)
    return value or 10_000


def counted(code: int, by: int, bcd: bool) -> int:
    """The code that is read after `by` decrements of `code`.

    A BCD digit above 9 counts down through its own values and wraps to 9 like any other: hardware has only nibbles.
    """
    if not bcd:
        return (code - by) & 0xFFFF
    result = 0
    for shift in (0, 4, 8, 12):
        digit = code >> shift & 15
        if by <= digit:
            digit -= by
            by = 0
        else:
            beyond = by - digit - 1
            digit = 9 - beyond % 10
            by = 1 + beyond // 10
        result |= digit << shift
    return result


def span(bcd: bool) -> int:
    """How many codes the counting element runs through: 65536, or 10000 in BCD."""
    return 10_000 if bcd else 0x10000
