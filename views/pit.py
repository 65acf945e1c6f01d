"""The 8254: three channels as columns, their fields as rows, in the order in which the datasheet explains them."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from functools import lru_cache

from timerlab.text import duration, hexa, rate
from timerlab.views.frame import Frame, Wave
from timerlab.views.marks import strongest
from timerlab.views.panel import Panel
from timerlab.views.rows import Row, Span, pad
from timerlab.views.square import draw

__all__ = ["FIELDS", "PitPanel", "columns", "rows"]

FIELDS = (
    ("mode", "mode", ("mode",)),
    ("access", "rw", ("rw", "bcd")),
    ("CR load", "cr", ("cr",)),
    ("CE count", "ce", ()),
    ("OL latch", "ol", ("ol",)),
    ("status", "status", ("status",)),
    ("byte", "rd", ("rd", "wr")),
    ("pins", "null", ("null", "gate", "out")),
    ("rate", "period", ()),
    ("next", "next", ()),
    ("OUT", "out", ()),
)
"""Each row's label, the value that the inspector opens there, and the values whose marks it carries."""

_MODES = {
    0: ("end of count", "end of count"),
    1: ("one-shot", "one-shot"),
    2: ("rate gen", "rate generator"),
    3: ("square wave", "square wave"),
    4: ("soft strobe", "software strobe"),
    5: ("hard strobe", "hardware strobe"),
    6: ("no period", "own, no period"),
    7: ("no period", "own, no period"),
}
_ACCESS = {1: "lo", 2: "hi", 3: "lo/hi"}
_WIRED = ("IRQ0", "refresh", "speaker")
_ABSENT: Row = (("    –", "absent"),)
_NONE: Row = (("–", "absent"),)


def columns(width: int) -> tuple[int, int]:
    """Where the first channel's value begins, and how far apart the channels are."""
    return 11, 22 if width >= 78 else 18 if width >= 64 else 16


def rows(frame: Frame, width: int) -> list[Row]:
    """The panel's rows: a header, one row a field, and OUT in two rows."""
    first, pitch = columns(width)
    channels = [_channel(frame, ch, pitch) for ch in range(3)]
    head: list[Span] = [(" " * first, "text")]
    for ch, wired in enumerate(_WIRED):
        head += pad(((f"ch {ch}", "strong"), (" → " + wired, "label")), pitch)
    table: list[Row] = [pad(head, width)]
    for at, (label, _, marked) in enumerate(FIELDS):
        line: list[Span] = [(f"{label:<9}", "label")]
        for ch in range(3):
            names = [f"pit.ch{ch}.{name}" for name in marked]
            line += [(strongest(frame.marks, *names), "changed"), (" ", "text")]
            line += pad(channels[ch][at], pitch - 2)
        table.append(pad(line, width))
    lower: list[Span] = [(" " * first, "text")]
    for ch in range(3):
        lower += pad(channels[ch][-1], pitch)
    return [*table, pad(lower, width)]


@lru_cache(4096)
def _number(code: int, bcd: int, live: bool, held: bool = False) -> Row:
    """A 16-bit count as decimal and as it stands in the register; a cell this narrow has no gaps between thousands."""
    value = sum((code >> 4 * n & 15) * 10**n for n in range(4)) if bcd else code
    digits = f"{value:>5}"
    if held and value < 10_000:
        digits = "◊" + digits[1:]
    return ((digits, "strong" if live else "text"), ("  " + hexa(code, 4)[:-1], "text"), ("h", "label"))


def _load(code: int, bcd: int) -> Row:
    """A count register: 0 stands for the largest count."""
    row = _number(code, bcd, False)
    return row if code else (("10000" if bcd else "65536", "text"), *row[1:])


def _channel(frame: Frame, ch: int, pitch: int) -> tuple[Row, ...]:
    """One channel's values, in the order of `FIELDS`; then the lower row of its wave."""
    peeks, name = frame.peeks, f"pit.ch{ch}."

    def value(field: str) -> int | None:
        found = peeks.get(name + field)
        return found if isinstance(found, int) else None

    kind, bcd, loaded = value("kind"), value("bcd") or 0, value("loaded")
    upper, lower = _wave(frame, ch, pitch - 3)
    pins = _pins(value("null"), value("gate"), value("out"))
    if kind is None:
        unset = {22: "no control word yet", 18: "no control word"}.get(pitch, "unprogrammed")
        return (
            ((unset, "label"),),
            _NONE,
            *[_ABSENT] * 4,
            _NONE,
            pins,
            _NONE,
            _NONE,
            ((upper, "label"),),
            ((lower, "label"),),
        )
    short, long = _MODES[kind]
    empty: Row = (
        ("– ", "absent") if pitch < 18 else _ABSENT[0],
        ("not loaded" if pitch < 18 else " not loaded", "label"),
    )
    return (
        ((f"{value('mode')} {long if pitch >= 22 else short}", "text"),),
        ((_ACCESS.get(value("rw") or 3, "lo/hi"), "text"), (" BCD" if bcd else " binary", "label")),
        _load(value("cr") or 0, bcd) if loaded or value("cr") else _ABSENT,
        _number(value("ce") or 0, bcd, True) if loaded else empty,
        _ABSENT if value("ol") is None else _number(value("ol") or 0, bcd, False, True),
        _status(frame, name, pitch),
        _bytes(frame, name),
        pins,
        _rate(frame.options.pit_hz, value("period")),
        _next(frame, value("next"), value("next_level")),
        ((upper, "label"),),
        ((lower, "label"),),
    )


