"""The rows of the guest's clocks: with hand-made clocks, then on real sessions and in the app."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

import pytest

from timerlab import Session
from timerlab.text import moment
from timerlab.views.app import TimerlabApp
from timerlab.views.clocks import ClocksPanel
from timerlab.views.clocks_rows import Plotted, first_lane, kept, parts, rows
from timerlab.views.frame import Camera, Frame
from timerlab.views.rows import plain, width_of

S, MS = 10**9, 10**6
NOW = 12_345_678_901


@dataclass
class Clock:
    clock: str
    believes: int
    drift: int
    rate: Fraction | None
    resolution: int
    why: str


SLOW = Fraction(-279, 10**12)
CLOCKS = (
    Clock("ticks", 12_344_000_000, -1_271_000, Fraction(1524, 10**7), MS, "N is not 1193.18"),
    Clock("tsc", 12_346_150_505, 471_604, Fraction(382, 10**7), 1, "10 ms against pit"),
    Clock("hpet", NOW - 1, -1, Fraction(0), 10, "10 ns steps"),
    Clock("rtc", 12 * S, -345_678_901, Fraction(0), S, "reads whole seconds"),
    Clock("kvmclock", NOW - 1, -1, SLOW, 1, "pvclock mul truncates"),
)
MORE = (
    *CLOCKS[:3],
    Clock("pm", NOW - 1, -1, Fraction(0), 280, "280 ns steps"),
    *CLOCKS[3:],
    Clock("sched", NOW - 10**7, -(10**7), SLOW, 1, "kvmclock minus steal"),
    Clock("system", NOW - 1, -1, SLOW, 1, "kvmclock"),
)
TRACK = tuple(
    (
        ns,
        {
            "ticks": ns * 1524 // 10**7 - (3 * MS if ns > 8 * S else 0),
            "tsc": ns * 382 // 10**7,
            "hpet": -1,
            "kvmclock": -1,
        },
    )
    for ns in range(0, NOW, S // 10)
)


class Source:
    """A session with hand-made clocks."""

    def __init__(self, session: Session, clocks: Sequence[Clock], track: Sequence[Any]) -> None:
        self.session, self._clocks, self._track = session, clocks, track

    def __getattr__(self, name: str) -> Any:
        return getattr(self.session, name)

    def clocks(self) -> Sequence[Clock]:
        return self._clocks

    def track(self) -> Sequence[tuple[int, Mapping[str, int]]]:
        return self._track


def frame(
    clocks: Sequence[Clock] = CLOCKS,
    track: Sequence[Any] = TRACK,
    vcpus: int = 4,
    commands: Sequence[str] = (),
    **peeks: Any,
) -> Frame:
    """A frame of a session at the page's moment, with these clocks and some values on top."""
    session = Session(vcpus=vcpus)
    session.do("hostload v0 3ms 20ms")
    for command in commands:
        session.do(command)
    session.skip_to(NOW)
    seen = Camera(session, None, lambda: 0).take()
    values = {name.replace("_", ".", 1): value for name, value in peeks.items()}
    return replace(seen, peeks={**seen.peeks, **values}, source=Source(session, clocks, track))


def text(seen: Frame, width: int, height: int, across: int = 60 * MS) -> list[str]:
    """The rows as text, none of them wider than the panel."""
    found = rows(seen, width, height, across, Plotted())
    assert {width_of(row) for row in found if row} <= set(range(width + 1))
    return [plain(row) for row in found]


def test_the_page_of_the_design_at_64() -> None:
    seen = text(frame(), 64, ClocksPanel.rows_at(64) - 1)
    assert seen[:6] == [
        "clock                    believes           drift           rate",
        "ticks            12.344 000 000 s       −1.271 ms     +152.4 ppm",
        "TSC cal          12.346 150 505 s     +471.604 µs      +38.2 ppm",
        "HPET             12.345 678 900 s           −1 ns        0.0 ppm",
        "RTC                      12 ± 1 s         0 ± 1 s        0.0 ppm",
        "kvmclock         12.345 678 900 s           −1 ns        0.0 ppm",
    ]
    assert len(seen) == 12 and seen[-1].endswith("8.1 s: 3 ticks lost")
    assert seen[6].startswith("  +1.5 ms┤") and seen[8].endswith("kvmclock") and seen[9].endswith("ticks")


