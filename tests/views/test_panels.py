"""The pure rows of the panels as text, against the pages of the design; then the panels' keys in an app."""

from dataclasses import dataclass, field, replace
from fractions import Fraction
from itertools import pairwise

import pytest
from textual.app import App

from timerlab import session as timerlab_session
from timerlab.pacer import Pacer
from timerlab.views import log_rows, pit, port61, theme, wave_rows
from timerlab.views.frame import Camera, Frame
from timerlab.views.log import LogPanel
from timerlab.views.marks import FADE_NS, Marks, strongest
from timerlab.views.panel import Panel
from timerlab.views.pit import PitPanel
from timerlab.views.port61 import Port61Panel
from timerlab.views.rows import clip, cut, highlight, numbers, pad, plain, put, rule, width_of
from timerlab.views.wave_rows import View
from timerlab.views.waves import WavesPanel

NOW = 12_345_678_901
LINES = ["pit.ch0.out", "irq.0", "pit.ch1.out", "pit.ch2.out", "port61.gate2", "port61.spkr", "speaker", "refresh"]
# period, high part and a rising edge of the lines that repeat, in ns
SHAPES = {
    "pit.ch0.out": (999_848, 999_010, 12_345_271_087),
    "irq.0": (999_848, 120_000, 12_345_271_087),
    "pit.ch1.out": (15_086, 14_248, 12_345_677_000),
    "pit.ch2.out": (2_272_076, 1_136_457, 12_344_496_000),
    "speaker": (2_272_076, 1_136_457, 12_344_496_000),
    "refresh": (30_172, 15_086, 12_345_677_562),
}


@dataclass
class Options:
    profile: str = "datasheet"
    vcpus: int = 4
    guest: str = "manual"
    start: str = "2026-01-01T00:00:00"
    pit_hz: Fraction = Fraction(105_000_000, 88)
    tsc_khz: Fraction = Fraction(2_600_000)
    apic_bus_hz: Fraction = Fraction(1_000_000_000)
    hpet_period_fs: int = 10_000_000
    hpet_timers: int = 3
    quirks: dict[str, str] = field(default_factory=dict)


@dataclass
class Wave:
    start: int
    counts: list[int]
    levels: list[int]


@dataclass
class Outcome:
    text: str
    fault: str | None = None
    ok: bool = True


@dataclass
class Entry:
    index: int
    t_ns: int
    end_ns: int
    text: str
    kind: str = "command"
    result: Outcome | None = None


@dataclass
class Event:
    t_ns: int
    source: str = "irq.0"
    kind: str = "rise"
    count: int = 1
    last_ns: int = 0


