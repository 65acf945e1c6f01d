"""The numbered facts of the 8259 reference (T1 to T16, T25 to T50), and what the quirks change."""

from __future__ import annotations

import pytest

from timerlab.devices.pic import Ack, Pic
from timerlab.devices.pic_regs import REGS
from timerlab.devices.pic_words import read as read_words
from timerlab.devices.pic_words import wrote as wrote_words
from timerlab.interrupt import Outcome
from timerlab.quirks import resolve

NEW, MERGED, HELD, LOST = Outcome.NEW, Outcome.MERGED, Outcome.HELD, Outcome.LOST


class Rig:
    """A pair, initialised as a PC's firmware does unless told otherwise."""

    def __init__(self, master=0x08, slave=0x70, icw4=0x01, slave_icw4=0x01, profile="datasheet", **quirks):
        self.pic = Pic(resolve(profile, quirks))
        self.start(0x20, master, 4, icw4)
        self.start(0xA0, slave, 2, slave_icw4)

    def out(self, port, *values):
        for value in values:
            self.pic.write(port, value, 0)

    def inb(self, port):
        return self.pic.read(port, 0)

    def start(self, port, base, icw3, icw4, icw1=0x11):
        self.out(port, icw1)
        self.out(port + 1, base, icw3, icw4)

    def up(self, *irqs):
        return [self.pic.raise_line(irq) for irq in irqs][-1]

    def down(self, *irqs):
        for irq in irqs:
            self.pic.lower_line(irq)

    def pulse(self, *irqs):
        for irq in irqs:
            self.up(irq)
            self.down(irq)

    def inta(self):
        """The vector of an INTA that the CPU runs because it sees INT; None where it does not."""
        return self.pic.inta().vector if self.pic.intr else None

    def serve(self, *irqs):
        """Edges that are taken at once."""
        for irq in irqs:
            self.up(irq)
            assert self.inta() is not None
            self.down(irq)

    def isr(self, port=0x20):
        self.out(port, 0x0B)
        return self.inb(port)

    def irr(self, port=0x20):
        self.out(port, 0x0A)
        return self.inb(port)

    def order(self):
        lowest = self.pic.peek(0)["pic.master.lowest"]
        return [(lowest + 1 + i) % 8 for i in range(8)]


def test_the_masters_vector_base_is_icw2_and_icw1_opens_all_masks():
    """T1"""
    r = Rig()
    r.out(0x21, 0xFF)
    r.out(0x20, 0x11)
    assert r.inb(0x21) == 0x00
    r.out(0x21, 0x08, 0x04, 0x01)
    assert r.up(0) is NEW
    assert r.inta() == 0x08


def test_the_slaves_vector_base_is_icw2():
    """T2"""
    r = Rig()
    r.up(8)
    assert r.inta() == 0x70


def test_an_interrupt_of_the_slave_is_in_service_in_both_chips():
    """T3"""
    r = Rig(0x20, 0x28)
    r.up(8)
    assert r.pic.inta() == Ack(0x28, 8, False)
    assert (r.isr(0x20), r.isr(0xA0)) == (0x04, 0x01)


def test_a_request_is_latched_one_deep_while_its_level_is_in_service():
    """T4"""
    r = Rig()
    r.serve(0)
    assert r.up(0) is NEW
    assert r.irr() == 0x01
    r.down(0)
    assert r.up(0) is MERGED
    assert r.inta() is None
    r.out(0x20, 0x20)
    assert r.inta() == 0x08
    r.out(0x20, 0x20)
    assert r.inta() is None


def test_the_lower_number_is_served_first():
    """T5"""
    r = Rig()
    r.up(1, 0)
    assert r.inta() == 0x08
    assert r.inta() is None
    r.out(0x20, 0x20)
    assert r.inta() == 0x09


def test_a_non_specific_eoi_clears_the_highest_priority_in_service():
    """T6"""
    r = Rig()
    r.serve(8, 0)
    assert r.isr() == 0x05
    r.out(0x20, 0x20)
    assert r.isr() == 0x04


def test_a_specific_eoi_clears_the_level_that_it_names():
    """T7"""
    r = Rig()
    r.serve(8, 0)
    r.out(0x20, 0x62)
    assert r.isr() == 0x01


