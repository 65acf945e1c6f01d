"""What Palacios knows of a core's time, and its arithmetic in the three forms of `vmm_time.c`.

Palacios keeps three quantities a core: (1) the host's TSC, which is only read; (2) `guest_cycles`, monotonic guest
time, which drives the guest's other timers; (3) the guest's TSC, which is (2) plus `tsc_guest_offset`. Nothing of (2)
moves between two calls of `v3_time_advance_cycles`.

Source: Palacios, palacios/src/palacios/vmm_time.c and vmm_time.h, of April 2012 (`seed_exact`) and of today (`later`).
"""

from __future__ import annotations

from dataclasses import dataclass
from math import gcd
from typing import NamedTuple

from timerlab.errors import GuestFault
from timerlab.scaling import WORD, signed

TRAP_TSC = 1
"""Bit 0 of `time_flags`: RDTSC and RDTSCP are exits."""
PIT_NUM, PIT_DEN = 105_000, 88
"""The PIT's clock in kHz as a fraction: 105/88 MHz."""
LEAST_GCD = 1024
"""What today's Palacios makes of a smaller greatest common divisor, so that the products stay small."""
MAX_32 = (1 << 32) - 1


class Refused(ValueError):
    """A call that Palacios answers with -1; nothing has changed."""


class HostFault(GuestFault):
    """Palacios itself takes an exception, inside the host: the machine under it would stop."""


class Timer(NamedTuple):
    """A device that is slaved to a core's guest time, and what its callback was told."""

    name: str
    calls: int = 0
    cycles: int = 0
    """Guest cycles of the last call."""
    khz: int = 0
    """The guest's rate as of the last call."""
    total: int = 0
    """Guest cycles of all calls."""
    span: int = 0
    """The time of all calls, in cycles at `khz`."""

    def told(self, cycles: int, khz: int) -> Timer:
        """After a callback."""
        span = self.span if khz == self.khz or not self.khz else self.span * khz // self.khz
        return Timer(self.name, self.calls + 1, cycles, khz, self.total + cycles, span + cycles)

    def grown(self, calls: int, cycles: int, last: int) -> Timer:
        """After more callbacks at the same rate: `cycles` in all, `last` in the last one."""
        return Timer(self.name, self.calls + calls, last, self.khz, self.total + cycles, self.span + cycles)

    @property
    def ns(self) -> int:
        """How much time has passed for this device, rounded down."""
        return self.span * 1_000_000 // self.khz if self.khz else 0

    @property
    def pit_thousandths(self) -> int:
        """The same in thousandths of a PIT clock, rounded."""
        by = PIT_DEN * self.khz
        return (self.span * 2000 * PIT_NUM + by) // (2 * by) if by else 0


@dataclass(slots=True)
class Vm:
    """What all cores share."""

    td_num: int = 1
    td_denom: int = 1
    """Time dilation: guest time runs at td_num / td_denom of its rate."""
    follow_host_time: int = 1
    """1: guest_cycles is computed anew from initial_host_time; 0: it is added to."""
    skew_bound: int = 0
    """Guest cycles of skew that an exit takes back at most; 0: none."""
    passthrough: int = 0
    """The option of today's Palacios that lets the guest read the host's TSC."""
    hooked: int = 1
    """Whether the MSRs and hypercalls are hooked: between v3_init_time_vm and v3_deinit_time_vm."""


