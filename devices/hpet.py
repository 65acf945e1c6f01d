"""The HPET, high precision event timer: a main counter and 3 to 32 comparators, at FED00000h.

Source: IA-PC HPET Specification 1.0a, Register Overview, Theory of Operation. This file is the registers and the main
counter; when a comparator matches is `hpet_timer`'s. The counter's first tick comes a whole tick after the write that
enables it (the specification leaves the phase open). Not modelled: the drift that it allows a real oscillator.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

from timerlab.clock import Clock
from timerlab.device import MemoryDevice, State
from timerlab.devices.hpet_regs import (
    BASE,
    ENB,
    FSB_EN,
    KINDS,
    MAX_TIMERS,
    MIN_TIMERS,
    ROUTE_LO,
    SIZE,
    VAL_SET,
    WIRES,
    Caps,
    peeks_of,
    regs_of,
)
from timerlab.devices.hpet_timer import AHEAD, ALL, HIGH, LOW, Deadline, Equal, Rule, Timer, Writes, mask_of
from timerlab.line import Line, Train, edge_after

__all__ = ["BASE", "SIZE", "Hpet", "Route"]

ENABLE, LEG_RT = 1, 2
"""ENABLE_CNF, LEG_RT_CNF."""
CAP, CONF, STA, CNT, TIMERS, STRIDE = 0x000, 0x010, 0x020, 0x0F0, 0x100, 0x20
T_CONF, T_CMP, T_FSB = 0x00, 0x08, 0x10
REV_ID, VENDOR, COUNT_SIZE_CAP, LEG_RT_CAP = 0x01, 0x8086, 1 << 13, 1 << 15
LEGACY_IRQS = (0, 8)
"""Where T0 and T1 go under legacy replacement."""
NEVER = 1 << 200
"""Later than any nanosecond."""


@dataclass(frozen=True, slots=True)
class Route:
    """Where an output goes: `kind` is "none", "legacy" (`pin` is the IRQ that it takes over), "pin" (`pin` of the
    I/O APIC), or "fsb" (a write of `data` to `address`).
    """

    kind: str
    pin: int = 0
    address: int = 0
    data: int = 0


class Hpet(MemoryDevice):
    """The HPET. `outs[n]` is the output of timer n before it is routed; `rewired` is called after a write that may
    have changed where outputs go.

    ValueError for a period that is not 1 to 100 000 000 fs, or for other than 3 to 32 timers.
    """

    name = "hpet"
    regs = regs_of(MIN_TIMERS)
    peeks = peeks_of(MAX_TIMERS)

    def __init__(
        self,
        period_fs: int,
        timers: int,
        quirks: Mapping[str, str],
        outs: Sequence[Line],
        rewired: Callable[[int], None],
    ) -> None:
        if not 0 < period_fs <= 100_000_000:
            raise ValueError(f"an HPET period of {period_fs} fs: 1 to 100000000")
        if not MIN_TIMERS <= timers <= MAX_TIMERS:
            raise ValueError(f"an HPET of {timers} timers: {MIN_TIMERS} to {MAX_TIMERS}")
        self.period_fs = period_fs
        self.count = timers
        self.outs = tuple(outs)
        self.rewired = rewired
        first, other = KINDS[quirks["hpet_caps"]]
        self.caps = [first] + [other] * (timers - 1)
        if quirks["hpet_beyond"] == "one_more":
            self.caps.append(replace(other, told=False))
        self._gated = quirks["hpet_status"] == "gated"
        self._host_timer = quirks["hpet_match"] == "deadline"
        self.rule: Rule = Deadline(not self._gated) if self._host_timer else Equal(not self._gated)
        self._writes = Writes(quirks)
        self._checked = quirks["hpet_config"] == "checked"
        self._split = quirks["hpet_64bit"] == "split"
        self._taken = quirks["hpet_write_running"] == "taken"
        legacy = quirks["hpet_legacy"] == "present"
        self._writable = ENABLE | LEG_RT if legacy else ENABLE
        self.capability = (
            period_fs << 32 | VENDOR << 16 | LEG_RT_CAP * legacy | COUNT_SIZE_CAP | (timers - 1) << 8 | REV_ID
        )
        self._rate = Clock.at(Fraction(10**15, period_fs))
        self.conf = 0
        self.cnt = 0
        """The main counter where it stands, or at the write that enabled it."""
        self.clock = self._rate
        """Ticks since that write."""
        self.timers = [self._power_on(caps) for caps in self.caps]
        self._due = NEVER

    def _power_on(self, caps: Caps) -> Timer:
        return Timer(cmp=0 if not caps.told else ALL if caps.wide else LOW)

    def reset(self, now: int) -> None:
        """To the power-on state: halted at 0, comparators all ones. Matches stay counted."""
        self.sync(now)
        matches = [t.matches for t in self.timers]
        self.conf = self.cnt = 0
        self.clock = self._rate
        self.timers = [self._power_on(caps) for caps in self.caps]
        for t, n in zip(self.timers, matches, strict=True):
            t.matches = n
        self._settle(now, True)

    # -- time

    @property
    def enabled(self) -> bool:
        """ENABLE_CNF."""
        return bool(self.conf & ENABLE)

    @property
    def legacy(self) -> bool:
        """LEG_RT_CNF: the outputs of PIT and RTC are cut off, enabled or not."""
        return bool(self.conf & LEG_RT)

    def counter(self, now: int) -> int:
        """The main counter at `now`."""
        return self.cnt + self.clock.ticks(now) & ALL if self.conf & ENABLE else self.cnt

    def sync(self, now: int) -> None:
        """Do all matches up to `now`."""
        if now < self._due:
            return
        for n, t in enumerate(self.timers):
            told = self._advance(n, t, now)
            if told and n < self.count:
                self.outs[n].absorb(told)
        self._plan()

    def _advance(self, n: int, t: Timer, now: int) -> Any:
        due = self.rule.due(t)
        if due is None:
            return ()
        clock = self.rule.clock(t, self.clock)
        upto = clock.ticks(now)
        if due > upto:
            return ()
        return self.rule.advance(t, mask_of(t, self.caps[n]), self.cnt, clock, upto)

    def _plan(self) -> None:
        """Find when there is something to do next."""
        self._due = NEVER
        for t in self.timers:
            due = self.rule.due(t)
            if due is not None:
                self._due = min(self._due, self.rule.clock(t, self.clock).ns(due))

    def _at(self, n: int, now: int) -> Timer:
        """Timer n as it is at `now`; the timer itself where nothing is due, else a copy."""
        t = self.timers[n]
        if now < self._due:
            return t
        t = t.copy()
        self._advance(n, t, now)
        return t

    def future(self, n: int, now: int, ahead: int = AHEAD) -> list[Train]:
        """What output n will do from `now` on if nothing is written; under `hpet_match=deadline` in its next
        `ahead` firings.
        """
        t = self._at(n, now)
        return self.rule.future(t, mask_of(t, self.caps[n]), self.cnt, self.rule.clock(t, self.clock), ahead)

    def next_event(self, now: int) -> Iterator[tuple[int, str]]:
        """The next edge of each output after `now`."""
        for n in range(self.count):
            if self.rule.due(self.timers[n]) is None:
                continue
            edge = edge_after(self.future(n, now, 2), now)
            if edge:
                yield edge[0], self.outs[n].name

    def next_match(self, n: int, now: int) -> int | None:
        """The ns of timer n's next match after `now`, or None while the counter stands."""
        t = self._at(n, now)
        return None if t.next is None else self.rule.clock(t, self.clock).ns(t.next)

    def _left(self, now: int, t: Timer) -> int | None:
        """Ticks from `now` to the next match."""
        return None if t.next is None else t.next - self.rule.clock(t, self.clock).ticks(now)

    def level(self, n: int) -> int:
        """What output n carries; the chip is at the present."""
        t = self.timers[n]
        if t.fall is not None:
            return 1
        if self._gated:
            return t.sts
        return t.sts & (t.conf >> 2) & self.conf & 1

    def _settle(self, now: int, rewire: bool) -> None:
        """Put the outputs where a write has put them: what falls does so before wires are changed, what rises after."""
        levels = [self.level(n) for n in range(self.count)]
        for level, line in zip(levels, self.outs, strict=False):
            if not level:
                line.drive(now, 0)
        if rewire:
            self.rewired(now)
        for level, line in zip(levels, self.outs, strict=False):
            if level:
                line.drive(now, 1)
        self._plan()
        self.sync(now)

    def route(self, n: int) -> Route:
        """Where output n goes (Timer N Configuration; General Configuration, LEG_RT_CNF)."""
        t = self.timers[n]
        if n < len(LEGACY_IRQS) and self.conf & (LEG_RT | ENABLE) == LEG_RT | ENABLE and not t.conf & FSB_EN:
            return Route("legacy", LEGACY_IRQS[n])
        if t.conf & FSB_EN:
            return Route("fsb", 0, t.fsb >> 32, t.fsb & LOW)
        pin = t.conf >> ROUTE_LO & 31
        if self._checked and not self.caps[n].routes >> pin & 1:
            return Route("none")
        return Route("pin", pin)

    # -- registers

    def load(self, offset: int, width: int, now: int) -> int:
        """A read of a whole register or of half of it; others give 0."""
        if width < 32 or offset & (width // 8 - 1):
            return 0
        value = self.value(offset & ~7, now)
        return value if width == 64 else value >> (offset & 4) * 8 & LOW

    def value(self, offset: int, now: int) -> int:
        """The 64-bit register at `offset`; the chip is at `now`."""
        if offset >= TIMERS:
            n, part = divmod(offset - TIMERS, STRIDE)
            if n >= len(self.timers):
                return 0
            t = self.timers[n]
            if part == T_CONF:
                return self._conf_of(n, t)
            return t.cmp if part == T_CMP else t.fsb if part == T_FSB else 0
        if offset == CNT:
            return self.counter(now)
        return {CAP: self.capability, CONF: self.conf, STA: self._sta(self.timers)}.get(offset, 0)

    def _conf_of(self, n: int, t: Timer) -> int:
        conf = t.conf & ~VAL_SET if self._checked else t.conf
        return conf | self.caps[n].bits

    @staticmethod
    def _sta(timers: Sequence[Timer]) -> int:
        return sum(t.sts << n for n, t in enumerate(timers))

    def store(self, offset: int, value: int, width: int, now: int) -> None:
        """A write of a whole register or of half of it; others are ignored."""
        if width < 32 or offset & (width // 8 - 1):
            return
        if width == 64 and self._split:
            self._write(offset, value & LOW, LOW, now)
            self._write(offset, value & HIGH, HIGH, now)
        elif width == 64:
            self._write(offset, value, ALL, now)
        elif offset & 4:
            self._write(offset & ~7, value << 32, HIGH, now)
        else:
            self._write(offset, value, LOW, now)

    def _write(self, offset: int, value: int, bits: int, now: int) -> None:
        """Write `bits` of the register at `offset`; `value` is in place."""
        if offset >= TIMERS:
            n, part = divmod(offset - TIMERS, STRIDE)
            if n >= len(self.timers):
                return
            t = self.timers[n]
            rewire = False
            if part == T_CONF:
                if bits & LOW:
                    before = t.conf
                    self._writes.conf(t, self.caps[n], value & LOW)
                    self._rearm(n, before, now)
                    rewire = bool((before ^ t.conf) & WIRES)
            elif part == T_CMP:
                self._writes.cmp(t, mask_of(t, self.caps[n]), value, bits)
                if self.conf & ENABLE:
                    self._arm(n, now)
            elif part == T_FSB and (self.caps[n].fsb or not self._checked):
                t.fsb = t.fsb & ~bits | value
                rewire = True
            self._settle(now, rewire)
        elif offset == CONF and bits & LOW:
            before = self.conf
            self._write_general(value & self._writable, now)
            self._settle(now, self.conf != before)
        elif offset == STA:
            for n, t in enumerate(self.timers):
                if value >> n & 1:
                    t.sts = 0
            self._settle(now, False)
        elif offset == CNT:
            self._write_counter(value, bits, now)

    def _write_general(self, conf: int, now: int) -> None:
        changed, self.conf = self.conf ^ conf, conf
        if not changed & ENABLE:
            return
        if conf & ENABLE:
            self.clock = replace(self._rate, epoch=now)
            for t, caps in zip(self.timers, self.caps, strict=True):
                if not self._host_timer or (t.cmp != ALL and caps.told):
                    self.rule.arm(t, mask_of(t, caps), self.cnt, 0, 0)
            return
        self.cnt = self.cnt + self.clock.ticks(now) & ALL
        self.clock = self._rate
        for t, caps in zip(self.timers, self.caps, strict=True):
            self.rule.disarm(t)
            if self._gated and caps.told:
                t.sts = 0

    def _write_counter(self, value: int, bits: int, now: int) -> None:
        if not self.conf & ENABLE:
            self.cnt = self.cnt & ~bits | value
        elif self._taken:
            tick = self.clock.ticks(now)
            self.cnt = ((self.cnt + tick & ALL & ~bits | value) - tick) & ALL
            for n in range(len(self.timers)):
                self._arm(n, now)
            self._plan()

    def _arm(self, n: int, now: int) -> None:
        """Look for timer n's next match from `now` on."""
        t, clock = self.timers[n], self.clock
        phase = (now - clock.epoch) * clock.num % clock.den
        self.rule.arm(t, mask_of(t, self.caps[n]), self.cnt, clock.ticks(now), phase)

    def _rearm(self, n: int, before: int, now: int) -> None:
        """The configuration of timer n was written: a host timer looks at INT_ENB only, the comparator at all of it."""
        t, runs = self.timers[n], self.conf & ENABLE
        if self._host_timer and before & ~t.conf & ENB:
            self.rule.disarm(t)
        elif runs and (not self._host_timer or t.conf & ~before & ENB):
            self._arm(n, now)

    # -- looking and state

    def peek(self, now: int) -> dict[str, Any]:
        """All that can be seen of the HPET, as `hpet.name` and `hpet.tN.name`."""
        timers = [self._at(n, now) for n in range(len(self.timers))]
        seen: dict[str, Any] = {
            "hpet.cap": self.capability,
            "hpet.conf": self.conf,
            "hpet.sta": self._sta(timers),
            "hpet.cnt": self.counter(now),
        }
        for n, t in enumerate(timers[: self.count]):
            put = f"hpet.t{n}."
            seen[put + "conf"] = self._conf_of(n, t)
            seen[put + "cmp"] = t.cmp
            seen[put + "period"] = t.period
            seen[put + "fsb"] = t.fsb
            seen[put + "next"] = self.next_match(n, now)
            seen[put + "left"] = self._left(now, t)
            seen[put + "mode"] = "periodic" if t.periodic else "one-shot"
            seen[put + "sts"] = t.sts
            seen[put + "matches"] = t.matches
        return seen

    def snapshot(self) -> State:
        """Configuration, counter, the ns of the enabling write, and the timers."""
        return (self.conf, self.cnt, self.clock.epoch, tuple(t.snapshot() for t in self.timers))

    def restore(self, state: State) -> None:
        """Take back what `snapshot` gave."""
        self.conf, self.cnt, epoch, timers = state
        self.clock = replace(self._rate, epoch=epoch)
        self.timers = [Timer(*values) for values in timers]
        self._plan()