def test_ocw3_selects_isr_or_irr_until_it_selects_again():
    """T8"""
    r = Rig()
    r.serve(0)
    r.up(3)
    r.out(0x20, 0x0B)
    assert [r.inb(0x20), r.inb(0x20)] == [0x01, 0x01]
    r.out(0x20, 0x0A)
    assert [r.inb(0x20), r.inb(0x20)] == [0x08, 0x08]


def test_set_priority_names_the_lowest_level():
    """T9"""
    r = Rig()
    r.out(0x20, 0xC3)
    assert r.order() == [4, 5, 6, 7, 0, 1, 2, 3]
    r.up(3, 4)
    assert r.inta() == 0x0C


def test_rotating_on_an_eoi_makes_the_ended_level_the_lowest():
    """T10"""
    r = Rig()
    r.serve(8)
    r.out(0x20, 0xA0)
    assert r.order() == [3, 4, 5, 6, 7, 0, 1, 2]


def test_a_line_that_falls_before_inta_leaves_a_spurious_seven():
    """T11"""
    r = Rig(edge="withdraw")
    r.up(0)
    assert (r.pic.intr, r.pic.withdrawn) == (True, False)
    r.down(0)
    assert (r.pic.intr, r.pic.withdrawn) == (False, True)
    assert r.pic.inta() == Ack(0x0F, 7, True)
    assert not r.pic.withdrawn
    assert r.isr() == 0x00
    r.up(8)
    r.down(8)
    assert r.pic.inta() == Ack(0x77, 15, True)
    assert (r.isr(0x20), r.isr(0xA0)) == (0x04, 0x00)


def test_a_masked_edge_waits_in_irr_and_is_delivered_when_it_is_unmasked():
    """T12"""
    r = Rig()
    r.out(0x21, 0xFF)
    assert r.up(0) is HELD
    assert (r.irr(), r.inta()) == (0x01, None)
    r.out(0x21, 0xFE)
    assert r.inta() == 0x08


@pytest.mark.parametrize(("port", "kept"), [(0x4D0, 0xF8), (0x4D1, 0xDE)])
def test_the_elcr_keeps_the_system_lines_edge_triggered(port, kept):
    """T13, T14"""
    r = Rig()
    r.out(port, 0xFF)
    assert r.inb(port) == kept


def test_automatic_eoi_leaves_no_bit_in_service():
    """T15"""
    r = Rig(icw4=0x03)
    for _ in range(3):
        r.pulse(0)
        assert r.inta() == 0x08
        assert r.isr() == 0x00


def test_a_poll_gives_the_level_and_acknowledges_it():
    """T16"""
    r = Rig()
    r.up(5)
    r.out(0x20, 0x0C)
    assert r.inb(0x20) == 0x85
    assert (r.isr(), r.irr()) == (0x20, 0x00)


def test_a_single_chip_wants_no_icw3():
    """T25"""
    r = Rig()
    r.out(0x20, 0x13)
    r.out(0x21, 0x20, 0x01, 0xAA)
    seen = r.pic.peek(0)
    assert (seen["pic.master.imr"], seen["pic.master.base"]) == (0xAA, 0x20)


def test_without_ic4_there_is_no_icw4_and_its_modes_are_off():
    """T26"""
    r = Rig(icw4=0x13)
    r.out(0x20, 0x10)
    r.out(0x21, 0x20, 0x04, 0x55)
    seen = r.pic.peek(0)
    assert (seen["pic.master.imr"], seen["pic.master.aeoi"], seen["pic.master.sfnm"]) == (0x55, 0, 0)


def test_a_line_that_is_high_at_icw1_must_fall_and_rise_again():
    """T27"""
    r = Rig()
    r.up(0)
    r.start(0x20, 0x08, 4, 1)
    assert r.inta() is None
    r.down(0)
    assert r.up(0) is NEW
    assert r.inta() == 0x08


def test_icw1_selects_irr_and_clears_isr():
    """T28"""
    r = Rig()
    r.serve(0)
    assert r.isr() == 0x01
    r.up(3)
    r.start(0x20, 0x08, 4, 1)
    r.down(3)
    r.up(4)
    assert r.inb(0x20) == 0x10
    assert r.isr() == 0x00


def test_special_mask_mode_lets_lower_levels_through_a_masked_handler():
    """T29"""
    r = Rig()
    r.serve(0)
    r.up(3)
    assert r.inta() is None
    r.out(0x21, 0x01)
    assert r.inta() is None
    r.out(0x20, 0x68)
    assert r.inta() == 0x0B
    assert r.isr() == 0x09


