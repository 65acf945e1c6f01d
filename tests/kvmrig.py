"""A VM for unit tests of KVM's time-keeping: vCPUs over clocks, guest memory, and the two parts wired to each other."""

from __future__ import annotations

from fractions import Fraction

from timerlab.clock import Clock
from timerlab.devices.kvm import Kvm
from timerlab.devices.pv import Pv
from timerlab.devices.pv_state import Wires
from timerlab.devices.ram import Ram
from timerlab.quirks import kvm as quirks
from timerlab.scaling import VMX_FRAC, WORD, scaled

S, MS = 1_000_000_000, 1_000_000
DEFAULTS = {quirk.name: quirk.default for quirk in quirks.QUIRKS}
EPOCH = 1_700_000_000 * S + 250 * MS


class FakeCpu:
    """A vCPU on a processor whose TSC is a clock; `frozen` is a TSC that stands."""

    def __init__(self, index: int, khz: Fraction | int, frac: int) -> None:
        self.index, self.frac = index, frac
        self.clock = Clock.at(Fraction(khz) * 1000)
        self.khz = Fraction(khz)
        self.plus = 0
        self.frozen: int | None = None
        self.offset, self.ratio, self.adjust = 0, 1 << frac, 0

    def host_tsc(self, now: int) -> int:
        count = self.clock.ticks(now) if self.frozen is None else self.frozen
        return (count + self.plus) % WORD

    def host_khz(self) -> Fraction:
        return self.khz

    def l1_tsc(self, now: int) -> int:
        return (scaled(self.host_tsc(now), self.ratio, self.frac) + self.offset) % WORD

    def set_l1(self, now: int, offset: int | None = None, ratio: int | None = None) -> None:
        if offset is not None:
            self.offset = offset % WORD
        if ratio is not None:
            self.ratio = ratio


class Rig:
    """A VM of so many vCPUs. `go` lets time pass; what is in guest memory is there to be looked at."""

    def __init__(
        self,
        vcpus: int = 1,
        khz: Fraction | int = 2_600_000,
        frac: int = VMX_FRAC,
        online: int | None = None,
        features: int | None = None,
        **given: str,
    ) -> None:
        self.now = 0
        self.wall_step = 0
        self.cpus = [FakeCpu(v, khz, frac) for v in range(vcpus)]
        self.inside = [True] * vcpus
        self.interrupts: list[tuple[int, int]] = []
        self.halts: list[tuple[int, bool]] = []
        self.lapic = True
        self.open = True
        self.suspended = 0
        self.ram = Ram()
        chosen = DEFAULTS | given
        self.kvm = Kvm(
            self.cpus,
            chosen,
            realtime=lambda now: EPOCH + now + self.suspended + self.wall_step,
            in_guest=lambda v: self.inside[v],
            host_clock=lambda now: now + self.suspended,
            online=online,
        )
        wires = Wires(
            memory=self.ram.bytes_at,
            put=self.ram.put,
            tsc=self.kvm.rdtsc,
            registered=self.kvm.system_time_written,
            wanted=self.kvm.refresh_wanted,
            epoch=self.kvm.epoch,
            interrupt=lambda v, vector: self.interrupts.append((v, vector)),
            lapic_on=lambda v: self.lapic,
            halt=lambda v, on: self.halts.append((v, on)),
            khz=lambda v: self.kvm.state.vcpus[v].khz,
            open=lambda v: self.open,
        )
        self.pv = Pv(vcpus, chosen, wires, features)
        self.kvm.refresh = self.pv.write_time
        self.kvm.start(0)

    @property
    def vm(self):
        return self.kvm.state.vm

    def go(self, ns: int) -> None:
        self.now += ns
        self.kvm.sync(self.now)

    def wrmsr(self, msr: int, value: int, v: int = 0, host: bool = False) -> None:
        if msr == 0x10:
            self.kvm.write_tsc(v, value, self.now)
        elif msr == 0x3B:
            self.kvm.write_adjust(v, value, self.now)
        else:
            self.pv.wrmsr(v, msr, value, self.now, host)

    def rdmsr(self, msr: int, v: int = 0) -> int:
        return self.pv.rdmsr(v, msr, self.now)

    def exit(self, cause: str, v: int = 0) -> None:
        self.inside[v] = False
        self.kvm.exit(v, self.now, cause)
        self.pv.exit(v, self.now, cause)

    def enter(self, v: int = 0, moved: bool = False) -> None:
        self.inside[v] = True
        self.kvm.enter(v, self.now, moved)
        self.pv.enter(v, self.now, moved)

    def out(self, cause: str, ns: int, v: int = 0, moved: bool = False) -> None:
        self.exit(cause, v)
        self.go(ns)
        self.enter(v, moved)

    def tsc(self, v: int = 0) -> int:
        return self.cpus[v].l1_tsc(self.now)

    def number(self, address: int, size: int = 4) -> int:
        return int.from_bytes(self.ram.bytes_at(address, size), "little")

    def put(self, address: int, value: int, size: int = 4) -> None:
        self.ram.put(address, value.to_bytes(size, "little"))

    def seen(self, name: str):
        peeks = self.pv.peek(self.now) | self.kvm.peek(self.now)
        return peeks[name]

    def clock(self, v: int = 0) -> int:
        """kvmclock as the vCPU's page gives it, without the filter."""
        return self.seen(f"pv{v}.kvmclock")
