"""The rows of the log: commands with their results, and between them what the lines did.

Only what can be seen is expanded: the log is walked from a place in it, and the events of an entry are asked for when
one of its rows comes into view, many alike as one row with their count.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

from timerlab.text import count, duration, stamp
from timerlab.views.frame import Entry, Event, Frame, Outcome
from timerlab.views.rows import Row, Span, clip, highlight, numbers, pad, plain, put
from timerlab.views.wave_lines import label

__all__ = ["EVENTS", "Book", "Line", "Place", "rows"]

EVENTS = 6
"""At most so many rows of events an entry; what is more is counted in them."""

Place = tuple[int, int]
"""A row of the log: the entry's place in it, and which of its rows."""

_CAUSES = {"irq.0": "PIT ch 0", "irq.8": "RTC", "irq.9": "ACPI timer"}


@dataclass(frozen=True)
class Line:
    """One row before it is laid out: when, which sign, what."""

    t_ns: int
    timed: bool
    """Whether its time is written: not where the row above has it."""
    sign: str
    sign_role: str
    spans: Row
    event: bool = False
    """Whether it is an edge, and not what was typed or came of it."""


@dataclass(frozen=True)
class _Known:
    """An entry as it was expanded."""

    entry: Entry
    result: Outcome | None
    end_ns: int
    now: int
    filter: str
    lines: tuple[Line, ...]

    def holds(self, entry: Entry, now: int, wanted: str) -> bool:
        """Whether it is still so; what was expanded before the entry's end knows only the events up to then."""
        same = self.entry is entry and self.result is entry.result and self.end_ns == entry.end_ns
        return same and self.filter == wanted and (self.now == now or self.now >= entry.end_ns)


class Book:
    """The log of a session as rows, each entry expanded once."""

    def __init__(self) -> None:
        self.filter = ""
        """Only what holds this text is shown, upper and lower case alike."""
        self._known: dict[int, _Known] = {}
        self._found: list[int] = []
        self._searched: list[Entry] = []
        self._for = ""

    def lines(self, frame: Frame, at: int) -> tuple[Line, ...]:
        """The rows of one entry; with a filter, those of it that match."""
        entry = frame.log[at]
        known = self._known.get(at)
        if known is None or not known.holds(entry, frame.now, self.filter):
            lines = tuple(self._matching(_expand(frame, entry)))
            known = self._known[at] = _Known(entry, entry.result, entry.end_ns, frame.now, self.filter, lines)
        return known.lines

    def places(self, frame: Frame) -> Sequence[int]:
        """The entries that have rows to show, oldest first."""
        log = frame.log
        if not self.filter:
            return range(len(log))
        if self._for != self.filter or any(
            at < len(self._searched) and (at >= len(log) or self._searched[at] is not log[at])
            for at in (0, len(self._searched) - 1)
        ):
            self._found, self._searched, self._for = [], [], self.filter
        for at in range(max(0, len(self._searched) - 1), len(log)):
            matches = bool(self.lines(frame, at))
            if self._found and self._found[-1] == at:
                self._found.pop()
            if matches:
                self._found.append(at)
        self._searched = list(log)
        return self._found

    def last(self, frame: Frame) -> Place | None:
        """The newest row."""
        places = self.places(frame)
        return (places[-1], len(self.lines(frame, places[-1])) - 1) if places else None

    def step(self, frame: Frame, place: Place, rows: int) -> Place:
        """The place so many rows on (back, if negative), as far as there are any."""
        places = self.places(frame)
        if not places:
            return place
        at, row = place
        i = min(max(bisect_left(places, at), 0), len(places) - 1)
        if places[i] != at:
            row = 0
        row = min(row, len(self.lines(frame, places[i])) - 1)
        while rows:
            if rows < 0:
                by = min(row, -rows)
                row, rows = row - by, rows + by
                if rows:
                    if i == 0:
                        break
                    i, rows = i - 1, rows + 1
                    row = len(self.lines(frame, places[i])) - 1
            else:
                by = min(len(self.lines(frame, places[i])) - 1 - row, rows)
                row, rows = row + by, rows - by
                if rows:
                    if i == len(places) - 1:
                        break
                    i, row, rows = i + 1, 0, rows - 1
        return places[i], row

    def upto(self, frame: Frame, bottom: Place, height: int) -> list[tuple[Place, Line]]:
        """The rows that end with `bottom`, at most `height`, oldest first."""
        places = self.places(frame)
        i = bisect_right(places, bottom[0]) - 1
        kept: list[tuple[Place, Line]] = []
        while i >= 0 and len(kept) < height:
            at = places[i]
            lines = self.lines(frame, at)
            end = min(bottom[1] + 1, len(lines)) if at == bottom[0] else len(lines)
            kept += [((at, row), lines[row]) for row in range(end - 1, -1, -1)]
            i -= 1
        return kept[:height][::-1]

    def _matching(self, lines: list[Line]) -> list[Line]:
        """A command and its result stay together; an event stands for itself."""
        wanted = self.filter.lower()
        if not wanted:
            return lines
        spoken = any(wanted in plain(line.spans).lower() for line in lines if line.sign != "·")
        return [line for line in lines if (spoken and line.sign != "·") or wanted in plain(line.spans).lower()]


