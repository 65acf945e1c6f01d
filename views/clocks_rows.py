"""The rows of the guest's clocks: what each believes, how its drift came to be, and where the vCPUs were meanwhile."""

from __future__ import annotations

import re
from collections.abc import Sequence
from fractions import Fraction
from functools import lru_cache
from typing import NamedTuple

from timerlab.text import duration, hexa, moment, plural, ppm
from timerlab.views.clocks_plot import NAMES, WIDE, Plotted, signed_duration
from timerlab.views.frame import Clock, Frame
from timerlab.views.lanes import lanes, span
from timerlab.views.rows import Row, Span, clip, numbers, pad, rule

__all__ = ["NAMES", "WIDE", "Columns", "Parts", "Plotted", "columns", "parts", "rows", "signed_duration"]

_DROPS = ("sched", "pm", "system", "hpet", "rtc", "tsc")
"""Clocks that a low panel does without, in this order."""
_SECOND = 10**9
_LEAST, _FEW, _MANY = 4, 6, 16
"""Rows of the plot: where there is room for little else, at least otherwise, and at most."""


class Columns(NamedTuple):
    """Where the columns of numbers end, and where *why* begins; 0 for a column that there is not."""

    believes: int
    drift: int
    rate: int
    day: int
    why: int


class Parts(NamedTuple):
    """How a height is shared: clocks in the table, rows of the plot, lanes, whether a line on the guest is last."""

    clocks: int
    plot: int
    lanes: int
    said: bool


def columns(width: int) -> Columns:
    """The columns at a width."""
    if width >= WIDE:
        return Columns(34, 55, 71, 85, 89)
    if width >= 78:
        return Columns(30, 46, 62, width, 0)
    return Columns(33, 49, width, 0, 0) if width >= 64 else Columns(29, 44, width, 0, 0)


def parts(width: int, height: int, clocks: int, vcpus: int) -> Parts:
    """How many rows each part has: the plot always has some, lanes come before the less important clocks at 78 and
    more, and after all else where it is narrower.
    """
    if not clocks:
        room = max(1, height - 3)
        return Parts(0, 0, min(vcpus, room), room > vcpus)
    around = 4 if width >= WIDE else 0  # a blank row, another one, the rule of the lanes, the header of the table
    head = around or 1
    if height < head + 5 + _FEW + min(vcpus, 4) and width >= 78:
        fewer = min(clocks, max(3, height - head - _LEAST - 1))
        shown = max(0, min(vcpus, height - head - fewer - _LEAST))
        return Parts(fewer, max(_LEAST, height - head - fewer - shown), shown, False)
    shown = min(vcpus, max(4, height - head - clocks - _FEW)) if width >= 78 else 0
    fewer = min(clocks, max(5, height - head - _FEW - shown))
    left = height - head - fewer - _FEW - shown
    if width < 78:
        shown = min(vcpus, max(0, left))
        left -= shown
    said = left > 0
    return Parts(fewer, min(_MANY, _FEW + max(0, left - said)), shown, said)


def rows(frame: Frame, width: int, height: int, across: int, plotted: Plotted) -> list[Row]:
    """The panel's rows: table, plot, lanes over the last `across` ns, what the guest knows and waits for."""
    clocks = frame.clocks()
    share = parts(width, height, len(clocks), frame.options.vcpus)
    table = _table(clocks, width, share.clocks) if clocks else _quiet(frame, width)
    wide = width >= WIDE
    if share.plot:
        table += [()] if wide else []
        table += plotted.rows(frame, clocks, width, share.plot)
        table += [()] if wide and share.lanes else []
    if wide and share.lanes:
        table.append(rule("", "vCPUs", "run, halt, stolen", _scale(width, across), width, False))
    table += lanes(frame, width, across, share.lanes)
    left = frame.options.vcpus - share.lanes
    if share.said:
        table.append(pad(_said(frame, width, left if share.lanes else 0, across), width))
    return table


def first_lane(frame: Frame, width: int, height: int) -> int:
    """The row of the first lane."""
    clocks = len(frame.clocks())
    share = parts(width, height, clocks, frame.options.vcpus)
    if not clocks:
        return len(_quiet(frame, width)) + (width >= WIDE)
    return 1 + share.clocks + share.plot + (3 if width >= WIDE else 0)


# -- the table


def kept(clocks: Sequence[Clock], most: int) -> list[Clock]:
    """The clocks that are shown, in their order, where only `most` have room."""
    gone = [name for name in _DROPS if any(one.clock == name for one in clocks)][: max(0, len(clocks) - most)]
    return [one for one in clocks if one.clock not in gone]


def _table(clocks: Sequence[Clock], width: int, most: int) -> list[Row]:
    """The names of the columns, and a row a clock."""
    return [_header(width), *(_row(one, width) for one in kept(clocks, most))]


@lru_cache(8)
def _header(width: int) -> Row:
    """The names of the columns."""
    at = columns(width)
    text = "clock"
    for name, end in zip(("believes", "drift", "rate", "a day"), at[:4], strict=True):
        text += name.rjust(end - len(text)) if end else ""
    if at.why:
        text = text.ljust(at.why) + "why"
    return pad(((text, "label"),), width)


def _row(one: Clock, width: int) -> Row:
    """One clock."""
    at = columns(width)
    name = NAMES.get(one.clock, one.clock)
    spans: list[Span] = [(name, "strong")]
    cells = [*_moments(one), *_speeds(one.rate, at.rate - at.drift)]
    used = len(name)
    for cell, end in zip(cells, at[:4], strict=True):
        if end:
            length = sum(len(text) for text, _ in cell)
            spans += [(" " * max(1, end - used - length), "text"), *cell]
            used = max(used + 1 + length, end)
    if at.why:
        spans += [(" " * (at.why - used), "text"), *clip(((_why(one), "label"),), width - at.why)]
    return pad(spans, width)


