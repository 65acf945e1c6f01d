"""The laws that bind a machine on a host, whatever is typed: random commands of every kind, and time."""

import os
import random
import re
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from modelhosting import PAGE, TIMES, a_line, a_program, kvm_call, options, sched_call

from timerlab import CommandError, Session
from timerlab.devices import flow
from timerlab.scaling import signed
from timerlab.units import UNITS

DEEP = os.environ.get("HYPOTHESIS_PROFILE") == "deep"
LONGEST = 2 if DEEP else 0
FEWER = settings().max_examples * 3 // 5
"""Each of these does a program two or three times, or looks at everything after each command."""


@pytest.fixture(scope="module", autouse=True)
def small_budget():
    """Sources that share a vCPU are estimated soon, so that estimates are among what is tried."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(flow, "BUDGET", 400)
        yield


@st.composite
def programs(draw, moves=16, longest=LONGEST, **fixed):
    """Options of a session, and commands; `fixed` options are as they are told."""
    rng = draw(st.randoms(use_true_random=False))
    chosen = options(rng) | fixed
    program = a_program(rng, chosen, moves, longest)
    if chosen["profile"] in ("palacios", "nvmm"):
        # where each window of a load moves the TSC, a guest that keeps time is estimated over many of them
        program = [line for line in program if not (line.startswith("os ") and "skip 10s" in program)]
    return chosen, program


def ns_of(line):
    """How long a `skip` takes; 0 for another command."""
    found = re.fullmatch(r"skip (\d+)([a-z]+)", line)
    return int(found[1]) * UNITS[found[2]] if found else 0


def typed(s, line):
    """Do a command that may be refused, and then has changed nothing; whether it was done."""
    before = s.machine.digest()
    try:
        s.do(line)
    except CommandError as error:
        assert s.machine.digest() == before, (line, str(error))
        return False
    return True


def after(config, program):
    s = Session(**config)
    for line in program:
        typed(s, line)
    return s


@settings(max_examples=FEWER)
@given(programs(moves=24))
def test_a_command_is_done_or_refused_and_nothing_else_is_raised(case):
    config, program = case
    s = after(config, program)
    assert s.peeks().keys() <= s.machine.board.abouts.keys()
    s.next_event()


@settings(max_examples=FEWER)
@given(programs(moves=14), st.integers(0, 2**32))
def test_time_may_pass_in_any_slices(case, seed):
    config, program = case
    rng = random.Random(seed)
    whole, sliced = Session(**config), Session(**config)
    for line in program:
        if span := ns_of(line):
            begin = whole.now
            whole.skip(span)
            for cut in sorted(rng.choice((rng.randrange(span + 1), 1, span - 1)) for _ in range(3)):
                sliced.skip_to(max(sliced.now, begin + cut))
            sliced.skip_to(whole.now)
        else:
            assert typed(whole, line) == typed(sliced, line)
        assert sliced.machine.digest() == whole.machine.digest(), line
        assert sliced.peeks() == whole.peeks(), line


@settings(max_examples=FEWER)
@given(programs(), st.integers(0, 2**32))
def test_looking_changes_nothing(case, seed):
    config, _ = case
    rng, s = random.Random(seed), after(*case)
    digest, snapshot, seen = s.machine.digest(), s.machine.snapshot(), s.peeks()
    for name in rng.sample(sorted(seen), 30):
        assert s.peek(name) == seen[name], name
    s.next_event()
    s.do("show")
    for line in (a_line(rng, config) for _ in range(6)):
        s.decode(line)
        s.complete(line)
        s.complete(line.rpartition(" ")[0] + " ")
    s.machine.ahead(s.now + 10**7)
    assert (s.machine.digest(), s.machine.snapshot(), s.peeks()) == (digest, snapshot, seen)


@settings(max_examples=FEWER)
@given(programs(), st.integers(0, 2**32))
def test_a_restored_machine_goes_on_as_the_first_one_does(case, seed):
    config, _ = case
    rng, s = random.Random(seed), after(*case)
    snapshot, digest, seen = s.machine.snapshot(), s.machine.digest(), s.peeks()
    twin = after(config, a_program(rng, config, moves=10, longest=0))
    twin.machine.restore(snapshot)
    assert (twin.machine.snapshot(), twin.machine.digest(), twin.peeks()) == (snapshot, digest, seen)
    for line in (a_line(rng, config), f"skip {rng.choice(TIMES)}", a_line(rng, config), "skip 3ms"):
        assert typed(s, line) == typed(twin, line)
        assert twin.machine.digest() == s.machine.digest(), line
    s.machine.restore(snapshot)
    assert s.machine.digest() == digest


@settings(max_examples=FEWER)
@given(programs())
def test_a_session_comes_to_the_same_end_by_its_log(case):
    s = after(*case)
    end = (s.now, s.machine.digest(), s.peeks())
    s.goto(0)
    s.goto(end[0] // 2)
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


@st.composite
def scheduled(draw, profiles, guests=("none", "ideal"), more=None, quirks=None):
    """Programs of what the scheduler does, on a host whose TSCs run as one; `more` gives other commands."""
    rng = draw(st.randoms(use_true_random=False))
    config = {"vcpus": rng.choice((1, 2, 3)), "profile": rng.choice(profiles), "guest": rng.choice(guests)}
    config["quirks"] = {"vendor": rng.choice(("intel", "amd"))} | (quirks or {})
    program = []
    for _ in range(rng.randrange(1, 20)):
        v, p = f"v{rng.randrange(config['vcpus'])}", f"p{rng.randrange(config['vcpus'])}"
        if rng.random() < 0.45:
            program.append(f"skip {rng.choice(TIMES)}")
        elif more is not None and rng.random() < 0.3:
            program.append(more(rng, v, p))
        else:
            program.append(sched_call(rng, v, p))
    return config, [line for line in program if not line.startswith("migrate host")]


@given(scheduled(("datasheet", "qemu", "kvm", "palacios", "nvmm")))
def test_a_tsc_does_not_go_back_by_what_the_scheduler_does(case):
    config, program = case
    s = Session(**config)
    last = [0] * config["vcpus"]
    for line in program:
        typed(s, line)
        for v, before in enumerate(last):
            last[v] = s.peek(f"vcpu{v}.tsc")
            assert last[v] >= before, (line, v)


def unsteady_host(rng, v, p):
    """What makes the TSCs of a host differ."""
    return rng.choice(
        (
            f"pstate {p} {rng.choice((1_000_000, 1_300_000, 2_600_000))}",
            f"cstate {p} c3 {rng.choice(TIMES)}",
            f"plug {p} none",
            f"resync {rng.choice((-40, 40))}",
            "kvm host_tsc_step -1000000",
        )
    )


@given(scheduled(("kvm",), more=unsteady_host, quirks={"constant_tsc": "no", "nonstop_tsc": "no"}))
def test_under_kvm_a_vcpu_that_comes_back_on_a_processor_behind_goes_on_from_where_it_was(case):
    config, program = case
    s = Session(**config)
    seen, on = [0] * config["vcpus"], list(range(config["vcpus"]))
    jumped = set()
    for line in program:
        inside = {v for v in range(config["vcpus"]) if s.peek(f"vcpu{v}.state") == "run"}
        typed(s, line)
        if line.startswith(("plug", "resync", "kvm")):
            jumped |= set(range(config["vcpus"]))  # on the same processor, KVM does not look
        for v, before in enumerate(seen):
            if s.peek(f"vcpu{v}.state") == "run":  # who is out or halted reads nothing
                seen[v], p = s.peek(f"vcpu{v}.tsc"), s.peek(f"vcpu{v}.pcpu")
                unseen = v in jumped and (on[v] == p or v in inside)
                assert signed(seen[v] - before) >= 0 or unseen, (line, v)
                on[v] = p
                jumped.discard(v)


def clock_call(rng, v, p):
    """What KVM's userspace may do while it promises that kvmclock only goes on."""
    return rng.choice(("set_tsc", "set_clock", f"kvm refresh {v}", f"kvm update {v}"))


