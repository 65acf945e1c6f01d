"""The Intel 82093AA I/O APIC: 24 pins, each with an entry that says what message its edges or its level send.

Source: Intel 82093AA datasheet (order 290566): Register Description, I/O Redirection Table Registers; Intel 82801AA
(ICH) for the EOI register. Delivery is immediate, so delivery status always reads 0. Not modelled: the serial APIC
bus and its arbitration. Who a message reaches is decided where it is sent to.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from timerlab.device import MemoryDevice, State
from timerlab.devices.ioapic_regs import ARB, BASE, EOI, ID, PEEKS, PINS, REGS, SEL, SIZE, TABLE, VER, WIN
from timerlab.interrupt import Delivery, Message, Outcome

__all__ = ["BASE", "PINS", "SIZE", "IoApic"]

MASK, LEVEL, REMOTE_IRR, ACTIVE_LOW = 1 << 16, 1 << 15, 1 << 14, 1 << 13
WRITABLE = 0xFF00_0000_0001_AFFF
"""An entry's bits that a write changes."""
WRITABLE_QEMU = 0xFFFF_FFFF_FFFF_AFFF
LOW = 0xFFFF_FFFF
UNSENT = (Delivery.RESERVED, Delivery.STARTUP)
HAS_REMOTE_IRR = (Delivery.FIXED, Delivery.LOWEST)


@dataclass(slots=True)
class IoApicState:
    """The registers and the pins."""

    sel: int = 0
    id: int = 0
    pins: int = 0
    """Levels of the pins, pin 0 in bit 0."""
    table: list[int] = field(default_factory=lambda: [MASK] * PINS)
    sources: list[str] = field(default_factory=lambda: [""] * PINS)
    """Who drives a pin high; empty for one that is low."""


