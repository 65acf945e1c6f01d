"""The fabric view: each cause for which a wire leads nowhere, worked out of real machines, and how it is drawn."""

import random
from contextlib import suppress

import pytest
from textual.app import App

from timerlab import Session, registers
from timerlab.errors import GuestFault
from timerlab.views import fabric, theme
from timerlab.views.fabric import FabricPanel
from timerlab.views.fabric_rows import ways
from timerlab.views.frame import Camera
from timerlab.views.panel import Panel
from timerlab.views.rows import plain, width_of

PICS = ("20h 11h", "21h 20h", "21h 4", "21h 1", "0a0h 11h", "0a1h 28h", "0a1h 2", "0a1h 1")
TICK = ("outb 43h 34h", "outb 40h 0a9h", "outb 40h 04h")
ENABLE = "writel fee000f0h 1ffh"


def made(*commands, pics=True, **options):
    """A session after some commands; the 8259s have the vectors of every PC."""
    session = Session(**options)
    for command in (*(f"outb {word}" for word in PICS if pics), *commands):
        assert session.do(command).fault is None
    return session


def entry(pin, low, high=0):
    """The commands that write a redirection entry."""
    at = 0x10 + 2 * pin
    return tuple(
        f"writel fec000{place:02x}h {value:x}h" for place, value in ((0, at + 1), (0x10, high), (0, at), (0x10, low))
    )


def frame(session):
    return Camera(session).take()


def way(session, source, number=0):
    """The nth way of a source."""
    return [one for one in ways(frame(session)) if one.source == source][number]


def told(one):
    """A way as text: hops, state, cause."""
    hops = " ".join(f"{hop.text}{hop.sign and ' ' + hop.sign}" for hop in one.hops if hop.text)
    return f"{hops} | {one.state}: {one.why}".rstrip(": ")


def page(session, width=78):
    return "\n".join(plain(row) for row in fabric.rows(frame(session), width))


# causes, the 8259s


def test_at_power_on_intr_goes_past_the_apic():
    session = made(*TICK, guest="ideal")
    session.do("skip 10ms")
    assert told(way(session, "PIT OUT0")) == "8259 IR0 INTR PIC mode v0 20h | open"
    assert way(session, "PIT OUT0").counts[1] == way(session, "PIT OUT0").counts[0] > 9


def test_masked_in_an_imr():
    session = made("outb 21h 1", "outb 0a1h 1", "irq 8 1")
    assert told(way(session, "PIT OUT0")) == "8259 IR0 × | dead: masked in the master's IMR"
    assert told(way(session, "RTC IRQF")) == "8259 IR8 ▲× | waits: masked in the slave's IMR"


def test_the_cascade_is_masked():
    session = made("outb 21h 4")
    assert told(way(session, "RTC IRQF")) == "8259 IR8 IR2 × | dead: cascade masked in the master's IMR"


def test_lint0_is_masked_once_software_enables_the_apic():
    session = made(ENABLE, "irq 5 1")
    assert told(way(session, "by hand")) == "8259 IR5 ▲ INTR LINT0 × | waits: masked in the LVT"
    session.do("writel fee00350h 700h")
    assert told(way(session, "by hand")) == "8259 IR5 ▲ INTR LINT0 ExtINT v0 25h ▲ | waits: guest none takes nothing"


def test_lint0_is_masked_because_the_svr_disables_the_apic():
    session = made("writel fee00350h 10700h", "irq 5 1")
    assert way(session, "by hand").why == "masked: SVR disables the APIC"


def test_an_apic_that_is_off_lets_intr_pass():
    session = made("wrmsr 1bh fee00100h", "irq 5 1", guest="manual")
    assert told(way(session, "by hand")) == "8259 IR5 ▲ INTR APIC off v0 25h ▲ | waits: inta takes it"


def test_what_is_in_service_blocks_its_like_and_what_stands_below():
    session = made("irq 3 1", "inta", "irq 5 1", guest="manual")
    assert told(way(session, "by hand")).endswith("8259 IR3 ► INTR PIC mode v0 23h | serves")
    assert told(way(session, "by hand", 2)) == "8259 IR5 ▲ | waits: ISR blocks it: IRQ3 not ended"
    session.do("irq 3 0")
    session.do("irq 3 1")
    assert way(session, "by hand").why == "ISR blocks it: IRQ3 not ended"


