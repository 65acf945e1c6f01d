"""The numbered facts of the I/O APIC reference (T17 to T24, T51 to T64), and what the quirks change."""

from __future__ import annotations

import pytest

from timerlab.devices.ioapic import BASE, IoApic
from timerlab.devices.ioapic_regs import REGS
from timerlab.devices.ioapic_words import read as read_words
from timerlab.devices.ioapic_words import wrote as wrote_words
from timerlab.devices.pic import Pic
from timerlab.interrupt import Delivery, Message, Outcome
from timerlab.quirks import resolve

NEW, MERGED, HELD, LOST = Outcome.NEW, Outcome.MERGED, Outcome.HELD, Outcome.LOST
RIRR = 0x4000


class Rig:
    """An I/O APIC, and in place of the local APICs one that keeps requests until `take`."""

    def __init__(self, profile="datasheet", **quirks):
        self.io = IoApic(resolve(profile, quirks), self.receive)
        self.sent: list[Message] = []
        self.irr: set[int] = set()
        self.tmr: dict[int, bool] = {}
        self.nmis = self.extints = 0
        self.taken: list[int] = []
        self.deaf = False

    def receive(self, message):
        if self.deaf:
            return LOST
        self.sent.append(message)
        if message.delivery is Delivery.NMI:
            self.nmis += 1
        elif message.delivery is Delivery.EXTINT:
            self.extints += 1
        elif message.vector in self.irr:
            return MERGED
        else:
            self.irr.add(message.vector)
            self.tmr[message.vector] = message.level
        return NEW

    def take(self):
        vector = max(self.irr)
        self.irr.remove(vector)
        self.taken.append(vector)
        return vector

    def put(self, index, value):
        self.io.store(0x00, index, 32, 0)
        self.io.store(0x10, value, 32, 0)

    def get(self, index):
        self.io.store(0x00, index, 32, 0)
        return self.io.load(0x10, 32, 0)

    def entry(self, pin, low, high=0):
        self.put(0x11 + 2 * pin, high)
        self.put(0x10 + 2 * pin, low)

    def low(self, pin):
        return self.get(0x10 + 2 * pin)

    def pulse(self, pin):
        outcome = self.io.raise_pin(pin)
        self.io.lower_pin(pin)
        return outcome


@pytest.mark.parametrize(("value", "content"), [("v11", 0x0017_0011), ("v20", 0x0017_0020)])
def test_the_version_register_tells_24_pins(value, content):
    """T17"""
    assert Rig(ioapic_version=value).get(0x01) == content


def test_every_entry_is_masked_after_reset():
    """T18"""
    r = Rig()
    r.entry(3, 0x0030, 0x0100_0000)
    r.io.reset(0)
    for pin in range(24):
        assert (r.get(0x10 + 2 * pin), r.get(0x11 + 2 * pin)) == (0x0001_0000, 0)


def test_an_edge_entry_sends_its_vector_once_an_edge():
    """T19"""
    r = Rig()
    r.put(0x14, 0x0000_0030)
    r.put(0x15, 0x0000_0000)
    assert r.io.raise_pin(2, "irq.0") is NEW
    assert r.io.raise_pin(2, "irq.0") is LOST
    assert r.sent == [Message(0, False, Delivery.FIXED, 0x30, False, "irq.0")]


def test_a_level_entry_shows_remote_irr_while_it_is_served():
    """T20"""
    r = Rig()
    r.entry(9, 0xA031)
    assert r.low(9) == 0x0000_A031
    assert r.io.raise_pin(9) is NEW
    assert r.low(9) == 0x0000_E031
    assert r.sent == [Message(0, False, Delivery.FIXED, 0x31, True)]


def test_an_eoi_while_the_line_is_still_asserted_delivers_again():
    """T21"""
    r = Rig()
    r.entry(9, 0x8031)
    r.io.raise_pin(9, "acpi")
    r.io.eoi(r.take())
    assert [message.source for message in r.sent] == ["acpi", "acpi"]
    assert r.low(9) & RIRR


def test_an_edge_at_a_masked_pin_is_lost_for_good():
    """T22"""
    r = Rig()
    r.entry(4, 0x1_0034)
    assert r.io.raise_pin(4) is LOST
    r.entry(4, 0x0034)
    assert r.sent == []


