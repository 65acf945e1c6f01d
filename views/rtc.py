"""The real-time clock: its time, its alarm, the registers A to D, and what its interrupt does."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from functools import lru_cache

from timerlab.text import count, duration, hexa, rate
from timerlab.views.flags import Bits, cells_of, flags, labelled
from timerlab.views.frame import Frame
from timerlab.views.marks import strongest
from timerlab.views.panel import Panel
from timerlab.views.rows import Row, Span, numbers, pad

__all__ = ["RtcPanel", "alarm_words", "rows"]

B_BITS: Bits = (
    ("set", 7),
    ("pie", 6),
    ("aie", 5),
    ("uie", 4),
    ("sqwe", 3),
    ("dm", 2),
    ("24h", 1),
    ("dse", 0),
)
C_BITS: Bits = (("irqf", 7), ("pf", 6), ("af", 5), ("uf", 4))
D_BITS: Bits = (("vrt", 7),)
SET, PIE, AIE, UIE, DM, H24, IRQF = 0x80, 0x40, 0x20, 0x10, 4, 2, 0x80

TIME = ("dow", "year", "month", "date", "hours", "minutes", "seconds", "century")
"""The bytes of the time and the date, in the order of the row; the century has no cell of its own."""
ALARM = ("hours_alarm", "minutes_alarm", "seconds_alarm")
_TIME_CELLS = ((11, 3), (15, 4), (20, 2), (23, 2), (26, 2), (29, 2), (32, 2))
_ALARM_CELLS = ((11, 2), (14, 2), (17, 2))
_A_CELLS = ((11, 3), (16, 6), (24, 7))
_A_PARTS = ("uip", "dv", "rs")
_DAYS = ("Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat")
_BASES = {0: Fraction(4_194_304), 1: Fraction(1_048_576), 2: Fraction(32_768)}
_EACH = {
    (False, False, False): "each day",
    (True, False, False): "each hour",
    (True, True, False): "each minute",
    (True, True, True): "each second",
    (False, True, False): "each minute of the hour",
    (False, False, True): "each second of the minute",
    (True, False, True): "each second of the minute",
    (False, True, True): "each second of the hour",
}
"""When an alarm is met, by which of hours, minutes and seconds may be any."""

MARKED: tuple[tuple[str, ...], ...] = (
    tuple(f"rtc.{name}" for name in TIME),
    tuple(f"rtc.{name}" for name in ALARM),
    ("rtc.a", "rtc.uip"),
    ("rtc.b",),
    ("rtc.c",),
    ("rtc.d",),
    (),
    (),
    ("rtc.irqf",),
)
"""The values whose marks each row carries."""
_VALID: Span = ("   time and RAM are valid", "label")
_FAILED: Span = ("   the battery failed", "attention")
_NAMES = ("rtc.next_periodic", "rtc.next_update", "rtc.c")
"""The value of each of the last three rows."""


def rows(frame: Frame, width: int) -> list[Row]:
    """The panel's rows: time, alarm, registers A to D, and what comes next."""
    a, b, c, d = (frame.number(f"rtc.{name}") for name in "abcd")
    values = (
        ("time", _time(frame, b, width)),
        ("alarm", _alarm(frame, b, width)),
        (f"A   {a:02X}", _a(a, frame.peeks.get("rtc.rate"))),
        (f"B   {b:02X}", flags(b, B_BITS)),
        (f"C   {c:02X}", (*flags(c, C_BITS), ("   a read clears", "label"))),
        (f"D   {d:02X}", (*flags(d, D_BITS), _VALID if d >> 7 else _FAILED)),
        ("periodic", _periodic(frame, b, c)),
        ("update", _update(frame, a, b, width)),
        ("IRQ8", _irq(frame, b, c, width)),
    )
    marks = frame.marks
    table = []
    for (label, value), names in zip(values, MARKED, strict=True):
        mark = strongest(marks, *names) if marks else " "
        table.append(pad((*_label(label, mark), *value), width))
    return table


@lru_cache(1024)
def _label(label: str, mark: str) -> Row:
    """A register's row has its value in the label."""
    if label[1:4] != "   ":
        return labelled(label, mark)
    return ((label[:4], "label"), (label[4:], "text"), ("h  ", "label"), (mark, "changed"), (" ", "text"))


# the time


def _digits(byte: int, b: int) -> str:
    """A time byte as two digits, as the data mode reads it."""
    if b & DM:
        return f"{byte:02d}" if byte < 100 else "--"
    return f"{byte:02X}"


def _hour(byte: int, b: int) -> tuple[str, str]:
    """An hours byte: two digits, and AM or PM in the mode of twelve hours."""
    if b & H24:
        return _digits(byte, b), ""
    return _digits(byte & 0x7F, b), " PM" if byte & 0x80 else " AM"


