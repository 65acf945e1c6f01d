"""kvmclock: the host's clock, the master clock, the requests that vCPUs have pending, and what a page is to hold.

Source: Linux arch/x86/kvm/x86.c, pvclock_update_vm_gtod_copy, kvm_guest_time_update, get_kvmclock, kvmclock_sync_fn,
kvm_vm_ioctl_set_clock. The host's clock is CLOCK_MONOTONIC_RAW with the time that the host was suspended; here it is
virtual time, exact, and what KVM adds to it in rounding is done in `timerlab.scaling`.

A request waits for the vCPU's next entry, and is done at once where the vCPU is in its guest: KVM kicks it out.
What is to be done within 100 ms is done after exactly 100 ms. Not modelled: NTP on the host.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from timerlab.devices.kvm_state import CLOCK, GLOBAL, MASTER, KvmState, VcpuState, VmState
from timerlab.devices.kvm_tsc import cycles
from timerlab.policy import Cpu, Note, Policy, Stamp
from timerlab.scaling import NS_PER_S, WORD, apply_scale, scaled, time_scale

UPDATE_DELAY_NS = 100_000_000
"""KVMCLOCK_UPDATE_DELAY."""
SYNC_PERIOD_NS = 300 * NS_PER_S
"""KVMCLOCK_SYNC_PERIOD."""

FAR_NS = 10 * NS_PER_S
"""A stretch of time in which refreshes that each load asks for are done one by one."""

TSC_STABLE, REALTIME, HOST_TSC = 2, 4, 8
"""Flags of KVM_GET_CLOCK and KVM_SET_CLOCK."""

Refresh = Callable[[int, Stamp, int], None]
"""What writes a page: of vCPU v, with this content, so many times in a row."""


@dataclass(frozen=True, slots=True)
class ClockData:
    """struct kvm_clock_data: kvmclock in ns, which of the other two are given, and the same moment in CLOCK_REALTIME
    and on the host's TSC.
    """

    clock: int
    flags: int = 0
    realtime: int = 0
    host_tsc: int = 0


def no_page(v: int, stamp: Stamp, times: int) -> None:
    """No page is written."""


class KvmClock(Policy):
    """The part of KVM that turns its host's time into pvclock pages."""

    def __init__(
        self,
        vcpus: Sequence[Cpu],
        quirks: Mapping[str, str],
        *,
        realtime: Callable[[int], int] = lambda now: now,
        refresh: Refresh = no_page,
        in_guest: Callable[[int], bool] = lambda v: True,
        host_clock: Callable[[int], int] = lambda now: now,
    ) -> None:
        super().__init__(vcpus, quirks)
        self._realtime = realtime
        self.refresh = refresh
        self.in_guest = in_guest
        self.host_ns = host_clock
        self.scaling = quirks["tsc_scaling"] == "yes"
        self.periodic = quirks["kvmclock_sync"] != "off"
        self.state = self._fresh()

    def _fresh(self) -> KvmState:
        """A VM without vCPUs, on a host as the quirks have it."""
        unstable = self.quirks["host_clocksource"] == "hpet"
        vm = VmState(unstable=unstable, tsc_clock=not unstable)
        return KvmState(vm, tuple(VcpuState() for _ in self.vcpus))

    # -- the host

    def host_khz(self, v: int) -> int:
        """The TSC's rate that the host's kernel knows, in whole kHz; at least 1."""
        return max(1, int(self.vcpus[v].host_khz()))

    def realtime(self, now: int) -> int:
        """The host's CLOCK_REALTIME, ns since 1970."""
        return self._realtime(now) + self.state.vm.wall_step

    def step_realtime(self, ns: int) -> None:
        """Somebody on the host sets its CLOCK_REALTIME, so many ns forward; back, where it is negative."""
        self.state.vm.wall_step += ns

    def _created(self) -> list[int]:
        return [v for v, one in enumerate(self.state.vcpus) if one.created]

    # -- requests

    def request(self, v: int, what: int, now: int, why: str = "it was asked for") -> None:
        """Ask a vCPU for something (CLOCK, GLOBAL, MASTER): at once, or before its next entry. `why` is for the log."""
        one = self.state.vcpus[v]
        if one.created:
            one.pending |= what
            one.asked = why
            if self.in_guest(v):
                self.service(v, now)

    def request_all(self, what: int, now: int, why: str) -> None:
        """Ask all vCPUs for it."""
        for v in self._created():
            self.request(v, what, now, why)

    def service(self, v: int, now: int) -> None:
        """Do what vCPU `v` was asked for, in the order of vcpu_enter_guest."""
        one, vm = self.state.vcpus[v], self.state.vm
        while one.pending:
            if one.pending & MASTER:
                one.pending &= ~MASTER
                self._update_master(v, now)
            if one.pending & GLOBAL:
                one.pending = one.pending & ~GLOBAL | CLOCK
                if vm.update_due is None:
                    vm.update_due = now + UPDATE_DELAY_NS
            if one.pending & CLOCK:
                one.pending &= ~CLOCK
                self._refresh(v, now)

    # -- the master clock

    def _matched(self) -> bool:
        """Whether the TSCs of all vCPUs belong to one generation; its first is not counted."""
        vm = self.state.vm
        return vm.nr_matched + 1 == vm.online

    def _take_pair(self, v: int, now: int) -> None:
        """pvclock_update_vm_gtod_copy, as the vCPU does it that was asked: the pair is of the processor it is on."""
        vm = self.state.vm
        if vm.tsc_clock:
            vm.master_ns, vm.master_tsc = self.host_ns(now), self.vcpus[v].host_tsc(now)
        vm.use_master = vm.tsc_clock and self._matched() and not vm.backwards_seen and not vm.boot_old

    def _update_master(self, v: int, now: int) -> None:
        """kvm_update_masterclock: nobody is in the guest while the pair is taken, and all refresh before they are."""
        self._take_pair(v, now)
        self._end_update(now, v)

    def _end_update(self, now: int, last: int | None = None) -> None:
        """kvm_end_pvclock_update; `last` is the vCPU that is at it, and goes on with its own requests."""
        for u in self._created():
            self.state.vcpus[u].pending |= CLOCK
            self.state.vcpus[u].asked = self.state.vcpus[u].asked or "the master clock's pair was taken"
        for u in self._created():
            if u != last and self.in_guest(u):
                self.service(u, now)

    def _track_matching(self, v: int, new_generation: bool, now: int) -> None:
        """kvm_track_tsc_matching: after each write to a TSC by userspace."""
        vm = self.state.vm
        could = self._matched() and vm.tsc_clock
        if self.quirks["kvm_update"] == "v6_1":
            wanted = vm.use_master or could
        else:
            wanted = (vm.use_master and new_generation) or vm.use_master != could
        if wanted:
            self.request(v, MASTER, now, "userspace wrote a TSC")

    # -- a page

    def _reckon(self, v: int, now: int) -> tuple[int, Stamp]:
        """How much catch-up adds to the guest's TSC, and what the page is to hold (kvm_guest_time_update). With the
        master clock on, catch-up goes by the pair, and so stands still until another pair is taken.
        """
        one, vm, cpu = self.state.vcpus[v], self.state.vm, self.vcpus[v]
        if vm.use_master:
            host, ns = vm.master_tsc, vm.master_ns
        else:
            host, ns = cpu.host_tsc(now), self.host_ns(now)
        tsc = (scaled(host, cpu.ratio, cpu.frac) + cpu.offset) % WORD
        more = 0
        if one.catchup:
            want = self.guest_tsc_at(v, ns)
            more = max(0, want - tsc)
        khz = max(1, scaled(self.host_khz(v), cpu.ratio, cpu.frac))
        return more, Stamp((tsc + more) % WORD, (ns + vm.kvmclock_offset) % WORD, khz, vm.use_master)

    def guest_tsc_at(self, v: int, ns: int) -> int:
        """What a vCPU's TSC should be when the host's clock is at `ns`, by the write that began its generation
        (compute_guest_tsc).
        """
        one = self.state.vcpus[v]
        return (one.this_write + cycles(ns - one.this_nsec, one.mul, one.shift)) % WORD

    def _refresh(self, v: int, now: int, times: int = 1) -> None:
        """Catch up, and write the page; where it is written several times, the content is the last one's."""
        one, cpu = self.state.vcpus[v], self.vcpus[v]
        more, stamp = self._reckon(v, now)
        if more:
            cpu.set_l1(now, offset=(cpu.offset + more) % WORD)
        one.last_guest_tsc, one.host_khz = stamp.tsc, self.host_khz(v)
        one.refreshes += times
        self.notes.append(Note(now, v, one.asked or "it was asked for", times))
        one.asked = ""
        self.refresh(v, stamp, times)

    def stamp(self, v: int, now: int) -> Stamp:
        """What a refresh now would write, with nothing changed."""
        return self._reckon(v, now)[1]

    # -- what registers a page, or asks for it to be written

    def system_time_written(self, v: int, old: bool, now: int, host: bool = False) -> None:
        """WRMSR to SYSTEM_TIME, `old` at 12h, enabled or not; by the `host` it leaves the master clock alone
        (kvm_write_system_time).
        """
        vm = self.state.vm
        wanted = GLOBAL
        if v == 0 and not host:
            if vm.boot_old != old:
                wanted |= MASTER
            vm.boot_old = old
        self.request(v, wanted, now, "SYSTEM_TIME was written")

    def refresh_wanted(self, v: int, now: int) -> None:
        """A vCPU's page is to be written, as for KVM_KVMCLOCK_CTRL."""
        self.request(v, CLOCK, now)

    # -- kvmclock itself

    def get_clock(self, now: int, v: int = 0) -> ClockData:
        """KVM_GET_CLOCK, as read on the processor that vCPU `v` is on."""
        vm = self.state.vm
        if not vm.use_master:
            return ClockData((self.host_ns(now) + vm.kvmclock_offset) % WORD)
        host = self.vcpus[v].host_tsc(now)
        mul, shift = time_scale(NS_PER_S, self.host_khz(v) * 1000)
        clock = vm.master_ns + vm.kvmclock_offset + apply_scale(host - vm.master_tsc, mul, shift)
        return ClockData(clock % WORD, TSC_STABLE | REALTIME | HOST_TSC, self.realtime(now), host)

    def kvmclock(self, now: int) -> int:
        """What KVM_GET_CLOCK would give, in ns."""
        return self.get_clock(now).clock

    def epoch(self, now: int) -> int:
        """CLOCK_REALTIME when kvmclock was 0, ns since 1970: what a wall clock page holds (kvm_write_wall_clock)."""
        return self.realtime(now) - self.kvmclock(now)

    def set_clock(self, clock: int, now: int, realtime: int | None = None) -> None:
        """KVM_SET_CLOCK; with `realtime`, ns since 1970, the flag of that name: what has passed since is added, if any
        has.
        """
        vm = self.state.vm
        self._take_pair(0, now)
        if realtime is not None:
            clock += max(0, self.realtime(now) - realtime)
        vm.kvmclock_offset = clock - (vm.master_ns if vm.use_master else self.host_ns(now))
        self._end_update(now)

    # -- time of its own

    def sync(self, now: int) -> None:
        """The refreshes that are due up to `now`, many periodic ones at once."""
        self._due(now)

    def _due(self, now: int, v: int | None = None, inside: bool = False) -> None:
        """The same, where vCPU `v` has not yet been told that it is `inside` its guest or not."""
        vm = self.state.vm
        while (due := self.next_event(now)) is not None and due <= now:
            times, why = 1, "every 300 s"
            if due == vm.update_due:
                vm.update_due, why = None, "100 ms after another one's"
            else:
                last = now if vm.update_due is None else min(now, vm.update_due - 1)
                if not any(one.catchup for one in self.state.vcpus):
                    times = (last - due) // SYNC_PERIOD_NS + 1
                due += (times - 1) * SYNC_PERIOD_NS
                vm.sync_due = due + SYNC_PERIOD_NS
            for u in self._created():
                if inside if u == v else self.in_guest(u):
                    one = self.state.vcpus[u]
                    one.pending &= ~CLOCK
                    one.asked = why
                    self._refresh(u, due, times)
                    self.service(u, due)
                else:
                    self.state.vcpus[u].pending |= CLOCK
                    self.state.vcpus[u].asked = why

    def appointments(self, now: int, to: int) -> tuple[int, ...]:
        """The refresh 100 ms after something, and the next and the last periodic one up to `to`. Without a master clock
        each load of a vCPU may ask for the former: then there is always one, or none at all if `to` is far away.
        """
        vm = self.state.vm
        if not vm.use_master and to - now <= FAR_NS:
            return (now,)
        if vm.use_master and vm.update_due is not None and vm.update_due <= to:
            return (vm.update_due,)
        if vm.sync_due is None or vm.sync_due > to:
            return ()
        return vm.sync_due, to - (to - vm.sync_due) % SYNC_PERIOD_NS

    def next_event(self, now: int) -> int | None:
        """When it next refreshes pages by itself."""
        vm = self.state.vm
        return min((due for due in (vm.update_due, vm.sync_due) if due is not None), default=None)
