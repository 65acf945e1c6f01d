"""A machine as a guest's operating system sees it, with clocks that a test sets: nothing of the board is in it."""

from __future__ import annotations

from fractions import Fraction

from timerlab.clock import Clock
from timerlab.devices.os import GuestOs, Options, Sight
from timerlab.scaling import WORD, apply_scale, time_scale

KVM = (0x4B4D_564B, 0x564B_4D56, 0x0000_004D)
S, MS = 10**9, 10**6


class World:
    """Counters on one virtual time, vCPUs that are in or out, and a system that is told of it as a board tells it."""

    def __init__(
        self, vcpus=1, khz=2_600_000, hpet_hz=Fraction(100_000_000), kvm=True, invariant=True, eax=0x0100_7EFB
    ):
        self.now = 0
        self.tsc = [Clock.at(Fraction(khz) * 1000) for _ in range(vcpus)]
        self.hpet = Clock.at(hpet_hz)
        self.pm = Clock.at(Fraction(315_000_000, 88))
        self.running = [True] * vcpus
        self.run = [(0, 0)] * vcpus  # (ns run up to, since)
        self.steal = [0] * vcpus
        self.stopped = [False] * vcpus
        self.counts = {"irq.0": 0, "lapic0.timer": 0}
        self.rates = {"irq.0": None, "lapic0.timer": None}
        self.page = None
        self.kvm_ns = 0
        self.writes = []
        self.leaves = {
            0: (0x16, 0, 0, 0),
            1: (0, 0, 0, 1 << 9),
            0x8000_0000: (0x8000_0008, 0, 0, 0),
            0x8000_0007: (0, 0, 0, int(invariant) << 8),
            0x4000_0000: (0x4000_0001, *KVM) if kvm else (0, 0, 0, 0),
            0x4000_0001: (eax if kvm else 0, 0, 0, 0),
        }
        self.sight = Sight(
            tsc=lambda v, now: self.tsc[v].ticks(now) % WORD,
            tsc_khz=lambda v: self.tsc[v].hz / 1000,
            cpuid=lambda leaf: self.leaves.get(leaf, (0, 0, 0, 0)),
            delivered=lambda source: self.counts[source],
            rate=lambda source: self.rates[source],
            pit_hz=Fraction(105_000_000, 88),
            hpet=lambda now: self.hpet.ticks(now),
            hpet_hz=lambda: self.hpet.hz,
            pm=lambda now: self.pm.ticks(now),
            pm_hz=Fraction(315_000_000, 88),
            rtc=lambda now: 1_767_225_600 + now // S,
            kvmclock=self._kvmclock,
            steal=lambda v, now: self.steal[v],
            run_ns=lambda v, now: self.run[v][0] + (now - self.run[v][1] if self.running[v] else 0),
            v_running=lambda v: self.running[v],
            guest_stopped=lambda v: self.stopped[v],
            clear_stopped=lambda v: self.stopped.__setitem__(v, False),
            wrmsr=self._wrmsr,
            vcpus=vcpus,
        )
        self.os = GuestOs(self.sight)

    def _wrmsr(self, v, msr, value, now):
        self.writes.append((v, msr, value))
        if msr in (0x4B56_4D01, 0x12):
            self.page = (self.tsc[0].ticks(now), now, *time_scale(S, int(self.tsc[0].hz)))

    def _kvmclock(self, v, now):
        if self.page is None:
            return None
        tsc, ns, mul, shift = self.page
        return ns + self.kvm_ns + apply_scale(self.tsc[v].ticks(now) - tsc, mul, shift)

    def boot(self, up=True, **options):
        self.os.boot(self.now, Options(**options))
        if up:
            self.skip(20 * MS if self.os.state.stage == "calibrating" else 0)
        return self.os

    def skip(self, ns):
        self.now += ns
        self.os.sync(self.now)

    def skip_to(self, ns):
        self.skip(ns - self.now)

    def out(self, v=0, cause="preempt"):
        self.run[v] = (self.sight.run_ns(v, self.now), self.now)
        self.os.exit(v, self.now, cause)
        self.running[v] = False

    def back(self, v=0, stolen=False):
        if stolen:
            self.steal[v] += self.now - self.run[v][1]
        self.run[v] = (self.run[v][0], self.now)
        self.running[v] = True
        self.os.enter(v, self.now, False)

    def stall(self, ns, v=0, stolen=False):
        """The vCPU is out so long; its clocks run on."""
        self.out(v)
        self.now += ns
        self.back(v, stolen)

    def retune(self, khz):
        """The TSC runs at another rate from now on."""
        self.os.sync(self.now)
        self.tsc = [clock.rerated(self.now, Fraction(khz) * 1000) for clock in self.tsc]

    def jump(self, cycles):
        """The TSC is moved."""
        self.os.sync(self.now)
        self.tsc = [clock.offset(cycles) for clock in self.tsc]

    def tick(self, *moments, source="irq.0"):
        """Ticks that are delivered at these moments, one by one."""
        for moment in moments:
            self.skip_to(moment)
            self.counts[source] += 1
            self.os.ticks(moment, 0, 1)

    def train(self, first, period, count, source="irq.0"):
        """Ticks told as one batch."""
        self.skip_to(first + period * (count - 1))
        self.counts[source] += count
        self.os.ticks(first, period, count)

    def drift(self, clock):
        ns = self.os.ns(clock, self.now)
        return ns - (self.now - self.os.state.boot)
