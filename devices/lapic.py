"""The local APIC of one vCPU: its registers in memory (xAPIC) and as MSRs (x2APIC), and its timer.

Source: Intel SDM 3A, chapter Advanced Programmable Interrupt Controller: Local APIC Registers, APIC Timer, Extended
XAPIC (x2APIC). `lapic_core` is what it does with interrupts, `lapic_pins` its pins and LVT, `lapic_access` the way to
its registers, `lapic_timer` its timer. Not modelled: delivery status (a message takes no time), bus arbitration, focus
processor, thermal and performance interrupts (nothing raises them).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from operator import attrgetter
from typing import Any

from timerlab.clock import Clock, Ticker
from timerlab.device import MemoryDevice, State
from timerlab.devices.lapic_access import BITMAPS, MSRS, SIZE, LapicRegisters
from timerlab.devices.lapic_core import BSP, DEFAULT_BASE, EN, EXTD, LapicState
from timerlab.devices.lapic_regs import REGS, peeks_of
from timerlab.devices.lapic_timer import MODES, divider
from timerlab.interrupt import Message, Outcome
from timerlab.line import Line, Train, edge_after

__all__ = ["MSRS", "SIZE", "Lapic"]

FIELDS = tuple(LapicState.__dataclass_fields__)
_values = attrgetter(*FIELDS)
_HIDDEN = ("base", "id", "ldr", "lvt_cmci", "extint", "lint0_written", "wrote")
_SEEN = tuple(name for name in FIELDS if name not in _HIDDEN)
"""The registers that `peek` gives as they stand."""
_seen = attrgetter(*_SEEN)


class Lapic(LapicRegisters, MemoryDevice):
    """The chip. The board routes memory here while it `decodes`, in the page at `base`, and the MSRs always."""

    name = "lapic"
    regs = REGS

    def __init__(
        self,
        index: int,
        clock: Clock,
        quirks: Mapping[str, str],
        timer: Line,
        tsc: Callable[[], Ticker],
        send: Callable[[Message, int, int], Outcome],
        eoi_broadcast: Callable[[int], None],
    ) -> None:
        """APIC of vCPU `index`, whose timer runs on `clock` and pulses the line `timer` at each expiry, masked or not.

        `tsc` gives the TSC that the vCPU sees; after a change of it, call `tsc_moved`. `send` takes the messages of the
        ICR with the sender's index and the shorthand (0 none, 1 self, 2 all, 3 all but self).
        """
        super().__init__(index, clock, quirks, timer, tsc, send, eoi_broadcast)
        self.peeks = peeks_of(index)  # type: ignore[misc]
        self.clock = clock
        self._plain = [f"lapic{index}.{name}" for name in _SEEN]
        self._no_vectors = {f"lapic{index}.{name}{word}": 0 for name in BITMAPS.values() for word in range(8)}

    # -- time

    def sync(self, now: int) -> None:
        """Bring the timer to `now`, its expiries onto its line."""
        timer = self.timer
        if now >= timer.due:
            told = timer.advance(now)
            if told:
                self.line.absorb(told)

    def future(self, now: int) -> list[Train]:
        """The timer's expiries to come, if nobody touches it."""
        return self.timer.future(now)

    def next_event(self, now: int) -> Iterator[tuple[int, str]]:
        """The next expiry after `now`."""
        edge = edge_after(self.timer.future(now), now)
        if edge:
            yield edge[0], self.line.name

    def tsc_moved(self, now: int) -> None:
        """The TSC was written, or its rate changed: an armed deadline that it has passed now expires at once."""
        self.timer.tsc_moved(now)
        self.sync(now)

    def arrived(self, now: int) -> None:
        """The VM is on another host: an armed deadline is set anew, by the TSC there."""
        self.timer.rearm(now)
        self.sync(now)

    def asleep(self, sleeps: bool, now: int) -> None:
        """The processor sleeps in C3 or does not: a timer that is not always running stands still meanwhile."""
        self.sync(now)
        if sleeps:
            self.timer.stop(now)
        else:
            self.timer.go_on(now)
            self.sync(now)

    def reset(self, now: int) -> None:
        """To the power-on state. The levels of the LINT pins are others' and stay."""
        self.sync(now)
        self.state = LapicState(DEFAULT_BASE | EN | (0 if self.index else BSP), self.index)
        self._clear()

    def init(self, now: int) -> None:
        """The INIT signal: as a reset, but for base, mode, ID and the counts of what was taken."""
        self.sync(now)
        self._clear()

    # -- looking and state

    def peek(self, now: int) -> dict[str, Any]:
        """All that can be seen of the APIC, as `lapicN.name`."""
        s, timer, put = self.state, self.timer, f"lapic{self.index}."
        edge = edge_after(timer.future(now), now)
        seen: dict[str, Any] = {
            put + "base": s.base,
            put + "mode": self.mode,
            put + "id": self.index if s.base & EXTD else s.id << 24,
            put + "version": self._version,
            put + "ppr": self.ppr,
            put + "ldr": self.ldr,
            put + "irr_max": s.irr.bit_length() - 1 if s.irr else None,
            put + "isr_max": s.isr.bit_length() - 1 if s.isr else None,
            put + "pending": self._offered,
            put + "extint": int(self.extint),
            put + "lint0": self._pins[0],
            put + "lint1": self._pins[1],
            put + "cr8": s.tpr >> 4,
            put + "icr": s.icr_high << 32 | s.icr_low,
            put + "lvt_cmci": s.lvt_cmci if self._cmci else None,
            put + "tmict": timer.state.tmict,
            put + "tmcct": timer.count(now),
            put + "tdcr": timer.state.tdcr,
            put + "divider": divider(timer.state.tdcr),
            put + "deadline": timer.deadline(now),
            put + "timer_mode": MODES[timer.state.mode],
            put + "next": edge[0] if edge else None,
        }
        seen.update(zip(self._plain, _seen(s), strict=True))
        seen.update(self._no_vectors)
        for name in BITMAPS.values():
            bits = getattr(s, name)
            for word in range((bits.bit_length() + 31) // 32):
                seen[f"{put}{name}{word}"] = bits >> 32 * word & 0xFFFF_FFFF
        return seen

    def snapshot(self) -> State:
        """The registers, the LINT pins, who waits in IRR, and the timer."""
        return (_values(self.state), tuple(self._pins), tuple(sorted(self._sources.items())), self.timer.snapshot())

    def restore(self, state: State) -> None:
        """Take back what `snapshot` gave."""
        values, pins, sources, timer = state
        self.state = LapicState(*values)
        self._pins = list(pins)
        self._sources = dict(sources)
        self.timer.restore(timer)
        self._rank()
