"""Facts about the local APIC's timer, each with its number in the reference table."""

from __future__ import annotations

import pytest
from lapicrig import (
    BASE,
    DEADLINE,
    DEADLINE_MODE,
    ERROR,
    ESR,
    LINT0,
    LVTT,
    MASKED,
    PERIODIC,
    SVR,
    TDCR,
    TMCCT,
    TMICT,
    Rig,
)

from timerlab.errors import GuestFault

MS = 1_000_000
YEAR = 365 * 86_400 * 1_000 * MS


def timer(rig: Rig, count: int, tdcr: int = 0xB, lvt: int = 0x31) -> Rig:
    """Program vector, mode, divider and count, in this order."""
    rig.write(LVTT, lvt)
    rig.write(TDCR, tdcr)
    rig.write(TMICT, count)
    return rig


def armed(rig: Rig, ticks: int) -> Rig:
    """In deadline mode with vector 31h, `ticks` of the TSC ahead."""
    rig.write(LVTT, DEADLINE_MODE | 0x31)
    rig.wrmsr(DEADLINE, rig.tsc() + ticks)
    return rig


def test_a_million_counts_at_one_gigahertz_take_a_millisecond() -> None:
    """T1"""
    rig = timer(Rig(), 1_000_000)
    rig.at(250_000)
    assert rig.read(TMCCT) == 750_000
    rig.at(MS - 1)
    assert rig.irr() == []
    rig.at(MS)
    assert rig.irr() == [0x31] and rig.expiries == [MS]


def test_the_divider_makes_a_count_sixteen_clocks() -> None:
    """T2"""
    rig = timer(Rig(), 62_500, tdcr=3)
    rig.at(500_000)
    assert rig.read(TMCCT) == 31_250
    rig.at(2 * MS)
    assert rig.expiries == [MS]


def test_a_reset_divider_halves_a_bus_of_100_megahertz() -> None:
    """T3"""
    rig = Rig(hz=100_000_000)
    rig.write(LVTT, 0x31)
    rig.write(TMICT, 50_000)
    rig.at(2 * MS)
    assert rig.read(TDCR) == 0 and rig.expiries == [MS]


def test_a_crystal_of_24_megahertz_gives_an_exact_kilohertz() -> None:
    """T4"""
    rig = timer(Rig(hz=24_000_000), 24_000, lvt=PERIODIC | 0x31)
    for tick in range(1, 11):
        assert next(rig.chip.next_event(rig.now)) == (tick * MS, "lapic0.timer")
        rig.at(tick * MS)
    assert rig.expiries == [tick * MS for tick in range(1, 11)]
    rig.at(YEAR)
    assert rig.lines[0].edges == YEAR // MS and rig.expiries[-1] == YEAR


def test_the_longest_interval_at_one_gigahertz_is_549_seconds() -> None:
    """T5"""
    rig = timer(Rig(), 0xFFFF_FFFF, tdcr=0xA)
    rig.at(600_000 * MS)
    assert rig.expiries == [549_755_813_760]


def test_a_periodic_count_wraps_to_the_initial_count() -> None:
    """T6"""
    rig = timer(Rig(), 10_000, lvt=PERIODIC | 0x31)
    rig.at(25_000)
    assert rig.read(TMCCT) == 5_000 and rig.expiries == [10_000, 20_000]
    rig.at(30_000)
    assert rig.read(TMCCT) == 10_000


def test_an_expired_one_shot_stays_at_zero_and_keeps_its_initial_count() -> None:
    """T7"""
    rig = timer(Rig(), 1_000)
    rig.at(YEAR)
    assert rig.expiries == [1_000] and rig.read(TMCCT) == 0 and rig.read(TMICT) == 1_000
    assert not list(rig.chip.next_event(rig.now))


def test_an_initial_count_of_zero_stops_the_timer() -> None:
    """T8"""
    rig = timer(Rig(), 1_000)
    rig.at(500)
    rig.write(TMICT, 0)
    rig.at(MS)
    assert rig.read(TMCCT) == 0 and not rig.expiries


def test_a_new_divider_keeps_the_counts_that_are_left() -> None:
    """T9"""
    rig = timer(Rig(), 5_000)
    rig.at(4_000)
    rig.write(TDCR, 3)
    assert rig.read(TMCCT) == 1_000
    rig.at(4_000 + 8_000)
    assert rig.read(TMCCT) == 500
    rig.at(MS)
    assert rig.expiries == [4_000 + 16_000]


