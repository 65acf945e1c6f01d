"""The panels that exist, by widget id, in the order in which `tab` goes through them."""

from __future__ import annotations

from timerlab.views.acpi import AcpiPanel
from timerlab.views.apic import ApicPanel
from timerlab.views.clocks import ClocksPanel
from timerlab.views.fabric import FabricPanel
from timerlab.views.guest_memory import MemoryPanel
from timerlab.views.hpet import HpetPanel
from timerlab.views.irq import IrqPanel
from timerlab.views.log import LogPanel
from timerlab.views.nested import NestedPanel
from timerlab.views.panel import Panel
from timerlab.views.pit import PitPanel
from timerlab.views.port61 import Port61Panel
from timerlab.views.rtc import RtcPanel
from timerlab.views.tree import TreePanel
from timerlab.views.tsc import TscPanel
from timerlab.views.waves import WavesPanel

__all__ = ["CLASSES", "GROUPS", "rows_of"]

CLASSES: dict[str, type[Panel]] = {
    "pit": PitPanel,
    "port61": Port61Panel,
    "rtc": RtcPanel,
    "apic": ApicPanel,
    "hpet": HpetPanel,
    "acpi": AcpiPanel,
    "irq": IrqPanel,
    "tsc": TscPanel,
    "nested": NestedPanel,
    "clocks": ClocksPanel,
    "tree": TreePanel,
    "mem": MemoryPanel,
    "fabric": FabricPanel,
    "waves": WavesPanel,
    "log": LogPanel,
}

GROUPS: dict[str, tuple[str, ...]] = {
    "pit": ("pit", "port61"),
    "port61": ("pit", "port61"),
    "hpet": ("hpet", "acpi"),
    "acpi": ("hpet", "acpi"),
    "tsc": ("tsc", "nested"),
    "nested": ("tsc", "nested"),
}
"""Panels that share a tab, by each of them: port 61h rides with the PIT, the ACPI timer with the HPET, nested guests
with the TSC.
"""


def rows_of(name: str, width: int) -> int:
    """How many rows a panel wants at a width, its title included; 0: as many as there are."""
    return CLASSES[name].rows_at(width)
