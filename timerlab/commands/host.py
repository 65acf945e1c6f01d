"""`pstate cstate tstate socket spread plug suspend resync catchup`: what happens to the TSCs of the host."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import click

from timerlab.commands.io import Tried
from timerlab.commands.sched import PcpuType, ns_of, states
from timerlab.commands.verb import TimeType, ValueType, fail, verb
from timerlab.devices.host import MAX_PPM, SPREAD_NS, SYNCS
from timerlab.devices.host_core import MAX_KHZ
from timerlab.devices.host_pcpu import SLEEPS
from timerlab.devices.words import Seen
from timerlab.machine import Machine
from timerlab.scaling import signed as signed_word
from timerlab.text import count, duration, plural, rate, signed
from timerlab.units import Span

SPREAD = Span(SPREAD_NS)
_THOUSANDTHS = 1000
_PERCENT = re.compile(r"[0-9]{1,3}(\.[0-9]{1,3})?%?")


def _and(*said: str) -> str:
    """What is to be said of it, as far as there is something."""
    return "; ".join(one for one in said if one)


def _ghz(hz: Fraction | int) -> str:
    """A TSC's rate, to the kHz: `2.600 000 GHz`."""
    return rate(hz, 6)


def _tscs(machine: Machine, before: Seen) -> str:
    """The host processors whose TSCs jump now."""
    after, said = machine.peeks(), []
    for name in (name for name in before if name.startswith("host.p") and name.endswith(".tsc")):
        change = signed_word(after[name] - before[name])
        if change:
            said.append(f"TSC of {name.split('.')[1]} jumps by {signed(change)}")
    return ", ".join(said[:4]) + (f" and {len(said) - 4} more" if len(said) > 4 else "")


@dataclass(frozen=True, slots=True)
class Pstate(Tried):
    """A processor's core clock changes: now, or at a moment within `time` that software does not know."""

    pcpu: int
    khz: int
    time: Span | None = None

    def text(self) -> str:
        return f"pstate p{self.pcpu} {self.khz}" + (f" {self.time}" if self.time else "")

    def apply(self, machine: Machine) -> None:
        after = 0 if self.time is None else (ns_of(machine, self.time) + 1) // 2
        machine.host_act(lambda: machine.board.host.set_khz(self.pcpu, self.khz, machine.now, after))

    def words(self, machine: Machine, value: int | None, before: Seen) -> str:
        host = machine.board.host
        if host.rules.constant:
            return f"core clock {_ghz(self.khz * 1000)}; its TSC is constant, at {_ghz(host.khz(self.pcpu) * 1000)}"
        window = 0 if self.time is None else ns_of(machine, self.time)
        if window:
            low, high = host.interval(self.pcpu, self.khz, window)
            grows = f"in which it grows by {count(low)} to {count(high)} cycles"
            within = f"core clock and TSC {_ghz(self.khz * 1000)} within {duration(window)}"
            return f"{within}, {grows}; here the change is in the middle"
        return f"core clock and TSC run at {_ghz(self.khz * 1000)}"


@dataclass(frozen=True, slots=True)
class Cstate(Tried):
    """A processor sleeps, until it is woken or for `time`; c0 wakes it."""

    pcpu: int
    sleep: str
    time: Span | None = None

    def text(self) -> str:
        return f"cstate p{self.pcpu} {self.sleep}" + (f" {self.time}" if self.time else "")

    def apply(self, machine: Machine) -> None:
        host = machine.board.host
        if self.sleep == "c0":
            if self.time is not None:
                raise ValueError(f"c0 is awake, it takes no time: cstate p{self.pcpu} c0")
            machine.host_act(lambda: host.wake(self.pcpu, machine.now))
            return
        until = None if self.time is None else machine.now + ns_of(machine, self.time)
        machine.host_act(lambda: host.sleep(self.pcpu, self.sleep, machine.now, until))

    def words(self, machine: Machine, value: int | None, before: Seen) -> str:
        host = machine.board.host
        if self.sleep == "c0":
            missing = host.missing(self.pcpu, machine.now)
            lacks = f", its TSC misses {plural(missing, 'cycle')}: catchup p{self.pcpu}" if missing else ""
            return f"p{self.pcpu} works{lacks}"
        hz = machine.peek(f"host.p{self.pcpu}.hz")
        runs = f"its TSC counts on at {_ghz(hz)}" if hz else "its TSC stands"
        until = f"for {duration(ns_of(machine, self.time))}" if self.time else f"until cstate p{self.pcpu} c0"
        return f"p{self.pcpu} sleeps in {self.sleep.upper()} {until}, {runs}"


