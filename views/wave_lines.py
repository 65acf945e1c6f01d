"""Which lines the waves show, in which order, and what they are called."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache

from timerlab.views.frame import Frame

__all__ = ["chosen", "label", "ordered", "oscillator"]

_LABELS = {
    "refresh": "REF",
    "speaker": "speaker",
    "port61.gate2": "GATE2",
    "port61.spkr": "SPKR",
    "rtc.irq": "RTC IRQ",
    "rtc.uip": "UIP",
    "rtc.sqw": "SQW",
    "acpi.sci": "SCI",
}
_KINDS = (
    r"pit\.ch0\.out",
    r"irq\.0",
    r"pit\.ch[12]\.out",
    "speaker",
    r"irq\.8",
    r"hpet\.t\d+\.out",
    r"lapic\d+\.timer",
    r"rtc\.(uip|sqw)",
    r"acpi\.sci|irq\.9",
    r"pin\.\d+|irq\.\d+",
)
"""Lines from the top to the bottom."""
_ALWAYS = re.compile(r"pit\.ch\d\.out|irq\.[08]|speaker|hpet\.t0\.out|rtc\.uip")
"""Lines that stand above others that are still as well."""
_MINOR = re.compile(r"refresh|port61\..*|rtc\.irq")
"""Lines that tell little beside the others, however often they move."""
_CLOCKS = {"rtc": "rtc", "hpet": "hpet", "acpi": "pm", "lapic": "apic"}


@lru_cache(256)
def label(name: str) -> str:
    """What a line is called on the screen: `OUT0` for pit.ch0.out, `IRQ0 req` for irq.0."""
    if name in _LABELS:
        return _LABELS[name]
    head, _, tail = name.partition(".")
    if head == "pit" and tail.endswith(".out"):
        return "OUT" + tail[2]
    if head == "irq":
        return f"IRQ{tail} req" if tail.isdigit() else name
    if head == "hpet":
        return f"HPET T{tail[1:].partition('.')[0]}"
    if head.startswith("lapic"):
        return f"v{head[5:]} timer"
    if head.startswith("vcpu"):
        return f"v{head[4:]} {tail}"
    if head == "pin":
        return f"pin {tail}"
    return name.rpartition(".")[2] if len(name) > 9 else name


@lru_cache(256)
def _rank(name: str) -> int:
    """How far from the top a line stands among those that have moved as it has."""
    return next((at for at, kind in enumerate(_KINDS) if re.fullmatch(kind, name)), len(_KINDS))


def ordered(frame: Frame) -> tuple[str, ...]:
    """All lines: those that have moved, then the usual ones, then those that nothing has touched yet."""

    def place(name: str) -> tuple[int, int]:
        moved = bool(frame.peeks.get(f"{name}.edges"))
        tier = 0 if moved else 3
        if _MINOR.fullmatch(name):
            tier = 2
        elif not moved and _ALWAYS.fullmatch(name):
            tier = 1
        return tier, _rank(name)

    return tuple(sorted(frame.lines(), key=place))


@lru_cache(256)
def _forms(name: str) -> tuple[str, str]:
    """What a filter may call a line: `hpet.t0` or `hpett0`."""
    return name.removesuffix(".out"), label(name).removesuffix(" req").replace(" ", "").lower()


@lru_cache(16)
def chosen(names: tuple[str, ...], words: str) -> tuple[str, ...]:
    """The lines that a filter asks for, in the order of its words: `uip irq8 hpet`; all of them without words.

    A word is a line's name or label, or a part of it; the whole name comes before parts.
    """
    if not words.split():
        return names
    found: list[str] = []
    for word in words.lower().split():
        called = {name: _forms(name) for name in names}
        whole = [name for name, forms in called.items() if word in (name, *forms)]
        parts = [name for name, forms in called.items() if any(word in form for form in forms)]
        found += [name for name in whole or parts if name not in found]
    return tuple(found)


def oscillator(name: str) -> str:
    """The clock that a line hangs on, as times name it; the PIT's for lines that are anybody's."""
    if name == "irq.8":
        return "rtc"
    return _CLOCKS.get(name.partition(".")[0].rstrip("0123456789"), "pit")


def first_with_edges(frame: Frame, names: Sequence[str]) -> str:
    """The first line that has edges to come; empty if none has."""
    return next((name for name in names if frame.edge(name, frame.now, 1)), "")
