"""The numbered facts of the port 61h reference (T1 to T17, T20, T21)."""

from fractions import Fraction

import pytest
from model8254 import PIT_HZ, Rig, pulse_ns

from timerlab import Session

TOGGLE_NS = Fraction(105_600, 7)  # 18 clocks


def rig(**options):
    return Rig(Session(**options))


def refresh(s):
    return s.inb(0x61) >> 4 & 1


def test_reset_leaves_the_low_nibble_and_the_nmi_bits_clear():
    """T1"""
    s = Session()
    value = s.inb(0x61)
    assert value & 0x0F == 0
    assert value >> 5 & 1 == s.peek("pit.ch2.out")
    assert value & 0xC0 == 0


def test_bit_0_is_the_gate_of_channel_2_and_makes_no_sound_alone():
    """T2"""
    r = rig()
    r.write(0x43, 0xB6)
    r.write(0x42, 8, 0)
    r.clk(3)
    assert (r.s.peek("pit.ch2.gate"), r.count(2)) == (0, 8)
    r.write(0x61, 0x01)
    assert (r.s.peek("pit.ch2.gate"), r.s.peek("port61.gate2")) == (1, 1)
    levels = []
    for _ in range(8):
        r.clk(1)
        levels.append((r.out(2), r.s.peek("speaker.level")))
    assert levels == [(1, 0)] * 4 + [(0, 0)] * 4
    r.clk(1)
    r.write(0x61, 0x00)
    r.clk(3)
    r.write(0x61, 0x01)
    assert r.counts(2, 3) == [8, 6, 4]
    assert r.s.peek("speaker.edges") == 0


def test_both_bits_and_mode3_make_a_tone():
    """T3"""
    r = rig()
    r.write(0x61, 0x03)
    r.write(0x43, 0xB6)
    r.write(0x42, 0x97, 0x0A)
    assert r.s.peek("speaker.level") == 1
    ns, edges = r.s.now, []
    for _ in range(4):
        ns, level = r.s.edge("speaker", ns, +1)
        edges.append((ns, level))
    assert edges == [
        (pulse_ns(1 + 1356), 0),
        (pulse_ns(1 + 2711), 1),
        (pulse_ns(1 + 2711 + 1356), 0),
        (pulse_ns(1 + 2 * 2711), 1),
    ]
    r.s.skip_to(pulse_ns(1 + 2711))
    assert (r.s.peek("speaker.level"), r.s.peek("speaker.edges")) == (1, 2)
    assert round(PIT_HZ / 2711 * 10**6) == 440_126086


def test_gate_low_holds_the_speaker_at_the_data_bit():
    """T4"""
    r = rig()
    r.write(0x61, 0x03)
    r.write(0x43, 0xB6)
    r.write(0x42, 4, 0)
    r.clk(4)
    assert r.out(2) == 0
    r.write(0x61, 0x02)
    for _ in range(20):
        assert (r.out(2), r.s.peek("speaker.level"), r.s.inb(0x61) & 0x23) == (1, 1, 0x22)
        r.clk(1)


def test_writing_0_silences_the_speaker():
    """T5"""
    r = rig()
    r.write(0x61, 0x03)
    r.write(0x43, 0xB6)
    r.write(0x42, 4, 0)
    r.clk(1)
    r.write(0x61, 0x00)
    sounded = r.s.peek("speaker.edges")
    assert (r.s.peek("speaker.level"), r.s.peek("pit.ch2.gate")) == (0, 0)
    r.clk(100)
    assert (r.s.peek("speaker.level"), r.s.peek("speaker.edges")) == (0, sounded)


def test_the_high_nibble_cannot_be_written():
    """T6"""
    s = Session()
    before = s.inb(0x61) & 0xF0
    s.outb(0x61, 0xF3)
    assert s.inb(0x61) == before | 3


def test_refresh_differs_between_reads_18_clocks_apart():
    """T7: at every phase of the 18 clocks."""
    for phase in range(18):
        r = rig()
        r.clk(phase)
        first = refresh(r.s)
        changes, last = 0, first
        for _ in range(18):
            r.clk(1)
            changes += refresh(r.s) != last
            last = refresh(r.s)
        assert (last != first, changes) == (True, 1)