@pytest.mark.parametrize(("value", "left"), [("skipped", 0x01), ("cleared", 0x00)])
def test_a_non_specific_eoi_in_special_mask_mode_passes_over_masked_levels(value, left):
    """T30"""
    r = Rig(pic_special_mask=value)
    r.serve(0)
    r.out(0x20, 0x68)
    r.out(0x21, 0x01)
    r.out(0x20, 0x20)
    assert r.isr() == left
    r.out(0x20, 0x60)
    assert r.isr() == 0x00


def test_ocw3_without_esmm_leaves_the_special_mask_alone():
    """T31"""
    r = Rig()
    r.out(0x20, 0x68, 0x08)
    assert r.pic.peek(0)["pic.master.smm"] == 1
    r.out(0x20, 0x48)
    assert r.pic.peek(0)["pic.master.smm"] == 0
    r.out(0x20, 0x08)
    assert r.pic.peek(0)["pic.master.smm"] == 0


def test_ocw3_without_rr_keeps_the_selection():
    """T32"""
    r = Rig()
    r.serve(0)
    r.out(0x20, 0x0B, 0x08)
    assert r.inb(0x20) == 0x01


@pytest.mark.parametrize(("value", "byte"), [("zero", 0x00), ("seven", 0x07)])
def test_a_poll_with_nothing_pending_has_bit_7_clear(value, byte):
    """T33"""
    r = Rig(pic_poll_empty=value)
    r.out(0x20, 0x0C)
    assert r.inb(0x20) == byte
    assert r.isr() == 0x00


def test_either_port_answers_a_poll():
    """T34"""
    r = Rig()
    r.up(8)
    r.out(0xA0, 0x0C)
    assert r.inb(0xA1) == 0x80
    assert r.inb(0xA1) == 0x00
    assert r.isr(0xA0) == 0x01


def test_polling_the_master_leaves_the_slave_to_be_polled_too():
    """T35"""
    r = Rig()
    r.up(8)
    r.out(0x20, 0x0C)
    assert r.inb(0x20) == 0x82
    assert (r.isr(0x20), r.isr(0xA0)) == (0x04, 0x00)
    r.out(0xA0, 0x0C)
    assert r.inb(0xA0) == 0x80
    assert r.isr(0xA0) == 0x01


def test_a_poll_comes_before_the_register_that_the_same_ocw3_selects():
    """T36"""
    r = Rig()
    r.up(5)
    r.out(0x20, 0x0F)
    assert [r.inb(0x20), r.inb(0x20)] == [0x85, 0x20]


def test_rotation_in_aeoi_mode_makes_the_taken_level_the_lowest():
    """T37"""
    r = Rig(icw4=0x03)
    r.out(0x20, 0x80)
    r.pulse(5)
    assert r.inta() == 0x0D
    r.pulse(5, 6)
    assert r.inta() == 0x0E
    assert r.inta() == 0x0D
    r.out(0x20, 0x00)
    order = r.order()
    r.pulse(3)
    assert r.inta() == 0x0B
    assert r.order() == order == [6, 7, 0, 1, 2, 3, 4, 5]


def test_a_non_specific_eoi_goes_by_the_rotated_order():
    """T38"""
    r = Rig()
    r.serve(5, 1)
    assert r.isr() == 0x22
    r.out(0x20, 0xC3, 0x20)
    assert r.isr() == 0x02


def test_nesting_goes_by_the_rotated_order():
    """T39"""
    r = Rig()
    r.out(0x20, 0xC3)
    r.serve(5)
    r.up(3)
    assert r.inta() is None
    r.up(4)
    assert r.inta() == 0x0C


def test_rotating_on_a_specific_eoi():
    """T40"""
    r = Rig()
    r.serve(4)
    r.out(0x20, 0xE4)
    assert r.isr() == 0x00
    assert r.order() == [5, 6, 7, 0, 1, 2, 3, 4]


def test_rotating_on_an_eoi_of_nothing_turns_nothing():
    """T41"""
    r = Rig()
    order = r.order()
    r.out(0x20, 0xA0)
    assert r.order() == order


def test_without_sfnm_the_masters_bit_2_blocks_the_whole_slave():
    """T42"""
    r = Rig()
    r.serve(12)
    r.up(8)
    assert r.inta() is None
    r.out(0x20, 0x20)
    assert r.inta() == 0x70