@dataclass
class Bench:
    """Lines that repeat, a log by hand: what a panel may ask."""

    log: list[Entry] = field(default_factory=list)
    happened: list[Event] = field(default_factory=list)
    asked: int = 0

    def lines(self):
        return LINES

    def _edges(self, name, ns):
        """Edges up to and with `ns`, and the level after them."""
        if name not in SHAPES:
            return 0, 1
        period, high, start = SHAPES[name]
        turns, into = divmod(ns - start, period)
        return 2 * turns + (1 if into < high else 2), int(into < high)

    def wave(self, name, lo, hi, cells):
        self.asked += 1
        marks = [self._edges(name, lo + (hi - lo) * i // cells - 1) for i in range(cells + 1)]
        counts = [b[0] - a[0] for a, b in pairwise(marks)]
        return Wave(marks[0][1], counts, [level for _, level in marks[1:]])

    def edge(self, name, ns, direction):
        if name not in SHAPES:
            return None
        period, high, start = SHAPES[name]
        turn = (ns - start) // period
        known = [(start + t * period + off, lev) for t in range(turn - 2, turn + 3) for off, lev in ((0, 1), (high, 0))]
        return min(e for e in known if e[0] > ns) if direction > 0 else max(e for e in known if e[0] < ns)

    def events(self, lo, hi, limit):
        self.asked += 1
        return [event for event in self.happened if lo < event.t_ns <= hi][:limit]


def values(**changes):
    """The values of the design's pages; `ch0_mode=None` changes one of them."""
    peeks = {}
    for ch, (kind, rw, cr, ce, out, due, level, high) in enumerate(
        (
            (2, 3, 1193, 707, 1, 591_195, 0, None),
            (2, 1, 18, 17, 1, 12_909, 0, None),
            (3, 3, 2711, 2602, 0, 1_090_000, 1, 1356),
        )
    ):
        for name, value in {
            "mode": kind,
            "kind": kind,
            "rw": rw,
            "bcd": 0,
            "cr": cr,
            "ce": ce,
            "loaded": 1,
            "ol": None,
            "status": None,
            "rd": "lo",
            "wr": "lo",
            "null": 0,
            "gate": 1,
            "out": out,
            "period": cr,
            "high": high,
            "next": NOW + due,
            "next_level": level,
        }.items():
            peeks[f"pit.ch{ch}.{name}"] = value
    bits = dict(zip(port61.BITS, (0, 0, 0, 1, 0, 0, 1, 1), strict=True))
    peeks |= {f"port61.{bit}": value for bit, value in bits.items()}
    peeks |= {"port61.value": 0x13, "refresh.next": NOW + 13_747, "refresh.level": 1, "pit.ch0.ol": 712}
    for key, value in changes.items():
        head, _, tail = key.partition("_")
        peeks[f"pit.{head}.{tail}" if head.startswith("ch") else f"{head}.{tail}"] = value
    return peeks


def frame(marks=None, bench=None, **changes):
    return Frame(now=NOW, peeks=values(**changes), source=bench or Bench(), options=Options(), marks=marks or {})


DESIGN_MARKS = {"pit.ch0.ol": "●", "pit.ch0.rd": "●", "pit.ch2.status": "•", "pit.ch2.null": "•"}


def page(rows):
    return "\n".join(plain(row) for row in rows)


PIT_58 = """\
           ch 0 → IRQ0     ch 1 → refresh  ch 2 → speaker
mode       2 rate gen      2 rate gen      3 square wave
access     lo/hi binary    lo binary       lo/hi binary
CR load     1193  04A9h       18  0012h     2711  0A97h
CE count     707  02C3h       17  0011h     2602  0A2Ah
OL latch ● ◊ 712  02C8h        –               –
status         –               –         •     –
byte     ● rd lo  wr lo    rd lo  wr lo    rd lo  wr lo
pins       null GATE OUT   null GATE OUT • null GATE out
rate       1000.152 Hz     66 287.879 Hz   440.126 Hz
next       ↓ 591.195 µs    ↓ 12.909 µs     ↑ 1.090 ms"""

PIT_64 = """\
           ch 0 → IRQ0       ch 1 → refresh    ch 2 → speaker
mode       2 rate gen        2 rate gen        3 square wave
access     lo/hi binary      lo binary         lo/hi binary
CR load     1193  04A9h         18  0012h       2711  0A97h
CE count     707  02C3h         17  0011h       2602  0A2Ah
OL latch ● ◊ 712  02C8h          –                 –
status         –                 –           •     –
byte     ● rd lo  wr lo      rd lo  wr lo      rd lo  wr lo
pins       null GATE OUT     null GATE OUT   • null GATE out
rate       1000.152 Hz       66 287.879 Hz     440.126 Hz
next       ↓ 591.195 µs      ↓ 12.909 µs       ↑ 1.090 ms"""

PIT_78 = """\
           ch 0 → IRQ0           ch 1 → refresh        ch 2 → speaker
mode       2 rate generator      2 rate generator      3 square wave
access     lo/hi binary          lo binary             lo/hi binary
CR load     1193  04A9h             18  0012h           2711  0A97h
CE count     707  02C3h             17  0011h           2602  0A2Ah
OL latch ● ◊ 712  02C8h              –                     –
status         –                     –               •     – read
byte     ● rd lo  wr lo          rd lo  wr lo          rd lo  wr lo
pins       null GATE OUT         null GATE OUT       • null GATE out
rate       1000.152 Hz           66 287.879 Hz         440.126 Hz
next       ↓ 591.195 µs          ↓ 12.909 µs           ↑ 1.090 ms"""


@pytest.mark.parametrize(("width", "wanted"), [(58, PIT_58), (64, PIT_64), (78, PIT_78)])
def test_the_pit_is_the_design_to_the_letter(width, wanted):
    rows = pit.rows(frame(DESIGN_MARKS), width)
    assert page(rows[:11]) == wanted
    assert all(width_of(row) == width for row in rows)
    assert len(rows) == PitPanel.rows_at(width) - 1


def test_the_waves_of_the_pit_stand_still():
    upper, lower = (plain(row) for row in pit.rows(frame(), 78)[-2:])
    assert upper == "OUT        ━━━━┳━━━━━━┳━━━━━━┳   ━┳━━┳━━┳━━┳━━┳━━┳━━   ┏━━━┓   ┏━━━┓   ┏━━"
    later = replace(frame(), now=NOW + 100_000)
    assert [plain(row) for row in pit.rows(later, 78)[-2:]] == [upper, lower]


def test_a_channel_without_a_control_word():
    bare = frame(ch0_kind=None, ch0_mode=None, ch0_null=1, ch0_ol=None)
    for width, said in ((58, "unprogrammed"), (64, "no control word"), (78, "no control word yet")):
        text = page(pit.rows(bare, width))
        assert f"mode       {said}" in text
        assert "NULL GATE OUT" in text
        assert "CR load        –  " in text


def test_a_channel_whose_count_is_due():
    due = frame(ch0_loaded=0, ch0_cr=0, ch0_period=None, ch0_next=None, ch0_ol=None, ch0_wr="hi")
    text = page(pit.rows(due, 78))
    assert "CR load        –  " in text
    assert "CE count       – not loaded" in text
    assert "rd lo  wr hi" in text
    assert "rate       –" in text and "next       –" in text
    assert "CE count   – not loaded" in page(pit.rows(due, 58))


def test_five_digits_keep_the_columns():
    full = frame(ch0_cr=0xFFFF, ch0_ce=0x8000, ch0_ol=0xFFFE)
    text = page(pit.rows(full, 58))
    assert "CR load    65535  FFFFh" in text
    assert "OL latch   65534  FFFEh" in text


def test_bcd_reads_as_decimal_and_stands_as_digits():
    text = page(pit.rows(frame(ch0_bcd=1, ch0_cr=0x1193, ch0_mode=7, ch0_kind=3), 58))
    assert "CR load     1193  1193h" in text
    assert "lo/hi BCD" in text
    assert "mode       7 square wave" in text


def test_a_latched_status_is_spelt_out_where_there_is_room():
    held = frame(ch0_status=0xB4)
    assert "◊ B4h  OUT null" in page(pit.rows(held, 64))
    assert "OUT null" not in page(pit.rows(held, 58)).split("\n")[6]


def test_port_61h():
    text = page(port61.rows(frame(), 58))
    assert text == (
        "read       serr iochk out2 REF nochk noserr SPKR GATE2\nspeaker    ♪ A4 440.126 Hz  +0.5 cent  OUT2 and SPKR"
    )
    assert page(port61.rows(frame(), 64)).endswith("refresh    toggles each 15.086 µs  next ↓ 13.747 µs")
    assert len(port61.rows(frame(), 78)) == Port61Panel.rows_at(78) - 1 == 2


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"port61_spkr": 0}, "SPKR is clear"),
        ({"port61_gate2": 0, "ch2_next": None, "ch2_period": None}, "GATE2 is clear"),
        ({"ch2_kind": None, "ch2_next": None, "ch2_period": None}, "no control word"),
        ({"ch2_kind": 0, "ch2_next": None, "ch2_period": None}, "OUT2 is steady"),
    ],
)
def test_silence_has_a_reason(changes, why):
    assert why in page(port61.rows(frame(**changes), 58))


