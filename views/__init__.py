"""The screen of timerlab: `run` opens it on a session.

Textual is imported only when the screen is opened.
"""

from __future__ import annotations

import os
from typing import Any

__all__ = ["run"]


def run(session: Any, lesson: Any = None) -> int:
    """Open the screen on `session`, or on a lesson's session; the exit status. The caller checks for a terminal."""
    # Textual reads it when it is imported: at twice its 60 the time from a key to the screen is halved.
    os.environ.setdefault("TEXTUAL_FPS", "120")
    for exported in ("COLUMNS", "LINES"):  # they would stand for the size that the terminal had once
        os.environ.pop(exported, None)
    from timerlab.views.app import TimerlabApp

    app = TimerlabApp(session, lesson)
    code = app.run()
    return app.return_code or code or 0
