"""What a local APIC does with interrupts: acceptance, priority, EOI, errors, its LINT pins.

Source: Intel SDM 3A, chapter Advanced Programmable Interrupt Controller, the sections Interrupt Acceptance for Fixed
Interrupts, Task Priority and Processor Priority, Signaling Interrupt Servicing Completion, Error Handling, Local
Vector Table, Determining IPI Destination. IRR, ISR and TMR are ints of 256 bits, a vector each. No time passes here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from timerlab.clock import Clock, Ticker
from timerlab.devices.lapic_timer import make_timer
from timerlab.interrupt import Delivery, Message, Outcome

MASKED = 1 << 16
LEVEL = 1 << 15
REMOTE_IRR = 1 << 14
ACTIVE_LOW = 1 << 13

ENABLED = 1 << 8
"""SVR: the APIC software enable."""
SUPPRESS = 1 << 12
"""SVR: no EOI broadcasts."""

BSP = 1 << 8
EXTD = 1 << 10
EN = 1 << 11
DEFAULT_BASE = 0xFEE0_0000

SEND_ILLEGAL = 0x20
RECEIVE_ILLEGAL = 0x40
ILLEGAL_REGISTER = 0x80

BROADCAST = 0xFFFF_FFFF
LOWEST_LEGAL = 16
"""Vectors below it are the CPU's own."""


@dataclass(slots=True)
class LapicState:
    """The registers, in the manual's names; the timer's are its own."""

    base: int
    id: int
    tpr: int = 0
    ldr: int = 0
    dfr: int = 0xFFFF_FFFF
    svr: int = 0xFF
    esr: int = 0
    errors: int = 0
    """Errors collected since the last write to ESR."""
    irr: int = 0
    isr: int = 0
    tmr: int = 0
    icr_low: int = 0
    icr_high: int = 0
    lvt_cmci: int = MASKED
    lvt_timer: int = MASKED
    lvt_thermal: int = MASKED
    lvt_perf: int = MASKED
    lvt_lint0: int = MASKED
    lvt_lint1: int = MASKED
    lvt_error: int = MASKED
    lint0_written: bool = False
    """Whether software has set up LINT0 since the reset."""
    extint: bool = False
    """An ExtINT message waits."""
    nmis: int = 0
    smis: int = 0
    startups: int = 0
    wrote: bool = False
    """Whether the latest access in memory was a write, where that counts."""


LVTS = ("lvt_cmci", "lvt_timer", "lvt_thermal", "lvt_perf", "lvt_lint0", "lvt_lint1", "lvt_error")
PIN_LVTS = ("lvt_lint0", "lvt_lint1")


