"""The interrupts: for each line what is requested, in service and masked, and what became of its requests; then who
takes them, and the I/O APIC's entries.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from timerlab.devices.ioapic_regs import DELIVERY_SHORT
from timerlab.text import count, hexa, plural
from timerlab.views.frame import Frame
from timerlab.views.irq_rows import (
    IRQS,
    LEVEL,
    MASKED,
    PINS,
    REMOTE_IRR,
    fed_by,
    holders,
    pin_of,
    reached,
    route,
    vcpu_names,
)
from timerlab.views.marks import strongest
from timerlab.views.panel import Panel
from timerlab.views.rows import Row, Span, clip, pad
from timerlab.views.wave_lines import label

__all__ = ["IrqPanel", "Line", "lines", "rows"]

_SOURCES = {0: "PIT ch 0", 8: "RTC", 9: "SCI"}
_WHO = {
    "none": "nobody takes interrupts",
    "manual": "inta and eoi are typed",
    "ideal": "takes and ends at once",
    "latency": "serves each one so long",
}
_PLAIN = 4
"""vCPUs whose APIC timers have a row each; of more there is one row for all."""


@dataclass(frozen=True, slots=True)
class Line:
    """One row of the table: its names, its three signs, its counts, and the values that the inspector opens."""

    name: str
    source: str
    request: int
    service: int
    mask: int
    counts: tuple[int, int, int, int] | None
    """Raised, delivered, coalesced, lost; None for the cascade, which nobody counts."""
    opens: tuple[str, str, str, str]
    """The values of request, service, mask, and the line whose counts they are."""


@lru_cache(2)
def lines(frame: Frame) -> list[Line]:
    """The rows of the table: the 8259's lines, then pins and messages of their own, then APIC timers."""
    return [*_isa(frame), *_hpet(frame), *_pins(frame), *_timers(frame)]


def _counts(frame: Frame, line: str) -> tuple[int, int, int, int]:
    peeks = frame.peeks
    return tuple(peeks[f"{line}.{what}"] for what in ("edges", "delivered", "coalesced", "lost"))  # type: ignore[return-value]


def _isa(frame: Frame) -> Iterator[Line]:
    """The lines of the 8259 pair that did something or that someone unmasked."""
    peeks = frame.peeks
    for irq in (0, 1, 2, *IRQS[2:]):
        chip = "pic.slave" if irq >= 8 else "pic.master"
        masks, bit = frame.number(f"{chip}.imr"), 1 << (irq & 7)
        request, service = frame.number(f"{chip}.irr") & bit, frame.number(f"{chip}.isr") & bit
        opens = (f"{chip}.status", f"{chip}.status", f"{chip}.imr")
        if irq == 2:
            yield Line("IRQ2", "cascade", request, service, masks & bit, None, (*opens, "pic.slave.intr"))
            continue
        name = f"irq.{irq}"
        chosen = masks and not masks & bit  # with no mask set at all, nobody has chosen anything yet
        if irq in (0, 8) or chosen or request or service or peeks[f"{name}.edges"] or peeks[f"{name}.level"]:
            source = fed_by(frame, irq) or _SOURCES.get(irq, "by hand")
            yield Line(f"IRQ{irq}", source, request, service, masks & bit, _counts(frame, name), (*opens, name))


def _pin_signs(frame: Frame, pin: int) -> tuple[int, int, int]:
    """Request, service and mask of an I/O APIC pin."""
    entry = frame.number(f"ioapic.rte{pin}")
    waits, served = holders(frame, reached(frame, entry), entry & 0xFF) if not entry & MASKED else (0, 0)
    held = entry & LEVEL and frame.number(f"ioapic.pin{pin}") and not entry & REMOTE_IRR
    return int(bool(waits or held)), int(bool(served or entry & REMOTE_IRR)), entry & MASKED


def _hpet(frame: Frame) -> Iterator[Line]:
    """HPET timers that go their own way and are enabled, or that asked."""
    for timer in range(_timers_of(frame)):
        name = f"hpet.t{timer}.out"
        conf = frame.number(f"hpet.t{timer}.conf")
        way, pin = route(frame, timer)
        if way == "legacy" or not (conf & 4 or frame.number(f"{name}.delivered") or frame.number(f"{name}.lost")):
            continue
        if way == "pin" and pin < PINS:
            opens = (f"ioapic.rte{pin}", f"ioapic.rte{pin}", f"ioapic.rte{pin}", name)
            yield Line(f"pin {pin}", f"HPET T{timer}", *_pin_signs(frame, pin), _counts(frame, name), opens)
        else:
            label = "FSB" if way == "fsb" else "none"
            opens = (f"hpet.t{timer}.fsb", f"hpet.t{timer}.fsb", f"hpet.t{timer}.conf", name)
            yield Line(label, f"HPET T{timer}", 0, 0, 0, _counts(frame, name), opens)