def test_irq_0_of_the_isa_bus_is_pin_2_here():
    """T23, the wires of a PC: IRQ 0 goes to IR0 of the 8259 and to pin 2."""
    r = Rig()
    pic = Pic(resolve("datasheet"))
    r.entry(2, 0x0030)
    pic.raise_line(0)
    r.io.raise_pin(2, "irq.0")
    assert (pic.intr, r.take()) == (True, 0x30)


def test_a_message_signalled_interrupt_is_an_address_and_data():
    """T24"""
    assert Message.msi(0xFEE0_1000, 0x0041, "msi") == Message(1, False, Delivery.FIXED, 0x41, False, "msi")


def test_the_id_register_has_four_bits_and_loads_the_arbitration_id():
    """T51"""
    r = Rig()
    r.put(0x00, 0xFFFF_FFFF)
    r.put(0x02, 0)
    assert (r.get(0x00), r.get(0x02)) == (0x0F00_0000, 0x0F00_0000)


def test_the_id_stands_in_bits_27_to_24():
    r = Rig()
    r.put(0x00, 0x0500_0000)
    seen = r.io.peek(0)
    assert seen["ioapic.id"] == seen["ioapic.arb"] == r.get(0x00) == 0x0500_0000


@pytest.mark.parametrize(
    ("value", "low", "high"), [("zero", 0x0001_AFFF, 0xFF00_0000), ("stored", 0xFFFF_AFFF, 0xFFFF_FFFF)]
)
def test_reserved_and_read_only_bits_of_an_entry(value, low, high):
    """T52"""
    r = Rig(ioapic_reserved=value)
    r.put(0x10, 0xFFFF_FFFF)
    r.put(0x11, 0xFFFF_FFFF)
    assert (r.get(0x10), r.get(0x11)) == (low, high)


@pytest.mark.parametrize(("value", "content"), [("zero", 0), ("ones", 0xFFFF_FFFF)])
def test_other_indexes_hold_nothing(value, content):
    """T53"""
    r = Rig(ioapic_other=value)
    r.put(0x01, 0)
    r.put(0x40, 0x1234)
    assert r.get(0x01) == 0x0017_0011
    assert (r.get(0x05), r.get(0x40)) == (content, content)


def test_a_level_that_came_and_went_while_it_was_served_is_not_delivered_again():
    """T54"""
    r = Rig()
    r.entry(9, 0x8031)
    r.io.raise_pin(9)
    r.io.lower_pin(9)
    assert r.io.raise_pin(9) is HELD
    r.io.lower_pin(9)
    r.io.eoi(r.take())
    assert len(r.sent) == 1
    assert not r.low(9) & RIRR


def test_a_level_asserted_while_masked_is_delivered_by_the_write_that_unmasks_it():
    """T55"""
    r = Rig()
    r.entry(9, 0x1_8031)
    assert r.io.raise_pin(9) is HELD
    assert r.sent == []
    r.put(0x10 + 18, 0x8031)
    assert len(r.sent) == 1


def test_masking_ending_and_unmasking_a_level_delivers_it_again():
    """T56"""
    r = Rig()
    r.entry(9, 0x8031)
    r.io.raise_pin(9)
    r.put(0x10 + 18, 0x1_8031)
    assert r.low(9) & RIRR
    r.io.eoi(r.take())
    assert not r.low(9) & RIRR
    assert len(r.sent) == 1
    r.put(0x10 + 18, 0x8031)
    assert len(r.sent) == 2


def test_remote_irr_is_read_only_but_cleared_by_writing_the_entry_as_edge():
    """T57"""
    r = Rig()
    r.entry(5, 0x805F)
    r.io.raise_pin(5)
    r.put(0x10 + 10, 0x805F)
    assert r.low(5) == 0xC05F
    r.put(0x10 + 10, 0x005F)
    assert r.low(5) == 0x005F


def test_one_eoi_ends_all_entries_of_a_vector():
    """T58"""
    r = Rig()
    for pin in (5, 9):
        r.entry(pin, 0x8031)
        r.pulse(pin)
    assert r.low(5) & r.low(9) & RIRR
    r.io.eoi(0x31)
    assert not (r.low(5) | r.low(9)) & RIRR


def test_the_eoi_register_ends_what_no_local_apic_tells_of():
    """T59, from the I/O APIC's side: no broadcast comes."""
    r = Rig(ioapic_version="v20")
    r.entry(9, 0x8031)
    r.pulse(9)
    r.take()
    assert r.low(9) & RIRR
    r.io.store(0x40, 0x32, 32, 0)
    assert r.low(9) & RIRR
    r.io.store(0x40, 0x31, 32, 0)
    assert not r.low(9) & RIRR
    assert r.io.load(0x40, 32, 0) == 0