def test_of_two_requests_the_higher_goes_first():
    session = made("irq 5 1", "irq 3 1", guest="manual")
    assert way(session, "by hand", 2).why == "IRQ3 goes first"


def test_interrupts_are_off():
    session = made("cli", "irq 5 1", guest="ideal")
    assert told(way(session, "by hand")).endswith("v0 25h ▲ | waits: IF is 0 (cli)")
    assert told(way(session, "PIT OUT0")) == "8259 IR0 INTR PIC mode v0 20h | held: IF is 0 (cli)"
    session.do("sti")
    assert way(session, "by hand").state == "open"


def test_a_request_that_was_withdrawn():
    session = made("irq 5 1", "irq 5 0", quirks={"edge": "withdraw"}, guest="manual")
    assert way(session, "8259 INTR").why == "withdrawn: an INTA now finds a spurious IRQ 7"
    session.do("inta")
    assert "1 spurious" in page(session)


def test_a_cascade_whose_request_is_gone_goes_first():
    session = made("irq 12 1", "outb 0a1h 10h", "irq 5 1", guest="manual")
    assert way(session, "by hand").why == "a spurious IRQ 15 goes first"
    session.do("inta")
    assert way(session, "by hand").state == "waits" and session.peek("vcpu0.spurious") == 1


# causes, the I/O APIC


def test_masked_in_the_redirection_entry():
    session = made(ENABLE, "irq 20 1", *entry(21, 0x18031), "irq 21 1")
    assert told(way(session, "by hand")) == "pin 20 × | dead: masked in the redirection entry"
    assert told(way(session, "by hand", 1)) == "pin 21 level ▲× | waits: masked in the redirection entry"
    assert way(session, "by hand").counts == (1, 0, 0, 1)


def test_irq_0_comes_in_at_pin_2():
    session = made(ENABLE, "outb 21h 0ffh", *entry(2, 0x30), *TICK, "skip 10ms", guest="ideal")
    assert told(way(session, "PIT OUT0", 1)) == "pin 2 v0 30h | open"


def test_nobody_has_the_destination():
    session = made(*entry(20, 0x30, 5 << 24), *entry(21, 0x830, 8 << 24), "irq 20 1", "irq 21 1")
    assert way(session, "by hand").why == "nobody has APIC ID 05h"
    assert way(session, "by hand", 1).why == "nobody has logical mask 08h"


def test_delivery_modes_and_vectors_that_go_nowhere():
    session = made(ENABLE, *entry(20, 0x330), *entry(21, 0xF), *entry(22, 0x400), "irq 20 1", "irq 21 1", "irq 22 1")
    assert way(session, "by hand").why == "delivery mode reserved is never sent"
    assert way(session, "by hand", 1).why == "vectors below 10h are illegal"
    assert told(way(session, "by hand", 2)) == "pin 22 v0 NMI | open"


def test_the_svr_disables_the_apic():
    session = made(*entry(20, 0x30), *entry(21, 0x8031), "irq 20 1", "irq 21 1")
    assert told(way(session, "by hand")) == "pin 20 v0 30h × | dead: SVR disables the APIC"
    assert told(way(session, "by hand", 1)) == "pin 21 level ▲ v0 31h × | waits: SVR disables the APIC"


def test_remote_irr_waits_for_the_eoi():
    session = made(ENABLE, *entry(20, 0x8030), "irq 20 1", guest="manual")
    assert told(way(session, "by hand")) == "pin 20 level ► v0 30h ▲ | waits: inta takes it"
    session.do("inta")
    assert told(way(session, "by hand")) == "pin 20 level ► v0 30h ► | serves: remote IRR waits for the EOI of 30h"
    session.do("irq 20 0")
    session.do("eoi")
    assert told(way(session, "by hand")) == "pin 20 level v0 30h | open"


# causes, the local APICs


