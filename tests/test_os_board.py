"""A guest's system on a whole board, and what of lost time is the hardware's own: timers that expire while a vCPU is
out, a TSC that runs on, steal, and system management.
"""

import time
from fractions import Fraction

import pytest
from osrig import MS, S

from timerlab import Session
from timerlab.devices.os import GuestOs, Options, Sight

APIC = 0xFEE0_0000
US = 1000


def periodic(s, v=0):
    """The local APIC's timer at 1 ms: 1 GHz bus, divided by 1."""
    s.writel(APIC + 0xF0, 0x1FF, vcpu=v)
    s.writel(APIC + 0x3E0, 0xB, vcpu=v)
    s.writel(APIC + 0x320, 0x2_0020, vcpu=v)
    s.writel(APIC + 0x380, 1_000_000, vcpu=v)


def counts(s, *names, source="lapic0.timer"):
    return tuple(s.peek(f"{source}.{name}") for name in names)


def sight_of(session):
    """The board as a guest sees it."""
    board = session.machine.board
    runs = board.sched.state.runs

    def spent(v, now, state, counted):
        run = board.sched.state.runs[v]
        return counted + (now - run.since if run.state == state else 0)

    def delivered(source):
        return sum(next(one for one in board.fabric.sources if one.name == source).delivered)

    return Sight(
        tsc=lambda v, now: board.vcpus[v].l1_tsc(now),
        tsc_khz=lambda v: board.vcpus[v].l1_clock().hz / 1000,
        cpuid=lambda leaf: session.cpuid(leaf),
        delivered=delivered,
        rate=lambda source: None,
        pit_hz=board.clocks["pit"].hz,
        hpet=board.hpet.counter,
        hpet_hz=lambda: board.clocks["hpet"].hz if board.hpet.enabled else Fraction(0),
        pm=board.pm.clock.ticks,
        pm_hz=board.pm.clock.hz,
        rtc=lambda now: now // S,
        kvmclock=lambda v, now: None,
        steal=lambda v, now: spent(v, now, "stolen", board.sched.state.runs[v].steal),
        run_ns=lambda v, now: spent(v, now, "run", board.sched.state.runs[v].run),
        v_running=board.sched.in_guest,
        guest_stopped=lambda v: False,
        clear_stopped=lambda v: None,
        wrmsr=lambda v, msr, value, now: session.wrmsr(msr, value, vcpu=v),
        vcpus=len(runs),
    )


def booted(session, **options):
    os = GuestOs(sight_of(session))
    session.machine.board.sched.followers.append(os)
    os.boot(session.now, Options(**options))
    return os


def test_a_periodic_local_timer_keeps_one_of_ten_ticks():
    """T13: the request bit is one bit."""
    s = Session(guest="ideal")
    periodic(s)
    s.skip(500 * US)
    s.do("preempt v0 10ms")
    s.skip(10 * MS)
    assert counts(s, "raised", "delivered", "coalesced") == (10, 1, 9)
    s.skip(MS)
    assert counts(s, "delivered", "coalesced") == (2, 9)


def test_a_deadline_fires_once_late_and_leaves_no_backlog():
    """T14"""
    s = Session(guest="ideal")
    s.writel(APIC + 0xF0, 0x1FF)
    s.writel(APIC + 0x320, 0x4_0020)
    s.wrmsr(0x6E0, s.rdtsc() + 2_600_000)
    s.do("preempt v0 10ms")
    s.skip(10 * MS - 1)
    assert counts(s, "delivered") == (0,)
    s.skip(1)
    assert counts(s, "raised", "delivered", "coalesced", "lost") == (1, 1, 0, 0)
    s.skip(100 * MS)
    assert counts(s, "raised") == (1,)
    s.wrmsr(0x6E0, s.rdtsc() + 2_600_000)
    s.skip(MS)
    assert counts(s, "delivered") == (2,)


