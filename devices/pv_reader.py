"""The guest's side of a time page: its read loop, in steps, so that a writer can come in between.

Source: Linux arch/x86/kernel/pvclock.c, __pvclock_clocksource_read; arch/x86/kernel/kvmclock.c, kvmclock_init. A read
takes the version without its lowest bit, then the fields and the TSC, then the version again: where that differs, all
is read anew. Unless the page promises that all vCPUs agree, what is read is held against the last value that anybody in
the guest got, and never below it. One guest has one last value, and one reader a vCPU.

`warps` are what no filter hides: a value below one that was read before.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from timerlab.devices.pv_pages import GUEST_STOPPED, TSC_STABLE, Memory, TimeInfo, number

IDLE, VERSION, FIELDS = range(3)
"""Where a reader stands: not in the loop; it has the version; it has the fields as well."""

HUGE = 1 << 63
"""A delta of so many cycles is a TSC below the page's."""

STABLE_BIT = 24
"""CPUID 40000001h: flag 0 of the page may be trusted."""


@dataclass(slots=True)
class ReaderState:
    """One vCPU's read loop."""

    step: int = IDLE
    version: int = 0
    flags: int = 0
    raw: int = 0
    delta: int = 0
    retries: int = 0
    said: str = ""
    """What came of its last step, in words."""


@dataclass(slots=True)
class GuestState:
    """What the guest keeps for all its vCPUs, and what can be said of its reads."""

    last: int = 0
    """last_value of the filter."""
    highest: int = 0
    warps: int = 0
    warp: int = 0
    """ns of the largest one."""
    huge: int = 0
    touched: int = 0
    """How often a watchdog was told that the guest had been stopped."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What came of a step. `ns` is None while the loop goes on; `warp` is by how many ns the value is below one that
    was read before, `held` by how many the filter raised it, `huge` says that the TSC was below the page's.
    """

    ns: int | None
    said: str
    retry: bool = False
    warp: int = 0
    held: int = 0
    huge: bool = False
    stopped: bool = False


class Reader:
    """The loop of one vCPU. `tsc` gives what its RDTSC reads at a moment."""

    def __init__(
        self,
        guest: Callable[[], GuestState],
        memory: Memory,
        put: Callable[[int, bytes], None],
        tsc: Callable[[int], int],
        stable: bool,
    ) -> None:
        self.guest = guest
        self.memory = memory
        self.put = put
        self.tsc = tsc
        self.stable = stable
        self.state = ReaderState()

    @property
    def last_said(self) -> str:
        """What came of its last step, in words."""
        return self.state.said

    def step(self, address: int, now: int) -> Reading:
        """The next step of the loop: version; fields; version again, and the value."""
        reading = self._step(address, now)
        self.state.said = reading.said
        return reading

    def _step(self, address: int, now: int) -> Reading:
        state = self.state
        if state.step == IDLE:
            state.version = number(self.memory, address) & ~1
            state.step = VERSION
            return Reading(None, f"version {number(self.memory, address)}, without its lowest bit {state.version}")
        if state.step == VERSION:
            page, tsc = TimeInfo.read(self.memory, address), self.tsc(now)
            state.raw, state.flags, state.delta = page.ns(tsc), page.flags, page.delta(tsc)
            state.step = FIELDS
            return Reading(None, f"TSC {tsc}, {state.delta} cycles after the page's")
        version = number(self.memory, address)
        state.step = IDLE
        if version != state.version:
            state.retries += 1
            return Reading(None, f"version {version} is not {state.version}: read again", retry=True)
        return self._value(address)

    def _value(self, address: int) -> Reading:
        """The loop is left: flags, filter, and what is to be said of the value."""
        state, guest = self.state, self.guest()
        stopped = bool(state.flags & GUEST_STOPPED)
        if stopped:
            self.put(address + 29, bytes((state.flags & ~GUEST_STOPPED,)))
            guest.touched += 1
        ns, held = state.raw, 0
        if not (self.stable and state.flags & TSC_STABLE):
            held = max(0, guest.last - ns)
            ns = guest.last = max(ns, guest.last)
        warp, huge = max(0, guest.highest - ns), state.delta >= HUGE
        guest.highest = max(guest.highest, ns)
        guest.warps += warp > 0
        guest.warp = max(guest.warp, warp)
        guest.huge += huge
        words = [f"{ns} ns"]
        if held:
            words.append(f"last_value holds it, the page says {held} ns less")
        if warp:
            words.append(f"a warp: {warp} ns below a value read before")
        if huge:
            words.append("a jump: the TSC is below the page's tsc_timestamp")
        if stopped:
            words.append("GUEST_STOPPED: watchdogs touched, flag cleared")
        return Reading(ns, ", ".join(words), False, warp, held, huge, stopped)

    def read(self, address: int, now: int) -> Reading:
        """The whole loop at one moment, from its beginning; no value where an update is under way, because it would not
        end.
        """
        self.state.step = IDLE
        for _ in range(3):
            reading = self.step(address, now)
        return reading
