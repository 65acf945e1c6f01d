"""Facts that need a whole board: a source, its wire, a controller and a vCPU at once; and the contract of a session.

Numbers T.. are those of the documents' facts on 8259 and I/O APIC, HPET, RTC and local APIC.
"""

import pytest
from modelfabric import (
    DFR,
    EOI,
    HPET,
    ICR_HIGH,
    ICR_LOW,
    ID,
    IOAPIC,
    LAPIC,
    LDR,
    LINT0,
    LVT_TIMER,
    SVR,
    TDCR,
    TMICT,
    TPR,
    apics,
    entry,
    hpet,
    isr,
    low_of,
    pic,
    pit,
    read_c,
    requests,
    rtc,
    session,
    x2apic,
)

from timerlab import CommandError, GuestFault, Session

# -- 8259 and I/O APIC


def test_isa_irq_0_is_the_io_apic_s_pin_2():
    """T23."""
    s = session()
    apics(s)
    entry(s, 2, 0x32)
    s.irq(0, 1)
    assert requests(s) == [0x32]
    assert s.peek("pic.master.irr") & 1


def test_every_other_isa_irq_is_the_pin_of_its_number():
    s = session()
    apics(s)
    for pin in range(24):
        entry(s, pin, 0x40 + pin)
    for irq in (1, *range(3, 16)):
        s.irq(irq, 1)
        assert s.peek("lapic0.irr") >> (0x40 + irq) & 1
        s.irq(irq, 0)
    # the 8259 asked at the first of them, and its INTR is at pin 0
    assert requests(s) == [0x40, 0x41, *range(0x43, 0x50)]
    for pin in range(16, 24):
        s.irq(pin, 1)
    assert requests(s)[-8:] == list(range(0x50, 0x58))


@pytest.mark.parametrize("legacy", [False, True])
def test_hpet_timer_0_takes_irq_0_and_pin_2_from_the_pit(legacy):
    """T23; HPET T15: the PIT's OUT 0 is not routed, and INT_ROUTE is ignored."""
    s = session()
    apics(s)
    s.writel(LAPIC + LINT0, 0x700)
    pic(s)
    pit(s)
    hpet(s, 0, 0x0004, 1000)
    assert s.inta() == 0x20
    s.eoi()
    entry(s, 2, 0x32)
    start = s.peek("irq.0.edges")
    s.writel(HPET + 0x10, 3 if legacy else 1)
    s.skip("10us")
    assert s.peek("hpet.t0.out.edges") == 1
    assert s.peek("irq.0.edges") == start + legacy
    if legacy:
        assert requests(s) == [0x32]
        assert s.inta() == 0x20
        s.skip("1s")
        assert s.peek("irq.0.edges") == start + 1
        assert s.peek("pit.ch0.out.edges") > 900


def test_hpet_timer_1_takes_irq_8_from_the_rtc():
    """HPET T16."""
    s = session()
    apics(s)
    s.writel(LAPIC + LINT0, 0x700)
    pic(s)
    entry(s, 8, 0x38)
    rtc(s)
    hpet(s, 1, 0x0004, 100_000)
    s.writel(HPET + 0x10, 3)
    s.skip(999_999)
    assert s.peek("rtc.irq.level") == 1
    assert s.peek("irq.8.edges") == 0
    s.skip(1)
    assert s.peek("irq.8.edges") == 1
    assert s.inta() == 0x28
    assert (isr(s), isr(s, 0xA0)) == (4, 1)
    assert requests(s) == [0x38]


def test_an_rtc_request_that_waits_shows_when_legacy_replacement_ends():
    """HPET T17."""
    s = session()
    pic(s)
    rtc(s)
    s.writel(HPET + 0x10, 3)
    s.skip("1ms")
    assert (s.peek("rtc.irq.level"), s.peek("irq.8.level")) == (1, 0)
    s.writel(HPET + 0x10, 1)
    assert s.peek("irq.8.level") == 1
    assert s.inta() == 0x28


def test_the_pit_s_wire_comes_back_when_legacy_replacement_ends():
    """HPET T17."""
    s = session()
    s.writel(HPET + 0x10, 3)
    pit(s)
    assert (s.peek("pit.ch0.out"), s.peek("irq.0.level")) == (1, 0)
    s.writel(HPET + 0x10, 0)
    assert s.peek("irq.0.level") == 1
    edges = s.peek("irq.0.edges")
    s.skip("1s")
    assert s.peek("irq.0.edges") == edges + 1000


