"""The screen through its keys: what a key does to the session, and that nothing takes the screen down."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from fractions import Fraction
from pathlib import Path

import pytest
from textual import events
from textual.pilot import Pilot

from timerlab import Session
from timerlab.views import hints, keys, layout, prose
from timerlab.views.app import CLASSES, TimerlabApp
from timerlab.views.help import HelpPanel, HelpScreen
from timerlab.views.history import History
from timerlab.views.jump import JumpScreen
from timerlab.views.rows import plain, width_of
from timerlab.views.time_acts import rates

SIZES = [(80, 24), (120, 40), (200, 60)]
RUNNING_PIT = ("outb 43h 34h", "outb 40h a9h", "outb 40h 04h", "skip 10ms")


class Clock:
    """A host clock that only a test moves."""

    def __init__(self) -> None:
        self.ns = 0

    def __call__(self) -> int:
        return self.ns


Opened = tuple[TimerlabApp, "Pilot[int]", Clock]
Opener = Callable[..., object]


@pytest.fixture
def screen(tmp_path: Path) -> Callable[..., object]:
    """Opens the screen on a session in which channel 0 of the PIT runs at 1000 Hz."""

    @asynccontextmanager
    async def opened(size: tuple[int, int] = (80, 24), real: bool = False) -> AsyncIterator[Opened]:
        session = Session()
        for command in RUNNING_PIT:
            session.do(command)
        clock = Clock()
        app = TimerlabApp(
            session, pacer_clock=time.monotonic_ns if real else clock, history=History(tmp_path / "history")
        )
        async with app.run_test(size=size) as pilot:
            await pilot.pause()
            yield app, pilot, clock

    return opened


async def type_in(pilot: Pilot[int], text: str) -> None:
    """Type `text` key by key."""
    for character in text:
        await pilot.press("space" if character == " " else character)
    await pilot.pause()


def last(app: TimerlabApp) -> str:
    """What the decode row says of the last command."""
    return plain(app.composer.last)


# the tables


def test_every_action_has_a_command_or_a_method() -> None:
    for action in keys.ACTIONS:
        assert action.command or hasattr(TimerlabApp, f"act_{action.name}"), action.name


def test_no_key_means_two_things_in_one_place() -> None:
    for place in ("panel", "anywhere", "prompt", "lesson"):
        names = [key for action in keys.actions(place) for key in action.keys.split(",")]
        assert len(names) == len(set(names)), place


def test_a_panels_key_is_no_action_of_the_screen() -> None:
    taken = {key for action in keys.actions("panel", "anywhere") for key in action.keys.split(",")}
    assert not taken & {kind.KEY for kind in CLASSES.values()}


@pytest.mark.parametrize("width", [10, 20, 40, 60, 78, 118, 198])
def test_the_last_hint_is_never_dropped(width: int) -> None:
    row = hints.spans(hints.panel_hints(width > 100, False, False, False, False), width)
    assert plain(row).endswith("keys")
    assert width_of(row) <= max(width, 10)
    assert len(hints.panel_hints(True, False, False, False, False)) <= hints.MOST


# time


async def test_space_runs_with_the_hosts_clock_and_pauses(screen: Opener) -> None:
    async with screen() as (app, pilot, clock):
        session = app.runner.session
        start = session.now
        await pilot.press("space")
        assert session.running
        clock.ns += 1_000_000
        await pilot.pause(0.1)
        assert session.now == start + 1_000_000
        await pilot.press("space")
        assert not session.running
        await pilot.pause(0.1)
        assert not app.pump_timer._active.is_set(), "a paused screen does not pump"


async def test_step_clock_and_back_are_commands(screen: Opener) -> None:
    async with screen() as (app, pilot, _):
        session = app.runner.session
        start, entries = session.now, len(session.log)
        expected = session.next_event()[0]
        await pilot.press("n")
        assert session.now == expected
        assert len(session.log) == entries + 1
        await pilot.press("N")
        assert session.now == start
        assert session.past
        await pilot.press("end")
        assert session.now == expected and not session.past
        await pilot.press("c")
        assert 838 <= session.now - expected <= 839


async def test_faster_and_slower_go_by_decades_and_stop_at_one_pit_clock_a_second(screen: Opener) -> None:
    async with screen() as (app, pilot, _):
        session = app.runner.session
        await pilot.press("less_than_sign", "less_than_sign")
        assert session.rate == Fraction(1, 100)
        await pilot.press(*["less_than_sign"] * 5)
        assert session.rate == Fraction(88, 105_000_000)
        await pilot.press(*["less_than_sign"] * 3)
        assert session.rate == Fraction(1, 10_000_000)
        await pilot.press(*["greater_than_sign"] * 20)
        assert session.rate == 1_000_000


def test_the_stops_of_the_rate_are_in_order() -> None:
    stops = [rate for rate, _ in rates(Fraction(105_000_000, 88))]
    assert stops == sorted(stops) and stops[0] == Fraction(1, 10**7) and stops[-1] == 10**6 and 1 in stops


async def test_a_long_search_is_live_and_esc_stops_it(screen: Opener) -> None:
    async with screen(real=True) as (app, pilot, _):
        await pilot.press("colon")
        await type_in(pilot, "until port61.iochk limit 1000y")
        await pilot.press("enter")
        await pilot.press("escape")
        await pilot.pause()
        assert app.runner.job is None
        await pilot.press("escape", "n")
        assert not app.runner.busy


# panels


@pytest.mark.parametrize("size", SIZES)
async def test_keys_of_panels_focus_them(screen: Opener, size: tuple[int, int]) -> None:
    async with screen(size) as (app, pilot, _):
        for name, kind in (*CLASSES.items(), ("pit", CLASSES["pit"])):
            key = kind.KEY
            if not key:
                continue
            await pilot.press(key)
            await pilot.pause()
            assert app.focused_panel is app.panels[name]
            assert name in app.places()


async def test_tab_goes_round(screen: Opener) -> None:
    async with screen((120, 40)) as (app, pilot, _):
        seen = []
        for _ in layout.PANELS:
            seen.append(app.focused_panel.id)
            assert seen[-1] in app.places()
            await pilot.press("tab")
            await pilot.pause()
        assert tuple(seen) == layout.PANELS and app.focused_panel.id == "pit"
        await pilot.press("shift+tab")
        await pilot.pause()
        assert app.focused_panel.id == "log"


@pytest.mark.parametrize(
    ("size", "vcpus", "profile", "guest"),
    [((80, 24), 4, "kvm", "manual"), ((200, 60), 64, "ich", "ideal")],
)
async def test_every_panel_is_drawn_moves_and_opens(
    tmp_path: Path, size: tuple[int, int], vcpus: int, profile: str, guest: str
) -> None:
    session = Session(vcpus=vcpus, profile=profile, guest=guest)
    for command in (*RUNNING_PIT, "writel hpet.conf 1", "outb 70h 0bh", "outb 71h 42h", "skip 2s"):
        session.do(command)
    app = TimerlabApp(session, None, lambda: 0, history=History(tmp_path / "history"))
    async with app.run_test(size=size) as pilot:
        for name in layout.PANELS:
            app.action_show(name)
            await pilot.pause()
            panel = app.panels[name]
            region = app.places()[name]
            assert app.focused_panel is panel and panel.size == region.size
            assert all(width_of(row) <= region.width for row in panel._rows), name
            assert "━" in panel.text().partition("\n")[0]
            await pilot.press("down", "down", "right", "up", "left", "enter", "escape", "z", "n", "z")
            await pilot.pause()
            assert "mistake" not in last(app), (name, last(app))
        assert not app.view.zoomed


async def test_zoom_and_back(screen: Opener) -> None:
    async with screen((200, 60)) as (app, pilot, _):
        await pilot.press("w", "z")
        await pilot.pause()
        assert set(app.places()) & set(layout.PANELS) == {"waves"}
        await pilot.press("escape")
        await pilot.pause()
        assert "pit" in app.places()


async def test_jump_by_letter(screen: Opener) -> None:
    async with screen((120, 40)) as (app, pilot, _):
        await pilot.press("ctrl+o")
        assert isinstance(app.screen, JumpScreen)
        letter = next(key for key, name in app.screen.targets.items() if name == "log")
        await pilot.press(letter)
        await pilot.pause()
        assert app.focused_panel.id == "log"
        await pilot.press("ctrl+o", "escape")
        assert app.focused_panel.id == "log"


async def test_slash_filters_the_log(screen: Opener) -> None:
    async with screen() as (app, pilot, _):
        await pilot.press("l", "slash")
        await type_in(pilot, "outb")
        assert app.panels["log"].filter == "outb"
        await pilot.press("enter")
        await pilot.pause()
        assert app.panels["log"].filter == "outb" and app.focused_panel.id == "log"
        await pilot.press("escape")
        assert app.panels["log"].filter == ""


# the prompt


async def test_a_typed_command_runs_and_is_remembered(screen: Opener) -> None:
    async with screen() as (app, pilot, _):
        await pilot.press("colon")
        await type_in(pilot, "outb 43h 00h")
        await pilot.press("enter")
        await pilot.pause()
        assert app.runner.session.log[-1].text == "outb 43h 00h"
        assert "latch ch 0" in last(app)
        assert app.composer.line.value == ""
        assert app.composer.line.placeholder == "outb 43h 00h"
        await pilot.press("up")
        assert app.composer.line.value == "outb 43h 00h"
        await pilot.press("escape")
        await pilot.pause()
        assert app.focused_panel.id == "pit"
        assert app.composer.line.value == "outb 43h 00h", "what was typed stays"


async def test_a_mistake_is_underlined_where_it_is_and_changes_nothing(screen: Opener) -> None:
    async with screen() as (app, pilot, _):
        entries = len(app.runner.session.log)
        await pilot.press("colon")
        await type_in(pilot, "outb 43h 1b6h")
        assert app.composer.line.mistake == (9, 4)
        assert plain(app.composer.prompt.rows[2]).index("└──┘") == 3 + 9
        await pilot.press("enter")
        await pilot.pause()
        assert len(app.runner.session.log) == entries
        assert app.composer.line.value == "outb 43h 1b6h"
        assert app.composer.decoding.plain_text().strip().startswith("!")


async def test_what_is_typed_is_decoded_before_enter(screen: Opener) -> None:
    async with screen() as (app, pilot, _):
        await pilot.press("colon")
        await type_in(pilot, "outb 43h b6h")
        shown = app.composer.decoding.plain_text()
        assert "SC" in shown and "square wave" in shown and "then" in shown


async def test_completion_stands_above_the_prompt_and_tab_takes_it(screen: Opener) -> None:
    async with screen() as (app, pilot, _):
        await pilot.press("colon")
        await type_in(pilot, "out")
        popup = app.composer.popup
        assert popup.is_open
        assert popup.region.bottom == app.composer.prompt.region.y + 1
        assert popup.region.width == 60
        await pilot.press("down")
        chosen = app.composer.line.value
        assert chosen.startswith("out")
        await pilot.press("escape")
        assert app.composer.line.value == "out" and not popup.is_open
        await type_in(pilot, "b")
        await pilot.press("tab")
        assert app.composer.line.value.startswith("outb")


async def test_the_suggestion_is_taken_by_the_right_key(screen: Opener) -> None:
    async with screen() as (app, pilot, _):
        app.composer.history.add("skip 123us")
        await pilot.press("colon")
        await type_in(pilot, "sk")
        await pilot.pause(0.1)
        assert app.composer.line.suggestion == "skip 123us"
        await pilot.press("right")
        assert app.composer.line.value == "skip 123us"


async def test_g_begins_a_goto(screen: Opener) -> None:
    async with screen() as (app, pilot, _):
        await pilot.press("g")
        await type_in(pilot, "1ms")
        await pilot.press("enter")
        await pilot.pause()
        assert app.runner.session.now == 1_000_000


NONSENSE = (
    *("", "   ", "#", "\t\n", "[bold", "outb [/] [red]", "note [link=x]y[/", "expect 1 =="),
    *("é世界🙂", "\x1b[2J\x07\x00", "a" * 9000),
)


@pytest.mark.parametrize("text", NONSENSE)
async def test_nothing_typed_or_pasted_takes_the_screen_down(screen: Opener, text: str) -> None:
    async with screen() as (app, pilot, _):
        app.post_message(events.Paste(text))
        await pilot.pause()
        await pilot.press("colon")
        app.composer.line.set_line(text)
        await pilot.pause()
        assert app.composer.line.value.isprintable()
        await pilot.press("tab", "enter", "up", "down", "ctrl+r", "escape", "escape")
        await pilot.pause()
        assert app.is_running


async def test_a_note_with_markup_is_shown_as_it_was_typed(screen: Opener) -> None:
    async with screen() as (app, pilot, _):
        await pilot.press("colon")
        await type_in(pilot, "note [bold]x[/bold] [OPTIONS]")
        await pilot.press("enter", "escape", "l")
        await pilot.pause()
        assert "[bold]x[/bold] [OPTIONS]" in app.panels["log"].text()


async def test_a_paste_of_many_lines_says_what_it_left_out(screen: Opener) -> None:
    async with screen() as (app, pilot, _):
        app.post_message(events.Paste("skip 1ms\nskip 2ms\nskip 3ms\n"))
        await pilot.pause()
        assert app.composer.line.value == "skip 1ms"
        assert "2 more" in last(app)


async def test_keys_in_one_burst_all_go_to_the_prompt(screen: Opener) -> None:
    async with screen() as (app, pilot, _):
        entries = len(app.runner.session.log)
        for key in (":", *"outb 40h 1", "\r", *"outb 40h 2", "\r"):
            name = {":": "colon", " ": "space", "\r": "enter"}.get(key, key)
            app.post_message(events.Key(name, None if key == "\r" else key))
        await pilot.pause(0.2)
        assert [entry.text for entry in app.runner.session.log[entries:]] == ["outb 40h 1", "outb 40h 2"]


# lessons

LESSON = """\
#: timerlab = 0.1
#: title = One
note First [b]words[/b].
outb 43h 34h
expect pit.ch0.mode == 2
note Second words.
expect pit.ch0.mode == 3
outb 40h 1
note Last words.
"""


@pytest.mark.parametrize("size", SIZES[:1])
async def test_load_plays_a_lesson(screen: Opener, tmp_path: Path, size: tuple[int, int]) -> None:
    path = tmp_path / "one.timerlab"
    path.write_text(LESSON)
    async with screen(size) as (app, pilot, _):
        await pilot.press("colon")
        await type_in(pilot, f"load {path}")
        await pilot.press("enter")
        await pilot.pause(0.1)
        note = app.panels["note"]
        assert "strip" in app.places() and "tabs" not in app.places()
        assert "First [b]words[/b]." in note.text()
        await pilot.press("escape", "f3", "f3")
        await pilot.pause(0.1)
        assert app.player.lesson.done == 1
        assert "1 of 2" in app.strip.plain_text() and "■ □" in app.strip.plain_text()
        await pilot.press("pagedown")
        await pilot.pause(0.1)
        assert "Second words." in note.text()
        await pilot.press("f3")
        await pilot.pause(0.1)
        assert "■ !" in app.strip.plain_text()
        await pilot.press("pageup")
        await pilot.pause(0.1)
        assert "First" in note.text() and app.runner.session is app.player.session
        await pilot.press("f5")
        await pilot.pause(0.1)
        assert "note" not in app.places()
        await pilot.press("pagedown", "pagedown", "pagedown", "pagedown", "f8")
        await pilot.pause(0.1)
        assert app.player is None and "strip" not in app.places()


async def test_space_plays_a_lesson_up_to_the_next_note(screen: Opener, tmp_path: Path) -> None:
    path = tmp_path / "one.timerlab"
    path.write_text(LESSON)
    async with screen() as (app, pilot, clock):
        app.load(str(path))
        await pilot.pause(0.1)
        await pilot.press("space")
        for _ in range(4):
            clock.ns += 1_000_000_000
            await pilot.pause(0.1)
        assert not app.player.playing
        assert "Second words." in app.panels["note"].text()


async def test_a_lesson_that_is_not_there_is_a_mistake(screen: Opener) -> None:
    async with screen() as (app, pilot, _):
        await pilot.press("colon")
        await type_in(pilot, "load no-such-lesson")
        await pilot.press("enter")
        await pilot.pause()
        assert app.player is None
        assert app.composer.decoding.plain_text().strip().startswith("!")


# the rest


async def test_help_opens_and_can_be_searched(screen: Opener) -> None:
    async with screen() as (app, pilot, _):
        await pilot.press("question_mark")
        await pilot.pause()
        assert isinstance(app.screen, HelpScreen)
        panel = app.screen.query_one(HelpPanel)
        whole = panel.text()
        assert "ctrl+p" in whole
        await pilot.press("slash")
        await type_in(pilot, "palette")
        assert 0 < len(panel.text().splitlines()) < len(whole.splitlines())
        await pilot.press("escape", "escape")
        await pilot.pause()
        assert not isinstance(app.screen, HelpScreen)


async def test_help_takes_a_cell_of_a_large_screen_until_another_panel_has_the_focus(screen: Opener) -> None:
    async with screen((200, 60)) as (app, pilot, _):
        assert "aside" not in app.places() and "tree" in app.places()
        await pilot.press("2", "question_mark")
        await pilot.pause()
        assert app.focused_panel is app.panels["aside"] and "tree" not in app.places()
        assert "MC146818" in app.panels["aside"].text()
        await pilot.press("question_mark")
        await pilot.pause()
        assert app.focused_panel.id == "rtc" and "aside" not in app.places()
        await pilot.press("question_mark", "escape")
        await pilot.pause()
        assert app.focused_panel.id == "rtc" and "tree" in app.places()


async def test_the_layout_knows_how_long_the_tables_of_a_session_are(tmp_path: Path) -> None:
    session = Session(vcpus=8, hpet_timers=6)
    app = TimerlabApp(session, None, lambda: 0, history=History(tmp_path / "history"))
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("4")
        await pilot.pause()
        assert app.places()["hpet"].height == 11
        await pilot.press("6")
        await pilot.pause()
        assert app.places()["tsc"].height == 12


async def test_help_of_a_verb(screen: Opener) -> None:
    async with screen() as (app, pilot, _):
        await pilot.press("colon")
        await type_in(pilot, "outb 4")
        await pilot.press("f1")
        await pilot.pause()
        assert "outb" in app.screen.query_one(HelpPanel).text()
        await pilot.press("escape")
        await type_in(pilot, "0h 1")
        assert app.composer.line.value == "outb 40h 1"


async def test_themes_go_round(screen: Opener) -> None:
    async with screen() as (app, pilot, _):
        seen = [app.theme]
        for _ in range(3):
            await pilot.press("ctrl+t")
            await pilot.pause()
            seen.append(app.theme)
        assert seen[0] == seen[-1] and len(set(seen)) == 3


@pytest.mark.parametrize("way", ["q", "ctrl+q", "typed"])
async def test_ways_out(screen: Opener, way: str) -> None:
    async with screen() as (app, pilot, _):
        if way == "typed":
            await pilot.press("colon")
            await type_in(pilot, "quit")
            await pilot.press("enter")
        else:
            await pilot.press(way)
        await pilot.pause()
        assert app.return_code == 0 and app._exit


async def test_every_resize_is_survived_and_the_prompt_stays(screen: Opener) -> None:
    async with screen() as (app, pilot, _):
        await pilot.press("colon")
        await type_in(pilot, "outb 43h b")
        for size in [(200, 60), (3, 2), (120, 40), (1, 1), (80, 24), (40, 9), (131, 24), (80, 24)]:
            await pilot.resize_terminal(*size)
            await pilot.pause()
        assert app.composer.line.value == "outb 43h b"
        assert app.composer.typing


async def test_the_screen_is_saved_where_it_says(
    screen: Opener, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    async with screen() as (app, pilot, _):
        await pilot.press("ctrl+s")
        await pilot.pause()
        saved = list(tmp_path.glob("timerlab-*.svg"))
        assert len(saved) == 1 and str(saved[0]) in last(app)


def test_history_survives_a_file_that_is_no_history(tmp_path: Path) -> None:
    path = tmp_path / "history"
    path.write_bytes(b"\xff\xfe\x00 nonsense\n12 outb 40h 1\nx y\n" + b"9" * 400 + b" z\n")
    history = History(path)
    assert history.newest() == ["outb 40h 1"]
    history.add("inb 40h")
    assert History(path).newest() == ["inb 40h", "outb 40h 1"]
    assert History(tmp_path).newest() == []  # a folder in its place
    History(tmp_path).add("inb 41h")


def test_prose_wraps_and_breaks_on_nothing() -> None:
    for text in (
        "",
        "#",
        "| a",
        "|-|",
        "```",
        "* ",
        "**",
        "`",
        "a " * 200,
        "| a | b |\n|---|---|\n| `x` | " + "y " * 80,
    ):
        for width in (1, 8, 20, 78):
            assert all(width_of(row) <= max(width, 8) + 60 for row in prose.rows(text, width))
    rows = prose.rows("# Title\n\nSome `code` and **strong** words, long enough to be wrapped here.", 30)
    assert plain(rows[0]) == "Title" and all(width_of(row) <= 30 for row in rows)


async def test_a_stopped_job_is_no_longer_in_the_top_row(screen: Opener) -> None:
    """Esc takes its name away at once, although no value has changed since."""
    async with screen(real=True) as (app, pilot, _):
        app.issue("until pit.ch0.next_level == 5 limit 900y")
        await pilot.pause(0.1)
        assert app.runner.busy == "until"
        await pilot.press("escape")
        await pilot.pause(0.1)
        assert "until" not in app.topbar.plain_text()


async def test_a_paste_of_many_lines_says_what_was_left_out(screen: Opener) -> None:
    """Under the decoded line, until that is changed."""
    async with screen() as (app, pilot, _):
        await pilot.press("colon")
        app.composer.line.post_message(events.Paste("outb 43h 34h\noutb 40h 2\n"))
        await pilot.pause(0.1)
        assert "1 more left out" in app.composer.decoding.plain_text()
        await pilot.press("space")
        await pilot.pause(0.1)
        assert "left out" not in app.composer.decoding.plain_text()


async def test_what_is_said_survives_a_very_small_terminal(screen: Opener) -> None:
    """The decode row is cut anew at each width."""
    async with screen() as (app, pilot, _):
        app.say("a result")
        await pilot.resize_terminal(10, 3)
        await pilot.pause(0.1)
        await pilot.resize_terminal(80, 24)
        await pilot.pause(0.1)
        assert "a result" in app.composer.decoding.plain_text()


async def test_a_colon_before_a_command_is_no_mistake(screen: Opener) -> None:
    """Who types it twice means the same."""
    async with screen() as (app, pilot, _):
        await pilot.press("colon", "colon", "n")
        assert app.composer.line.value == "n"


async def test_a_run_that_ends_by_itself_says_so(screen: Opener) -> None:
    """The decode row does not go on promising an end that is over."""
    async with screen() as (app, pilot, clock):
        app.issue("run 1ms")
        clock.ns += 5_000_000
        await pilot.pause(0.2)
        assert "paused at 0.011" in app.composer.decoding.plain_text()


async def test_enter_on_an_event_of_the_log_goes_to_its_moment(screen: Opener) -> None:
    """Not to the end of the entry that it happened in; what the entry did before then is not ahead."""
    async with screen(size=(120, 40)) as (app, pilot, _):
        session = app.runner.session
        await pilot.press("l", "up", "up", "enter")
        await pilot.pause(0.1)
        assert session.past
        edge = session.edge("irq.0", session.now - 1, 1)
        assert edge is not None and edge[0] == session.now


async def test_a_trace_with_bad_lines_asks_whether_to_pass_over_them(tmp_path: Path) -> None:
    (tmp_path / "bad.trace").write_text("5 pic_set_irq\nwhat\n")
    app = TimerlabApp(Session(), None, lambda: 0, history=History(tmp_path / "history"))
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.press("colon")
        app.composer.line.set_line(f"replay {tmp_path}/bad.trace")
        await pilot.press("enter")
        for _ in range(20):
            await pilot.pause(0.05)
            if app.composer.error is not None:
                break
        assert app.composer.error is not None
        await pilot.press("tab")
        await pilot.pause()
        assert app.composer.line.value == f"replay {tmp_path}/bad.trace --skip-bad"


@pytest.mark.parametrize(("key", "ns"), [("s", 1_000_000), ("S", 1_000_000_000)])
async def test_time_is_skipped_by_keys_that_stand_in_the_log(key: str, ns: int, tmp_path: Path) -> None:
    session = Session()
    app = TimerlabApp(session, None, lambda: 0, history=History(tmp_path / "history"))
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press(key)
        await pilot.pause()
    assert (session.now, [entry.kind for entry in session.log]) == (ns, ["command"])
