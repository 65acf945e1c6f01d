"""The MC146818A real-time clock as a PC has it: ports 70h to 73h, IRQ 8, 114 bytes of battery-backed RAM.

Source: MC146818A datasheet; DS12887 datasheet for `update=ds12887`; Intel 82371AB (PIIX4) for the ports. This file is
what accesses do. Not modelled: the oscillator's own phase against a write (the divider starts at the write), the
standby supply but for VRT, and the square wave of the clock-out pin CKOUT.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from timerlab.clock import NS_PER_S, Clock
from timerlab.device import PortDevice, State
from timerlab.devices.rtc_calendar import dow_of, time_of
from timerlab.devices.rtc_core import Core
from timerlab.devices.rtc_look import look
from timerlab.devices.rtc_reckoned import converted, reckoned
from timerlab.devices.rtc_regs import PEEKS, REGS
from timerlab.devices.rtc_state import AF, AIE, BANK, CENTURY, PF, PIE, RAM, SET, SQWE, UF, UIE, RtcState
from timerlab.devices.rtc_waves import BASE_HZ, divider, rest_of
from timerlab.devices.rtc_wheel import FORMAT
from timerlab.line import Line, Train

PORTS = range(0x70, 0x74)
INDEX, DATA, INDEX2, DATA2 = PORTS
PS2_CENTURY = 0x37
HALF_S = NS_PER_S // 2

_TIME_AT = {0: 0, 2: 1, 4: 2, 6: 3, 7: 4, 8: 5, 9: 6}
_ALARM_AT = {1: 0, 3: 1, 5: 2}
_A, _B, _C, _D = 10, 11, 12, 13


class Rtc(PortDevice):
    """The RTC with its lines: the interrupt (high while IRQF is), UIP as a wave, and the square wave pin."""

    name = "rtc"
    regs = REGS
    peeks = PEEKS

    def __init__(
        self,
        clock: Clock,
        quirks: Mapping[str, str],
        start: tuple[int, int, int, int, int, int],
        irq: Line,
        uip: Line,
        sqw: Line,
    ) -> None:
        self.core = Core(clock, quirks)
        self.irq, self.uip, self.sqw = irq, uip, sqw
        self.on_c: Callable[[int], None] = lambda now: None
        """Who hears of a read of register C while PIE is set."""
        self.on_rate: Callable[[int, int, int, int], None] = lambda old, new, since, now: None
        """Who hears of another periodic rate: the periods, and the time since the last tick, in clocks of 32 768 Hz."""
        self._restarts = quirks["rtc_write"] == "restarts"
        self._converts = quirks["rtc_format"] == "converted"
        self._normalises = quirks["rtc_illegal"] == "normalised"
        self._alias = quirks["rtc_37h"] == "alias"
        self._bank2 = quirks["rtc_bank2"] == "present"
        self._reset_clears = PIE | AIE | SQWE | (UIE if quirks["rtc_reset_uie"] == "cleared" else 0)
        self._last = quirks["rtc_70h"] == "last"
        self._blind = quirks["rtc_update_read"] == "ff"
        half = clock.ns(clock.ticks(0) + BASE_HZ // 2)
        time = time_of(start)
        ram = list(RtcState(0, time).ram)
        ram[CENTURY] = time[7]
        self.state = RtcState(0, time, ram=tuple(ram), zero=self.core.zero_for(-half))
        # the update that starts at ns 0 is the one that made the start time
        self.core.enter(self.state, 0)
        self.core.rearm(self.state)
        self._due = 0

    @property
    def nmi_masked(self) -> bool:
        """Whether bit 7 of port 70h keeps NMIs from the CPU."""
        return bool(self.state.nmi_mask)

    # -- time

    def sync(self, now: int) -> None:
        """Bring the chip to `now`."""
        s = self.state
        if now < self._due:
            s.t = now
            return
        core = self.core
        updates = core.updates(s)
        if updates is not None:
            wave = updates.wave()
            cut = wave.cut(wave.clock.ticks(max(s.t, s.dead)), wave.clock.ticks(now))
            if cut is not None:
                self.uip.absorb((cut,))
        square = core.square(s)
        if square is not None:
            cut = square.cut(square.clock.ticks(s.t), square.clock.ticks(now))
            if cut is not None:
                self.sqw.absorb((cut,))
        rise = core.step(s, now)
        if rise is not None:
            self.irq.absorb((Train.edge(rise, 1),))
        self._keep_century()
        self._due = self._next_due()

    def _keep_century(self) -> None:
        """The century byte is time and RAM at once."""
        s = self.state
        if s.ram[CENTURY] != s.time[7]:
            s.ram = (*s.ram[:CENTURY], s.time[7], *s.ram[CENTURY + 1 :])

    def _next_due(self) -> int:
        """The next ns at which anything changes but the time itself."""
        s = self.state
        found = [s.dead or 1 << 100]
        updates = self.core.updates(s)
        if updates is not None:
            found.append(rest_of(updates.wave(), max(s.t, s.dead)).ns(0))
        square = self.core.square(s)
        if square is not None:
            found.append(rest_of(square, s.t).ns(0))
        if not s.flags & PF or s.b & PIE:
            periodic = self.core.next_periodic(s)
            if periodic is not None:
                found.append(periodic)
        return min(found)

    def _drive(self, now: int) -> None:
        """Put the lines where an access has put the pins."""
        s = self.state
        self.irq.drive(now, s.irqf)
        self.uip.drive(now, self.core.uip(s, now))
        self.sqw.drive(now, self.core.sqw(s, now))
        self._due = 0

    def next_event(self, now: int) -> Iterator[tuple[int, str]]:
        """The next rise of the interrupt. UIP and the square wave are derived, waves without events."""
        at = self.core.next_irq(self._at(now))
        if at is not None:
            yield at, self.irq.name

    def future(self, name: str, now: int) -> list[Train]:
        """The edges of a line of this chip after `now`, if nothing is accessed."""
        s = self._at(now)
        if name == self.irq.name:
            at = self.core.next_irq(s)
            return [] if at is None else [Train.edge(at, 1)]
        if name == self.uip.name:
            updates = self.core.updates(s)
            return [] if updates is None else [rest_of(updates.wave(), max(now, s.dead))]
        square = self.core.square(s) if name == self.sqw.name else None
        return [] if square is None else [rest_of(square, now)]

    def _at(self, now: int) -> RtcState:
        """The state at `now`: itself, or a copy that went there."""
        s = self.state
        if s.t != now:
            s = s.copy()
            self.core.step(s, now)
        return s

    def reset(self, now: int) -> None:
        """The RESET pin: enables, SQWE and flags go; time, alarm, RAM and formats stay on the battery."""
        self.sync(now)
        s = self.state
        s.b &= ~self._reset_clears
        s.flags = 0
        s.coalesced = 0
        s.anchor = None
        self.core.rearm(s)
        self._drive(now)

    def lose_battery(self) -> None:
        """The power sense pin saw the battery fail: VRT is 0 until register D is read."""
        self.state.vrt = 0

    # -- places

    def register_of(self, port: int) -> int:
        """The index that a read of 71h reaches; 128 and the index for 73h."""
        if port == DATA2:
            return BANK + self.state.index2
        return self._index(self.state.index)

    def _index(self, index: int) -> int:
        return CENTURY if self._alias and index == PS2_CENTURY else index

    def is_given_known(self, index: int) -> bool:
        """Whether what a place holds is known here: all but RAM that was never written nor given."""
        return index < RAM or bool(self.state.known >> self._index(index) & 1)

    def given(self, index: int, value: int) -> None:
        """Someone else put `value` at a place of the RAM (128 and on: the second bank); nothing follows from it."""
        index = self._index(index)
        if index >= RAM:
            self._store(index, value & 0xFF)

    def _store(self, index: int, value: int) -> None:
        s = self.state
        s.known |= 1 << index
        if index >= BANK:
            at = index - BANK
            s.ram2 = (*s.ram2[:at], value, *s.ram2[at + 1 :])
            return
        s.ram = (*s.ram[:index], value, *s.ram[index + 1 :])
        if index == CENTURY:
            s.time = (*s.time[:7], value)

    # -- ports

    def read(self, port: int, now: int) -> int:
        """A read of 70h to 73h."""
        s = self.state
        if port == DATA:
            return self._read(self._index(s.index), now)
        if port == DATA2:
            return s.ram2[s.index2] if self._bank2 else 0xFF
        if not self._last or (port == INDEX2 and not self._bank2):
            return 0xFF
        return s.nmi_mask << 7 | s.index if port == INDEX else s.index2

    def _read(self, index: int, now: int) -> int:
        s = self.state
        value = self.value(index, s, now)
        if index == _C:
            s.flags = 0
            s.coalesced = 0
            s.c_read = now
            if value & (UF | AF):
                self.core.rearm(s)
            self.irq.drive(now, 0)
            self._due = 0
            if s.b & PIE:
                self.on_c(now)
        elif index == _D:
            s.vrt = 1
        return value

    def value(self, index: int, s: RtcState, now: int) -> int:
        """What a place holds; nothing is stored."""
        if index < _A:
            if self._blind and self.core.updating(s, now):
                return 0xFF
            return s.alarm[_ALARM_AT[index]] if index in _ALARM_AT else s.time[_TIME_AT[index]]
        if index == _A:
            return self.core.uip(s, now) << 7 | s.a
        if index == _B:
            return s.b
        if index == _C:
            return s.c
        return s.vrt << 7 if index == _D else s.time[7] if index == CENTURY else s.ram[index]

    def write(self, port: int, value: int, now: int) -> None:
        """A write to 70h to 73h."""
        s = self.state
        if port == INDEX:
            s.index, s.nmi_mask = value & 0x7F, value >> 7
        elif port == INDEX2:
            if self._bank2:
                s.index2 = value & 0x7F
        elif port == DATA2:
            if self._bank2:
                self._store(BANK + s.index2, value)
        else:
            self._write(self._index(s.index), value, now)

    def _write(self, index: int, value: int, now: int) -> None:
        if index < _A:
            self._set_time(index, value, now)
        elif index in (_A, _B):
            old, since = self.core.rhythm(self.state, now)
            (self._set_a if index == _A else self._set_b)(value, now)
            if (new := self.core.rhythm(self.state, now)[0]) != old:
                self.on_rate(old, new, since, now)
        elif index >= RAM:
            self._store(index, value)
            if index == CENTURY and self.core.century:
                self._time_was_set(now)
                self._drive(now)

    def _set_time(self, index: int, value: int, now: int) -> None:
        s = self.state
        if self.core.updating(s, now):
            return
        if index in _ALARM_AT:
            alarm = list(s.alarm)
            alarm[_ALARM_AT[index]] = value
            s.alarm = alarm[0], alarm[1], alarm[2]
            self.core.rearm(s)
        else:
            at = _TIME_AT[index]
            s.time = (*s.time[:at], value & 0x7F if not index else value, *s.time[at + 1 :])  # type: ignore[assignment]
            self._time_was_set(now)
        self._drive(now)

    def _time_was_set(self, now: int) -> None:
        """A time byte was written: with SET=0 and the divider running, it counts from now on."""
        s = self.state
        if s.b & SET or divider(s.a) != "runs":
            return
        self._settle(s.fmt, s.fmt)
        if self._restarts:
            s.zero = self.core.zero_for(now - s.phase - HALF_S)
            self.core.enter(s, now)
        self.core.rearm(s)

    def _settle(self, fmt: int, to: int) -> None:
        """The time bytes are taken over as a time, in format `fmt`."""
        s, core = self.state, self.core
        if self._normalises:
            s.time = reckoned(s.time, fmt, to)
        elif self._converts and fmt != to:
            s.time = converted(s.time, fmt, to, core.rules(s)._replace(fmt=fmt))
        if core.dow_of_date:
            rules = core.rules(s)._replace(fmt=to)
            s.time = (*s.time[:3], dow_of(s.time[3], *s.time[4:], rules), *s.time[4:])
        self._keep_century()

    def _set_a(self, value: int, now: int) -> None:
        s, core = self.state, self.core
        before, old = divider(s.a), s.a
        s.a = value & 0x7F
        after = divider(s.a)
        if before == "runs" and after != "runs":
            s.held = 0 if after == "held" else now - s.zero
            if after == "stopped" and core.second:
                s.held %= core.second * core.slow(old)
            s.dead = 0
            s.zero = s.zero if self._restarts else 0
        elif after == "held":
            s.held = 0
        elif before != "runs" and after == "runs":
            keeps = self._restarts and s.b & SET
            if not keeps:
                s.zero = core.zero_for(now - s.held, s.a)
                if self._restarts:
                    s.phase = HALF_S
                    self._settle(s.fmt, s.fmt)
            s.held = 0
            if not s.b & SET:
                core.enter(s, now)
        elif after == "runs" and (old ^ s.a) & 0x30:
            core.rebase(s, old, now)
        if core.pf_with_pie and s.b & PIE and (old ^ s.a) & 15:
            s.anchor = self._anchor(old, now)
        core.rearm(s)
        self._drive(now)

    def _anchor(self, old: int, now: int) -> int | None:
        """Where the timer behind rtc_pf=with_pie counts from, after another rate: from the last period's start, but
        for one that would have ended already.
        """
        s, core = self.state, self.core
        here, period = core.clock.ticks(now), core.period_ticks(s.a)
        if not period:
            return None
        before = core.period_ticks(old)
        if s.anchor is None or not before:
            return here
        last = s.anchor + (here - s.anchor) // before * before
        return max(here - period, last)

    def _set_b(self, value: int, now: int) -> None:
        s, core = self.state, self.core
        old, runs = s.b, divider(s.a) == "runs"
        if value & SET:
            value &= ~UIE
            s.dead = 0
        elif old & SET and runs:
            if self._restarts:
                s.phase = (now - s.zero - HALF_S) % NS_PER_S
            core.enter(s, now)
        if runs and not value & SET and (old & SET or ((old ^ value) & FORMAT and self._converts)):
            self._settle(old & FORMAT, value & FORMAT if self._converts else old & FORMAT)
        s.b = value
        if core.pf_with_pie and (old ^ value) & PIE:
            s.anchor = core.clock.ticks(now) if value & PIE and core.period_ticks(s.a) else None
        core.rearm(s)
        self._drive(now)

    # -- looking

    def peek(self, now: int) -> dict[str, Any]:
        """All that can be seen of the chip."""
        return look(self.core, self._at(now), now)

    # -- state

    def snapshot(self) -> State:
        """The state, as a tuple."""
        return self.state.snapshot()

    def restore(self, state: State) -> None:
        """Take back what `snapshot` gave."""
        self.state = RtcState(*state)
        self._due = 0