def test_an_hpet_timer_with_fsb_enabled_writes_its_message():
    """HPET T18: route and status bit play no part."""
    s = session(vcpus=2, quirks={"hpet_caps": "fsb"})
    apics(s, 2)
    entry(s, 2, 0x32)
    hpet(s, 2, 0x4004, 100)
    s.writel(HPET + 0x150, 0x41)
    s.writel(HPET + 0x154, 0xFEE0_1000)
    s.writel(HPET + 0x10, 1)
    s.skip("1us")
    assert (requests(s), requests(s, 1)) == ([], [0x41])
    assert s.readl(HPET + 0x20) == 0
    assert not s.peek("lapic1.tmr")
    assert s.inta(1) == 0x41
    assert s.peek("hpet.t2.out.delivered") == 1


def test_a_message_to_fee01000h_is_a_fixed_edge_to_apic_1():
    """T24."""
    s = session(vcpus=4, quirks={"hpet_caps": "fsb"})
    apics(s, 4)
    board = s.machine.board
    board.fabric.post(0xFEE0_1000, 0x41, "test")
    assert [requests(s, vcpu) for vcpu in range(4)] == [[], [0x41], [], []]
    assert s.peek("lapic1.tmr") == 0


@pytest.mark.parametrize("enable", [0, 1])
def test_legacy_replacement_cuts_the_pit_off_whoever_is_enabled(enable):
    """HPET T45 (ENABLE = 0) and T46 (T0's INT_ENB = 0)."""
    s = session()
    pit(s)
    s.writel(HPET + 0x10, 2 | enable)
    if enable:
        s.writel(HPET + 0x10, 2)
        hpet(s, 0, 0x0000, 1000)
        s.writel(HPET + 0x10, 3)
    edges = s.peek("irq.0.edges")
    s.skip("1s")
    assert s.peek("irq.0.edges") == edges
    assert s.peek("pit.ch0.out.edges") > 999


def test_hpet_timer_2_keeps_its_own_route_under_legacy_replacement():
    """HPET T47."""
    s = session()
    apics(s)
    entry(s, 2, 0x32)
    hpet(s, 2, 0x0404, 100)
    s.writel(HPET + 0x10, 3)
    s.skip("1us")
    assert requests(s) == [0x32]
    assert s.peek("irq.0.edges") == s.peek("irq.8.edges") == 0


def test_an_eoi_whose_broadcast_is_suppressed_leaves_remote_irr_to_the_eoi_register():
    """T59; local APIC T61."""
    s = session(quirks={"lapic_eoi_suppress": "present", "ioapic_version": "v20"})
    apics(s, svr=0x11FF)
    entry(s, 9, 0x8031)
    s.irq(9, 1)
    assert s.inta() == 0x31
    assert low_of(s, 9) == 0xC031
    s.irq(9, 0)
    s.writel(LAPIC + EOI, 0)
    assert low_of(s, 9) == 0xC031
    s.writel(IOAPIC + 0x40, 0x31)
    assert low_of(s, 9) == 0x8031


def test_a_level_in_service_is_told_of_its_end():
    """Local APIC T61: TMR is 1, the broadcast goes out; a line that is still up asks again (I/O APIC T21)."""
    s = session()
    apics(s)
    entry(s, 9, 0x8031)
    s.irq(9, 1)
    assert s.inta() == 0x31
    assert s.peek("lapic0.tmr") == 1 << 0x31
    s.eoi()
    assert low_of(s, 9) == 0xC031
    assert s.inta() == 0x31
    s.irq(9, 0)
    s.eoi()
    assert low_of(s, 9) == 0x8031
    assert s.inta() is None
    assert s.peek("irq.9.delivered") == 2


def test_an_edge_while_its_vector_is_served_is_one_more_interrupt():
    """T61: there is no remote IRR for edges."""
    s = session()
    apics(s)
    entry(s, 5, 0x35)
    for taken in (0x35, None):
        s.irq(5, 1)
        s.irq(5, 0)
        assert s.inta() == taken
    s.eoi()
    assert s.inta() == 0x35
    s.eoi()
    assert s.inta() is None
    assert s.peek("irq.5.delivered") == 2


def test_two_edges_before_the_cpu_takes_the_first_are_one_interrupt():
    """T61."""
    s = session()
    apics(s)
    entry(s, 5, 0x35)
    for level in (1, 0, 1, 0):
        s.irq(5, level)
    assert s.inta() == 0x35
    s.eoi()
    assert s.inta() is None
    assert (s.peek("irq.5.delivered"), s.peek("irq.5.coalesced")) == (1, 1)


