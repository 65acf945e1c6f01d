"""`v3`: the functions of Palacios' vmm_time.c by hand; `vmcall`: a hypercall of the guest's."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import NamedTuple

import click

from timerlab.commands.io import Tried
from timerlab.commands.memory import on_vcpu
from timerlab.commands.verb import ValueType, VcpuType, fail, lacking, verb
from timerlab.conditions import near
from timerlab.devices.palacios import Palacios
from timerlab.devices.palacios_peeks import timer_words
from timerlab.devices.words import Seen
from timerlab.machine import Machine
from timerlab.policy import Reply
from timerlab.text import count, hexa
from timerlab.units import parse_number, parse_time

Arg = int | str | None
Do = Callable[[Palacios, int, int, Sequence[Arg]], int | None]
WORD = (1 << 64) - 1


class Call(NamedTuple):
    """A function: what each of its words is (`?`: may be missing), whose state it is about, what it does."""

    takes: tuple[str, ...]
    about: str
    do: Do
    inside: bool = False
    """Whether it is about being in the guest, so that the core does not leave it for the call."""
    every: bool = False
    """Whether it is about all cores."""


def _number(one: Arg) -> int:
    assert isinstance(one, int)
    return one


def _maybe(one: Arg) -> int | None:
    return one if isinstance(one, int) else None


def _advance(p: Palacios, v: int, now: int, a: Sequence[Arg]) -> int:
    p.v3_time_advance_cycles(v, now, _maybe(a[0]))
    return p.cores[v].guest_cycles


def _exit(p: Palacios, v: int, now: int, a: Sequence[Arg]) -> int:
    core, cycles = p.cores[v], _maybe(a[0])
    if cycles is None and core.inside:
        cycles = (p.cpus[v].host_tsc(now) - core.entry_tsc) & WORD
    core.inside, core.at_ns = 0, now
    p.v3_time_exit_vm(v, now, cycles)
    return core.guest_cycles


def _skew(p: Palacios, v: int, _: int, a: Sequence[Arg]) -> int:
    amount = _number(a[0])
    if a[1] != "cycles":
        amount = amount * p.cores[v].guest_cpu_freq // 1_000_000
    p.set_skew(v, amount)
    return amount & WORD


def _done(_: object) -> None:
    """A call without a value."""


CALLS: Mapping[str, Call] = MappingProxyType(
    {
        "host_time": Call((), "the host's TSC", lambda p, v, now, _: p.cpus[v].host_tsc(now), inside=True),
        "guest_time": Call((), "guest_cycles", lambda p, v, *_: p.cores[v].guest_cycles, inside=True),
        "guest_tsc": Call((), "guest_cycles + tsc_guest_offset", lambda p, v, *_: p.cores[v].guest_tsc, inside=True),
        "start_time": Call((), "guest time starts at 0", lambda p, v, now, _: p.v3_start_time(v, now)),
        "advance": Call(("cycles?",), "guest_cycles to the present", _advance),
        "exit": Call(("cycles?",), "the core leaves the guest", _exit, inside=True),
        "enter": Call((), "the core enters the guest", lambda p, v, now, _: p.reenter(v, now), inside=True),
        "offset_time": Call(("signed",), "guest time moves", lambda p, v, _, a: p.v3_offset_time(v, _number(a[0]))),
        "skip_time": Call((), "time since the last advance is left out", lambda p, v, now, _: p.v3_skip_time(v, now)),
        "update_timers": Call((), "timers are told of the cycles", lambda p, v, *_: p.v3_update_timers(v)),
        "add_timer": Call(("name",), "a timer is told from now on", lambda p, v, _, a: p.v3_add_timer(v, str(a[0]))),
        "remove_timer": Call(("name",), "it is told no more", lambda p, v, _, a: p.v3_remove_timer(v, str(a[0]))),
        "rdtsc": Call((), "a trapped RDTSC", lambda p, v, *_: p.v3_handle_rdtsc(v) and p.cores[v].guest_tsc),
        "rdtscp": Call((), "a trapped RDTSCP", lambda p, v, *_: p.v3_handle_rdtscp(v) and p.cores[v].guest_tsc),
        "init_core": Call(("khz?",), "all time state 0", lambda p, v, _, a: p.v3_init_time_core(v, _maybe(a[0]))),
        "deinit_core": Call((), "its timers are gone", lambda p, v, *_: p.v3_deinit_time_core(v)),
        "init_vm": Call((), "MSRs and hypercalls are hooked", lambda p, *_: p.v3_init_time_vm(), every=True),
        "deinit_vm": Call((), "the hooks are removed", lambda p, *_: p.v3_deinit_time_vm(), every=True),
        "follow": Call(("switch",), "follow_host_time", lambda p, v, _, a: p.set_follow(a[0] == "on"), every=True),
        "khz": Call(("khz?",), "the khz option", lambda p, v, _, a: p.set_khz(v, _maybe(a[0]))),
        "ratio": Call(
            ("count", "count"), "the clock ratio", lambda p, v, _, a: p.set_ratio(v, _number(a[0]), _number(a[1]))
        ),
        "dilation": Call(
            ("count", "count"),
            "time dilation",
            lambda p, v, _, a: p.set_dilation(_number(a[0]), _number(a[1])),
            every=True,
        ),
        "trap": Call(("switch",), "bit 0 of time_flags", lambda p, v, _, a: p.set_trap(v, a[0] == "on")),
        "passthrough": Call(
            ("switch",), "TSC passthrough", lambda p, v, _, a: p.set_passthrough(a[0] == "on"), every=True
        ),
        "skew": Call(("time", "cycles?"), "guest time is off by so much", _skew),
        "bound": Call(
            ("count",), "skew taken back an exit", lambda p, v, _, a: p.set_skew_bound(_number(a[0])), every=True
        ),
        "sync": Call(
            (), "all guest TSCs are the foremost", lambda p, _, now, __: p.synchronize(now), inside=True, every=True
        ),
    }
)
"""What `v3` can call."""

_FORMS = {"cycles?": "[CYCLES]", "khz?": "[KHZ]", "signed": "CYCLES", "switch": "on|off", "name": "NAME",
          "count": "NUMBER", "time": "TIME|CYCLES cycles"}  # fmt: skip


MOST = 6
"""Changes that a result tells."""
_STAMPS = ("vm_pause_host_time", "vm_enter_host_time", "guest_tsc", "spread_ns", "skew_ns", "told_cycles", "told_khz")
"""What each exit and entry moves, or what says again what another value says."""
_STAMPED = ("start_time", "exit", "enter", "skip_time")
"""The calls that are about such stamps."""


def palacios_of(machine: Machine) -> Palacios:
    """The policy; ValueError where the machine has another one."""
    policy = machine.board.policy
    if not isinstance(policy, Palacios):
        raise ValueError(f"v3 needs policy=palacios, this machine has policy={policy.name}")
    return policy


@dataclass(frozen=True, slots=True)
class V3(Tried):
    """A function of Palacios' on a core."""

    call: str
    args: tuple[Arg, ...] = ()
    vcpu: int = 0

    def text(self) -> str:
        words = [str(one) for one in self.args if one is not None]
        where = "" if CALLS[self.call].every else on_vcpu(self.vcpu)
        return " ".join(["v3", self.call, *words]) + where

    def apply(self, machine: Machine) -> int | None:
        machine.check_vcpu(self.vcpu)
        policy, call, given = palacios_of(machine), CALLS[self.call], []
        now = machine.now

        def act() -> None:
            if call.inside:
                given.append(call.do(policy, self.vcpu, now, self.args))
            elif call.every:
                policy.all_by_hand(now, lambda: given.append(call.do(policy, self.vcpu, now, self.args)))
            else:
                policy.by_hand(self.vcpu, now, lambda: given.append(call.do(policy, self.vcpu, now, self.args)))

        machine.host_act(act)
        return None if given[0] is None else given[0] & WORD

    def words(self, machine: Machine, value: int | None, before: Seen) -> str:
        policy = palacios_of(machine)
        core = policy.cores[self.vcpu]
        match self.call:
            case "host_time" | "guest_time" | "guest_tsc":
                assert value is not None
                return f"{CALLS[self.call].about} = {count(value)}"
            case "rdtsc" | "rdtscp":
                got = policy.v3_handle_rdtscp(self.vcpu) if self.call == "rdtscp" else policy.v3_handle_rdtsc(self.vcpu)
                rcx = "" if got.rcx is None else f"  RCX {hexa(got.rcx, 16)}"
                total = f"{count(core.guest_cycles)} + {count(core.tsc_guest_offset)} = {count(core.guest_tsc)}"
                return f"RDX {hexa(got.rdx, 16)}  RAX {hexa(got.rax, 16)}{rcx}  RIP +{got.rip}  guest_cycles {total}"
            case "update_timers" if value is None:
                return f"cycles appear to have rolled over, no timer is called; last_update {count(core.last_update)}"
            case "update_timers":
                return "; ".join(timer_words(timer) for timer in core.timers) or "no timers"
            case "sync":
                return f"all guest TSCs are {count(core.guest_tsc)}, spread {count(policy.spread(machine.now))}"
        return self._changes(machine, before)

    def _changes(self, machine: Machine, before: Seen) -> str:
        """What it changed, of all that can be seen of the policy."""
        after = palacios_of(machine).peek(machine.now)
        own = f"policy.v{self.vcpu}."
        said = []
        for name, value in after.items():
            was, short = before.get(name), name.removeprefix(own).removeprefix("policy.")
            if was == value or "." in short or (short in _STAMPS and self.call not in _STAMPED):
                continue
            if isinstance(value, int) and isinstance(was, int):
                said.append(f"{short} {count(was)} → {count(value)}")
            else:
                said.append(f"{short} {value}")
        more = f" and {len(said) - MOST} more" if len(said) > MOST else ""
        return f"{CALLS[self.call].about}: " + ("; ".join(said[:MOST]) + more or "nothing changes")


