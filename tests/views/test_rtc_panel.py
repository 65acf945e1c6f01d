"""The RTC panel's rows on real sessions, as text, and what its cursor stands on."""

from __future__ import annotations

import pytest

from timerlab import Session
from timerlab.views import rtc
from timerlab.views.flags import cells_of
from timerlab.views.frame import Camera, Frame
from timerlab.views.inspecting import subject_of
from timerlab.views.rows import plain, width_of
from timerlab.views.rtc import RtcPanel, alarm_words

WIDTHS = (58, 64, 78)
PERIODIC = ("outb 70h 0bh", "outb 71h 42h", "outb 70h 05h", "outb 71h ffh", "outb 70h 03h", "outb 71h ffh")
AT_30 = ("outb 70h 01h", "outb 71h 30h")


def session(*commands: str, **options: str) -> Session:
    """A session in which the commands were done."""
    made = Session(**options)  # type: ignore[arg-type]
    for command in commands:
        made.do(command)
    return made


def frame(*commands: str, **options: str) -> Frame:
    """Its frame."""
    return Camera(session(*commands, **options), None, lambda: 0).take()


def text(seen: Frame, width: int = 58) -> list[str]:
    """The rows as text, each of exactly the panel's width."""
    rows = rtc.rows(seen, width)
    assert [width_of(row) for row in rows] == [width] * len(rows)
    assert len(rows) == RtcPanel.rows_at(width) - 1
    return [plain(row) for row in rows]


def roles(seen: Frame, row: int, role: str) -> str:
    """What stands in a role in a row."""
    return " ".join(part for part, one in rtc.rows(seen, 58)[row] if one == role)


def test_the_page_of_the_design() -> None:
    seen = frame(*PERIODIC, *AT_30, "skip 12002ms", "outb 70h 0ch", "inb 71h", "skip 343678901ns")
    assert text(seen) == [
        "time       Thu 2026-01-01 00:00:12  24 h BCD",
        "alarm      **:**:30  each minute, in 17.656 s",
        "A   26h    uip  dv 010  rs 0110 = 1024 Hz",
        "B   42h    set PIE aie uie sqwe dm 24H dse",
        "C   C0h    IRQF PF af uf   a read clears",
        "D   80h    VRT   time and RAM are valid",
        "periodic   1024 Hz  976.563 µs  next PF 512.506 µs",
        "update     UIP in 654.077 ms",
        "IRQ8       1  351 coalesced  C unread for 343.679 ms",
    ]
    assert text(seen, 64)[0] == "time       Thu 2026-01-01 00:00:12  24 h BCD, index 0Ch"
    assert text(seen, 64)[7] == "update     UIP in 654.077 ms  new second in 656.305 ms"
    assert text(seen, 78)[0].endswith("index 0Ch, NMI open")
    assert text(seen, 78)[8].endswith("raised 2")
    assert roles(seen, 3, "strong") == "PIE 24H" and roles(seen, 8, "attention").strip() == "351 coalesced"


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("profile", ["datasheet", "qemu", "ich"])
def test_every_row_is_as_wide_as_the_panel(width: int, profile: str) -> None:
    for commands in ((), PERIODIC, ("outb 70h 8ah", "outb 71h 70h"), ("skip 999900us",), ("skip 100y",)):
        text(frame(*commands, profile=profile), width)


@pytest.mark.parametrize(
    ("commands", "shown"),
    [
        (("outb 70h 0bh", "outb 71h 80h", "outb 70h 04h", "outb 71h 92h"), "Thu 2026-01-01 12:00:00 PM  12 h BCD"),
        (("outb 70h 0bh", "outb 71h 86h", "outb 70h 00h", "outb 71h 3bh"), "Thu 3238-01-01 00:00:59"),
        (("outb 70h 0bh", "outb 71h 86h", "outb 70h 09h", "outb 71h ffh"), "Thu 32---01-01 00:00:00  no such time"),
        (("outb 70h 0bh", "outb 71h 82h", "outb 70h 02h", "outb 71h 7ah"), "00:7A:00  no such time"),
        (("outb 70h 0bh", "outb 71h 82h", "outb 70h 06h", "outb 71h 0"), "??? 2026-01-01 00:00:00"),
    ],
)
def test_the_time_is_shown_as_the_bytes_are_read(commands: tuple[str, ...], shown: str) -> None:
    assert shown in text(frame(*commands))[0]


