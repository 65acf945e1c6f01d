"""The structures that KVM keeps in guest memory, how they are written and read, and what is made of them.

Sources: Linux Documentation/virt/kvm/x86/msr.rst; arch/x86/include/asm/pvclock-abi.h, asm/pvclock.h,
uapi/asm/kvm_para.h; arch/x86/kvm/x86.c, kvm_setup_guest_pvclock, kvm_write_wall_clock, record_steal_time;
arch/x86/kernel/pvclock.c. All little-endian. An update is a row of writes, so that a reader can be seen between any two
of them: an odd version, the content, an even version. What is written follows from what is in guest memory before: a
guest may have left junk there.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from struct import Struct

from timerlab.policy import Stamp
from timerlab.scaling import NS_PER_S, WORD, apply_scale, time_scale

TSC_STABLE, GUEST_STOPPED = 1, 2
"""Flags of a time page."""
PREEMPTED, FLUSH_TLB = 1, 2
"""Bits of the preempted byte."""

TIME_SIZE, WALL_SIZE, STEAL_SIZE, APF_SIZE = 32, 12, 64, 64
PAGE = 4096

_TIME = Struct("<IIQQIbB2x")
_WORD32 = 1 << 32

Write = tuple[int, bytes]
"""One write of an update: address and bytes."""
Memory = Callable[[int, int], bytes]
"""Guest memory: so many bytes from an address on."""


@dataclass(frozen=True, slots=True)
class TimeInfo:
    """struct pvclock_vcpu_time_info. `system_time` is in ns, `shift` is signed."""

    version: int
    tsc_timestamp: int
    system_time: int
    mul: int
    shift: int
    flags: int

    @classmethod
    def read(cls, memory: Memory, address: int) -> TimeInfo:
        """What stands at an address."""
        version, _, tsc, ns, mul, shift, flags = _TIME.unpack(memory(address, TIME_SIZE))
        return cls(version, tsc, ns, mul, shift, flags)

    def pack(self) -> bytes:
        """Its 32 bytes."""
        return _TIME.pack(self.version, 0, self.tsc_timestamp, self.system_time, self.mul, self.shift, self.flags)

    def delta(self, tsc: int) -> int:
        """Cycles since the page was filled in, modulo 2^64: a TSC below the page's is almost 2^64 ahead of it."""
        return (tsc - self.tsc_timestamp) % WORD

    def ns(self, tsc: int) -> int:
        """The time that a guest computes from a TSC value (__pvclock_read_cycles)."""
        return (self.system_time + apply_scale(self.delta(tsc), self.mul, self.shift)) % WORD


def number(memory: Memory, address: int, size: int = 4) -> int:
    """A little-endian number of so many bytes."""
    return int.from_bytes(memory(address, size), "little")


def _bytes(value: int, size: int = 4) -> bytes:
    return (value % (1 << 8 * size)).to_bytes(size, "little")


def last_odd(version: int, times: int = 1) -> int:
    """The odd version of the last of so many updates, from what was in memory: an odd one is passed over."""
    return ((version + 1 | 1) + 2 * (times - 1)) % _WORD32


def inside_page(address: int, size: int) -> bool:
    """Whether a structure lies in one page of guest memory."""
    return address % PAGE + size <= PAGE


def time_writes(memory: Memory, address: int, stamp: Stamp, stopped: bool, times: int = 1) -> list[Write]:
    """An update of a time page: odd version; all of it with that version; even version. GUEST_STOPPED stays set while
    the guest leaves it set; `stopped` sets it.
    """
    old = TimeInfo.read(memory, address)
    odd = last_odd(old.version, times)
    mul, shift = time_scale(NS_PER_S, stamp.khz * 1000)
    flags = stamp.stable * TSC_STABLE | old.flags & GUEST_STOPPED | stopped * GUEST_STOPPED
    page = TimeInfo(odd, stamp.tsc, stamp.ns, mul, shift, flags)
    return [(address, _bytes(odd)), (address, page.pack()), (address, _bytes(odd + 1))]


def wall_writes(memory: Memory, address: int, epoch: int) -> list[Write]:
    """An update of the wall clock: `epoch` is CLOCK_REALTIME, in ns since 1970, when kvmclock was 0."""
    odd = last_odd(number(memory, address))
    sec, nsec = divmod(epoch, NS_PER_S)
    return [(address, _bytes(odd)), (address + 4, _bytes(sec) + _bytes(nsec)), (address, _bytes(odd + 1))]


def steal_writes(memory: Memory, address: int, more: int, times: int = 1) -> list[Write]:
    """An update of a steal time page by `more` ns; the preempted byte is cleared first, with no version around it."""
    odd = last_odd(number(memory, address + 8), times)
    steal = number(memory, address, 8) + more
    return [
        (address + 16, b"\0"),
        (address + 8, _bytes(odd)),
        (address, _bytes(steal, 8)),
        (address + 8, _bytes(odd + 1)),
    ]


# -- formulas that were printed and are wrong


def printed_2011(delta: int, mul: int, shift: int) -> int:
    """The conversion as the first msr.rst has it: product first, then a right shift by what is a signed left shift, and
    the 32 bits of fraction left in. 2^32 too large, apart from the truncation.
    """
    return delta * mul >> abs(shift)


def printed_without_fraction(delta: int, mul: int, shift: int) -> int:
    """The conversion as a NetBSD report of 2025 abridges it: the 32 bits of fraction left in."""
    return (delta << shift if shift >= 0 else delta >> -shift) * mul