def test_extint_through_pin_0_gets_its_vector_from_the_8259():
    """T62."""
    s = session()
    pic(s, master=0x08)
    apics(s)
    entry(s, 0, 0x0700)
    s.writel(LAPIC + LINT0, 0x1_0000)
    s.irq(0, 1)
    assert s.inta() == 0x08
    assert isr(s) == 0x01
    assert s.peek("lapic0.isr") == 0


def test_extint_through_lint0_gets_its_vector_from_the_8259():
    s = session()
    pic(s)
    apics(s)
    s.writel(LAPIC + LINT0, 0x700)
    s.irq(3, 1)
    assert (s.inta(), s.peek("lapic0.isr")) == (0x23, 0)
    # masked, nothing comes
    s.eoi()
    s.writel(LAPIC + LINT0, 0x1_0700)
    s.irq(4, 1)
    assert s.inta() is None
    s.writel(LAPIC + LINT0, 0x700)
    assert s.inta() == 0x24


def test_the_8259_reaches_the_boot_cpu_at_power_on_without_any_apic():
    """PIC mode: LINT0 was never written, and the SVR's bit 8 is 0."""
    s = session(vcpus=2)
    pic(s)
    s.irq(1, 1)
    assert s.inta(1) is None
    assert s.inta() == 0x21


def test_tmr_says_how_a_vector_was_accepted_last():
    """T64."""
    s = session()
    apics(s)
    entry(s, 5, 0x0035)
    s.irq(5, 1)
    s.inta()
    assert s.peek("lapic0.tmr") == 0
    s.eoi()
    s.irq(5, 0)
    entry(s, 5, 0x8035)
    s.irq(5, 1)
    assert s.inta() == 0x35
    assert s.peek("lapic0.tmr") == 1 << 0x35


# -- RTC


@pytest.mark.parametrize("guest", ["ideal", "latency=50us"])
def test_irq_8_stays_up_until_register_c_is_read(guest):
    """RTC T24: ten ticks, one interrupt."""
    s = Session(guest=guest)
    pic(s)
    rtc(s)
    s.skip(10 * 976_563)
    assert (s.peek("irq.8.level"), s.peek("irq.8.edges")) == (1, 1)
    assert s.peek("irq.8.delivered") == 1
    assert s.peek("rtc.c") & 0xC0 == 0xC0
    assert read_c(s) & 0xC0 == 0xC0
    assert s.peek("irq.8.level") == 0


def test_irq_8_comes_1024_times_a_second_if_register_c_is_read_each_time():
    """RTC T69."""
    s = Session(guest="ideal")
    pic(s)
    rtc(s)
    end = s.now + 10**9
    while (event := s.next_event()) is not None and event[0] <= end:
        s.skip_to(event[0])
        if s.peek("irq.8.level"):
            read_c(s)
    s.skip_to(end)
    assert s.peek("irq.8.edges") == s.peek("irq.8.delivered") == 1024
    assert s.peek("vcpu0.taken") == 1024


# -- local APIC, four vCPUs


def waiting(s):
    return [requests(s, vcpu) for vcpu in range(4)]


@pytest.mark.parametrize(
    ("low", "reached"), [(0x440F0, (1,)), (0xC40F0, (0, 2, 3)), (0x840F0, (0, 1, 2, 3))], ids=["self", "others", "all"]
)
def test_ipi_shorthands_reach_self_the_others_or_all(low, reached):
    """Local APIC T55, sent by vCPU 1."""
    s = session(vcpus=4)
    apics(s, 4)
    s.writel(LAPIC + ICR_LOW, low, vcpu=1)
    assert waiting(s) == [[0xF0] if vcpu in reached else [] for vcpu in range(4)]
    for vcpu in range(4):
        assert s.inta(vcpu) == (0xF0 if vcpu in reached else None)


def test_a_flat_logical_ipi_goes_by_bits():
    """Local APIC T56."""
    s = session(vcpus=4)
    apics(s, 4)
    for vcpu in range(4):
        s.writel(LAPIC + LDR, 1 << 24 + vcpu, vcpu)
    s.writel(LAPIC + ICR_HIGH, 5 << 24)
    s.writel(LAPIC + ICR_LOW, 0x4840)
    assert waiting(s) == [[0x40], [], [0x40], []]


