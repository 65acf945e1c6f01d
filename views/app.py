"""The screen: composes its parts, pumps the session, takes a frame and shows it, and runs commands.

Everything that a key changes in the session goes through `issue`, as if it had been typed. The pump runs at 50 Hz while
there is something to do and not at all while the session is paused and still.
"""

from __future__ import annotations

import gc
import locale
import time
from collections.abc import Callable, Iterable
from typing import Any, ClassVar

from textual import events, on
from textual.app import App, ComposeResult, SystemCommand
from textual.binding import Binding, BindingType
from textual.geometry import Region
from textual.layout import Layout
from textual.screen import Screen
from textual.theme import BUILTIN_THEMES
from textual.widgets import Input

from timerlab.command import Result
from timerlab.errors import CommandError
from timerlab.lesson import Lesson
from timerlab.pacer import Pacer
from timerlab.session import Session
from timerlab.views import keys, theme
from timerlab.views.acts import Acts
from timerlab.views.composer import Composer
from timerlab.views.decoding import result_spans
from timerlab.views.frame import Camera, Frame
from timerlab.views.help import HelpPanel
from timerlab.views.hints import Hints
from timerlab.views.history import History
from timerlab.views.inspector import InspectorPanel
from timerlab.views.layout import PANELS, Board, View, plan
from timerlab.views.lesson_acts import opens_with
from timerlab.views.palette import Everything
from timerlab.views.panel import Panel
from timerlab.views.panels import CLASSES
from timerlab.views.player import NotePanel, Player, Strip
from timerlab.views.rows import numbers
from timerlab.views.runner import Runner
from timerlab.views.showing import Showing
from timerlab.views.signals import mend_continue
from timerlab.views.tabs import Tab, Tabs, in_order
from timerlab.views.topbar import TopBar, status_of

PUMP_HZ = 50
BUDGET_NS = 4_000_000
"""Host ns that one turn of the pump may take."""
FRAME_NS = 38_000_000
"""Host ns between two frames while running: 25 a second and a little."""
FRAME_UNFOCUSED_NS = 100_000_000
"""The same while the terminal has not the focus."""

WELCOME = "nothing yet: type a command, or press space to let time run"


def collect_again() -> None:
    """Garbage collection, from the first frame on; what was imported until then is never looked through again."""
    if not gc.isenabled():
        gc.freeze()
        gc.enable()


