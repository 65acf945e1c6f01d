"""Counters that carry into one another: how the RTC's time bytes go on, in closed form, and when they meet an alarm.

Source: MC146818A datasheet, Time, Calendar and Alarm Locations (ranges, formats, do-not-care codes).

A byte that counts is a `Wheel`: it goes along a tail, which ends with its last legal value; there it carries, and from
then on it goes round a cycle of legal values. A legal byte starts on the last part of the cycle, an illegal one counts
up (no repair) until it meets the legal values. So any number of steps, and the steps at which an alarm byte is met,
are one division away, for any byte at all.
"""

from __future__ import annotations

from functools import lru_cache

DM = 0x04
H24 = 0x02
FORMAT = DM | H24
"""The bits of register B that say how bytes are coded."""

ANY = 0xC0
"""Alarm bytes from here up match whatever the time is."""

MANY = 1 << 80
"""More steps than anyone takes."""


def encode(value: int, fmt: int) -> int:
    """A number from 0 to 99 as a byte: binary where DM is 1, else BCD."""
    return value if fmt & DM else value // 10 << 4 | value % 10


def loose(byte: int, fmt: int) -> int:
    """A byte as a number, legal or not: the high digit counts ten times the low one."""
    return byte if fmt & DM else (byte >> 4) * 10 + (byte & 15)


def legal(byte: int, fmt: int) -> int | None:
    """A byte as a number from 0 to 99; None where it is no such number."""
    if fmt & DM:
        return byte if byte < 100 else None
    return (byte >> 4) * 10 + (byte & 15) if byte < 0xA0 and byte & 15 < 10 else None


def encode_hour(hour: int, fmt: int) -> int:
    """An hour of the day, 0 to 23, as a byte; in 12 hours bit 7 is PM, and midnight is 12."""
    if fmt & H24:
        return encode(hour, fmt)
    return encode(hour % 12 or 12, fmt) | (0x80 if hour >= 12 else 0)


def count_up(byte: int, fmt: int, mask: int) -> int:
    """A byte that is no last value, one more: decimal digits carry where DM is 0."""
    return byte + (7 if not fmt & DM and byte & 15 == 9 else 1) & mask


class Wheel:
    """One counting byte, from a given value on; `length` is its cycle, `first` the step at which it first carries."""

    __slots__ = ("_at_cycle", "_at_tail", "cycle", "first", "length", "tail")

    def __init__(self, tail: tuple[int, ...], cycle: tuple[int, ...]) -> None:
        self.tail = tail
        self.cycle = cycle
        self.first = len(tail)
        self.length = len(cycle)
        self._at_tail = {byte: at for at, byte in reversed(tuple(enumerate(tail)))}
        self._at_cycle = {byte: at for at, byte in enumerate(cycle)}

    def at(self, step: int) -> int:
        """The byte after `step` steps."""
        if step < self.first:
            return self.tail[step]
        return self.cycle[(step - self.first) % self.length]

    def carries(self, step: int) -> int:
        """How often it carried in the first `step` steps."""
        return 0 if step < self.first else (step - self.first) // self.length + 1

    def place(self, alarm: int) -> int | None:
        """How long after a carry it first meets an alarm byte; None if never."""
        return 0 if alarm >= ANY else self._at_cycle.get(alarm)

    def each(self, alarm: int) -> int:
        """How often it meets an alarm byte between two carries."""
        if alarm >= ANY:
            return self.length
        return 1 if alarm in self._at_cycle else 0

    def first_hit(self, alarm: int) -> int | None:
        """The first step, not before 1, after which it meets an alarm byte."""
        if alarm >= ANY:
            return 1
        at = self._at_tail.get(alarm, 0)
        if at:
            return at
        place = self._at_cycle.get(alarm)
        return None if place is None else self.first + place

    def hits(self, alarm: int, last: int) -> int:
        """In how many of the steps 1 to `last` it meets an alarm byte."""
        if alarm >= ANY:
            return last
        total = 1 if 0 < self._at_tail.get(alarm, 0) <= last else 0
        place = self._at_cycle.get(alarm)
        if place is not None and last >= self.first + place:
            total += (last - self.first - place) // self.length + 1
        return total