@dataclass(frozen=True, slots=True)
class Vmcall(Tried):
    """A hypercall: number, and what the guest has in its argument registers."""

    number: int
    args: tuple[int, ...] = ()
    vcpu: int = 0

    def text(self) -> str:
        return " ".join([f"vmcall {self.number:x}h", *(f"{one:x}h" for one in self.args)]) + on_vcpu(self.vcpu)

    def apply(self, machine: Machine) -> int | None:
        machine.check_vcpu(self.vcpu)
        given: list[Reply | None] = []
        call = machine.board.policy.vmcall
        machine.host_act(lambda: given.append(call(self.vcpu, self.number, machine.now, self.args)))
        reply = given[0]
        return None if reply is None else reply.value

    def words(self, machine: Machine, value: int | None, before: Seen) -> str:
        if value is None:
            return f"hypercall {self.number:X}h is unhandled"
        return f"hypercall {self.number:X}h gives {hexa(value, 16)}, {count(value)}"


@verb(
    "v3 CALL [WORDS] [vN]",
    examples=("v3 advance", "v3 guest_time", "v3 exit 200000", "v3 dilation 1 2"),
    completes=("v3", "", "vcpu"),
)
@click.argument("call")
@click.argument("words", nargs=-1)
@click.pass_context
def v3(ctx: click.Context, call: str, words: tuple[str, ...]) -> V3:
    """Call a function of Palacios' vmm_time.c, or set what its configuration sets.

    host_time, guest_time, guest_tsc,
    start_time, advance, exit, enter, offset_time, skip_time, update_timers, add_timer, remove_timer, rdtsc, rdtscp,
    init_core, deinit_core, init_vm, deinit_vm, follow, khz, ratio, dilation, trap, passthrough, skew, bound, sync.

    A core that runs in the guest leaves it for the call and goes on after it; `v3 exit` takes it out until `v3 enter`.
    """
    name = call.lower()
    if name not in CALLS:
        guess = near(name, list(CALLS))
        fail(f"no call {call}: {', '.join(CALLS)}" + (f"  Did you mean {guess} ?" if guess else ""), call, guess)
    rest, vcpu = list(words), 0
    usage = " ".join(["v3", name, *(_FORMS[kind] for kind in CALLS[name].takes if _FORMS.get(kind)), "[vN]"])
    if rest and re.fullmatch(r"v\d+", rest[-1].lower()):
        vcpu = VcpuType().convert(rest.pop(), None, ctx)
    args: list[Arg] = []
    for kind in CALLS[name].takes:
        if name == "skew" and kind == "cycles?":
            args.append("cycles" if rest and rest[0].lower() == "cycles" and rest.pop(0) else None)
        elif not rest:
            if not kind.endswith("?"):
                lacking(f"{_FORMS.get(kind) or kind.upper()} is missing: {usage}", ctx)
            args.append(None)
        else:
            args.append(_word(kind, rest, name))
    if rest:
        fail(f"{rest[0]} is one word too many: {usage}", rest[0])
    return V3(name, tuple(args), vcpu)


