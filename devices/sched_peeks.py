"""What can be seen of the host's scheduler."""

from __future__ import annotations

from timerlab.regs import Peek

_HOST = "timerlab, the host's scheduler"

_PEEKS = {
    "state": "run, halt, stolen (the host runs something else), exit (its hypervisor has it), smi, or stopped",
    "pcpu": "the host's processor that it is on, or was on last",
    "run_ns": "ns in which it ran in its guest",
    "halt_ns": "ns in which it was halted in its guest",
    "steal_ns": "ns in which it could have run but the host ran something else",
    "out_ns": "ns in which its hypervisor had it, an SMI, or it was stopped with the VM",
    "exits": "how often it left its guest",
    "moves": "how often it was moved to another processor",
}


def peeks_of(vcpus: int) -> dict[str, Peek]:
    """What each value means, by name."""
    return {f"vcpu{v}.{name}": Peek(about, _HOST) for v in range(vcpus) for name, about in _PEEKS.items()}