def test_a_masked_expiry_is_lost_for_good() -> None:
    """T10"""
    rig = timer(Rig(), 1_000, lvt=MASKED | 0x31)
    rig.at(2_000)
    assert rig.read(TMCCT) == 0 and rig.irr() == []
    rig.write(LVTT, 0x31)
    rig.at(MS)
    assert rig.irr() == []


def test_a_deadline_a_millisecond_of_the_tsc_ahead_expires_then() -> None:
    """T11"""
    rig = armed(Rig(), 2_600_000)
    assert rig.rdmsr(DEADLINE) == 2_600_000
    rig.at(MS - 1)
    assert rig.irr() == []
    rig.at(MS)
    assert rig.irr() == [0x31] and rig.rdmsr(DEADLINE) == 0 and rig.expiries == [MS]


def test_a_deadline_in_the_past_expires_at_once() -> None:
    """T12"""
    rig = Rig()
    rig.at(MS)
    armed(rig, -1)
    assert rig.irr() == [0x31] and rig.rdmsr(DEADLINE) == 0 and rig.expiries == [MS]


def test_a_deadline_of_zero_disarms() -> None:
    """T13"""
    rig = armed(Rig(), 2_600_000)
    rig.wrmsr(DEADLINE, 0)
    rig.at(2 * MS)
    assert rig.rdmsr(DEADLINE) == 0 and not rig.expiries


@pytest.mark.parametrize(("quirk", "at"), [("live", 1 * MS), ("armed", 20 * MS)])
def test_a_tsc_that_jumps_past_the_deadline_makes_it_expire(quirk: str, at: int) -> None:
    """T14"""
    rig = armed(Rig(lapic_deadline_tsc=quirk), 20 * 2_600_000)
    rig.at(1 * MS)
    rig.move_tsc(30 * 2_600_000)
    rig.at(50 * MS)
    assert rig.expiries == [at]


def test_a_tsc_that_jumps_back_puts_the_deadline_off() -> None:
    """T14, the other way"""
    rig = Rig()
    rig.at(40 * MS)
    armed(rig, 20 * 2_600_000)
    rig.at(41 * MS)
    rig.move_tsc(-30 * 2_600_000)
    assert list(rig.chip.next_event(rig.now)) == [(90 * MS, "lapic0.timer")]
    rig.at(100 * MS)
    assert rig.expiries == [90 * MS]


def test_leaving_deadline_mode_disarms() -> None:
    """T15"""
    rig = armed(Rig(), 2_600_000)
    rig.write(LVTT, 0x31)
    assert (rig.read(TMICT), rig.read(TMCCT), rig.rdmsr(DEADLINE)) == (0, 0, 0)
    rig.write(LVTT, DEADLINE_MODE | 0x31)
    rig.at(2 * MS)
    assert not rig.expiries


def test_a_deadline_written_in_one_shot_mode_is_ignored() -> None:
    """T16"""
    rig = Rig()
    rig.write(LVTT, 0x31)
    rig.wrmsr(DEADLINE, 1)
    assert rig.rdmsr(DEADLINE) == 0 and not rig.expiries


def test_an_initial_count_written_in_deadline_mode_is_ignored() -> None:
    """T17"""
    rig = timer(Rig(), 1_000, lvt=DEADLINE_MODE | 0x31)
    assert rig.read(TMCCT) == 0
    rig.at(MS)
    assert not rig.expiries


def test_a_soft_disable_masks_the_timer_for_good_and_keeps_what_waits() -> None:
    """T25"""
    rig = timer(Rig(), 1_000, lvt=PERIODIC | 0x31)
    rig.at(1_000)
    rig.write(SVR, 0xFF)
    assert rig.read(LVTT) & MASKED and rig.irr() == [0x31] and rig.chip.pending() == 0x31
    rig.write(LVTT, PERIODIC | 0x32)
    assert rig.read(LVTT) == PERIODIC | MASKED | 0x32
    rig.at(5_000)
    assert rig.irr() == [0x31] and rig.lines[0].edges == 5
    rig.write(SVR, 0x1FF)
    assert rig.read(LVTT) & MASKED


