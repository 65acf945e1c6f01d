"""The arithmetic of measurements: what a program would find, from what is known of the clocks.

Each function is exact, takes and gives ints (ns, cycles, counts; a rate may be a fraction of kHz), and says what it
rounds. Costs of instructions are configuration: defaults are 25 cycles for RDTSC, 40 with LFENCE, 150 around a CPUID
that the processor executes, 1500 where the hypervisor does.

Sources: Intel SDM 2B, RDTSC and RDTSCP; 3A, Serializing Instructions; Linux arch/x86/lib/delay.c, arch/x86/kernel/tsc.c
and pvclock.c; kvm list, Timekeeping Virtualization for X86-Based Architectures (2010), section 4.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction

from timerlab.clock import NS_PER_S
from timerlab.scaling import apply_scale

Rate = int | Fraction

COSTS = {"none": 25, "lfence": 40, "rdtscp": 40, "cpuid": 150, "trapped": 1500, "rdmsr": 150}
"""Cycles that a read of the TSC takes, by what stands before it; `trapped` is a CPUID that exits."""
EARLY = 10
"""Cycles by which a read with nothing before it may be executed ahead of its place."""
PIT_MODULUS = 65_536


def cycles_in(ns: int, khz: Rate) -> int:
    """TSC cycles in so many ns, rounded down."""
    return int(ns * khz // 1_000_000)


def ns_of(cycles: int, khz: Rate) -> int:
    """ns of so many cycles, rounded down."""
    return int(cycles * 1_000_000 // khz)


def ps_of(cycles: int, khz: Rate) -> int:
    """ps of so many cycles, to the nearest."""
    return int((2 * cycles * 1_000_000_000 // khz + 1) // 2)


# -- reading


def sampled(fence: str, cost: int | None = None) -> tuple[int, int]:
    """[earliest, latest] cycle that a read may have seen, from the cycle at which it should begin."""
    return (-EARLY if fence == "none" else 0), COSTS[fence] if cost is None else cost


def pair(first: int, second: int, last_value: bool) -> int:
    """Second read minus first, of two in order on two processors; with the last_value filter of pvclock a reader never
    gets less than anybody got before.
    """
    return max(first, second) - first if last_value else second - first


def corrected(tsc: int, offset: int) -> int:
    """What software makes of RDTSCP with a table of offsets: TSC_AUX says which one is to be added."""
    return (tsc + offset) % (1 << 64)


# -- aliasing


def aliases(granularity: int, khz: Rate) -> int:
    """TSC values that share one value of a clock of this granularity (ns), rounded down."""
    return cycles_in(granularity, khz)


def epoch_ns(tsc: int, epoch_tsc: int, epoch_ns: int, khz: Rate) -> int:
    """The clock's ns at a TSC value, from one pair of both, rounded down."""
    return epoch_ns + ns_of(tsc - epoch_tsc, khz)


def recalibrated(old: tuple[int, int], new: tuple[int, int], tsc: int, khz: Rate) -> int:
    """By how much a clock steps at `tsc` when its (TSC, ns) pair is taken anew."""
    return epoch_ns(tsc, *new, khz) - epoch_ns(tsc, *old, khz)


def refreshed(old: tuple[int, int], mul: int, shift: int, new: tuple[int, int]) -> int:
    """By how much a pvclock page that is written anew steps: the new (tsc_timestamp, system_time) against what the old
    one gave at that TSC.
    """
    return new[1] - (old[1] + apply_scale(new[0] - old[0], mul, shift))


# -- delays


def udelay(asked: int, done: int, out: int, loop: str) -> int:
    """How long a delay of `asked` ns takes when the vCPU is out for `out` ns after `done` of it. A `tsc` loop sees the
    gap, and ends at once if it is over; a `counted` loop, or a TSC that `hidden` policies stop, waits for the rest.
    """
    if done >= asked:
        return asked
    return max(asked, done + out) if loop == "tsc" else asked + out


def io_delay(writes: int, delay: int, exit: int, kind: str) -> int:
    """What writes to port 80h take: each its delay, and an exit where they are `trapped`; `nop`, as
    KVM_FEATURE_NOP_IO_DELAY asks for, is none at all.
    """
    return 0 if kind == "nop" else writes * (delay + (exit if kind == "trapped" else 0))