def test_the_page_at_78_has_a_day_and_lanes() -> None:
    seen = text(frame(), 78, 17)
    assert seen[0] == "clock                 believes           drift            rate           a day"
    assert seen[1] == "ticks         12.344 000 000 s       −1.271 ms      +152.4 ppm       +13.167 s"
    assert seen[5] == "kvmclock      12.345 678 900 s           −1 ns         0.0 ppm      −24.105 µs"
    assert [row[:12].rstrip() for row in seen[-5:-1]] == ["v0 run", "v1 run", "v2 run", "v3 run"]
    assert len(seen) == 17 and "░░" in seen[-5]
    assert seen[-1].startswith("in guest    stolen v0 ")


def test_the_page_at_118_says_why_and_has_a_rule_for_the_lanes() -> None:
    seen = text(frame(), 118, 33)
    assert seen[0].endswith("a day    why") and seen[1].endswith("    N is not 1193.18")
    assert [row for row in seen if "◄ 3 ticks lost" in row]
    assert any(row.startswith("─ vCPUs run, halt, stolen ─") and "60 ms to now" in row for row in seen)
    assert sum("┴" in row for row in seen) == 1 and len(seen) <= 33


@pytest.mark.parametrize("width", [58, 64, 78, 118])
@pytest.mark.parametrize("height", [3, 7, 12, 17, 25, 33])
@pytest.mark.parametrize("vcpus", [1, 4, 64])
def test_every_size_has_the_rows_that_are_said(width: int, height: int, vcpus: int) -> None:
    for clocks in ((), CLOCKS, MORE):
        seen = frame(clocks, vcpus=vcpus)
        found = rows(seen, width, height, 60 * MS, Plotted())
        share = parts(width, height, len(clocks), vcpus)
        lane = first_lane(seen, width, height)
        assert share.lanes <= vcpus
        if share.lanes:
            assert plain(found[lane]).startswith("v0 ") and plain(found[lane + share.lanes - 1]).startswith("v")
        if height >= (29 if width == 118 else 17):
            assert len(found) <= height


def test_a_low_panel_does_without_the_less_important_clocks() -> None:
    assert [one.clock for one in kept(MORE, 5)] == ["ticks", "tsc", "hpet", "rtc", "kvmclock"]
    assert [one.clock for one in kept(MORE, 6)][-1] == "system"
    assert len(kept(MORE, 8)) == 8


def test_what_is_off_asks_for_attention_and_what_a_clock_cannot_say_does_not() -> None:
    def role(clock: Clock, part: str) -> str:
        row = rows(frame([clock], ()), 78, 17, 60 * MS, Plotted())[1]
        return next(role for text, role in row if part in text)

    ticks = CLOCKS[0]
    assert role(ticks, "−1.271 ms") == "attention"
    assert role(replace(ticks, drift=-900_000), "−900.000 µs") == "text"
    assert role(replace(ticks, rate=Fraction(1, 10**8)), "ppm") == "text"
    assert role(CLOCKS[3], " ± 1 s") == "label"


def test_a_clock_that_stands_still_is_told_in_percent_and_one_without_a_rate_by_a_dash() -> None:
    still = replace(CLOCKS[0], rate=Fraction(-1), drift=-86_400 * S, believes=0)
    assert "−100 %" in text(frame([still], ()), 58, 12)[1]
    unknown = text(frame([replace(still, rate=None)], ()), 78, 17)[1]
    assert unknown.count("–") == 2


def test_before_boot_it_says_how_to_begin_and_the_lanes_are_there() -> None:
    for width in (58, 64, 78, 118):
        seen = text(frame(()), width, 12)
        assert seen[0].startswith("no system runs in the guest: os boot")
        assert [row[:2] for row in seen if row[:1] == "v"] == ["v0", "v1", "v2", "v3"]