def _timers_of(frame: Frame) -> int:
    """How many HPET timers there are."""
    return (frame.number("hpet.cap") >> 8 & 31) + 1


def _pins(frame: Frame) -> Iterator[Line]:
    """Pins without an ISA line that were driven by hand."""
    for pin in range(16, PINS):
        name = f"pin.{pin}"
        if frame.peeks[f"{name}.edges"] or frame.peeks[f"{name}.level"]:
            entry = f"ioapic.rte{pin}"
            yield Line(
                f"pin {pin}", "by hand", *_pin_signs(frame, pin), _counts(frame, name), (entry, entry, entry, name)
            )


def _timers(frame: Frame) -> Iterator[Line]:
    """APIC timers that expired or are unmasked: one row each for a few vCPUs, one row for many."""
    vcpus = frame.options.vcpus
    found: list[Line] = []
    for vcpu in range(vcpus):
        name, put = f"lapic{vcpu}.timer", f"lapic{vcpu}."
        entry = frame.number(put + "lvt_timer")
        if entry & MASKED and not frame.peeks[f"{name}.edges"]:
            continue
        bit = 1 << (entry & 0xFF)
        request, service = frame.number(put + "irr") & bit, frame.number(put + "isr") & bit
        opens = (f"{put}irr{(entry & 0xFF) // 32}", f"{put}isr{(entry & 0xFF) // 32}", put + "lvt_timer", name)
        signs = (int(bool(request)), int(bool(service)), entry & MASKED)
        found.append(Line(f"v{vcpu}", f"APIC {entry & 0xFF:02X}h", *signs, _counts(frame, name), opens))
    if len(found) <= _PLAIN:
        yield from found
        return
    sums = [sum(part) for part in zip(*(line.counts for line in found if line.counts), strict=True)]
    asked, served = any(line.request for line in found), any(line.service for line in found)
    masked = all(line.mask for line in found)
    total = (sums[0], sums[1], sums[2], sums[3])
    yield Line("APIC", f"{len(found)} timers", int(asked), int(served), int(masked), total, found[0].opens)


# drawing


def rows(frame: Frame, width: int) -> list[Row]:
    """The table of the lines, the guest, and the I/O APIC's entries that are programmed."""
    return [*_table(frame, lines(frame), width), *_entries(frame, width)]


@lru_cache(8)
def _columns(width: int) -> tuple[int, int, tuple[tuple[str, int], ...]]:
    """How wide line and source are, and the columns of counts."""
    if width >= 78:
        return 8, 14, (("raised", 13), ("delivered", 12), ("coalesced", 11), ("lost", 9))
    if width >= 64:
        return 8, 12, (("raised", 12), ("delivered", 11), ("lost", 9))
    return 8, 10, (("raised", 11), ("delivered", 10), ("lost", 8))


def _table(frame: Frame, shown: Sequence[Line], width: int) -> list[Row]:
    first, second, counts = _columns(width)
    head = f"{'line':<{first}}{'source':<{second}}req srv msk" + "".join(name.rjust(room) for name, room in counts)
    table = [pad(((head, "label"),), width)]
    marks = frame.marks
    for line in shown:
        mark = strongest(marks, *line.opens[:3]) if marks else " "
        row: list[Span] = [(f"{line.name:<{first - 2}}", "strong"), (mark, "changed"), (" ", "text")]
        row += [(f"{line.source:<{second}}", "text"), *_signs(bool(line.request), bool(line.service), bool(line.mask))]
        table.append(pad((*row, *_numbers(line.counts, counts)), width))
    return [*table, _guest(frame, first, width), *_policies(frame, first, width)]


@lru_cache(16)
def _signs(request: bool, service: bool, mask: bool) -> Row:
    """`▲` requested, `►` in service, `×` masked."""
    return (
        (" ▲ " if request else " · ", "text" if request else "label"),
        (" " + (" ► " if service else " · "), "text" if service else "label"),
        (" " + (" × " if mask else " · "), "text" if mask else "label"),
    )


