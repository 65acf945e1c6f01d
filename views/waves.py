"""Waves: any lines over one time axis, with zoom, pan, two cursors and the way from edge to edge."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import ClassVar

from textual import events
from textual.binding import Binding, BindingType

from timerlab.text import duration, duration_exact
from timerlab.views.frame import Frame
from timerlab.views.panel import Panel
from timerlab.views.rows import Row
from timerlab.views.square import series
from timerlab.views.wave_lines import chosen, first_with_edges, label, ordered, oscillator
from timerlab.views.wave_rows import View, fitting, head_rows, names_of, pitch, plan_for, rows, shown_lines, window

__all__ = ["WavesPanel"]

_RHYTHMS = (
    "pit.ch0.period",
    *("pit.ch0.cr", "pit.ch0.kind", "rtc.rate", "rtc.b", "hpet.conf"),
    *("hpet.t0.period", "lapic0.tmict", "lapic0.lvt_timer"),
)
"""Values that set how fast lines move: the window follows the first, or else any of the others."""


def _short(ns: int) -> str:
    """A duration without zeros at its end: `37.5 µs`."""
    number, _, unit = duration_exact(ns).rpartition(" ")
    return f"{number.rstrip('0 ').rstrip('.') if '.' in number else number} {unit}"


class WavesPanel(Panel):
    """Waves of the lines, with two cursors."""

    KEY = "w"
    NAME = "Waves"
    TAB = "wave"
    HINTS = (("/", "choose lines"), ("a b", "cursors"), ("[ ]", "edge"), ("+ −", "zoom"), ("f", "fit"))
    HELP = """\
# Waves

Each line in two rows over one time axis; `┃` is now, what follows is faint: a prediction.

| key | does |
|---|---|
| up, down | select a line |
| `/` | choose lines, in the order of the words: `uip irq8 hpet` |
| `+` `−` | zoom in, out, around the cursor that moves or else around now |
| left, right | pan by a tenth; with shift by a whole window |
| `f` | fit the span from A to B, or four periods of the line |
| `a` `b` | set cursor A or B, or make it the one that moves; again: take it away |
| `[` `]` | put that cursor on the previous or next edge of the line |
| `g` | go to the cursor: the session travels there; without one, type where |
| `h` | back home: now in its place |

