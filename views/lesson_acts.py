"""What the lesson keys do: open, go on, go back, show, restart, leave."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from timerlab.command import Result
from timerlab.errors import CommandError
from timerlab.lesson import open_lesson
from timerlab.views.decoding import result_spans
from timerlab.views.panels import CLASSES
from timerlab.views.player import NotePanel, Player

if TYPE_CHECKING:
    from timerlab.views.app import TimerlabApp


def opens_with(player: Player | None) -> str:
    """The panel that a lesson is about, as its head names it; the PIT where it names none that there is."""
    name = player.lesson.head.get("panel", "") if player is not None else ""
    return name if name in CLASSES else "pit"


class LessonActs:
    """The actions of `TimerlabApp` that move a lesson."""

    @property
    def me(self) -> TimerlabApp:
        """This app, by its whole type."""
        return self  # type: ignore[return-value]

    def load(self, name: str) -> str:
        """Open a lesson or a saved session in the player, and say how it goes on. Raises CommandError."""
        player = Player(open_lesson(name))
        self.start_lesson(player)
        self.me.action_show(opens_with(player))
        return "the lesson is open: pgdn goes on to the next note, space plays it"

    def start_lesson(self, player: Player) -> None:
        """Play a lesson: its session becomes the screen's."""
        me = self.me
        me.player = player
        me.view.lesson = me.view.note = True
        self.advance_lesson(player.begin)

    def advance_lesson(self, move: Callable[[], Any]) -> None:
        """Move the lesson, show where it is then and what its last line gave."""
        me = self.me
        player = me.player
        if player is None:
            return
        before = (player.lesson, player.lesson.at)
        try:
            result = move()
        except CommandError as error:
            player.stop()
            me.composer.say([("! ", "fault"), (str(error), "text")])
            result = None
        if player.session is not me.runner.session or player.adopt is None:
            player.adopt = me.runner.adopt
            me.runner.attach(player.session)
            me.camera.aim(player.session, me.runner.pacer)
            me.composer.session = player.session
        if (player.lesson, player.lesson.at) != before or result is not None:
            me.runner.pacer.resync()
            note = me.panels["note"]
            assert isinstance(note, NotePanel)
            note.tell(player)
            if result is not None:
                me.composer.say(result_spans(result.text, result.fault, result.ok))
        me.relayout()
        me.call_after_refresh(me.redraw)
        me.wake()

    def _lesson(self, move: Callable[[Player], Any], said: str = "") -> None:
        player = self.me.player
        if player is None:
            self.me.say("no lesson is open: type load and a name")
            return
        if self.me.runner.job is not None:
            self.me.say(f"{self.me.runner.busy} is still at work: esc stops it")
            return
        player.stop()
        player.hurry()
        if said:
            self.me.say(said)
        self.advance_lesson(lambda: move(player))

    def pump_lesson(self, player: Player, host_ns: int, result: Result | None) -> None:
        """After each turn of the pump: take the result of a line that was at work, go on to the note, or play."""
        if result is not None:
            player.settle(result)
            self.advance_lesson(lambda: None)
        if player.held:
            return
        if player.to_come:
            self.advance_lesson(player.go_on)
        elif player.playing:
            self.advance_lesson(lambda: player.play(host_ns))

    def act_note_next(self) -> None:
        """On to the next note."""
        self._lesson(Player.to_note)

    def act_note_back(self) -> None:
        """Back to the note before."""
        self._lesson(Player.back, "back at the note before")

    def act_show_me(self) -> None:
        """Run the next line."""
        self._lesson(Player.step)

    def act_restart(self) -> None:
        """Start again."""
        self._lesson(Player.restart, "the lesson begins again")

    def act_notes(self) -> None:
        """Show or hide the text."""
        me = self.me
        if me.player is not None:
            me.view.note = not me.view.note
            me.relayout()
            me.call_after_refresh(me.redraw)

    def act_close_lesson(self) -> None:
        """The session goes on without the lesson."""
        me = self.me
        if me.player is not None:
            me.player = None
            me.view.lesson = me.view.note = False
            if isinstance(me.focused_panel, NotePanel):
                me.action_show("pit")
            me.relayout()
            me.call_after_refresh(me.redraw)