@lru_cache(1024)
def _numbers(counts: tuple[int, int, int, int] | None, columns: tuple[tuple[str, int], ...]) -> Row:
    """The counts; in a narrow panel `lost` holds what was coalesced as well."""
    if counts is None:
        return tuple(("–".rjust(room), "absent") for _, room in columns)
    raised, delivered, coalesced, lost = counts
    values = (raised, delivered, coalesced, lost) if len(columns) == 4 else (raised, delivered, coalesced + lost)
    row: list[Span] = []
    for at, (value, (_, room)) in enumerate(zip(values, columns, strict=True)):
        text = count(value)
        if len(text) >= room:
            text = str(value) if len(str(value)) < room else "…" + str(value)[2 - room :]
        row.append((text.rjust(room), "attention" if at > 1 and value else "text"))
    return tuple(row)


def _guest(frame: Frame, first: int, width: int) -> Row:
    """Who takes interrupts, what is being served, and how many were spurious."""
    kind, _, latency = frame.options.guest.partition("=")
    row: list[Span] = [(f"{'guest':<{first}}", "label"), (f"{kind} {latency}".strip(), "text")]
    row.append(("   " + _WHO.get(kind, ""), "label"))
    busy = [vcpu for vcpu in range(frame.options.vcpus) if frame.peeks[f"vcpu{vcpu}.depth"]]
    if busy:
        depth = frame.number(f"vcpu{busy[0]}.depth")
        row += [(f"   ► v{busy[0]} ", "text"), (hexa(frame.number(f"vcpu{busy[0]}.serving"), 2)[:-1], "text")]
        row += [("h", "label"), (f" +{depth - 1}" if depth > 1 else "", "label")]
        row += [(f", {plural(len(busy), 'vCPU')} busy" if len(busy) > 1 else "", "label")]
    spurious = sum(frame.number(f"vcpu{vcpu}.spurious") for vcpu in range(frame.options.vcpus))
    if spurious:
        row.append((f"   {count(spurious)} spurious", "attention"))
    return pad(clip(row, width), width)


def _policies(frame: Frame, first: int, width: int) -> list[Row]:
    """One row for each source with a tick policy: what it lost, what came late, what it made up."""
    table: list[Row] = []
    for name, policy in frame.peeks.items():
        if not name.endswith(".policy") or not name.startswith("ticks."):
            continue
        put = name.removesuffix("policy")
        row: list[Span] = [(f"{'policy':<{first}}", "label"), (f"{policy}", "strong")]
        source = label(put[6:-1]).removesuffix(" req")
        row.append((f"  {source}, for v{frame.peeks[put + 'vcpu']}", "label"))
        for what, words in (("late", "late"), ("lost", "lost"), ("made_up", "made up"), ("lag", "behind")):
            value = frame.number(put + what)
            if value or what == "late":
                role = "attention" if value and what in ("lost", "lag") else "text"
                row += [("  ", "text"), (count(value), role), (f" {words}", "label")]
        table.append(pad(clip(row, width), width))
    return table


def _shown_pins(frame: Frame) -> list[int]:
    """The I/O APIC's pins whose entry someone has written."""
    return [pin for pin in range(PINS) if frame.peeks[f"ioapic.rte{pin}"] != MASKED]


def _entries(frame: Frame, width: int) -> list[Row]:
    """One row for each entry of the I/O APIC that is programmed, under a row with the columns' names."""
    pins = _shown_pins(frame)
    if not pins:
        return []
    first, second, _ = _columns(width)
    names = f"{'entry':<{first}}{'from':<{second}}req srv msk  vec  delivery how   to"
    table = [pad(((names, "label"),), width)]
    for pin in pins:
        entry = frame.number(f"ioapic.rte{pin}")
        mark = frame.marks.get(f"ioapic.rte{pin}", " ")
        signs = _signs(*(bool(sign) for sign in _pin_signs(frame, pin)))
        row: list[Span] = [(f"{f'pin {pin}':<{first - 2}}", "strong"), (mark, "changed"), (" ", "text")]
        row += [(f"{_feeds(frame, pin):<{second}}", "text"), *signs]
        row += _entry(entry, vcpu_names(reached(frame, entry), frame.options.vcpus))
        table.append(pad(clip(row, width), width))
    return table


def _feeds(frame: Frame, pin: int) -> str:
    """What drives a pin, as far as one name goes."""
    timers = [t for t in range(_timers_of(frame)) if route(frame, t) == ("pin", pin) and _conf(frame, t) & 4]
    own = "8259 INTR" if pin == 0 else next((f"IRQ{irq}" for irq in IRQS if pin_of(irq) == pin), "")
    return " ".join([*([own] if own else []), *(f"T{t}" if own else f"HPET T{t}" for t in timers)]) or "by hand"


