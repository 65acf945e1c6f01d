"""All that a vCPU remembers, as data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from timerlab.scaling import SVM_FRAC, VMX_FRAC


class Served(NamedTuple):
    """An interrupt that the vCPU took and has not ended: through the `pic` or the `lapic`, or from KVM's `queue`, with
    which vector, from which source (a line's name), and the 8259's request level where it came from there. Nobody asked
    for a spurious one.
    """

    way: str
    vector: int
    source: str
    irq: int | None = None
    spurious: bool = False


@dataclass(slots=True)
class VcpuState:
    """All that a vCPU remembers."""

    offset: int = 0
    """What is added to the scaled host TSC, modulo 2^64."""
    adjust: int = 0
    aux: int = 0
    interrupts: bool = True
    """RFLAGS.IF."""
    busy_until: int | None = None
    """When the handler ends that runs now, under `latency`."""
    served: tuple[Served, ...] = ()
    spurious: int = 0
    last: int | None = None
    """The vector taken last."""
    ratio: int = 1 << VMX_FRAC
    """What the host's TSC is multiplied by."""
    active: tuple[int, int] | None = None
    """Ratio and offset while L2 runs, or None while L1 does."""
    cpl: int = 0
    """The privilege level at which the guest's code runs: 0 or 3."""
    tsd: bool = False
    """CR4.TSD: RDTSC and RDTSCP are for level 0 alone."""
    offsetting: bool = True
    """VM-execution control "use TSC offsetting": without it the guest reads the host's TSC."""
    scaling: bool = True
    """VM-execution control "use TSC scaling"."""
    enable_rdtscp: bool = True
    """VM-execution control "enable RDTSCP"."""
    exiting: bool = False
    """VM-execution control "RDTSC exiting": the hypervisor reads the TSC for the guest."""
    l2_ratio: int = 1 << SVM_FRAC
    """MSR TSC_RATIO of a guest that is a hypervisor."""
    queued: int | None = None
    """A vector that userspace has queued by KVM_INTERRUPT, past all controllers."""


def split(value: int) -> tuple[int, int]:
    """RAX and RDX after RDTSC or RDTSCP gave a value: its halves, and the upper half of both registers is 0."""
    return value & 0xFFFF_FFFF, value >> 32 & 0xFFFF_FFFF
