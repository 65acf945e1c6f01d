"""Catching up gradually: extra ticks between the regular ones until nothing is missed any more.

Source: QEMU 7.2 hw/rtc/mc146818rtc.c, rtc_coalesced_timer_update and cmos_ioport_read: with n ticks missed, the extra
timer runs at a (min(n, 7) + 1)th of the period. It is armed anew at each tick that is missed and at each of its own
expiries, where it does nothing while a request still waits: then its expiries are all alike, and are not handled.
"""

from __future__ import annotations

from timerlab.devices.ticks_state import Tick

FASTEST = 7
"""So many times more often than the regular ticks come the extra ones at most."""

BURST = 20
"""RTC_REINJECT_ON_ACK_COUNT: so many ticks are injected at reads of register C before a regular one must come."""

RTC_HZ, NS_PER_S = 32_768, 1_000_000_000


def interval(period: int, missed: int) -> int:
    """The extra timer's period, from the regular one's and the ticks that are missed, in the unit of `period`."""
    return period // (min(missed, FASTEST) + 1)


class Slew(Tick):
    """Ticks that meet one that still waits are made up for by an extra timer."""

    name = "slew"
    about = "ticks that were missed come as extra ones between the regular ones"
    latch = True
    """Whether a tick may wait at the controller while the vCPU is out."""

    def tick(self, now: int) -> None:
        """A pulse; if it made no request, it is missed."""
        if (not self.latch and self.port.out(self.target)) or not self.port.inject():
            s = self.state
            s.n += 1
            s.next = now + interval(s.period, s.n)
        self._plan(now)

    def fall(self) -> None:
        """It was a whole pulse."""

    def _plan(self, now: int) -> None:
        """Ask for the extra timer's next expiry that does something. One that was asked for and is at `now` comes,
        whatever waits.
        """
        s = self.state
        step = interval(s.period, s.n) if s.n else 0
        if not step or self.port.waits() or (not self.latch and self.port.out(self.target)):
            if s.alarm != now:
                self._ring(None)
            return
        if s.next < now:
            s.next += -(-(now - s.next) // step) * step
        self._ring(s.next)

    def rated(self, n: int, period: int, now: int) -> None:
        """The source has another period from now on, in which n ticks are missed."""
        s = self.state
        s.n, s.period = n, period
        s.next = now + interval(period, n)
        self._plan(now)

    def taken(self, now: int) -> None:
        """The way is free: the extra timer's next expiry may do something. One in this nanosecond is still to come."""
        self._plan(now)

    def resumed(self, now: int) -> None:
        """The vCPU is back."""
        self._plan(now)

    def rang(self, now: int) -> None:
        """The extra timer expires."""
        s = self.state
        s.alarm = None
        blocked = self.port.waits() or (not self.latch and self.port.out(self.target))
        if s.n and not blocked and self.port.inject():
            s.n -= 1
            s.made_up += 1
        s.next = now + max(1, interval(s.period, s.n))
        self._plan(now)


class SlewNoLatch(Slew):
    """The same where nothing waits at a controller while the vCPU is out."""

    name = "slew_nolatch"
    about = "as slew, where the first tick that is missed does not wait at the controller"
    latch = False


class SlewRtc(Slew):
    """The same, and each read of register C in a handler brings another tick at once, up to 20 in a row."""

    name = "slew_rtc"
    about = "as slew, and each handler's read of register C brings one more, up to 20 in a row"

    def tick(self, now: int) -> None:
        """A regular tick ends the row."""
        if self.state.burst >= BURST:
            self.state.burst = 0
        super().tick(now)

    def ended(self, now: int) -> None:
        """The handler has read register C."""
        super().ended(now)
        if self.port.reacts:
            self.read_c(now)

    def read_c(self, now: int) -> None:
        """A read of register C while periodic interrupts are enabled."""
        s = self.state
        if s.n and s.burst < BURST:
            s.burst += 1
            if self.port.inject():
                s.n -= 1
                s.made_up += 1
            self._plan(now)
