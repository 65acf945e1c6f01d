"""The RTC's state: what would have to be saved to go on as if nothing had been."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from timerlab.devices.rtc_calendar import Rules, Time
from timerlab.devices.rtc_wheel import FORMAT, Alarm

PF, AF, UF = 0x40, 0x20, 0x10
SET, PIE, AIE, UIE, SQWE, DSE = 0x80, 0x40, 0x20, 0x10, 0x08, 0x01
ENABLES = PIE | AIE | UIE
CENTURY = 0x32
RAM = 0x0E
BANK = 128


@dataclass(slots=True)
class RtcState:
    """MC146818A as it stands at `t` ns. Bytes are as in the chip; `ram` has all 128 places, used from 0Eh on."""

    t: int
    time: Time
    alarm: Alarm = (0, 0, 0)
    a: int = 0x26
    b: int = 0x02
    flags: int = 0
    vrt: int = 1
    index: int = 0
    nmi_mask: int = 0
    index2: int = 0
    ram: tuple[int, ...] = (0,) * BANK
    ram2: tuple[int, ...] = (0,) * BANK
    known: int = 0
    """RAM places that were written or given, a bit each; the second bank from bit 128 on."""
    zero: int = 0
    """The ns at which the divider was zero; with a crystal whose second is whole ns, in the second before 0."""
    held: int = 0
    """While the divider stands: how many ns it had run since zero."""
    dead: int = 0
    """The end of an update that is under way but does not count, because it was inhibited when it started; or 0."""
    autumn: bool = False
    """The hour was put back already today."""
    anchor: int | None = None
    """Quirk rtc_pf=with_pie: the 32 768 Hz tick from which the timer counts periods; None without PIE."""
    due: int = 0
    """Quirk rtc_alarm=qemu: in how many updates the alarm is due; 0 while nobody waits for it."""
    phase: int = 0
    """Quirk rtc_write=restarts: how far into a second a write of a time byte puts the chip, in ns."""
    updates: int = 0
    coalesced: int = 0
    c_read: int | None = None

    def snapshot(self) -> tuple[Any, ...]:
        """All of it."""
        return tuple([getattr(self, name) for name in self.__slots__])

    def copy(self) -> RtcState:
        """Another one, alike."""
        return RtcState(*self.snapshot())

    @property
    def irqf(self) -> int:
        """IRQF: a flag is set, and its interrupt enabled."""
        return 1 if self.flags & self.b & ENABLES else 0

    @property
    def c(self) -> int:
        """Register C."""
        return self.irqf << 7 | self.flags

    @property
    def fmt(self) -> int:
        """The format bits of register B."""
        return self.b & FORMAT

    def rules(self, century: bool, dow_of_date: bool, april: int) -> Rules:
        """How the time counts with register B as it is."""
        return Rules(self.b & FORMAT, century, dow_of_date, april if self.b & DSE else 0)
