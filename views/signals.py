"""Stops and goings on that nobody announced: `kill -STOP` and `-CONT`, a frozen container, a debugger.

Textual leaves the terminal before ctrl+z stops the process, and enters it again on SIGCONT, both in the signal handler
itself. That handler may run in the middle of a write to the terminal, which it then waits for, for ever. And where
Textual had not left the terminal it would enter a second time: a second thread would read the keys, and the screen
could no longer be quit. So both signals are taken by the event loop, between two of its turns, and the terminal is left
before it is entered.
"""

from __future__ import annotations

import asyncio
import signal
from typing import Any

SETTLE_S = 0.05
"""So long after a SIGCONT the terminal is entered: entering takes longer than many of them, and once is enough."""


def mend_continue(driver: Any) -> None:
    """Let the loop that runs now answer SIGTSTP and SIGCONT for a driver that has answers to them."""
    leave = getattr(driver, "_sigtstp_application", None)
    enter = getattr(driver, "_sigcont_application", None)
    if leave is None or enter is None:
        return

    waiting = False

    def go_on() -> None:
        nonlocal waiting
        waiting = False
        if not driver._auto_restart:
            return  # whoever left the terminal on purpose enters it again
        if not driver._must_signal_resume:
            driver._must_signal_resume = True
            driver.suspend_application_mode()
        enter()

    def continued() -> None:
        nonlocal waiting
        if not waiting:
            waiting = True
            loop.call_later(SETTLE_S, go_on)

    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTSTP, leave)
    loop.add_signal_handler(signal.SIGCONT, continued)
