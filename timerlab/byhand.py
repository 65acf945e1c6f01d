"""What a person, or a recording, does to a machine's lines and vCPUs by hand."""

from __future__ import annotations

from abc import abstractmethod
from operator import index

from timerlab.devices.flow import Flow
from timerlab.devices.lapic import Lapic
from timerlab.sights import Sights


class ByHand(Sights):
    """The part of a `Machine` that is driven without a program."""

    _flow: Flow

    @abstractmethod
    def _accessed(self) -> None:
        """What an access changed reaches the controllers and the guest."""

    def irq(self, line: int, level: int) -> None:
        """Pull an ISA line (0 to 15 but for 2), or an I/O APIC pin (16 to 23), up by hand, or let it go."""
        self.check_line(line, level)
        self._flow.visible(self.now)
        self.board.joints[line].pull(level, self.now)
        self._accessed()

    def check_line(self, line: int, level: int) -> None:
        """ValueError for a line that there is not, or a level that is none."""
        if line not in self.board.joints:
            raise ValueError(f"no line {line}: 0, 1, 3 to 15 are ISA lines, 16 to 23 I/O APIC pins")
        if level not in (0, 1):
            raise ValueError(f"a line cannot be put to {level}: 0 or 1")

    def nmi(self, what: str) -> None:
        """Pull `iochk` or `serr`: port 61h keeps it, and asks for an NMI."""
        if what not in ("iochk", "serr"):
            raise ValueError(f"no NMI source {what}: iochk, serr")
        self._flow.visible(self.now)
        self.board.port61.pull(what)
        self._accessed()

    def inta(self, vcpu: int = 0) -> int | None:
        """A vCPU takes the interrupt that waits for it: its vector, or None where none does or IF is 0."""
        self._lapic(vcpu)
        self._flow.visible(self.now)
        state, fabric = self.board.vcpus[vcpu].state, self.board.fabric
        if not state.interrupts:
            return None
        served = fabric.acknowledge(vcpu, late=True)
        if served is None:
            return None
        state.served += (served,)
        if self.board.pv is not None:
            self.board.pv.apf[vcpu].woken()
        self._accessed()
        return served.vector

    def eoi(self, vcpu: int = 0) -> int | None:
        """The handler that a vCPU runs ends: EOI to where its interrupt came from; its vector, or None where none
        runs.
        """
        self._lapic(vcpu)
        self._flow.visible(self.now)
        fabric = self.board.fabric
        served = fabric.innermost(vcpu)
        fabric.occupy(vcpu, None)
        if served is None:
            fabric.end_any(vcpu, self.now)
        else:
            fabric.end(vcpu, served, self.now)
        self._accessed()
        return None if served is None else served.vector

    def interrupts(self, on: bool, vcpu: int = 0) -> None:
        """`sti` and `cli`: RFLAGS.IF of a vCPU."""
        self._lapic(vcpu)
        self._flow.visible(self.now)
        state = self.board.vcpus[vcpu].state
        if on and not state.interrupts:
            self.board.pic.withdrawn = False  # what came and went meanwhile, the CPU never saw
        state.interrupts = on
        self._accessed()

    def inta_seen(self) -> None:
        """A replayed machine's CPU took an interrupt from the 8259s; its handler's EOI is an access like others."""
        self._flow.visible(self.now)
        if self.board.pic.intr:
            self.board.fabric.acknowledge(0)
        self._accessed()

    def line_seen(self, irq: int, level: int) -> None:
        """A replayed machine's other device moved its line to the 8259s."""
        self._flow.visible(self.now)
        source = self.board.fabric.by_name[f"irq.{irq}"]
        self.board.lines[source.name].note(self.now, level)
        source.level = level
        if level:
            source.raised += 1
            self.board.pic.raise_line(irq)
        else:
            self.board.pic.lower_line(irq)
        self._accessed()

    def given(self, index: int, value: int) -> None:
        """Put a byte into CMOS RAM that somebody left there before power-on."""
        self.board.rtc.given(index, value)

    def check_vcpu(self, vcpu: int) -> None:
        """ValueError for a vCPU that there is not."""
        if not 0 <= index(vcpu) < len(self.board.lapics):
            raise ValueError(f"no vCPU {vcpu}: 0 to {len(self.board.lapics) - 1}")

    def _lapic(self, vcpu: int) -> Lapic:
        self.check_vcpu(vcpu)
        return self.board.lapics[vcpu]
