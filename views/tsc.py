"""The time stamp counters: the host's, the guest's, and for each vCPU what lies between them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from functools import lru_cache
from typing import NamedTuple

from timerlab.scaling import SVM_FRAC, VMX_FRAC
from timerlab.scaling import signed as signed_word
from timerlab.text import count, decimal, duration, hexa, rate, signed
from timerlab.views.frame import Frame
from timerlab.views.marks import strongest
from timerlab.views.panel import Panel
from timerlab.views.rows import Row, Span, pad

__all__ = ["TscPanel", "kind_of", "rows", "short"]

_HEAD = 3
"""Rows before the first vCPU: host, guest, the names of the columns."""
_COLUMNS = ("host TSC", "guest cycles", "guest TSC", "offset", "scale", "adjust", "aux", "cycles", "skew to v0")
_HOST, _CYCLES, _TSC, _OFFSET, _SCALE, _ADJUST, _AUX, _SKEW, _TIME = range(len(_COLUMNS))
_NAMES = {
    _HOST: "host",
    _TSC: "tsc",
    _OFFSET: "offset",
    _SCALE: "ratio",
    _ADJUST: "adjust_bits",
    _AUX: "aux",
    _SKEW: "tsc",
    _TIME: "tsc",
}
_SHORT = (*_COLUMNS[:_TIME], "skew")
"""The same where there is little room."""
_COUNTS = (_HOST, _CYCLES, _TSC, _OFFSET, _ADJUST)
"""Columns whose numbers lose their gaps, and then their last digits, where there is no room."""
_DROPS = (_AUX, _SKEW, _HOST)
"""Columns that a narrow panel does without, in this order: AUX, the skew in cycles, the host's counters."""
_MOVED = (".offset", ".adjust", ".aux", ".ratio")
"""Values whose marks count."""
_STILL = 19
"""Cells that a TSC is given where there is room, so that the columns stand still while it grows: up to 10^14."""
_WIDE = 118
"""From this width on the counter of each vCPU's processor is shown, even if all are alike."""
_MEDIUM = 78
"""Below this width a ratio has three decimals."""
_UNITS = (("T", 10**12), ("G", 10**9), ("M", 10**6))
_STATES = {"run": ("━", "strong"), "halt": ("─", "label"), "stolen": ("░", "attention")}
"""The sign of a vCPU's state; a dot where its hypervisor has it, or it is stopped."""


class _Seen(NamedTuple):
    """What is shown of a vCPU. `cycles` is None where no policy counts them; the ratio is a fraction of 1."""

    host: int
    cycles: int | None
    tsc: int
    offset: int
    ratio: Fraction
    adjust: int
    aux: int


def short(value: int) -> str:
    """A count of cycles in three decimals, where there is no room for all of it: `−26.000 T`."""
    if abs(value) < 10**6:
        return count(value)
    unit, one = next((unit, one) for unit, one in _UNITS if abs(value) >= one)
    return f"{decimal(Fraction(value, one), 3)} {unit}"


def _label(vcpus: int, width: int) -> int:
    """Cells of a vCPU's name, sign and mark."""
    return 6 if vcpus > 10 or width >= 64 else 5


def kind_of(frame: Frame) -> str:
    """What the host's counters do in power states, as the quirks have it."""
    quirks = frame.options.quirks
    constant, nonstop = (quirks.get(name, "yes") == "yes" for name in ("constant_tsc", "nonstop_tsc"))
    if constant:
        return "invariant" if nonstop else "constant, stops in C3"
    return "follows P-states" + ("" if nonstop else ", stops in C3")


def rows(frame: Frame, width: int) -> list[Row]:
    """The panel's rows: host, guest, the names of the columns, one row a vCPU."""
    seen = _all(frame)
    cells, columns, widths = _table(seen, _khz(frame), width)
    label = _label(len(seen), width)
    head: list[Span] = [("vCPU".ljust(label), "label")]
    for at, room in zip(columns, widths, strict=True):
        name = _COLUMNS[at] if len(_COLUMNS[at]) < room else _SHORT[at]
        head.append((name.rjust(room), "label"))
    end = _end(seen, columns, widths, width)
    table: list[Row] = [*_counters(frame, seen, end, width), pad(head, width)]
    digits = len(str(len(seen) - 1))
    for vcpu, values in enumerate(cells):
        mark = strongest(frame.marks, *[f"vcpu{vcpu}{name}" for name in _MOVED]) if frame.marks else " "
        sign, role = _STATES.get(str(frame.peeks.get(f"vcpu{vcpu}.state") or "run"), ("·", "label"))
        row: list[Span] = [(f"v{vcpu:<{digits}} ", "strong"), (sign, role)]
        row.append((f"{mark:<{label - digits - 3}}", "changed"))
        for (text, how), room in zip(values, widths, strict=True):
            row.append((text.rjust(room), how))
        table.append(pad(row, width))
    return table


