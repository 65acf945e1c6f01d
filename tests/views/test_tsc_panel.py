"""The time stamp counters: rows as text, what gives way where there is no room, the values under the cursor."""

import pytest
from textual.app import App

from timerlab import Session, registers
from timerlab.views import theme, tsc
from timerlab.views.frame import Camera
from timerlab.views.panel import Panel
from timerlab.views.rows import plain, width_of
from timerlab.views.tsc import TscPanel


def made(*commands, vcpus=4, **options):
    session = Session(vcpus=vcpus, tsc_khz=2_600_000, **options)
    for command in commands:
        assert session.do(command).fault is None, command
    return session


def words(text):
    return text.split()


def page(session, width):
    return [plain(row) for row in tsc.rows(Camera(session).take(), width)]


def test_a_page_at_64():
    session = made("skip 12345678901ns", "wrmsr 3bh 82h v3")
    assert page(session, 64) == [
        "host        32 098 765 142   since power-on",
        "guest       32 098 765 142   1 of 4 differ from v0",
        "vCPU             guest TSC  offset  adjust aux cycles skew to v0",
        "v0 ━        32 098 765 142       0       0  0h      0          0",
        "v1 ━        32 098 765 142       0       0  1h      0          0",
        "v2 ━        32 098 765 142       0       0  2h      0          0",
        "v3 ━        32 098 765 272     130    same  3h   +130   +50.0 ns",
    ]


def test_all_alike():
    assert page(made("skip 1s"), 58)[1].endswith("2 600 000 000   follows host, all alike")
    assert page(made("skip 1s", "wrmsr 10h 0", vcpus=1), 58)[1].endswith(" 0   host + offset")


@pytest.mark.parametrize("width", [58, 64, 78, 118, 198])
@pytest.mark.parametrize("vcpus", [1, 4, 64])
def test_every_row_has_the_width(width, vcpus):
    far = ("skip 40000day", f"wrmsr 10h 0 v{vcpus - 1}", "skip 1s", "wrmsr 3bh 123456789abcdefh", "wrmsr 3bh 7fh")
    for session in (made(vcpus=vcpus), made(*far, vcpus=vcpus)):
        rows = tsc.rows(Camera(session).take(), width)
        assert {width_of(row) for row in rows} == {width} and len(rows) == vcpus + 3


def test_what_gives_way_where_there_is_no_room():
    session = made("skip 12345s", "wrmsr 10h 0 v1")
    assert "aux" in page(session, 118)[2] and "cycles" in page(session, 118)[2]
    head = page(session, 58)[2]
    assert head.split() == words("vCPU guest TSC offset adjust skew to v0")
    assert page(session, 58)[4].split() == words("v1 ━ 0 −32097000000000 same −12 345.000 s")


def test_vcpus_of_two_digits():
    rows = page(made(vcpus=12), 58)
    assert rows[3].startswith("v0  ━ ") and rows[14].startswith("v11 ━ ")


def test_shortened_counts():
    assert tsc.short(-26_000_000_000_000) == "−26.000 T"
    assert (tsc.short(999_999), tsc.short(1_500_000), tsc.short(2**64)) == ("999 999", "1.500 M", "18 446 744.074 T")


def test_the_sign_of_what_a_vcpu_does():
    session = made("skip 1s", "halt v1", "preempt v2 1s", "vmexit v3")
    states = [session.peek(f"vcpu{v}.state") for v in range(4)]
    assert states == ["run", "halt", "stolen", "exit"]
    rows = tsc.rows(Camera(session).take(), 64)[3:]
    assert [plain(row)[:4] for row in rows] == ["v0 ━", "v1 ─", "v2 ░", "v3 ·"]
    assert [row[1][1] for row in rows] == ["strong", "label", "attention", "label"]


def test_the_kind_of_counter_is_what_the_quirks_say():
    def kind(**quirks):
        return TscPanel().head(Camera(made(quirks=quirks)).take())[0]

    assert kind() == "invariant"
    assert kind(nonstop_tsc="no") == "constant, stops in C3"
    assert kind(constant_tsc="no") == "follows P-states"
    assert kind(constant_tsc="no", nonstop_tsc="no") == "follows P-states, stops in C3"


