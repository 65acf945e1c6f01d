"""The numbered facts of the HPET reference (T1 to T55), through its registers.

100 MHz, three timers, all of them periodic and 64 bits wide, route 2 alone, no messages, unless a test says so.
"""

from fractions import Fraction

from modelhpet import ALL, CAP, CNT, CONF, LOW, STA, Rig, tcmp, tconf, tfsb

from timerlab.devices.hpet import BASE, Route
from timerlab.devices.hpet_regs import regs_of
from timerlab.devices.hpet_words import read, wrote

MS, US, S = 10**6, 10**3, 10**9
TICK = 10
ICH_FS = 69_841_279


def ich():
    return Rig(ICH_FS, hpet_caps="ich")


def running(counter=0, **options):
    """A block that counts from `counter` on, now."""
    r = Rig(**options)
    r.writeq(CNT, counter)
    r.writel(CONF, 1)
    return r


def timer(r, n, conf, cmp):
    """Configure a timer and set its comparator."""
    r.writel(tconf(n), conf)
    r.writeq(tcmp(n), cmp)


def level_matched(**options):
    """T2 in level mode, matched at tick 100."""
    r = running(**options)
    timer(r, 2, 0x06, 100)
    r.skip(1 * US)
    return r


def test_the_capabilities_of_three_timers_at_100_mhz():
    """T1"""
    assert Rig().readq(CAP) == 0x0098_9680_8086_A201


def test_the_ich_counts_at_the_crystal():
    """T2"""
    r = ich()
    assert r.readl(CAP + 4) == 0x0429_B17F == ICH_FS
    assert round(Fraction(10**18, ICH_FS)) == 14_318_179_941


def test_the_longest_period_is_100_ns():
    """T3"""
    assert Rig(100_000_000).readl(CAP + 4) == 0x05F5_E100


def test_a_second_is_100_million_ticks():
    """T4"""
    r = running()
    r.skip(1 * S)
    assert r.readq(CNT) == 0x05F5_E100


def test_the_halted_counter_holds_and_can_be_written_and_the_running_one_not():
    """T5"""
    r = running()
    r.skip(1 * US)
    r.writel(CNT, 0)
    assert r.readq(CNT) == 100
    r.writel(CONF, 0)
    r.skip(1 * US)
    assert r.readq(CNT) == 100
    r.writeq(CNT, 7)
    assert r.readq(CNT) == 7


def test_a_running_counter_can_be_written_under_a_quirk():
    """The text leaves it open; hpet_write_running=taken."""
    r = running(hpet_write_running="taken")
    timer(r, 0, 0x04, 1005)
    r.skip(1 * US)
    r.writeq(CNT, 1000)
    r.skip(5 * TICK)
    assert (r.readq(CNT), r.rises(0)) == (1005, 1)


