"""The rows of HPET and ACPI timer on real sessions, as text."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest

from timerlab import Session
from timerlab.views import acpi, hpet
from timerlab.views.acpi import AcpiPanel
from timerlab.views.frame import Camera, Frame
from timerlab.views.hpet import HpetPanel, columns, number_in, span_of
from timerlab.views.inspecting import subject_of
from timerlab.views.rows import plain, width_of

WIDTHS = (58, 64, 78)
SET_UP = (
    "writel hpet.conf 1",
    "writeq hpet.t0.conf 284ch",
    "writeq hpet.t0.cmp 1000000",
    "writeq hpet.t0.cmp 100000",
    "writeq hpet.t1.cmp 2000000000",
    "writeq hpet.t2.conf 406h",
    "writeq hpet.t2.cmp 1000",
    "skip 12345678ns",
)


def frame(*commands: str, **options: Any) -> Frame:
    """The frame of a session in which the commands were done."""
    session = Session(**options)
    for command in commands:
        session.do(command)
    return Camera(session, None, lambda: 0).take()


def text(seen: Frame, width: int = 58) -> list[str]:
    """The HPET's rows as text, each of exactly the panel's width."""
    rows = hpet.rows(seen, width)
    assert [width_of(row) for row in rows] == [width] * len(rows)
    return [plain(row) for row in rows]


def test_the_page_of_the_design() -> None:
    assert text(frame(*SET_UP)) == [
        "caps       0098 9680 8086 A201h  3 timers  10 ns",
        "config     0000 0001h  leg_rt ENABLE   status 04h",
        "counter    1 234 567  0000 0000 0012 D687h",
        "     mode         comparator   period  route      match in",
        "T0   periodic      1 300 000  100 000  no route 654.322 µs",
        "T1   one-shot  2 000 000 000        –  off        19.988 s",
        "T2   one-shot           1000        –  level 2     matched",
    ]
    assert text(frame(*SET_UP), 64)[3:5] == [
        "timer mode            comparator     period  route      match in",
        "T0    periodic         1 300 000    100 000  no route 654.322 µs",
    ]
    assert HpetPanel().head(frame()) == ("id 8086h", "100.000 MHz")
    assert HpetPanel.rows_at(58) == len(text(frame())) + 1


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("profile", ["datasheet", "qemu", "ich"])
def test_every_row_is_as_wide_as_the_panel(width: int, profile: str) -> None:
    for commands in ((), SET_UP, (*SET_UP, "skip 100y"), ("writeq hpet.cnt ffffffffffffff00h", *SET_UP[:2])):
        rows = text(frame(*commands, profile=profile, hpet_timers=5), width)
        assert len(rows) == 4 + 5


def test_where_outputs_go() -> None:
    assert "IRQ0" in text(frame("writel hpet.conf 3", "writeq hpet.t0.conf 4"))[4]
    assert "edge 20" in text(frame("writeq hpet.t0.conf 2804h", profile="ich"))[4]
    assert "level 23" in text(frame("writeq hpet.t1.conf 2e06h", profile="ich"))[5]
    assert "no route" in text(frame("writeq hpet.t0.conf 4"))[4]


def test_a_timer_of_32_bits_and_one_that_was_never_written() -> None:
    rows = text(frame("writeq hpet.t0.conf 108h", "writeq hpet.t0.cmp 5"))
    assert "per. 32" in rows[4] and "all ones" in rows[5]
    assert "periodic 32" in text(frame("writeq hpet.t0.conf 108h"), 64)[4]
    assert rows[4].endswith("–"), "it matches nothing while the counter is halted"
    assert text(frame(), 64)[2].endswith("halted")


@pytest.mark.parametrize(
    ("value", "cells", "shown"),
    [
        (1_234_600_000, 13, "1 234 600 000"),
        (10_000_000, 8, "10000000"),
        (100_000_000_000, 11, "174876E800h"),
        ((1 << 64) - 2, 13, "…FFFFFFFFFFEh"),
    ],
)
def test_a_number_that_is_too_long_drops_gaps_then_goes_hexadecimal(value: int, cells: int, shown: str) -> None:
    row = number_in(value, cells)
    assert plain(row).strip() == shown and width_of(row) == cells


@pytest.mark.parametrize(
    ("ns", "shown"),
    [
        (321_100, "321.100 µs"),
        (17_656_000_000, "17.656 s"),
        (123_456_000_000_000, "123 456 s"),
        (10**17, "1157 d"),
        (184 * 10**18, "5830 y"),
    ],
)
def test_a_long_wait_loses_its_decimals_and_then_its_seconds(ns: int, shown: str) -> None:
    assert span_of(ns, 10) == shown


@pytest.mark.parametrize("width", WIDTHS)
def test_columns_neither_touch_nor_leave_the_panel(width: int) -> None:
    at = columns(width)
    for (start, cells), (after, _) in pairwise(at):
        assert start + cells < after
    assert sum(at[-1]) == width


def test_the_counter_and_a_comparator_that_goes_on_are_never_marked() -> None:
    session = Session()
    camera = Camera(session, None, lambda: 0)
    camera.take()
    session.do("writeq hpet.cnt 5")
    assert camera.take().marks["hpet.cnt"] == "●"
    for command in SET_UP[:4]:
        session.do(command)
    assert {"hpet.conf", "hpet.t0.cmp"} <= set(camera.take().marks)
    for _ in range(4):
        session.do("skip 5ms")
        seen = camera.take()
    assert not [name for name in seen.marks if name.startswith("hpet.t0")]
    assert "hpet.cnt" not in seen.marks


def test_the_acpi_timer() -> None:
    seen = frame("skip 3s")
    assert [plain(row) for row in acpi.rows(seen, 58)] == [
        "count      10 738 636  A3 DBCCh  carry in 1.687 s",
        "PM1        TMR_STS tmr_en   SCI 0",
    ]
    assert AcpiPanel().head(seen) == ("24 bits", "3.579 545 MHz")
    assert AcpiPanel().head(frame(quirks={"pm_bits": "bits32"}))[0] == "32 bits"
    for width in WIDTHS:
        assert all(width_of(row) == width for row in acpi.rows(seen, width))
    assert plain(acpi.rows(frame("outw 602h 1", "skip 3s"), 58)[1]) == "PM1        TMR_STS TMR_EN   SCI 1"


def test_what_the_cursor_stands_on_has_a_name() -> None:
    session = Session()
    peeks = session.peeks()
    panel = HpetPanel()
    for row in (0, 1, 2):
        assert subject_of(session, panel.value_name(row, 0)) is not None
    names = [panel.value_name(5, column) for column in range(5)]
    assert names == ["hpet.t1.conf", "hpet.t1.cmp", "hpet.t1.period", "hpet.t1.conf", "hpet.t1.left"]
    assert all(name in peeks for name in names)
    rider = AcpiPanel()
    assert all(subject_of(session, rider.value_name(*at)) is not None for at in ((0, 0), (1, 0), (1, 1)))
    assert rider.value_name(1, 2) in peeks
