"""Where hardware and hypervisors truncate: fixed-point arithmetic on counts, each product and shift as it is specified.

Clocks are exact; what stands here is not, on purpose. Every function works on ints, and says what it throws away.

Sources: Intel SDM 3C, Time-Stamp Counter Offsetting and Scaling (16.48); AMD APM 2, TSC Ratio MSR (8.32); Linux 6.1
arch/x86/kvm/x86.c (the names kvm_get_time_scale, kvm_calc_nested_tsc_offset), arch/x86/include/asm/pvclock.h.
"""

from __future__ import annotations

NS_PER_S = 1_000_000_000
WORD = 1 << 64
VMX_FRAC = 48
"""Fraction bits of the VMX TSC multiplier."""
SVM_FRAC = 32
"""Fraction bits of the SVM TSC ratio."""


def signed(value: int) -> int:
    """A 64-bit word as the signed number that it stands for."""
    value %= WORD
    return value - WORD if value >> 63 else value


def scaled(count: int, ratio: int, frac: int) -> int:
    """`count * ratio`, of `frac` fraction bits, rounded down, as 64 bits: what scaling hardware adds its offset to."""
    return (count * ratio >> frac) % WORD


def ratio_of(guest_khz: int, host_khz: int, frac: int) -> int:
    """The ratio that turns host cycles into guest cycles, rounded down: the guest runs at most at its rate."""
    return (guest_khz << frac) // host_khz


def nested_ratio(m01: int, m12: int, frac: int) -> int:
    """The ratio that holds while L2 runs: both, rounded down."""
    return m01 * m12 >> frac


def nested_offset(o01: int, m12: int, o12: int, frac: int, floor: bool = False) -> int:
    """The offset that holds while L2 runs, modulo 2^64: L1's in L2's cycles, and L2's own. `o01` and `o12` are signed.
    A negative one is scaled by its magnitude, towards zero, as KVM does; `floor` rounds it down.
    """
    if m12 == 1 << frac:
        part = o01
    elif o01 < 0 and not floor:
        part = -(-o01 * m12 >> frac)
    else:
        part = o01 * m12 >> frac
    return (part + o12) % WORD


def time_scale(scaled_hz: int, base_hz: int) -> tuple[int, int]:
    """(mul, shift) that turn counts at `base_hz` into counts at `scaled_hz`, by `apply_scale`: the fraction is 32 bits,
    and rounded down (KVM's kvm_get_time_scale).
    """
    shift, goal, base = 0, scaled_hz, base_hz
    while base > goal * 2 or base >> 32:
        base >>= 1
        shift -= 1
    base &= 0xFFFF_FFFF
    while base <= goal or goal >> 32:
        if goal >> 32 or base & 0x8000_0000:
            goal >>= 1
        else:
            base <<= 1
        shift += 1
    return (goal << 32) // base, shift


def apply_scale(delta: int, mul: int, shift: int) -> int:
    """A count of 64 bits, shifted (what leaves the 64 bits is lost), times `mul`, without the product's low 32 bits;
    the low 64 bits of that (pvclock_scale_delta).
    """
    delta %= WORD
    delta = delta << shift & WORD - 1 if shift >= 0 else delta >> -shift
    return (delta * mul >> 32) % WORD


def khz_of(mul: int, shift: int) -> int:
    """The TSC's rate that a guest reads out of (mul, shift), rounded down (pvclock_tsc_khz)."""
    khz = (1_000_000 << 32) // mul
    return khz << -shift if shift < 0 else khz >> shift


def floor_sum(count: int, by: int, step: int, start: int) -> int:
    """The sum over k = 0 ... count-1 of floor((start + k * step) / by), exact, in as many steps as Euclid's algorithm
    takes. `by` is above 0, `step` and `start` are not below it.
    """
    total = 0
    while count > 0:
        total += count * (count - 1) // 2 * (step // by) + count * (start // by)
        step, start = step % by, start % by
        top = step * count + start
        if top < by:
            break
        count, start = divmod(top, by)
        by, step = step, by
    return total
