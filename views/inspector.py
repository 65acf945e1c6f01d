"""The register inspector: any register as its bits, and a bit turned by the command that it equals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import ClassVar, Protocol

from textual import events
from textual.binding import Binding, BindingType

from timerlab.views.frame import Frame
from timerlab.views.inspector_rows import WIDE, Upper, lower, pinned, title, upper, writes
from timerlab.views.panel import Panel
from timerlab.views.rows import Row, pad, plain, rule
from timerlab.views.sight import Effect, Sight, Subject, Written, content, field_at, first_bit, status_words

__all__ = ["Desk", "InspectorPanel"]

PINS = 2
"""So many registers are pinned at most."""
PIN_ROWS = 10
"""Rows of a pinned register at most."""
LEAST_PIN = 6
"""Rows that a pinned register needs to say anything."""


class Desk(Protocol):
    """Who knows the session: asked when the cursor or the state is another, never for each frame."""

    def effect_of(self, subject: Subject, value: int, bit: int) -> Effect:
        """What turning a bit equals, and what it would do now."""

    def writes_of(self, subject: Subject) -> Sequence[Written]:
        """The writes to a register, newest first."""

    def turn(self, effect: Effect) -> bool:
        """Issue the commands; whether all were carried out."""

    def edit(self, effect: Effect) -> None:
        """Put the command into the prompt."""

    def tell(self, words: str) -> None:
        """Say something under the prompt."""

    def close_inspector(self) -> None:
        """Back to where one came from."""


class InspectorPanel(Panel):
    """A register, bit by bit."""

    NAME = "Inspector"
    HINTS = (
        ("←→", "bit"),
        ("space", "turn"),
        ("e", "edit value"),
        ("y", "copy"),
        ("p", "pin"),
        ("esc", "back"),
    )
    HINT_ACTIONS: ClassVar[Mapping[str, str]] = {"space": "turn", "e": "edit", "p": "pin"}
    """What a click on a hint does here."""
    HELP = """\
# Inspector

A register as its bits. `enter` on a value in a panel opens the register that it belongs to; so does `inspect pit.cmd`.

| key | does |
|---|---|
| `← →` | the next bit to the left, to the right |
| `↑ ↓` | the field above, below |
| `space` | turn the bit: issue the command that it equals |
| `e` | put that command into the prompt, to edit it |
| `y` | copy that command |
| `p` | pin the register: it stays in sight below others; again lets it go |
| `esc` | back to the panel |

A click chooses a bit; a click on the chosen bit turns it. What the command would do now is tried on a copy of the
machine and stands behind it. A bit that cannot be turned says why: `ro` bits can only be read, some are cleared by a
read, some by a written 1, reserved ones are left as they are.