@dataclass(frozen=True, slots=True)
class Tstate(Tried):
    """A processor's clock is throttled to `thousandths` of its time; 1000 ends it."""

    pcpu: int
    thousandths: int

    def text(self) -> str:
        return f"tstate p{self.pcpu} {self.percent}"

    @property
    def percent(self) -> str:
        """As it is typed."""
        whole, part = divmod(self.thousandths, 10)
        return f"{whole}.{part}" if part else str(whole)

    def apply(self, machine: Machine) -> None:
        duty = Fraction(self.thousandths, _THOUSANDTHS)
        machine.host_act(lambda: machine.board.host.throttle(self.pcpu, duty, machine.now))

    def words(self, machine: Machine, value: int | None, before: Seen) -> str:
        hz = _ghz(machine.peek(f"host.p{self.pcpu}.hz"))
        if self.thousandths == _THOUSANDTHS:
            return f"p{self.pcpu} is not throttled, its TSC runs at {hz}"
        return f"p{self.pcpu} is throttled to {self.percent} %, its TSC runs at {hz} on the average"


@dataclass(frozen=True, slots=True)
class Package(Tried):
    """The crystal of a package is so many ppm off."""

    socket: int
    ppm: int

    def text(self) -> str:
        return f"socket {self.socket} {self.ppm}"

    def apply(self, machine: Machine) -> None:
        machine.host_act(lambda: machine.board.host.set_ppm(self.socket, self.ppm, machine.now))

    def words(self, machine: Machine, value: int | None, before: Seen) -> str:
        who = [f"p{p}" for p in range(machine.board.host.count) if machine.board.host.socket(p) == self.socket]
        hz = machine.peek(f"host.{who[0]}.hz")
        return f"crystal of socket {self.socket} {signed(self.ppm)} ppm: TSC of {', '.join(who[:4])} at {count(hz)} Hz"


@dataclass(frozen=True, slots=True)
class Spread(Tried):
    """The clock of a package swings down by so many ppm."""

    socket: int
    ppm: int
    period: Span = SPREAD

    def text(self) -> str:
        return f"spread {self.socket} {self.ppm}" + (f" {self.period}" if self.period != SPREAD else "")

    def apply(self, machine: Machine) -> None:
        period = ns_of(machine, self.period)
        machine.host_act(lambda: machine.board.host.spread(self.socket, self.ppm, machine.now, period))

    def words(self, machine: Machine, value: int | None, before: Seen) -> str:
        if not self.ppm:
            return f"the clock of socket {self.socket} is not spread"
        period = duration(ns_of(machine, self.period))
        mean = f"{self.ppm // 2}{'.5' if self.ppm % 2 else ''}"
        swing = f"swings down by {self.ppm} ppm every {period}"
        return f"the clock of socket {self.socket} {swing}: {mean} ppm slow in the mean"


@dataclass(frozen=True, slots=True)
class Plug(Tried):
    """A processor is plugged in."""

    pcpu: int
    sync: str

    def text(self) -> str:
        return f"plug p{self.pcpu} {self.sync}"

    def apply(self, machine: Machine) -> None:
        machine.host_act(lambda: machine.board.host.plug(self.pcpu, machine.now, self.sync))

    def words(self, machine: Machine, value: int | None, before: Seen) -> str:
        host, now = machine.board.host, machine.now
        behind = signed_word(host.tsc(0, now) - host.tsc(self.pcpu, now))
        skew = f"{signed(-behind)} cycles off p0" if behind else "level with p0"
        return _and(f"p{self.pcpu} starts, its TSC is {skew}", states(machine, before))


@dataclass(frozen=True, slots=True)
class Suspend(Tried):
    """The host is suspended to memory."""

    time: Span

    def text(self) -> str:
        return f"suspend {self.time}"

    def apply(self, machine: Machine) -> None:
        machine.host_act(lambda: machine.board.hosting.suspend(ns_of(machine, self.time), machine.now))

    def words(self, machine: Machine, value: int | None, before: Seen) -> str:
        slept = duration(machine.board.host.state.suspended_ns - before["host.suspended_ns"])
        return _and(f"the host was suspended for {slept}, its TSCs start again at 0", states(machine, before))


@dataclass(frozen=True, slots=True)
class Resync(Tried):
    """All host TSCs are written with that of p0."""

    residue: int = 0

    def text(self) -> str:
        return "resync" + (f" {self.residue}" if self.residue else "")

    def apply(self, machine: Machine) -> None:
        machine.host_act(lambda: machine.board.host.resync(machine.now, self.residue))

    def words(self, machine: Machine, value: int | None, before: Seen) -> str:
        return _and(_tscs(machine, before) or "no TSC changes", states(machine, before))


@dataclass(frozen=True, slots=True)
class CatchUp(Tried):
    """A TSC is given the cycles that it misses; how many they are is the value."""

    pcpu: int

    def text(self) -> str:
        return f"catchup p{self.pcpu}"

    def apply(self, machine: Machine) -> int:
        found: list[int] = []
        machine.host_act(lambda: found.append(machine.board.host.catch_up(self.pcpu, machine.now)))
        return found[0]

    def words(self, machine: Machine, value: int | None, before: Seen) -> str:
        return _and(_tscs(machine, before) or f"p{self.pcpu} misses no cycle", states(machine, before))


