"""The local APIC's effects in words."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from lapicrig import BASE, DEADLINE, EOI, ESR, ICR, ICR_HIGH, LINT0, LVTT, PERIODIC, SVR, TDCR, TMCCT, TMICT, TPR, Rig
from test_lapic_model import QUIRKS, STEPS, do, rigs

from timerlab.devices import lapic_words as words


def wrote(rig: Rig, offset: int, value: int) -> str:
    before = rig.chip.peek(rig.now)
    rig.write(offset, value)
    return words.wrote(offset, value, before, rig.chip.peek(rig.now))


def wrote_msr(rig: Rig, msr: int, value: int) -> str:
    before = rig.chip.peek(rig.now)
    rig.wrmsr(msr, value)
    return words.wrote_msr(msr, value, before, rig.chip.peek(rig.now))


def read(rig: Rig, offset: int) -> str:
    before = rig.chip.peek(rig.now)
    return words.read(offset, rig.read(offset), before)


def test_programming_the_timer() -> None:
    rig = Rig(raw=True)
    assert wrote(rig, SVR, 0x1FF) == "APIC enabled, spurious vector FFh"
    assert wrote(rig, TDCR, 3) == "timer divides by 16"
    assert wrote(rig, LVTT, PERIODIC | 0x31) == "timer periodic, vector 31h, mask"
    assert wrote(rig, TMICT, 62_500) == "periodic, 62 500 counts of 16 bus clocks, expires at 0.001 000 000 s"
    assert read(rig, TMCCT) == "62 500 counts left, periodic, expires at 0.001 000 000 s"
    assert wrote(rig, TDCR, 0xB) == "timer divides by 1; next expiry at 0.000 062 500 s"
    assert wrote(rig, LVTT, 0x31) == "timer one-shot, vector 31h, mask; it stops"
    assert wrote(rig, LVTT, 2 << 17 | 0x31) == "timer deadline, vector 31h, mask"
    assert wrote(rig, TMICT, 1) == "ignored in TSC-deadline mode"
    assert wrote_msr(rig, DEADLINE, 2_600_000) == "armed, expires at 0.001 000 000 s"
    assert wrote_msr(rig, DEADLINE, 0) == "disarmed"
    rig.at(1_000)
    assert wrote_msr(rig, DEADLINE, 1) == "past already, expires at once"


def test_interrupts_and_errors() -> None:
    rig = Rig(2)
    rig.accept(0x31)
    assert wrote(rig, TPR, 0x40) == "TPR 40h, PPR 40h, nothing is offered"
    assert wrote(rig, TPR, 0) == "TPR 00h, PPR 00h, 31h is offered"
    assert read(rig, 0x210) == "IRR 31h"
    rig.chip.take()
    assert wrote(rig, EOI, 0) == "31h ends"
    assert wrote(rig, EOI, 0) == "nothing was in service"
    assert wrote(rig, ICR_HIGH, 1 << 24) == "the next message goes to 01h"
    assert wrote(rig, ICR, 0x40F0) == "fixed F0h to 01h"
    assert wrote(rig, ICR, 0xC4500) == "INIT to all excluding self"
    assert wrote(rig, ICR, 0x4005) == "vector 05h is illegal, nothing is sent"
    assert wrote(rig, ESR, 0) == "ESR shows illegal vector to send"
    assert wrote(rig, 0x40, 0) == "no register at 040h, nothing changes, error collected"
    assert wrote(rig, SVR, 0xFF) == "APIC disabled, every LVT entry masked, spurious vector FFh"
    assert wrote(rig, LINT0, 0x700) == "LINT0 ExtINT, MASK (forced, the SVR disables the APIC)"
    assert wrote_msr(rig, BASE, 0xFEE0_0100) == "APIC off, its registers are reset"


@pytest.mark.parametrize("index", [0, 2])
def test_each_vcpu_has_its_own_words(index: int) -> None:
    rig = Rig(3)
    before = rig.chips[index].peek(0)
    rig.write(TPR, 0x20, index)
    assert words.wrote(TPR, 0x20, before, rig.chips[index].peek(0), index) == "TPR 20h, PPR 20h"


@given(quirks=QUIRKS, steps=STEPS)
def test_every_access_can_be_told(quirks: dict[str, str], steps: list[Any]) -> None:
    rig = rigs(quirks)
    for what, a, b in steps:
        before = rig.chip.peek(rig.now)
        came = do(rig, what, a, b)
        after = rig.chip.peek(rig.now)
        if what == "store":
            said = words.wrote(a & ~0xF, b, before, after)
        elif what == "load":
            said = words.read(a & ~0xF, came, before)
        elif what == "wrmsr" and not isinstance(came, str):
            said = words.wrote_msr(a, b, before, after)
        elif what == "rdmsr" and not isinstance(came, str):
            said = words.read_msr(a, came, before)
        else:
            continue
        assert isinstance(said, str) and "None" not in said
