"""Facts about the local APIC's interrupts and registers, each with its number in the reference table."""

from __future__ import annotations

import pytest
from lapicrig import (
    BASE,
    DFR,
    EOI,
    ERROR,
    ESR,
    ICR,
    ICR_HIGH,
    ID,
    IRR,
    LDR,
    LINT0,
    LINT1,
    LVTT,
    MASKED,
    PERF,
    PPR,
    SVR,
    TDCR,
    THERMAL,
    TMICT,
    TMR,
    TPR,
    VERSION,
    Rig,
)

from timerlab.errors import GuestFault
from timerlab.interrupt import Delivery, Message, Outcome


def faults(rig: Rig, msr: int, value: int | None = None) -> None:
    """RDMSR, or WRMSR of `value`, is #GP(0)."""
    with pytest.raises(GuestFault) as fault:
        _ = rig.rdmsr(msr) if value is None else rig.wrmsr(msr, value)
    assert (fault.value.vector, fault.value.name) == (13, "#GP(0)")


# -- priority


def test_the_tpr_holds_back_its_own_class() -> None:
    """T18"""
    rig = Rig()
    rig.write(TPR, 0x20)
    rig.accept(0x20, 0x2F)
    assert rig.read(PPR) == 0x20 and rig.chip.pending() is None
    rig.accept(0x30)
    assert rig.chip.pending() == 0x30


@pytest.mark.parametrize(
    ("tpr", "serving", "ppr"),
    [
        (0x35, 0x41, 0x40),
        (0x45, 0x41, 0x45),
        (0x0F, None, 0x0F),
        (0x10, None, 0x10),
        (0x31, 0x25, 0x31),
        (0x19, 0x25, 0x20),
    ],
)
def test_the_ppr_is_the_higher_class_of_tpr_and_isr(tpr: int, serving: int | None, ppr: int) -> None:
    """T19, T20, T47"""
    rig = Rig()
    if serving:
        rig.serve(serving)
    rig.write(TPR, tpr)
    assert rig.read(PPR) == ppr


def test_a_model_may_clear_the_sub_class_of_equal_classes() -> None:
    """T20, as the manual lets the model choose"""
    rig = Rig(lapic_ppr_equal="zero")
    rig.serve(0x41)
    rig.write(TPR, 0x45)
    assert rig.read(PPR) == 0x40


def test_the_highest_vector_is_delivered_first() -> None:
    """T21"""
    rig = Rig()
    rig.accept(0x31, 0x35, 0x80)
    taken = []
    while rig.chip.pending() is not None:
        taken.append(rig.chip.take())
        rig.write(EOI, 0)
    assert taken == [0x80, 0x35, 0x31]


def test_eoi_clears_the_highest_in_service_first() -> None:
    """T22, T23, T51"""
    rig = Rig()
    rig.serve(0x31, 0x80)
    rig.write(EOI, 0)
    assert rig.isr() == [0x31]
    rig.write(EOI, 0xFFFF_FFFF)
    assert rig.isr() == []
    rig.write(EOI, 0)
    assert rig.isr() == []
    rig = Rig()
    rig.chip.restore(_serving(rig, 0x27, 0x28, 0xFF))
    assert [rig.chip.eoi() for _ in range(4)] == [0xFF, 0x28, 0x27, None]


def _serving(rig: Rig, *vectors: int) -> tuple[object, ...]:
    """A snapshot with vectors of one class in service, which a CPU only gets to by lowering nothing in between."""
    rig.chip.state.isr = sum(1 << vector for vector in vectors)
    return rig.chip.snapshot()


def test_a_vector_can_wait_once_while_it_is_served() -> None:
    """T24"""
    rig = Rig()
    assert rig.chip.accept(0x31, False, "a") is Outcome.NEW
    assert rig.chip.accept(0x31, False, "b") is Outcome.MERGED
    assert rig.chip.source_of(0x31) == "a"
    assert rig.chip.take() == 0x31
    assert rig.chip.accept(0x31, False) is Outcome.NEW
    assert rig.chip.accept(0x31, False) is Outcome.MERGED
    assert rig.irr() == [0x31] and rig.isr() == [0x31] and rig.chip.pending() is None
    rig.write(EOI, 0)
    assert rig.chip.pending() == 0x31