@lru_cache(64)
def _named(why: str) -> str:
    """A reason with lines and chips named as on the other panels: `IRQ0 is not 1000 Hz`, `10 ms against PIT`."""
    why = re.sub(r"\birq\.(\d+)", r"IRQ\1", why)
    return re.sub(r"(?<=against )(pit|hpet)", lambda chip: chip[0].upper(), why)


def _why(one: Clock) -> str:
    """Where its error comes from; the system's clock is another one's."""
    return f"clocksource {one.why}" if one.clock == "system" and one.why in NAMES else _named(one.why)


def _moments(one: Clock) -> tuple[list[Span], list[Span]]:
    """What it believes, and its drift; a clock that cannot say more does not get zeros."""
    if one.resolution >= _SECOND:
        seconds, drift = one.believes // _SECOND, abs(one.drift) // _SECOND * (1 if one.drift > 0 else -1)
        step = f" ± {one.resolution // _SECOND} s"
        return [(duration_s(seconds), "text"), (step, "label")], [
            (duration_s(drift, True), "attention" if abs(one.drift) >= 2 * one.resolution else "label"),
            (step, "label"),
        ]
    off = abs(one.drift) > max(one.resolution, 1000)
    return [(moment(one.believes), "text")], [(signed_duration(one.drift), "attention" if off else "text")]


@lru_cache(256)
def _speeds(rate: Fraction | None, cells: int) -> tuple[list[Span], list[Span]]:
    """Its rate error, and what that is in a day."""
    if rate is None:
        return [("–", "absent")], [("–", "absent")]
    written = ppm(rate)
    if len(written) >= cells:
        share = rate * 100
        written = f"{'+' if rate > 0 else '−'}{abs(int(share))} %"
    off = abs(rate) * 20_000_000 >= 1  # what is written as 0.1 ppm and more
    day = int(rate * 86_400 * _SECOND)
    role = "attention" if off else "text"
    return [(written, role)], [(signed_duration(day) if day else "0 s", role)]


def duration_s(seconds: int, sign: bool = False) -> str:
    """Whole seconds without their unit: `12`, `+3`."""
    return ("+" if sign and seconds > 0 else "") + str(seconds).replace("-", "−")


# -- before boot


def _quiet(frame: Frame, width: int) -> list[Row]:
    """How to begin, while there is no system."""
    how: list[Span] = [("no system runs in the guest: ", "label"), ("os boot", "interactive")]
    if width >= 64:
        how.append((" counts ticks, calibrates, picks a clock" if width >= 78 else " begins", "label"))
    return [pad(how, width), ()]


# -- the plot


def _scale(width: int, across: int) -> str:
    """What the lanes show."""
    cell = Fraction(across, max(1, width - 20))
    return f"{duration(across).replace('.000', '')} to now, {duration(cell)} a cell"


def _said(frame: Frame, width: int, more: int, across: int) -> Row:
    """What the guest knows of what was stolen, and what waits for a vCPU that is out."""
    told, waits = _steal(frame), _waits(frame)
    if told or waits:
        spans = [("in guest    ", "label"), *told, *([("    ", "text")] if told and waits else []), *waits]
    elif width >= WIDE:
        spans = [("in guest    nothing was stolen, nothing waits", "label")]
    else:
        spans = [(f"lanes       {span(across, across)} to now; nothing was stolen, nothing waits", "label")]
    if more > 0:
        spans.append((f"    {plural(more, 'vCPU')} more", "label"))
    return clip(spans, width)


def _steal(frame: Frame) -> list[Span]:
    """The steal time page of the vCPU that was stolen most; the host's own count where there is no page."""
    peeks, vcpus = frame.peeks, range(frame.options.vcpus)
    pages = [(value, v) for v in vcpus if isinstance(value := peeks.get(f"pv{v}.steal"), int)]
    if pages:
        ns, v = max(pages, key=lambda page: (page[0], -page[1]))
        spans: list[Span] = [(f"steal v{v} ", "label"), (duration(ns), "strong")]
        spans.append((f"  version {peeks.get(f'pv{v}.steal_version')}", "label"))
        if frame.number(f"pv{v}.preempted") & 1:
            spans += [(", ", "label"), ("PREEMPTED", "attention")]
        return spans
    ns, v = max(((frame.number(f"vcpu{v}.steal_ns"), v) for v in vcpus), key=lambda one: (one[0], -one[1]))
    if not ns:
        return []
    return [(f"stolen v{v} ", "label"), (duration(ns), "strong"), (", no page tells it", "label")]


def _waits(frame: Frame) -> list[Span]:
    """An interrupt that is pending in the local APIC of a vCPU that is out."""
    found = []
    for v in range(frame.options.vcpus):
        if frame.peeks.get(f"vcpu{v}.state", "run") in ("run", "halt"):
            continue
        vector = frame.peeks.get(f"lapic{v}.pending")
        if isinstance(vector, int):
            found.append((v, vector))
    if not found:
        return []
    v, vector = found[0]
    timer = "timer " if vector == frame.number(f"lapic{v}.lvt_timer") & 0xFF else ""
    more = f", {len(found) - 1} more" if len(found) > 1 else ""
    words = numbers(f"v{v} {timer}{hexa(vector, 2)} is pending and waits for v{v} to run{more}", "label")
    return list(words)
