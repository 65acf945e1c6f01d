"""Guests in guests: what each level's TSC is made of, with the numbers of now, and what the hardware makes of it."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from timerlab.scaling import SVM_FRAC, VMX_FRAC, nested_offset, signed
from timerlab.text import count, decimal, hexa, plural
from timerlab.text import signed as with_sign
from timerlab.views.frame import Frame
from timerlab.views.marks import strongest
from timerlab.views.panel import Panel
from timerlab.views.rows import Row, Span, clip, numbers, pad
from timerlab.views.tsc import short

__all__ = ["NestedPanel", "chosen", "rows"]

_LABEL = 11
"""Cells of a row's name, its mark and a blank."""
_COLUMNS = ("TSC", "offset", "ratio")
_LEVELS = (
    ("{cpu}host", "", ""),
    ("{cpu}l1tsc", "{nest}o01", "{nest}m01"),
    ("{nest}tsc2", "{nest}field_offset", "{nest}field_ratio"),
)
"""The values of each level's row: TSC, offset, ratio."""
_SUM = ("o01", "next_o12", "next_o02", "next_m02", "tsc2", "two_step", "delta", "last_exit")
_LIVE = {"next_o12": "o12", "next_o02": "o02", "next_m02": "m02"}
"""While L2 runs the arithmetic is that of the last entry."""
_FAR = 1 << 32
"""Two ways to L2's TSC that are further apart do not differ by rounding."""
_HEAD = 4
"""Rows above the arithmetic: the names of the columns, L0, L1, L2."""


def _rooms(width: int) -> tuple[int, int, int]:
    """The widths of the columns TSC, offset and ratio."""
    if width >= 78:
        return 26, 26, 15
    return (20, 20, 13) if width >= 64 else (20, 17, 10)


def chosen(frame: Frame) -> int:
    """The vCPU that is shown: the first that runs L2, else the first that ever did, else v0."""
    vcpus = range(frame.options.vcpus)
    for name in ("guest_mode", "entries"):
        for v in vcpus:
            if frame.number(f"nest{v}.{name}"):
                return v
    return 0


def _svm(frame: Frame) -> bool:
    return frame.options.quirks.get("vendor") == "amd"


def _frac(frame: Frame) -> int:
    return SVM_FRAC if _svm(frame) else VMX_FRAC


def _used(frame: Frame, v: int) -> bool:
    """Whether there is anything to show of L2: it ran, or L1 wrote something for it."""
    if frame.options.quirks.get("nested") == "off":
        return False
    return bool(frame.number(f"nest{v}.entries") or frame.number(f"nest{v}.next_o12")) or (
        frame.number(f"nest{v}.next_m12") not in (0, 1 << _frac(frame))
    )


def rows(frame: Frame, width: int, vcpu: int | None = None) -> list[Row]:
    """The panel's rows for a vCPU: the levels, and where there is an L2, how its offset and ratio come about."""
    v = chosen(frame) if vcpu is None else vcpu
    table = [_header(width), *(_level(frame, v, level, width) for level in range(3))]
    if _used(frame, v):
        table += _arithmetic(frame, v, width)
    else:
        off = frame.options.quirks.get("nested") == "off"
        call = "VMRUN" if _svm(frame) else "VMLAUNCH"
        said = f"nested=off: {call} is #UD" if off else "not entered: l2 enter lets L1 run a guest"
        table.append(pad(((" " * _LABEL, "text"), (said, "label")), width))
    if frame.options.vcpus > 1:
        table.append(_others(frame, v, width))
    return table


def _header(width: int) -> Row:
    """The names of the columns."""
    row: list[Span] = [(f"{'level':<{_LABEL}}", "label")]
    row += [(name.rjust(room), "label") for name, room in zip(_COLUMNS, _rooms(width), strict=True)]
    return pad(row, width)


