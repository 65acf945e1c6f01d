"""Which lines the waves show: those that moved, those that are asked for; and the clock that `c` means there."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from timerlab import Session
from timerlab.lesson import Lesson
from timerlab.views.app import TimerlabApp
from timerlab.views.frame import Camera, Frame
from timerlab.views.history import History
from timerlab.views.keys import OSCILLATORS
from timerlab.views.panels import CLASSES
from timerlab.views.rows import plain
from timerlab.views.topbar import line_name, status_of
from timerlab.views.wave_lines import chosen, label, ordered, oscillator
from timerlab.views.wave_rows import View, rows
from timerlab.views.waves import WavesPanel

SIZE = (120, 40)
TICK = ("outb 43h 34h", "outb 40h a9h", "outb 40h 04h")


def shot(*commands: str, **options: object) -> Frame:
    session = Session(**options)  # type: ignore[arg-type]
    for command in commands:
        session.do(command)
    return Camera(session).take()


def names(frame: Frame) -> list[str]:
    return [label(name).removesuffix(" req") for name in ordered(frame)]


@pytest.fixture
def made(tmp_path: Path) -> Callable[..., TimerlabApp]:
    def make(lesson: str = "", **options: object) -> TimerlabApp:
        opened = Lesson.open(lesson) if lesson else None
        session = Session(guest="manual", **options)  # type: ignore[arg-type]
        return TimerlabApp(session, opened, pacer_clock=lambda: 0, history=History(tmp_path / "history"))

    return make


def test_all_lines_are_there_once() -> None:
    frame = shot(vcpus=4)
    assert sorted(ordered(frame)) == sorted(frame.lines())


def test_before_anything_moved_the_usual_lines_stand_above() -> None:
    assert names(shot())[:8] == ["OUT0", "IRQ0", "OUT1", "OUT2", "speaker", "IRQ8", "HPET T0", "UIP"]


def test_lines_that_moved_stand_above_the_others() -> None:
    frame = shot("wrmsr 1bh fee00900h", "writel fee000f0h 1ffh", "irq 5 1", *TICK, "skip 2ms")
    assert names(frame)[:3] == ["OUT0", "IRQ0", "IRQ5"]
    assert names(frame)[-2:] == ["v0 stolen", "v0 halt"]


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("uip irq8 hpett0", ["UIP", "IRQ8", "HPET T0"]),
        ("irq1", ["IRQ1"]),
        ("irq.1", ["IRQ1"]),
        ("rtc.uip", ["UIP"]),
        ("OUT", ["OUT0", "OUT1", "OUT2"]),
        ("v0timer", ["v0 timer"]),
        ("hpet hpet.t1", ["HPET T0", "HPET T1", "HPET T2"]),
        ("nothing", []),
    ],
)
def test_words_choose_lines_in_their_order(words: str, found: list[str]) -> None:
    assert [label(name).removesuffix(" req") for name in chosen(ordered(shot()), words)] == found


def test_a_square_as_fast_as_the_cells_is_dense_and_pulses_as_fast_are_not() -> None:
    frame = shot("outb 43h 54h", "outb 41h 12h", "skip 20ms")
    for name, cell, dense in (("refresh", 22_000, True), ("refresh", 6_000, False), ("pit.ch1.out", 10_000, False)):
        text = [plain(row) for row in rows(frame, 131, 6, View(cell=cell, names=(name,)))]
        assert ("░░░░░░" in text[2]) == dense, text


def test_no_words_are_all_lines() -> None:
    frame = shot()
    assert chosen(ordered(frame), "  ") == ordered(frame)


def test_every_line_hangs_on_a_clock_that_times_know() -> None:
    session = Session(vcpus=2)
    assert {oscillator(name) for name in session.lines()} <= set(session.machine.board.clocks)
    assert set(OSCILLATORS) == {kind.CLOCK for kind in CLASSES.values()} - {""}
    assert set(OSCILLATORS) <= set(session.machine.board.clocks)


@pytest.mark.parametrize(
    ("line", "name"),
    [("hpet.t0.out", "HPET T0"), ("lapic0.timer", "v0 timer"), ("pit.ch1.out", "OUT1"), ("irq.8", "IRQ8"), ("", "")],
)
def test_the_top_bar_calls_lines_as_the_waves_do(line: str, name: str) -> None:
    assert line_name(line) == name


def test_the_top_bar_names_what_comes_next() -> None:
    assert status_of(shot("outb 70h 0bh", "outb 71h 42h")).next_name == "IRQ8"


async def test_the_filter_chooses_lanes(made: Callable[..., TimerlabApp]) -> None:
    app = made()
    async with app.run_test(size=SIZE) as pilot:
        await pilot.press("w", "slash", *"uip", "space", *"irq8", "enter")
        await pilot.pause()
        waves = app.panels["waves"]
        assert isinstance(waves, WavesPanel) and app.drawn is not None
        assert [label(name) for name in waves.view.names] == ["UIP", "IRQ8 req"]
        assert "2 of 41 lines with uip irq8" in waves.text()
        await pilot.press("down")
        assert waves.clock == "rtc"
        await pilot.press("escape")
        assert len(waves.view.names) == 41 and not waves.filter


async def test_words_that_choose_nothing_are_said(made: Callable[..., TimerlabApp]) -> None:
    app = made()
    async with app.run_test(size=SIZE) as pilot:
        await pilot.press("w", "slash", *"xyz", "enter")
        await pilot.pause()
        assert "no line is called xyz" in app.panels["waves"].text()
        await pilot.press("down", "a", "left_square_bracket", "f", "plus", "enter", "escape", "escape", "escape")
        await pilot.pause()
        assert "OUT0" in app.panels["waves"].text()


async def test_lanes_keep_their_places_while_the_clock_runs(made: Callable[..., TimerlabApp]) -> None:
    app = made()
    async with app.run_test(size=SIZE) as pilot:
        await pilot.press("w")
        await pilot.pause()
        waves = app.panels["waves"]
        assert isinstance(waves, WavesPanel)
        before = waves.view.names
        session = app.runner.session
        session.running = True
        session.irq(5, 1)
        app.redraw()
        assert waves.view.names == before
        session.running = False
        session.skip("1ms")
        app.redraw()
        assert waves.view.names[0] == "irq.5"


async def test_the_selected_line_stays_selected(made: Callable[..., TimerlabApp]) -> None:
    app = made()
    async with app.run_test(size=SIZE) as pilot:
        await pilot.press("w", "down", "down", "down")
        await pilot.pause()
        waves = app.panels["waves"]
        assert isinstance(waves, WavesPanel)
        name = waves.view.names[waves.view.selected]
        app.runner.session.irq(5, 1)
        app.redraw()
        assert waves.view.names[waves.view.selected] == name == "pit.ch2.out"


@pytest.mark.parametrize(
    ("key", "now"), [("1", 839), ("2", 30_518), ("3", 1), ("4", 10), ("5", 839), ("6", 1), ("0", 839), ("l", 839)]
)
async def test_c_is_one_clock_of_the_panel(made: Callable[..., TimerlabApp], key: str, now: int) -> None:
    app = made()
    async with app.run_test(size=SIZE) as pilot:
        await pilot.press(key, "c")
        await pilot.pause()
        assert app.runner.session.now == now


async def test_c_looks_on_in_the_past_by_the_same_clock(made: Callable[..., TimerlabApp]) -> None:
    app = made()
    app.runner.session.do("skip 1ms")
    app.runner.session.do("goto 0")
    async with app.run_test(size=SIZE) as pilot:
        await pilot.press("2", "c")
        await pilot.pause()
        session = app.runner.session
        assert (session.now, session.past) == (30_518, True)


async def test_the_key_row_and_the_help_name_the_clock(made: Callable[..., TimerlabApp]) -> None:
    app = made()
    async with app.run_test(size=SIZE) as pilot:
        await pilot.press("2")
        await pilot.pause()
        assert "c one RTC clock" in app.hintrow.plain_text()
        await pilot.press("question_mark")
        await pilot.pause()
        page = app.screen.query_one("#help")
        assert "one clock of the RTC" in page.text()  # type: ignore[attr-defined]


async def test_a_click_on_the_inspect_hint_is_enter(made: Callable[..., TimerlabApp]) -> None:
    app = made()
    async with app.run_test(size=SIZE) as pilot:
        await pilot.press("2", "down", "down", "down")
        await pilot.pause()
        at = app.hintrow.plain_text().index("enter")
        await pilot.click("#hints", offset=(at, 0))
        await pilot.pause()
        assert app.view.inspecting


@pytest.mark.parametrize("size", [(80, 24), SIZE, (200, 60)])
@pytest.mark.parametrize(("lesson", "panel"), [("rtc-uip", "rtc"), ("cpuid-lies", "tsc"), ("gate", "pit")])
async def test_a_lesson_opens_with_its_panel(
    made: Callable[..., TimerlabApp], size: tuple[int, int], lesson: str, panel: str
) -> None:
    app = made(lesson)
    async with app.run_test(size=size) as pilot:
        await pilot.pause()
        assert panel in app.places() and app.panels[panel].has_focus
        await pilot.press("pagedown")
        await pilot.pause()
        assert panel in app.places()


async def test_load_opens_with_the_panel_too(made: Callable[..., TimerlabApp]) -> None:
    app = made()
    async with app.run_test(size=SIZE) as pilot:
        app.issue("load pm-timer")
        await pilot.pause()
        assert app.panels["acpi"].has_focus and "acpi" in app.places()


async def test_the_strip_is_drawn_anew_at_another_size(made: Callable[..., TimerlabApp]) -> None:
    app = made("hpet-legacy")
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.pause()
        assert "0 of 15" in app.strip.plain_text() and "□" not in app.strip.plain_text()
        await pilot.resize_terminal(200, 60)
        await pilot.pause()
        assert app.strip.plain_text().rstrip().endswith("free play") and "□" in app.strip.plain_text()
