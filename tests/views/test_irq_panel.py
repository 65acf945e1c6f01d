"""The interrupts: which lines are shown, their signs and counts, the guest, the I/O APIC's entries."""

import pytest
from textual.app import App

from timerlab import Session, registers
from timerlab.views import irq, theme
from timerlab.views.frame import Camera
from timerlab.views.irq import IrqPanel
from timerlab.views.panel import Panel
from timerlab.views.rows import plain, width_of

PICS = ("20h 11h", "21h 20h", "21h 4", "21h 1", "0a0h 11h", "0a1h 28h", "0a1h 2", "0a1h 1")
ENABLE = "writel fee000f0h 1ffh"
TICK = ("outb 43h 34h", "outb 40h 0a9h", "outb 40h 04h")


def made(*commands, **options):
    session = Session(**options)
    for command in (*(f"outb {word}" for word in PICS), *commands):
        assert session.do(command).fault is None, command
    return session


def entry(pin, low, high=0):
    at = 0x10 + 2 * pin
    return tuple(
        f"writel fec000{place:02x}h {value:x}h" for place, value in ((0, at + 1), (0x10, high), (0, at), (0x10, low))
    )


def frame(session):
    return Camera(session).take()


def words(text):
    return text.split()


def page(session, width=64):
    return [plain(row) for row in irq.rows(frame(session), width)]


def line(session, name):
    return next(one for one in irq.lines(frame(session)) if one.name == name)


def test_a_quiet_machine():
    assert page(Session()) == [
        "line    source      req srv msk      raised  delivered     lost",
        "IRQ0    PIT ch 0     ·   ·   ·            0          0        0",
        "IRQ2    cascade      ·   ·   ·            –          –        –",
        "IRQ8    RTC          ·   ·   ·            0          0        0",
        "guest   none   nobody takes interrupts",
    ]


def test_requested_in_service_masked():
    session = made("irq 3 1", "inta", "irq 5 1", "outb 21h 20h", "irq 9 1", guest="manual")
    signs = {
        one.name: (bool(one.request), bool(one.service), bool(one.mask))
        for one in irq.lines(frame(session))
        if one.request or one.service or one.mask
    }
    assert signs == {
        "IRQ2": (True, False, False),
        "IRQ3": (False, True, False),
        "IRQ5": (True, False, True),
        "IRQ9": (True, False, False),
    }
    assert "IRQ3    by hand      ·   ►   ·            1          1        0" in page(session)
    assert "guest   manual   inta and eoi are typed   ► v0 23h" in page(session)


def test_lines_are_shown_once_someone_chooses_them():
    assert [one.name for one in irq.lines(frame(made()))] == ["IRQ0", "IRQ2", "IRQ8"]
    session = made("outb 21h 0f8h", "outb 0a1h 0ffh")
    assert [one.name for one in irq.lines(frame(session))] == ["IRQ0", "IRQ1", "IRQ2", "IRQ8"]
    session.do("irq 11 1")
    assert [one.name for one in irq.lines(frame(session))][-1] == "IRQ11"


def test_coalesced_and_lost_stand_apart_where_there_is_room():
    session = made(*TICK, "outb 21h 0", ENABLE, "skip 20ms", "irq 20 1")
    pit = line(session, "IRQ0")
    raised, delivered, coalesced, lost = pit.counts
    assert raised > 15 and delivered == 0 and coalesced == raised - 1 and lost == 0
    assert page(session, 78)[0].split()[-4:] == ["raised", "delivered", "coalesced", "lost"]
    assert page(session, 78)[1].split()[-4:] == [str(raised), "0", str(coalesced), "0"]
    assert page(session, 64)[1].split()[-3:] == [str(raised), "0", str(coalesced)]
    assert line(session, "pin 20").counts == (1, 0, 0, 1)


def test_the_hpet_takes_irq_0():
    session = made("writel hpet.t0.conf 4", "writel hpet.conf 3")
    assert line(session, "IRQ0").source == "HPET T0" and line(session, "IRQ8").source == "HPET T1"
    assert not [one for one in irq.lines(frame(session)) if one.source == "HPET T2"]


def test_an_hpet_timer_at_a_pin():
    session = made(
        ENABLE,
        *entry(20, 0x8038),
        "writel hpet.t2.conf 2806h",
        "writel hpet.t2.cmp 1000",
        "writel hpet.conf 1",
        "skip 1ms",
        profile="ich",
        guest="manual",
    )
    one = line(session, "pin 20")
    assert one.source == "HPET T2" and one.request and one.service and not one.mask and one.counts == (1, 0, 0, 0)
    rows = page(session)
    assert rows[-2].split() == words("entry from req srv msk vec delivery how to")
    assert rows[-1] == "pin 20  HPET T2      ▲   ►   ·   38h  fixed    level v0"
    session.do("inta")
    assert line(session, "pin 20").counts == (1, 1, 0, 0)


