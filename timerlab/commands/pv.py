"""`pvread pvwall pvwrite`: the guest's reads of its pages, and the writer's steps; `apf`: asynchronous page faults."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import click

from timerlab.commands.io import Tried
from timerlab.commands.memory import on_vcpu
from timerlab.commands.verb import AddressType, VcpuType, fail, verb
from timerlab.devices.pv import Pv
from timerlab.devices.pv_apf import READY
from timerlab.devices.pv_pages import TimeInfo, printed_2011, printed_without_fraction
from timerlab.devices.words import Seen
from timerlab.machine import Machine
from timerlab.text import count, hexa, plural


def pv_of(machine: Machine) -> Pv:
    """The paravirtual device; ValueError where the machine has none."""
    pv = machine.board.pv
    if pv is None:
        raise ValueError("this machine has no paravirtual MSRs: policy=kvm")
    return pv


@dataclass(frozen=True, slots=True)
class PvRead(Tried):
    """The guest reads its time page: the whole loop, or a step of it."""

    vcpu: int = 0
    what: str = ""

    def text(self) -> str:
        return "pvread" + on_vcpu(self.vcpu) + (f" {self.what}" if self.what else "")

    def apply(self, machine: Machine) -> int | None:
        machine.check_vcpu(self.vcpu)
        pv = pv_of(machine)
        if self.what == "formulas":
            pv.page_address(self.vcpu)
            return int(machine.peek(f"pv{self.vcpu}.kvmclock"))
        reading = (pv.read_step if self.what == "step" else pv.read_time)(self.vcpu, machine.now)
        return reading.ns

    def words(self, machine: Machine, value: int | None, before: Seen) -> str:
        pv = pv_of(machine)
        if self.what == "formulas":
            assert value is not None
            page = TimeInfo.read(machine.board.ram.bytes_at, pv.page_address(self.vcpu))
            delta = page.delta(machine.rdtsc(self.vcpu))
            first = page.system_time + printed_2011(delta, page.mul, page.shift)
            second = page.system_time + printed_without_fraction(delta, page.mul, page.shift)
            return (
                f"{count(value)} ns = system_time + (delta shifted by {page.shift}) × mul >> 32; wrong: "
                f"{count(first)} by delta × mul >> shift (msr.rst of 2011), {count(second)} without >> 32"
            )
        return pv.readers[self.vcpu].last_said


@dataclass(frozen=True, slots=True)
class PvWall(Tried):
    """The guest reads its wall clock: the page and its time page; the value is ns since 1970."""

    vcpu: int = 0

    def text(self) -> str:
        return "pvwall" + on_vcpu(self.vcpu)

    def apply(self, machine: Machine) -> int | None:
        machine.check_vcpu(self.vcpu)
        pv = pv_of(machine)
        wall = pv.read_wall()
        reading = pv.read_time(self.vcpu, machine.now)
        return None if wall is None or reading.ns is None else wall[0] * 10**9 + wall[1] + reading.ns

    def words(self, machine: Machine, value: int | None, before: Seen) -> str:
        wall = pv_of(machine).read_wall()
        if value is None or wall is None:
            return "an update is under way: read again"
        sec, nsec = divmod(value, 10**9)
        since = pv_of(machine).readers[self.vcpu].last_said
        return f"{sec}.{nsec:09d} s since 1970 = {wall[0]}.{wall[1]:09d} at boot + {since}"


@dataclass(frozen=True, slots=True)
class PvWrite(Tried):
    """The writer of pages stops after each of its writes, or goes on; the value is how many writes are left."""

    what: str

    def text(self) -> str:
        return f"pvwrite {self.what}"

    def apply(self, machine: Machine) -> int | None:
        pv = pv_of(machine)
        if self.what == "next":
            if not pv.state.left:
                raise ValueError("no update is under way: pvwrite steps, and then something that writes a page")
            return pv.go_on()
        pv.step_by_step(self.what == "steps")
        return len(pv.state.left)

    def words(self, machine: Machine, value: int | None, before: Seen) -> str:
        if self.what == "steps":
            return "each update stops after its first write: pvwrite next does the next one"
        if self.what == "whole":
            return "updates are done whole"
        assert value is not None
        return f"{plural(value, 'write')} left" if value else "the update is done"


@dataclass(frozen=True, slots=True)
class Missing(Tried):
    """The guest touches a page that the host has swapped out; the value is the token."""

    address: int
    vcpu: int = 0
    where: tuple[str, ...] = ()

    def text(self) -> str:
        return " ".join([f"apf missing {self.address:x}h", *self.where]) + on_vcpu(self.vcpu)

    def apply(self, machine: Machine) -> int | None:
        machine.check_vcpu(self.vcpu)
        apf, given = pv_of(machine).apf[self.vcpu], []
        cpl, paging, nested = (0 if "cpl0" in self.where else 3), "nopaging" not in self.where, "l2" in self.where
        machine.host_act(lambda: given.append(apf.missing(self.address, cpl, paging, nested)))
        return given[0]

    def words(self, machine: Machine, value: int | None, before: Seen) -> str:
        if value is None:
            wakes = "an interrupt or the page" if pv_of(machine).apf[self.vcpu].open(self.vcpu) else "the page"
            return f"v{self.vcpu} cannot be told and halts until {wakes} comes: apf ready"
        return f"#PF, error code 0, CR2 = token {hexa(value, 8)}, flags 1 in memory"


@dataclass(frozen=True, slots=True)
class Ready(Tried):
    """A page has come."""

    address: int | None = None
    vcpu: int = 0

    def text(self) -> str:
        return "apf ready" + ("" if self.address is None else f" {self.address:x}h") + on_vcpu(self.vcpu)

    def apply(self, machine: Machine) -> int | None:
        machine.check_vcpu(self.vcpu)
        apf, given = pv_of(machine).apf[self.vcpu], []
        machine.host_act(lambda: given.append(apf.present(self.address)))
        return given[0]

    def words(self, machine: Machine, value: int | None, before: Seen) -> str:
        mine = pv_of(machine).apf[self.vcpu]
        apf = mine.state
        if value is None:
            return f"v{self.vcpu} was not told of the page, and goes on"
        if mine.by_fault and value in apf.done:
            why = "flags in memory are not 0" if mine.open(self.vcpu) else f"IF of v{self.vcpu} is 0"
            return f"token {hexa(value, 8)} waits: {why}; it is looked at again when v{self.vcpu} enters its guest"
        if mine.by_fault:
            return f"#PF, error code 0, CR2 = token {hexa(value, 8)}, flags 2 in memory"
        if value in apf.done and not mine.lapic_on(self.vcpu):
            return f"token {hexa(value, 8)} waits: the local APIC of v{self.vcpu} takes no interrupts"
        if value in apf.done:
            return f"token {hexa(value, 8)} waits until the guest has cleared the one in memory and acknowledged it"
        return f"token {hexa(value, 8)} in memory, vector {hexa(apf.vector, 2)} to v{self.vcpu}"


@dataclass(frozen=True, slots=True)
class Fault(Tried):
    """An ordinary page fault of the guest; the value is the flags that its handler finds."""

    address: int
    vcpu: int = 0

    def text(self) -> str:
        return f"apf fault {self.address:x}h" + on_vcpu(self.vcpu)

    def apply(self, machine: Machine) -> int:
        machine.check_vcpu(self.vcpu)
        return pv_of(machine).apf[self.vcpu].ordinary(self.address)

    def words(self, machine: Machine, value: int | None, before: Seen) -> str:
        said = f"#PF, CR2 = {hexa(self.address, 8)}"
        if not value:
            return f"{said}, flags 0 in memory: an ordinary one"
        what = "a page that came" if value == READY else "a page that is missing"
        return f"{said}, but flags {value} are still in memory: the guest takes CR2 for the token of {what}"


def vcpu_among(ctx: click.Context, words: Sequence[str]) -> tuple[list[str], int]:
    """The words without the vCPU among them, and the vCPU."""
    rest = list(words)
    found = [word for word in rest if re.fullmatch(r"v\d+", word.lower())]
    if len(found) > 1:
        fail(f"{found[1]} is one vCPU too many", found[1])
    if not found:
        return rest, 0
    rest.remove(found[0])
    return rest, VcpuType().convert(found[0], None, ctx)


def missing_word(ctx: click.Context, what: str) -> click.MissingParameter:
    """The error of a word that is not there."""
    return click.MissingParameter(ctx=ctx, param=click.Argument([what]))


@verb("pvread [vN] [step | formulas]", examples=("pvread", "pvread v0 step"), completes=("vcpu", "pvread"))
@click.argument("words", nargs=-1)
@click.pass_context
def pvread(ctx: click.Context, words: tuple[str, ...]) -> PvRead:
    """Let a guest read its time page: version, fields and TSC, version again; its value is kvmclock in ns, or none
    where it has to read again. `step` does one step of the loop, so that a writer can come in between; `formulas` shows
    what the conversions give that were printed and are wrong.
    """
    rest, vcpu = vcpu_among(ctx, words)
    if len(rest) > 1:
        fail(f"{rest[1]} is one word too many: pvread [vN] [step|formulas]", rest[1])
    what = rest[0].lower() if rest else ""
    if what not in ("", "step", "formulas"):
        fail(f"{rest[0]} is neither step nor formulas", rest[0])
    return PvRead(vcpu, what)


@verb("pvwall [vN]", examples=("pvwall",), completes=("vcpu",))
@click.argument("vcpu", type=VcpuType(), required=False, default=0)
def pvwall(vcpu: int) -> PvWall:
    """Let a guest read the wall clock: its page, plus the vCPU's time page. Its value is ns since 1970."""
    return PvWall(vcpu)


