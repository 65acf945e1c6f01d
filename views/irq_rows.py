"""What interrupts look like from outside, worked out of a frame's values: who drives a line, where an I/O APIC entry or
a message goes, and which vCPUs hold a vector.
"""

from __future__ import annotations

from collections.abc import Iterable

from timerlab.views.frame import Frame

__all__ = [
    "IRQS",
    "LEVEL",
    "MASKED",
    "PINS",
    "REMOTE_IRR",
    "fed_by",
    "holders",
    "pin_of",
    "reached",
    "route",
    "targets",
    "vcpu_names",
]

IRQS = tuple(irq for irq in range(16) if irq != 2)
PINS = 24
MASKED, LEVEL, REMOTE_IRR, ACTIVE_LOW, LOGICAL = 1 << 16, 1 << 15, 1 << 14, 1 << 13, 1 << 11
FSB_EN = 1 << 14
_LEG_RT, _ENABLE_LEGACY = 2, 3
_LEGACY = (0, 8)


def pin_of(irq: int) -> int:
    """The I/O APIC pin of an ISA line: its own number, but for IRQ 0, which is pin 2."""
    return irq or 2


def route(frame: Frame, timer: int) -> tuple[str, int]:
    """Where an HPET timer's output goes: ("legacy", IRQ), ("fsb", 0), ("pin", pin), or ("none", pin) for a pin that it
    has no wire to.
    """
    conf = frame.number(f"hpet.t{timer}.conf")
    if timer < 2 and frame.number("hpet.conf") & 3 == _ENABLE_LEGACY and not conf & FSB_EN:
        return "legacy", _LEGACY[timer]
    if conf & FSB_EN:
        return "fsb", 0
    pin = conf >> 9 & 31
    told = conf >> 32
    return ("pin" if not told or told >> pin & 1 else "none"), pin


def fed_by(frame: Frame, irq: int) -> str:
    """The HPET timer in whose favour the older chip is cut off from IRQ 0 or IRQ 8; empty where it is not."""
    if irq not in _LEGACY:
        return ""
    timer = _LEGACY.index(irq)
    return f"HPET T{timer}" if frame.number("hpet.conf") & _LEG_RT else ""


def reached(frame: Frame, entry: int) -> list[int]:
    """The vCPUs that a redirection entry addresses."""
    return targets(frame, entry >> 56, bool(entry & LOGICAL))


def targets(frame: Frame, dest: int, logical: bool) -> list[int]:
    """The vCPUs that a destination of eight bits addresses (SDM 3A, Determining IPI Destination)."""
    return [vcpu for vcpu in range(frame.options.vcpus) if _matches(frame, vcpu, dest, logical)]


def _matches(frame: Frame, vcpu: int, dest: int, logical: bool) -> bool:
    put = f"lapic{vcpu}."
    mode = frame.peeks[put + "mode"]
    if mode == "off":
        return False
    if mode == "x2apic":
        if not logical:
            return dest in (vcpu, 0xFF)
        ldr = frame.number(put + "ldr")
        return not ldr >> 16 and bool(dest & ldr & 0xFFFF)
    if dest == 0xFF:
        return True
    if not logical:
        return dest == frame.number(put + "id") >> 24
    mine, model = frame.number(put + "ldr") >> 24, frame.number(put + "dfr") >> 28
    if model == 0xF:
        return bool(dest & mine)
    return model == 0 and dest >> 4 == mine >> 4 and bool(dest & mine & 0xF)


def holders(frame: Frame, vcpus: Iterable[int], vector: int) -> tuple[int, int]:
    """On how many of these vCPUs a vector waits, and on how many it is in service."""
    waits = serves = 0
    for vcpu in vcpus:
        waits += frame.number(f"lapic{vcpu}.irr") >> vector & 1
        serves += frame.number(f"lapic{vcpu}.isr") >> vector & 1
    return waits, serves


def vcpu_names(vcpus: list[int], total: int) -> str:
    """Some vCPUs in few words: `v0`, `v0 v2`, `v0–v3`, `6 vCPUs`; empty for none."""
    if len(vcpus) > 2 and vcpus[-1] - vcpus[0] == len(vcpus) - 1:
        return f"v{vcpus[0]}–v{vcpus[-1]}"
    return " ".join(f"v{vcpu}" for vcpu in vcpus) if len(vcpus) < 4 else f"{len(vcpus)} vCPUs"
