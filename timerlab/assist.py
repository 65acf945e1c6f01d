"""What helps while typing: the line decoded, what it would do, and how it may go on.

Nothing here changes the session: trials run on a copy of its machine.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from timerlab.command import Command, Entry, Instant, Long, Styled
from timerlab.commands import Verb, group, parse
from timerlab.commands.cpu import Rdmsr
from timerlab.commands.io import Access, In, Reset
from timerlab.commands.memory import ReadMemory
from timerlab.commands.script import Expect, ExpectResult, ReplayTrace
from timerlab.commands.time import Rate, Skip, Step, Until, rate_words
from timerlab.completions import host_words
from timerlab.conditions import near
from timerlab.devices.pit_regs import COMMAND, MODES, RW_SHORT, SC_SHORT
from timerlab.errors import CommandError
from timerlab.explain import Trial, register_of, trial_of, tried
from timerlab.index import presets
from timerlab.machine import Machine
from timerlab.quirks import PROFILES, QUIRKS
from timerlab.regs import Reg
from timerlab.text import moment
from timerlab.tokens import split, strip_comment

if TYPE_CHECKING:
    from timerlab.session import Session

MOST = 64
"""How many completions are offered."""

TRIAL_STEPS = 500
"""How far `until` is tried out while it is typed."""


@dataclass(slots=True)
class Decode:
    """A line that is being typed: what is wrong with it, or what it says and what it would do."""

    error: CommandError | None = None
    value: list[Styled] = field(default_factory=list)
    then: list[Styled] = field(default_factory=list)
    usage: str = ""


@dataclass(frozen=True, slots=True)
class Completion:
    """A whole new line, and what it means."""

    text: str
    help: str


# -- decoding


def decode(session: Session, text: str) -> Decode:
    """What the line says so far, and what it would do in the present state."""
    tokens = split(strip_comment(text))
    verb = group.commands.get(tokens[0].lower()) if tokens else None
    usage = verb.usage if isinstance(verb, Verb) else ""
    try:
        action = parse(text, session.words)
    except CommandError as error:
        if not error.incomplete:
            return Decode(error, usage=usage)
        about = (verb.help or "").splitlines()[0] if verb is not None else "help lists the commands"
        wants, _, form = error.message.partition(": ")
        if form != usage and form.startswith(f"{tokens[0].lower()} "):  # it knows better what is wanted here
            usage, about = form, wants
        return Decode(None, [(usage, "text"), ("  " if usage else "", "text"), (about, "label")], usage=usage)
    if action is None:
        return Decode()
    value, then = _decoded(session, action)
    if not value and isinstance(verb, Verb):
        value = [((verb.help or "").splitlines()[0], "label")]
    return Decode(None, value, then, usage)


def _decoded(session: Session, action: Command) -> tuple[list[Styled], list[Styled]]:
    machine = session.machine
    match action:
        case Reset():
            return [], _then(tried(machine, action).text)
        case Access():
            return _access(machine, action)
        case Skip(span):
            to = span.after(machine.now, machine.board.clocks)
            return [("to ", "label"), (moment(to), "strong")], _then(_tried(machine, action, session.horizon))
        case Step() | Expect() | ExpectResult():
            return [], _then(_tried(machine, action, session.horizon))
        case Until():
            return [("until ", "label"), (str(action.condition), "text")], _then(
                _sought(machine, action, session.horizon)
            )
        case Rate(rate):
            return [(rate_words(rate), "text")], []
        case ReplayTrace():
            return [("plays the accesses of a trace at their times and compares every read", "label")], []
    return [], []


def _access(machine: Machine, action: Access) -> tuple[list[Styled], list[Styled]]:
    """An access: the fields of what it writes and the effect, or the register that it reads and what that gives."""
    found, result = register_of(machine, action), tried(machine, action)
    if isinstance(action, (In, ReadMemory, Rdmsr)):
        what = found[0].title if found is not None else "no register"
        said, _, words = result.text.partition("  ")
        return [(what, "label")], [("then  ", "label"), (said, "strong"), (f"  {words}", "text")]
    fields = []
    if found is not None and len(found[0].layout(found[1]).fields) > 1 and found[0].width <= 32:
        fields = _fields(*found)
    if not fields:
        return [(result.text, "text")], []
    return fields, _then(_without_head(result.text))


def _then(words: str) -> list[Styled]:
    return [("then  ", "label"), (words, "text")] if words else []


def _without_head(effect: str) -> str:
    """The effect of a control word without the part that repeats its fields."""
    return effect.partition("; ")[2] if effect.startswith("ch ") else effect


def _fields(reg: Reg, value: int) -> list[Styled]:
    """`B6h = SC 10 ch 2  RW 11 lo/hi  M 011 square wave  BCD 0`."""
    spans: list[Styled] = [(f"{value:0{reg.width // 4}X}", "strong"), ("h =", "label")]
    for one in reg.layout(value).fields:
        if one.access == "rsvd":
            continue
        if one.width == 1 and len(reg.layout(value).fields) > 5:
            name = one.name if one.of(value) else one.name.lower()
            spans.append((" " + name, "strong" if one.of(value) else "label"))
            continue
        spans += [(f" {one.name} ", "label"), (one.bits(value), "text")]
        brief = one.brief(value)
        if brief and one.name != "BCD":
            spans.append((f" {brief} ", "text"))
    return spans


def _tried(machine: Machine, action: Instant, horizon: int) -> str:
    """What an instant command says when it is tried on a copy."""
    trial = cast("Session", Trial(trial_of(machine), horizon))
    try:
        return action.run(trial).text
    except CommandError as error:
        return error.message


def _sought(machine: Machine, action: Long, horizon: int) -> str:
    """What a search says when it is tried on a copy, if it takes few steps."""
    trial = cast("Session", Trial(trial_of(machine), horizon))
    work = action.work(trial, Entry(0, machine.now, machine.now, action), None)
    try:
        next(work)
        work.send(TRIAL_STEPS)
    except StopIteration as end:
        return str(end.value.text)
    return "a search of many steps"


# -- completion


def complete(session: Session, text: str) -> list[Completion]:
    """How the line may go on, best first."""
    tokens = split(text)
    fresh = not text or text[-1].isspace()
    if not tokens or (len(tokens) == 1 and not fresh):
        word = tokens[0].lower() if tokens else ""
        found = [
            Completion(name, _first(verb)) for name, verb in sorted(group.commands.items()) if name.startswith(word)
        ]
        return [] if len(found) == 1 and found[0].text == word else found
    verb = group.commands.get(tokens[0].lower())
    if not isinstance(verb, Verb) or not verb.completes:
        return []
    part = "" if fresh else tokens[-1]
    index = len(tokens) - 1 - (not fresh)
    kind = verb.completes[min(index, len(verb.completes) - 1)]
    if index >= len(verb.completes) and kind not in ("condition", "explain"):
        return []
    head = text[: len(text) - len(part)]
    done = [str(token).lower() for token in (tokens if fresh else tokens[:-1])]
    options = [(name, about) for name, about in _options(session, kind, done) if name.lower().startswith(part.lower())]
    if len(options) == 1 and options[0][0] == part:
        return []
    return [Completion(head + name, about) for name, about in options[:MOST]]


def _first(verb: Any) -> str:
    return str((verb.help or "").splitlines()[0]) if verb.help else ""


def _options(session: Session, kind: str, done: list[str]) -> Iterator[tuple[str, str]]:
    """(word, what it is) for a kind of argument, `done` being the words before it."""
    words = session.words
    match kind:
        case "port":
            yield from _ports(words.regs)
        case "value":
            if done[1:2] in (["43h"], ["pit.cmd"]):
                yield from _control_words()
            if done[1:2] in (["61h"], ["port61"]):
                yield from (
                    ("03h", "speaker on: gate and data"),
                    ("01h", "gate 2 on, speaker off"),
                    ("00h", "both off"),
                )
        case "line":
            yield from ((line, "next edge of it") for line in words.lines)
            yield "5pit", "five clocks of the PIT"
        case "condition":
            yield from _condition_words(session, done)
        case "peek":
            yield from ((name, "") for name in ("pit.ch0", "pit.ch1", "pit.ch2", "port61", "irq.0"))
            yield from ((name, "") for name in words.peeks)
        case "time":
            yield from (
                ("1us", ""),
                ("1ms", ""),
                ("10ms", ""),
                ("1s", ""),
                ("1min", ""),
                ("1day", ""),
                ("1y", ""),
                ("100pit", "PIT clocks"),
            )
        case "rate":
            yield from (
                ("1", "real time"),
                ("1/1000", "a thousandth"),
                ("1pit/s", "one PIT clock a second"),
                ("10ms/s", ""),
                ("1000", ""),
            )
            yield from (("carry_on", "leave slept time out"), ("catch_up", "make slept time up"))
        case "preset":
            yield from ((preset.name, preset.title) for preset in presets())
            yield from _files(session, ".timerlab")
        case "trace":
            yield from _files(session, ".trace.gz")
            yield from (("--paced", "at the session's rate"), ("--skip-bad", "pass over bad lines"))
        case "topic":
            yield from topics()
        case "register":
            yield from ((reg.name, reg.title) for reg in words.regs)
        case "address":
            yield from ((reg.name, reg.title) for reg in words.regs if reg.space in ("mem", "lapic"))
        case "msr":
            yield from ((reg.name, reg.title) for reg in words.regs if reg.space in ("msr", "lapic"))
        case "cmos":
            ram = (reg for reg in words.regs if reg.space == "cmos" and reg.address > 0x0D)
            yield from ((f"{reg.address:02x}h", reg.title) for reg in ram)
        case "vcpu":
            yield from ((f"v{vcpu}", f"vCPU {vcpu}") for vcpu in range(words.vcpus))
        case "irq":
            yield from ((line.rpartition(".")[2], line) for line in words.lines if line.startswith(("irq.", "pin.")))
        case "nmi":
            yield from (("iochk", "a card's error"), ("serr", "a board's error"))
        case "battery":
            yield "fail", "VRT is 0 until register D is read"
        case "level":
            yield from (("1", "pull it up"), ("0", "let it go"))
        case "leaf":
            yield from (("1", "APIC ID, features"), ("15h", "TSC and crystal"), ("80000007h", "invariant TSC"))
        case "explain":
            if len(done) == 1:
                yield from ((reg.name, reg.title) for reg in words.regs)
                yield from ((name, quirk.about) for name, quirk in QUIRKS.items())
                yield from ((name, profile.about) for name, profile in PROFILES.items())
                yield from ((name, _first(verb)) for name, verb in sorted(group.commands.items()))
                yield from ((name, peek.about) for name, peek in session.machine.board.abouts.items())
            elif done[1:] == ["tsc"]:
                yield from ((str(vcpu), f"how the TSC of vCPU {vcpu} comes about") for vcpu in range(words.vcpus))
            elif done[-1] == "as":
                yield from ((reg.name, reg.title) for reg in words.regs)
        case _:
            yield from host_words(session, kind, done)


def _ports(regs: Any) -> Iterator[tuple[str, str]]:
    for reg in regs:
        if reg.space == "io" and reg.address >= 0:
            yield f"{reg.address:02x}h", f"{reg.name}, {reg.title}"
    for reg in regs:
        if reg.space == "io" and reg.address >= 0:
            yield reg.name, f"port {reg.address:X}h, {reg.title}"


def _control_words() -> Iterator[tuple[str, str]]:
    for channel in range(3):
        for mode in range(6):
            value = channel << 6 | 0x30 | mode << 1
            yield _typed(value), f"{SC_SHORT[channel]} {RW_SHORT[3]} mode {mode}, {MODES[mode]}"
    for channel in range(3):
        yield _typed(channel << 6), f"latch the count of ch {channel}"
    for channel in range(3):
        yield _typed(0xE0 | 2 << channel), f"read back the status of ch {channel}"
        yield _typed(0xC0 | 2 << channel), f"read back status and count of ch {channel}"


def _typed(value: int) -> str:
    return f"{value:02x}h"


def _condition_words(session: Session, done: list[str]) -> Iterator[tuple[str, str]]:
    last = done[-1]
    if last in ("rise", "fall"):
        yield from ((line, "") for line in session.lines())
    elif last in ("until", "expect"):
        yield from (("rise", "the line goes up"), ("fall", "the line goes down"), ("at", "a moment"))
        if last == "expect":
            yield from (
                ("fault", "a command that faults"),
                ("refused", "one that makes no sense now"),
                ("inb", "what a read gives"),
            )
        seen = session.peeks()
        yield from ((name, f"now {'none' if value is None else value}") for name, value in seen.items())
    elif last in session.words.peeks and done[-2] not in ("rise", "fall"):
        yield from (("==", ""), ("!=", ""), ("<", ""), ("<=", ""), (">", ""), (">=", ""))


def _files(session: Session, suffix: str) -> Iterator[tuple[str, str]]:
    folder = Path(session.folder or ".")
    try:
        names = sorted(path.name for path in folder.iterdir() if path.name.endswith(suffix))
    except OSError:
        return
    yield from ((name, "file") for name in names)


# -- help


def topics() -> Iterator[tuple[str, str]]:
    """Everything that `help` knows, with a line each."""
    yield from ((name, _first(verb)) for name, verb in sorted(group.commands.items()))
    yield from (
        ("quirks", "all quirks and their values"),
        ("profiles", "datasheet, qemu"),
        ("registers", "all registers"),
    )
    yield from (("numbers", "how numbers and times are written"), ("conditions", "what until and expect take"))
    yield from ((reg, "") for reg in (COMMAND.name, "port61"))
    yield from ((name, quirk.about) for name, quirk in QUIRKS.items())


def nearest_topic(name: str) -> str | None:
    """The topic that was probably meant."""
    return near(name, [topic for topic, _ in topics()])
