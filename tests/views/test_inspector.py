"""The register inspector: its rows as text, and its keys and clicks on the screen."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from textual.pilot import Pilot

from timerlab import Session
from timerlab.devices.pit_regs import COMMAND
from timerlab.devices.port61 import PORT61
from timerlab.regs import Access, Field, Layout, Reg, flag
from timerlab.views import inspecting
from timerlab.views.app import TimerlabApp
from timerlab.views.bits import boxes
from timerlab.views.history import History
from timerlab.views.inspector_rows import lower, other_values, pinned, title, upper, writes
from timerlab.views.rows import plain, width_of
from timerlab.views.sight import Effect, Sight, Subject, Written, content, first_bit, refusal, turned

WIDTHS = (58, 64, 78, 118, 131, 159)
COMMANDS = """\
outb 43h 34h
outb 40h a9h
outb 40h 04h
outb 43h b6h
outb 42h 97h
outb 42h 0ah
outb 61h 03h
skip 9s
outb 43h 00h"""


def reg(width: int, *fields: Field, space: str = "mem", access: Access = "rw", address: int = 0x100) -> Reg:
    """A made-up register."""
    layouts = (Layout("word", fields),)
    return Reg("made.up", "Made up, for tests", space, address, width, access, layouts, "nothing", "Nowhere, Table 1")


def plain_field(name: str, hi: int, lo: int, access: Access = "rw") -> Field:
    return Field(name, hi, lo, access, f"what {name} is")


WORD = reg(
    16,
    plain_field("0", 15, 11, "rsvd"),
    flag("ENABLE", 10, "rw", "lets it count", clear="stopped", set="counts"),
    plain_field("PENDING", 9, 9, "w1c"),
    plain_field("STATE", 8, 8, "ro"),
    plain_field("SEEN", 7, 7, "rc"),
    plain_field("RATE", 6, 0),
)
LONG = reg(
    32,
    plain_field("0", 31, 19, "rsvd"),
    Field("MODE", 18, 17, "rw", "when it fires", {0: "one-shot", 1: "periodic", 2: "deadline"}),
    flag("MASK", 16, "rw", "holds it back", clear="open", set="masked"),
    plain_field("0", 15, 8, "rsvd"),
    plain_field("VECTOR", 7, 0),
)
QUAD = reg(
    64,
    plain_field("DEST", 63, 56),
    plain_field("0", 55, 17, "rsvd"),
    *(
        plain_field(name, bit, bit)
        for bit, name in zip(range(16, 7, -1), ["MASK", "TRIGGER", "RIRR", "P", "Q", "R", "S", "T", "U"], strict=True)
    ),
    plain_field("VECTOR", 7, 0),
)
COUNTER = reg(64, plain_field("COUNT", 63, 0))
CROWDED = reg(16, *(plain_field(f"LONGNAME{bit}", bit, bit) for bit in range(15, -1, -1)))
REGS = {
    "pit.cmd": COMMAND,
    "port61": PORT61,
    "16": WORD,
    "32": LONG,
    "64": QUAD,
    "counter": COUNTER,
    "crowded": CROWDED,
}


def page(sight: Sight, width: int) -> str:
    rows = [*upper(sight, width, True).rows, (), *lower(sight, width, 99)]
    return "\n".join(plain(row) for row in rows)


def control_word(value: int = 0xB6, bit: int = 1) -> Sight:
    last = Written(9_000_000_000, "outb 43h b6h", 0xB6, "ch 2 mode 3")
    effect = Effect(("outb 43h b4h",), "OUT2 goes high")
    return Sight(Subject(COMMAND, channel=2), value, bit, effect, (last,), "36h  OUT 0, NULL 0")


# rows


def test_the_control_word_as_the_guide_shows_it() -> None:
    assert (
        page(control_word(), 78)
        == """\
     7    6     5    4     3    2    1     0     value    B6h  1011 0110
  ┌──────────┬──────────┬───────────────┬─────┐  at       9.000 000 000 s
  │  1    0  │  1    1  │  0    1    1  │  0  │  by       outb 43h b6h
  └─── SC ───┴─── RW ───┴────── M ──────┴ BCD ┘  reads as 36h  OUT 0, NULL 0

  bits   field   value   meaning
  7:6    SC      10      channel 2
  5:4    RW      11      low byte, then high byte
