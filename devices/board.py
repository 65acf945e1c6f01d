"""The board: which chips there are, and every wire between them. All wiring stands in `Board.__init__`, as on a
schematic.

crystal 14.318 MHz / 12 --+-- CLK 0,1,2 of the 8254
                          +-- / 18 --> refresh toggle, port 61h bit 4
8254 OUT 0 ---------------------------> IRQ 0
8254 OUT 1 ---------------------------> memory refresh, in the first PCs
port 61h bit 0 --> GATE 2 of the 8254, OUT 2 --+--> port 61h bit 5
port 61h bit 1 ------------------------------ AND -> speaker
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction

from timerlab.bus import IoBus
from timerlab.clock import NANOSECONDS, Clock
from timerlab.device import Device
from timerlab.devices.pit import PORTS as PIT_PORTS
from timerlab.devices.pit import Pit
from timerlab.devices.port61 import PORT as PORT61
from timerlab.devices.port61 import Port61
from timerlab.line import Line, Train
from timerlab.regs import Peek, RegTable

_PC = "IBM PC AT Technical Reference, System Timers"
_NMISC = "Intel PIIX4 82371AB, NMISC"

LINES = {
    "pit.ch0.out": Peek("OUT of PIT channel 0, which asks for IRQ 0", _PC),
    "irq.0": Peek("the system timer's interrupt request: OUT 0, unless pit_irq0=timer", _PC),
    "pit.ch1.out": Peek("OUT of PIT channel 1, memory refresh in the first PCs", _PC),
    "pit.ch2.out": Peek("OUT of PIT channel 2: bit 5 of port 61h, and the speaker's tone", _PC),
    "port61.gate2": Peek("bit 0 of port 61h, which is GATE of PIT channel 2", _NMISC),
    "port61.spkr": Peek("bit 1 of port 61h, which lets OUT 2 to the speaker", _NMISC),
    "speaker": Peek("what drives the speaker: OUT 2 and bit 1 of port 61h", _NMISC),
    "refresh": Peek("the refresh toggle, bit 4 of port 61h; the quirk `refresh` says what toggles it", _NMISC),
}
"""What each wire is."""


class Board:
    """All parts and wires of one machine, at power-on."""

    def __init__(self, quirks: Mapping[str, str], pit_hz: Fraction) -> None:
        self.clocks: dict[str, Clock] = {"ns": NANOSECONDS, "pit": Clock.at(pit_hz)}
        clk = self.clocks["pit"]

        outs = (Line("pit.ch0.out"), Line("pit.ch1.out"), Line("pit.ch2.out"))
        irq0 = Line("irq.0")
        gate2, spkr, refresh = Line("port61.gate2"), Line("port61.spkr"), Line("refresh")
        speaker = Line("speaker")

        pit = Pit(clk, quirks, outs, irq0)
        if quirks["pit_irq0"] == "out":
            irq0.level = irq0.start = outs[0].level
            outs[0].sinks.append(lambda train: irq0.absorb((train,)))

        def gate(level: int, now: int) -> None:
            pit.sync(now)
            pit.set_gate(2, level, now)

        port61 = Port61(
            clk,
            quirks,
            set_gate2=gate,
            out2=lambda now: pit.out(2, now),
            out1_rises=lambda now: pit.rises(1, now),
            out1_rise=lambda now: pit.next_rise(1, now),
            lines=(gate2, spkr, speaker, refresh),
        )
        if quirks["refresh"] == "out1":
            outs[1].sinks.append(port61.out1_edges)

        # the speaker hears OUT 2 while its data bit is set
        outs[2].sinks.append(lambda train: speaker.absorb((train,)) if port61.state.spkr else None)

        self.pit, self.port61 = pit, port61
        self.devices: tuple[Device, ...] = (pit, port61)
        wires = [outs[0], irq0, outs[1], outs[2], gate2, spkr, speaker]
        toggle = port61.refresh_train()
        self.ticking: dict[str, Train] = {} if toggle is None else {refresh.name: toggle}
        """Wires that are a function of time alone, from power-on."""
        self.lines: dict[str, Line] = {wire.name: wire for wire in (wires if toggle else [*wires, refresh])}
        """Wires that remember, in the order in which a screen shows them."""

        self.bus = IoBus()
        self.bus.attach(pit, PIT_PORTS)
        self.bus.attach(port61, (PORT61,))
        self.regs = RegTable(reg for device in self.devices for reg in device.regs)
        self.abouts: dict[str, Peek] = {name: peek for device in self.devices for name, peek in device.peeks.items()}
        """What each value means, by its name."""
        for name, wire in LINES.items():
            self.abouts[name + ".level"] = Peek(f"level of {name}, {wire.about}", wire.source)
            self.abouts[name + ".edges"] = Peek(f"rises since power-on of {name}, {wire.about}", wire.source)
