"""`os`: a guest's operating system, and how it keeps time."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import click

from timerlab.command import Command
from timerlab.commands.io import Access, Tried
from timerlab.commands.verb import VcpuType, Words, fail, lacking, verb
from timerlab.conditions import near
from timerlab.devices.os_read import CLOCKS
from timerlab.devices.os_state import (
    CALIBRATIONS,
    CLOCKSOURCES,
    COMPENSATIONS,
    HANGS,
    WATCHDOGS,
    Options,
)
from timerlab.devices.words import Seen
from timerlab.errors import CommandError
from timerlab.machine import Machine
from timerlab.text import count, duration, moment, rate, signed
from timerlab.tokens import Token
from timerlab.units import Span, parse_number, parse_time

_FLAGS = {"no-kvmclock": ("kvmclock", False), "nolapic": ("nolapic", True), "nolapic_timer": ("nolapic_timer", True)}
_FLAGS |= {"tsc_reliable": ("tsc_reliable", True), "nosoftlockup": ("soft", False), "nohardlockup": ("hard", False)}
_CHOICES = {
    "clocksource": CLOCKSOURCES,
    "watchdog": WATCHDOGS,
    "calibration": CALIBRATIONS,
    "compensate": COMPENSATIONS,
}
_TIMES = ("window", "late")
_KEYS = ("hz", "source", *_CHOICES, *_TIMES)
_PICS = (
    *((0x20, 0x11), (0x21, 0x20), (0x21, 0x04), (0x21, 0x01)),
    *((0xA0, 0x11), (0xA1, 0x28), (0xA1, 0x02), (0xA1, 0x01)),
)
"""What a PC's kernels write to the 8259s: vectors 20h and 28h."""
_HPET_ON = (0xFED0_0010, 1)
"""ENABLE_CNF."""
_DEFAULT = Options()
_WINDOW, _NO_TIME, _POLL = Span(_DEFAULT.window), Span(0), Span(64_000_000_000)
_WATCH = {"soft": "watchdog soft", "hard": "watchdog hard"}
_WANTS = "boot, calibrate, ntp, compensate, watchdog, clocksource, hang, disturb, read"


def _drift(machine: Machine, clock: str) -> str:
    ns = machine.board.os.ns(clock, machine.now)
    return "" if ns is None else f"{signed(ns - (machine.now - machine.board.os.state.boot))} ns against true time"


@dataclass(frozen=True, slots=True)
class OsBoot(Tried):
    """The system boots."""

    options: Options
    setup: bool = False
    """Whether it programs the 8259s, PIT channel 0 and the HPET's counter first, as kernels do."""

    def text(self) -> str:
        said = ["os boot setup"] if self.setup else ["os boot"]
        for field in fields(Options):
            value = getattr(self.options, field.name)
            if value == getattr(_DEFAULT, field.name):
                continue
            flag = next((flag for flag, given in _FLAGS.items() if given == (field.name, value)), None)
            said.append(flag or f"{field.name} {Span(value) if field.name in _TIMES else value}")
        return " ".join(said)

    def apply(self, machine: Machine) -> None:
        if self.setup:
            count = round(machine.config.hz / self.options.hz)
            if count >= 1 << 16:
                raise ValueError(f"hz {self.options.hz} is too slow for the PIT: 19 or more")
            for port, byte in (*_PICS, (0x43, 0x34), (0x40, count & 0xFF), (0x40, count >> 8)):
                machine.write(port, byte)
            machine.store(*_HPET_ON)
        machine.host_act(lambda: machine.board.os.boot(machine.now, self.options))

    def words(self, machine: Machine, value: int | None, before: Seen) -> str:
        state = machine.board.os.state
        said = f"boots, ticks are {state.source} at {state.options.hz} Hz"
        if state.cal_end is not None:
            return f"{said}; TSC against {state.options.calibration} until {moment(state.cal_end)}"
        return f"{said}; TSC {rate(state.khz * 1000)} by {state.options.calibration}, clocksource {state.current}"


@dataclass(frozen=True, slots=True)
class OsCalibrate(Tried):
    """The TSC is calibrated again."""

    against: str
    window: Span = _WINDOW
    late: Span = _NO_TIME

    def text(self) -> str:
        late = f" {self.late}" if self.late.amount else ""
        return f"os calibrate {self.against} {self.window}{late}"

    def apply(self, machine: Machine) -> None:
        os = machine.board.os
        machine.host_act(lambda: os.calibrate(machine.now, self.against, self.window.amount, self.late.amount))

    def words(self, machine: Machine, value: int | None, before: Seen) -> str:
        end = machine.board.os.state.cal_end
        return f"TSC against {self.against} until {moment(end)}" if end is not None else "calibrated"


