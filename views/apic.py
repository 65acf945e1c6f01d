"""The local APICs: vCPUs as columns, what each register holds as rows, from the timer to what waits and is served."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from operator import itemgetter
from typing import Any, ClassVar

from timerlab.text import count, duration, hexa, rate
from timerlab.views.frame import Frame
from timerlab.views.marks import strongest
from timerlab.views.panel import Panel
from timerlab.views.rows import Row, Span, clip, pad

__all__ = ["BASIC", "MORE", "ApicPanel", "columns", "fields_at", "rows", "window"]

BASIC = (
    ("timer", "lvt_timer", ("timer_mode",)),
    ("LVT", "lvt_timer", ("lvt_timer",)),
    ("vector", "lvt_timer", ("lvt_timer", "svr")),
    ("divide", "tdcr", ("tdcr",)),
    ("initial", "tmict", ("tmict",)),
    ("current", "tmcct", ()),
    ("deadline", "deadline", ("deadline",)),
    ("fires in", "next", ()),
    ("TPR PPR", "tpr", ("tpr", "ppr")),
    ("IRR", "irr", ("irr", "irr_max")),
    ("ISR", "isr", ("isr", "isr_max")),
)
"""Each row's label, the value that the inspector opens there, and the values whose marks it carries."""

MORE = (
    ("LINT0", "lvt_lint0", ("lvt_lint0",)),
    ("LINT1", "lvt_lint1", ("lvt_lint1",)),
    ("error", "lvt_error", ("lvt_error",)),
    ("SVR", "svr", ("svr",)),
    ("ESR", "esr", ("esr",)),
    ("ID", "id", ("id",)),
    ("LDR", "ldr", ("ldr",)),
    ("thermal", "lvt_thermal", ("lvt_thermal",)),
    ("perf", "lvt_perf", ("lvt_perf",)),
    ("base", "base", ("base",)),
)
"""The rows of a wide or high panel, below the others."""

_WORDS = frozenset(("LVT", "deadline"))
"""Rows that a panel of 58 cells leaves out."""
_FIRST = 11
_MASKED, _ENABLED, _BSP = 1 << 16, 1 << 8, 1 << 8
_DELIVERY = ("", "lowest", "SMI", "reserved", "NMI", "INIT", "reserved", "ExtINT")
_MODES = {"xapic": "xAPIC", "x2apic": "x2APIC", "off": "off"}
_NONE: Row = (("–", "absent"),)
_IDLE: Row = (("·", "label"),)

Field = tuple[str, str, tuple[str, ...]]

_STILL = (
    *("mode", "timer_mode", "lvt_timer", "svr", "tdcr", "divider", "tmict", "deadline", "tpr", "ppr", "irr", "isr"),
    *(
        "pending",
        "lvt_lint0",
        "lvt_lint1",
        "lvt_error",
        "esr",
        "errors",
        "id",
        "ldr",
        "lvt_thermal",
        "lvt_perf",
        "base",
    ),
)
"""What a column is made of, but for what counts."""
_LIVE = ("tmcct", "next")
_CPU = ("if", "serving")


def columns(width: int) -> tuple[int, int]:
    """How many vCPUs fit, and how far apart they are."""
    if width >= 78:
        return (width - _FIRST + 1) // 16, 16
    return 4, 13 if width >= 64 else 12


def window(vcpus: int, width: int, first: int) -> range:
    """The vCPUs that are shown, from `first` on if it can be."""
    shown = min(vcpus, columns(width)[0])
    start = max(0, min(first, vcpus - shown))
    return range(start, start + shown)


def fields_at(width: int, height: int = 0, deadlines: bool = False) -> tuple[Field, ...]:
    """The rows under the header: all of them in a wide panel, as many as fit in `height` rows in a narrow one. Where
    not all are to be seen, what can be missed goes to the end: the words, or with `deadlines` what counts on the bus.
    """
    basic = tuple(field for field in BASIC if width >= 64 or field[0] not in _WORDS)
    if width >= 64 and 0 < height <= len(BASIC):
        missed = ("LVT", "divide") if deadlines else ("LVT", "deadline")
        return tuple(sorted(BASIC, key=lambda field: field[0] in missed)) + MORE
    if width >= 78:
        return basic + MORE
    return basic + MORE[: max(0, height - 1 - len(basic))]


