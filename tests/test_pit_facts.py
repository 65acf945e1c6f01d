"""The numbered facts of the 8254 reference (T1 to T33), through the ports.

Clock k is pulse k of the 13125000/11 Hz grid; a write in slot 0 lies between pulses 0 and 1.
"""

from fractions import Fraction

from model8254 import PIT_HZ, Rig, pulse_ns

from timerlab import Session


def rig(**options):
    return Rig(Session(**options))


def digits(value: Fraction, places: int) -> int:
    """A value rounded to so many places, as an integer of its last place."""
    return round(value * 10**places)


def edges(s, line, n):
    """The next n edges of a line, by stepping from event to event: [(ns, level)]."""
    found, level = [], s.peek(line)
    while len(found) < n:
        ns, _ = s.next_event()
        s.skip_to(ns)
        if s.peek(line) != level:
            level ^= 1
            found.append((ns, level))
    return found


def test_count_0_in_mode2_is_65536_clocks_54_925_ms():
    """T1: at 13125000/11 Hz, and at 1193182 Hz as an option."""
    r = rig()
    r.write(0x43, 0x34)
    r.write(0x40, 0, 0)
    assert edges(r.s, "pit.ch0.out", 4) == [
        (pulse_ns(65536), 0),
        (pulse_ns(65537), 1),
        (pulse_ns(2 * 65536), 0),
        (pulse_ns(2 * 65536 + 1), 1),
    ]
    assert r.s.peek("pit.ch0.period") == 65536
    assert digits(65536 / PIT_HZ * 1000, 6) == 54_925410
    assert digits(PIT_HZ / 65536, 6) == 18_206510

    s = Session(pit_hz=1_193_182)
    s.outb(0x43, 0x34)
    s.outb(0x40, 0)
    s.outb(0x40, 0)
    (_, _), (first, up), (_, _), (second, _) = edges(s, "pit.ch0.out", 4)
    assert up == 1
    assert first == -(-65537 * 10**9 // 1_193_182)
    assert second == -(-(2 * 65536 + 1) * 10**9 // 1_193_182)
    assert digits(Fraction(65536_000, 1_193_182), 6) == 54_925401
    assert digits(Fraction(1_193_182, 65536), 6) == 18_206512


def test_mode2_count_11932_is_about_100_hz():
    """T2"""
    r = rig()
    r.write(0x43, 0x34)
    r.write(0x40, 0x9C, 0x2E)
    rises = [ns for ns, level in edges(r.s, "pit.ch0.out", 6) if level]
    assert rises == [pulse_ns(1 + 11932 * m) for m in (1, 2, 3)]
    assert digits(PIT_HZ / 11932, 6) == 99_998476
    assert digits(11932 / PIT_HZ * 1000, 6) == 10_000152


def test_a_thousand_ticks_of_count_1193_last_less_than_a_second():
    """T3"""
    r = rig()
    r.write(0x43, 0x34)
    r.write(0x40, 0xA9, 0x04)
    loaded = r.s.peek("irq.0.edges")
    r.s.skip_to(pulse_ns(1 + 1193 * 1000) - 1)
    assert r.s.peek("irq.0.edges") - loaded == 999
    r.s.skip(1)
    assert r.s.peek("irq.0.edges") - loaded == 1000
    assert digits(PIT_HZ / 1193, 6) == 1000_152404
    assert digits(1193 / PIT_HZ * 10**6, 6) == 999_847619
    assert digits(1193_000 / PIT_HZ * 1000, 6) == 999_847619


def test_channel_1_count_18_is_the_refresh_rate():
    """T4"""
    r = rig()
    r.write(0x43, 0x54)
    r.write(0x41, 18)
    rises = [ns for ns, level in edges(r.s, "pit.ch1.out", 6) if level]
    assert rises == [pulse_ns(1 + 18 * m) for m in (1, 2, 3)]
    assert digits(PIT_HZ / 18, 6) == 66287_878788
    assert digits(18 / PIT_HZ * 10**6, 6) == 15_085714


def test_mode3_count_2711_is_concert_pitch_one_clock_longer_high():
    """T5"""
    r = rig()
    r.gate(1)
    r.write(0x43, 0xB6)
    r.write(0x42, 0x97, 0x0A)
    assert edges(r.s, "pit.ch2.out", 4) == [
        (pulse_ns(1 + 1356), 0),
        (pulse_ns(1 + 2711), 1),
        (pulse_ns(1 + 2711 + 1356), 0),
        (pulse_ns(1 + 2 * 2711), 1),
    ]
    assert (r.s.peek("pit.ch2.high"), r.s.peek("pit.ch2.period")) == (1356, 2711)
    assert digits(PIT_HZ / 2711, 6) == 440_126086


def test_mode0_out_rises_n_plus_1_clocks_after_the_write():
    """T6"""
    r = rig()
    r.write(0x43, 0x30)
    r.write(0x40, 10, 0)
    assert r.status(0) == 0x70
    r.clk(1)
    assert (r.count(0), r.status(0)) == (10, 0x30)
    r.clk(9)
    assert (r.out(0), r.count(0)) == (0, 1)
    r.clk(1)
    assert (r.out(0), r.count(0)) == (1, 0)
    assert r.s.edge("pit.ch0.out", 0, +1) == (pulse_ns(11), 1)


def test_mode0_counts_on_below_zero():
    """T7"""
    r = rig()
    r.write(0x43, 0x30)
    r.write(0x40, 10, 0)
    r.clk(1 + 15)
    assert (r.count(0), r.out(0)) == (0xFFFB, 1)
    r.clk(65536)
    assert (r.count(0), r.out(0)) == (0xFFFB, 1)


def test_mode0_in_bcd_wraps_to_9999():
    """T8"""
    r = rig()
    r.write(0x43, 0x31)
    r.write(0x40, 0x10, 0x00)
    r.clk(1 + 15)
    assert r.count(0) == 0x9995


def test_mode1_pulse_lasts_n_clocks_and_a_retrigger_extends_it():
    """T9"""
    r = rig()
    r.write(0x43, 0x92)
    r.write(0x42, 5)
    r.clk(3)
    assert r.out(2) == 1
    r.gate(1)
    assert r.out(2) == 1
    assert r.outs(2, 7) == [0, 0, 0, 0, 0, 1, 1]

    r.gate(0)
    r.gate(1)
    first = r.outs(2, 3)
    r.gate(0)
    r.gate(1)
    assert first + r.outs(2, 7) == [0] * 8 + [1, 1]


def test_mode2_is_low_in_the_last_clock_of_the_period():
    """T10"""
    r = rig()
    r.write(0x43, 0x34)
    r.write(0x40, 4, 0)
    assert r.outs(0, 8) == [1, 1, 1, 0, 1, 1, 1, 0]
    assert r.counts(0, 8) == [4, 3, 2, 1, 4, 3, 2, 1]


def test_mode3_odd_count_is_high_one_clock_longer():
    """T11"""
    r = rig()
    r.write(0x43, 0x36)
    r.write(0x40, 5, 0)
    assert r.outs(0, 10) == [1, 1, 1, 0, 0, 1, 1, 1, 0, 0]


def test_mode3_counts_by_two():
    """T12"""
    r = rig()
    r.write(0x43, 0x36)
    r.write(0x40, 4, 0)
    assert r.counts(0, 4) == [4, 2, 4, 2]
    assert r.outs(0, 8) == [1, 1, 0, 0, 1, 1, 0, 0]


def test_mode4_strobes_once_n_plus_1_clocks_after_the_write():
    """T13"""
    r = rig()
    r.write(0x43, 0x38)
    r.write(0x40, 3, 0)
    assert r.outs(0, 8) == [1, 1, 1, 0, 1, 1, 1, 1]
    r.clk(65536)
    assert (r.out(0), r.s.peek("pit.ch0.out.edges")) == (1, 2)  # the control word's rise, and the strobe's end


def test_mode5_strobes_once_n_plus_1_clocks_after_the_trigger():
    """T14"""
    r = rig()
    r.write(0x43, 0xBA)
    r.write(0x42, 3, 0)
    r.clk(10)
    assert r.out(2) == 1
    r.gate(1)
    assert r.outs(2, 7) == [1, 1, 1, 0, 1, 1, 1]


def test_status_shows_null_until_the_count_is_loaded():
    """T15"""
    r = rig()
    r.write(0x43, 0x36)
    r.write(0x40, 0x34, 0x12)
    assert r.status(0) == 0xF6
    r.clk(1)
    assert r.status(0) == 0xB6


def test_a_latched_status_is_read_before_a_latched_count():
    """T16"""
    r = rig()
    r.write(0x43, 0x34)
    r.write(0x40, 0x34, 0x12)
    r.clk(1)
    r.write(0x43, 0xD2, 0xE2)
    r.clk(5)
    assert [r.read(0x40) for _ in range(5)] == [0xB4, 0x34, 0x12, 0x2F, 0x12]


def test_one_read_back_latches_status_and_count():
    """T17"""
    r = rig()
    r.write(0x43, 0x34)
    r.write(0x40, 0x34, 0x12)
    r.clk(1)
    r.write(0x43, 0xC2)
    r.clk(5)
    assert [r.read(0x40) for _ in range(5)] == [0xB4, 0x34, 0x12, 0x2F, 0x12]


def test_a_read_back_of_something_latched_is_ignored():
    """T18"""
    r = rig()
    r.gate(1)
    for channel in range(3):
        r.write(0x43, channel << 6 | 0x34)
        r.write(0x40 + channel, 0x00, 0x20)
    r.clk(1)
    latched = []
    for command in (0xC2, 0xE4, 0xEC, 0xD8, 0xC4, 0xE2):
        before = [(r.s.peek(f"pit.ch{i}.ol"), r.s.peek(f"pit.ch{i}.status")) for i in range(3)]
        r.write(0x43, command)
        after = [(r.s.peek(f"pit.ch{i}.ol"), r.s.peek(f"pit.ch{i}.status")) for i in range(3)]
        latched.append(
            "".join(
                f"{what}{i} "
                for i in range(3)
                for what, old, new in zip("CS", before[i], after[i], strict=True)
                if old != new
            )
        )
        r.clk(1)
    assert latched == ["C0 S0 ", "S1 ", "S2 ", "C2 ", "C1 ", ""]
    ce = 0x2000 - 6
    assert [r.read(0x40) for _ in range(5)] == [0xB4, 0x00, 0x20, ce & 0xFF, 0x1F]
    assert [r.read(0x41) for _ in range(5)] == [0xB4, 0xFC, 0x1F, ce & 0xFF, 0x1F]
    assert [r.read(0x42) for _ in range(5)] == [0xB4, 0xFD, 0x1F, ce & 0xFF, 0x1F]


def test_a_second_latch_command_does_not_move_the_first():
    """T19"""
    r = rig()
    r.write(0x43, 0x34)
    r.write(0x40, 0x34, 0x12)
    r.clk(1)
    r.write(0x43, 0x00)
    r.clk(10)
    r.write(0x43, 0x00)
    assert [r.read(0x40), r.read(0x40)] == [0x34, 0x12]
    assert [r.read(0x40), r.read(0x40)] == [0x2A, 0x12]


def test_mode0_first_byte_stops_the_count_and_drops_out_at_once():
    """T20"""
    r = rig()
    r.write(0x43, 0x30)
    r.write(0x40, 2, 0)
    r.clk(3)
    assert (r.out(0), r.count(0)) == (1, 0)
    r.write(0x40, 3)
    assert r.out(0) == 0
    r.clk(20)
    assert (r.out(0), r.count(0)) == (0, 0)
    r.write(0x40, 0)
    assert r.outs(0, 5) == [0, 0, 0, 1, 1]


def test_mode_fields_6_and_7_act_as_2_and_3_and_read_back_as_written():
    """T21"""
    r = rig()
    r.write(0x43, 0x3C)
    r.write(0x40, 4, 0)
    assert r.outs(0, 8) == [1, 1, 1, 0, 1, 1, 1, 0]
    assert r.status(0) & 0x3F == 0x3C
    r.write(0x43, 0x3E)
    r.write(0x40, 4, 0)
    assert r.outs(0, 8) == [1, 1, 0, 0, 1, 1, 0, 0]
    assert r.status(0) & 0x3F == 0x3E


def test_mode3_count_1193_is_high_597_and_low_596_clocks():
    """T22"""
    r = rig()
    r.write(0x43, 0x36)
    r.write(0x40, 0xA9, 0x04)
    assert edges(r.s, "pit.ch0.out", 3) == [
        (pulse_ns(1 + 597), 0),
        (pulse_ns(1 + 1193), 1),
        (pulse_ns(1 + 1193 + 597), 0),
    ]
    assert digits(PIT_HZ / 1193, 6) == 1000_152404


def test_mode3_odd_count_reads_even_on_intel_and_odd_on_harris():
    """T23"""
    for quirks, codes in ({}, [4, 2, 0, 4, 2, 4]), ({"odd_mode3": "harris"}, [5, 4, 2, 5, 2, 5]):
        r = rig(quirks=quirks)
        r.write(0x43, 0x36)
        r.write(0x40, 5, 0)
        seen = []
        for _ in range(6):
            r.clk(1)
            seen.append((r.count(0), r.out(0)))
        assert seen == list(zip(codes, [1, 1, 1, 0, 0, 1], strict=True))


def test_mode0_count_0_takes_65536_clocks():
    """T24"""
    r = rig()
    r.write(0x43, 0x30)
    r.write(0x40, 0, 0)
    r.clk(1)
    assert (r.count(0), r.out(0)) == (0, 0)
    r.clk(1)
    assert (r.count(0), r.out(0)) == (0xFFFF, 0)
    r.clk(65534)
    assert r.out(0) == 0
    r.clk(1)
    assert (r.k, r.count(0), r.out(0)) == (65537, 0, 1)


def test_status_between_control_word_and_count_has_null_set():
    """T25"""
    r = rig()
    r.write(0x43, 0xB0)
    assert r.status(2) == 0x70


def test_mode2_gate_low_raises_out_at_once_and_its_rise_starts_a_whole_period():
    """T26"""
    r = rig()
    r.gate(1)
    r.write(0x43, 0xB4)
    r.write(0x42, 4, 0)
    r.clk(4)
    assert (r.out(2), r.count(2)) == (0, 1)
    r.gate(0)
    assert r.out(2) == 1
    r.clk(5)
    assert (r.out(2), r.count(2)) == (1, 1)
    r.gate(1)
    assert r.count(2) == 1
    seen = []
    for _ in range(5):
        r.clk(1)
        seen.append((r.count(2), r.out(2)))
    assert seen == [(4, 1), (3, 1), (2, 1), (1, 0), (4, 1)]


def test_mode2_gate_glitch_between_two_pulses_reloads_once():
    """T27"""
    r = rig()
    r.write(0x43, 0xB4)
    r.write(0x42, 9, 0)
    r.gate(1)
    r.clk(4)
    r.gate(0)
    r.clk(2)
    assert r.count(2) == 6
    r.gate(1)
    r.gate(0)
    assert r.counts(2, 4) == [9, 9, 9, 9]


def test_mode1_trigger_before_the_count_is_ignored():
    """T28"""
    r = rig()
    r.write(0x43, 0x92)
    r.gate(1)
    r.clk(1)
    r.gate(0)
    r.write(0x42, 3)
    r.clk(6)
    assert (r.out(2), r.count(2, 1)) == (1, 0)
    r.gate(1)
    assert r.outs(2, 5) == [0, 0, 0, 1, 1]


def test_mode2_new_count_waits_for_reload():
    """T29"""
    r = rig()
    r.write(0x43, 0x34)
    r.write(0x40, 0xE8, 0x03)
    r.clk(1 + 100)
    assert r.count(0) == 900
    r.write(0x40, 0x10, 0x27)
    assert r.count(0) == 900
    rises = [ns for ns, level in edges(r.s, "pit.ch0.out", 6) if level]
    assert rises == [pulse_ns(1 + 1000), pulse_ns(1 + 11_000), pulse_ns(1 + 21_000)]


def test_a_latch_command_half_way_through_a_live_word_is_ignored():
    """T30"""
    r = rig()
    r.write(0x43, 0x36)
    r.write(0x40, 4, 0)
    r.clk(1)
    assert r.read(0x40) == 4
    r.write(0x43, 0x00)
    assert r.read(0x40) == 0
    r.clk(1)
    assert [r.read(0x40), r.read(0x40)] == [2, 0]


def test_port_43h_does_not_drive_the_bus():
    """T31"""
    r = rig()
    assert r.read(0x43) == 0xFF
    r.write(0x43, 0x34)
    assert r.read(0x43) == 0xFF


def test_bcd_counts_in_decades():
    """T32"""
    r = rig()
    r.write(0x43, 0x31)
    r.write(0x40, 0x00, 0x10)
    r.clk(1 + 10)
    assert r.count(0) == 0x0990


def test_an_hour_of_count_1193_has_3600548_whole_periods():
    """T33"""
    r = rig()
    r.write(0x43, 0x34)
    r.write(0x40, 0xA9, 0x04)
    before = r.s.peek("irq.0.edges")
    r.clk(1)
    assert r.count(0) == 1193
    r.s.skip_to(pulse_ns(1) + 3600 * 10**9)
    assert r.s.peek("irq.0.edges") - before == 3_600_548 == 3600 * PIT_HZ // 1193


# Power-on, and what pit_corners.md settles beside the numbered rows


def test_power_on_is_unprogrammed_with_out_low():
    s = Session()
    assert [s.peek(f"pit.ch{i}.gate") for i in range(3)] == [1, 1, 0]
    assert [s.peek(f"pit.ch{i}.out") for i in range(3)] == [0, 0, 0]
    assert [s.peek(f"pit.ch{i}.mode") for i in range(3)] == [None, None, None]
    s.outb(0x43, 0xEE)
    assert [s.inb(0x40 + i) for i in range(3)] == [0x40, 0x40, 0x40]
    assert [s.inb(0x40 + i) for i in range(3)] == [0, 0, 0]
    s.outb(0x40, 5)
    s.skip("1s")
    assert (s.inb(0x40), s.peek("irq.0.edges"), s.next_event()) == (0, 0, None)


def test_first_control_word_of_a_mode_above_0_raises_out():
    s = Session()
    s.outb(0x43, 0x30)
    assert (s.peek("pit.ch0.out"), s.peek("irq.0.edges")) == (0, 0)
    s.outb(0x43, 0x34)
    assert (s.peek("pit.ch0.out"), s.peek("irq.0.edges")) == (1, 1)


def test_pulses_come_from_the_grid_not_from_the_write():
    s = Session()
    s.skip_to(pulse_ns(1000) - 1)
    s.outb(0x43, 0x10)
    s.outb(0x40, 1)
    s.skip(1)
    assert s.peek("pit.ch0.null") == 0
    assert s.next_event()[0] == pulse_ns(1001)
    t = Session()
    t.skip_to(pulse_ns(1000))
    t.outb(0x43, 0x10)
    t.outb(0x40, 1)
    assert t.next_event()[0] == pulse_ns(1002)