def test_lowering_the_tpr_lets_a_held_vector_through() -> None:
    """T49"""
    rig = Rig()
    rig.accept(0x25)
    rig.write(TPR, 0x20)
    assert rig.chip.pending() is None
    rig.write(TPR, 0x19)
    assert rig.chip.pending() == 0x25


def test_only_a_higher_class_preempts() -> None:
    """T50"""
    rig = Rig()
    rig.serve(0x10)
    rig.accept(0x15)
    assert rig.chip.pending() is None
    rig.accept(0x20)
    assert rig.chip.pending() == 0x20


def test_cr8_is_the_class_of_the_tpr() -> None:
    """T48"""
    rig = Rig()
    rig.write(TPR, 0x3A)
    rig.chip.write_cr8(5)
    assert rig.read(TPR) == 0x50
    rig.write(TPR, 0x7C)
    assert rig.chip.cr8 == 7


def test_a_request_that_went_leaves_the_spurious_vector() -> None:
    rig = Rig()
    rig.accept(0x31)
    rig.write(TPR, 0x40)
    assert rig.chip.take() == 0xFF and rig.isr() == [] and rig.irr() == [0x31]


# -- modes


def test_extd_turns_the_registers_into_msrs() -> None:
    """T27"""
    rig = Rig(3)
    rig.wrmsr(BASE, 0xFEE0_0D00)
    assert rig.chip.mode == "x2apic" and not rig.chip.decodes
    assert rig.read(TPR) == 0xFFFF_FFFF
    rig.x2apic(2)
    assert rig.rdmsr(0x802, 2) == 2 and rig.rdmsr(0x80F, 2) == 0x1FF


def test_only_off_leads_out_of_x2apic_mode() -> None:
    """T28"""
    rig = Rig()
    rig.x2apic()
    faults(rig, BASE, 0xFEE0_0900)
    assert rig.chip.mode == "x2apic"
    rig.wrmsr(BASE, 0xFEE0_0100)
    rig.wrmsr(BASE, 0xFEE0_0900)
    assert rig.chip.mode == "xapic"


def test_the_x2apic_logical_id_is_made_of_the_id() -> None:
    """T29"""
    rig = Rig(0x26)
    rig.x2apic(0x25)
    assert rig.rdmsr(0x80D, 0x25) == 0x0002_0020


def test_x2apic_registers_fault_where_the_manual_says() -> None:
    """T30, T31, T58"""
    rig = Rig()
    rig.x2apic()
    for msr, value in (
        (0x80B, 1),
        (0x839, 0),
        (0x80E, 0),
        (0x831, 0),
        (0x828, 1),
        (0x80F, 0x200),
        (0x832, 0x131),
        (0x808, 1 << 32),
        (0x83F, 0x100),
        (0x830, 1 << 12),
        (0x802, 0),
        (0x810, 0),
    ):
        faults(rig, msr, value)
    for msr in (0x80E, 0x831, 0x83F, 0x80B, 0x800, 0x809, 0x80C, 0x840, 0x8FF, 0x82F):
        faults(rig, msr)
    rig.wrmsr(0x80B, 0)
    rig.wrmsr(0x828, 0)
    rig.wrmsr(0x830, 0xFFFF_FFFF_0000_0500 | 0xC000)


def test_self_ipi_sets_the_own_irr() -> None:
    """T32"""
    rig = Rig()
    rig.x2apic()
    rig.wrmsr(0x83F, 0xF1)
    assert rig.chip.pending() == 0xF1 and rig.rdmsr(0x827) == 1 << 0x11
    rig.wrmsr(0x83F, 0x0F)
    rig.wrmsr(0x828, 0)
    assert rig.rdmsr(0x828) == 0x20


def test_x2apic_msrs_fault_in_xapic_mode() -> None:
    """T59"""
    faults(Rig(), 0x802)


def test_illegal_values_of_the_base_fault() -> None:
    """T60"""
    rig = Rig()
    for value in (0xFEE0_0500, 0xFEE0_0901, 0xFEE0_0B00, 1 << 40 | 0xFEE0_0900):
        faults(rig, BASE, value)
    rig.wrmsr(BASE, 0xFEE0_0100)
    faults(rig, BASE, 0xFEE0_0D00)
    faults(rig, BASE, 0xFEE0_0C00)
    faults(Rig(lapic_x2apic="no"), BASE, 0xFEE0_0D00)


