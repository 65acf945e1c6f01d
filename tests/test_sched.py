"""The host's scheduler: windows, turns, and many windows at once."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from timerlab.devices import sched_leaps as sched_module
from timerlab.devices.sched import Load, Sched, ticks_whole
from timerlab.line import Line

MS = 1_000_000


class Watcher:
    """A follower that counts cycles of a 2.6 GHz TSC and what it is told."""

    def __init__(self, vcpus: int) -> None:
        self.told: list[tuple[int, int, str]] = []
        self.left = [0] * vcpus
        self.lost = [0] * vcpus
        self.windows = [0] * vcpus

    def exit(self, v: int, now: int, cause: str) -> None:
        self.told.append((now, v, cause))
        self.left[v] = now * 13 // 5

    def enter(self, v: int, now: int, moved: bool) -> None:
        self.told.append((now, v, "moved" if moved else "enter"))
        self.lost[v] += now * 13 // 5 - self.left[v]
        self.windows[v] += 1

    def counts(self, v: int) -> tuple[int, ...]:
        return self.lost[v], self.windows[v]

    def add(self, v: int, change: tuple[int, ...], times: int) -> None:
        self.lost[v] += change[0] * times
        self.windows[v] += change[1] * times


def rig(vcpus: int = 1, pcpus: int | None = None) -> tuple[Sched, Watcher]:
    lines = [(Line(f"vcpu{v}.run", 1), Line(f"vcpu{v}.stolen"), Line(f"vcpu{v}.halt")) for v in range(vcpus)]
    sched = Sched(vcpus, pcpus or vcpus, lines)
    watcher = Watcher(vcpus)
    sched.followers.append(watcher)
    sched.whole_round = lambda period: ticks_whole(period, [(13, 5)])
    return sched, watcher


def seen(sched: Sched, watcher: Watcher, now: int) -> tuple[Any, ...]:
    levels = tuple(line.snapshot() for three in sched.lines for line in three)
    return sched.peek(now), levels, watcher.lost, watcher.windows


def test_a_preempted_vcpu_is_stolen_until_it_comes_back() -> None:
    sched, watcher = rig()
    sched.exit(0, 10 * MS, "preempt", 15 * MS)
    assert sched.peek(12 * MS)["vcpu0.state"] == "stolen"
    sched.sync(20 * MS)
    peeks = sched.peek(20 * MS)
    assert (peeks["vcpu0.state"], peeks["vcpu0.run_ns"], peeks["vcpu0.steal_ns"]) == ("run", 15 * MS, 5 * MS)
    assert watcher.told == [(10 * MS, 0, "preempt"), (15 * MS, 0, "enter")]


def test_a_halted_vcpu_is_not_stolen() -> None:
    sched, _ = rig()
    sched.put_load(0, Load(0, 5 * MS, 10 * MS), 0)
    sched.halt(0, 0, True)
    sched.sync(100 * MS)
    assert sched.peek(100 * MS)["vcpu0.steal_ns"] == 0
    sched.halt(0, 100 * MS, False)
    sched.sync(200 * MS)
    assert sched.peek(200 * MS)["vcpu0.steal_ns"] == 50 * MS


def test_two_that_always_run_share_a_processor_by_halves() -> None:
    sched, _ = rig(2)
    sched.move(1, 0, 0)
    sched.sync(1000 * MS)
    peeks = sched.peek(1000 * MS)
    assert peeks["vcpu0.steal_ns"] == peeks["vcpu1.steal_ns"] == 500 * MS
    sched.halt(1, 1000 * MS, True)
    sched.sync(2000 * MS)
    assert sched.peek(2000 * MS)["vcpu0.steal_ns"] == 500 * MS


def test_threads_of_the_host_take_their_share() -> None:
    sched, _ = rig(1)
    sched.put_others(0, 3, 0)
    sched.sync(4000 * MS)
    assert sched.peek(4000 * MS)["vcpu0.steal_ns"] == 3000 * MS
    sched.put_others(0, 0, 4000 * MS)
    sched.sync(5000 * MS)
    assert sched.peek(5000 * MS)["vcpu0.steal_ns"] == 3000 * MS


def test_an_smi_takes_every_vcpu_and_is_no_steal() -> None:
    sched, _ = rig(2)
    sched.halt(1, 0, True)
    sched.smi(200_000, MS)
    assert sched.out_mask() == 3
    sched.sync(2 * MS)
    peeks = sched.peek(2 * MS)
    assert sched.out_mask() == 0
    assert [peeks[f"vcpu{v}.out_ns"] for v in range(2)] == [200_000] * 2
    assert [peeks[f"vcpu{v}.steal_ns"] for v in range(2)] == [0, 0]


def test_what_passes_while_the_vm_is_stopped_is_no_steal() -> None:
    sched, _ = rig(1)
    sched.put_load(0, Load(5 * MS, 5 * MS, 10 * MS), 0)
    sched.sync(7 * MS)
    sched.stop(7 * MS)
    sched.sync(1007 * MS)
    sched.cont(1007 * MS)
    peeks = sched.peek(1007 * MS)
    assert (peeks["vcpu0.steal_ns"], peeks["vcpu0.out_ns"]) == (2 * MS, 1000 * MS)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda s: s.enter(0, 0), "in its guest"),
        (lambda s: s.cont(0), "not stopped"),
        (lambda s: s.move(0, 7, 0), "no processor p7"),
        (lambda s: s.halt(0, 0, False), "awake already"),
    ],
)
def test_what_makes_no_sense_is_refused(call: Any, words: str) -> None:
    sched, watcher = rig(2)
    before = sched.snapshot()
    with pytest.raises(ValueError, match=words):
        call(sched)
    assert sched.snapshot() == before
    assert not watcher.told


loads = st.builds(
    lambda first, out, rest, seed, moves: Load(first, out, out + rest, 0, seed, moves),
    st.integers(0, 30),
    st.integers(1, 40),
    st.integers(1, 40),
    st.sampled_from((None, None, 1, 77)),
    st.booleans(),
)


@given(st.lists(loads, min_size=1, max_size=3), st.integers(1, 60_000), st.data())
def test_many_windows_at_once_are_as_many_one_by_one(some: list[Load], to: int, data: st.DataObject) -> None:
    fast, slow = rig(3, 2), rig(3, 2)
    for v, load in enumerate(some):
        fast[0].put_load(v, load, 0)
        slow[0].put_load(v, load, 0)
    fast[0].sync(to)
    was, sched_module.FEW = sched_module.FEW, 1 << 60
    try:
        cut = data.draw(st.integers(0, to))
        slow[0].sync(cut)
        slow[0].sync(to)
    finally:
        sched_module.FEW = was
    assert seen(*fast, to) == seen(*slow, to)
    assert fast[0].snapshot() == slow[0].snapshot()


def test_a_year_of_windows_is_few_steps() -> None:
    sched, watcher = rig(8)
    for v in range(8):
        sched.put_load(v, Load(v * MS, 3 * MS, 20 * MS, moves=v % 2 == 1), 0)
    year = 365 * 86_400 * 1_000 * MS
    sched.sync(year)
    assert len(watcher.told) < 2_000
    for v in range(8):
        steal = sched.peek(year)[f"vcpu{v}.steal_ns"]
        assert abs(steal - year * 3 // 20) <= 3 * MS
        assert watcher.lost[v] == (year // (20 * MS)) * 3 * MS * 13 // 5
