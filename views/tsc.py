"""The time stamp counters: the host's, the guest's, and for each vCPU what lies between them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from functools import lru_cache

from timerlab.text import count, decimal, duration, hexa, rate, signed
from timerlab.views.frame import Frame
from timerlab.views.marks import strongest
from timerlab.views.panel import Panel
from timerlab.views.rows import Row, Span, pad

__all__ = ["TscPanel", "rows", "short"]

_HEAD = 3
"""Rows before the first vCPU: host, guest, the names of the columns."""
_COLUMNS = ("guest TSC", "offset", "adjust", "aux", "cycles", "skew to v0")
_NAMES = ("tsc", "offset", "adjust_bits", "aux", "tsc", "tsc")
_DROPS = (3, 4)
"""Columns that a narrow panel does without, in this order: AUX, then the skew in cycles."""
_MOVED = (".offset", ".adjust", ".aux")
"""Values whose marks count."""
_LABEL = 6
"""Cells of a vCPU's name and sign."""
_UNITS = (("T", 10**12), ("G", 10**9), ("M", 10**6))


def short(value: int) -> str:
    """A count of cycles in three decimals, where there is no room for all of it: `−26.000 T`."""
    if abs(value) < 10**6:
        return count(value)
    unit, one = next((unit, one) for unit, one in _UNITS if abs(value) >= one)
    return f"{decimal(Fraction(value, one), 3)} {unit}"


def rows(frame: Frame, width: int) -> list[Row]:
    """The panel's rows: host, guest, the names of the columns, one row a vCPU."""
    khz = frame.options.tsc_khz
    seen = [_values(frame, vcpu) for vcpu in range(frame.options.vcpus)]
    cells, columns, widths = _table(seen, khz, width - _LABEL)
    head: list[Span] = [("vCPU  ", "label")]
    for at, room in zip(columns, widths, strict=True):
        head.append((_COLUMNS[at].rjust(room), "label"))
    table: list[Row] = [*_counters(frame, seen, _LABEL + widths[0], width), pad(head, width)]
    digits = len(str(len(seen) - 1))
    for vcpu, values in enumerate(cells):
        mark = strongest(frame.marks, *[f"vcpu{vcpu}{name}" for name in _MOVED])
        name = f"v{vcpu:<{digits}} ━"
        row: list[Span] = [(name, "strong"), (f"{mark:<{_LABEL - len(name)}}", "changed")]
        for (text, role), room in zip(values, widths, strict=True):
            row.append((text.rjust(room), role))
        table.append(pad(row, width))
    return table


def _values(frame: Frame, vcpu: int) -> tuple[int, int, int, int]:
    """TSC, offset, TSC_ADJUST and TSC_AUX of a vCPU."""
    peeks, put = frame.peeks, f"vcpu{vcpu}."
    return peeks[put + "tsc"], peeks[put + "offset"], peeks[put + "adjust"], peeks[put + "aux"]  # type: ignore[return-value]


def _counters(frame: Frame, seen: Sequence[tuple[int, int, int, int]], end: int, width: int) -> tuple[Row, Row]:
    """The counter of the host's processors, one for all vCPUs; and what v0 reads, and whether the others read the same.
    Both numbers end at cell `end`.
    """
    off = sum(values[1] != seen[0][1] for values in seen)
    words, role = ("follows host" if not seen[0][1] else "host + offset"), "label"
    if off:
        words, role = f"{off} of {len(seen)} differ from v0", "attention"
    elif len(seen) > 1:
        words += ", all alike"
    table = []
    for label, value, said in (
        ("host", frame.number("vcpu0.host"), ("since power-on", "label")),
        ("guest", seen[0][0], (words, role)),
    ):
        row = ((f"{label:<{_LABEL}}", "label"), (count(value).rjust(end - _LABEL), "strong"), ("   ", "text"), said)
        table.append(pad(row, width))
    return table[0], table[1]


def _table(
    seen: Sequence[tuple[int, int, int, int]], khz: Fraction, room: int
) -> tuple[list[list[tuple[str, str]]], list[int], list[int]]:
    """The cells of each vCPU as (text, role), which columns there are, and how wide each is.

    What does not fit loses AUX first, then the skew in cycles, then its last digits, the widest column first.
    """
    base = seen[0][1]
    skews = [_signed(values[1] - base) for values in seen]
    columns = list(range(len(_COLUMNS)))
    precise = [0] * len(_COLUMNS)
    while True:
        cells = [_cells(values, skew, khz, columns, precise) for values, skew in zip(seen, skews, strict=True)]
        needed = [max(len(_COLUMNS[at]), *(len(row[i][0]) for row in cells)) + 1 for i, at in enumerate(columns)]
        left = room - sum(needed)
        if left >= 0:
            break
        gone = next((at for at in _DROPS if at in columns), None)
        if gone is not None:
            columns.remove(gone)
            continue
        wide = [(needed[i], at) for i, at in enumerate(columns) if at < 3 and precise[at] < 2]
        if not wide:
            break
        precise[max(wide)[1]] += 1
    gap, more = divmod(max(0, left), len(columns))
    return cells, columns, [width + min(gap, 5) + (i < more and gap < 5) for i, width in enumerate(needed)]