def test_the_tpr_holds_a_class():
    session = made(ENABLE, "writel fee00080h 50h", *entry(20, 0x51), guest="ideal")
    session.do("irq 20 1")
    assert told(way(session, "by hand")) == "pin 20 v0 51h ▲ | waits: TPR 50h holds vectors up to 5Fh"
    session.do("writel fee00080h 0h")
    assert told(way(session, "by hand")) == "pin 20 v0 51h | open"
    session.do("writel fee00080h 60h")
    assert told(way(session, "by hand")) == "pin 20 v0 51h | held: TPR 60h holds vectors up to 6Fh"


def test_a_vector_in_service_blocks_its_class():
    session = made(ENABLE, *entry(20, 0x55), *entry(21, 0x51), "irq 20 1", "inta", "irq 21 1", guest="manual")
    assert told(way(session, "by hand")) == "pin 20 v0 55h ► | serves"
    assert told(way(session, "by hand", 1)) == "pin 21 v0 51h ▲ | waits: ISR blocks it: 55h not ended"


def test_of_two_vectors_the_higher_goes_first():
    session = made(ENABLE, *entry(20, 0x55), *entry(21, 0x61), "irq 20 1", "irq 21 1", guest="manual")
    assert way(session, "by hand").why == "61h goes first"


def test_a_handler_of_the_guest_runs():
    session = made(ENABLE, *entry(20, 0x55), *entry(21, 0x61), "irq 20 1", "irq 20 0", "irq 21 1", guest="latency=50us")
    assert told(way(session, "by hand", 1)) == "pin 21 v0 61h ▲ | waits: v0 serves 55h"


def test_apic_timers():
    session = made(ENABLE, "writel fee00320h 200ech", "writel fee00380h 1000", vcpus=2, guest="ideal")
    session.do("skip 1ms")
    assert told(way(session, "v0 timer")) == "LVT v0 ECh | open"
    session.do("writel fee00320h 300ech")
    assert told(way(session, "v0 timer")) == "LVT × | dead: masked in the LVT"
    session.do("writel fee000f0h 0ffh")
    assert way(session, "v0 timer").why == "masked: SVR disables the APIC"
    assert not [one for one in ways(frame(session)) if one.source == "v1 timer"]


def test_many_apic_timers_alike_are_one_way():
    arm = ("writel fee000f0h 1ffh", "writel fee00320h 200ech", "writel fee00380h 1000")
    commands = [f"{command} v{vcpu}" for vcpu in range(8) for command in arm]
    session = made(*commands, "skip 1ms", vcpus=8, guest="ideal")
    every = way(session, "8 timers")
    assert told(every) == "LVT its vCPU ECh | open" and every.note == "v0–v7"
    assert every.counts[0] == sum(session.peek(f"lapic{vcpu}.timer.edges") for vcpu in range(8))
    session.do("writel fee00080h 0f0h v3")
    assert told(way(session, "7 timers")) == "LVT its vCPU ECh | open"
    assert "TPR F0h" in way(session, "v3 timer").why


def test_qemu_takes_interrupts_while_the_svr_disables_the_apic_and_withholds_them():
    session = made(*entry(20, 0x51), guest="ideal", profile="qemu")
    session.do("irq 20 1")
    assert told(way(session, "by hand")) == "pin 20 v0 51h ▲ | waits: withheld: SVR disables the APIC"
    session.do(ENABLE)
    assert told(way(session, "by hand")) == "pin 20 v0 51h | open"


# causes, the HPET and the other sources


def test_the_hpet_steals_irq_0_and_irq_8():
    session = made(*TICK, "writel hpet.t0.conf 4", "writel hpet.conf 3", guest="ideal")
    assert told(way(session, "PIT OUT0")) == " | dead: stolen by HPET T0 (LEG_RT_CNF)"
    assert way(session, "RTC IRQF").why == "stolen by HPET T1 (LEG_RT_CNF)"
    assert told(way(session, "HPET T0")) == "8259 IR0 INTR PIC mode v0 20h | open"
    assert way(session, "HPET T1").note == "INT_ENB_CNF is 0"
    session.do("writel hpet.conf 2")
    assert way(session, "PIT OUT0").state == "dead" and way(session, "HPET T0").note == "ENABLE_CNF is 0"


