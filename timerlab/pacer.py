"""The pacer: host time into virtual time.

`pump` is called by the screen's loop some fifty times a second. What has passed on the host's monotonic clock, times
the rate, becomes one advance; every edge in it falls at its exact virtual time, so a pump that comes late shifts
nothing. What the host could not keep up with is `lag_ns`. A pump that comes later than `SLEPT_NS` means that the
process was stopped or the host slept: then the session's `late` policy decides, and `notice` says what it did.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from fractions import Fraction

from timerlab.session import Session
from timerlab.text import duration

SLEPT_NS = 1_000_000_000
"""A pump that comes so late was not merely busy."""

SLICE = 8
"""A pump that is over its budget takes what is left of its time in up to so many parts."""


class Pacer:
    """Lets a session's time pass while `session.running`. `clock` gives host time in ns, never backwards."""

    def __init__(self, session: Session, clock: Callable[[], int] = time.monotonic_ns) -> None:
        self.session = session
        self.clock = clock
        self.notice = ""
        self.notices = 0
        self._host = clock()
        self._owed = Fraction(0)
        """Virtual time that is due and has not passed yet, the part of a ns included."""
        session.paced = True

    @property
    def lag_ns(self) -> int:
        """How far virtual time is behind."""
        return int(self._owed)

    def aim(self, session: Session) -> None:
        """Pace another session."""
        self.session = session
        session.paced = True
        self.resync()

    def resync(self) -> None:
        """Forget the host time that has passed: count from now."""
        self._host = self.clock()
        self._owed = Fraction(0)

    def pump(self, budget_ns: int = 5_000_000) -> None:
        """Let pass what is due, for about `budget_ns` of host time."""
        host = self.clock()
        passed, self._host = host - self._host, host
        session = self.session
        if not session.running:
            self._owed = Fraction(0)
            return
        if passed > SLEPT_NS:
            passed = self._slept(passed)
        self._owed += passed * session.rate
        while self._owed >= 1 and session.running:
            whole = int(self._owed)
            step = max(1, whole // SLICE) if session.feeder.at_work else whole
            until = session.run_until
            if until is not None and session.now + step >= until:
                step = max(0, until - session.now)
                session.pass_time(session.now + step)
                session.pause()
                self._owed = Fraction(0)
                return
            session.pass_time(session.now + step)
            self._owed -= step
            if self.clock() - host > budget_ns:
                return

    def _slept(self, passed: int) -> int:
        """What the policy makes of `passed` ns in which nobody pumped."""
        self.notices += 1
        if self.session.late == "catch_up":
            self.notice = f"host slept {duration(passed)}: caught up"
            return passed
        self.notice = f"host slept {duration(passed)}: carried on from then"
        return 0
