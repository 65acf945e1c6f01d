"""The plot of the guest's clocks: samples of their drift, kept as series, and what a jump came of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from itertools import pairwise
from operator import sub

from timerlab.text import duration, plural
from timerlab.views.frame import Clock, Frame
from timerlab.views.plot import Cause, Memo, Series, end_of, extremes, nice, plot, scale_of
from timerlab.views.rows import Row

NAMES = {
    "ticks": "ticks",
    "tsc": "TSC cal",
    "hpet": "HPET",
    "pm": "PM timer",
    "rtc": "RTC",
    "kvmclock": "kvmclock",
    "sched": "sched",
    "system": "system",
}
"""What the clocks are called."""
WIDE = 100
"""From this width on there is a column *why*, and the lanes have a rule of their own."""
_ROLES = {"ticks": "attention", "tsc": "interactive", "kvmclock": "strong", "system": "changed", "sched": "text"}
_DRAWN = ("ticks", "tsc", "kvmclock", "system", "hpet", "pm")
"""Clocks that are plotted, the uppermost first; the RTC knows no more than seconds."""
_SECOND = 10**9
Track = Sequence[tuple[int, Mapping[str, int]]]
"""Samples: ns, and the drift of each clock."""
_JUMP = 3
"""A jump has a cause of its own if it is so many times as large as any other, or the only one."""


@lru_cache(256)
def signed_duration(ns: int) -> str:
    """A drift: `−1.271 ms`, `+13.168 s`, `0`."""
    return ("+" if ns > 0 else "") + duration(ns) if ns else "0"


class Plotted:
    """The plot of the drifts, drawn anew only where a dot moved."""

    def __init__(self) -> None:
        self._key: object = None
        self._rows: list[Row] = []
        self._dot = 1
        self._last: object = None
        self._at = self._many = 0
        self._memos: dict[str, Memo] = {}
        self._points: dict[str, list[tuple[int, int]]] = {}
        self._series: list[Series] = []
        self._causes: list[Cause] = []

    def rows(self, frame: Frame, clocks: Sequence[Clock], width: int, height: int) -> list[Row]:
        """The plot in `width` x `height` cells: what was sampled, and what is now."""
        boot = frame.now - clocks[0].believes + clocks[0].drift
        track = frame.track() or ((boot, dict.fromkeys(_DRAWN, 0)),)  # none is off when it begins
        lo = _begin(track[0][0], frame.now)
        hi = end_of(lo, frame.now)
        now = {one.clock: one.drift for one in clocks}
        if track[-1][0] == frame.now:
            now.update(track[-1][1])  # as the other points are meant
        key = self._key_of(frame, track, now, lo, hi, width, height)
        if key != self._key or track[-1][0] < self._at:
            self._at = track[-1][0]
            self._take(track, clocks)
            series, ends = self._series, [_end(now, one.name, frame.now) for one in self._series]
            left, names = (12, 10) if width >= WIDE else (9, 9)
            self._rows = plot(
                *(series, lo, hi, width, height),
                ends=ends,
                left=left,
                names=names,
                causes=self._causes,
                ascii=frame.ascii,
            )
            scale = scale_of(series, height, ends)
            self._dot = max(1, (scale.top - scale.bottom) // (4 * height))
            self._key = self._key_of(frame, track, now, lo, hi, width, height)
        return list(self._rows)

    def _take(self, track: Track, clocks: Sequence[Clock]) -> None:
        """Take the samples that are new: the others are known, and what was made of them."""
        at = len(track)
        while at and track[at - 1] is not self._last:
            at -= 1
        if not at or len(track) < self._many:  # gone back, or thinned out
            at, self._points, self._memos = 0, {}, {}
        self._many = len(track)
        if at < len(track) or not self._series:
            for ns, drifts in track[at:]:
                for clock in _DRAWN:
                    if clock in drifts:
                        self._points.setdefault(clock, []).append((ns, drifts[clock]))
            for clock, points in self._points.items():
                gone = next((n for n, point in enumerate(points) if point[0] >= track[0][0]), len(points))
                self._points[clock] = points[gone:]
            names = {one.clock for one in clocks if one.believes or one.clock != "ticks"}
            self._series = [
                Series(
                    NAMES[clock],
                    _ROLES.get(clock, "label"),
                    tuple(self._points.get(clock, ())),
                    self._memos.setdefault(clock, Memo()),
                )
                for clock in _DRAWN
                if clock in names
            ]
            self._causes = _causes(self._series, clocks)
        self._last = track[-1]

    def _key_of(
        self,
        frame: Frame,
        track: Track,
        now: Mapping[str, int],
        *axis: int,
    ) -> tuple[object, ...]:
        """What the plot hangs on: `axis` is its begin, its end, width and height; the columns of the present and of the
        last sample, and the last dots, as high as the last scale had them. What differs less moves no dot.
        """
        lo, hi, width, _ = axis
        last = track[-1][0]
        dots = [now.get(name, 0) // self._dot for name in _DRAWN]
        cells = width - (23 if width >= WIDE else 19)
        columns = (2 * cells * (at - lo) // (hi - lo) for at in (frame.now, last))
        return (*axis, frame.ascii, track[0][0], *columns, *dots)


def _begin(first: int, now: int) -> int:
    """Where the axis begins: at a round place before the first sample."""
    step = nice(max(1, (now - first) // 10))
    return first // step * step


def _end(now: Mapping[str, int], name: str, at: int) -> tuple[int, int] | None:
    """What a clock's line ends with: its drift now."""
    clock = next(clock for clock in _DRAWN if NAMES[clock] == name)
    return (at, now[clock]) if clock in now else None


def _is_steep(points: Sequence[tuple[int, int]], at: int) -> bool:
    """Whether a line moves so much faster after a point than elsewhere that it is a jump, and not only a longer way
    between two samples.
    """
    speeds = [abs(y - was) * _SECOND // max(1, x - since) for (since, was), (x, y) in pairwise(points)]
    here = speeds.pop(at)
    return here > _JUMP * max(speeds, default=0)


def _causes(series: Sequence[Series], clocks: Sequence[Clock]) -> list[Cause]:
    """What the largest jump of all is: ticks that were lost or added, or a clock that was set."""
    tick = next((one.resolution for one in clocks if one.clock == "ticks"), 0)
    least = max(1000, 3 * tick // 2)
    jumps: list[tuple[int, Series, int]] = []
    for one in series:
        low, high = extremes(one)
        if high - low <= least:
            jumps += [(high - low, one, -1)] if high > low else []
            continue
        drifts = [drift for _, drift in one.points]
        steps = list(map(sub, drifts[1:], drifts))
        ends = dict.fromkeys(map(steps.index, (min(steps), max(steps)))) if steps else {}
        for at in ends:
            jumps.append((abs(steps[at]), one, at))
            steps[at] = 0
        jumps += [(max(map(abs, steps)), one, -1)] if steps else []
    jumps.sort(key=lambda jump: -jump[0])
    if not jumps or jumps[0][0] <= least or (len(jumps) > 1 and jumps[0][0] < _JUMP * jumps[1][0]):
        return []
    size, one, at = jumps[0]
    if not _is_steep(one.points, at):
        return []
    before, here = one.points[at], one.points[at + 1]
    if one.name == NAMES["ticks"] and tick:
        many = plural((size + tick // 2) // tick, "tick")
        words = f"{many} {'lost' if here[1] < before[1] else 'added'}"
    else:
        words = f"{one.name} {signed_duration(here[1] - before[1])}"
    return [Cause(here[0], words, min(here[1], before[1]), max(here[1], before[1]))]


# -- the last line
