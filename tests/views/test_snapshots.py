"""What the screen looks like, as SVG: three sizes, dark, light and without colour, and the states told by look."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from textual.pilot import Pilot

from timerlab import Session
from timerlab.views.app import TimerlabApp
from timerlab.views.history import History

SIZES = {"80x24": (80, 24), "120x40": (120, 40), "200x60": (200, 60)}
COMMANDS = """\
outb 43h 34h
outb 40h a9h
outb 40h 04h
outb 43h 54h
outb 41h 12h
outb 43h b6h
outb 42h 97h
outb 42h 0ah
outb 61h 03h
outb 20h 11h
outb 21h 20h
outb 21h 04h
outb 21h 01h
outb a0h 11h
outb a1h 28h
outb a1h 02h
outb a1h 01h
outb 21h 00h
outb a1h 00h
outb 70h 0bh
outb 71h 42h
outb 70h 05h
outb 71h ffh
outb 70h 03h
outb 71h ffh
outb 70h 01h
outb 71h 30h
writel hpet.conf 1
writeq hpet.t0.conf 284ch
writeq hpet.t0.cmp 1000000
writeq hpet.t0.cmp 100000
writeq hpet.t1.cmp 2000000000
writeq hpet.t2.conf 2c06h
writeq hpet.t2.cmp 170000000
wrmsr 1bh fee00900h
wrmsr 1bh fee00d00h
wrmsr 80fh 1ffh
wrmsr 832h 400ech
skip 12s
wrmsr tsc_deadline 32200000000
skip 343120004ns
outb 70h 0ch
inb 71h
skip 2558897ns
outb 43h 00h"""

Snap = Callable[..., bool]
Before = Callable[[Pilot[int]], Awaitable[None]]


@pytest.fixture
def app(tmp_path: Path) -> Callable[[], TimerlabApp]:
    """Makes the screen on a board with timers of all kinds running, its host clock frozen."""

    def made() -> TimerlabApp:
        session = Session(vcpus=4, profile="ich", guest="manual")
        for command in COMMANDS.splitlines():
            session.do(command)
        history = History(tmp_path / "history", clock=lambda: 0.0)
        history.add("outb 43h 00h")
        return TimerlabApp(session, pacer_clock=lambda: 0, history=history)

    return made


KVM = """\
wrmsr kvm_wall_clock 2000h
wrmsr kvm_steal_time 3001h
wrmsr kvm_steal_time 30c1h v3
os boot setup
l2 offset 1000000000
skip 8s
preempt v0 4100us
skip 10ms
hostload v3 8ms 20ms
hostload v2 1ms 30ms
halt v1
l2 enter
skip 4s"""


@pytest.fixture
def hosted(tmp_path: Path) -> Callable[[], TimerlabApp]:
    """Makes the screen on a guest of KVM that keeps time, with vCPUs that are stolen, and L2 running on v0."""

    def made() -> TimerlabApp:
        session = Session(vcpus=4, profile="kvm", guest="ideal")
        for command in KVM.splitlines():
            session.do(command)
        history = History(tmp_path / "history", clock=lambda: 0.0)
        return TimerlabApp(session, pacer_clock=lambda: 0, history=history)

    return made


def themed(theme: str) -> Before:
    """Chooses a theme before the picture."""

    async def before(pilot: Pilot[int]) -> None:
        app = pilot.app
        assert isinstance(app, TimerlabApp)
        app.theme = theme
        await pilot.pause(0.1)
        app.redraw()
        await pilot.pause(0.1)

    return before


def typed(text: str) -> Before:
    """Types before the picture."""

    async def before(pilot: Pilot[int]) -> None:
        await pilot.press("colon", *("space" if c == " " else c for c in text))
        await pilot.pause(0.2)

    return before


def pressed(*keys: str) -> Before:
    """Presses keys before the picture."""

    async def before(pilot: Pilot[int]) -> None:
        await pilot.pause(0.1)
        for key in keys:
            await pilot.press(key)
            await pilot.pause(0.05)
        await pilot.pause(0.2)

    return before


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("theme", ["timerlab-dark", "timerlab-light"])
def test_main(snap_compare: Snap, app: Callable[[], TimerlabApp], size: str, theme: str) -> None:
    assert snap_compare(app(), terminal_size=SIZES[size], run_before=themed(theme))


@pytest.mark.parametrize("size", SIZES)
def test_main_without_colour(
    snap_compare: Snap, app: Callable[[], TimerlabApp], size: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    assert snap_compare(app(), terminal_size=SIZES[size], run_before=pressed())


@pytest.mark.parametrize("size", ["80x24", "120x40"])
def test_decoding_what_is_typed(snap_compare: Snap, app: Callable[[], TimerlabApp], size: str) -> None:
    assert snap_compare(app(), terminal_size=SIZES[size], run_before=typed("outb 43h b6h"))


def test_completions(snap_compare: Snap, app: Callable[[], TimerlabApp]) -> None:
    assert snap_compare(app(), terminal_size=SIZES["80x24"], run_before=typed("outb 4"))


@pytest.mark.parametrize("key", ["2", "3", "4", "5", "6", "0"])
def test_each_panel_at_80_columns(snap_compare: Snap, app: Callable[[], TimerlabApp], key: str) -> None:
    assert snap_compare(app(), terminal_size=SIZES["80x24"], run_before=pressed(key))


@pytest.mark.parametrize("key", ["5", "w"])
def test_other_pages_beside_the_devices(snap_compare: Snap, app: Callable[[], TimerlabApp], key: str) -> None:
    assert snap_compare(app(), terminal_size=SIZES["120x40"], run_before=pressed(key))


@pytest.mark.parametrize(("key", "size"), [(key, "80x24") for key in "6789v"] + [("7", "120x40"), ("8", "120x40")])
def test_a_guest_of_a_hypervisor(snap_compare: Snap, hosted: Callable[[], TimerlabApp], key: str, size: str) -> None:
    assert snap_compare(hosted(), terminal_size=SIZES[size], run_before=pressed(key))


def test_a_guest_of_a_hypervisor_on_a_large_screen(snap_compare: Snap, hosted: Callable[[], TimerlabApp]) -> None:
    assert snap_compare(hosted(), terminal_size=SIZES["200x60"], run_before=pressed("7"))


def test_help_in_a_cell_of_a_large_screen(snap_compare: Snap, app: Callable[[], TimerlabApp]) -> None:
    assert snap_compare(app(), terminal_size=SIZES["200x60"], run_before=pressed("2", "question_mark"))


def test_a_mistake(snap_compare: Snap, app: Callable[[], TimerlabApp]) -> None:
    assert snap_compare(app(), terminal_size=SIZES["80x24"], run_before=typed("outb 43h 1b6h"))


def test_the_past_is_violet(snap_compare: Snap, app: Callable[[], TimerlabApp]) -> None:
    assert snap_compare(app(), terminal_size=SIZES["120x40"], run_before=pressed("N", "N"))


def test_help(snap_compare: Snap, app: Callable[[], TimerlabApp]) -> None:
    assert snap_compare(app(), terminal_size=SIZES["120x40"], run_before=pressed("question_mark"))


def test_waves_zoomed_with_cursors(snap_compare: Snap, app: Callable[[], TimerlabApp]) -> None:
    keys = ("w", "z", "a", "left_square_bracket", "b", "left_square_bracket")
    assert snap_compare(app(), terminal_size=SIZES["120x40"], run_before=pressed(*keys))