@dataclass(slots=True)
class Core:
    """`struct vm_core_time`, and what the run loop remembers. Stamps are host TSC values."""

    host_cpu_freq: int = 0
    """kHz."""
    khz: int = 0
    """The `khz` option of its configuration; 0 where it is missing or none."""
    guest_cpu_freq: int = 0
    """kHz, as the guest and its timers are told."""
    clock_ratio_num: int = 1
    clock_ratio_denom: int = 1
    guest_cycles: int = 0
    """64 bits."""
    tsc_guest_offset: int = 0
    """Signed."""
    last_update: int = 0
    """guest_cycles as of the last v3_update_timers."""
    initial_host_time: int = 0
    vm_pause_host_time: int = 0
    vm_enter_host_time: int = 0
    yield_start_cycle: int = 0
    tsc_aux_lo: int = 0
    tsc_aux_hi: int = 0
    time_flags: int = 0
    timers: tuple[Timer, ...] = ()
    """The newest first, as list_add leaves them."""
    live: int = 1
    """Whether the core is initialised."""
    started: int = 0
    """Whether v3_start_time was called: until then the core does not run."""
    rollovers: int = 0
    """Updates that found negative cycles."""
    host_faults: int = 0
    """Advances in the run loop that would have brought the host down."""
    skew: int = 0
    """Guest cycles that guest time is to be off by."""
    skewed: int = 0
    """How much of that guest_cycles holds."""
    inside: int = 0
    """Whether it runs in the guest."""
    entry_tsc: int = 0
    """Host TSC at the last entry, as the run loop read it."""
    entry_guest: int = 0
    """guest_cycles then."""
    entry_skew: int = 0
    last_tsc: int = 0
    """Host TSC at the last advance."""
    update_tsc: int = 0
    """Host TSC of the advance that the last v3_update_timers saw."""
    update_skew: int = 0
    before_tsc: int = 0
    """The same of the update before that one."""
    before_skew: int = 0
    at_ns: int = 0
    """When it last left or entered the guest."""

    @property
    def guest_tsc(self) -> int:
        """v3_get_guest_tsc: as of the last advance, 64 bits."""
        return (self.guest_cycles + self.tsc_guest_offset) % WORD


def quotient(a: int, b: int) -> int:
    """C's `a / b`: towards 0. HostFault where `b` is 0."""
    if not b:
        raise HostFault(0, "host #DE", "host_to_guest_cycles divides by clock_ratio_denom 0")
    return a // b if a >= 0 else -(-a // b)


class Form:
    """Which vmm_time.c: the seed's exact text, what it meant, or today's."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.seed = name == "seed_exact"
        self.later = name == "later"
        self.intended = not self.seed and not self.later

    def product(self, a: int, b: int) -> int:
        """A product of host cycles: of 128 bits, or a signed 64-bit one that wraps."""
        return a * b if self.intended else signed(a * b)

    def host_to_guest(self, core: Core, cycles: int) -> int:
        """host_to_guest_cycles."""
        return quotient(self.product(cycles, core.clock_ratio_num), core.clock_ratio_denom)

    def elapsed(self, vm: Vm, core: Core, cycles: int) -> int:
        """Guest cycles for `cycles` of the host since v3_start_time, where the guest is slaved to it."""
        cycles = signed(cycles)
        if not self.seed:
            cycles = quotient(self.product(cycles, vm.td_num), vm.td_denom)
        return self.host_to_guest(core, cycles)

    def added(self, core: Core, t: int, host_cycles: int | None) -> int:
        """Guest cycles that an advance adds, where the guest is not slaved to the host; `t` is the host's TSC."""
        if self.seed:
            if host_cycles is None:
                why = "v3_advance_time passes NULL, and v3_time_advance_cycles reads *host_cycles"
                raise HostFault(14, "host #PF", why)
            return self.host_to_guest(core, host_cycles)
        if host_cycles:
            return self.host_to_guest(core, host_cycles)
        if self.later:
            return 0
        return self.host_to_guest(core, signed(t - core.vm_pause_host_time))

    def advanced(self, vm: Vm, core: Core, t: int, host_cycles: int | None) -> int:
        """guest_cycles after an advance at host TSC `t`; HostFault where the form has that bug."""
        if vm.follow_host_time:
            return (self.elapsed(vm, core, t - core.initial_host_time) + core.skew) % WORD
        return (core.guest_cycles + self.added(core, t, host_cycles) + core.skew - core.skewed) % WORD

    def frequency(self, khz: int | None, host_khz: int) -> int:
        """guest_cpu_freq for a core's `khz` option."""
        if khz is None or khz <= 0 or (khz > host_khz and not self.later):
            return host_khz
        return khz

    def ratio(self, guest_khz: int, host_khz: int) -> tuple[int, int]:
        """clock_ratio_num and clock_ratio_denom."""
        if self.seed:
            return 1, 1
        divisor = gcd(guest_khz, host_khz)
        if self.later:
            divisor = max(divisor, LEAST_GCD)
        return guest_khz // divisor, host_khz // divisor

    def flags(self, vm: Vm, core: Core) -> int:
        """time_flags: whether RDTSC has to be trapped."""
        if self.seed:
            return core.time_flags
        plain = core.clock_ratio_num == core.clock_ratio_denom and vm.td_num == vm.td_denom
        return 0 if plain else TRAP_TSC
