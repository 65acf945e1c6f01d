"""What each action of the key table does, one method an action: `act_NAME`.

An action with a command of its own has no method here: `act` issues the command.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from timerlab.command import Result
from timerlab.errors import CommandError
from timerlab.views import keys, theme
from timerlab.views.bar import Bar
from timerlab.views.help import HelpPanel, HelpScreen, KeyRow, key_rows, own_help
from timerlab.views.inspecting import Inspecting
from timerlab.views.jump import JumpScreen
from timerlab.views.layout import PANELS
from timerlab.views.lesson_acts import LessonActs
from timerlab.views.time_acts import TimeActs

if TYPE_CHECKING:
    from textual.app import App

    Base = App[int]
else:
    Base = object


class Acts(Inspecting, TimeActs, LessonActs, Base):
    """The actions of `TimerlabApp`."""

    @property
    def theme_names(self) -> list[str]:
        """The themes of the screen."""
        return [one.name for one in theme.THEMES]

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """`:` and `/` are letters where one types."""
        if action == "act" and parameters and parameters[0] in keys.AHEAD:
            me = self.me
            searching = isinstance(me.screen.focused, HelpPanel) and me.screen.focused.searching
            return len(me.screen_stack) == 1 and not me.composer.typing and not searching
        return True

    async def action_act(self, name: str) -> None:
        """An action of the key table."""
        self.act(name)

    def act(self, name: str) -> None:
        """Do an action: issue its command, or call its method."""
        action = keys.BY_NAME[name]
        if action.command:
            self.me.issue(self.in_past(name) or action.command)
        else:
            getattr(self, f"act_{name}")()

    def act_later(self, name: str) -> None:
        """Do an action when the palette has closed."""
        self.call_later(self.act, name)

    # panels

    def action_show(self, name: str) -> None:
        """Show a panel and focus it."""
        me = self.me
        if name in me.panels:
            beside = me.view.inspecting and name in me.places() and name in ("inspector", me.view.shown)
            me.view.inspecting = name == "inspector" or beside
            if name in PANELS:
                me.view.shown = name
            if me.drawn is not None:
                me.panels[name].see(me.drawn)
            me.relayout()
            me.base.set_focus(me.panels[name])
            me.call_after_refresh(me.redraw)

    def _cycle(self, step: int) -> None:
        me = self.me
        seen = me.places()
        extra = [name for name in ("note", "aside") if name in seen]
        order = [*extra[:1], *PANELS] if "note" in extra else [*PANELS, *extra]
        if me.view.zoomed:
            order = list(PANELS)
        if me.view.inspecting and me.view.shown in seen:
            order = ["inspector", me.view.shown]
        here = me.focused_panel
        at = order.index(here.id or "") if here is not None and here.id in order else order.index(me.view.shown) - step
        self.action_show(order[(at + step) % len(order)])

    def act_panel_next(self) -> None:
        """The next panel."""
        self._cycle(1)

    def act_panel_previous(self) -> None:
        """The panel before."""
        self._cycle(-1)

    def act_zoom(self) -> None:
        """This panel alone, and back."""
        self.me.view.zoomed = not self.me.view.zoomed
        self.action_show(self.home)

    def act_jump(self) -> None:
        """A letter on every panel."""
        me = self.me
        places = {name: region for name, region in me.places().items() if name in me.panels or name == "prompt"}

        def jumped(name: str | None) -> None:
            if name == "prompt":
                self.begin_typing(me.composer.line.value)
            elif name:
                self.action_show(name)

        self.push_screen(JumpScreen(places), jumped)

    def act_copy(self) -> None:
        """Copy, where the focus is not on a panel that does it itself."""
        panel = self.me.focused_panel
        if panel is not None:
            panel.action_copy()

    def act_filter(self) -> None:
        """Let the line filter the focused panel."""
        me = self.me
        panel = me.focused_panel
        if isinstance(panel, HelpPanel):
            panel.action_search()
            return
        if panel is None or not hasattr(panel, "filter"):
            self.action_show("log")
            panel = me.panels["log"]
        me.composer.begin_filter(panel)
        me.base.set_focus(me.composer.line)

    def act_out(self) -> None:
        """Back out: of a search for a condition, the cursor, a filter, a search, the zoom."""
        me = self.me
        panel: Any = me.focused_panel
        if me.runner.cancel():
            if me.player is not None:
                me.player.settle(Result(text="stopped"))
                me.player.stop()
            me.composer.say([("stopped; what was done stays", "text")])
        elif me.player is not None and (me.player.playing or me.player.to_come):
            me.player.stop()
        elif isinstance(panel, HelpPanel):
            if not panel.leave_search():
                self.action_show(self.home)
        elif panel is not None and holds(panel):
            panel.action_leave()
        elif me.view.inspecting:
            self.close_inspector()
        elif me.view.zoomed:
            self.act_zoom()
        elif panel is None or panel.id not in PANELS:
            self.action_show(me.view.shown)
        me.wake()

    # the prompt

    def begin_typing(self, text: str) -> None:
        """Focus the prompt with a beginning."""
        self.me.composer.line.set_line(text)
        self.me.base.set_focus(self.me.composer.line)

    def act_prompt(self) -> None:
        """Type a command; what was typed before is still there."""
        self.begin_typing(self.me.composer.line.value)

    def act_submit(self) -> None:
        """Enter: run the line, or keep the filter."""
        me = self.me
        composer = me.composer
        if composer.filtering is not None:
            composer.end_filter(keep=True)
            self.action_show(self.home)
            return
        text = composer.line.value.strip()
        if not text:
            self.action_show(self.home)
        elif self.issue_with_prelude(text):
            composer.history.add(text)
            composer.line.set_line("")
            composer.popup.close()
            composer.suggest()

    def act_take(self) -> None:
        """Take the choice."""
        self.me.composer.take()
        self.me.base.set_focus(self.me.composer.line)

    def act_older(self) -> None:
        """The choice before, or an older command."""
        self.me.composer.older()

    def act_newer(self) -> None:
        """The next choice, or a newer command."""
        self.me.composer.newer()

    def act_history(self) -> None:
        """All earlier commands that match."""
        self.me.composer.list_history()

    def act_clear(self) -> None:
        """An empty line."""
        self.me.composer.line.set_line("")

    def act_close(self) -> None:
        """Esc in the prompt: stop the job, close the list, leave the filter, go back to the panel."""
        me = self.me
        if me.runner.job is not None:
            self.act_out()
        elif me.composer.filtering is not None:
            me.composer.end_filter(keep=False)
            self.action_show(self.home)
        elif not me.composer.close():
            self.action_show(self.home)

    # the screen

    def act_theme(self) -> None:
        """The next theme, of those that suit any terminal."""
        names = self.theme_names[:3]
        at = names.index(self.theme) if self.theme in names else -1
        self.set_theme(names[(at + 1) % len(names)])

    def set_theme(self, name: str) -> None:
        """Use a theme, and say which."""
        self.theme = name
        self.me.say(f"theme {name.partition('-')[2]}")
        self.me.call_after_refresh(self.me.redraw)

    @property
    def ascii(self) -> bool:
        """Whether only ASCII signs are drawn."""
        return self.me.camera.ascii

    def toggle_ascii(self) -> None:
        """Signs of ASCII alone, and back."""
        self.me.camera.ascii = not self.me.camera.ascii
        for bar in self.me.base.query(Bar):
            bar.notify_style_update()
            bar.refresh()
        self.me.say("signs of ASCII alone" if self.me.camera.ascii else "all signs")
        self.me.call_after_refresh(self.me.redraw)

    def act_palette(self) -> None:
        """Everything, searchable."""
        self.action_command_palette()

    def act_save_svg(self) -> None:
        """The screen as SVG, in the working folder, else in the home folder."""
        name = f"timerlab-{datetime.now():%Y%m%d-%H%M%S}.svg"
        for folder in (Path.cwd(), Path.home()):
            try:
                path = self.save_screenshot(name, str(folder))
            except OSError as error:
                self.me.composer.say([("! ", "fault"), (f"the screen was not saved: {error.strerror}", "text")])
            else:
                self.me.say(f"screen saved as {path}")
                return
        self.me.wake()

    def act_suspend(self) -> None:
        """To the shell, until `fg`."""
        self.action_suspend_process()

    def act_quit(self) -> None:
        """Leave."""
        self.exit(0)

    # help

    def act_help(self) -> None:
        """Keys and help of the focused panel."""
        me = self.me
        panel = me.focused_panel
        if "aside" in me.places() and len(me.screen_stack) == 1:
            self.action_show("aside")
            return
        name = panel.NAME if panel is not None else ""
        own, text = own_help(panel)
        self.open_page(name, key_rows(own, me.player is not None, self.clock), text)

    def act_help_typed(self) -> None:
        """Help of the verb being typed."""
        verb = self.me.composer.verb
        self.open_page(verb or "commands", (), self.help_markdown(verb))

    def help_markdown(self, topic: str) -> str:
        """The engine's help for a topic; for an unknown one, all of it."""
        session = self.me.runner.session
        try:
            return str(session.help_text(topic or None))
        except (CommandError, KeyError, ValueError):
            return f"No help for `{topic}`.\n\n{session.help_text(None)}"

    def open_page(self, part: str, rows: Sequence[KeyRow], markdown: str) -> None:
        """A page over the screen."""
        self.push_screen(HelpScreen(self.me.drawn, part, rows, markdown))

    def verbs(self) -> list[tuple[str, str]]:
        """The verbs with a line each, for the palette."""
        return [(one.text.strip(), one.help) for one in self.me.runner.session.complete("")]

    def pasted_too_much(self, lines: int) -> None:
        """Say that a paste was cut."""
        composer = self.me.composer
        words = f"one line was taken, {lines} more left out; put them in a file and type: load FILE"
        composer.notice = (composer.line.value, ((words, "attention"),))
        composer.say([(words, "text")])

    # commands that the screen carries out itself

    def special(self, text: str) -> Any:
        """The result of a command that belongs to the screen; None for all others. Raises CommandError."""
        me = self.me
        verb, _, rest = text.partition(" ")
        rest = rest.strip()
        if verb == "inspect":
            return self.inspect_typed(text)
        if verb not in ("quit", "help", "load"):
            return None
        error = me.runner.session.decode(text).error
        if error is not None:
            raise error
        if verb == "quit":
            self.exit(0)
            return Result(text=text)
        try:
            if verb == "help":
                self.open_page(rest or "timerlab", (), str(me.runner.session.help_text(rest or None)))
                return Result(text=text)
            return Result(text=self.load(rest))
        except CommandError as wrong:  # the mark belongs under the name, not under the verb
            raise CommandError(
                str(wrong), text.rfind(rest) + 1, length=len(rest), suggestion=wrong.suggestion
            ) from None


def holds(panel: Any) -> bool:
    """Whether a panel has a cursor or a filter that esc takes away."""
    view = getattr(panel, "view", None)
    return bool(
        panel.cursor is not None
        or getattr(panel, "place", None) is not None
        or getattr(panel, "filter", "")
        or getattr(view, "active", "")
    )
