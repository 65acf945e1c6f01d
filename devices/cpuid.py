"""CPUID, as far as it speaks of time: which counters and timers there are, and how fast they run.

Source: Intel SDM 2A, CPUID; AMD APM 3, CPUID Fn8000_0001, Fn8000_0007, Fn8000_000A. Leaves that say nothing about time
give 0. The leaves of a hypervisor, from 40000000h on, are the policy's to give.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from fractions import Fraction
from types import MappingProxyType

VENDOR = (0x756E_6547, 0x4965_6E69, 0x6C65_746E)
"""EBX, EDX, ECX of leaf 0: GenuineIntel."""
AMD = (0x6874_7541, 0x6974_6E65, 0x444D_4163)
"""The same: AuthenticAMD."""

HYPERVISOR = range(0x4000_0000, 0x4000_0100)
"""The leaves of hypervisors, which no processor has."""

Registers = tuple[int, int, int, int]
"""EAX, EBX, ECX, EDX."""

_DEFAULTS: Mapping[str, str] = MappingProxyType(
    {
        "vendor": "intel",
        "constant_tsc": "yes",
        "nonstop_tsc": "yes",
        "invariant_tsc": "shown",
        "tsc": "yes",
        "tsc_adjust": "yes",
        "rdtscp": "yes",
        "rdpid": "yes",
        "tsc_ratio_msr": "yes",
        "lapic_arat": "yes",
    }
)


def cpuid(
    leaf: int,
    vcpu: int,
    vcpus: int,
    tsc_khz: Fraction,
    bus_hz: Fraction,
    apic: bool,
    x2apic: bool,
    deadline: bool,
    quirks: Mapping[str, str] = _DEFAULTS,
    hypervisor: Callable[[int], Registers | None] | None = None,
) -> Registers:
    """The registers of a leaf. Leaf 15h gives the TSC as a ratio of the APIC timer's clock where that ratio is of two
    32-bit numbers and the clock a whole number of Hz; leaf 16h its MHz, rounded down; both only on an Intel processor
    with a constant TSC. `hypervisor` gives the leaves from 40000000h on, or None where there is no hypervisor.
    """
    amd, constant = quirks["vendor"] == "amd", quirks["constant_tsc"] == "yes"
    crystal = constant and not amd
    if leaf in HYPERVISOR:
        return (hypervisor(leaf) if hypervisor else None) or (0, 0, 0, 0)
    match leaf:
        case 0:
            ebx, edx, ecx = AMD if amd else VENDOR
            return 0x10 if amd else 0x16, ebx, ecx, edx
        case 1:
            guest = hypervisor is not None and hypervisor(HYPERVISOR.start) is not None
            ecx = x2apic << 21 | deadline << 24 | guest << 31
            edx = (quirks["tsc"] == "yes") << 4 | 1 << 5 | apic << 9
            return 0x0080_0F12 if amd else 0x000906E9, vcpu << 24 | vcpus << 16, ecx, edx
        case 6:
            return (quirks["lapic_arat"] == "yes") << 2, 0, 0, 0
        case 7:
            return 0, (quirks["tsc_adjust"] == "yes") << 1, (quirks["rdpid"] == "yes") << 22, 0
        case 0x15 if crystal:
            return crystal_ratio(tsc_khz, bus_hz)
        case 0x16 if crystal:
            mhz = int(tsc_khz / 1000) & 0xFFFF
            return mhz, mhz, min(0xFFFF, int(bus_hz / 1_000_000)), 0
    return _extended(leaf, quirks, amd)


def _extended(leaf: int, quirks: Mapping[str, str], amd: bool) -> Registers:
    """The leaves from 80000000h on. Those of SVM are there where a guest may be a hypervisor that scales."""
    ratio = amd and quirks["tsc_ratio_msr"] == "yes"
    match leaf:
        case 0x8000_0000:
            return 0x8000_000A if amd else 0x8000_0008, 0, 0, 0
        case 0x8000_0001:
            return 0, 0, ratio << 2, (quirks["rdtscp"] == "yes") << 27
        case 0x8000_0007:
            told = quirks["constant_tsc"] == quirks["nonstop_tsc"] == "yes" and quirks["invariant_tsc"] == "shown"
            return 0, 0, 0, told << 8
        case 0x8000_0008:
            return 0x3028, 0, 0, 0
        case 0x8000_000A if ratio:
            return 1, 0, 0, 1 << 4
    return 0, 0, 0, 0


def crystal_ratio(tsc_khz: Fraction, bus_hz: Fraction) -> Registers:
    """Leaf 15h: denominator, numerator and the crystal's Hz, or zeros where they do not fit."""
    ratio = tsc_khz * 1000 / bus_hz
    whole = bus_hz.denominator == 1 and bus_hz < 1 << 32
    if not whole or ratio.numerator >> 32 or ratio.denominator >> 32:
        return 0, 0, 0, 0
    return ratio.denominator, ratio.numerator, int(bus_hz), 0


def tsc_hz_of(eax: int, ebx: int, ecx: int) -> Fraction | None:
    """The TSC's rate that leaf 15h tells: crystal Hz times EBX / EAX; None where one of them is 0, and the rate has
    to be measured.
    """
    return Fraction(ecx * ebx, eax) if eax and ebx and ecx else None


def tsc_of_art(art: int, eax: int, ebx: int, start: int = 0) -> int:
    """The TSC at a count of the always running timer, as devices time-stamp with it: ART * EBX / EAX, rounded down,
    plus what the TSC was put to when the ART was 0, modulo 2^64 (SDM 3B, Invariant Time-Keeping). ValueError where leaf
    15h tells no ratio.
    """
    if not (eax and ebx):
        raise ValueError("leaf 15h gives no ratio of TSC and crystal")
    return (art * ebx // eax + start) % (1 << 64)
