"""The pages that KVM keeps in guest memory: when each is written, and the guest's readers of them.

Source: Linux arch/x86/kvm/x86.c, kvm_setup_guest_pvclock, kvm_set_guest_paused, record_steal_time,
kvm_steal_time_set_preempted. How an update goes, write by write, stands in `pv_pages`.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable

from timerlab.device import Device
from timerlab.devices.pv_apf import Apf
from timerlab.devices.pv_pages import (
    FLUSH_TLB,
    PREEMPTED,
    TIME_SIZE,
    Write,
    inside_page,
    number,
    steal_writes,
    time_writes,
)
from timerlab.devices.pv_reader import STABLE_BIT, Reader, Reading
from timerlab.devices.pv_regs import TLB_FLUSH_BIT
from timerlab.devices.pv_state import PvState, VcpuPv, Wires
from timerlab.policy import Stamp

LOADS = frozenset({"preempt", "user", "io", "halt", "stop"})
"""Exits after which the vCPU's thread is loaded anew, and with that its steal time recorded."""


class PvPages(Device):
    """The part of the paravirtual device that writes and reads memory."""

    def __init__(self, vcpus: int, wires: Wires, features: int, by_fault: bool = False) -> None:
        self.wires = wires
        self.features = features
        self.state = PvState(tuple(VcpuPv() for _ in range(vcpus)))
        self.apf = tuple(
            Apf(v, wires.memory, wires.put, wires.interrupt, wires.lapic_on, wires.halt, wires.open, by_fault)
            for v in range(vcpus)
        )
        self.readers = tuple(self._reader(v) for v in range(vcpus))

    def _reader(self, v: int) -> Reader:
        wires = self.wires
        stable = bool(self.features >> STABLE_BIT & 1)
        return Reader(lambda: self.state.guest, wires.memory, wires.put, lambda now: wires.tsc(v, now), stable)

    @abstractmethod
    def offers(self, bit: int) -> bool:
        """Whether the guest has a feature bit of CPUID 40000001h EAX."""

    # -- writing pages

    def _update(self, make: Callable[[], list[Write]]) -> None:
        """Do an update: at once, or its first write, where the writer stops after each. One that it stopped in before
        is finished first, since what is written follows from what is there.
        """
        self.finish()
        writes = make()
        if self.state.stepping:
            self.wires.put(*writes[0])
            self.state.left = tuple(writes[1:])
        else:
            for write in writes:
                self.wires.put(*write)

    def go_on(self) -> int:
        """The writer's next write; how many are left."""
        if self.state.left:
            (address, data), *rest = self.state.left
            self.state.left = tuple(rest)
            self.wires.put(address, data)
        return len(self.state.left)

    def finish(self) -> None:
        """The rest of the update that is under way."""
        while self.state.left:
            self.go_on()

    def step_by_step(self, on: bool) -> None:
        """Whether the writer stops after each of its writes; off, it finishes first."""
        self.state.stepping = on
        if not on:
            self.finish()

    def time_page(self, v: int) -> int | None:
        """Where the time page of a vCPU is, or None where none is written: a page boundary must not lie in it."""
        value = self.state.vcpus[v].system_time
        address = value & ~1
        return address if value & 1 and inside_page(address, TIME_SIZE) else None

    def write_time(self, v: int, stamp: Stamp, times: int = 1) -> None:
        """The policy refreshes a time page; `times` in a row, with what the last of them holds."""
        address, one = self.time_page(v), self.state.vcpus[v]
        if address is None:
            return
        self._update(lambda: time_writes(self.wires.memory, address, stamp, one.stop_wanted, times))
        one.time_updates += times
        one.stop_wanted = False

    def stop_guest(self, v: int, now: int) -> bool:
        """KVM_KVMCLOCK_CTRL: GUEST_STOPPED with the next refresh, which is asked for. False is EINVAL: no page."""
        if self.time_page(v) is None:
            return False
        self.state.vcpus[v].stop_wanted = True
        self.wires.wanted(v, now)
        return True

    # -- steal time

    def _record_steal(self, v: int) -> None:
        """record_steal_time: what the host has counted since the last time, on top of what is in memory."""
        one = self.state.vcpus[v]
        one.preempted = False
        if not one.steal_time & 1:
            return
        memory, address = self.wires.memory, one.steal_time & ~0x3F
        if self.offers(TLB_FLUSH_BIT) and memory(address + 16, 1)[0] & FLUSH_TLB:
            one.flushes += 1
        self._update(lambda: steal_writes(memory, address, one.run_delay - one.last_steal))
        one.last_steal = one.run_delay
        one.steal_updates += 1

    def exit(self, v: int, now: int, cause: str) -> None:
        """It left the guest. Descheduled though it could run, its page says so; the version does not change."""
        one = self.state.vcpus[v]
        self._settle(v, now)
        one.away, one.since = cause, now
        if cause == "preempt" and one.steal_time & 1 and not one.preempted:
            self.finish()
            self.wires.put((one.steal_time & ~0x3F) + 16, bytes((PREEMPTED,)))
            one.preempted = True

    def enter(self, v: int, now: int, moved: bool) -> None:
        """It is about to run again: after vcpu_load, its steal time is recorded."""
        one = self.state.vcpus[v]
        self._settle(v, now)
        cause, one.away = one.away, ""
        if moved or cause in LOADS:
            self._record_steal(v)
        if self.apf[v].by_fault:
            self.apf[v].deliver()

    def _settle(self, v: int, now: int) -> None:
        """Count what its thread has waited for a processor: not HLT, not an exit, not a VM that is stopped."""
        one = self.state.vcpus[v]
        if one.away == "preempt":
            one.run_delay += now - one.since
            one.since = now

    def run_delay(self, v: int, now: int) -> int:
        """The host's count for a vCPU's thread, ns."""
        one = self.state.vcpus[v]
        return one.run_delay + (now - one.since if one.away == "preempt" else 0)

    def arrived(self, now: int) -> None:
        """The VM has been moved to another host: its threads are new ones, and so are their counts; pages that were
        missing there are not missing here, and all who wait for one are woken. Call it after the policy's.
        """
        for v, one in enumerate(self.state.vcpus):
            one.run_delay = one.last_steal = 0
            apf = self.apf[v]
            apf.state.waiting, apf.state.done = (), ()
            apf.enable(apf.state.enabled)

    # -- a load that comes again and again

    def counts(self, v: int) -> tuple[int, ...]:
        """What a round of a load changes: run_delay, what of it went into the page, updates of the two pages, and since
        when the vCPU is out.
        """
        one = self.state.vcpus[v]
        return one.run_delay, one.last_steal, one.time_updates, one.steal_updates, one.since

    def add(self, v: int, change: tuple[int, ...], times: int) -> None:
        """So many rounds: the pages' versions go on, and the steal time; a time page keeps its content."""
        one = self.state.vcpus[v]
        delay, steal, time_updates, steal_updates, since = (by * times for by in change)
        self.finish()
        memory, put = self.wires.memory, self.wires.put
        one.run_delay += delay
        one.last_steal += steal
        one.time_updates += time_updates
        one.steal_updates += steal_updates
        one.since += since
        page = self.time_page(v)
        if page is not None and time_updates:
            put(page, ((number(memory, page) + 2 * time_updates) % (1 << 32)).to_bytes(4, "little"))
        if one.steal_time & 1 and steal_updates:
            for write in steal_writes(memory, one.steal_time & ~0x3F, steal, steal_updates):
                put(*write)

    # -- the guest reads

    def read_time(self, v: int, now: int) -> Reading:
        """A guest's whole read loop; GuestFault is none: ValueError where no page is registered."""
        return self.readers[v].read(self.page_address(v), now)

    def read_step(self, v: int, now: int) -> Reading:
        """One step of it."""
        return self.readers[v].step(self.page_address(v), now)

    def page_address(self, v: int) -> int:
        """Where the time page of a vCPU is; ValueError where none is written."""
        address = self.time_page(v)
        if address is None:
            raise ValueError(f"v{v} has no time page: wrmsr kvm_system_time 1001h v{v}")
        return address

    def read_wall(self) -> tuple[int, int] | None:
        """(sec, nsec) of the wall clock page; None while its version is odd. ValueError where there is none."""
        address = self.state.wall_clock
        if not address:
            raise ValueError("there is no wall clock page: wrmsr kvm_wall_clock 2000h")
        memory = self.wires.memory
        if number(memory, address) & 1:
            return None
        return number(memory, address + 4), number(memory, address + 8)
