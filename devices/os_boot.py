"""Boot of a guest's operating system, and the calibration of its TSC.

A calibration takes the time of its window: what happens meanwhile, a vCPU that is out or a TSC that changes its rate,
goes into what it finds.
"""

from __future__ import annotations

from collections import deque
from dataclasses import replace

from timerlab.clock import NS_PER_S
from timerlab.devices.os_clocks import (
    HPET_BITS,
    NEW,
    OLD,
    PM_BITS,
    calibrated_pit,
    calibrated_ref,
    cpuid_khz,
    detect,
    has_apic,
    invariant,
    mult_shift,
    pit_window,
    rating,
    wrapped,
)
from timerlab.devices.os_guard import Guard
from timerlab.devices.os_read import SOURCES, boot_hz
from timerlab.devices.os_state import LAPIC, PIT, Core, Ntp, Options, OsState
from timerlab.devices.os_watch import INTERVAL
from timerlab.errors import GuestFault

KVM_PAGE = 0x1000
"""Where the guest has its pvclock pages, 64 bytes each."""
MSRS = {NEW: 0x4B56_4D01, OLD: 0x12}


class Boot(Guard):
    """A system that boots."""

    track: deque[tuple[int, dict[str, int]]]

    def boot(self, now: int, options: Options) -> None:
        """Boot at `now`; ValueError where an option makes no sense here, with nothing changed."""
        options.check()
        khz = 0
        sight = self.sight
        if options.calibration == "cpuid" and not (khz := cpuid_khz(sight.cpuid)):
            raise ValueError("CPUID tells no rate of the TSC (15h, 40000010h): calibrate against pit, hpet or pm")
        rates = boot_hz(sight)
        if options.calibration in rates and not rates[options.calibration]:
            raise ValueError(f"there is no {options.calibration} to calibrate against")
        kvmclock = options.kvmclock and self._register(now)
        if options.calibration == "kvm":
            if not kvmclock:
                raise ValueError("there is no kvmclock to tell the TSC's rate: calibrate against pit, hpet or pm")
            khz = int(sight.tsc_khz(0))
        self.cores = [Core(out=not sight.v_running(v)) for v in range(sight.vcpus)]
        self.ntp = Ntp()
        self.track.clear()
        source = self._source(options)
        s = self.state = OsState(
            stage="calibrating",
            options=options,
            at=now,
            boot=now,
            source=source,
            tsc0=sight.tsc(0, now),
            rtc0=sight.rtc(now),
            kvm0=sight.kvmclock(0, now) if kvmclock else None,
            steal0=sight.steal(0, now),
            ticks0=sight.delivered(source),
            hpet0=sight.hpet(now),
            pm0=sight.pm(now),
            hpet_seen=sight.hpet(now),
            hpet_hz=rates["hpet"],
            pm_seen=sight.pm(now),
            pm_hz=rates["pm"],
        )
        if khz:
            s.khz, (s.mult, s.shift) = khz, mult_shift(khz, khz=True)
            self._up(now)
        else:
            self._begin(now)

    def _register(self, now: int) -> bool:
        """Register pvclock pages, where CPUID offers them; whether there is a kvmclock then."""
        kind = detect(self.sight.cpuid)
        if kind not in MSRS:
            return False
        if self.sight.kvmclock(0, now) is None:
            try:
                for v in range(self.sight.vcpus):
                    self.sight.wrmsr(v, MSRS[kind], KVM_PAGE + 64 * v | 1, now)
            except GuestFault:
                return False
        return self.sight.kvmclock(0, now) is not None

    def _source(self, options: Options) -> str:
        if options.source != "auto":
            return options.source
        allowed = has_apic(self.sight.cpuid, options.nolapic) and not options.nolapic_timer
        return LAPIC if allowed and self.sight.rate(LAPIC) is not None else PIT

    def calibrate(self, now: int, kind: str, window: int, late: int = 0) -> None:
        """Calibrate the TSC again, over a window from `now` on; its clock goes on from where it is, at the new rate,
        when that is known. ValueError while the system is not up, or where there is nothing to calibrate against.
        """
        s = self.state
        if s.stage != "up" or s.cal_end is not None:
            raise ValueError("the system is off: os boot" if s.stage == "off" else "a calibration is at work")
        options = replace(s.options, calibration=kind, window=window, late=late)
        options.check()
        if kind not in ("pit", "hpet", "pm"):
            raise ValueError("a calibration is against pit, hpet or pm")
        if not (self.sight.pit_hz if kind == "pit" else self.there(kind)):
            raise ValueError(f"there is no {kind} to calibrate against")
        s.options = options
        self._begin(now)

    def _begin(self, now: int) -> None:
        """A calibration begins."""
        s, o = self.state, self.state.options
        s.cal_tsc, s.cal_ref, s.cal_read = self.cycles(now), self._reference(now), None
        s.cal_end = now + o.window
        if o.calibration == "pit":
            hz = self.sight.pit_hz
            s.cal_end = now + -(-pit_window(o.window) * NS_PER_S * hz.denominator // hz.numerator)

    def _calibrating(self, now: int) -> None:
        """The calibration, on a vCPU that runs up to `now`."""
        s, o = self.state, self.state.options
        if s.cal_end is None:
            return
        if s.cal_read is None and s.cal_end <= now:
            s.cal_read = self._reference(s.cal_end)
        if s.cal_read is not None and s.cal_end + o.late <= now:
            self._calibrated(s.cal_end + o.late)

    def _reference(self, t: int) -> int:
        """The count that a calibration reads beside the TSC; channel 2 of the PIT is not read, it just ends."""
        kind = self.state.options.calibration
        return self.sight.hpet(t) if kind == "hpet" else self.sight.pm(t) if kind == "pm" else 0

    def _calibrated(self, t: int) -> None:
        """The last read of the TSC is made at `t`."""
        s, o = self.state, self.state.options
        assert s.cal_read is not None
        cycles = self.cycles(t)
        if o.calibration == "pit":
            khz = calibrated_pit(cycles - s.cal_tsc, o.window)
        else:
            bits, hz = (HPET_BITS, s.hpet_hz) if o.calibration == "hpet" else (PM_BITS, s.pm_hz)
            khz = calibrated_ref(cycles - s.cal_tsc, wrapped(s.cal_read, s.cal_ref, bits), hz)
        s.cal_end = s.cal_read = None
        if khz > 0:
            if s.stage == "up" and s.khz:
                s.tsc_base, s.tsc_from = self.ns("tsc", t) or 0, cycles
            s.khz = khz
            s.mult, s.shift = mult_shift(khz, khz=True)
            self.say(t, f"tsc: {khz // 1000}.{khz % 1000:03d} MHz by {o.calibration}")
        if s.stage == "calibrating":
            self._up(t)

    def _up(self, t: int) -> None:
        """Boot is over at `t`: clocksource and watchdogs begin."""
        s = self.state
        s.stage = "up"
        if not invariant(self.sight.cpuid):
            s.unstable = "it halts in idle"
        elif not s.khz:
            s.unstable = "calibration failed"
        s.current = self._best() if s.options.clocksource == "auto" else s.options.clocksource
        if not self.there(s.current):
            s.current = self._best()
        s.base = s.base_at = self.ns(s.current, t) or 0
        s.cs_due = t + INTERVAL
        clock = self.local_clock()
        for v, core in enumerate(self.cores):
            self.started(v, core, clock(t), t)

    def _best(self) -> str:
        """The clocksource with the highest rating of those that are there."""
        s = self.state
        there = [name for name in SOURCES if self.there(name)]
        return max(there, key=lambda name: rating(name, self.sight.cpuid, bool(s.unstable)))
