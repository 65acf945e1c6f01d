"""Port 61h: eight bits that wire the PIT to the speaker, the refresh toggle and the two sources of the NMI."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from functools import lru_cache

from timerlab.text import duration, hexa, rate
from timerlab.views.frame import Frame
from timerlab.views.marks import strongest
from timerlab.views.panel import Panel
from timerlab.views.rows import Row, Span, pad
from timerlab.views.tone import note_name

__all__ = ["BITS", "Port61Panel", "rows", "tone"]

BITS = ("serr", "iochk", "out2", "ref", "nochk", "noserr", "spkr", "gate2")
"""The port's bits, 7 first, by the names of their values: `port61.gate2`."""

_REFRESH_CLOCKS = 18
"""PIT clocks between two refresh requests, where channel 1 does not make them: 15.086 µs."""


def rows(frame: Frame, width: int) -> list[Row]:
    """The panel's rows: the bits as a read gives them, the tone, and from 64 cells on the refresh toggle."""
    fields = [("read", _bits(frame), BITS), ("speaker", _tone_row(frame, width), ())]
    if 64 <= width < 78:
        fields.append(("refresh", _refresh(frame), ()))
    table = []
    for label, value, marked in fields:
        mark = strongest(frame.marks, *(f"port61.{bit}" for bit in marked))
        table.append(pad(((f"{label:<9}", "label"), (mark, "changed"), (" ", "text"), *value), width))
    return table


def _bits(frame: Frame) -> Row:
    """Each bit by its name: upper case and bold while it is set."""
    row: list[Span] = []
    for bit in BITS:
        is_set = frame.peeks.get(f"port61.{bit}")
        row += [(" ", "text")] if row else []
        row.append((bit.upper(), "strong") if is_set else (bit, "label"))
    return tuple(row)


def tone(frame: Frame) -> Fraction | None:
    """The frequency that the speaker gives now, or None while it is silent."""
    period = frame.peeks.get("pit.ch2.period")
    driven = frame.peeks.get("port61.spkr") and frame.peeks.get("pit.ch2.next") is not None
    return frame.options.pit_hz / period if driven and isinstance(period, int) and period else None


@lru_cache(64)
def _sound(hz: Fraction) -> Row:
    """A tone as note, frequency and distance."""
    note = note_name(hz)
    if note is None:
        heard = "above what an ear hears" if hz > 100 else "clicks, too slow for a tone"
        return ((rate(hz), "text"), ("  " + heard, "label"))
    name, cents = note
    return (("♪ ", "text"), (name, "strong"), (" " + rate(hz), "text"), ("  " + cents, "label"))


def _tone_row(frame: Frame, width: int) -> Row:
    """What is heard, or why nothing is."""
    hz = tone(frame)
    if hz is not None:
        return (*_sound(hz), (("  " if width < 64 else "   ") + "OUT2 and SPKR", "label"))
    if not frame.peeks.get("port61.spkr"):
        why = "SPKR is clear"
    elif not frame.peeks.get("port61.gate2") and frame.peeks.get("pit.ch2.kind") in (2, 3):
        why = "GATE2 is clear: OUT2 stays high"
    elif frame.peeks.get("pit.ch2.kind") is None:
        why = "ch 2 has no control word yet"
    else:
        why = "OUT2 is steady"
    return (("silent", "text"), ("   " + why, "label"))


def _refresh(frame: Frame) -> Row:
    """How often the refresh bit toggles, and when it does next."""
    due = frame.peeks.get("refresh.next")
    if not isinstance(due, int):
        return (("–", "absent"),)
    apart = _apart(frame, due)
    row: list[Span] = []
    if apart is not None:
        row += [("toggles each ", "label"), (duration(apart), "text"), ("  ", "text")]
    arrow = "↓ " if frame.peeks.get("refresh.level") else "↑ "
    return (*row, ("next ", "label"), (arrow + duration(due - frame.now), "text"))


def _apart(frame: Frame, due: int) -> Fraction | int | None:
    """The distance of two toggles, without the rounding of their moments where it is known what makes them."""
    source = frame.options.quirks.get("refresh")
    clocks = _REFRESH_CLOCKS if source == "clock" else frame.number("pit.ch1.period")
    whole = Fraction(1_000_000_000) * clocks / frame.options.pit_hz
    if source in ("clock", "out1") and clocks and not (source == "out1" and frame.peeks.get("pit.ch1.null")):
        return whole
    after = frame.edge("refresh", due, 1)
    if after is None:
        return None
    return whole if abs(whole - (after[0] - due)) <= 1 else after[0] - due


class Port61Panel(Panel):
    """Port 61h: the bits of a read, the tone, the refresh toggle."""

    KEY = ""
    NAME = "Port 61h"
    TAB = ""
    TOPIC = "port61."
    HELP = """\
# Port 61h

What `inb 61h` gives, bit 7 first. Only the low four bits can be written.

| bit | name | set means |
|---|---|---|
| 7 | serr | a parity or system error is pending |
| 6 | iochk | a card asserts channel check |
| 5 | out2 | OUT of PIT channel 2 is high |
| 4 | ref | the refresh toggle is high |
| 3 | nochk | channel check is masked and cleared |
| 2 | noserr | system error is masked and cleared |
| 1 | spkr | the speaker gets OUT2 |
| 0 | gate2 | channel 2 counts |
"""

    def head(self, frame: Frame) -> tuple[str, str]:
        """What hangs on the port, and its value."""
        return "speaker, NMI", hexa(frame.number("port61.value"), 2)

    def body(self, frame: Frame, width: int, height: int) -> list[Row]:
        """See `rows`."""
        return rows(frame, width)

    def cells(self, row: int) -> Sequence[tuple[int, int]]:
        """Each bit of the first row; the other rows have one value."""
        if row:
            return ((11, self.size.width - 11),)
        at, cells = 11, []
        for bit in BITS:
            cells.append((at, len(bit)))
            at += len(bit) + 1
        return tuple(cells)

    def value_name(self, row: int, column: int) -> str:
        """The value at the cursor: `port61.gate2`."""
        return (f"port61.{BITS[column]}", "speaker.level", "refresh.level")[min(row, 2)] if row or column < 8 else ""

    @classmethod
    def rows_at(cls, width: int) -> int:
        """The title and two rows, or three where the refresh toggle has its own."""
        return 4 if 64 <= width < 78 else 3