def _word(kind: str, rest: list[str], name: str) -> Arg:
    """A word as what it is to be."""
    word = rest.pop(0)
    match kind:
        case "switch":
            if word.lower() not in ("on", "off"):
                fail(f"{name} is on or off, not {word}", word)
            return word.lower()
        case "name":
            if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]{0,31}", word):
                fail(f"{word} is no name of a timer: a letter, then letters, digits and _", word)
            return str(word)
        case "time":
            return _time(word, cycles=bool(rest) and rest[0].lower() == "cycles")
    try:
        number = parse_number(word)
    except ValueError as error:
        fail(str(error), word)
    least = -(1 << 63) if kind in ("signed", "khz?") else 0
    if not least <= number < 1 << 63:
        fail(f"{word} is out of range: {'−2^63' if least else '0'} to 2^63−1", word)
    return number


def _time(word: str, cycles: bool) -> int:
    """A signed count of cycles, or a signed time in ns."""
    minus = word[:1] in ("-", "−")
    try:
        if cycles:
            amount = parse_number(word[1:] if minus else word)
        else:
            span = parse_time(word[1:] if minus else word)
            amount = span.amount
    except ValueError as error:
        fail(str(error), word)
    if not 0 <= amount < 1 << 62:
        fail(f"{word} is out of range: up to 2^62", word)
    return -amount if minus else amount


@verb("vmcall NUMBER [WORDS] [vN]", examples=("vmcall d000h",), completes=("", "value", "vcpu"))
@click.argument("number", type=ValueType(64))
@click.argument("words", nargs=-1)
@click.pass_context
def vmcall(ctx: click.Context, number: int, words: tuple[str, ...]) -> Vmcall:
    """A hypercall of the guest's with what is in its argument registers: Palacios' D000h gives the guest's rate, D001h
    the host's TSC. Its value is what the register holds then; none where nobody handles it.
    """
    rest, vcpu = list(words), 0
    if rest and re.fullmatch(r"v\d+", rest[-1].lower()):
        vcpu = VcpuType().convert(rest.pop(), None, ctx)
    if len(rest) > 6:
        fail(f"{rest[6]} is one word too many: six arguments at most", rest[6])
    return Vmcall(number, tuple(ValueType(64).convert(word, None, ctx) for word in rest), vcpu)


__all__ = ["CALLS", "V3", "Vmcall", "palacios_of"]
