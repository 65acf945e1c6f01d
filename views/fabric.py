"""The fabric: every wire from a source to a vCPU, where it is masked or stolen, and the counts along it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from itertools import groupby

from timerlab.text import count
from timerlab.views.fabric_rows import Counts, Hop, ways
from timerlab.views.frame import Frame
from timerlab.views.panel import Panel
from timerlab.views.rows import Row, Span, clip, pad, width_of

__all__ = ["FabricPanel", "Place", "places", "rows"]

_LABEL = 10
"""Cells of a source's name."""
_START = _LABEL + 3
"""Where the hops begin."""
_WIDE = 78
"""Counts at the right end stand no further out than this."""
_MANY = 8
"""vCPUs whose counts have a place each; of more the sum is given."""

Place = tuple[int, int, str]
"""Where the cursor can stand in a row: first cell, width, and the value's name."""


def rows(frame: Frame, width: int) -> list[Row]:
    """A few rows for each source: its ways, each as far as it leads, and its counts; then what the vCPUs took."""
    return [row for row, _ in _drawn(frame, width)]


def places(frame: Frame, width: int) -> list[tuple[Place, ...]]:
    """For each row where the cursor can stand."""
    return [found for _, found in _drawn(frame, width)]


def _drawn(frame: Frame, width: int) -> list[tuple[Row, tuple[Place, ...]]]:
    table: list[tuple[Row, tuple[Place, ...]]] = []
    for _, group in groupby(ways(frame), key=lambda way: (way.source, way.line)):
        members = tuple(group)
        first = members[0]
        drawn = _source(tuple((way.hops, way.state, way.why) for way in members), first.source, width)
        counts = first.counts
        if counts is None:
            table += drawn
        elif len(drawn) == 1 and (beside := _beside(drawn[0][0], _parts(counts, first.note), width)):
            table.append((beside, drawn[0][1]))
        else:
            table += drawn
            table += _footing(first.line, counts, first.note, width)
    return table + _vcpus(frame, width)


@lru_cache(512)
def _source(
    told: tuple[tuple[tuple[Hop, ...], str, str], ...], source: str, width: int
) -> list[tuple[Row, tuple[Place, ...]]]:
    """The ways of one source, below each other."""
    table: list[tuple[Row, tuple[Place, ...]]] = []
    for at, (hops, state, why) in enumerate(told):
        last = at == len(told) - 1
        joint = ("─" if last else "┬") if not at else "└"
        label = source if not at else ""
        start: list[Span] = [(f"{label:<{_LABEL}}", "strong"), (joint + "─ ", "rule")]
        row, found = _hops(hops[1:] if at and not hops[0].text else hops, state, start, width < 64)
        words = _why(why, state)
        if why and width_of(row) + 2 + len(why) > width:
            below = "  " if last else "│ "
            table.append((pad(clip(row, width), width), found))
            table.append((pad(clip(((" " * _LABEL, "text"), (below, "rule"), *words), width), width), ()))
        else:
            table.append((pad(clip((*row, (" ", "text"), *words), width), width), found))
    return table


def _hops(hops: Sequence[Hop], state: str, start: Sequence[Span], short: bool) -> tuple[Row, tuple[Place, ...]]:
    """The hops in a row with arrows between them, and where each stands; `short`: the input says which chip it is."""
    row, found, at = list(start), [], width_of(start)
    for hop in hops:
        text = hop.text.removeprefix("8259 ") if short else hop.text
        if text and at > _START:
            row.append((" → ", "label"))
            at += 3
        if text:
            row.append((text, "text" if not hop.sign or state != "dead" else "label"))
        for sign in hop.sign:
            row.append(((" " if text else "") + sign, "attention" if sign == "▲" and state == "waits" else "text"))
        size = len(text) + sum(1 + bool(text) for _ in hop.sign)
        if hop.name:
            found.append((at, size, hop.name) if size else (0, _LABEL - 1, hop.name))
        at += size
    return tuple(row), tuple(found)


def _why(why: str, state: str) -> Row:
    """The cause in words."""
    return ((" " + why, "attention" if state == "waits" else "label"),) if why else ()


@lru_cache(1024)
def _parts(counts: Counts, note: str) -> tuple[Row, ...]:
    """What became of a source's requests, and a note about it."""
    raised, taken, coalesced, lost = counts
    parts: list[Row] = []
    if not any(counts):
        parts = [] if note else [(("nothing raised yet", "label"),)]
    else:
        parts = [((count(raised), "text"), (" raised", "label")), ((count(taken), "text"), (" taken", "label"))]
    for number, word in ((coalesced, "coalesced"), (lost, "lost")):
        if number:
            parts.append(((count(number), "attention"), (f" {word}", "label")))
    if note:
        parts.append(((note, "label"),))
    return tuple(parts)


def _beside(row: Row, parts: tuple[Row, ...], width: int) -> Row:
    """The only way of a source with its counts at the right end; empty where they have no room there."""
    while row and not row[-1][0].strip():
        row = row[:-1]
    told = tuple(span for at, part in enumerate(parts) for span in ((("  ", "text"), *part) if at else part))
    gap = min(width, _WIDE) - width_of(row) - width_of(told)
    return pad((*row, (" " * gap, "text"), *told), width) if gap > 2 else ()