def test_an_hpet_timer_with_a_pin_of_its_own():
    session = made(ENABLE, *entry(20, 0x8038), "writel hpet.t2.conf 2806h", profile="ich", guest="manual")
    assert way(session, "HPET T2").line == "pin 20" and way(session, "HPET T2").note == "ENABLE_CNF is 0"
    session.do("writel hpet.t2.cmp 1000")
    session.do("writel hpet.conf 1")
    session.do("skip 1ms")
    assert told(way(session, "HPET T2")) == "pin 20 level ► v0 38h ▲ | waits: inta takes it"


def test_an_hpet_timer_without_a_wire():
    session = made("writel hpet.t2.conf 4")
    assert told(way(session, "HPET T2")) == "pin 0 × | dead: has no wire to this pin"


def test_an_hpet_timer_sends_messages():
    session = made(
        ENABLE,
        "writeq hpet.t1.fsb fee0000000000041h",
        "writel hpet.t1.conf 4004h",
        quirks={"hpet_caps": "fsb"},
        vcpus=2,
    )
    assert told(way(session, "HPET T1")) == "FSB v0 41h | open"
    session.do("writeq hpet.t1.fsb fee0500000000041h")
    assert way(session, "HPET T1").why == "nobody has address 05h"
    session.do("writeq hpet.t1.fsb 1234500000000041h")
    assert way(session, "HPET T1").why == "no message: the address is not FEExxxxxh"


def test_why_a_source_is_silent():
    session = made()
    assert way(session, "PIT OUT0").note == "ch 0 has no control word"
    assert way(session, "RTC IRQF").note == "PIE AIE UIE are 0"
    for command in ("outb 70h 0bh", "outb 71h 42h", "skip 5ms"):
        session.do(command)
    assert way(session, "RTC IRQF").note == "IRQF is up: no edge until C is read"


def test_virtual_wire_through_the_io_apic():
    session = made(ENABLE, *entry(0, 0x700), "irq 5 1", guest="manual")
    assert told(way(session, "8259 INTR")) == "pin 0 v0 ExtINT ▲ | waits: inta takes it"


def test_the_sci_is_shown_once_it_is_enabled():
    session = made()
    assert "ACPI SCI" not in page(session)
    session.do("outw 602h 1")
    assert "ACPI SCI" in page(session)


# drawing


def busy(vcpus=4):
    commands = [*TICK, ENABLE, *entry(2, 0x30), *entry(20, 0x8038), "outb 70h 0bh", "outb 71h 42h", "irq 20 1"]
    for vcpu in range(vcpus):
        commands += [f"{ENABLE} v{vcpu}", f"writel fee00320h 200fdh v{vcpu}", f"writel fee00380h 1000000 v{vcpu}"]
    return made(*commands, "skip 1s", f"cli v{vcpus - 1}", vcpus=vcpus, guest="latency=50us")


def test_a_page_at_78():
    assert page(busy()).split("\n") == [
        "PIT OUT0  ┬─ 8259 IR0 ▲ → INTR → LINT0 ×  masked in the LVT",
        "          └─ pin 2 → v0 30h ▲  ISR blocks it: FDh not ended",
        "IRQ0         1001 raised  1 taken  999 coalesced",
        "RTC IRQF  ┬─ 8259 IR8 ▲ → IR2  IRQ0 goes first",
        "          └─ pin 8 ×  masked in the redirection entry",
        "IRQ8         1 raised  0 taken  IRQF is up: no edge until C is read",
        "by hand   ── pin 20 level ► → v0 38h ►  remote IRR waits for the EOI of 38h",
        "pin 20       1 raised  1 taken",
        "v0 timer  ── LVT → v0 FDh ►                              500 raised  500 taken",
        "v1 timer  ── LVT → v1 FDh ►                              500 raised  500 taken",
        "v2 timer  ── LVT → v2 FDh ►                              500 raised  500 taken",
        "v3 timer  ── LVT → v3 FDh ►                              500 raised  500 taken",
        "v0  502 taken                          v1  500 taken",
        "v2  500 taken                          v3  500 taken",
    ]


@pytest.mark.parametrize("width", [58, 64, 78, 118])
@pytest.mark.parametrize("vcpus", [1, 4, 12])
def test_every_row_has_the_width(width, vcpus):
    for session in (Session(vcpus=vcpus), busy(vcpus)):
        shot = frame(session)
        rows = fabric.rows(shot, width)
        assert {width_of(row) for row in rows} == {width}
        assert len(fabric.places(shot, width)) == len(rows)