def _end(seen: Sequence[_Seen], columns: Sequence[int], widths: Sequence[int], width: int) -> int:
    """Where the counters of the first two rows end: with the column of the guest's TSCs, or behind the longer one."""
    longest = 1 + max(len(count(seen[0].host)), len(count(seen[0].tsc)))
    return _label(len(seen), width) + max(longest, sum(widths[: columns.index(_TSC) + 1]))


def _all(frame: Frame) -> list[_Seen]:
    """All vCPUs."""
    one = 1 << (SVM_FRAC if frame.options.quirks.get("vendor") == "amd" else VMX_FRAC)
    return [_seen(frame, vcpu, one) for vcpu in range(frame.options.vcpus)]


@lru_cache(64)
def _named(vcpu: int) -> tuple[str, ...]:
    """The values of a vCPU, by name."""
    named = tuple(f"vcpu{vcpu}.{name}" for name in ("host", "l1tsc", "offset", "ratio", "adjust", "aux"))
    return (*named, f"policy.v{vcpu}.guest_cycles")


def _seen(frame: Frame, vcpu: int, one: int) -> _Seen:
    """One vCPU. `one` is the ratio 1."""
    host, tsc, offset, ratio, adjust, aux, cycles = map(frame.peeks.get, _named(vcpu))
    scale = _ONE if ratio is None or ratio == one else Fraction(ratio, one)  # type: ignore[arg-type]
    return _Seen(host, cycles, tsc, offset, scale, adjust, aux)  # type: ignore[arg-type]


_ONE = Fraction(1)


def _khz(frame: Frame) -> Fraction:
    """The rate of the processor that vCPU 0 is on, in kHz."""
    khz = frame.number(f"host.p{frame.number('vcpu0.pcpu')}.khz")
    return Fraction(khz) if khz and khz != int(frame.options.tsc_khz) else frame.options.tsc_khz


def _counters(frame: Frame, seen: Sequence[_Seen], end: int, width: int) -> tuple[Row, Row]:
    """The counter of the processor that v0 is on, and whether the others' read the same; and what v0 reads, and whether
    the others do. Both numbers end at cell `end`.
    """
    first = seen[0]
    since = "since host boot" if frame.options.quirks.get("host_boot") == "earlier" else "since power-on"
    apart = sum(values.host != first.host for values in seen)
    host = (f"differs for {apart} of {len(seen)}", "attention") if apart else (since, "label")
    off = sum(values.tsc != first.tsc for values in seen)
    words = "host × ratio" if first.ratio != 1 else "host"
    words = f"{words} + offset" if first.offset else words if first.ratio != 1 else "follows host"
    guest = (words + (", all alike" if len(seen) > 1 else ""), "label")
    if off:
        guest = (f"{off} of {len(seen)} differ from v0", "attention")
    table = []
    for label, value, said in (("host", first.host, host), ("guest", first.tsc, guest)):
        row = ((f"{label:<5}", "label"), (count(value).rjust(end - 5), "strong"), ("   ", "text"), said)
        table.append(pad(row, width))
    return table[0], table[1]


def _table(
    seen: Sequence[_Seen], khz: Fraction, width: int
) -> tuple[list[list[tuple[str, str]]], list[int], list[int]]:
    """The cells of each vCPU as (text, role), which columns there are, and how wide each is.

    What does not fit loses columns first, then its last digits, the widest column first.
    """
    room = width - _label(len(seen), width)
    base = seen[0].tsc
    skews = [signed_word(values.tsc - base) for values in seen]
    khz *= seen[0].ratio  # what v0's TSC makes of it
    columns = list(range(len(_COLUMNS)))
    if width < 64 or (width < _WIDE and all(values.host == seen[0].host for values in seen)):
        columns.remove(_HOST)
    if seen[0].cycles is None:
        columns.remove(_CYCLES)
    if all(values.ratio == 1 for values in seen):
        columns.remove(_SCALE)
    names: tuple[str, ...] = _COLUMNS
    precise = dict.fromkeys(_COUNTS, 0) | {_SCALE: 3 if width < _MEDIUM else 6}
    while True:
        cells = [_cells(values, skew, khz, columns, precise) for values, skew in zip(seen, skews, strict=True)]
        needed = [max(len(names[at]), *(len(row[i][0]) for row in cells)) + 1 for i, at in enumerate(columns)]
        left = room - sum(needed)
        if left >= 0:
            break
        gone = next((at for at in _DROPS if at in columns), None)
        if gone is not None:
            columns.remove(gone)
            continue
        if names is _COLUMNS:
            names = _SHORT
            continue
        wide = [(needed[i], at) for i, at in enumerate(columns) if precise.get(at, 2) < 2]
        if not wide:
            break
        precise[max(wide)[1]] += 1
    tsc = columns.index(_TSC)
    spare = max(0, min(left, _STILL - needed[tsc]))
    needed[tsc] += spare
    gap, more = divmod(max(0, left - spare), len(columns))
    return cells, columns, [wide + min(gap, 5) + (i < more and gap < 5) for i, wide in enumerate(needed)]


