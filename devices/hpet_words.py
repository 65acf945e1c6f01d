"""What an access to the HPET did, in words, from what could be seen before and after it."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import Any

from timerlab.devices.hpet_regs import (
    BASE,
    ENB,
    FSB_EN,
    LEVEL,
    MAX_TIMERS,
    MODE32,
    PERIODIC,
    REACHED,
    ROUTE,
    ROUTE_LO,
    VAL_SET,
)
from timerlab.text import count, duration, hexa

Seen = Mapping[str, Any]

_FLAGS = ((FSB_EN, "FSB_EN"), (MODE32, "32MODE"), (PERIODIC, "PERIODIC"), (ENB, "INT_ENB"), (LEVEL, "LEVEL"))


def wrote(address: int, value: int, before: Seen, after: Seen) -> str:
    """The effect of a write that was just done at `address`, and the outputs that it moved, where they can be seen."""
    words = [_wrote(address, value, before, after)]
    for n in range(MAX_TIMERS):
        name = f"hpet.t{n}.out.level"
        if before.get(name) != after.get(name):
            words.append(f"T{n} output {'rises' if after.get(name) else 'falls'}")
    return ", ".join(words)


def _wrote(address: int, value: int, before: Seen, after: Seen) -> str:
    offset = address - BASE
    place, high = offset & ~7, offset & 4
    if offset & 3:
        return "the HPET takes whole registers and halves only"
    if place == 0x010:
        return _general(before, after)
    if place == 0x020:
        return _status(before, after)
    if place == 0x0F0:
        if before["hpet.cnt"] != after["hpet.cnt"]:
            return f"counter {count(after['hpet.cnt'])}"
        return "the counter runs, ignored" if after["hpet.conf"] & 1 else f"counter {count(after['hpet.cnt'])}"
    n = _timer(place, after)
    if n is None:
        return "read-only" if place == 0x000 else "nothing is here, ignored"
    put, part = f"hpet.t{n}.", place & 0x1F
    if part == 0x00:
        return "read-only" if high else _conf(n, value, before, after)
    if part == 0x08:
        return _comparator(n, put, before, after)
    if part == 0x10:
        fsb = after[put + "fsb"]
        if before[put + "fsb"] == fsb != value:
            return f"T{n} sends no messages, ignored" if not fsb else f"T{n} message unchanged"
        return f"T{n} message {hexa(fsb & 0xFFFFFFFF, 8)} to {hexa(fsb >> 32, 8)}"
    return "nothing is here, ignored"


def read(address: int, value: int, before: Seen) -> str:
    """What the value is that a read at `address` just gave."""
    offset = address - BASE
    place = offset & ~7
    if offset & 3:
        return "the HPET answers whole registers and halves only"
    half = "high half of " if offset & 4 else ""
    if place == 0x000:
        cap = before["hpet.cap"]
        return f"{half}capabilities: {(cap >> 8 & 31) + 1} timers, {duration_of(cap >> 32)} a tick"
    if place == 0x010:
        return half + "configuration: " + _general_bits(before["hpet.conf"])
    if place == 0x020:
        return half + ("status: " + (_names(before["hpet.sta"]) or "none"))
    if place == 0x0F0:
        state = "counter" if before["hpet.conf"] & 1 else "counter, halted"
        return f"{half}{state}, {count(value)}"
    n = _timer(place, before)
    if n is None:
        return "nothing is here"
    part = place & 0x1F
    if part == 0x00:
        return f"{half}T{n}: {_mode(before[f'hpet.t{n}.conf'])}"
    if part == 0x08:
        return f"{half}T{n} comparator, {count(value)}"
    return f"{half}T{n} message" if part == 0x10 else "nothing is here"


def duration_of(fs: int) -> str:
    """A period in femtoseconds in words: `10.000 ns`, `69.841 279 ns`."""
    whole, part = divmod(fs, 1_000_000)
    if not part:
        return f"{whole} ns"
    return f"{whole}.{part // 1000:03d} {part % 1000:03d} ns"


def _timer(place: int, seen: Seen) -> int | None:
    """The timer whose registers lie at `place`."""
    n = (place - 0x100) // 0x20
    return n if 0 <= n < REACHED and f"hpet.t{n}.conf" in seen else None


def _names(bits: int) -> str:
    return " ".join(f"T{n}" for n in range(bits.bit_length()) if bits >> n & 1)


def _general_bits(conf: int) -> str:
    return f"{'LEG_RT' if conf & 2 else 'leg_rt'} {'ENABLE' if conf & 1 else 'enable'}"


def _general(before: Seen, after: Seen) -> str:
    old, new = before["hpet.conf"], after["hpet.conf"]
    parts = []
    if (old ^ new) & 1:
        parts.append("the counter runs" if new & 1 else f"the counter stands at {count(after['hpet.cnt'])}")
    if (old ^ new) & 2:
        parts.append("PIT and RTC are cut off" if new & 2 else "PIT and RTC are connected")
    if new & 3 == 3 and parts:
        parts.append("T0 is IRQ 0, T1 is IRQ 8")
    return ", ".join(parts) or "no bit changes"


def _status(before: Seen, after: Seen) -> str:
    gone = before["hpet.sta"] & ~after["hpet.sta"]
    left = after["hpet.sta"]
    if not gone:
        return f"{_names(left)} still set" if left else "no status was set"
    return f"{_names(gone)} cleared" + (f", {_names(left)} still set" if left else "")


def _mode(conf: int) -> str:
    """A configuration in words."""
    parts = ["periodic" if conf & PERIODIC else "one-shot", "level" if conf & LEVEL else "edge"]
    if conf & MODE32 or not conf & 1 << 5:
        parts.append("32 bits")
    parts.append("message" if conf & FSB_EN else f"route {conf >> ROUTE_LO & 31}")
    parts.append("INT_ENB" if conf & ENB else "int_enb")
    return " ".join(parts)


def _conf(n: int, value: int, before: Seen, after: Seen) -> str:
    name = f"hpet.t{n}.conf"
    new = after[name]
    words = f"T{n} {_mode(new)}"
    if value & VAL_SET and value & PERIODIC and new & PERIODIC:
        words += ", the next CMP sets the comparator"
    refused = [word for bit, word in _FLAGS if value & bit and not new & bit]
    if (value ^ new) & ROUTE:
        refused.append(f"route {value >> ROUTE_LO & 31}")
    if refused:
        words += f"; {' '.join(refused)} refused"
    if before[f"hpet.t{n}.sts"] and not after[f"hpet.t{n}.sts"]:
        words += f"; T{n} status cleared"
    return words


def _comparator(n: int, put: str, before: Seen, after: Seen) -> str:
    parts = []
    mode = after[put + "mode"]
    moved = before[put + "cmp"] != after[put + "cmp"] or mode == "one-shot"
    if moved:
        parts.append(f"comparator {count(after[put + 'cmp'])}")
    if before[put + "period"] != after[put + "period"] or (mode == "periodic" and not moved):
        parts.append(f"period {count(after[put + 'period'])}")
    words = f"T{n} {mode}, " + ", ".join(parts)
    left = after[put + "left"]
    if left is None:
        return words + ("" if after["hpet.conf"] & 1 else "; the counter stands")
    return words + f"; next match in {duration(Fraction(left * (after['hpet.cap'] >> 32), 1_000_000))}"