▌ 3:1    M       011     square wave
  0      BCD     0       binary, 65536 steps

  M  Mode; in modes 2 and 3 its high bit does not matter. Mode 3: CE counts
    down by two; OUT is high for (N+1)/2 clocks and low for (N-1)/2; GATE low
    holds it high, its rise reloads.  Intel 8254, Control Word Format
    0 end count  1 one-shot  2 rate  4 soft strobe  5 hard strobe

  space: M 011 → 010  equals outb 43h b4h  OUT2 goes high"""
    )


def test_what_does_not_fit_goes_in_order() -> None:
    sight = control_word()
    full = [plain(row) for row in lower(sight, 78, 99)]
    for room in range(len(full), 1, -1):
        rows = [plain(row) for row in lower(sight, 78, room)]
        assert len(rows) <= max(room, 4)
        assert rows[-1] == full[-1]


def test_at_120_columns_the_other_values_have_a_column() -> None:
    text = page(control_word(), 118)
    assert "space turns the bit:  M 011 → 010   equals  outb 43h b4h   OUT2 goes high" in text
    row = next(line for line in text.splitlines() if line.startswith("▌"))
    assert row.endswith("0 end count  1 one-shot  2 rate  4 soft strobe  5 hard strobe")
    assert "written    9.000 000 000 s, by outb 43h b6h" in text


def test_a_long_register_has_sixteen_bits_a_row() -> None:
    text = page(Sight(Subject(LONG), 0x400EC, 17, Effect(("writel 00000100h 000600ech",))), 78)
    assert text.startswith("""\
  value 0004 00ECh

   31  30  29  28  27  26  25  24  23  22  21  20  19  18  17  16
  ┌───────────────────────────────────────────────────┬───────┬───┐
  │ ·   ·   ·   ·   ·   ·   ·   ·   ·   ·   ·   ·   · │ 1   0 │ 0 │
  └───────────────────────────────────────────────────┴ MODE ─┴───┘
                                                              MASK
   15  14  13  12  11  10   9   8   7   6   5   4   3   2   1   0
  ┌───────────────────────────────┬───────────────────────────────┐
  │ ·   ·   ·   ·   ·   ·   ·   · │ 1   1   1   0   1   1   0   0 │
  └───────────────────────────────┴─────────── VECTOR ────────────┘