@lru_cache(maxsize=64)
def _cycle(kind: str, fmt: int) -> tuple[int, ...]:
    if kind == "hour":
        return tuple(encode_hour(hour, fmt) for hour in range(24))
    if kind == "dow":
        return tuple(range(1, 8))
    return tuple(encode(value, fmt) for value in range(60))


@lru_cache(maxsize=4096)
def wheel(kind: str, fmt: int, byte: int) -> Wheel:
    """The wheel of a second, minute, hour or dow byte (`sec`, `min`, `hour`, `dow`) in a format, from `byte` on."""
    cycle = _cycle(kind, fmt)
    mask = 0x7F if kind == "sec" else 0xFF
    half_days = kind == "hour" and not fmt & H24
    tail = [byte]
    while byte != cycle[-1]:
        if half_days:
            low, pm = byte & 0x7F, byte & 0x80
            if low == encode(11, fmt):
                byte = encode(12, fmt) | 0x80
            elif low == encode(12, fmt):
                byte = 1 | pm
            else:
                byte = count_up(low, fmt, 0x7F) | pm
        else:
            byte = count_up(byte, fmt, mask)
        tail.append(byte)
    return Wheel(tuple(tail), cycle)


def wheels(sec: int, minute: int, hour: int, fmt: int) -> tuple[Wheel, ...]:
    """The wheels of a time of day, the fastest first."""
    return wheel("sec", fmt, sec), wheel("min", fmt, minute), wheel("hour", fmt, hour)


Alarm = tuple[int, int, int]
"""The alarm bytes: seconds, minutes, hours."""


def meets(alarm: tuple[int, ...], sec: int, minute: int, hour: int) -> bool:
    """Whether a time meets an alarm: each byte equal or do-not-care."""
    a, b, c = alarm
    return (a >= ANY or a == sec) and (b >= ANY or b == minute) and (c >= ANY or c == hour)


def _stands(ws: tuple[Wheel, ...], alarm: tuple[int, ...], step: int) -> bool:
    """Whether all of `ws`, the first of them stepped `step` times, meet their alarm bytes."""
    for w, byte in zip(ws, alarm, strict=True):
        if byte < ANY and w.at(step) != byte:
            return False
        step = w.carries(step)
    return True


def first_match(ws: tuple[Wheel, ...], alarm: tuple[int, ...]) -> int | None:
    """The first step, not before 1, after which all wheels meet their alarm bytes; None if never."""
    w, byte = ws[0], alarm[0]
    if len(ws) == 1:
        return w.first_hit(byte)
    hit = w.first_hit(byte)
    if hit is not None and hit < w.first and _stands(ws[1:], alarm[1:], 0):
        return hit
    place = w.place(byte)
    carry = None if place is None else first_match(ws[1:], alarm[1:])
    return None if carry is None or place is None else w.first + w.length * (carry - 1) + place


def matches(ws: tuple[Wheel, ...], alarm: tuple[int, ...], last: int) -> int:
    """After how many of the steps 1 to `last` all wheels meet their alarm bytes."""
    w, byte = ws[0], alarm[0]
    if last < 1:
        return 0
    if len(ws) == 1:
        return w.hits(byte, last)
    carries = w.carries(last)
    slow, bytes_ = ws[1:], alarm[1:]
    if not carries:
        return w.hits(byte, last) if _stands(slow, bytes_, 0) else 0
    total = w.hits(byte, w.first - 1) if _stands(slow, bytes_, 0) else 0
    total += w.each(byte) * matches(slow, bytes_, carries - 1)
    if _stands(slow, bytes_, carries):
        since = w.first + w.length * (carries - 1)
        total += w.hits(byte, last) - w.hits(byte, since - 1)
    return total