class IoApic(MemoryDevice):
    """The I/O APIC. `send` hands a message to the local APICs and says what became of it."""

    name = "ioapic"
    regs = REGS
    peeks = PEEKS

    def __init__(self, quirks: Mapping[str, str], send: Callable[[Message], Outcome]) -> None:
        self.send = send
        self._has_eoi = quirks["ioapic_version"] == "v20"
        self.version = (PINS - 1) << 16 | (0x20 if self._has_eoi else 0x11)
        self._writable = WRITABLE_QEMU if quirks["ioapic_reserved"] == "stored" else WRITABLE
        self._inverts = quirks["polarity"] == "inverts"
        self._other = LOW if quirks["ioapic_other"] == "ones" else 0
        self._when_sent = quirks["ioapic_remote_irr"] == "sent"
        self.state = IoApicState()
        self._messages: list[Message | None] = [None] * PINS

    # -- time: there is none here

    def sync(self, now: int) -> None:
        """Nothing to do: it changes by its pins and by accesses alone."""

    def next_event(self, now: int) -> Iterator[tuple[int, str]]:
        """None."""
        return iter(())

    def reset(self, now: int) -> None:
        """To the power-on state: all entries masked; the pins stay where others hold them."""
        s = self.state
        self.state = IoApicState(pins=s.pins, sources=s.sources)
        self._messages = [None] * PINS

    # -- pins

    def raise_pin(self, pin: int, source: str = "") -> Outcome:
        """A pin (0 to 23) goes high: what became of the message that this sent, HELD for a level that has to wait,
        LOST where it asks for nothing. A pin that is high already does not rise.
        """
        s = self.state
        bit = 1 << pin
        if s.pins & bit:
            return Outcome.LOST
        s.pins |= bit
        s.sources[pin] = source
        if self._inverts and s.table[pin] & ACTIVE_LOW:
            return Outcome.LOST
        return self._asserted(pin, source)

    def lower_pin(self, pin: int) -> None:
        """A pin goes low. No message, and remote IRR stays; but under polarity=inverts it may be what asks."""
        s = self.state
        bit = 1 << pin
        if not s.pins & bit:
            return
        s.pins ^= bit
        source, s.sources[pin] = s.sources[pin], ""
        if self._inverts and s.table[pin] & ACTIVE_LOW:
            self._asserted(pin, source)

    def _asserted(self, pin: int, source: str) -> Outcome:
        """The pin begins to ask."""
        entry = self.state.table[pin]
        if self._level(entry):
            return self._test(pin)
        return Outcome.LOST if entry & MASK else self._send(pin, entry, source)

    def _level(self, entry: int) -> bool:
        """Whether an entry is served as a level: what has no vector is taken as an edge."""
        return bool(entry & LEVEL) and (self._when_sent or entry >> 8 & 7 in HAS_REMOTE_IRR)

    def _test(self, pin: int) -> Outcome:
        """Send a level entry's message if the pin asks, nothing masks it, and no EOI is awaited."""
        s = self.state
        entry = s.table[pin]
        asks = s.pins >> pin & 1
        if self._inverts:
            asks ^= entry >> 13 & 1
        if not asks:
            return Outcome.LOST
        if entry & (MASK | REMOTE_IRR):
            return Outcome.HELD
        outcome = self._send(pin, entry, s.sources[pin])
        if outcome is not Outcome.LOST or self._when_sent:
            s.table[pin] |= REMOTE_IRR
        return outcome

    def _send(self, pin: int, entry: int, source: str) -> Outcome:
        message = self._messages[pin]
        if message is None or message.source != source:
            delivery = Delivery(entry >> 8 & 7)
            if delivery in UNSENT:
                return Outcome.LOST
            message = Message(entry >> 56, bool(entry & 0x800), delivery, entry & 0xFF, self._level(entry), source)
            self._messages[pin] = message
        return self.send(message)

    def eoi(self, vector: int) -> None:
        """The end of a vector, from a local APIC or from the EOI register: its level entries lose remote IRR, and
        those that still ask send anew.
        """
        table = self.state.table
        ended = [pin for pin in range(PINS) if table[pin] & REMOTE_IRR and table[pin] & 0xFF == vector]
        for pin in ended:
            table[pin] &= ~REMOTE_IRR
        for pin in ended:
            self._test(pin)

    # -- memory

    def load(self, offset: int, width: int, now: int) -> int:
        """IOREGSEL at 00h, its low byte in narrower accesses; IOWIN at 10h in 32 bits or more; 0 elsewhere."""
        if offset == SEL:
            return self.state.sel
        if offset == WIN and width >= 32:
            return self._window()
        return 0

    def store(self, offset: int, value: int, width: int, now: int) -> None:
        """IOREGSEL in any width; IOWIN, and the EOI register where there is one, in 32 bits or more."""
        if offset == SEL:
            self.state.sel = value & 0xFF
        elif width < 32:
            return
        elif offset == WIN:
            self._write(value & LOW)
        elif offset == EOI and self._has_eoi:
            self.eoi(value & 0xFF)

    def _window(self) -> int:
        """What IOWIN gives."""
        s = self.state
        index = s.sel
        if TABLE <= index < TABLE + 2 * PINS:
            entry = s.table[(index - TABLE) >> 1]
            return entry >> 32 if index & 1 else entry & LOW
        if index in (ID, ARB):
            return s.id << 24
        return self.version if index == VER else self._other

    def _write(self, value: int) -> None:
        """A write to the register that IOREGSEL names."""
        s = self.state
        index = s.sel
        if index == ID:
            s.id = value >> 24 & 0xF
        if not TABLE <= index < TABLE + 2 * PINS:
            return
        pin = (index - TABLE) >> 1
        old = s.table[pin]
        entry = value << 32 | old & LOW if index & 1 else old & ~LOW | value
        entry = entry & self._writable | old & REMOTE_IRR
        if not self._level(entry):
            entry &= ~REMOTE_IRR
        s.table[pin] = entry
        self._messages[pin] = None
        if self._level(entry):
            self._test(pin)

    # -- looking

    def peek(self, now: int) -> dict[str, Any]:
        """The registers, the entries and the pins."""
        s = self.state
        seen: dict[str, Any] = {
            "ioapic.sel": s.sel,
            "ioapic.win": self._window(),
            "ioapic.id": s.id << 24,
            "ioapic.ver": self.version,
            "ioapic.arb": s.id << 24,
        }
        for pin in range(PINS):
            seen[f"ioapic.rte{pin}"] = s.table[pin]
            seen[f"ioapic.pin{pin}"] = s.pins >> pin & 1
        return seen

    def signature(self) -> State:
        """What decides about the fate of the next request: equal signatures, equal fates."""
        return self.state.pins, tuple(self.state.table)

    def snapshot(self) -> State:
        """The registers, the pins and who drives them."""
        s = self.state
        return s.sel, s.id, s.pins, tuple(s.table), tuple(s.sources)

    def restore(self, state: State) -> None:
        """Take back what `snapshot` gave."""
        sel, number, pins, table, sources = state
        self.state = IoApicState(sel, number, pins, list(table), list(sources))
        self._messages = [None] * PINS