def _expand(frame: Frame, entry: Entry) -> list[Line]:
    """An entry's rows: what was typed, what happened meanwhile, what came of it."""
    lines: list[Line] = []
    spans: Row
    for at, text in enumerate(entry.text.split("\n")):
        if entry.kind == "advance":
            ran = duration(entry.end_ns - entry.t_ns)
            sign, role, spans = "·", "label", ((text, "label"), ("  " + ran, "text"))
        elif entry.kind == "note":
            sign, role, spans = " ", "label", ((text.removeprefix("note ") if at == 0 else text, "text"),)
        else:
            sign, role, spans = ("›" if at == 0 else " "), "interactive", numbers(text)
        lines.append(Line(entry.t_ns, at == 0, sign, role, spans))
    if entry.end_ns > entry.t_ns:
        for event in frame.events(entry.t_ns, entry.end_ns, EVENTS):
            lines.append(Line(event.t_ns, True, "·", "label", _event(event), True))
    result = entry.result
    if result is None or entry.kind == "note":
        return lines
    timed = entry.end_ns != entry.t_ns
    if result.fault:
        spans = _halves(result.fault, "fault")
        why = result.text.split("\n")[0].removeprefix(result.fault).strip()
        if why and why not in result.fault:
            spans = (*spans, ("  ", "text"), *numbers(why, "label"))
        lines.append(Line(entry.end_ns, timed, "!", "fault", spans))
        return lines + [
            Line(entry.end_ns, False, " ", "label", numbers(t, "label")) for t in result.text.split("\n")[1:]
        ]
    for at, text in enumerate(result.text.split("\n") if result.text else ()):
        if at:
            lines.append(Line(entry.end_ns, False, " ", "label", numbers(text, "label")))
        elif entry.kind == "expect":
            sign, role = ("■", "met") if result.ok else ("!", "fault")
            lines.append(Line(entry.end_ns, timed, sign, role, _halves(text, "text" if result.ok else "fault")))
        elif not result.ok:
            lines.append(Line(entry.end_ns, timed, "!", "fault", _halves(text, "text")))
        else:
            head, gap, _ = text.partition("  ")
            short = gap and ";" not in head
            lines.append(Line(entry.end_ns, timed, "=", "label", _halves(text, "strong" if short else "text")))
    return lines


def _halves(text: str, role: str) -> Row:
    """The effect, then after two blanks or more what explains it."""
    head, gap, rest = text.partition("  ")
    return (*numbers(head, role), (gap, "text"), *numbers(rest, "label")) if gap else numbers(head, role)