def test_entries_of_the_io_apic():
    session = made(ENABLE, *entry(2, 0x30), *entry(4, 0x10931, 1 << 24), *entry(20, 0x400, 5 << 24), vcpus=2)
    rows = [row.split() for row in page(session, 78)[-3:]]
    assert rows[0] == words("pin 2 IRQ0 · · · 30h fixed edge v0")
    assert rows[1][:6] == words("pin 4 IRQ4 · · ×") and rows[1][6:] == words("31h lowest edge none has mask 01h")
    assert rows[2] == words("pin 20 by hand · · · – NMI edge none has ID 05h")


def test_apic_timers():
    arm = (ENABLE, "writel fee00320h 200ech", "writel fee00380h 1000")
    few = made(*(f"{command} v1" for command in arm), "skip 1ms", vcpus=4, guest="ideal")
    assert [one.name for one in irq.lines(frame(few))][-1] == "v1"
    assert line(few, "v1").source == "APIC ECh" and line(few, "v1").counts[0] == 500
    many = made(*(f"{c} v{n}" for n in range(6) for c in arm), "skip 1ms", vcpus=6, guest="ideal")
    assert line(many, "APIC").source == "6 timers"
    assert line(many, "APIC").counts[0] == sum(many.peek(f"lapic{n}.timer.edges") for n in range(6))


def test_the_guest_row():
    assert page(made(guest="ideal"))[-1] == "guest   ideal   takes and ends at once"
    assert page(made(guest="latency=50us"))[-1] == "guest   latency 50us   serves each one so long"
    session = made("irq 5 1", "irq 5 0", "inta", quirks={"edge": "withdraw"}, guest="manual")
    assert "1 spurious" in page(session, 78)[-1]


@pytest.mark.parametrize("width", [58, 64, 78, 118])
@pytest.mark.parametrize("vcpus", [1, 4, 64])
def test_every_row_has_the_width(width, vcpus):
    many = [f"irq {n} 1" for n in (1, 5, 9, 15, 20, 23)] + [c for pin in (0, 2, 8, 23) for c in entry(pin, 0x8030)]
    timers = [f"writel fee00320h 0ech v{vcpu}" for vcpu in range(vcpus)]
    for session in (Session(vcpus=vcpus), made(ENABLE, *TICK, *many, *timers, "skip 3000day", vcpus=vcpus)):
        assert {width_of(row) for row in irq.rows(frame(session), width)} == {width}


def test_counts_too_long_lose_their_gaps():
    session = made(*TICK, "skip 36500day")
    assert line(session, "IRQ0").counts[0] > 10**12
    assert {width_of(row) for row in irq.rows(frame(session), 58)} == {58}


class Shown(App):
    def __init__(self, session):
        super().__init__()
        self.session, self.asked = session, []

    def get_theme_variable_defaults(self):
        return dict(theme.DEFAULTS)

    def compose(self):
        yield IrqPanel()

    def on_panel_inspect(self, event: Panel.Inspect):
        self.asked.append(event.name)


async def test_keys_open_values_and_registers():
    session = made(ENABLE, *entry(2, 0x30), "irq 20 1", "irq 9 1", "writel fee00320h 0ech", guest="manual")
    app = Shown(session)
    async with app.run_test(size=(78, 24)) as pilot:
        panel = app.query_one(IrqPanel)
        panel.see(frame(session))
        panel.focus()
        assert panel.text().startswith("━ 5 Interrupts PIC, I/O APIC ━") and " 20h 28h ━" in panel.text()
        await pilot.press("down", "enter", "right", "right", "enter", "right", "right", "right", "enter")
        assert app.asked == ["pic.master.status", "pic.master.imr", "irq.0.coalesced"]
        seen = session.peeks()
        rows = len(irq.rows(frame(session), 78))
        for row in range(rows):
            cells = panel.cells(row)
            for column, (at, width) in enumerate(cells):
                name = panel.value_name(row, column)
                assert at + width <= 78
                assert name in seen or registers.find(session.machine, name), (row, column, name)
        assert panel.value_name(rows - 1, 0) == "ioapic.rte2" and not panel.cells(rows - 2)


async def test_the_title_says_what_an_initialisation_waits_for():
    session = made("outb 20h 11h")
    app = Shown(session)
    async with app.run_test(size=(64, 10)):
        panel = app.query_one(IrqPanel)
        panel.see(frame(session))
        assert "ICW2 DUE 28h" in panel.text().split("\n")[0]


def test_a_tick_policy_has_a_row_with_what_it_lost_and_made_up() -> None:
    session = Session(guest="ideal")
    for command in ("os boot setup", "policy pit reinject", "skip 100ms", "preempt v0 20ms", "skip 50ms"):
        session.do(command)
    shown = [plain(row) for row in irq.rows(Camera(session).take(), 64)]
    told = ["policy", "reinject", "IRQ0,", "for", "v0", "20", "late", "19", "made", "up"]
    assert any(row.split() == told for row in shown)
    session.do("policy pit off")
    assert not any(row.startswith("policy") for row in (plain(r) for r in irq.rows(Camera(session).take(), 64)))
