"""The 8254 as QEMU 7.2 counts: the rule `pit_count=elapsed`.

There is no grid and no load clock. A count is loaded in the nanosecond in which its last byte is written, and count
and OUT are functions of the mode, N and the clocks `d` that have passed since, rounded down. GATE only restarts
modes 1, 2, 3 and 5; BCD is ignored; a control word changes the mode and nothing else. From these follow F1, F3 to
F12 and F14 of the measured deviations.

Source: the laws were measured on QEMU 7.2.22 and checked against every PIT read of real boots (`docs/qemu.md`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from math import gcd

from timerlab.clock import Clock
from timerlab.devices.pit_channel import Channel
from timerlab.devices.pit_clocked import Run
from timerlab.line import FOREVER, Gap, Train

BY_HAND = 8
"""How many times a timer is fired one by one before the rest is reckoned in closed form."""

SEGMENTS = 16
"""How many stretches between lost ticks are kept as trains; older ones are only counted."""


class Elapsed:
    """The counting rule of QEMU, for all channels of one chip; `n` holds N from 1 to 65536."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.segments = SEGMENTS
        self._laws: dict[int, tuple[tuple[int | None, int, int], Train | None]] = {}

    def d(self, ch: Channel, ns: int) -> int:
        """The clocks since the load, rounded down."""
        return (ns - ch.load_ns) * self.clock.num // self.clock.den

    def since_load(self, ch: Channel) -> Clock:
        """A clock that counts from the load of a channel."""
        return replace(self.clock, epoch=ch.load_ns)

    # -- what the read/write logic does to the counting element

    def power_on(self, ch: Channel, now: int) -> None:
        """Nothing is loaded: the count is taken as the largest, and no mode is set."""
        ch.n, ch.load_ns, ch.seen_ns = 0x10000, now, now

    def power_on_counting(self, ch: Channel, now: int) -> None:
        """Mode 3, N = 65536, running (F15). IRQ 0 goes to OUT, which is a rise, and its timer waits for OUT's next."""
        self.power_on(ch, now)
        ch.irq = 1
        ch.mode, ch.armed, ch.loaded, ch.null, ch.out = 3, True, True, False, 1
        ch.irq_next = self.timer_after(ch, now)

    def program(self, ch: Channel, now: int) -> None:
        """A control word sets the mode; the count, its load time and what the timer was set to stay."""
        ch.out = self.out(ch, now)

    def first_byte(self, ch: Channel, value: int, now: int) -> None:
        """The low byte waits for the high one and does nothing (F12)."""
        ch.cr = (ch.cr & 0xFF00) | value

    def count(self, ch: Channel, code: int, now: int) -> None:
        """The count is whole, and is loaded at once (F11, F14)."""
        ch.cr, ch.n = code, code or 0x10000
        ch.armed = True
        self._restart(ch, now)

    def set_gate(self, ch: Channel, level: int, now: int) -> None:
        """A rise restarts modes 1, 2, 3 and 5; that is all that GATE does (F6 to F9)."""
        if level and not ch.gate and ch.mode in (1, 2, 3, 5):
            self._restart(ch, now)
        ch.gate = level

    def _restart(self, ch: Channel, now: int) -> None:
        ch.load_ns = now
        ch.loaded, ch.null = True, False
        ch.out = self.out(ch, now)
        if ch.index == 0:
            self.fire(ch, now)

    # -- the passing of time

    def sync(self, ch: Channel, now: int) -> list[Train]:
        """Bring the channel to `now`; the edges that OUT made, as reads show it."""
        if now == ch.seen_ns:
            return []
        before = ch.seen_ns
        ch.seen_ns = now
        train = self.law(ch)
        if train is None:
            return []
        piece = train.cut(train.clock.ticks(before), train.clock.ticks(now))
        if piece is None:
            return []
        ch.out = piece.last_level
        return [piece]

    def future(self, ch: Channel) -> list[Train]:
        """Every edge of OUT after `ch.seen_ns`, if nothing is written and GATE stays."""
        train = self.law(ch)
        piece = train.cut(train.clock.ticks(ch.seen_ns), FOREVER) if train else None
        return [piece] if piece else []

    def law(self, ch: Channel) -> Train | None:
        """OUT from the load on, as one train; made once a load, and asked for at each look."""
        key = ch.mode, ch.n, ch.load_ns
        known = self._laws.get(ch.index)
        if known is None or known[0] != key:
            known = self._laws[ch.index] = key, self._law(ch)
        return known[1]

    def _law(self, ch: Channel) -> Train | None:
        n, clock = ch.n, self.since_load(ch)
        if ch.mode is None:
            return None
        if ch.mode == 1:
            return Train(clock, n, 0, 0, 0, 1)
        if ch.mode == 2:
            return Train(clock, n, 1, 1, n - 1, FOREVER if n > 1 else 1)
        if ch.mode == 3:
            return Train(clock, (n + 1) // 2, 0, n // 2, (n + 1) // 2, FOREVER) if n > 1 else None
        if ch.mode in (4, 5):
            return Train(clock, n, 1, 1, 0, 2)
        return Train(clock, n, 1, 0, 0, 1)

    # -- what can be seen

    def out(self, ch: Channel, now: int) -> int:
        """OUT as reads show it (F3, F4, F5, F6)."""
        return int(self._out(ch, self.d(ch, now)))

    @staticmethod
    def _out(ch: Channel, d: int) -> bool:
        n = ch.n
        match ch.mode:
            case None:
                return False
            case 1:
                return d < n
            case 2:
                return d != 0 and d % n == 0
            case 3:
                return d % n < (n + 1) // 2
            case 4 | 5:
                return d == n
        return d >= n

    def ce(self, ch: Channel, now: int) -> int:
        """The count that a read gives; 65536 is read as 0."""
        return self._ce(ch, self.d(ch, now)) if ch.mode is not None else 0

    @staticmethod
    def _ce(ch: Channel, d: int) -> int:
        n = ch.n
        if ch.mode == 3:
            return (n - 2 * d % n) & 0xFFFF
        if ch.mode in (0, 1, 4, 5):
            return (n - d) & 0xFFFF
        return (n - d % n) & 0xFFFF

    def period(self, ch: Channel) -> tuple[int, int] | None:
        """(clocks a period, clocks of it that OUT is high) in modes 2 and 3, or None."""
        if ch.mode == 2 and ch.n > 1:
            return ch.n, 1
        return (ch.n, (ch.n + 1) // 2) if ch.mode == 3 else None

    def runs(self, ch: Channel) -> Iterator[Run]:
        """The count from `ch.seen_ns` on, in stretches in which it only falls, until it repeats;
        ticks count from the load.
        """
        d, n = self.d(ch, ch.seen_ns), ch.n

        def stretch(start: int) -> Callable[[int], int]:
            return lambda i: self._ce(ch, start + i)

        if ch.mode in (0, 1, 4, 5):
            left = (n - d) % 0x10000 + 1
            yield d, left, stretch(d)
            yield d + left, 0x10000, stretch(d + left)
            return
        step = 2 if ch.mode == 3 else 1
        for _ in range(4):
            if not self._ce(ch, d):
                # 65536 reads 0 on the first clock of its cycle, and falls from FFFFh or FFFEh after it
                yield d, 1, stretch(d)
                d += 1
            wrap = -(-((step * d // n + 1) * n) // step)
            if wrap > d:
                yield d, wrap - d, stretch(d)
            d = wrap

    # -- the timer behind IRQ 0 (quirk pit_irq0=timer)

    def timer_after(self, ch: Channel, at: int) -> int | None:
        """When QEMU's timer fires next, as seen at `at`: the next change of OUT, rounded down to a ns, and at least 1
        ns ahead.
        """
        d, n = self.d(ch, at), ch.n
        match ch.mode:
            case 2:
                base = d - d % n
                target = base + n if d == base and d else base + n + 1
            case 3:
                base = d - d % n
                half = (n + 1) // 2
                target = base + half if d - base < half else base + n
            case 4 | 5:
                if d > n:
                    return None
                target = n if d < n else n + 1
            case _:
                if d >= n:
                    return None
                target = n
        return max(at + 1, ch.load_ns + target * self.clock.den // self.clock.num)

    def fire(self, ch: Channel, at: int) -> None:
        """The timer fires: IRQ 0 takes OUT's level, and the timer is set anew."""
        ch.irq = self.out(ch, at)
        ch.irq_next = self.timer_after(ch, at)

    def sync_irq(self, ch: Channel, now: int) -> list[Train | Gap]:
        """Fire the timer as often as it was due by `now`; the edges of IRQ 0."""
        told: list[Train | Gap] = []
        for _ in range(BY_HAND):
            if not self._fire_due(ch, now, told):
                return told
        if ch.mode == 2 and not ch.irq:
            self._fire_due(ch, now, told)
        self._leap(ch, now, told)
        while self._fire_due(ch, now, told):
            pass
        return told

    def _fire_due(self, ch: Channel, now: int, told: list[Train | Gap]) -> bool:
        at, was = ch.irq_next, ch.irq
        if at is None or at > now:
            return False
        self.fire(ch, at)
        if ch.irq != was:
            told.append(self._rhythmic(ch, at))
        return True

    def _floored(self, ch: Channel) -> Clock:
        """A clock since the load whose ticks fall in the ns before they are whole, as QEMU rounds its deadlines."""
        return replace(self.clock, epoch=ch.load_ns, rem=self.clock.num - 1)

    def _rhythmic(self, ch: Channel, at: int) -> Train:
        """The edge at `at` as part of the mode's rhythm, so that it joins the train before it."""
        n = ch.n
        if ch.mode == 2 and n > 1:
            clock = self._floored(ch)
            hold, rest = (n - 1, 1) if ch.irq else (1, n - 1)
        elif ch.mode == 3 and n > 1:
            clock = self.since_load(ch)
            hold, rest = ((n + 1) // 2, n // 2) if ch.irq else (n // 2, (n + 1) // 2)
        else:
            return Train.edge(at, ch.irq)
        tick = clock.ticks(at)
        return Train(clock, tick, ch.irq, hold, rest, 1) if clock.ns(tick) == at else Train.edge(at, ch.irq)

    def _leap(self, ch: Channel, now: int, told: list[Train | Gap]) -> None:
        """Do in one step what the timer does by itself in modes 2 and 3, up to a moment shortly before `now`."""
        n, at = ch.n, ch.irq_next
        if at is None or ch.mode not in (2, 3):
            return
        if n == 1:
            # OUT stays high, and the timer fires for nothing
            if ch.irq:
                ch.irq_next = self.timer_after(ch, now)
        elif ch.mode == 2:
            if 2 * n + 2 >= self.clock.num:
                self._leap_turns(ch, now, told)
            elif ch.irq:
                self._leap_mode2(ch, at, now, told)
        elif (law := self.law(ch)) is not None and ch.irq == self.out(ch, at - 1):
            # a deadline with a fraction fires for nothing, and again 1 ns later: IRQ 0 is OUT
            piece = law.cut(law.clock.ticks(at - 1), law.clock.ticks(now))
            if piece is not None:
                told.append(piece)
            ch.irq = self.out(ch, now)
            ch.irq_next = self.timer_after(ch, now)

    def _leap_turns(self, ch: Channel, now: int, told: list[Train | Gap]) -> None:
        """Mode 2 on a clock whose deadlines are often whole ns: what the timer does repeats after `num` periods, which
        are `n * den` ns to the ns. One such turn is fired by hand, and the others are counted from it.
        """
        turn = ch.n * self.clock.den
        for _ in range(3):  # the first turns may begin in another state than they end in
            start, level = ch.irq_next, ch.irq
            if start is None or start + 2 * turn > now:
                return
            one: list[Train | Gap] = []
            while ch.irq_next is not None and ch.irq_next < start + turn:
                self._fire_due(ch, now, one)
            told += one
            if (ch.irq, ch.irq_next) == (level, start + turn):
                turns = (now - start) // turn - 1
                rises = sum(train.rises for train in one if isinstance(train, Train))
                told.append(Gap(turns * rises, turns * rises, start + (turns + 1) * turn - 1))
                ch.irq_next = start + (turns + 1) * turn
                return

    def _leap_mode2(self, ch: Channel, at: int, now: int, told: list[Train | Gap]) -> None:
        """Mode 2: IRQ 0 falls at each m N and rises at m N + 1, except where one of them is a whole nanosecond.

        The timer fires a fraction of a ns early and so finds OUT as it was a clock before, which is what the next
        deadline relies on. Where the deadline has no fraction it finds OUT as it is, changes nothing and waits a
        whole period: two edges are lost, the fall and the rise after it (a whole m N), or the rise and the fall
        after it (a whole m N + 1).
        """
        n, clock, whole = ch.n, self._floored(ch), self.clock.num
        tick = clock.ticks(at)
        if tick % n or clock.ns(tick) != at:
            return
        done = tick // n - 1  # the pulse that rose last
        last = (clock.ticks(now) - 1) // n
        while last > done and (last * n % whole == 0 or (last * n + 1) % whole == 0):
            last -= 1
        if last <= done:
            return
        hits = _Hits(n, whole)
        recent = hits.latest(done, last, self.segments)
        fall, pulse = True, done + 1  # the next edge: the fall at pulse * n, or the rise at pulse * n + 1
        if recent and (lost := hits.count(done, recent[0])) > 1:
            first = recent.pop(0)
            rises = first - done - lost
            fall = first * n % whole == 0
            told.append(Gap(rises, rises + (not fall), clock.ns(first * n + 1)))
            pulse = first + 1
        for hit in [*recent, None]:
            if hit is None:
                edges = 2 * (last - pulse + 1)
            elif hit * n % whole == 0:
                edges = 2 * (hit - pulse)
            else:
                edges = 2 * (hit - pulse) + 1
            edges -= not fall
            if edges > 0:
                first, hold = (pulse * n, 1) if fall else (pulse * n + 1, n - 1)
                told.append(Train(clock, first, 1 - fall, hold, n - hold, edges))
            if hit is not None:
                fall, pulse = hit * n % whole == 0, hit + 1
        ch.irq, ch.irq_next = 1, clock.ns((last + 1) * n)


class _Hits:
    """The pulses of mode 2 that QEMU's timer loses: m with m n or m n + 1 a multiple of `whole`."""

    def __init__(self, n: int, whole: int) -> None:
        shared = gcd(n, whole)
        self.series = [(0, whole // shared)]
        if shared == 1:
            self.series.append((-pow(n, -1, whole) % whole, whole))

    def count(self, after: int, last: int) -> int:
        """How many with after < m <= last."""
        return sum((last - offset) // step - (after - offset) // step for offset, step in self.series)

    def latest(self, after: int, last: int, most: int) -> list[int]:
        """The latest of them with after < m <= last, at most `most`, in order."""
        found: list[int] = []
        for offset, step in self.series:
            top = last - (last - offset) % step
            found += range(top, max(after, top - most * step), -step)
        return sorted(found)[-most:]
