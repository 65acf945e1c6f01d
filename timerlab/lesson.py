"""A script that the screen plays: line by line, note by note, with its expectations counted."""

from __future__ import annotations

from timerlab import places, saving, script
from timerlab.command import Result
from timerlab.errors import CommandError
from timerlab.session import Session


class Lesson:
    """A script and the session that it plays in. `at` is the index of the next line, `note` the words reached last.

    `results` holds the result of every line that was played, None for one that is still to come.
    """

    def __init__(self, text: str, name: str, folder: str = "") -> None:
        """Read a script; ScriptError where it cannot be read."""
        self.name = name
        self.head = script.read_head(text, name)
        self._folder = folder
        self.session = self._fresh()
        self.steps = script.read_lines(text, name, self.session.words, folder)
        self.at = 0
        self.note = ""
        self.results: list[Result | None] = [None] * len(self.steps)

    @classmethod
    def open(cls, name: str) -> Lesson:
        """The preset or file of that name; CommandError or OSError where there is none."""
        text, found, folder = places.find(name)
        return cls(text, found, folder)

    @property
    def title(self) -> str:
        """What it is about."""
        return self.head.get("title", self.name)

    @property
    def finished(self) -> bool:
        """Whether every line was played."""
        return self.at >= len(self.steps)

    @property
    def total(self) -> int:
        """How many expectations there are."""
        return sum(self._expects(i) for i in range(len(self.steps)))

    @property
    def done(self) -> int:
        """How many of them are met."""
        return sum(self._expects(i) and result is not None and result.ok for i, result in enumerate(self.results))

    def _expects(self, index: int) -> bool:
        action = self.steps[index].action
        return action is not None and action.kind == "expect"

    def is_note(self, index: int) -> bool:
        """Whether a line is a note."""
        action = self.steps[index].action if index < len(self.steps) else None
        return action is not None and action.kind == "note"

    def next(self) -> Result | None:
        """Play the next line; its result, or None at the end. ScriptError for a line that makes no
        sense where it stands.
        """
        if self.finished:
            return None
        index, note = self.at, self.is_note(self.at)
        result = saving.play_line(self.session, self.steps[index], self.name) or Result()
        if note:
            follows = index and self.is_note(index - 1)
            self.note = f"{self.note}\n{result.text}" if follows else result.text
        self.results[index] = result
        self.at += 1
        return result

    def to_note(self) -> Result | None:
        """Play up to the end of the next block of notes, or to the end; the result of the last line."""
        result = None
        while not self.finished:
            reading = self.is_note(self.at)
            result = self.next()
            if reading and not self.is_note(self.at):
                break
        return result

    def restart(self) -> Session:
        """Begin anew, in a fresh session."""
        self.session = self._fresh()
        self.at, self.note = 0, ""
        self.results = [None] * len(self.steps)
        return self.session

    def back(self) -> Session:
        """Go back to the end of the block of notes before the one that was reached last."""
        blocks = [i for i in range(self.at) if self.is_note(i) and not self.is_note(i + 1)]
        target = blocks[-2] + 1 if len(blocks) > 1 else 0
        self.restart()
        while self.at < target:
            self.next()
        return self.session

    def _fresh(self) -> Session:
        session = saving.from_head(Session, self.head, self.name)
        session.folder = self._folder
        return session


def open_lesson(name: str) -> Lesson:
    """`Lesson.open`, with every failure as a CommandError."""
    try:
        return Lesson.open(name)
    except OSError as error:
        raise CommandError(f"cannot read {name}: {error}") from None
