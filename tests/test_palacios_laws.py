"""What holds for Palacios however its run loop is driven."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st
from policyrig import FakeCpu, tscs

from timerlab.devices.palacios import Palacios
from timerlab.scaling import WORD

moments = st.lists(st.integers(1, 10**10), min_size=1, max_size=20).map(sorted)
rates = st.sampled_from([1_300_000, 2_000_000, 2_599_999, 2_600_000, 1000])


def vm(form: str, guest_khz: int, khz: int = 2_600_000, apart: int = 0) -> Palacios:
    p = Palacios([FakeCpu(0, tscs(khz, 2, apart), khz)], {"palacios": form})
    p.start(0)
    p.set_khz(0, guest_khz)
    p.v3_add_timer(0, "pit")
    return p


def drive(p: Palacios, times: list[int]) -> None:
    for turn, now in enumerate(times):
        if turn % 2:
            p.exit(0, now, "io")
        else:
            p.enter(0, now, False)


@given(moments, rates, st.sampled_from(["intended", "later", "seed_exact"]), st.integers(10**10, 10**12))
def test_a_slaved_guest_does_not_hang_on_its_path(times, khz, form, end):
    one, other = vm(form, khz), vm(form, khz)
    drive(one, times)
    for p in (one, other):
        p.exit(0, end, "io")
        p.enter(0, end, False)
    names = ("guest_cycles", "last_update", "last_tsc")
    assert [getattr(one.cores[0], n) for n in names] == [getattr(other.cores[0], n) for n in names]
    assert one.cores[0].timers[0].total == other.cores[0].timers[0].total == one.cores[0].guest_cycles
    assert one.rdtsc(0, end) == other.rdtsc(0, end) == one.cores[0].guest_cycles


@given(moments, rates)
def test_a_loose_guest_has_the_sum_of_its_pieces(times, khz):
    p = vm("intended", khz)
    p.set_follow(False)
    drive(p, times)
    host = [0, *(p.cpus[0].host_tsc(now) for now in times)]
    num, denom = p.cores[0].clock_ratio_num, p.cores[0].clock_ratio_denom
    assert p.cores[0].guest_cycles == sum((b - a) * num // denom for a, b in itertools.pairwise(host))


@given(moments, rates)
def test_looking_moves_nothing(times, khz):
    p = vm("intended", khz)
    for turn, now in enumerate(times):
        before = p.snapshot(), p.cpus[0].offset
        p.peek(now)
        p.rdtsc(0, now)
        p.rdmsr_tsc(0, now)
        assert (p.snapshot(), p.cpus[0].offset) == before
        drive(p, times[turn : turn + 1])


@given(moments, rates, st.integers(-5000, 5000))
def test_what_was_kept_is_taken_back(times, khz, skew):
    p, q = vm("intended", khz), vm("intended", 2_600_000)
    p.set_skew(0, skew)
    drive(p, times)
    q.restore(p.snapshot())
    assert q.snapshot() == p.snapshot()
    assert q.cores == p.cores


@given(
    st.sampled_from(["intended", "later", "seed_exact"]),
    st.booleans(),
    rates,
    st.lists(st.integers(1, 10**6), min_size=2, max_size=6).filter(lambda x: not len(x) % 2),
    st.integers(1, 40),
    st.integers(-(10**6), 10**6),
    st.integers(0, 3000),
    st.integers(0, 10**9),
)
def test_many_rounds_of_a_load_at_once_are_the_rounds_one_by_one(form, follow, khz, pieces, times, skew, bound, wrote):
    """A round's pieces are ns out and in by turns, so stretched that a round is a whole number of host cycles."""
    pieces = [5 * piece for piece in pieces]
    one, other = vm(form, khz), vm(form, khz)
    for p in (one, other):
        p.set_follow(follow)
        p.enter(0, 1000, False)
        p.write_tsc(0, wrote, 1000)
        if bound and abs(skew) > bound * 10**3:
            p.set_skew(0, skew % (bound * 100))
        p.set_skew_bound(bound)

    def round_of(p: Palacios, now: int) -> int:
        for turn, piece in enumerate(pieces):
            now += piece
            p.enter(0, now, False) if turn % 2 else p.exit(0, now, "preempt")
        return now

    def settled(p: Palacios, now: int) -> int:
        for _ in range(2):
            now = round_of(p, now)
        return now

    now = settled(one, 1000)
    assert settled(other, 1000) == now
    old = one.counts(0)
    now = round_of(one, now)
    change = tuple(b - a for a, b in zip(old, one.counts(0), strict=True))
    one.add(0, change, times)
    now = 1000 + 2 * sum(pieces)
    for _ in range(times + 1):
        now = round_of(other, now)
    if bound and other.cores[0].skew == 0 and one.cores[0].skew == 0 and not follow:
        # what a timer was told last may hold the end of the skew
        one.cores[0].timers = tuple(t._replace(cycles=0) for t in one.cores[0].timers)
        other.cores[0].timers = tuple(t._replace(cycles=0) for t in other.cores[0].timers)
    assert one.cores[0] == other.cores[0]
    assert one.cpus[0].offset == other.cpus[0].offset
    assert one.rdtsc(0, now + 12_345) == other.rdtsc(0, now + 12_345) < WORD