def test_a_cluster_ipi_goes_by_cluster_and_bits():
    """Local APIC T57."""
    s = session(vcpus=4)
    apics(s, 4)
    for vcpu, ldr in enumerate((0x11, 0x12, 0x21, 0x14)):
        s.writel(LAPIC + DFR, 0x0FFF_FFFF, vcpu)
        s.writel(LAPIC + LDR, ldr << 24, vcpu)
    s.writel(LAPIC + ICR_HIGH, 0x13 << 24)
    s.writel(LAPIC + ICR_LOW, 0x4840)
    assert waiting(s) == [[0x40], [0x40], [], []]


def test_x2apic_faults_of_reserved_bits_and_write_only_registers():
    """Local APIC T58: the write of 80Fh with bit 9, of a vector below 16 and so on."""
    s = session(vcpus=4)
    x2apic(s)
    for msr, value in ((0x828, 1), (0x80F, 0x1_0000_0000), (0x80B, 1), (0x80E, 0), (0x831, 0), (0x839, 0)):
        with pytest.raises(GuestFault):
            s.wrmsr(msr, value)
    for msr in (0x83F, 0x80B, 0x80E, 0x831):
        with pytest.raises(GuestFault):
            s.rdmsr(msr)
    assert s.do("wrmsr 80fh 200h").fault == "#GP(0)"
    assert s.do("expect fault rdmsr 83fh").ok


def test_a_disabled_local_apic_takes_an_nmi_and_no_fixed_ipi():
    """Local APIC T62."""
    s = session(vcpus=2)
    apics(s)
    s.writel(LAPIC + ICR_HIGH, 1 << 24)
    s.writel(LAPIC + ICR_LOW, 0x4400)
    s.writel(LAPIC + ICR_LOW, 0x4040)
    assert s.peek("lapic1.nmis") == 1
    assert requests(s, 1) == []


def test_init_resets_an_xapic_but_for_its_id():
    """Local APIC T63."""
    s = session(vcpus=4)
    apics(s, 4)
    s.writel(LAPIC + TPR, 0x40, vcpu=3)
    s.writel(LAPIC + ICR_HIGH, 3 << 24)
    s.writel(LAPIC + ICR_LOW, 0x4500)
    assert s.readl(LAPIC + ID, vcpu=3) == 3 << 24
    assert (s.readl(LAPIC + TPR, vcpu=3), s.readl(LAPIC + SVR, vcpu=3)) == (0, 0xFF)
    assert s.peek("lapic3.mode") == "xapic"


def test_init_leaves_x2apic_mode():
    """Local APIC T63."""
    s = session(vcpus=4)
    for vcpu in range(4):
        x2apic(s, vcpu)
    s.wrmsr(0x808, 0x40, vcpu=3)
    s.wrmsr(0x830, 3 << 32 | 0x4500)
    assert (s.rdmsr(0x802, vcpu=3), s.rdmsr(0x808, vcpu=3), s.rdmsr(0x80F, vcpu=3)) == (3, 0, 0xFF)
    assert s.peek("lapic3.mode") == "x2apic"


def test_init_stops_the_timer_of_the_vcpu_that_it_is_sent_to():
    s = session(vcpus=2)
    apics(s, 2)
    s.writel(LAPIC + LVT_TIMER, 0x2_0041, vcpu=1)
    s.writel(LAPIC + TDCR, 0xB, vcpu=1)
    s.writel(LAPIC + TMICT, 1000, vcpu=1)
    s.skip(10_500)
    assert s.peek("lapic1.timer.edges") == 10
    s.writel(LAPIC + ICR_HIGH, 1 << 24)
    s.writel(LAPIC + ICR_LOW, 0x4500)
    s.skip(10_500)
    assert s.peek("lapic1.timer.edges") == 10
    assert s.next_event() is None or s.next_event()[1] != "lapic1.timer"


def test_each_vcpu_sees_its_own_page_and_its_own_base():
    s = session(vcpus=2)
    s.writel(LAPIC + TPR, 0x30, vcpu=1)
    assert (s.readl(LAPIC + TPR), s.readl(LAPIC + TPR, vcpu=1)) == (0, 0x30)
    s.wrmsr(0x1B, 0x1000_0800, vcpu=1)
    assert s.readl(0x1000_0000 + TPR, vcpu=1) == 0x30
    assert s.readl(0x1000_0000 + TPR) == 0
    assert s.readl(LAPIC + TPR, vcpu=1) == 0xFFFF_FFFF


# -- the contract


