"""The 8254's counting element on its clock's grid, in closed form: the rule `pit_count=clocked`.

Source: Intel 8254 datasheet (order 231164), Mode Definitions and the six timing diagrams. Not modelled: what a write
in the high phase of CLK does (the clock is one instant here; the datasheet's 0 to 55 ns leave both answers open).

A pulse of CLK does one thing: it moves CR to CE if a load or a trigger is waiting, or else counts, if the mode and
GATE let it. So a channel's future, as long as nobody touches it, is at most one load pulse, the rest of the running
cycle, and one rhythm for ever. `future` writes that down as trains; `sync` cuts them at the present and moves the
counting element along.

The waveforms, with `.` for a clock and N counted from the pulse that loads (LSB = 4 unless said):

    mode 0, end of count     OUT  ______________/~~~~~~   up when CE gets to 0, N+1 clocks after the write
                             CE      4 3 2 1 0 FFFF
    mode 1, one-shot         OUT  ~~~\\_______/~~~~~~~~   N clocks low, from the clock after GATE rose
                             CE      4 3 2 1 0 FFFF
    mode 2, rate generator   OUT  ~~~~~~~~~\\_/~~~~~\\_/   low for the clock in which CE is 1
                             CE      4 3 2 1 4 3 2 1 4
    mode 3, square wave      OUT  ~~~~~~~\\___/~~~\\___/   N = 5: high for 3 clocks, low for 2; CE counts by two
                             CE      4 2 0 4 2 4 2 0 4
    mode 4, software strobe  OUT  ~~~~~~~~~~~\\_/~~~~~~   low for the clock in which CE is 0, once a load
                             CE      4 3 2 1 0 FFFF
    mode 5, hardware strobe  OUT  ~~~~~~~~~~~\\_/~~~~~~   the same, loaded by GATE's rise
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from timerlab.clock import Clock
from timerlab.devices.pit_channel import Channel, counted, length, span
from timerlab.line import FOREVER, Train

Run = tuple[int, int, Callable[[int], int]]
"""A stretch of clocks in which CE only falls: its first tick, how many ticks, and CE on the i-th of them."""


def kind_of(mode: int) -> int:
    """The mode that a mode field means: 6 and 7 are 2 and 3 (the datasheet's X10 and X11)."""
    return mode & 3 if mode > 5 else mode


class Clocked:
    """The counting rule of the datasheet, for all channels of one chip."""

    def __init__(self, clock: Clock, harris: bool) -> None:
        self.clock = clock
        self.harris = harris

    # -- what the read/write logic does to the counting element; the channel is at `now`

    def power_on(self, ch: Channel, now: int) -> None:
        """Unprogrammed: nothing counts until a control word and a count have come."""
        ch.tick = self.clock.ticks(now)

    def power_on_counting(self, ch: Channel, now: int) -> None:
        """Mode 3 with the largest count, running: a state that a machine may be found in."""
        self.power_on(ch, now)
        ch.mode, ch.armed, ch.loaded, ch.null, ch.out = 3, True, True, False, 1

    def program(self, ch: Channel, now: int) -> None:
        """A control word: the element stands still, reads 0 and waits for a count; OUT goes to the
        mode's idle level.
        """
        ch.cr = ch.n = ch.p = 0
        ch.armed = ch.loaded = ch.load = ch.trig = ch.halt = ch.low = False
        ch.null = True
        ch.out = 0 if ch.mode == 0 else 1

    def first_byte(self, ch: Channel, value: int, now: int) -> None:
        """The low byte of a word goes to CR; in mode 0 it also stops the count and drops OUT, without a clock."""
        ch.cr = (ch.cr & 0xFF00) | value
        if ch.mode == 0:
            ch.halt, ch.load, ch.out = True, False, 0

    def count(self, ch: Channel, code: int, now: int) -> None:
        """The count is whole. Modes 0 and 4 load it on the next clock, 2 and 3 if nothing runs yet,
        1 and 5 at a trigger.
        """
        ch.cr = code
        ch.armed = ch.null = True
        kind = kind_of(ch.mode or 0)
        if kind == 0:
            ch.load, ch.out = True, 0
        elif kind == 4 or (kind in (2, 3) and not ch.loaded):
            ch.load = True

    def set_gate(self, ch: Channel, level: int, now: int) -> None:
        """GATE changes: a rise arms the trigger of modes 1, 2, 3 and 5; a fall in modes 2 and 3 raises OUT at once."""
        if level == ch.gate:
            return
        ch.gate = level
        if ch.mode is None:
            return
        kind = kind_of(ch.mode)
        if level and kind in (1, 2, 3, 5):
            ch.trig = ch.trig or ch.armed
        elif not level and kind in (2, 3):
            ch.out = 1

    # -- the passing of time

    def sync(self, ch: Channel, now: int) -> list[Train]:
        """Bring the channel to `now`; the edges that OUT made."""
        to = self.clock.ticks(now)
        clocks = to - ch.tick
        if not clocks:
            return []
        told = [piece for train in self.future(ch) if (piece := train.cut(ch.tick, to)) is not None]
        if ch.load or ch.trig:
            self._pulse(ch)
            clocks -= 1
        self._count(ch, clocks)
        ch.tick = to
        if told:
            ch.out = told[-1].last_level
        return told

    def _pulse(self, ch: Channel) -> None:
        """The clock that moves CR to CE. OUT is told by `future`."""
        ch.n = self._loads(ch)
        ch.p = 0
        ch.loaded = True
        ch.load = ch.trig = ch.halt = ch.null = ch.low = False

    def _loads(self, ch: Channel) -> int:
        """What CR puts into CE: a count of 1 is taken as 2 in mode 2 and as the largest in mode 3 (both illegal)."""
        kind = kind_of(ch.mode or 0)
        if ch.cr == 1:
            return 2 if kind == 2 else 0 if kind == 3 else 1
        return ch.cr

    def _runs(self, ch: Channel) -> bool:
        """Whether a clock counts."""
        return ch.loaded and not ch.halt and bool(ch.gate or kind_of(ch.mode or 0) in (1, 5))

    def _count(self, ch: Channel, clocks: int) -> None:
        """`clocks` counting clocks, none of which loads for another reason than the end of a cycle."""
        if not clocks or not self._runs(ch):
            return
        kind = kind_of(ch.mode or 0)
        ch.p += clocks
        if kind == 2:
            whole = length(ch.n, ch.bcd)
            if ch.p >= whole:
                ch.p -= whole
                ch.n, ch.null = self._loads(ch), False
                ch.p %= length(ch.n, ch.bcd)
        elif kind == 3:
            half = self._half(ch.n, ch.bcd, ch.low)
            if ch.p >= half:
                ch.p -= half
                ch.low = not ch.low
                ch.n, ch.null = self._loads(ch), False
                ch.p %= length(ch.n, ch.bcd)
                half = self._half(ch.n, ch.bcd, ch.low)
                if ch.p >= half:
                    ch.p -= half
                    ch.low = not ch.low

    @staticmethod
    def _half(code: int, bcd: bool, low: bool) -> int:
        """The clocks of one half of mode 3: the high one has the odd clock."""
        whole = length(code, bcd)
        return whole // 2 if low else (whole + 1) // 2

    def future(self, ch: Channel) -> list[Train]:
        """Every edge of OUT after `ch.tick`, if nothing is written and GATE stays."""
        if ch.mode is None:
            return []
        kind = kind_of(ch.mode)
        tick, n, p, out, low = ch.tick, ch.n, ch.p, ch.out, ch.low
        trains: list[Train] = []
        runs = self._runs(ch)
        if ch.load or ch.trig:
            tick += 1
            n, p, low = self._loads(ch), 0, False
            after = (0, 0, 1, 1, 1, 1)[kind]
            if after != out:
                trains.append(Train(self.clock, tick, after, 0, 0, 1))
            out = after
            runs = bool(ch.gate or kind in (1, 5))
        elif kind in (4, 5) and not out:
            # the strobe is one clock wide, whatever GATE does
            return [Train(self.clock, tick + 1, 1, 0, 0, 1)]
        if runs:
            trains += self._rhythm(ch, kind, tick, n, p, out, low)
        return trains

    def _rhythm(self, ch: Channel, kind: int, tick: int, n: int, p: int, out: int, low: bool) -> list[Train]:
        """The edges of a counting element that has `p` clocks of `n` behind it at `tick`."""
        clock, bcd = self.clock, ch.bcd
        whole = length(n, bcd)
        if kind in (0, 1):
            return [] if out else [Train(clock, tick + whole - p, 1, 0, 0, 1)]
        if kind in (4, 5):
            return [Train(clock, tick + whole - p, 0, 1, 0, 2)] if p < whole else []
        again = length(self._loads(ch), bcd)
        if kind == 3:
            high, rest = (again + 1) // 2, again // 2
            first = tick + self._half(n, bcd, low) - p
            # the half that begins at `first` is the other one than the half that runs now
            return [Train(clock, first, 1 if low else 0, high if low else rest, rest if low else high, FOREVER)]
        end = tick + whole - p
        if again == whole:
            if out:
                return [Train(clock, end - 1, 0, 1, whole - 1, FOREVER)]
            return [Train(clock, end, 1, whole - 1, 1, FOREVER)]
        last = Train(clock, end - 1, 0, 1, 0, 2) if out else Train(clock, end, 1, 0, 0, 1)
        return [last, Train(clock, end + again - 1, 0, 1, again - 1, FOREVER)]

    # -- what can be seen

    def ce(self, ch: Channel, now: int) -> int:
        """The counting element, as a code, of a channel that is at `now`."""
        return self._code(ch, ch.n, ch.p, ch.low) if ch.loaded else 0

    def _code(self, ch: Channel, n: int, p: int, low: bool) -> int:
        if kind_of(ch.mode or 0) != 3:
            return counted(n, p, ch.bcd)
        if not self.harris:
            return counted(n & ~1, 2 * p, ch.bcd)
        # 8253 and Harris: an odd count is loaded as it is, and the first clock counts one (high half) or three (low
        # half)
        if not p or not n & 1:
            return counted(n, 2 * p, ch.bcd)
        return counted(n, 2 * p + 1 if low else 2 * p - 1, ch.bcd)

    def out(self, ch: Channel, now: int) -> int:
        """OUT of a channel that is at `now`."""
        return ch.out

    def period(self, ch: Channel) -> tuple[int, int] | None:
        """(clocks a period, clocks of it that OUT is high) of a running mode 2 or 3, or None."""
        kind = kind_of(ch.mode or 0)
        if kind not in (2, 3) or not ch.loaded or not ch.gate:
            return None
        whole = length(self._loads(ch), ch.bcd)
        return whole, whole - 1 if kind == 2 else (whole + 1) // 2

    def runs(self, ch: Channel) -> Iterator[Run]:
        """CE from `ch.tick` on, in stretches in which it only falls, up to where it begins to repeat."""
        tick, n, p, low = ch.tick, ch.n, ch.p, ch.low
        counts = self._runs(ch)
        if ch.load or ch.trig or not counts:
            now = self.ce(ch, 0)
            yield tick, 1, lambda i: now
            if not (ch.load or ch.trig):
                return
            tick, n, p, low = tick + 1, self._loads(ch), 0, False
            counts = bool(ch.gate or kind_of(ch.mode or 0) in (1, 5))
        kind = kind_of(ch.mode or 0)

        def stretch(n: int, p: int, low: bool) -> Callable[[int], int]:
            return lambda i: self._code(ch, n, p + i, low)

        if not counts:
            yield tick, 1, stretch(n, p, low)
            return
        whole = length(n, ch.bcd)
        if kind in (0, 1, 4, 5):
            around = span(ch.bcd)
            left = whole - p + 1 if p <= whole else around - (p - whole - 1) % around
            yield tick, left, stretch(n, p, low)
            yield tick + left, around, stretch(n, p + left, low)
            return
        fresh = self._loads(ch)
        for code, half in ((n, low), (fresh, not low), (fresh, low), (fresh, not low)):
            last = length(code, ch.bcd) if kind == 2 else self._half(code, ch.bcd, half)
            yield tick, last - p, stretch(code, p, half)
            tick, p = tick + last - p, 0
