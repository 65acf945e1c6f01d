"""A local APIC's pins LINT0 and LINT1, and its LVT entries.

Source: Intel SDM 3A, Local Vector Table; Local APIC State After It Has Been Software Disabled. On a PC LINT0 is the
8259's INTR and LINT1 is NMI (MultiProcessor Specification 1.4, Interrupt Mode Initialization and Handling).
"""

from __future__ import annotations

from timerlab.devices.lapic_core import (
    ACTIVE_LOW,
    BSP,
    EN,
    ENABLED,
    LEVEL,
    LVTS,
    MASKED,
    PIN_LVTS,
    REMOTE_IRR,
    LapicCore,
)
from timerlab.interrupt import Delivery, Outcome


class LapicPins(LapicCore):
    """The pins and the LVT on top of acceptance."""

    def eoi(self) -> int | None:
        """As the core's; a pin whose level was served and that is still high asks again."""
        vector, s = super().eoi(), self.state
        if vector is not None and s.tmr >> vector & 1:
            for pin, name in enumerate(PIN_LVTS):
                lvt = getattr(s, name)
                if lvt & REMOTE_IRR and lvt & 0xFF == vector:
                    setattr(s, name, lvt & ~REMOTE_IRR)
                    self._level_pin(pin)
        return vector

    def set_lint(self, pin: int, level: int) -> Outcome:
        """Drive LINT0 or LINT1 (the 8259's INTR, and NMI).

        NEW or MERGED where the CPU will hear of it, HELD where a level waits behind a mask, LOST otherwise, and
        where a pin goes idle.
        """
        s = self.state
        if not level and not (s.lvt_lint1 if pin else s.lvt_lint0) & ACTIVE_LOW:
            self._pins[pin] = 0
            return Outcome.LOST
        before = self._asserted(pin)
        self._pins[pin] = level
        if before or not self._asserted(pin):
            return Outcome.LOST
        if not s.base & EN:
            return Outcome.NEW if pin == 0 else self._event(Delivery.NMI)
        lvt = s.lvt_lint1 if pin else s.lvt_lint0
        delivery = lvt >> 8 & 7
        if pin and self._pic_mode():
            return self._event(Delivery.NMI)
        if delivery == Delivery.EXTINT or (pin == 0 and self._pic_mode()):
            return Outcome.NEW if self.extint else Outcome.HELD
        if delivery == Delivery.FIXED and lvt & LEVEL:
            return self._level_pin(pin)
        if lvt & MASKED:
            return Outcome.LOST
        if delivery == Delivery.FIXED:
            return self.accept(lvt & 0xFF, False, f"lint{pin}")
        return self._event(delivery)

    def pin_asserted(self, pin: int) -> bool:
        """Whether LINT0 or LINT1 is active, in the polarity of its LVT entry."""
        return self._asserted(pin)

    def _asserted(self, pin: int) -> bool:
        s = self.state
        if not s.base & EN:
            return bool(self._pins[pin])
        return bool(self._pins[pin]) != bool((s.lvt_lint1 if pin else s.lvt_lint0) & ACTIVE_LOW)

    def _level_pin(self, pin: int) -> Outcome:
        """A pin of fixed delivery and level trigger asks, if it is high and the one before is served."""
        s, name = self.state, PIN_LVTS[pin]
        lvt = getattr(s, name)
        if not self._asserted(pin) or lvt & (LEVEL | 0x700) != LEVEL or lvt & (MASKED | REMOTE_IRR):
            return Outcome.HELD
        outcome = self.accept(lvt & 0xFF, True, f"lint{pin}")
        if outcome is not Outcome.LOST:
            setattr(s, name, getattr(s, name) | REMOTE_IRR)
        return outcome

    def _pic_mode(self) -> bool:
        """Whether INTR goes past the APIC: the boot CPU before software has set up LINT0."""
        s = self.state
        return bool(s.base & BSP) and not s.svr & ENABLED and not s.lint0_written

    @property
    def extint_path(self) -> bool:
        """Whether INTR reaches the CPU: the APIC is off, LINT0 is open and ExtINT, or not set up by software yet."""
        s = self.state
        return not s.base & EN or s.lvt_lint0 & (MASKED | 0x700) == Delivery.EXTINT << 8 or self._pic_mode()

    @property
    def extint(self) -> bool:
        """Whether the CPU is asked for an 8259 cycle: by INTR, or by an ExtINT message."""
        s = self.state
        if s.extint:
            return True
        if not s.lvt_lint0 & ACTIVE_LOW and not self._pins[0]:
            return False
        return self._asserted(0) and self.extint_path

    def took_extint(self) -> None:
        """The CPU ran the 8259's cycle: a message that waited is served; the pin is the 8259's."""
        self.state.extint = False

    # -- writes that act

    def _write_lvt(self, name: str, value: int, writable: int) -> None:
        """Write an LVT entry: its read-only bits stay, and the mask is forced while the SVR disables the APIC."""
        s = self.state
        read_only = 0 if writable == 0xFFFF_FFFF else REMOTE_IRR
        value = value & writable | getattr(s, name) & read_only
        if self._soft_disable and not s.svr & ENABLED:
            value |= MASKED
        setattr(s, name, value)
        if name in PIN_LVTS:
            pin = PIN_LVTS.index(name)
            s.lint0_written |= pin == 0
            if value & (LEVEL | 0x700) != LEVEL:
                setattr(s, name, value & ~read_only)
            else:
                self._level_pin(pin)

    def _write_svr(self, value: int) -> None:
        s = self.state
        s.svr = value & (0x11FF if self._suppresses else 0x1FF)
        if self._soft_disable and not s.svr & ENABLED:
            for name in LVTS:
                setattr(s, name, getattr(s, name) | MASKED)
        self._rank()
