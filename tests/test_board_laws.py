"""The laws that bind a whole board, whatever is done to it: random accesses of any width anywhere, and any time."""

import os
import random
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from modelfabric import a_program, act, an_access, bounded, edges_ahead, options, perform, set_up

from timerlab import Session
from timerlab.devices import flow
from timerlab.line import edge_after

DEEP = os.environ.get("HYPOTHESIS_PROFILE") == "deep"
ACCESSES = 1_000_000 if DEEP else 20_000
EDGES = 2000
"""The most edges in one skip; `test_fabric` has the years."""
LONG = settings().max_examples * 2


@pytest.fixture(scope="module", autouse=True)
def small_budget():
    """Sources that share a vCPU are estimated soon, so that estimates are among what is tried."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(flow, "BUDGET", 400)
        yield


@st.composite
def programs(draw, moves=18, profiles=None):
    """Options of a session, and moves; with `profiles` one of them, and no quirks."""
    rng = draw(st.randoms(use_true_random=False))
    chosen = options(rng)
    if profiles:
        chosen = {"vcpus": chosen["vcpus"], "profile": rng.choice(profiles), "guest": chosen["guest"]}
    return chosen, a_program(rng, chosen["vcpus"], moves=moves)


def run(config, program):
    """A machine after a program whose skips are cut to what holds not too many edges; and the program as it was."""
    machine = Session(**config).machine
    done = []
    for move in program:
        now = bounded(machine, move, EDGES)
        act(machine, now)
        done.append(now)
    return machine, done


def lines(machine):
    return {name: (line.level, line.edges) for name, line in machine.board.lines.items()}


def edges_of(machine, name, lo):
    """The remembered edges of a wire after `lo`, one by one."""
    _, trains = machine.history(name)
    edges, ns = [], lo
    while (edge := edge_after(trains, ns)) is not None and len(edges) < 300:
        edges.append(edge)
        ns = edge[0]
    return edges


@settings(max_examples=LONG)
@given(programs())
def test_any_access_anywhere_raises_nothing_but_a_guest_fault(case):
    config, program = case
    machine, _ = run(config, program)
    machine.peeks()
    machine.next_event()


@settings(max_examples=LONG)
@given(programs(), st.integers(0, 2**32))
def test_time_may_pass_in_any_slices(case, seed):
    config, program = case
    rng = random.Random(seed)
    whole, sliced = Session(**config).machine, Session(**config).machine
    for move in program:
        now = bounded(whole, move, EDGES)
        begin = whole.now
        act(whole, now)
        if now[0] == "skip":
            for cut in sorted(rng.choice((rng.randrange(now[1] + 1), 1, now[1] - 1)) for _ in range(3)):
                sliced.advance(max(sliced.now, begin + cut))
            sliced.advance(whole.now)
        else:
            act(sliced, now)
        assert sliced.digest() == whole.digest(), now
        assert sliced.peeks() == whole.peeks(), now
    lo = max(max(whole.known_since(name), sliced.known_since(name)) for name in whole.board.lines)
    for name in whole.board.lines:
        assert edges_of(sliced, name, lo) == edges_of(whole, name, lo), name


@settings(max_examples=LONG // 2)
@given(programs(), st.integers(1, 10**9))
def test_looking_changes_nothing(case, ahead):
    config, program = case
    machine, _ = run(config, program)
    digest, snapshot = machine.digest(), machine.snapshot()
    seen = machine.peeks()
    for name in seen:
        assert machine.peek(name) == seen[name], name
    machine.next_event()
    for name in machine.line_names():
        machine.future(name)
    if edges_ahead(machine, ahead) < 10 * EDGES:
        machine.ahead(machine.now + ahead)
    assert (machine.digest(), machine.snapshot()) == (digest, snapshot)
    assert machine.peeks() == seen


@given(programs())
def test_show_and_help_change_nothing(case):
    config, program = case
    s = Session(**config)
    for move in program:
        perform(s, bounded(s.machine, move, EDGES))
    digest, entries = s.machine.digest(), len(s.log)
    told = s.do("show")
    assert told.ok
    s.do("show hpet")
    s.help_text("hpet.conf")
    assert (s.machine.digest(), len(s.log)) == (digest, entries)


@settings(max_examples=LONG)
@given(programs(), programs())
def test_a_restored_machine_goes_on_as_the_first_one_does(case, other):
    config, program = case
    machine, _ = run(config, program)
    snapshot, digest = machine.snapshot(), machine.digest()
    twin = Session(**config).machine
    for move in other[1]:
        if move[0] != "skip" and not (isinstance(move[-1], int) and move[-1] >= config["vcpus"]):
            act(twin, move)
    twin.restore(snapshot)
    assert (twin.snapshot(), twin.digest()) == (snapshot, digest)
    assert twin.peeks() == machine.peeks()
    for _ in range(3):
        now = bounded(machine, ("skip", 10**7), EDGES)
        act(machine, now)
        act(twin, now)
        assert twin.digest() == machine.digest()
    machine.restore(snapshot)
    assert machine.digest() == digest


@settings(max_examples=LONG)
@given(programs())
def test_the_next_event_is_when_its_line_changes_and_nothing_changes_before(case):
    config, program = case
    machine, _ = run(config, program)
    told_of = [name for name in machine.board.lines if name.startswith(("pit.ch", "irq.", "hpet.", "lapic"))]
    for _ in range(6):
        event = machine.next_event()
        before = lines(machine)
        if event is None:
            machine.advance(machine.now + 10**10)
            after = lines(machine)
            assert [after[name] for name in told_of] == [before[name] for name in told_of]
            return
        ns, name = event
        assert ns > machine.now
        if edges_ahead(machine, ns - machine.now - 1) > EDGES:
            return
        machine.advance(ns - 1)
        after = lines(machine)
        assert [(line, after[line]) for line in told_of] == [(line, before[line]) for line in told_of]
        assert machine.next_event() == event
        machine.advance(ns)
        assert lines(machine)[name] != before[name]


@settings(max_examples=LONG)
@given(programs(), st.integers(1, 10**7))
def test_the_future_of_a_line_is_what_then_happens(case, span):
    config, program = case
    machine, _ = run(config, program)
    move = bounded(machine, ("skip", span), 200)
    begin, end = machine.now, machine.now + move[1]
    said = {}
    for name in machine.board.lines:
        trains = machine.future(name)
        if trains is None:
            continue
        edges, ns = [], begin
        while (edge := edge_after(trains, ns)) is not None and edge[0] <= end:
            edges.append(edge[0])
            ns = edge[0]
        said[name] = edges
    machine.advance(end)
    for name, edges in said.items():
        if machine.known_since(name) <= begin:
            assert [ns for ns, _ in edges_of(machine, name, begin)][:250] == edges[:250], name


@given(programs())
def test_a_session_comes_to_the_same_end_by_its_log(case):
    config, program = case
    s = Session(**config)
    for move in program:
        perform(s, bounded(s.machine, move, EDGES))
    end = (s.now, s.machine.digest(), s.peeks())
    middle = s.now // 2
    s.goto(0)
    s.goto(middle)
    s.to_end()
    assert (s.now, s.machine.digest(), s.peeks()) == end
    for _ in range(min(3, len(s.log))):
        s.back()
    s.to_end()
    assert (s.now, s.machine.digest()) == end[:2]
    with TemporaryDirectory() as folder:
        path = Path(folder) / "a.timerlab"
        s.save(str(path))
        again = Session.load(path)
    assert (again.now, again.machine.digest(), again.peeks()) == end


@settings(max_examples=LONG)
@given(programs())
def test_requests_are_delivered_coalesced_lost_or_on_their_way(case):
    """A request of an ISA line goes two ways, and a message may reach every vCPU: so more can be taken than asked."""
    config, program = case
    machine = Session(**config).machine
    for move in program:
        act(machine, bounded(machine, move, EDGES))
        for source in machine.board.fabric.sources:
            taken = sum(source.delivered)
            assert source.coalesced + source.lost <= source.raised, source.name
            assert taken <= source.raised * (config["vcpus"] + 1), source.name
            if source.name.startswith("lapic"):
                assert taken + source.coalesced + source.lost <= source.raised
                assert sum(source.delivered) == source.delivered[source.index]
        seen = machine.peeks()
        taken = [seen[f"vcpu{vcpu}.taken"] for vcpu in range(config["vcpus"])]
        spurious = sum(seen[f"vcpu{vcpu}.spurious"] for vcpu in range(config["vcpus"]))
        delivered = sum(sum(source.delivered) for source in machine.board.fabric.sources)
        assert sum(taken) == delivered + spurious


@pytest.mark.parametrize("profile", ["datasheet", "qemu", "ich"])
@pytest.mark.parametrize("guest", ["none", "manual", "ideal", "latency=50us"])
def test_so_many_accesses_anywhere_at_any_width(profile, guest):
    """Plain chance, not shrunk: in the deep profile a million of accesses, here 20 000."""
    rng = random.Random(f"{profile} {guest}")
    machine = Session(vcpus=3, profile=profile, guest=guest).machine
    for number in range(ACCESSES // 9 + 1):
        for move in (an_access(rng, 3),) if rng.random() < 0.95 else set_up(rng, 3):
            act(machine, move)
        if rng.random() < 0.3:
            act(machine, bounded(machine, ("skip", rng.choice((1, 100, 10**4, 10**6))), 100))
        if number % 500 == 0:
            digest = machine.digest()
            machine.restore(machine.snapshot())
            assert machine.digest() == digest
            assert machine.peeks().keys() <= machine.board.abouts.keys()