""")
    assert "▌ 18:17  MODE     10         deadline" in text
    assert "space: MODE 10 → 11  equals writel 00000100h 000600ech" in text


def test_sixteen_reserved_bits_are_one_row() -> None:
    drawn = boxes(QUAD.layouts[0].fields, 64, 0, None, 74)
    assert [plain(row) for row in drawn.rows][3] == "47:32  ··· reserved"
    assert len(drawn.rows) < 16


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("name", REGS)
def test_every_row_fits(name: str, width: int) -> None:
    reg = REGS[name]
    chance = random.Random(f"{name} {width}")
    for value in (None, 0, (1 << reg.width) - 1, *(chance.getrandbits(reg.width) for _ in range(6))):
        for bit in (0, reg.width // 2, reg.width - 1):
            effect = Effect(("outb 70h 0bh", "outb 71h 42h"), "the periodic interrupt is on: IRQ 8 at 1024 Hz")
            told = [Written(10**9, "writeq 00000100h 0123456789abcdefh", 5, "a result " * 20)] * 3
            sight = Sight(Subject(reg), value, bit, effect, told)
            high = upper(sight, width, True)
            rows = [*high.rows, *lower(sight, width, 8), *writes(sight, width, 4)]
            assert max(map(width_of, rows)) <= width
            assert {width_of(row) for row in pinned(sight, max(58, width // 2), 12)} == {max(58, width // 2)}
            drawn = {one for hits in high.hits.values() for _, _, one in hits if one >= 0}
            assert bit in drawn, "the bit under the cursor is always drawn"
            for field in sight.layout.fields:
                if field.access != "rsvd":
                    assert drawn >= set(range(field.lo, field.hi + 1))
            assert 0 <= high.bit_rows[0] <= high.bit_rows[1] < len(high.rows)


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("name", REGS)
def test_a_click_meets_the_digit_of_its_bit(name: str, width: int) -> None:
    reg = REGS[name]
    value = random.Random(name).getrandbits(reg.width)
    high = upper(Sight(Subject(reg), value, 0), width, True)
    for y, hits in high.hits.items():
        text = "".join(part for part, _ in high.rows[y])
        for start, end, bit in hits:
            if bit >= 0 and "│" in text:
                assert set(text[start:end]) & set("01·"), (text, start, end)
                assert str(value >> bit & 1) in text[start:end] or "·" in text[start:end]


def test_a_title_says_name_place_and_access() -> None:
    assert title(control_word()) == ("PIT control word", "ch 2, as last written", "port 43h, write only")
    assert title(Sight(Subject(PORT61), 3)) == ("Port 61h", "NMI status and control", "port 61h")
    assert title(Sight(Subject(COMMAND), 0)) == ("PIT command", "counter latch", "port 43h, write only")
    assert title(Sight(Subject(replace(LONG, space="msr"), 2), 0)) == ("Made up", "v2, for tests", "MSR 100h")


def test_a_value_that_is_not_known_is_not_made_up() -> None:
    assert "never written" in page(Sight(Subject(COMMAND), None), 78)
    latched = next(one for one in Session().machine.board.regs if one.name == "pit.ch0.status")
    assert "nothing latched" in page(Sight(Subject(latched), None), 78)


def test_a_fault_stands_behind_its_sign() -> None:
    effect = Effect(("wrmsr 83fh 0",), "#GP(0)  it can only be written", "#GP(0)")
    text = page(Sight(Subject(LONG), 0, 17, effect), 118)
    assert "! #GP(0) it can only be written" in text


def test_other_values_leave_out_what_the_number_says_alone() -> None:
    assert other_values(plain_field("D", 7, 0), 3) == ""
    mode = LONG.layouts[0].fields[1]
    assert other_values(mode, 1 << 17).replace("\xa0", " ") == "00 one-shot  10 deadline"


# what a write has to say


def test_a_write_carries_on_what_is_kept_and_clears_nothing_else() -> None:
    value = 0b0_0000_111_1_000_0001 | 1 << 10
    assert turned(WORD, value, 0) == 1 << 10
    assert turned(WORD, value, 10) == 1
    assert turned(WORD, value, 9) == 1 << 10 | 1 << 9 | 1, "a written 1 clears, and only this bit"
    assert turned(PORT61, 0x33, 0) == 0x02, "what can only be read is written as 0"


def test_what_cannot_be_turned_says_why() -> None:
    assert refusal(WORD, 0, 10) == ""
    assert refusal(WORD, 0, 8) == "STATE can only be read"
    assert refusal(WORD, 0, 7) == "SEEN is cleared by a read of the register, not by a write"
    assert refusal(WORD, 0, 9) == "PENDING is clear already: a written 1 clears it"
    assert refusal(WORD, 1 << 9, 9) == ""
    assert refusal(WORD, 0, 15) == "bit 15 is reserved: what 0 is"
    assert refusal(replace(WORD, access="ro"), 0, 10) == "Made up, for tests can only be read"
    assert "latched inside" in refusal(replace(WORD, address=-1), 0, 10)


def test_the_cursor_begins_where_something_can_be_written() -> None:
    assert first_bit(Subject(PORT61)) == 3
    assert first_bit(Subject(LONG)) == 17
    assert first_bit(Subject(replace(WORD, layouts=(Layout("x", (plain_field("A", 15, 0, "ro"),)),)))) == 0


# what the session knows


@pytest.fixture
def session() -> Session:
    made = Session()
    for command in COMMANDS.splitlines():
        made.do(command)
    return made


def test_names_that_belong_to_a_register(session: Session) -> None:
    def found(name: str) -> tuple[str, int | None, int | None] | None:
        got = inspecting.subject_of(session, name)
        return None if got is None else (got[0].reg.name, got[0].channel, got[1])

    assert found("pit.cmd") == ("pit.cmd", None, None)
    assert found("port61") == ("port61", None, None)
    assert found("PORT61.GATE2") == ("port61", None, 0)
    assert found("pit.ch2.mode") == ("pit.cmd", 2, 1)
    assert found("pit.ch1.rw") == ("pit.cmd", 1, 4)
    assert found("pit.ch0.status") == ("pit.ch0.status", None, None)
    assert found("pit.ch0.ce") is None
    assert found("nothing") is None


def test_the_writes_to_a_register_newest_first(session: Session) -> None:
    told = inspecting.writes_to(session, COMMAND)
    assert [(one.t_ns, one.value) for one in told] == [(9_000_000_000, 0), (0, 0xB6), (0, 0x34)]
    session.do("outl 42h 04030201h")
    assert inspecting.writes_to(session, COMMAND)[0].value == 2
    session.back()
    assert len(inspecting.writes_to(session, COMMAND)) == 3, "what lies ahead was not written yet"


def test_writes_behind_an_index(session: Session) -> None:
    behind = reg(8, plain_field("D", 7, 0), space="cmos", address=0x0B)
    for command in ("outb 71h 11h", "outb 70h 8bh", "outb 71h 42h", "outb 70h 0ah", "outb 71h 26h", "outw 70h 550bh"):
        session.do(command)
    assert [one.value for one in inspecting.writes_to(session, behind)] == [0x55, 0x42]


def test_writes_in_parts_in_memory_and_by_msr() -> None:
    session = Session(vcpus=2)
    for command in (
        "writel fec00000h 14h",
        "writel fec00010h 00000020h",
        "writel fec00000h 15h",
        "writel fec00010h 01000000h",
        "writeq fed00010h 1",
        "writel fee000f0h 1ffh",
        "writel fee000f0h 1feh v1",
    ):
        session.do(command)
    regs = session.machine.board.regs.by_name
    entry = inspecting.writes_to(session, regs["ioapic.rte2"])
    assert [one.value for one in entry] == [0x01000000_00000020, 0x20]
    assert [one.value for one in inspecting.writes_to(session, regs["hpet.conf"])] == [1]
    assert [one.value for one in inspecting.writes_to(session, regs["lapic.svr"])] == [0x1FF]
    assert [one.value for one in inspecting.writes_to(session, regs["lapic.svr"], 1)] == [0x1FE]
    session.do("wrmsr 6e0h 12345h v1")
    assert not inspecting.writes_to(session, regs["tsc_deadline"])
    assert inspecting.writes_to(session, regs["tsc_deadline"], 1)[0].value == 0x12345


def test_every_bit_of_every_register_has_an_effect_or_a_reason() -> None:
    session = Session(vcpus=2)
    before = session.machine.digest()
    for one in session.machine.board.regs:
        subject = Subject(one, int(one.banked))
        value = content(subject, session.peeks(), ()) or 0
        for bit in range(0, one.width, 3):
            effect = inspecting.effect_of(session, subject, value, bit)
            assert effect.refused or (effect.commands and (effect.words or effect.fault)), (one.name, bit)
    assert session.machine.digest() == before and not session.log


def test_a_control_word_is_known_without_the_log(session: Session) -> None:
    assert content(Subject(COMMAND, channel=2), session.peeks(), ()) == 0xB6
    assert content(Subject(COMMAND, channel=1), session.peeks(), ()) is None
    told = inspecting.writes_to(session, COMMAND)
    assert Sight(Subject(COMMAND, channel=2), 0xB6, writes=told).last == told[1]


def test_an_effect_is_tried_on_a_copy(session: Session) -> None:
    before = session.machine.digest(), len(session.log), session.stops
    effect = inspecting.effect_of(session, Subject(PORT61), 0x23, 1)
    assert effect.commands == ("outb 61h 01h",)
    assert "SPKR" in effect.words
    assert inspecting.effect_of(session, Subject(PORT61), 0x23, 4).refused == "REF can only be read"
    assert (session.machine.digest(), len(session.log), session.stops) == before
    result = inspecting.tried(session, ["outb 43h b4h", "outb 42h 10h", "outb 42h 00h"])
    assert "16" in result.text
    assert session.machine.digest() == before[0]


# on the screen

Opened = Callable[..., AbstractAsyncContextManager[tuple[TimerlabApp, "Pilot[int]"]]]


@pytest.fixture
def screen(tmp_path: Path, session: Session) -> Opened:
    @asynccontextmanager
    async def opened(size: tuple[int, int] = (80, 24)) -> AsyncIterator[tuple[TimerlabApp, Pilot[int]]]:
        app = TimerlabApp(session, pacer_clock=lambda: 0, history=History(tmp_path / "history"))
        async with app.run_test(size=size) as pilot:
            await pilot.pause()
            yield app, pilot

    return opened


def typed(app: TimerlabApp) -> list[str]:
    return [entry.text for entry in app.runner.session.log]


async def test_enter_opens_the_control_word_and_esc_goes_back(screen: Opened) -> None:
    async with screen() as (app, pilot):
        await pilot.press("down", "right", "right", "enter")
        await pilot.pause()
        panel = app.inspector
        assert panel.has_focus and set(app.places()) >= {"inspector"} and "pit" not in app.places()
        assert panel.subject == Subject(COMMAND, channel=2) and panel.bit == 1
        first, *rest = (plain(row) for row in panel._rows)
        assert "PIT control word ch 2" in first and "port 43h, write only" in first
        assert "↓" not in first and "42h" in rest[-1] + rest[-2], "it fits into 80x24"
        assert app.hintrow.hints[-1] == ("esc", "back")
        await pilot.press("escape")
        await pilot.pause()
        assert app.panels["pit"].has_focus and "inspector" not in app.places()


async def test_a_value_without_a_register_is_explained(screen: Opened) -> None:
    async with screen() as (app, pilot):
        await pilot.press(*["down"] * 4, "enter")
        await pilot.pause()
        assert "inspector" not in app.places()
        assert "CE" in plain(app.composer.last)


async def test_space_turns_a_bit_of_port_61h_by_the_command_that_it_equals(screen: Opened) -> None:
    async with screen() as (app, pilot):
        app.issue("inspect port61.gate2")
        await pilot.pause()
        assert app.inspector.bit == 0
        await pilot.press("space")
        await pilot.pause()
        assert app.runner.session.peek("port61.gate2") == 0
        assert typed(app)[-1] == "outb 61h 02h"
        await pilot.press("space")
        await pilot.pause()
        assert app.runner.session.peek("port61.gate2") == 1
        assert typed(app)[-1] == "outb 61h 03h"
        assert not app.runner.session.running, "the space bar is the inspector's"
        await pilot.press("left", "left", "space")
        await pilot.pause()
        assert typed(app)[-1] == "outb 61h 07h"


async def test_a_bit_that_can_only_be_read_is_refused(screen: Opened) -> None:
    async with screen() as (app, pilot):
        app.issue("inspect port61")
        await pilot.press("up", "space")
        await pilot.pause()
        entries = len(typed(app))
        assert app.inspector.bit == 4
        assert "REF can only be read" in plain(app.composer.last)
        assert "REF can only be read" in app.inspector.text()
        await pilot.press("e")
        await pilot.pause()
        assert app.inspector.has_focus and len(typed(app)) == entries


async def test_the_view_follows_what_was_written(screen: Opened) -> None:
    async with screen() as (app, pilot):
        app.issue("inspect pit.ch2.mode")
        await pilot.press("up", "up", "left", "space")  # SC 10 to 00
        await pilot.pause()
        assert typed(app)[-1] == "outb 43h 36h"
        assert app.inspector.subject == Subject(COMMAND, channel=0)
        await pilot.press("space", "right", "space")  # to 10, and to 11: a read-back
        await pilot.pause()
        assert typed(app)[-2:] == ["outb 43h b6h", "outb 43h f6h"]
        assert app.inspector.subject == Subject(COMMAND)
        assert "read-back" in app.inspector.text() and "CNT2" in app.inspector.text()


async def test_a_click_chooses_a_bit_and_a_second_one_turns_it(screen: Opened) -> None:
    async with screen() as (app, pilot):
        app.issue("inspect port61")
        await pilot.pause()
        panel = app.inspector
        high = panel._upper
        y, x = next(
            (y, (start + end) // 2)
            for y, hits in high.hits.items()
            for start, end, bit in hits
            if bit == 1 and y in range(high.bit_rows[0], high.bit_rows[1])
        )
        row = y + 1 - panel._top
        await pilot.click("#inspector", offset=(x, row))
        await pilot.pause()
        assert panel.bit == 1 and typed(app)[-1] == "outb 43h 00h"
        await pilot.click("#inspector", offset=(x, row))
        await pilot.pause()
        assert typed(app)[-1] == "outb 61h 01h"


async def test_a_click_on_a_row_chooses_its_field_and_turns_nothing(screen: Opened) -> None:
    async with screen() as (app, pilot):
        app.issue("inspect pit.ch2.mode")
        await pilot.pause()
        panel = app.inspector
        y = next(y for y, hits in panel._upper.hits.items() if hits[0][2] == -1 - 4)
        for _ in range(2):
            await pilot.click("#inspector", offset=(30, y + 1))
            await pilot.pause()
        assert panel.bit == 4 and typed(app)[-1] == "outb 43h 00h"


async def test_a_click_on_a_hint_turns_the_bit_and_lets_no_time_run(screen: Opened) -> None:
    async with screen() as (app, pilot):
        app.issue("inspect port61.spkr")
        await pilot.pause()
        await pilot.click("#hints", offset=(10, 0))
        await pilot.pause()
        assert typed(app)[-1] == "outb 61h 01h" and not app.runner.session.running


async def test_edit_and_copy_the_command(screen: Opened) -> None:
    async with screen() as (app, pilot):
        app.issue("inspect port61.spkr")
        await pilot.pause()
        await pilot.press("y")
        await pilot.pause()
        assert app.clipboard == "outb 61h 01h"
        await pilot.press("e")
        await pilot.pause()
        assert app.composer.typing and app.composer.line.value == "outb 61h 01h"
        await pilot.press("enter")
        await pilot.pause()
        assert typed(app)[-1] == "outb 61h 01h"


async def test_a_command_that_needs_another_before_it_is_edited_alone(screen: Opened) -> None:
    async with screen() as (app, pilot):
        app.inspect("port61")
        app.edit(Effect(("outb 43h b0h", "outb 42h 11h")))
        await pilot.pause()
        await pilot.press("backspace", "backspace", "2", "h", "enter")
        await pilot.pause()
        assert typed(app)[-2:] == ["outb 43h b0h", "outb 42h 12h"]
        app.edit(Effect(("outb 43h b0h", "outb 42h 11h")))
        await pilot.pause()
        await pilot.press("ctrl+u", *"inb", "space", *"42h", "enter")
        await pilot.pause()
        assert typed(app)[-2:] == ["outb 42h 12h", "inb 42h"]


async def test_the_value_is_live_and_asks_for_effects_only_when_the_state_is_another(
    screen: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[int, int]] = []
    tell = inspecting.effect_of

    def effect_of(session: Session, subject: Subject, value: int, bit: int) -> Effect:
        asked.append((value, bit))
        return tell(session, subject, value, bit)

    monkeypatch.setattr(inspecting, "effect_of", effect_of)
    async with screen() as (app, pilot):
        app.issue("inspect port61.spkr")
        app.issue("run")
        await pilot.pause()
        asked.clear()
        seen = set()
        for _ in range(12):
            app.runner.session.machine.advance(app.runner.session.now + 7_000)
            app.show_frame()
            seen.add(app.inspector.text().splitlines()[1])
        assert len(seen) > 1, "the refresh toggle is seen"
        assert len(asked) <= 1
        app.issue("pause")
        await pilot.press("right")
        await pilot.pause()
        assert asked[-1][1] == 0


async def test_a_pinned_register_stays_in_sight(screen: Opened) -> None:
    async with screen((120, 40)) as (app, pilot):
        app.issue("inspect port61")
        await pilot.press("p")
        app.issue("inspect pit.ch0.mode")
        await pilot.pause()
        body = "\n".join(plain(row) for row in app.inspector._rows)
        assert "pinned" in body and "GATE2" in body and "Writes to 43h newest first" in body
        assert all(width_of(row) in (0, 118) for row in app.inspector._rows)
        app.issue("inspect port61")
        await pilot.press("p")
        assert not app.inspector.pins


async def test_esc_in_the_prompt_goes_back_to_the_inspector(screen: Opened) -> None:
    async with screen() as (app, pilot):
        app.issue("inspect port61.spkr")
        await pilot.pause()
        await pilot.press("e", "enter", "escape")
        await pilot.pause()
        assert app.inspector.has_focus
        await pilot.press("escape")
        await pilot.pause()
        assert app.panels["pit"].has_focus


async def test_in_the_past_it_says_what_turning_replaces(screen: Opened) -> None:
    async with screen() as (app, pilot):
        app.issue("inspect port61.spkr")
        await pilot.press("N", "N")
        await pilot.pause()
        assert "replaces 2 later entries" in app.inspector.text()


async def test_inspect_says_what_is_no_register(screen: Opened) -> None:
    async with screen() as (app, pilot):
        assert not app.issue("inspect pit.cmb")
        assert "pit.cmb is no register" in plain(app.composer.last)
        assert not app.issue("inspect")
        await pilot.pause()
        assert "inspector" not in app.places()


async def test_on_a_large_screen_the_panel_stays_beside_it(screen: Opened) -> None:
    async with screen((200, 60)) as (app, pilot):
        app.issue("inspect port61")
        await pilot.pause()
        seen = app.places()
        assert seen["inspector"].width == 131 and seen["pit"].x == 135 and seen["pit"].width == 64
        await pilot.press("tab")
        await pilot.pause()
        assert app.panels["pit"].has_focus and "inspector" in app.places()
        await pilot.press("down", "enter")
        await pilot.pause()
        assert app.inspector.subject == Subject(COMMAND, channel=0) and app.inspector.has_focus
        await pilot.press("w")
        await pilot.pause()
        assert "inspector" not in app.places() and app.panels["waves"].has_focus


@pytest.mark.parametrize("size", [(80, 24), (200, 60), (60, 14), (10, 4)])
@pytest.mark.parametrize("name", REGS)
async def test_a_cursor_is_always_in_sight(screen: Opened, size: tuple[int, int], name: str) -> None:
    async with screen(size) as (app, pilot):
        app.inspect("port61")
        panel = app.inspector
        panel.open(Subject(REGS[name]))
        await pilot.pause()
        for key in ("left", "left", *["down"] * 6, "right", "up", "pagedown", "pageup", "left", "z"):
            await pilot.press(key)
        await pilot.pause()
        if size[1] < 14:
            return
        for bit in range(REGS[name].width):
            panel.open(Subject(REGS[name]), bit)
            assert any(role == "badge" for row in panel._rows for _, role in row), bit
        for _ in range(3):
            panel.action_move(1, 0)
            assert any(text == "▌" for row in panel._rows for text, _ in row)


async def test_the_palette_lists_registers(screen: Opened) -> None:
    async with screen() as (app, pilot):
        await pilot.press("ctrl+p")
        await pilot.pause()
        await pilot.press(*"inspect", "space", *"port61")
        await pilot.pause(0.5)
        await pilot.press("enter", "enter")
        await pilot.pause(0.3)
        assert app.inspector.subject == Subject(PORT61)
