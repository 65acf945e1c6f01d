"""Lanes: a vCPU's run states as one row, from hand-made waves and on real sessions."""

from __future__ import annotations

import pytest

from timerlab import Session
from timerlab.line import Wave
from timerlab.views.frame import Camera, Frame
from timerlab.views.lanes import LEAST, MOST, Window, lane, lanes, span, stolen_ns, zoomed
from timerlab.views.rows import plain, width_of

MS = 1_000_000


def wave(levels: str, start: int = 0) -> Wave:
    """A wave from the levels at the ends of its cells."""
    ends = [int(level) for level in levels]
    return Wave(start, [int(a != b) for a, b in zip([start, *ends], ends, strict=False)], ends)


def frame(*commands: str, vcpus: int = 4) -> Frame:
    """The frame of a session in which the commands were done."""
    session = Session(vcpus=vcpus)
    for command in commands:
        session.do(command)
    return Camera(session, None, lambda: 0).take()


def text(seen: Frame, width: int = 78, across: int = 60 * MS) -> list[str]:
    """The lanes as text, each of exactly its width."""
    rows = lanes(seen, width, across)
    assert [width_of(row) for row in rows] == [width] * len(rows)
    return [plain(row) for row in rows]


def test_the_signs_of_the_states() -> None:
    run, stolen, halt = wave("11000110", 1), wave("00110000"), wave("00000010")
    assert plain(lane(run, stolen, halt, "exit")) == "━━░░░━─··"
    roles = [role for _, role in lane(run, stolen, halt, "halt")]
    assert roles == ["text", "attention", "text", "label", "label", "label"]
    assert plain(lane(run, stolen, halt, "stolen", first=6)) == "      ─·░"
    assert plain(lane(run, stolen, halt, "run", ascii=True)) == "==###=-.="


def test_a_steal_shorter_than_a_cell_is_seen() -> None:
    brief = Wave(0, [0, 2, 0], [0, 0, 0])
    assert plain(lane(wave("111", 1), brief, wave("000"), "run")) == "━░━━"


def test_lanes_of_a_session_to_the_letter() -> None:
    seen = frame(
        "skip 1s", "preempt v3 10ms", "skip 20ms", "halt v1", "vmexit v2", "skip 9ms", "preempt v3", "skip 5ms"
    )
    assert text(seen, 58) == [
        "v0 run      ━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━  0.0 ms",
        "v1 halt     ━━━━━━━━━━━━━━━━━━━━━━━━━━━━━─────────  0.0 ms",
        "v2 exit     ━━━━━━━━━━━━━━━━━━━━━━━━━━━━━·········  0.0 ms",
        "v3 stolen   ━━━━━━━━━━━━━━━━░░░░░░░━━━━━━━━━━━░░░░ 15.0 ms",
    ]
    assert [len(row) for row in text(seen, 118)] == [118] * 4


def test_what_was_stolen_does_not_hang_on_the_width() -> None:
    seen = frame("hostload v0 5ms 12ms", "skip 1234567us", vcpus=1)
    assert {row.rsplit("  ", 1)[-1].split()[-2] for width in (58, 64, 78, 118) for row in text(seen, width)} == {"25.0"}


def test_what_was_stolen_is_exact() -> None:
    seen = frame("skip 100ms", "preempt v0 1234567ns", "skip 7ms", "preempt v0 3ms", "skip 1ms", vcpus=1)
    window = Window.until(seen.now, 60 * MS, 58)
    stolen = seen.wave("vcpu0.stolen", window.lo, window.hi, window.cells)
    assert stolen_ns(seen, "vcpu0.stolen", 60 * MS, window, stolen) == (2_234_567, True)
    assert stolen_ns(seen, "vcpu0.stolen", 500_000, window, stolen) == (500_000, True)


def test_of_very_many_windows_what_was_stolen_is_reckoned_and_says_so() -> None:
    seen = frame("hostload v0 5ms 10ms", "skip 30s", vcpus=1)
    row = text(seen, 78, 10_000 * MS)[0]
    assert row.endswith("s") and "~" in row
    assert 4 <= int(row.split("~")[1].split()[0]) <= 6


def test_a_preemption_at_this_very_moment_shows_in_the_last_cell() -> None:
    seen = frame("skip 100ms", "preempt v0", vcpus=1)
    assert text(seen)[0][12:70].endswith("━░")
    back = frame("skip 100ms", "preempt v0 1us", "skip 2us", vcpus=1)
    assert "░" in text(back)[0]


def test_before_power_on_there_is_nothing() -> None:
    row = text(frame(vcpus=1))[0]
    assert row == "v0 run" + " " * 63 + "━  0.0 ms"
    assert text(frame("skip 10ms", vcpus=1))[0][12:60].strip() == ""


def test_a_smi_and_a_stopped_vm_are_out() -> None:
    assert text(frame("skip 100ms", "smi 2ms", "skip 1ms", vcpus=1))[0].startswith("v0 smi ")
    assert text(frame("skip 100ms", "vmstop", "skip 30ms", vcpus=1))[0].count("·") >= 28


def test_the_window_stands_still_within_a_cell_and_ends_now() -> None:
    first, later = Window.until(600 * MS, 60 * MS, 60), Window.until(601 * MS - 1, 60 * MS, 60)
    assert first == later and first.hi == 600 * MS and first.cell == MS and first.cells == 59


def test_zoom_goes_by_one_two_five_between_its_ends() -> None:
    assert (zoomed(60 * MS, -1), zoomed(60 * MS, 1)) == (50 * MS, 100 * MS)
    assert zoomed(LEAST, -1) == LEAST and zoomed(MOST, 1) == MOST


@pytest.mark.parametrize(
    ("ns", "across", "exact", "shown"),
    [
        (22_700_000, 60 * MS, True, "22.7 ms"),
        (0, 60 * MS, True, "0.0 ms"),
        (410_600_000, 1000 * MS, False, "~411 ms"),
        (5_000_000_000, 9_000 * MS, True, "5000 ms"),
        (7, 10_000, True, "0.0 µs"),
    ],
)
def test_times_at_the_end_have_the_windows_unit(ns: int, across: int, exact: bool, shown: str) -> None:
    assert span(ns, across, exact) == shown