@settings(max_examples=FEWER)
@given(scheduled(("kvm",), more=clock_call))
def test_kvmclock_does_not_go_back_while_the_master_clock_is_on(case):
    config, program = case
    s = Session(**config)
    for v in range(config["vcpus"]):
        s.do(f"wrmsr 4b564d01h {PAGE + 64 * v + 1:x}h v{v}")
    latest = 0
    for line in program:
        if line == "set_tsc":
            line = f"kvm set_tsc {s.peek('vcpu0.tsc')} v{config['vcpus'] - 1}"
        elif line == "set_clock":
            line = f"kvm set_clock {latest + 10**6}"
        typed(s, line)
        if not s.peek("kvm.master"):
            return
        for v in range(config["vcpus"]):
            if s.machine.board.sched.in_guest(v):
                now = s.do(f"pvread v{v}").value
                assert now >= latest, (line, v)
                latest = now


@given(scheduled(("nvmm",)))
def test_nvmm_s_lost_cycles_are_those_that_its_guest_lacks(case):
    config, program = case
    s = Session(**config)
    begin = [s.peek(f"vcpu{v}.host") for v in range(config["vcpus"])]
    for line in program:
        typed(s, line)
        for v, host in enumerate(begin):
            if s.machine.board.sched.in_guest(v):
                lacks = s.peek(f"vcpu{v}.host") - host - s.peek(f"vcpu{v}.tsc")
                assert lacks == s.peek(f"policy.v{v}.lost"), (line, v)


@pytest.mark.parametrize("out", ["vmexit v0 kernel", "smi 5us"])
def test_a_vcpu_of_nvmm_s_that_moves_while_nothing_was_noted_of_it_goes_on_from_where_it_is(out):
    s = Session(profile="nvmm", vcpus=2)
    s.skip(10**9)
    s.do(out)
    s.do("migrate v0 p1")
    s.skip(5000)
    if "vmexit" in out:
        s.do("vmenter v0")
    assert (s.peek("vcpu0.tsc"), s.peek("policy.v0.lost")) == (s.peek("vcpu1.tsc"), 0)


@settings(max_examples=FEWER)
@given(st.lists(st.tuples(st.sampled_from(("user", "io", "fault")), st.sampled_from(TIMES)), max_size=12))
def test_each_exit_to_userland_loses_its_time_as_the_report_on_nvmm_has_it(exits):
    s = Session(profile="nvmm", quirks={"nvmm_rebase": "report"})
    for cause, time in exits:
        s.do(f"vmexit v0 {cause} {time}")
        s.do("skip 2s")
    assert s.do("nvmm lost").value == s.peek("vcpu0.out_ns") * 26 // 10


@settings(max_examples=FEWER)
@given(st.randoms(use_true_random=False))
def test_a_vm_of_kvm_s_survives_anything_that_its_userspace_does(rng):
    s = Session(profile="kvm", vcpus=2)
    for v in range(2):
        s.do(f"wrmsr 4b564d01h {PAGE + 64 * v + 1:x}h v{v}")
    for _ in range(12):
        typed(s, kvm_call(rng, f"v{rng.randrange(2)}"))
        s.skip(10**6)
        for v in range(2):
            page = s.machine.board.ram
            assert int.from_bytes(page.bytes_at(PAGE + 64 * v, 4), "little") % 2 == 0