def deadlines_of(frame: Frame) -> bool:
    """Whether the first vCPU's timer waits for a TSC deadline."""
    return frame.peeks["lapic0.timer_mode"] == "deadline"


def rows(frame: Frame, width: int, height: int = 0, first: int = 0) -> list[Row]:
    """A header with the vCPUs from `first` on and what they do, then one row a field."""
    shown = window(frame.options.vcpus, width, first)
    pitch = columns(width)[1]
    fields = fields_at(width, height, deadlines_of(frame))
    cells = [_column(frame, vcpu, pitch) for vcpu in shown]
    head: list[Span] = [(" " * _FIRST, "text")]
    for vcpu in shown:
        head += pad(
            _header(
                vcpu,
                *_values(_CPU, "vcpu", vcpu)(frame.peeks),
                *_offers(frame, vcpu),
                _run_state(frame, vcpu),
                pitch - 1,
            ),
            pitch,
        )
    table: list[Row] = [pad(head, width)]
    marks = frame.marks
    for label, _, marked in fields:
        line: list[Span] = [(f"{label:<9}", "label")]
        for vcpu, column in zip(shown, cells, strict=True):
            mark = strongest(marks, *[f"lapic{vcpu}.{name}" for name in marked]) if marks else " "
            line += [(mark, "changed"), (" ", "text"), *column[label]]
        table.append(pad(line, width))
    return table


@lru_cache(512)
def _values(names: tuple[str, ...], chip: str, vcpu: int) -> Callable[[Any], tuple[Any, ...]]:
    """Takes the values of a vCPU out of a frame's."""
    return itemgetter(*(f"{chip}{vcpu}.{name}" for name in names))


def _offers(frame: Frame, vcpu: int) -> tuple[bool]:
    """Whether something waits that the vCPU could take."""
    return (frame.peeks[f"lapic{vcpu}.pending"] is not None or bool(frame.peeks[f"lapic{vcpu}.extint"]),)


def _run_state(frame: Frame, vcpu: int) -> str:
    return str(frame.peeks.get(f"vcpu{vcpu}.state", "run"))


_OUT: dict[str, tuple[Span, ...]] = {
    "halt": (("─ ", "text"), ("halt", "text")),
    "stolen": (("░ ", "attention"), ("stolen", "attention")),
}


@lru_cache(1024)
def _header(vcpu: int, flag: int, serving: int | None, waits: bool, state: str, room: int) -> Row:
    """What a vCPU does: it runs, is halted or out, has interrupts off, or serves one."""
    row: tuple[Span, ...] = ((f"v{vcpu} ", "strong"),)
    if state != "run" and not (state == "halt" and serving is not None):
        return (*row, *_OUT.get(state, (("· ", "text"), (state, "text"))))
    off: Span = ("cli", "attention" if waits else "text")
    if serving is None:
        return (*row, ("━ ", "strong"), ("run", "text")) if flag else (*row, ("━ ", "strong"), off)
    row += (("► ", "text"), (f"{serving:02X}", "text"), ("h", "label"))
    if flag:
        return row
    full = (*row, (" ", "text"), off)
    return full if sum(len(text) for text, _ in full) <= room else ((f"v{vcpu} ", "strong"), ("► ", "text"), off)


def _column(frame: Frame, vcpu: int, pitch: int) -> dict[str, Row]:
    """The cells of a vCPU by label, each as wide as a column without its mark."""
    still = _values(_STILL, "lapic", vcpu)(frame.peeks)
    column = _still(still, pitch - 2, bool(frame.peeks[f"vcpu{vcpu}.if"]))
    current, ends = _values(_LIVE, "lapic", vcpu)(frame.peeks)
    if not column["current"]:
        column = {**column, "current": _counted(current, pitch - 2)}
    if ends is not None:
        column = {**column, "fires in": pad(((duration(ends - frame.now), "text"),), pitch - 2)}
    return column


def _counted(value: int, room: int) -> Row:
    """A live count; without gaps where it is too long."""
    text = count(value)
    return pad(((text if len(text) < room else str(value), "strong"),), room)


