"""The time stamp counter with its MSRs, as programs see it: numbered facts of the Intel SDM, through a session."""

from fractions import Fraction

import pytest

from timerlab import GuestFault, Session

TSC, ADJUST, AUX, DEADLINE = 0x10, 0x3B, 0xC000_0103, 0x6E0
WORD = 1 << 64
FROZEN = Fraction(1, 10**9)
"""A TSC of one count in 10^6 s: it stands still for as long as a test lasts."""


def test_tsc_counts_3_ghz_from_reset():
    """T1."""
    s = Session(tsc_khz=3_000_000)
    s.skip("1500ms")
    assert s.rdtsc() == 4_500_000_000 == 0x1_0C38_8D00
    assert s.rdmsr(TSC) == s.rdtsc()


def test_tsc_written_0_puts_the_difference_into_tsc_adjust():
    """T2."""
    s = Session(tsc_khz=2_500_000)
    s.skip("2000ms")
    assert s.rdtsc() == 5_000_000_000
    s.wrmsr(TSC, 0)
    assert s.rdtsc() == 0
    assert s.rdmsr(ADJUST) == 0xFFFF_FFFE_D5FA_0E00 == WORD - 5_000_000_000
    assert s.peek("vcpu0.adjust") == -5_000_000_000


def test_tsc_adjust_moves_the_tsc_by_its_change():
    """T3, T4, T5."""
    s = Session()
    s.skip("1ms")
    at = s.rdtsc()
    s.wrmsr(ADJUST, 1000)
    assert (s.rdtsc(), s.rdmsr(ADJUST)) == (at + 1000, 1000)
    s.wrmsr(ADJUST, 400)
    assert (s.rdtsc(), s.rdmsr(ADJUST)) == (at + 400, 400)
    s.wrmsr(TSC, s.rdtsc() + 250)
    assert (s.rdtsc(), s.rdmsr(ADJUST)) == (at + 650, 650)


def test_tsc_wraps_at_2_to_the_64():
    """T7, with a TSC that is written."""
    s = Session(tsc_khz=1_000_000)
    s.wrmsr(TSC, WORD - 1)
    assert s.rdtsc() == WORD - 1
    s.skip(1)
    assert s.rdtsc() == 0
    s.skip(1)
    assert s.rdtsc() == 1


def test_rdtscp_gives_tsc_and_tsc_aux():
    """T14."""
    s = Session(vcpus=2)
    s.wrmsr(AUX, 0x5003)
    s.skip("1us")
    assert s.rdtscp() == (2600, 0x5003)
    # power-on: the number of the vCPU
    assert s.rdtscp(vcpu=1) == (2600, 1)


def test_tsc_aux_above_32_bits_is_a_general_protection_fault():
    """T15, Intel."""
    s = Session()
    s.wrmsr(AUX, 7)
    with pytest.raises(GuestFault) as fault:
        s.wrmsr(AUX, 0x1_0000_0000)
    assert fault.value.name == "#GP(0)"
    assert s.rdmsr(AUX) == 7


def test_amd_drops_what_does_not_fit_tsc_aux():
    """T15, T26."""
    s = Session(quirks={"vendor": "amd"})
    s.wrmsr(AUX, 0x1_0000_0000)
    assert s.rdmsr(AUX) == 0
    s.wrmsr(AUX, 0x1_0000_5003)
    assert s.rdtscp()[1] == s.rdmsr(AUX) == 0x5003


def test_tsc_ratio_exists_on_amd_and_has_reserved_bits():
    """T13."""
    s = Session(quirks={"vendor": "amd"})
    assert s.rdmsr(0xC000_0104) == 0x1_0000_0000
    for t in (s, Session()):
        with pytest.raises(GuestFault) as fault:
            t.wrmsr(0xC000_0104, 1 << 40)
        assert fault.value.name == "#GP(0)"


def test_an_old_processor_s_tsc_takes_32_bits():
    """T25."""
    s = Session(quirks={"tsc_write": "low32"})
    s.wrmsr(TSC, 0x1234_5678_9ABC_DEF0)
    assert s.rdtsc() == 0x9ABC_DEF0


@pytest.mark.parametrize("khz", [2_592_000, 2_500_000, 2_600_000, 3_000_000, Fraction(7_777_777, 3)])
def test_cpuid_15h_tells_a_rate_only_if_it_is_the_tsc_s(khz):
    """T17, T18, T46: TSC Hz = ECX * EBX / EAX, and with any of them 0 there is nothing told."""
    eax, ebx, ecx, _ = Session(tsc_khz=khz).cpuid(0x15)
    if eax and ebx and ecx:
        assert abs(Fraction(ecx * ebx, eax) - khz * 1000) < 1000


def test_tsc_adjust_of_msr_writes_as_kernels_test_it():
    """T28: a guest's write to 10h moves TSC_ADJUST as well, a write to 3Bh moves the TSC by the change."""
    s = Session(tsc_khz=FROZEN)
    assert (s.rdmsr(TSC), s.rdmsr(ADJUST)) == (0, 0)
    s.wrmsr(TSC, 1 << 32)
    assert (s.rdmsr(TSC), s.rdmsr(ADJUST)) == (1 << 32, 1 << 32)
    s.wrmsr(ADJUST, 2 << 32)
    assert (s.rdmsr(TSC), s.rdmsr(ADJUST)) == (2 << 32, 2 << 32)


def test_tsc_adjust_on_a_tsc_that_stands():
    """T33."""
    s = Session(tsc_khz=1_000_000)
    s.skip(5000)
    s.wrmsr(ADJUST, 100_000_000_000)
    assert s.rdmsr(TSC) == 100_000_005_000
    s.wrmsr(ADJUST, 0)
    assert s.rdmsr(TSC) == 5000
    s.wrmsr(TSC, 100_000_000_000)
    assert s.rdmsr(ADJUST) == 99_999_995_000


