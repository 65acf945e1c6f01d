"""Port 61h: gate and data of the speaker, refresh toggle, NMI enables.

Source: Intel 82371AB (PIIX4) datasheet, NMISC, NMI Status and Control Register; bit 4 from the PC AT's refresh
request, one for each 18 clocks of the PIT. Not modelled: the aliases 63h, 65h and 67h, the IRQ 0 latch of the PS/2,
and the NMI itself (nothing raises SERR# or IOCHK# yet).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import astuple, dataclass
from typing import Any

from timerlab.clock import Clock
from timerlab.device import PortDevice, State
from timerlab.line import FOREVER, Gap, Line, Train
from timerlab.regs import Layout, Peek, Reg, flag

PORT = 0x61
REFRESH_CLOCKS = 18
"""PIT clocks between two refresh requests: 528/35 µs."""

KVM_REFRESH_BIT = 14

_SRC = "Intel PIIX4 82371AB, NMISC"

PORT61 = Reg(
    name="port61",
    title="Port 61h, NMI status and control",
    space="io",
    address=PORT,
    width=8,
    access="rw",
    about="gate and data of the speaker channel, refresh toggle, NMI enables and causes",
    source=_SRC,
    peek="port61.value",
    layouts=(
        Layout(
            "port 61h",
            (
                flag(
                    "SERR", 7, "ro", "system error or parity NMI is asked for", source=_SRC, clear="no", set="NMI cause"
                ),
                flag("IOCHK", 6, "ro", "channel check NMI is asked for", source=_SRC, clear="no", set="NMI cause"),
                flag(
                    "OUT2",
                    5,
                    "ro",
                    "OUT of PIT channel 2, whatever bits 0 and 1 are",
                    source=_SRC,
                    clear="low",
                    set="high",
                ),
                flag("REF", 4, "ro", "toggles at each refresh request, 15.086 µs", source=_SRC, clear="0", set="1"),
                flag(
                    "NOCHK",
                    3,
                    "rw",
                    "disables channel check, and clears bit 6",
                    source=_SRC,
                    clear="enabled",
                    set="disabled",
                ),
                flag(
                    "NOSERR",
                    2,
                    "rw",
                    "disables SERR and parity, and clears bit 7",
                    source=_SRC,
                    clear="enabled",
                    set="disabled",
                ),
                flag("SPKR", 1, "rw", "lets OUT 2 to the speaker", source=_SRC, clear="silent", set="speaker data on"),
                flag("GATE2", 0, "rw", "GATE of PIT channel 2", source=_SRC, clear="gate low", set="gate high"),
            ),
        ),
    ),
)


PEEKS = {
    "port61.value": Peek("the byte that a read of port 61h would give now", _SRC),
    **{f"port61.{field.name.lower()}": Peek(field.about, field.source) for field in PORT61.layouts[0].fields},
    "refresh.next": Peek("the ns at which bit 4 of port 61h toggles next, or none", _SRC),
}
"""What each value means, by the name that `peek` gives it."""


@dataclass(slots=True)
class Port61State:
    """The bits that are kept, and QEMU's toggle."""

    gate2: int = 0
    spkr: int = 0
    noserr: int = 0
    nochk: int = 0
    toggle: int = 0
    iochk: int = 0
    serr: int = 0