def test_the_low_half_wraps_after_43_s_or_300_s():
    """T6"""
    for r, us in ((running(), 42_949_673), (running(period_fs=ICH_FS), 299_966_009)):
        first = -(-(1 << 32) * r.chip.period_fs // 10**6)
        assert (first + 500) // 1000 == us
        r.skip_to(first - 1)
        assert r.readl(CNT) == LOW
        r.skip_to(first)
        assert r.readq(CNT) == 1 << 32


def test_a_one_shot_fires_once_and_keeps_its_comparator():
    """T7"""
    r = running()
    timer(r, 0, 0x04, 1_000_000)
    assert list(r.chip.next_event(r.now)) == [(10 * MS, "hpet.t0.out")]
    r.skip(1 * S)
    assert r.edges(0) == [(10 * MS, 1), (10 * MS + TICK, 0)]
    assert r.readq(tcmp(0)) == 1_000_000


def test_linux_starts_a_periodic_timer():
    """T8: comparator with VAL_SET, then the period."""
    c0, d = 5000, 400_000
    r = running(c0)
    r.writel(tconf(0), 0x14C)
    r.writel(tcmp(0), c0 + d)
    r.writel(tcmp(0), d)
    r.skip(10 * d * TICK)
    assert [ns for ns, level in r.edges(0) if level] == [k * d * TICK for k in range(1, 11)]


def test_the_comparator_moves_on_by_the_period():
    """T9"""
    r = Rig()
    timer(r, 0, 0x4C, 0x123)
    r.writeq(tcmp(0), 0x123)
    r.writel(CONF, 1)
    r.skip(0x123 * TICK)
    assert r.readq(tcmp(0)) == 0x246
    r.skip(0x123 * TICK)
    assert r.readq(tcmp(0)) == 0x369


def test_a_32_bit_comparator_moves_on_modulo_its_width():
    """T10"""
    r = Rig()
    r.writeq(CNT, 0xFFFE_FFFF)
    timer(r, 0, 0x14C, 0xFFFF_0000)
    r.writeq(tcmp(0), 0x20000)
    r.writel(CONF, 1)
    r.skip(0x10001 * TICK)
    assert r.readq(tcmp(0)) == 0x0001_0000


def test_a_new_period_leaves_the_match_that_is_due():
    """T11"""
    r = Rig()
    timer(r, 0, 0x4C, 600)
    r.writeq(tcmp(0), 300)
    r.writel(CONF, 1)
    r.skip(700 * TICK)
    assert r.readq(tcmp(0)) == 900
    r.writeq(tcmp(0), 500)
    assert (r.readq(tcmp(0)), r.peek("t0.period")) == (900, 500)
    r.skip(200 * TICK)
    assert r.readq(tcmp(0)) == 1400


def test_a_level_is_held_until_its_status_is_cleared():
    """T12"""
    r = level_matched()
    assert (r.readl(STA), r.level(2)) == (4, 1)
    r.skip(1 * S)
    assert r.level(2) == 1
    r.writel(STA, 4)
    assert (r.readl(STA), r.level(2)) == (0, 0)


def test_an_edge_leaves_no_status():
    """T13"""
    r = running()
    timer(r, 2, 0x04, 100)
    r.skip(1 * US)
    assert (r.readl(STA), r.rises(2)) == (0, 1)
    r.writel(STA, LOW)
    assert (r.readl(STA), r.level(2)) == (0, 1)


def test_the_status_is_set_without_int_enb():
    """T14; not under hpet_status=gated."""
    for quirks, sta in (({}, 4), ({"hpet_status": "gated"}, 0), ({"profile": "qemu"}, 0)):
        r = Rig(**quirks)
        r.writel(tconf(2), 0x02)
        r.writel(tcmp(2), 100)
        r.writel(tcmp(2) + 4, 0)
        r.writel(CONF, 1)
        r.skip(1 * US)
        assert (r.readl(STA), r.rises(2)) == (sta, 0)


def test_legacy_replacement_takes_irq_0_and_8_whatever_the_route():
    """T15, T16: outputs 0 and 1, and nothing of PIT and RTC."""
    r = Rig()
    r.writel(tconf(0), 2 << 9 | 4)
    assert r.chip.route(0) == Route("pin", 2)
    r.writel(CONF, 3)
    assert r.chip.legacy
    assert [r.chip.route(n) for n in (0, 1)] == [Route("legacy", 0), Route("legacy", 8)]
    timer(r, 0, 0x04, 100)
    timer(r, 1, 0x04, 100)
    r.skip(1 * US)
    assert (r.rises(0), r.rises(1)) == (1, 1)


def test_the_board_is_told_when_legacy_replacement_ends():
    """T17: PIT and RTC come back at that write."""
    r = Rig()
    r.writel(CONF, 3)
    r.skip(5)
    r.writel(CONF, 1)
    assert r.rewirings == [0, 5]
    assert not r.chip.legacy
    assert r.chip.route(0).kind != "legacy"
    r.writel(CONF, 1)
    assert r.rewirings == [0, 5]  # nothing changed


def test_a_message_takes_the_place_of_the_pin():
    """T18"""
    r = running(hpet_caps="fsb")
    assert r.readq(tconf(2)) & 1 << 15
    r.writeq(tfsb(2), 0xFEE0_1000 << 32 | 0x41)
    timer(r, 2, 2 << 9 | 0x4006, 100)
    assert r.chip.route(2) == Route("fsb", 0, 0xFEE0_1000, 0x41)
    r.skip(1 * US)
    assert (r.rises(2), r.readl(STA)) == (1, 0)


def test_the_routes_of_the_ich():
    """T19"""
    assert ich().readl(tconf(0) + 4) == 0x00F0_0000


def test_a_route_that_there_is_not_is_refused():
    """T20; hpet_config=stored keeps it."""
    r = Rig()
    r.writel(tconf(0), 2 << 9)
    r.writel(tconf(0), 20 << 9)
    assert r.readl(tconf(0)) >> 9 & 31 == 2
    r.writel(tconf(1), 20 << 9)
    assert r.chip.route(1) == Route("none")
    r = Rig(profile="qemu")
    r.writel(tconf(0), 0x3E00)
    assert r.readl(tconf(0)) == 0x3E30
    assert r.chip.route(0) == Route("pin", 31)


def test_100_us_at_14_mhz_are_1432_ticks():
    """T21"""
    assert round(Fraction(1432 * ICH_FS, 10**6)) == 100_013
    r = running(period_fs=ICH_FS)
    r.skip(100_013)
    assert r.readq(CNT) == 1432


def test_no_drift_is_modelled_which_is_within_the_limits():
    """T22: 500 ppm over a second, 2000 ppm over 100 us."""
    r = running(period_fs=ICH_FS)
    for span, ppm in ((100 * US, 2000), (1 * S, 500)):
        before = r.readq(CNT)
        r.skip(span)
        told = (r.readq(CNT) - before) * ICH_FS // 10**6
        assert abs(told - span) * 10**6 <= ppm * span


def test_two_halves_read_across_a_wrap_do_not_fit_together_and_a_whole_does():
    """T23"""
    r = running(LOW)
    low = r.readl(CNT)
    r.skip(TICK)
    high = r.readl(CNT + 4)
    assert high << 32 | low == (1 << 32) + LOW
    assert r.readq(CNT) == 1 << 32


def test_a_comparator_behind_the_counter_waits_for_the_wrap():
    """T24; hpet_match=deadline fires after a tick."""
    for quirks, rises in (({}, 0), ({"hpet_match": "deadline"}, 1)):
        r = running(1000, **quirks)
        timer(r, 0, 0x04, 5)
        r.skip(TICK - 1)
        assert r.rises(0) == 0
        r.skip(1)
        assert r.rises(0) == rises
        r.skip(3600 * S)
        assert r.rises(0) == rises
    r = running(1000)
    timer(r, 0, 0x04, 5)
    assert r.peek("t0.left") == (1 << 64) - 995


def test_a_match_beyond_the_32_bit_wrap_comes_once():
    """T25; under hpet_match=deadline also when the low half is all ones, a tick before it wraps."""
    for quirks, times in (({}, [320]), ({"hpet_match": "deadline"}, [150, 320])):
        r = Rig(**quirks)
        r.writeq(CNT, 0xFFFF_FFF0)
        timer(r, 0, 0x104, 0x10)
        r.writel(CONF, 1)
        r.skip(1 * MS)
        assert [ns for ns, level in r.edges(0) if level] == times


def test_comparators_are_all_ones_after_reset():
    """T26"""
    r = ich()
    assert r.readq(tcmp(0)) == ALL
    assert r.readq(tcmp(1)) == LOW
    timer(r, 0, 0x0C, 5)
    r.writel(CONF, 3)
    r.skip(1 * MS)
    r.chip.reset(r.now)
    assert (r.readq(tcmp(0)), r.readq(CONF), r.readq(CNT)) == (ALL, 0, 0)


def test_the_configuration_has_two_bits_and_one_without_legacy_replacement():
    """T27"""
    for quirks, bits in (({}, 3), ({"hpet_legacy": "absent"}, 1)):
        r = Rig(**quirks)
        r.writeq(CONF, ALL)
        assert r.readq(CONF) == bits
        assert r.readq(CAP) >> 15 & 1 == bits >> 1


def test_what_a_timer_takes_of_all_ones():
    """T28"""
    r = Rig()
    r.writel(tconf(0), LOW)
    assert r.readq(tconf(0)) == 0x0000_0004_0000_013E


def test_what_a_32_bit_one_shot_takes_of_all_ones():
    """T29"""
    r = ich()
    r.writel(tconf(1), LOW)
    assert r.readq(tconf(1)) == 0x00F0_0000_0000_0006


def test_the_ich_takes_route_20():
    """T30"""
    r = ich()
    r.writel(tconf(0), 0x2800)
    assert r.readq(tconf(0)) == 0x00F0_0000_0000_2830
    assert r.chip.route(0) == Route("pin", 20)


def test_comparator_then_period():
    """T31"""
    r = Rig()
    timer(r, 0, 0x4C, 500)
    r.writeq(tcmp(0), 200)
    r.writel(CONF, 1)
    for tick, rises, cmp in ((499, 0, 500), (500, 1, 700), (699, 1, 700), (700, 2, 900)):
        r.skip_to(tick * TICK)
        assert (r.rises(0), r.readq(tcmp(0))) == (rises, cmp)


def test_one_write_after_val_set_is_comparator_and_period():
    """T32; valset=accumulator leaves the period 0."""
    for quirks, cmp in (({}, 0x246), ({"valset": "accumulator"}, 0x123)):
        r = Rig(**quirks)
        timer(r, 0, 0x4C, 0x123)
        r.writel(CONF, 1)
        r.skip(0x123 * TICK)
        assert (r.rises(0), r.readq(tcmp(0))) == (1, cmp)


def test_val_set_reads_0():
    """T33; hpet_config=stored shows it until the comparator is written."""
    for quirks, bit in (({}, 0), ({"hpet_config": "stored"}, 0x40)):
        r = Rig(**quirks)
        r.writel(tconf(0), 0x4C)
        assert r.readl(tconf(0)) & 0x40 == bit
        r.writel(tcmp(0), 5)
        assert r.readl(tconf(0)) & 0x40 == 0


def test_a_64_bit_write_after_val_set_is_one_write():
    """T34; hpet_64bit=split loses VAL_SET half way."""
    for quirks, cmp in (({}, 0x186A0), ({"hpet_64bit": "split"}, 0xFFFF_FFFF_0001_86A0)):
        r = Rig(**quirks)
        timer(r, 0, 0x4C, 100_000)
        assert r.readq(tcmp(0)) == cmp


def test_val_set_is_good_for_one_half():
    """T35"""
    r = Rig()
    r.writel(tconf(0), 0x4C)
    r.writel(tcmp(0), 1)
    r.writel(tcmp(0) + 4, 0)
    assert (r.readl(tcmp(0)), r.readl(tcmp(0) + 4)) == (1, LOW)


def test_a_level_drops_while_the_block_is_disabled():
    """T36"""
    r = level_matched()
    levels = [r.level(2)]
    for enable in (0, 1):
        r.writel(CONF, enable)
        assert r.readl(STA) == 4
        levels.append(r.level(2))
    assert levels == [1, 0, 1]


def test_a_level_drops_while_int_enb_is_clear():
    """T37"""
    r = level_matched()
    r.writel(tconf(2), 0x02)
    assert (r.readl(STA), r.level(2)) == (4, 0)
    r.writel(tconf(2), 0x06)
    assert (r.readl(STA), r.level(2)) == (4, 1)


def test_writing_0_to_a_status_bit_does_nothing():
    """T38"""
    r = level_matched()
    r.writel(STA, 0xFFFF_FFFB)
    assert (r.readl(STA), r.level(2)) == (4, 1)


def test_two_matches_before_the_status_is_cleared_are_one_interrupt():
    """T39"""
    r = Rig()
    timer(r, 2, 0x4E, 100)
    r.writel(CONF, 1)
    r.skip(250 * TICK)
    assert r.peek("t2.matches") == 2
    r.writel(STA, 4)
    assert (r.readl(STA), r.level(2), r.rises(2)) == (0, 0, 1)


def test_a_switch_to_edge_clears_the_status():
    """T40"""
    r = level_matched()
    r.writel(tconf(2), 0x04)
    assert (r.readl(STA), r.level(2)) == (0, 0)


def test_a_counter_moved_past_the_comparator_matches_nothing():
    """T41"""
    r = Rig()
    timer(r, 0, 0x4C, 500)
    r.writeq(tcmp(0), 200)
    r.writeq(CNT, 600)
    r.writel(CONF, 1)
    r.skip(1000 * TICK)
    assert (r.peek("t0.matches"), r.readq(tcmp(0))) == (0, 500)


def test_a_comparator_equal_to_the_counter_does_not_match():
    """T42"""
    r = running(1000)
    timer(r, 0, 0x04, 1000)
    assert r.peek("t0.left") == 1 << 64
    r.skip(TICK - 1)
    r.writeq(tcmp(0), 1000)
    r.writeq(tcmp(0), 1001)
    r.skip(1)
    assert r.edges(0) == [(TICK, 1)]


def test_32mode_cuts_the_comparator_for_good():
    """T43"""
    r = Rig()
    r.writeq(tcmp(0), 0x1_2345_6789)
    for conf in (0x100, 0):
        r.writel(tconf(0), conf)
        assert r.readq(tcmp(0)) == 0x2345_6789


def test_a_32_bit_one_shot_matches_at_each_turn_of_the_counter():
    """T44"""
    r = running()
    timer(r, 0, 0x104, 7)
    r.skip(100 * S)
    ups = [ns for ns, level in r.edges(0) if level]
    assert ups == [70, 70 + (TICK << 32), 70 + (TICK << 33)]
    assert (ups[1] - ups[0] + 500) // US == 42_949_673


def test_legacy_replacement_cuts_the_pit_off_even_where_the_timers_say_nothing():
    """T45, T46: without ENABLE, and without INT_ENB."""
    r = Rig()
    r.writel(CONF, 2)
    assert r.chip.legacy
    timer(r, 0, 0x04, 100)
    r.skip(1 * MS)
    assert r.rises(0) == 0
    r.writel(tconf(0), 0x00)
    r.writel(CONF, 3)
    r.skip(1 * MS)
    assert r.chip.legacy
    assert (r.rises(0), r.peek("t0.matches")) == (0, 1)


def test_legacy_replacement_leaves_t2_on_its_route():
    """T47"""
    r = Rig()
    r.writel(tconf(2), 2 << 9 | 4)
    r.writel(CONF, 3)
    assert r.chip.route(2) == Route("pin", 2)


def test_there_is_no_timer_after_the_last():
    """T48; hpet_beyond=one_more has one."""
    for quirks, value in (({}, 0), ({"hpet_beyond": "one_more"}, 0x1234)):
        r = Rig(**quirks)
        r.writel(tcmp(3), 0x1234)
        assert r.readl(tcmp(3)) == value
        r.writel(tcmp(4), 0x1234)
        assert r.readl(tcmp(4)) == 0


def test_narrow_and_crooked_reads_give_0():
    """T49"""
    r = Rig()
    assert [r.read(CAP, 8), r.read(CAP, 16), r.read(2, 32), r.read(4, 64)] == [0, 0, 0, 0]
    r.write(CONF, 1, 8)
    r.write(CONF, 1, 16)
    assert r.readq(CONF) == 0


def test_the_capabilities_are_read_in_halves_and_not_written():
    """T50"""
    r = Rig()
    assert r.readl(4) == 0x0098_9680
    r.writeq(CAP, 0)
    assert r.readl(4) == 0x0098_9680


def test_the_counter_counts_while_it_is_enabled_only():
    """T51"""
    r = Rig()
    r.writeq(CNT, 1000)
    seen = [r.readq(CNT)]
    r.skip(1 * MS)
    seen.append(r.readq(CNT))
    for enable in (1, 0):
        r.writel(CONF, enable)
        r.skip(1 * US)
        seen.append(r.readq(CNT))
    assert seen == [1000, 1000, 1100, 1100]


def test_a_new_comparator_fires_a_one_shot_again():
    """T52"""
    r = running()
    timer(r, 2, 0x04, 100)
    r.skip(200 * TICK)
    r.writeq(tcmp(2), 300)
    r.skip(200 * TICK)
    assert [ns for ns, level in r.edges(2) if level] == [100 * TICK, 300 * TICK]


def test_equal_comparators_fire_together_the_lower_index_first():
    """T53"""
    r = running()
    order = []
    for n in (1, 0):
        r.lines[n].sinks.append(lambda train, n=n: order.append(n))
        timer(r, n, 0x04, 100)
    assert list(r.chip.next_event(0)) == [(1000, "hpet.t0.out"), (1000, "hpet.t1.out")]
    r.skip(1 * US)
    assert order == [0, 1]
    assert r.edges(0) == r.edges(1) == [(1000, 1)]


def test_a_second_at_16_mhz_is_a_tick_short_of_2_to_the_24():
    """T54: the period is rounded up to a femtosecond."""
    r = running(period_fs=59_604_645)
    r.skip(1 * S)
    assert r.readq(CNT) == 16_777_215


def test_the_slowest_counter_turns_after_429_s():
    """T55"""
    r = running(period_fs=100_000_000)
    timer(r, 0, 0x104, 0)
    assert list(r.chip.next_event(0)) == [(100 << 32, "hpet.t0.out")]
    assert ((100 << 32) + 500) // US == 429_496_730


# -- QEMU's deviations as they were measured, under its profile


def test_qemu_fsb_en_is_kept_without_the_capability():
    """F38"""
    r = Rig(profile="qemu")
    r.writel(tconf(0), 0x4000)
    assert r.readl(tconf(0)) == 0x4030


def test_qemu_val_set_and_the_split_write():
    """F36, F37"""
    r = Rig(profile="qemu")
    r.writel(tconf(0), 0x48)
    assert r.readl(tconf(0)) == 0x78
    r.writel(tconf(0), 0x4C)
    r.writeq(tcmp(0), 0x186A0)
    assert r.readq(tcmp(0)) == 0xFFFF_FFFF_0001_86A0


def test_qemu_fires_twice_a_period():
    """F42: 20 rises in 10 periods; the second a tick after the first."""
    r = Rig(profile="qemu")
    r.writel(tconf(0), 0x44C)
    r.writel(tcmp(0), 0x186A0)
    r.writel(tconf(0), 0x44C)
    r.writel(tcmp(0) + 4, 0)
    r.writel(tconf(0), 0x44C)
    r.writel(tcmp(0), 0x186A0)
    r.writel(CONF, 1)
    r.skip(10_000_500)
    ups = [ns for ns, level in r.edges(0) if level]
    assert ups == [at for k in range(1, 11) for at in (k * MS, k * MS + TICK)]


def test_qemu_keeps_the_part_of_a_tick_in_which_a_timer_was_set():
    """Set 7 ns into a tick, it fires 7 ns into one; before that the FFFFFFFFh of 32MODE was behind the counter."""
    r = Rig(profile="qemu")
    r.writel(tconf(0), 0x104)
    r.writel(CONF, 1)
    r.skip(107)
    r.writel(tcmp(0), 20)
    r.skip(1 * US)
    assert [ns for ns, level in r.edges(0) if level] == [10, 207]


def test_qemu_takes_what_is_reserved_for_nothing():
    """F44"""
    r = Rig(profile="qemu")
    r.writel(CONF, 0xFFFF_FFFC)
    r.writel(CONF + 4, LOW)
    r.writel(tconf(0), LOW)
    assert (r.readq(CONF), r.readl(tconf(0))) == (0, 0x7F7E)


def test_qemu_level_status_goes_with_int_enb_and_enable():
    """F46, and the status that ends with INT_ENB or ENABLE."""
    for end in ((STA, 1), (tconf(0), 0x402), (CONF, 0)):
        r = Rig(profile="qemu")
        r.writel(tconf(0), 0x406)
        r.writel(tcmp(0) + 4, 0)
        r.writel(tcmp(0), 1000)
        r.writel(CONF, 1)
        r.skip(20 * US)
        assert (r.readl(STA), r.level(0)) == (1, 1)
        r.writel(*end)
        assert (r.readl(STA), r.level(0)) == (0, 0)


# -- the tables and the words


def test_every_bit_of_every_register_is_in_one_field():
    for reg in regs_of(32):
        for layout in reg.layouts:
            masks = [f.mask for f in layout.fields]
            assert sum(masks) == (1 << reg.width) - 1
            assert reg.peek in Rig(timers=32).chip.peek(0)


def test_the_registers_read_what_the_peeks_show():
    r = running(timers=24)
    timer(r, 5, 0x4C, 100)
    r.skip(55)
    for reg in regs_of(24):
        assert r.readq(reg.address - BASE) == r.peek(reg.peek.removeprefix("hpet."))


def test_accesses_in_words():
    r = Rig()

    def do(offset, value, width=32):
        before = r.chip.peek(r.now)
        r.write(offset, value, width)
        return wrote(BASE + offset, value, before, r.chip.peek(r.now))

    def look(offset, width=32):
        before = r.chip.peek(r.now)
        return read(BASE + offset, r.read(offset, width), before)

    assert do(tconf(0), 0x4C) == "T0 periodic edge route 0 INT_ENB, the next CMP sets the comparator"
    assert do(tcmp(0), 500, 64) == "T0 periodic, comparator 500, period 500; the counter stands"
    assert do(CONF, 3) == "the counter runs, PIT and RTC are cut off, T0 is IRQ 0, T1 is IRQ 8"
    assert do(tcmp(0), 400, 64) == "T0 periodic, period 400; next match in 5.000 µs"
    assert do(tconf(2), 0x4006 | 20 << 9) == "T2 one-shot level route 0 INT_ENB; FSB_EN route 20 refused"
    assert do(tcmp(2), 10, 64) == "T2 one-shot, comparator 10; next match in 100 ns"
    r.skip(1 * US)
    assert do(CNT, 5) == "the counter runs, ignored"
    assert look(STA) == "status: T2"
    assert do(STA, 4) == "T2 cleared"
    assert do(STA, 4) == "no status was set"
    assert look(CNT, 64) == "counter, 100"
    assert look(CAP) == "capabilities: 3 timers, 10 ns a tick"
    assert look(tcmp(0)) == "T0 comparator, 500"
    assert look(CONF) == "configuration: LEG_RT ENABLE"
    assert do(CONF, 0) == "the counter stands at 100, PIT and RTC are connected"
    assert do(CNT, 7) == "counter 7"
    assert do(CAP, 7) == "read-only"
    assert do(tfsb(0), 7) == "T0 sends no messages, ignored"
    assert do(0x168, 7) == "nothing is here, ignored"


def test_outputs_that_move_are_named_where_they_can_be_seen():
    r = level_matched()
    before = r.chip.peek(r.now) | {"hpet.t2.out.level": 1}
    r.writel(STA, 4)
    after = r.chip.peek(r.now) | {"hpet.t2.out.level": 0}
    assert wrote(BASE + STA, 4, before, after) == "T2 cleared, T2 output falls"


def test_every_access_has_words():
    for options in ({}, {"profile": "qemu"}, {"hpet_caps": "fsb"}):
        r = Rig(**options)
        for offset in range(0x200):
            before = r.chip.peek(r.now)
            assert read(BASE + offset, r.read(offset, 32), before)
            r.write(offset, 0x4C, 32)
            assert wrote(BASE + offset, 0x4C, before, r.chip.peek(r.now))
