"""Guests in guests: L1 runs a guest L2 of its own, and the TSC that L2 reads is made of L1's.

L0 is the hypervisor on the hardware, L1 its guest, L2 the guest of that one. The hardware knows one ratio and one
offset. While L1 runs they are m01 and o01, L1's. While L2 runs, L0 puts in what both levels make together:

    m02 = m01 * m12             o02 = o01 * m12 + o12

o12 and m12 are what L1 wrote for L2, as L0 took them at VM entry. Nothing is taken out again at an exit: L1's own are
kept all the time, and go back in as they are. What L1 writes while L2 runs counts from the next VM entry on.

Sources: Linux 6.1 arch/x86/kvm/x86.c (kvm_calc_nested_tsc_offset, kvm_vcpu_write_tsc_offset,
kvm_vcpu_write_tsc_multiplier, kvm_get_msr_common), vmx/nested.c (prepare_vmcs02, vmx_start_preemption_timer), vmx/vmx.c
(vmx_get_l2_tsc_offset, vmx_get_l2_tsc_multiplier), svm/nested.c (nested_vmcb02_prepare_control,
nested_svm_update_tsc_ratio_msr); Intel SDM 3C, 25.6 and 27.2; AMD APM 2, 15.30.5; kvm list mail of 2010-09-30.

Not modelled: what else is in vmcs12 and vmcb12, launch state (VMLAUNCH and VMRESUME are alike), saving the preemption
timer at exit, a guest of L2's (`compose` in nested_levels makes its TSC), ratios beyond what the processor takes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from timerlab.device import Device, State
from timerlab.devices.nested_cpu import L2Cpu, reaches
from timerlab.devices.nested_levels import Level, compose, joined, reading
from timerlab.devices.nested_regs import controls_of, peeks_of
from timerlab.devices.nested_state import (
    IA32_TSC,
    INVALID_CONTROL,
    RATIO_SHIFT,
    TSC_RATIO,
    ExitToL1,
    Guest,
    VmFail,
    exit_of,
)
from timerlab.errors import GuestFault
from timerlab.scaling import SVM_FRAC, WORD, signed

__all__ = ["ExitToL1", "L2Cpu", "Nested", "VmFail"]


class Nested(Device):
    """The nested guests of all vCPUs, at most one of each. vCPUs with ratios of SVM's width are AMD's, others Intel's.

    The board tells it of changes of L1's offset or ratio by `follow` or `l1_changed`. The TSC deadline of L1, its
    pvclock page and reads by L0's user go by `l1_tsc` of the vCPU and need nothing of this; nor does L0 taking the vCPU
    away and giving it back.
    """

    name = "nested"

    def __init__(self, vcpus: Sequence[L2Cpu], quirks: Mapping[str, str]) -> None:
        self.vcpus = tuple(vcpus)
        self.svm = bool(self.vcpus) and self.vcpus[0].frac == SVM_FRAC
        self.on = quirks["nested"] == "on"
        self.floor = quirks["nested_rounding"] == "floor"
        self.of_2010 = quirks["l2_rdmsr"] == "kvm_2010"
        self.checked = quirks["vmcs12_zero_multiplier"] == "checked"
        self.controls = controls_of(self.svm)
        self.state = [Guest() for _ in self.vcpus]
        self.peeks = {  # type: ignore[misc]
            name: peek for v in range(len(self.vcpus)) for name, peek in peeks_of(v, self.svm).items()
        }

    def runs(self, v: int) -> bool:
        """Whether L2 is what runs on vCPU `v`: its RDTSC, RDMSR and WRMSR are then L2's, and come here."""
        return self.state[v].guest_mode

    # -- into L2 and out of it

    def enter(self, v: int, now: int) -> VmFail | None:
        """L1 executes VMLAUNCH, VMRESUME or VMRUN: L2 runs, or the entry failed and L1 goes on. GuestFault #UD where
        L0 allows no nested guests; ValueError while L2 runs.
        """
        self.sync(now)
        guest, cpu = self.state[v], self.vcpus[v]
        if not self.on:
            raise GuestFault(6, "#UD", f"nested=off: L0 gives its guest no {'SVM' if self.svm else 'VMX'}")
        if guest.guest_mode:
            raise ValueError(f"L2 runs on v{v} already: l2 exit leaves it")
        failed = self.refused(v, now)
        if failed is not None:
            return failed
        own = self._wanted(v, now)
        both = joined(self._l1(v), own, cpu.frac, self.floor)
        guest.o12, guest.m12 = own.offset, own.ratio
        guest.o01, guest.m01 = cpu.offset, cpu.ratio
        guest.guest_mode = True
        guest.entries += 1
        cpu.set_active(now, (both.ratio, both.offset))
        if guest.preemption is not None and not self.svm:
            guest.due = reaches(cpu, now, guest.preemption << RATIO_SHIFT)
        self.sync(now)
        return None

    def refused(self, v: int, now: int) -> VmFail | None:
        """Why a VM entry now would fail, or None. SVM takes any ratio."""
        if self.svm:
            return None
        guest = self.state[v]
        if guest.use_tsc_scaling and not guest.ratio and self.checked:
            return VmFail(INVALID_CONTROL, "use TSC scaling with a TSC multiplier of 0")
        if not joined(self._l1(v), self._wanted(v, now), self.vcpus[v].frac).ratio:
            return VmFail(INVALID_CONTROL, "the TSC multiplier of vmcs02 is 0", "processor")
        return None

    def exit(self, v: int, now: int, out: ExitToL1 | None = None) -> ExitToL1:
        """L2 exits to L1, by a hypercall unless `out` says by what: the hardware gets L1's offset and ratio back, and
        vmcs12's stay as L1 wrote them. ValueError while L1 runs.
        """
        guest = self.state[v]
        if not guest.guest_mode:
            raise ValueError(f"L2 does not run on v{v}: l2 enter starts it")
        out = out or exit_of(v, "VMCALL", self.svm)
        guest.guest_mode, guest.due = False, None
        guest.exits += 1
        guest.last_exit = out.text()
        self.vcpus[v].set_active(now, None)
        return out

    def follow(self, v: int, now: int) -> None:
        """Something of L1's TSC changed on vCPU `v`: if that was its offset or ratio, see `l1_changed`."""
        guest, cpu = self.state[v], self.vcpus[v]
        if (guest.o01, guest.m01) != (cpu.offset, cpu.ratio):
            self.l1_changed(v, now, guest.o01, guest.o01 == cpu.offset)

    def l1_changed(self, v: int, now: int, old_offset: int, ratio_only: bool = False) -> None:
        """L1's offset was `old_offset` and is another now, or its ratio is; with `ratio_only` nobody wrote the offset.
        If L2 runs, the hardware gets new ones; a ratio alone leaves o02 until somebody writes an offset, as in KVM.
        """
        self.sync(now)
        guest, cpu = self.state[v], self.vcpus[v]
        if not guest.guest_mode:
            return
        guest.o01, guest.m01 = cpu.offset, cpu.ratio
        if not ratio_only:
            guest.moved = (cpu.offset - old_offset) % WORD
        both = joined(self._l1(v), self._taken(v), cpu.frac, self.floor)
        held = cpu.active
        cpu.set_active(now, (both.ratio, held[1] if ratio_only and held else both.offset))

    def _l1(self, v: int) -> Level:
        """What L0 does for L1."""
        cpu = self.vcpus[v]
        return Level(cpu.ratio, cpu.offset % WORD)

    def _taken(self, v: int) -> Level:
        """What L1 does for L2, as L0 took it at the last VM entry."""
        guest, one = self.state[v], 1 << self.vcpus[v].frac
        return Level(one if guest.m12 is None else guest.m12, guest.o12 or 0)

    def _wanted(self, v: int, now: int) -> Level:
        """What L1 does for L2, as L0 would take it at a VM entry now."""
        guest, one = self.state[v], 1 << self.vcpus[v].frac
        if self.svm:
            ratio = self.tsc_ratio(v)
            return Level(one if ratio is None else ratio, guest.offset)
        if not guest.use_tsc_offsetting:
            return Level(one, 0)
        return Level(guest.ratio if guest.use_tsc_scaling else one, guest.offset)

    def tsc_ratio(self, v: int) -> int | None:
        """The MSR TSC_RATIO that the guest's VMRUN goes by, or None where its CPUID has no TscRateMsr."""
        cpu = self.vcpus[v]
        return cpu.state.l2_ratio if cpu.has_ratio else None

    # -- what L2 does

    def rdtsc(self, v: int, now: int) -> int | ExitToL1:
        """RDTSC in L2: its TSC from the hardware, or an exit to L1. GuestFault, which goes before an exit."""
        guest, value = self.state[v], self.vcpus[v].rdtsc(now)
        if guest.rdtsc if self.svm else guest.rdtsc_exiting:
            return self.exit(v, now, exit_of(v, "RDTSC", self.svm))
        return value

    def rdtscp(self, v: int, now: int) -> tuple[int, int] | ExitToL1:
        """RDTSCP in L2: TSC and TSC_AUX, or an exit to L1. GuestFault, as #UD where L1 does not enable it."""
        guest = self.state[v]
        if not self.svm and not guest.enable_rdtscp:
            raise GuestFault(6, "#UD", "vmcs12 does not enable RDTSCP")
        both = self.vcpus[v].rdtscp(now)
        if guest.rdtscp if self.svm else guest.rdtsc_exiting:
            return self.exit(v, now, exit_of(v, "RDTSCP", self.svm))
        return both

    def rdmsr(self, v: int, msr: int, now: int) -> int | ExitToL1:
        """RDMSR in L2: an exit to L1, or what L0 gives: of IA32_TSC L2's, of all others L1's. GuestFault."""
        out = self.leaves(v, msr, now)
        if out is not None:
            return out
        cpu = self.vcpus[v]
        return cpu.l1_tsc(now) if self.of_2010 and msr == IA32_TSC else cpu.rdmsr(msr, now)

    def wrmsr(self, v: int, msr: int, value: int, now: int) -> ExitToL1 | None:
        """WRMSR in L2: an exit to L1, or None: L0 does to L1 what L1's own WRMSR does, and L2's TSC follows L1's.
        TSC_RATIO changes m02 at once, but o02 only with the next VM entry, or change of L1's offset. GuestFault.
        """
        out = self.leaves(v, msr, now, value)
        if out is not None:
            return out
        cpu, guest = self.vcpus[v], self.state[v]
        cpu.wrmsr(msr, value, now)
        if msr == TSC_RATIO and self.svm:
            guest.m12 = value
            both = joined(self._l1(v), self._taken(v), cpu.frac, self.floor)
            cpu.set_active(now, (both.ratio, cpu.active[1] if cpu.active else both.offset))
        return None

    def leaves(self, v: int, msr: int, now: int, value: int | None = None) -> ExitToL1 | None:
        """RDMSR, or WRMSR of a `value`, in L2, before anybody answers it: the exit to L1, where L1 intercepts it. For
        MSRs that are not the vCPU's own, as those of the local APIC: what L0 does there for L2 is what it does for L1.
        """
        write = value is not None
        self.vcpus[v].privileged("WRMSR" if write else "RDMSR")
        if not self.state[v].intercepts(msr, write, self.svm):
            return None
        return self.exit(v, now, exit_of(v, "WRMSR" if write else "RDMSR", self.svm, msr, value))

    def l2_tsc(self, v: int, now: int) -> int:
        """L2's TSC as the hardware gives it; L1's while L1 runs."""
        cpu = self.vcpus[v]
        if cpu.active is None:
            return cpu.l1_tsc(now)
        return reading(cpu.host_tsc(now), Level(*cpu.active), cpu.frac)

    # -- what L1 writes into vmcs12 or vmcb12; the next VM entry takes it

    def set_offset(self, v: int, value: int) -> None:
        """TSC offset, modulo 2^64."""
        self.state[v].offset = value % WORD

    def set_ratio(self, v: int, value: int) -> None:
        """TSC multiplier of vmcs12, 64 bits; SVM has the MSR TSC_RATIO for it. ValueError."""
        if self.svm:
            raise ValueError(f"vmcb12 has no TSC multiplier: wrmsr {TSC_RATIO:x}h {value:x}h is SVM's way")
        if not 0 <= value < WORD:
            raise ValueError(f"{value:#x} does not fit 64 bits")
        self.state[v].ratio = value

    def set_control(self, v: int, name: str, on: bool) -> None:
        """A control or an instruction's intercept, see `controls`. ValueError for one that there is not."""
        if name not in self.controls:
            raise ValueError(f"{'vmcb12' if self.svm else 'vmcs12'} has no {name}: {', '.join(self.controls)}")
        setattr(self.state[v], name, on)

    def set_msr_exit(self, v: int, msr: int, write: bool, on: bool) -> None:
        """The bit of an MSR in the MSR bitmap or permissions map: whether RDMSR, or with `write` WRMSR, exits to L1."""
        guest = self.state[v]
        name = "writes" if write else "reads"
        others = {one for one in getattr(guest, name) if one != msr}
        setattr(guest, name, tuple(sorted(others | {msr} if on else others)))

    def set_preemption(self, v: int, value: int | None) -> None:
        """The VMX-preemption timer: counts of 32 cycles of L1's TSC, 32 bits; None: not activated. ValueError."""
        if self.svm:
            raise ValueError("SVM has no VMX-preemption timer")
        if value is not None and not 0 <= value < 1 << 32:
            raise ValueError(f"{value} does not fit 32 bits")
        self.state[v].preemption = value

    # -- what the engine asks of every chip

    def sync(self, now: int) -> None:
        """Do the exits of preemption timers that have expired."""
        for v, guest in enumerate(self.state):
            if guest.due is not None and guest.due <= now:
                self.exit(v, guest.due, exit_of(v, "VMX-preemption timer", False))

    def next_event(self, now: int) -> Iterator[tuple[int, str]]:
        """When a preemption timer ends guest mode."""
        for v, guest in enumerate(self.state):
            if guest.due is not None and guest.due > now:
                yield guest.due, f"nest{v}.guest_mode"

    def reset(self, now: int) -> None:
        """RESET: no L2, and nothing written for one."""
        for v, cpu in enumerate(self.vcpus):
            old = self.state[v]
            self.state[v] = Guest(entries=old.entries, exits=old.exits)
            if cpu.active is not None:
                cpu.set_active(now, None)

    def peek(self, now: int) -> dict[str, Any]:
        """All that can be seen, as `nestN.name`."""
        seen: dict[str, Any] = {}
        for v in range(len(self.vcpus)):
            seen.update((f"nest{v}.{name}", value) for name, value in self._peek(v, now).items())
        return seen

    def _peek(self, v: int, now: int) -> dict[str, Any]:
        guest, cpu = self.state[v], self.vcpus[v]
        live = cpu.active if guest.guest_mode else None
        wanted, taken = self._wanted(v, now), self._taken(v)
        both = compose((self._l1(v), wanted), cpu.frac, self.floor)
        return {
            "guest_mode": int(guest.guest_mode),
            "entries": guest.entries,
            "exits": guest.exits,
            "last_exit": guest.last_exit or None,
            "o01": signed(cpu.offset),
            "m01": cpu.ratio,
            "o12": None if guest.o12 is None else signed(guest.o12),
            "m12": guest.m12,
            "o02": None if live is None else signed(live[1]),
            "m02": None if live is None else live[0],
            "delta": None if live is None else signed(live[1] - cpu.offset),
            "moved": signed(guest.moved),
            "next_o12": signed(wanted.offset),
            "next_m12": wanted.ratio,
            "next_o02": signed(both.offset),
            "next_m02": both.ratio,
            "tsc2": None if live is None else self.l2_tsc(v, now),
            "two_step": None if live is None else reading(cpu.l1_tsc(now), taken, cpu.frac),
            "field_offset": signed(guest.offset),
            "field_ratio": self.tsc_ratio(v) if self.svm else guest.ratio,
            "kept_in": self.kept_in(v),
            "rdmsr_exits": " ".join(f"{msr:X}h" for msr in guest.reads) or None,
            "wrmsr_exits": " ".join(f"{msr:X}h" for msr in guest.writes) or None,
            "preemption": guest.preemption,
            "due": guest.due,
            **{name: int(getattr(guest, name)) for name in self.controls},
        }

    def kept_in(self, v: int) -> str:
        """Where L1's offset is: in a structure of L1's own, or in 2010 in the one that was in use, and while L2 ran in
        nested.hsave.
        """
        if not self.svm:
            return "vmcs01"
        if not self.of_2010:
            return "vmcb01"
        return "nested.hsave" if self.state[v].guest_mode else "vmcb"

    def snapshot(self) -> State:
        """The state, a tuple a vCPU."""
        return tuple(guest.plain() for guest in self.state)

    def restore(self, state: State) -> None:
        """Take back what `snapshot` gave."""
        self.state = [Guest(*plain) for plain in state]