def test_a_stall_of_50_ms_is_130_million_cycles_and_at_most_a_tick():
    """T17"""
    s = Session(guest="ideal")
    periodic(s)
    s.skip(300 * US)
    before = s.rdtsc()
    s.do("preempt v0 50ms")
    s.skip(50 * MS)
    assert s.rdtsc() - before == 130_000_000
    assert counts(s, "delivered") == (1,)


def test_steal_is_time_that_a_vcpu_could_have_run():
    """T18"""
    s = Session(guest="ideal")
    os = booted(s)
    s.skip(S)
    s.do("preempt v0 3s")
    s.skip(9 * S)
    assert s.peek("vcpu0.steal_ns") == 3 * S
    assert os.sight.steal(0, s.now) == 3 * S
    assert os.sight.run_ns(0, s.now) == 7 * S


def test_two_busy_vcpus_on_one_processor_are_stolen_from_by_half():
    """T19"""
    s = Session(vcpus=2, guest="ideal")
    if s.machine.board.sched.pcpu(0) != s.machine.board.sched.pcpu(1):
        s.do("migrate v1 p0")
    s.skip(S)
    steal = [s.peek(f"vcpu{v}.steal_ns") for v in range(2)]
    assert sum(steal) == S
    assert all(abs(one - 500 * MS) <= 5 * MS for one in steal)


def test_smm_of_200_us_stops_all_cpus_and_loses_no_tick():
    """T34"""
    s = Session(vcpus=2, guest="ideal")
    periodic(s)
    s.skip(10_200 * US)
    before = s.rdtsc(0), s.rdtsc(1)
    s.do("smi 200us")
    assert [s.peek(f"vcpu{v}.state") for v in range(2)] == ["smi", "smi"]
    s.skip(200 * US)
    assert (s.rdtsc(0) - before[0], s.rdtsc(1) - before[1]) == (520_000, 520_000)
    s.skip_to(20_500 * US)
    assert counts(s, "delivered", "coalesced") == (20, 0)


@pytest.mark.parametrize("start, lost", [(10_200 * US, 1), (10_800 * US, 2)])
def test_smm_of_2_5_ms_delivers_one_of_its_ticks_at_its_end(start, lost):
    """T35"""
    s = Session(guest="ideal")
    periodic(s)
    s.skip_to(start)
    s.do("smi 2.5ms")
    s.skip_to(start + 2500 * US - 1)
    assert counts(s, "delivered") == (10,)
    s.skip(1)
    assert counts(s, "delivered", "coalesced") == (11, lost)


def test_a_system_on_a_board_is_off_by_what_its_pit_calibration_made():
    s = Session(guest="ideal")
    os = booted(s)
    s.skip(20 * MS)
    os.sync(s.now)
    assert os.state.khz == 2_599_821
    s.skip(S)
    os.sync(s.now)
    assert 68_000 < os.ns("tsc", s.now) - s.now < 72_000


def test_a_system_is_told_of_stalls_by_the_scheduler():
    s = Session(guest="ideal")
    s.do("writel hpet.conf 1")
    os = booted(s, calibration="hpet")
    s.skip(3 * S)
    s.do("preempt v0 25s")
    s.skip(30 * S)
    os.sync(s.now)
    assert os.cores[0].soft == 1
    # 25 s, and 3 s since it was healthy at boot's end: 28 s are 26 units
    assert os.cores[0].stuck == 26
    assert os.state.current == "hpet" or os.state.khz == 2_600_000


def test_a_year_of_ticks_on_a_board_is_what_the_divisor_makes():
    s = Session(guest="ideal")
    for line in ("outb 43h 34h", "outb 40h a9h", "outb 40h 04h", "outb 20h 11h", "outb 21h 20h", "outb 21h 4"):
        s.do(line)
    for line in ("outb 21h 1", "outb 21h feh"):
        s.do(line)
    os = booted(s)
    begin = time.perf_counter()
    s.skip("1day")
    os.sync(s.now)
    assert time.perf_counter() - begin < 2
    drift = os.ns("ticks", s.now) - s.now
    assert abs(drift - 13_167_720_795) < 2 * MS