class Port61(PortDevice):
    """Port 61h. `set_gate2` drives the PIT's gate, `out2` reads its OUT; both come from the board."""

    name = "port61"
    regs = (PORT61,)
    peeks = PEEKS

    def __init__(
        self,
        clock: Clock,
        quirks: Mapping[str, str],
        set_gate2: Callable[[int, int], None],
        out2: Callable[[int], int],
        out1_rises: Callable[[int], int],
        out1_rise: Callable[[int], int | None],
        lines: tuple[Line, Line, Line, Line],
    ) -> None:
        self.clock = clock
        self.refresh = quirks["refresh"]
        self.stores_enables = quirks["port61_enables"] == "stored"
        self.set_gate2, self.out2 = set_gate2, out2
        self.out1_rises, self.out1_rise = out1_rises, out1_rise
        self.gate_line, self.spkr_line, self.speaker_line, self.ref_line = lines
        self.state = Port61State()

    def sync(self, now: int) -> None:
        """Nothing to do: its bits change by writes, and the toggle is a function of time."""

    def next_event(self, now: int) -> Iterator[tuple[int, str]]:
        """None: the refresh toggle is derived, a wave without events."""
        return iter(())

    def reset(self, now: int) -> None:
        """All bits clear; GATE 2 falls."""
        self.state = Port61State()
        if self.refresh == "read_toggle":
            self.ref_line.drive(now, 0)
        self._drive(now)

    def _drive(self, now: int) -> None:
        """Put the wires where the bits say; the speaker before GATE 2, which may move OUT 2 and with it the speaker."""
        s = self.state
        self.gate_line.drive(now, s.gate2)
        self.spkr_line.drive(now, s.spkr)
        self.speaker_line.drive(now, s.spkr & self.out2(now))
        self.set_gate2(s.gate2, now)

    def refresh_train(self) -> Train | None:
        """Bit 4 as a wave from power-on, where it is a function of time alone; None where reads or OUT 1 toggle it."""
        if self.refresh == "clock":
            return Train(self.clock, REFRESH_CLOCKS, 1, REFRESH_CLOCKS, REFRESH_CLOCKS, FOREVER)
        if self.refresh == "kvm_16us":
            half = 1 << KVM_REFRESH_BIT
            return Train(Clock(1, 1), half, 1, half, half, FOREVER)
        return None

    def next_toggle(self, now: int) -> int | None:
        """When bit 4 toggles next; None where reads toggle it, or OUT 1 stands still."""
        train = self.refresh_train()
        if train is not None:
            return train.ns(train.until(now))
        return self.out1_rise(now) if self.refresh == "out1" else None

    def out1_edges(self, train: Train | Gap) -> None:
        """What OUT 1 did, under `refresh=out1`: each of its rises toggles the bit."""
        level = 1 - self.ref_line.level
        if isinstance(train, Gap):
            ups = (train.rises + level) // 2
            self.ref_line.absorb((Gap(ups, train.rises - ups, train.until),))
        elif train.rises:
            period = train.hold + train.rest
            first = train.tick(0 if train.level else 1)
            self.ref_line.absorb((Train(train.clock, first, level, period, period, train.rises),))

    def ref(self, now: int) -> int:
        """Bit 4 at `now`, as the next read would give it."""
        match self.refresh:
            case "clock":
                return self.clock.ticks(now) // REFRESH_CLOCKS & 1
            case "kvm_16us":
                return now >> KVM_REFRESH_BIT & 1
            case "out1":
                return self.out1_rises(now) & 1
        return self.state.toggle ^ 1

    def value(self, now: int) -> int:
        """What a read at `now` gives; nothing is stored."""
        s = self.state
        pins = self.out2(now) << 5 | self.ref(now) << 4
        return s.serr << 7 | s.iochk << 6 | pins | s.nochk << 3 | s.noserr << 2 | s.spkr << 1 | s.gate2

    def pull(self, what: str) -> None:
        """A card pulls IOCHK# (`iochk`), or the board SERR# (`serr`): its status bit is set, if it is not disabled, and
        stays until it is.
        """
        s = self.state
        if self.stores_enables:
            if what == "iochk" and not s.nochk:
                s.iochk = 1
            elif what == "serr" and not s.noserr:
                s.serr = 1

    @property
    def nmi(self) -> bool:
        """Whether a status bit asks for an NMI."""
        return bool(self.state.iochk or self.state.serr)

    def read(self, port: int, now: int) -> int:
        """A read of 61h."""
        value = self.value(now)
        if self.refresh == "read_toggle":
            self.state.toggle ^= 1
            self.ref_line.drive(now, self.state.toggle)
        return value

    def write(self, port: int, value: int, now: int) -> None:
        """A write to 61h: bits 3 to 0; GATE 2 moves before anything else can see it."""
        s = self.state
        s.gate2, s.spkr = value & 1, value >> 1 & 1
        if self.stores_enables:
            s.noserr, s.nochk = value >> 2 & 1, value >> 3 & 1
            s.serr, s.iochk = s.serr & ~s.noserr, s.iochk & ~s.nochk
        self._drive(now)

    def peek(self, now: int) -> dict[str, Any]:
        """The byte that a read would give, its bits, and the next refresh toggle."""
        value = self.value(now)
        seen: dict[str, Any] = {"port61.value": value}
        for field in PORT61.layouts[0].fields:
            seen[f"port61.{field.name.lower()}"] = field.of(value)
        seen["refresh.next"] = self.next_toggle(now)
        return seen

    def snapshot(self) -> State:
        """The bits, as a tuple."""
        return astuple(self.state)

    def restore(self, state: State) -> None:
        """Take back what `snapshot` gave."""
        self.state = Port61State(*state)
