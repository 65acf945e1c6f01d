"""What calibrations, migrations and watchdogs find, with its arithmetic."""

from __future__ import annotations

from fractions import Fraction

from timerlab.devices import probe_sums as sums
from timerlab.devices.probe_sums import Rate
from timerlab.devices.probe_words import Found
from timerlab.text import count, decimal, duration, duration_exact, plural, rate, signed


def _ppm(share: Fraction) -> str:
    return f"{'+' if share > 0 else ''}{decimal(share * 100, 3)} %"


def calibrate(clocks: int, hz: int, khz: Rate) -> Found:
    """The TSC against PIT channel 2."""
    ns, cycles = sums.pit_calibration(clocks, hz, khz)
    return Found(cycles, f"{clocks} / {hz} Hz = {duration_exact(ns)}; TSC +{count(cycles)} at {rate(khz * 1000)}")


def pitalias(time: int) -> Found:
    """A time in 16 bits of PIT count."""
    value = sums.pit_alias(time, Fraction(105_000_000, 88))
    factor = f", a rate {decimal(Fraction(time, value), 1)} times too high" if value else ""
    return Found(value, f"{duration(time)} is read as {duration(value)}: the count has 16 bits{factor}")


def migrate(guest: int, host: int, time: int) -> Found:
    """A time by a TSC of another rate."""
    value = sums.shown(time, guest, host)
    return Found(value, f"{duration(time)} shows as {duration_exact(value)}, {_ppm(Fraction(host, guest) - 1)}")


def catchup(guest: int, host: int, time: int) -> Found:
    """The cycles that catch-up adds."""
    value = sums.catch_up(time, guest, host)
    said = f"+{count(value)} cycles" if value else "nothing to add: a host that is faster cannot be hidden so"
    return Found(value, f"{guest} kHz guest on {host} kHz, {duration(time)}: {said}")


def hpetmove(old: int, new: int, how: str, time: int) -> Found:
    """A time in counts of another HPET."""
    value = sums.hpet_counts(time, new if how == "raw" else old)
    return Found(value, f"{duration(time)} counts {count(value)} by {'the new' if how == 'raw' else 'its own'} period")


def downtime(time: int, ppm: int) -> Found:
    """How NTP gets rid of a downtime."""
    if time > 1000 * 10**9:
        return Found(-1, f"{duration(time)} is more than 1000 s: NTP gives up")
    if time > 128_000_000:
        return Found(0, f"{duration(time)} is more than 128 ms: NTP steps")
    value = -(-time * 1_000_000 // ppm)
    return Found(value, f"{duration(time)} at {ppm} ppm: slewed in {duration(value)}")


def slew(time: int, ppm: int) -> Found:
    """What NTP makes good in a time."""
    value = time * ppm // 1_000_000
    return Found(value, f"{duration(time)} × {ppm} ppm = {duration_exact(value)}")


def stuck(stall: int, since: int, stopped: str) -> Found:
    """What the soft-lockup watchdog says."""
    units = stall + since >> 30
    if stopped == "stopped":
        return Found(0, f"{units} units, but GUEST_STOPPED is set: the watchdog is touched, no report")
    if units <= 20:
        return Found(0, f"{duration(stall + since)} >> 30 = {plural(units, 'unit')}, not above 20: no report")
    return Found(units, f"{duration(stall + since)} >> 30 = {units} > 20: stuck for {units}s!")


def skew(calibrated: int, true: int, kind: str) -> Found:
    """What the clocksource watchdog says."""
    ns = sums.shown(500_000_000, calibrated, true)
    difference = ns - 500_000_000
    limit = 400_000 if kind == "modern" else 62_500_000
    word = "unstable" if abs(difference) > limit else "stable"
    return Found(difference, f"500 ms shows as {count(ns)} ns: {signed(difference)}, limit {count(limit)}: {word}")
