"""A virtual CPU, as far as timers need one: its time stamp counter with the MSRs around it, the interrupt flag, and
which interrupts it is serving.

The guest's TSC is made of the TSC of the host processor that the vCPU is on, as the hardware makes it: times a ratio,
plus an offset. What these are a policy decides (`timerlab.policy`); here is what the instructions do with them, and
when they fault.

Sources: Intel SDM 3B, Time-Stamp Counter, IA32_TSC_ADJUST MSR; SDM 2B, RDTSC, RDTSCP, RDPID; SDM 3C, VM-Execution
Control Fields; AMD APM 2, TSC Ratio MSR; Linux x86.c, kvm_set_msr_common. Not modelled: instructions other than those
that read time, everything of CPUID that is not about time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from fractions import Fraction
from typing import Any

from timerlab.clock import Scaled, Ticker
from timerlab.device import Device, State
from timerlab.devices.vcpu_regs import MSRS, REGS, peeks_of
from timerlab.devices.vcpu_state import Served, VcpuState, split
from timerlab.errors import GuestFault
from timerlab.policy import Bare, Policy
from timerlab.scaling import SVM_FRAC, VMX_FRAC, WORD, scaled, signed

__all__ = ["Served", "Vcpu", "VcpuState", "split", "unknown_msr"]

IA32_TSC, IA32_TSC_ADJUST, TSC_AUX, TSC_RATIO = 0x10, 0x3B, 0xC000_0103, 0xC000_0104

RATIO_BITS = {VMX_FRAC: 64, SVM_FRAC: 40}
"""How wide the hardware's ratio is."""


