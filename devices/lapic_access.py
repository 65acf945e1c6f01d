"""The way to a local APIC's registers: 32 bits in memory (xAPIC), or MSRs (x2APIC), and the messages that it sends.

Source: Intel SDM 3A, Local APIC Register Address Map; x2APIC Register Availability; x2APIC State Transitions; Issuing
Interprocessor Interrupts.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from timerlab.clock import Clock, Ticker
from timerlab.devices.lapic_core import (
    BROADCAST,
    EN,
    EXTD,
    ILLEGAL_REGISTER,
    LOWEST_LEGAL,
    REMOTE_IRR,
    SEND_ILLEGAL,
)
from timerlab.devices.lapic_pins import LapicPins
from timerlab.errors import GuestFault
from timerlab.interrupt import Delivery, Message, Outcome
from timerlab.line import Line

SIZE = 0x1000
"""Bytes of the APIC's page."""

PHYSICAL_BITS = 40
"""MAXPHYADDR: how many bits the base has."""

APIC_BASE = 0x1B
TSC_DEADLINE = 0x6E0
X2APIC = 0x800
X2APIC_ICR = 0x830
X2APIC_SELF_IPI = 0x83F
MSRS = frozenset((APIC_BASE, TSC_DEADLINE, *range(X2APIC, 0x900)))
"""The MSRs that the local APIC answers to, be it with #GP(0)."""

_RESERVED_BASE = ~((1 << PHYSICAL_BITS) - 1) | 0x2FF
_ICR_BITS = 0xCCFFF
_DEASSERT_BITS, _DEASSERT = 0xC700, 0x8500
"""An INIT level de-assert in the ICR: INIT, level, not assert."""

_LVT_OFFSETS = {
    0x2F0: ("lvt_cmci", 0x107FF),
    0x320: ("lvt_timer", 0x700FF),
    0x330: ("lvt_thermal", 0x107FF),
    0x340: ("lvt_perf", 0x107FF),
    0x350: ("lvt_lint0", 0x1A7FF),
    0x360: ("lvt_lint1", 0x1A7FF),
    0x370: ("lvt_error", 0x100FF),
}
"""Register and writable bits of each LVT entry, by its offset."""

_STATUS = 1 << 12
BITMAPS = {0x100: "isr", 0x180: "tmr", 0x200: "irr"}
_X2APIC_GONE = frozenset((0x090, 0x0C0, 0x0E0, 0x310))
"""Offsets that x2APIC mode has not."""
_READ_ONLY = frozenset((0x020, 0x030, 0x0A0, 0x0D0, 0x390, *range(0x100, 0x280, 0x10)))
"""Offsets that x2APIC mode does not let be written."""


def _fault(why: str) -> GuestFault:
    return GuestFault(13, "#GP(0)", why)