def test_the_title_rule():
    row = rule("1", "PIT", "8254", "1.193 182 MHz", 58, False)
    assert plain(row) == "─ 1 PIT 8254 ───────────────────────────── 1.193 182 MHz ─"
    assert plain(rule("1", "PIT", "8254", "1.193 182 MHz", 58, True)).count("━") == 31
    assert width_of(rule("w", "Waves", "6 of 31 lines", "2.400 ms across", 20, False)) == 20


def test_rows_can_be_cut_and_laid_over():
    row = (("abc", "text"), ("def", "label"))
    assert cut(row, 2, 4) == (("c", "text"), ("d", "label"))
    assert plain(put(row, 2, (("XY", "strong"),))) == "abXYef"
    assert plain(put(row, 8, (("!", "strong"),))) == "abcdef  !"
    assert plain(clip(row, 4)) == "abc…"
    assert width_of(pad(row, 4)) == 4
    assert highlight(pad(row, 8), 2, 4)[1:3] == (("c", "text*"), ("d", "label*"))


def test_the_h_of_hex_is_muted():
    assert [role for _, role in numbers("outb 43h 00h")] == ["text", "text", "label", "text", "text", "label"]
    assert numbers("which") == (("which", "text"),)
    assert numbers("0000 0000 4996 02D2h")[0] == ("0000 0000 ", "absent")