@pytest.mark.parametrize("profile", ["datasheet", "qemu", "ich"])
def test_unmapped_places_read_all_ones(profile):
    s = Session(profile=profile)
    digest = s.machine.digest()
    assert (s.inb(0x80), s.inw(0x80), s.inl(0x80)) == (0xFF, 0xFFFF, 0xFFFF_FFFF)
    s.outl(0x80, 0x1234_5678)
    assert s.inl(0xFFFF) == 0xFFFF_FFFF
    assert s.readl(LAPIC + 0x8_0000) == 0xFFFF_FFFF
    assert s.machine.digest() == digest


def test_ram_is_little_endian_and_zero_at_first():
    s = Session()
    assert s.readq(0x1000) == 0
    s.writel(0x1001, 0x0403_0201)
    assert (s.readb(0x1001), s.readw(0x1002), s.readq(0x1000)) == (1, 0x0302, 0x04_0302_0100)


def test_values_out_of_their_width_are_refused_with_nothing_changed():
    s = Session(vcpus=2)
    state = s.machine.digest(), len(s.log)
    refused = [
        lambda: s.outb(0x40, 256),
        lambda: s.outw(0x40, 1 << 16),
        lambda: s.outl(0x40, -1),
        lambda: s.outb(0x10000, 0),
        lambda: s.inb(-1),
        lambda: s.readl(1 << 52),
        lambda: s.writeb(0, 256),
        lambda: s.writeq(0, 1 << 64),
        lambda: s.readl(0, vcpu=2),
        lambda: s.wrmsr(0x10, 1 << 64),
        lambda: s.rdmsr(1 << 32),
        lambda: s.rdtsc(vcpu=-1),
        lambda: s.cpuid(1 << 32),
        lambda: s.irq(2, 1),
        lambda: s.irq(24, 1),
        lambda: s.irq(5, 2),
        lambda: s.inta(2),
        lambda: s.eoi(2),
        lambda: s.sti(2),
        lambda: s.skip(-1),
        lambda: s.skip_to(-1),
    ]
    for call in refused:
        with pytest.raises(ValueError):
            call()
    for call in (lambda: s.peek("nothing"), lambda: s.peek("lapic2.tpr"), lambda: s.peek("pit.ch3.out")):
        with pytest.raises(KeyError):
            call()
    assert (s.machine.digest(), len(s.log)) == state


@pytest.mark.parametrize(
    "options",
    [
        {"vcpus": 0},
        {"vcpus": 65},
        {"profile": "kqemu"},
        {"guest": "lazy"},
        {"guest": "latency=0"},
        {"start": "yesterday"},
        {"pit_hz": 0},
        {"tsc_khz": 0},
        {"apic_bus_hz": 2 * 10**9},
        {"hpet_period_fs": 10**9},
        {"hpet_timers": 2},
        {"hpet_timers": 33},
        {"quirks": {"edge": "none"}},
        {"quirks": {"nothing": "x"}},
    ],
)
def test_options_that_make_no_sense_are_refused(options):
    with pytest.raises(ValueError):
        Session(**options)


def test_guest_faults_carry_their_name_and_change_nothing():
    s = Session()
    digest = s.machine.digest()
    for call in (lambda: s.rdmsr(0x12345), lambda: s.wrmsr(0x12345, 0), lambda: s.rdmsr(0x802)):
        with pytest.raises(GuestFault) as fault:
            call()
        assert fault.value.name == "#GP(0)"
    assert s.machine.digest() == digest
    assert len(s.log) == 3
    result = s.do("rdmsr 839h")
    assert (result.fault, result.value) == ("#GP(0)", None)
    assert s.do("expect fault rdmsr 839h").ok


def test_inta_is_none_and_eoi_does_nothing_where_nothing_waits():
    s = session(vcpus=2)
    digest = s.machine.digest()
    assert s.inta() is s.inta(1) is None
    assert s.eoi() is None
    assert s.machine.digest() == digest


def test_a_vcpu_with_if_0_takes_nothing_until_sti():
    s = session()
    pic(s)
    s.irq(1, 1)
    s.cli()
    assert s.inta() is None
    s.sti()
    assert s.inta() == 0x21


def test_eoi_ends_the_handler_that_was_begun_last():
    s = session()
    pic(s)
    s.irq(5, 1)
    assert s.inta() == 0x25
    s.irq(1, 1)
    assert s.inta() == 0x21
    assert isr(s) == 0x22
    s.eoi()
    assert isr(s) == 0x20
    s.eoi()
    assert isr(s) == 0
    assert (s.peek("irq.1.delivered"), s.peek("irq.5.delivered"), s.peek("vcpu0.taken")) == (1, 1, 2)