class LapicRegisters(LapicPins):
    """The registers on top of what they do."""

    def __init__(
        self,
        index: int,
        clock: Clock,
        quirks: Mapping[str, str],
        timer: Line,
        tsc: Callable[[], Ticker],
        send: Callable[[Message, int, int], Outcome],
        eoi_broadcast: Callable[[int], None],
    ) -> None:
        super().__init__(index, clock, quirks, tsc, eoi_broadcast)
        self.line = timer
        self._send = send
        self._lvt_stored = quirks["lapic_lvt_reserved"] == "stored"
        self._loses = quirks["lapic_write"] == "lost"
        self._version = (6 if self._cmci else 5) << 16 | self._suppresses << 24 | 0x14

    # -- the registers in memory

    @property
    def decodes(self) -> bool:
        """Whether the registers answer in memory: in xAPIC mode."""
        return self.state.base & (EN | EXTD) == EN

    @property
    def base(self) -> int:
        """The address of the APIC's page."""
        return self.state.base & ~0xFFF

    def load(self, offset: int, width: int, now: int) -> int:
        """A read at `offset` from the page's start; only 32 bits at multiples of 16 give a register, the rest 0."""
        if not self.decodes:
            return (1 << width) - 1
        self.state.wrote = False
        if width != 32 or offset & 0xF:
            return 0
        value = self._read(offset, now)
        if value is None:
            self._error(ILLEGAL_REGISTER)
            return 0
        return value

    def store(self, offset: int, value: int, width: int, now: int) -> None:
        """A write at `offset` from the page's start; only 32 bits at multiples of 16 are taken."""
        if width != 32 or offset & 0xF or not self.decodes or self.state.wrote:
            return
        self.state.wrote = self._loses
        if offset == 0x0B0:
            self.eoi()
        elif offset == 0x020:
            self.state.id = value >> 24
        elif offset == 0x0D0:
            self.state.ldr = value & 0xFF00_0000
        elif offset == 0x0E0:
            self.state.dfr = value | 0x0FFF_FFFF
        elif offset == 0x300:
            self.state.icr_low = value & _ICR_BITS
            dest = self.state.icr_high >> 24
            self._send_icr(BROADCAST if dest == 0xFF else dest)
        elif offset == 0x310:
            self.state.icr_high = value & 0xFF00_0000
        elif not self._write(offset, value, now) and self._read(offset, now) is None:
            self._error(ILLEGAL_REGISTER)

    def _read(self, offset: int, now: int) -> int | None:
        """What a register reads; None where there is none."""
        s = self.state
        if 0x100 <= offset < 0x280:
            bitmap: int = getattr(s, BITMAPS[offset & 0x380])
            return bitmap >> (offset >> 4 & 7) * 32 & 0xFFFF_FFFF
        if offset in _LVT_OFFSETS and (offset != 0x2F0 or self._cmci):
            value: int = getattr(s, _LVT_OFFSETS[offset][0])
            return value
        if offset == 0x390:
            return self.timer.count(now)
        if offset == 0x020:
            return self.index if s.base & EXTD else s.id << 24
        if offset == 0x300:
            return s.icr_low
        return {
            0x030: self._version,
            0x080: s.tpr,
            0x090: 0,
            0x0A0: self.ppr,
            0x0B0: 0,
            0x0C0: 0,
            0x0D0: self.ldr,
            0x0E0: s.dfr,
            0x0F0: s.svr,
            0x280: s.esr,
            0x310: s.icr_high,
            0x380: self.timer.state.tmict,
            0x3E0: self.timer.state.tdcr,
        }.get(offset)

    def _writable(self, offset: int) -> int:
        """Which bits of an LVT entry can be written."""
        if self._lvt_stored:
            return 0xFFFF_FFFF
        bits = _LVT_OFFSETS[offset][1]
        return bits & ~(1 << 18) if offset == 0x320 and not self.tsc_deadline else bits

    def _write(self, offset: int, value: int, now: int) -> bool:
        """Write a register that both modes have; whether there is such a one."""
        s = self.state
        if offset == 0x380:
            self.timer.write_tmict(value, now)
        elif offset == 0x080:
            self._set_tpr(value)
        elif offset == 0x0F0:
            self._write_svr(value)
        elif offset == 0x280:
            if not self._stuck_esr:
                s.esr, s.errors = s.errors, 0
        elif offset == 0x3E0:
            self.timer.write_tdcr(value, now)
        elif offset in _LVT_OFFSETS and (offset != 0x2F0 or self._cmci):
            self._write_lvt(_LVT_OFFSETS[offset][0], value, self._writable(offset))
            if offset == 0x320:
                self.timer.write_lvtt(s.lvt_timer >> 17 & (3 if self.tsc_deadline else 1), now)
        else:
            return False
        return True

    # -- interprocessor interrupts

    def _send_icr(self, dest: int) -> None:
        """Send what the ICR says (SDM 3A, Interrupt Command Register); an INIT level de-assert is no message."""
        low = self.state.icr_low
        delivery, vector = Delivery(low >> 8 & 7), low & 0xFF
        if delivery <= Delivery.LOWEST:
            if vector < LOWEST_LEGAL:
                self._error(SEND_ILLEGAL)
                return
        elif delivery in (Delivery.RESERVED, Delivery.EXTINT) or low & _DEASSERT_BITS == _DEASSERT:
            return
        message = Message(dest, bool(low & 0x800), delivery, vector, False, f"lapic{self.index}")
        self._send(message, self.index, low >> 18 & 3)

    def _send_self(self, vector: int) -> None:
        if vector < LOWEST_LEGAL:
            self._error(SEND_ILLEGAL)
            return
        message = Message(self.index, False, Delivery.FIXED, vector, False, f"lapic{self.index}")
        self._send(message, self.index, 1)

    # -- MSRs

    def rdmsr(self, msr: int, now: int) -> int:
        """RDMSR of 1Bh, 6E0h or 800h to 8FFh; GuestFault, a #GP(0), where that is not allowed."""
        if msr == APIC_BASE:
            return self.state.base
        if msr == TSC_DEADLINE:
            if not self.tsc_deadline:
                raise _fault("this CPU has no TSC-deadline mode")
            return self.timer.deadline(now)
        offset = self._x2apic_offset(msr)
        if msr == X2APIC_ICR:
            return self.state.icr_high << 32 | self.state.icr_low
        if msr == X2APIC_SELF_IPI or offset == 0x0B0:
            raise _fault(f"MSR {msr:X}h can only be written")
        value = None if offset in _X2APIC_GONE else self._read(offset, now)
        if value is None:
            raise _fault(f"no x2APIC register {msr:X}h")
        return value

    def wrmsr(self, msr: int, value: int, now: int) -> None:
        """WRMSR of 1Bh, 6E0h or 800h to 8FFh; GuestFault, a #GP(0), where that is not allowed."""
        if msr == APIC_BASE:
            self._write_base(value)
            return
        if msr == TSC_DEADLINE:
            if not self.tsc_deadline:
                raise _fault("this CPU has no TSC-deadline mode")
            told = self.timer.write_deadline(value, now)
            if told:
                self.line.absorb(told)
            return
        offset = self._x2apic_offset(msr)
        if msr == X2APIC_ICR:
            if value & 0xFFFF_FFFF & ~_ICR_BITS:
                raise _fault("reserved bits of the ICR")
            self.state.icr_low, self.state.icr_high = value & 0xFFFF_FFFF, value >> 32
            self._send_icr(value >> 32)
            return
        if offset in _READ_ONLY:
            raise _fault(f"MSR {msr:X}h is read-only")
        if msr != X2APIC_SELF_IPI and (offset in _X2APIC_GONE or self._read(offset, now) is None):
            raise _fault(f"no x2APIC register {msr:X}h")
        if value & ~self._x2apic_bits(offset):
            raise _fault(f"reserved bits of MSR {msr:X}h, or its upper half")
        if msr == X2APIC_SELF_IPI:
            self._send_self(value)
        elif offset == 0x0B0:
            self.eoi()
        else:
            self._write(offset, value, now)

    def _x2apic_offset(self, msr: int) -> int:
        if not self.x2apic:
            raise _fault("not in x2APIC mode")
        return (msr - X2APIC) * 16

    def _x2apic_bits(self, offset: int) -> int:
        """Which bits of a register may be set in a WRMSR."""
        if offset in _LVT_OFFSETS:
            return self._writable(offset) | _STATUS | (REMOTE_IRR if offset in (0x350, 0x360) else 0)
        return {
            0x080: 0xFF,
            0x0F0: 0x11FF if self._suppresses else 0x1FF,
            0x380: 0xFFFF_FFFF,
            0x3E0: 0xB,
            0x3F0: 0xFF,
        }.get(offset, 0)

    def _write_base(self, value: int) -> None:
        """IA32_APIC_BASE: where the page is, and the mode (SDM 3A, x2APIC State Transitions)."""
        s = self.state
        if value & _RESERVED_BASE:
            raise _fault("reserved bits of IA32_APIC_BASE")
        old, new = s.base & (EN | EXTD), value & (EN | EXTD)
        if new == EXTD:
            raise _fault("EXTD without EN")
        if new & EXTD and not self.has_x2apic:
            raise _fault("this CPU has no x2APIC mode")
        if new & EXTD and not old:
            raise _fault("from off to x2APIC: xAPIC comes between")
        if old & EXTD and new == EN:
            raise _fault("from x2APIC back to xAPIC: off comes between")
        s.base = value
        if new == old:
            return
        if not new:
            s.id = self.index
            self._clear()
        elif new & EXTD:
            s.icr_high, s.ldr, s.dfr, s.id = 0, 0, 0xFFFF_FFFF, self.index
        self._rank()