@lru_cache(1024)
def _still(values: tuple[Any, ...], room: int, flag: bool) -> dict[str, Row]:
    """All cells of a vCPU that stand still between two events; an empty `current` says that there is none."""
    mode, kind, lvt, svr, tdcr, divider, tmict, deadline, tpr, ppr, irr, isr, pending, *others = values
    lint0, lint1, error, esr, errors, number, ldr, thermal, perf, base = others
    enabled, deadlines = bool(svr & _ENABLED), kind == "deadline"
    cells: dict[str, Row] = {}
    if mode == "off":
        cells = dict.fromkeys((field[0] for field in BASIC + MORE), _NONE)
        cells["timer"] = (("APIC off", "label"),)
        cells["base"] = _hex(f"{base >> 12:X}000h")
        return {label: pad(row, room) for label, row in cells.items()}
    vector = lvt & 0xFF
    cells["timer"] = ((kind, "text"),)
    cells["LVT"] = _hex(hexa(lvt, 8))
    cells["vector"] = (*_hex(hexa(vector, 2)), *_mask(lvt, enabled))
    cells["divide"] = _NONE if deadlines else ((f"{divider:<3}", "text"), (f" {tdcr:X}", "text"), ("h", "label"))
    cells["initial"] = _NONE if deadlines or not tmict else _counted_still(tmict, room)
    cells["current"] = _NONE if deadlines or not tmict else ()
    spent = deadlines and not deadline and bool((irr | isr) >> vector & 1)
    if not deadlines:
        cells["deadline"] = _NONE
    else:
        digits = f"{deadline:X}"
        digits = digits if len(digits) < room - 1 else "…" + digits[3 - room :]
        row: Row = ((digits, "text"), ("h", "label"))
        cells["deadline"] = (*row, (" fired", "text")) if spent else row
    cells["fires in"] = (("fired", "text"),) if spent else _NONE
    cells["TPR PPR"] = (*_hex(hexa(tpr, 2)), (" ", "text"), *_hex(hexa(ppr, 2)))
    cells["IRR"] = _vectors("▲ ", irr, "attention" if irr and (pending is None or not flag) else "text")
    cells["ISR"] = _vectors("► ", isr, "text")
    for label, entry in (("LINT0", lint0), ("LINT1", lint1), ("error", error), ("thermal", thermal), ("perf", perf)):
        delivery = _DELIVERY[entry >> 8 & 7]
        row = ((delivery, "text"),) if delivery else _hex(hexa(entry & 0xFF, 2))
        cells[label] = (*row, *_mask(entry, True))
    cells["SVR"] = (*_bit("ENABLE", enabled), (" ", "text"), *_hex(hexa(svr & 0xFF, 2)))
    fresh: Row = (("  + ", "label"), *_hex(hexa(errors, 2))) if errors else ()
    cells["ESR"] = (*_hex(hexa(esr, 2)), *fresh)
    boot: Row = ((" BSP", "strong"),) if base & _BSP else ()
    cells["ID"] = (*_hex(hexa(number, 2) if mode == "x2apic" else hexa(number >> 24, 2)), *boot)
    cells["LDR"] = _hex(hexa(ldr, 8) if mode == "x2apic" else hexa(ldr >> 24, 2))
    cells["base"] = _hex(f"{base >> 12:X}000h")
    return {label: pad(clip(row, room), room) if row else row for label, row in cells.items()}


def _counted_still(value: int, room: int) -> Row:
    """A count that stands still."""
    text = count(value)
    return ((text if len(text) < room else str(value), "text"),)


def _hex(text: str) -> Row:
    """A register's content with a muted `h`."""
    return ((text[:-1], "text"), ("h", "label"))


def _mask(entry: int, enabled: bool) -> Row:
    """`×` for an entry that is masked, and whether the SVR does it."""
    if not entry & _MASKED:
        return ()
    return ((" ×", "text"),) if enabled else ((" ×", "text"), (" SVR", "label"))


def _bit(name: str, value: object) -> Row:
    """A bit by its name: upper case and bold while it is set."""
    return ((name.upper(), "strong") if value else (name.lower(), "label"),)


def _vectors(sign: str, bits: int, role: str) -> Row:
    """The highest vector of a bit map, and how many more there are."""
    if not bits:
        return _IDLE
    more = bits.bit_count() - 1
    row: Row = ((sign, role), (f"{bits.bit_length() - 1:02X}", role), ("h", "label"))
    return (*row, (f" +{more}", "label")) if more else row


