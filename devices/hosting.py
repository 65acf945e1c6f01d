"""The host under the guest: its processors, its scheduler, and the policy by which the guest's vCPUs keep time.

    processor p0 ... -- TSC --> vCPU: x ratio, + offset --> L1's TSC --> L2's, while a guest's guest runs
                                      ^ ratio and offset: the policy, at exits, entries, writes and moves
    scheduler: which vCPU is in its guest, and on which processor

Without a hypervisor (policy=bare) a vCPU is a processor, and nothing of this moves its TSC.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Any

from timerlab.clock import Clock
from timerlab.config import Config
from timerlab.device import Device
from timerlab.devices.cpuid import Registers
from timerlab.devices.host import Host
from timerlab.devices.kvm import Kvm
from timerlab.devices.nested import Nested
from timerlab.devices.nvmm import KVM_FEATURE_CLOCKSOURCE2, Nvmm
from timerlab.devices.palacios import Palacios
from timerlab.devices.pv import Pv
from timerlab.devices.pv_state import Wires
from timerlab.devices.ram import Ram
from timerlab.devices.sched import Sched, ticks_whole
from timerlab.devices.vcpu import IA32_TSC, TSC_AUX, Vcpu
from timerlab.line import Line
from timerlab.policy import Bare, Policy, Stamp
from timerlab.quirks.host import EARLIER_S

__all__ = ["Hosting"]


class NvmmPages:
    """Pvclock on NVMM: a vCPU's page is written anew whenever it comes back into its guest."""

    def __init__(self, policy: Nvmm, pv: Pv) -> None:
        self.policy, self.pv = policy, pv

    def exit(self, v: int, now: int, cause: str) -> None:
        """Nothing to write."""

    def enter(self, v: int, now: int, moved: bool) -> None:
        """The offset may be another one."""
        self.pv.write_time(v, self.policy.stamp(v, now))

    def counts(self, v: int) -> tuple[int, ...]:
        """None: the page's version is Pv's."""
        return ()

    def add(self, v: int, change: tuple[int, ...], times: int) -> None:
        """Nothing to add."""