def test_a_timer_vector_below_16_is_an_error_and_no_interrupt() -> None:
    """T26"""
    rig = timer(Rig(), 1_000, lvt=0x0F)
    rig.at(1_000)
    assert rig.irr() == [] and rig.read(ESR) == 0
    rig.write(ESR, 0)
    assert rig.read(ESR) == 0x40


def test_one_shot_made_periodic_is_disarmed_or_counts_on() -> None:
    """T33"""
    rig = timer(Rig(), 10_066_329)
    rig.at(5_033_166)
    rig.write(LVTT, PERIODIC | 0x31)
    assert rig.read(TMCCT) == 0 and rig.read(TMICT) == 10_066_329
    rig.at(100 * MS)
    assert not rig.expiries

    rig = timer(Rig(lapic_mode_change="keep_count"), 10_066_329)
    rig.at(5_033_166)
    rig.write(LVTT, PERIODIC | 0x31)
    assert rig.read(TMCCT) == 5_033_163
    for tick in (1, 2, 3):
        rig.at(tick * 10_066_329)
    assert rig.expiries == [tick * 10_066_329 for tick in (1, 2, 3)]


def test_periodic_made_one_shot_is_disarmed_or_expires_once_more() -> None:
    """T34"""
    for quirk, expiries in (("disarm", [1_000]), ("keep_count", [1_000, 2_000])):
        rig = timer(Rig(lapic_mode_change=quirk), 1_000, lvt=PERIODIC | 0x31)
        rig.at(1_500)
        rig.write(LVTT, 0x31)
        assert rig.read(TMCCT) == (500 if quirk == "keep_count" else 0)
        rig.at(MS)
        assert rig.expiries == expiries and rig.read(TMCCT) == 0


@pytest.mark.parametrize("quirk", ["disarm", "keep_count"])
def test_an_expired_one_shot_made_periodic_stays_at_zero(quirk: str) -> None:
    """T35"""
    rig = timer(Rig(lapic_mode_change=quirk), 1_000)
    rig.at(2_000)
    rig.write(LVTT, PERIODIC | 0x31)
    rig.at(MS)
    assert rig.read(TMCCT) == 0 and rig.expiries == [1_000]


def test_masking_and_unmasking_leaves_a_deadline_armed() -> None:
    """T36"""
    rig = armed(Rig(), 2_600_000)
    rig.at(300_000)
    rig.write(LVTT, DEADLINE_MODE | MASKED | 0x31)
    rig.at(600_000)
    rig.write(LVTT, DEADLINE_MODE | 0x31)
    rig.at(MS)
    assert rig.irr() == [0x31] and rig.expiries == [MS]


def test_a_masked_deadline_that_passes_is_disarmed_and_lost() -> None:
    """T37"""
    rig = armed(Rig(), 2_600_000)
    rig.write(LVTT, DEADLINE_MODE | MASKED | 0x31)
    rig.at(MS)
    rig.write(LVTT, DEADLINE_MODE | 0x31)
    rig.at(2 * MS)
    assert rig.irr() == [] and rig.rdmsr(DEADLINE) == 0


def test_going_to_deadline_mode_stops_the_count() -> None:
    """T38"""
    rig = timer(Rig(), 2_000)
    rig.at(1_000)
    rig.write(LVTT, DEADLINE_MODE | 0x31)
    assert (rig.read(TMICT), rig.read(TMCCT)) == (0, 0)
    rig.at(MS)
    assert not rig.expiries


def test_a_later_deadline_replaces_the_earlier() -> None:
    """T39"""
    rig = armed(Rig(), 2_600_000)
    rig.at(500_000)
    rig.wrmsr(DEADLINE, 3 * 2_600_000)
    rig.at(10 * MS)
    assert rig.expiries == [3 * MS]


def test_without_deadline_mode_its_msr_faults_and_its_bit_reads_zero() -> None:
    """T40"""
    rig = Rig(lapic_deadline="no")
    for access in (lambda: rig.rdmsr(DEADLINE), lambda: rig.wrmsr(DEADLINE, 1)):
        with pytest.raises(GuestFault) as fault:
            access()
        assert fault.value.name == "#GP(0)"
    rig.write(LVTT, 0x0004_0031)
    assert rig.read(LVTT) == 0x31