@dataclass(frozen=True, slots=True)
class OsNtp(Tried):
    """NTP on or off."""

    on: bool
    poll: Span = _POLL

    def text(self) -> str:
        return f"os ntp on {self.poll}" if self.on else "os ntp off"

    def apply(self, machine: Machine) -> None:
        machine.host_act(lambda: machine.board.os.discipline(machine.now, self.on, self.poll.amount))

    def words(self, machine: Machine, value: int | None, before: Seen) -> str:
        return f"NTP polls each {duration(self.poll.amount)}" if self.on else "NTP lets the clock run"


@dataclass(frozen=True, slots=True)
class OsTurn(Tried):
    """`os compensate`, `os watchdog`, `os clocksource`: a word that is set."""

    what: str
    value: str

    def text(self) -> str:
        return f"os {_WATCH.get(self.what, self.what)} {self.value}"

    def apply(self, machine: Machine) -> None:
        os, now = machine.board.os, machine.now
        acts = {
            "compensate": lambda: os.compensate(now, self.value),
            "watchdog": lambda: os.watch(self.value),
            "soft": lambda: os.detectors(soft=self.value == "on"),
            "hard": lambda: os.detectors(hard=self.value == "on"),
            "clocksource": lambda: os.choose(now, self.value),
        }
        machine.host_act(acts[self.what])

    def words(self, machine: Machine, value: int | None, before: Seen) -> str:
        if self.what == "clocksource":
            return f"system clock by {self.value}, {_drift(machine, 'system')}"
        return f"{self.what} {self.value}"


@dataclass(frozen=True, slots=True)
class OsHang(Tried):
    """A vCPU hangs in a loop of the kernel's, or gets out of it."""

    vcpu: int
    loop: str

    def text(self) -> str:
        return f"os hang v{self.vcpu} {self.loop}"

    def apply(self, machine: Machine) -> None:
        machine.host_act(lambda: machine.board.os.hang(self.vcpu, machine.now, self.loop))

    def words(self, machine: Machine, value: int | None, before: Seen) -> str:
        how = {"none": "goes on", "preempt": "loops with preemption off", "irq": "loops with interrupts off"}
        return f"v{self.vcpu} {how[self.loop]}"


@dataclass(frozen=True, slots=True)
class OsDisturb(Tried):
    """The next check of the clocksource watchdog is disturbed between its two reads."""

    span: Span

    def text(self) -> str:
        return f"os disturb {self.span}"

    def apply(self, machine: Machine) -> None:
        machine.host_act(lambda: machine.board.os.disturb(self.span.amount))

    def words(self, machine: Machine, value: int | None, before: Seen) -> str:
        return f"the next check reads the TSC {duration(self.span.amount)} after its reference"


@dataclass(frozen=True, slots=True)
class OsRead(Access):
    """A program of the guest reads a clock."""

    clock: str

    def text(self) -> str:
        return f"os read {self.clock}"

    def check(self, machine: Machine) -> None:
        machine.board.os.read(self.clock, machine.now)

    def apply(self, machine: Machine) -> int:
        ns: int = machine.board.os.read(self.clock, machine.now)
        return ns

    def words(self, machine: Machine, value: int | None, before: Seen) -> str:
        assert value is not None
        why = machine.board.os.why(self.clock, machine.now)
        return f"{count(value)} ns since boot, {_drift(machine, self.clock)}: {why}"


# -- the words


def _one_of(token: Token, allowed: tuple[str, ...], what: str) -> str:
    if token.lower() not in allowed:
        guess = near(token, allowed)
        hint = f"  Did you mean {guess} ?" if guess else ""
        fail(f"{token} is no {what}: {', '.join(allowed)}{hint}", token, guess)
    return str(token.lower())


def _span(token: Token, words: Words) -> Span:
    try:
        span = parse_time(token, words.clocks)
    except ValueError as error:
        fail(str(error), token)
    if span.clock is not None:
        fail(f"{token} counts clocks: write a time, 10ms", token)
    return span


def _options(tokens: list[Token], words: Words) -> Options:
    """The kernel's command line: flags, and keys with values (`hz 1000` or `hz=1000`)."""
    given: dict[str, Any] = {}
    apart: list[Token] = []
    for token in tokens:
        key, equals, value = token.partition("=")
        apart.append(Token(key, token.column))
        if equals and value:
            apart.append(Token(value, token.column + len(key) + 1))
    rest = iter(token for token in apart if token)
    for token in rest:
        if token.lower() in _FLAGS:
            name, flag = _FLAGS[token.lower()]
            given[name] = flag
            continue
        key = _one_of(token, (*_KEYS, *_FLAGS), "option")
        value_of = next(rest, None)
        if value_of is None:
            raise CommandError(f"{key} wants a value after it", token.column + len(token), incomplete=True)
        if key in _CHOICES:
            given[key] = _one_of(value_of, _CHOICES[key], key)
        elif key in _TIMES:
            given[key] = _span(value_of, words).amount
        elif key == "source":
            if value_of != "auto" and value_of not in words.lines:
                fail(f"{value_of} is no line that ticks: irq.0, irq.8, lapic0.timer", value_of)
            given[key] = str(value_of)
        else:
            try:
                given[key] = parse_number(value_of)
            except ValueError as error:
                fail(str(error), value_of)
    options = Options(**given)
    try:
        options.check()
    except ValueError as error:
        fail(str(error), tokens[0] if tokens else Token("os", words.end))
    return options