def _status(frame: Frame, name: str, pitch: int) -> Row:
    """The latched status byte; after it was read, that it was."""
    status = frame.peeks.get(name + "status")
    if isinstance(status, int):
        row: Row = (("◊ ", "text"), (hexa(status, 2)[:-1], "text"), ("h", "label"))
        if pitch >= 18:
            row += (("  ", "text"), *_bit("out", status >> 7), (" ", "text"), *_bit("null", status >> 6 & 1))
        return row
    if pitch >= 22 and name + "status" in frame.marks:
        return (*_ABSENT, (" read", "label"))
    return _ABSENT


def _bytes(frame: Frame, name: str) -> Row:
    """Which byte the next read gives and the next write takes."""
    row: list[Span] = []
    for field in ("rd", "wr"):
        fresh = frame.marks.get(name + field) == "●"
        row += [
            (("  " if row else "") + field + " ", "label"),
            (str(frame.peeks.get(name + field) or "–"), "changed" if fresh else "text"),
        ]
    return tuple(row)


def _bit(name: str, value: int | None) -> Row:
    """A bit by its name: upper case and bold while it is set."""
    return ((name.upper(), "strong") if value else (name, "label"),)


@lru_cache(16)
def _pins(null: int | None, gate: int | None, out: int | None) -> Row:
    """NULL COUNT, the gate and OUT."""
    return (*_bit("null", null), (" ", "text"), *_bit("gate", gate), (" ", "text"), *_bit("out", out))


@lru_cache(256)
def _rate(pit_hz: Fraction, period: int | None) -> Row:
    """The frequency of OUT in the modes that repeat."""
    return _NONE if not period else ((rate(pit_hz / period), "text"),)


def _next(frame: Frame, ns: int | None, level: int | None) -> Row:
    """How long until OUT's next edge, and which way it goes."""
    return _NONE if ns is None else (("↑ " if level else "↓ ", "text"), (duration(ns - frame.now), "text"))


def _wave(frame: Frame, ch: int, cells: int) -> tuple[str, str]:
    """OUT as a small wave that stands still: it begins at a fixed phase of the next period, not at now."""
    name = f"pit.ch{ch}.out"
    peeks = frame.peeks
    due = peeks.get(f"pit.ch{ch}.next")
    if not isinstance(due, int):
        lo, cell = frame.now, 1
    else:
        period = frame.number(f"pit.ch{ch}.period")
        high = frame.number(f"pit.ch{ch}.high") if frame.peeks.get(f"pit.ch{ch}.kind") == 3 else 0
        clock = 1_000_000_000 / frame.options.pit_hz
        if not period:
            cell = max(1, (due - frame.now) // (cells // 2))
            lo = due - cells // 2 * cell - cell // 2
        else:
            shown = 8 if high else 3 if period < 64 else 7
            cell = max(1, int(clock * period) // shown)
            lead = 0 if high else shown // 2 if shown < 7 else 4
            start = due
            if high and not peeks.get(f"pit.ch{ch}.next_level"):
                start = due - int(clock * high)
            lo = start - lead * cell - cell // 2
            if lo < frame.now:
                lo += int(clock * period)
            if not peeks.get(f"pit.ch{ch}.null"):  # from one period to the next it looks the same
                quirks = frame.options.quirks
                key = (period, high, cells, cell, peeks.get(f"pit.ch{ch}.kind"), quirks.get("pit_count"))
                wave = _steady(key, quirks.get("odd_mode3"), peeks.get(f"pit.ch{ch}.gate"))
                if not wave:
                    wave.append(frame.wave(name, lo, lo + cell * cells, cells))
                return draw(wave[0], frame.ascii)
    return draw(frame.wave(name, lo, lo + cell * cells, cells), frame.ascii)


@lru_cache(64)
def _steady(*rhythm: object) -> list[Wave]:
    """Where the wave of a rhythm is kept once it was asked for."""
    del rhythm
    return []


class PitPanel(Panel):
    """The PIT: mode, counts, latches, flip-flops, pins and the waves of its three channels."""

    KEY = "1"
    NAME = "PIT"
    TAB = "pit"
    TOPIC = "pit."
    CLOCK = "pit"
    HELP = """\
# PIT, Intel 8254

Three channels count down at 1.193 182 MHz. One column a channel, one row a field.

| row | what it shows |
|---|---|
| mode | mode of the last control word; 6 and 7 are 2 and 3 |
| access | bytes of a count, and how it counts |
| CR load | count register: the value that the next load takes |
| CE count | counting element, live |
| OL latch | `◊` the latched count, held until it is read |
| status | `◊` the latched status byte |
| byte | which byte the next read gives, the next write takes |
| pins | NULL COUNT, GATE, OUT; upper case while set |
| rate, next | frequency of OUT; its next edge |

`n` goes to the next event, `c` one PIT clock on, `enter` opens the value under the cursor.
"""

    def head(self, frame: Frame) -> tuple[str, str]:
        """The part's name and its clock."""
        return "8254", rate(frame.options.pit_hz, 6)

    def body(self, frame: Frame, width: int, height: int) -> list[Row]:
        """See `rows`."""
        return rows(frame, width)

    def cells(self, row: int) -> Sequence[tuple[int, int]]:
        """The three channels of a field."""
        if not 1 <= row <= len(FIELDS):
            return ()
        first, pitch = columns(self.size.width)
        return tuple((first + pitch * ch, pitch - 3) for ch in range(3))

    def value_name(self, row: int, column: int) -> str:
        """The value of a field and a channel: `pit.ch0.cr`."""
        return f"pit.ch{column}.{FIELDS[row - 1][1]}" if 1 <= row <= len(FIELDS) else ""

    @classmethod
    def rows_at(cls, width: int) -> int:
        """The title, the header, the fields, the lower half of OUT."""
        return len(FIELDS) + 3
