"""The host's processors, as far as time is concerned: a time stamp counter each, and all that happens to one.

A TSC counts exactly: each change of its rate leaves the reading with its part of a tick, and goes on from there.
Changes come by P-states, C-states and throttling (which of them matter, the quirks `constant_tsc` and `nonstop_tsc`
say), by package (each has a crystal, and a clock generator that may spread it), by writes, by hotplug, suspend, and
by moving the VM to another host. Who reads a TSC is told of each change through `changed`.

Sources: Intel SDM 3B, Time-Stamp Counter; Linux, Timekeeping Virtualization for X86-Based Architectures, section 3.
Not modelled: a processor that is throttled while its clock is spread, with constant_tsc=no; it is refused.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction

from timerlab.devices.host_core import HostCore, check_khz, check_word
from timerlab.devices.host_pcpu import SLEEPS, Pcpu, Socket
from timerlab.errors import GuestFault
from timerlab.scaling import WORD

MAX_PPM = 100_000
"""A crystal is some ppm off, a generator spreads by 5000; ten percent is what is taken."""
SPREAD_NS = 30_000
"""The period of a spread clock, unless told: generators modulate with some 33 kHz."""
THROTTLE_NS = 8_000
"""The period of a throttled clock."""
SYNCS = ("none", "copy", "adjust")


class Host(HostCore):
    """A host with what can happen to it. Each method does it at `now`; ValueError, with nothing changed, for what makes
    no sense.
    """

    def copy(self) -> Host:
        """A host in the same state, for trying something."""
        other = Host(self.state.pcpus[0].khz, len(self.state.pcpus), self.quirks)
        other.state = replace(self.state)
        return other

    # -- power states

    def set_khz(self, p: int, khz: Fraction | int, now: int, after: int = 0) -> None:
        """P-state: the core clock is `khz` from `after` ns on. The TSC follows with constant_tsc=no only."""
        self._ready(p, now)
        khz = Fraction(khz)
        check_khz(khz)
        if after < 0:
            raise ValueError(f"a P-state cannot change {after} ns from now: 0 or more")
        if after:
            self._change(p, now, next_core=khz, core_at=now + after)
        else:
            self._change(p, now, core=khz, next_core=None, core_at=None)

    def sleep(self, p: int, kind: str, now: int, until: int | None = None) -> None:
        """C-state c1, c1e or c3, until `wake`, or until a moment. In c1e and c3 the TSC stands with nonstop_tsc=no."""
        cpu = self._ready(p, now)
        if kind not in SLEEPS:
            raise ValueError(f"no C-state {kind}: {', '.join(SLEEPS)}")
        if cpu.asleep:
            raise ValueError(f"p{p} sleeps in {cpu.asleep} already: cstate p{p} c0 wakes it")
        if until is not None and until <= now:
            raise ValueError(f"p{p} cannot wake at {until} ns, it is {now} ns")
        self._change(p, now, asleep=kind, wake_at=until)

    def wake(self, p: int, now: int) -> None:
        """Back to C0."""
        if not self._ready(p, now).asleep:
            raise ValueError(f"p{p} does not sleep")
        self._change(p, now, asleep="", wake_at=None)

    def throttle(self, p: int, duty: Fraction, now: int, period: int = THROTTLE_NS) -> None:
        """T-state: the clock runs in the first `duty` of each `period` ns; 1 ends it. With constant_tsc=no the TSC
        stands in the rest.
        """
        self._ready(p, now)
        duty = Fraction(duty)
        if not 0 < duty <= 1:
            raise ValueError(f"a duty cycle of {duty}: above 0, up to 1")
        if period < 1:
            raise ValueError(f"a throttling period of {period} ns: 1 or more")
        if duty < 1 and self._package(p).spread and not self.rules.constant:
            raise ValueError(f"the clock of socket {self.socket(p)} is spread: no throttling with constant_tsc=no")
        self._change(p, now, duty=duty, period=period if duty < 1 else 0, since=now if duty < 1 else 0)

    # -- packages

    def set_ppm(self, socket: int, ppm: int, now: int) -> None:
        """The crystal of a package is `ppm` millionths fast, or slow if negative, from now on."""
        if not -MAX_PPM <= ppm <= MAX_PPM:
            raise ValueError(f"a crystal {ppm} ppm off: {-MAX_PPM} to {MAX_PPM}")
        self._repackage(socket, now, ppm=ppm)

    def spread(self, socket: int, ppm: int, now: int, period: int = SPREAD_NS) -> None:
        """Spread spectrum: the clock of a package swings between its rate and `ppm` below it in a triangle of `period`
        ns, beginning at its rate; 0 ends it.
        """
        if not 0 <= ppm <= MAX_PPM:
            raise ValueError(f"a clock spread by {ppm} ppm: 0 to {MAX_PPM}")
        if period < 2:
            raise ValueError(f"a modulation period of {period} ns: 2 or more")
        for p, cpu in enumerate(self.state.pcpus):
            if ppm and self.socket(p) == socket and self.rules.gates(cpu):
                raise ValueError(f"p{p} is throttled: no spread spectrum with constant_tsc=no")
        self._repackage(socket, now, spread=ppm, period=period if ppm else 0, since=now if ppm else 0)

    # -- values

    def write(self, p: int, value: int, now: int) -> None:
        """The processor's own WRMSR to IA32_TSC, as BIOS and kernel do it: `tsc_write` says what comes of it.
        GuestFault where it faults.
        """
        self._write(p, value, now)
        self.changed(now)

    def write_adjust(self, p: int, value: int, now: int) -> None:
        """The processor's own WRMSR to IA32_TSC_ADJUST; GuestFault where there is none."""
        cpu = self._ready(p, now)
        check_word(value)
        if not self.rules.adjusts:
            raise GuestFault(13, "#GP(0)", f"p{p} has no IA32_TSC_ADJUST")
        self._put(p, self.tsc(p, now) + value - cpu.adjust, now)
        self.changed(now)

    def resync(self, now: int, residue: int = 0) -> None:
        """All TSCs are written with that of processor 0, `residue` cycles more: what the copying takes, or misses."""
        self.sync(now)
        for p in range(1, len(self.state.pcpus)):
            self._write(p, (self.tsc(0, now) + residue) % WORD, now)
        self.changed(now)

    def catch_up(self, p: int, now: int) -> int:
        """Write the TSC with the cycles added that it misses, as a kernel does after a sleep that stopped it; how many
        they were.
        """
        missing = self.missing(p, now)
        if missing:
            self.write(p, (self.tsc(p, now) + missing) % WORD, now)
        return missing

    def plug(self, p: int, now: int, sync: str = "none") -> None:
        """A processor other than 0 is plugged in now: its TSC starts at 0, and is left there, or written with processor
        0's (`copy`), or moved there by TSC_ADJUST (`adjust`).
        """
        self._ready(p, now)
        if p == 0:
            raise ValueError("p0 started the host, it cannot be plugged in: p1 and up")
        if sync not in SYNCS:
            raise ValueError(f"no way {sync} to synchronize: {', '.join(SYNCS)}")
        if sync == "adjust" and not self.rules.adjusts:
            raise ValueError(f"p{p} has no IA32_TSC_ADJUST: none, copy")
        khz = self.state.pcpus[0].khz
        grid = self.rules.anchored(self.state.pcpus[0], self._package(0), now).start
        self._store(p, Pcpu(khz, khz, replace(grid, base=0), set_at=now))
        if sync == "copy":
            self._write(p, self.tsc(0, now), now)
        elif sync == "adjust":
            self._put(p, self.tsc(0, now), now)
        self.changed(now)

    def suspend(self, ns: int, now: int) -> None:
        """Suspend to memory (S3) for `ns` ns of the wall clock, in which virtual time stands; the processors resume as
        after RESET, with TSC and TSC_ADJUST 0.
        """
        if ns < 0:
            raise ValueError(f"a host cannot be suspended for {ns} ns: 0 or more")
        self.sync(now)
        self.state.suspended_ns += ns
        for p, cpu in enumerate(self.state.pcpus):
            here = self.rules.anchored(cpu, self._package(p), now)
            awake = replace(here, asleep="", wake_at=None, duty=Fraction(1), period=0, since=0)
            self._store(p, replace(awake, start=replace(here.start, base=0), adjust=0, set_at=now, set_to=0))
        self.changed(now)

    def replace(self, khz: Fraction | int, now: int, tscs: Sequence[int]) -> None:
        """Another host takes this one's place: as many processors, with these TSCs, at `khz`."""
        khz = Fraction(khz)
        check_khz(khz)
        if len(tscs) != len(self.state.pcpus):
            raise ValueError(f"{len(tscs)} TSCs for {len(self.state.pcpus)} processors")
        for value in tscs:
            check_word(value)
        self.sync(now)
        self.state.sockets = (Socket(),) * self.packages
        fresh = Pcpu(khz, khz)
        for p, value in enumerate(tscs):
            start = replace(fresh.start, epoch=now, base=value)
            self._store(p, replace(fresh, start=start, set_at=now, set_to=value))
        self.changed(now)
