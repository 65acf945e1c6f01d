"""`kvm`: what KVM's userspace does to a VM and its vCPUs, and what happens to KVM's host."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import NamedTuple

import click

from timerlab.commands.io import Tried
from timerlab.commands.pv import pv_of, vcpu_among
from timerlab.commands.verb import ValueType, fail, lacking, verb
from timerlab.conditions import near
from timerlab.devices.kvm import Kvm
from timerlab.devices.kvm_clock import HOST_TSC, REALTIME, TSC_STABLE
from timerlab.devices.kvm_state import CLOCK, MASTER
from timerlab.devices.words import Seen
from timerlab.machine import Machine
from timerlab.scaling import signed as signed_word
from timerlab.text import count, duration_exact, hexa
from timerlab.units import parse_number, parse_time

EINVAL, ENXIO, EEXIST = -22, -6, -17
"""What ioctls give that make no sense, are for another kind of VM, or find that it is there already."""
VECTORS = 256

_FLAGS = ((TSC_STABLE, "TSC_STABLE"), (REALTIME, "REALTIME"), (HOST_TSC, "HOST_TSC"))


def kvm_of(machine: Machine) -> Kvm:
    """The policy; ValueError where the machine has another one."""
    policy = machine.board.policy
    if not isinstance(policy, Kvm):
        raise ValueError(f"kvm needs policy=kvm, this machine has policy={policy.name}")
    return policy


@dataclass(frozen=True, slots=True)
class On:
    """What an action of `kvm` is about: the policy, a vCPU, the moment, and the paravirtual device."""

    machine: Machine
    kvm: Kvm
    v: int
    now: int


Do = Callable[[On, Sequence[int]], int | None]


class Call(NamedTuple):
    """An action: what each of its words is (`?`: may be missing), what it does in a sentence, and the doing. `every`:
    it is about the VM or its host, not about a vCPU.
    """

    takes: tuple[str, ...]
    about: str
    do: Do
    every: bool = False


def _set_tsc_khz(on: On, words: Sequence[int]) -> int:
    return EINVAL if on.kvm.set_tsc_khz(on.v, words[0], on.now).error else 0


def _set_clock(on: On, words: Sequence[int]) -> None:
    on.kvm.set_clock(words[0], on.now, words[1] if len(words) > 1 else None)


def _create(on: On, words: Sequence[int]) -> None:
    on.kvm.create(on.v, on.now, *words)


def _ctrl(on: On, _: Sequence[int]) -> int:
    return 0 if pv_of(on.machine).stop_guest(on.v, on.now) else EINVAL


def _interrupt(on: On, words: Sequence[int]) -> int:
    """kvm_vcpu_ioctl_interrupt: the vector goes past all controllers. Where they are split, one waits at most."""
    irqchip, state = on.machine.quirks["kvm_irqchip"], on.machine.board.vcpus[on.v].state
    if words[0] >= VECTORS:
        return EINVAL
    if irqchip == "kernel":
        return ENXIO
    if irqchip == "split" and state.queued is not None:
        return EEXIST
    state.queued = words[0]
    return 0


def _step_host(on: On, words: Sequence[int]) -> None:
    host = on.machine.board.host
    for p in range(len(host.state.pcpus)):
        host.write(p, (host.tsc(p, on.now) + signed_word(words[0])) % (1 << 64), on.now)


CALLS: Mapping[str, Call] = MappingProxyType(
    {
        "get_tsc": Call((), "KVM_GET_MSRS of IA32_TSC", lambda o, _: o.kvm.get_tsc(o.v, o.now)),
        "set_tsc": Call(("word",), "KVM_SET_MSRS of IA32_TSC", lambda o, w: o.kvm.set_tsc(o.v, w[0], o.now)),
        "set_adjust": Call(
            ("word",), "KVM_SET_MSRS of IA32_TSC_ADJUST", lambda o, w: o.kvm.set_adjust(o.v, w[0], o.now)
        ),
        "set_offset": Call(("word",), "attribute KVM_VCPU_TSC_OFFSET", lambda o, w: o.kvm.set_offset(o.v, w[0], o.now)),
        "set_tsc_khz": Call(("khz",), "KVM_SET_TSC_KHZ", _set_tsc_khz),
        "set_clock": Call(("time", "realtime?"), "KVM_SET_CLOCK", _set_clock, every=True),
        "get_clock": Call((), "KVM_GET_CLOCK", lambda o, _: o.kvm.kvmclock(o.now), every=True),
        "kvmclock_ctrl": Call((), "KVM_KVMCLOCK_CTRL", _ctrl),
        "interrupt": Call(("vector",), "KVM_INTERRUPT", _interrupt),
        "create": Call(("khz?",), "KVM_CREATE_VCPU", _create),
        "init": Call((), "INIT of the vCPU", lambda o, _: pv_of(o.machine).init(o.v)),
        "refresh": Call((), "a refresh of the vCPU's page", lambda o, _: o.kvm.request(o.v, CLOCK, o.now)),
        "update": Call((), "the master clock's pair", lambda o, _: o.kvm.request(o.v, MASTER, o.now)),
        "clocksource": Call(
            ("source",), "the host's clocksource", lambda o, w: o.kvm.clocksource(bool(w[0]), o.now), every=True
        ),
        "unstable": Call((), "mark_tsc_unstable", lambda o, _: o.kvm.mark_unstable(o.now), every=True),
        "host_tsc_step": Call(("word",), "the host's TSCs jump", _step_host, every=True),
        "step_realtime": Call(
            ("word",), "the host's CLOCK_REALTIME, ns", lambda o, w: o.kvm.step_realtime(signed_word(w[0])), every=True
        ),
    }
)
"""What `kvm` can do."""

_FORMS = {"word": "VALUE", "vector": "VECTOR", "khz": "KHZ", "khz?": "[KHZ]", "time": "TIME",
          "realtime?": "[realtime NS]", "source": "tsc|hpet"}  # fmt: skip


@dataclass(frozen=True, slots=True)
class KvmCall(Tried):
    """An ioctl of KVM's userspace, or something that happens to KVM's host."""

    call: str
    args: tuple[int, ...] = ()
    vcpu: int = 0

    def text(self) -> str:
        said = ["kvm", self.call]
        for kind, one in zip(CALLS[self.call].takes, self.args, strict=False):
            match kind:
                case "word" | "vector":
                    said.append(f"{one:x}h")
                case "realtime?":
                    said += ["realtime", str(one)]
                case "source":
                    said.append("tsc" if one else "hpet")
                case _:
                    said.append(str(one))
        named = self.call == "create" or self.vcpu
        where = f" v{self.vcpu}" if named and not CALLS[self.call].every else ""
        return " ".join(said) + where

    def apply(self, machine: Machine) -> int | None:
        machine.check_vcpu(self.vcpu)
        on = On(machine, kvm_of(machine), self.vcpu, machine.now)
        given: list[int | None] = []
        machine.host_act(lambda: given.append(CALLS[self.call].do(on, self.args)))
        return given[0]

    def words(self, machine: Machine, value: int | None, before: Seen) -> str:
        policy = kvm_of(machine)
        match self.call:
            case "get_tsc":
                assert value is not None
                return f"{hexa(value, 16)}  {count(value)} cycles"
            case "get_clock":
                data = policy.get_clock(machine.now)
                flags = ", ".join(name for bit, name in _FLAGS if data.flags & bit) or "no flags"
                more = f", host TSC {count(data.host_tsc)}, realtime {data.realtime} ns" if data.flags else ""
                return f"kvmclock {duration_exact(data.clock)}, {flags}{more}"
            case "set_tsc_khz" if value:
                there = policy.state.vcpus[self.vcpu].khz
                return f"EINVAL: v{self.vcpu} cannot have {self.args[0]} kHz; virtual_tsc_khz is {there}"
            case "kvmclock_ctrl" if value:
                return f"EINVAL: v{self.vcpu} has no time page"
            case "interrupt":
                return self._injected(machine, value, before)
        return self._changes(machine, before)

    def _injected(self, machine: Machine, value: int | None, before: Seen) -> str:
        """What became of a vector."""
        if value == EINVAL:
            return f"EINVAL: {self.args[0]} is no vector, they are 0 to {VECTORS - 1}"
        if value == ENXIO:
            return "ENXIO: the 8259s are in the kernel, and only they interrupt: kvm_irqchip=split or user"
        if value == EEXIST:
            return f"EEXIST: vector {hexa(machine.board.vcpus[self.vcpu].state.queued or 0, 2)} waits already"
        taken = f"vcpu{self.vcpu}.taken"
        if machine.peek(taken) > before[taken]:
            return f"v{self.vcpu} takes vector {hexa(self.args[0], 2)}"
        return f"vector {hexa(self.args[0], 2)} is queued for v{self.vcpu}, past its controllers"

    def _changes(self, machine: Machine, before: Seen) -> str:
        """What it changed, of all that can be seen of KVM, of the pages and of the TSCs."""
        after, said = machine.peeks(), []
        for name in (name for name in after if name.startswith(("kvm.", "pv", "vcpu"))):
            was, here = before.get(name), after[name]
            mine = name.startswith(("kvm.", "pv")) or name.endswith((".tsc", ".adjust"))
            if was == here or not mine:
                continue
            short = name.removeprefix("kvm.")
            if isinstance(was, int) and isinstance(here, int):
                said.append(f"{short} {count(was)} → {count(here)}")
            else:
                said.append(f"{short} {'none' if here is None else here}")
        said.sort(key=_rank)
        more = f" and {len(said) - _MOST} more" if len(said) > _MOST else ""
        return f"{CALLS[self.call].about}: " + ("; ".join(said[:_MOST]) + more or "nothing changes")


_MOST = 4
"""Changes that a result tells."""


def _rank(change: str) -> int:
    """What a guest notices comes first: its TSCs, kvmclock, flags; then KVM's own values, and pages written again."""
    name = change.split(" ", 1)[0]
    ends = (".tsc", ".adjust", ".kvmclock", ".flags", "generation", "master_clock", ".khz")
    return next((at for at, end in enumerate(ends) if name.endswith(end)), 8 if name.endswith("version") else 7)