def test_at_80_columns_a_quiet_machine_fits_without_scrolling():
    assert len(page(busy()).split("\n")) <= 17


def test_a_cause_that_does_not_fit_stands_below():
    text = page(made("writel fee00350h 10700h", "irq 8 1"), 58).split("\n")
    at = text.index("RTC IRQF  ┬─ IR8 ▲ → IR2 → INTR → LINT0 ×")
    assert text[at + 1] == "          │  masked: SVR disables the APIC"


class Shown(App):
    def __init__(self, session):
        super().__init__()
        self.shot = frame(session)
        self.asked = []

    def get_theme_variable_defaults(self):
        return dict(theme.DEFAULTS)

    def compose(self):
        yield FabricPanel()

    def on_panel_inspect(self, event: Panel.Inspect):
        self.asked.append(event.name)


def test_each_place_has_a_value_or_a_register():
    session = busy()
    seen = session.peeks()
    for row in fabric.places(frame(session), 78):
        for at, width, name in row:
            assert width > 0 and at + width <= 78
            assert name in seen or registers.find(session.machine, name), name


async def test_the_cursor_goes_from_hop_to_hop():
    app = Shown(busy())
    async with app.run_test(size=(78, 20)) as pilot:
        panel = app.query_one(FabricPanel)
        panel.see(app.shot)
        panel.focus()
        for keys in (("right",), ("enter",), ("right",), ("enter",), ("right", "right", "enter"), ("down", "enter")):
            await pilot.press(*keys)
        await pilot.pause()
        assert app.asked[0] == "pit.ch0.mode"
        assert app.asked[1] == "pic.master.status"
        assert app.asked[2] == "lapic0.lvt_lint0"
        assert app.asked[3] in ("ioapic.rte2", "lapic0.irr1")
        assert panel.text().startswith("━ 0 Fabric source to vCPU")
        assert "waiting" in panel.text().split("\n")[0]


@pytest.mark.parametrize("seed", range(6))
def test_any_state_can_be_told(seed):
    draw = random.Random(seed)
    vcpus, guest = draw.choice((1, 2, 6)), draw.choice(("none", "manual", "ideal", "latency=50us"))
    profile, caps = draw.choice((("datasheet", "all"), ("datasheet", "fsb"), ("ich", "ich")))
    session = made(*TICK, vcpus=vcpus, guest=guest, profile=profile, quirks={"hpet_caps": caps})
    lapic = (0x80, 0xB0, 0xD0, 0xF0, 0x320, 0x350, 0x370, 0x380)
    words = (0x30, 0x1FF, 0xFF, 0x50, 0x700, 0x200EC, 0x10700, 0x8041, 0x10041, 0x931)
    steps = (
        lambda: session.outb(draw.choice((0x20, 0x21, 0xA0, 0xA1)), draw.choice((0x20, 0xFF, 0, 0xFE, 4, 0x11))),
        lambda: [session.do(c) for c in entry(draw.randrange(24), draw.choice(words), draw.choice((0, 1, 255)) << 24)],
        lambda: session.writel(0xFEE0_0000 + draw.choice(lapic), draw.choice(words), vcpu=draw.randrange(vcpus)),
        lambda: session.irq(draw.choice((1, 3, 5, 9, 12, 16, 20, 23)), draw.randrange(2)),
        lambda: draw.choice((session.inta, session.eoi, session.cli, session.sti))(draw.randrange(vcpus)),
        lambda: session.do(f"writel hpet.t{draw.randrange(3)}.conf {draw.choice((4, 6, 12, 0x2806, 0x4004)):x}h"),
        lambda: session.do(f"writel hpet.conf {draw.randrange(4)}"),
        lambda: session.wrmsr(0x1B, draw.choice((0xFEE0_0900, 0xFEE0_0D00, 0xFEE0_0100)), vcpu=0),
    )
    for _ in range(80):
        with suppress(GuestFault):
            draw.choice(steps)()
        session.skip(draw.choice((0, 1_000, 3_000_000)))
        shot = frame(session)
        for one in ways(shot):
            assert (one.state == "open") == (not one.why) or one.state == "serves", one
        assert all(width_of(row) == 58 for row in fabric.rows(shot, 58))
