"""Any board with vCPUs that come and go and sources under policies: leaps against edges one by one, slices, and states
that are taken back.
"""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from modelfabric import act, an_access, bounded, naive, options, set_up

from timerlab import Session
from timerlab.clock import NANOSECONDS
from timerlab.devices import flow
from timerlab.devices.ticks import POLICIES
from timerlab.line import Train

EDGES = 2000
SOURCES = ("pit", "pit", "rtc", "hpet.t0", "hpet.t1", "lapic0", "lapic0", "irq.5")


@pytest.fixture(scope="module", autouse=True)
def small_budget():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(flow, "BUDGET", 1500)
        yield


@st.composite
def programs(draw):
    """Options, and moves: accesses, policies, time, and time with windows in which a vCPU is out."""
    rng = draw(st.randoms(use_true_random=False))
    chosen = options(rng)
    if rng.random() < 0.7:
        chosen["guest"] = rng.choice(("ideal", "latency=20us", "latency=700us"))
    vcpus = chosen["vcpus"]
    moves = []
    for _ in range(rng.randrange(2, 9)):
        moves += set_up(rng, vcpus)
        kind = rng.random()
        if kind < 0.5:
            target = rng.choice((None, None, 0, vcpus - 1))
            moves.append(("policy", rng.choice(SOURCES), rng.choice((*POLICIES, "off")), target))
        elif kind < 0.6:
            moves.append(an_access(rng, vcpus))
        span = rng.randrange(1, rng.choice((10, 10**5, 10**6, 10**7, 5 * 10**7)))
        if rng.random() < 0.6:
            every = rng.randrange(2, max(3, span))
            hold = rng.randrange(1, every)
            first = rng.randrange(max(1, span))
            moves.append(("away", span, rng.randrange(vcpus), first, hold, every, rng.choice((1, 2, 5, 60))))
        else:
            moves.append(("skip", span))
    return chosen, moves


def perform(machine, move, cuts=()):
    """Do it; a `skip` or `away` in steps."""
    if move[0] == "policy":
        machine.host_act(lambda: machine.board.fabric.ticks.put(*move[1:]))
        return
    if move[0] not in ("skip", "away"):
        act(machine, move)
        return
    board, begin = machine.board, machine.now
    end = begin + move[1]
    windows = None
    if move[0] == "away":
        _, _, vcpu, first, hold, every, count = move
        gate = board.fabric.runs[vcpu]
        windows = Train(NANOSECONDS, begin + 1 + first, 0, hold, every - hold, 2 * count)
    for cut in (*sorted(cuts), end):
        to = max(machine.now, min(end, begin + cut) if cut != end else end)
        if windows is not None:
            part = windows.cut(machine.now, to)
            if part is not None:
                board.flow.put(gate, part)
            if to == end and part is not None and part.last_level == 0:
                # nobody is left out at the end
                board.flow.put(gate, Train.edge(end, 1))
            elif to == end and part is None and not gate.level:
                board.flow.put(gate, Train.edge(end, 1))
        machine.advance(to)


def limited(machine, move):
    """A move that passes no more edges than so many."""
    if move[0] == "skip":
        return bounded(machine, move, EDGES)
    if move[0] == "away":
        return ("away", bounded(machine, ("skip", move[1]), EDGES)[1], *move[2:])
    return move


@settings(max_examples=settings().max_examples * 3, deadline=None)
@given(programs())
def test_leaps_are_edges_one_by_one(case):
    config, moves = case
    leaping, stepping = Session(**config).machine, naive(config).machine
    for move in moves:
        now = limited(leaping, move)
        perform(leaping, now)
        perform(stepping, now)
        assert leaping.board.fabric.peek() == stepping.board.fabric.peek(), now
        assert leaping.snapshot() == stepping.snapshot(), now


@settings(max_examples=settings().max_examples * 3, deadline=None)
@given(programs(), st.integers(0, 2**32))
def test_time_may_pass_in_any_slices(case, seed):
    config, moves = case
    # of a host timer's many firings only the latest are told with their moments
    config = {**config, "quirks": {**config.get("quirks", {}), "hpet_match": "equal"}}
    rng = random.Random(seed)
    whole, sliced = Session(**config).machine, Session(**config).machine
    for move in moves:
        now = limited(whole, move)
        perform(whole, now)
        cuts = [rng.randrange(now[1] + 1) for _ in range(4)] if now[0] in ("skip", "away") else ()
        perform(sliced, now, cuts)
        assert sliced.board.fabric.peek() == whole.board.fabric.peek(), now
        assert sliced.board.fabric.snapshot() == whole.board.fabric.snapshot(), now
        assert sliced.board.flow.snapshot() == whole.board.flow.snapshot(), now
        assert sliced.digest() == whole.digest(), now


@settings(max_examples=settings().max_examples * 2, deadline=None)
@given(programs())
def test_a_restored_machine_goes_on_as_the_first_one_does(case):
    config, moves = case
    first, twin = Session(**config).machine, Session(**config).machine
    for move in moves:
        now = limited(first, move)
        before = first.snapshot()
        perform(first, now)
        twin.restore(before)
        assert twin.snapshot() == before
        perform(twin, now)
        assert twin.digest() == first.digest(), now
        assert twin.board.fabric.peek() == first.board.fabric.peek(), now
