"""Change marks: what a command or an event altered, by size and not by colour, fading.

While paused a mark ages by stops: `●` changed since the last stop, `•` one stop earlier, `·` two stops earlier, then
gone. While running it ages by host time, about two seconds in all. A counter that merely counts is never marked.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache

__all__ = ["FADE_NS", "SIGNS", "Marks", "strongest"]

SIGNS = ("●", "•", "·")
"""The mark of an age: changed since the last stop, one stop earlier, two stops earlier."""

FADE_NS = 700_000_000
"""Host ns that a mark stays at one size while running: three sizes are gone after 2.1 s."""

ALWAYS, STEPPED, COUNTS = "always", "stepped", "counts"
"""What a change of a value says: something happened; something did if time stood or went by a step; nothing."""

_TIME = "seconds|minutes|hours|dow|date|month|year|century"
_PAGES = "version|tsc_timestamp|ns|mul|shift|flags|steal|steal_version|preempted|apf_flags|apf_token"
_KINDS: tuple[tuple[str, str], ...] = (
    (r"pit\.ch\d\.(mode|rw|bcd|cr|ol|status|rd|wr|null|gate)", ALWAYS),
    (r"pit\.ch\d\.out", STEPPED),
    (r"port61\.(serr|iochk|nochk|noserr|spkr|gate2)", ALWAYS),
    (rf"rtc\.({_TIME}|[a-d]|index|nmi_mask|irqf|\w+_alarm)", ALWAYS),
    (r"rtc\.uip", STEPPED),
    (r"hpet\.(conf|sta|cnt|t\d+\.(conf|cmp|period|fsb|sts))", ALWAYS),
    (r"acpi\.(pm1_sts|pm1_en|sci)", ALWAYS),
    (r"pic\.\w+\.(irr|isr|intr)", STEPPED),
    (r"pic\.(elcr\d|\w+\.(imr|base|lowest|init|aeoi|sfnm|smm|rotate|read|poll|level))", ALWAYS),
    (r"ioapic\.(sel|id|rte\d+)", ALWAYS),
    (r"ioapic\.pin\d+", STEPPED),
    (r"lapic\d+\.(base|mode|id|ldr|dfr|svr|esr|tpr|icr_low|icr_high|lvt_\w+|tmict|tdcr|deadline|timer_mode)", ALWAYS),
    (r"lapic\d+\.(nmis|smis|startups)", ALWAYS),
    (r"lapic\d+\.(ppr|pending|extint|irr\w*|isr\w*|tmr\d*)", STEPPED),
    (r"vcpu\d+\.(offset|ratio|adjust|aux|if|spurious|state|pcpu)", ALWAYS),
    (r"nest\d+\.(guest_mode|field_\w+|o12|m12|o02|m02)", ALWAYS),
    (r"vcpu\d+\.(busy|serving|depth)", STEPPED),
    (rf"pv\d+\.({_PAGES}|system_time|steal_time|async_pf_\w+|eoi_en|poll_control)", ALWAYS),
    (r"pv\.wall_\w+", ALWAYS),
)
"""What changes say, by the values' names; all other values count, or follow from these."""

# values that move by themselves while another one says so: the mark is for what a write did
_RTC_TIME = re.compile(rf"rtc\.({_TIME})")
_COMPARATOR = re.compile(r"(hpet\.t\d+\.)cmp")

Peeks = Mapping[str, int | str | None]


def strongest(marks: Mapping[str, str], *names: str) -> str:
    """The freshest mark of several values that share a row, or a space."""
    best = 3
    for name in names:
        sign = marks.get(name)
        if sign is not None:
            best = min(best, SIGNS.index(sign))
    return SIGNS[best] if best < 3 else " "


@lru_cache(65_536)
def kind_of(name: str) -> str:
    """What a change of the value says."""
    return next((kind for pattern, kind in _KINDS if re.fullmatch(pattern, name)), COUNTS)


def went_by_itself(name: str, last: Peeks, peeks: Peeks) -> bool:
    """Whether a value that can be written only went on counting: the time after an update, UIP in register A, a main
    counter that runs, a comparator after its match.
    """
    if name == "rtc.a":
        before, after = last.get(name), peeks.get(name)
        return isinstance(before, int) and isinstance(after, int) and before & 0x7F == after & 0x7F
    if _RTC_TIME.fullmatch(name):
        return last.get("rtc.updates") != peeks.get("rtc.updates")
    if name == "hpet.cnt":
        return bool(int(last.get("hpet.conf") or 0) & 1 or int(peeks.get("hpet.conf") or 0) & 1)
    timer = _COMPARATOR.fullmatch(name)
    return timer is not None and last.get(timer[1] + "matches") != peeks.get(timer[1] + "matches")


class Marks:
    """The marks of one session; `watch` takes each new picture of its values."""

    def __init__(self) -> None:
        self._last: Peeks | None = None
        self._stops = 0
        self._ran = False
        self._ages: dict[str, int] = {}
        self._fade_at: dict[str, int] = {}
        self._signs: dict[str, str] = {}

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
                if last.get(name, value) == value:
                    continue
                kind = kind_of(name)
                if kind == COUNTS or (kind == STEPPED and not stepped) or went_by_itself(name, last, peeks):
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
