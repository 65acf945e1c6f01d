"""What moves a session while the screen is open: commands as jobs, and host time through the pacer.

All of it is driven from the screen's pump in slices of a few ms; no threads. A job is stepped with a budget that
follows its own speed, so that one step never holds the screen for long.
"""

from __future__ import annotations

from collections.abc import Callable

from timerlab.command import Job, Result
from timerlab.pacer import Pacer
from timerlab.session import Session
from timerlab.text import moment

SLICE_NS = 2_000_000
"""Host ns that one step of a job should take."""
JOB_NS = 14_000_000
"""Host ns of a job's turn: of the 20 ms between two turns enough is left for keys and frames."""
LEAST, MOST = 16, 1 << 22
"""Bounds of a job's budget."""


class Runner:
    """The session, its pacer and the one job under way."""

    def __init__(self, session: Session, pacer: Callable[[Session], Pacer], clock: Callable[[], int]) -> None:
        self.clock = clock
        self._new_pacer = pacer
        self.job: Job | None = None
        self.text = ""
        self.progress = ""
        self.attach(session)

    def attach(self, session: Session) -> None:
        """Drive another session from now on; a job under way is stopped first."""
        self.cancel()
        self.session = session
        self.pacer = self._new_pacer(session)

    @property
    def busy(self) -> str:
        """The verb of the job under way, or an empty string."""
        return self.text.split(maxsplit=1)[0] if self.job is not None else ""

    @property
    def active(self) -> bool:
        """Whether the pump has anything to do."""
        return self.job is not None or bool(self.session.running)

    def begin(self, text: str) -> Result | None:
        """Start a command; the result if it is finished at once, else None. Raises CommandError."""
        was_running = self.session.running
        self.adopt(self.session.begin(text), text)
        result = self._steps(4 * SLICE_NS)
        if self.session.running and not was_running:
            self.pacer.resync()
        return result

    def adopt(self, job: Job, text: str) -> None:
        """Drive a job from now on."""
        self.job, self.text, self.progress, self._budget = job, text, "", 1024

    def pump(self, budget_ns: int) -> Result | None:
        """Let time pass for about `budget_ns`, or work on the job; the result of the job if it became ready."""
        if self.job is not None:
            return self._steps(JOB_NS)
        if self.session.running:
            self.pacer.pump(budget_ns)
        return None

    def ran_out(self) -> Result:
        """What to say when time stopped by itself: a `run` is over, or a trace was played to its end."""
        session = self.session
        entry = session.log[-1] if session.log and not session.past else None
        if entry is not None and entry.kind == "replay" and entry.result is not None:
            return entry.result
        return Result(text=f"paused at {moment(session.now)}")

    def cancel(self) -> bool:
        """Stop the job where it is; whether there was one."""
        if self.job is None:
            return False
        self.job.cancel()
        self._over()
        return True

    def _steps(self, budget_ns: int) -> Result | None:
        end = self.clock() + budget_ns
        while self.job is not None:
            began = self.clock()
            try:
                progress = self.job.step(self._budget)
            except BaseException:
                self._over()
                raise
            took = max(1, self.clock() - began)
            if self.job.finished:
                result = self.job.result
                self._over()
                return result
            self.progress = progress.text
            wanted = self._budget * SLICE_NS // took
            self._budget = max(LEAST, self._budget // 4, min(wanted, self._budget * 4, MOST))
            if self.clock() >= end:
                break
        return None

    def _over(self) -> None:
        self.job = None
        if self.session.running:
            self.pacer.resync()
