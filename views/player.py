"""The lesson player: a strip in the place of the tabs, the text of the note that was reached, and the keys between.

The screen plays a script: to the next note, line by line, or by itself at a steady pace. Going back starts the script
anew and runs it up to the note before, so what is seen is always what the script does.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from textual import events

from timerlab.command import Job, Long, Result
from timerlab.lesson import Lesson
from timerlab.script import Line
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
        self.adopt: Callable[[Job, str], None] | None = None
        """Takes a line that is long work and drives it; without it such a line is played to its end at once."""
        self.done: list[tuple[str, Result | None]] = []
        """Lines executed since the note, with their results."""
        self.playing = False
        self.to_come = False
        """On its way to the next note, and held up by a line that takes time."""
        self._pending: Line | None = None
        self._due = 0

    @property
    def session(self) -> Session:
        """The session that the lesson drives; another one after going back."""
        return self.lesson.session

    def at_note(self) -> bool:
        """Whether the next line is a note."""
        return self.lesson.is_note(self.lesson.at)

    @property
    def held(self) -> bool:
        """Whether a line is still at work, or lets time run."""
        return self._pending is not None or self.session.running

    def step(self) -> Result | None:
        """Execute the next line; its result, None for a note, at the end and while the line is still at work."""
        lesson = self.lesson
        if lesson.finished:
            self.playing = False
            return None
        line, note = lesson.steps[lesson.at], self.at_note()
        if self.adopt is not None and line.at_ns is None and isinstance(line.action, Long):
            self._pending = line
            self.adopt(self.session.perform(line.action, line.text), line.text)
            return None
        result = lesson.next()
        if note:
            self.done = []
            return None
        self.done.append((line.text, result))
        return result

    def settle(self, result: Result) -> None:
        """The line at work has come to its end, or was stopped."""
        line, self._pending = self._pending, None
        if line is not None:
            self.lesson.results[self.lesson.at] = result
            self.lesson.at += 1
            self.done.append((line.text, result))

    def stop(self) -> None:
        """Neither play on nor go on to the next note."""
        self.playing = self.to_come = False

    def to_note(self) -> Result | None:
        """Execute up to the end of the next run of notes, or to the end; the last result."""
        self.to_come = True
        return self.go_on()

    def go_on(self) -> Result | None:
        """Execute on the way to the next note, as far as no line takes time."""
        result = None
        while self.to_come and not self.held:
            reading = self.at_note()
            result = self.step() or result
            if self.lesson.finished or (reading and not self.at_note()):
                self.to_come = False
        return result

    def hurry(self) -> None:
        """Let the time that a line runs pass at once."""
        session = self.session
        if session.running and session.run_until is not None:
            session.pass_time(session.run_until)
            session.pause()

    def back(self) -> None:
        """Back to the note before."""
        self._drop()
        self.lesson.back()
        if not self.lesson.note:
            self.begin()

    def restart(self) -> None:
        """Start again; the first note stands."""
        self._drop()
        self.lesson.restart()
        self.begin()

    def _drop(self) -> None:
        self.stop()
        self.done, self._pending, self.adopt = [], None, None

    def begin(self) -> None:
        """Run to the first note, if the script has one."""
        if any(self.lesson.is_note(at) for at in range(len(self.lesson.steps))):
            self.to_note()

    def play(self, host_ns: int) -> Result | None:
        """While it plays: execute a line when its time has come. It stops at a note and at a broken expectation."""
        if not self.playing or self.held or host_ns < self._due:
            return None
        reading = self.at_note()
        result = self.step()
        self._due = host_ns + PACE_NS
        told = reading and not self.at_note()
        if told or self.lesson.finished or (result is not None and not result.ok):
            self.playing = False
        return result


def outcomes(lesson: Lesson) -> list[bool | None]:
    """Each expectation of a lesson in order: met, broken, or None while it is to come."""
    return [
        None if result is None else result.ok
        for step, result in zip(lesson.steps, lesson.results, strict=True)
        if step.action is not None and step.action.kind == "expect"
    ]


def squares(expected: Sequence[bool | None]) -> Spans:
    """`■ ! □` for the expectations of a lesson: met, broken, still to come."""
    if len(expected) > MOST_SQUARES:
        return []
    signs: dict[bool | None, Span] = {True: ("■", "met"), False: ("!", "fault"), None: ("□", "absent")}
    return joined([[signs[one]] for one in expected], 1)


def strip(title: str, expected: Sequence[bool | None], finished: bool, playing: bool, width: int) -> Row:
    """The strip: title, expectations met, and the keys that move the lesson."""
    wide = width >= 120
    left: list[Sequence[Span]] = [[("Lesson", "strong")]] if wide else []
    done = squares(expected)
    left += [[(title, "text")], done]
    words = f"{expected.count(True)} of {len(expected)}" + (" met" if wide else "") if expected else ""
    left.append([(words, "label")] if words else [])
    if finished:
        left.append([("the end", "strong")])
    elif playing:
        left.append([("►", "interactive!"), (" plays", "strong")])
    names: tuple[str, ...] = ("note_next", "show_me")
    if wide:
        names = ("note_next", "note_back", "show_me", "notes", "close_lesson")
    if finished:
        names = ("restart", "notes", "close_lesson") if wide else ("restart", "close_lesson")
    right: list[Sequence[Span]] = []
    for name in names:
        action = BY_NAME[name]
        right.append([(action.sign, "interactive!"), (f" {action.hint}", "label")])
    start = [(" ", "text"), *joined(left)]
    if width_of(start) > width - 12:  # without the squares the count still says it
        start = [(" ", "text"), *joined([item for item in left if item is not done])]
    while right and width_of(start) + width_of(joined(right)) + 3 > width:
        right.pop()
    if width_of(start) > width:
        return clip(start, width)
    return spread(start, [*joined(right), (" ", "text")], width)


class Strip(Bar):
    """The strip itself."""

    player: Player | None = None

    def on_resize(self) -> None:
        """Draw again at the new width."""
        if self.player is not None:
            self.show(self.player)

    def show(self, player: Player) -> None:
        """Draw where the lesson stands."""
        self.player = player
        lesson = player.lesson
        row = strip(lesson.title, outcomes(lesson), lesson.finished, player.playing, self.size.width)
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
        del frame
        table = note_rows(self.player, width) if self.player is not None else []
        return table if len(table) <= height else [row for row in table if row]

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