# marks


def test_marks_fade_by_stops_while_paused():
    marks = Marks()
    assert marks.watch({"pit.ch0.cr": 1}, 0, False, 0) == {}
    signs = [marks.watch({"pit.ch0.cr": 2}, stop, False, 0).get("pit.ch0.cr") for stop in (1, 2, 3, 4)]
    assert signs == ["●", "•", "·", None]


def test_marks_fade_by_time_while_running():
    marks = Marks()
    marks.watch({"pit.ch0.cr": 1}, 0, True, 0)
    times = (1, FADE_NS - 1, FADE_NS + 1, 2 * FADE_NS + 2, 3 * FADE_NS + 3)
    signs = [marks.watch({"pit.ch0.cr": 2}, 0, True, at).get("pit.ch0.cr") for at in times]
    assert signs == ["●", "●", "•", "·", None]
    assert not marks.due(10**12, True)


def test_what_merely_counts_is_never_marked():
    marks = Marks()
    marks.watch({"pit.ch0.ce": 1, "refresh.level": 0, "port61.ref": 0, "pit.ch0.out": 0, "pit.ch0.null": 0}, 0, True, 0)
    after = {"pit.ch0.ce": 2, "refresh.level": 1, "port61.ref": 1, "pit.ch0.out": 1, "pit.ch0.null": 1}
    assert marks.watch(after, 0, True, 1) == {"pit.ch0.null": "●"}


def test_out_is_marked_when_a_command_stepped_it():
    marks = Marks()
    marks.watch({"pit.ch0.out": 0}, 0, False, 0)
    assert marks.watch({"pit.ch0.out": 1}, 1, False, 0) == {"pit.ch0.out": "●"}


def test_a_row_shows_its_freshest_mark():
    assert strongest({"a": "·", "b": "•"}, "a", "b", "c") == "•"
    assert strongest({}, "a") == " "


# waves


def test_waves_with_cursors_at_80_columns():
    a, b = 12_344_271_239, 12_345_271_087
    view = View(cell=37_500, a=a, b=b, active="b", focused=True)
    text = [plain(row) for row in wave_rows.rows(frame(), 78, 17, view)]
    assert text[0].startswith("line      A B") and text[0].endswith("B")
    assert text[3].startswith("▌OUT0     1 1 ━") and "┳" in text[3]
    assert text[-1] == "B − A 999.848 µs  1/(B − A) 1000.152 Hz  1193 PIT clocks"
    assert text[2].startswith("ms from now   ─") and text[2].count("┳") == 2 and "┃" in text[2]
    assert len(text) <= 17