def _level(frame: Frame, v: int, level: int, width: int) -> Row:
    """L0, L1 or L2: `►` at who runs."""
    put = {"cpu": f"vcpu{v}.", "nest": f"nest{v}."}
    inside = frame.number(f"nest{v}.guest_mode")
    runs = level == (2 if inside else 1)
    if level == 2 and not _used(frame, v):
        return pad((("L2", "absent"), (" " * (_LABEL - 2), "text"), ("–".rjust(_rooms(width)[0]), "absent")), width)
    names = [name.format(**put) for name in _LEVELS[level]]
    marks = ([f"vcpu{v}.offset", f"vcpu{v}.ratio"], names[1:])[level == 2] if level else []
    row: list[Span] = [
        (f"L{level} ", "strong" if runs else "text"),
        ("►" if runs else " ", "strong"),
        (" " * 5, "text"),
        (f"{strongest(frame.marks, *marks)} ", "changed"),
    ]
    tsc, offset, ratio = (frame.peeks.get(name) if name else None for name in names)
    for value, room, role in ((tsc, _rooms(width)[0], "strong"), (offset, _rooms(width)[1], "text")):
        nothing = ("–" if level else "").rjust(room), "absent"
        row.append((fit(value, room), role) if isinstance(value, int) else nothing)
    row.append(_ratio(ratio, _frac(frame), _rooms(width)[2]) if level else ("", "text"))
    return pad(row, width)


def fit(value: int, room: int, best: str = "") -> str:
    """A count at the right end of its cells: with gaps, or as `best` has it; without them, or shortened."""
    for text in (best or count(value), str(value).replace("-", "−")):
        if len(text) < room:
            return text.rjust(room)
    return short(value).rjust(room)


def _ratio(ratio: object, frac: int, room: int) -> Span:
    """A ratio at the right end of its cells."""
    if not isinstance(ratio, int):
        return "–".rjust(room), "absent"
    return ratio_text(ratio, frac, room).rjust(room), "label" if ratio == 1 << frac else "text"


def ratio_text(ratio: int, frac: int, room: int = 20) -> str:
    """A ratio with as many decimals, up to six, as there is room for: `1.500 000`."""
    texts = [decimal(Fraction(ratio, 1 << frac), places) for places in (6, 3, 0)]
    return next((text for text in texts if len(text) < room), texts[-1])


def _arithmetic(frame: Frame, v: int, width: int) -> list[Row]:
    """Where the hardware's offset and ratio come from, what L2 reads by them, and by two steps."""
    put, frac = f"nest{v}.", _frac(frame)
    live = bool(frame.number(put + "guest_mode"))
    o12, o02, m12, m02 = (frame.number(put + ("" if live else "next_") + name) for name in ("o12", "o02", "m12", "m02"))
    o01, m01, one = frame.number(put + "o01"), frame.number(put + "m01"), 1 << frac
    floor = frame.options.quirks.get("nested_rounding") == "floor"
    part = signed(nested_offset(o01, m12, 0, frac, floor))
    by = ratio_text(m12, frac)
    block = "vmcb12" if _svm(frame) else "vmcs12"
    times = "o01 as it is, m12 is 1" if m12 == one else f"o01 × {by}"
    field = frame.number(put + ("next_o12" if live else "o12"))
    taken: Span = (f"from {block}", "label")
    if live and field != o12:
        taken = (f"{block} has {count(field)} now", "attention")
    loaded: Span = ("in the hardware" if live else "at the next VM entry", "label")
    if signed(part + o12) != o02:
        loaded = ("older than the ratio", "attention")
    room = _rooms(width)[0]
    each = (width - _LABEL - room - 4) // 2
    factor: tuple[Span, ...] = ((f"{ratio_text(m01, frac, each)} × {ratio_text(m12, frac, each)}", "label"),)
    if width >= 84:
        factor += (("  ", "text"), *numbers(hexa(m02, 16), "label"))
    ratio = (ratio_text(m02, frac, room).rjust(room), "text" if live else "label")
    return [
        _line("o01 · m12", fit(part, room), (times, "label"), width, live),
        _line("+ o12", fit(o12, room), taken, width, live, strongest(frame.marks, put + "o12")),
        _line("= o02", fit(o02, room), loaded, width, live, strongest(frame.marks, put + "o02")),
        pad(clip((*_name("m02", strongest(frame.marks, put + "m02")), ratio, ("   ", "text"), *factor), width), width),
        *_readings(frame, put, live, width),
        _last(frame, put, live, width),
    ]


