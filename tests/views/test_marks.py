"""Which values carry marks: what a command or an event altered, never what merely counts."""

from __future__ import annotations

import pytest

from timerlab import Session
from timerlab.views.frame import Camera
from timerlab.views.marks import ALWAYS, COUNTS, STEPPED, kind_of


@pytest.mark.parametrize(
    ("kind", "names"),
    [
        (ALWAYS, "pit.ch0.cr port61.gate2 rtc.b rtc.hours_alarm hpet.t11.cmp acpi.pm1_sts ioapic.rte2 pic.slave.imr"),
        (ALWAYS, "lapic63.lvt_timer lapic0.tmict lapic0.svr vcpu0.adjust vcpu12.if"),
        (STEPPED, "pit.ch2.out rtc.uip pic.master.irr lapic0.irr_max lapic0.isr7 vcpu0.serving ioapic.pin16"),
        (COUNTS, "pit.ch0.ce rtc.next_uip rtc.updates hpet.t0.left hpet.t0.matches acpi.tmr acpi.next_carry"),
        (COUNTS, "lapic0.tmcct lapic0.next vcpu0.tsc vcpu0.host irq.0.edges irq.0.level irq.0.coalesced rtc.clock"),
    ],
)
def test_what_a_change_of_a_value_says(kind: str, names: str) -> None:
    assert {name: kind_of(name) for name in names.split()} == dict.fromkeys(names.split(), kind)


def test_every_kind_of_value_exists() -> None:
    """A pattern that no value matches would be a spelling mistake."""
    named = Session(vcpus=2).peeks()
    for name in (
        "lapic1.irr_max",
        "lapic1.isr0",
        "vcpu1.if",
        "pic.master.intr",
        "ioapic.pin23",
        "hpet.t2.sts",
        "rtc.irqf",
    ):
        assert name in named and kind_of(name) != COUNTS, name


def test_time_that_goes_by_marks_nothing_but_states() -> None:
    session = Session(vcpus=2, guest="ideal")
    for command in ("outb 43h 34h", "outb 40h a9h", "outb 40h 04h", "writel hpet.conf 1", "writel hpet.t0.conf 8"):
        session.do(command)
    camera = Camera(session, None, lambda: 0)
    session.do("skip 10500ms")
    camera.take()
    session.running = True
    for _ in range(5):
        session.do("skip 1s")
        assert not camera.take().marks
