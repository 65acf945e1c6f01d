"""A host with a TSC a processor, and vCPUs as a policy sees them; nothing else."""

from __future__ import annotations

from fractions import Fraction

from timerlab.clock import Clock
from timerlab.scaling import WORD, scaled

KHZ = 2_600_000


class FakeCpu:
    """A vCPU on one of `tscs`, each an exact clock."""

    def __init__(self, index: int, tscs: list[Clock], khz: int = KHZ, frac: int = 48) -> None:
        self.index, self.tscs, self.khz, self.frac = index, tscs, khz, frac
        self.pcpu = 0
        self._offset, self._ratio = 0, 1 << frac
        self.adjust = 0
        self.told = 0

    @property
    def offset(self) -> int:
        return self._offset

    @property
    def ratio(self) -> int:
        return self._ratio

    def host_tsc(self, now: int) -> int:
        return self.tscs[self.pcpu].ticks(now) % WORD

    def host_khz(self) -> Fraction:
        return Fraction(self.khz)

    def l1_tsc(self, now: int) -> int:
        return (scaled(self.host_tsc(now), self._ratio, self.frac) + self._offset) % WORD

    def set_l1(self, now: int, offset: int | None = None, ratio: int | None = None) -> None:
        self._offset = self._offset if offset is None else offset % WORD
        self._ratio = self._ratio if ratio is None else ratio
        self.told += 1


def tscs(khz: int = KHZ, count: int = 1, apart: int = 0, start: int = 0) -> list[Clock]:
    """TSCs of `count` processors, each `apart` ahead of the one before; the first reads `start` at power-on."""
    return [Clock.at(khz * 1000).offset(start + apart * n) for n in range(count)]


def ns(cycles: int, khz: int = KHZ) -> int:
    """The first ns at which so many cycles have passed."""
    return -(-cycles * 1_000_000 // khz)