def _need(tokens: list[Token], least: int, most: int, usage: str) -> None:
    if len(tokens) - 1 < least:
        last = tokens[-1]
        raise CommandError(f"a word is missing: {usage}", last.column + len(last), incomplete=True)
    if len(tokens) - 1 > most:
        fail(f"{tokens[most + 1]} is one word too many: {usage}", tokens[most + 1])


@verb(
    "os boot [setup] [OPTION ...] | calibrate | ntp | compensate | watchdog | clocksource | hang | disturb | read",
    examples=(
        "os boot",
        "os boot setup",
        "os boot hz 250 clocksource tsc calibration hpet",
        "os ntp on",
        "os read system",
    ),
    completes=("os",) * 16,
)
@click.argument("what", nargs=-1, type=click.UNPROCESSED)
@click.pass_context
def os_(ctx: click.Context, what: tuple[Token, ...]) -> Command:
    """A guest operating system that keeps time: boot calibrate ntp compensate watchdog clocksource hang disturb read.

    `os boot setup` programs the 8259s, PIT channel 0 and the HPET's counter first. `os boot` takes the kernel's
    options: hz N, source LINE, clocksource, no-kvmclock, nolapic, nolapic_timer, watchdog off|classic|modern,
    tsc_reliable, nosoftlockup, nohardlockup, calibration pit|hpet|pm|cpuid|kvm, window TIME, late TIME, compensate
    off|right|buggy.

    `os calibrate KIND [WINDOW] [LATE]`, `os ntp on [POLL] | off`, `os compensate off|right|buggy`, `os watchdog
    off|classic|modern`, `os watchdog soft|hard on|off`, `os clocksource NAME`, `os hang vN none|preempt|irq`, `os
    disturb TIME`, `os read CLOCK`.
    """
    words: Words = ctx.obj
    if not what:
        lacking(f"os wants a word after it: {_WANTS}", ctx)
    tokens = list(what)
    match _one_of(tokens[0], tuple(_WANTS.split(", ")), "os command"):
        case "boot":
            rest = [token for token in tokens[1:] if token.lower() != "setup"]
            return OsBoot(_options(rest, words), len(rest) < len(tokens) - 1)
        case "calibrate":
            _need(tokens, 1, 3, "os calibrate pit|hpet|pm [WINDOW] [LATE]")
            kind = _one_of(tokens[1], ("pit", "hpet", "pm"), "calibration")
            return OsCalibrate(kind, *(_span(token, words) for token in tokens[2:]))
        case "ntp":
            _need(tokens, 1, 2, "os ntp on [POLL] | off")
            on = _one_of(tokens[1], ("on", "off"), "state") == "on"
            if not on:
                _need(tokens, 1, 1, "os ntp off")
            return OsNtp(on, *(_span(token, words) for token in tokens[2:]))
        case "compensate":
            _need(tokens, 1, 1, "os compensate off|right|buggy")
            return OsTurn("compensate", _one_of(tokens[1], COMPENSATIONS, "compensation"))
        case "watchdog":
            _need(tokens, 1, 2, "os watchdog off|classic|modern, os watchdog soft|hard on|off")
            kind = _one_of(tokens[1], (*WATCHDOGS, "soft", "hard"), "watchdog")
            if kind in WATCHDOGS:
                _need(tokens, 1, 1, f"os watchdog {kind}")
                return OsTurn("watchdog", kind)
            _need(tokens, 2, 2, f"os watchdog {kind} on|off")
            return OsTurn(kind, _one_of(tokens[2], ("on", "off"), "state"))
        case "clocksource":
            _need(tokens, 1, 1, "os clocksource NAME")
            return OsTurn("clocksource", _one_of(tokens[1], CLOCKSOURCES[1:], "clocksource"))
        case "hang":
            _need(tokens, 2, 2, "os hang vN none|preempt|irq")
            return OsHang(VcpuType().convert(tokens[1], None, ctx), _one_of(tokens[2], HANGS, "hang"))
        case "disturb":
            _need(tokens, 1, 1, "os disturb TIME")
            return OsDisturb(_span(tokens[1], words))
        case _:
            _need(tokens, 1, 1, "os read CLOCK")
            return OsRead(_one_of(tokens[1], CLOCKS, "clock"))
