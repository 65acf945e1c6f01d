"""What was done about a nested guest, in words: the arithmetic with its numbers."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import Any

from timerlab.text import count, decimal

Seen = Mapping[str, Any]


def ratio_words(ratio: int, frac: int) -> str:
    """A ratio as a number: `1.500 000`."""
    return decimal(Fraction(ratio, 1 << frac), 6)


def plus(value: int) -> str:
    """A number that is added: `+ 500`, `− 500`."""
    return f"{'−' if value < 0 else '+'} {count(abs(value))}"


def entered(seen: Seen, v: int, frac: int) -> str:
    """A VM entry that has just been done."""
    put = f"nest{v}."
    if not seen[put + "guest_mode"]:
        return f"L2 was entered on v{v}, and left before its first instruction: {seen[put + 'last_exit']}"
    return f"L2 runs on v{v}, {summed(seen, v, frac)}"


def summed(seen: Seen, v: int, frac: int) -> str:
    """How L2's offset and ratio came about, while L2 runs."""
    put = f"nest{v}."
    o01, o12, o02, m12 = (seen[put + name] for name in ("o01", "o12", "o02", "m12"))
    if m12 == 1 << frac:
        return f"o02 = {count(o01)} {plus(o12)} = {count(o02)}"
    by = ratio_words(m12, frac)
    both = f"m02 = {ratio_words(seen[put + 'm01'], frac)} · {by} = {ratio_words(seen[put + 'm02'], frac)}"
    return f"o02 = {count(o01)} · {by} {plus(o12)} = {count(o02)}, {both}"


def left(seen: Seen, v: int, svm: bool) -> str:
    """An exit to L1 that has just been done."""
    put = f"nest{v}."
    block = "vmcb12" if svm else "vmcs12"
    kept = f"L2's {count(seen[put + 'field_offset'])} stays in {block}"
    return f"{seen[put + 'last_exit']}; L1 runs on v{v}, offset {count(seen[put + 'o01'])} again, {kept}"


def later(seen: Seen, v: int) -> str:
    """When a change of vmcs12 or vmcb12 counts."""
    return "counts from the next VM entry on" if seen[f"nest{v}.guest_mode"] else "counts when L2 is entered"
