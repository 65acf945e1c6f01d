"""The machine: parts and wires, and the time at which they are.

Everything is at `now`, always: `advance` brings each chip there in closed form, in the order in which the board
lists them, and an access finds them there. Order within one nanosecond: edges first (in wiring order), then the
access. Nothing here knows about host time.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from types import MappingProxyType
from typing import Any

from timerlab.bus import check_access
from timerlab.devices.board import Board
from timerlab.line import Train, Wave, edge_after, edge_before, wave_of
from timerlab.quirks import MAX_PIT_HZ, PROFILES, resolve


@dataclass(frozen=True, slots=True)
class Config:
    """What a machine is built from: a profile, the quirks on top of it, and its constants."""

    profile: str = "datasheet"
    pit_hz: Fraction | None = None
    quirks: tuple[tuple[str, str], ...] = ()

    def __post_init__(self) -> None:
        resolve(self.profile, dict(self.quirks))
        if self.pit_hz is not None and not 0 < self.pit_hz <= MAX_PIT_HZ:
            raise ValueError(f"pit_hz cannot be {self.pit_hz}: above 0, up to {MAX_PIT_HZ}")

    @property
    def hz(self) -> Fraction:
        """The PIT's clock in Hz."""
        return PROFILES[self.profile].pit_hz if self.pit_hz is None else self.pit_hz


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A machine's state as plain data. Two snapshots are equal if the machines behave alike; `histories`, the edges
    seen, do not count.
    """

    now: int
    devices: tuple[Any, ...]
    lines: tuple[tuple[int, int], ...]
    histories: tuple[tuple[int, int, tuple[Train, ...]], ...] = field(compare=False)


class Machine:
    """A board in time. `now` is in ns since power-on."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self.quirks = MappingProxyType(resolve(config.profile, dict(config.quirks)))
        self.board = Board(self.quirks, config.hz)
        self.now = 0
        self._lines = tuple(self.board.lines.values())
        self._scratch: Machine | None = None

    # -- what changes it

    def advance(self, to: int) -> None:
        """Let time pass up to and including `to`; ValueError for the past."""
        if to < self.now:
            raise ValueError(f"{to} ns is in the past, it is {self.now} ns")
        for device in self.board.devices:
            device.sync(to)
        self.now = to

    def read(self, port: int, width: int = 8) -> int:
        """`inb`, `inw`, `inl`: a read has side effects."""
        check_access(port, width)
        return self.board.bus.read(port, width, self.now)

    def write(self, port: int, value: int, width: int = 8) -> None:
        """`outb`, `outw`, `outl`."""
        check_access(port, width, value)
        self.board.bus.write(port, value, width, self.now)

    def reset(self) -> None:
        """Hardware reset: all chips to power-on, the last wired first, so that no pin sees a chip
        that is not there yet.
        """
        for device in reversed(self.board.devices):
            device.reset(self.now)

    # -- what only looks

    def peeks(self) -> dict[str, Any]:
        """Everything that can be seen, by name."""
        seen: dict[str, Any] = {}
        for device in self.board.devices:
            seen.update(device.peek(self.now))
        for name, line in self.board.lines.items():
            seen[name + ".level"] = line.level
            seen[name + ".edges"] = line.edges
        for name, train in self.board.ticking.items():
            toggles = train.until(self.now)
            seen[name + ".level"] = toggles & 1
            seen[name + ".edges"] = (toggles + 1) // 2
        return seen

    def peek(self, name: str) -> Any:
        """One of them; KeyError for a name that there is not."""
        line, _, what = name.rpartition(".")
        if what in ("edges", "level") and line in self.board.lines:
            return getattr(self.board.lines[line], what)
        return self.peeks()[name]

    def next_event(self) -> tuple[int, str] | None:
        """(ns, line) of the next edge on an OUT or an interrupt line; of several at once the first wired."""
        events = [event for device in self.board.devices for event in device.next_event(self.now)]
        return min(events, key=lambda event: event[0]) if events else None

    def line_names(self) -> list[str]:
        """Every wire that can be drawn."""
        return [*self.board.lines, *self.board.ticking]

    def future(self, name: str) -> list[Train] | None:
        """Every edge of a wire after now, if nothing is written; None where only the next edge is known."""
        pit = self.board.pit
        if name == "irq.0" and self.quirks["pit_irq0"] == "out":
            name = pit.outs[0].name
        for ch, line in zip(pit.channels, pit.outs, strict=True):
            if name == line.name:
                return pit.rule.future(ch)
        if name in self.board.ticking:
            return [self.board.ticking[name]]
        return None

    def next_edge(self, name: str, horizon: int) -> tuple[int, int] | None:
        """(ns, level) of the next edge of a wire after now and up to `horizon`, or None."""
        trains = self.future(name)
        if trains is not None:
            edge = edge_after(trains, self.now)
        elif name == "irq.0":
            at = next((ns for ns, line in self.board.pit.next_event(self.now) if line == name), None)
            edge = None if at is None else (at, 1 - self.board.lines[name].level)
        else:
            edge = edge_after(self.ahead(horizon).history(name)[1], self.now)
        return edge if edge and edge[0] <= horizon else None

    def reach_rises(self, name: str, rises: int) -> int | None:
        """The ns at which a wire will have risen `rises` times since power-on; None if never, or not known."""
        wanted = rises - self.peek(name + ".edges")
        for train in self.future(name) or ():
            seen = train.until(self.now)
            first = seen + ((seen ^ train.level ^ 1) & 1)
            left = (train.count - first + 1) // 2
            if 0 < wanted <= left:
                return train.ns(first + 2 * (wanted - 1))
            wanted -= max(0, left)
        return None

    def next_change(self, name: str) -> int | None:
        """The next moment at which a value that does not count by itself may change, if nothing is written; None for
        never. Only what the value hangs on is looked at.
        """
        pit, port61 = self.board.pit, self.board.port61
        if name.startswith("pit.ch"):
            if name[8:] in pit.WRITTEN:
                return None
            return pit.next_change(int(name[6]), self.now)
        if name.startswith(("port61.", "refresh.")):
            what = name.partition(".")[2]
            moments = [pit.next_change(2, self.now)] if what in ("out2", "value") else []
            moments += [port61.next_toggle(self.now)] if what in ("ref", "value", "next") else []
        else:
            moments = [event[0] for device in self.board.devices for event in device.next_event(self.now)]
        return min((moment for moment in moments if moment is not None), default=None)

    # -- edges that were, and that will be

    def ahead(self, to: int) -> Machine:
        """A machine of the same state that went on to `to` by itself; it is used again by the next call."""
        other = self._scratch
        if other is None:
            other = self._scratch = Machine(self.config)
        other.restore(self.snapshot())
        if to > other.now:
            other.advance(to)
        return other

    def known_since(self, name: str) -> int:
        """The ns from which the edges of a wire are remembered."""
        line = self.board.lines.get(name)
        return line.known_since if line else 0

    def history(self, name: str) -> tuple[int, list[Train]]:
        """The level before, and the trains of a wire, as far as they are remembered; KeyError for an unknown wire."""
        line = self.board.lines.get(name)
        if line is not None:
            return line.start, list(line.ring)
        return 0, [self.board.ticking[name]]

    def wave(self, name: str, lo: int, hi: int, cells: int) -> Wave:
        """A window of a wire that ends at or before now; what is not remembered of it looks as it was at its edge."""
        start, trains = self.history(name)
        return wave_of(start, trains, lo, hi, cells)

    def edge_before(self, name: str, ns: int) -> tuple[int, int] | None:
        """(ns, level) of the last remembered edge before `ns`."""
        return edge_before(self.history(name)[1], min(ns, self.now + 1))

    def remember(self, trains: int) -> None:
        """Let every wire keep so many trains."""
        for line in self._lines:
            line.keeps = trains
        if self.board.pit.elapsed is not None:
            self.board.pit.elapsed.segments = trains

    # -- state as data

    def snapshot(self) -> Snapshot:
        """The whole state, plain data."""
        return Snapshot(
            self.now,
            tuple(device.snapshot() for device in self.board.devices),
            tuple(line.snapshot() for line in self._lines),
            tuple(line.history() for line in self._lines),
        )

    def restore(self, snapshot: Snapshot) -> None:
        """Take back a state that a machine of the same configuration gave."""
        self.now = snapshot.now
        for device, state in zip(self.board.devices, snapshot.devices, strict=True):
            device.restore(state)
        for line, level, history in zip(self._lines, snapshot.lines, snapshot.histories, strict=True):
            line.restore(level, history)

    def digest(self) -> str:
        """A short fingerprint of the state."""
        from hashlib import blake2b

        snapshot = self.snapshot()
        return blake2b(repr((snapshot.now, snapshot.devices, snapshot.lines)).encode(), digest_size=8).hexdigest()