def test_uip_is_in_register_a_and_the_new_second_has_a_time() -> None:
    seen = frame("skip 999900us")
    assert text(seen)[2].startswith("A   A6h    UIP  dv 010")
    assert text(seen)[7] == "update     UIP  new second in 2.084 ms"


def test_set_and_the_divider_say_that_they_inhibit() -> None:
    assert text(frame("outb 70h 0bh", "outb 71h 82h"))[7] == "update     none   inhibited by SET"
    held = frame("outb 70h 0ah", "outb 71h 76h")
    assert text(held)[7] == "update     none   divider held at zero"
    assert RtcPanel().head(held) == ("MC146818", "divider held at zero")
    assert RtcPanel().head(frame()) == ("MC146818", "32.768 kHz")
    assert RtcPanel().head(frame("outb 70h 0ah", "outb 71h 06h")) == ("MC146818", "4.194 304 MHz")


def test_the_arrow_is_for_an_edge_and_pf_for_a_flag() -> None:
    assert "next PF" in text(frame())[6]
    assert "next ↑" in text(frame(*PERIODIC[:2]))[6]
    assert text(frame("outb 70h 0ah", "outb 71h 20h"))[6] == "periodic   off   RS is 0000"


def test_irq_8_says_what_it_waits_for_and_who_took_it() -> None:
    assert text(frame(*PERIODIC[:2], "skip 1ms"))[8] == "IRQ8       1  C was never read"
    assert text(frame())[8] == "IRQ8       0  no interrupt is enabled"
    assert text(frame("outb 70h 0bh", "outb 71h 72h"))[8] == "IRQ8       0  waits for PF or AF or UF"
    assert text(frame("writel hpet.conf 3"))[8] == "IRQ8       0  cut off: IRQ8 is HPET T1's"


@pytest.mark.parametrize(
    ("hours", "minutes", "seconds", "words"),
    [
        (0, 0, 0, "each day"),
        (0xFF, 0, 0, "each hour"),
        (0xC0, 0xFF, 0, "each minute"),
        (0xFF, 0xFF, 0xFF, "each second"),
        (0, 0, 0xFF, "each second of the minute"),
        (0, 0xFF, 0, "each minute of the hour"),
        (0, 0xFF, 0xFF, "each second of the hour"),
    ],
)
def test_wildcards_of_the_alarm(hours: int, minutes: int, seconds: int, words: str) -> None:
    assert alarm_words(hours, minutes, seconds) == words


def test_an_alarm_that_is_no_time_is_never_met() -> None:
    assert text(frame("outb 70h 01h", "outb 71h 7ah"))[1] == "alarm      00:00:7A  each day, never met as it is"


def test_what_the_cursor_stands_on_has_a_name_and_lies_on_its_text() -> None:
    made = session(*PERIODIC)
    panel = RtcPanel()
    seen = Camera(made, None, lambda: 0).take()
    rows = text(seen, 78)
    for row in range(len(rows)):
        if row in (6, 7, 8):
            assert panel.value_name(row, 0) in seen.peeks
            continue
        cells = panel.cells(row)
        for column, (start, width) in enumerate(cells):
            name = panel.value_name(row, column)
            assert subject_of(made, name) is not None, name
            shown = rows[row][start : start + width]
            assert shown.strip() == shown != "", (name, shown)
            if row in (3, 4, 5):
                part = name.rpartition(".")[2]
                assert shown.lower() == {"24/12": "24h"}.get(part, part)
    assert cells_of((("set", 7), ("pie", 6)), 11) == ((11, 3), (15, 3))


def test_a_write_marks_and_a_passing_second_does_not() -> None:
    made = session()
    camera = Camera(made, None, lambda: 0)
    camera.take()
    made.do("skip 5500ms")
    assert not [name for name in camera.take().marks if name.startswith("rtc.") and name not in ("rtc.c", "rtc.uip")]
    made.do("outb 70h 02h")
    made.do("outb 71h 30h")
    seen = camera.take()
    assert seen.marks["rtc.minutes"] == "●" and plain(rtc.rows(seen, 58)[0]).startswith("time     ● Thu")
    made.do("outb 70h 0bh")
    made.do("outb 71h 42h")
    seen = camera.take()
    assert seen.marks["rtc.b"] == "●" and RtcPanel.is_marked(seen)