def _conf(frame: Frame, timer: int) -> int:
    return frame.number(f"hpet.t{timer}.conf")


@lru_cache(256)
def _entry(entry: int, to: str) -> Row:
    """A redirection entry: vector, delivery, trigger, destination."""
    delivery = entry >> 8 & 7
    known = delivery < 2
    target = to or f"none has {'mask' if entry & 0x800 else 'ID'} {entry >> 56:02X}h"
    return (
        (f"  {entry & 0xFF:02X}" if known else "  – ", "text" if known else "absent"),
        ("h  " if known else "   ", "label"),
        (f"{DELIVERY_SHORT[delivery]:<9}", "text"),
        ("level " if entry & LEVEL else "edge  ", "text"),
        (target, "text" if to else "attention"),
    )


class IrqPanel(Panel):
    """The interrupts: requests, services, masks, and the counts of what became of them."""

    KEY = "5"
    NAME = "Interrupts"
    TAB = "irq"
    TOPIC = "pic. ioapic."
    HELP = """\
# Interrupts

One row a line: the 8259's inputs, pins of the I/O APIC that have a source of their own, and APIC timers. Of the ISA
lines, IRQ 0, 2 and 8 are always there, the others once they asked or someone unmasked them.

| column | what it shows |
|---|---|
| req | `▲` a request waits: IRR of the 8259, or of a local APIC |
| srv | `►` in service: ISR, or remote IRR |
| msk | `×` masked in the IMR, the redirection entry or the LVT |
| raised | rising edges of the line |
| delivered | interrupts that a vCPU took |
| coalesced | requests that met one that still waited |
| lost | requests that met a mask or nobody; in a narrow panel together with the coalesced ones |

The guest's row says who takes interrupts, which handler runs, and how many were spurious. Below it stand the entries
of the I/O APIC that are programmed: IRQ 0 comes in at pin 2. The title shows the vector bases of the two 8259s.
The wires from source to vCPU, and why one of them is dead, are in the fabric view, `0`.
"""

    def head(self, frame: Frame) -> tuple[str, str]:
        """The controllers, and where the vectors of the two 8259s begin."""
        bases = []
        for chip in ("pic.master", "pic.slave"):
            due = frame.peeks[f"{chip}.init"]
            bases.append(hexa(frame.number(f"{chip}.base"), 2) if due == "ready" else f"{due} due".upper())
        return "PIC, I/O APIC", " ".join(bases)

    def body(self, frame: Frame, width: int, height: int) -> list[Row]:
        """See `rows`."""
        return rows(frame, width)

    def cells(self, row: int) -> Sequence[tuple[int, int]]:
        """The three signs and the counts of a line; the entry of a pin."""
        if self.frame is None:
            return ()
        first, second, counts = _columns(self.size.width)
        table = len(lines(self.frame))
        if row == 0 or row == table + 2:
            return ()
        at = first + second
        if row == table + 1:
            return ((first, self.size.width - first),)
        if row > table:
            return ((at, self.size.width - at),)
        cells = [(at, 3), (at + 4, 3), (at + 8, 3)]
        at += 11
        for _, room in counts:
            cells.append((at + 1, room - 1))
            at += room
        return cells

    def value_name(self, row: int, column: int) -> str:
        """The value at the cursor: `pic.master.imr`, `irq.0.delivered`, `ioapic.rte2`."""
        if self.frame is None or row < 1:
            return ""
        shown = lines(self.frame)
        if row <= len(shown):
            line = shown[row - 1]
            if column < 3:
                return line.opens[column]
            if line.counts is None:
                return line.opens[3]
            wide = len(_columns(self.size.width)[2]) == 4
            whats = ("edges", "delivered", "coalesced", "lost") if wide else ("edges", "delivered", "lost")
            return f"{line.opens[3]}.{whats[min(column - 3, len(whats) - 1)]}"
        if row == len(shown) + 1:
            return "vcpu0.serving"
        pins = _shown_pins(self.frame)
        at = row - len(shown) - 3
        return f"ioapic.rte{pins[at]}" if 0 <= at < len(pins) else ""

    @classmethod
    def rows_at(cls, width: int) -> int:
        """The title, the names of the columns, five lines and the guest; more of them scroll."""
        return 8
