"""Signals are answered between two turns of the loop, never in the middle of a write."""

import asyncio
import os
import signal
import threading
import time

from timerlab.views.signals import SETTLE_S, mend_continue


class Driver:
    """What `mend_continue` needs of a terminal driver; leaving it needs the lock that a write holds."""

    def __init__(self) -> None:
        self.writing = threading.Lock()
        self.said: list[str] = []
        self._must_signal_resume = False
        self._auto_restart = True

    def suspend_application_mode(self) -> None:
        if not self.writing.acquire(blocking=False):
            self.said.append("hangs")
            return
        self.writing.release()
        self.said.append("leaves")

    def _sigtstp_application(self) -> None:
        self.said.append("stops")

    def _sigcont_application(self) -> None:
        self._must_signal_resume = False
        self.said.append("enters")


async def test_going_on_waits_until_the_write_is_done() -> None:
    driver = Driver()
    mend_continue(driver)
    with driver.writing:
        os.kill(os.getpid(), signal.SIGCONT)
        time.sleep(0.01)
        assert driver.said == []
    await asyncio.sleep(3 * SETTLE_S)
    assert driver.said == ["leaves", "enters"]


async def test_a_terminal_that_was_left_is_only_entered() -> None:
    driver = Driver()
    driver._must_signal_resume = True
    mend_continue(driver)
    os.kill(os.getpid(), signal.SIGCONT)
    await asyncio.sleep(3 * SETTLE_S)
    assert driver.said == ["enters"]


async def test_a_terminal_that_was_lent_is_left_alone() -> None:
    driver = Driver()
    driver._auto_restart = False
    mend_continue(driver)
    os.kill(os.getpid(), signal.SIGCONT)
    await asyncio.sleep(3 * SETTLE_S)
    assert driver.said == []


async def test_many_signals_are_answered_once() -> None:
    driver = Driver()
    mend_continue(driver)
    for _ in range(20):
        os.kill(os.getpid(), signal.SIGCONT)
        await asyncio.sleep(0)
    await asyncio.sleep(3 * SETTLE_S)
    assert driver.said == ["leaves", "enters"]