def test_reserved_bits_of_the_timer_entry_read_zero() -> None:
    """T41"""
    for quirk, value in (("yes", 0x700FF), ("no", 0x300FF)):
        rig = Rig(lapic_deadline=quirk)
        rig.write(LVTT, 0xFFFF_FFFF)
        assert rig.read(LVTT) == value


def test_a_timer_entry_cannot_be_unmasked_while_the_apic_is_disabled() -> None:
    """T44"""
    rig = timer(Rig(raw=True), 1_000, lvt=0x37)
    assert rig.read(LVTT) == 0x0001_0037
    rig.at(MS)
    assert rig.irr() == []


def test_the_error_interrupt_comes_once_until_the_esr_is_written() -> None:
    """T54"""
    rig = Rig()
    rig.write(ERROR, 0xFE)
    timer(rig, 1_000, lvt=0x05)
    rig.at(1_000)
    assert rig.irr() == [0xFE]
    assert rig.chip.take() == 0xFE
    rig.write(TMICT, 1_000)
    rig.at(5_000)
    assert rig.irr() == []
    rig.write(ESR, 0)
    assert rig.read(ESR) == 0x40
    rig.write(TMICT, 1_000)
    rig.at(9_000)
    assert rig.irr() == [0xFE]


def test_a_masked_periodic_timer_on_an_odd_bus() -> None:
    """T64"""
    rig = timer(Rig(hz=134_217_728), 2_684_354, tdcr=1, lvt=MASKED | PERIODIC | 0x31)
    rig.at(239_999_950)
    assert rig.lines[0].edges == 3 and rig.read(TMCCT) in (2_684_354, 2_684_353)


@pytest.mark.parametrize(
    ("tdcr", "counted"),
    [
        (0, 1_250_000),
        (1, 625_000),
        (2, 312_500),
        (3, 156_250),
        (8, 78_125),
        (9, 39_062),
        (0xA, 19_531),
        (0xB, 2_500_000),
    ],
)
def test_each_divider_on_a_bus_of_25_megahertz(tdcr: int, counted: int) -> None:
    """T65"""
    rig = timer(Rig(hz=25_000_000), 0xFFFF_FFFF, tdcr=tdcr)
    rig.at(100 * MS)
    assert 0xFFFF_FFFF - rig.read(TMCCT) == counted
    rig.write(TDCR, 0xFFFF_FFFF)
    assert rig.read(TDCR) == 0xB


# -- beyond the table


def test_a_deadline_beyond_the_wrap_of_the_tsc_waits_for_it() -> None:
    rig = Rig()
    rig.move_tsc((1 << 64) - 2_600)
    armed(rig, 1_300)
    rig.at(500)
    assert rig.expiries == [500]
    rig.wrmsr(DEADLINE, 2_600)
    assert rig.expiries == [500, 500], "the TSC reads almost all ones: it is past 2600"
    rig.at(1_000)
    rig.wrmsr(DEADLINE, 2_600)
    rig.at(YEAR)
    assert rig.expiries[2:] == [2_000]


def test_a_deadline_is_seen_however_far_the_skip_goes_past_the_wrap() -> None:
    rig = Rig()
    rig.move_tsc((1 << 64) - 2_600)
    armed(rig, 1_300)
    rig.at(YEAR)
    assert rig.expiries == [500]


def test_turning_the_apic_off_stops_its_timer() -> None:
    rig = timer(Rig(), 1_000, lvt=PERIODIC | 0x31)
    rig.at(1_500)
    rig.wrmsr(BASE, 0xFEE0_0100)
    rig.at(MS)
    assert rig.expiries == [1_000] and rig.chip.state.lvt_timer == MASKED


def test_the_reserved_mode_runs_nothing() -> None:
    rig = timer(Rig(), 1_000, lvt=3 << 17 | 0x31)
    rig.wrmsr(DEADLINE, 1)
    rig.at(MS)
    assert not rig.expiries and rig.read(TMCCT) == 0


def test_kvm_lets_no_period_be_below_200_microseconds() -> None:
    """L10"""
    rig = timer(Rig(lapic_min_period="kvm_200us"), 1_000, lvt=PERIODIC | 0x31)
    assert rig.read(TMCCT) == 200_000
    for tick in (1, 2):
        rig.at(tick * 200_000)
    assert rig.expiries == [200_000, 400_000]
    timer(rig, 1_000)
    rig.at(MS)
    assert rig.expiries[2:] == [401_000]


