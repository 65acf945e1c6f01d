"""What can be seen of a machine now, and of the edges that were. Nothing here changes anything."""

from __future__ import annotations

from abc import ABC
from collections.abc import Mapping
from typing import Any

from timerlab.device import Device
from timerlab.foresight import Foresight
from timerlab.line import Line, Train, Wave, edge_before, turns_at, wave_of


class Sights(Foresight, ABC):
    """The part of a `Machine` that only looks."""

    _peekers: Mapping[str, tuple[Device, ...]]
    _lines: tuple[Line, ...]

    def peeks(self) -> dict[str, Any]:
        """Everything that can be seen, by name."""
        seen: dict[str, Any] = {}
        for device in self.board.devices:
            seen.update(device.peek(self.now))
        seen.update(self.board.policy.peek(self.now))
        seen.update(self.board.fabric.peek())
        for name, line in self.board.lines.items():
            seen[name + ".level"] = line.level
            seen[name + ".edges"] = line.edges
        for name, train in self.board.ticking.items():
            toggles = train.until(self.now)
            seen[name + ".level"] = toggles & 1
            seen[name + ".edges"] = (toggles + 1) // 2
        return seen

    def peek(self, name: str) -> Any:
        """One of them, or a wire's level by the wire's own name; KeyError for a name that there is not."""
        line, _, what = name.rpartition(".")
        if what in ("edges", "level") and line in self.board.lines:
            return getattr(self.board.lines[line], what)
        if name in self.board.lines:
            return self.board.lines[name].level
        if name in self.board.ticking:
            return self.board.ticking[name].until(self.now) & 1
        if name.startswith("ticks."):
            return self.board.ticks.look(name)
        for device in self._peekers.get(name.partition(".")[0], ()):
            seen = device.peek(self.now)
            if name in seen:
                return seen[name]
        return self.peeks()[name]

    # -- edges that were, and that will be

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

    def turned(self, name: str, level: int) -> bool:
        """Whether a wire has an edge to `level` at this very nanosecond."""
        return turns_at(self.history(name)[1], self.now, level)

    def remember(self, trains: int) -> None:
        """Let every wire keep so many trains."""
        for line in self._lines:
            line.keeps = trains
        if self.board.pit.elapsed is not None:
            self.board.pit.elapsed.segments = trains