def _time(frame: Frame, b: int, width: int) -> Row:
    """Day and time, the way they are counted, and where there is room the index that port 70h selected."""
    bytes_ = tuple(frame.number(f"rtc.{name}") for name in TIME)
    index = frame.number("rtc.index")
    nmi = frame.number("rtc.nmi_mask")
    is_time = frame.peeks.get("rtc.clock") is not None
    return _written(bytes_, b & (DM | H24), is_time, index, nmi, width)


@lru_cache(64)
def _written(bytes_: tuple[int, ...], b: int, is_time: bool, index: int, nmi: int, width: int) -> Row:
    dow, year, month, date, hours, minutes, seconds, century = bytes_
    day = _DAYS[dow - 1] if 1 <= dow <= 7 else "???"
    hour, half = _hour(hours, b)
    years, months, days, minute, second = (_digits(byte, b) for byte in (year, month, date, minutes, seconds))
    text = f"{day} {_digits(century, b)}{years}-{months}-{days} {hour}:{minute}:{second}"
    kind = ("24 h" if b & H24 else "12 h") + (" binary" if b & DM else " BCD")
    row: list[Span] = [(text + half, "strong")]
    row.append(("  " + kind, "label") if is_time else ("  no such time", "attention"))
    if width >= 64:
        row += [(", index " if is_time else "  index ", "label"), *numbers(hexa(index, 2))]
    if width >= 78:
        row.append((", NMI masked" if nmi else ", NMI open", "label"))
    return tuple(row)


def alarm_words(hours: int, minutes: int, seconds: int) -> str:
    """How often an alarm of these bytes is met: a byte with both upper bits set stands for any."""
    return _EACH[hours >= 0xC0, minutes >= 0xC0, seconds >= 0xC0]


@lru_cache(64)
def _alarm_text(hours: int, minutes: int, seconds: int, b: int) -> str:
    """The alarm's bytes as a time of day."""
    hour, half = _hour(hours, b)
    parts = [hour if hours < 0xC0 else "**"]
    parts += ["**" if byte >= 0xC0 else _digits(byte, b) for byte in (minutes, seconds)]
    return ":".join(parts) + (half if hours < 0xC0 else "")


def _alarm(frame: Frame, b: int, width: int) -> Row:
    """The alarm, how often it is met and when next."""
    hours, minutes, seconds = (frame.number(f"rtc.{name}") for name in ALARM)
    row: list[Span] = [
        (_alarm_text(hours, minutes, seconds, b & (DM | H24)), "text"),
        ("  " + alarm_words(hours, minutes, seconds), "label"),
    ]
    due = frame.peeks.get("rtc.next_alarm")
    if isinstance(due, int):
        row += [(", in ", "label"), (duration(due - frame.now), "text")]
    elif b & SET:
        row.append((", not while SET is set", "label"))
    else:
        row.append((", never met as it is", "label"))
    return tuple(row)


# the registers


@lru_cache(512)
def _a(a: int, hz: int | str | None) -> Row:
    """Register A: UIP, the divider, the rate."""
    return (
        *flags(a, (("uip", 7),)),
        ("  dv ", "label"),
        (f"{a >> 4 & 7:03b}", "text"),
        ("  rs ", "label"),
        (f"{a & 15:04b}", "text"),
        (f" = {rate(hz, 0)}" if isinstance(hz, int) else " = none", "text" if hz else "label"),
    )


def divider_words(a: int) -> str:
    """What keeps the divider from running; empty where it runs."""
    dv = a >> 4 & 7
    return "" if dv < 3 else "divider held at zero" if dv >= 6 else "divider stopped"


# what comes


@lru_cache(32)
def _rhythm(hz: int) -> Row:
    """A rate and its period."""
    return ((rate(hz, 0), "text"), ("  " + duration(Fraction(1_000_000_000, hz)), "text"))


def _periodic(frame: Frame, b: int, c: int) -> Row:
    """Rate and period of the periodic event, and when it comes next: `↑` where IRQ 8 will rise with it."""
    hz, due = frame.peeks.get("rtc.rate"), frame.peeks.get("rtc.next_periodic")
    if not isinstance(hz, int) or not hz:
        return (("off", "text"), ("   RS is 0000", "label"))
    if not isinstance(due, int):
        return (*_rhythm(hz), ("  no event is due", "label"))
    rises = b & PIE and not c & IRQF
    return (*_rhythm(hz), ("  next ", "label"), (("↑ " if rises else "PF ") + duration(due - frame.now), "text"))


