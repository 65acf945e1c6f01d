"""A virtual CPU, as far as timers need one: its time stamp counter with the MSRs around it, the interrupt flag, and
which interrupts it is serving.

Sources: Intel SDM 3B, Time-Stamp Counter, IA32_TSC_ADJUST MSR, Invariant TSC; SDM 2A, CPUID; SDM 2B, RDTSC, RDTSCP.
The TSC is invariant: it runs at `tsc_khz` from time 0 in every state. Not modelled: instructions, privilege levels,
everything of CPUID that is not about time.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

from timerlab.clock import Clock
from timerlab.device import Device, State
from timerlab.devices.vcpu_regs import MSRS, REGS, peeks_of
from timerlab.errors import GuestFault

WORD = 1 << 64

IA32_TSC, IA32_TSC_ADJUST, TSC_AUX = 0x10, 0x3B, 0xC000_0103


class Served(NamedTuple):
    """An interrupt that the vCPU took and has not ended: through the `pic` or the `lapic`, with which vector, from
    which source (a line's name), and the 8259's request level where it came from there. Nobody asked for a spurious
    one.
    """

    way: str
    vector: int
    source: str
    irq: int | None = None
    spurious: bool = False


@dataclass(slots=True)
class VcpuState:
    """All that a vCPU remembers."""

    offset: int = 0
    """What RDTSC adds to the host's count, modulo 2^64."""
    adjust: int = 0
    aux: int = 0
    interrupts: bool = True
    """RFLAGS.IF."""
    busy_until: int | None = None
    """When the handler ends that runs now, under `latency`."""
    served: tuple[Served, ...] = ()
    spurious: int = 0
    last: int | None = None
    """The vector taken last."""


class Vcpu(Device):
    """One vCPU. `host` is the TSC of the processor that it runs on: it counts from power-on and nothing changes it."""

    name = "vcpu"
    regs = REGS

    def __init__(self, index: int, host: Clock) -> None:
        self.index = index
        self.host = host
        self.state = VcpuState(aux=index)
        self.peeks = peeks_of(index)  # type: ignore[misc]
        self._clock: tuple[int, Clock] = (0, host)

    # -- the counter

    def clock(self) -> Clock:
        """The TSC as the guest reads it, as a clock; its ticks are to be taken modulo 2^64."""
        offset = self.state.offset
        if self._clock[0] != offset:
            self._clock = (offset, self.host.offset(offset))
        return self._clock[1]

    def rdtsc(self, now: int) -> int:
        """What RDTSC gives: host count plus offset, modulo 2^64 (SDM 3B, Time-Stamp Counter)."""
        return (self.host.ticks(now) + self.state.offset) % WORD

    def _write_tsc(self, value: int, now: int) -> None:
        """WRMSR to IA32_TSC: the difference goes to TSC_ADJUST as well (SDM 3B, IA32_TSC_ADJUST)."""
        state = self.state
        change = value - self.rdtsc(now)
        state.offset = (state.offset + change) % WORD
        state.adjust = (state.adjust + change) % WORD

    def _write_adjust(self, value: int) -> None:
        """WRMSR to TSC_ADJUST: the TSC jumps by the change."""
        state = self.state
        state.offset = (state.offset + value - state.adjust) % WORD
        state.adjust = value

    # -- MSRs

    def knows(self, msr: int) -> bool:
        """Whether it is one of the MSRs here."""
        return msr in MSRS

    def rdmsr(self, msr: int, now: int) -> int:
        """RDMSR of one of its MSRs; GuestFault for any other."""
        match msr:
            case 0x10:
                return self.rdtsc(now)
            case 0x3B:
                return self.state.adjust
            case 0xC000_0103:
                return self.state.aux
        raise unknown_msr(msr)

    def wrmsr(self, msr: int, value: int, now: int) -> None:
        """WRMSR of one of its MSRs; GuestFault for any other, or for a reserved bit."""
        match msr:
            case 0x10:
                self._write_tsc(value, now)
            case 0x3B:
                self._write_adjust(value)
            case 0xC000_0103:
                if value >> 32:
                    raise GuestFault(13, "#GP(0)", "bits 63:32 of IA32_TSC_AUX are reserved")
                self.state.aux = value
            case _:
                raise unknown_msr(msr)

    # -- what the engine asks of every chip

    def sync(self, now: int) -> None:
        """A counter that only counts needs no bringing up to date."""

    def next_event(self, now: int) -> Iterator[tuple[int, str]]:
        """None: it drives no line."""
        return iter(())

    def reset(self, now: int) -> None:
        """RESET: the TSC, TSC_ADJUST and TSC_AUX start again (SDM 3A, Processor State After Reset); nothing is served.
        The counts of interrupts go on.
        """
        offset = -self.host.ticks(now) % WORD
        self.state = VcpuState(offset=offset, aux=self.index, spurious=self.state.spurious)

    def peek(self, now: int) -> dict[str, Any]:
        """All that can be seen, as `vcpuN.name`."""
        state, put = self.state, f"vcpu{self.index}."
        host = self.host.ticks(now)
        offset = state.offset - WORD if state.offset >> 63 else state.offset
        adjust = state.adjust - WORD if state.adjust >> 63 else state.adjust
        return {
            put + "host": host,
            put + "tsc": (host + state.offset) % WORD,
            put + "offset": offset,
            put + "adjust": adjust,
            put + "adjust_bits": state.adjust,
            put + "aux": state.aux,
            put + "if": int(state.interrupts),
            put + "busy": state.busy_until,
            put + "serving": state.served[-1].vector if state.served else None,
            put + "depth": len(state.served),
            put + "spurious": state.spurious,
            put + "last": state.last,
        }

    def snapshot(self) -> State:
        """The state, flat."""
        return tuple(getattr(self.state, name) for name in VcpuState.__slots__)

    def restore(self, state: State) -> None:
        """Take back what `snapshot` gave."""
        self.state = VcpuState(*state)


def unknown_msr(msr: int) -> GuestFault:
    """The fault of an access to an MSR that does not exist."""
    return GuestFault(13, "#GP(0)", f"there is no MSR {msr:X}h here")
