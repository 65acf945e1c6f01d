"""The HPET's and the ACPI timer's quirks, and which of them QEMU 7.2 has."""

from __future__ import annotations

from timerlab.quirks.kinds import quirk

_HPET = "IA-PC HPET Specification 1.0a"

QUIRKS = (
    quirk(
        "hpet_caps",
        "what the HPET's timers can do",
        f"{_HPET}, Timer N Configuration and Capabilities; Intel ICH7 datasheet, High Precision Event Timers",
        all="every timer is periodic and 64 bits wide, route 2 alone, no FSB interrupts, as in QEMU",
        fsb="the same, with FSB interrupts",
        ich="T0 alone is periodic and 64 bits wide, the others are 32-bit one-shots; routes 20 to 23",
    ),
)

QEMU: dict[str, str] = {}
