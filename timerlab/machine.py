"""The machine: parts and wires, and the time at which they are.

Everything is at `now`, always: `advance` brings each chip there in closed form, in the order in which the board
lists them, and an access finds them there. Order within one nanosecond: edges first (in wiring order), then the
access. Nothing here knows about host time.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from operator import index
from types import MappingProxyType
from typing import Any

from timerlab.bus import check_access, check_memory
from timerlab.byhand import ByHand
from timerlab.config import Config
from timerlab.device import Device
from timerlab.devices.board import Board
from timerlab.devices.cpuid import Registers, cpuid
from timerlab.devices.lapic import MSRS as LAPIC_MSRS
from timerlab.devices.nested_state import ExitToL1
from timerlab.errors import GuestFault
from timerlab.line import Train
from timerlab.policy import Note
from timerlab.quirks import resolve

APIC_PAGE = 0x1000
LOOKS, LEAST_LOOK_NS = 24, 10_000_000
"""How often an advance looks at a guest's clocks at most, and how far apart the looks are at least."""
TURNS = 10_000
"""Moments of the host that one advance stops at, at most, because a deadline waits for a TSC that may jump."""
_MESSAGES = range(0xFEE0_0000, 0xFEF0_0000)
"""Where a chip's write is an interrupt message (Intel SDM 3A, Message Address Register Format)."""

