"""KVM_SET_TSC_KHZ and the arithmetic of rates: what the hardware is given, and what is refused."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kvmrig import MS, Rig, S

from timerlab.devices.kvm_tsc import Rate, cycles, cycles_scale, max_guest_khz, set_tsc_khz, tolerance
from timerlab.devices.pv_pages import TimeInfo, printed_2011, printed_without_fraction
from timerlab.scaling import NS_PER_S, SVM_FRAC, VMX_FRAC, apply_scale, khz_of, time_scale

ONE = 1 << VMX_FRAC


def test_a_rate_within_250_ppm_of_the_hosts_needs_no_scaling() -> None:  # T34, T12
    assert set_tsc_khz(2_600_650, 2_600_000, VMX_FRAC, True) == Rate(2_600_650, ONE)
    rig = Rig()
    rig.kvm.set_tsc_khz(0, 2_600_650, 0)
    rig.go(S)
    assert 2_600_650_000 - rig.tsc() == 650_000


def test_both_ends_of_the_tolerance_belong_to_it() -> None:  # T12
    assert tolerance(2_600_000) == (2_599_350, 2_600_650)
    for khz in (2_599_350, 2_600_650):
        assert set_tsc_khz(khz, 2_600_000, VMX_FRAC, True).ratio == ONE
    for khz in (2_599_349, 2_600_651):
        assert set_tsc_khz(khz, 2_600_000, VMX_FRAC, True).ratio != ONE


def test_one_khz_beyond_the_tolerance_is_scaled() -> None:  # T35
    assert set_tsc_khz(2_600_651, 2_600_000, VMX_FRAC, True).ratio == 0x0001_0010_68C1_BC08


def test_a_guest_of_1_ghz_on_an_amd_host_of_3_ghz_loses_a_cycle_a_second() -> None:  # T36
    rig = Rig(khz=3_000_000, frac=SVM_FRAC)
    assert rig.kvm.set_tsc_khz(0, 1_000_000, 0).ratio == 0x0055_5555_55
    rig.go(S)
    assert rig.tsc() == 999_999_999


def test_without_scaling_a_faster_guest_is_raised_at_each_refresh() -> None:  # T37
    rig = Rig(tsc_scaling="no", host_clocksource="hpet")
    assert not rig.kvm.set_tsc_khz(0, 3_000_000, 0).error
    rig.exit("kernel")
    rig.go(10 * MS)
    assert rig.tsc() == 26_000_000
    rig.enter()
    assert rig.tsc() == 30_000_000
    rig.out("kernel", 10 * MS)
    assert rig.tsc() == 60_000_000


def test_with_the_master_clock_on_catch_up_stands_still_until_a_new_pair() -> None:
    rig = Rig(tsc_scaling="no")
    rig.kvm.set_tsc_khz(0, 3_000_000, 0)
    rig.out("kernel", 10 * MS)
    assert rig.vm.use_master
    assert rig.tsc() == 26_000_000
    rig.kvm.set_clock(0, rig.now)
    assert rig.tsc() == 30_000_000


def test_without_scaling_a_slower_guest_is_refused() -> None:  # T38
    rig = Rig(tsc_scaling="no")
    assert "no scaling hardware" in rig.kvm.set_tsc_khz(0, 2_000_000, 0).error
    rig.go(S)
    assert rig.tsc() == 2_600_000_000


@pytest.mark.parametrize(
    ("frac", "host", "highest"), [(VMX_FRAC, 2_600_000, 0x7FFF_FFFF), (SVM_FRAC, 2_600_000, 665_599_999)]
)
def test_from_the_highest_rate_on_it_is_einval_and_nothing_changes(frac: int, host: int, highest: int) -> None:
    assert max_guest_khz(host, frac) == highest
    refused = set_tsc_khz(highest, host, frac, True)
    assert refused.error and refused.khz is None and refused.ratio is None
    assert not set_tsc_khz(highest - 1, host, frac, True).error


def test_0_khz_is_the_hosts_rate() -> None:
    assert set_tsc_khz(0, 2_600_000, VMX_FRAC, True) == Rate(2_600_000, ONE)


def test_a_ratio_that_rounds_to_0_is_refused() -> None:
    assert set_tsc_khz(1, 1 << 33, SVM_FRAC, True).error


def test_ns_become_cycles_by_a_multiplier_that_is_rounded_down() -> None:  # T13
    assert cycles_scale(2_600_000) == (0xA666_6666, 2)
    assert cycles(S, *cycles_scale(2_600_000)) == 2_599_999_999


TABLE = [
    (500_000, 0x8000_0000, 2, 1_000_000_000, 0),
    (1_000_000, 0x8000_0000, 1, 1_000_000_000, 0),
    (1_800_000, 0x8E38_E38E, 0, 999_999_999, -336),
    (1_999_999, 0x8000_0431, 0, 999_999_999, -1245),
    (2_000_000, 0x8000_0000, 0, 1_000_000_000, 0),
    (2_100_000, 0xF3CF_3CF3, -1, 999_999_999, -713),
    (2_200_000, 0xE8BA_2E8B, -1, 999_999_999, -587),
    (2_400_000, 0xD555_5555, -1, 999_999_999, -336),
    (2_500_000, 0xCCCC_CCCC, -1, 999_999_999, -839),
    (2_592_000, 0xC587_E6B7, -1, 999_999_999, -336),
    (2_600_000, 0xC4EC_4EC4, -1, 999_999_999, -1006),
    (2_800_000, 0xB6DB_6DB6, -1, 999_999_999, -1006),
    (3_000_000, 0xAAAA_AAAA, -1, 999_999_999, -839),
    (3_200_000, 0xA000_0000, -1, 1_000_000_000, 0),
    (3_500_000, 0x9249_2492, -1, 999_999_999, -420),
    (4_000_000, 0x8000_0000, -1, 1_000_000_000, 0),
    (5_000_000, 0xCCCC_CCCC, -2, 999_999_999, -839),
]


@pytest.mark.parametrize(("khz", "mul", "shift", "second", "error"), TABLE)
def test_a_page_of_each_usual_rate_holds_these_parameters(
    khz: int, mul: int, shift: int, second: int, error: int
) -> None:
    assert time_scale(NS_PER_S, khz * 1000) == (mul, shift)
    assert apply_scale(khz * 1000, mul, shift) == second
    assert apply_scale(khz * 1000 * 3600, mul, shift) - 3600 * S == error


def test_1000_cycles_at_3_ghz_are_333_ns() -> None:  # T9
    assert apply_scale(1000, *time_scale(NS_PER_S, 3_000_000_000)) == 333


def test_a_cycle_at_2_ghz_is_no_nanosecond_yet() -> None:  # T10
    assert apply_scale(1, *time_scale(NS_PER_S, 2_000_000_000)) == 0


def test_the_formula_of_2011_is_2_to_the_32_too_large() -> None:  # T11
    mul, shift = time_scale(NS_PER_S, 2_600_000_000)
    assert printed_2011(26_000_000, mul, shift) == 42_949_672_948_000_000
    assert printed_2011(26_000_000, mul, shift) >> 32 == apply_scale(26_000_000, mul, shift)


def test_the_formula_without_its_last_shift_is_2_to_the_32_too_large() -> None:  # T12
    mul, shift = time_scale(NS_PER_S, 2_600_000_000)
    assert printed_without_fraction(26_000_000, mul, shift) >> 32 == apply_scale(26_000_000, mul, shift)


def test_a_delta_that_loses_its_high_bit_in_the_shift_is_0_ns() -> None:  # T39
    assert apply_scale(1 << 63, *time_scale(NS_PER_S, 1_000_000_000)) == 0


def test_a_tsc_below_the_pages_is_a_huge_delta() -> None:  # T40
    page = TimeInfo(2, 1000, 0, *time_scale(NS_PER_S, 2_000_000_000), 0)
    assert page.ns(999) == 9_223_372_036_854_775_807


def test_a_guest_reads_the_tscs_rate_out_of_its_page() -> None:  # T38 of the MSRs
    assert khz_of(0xC4EC_4EC4, -1) == 2_600_000


def test_pages_recorded_on_a_real_machine_give_the_recorded_times() -> None:  # T32 to T34
    page = TimeInfo(2, 6_436_668_531_813, 12_292_479_390, 3_308_756_133, -1, 0)
    assert page.ns(6_436_778_274_017) == 12_334_750_979
    assert page.ns(6_436_857_312_353) == 12_365_195_749
    following = TimeInfo(4, 6_436_936_248_314, 12_395_600_930, 3_308_756_133, -1, 0)
    assert page.ns(6_436_936_248_314) == 12_395_601_084
    assert following.ns(6_436_936_248_314) == 12_395_600_930
    assert khz_of(3_308_756_133, -1) in (2_596_122, 2_596_123)


HZ = st.integers(1_000_000, 10_000_000_000)
YEARS = st.integers(0, 3 * 365 * 86_400 * S)


@given(HZ, YEARS)
@settings(max_examples=300)
def test_cycles_to_ns_is_exact_but_for_the_two_truncations(hz: int, ns: int) -> None:
    """mul is below 2^32 * 10^9 / hz' by less than 1, where hz' is the rate with the bits shifted out that do not fit;
    a right shift drops less than 2^shift cycles, the product's last shift less than 1 ns.
    """
    mul, shift = time_scale(NS_PER_S, hz)
    delta = ns * hz // S
    if shift > 0 and delta << shift >= 1 << 64:
        return
    got = apply_scale(delta, mul, shift)
    true = Fraction(delta * S, hz)
    kept = (hz >> -shift << -shift) if shift < 0 else hz
    upper = true * Fraction(hz, kept)
    shifted = Fraction(delta) * (Fraction(2) ** shift)
    lower = upper - shifted / (1 << 32) - 1 - Fraction(mul, 1 << 32)
    assert lower - 1 < got <= upper


@given(HZ, YEARS)
@settings(max_examples=300)
def test_ns_to_cycles_is_exact_but_for_the_truncations(hz: int, ns: int) -> None:
    khz = hz // 1000
    mul, shift = cycles_scale(khz)
    if ns << max(0, shift) >= 1 << 64:
        return
    true = Fraction(ns * khz, 1_000_000)
    got = cycles(ns, mul, shift)
    shifted = Fraction(ns) * (Fraction(2) ** shift)
    assert (
        true - shifted / (1 << 32) - 2 - Fraction(mul, 1 << 32) - true / 500_000_000 <= got <= true + true / 500_000_000
    )


@given(st.integers(1_000, 10_000_000))
def test_the_rate_of_a_page_is_the_rate_it_was_made_of(khz: int) -> None:
    mul, shift = time_scale(NS_PER_S, khz * 1000)
    assert abs(khz_of(mul, shift) - khz) <= 1 << max(0, -shift)
