"""What KVM remembers of a VM's time, by the names of its own fields, and what can be seen of it.

Source: Linux arch/x86/include/asm/kvm_host.h, struct kvm_arch and struct kvm_vcpu_arch.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from timerlab.regs import Peek

_SYNC = "Linux arch/x86/kvm/x86.c, kvm_synchronize_tsc"
_MATCH = "Linux arch/x86/kvm/x86.c, kvm_track_tsc_matching"
_MASTER = "Linux arch/x86/kvm/x86.c, pvclock_update_vm_gtod_copy"
_LOAD = "Linux arch/x86/kvm/x86.c, kvm_arch_vcpu_load"
_UPDATE = "Linux arch/x86/kvm/x86.c, kvm_guest_time_update"
_KHZ = "Linux arch/x86/kvm/x86.c, kvm_set_tsc_khz"

CLOCK, GLOBAL, MASTER = 1, 2, 4
"""Requests that wait for a vCPU's next entry: refresh its page; refresh it, and all others within 100 ms; take the
master clock's pair anew (KVM_REQ_CLOCK_UPDATE, KVM_REQ_GLOBAL_CLOCK_UPDATE, KVM_REQ_MASTERCLOCK_UPDATE).
"""


@dataclass(slots=True)
class VmState:
    """Of the VM. `_nsec` are moments of the host's clock, `_write` guest TSC values, `_due` moments of virtual time."""

    last_nsec: int = 0
    last_write: int = 0
    last_khz: int = 0
    last_offset: int = 0
    cur_nsec: int = 0
    cur_write: int = 0
    cur_offset: int = 0
    cur_generation: int = 0
    nr_matched: int = 0
    user_set: bool = False
    use_master: bool = False
    master_ns: int = 0
    master_tsc: int = 0
    kvmclock_offset: int = 0
    backwards_seen: bool = False
    boot_old: bool = False
    """boot_vcpu_runs_old_kvmclock: vCPU 0 used MSR 12h."""
    online: int = 0
    unstable: bool = False
    """The host's TSC is marked unstable."""
    tsc_clock: bool = True
    """The host's clocksource is its TSC."""
    wall_step: int = 0
    """By how many ns somebody has stepped the host's CLOCK_REALTIME."""
    update_due: int | None = None
    """When all pages are refreshed that were put off by 100 ms."""
    sync_due: int | None = None
    """When the periodic refresh comes."""


@dataclass(slots=True)
class VcpuState:
    """Of a vCPU; its offset and ratio are the hardware's, and TSC_ADJUST is with it."""

    created: bool = False
    khz: int = 0
    """virtual_tsc_khz, and the scale from ns to cycles that belongs to it."""
    mul: int = 0
    shift: int = 0
    this_nsec: int = 0
    this_write: int = 0
    this_generation: int = 0
    last_guest_tsc: int = 0
    last_host_tsc: int = 0
    catchup: bool = False
    always_catchup: bool = False
    offset_adjustment: int = 0
    pending: int = 0
    """Requests that wait for its next entry."""
    host_khz: int = 0
    """The host's rate when its page was refreshed last."""
    out: bool = False
    """vcpu_put was done: its next entry begins with vcpu_load."""
    asked: str = ""
    """Why its page is to be refreshed next."""
    refreshes: int = 0
    """How often its page was refreshed, registered or not."""


@dataclass(slots=True)
class KvmState:
    """All that KVM remembers of one VM's time."""

    vm: VmState = field(default_factory=VmState)
    vcpus: tuple[VcpuState, ...] = ()


VM_PEEKS = {
    "kvm.last_nsec": Peek("host's clock at the last write to a TSC by userspace, ns", _SYNC),
    "kvm.last_write": Peek("the value of that write; 0 for a vCPU that was made", _SYNC),
    "kvm.last_khz": Peek("kHz of the vCPU of that write", _SYNC),
    "kvm.last_offset": Peek("the offset that came of it, signed", _SYNC),
    "kvm.cur_nsec": Peek("host's clock when the present generation began, ns", _SYNC),
    "kvm.cur_write": Peek("the TSC value with which it began", _SYNC),
    "kvm.cur_offset": Peek("the offset that all vCPUs of the generation share, signed", _SYNC),
    "kvm.generation": Peek("which generation of TSC writes it is", _SYNC),
    "kvm.nr_matched": Peek("vCPUs that have joined the generation after its first", _MATCH),
    "kvm.user_set": Peek("1 once userspace has written a TSC", _SYNC),
    "kvm.online": Peek("how many vCPUs have been made", _MATCH),
    "kvm.master": Peek("1 while all pages share one pair of host TSC and host time", _MASTER),
    "kvm.master_ns": Peek("host's clock of that pair, ns", _MASTER),
    "kvm.master_tsc": Peek("host's TSC of that pair", _MASTER),
    "kvm.kvmclock_offset": Peek("what kvmclock adds to the host's clock, ns", _UPDATE),
    "kvm.clock": Peek("what KVM_GET_CLOCK gives, ns", "Linux Documentation/virt/kvm/api.rst, KVM_GET_CLOCK"),
    "kvm.backwards_seen": Peek("1 once the host resumed with its TSC behind: no master clock any more", _MASTER),
    "kvm.boot_old": Peek("1 while vCPU 0 uses MSR 12h: no master clock", _MASTER),
    "kvm.unstable": Peek("1 once the host's TSC is marked unstable", _LOAD),
    "kvm.tsc_clock": Peek("1 while the host's clocksource is its TSC", _MASTER),
    "kvm.wall_step": Peek("by how many ns the host's CLOCK_REALTIME was stepped", "POSIX, clock_settime"),
    "kvm.update_due": Peek("when all pages are refreshed that were put off by 100 ms, ns; or none", _UPDATE),
    "kvm.sync_due": Peek("when the periodic refresh of all pages comes, ns; or none", _UPDATE),
}

_VCPU_PEEKS = {
    "khz": Peek("the rate that its TSC is to have", _KHZ),
    "mul": Peek("multiplier from ns to cycles, 32.32", _KHZ),
    "shift": Peek("shift from ns to cycles, signed", _KHZ),
    "this_nsec": Peek("host's clock when the generation began that it is of, ns", _SYNC),
    "this_write": Peek("the TSC value with which that began", _SYNC),
    "generation": Peek("which generation of TSC writes it is of", _SYNC),
    "last_guest_tsc": Peek("guest TSC at its last exit, write or refresh", _LOAD),
    "last_host_tsc": Peek("host TSC when it was put last", _LOAD),
    "catchup": Peek("1 if a refresh raises its TSC to what time says", _UPDATE),
    "always_catchup": Peek("1 if each exit asks for a refresh", _KHZ),
    "offset_adjustment": Peek("host cycles that a resume took, added at its next load", _LOAD),
    "pending": Peek("requests that wait for its next entry: 1 refresh, 2 refresh of all, 4 master clock", _UPDATE),
    "refreshes": Peek("how often its page was refreshed, registered or not", _UPDATE),
}


def peeks_of(vcpus: int) -> dict[str, Peek]:
    """What each name that KVM's `peek` gives means."""
    return VM_PEEKS | {f"kvm.v{v}.{name}": peek for v in range(vcpus) for name, peek in _VCPU_PEEKS.items()}