class MainScreen(Screen[None]):
    """The one screen that all panels are on."""

    DEFAULT_CSS = """
    MainScreen { layers: below above; overflow: hidden; background: $background; }
    MainScreen > * { layer: below; }
    MainScreen > Popup, MainScreen > Prompt, MainScreen > Line, MainScreen > Decoding { layer: above; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        *keys.bindings("panel"),
        *(Binding(kind.KEY, f"app.show('{name}')", show=False) for name, kind in CLASSES.items() if kind.KEY),
    ]

    def __init__(self, view: View) -> None:
        super().__init__(id="main")
        self.board = Board(view)

    @property
    def layout(self) -> Layout:
        """The board, which CSS cannot name."""
        return self.board


class TimerlabApp(Showing, Acts, App[int]):
    """timerlab on a terminal."""

    TITLE = "timerlab"
    CSS = """
    CommandPalette SearchIcon { display: none; }
    CommandPalette > Vertical { width: 80; max-width: 100%; }
    """
    COMMANDS: ClassVar = {Everything}
    ENABLE_COMMAND_PALETTE = True
    COMMAND_PALETTE_BINDING = "ctrl+p"
    ESCAPE_TO_MINIMIZE = False
    BINDINGS: ClassVar[list[BindingType]] = [*keys.bindings("anywhere"), *keys.bindings("lesson")]

    def __init__(
        self,
        session: Session,
        lesson: Lesson | None = None,
        pacer_clock: Callable[[], int] = time.monotonic_ns,
        history: History | None = None,
    ) -> None:
        super().__init__()
        theme.register(self)
        self.host_clock = pacer_clock
        self.view = View()
        self.player: Player | None = Player(lesson) if lesson is not None else None
        session = session if lesson is None else lesson.session
        self.runner = Runner(session, lambda one: Pacer(one, pacer_clock), pacer_clock)
        self.camera = Camera(session, self.runner.pacer, pacer_clock)
        self.composer = Composer(self.view, history if history is not None else History(), self.relayout)
        self.panels: dict[str, Panel] = {name: kind(id=name) for name, kind in CLASSES.items()}
        self.panels["note"] = NotePanel(id="note")
        self.panels["aside"] = HelpPanel(id="aside")
        self.panels["inspector"] = InspectorPanel(id="inspector")
        self.topbar, self.tabrow = TopBar(id="topbar", ground="panel"), Tabs(id="tabs")
        self.strip, self.hintrow = Strip(id="strip", ground="panel"), Hints(id="hints")
        self.drawn: Frame | None = None
        self.unfocused = False
        self._drawn_at = 0
        self._heard = 0
        self._was_busy = ""
        self._fitted: object = None
        self._planned: tuple[int, ...] = ()
        self._places: dict[str, Region] = {}
        self.tabs: list[Tab] = in_order((kind.KEY, name, kind.TAB) for name, kind in CLASSES.items() if kind.TAB)

    # what it is made of

    def get_default_screen(self) -> Screen[Any]:
        """The main screen."""
        return MainScreen(self.view)

    def get_theme_variable_defaults(self) -> dict[str, str]:
        """The guide's own variables, and for the theme of sixteen colours what Textual's widgets ask for."""
        plain = BUILTIN_THEMES["ansi-dark"]
        return {**plain.to_color_system().generate(), **plain.variables, **theme.DEFAULTS}

    def get_system_commands(self, screen: Screen[Any]) -> Iterable[SystemCommand]:
        """None of Textual's: the palette reads the key table."""
        del screen
        return ()

    def compose(self) -> ComposeResult:
        """All parts; `layout.Board` places those that have room."""
        composer = self.composer
        yield from (self.topbar, self.tabrow, self.strip, *self.panels.values(), self.hintrow)
        yield from (composer.prompt, composer.line, composer.decoding, composer.popup)

    def on_mount(self) -> None:
        """Start: theme, layout, first frame, pump."""
        sixteen = not self.is_headless and self.console.color_system in ("standard", "windows")
        self.theme = "timerlab-mono" if self.no_color else "timerlab-16" if sixteen else "timerlab-dark"
        self.composer.session = self.runner.session
        self.composer.popup.display = False
        self.composer.suggest()
        self.composer.last = ((WELCOME, "label"),)
        # Textual writes UTF-8 whatever the locale is; a terminal of another one would show pairs of letters
        self.camera.ascii = not self.is_headless and "utf" not in locale.getencoding().lower()
        mend_continue(self._driver)
        self.app_resume_signal.subscribe(self, self._resumed)
        self.pump_timer = self.set_interval(1 / PUMP_HZ, self.pump, pause=True)
        if self.player is not None:
            self.start_lesson(self.player)
        self.view.shown = opens_with(self.player)
        self.panels[self.view.shown].focus()
        self.call_after_refresh(self.show_frame)
        self.call_after_refresh(collect_again)
        self.wake()

    @property
    def base(self) -> Screen[Any]:
        """The main screen, whatever lies over it."""
        return self.screen_stack[0]

    # the pump

    def wake(self) -> None:
        """Start the pump; it stops itself when there is nothing to do."""
        self.pump_timer.resume()

    def pump(self) -> None:
        """One turn: host time into virtual time, a frame if it is due."""
        now = self.host_clock()
        runner, player = self.runner, self.player
        text, was_running = runner.text, runner.session.running
        try:
            result = runner.pump(BUDGET_NS)
        except CommandError as error:
            result = Result(text=error.message, ok=False)
            if error.suggestion is not None:
                self.ask(text, error)
        except Exception as error:  # a defect must not take the screen, and the work, with it
            self.defect(error)
            result = None
        if result is not None:
            self.finished(text, result)
        elif was_running and not runner.session.running:
            self.composer.say_result(runner.ran_out())
        if player is not None:
            self.pump_lesson(player, now, result)
        active = runner.active or (player is not None and (player.playing or player.to_come))
        due = FRAME_UNFOCUSED_NS if self.unfocused else FRAME_NS
        if not active or now - self._drawn_at >= due:
            self._drawn_at = now
            self.show_frame()
        if not active:
            self.pump_timer.pause()

    def places(self) -> dict[str, Region]:
        """The parts of the screen that are seen at its size, with their regions."""
        key = (*self.base.size, self.view.version)
        if key != self._planned:
            self._planned, self._places = key, plan(*self.base.size, self.view)
        return self._places

    def show_frame(self) -> None:
        """Take a frame; draw what it changes. An unchanged one costs nothing."""
        composer, runner = self.composer, self.runner
        frame = self.camera.take()
        busy = runner.busy
        composer.progress = ()
        if busy:
            words = runner.progress or f"{busy} …"
            stop = (("   esc", "interactive"), (" stops it", "label"))
            composer.progress = (("► ", "interactive"), *numbers(words), *stop)
        if frame.options is not self._fitted:
            self._fitted = frame.options
            self.fit_tables(frame.options)
        if frame is not self.drawn or busy or self._was_busy:
            self.drawn, self._was_busy = frame, busy
            seen = self.places()
            for name, panel in self.panels.items():
                if name in seen:
                    try:
                        panel.see(frame)
                    except Exception as error:  # one broken panel must not take the others with it
                        self.defect(error)
            notice = frame.notice if runner.pacer.notices > self._heard else ""
            self.topbar.show(status_of(frame, busy, notice))
        self.show_rows(frame)
        composer.refresh()

    @property
    def focused_panel(self) -> Panel | None:
        """The panel that has the focus on the main screen."""
        focused = self.base.focused
        return focused if isinstance(focused, Panel) else None

    # commands

    def issue(self, text: str) -> bool:
        """Run a command as if typed; False, and the reason under the prompt, if it cannot be."""
        text = text.strip()
        if self.runner.job is not None:
            self.composer.say([("! ", "fault"), (f"{self.runner.busy} is still at work: esc stops it", "text")])
            return False
        self._heard = self.runner.pacer.notices
        try:
            result = self.special(text)
            if result is None:
                result = self.runner.begin(text)
        except CommandError as error:
            if self.composer.typing:
                self.composer.show_error(error)
            else:
                self.composer.say([("! ", "fault"), *numbers(error.message)])
            self.wake()
            return False
        except Exception as error:  # a defect must not take the screen, and the work, with it
            self.defect(error)
            return False
        if result is not None:
            self.finished(text, result)
        self.wake()
        return True

    def ask(self, text: str, error: CommandError) -> None:
        """Put a command that could not go on back into the prompt, with what tab may put in its place."""
        self.begin_typing(text)
        self.composer.show_error(error)

    def finished(self, text: str, result: Any) -> None:
        """A command is done: say so; a text of many lines opens as a page."""
        self.composer.say_result(result)
        if "\n" in result.text.strip():
            self.open_page(text, (), f"```text\n{result.text}\n```")
        self.wake()

    def defect(self, error: Exception) -> None:
        """Say that something in timerlab is broken, and go on."""
        self.runner.cancel()
        what = f"{type(error).__name__}: {error}".splitlines()[0]
        self.composer.say([("! ", "fault"), (f"timerlab made a mistake, nothing was lost: {what}", "fault")])
        self.log.error(repr(error))
        self.wake()

    def say(self, text: str) -> None:
        """One line under the prompt."""
        self.composer.say(result_spans(text))
        self.wake()

    # events

    def relayout(self) -> None:
        """Place the parts anew."""
        if self.is_running and self.hintrow.is_attached:
            self.hintrow.refresh(layout=True)  # a child's: the screen's own would keep the arrangement it remembers

    def on_resize(self, event: events.Resize) -> None:
        """The terminal has another size: what is focused stays in sight."""
        del event
        self.call_after_refresh(self.redraw)

    def redraw(self) -> None:
        """Draw everything, as after a resize or a change of layout."""
        self.drawn = None
        self.show_frame()

    def on_app_blur(self) -> None:
        """Fewer frames while nobody looks."""
        self.unfocused = True

    def on_app_focus(self) -> None:
        """All frames again."""
        self.unfocused = False

    def _resumed(self, _app: object) -> None:
        """Back from ctrl+z: the terminal was cleared, now and once more when it has settled."""
        self.base.refresh(layout=True)
        self.set_timer(0.05, lambda: self.screen.refresh(layout=True))
        self.wake()

    def on_descendant_focus(self, event: events.DescendantFocus) -> None:
        """Another part has the focus: a panel becomes the shown one."""
        name = event.widget.id or ""
        if name in PANELS and name != self.view.shown:
            self.view.shown = name
            self.relayout()
        if isinstance(event.widget, Panel):
            self.leave_aside(event.widget)
            self.call_after_refresh(event.widget.draw)
        self.call_after_refresh(self.redraw)

    def on_descendant_blur(self, event: events.DescendantBlur) -> None:
        """The prompt's list goes with its focus; a panel's rule becomes light."""
        if isinstance(event.widget, Panel):
            self.call_after_refresh(event.widget.draw)
        elif event.widget is self.composer.line:
            self.composer.popup.close()

    @on(Input.Changed)
    def _typed(self, event: Input.Changed) -> None:
        event.stop()
        self.composer.changed()
        if self.drawn is not None:
            self.show_rows(self.drawn)

    def on_paste(self, event: events.Paste) -> None:
        """A paste while a panel has the focus goes to the prompt."""
        if len(self.screen_stack) == 1 and not self.composer.typing:
            self.begin_typing(self.composer.line.value)
            self.composer.line.post_message(events.Paste(event.text))
            event.stop()

    @on(Panel.Command)
    def _asked(self, event: Panel.Command) -> None:
        self.issue(event.text)

    @on(Panel.Copied)
    def _copied(self, event: Panel.Copied) -> None:
        lines = event.text.count("\n") + 1
        self.say(f"copied the {event.what}" + (f": {event.text.strip()}" if lines == 1 else f", {lines} lines"))

    @on(Panel.Inspect)
    def _inspected(self, event: Panel.Inspect) -> None:
        if event.name and not self.inspect(event.name):
            self.issue(f"explain {event.name}")

    @on(Panel.Hinted)
    def _hinted(self) -> None:
        if self.drawn is not None:
            self.show_rows(self.drawn)
