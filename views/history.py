"""Commands typed at the prompt, kept between runs in the user's state folder.

One command a line, oldest first, with the Unix second at which it was typed: `1767225600 outb 43h 34h`.
A file that cannot be read or written costs the history, never the screen.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable
from pathlib import Path

from platformdirs import user_state_path

LIMIT = 1000
"""Commands kept."""
LONGEST = 4096
"""Characters of one command that is kept; a longer one (a paste gone wrong) is not."""


def default_path() -> Path:
    """Where the history lives: `timerlab/history` in the user's state folder."""
    return user_state_path("timerlab") / "history"


class History:
    """The commands typed so far, newest last; a command typed again moves to the end."""

    def __init__(self, path: Path | None = None, clock: Callable[[], float] = time.time) -> None:
        self.path = default_path() if path is None else path
        self.clock = clock
        self._lines: dict[str, int] = {}
        self._read()

    def _read(self) -> None:
        try:
            text = self.path.read_text(encoding="utf-8", errors="replace")
        except OSError:
            return
        for row in text.splitlines()[-LIMIT:]:
            stamp, _, line = row.partition(" ")
            if line.strip() and line.isprintable() and stamp.isdecimal() and len(stamp) < 15:
                self._lines.pop(line, None)
                self._lines[line] = int(stamp)

    def add(self, line: str) -> None:
        """Keep `line` as the newest command, and write the file."""
        line = line.strip()
        if not line or not line.isprintable() or len(line) > LONGEST:
            return
        self._read()  # another run may have written meanwhile
        self._lines.pop(line, None)
        self._lines[line] = int(self.clock())
        while len(self._lines) > LIMIT:
            del self._lines[next(iter(self._lines))]
        with contextlib.suppress(OSError):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            draft = self.path.with_name(f"{self.path.name}.{os.getpid()}")
            draft.write_text("".join(f"{stamp} {row}\n" for row, stamp in self._lines.items()), encoding="utf-8")
            draft.replace(self.path)

    def newest(self, prefix: str = "") -> list[str]:
        """Commands that begin with `prefix`, newest first."""
        return [line for line in reversed(self._lines) if line.startswith(prefix)]

    def holding(self, part: str) -> list[str]:
        """Commands that hold `part` anywhere, newest first."""
        return [line for line in reversed(self._lines) if part in line]

    def suggestion(self, prefix: str) -> str:
        """The newest longer command that begins with `prefix`, or an empty string."""
        return next((line for line in reversed(self._lines) if line.startswith(prefix) and line != prefix), "")

    def age(self, line: str) -> str:
        """How long ago `line` was typed: `3 s ago`, `2 h ago`."""
        stamp = self._lines.get(line)
        if stamp is None:
            return ""
        seconds = max(0, int(self.clock()) - stamp)
        for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
            if seconds >= size:
                return f"{seconds // size} {unit} ago"
        return f"{seconds} s ago"

    def __len__(self) -> int:
        return len(self._lines)
