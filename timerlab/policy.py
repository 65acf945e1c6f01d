"""Time-keeping policies: what a hypervisor does with host time before a guest sees it.

A guest's TSC is made by hardware from the TSC of the processor that its vCPU runs on: times a ratio, plus an offset. A
policy decides what these two are, at the moments at which it has a say: when a vCPU leaves the guest and when it comes
back, when somebody writes the TSC, and at timers of its own. Between those moments the guest's TSC is a clock.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, ClassVar, NamedTuple, Protocol

from timerlab.regs import Peek
from timerlab.scaling import WORD, scaled

CAUSES = ("preempt", "user", "io", "fault", "kernel", "halt", "stop", "smi")
"""Why a vCPU leaves the guest: the host runs another thread, userland is asked, an I/O access, a nested page fault,
something that the host's kernel handles, HLT, the VM is stopped, a system management interrupt.
"""


class Cpu(Protocol):
    """A vCPU, as a policy sees it."""

    index: int
    frac: int
    """Fraction bits of `ratio`: 48 in VMX, 32 in SVM."""

    @property
    def offset(self) -> int:
        """What is added to the scaled host TSC for L1, modulo 2^64."""

    @property
    def ratio(self) -> int:
        """What the host's TSC is multiplied by for L1."""

    @property
    def adjust(self) -> int:
        """IA32_TSC_ADJUST, 64 bits."""

    @adjust.setter
    def adjust(self, value: int) -> None: ...

    def host_tsc(self, now: int) -> int:
        """The TSC of the processor that it is on, 64 bits."""

    def host_khz(self) -> Fraction:
        """How fast that runs, in kHz."""

    def l1_tsc(self, now: int) -> int:
        """What L1 reads: scaled host TSC plus offset, 64 bits."""

    def set_l1(self, now: int, offset: int | None = None, ratio: int | None = None) -> None:
        """Put another offset (modulo 2^64) or ratio into the hardware; who hangs on the guest's TSC is told."""


@dataclass(frozen=True, slots=True)
class Stamp:
    """One moment in two clocks, for a pvclock page: L1's TSC and kvmclock's ns, the TSC's rate as the page is to have
    it, and whether all vCPUs share that moment.
    """

    tsc: int
    ns: int
    khz: int
    stable: bool


class Note(NamedTuple):
    """What a policy did to a vCPU at a moment, `times` times over: the words for a log."""

    ns: int
    vcpu: int
    text: str
    times: int = 1


NOTES = 512


class Reply(NamedTuple):
    """What a hypercall gives: which register, its value, and that in words."""

    register: str
    value: int
    words: str


