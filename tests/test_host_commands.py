"""What is typed to change the host's TSCs, and what the guest sees of it."""

import pytest

from timerlab import CommandError, GuestFault, Session

DEADLINE = 0x6E0
OLD = {"constant_tsc": "no", "nonstop_tsc": "no", "sockets": "each"}


def session(**options):
    options.setdefault("quirks", OLD)
    return Session(vcpus=2, tsc_khz=1_000_000, **options)


def armed(s, vcpu=0):
    """The APIC timer of a vCPU waits for a deadline 20 ms ahead, vector 41h."""
    s.writel(0xFEE0_00F0, 0x1FF, vcpu=vcpu)
    s.writel(0xFEE0_0320, 0x4_0041, vcpu=vcpu)
    s.wrmsr(DEADLINE, s.rdtsc(vcpu=vcpu) + 20_000_000, vcpu=vcpu)
    return s


def test_a_p_state_changes_the_guest_s_rate_and_says_so():
    s = session()
    s.skip("1ms")
    assert s.do("pstate p0 500000").text == "core clock and TSC run at 500.000 000 MHz"
    s.skip("1ms")
    assert (s.rdtsc(), s.rdtsc(vcpu=1)) == (1_500_000, 2_000_000)
    assert s.peek("host.p0.khz") == s.peek("host.p0.core") == 500_000
    invariant = session(quirks={})
    assert "constant" in invariant.do("pstate p0 500000").text
    invariant.skip("1ms")
    assert (invariant.rdtsc(), invariant.peek("host.p0.khz"), invariant.peek("host.p0.core")) == (
        1_000_000, 1_000_000, 500_000,
    )  # fmt: skip


def test_a_p_state_within_a_time_tells_the_least_and_the_most():
    """TSC facts, T42."""
    s = Session(tsc_khz=1_500_000, quirks=OLD)
    assert "15 000 000 to 30 000 000 cycles" in s.do("pstate p0 3000000 10ms").text
    s.skip("10ms")
    assert 15_000_000 < s.rdtsc() == 22_500_000 < 30_000_000
    assert s.peek("host.p0.khz") == 3_000_000


def test_a_sleep_stops_the_guest_s_tsc_and_catchup_gives_it_back():
    """TSC facts, T22."""
    s = session()
    s.skip("10ms")
    assert s.do("cstate p1 c3 250ms").text == "p1 sleeps in C3 for 250.000 ms, its TSC stands"
    s.skip("100ms")
    assert (s.peek("host.p1.state"), s.peek("host.p1.hz"), s.rdtsc(vcpu=1)) == ("c3", 0, 10_000_000)
    s.skip("200ms")
    assert (s.peek("host.p1.state"), s.rdtsc(vcpu=1)) == ("run", 60_000_000)
    result = s.do("catchup p1")
    assert result.value == 250_000_000
    assert "p1 jumps by +250 000 000" in result.text
    assert s.rdtsc(vcpu=1) == s.rdtsc() == 310_000_000
    assert s.do("catchup p1").text == "p1 misses no cycle"


def test_a_deadline_waits_as_long_as_the_tsc_stands_and_that_is_foreseen():
    s = armed(session())
    s.skip("5ms")
    s.do("cstate p0 c3 30ms")
    assert s.next_event() == (50_000_000, "lapic0.timer")
    s.skip("44999999ns")
    assert s.peek("lapic0.irr_max") is None
    s.skip(1)
    assert (s.now, s.peek("lapic0.irr_max")) == (50_000_000, 0x41)


def test_a_deadline_comes_when_a_tsc_that_is_caught_up_jumps_over_it():
    s = armed(session())
    s.do("cstate p0 c3")
    s.skip("30ms")
    assert (s.peek("lapic0.irr_max"), s.next_event()) == (None, None)
    assert "misses 30 000 000 cycles: catchup p0" in s.do("cstate p0 c0").text
    s.do("catchup p0")
    assert s.peek("lapic0.irr_max") == 0x41


@pytest.mark.parametrize("command", ["tstate p0 25", "pstate p0 250000", "spread 0 100000 7us", "socket 0 -999"])
def test_a_deadline_is_met_by_every_kind_of_clock(command):
    s = armed(session())
    s.skip("2ms")
    s.do(command)
    at, wire = s.next_event()
    assert wire == "lapic0.timer"
    s.skip_to(at - 1)
    assert s.rdtsc() < 20_000_000
    assert s.peek("lapic0.irr_max") is None
    s.skip(1)
    assert s.rdtsc() >= 20_000_000
    assert s.peek("lapic0.irr_max") == 0x41


def test_a_throttled_clock_counts_its_share():
    """TSC facts, T23."""
    s = session()
    assert s.do("tstate p0 12.5").text == "p0 is throttled to 12.5 %, its TSC runs at 125.000 000 MHz on the average"
    s.skip("2s")
    assert s.rdtsc() == 250_000_000
    s.do("tstate p0 100")
    s.skip("1s")
    assert s.rdtsc() == 1_250_000_000


def test_a_package_drifts_and_a_spread_clock_is_slow():
    """TSC facts, T19, T20."""
    s = session()
    s.do("socket 1 50")
    s.skip("10s")
    assert s.rdtsc(vcpu=1) - s.rdtsc() == 500_000
    s.do("socket 1 0")
    assert "2500 ppm slow" in s.do("spread 1 5000 10us").text
    s.skip("1s")
    assert s.rdtsc(vcpu=1) - s.rdtsc() == 500_000 - 2_500_000