def _cells(
    values: _Seen, skew: int, khz: Fraction, columns: Sequence[int], precise: dict[int, int]
) -> list[tuple[str, str]]:
    """One vCPU's cells; zeros are faint, a skew asks for attention."""
    return [_cell(at, values, skew, khz, precise.get(at, 0)) for at in columns]


def _cell(at: int, values: _Seen, skew: int, khz: Fraction, precise: int) -> tuple[str, str]:
    """A cell of one column."""
    offset, adjust = values.offset, values.adjust
    match at:
        case 0:
            return _FORMS[precise](values.host), "text"
        case 1:
            return _FORMS[precise](values.cycles or 0), "text"
        case 2:
            return _FORMS[precise](values.tsc), "strong"
        case 3:
            return _FORMS[precise](offset), "text" if offset else "absent"
        case 4:
            return f"× {decimal(values.ratio, precise)}", "text" if values.ratio != 1 else "absent"
        case 5:
            return ("same", "label") if offset and offset == adjust else _adjust(adjust, precise)
        case 6:
            return hexa(values.aux, 1, False), "text" if values.aux else "absent"
        case 7:
            return signed(skew), "attention" if skew else "absent"
    return _skew(skew, khz)


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


class TscPanel(Panel):
    """The TSC: host and guest counters, offset, adjust and skew of each vCPU."""

    KEY = "6"
    NAME = "TSC"
    TAB = "tsc"
    TOPIC = "vcpu tsc. tsc_adjust tsc_aux tsc_ratio"
    CLOCK = "tsc"
    HELP = """\
# Time stamp counter

A guest's TSC is that of the processor that its vCPU runs on, times a ratio, plus an offset, modulo 2^64. The title says
what the processors' TSCs do in power states: an invariant one counts at one rate in every state.

| column | what it shows |
|---|---|
| v0 | the vCPU: `━` runs, `─` is halted, `░` is stolen, `·` is out with its hypervisor, or stopped |
| host TSC | the counter of its processor |
| guest cycles | what Palacios had counted at the last exit, on which it bases the guest's TSC |
| guest TSC | what RDTSC gives on that vCPU now; L1's while L2 runs |
| offset | what is added to the host's counter |
| scale | what that is multiplied by first, where it is not 1 |
| adjust | IA32_TSC_ADJUST, MSR 3Bh: the sum of all changes by writes; `same` as the offset |
| aux | TSC_AUX, MSR C0000103h, which RDTSCP gives in ECX |
| cycles, skew to v0 | how far it is from what vCPU 0 reads, in cycles and as time |

A write to MSR 10h changes adjust by the same amount; a write to MSR 3Bh moves the TSC by the change. A narrow panel
leaves out aux, then cycles, then digits: `−26.000 T` is 26 million million cycles. `enter` opens the register;
`explain tsc 0` shows the arithmetic of a vCPU with the numbers of now.
"""

    def head(self, frame: Frame) -> tuple[str, str]:
        """The kind of counter and its rate."""
        return kind_of(frame), rate(_khz(frame) * 1000, 6, "GHz")

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
            if self.frame is None:
                return ()
            end = _end(_all(self.frame), *self._columns(), self.size.width)
            return ((6, end - 6),)
        if row < _HEAD:
            return ()
        at, cells = _label(self.frame.options.vcpus if self.frame else 1, self.size.width), []
        for room in self._columns()[1]:
            cells.append((at + 1, room - 1))
            at += room
        return tuple(cells)

    def value_name(self, row: int, column: int) -> str:
        """The value at the cursor: `vcpu1.adjust_bits`."""
        if row < _HEAD:
            return ("vcpu0.host", "vcpu0.tsc", "")[row]
        columns = self._columns()[0]
        if not columns:
            return ""
        at, vcpu = columns[min(column, len(columns) - 1)], row - _HEAD
        return f"policy.v{vcpu}.guest_cycles" if at == _CYCLES else f"vcpu{vcpu}.{_NAMES[at]}"

    @classmethod
    def rows_at(cls, width: int) -> int:
        """The title, host, guest, the names of the columns, and four vCPUs; more of them scroll."""
        return _HEAD + 5

    def _columns(self) -> tuple[list[int], list[int]]:
        """Which columns there are now, and their widths."""
        if self.frame is None:
            return [], []
        _, columns, widths = _table(_all(self.frame), _khz(self.frame), self.size.width)
        return columns, widths