class Hosting:
    """Host, scheduler, vCPUs, policy, and guests of the guest, wired to each other. `lines` are three for each vCPU."""

    def __init__(self, config: Config, quirks: Mapping[str, str], ram: Ram) -> None:
        count = config.vcpus
        self.legacy = quirks["legacy"] == "present"
        """Whether there are PIT and RTC."""
        self._khz, self._earlier = config.khz, quirks["host_boot"] == "earlier"
        self.lines = tuple(
            (Line(f"vcpu{v}.run", 1), Line(f"vcpu{v}.stolen"), Line(f"vcpu{v}.halt")) for v in range(count)
        )
        self.sched = sched = Sched(count, config.processors, self.lines)
        self.host = Host(config.khz, config.processors, quirks, self._host_changed)
        self.vcpus = vcpus = tuple(
            Vcpu(v, partial(self._clock_of, v), partial(self._khz_of, v), quirks) for v in range(count)
        )
        epoch = datetime.fromisoformat(config.start).replace(tzinfo=UTC)
        self.realtime_at_0 = int(epoch.timestamp()) * 1_000_000_000
        self.ram = ram
        self.pv: Pv | None = None
        self.policy = policy = self._make_policy(quirks)
        if not isinstance(policy, Bare):
            for vcpu in vcpus:
                vcpu.policy = policy
        self.nested = Nested(vcpus, quirks)
        for v, vcpu in enumerate(vcpus):
            vcpu.followers.append(partial(self._l1_moved, v))
        self._l1 = [(vcpu.offset, vcpu.ratio) for vcpu in vcpus]
        self.interrupt: Callable[[int, int], None] = lambda v, vector: None
        self.lapic_on: Callable[[int], bool] = lambda v: True
        self.on_arrival: Callable[[int], None] = lambda now: None
        self.host_now = 0
        """When the host was brought to the present last."""
        self.moved = False
        """Whether a guest's TSC reads or runs otherwise since somebody looked."""
        sched.followers.append(policy)
        self.pv = self._make_pv(config, quirks)
        if self.pv is not None:
            sched.followers.append(self.pv)
            if isinstance(policy, Nvmm):
                sched.followers.append(NvmmPages(policy, self.pv))
        sched.whole_round = lambda ns: ticks_whole(ns, [(c.num, c.den) for c in self._clocks()])
        sched.appointments = policy.appointments
        sched.arrive = self._arrived
        sched.on_stop = self._stopped
        sched.on_move = lambda v, now: vcpus[v].moved(now)

    def _make_policy(self, quirks: Mapping[str, str]) -> Policy:
        match quirks["policy"]:
            case "palacios":
                return Palacios(self.vcpus, quirks)
            case "kvm":
                return Kvm(
                    self.vcpus,
                    quirks,
                    realtime=self.realtime,
                    refresh=self._write_time,
                    in_guest=self.sched.in_guest,
                    host_clock=lambda now: now + self.host.state.suspended_ns,
                )
            case "nvmm":
                return Nvmm(self.vcpus, quirks)
        return Bare(self.vcpus, quirks)

    def _make_pv(self, config: Config, quirks: Mapping[str, str]) -> Pv | None:
        """KVM's paravirtual MSRs, under KVM, and under NVMM where it is to have a pvclock."""
        policy = self.policy
        registered: Callable[[int, bool, int, bool], None]
        if isinstance(policy, Kvm):
            registered, wanted, epoch = policy.system_time_written, policy.refresh_wanted, policy.epoch
        elif isinstance(policy, Nvmm) and quirks["nvmm_pvclock"] != "none":
            registered, wanted, epoch = self._registered, self._refresh, self.realtime_at
        else:
            return None
        wires = Wires(
            self.ram.bytes_at,
            self.ram.put,
            policy.rdtsc,
            registered,
            wanted,
            epoch,
            lambda v, vector: self.interrupt(v, vector),
            lambda v: self.lapic_on(v),
            self._halt,
            lambda v: int(self._khz_of(v)) * self.vcpus[v].ratio >> self.vcpus[v].frac,
            int(config.bus_hz / 1000),
            lambda v: self.vcpus[v].state.interrupts,
        )
        features = KVM_FEATURE_CLOCKSOURCE2 if isinstance(policy, Nvmm) else None
        pv = Pv(config.vcpus, quirks, wires, features)
        if isinstance(policy, Nvmm):
            policy.registered = pv.register
        return pv

    def _write_time(self, v: int, stamp: Stamp, times: int) -> None:
        if self.pv is not None:
            self.pv.write_time(v, stamp, times)

    def _registered(self, v: int, old: bool, now: int, host: bool) -> None:
        self._refresh(v, now)

    def _refresh(self, v: int, now: int) -> None:
        self._write_time(v, self.policy.stamp(v, now), 1)

    def suspend(self, ns: int, now: int) -> None:
        """The host sleeps (S3) for `ns` of its wall clock, and its processors wake with TSCs of 0."""
        policy = self.policy
        if isinstance(policy, Kvm):
            policy.suspended(now)
        self.host.suspend(ns, now)
        if isinstance(policy, Kvm):
            policy.resumed(now)

    def _stopped(self, v: int, now: int) -> None:
        """The VM is stopped while a vCPU is stolen: from now on nobody steals from it."""
        if self.pv is not None:
            self.pv.exit(v, now, "stop")

    def _halt(self, v: int, on: bool) -> None:
        """A vCPU sleeps until a page is there, or is woken."""
        run = self.sched.state.runs[v]
        if run.halted != on and not run.cause:
            self.sched.halt(v, self.host_now, on)

    def start(self) -> None:
        """Power-on of the guest."""
        if self._earlier:
            self.host.replace(self._khz, 0, [int(self._khz * 1000) * EARLIER_S] * self.sched.pcpus)
        self.policy.start(0)
        self.sched.begin(0)
        for v, vcpu in enumerate(self.vcpus):
            self.policy.enter(v, 0, False)
            if isinstance(self.policy, Palacios):
                vcpu.state.aux = 0
        self.moved = False

    def reset(self, now: int) -> None:
        """A reset of the guest: where there is a hypervisor, it says what becomes of the TSCs."""
        if self.guest:
            self.policy.reset(now)

    # -- wires

    def _clock_of(self, v: int) -> Any:
        return self.host.clock(self.sched.pcpu(v))

    def _khz_of(self, v: int) -> Any:
        return self.host.khz(self.sched.pcpu(v))

    def _clocks(self) -> Sequence[Clock]:
        found = [self.host.clock(p) for p in range(self.sched.pcpus)]
        return [clock for clock in found if isinstance(clock, Clock) and clock.num]

    def realtime(self, now: int) -> int:
        """The host's CLOCK_REALTIME: ns since 1970. It goes on while the host is suspended."""
        return self.realtime_at_0 + now + self.host.state.suspended_ns

    def realtime_at(self, now: int) -> int:
        """CLOCK_REALTIME at the guest's power-on."""
        return self.realtime_at_0

    def _host_changed(self, now: int) -> None:
        """A processor's TSC reads or runs otherwise: so do the guests' on it; the policy may do something about it."""
        self.policy.rate_changed(now)
        for vcpu in self.vcpus:
            vcpu.moved(now)

    def _l1_moved(self, v: int, now: int) -> None:
        """L1's offset or ratio is another one: L2's follow."""
        self.moved = True
        vcpu = self.vcpus[v]
        was, self._l1[v] = self._l1[v], (vcpu.offset, vcpu.ratio)
        if was != self._l1[v] and vcpu.active is not None:
            self.nested.l1_changed(v, now, was[0], ratio_only=was[0] == vcpu.offset)

    def _arrived(self, now: int, left: int, khz: int, tsc: tuple[int, ...]) -> None:
        """The VM is on another host."""
        self.host.replace(khz, now, [0] * self.sched.pcpus)
        self.policy.arrived(now, tsc, now - left, khz)
        if self.pv is not None:
            self.pv.arrived(now)
        self.on_arrival(now)

    # -- what the machine asks

    @property
    def devices(self) -> tuple[Device, ...]:
        """Those with a state, in the order in which it is kept."""
        pv = () if self.pv is None else (self.pv,)
        return (self.host, self.sched, *self.vcpus, self.nested, *pv)

    def turns(self, armed: bool) -> Iterator[int]:
        """Moments at which a guest's TSC may come to read or run otherwise by itself. With `armed`, something waits for
        one, and exits and entries count where they move it.
        """
        due = self.host.due()
        if due is not None:
            yield due
        state = self.sched.state
        if state.arrival is not None:
            yield state.arrival[0]
        if armed and (not isinstance(self.policy, Bare) or any(run.load and run.load.moves for run in state.runs)):
            for moment in (self.sched.next_turn(), self.policy.next_event(self.host_now)):
                if moment is not None:
                    yield moment

    def sync(self, now: int) -> None:
        """Bring the host to `now`: processors, then who runs on them, then what the policy does by itself."""
        self.host_now = now
        self.host.sync(now)
        self.sched.sync(now)
        self.policy.sync(now)
        self.nested.sync(now)

    @property
    def guest(self) -> bool:
        """Whether there is a hypervisor."""
        return not isinstance(self.policy, Bare)

    def trap(self, v: int, now: int) -> None:
        """The guest executes RDTSC, which may be an exit."""
        if isinstance(self.policy, Palacios) and self.policy.traps(v):
            self.policy.trap(v, now)

    def paravirtual(self, msr: int) -> bool:
        """Whether it is the hypervisor, and no processor, that answers for an MSR."""
        if self.pv is not None:
            return self.pv.knows(msr)
        return isinstance(self.policy, Palacios) and msr in (IA32_TSC, TSC_AUX)

    def rdmsr(self, v: int, msr: int, now: int) -> int:
        """RDMSR of one of those."""
        policy = self.policy
        if self.pv is not None:
            return self.pv.rdmsr(v, msr, now)
        assert isinstance(policy, Palacios)
        self.trap(v, now)
        return policy.rdmsr_tsc(v, now) if msr == IA32_TSC else policy.tsc_aux_msr_read(v)

    def wrmsr(self, v: int, msr: int, value: int, now: int) -> None:
        """WRMSR of one of those."""
        policy = self.policy
        if self.pv is not None:
            self.pv.wrmsr(v, msr, value, now)
            return
        assert isinstance(policy, Palacios)
        if msr == IA32_TSC:
            self.vcpus[v].wrmsr(msr, value, now)
        else:
            policy.tsc_aux_msr_write(v, value)
            self.vcpus[v].state.aux = value & 0xFFFF_FFFF

    def hypervisor(self, leaf: int) -> Registers | None:
        """CPUID 40000000h and on, where there is a hypervisor that answers."""
        if isinstance(self.policy, Nvmm):
            return self.policy.cpuid(leaf)
        return None if self.pv is None else self.pv.cpuid(leaf)

    def snapshot(self) -> tuple[Any, ...]:
        """What no device keeps."""
        return self.policy.snapshot()

    def restore(self, state: tuple[Any, ...]) -> None:
        """Take back what `snapshot` gave, after the devices took back theirs."""
        self.policy.restore(state)
        self._l1 = [(vcpu.offset, vcpu.ratio) for vcpu in self.vcpus]
