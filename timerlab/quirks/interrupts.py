"""The interrupt controllers', 8259, I/O APIC and local APIC, quirks, and which of them QEMU 7.2 has."""

from __future__ import annotations

from timerlab.quirks.kinds import Quirk

QUIRKS: tuple[Quirk, ...] = ()

QEMU: dict[str, str] = {}