def test_turning_the_apic_off_and_on_resets_it() -> None:
    """T46"""
    rig = Rig()
    rig.write(TPR, 0xF0)
    rig.write(ID, 0x0700_0000)
    rig.wrmsr(BASE, 0xFEE0_0100)
    assert rig.read(VERSION) == 0xFFFF_FFFF and not rig.chip.apic_enabled
    rig.wrmsr(BASE, 0xFEE0_0900)
    assert rig.read(TPR) == 0 and rig.read(SVR) == 0xFF and rig.read(ID) == 0 and rig.chip.apic_enabled


def test_the_page_moves_with_the_base() -> None:
    rig = Rig()
    assert rig.chip.base == 0xFEE0_0000
    rig.wrmsr(BASE, 0xC_1234_5900)
    assert rig.chip.base == 0xC_1234_5000 and rig.chip.decodes


def test_init_keeps_id_and_mode() -> None:
    """T63"""
    rig = Rig(4)
    rig.write(TPR, 0x50, 3)
    rig.write(ICR_HIGH, 3 << 24)
    rig.write(ICR, 0x4500)
    assert rig.read(ID, 3) == 3 << 24 and rig.read(TPR, 3) == 0 and rig.read(SVR, 3) == 0xFF
    rig.x2apic(3)
    rig.wrmsr(0x808, 0x50, 3)
    rig.chips[3].init(rig.now)
    assert (rig.rdmsr(0x802, 3), rig.rdmsr(0x808, 3), rig.chips[3].mode) == (3, 0, "x2apic")


# -- registers


def test_reserved_bits_read_zero() -> None:
    """T42, T43"""
    rig = Rig()
    for offset, written, value in (
        (LINT0, 0xFFFF_FFFF, 0x1A7FF),
        (LINT1, 0xFFFF_FFFF, 0x1A7FF),
        (ERROR, 0xFFFF_FFFF, 0x100FF),
        (THERMAL, 0xFFFF_FFFF, 0x107FF),
        (PERF, 0xFFFF_FFFF, 0x107FF),
        (TDCR, 0xFFFF_FFFF, 0xB),
        (TPR, 0xFFFF_FFFF, 0xFF),
        (DFR, 0, 0x0FFF_FFFF),
        (LDR, 0xFFFF_FFFF, 0xFF00_0000),
        (SVR, 0xFFFF_FFFF, 0x1FF),
        (ID, 0xFFFF_FFFF, 0xFF00_0000),
        (ICR, 0xFFF3_F5FF, 0xC_C5FF & ~0xC_0000),
    ):
        rig.write(offset, written)
        assert rig.read(offset) == value, hex(offset)


def test_reset_values() -> None:
    """T45"""
    rig = Rig(2, raw=True)
    values = {
        0x30: 0x50014,
        TPR: 0,
        DFR: 0xFFFF_FFFF,
        SVR: 0xFF,
        LVTT: MASKED,
        TMICT: 0,
        TDCR: 0,
        ICR: 0,
        LINT0: MASKED,
    }
    assert {offset: rig.read(offset) for offset in values} == values
    assert rig.rdmsr(BASE) == 0xFEE0_0900 and rig.rdmsr(BASE, 1) == 0xFEE0_0800
    assert rig.read(ID, 1) == 1 << 24


def test_capabilities_show_in_the_version() -> None:
    rig = Rig(lapic_cmci="present", lapic_eoi_suppress="present")
    assert rig.read(VERSION) == 0x0106_0014
    rig.write(0x2F0, 0xFFFF_FFFF)
    assert rig.read(0x2F0) == 0x107FF
    rig.write(SVR, 0xFFFF_FFFF)
    assert rig.read(SVR) == 0x11FF


def test_kvm_opens_lint0_of_the_boot_cpu() -> None:
    rig = Rig(2, raw=True, lapic_lint0_reset="extint")
    assert rig.read(LINT0) == 0x700 and rig.read(LINT0, 1) == MASKED


@pytest.mark.parametrize(("offset", "width"), [(TPR, 8), (TPR, 16), (TPR, 64), (TPR + 4, 32), (TPR + 1, 8)])
def test_other_widths_and_bytes_read_zero_and_write_nothing(offset: int, width: int) -> None:
    rig = Rig()
    rig.write(TPR, 0x20)
    rig.chip.store(offset, 0x55, width, 0)
    assert rig.chip.load(offset, width, 0) == 0 and rig.read(TPR) == 0x20


# -- errors


