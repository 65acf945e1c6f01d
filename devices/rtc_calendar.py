"""The RTC's calendar: what n updates make of the time bytes, when the alarm is met on the way, and how often.

Source: MC146818A datasheet: Time, Calendar and Alarm Locations; Register B, DSE. A time is eight bytes as they stand
in the chip: second, minute, hour, day of week, date, month, year, century. Nothing here goes second by second: the time
of day is wheels (`rtc_wheel`), the date a day number, and between two changes of daylight saving time nothing else
happens. Dates that are no dates are taken month by month until they are.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date as Day
from functools import lru_cache
from typing import NamedTuple

from timerlab.devices.rtc_wheel import (
    DM,
    H24,
    MANY,
    Alarm,
    count_up,
    encode,
    encode_hour,
    first_match,
    legal,
    loose,
    matches,
    meets,
    wheel,
    wheels,
)

Time = tuple[int, int, int, int, int, int, int, int]
"""Second, minute, hour, day of week, date, month, year, century: the bytes."""

DAY_S = 86_400
LONG_YEAR_S = 366 * DAY_S
CENTURY_DAYS = 36_525
GREGORIAN_DAYS = 146_097
_2000 = Day(2000, 1, 1).toordinal()
_BEFORE_2AM = 7199
_LENGTHS = (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)


class Rules(NamedTuple):
    """How the time counts: the format bits of register B, whether the century counts (Gregorian leap years), whether
    the day of week is the date's, and the first date of April's daylight saving window (0: none).
    """

    fmt: int
    century: bool = False
    dow_of_date: bool = False
    april: int = 0


def civil(days: int) -> tuple[int, int, int]:
    """Year, month and day of the Gregorian calendar, `days` after 1 January 2000."""
    cycles, rest = divmod(days, GREGORIAN_DAYS)
    day = Day.fromordinal(_2000 + rest)
    return day.year + 400 * cycles, day.month, day.day


def day_number(year: int, month: int, day: int) -> int:
    """Days from 1 January 2000 to a date of the Gregorian calendar."""
    cycles, year = divmod(year - 2000, 400)
    return Day(2000 + year, month, day).toordinal() - _2000 + cycles * GREGORIAN_DAYS


@lru_cache(maxsize=1024)
def read_date(date: int, month: int, year: int, century: int, rules: Rules) -> tuple[int, int, int] | None:
    """Year, month and day that the bytes mean, or None. Without a counting century, years are 2000 to 2099: the
    hundred years in which each fourth is a leap year.
    """
    fmt = rules.fmt
    d, m, y = legal(date, fmt), legal(month, fmt), legal(year, fmt)
    c = legal(century, fmt) if rules.century else 20
    if d is None or m is None or y is None or c is None or not 1 <= m <= 12:
        return None
    y += 100 * c
    return (y, m, d) if 1 <= d <= _length(m, y, rules.century) else None


def _length(month: int, year: int, gregorian: bool) -> int:
    if month == 2:
        return 29 if not year % 4 and (year % 100 or not year % 400 or not gregorian) else 28
    return _LENGTHS[month - 1] if 1 <= month <= 12 else 31


@lru_cache(maxsize=512)
def _to_last(date: int, last: int, fmt: int) -> tuple[int, ...]:
    """The date bytes from `date` to the last one of its month."""
    path = [date]
    while date != last:
        date = count_up(date, fmt, 0xFF)
        path.append(date)
    return tuple(path)


def _next_month(month: int, year: int, century: int, rules: Rules) -> tuple[int, int, int]:
    fmt = rules.fmt
    if month != encode(12, fmt):
        return count_up(month, fmt, 0xFF), year, century
    if year != encode(99, fmt):
        return 1, count_up(year, fmt, 0xFF), century
    if rules.century:
        century = 0 if century == encode(99, fmt) else count_up(century, fmt, 0xFF)
    return 1, 0, century


def add_days(time: Time, days: int, rules: Rules) -> tuple[int, int, int, int, int]:
    """Day of week, date, month, year and century bytes, `days` days on."""
    dow, date, month, year, century = time[3:]
    fmt = rules.fmt
    dow = wheel("dow", fmt, dow).at(days)
    seen = read_date(date, month, year, century, rules)
    while seen is None:
        full = loose(year, fmt) + 100 * loose(century, fmt)
        last = _length(legal(month, fmt) or 0, full if rules.century else loose(year, fmt), rules.century)
        path = _to_last(date, encode(last, fmt), fmt)
        if days < len(path):
            date, days = path[days], 0
            break
        days -= len(path)
        date = 1
        month, year, century = _next_month(month, year, century, rules)
        seen = read_date(date, month, year, century, rules)
    if seen is not None and days:
        number = day_number(*seen) + days
        y, m, d = civil(number if rules.century else number % CENTURY_DAYS)
        date, month, year = encode(d, fmt), encode(m, fmt), encode(y % 100, fmt)
        if rules.century:
            century = encode(y // 100 % 100, fmt)
    if rules.dow_of_date:
        dow = dow_of(dow, date, month, year, century, rules)
    return dow, date, month, year, century


def dow_of(dow: int, date: int, month: int, year: int, century: int, rules: Rules) -> int:
    """The day of week of a date, 1 to 7; `dow` where the bytes are no date."""
    seen = read_date(date, month, year, century, rules)
    return dow if seen is None else (day_number(*seen) + 6) % 7 + 1


def _plain(time: Time, n: int, rules: Rules) -> tuple[Time, int]:
    """The time after `n` updates without daylight saving, and the days that passed."""
    if not n:
        return time, 0
    s, m, h = wheels(time[0], time[1], time[2], rules.fmt)
    minutes = s.carries(n)
    hours = m.carries(minutes)
    days = h.carries(hours)
    rest = add_days(time, days, rules) if days or rules.dow_of_date else time[3:]
    return (s.at(n), m.at(minutes), h.at(hours), *rest), days


# -- daylight saving


class Stretch(NamedTuple):
    """`steps` updates that just count, from `time`; then, if there is a `then`, one update that goes there."""

    time: Time
    steps: int
    then: Time | None
    done: bool
    """Whether the hour was put back already on the day that follows."""


def _due(time: Time, done: bool, rules: Rules) -> int:
    """What the next update after 01:59:59 does: 3 is the spring change, 1 the autumn one, 0 none."""
    fmt = rules.fmt
    date = legal(time[4], fmt)
    if time[:4] != (encode(59, fmt), encode(59, fmt), 1, 1) or date is None:
        return 0
    if time[5] == 4 and rules.april <= date < rules.april + 7:
        return 3
    return 1 if time[5] == encode(10, fmt) and 25 <= date <= 31 and not done else 0


def _to_change(time: Time, done: bool, rules: Rules) -> int:
    """Updates until it is 01:59:59 on a day on which the hour may change."""
    fmt = rules.fmt
    seen = read_date(*time[4:], rules)
    tail = wheels(time[0], time[1], time[2], fmt)
    to_2am = first_match(tail, (encode(59, fmt), encode(59, fmt), 1))
    assert to_2am is not None
    if time[:3] == (encode(59, fmt), encode(59, fmt), 1):
        to_2am = 0
    ordinary = all(w.first <= w.length for w in tail)
    if seen is None or not ordinary or not 1 <= time[3] <= 7:
        return to_2am  # one day at a time, until the bytes are legal
    today = 0 if to_2am <= _BEFORE_2AM else 1
    here = day_number(*seen)
    found = MANY
    for year in (seen[0], seen[0] + 1):
        for month, first in ((4, rules.april), (10, 25)):
            wrapped = not rules.century and year == 2100
            start = day_number(2000, month, first) + CENTURY_DAYS if wrapped else day_number(year, month, first)
            days = max(start - here, today + (done and month == 10 and not today))
            days += (1 - time[3] - days) % 7
            if here + days < start + 7:
                found = min(found, days)
        if found < MANY:
            break
    return to_2am + (found - today) * DAY_S


def stretches(time: Time, done: bool, n: int, rules: Rules) -> Iterator[Stretch]:
    """`n` updates as stretches that just count, with the changes of daylight saving time between them."""
    if rules.april and rules.dow_of_date and n:
        time = (*time[:3], dow_of(time[3], *time[4:], rules), *time[4:])
    while rules.april and n:
        steps = _to_change(time, done, rules)
        if steps >= n:
            break
        before, days = _plain(time, steps, rules)
        done = done and not days
        change = _due(before, done, rules)
        then = (0, 0, change, *before[3:]) if change else _plain(before, 1, rules)[0]
        done = done or change == 1
        yield Stretch(time, steps, then, done)
        time = then
        n -= steps + 1
    yield Stretch(time, n, None, done)


# -- what the chip asks


def advance(time: Time, done: bool, n: int, rules: Rules) -> tuple[Time, bool]:
    """The time after `n` updates, and whether the hour was put back already on its day."""
    while rules.april and n > 3 * LONG_YEAR_S:
        years, days = _whole_years(time, done, n, rules)
        if years:
            time, n, done = _plain(time, years, rules)[0], n - years, False
            break
        if days > n:
            break
        for stretch in stretches(time, done, days, rules):
            time, done = _end(stretch, rules)
        n -= days
    for stretch in stretches(time, done, n, rules):
        time, done = _end(stretch, rules)
    return time, done


def _end(stretch: Stretch, rules: Rules) -> tuple[Time, bool]:
    if stretch.then is not None:
        return stretch.then, stretch.done
    time, days = _plain(stretch.time, stretch.steps, rules)
    return time, stretch.done and not days


def _whole_years(time: Time, done: bool, n: int, rules: Rules) -> tuple[int, int]:
    """Updates to a New Year's midnight some years ahead, where summers on the way take back what they give; else 0,
    and the updates to the next change.
    """
    if rules.dow_of_date:
        time = (*time[:3], dow_of(time[3], *time[4:], rules), *time[4:])
    steps = _to_change(time, done, rules)
    before, _ = _plain(time, min(steps, n), rules)
    here, there = read_date(*time[4:], rules), read_date(*before[4:], rules)
    if here is None or there is None or _due(before, done, rules) != 3:
        return 0, steps + 1
    year = there[0] + n // LONG_YEAR_S - 1
    if there[0] < here[0]:
        year += 10_000 if rules.century else 100
    if rules.century:
        ahead = day_number(year, 1, 1)
    else:
        centuries, year = divmod(year - 2000, 100)
        ahead = day_number(2000 + year, 1, 1) + centuries * CENTURY_DAYS
    today = first_match(wheels(*time[:3], rules.fmt), (0, 0, encode_hour(0, rules.fmt)))
    assert today is not None
    return today + (ahead - day_number(*here) - 1) * DAY_S, steps + 1


def next_alarm(time: Time, done: bool, alarm: Alarm, rules: Rules, within: int = MANY) -> int | None:
    """How many updates until the alarm is met, 1 or more; None if not `within` so many, or never."""
    passed = 0
    for stretch in stretches(time, done, within, rules):
        found = first_match(wheels(*stretch.time[:3], rules.fmt), alarm)
        if found is None:
            return None
        if found <= stretch.steps:
            return passed + found
        passed += stretch.steps + 1
        if stretch.then is not None and meets(alarm, *stretch.then[:3]):
            return passed
    return None


def alarms(time: Time, done: bool, alarm: Alarm, n: int, rules: Rules) -> int:
    """How often the alarm is met in `n` updates."""
    total = 0
    for stretch in stretches(time, done, n, rules):
        total += matches(wheels(*stretch.time[:3], rules.fmt), alarm, stretch.steps)
        if stretch.then is not None:
            total += meets(alarm, *stretch.then[:3])
    return total


def clock_text(time: Time, rules: Rules) -> str | None:
    """The time in words, `2026-01-01 00:00:12`, with the century as its byte has it (else 20xx); None where the bytes
    mean no time.
    """
    fmt = rules.fmt
    seen = read_date(*time[4:], rules)
    cycle = wheel("hour", fmt, encode_hour(0, fmt)).tail
    s, m = legal(time[0], fmt), legal(time[1], fmt)
    if seen is None or s is None or m is None or s > 59 or m > 59 or time[2] not in cycle:
        return None
    year = seen[0]
    if not rules.century:
        century = legal(time[7], fmt)
        year = year % 100 + 100 * (20 if century is None else century)
    return f"{year:04d}-{seen[1]:02d}-{seen[2]:02d}T{cycle.index(time[2]):02d}:{m:02d}:{s:02d}"


def time_of(start: tuple[int, int, int, int, int, int], fmt: int = H24) -> Time:
    """The bytes of a moment (year, month, day, hour, minute, second), day of week included."""
    year, month, day, hour, minute, second = start
    dow = (day_number(year, month, day) + 6) % 7 + 1
    return (
        encode(second, fmt),
        encode(minute, fmt),
        encode_hour(hour, fmt),
        dow,
        encode(day, fmt),
        encode(month, fmt),
        encode(year % 100, fmt),
        encode(year // 100 % 100, fmt),
    )


__all__ = ["DM", "Rules", "Time", "advance", "alarms", "clock_text", "next_alarm", "time_of"]
