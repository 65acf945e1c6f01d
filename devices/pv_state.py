"""What KVM's paravirtual device is connected to, and what it remembers.

Source: Linux arch/x86/include/asm/kvm_host.h, struct kvm_vcpu_arch (time, st, pv_time, msr_kvm_poll_control).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from timerlab.devices.pv_pages import Memory, Write
from timerlab.devices.pv_reader import GuestState


@dataclass(frozen=True, slots=True)
class Wires:
    """What the paravirtual device is connected to. `v` is always a vCPU's index, `now` virtual time in ns.

    `memory` and `put` are guest RAM (`Ram.bytes_at`, `Ram.put`); `tsc(v, now)` is what RDTSC gives; `registered(v, old,
    now, host)` the policy's answer to a write of SYSTEM_TIME, enabled or not (`Kvm.system_time_written`);
    `wanted(v, now)` asks it for a refresh (`Kvm.refresh_wanted`); `epoch(now)` is CLOCK_REALTIME in ns when kvmclock
    was 0 (`Kvm.epoch`); `interrupt(v, vector)` delivers a fixed interrupt, `lapic_on(v)` says whether the local APIC is
    enabled, `halt(v, on)` lets a vCPU sleep or wakes it; `khz(v)` and `bus_khz` are what CPUID 40000010h tells.
    """

    memory: Memory
    put: Callable[[int, bytes], None]
    tsc: Callable[[int, int], int]
    registered: Callable[[int, bool, int, bool], None]
    wanted: Callable[[int, int], None]
    epoch: Callable[[int], int]
    interrupt: Callable[[int, int], None] = lambda v, vector: None
    lapic_on: Callable[[int], bool] = lambda v: True
    halt: Callable[[int, bool], None] = lambda v, on: None
    khz: Callable[[int], int] = lambda v: 0
    bus_khz: int = 1_000_000
    open: Callable[[int], bool] = lambda v: True


@dataclass(slots=True)
class VcpuPv:
    """The registers of one vCPU, and what the host's scheduler knows of its thread."""

    system_time: int = 0
    steal_time: int = 0
    eoi_en: int = 0
    poll_control: int = 1
    stop_wanted: bool = False
    run_delay: int = 0
    last_steal: int = 0
    away: str = ""
    """Why it is not in the guest; empty while it is."""
    since: int = 0
    preempted: bool = False
    """The byte was written since it was last loaded."""
    time_updates: int = 0
    steal_updates: int = 0
    flushes: int = 0


@dataclass(slots=True)
class PvState:
    """All of a VM."""

    vcpus: tuple[VcpuPv, ...]
    wall_clock: int = 0
    migration_control: int = 1
    stepping: bool = False
    left: tuple[Write, ...] = ()
    """Writes of an update that the writer has stopped before."""
    guest: GuestState = field(default_factory=GuestState)
