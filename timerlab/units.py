"""Numbers and times as people write them, read into ints.

Numbers: `0x34`, `34h`, `0b110100`, `52`. Times: a bare number is ns; units `ns us ms s min hr day y` (y = 365 days;
no `h`, that is hex); the name of a clock counts its ticks: `100pit`. Anything finer than 1 ns is refused, never
rounded.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction

from timerlab.clock import NS_PER_S, Clock

UNITS: Mapping[str, int] = {
    "ns": 1,
    "us": 1_000,
    "µs": 1_000,
    "ms": 1_000_000,
    "s": NS_PER_S,
    "min": 60 * NS_PER_S,
    "hr": 3600 * NS_PER_S,
    "day": 86_400 * NS_PER_S,
    "y": 365 * 86_400 * NS_PER_S,
}
"""Nanoseconds in each unit of time."""

RATE_MIN, RATE_MAX = Fraction(1, 10_000_000), Fraction(1_000_000)
"""The slowest and the fastest that virtual time may go, in units of real time."""

LONGEST_NS = 1000 * UNITS["y"]
"""The longest time that a command may name: a thousand years."""

LONGEST_WORD = 200
"""The longest number or time that is read, in characters: more is no number that a person writes."""

_NUMBER = re.compile(r"(?:0x(?P<x>[0-9a-f]+)|(?P<h>[0-9a-f]+)h|0b(?P<b>[01]+)|(?P<d>[0-9]+))", re.IGNORECASE)
_TIME = re.compile(r"(?P<n>[0-9]+(?:\.[0-9]+)?)(?P<unit>[a-zµμ][a-z0-9]*)?", re.IGNORECASE)


def parse_number(text: str) -> int:
    """`0x34`, `34h`, `0b110100` or `52`, with an optional minus; ValueError says which forms there are."""
    negative = text[:1] in ("-", "−")
    match = _NUMBER.fullmatch(text[1:] if negative else text)
    if len(text) > LONGEST_WORD:
        raise ValueError(f"a number of {len(text)} characters is too long")
    if match is None:
        raise ValueError(f"{text} is not a number: write 52, 34h, 0x34 or 0b110100")
    for group, base in (("h", 16), ("x", 16), ("b", 2), ("d", 10)):
        if match[group] is not None:
            value = int(match[group], base)
            break
    return -value if negative else value


_RATE = re.compile(r"[0-9]+\.[0-9]+|[0-9]+(?:/[0-9]*[1-9][0-9]*)?")


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of time: `amount` ns, or `amount` ticks of the clock named `clock`."""

    amount: int
    clock: str | None = None

    def after(self, now: int, clocks: Mapping[str, Clock]) -> int:
        """The moment that lies this far after `now`; no clocks are no time, also between two of them."""
        if self.clock is None:
            return now + self.amount
        clock = clocks[self.clock]
        return max(now, clock.ns(clock.ticks(now) + self.amount))

    def moment(self, clocks: Mapping[str, Clock]) -> int:
        """This as a moment, counted from power-on."""
        return self.amount if self.clock is None else clocks[self.clock].ns(self.amount)

    def __str__(self) -> str:
        """As it is typed, in the largest unit that says it whole: `838.096us`, `900y`, `100pit`."""
        if self.clock is not None:
            return f"{self.amount}{self.clock}"
        for unit in ("y", "day", "hr", "min"):
            if self.amount and not self.amount % UNITS[unit]:
                return f"{self.amount // UNITS[unit]}{unit}"
        unit = next((unit for unit in ("s", "ms", "us") if self.amount >= UNITS[unit]), "ns")
        whole, part = divmod(self.amount, UNITS[unit])
        decimals = f"{part:0{len(str(UNITS[unit])) - 1}}".rstrip("0") if part else ""
        return f"{whole}{'.' if decimals else ''}{decimals}{unit}"


def parse_time(text: str, clocks: Iterable[str] | Mapping[str, Clock] = ()) -> Span:
    """`10ms`, `1.5us`, `838`, `100pit`; ValueError says what is wrong and what would be right."""
    if len(text) > LONGEST_WORD:
        raise ValueError(f"a time of {len(text)} characters is too long")
    if text[:1] in ("-", "−"):
        raise ValueError(f"{text} is negative: time only goes on; `back` and `goto` go back")
    match = _TIME.fullmatch(text)
    if match is None:
        raise ValueError(f"{text} is not a time: write 10ms, 1.5us, 838 (ns) or 100pit")
    amount, unit = Fraction(match["n"]), (match["unit"] or "ns").lower().replace("μ", "µ")
    if unit in clocks and unit not in UNITS:
        if amount.denominator != 1:
            raise ValueError(f"{text} is not whole: {unit} counts whole clocks")
        span = Span(int(amount), unit)
        if span.amount > LONGEST_NS or (isinstance(clocks, Mapping) and span.moment(clocks) > LONGEST_NS):
            raise ValueError(f"{text} is too long: up to a thousand years")
        return span
    if unit not in UNITS:
        if unit == "h":
            raise ValueError(f"h marks hex: for hours write {match['n']}hr")
        names = ", ".join([*(name for name in UNITS if name != "µs"), *(c for c in clocks if c != "ns")])
        raise ValueError(f"no unit {unit}: {names}")
    ns = amount * UNITS[unit]
    if ns.denominator != 1:
        raise ValueError(f"{text} is finer than 1 ns")
    if ns > LONGEST_NS:
        raise ValueError(f"{text} is too long: up to a thousand years")
    return Span(int(ns))


_HZ = re.compile(r"[0-9]{1,30}(?:\.[0-9]{1,30}|/[0-9]{0,29}[1-9][0-9]{0,29})?")


def parse_hz(text: str) -> Fraction:
    """A clock's rate as options give it: `1193182`, `1193181.5` or `13125000/11`; ValueError for anything else."""
    if not _HZ.fullmatch(text):
        raise ValueError(f"{text} is not a number or a fraction such as 13125000/11")
    return Fraction(text)


def parse_rate(text: str, clocks: Mapping[str, Clock]) -> Fraction:
    """`1`, `1/1000`, `0.5`, `10ms/s`, `1pit/s`: virtual time in units of real time; ValueError says what is wrong."""
    form = "write 1, 1/1000, 0.5, 10ms/s or 1pit/s"
    if len(text) > LONGEST_WORD:
        raise ValueError(f"a rate of {len(text)} characters is too long: {form}")
    if text.endswith("/s"):
        span = parse_time(text[:-2], clocks)
        ns = Fraction(span.amount) if span.clock is None else span.amount / clocks[span.clock].hz * NS_PER_S
        rate = ns / NS_PER_S
    else:
        if not _RATE.fullmatch(text):
            raise ValueError(f"{text} is not a rate: {form}")
        rate = Fraction(text)
    if not RATE_MIN <= rate <= RATE_MAX:
        raise ValueError(f"{text} is out of range: 1/10000000 to 1000000")
    return rate
