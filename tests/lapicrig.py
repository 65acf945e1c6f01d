"""Local APICs on a bench: some vCPUs' chips, time, a TSC each, and the bus between them."""

from __future__ import annotations

from fractions import Fraction

from timerlab.clock import Clock
from timerlab.devices.lapic import Lapic
from timerlab.interrupt import Message, Outcome
from timerlab.line import Gap, Line, Train
from timerlab.quirks import resolve

ID, VERSION, TPR, PPR, EOI, LDR, DFR, SVR = 0x20, 0x30, 0x80, 0xA0, 0xB0, 0xD0, 0xE0, 0xF0
ISR, TMR, IRR, ESR = 0x100, 0x180, 0x200, 0x280
ICR, ICR_HIGH = 0x300, 0x310
LVTT, THERMAL, PERF, LINT0, LINT1, ERROR = 0x320, 0x330, 0x340, 0x350, 0x360, 0x370
TMICT, TMCCT, TDCR = 0x380, 0x390, 0x3E0
BASE, DEADLINE = 0x1B, 0x6E0
PERIODIC, DEADLINE_MODE, MASKED = 1 << 17, 2 << 17, 1 << 16


class Rig:
    """`vcpus` local APICs whose timers run at `hz`, with TSCs of `tsc_hz`; software enabled unless `raw`."""

    def __init__(
        self,
        vcpus: int = 1,
        hz: Fraction | int = 1_000_000_000,
        tsc_hz: int = 2_600_000_000,
        profile: str = "datasheet",
        raw: bool = False,
        **quirks: str,
    ) -> None:
        self.now = 0
        self.tscs = [Clock.at(tsc_hz) for _ in range(vcpus)]
        self.broadcasts: list[int] = []
        self.sent: list[Message] = []
        self.outcomes: list[Outcome] = []
        self.expiries: list[int] = []
        """When the timer of vCPU 0 expired; of a long train only the first and the last."""
        self.lines = [Line(f"lapic{i}.timer") for i in range(vcpus)]
        self.chips = [self._chip(i, hz, resolve(profile, quirks)) for i in range(vcpus)]
        self.chip = self.chips[0]
        if not raw:
            for i in range(vcpus):
                self.write(SVR, 0x1FF, i)

    def _chip(self, i: int, hz: Fraction | int, quirks: dict[str, str]) -> Lapic:
        def expired(train: Train | Gap) -> None:
            assert isinstance(train, Train)
            assert (train.level, train.hold, train.count & 1) == (1, 0, 0)
            for edge in sorted({0, train.count - 2}):
                if not i:
                    self.expiries.append(train.ns(edge))
                self.outcomes.append(self.chips[i].timer_expired())

        self.lines[i].sinks.append(expired)
        return Lapic(i, Clock.at(hz), quirks, self.lines[i], lambda: self.tscs[i], self.send, self.broadcasts.append)

    def send(self, message: Message, sender: int, shorthand: int) -> Outcome:
        self.sent.append(message)
        for i, chip in enumerate(self.chips):
            if (chip.matches(message), i == sender, True, i != sender)[shorthand]:
                chip.receive(message)
        return Outcome.NEW

    def at(self, ns: int) -> None:
        """Let time pass up to `ns`."""
        self.now = ns
        for chip in self.chips:
            chip.sync(ns)

    def skip(self, ns: int) -> None:
        self.at(self.now + ns)

    def write(self, offset: int, value: int, vcpu: int = 0) -> None:
        self.chips[vcpu].store(offset, value, 32, self.now)

    def read(self, offset: int, vcpu: int = 0) -> int:
        return self.chips[vcpu].load(offset, 32, self.now)

    def wrmsr(self, msr: int, value: int, vcpu: int = 0) -> None:
        self.chips[vcpu].wrmsr(msr, value, self.now)

    def rdmsr(self, msr: int, vcpu: int = 0) -> int:
        return self.chips[vcpu].rdmsr(msr, self.now)

    def x2apic(self, vcpu: int = 0) -> None:
        """Into x2APIC mode."""
        self.wrmsr(BASE, self.rdmsr(BASE, vcpu) | 0x400, vcpu)

    def tsc(self) -> int:
        return self.tscs[0].ticks(self.now)

    def move_tsc(self, ticks: int) -> None:
        """A write to the TSC of vCPU 0 that puts it `ticks` on."""
        self.tscs[0] = self.tscs[0].offset(ticks)
        self.chip.tsc_moved(self.now)

    def irr(self, vcpu: int = 0) -> list[int]:
        """The vectors that wait, by the registers."""
        return self.vectors(IRR, vcpu)

    def isr(self) -> list[int]:
        return self.vectors(ISR)

    def vectors(self, base: int, vcpu: int = 0) -> list[int]:
        words = [self.read(base + 0x10 * i, vcpu) for i in range(8)]
        return [v for v in range(256) if words[v >> 5] >> (v & 31) & 1]

    def accept(self, *vectors: int) -> None:
        for vector in vectors:
            self.chip.accept(vector, False)

    def serve(self, *vectors: int) -> None:
        """Have the vectors in service, the lowest first."""
        for vector in sorted(vectors):
            self.chip.accept(vector, False)
            assert self.chip.take() == vector
