"""From sources to vCPUs: leaps against edges taken one by one, years against arithmetic, and the order of things."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from modelfabric import (
    EOI,
    HPET,
    ICR_HIGH,
    ICR_LOW,
    IOAPIC,
    LAPIC,
    LINT0,
    SVR,
    TPR,
    act,
    an_access,
    apics,
    bounded,
    entry,
    hpet,
    lapic_timer,
    low_of,
    naive,
    pic,
    pit,
    read_c,
    requests,
    rtc,
    served,
    session,
    set_up,
    walk,
    x2apic,
)  # fmt: skip

from timerlab import Session
from timerlab.devices import flow

YEAR = 365 * 86_400 * 10**9
HZ = (105_000_000, 88)
"""The PIT's clock as a fraction."""


def pit_rises(now, count):
    """How often OUT 0 rose by `now`, if mode 2 was programmed at 0: with the control word, then each `count` clocks
    after the load, which is at the first clock.
    """
    return 1 + max(0, now * HZ[0] // (HZ[1] * 10**9) - 1) // count


def fates(s, name):
    return tuple(s.peek(f"{name}.{what}") for what in ("delivered", "coalesced", "lost"))


# -- leaps


@st.composite
def boards(draw, guests):
    """A profile, a guest, a few timers that run, accesses, and spans."""
    rng = draw(st.randoms(use_true_random=False))
    vcpus = rng.choice((1, 1, 2, 3))
    options = {"vcpus": vcpus, "profile": rng.choice(("datasheet", "qemu", "ich")), "guest": rng.choice(guests)}
    moves = []
    for _ in range(rng.randrange(1, 8)):
        moves += set_up(rng, vcpus)
        if rng.random() < 0.4:
            moves.append(an_access(rng, vcpus))
        if rng.random() < 0.5:
            moves.append(("skip", rng.randrange(1, rng.choice((10, 10**4, 10**6, 10**7)))))
    return options, [*moves, ("skip", 10**7)]


def compare(options, moves, edges=3000):
    leaping, stepping = Session(**options).machine, naive(options).machine
    for move in moves:
        now = bounded(leaping, move, edges)
        act(leaping, now)
        act(stepping, now)
        assert leaping.peeks() == stepping.peeks(), now
        assert leaping.snapshot() == stepping.snapshot(), now


@settings(max_examples=settings().max_examples * 2)
@given(boards(("none", "manual")))
def test_leaps_count_what_nobody_takes_as_stepping_does(board):
    compare(*board)


@settings(max_examples=settings().max_examples * 2)
@given(boards(("ideal",)))
def test_leaps_count_what_an_ideal_guest_takes_as_stepping_does(board):
    compare(*board)


@settings(max_examples=settings().max_examples * 2)
@given(boards(("latency=1us", "latency=3us", "latency=50us", "latency=1ms", "latency=7ms")))
def test_leaps_count_what_a_slow_guest_takes_as_stepping_does(board):
    compare(*board)


def step_and_leap(options, prepare, span):
    """A leaping and a stepping session, prepared alike and brought to the same moment."""
    both = Session(**options), naive(options)
    for s in both:
        prepare(s)
        s.skip(span)
    leaping, stepping = both
    assert leaping.peeks() == stepping.peeks()
    assert leaping.machine.digest() == stepping.machine.digest()
    return leaping


def test_a_timer_that_is_faster_than_its_handler_is_taken_each_latency():
    def prepare(s):
        lapic_timer(s, 1000)

    s = step_and_leap({"guest": "latency=3us"}, prepare, 5_000_500)
    assert fates(s, "lapic0.timer") == (1 + (5_000_500 - 1000) // 3000, 5000 - 1 - 1 - (5_000_500 - 1000) // 3000, 0)


@settings(max_examples=settings().max_examples * 2)
@given(
    st.one_of(st.integers(10, 5000), st.integers(10, 10**6)),
    st.one_of(st.integers(10, 5000), st.integers(10, 10**6)),
    st.integers(1, 2500),
)
def test_one_timer_and_its_handler_are_as_the_little_model_says(period, latency, edges):
    s = Session(guest=f"latency={latency}")
    lapic_timer(s, period)
    until = period * edges + period // 2
    s.skip(until)
    delivered, coalesced = served(range(period, until + 1, period), latency, until)
    assert fates(s, "lapic0.timer") == (delivered, coalesced, 0)
    assert delivered <= 1 + (until - period) // latency
    if period < latency:
        assert delivered == 1 + (until - period) // latency


@pytest.mark.parametrize("guest", ["none", "manual"])
def test_where_nobody_takes_them_all_but_the_first_are_one_with_it(guest):
    s = Session(guest=guest)
    pic(s)
    pit(s)
    s.skip("10s")
    assert s.peek("irq.0.edges") == pit_rises(s.now, 1193)
    assert fates(s, "irq.0") == (0, pit_rises(s.now, 1193) - 1, 0)


def test_an_ideal_guest_takes_every_edge():
    s = Session(guest="ideal")
    pic(s)
    pit(s, 2)
    s.skip("10s")
    assert s.peek("irq.0.delivered") == s.peek("irq.0.edges") == pit_rises(s.now, 2)


# -- a year


def year_machine(guest):
    """PIT and RTC through the 8259s, an HPET timer through the I/O APIC, four APIC timers, all at about 1 kHz."""
    s = Session(vcpus=4, profile="ich", guest=guest)
    pit(s)
    pic(s)
    apics(s, 4)
    s.writel(LAPIC + LINT0, 0x700)
    entry(s, 20, 0x60, 3 << 24)
    for vcpu in range(4):
        lapic_timer(s, 1_000_000 + vcpu, 0x41 + vcpu, vcpu=vcpu)
    rtc(s)
    hpet(s, 0, 20 << 9 | 0x4C, 14_318, 14_318)
    s.writel(HPET + 0x10, 1)
    return s


def test_a_year_of_seven_timers_is_counted_to_the_edge():
    s = year_machine("ideal")
    s.skip(YEAR)
    rises = pit_rises(YEAR, 1193)
    assert s.peek("irq.0.edges") == rises
    # the first rise came before ICW1, which forgets it
    assert s.peek("irq.0.delivered") in (rises, rises - 1)
    assert s.peek("irq.0.coalesced") == 0
    # register C is never read
    assert (s.peek("irq.8.edges"), s.peek("irq.8.delivered")) == (1, 1)
    for vcpu in range(4):
        expiries = YEAR // (1_000_000 + vcpu)
        assert s.peek(f"lapic{vcpu}.timer.edges") == expiries
        assert fates(s, f"lapic{vcpu}.timer") == (expiries, 0, 0)
    matches = YEAR * 10**6 // 69_841_279 // 14_318
    assert s.peek("hpet.t0.out.edges") == matches
    assert fates(s, "hpet.t0.out") == (matches, 0, 0)
    assert s.peek("vcpu3.taken") == matches + YEAR // 1_000_003
    assert s.machine.board.flow.estimated_since is None


def test_a_year_in_slices_is_a_year_at_once():
    whole, sliced = year_machine("ideal"), year_machine("ideal")
    whole.skip(YEAR)
    for cut in (1, 12_345, 10**9 + 7, YEAR // 3, YEAR // 2, YEAR - 1, YEAR):
        sliced.skip_to(cut)
    assert sliced.machine.digest() == whole.machine.digest()
    assert sliced.peeks() == whole.peeks()


def test_a_year_of_masked_timers_is_lost_to_the_edge():
    s = Session(profile="ich")
    pit(s)
    entry(s, 20, 0x1_0060)
    hpet(s, 0, 20 << 9 | 0x4C, 14_318, 14_318)
    s.writel(HPET + 0x10, 1)
    lapic_timer(s, 1_000_000, 0x1_0041)
    s.skip(YEAR)
    assert fates(s, "hpet.t0.out") == (0, 0, YEAR * 10**6 // 69_841_279 // 14_318)
    assert fates(s, "lapic0.timer") == (0, 0, YEAR // 1_000_000)
    assert fates(s, "irq.0") == (0, pit_rises(YEAR, 1193) - 1, 0)


@pytest.mark.parametrize("period", [1_000_000, 50_000, 49_999, 7_000, 300])
def test_a_year_of_one_timer_and_a_slow_handler_is_exact(period):
    s = Session(guest="latency=50us")
    lapic_timer(s, period)
    s.skip(YEAR)
    edges = YEAR // period
    delivered = edges if period >= 50_000 else 1 + (YEAR - period) // 50_000
    waiting = s.peek("lapic0.irr") >> 0x41 & 1
    assert s.peek("lapic0.timer.edges") == edges
    assert fates(s, "lapic0.timer") == (delivered, edges - delivered - waiting, 0)
    assert s.machine.board.flow.estimated_since is None


def test_a_year_of_the_pit_and_a_slow_handler_is_exact():
    s = Session(guest="latency=50us")
    pit(s)
    s.skip(YEAR)
    assert fates(s, "irq.0") == (pit_rises(YEAR, 1193), 0, 0)


# -- several sources for one vCPU


@pytest.fixture
def small_budget(monkeypatch):
    monkeypatch.setattr(flow, "BUDGET", 2000)


def shared(guest="latency=300us"):
    """The PIT, through pin 2, and the APIC timer of one vCPU."""
    s = session(guest=guest)
    pit(s)
    s.outb(0x21, 0xFF)
    entry(s, 2, 0x32)
    lapic_timer(s, 700_001)
    return s


def test_sources_that_share_a_vcpu_are_exact_up_to_the_budget(small_budget):
    leaping, stepping = shared(), shared()
    walk(stepping)
    for s in (leaping, stepping):
        s.skip("700ms")
    assert leaping.machine.board.flow.estimated_since is None
    assert leaping.peeks() == stepping.peeks()
    assert leaping.machine.digest() == stepping.machine.digest()


def test_beyond_the_budget_counts_go_on_in_proportion_and_say_so(small_budget):
    s = shared()
    s.skip("700ms")
    first = {name: fates(s, name) for name in ("irq.0", "lapic0.timer")}
    s.skip("69300ms")
    since = s.machine.board.flow.estimated_since
    assert since is not None and 700_000_000 < since < 900_000_000
    assert s.peek("irq.0.edges") == pit_rises(s.now, 1193)
    assert s.peek("lapic0.timer.edges") == s.now // 700_001
    for name, was in first.items():
        now = fates(s, name)
        for before, after in zip(was, now, strict=True):
            assert abs(after - 100 * before) <= 0.03 * max(after, 1000), name
        edges = s.peek(f"{name}.edges")
        assert edges - 4 <= sum(now) <= edges


def test_how_time_is_sliced_does_not_show_in_an_estimate(small_budget):
    whole, sliced = shared(), shared()
    whole.skip("100s")
    for cut in (1, 10**8, 7 * 10**8, 820_000_000, 10**9, 10**10 + 1, 99 * 10**9, 10**11):
        sliced.skip_to(cut)
    assert sliced.peeks() == whole.peeks()
    assert sliced.machine.digest() == whole.machine.digest()


# -- order


def test_an_edge_comes_before_the_access_of_its_nanosecond():
    s = session()
    lapic_timer(s, 1000)
    s.skip(1000)
    assert s.inta() == 0x41


def test_a_handler_that_ends_with_an_edge_is_over_before_it_is_taken():
    """Period = latency: each edge is taken as it comes."""
    s = Session(guest="latency=10us")
    lapic_timer(s, 10_000)
    s.skip("100us")
    assert fates(s, "lapic0.timer") == (10, 0, 0)
    assert s.peek("vcpu0.busy") == 110_000


def test_of_coincident_edges_the_higher_vector_is_taken_first():
    s = session()
    apics(s)
    hpet(s, 2, 0x0404, 100)
    entry(s, 2, 0x52)
    s.writel(HPET + 0x10, 1)
    lapic_timer(s, 1000, 0x61, mode=0)
    s.skip(1000)
    assert requests(s) == [0x52, 0x61]
    assert [s.inta(), s.inta()] == [0x61, None]
    s.eoi()
    assert s.inta() == 0x52


def test_coincident_edges_of_wires_on_one_pin_are_one():
    s = session()
    apics(s)
    entry(s, 2, 0x52)
    for timer in (1, 2):
        hpet(s, timer, 0x0404, 100)
    s.writel(HPET + 0x10, 1)
    s.skip("10us")
    assert requests(s) == [0x52]
    assert sum(fates(s, "hpet.t1.out")[1:] + fates(s, "hpet.t2.out")[1:]) == 1


def test_the_8259_comes_before_the_local_apic():
    s = session()
    pic(s)
    apics(s)
    s.writel(LAPIC + LINT0, 0x700)
    lapic_timer(s, 1000, 0xF0)
    s.irq(7, 1)
    s.skip(1000)
    assert s.inta() == 0x27
    assert s.inta() == 0xF0


# -- levels


@pytest.mark.parametrize("guest", ["ideal", "latency=1us"])
def test_a_level_stays_in_service_until_its_source_lets_go(guest):
    s = Session(guest=guest)
    apics(s)
    entry(s, 9, 0x8039)
    s.irq(9, 1)
    s.skip("1s")
    assert (s.peek("irq.9.delivered"), s.peek("vcpu0.serving")) == (1, 0x39)
    assert low_of(s, 9) & 0x4000
    s.irq(9, 0)
    s.skip("1ms")
    assert (s.peek("vcpu0.serving"), low_of(s, 9) & 0x4000) == (None, 0)
    s.irq(9, 1)
    assert s.peek("irq.9.delivered") == 2


@pytest.mark.parametrize("guest", ["ideal", "latency=1us"])
def test_a_level_of_the_8259_stays_in_service_until_its_source_lets_go(guest):
    s = Session(guest=guest)
    pic(s)
    s.outb(0x4D0, 1 << 5)
    s.irq(5, 1)
    s.skip("1ms")
    assert (s.peek("irq.5.delivered"), s.peek("vcpu0.serving")) == (1, 0x25)
    s.irq(5, 0)
    s.skip("1ms")
    assert s.peek("vcpu0.serving") is None


def test_a_higher_vector_interrupts_a_level_that_is_held():
    s = Session(guest="ideal")
    apics(s)
    entry(s, 9, 0x8039)
    s.irq(9, 1)
    lapic_timer(s, 1000, 0x61)
    s.skip("1ms")
    assert fates(s, "lapic0.timer") == (1000, 0, 0)
    assert s.peek("vcpu0.serving") == 0x39


def test_a_lower_vector_waits_for_a_level_that_is_held():
    s = Session(guest="ideal")
    apics(s)
    entry(s, 9, 0x8069)
    s.irq(9, 1)
    lapic_timer(s, 1000, 0x41)
    s.skip("1ms")
    assert fates(s, "lapic0.timer") == (0, 999, 0)
    s.irq(9, 0)
    assert fates(s, "lapic0.timer") == (1, 999, 0)


def test_an_eoi_of_a_level_that_is_still_up_brings_it_again():
    s = session()
    apics(s)
    entry(s, 9, 0x8039)
    s.irq(9, 1)
    for _ in range(3):
        assert s.inta() == 0x39
        assert s.inta() is None
        s.writel(LAPIC + EOI, 0)
    s.irq(9, 0)
    # the broadcast came before the line fell: one more waits
    assert s.inta() == 0x39
    s.eoi()
    assert s.inta() is None


def test_two_sources_hold_one_pin_until_both_let_go():
    s = session()
    apics(s)
    entry(s, 2, 0x8052)
    hpet(s, 2, 0x0406, 100)
    s.writel(HPET + 0x10, 1)
    s.irq(0, 1)
    assert s.inta() == 0x52
    s.skip("10us")
    s.irq(0, 0)
    s.eoi()
    assert s.inta() == 0x52
    s.writel(HPET + 0x20, 4)
    s.eoi()
    assert s.inta() is None


def test_a_level_of_the_rtc_is_served_until_register_c_is_read():
    s = Session(guest="ideal")
    apics(s)
    entry(s, 8, 0x8038)
    rtc(s)
    for tick in range(1, 6):
        s.skip("1ms")
        assert (s.peek("irq.8.delivered"), s.peek("vcpu0.serving")) == (tick, 0x38)
        read_c(s)
        assert s.peek("vcpu0.serving") is None


# -- spurious, IF


def test_a_request_that_goes_before_inta_is_a_spurious_irq_7():
    s = session(quirks={"edge": "withdraw"})
    pic(s)
    s.cli()
    s.irq(3, 1)
    s.irq(3, 0)
    s.sti()
    taken = s.inta()
    assert taken in (None, 0x27)
    assert s.peek("vcpu0.spurious") == (taken == 0x27)
    assert s.peek("irq.3.delivered") == 0


def test_an_interrupt_of_a_mask_that_came_late_is_spurious():
    """ExtINT through pin 2 and the 8259 masked: the INTA finds nothing."""
    s = session()
    pic(s, mask=0xFF)
    apics(s)
    entry(s, 2, 0x700)
    s.irq(0, 1)
    assert s.inta() == 0x27
    assert (s.peek("vcpu0.spurious"), s.peek("irq.0.delivered")) == (1, 0)
    s.eoi()
    assert s.inta() is None


@pytest.mark.parametrize("guest", ["ideal", "latency=10us"])
def test_cli_keeps_a_guest_from_taking_and_sti_lets_it(guest):
    s = Session(guest=guest)
    s.cli()
    lapic_timer(s, 100_000)
    s.skip("1ms")
    assert fates(s, "lapic0.timer") == (0, 9, 0)
    s.sti()
    assert fates(s, "lapic0.timer") == (1, 9, 0)
    s.skip("1ms")
    assert fates(s, "lapic0.timer") == (11, 9, 0)


def test_sti_of_one_vcpu_is_its_own():
    s = Session(guest="ideal", vcpus=2)
    s.cli()
    for vcpu in range(2):
        lapic_timer(s, 1000, vcpu=vcpu)
    s.skip("1ms")
    assert (s.peek("vcpu0.taken"), s.peek("vcpu1.taken")) == (0, 1000)


# -- several vCPUs


def test_timers_of_different_vcpus_do_not_wait_for_each_other():
    s = Session(guest="latency=900us", vcpus=4)
    for vcpu in range(4):
        lapic_timer(s, 1_000_000, vcpu=vcpu)
    s.skip("1s")
    for vcpu in range(4):
        assert fates(s, f"lapic{vcpu}.timer") == (1000, 0, 0)


def test_lowest_priority_goes_to_the_vcpu_with_the_lowest_ppr():
    s = session(vcpus=4)
    apics(s, 4)
    for vcpu, tpr in enumerate((0x50, 0x20, 0x20, 0x30)):
        s.writel(LAPIC + TPR, tpr, vcpu)
        s.writel(LAPIC + 0xD0, 1 << 24 + vcpu, vcpu)
    entry(s, 5, 0x965, 0x0F << 24)
    for vcpu in (1, 2, 3, 0):
        s.irq(5, 1)
        s.irq(5, 0)
        assert s.inta(vcpu) == 0x65, vcpu


def test_a_broadcast_is_taken_by_every_vcpu_and_asked_for_once():
    s = Session(guest="ideal", vcpus=3)
    apics(s, 3)
    entry(s, 5, 0x65, 0xFF << 24)
    s.irq(5, 1)
    assert [s.peek(f"vcpu{vcpu}.taken") for vcpu in range(3)] == [1, 1, 1]
    assert s.peek("irq.5.edges") == 1


def test_an_ipi_wakes_an_ideal_guest_at_once():
    s = Session(guest="ideal", vcpus=2)
    apics(s, 2)
    s.writel(LAPIC + ICR_HIGH, 1 << 24)
    s.writel(LAPIC + ICR_LOW, 0x4050)
    assert (s.peek("vcpu1.taken"), s.peek("vcpu1.last"), s.peek("vcpu0.taken")) == (1, 0x50, 0)
    s.writel(LAPIC + ICR_LOW, 0x8_4051)
    assert (s.peek("vcpu1.last"), s.peek("vcpu0.last")) == (0x51, 0x51)


def test_a_self_ipi_in_x2apic_mode_is_taken():
    s = Session(guest="latency=5us", vcpus=2)
    x2apic(s, 1)
    s.wrmsr(0x83F, 0xF1, vcpu=1)
    assert (s.peek("vcpu1.last"), s.peek("vcpu1.busy")) == (0xF1, 5000)


def test_init_forgets_what_waits():
    s = session(vcpus=2)
    apics(s, 2)
    entry(s, 5, 0x65, 1 << 24)
    s.irq(5, 1)
    assert requests(s, 1) == [0x65]
    s.writel(LAPIC + ICR_HIGH, 1 << 24)
    s.writel(LAPIC + ICR_LOW, 0x4500)
    assert requests(s, 1) == []
    assert s.inta(1) is None
    assert s.readl(LAPIC + SVR, vcpu=1) == 0xFF


def test_an_ideal_guest_takes_fsb_messages():
    s = Session(guest="ideal", vcpus=2, quirks={"hpet_caps": "fsb"})
    apics(s, 2)
    hpet(s, 2, 0x404C, 1000, 1000)
    s.writel(HPET + 0x150, 0x41)
    s.writel(HPET + 0x154, 0xFEE0_1000)
    s.writel(HPET + 0x10, 1)
    s.skip("1s")
    assert s.peek("vcpu1.taken") == 100_000
    assert fates(s, "hpet.t2.out") == (100_000, 0, 0)


def test_x2apic_and_xapic_vcpus_get_the_same_messages():
    s = Session(guest="ideal", vcpus=2)
    apics(s)
    x2apic(s, 1)
    for vcpu in range(2):
        entry(s, 5, 0x65, vcpu << 24)
        s.irq(5, 1)
        s.irq(5, 0)
    assert (s.peek("vcpu0.last"), s.peek("vcpu1.last")) == (0x65, 0x65)
    s.wrmsr(0x830, 0x66, vcpu=1)
    assert s.peek("vcpu0.last") == 0x66


@pytest.mark.parametrize("guest", ["ideal", "latency=20us"])
def test_every_request_is_delivered_coalesced_lost_or_still_waits(guest):
    """Random lines by hand on one way each: the sum is exact."""
    rng = random.Random(7)
    s = Session(guest=guest, vcpus=2)
    s.outb(0x21, 0xFF)
    s.outb(0xA1, 0xFF)
    apics(s, 2)
    for pin in range(16, 24):
        masked = 0x1_0000 if pin == 20 else 0
        entry(s, pin, masked | 0x40 + 8 * (pin - 16), (pin & 1) << 24)
    for _ in range(600):
        s.irq(rng.randrange(16, 24), rng.randrange(2))
        s.skip(rng.choice((1, 1000, 30_000)))
    s.skip("1s")
    for pin in range(16, 24):
        edges = s.peek(f"pin.{pin}.edges")
        delivered, coalesced, lost = fates(s, f"pin.{pin}")
        assert edges == delivered + coalesced + lost
        assert (lost == edges) == (pin == 20)
    writes = s.peek("vcpu0.taken") + s.peek("vcpu1.taken")
    assert writes == sum(fates(s, f"pin.{pin}")[0] for pin in range(16, 24))
    assert s.readl(IOAPIC) is not None


@pytest.mark.parametrize("guest", ["none", "manual", "ideal", "latency=10us"])
def test_each_pulse_of_an_nmi_pin_is_counted(guest):
    def prepare(s):
        pit(s)
        entry(s, 2, 0x400)

    s = step_and_leap({"guest": guest}, prepare, 3 * 10**9)
    assert s.peek("lapic0.nmis") == pit_rises(s.now, 1193) - 1


@pytest.mark.parametrize("guest", ["ideal", "latency=50us"])
def test_spurious_interrupts_go_on_over_a_long_time(guest):
    """An ExtINT message of each edge, where the 8259 has it masked."""

    def prepare(s):
        s.outb(0x21, 0xFF)
        pit(s)
        entry(s, 2, 0x700)

    s = step_and_leap({"guest": guest}, prepare, 10**9)
    assert s.peek("vcpu0.spurious") == pit_rises(s.now, 1193) - 1


def test_a_request_that_waits_for_a_busy_vcpu_is_taken_when_it_is_free():
    """Another source had the vCPU first."""

    def prepare(s):
        s.irq(5, 1)
        pit(s, 2)

    s = step_and_leap({"guest": "latency=3us"}, prepare, 60_786)
    assert s.peek("irq.0.delivered") == s.now // 3000


def test_an_access_ends_the_estimate_and_begins_the_budget_anew(small_budget):
    s = shared()
    s.skip("100s")
    assert s.machine.board.flow.estimated_since is not None
    taken = s.peek("vcpu0.taken")
    s.inb(0x61)
    assert s.machine.board.flow.estimated_since is None
    s.skip("100ms")
    assert s.machine.board.flow.estimated_since is None
    # 100 ms hold 100 edges of one and 142 of the other
    assert 200 < s.peek("vcpu0.taken") - taken < 244


@pytest.mark.parametrize("profile", ["datasheet", "qemu"])
def test_a_level_at_lint0_stays_in_service_while_it_is_up(profile):
    """Active low, with the pin low: the level is up."""
    s = Session(guest="ideal", profile=profile)
    apics(s)
    taken = s.peek("vcpu0.taken")
    s.writel(LAPIC + LINT0, 0xA041)
    assert s.peek("vcpu0.taken") <= taken + 1


def test_a_level_of_an_8259_with_automatic_eoi_is_taken_once():
    s = Session(guest="ideal")
    s.outb(0x4D0, 0x28)
    for port, value in ((0x20, 0x11), (0x21, 0x30), (0x21, 4), (0x21, 3)):
        s.outb(port, value)
    s.irq(5, 1)
    assert s.peek("irq.5.delivered") == 1


def test_a_slow_guest_takes_every_edge_of_qemu_s_pit():
    s = Session(profile="qemu", guest="latency=3us")
    pit(s)
    s.skip("19000s")
    assert s.peek("irq.0.delivered") == s.peek("irq.0.edges")


@settings(max_examples=settings().max_examples * 2)
@given(st.integers(10, 10**6), st.integers(10, 10**6), st.lists(st.integers(0, 10**9), max_size=3))
def test_how_time_is_sliced_does_not_show_in_one_timer_and_its_slow_handler(period, latency, cuts):
    """Many more edges than are taken one by one."""
    whole, sliced = Session(guest=f"latency={latency}"), Session(guest=f"latency={latency}")
    for s in (whole, sliced):
        lapic_timer(s, period)
    for cut in sorted(cuts):
        sliced.skip_to(cut)
    for s in (whole, sliced):
        s.skip_to(10**9)
    assert sliced.peeks() == whole.peeks()
    assert sliced.machine.digest() == whole.machine.digest()