def _name(label: str, mark: str = " ") -> tuple[Span, Span]:
    """A row's name and mark."""
    return (f"{label:<9}", "label"), (mark + " ", "changed")


def _line(label: str, number: str, said: Span, width: int, live: bool, mark: str = " ") -> Row:
    """A number of the arithmetic, and what it is."""
    row = (*_name(label, mark), (number, "strong" if live else "text"), ("   ", "text"), said)
    return pad(clip(row, width), width)


def _readings(frame: Frame, put: str, live: bool, width: int) -> list[Row]:
    """L2's TSC by the hardware and by two steps, and how far L2's offset is from L1's."""
    room = _rooms(width)[0]
    nothing = "–".rjust(room)
    if not live:
        names = ("hardware", "two-step", "delta")
        sums = ("L0 · m02 + o02", "L1 · m12 + o12", "o02 − o01")
        return [
            pad((*_name(name), (nothing, "absent"), ("   ", "text"), (said, "absent")), width)
            for name, said in zip(names, sums, strict=True)
        ]
    hardware, steps, delta = (frame.number(put + name) for name in ("tsc2", "two_step", "delta"))
    apart, formula = signed(hardware - steps), "" if width < 64 else "L1 · m12 + o12, "
    said: Span = ("L1 · m12 + o12, the same", "label")
    if abs(apart) > _FAR:
        said = (f"{formula}L1 has wrapped", "attention")
    elif apart:
        said = (f"{formula}{plural(abs(apart), 'cycle')} {'less' if apart > 0 else 'more'}", "text")
    return [
        _line("hardware", fit(hardware, room), ("L0 · m02 + o02", "label"), width, True),
        _line("two-step", fit(steps, room), said, width, False),
        _line("delta", fit(delta, room, with_sign(delta)), ("o02 − o01", "label"), width, False),
    ]


def _last(frame: Frame, put: str, live: bool, width: int) -> Row:
    """Where o01 is kept while L2 runs; or the last exit."""
    exits, entries = frame.number(put + "exits"), frame.number(put + "entries")
    if live:
        due = frame.peeks.get(put + "due")
        text = f"o01 in {frame.peeks.get(put + 'kept_in')}, {plural(entries, 'entry', 'entries')}"
        if isinstance(due, int):
            text += f", timer in {count(due - frame.now)} ns"
        return pad(clip((*_name("kept"), (text, "text")), width), width)
    last = frame.peeks.get(put + "last_exit")
    said = str(last) if exits and last else "L2 has not run yet"
    return pad(clip((*_name("last"), (said, "text" if exits else "label")), width), width)


def _others(frame: Frame, shown: int, width: int) -> Row:
    """Which level each vCPU runs."""
    row: list[Span] = [*_name("vCPUs")]
    for v in range(frame.options.vcpus):
        inside = frame.number(f"nest{v}.guest_mode")
        row.append((f"v{v} L{2 if inside else 1}  ", "strong" if v == shown else "text" if inside else "label"))
    return pad(clip(row, width), width)


