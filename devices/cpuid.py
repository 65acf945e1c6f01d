"""CPUID, as far as it speaks of time: which counters and timers there are, and how fast they run.

Source: Intel SDM 2A, CPUID; AMD APM 3, CPUID Fn8000_0001, Fn8000_0007. Leaves that say nothing about time give 0.
"""

from __future__ import annotations

from fractions import Fraction

VENDOR = (0x756E_6547, 0x4965_6E69, 0x6C65_746E)
"""EBX, EDX, ECX of leaf 0: GenuineIntel."""

Registers = tuple[int, int, int, int]
"""EAX, EBX, ECX, EDX."""


def cpuid(
    leaf: int, vcpu: int, vcpus: int, tsc_khz: Fraction, bus_hz: Fraction, apic: bool, x2apic: bool, deadline: bool
) -> Registers:
    """The registers of a leaf. Leaf 15h gives the TSC as a ratio of the APIC timer's clock where that ratio is of two
    32-bit numbers and the clock a whole number of Hz; leaf 16h its MHz, rounded down.
    """
    match leaf:
        case 0:
            return 0x16, VENDOR[0], VENDOR[2], VENDOR[1]
        case 1:
            ecx = x2apic << 21 | deadline << 24
            edx = 1 << 4 | 1 << 5 | apic << 9
            return 0x000906E9, vcpu << 24 | vcpus << 16, ecx, edx
        case 6:
            return 1 << 2, 0, 0, 0
        case 7:
            return 0, 1 << 1, 1 << 22, 0
        case 0x15:
            ratio = tsc_khz * 1000 / bus_hz
            whole = bus_hz.denominator == 1 and bus_hz < 1 << 32
            if not whole or ratio.numerator >> 32 or ratio.denominator >> 32:
                return 0, 0, 0, 0
            return ratio.denominator, ratio.numerator, int(bus_hz), 0
        case 0x16:
            mhz = int(tsc_khz / 1000) & 0xFFFF
            return mhz, mhz, min(0xFFFF, int(bus_hz / 1_000_000)), 0
        case 0x8000_0000:
            return 0x8000_0008, 0, 0, 0
        case 0x8000_0001:
            return 0, 0, 0, 1 << 27
        case 0x8000_0007:
            return 0, 0, 0, 1 << 8
        case 0x8000_0008:
            return 0x3028, 0, 0, 0
    return 0, 0, 0, 0