def test_a_reserved_offset_is_an_error_that_a_write_to_the_esr_shows() -> None:
    """T52"""
    rig = Rig()
    assert rig.read(0x040) == 0 and rig.read(ESR) == 0
    rig.write(ESR, 0)
    assert rig.read(ESR) == 0x80
    rig.write(ESR, 0)
    assert rig.read(ESR) == 0
    rig.write(0x3F0, 1)
    rig.write(ESR, 0xFFFF_FFFF)
    assert rig.read(ESR) == 0x80


def test_an_illegal_vector_is_not_sent() -> None:
    """T53"""
    rig = Rig(2)
    rig.write(ICR, 0x0000_4005)
    rig.write(ESR, 0)
    assert rig.read(ESR) == 0x20 and not rig.sent and rig.irr() == []


# -- messages


@pytest.mark.parametrize(("low", "who"), [(0x440F0, [1]), (0xC40F0, [0, 2, 3]), (0x840F0, [0, 1, 2, 3])])
def test_shorthands(low: int, who: list[int]) -> None:
    """T55"""
    rig = Rig(4)
    rig.write(ICR, low, 1)
    assert [i for i in range(4) if rig.irr(i) == [0xF0]] == who


@pytest.mark.parametrize(
    ("dfr", "ldrs", "dest", "who"),
    [
        (0xFFFF_FFFF, (1, 2, 4, 8), 0x05, [0, 2]),
        (0x0FFF_FFFF, (0x11, 0x12, 0x21, 0x14), 0x13, [0, 1]),
        (0x0FFF_FFFF, (0x11, 0x12, 0x21, 0x14), 0xFF, [0, 1, 2, 3]),
        (0x5FFF_FFFF, (1, 2, 4, 8), 0x05, []),
    ],
)
def test_logical_destinations(dfr: int, ldrs: tuple[int, ...], dest: int, who: list[int]) -> None:
    """T56, T57"""
    rig = Rig(4)
    for i, ldr in enumerate(ldrs):
        rig.write(DFR, dfr, i)
        rig.write(LDR, ldr << 24, i)
    rig.write(ICR_HIGH, dest << 24)
    rig.write(ICR, 0x48F0)
    assert [i for i in range(4) if rig.irr(i)] == who


def test_physical_destinations() -> None:
    rig = Rig(4)
    rig.write(ICR_HIGH, 2 << 24)
    rig.write(ICR, 0x40F0)
    assert [i for i in range(4) if rig.irr(i)] == [2]
    rig.write(ICR_HIGH, 0xFF << 24)
    rig.write(ICR, 0x40F1)
    assert [i for i in range(4) if 0xF1 in rig.irr(i)] == [0, 1, 2, 3]


@pytest.mark.parametrize(
    ("dest", "logical", "who"), [(17, 0, [17]), (0x10003, 1, [16, 17]), (0xFFFF_FFFF, 0, list(range(18)))]
)
def test_x2apic_destinations(dest: int, logical: int, who: list[int]) -> None:
    rig = Rig(18)
    for i in range(18):
        rig.x2apic(i)
    rig.wrmsr(0x830, dest << 32 | logical << 11 | 0xF0)
    assert [i for i in range(18) if rig.chips[i].pending() == 0xF0] == who


def test_a_disabled_apic_takes_an_nmi_and_drops_fixed_messages() -> None:
    """T62"""
    rig = Rig(2)
    rig.write(SVR, 0xFF, 1)
    rig.write(ICR_HIGH, 1 << 24)
    rig.write(ICR, 0x4400)
    rig.write(ICR, 0x40F0)
    assert rig.chips[1].state.nmis == 1 and rig.irr(1) == []


def test_messages_past_irr_and_isr() -> None:
    chip = Rig().chip
    outcomes = [
        chip.receive(Message(0, False, delivery, 0x31))
        for delivery in (Delivery.SMI, Delivery.STARTUP, Delivery.EXTINT, Delivery.EXTINT, Delivery.RESERVED)
    ]
    assert outcomes == [Outcome.NEW, Outcome.LOST, Outcome.NEW, Outcome.MERGED, Outcome.LOST]
    assert (chip.state.smis, chip.state.startups, chip.extint) == (1, 1, True)
    chip.took_extint()
    assert not chip.extint and chip.pending() is None