A register that can only be written shows what was written last. From 120 columns on, the latest writes are listed.
"""
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("space", "turn", "turn the bit", show=False),
        Binding("e", "edit", "edit the command", show=False),
        Binding("p", "pin", "pin the register", show=False),
        Binding("pageup", "roll(-8)", "scroll up", show=False),
        Binding("pagedown", "roll(8)", "scroll down", show=False),
    ]

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.desk: Desk | None = None
        self.subject: Subject | None = None
        self.origin = ""
        """The key of the panel that the register belongs to."""
        self.bit = 0
        """The bit under the cursor."""
        self.pins: list[Subject] = []
        self._follow = "bit"
        self._top = 0
        self._window = 0
        self._below = 0
        self._upper = Upper()
        self._effect: tuple[object, Effect] = (None, Effect())
        self._writes: dict[Subject, tuple[object, Sequence[Written]]] = {}

    def owns_hints(self, special: bool) -> bool:
        """Always: its keys are not those of the other panels."""
        return True

    # what is looked at

    def open(self, subject: Subject, bit: int | None = None) -> None:
        """Look at another register, or at another bit."""
        if subject != self.subject:
            self._top = 0
            self.bit = first_bit(subject) if bit is None else bit
        elif bit is not None:
            self.bit = bit
        self.subject, self._follow = subject, "bit"
        self.draw()

    def sight(self, frame: Frame, subject: Subject, effect: bool = True) -> Sight:
        """All that the rows of a register need; what hangs on the session is asked for once a state."""
        told = self._told(frame, subject)
        value = content(subject, frame.peeks, told)
        seen = Sight(subject, value, self.bit, Effect(), told, status_words(subject, frame.peeks))
        if not effect or self.desk is None:
            return seen
        kept = seen.shown & ~sum(one.mask for one in seen.layout.fields if one.access == "ro")
        key = (subject, kept, self.bit, frame.source, frame.stops, frame.position, len(frame.log))
        if self._effect[0] != key:
            self._effect = (key, self.desk.effect_of(subject, seen.shown, self.bit))
        later = len(frame.log) - frame.position if frame.past else 0
        return replace(seen, effect=self._effect[1], later=later)

    def _told(self, frame: Frame, subject: Subject) -> Sequence[Written]:
        """The writes to a register, asked for again when the log is another."""
        state = (frame.source, frame.stops, frame.position, len(frame.log))
        known = self._writes.get(subject)
        if known is None or known[0] != state:
            told = self.desk.writes_of(subject) if self.desk is not None else ()
            known = self._writes[subject] = (state, told)
        return known[1]

    # what is drawn

    def _title(self, frame: Frame, width: int) -> Row:
        if self.subject is None:
            return rule("", self.NAME, "", "", width, self.has_focus)
        name, part, value = title(self.sight(frame, self.subject, effect=False))
        if self._below > 0:
            value += f"  ↓ {self._below}"
        return rule(self.origin, name, part, value, width, self.has_focus)

    def body(self, frame: Frame, width: int, height: int) -> list[Row]:
        """The upper part, scrolled so that the cursor is seen; the lower part, which stays; what is pinned; writes."""
        if self.subject is None:
            return []
        sight = self.sight(frame, self.subject)
        self._upper = high = upper(sight, width, True)
        low = lower(sight, width, height - len(high.rows) - 1)
        rows = self._scrolled(high, height - len(low) - 1)
        rows += [(), *low]
        left = height - len(rows)
        if width >= WIDE:
            rows += self._pinned(frame, width, left - 1)
            rows += [(), *writes(sight, width, height - len(rows) - 1)]
        return [pad(row, width) for row in rows][: max(height, 1)]

    def _scrolled(self, high: Upper, window: int) -> list[Row]:
        """As many of the upper rows as there is room for, the cursor's row among them."""
        total = len(high.rows)
        window = max(3, window)
        if self._follow:
            first, last = high.bit_rows if self._follow == "bit" else (high.field_row, high.field_row)
            self._top = min(max(self._top, last - window + 1), first)
            if self._follow == "field" and high.field_row == last and total <= window:
                self._top = 0
        self._top = max(0, min(self._top, total - window))
        self._window = window
        self._below = max(0, total - window - self._top)
        return high.rows[self._top : self._top + window]

    def _pinned(self, frame: Frame, width: int, height: int) -> list[Row]:
        """The pinned registers, side by side."""
        others = [one for one in self.pins if one != self.subject]
        height = min(height, PIN_ROWS)
        if not others or height < LEAST_PIN:
            return []
        half = (width - 2) // 2
        blocks = [pinned(self.sight(frame, one, effect=False), half, height) for one in others]
        rows: list[Row] = [()]
        for y in range(max(len(block) for block in blocks)):
            line: Row = ()
            for i, block in enumerate(blocks):
                line = (*pad(line, i * (half + 2)), *(block[y] if y < len(block) else ()))
            rows.append(line)
        return rows

    def text(self) -> str:
        """The whole register as plain text, rows that are scrolled away included."""
        if self.frame is None or self.subject is None:
            return ""
        width = self.size.width
        sight = self.sight(self.frame, self.subject)
        rows = [self._title(self.frame, width), *upper(sight, width, True).rows, (), *lower(sight, width, 99)]
        return "\n".join(plain(row) for row in rows)

    def cells(self, row: int) -> Sequence[tuple[int, int]]:
        """The cursor is drawn with the bits."""
        return ()

    # what the keys do

    def _fields(self, frame: Frame) -> tuple[Sight, list[int]]:
        """What is seen, and the lowest bit of each field from the highest on."""
        assert self.subject is not None
        sight = self.sight(frame, self.subject, effect=False)
        return sight, [one.lo for one in sorted(sight.layout.fields, key=lambda one: -one.hi)]

    def action_move(self, rows: int, columns: int) -> None:
        """A bit further, or a field."""
        if self.frame is None or self.subject is None:
            return
        if columns:
            self.bit = max(0, min(self.bit - columns, self.subject.reg.width - 1))
            self._follow = "bit"
        if rows:
            sight, lows = self._fields(self.frame)
            at = lows.index(field_at(sight.layout, self.bit).lo) + rows
            if 0 <= at < len(lows):
                self.bit = lows[at]
            self._follow = "field"
        self.draw()

    def action_choose(self) -> None:
        """Nothing: what could be opened is open."""

    def action_turn(self) -> None:
        """Issue the command that turning the bit equals."""
        if self.frame is None or self.subject is None or self.desk is None:
            return
        sight = self.sight(self.frame, self.subject)
        if self.desk.turn(sight.effect) and self.subject.channel is not None:
            written = sight.shown ^ 1 << self.bit
            # what was written belongs to another channel now, or is no control word any more
            channel = written >> 6 if written >> 6 != 3 and written & 0x30 else None
            self.open(Subject(self.subject.reg, channel=channel), self.bit)

    def action_edit(self) -> None:
        """Put the command into the prompt."""
        if self.frame is not None and self.subject is not None and self.desk is not None:
            self.desk.edit(self.sight(self.frame, self.subject).effect)

    def action_copy(self) -> None:
        """Copy the command; of a bit that cannot be turned, the whole page."""
        if self.frame is None or self.subject is None:
            return
        commands = self.sight(self.frame, self.subject).effect.commands
        what, text = ("command", "\n".join(commands)) if commands else ("register", self.text())
        self.app.copy_to_clipboard(text)
        self.post_message(self.Copied(what, text))

    def action_pin(self) -> None:
        """Keep the register in sight, or let it go."""
        if self.subject is None:
            return
        if self.subject in self.pins:
            self.pins.remove(self.subject)
            words = "let go"
        else:
            self.pins = [*self.pins, self.subject][-PINS:]
            words = "pinned" if self.size.width >= WIDE else "pinned; it is seen from 120 columns on"
        if self.desk is not None:
            self.desk.tell(f"{self.subject.reg.name} {words}")
        self.draw()

    def action_leave(self) -> None:
        """Back."""
        if self.desk is not None:
            self.desk.close_inspector()

    def action_roll(self, rows: int) -> None:
        """Scroll."""
        self.scroll_rows(rows)

    def scroll_rows(self, rows: int) -> None:
        """Scroll the upper part; the cursor may leave the window."""
        self._follow = ""
        self._top += rows
        self.draw()

    def on_click(self, event: events.Click) -> None:
        """Choose a bit; the chosen one is turned. A field's row chooses the field."""
        event.prevent_default()
        y = event.y - 1
        if not 0 <= y < self._window:
            return
        for start, end, bit in self._upper.hits.get(y + self._top, ()):
            if start <= event.x < end:
                if bit == self.bit:
                    self.action_turn()
                elif bit < 0:
                    self.bit, self._follow = -1 - bit, "field"
                else:
                    self.bit, self._follow = bit, "bit"
                self.draw()
                return
