"""A naive local APIC: its timer goes from bus clock to bus clock, its interrupts are sets of vectors.

Written from the manual's prose, and from QEMU's measured law, knowing nothing of the chip's closed forms.
"""

from __future__ import annotations

from dataclasses import dataclass, field

DIVIDERS = {0: 2, 1: 4, 2: 8, 3: 16, 8: 32, 9: 64, 0xA: 128, 0xB: 1}
MASKED = 1 << 16


@dataclass
class NaiveTimer:
    """The manual's timer: a prescaler in front of a down counter; and a TSC that is compared every nanosecond.

    `num / den` bus clocks and `tsc_rate` TSC ticks make a nanosecond.
    """

    num: int
    den: int
    tsc_rate: int
    extra: int = 0
    keeps_count: bool = False
    now: int = 0
    tsc: int = 0
    mode: int = 0
    tmict: int = 0
    tdcr: int = 0
    counter: int = 0
    running: bool = False
    prescaler: int = 0
    deadline: int = 0
    expiries: list[int] = field(default_factory=list)

    @property
    def by(self) -> int:
        return DIVIDERS[self.tdcr]

    def run(self, ns: int) -> None:
        """Nanosecond by nanosecond, bus clock by bus clock."""
        for _ in range(ns):
            clocks = (self.now + 1) * self.num // self.den - self.now * self.num // self.den
            self.now += 1
            self.tsc = (self.tsc + self.tsc_rate) % 2**64
            for _ in range(clocks):
                self.clock()
            self.compare()

    def clock(self) -> None:
        if not self.running:
            return
        self.prescaler += 1
        if self.prescaler < self.by:
            return
        self.prescaler = 0
        self.counter -= 1
        if self.counter:
            return
        self.expiries.append(self.now)
        if self.mode == 1:
            self.counter = self.tmict + self.extra
        else:
            self.running = False

    def compare(self) -> None:
        if self.deadline and self.tsc >= self.deadline:
            self.expiries.append(self.now)
            self.deadline = 0

    @property
    def tmcct(self) -> int:
        return max(0, self.counter - self.extra) if self.running else 0

    def write_tmict(self, value: int) -> None:
        if self.mode >= 2:
            return
        self.tmict, self.counter, self.prescaler = value, value + self.extra, 0
        self.running = value > 0

    def write_tdcr(self, value: int) -> None:
        before = self.by
        self.tdcr = value & 0xB
        if self.by != before:
            self.prescaler = 0

    def write_mode(self, mode: int) -> None:
        if mode == self.mode:
            return
        if mode >= 2 or self.mode >= 2:
            self.tmict = self.deadline = 0
            self.running = False
        elif not self.keeps_count:
            self.running = False
        self.mode = mode

    def write_deadline(self, value: int) -> None:
        if self.mode == 2:
            self.deadline = value
            self.compare()

    def move_tsc(self, ticks: int) -> None:
        self.tsc = (self.tsc + ticks) % 2**64
        self.compare()


@dataclass
class QemuTimer:
    """QEMU's timer, as measured: the count is a law of the time since the load; a host timer is armed for an expiry."""

    num: int
    den: int
    now: int = 0
    mode: int = 0
    tmict: int = 0
    tdcr: int = 0
    load: int = 0
    armed: int | None = None
    expiries: list[int] = field(default_factory=list)

    @property
    def tick(self) -> int:
        return self.now * self.num // self.den

    @property
    def by(self) -> int:
        return DIVIDERS[self.tdcr]

    def run(self, ns: int) -> None:
        for _ in range(ns):
            before = self.tick
            self.now += 1
            for tick in range(before + 1, self.tick + 1):
                if tick == self.armed:
                    self.expiries.append(self.now)
                    self.arm(tick)

    def arm(self, tick: int) -> None:
        """When it expires next after `tick`: by trying each count."""
        self.armed = None
        if not self.tmict or (not self.mode and (tick - self.load) // self.by >= self.tmict):
            return
        end = self.load
        while end <= tick or not self.mode:
            end += (self.tmict + 1) * self.by
            if not self.mode:
                break
        self.armed = end

    @property
    def tmcct(self) -> int:
        d = (self.tick - self.load) // self.by
        if self.mode:
            return self.tmict - d % (self.tmict + 1)
        return self.tmict - d if d < self.tmict else 0

    def write_tmict(self, value: int) -> None:
        self.tmict, self.load = value, self.tick
        self.arm(self.tick)

    def write_tdcr(self, value: int) -> None:
        self.tdcr = value & 0xB

    def write_mode(self, mode: int) -> None:
        self.mode = mode & 1
        self.arm(self.tick)


@dataclass
class NaiveInterrupts:
    """Acceptance and priority in sets and sorted lists."""

    enabled: bool = True
    tpr: int = 0
    irr: set[int] = field(default_factory=set)
    isr: set[int] = field(default_factory=set)
    tmr: set[int] = field(default_factory=set)
    collected: set[int] = field(default_factory=set)
    esr: set[int] = field(default_factory=set)
    error_lvt: int = MASKED
    told: list[int] = field(default_factory=list)

    def ppr(self) -> int:
        highest = max(self.isr, default=0)
        if self.tpr >> 4 > highest >> 4:
            return self.tpr
        if self.tpr >> 4 < highest >> 4:
            return highest & 0xF0
        return highest & 0xF0 | self.tpr & 0x0F

    def accept(self, vector: int, level: bool) -> str:
        if not self.enabled:
            return "lost"
        if vector < 16:
            self.error(6)
            return "lost"
        (self.tmr.add if level else self.tmr.discard)(vector)
        merged = vector in self.irr
        self.irr.add(vector)
        return "merged" if merged else "new"

    def error(self, bit: int) -> None:
        if bit not in self.collected:
            self.collected.add(bit)
            if not self.error_lvt & MASKED:
                self.accept(self.error_lvt & 0xFF, False)

    def pending(self) -> int | None:
        highest = max(self.irr, default=0)
        return highest if highest >> 4 > self.ppr() >> 4 else None

    def take(self) -> int:
        vector = self.pending()
        if vector is None:
            return 0xFF
        self.irr.remove(vector)
        self.isr.add(vector)
        return vector

    def eoi(self) -> None:
        if self.isr:
            vector = max(self.isr)
            self.isr.remove(vector)
            if vector in self.tmr:
                self.told.append(vector)

    def write_esr(self) -> None:
        self.esr, self.collected = self.collected, set()

    def enable(self, on: bool) -> None:
        self.enabled = on
        if not on:
            self.error_lvt |= MASKED

    def write_error_lvt(self, value: int) -> None:
        self.error_lvt = value & 0x100FF | (0 if self.enabled else MASKED)