class Vcpu(Device):
    """One vCPU. `host_clock` and `host_khz` give the TSC of the processor that it is on, and its rate in kHz.

    The functions in `followers` are called with the ns when L1's TSC begins to read or run otherwise. `policy` takes
    the guest's writes to the TSC; without one the vCPU is a processor of its own.
    """

    name = "vcpu"
    regs = REGS

    def __init__(
        self,
        index: int,
        host_clock: Callable[[], Ticker],
        host_khz: Callable[[], Fraction],
        quirks: Mapping[str, str],
    ) -> None:
        self.index = index
        self.host_clock = host_clock
        self.host_khz = host_khz
        self.quirks = quirks
        self.amd = quirks["vendor"] == "amd"
        self.frac = SVM_FRAC if self.amd else VMX_FRAC
        self.has_rdtscp, self.has_rdpid = quirks["rdtscp"] == "yes", quirks["rdpid"] == "yes"
        self.has_tsc, self.has_adjust = quirks["tsc"] == "yes", quirks["tsc_adjust"] == "yes"
        self.has_ratio = self.amd and quirks["tsc_ratio_msr"] == "yes"
        self.policy: Policy | None = None
        self._processor = Bare((self,) * (index + 1), quirks)
        self.followers: list[Callable[[int], None]] = []
        self.state = VcpuState(aux=index, ratio=1 << self.frac)
        self.peeks = peeks_of(index)  # type: ignore[misc]
        self._l1: tuple[Ticker, int, int] | None = None
        self._l1_clock: Ticker | None = None
        self._l2: tuple[Ticker, tuple[int, int]] | None = None
        self._l2_clock: Ticker | None = None

    # -- the hardware's offset and ratio

    @property
    def offset(self) -> int:
        """What is added to the scaled host TSC for L1, modulo 2^64."""
        return self.state.offset

    @property
    def ratio(self) -> int:
        """What the host's TSC is multiplied by for L1."""
        return self.state.ratio

    @property
    def adjust(self) -> int:
        """IA32_TSC_ADJUST, 64 bits."""
        return self.state.adjust

    @adjust.setter
    def adjust(self, value: int) -> None:
        self.state.adjust = value % WORD

    @property
    def active(self) -> tuple[int, int] | None:
        """Ratio and offset that hold while L2 runs; None while L1 does."""
        return self.state.active

    def set_l1(self, now: int, offset: int | None = None, ratio: int | None = None) -> None:
        """Put another offset (modulo 2^64) or ratio into the hardware, and tell the followers. ValueError for a ratio
        that does not fit, or a multiplier of 0, with which VMX does not enter a guest.
        """
        state = self.state
        before = state.offset, state.ratio
        if ratio is not None:
            if not 0 <= ratio < 1 << RATIO_BITS[self.frac] or (ratio == 0 and not self.amd):
                raise ValueError(f"{ratio:#x} is no TSC ratio: {0 if self.amd else 1} to 2^{RATIO_BITS[self.frac]} - 1")
            state.ratio = ratio
        if offset is not None:
            state.offset = offset % WORD
        if (state.offset, state.ratio) != before:
            self.moved(now)

    def set_active(self, now: int, active: tuple[int, int] | None) -> None:
        """L2 begins to run with this ratio and offset (modulo 2^64), or, None, L1 does. L1's TSC goes on as it was."""
        self.state.active = None if active is None else (active[0], active[1] % WORD)

    def set_controls(
        self,
        now: int,
        offsetting: bool | None = None,
        scaling: bool | None = None,
        enable_rdtscp: bool | None = None,
        exiting: bool | None = None,
    ) -> None:
        """Set VM-execution controls: "use TSC offsetting", "use TSC scaling" (without offsetting neither acts), "enable
        RDTSCP", "RDTSC exiting".
        """
        state = self.state
        before = state.offsetting, state.scaling
        state.offsetting = state.offsetting if offsetting is None else offsetting
        state.scaling = state.scaling if scaling is None else scaling
        state.enable_rdtscp = state.enable_rdtscp if enable_rdtscp is None else enable_rdtscp
        state.exiting = state.exiting if exiting is None else exiting
        if (state.offsetting, state.scaling) != before:
            self.moved(now)

    def moved(self, now: int) -> None:
        """Tell the followers that L1's TSC reads or runs otherwise from `now` on: its offset or ratio changed, its host
        processor's TSC did, or it is on another processor.
        """
        for follower in self.followers:
            follower(now)

    # -- the counter

    @property
    def _acting(self) -> tuple[int, int]:
        """Ratio and offset that the hardware uses for L1."""
        state = self.state
        if not state.offsetting:
            return 1 << self.frac, 0
        return state.ratio if state.scaling else 1 << self.frac, state.offset

    def host_tsc(self, now: int) -> int:
        """The TSC of the processor that it is on, 64 bits."""
        return self.host_clock().ticks(now) % WORD

    def l1_tsc(self, now: int) -> int:
        """What L1 reads: the host's TSC, scaled and rounded down, plus the offset, modulo 2^64."""
        ratio, offset = self._acting
        return (scaled(self.host_tsc(now), ratio, self.frac) + offset) % WORD

    def l1_clock(self) -> Ticker:
        """L1's TSC as a clock; its ticks are to be taken modulo 2^64. It is the same object as long as host, offset and
        ratio are. Where a ratio acts, it is true for less than 2^64 host cycles.
        """
        host = self.host_clock()
        key = (host, *self._acting)
        seen = self._l1
        if self._l1_clock is None or seen is None or seen[0] is not host or seen[1:] != key[1:]:
            self._l1, self._l1_clock = key, self._made(*key)
        return self._l1_clock

    def clock(self) -> Ticker:
        """What RDTSC reads, L2's TSC while L2 runs, as a clock."""
        active = self.state.active
        if active is None:
            return self.l1_clock()
        host = self.host_clock()
        seen = self._l2
        if self._l2_clock is None or seen is None or seen[0] is not host or seen[1] != active:
            self._l2, self._l2_clock = (host, active), self._made(host, *active)
        return self._l2_clock

    def _made(self, host: Ticker, ratio: int, offset: int) -> Ticker:
        return host.offset(offset) if ratio == 1 << self.frac else Scaled(host, ratio, self.frac, offset)

    def tsc(self, now: int) -> int:
        """What the hardware gives to whoever runs, L1 or L2, whatever may fault or exit."""
        active = self.state.active
        if active is None:
            return self.l1_tsc(now)
        return (scaled(self.host_tsc(now), active[0], self.frac) + active[1]) % WORD

    # -- instructions

    def rdtsc(self, now: int) -> int:
        """RDTSC: the TSC of whoever runs; GuestFault where it is not allowed, or does not exist."""
        if not self.has_tsc:
            raise GuestFault(6, "#UD", "there is no RDTSC: the quirk tsc is no")
        return self._read("RDTSC", now)

    def rdtscp(self, now: int) -> tuple[int, int]:
        """RDTSCP: the TSC, and TSC_AUX in ECX; GuestFault where it is not enabled (#UD goes before #GP)."""
        if not (self.has_tsc and self.has_rdtscp):
            raise GuestFault(6, "#UD", "there is no RDTSCP: CPUID 80000001h EDX bit 27 is 0")
        if not self.state.enable_rdtscp:
            raise GuestFault(6, "#UD", 'the VM-execution control "enable RDTSCP" is 0')
        return self._read("RDTSCP", now), self.state.aux

    def rdpid(self) -> int:
        """RDPID: TSC_AUX, at every privilege level; GuestFault where it does not exist."""
        if not self.has_rdpid:
            raise GuestFault(6, "#UD", "there is no RDPID: CPUID 7 ECX bit 22 is 0")
        if not self.state.enable_rdtscp:
            raise GuestFault(6, "#UD", 'the VM-execution control "enable RDTSCP" is 0, which is RDPID\'s as well')
        return self.state.aux

    def _read(self, name: str, now: int) -> int:
        state = self.state
        if state.tsd and state.cpl:
            raise GuestFault(13, "#GP(0)", f"CR4.TSD is 1: {name} is for CPL 0, and this is CPL {state.cpl}")
        return self._count(now)

    def _count(self, now: int) -> int:
        """The TSC for an instruction. L1's is the policy's to give, which may have trapped the read."""
        state = self.state
        if self.policy is None or state.active is not None or not (state.offsetting or state.exiting):
            return self.tsc(now)
        return self.policy.rdtsc(self.index, now)

    # -- MSRs

    def knows(self, msr: int) -> bool:
        """Whether it is one of the MSRs here."""
        return msr in MSRS

    def set_privilege(self, cpl: int | None = None, tsd: bool | None = None) -> None:
        """The guest's code runs at another level (0 or 3), or CR4.TSD is written; ValueError for another level."""
        if cpl not in (None, 0, 3):
            raise ValueError(f"CPL {cpl}: 0, 3")
        self.state.cpl = self.state.cpl if cpl is None else cpl
        self.state.tsd = self.state.tsd if tsd is None else tsd

    def privileged(self, name: str) -> None:
        """GuestFault where an instruction that is for CPL 0, such as RDMSR, is not allowed. `rdmsr` and `wrmsr` do not
        ask: hypervisors call them too.
        """
        if self.state.cpl:
            raise GuestFault(13, "#GP(0)", f"{name} is for CPL 0, and this is CPL {self.state.cpl}")

    def rdmsr(self, msr: int, now: int) -> int:
        """RDMSR of one of its MSRs; GuestFault for any other."""
        self._check_msr(msr)
        match msr:
            case 0x10:
                return self._count(now)
            case 0x3B:
                return self.state.adjust
            case 0xC000_0103:
                return self.state.aux
        return self.state.l2_ratio

    def wrmsr(self, msr: int, value: int, now: int) -> None:
        """WRMSR of one of its MSRs; GuestFault for any other, or for a reserved bit."""
        self._check_msr(msr)
        match msr:
            case 0x10:
                self._write_tsc(value, now)
            case 0x3B:
                self._write_adjust(value, now)
            case 0xC000_0103:
                if value >> 32 and not self.amd:
                    raise GuestFault(13, "#GP(0)", "bits 63:32 of IA32_TSC_AUX are reserved")
                self.state.aux = value & 0xFFFF_FFFF
            case _:
                if value >> 40:
                    raise GuestFault(13, "#GP(0)", "bits 63:40 of TSC_RATIO are reserved")
                self.state.l2_ratio = value

    def _check_msr(self, msr: int) -> None:
        """GuestFault for an MSR that does not exist."""
        exists = {
            IA32_TSC: self.has_tsc,
            IA32_TSC_ADJUST: self.has_adjust or (self.policy is not None and self.policy.name == "kvm"),
            TSC_AUX: self.has_rdtscp or self.has_rdpid,
            TSC_RATIO: self.has_ratio,
        }
        if not exists.get(msr, False):
            raise unknown_msr(msr)

    @property
    def bare(self) -> bool:
        """Whether it is a processor of its own, and no hypervisor takes its accesses."""
        return self.policy is None or isinstance(self.policy, Bare)

    def _write_tsc(self, value: int, now: int) -> None:
        """WRMSR to IA32_TSC. A hypervisor always takes all 64 bits; a processor what it can."""
        if self.bare:
            rule = self.quirks["tsc_write"]
            if rule == "fault":
                raise GuestFault(13, "#GP(0)", "this processor takes no write to IA32_TSC")
            if rule == "ignored":
                return
            value = value & 0xFFFF_FFFF if rule == "low32" else value
        (self.policy or self._processor).write_tsc(self.index, value, now)

    def _write_adjust(self, value: int, now: int) -> None:
        """WRMSR to TSC_ADJUST. Where the guest's CPUID has none, KVM keeps what is written and moves nothing."""
        if self.has_adjust:
            (self.policy or self._processor).write_adjust(self.index, value, now)
        else:
            self.state.adjust = value

    # -- what the engine asks of every chip

    def sync(self, now: int) -> None:
        """A counter that only counts needs no bringing up to date."""

    def next_event(self, now: int) -> Iterator[tuple[int, str]]:
        """None: it drives no line."""
        return iter(())

    def reset(self, now: int) -> None:
        """RESET: the TSC, TSC_ADJUST and TSC_AUX start again (SDM 3A, Processor State After Reset); nothing is served.
        The counts of interrupts go on, and the VM-execution controls are the hypervisor's.
        """
        old = self.state
        self.state = VcpuState(
            aux=self.index,
            ratio=1 << self.frac,
            spurious=old.spurious,
            offsetting=old.offsetting,
            scaling=old.scaling,
            enable_rdtscp=old.enable_rdtscp,
            exiting=old.exiting,
        )
        if self.policy is None:
            self.set_l1(now, offset=-self.host_tsc(now))
        else:
            # there is a hypervisor, and its to say
            self.state.offset, self.state.ratio, self.state.adjust = old.offset, old.ratio, old.adjust

    def peek(self, now: int) -> dict[str, Any]:
        """All that can be seen, as `vcpuN.name`."""
        state, put = self.state, f"vcpu{self.index}."
        host, (ratio, offset) = self.host_tsc(now), self._acting
        l1 = ((host * ratio >> self.frac) + offset) % WORD
        active = state.active
        return {
            put + "host": host,
            put + "tsc": l1 if active is None else ((host * active[0] >> self.frac) + active[1]) % WORD,
            put + "l1tsc": l1,
            put + "offset": signed(state.offset),
            put + "ratio": state.ratio,
            put + "l2_ratio": state.l2_ratio,
            put + "adjust": signed(state.adjust),
            put + "adjust_bits": state.adjust,
            put + "aux": state.aux,
            put + "cpl": state.cpl,
            put + "tsd": int(state.tsd),
            put + "if": int(state.interrupts),
            put + "busy": state.busy_until,
            put + "serving": state.served[-1].vector if state.served else None,
            put + "depth": len(state.served),
            put + "spurious": state.spurious,
            put + "last": state.last,
            put + "queued": state.queued,
        }

    def snapshot(self) -> State:
        """The state, flat."""
        return tuple(getattr(self.state, name) for name in VcpuState.__slots__)

    def restore(self, state: State) -> None:
        """Take back what `snapshot` gave."""
        self.state = VcpuState(*state)


def unknown_msr(msr: int) -> GuestFault:
    """The fault of an access to an MSR that does not exist."""
    return GuestFault(13, "#GP(0)", f"there is no MSR {msr:X}h here")
