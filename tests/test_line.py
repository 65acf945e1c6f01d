"""Trains of edges: cut, joined and asked about, against edges counted one by one."""

import itertools

from hypothesis import given
from hypothesis import strategies as st

from timerlab.clock import NANOSECONDS, Clock
from timerlab.line import RING, Gap, Line, Train, edge_after, edge_before, wave_of

clocks = st.sampled_from([NANOSECONDS, Clock(21, 17600), Clock(3, 10, epoch=7), Clock(1, 1000, epoch=5, rem=999)])
"""None of them faster than 1 GHz."""


@st.composite
def trains(draw, clock=None, after=0, level=None, most=12):
    """A train whose first edge is later than tick `after`."""
    count = draw(st.integers(1, most))
    hold, rest = (draw(st.integers(1, 9)), draw(st.integers(1, 9))) if count > 1 else (0, 0)
    if count == 2 and draw(st.booleans()):
        rest = 0
    if count == 1 and draw(st.booleans()):
        hold, rest = draw(st.integers(1, 9)), draw(st.integers(1, 9))
    return Train(
        clock or draw(clocks),
        after + draw(st.integers(1, 30)),
        draw(st.integers(0, 1)) if level is None else level,
        hold,
        rest,
        count,
    )


@st.composite
def histories(draw, most=8):
    """A line's past: trains one after the other, each beginning with the level that the one before did not leave."""
    found, level, last = [], draw(st.integers(0, 1)), 0
    start = level
    for _ in range(draw(st.integers(1, most))):
        clock = draw(clocks)
        train = draw(trains(clock, clock.ticks(last) + 1, 1 - level))
        found.append(train)
        level, last = train.last_level, train.ns(train.count - 1)
    return start, found


def edges(some):
    """Every edge as (ns, level)."""
    return [(train.ns(i), train.level ^ (i & 1)) for train in some for i in range(train.count)]


def ring_edges(line):
    return edges(line.history()[2])


@given(trains())
def test_a_train_says_of_itself_what_its_edges_say(train):
    all_edges = edges([train])
    assert [ns for ns, _ in all_edges] == sorted(ns for ns, _ in all_edges)
    assert train.last_level == all_edges[-1][1]
    assert train.rises == sum(level for _, level in all_edges)
    for ns in range(all_edges[0][0] - 2, min(all_edges[-1][0] + 3, all_edges[0][0] + 300)):
        assert train.until(ns) == sum(at <= ns for at, _ in all_edges)
    for tick in range(train.first - 2, train.tick(train.count - 1) + 3):
        assert train.upto(tick) == sum(train.tick(i) <= tick for i in range(train.count))


@given(trains(), st.integers(-5, 120), st.integers(-5, 120))
def test_a_cut_keeps_the_edges_in_between_and_no_other(train, lo, hi):
    lo, hi = sorted((lo, hi))
    piece = train.cut(lo, hi)
    wanted = [(train.ns(i), train.level ^ (i & 1)) for i in range(train.count) if lo < train.tick(i) <= hi]
    assert (edges([piece]) if piece else []) == wanted


@given(trains(most=40), st.lists(st.integers(0, 400), max_size=10))
def test_a_train_taken_in_pieces_is_the_whole_train(train, cuts):
    line = Line("x", 1 - train.level)
    bounds = [-1, *sorted(cuts), 10**6]
    for lo, hi in itertools.pairwise(bounds):
        piece = train.cut(lo, hi)
        if piece:
            line.absorb((piece,))
    assert ring_edges(line) == edges([train])
    assert line.level == train.last_level
    assert line.edges == train.rises
    if train.count > 3:
        assert len(line.ring) <= 2


@given(histories(), st.lists(st.integers(0, 60), max_size=6))
def test_joining_trains_loses_and_invents_no_edge(history, cuts):
    start, some = history
    whole, pieces = Line("whole", start), Line("pieces", start)
    for train in some:
        whole.absorb((train,))
        bounds = [train.first - 1, *sorted(train.first + cut for cut in cuts), 10**9]
        for lo, hi in itertools.pairwise(bounds):
            piece = train.cut(lo, hi)
            if piece:
                pieces.absorb((piece,))
    assert ring_edges(whole) == ring_edges(pieces) == edges(some)
    assert whole.level == pieces.level == some[-1].last_level
    assert whole.edges == pieces.edges == sum(level for _, level in edges(some))


