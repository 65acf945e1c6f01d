"""The clocks of a guest's operating system: what each reads at a moment, how far it is off, and why."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction

from timerlab.clock import NS_PER_S
from timerlab.devices import os_ntp as ntp
from timerlab.devices.os_clocks import HPET_BITS, PM_BITS, PM_TICK_RATE, mult_shift, rate_of, wrapped
from timerlab.devices.os_sight import Sight
from timerlab.devices.os_state import Core, Ntp, OsState
from timerlab.scaling import signed, time_scale
from timerlab.text import plural

CLOCKS = ("ticks", "tsc", "hpet", "pm", "rtc", "kvmclock", "sched", "system")
"""The clocks, in the order in which they are shown."""
SOURCES = ("kvmclock", "tsc", "hpet", "pm", "jiffies")
"""What may be the clocksource; `jiffies` are the ticks."""
DAY = 86_400 * NS_PER_S


@dataclass(frozen=True, slots=True)
class Row:
    """One clock against true time."""

    clock: str
    believes: int
    """ns since boot, by this clock."""
    drift: int
    """That minus true time; positive is fast."""
    rate: Fraction | None
    """By what share of one it runs fast now; None where that cannot be said."""
    resolution: int
    """ns between two values, rounded up."""
    why: str

    @property
    def ppm(self) -> Fraction | None:
        """The rate error in parts per million, exact."""
        return None if self.rate is None else self.rate * 1_000_000

    @property
    def a_day(self) -> int | None:
        """ns that it gains in a day at that rate, rounded down."""
        return None if self.rate is None else self.rate.numerator * DAY // self.rate.denominator


class Reader:
    """Reads the clocks; stores nothing."""

    sight: Sight
    state: OsState
    cores: list[Core]
    ntp: Ntp

    # -- counters

    def cycles(self, t: int) -> int:
        """The TSC of vCPU 0 since boot, signed: it may have been set back."""
        return signed(self.sight.tsc(0, t) - self.state.tsc0)

    def counted(self, clock: str, t: int) -> int:
        """What the kernel has counted of a counter that wraps. It reads it at each tick while it runs; after a time
        out it sees what the counter's bits let it see, and longer than a wrap is lost.
        """
        s = self.state
        seen, total, bits = (
            (s.hpet_seen, s.hpet_total, HPET_BITS) if clock == "hpet" else (s.pm_seen, s.pm_total, PM_BITS)
        )
        count = self.sight.hpet(t) if clock == "hpet" else self.sight.pm(t)
        step = count - seen
        return total + (wrapped(count, seen, bits) if self.cores[0].out or step < 0 else step)

    def scale_of(self, clock: str) -> tuple[int, int]:
        """(mult, shift) by which the kernel makes ns of a counter; (1, 0) where it counts ns."""
        s = self.state
        if clock == "tsc":
            return s.mult, s.shift
        if clock in ("hpet", "pm"):
            hz, bits = (s.hpet_hz, HPET_BITS) if clock == "hpet" else (s.pm_hz, PM_BITS)
            return mult_shift(hz, bits)
        return 1, 0

    def count_of(self, clock: str, t: int) -> int:
        """What a clocksource has counted since boot: cycles, counts, or ns."""
        if clock == "tsc":
            return self.cycles(t)
        if clock in ("hpet", "pm"):
            return self.counted(clock, t)
        ns = self.ns(clock, t)
        return 0 if ns is None else ns

    # -- clocks

    @property
    def tick_ns(self) -> int:
        """What a tick is worth to the kernel, in ns, rounded down: HZ is taken to be exact."""
        return NS_PER_S // self.state.options.hz

    def tick_count(self) -> int:
        """Ticks that the kernel has counted since boot."""
        s = self.state
        return self.sight.delivered(s.source) - s.ticks0 + s.extra

    def there(self, clock: str) -> bool:
        """Whether the guest has this clock."""
        s = self.state
        if s.stage == "off":
            return False
        if clock == "tsc":
            return bool(s.khz)
        if clock == "hpet":
            return bool(s.hpet_hz)
        if clock == "pm":
            return bool(s.pm_hz)
        if clock in ("kvmclock", "sched"):
            return s.kvm0 is not None
        return clock != "system" or s.stage == "up"

    def ns(self, clock: str, t: int) -> int | None:
        """What a clock says: ns since boot; None where it is not there."""
        s = self.state
        if not self.there(clock):
            return None
        if clock == "tsc":
            return s.tsc_base + ((self.cycles(t) - s.tsc_from) * s.mult >> s.shift)
        if clock in ("hpet", "pm"):
            mult, shift = self.scale_of(clock)
            return self.counted(clock, t) * mult >> shift
        if clock in ("kvmclock", "sched"):
            read = self.sight.kvmclock(0, t)
            if read is None or s.kvm0 is None:
                return None
            stolen = self.sight.steal(0, t) - s.steal0 if clock == "sched" else 0
            return read - s.kvm0 - stolen
        if clock == "rtc":
            return (self.sight.rtc(t) - s.rtc0) * NS_PER_S
        if clock == "system":
            return self.raw(t) + ntp.correction(self.ntp, t)
        return self.tick_count() * NS_PER_S // s.options.hz

    def raw(self, t: int) -> int:
        """The system clock without NTP: it goes on as the clocksource does, ns since boot."""
        s = self.state
        return s.base + (self.ns(s.current, t) or 0) - s.base_at

    def raw_drift(self, t: int) -> int:
        """That minus true time."""
        return self.raw(t) - (t - self.state.boot)

    def local_clock(self) -> Callable[[int], int]:
        """The scheduler's clock, which the lockup detectors look at: kvmclock, else the TSC, else the clocksource."""
        clock = next(name for name in ("kvmclock", "tsc", self.state.current) if self.there(name))
        return lambda t: self.ns(clock, t) or 0

    # -- rates

    def rate(self, clock: str, t: int) -> Fraction | None:
        """By what share of one a clock runs fast at `t`; None where it is not there, or nothing drives it."""
        s = self.state
        if not self.there(clock):
            return None
        if clock == "tsc":
            return rate_of(self.sight.tsc_khz(0) * 1000, s.mult, s.shift)
        if clock in ("hpet", "pm"):
            hz = self.sight.hpet_hz() if clock == "hpet" else self.sight.pm_hz
            return rate_of(hz, *self.scale_of(clock))
        if clock in ("kvmclock", "sched"):
            khz = self.sight.tsc_khz(0)
            if int(khz) < 1:
                return None
            mult, shift = time_scale(NS_PER_S, int(khz) * 1000)
            return khz * 1000 * mult * Fraction(2) ** shift / (1 << 32) / NS_PER_S - 1
        if clock == "rtc":
            return Fraction(0)
        if clock == "system":
            raw = self.rate(s.current, t)
            return None if raw is None else raw + Fraction(ntp.slewing(self.ntp, t), ntp.PER)
        hz_now = self.sight.rate(s.source)
        return None if hz_now is None else hz_now / s.options.hz - 1

    def resolution(self, clock: str) -> int:
        """ns between two values of a clock, rounded up."""
        s = self.state
        if clock == "tsc":
            return -(-1_000_000 // s.khz) if s.khz else 0
        if clock in ("hpet", "pm"):
            hz = s.hpet_hz if clock == "hpet" else s.pm_hz
            return -(-NS_PER_S // hz) if hz else 0
        if clock == "rtc":
            return NS_PER_S
        if clock in ("ticks", "jiffies"):
            return self.tick_ns
        return self.resolution(s.current) if clock == "system" else 1

    def slew_ppb(self, t: int) -> int:
        """By how much NTP slews the system clock at `t`, in parts per 10^9, rounded down."""
        return ntp.slewing(self.ntp, t) * 1000 // ntp.PPM

    # -- as it is shown

    def rows(self, now: int) -> tuple[Row, ...]:
        """Each clock that is there, against true time."""
        found = []
        for clock in CLOCKS:
            ns = self.ns(clock, now)
            if ns is not None:
                drift = ns - (now - self.state.boot)
                found.append(Row(clock, ns, drift, self.rate(clock, now), self.resolution(clock), self.why(clock, now)))
        return tuple(found)

    def why(self, clock: str, now: int) -> str:
        """In a few words, what a clock's error comes from."""
        s = self.state
        if clock in ("ticks", "jiffies"):
            return self._why_ticks()
        if clock == "tsc":
            return f"unstable: {s.unstable}" if s.unstable else self._why_tsc()
        if clock in ("hpet", "pm"):
            bits = HPET_BITS if clock == "hpet" else PM_BITS
            passed = self.sight.hpet(now) - s.hpet0 if clock == "hpet" else self.sight.pm(now) - s.pm0
            missing = passed - self.counted(clock, now)
            said = f"{self.resolution(clock)} ns steps"
            return f"{said}; {plural(missing >> bits, 'wrap')} missed" if missing >> bits > 0 else said
        if clock == "rtc":
            return "reads whole seconds"
        if clock == "sched":
            return "kvmclock minus steal"
        if clock == "system":
            return self._why_system()
        return "pvclock mul truncates" if self.rate("kvmclock", now) else "pvclock"

    def _why_ticks(self) -> str:
        s, said = self.state, []
        hz = self.sight.rate(s.source)
        if hz is None:
            said.append(f"{s.source} does not tick")
        elif hz != s.options.hz:
            said.append(f"{s.source} is not {s.options.hz} Hz")
        if s.extra:
            said.append(f"{plural(s.extra, 'tick')} added")
        return "; ".join(said) or "HZ is taken to be exact"

    def _why_tsc(self) -> str:
        o = self.state.options
        if o.calibration in ("cpuid", "kvm"):
            return "rate told by CPUID" if o.calibration == "cpuid" else "rate told by kvmclock"
        window = f"{o.window // 1_000_000} ms against {o.calibration}"
        return f"{window}, last read {o.late} ns late" if o.late else window

    def _why_system(self) -> str:
        n = self.ntp
        if n.gave_up:
            return f"{self.state.current}; NTP gave up"
        return f"{self.state.current}{' with NTP' if n.on else ''}"


def boot_hz(sight: Sight) -> Mapping[str, int]:
    """The rates of PIT, HPET and PM timer as the kernel takes them, in Hz; 0 where one is not there."""
    return {"pit": int(sight.pit_hz), "hpet": int(sight.hpet_hz()), "pm": PM_TICK_RATE if sight.pm_hz else 0}
