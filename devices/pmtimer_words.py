"""What an access to the ACPI PM timer did, in words, from what could be seen before and after it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from timerlab.devices.pmtimer_regs import EN_PORT, STS_PORT, TMR_PORT
from timerlab.text import count

Seen = Mapping[str, Any]


def wrote(address: int, value: int, before: Seen, after: Seen) -> str:
    """The effect of a write that was just done from port `address` on."""
    if address >= TMR_PORT:
        return "the timer cannot be written"
    parts = []
    if before["acpi.pm1_sts"] != after["acpi.pm1_sts"]:
        parts.append("TMR_STS cleared")
    if before["acpi.pm1_en"] != after["acpi.pm1_en"]:
        parts.append("TMR_EN set" if after["acpi.pm1_en"] else "TMR_EN clear")
    if before["acpi.sci"] != after["acpi.sci"]:
        parts.append("SCI rises" if after["acpi.sci"] else "SCI falls")
    return ", ".join(parts) or "no bit changes"


def read(address: int, value: int, before: Seen) -> str:
    """What the value is that a read from port `address` on just gave."""
    if address == TMR_PORT:
        whole = value == before["acpi.tmr"]
        return f"timer, {count(value)}" if whole else f"low bits of the timer, {count(before['acpi.tmr'])}"
    if address > TMR_PORT:
        return f"upper bits of the timer, {count(before['acpi.tmr'])}"
    if STS_PORT <= address < EN_PORT:
        return "PM1 status: " + ("TMR_STS" if before["acpi.pm1_sts"] else "tmr_sts")
    return "PM1 enable: " + ("TMR_EN" if before["acpi.pm1_en"] else "tmr_en")
