"""The interrupt fabric: from a source's edge through the controllers to the vCPU that takes it, and back by its end.

irq.0 ... irq.15 --+--> 8259 pair -- INTR --+--> LINT0 of vCPU 0
                   |                        +--> I/O APIC pin 0
                   +--> I/O APIC pins (IRQ 0 at pin 2) --+
HPET routes, pin.16 ... pin.23 -----------------> pins --+--> messages --> local APICs
HPET FSB writes, IPIs -----------------------------------+
local APIC timers ----------------------------------------> their own local APIC

Sources: Intel 8259A; Intel 82093AA; Intel SDM 3A, Advanced Programmable Interrupt Controller; ACPI specification,
Interrupt Source Overrides (IRQ 0 is GSI 2); MultiProcessor Specification 1.4, 3.6.2 (virtual wire and PIC mode). A
message is delivered in the nanosecond in which it is sent.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from timerlab.devices.counting import Counting
from timerlab.devices.hpet import Hpet
from timerlab.devices.ioapic import IoApic
from timerlab.devices.lapic import Lapic
from timerlab.devices.pic import Pic
from timerlab.devices.policies import Policies
from timerlab.devices.reaction import Reaction
from timerlab.devices.source import Source
from timerlab.devices.vcpu import Vcpu
from timerlab.guest import Guest
from timerlab.interrupt import Delivery, Message, Outcome

NEW, MERGED, HELD, LOST = Outcome.NEW, Outcome.MERGED, Outcome.HELD, Outcome.LOST

MASKED = 1 << 16
"""The mask bit of a redirection entry."""

IRQS = tuple(irq for irq in range(16) if irq != 2)
"""The ISA lines; IRQ 2 is the cascade."""

PINS = tuple(range(16, 24))
"""The I/O APIC's pins that are no ISA lines."""


def pin_of(irq: int) -> int:
    """The I/O APIC pin of an ISA line: its own number, but for IRQ 0, which is GSI 2."""
    return irq or 2


