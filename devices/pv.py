"""KVM's paravirtual MSRs, and the structures in guest memory that they register: time page, wall clock, steal time,
asynchronous page faults.

Sources: Linux Documentation/virt/kvm/x86/msr.rst and cpuid.rst; arch/x86/kvm/x86.c, kvm_set_msr_common,
kvm_write_system_time, kvm_setup_guest_pvclock, kvm_write_wall_clock, record_steal_time, kvm_steal_time_set_preempted,
kvm_vcpu_reset. What a time page is to hold comes from the policy; when it is written is the policy's affair as well.
Not modelled: what PV EOI does with its word, and memory that a guest address does not reach.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import fields
from typing import Any

from timerlab.device import State
from timerlab.devices.pv_apf import ApfState
from timerlab.devices.pv_core import PvPages
from timerlab.devices.pv_pages import TimeInfo, number, wall_writes
from timerlab.devices.pv_reader import GuestState, ReaderState
from timerlab.devices.pv_regs import (
    APF_INT_BIT,
    APF_VMEXIT_BIT,
    ASYNC_PF_ACK,
    ASYNC_PF_EN,
    ASYNC_PF_INT,
    CUSTOM,
    FEATURE,
    FEATURES,
    MIGRATION_CONTROL,
    POLL_CONTROL,
    PV_EOI_EN,
    REGS,
    SHARED_PEEKS,
    SIGNATURE,
    STEAL_TIME,
    SYSTEM_TIME,
    SYSTEM_TIME_OLD,
    WALL_CLOCK,
    WALL_CLOCK_OLD,
    peeks_of,
)
from timerlab.devices.pv_state import PvState, VcpuPv, Wires
from timerlab.errors import GuestFault
from timerlab.scaling import khz_of

Registers = tuple[int, int, int, int]
"""EAX, EBX, ECX, EDX."""


class Pv(PvPages):
    """The MSRs of all vCPUs, and their pages. `features` is CPUID 40000001h EAX, if not as the quirk has it."""

    name = "pv"
    regs = REGS

    def __init__(self, vcpus: int, quirks: Mapping[str, str], wires: Wires, features: int | None = None) -> None:
        offered = FEATURES[quirks["kvm_features"]] if features is None else features
        super().__init__(vcpus, wires, offered, quirks["kvm_apf"] == "page_fault")
        self.enforce = quirks["kvm_enforce_pv"] == "on"
        self.schedstats = quirks["kvm_features"] != "no_schedstats"
        self.khz_leaf = quirks["kvm_cpuid_khz"] == "present"
        names = dict(SHARED_PEEKS)
        for v in range(vcpus):
            names |= peeks_of(v)
        self.peeks = names  # type: ignore[misc]

    # -- CPUID

    def cpuid(self, leaf: int, v: int = 0) -> Registers | None:
        """CPUID 40000000h, 40000001h, and 40000010h where it is; None for any other leaf."""
        if leaf == 0x4000_0000:
            top = 0x4000_0010 if self.khz_leaf else 0x4000_0001
            return (top, *SIGNATURE)
        if leaf == 0x4000_0001:
            return self.features, 0, 0, 0
        if leaf == 0x4000_0010 and self.khz_leaf:
            return self.wires.khz(v), self.wires.bus_khz, 0, 0
        return None

    def offers(self, bit: int) -> bool:
        """guest_pv_has: the feature bit is set, or nobody looks."""
        return not self.enforce or bool(self.features >> bit & 1)

    # -- MSRs

    def knows(self, msr: int) -> bool:
        """Whether it is one of KVM's own, or in the range that is kept for them."""
        return msr in FEATURE or msr in CUSTOM

    def _check(self, msr: int) -> None:
        if msr not in FEATURE:
            raise GuestFault(13, "#GP(0)", f"KVM has no MSR {msr:X}h")
        bit = FEATURE[msr]
        if msr == MIGRATION_CONTROL and not self.features >> bit & 1:
            raise GuestFault(13, "#GP(0)", "userspace does not handle MIGRATION_CONTROL")
        if not self.offers(bit):
            raise GuestFault(13, "#GP(0)", f"MSR {msr:X}h needs CPUID 40000001h EAX bit {bit}")

    def rdmsr(self, v: int, msr: int, now: int) -> int:
        """RDMSR; GuestFault for an MSR that there is not."""
        self._check(msr)
        one, apf = self.state.vcpus[v], self.apf[v].state
        match msr:
            case 0x11 | 0x4B56_4D00:
                return self.state.wall_clock
            case 0x12 | 0x4B56_4D01:
                return one.system_time
            case 0x4B56_4D02:
                return apf.enabled
            case 0x4B56_4D03:
                return one.steal_time
            case 0x4B56_4D04:
                return one.eoi_en
            case 0x4B56_4D05:
                return one.poll_control
            case 0x4B56_4D06:
                return apf.vector
            case 0x4B56_4D08:
                return self.state.migration_control
        return 0

    def wrmsr(self, v: int, msr: int, value: int, now: int, host: bool = False) -> None:
        """WRMSR by the guest, or by userspace (`host`); GuestFault for an MSR that there is not, or for a reserved
        bit, with nothing changed.
        """
        self._check(msr)
        one, apf = self.state.vcpus[v], self.apf[v]
        if value & self._reserved(msr):
            raise GuestFault(13, "#GP(0)", f"bits {value & self._reserved(msr):X}h of MSR {msr:X}h are reserved")
        if msr in (WALL_CLOCK, WALL_CLOCK_OLD):
            self.state.wall_clock = value
            if value:
                self._update(lambda: wall_writes(self.wires.memory, value, self.wires.epoch(now)))
        elif msr in (SYSTEM_TIME, SYSTEM_TIME_OLD):
            one.system_time = value
            self.wires.registered(v, msr == SYSTEM_TIME_OLD, now, host)
        elif msr == ASYNC_PF_EN:
            apf.enable(value)
        elif msr == STEAL_TIME:
            if not self.schedstats:
                raise GuestFault(13, "#GP(0)", "the host keeps no scheduler statistics")
            one.steal_time = value
            if value & 1:
                self._record_steal(v)
        elif msr == PV_EOI_EN:
            one.eoi_en = value
        elif msr == POLL_CONTROL:
            one.poll_control = value
        elif msr == ASYNC_PF_INT:
            apf.state.vector = value
        elif msr == ASYNC_PF_ACK:
            if value & 1:
                apf.deliver()
        elif msr == MIGRATION_CONTROL:
            self.state.migration_control = value

    def register(self, v: int, address: int, now: int) -> None:
        """A hypercall in the place of MSR SYSTEM_TIME registers a vCPU's time page, as Xen's does."""
        self.state.vcpus[v].system_time = address | 1
        self.wires.registered(v, False, now, False)

    def _reserved(self, msr: int) -> int:
        """Bits of an MSR that fault."""
        if msr == ASYNC_PF_EN:
            more = (not self.offers(APF_VMEXIT_BIT)) << 2 | (not self.offers(APF_INT_BIT)) << 3
            return 0x30 | more
        return {STEAL_TIME: 0x3E, PV_EOI_EN: 0x2, POLL_CONTROL: ~1, ASYNC_PF_INT: ~0xFF}.get(msr, 0)

    # -- what the engine asks of every chip

    def sync(self, now: int) -> None:
        """Nothing happens by itself."""

    def next_event(self, now: int) -> Iterator[tuple[int, str]]:
        """None."""
        return iter(())

    def init(self, v: int) -> None:
        """RESET or INIT of a vCPU: pages are no longer written, and keep what they hold (kvm_vcpu_reset)."""
        one = self.state.vcpus[v]
        one.system_time = one.steal_time = one.eoi_en = 0
        one.stop_wanted = one.preempted = False
        self.apf[v].reset()
        self.readers[v].state = ReaderState()

    def reset(self, now: int) -> None:
        """RESET of all vCPUs, which begins another guest. The wall clock's address and POLL_CONTROL stay."""
        self.finish()
        for v in range(len(self.apf)):
            self.init(v)
        self.state.guest = GuestState()

    def peek(self, now: int) -> dict[str, Any]:
        """All that can be seen, as `pv.name` and `pvN.name`."""
        state, memory = self.state, self.wires.memory
        wall = state.wall_clock
        seen: dict[str, Any] = {
            "pv.wall_clock": wall,
            "pv.migration_control": state.migration_control,
            "pv.wall_version": number(memory, wall) if wall else None,
            "pv.wall_sec": number(memory, wall + 4) if wall else None,
            "pv.wall_nsec": number(memory, wall + 8) if wall else None,
            "pv.steps": len(state.left),
            "pv.last_value": state.guest.last,
            "pv.warps": state.guest.warps,
            "pv.warp_ns": state.guest.warp,
            "pv.huge": state.guest.huge,
            "pv.touched": state.guest.touched,
        }
        for v in range(len(state.vcpus)):
            seen |= {f"pv{v}.{name}": value for name, value in self._peek_vcpu(v, now).items()}
        return seen

    def _peek_vcpu(self, v: int, now: int) -> dict[str, Any]:
        one, apf, reader, memory = self.state.vcpus[v], self.apf[v], self.readers[v].state, self.wires.memory
        address = self.time_page(v)
        page = None if address is None else TimeInfo.read(memory, address)
        steal = one.steal_time & ~0x3F if one.steal_time & 1 else None
        fault = apf.state.fault
        return {
            "system_time": one.system_time,
            "async_pf_en": apf.state.enabled,
            "steal_time": one.steal_time,
            "eoi_en": one.eoi_en,
            "poll_control": one.poll_control,
            "async_pf_int": apf.state.vector,
            "version": page and page.version,
            "tsc_timestamp": page and page.tsc_timestamp,
            "ns": page and page.system_time,
            "mul": page and page.mul,
            "shift": page and page.shift,
            "flags": page and page.flags,
            "khz": khz_of(page.mul, page.shift) if page and page.mul else None,
            "kvmclock": page and page.ns(self.wires.tsc(v, now)),
            "stop_wanted": int(one.stop_wanted),
            "steal": None if steal is None else number(memory, steal, 8),
            "steal_version": None if steal is None else number(memory, steal + 8),
            "preempted": None if steal is None else memory(steal + 16, 1)[0],
            "run_delay": self.run_delay(v, now),
            "last_steal": one.last_steal,
            "flushes": one.flushes,
            "apf_flags": number(memory, apf.address) if apf.on else None,
            "apf_token": number(memory, apf.address + 4) if apf.on else None,
            "apf_missing": len(apf.state.waiting),
            "apf_queued": len(apf.state.done),
            "apf_halted": int(apf.state.halted),
            "pf_code": fault and fault[0],
            "cr2": fault and fault[1],
            "reader": reader.step,
            "retries": reader.retries,
        }

    def snapshot(self) -> State:
        """The state, flat."""
        state = self.state
        return (
            tuple(_flat(one) for one in state.vcpus),
            (state.wall_clock, state.migration_control, state.stepping, state.left),
            _flat(state.guest),
            tuple(_flat(apf.state) for apf in self.apf),
            tuple(_flat(reader.state) for reader in self.readers),
        )

    def restore(self, state: State) -> None:
        """Take back what `snapshot` gave."""
        vcpus, (wall_clock, migration, stepping, left), guest, apfs, readers = state
        self.state = PvState(
            tuple(VcpuPv(*one) for one in vcpus), wall_clock, migration, stepping, left, GuestState(*guest)
        )
        for apf, one in zip(self.apf, apfs, strict=True):
            apf.state = ApfState(*one)
        for reader, one in zip(self.readers, readers, strict=True):
            reader.state = ReaderState(*one)


def _flat(state: VcpuPv | GuestState | ApfState | ReaderState) -> tuple[Any, ...]:
    return tuple(getattr(state, field.name) for field in fields(state))