def test_refresh_toggles_66_times_in_the_first_millisecond():
    """T8"""
    s = Session()
    level, toggles = refresh(s), 0
    for us in range(1, 1001):
        s.skip_to(us * 1000)
        toggles += refresh(s) != level
        level = refresh(s)
    assert toggles == 66 == 10**6 // TOGGLE_NS
    assert sum(s.wave("refresh", 0, 1_000_000, 7).counts) == 66
    assert round(10**6 / TOGGLE_NS * 1000) == 66_288


def test_refresh_toggles_66287_times_in_the_first_second():
    """T9"""
    s = Session()
    s.skip("1s")
    assert sum(s.wave("refresh", 0, 10**9, 100).counts) == 66_287
    assert s.peek("refresh.edges") == 33_144
    assert s.peek("refresh.level") == 1
    assert round(10**9 / TOGGLE_NS * 10**6) == 66287_878788
    assert round(10**9 / TOGGLE_NS / 2 * 10**6) == 33143_939394


def test_kvm_derives_refresh_from_bit_14_of_the_nanoseconds():
    """T10"""
    s = Session(quirks={"refresh": "kvm_16us"})
    seen = []
    for ns in (16_383, 16_384, 32_767, 32_768):
        s.skip_to(ns)
        seen.append(refresh(s))
    assert seen == [0, 1, 1, 0]


def test_qemu_toggles_refresh_at_each_read():
    """T11"""
    s = Session(quirks={"refresh": "read_toggle"})
    assert [refresh(s) for _ in range(3)] == [1, 0, 1]
    s.skip("1ms")
    assert refresh(s) == 0


def calibrate(count, write_ns):
    """Linux' loop on channel 2: the first ns at which bit 5 reads 1."""
    s = Session()
    s.skip_to(write_ns)
    s.outb(0x61, (s.inb(0x61) & ~2) | 1)
    s.outb(0x43, 0xB0)
    s.outb(0x42, count & 0xFF)
    s.outb(0x42, count >> 8)
    assert s.inb(0x61) & 0x20 == 0
    ns, line = s.next_event()
    assert line == "pit.ch2.out"
    s.skip_to(ns - 1)
    assert s.inb(0x61) & 0x20 == 0
    s.skip_to(ns)
    assert s.inb(0x61) & 0x20 == 0x20
    return ns


def test_a_50_ms_calibration_ends_n_plus_1_pulses_after_the_write():
    """T12: a write at an edge waits for 59660 clocks, one just before an edge for 59659 and a little."""
    edge = pulse_ns(21 * 40)
    assert edge == 17_600 * 40
    assert calibrate(59659, edge) == pulse_ns(21 * 40 + 59660) == edge + 50_000_762
    assert calibrate(59659, edge - 1) == pulse_ns(21 * 40 + 59659) == edge + 49_999_924
    assert round(59660 / PIT_HZ * 10**9) == 50_000_762
    assert round(59659 / PIT_HZ * 10**9) == 49_999_924


def test_a_10_ms_calibration_ends_n_plus_1_pulses_after_the_write():
    """T13"""
    edge = pulse_ns(21 * 40)
    assert calibrate(11931, edge) == pulse_ns(21 * 40 + 11932)
    assert calibrate(11931, edge - 1) == pulse_ns(21 * 40 + 11931)
    assert round(11932 / PIT_HZ * 10**9) == 10_000_152
    assert round(11931 / PIT_HZ * 10**9) == 9_999_314


def test_a_gate_low_for_100_clocks_delays_mode0_by_100_clocks():
    """T14"""
    r = rig()
    r.write(0x61, 0x01)
    r.write(0x43, 0xB0)
    r.write(0x42, 0xE8, 0x03)
    r.clk(300)
    r.write(0x61, 0x00)
    r.clk(100)
    r.write(0x61, 0x01)
    assert r.s.next_event() == (pulse_ns(1001 + 100), "pit.ch2.out")
    r.s.skip_to(pulse_ns(1101) - 1)
    assert r.s.inb(0x61) & 0x20 == 0
    r.s.skip(1)
    assert r.s.inb(0x61) & 0x20 == 0x20
    assert round(100 / PIT_HZ * 10**10) == 838_095