def test_host_processors_that_differ_have_a_column():
    session = made("skip 1s", vcpus=3, quirks={"sockets": "each"})
    machine = session.machine
    machine.host_act(lambda: machine.board.host.set_ppm(1, 50, machine.now))
    assert "host TSC" not in page(session, 78)[2]
    session.do("skip 1s")
    rows = page(session, 78)
    assert rows[0].endswith("differs for 1 of 3") and "host TSC" in rows[2]
    assert words(rows[4])[2:10] == words("5 200 130 000 5 200 130 000") and rows[4].endswith("+50.000 µs")
    assert "host TSC" in page(made("skip 1s"), 118)[2], "there is room for it"
    assert "host TSC" not in page(session, 58)[2]


def test_a_ratio_has_a_column_and_counts_in_the_skew():
    session = made("skip 1s", vcpus=2)
    for cpu in session.machine.board.vcpus:
        cpu.set_l1(session.now, ratio=(1 << 48) // 2)
    session.machine.board.vcpus[1].set_l1(session.now, offset=1300)
    rows = page(session, 78)
    assert rows[1].endswith("1 of 2 differ from v0")
    assert words(rows[2])[4] == "scale" and "× 0.500 000" in rows[3] and "× 0.500" in page(session, 58)[3]
    assert rows[4].endswith("+1.000 µs"), "1300 cycles of a guest that runs at 1.3 GHz"
    assert "scale" not in page(made(), 118)[2]


def test_what_palacios_counts_has_a_column():
    session = made("skip 1s", "wrmsr 10h 5000 v1", "skip 1ms", vcpus=2, profile="palacios")
    cycles = session.peek("policy.v1.guest_cycles")
    assert cycles == 2_600_000_000
    rows = page(session, 78)
    assert "guest cycles" in rows[2] and "2 600 000 000" in rows[4] and "guest cycles" not in page(made(), 118)[2]


def test_a_host_that_was_started_before_the_guest():
    assert page(made("skip 1s", profile="kvm"), 64)[0].endswith("since host boot")
    assert page(made("skip 1s", profile="kvm"), 64)[1].endswith("host + offset, all alike")


def test_a_skew_asks_for_attention():
    row = tsc.rows(Camera(made("wrmsr 3bh 82h v3")).take(), 64)[-1]
    assert [text.strip() for text, role in row if role == "attention"] == ["+130", "+50.0 ns"]
    assert not [text for text, role in tsc.rows(Camera(made()).take(), 64)[-1] if role == "attention"]


def test_an_adjust_that_is_not_the_offset():
    session = made("skip 1s", "reset", "skip 1s", "wrmsr 3bh 5 v1")
    values = {name: session.peek(f"vcpu1.{name}") for name in ("offset", "adjust")}
    assert values["offset"] != values["adjust"] == 5
    assert "+5" in page(session, 78)[4].split()


def test_marks_of_a_vcpu_that_only_serves_are_not_its_business():
    session = made("writel fee000f0h 1ffh", "writel fee00320h 41h", guest="manual")
    camera = Camera(session)
    camera.take()
    for command in ("writel fee00380h 1", "skip 1us", "inta"):
        session.do(command)
        assert not TscPanel.is_marked(camera.take())
    session.do("wrmsr 3bh 5")
    assert TscPanel.is_marked(camera.take())
    assert plain(tsc.rows(camera.take(), 64)[3]).startswith("v0 ━●")


class Shown(App):
    def __init__(self, session):
        super().__init__()
        self.session, self.asked = session, []

    def get_theme_variable_defaults(self):
        return dict(theme.DEFAULTS)

    def compose(self):
        yield TscPanel()

    def on_panel_inspect(self, event: Panel.Inspect):
        self.asked.append(event.name)


async def test_keys_open_the_registers():
    app = Shown(made())
    async with app.run_test(size=(78, 10)) as pilot:
        panel = app.query_one(TscPanel)
        panel.see(Camera(app.session).take())
        panel.focus()
        assert panel.text().startswith("━ 6 TSC invariant ━") and "2.600 000 GHz" in panel.text()
        await pilot.press(
            "down", "enter", "down", "enter", "down", "enter", "right", "right", "enter", "right", "enter"
        )
        await pilot.pause()
        assert app.asked == ["vcpu0.host", "vcpu0.tsc", "vcpu0.tsc", "vcpu0.adjust_bits", "vcpu0.aux"]
        for name in app.asked[1:]:
            assert registers.find(app.session.machine, name)
    assert TscPanel.owns("tsc_adjust") and TscPanel.owns("tsc") and not TscPanel.owns("tsc_deadline")