@verb("pvwrite steps|next|whole", examples=("pvwrite steps", "pvwrite whole"), completes=("pvwrite",))
@click.argument("what", type=click.Choice(("steps", "next", "whole"), case_sensitive=False))
def pvwrite(what: str) -> PvWrite:
    """Whether the host's writer of pages stops after each of its writes (odd version, content, even version), so that a
    reader can be seen in between; `next` lets it do one more. Its value is how many writes are left.
    """
    return PvWrite(what.lower())


@verb(
    "apf missing ADDRESS [cpl0] [nopaging] [l2] [vN] | ready [ADDRESS] [vN] | fault ADDRESS [vN]",
    examples=("apf missing 8000h", "apf ready"),
    completes=("apf", "address", "vcpu"),
)
@click.argument("what", type=click.Choice(("missing", "ready", "fault"), case_sensitive=False))
@click.argument("words", nargs=-1)
@click.pass_context
def apf(ctx: click.Context, what: str, words: tuple[str, ...]) -> Missing | Ready | Fault:
    """Asynchronous page faults: the guest touches a page that the host has swapped out (`missing`; in user mode, with
    paging on, in L1, unless told otherwise), or a page has come (`ready`; the one that was missed first, unless told).
    `fault` is a page fault of the guest's own; its value is the flags that the handler finds in memory, 0 if all is
    well.
    """
    rest, vcpu = vcpu_among(ctx, words)
    if what.lower() == "ready":
        if len(rest) > 1:
            fail(f"{rest[1]} is one word too many: apf ready [ADDRESS] [vN]", rest[1])
        return Ready(AddressType().convert(rest[0], None, ctx) if rest else None, vcpu)
    if not rest:
        raise missing_word(ctx, "address")
    if what.lower() == "fault":
        if len(rest) > 1:
            fail(f"{rest[1]} is one word too many: apf fault ADDRESS [vN]", rest[1])
        return Fault(AddressType().convert(rest[0], None, ctx), vcpu)
    for word in rest[1:]:
        if word.lower() not in ("cpl0", "nopaging", "l2"):
            fail(f"{word} is none of cpl0, nopaging, l2", word)
    where = tuple(one for one in ("cpl0", "nopaging", "l2") if one in {word.lower() for word in rest[1:]})
    return Missing(AddressType().convert(rest[0], None, ctx), vcpu, where)


__all__ = ["Fault", "Missing", "PvRead", "PvWall", "PvWrite", "Ready", "missing_word", "pv_of", "vcpu_among"]
