"""QEMU's way with the RTC's time: bytes are reckoned as a date and written back, and alarms reckoned beforehand.

Source: docs/qemu.md, F20 to F22 and the notes on the RTC. Used by the quirks rtc_format=converted,
rtc_illegal=normalised and rtc_alarm=qemu.
"""

from __future__ import annotations

from timerlab.devices.rtc_calendar import DAY_S, Rules, Time, civil, clock_text, day_number, time_of
from timerlab.devices.rtc_wheel import ANY, H24, Alarm, loose

_ERA = day_number(0, 3, 1)


def _number(byte: int, fmt: int) -> int:
    """A byte as a number; do-not-care codes count as -1."""
    return -1 if byte >= ANY else loose(byte, fmt)


def reckoned(time: Time, fmt: int, to: int) -> Time:
    """The time that the bytes mean in format `fmt`, overflowing fields carried, as bytes in format `to`."""
    second, minute = _number(time[0], fmt), _number(time[1], fmt)
    hour = _number(time[2] & 0x7F, fmt)
    if not fmt & H24:
        hour = hour % 12 + (12 if time[2] & 0x80 else 0)
    month, year = _number(time[5], fmt), _number(time[6], fmt) + 100 * _number(time[7], fmt)
    if month < 3:
        month, year = month + 12, year - 1
    # years begin in March, so that the leap day is the last; months of a year have 153 days in five
    days = (
        _ERA + 365 * year + year // 4 - year // 100 + year // 400 + (153 * month - 457) // 5 + _number(time[4], fmt) - 1
    )
    days, rest = divmod(days * DAY_S + hour * 3600 + minute * 60 + second, DAY_S)
    y, m, d = civil(days)
    return time_of((y, m, d, rest // 3600, rest // 60 % 60, rest % 60), to)


def converted(time: Time, fmt: int, to: int, rules: Rules) -> Time:
    """Legal time bytes in another format; illegal ones as they are."""
    if clock_text(time, rules) is None:
        return time
    made = reckoned((*time[:7], time[7] if rules.century else _twenty(fmt)), fmt, to)
    return (*made[:3], time[3], *made[4:7], made[7] if rules.century else time[7])


def _twenty(fmt: int) -> int:
    return time_of((2000, 1, 1, 0, 0, 0), fmt)[7]


def _hour(byte: int, present: int, fmt: int) -> int:
    """An hours byte as an hour, with the PM bit of the `present` one in 12 hours."""
    hour = _number(byte, fmt)
    return hour if fmt & H24 else hour % 12 + (12 if present & 0x80 else 0)


def updates_to_alarm(time: Time, alarm: Alarm, fmt: int) -> int:
    """In how many updates the alarm is due, as reckoned now: 1 to 86 400."""
    now = (_hour(time[2], time[2], fmt) * 60 + _number(time[1], fmt)) * 60 + _number(time[0], fmt)
    second, minute = _number(alarm[0], fmt), _number(alarm[1], fmt)
    hour = -1 if alarm[2] >= ANY else _hour(alarm[2], time[2], fmt) % 24
    found = _next(now + 1, hour, minute, second)
    return (found - now - 1) % DAY_S + 1


def _next(at: int, hour: int, minute: int, second: int) -> int:
    """The first second of the day from `at` on that has this hour, minute and second; -1 is any."""
    for day in (0, 1):
        base = max(at, 0) if not day else DAY_S * (at // DAY_S + 1)
        found = _on_day(base, hour, minute, second)
        if found is not None:
            return found
    return at


def _on_day(at: int, hour: int, minute: int, second: int) -> int | None:
    midnight, at = at // DAY_S * DAY_S, at % DAY_S
    hours = range(at // 3600, 24) if hour < 0 else (hour,)
    for h in hours:
        low = max(at, h * 3600)
        if low >= (h + 1) * 3600:
            continue
        for m in range(low // 60 % 60, 60) if minute < 0 else (minute,):
            start = max(low, h * 3600 + m * 60)
            end = h * 3600 + m * 60 + 60
            if start >= end:
                continue
            s = start if second < 0 else h * 3600 + m * 60 + second
            if start <= s:
                return midnight + s
    return None
