"""What vCPUs do with interrupts: take them, serve them, end them, as the guest model says.

Sources: Intel SDM 3A, Handling Interrupts; Intel 8259A, Interrupt Sequence. The way back, EOI, goes to where the
interrupt came from.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable

from timerlab.devices.ioapic import IoApic
from timerlab.devices.lapic import Lapic
from timerlab.devices.pic import Pic
from timerlab.devices.source import Source
from timerlab.devices.vcpu import Served, Vcpu

STORM = 32
"""A guest that is asked so often in one nanosecond does nothing else; it goes on at the next event."""


IRQ_NAMES = tuple(f"irq.{irq}" for irq in range(16))


class Reaction(ABC):
    """The part of the `Fabric` beyond the controllers."""

    pic: Pic
    ioapic: IoApic
    lapics: tuple[Lapic, ...]
    vcpus: tuple[Vcpu, ...]
    sources: list[Source]
    runs: list[Source]
    by_name: dict[str, Source]
    others: Source
    told: Callable[[str, int, int, int, int], None] | None
    look: int
    ends: dict[int, int]
    _int: bool
    _latency: int
    odd: int
    fanned: bool
    _withdraw: bool
    _serve: Callable[[int, int], None] | None
    now: int
    """The moment that is being handled."""
    out: int
    """A bit for each vCPU that takes nothing: its host runs it not, or does something for it."""
    handlers_stop: bool
    """Whether a handler stands still while its vCPU is out; else it ends in its time all the same."""
    stopped: dict[int, int]
    """For each vCPU that went out in a handler, the ns of it that were left."""
    ticked: list[Source]
    """The sources with a tick policy, in wiring order."""
    hard: int
    """Interrupts taken late under a tick policy, since somebody asked."""

    @abstractmethod
    def follow_int(self) -> None:
        """INTR may have moved."""

    def acknowledge(self, index: int, late: bool = False) -> Served | None:
        """INTA: the vCPU takes what waits for it, 8259 before local APIC; None where nothing does. A `late` one comes
        some time after the CPU saw INTR, which may have fallen since: then the 8259 answers with a spurious vector.
        A vCPU that is out takes nothing.
        """
        if self.out >> index & 1:
            return None
        lapic, vcpu, pic = self.lapics[index], self.vcpus[index].state, self.pic
        if vcpu.queued is not None:
            served, vcpu.queued = Served("queue", vcpu.queued, self.others.name), None
            vcpu.last = served.vector
            self.others.delivered[index] += 1
            return served
        late = late and self._withdraw and pic.withdrawn and index == 0
        # what is cheap to know comes first: without INTR, or a message in its place, there is no 8259 cycle
        asked = lapic.state.extint or late or (index == 0 and self._int)
        if asked and (lapic.extint or (late and lapic.extint_path)):
            ack = pic.inta()
            lapic.took_extint()
            if pic.intr is not self._int:
                self.follow_int()
            elif self._int:
                # INTR fell and rose again in between: pin 0 has another edge
                self.ioapic.lower_pin(0)
                self.ioapic.raise_pin(0, "pic")
            irq = ack.irq
            served = Served("pic", ack.vector, "pic" if irq is None else IRQ_NAMES[irq], irq, ack.spurious)
            chip = pic.slave if irq is not None and irq > 7 else pic.master
            if self._withdraw or (irq is not None and chip.level >> (irq & 7) & 1):
                self.odd += 1
        else:
            vector = lapic.pending()
            if vector is None:
                return None
            served = Served("lapic", vector, lapic.source_of(vector))
            if lapic.state.tmr >> vector & 1:
                self.odd += 1
            lapic.take()
        vcpu.last = served.vector
        if served.spurious:
            vcpu.spurious += 1
        else:
            source = self.by_name.get(served.source, self.others)
            source.delivered[index] += 1
            if self.told is not None:
                self.told(source.name, self.now, 0, 1, self.now)
            source.vcpu, source.way, source.vector = index, served.way, served.vector
            tick = source.tick
            if tick is not None:
                level = served.vector if served.irq is None else served.irq
                if tick.took(index, served.way, level, self.now) and tick.late_counts:
                    self.hard += 1
        return served

    def waits(self, index: int) -> bool:
        """Whether something waits to be taken by a vCPU."""
        lapic = self.lapics[index]
        return lapic.extint or lapic.pending() is not None or self.vcpus[index].state.queued is not None

    def queues(self, index: int) -> bool:
        """Whether a vCPU's local APIC holds a request that is only behind what is in service."""
        state = self.lapics[index].state
        return bool(state.irr) and state.irr.bit_length() - 1 >> 4 > state.tpr >> 4

    def occupy(self, index: int, until: int | None) -> None:
        """The handler of a vCPU runs until some moment, or (None) runs no more."""
        self.vcpus[index].state.busy_until = until
        self.stopped.pop(index, None)
        if until is None:
            self.ends.pop(index, None)
        else:
            self.ends[index] = until

    def leave(self, index: int) -> None:
        """A vCPU takes nothing from now on; a handler that runs stands still."""
        if self.out >> index & 1:
            return
        self.out |= 1 << index
        until = self.ends.get(index)
        if until is not None and self.handlers_stop:
            self.occupy(index, None)
            self.stopped[index] = max(0, until - self.now)
        for source in self.ticked:
            if source.tick is not None and source.tick.target == index:
                source.tick.stands(self.now)

    def come(self, index: int) -> None:
        """A vCPU takes interrupts again; its handler goes on with what was left of it."""
        if not self.out >> index & 1:
            return
        self.out ^= 1 << index
        self.look |= 1 << index
        if index in self.stopped:
            self.occupy(index, self.now + self.stopped[index])
        for source in self.ticked:
            if source.tick is not None and source.tick.target == index:
                source.tick.resumed(self.now)

    def set_out(self, mask: int) -> None:
        """The vCPUs that are out, as a state is taken back: nothing else happens."""
        self.out = mask
        for gate in self.runs:
            gate.level = ~mask >> gate.gate & 1

    def free(self, now: int) -> None:
        """Let the vCPUs look whose handlers end now."""
        for index, until in self.ends.items():
            if until <= now:
                self.look |= 1 << index

    def taken(self, index: int) -> int:
        """How many interrupts a vCPU took."""
        return sum(source.delivered[index] for source in self.sources) + self.vcpus[index].state.spurious

    def end(self, index: int, served: Served, now: int) -> None:
        """The end of a handler: EOI to where the interrupt came from. The 8259 wants none for a spurious IRQ 7."""
        if served.way == "pic":
            self.pic.eoi(served.irq, now, served.spurious)
            if self.pic.intr is not self._int:
                self.follow_int()
        elif served.way == "lapic":
            self.lapics[index].eoi()
        self.look |= 1 << index
        self._told(served, now)

    def _told(self, served: Served, now: int) -> None:
        """Tell the policy of whoever asked that its interrupt was ended."""
        source = self.by_name.get(served.source)
        if source is not None and source.tick is not None and source.tick.state.serving is not None:
            source.tick.ended(now)

    def innermost(self, index: int) -> Served | None:
        """The interrupt that a vCPU took last and has not ended, taken off its list; those that the guest has ended by
        itself, by a port or the EOI register, are passed over.
        """
        vcpu, isr = self.vcpus[index].state, self.lapics[index].state.isr
        while vcpu.served:
            served, vcpu.served = vcpu.served[-1], vcpu.served[:-1]
            if served.way == "lapic":
                gone = not isr >> served.vector & 1
            elif served.way == "queue":
                gone = False
            else:
                automatic = self.pic.master.aeoi
                gone = not (served.spurious or automatic or served.irq is None or self.pic.in_service(served.irq))
            if not gone:
                return served
        return None

    def end_any(self, index: int, now: int) -> None:
        """EOI where no interrupt was taken here: to the local APIC if it has one in service, or else to the 8259s."""
        if self.lapics[index].state.isr:
            self.lapics[index].eoi()
            return
        irq = 8 if self.pic.slave.isr else 0
        if index == 0 and (irq or self.pic.master.isr):
            self.pic.eoi(irq, now, False)
            self.follow_int()

    def asserted(self, index: int, served: Served) -> bool:
        """Whether what asked for an interrupt is a level that is still up."""
        if served.way == "pic":
            irq = served.irq
            if irq is None or not (self.pic.slave if irq > 7 else self.pic.master).level >> (irq & 7) & 1:
                return False
        elif served.way == "queue" or not self.lapics[index].state.tmr >> served.vector & 1:
            return False
        if served.source.startswith("lint"):
            return self.lapics[index].pin_asserted(int(served.source[4:]))
        if served.source == "pic":
            return self._int
        source = self.by_name.get(served.source)
        return source is not None and bool(source.level)

    def react(self, now: int) -> None:
        """What the guest does at `now`, on every vCPU that may have something to take."""
        serve = self._serve
        if serve is None:
            self.look = 0
            return
        while self.look:
            index = (self.look & -self.look).bit_length() - 1
            self.look &= self.look - 1
            serve(index, now)

    def _release(self, index: int, now: int) -> None:
        """End what was only kept in service because its level was up."""
        vcpu = self.vcpus[index].state
        while vcpu.served and not self.asserted(index, vcpu.served[-1]):
            served, vcpu.served = vcpu.served[-1], vcpu.served[:-1]
            self.end(index, served, now)

    def _again(self, index: int, served: Served) -> bool:
        """Whether the 8259s ask again for the level that is being served, as they do in AEOI mode; once is enough."""
        return served.way == "pic" and self.pic.highest == served.irq and self.asserted(index, served)

    def _serve_at_once(self, index: int, now: int) -> None:
        if self.out >> index & 1:
            return
        vcpu = self.vcpus[index].state
        if vcpu.served:
            self._release(index, now)
        for _ in range(STORM):
            if not vcpu.interrupts or (vcpu.served and self._again(index, vcpu.served[-1])):
                return
            served = self.acknowledge(index)
            if served is None:
                return
            if self.asserted(index, served):
                vcpu.served += (served,)
            else:
                self.end(index, served, now)
        source = None if served is None else self.by_name.get(served.source)
        if source is None or source.tick is None:
            self.odd += STORM

    def _serve_slowly(self, index: int, now: int) -> None:
        out = self.out >> index & 1
        if out and index not in self.ends:
            return
        vcpu = self.vcpus[index].state
        if vcpu.busy_until is not None:
            if now < vcpu.busy_until:
                return
            self.occupy(index, None)
        if vcpu.served:
            self._release(index, now)
        if not out and vcpu.interrupts and not (vcpu.served and self._again(index, vcpu.served[-1])):
            served = self.acknowledge(index)
            if served is not None:
                vcpu.served += (served,)
                self.occupy(index, now + self._latency)