def test_version_11_has_no_eoi_register():
    r = Rig()
    r.entry(9, 0x8031)
    r.pulse(9)
    r.io.store(0x40, 0x31, 32, 0)
    assert r.low(9) & RIRR


def test_the_eoi_of_an_old_vector_matches_no_more():
    """T60"""
    r = Rig()
    r.entry(9, 0x8031)
    r.pulse(9)
    r.put(0x10 + 18, 0x8032)
    r.io.eoi(r.take())
    assert r.low(9) == 0xC032
    r.put(0x10 + 18, 0x0032)
    r.put(0x10 + 18, 0x8032)
    assert r.low(9) == 0x8032


def test_two_edges_are_two_deliveries_only_if_the_first_was_taken_between():
    """T61"""
    r = Rig()
    r.entry(2, 0x0030)
    assert r.pulse(2) is NEW
    r.take()
    assert r.pulse(2) is NEW
    assert r.pulse(2) is MERGED
    r.take()
    assert r.taken == [0x30, 0x30]
    assert r.irr == set()


def test_extint_lets_the_8259_give_the_vector():
    """T62"""
    r = Rig()
    pic = Pic(resolve("datasheet"))
    for port, value in ((0x20, 0x11), (0x21, 0x08), (0x21, 0x04), (0x21, 0x01)):
        pic.write(port, value, 0)
    r.entry(0, 0x07FF)
    pic.raise_line(0)
    assert pic.intr
    r.io.raise_pin(0, "pic")
    assert (r.extints, r.irr) == (1, set())
    assert pic.inta().vector == 0x08
    assert pic.peek(0)["pic.master.isr"] == 0x01


def test_an_nmi_has_no_vector_and_no_request_bit():
    """T63"""
    r = Rig()
    r.entry(2, 0x0400)
    r.pulse(2)
    assert (r.nmis, r.irr) == (1, set())


def test_a_message_says_whether_it_is_a_level():
    """T64, from the I/O APIC's side."""
    r = Rig()
    r.entry(9, 0x0031)
    r.pulse(9)
    assert not r.tmr[r.take()]
    r.put(0x10 + 18, 0x8031)
    r.pulse(9)
    assert r.tmr[r.take()]


# -- what the reference's tables say besides


@pytest.mark.parametrize("delivery", [2, 4, 5, 7])
def test_what_has_no_vector_is_an_edge_whatever_its_trigger_bit(delivery):
    r = Rig()
    r.entry(9, 0x8000 | delivery << 8)
    r.pulse(9)
    r.pulse(9)
    assert [(message.delivery, message.level) for message in r.sent] == [(delivery, False)] * 2
    assert not r.low(9) & RIRR


@pytest.mark.parametrize("delivery", [3, 6])
def test_reserved_delivery_modes_send_nothing(delivery):
    r = Rig()
    r.entry(9, delivery << 8 | 0x31)
    assert r.pulse(9) is LOST
    r.entry(9, 0x8031 | delivery << 8)
    assert r.pulse(9) is LOST
    assert r.sent == []


def test_a_level_that_nobody_accepts_sets_no_remote_irr():
    r = Rig()
    r.deaf = True
    r.entry(9, 0x8031)
    assert r.io.raise_pin(9) is LOST
    assert not r.low(9) & RIRR
    r.deaf = False
    r.put(0x10 + 18, 0x8031)
    assert len(r.sent) == 1


def test_under_qemu_remote_irr_is_set_when_the_message_is_sent():
    r = Rig("qemu")
    r.deaf = True
    r.entry(9, 0x8031)
    r.io.raise_pin(9)
    assert r.low(9) & RIRR
    r = Rig(ioapic_remote_irr="sent")
    r.entry(9, 0x8400)
    r.pulse(9)
    assert r.low(9) & RIRR


def test_an_active_low_pin_asks_while_it_is_low_where_polarity_inverts():
    r = Rig(polarity="inverts")
    r.io.raise_pin(4)
    r.entry(4, 0x2034)
    assert r.sent == []
    r.io.lower_pin(4)
    assert len(r.sent) == 1
    assert r.io.raise_pin(4) is LOST
    r.entry(5, 0xA035)
    assert len(r.sent) == 2
    r.io.raise_pin(5)
    r.io.eoi(0x35)
    assert not r.low(5) & RIRR


