"""The functions of Palacios' vmm_time.c, by their names, on one core each.

Each does what the function does and nothing else: it is not told where the vCPU is. `Palacios` calls them in the order
of the run loop; a command calls them by hand.

Source: Palacios, vmm_time.c; vmm_hypercall.h.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from timerlab.devices.palacios_core import MAX_32, TRAP_TSC, Core, Form, HostFault, Refused, Timer, Vm
from timerlab.errors import GuestFault
from timerlab.policy import Cpu
from timerlab.scaling import WORD, signed

TIME_CPUFREQ_HCALL = 0xD000
TIME_RDHTSC_HCALL = 0xD001
LOW = (1 << 32) - 1
SLAVED = "guest time passage while slaved to host clock (follow_host_time is 1)"


class Registers(NamedTuple):
    """What an emulated instruction leaves in the guest's registers. `rip` is how far RIP moves; `rcx` None: as it
    was.
    """

    rax: int
    rdx: int
    rcx: int | None
    rip: int


class Calls:
    """vmm_time.c for all cores of a VM. Moments are virtual ns; counts are cycles."""

    def __init__(self, vcpus: Sequence[Cpu], quirks: Mapping[str, str]) -> None:
        self.form = Form(quirks.get("palacios", "intended"))
        self.cpus = tuple(vcpus)
        self.amd = quirks.get("vendor", "intel") == "amd"
        self.vm = Vm()
        self.cores = [Core() for _ in self.cpus]

    # -- the life of a VM and a core

    def v3_init_time_vm(self) -> None:
        """MSRs 10h and C0000103h and the hypercalls are hooked, dilation 1/1, slaved to the host."""
        self.vm = Vm(skew_bound=self.vm.skew_bound)

    def v3_deinit_time_vm(self) -> None:
        """The hooks are removed: MSR 10h, MSR C0000103h and the hypercalls are unhandled."""
        self.vm.hooked = 0

    def v3_init_time_core(self, v: int, khz: int | None = None) -> None:
        """All of a core's time state is 0, no timers; `khz` is the core's option, None where it is missing."""
        core = self.cores[v] = Core(host_cpu_freq=int(self.cpus[v].host_khz()))
        self._rate(core, khz)

    def v3_deinit_time_core(self, v: int) -> None:
        """All timers are removed, and none can be added."""
        core = self.cores[v]
        core.timers = ()
        core.live = 0

    def v3_start_time(self, v: int, now: int) -> None:
        """Guest time starts at 0 at the host's present TSC; tsc_guest_offset stays."""
        core, t = self.cores[v], self.cpus[v].host_tsc(now)
        core.guest_cycles = core.last_update = core.vm_enter_host_time = 0
        core.initial_host_time = core.yield_start_cycle = t
        core.vm_pause_host_time = 0 if self.form.later else t
        core.last_tsc = core.update_tsc = core.before_tsc = core.entry_tsc = t
        core.skew = core.skewed = core.update_skew = core.before_skew = core.entry_skew = core.entry_guest = 0
        core.started = 1

    # -- guest time

    def v3_time_advance_cycles(self, v: int, now: int, host_cycles: int | None = None) -> None:
        """Bring guest_cycles to the present. `host_cycles` counts only where the guest is not slaved to the host."""
        core, t = self.cores[v], self.cpus[v].host_tsc(now)
        try:
            guest = self.form.advanced(self.vm, core, t, host_cycles)
        finally:
            if not self.form.later:
                core.vm_pause_host_time = t
            core.last_tsc = t
        core.guest_cycles, core.skewed = guest, core.skew

    def v3_advance_time(self, v: int, now: int) -> None:
        """The same without a count: of the seed's exact text HostFault, where the guest is not slaved to the host."""
        self.v3_time_advance_cycles(v, now)

    def v3_time_exit_vm(self, v: int, now: int, host_cycles: int | None = None) -> None:
        """The core left the guest after `host_cycles` of the host's TSC in it."""
        core, old = self.cores[v], self.cores[v].guest_cycles
        self.v3_time_advance_cycles(v, now, host_cycles)
        if core.skew and self.vm.skew_bound:
            self._unskew(core, signed(core.guest_cycles - old))

    def _unskew(self, core: Core, gained: int) -> None:
        """Take some skew back. Time that is ahead is held back by no more than it has just gained: it stays
        monotonic.
        """
        if core.skew > 0:
            change = -min(core.skew, self.vm.skew_bound, max(0, gained))
        else:
            change = min(-core.skew, self.vm.skew_bound)
        core.guest_cycles = (core.guest_cycles + change) % WORD
        core.skew = core.skewed = core.skew + change

    def v3_time_enter_vm(self, v: int, now: int) -> None:
        """The core is about to enter the guest: the stamp, which today's Palacios has no more."""
        core, t = self.cores[v], self.cpus[v].host_tsc(now)
        if not self.form.later:
            core.vm_enter_host_time = t
        core.entry_tsc, core.entry_guest, core.entry_skew = t, core.guest_cycles, core.skewed

    def v3_offset_time(self, v: int, offset: int) -> None:
        """Move guest time by `offset` cycles; Refused where it is slaved to the host, or the form has no such call."""
        self._unslaved("offset")
        core = self.cores[v]
        core.guest_cycles = (core.guest_cycles + offset) % WORD

    def v3_skip_time(self, v: int, now: int) -> None:
        """Leave out the host time since the last advance; Refused as v3_offset_time is."""
        self._unslaved("skip")
        self.cores[v].vm_pause_host_time = self.cpus[v].host_tsc(now)

    def _unslaved(self, what: str) -> None:
        if self.form.later:
            raise Refused(f"v3_{what}_time is no more in palacios=later")
        if self.vm.follow_host_time:
            raise Refused(f"Cannot {what} {SLAVED}")

    # -- timers that are slaved to guest time

    def v3_add_timer(self, v: int, name: str) -> None:
        """A device asks to be told how guest time passes; Refused where it has been added, or the core is gone."""
        core = self.cores[v]
        if not core.live:
            raise Refused(f"core {v} is not initialised: v3 init_core")
        if any(timer.name == name for timer in core.timers):
            raise Refused(f"{name} is in core {v}'s list already")
        core.timers = (Timer(name), *core.timers)

    def v3_remove_timer(self, v: int, name: str) -> None:
        """It is told no more; Refused where it is not in the list."""
        core = self.cores[v]
        left = tuple(timer for timer in core.timers if timer.name != name)
        if len(left) == len(core.timers):
            there = ", ".join(timer.name for timer in core.timers) or "the list is empty"
            raise Refused(f"no timer {name} on core {v}: {there}")
        core.timers = left

    def v3_update_timers(self, v: int) -> int | None:
        """Tell each timer the guest cycles since the last update: how many, or None where they are negative, which is
        logged as a roll-over. last_update has moved even then, so these cycles are counted once more later.
        """
        core = self.cores[v]
        cycles = signed(core.guest_cycles - core.last_update)
        core.last_update = core.guest_cycles
        core.before_tsc, core.before_skew = core.update_tsc, core.update_skew
        core.update_tsc, core.update_skew = core.last_tsc, core.skewed
        if cycles < 0:
            core.rollovers += 1
            return None
        core.timers = tuple(timer.told(cycles, core.guest_cpu_freq) for timer in core.timers)
        return cycles

    # -- the guest's TSC

    def v3_rdtsc(self, v: int) -> Registers:
        """RDX:RAX as of the last advance."""
        tsc = self.cores[v].guest_tsc
        return Registers(tsc & LOW, tsc >> 32, None, 0)

    def v3_handle_rdtsc(self, v: int) -> Registers:
        """The same for a trapped RDTSC: upper halves 0, RIP 2 on."""
        return self.v3_rdtsc(v)._replace(rip=2)

    def v3_rdtscp(self, v: int) -> Registers:
        """RDX:RAX as v3_rdtsc, and RCX is the low dword of TSC_AUX."""
        return self.v3_rdtsc(v)._replace(rcx=self.tsc_aux_msr_read(v) & LOW)

    def v3_handle_rdtscp(self, v: int) -> Registers:
        """The same for a trapped RDTSCP: upper halves 0, RIP 3 on."""
        return self.v3_rdtscp(v)._replace(rip=3)

    def tsc_msr_read(self, v: int) -> int:
        """RDMSR 10h: the guest's TSC as of the last advance; GuestFault where it is not hooked."""
        self._hooked(0x10)
        return self.cores[v].guest_tsc

    def tsc_msr_write(self, v: int, value: int) -> None:
        """WRMSR 10h: tsc_guest_offset alone takes it; guest_cycles and the timers know nothing of it."""
        self._hooked(0x10)
        core = self.cores[v]
        core.tsc_guest_offset = signed(value - core.guest_cycles)

    def tsc_aux_msr_read(self, v: int) -> int:
        """RDMSR C0000103h, 64 bits."""
        self._hooked(0xC000_0103)
        return self.cores[v].tsc_aux_hi << 32 | self.cores[v].tsc_aux_lo

    def tsc_aux_msr_write(self, v: int, value: int) -> None:
        """WRMSR C0000103h. Palacios keeps the upper half too; as intended, it is an Intel's (#GP) or an AMD's (dropped)
        (SDM 4, IA32_TSC_AUX; AMD APM 2, TSC_AUX).
        """
        self._hooked(0xC000_0103)
        core, high = self.cores[v], value >> 32
        if self.form.intended and high:
            if not self.amd:
                raise GuestFault(13, "#GP(0)", "bits 63:32 of IA32_TSC_AUX are reserved")
            high = 0
        core.tsc_aux_lo, core.tsc_aux_hi = value & LOW, high

    def _hooked(self, msr: int) -> None:
        if not self.vm.hooked:
            raise GuestFault(13, "#GP(0)", f"MSR {msr:X}h is unhandled: v3_deinit_time_vm removed its hook")

    # -- what the configuration sets

    def set_follow(self, on: bool) -> None:
        """follow_host_time; the next advance goes by it. 1/1 dilation where today's Palacios is not slaved."""
        self.vm.follow_host_time = int(on)

    def set_khz(self, v: int, khz: int | None) -> None:
        """A core's `khz` option, and the ratio that comes of it. A slaved guest's time is computed with it from
        initial_host_time on, so it jumps; v3_start_time begins again.
        """
        self._rate(self.cores[v], khz)

    def set_ratio(self, v: int, num: int, denom: int) -> None:
        """clock_ratio_num / clock_ratio_denom alone, 32 bits each; ValueError outside of them."""
        _within("clock_ratio_num", num, 0)
        _within("clock_ratio_denom", denom, 1)
        core = self.cores[v]
        core.clock_ratio_num, core.clock_ratio_denom = num, denom
        core.time_flags = self.form.flags(self.vm, core)

    def set_dilation(self, num: int, denom: int) -> None:
        """td_num / td_denom, 32 bits each; ValueError outside of them. Today's Palacios has 1/N alone, and only where
        the guest is slaved to the host: Refused else.
        """
        _within("td_num", num, 1)
        _within("td_denom", denom, 1)
        if self.form.later and (num != 1 or not self.vm.follow_host_time):
            raise Refused("palacios=later has dilation 1/N alone, of a guest slaved to the host clock")
        self.vm.td_num, self.vm.td_denom = num, denom
        for core in self.cores:
            core.time_flags = self.form.flags(self.vm, core)

    def set_trap(self, v: int, on: bool) -> None:
        """Bit 0 of time_flags by hand."""
        core = self.cores[v]
        core.time_flags = core.time_flags & ~TRAP_TSC | int(on)

    def set_passthrough(self, on: bool) -> None:
        """The option of today's Palacios that lets the guest read the host's TSC; Refused in other forms."""
        if not self.form.later:
            raise Refused(f"palacios={self.form.name} has no TSC passthrough: that came later")
        self.vm.passthrough = int(on)

    def set_skew(self, v: int, cycles: int) -> None:
        """Let guest time be off by so many cycles from the next advance on."""
        self.cores[v].skew = cycles

    def set_skew_bound(self, cycles: int) -> None:
        """How many cycles of skew an exit takes back at most; 0: none. ValueError below 0."""
        if cycles < 0:
            raise ValueError(f"a bound of {cycles}: 0 or more")
        self.vm.skew_bound = cycles

    def _rate(self, core: Core, khz: int | None) -> None:
        core.khz = max(0, khz or 0)
        core.guest_cpu_freq = self.form.frequency(khz, core.host_cpu_freq)
        core.clock_ratio_num, core.clock_ratio_denom = self.form.ratio(core.guest_cpu_freq, core.host_cpu_freq)
        core.time_flags = self.form.flags(self.vm, core)

    def guest_at(self, v: int, now: int) -> int:
        """What guest_cycles would be after an exit or an advance now; nothing moves."""
        core, t = self.cores[v], self.cpus[v].host_tsc(now)
        if not core.started:
            return core.guest_cycles
        count = signed(t - core.entry_tsc) if core.inside else None
        try:
            return self.form.advanced(self.vm, core, t, count)
        except HostFault:
            return core.guest_cycles


def _within(name: str, value: int, least: int) -> None:
    if not least <= value <= MAX_32:
        raise ValueError(f"{name} cannot be {value}: {least} to {MAX_32}")