def test_with_sfnm_a_higher_level_of_the_slave_gets_through():
    """T43"""
    r = Rig(icw4=0x11)
    r.serve(12)
    r.up(8)
    assert r.inta() == 0x70
    assert (r.isr(0xA0), r.isr(0x20)) == (0x11, 0x04)


@pytest.mark.parametrize(("value", "vector"), [("lower_blocked", None), ("all_pass", 0x0B)])
def test_with_sfnm_what_is_lower_still_waits(value, vector):
    """T44"""
    r = Rig(icw4=0x11, pic_sfnm=value)
    r.serve(12)
    r.up(13)
    assert r.inta() is None
    r.up(3)
    assert r.inta() == vector


def test_a_slaves_line_that_falls_before_inta_gives_the_slaves_spurious_vector():
    """T45"""
    r = Rig(edge="withdraw")
    r.up(10)
    r.down(10)
    assert r.inta() == 0x77
    assert (r.isr(0x20), r.isr(0xA0)) == (0x04, 0x00)
    r.pic.eoi(15, 0, spurious=True)
    assert r.isr(0x20) == 0x00


def test_a_handler_tells_a_real_seven_by_isr():
    """T46"""
    r = Rig()
    r.up(7)
    assert r.pic.inta() == Ack(0x0F, 7, False)
    assert r.isr() == 0x80
    r.out(0x20, 0x20)
    assert r.pic.inta() == Ack(0x0F, 7, True)
    assert r.isr() == 0x00


def test_a_spurious_seven_while_a_real_one_is_served_wants_no_eoi():
    """T47"""
    r = Rig()
    r.serve(7)
    ack = r.pic.inta()
    assert ack == Ack(0x0F, 7, True)
    assert r.isr() == 0x80
    r.pic.eoi(ack.irq, 0, ack.spurious)
    assert r.isr() == 0x80
    r.pic.eoi(7, 0)
    assert r.isr() == 0x00


def test_a_level_line_asks_for_as_long_as_it_is_high():
    """T48"""
    r = Rig()
    r.out(0x4D0, 0x08)
    assert r.up(3) is NEW
    assert r.inta() == 0x0B
    assert r.irr() == 0x08
    assert r.inta() is None
    r.out(0x20, 0x20)
    assert r.pic.intr
    r.down(3)
    assert (r.pic.intr, r.irr(), r.pic.pending(3)) == (False, 0x00, False)


def test_icw1_leaves_the_elcr_and_level_requests_alone():
    """T49"""
    r = Rig()
    r.out(0x4D0, 0x08)
    r.up(3)
    r.start(0x20, 0x08, 4, 1)
    assert r.inb(0x4D0) == 0x08
    assert r.inta() == 0x0B


def test_icw3_does_not_move_the_cascade():
    """T50"""
    r = Rig()
    r.start(0x20, 0x08, 0xFF, 1)
    r.start(0xA0, 0x70, 0xFF, 1)
    r.pulse(5)
    assert r.inta() == 0x0D
    r.out(0x20, 0x20)
    r.pulse(12)
    assert r.inta() == 0x74


# -- what the reference's tables say besides


def test_withdrawn_ends_with_any_write_and_with_the_next_rise():
    r = Rig(edge="withdraw")
    r.pulse(4)
    assert r.pic.withdrawn
    r.out(0xA1, 0x00)
    assert not r.pic.withdrawn
    r.pulse(4)
    assert r.pic.withdrawn
    r.up(6)
    assert (r.pic.withdrawn, r.pic.intr) == (False, True)


def test_withdrawn_is_part_of_the_state():
    r, other = Rig(edge="withdraw"), Rig(edge="withdraw")
    quiet = other.pic.snapshot()
    r.pulse(4)
    other.pic.restore(r.pic.snapshot())
    assert other.pic.withdrawn
    other.pic.restore(quiet)
    assert not other.pic.withdrawn


def test_a_slaves_line_is_masked_by_its_own_bit_or_by_that_of_ir2():
    r = Rig()
    r.out(0xA1, 0x10)
    assert [irq for irq in range(16) if r.pic.masked(irq)] == [12]
    r.out(0x21, 0x04)
    assert [irq for irq in range(16) if r.pic.masked(irq)] == [2, *range(8, 16)]


def test_a_level_line_that_falls_withdraws_its_request():
    r = Rig()
    r.out(0x4D0, 0x08)
    r.pulse(3)
    assert (r.pic.intr, r.pic.withdrawn) == (False, True)
    assert r.pic.inta().spurious