class LapicCore:
    """A local APIC without pins and without places for its registers. `Lapic` is the chip."""

    def __init__(
        self,
        index: int,
        clock: Clock,
        quirks: Mapping[str, str],
        tsc: Callable[[], Ticker],
        eoi_broadcast: Callable[[int], None],
    ) -> None:
        self.index = index
        self.timer = make_timer(clock, quirks, tsc)
        self.has_x2apic = quirks["lapic_x2apic"] == "yes"
        """Whether the CPU has x2APIC mode: CPUID.1:ECX[21]."""
        self.tsc_deadline = quirks["lapic_deadline"] == "yes"
        """Whether the timer has TSC-deadline mode: CPUID.1:ECX[24]."""
        self._eoi_broadcast = eoi_broadcast
        self._soft_disable = quirks["lapic_soft_disable"] == "masks"
        self._stuck_esr = quirks["lapic_esr"] == "stuck"
        self._equal_low = 0xF if quirks["lapic_ppr_equal"] == "tpr" else 0
        self._lint0_extint = quirks["lapic_lint0_reset"] == "extint"
        self._suppresses = quirks["lapic_eoi_suppress"] == "present"
        self._cmci = quirks["lapic_cmci"] == "present"
        self._sources: dict[int, str] = {}
        self._pins = [0, 0]
        self.on_init: Callable[[], None] = lambda: None
        """What an INIT does to the vCPU apart from its APIC (Linux arch/x86/kvm/x86.c, kvm_vcpu_reset)."""
        self.state = LapicState(DEFAULT_BASE | EN | (0 if index else BSP), index)
        self._clear()

    # -- resets

    def _clear(self) -> None:
        """All registers to their reset values, but for the base and the ID."""
        s = self.state
        self.state = s = LapicState(s.base, s.id, nmis=s.nmis, smis=s.smis, startups=s.startups)
        if self._lint0_extint and s.base & BSP:
            s.lvt_lint0 = Delivery.EXTINT << 8
        self._sources = {}
        self.timer.reset()
        self._rank()

    @property
    def mode(self) -> str:
        """ "off", "xapic" or "x2apic"."""
        base = self.state.base
        if not base & EN:
            return "off"
        return "x2apic" if base & EXTD else "xapic"

    @property
    def apic_enabled(self) -> bool:
        """Whether the APIC is on: what CPUID.1:EDX[9] says."""
        return bool(self.state.base & EN)

    @property
    def software_enabled(self) -> bool:
        """Whether fixed and lowest-priority messages are taken: on, and enabled by SVR bit 8."""
        s = self.state
        return bool(s.base & EN and s.svr & ENABLED)

    @property
    def x2apic(self) -> bool:
        """Whether it is in x2APIC mode, and its registers are MSRs."""
        return self.state.base & (EN | EXTD) == EN | EXTD

    # -- acceptance and priority

    def _rank(self) -> None:
        """Work out the PPR and what the CPU is offered; after each change of IRR, ISR, TPR, SVR and base."""
        s = self.state
        top, serving = s.irr.bit_length() - 1, s.isr.bit_length() - 1
        tpr = s.tpr
        if serving < 0:
            ppr = tpr
        else:
            mine, its = tpr >> 4, serving >> 4
            ppr = tpr if mine > its else its << 4 | (tpr & self._equal_low if mine == its else 0)
        self.ppr = ppr
        """The processor priority register."""
        offered = top >> 4 > ppr >> 4
        if offered and not self._soft_disable and not s.svr & ENABLED:
            offered = False
        self._offered = top if offered else None

    def accept(self, vector: int, level: bool, source: str = "") -> Outcome:
        """A fixed interrupt arrives, from a message or from inside.

        NEW, or MERGED where the vector's IRR bit was set; LOST while the APIC is off or disabled by the SVR, and for
        a vector below 16, which is an error.
        """
        s = self.state
        if not s.base & EN or (self._soft_disable and not s.svr & ENABLED):
            return Outcome.LOST
        if vector < LOWEST_LEGAL:
            self._error(RECEIVE_ILLEGAL)
            return Outcome.LOST
        bit = 1 << vector
        if level:
            s.tmr |= bit
        elif s.tmr & bit:
            s.tmr ^= bit
        if s.irr & bit:
            return Outcome.MERGED
        s.irr |= bit
        self._sources[vector] = source
        self._rank()
        return Outcome.NEW

    def pending(self) -> int | None:
        """The vector that the CPU is offered now: the highest in IRR, if its class is above the PPR's."""
        return self._offered

    def take(self) -> int:
        """The CPU acknowledges: the vector goes from IRR to ISR; the spurious vector where none is offered any more."""
        vector, s = self._offered, self.state
        if vector is None:
            return s.svr & 0xFF
        bit = 1 << vector
        s.irr ^= bit
        s.isr |= bit
        del self._sources[vector]
        self._rank()
        return vector

    def eoi(self) -> int | None:
        """The end of the interrupt of highest priority in service, and its vector; None where there is none.

        Where it came as a level, the I/O APICs are told.
        """
        s = self.state
        vector = s.isr.bit_length() - 1
        if vector < 0:
            return None
        bit = 1 << vector
        s.isr ^= bit
        self._rank()
        if s.tmr & bit and not s.svr & SUPPRESS:
            self._eoi_broadcast(vector)
        return vector

    def source_of(self, vector: int) -> str:
        """Who asked for a vector that waits in IRR; empty for one that does not."""
        return self._sources.get(vector, "")

    @property
    def cr8(self) -> int:
        """CR8 as the CPU reads it: the class of the TPR."""
        return self.state.tpr >> 4

    def write_cr8(self, value: int) -> None:
        """MOV to CR8, of its low four bits: the class of the TPR; the bits below it are cleared."""
        self._set_tpr((value & 0xF) << 4)

    def _set_tpr(self, value: int) -> None:
        self.state.tpr = value & 0xFF
        self._rank()

    # -- errors

    def _error(self, bit: int) -> None:
        """An error: collected for ESR, and the error LVT's interrupt unless that kind is collected already."""
        s = self.state
        if self._stuck_esr:
            s.esr |= bit & ILLEGAL_REGISTER
        elif not s.errors & bit:
            s.errors |= bit
            if not s.lvt_error & MASKED:
                self.accept(s.lvt_error & 0xFF, False, f"lapic{self.index}.error")

    # -- what comes from outside and from the timer

    def timer_expired(self) -> Outcome:
        """What the LVT timer entry makes of one expiry: LOST where it is masked."""
        lvt = self.state.lvt_timer
        if lvt & MASKED:
            return Outcome.LOST
        return self.accept(lvt & 0xFF, False, f"lapic{self.index}.timer")

    def receive(self, message: Message) -> Outcome:
        """A message that `matches`. An INIT resets the timer, so bring the chip to the present before."""
        s = self.state
        delivery = message.delivery
        if delivery <= Delivery.LOWEST:
            return self.accept(message.vector, message.level, message.source)
        if not s.base & EN:
            return Outcome.LOST
        if delivery == Delivery.STARTUP:
            s.startups += 1
            return Outcome.LOST
        if delivery == Delivery.EXTINT:
            merged, s.extint = s.extint, True
            return Outcome.MERGED if merged else Outcome.NEW
        return self._event(delivery)

    def _event(self, delivery: int) -> Outcome:
        """NMI, SMI or INIT: past IRR and ISR."""
        s = self.state
        if delivery == Delivery.NMI:
            s.nmis += 1
        elif delivery == Delivery.SMI:
            s.smis += 1
        elif delivery == Delivery.INIT:
            self._clear()
            self.on_init()
        else:
            return Outcome.LOST
        return Outcome.NEW

    def matches(self, message: Message) -> bool:
        """Whether a message is addressed to this APIC.

        A physical destination of FFh is everybody whatever the receiver's mode, since an I/O APIC has no wider one.
        """
        s, dest = self.state, message.dest
        if not s.base & EN:
            return False
        if dest == BROADCAST:
            return True
        if s.base & EXTD:
            if not message.logical:
                return dest == self.index or dest == 0xFF
            ldr = self.ldr
            return dest >> 16 == ldr >> 16 and bool(dest & ldr & 0xFFFF)
        if dest == 0xFF:
            return True
        if not message.logical:
            return dest == s.id
        if dest > 0xFF:
            return False
        mine, model = s.ldr >> 24, s.dfr >> 28
        if model == 0xF:
            return bool(dest & mine)
        return model == 0 and dest >> 4 == mine >> 4 and bool(dest & mine & 0xF)

    @property
    def ldr(self) -> int:
        """The logical destination register: made of the ID in x2APIC mode."""
        s = self.state
        return self.index >> 4 << 16 | 1 << (self.index & 15) if s.base & EXTD else s.ldr