def _cells(
    values: tuple[int, int, int, int], skew: int, khz: Fraction, columns: Sequence[int], precise: Sequence[int]
) -> list[tuple[str, str]]:
    """One vCPU's cells; zeros are faint, a skew asks for attention."""
    tsc, offset, adjust, aux = values
    all_cells: tuple[Callable[[], tuple[str, str]], ...] = (
        lambda: (_FORMS[precise[0]](tsc), "strong"),
        lambda: (_FORMS[precise[1]](offset), "text" if offset else "absent"),
        lambda: ("same", "label") if offset and offset == adjust else _adjust(adjust, precise[2]),
        lambda: (hexa(aux, 1, False), "text" if aux else "absent"),
        lambda: (signed(skew), "attention" if skew else "absent"),
        lambda: _skew(skew, khz),
    )
    return [all_cells[at]() for at in columns]


def _plain(value: int) -> str:
    """A whole number without gaps."""
    return str(value).replace("-", "−")


_FORMS: tuple[Callable[[int], str], ...] = (count, _plain, short)
"""How a count is written, from the widest form to the shortest."""


def _adjust(value: int, precise: int) -> tuple[str, str]:
    """IA32_TSC_ADJUST, with its sign."""
    text = _FORMS[precise](value)
    return ("+" + text if value > 0 else text, "text" if value else "absent")


@lru_cache(256)
def _skew(cycles: int, khz: Fraction) -> tuple[str, str]:
    """The skew to v0 as time: `+50.0 ns`."""
    if not cycles:
        return "0", "absent"
    ns = Fraction(cycles * 1_000_000) / khz
    text = f"{decimal(ns, 1)} ns" if abs(ns) < 1000 else duration(ns)
    return ("+" if cycles > 0 else "") + text, "attention"


def _signed(value: int) -> int:
    """A difference modulo 2^64 as the nearest signed number."""
    value &= (1 << 64) - 1
    return value - (1 << 64) if value >> 63 else value


class TscPanel(Panel):
    """The TSC: host and guest counters, offset, adjust and skew of each vCPU."""

    KEY = "6"
    NAME = "TSC"
    TAB = "tsc"
    TOPIC = "vcpu tsc. tsc_adjust tsc_aux"
    CLOCK = "tsc"
    HELP = """\
# Time stamp counter

The TSC is invariant: it counts at one rate in every state, from power-on. What a vCPU reads is host + offset, modulo
2^64.

| column | what it shows |
|---|---|
| guest TSC | what RDTSC gives on that vCPU now |
| offset | what is added to the host's counter |
| adjust | IA32_TSC_ADJUST, MSR 3Bh: the sum of all changes by writes; `same` as the offset |
| aux | TSC_AUX, MSR C0000103h, which RDTSCP gives in ECX |
| cycles, skew to v0 | how far it is from what vCPU 0 reads, in cycles and as time |

A write to MSR 10h changes adjust by the same amount; a write to MSR 3Bh moves the TSC by the change. A narrow panel
leaves out aux, then cycles, then digits: `−26.000 T` is 26 million million cycles. `enter` opens the register.
"""

    def head(self, frame: Frame) -> tuple[str, str]:
        """The kind of counter and its rate."""
        return "invariant", rate(frame.options.tsc_khz * 1000, 6, "GHz")

    @classmethod
    def is_marked(cls, frame: Frame) -> bool:
        """Whether a TSC was moved, or TSC_AUX written; what else a vCPU does is not its business."""
        return any(name.startswith("vcpu") and name.endswith(_MOVED) for name in frame.marks)

    def body(self, frame: Frame, width: int, height: int) -> list[Row]:
        """See `rows`."""
        return rows(frame, width)

    def cells(self, row: int) -> Sequence[tuple[int, int]]:
        """The host's and the guest's counter, then the columns of a vCPU."""
        if row < 2:
            return ((_LABEL + 1, self._columns()[1][0] - 1),) if self.frame is not None else ()
        if row < _HEAD:
            return ()
        at, cells = _LABEL, []
        for room in self._columns()[1]:
            cells.append((at + 1, room - 1))
            at += room
        return tuple(cells)

    def value_name(self, row: int, column: int) -> str:
        """The value at the cursor: `vcpu1.adjust_bits`."""
        if row < _HEAD:
            return ("vcpu0.host", "vcpu0.tsc", "")[row]
        columns = self._columns()[0]
        return f"vcpu{row - _HEAD}.{_NAMES[columns[min(column, len(columns) - 1)]]}" if columns else ""

    @classmethod
    def rows_at(cls, width: int) -> int:
        """The title, host, guest, the names of the columns, and four vCPUs; more of them scroll."""
        return _HEAD + 5

    def _columns(self) -> tuple[list[int], list[int]]:
        """Which columns there are now, and their widths."""
        if self.frame is None:
            return [], []
        seen = [_values(self.frame, vcpu) for vcpu in range(self.frame.options.vcpus)]
        khz = self.frame.options.tsc_khz
        _, columns, widths = _table(seen, khz, self.size.width - _LABEL)
        return columns, widths
