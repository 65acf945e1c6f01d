"""All probes, each with its arguments and its words."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from timerlab.devices import probe_moves as moves
from timerlab.devices import probe_sums as sums
from timerlab.devices.probe_sums import COSTS, Rate
from timerlab.devices.probe_words import Found, Param, Spec
from timerlab.text import count, decimal, duration, duration_exact, plural, rate, signed

_KHZ = Param("khz", "khz", 0)

_NOT_SERIAL = {"rdmsr": ", though RDMSR is not serializing", "none": ", and earlier instructions may follow it"}


def _ghz(khz: Rate) -> str:
    return rate(khz * 1000)


def _read(fence: str, cost: int, khz: Rate) -> Found:
    early, late = sums.sampled(fence, cost or None)
    ps = sums.ps_of(late, khz)
    ns = decimal(Fraction(ps, 1000), 1)
    return Found(
        ps, f"{late} cycles at {_ghz(khz)}: {ns} ns; seen in [T{early:+d}, T+{late}]{_NOT_SERIAL.get(fence, '')}"
    )


def _pair(window: int, how: str) -> Found:
    value = sums.pair(window, 0, how == "last_value")
    said = "the filter holds what was read before" if how == "last_value" else "the second read came first"
    return Found(value, f"v0 reads {window}, then v1 reads 0: {signed(value)} cycles, {said}")


def _alias(granularity: int, khz: Rate) -> Found:
    value = sums.aliases(granularity, khz)
    return Found(value, f"{count(value)} TSC values share one value of a {duration(granularity)} clock at {_ghz(khz)}")


def _band(early: int, late: int) -> Found:
    return Found(early + late + 1, f"(T−{early} .. T+{late}): {early + late + 1} TSC values, and any may be read")


def _recalibrate(old_tsc: int, old_ns: int, new_tsc: int, new_ns: int, tsc: int, khz: Rate) -> Found:
    old, new = (old_tsc, old_ns), (new_tsc, new_ns)
    step = sums.recalibrated(old, new, tsc, khz)
    before, after = sums.epoch_ns(tsc, *old, khz), sums.epoch_ns(tsc, *new, khz)
    exact = new_ns - old_ns - Fraction(new_tsc - old_tsc) * 1_000_000 / khz
    return Found(
        step, f"old epoch {count(before)} ns, new epoch {count(after)} ns: step {signed(step)} ns ({decimal(exact, 3)})"
    )


def _refresh(old_tsc: int, old_ns: int, mul: int, shift: int, tsc: int, ns: int) -> Found:
    step = sums.refreshed((old_tsc, old_ns), mul, shift, (tsc, ns))
    return Found(step, f"the old page gives {count(ns - step)} ns there, the new one {count(ns)}: {signed(step)} ns")


def _redpill(how: str, cost: int) -> Found:
    cycles = cost or COSTS["trapped" if how == "trapped" else "cpuid"]
    said = "CPUID exits: a hypervisor" if how == "trapped" else "the processor executes CPUID"
    return Found(cycles, f"RDTSC; CPUID; RDTSC takes {cycles} cycles, {said}")


def _udelay(asked: int, done: int, out: int, loop: str) -> Found:
    value = sums.udelay(asked, done, out, loop)
    why = "its clock saw the gap" if loop == "tsc" else "the gap is not counted"
    return Found(value, f"{duration(asked)} asked, {duration_exact(value)} done: {why}")


def _iodelay(writes: int, kind: str, delay: int, exit: int) -> Found:
    value = sums.io_delay(writes, delay, exit, kind)
    if kind == "nop":
        return Found(0, f"{plural(writes, 'write')} left out: KVM_FEATURE_NOP_IO_DELAY")
    each = f"({duration(delay)} + {duration(exit)} exit)" if kind == "trapped" else duration(delay)
    return Found(value, f"{writes} × {each} = {duration_exact(value)}")


def _cli(section: int, out: int, khz: Rate) -> Found:
    total = section + out
    cycles = sums.cycles_in(total, khz)
    return Found(
        total, f"{duration_exact(total)} with interrupts off, TSC +{count(cycles)}; a tick may come that much late"
    )


def _covert(bits: str, slot: int, threshold: int) -> Found:
    steal = sums.covert(bits, slot)
    got = sums.decoded(steal, threshold)
    told = ", ".join(duration(one) for one in steal[:8]) + (", ..." if len(steal) > 8 else "")
    return Found(int(got, 2), f"steal a slot {told}; above {duration(threshold)} is 1: {got}")


def _sleep(asked: int, granularity: int, phase: int) -> Found:
    value = sums.slept(asked, granularity, phase)
    step = f"on a host that ticks each {duration(granularity)}" if granularity else "with a timer of its own"
    return Found(value, f"{duration(asked)} asked, {duration_exact(value)} slept, {step}")


def _lost(start: int, out: int, hz: int, latch: str) -> Found:
    value = sums.lost(start, out, hz, latch == "latch")
    behind = value * 10**9 // hz
    return Found(value, f"{sums.due(start, out, hz)} due, {count(value)} lost: the clock is {duration(behind)} behind")


def _rtcslew(period: int, missed: int) -> Found:
    if missed > 1_000_000:
        raise ValueError("that is more than a million ticks")
    gaps = sums.rtc_slew(period, missed)
    value = sum(gaps)
    told = ", ".join(str(gap) for gap in gaps[:12]) + (", ..." if len(gaps) > 12 else "")
    took = duration(value * 10**9 // 32_768)
    return Found(value, f"gaps {told or 'none'}: {count(value)} clocks of 32 768 Hz, {took}")


def _cycles(time: int, khz: Rate) -> Found:
    value = sums.cycles_in(time, khz)
    return Found(value, f"{duration(time)} at {_ghz(khz)} is {count(value)} cycles")


def _fair(vcpus: int, pcpus: int, time: int) -> Found:
    value = sums.fair_steal(time, vcpus, pcpus)
    return Found(value, f"{vcpus} busy vCPUs on {pcpus}: {duration(value)} of {duration(time)} stolen from each")


def _latency(period: int, on: int, off: int, phase: int, time: int, seed: int, latch: str) -> Found:
    if time // period > 1_000_000 or time // max(1, on + off) > 1_000_000:
        raise ValueError("that is more than a million ticks or turns")
    found = sums.latencies(period, on, off, phase, time, seed, latch == "latch")
    bins = ", ".join(f"{n} to {duration(edge)}" for edge, n in found.bins)
    return Found(
        found.delivered,
        f"due {found.due}, delivered {found.delivered}, lost {found.lost}, pending {found.pending}, worst "
        f"{duration(found.worst)} late: {bins}",
    )


def _sched(wall: int, steal: int) -> Found:
    return Found(wall - steal, f"kvmclock {duration(wall)} minus steal {duration(steal)}")


def _number(name: str, default: int | None = None, least: int = 0) -> Param:
    return Param(name, "number", default, least=least)


def _time(name: str, default: int | None = None, least: int = 0) -> Param:
    return Param(name, "ns", default, least=least)


def _word(name: str, *choices: str, needed: bool = False) -> Param:
    return Param(name, "word", None if needed else choices[0], choices)


def _khz(name: str) -> Param:
    return _number(name, least=1)


def _reads(*_: Any) -> Found:
    raise AssertionError("reads the machine")


_TWO = (_number("first", 0), _number("second", 1))

PROBES = {
    spec.name: spec
    for spec in (
        Spec(
            "read",
            "how exactly a read of the TSC is placed in time",
            "ps",
            (_word("fence", *COSTS, needed=True), _number("cost", 0), _KHZ),
            _read,
        ),
        Spec(
            "pair",
            "two reads in order on two vCPUs, out of order by a window",
            "cycles",
            (_number("window", 10), _word("filter", "raw", "last_value")),
            _pair,
        ),
        Spec("warp", "two vCPUs' TSCs now", "cycles", _TWO, _reads, reads=True),
        Spec(
            "table",
            "two vCPUs' TSCs now, the second one's corrected by a table of offsets",
            "cycles",
            (_number("first"), _number("second"), _number("offset", least=-(1 << 63))),
            _reads,
            reads=True,
        ),
        Spec(
            "alias",
            "TSC values for one value of a coarse clock",
            "count",
            (_time("granularity", least=1), _KHZ),
            _alias,
        ),
        Spec("band", "TSC values that a read may give", "count", (_number("early", 1), _number("late", 10)), _band),
        Spec(
            "recalibrate",
            "the step of a clock whose pair of TSC and ns is taken anew",
            "ns",
            (
                *(_number(name) for name in ("old_tsc", "old_ns", "new_tsc", "new_ns", "tsc")),
                _KHZ,
            ),
            _recalibrate,
        ),
        Spec(
            "refresh",
            "the step of a pvclock page that is written anew",
            "ns",
            (
                *(_number(name) for name in ("old_tsc", "old_ns", "mul")),
                _number("shift", least=-32),
                _number("tsc"),
                _number("ns"),
            ),
            _refresh,
        ),
        Spec(
            "redpill",
            "what RDTSC; CPUID; RDTSC takes",
            "cycles",
            (_word("how", "trapped", "native"), _number("cost", 0)),
            _redpill,
        ),
        Spec(
            "udelay",
            "a busy wait with the vCPU out in its midst",
            "ns",
            (_time("asked"), _time("done"), _time("out"), _word("loop", "tsc", "counted", "hidden")),
            _udelay,
        ),
        Spec(
            "iodelay",
            "writes to port 80h",
            "ns",
            (
                _number("writes"),
                _word("kind", "trapped", "native", "nop"),
                _time("delay", 1000),
                _time("exit", 12_000),
            ),
            _iodelay,
        ),
        Spec("cli", "a section without interrupts, interrupted", "ns", (_time("section"), _time("out"), _KHZ), _cli),
        Spec(
            "covert",
            "bits sent by load, read from steal",
            "bits",
            (Param("bits", "bits"), _time("slot", 100_000_000, 1), _time("threshold", 25_000_000)),
            _covert,
        ),
        Spec(
            "calibrate",
            "TSC cycles while PIT channel 2 counts in mode 0",
            "cycles",
            (_number("count"), _number("hz", 1_193_182, 1), _KHZ),
            moves.calibrate,
        ),
        Spec("pitalias", "what a time looks like in 16 bits of PIT count", "ns", (_time("time"),), moves.pitalias),
        Spec(
            "migrate",
            "a time by a TSC that runs at another rate than the guest thinks",
            "ns",
            (_khz("guest_khz"), _khz("host_khz"), _time("time", 10**9)),
            moves.migrate,
        ),
        Spec(
            "catchup",
            "cycles that catch-up adds on a slower host",
            "cycles",
            (_khz("guest_khz"), _khz("host_khz"), _time("time", 10**9)),
            moves.catchup,
        ),
        Spec(
            "hpetmove",
            "HPET counts on a host with another HPET",
            "counts",
            (
                _number("old_fs", least=1),
                _number("new_fs", least=1),
                _word("how", "raw", "virtual"),
                _time("time", 10**9),
            ),
            moves.hpetmove,
        ),
        Spec(
            "downtime",
            "how long NTP slews it away; 0 is a step, −1 gives up",
            "ns",
            (_time("time"), _number("ppm", 500, 1)),
            moves.downtime,
        ),
        Spec("slew", "what a slew makes good in a time", "ns", (_time("time"), _number("ppm", 500, 1)), moves.slew),
        Spec(
            "stuck",
            "what a soft-lockup watchdog says of a stall; 0 is nothing",
            "s",
            (_time("stall"), _time("since", 0), _word("flag", "clear", "stopped")),
            moves.stuck,
        ),
        Spec(
            "skew",
            "what a clocksource watchdog finds in an interval",
            "ns",
            (_khz("calibrated_khz"), _khz("true_khz"), _word("kind", "classic", "modern")),
            moves.skew,
        ),
        Spec(
            "sleep",
            "a sleep on a host whose timer is coarse",
            "ns",
            (_time("asked"), _time("granularity"), _time("phase", 0)),
            _sleep,
        ),
        Spec(
            "lost",
            "ticks lost while nothing can be delivered",
            "ticks",
            (_time("start"), _time("out"), _number("hz", least=1), _word("latch", "latch", "nolatch")),
            _lost,
        ),
        Spec(
            "rtcslew",
            "how long QEMU's RTC takes to make up for missed ticks",
            "clocks",
            (_number("period", least=1), _number("missed")),
            _rtcslew,
        ),
        Spec("cycles", "TSC cycles in a time", "cycles", (_time("time"), _KHZ), _cycles),
        Spec(
            "fair",
            "steal of busy vCPUs under a fair scheduler",
            "ns",
            (_number("vcpus", least=1), _number("pcpus", least=1), _time("time", 10**9)),
            _fair,
        ),
        Spec(
            "latency",
            "ticks delivered to a vCPU that is in and out by turns",
            "ticks",
            (
                _time("period", least=1),
                _time("on", least=1),
                _time("off", least=1),
                _time("phase"),
                _time("time", 10**9),
                _number("seed", 0),
                _word("latch", "latch", "nolatch"),
            ),
            _latency,
        ),
        Spec("sched", "the scheduler's clock", "ns", (_time("wall"), _time("steal")), _sched),
    )
}
"""Every probe by its name."""
