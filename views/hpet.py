"""The HPET: capabilities, configuration, the main counter, and one row a timer."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from functools import lru_cache
from typing import NamedTuple

from timerlab.text import count, decimal, duration, hexa, plural, rate
from timerlab.views.flags import flags, labelled
from timerlab.views.frame import Frame
from timerlab.views.marks import strongest
from timerlab.views.panel import Panel
from timerlab.views.rows import Row, Span, numbers, pad

__all__ = ["HpetPanel", "columns", "rows", "span_of"]

ENABLE, LEG_RT = 1, 2
LEVEL, ENB, PERIODIC, SIZE_CAP, VAL_SET, MODE32, FSB_EN = (1 << bit for bit in (1, 2, 3, 5, 6, 8, 14))
LEGACY = ("IRQ0", "IRQ8")
"""Where T0 and T1 go while LEG_RT_CNF is set."""
ALL = (1 << 64) - 1
HEAD = 4
"""Rows above the first timer."""
_CELLS = ("mode", "cmp", "period", "route", "left")
_NAMES = {"mode": "conf", "cmp": "cmp", "period": "period", "route": "conf", "left": "left"}
_YEAR_S = 31_557_600


class Columns(NamedTuple):
    """Where the columns begin, and how wide they are."""

    mode: tuple[int, int]
    cmp: tuple[int, int]
    period: tuple[int, int]
    route: tuple[int, int]
    left: tuple[int, int]


def columns(width: int) -> Columns:
    """The columns of the timers' table at a width."""
    if width >= 78:
        return Columns((6, 11), (18, 20), (39, 13), (54, 10), (width - 12, 12))
    if width >= 64:
        return Columns((6, 11), (18, 14), (33, 10), (45, 8), (width - 10, 10))
    return Columns((5, 8), (15, 13), (29, 8), (39, 8), (width - 10, 10))


def rows(frame: Frame, width: int) -> list[Row]:
    """The panel's rows: capabilities, configuration, counter, the table's header, and one row a timer."""
    cap, conf, sta, cnt = (frame.number(f"hpet.{name}") for name in ("cap", "conf", "sta", "cnt"))
    marks = frame.marks
    table = [
        pad((*labelled("caps", " "), *_caps(cap)), width),
        pad((*labelled("config", strongest(marks, "hpet.conf", "hpet.sta")), *_config(conf, sta)), width),
        pad((*labelled("counter", strongest(marks, "hpet.cnt")), *_counter(cnt, conf & ENABLE, width)), width),
        _header(width),
    ]
    return table + [_timer(frame, n, conf, width) for n in range((cap >> 8 & 31) + 1)]


@lru_cache(16)
def _caps(cap: int) -> Row:
    """The capability register: how many timers, the period."""
    period = Fraction(cap >> 32, 1_000_000)
    ns = decimal(period, 0 if period.denominator == 1 else 6)
    timers = plural((cap >> 8 & 31) + 1, "timer")
    return (*numbers(hexa(cap, 16)), (f"  {timers}  {ns} ns", "text"))


@lru_cache(256)
def _config(conf: int, sta: int) -> Row:
    """The general configuration, and the status of all timers."""
    row: Row = (*numbers(hexa(conf, 8)), ("  ", "text"), *flags(conf, (("leg_rt", 1), ("enable", 0))))
    row += (("   status ", "label"), *numbers(hexa(sta, 2 if sta < 256 else 8)))
    return row


def _counter(cnt: int, runs: int, width: int) -> Row:
    """The main counter, decimal and hexadecimal; without gaps where it is too long for the row."""
    digits = count(cnt)
    if len(digits) + 22 > width - 11:
        digits = str(cnt)
    row: Row = ((digits, "strong" if runs else "text"), ("  ", "text"), *numbers(hexa(cnt, 16)))
    return row if runs or width < 64 else (*row, ("  halted", "label"))


@lru_cache(8)
def _header(width: int) -> Row:
    """The names of the columns; those of numbers stand at their right end."""
    at = columns(width)
    row: list[Span] = [("timer" if width >= 64 else "", "label")]
    for name, (start, cells), right in zip(
        ("mode", "comparator", "period", "route", "match in"), at, (False, True, True, False, True), strict=True
    ):
        row.append((" " * (start - sum(len(text) for text, _ in row)), "text"))
        row.append((f"{name:>{cells}}" if right else f"{name:<{cells}}", "label"))
    return pad(row, width)


@lru_cache(2048)
def number_in(value: int, cells: int) -> Row:
    """A number at the right end of its cells: without gaps where those do not fit, then hexadecimal, then its end."""
    for digits in (count(value), str(value)):
        if len(digits) <= cells:
            return ((f"{digits:>{cells}}", "text"),)
    written = f"{value:X}"
    if len(written) >= cells:
        written = "…" + written[2 - cells :]
    return ((f"{written:>{cells - 1}}", "text"), ("h", "label"))


def span_of(ns: int, cells: int) -> str:
    """A stretch of time in at most so many cells: without decimals where those do not fit, then in days, in years."""
    text = duration(ns)
    if len(text) <= cells:
        return text
    seconds = ns // 1_000_000_000
    for unit, one, most in (("s", 1, 1_000_000), ("d", 86_400, 10_000), ("y", _YEAR_S, 1_000_000)):
        if seconds // one < most:
            return f"{count(seconds // one)} {unit}"
    return "–"


