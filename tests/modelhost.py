"""The host's processors nanosecond by nanosecond: each nanosecond adds what it is worth to an exact count. Written from
the rules, and knowing nothing of closed forms.
"""

from __future__ import annotations

from fractions import Fraction
from math import floor

WORD = 1 << 64
MILLION = 1_000_000


class Cpu:
    """One processor."""

    def __init__(self, khz: Fraction) -> None:
        self.khz = self.core = khz
        self.value = Fraction(0)
        self.asleep = ""
        self.wake_at: int | None = None
        self.next_core: tuple[int, Fraction] | None = None
        self.duty, self.period, self.throttled_at = Fraction(1), 1, 0
        self.adjust = 0


class SlowHost:
    """The processors, one in each package."""

    def __init__(self, khz: Fraction, pcpus: int, constant: bool, nonstop: bool, write: str) -> None:
        self.constant, self.nonstop, self.how = constant, nonstop, write
        self.cpus = [Cpu(khz) for _ in range(pcpus)]
        self.ppm = [0] * pcpus
        self.spreads: list[tuple[int, int, int]] = [(0, 1, 0)] * pcpus
        self.now = 0

    def step(self) -> None:
        """Let a nanosecond pass."""
        for p, cpu in enumerate(self.cpus):
            khz = cpu.khz if self.constant else cpu.core
            worth = khz / MILLION * Fraction(MILLION + self.ppm[p], MILLION)
            if cpu.asleep in ("c1e", "c3") and not self.nonstop:
                worth = Fraction(0)
            elif cpu.duty < 1 and not self.constant:
                inside = (self.now - cpu.throttled_at) % cpu.period
                worth *= max(Fraction(0), min(Fraction(1), cpu.duty * cpu.period - inside))
            depth, period, since = self.spreads[p]
            if depth:
                at = Fraction((self.now - since) % period)
                quarters = [at + Fraction(k, 4) for k in range(4)]  # each is straight: a peak is at a half at most
                heights = [1 - abs(2 * (q + Fraction(1, 8)) / period - 1) for q in quarters]
                worth *= 1 - Fraction(depth, MILLION) * sum(heights) / 4
            cpu.value += worth
        self.now += 1
        for cpu in self.cpus:
            if cpu.wake_at == self.now:
                cpu.asleep, cpu.wake_at = "", None
            if cpu.next_core is not None and cpu.next_core[0] == self.now:
                cpu.core, cpu.next_core = cpu.next_core[1], None

    def tsc(self, p: int) -> int:
        return floor(self.cpus[p].value) % WORD

    def put(self, p: int, value: int) -> None:
        """The whole part becomes `value`."""
        cpu = self.cpus[p]
        cpu.adjust = (cpu.adjust + value - self.tsc(p)) % WORD
        cpu.value = value % WORD + cpu.value - floor(cpu.value)

    def write(self, p: int, value: int) -> None:
        if self.how != "ignored":
            self.put(p, value & 0xFFFF_FFFF if self.how == "low32" else value)

    def plug(self, p: int, sync: str) -> None:
        first = self.cpus[0]
        self.cpus[p] = Cpu(first.khz)
        self.cpus[p].value = first.value - floor(first.value)
        if sync == "copy":
            self.write(p, self.tsc(0))
        elif sync == "adjust":
            self.put(p, self.tsc(0))

    def suspend(self) -> None:
        for cpu in self.cpus:
            cpu.value -= floor(cpu.value)
            cpu.asleep, cpu.wake_at, cpu.duty, cpu.adjust = "", None, Fraction(1), 0
