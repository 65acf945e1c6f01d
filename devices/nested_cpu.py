"""What a nested guest needs of the vCPU that it runs on."""

from __future__ import annotations

from typing import Protocol

from timerlab.policy import Cpu
from timerlab.scaling import WORD


class Kept(Protocol):
    """What a vCPU keeps for nested guests."""

    @property
    def l2_ratio(self) -> int:
        """MSR TSC_RATIO."""


class L2Cpu(Cpu, Protocol):
    """A vCPU that can run L2. Its instructions may fault, and give L2's TSC while L2 runs."""

    has_ratio: bool
    """Whether there is an MSR TSC_RATIO, as CPUID's TscRateMsr tells."""

    @property
    def state(self) -> Kept:
        """What it remembers."""

    @property
    def active(self) -> tuple[int, int] | None:
        """(m02, o02) while they are in the hardware in place of L1's; None while L1's are."""

    def set_active(self, now: int, active: tuple[int, int] | None) -> None:
        """Put them in, or L1's back."""

    def rdtsc(self, now: int) -> int:
        """RDTSC; GuestFault."""

    def rdtscp(self, now: int) -> tuple[int, int]:
        """RDTSCP: TSC and TSC_AUX; GuestFault."""

    def privileged(self, name: str) -> None:
        """GuestFault at a privilege level at which RDMSR and WRMSR fault."""

    def rdmsr(self, msr: int, now: int) -> int:
        """RDMSR; GuestFault."""

    def wrmsr(self, msr: int, value: int, now: int) -> None:
        """WRMSR, which L0 does to L1 in any case; GuestFault."""


def reaches(cpu: Cpu, now: int, cycles: int) -> int | None:
    """The first ns at which L1's TSC has gone on by so many cycles since `now`, if nobody writes it; None where it
    stands still.
    """
    if not cpu.ratio:
        return None
    host, khz = cpu.host_tsc(now), cpu.host_khz()
    goal = (host * cpu.ratio >> cpu.frac) + cycles
    wait = -(-(goal << cpu.frac) // cpu.ratio) - host
    if wait <= 0:
        return now
    # where within its cycle the host's counter is now, one cannot see: look for the edge
    low, high = now + max(0, (wait - 1) * 1_000_000 // khz), now + -(-wait * 1_000_000 // khz)
    while low < high:
        middle = (low + high) // 2
        if (cpu.host_tsc(middle) - host) % WORD >= wait:
            high = middle
        else:
            low = middle + 1
    return int(low)
