"""How a guest's operating system makes time of counts: calibration, mult and shift, ticks, and which clock it takes.

Sources: Linux 6.1 kernel/time/clocksource.c (clocks_calc_mult_shift), arch/x86/kernel/tsc.c (pit_calibrate_tsc,
calc_hpet_ref, calc_pmtimer_ref), arch/x86/kernel/kvmclock.c, Documentation/virt/kvm/msr.rst. Ints only; each division
throws away what the kernel's does.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

from timerlab.clock import NS_PER_S
from timerlab.devices.os_sight import Registers

PIT_TICK_RATE = 1_193_182
"""The PIT's rate as Linux has it, in Hz."""
PM_TICK_RATE = 3_579_545
"""The ACPI PM timer's rate as Linux has it, in Hz."""
PM_BITS, HPET_BITS = 24, 32
"""How many bits of their counters Linux reads."""

SIGNATURE = (0x4B4D_564B, 0x564B_4D56, 0x0000_004D)
""""KVMKVMKVM" in EBX, ECX and EDX of CPUID 40000000h."""

NEW, OLD, NONE = "new", "old", "none"
"""Which MSRs kvmclock is registered with: 4B564D01h, 12h, or none at all."""

RATINGS = {"kvmclock": 400, "tsc": 300, "hpet": 250, "pm": 200, "jiffies": 1}
KVM_BELOW_TSC = 299


def mult_shift(rate: int, bits: int = 64, khz: bool = False) -> tuple[int, int]:
    """(mult, shift) by which counts at `rate` (Hz, or kHz) become ns: `count * mult >> shift`. As exact as it can be
    without an overflow of 64 bits within ten minutes, or within the counter's wrap (clocks_calc_mult_shift).
    """
    scale = 1000 if khz else 1
    mask = (1 << bits) - 1
    seconds = max(1, mask // rate // scale)
    if seconds > 600 and bits > 32:
        seconds = 600
    goal = NS_PER_S // scale
    room = 32 - (seconds * scale * rate >> 32).bit_length()
    for shift in range(32, 0, -1):
        mult = ((goal << shift) + rate // 2) // rate
        if mult >> room == 0:
            return mult, shift
    return mult, shift


def rate_of(hz: Fraction, mult: int, shift: int) -> Fraction:
    """How far a clock is off that turns counts, which come at `hz`, into ns: its rate error as a share of one."""
    return hz * mult / (1 << shift) / NS_PER_S - 1


def wrapped(count: int, seen: int, bits: int) -> int:
    """How far a counter of `bits` bits went on, as far as its reader can tell."""
    return (count - seen) % (1 << bits)


# -- calibration of the TSC


def pit_window(window: int) -> int:
    """PIT clocks in a window of so many ns, rounded down, by the kernel's idea of the PIT's rate."""
    return PIT_TICK_RATE * window // NS_PER_S


def calibrated_pit(cycles: int, window: int) -> int:
    """kHz from the cycles of a window that is taken to be exactly as long as was asked for (pit_calibrate_tsc)."""
    return cycles * 1_000_000 // window


def calibrated_ref(cycles: int, ref: int, hz: int) -> int:
    """kHz from cycles and counts of a reference of `hz`, read together (calc_hpet_ref, calc_pmtimer_ref); 0 where the
    reference did not move.
    """
    ns = ref * NS_PER_S // hz
    return cycles * 1_000_000 // ns if ns else 0


def cpuid_khz(cpuid: Callable[[int], Registers]) -> int:
    """The TSC's kHz by CPUID: leaf 15h where it enumerates the crystal, else leaf 40000010h; 0 where none tells."""
    if cpuid(0)[0] >= 0x15:
        below, above, crystal, _ = cpuid(0x15)
        if below and above and crystal:
            return crystal * above // below // 1000
    return cpuid(0x4000_0010)[0] if cpuid(0x4000_0000)[0] >= 0x4000_0010 else 0


# -- kvmclock


def kvm_para_available(cpuid: Callable[[int], Registers]) -> bool:
    """Whether CPUID 40000000h has KVM's signature."""
    return cpuid(0x4000_0000)[1:] == SIGNATURE


def detect(cpuid: Callable[[int], Registers]) -> str:
    """Which MSRs a guest registers kvmclock with: bit 3 of 40000001h says the new ones, else bit 0 the old."""
    if not kvm_para_available(cpuid):
        return NONE
    flags = cpuid(0x4000_0001)[0]
    return NEW if flags & 1 << 3 else OLD if flags & 1 << 0 else NONE


def detect_2010(cpuid: Callable[[int], Registers]) -> str:
    """The same as the document of 2010 prints it: it takes the bits' numbers for masks (`flags & 3`, `flags & 0`), so
    that bit 0 alone leads to the new MSRs, bit 3 alone to none, and the old ones are never chosen.
    """
    if not kvm_para_available(cpuid):
        return NONE
    flags = cpuid(0x4000_0001)[0]
    return NEW if flags & 3 else NONE


def invariant(cpuid: Callable[[int], Registers]) -> bool:
    """CPUID 80000007h EDX[8]: the TSC has one rate and never stops. Where it is 0, the TSC halts in idle."""
    return cpuid(0x8000_0000)[0] >= 0x8000_0007 and bool(cpuid(0x8000_0007)[3] >> 8 & 1)


def has_apic(cpuid: Callable[[int], Registers], nolapic: bool = False) -> bool:
    """CPUID 1 EDX[9]; with `nolapic` the guest does not look at it."""
    return not nolapic and bool(cpuid(1)[3] >> 9 & 1)


def rating(clock: str, cpuid: Callable[[int], Registers], unstable: bool) -> int:
    """How good a clocksource is to the guest. An unstable TSC has 0. Beside a TSC that never stops and is not
    unstable, kvmclock has 299, below the TSC (kvmclock_init).
    """
    if clock == "tsc" and unstable:
        return 0
    if clock == "kvmclock" and invariant(cpuid) and not unstable:
        return KVM_BELOW_TSC
    return RATINGS[clock]


# -- ticks


def compensated(first: int, rest: int, count: int, cycles: int) -> int:
    """Ticks that a guest counts that looks at the TSC at each one, to find those that it lost: floor(since the last
    tick / cycles of a tick), and one at least. `first` is the TSC's way to the first of `count` ticks, `rest` from
    there to the last one, in even steps.
    """
    added = max(1, first // cycles)
    if count == 1:
        return added
    steps = count - 1
    step, longer = divmod(rest, steps)
    return added + (steps - longer) * max(1, step // cycles) + longer * max(1, (step + 1) // cycles)