def test_waves_explain_their_lines_at_120_columns():
    view = View(cell=46_000, a=12_342_271_543, b=12_344_271_239)
    text = page(wave_rows.rows(frame(), 118, 32, view))
    assert "mode 2  N 1193" in text and "♪ A4  440.126 Hz" in text and "66.288 kHz, dense" in text
    assert "─ Cursors ─" in text
    assert "B − A      1.999 696 ms" in text and "in PIT clocks  2386" in text
    assert "OUT0 ↑" in text and "now, paused" in text


@pytest.mark.parametrize(("width", "height"), [(78, 17), (118, 32), (131, 19), (64, 9), (58, 5)])
def test_waves_fill_their_width_and_keep_their_height(width, height):
    for view in (View(), View(a=NOW), View(a=NOW, b=NOW + 5), View(shift=10**7)):
        rows = wave_rows.rows(frame(), width, height, view)
        assert all(width_of(row) in (0, width) for row in rows)
        assert len(rows) <= max(height, 6)


def test_the_future_is_faint():
    row = wave_rows.rows(frame(), 78, 17, View(cell=37_500))[3]
    roles = [role for _, role in row]
    assert roles[-1] == "absent" and "changed" in roles


def test_the_window_stands_still_within_a_cell():
    still = replace(frame(), now=NOW // 50_000 * 50_000)
    later = replace(still, now=still.now + 49_999)
    assert wave_rows.window(still, 78, View()) == wave_rows.window(later, 78, View())


def test_before_power_on_there_is_nothing():
    early = replace(frame(), now=100_000)
    row = plain(wave_rows.rows(early, 78, 17, View(cell=50_000))[3])
    assert row[14:60].strip() == ""


def test_fitting_shows_both_cursors():
    a, b = NOW - 5_000_000, NOW - 4_000_000
    fitted = wave_rows.fitting(frame(), 78, View(a=a, b=b))
    lo, hi = wave_rows.window(frame(), 78, fitted)
    assert lo < a and b < hi and (hi - lo) < 2 * (b - a)


# log


def bench():
    return Bench(
        log=[
            Entry(1, 0, 0, "outb 43h 34h", result=Outcome("OUT0 goes high   mode 2")),
            Entry(2, 0, 3_000_000, "skip 3ms", result=Outcome("3.000 ms later")),
            Entry(3, 3_000_000, 3_000_000, "inb 1ffffh", result=Outcome("", fault="#GP(0)  no such port")),
            Entry(4, 3_000_000, 3_000_000, "expect pit.ch0.ce == 5", "expect", Outcome("it is 7", ok=False)),
            Entry(5, 3_000_000, 3_000_000, "note a note", "note", Outcome("a note")),
        ],
        happened=[Event(1_000_000), Event(1_500_000, count=11_347, last_ns=2_900_000)],
    )


def test_the_log_mixes_commands_results_and_events():
    shot = replace(frame(bench=bench()), now=3_000_000, end_ns=3_000_000, position=5)
    assert page(log_rows.rows(shot, 78, 20)) == (
        " 0.000 000 000 › outb 43h 34h\n"
        "               = OUT0 goes high   mode 2\n"
        " 0.000 000 000 › skip 3ms\n"
        " 0.001 000 000 · IRQ0 ↑ PIT ch 0\n"
        " 0.001 500 000 · IRQ0 ↑ 11 347 times until 0.002 900 000\n"
        " 0.003 000 000 = 3.000 ms later\n"
        " 0.003 000 000 › inb 1ffffh\n"
        "               ! #GP(0)  no such port\n"
        " 0.003 000 000 › expect pit.ch0.ce == 5\n"
        "               ! it is 7\n"
        " 0.003 000 000   a note"
    )


def test_the_log_expands_only_what_is_seen():
    source = bench()
    source.log = [replace(source.log[1], index=i, t_ns=i, end_ns=i + 1) for i in range(10_000)]
    shot = replace(frame(bench=source), position=10_000)
    assert len(log_rows.rows(shot, 78, 20)) == 20
    assert source.asked <= 20


def test_the_log_can_be_filtered():
    book = log_rows.Book()
    book.filter = "IRQ0"
    shot = replace(frame(bench=bench()), position=5)
    assert [line.split("·")[1][:5] for line in page(log_rows.rows(shot, 78, 20, book)).split("\n")] == [" IRQ0"] * 2
    book.filter = "gp(0)"
    assert page(log_rows.rows(shot, 78, 20, book)).count("\n") == 1
    shot.source.log.append(Entry(6, NOW, NOW, "outb 43h #GP(0)"))
    assert page(log_rows.rows(shot, 78, 20, book)).count("\n") == 2
    book.filter = "nowhere"
    assert page(log_rows.rows(shot, 78, 20, book)) == "nothing holds nowhere"


def test_events_that_a_session_in_the_past_does_not_know_are_kept():
    book, source = log_rows.Book(), bench()
    shot = replace(frame(bench=source), now=3_000_000, position=5)
    whole = page(log_rows.rows(shot, 78, 20, book))
    source.happened.clear()
    assert page(log_rows.rows(replace(shot, now=1000, _known={}), 78, 20, book)) == whole
    early = log_rows.Book()
    assert "IRQ0" not in page(log_rows.rows(replace(shot, now=1000, _known={}), 78, 20, early))
    source.happened.append(Event(1_000_000))
    assert "IRQ0" in page(log_rows.rows(replace(shot, _known={}), 78, 20, early))


def test_stepping_through_the_log_meets_every_row():
    book, shot = log_rows.Book(), frame(bench=bench())
    last = book.last(shot)
    assert last == (4, 0)
    walked = [last]
    while book.step(shot, walked[-1], -1) != walked[-1]:
        walked.append(book.step(shot, walked[-1], -1))
    assert len(walked) == 11
    assert book.step(shot, (0, 0), 10) == last and book.step(shot, last, -100) == (0, 0)


def test_the_past_has_a_place_and_a_faint_future():
    shot = replace(frame(bench=bench()), now=1_200_000, end_ns=3_000_000, position=1, past=True)
    rows = log_rows.rows(shot, 78, 20)
    assert plain(rows[3]).startswith(" 0.001 000 000 ◄ IRQ0")  # in the middle of the skip
    assert {role for _, role in rows[-1][:-1]} == {"absent"}


# the panels in an app


class Stage(App[None]):
    """Every panel, each with the room that it has on a large screen."""

    def __init__(self, source=None):
        super().__init__()
        theme.register(self)
        self.theme = "timerlab-dark"
        self.shot = frame(bench=source)
        self.commands = []
        self.opened = []

    def get_theme_variable_defaults(self):
        return dict(theme.DEFAULTS)

    def compose(self):
        for panel, height, width in ((PitPanel(), 14, 64), (Port61Panel(), 3, 64), (WavesPanel(), 20, 78)):
            panel.styles.height, panel.styles.width = height, width
            yield panel
        log = LogPanel()
        log.styles.height, log.styles.width = 6, 64
        yield log

    def on_mount(self):
        self.tell(self.shot)

    def tell(self, shot):
        self.shot = shot
        for panel in self.query(Panel):
            panel.see(shot)

    def on_panel_inspect(self, message):
        self.opened.append(message.name)

    def on_panel_command(self, message):
        self.commands.append(message.text)


async def test_the_focus_makes_one_rule_heavy():
    app = Stage()
    async with app.run_test(size=(100, 60)) as pilot:
        app.query_one(PitPanel).focus()
        await pilot.pause()
        rules = [panel.text().split("\n")[0][0] for panel in app.query(Panel)]
        assert rules == ["━", "─", "─", "─"]


async def test_the_cursor_walks_over_the_values_and_opens_them():
    app = Stage()
    async with app.run_test(size=(100, 60)) as pilot:
        panel = app.query_one(PitPanel)
        panel.focus()
        await pilot.press("down", "down", "right", "right", "enter")
        assert app.opened == ["pit.ch2.rw"]
        assert "▌" in "".join(segment.text for segment in panel.render_line(panel.cursor[0] + 1))
        panel.action_leave()
        assert panel.cursor is None


async def test_a_frame_that_is_the_same_costs_nothing():
    app = Stage()
    async with app.run_test(size=(100, 60)) as pilot:
        await pilot.pause()
        asked = app.shot.source.asked
        app.tell(app.shot)
        assert app.shot.source.asked == asked


async def test_only_lines_that_differ_are_drawn(monkeypatch):
    app = Stage()
    async with app.run_test(size=(100, 60)) as pilot:
        panel = app.query_one(PitPanel)
        await pilot.pause()
        drawn = []
        monkeypatch.setattr(panel, "refresh", lambda *regions, **_: drawn.extend(regions))
        panel.see(frame(ch0_ce=700))
        assert [(region.y, region.height) for region in drawn] == [(5, 1)]


async def test_wave_cursors_go_from_edge_to_edge():
    app = Stage()
    async with app.run_test(size=(100, 60)) as pilot:
        panel = app.query_one(WavesPanel)
        panel.focus()
        await pilot.press("a", "left_square_bracket", "b", "left_square_bracket", "left_square_bracket")
        assert panel.view.a == 12_345_271_087
        assert panel.view.b == 12_345_271_087 - 999_848
        await pilot.press("g")
        assert app.commands == [f"goto {12_345_271_087 - 999_848}ns"]
        before = panel.view.cell
        await pilot.press("plus", "minus", "minus", "f", "h", "right", "left")
        assert panel.view.cell != before
        panel.action_leave()
        assert panel.view.a is None


async def test_zooming_keeps_the_moving_cursor_in_its_place():
    app = Stage()
    async with app.run_test(size=(100, 60)) as pilot:
        panel = app.query_one(WavesPanel)
        panel.focus()
        await pilot.press("a", "left_square_bracket", "left_square_bracket", "left_square_bracket")
        places = []
        for _ in range(6):
            lo, hi = wave_rows.window(app.shot, 78, panel.view)
            places.append((panel.view.a - lo) * 64 // (hi - lo))
            await pilot.press("plus")
        assert max(places) - min(places) <= 1


async def test_the_log_jumps_to_an_entry():
    app = Stage(bench())
    async with app.run_test(size=(100, 60)) as pilot:
        panel = app.query_one(LogPanel)
        panel.focus()
        await pilot.press("up", "up", "up", "enter")
        assert app.commands == ["goto #4"]
        await pilot.press("left_square_bracket", "enter")
        assert app.commands[-1] == "goto #3"
        panel.filter = "irq"
        assert "with irq" in panel.text()
        panel.action_leave()
        assert panel.filter == ""


@pytest.mark.parametrize("name", [known.name for known in theme.THEMES])
async def test_every_theme_has_every_role(name):
    app = Stage()
    async with app.run_test(size=(100, 60)) as pilot:
        app.theme = name
        await pilot.pause()
        styles = theme.role_styles(app.theme_variables)
        assert set(styles) == set(theme.ROLES) | {role + "*" for role in theme.ROLES}


async def test_ascii_signs_keep_the_columns():
    app = Stage()
    async with app.run_test(size=(100, 60)) as pilot:
        await pilot.pause()
        app.tell(replace(app.shot, ascii=True))
        for panel in app.query(Panel):
            for y in range(panel.size.height):
                text = "".join(segment.text for segment in panel.render_line(y))
                assert text.isascii() and len(text) == panel.size.width


# with a real session

PROGRAM = (
    "outb 43h 34h; outb 40h a9h; outb 40h 04h; outb 43h 54h; outb 41h 12h; outb 43h b6h; outb 42h 97h; outb 42h 0ah; "
    "outb 61h 03h; skip 2.5ms; outb 43h 00h"
)


def played():
    session = timerlab_session.Session()
    camera = Camera(session, clock=lambda: 0)
    for command in PROGRAM.split("; "):
        camera.take()
        session.do(command)
    return session, camera.take()


def test_a_session_fills_the_pit():
    session, shot = played()
    text = page(pit.rows(shot, 78))
    left = session.peek("pit.ch0.ol")
    assert f"OL latch ● ◊{left:>4}  {left:04X}h" in text
    assert "mode       2 rate generator      2 rate generator      3 square wave" in text
    assert "OUT        ━━━━┳━━━━━━┳━━━━━━┳   ━┳━━┳━━┳━━┳━━┳━━┳━━   ┏━━━┓   ┏━━━┓   ┏━━" in text
    assert "♪ A4 440.126 Hz" in page(port61.rows(shot, 58))


def test_a_session_fills_the_waves():
    session, shot = played()
    rows = [plain(row) for row in wave_rows.rows(shot, 118, 32, View())]
    first, second = (next(row for row in rows if row.startswith(f" {name} ")) for name in ("OUT0", "speaker"))
    assert ("┳" in first or "┓┏" in first) and "┏" in second and "┓" in second
    a = shot.edge("pit.ch0.out", session.now, -1)
    b = shot.edge("pit.ch0.out", a[0], -1)
    b = shot.edge("pit.ch0.out", b[0], -1)
    text = page(wave_rows.rows(shot, 78, 17, View(a=b[0], b=a[0])))
    assert "1193 PIT clocks" in text


def test_a_power_on_draws_at_every_width():
    shot = Camera(timerlab_session.Session(), clock=lambda: 0).take()
    for width in (58, 64, 78, 118, 131):
        assert all(width_of(row) == width for row in pit.rows(shot, width))
        assert wave_rows.rows(shot, width, 20, View())
    assert log_rows.rows(shot, 64, 10) == []


def test_the_log_of_a_session():
    _, shot = played()
    text = page(log_rows.rows(shot, 78, 40))
    assert "› outb 43h 34h" in text and "· IRQ0 ↑ PIT ch 0" in text
    assert text.split("\n")[-1].startswith(f"{'':15}= latch ch 0 = ")


# the camera


class Session:
    """The part of a session that a camera looks at."""

    def __init__(self):
        self.now, self.stops, self.log, self.position = 0, 0, [], 0
        self.running, self.rate, self.past, self.end_ns = False, Fraction(1), False, 0
        self.options, self.cr = Options(), 1

    def peeks(self):
        return {"pit.ch0.cr": self.cr}

    def next_event(self):
        return None


def test_the_camera_gives_the_same_frame_while_nothing_changes():
    session = Session()
    camera = Camera(session, clock=lambda: 0)
    first = camera.take()
    assert camera.take() is first
    session.stops, session.cr = 1, 2
    second = camera.take()
    assert second is not first and second.marks == {"pit.ch0.cr": "●"}
    camera.aim(Session())
    assert camera.take().marks == {}


def test_marks_fade_although_time_stands_still():
    session, host = Session(), [0]
    session.running, session.rate = True, Fraction(1, 10**9)
    camera = Camera(session, clock=lambda: host[0])
    camera.take()
    session.cr, session.stops = 2, 1
    assert camera.take().marks == {"pit.ch0.cr": "●"}
    host[0] = FADE_NS + 1
    assert camera.take().marks == {"pit.ch0.cr": "•"}


def test_a_fault_is_named_once_in_the_log():
    s = timerlab_session.Session()
    s.do("rdmsr 839h")
    shot = Camera(s, Pacer(s), lambda: 0).take()
    text = "\n".join(plain(row) for row in log_rows.rows(shot, 78, 10))
    assert text.count("#GP(0)") == 1 and "not in x2APIC mode" in text