def _update(frame: Frame, a: int, b: int, width: int) -> Row:
    """When the time is updated next, or what inhibits it."""
    begins, ends = frame.peeks.get("rtc.next_uip"), frame.peeks.get("rtc.next_update")
    if not isinstance(ends, int) or not isinstance(begins, int):
        why = "inhibited by SET" if b & SET else divider_words(a)
        return (("none", "text"), ("   " + (why or "no update is due"), "label"))
    new: tuple[Span, ...] = (("new second in ", "label"), (duration(ends - frame.now), "text"))
    if a >> 7:
        return (("UIP", "strong"), ("  ", "text"), *new)
    row: Row = (("UIP in ", "label"), (duration(begins - frame.now), "text"))
    return (*row, ("  ", "text"), *new) if width >= 64 else row


def _irq(frame: Frame, b: int, c: int, width: int) -> Row:
    """IRQ 8: its level, what was lost while register C was not read, and for how long it has not been."""
    if frame.number("hpet.conf") & 3 == 3:
        return ((str(c >> 7), "strong" if c >> 7 else "text"), ("  cut off: IRQ8 is HPET T1's", "attention"))
    if not c & IRQF:
        on = [name for bit, name in ((PIE, "PF"), (AIE, "AF"), (UIE, "UF")) if b & bit]
        waits = "  waits for " + " or ".join(on) if on else "  no interrupt is enabled"
        return (("0", "text"), (waits, "label"), *_raised(frame, width))
    row: list[Span] = [("1", "strong")]
    lost = frame.number("rtc.coalesced")
    if lost:
        row.append((f"  {count(lost)} coalesced", "attention"))
    read = frame.peeks.get("rtc.c_read_ns")
    if isinstance(read, int):
        row += [("  C unread for ", "label"), (duration(frame.now - read), "text")]
    else:
        row.append(("  C was never read", "label"))
    return (*row, *_raised(frame, width))


def _raised(frame: Frame, width: int) -> Row:
    """How often the line has risen, where there is room."""
    return (("  raised ", "label"), (count(frame.number("rtc.irq.edges")), "text")) if width >= 78 else ()


class RtcPanel(Panel):
    """The RTC: time, alarm, registers A to D, the periodic event, the update, IRQ 8."""

    KEY = "2"
    NAME = "RTC"
    TAB = "rtc"
    TOPIC = "rtc."
    CLOCK = "rtc"
    HELP = """\
# RTC, MC146818

A clock of bytes behind ports 70h (index) and 71h (data). Set bits are `UPPER`, clear ones `lower`.

| row | what it shows |
|---|---|
| time | date and time as the bytes read; 12 or 24 hours, BCD or binary |
| alarm | hours, minutes, seconds; `**` is any. How often it is met, and when next |
| A | UIP, the divider (DV), the rate (RS) |
| B | SET stops updates; PIE, AIE, UIE enable interrupts |
| C | flags; a read gives them and clears them all |
| D | VRT: the battery has held |
| periodic | rate and period; `↑` if IRQ 8 will rise, PF if only the flag is set |
| update | when UIP rises, and when the new second shows |
| IRQ8 | level; events lost since register C was read; how long it has not been |
"""

    def head(self, frame: Frame) -> tuple[str, str]:
        """The part's name, and the time base that register A names."""
        a = frame.number("rtc.a")
        base = _BASES.get(a >> 4 & 7)
        if base is None:
            return "MC146818", divider_words(a)
        return "MC146818", rate(base, 3, "kHz") if base < 100_000 else rate(base, 6)

    def body(self, frame: Frame, width: int, height: int) -> list[Row]:
        """See `rows`."""
        return rows(frame, width)

    def cells(self, row: int) -> Sequence[tuple[int, int]]:
        """The parts of time and alarm, the fields of the registers; one value in each other row."""
        match row:
            case 0:
                return _TIME_CELLS
            case 1:
                return _ALARM_CELLS
            case 2:
                return _A_CELLS
            case 3 | 4 | 5:
                return cells_of((B_BITS, C_BITS, D_BITS)[row - 3], 11)
        return ((11, self.size.width - 11),)

    def value_name(self, row: int, column: int) -> str:
        """The value at the cursor: `rtc.minutes`, `rtc.b.pie`."""
        match row:
            case 0:
                return f"rtc.{TIME[column]}"
            case 1:
                return f"rtc.{ALARM[column]}"
            case 2:
                return f"rtc.a.{_A_PARTS[column]}"
            case 3 | 4 | 5:
                name = (B_BITS, C_BITS, D_BITS)[row - 3][column][0]
                return f"rtc.{'bcd'[row - 3]}.{'24/12' if name == '24h' else name}"
        return _NAMES[row - 6] if 6 <= row <= 8 else ""

    @classmethod
    def rows_at(cls, width: int) -> int:
        """The title and nine rows."""
        return len(MARKED) + 1
