"""What keeps a processor of the host busy with something else: windows in which a vCPU is out, again and again."""

from __future__ import annotations

from dataclasses import dataclass

ROUND = 64
"""Windows after which an irregular load begins anew."""


@dataclass(frozen=True, slots=True)
class Load:
    """Windows of `out` ns, one in each `period` ns; the next one that has not begun is window `index`, and window 0
    began, or will, in the period from `first` on.

    A regular load has its windows at the beginning of each period. One with a `seed` has them anywhere in it, at places
    that look like chance and come again after `ROUND` windows. With `moves`, the vCPU is on the next processor after
    each window. A `shared` load is not the user's but comes from others that run on the same processor.
    """

    first: int
    out: int
    period: int
    index: int = 0
    seed: int | None = None
    moves: bool = False
    shared: bool = False

    def __post_init__(self) -> None:
        if not 0 < self.out < self.period:
            raise ValueError(f"a load of {self.out} ns every {self.period} ns: above 0, and less than its period")

    @property
    def begins(self) -> int:
        """The ns at which the next window begins."""
        start = self.first + self.index * self.period
        if self.seed is None:
            return start
        return start + _scattered(self.seed, self.index % ROUND) % (self.period - self.out)

    @property
    def round(self) -> int:
        """Windows after which the same places come again."""
        return 1 if self.seed is None else ROUND

    def after(self, windows: int = 1) -> Load:
        """The same load when so many more windows have begun."""
        return Load(self.first, self.out, self.period, self.index + windows, self.seed, self.moves, self.shared)

    def out_between(self, t: int, end: int) -> int:
        """ns of its windows from `t` to `end`, which is the end of a window or the beginning of the next one but one;
        the last window before `index` is none of them.
        """
        at = (t - self.first) // self.period
        begins = self.after(at - self.index).begins
        return max(0, self.index - 2 - at) * self.out + max(0, min(end, begins + self.out) - max(t, begins))

    def missed(self, now: int) -> Load:
        """The same load without the windows that begin before `now`."""
        behind = max(0, (now - self.first) // self.period - self.index)
        load = self.after(behind)
        return load if load.begins >= now else load.after()


def _scattered(seed: int, index: int) -> int:
    """A number that looks like chance: two rounds of multiplying and folding (the mixing step of SplitMix64)."""
    word = (seed * 0x9E37_79B9_7F4A_7C15 + index * 0xD1B5_4A32_D192_ED03 + 0x2545_F491_4F6C_DD1D) % (1 << 64)
    for shift, factor in ((30, 0xBF58_476D_1CE4_E5B9), (27, 0x94D0_49BB_1331_11EB)):
        word = (word ^ word >> shift) * factor % (1 << 64)
    return word ^ word >> 31