def test_irq_drives_the_8259_and_the_io_apic_alike():
    s = session()
    pic(s)
    apics(s)
    entry(s, 5, 0x35)
    s.irq(5, 1)
    assert (s.peek("irq.5.level"), s.peek("irq.5.edges")) == (1, 1)
    assert s.peek("pic.master.irr") == 1 << 5
    assert requests(s) == [0x35]
    s.irq(5, 1)
    assert s.peek("irq.5.edges") == 1


def test_a_hand_and_a_chip_on_one_wire_are_wired_or():
    s = session()
    pit(s, 0, 0x30)
    assert s.peek("irq.0.level") == 0
    s.irq(0, 1)
    s.skip("100ms")
    assert (s.peek("irq.0.level"), s.peek("irq.0.edges"), s.peek("pit.ch0.out")) == (1, 1, 1)
    s.irq(0, 0)
    assert s.peek("irq.0.level") == 1
    s.outb(0x43, 0x30)
    assert s.peek("irq.0.level") == 0


def test_next_event_tells_of_the_earliest_chip():
    s = session()
    assert Session().next_event() is None
    apics(s)
    pit(s, 1193)
    hpet(s, 2, 0x0004, 1000)
    s.writel(HPET + 0x10, 1)
    s.writel(LAPIC + LVT_TIMER, 0x41)
    s.writel(LAPIC + TDCR, 0xB)
    s.writel(LAPIC + TMICT, 5000)
    assert s.next_event() == (5000, "lapic0.timer")
    s.skip(5000)
    assert s.next_event() == (10_000, "hpet.t2.out")
    s.skip_to(10_000)
    assert s.next_event() == (10_010, "hpet.t2.out")
    s.skip_to(10_010)
    # the PIT loads at its next clock, and OUT goes low for the last of 1193 clocks
    ns, name = s.next_event()
    assert name == "pit.ch0.out"
    assert 999_000 < ns < 1_001_000


def test_a_command_that_cannot_be_read_changes_nothing():
    s = session()
    before = s.machine.digest(), len(s.log)
    for text in ("outb", "irq 2 1", "inta v3", "writel hpet.nothing 1", "wrmsr 10h", "given 0fh 100h", "sti v9"):
        with pytest.raises(CommandError):
            s.do(text)
    assert (s.machine.digest(), len(s.log)) == before


def test_commands_and_calls_do_the_same():
    typed, called = session(vcpus=2), session(vcpus=2)
    for line in ("writel fee000f0h 1ffh v1", "wrmsr tsc 1000 v1", "irq 5 1", "inta", "eoi", "cli v1", "sti v1"):
        assert typed.do(line).ok
    called.writel(0xFEE0_00F0, 0x1FF, vcpu=1)
    called.wrmsr(0x10, 1000, vcpu=1)
    called.irq(5, 1)
    called.inta()
    called.eoi()
    called.cli(1)
    called.sti(1)
    assert typed.machine.digest() == called.machine.digest()
    assert [entry.text for entry in typed.log] != []


def test_a_reset_lets_go_of_every_wire_and_time_goes_on():
    s = session(vcpus=2)
    pic(s)
    apics(s, 2)
    pit(s)
    rtc(s)
    s.irq(5, 1)
    s.skip("1s")
    edges, now = s.peek("irq.0.edges"), s.now
    s.reset()
    assert s.now == now
    assert s.peek("irq.0.edges") >= edges
    for name in ("irq.5", "irq.8", "pin.16"):
        assert s.peek(f"{name}.level") == 0
    assert s.peek("lapic1.svr") == 0xFF
    assert s.peek("vcpu0.depth") == 0
    assert s.next_event() is None


def test_what_each_vcpu_took_of_a_source_is_counted():
    s = Session(vcpus=2, guest="ideal")
    s.writel(0xFEE000F0, 0x1FF, 1)
    s.writel(0xFEC00000, 0x15)
    s.writel(0xFEC00010, 0x01000000)
    s.writel(0xFEC00000, 0x14)
    s.writel(0xFEC00010, 0x40)
    s.outb(0x21, 0xFF)
    s.irq(0, 1)
    assert [s.peek(f"irq.0.delivered.v{vcpu}") for vcpu in (0, 1)] == [0, 1]
    assert s.peek("irq.0.delivered") == s.peek("vcpu1.taken") == 1
    s.writel(0xFEE00300, 0x000C0050, 1)
    assert s.peek("ipi.raised") == 1