class Policy:
    """How host time becomes guest time. `vcpus` are in order of their index. What is not overridden is as on a
    processor without a hypervisor.
    """

    name: ClassVar[str] = ""
    about: ClassVar[str] = ""
    has_adjust: ClassVar[bool] = True
    """Whether the guest has IA32_TSC_ADJUST."""

    def __init__(self, vcpus: Sequence[Cpu], quirks: Mapping[str, str]) -> None:
        self.vcpus = tuple(vcpus)
        self.quirks = quirks
        self.notes: deque[Note] = deque(maxlen=NOTES)
        """What it did by itself, newest last; no part of the state."""

    @property
    def peeks(self) -> Mapping[str, Peek]:
        """What each name that `peek` gives means."""
        return {}

    # -- the life of a VM

    def start(self, now: int) -> None:
        """The VM is made, or reset: every guest TSC counts from 0 at `now`."""
        for cpu in self.vcpus:
            one = 1 << cpu.frac
            cpu.set_l1(now, offset=-cpu.host_tsc(now), ratio=one)
            cpu.adjust = 0

    def reset(self, now: int) -> None:
        """The guest was reset, and its vCPUs with it."""
        self.start(now)

    def exit(self, v: int, now: int, cause: str) -> None:
        """vCPU `v` left the guest."""

    def enter(self, v: int, now: int, moved: bool) -> None:
        """vCPU `v` is about to run in the guest; `moved`: on another processor than the one that it left."""

    def rate_changed(self, now: int) -> None:
        """A host processor's TSC runs at another rate from now on."""

    def arrived(self, now: int, tsc: Sequence[int], downtime: int, host_khz: int) -> None:
        """The VM has just been moved to another host, whose TSCs are behind `host_tsc` already and run at `host_khz`.
        `tsc` are the guest TSCs when it was stopped, `downtime` ns ago. Here: the hardware's offset and ratio are the
        same as before, so the guest sees the new host's TSC.
        """

    # -- accesses to the TSC

    def rdtsc(self, v: int, now: int) -> int:
        """What L1's RDTSC gives on vCPU `v`."""
        return self.vcpus[v].l1_tsc(now)

    def write_tsc(self, v: int, value: int, now: int) -> None:
        """The guest's WRMSR to IA32_TSC: offset and TSC_ADJUST move by the same amount (SDM 3B, IA32_TSC_ADJUST)."""
        cpu = self.vcpus[v]
        change = value - cpu.l1_tsc(now)
        cpu.adjust = (cpu.adjust + change) % WORD
        cpu.set_l1(now, offset=cpu.offset + change)

    def write_adjust(self, v: int, value: int, now: int) -> None:
        """The guest's WRMSR to TSC_ADJUST: the TSC jumps by the change."""
        cpu = self.vcpus[v]
        change = value - cpu.adjust
        cpu.adjust = value
        cpu.set_l1(now, offset=cpu.offset + change)

    def set_tsc(self, v: int, value: int, now: int) -> None:
        """Userspace sets IA32_TSC: TSC_ADJUST stays."""
        cpu = self.vcpus[v]
        cpu.set_l1(now, offset=value - scaled(cpu.host_tsc(now), cpu.ratio, cpu.frac))

    def set_adjust(self, v: int, value: int, now: int) -> None:
        """Userspace sets TSC_ADJUST: the TSC stays."""
        self.vcpus[v].adjust = value

    def vmcall(self, v: int, number: int, now: int, args: Sequence[int] = ()) -> Reply | None:
        """A hypercall by number; None where it is unhandled, as here."""
        return None

    # -- time of its own

    def sync(self, now: int) -> None:
        """Do what is due up to `now`."""

    def next_event(self, now: int) -> int | None:
        """When it next does something by itself, or None."""
        return None

    def appointments(self, now: int, to: int) -> tuple[int, ...]:
        """Moments of its own from `now` to `to` that a leap over many rounds of a load is not to begin or end among:
        the next one, and the last one.
        """
        return ()

    def stamp(self, v: int, now: int) -> Stamp:
        """What a pvclock page of vCPU `v` is to hold. Here: its TSC and virtual time now."""
        cpu = self.vcpus[v]
        khz = int(cpu.host_khz()) * cpu.ratio >> cpu.frac
        return Stamp(cpu.l1_tsc(now), now, khz, False)

    # -- a load that comes again and again

    def counts(self, v: int) -> tuple[int, ...]:
        """Numbers of vCPU `v` that grow by the same amount in each round of a periodic load."""
        return ()

    def add(self, v: int, change: tuple[int, ...], times: int) -> None:
        """Let them grow by so many rounds."""

    # -- what can be seen, and kept

    def peek(self, now: int) -> dict[str, Any]:
        """All that can be seen, by name."""
        return {}

    def snapshot(self) -> tuple[Any, ...]:
        """Its state as plain data; the vCPUs have their own."""
        return ()

    def restore(self, state: tuple[Any, ...]) -> None:
        """Take back what `snapshot` gave."""


class Bare(Policy):
    """No hypervisor: each vCPU is a processor, and RDTSC reads its counter."""

    name = "bare"
    about = "no hypervisor: a vCPU is a processor, its TSC the processor's own"