@given(trains(), trains())
def test_two_trains_are_joined_only_into_their_own_edges(one, other):
    joined = one.followed_by(other)
    if joined is not None:
        assert edges([joined]) == edges([one, other])


@given(histories(), st.integers(0, 2000))
def test_edges_are_found_as_by_looking_at_each(history, ns):
    _, some = history
    each = edges(some)
    last = each[-1][0]
    for at in {ns, ns % (last + 2), each[0][0], each[0][0] - 1, last, last + 1}:
        assert sum(train.until(at) for train in some) == sum(t <= at for t, _ in each)
        assert edge_after(some, at) == next((e for e in each if e[0] > at), None)
        assert edge_before(some, at) == next((e for e in reversed(each) if e[0] < at), None)


@given(histories(), st.integers(-20, 3000), st.integers(1, 4000), st.integers(1, 50))
def test_a_wave_shows_each_cell_as_its_edges_are(history, lo, span, cells):
    start, some = history
    each = edges(some)
    lo = lo % (each[-1][0] + 10) - 5
    wave = wave_of(start, some, lo, lo + span, cells)
    level = start
    for ns, to in each:
        if ns < lo:
            level = to
    assert wave.start == level
    assert len(wave.counts) == len(wave.levels) == cells
    for i in range(cells):
        a, b = lo + span * i // cells, lo + span * (i + 1) // cells
        inside = [to for ns, to in each if a <= ns < b]
        level = inside[-1] if inside else level
        assert wave.counts[i] == len(inside)
        assert wave.levels[i] == level


@given(st.integers(1, 3 * RING))
def test_the_ring_is_bounded_and_says_since_when_it_knows(n):
    line = Line("x")
    level, all_edges = 0, []
    for i in range(n):
        level ^= 1
        ns = i * i + i  # no rhythm, so that nothing joins
        line.drive(ns, level)
        all_edges.append((ns, level))
    assert len(line.ring) <= RING
    assert line.edges == (n + 1) // 2
    kept = ring_edges(line)
    assert kept == all_edges[-len(kept) :]
    forgotten = all_edges[: -len(kept)]
    assert line.known_since == (forgotten[-1][0] + 1 if forgotten else 0)
    assert line.start == (forgotten[-1][1] if forgotten else 0)
    # nothing that it claims to know is missing
    assert [e for e in all_edges if e[0] >= line.known_since] == kept


def test_a_steady_wave_is_one_train_however_long():
    line = Line("x")
    train = Train(Clock(21, 17600), 100, 1, 500, 693, 1 << 62)
    at = 0
    for to in range(1000, 10**7, 9973):
        piece = train.cut(at, to)
        at = to
        if piece:
            line.absorb((piece,))
    assert len(line.ring) <= 2


@given(histories(), st.integers(0, 9), st.integers(0, 1))
def test_a_gap_is_counted_and_forgotten(history, pairs, odd):
    start, some = history
    line = Line("x", start)
    for train in some:
        line.absorb((train,))
    level, rises = line.level, line.edges
    until = some[-1].ns(some[-1].count - 1) + 50
    up, down = pairs + (odd and not level), pairs + (odd and level)
    line.absorb((Gap(up, down, until),))
    assert line.edges == rises + up
    assert line.level == level ^ odd
    assert line.start == line.level
    assert line.known_since == until + 1
    assert not line.ring


@given(histories())
def test_a_line_is_restored_with_its_history(history):
    start, some = history
    line, other = Line("x", start), Line("x", start)
    for train in some[: len(some) // 2]:
        line.absorb((train,))
    taken, past = line.snapshot(), line.history()
    other.restore(taken, past)
    for train in some[len(some) // 2 :]:
        line.absorb((train,))
        other.absorb((train,))
    assert (line.snapshot(), line.history()) == (other.snapshot(), other.history())
    line.restore(taken, past)
    assert (line.snapshot(), line.history()) == (taken, past)


def test_driving_a_line_to_its_own_level_is_no_edge():
    line = Line("x", 1)
    line.drive(5, 1)
    assert (line.edges, len(line.ring)) == (0, 0)
    line.drive(6, 0)
    line.drive(6, 1)
    assert (line.edges, line.level, ring_edges(line)) == (1, 1, [(6, 0), (6, 1)])