def _run(vcpus: str) -> str:
    """vCPUs by their names, those that follow each other in short: `v0–v3`."""
    names = vcpus.split(", ")
    numbered = [int(name[1:]) for name in names if name[1:].isdigit()]
    together = len(numbered) == len(names) > 2 and numbered == list(range(numbered[0], numbered[-1] + 1))
    return f"{names[0]}–{names[-1]}" if together else vcpus


def _event(event: Event) -> Row:
    """An edge, or many: `IRQ0 ↑ PIT ch 0`, `IRQ0 ↑ 11 347 times until 12.345 271 087`."""
    if event.kind == "estimate":
        words = "from here on interrupts are counted in proportion: too many share one vCPU"
        return (("guest ", "label"), (words, "attention"))
    if event.source == "policy":
        who, _, why = event.kind.partition(": ")
        times = f" {count(event.count)} times" if event.count > 1 else ""
        return (("pvclock ", "label"), (_run(who), "text"), (f" written{times}: {why}", "label"))
    if event.source.startswith("vcpu"):
        return _state(event)
    name = label(event.source).removesuffix(" req")
    arrow = {"rise": "↑", "fall": "↓"}.get(event.kind, event.kind)
    spans: list[Span] = [(name + " ", "label"), (arrow + " ", "text")]
    if event.count > 1:
        spans += [(count(event.count), "strong"), (" times", "text"), (" until " + stamp(event.last_ns), "label")]
    else:
        spans.append((_CAUSES.get(event.source, ""), "text"))
    return tuple(spans)


_STATES = {
    "stolen": ("░ ", "stolen by the host"),
    "out": ("· ", "out of its guest"),
    "runs": ("━ ", "runs again"),
    "halted": ("─ ", "halted"),
}


def _state(event: Event) -> Row:
    """What became of a vCPU: `v3 ░ stolen by the host`, also many times."""
    sign, words = _STATES[event.kind]
    spans: list[Span] = [(f"v{event.source[4:]} ", "label"), (sign, "attention" if event.kind == "stolen" else "text")]
    spans.append((words, "text"))
    if event.count > 1:
        spans += [(" ", "text"), (count(event.count), "strong"), (" times until " + stamp(event.last_ns), "label")]
    return tuple(spans)


def rows(
    frame: Frame,
    width: int,
    height: int,
    book: Book | None = None,
    bottom: Place | None = None,
    cursor: Place | None = None,
) -> list[Row]:
    """The rows that end with `bottom` (the newest, if None), the newest lowest; the one at `cursor` is marked."""
    book = book or Book()
    place = bottom or book.last(frame)
    if place is None:
        return [pad((("nothing holds ", "label"), (book.filter, "text")), width)] if book.filter else []
    clock = max(14, len(stamp(max(frame.end_ns, frame.now))))
    shown = book.upto(frame, place, height)
    done = [not _ahead(frame, at[0], line) for at, line in shown]
    here = max((i for i, is_done in enumerate(done) if is_done), default=-1) if frame.past else -1
    table: list[Row] = []
    for i, (at, line) in enumerate(shown):
        timed = line.timed or (i == 0 and at[1] > 0)
        sign = ("◄", "past") if i == here else (line.sign, line.sign_role)
        spans = clip(line.spans, width - clock - 3)
        row: Row = ((f"{stamp(line.t_ns) if timed else '':>{clock}} ", "label"), sign, (" ", "text"), *spans)
        if not done[i]:
            row = tuple((text, "absent") for text, _ in row)
        row = pad(row, width)
        if at == cursor:
            row = put(highlight(row, 0, width), clock, (("▌", "interactive*"),))
        table.append(row)
    return table


def _ahead(frame: Frame, at: int, line: Line) -> bool:
    """Whether a row lies in the future of a session that has gone back, perhaps to the middle of an entry."""
    if not frame.past or at < frame.position:
        return frame.past and line.t_ns > frame.now
    entry = frame.log[at]
    under_way = at == frame.position and entry.t_ns < frame.now < entry.end_ns
    return not under_way or line.t_ns > frame.now
