"""What a machine will do if nothing is written: next events, trains to come, and when a value is reached."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from timerlab.clock import Ticker
from timerlab.devices.board import Board
from timerlab.line import Train, edge_after
from timerlab.units import LONGEST_NS

if TYPE_CHECKING:
    from timerlab.machine import Machine


class Foresight(ABC):
    """The part of a `Machine` that looks ahead. Nothing here changes anything."""

    board: Board
    now: int

    COUNTERS = re.compile(r"hpet\.cnt|acpi\.tmr|lapic[0-9]+\.tmcct|vcpu[0-9]+\.(?:tsc|l1tsc|host)|host\.p[0-9]+\.tsc")
    """The values that run by themselves, but for the PIT's."""

    def next_event(self) -> tuple[int, str] | None:
        """(ns, line) of the next edge on an OUT or an interrupt line; of several at once the first wired. None is more
        than a thousand years ahead.
        """
        event = min(self._events(), key=lambda event: event[0], default=None)
        return None if event is None or event[0] > self.now + LONGEST_NS else event

    def _events(self) -> Iterator[tuple[int, str]]:
        """The chips' next edges, under the names of the lines that they reach."""
        board = self.board
        for device in (*board.timed, board.sched):
            for ns, name in device.next_event(self.now):
                irq = board.INSIDE.get(name)
                if irq is None:
                    yield ns, name
                    continue
                joint = board.joints[irq]
                if not joint.hand and joint.driver is not None and joint.driver.name == name:
                    yield ns, joint.line.name

    def line_names(self) -> list[str]:
        """Every wire that can be drawn."""
        names = list(self.board.lines)
        at = names.index("speaker") + 1
        return [*names[:at], *self.board.ticking, *names[at:]]

    def future(self, name: str) -> list[Train] | None:
        """Every edge of a wire after now, if nothing is written; None where only the next edge is known."""
        board = self.board
        if name in board.ticking:
            return [board.ticking[name]]
        chip, _, what = name.partition(".")
        if chip in ("irq", "pin"):
            joint = board.joints[int(what)]
            if joint.hand or joint.driver is None:
                return []
            return self.future(joint.driver.name)
        if name.startswith("pit.ch"):
            return board.pit.rule.future(board.pit.channels[int(name[6])])
        if chip == "rtc":
            return board.rtc.future(name, self.now)
        if chip == "hpet":
            return board.hpet.future(int(what[1:].partition(".")[0]), self.now)
        if chip.startswith("lapic"):
            return board.lapics[int(chip[5:])].future(self.now)
        return None

    def next_edge(self, name: str, horizon: int) -> tuple[int, int] | None:
        """(ns, level) of the next edge of a wire after now and up to `horizon`, or None."""
        trains = self.future(name)
        edge: tuple[int, int] | None
        if trains is not None:
            edge = edge_after(trains, self.now)
        else:
            told = [ns for ns, line in self._events() if line == name]
            if name in ("irq.0", "irq.9") or told:
                edge = (told[0], 1 - self.board.lines[name].level) if told else None
            else:
                edge = edge_after(self.ahead(horizon).history(name)[1], self.now)
        return edge if edge and edge[0] <= horizon else None

    @abstractmethod
    def ahead(self, to: int) -> Machine:
        """A machine of the same state that went on to `to` by itself."""

    @abstractmethod
    def peek(self, name: str) -> Any:
        """A value by name."""

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
        elif name.startswith("rtc."):
            seen = self.board.rtc.peek(self.now)
            moments = [seen[f"rtc.next_{what}"] for what in ("periodic", "uip", "update")]
        else:
            moments = [event[0] for event in self._events()]
            moments += [vcpu.state.busy_until for vcpu in self.board.vcpus]
            moments += [self.board.ticks.next_moment(), self.board.policy.next_event(self.now)]
            moments += [at for at, _ in self.board.nested.next_event(self.now)]
            if name.startswith("os."):
                moments.append(self.board.os.next_look(self.now))
        return min((moment for moment in moments if moment is not None and moment > self.now), default=None)

    def reach(self, name: str, op: str, value: int) -> int | None:
        """The first ns after now at which a free-running counter may meet `op value`, if nothing is written; None if
        it does not, or is none. A comparison that holds now is not asked for.
        """
        board, chip, what = self.board, *name.partition(".")[::2]
        if chip.startswith("lapic") and what == "tmcct":
            return self._reach_down(name, value - (op == "<"))
        if name == "hpet.cnt":
            clock, size, count = board.clocks["hpet"], 1 << 64, board.hpet.counter
        elif name == "acpi.tmr":
            clock, size, count = board.clocks["pm"], board.pm.mask + 1, board.pm.count
        else:
            return self._reach_tsc(self._tsc(chip, what), op, value)
        here = count(self.now)
        target = here + 1 if op == "!=" else 0 if op in ("<", "<=") else value + (op == ">")
        if not 0 <= target < size and op != "!=":
            return None
        guess = self.now + (target - here) % size * clock.den // clock.num
        slack = 2 * clock.den // clock.num + 2
        lo, hi = max(self.now, guess - slack), guess + slack
        if (count(hi) - target) % size > size // 2 or (count(lo) - target) % size < size // 2:
            return None
        while lo + 1 < hi:
            middle = (lo + hi) // 2
            if (count(middle) - target) % size > size // 2:
                lo = middle
            else:
                hi = middle
        return hi

    def _tsc(self, chip: str, what: str) -> Ticker:
        """The clock of `vcpuN.tsc`, `vcpuN.l1tsc`, `vcpuN.host` or `host.pN.tsc`."""
        if chip == "host":
            return self.board.host.clock(int(what[1:].partition(".")[0]))
        vcpu = self.board.vcpus[int(chip[4:])]
        return {"tsc": vcpu.clock, "l1tsc": vcpu.l1_clock, "host": vcpu.host_clock}[what]()

    def _reach_tsc(self, clock: Ticker, op: str, value: int) -> int | None:
        """When a TSC may meet `op value`, as it counts now; one faster than a GHz may have jumped over it then."""
        tick, size = clock.ticks(self.now), 1 << 64
        target = (tick + 1) % size if op == "!=" else 0 if op in ("<", "<=") else value + (op == ">")
        if not clock.num or not 0 <= target < size:
            return None
        return clock.ns(tick + ((target - tick) % size or size))

    def _reach_down(self, name: str, bound: int) -> int | None:
        """When a count that falls is at `bound` or below; or its next expiry, after which it may start again."""
        lapic = self.board.lapics[int(name.partition(".")[0][5:])]
        due: int | None = lapic.peek(self.now)[name.replace("tmcct", "next")]
        if due is None:
            return None
        lo, hi = self.now, due
        while lo + 1 < hi:
            middle = (lo + hi) // 2
            if lapic.peek(middle)[name] <= bound:
                hi = middle
            else:
                lo = middle
        return hi
