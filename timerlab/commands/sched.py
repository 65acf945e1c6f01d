"""`vmexit vmenter preempt halt wake vmstop vmcont smi migrate`: what the host does with vCPUs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import click

from timerlab.commands.io import Tried
from timerlab.commands.verb import TimeType, VcpuType, fail, verb
from timerlab.devices.words import Seen
from timerlab.machine import Machine
from timerlab.text import duration, rate, signed
from timerlab.units import Span, parse_number

EXITS = {
    "user": "to userland",
    "io": "to userland, for an I/O access",
    "fault": "for a nested page fault",
    "kernel": "within the host's kernel",
}
"""Why a vCPU may exit by a command."""
MOST_KHZ = 100_000_000
TOLERANCE = 4000
"""A TSC whose rate differs by more than one part in so many is another one (250 ppm, KVM's tsc_tolerance_ppm)."""
INVARIANT = 1 << 8
"""TscInvariant in CPUID 80000007h EDX."""

IS = {
    "run": ("runs", "run"),
    "halt": ("is halted", "are halted"),
    "exit": ("has left its guest", "have left their guest"),
    "smi": ("is in SMM", "are in SMM"),
}
"""How some states are told of one vCPU, and of several."""
_TOLD = {"run": "and runs", "halt": "halted", "exit": "out of its guest", "smi": "in SMM"}
"""The same behind a place."""


def ns_of(machine: Machine, span: Span) -> int:
    """A stretch of time from now, in ns."""
    return span.after(machine.now, machine.board.clocks) - machine.now


def states(machine: Machine, before: Seen, vcpus: Sequence[int] | None = None) -> str:
    """The vCPUs whose state is another one than before, in words, and guest TSCs that jumped; those that fare alike
    together.
    """
    after = machine.peeks()
    alike: dict[tuple[str, str, int], list[int]] = {}
    for v in range(len(machine.board.vcpus)) if vcpus is None else vcpus:
        put = f"vcpu{v}."
        state = after[put + "state"] if after[put + "state"] != before[put + "state"] else ""
        place = f"on p{after[put + 'pcpu']}" if after[put + "pcpu"] != before[put + "pcpu"] else ""
        jump = (after[put + "tsc"] - before[put + "tsc"] + (1 << 63)) % (1 << 64) - (1 << 63)
        if state or place or jump:
            alike.setdefault((state, place, jump), []).append(v)
    said = [_fares(among, *what) for what, among in alike.items()]
    return "; ".join(said[:3]) + (f" and {len(said) - 3} more" if len(said) > 3 else "")


def _fares(vcpus: Sequence[int], state: str, place: str, jump: int) -> str:
    """What became of some vCPUs: `v1 is on p0, stolen`, `v0–v3 are stopped`."""
    several = len(vcpus) > 1
    are, theirs = ("are", "their TSCs jump") if several else ("is", "its TSC jumps")
    if not state and not place:
        return f"TSC{'s' * several} of {among(vcpus)} jump{'s' * (not several)} by {signed(jump)}"
    changes = []
    if place and state:
        changes.append(f"{are} {place}, {_TOLD.get(state, state)}")
    elif place:
        changes.append(f"{are} {place} now")
    elif state in IS:
        changes.append(IS[state][several])
    elif state:
        changes.append(f"{are} {state}")
    if jump:
        changes.append(f"{theirs} by {signed(jump)}")
    return f"{among(vcpus)} {', '.join(changes)}"


def among(vcpus: Sequence[int]) -> str:
    """Some vCPUs: `v0`, `v0, v2`, `v0–v3`."""
    if len(vcpus) > 2 and vcpus[-1] - vcpus[0] == len(vcpus) - 1:
        return f"v{vcpus[0]}–v{vcpus[-1]}"
    return ", ".join(f"v{v}" for v in vcpus)


@dataclass(frozen=True, slots=True)
class Exit(Tried):
    """A vCPU leaves its guest."""

    vcpu: int
    cause: str
    time: Span | None = None

    def text(self) -> str:
        head = f"preempt v{self.vcpu}" if self.cause == "preempt" else f"vmexit v{self.vcpu} {self.cause}"
        return head + (f" {self.time}" if self.time else "")

    def apply(self, machine: Machine) -> None:
        until = None if self.time is None else machine.now + ns_of(machine, self.time)
        machine.host_act(lambda: machine.board.sched.exit(self.vcpu, machine.now, self.cause, until))

    def words(self, machine: Machine, value: int | None, before: Seen) -> str:
        back = f", back in {duration(ns_of(machine, self.time))}" if self.time else f" until vmenter v{self.vcpu}"
        return states(machine, before) + back


@dataclass(frozen=True, slots=True)
class Enter(Tried):
    """A vCPU comes back into its guest."""

    vcpu: int = 0

    def text(self) -> str:
        return f"vmenter v{self.vcpu}"

    def apply(self, machine: Machine) -> None:
        sched = machine.board.sched
        if not sched.in_guest(self.vcpu):
            machine.host_act(lambda: sched.enter(self.vcpu, machine.now))

    def words(self, machine: Machine, value: int | None, before: Seen) -> str:
        return states(machine, before) or f"v{self.vcpu} is in its guest already"


@dataclass(frozen=True, slots=True)
class Halt(Tried):
    """The guest executes HLT, or is busy again."""

    vcpu: int
    halted: bool

    def text(self) -> str:
        return f"{'halt' if self.halted else 'wake'} v{self.vcpu}"

    def apply(self, machine: Machine) -> None:
        sched = machine.board.sched
        if sched.state.runs[self.vcpu].halted != self.halted:
            machine.host_act(lambda: sched.halt(self.vcpu, machine.now, self.halted))

    def words(self, machine: Machine, value: int | None, before: Seen) -> str:
        return states(machine, before) or f"v{self.vcpu} is {'halted' if self.halted else 'awake'} already"


@dataclass(frozen=True, slots=True)
class Vm(Tried):
    """The VM is stopped, or goes on."""

    stop: bool

    def text(self) -> str:
        return "vmstop" if self.stop else "vmcont"

    def apply(self, machine: Machine) -> None:
        sched = machine.board.sched
        if sched.state.stopped != self.stop:
            machine.host_act(lambda: (sched.stop if self.stop else sched.cont)(machine.now))

    def words(self, machine: Machine, value: int | None, before: Seen) -> str:
        return states(machine, before) or f"the VM is {'stopped' if self.stop else 'not stopped'}"


@dataclass(frozen=True, slots=True)
class Smi(Tried):
    """A system management interrupt."""

    time: Span

    def text(self) -> str:
        return f"smi {self.time}"

    def apply(self, machine: Machine) -> None:
        ns = ns_of(machine, self.time)
        machine.host_act(lambda: machine.board.sched.smi(ns, machine.now))

    def words(self, machine: Machine, value: int | None, before: Seen) -> str:
        return f"all processors in SMM for {duration(ns_of(machine, self.time))}; TSCs and timers go on"


@dataclass(frozen=True, slots=True)
class Move(Tried):
    """A vCPU moves to another processor of the host."""

    vcpu: int
    pcpu: int
    time: Span | None = None

    def text(self) -> str:
        return f"migrate v{self.vcpu} p{self.pcpu}" + (f" {self.time}" if self.time else "")

    def apply(self, machine: Machine) -> None:
        out = 0 if self.time is None else ns_of(machine, self.time)
        machine.host_act(lambda: machine.board.sched.move(self.vcpu, self.pcpu, machine.now, out))

    def words(self, machine: Machine, value: int | None, before: Seen) -> str:
        said = states(machine, before) or f"v{self.vcpu} is on p{self.pcpu} already"
        runs = machine.board.sched.state.runs
        there = [v for v, run in enumerate(runs) if v != self.vcpu and run.pcpu == self.pcpu and run.state == "run"]
        if there and runs[self.vcpu].state == "stolen":
            said += f": {among(there)} runs there, and they take turns"
        return said


def _ghz(khz: int) -> str:
    """A TSC's rate, to the kHz: `2.600 000 GHz`."""
    return rate(khz * 1000, 6)


def _tsc_khz(seen: Seen, frac: int) -> int:
    """The rate of v0's TSC in L1, rounded down."""
    return int(seen[f"host.p{seen['vcpu0.pcpu']}.khz"]) * int(seen["vcpu0.ratio"]) >> frac


@dataclass(frozen=True, slots=True)
class Away(Tried):
    """The whole VM moves to another host."""

    khz: int
    time: Span | None = None

    def text(self) -> str:
        return f"migrate host {self.khz}" + (f" {self.time}" if self.time else "")

    def apply(self, machine: Machine) -> None:
        downtime = 0 if self.time is None else ns_of(machine, self.time)
        tsc = tuple(cpu.rdtsc(machine.now) for cpu in machine.board.vcpus)
        machine.host_act(lambda: machine.board.sched.depart(self.khz, downtime, tsc, machine.now))

    def words(self, machine: Machine, value: int | None, before: Seen) -> str:
        if self.time:
            return f"the VM is on its way to a host of {_ghz(self.khz)}, there in {duration(ns_of(machine, self.time))}"
        said = f"the VM is on a host of {_ghz(self.khz)}. {states(machine, before)}".rstrip(". ")
        frac = machine.board.vcpus[0].frac
        was, here = (_tsc_khz(seen, frac) for seen in (before, machine.peeks()))
        if abs(here - was) * TOLERANCE > was and machine.cpuid(0x8000_0007)[3] & INVARIANT:
            said += f". CPUID still tells of an invariant TSC, but it ran at {_ghz(was)} and now does at {_ghz(here)}"
        return said


class PcpuType(click.ParamType[int]):
    """A processor of the host: `p1`."""

    name = "pcpu"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Its number."""
        if isinstance(value, int):
            return value
        digits = str(value).lower().removeprefix("p")
        if not (digits.isascii() and digits.isdigit() and len(digits) < 4 and str(value)[:1] in "pP"):
            fail(f"{value} is no processor of the host: p0, p1, ...", str(value))
        return int(digits)


def time_of(word: str, ctx: click.Context) -> Span:
    """A word as a stretch of time."""
    found: Span = TimeType().convert(word, None, ctx)
    return found


def vcpu_of(word: str, ctx: click.Context) -> int:
    """A word as a vCPU."""
    return VcpuType().convert(word, None, ctx)


def _is_vcpu(word: str) -> bool:
    return word[:1] in "vV" and word[1:].isdigit()


@verb(
    "vmexit [vN] [user | io | fault | kernel] [TIME]",
    examples=("vmexit v0", "vmexit v0 io 20us"),
    completes=("vcpu", "exit", "time"),
)
@click.argument("words", nargs=-1)
@click.pass_context
def vmexit(ctx: click.Context, words: tuple[str, ...]) -> Exit:
    """Let a vCPU leave its guest: to userland (`user`), for an I/O access, for a nested page fault, or for something
    that the host's kernel does. It stays out until `vmenter`, or comes back after a time. It is not stolen meanwhile.
    """
    vcpu, cause, time = 0, "user", None
    for at, word in enumerate(words):
        if at == 0 and _is_vcpu(word):
            vcpu = vcpu_of(word, ctx)
        elif word.lower() in EXITS and at <= 1:
            cause = word.lower()
        elif at == len(words) - 1:
            time = time_of(word, ctx)
        else:
            fail(f"{word} is no reason to exit: {', '.join(EXITS)}", word)
    return Exit(vcpu, cause, time)


@verb("vmenter [vN]", examples=("vmenter v0",), completes=("vcpu",))
@click.argument("vcpu", type=VcpuType(), required=False, default=0)
def vmenter(vcpu: int) -> Enter:
    """Let a vCPU come back into its guest."""
    return Enter(vcpu)


@verb("preempt [vN] [TIME]", examples=("preempt v0 5ms",), completes=("vcpu", "time"))
@click.argument("words", nargs=-1)
@click.pass_context
def preempt(ctx: click.Context, words: tuple[str, ...]) -> Exit:
    """Let the host run something else in the place of a vCPU, until `vmenter` or for a time: it could run, and does
    not. That is what a guest learns as steal time.
    """
    vcpu, time = 0, None
    for at, word in enumerate(words):
        if at == 0 and _is_vcpu(word):
            vcpu = vcpu_of(word, ctx)
        elif at == len(words) - 1:
            time = time_of(word, ctx)
        else:
            fail(f"{word} is one word too many: preempt [vN] [TIME]", word)
    return Exit(vcpu, "preempt", time)


@verb("halt [vN]", examples=("halt v0",), completes=("vcpu",))
@click.argument("vcpu", type=VcpuType(), required=False, default=0)
def halt(vcpu: int) -> Halt:
    """Let the guest execute HLT on a vCPU and be idle: it takes interrupts and halts again after each."""
    return Halt(vcpu, True)


@verb("wake [vN]", examples=("wake v0",), completes=("vcpu",))
@click.argument("vcpu", type=VcpuType(), required=False, default=0)
def wake(vcpu: int) -> Halt:
    """Let an idle vCPU be busy again."""
    return Halt(vcpu, False)


@verb("vmstop", examples=("vmstop",))
def vmstop() -> Vm:
    """Stop the VM, as its user does: no vCPU runs, and none is stolen from. Chips and TSCs go on; what that means to
    the guest's clocks is the policy's business.
    """
    return Vm(True)


@verb("vmcont", examples=("vmcont",))
def vmcont() -> Vm:
    """Let a stopped VM go on."""
    return Vm(False)


@verb("smi TIME", examples=("smi 200us",), completes=("time",))
@click.argument("time", type=TimeType())
def smi(time: Span) -> Smi:
    """A system management interrupt: for so long no processor runs anything that a system knows of; TSCs go on."""
    return Smi(time)


@verb(
    "migrate vN pM [TIME] | migrate host KHZ [DOWNTIME]",
    examples=("migrate v0 p0", "migrate host 3000000 100ms"),
    completes=("migrant", "target", "time"),
)
@click.argument("who")
@click.argument("where")
@click.argument("time", type=TimeType(), required=False)
@click.pass_context
def migrate(ctx: click.Context, who: str, where: str, time: Span | None) -> Move | Away:
    """Move a vCPU to another processor of the host, out for a time on the way; or the whole VM to another host whose
    TSC runs at so many kHz and starts at 0, with a downtime.
    """
    if who.lower() == "host":
        try:
            khz = parse_number(where)
        except ValueError as error:
            fail(str(error), where)
        if not 0 < khz <= MOST_KHZ:
            fail(f"{where} kHz is no rate of a TSC: 1 to {MOST_KHZ}", where)
        return Away(khz, time)
    vcpu = vcpu_of(who, ctx)
    return Move(vcpu, PcpuType().convert(where, None, ctx), time)