class ApicPanel(Panel):
    """The local APICs: timer, priorities, requests and services of each vCPU."""

    KEY = "3"
    NAME = "APIC"
    TAB = "apic"
    TOPIC = "lapic apic_base tsc_deadline x2apic"
    CLOCK = "apic"
    HINTS: ClassVar[Sequence[tuple[str, str]]] = (
        ("← →", "vCPUs"),
        ("space", "run, pause"),
        ("n", "next"),
        ("N", "back"),
        ("tab", "panel"),
    )
    HELP = """\
# Local APIC

One column a vCPU, one row a field. `left` and `right` bring further vCPUs where not all fit.

| row | what it shows |
|---|---|
| header | `━ run`, `─ halt`, `░ stolen`; `► ECh` serves that vector; `cli` while IF is 0 |
| timer, LVT | mode and word of the LVT timer entry |
| vector | `×` masked; `× SVR` masked because SVR bit 8 disables the APIC |
| divide | divider of the bus clock, and the TDCR |
| initial, current | TMICT and TMCCT |
| deadline | IA32_TSC_DEADLINE, 0 while it is not armed |
| fires in | time to the next expiry, masked or not |
| TPR PPR | task and processor priority: vectors up to their class wait |
| IRR | `▲` the highest vector that waits, and how many more |
| ISR | `►` the highest vector in service, and how many more |
| LINT0 … perf | the other LVT entries: vector or delivery, `×` masked |
| SVR, ESR | enable bit and spurious vector; errors shown `+` collected since |
| ID, LDR, base | physical and logical address, the page; `BSP` is the boot processor |

A wide or high panel shows all rows. `c` goes one bus clock on, `enter` opens the value under the cursor.
"""

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self.vcpu = 0
        """The first vCPU that is shown, if there are enough behind it."""

    def head(self, frame: Frame) -> tuple[str, str]:
        """The modes, which vCPUs are shown if not all are, and the bus clock."""
        shown = self._window(frame)
        modes = {frame.peeks[f"lapic{vcpu}.mode"] for vcpu in shown}
        name = _MODES[str(modes.pop())] if len(modes) == 1 else "mixed modes"
        some = len(shown) < frame.options.vcpus
        part = f"local, {name}" + (f", v{shown[0]}–v{shown[-1]} of {frame.options.vcpus}" if some else "")
        return part, rate(frame.options.apic_bus_hz) + " bus"

    def body(self, frame: Frame, width: int, height: int) -> list[Row]:
        """See `rows`."""
        return rows(frame, width, height, self.vcpu)

    def owns_hints(self, special: bool) -> bool:
        """Only where not all vCPUs fit."""
        return not special and self.frame is not None and len(self._window(self.frame)) < self.frame.options.vcpus

    def cells(self, row: int) -> Sequence[tuple[int, int]]:
        """The vCPUs of a field."""
        if self.frame is None or not 1 <= row <= len(self._fields()):
            return ()
        pitch = columns(self.size.width)[1]
        return tuple((_FIRST + pitch * at, pitch - 2) for at in range(len(self._window(self.frame))))

    def value_name(self, row: int, column: int) -> str:
        """The value of a field and a vCPU: `lapic2.lvt_timer`; of a bit map, the register of its highest vector."""
        fields = self._fields()
        if self.frame is None or not 1 <= row <= len(fields):
            return ""
        shown = self._window(self.frame)
        name = f"lapic{shown[min(column, len(shown) - 1)]}.{fields[row - 1][1]}"
        if fields[row - 1][0] in ("IRR", "ISR"):
            return f"{name}{max(0, self.frame.number(name).bit_length() - 1) // 32}"
        return name

    def action_move(self, rows: int, columns: int) -> None:
        """Move the cursor; at an edge the other vCPUs come into view."""
        if columns and self.cursor is not None and self.frame is not None:
            shown = self._window(self.frame)
            column = self.cursor[1] + columns
            if not 0 <= column < len(shown):
                self.vcpu = max(0, min(shown[0] + columns, self.frame.options.vcpus - len(shown)))
                columns = 0
        super().action_move(rows, columns)

    @classmethod
    def rows_at(cls, width: int) -> int:
        """The title, the header and the fields that this width has."""
        return len(fields_at(width)) + 2

    def _fields(self) -> tuple[Field, ...]:
        deadlines = self.frame is not None and deadlines_of(self.frame)
        return fields_at(self.size.width, self.size.height - 1, deadlines)

    def _window(self, frame: Frame) -> range:
        return window(frame.options.vcpus, self.size.width, self.vcpu)