def test_an_init_deassert_does_nothing() -> None:
    rig = Rig(2)
    rig.write(TPR, 0x50, 1)
    rig.write(ICR_HIGH, 1 << 24)
    rig.write(ICR, 0x8500)
    assert rig.read(TPR, 1) == 0x50 and not rig.sent


def test_an_apic_that_is_off_hears_nothing() -> None:
    rig = Rig()
    rig.wrmsr(BASE, 0xFEE0_0100)
    message = Message(0, False, Delivery.FIXED, 0x31)
    assert not rig.chip.matches(message) and rig.chip.receive(message) is Outcome.LOST
    assert rig.chip.receive(Message(0, False, Delivery.NMI, 0)) is Outcome.LOST


def test_the_eoi_of_a_level_is_told_to_the_io_apics() -> None:
    """T61"""
    rig = Rig(lapic_eoi_suppress="present")
    for svr, told in ((0x1FF, [0x31]), (0x11FF, [0x31])):
        rig.write(SVR, svr)
        rig.chip.accept(0x31, True)
        assert rig.read(TMR + 0x10) == 1 << 0x11
        rig.chip.take()
        rig.write(EOI, 0)
        assert rig.broadcasts == told
    rig.chip.accept(0x31, False)
    assert rig.read(TMR + 0x10) == 0


# -- LINT pins


def test_the_boot_cpus_intr_passes_by_an_apic_that_nobody_set_up() -> None:
    rig = Rig(2, raw=True)
    for i, boot in enumerate((True, False)):
        chip = rig.chips[i]
        assert chip.set_lint(0, 1) is (Outcome.NEW if boot else Outcome.LOST)
        assert chip.extint is boot
    rig.write(LINT0, 0x10700)
    assert not rig.chip.extint
    rig.write(LINT0, 0x00700)
    assert not rig.chip.extint, "the mask is forced while the SVR disables the APIC"
    rig.write(SVR, 0x1FF)
    rig.write(LINT0, 0x00700)
    assert rig.chip.extint and rig.chip.pending() is None
    rig.chip.set_lint(0, 0)
    assert not rig.chip.extint


def test_pins_of_an_apic_that_is_off_are_intr_and_nmi() -> None:
    rig = Rig()
    rig.wrmsr(BASE, 0xFEE0_0100)
    assert rig.chip.set_lint(0, 1) is Outcome.NEW and rig.chip.extint
    assert rig.chip.set_lint(1, 1) is Outcome.NEW and rig.chip.state.nmis == 1


def test_an_nmi_pin_counts_edges() -> None:
    rig = Rig()
    rig.write(LINT1, 0x400)
    for level in (1, 1, 0, 1):
        rig.chip.set_lint(1, level)
    assert rig.chip.state.nmis == 2
    rig.write(LINT1, MASKED | 0x400)
    rig.chip.set_lint(1, 0)
    assert rig.chip.set_lint(1, 1) is Outcome.LOST and rig.chip.state.nmis == 2


def test_a_fixed_level_pin_asks_again_after_its_eoi() -> None:
    rig = Rig()
    rig.write(LINT0, 0x8031)
    assert rig.chip.set_lint(0, 1) is Outcome.NEW
    assert rig.read(LINT0) == 0xC031
    assert rig.chip.take() == 0x31 and rig.irr() == []
    rig.write(EOI, 0)
    assert rig.irr() == [0x31] and rig.read(LINT0) == 0xC031 and rig.broadcasts == [0x31]
    rig.chip.take()
    rig.chip.set_lint(0, 0)
    rig.write(EOI, 0)
    assert rig.irr() == [] and rig.read(LINT0) == 0x8031


def test_a_fixed_level_behind_a_mask_waits() -> None:
    rig = Rig()
    rig.write(LINT0, MASKED | 0x8031)
    assert rig.chip.set_lint(0, 1) is Outcome.HELD
    rig.write(LINT0, 0x8031)
    assert rig.irr() == [0x31]


def test_a_fixed_edge_pin_asks_at_each_rise() -> None:
    rig = Rig()
    rig.write(LINT0, 0x31)
    assert [rig.chip.set_lint(0, level) for level in (1, 0, 1)] == [Outcome.NEW, Outcome.LOST, Outcome.MERGED]


def test_irr_bits_stand_in_eight_registers() -> None:
    rig = Rig()
    rig.accept(0x1F, 0x20, 0xFF)
    assert [rig.read(IRR + 0x10 * i) for i in (0, 1, 7)] == [1 << 31, 1, 1 << 31]
