"""The local APICs: rows as text, the window over many vCPUs, the values under the cursor."""

import pytest
from textual.app import App

from timerlab import Session, registers
from timerlab.views import apic, theme
from timerlab.views.apic import ApicPanel
from timerlab.views.frame import Camera
from timerlab.views.panel import Panel
from timerlab.views.rows import plain, width_of

SETUP = """\
writel fee000f0h 1ffh
writel fee00320h 400ech
writel fee000f0h 1ffh v1
writel fee00320h 100ech v1
writel fee003e0h 3 v1
writel fee00380h 62500 v1
writel fee00080h 50h v1
writel fee000f0h 1ffh v2
writel fee00320h 40h v2
writel fee00380h 625 v2
skip 1s
inta v2
cli v3
wrmsr 6e0h 77954960ah
skip 1us"""


def made(commands=SETUP, **options):
    session = Session(**{"vcpus": 4, "guest": "manual", **options})
    for command in commands.splitlines():
        assert session.do(command).fault is None, command
    return session


def page(session, width, height=0, first=0):
    return [plain(row) for row in apic.rows(Camera(session).take(), width, height, first)]


def test_a_page_at_58():
    assert page(made(), 58) == [
        "           v0 ━ run    v1 ━ run    v2 ► 40h    v3 ━ cli",
        "timer      deadline    one-shot    one-shot    one-shot",
        "vector     ECh         ECh ×       40h         00h × SVR",
        "divide     –           16  3h      2   0h      2   0h",
        "initial    –           62 500      625         –",
        "current    –           0           0           –",
        "fires in   11.346 s    –           –           –",
        "TPR PPR    00h 00h     50h 50h     00h 40h     00h 00h",
        "IRR        ·           ·           ·           ·",
        "ISR        ·           ·           ► 40h       ·",
    ]


def test_64_cells_have_room_for_the_words():
    rows = page(made(), 64)
    assert rows[2] == "LVT        0004 00ECh   0001 00ECh   0000 0040h   0001 0000h"
    assert rows[7] == "deadline   77954960Ah   –            –            –"
    assert len(rows) + 1 == ApicPanel.rows_at(64) == 13


def test_a_wide_panel_has_the_whole_lvt():
    rows = page(made("writel fee000f0h 1ffh\nwritel fee00350h 700h\nwritel fee00360h 400h\nwritel fee00370h 0feh"), 78)
    cells = {row[:9].strip(): row[11:26].strip() for row in rows}
    assert (cells["LINT0"], cells["LINT1"], cells["error"]) == ("ExtINT", "NMI", "FEh")
    assert (cells["thermal"], cells["SVR"], cells["ID"]) == ("00h ×", "ENABLE FFh", "00h BSP")
    assert cells["base"] == "FEE00000h"


def test_a_high_panel_adds_rows_as_far_as_they_fit():
    assert [row[:8].strip() for row in page(made(), 58, 14)][10:] == ["LINT0", "LINT1", "error", "SVR"]
    assert len(page(made(), 58, 5)) == 10


@pytest.mark.parametrize("width", [58, 64, 78, 118, 198])
@pytest.mark.parametrize("vcpus", [1, 4, 64])
def test_every_row_has_the_width(width, vcpus):
    session = made("", vcpus=vcpus)
    for first in (0, vcpus - 1):
        rows = apic.rows(Camera(session).take(), width, 30, first)
        assert {width_of(row) for row in rows} == {width}


def test_more_vcpus_than_fit_are_a_window():
    session = made("", vcpus=64)
    assert page(session, 58, first=60)[0].split()[::3] == ["v60", "v61", "v62", "v63"]
    assert page(session, 58, first=63)[0] == page(session, 58, first=60)[0]
    assert apic.window(64, 78, 5) == range(5, 9) and apic.window(64, 118, 0) == range(6)
    assert apic.window(2, 58, 0) == range(2)


