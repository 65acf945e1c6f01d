"""The ACPI PM timer: two rows that ride with the HPET."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from functools import lru_cache

from timerlab.text import count, duration, hexa, rate
from timerlab.views.flags import flags, labelled
from timerlab.views.frame import Frame
from timerlab.views.marks import strongest
from timerlab.views.panel import Panel
from timerlab.views.rows import Row, numbers, pad

__all__ = ["AcpiPanel", "rows"]

PM_HZ = Fraction(315_000_000, 88)
"""A quarter of the crystal."""
_WIDE = "bits32"


def bits_of(frame: Frame) -> int:
    """How many bits the timer has."""
    return 32 if frame.options.quirks.get("pm_bits") == _WIDE else 24


def rows(frame: Frame, width: int) -> list[Row]:
    """The count with its next carry, and the status and enable bits that ask for the SCI."""
    digits = 6 if bits_of(frame) == 24 else 8
    due = frame.number("acpi.next_carry") - frame.now
    tmr = frame.number("acpi.tmr")
    carry = (("  high bit turns in " if width >= 64 else "  carry in ", "label"), (duration(due), "text"))
    counted: Row = ((f"{count(tmr):>10}", "strong"), ("  ", "text"), *numbers(hexa(tmr, digits)), *carry)
    sts, en, sci = (frame.number(f"acpi.{name}") for name in ("pm1_sts", "pm1_en", "sci"))
    mark = strongest(frame.marks, "acpi.pm1_sts", "acpi.pm1_en", "acpi.sci") if frame.marks else " "
    return [
        pad((*labelled("count", " "), *counted), width),
        pad((*labelled("PM1", mark), *_pm1(sts, en, sci, width)), width),
    ]


@lru_cache(32)
def _pm1(sts: int, en: int, sci: int, width: int) -> Row:
    """TMR_STS, TMR_EN, and what they come to."""
    why = "" if width < 64 else "  a write of 1 clears TMR_STS" if sts & 1 else "  TMR_STS comes with the carry"
    return (
        *flags(sts & 1, (("tmr_sts", 0),)),
        (" ", "text"),
        *flags(en & 1, (("tmr_en", 0),)),
        ("   SCI ", "label"),
        (str(sci), "strong" if sci else "text"),
        (why, "label"),
    )


class AcpiPanel(Panel):
    """The ACPI PM timer: count, carry, status and enable."""

    KEY = ""
    NAME = "ACPI timer"
    TAB = ""
    TOPIC = "acpi."
    CLOCK = "pm"
    HELP = """\
# ACPI PM timer

Counts up at 3.579 545 MHz, for ever: nothing stops it, nothing writes it. `inl 608h` reads it.

| row | what it shows |
|---|---|
| count | the count, and when its highest bit turns next |
| PM1 | TMR_STS is set by that turn and cleared by writing 1; with TMR_EN it asks for the SCI, IRQ 9 |
"""

    def head(self, frame: Frame) -> tuple[str, str]:
        """Its width and its clock."""
        return f"{bits_of(frame)} bits", rate(PM_HZ, 6)

    def body(self, frame: Frame, width: int, height: int) -> list[Row]:
        """See `rows`."""
        return rows(frame, width)

    def cells(self, row: int) -> Sequence[tuple[int, int]]:
        """The count; status, enable and the SCI."""
        return ((11, 7), (19, 6), (28, 5)) if row else ((11, self.size.width - 11),)

    def value_name(self, row: int, column: int) -> str:
        """The value at the cursor: `acpi.pm1_en.tmr_en`."""
        return ("acpi.pm1_sts.tmr_sts", "acpi.pm1_en.tmr_en", "acpi.sci")[column] if row else "acpi.tmr"

    @classmethod
    def rows_at(cls, width: int) -> int:
        """The title and two rows."""
        return 3