__all__ = ["Config", "Machine", "Snapshot"]


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A machine's state as plain data. Two snapshots are equal if the machines behave alike; `histories`, the edges
    seen, and `notes`, what the policy did, do not count.
    """

    now: int
    devices: tuple[Any, ...]
    fabric: tuple[Any, ...]
    lines: tuple[tuple[int, int], ...]
    histories: tuple[tuple[int, int, tuple[Train, ...]], ...] = field(compare=False)
    notes: tuple[Note, ...] = field(default=(), compare=False)


class Machine(ByHand):
    """A board in time. `now` is in ns since power-on."""

    MESSAGES = _MESSAGES

    def __init__(self, config: Config) -> None:
        self.config = config
        self.quirks = MappingProxyType(resolve(config.profile, dict(config.quirks)))
        self.board = Board(self.quirks, config)
        self.now = 0
        self._syncs = tuple(device.sync for device in self.board.timed)
        self._flow = self.board.flow
        self._lines = (*self.board.lines.values(), *self.board.hidden)
        self._scratch: Machine | None = None
        self._peekers: dict[str, tuple[Device, ...]] = {}
        for device in self.board.devices:
            for chip in dict.fromkeys(name.partition(".")[0] for name in device.peeks):
                self._peekers[chip] = (*self._peekers.get(chip, ()), device)
        self._hosting = self.board.hosting
        self._stops = self.quirks["lapic_arat"] == "no" and self.quirks["policy"] == "bare"
        self._hosting.start()
        self.board.cpuid = self.cpuid
        self.board.wrmsr = lambda v, msr, value, now: self.wrmsr(msr, value, v)
        self._flow.settle(0)

    # -- what changes it

    def advance(self, to: int) -> None:
        """Let time pass up to and including `to`; ValueError for the past."""
        if to < self.now:
            raise ValueError(f"{to} ns is in the past, it is {self.now} ns")
        if to == self.now:
            return
        os = self.board.os
        if os.state.stage != "off":
            # a guest that keeps time is looked at on the way, for the plot of its clocks
            start, span = self.now, to - self.now
            looks = min(LOOKS, span // LEAST_LOOK_NS)
            for look in range(1, looks):
                self._reach(start + span * look // looks)
                os.sample(self.now)
        self._reach(to)
        os.sample(to)

    def _reach(self, to: int) -> None:
        """Let time pass up to `to`, with a stop wherever the host does what a chip must see in its time."""
        for _ in range(TURNS):
            turn = self._turn(to)
            if turn is None:
                break
            self._pass(turn)
        self._pass(to)

    def _turn(self, to: int) -> int | None:
        """The next moment before `to` at which the host does something that a chip of the guest's must see in its time:
        a guest's TSC jumps, or runs at another rate, while a deadline waits for it.
        """
        moments = self._hosting.turns(any(lapic.timer.state.deadline for lapic in self.board.lapics))
        return min((moment for moment in moments if self.now < moment < to), default=None)

    def _pass(self, to: int) -> None:
        """Bring everything to `to`: the chips by the clocks that they had, then the host."""
        for sync in self._syncs:
            sync(to)
        self._hosting.sync(to)
        self.board.os.sync(to)
        self._follow_tsc(to)
        self.now = to
        self._flow.settle(to)

    def host_act(self, act: Callable[[], None]) -> None:
        """Let the host do something now; ValueError, with nothing changed, where it cannot."""
        self._flow.visible(self.now)
        self.board.os.sample(self.now)
        act()
        self._follow_tsc(self.now)
        self.board.follow_compensation()
        self._accessed()
        self.board.os.sample(self.now)

    def _follow_tsc(self, now: int) -> None:
        """A deadline that a TSC has just jumped over is over; a timer that C3 stops follows its processor."""
        if self._stops:
            for v, lapic in enumerate(self.board.lapics):
                lapic.asleep(self.board.host.word(self.board.sched.pcpu(v)) == "c3", now)
        if self._hosting.moved:
            self._hosting.moved = False
            for lapic in self.board.lapics:
                lapic.sync(now)

    def _accessed(self) -> None:
        """After an access: what it changed reaches the controllers and the guest, in this same nanosecond."""
        fabric = self.board.fabric
        self.board.follow_nmi()
        fabric.follow_int()
        fabric.look = fabric.all
        self._flow.settle(self.now)

    def read(self, port: int, width: int = 8) -> int:
        """`inb`, `inw`, `inl`: a read has side effects."""
        check_access(port, width)
        self._flow.visible(self.now)
        value = self.board.bus.read(port, width, self.now)
        self._accessed()
        return value

    def write(self, port: int, value: int, width: int = 8) -> None:
        """`outb`, `outw`, `outl`."""
        check_access(port, width, value)
        self._flow.visible(self.now)
        self.board.bus.write(port, value, width, self.now)
        self._accessed()

    def load(self, address: int, width: int = 32, vcpu: int = 0) -> int:
        """`readb`, `readw`, `readl`, `readq` by a vCPU: its local APIC's page, chips, guest RAM."""
        check_memory(address, width)
        lapic = self._lapic(vcpu)
        self._flow.visible(self.now)
        if lapic.decodes and lapic.base <= address < lapic.base + APIC_PAGE:
            value = lapic.load(address - lapic.base, width, self.now)
        elif address in self.MESSAGES:
            value = (1 << width) - 1
        else:
            value = self.board.memory.read(address, width, self.now)
        self._accessed()
        return value

    def store(self, address: int, value: int, width: int = 32, vcpu: int = 0) -> None:
        """`writeb`, `writew`, `writel`, `writeq` by a vCPU. 32 bits to FEExxxxxh, outside of its APIC's page, are an
        interrupt message, as they are from a chip; not so in the page where APICs are at reset, on or off.
        """
        check_memory(address, width, value)
        lapic = self._lapic(vcpu)
        self._flow.visible(self.now)
        if lapic.decodes and lapic.base <= address < lapic.base + APIC_PAGE:
            lapic.store(address - lapic.base, value, width, self.now)
        elif address in self.MESSAGES:
            if width == 32 and address >= self.MESSAGES.start + APIC_PAGE:
                self.board.fabric.post_by_hand(address, value)
        else:
            self.board.memory.write(address, value, width, self.now)
        self._accessed()

    def rdmsr(self, msr: int, vcpu: int = 0) -> int:
        """RDMSR on a vCPU, by whoever runs there; GuestFault where it takes #GP, or L1 intercepts what L2 does."""
        lapic, hosting = self._lapic(vcpu), self._hosting
        check_msr(msr)
        self.board.vcpus[vcpu].privileged("RDMSR")
        self._flow.visible(self.now)
        if hosting.nested.runs(vcpu) and (msr in LAPIC_MSRS or hosting.paravirtual(msr)):
            self._from_l2(hosting.nested.leaves(vcpu, msr, self.now))
        if msr in LAPIC_MSRS:
            return lapic.rdmsr(msr, self.now)
        if hosting.paravirtual(msr):
            return hosting.rdmsr(vcpu, msr, self.now)
        if hosting.nested.runs(vcpu):
            value = self._from_l2(hosting.nested.rdmsr(vcpu, msr, self.now))
        else:
            value = self.board.vcpus[vcpu].rdmsr(msr, self.now)
        self._follow_tsc(self.now)
        return value

    def wrmsr(self, msr: int, value: int, vcpu: int = 0) -> None:
        """WRMSR on a vCPU, by whoever runs there; GuestFault where it takes #GP, or L1 intercepts what L2 does."""
        lapic, hosting = self._lapic(vcpu), self._hosting
        check_msr(msr, value)
        self.board.vcpus[vcpu].privileged("WRMSR")
        self._flow.visible(self.now)
        if hosting.nested.runs(vcpu) and (msr in LAPIC_MSRS or hosting.paravirtual(msr)):
            self._from_l2(hosting.nested.leaves(vcpu, msr, self.now, value))
        if msr in LAPIC_MSRS:
            lapic.wrmsr(msr, value, self.now)
        elif hosting.paravirtual(msr):
            hosting.wrmsr(vcpu, msr, value, self.now)
        elif hosting.nested.runs(vcpu):
            self._from_l2(hosting.nested.wrmsr(vcpu, msr, value, self.now) or 0)
        else:
            self.board.vcpus[vcpu].wrmsr(msr, value, self.now)
        self._follow_tsc(self.now)
        self._accessed()

    @staticmethod
    def _from_l2(found: int | ExitToL1 | None) -> int:
        """What L0 gives to L2; GuestFault `#VMEXIT` where it is L1 that is asked."""
        if isinstance(found, ExitToL1):
            raise GuestFault(0, "#VMEXIT", found.text())
        return found or 0

    def rdtsc(self, vcpu: int = 0, aux: bool = False) -> int:
        """RDTSC, or with `aux` RDTSCP, on a vCPU, by whoever runs there. It may be an exit to a hypervisor."""
        self._lapic(vcpu)
        nested, cpu = self._hosting.nested, self.board.vcpus[vcpu]
        self._hosting.trap(vcpu, self.now)
        if nested.runs(vcpu):
            found = nested.rdtscp(vcpu, self.now) if aux else nested.rdtsc(vcpu, self.now)
            value = self._from_l2(found[0] if isinstance(found, tuple) else found)
        else:
            value = cpu.rdtscp(self.now)[0] if aux else cpu.rdtsc(self.now)
        self._follow_tsc(self.now)
        return value

    def cpuid(self, leaf: int, subleaf: int = 0, vcpu: int = 0) -> Registers:
        """CPUID on a vCPU: EAX, EBX, ECX, EDX."""
        lapic = self._lapic(vcpu)
        for value in (leaf, subleaf):
            if not 0 <= value < 1 << 32:
                raise ValueError(f"{value:#x} does not fit 32 bits")
        if leaf == 7 and subleaf:
            return 0, 0, 0, 0
        config = self.config
        features = (lapic.apic_enabled, self.quirks["lapic_x2apic"] == "yes", self.quirks["lapic_deadline"] == "yes")
        there = self._hosting.hypervisor if self._hosting.guest else None
        return cpuid(leaf, vcpu, config.vcpus, config.khz, config.bus_hz, *features, self.quirks, there)

    def reset(self) -> None:
        """Hardware reset: all chips to power-on, the last wired first, so that no pin sees a chip
        that is not there yet.
        """
        self._flow.visible(self.now)
        for device in reversed(self.board.devices):
            device.reset(self.now)
        self._hosting.reset(self.now)
        self.board.ticks.forget(self.now)
        for joint in self.board.joints.values():
            joint.pull(0, self.now)
        for vcpu in range(len(self.board.vcpus)):
            self.board.fabric.occupy(vcpu, None)
        self._accessed()

    # -- a copy, and state as data

    def ahead(self, to: int) -> Machine:
        """A machine of the same state that went on to `to` by itself; it is used again by the next call."""
        other = self._scratch
        if other is None:
            other = self._scratch = Machine(self.config)
        other.restore(self.snapshot())
        if to > other.now:
            other.advance(to)
        return other

    def snapshot(self) -> Snapshot:
        """The whole state, plain data."""
        return Snapshot(
            self.now,
            tuple(device.snapshot() for device in self.board.devices),
            (
                self.board.fabric.snapshot(),
                self._flow.snapshot(),
                tuple(joint.hand for joint in self.board.joints.values()),
                self._hosting.snapshot(),
            ),
            tuple(line.snapshot() for line in self._lines),
            tuple(line.history() for line in self._lines),
            tuple(self.board.policy.notes),
        )

    def restore(self, snapshot: Snapshot) -> None:
        """Take back a state that a machine of the same configuration gave."""
        self.now = snapshot.now
        for device, state in zip(self.board.devices, snapshot.devices, strict=True):
            device.restore(state)
        for line, level, history in zip(self._lines, snapshot.lines, snapshot.histories, strict=True):
            line.restore(level, history)
        fabric, flow, hands, hosting = snapshot.fabric
        self._hosting.restore(hosting)
        self._hosting.host_now = snapshot.now
        self.board.fabric.restore(fabric)
        self._flow.restore(flow)
        self._flow.since = snapshot.now
        for joint, hand in zip(self.board.joints.values(), hands, strict=True):
            joint.hand = hand
        self.board.policy.notes.clear()
        self.board.policy.notes.extend(snapshot.notes)
        self.board.reconnect()
        self.board.follow_compensation()

    def digest(self) -> str:
        """A short fingerprint of the state."""
        from hashlib import blake2b

        snapshot = self.snapshot()
        return blake2b(
            repr((snapshot.now, snapshot.devices, snapshot.fabric, snapshot.lines)).encode(), digest_size=8
        ).hexdigest()


def check_msr(msr: int, value: int = 0) -> None:
    """ValueError where an MSR's number or a value does not fit."""
    if not 0 <= index(msr) < 1 << 32:
        raise ValueError(f"MSR {msr:#x} does not fit 32 bits")
    if not 0 <= index(value) < 1 << 64:
        raise ValueError(f"{value:#x} does not fit 64 bits")
