"""Palacios' way with time: guest time is counted by the hypervisor, and the guest's TSC is made from it.

At each exit and each turn of its run loop Palacios brings `guest_cycles` to the present, tells the devices that are
slaved to it how many cycles have passed, and enters the guest. The guest's TSC is guest_cycles plus an offset that
WRMSR 10h sets. While a core is in the guest and RDTSC is not trapped, the hardware goes on from there: `_load` puts an
offset and a ratio into the vCPU at each entry. A ratio of `frac` bits is near num/denom but not equal; where they
differ from 1/1, RDTSC is trapped, and what `rdtsc` gives is the truth.

The run loop (Palacios, svm.c): v3_advance_time; v3_update_timers; v3_time_enter_vm; the guest runs; c = host TSC at
exit less that at entry; v3_time_exit_vm(c). A system management interrupt is none of its exits: c holds it.

Not modelled: SMI and machine check handlers of its own, checkpoint and migration (the stamps are of the host that it
started on). Palacios knows no TSC_ADJUST.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from timerlab.devices.palacios_calls import TIME_CPUFREQ_HCALL, TIME_RDHTSC_HCALL, Calls, Registers
from timerlab.devices.palacios_core import TRAP_TSC, Core, HostFault, Timer, Vm
from timerlab.devices.palacios_peeks import core_seen, peeks_of, vm_seen
from timerlab.errors import GuestFault
from timerlab.policy import Cpu, Policy, Reply
from timerlab.regs import Peek
from timerlab.scaling import SVM_FRAC, WORD, scaled, signed

T = TypeVar("T")

_STAMPS = ("vm_pause_host_time", "vm_enter_host_time", "entry_tsc", "last_tsc", "update_tsc", "before_tsc", "at_ns")
"""What each round of a load moves by the same amount."""
_GUEST = ("guest_cycles", "entry_guest", "last_update")
_TOTALS = ("rollovers", "host_faults")
_SKEWS = ("skew", "entry_skew", "update_skew", "before_skew")
_COUNTED = (*_STAMPS, *_GUEST, *_TOTALS, *_SKEWS)


class Palacios(Calls, Policy):
    """Palacios, with all cores of one VM. The quirk `palacios` is the form of vmm_time.c, `vendor` the processor's."""

    name = "palacios"
    about = "guest time is counted at exits and entries, and the TSC is that count plus an offset"
    has_adjust = False
    """There is no IA32_TSC_ADJUST in the guest."""

    def __init__(self, vcpus: Sequence[Cpu], quirks: Mapping[str, str]) -> None:
        Policy.__init__(self, vcpus, quirks)
        Calls.__init__(self, vcpus, quirks)

    @property
    def peeks(self) -> Mapping[str, Peek]:
        """What each name that `peek` gives means."""
        return peeks_of(len(self.cpus))

    # -- the run loop

    def start(self, now: int) -> None:
        """v3_init_time_vm, and for each core v3_init_time_core with the option that it had, and v3_start_time. A core
        that was in the guest goes on there; others are outside until `enter`.
        """
        super().start(now)
        self.v3_init_time_vm()
        for v, core in enumerate(self.cores):
            self.v3_init_time_core(v, core.khz or None)
            self.v3_start_time(v, now)
            if core.inside:
                self.reenter(v, now)

    def exit(self, v: int, now: int, cause: str) -> None:
        """v3_time_exit_vm, with the cycles that the core was in the guest."""
        core = self.cores[v]
        if not core.inside or cause == "smi":
            return
        core.inside, core.at_ns = 0, now
        self._guarded(core, lambda: self.v3_time_exit_vm(v, now, (self.cpus[v].host_tsc(now) - core.entry_tsc) % WORD))

    def enter(self, v: int, now: int, moved: bool) -> None:
        """A turn of the run loop, up to the entry."""
        core = self.cores[v]
        if core.inside or not core.started:
            return
        self._guarded(core, lambda: self.v3_advance_time(v, now))
        self.v3_update_timers(v)
        self.reenter(v, now)

    def reenter(self, v: int, now: int) -> None:
        """v3_time_enter_vm and the entry itself, by hand: no advance, no timers."""
        core = self.cores[v]
        self.v3_time_enter_vm(v, now)
        core.inside, core.at_ns = 1, now
        self._load(v, now)

    @staticmethod
    def _guarded(core: Core, advance: Callable[[], None]) -> None:
        """In the run loop the host's exception is counted, and the loop goes on."""
        try:
            advance()
        except HostFault:
            core.host_faults += 1

    def _load(self, v: int, now: int) -> None:
        """Put into the hardware what makes the guest's TSC right at the last entry, at the rate of guest time."""
        core, cpu, one = self.cores[v], self.cpus[v], 1 << self.cpus[v].frac
        ratio, offset = self._ratio(core, cpu.frac), 0
        if not (self.vm.passthrough and ratio == one):
            offset = (core.entry_guest + core.tsc_guest_offset - scaled(core.entry_tsc, ratio, cpu.frac)) % WORD
        if (offset, ratio) != (cpu.offset % WORD, cpu.ratio):
            cpu.set_l1(now, offset=offset, ratio=ratio)

    def _ratio(self, core: Core, frac: int) -> int:
        """The rate of guest time in the hardware's fixed point, held within what the hardware takes."""
        num, denom = core.clock_ratio_num, core.clock_ratio_denom
        if self.vm.follow_host_time and not self.form.seed:
            num, denom = num * self.vm.td_num, denom * self.vm.td_denom
        most = (1 << 40) - 1 if frac == SVM_FRAC else WORD - 1
        return min(max(1, (num << frac) // denom), most) if denom else 1 << frac

    def by_hand(self, v: int, now: int, call: Callable[[], T]) -> T:
        """A call by hand: a core that is in the guest leaves it for the call, and goes on after it."""
        inside = self.cores[v].inside
        if inside:
            self.exit(v, now, "kernel")
        try:
            return call()
        finally:
            if inside:
                self.enter(v, now, False)

    def all_by_hand(self, now: int, call: Callable[[], T]) -> T:
        """The same with every core."""
        inside = [v for v, core in enumerate(self.cores) if core.inside]
        for v in inside:
            self.exit(v, now, "kernel")
        try:
            return call()
        finally:
            for v in inside:
                self.enter(v, now, False)

    # -- what the guest does

    def traps(self, v: int) -> bool:
        """Whether RDTSC is an exit: then call `trap` before `rdtsc`. RDMSR 10h is one while it is hooked."""
        return bool(self.cores[v].time_flags & TRAP_TSC)

    def trap(self, v: int, now: int) -> None:
        """The guest did something that Palacios hooks: exit, and back into the guest."""
        self.by_hand(v, now, lambda: None)

    def rdtsc(self, v: int, now: int) -> int:
        """What RDTSC gives now; nothing moves. In the guest and not trapped: the hardware's."""
        if self.cores[v].inside and not self.traps(v):
            return self.cpus[v].l1_tsc(now)
        return (self.guest_at(v, now) + self.cores[v].tsc_guest_offset) % WORD

    def rdmsr_tsc(self, v: int, now: int) -> int:
        """What RDMSR 10h gives now; nothing moves. GuestFault where it is not hooked."""
        self.tsc_msr_read(v)
        return (self.guest_at(v, now) + self.cores[v].tsc_guest_offset) % WORD

    def handle_rdtsc(self, v: int, now: int, aux: bool = False) -> Registers:
        """A trapped RDTSC, or with `aux` RDTSCP: the exit, the registers, the entry."""
        return self.by_hand(v, now, lambda: self.v3_handle_rdtscp(v) if aux else self.v3_handle_rdtsc(v))

    def write_tsc(self, v: int, value: int, now: int) -> None:
        """WRMSR 10h in the guest: an exit, and the offset takes it."""
        self._fresh(v, now, lambda: self.tsc_msr_write(v, value))

    def set_tsc(self, v: int, value: int, now: int) -> None:
        """The same by the VM's user."""
        self.write_tsc(v, value, now)

    def write_adjust(self, v: int, value: int, now: int) -> None:
        """GuestFault: Palacios hooks no MSR 3Bh."""
        raise GuestFault(13, "#GP(0)", "Palacios hooks no MSR 3Bh")

    def _fresh(self, v: int, now: int, call: Callable[[], T]) -> T:
        """A call with guest_cycles as of now; the hardware is told, wherever the core is."""
        core = self.cores[v]
        if core.inside:
            return self.by_hand(v, now, call)
        if core.started:
            self._guarded(core, lambda: self.v3_advance_time(v, now))
        return call()

    def vmcall(self, v: int, number: int, now: int, args: Sequence[int] = ()) -> Reply | None:
        """A hypercall by number, or None where it is unhandled."""
        known = {TIME_CPUFREQ_HCALL} | ({TIME_RDHTSC_HCALL} if self.form.later else set())
        if not self.vm.hooked or number not in known:
            return None
        self.trap(v, now)
        if number == TIME_CPUFREQ_HCALL:
            khz = self.cores[v].guest_cpu_freq
            return Reply("RBX", khz, f"the guest's rate, {khz} kHz")
        host = self.cpus[v].host_tsc(now)
        return Reply("RBX", host, "the host's TSC")

    # -- offsets across cores

    def synchronize(self, now: int) -> int:
        """Let every core's guest TSC be that of the foremost one, by its tsc_guest_offset; gives that value."""
        every = range(len(self.cores))
        for v in every:
            self._fresh(v, now, lambda: None)
        goal = max(self.rdtsc(v, now) for v in every)
        for v in every:
            self.write_tsc(v, goal, now)
        return goal

    def spread(self, now: int) -> int:
        """Largest less smallest guest TSC, in cycles."""
        tscs = [self.rdtsc(v, now) for v in range(len(self.cores))]
        return max(tscs) - min(tscs)

    # -- a load that comes again and again

    def counts(self, v: int) -> tuple[int, ...]:
        """Stamps, guest time, skew, and what the timers add up to."""
        core = self.cores[v]
        timers = [n for timer in core.timers for n in (timer.calls, timer.total)]
        return (*(getattr(core, name) for name in _COUNTED), *timers)

    def add(self, v: int, change: tuple[int, ...], times: int) -> None:
        """Let so many rounds pass. A slaved guest's time is what its stamps say; other guest time grows by the change,
        and skew shrinks until it is 0. Right where a round has the same host cycles each time.
        """
        core, by = self.cores[v], dict(zip(_COUNTED, change, strict=False))
        old = {name: getattr(core, name) for name in _COUNTED}
        for name in _STAMPS:
            setattr(core, name, (old[name] + by[name] * times) % WORD)
        for name in _TOTALS:
            setattr(core, name, old[name] + by[name] * times)
        for name in _SKEWS:
            setattr(core, name, _shrunk(old[name], by[name], times))
        core.skewed = core.skew
        for name, stamp, skew in zip(
            _GUEST, ("last_tsc", "entry_tsc", "update_tsc"), ("skew", *_SKEWS[1:3]), strict=True
        ):
            if self.vm.follow_host_time:
                guest = self._before(core, getattr(core, stamp), getattr(core, skew))
            else:
                moved = getattr(core, skew) - old[skew]
                guest = old[name] + signed(by[name] - by[skew]) * times + moved
            setattr(core, name, guest % WORD)
        self._timers_grown(core, old, change[len(_COUNTED) :], times)
        if core.inside:
            self._load(v, core.at_ns)

    def _before(self, core: Core, t: int, skew: int) -> int:
        """A slaved core's guest_cycles of an advance at host TSC `t`."""
        try:
            return (self.form.elapsed(self.vm, core, t - core.initial_host_time) + skew) % WORD
        except HostFault:
            return core.guest_cycles

    def _timers_grown(self, core: Core, old: Mapping[str, int], change: tuple[int, ...], times: int) -> None:
        """The timers after so many rounds: together they were told what last_update has gone on by."""
        told = signed(core.last_update - old["last_update"])
        grown = []
        for timer, calls in zip(core.timers, change[::2], strict=True):
            if not calls:
                grown.append(timer)
                continue
            last = timer.cycles
            if self.vm.follow_host_time:
                last = signed(core.last_update - self._before(core, core.before_tsc, core.before_skew))
            else:
                last += (core.update_skew - core.before_skew) - (old["update_skew"] - old["before_skew"])
            grown.append(timer.grown(calls * times, told, last))
        core.timers = tuple(grown)

    # -- what can be seen, and kept

    def peek(self, now: int) -> dict[str, Any]:
        """All that can be seen, as `policy.name` and `policy.vN.name`."""
        seen = vm_seen(self.vm, self.spread(now), max(1, self.cores[0].guest_cpu_freq))
        for v, core in enumerate(self.cores):
            seen |= core_seen(v, core)
        return seen

    def snapshot(self) -> tuple[Any, ...]:
        """The VM's state and each core's, flat; a timer is a tuple."""
        cores = tuple(
            tuple(
                tuple(map(tuple, core.timers)) if name == "timers" else getattr(core, name) for name in Core.__slots__
            )
            for core in self.cores
        )
        return tuple(getattr(self.vm, name) for name in Vm.__slots__), cores

    def restore(self, state: tuple[Any, ...]) -> None:
        """Take back what `snapshot` gave."""
        vm, cores = state
        self.vm = Vm(*vm)
        self.cores = [Core(*core) for core in cores]
        for core in self.cores:
            core.timers = tuple(Timer(*timer) for timer in core.timers)


def _shrunk(skew: int, change: int, times: int) -> int:
    """A skew after so many rounds of the same change towards 0."""
    after = skew + change * times
    return after if skew * after > 0 else 0 if change else skew