def test_narrow_accesses_reach_the_index_but_not_the_window():
    r = Rig(ioapic_version="v20")
    r.entry(9, 0x8031)
    r.pulse(9)
    r.io.store(0x00, 0x22, 8, 0)
    assert r.io.load(0x00, 8, 0) == 0x22
    for width in (8, 16):
        assert r.io.load(0x10, width, 0) == 0
        r.io.store(0x10, 0, width, 0)
        r.io.store(0x40, 0x31, width, 0)
    assert r.io.load(0x10, 32, 0) == 0xC031
    assert r.io.load(0x10, 64, 0) == 0xC031
    r.io.store(0x00, 0xFFFF_FF01, 32, 0)
    assert r.io.load(0x00, 32, 0) == 0x01


def test_a_restored_entry_sends_its_own_message():
    r = Rig()
    r.entry(4, 0x0034)
    state = r.io.snapshot()
    r.entry(4, 0x0035)
    r.pulse(4)
    r.io.restore(state)
    r.pulse(4)
    assert [message.vector for message in r.sent] == [0x35, 0x34]


def test_destination_and_logical_mode_go_into_the_message():
    r = Rig()
    r.entry(4, 0x0934, 0x0300_0000)
    r.pulse(4)
    assert r.sent == [Message(3, True, Delivery.LOWEST, 0x34)]


def test_each_bit_of_each_register_is_declared_once():
    for reg in REGS:
        for layout in reg.layouts:
            total = 0
            for field in layout.fields:
                assert not total & field.mask, (reg.name, field.name)
                total |= field.mask
            assert total == (1 << reg.width) - 1, reg.name
        assert not reg.peek or reg.peek in IoApic.peeks


def test_every_value_that_is_seen_is_explained():
    assert set(Rig().io.peek(0)) == set(IoApic.peeks)


def said(r, offset, value):
    before = r.io.peek(0)
    r.io.store(offset, value, 32, 0)
    return wrote_words(BASE + offset, value, before, r.io.peek(0))


def told(r, offset):
    before = r.io.peek(0)
    return read_words(BASE + offset, r.io.load(offset, 32, 0), before)


def test_words_for_what_a_write_did():
    r = Rig(ioapic_version="v20")
    assert said(r, 0x00, 0x22) == "IOWIN is the low half of pin 9 now"
    r.io.raise_pin(9)
    assert said(r, 0x10, 0x8031) == "pin 9: vector 31h, fixed, level, to APIC 0, RIRR, open; sent, EOI awaited"
    assert said(r, 0x40, 0x55) == "EOI of vector 55h, no pin waits for it"
    assert said(r, 0x40, 0x31) == "EOI of vector 31h: pin 9 ends, pin 9 sent again"
    assert said(r, 0x10, 0x1_0031) == "pin 9: vector 31h, fixed, edge, to APIC 0, MASKED; remote IRR cleared"
    assert said(r, 0x00, 0x01) == "IOWIN is the version now"
    assert said(r, 0x10, 0) == "the version cannot be written"
    assert said(r, 0x20, 0) == "no register there"


def test_words_for_what_a_read_gave():
    r = Rig()
    r.entry(2, 0x0930, 0x0100_0000)
    assert told(r, 0x00) == "index of the low half of pin 2"
    assert told(r, 0x10) == "pin 2, low half: vector 30h, lowest, edge, to mask 01h, open"
    r.io.store(0, 1, 32, 0)
    assert told(r, 0x10) == "version 11h, 24 pins"
    r.io.store(0, 5, 32, 0)
    assert told(r, 0x10) == "index 05h, empty"
    r.io.store(0, 0, 32, 0)
    assert told(r, 0x10) == "the ID 0"


def test_words_for_an_access_that_is_too_narrow():
    r = Rig()
    r.entry(2, 0x0930, 0x0100_0000)
    before = r.io.peek(0)
    r.io.store(0x10, 0x31, 8, 0)
    assert wrote_words(BASE + 0x10, 0x31, before, r.io.peek(0)) == "IOWIN takes and gives 32 bits at once"
    assert read_words(BASE + 0x10, r.io.load(0x10, 16, 0), before) == "IOWIN takes and gives 32 bits at once"