def slept(asked: int, granularity: int, phase: int = 0) -> int:
    """How long a sleep takes on a host whose timer ticks each `granularity` ns, `phase` ns after a tick: rounded up to
    ticks, and the one that is running is not counted. Granularity 0 is a timer for each sleep.
    """
    if not granularity:
        return asked
    return (-(-asked // granularity) + 1) * granularity - phase % granularity


# -- lost time


def due(start: int, out: int, hz: int) -> int:
    """Ticks at multiples of 1/hz that fall into [start, start + out)."""
    return -(-(start + out) * hz // NS_PER_S) - -(-start * hz // NS_PER_S)


def lost(start: int, out: int, hz: int, latch: bool) -> int:
    """Ticks lost when nothing can be delivered in [start, start + out); a `latch` keeps one of them."""
    ticks = due(start, out, hz)
    return ticks - 1 if latch and ticks else ticks


def fair_steal(ns: int, vcpus: int, pcpus: int) -> int:
    """ns stolen from each of so many busy vCPUs by an ideal fair scheduler, rounded down."""
    return max(0, ns - ns * pcpus // vcpus)


@dataclass(frozen=True, slots=True)
class Latency:
    """How late ticks came."""

    due: int
    delivered: int
    lost: int
    pending: int
    worst: int
    """The latest one's delay, ns."""
    bins: tuple[tuple[int, int], ...]
    """(up to so many ns late, how many): only those with any."""


EDGES = (0, *(base * 10**power for power in range(3, 10) for base in (1, 2, 5)))
"""Upper ends of a histogram's bins, ns."""


def histogram(pairs: Iterable[tuple[int, int]]) -> tuple[tuple[int, int], ...]:
    """How many of (due, delivered) are how late, in bins of 1, 2 and 5 by decades."""
    found: dict[int, int] = {}
    for asked, came in pairs:
        late = came - asked
        edge = next((edge for edge in EDGES if late <= edge), late)
        found[edge] = found.get(edge, 0) + 1
    return tuple(sorted(found.items()))


def latencies(period: int, on: int, off: int, phase: int, time: int, seed: int = 0, latch: bool = True) -> Latency:
    """Ticks each `period` up to `time`, on a vCPU that is out for `off` ns at a time: from `phase` on, each `on` +
    `off` ns, or, with a `seed`, at places within each such round that a fixed generator picks. One tick waits, with a
    `latch`.
    """
    pairs, last, waiting, missed, state = [], 0, 0, 0, seed
    begin, turn = phase, 0
    for tick in range(period, time + 1, period):
        while tick >= begin + off:
            if waiting:
                pairs.append((waiting, begin + off))
                waiting = 0
            turn += 1
            begin = phase + turn * (on + off)
            if seed:
                state = (state * 6_364_136_223_846_793_005 + 1_442_695_040_888_963_407) % (1 << 64)
                begin += (state >> 33) % (on + 1)
        if tick < begin:
            pairs.append((tick, tick))
        elif waiting or not latch:
            missed += 1
        else:
            waiting = tick
        last += 1
    worst = max((came - asked for asked, came in pairs), default=0)
    return Latency(last, len(pairs), missed, int(bool(waiting)), worst, histogram(pairs))


def rtc_slew(period: int, missed: int) -> list[int]:
    """The gaps between the extra ticks with which QEMU's RTC makes up for missed ones, in the unit of its period: a
    (min(n, 7) + 1)th of it each, rounded down (hw/rtc/mc146818rtc.c, rtc_coalesced_timer_update).
    """
    return [period // (min(left, 7) + 1) for left in range(missed, 0, -1)]


def covert(bits: str, slot: int) -> tuple[int, ...]:
    """Steal of an always busy receiver in each slot, beside a sender on the same processor that is busy in the slots
    of a 1.
    """
    return tuple(fair_steal(slot, 2, 1) if bit == "1" else 0 for bit in bits)


def decoded(steal: Iterable[int], threshold: int) -> str:
    """The bits that a receiver reads out of its steal, slot by slot."""
    return "".join("1" if one > threshold else "0" for one in steal)


# -- calibration and migration


def pit_calibration(count: int, hz: Rate, khz: Rate) -> tuple[int, int]:
    """(ns, TSC cycles) that channel 2 takes for a count in mode 0, both rounded down."""
    return int(Fraction(count * NS_PER_S) / hz), int(Fraction(count * 1000) * khz / hz)


def pit_alias(ns: int, hz: Rate) -> int:
    """What a program takes a time for that reads a PIT count of 16 bits at its ends: ns, rounded down."""
    return int(Fraction(int(ns * hz // NS_PER_S) % PIT_MODULUS * NS_PER_S) / hz)


def shown(ns: int, guest_khz: Rate, host_khz: Rate) -> int:
    """ns that a guest counts by a TSC that it takes for `guest_khz`, and that runs at `host_khz`; rounded down."""
    return int(ns * host_khz // guest_khz)


def catch_up(ns: int, guest_khz: Rate, host_khz: Rate) -> int:
    """Cycles that a hypervisor adds to a TSC that runs too slowly; 0 for one that is fast enough."""
    return max(0, cycles_in(ns, guest_khz) - cycles_in(ns, host_khz))


def hpet_counts(ns: int, period_fs: int) -> int:
    """Counts of an HPET's main counter, rounded down."""
    return ns * 1_000_000 // period_fs