class PercentType(click.ParamType[int]):
    """A share in percent, to a tenth: `50`, `12.5`."""

    name = "percent"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """The share in thousandths."""
        if isinstance(value, int):
            return value
        share = Fraction(value.rstrip("%")) * 10 if _PERCENT.fullmatch(value) else Fraction(0)
        if share.denominator != 1 or not 0 < share <= _THOUSANDTHS:
            fail(f"{value} is no share: 0.1 to 100 percent", value)
        return int(share)


@verb("pstate pN KHZ [TIME]", examples=("pstate p0 1300000", "pstate p0 1300000 10ms"), completes=("pcpu", "", "time"))
@click.argument("pcpu", type=PcpuType())
@click.argument("khz", type=click.IntRange(1, MAX_KHZ))
@click.argument("time", type=TimeType(), required=False)
def pstate(pcpu: int, khz: int, time: Span | None) -> Pstate:
    """Put the core clock of a host processor to so many kHz. Its TSC follows with constant_tsc=no. With a time the
    change comes at a moment within it that software does not know.
    """
    return Pstate(pcpu, khz, time)


@verb(
    "cstate pN c0 | c1 | c1e | c3 [TIME]",
    examples=("cstate p0 c3 250ms", "cstate p0 c1"),
    completes=("pcpu", "cstate", "time"),
)
@click.argument("pcpu", type=PcpuType())
@click.argument("kind", type=click.Choice(("c0", *SLEEPS), case_sensitive=False))
@click.argument("time", type=TimeType(), required=False)
def cstate(pcpu: int, kind: str, time: Span | None) -> Cstate:
    """Let a host processor sleep for a time, or until c0 wakes it. With nonstop_tsc=no its TSC stands in c1e and c3."""
    return Cstate(pcpu, kind, time)


@verb("tstate pN PERCENT", examples=("tstate p0 50", "tstate p0 12.5", "tstate p0 100"), completes=("pcpu", ""))
@click.argument("pcpu", type=PcpuType())
@click.argument("percent", type=PercentType())
def tstate(pcpu: int, percent: int) -> Tstate:
    """Throttle a host processor: its clock runs in so many percent of the time, 100 ends it. With constant_tsc=no its
    TSC stands in the rest.
    """
    return Tstate(pcpu, percent)


@verb("socket N PPM", examples=("socket 0 50", "socket 0 -20"))
@click.argument("socket", type=click.IntRange(0, 63))
@click.argument("ppm", type=click.IntRange(-MAX_PPM, MAX_PPM))
def socket_(socket: int, ppm: int) -> Package:
    """Let the crystal of a package run so many millionths fast, or slow. The quirk sockets says how many there are."""
    return Package(socket, ppm)


@verb("spread N PPM [PERIOD]", examples=("spread 0 5000", "spread 0 0"), completes=("", "", "time"))
@click.argument("socket", type=click.IntRange(0, 63))
@click.argument("ppm", type=click.IntRange(0, MAX_PPM))
@click.argument("period", type=TimeType(), required=False, default=SPREAD)
def spread(socket: int, ppm: int, period: Span) -> Spread:
    """Spread the clock of a package: it swings down by so many millionths and up again, in a triangle, every 30 us
    unless told; 0 ends it.
    """
    return Spread(socket, ppm, period)


@verb("plug pN none | copy | adjust", examples=("plug p1 none",), completes=("pcpu", "plug"))
@click.argument("pcpu", type=PcpuType())
@click.argument("sync", type=click.Choice(SYNCS, case_sensitive=False))
def plug(pcpu: int, sync: str) -> Plug:
    """Plug in a host processor: its TSC starts at 0. Firmware leaves it so, or copies p0's TSC, or the kernel moves it
    there by TSC_ADJUST.
    """
    return Plug(pcpu, sync)


@verb("suspend TIME", examples=("suspend 1hr",), completes=("time",))
@click.argument("time", type=TimeType())
def suspend(time: Span) -> Suspend:
    """Suspend the host to memory (S3) and resume it. Virtual time stands meanwhile; its TSCs start again at 0."""
    return Suspend(time)


@verb("resync [RESIDUE]", examples=("resync", "resync -40"))
@click.argument("residue", type=ValueType(64, signed=True), required=False, default=0)
def resync(residue: int) -> Resync:
    """Write the TSC of p0 into those of all other host processors, with a residue of so many cycles."""
    return Resync(signed_word(residue))


@verb("catchup pN", examples=("catchup p0",), completes=("pcpu",))
@click.argument("pcpu", type=PcpuType())
def catchup(pcpu: int) -> CatchUp:
    """Add to the TSC of a host processor the cycles that it misses, measured with a clock that did not stop."""
    return CatchUp(pcpu)
