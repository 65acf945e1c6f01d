"""Tick policies on the real machine against a naive model, in leaps and edge by edge, whole and in slices."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from modelfabric import walk
from modelticks import Model
from tickrig import Out, rig, see, taken

POLICIES = ("discard", "discard_nolatch", "merge", "delay", "slew", "slew_nolatch", "slew_rtc", "reinject")


@st.composite
def cases(draw, latencies=(0, 0, 20_000, 300_000, 999_990, 1_000_000, 1_700_000)):
    """A policy, a period of whole HPET ticks, an acknowledgement latency, windows, and an end."""
    rng = draw(st.randoms(use_true_random=False))
    policy = rng.choice(POLICIES)
    period = rng.choice((1_000_000, 1_000_000, 333_330, 100_000, rng.randrange(20, 200_000) * 10))
    ack = rng.choice(latencies)
    unit = rng.choice((1, 10, period // 4, period // 2, period))
    at, windows = 0, []
    for _ in range(rng.randrange(5)):
        out = at + rng.randrange(1, 12 * period) // unit * unit + 1
        back = out + max(1, rng.randrange(1, rng.choice((2, 30)) * period) // unit * unit)
        windows.append((out, back))
        at = back
    end = at + rng.randrange(1, rng.choice((3, 150)) * period)
    return policy, period, ack, windows, end


def guest_of(ack):
    return f"latency={ack}" if ack else "ideal"


def seen(s):
    return {what: see(s, what) for what in ("due", "delivered", "late", "lost", "made_up", "lag")} | {"taken": taken(s)}


def told(model):
    return {
        "due": model.due,
        "delivered": len(model.taken),
        "late": model.late,
        "lost": model.lost,
        "made_up": model.made_up,
        "lag": model.lag,
        "taken": len(model.taken),
    }


@settings(max_examples=settings().max_examples * 4, deadline=None)
@given(cases(), st.integers(0, 2**32))
def test_a_policy_does_what_the_naive_model_says(case, seed):
    policy, period, ack, windows, end = case
    rng = random.Random(seed)
    cuts = [*sorted(rng.randrange(end + 1) for _ in range(3)), end]
    s, model = rig(policy, guest_of(ack), period), Model(policy, period, windows, ack)
    out = Out(s, windows)
    for cut in cuts:
        out.to(cut)
        model.upto(cut)
        assert seen(s) == told(model), (cut, cuts)


@settings(max_examples=settings().max_examples * 4, deadline=None)
@given(cases(), st.integers(0, 2**32))
def test_leaps_slices_and_a_restored_machine_come_to_the_same_state(case, seed):
    policy, period, ack, windows, end = case
    rng = random.Random(seed)
    leaping, stepping, sliced, twin = (rig(policy, guest_of(ack), period) for _ in range(4))
    walk(stepping)
    Out(leaping, windows).to(end)
    Out(stepping, windows).to(end)
    for cut in [*sorted(rng.randrange(end + 1) for _ in range(6)), end]:
        Out(sliced, windows).to(cut)
    Out(twin, windows).to(end // 2)
    snapshot = twin.machine.snapshot()
    Out(twin, windows).to(end // 2 + period)
    twin.machine.restore(snapshot)
    assert twin.machine.snapshot() == snapshot
    Out(twin, windows).to(end)
    for s in (stepping, sliced, twin):
        assert s.machine.board.fabric.snapshot() == leaping.machine.board.fabric.snapshot()
        assert s.machine.board.flow.snapshot() == leaping.machine.board.flow.snapshot()
        assert s.machine.board.fabric.peek() == leaping.machine.board.fabric.peek()
        assert [v.snapshot() for v in s.machine.board.vcpus] == [v.snapshot() for v in leaping.machine.board.vcpus]


@pytest.mark.parametrize("policy", POLICIES)
def test_a_long_out_window_is_not_walked_through(policy):
    """A year away, at 1 kHz."""
    year = 365 * 86_400 * 10**9
    s = rig(policy)
    Out(s, [(10_300_000, year + 300_000)]).to(year + 300_000)
    due = (year + 300_000) // 1_000_000
    assert see(s, "due") == due
    assert see(s, "delivered") == {
        "discard_nolatch": 10, "delay": 10, "slew_nolatch": 10, "slew_rtc": 31, "reinject": due,
    }.get(policy, 11)  # fmt: skip
