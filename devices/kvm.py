"""KVM's time-keeping: how the TSCs of a VM's vCPUs are set, kept together, and carried over what happens to the host.

Source: Linux arch/x86/kvm/x86.c, 6.1 and 6.12: kvm_synchronize_tsc, __kvm_synchronize_tsc, kvm_track_tsc_matching,
kvm_arch_vcpu_load, kvm_arch_vcpu_put, kvm_arch_hardware_enable, kvm_set_tsc_khz, kvm_arch_tsc_set_attr; the older
design in Documentation/virt/kvm/x86/timekeeping.rst. pvclock and the master clock stand in `kvm_clock`.

The guest's own writes to IA32_TSC and IA32_TSC_ADJUST move offset and TSC_ADJUST together, as hardware does; only those
of userspace are held against each other, because it restores vCPUs one after the other and means one TSC. Not modelled:
Hyper-V's and Xen's clocks, protected guests.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from typing import Any

from timerlab.devices.kvm_clock import SYNC_PERIOD_NS, ClockData, KvmClock, Refresh, no_page
from timerlab.devices.kvm_state import CLOCK, GLOBAL, MASTER, KvmState, VcpuState, VmState, peeks_of
from timerlab.devices.kvm_tsc import Rate, cycles, cycles_scale, set_tsc_khz
from timerlab.policy import Cpu
from timerlab.regs import Peek
from timerlab.scaling import WORD, scaled, signed

__all__ = ["ClockData", "Kvm"]

LOADS = frozenset({"preempt", "user", "io", "halt", "stop"})
"""Exits after which the vCPU's thread is put, and loaded before it enters again; the others end in the host's kernel.
An I/O access goes to userland, as it does for all chips that are not KVM's own.
"""


class Kvm(KvmClock):
    """KVM. `realtime` is the host's CLOCK_REALTIME in ns since 1970, `refresh` writes a vCPU's pvclock page, `in_guest`
    tells whether a vCPU is in its guest now, `host_clock` is the host's monotonic clock in ns, suspended time included,
    and `online` how many vCPUs are made at power-on; all of them unless told.
    """

    name = "kvm"
    about = "KVM: offset and ratio, TSC writes of userspace held together, catch-up, and a master clock for pvclock"

    def __init__(
        self,
        vcpus: Sequence[Cpu],
        quirks: Mapping[str, str],
        *,
        realtime: Callable[[int], int] = lambda now: now,
        refresh: Refresh = no_page,
        in_guest: Callable[[int], bool] = lambda v: True,
        host_clock: Callable[[int], int] = lambda now: now,
        online: int | None = None,
    ) -> None:
        super().__init__(vcpus, quirks, realtime=realtime, refresh=refresh, in_guest=in_guest, host_clock=host_clock)
        self.online = len(self.vcpus) if online is None else online

    @property
    def peeks(self) -> Mapping[str, Peek]:
        """What each name that `peek` gives means."""
        return peeks_of(len(self.vcpus))

    # -- the life of a VM

    def start(self, now: int) -> None:
        """The VM is made, with its vCPUs: kvmclock and every TSC count from 0."""
        self.state = self._fresh()
        self.state.vm.kvmclock_offset = -self.host_ns(now)
        for v in range(self.online):
            self.create(v, now)

    def create(self, v: int, now: int, khz: int = 0) -> None:
        """A vCPU is made, at `khz` (0: the host's rate): its TSC is written with 0, which puts it where those of its
        rate are; ValueError where it is there already.
        """
        one, vm, cpu = self.state.vcpus[v], self.state.vm, self.vcpus[v]
        if one.created:
            raise ValueError(f"v{v} is there already")
        one.created, one.host_khz = True, self.host_khz(v)
        cpu.adjust = 0
        cpu.set_l1(now, ratio=1 << cpu.frac)
        self._put_rate(v, set_tsc_khz(khz, self.host_khz(v), cpu.frac, self.scaling), now)
        if not one.khz:
            self._scale(v, self.host_khz(v))
        vm.online += 1
        one.pending |= GLOBAL
        one.asked = "the vCPU was made"
        self._synchronize(v, 0, now, user=False)
        self._put(v, now)
        if self.in_guest(v):
            one.out = False
            self.service(v, now)
        if v == 0 and self.periodic:
            vm.sync_due = now + SYNC_PERIOD_NS

    def reset(self, now: int) -> None:
        """A reset of the guest, as QEMU does it: KVM leaves the TSCs alone, and userspace writes them with 0. That is
        taken for a vCPU that is made, so that they go on (kvm_synchronize_tsc). TSC_ADJUST is 0.
        """
        for v in self._created():
            self.set_adjust(v, 0, now)
            self.set_tsc(v, 0, now)

    def arrived(self, now: int, tsc: Sequence[int], downtime: int, host_khz: int) -> None:
        """A migration, as QEMU does it: a new VM on the new host, its vCPUs at the old rate and with the TSC values
        that were read when the old one stopped, and KVM_SET_CLOCK with kvmclock of that moment.
        """
        old, clock = self.state.vcpus, self.host_ns(now - downtime) + self.state.vm.kvmclock_offset
        adjusts = [cpu.adjust for cpu in self.vcpus]
        there, step = self._created(), self.state.vm.wall_step
        self.state = self._fresh()
        self.state.vm.wall_step = step
        self.state.vm.kvmclock_offset = -self.host_ns(now)
        for v in there:
            self.create(v, now)
        for v in there:
            self.set_tsc_khz(v, old[v].khz, now)
            self.set_tsc(v, tsc[v], now)
            self.set_adjust(v, adjusts[v], now)
        self.set_clock(clock, now)
        self.request_all(GLOBAL, now, "the VM arrived")

    # -- leaving the guest and coming back

    def exit(self, v: int, now: int, cause: str) -> None:
        """The end of vcpu_enter_guest, and vcpu_put where the thread is. The host does not see an SMI."""
        one = self.state.vcpus[v]
        if not one.created or one.out or cause == "smi":
            return
        self._due(now, v, inside=True)
        one.last_guest_tsc = self.vcpus[v].l1_tsc(now)
        if one.always_catchup:
            one.pending |= CLOCK
            one.asked = "its TSC is caught up at every exit"
        if cause in LOADS:
            self._put(v, now)

    def _put(self, v: int, now: int) -> None:
        """kvm_arch_vcpu_put."""
        one = self.state.vcpus[v]
        one.last_host_tsc = self.vcpus[v].host_tsc(now)
        one.out = True

    def enter(self, v: int, now: int, moved: bool) -> None:
        """vcpu_load, where there was a put, and then what the vCPU was asked for."""
        one = self.state.vcpus[v]
        if not one.created:
            return
        self._due(now, v, inside=False)
        if one.out or moved:
            one.out = False
            self._load(v, now, moved)
        self.service(v, now)

    def _load(self, v: int, now: int, moved: bool) -> None:
        """kvm_arch_vcpu_load."""
        one, vm, cpu = self.state.vcpus[v], self.state.vm, self.vcpus[v]
        if one.offset_adjustment:
            change = scaled(one.offset_adjustment, cpu.ratio, cpu.frac)
            cpu.set_l1(now, offset=(cpu.offset + change) % WORD)
            one.offset_adjustment = 0
            one.pending |= CLOCK
            one.asked = "the host was suspended"
        if not moved and not vm.unstable:
            return
        host = cpu.host_tsc(now)
        backwards = bool(one.last_host_tsc) and signed(host - one.last_host_tsc) < 0 and not vm.unstable
        vm.unstable |= backwards
        if vm.unstable:
            cpu.set_l1(now, offset=(one.last_guest_tsc - scaled(host, cpu.ratio, cpu.frac)) % WORD)
            one.catchup = True
        if not vm.use_master:
            one.pending |= GLOBAL
            one.asked = "it was loaded without a master clock"
        if backwards:  # not earlier: nobody may see this vCPU's page before its offset is right
            self.clocksource(False, now)

    # -- what happens to the host

    def mark_unstable(self, now: int) -> None:
        """The host marks its TSC unstable, for good: it takes another clocksource, and the master clock goes off."""
        vm = self.state.vm
        if not vm.unstable:
            vm.unstable = True
            self.clocksource(False, now)

    def clocksource(self, tsc: bool, now: int) -> None:
        """The host's clocksource is its TSC from now on, or is another; ValueError for a TSC that is unstable."""
        vm = self.state.vm
        if tsc and vm.unstable:
            raise ValueError("the host's TSC is unstable, and cannot be its clocksource")
        if vm.tsc_clock != tsc:
            vm.tsc_clock = tsc
            self.request_all(MASTER, now, "the host's clocksource changed")

    def suspended(self, now: int) -> None:
        """The host goes to sleep: every vCPU that is in its guest is put."""
        for v in self._created():
            if self.in_guest(v):
                self.exit(v, now, "stop")

    def resumed(self, now: int) -> bool:
        """The host is back from suspend, with its TSC as it is now. Where that is behind what a vCPU saw last, all get
        the difference at their next load, and the master clock is off for the VM's life; whether it was
        (kvm_arch_hardware_enable).
        """
        vm, there = self.state.vm, self._created()
        local = self.vcpus[0].host_tsc(now)
        latest = max((self.state.vcpus[v].last_host_tsc for v in there), default=0)
        behind = latest > local and not vm.unstable
        if behind:
            vm.backwards_seen = True
            for v in there:
                one = self.state.vcpus[v]
                one.offset_adjustment += latest - local
                one.last_host_tsc = local
                one.out = True
                one.pending |= MASTER
            vm.last_nsec = vm.last_write = 0
        for v in there:
            if self.in_guest(v):
                self.enter(v, now, False)
        return behind

    def rate_changed(self, now: int) -> None:
        """Where the host's TSC changes with its P-state, it is no clocksource, and the pages get the new rate
        (kvmclock_cpufreq_notifier). Other changes the host does not hear of.
        """
        changed = [v for v in self._created() if self.state.vcpus[v].host_khz != self.host_khz(v)]
        if changed:
            self.mark_unstable(now)
        for v in changed:
            self.state.vcpus[v].host_khz = self.host_khz(v)
            self.request(v, CLOCK, now, "the host's TSC has another rate")

    # -- rates

    def set_tsc_khz(self, v: int, khz: int, now: int) -> Rate:
        """KVM_SET_TSC_KHZ; what came of it."""
        rate = set_tsc_khz(khz, self.host_khz(v), self.vcpus[v].frac, self.scaling)
        self._put_rate(v, rate, now)
        return rate

    def _put_rate(self, v: int, rate: Rate, now: int) -> None:
        one = self.state.vcpus[v]
        if rate.khz is not None:
            self._scale(v, rate.khz)
        if rate.ratio is not None:
            self.vcpus[v].set_l1(now, ratio=rate.ratio)
        if rate.catchup:
            one.catchup = one.always_catchup = True

    def _scale(self, v: int, khz: int) -> None:
        one = self.state.vcpus[v]
        one.khz, (one.mul, one.shift) = khz, cycles_scale(khz)

    # -- writes to the TSC

    def get_tsc(self, v: int, now: int) -> int:
        """Userspace reads IA32_TSC: L1's."""
        return self.vcpus[v].l1_tsc(now)

    def set_tsc(self, v: int, value: int, now: int) -> None:
        """Userspace writes IA32_TSC. A value that a vCPU restored at the same time would have within a second is taken
        for the same TSC.
        """
        self._synchronize(v, value, now, user=True)

    def _synchronize(self, v: int, value: int, now: int, user: bool) -> None:
        """kvm_synchronize_tsc."""
        one, vm = self.state.vcpus[v], self.state.vm
        offset, ns = self._offset_for(v, value, now), self.host_ns(now)
        passed = cycles(ns - vm.last_nsec, one.mul, one.shift)
        same = not value
        if value and (vm.user_set or self.quirks["kvm_user_set"] == "before"):
            expected, second = (vm.last_write + passed) % WORD, one.khz * 1000
            same = value < (expected + second) % WORD and (value + second) % WORD > expected
        vm.user_set |= user
        matched = same and one.khz == vm.last_khz
        if matched and vm.unstable:
            value = (value + passed) % WORD
            offset = self._offset_for(v, value, now)
        elif matched:
            offset = vm.cur_offset
        self._settle_write(v, offset, value, ns, matched, now)

    def set_offset(self, v: int, offset: int, now: int) -> None:
        """The vCPU attribute KVM_VCPU_TSC_OFFSET: no second of grace, equal offsets match."""
        one, vm, cpu = self.state.vcpus[v], self.state.vm, self.vcpus[v]
        offset %= WORD
        matched = one.khz == vm.last_khz and vm.last_offset == offset
        value = (scaled(cpu.host_tsc(now), cpu.ratio, cpu.frac) + offset) % WORD
        vm.user_set = True
        self._settle_write(v, offset, value, self.host_ns(now), matched, now)

    def _offset_for(self, v: int, value: int, now: int) -> int:
        """kvm_compute_l1_tsc_offset."""
        cpu = self.vcpus[v]
        return (value - scaled(cpu.host_tsc(now), cpu.ratio, cpu.frac)) % WORD

    def _settle_write(self, v: int, offset: int, value: int, ns: int, matched: bool, now: int) -> None:
        """__kvm_synchronize_tsc: keep the write, and count who is of the present generation."""
        one, vm = self.state.vcpus[v], self.state.vm
        vm.last_nsec, vm.last_write, vm.last_khz, vm.last_offset = ns, value, one.khz, offset
        one.last_guest_tsc = value
        self.vcpus[v].set_l1(now, offset=offset)
        if not matched:
            vm.cur_generation += 1
            vm.cur_nsec, vm.cur_write, vm.cur_offset = ns, value, offset
            vm.nr_matched = 0
        elif one.this_generation != vm.cur_generation:
            vm.nr_matched += 1
        one.this_nsec, one.this_write, one.this_generation = vm.cur_nsec, vm.cur_write, vm.cur_generation
        self._track_matching(v, not matched, now)

    def write_adjust(self, v: int, value: int, now: int) -> None:
        """The guest's WRMSR to TSC_ADJUST; its page is refreshed before it runs on. A write to IA32_TSC does not ask
        for that.
        """
        super().write_adjust(v, value, now)
        self.request(v, CLOCK, now, "the guest wrote TSC_ADJUST")

    # -- a load that comes again and again

    def counts(self, v: int) -> tuple[int, ...]:
        """How often its page was refreshed."""
        return (self.state.vcpus[v].refreshes,)

    def add(self, v: int, change: tuple[int, ...], times: int) -> None:
        """The refreshes of so many rounds; the page is of whoever writes it."""
        self.state.vcpus[v].refreshes += change[0] * times

    # -- what can be seen, and kept

    def peek(self, now: int) -> dict[str, Any]:
        """All that can be seen, as `kvm.name` and `kvm.vN.name`."""
        vm = self.state.vm
        seen: dict[str, Any] = {
            "kvm.last_nsec": vm.last_nsec,
            "kvm.last_write": vm.last_write,
            "kvm.last_khz": vm.last_khz,
            "kvm.last_offset": signed(vm.last_offset),
            "kvm.cur_nsec": vm.cur_nsec,
            "kvm.cur_write": vm.cur_write,
            "kvm.cur_offset": signed(vm.cur_offset),
            "kvm.generation": vm.cur_generation,
            "kvm.nr_matched": vm.nr_matched,
            "kvm.user_set": int(vm.user_set),
            "kvm.online": vm.online,
            "kvm.master": int(vm.use_master),
            "kvm.master_ns": vm.master_ns,
            "kvm.master_tsc": vm.master_tsc,
            "kvm.kvmclock_offset": vm.kvmclock_offset,
            "kvm.clock": self.kvmclock(now),
            "kvm.backwards_seen": int(vm.backwards_seen),
            "kvm.boot_old": int(vm.boot_old),
            "kvm.unstable": int(vm.unstable),
            "kvm.tsc_clock": int(vm.tsc_clock),
            "kvm.wall_step": vm.wall_step,
            "kvm.update_due": vm.update_due,
            "kvm.sync_due": vm.sync_due,
        }
        for v, one in enumerate(self.state.vcpus):
            seen |= {
                f"kvm.v{v}.khz": one.khz,
                f"kvm.v{v}.mul": one.mul,
                f"kvm.v{v}.shift": one.shift,
                f"kvm.v{v}.this_nsec": one.this_nsec,
                f"kvm.v{v}.this_write": one.this_write,
                f"kvm.v{v}.generation": one.this_generation,
                f"kvm.v{v}.last_guest_tsc": one.last_guest_tsc,
                f"kvm.v{v}.last_host_tsc": one.last_host_tsc,
                f"kvm.v{v}.catchup": int(one.catchup),
                f"kvm.v{v}.always_catchup": int(one.always_catchup),
                f"kvm.v{v}.offset_adjustment": one.offset_adjustment,
                f"kvm.v{v}.pending": one.pending,
                f"kvm.v{v}.refreshes": one.refreshes,
            }
        return seen

    def snapshot(self) -> tuple[Any, ...]:
        """The state, flat."""
        return _flat(self.state.vm), tuple(_flat(one) for one in self.state.vcpus)

    def restore(self, state: tuple[Any, ...]) -> None:
        """Take back what `snapshot` gave."""
        vm, vcpus = state
        self.state = KvmState(VmState(*vm), tuple(VcpuState(*one) for one in vcpus))


def _flat(state: VmState | VcpuState) -> tuple[Any, ...]:
    return tuple(getattr(state, field.name) for field in fields(state))
