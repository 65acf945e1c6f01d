"""Where several outputs meet on one wire: an ISA line that a chip drives, or another one, or a hand."""

from __future__ import annotations

from timerlab.line import Gap, Line, Train


class Joint:
    """An ISA line. `driver` is the chip's output that is connected to it now, or None; `hand` pulls it up by itself."""

    __slots__ = ("driver", "hand", "line")

    def __init__(self, line: Line, driver: Line | None = None) -> None:
        self.line = line
        self.driver = driver
        self.hand = 0
        if driver is not None:
            line.level = line.start = driver.start
            line.absorb(driver.ring)
            self.listen(driver)

    def listen(self, output: Line) -> None:
        """Follow an output whenever it is the one that is connected."""
        output.sinks.append(lambda train: self._take(output, train))

    def _take(self, output: Line, train: Train | Gap) -> None:
        if output is self.driver and not self.hand:
            self.line.absorb((train,))

    def settle(self, now: int) -> None:
        """Put the wire where its drivers have it."""
        self.line.drive(now, 1 if self.hand or (self.driver is not None and self.driver.level) else 0)

    def connect(self, output: Line | None, now: int) -> None:
        """Let another output drive the wire."""
        self.driver = output
        self.settle(now)

    def pull(self, level: int, now: int) -> None:
        """Drive it by hand: up, or let go."""
        self.hand = level
        self.settle(now)
