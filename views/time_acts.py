"""What the keys of time do: run, step by an event or by one clock, the rate, and the way back to the end."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

from timerlab.units import Span

if TYPE_CHECKING:
    from timerlab.views.app import TimerlabApp

SLOWEST, FASTEST = Fraction(1, 10_000_000), Fraction(1_000_000)
"""Bounds of the rate, virtual ns per host ns."""


def rates(pit_hz: Fraction) -> list[tuple[Fraction, str]]:
    """The stops of `<` and `>`: decades, and one PIT clock a second between the two slowest; each with its command."""
    decades = [(SLOWEST * 10**n, f"rate {SLOWEST * 10**n}") for n in range(14)]
    return sorted([*decades, (1 / pit_hz, "rate 1pit/s")])


class TimeActs:
    """The actions of `TimerlabApp` that move time."""

    @property
    def me(self) -> TimerlabApp:
        """This app, by its whole type."""
        return self  # type: ignore[return-value]

    def in_past(self, name: str) -> str:
        """In the past a step looks on along what is recorded, instead of replacing it: the `goto` that it is then."""
        session = self.me.runner.session
        if not session.past or name not in ("next", "clock", "skip_ms", "skip_s"):
            return ""
        if name.startswith("skip"):
            return f"goto {session.now + (1_000_000 if name == 'skip_ms' else 1_000_000_000)}ns"
        event = session.next_event()
        if name == "next":
            return f"goto {event[0]}ns" if event is not None and event[0] <= session.end_ns else ""
        return f"goto {Span(1, self.clock).after(session.now, session.machine.board.clocks)}ns"

    @property
    def clock(self) -> str:
        """The oscillator of the focused panel, or of the one that is shown where that has none; else the PIT's."""
        me = self.me
        panel = me.focused_panel
        return (panel.clock if panel is not None else "") or me.panels[me.view.shown].clock or "pit"

    def act_clock(self) -> None:
        """One clock of the panel's oscillator."""
        self.me.issue(self.in_past("clock") or f"step 1{self.clock}")

    def act_run(self) -> None:
        """Run or pause; in a lesson that is not at its end, play or pause it."""
        me = self.me
        if me.runner.session.running:
            me.issue("pause")
        elif me.player is not None and not me.player.lesson.finished:
            me.player.playing = not me.player.playing
            me.wake()
        else:
            me.issue("run")

    def act_goto(self) -> None:
        """Type where to go."""
        self.me.begin_typing("goto ")

    def act_slower(self) -> None:
        """The stop below the rate."""
        session = self.me.runner.session
        below = [text for rate, text in rates(session.options.pit_hz) if rate < session.rate]
        self.me.issue(below[-1]) if below else self.me.say(f"slower than {session.rate} does not go")

    def act_faster(self) -> None:
        """The stop above the rate."""
        session = self.me.runner.session
        above = [text for rate, text in rates(session.options.pit_hz) if rate > session.rate]
        self.me.issue(above[0]) if above else self.me.say(f"faster than ×{session.rate} does not go")

    def act_to_end(self) -> None:
        """From the past to the end."""
        session = self.me.runner.session
        if session.past:
            session.to_end()
            self.me.say("back at the end")
        self.me.wake()
