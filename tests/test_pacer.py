"""The pacer, with a clock of its own: whatever the host does, every edge falls at its exact virtual time."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from timerlab import Session
from timerlab.pacer import SLEPT_NS, Pacer

BIG = 1 << 62


class Host:
    """A host clock that moves when it is told, and by `cost` at every look."""

    def __init__(self, cost=0):
        self.now = 10**12
        self.cost = cost

    def __call__(self):
        self.now += self.cost
        return self.now


def paced(rate=1, profile="datasheet", cost=0):
    s = Session(profile=profile)
    for line in ("outb 43h 36h", "outb 40h a9h", "outb 40h 4", "outb 43h 74h", "outb 41h 12h", "outb 41h 0"):
        s.do(line)
    host = Host(cost)
    pacer = Pacer(s, host)
    s.rate = Fraction(rate)
    s.do("run")
    return s, host, pacer


def same_as_one_skip(s):
    t = Session(profile=s.options.profile)
    for line in ("outb 43h 36h", "outb 40h a9h", "outb 40h 4", "outb 43h 74h", "outb 41h 12h", "outb 41h 0"):
        t.do(line)
    t.skip(s.now)
    return s.machine.digest() == t.machine.digest()


rates = st.one_of(
    st.sampled_from(
        [Fraction(1), Fraction(1, 1000), Fraction(1000), Fraction(88, 105_000_000), Fraction(1, 10_000_000)]
    ),
    st.fractions(Fraction(1, 10**6), 1000, max_denominator=10**6),
)


@given(rates, st.lists(st.integers(0, SLEPT_NS), min_size=1, max_size=40), st.sampled_from(["datasheet", "qemu"]))
def test_late_wake_ups_shift_nothing_and_rates_are_exact(rate, slices, profile):
    s, host, pacer = paced(rate, profile)
    for ns in slices:
        host.now += ns
        pacer.pump(BIG)
        assert pacer.lag_ns == 0
    assert s.now == int(sum(slices) * rate)
    assert same_as_one_skip(s)
    assert pacer.notices == 0
    assert len([e for e in s.log if e.kind == "advance"]) <= 1


@given(st.lists(st.tuples(rates, st.integers(0, 10**8)), min_size=1, max_size=20))
def test_a_change_of_rate_keeps_the_part_of_a_ns(changes):
    s, host, pacer = paced()
    exact = Fraction(0)
    for rate, ns in changes:
        s.rate = rate
        host.now += ns
        pacer.pump(BIG)
        exact += ns * rate
        assert s.now == int(exact)


def test_one_pit_clock_a_second():
    s, host, pacer = paced()
    s.do("rate 1pit/s")
    pit = s.machine.board.clocks["pit"]
    for _ in range(100 * 50):
        host.now += 20_000_000
        pacer.pump(BIG)
    assert s.now == int(100 / pit.hz * 10**9)
    assert pit.ticks(s.now + 1) == 100


@given(st.integers(1, 10**8), st.lists(st.integers(1, 10**8), min_size=1, max_size=30))
def test_run_time_stops_at_its_very_ns(span, slices):
    s, host, pacer = paced()
    s.do("pause")
    s.do(f"run {span}")
    for ns in slices:
        was = s.now
        host.now += ns
        pacer.pump(BIG)
        if not s.running:
            break
        assert s.now == was + ns
    assert s.now == min(sum(slices), span)
    assert s.running == (sum(slices) < span)
    assert same_as_one_skip(s)
    if not s.running:
        host.now += 10**7
        pacer.pump(BIG)
        assert (s.now, s.run_until, pacer.lag_ns) == (span, None, 0)


def test_nothing_passes_while_paused():
    s, host, pacer = paced()
    s.do("pause")
    host.now += 10**12
    pacer.pump()
    assert (s.now, pacer.lag_ns, pacer.notices) == (0, 0, 0)
    s.do("run")
    host.now += 5
    pacer.pump()
    assert s.now == 5


@pytest.mark.parametrize("gap", [SLEPT_NS + 1, 3600 * 10**9])
def test_a_host_that_slept_is_left_out(gap):
    s, host, pacer = paced()
    host.now += 1000
    pacer.pump(BIG)
    host.now += gap
    pacer.pump(BIG)
    assert (s.now, pacer.notices, pacer.lag_ns) == (1000, 1, 0)
    assert "carried on" in pacer.notice and "slept" in pacer.notice
    host.now += 500
    pacer.pump(BIG)
    assert (s.now, pacer.notices) == (1500, 1)
    assert same_as_one_skip(s)


@pytest.mark.parametrize("gap", [SLEPT_NS + 1, 3600 * 10**9])
def test_a_host_that_slept_is_made_up_for(gap):
    s, host, pacer = paced()
    s.do("rate catch_up")
    host.now += gap
    pacer.pump(BIG)
    assert (s.now, pacer.notices) == (gap, 1)
    assert "caught up" in pacer.notice
    assert same_as_one_skip(s)


def test_a_gap_of_a_second_is_a_busy_host_and_no_sleep():
    s, host, pacer = paced()
    host.now += SLEPT_NS
    pacer.pump(BIG)
    assert (s.now, pacer.notices, pacer.notice) == (SLEPT_NS, 0, "")


def test_resync_forgets_what_has_passed():
    s, host, pacer = paced()
    host.now += 12345
    pacer.resync()
    pacer.pump()
    assert s.now == 0
    other = Session()
    host.now += 99
    pacer.aim(other)
    assert other.paced
    other.do("run")
    host.now += 7
    pacer.pump()
    assert (s.now, other.now) == (0, 7)


def test_what_the_host_cannot_keep_up_with_is_lag_and_is_not_lost(tmp_path):
    lines = [
        f"{i * 1000} memory_region_ops_read cpu 0 addr 0x61 value {0x20 if i % 2 else 0x30:#x} size 1 name 'pcspk'"
        for i in range(500)
    ]
    (tmp_path / "x.trace").write_text("\n".join(lines))
    host = Host(cost=3_000_000)
    s = Session(profile="qemu")
    s.folder = str(tmp_path)
    pacer = Pacer(s, host)
    s.do("replay x.trace --paced")
    s.rate = Fraction(1, 1000)
    host.now = host.now + 300_000_000
    pacer.pump(5_000_000)
    assert 0 < pacer.lag_ns < 301_000
    lagged = s.now
    assert lagged < 300_000
    for _ in range(100):
        pacer.pump(50_000_000)
        if not s.running:
            break
    assert not s.running
    t = Session(profile="qemu")
    t.do(f"replay {tmp_path}/x.trace")
    t.skip_to(s.now)
    assert s.machine.digest() == t.machine.digest()
    assert s.log[0].result.text == t.log[0].result.text


def test_a_command_between_two_pumps_stands_at_the_time_of_the_pump():
    s, host, pacer = paced()
    for ns in (1_000_003, 999_999, 7, 2_000_001):
        host.now += ns
        pacer.pump(BIG)
        s.do("inb 40h")
        assert s.log[-1].t_ns == s.now
    now, digest = s.now, s.machine.digest()
    s.do("pause")
    s.goto(0)
    s.goto(now)
    assert s.machine.digest() == digest


def test_running_in_the_past_plays_what_is_recorded_and_goes_on():
    s, host, pacer = paced()
    host.now += 10**6
    pacer.pump(BIG)
    s.do("outb 43h 0")
    digest = s.machine.digest()
    log = len(s.log)
    s.goto(0)
    assert s.running
    for _ in range(10):
        host.now += 10**5
        pacer.pump(BIG)
        assert len(s.log) == log
    assert (s.now, s.past, s.machine.digest()) == (10**6, False, digest)
    host.now += 10
    pacer.pump(BIG)
    assert s.now == 10**6 + 10 and s.log[-1].kind == "advance"
