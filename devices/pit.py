"""The Intel 8254 programmable interval timer: ports 40h to 43h.

Source: Intel 8254 datasheet (order 231164): Control Word Format, Counter Latch Command, Read-Back Command,
Read/Write Operations. This file is the read/write logic: the control word, the flip-flops that pair bytes, the
latches. How a channel counts is a rule of its own: `pit_clocked` (the datasheet's) or `pit_elapsed` (QEMU's). Not
modelled: bus timing below one clock.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from timerlab.clock import Clock
from timerlab.device import PortDevice, State
from timerlab.devices.pit_channel import HIGH, WORD, Channel
from timerlab.devices.pit_clocked import Clocked, kind_of
from timerlab.devices.pit_elapsed import Elapsed
from timerlab.devices.pit_regs import PEEKS, REGS
from timerlab.line import Line, edge_after

PORTS = range(0x40, 0x44)
CONTROL = 0x43

GATES = (1, 1, 0)
"""GATE at power-on: channels 0 and 1 are tied high, channel 2 hangs on port 61h bit 0."""


class Pit(PortDevice):
    """The 8254, with its three OUT lines, and the line that asks for IRQ 0 (OUT 0 itself, or QEMU's timer)."""

    name = "pit"
    regs = REGS
    WRITTEN = frozenset(("mode", "kind", "rw", "bcd", "cr", "ol", "ol_left", "status", "rd", "wr", "gate"))
    """What of a channel changes by accesses alone, never by time."""
    peeks = PEEKS

    def __init__(self, clock: Clock, quirks: Mapping[str, str], outs: tuple[Line, Line, Line], irq0: Line) -> None:
        self.clock = clock
        self.outs = outs
        self.irq0 = irq0
        self.elapsed = Elapsed(clock) if quirks["pit_count"] == "elapsed" else None
        self.rule: Clocked | Elapsed = self.elapsed or Clocked(clock, quirks["odd_mode3"] == "harris")
        self._own_timer = quirks["pit_irq0"] == "timer"
        self._null_tracked = quirks["pit_null"] == "tracked"
        self._alias = quirks["pit_mode67"] == "alias"
        self._keep_latches = quirks["pit_reprogram"] == "keep"
        self._half_read_taken = quirks["pit_half_read"] == "taken"
        self._43h = 0xFF if quirks["pit_43h"] == "floats" else 0x00
        self._counting_at_power_on = quirks["pit_power_on"] == "mode3"
        self.loaded: Callable[[int], None] = lambda now: None
        """Who hears that a count of channel 0 is complete."""
        self._synced = -1
        """The moment to which the channels were brought last: at it there is nothing more to do."""
        self.channels = self._power_on(0)
        for ch, line in zip(self.channels, outs, strict=True):
            line.level = line.start = ch.out
        if self._own_timer:
            irq0.drive(0, self.channels[0].irq)

    def _power_on(self, now: int) -> list[Channel]:
        channels = [Channel(index, gate=gate) for index, gate in enumerate(GATES)]
        for ch in channels:
            if self._counting_at_power_on:
                self.rule.power_on_counting(ch, now)
            else:
                self.rule.power_on(ch, now)
        return channels

    def reset(self, now: int) -> None:
        """To the power-on state; the lines go where that puts them."""
        self.sync(now)
        self.channels = self._power_on(now)
        for ch in self.channels:
            self._drive(ch, now)

    # -- time

    def sync(self, now: int) -> None:
        """Bring all channels to `now`."""
        if now == self._synced:
            return
        self._synced = now
        for ch, line in zip(self.channels, self.outs, strict=True):
            told = self.rule.sync(ch, now)
            if told:
                line.absorb(told)
        if self._own_timer and self.elapsed is not None:
            self.irq0.absorb(self.elapsed.sync_irq(self.channels[0], now))

    def _drive(self, ch: Channel, now: int) -> None:
        """Put the lines where a write has put the pins."""
        self.outs[ch.index].drive(now, ch.out)
        if self._own_timer and ch.index == 0:
            self.irq0.drive(now, ch.irq)

    def next_event(self, now: int) -> Iterator[tuple[int, str]]:
        """The next edge of each OUT after `now`, and of IRQ 0 where it has a timer of its own."""
        for ch, line in zip(self.channels, self.outs, strict=True):
            edge = edge_after(self.rule.future(ch), now)
            if edge:
                yield edge[0], line.name
        if self._own_timer and self.elapsed is not None:
            at = self._irq_edge(self.channels[0])
            if at is not None:
                yield at, self.irq0.name

    def _irq_edge(self, ch: Channel) -> int | None:
        """When the timer behind IRQ 0 next changes the line: a firing or two may change nothing."""
        assert self.elapsed is not None
        trial = ch.copy()
        for _ in range(4):
            if trial.irq_next is None:
                return None
            at = trial.irq_next
            self.elapsed.fire(trial, at)
            if trial.irq != ch.irq:
                return at
        return None

    def set_gate(self, index: int, level: int, now: int) -> None:
        """Drive the GATE pin of a channel; the chip is at `now`."""
        ch = self.channels[index]
        self.rule.set_gate(ch, level, now)
        self._drive(ch, now)

    # -- ports

    def read(self, port: int, now: int) -> int:
        """A read of 40h to 43h: latched status, then latched count, then the running count (8254, Read Operations)."""
        if port == CONTROL:
            return self._43h
        ch = self.channels[port & 3]
        if ch.status is not None:
            value, ch.status = ch.status, None
            return value
        if ch.ol is not None:
            return self._read_latched(ch)
        ce = self.rule.ce(ch, now)
        if ch.rw == WORD:
            high = ch.rd_hi
            ch.rd_hi = not high
        else:
            high = ch.rw == HIGH
        return ce >> 8 if high else ce & 0xFF

    def _read_latched(self, ch: Channel) -> int:
        assert ch.ol is not None
        high = ch.rw == HIGH if ch.ol_left == 1 and ch.rw != WORD else ch.ol_left == 1
        value = ch.ol >> 8 if high else ch.ol & 0xFF
        ch.ol_left -= 1
        if not ch.ol_left:
            ch.ol = None
        return value

    def write(self, port: int, value: int, now: int) -> None:
        """A write to 40h to 43h."""
        if port == CONTROL:
            self._control(value, now)
            return
        ch = self.channels[port & 3]
        if ch.mode is None:
            return
        if ch.rw != WORD:
            self.rule.count(ch, value << 8 if ch.rw == HIGH else value, now)
        elif ch.wr_hi:
            ch.wr_hi = False
            self.rule.count(ch, (ch.cr & 0xFF) | value << 8, now)
        else:
            ch.wr_hi = True
            self.rule.first_byte(ch, value, now)
        self._drive(ch, now)
        if ch.index == 0 and not ch.wr_hi:
            self.loaded(now)

    def _control(self, value: int, now: int) -> None:
        """A control word, counter latch command or read-back command."""
        select, rw = value >> 6, value >> 4 & 3
        if select == 3:
            for ch in self.channels:
                if value & 2 << ch.index:
                    if not value & 0x20:
                        self._latch_count(ch, now)
                    if not value & 0x10:
                        self._latch_status(ch, now)
            return
        ch = self.channels[select]
        if not rw:
            self._latch_count(ch, now)
            return
        ch.mode, ch.rw, ch.bcd = value >> 1 & 7, rw, bool(value & 1)
        ch.wr_hi = ch.rd_hi = False
        if not self._keep_latches:
            ch.ol = ch.status = None
            ch.ol_left = 0
        self.rule.program(ch, now)
        self._drive(ch, now)

    def _latch_count(self, ch: Channel, now: int) -> None:
        """Counter latch: ignored while a latched count waits, and half way through the read of a word (8254, Read
        Operations).
        """
        if ch.ol is not None or not ch.rw:
            return
        if ch.rd_hi and not self._half_read_taken:
            return
        ch.ol = self.rule.ce(ch, now)
        ch.ol_left = 2 if ch.rw == WORD else 1

    def _latch_status(self, ch: Channel, now: int) -> None:
        """Status latch of the read-back command: ignored while a latched status waits."""
        if ch.status is None:
            ch.status = self.status(ch, now)

    def status(self, ch: Channel, now: int) -> int:
        """The status byte: OUT, NULL COUNT, RW, M, BCD (8254, Status Byte)."""
        null = ch.null and self._null_tracked
        return self.rule.out(ch, now) << 7 | null << 6 | ch.rw << 4 | (ch.mode or 0) << 1 | ch.bcd

    # -- looking

    def at(self, now: int) -> list[Channel]:
        """The channels as they are at `now`, on copies."""
        channels = [ch.copy() for ch in self.channels]
        for ch in channels:
            self.rule.sync(ch, now)
        return channels

    def out(self, index: int, now: int) -> int:
        """OUT of a channel at `now`; nothing is stored."""
        ch = self.channels[index]
        if self.elapsed is None and ch.tick != self.clock.ticks(now):
            ch = ch.copy()
            self.rule.sync(ch, now)
        return self.rule.out(ch, now)

    def rises(self, index: int, now: int) -> int:
        """How often OUT of a channel has risen by `now`, since power-on; nothing is stored."""
        ch = self.channels[index].copy()
        return self.outs[index].edges + sum(train.rises for train in self.rule.sync(ch, now))

    def kind(self, mode: int) -> int:
        """The mode that a mode field means; 6 and 7 stay what they are under `pit_mode67=own`."""
        return kind_of(mode) if self._alias else mode

    def peek(self, now: int) -> dict[str, Any]:
        """All that can be seen of the channels, as `pit.chN.name`."""
        seen: dict[str, Any] = {}
        for ch in self.at(now):
            period = self.rule.period(ch)
            edge = edge_after(self.rule.future(ch), now)
            put = f"pit.ch{ch.index}."
            seen[put + "mode"] = ch.mode
            seen[put + "kind"] = None if ch.mode is None else self.kind(ch.mode)
            seen[put + "rw"] = ch.rw
            seen[put + "bcd"] = int(ch.bcd)
            seen[put + "cr"] = ch.cr
            seen[put + "ce"] = self.rule.ce(ch, now)
            seen[put + "loaded"] = int(ch.loaded)
            seen[put + "ol"] = ch.ol
            seen[put + "ol_left"] = ch.ol_left
            seen[put + "status"] = ch.status
            seen[put + "rd"] = "hi" if self._next_read_is_high(ch) else "lo"
            seen[put + "wr"] = "hi" if ch.wr_hi or ch.rw == HIGH else "lo"
            seen[put + "null"] = int(ch.null and self._null_tracked)
            seen[put + "gate"] = ch.gate
            seen[put + "out"] = self.rule.out(ch, now)
            seen[put + "period"] = period[0] if period else None
            seen[put + "high"] = period[1] if period else None
            seen[put + "next"] = edge[0] if edge else None
            seen[put + "next_level"] = edge[1] if edge else None
        return seen

    @staticmethod
    def _next_read_is_high(ch: Channel) -> bool:
        if ch.rw != WORD:
            return ch.rw == HIGH
        return ch.ol_left == 1 if ch.ol is not None else ch.rd_hi

    def next_change(self, index: int, now: int) -> int | None:
        """The next moment at which something of a channel changes that does not count: an edge of OUT, or the clock
        that loads a count.
        """
        ch = self.channels[index]
        if ch.load or ch.trig:
            return self.clock.ns(ch.tick + 1)
        edge = edge_after(self.rule.future(ch), now)
        return edge[0] if edge else None

    def next_rise(self, index: int, now: int) -> int | None:
        """The ns of the next rise of OUT of a channel."""
        future = self.rule.future(self.channels[index])
        edge = edge_after(future, now)
        if edge is not None and not edge[1]:
            edge = edge_after(future, edge[0])
        return edge[0] if edge else None

    def reach(self, index: int, test: Callable[[int], bool], falls_past: Callable[[int], bool], now: int) -> int | None:
        """The first ns at or after `now` at which CE of a channel meets `test`; None if it never will as it is.

        CE falls within each stretch, so the first of it that `falls_past` (CE <= bound) is found by halving.
        """
        ch = self.channels[index].copy()
        self.rule.sync(ch, now)
        clock = self.clock if self.elapsed is None else self.elapsed.since_load(ch)
        for tick, ticks, ce in self.rule.runs(ch):
            found = _first(tick, ticks, ce, test, falls_past)
            if found is not None:
                return max(now, clock.ns(found))
        return None

    # -- state

    def snapshot(self) -> State:
        """Three tuples, a channel each."""
        return tuple(ch.snapshot() for ch in self.channels)

    def restore(self, state: State) -> None:
        """Take back what `snapshot` gave."""
        self.channels = [Channel(*values) for values in state]
        self._synced = -1


def _first(
    tick: int, ticks: int, ce: Callable[[int], int], test: Callable[[int], bool], past: Callable[[int], bool]
) -> int | None:
    """The first tick of a falling stretch that meets `test`: its first tick, the one after, or where it falls past the
    bound.
    """
    for i in range(min(2, ticks)):
        if test(ce(i)):
            return tick + i
    lo, hi = 0, ticks
    while lo < hi:
        mid = (lo + hi) // 2
        if past(ce(mid)):
            hi = mid
        else:
            lo = mid + 1
    return tick + lo if lo < ticks and test(ce(lo)) else None
