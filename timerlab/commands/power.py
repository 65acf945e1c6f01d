"""`poweroff battery`: a machine without power, and the battery behind its clock."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from timerlab.command import Entry, Instant, Result
from timerlab.commands.io import Access
from timerlab.commands.verb import TimeType, verb
from timerlab.devices.words import Seen
from timerlab.machine import Machine
from timerlab.text import duration
from timerlab.units import Span

if TYPE_CHECKING:
    from timerlab.session import Session


@dataclass(frozen=True, slots=True)
class PowerOff(Instant):
    """The machine has no power for a time: its chips are in reset, and only the RTC, on its battery, goes on."""

    span: Span

    def text(self) -> str:
        return f"poweroff {self.span}"

    def run(self, session: Session) -> Result:
        machine = session.machine
        start = machine.now
        before = machine.peek("rtc.clock")
        self._off(machine, self.span.after(start, machine.board.clocks), None)
        return Result(
            text=f"power is back after {duration(machine.now - start)}, all chips at power-on; "
            f"the RTC went from {before} to {machine.peek('rtc.clock')}"
        )

    def redo(self, machine: Machine, entry: Entry, until: int) -> None:
        self._off(machine, entry.end_ns, until)

    @staticmethod
    def _off(machine: Machine, to: int, until: int | None) -> None:
        machine.reset()
        machine.advance(to if until is None else min(to, until))
        if until is None or until >= to:
            machine.reset()


@dataclass(frozen=True, slots=True)
class Battery(Access):
    """The RTC's battery fails."""

    def text(self) -> str:
        return "battery fail"

    def apply(self, machine: Machine) -> None:
        machine.board.rtc.lose_battery()

    def words(self, machine: Machine, value: int | None, before: Seen) -> str:
        return "VRT, bit 7 of register D, is 0 until D is read: neither time nor RAM can be trusted"


@verb("poweroff TIME", examples=("poweroff 10s", "poweroff 8hr"), completes=("time",))
@click.argument("time", type=TimeType())
def poweroff(time: Span) -> PowerOff:
    """Take the power away for a time. All chips are reset and do nothing; the RTC counts on, on its battery."""
    return PowerOff(time)


@verb("battery fail", examples=("battery fail",), completes=("battery",))
@click.argument("what", type=click.Choice(("fail",), case_sensitive=False))
def battery(what: str) -> Battery:
    """Let the RTC's battery fail: VRT is 0 until register D is read."""
    return Battery()


__all__ = ["Battery", "PowerOff"]
