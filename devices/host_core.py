"""The host's processors between changes: their clocks, what can be read of them, and how a change is put in.

What changes them is in `host`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

from timerlab.clock import Ticker
from timerlab.device import Device, State
from timerlab.devices.host_pcpu import KHZ_PER_NS, Pcpu, Rules, Socket
from timerlab.devices.host_regs import peeks_of
from timerlab.errors import GuestFault
from timerlab.scaling import WORD, signed

MAX_KHZ = 100_000_000
SOCKETS = {"one": 1, "two": 2, "four": 4}


@dataclass(slots=True)
class HostState:
    """All processors and packages."""

    pcpus: tuple[Pcpu, ...]
    sockets: tuple[Socket, ...]
    suspended_ns: int = 0


class HostCore(Device):
    """`pcpus` processors whose TSCs count `khz` from power-on. `changed` is called with the ns of each change after
    which a TSC reads or runs otherwise than before.
    """

    name = "host"

    def __init__(
        self, khz: Fraction, pcpus: int, quirks: Mapping[str, str], changed: Callable[[int], None] = lambda now: None
    ) -> None:
        khz = Fraction(khz)
        check_khz(khz)
        if pcpus < 1:
            raise ValueError(f"a host of {pcpus} processors: 1 or more")
        self.changed = changed
        self.rules = Rules.of(quirks)
        self.quirks = quirks
        self.packages = min(pcpus, SOCKETS.get(quirks["sockets"], pcpus))
        self.peeks = peeks_of(pcpus)  # type: ignore[misc]
        self.state = HostState((Pcpu(khz, khz),) * pcpus, (Socket(),) * self.packages)
        self._clocks: list[Ticker | None] = [None] * pcpus
        self._due: tuple[Any, int | None] = (None, None)
        self._seen: tuple[Any, Any, int, dict[str, Any]] = (None, None, 0, {})

    # -- what others ask

    @property
    def count(self) -> int:
        """How many processors there are."""
        return len(self.state.pcpus)

    def clock(self, p: int) -> Ticker:
        """The TSC of a processor as a clock, with what is known to come; its ticks are to be taken modulo 2^64. It is
        the same object as long as nothing changes.
        """
        clock = self._clocks[p]
        if clock is None:
            clock = self._clocks[p] = self.rules.clock(self.state.pcpus[p], self._package(p))
        return clock

    def tsc(self, p: int, now: int) -> int:
        """What the TSC of a processor reads, 64 bits."""
        return self.clock(p).ticks(now) % WORD

    def khz(self, p: int) -> Fraction:
        """How fast its TSC runs now in kHz, as the host has it from calibration and P-state: drift, spread spectrum
        and sleep are not in it.
        """
        return self.rules.khz(self.state.pcpus[p])

    def hz(self, p: int) -> Fraction:
        """How fast its TSC really runs now, in Hz: drift, spread, throttling and sleep are in it, on the average."""
        return self.rules.counter(self.state.pcpus[p], self._package(p)).hz

    def socket(self, p: int) -> int:
        """The package that a processor is in: they are filled in order."""
        return p * self.packages // len(self.state.pcpus)

    def word(self, p: int) -> str:
        """What a processor does: run, throttled, or the C-state that it is in."""
        cpu = self.state.pcpus[p]
        return cpu.asleep or ("throttled" if cpu.duty < 1 else "run")

    def missing(self, p: int, now: int) -> int:
        """How many cycles a TSC has less than one that ran at full rate since it was last set, as measured with a
        clock that does not stop (HPET, ACPI timer); 0 if it has none less.
        """
        cpu = self.state.pcpus[self._check(p)]
        due = cpu.set_to + int((now - cpu.set_at) * cpu.khz / KHZ_PER_NS)
        return max(0, signed(due - self.tsc(p, now)))

    def interval(self, p: int, khz: Fraction | int, window: int) -> tuple[int, int]:
        """By how much the TSC may grow in `window` ns in which the P-state changes to `khz` at a moment that nobody
        knows: the least and the most.
        """
        here, there = self.rules.khz(self.state.pcpus[self._check(p)]), Fraction(khz)
        check_khz(there)
        if window < 0:
            raise ValueError(f"a window of {window} ns: 0 or more")
        if self.rules.constant:
            there = here
        low, high = sorted(rate * window / KHZ_PER_NS for rate in (here, there))
        return int(low), -int(-high // 1)

    # -- inside

    def _package(self, p: int) -> Socket:
        return self.state.sockets[self.socket(p)]

    def _check(self, p: int) -> int:
        if not 0 <= p < len(self.state.pcpus):
            raise ValueError(f"no processor p{p}: p0 to p{len(self.state.pcpus) - 1}")
        return p

    def _ready(self, p: int, now: int) -> Pcpu:
        """The processor at `now`; ValueError if there is none."""
        self._check(p)
        self.sync(now)
        return self.state.pcpus[p]

    def _store(self, p: int, cpu: Pcpu, same: bool = False) -> None:
        pcpus = self.state.pcpus
        self.state.pcpus = (*pcpus[:p], cpu, *pcpus[p + 1 :])
        if not same:
            self._clocks[p] = None

    def _change(self, p: int, now: int, **fields: Any) -> None:
        """A processor is otherwise from now on. Where its TSC runs as before, it stays the same clock."""
        package, before = self._package(p), self.state.pcpus[p]
        after = self.rules.changed(before, package, now, fields)
        same = self.rules.clock(after, package) == self.clock(p)
        self._store(p, after, same)
        if not same:
            self.changed(now)

    def _repackage(self, socket: int, now: int, **fields: int) -> None:
        """A package is otherwise from now on."""
        if not 0 <= socket < self.packages:
            raise ValueError(f"no socket {socket}: 0 to {self.packages - 1}")
        self.sync(now)
        before = self.state.sockets[socket]
        after = replace(before, **fields)
        if after == before:
            return
        for p, cpu in enumerate(self.state.pcpus):
            if self.socket(p) == socket:
                self._store(p, self.rules.anchored(cpu, before, now))
        self.state.sockets = (*self.state.sockets[:socket], after, *self.state.sockets[socket + 1 :])
        self.changed(now)

    def _write(self, p: int, value: int, now: int) -> None:
        self._ready(p, now)
        check_word(value)
        match self.rules.write:
            case "fault":
                raise GuestFault(13, "#GP(0)", f"p{p} takes no write to IA32_TSC")
            case "ignored":
                return
            case "low32":
                value &= 0xFFFF_FFFF
        self._put(p, value, now)

    def _put(self, p: int, value: int, now: int) -> None:
        """The TSC reads `value` now; TSC_ADJUST moves with it, the crystal's phase stays."""
        here = self.rules.anchored(self.state.pcpus[p], self._package(p), now)
        value %= WORD
        adjust = (here.adjust + value - here.start.base) % WORD if self.rules.adjusts else 0
        start = replace(here.start, base=value)
        self._store(p, replace(here, start=start, adjust=adjust, set_at=now, set_to=value))

    # -- what the engine asks of every chip

    def due(self) -> int | None:
        """When a processor next changes by itself: wakes, or has its new P-state."""
        pcpus = self.state.pcpus
        if self._due[0] is not pcpus:
            moments = (moment for cpu in pcpus for moment in (cpu.wake_at, cpu.core_at))
            self._due = pcpus, min((moment for moment in moments if moment is not None), default=None)
        return self._due[1]

    def sync(self, now: int) -> None:
        """Do what is due: each change at its own moment, in the order of time."""
        while (at := self.due()) is not None and at <= now:
            moved = False
            for p, cpu in enumerate(self.state.pcpus):
                coming = self.rules.following(cpu, self._package(p))
                if coming is not None and coming[0] == at:
                    same = coming[1].start == cpu.start
                    self._store(p, coming[1], same)
                    moved |= not same
            if moved:
                self.changed(at)

    def next_event(self, now: int) -> Iterator[tuple[int, str]]:
        """None: it drives no line. See `due`."""
        return iter(())

    def reset(self, now: int) -> None:
        """A reset is the guest's: the host goes on."""

    def peek(self, now: int) -> dict[str, Any]:
        """All that can be seen."""
        seen = dict(self._standing())
        for p in range(self.count):
            seen[f"host.p{p}.tsc"] = self.tsc(p, now)
        return seen

    def _standing(self) -> dict[str, Any]:
        """What can be seen and does not count; made anew when something changed."""
        state = self.state
        if self._seen[0] is state.pcpus and self._seen[1] is state.sockets and self._seen[2] == state.suspended_ns:
            return self._seen[3]
        seen: dict[str, Any] = {"host.suspended_ns": state.suspended_ns}
        for p, cpu in enumerate(state.pcpus):
            put = f"host.p{p}."
            seen[put + "tsc"] = 0
            seen[put + "khz"] = int(self.khz(p))
            seen[put + "hz"] = int(self.hz(p))
            seen[put + "core"] = int(cpu.core)
            seen[put + "socket"] = self.socket(p)
            seen[put + "state"] = self.word(p)
            seen[put + "adjust"] = signed(cpu.adjust)
        self._seen = state.pcpus, state.sockets, state.suspended_ns, seen
        return seen

    def snapshot(self) -> State:
        """The state: processors and packages are never changed, but replaced."""
        state = self.state
        return state.pcpus, state.sockets, state.suspended_ns

    def restore(self, state: State) -> None:
        """Take back what `snapshot` gave."""
        before, sockets = self.state.pcpus, self.state.sockets
        self.state = HostState(*state)
        other = self.state.sockets != sockets
        for p, cpu in enumerate(self.state.pcpus):
            if other or cpu != before[p]:
                self._clocks[p] = None


def check_khz(khz: Fraction) -> None:
    """ValueError for a rate in kHz that no clock here has."""
    if not 0 < khz <= MAX_KHZ:
        raise ValueError(f"a clock of {khz} kHz: above 0, up to {MAX_KHZ}")


def check_word(value: int) -> None:
    """ValueError for what is no 64-bit value."""
    if not 0 <= value < WORD:
        raise ValueError(f"{value:#x} does not fit 64 bits")