@lru_cache(1024)
def _footing(line: str, counts: Counts, note: str, width: int) -> list[tuple[Row, tuple[Place, ...]]]:
    """The name of the line and what became of its requests; what does not fit stands in the next row."""
    parts = _parts(counts, note)
    lines: list[list[Span]] = [[(f"{line:<{_START}}", "label")]]
    for part in parts:
        row = lines[-1]
        if len(row) > 1 and width_of(row) + 2 + width_of(part) > width:
            row = [(" " * _START, "label")]
            lines.append(row)
        elif len(row) > 1:
            row.append(("  ", "text"))
        row += part
    name = {"IRQ": "irq.", "pin": "pin."}.get(line[:3], "")
    opened = f"{name}{line[3:].strip()}.edges" if name else ""
    found: tuple[Place, ...] = ((_START, width - _START, opened),) if opened else ()
    return [(pad(clip(row, width), width), found if not at else ()) for at, row in enumerate(lines)]


def _vcpus(frame: Frame, width: int) -> list[tuple[Row, tuple[Place, ...]]]:
    """What each vCPU took, spurious ones included."""
    numbers = [
        (vcpu, frame.number(f"vcpu{vcpu}.taken"), frame.number(f"vcpu{vcpu}.spurious"))
        for vcpu in range(frame.options.vcpus)
    ]
    some = [one for one in numbers if one[1] or one[2]]
    if not some:
        return []
    if len(some) > _MANY:
        taken, spurious = (sum(one[at] for one in some) for at in (1, 2))
        return [(pad(clip(_took(f"{len(some)} vCPUs", taken, spurious), width), width), ())]
    a_row = 2 if width >= 58 else 1
    room = width // a_row
    table = []
    for at in range(0, len(some), a_row):
        row: list[Span] = []
        found: list[Place] = []
        for n, (vcpu, taken, spurious) in enumerate(some[at : at + a_row]):
            row += pad(clip(_took(f"v{vcpu}", taken, spurious), room), room)
            found.append((n * room, room - 1, f"vcpu{vcpu}.taken"))
        table.append((pad(row, width), tuple(found)))
    return table


@lru_cache(1024)
def _took(name: str, taken: int, spurious: int) -> Row:
    """One vCPU's counts."""
    row: Row = ((f"{name:<{max(3, len(name)) + 1}}", "strong"), (count(taken), "text"), (" taken", "label"))
    return (*row, (f" {count(spurious)}", "attention"), (" spurious", "label")) if spurious else row


class FabricPanel(Panel):
    """The fabric: the ways of interrupts from their sources to the vCPUs."""

    KEY = "0"
    NAME = "Fabric"
    TAB = "fab"
    HELP = """\
# Interrupt fabric

Each source with the ways that its interrupts can take, hop by hop, as far as they lead. Behind the last hop stands why
it goes no further.

| sign | means |
|---|---|
| `▲` | a request is held there |
| `►` | in service there, its EOI is awaited |
| `×` | nothing passes |
| `v0 30h` | the end of a way: the vCPU and the vector that it takes |

| cause | what helps |
|---|---|
| masked in the IMR | clear the bit at port 21h or A1h |
| masked in the redirection entry | clear bit 16 of the I/O APIC's entry |
| LINT0 masked | `PIC mode` ends once software sets up the APIC; ExtINT in LINT0 brings the 8259 back |
| SVR disables the APIC | set bit 8 of the SVR, then unmask the LVT |
| IF is 0 | `sti` |
| TPR holds it | lower the TPR below the vector's class |
| ISR blocks it | EOI of what is in service |
| remote IRR waits | EOI in the local APIC, which is broadcast to the I/O APIC |
| stolen by HPET T0 | clear LEG_RT_CNF |

PIT and RTC are always shown, other sources once they are enabled or did something. Below a source stand its counts:
requests raised, taken by a vCPU, coalesced with one that waited, and lost. `enter` opens the register at the cursor.
"""

    def head(self, frame: Frame) -> tuple[str, str]:
        """What it shows; at the right how many ways are held up with a request on them."""
        stuck = sum(way.state == "waits" for way in ways(frame))
        return "source to vCPU", f"{stuck} waiting" if stuck else ""

    def body(self, frame: Frame, width: int, height: int) -> list[Row]:
        """See `rows`."""
        return rows(frame, width)

    def cells(self, row: int) -> Sequence[tuple[int, int]]:
        """The hops of a way."""
        return tuple((at, size) for at, size, _ in self._places(row))

    def value_name(self, row: int, column: int) -> str:
        """The value at the cursor: `ioapic.rte2`."""
        found = self._places(row)
        return found[min(column, len(found) - 1)][2] if found else ""

    @classmethod
    def is_marked(cls, frame: Frame) -> bool:
        """Never: it shows other panels' values."""
        return False

    @classmethod
    def rows_at(cls, width: int) -> int:
        """The title and the rows of a few sources; more of them scroll."""
        return 17

    def _places(self, row: int) -> tuple[Place, ...]:
        if self.frame is None:
            return ()
        found = places(self.frame, self.size.width)
        return found[row] if 0 <= row < len(found) else ()