class Fabric(Reaction, Counting):
    """Controllers, vCPUs and the wires between them. `look` is a bit for each vCPU that may have something to take."""

    def __init__(
        self,
        pic: Pic,
        make_ioapic: Callable[[Callable[[Message], Outcome]], IoApic],
        make_lapic: Callable[[int, Callable[[Message, int, int], Outcome], Callable[[int], None]], Lapic],
        vcpus: Sequence[Vcpu],
        hpet: Hpet,
        timers: int,
        guest: Guest,
        withdraw: bool,
    ) -> None:
        self.pic = pic
        self._withdraw = withdraw
        self.vcpus = tuple(vcpus)
        self.hpet = hpet
        self.guest = guest
        self.all = (1 << len(self.vcpus)) - 1
        self.look = 0
        self.ioapic = make_ioapic(self.send)
        self.lapics = tuple(make_lapic(vcpu.index, self.send_from, self.ioapic.eoi) for vcpu in self.vcpus)
        self.sources: list[Source] = []
        self.by_name: dict[str, Source] = {}
        self._latency = guest.latency_ns
        self._serve = {"ideal": self._serve_at_once, "latency": self._serve_slowly}.get(guest.kind)
        self.odd = 0
        """Interrupts taken, since somebody asked, in ways whose rhythm is not known beforehand."""
        self.shared: list[int] = []
        self.flowing = False
        """Whether edges are being handled, and not what an access does."""
        self.unsteady = withdraw
        self.fanned = withdraw
        """Whether requests may be taken by more than one vCPU, or by more than one way, or go away untaken."""
        self._int = False
        self._high = [0] * 24
        """How many sources hold each I/O APIC pin up."""
        self.ends: dict[int, int] = {}
        """When the handler of each vCPU that runs one ends, under `latency`: what the vCPUs' `busy_until` say."""
        self._held: list[int | None] = [None] * timers
        """The pin that each HPET timer holds up."""
        self.now = self.out = self.hard = 0
        self.told: Callable[[str, int, int, int, int], None] | None = None
        """Who wants to hear of interrupts that are taken: source, first moment, period, how many, last moment."""
        self.handlers_stop = True
        self.stopped = {}
        self.alarms: dict[Source, int] = {}
        """When tick policies have something to do."""
        self.ticked = []
        for irq in IRQS:
            self._wire(f"irq.{irq}", irq, self._irq_rise, self._irq_fall)
        for pin in PINS:
            self._wire(f"pin.{pin}", pin, self._pin_rise, self._pin_fall)
        for timer in range(timers):
            self._wire(f"hpet.t{timer}.out", timer, self._hpet_rise, self._hpet_fall)
        for vcpu in self.vcpus:
            self._wire(f"lapic{vcpu.index}.timer", vcpu.index, self._timer_rise, lambda source: None)
        self.others = self._wire("ipi", 0, lambda source: None, lambda source: None)
        """Interrupts that no wire asked for: IPIs, and what a program writes to FEExxxxxh."""
        self.runs = [self._gate(vcpu.index) for vcpu in self.vcpus]
        """Each vCPU's run line, up while it takes interrupts: before all sources."""
        self.ticks = Policies(self)
        self.peeks = self._abouts()

    def _wire(self, name: str, index: int, rise: Callable[[Source], None], fall: Callable[[Source], None]) -> Source:
        source = Source(name, len(self.sources), index, len(self.vcpus))
        source.rise = partial(rise, source)
        source.fall = partial(fall, source)
        self.sources.append(source)
        self.by_name[name] = source
        return source

    def _gate(self, index: int) -> Source:
        gate = Source(f"vcpu{index}.run", index - len(self.vcpus), index, len(self.vcpus))
        gate.gate, gate.level = index, 1

        def rise() -> None:
            gate.level = 1
            self.come(index)

        def fall() -> None:
            gate.level = 0
            self.leave(index)

        gate.rise, gate.fall = rise, fall
        return gate

    # -- from the sources to the controllers

    def _irq_rise(self, source: Source) -> None:
        source.level = 1
        source.raised += 1
        irq = source.index
        pic, pin = self.pic, irq or 2
        held = pic.raise_line(irq)
        self._high[pin] += 1
        sent = self.ioapic.raise_pin(pin, source.name) if self._high[pin] == 1 else self._swallowed(pin)
        if held is not NEW and sent is not NEW:
            self._count(source, held, sent)
        elif held is sent:
            self.fan_out()
        if pic.intr is not self._int:
            self.follow_int()

    def _irq_fall(self, source: Source) -> None:
        source.level = 0
        irq = source.index
        self.pic.lower_line(irq)
        pin = irq or 2
        if self._high[pin]:
            self._high[pin] -= 1
            if not self._high[pin]:
                self.ioapic.lower_pin(pin)
        if self.pic.intr is not self._int:
            self.follow_int()
        self._let_go()

    def _pin_rise(self, source: Source) -> None:
        source.level = 1
        source.raised += 1
        self._count(source, LOST, self._pin_up(source.index, source.name))

    def _pin_fall(self, source: Source) -> None:
        source.level = 0
        self._pin_down(source.index)
        self._let_go()

    def _hpet_rise(self, source: Source) -> None:
        """A timer that has its own route; with legacy replacement its edges come along IRQ 0 or IRQ 8."""
        source.level = 1
        route = self.hpet.route(source.index)
        if route.kind == "pin":
            source.raised += 1
            self._held[source.index] = route.pin
            self._count(source, LOST, self._pin_up(route.pin, source.name))
        elif route.kind == "fsb":
            source.raised += 1
            self._count(source, LOST, self.post(route.address, route.data, source.name))

    def _hpet_fall(self, source: Source) -> None:
        source.level = 0
        pin = self._held[source.index]
        if pin is not None:
            self._held[source.index] = None
            self._pin_down(pin)
            self._let_go()

    def rewire_hpet(self) -> None:
        """The HPET's routes were written: a timer whose line is up lets go of its old pin and pulls up its new one."""
        for timer, held in enumerate(self._held):
            source = self.by_name[f"hpet.t{timer}.out"]
            route = self.hpet.route(timer)
            pin = route.pin if source.level and route.kind == "pin" else None
            if pin != held:
                self._held[timer] = pin
                if held is not None:
                    self._pin_down(held)
                if pin is not None:
                    source.raised += 1
                    self._count(source, LOST, self._pin_up(pin, source.name))
                self._let_go()

    def _timer_rise(self, source: Source) -> None:
        source.raised += 1
        self.look |= 1 << source.index
        self._count(source, LOST, self.lapics[source.index].timer_expired())

    def _pin_up(self, pin: int, name: str) -> Outcome:
        """A source pulls a pin up; sources on one pin are wired-or. Beyond the last pin there is nothing."""
        if pin >= len(self._high):
            return LOST
        self._high[pin] += 1
        if self._high[pin] == 1:
            return self.ioapic.raise_pin(pin, name)
        return self._swallowed(pin)

    def _swallowed(self, pin: int) -> Outcome:
        """An edge on a pin that another source holds up already: there is none."""
        self.odd += 1
        return LOST if self.ioapic.state.table[pin] & MASKED else MERGED

    def _pin_down(self, pin: int) -> None:
        if pin < len(self._high) and self._high[pin]:
            self._high[pin] -= 1
            if not self._high[pin]:
                self.ioapic.lower_pin(pin)

    @staticmethod
    def _count(source: Source, held: Outcome, sent: Outcome) -> None:
        """One request along two ways: it waits along one of them, met another one, or is lost."""
        if held is NEW or sent is NEW or held is HELD or sent is HELD:
            return
        if held is MERGED or sent is MERGED:
            source.coalesced += 1
        else:
            source.lost += 1

    def follow_int(self) -> None:
        """INTR of the 8259 pair has moved, or may have: LINT0 of vCPU 0 and pin 0 follow."""
        level = self.pic.intr
        if level is not self._int:
            self._int = level
            self.lapics[0].set_lint(0, int(level))
            if level:
                self.look |= 1
                self.ioapic.raise_pin(0, "pic")
            else:
                self.ioapic.lower_pin(0)

    def _let_go(self) -> None:
        """A line fell: whoever serves it because it is a level may go on. One whose handler runs looks when it ends."""
        for vcpu in self.vcpus:
            if vcpu.state.served and vcpu.index not in self.ends:
                self.look |= 1 << vcpu.index

    # -- messages

    def post(self, address: int, data: int, source: str) -> Outcome:
        """A write to FEExxxxxh, which is a message."""
        return self.send(Message.msi(address, data, source))

    def post_by_hand(self, address: int, data: int) -> None:
        """The same by a program, which no wire stands for."""
        self.others.raised += 1
        self._count(self.others, LOST, self.post(address, data, "ipi"))

    def send(self, message: Message) -> Outcome:
        """A message to the local APICs that it addresses."""
        return self._deliver(message, [lapic for lapic in self.lapics if lapic.matches(message)])

    def send_from(self, message: Message, sender: int, shorthand: int) -> Outcome:
        """An IPI; shorthand 1 is self, 2 all, 3 all but self (SDM 3A, Interrupt Command Register)."""
        if shorthand == 1:
            targets = [self.lapics[sender]]
        elif shorthand:
            targets = [lapic for i, lapic in enumerate(self.lapics) if shorthand == 2 or i != sender]
        else:
            targets = [lapic for lapic in self.lapics if lapic.matches(message)]
        outcome = self._deliver(message, targets)
        self.others.raised += 1
        self._count(self.others, LOST, outcome)
        return outcome

    def _deliver(self, message: Message, targets: list[Lapic]) -> Outcome:
        if len(targets) > 1:
            self.fan_out()
        if message.delivery == Delivery.LOWEST and len(targets) > 1:
            ready = [lapic for lapic in targets if lapic.software_enabled] or targets
            targets = [min(ready, key=lambda lapic: (lapic.ppr, lapic.index))]
        best = LOST
        for lapic in targets:
            outcome = lapic.receive(message)
            if outcome is NEW:
                self.look |= 1 << lapic.index
            if outcome is NEW or (outcome is MERGED and best is LOST):
                best = outcome
        return best

    def fan_out(self) -> None:
        """A request goes more than one way: who takes it, and how often, no closed form tells."""
        if self.flowing:
            self.fanned = True

    def holders(self, source: Source) -> list[int]:
        """The vCPUs at whose door a request of a source waits."""
        found = []
        if source.name.startswith("irq.") and self.pic.pending(source.index):
            found.append(0)
        for index, lapic in enumerate(self.lapics):
            irr = lapic.state.irr
            while irr:
                vector = irr.bit_length() - 1
                irr ^= 1 << vector
                if lapic.source_of(vector) == source.name:
                    found.append(index)
        return found

    # -- state

    def snapshot(self) -> tuple[Any, ...]:
        """The counts and levels; chips and vCPUs have their own."""
        sources = tuple(source.snapshot() for source in self.sources)
        gates = self.out, tuple(sorted(self.stopped.items()))
        return self._int, self.fanned, tuple(self._high), tuple(self._held), sources, gates, self.ticks.snapshot()

    def restore(self, state: tuple[Any, ...]) -> None:
        """Take back what `snapshot` gave."""
        self._int, self.fanned, high, held, sources, (out, stopped), ticks = state
        self.odd = self.hard = 0
        self.stopped = dict(stopped)
        self.set_out(out)
        self._high, self._held = list(high), list(held)
        self.look = 0
        busy = {vcpu.index: vcpu.state.busy_until for vcpu in self.vcpus}
        self.ends = {index: until for index, until in busy.items() if until is not None}
        for source, kept in zip(self.sources, sources, strict=True):
            source.restore(kept)
        self.ticks.restore(ticks)

    def signature(self) -> tuple[Any, ...]:
        """What decides about the fate of the next edge, but for the levels of the lines themselves: where each edge
        leaves it as it was, all that follow meet the same fate.
        """
        return (
            *[
                (chip.irr & ~self._following(chip.level), chip.isr, chip.lowest)
                for chip in (self.pic.master, self.pic.slave)
            ],
            tuple(self.ioapic.state.table),
            [self._high[pin] for pin in self.shared],
            *[(lapic.state.irr, lapic.state.isr, lapic.state.tmr) for lapic in self.lapics],
            *[(vcpu.state.served, vcpu.state.queued) for vcpu in self.vcpus],
            self.out,
            *[source.tick.signature() for source in self.ticked if source.tick is not None],
        )

    def awaited(self, source: Source) -> bool:
        """Whether a request of a source waits where a vCPU may take it: not behind a mask of the 8259."""
        if source.name.startswith("irq."):
            irq = source.index
            if self.pic.pending(irq) and not self.pic.masked(irq) and self.lapics[0].extint_path:
                return True
        for lapic in self.lapics:
            irr = lapic.state.irr
            while irr:
                vector = irr.bit_length() - 1
                irr ^= 1 << vector
                if lapic.source_of(vector) == source.name:
                    return True
        return False

    def own_moment(self) -> int | None:
        """When the next handler ends or the next policy has something to do."""
        return min((*self.ends.values(), *self.alarms.values()), default=None)

    def find_shared(self, asking: set[Source]) -> None:
        """The pins that more than one source drives: what an edge does there hangs on the others' levels. `asking` are
        the sources that are about to.
        """
        routes = [self.hpet.route(timer) for timer in range(len(self._held))]
        pins = [route.pin for route in routes if route.kind == "pin" and route.pin < len(self._high)]
        self.shared = [pin for pin in set(pins) if pins.count(pin) > 1 or self._line_at(pin, asking)]

    def _line_at(self, pin: int, asking: set[Source]) -> bool:
        """Whether an ISA line pulls a pin, or has ever done so."""
        line = self.by_name.get(f"irq.{0 if pin == 2 else pin}")
        return line is not None and bool(line.raised or line.level or line in asking)

    def _following(self, level: int) -> int:
        """The request bits of an 8259 that follow their lines."""
        return 0xFF if self._withdraw else level