@lru_cache(512)
def _setup(n: int, conf: int, cmp: int, period: int, general: int, checked: bool, vector: int, width: int) -> Row:
    """What a timer is set to: mode, comparator, period, route."""
    at = columns(width)
    kind = "periodic" if conf & PERIODIC else "one-shot"
    narrow = conf & MODE32 or not conf & SIZE_CAP
    if narrow:
        kind = f"{kind} 32" if width >= 64 else "per. 32" if conf & PERIODIC else "once 32"
    row: list[Span] = [(f"{kind:<{at.mode[1]}}", "text")]
    row.append((" " * (at.cmp[0] - at.mode[0] - at.mode[1]), "text"))
    mask = (1 << 32) - 1 if narrow else ALL
    row += ((f"{'all ones':>{at.cmp[1]}}", "label"),) if cmp == mask else number_in(cmp, at.cmp[1])
    row.append((" " * (at.period[0] - sum(at.cmp)), "text"))
    row += number_in(period, at.period[1]) if conf & PERIODIC else ((f"{'–':>{at.period[1]}}", "absent"),)
    row.append((" " * (at.route[0] - sum(at.period)), "text"))
    row.append(_route(n, conf, general, checked, vector))
    return tuple(row)


def _route(n: int, conf: int, general: int, checked: bool, vector: int) -> Span:
    """Where a timer's output goes."""
    if not conf & ENB:
        return ("off", "label")
    if conf & FSB_EN:
        return (f"FSB {vector:02X}h", "text")
    if n < len(LEGACY) and general & (LEG_RT | ENABLE) == LEG_RT | ENABLE:
        return (LEGACY[n], "text")
    pin = conf >> 9 & 31
    if checked and not conf >> 32 >> pin & 1:
        return ("no route", "attention")
    return (f"{'level' if conf & LEVEL else 'edge'} {pin}", "text")


def _timer(frame: Frame, n: int, general: int, width: int) -> Row:
    """One timer."""
    name = f"hpet.t{n}."
    number, marks, at = frame.number, frame.marks, columns(width)
    conf = number(name + "conf")
    checked = frame.options.quirks.get("hpet_config", "checked") == "checked"
    setup = _setup(
        n,
        conf,
        number(name + "cmp"),
        number(name + "period"),
        general & (ENABLE | LEG_RT),
        checked,
        number(name + "fsb") & 0xFF,
        width,
    )
    names = [name + one for one in ("conf", "cmp", "period", "fsb", "sts")] if marks else ()
    lead = at.mode[0] - 3
    mark: Span = (strongest(marks, *names) + " " * (lead - 1) if marks else " " * lead, "changed")
    label: Span = (f"T{n:<2}", "strong" if conf & ENB else "text")
    return pad((*pad((label, mark, *setup), at.left[0]), _match(frame, name, conf, general, at.left[1])), width)


def _match(frame: Frame, name: str, conf: int, general: int, cells: int) -> Span:
    """When the counter meets the comparator next; `matched` while a level waits to be cleared."""
    due = frame.peeks.get(name + "next")
    if conf & VAL_SET:
        return (f"{'VAL_SET':>{cells}}", "strong")
    if frame.number(name + "sts"):
        return (f"{'matched':>{cells}}", "attention")
    if not isinstance(due, int) or not general & ENABLE:
        return (f"{'–':>{cells}}", "absent")
    return (f"{span_of(due - frame.now, cells):>{cells}}", "text" if conf & ENB else "label")


class HpetPanel(Panel):
    """The HPET: capabilities, configuration, counter, timers."""

    KEY = "4"
    NAME = "HPET"
    TAB = "hpet"
    TOPIC = "hpet. acpi."
    CLOCK = "hpet"
    HELP = """\
# HPET

A counter that goes up, at FED0 0000h, and comparators that match it.

| row | what it shows |
|---|---|
| caps | capabilities: how many timers, the length of a tick |
| config | LEG_RT takes IRQ 0 and IRQ 8 over for T0 and T1; ENABLE lets the counter run. One status bit a timer |
| counter | the main counter, live |
| T0 … | mode (32: the timer compares 32 bits), comparator, period, route, time to the next match |

| route | means |
|---|---|
| edge 20, level 20 | pin 20 of the I/O APIC |
| IRQ0, IRQ8 | legacy replacement |
| FSB 41h | a memory write with this vector |
| no route | the pin is not among those that the timer can reach |
| off | INT_ENB is clear: it matches, and nobody hears |

`matched`: a level interrupt waits until its status bit is cleared by writing 1.
"""

    def head(self, frame: Frame) -> tuple[str, str]:
        """The vendor and the counter's rate."""
        cap = frame.number("hpet.cap")
        return f"id {hexa(cap >> 16 & 0xFFFF, 4)}", rate(Fraction(10**15, cap >> 32 or 1), 3)

    def body(self, frame: Frame, width: int, height: int) -> list[Row]:
        """See `rows`."""
        return rows(frame, width)

    def cells(self, row: int) -> Sequence[tuple[int, int]]:
        """One value above the table; in it the columns of a timer."""
        if row < HEAD - 1:
            return ((11, self.size.width - 11),)
        return () if row == HEAD - 1 else columns(self.size.width)

    def value_name(self, row: int, column: int) -> str:
        """The value at the cursor: `hpet.t0.cmp`."""
        if row < HEAD:
            return ("hpet.cap", "hpet.conf", "hpet.cnt", "")[row]
        return f"hpet.t{row - HEAD}.{_NAMES[_CELLS[column]]}"

    @classmethod
    def rows_at(cls, width: int) -> int:
        """The title, three rows, the header and the three timers of most boards."""
        return HEAD + 4
