"""How timerlab writes numbers: registers, counts, moments, durations, rates.

Every number on the screen, in a result, in the log and in the command line's output passes through this file, so that
one convention holds everywhere: hexadecimal as the datasheets print it (`04A9h`), thousands apart by a space,
nanoseconds never lost to rounding where the nanosecond is the truth. Integers and fractions only; what is shown is what
was computed.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from fractions import Fraction

__all__ = [
    "MINUS",
    "bits",
    "clock_of_day",
    "count",
    "date",
    "decimal",
    "duration",
    "duration_exact",
    "hexa",
    "moment",
    "plural",
    "ppm",
    "rate",
    "signed",
    "stamp",
]

MINUS = "−"
"""The minus sign of every number (U+2212), as wide as a digit's plus."""

Number = int | Fraction
"""What the formatters take: never a float."""

_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_UNITS = (("ns", 1, 0), ("µs", 1_000, 3), ("ms", 1_000_000, 6), ("s", 1_000_000_000, 9))
_RATES = (("Hz", 1), ("kHz", 10**3), ("MHz", 10**6), ("GHz", 10**9))


def _threes_left(digits: str) -> str:
    """Digits of a whole part in threes from the right; up to four digits stand alone."""
    return digits if len(digits) <= 4 else f"{int(digits):,}".replace(",", " ")


def _threes_right(digits: str) -> str:
    """Digits of a fraction in threes from the point."""
    if len(digits) <= 3:
        return digits
    return " ".join(digits[at : at + 3] for at in range(0, len(digits), 3))


def hexa(value: int, digits: int, gaps: bool = True) -> str:
    """A register of `digits` hexadecimal digits: `04A9h`, `0004 00ECh`; no `gaps` in a cell too narrow for them."""
    written = f"{value:0{digits}X}"
    if gaps and len(written) > 4:
        head = len(written) % 4
        parts = [written[:head]] if head else []
        parts += [written[at : at + 4] for at in range(head, len(written), 4)]
        written = " ".join(parts)
    return written + "h"


def count(n: int) -> str:
    """A whole number: `1193`, `11 347`, `−26 000`; groups of three from five digits on."""
    if -10_000 < n < 10_000:
        return str(n) if n >= 0 else MINUS + str(-n)
    return f"{n:,}".replace(",", " ").replace("-", MINUS)


def signed(n: int) -> str:
    """A difference of whole numbers: `+130`, `−26 000 000`, `0`."""
    return "+" + count(n) if n > 0 else count(n)


def _ratio(ahead: int, below: int, places: int) -> str:
    """The fraction `ahead` / `below` with `places` decimals, both in threes."""
    scale = 10**places
    parts = (2 * abs(ahead) * scale + below) // (2 * below)
    whole, part = divmod(parts, scale)
    written = (MINUS if ahead < 0 and parts else "") + _threes_left(str(whole))
    return f"{written}.{_threes_right(f'{part:0{places}d}')}" if places else written


def decimal(value: Number, places: int) -> str:
    """A number with `places` decimals in threes, a half going away from zero: `66 287.879`, `1.193 182`."""
    return _ratio(value.numerator, value.denominator, places)


def stamp(ns: int) -> str:
    """A moment without its unit, as in the log: `12.345 678 901`."""
    whole, part = divmod(abs(ns), 1_000_000_000)
    sign = MINUS if ns < 0 else ""
    nine = f"{part:09d}"
    return f"{sign}{_threes_left(str(whole))}.{nine[:3]} {nine[3:6]} {nine[6:]}"


def moment(ns: int) -> str:
    """A moment of virtual time in ns: `12.345 678 901 s`, always nine decimals."""
    return stamp(ns) + " s"


def duration(ns: Number) -> str:
    """A stretch of time in ns: `591.195 µs`, `381 ns`, `17.656 s`; three decimals in the unit that keeps it below 1000.

    Whole nanoseconds below 1 µs have no decimals. What would round to a thousand takes the next unit.
    """
    ahead, below = ns.numerator, ns.denominator
    size = abs(ahead)
    if below == 1 and size < 1_000:
        return f"{_ratio(ahead, 1, 0)} ns"
    for unit, one, _places in _UNITS[:3]:
        if 2_000 * size < 1_999_999 * one * below:
            return f"{_ratio(ahead, one * below, 3)} {unit}"
    return f"{_ratio(ahead, 1_000_000_000 * below, 3)} s"


def duration_exact(ns: int) -> str:
    """A stretch of time in ns with every nanosecond: `1.999 695 ms`, `999.848 µs`, `12.000 000 001 s`."""
    for unit, one, places in reversed(_UNITS):
        if abs(ns) >= one:
            return f"{_ratio(ns, one, places)} {unit}"
    return "0 ns"


def rate(hz: Number, places: int = 3, unit: str | None = None) -> str:
    """A frequency in Hz: `1000.152 Hz`, `66 287.879 Hz`, `2.600 GHz`; Hz up to 100 kHz, or in the `unit` asked for.

    The rate of a device's own clock takes six `places`: `1.193 182 MHz`.
    """
    ahead, below = hz.numerator, hz.denominator
    size = abs(ahead)
    if unit is None:
        unit = "Hz"
        if size >= 100_000 * below:
            unit = next(name for name, one in reversed(_RATES) if size >= one * below)
    return f"{_ratio(ahead, below * dict(_RATES)[unit], places)} {unit}"


def ppm(share: Number) -> str:
    """A drift as a share of one, in parts per million: `+152.4 ppm`, `0.0 ppm`."""
    written = decimal(Fraction(share) * 1_000_000, 1)
    plus = "+" if share > 0 and written != "0.0" else ""
    return f"{plus}{written} ppm"


def bits(value: int, width: int) -> str:
    """A register of `width` bits, in fours from the right: `1011 0110`."""
    written = f"{value:0{width}b}"
    head = len(written) % 4
    parts = [written[:head]] if head else []
    return " ".join(parts + [written[at : at + 4] for at in range(head, len(written), 4)])


def plural(n: int, one: str, many: str | None = None) -> str:
    """A counted word: `1 entry`, `214 entries`; `many` defaults to `one` with an s."""
    return f"{count(n)} {one if n == 1 else many or one + 's'}"


def _instant(start_iso: str, ns: int) -> datetime | None:
    """The guest's calendar moment, or None past the year 9999."""
    try:
        return datetime.fromisoformat(start_iso) + timedelta(seconds=ns // 1_000_000_000)
    except OverflowError:
        return None


def clock_of_day(start_iso: str, ns: int) -> str:
    """The time of day, `ns` after the start: `00:00:12`."""
    at = _instant(start_iso, ns)
    return "–" if at is None else f"{at.hour:02d}:{at.minute:02d}:{at.second:02d}"


def date(start_iso: str, ns: int) -> str:
    """The day, `ns` after the start: `Thu 2026-01-01`."""
    at = _instant(start_iso, ns)
    return "–" if at is None else f"{_DAYS[at.weekday()]} {at.year:04d}-{at.month:02d}-{at.day:02d}"
