"""Change marks: what a command or an event altered, by size and not by colour, fading.

While paused a mark ages by stops: `●` changed since the last stop, `•` one stop earlier, `·` two stops earlier, then
gone. While running it ages by host time, about two seconds in all. A counter that merely counts is never marked.
"""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["FADE_NS", "SIGNS", "Marks", "strongest"]

SIGNS = ("●", "•", "·")
"""The mark of an age: changed since the last stop, one stop earlier, two stops earlier."""

FADE_NS = 700_000_000
"""Host ns that a mark stays at one size while running: three sizes are gone after 2.1 s."""

# a PIT channel, then port 61h without the bits that toggle by themselves
_STATE = frozenset(("mode", "rw", "bcd", "cr", "ol", "status", "rd", "wr", "null", "gate"))
_STATE |= {"serr", "iochk", "nochk", "noserr", "spkr", "gate2"}
_STEPPED = "out"

Peeks = Mapping[str, int | str | None]


def strongest(marks: Mapping[str, str], *names: str) -> str:
    """The freshest mark of several values that share a row, or a space."""
    best = 3
    for name in names:
        sign = marks.get(name)
        if sign is not None:
            best = min(best, SIGNS.index(sign))
    return SIGNS[best] if best < 3 else " "


class Marks:
    """The marks of one session; `watch` takes each new picture of its values."""

    def __init__(self) -> None:
        self._last: Peeks | None = None
        self._stops = 0
        self._ran = False
        self._ages: dict[str, int] = {}
        self._fade_at: dict[str, int] = {}
        self._signs: dict[str, str] = {}

    @staticmethod
    def counts(name: str) -> bool:
        """Whether the value moves by itself, so that its change says nothing: `pit.ch0.ce`, `refresh.level`."""
        tail = name.rpartition(".")[2]
        return tail not in _STATE and not (tail == _STEPPED and name.startswith("pit."))

    def due(self, host_ns: int, running: bool) -> bool:
        """Whether a mark would fade now although no value changed."""
        return running and any(at <= host_ns for at in self._fade_at.values())

    def forget(self) -> None:
        """Drop every mark and every known value, as after `load`."""
        self._last = None
        self._ages.clear()
        self._fade_at.clear()
        self._signs = {}

    def watch(self, peeks: Peeks, stops: int, running: bool, host_ns: int) -> Mapping[str, str]:
        """Take the values as they are now; return the sign of each one that carries a mark.

        `stops` is the session's count of stops, `host_ns` any monotonic clock of the host.
        """
        before = self._ages.copy()
        if running:
            self._age_by_time(host_ns, not self._ran)
        elif self._ran:
            self._fade_at.clear()
        elif stops != self._stops:
            self._age(max(1, stops - self._stops))
        last, stepped = self._last, not running and not self._ran
        if last is not None and peeks is not last:
            for name, value in peeks.items():
                if last.get(name, value) == value or self.counts(name):
                    continue
                if name.endswith(".out") and not stepped:
                    continue
                self._ages[name] = 0
                if running:
                    self._fade_at[name] = host_ns + FADE_NS
        self._last, self._stops, self._ran = peeks, stops, running
        if self._ages != before:
            self._signs = {name: SIGNS[age] for name, age in self._ages.items()}
        return self._signs

    def _age(self, steps: int) -> None:
        """Age every mark by some stops."""
        self._ages = {name: age + steps for name, age in self._ages.items() if age + steps < len(SIGNS)}

    def _age_by_time(self, host_ns: int, started: bool) -> None:
        """Age the marks whose time has come; a mark from before the start gets its time now."""
        if started:
            self._fade_at = dict.fromkeys(self._ages, host_ns + FADE_NS)
        for name, at in list(self._fade_at.items()):
            if at > host_ns:
                continue
            self._ages[name] += 1 + (host_ns - at) // FADE_NS
            self._fade_at[name] = host_ns + FADE_NS
            if self._ages[name] >= len(SIGNS):
                del self._ages[name], self._fade_at[name]
