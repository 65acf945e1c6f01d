"""Ticks that QEMU's RTC and KVM's PIT make up for: their bookkeeping alone, and the same policies on the machine."""

import pytest
from modelfabric import HPET, apics, entry, hpet, pic, pit, read_c, rtc, session
from tickrig import MS, YEAR, C, Out, rig, see, taken

from timerlab import Session
from timerlab.devices.ticks_pit import KvmPit, interval_ns
from timerlab.devices.ticks_rtc import RtcSlew, drain, rescaled

# -- QEMU's RTC


def test_qemu_s_rtc_spreads_8_ticks_over_942_clocks():
    """T7: 64 Hz is 512 clocks; each division rounds down."""
    gaps = drain(512, 8)
    assert gaps == [64, 64, 73, 85, 102, 128, 170, 256]
    assert sum(gaps) == 942
    assert sum(gaps) * 10**9 // 32_768 == 28_747_558


def test_qemu_s_rtc_injects_20_at_reads_of_register_c_and_then_waits_for_a_tick():
    """T8."""
    chip = RtcSlew(512, n=100)
    assert [chip.read_c() for _ in range(21)] == [True] * 20 + [False]
    assert (chip.n, chip.burst) == (80, 20)
    assert chip.tick(delivered=True) is None
    assert chip.burst == 0
    assert chip.read_c()


def test_qemu_s_rtc_counts_missed_ticks_in_the_new_period():
    """T9; and the part of a period that is left makes the next one shorter."""
    chip = RtcSlew(512, n=8)
    assert (chip.rated(32), chip.n) == (32, 128)
    assert rescaled(8, 512, 1000, 100, slew=True) == (4, 1000 - 196)


def test_qemu_s_rtc_forgets_what_was_missed_without_a_rate():
    """T67."""
    chip = RtcSlew(512, n=8)
    assert (chip.rated(0), chip.n) == (0, 0)


@pytest.mark.parametrize(("since", "left"), [(0, 32), (10, 22), (500, 0)])
def test_qemu_s_rtc_carries_one_period_at_most_without_slewing(since, left):
    """T68."""
    assert rescaled(0, 512, 32, since, slew=False) == (0, left)


def test_an_extra_timer_of_qemu_s_rtc_is_armed_anew_with_what_is_left():
    chip = RtcSlew(512, n=2)
    assert chip.extra(delivered=False) == 170
    assert chip.extra(delivered=True) == 256
    assert chip.extra(delivered=True) is None
    assert chip.tick(delivered=False) == 256


def test_each_handler_reads_register_c_up_to_20_times_in_a_row():
    """T8 on the machine: 50 ms out leave 49 missed, and 20 come at once."""
    s = rig("slew_rtc")
    out = Out(s, [C])
    out.to(150_374_999)
    assert (taken(s), see(s, "pending")) == (121, 29)
    out.to(150_999_999)
    assert taken(s) == 126


def test_a_read_of_register_c_by_hand_brings_the_next_tick():
    s = session()
    apics(s)
    entry(s, 8, 0x38)
    s.machine.board.fabric.ticks.put("rtc", "slew_rtc")
    rtc(s)
    for _ in range(5):
        s.skip(MS)
        read_c(s)
    pending = see(s, "pending", "irq.8")
    assert pending >= 3
    assert s.inta() == 0x38
    ticks = s.machine.board.fabric.ticks
    ticks.rtc_read_c(s.now)
    assert see(s, "pending", "irq.8") == pending - 1
    ticks.rtc_rate(512, 32, 0, s.now)
    assert see(s, "pending", "irq.8") == (pending - 1) * 16
    ticks.rtc_rate(512, 0, 0, s.now)
    assert see(s, "pending", "irq.8") == 0


# -- KVM's PIT


def test_kvm_s_pit_interval_is_rounded_down():
    """T49."""
    assert interval_ns(1193) == 999_847
    chip = KvmPit()
    chip.load(2, 1193, 0)
    assert chip.expiries(10**10) == 10_001


def test_kvm_s_pit_has_a_shortest_period_but_no_longest_first_one():
    """T12."""
    chip = KvmPit()
    chip.load(2, 100, 0)
    assert [chip.expiry(k) for k in range(3)] == [83_809, 283_809, 483_809]
    assert [chip.expiries(ns) for ns in (83_808, 83_809, 283_808, 283_809)] == [0, 1, 1, 2]


def test_kvm_s_pit_has_no_timer_in_mode_5_and_under_hpet_legacy_replacement():
    chip = KvmPit()
    for mode, legacy, expiries in ((5, False, 0), (2, True, 0), (4, False, 1), (0, False, 1), (3, False, 10_001)):
        chip.load(mode, 1193, 0, legacy)
        assert chip.expiries(10**10) == expiries


