"""The lesson player: a strip in the place of the tabs, the text of the note that was reached, and the keys between.

The screen plays a script: to the next note, line by line, or by itself at a steady pace. Going back starts the script
anew and runs it up to the note before, so what is seen is always what the script does.
"""

from __future__ import annotations

from collections.abc import Sequence

from textual import events

from timerlab.command import Result
from timerlab.lesson import Lesson
from timerlab.session import Session
from timerlab.views import prose
from timerlab.views.bar import Bar, Spans, joined, spread
from timerlab.views.decoding import result_spans
from timerlab.views.frame import Frame
from timerlab.views.keys import BY_NAME
from timerlab.views.panel import Panel
from timerlab.views.rows import Row, Span, clip, numbers, width_of

PACE_NS = 900_000_000
"""Host ns between two lines while the lesson plays by itself."""
MOST_SQUARES = 24
"""Expectations that are drawn one by one; of more only the count is shown."""


class Player:
    """Where a lesson stands, and how it moves."""

    def __init__(self, lesson: Lesson) -> None:
        self.lesson = lesson
        self.done: list[tuple[str, Result | None]] = []
        """Lines executed since the note, with their results."""
        self.playing = False
        self._due = 0

    @property
    def session(self) -> Session:
        """The session that the lesson drives; another one after going back."""
        return self.lesson.session

    def at_note(self) -> bool:
        """Whether the next line is a note."""
        return self.lesson.is_note(self.lesson.at)

    def step(self) -> Result | None:
        """Execute the next line; its result, None for a note and at the end."""
        lesson = self.lesson
        if lesson.finished:
            self.playing = False
            return None
        at, note = lesson.at, self.at_note()
        result = lesson.next()
        if note:
            self.done = []
            return None
        self.done.append((lesson.steps[at].text, result))
        return result

    def to_note(self) -> Result | None:
        """Execute up to the end of the next run of notes, or to the end; the last result."""
        result = None
        while not self.lesson.finished:
            reading = self.at_note()
            result = self.step() or result
            if reading and not self.at_note():
                break
        return result

    def back(self) -> None:
        """Back to the note before."""
        self.lesson.back()
        self.done, self.playing = [], False
        if not self.lesson.note:
            self.begin()

    def restart(self) -> None:
        """Start again; the first note stands."""
        self.lesson.restart()
        self.done, self.playing = [], False
        self.begin()

    def begin(self) -> None:
        """Run to the first note, if the script has one."""
        if any(self.lesson.is_note(at) for at in range(len(self.lesson.steps))):
            self.to_note()

    def play(self, host_ns: int) -> Result | None:
        """While it plays: execute a line when its time has come. It stops at a note and at a broken expectation."""
        if not self.playing or host_ns < self._due:
            return None
        reading = self.at_note()
        result = self.step()
        self._due = host_ns + PACE_NS
        told = reading and not self.at_note()
        if told or self.lesson.finished or (result is not None and not result.ok):
            self.playing = False
        return result


def squares(done: int, total: int) -> Spans:
    """`■ ■ □ □` for the expectations of a lesson."""
    if not 0 < total <= MOST_SQUARES:
        return []
    met = " ".join("■" * done)
    left = " ".join("□" * (total - done))
    return [(met, "met"), (" " if met and left else "", "text"), (left, "absent")]


def strip(title: str, done: int, total: int, finished: bool, playing: bool, width: int) -> Row:
    """The strip: title, expectations met, and the keys that move the lesson."""
    wide = width >= 120
    left: list[Sequence[Span]] = [[("Lesson", "strong")]] if wide else []
    left += [[(title, "text")], squares(done, total)]
    words = f"{done} of {total}" + (" met" if wide else "") if total else ""
    left.append([(words, "label")] if words else [])
    if finished:
        left.append([("the end", "strong")])
    elif playing:
        left.append([("►", "interactive!"), (" plays", "strong")])
    names = ("note_next", "note_back", "show_me", "notes", "close_lesson") if wide else ("note_next", "show_me")
    right: list[Sequence[Span]] = []
    for name in names:
        action = BY_NAME[name]
        right.append([(action.sign, "interactive!"), (f" {action.hint}", "label")])
    start = [(" ", "text"), *joined(left)]
    while right and width_of(start) + width_of(joined(right)) + 3 > width:
        right.pop()
    if width_of(start) > width:
        return clip(start, width)
    return spread(start, [*joined(right), (" ", "text")], width)


class Strip(Bar):
    """The strip itself."""

    def show(self, player: Player) -> None:
        """Draw where the lesson stands."""
        lesson = player.lesson
        row = strip(lesson.title, lesson.done, lesson.total, lesson.finished, player.playing, self.size.width)
        self.put([row])

    async def on_click(self, event: events.Click) -> None:
        """A click on the right half goes to the next note."""
        if event.x > self.size.width // 2:
            await self.run_action("app.act('note_next')")


class NotePanel(Panel):
    """The lesson's text: the note that was reached, and what was done since."""

    NAME = "Lesson"
    HELP = "The text of the lesson. `pgdn` goes on to the next note, `F3` runs one line, `space` plays."

    player: Player | None = None

    def tell(self, player: Player) -> None:
        """Show where `player` stands: a new note from its top, else the line that was just executed."""
        self.player = player
        self.first = 0
        self.draw()
        if player.done:
            self.scroll_rows(1 << 20)

    def head(self, frame: Frame) -> tuple[str, str]:
        """The lesson's chapter at the right end."""
        del frame
        chapter = self.player.lesson.head.get("chapter", "") if self.player is not None else ""
        return "", f"chapter {chapter}" if chapter else ""

    def body(self, frame: Frame, width: int, height: int) -> list[Row]:
        """The note, then the lines executed since."""
        del frame, height
        return note_rows(self.player, width) if self.player is not None else []

    def cells(self, row: int) -> Sequence[tuple[int, int]]:
        """There is nothing to point at."""
        del row
        return ()


def note_rows(player: Player, width: int) -> list[Row]:
    """The text panel's rows: the note, what was done since, and what comes."""
    rows = prose.rows(player.lesson.note, width)
    if player.done:
        rows.append(())
    for line, result in player.done:
        failed = result is not None and (not result.ok or bool(result.fault))
        met = line.startswith("expect") and not failed
        sign: Span = ("! ", "fault") if failed else ("■ ", "met" if met else "label")
        rows.append(clip((sign, *numbers(line, "interactive")), width))
        if result is not None and result.text:
            spans = result_spans(result.text, result.fault, result.ok)
            muted = ((text, "label" if role == "text" else role) for text, role in spans)
            rows.append(clip((("  ", "text"), *muted), width))
    if player.lesson.finished:
        rows += [(), (("the lesson is over; the session is yours", "label"),)]
    elif not player.at_note():
        rows += [(), (("► ", "interactive"), ("F3", "interactive"), (" runs the next line", "label"))]
    return rows
