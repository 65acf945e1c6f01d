"""`hostload`: what else wants to run on the host's processors."""

from __future__ import annotations

from dataclasses import dataclass

import click

from timerlab.commands.io import Tried
from timerlab.commands.sched import PcpuType, ns_of, states, time_of, vcpu_of
from timerlab.commands.verb import fail, lacking, verb
from timerlab.devices.sched_load import Load
from timerlab.devices.words import Seen
from timerlab.machine import Machine
from timerlab.text import duration, plural
from timerlab.units import Span

MOST_THREADS = 1000
SLICE = Span(5_000_000)


@dataclass(frozen=True, slots=True)
class HostLoad(Tried):
    """A load on a vCPU: out for `out` in every `period`, the first time in `after`; None takes it away."""

    vcpu: int
    out: Span | None = None
    period: Span | None = None
    after: Span | None = None
    seed: int | None = None
    moves: bool = False

    def text(self) -> str:
        if self.out is None:
            return f"hostload v{self.vcpu} off"
        words = [f"hostload v{self.vcpu} {self.out} {self.period}"]
        words += [f"random {self.seed}"] if self.seed is not None else []
        words += ["moving"] if self.moves else []
        words += [f"after {self.after}"] if self.after is not None else []
        return " ".join(words)

    def apply(self, machine: Machine) -> None:
        load = None
        if self.out is not None and self.period is not None:
            out, period = ns_of(machine, self.out), ns_of(machine, self.period)
            if not 0 < out < period:
                told = f"{duration(out)} in every {duration(period)}"
                raise ValueError(f"out for {told}: OUT is above 0, and less than PERIOD")
            after = period - out if self.after is None else ns_of(machine, self.after)
            load = Load(machine.now + after, out, period, 0, self.seed, self.moves)
        machine.host_act(lambda: machine.board.sched.put_load(self.vcpu, load, machine.now))

    def words(self, machine: Machine, value: int | None, before: Seen) -> str:
        load = machine.board.sched.state.runs[self.vcpu].load
        if load is None or load.shared:
            return f"v{self.vcpu} is not loaded any more"
        part = 100 * load.out // load.period
        where = ", at places like chance" if load.seed is not None else ""
        moving = ", on the next processor after each" if load.moves else ""
        return (
            f"v{self.vcpu} out for {duration(load.out)} in every {duration(load.period)} ({part} %){where}{moving}; "
            f"first in {duration(load.begins - machine.now)}"
        )


@dataclass(frozen=True, slots=True)
class HostThreads(Tried):
    """So many threads of the host always want to run on a processor."""

    pcpu: int
    threads: int

    def text(self) -> str:
        return f"hostload p{self.pcpu} {self.threads}"

    def apply(self, machine: Machine) -> None:
        sched = machine.board.sched
        if not 0 <= self.pcpu < sched.pcpus:
            raise ValueError(f"no processor p{self.pcpu}: p0 to p{sched.pcpus - 1}")
        machine.host_act(lambda: sched.put_others(self.pcpu, self.threads, machine.now))

    def words(self, machine: Machine, value: int | None, before: Seen) -> str:
        busy = plural(self.threads, "thread")
        said = states(machine, before)
        return f"{busy} of the host on p{self.pcpu} beside its vCPUs" + (f"; {said}" if said else "")


@dataclass(frozen=True, slots=True)
class HostShare(Tried):
    """Whether vCPUs on one processor take turns."""

    on: bool
    slice: Span = SLICE

    def text(self) -> str:
        return f"hostload share {f'on {self.slice}' if self.on else 'off'}"

    def apply(self, machine: Machine) -> None:
        ns = ns_of(machine, self.slice)
        if ns <= 0:
            raise ValueError("a turn of no time")
        machine.host_act(lambda: machine.board.sched.share(self.on, ns, machine.now))

    def words(self, machine: Machine, value: int | None, before: Seen) -> str:
        if not self.on:
            return "vCPUs on one processor all run at once, which no processor can"
        return f"vCPUs on one processor take turns of {duration(ns_of(machine, self.slice))}"


@verb(
    "hostload vN OUT PERIOD [random SEED] [moving] [after TIME] | vN off | pN THREADS | share on|off [SLICE]",
    examples=("hostload v0 10ms 20ms", "hostload v0 off", "hostload p0 1", "hostload share on 10ms"),
    completes=("loaded", "load", "period"),
)
@click.argument("who")
@click.argument("words", nargs=-1)
@click.pass_context
def hostload(ctx: click.Context, who: str, words: tuple[str, ...]) -> HostLoad | HostThreads | HostShare:
    """Keep the host busy.

    On a vCPU: it is out for OUT in every PERIOD, regularly or at places like chance, and on the
    next processor after each with `moving`. On a processor: so many threads want to run there always, and take turns
    with its vCPUs. `share` says whether there are such turns, and how long they are.
    """
    usage = "hostload vN OUT PERIOD, hostload vN off, hostload pN THREADS, hostload share on|off [SLICE]"
    share, threads = "hostload share on|off [SLICE]", "hostload pN THREADS"
    load = "hostload vN OUT PERIOD [random SEED] [moving] [after TIME], or off"
    if who.lower() == "share":
        if not words:
            lacking(f"share wants on or off: {share}", ctx)
        if words[0].lower() not in ("on", "off"):
            fail(f"share wants on or off: {share}", words[0])
        if len(words) > 2:
            fail(f"{words[2]} is one word too many: {share}", words[2])
        slice_ = time_of(words[1], ctx) if len(words) > 1 else SLICE
        return HostShare(words[0].lower() == "on", slice_)
    if who[:1] in "pP":
        pcpu = PcpuType().convert(who, None, ctx)
        if not words:
            lacking(f"how many threads, 0 to {MOST_THREADS}: {threads}", ctx)
        if len(words) != 1 or not words[0].isdigit() or int(words[0][:9]) > MOST_THREADS:
            fail(f"how many threads, 0 to {MOST_THREADS}: {threads}", words[0])
        return HostThreads(pcpu, int(words[0]))
    if who[:1] not in "vV":
        fail(f"{who} is no vCPU, processor or share: {usage}", who)
    vcpu = vcpu_of(who, ctx)
    if len(words) == 1 and words[0].lower() == "off":
        return HostLoad(vcpu)
    if len(words) < 2:
        lacking(f"two times are missing, or off: {load}" if not words else f"the period is missing: {load}", ctx)
    out, period = time_of(words[0], ctx), time_of(words[1], ctx)
    after, seed, moves = None, None, False
    rest = iter(words[2:])
    for word in rest:
        if word.lower() == "moving":
            moves = True
            continue
        value = next(rest, None)
        if word.lower() not in ("random", "after") or value is None:
            fail(f"{word} is none of random SEED, moving, after TIME", word)
        if word.lower() == "after":
            after = time_of(value, ctx)
        elif value.isdigit() and len(value) < 10:
            seed = int(value)
        else:
            fail(f"{value} is no seed: a whole number", value)
    return HostLoad(vcpu, out, period, after, seed, moves)
