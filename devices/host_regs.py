"""What can be seen of the host's processors."""

from __future__ import annotations

from functools import lru_cache

from timerlab.regs import Peek

_TSC = "Intel SDM 3B, Time-Stamp Counter"
_LINUX = "Linux, Timekeeping Virtualization for X86-Based Architectures"

_PEEKS = {
    "tsc": Peek("the time stamp counter of this host processor", _TSC),
    "khz": Peek("the rate of its TSC in kHz as the host has calibrated it: without drift, spread and sleep", _LINUX),
    "hz": Peek("how fast its TSC really runs now, on the average, in Hz, rounded down", _LINUX),
    "core": Peek("its core clock in kHz, rounded down, which the P-state sets", _LINUX),
    "socket": Peek("the package that it is in", _LINUX),
    "state": Peek("run, throttled, or the C-state in which it sleeps: c1, c1e, c3", _LINUX),
    "adjust": Peek("its own IA32_TSC_ADJUST, signed", "Intel SDM 3B, IA32_TSC_ADJUST MSR"),
}


@lru_cache(64)
def peeks_of(pcpus: int) -> dict[str, Peek]:
    """What each value of a host with so many processors means, by name."""
    each = {f"host.p{p}.{name}": peek for p in range(pcpus) for name, peek in _PEEKS.items()}
    return {"host.suspended_ns": Peek("how long the host was suspended to memory (S3), in ns", _LINUX)} | each