def test_each_vcpu_has_a_tsc_of_its_own_on_one_clock():
    """T47: a vCPU that is behind by 12 000 000 000 is put right through TSC_ADJUST."""
    s = Session(vcpus=2, tsc_khz=2_400_000)
    s.skip("5s")
    s.wrmsr(TSC, 0, vcpu=1)
    assert s.rdtsc() - s.rdtsc(vcpu=1) == 12_000_000_000
    s.wrmsr(ADJUST, (s.rdmsr(ADJUST, vcpu=1) + 12_000_000_000) % WORD, vcpu=1)
    assert s.rdtsc() == s.rdtsc(vcpu=1)
    assert s.rdmsr(ADJUST) == s.rdmsr(ADJUST, vcpu=1) == 0
    s.skip("1s")
    assert s.rdtsc() == s.rdtsc(vcpu=1) == 14_400_000_000


def test_reset_starts_the_tsc_again_and_init_leaves_it():
    s = Session(vcpus=2, tsc_khz=1_000_000)
    s.skip(1000)
    s.wrmsr(ADJUST, 50, vcpu=1)
    s.wrmsr(AUX, 9, vcpu=1)
    # INIT to vCPU 1: fixed destination 1, delivery mode 5
    s.writel(0xFEE0_00F0, 0x1FF)
    s.writel(0xFEE0_0310, 1 << 24)
    s.writel(0xFEE0_0300, 0x4500)
    assert (s.rdtsc(vcpu=1), s.rdmsr(ADJUST, vcpu=1), s.rdmsr(AUX, vcpu=1)) == (1050, 50, 9)
    s.reset()
    assert (s.rdtsc(vcpu=1), s.rdmsr(ADJUST, vcpu=1), s.rdmsr(AUX, vcpu=1)) == (0, 0, 1)
    s.skip(7)
    assert s.rdtsc() == s.rdtsc(vcpu=1) == 7


def test_rdtsc_rdtscp_and_rdmsr_agree_and_change_nothing():
    s = Session(tsc_khz=2_600_000)
    s.skip(12_345)
    digest = s.machine.digest()
    assert s.rdtsc() == s.rdmsr(TSC) == s.rdtscp()[0] == 12_345 * 26 // 10
    assert s.machine.digest() == digest


def armed(quirks=None, **options):
    """A vCPU whose APIC timer waits for a deadline 20 ms ahead, vector 41h."""
    s = Session(tsc_khz=1_000_000, quirks=quirks, **options)
    s.writel(0xFEE0_00F0, 0x1FF)
    s.writel(0xFEE0_0320, 0x4_0041)
    s.wrmsr(DEADLINE, 20_000_000)
    return s


def test_deadline_fires_at_the_nanosecond_at_which_the_tsc_reaches_it():
    s = armed()
    assert s.next_event() == (20_000_000, "lapic0.timer")
    s.skip(19_999_999)
    assert (s.rdmsr(DEADLINE), s.peek("lapic0.irr_max")) == (20_000_000, None)
    s.skip(1)
    assert (s.rdmsr(DEADLINE), s.peek("lapic0.irr_max")) == (0, 0x41)


@pytest.mark.parametrize("msr", [TSC, ADJUST])
def test_deadline_that_a_tsc_write_jumps_over_fires_at_once(msr):
    """Local APIC facts, T14: the visible TSC is compared, offset and TSC_ADJUST included."""
    s = armed()
    s.skip("10ms")
    s.wrmsr(msr, 25_000_000 if msr == TSC else 15_000_000)
    assert s.rdtsc() == 25_000_000
    assert (s.rdmsr(DEADLINE), s.peek("lapic0.irr_max")) == (0, 0x41)
    assert s.peek("lapic0.timer.edges") == 1


def test_deadline_comes_later_when_the_tsc_is_put_back():
    s = armed()
    s.skip("10ms")
    s.wrmsr(TSC, 0)
    assert s.next_event() == (30_000_000, "lapic0.timer")
    s.skip("20ms")
    assert s.peek("lapic0.irr_max") == 0x41


def test_deadline_keeps_its_host_moment_where_it_was_armed_with_it():
    """Local APIC facts, T14, as KVM has it."""
    s = armed({"lapic_deadline_tsc": "armed"})
    s.skip("10ms")
    s.wrmsr(TSC, 25_000_000)
    assert s.peek("lapic0.irr_max") is None
    assert s.next_event() == (20_000_000, "lapic0.timer")
    s.skip("10ms")
    assert s.peek("lapic0.irr_max") == 0x41


def test_a_tsc_write_of_one_vcpu_leaves_the_other_one_s_deadline():
    s = armed(vcpus=2)
    s.skip("10ms")
    s.wrmsr(TSC, 10**12, vcpu=1)
    assert s.next_event() == (20_000_000, "lapic0.timer")


def test_pit_calibration_measures_the_tsc():
    """T43: channel 2, mode 0, 59659 clocks of a 1 193 182 Hz PIT at 2.6 GHz."""
    s = Session(pit_hz=1_193_182, tsc_khz=2_600_000)
    s.outb(0x61, 1)
    s.outb(0x43, 0xB0)
    s.outb(0x42, 59_659 & 0xFF)
    s.outb(0x42, 59_659 >> 8)
    start = s.rdtsc()
    s.do("until pit.ch2.out limit 1s")
    # the count starts at the next clock, and takes N + 1 of them
    assert abs(s.rdtsc() - start - 129_999_782) < 2 * 2600
    assert s.inb(0x61) & 0x20
