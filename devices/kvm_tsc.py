"""KVM_SET_TSC_KHZ: which rate, which ratio, and whether it can be had, as pure functions.

Source: Linux arch/x86/kvm/x86.c, kvm_arch_vcpu_ioctl (KVM_SET_TSC_KHZ), kvm_set_tsc_khz, set_tsc_khz, adjust_tsc_khz.
Not modelled: a host whose TSC could not be calibrated.
"""

from __future__ import annotations

from dataclasses import dataclass

from timerlab.scaling import NS_PER_S, VMX_FRAC, apply_scale, ratio_of, time_scale

TOLERANCE_PPM = 250
"""Module parameter tsc_tolerance_ppm: how far a guest's rate may be from the host's and be taken for it."""

_MILLION = 1_000_000


def ratio_max(frac: int) -> int:
    """The largest ratio of the hardware, which KVM does not use itself: 64 bits in VMX, 40 in SVM."""
    return (1 << 64) - 1 if frac == VMX_FRAC else (1 << 40) - 1


def max_guest_khz(host_khz: int, frac: int) -> int:
    """The kHz from which KVM_SET_TSC_KHZ gives EINVAL, with scaling hardware."""
    return min(0x7FFF_FFFF, ratio_max(frac) * host_khz >> frac)


def tolerance(host_khz: int) -> tuple[int, int]:
    """The lowest and the highest kHz that need no scaling on such a host, both included."""
    return (
        host_khz * (_MILLION - TOLERANCE_PPM) // _MILLION,
        host_khz * (_MILLION + TOLERANCE_PPM) // _MILLION,
    )


def cycles_scale(khz: int) -> tuple[int, int]:
    """virtual_tsc_mult and virtual_tsc_shift: what turns ns into cycles of a guest TSC of `khz`."""
    return time_scale(khz * 1000, NS_PER_S)


def cycles(ns: int, mul: int, shift: int) -> int:
    """ns in cycles, rounded down twice, as nsec_to_cycles does."""
    return apply_scale(ns, mul, shift)


@dataclass(frozen=True, slots=True)
class Rate:
    """What KVM_SET_TSC_KHZ comes to. `khz` is None where nothing changes; `ratio` is None where the hardware's stays;
    `catchup` turns catch-up and always-catch-up on; `error` says why it fails, and is empty where it does not.
    """

    khz: int | None
    ratio: int | None
    catchup: bool = False
    error: str = ""


def set_tsc_khz(khz: int, host_khz: int, frac: int, scaling: bool) -> Rate:
    """The steps of KVM_SET_TSC_KHZ, in KVM's order. A request that fails late has changed `virtual_tsc_khz` already."""
    if scaling and khz >= max_guest_khz(host_khz, frac):
        return Rate(None, None, error=f"{khz} kHz is not below {max_guest_khz(host_khz, frac)} kHz")
    khz = khz or host_khz
    low, high = tolerance(host_khz)
    if low <= khz <= high:
        return Rate(khz, 1 << frac)
    if not scaling:
        if khz > host_khz:
            return Rate(khz, None, catchup=True)
        return Rate(khz, None, error=f"{khz} kHz is below the host's {host_khz} kHz, and there is no scaling hardware")
    ratio = ratio_of(khz, host_khz, frac)
    if not 0 < ratio < ratio_max(frac):
        return Rate(khz, None, error=f"{khz} kHz on {host_khz} kHz needs a ratio that the hardware has not")
    return Rate(khz, ratio)
