"""QEMU's RTC with lost ticks: what a change of the periodic rate makes of them, and when the extra ticks come.

Source: QEMU 7.2 hw/rtc/mc146818rtc.c: rtc_periodic_clock_ticks, periodic_timer_update, rtc_coalesced_timer_update,
cmos_ioport_read. Everything is counted in clocks of 32 768 Hz, and each division rounds down. The same rules, at ns,
are at work in the policies `slew` and `slew_rtc`; here they stand alone, without a machine.
"""

from __future__ import annotations

from dataclasses import dataclass

from timerlab.devices.ticks_slew import BURST, interval


def rescaled(n: int, old: int, new: int, since: int, slew: bool) -> tuple[int, int]:
    """(ticks missed, clocks to the next tick) after the period went from `old` to `new` clocks, `since` clocks after
    the last tick, with n ticks missed. `new` = 0 is no periodic interrupt: nothing is missed and nothing comes.
    """
    if not new:
        return 0, 0
    lost = since if old else 0
    if not slew:
        return 0, new - min(lost, new)
    lost += n * old
    return lost // new, new - lost % new


def drain(period: int, n: int) -> list[int]:
    """The gaps between the extra ticks until none is missed any more, if none of the regular ones is."""
    return [interval(period, left) for left in range(n, 0, -1)]


@dataclass(slots=True)
class RtcSlew:
    """The bookkeeping of one RTC under `lost_tick_policy=slew`. `period` is in clocks, 0 while there is none."""

    period: int
    n: int = 0
    burst: int = 0

    def tick(self, delivered: bool) -> int | None:
        """A regular tick; after how many clocks the extra timer is to expire, None where it is not armed anew."""
        if self.burst >= BURST:
            self.burst = 0
        if delivered:
            return None
        self.n += 1
        return interval(self.period, self.n)

    def extra(self, delivered: bool) -> int | None:
        """The extra timer expires; after how many clocks it does so again."""
        if self.n and delivered:
            self.n -= 1
        return interval(self.period, self.n) if self.n else None

    def read_c(self, delivered: bool = True) -> bool:
        """A read of register C with periodic interrupts enabled; whether it injects a tick."""
        if not self.n or self.burst >= BURST:
            return False
        self.burst += 1
        if delivered:
            self.n -= 1
        return True

    def rated(self, period: int, since: int = 0) -> int:
        """Another period, or 0 for PIE cleared or rate 0, `since` clocks after a tick; the clocks to the next one."""
        self.n, rest = rescaled(self.n, self.period, period, since, slew=True)
        self.period = period
        return rest
