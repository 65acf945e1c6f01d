"""What stands around the panels: tabs or the lesson's strip, the key row, and the help in a cell of a large screen."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from timerlab.views.acts import Acts
from timerlab.views.frame import Frame
from timerlab.views.help import key_rows, own_help
from timerlab.views.hints import own_hints, panel_hints
from timerlab.views.layout import shape
from timerlab.views.panel import Panel
from timerlab.views.panels import GROUPS

if TYPE_CHECKING:
    from timerlab.views.app import TimerlabApp


class Showing:
    """The part of `TimerlabApp` that draws what stands around the panels."""

    @property
    def _me(self) -> TimerlabApp:
        return self  # type: ignore[return-value]

    def fit_tables(self, options: Any) -> None:
        """Tell the layout how long this session's tables are."""
        view = self._me.view
        view.more = {**view.more, "hpet": 5 + options.hpet_timers, "tsc": 4 + options.vcpus}
        self._me.relayout()

    def act_help(self) -> None:
        """Help of the focused panel: in a cell of a large screen, and a second time away from there; else as a page."""
        me = self._me
        view, size = me.view, me.base.size
        covered = view.inspecting or view.zoomed or view.note or len(me.screen_stack) > 1
        if covered or shape(size.width, size.height) != "large":
            Acts.act_help(me)
        elif view.aside and me.focused_panel is me.panels["aside"]:
            me.action_show(me.home)
        else:
            self.fill_aside(me.focused_panel)
            view.aside = True
            me.action_show("aside")

    def leave_aside(self, focused: Panel) -> None:
        """The cell of the help goes back to its panel when another panel has the focus."""
        me = self._me
        if me.view.aside and focused is not me.panels["aside"]:
            me.view.aside = False
            me.relayout()

    def show_rows(self, frame: Frame) -> None:
        """Draw the tab row or the lesson's strip, and the key row."""
        me = self._me
        seen = me.places()
        focus = me.focused_panel
        if "tabs" in seen:
            at = GROUPS.get(me.view.shown, (me.view.shown,))[0]
            marked = {name for name, kind in me.panels.items() if kind.is_marked(frame)}
            me.tabrow.show(me.tabs, at, seen, marked)
        if me.player is not None and "strip" in seen:
            me.strip.show(me.player)
        busy = bool(me.runner.busy)
        wide = shape(me.base.size.width, me.base.size.height) != "small"
        if me.composer.typing:
            me.hintrow.show(me.composer.hints(busy))
        elif focus is not None and not busy and focus.owns_hints(frame.past or me.player is not None):
            me.hintrow.show(own_hints(focus.HINTS, wide))
        else:
            lesson = me.player is not None and not me.player.lesson.finished
            plays = frame.running or (me.player is not None and me.player.playing)
            me.hintrow.show(panel_hints(wide, plays, frame.past, busy, lesson, me.clock))
        if "aside" in seen and focus is not me.panels["aside"]:
            self.fill_aside(focus)

    def fill_aside(self, focus: Panel | None) -> None:
        """The cell of the help on a large screen: help of the focused panel, or of the verb being typed."""
        me = self._me
        aside: Any = me.panels["aside"]
        verb = me.composer.verb if me.composer.typing else ""
        if verb:
            aside.tell(verb, (), me.help_markdown(verb))
        else:
            name = focus.NAME if focus is not None else ""
            own, words = own_help(focus)
            aside.tell(name, key_rows(own, me.player is not None, me.clock), words)