class NestedPanel(Panel):
    """Nested guests: L0, L1 and L2, and the arithmetic between them."""

    KEY = "v"
    NAME = "Nested levels"
    TAB = ""
    TOPIC = "nest"
    CLOCK = "tsc"
    HELP = """\
# Nested levels

L0 is the hypervisor on the hardware, L1 its guest, and L2 the guest of L1, which is a hypervisor too. Each makes its
guest's TSC of its own: times a ratio, plus an offset. The hardware has room for one ratio and one offset, so while L2
runs, L0 puts in both levels' at once: m02 = m01 · m12, o02 = o01 · m12 + o12.

| row | what it shows |
|---|---|
| L0 L1 L2 | TSC, and what L0 writes for L1, L1 for L2; `►` at who runs |
| o01 · m12, + o12, = o02 | the offset while L2 runs; while L1 does, what the next VM entry loads |
| m02 | the ratio |
| hardware, two-step | L2's TSC as the processor makes it of the host's, and as it would be made of L1's |
| delta | o02 − o01 |
| kept, last | where L1's offset is while L2 runs; the last exit to L1 |

**An example.** The host's TSC is at 10 000 000 000, L1's offset is −4 000 000 000, and L1 gave L2 an offset of
1 000 000 000. L1 takes its own TSC, 6 000 000 000, for the hardware's: L2 is to read 7 000 000 000. So the hardware
gets o02 = −4 000 000 000 + 1 000 000 000 = −3 000 000 000.

At an exit the hardware gets −4 000 000 000 back, as it was kept. Nothing is subtracted, nothing written to vmcb12.

If L0 changes L1's offset to −3 500 000 000 while L2 runs, because the vCPU moved to another processor or userspace
wrote L1's TSC, L2 must follow: o02 becomes −2 500 000 000, and L2 reads 7 500 000 000. delta stays 1 000 000 000. An
exit and a new entry give the same: −3 500 000 000 + 1 000 000 000.

With ratios, adding the change itself would be wrong by the factor m12, so o02 is worked out again; and the hardware,
which rounds once, may differ from two steps by some cycles. RDMSR, WRMSR and RDTSC of L2 go to L1 where L1 intercepts
them; L0 then gives no value. Where it does not, a write sets L1's TSC. What L1 changes in vmcb12 while L2 runs counts
from the next VM entry on.

`l2 offset 1000000000`, `l2 enter`, `rdtsc`, `l2 exit`.
"""

    def head(self, frame: Frame) -> tuple[str, str]:
        """The kind of hardware, and who runs on the vCPU that is shown."""
        kind = "SVM" if _svm(frame) else "VMX"
        if frame.options.quirks.get("nested") == "off":
            return kind, "off"
        v = chosen(frame)
        return kind, f"v{v} runs L{2 if frame.number(f'nest{v}.guest_mode') else 1}"

    def body(self, frame: Frame, width: int, height: int) -> list[Row]:
        """See `rows`."""
        return rows(frame, width)

    def cells(self, row: int) -> Sequence[tuple[int, int]]:
        """TSC, offset and ratio of a level; the number of a row below."""
        first, second, third = _rooms(self.size.width)
        if row == 0:
            return ()
        if row == 1:
            return ((_LABEL, first),)
        if row < _HEAD:
            return ((_LABEL, first), (_LABEL + first, second), (_LABEL + first + second, third))
        return ((_LABEL, first if row < _HEAD + 7 else self.size.width - _LABEL),)

    def value_name(self, row: int, column: int) -> str:
        """The value at the cursor: `nest0.o12`."""
        if self.frame is None or row == 0:
            return ""
        v = chosen(self.frame)
        put = {"cpu": f"vcpu{v}.", "nest": f"nest{v}."}
        if row < _HEAD:
            return _LEVELS[row - 1][column].format(**put)
        if not _used(self.frame, v) or row >= _HEAD + len(_SUM):
            return ""
        name = _SUM[row - _HEAD]
        if self.frame.number(put["nest"] + "guest_mode"):
            name = "kept_in" if name == "last_exit" else _LIVE.get(name, name)
        return put["nest"] + name

    @classmethod
    def rows_at(cls, width: int) -> int:
        """The title, the levels, the arithmetic, and the vCPUs' row."""
        return _HEAD + len(_SUM) + 2
