"""Coming back from a stop that nobody announced: `kill -STOP` and `-CONT`, a frozen container, a debugger.

Textual leaves the terminal before ctrl+z stops the process, and enters it again on SIGCONT. Where it had not left, it
would enter a second time: a second thread would read the keys, and the screen could no longer be quit.
"""

from __future__ import annotations

import signal
from types import FrameType
from typing import Any


def mend_continue(driver: Any) -> None:
    """Let the terminal be left before it is entered again, whatever stopped the process."""
    enter = getattr(driver, "_sigcont_application", None)
    if enter is None or not hasattr(signal, "SIGCONT"):
        return

    def continued(number: int, frame: FrameType | None) -> None:
        if not driver._must_signal_resume:
            driver._must_signal_resume = True
            driver.suspend_application_mode()
        enter(number, frame)

    signal.signal(signal.SIGCONT, continued)