# -- QEMU 7.2


def qemu(count: int, tdcr: int = 0xB, lvt: int = 0x31) -> Rig:
    return timer(Rig(profile="qemu"), count, tdcr, lvt)


def test_qemu_keeps_reserved_bits_of_the_timer_entry() -> None:
    """L1"""
    rig = Rig(profile="qemu")
    rig.write(LVTT, 0xFFFF_FFFF)
    assert rig.read(LVTT) == 0xFFFF_FFFF


def test_qemu_masks_nothing_while_the_apic_is_disabled() -> None:
    """L2"""
    rig = Rig(profile="qemu", raw=True)
    rig.write(LINT0, 0x8700)
    rig.write(LVTT, 0x37)
    assert rig.read(LVTT) == 0x37
    rig.write(SVR, 0x1FF)
    rig.write(SVR, 0xFF)
    assert rig.read(LVTT) == 0x37 and rig.read(LINT0) == 0x8700
    rig.write(TDCR, 0xB)
    rig.write(TMICT, 100)
    rig.at(101)
    assert rig.irr() == [0x37] and rig.chip.pending() is None
    rig.write(SVR, 0x1FF)
    assert rig.chip.pending() == 0x37


def test_qemu_never_clears_its_error_register() -> None:
    """L3"""
    rig = qemu(1_000, lvt=0x05)
    rig.at(2_000)
    assert rig.read(ESR) == 0
    rig.read(0x3B0)
    for _ in range(2):
        rig.write(ESR, 0)
        assert rig.read(ESR) == 0x80


def test_qemu_takes_one_count_more() -> None:
    """L4"""
    rig = qemu(0x3D091, tdcr=3, lvt=PERIODIC | 0x31)
    for _ in range(4):
        rig.skip(4_000_032)
    assert rig.expiries == [4_000_032 * k for k in range(1, 5)]
    rig = qemu(50_000)
    rig.at(MS)
    assert rig.expiries == [50_001]


def test_qemu_counts_on_through_any_change_of_mode() -> None:
    """L5: expired, made periodic, it goes on from the old load."""
    rig = qemu(50_000, lvt=PERIODIC | 0x32)
    rig.at(268_264)
    rig.write(LVTT, 0x33)
    assert rig.read(TMCCT) == 0
    rig.at(521_968)
    rig.write(LVTT, PERIODIC | 0x34)
    rig.at(572_536)
    assert rig.expiries[-1] == 11 * 50_001 and rig.read(TMCCT) == 0x6B53


def test_qemu_counts_from_the_load_with_the_divider_that_there_is() -> None:
    """L6"""
    rig = qemu(0xFFFF_FFFF, tdcr=0)
    rig.at(120)
    assert rig.read(TMCCT) == 0xFFFF_FFC3
    rig.write(TDCR, 0xB)
    rig.at(376)
    assert rig.read(TMCCT) == 0xFFFF_FE87


def test_qemu_keeps_an_armed_expiry_through_a_new_divider() -> None:
    rig = qemu(1_000)
    rig.at(500)
    rig.write(TDCR, 1)
    assert rig.read(TMCCT) == 1_000 - 125
    rig.at(MS)
    assert rig.expiries == [1_001, 4_004]


def test_qemu_has_neither_deadlines_nor_x2apic() -> None:
    """L8"""
    rig = Rig(profile="qemu")
    for msr, value in ((DEADLINE, 1), (BASE, 0xFEE0_0D00), (0x808, 0)):
        with pytest.raises(GuestFault):
            rig.wrmsr(msr, value)


@pytest.mark.parametrize("lvt", [0x31, PERIODIC | 0x31])
def test_qemu_counts_by_its_law(lvt: int) -> None:
    """L9"""
    rig = qemu(1_000, tdcr=1, lvt=lvt)
    for t in range(0, 12_000, 37):
        rig.at(t)
        d = t >> 2
        law = 1_000 - d % 1_001 if lvt & PERIODIC else max(0, 1_000 - d)
        assert rig.read(TMCCT) == law