@verb(
    "kvm CALL [WORDS] [vN]",
    examples=("kvm get_clock", "kvm set_tsc 1000000000 v0", "kvm set_tsc_khz 2000000", "kvm set_clock 0"),
    completes=("kvm", "kvm", "kvm"),
)
@click.argument("call")
@click.argument("words", nargs=-1)
@click.pass_context
def kvm(ctx: click.Context, call: str, words: tuple[str, ...]) -> KvmCall:
    """An ioctl of KVM's userspace, or something that happens to KVM's host.

    About a vCPU: get_tsc, set_tsc, set_adjust, set_offset, set_tsc_khz, kvmclock_ctrl, create, interrupt VECTOR, and an
    INIT (init). About the VM: get_clock, set_clock TIME [realtime NS]. What asks for a refresh: refresh, update. What
    happens to the host: clocksource tsc or hpet, unstable, host_tsc_step CYCLES, step_realtime NS.

    The value of an ioctl that fails is -22, EINVAL; of `interrupt` -6, ENXIO, or -17, EEXIST, too.
    """
    name = call.lower()
    if name not in CALLS:
        guess = near(name, list(CALLS))
        fail(f"no call {call}: {', '.join(CALLS)}" + (f"  Did you mean {guess} ?" if guess else ""), call, guess)
    rest, vcpu = vcpu_among(ctx, words)
    forms = " ".join(["kvm", name, *(_FORMS[kind] for kind in CALLS[name].takes)])
    forms += "" if CALLS[name].every else " [vN]"
    args: list[int] = []
    for kind in CALLS[name].takes:
        if kind == "realtime?" and rest and rest[0].lower() == "realtime":
            rest.pop(0)
            if not rest:
                lacking(f"realtime wants ns: {forms}", ctx)
        elif kind == "realtime?" or not rest:
            if not kind.endswith("?"):
                lacking(f"{_FORMS[kind]} is missing: {forms}", ctx)
            continue
        args.append(_word(ctx, kind, rest.pop(0)))
    if rest:
        fail(f"{rest[0]} is one word too many: {forms}", rest[0])
    return KvmCall(name, tuple(args), vcpu)


def _word(ctx: click.Context, kind: str, word: str) -> int:
    """A word as what it is to be."""
    if kind == "word":
        return ValueType(64, signed=True).convert(word, None, ctx)
    if kind == "source":
        if word.lower() not in ("tsc", "hpet"):
            fail(f"{word} is no clocksource: tsc, hpet", word)
        return int(word.lower() == "tsc")
    try:
        number = parse_time(word).amount if kind == "time" else parse_number(word)
    except ValueError as error:
        fail(str(error), word)
    top = 1 << (32 if kind.startswith("khz") else 63)
    if not 0 <= number < top:
        fail(f"{word} is out of range: 0 to 2^{top.bit_length() - 1} − 1", word)
    return number


__all__ = ["CALLS", "KvmCall", "kvm_of"]