def test_kvm_s_pit_keeps_what_expires_pending_until_the_eoi():
    chip = KvmPit()
    assert [chip.expire() for _ in range(3)] == [True, False, False]
    assert [chip.ack() for _ in range(3)] == [True, True, False]
    assert (chip.pending, chip.acked) == (0, True)
    chip.reinject = False
    assert [chip.expire() for _ in range(3)] == [True] * 3
    assert chip.pending == 0


def kvm_pit(policy="reinject", who="ideal"):
    """The board's PIT at 1193 clocks through the I/O APIC."""
    s = Session(guest=who, profile="qemu")
    s.outb(0x21, 0xFF)
    apics(s)
    entry(s, 2, 0x31)
    s.machine.board.fabric.ticks.put("pit", policy)
    pit(s)
    return s


def test_a_running_guest_has_nothing_pending():
    """T49 on the machine."""
    s = kvm_pit()
    s.skip("10s")
    assert (see(s, "pending", "irq.0"), see(s, "lag", "irq.0"), see(s, "lost", "irq.0")) == (0, 0, 0)
    assert see(s, "delivered", "irq.0") == see(s, "due", "irq.0") >= 10_000


def away(s):
    """The vCPU is out for the rest, with 31 due since."""
    Out(s, [(100_300_000, YEAR)]).to(131_500_000)
    assert see(s, "pending", "irq.0") in (30, 31, 32)


def test_unmasking_irq_0_forgets_what_is_pending():
    """T10: unmasking alone does, at either controller."""
    s = kvm_pit()
    away(s)
    entry(s, 2, 0x1_0031)
    assert see(s, "pending", "irq.0") >= 30
    entry(s, 2, 0x31)
    assert see(s, "pending", "irq.0") == 0
    assert s.machine.board.fabric.by_name["irq.0"].tick.state.acked
    s = kvm_pit()
    away(s)
    s.outb(0x21, 0xFE)
    assert see(s, "pending", "irq.0") == 0


def test_loading_the_count_forgets_what_is_pending():
    """T11."""
    s = kvm_pit()
    away(s)
    s.machine.board.fabric.ticks.reloaded(s.now)
    assert see(s, "pending", "irq.0") == 0
    assert s.machine.board.fabric.by_name["irq.0"].tick.state.acked


def test_without_reinjection_one_edge_is_latched():
    """T50."""
    s = rig("discard")
    Out(s, [C]).to(150_300_000)
    assert (see(s, "pending"), see(s, "lost"), taken(s)) == (0, 49, 101)


def test_an_eoi_by_a_register_write_injects_the_next():
    """The guest's own EOI, and not the model's."""
    s = rig("reinject", "manual")
    s.skip_to(10 * MS)
    for left in (10, 9, 8):
        assert see(s, "pending") == left
        assert s.inta() == 0x61
        assert s.inta() is None
        s.writel(0xFEE0_00B0, 0)
    assert see(s, "made_up") == 3


def test_the_8259s_deliver_reinjected_ticks():
    s = Session(guest="latency=20us")
    pic(s)
    s.machine.board.fabric.ticks.put("pit", "reinject")
    pit(s)
    Out(s, [C]).to(300 * MS)
    assert (see(s, "lag", "irq.0"), see(s, "late", "irq.0") > 40) == (0, True)


def test_hpet_legacy_ticks_are_the_pit_s_line():
    s = Session(guest="ideal")
    s.outb(0x21, 0xFF)
    apics(s)
    entry(s, 2, 0x61)
    hpet(s, 0, 0x4C, 100_000, 100_000)
    s.machine.board.fabric.ticks.put("irq.0", "reinject")
    s.writel(HPET + 0x10, 3)
    Out(s, [C]).to(200 * MS)
    assert see(s, "delivered", "irq.0") == 200


def test_the_chip_tells_of_its_rate_and_of_reads_of_register_c():
    """T8, T9, T67 through the ports."""
    s = session()
    apics(s)
    entry(s, 8, 0x38)
    rtc(s, 0x2A)
    s.machine.board.fabric.ticks.put("rtc", "slew_rtc")
    for _ in range(9):
        read_c(s)
        s.skip(15_625_000)
    read_c(s)
    assert (see(s, "due", "irq.8"), see(s, "pending", "irq.8")) == (9, 8)
    assert s.inta() == 0x38
    read_c(s)
    assert see(s, "pending", "irq.8") == 7
    rtc(s, 0x26)
    # half a period of 512 clocks after a tick: 8 of the new ones have gone by
    assert see(s, "pending", "irq.8") == 7 * 16 + 8
    rtc(s, 0x26, 0x02)
    assert see(s, "pending", "irq.8") == 0


def test_a_new_count_forgets_what_is_pending_when_its_second_byte_is_written():
    """T11 through the ports."""
    s = kvm_pit()
    away(s)
    s.outb(0x40, 0xA9)
    assert see(s, "pending", "irq.0") >= 30
    s.outb(0x40, 0x04)
    assert see(s, "pending", "irq.0") == 0
    assert s.machine.board.fabric.by_name["irq.0"].tick.state.acked