def test_a_jump_has_a_cause_only_where_it_stands_out() -> None:
    many = tuple((ns, {"ticks": -(ns // S) * 3 * MS}) for ns in range(0, 12 * S, S // 2))
    assert "lost" not in "\n".join(text(frame(track=many), 64, 12))
    one = tuple((ns, {"tsc": 0, "ticks": 0} if ns < 6 * S else {"tsc": 5 * S, "ticks": 0}) for ns in range(0, NOW, S))
    clocks = [replace(CLOCKS[0], drift=0), replace(CLOCKS[1], drift=5 * S)]
    assert "6 s: TSC cal +5.000 s" in "\n".join(text(frame(clocks, one), 64, 12))


def test_the_plot_is_drawn_anew_only_where_a_dot_moved() -> None:
    seen, plotted = frame(), Plotted()
    first = plotted.rows(seen, CLOCKS, 64, 6)
    key = plotted._key
    later = replace(seen, now=NOW + 1000)
    assert plotted.rows(later, CLOCKS, 64, 6) == first and plotted._key == key
    plotted.rows(replace(seen, now=NOW + S), CLOCKS, 64, 6)
    assert plotted._key != key


def test_what_the_guest_knows_and_what_waits() -> None:
    told = {"pv0_steal": 31_204_000, "pv0_steal_version": 14, "pv0_preempted": 1}
    waits = {"lapic0_pending": 0xEC, "lapic0_lvt_timer": 0x400EC, "vcpu0_state": "stolen"}
    line = text(frame(**told, **waits), 118, 33)[-1]
    assert line == (
        "in guest    steal v0 31.204 ms  version 14, PREEMPTED    v0 timer ECh is pending and waits for v0 to run"
    )
    quiet = Session(vcpus=2)
    seen = Camera(quiet, None, lambda: 0).take()
    assert text(seen, 118, 33)[-1] == "in guest    nothing was stolen, nothing waits"
    assert text(seen, 78, 17)[-1] == "lanes       60.0 ms to now; nothing was stolen, nothing waits"


def test_samples_are_taken_as_they_come_and_forgotten_with_the_track() -> None:
    seen, plotted = frame(track=TRACK[:60]), Plotted()
    plotted.rows(seen, CLOCKS, 64, 6)
    for track in (TRACK[:61], TRACK[5:64], TRACK, TRACK[:20], (), TRACK[:2]):
        later = replace(seen, source=Source(seen.source.session, CLOCKS, track))  # type: ignore[attr-defined]
        assert plotted.rows(later, CLOCKS, 64, 6) == Plotted().rows(later, CLOCKS, 64, 6), len(track)


def test_without_samples_the_lines_begin_at_boot_where_none_is_off() -> None:
    seen = text(frame(track=()), 64, 12)
    zero = next(row for row in seen if row.startswith("        0┤"))
    assert 0x2800 < ord(zero[10]) < 0x2900 and seen[-1] == "         └0 s"
    assert [row for row in seen[6:11] if row.endswith("ticks")]


async def test_keys_of_the_panel() -> None:
    app = TimerlabApp(Session(vcpus=2))
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.press("7")
        await pilot.pause()
        panel = app.panels["clocks"]
        assert isinstance(panel, ClocksPanel) and panel.has_focus and panel.size.width == 118
        assert panel.text().startswith("━ 7 Guest clocks what each believes, against true time ━")
        await pilot.press("+")
        assert panel.across == 50 * MS
        await pilot.press("minus", "minus")
        assert panel.across == 200 * MS and "200 ms to now" in panel.text()
        await pilot.press("down", "down")
        assert panel.value_name(*panel.cursor) == "vcpu1.state"  # type: ignore[misc]
        for key, typed in (("p", "policy "), ("s", "preempt v1 "), ("m", "migrate v1 ")):
            await pilot.press(key)
            assert app.composer.typing and app.composer.line.value == typed
            panel.focus()
            await pilot.pause()


async def test_the_cursor_stands_on_the_values_of_a_clock() -> None:
    session = Session(vcpus=2)
    session.clocks = lambda: CLOCKS  # type: ignore[method-assign, assignment]
    session.track = lambda: TRACK  # type: ignore[method-assign, assignment]
    session.skip_to(NOW)
    app = TimerlabApp(session)
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("7", "down")
        await pilot.pause()
        panel = app.panels["clocks"]
        names = []
        for _ in range(4):
            names.append(panel.value_name(*panel.cursor))  # type: ignore[misc]
            await pilot.press("right")
        assert names == ["os.ticks.ns", "os.ticks.drift", "os.ticks.ppb", "os.ticks.day"]
        row = panel.text().split("\n")[2]
        (start, width) = panel.cells(1)[1]
        assert row[start : start + width].strip() == "−1.271 ms"
        assert panel.value_name(0, 0) == "" and panel.cells(0) == ()


def test_a_real_system_against_true_time() -> None:
    session = Session(quirks={"policy": "kvm"}, guest="ideal")
    for command in (
        *("outb 43h 34h", "outb 40h a9h", "outb 40h 04h", "outb 20h 11h", "outb 21h 20h", "outb 21h 04h"),
        *("outb 21h 01h", "outb 21h fah", "sti", "skip 1ms", "os boot", "skip 10s"),
    ):
        session.do(command)
    seen = Camera(session, None, lambda: 0).take()
    table = text(seen, 118, 33)
    ticks = next(row for row in table if row.startswith("ticks "))
    assert "+152.4 ppm" in ticks and "+13.168 s" in ticks
    assert moment(session.peek("os.ticks.ns")) in ticks
    kvm = next(row for row in table if row.startswith("kvmclock "))
    assert f"−{-session.peek('os.kvmclock.drift')} ns" in kvm and "0.0 ppm" in kvm
    assert any(row.endswith(" ticks") for row in table)
