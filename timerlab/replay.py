"""A trace played into a machine: each access at its time, and every read compared with what QEMU answered.

A `Feed` is a trace with a place in it. It plays by number (as fast as it goes) or by time (as the screen's clock has
it); how far it got is all that the log needs to do it again.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from timerlab.machine import Machine
from timerlab.text import count, hexa
from timerlab.trace import INTA, MEMORY_DEVICES, OUTSIDE, PORT_DEVICES, Access, Trace

MODELLED = PORT_DEVICES | MEMORY_DEVICES | {OUTSIDE}
"""The device names of traces that this board has a model of."""

KEPT = 100
"""How many differing reads are remembered one by one."""


@dataclass(slots=True)
class Counts:
    """The reads of one device, by how they came out."""

    equal: int = 0
    different: int = 0
    given: int = 0
    unmodelled: int = 0

    def as_dict(self) -> dict[str, int]:
        """By name."""
        return {"equal": self.equal, "different": self.different, "given": self.given, "unmodelled": self.unmodelled}


@dataclass(slots=True)
class Tally:
    """How the reads of a trace came out, device by device, and the first that differed, with what was read instead."""

    devices: dict[str, Counts] = field(default_factory=dict)
    differing: list[tuple[Access, int]] = field(default_factory=list)

    def of(self, device: str) -> Counts:
        """The counts of a device."""
        return self.devices.setdefault(device, Counts())

    def total(self) -> Counts:
        """All devices together."""
        total = Counts()
        for counts in self.devices.values():
            total.equal += counts.equal
            total.different += counts.different
            total.given += counts.given
            total.unmodelled += counts.unmodelled
        return total

    def words(self) -> str:
        """The totals as a line."""
        total = self.total()
        parts = [f"{count(total.equal)} equal", f"{count(total.different)} different"]
        parts += [f"{count(total.given)} given"] if total.given else []
        parts += [f"{count(total.unmodelled)} unmodelled"] if total.unmodelled else []
        return ", ".join(parts)


class Feed:
    """A trace being played. `at` accesses are done, of `total`; `offset` is added to each of its times."""

    def __init__(self, trace: Trace, offset: int, most: int | None = None) -> None:
        self.trace = trace
        self.offset = offset
        self.total = len(trace.accesses) if most is None else min(most, len(trace.accesses))
        self.at = 0
        self.tally = Tally()
        for access in trace.accesses:
            if access.device != OUTSIDE:
                self.tally.of(access.device)

    @property
    def over(self) -> bool:
        """Whether all is played."""
        return self.at >= self.total

    def play(self, machine: Machine, most: int, until: int | None = None) -> None:
        """Play up to `most` accesses, none of them later than `until`."""
        end = min(self.total, self.at + most)
        accesses, offset = self.trace.accesses, self.offset
        begin = self.at
        while self.at < end:
            access = accesses[self.at]
            t_ns = access.t_ns + offset
            if until is not None and t_ns > until:
                break
            self.at += 1
            if access.device in MODELLED:
                machine.advance(t_ns)
                self._do(machine, access)
            elif access.read:
                self.tally.of(access.device).unmodelled += 1
        if self.at > begin:
            machine.advance(accesses[self.at - 1].t_ns + offset)

    def _do(self, machine: Machine, access: Access) -> None:
        if not access.read:
            carry_out(machine, access)
            return
        counts = self.tally.of(access.device)
        if give(machine, access):
            counts.given += 1
            carry_out(machine, access)
            return
        value = carry_out(machine, access)
        if value == access.value:
            counts.equal += 1
            return
        counts.different += 1
        if len(self.tally.differing) < KEPT:
            self.tally.differing.append((access, value))


def give(machine: Machine, access: Access) -> bool:
    """Whether a read finds a byte of CMOS RAM that was never written, and which the trace therefore gives."""
    if access.device != "rtc" or not access.read or access.size != 8:
        return False
    rtc = machine.board.rtc
    index = rtc.register_of(access.address)
    if rtc.is_given_known(index):
        return False
    machine.given(index, access.value)
    return True


def carry_out(machine: Machine, access: Access) -> int:
    """Do an access, or what came from outside in its place; what a read gives, 0 for anything else."""
    if access.device == OUTSIDE:
        if access.address == INTA:
            machine.inta_seen()
        else:
            machine.line_seen(access.address, access.value)
        return 0
    if access.device in MEMORY_DEVICES:
        if access.read:
            return machine.load(access.address, access.size)
        machine.store(access.address, access.value, access.size)
        return 0
    if access.read:
        return machine.read(access.address, access.size)
    machine.write(access.address, access.value, access.size)
    return 0


def redo(machine: Machine, trace: Trace, offset: int, start: int, end: int, until: int) -> int:
    """Play accesses `start` to `end` again, those not later than `until`, without comparing; how many of the trace are
    done then.
    """
    for index in range(start, end):
        access = trace.accesses[index]
        if access.t_ns + offset > until:
            return index
        if access.device in MODELLED:
            machine.advance(access.t_ns + offset)
            give(machine, access)
            carry_out(machine, access)
    return end


def differing_words(access: Access, value: int) -> str:
    """A read that came out differently, as a line."""
    digits = access.size // 4
    return (
        f"line {access.line}: {access.device} {access.address:X}h at {access.t_ns} ns "
        f"gave {hexa(access.value, digits)}, and {hexa(value, digits)} here"
    )