def test_requests_are_told_apart_by_what_became_of_them():
    r = Rig()
    r.out(0x21, 0x10)
    assert [r.up(3), r.up(3)] == [NEW, MERGED]
    r.down(3)
    assert r.up(3) is MERGED
    assert r.up(4) is HELD
    r.down(4)
    assert r.up(4) is LOST
    assert r.up(2) is LOST
    r.out(0x21, 0x04)
    assert r.up(9) is HELD
    assert (r.pic.masked(9), r.pic.masked(3), r.pic.masked(2)) == (True, False, True)


def test_a_plain_handler_ends_what_it_served():
    r = Rig()
    for irq in (0, 8, 15, 7):
        r.serve(irq)
        assert r.pic.in_service(irq)
        r.pic.eoi(irq, 0)
        assert (r.isr(0x20), r.isr(0xA0)) == (0, 0)


def test_in_aeoi_mode_a_handler_ends_nothing():
    r = Rig(icw4=0x03, slave_icw4=0x03)
    r.up(1)
    r.out(0x20, 0x0C)
    r.inb(0x20)
    before = r.pic.snapshot()
    r.pic.eoi(1, 0)
    r.pic.eoi(9, 0)
    assert r.pic.snapshot() == before


@pytest.mark.parametrize(("value", "vectors"), [("pulses", [0x71, 0x73]), ("holds", [0x71, None])])
def test_the_slaves_int_falls_at_inta_so_that_its_next_request_is_heard(value, vectors):
    r = Rig(icw4=0x03, slave_icw4=0x03, pic_cascade=value)
    r.pulse(9, 11)
    assert [r.inta(), r.inta()] == vectors


def test_a_polled_slave_drops_its_int_too():
    r = Rig(slave_icw4=0x03)
    r.pulse(9, 11)
    r.out(0x20, 0x0C)
    assert r.inb(0x20) == 0x82
    assert r.irr() == 0x00
    r.out(0xA0, 0x0C)
    assert r.inb(0xA0) == 0x81
    assert r.irr() == 0x04


def test_each_line_has_its_own_trigger():
    r = Rig()
    r.out(0x4D0, 0x20)
    r.out(0x4D1, 0x04)
    assert [irq for irq in range(16) if r.pic.level_triggered(irq)] == [5, 10]
    r.up(5, 10)
    assert [irq for irq in range(16) if r.pic.pending(irq)] == [2, 5, 10]
    r.inta()
    assert [irq for irq in range(16) if r.pic.in_service(irq)] == [2, 10]


def test_without_an_elcr_ltim_makes_all_lines_level_triggered():
    r = Rig(elcr="absent")
    r.out(0x4D0, 0xFF)
    assert (r.inb(0x4D0), r.inb(0x4D1)) == (0xFF, 0xFF)
    assert not r.pic.level_triggered(3)
    r.start(0x20, 0x08, 4, 1, icw1=0x19)
    assert r.pic.level_triggered(3)
    r.up(3)
    assert r.inta() == 0x0B
    r.out(0x20, 0x20)
    assert r.inta() == 0x0B
    r.down(3)
    r.out(0x20, 0x20)
    assert r.inta() is None
    r.start(0x20, 0x08, 4, 1)
    assert not r.pic.level_triggered(3)


def test_with_an_elcr_ltim_has_no_effect():
    r = Rig()
    r.start(0x20, 0x08, 4, 1, icw1=0x19)
    r.pulse(3)
    assert r.inta() == 0x0B


@pytest.mark.parametrize(("value", "isr"), [("cleared", 0x00), ("kept", 0x01)])
def test_icw1_and_isr(value, isr):
    r = Rig(pic_icw1_isr=value)
    r.serve(0)
    r.start(0x20, 0x08, 4, 1)
    assert r.isr() == isr


@pytest.mark.parametrize(("value", "base", "aeoi"), [("kept", 0x08, 1), ("cleared", 0x00, 0)])
def test_icw1_and_the_words_that_are_to_come(value, base, aeoi):
    r = Rig(icw4=0x03, pic_icw1_modes=value)
    r.out(0x20, 0x11)
    seen = r.pic.peek(0)
    assert (seen["pic.master.base"], seen["pic.master.aeoi"], seen["pic.master.init"]) == (base, aeoi, "icw2")