def test_iochk_disable_holds_bit_6_clear():
    """T15"""
    s = Session()
    s.outb(0x61, 0x08)
    assert (s.inb(0x61) & 0x4F, s.peek("port61.nochk"), s.peek("port61.iochk")) == (0x08, 1, 0)


def test_serr_disable_holds_bit_7_clear():
    """T16"""
    s = Session()
    s.outb(0x61, 0x04)
    assert (s.inb(0x61) & 0x8F, s.peek("port61.noserr"), s.peek("port61.serr")) == (0x04, 1, 0)


def test_refresh_can_follow_channel_1():
    """T17: a toggle at each rise of OUT 1, every 36 clocks; the default ignores channel 1."""
    seen = {}
    for rule in ("out1", "clock"):
        r = rig(quirks={"refresh": rule})
        r.write(0x43, 0x54)
        r.write(0x41, 36)
        r.clk(1)
        level, toggles = refresh(r.s), []
        while len(toggles) < 4:
            r.clk(1)
            if refresh(r.s) != level:
                level ^= 1
                toggles.append(r.k)
        seen[rule] = toggles
    assert seen["out1"] == [37, 73, 109, 145]
    assert seen["clock"] == [18, 36, 54, 72]
    assert round(36 / PIT_HZ * 10**9) == 30_171
    assert round(TOGGLE_NS) == 15_086


def test_clearing_the_gate_raises_out_2_without_a_clock():
    """T20"""
    r = rig()
    r.write(0x61, 0x01)
    r.write(0x43, 0xB6)
    r.write(0x42, 4, 0)
    r.clk(3)
    assert r.s.inb(0x61) & 0x20 == 0
    r.write(0x61, 0x00)
    assert r.s.inb(0x61) & 0x20 == 0x20


def test_mode0_loads_but_does_not_count_while_the_gate_is_low():
    """T21"""
    r = rig()
    r.write(0x43, 0xB0)
    r.write(0x42, 10, 0)
    assert r.counts(2, 20) == [10] * 20
    r.gate(1)
    assert r.outs(2, 12) == [0] * 9 + [1] * 3


def test_an_iochk_asks_for_one_nmi_until_its_disable_bit_is_pulsed():
    """T18"""
    s = Session()
    s.nmi("iochk")
    assert s.inb(0x61) & 0xC0 == 0x40
    assert s.peek("lapic0.nmis") == 1
    s.nmi("iochk")
    assert s.peek("lapic0.nmis") == 1
    s.outb(0x61, 0x08)
    s.outb(0x61, 0x00)
    assert s.inb(0x61) & 0xC0 == 0
    s.nmi("serr")
    assert s.inb(0x61) & 0xC0 == 0x80
    assert s.peek("lapic0.nmis") == 2


def test_a_masked_nmi_comes_when_the_mask_goes():
    """T19"""
    s = Session()
    s.outb(0x70, 0x80)
    s.nmi("iochk")
    assert s.inb(0x61) & 0x40
    assert s.peek("lapic0.nmis") == 0
    s.outb(0x70, 0x00)
    assert s.peek("lapic0.nmis") == 1


def test_an_nmi_goes_through_lint1_once_the_apic_is_set_up():
    s = Session(vcpus=2)
    for vcpu, lint1 in ((0, 0x400), (1, 0x10400)):
        s.writel(0xFEE000F0, 0x1FF, vcpu)
        s.writel(0xFEE00360, lint1, vcpu)
    s.nmi("serr")
    assert [s.peek(f"lapic{vcpu}.nmis") for vcpu in (0, 1)] == [1, 0]
    s.reset()
    assert s.inb(0x61) & 0x80 == 0


def test_a_disabled_iochk_is_not_kept():
    s = Session()
    s.outb(0x61, 0x08)
    s.nmi("iochk")
    assert s.inb(0x61) & 0x40 == 0
    with pytest.raises(ValueError):
        s.nmi("what")