def test_a_plugged_in_processor_starts_at_0_and_resync_copies():
    """TSC facts, T24."""
    s = session()
    s.skip("5s")
    assert s.do("plug p1 none").text.startswith("p1 starts, its TSC is −5 000 000 000 cycles off p0")
    s.skip("1s")
    assert s.rdtsc() - s.rdtsc(vcpu=1) == 5_000_000_000
    assert "p1 jumps by +5 000 000 007" in s.do("resync 7").text
    assert s.rdtsc(vcpu=1) - s.rdtsc() == 7
    assert s.do("plug p1 adjust").text.startswith("p1 starts, its TSC is level with p0")
    assert s.peek("host.p1.adjust") == 6_000_000_000


def test_suspend_starts_the_tscs_again_and_takes_no_virtual_time():
    s = session()
    s.skip("5s")
    assert "for 3600.000 s" in s.do("suspend 1hr").text
    assert (s.now, s.rdtsc(), s.peek("host.suspended_ns")) == (5 * 10**9, 0, 3600 * 10**9)


def test_programs_read_no_tsc_while_tsd_is_set():
    """TSC facts, T16, T48."""
    s = session()
    s.wrmsr(0xC000_0103, 0x5003)
    s.do("tsd 1")
    assert s.rdtsc() == 0
    assert s.do("cpl 3").text == "CPL 3, CR4.TSD 1 on v0: RDTSC and RDTSCP fault"
    for read in (s.rdtsc, s.rdtscp):
        with pytest.raises(GuestFault, match="TSD"):
            read()
    assert s.do("rdtsc").fault == "#GP(0)"
    assert s.do("rdpid").value == 0x5003
    assert s.rdtsc(vcpu=1) == 0
    assert (s.peek("vcpu0.tsd"), s.peek("vcpu0.cpl"), s.peek("vcpu1.tsd")) == (1, 3, 0)


def test_rdpid_is_an_invalid_opcode_without_its_bit():
    """TSC facts, T27."""
    s = Session(quirks={"rdpid": "no", "rdtscp": "no"})
    assert s.do("rdpid").fault == "#UD"
    assert s.do("rdmsr tsc_aux").fault == "#GP(0)"
    assert not s.cpuid(7)[2] >> 22 & 1


LINES = (
    "pstate p1 1300000",
    "pstate p1 1300000 10ms",
    "cstate p1 c3 250ms",
    "cstate p1 c1",
    "cstate p1 c0",
    "tstate p0 12.5",
    "tstate p0 100",
    "socket 1 -50",
    "spread 0 5000",
    "spread 0 5000 60us",
    "plug p1 copy",
    "suspend 1hr",
    "resync",
    "resync -40",
    "catchup p1",
    "tsd 1",
    "tsd 0 v1",
    "cpl 3 v1",
    "rdpid v1",
)


@pytest.mark.parametrize("line", LINES)
def test_a_command_writes_itself_down_as_it_is_read(line):
    s = session()
    s.skip("1ms")
    if line.endswith("c0"):
        s.do("cstate p1 c1")
    s.do(line)
    assert s.log[-1].action.text() == line


def test_a_saved_session_is_the_same_when_it_is_loaded(tmp_path):
    s = session()
    for line in LINES:
        s.do("skip 3ms")
        if line == "cstate p1 c1":
            s.do("cstate p1 c0")
        s.do(line)
    s.do("skip 1s")
    s.save(tmp_path / "host.timerlab")
    loaded = Session.load(tmp_path / "host.timerlab")
    assert loaded.machine.digest() == s.machine.digest()
    middle = s.now // 2
    s.goto(middle)
    fresh = Session.load(tmp_path / "host.timerlab")
    fresh.goto(middle)
    assert fresh.machine.digest() == s.machine.digest()


WRONG = {
    "pstate p9 1000": "no processor p9",
    "pstate p0 0": "0 is not in the range",
    "pstate v0 1000": "v0 is no processor",
    "cstate p0 c9": "c9",
    "cstate p0 c0": "p0 does not sleep",
    "cstate p1 c0 1ms": "takes no time",
    "cstate p0 c3 0": "cannot wake",
    "tstate p0 0": "0.1 to 100",
    "tstate p0 12.55": "0.1 to 100",
    "tstate p0 x": "0.1 to 100",
    "socket 2 5": "no socket 2",
    "socket 0 999999": "range",
    "spread 0 -1": "range",
    "spread 0 5000 1": "2 or more",
    "plug p0 none": "p0 started the host",
    "plug p1 magic": "magic",
    "suspend": "TIME",
    "resync x": "x",
    "catchup p7": "no processor p7",
    "tsd 2": "range",
    "cpl 1": "cpl 0, cpl 3",
    "rdpid v9": "no vCPU",
}


@pytest.mark.parametrize("line", WRONG)
def test_what_makes_no_sense_is_refused_in_one_line_and_changes_nothing(line):
    s = session()
    s.skip("1ms")
    before = s.machine.digest(), len(s.log)
    with pytest.raises(CommandError) as said:
        s.do(line)
    assert WRONG[line] in str(said.value)
    assert len(str(said.value).splitlines()) == 1
    assert (s.machine.digest(), len(s.log)) == before


def test_looking_at_the_host_changes_nothing():
    s = session()
    for line in ("cstate p1 c3 250ms", "spread 0 5000", "pstate p0 700000 10ms", "skip 5ms"):
        s.do(line)
    before = s.machine.digest()
    s.peeks()
    s.next_event()
    assert s.machine.digest() == before