@pytest.mark.parametrize(("value", "outcome"), [("followed", LOST), ("reported", NEW)])
def test_a_chip_that_follows_its_lines_knows_that_they_are_high(value, outcome):
    r = Rig(pic_lines=value)
    r.up(0, 3)
    r.start(0x20, 0x08, 4, 1)
    assert r.up(0) is outcome
    r.down(0)
    r.out(0x4D0, 0x08)
    assert r.pic.pending(3) is (value == "followed")


def test_a_read_between_the_words_of_an_initialisation_gives_imr_and_takes_no_turn():
    r = Rig()
    r.out(0x20, 0x11)
    r.out(0x21, 0x20)
    assert r.inb(0x21) == 0x00
    r.out(0x21, 0x04, 0x01, 0x5A)
    assert (r.inb(0x21), r.pic.peek(0)["pic.master.base"]) == (0x5A, 0x20)


def test_icw1_starts_over_half_way_and_commands_work_meanwhile():
    r = Rig()
    r.out(0x20, 0x11)
    r.out(0x21, 0x20)
    r.out(0x20, 0xC2)
    assert r.order()[0] == 3
    r.start(0x20, 0x30, 4, 1)
    r.up(1)
    assert r.inta() == 0x31


def test_reset_makes_all_registers_zero():
    r = Rig(0x20, 0x28, icw4=0x13)
    r.out(0x4D0, 0xF8)
    r.serve(9)
    r.up(3)
    r.pic.reset(0)
    seen = r.pic.peek(0)
    for name in ("irr", "isr", "imr", "base", "level", "aeoi", "sfnm"):
        assert seen[f"pic.master.{name}"] == seen[f"pic.slave.{name}"] == 0
    assert not r.pic.intr
    assert r.up(3) is LOST
    r.down(3)
    assert r.up(3) is NEW


def test_each_bit_of_each_register_is_declared_once():
    for reg in REGS:
        for layout in reg.layouts:
            total = 0
            for field in layout.fields:
                assert not total & field.mask, (reg.name, field.name)
                total |= field.mask
            assert total == (1 << reg.width) - 1, reg.name
        assert not reg.peek or reg.peek in Pic.peeks


def test_every_value_that_is_seen_is_explained():
    assert set(Pic(resolve("datasheet")).peek(0)) == set(Pic.peeks)


def said(r, port, value):
    before = r.pic.peek(0)
    r.out(port, value)
    return wrote_words(port, value, before, r.pic.peek(0))


def told(r, port):
    before = r.pic.peek(0)
    return read_words(port, r.inb(port), before)


def test_words_for_what_a_write_did():
    r = Rig()
    assert said(r, 0x20, 0x11) == "ICW1: masks and edge latches clear, 21h wants ICW2, ICW3, ICW4"
    assert said(r, 0x21, 0x20) == "ICW2: IRQ0 to IRQ7 at vectors 20h to 27h"
    assert said(r, 0x21, 0x04) == "ICW3: taken, the cascade is wired to IR2"
    assert said(r, 0x21, 0x01) == "ICW4: sfnm aeoi UPM"
    assert said(r, 0x21, 0xFE) == "IRQ1 IRQ2 IRQ3 IRQ4 IRQ5 IRQ6 IRQ7 masked"
    r.up(1)
    assert said(r, 0x21, 0xFC) == "IRQ1 unmasked, INT rises for IRQ1"
    r.inta()
    assert said(r, 0x20, 0x20) == "non-specific EOI: IRQ1 ends"
    assert said(r, 0x20, 0x20) == "non-specific EOI: no ISR bit to clear"
    assert said(r, 0x20, 0xC3) == "set priority, IRQ3 is lowest now"
    assert said(r, 0x20, 0x6F) == "the next read is a poll, reads give ISR, special mask on"
    assert said(r, 0x4D1, 0xFF) == "level-triggered: IRQ9 IRQ10 IRQ11 IRQ12 IRQ14 IRQ15; always edge: IRQ8 IRQ13"


def test_words_for_what_a_read_gave():
    r = Rig()
    r.up(12)
    assert told(r, 0xA0) == "IRR, requests: IRQ12"
    r.out(0xA0, 0x0F)
    assert told(r, 0xA0) == "poll: IRQ12 asks, and is in service now"
    assert told(r, 0xA0) == "ISR, in service: IRQ12"
    r.out(0xA0, 0x0C)
    assert told(r, 0xA0) == "poll: nothing asks for service"
    assert told(r, 0x21) == "IMR, masked: none"
    assert told(r, 0x4D0) == "level-triggered: none"
