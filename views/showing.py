"""The rows around the panels: tabs or the lesson's strip, the key row, and the free cell of a large screen."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from timerlab.views.frame import Frame
from timerlab.views.help import key_rows, own_help
from timerlab.views.hints import own_hints, panel_hints
from timerlab.views.layout import shape
from timerlab.views.panel import Panel

if TYPE_CHECKING:
    from timerlab.views.app import TimerlabApp


class Showing:
    """The part of `TimerlabApp` that draws what stands around the panels."""

    @property
    def _me(self) -> TimerlabApp:
        return self  # type: ignore[return-value]

    def show_rows(self, frame: Frame) -> None:
        """Draw the tab row or the lesson's strip, and the key row."""
        me = self._me
        seen = me.places()
        focus = me.focused_panel
        if "tabs" in seen:
            at = "pit" if me.view.shown == "port61" else me.view.shown
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
            me.hintrow.show(panel_hints(wide, plays, frame.past, busy, lesson))
        if "aside" in seen and focus is not me.panels["aside"]:
            self.fill_aside(focus)

    def fill_aside(self, focus: Panel | None) -> None:
        """The free cell of a large screen: help of the focused panel, or of the verb being typed."""
        me = self._me
        aside: Any = me.panels["aside"]
        verb = me.composer.verb if me.composer.typing else ""
        if verb:
            aside.tell(verb, (), me.help_markdown(verb))
        else:
            name = focus.NAME if focus is not None else ""
            own, words = own_help(focus)
            aside.tell(name, key_rows(own, me.player is not None), words)