def test_what_waits_and_what_is_served():
    timer = "writel fee000f0h 1ffh\nwritel fee00320h 41h\nwritel fee00380h 1\nskip 1us"
    session = made(timer)
    assert page(session, 58)[8] == "IRR        ▲ 41h       ·           ·           ·"
    assert page(session, 58)[0].startswith("           v0 ━ run")
    session.do("writel fee00320h 51h")
    session.do("writel fee00380h 1")
    session.do("skip 1us")
    assert page(session, 58)[8].split()[1:4] == ["▲", "51h", "+1"]
    session.do("inta")
    session.do("cli")
    rows = page(session, 64)
    assert rows[0].split()[:4] == ["v0", "►", "51h", "cli"]
    assert rows[-1].split()[1:3] == ["►", "51h"]


def test_pending_that_cannot_be_delivered_asks_for_attention():
    def roles():
        row = apic.rows(Camera(session).take(), 58)[8]
        return [role for text, role in row if text.startswith("▲")]

    session = made("writel fee000f0h 1ffh\nwritel fee00320h 41h\nwritel fee00380h 1\nskip 1us")
    assert roles() == ["text"]
    session.do("cli")
    assert roles() == ["attention"]
    session.do("sti")
    session.do("writel fee00080h 40h")
    assert roles() == ["attention"]


def test_a_deadline_that_fired():
    session = made("writel fee000f0h 1ffh\nwritel fee00320h 400ech\nwrmsr 6e0h 1\nskip 1us")
    rows = page(session, 64)
    assert rows[7].startswith("deadline   0h fired") and rows[8].startswith("fires in   fired")


def test_an_apic_that_is_off():
    session = made("wrmsr 1bh fee00100h")
    rows = page(session, 64)
    assert rows[1].startswith("timer      APIC off     one-shot") and rows[9].startswith("TPR PPR    –   ")


def test_big_counts_lose_their_gaps():
    session = made("writel fee000f0h 1ffh\nwritel fee00380h 0ffffffffh")
    assert page(session, 58)[4].startswith("initial    4294967295  –")
    assert page(session, 78)[5].startswith("initial    4 294 967 295 ")


def test_marks():
    session = made("")
    camera = Camera(session)
    camera.take()
    session.do("writel fee000f0h 1ffh v1")
    session.do("writel fee00320h 41h v1")
    rows = [plain(row) for row in apic.rows(camera.take(), 58)]
    assert rows[2].startswith("vector     00h × SVR ● 41h") or rows[2].startswith("vector     00h × SVR • 41h")
    assert ApicPanel.is_marked(camera.take())


class Shown(App):
    def __init__(self, session):
        super().__init__()
        self.session, self.asked = session, []

    def get_theme_variable_defaults(self):
        return dict(theme.DEFAULTS)

    def compose(self):
        yield ApicPanel()

    def on_panel_inspect(self, event: Panel.Inspect):
        self.asked.append(event.name)


async def test_keys_move_the_window_and_open_registers():
    app = Shown(made("", vcpus=8))
    async with app.run_test(size=(58, 12)) as pilot:
        panel = app.query_one(ApicPanel)
        panel.see(Camera(app.session).take())
        panel.focus()
        assert "v0–v3 of 8" in panel.text().split("\n")[0] and "1.000 GHz bus" in panel.text()
        await pilot.press("right", "enter", "down", "right", "right", "right", "enter")
        assert panel.vcpu == 0
        await pilot.press("right", "right", "enter")
        assert panel.vcpu == 2 and "v2–v5 of 8" in panel.text()
        await pilot.press(*["right"] * 9, "down", "enter")
        assert panel.vcpu == 4
        await pilot.press(*["left"] * 9, "enter")
        assert panel.vcpu == 0
        await pilot.pause()
        assert app.asked == ["lapic0.lvt_timer", "lapic3.lvt_timer", "lapic5.lvt_timer", "lapic7.tdcr", "lapic0.tdcr"]
        assert panel.owns_hints(False) and not panel.owns_hints(True)


async def test_each_cell_has_a_value_or_a_register():
    app = Shown(made())
    async with app.run_test(size=(78, 30)):
        panel = app.query_one(ApicPanel)
        panel.see(Camera(app.session).take())
        seen = app.session.peeks()
        assert not panel.owns_hints(False) and "of 4" not in panel.text()
        for row in range(1, len(apic.fields_at(78)) + 1):
            for column in range(len(panel.cells(row))):
                name = panel.value_name(row, column)
                assert name in seen and (registers.find(app.session.machine, name) or name.endswith("next")), name