`┳╹` is a low pulse narrower than a cell, `╻┻` a high one, `░` has three edges or more.
"""
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("plus,equals_sign", "zoom(-1)", "zoom in", show=False),
        Binding("minus", "zoom(1)", "zoom out", show=False),
        Binding("left", "pan(-1)", "earlier", show=False),
        Binding("right", "pan(1)", "later", show=False),
        Binding("shift+left", "pan(-10)", "much earlier", show=False),
        Binding("shift+right", "pan(10)", "much later", show=False),
        Binding("f", "fit", "fit", show=False),
        Binding("h", "home", "home", show=False),
        Binding("a", "cursor('a')", "cursor A", show=False),
        Binding("b", "cursor('b')", "cursor B", show=False),
        Binding("left_square_bracket", "edge(-1)", "previous edge", show=False),
        Binding("right_square_bracket", "edge(1)", "next edge", show=False),
        Binding("g", "go", "go to cursor", show=False),
    ]

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self.view = View()
        self._fitted: object = None
        self._words = ""
        self._ordered: tuple[str, ...] = ()
        self._order_of: object = None

    @property
    def filter(self) -> str:
        """The words that choose the lines; empty for all of them."""
        return self._words

    @filter.setter
    def filter(self, text: str) -> None:
        """Show only the lines that these words choose."""
        self._words = text
        self.draw()

    @property
    def clock(self) -> str:
        """The oscillator of the selected line."""
        names = self.view.names
        return oscillator(names[min(self.view.selected, len(names) - 1)]) if names else self.CLOCK

    def head(self, frame: Frame) -> tuple[str, str]:
        """How many lines of how many are shown, and what the width covers."""
        width = self.size.width
        total = len(frame.lines())
        many = shown_lines(self.size.height - 1, len(names_of(frame, self.view)), self.view, width)
        many = many if self._chosen(frame) else 0
        part = f"{many} of {total} lines" if many < total else f"{total} lines"
        if self.filter:
            part += f" with {self.filter.strip()}"
        cells = plan_for(width).cells
        across = duration(cells * self.view.cell)
        return part, f"{across} across{', ' if width >= 131 else '   '}{_short(self.view.cell)} a cell"

    def body(self, frame: Frame, width: int, height: int) -> list[Row]:
        """See `rows`."""
        names = self._chosen(frame)
        if not names:
            return [((f"no line is called {self.filter.strip()}", "label"),)]
        if names != self.view.names:
            self._take(names, width, height)
        self._fit_first(frame, width)
        self.view = replace(self.view, focused=self.has_focus)
        return rows(frame, width, height, self.view)

    def _chosen(self, frame: Frame) -> tuple[str, ...]:
        """The lines that the filter leaves; their order changes only while the clock stands."""
        if frame is not self._order_of and (not frame.running or set(self._ordered) != set(frame.lines())):
            self._ordered = ordered(frame)
        self._order_of = frame
        return chosen(self._ordered, self.filter)

    def _take(self, names: tuple[str, ...], width: int, height: int) -> None:
        """Show other lines, or the same in another order: the selected one stays selected, and in sight."""
        view = self.view
        old = view.names[view.selected] if view.selected < len(view.names) else ""
        selected = names.index(old) if view.selected and old in names else 0
        many = shown_lines(height, len(names), view, width)
        first = max(0, min(view.first, selected, len(names) - many), selected - many + 1)
        self.view = replace(view, names=names, selected=selected, first=first)

    def cells(self, row: int) -> Sequence[tuple[int, int]]:
        """No values of its own to stand on: the selected line is the cursor."""
        return ()

    def on_click(self, event: events.Click) -> None:
        """Select the line under the mouse and put the moving cursor there."""
        if self.frame is None:
            return
        width = self.size.width
        plan = plan_for(width)
        height, lines = self.size.height - 1, len(names_of(self.frame, self.view))
        at = (event.y - 1 - head_rows(self.view, width)) // pitch(height, lines, self.view, width)
        many = shown_lines(height, lines, self.view, width)
        if event.y > head_rows(self.view, width) and 0 <= at < many:
            self.view = replace(self.view, selected=self.view.first + at)
        if self.view.active and event.x >= plan.at:
            lo, _ = window(self.frame, width, self.view)
            self._place(max(0, lo + (event.x - plan.at) * self.view.cell))
        self.draw()

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        """Zoom out, or with shift pan to later times."""
        event.stop()
        self.action_pan(1) if event.shift else self.action_zoom(1)

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        """Zoom in, or with shift pan to earlier times."""
        event.stop()
        self.action_pan(-1) if event.shift else self.action_zoom(-1)

    def action_move(self, rows: int, columns: int) -> None:
        """Select another line."""
        if self.frame is None:
            return
        names = names_of(self.frame, self.view)
        many = shown_lines(self.size.height - 1, len(names), self.view, self.size.width)
        selected = max(0, min(self.view.selected + rows, len(names) - 1))
        first = min(max(self.view.first, selected - many + 1), selected)
        self.view = replace(self.view, selected=selected, first=max(0, min(first, len(names) - many)))
        self.draw()

    def action_zoom(self, direction: int) -> None:
        """Make a cell cover more or less time, around the moving cursor or around now."""
        if self.frame is None:
            return
        cell = series(self.view.cell)[direction > 0]
        if cell * plan_for(self.size.width).cells > 10**18:
            return
        anchor = self._active()
        if anchor is None and not self.view.shift:
            self._fitted = ""
            self.view = replace(self.view, cell=cell)
        else:
            lo, hi = window(self.frame, self.size.width, self.view)
            kept = (lo + hi) // 2 if anchor is None or anchor not in range(lo, hi) else anchor
            place = (kept - lo) // self.view.cell
            back = plan_for(self.size.width).back
            self._fitted = ""
            self.view = replace(self.view, cell=cell, shift=kept // cell - place - self.frame.now // cell + back)
        self.draw()

    def action_pan(self, tenths: int) -> None:
        """Move the window by tenths of its width."""
        cells = plan_for(self.size.width).cells
        self.view = replace(self.view, shift=self.view.shift + (cells * tenths // 10 or tenths))
        self.draw()

    def action_fit(self) -> None:
        """Fit the span of the cursors, or four periods."""
        if self.frame is not None:
            self._fitted = ""
            self.view = fitting(self.frame, self.size.width, self.view)
            self.draw()

    def action_home(self) -> None:
        """Bring now back to its place."""
        self.view = replace(self.view, shift=0)
        self.draw()

    def action_cursor(self, name: str) -> None:
        """Set a cursor at the other one or at now; make it the moving one; take it away."""
        if self.frame is None:
            return
        here = self.view.a if name == "a" else self.view.b
        if here is None:
            start = self._active()
            self.view = replace(self.view, active=name)
            self._place(self.frame.now if start is None else start)
        elif self.view.active == name:
            other = "b" if name == "a" else "a"
            left = self.view.b if name == "a" else self.view.a
            self.view = replace(self.view, active=other if left is not None else "")
            self.view = replace(self.view, a=None) if name == "a" else replace(self.view, b=None)
        else:
            self.view = replace(self.view, active=name)
        self.draw()

    def action_edge(self, direction: int) -> None:
        """Put the moving cursor on the next or previous edge of the selected line; with none, A comes first."""
        if self.frame is None:
            return
        if not self.view.active:
            self.view = replace(self.view, active="a")
        here = self._active()
        name = names_of(self.frame, self.view)[self.view.selected]
        found = self.frame.edge(name, self.frame.now if here is None else here, direction)
        if found is not None:
            self._place(found[0])
            self._show(found[0])
        self.draw()

    def action_go(self) -> None:
        """Ask the app to travel to the moving cursor, or for the time where there is none."""
        here = self._active()
        if here is not None:
            self.post_message(self.Command(f"goto {here}ns"))

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """`g` is the panel's own only while a cursor is there."""
        return self._active() is not None if action == "go" else True

    def action_choose(self) -> None:
        """Ask for the inspector of the selected line."""
        if self.frame is not None:
            name = names_of(self.frame, self.view)[self.view.selected]
            self.post_message(self.Inspect(self, name, label(name)))

    def action_leave(self) -> None:
        """Take the wave cursors away, then the choice of lines."""
        if self.view.active:
            self.view = replace(self.view, a=None, b=None, active="")
        else:
            self._words = ""
        self.draw()

    def _active(self) -> int | None:
        """Where the moving cursor stands."""
        return {"a": self.view.a, "b": self.view.b}.get(self.view.active)

    def _place(self, ns: int) -> None:
        """Put the moving cursor somewhere."""
        self.view = replace(self.view, a=ns) if self.view.active == "a" else replace(self.view, b=ns)

    def _show(self, ns: int) -> None:
        """Pan so that a moment can be seen."""
        if self.frame is None:
            return
        lo, hi = window(self.frame, self.size.width, self.view)
        if ns not in range(lo, hi):
            middle = (lo + hi) // 2
            self.view = replace(self.view, shift=self.view.shift + (ns - middle) // self.view.cell)

    def _fit_first(self, frame: Frame, width: int) -> None:
        """Until a zoom was chosen, follow the period of channel 0, which a command changes and time does not; while it
        does not count, that of the uppermost line that has edges to come.
        """
        if self._fitted == "":
            return
        rhythm = (width, *(frame.peeks.get(name) for name in _RHYTHMS))
        if rhythm[1]:
            rhythm = rhythm[:2]
        if rhythm == self._fitted or (not rhythm[1] and frame.running):
            return
        name = "pit.ch0.out" if rhythm[1] else first_with_edges(frame, self.view.names)
        if name:
            self._fitted = rhythm
            self.view = replace(fitting(frame, width, self.view, name), focused=self.view.focused)
