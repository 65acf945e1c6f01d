"""NVMM's time keeping: which cycles get lost, and that they are counted to the cycle."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from policyrig import FakeCpu, tscs

from timerlab import Session
from timerlab.devices.nvmm import ENOSYS, Nvmm
from timerlab.errors import GuestFault
from timerlab.scaling import WORD

KHZ = 2_200_000
S = 1_000_000_000


def vm(cpus: int = 1, apart: int = 0, start: int = 0, **quirks: str) -> Nvmm:
    """vCPUs that are in the guest from 0 on."""
    policy = Nvmm([FakeCpu(v, tscs(KHZ, 2, apart, start), KHZ) for v in range(cpus)], quirks)
    policy.start(0)
    for v in range(cpus):
        policy.enter(v, 0, False)
    return policy


def paused(moved: bool, **quirks: str) -> Nvmm:
    """Out at a guest TSC of 8000000000, back 3 s later."""
    p = vm(apart=777, start=123_456, **quirks)
    p.write_tsc(0, 8_000_000_000 - KHZ * 1000, 0)
    p.exit(0, S, "preempt")
    if p.states[0].gtsc:
        assert p.states[0].gtsc == 8_000_000_000
    if moved:
        p.vcpus[0].pcpu = 1  # type: ignore[attr-defined]
    p.enter(0, 4 * S, moved)
    return p


def test_time_stands_still_over_a_move_to_another_pcpu():  # T24
    p = paused(moved=True)
    assert p.rdtsc(0, 4 * S) == 8_000_000_000
    assert (p.states[0].lost_move, p.states[0].lost, p.states[0].rebases) == (6_600_000_000, 6_600_000_000, 1)
    assert p.rdtsc(0, 5 * S) == 10_200_000_000


def test_time_goes_on_over_a_pause_on_the_same_pcpu():  # T25
    p = paused(moved=False)
    assert p.rdtsc(0, 4 * S) == 14_600_000_000
    assert (p.states[0].lost, p.states[0].rebases) == (0, 0)


def test_a_new_vcpus_tsc_is_0():  # T26
    p = Nvmm([FakeCpu(0, tscs(KHZ, 1, start=55), KHZ)], {})
    p.start(7 * S)
    assert p.states[0].gtsc_want_update
    assert p.rdtsc(0, 8 * S) == 0
    p.enter(0, 9 * S, False)
    assert (p.rdtsc(0, 9 * S), p.rdtsc(0, 10 * S), p.states[0].lost) == (0, KHZ * 1000, 0)


def test_the_repair_by_uptime_puts_the_pause_back():  # T27
    p = paused(moved=True, nvmm_fix="uptime")
    assert p.rdtsc(0, 4 * S) == 14_600_000_000
    assert (p.states[0].restored, p.states[0].lost) == (6_600_000_000, 0)


def test_dragonfly_shows_the_pause_on_another_pcpu_too():
    for moved in (False, True):
        p = paused(moved, nvmm_exit="dragonfly")
        assert p.rdtsc(0, 4 * S) == 14_600_000_000 + 777 * moved
        assert p.states[0].lost == 0


def test_a_guest_that_writes_its_tsc_counts_from_there():  # T60
    p = vm()
    p.write_tsc(0, 5000, S)
    assert p.rdtsc(0, S) == 5000
    p.exit(0, 2 * S, "user")
    p.write_tsc(0, 6000, 2 * S)
    p.enter(0, 3 * S, False)
    assert p.rdtsc(0, 3 * S) == 6000
    assert p.states[0].lost == 0


@pytest.mark.parametrize(
    ("rebase", "want", "lost"), [("report", 2_156_000_000, 44_000_000), ("source", 2_200_000_000, 0)]
)
def test_io_exits_lose_time_as_reported_but_not_as_written(rebase, want, lost):  # T61
    p = vm(nvmm_rebase=rebase)
    for turn in range(1000):
        p.exit(0, turn * 1_000_000 + 500_000, "io")
        p.enter(0, turn * 1_000_000 + 520_000, False)
    assert p.rdtsc(0, S) == want
    assert p.states[0].lost_io == p.states[0].lost == lost


@pytest.mark.parametrize(("cause", "name"), [("fault", "lost_fault"), ("user", "lost_exit"), ("halt", "lost_exit")])
def test_each_cause_has_its_account(cause, name):
    p = vm(nvmm_rebase="report")
    p.exit(0, S, cause)
    p.enter(0, S + 1000, False)
    assert getattr(p.states[0], name) == p.states[0].lost == 2200


@pytest.mark.parametrize("cause", ["kernel", "smi"])
def test_what_the_kernel_handles_and_what_nobody_sees_touches_nothing(cause):
    p = vm(nvmm_rebase="report")
    before = p.snapshot()
    p.exit(0, S, cause)
    assert p.snapshot() == before
    p.enter(0, 2 * S, False)
    assert (p.rdtsc(0, 2 * S), p.states[0].lost) == (2 * KHZ * 1000, 0)


def test_an_emulator_that_writes_all_state_back_loses_the_exit():  # T62
    p = vm()
    p.exit(0, S, "io")
    p.commit(0, S + 500_000)
    p.enter(0, S + 1_000_000, False)
    assert p.rdtsc(0, S + 1_000_000) == KHZ * 1000
    assert p.states[0].lost_commit == p.states[0].lost == 2_200_000


def test_a_write_back_from_the_guest_costs_nothing_and_another_value_is_taken():
    p = vm()
    p.commit(0, S)
    assert (p.rdtsc(0, S), p.states[0].lost, p.states[0].rebases) == (KHZ * 1000, 0, 1)
    p.commit(0, 2 * S, 42)
    assert p.rdtsc(0, 2 * S) == 42
    assert p.states[0].lost == 0


def test_dragonfly_takes_back_what_it_gave_for_no_write():
    p = vm(nvmm_exit="dragonfly")
    p.exit(0, S, "io")
    for value in (None, 0, p.states[0].gtsc):
        p.commit(0, S + 500_000, value)
    p.enter(0, S + 1_000_000, False)
    assert p.rdtsc(0, S + 1_000_000) == (S + 1_000_000) * 11 // 5
    p.commit(0, 2 * S, 42)
    assert p.rdtsc(0, 2 * S) == 42


def test_on_another_host_the_tsc_goes_on_from_where_it_was_stopped():
    p = vm()
    p.exit(0, S, "stop")
    stopped = p.states[0].gtsc
    p.vcpus[0].tscs = tscs(3_000_000, 2, start=9)  # type: ignore[attr-defined]
    p.arrived(2 * S, [stopped], S, KHZ)
    p.enter(0, 2 * S, True)
    assert p.rdtsc(0, 2 * S) == stopped
    assert p.states[0].lost == p.states[0].lost_commit == KHZ * 1000


def test_cpuid_tells_nvmm_and_the_tscs_rate():
    p = vm()
    eax, ebx, ecx, edx = p.cpuid(0x4000_0000) or (0, 0, 0, 0)
    assert b"".join(one.to_bytes(4, "little") for one in (ebx, ecx, edx)) == b"___ NVMM ___"
    assert eax == 0x4000_0010
    assert p.cpuid(0x4000_0010) == (KHZ, 0, 0, 0)
    assert p.cpuid(1) is None
    assert not p.has_rdtscp
    kvm = vm(nvmm_pvclock="kvm")
    assert (kvm.cpuid(0x4000_0000) or ())[1] == int.from_bytes(b"KVMK", "little")
    assert (kvm.cpuid(0x4000_0001) or ())[0] == 8


def test_hypercalls_are_undefined_but_xens_that_registers_a_page():
    with pytest.raises(GuestFault) as fault:
        vm().vmcall(0, 24, 0, (13, 0, 0x1000))
    assert fault.value.name == "#UD"
    p = vm(nvmm_pvclock="xen")
    reply = p.vmcall(0, 24, 0, (13, 0, 0x1000))
    assert reply is not None and (reply.register, reply.value, p.states[0].area) == ("RAX", 0, 0x1000)
    assert p.vmcall(0, 24, 0, (12, 0, 0x1000)) is None
    assert (p.vmcall(0, 24, 0, (13, 5, 0x1000)) or reply).value == ENOSYS % WORD


def test_a_pvclock_page_shows_the_pause_that_the_tsc_lost():
    p = paused(moved=True, nvmm_pvclock="kvm")
    stamp = p.stamp(0, 4 * S)
    assert (stamp.tsc, stamp.ns, stamp.khz, stamp.stable) == (8_000_000_000, 4 * S, KHZ, False)


def test_there_is_no_tsc_adjust():
    with pytest.raises(GuestFault, match="3Bh"):
        vm().write_adjust(0, 1, 0)


def test_each_value_that_can_be_seen_is_explained():
    p = vm(cpus=2)
    assert set(p.peek(5)) == set(p.peeks)


CAUSES = st.sampled_from(["preempt", "user", "io", "fault", "stop", "halt", "kernel", "smi"])
TURN = st.tuples(st.integers(1, 10**9), CAUSES, st.integers(0, 10**9), st.booleans(), st.booleans())


@given(st.lists(TURN, max_size=12), st.sampled_from(["source", "report"]), st.sampled_from([0, 10**9]))
def test_what_is_lost_is_what_the_vcpu_was_out_to_the_cycle(turns, rebase, apart):
    p = vm(apart=apart, nvmm_rebase=rebase)
    cpu = p.vcpus[0]
    now = want = 0
    for inside, cause, out, moves, commits in turns:
        now += inside
        p.exit(0, now, cause)
        kernel = cause in ("kernel", "smi")
        moves, commits = moves and not kernel, commits and not kernel
        if commits:
            p.commit(0, now + out // 2)
        cpu.pcpu ^= moves
        before = cpu.host_tsc(now)
        now += out
        p.enter(0, now, moves)
        if moves or commits or (rebase == "report" and not kernel):
            want += cpu.host_tsc(now) - before
        assert p.states[0].lost == want
    if not apart:
        assert p.rdtsc(0, now) == cpu.tscs[0].ticks(now) - want
        assert p.rdtsc(0, now + 10**6) == cpu.tscs[0].ticks(now + 10**6) - want


@given(st.lists(TURN, max_size=12), st.sampled_from(["source", "report"]), st.sampled_from(["none", "uptime"]))
def test_the_tsc_never_goes_back(turns, rebase, fix):
    p = vm(nvmm_rebase=rebase, nvmm_fix=fix)
    now = last = 0
    for inside, cause, out, moves, commits in turns:
        now += inside
        assert p.rdtsc(0, now) >= last
        last = p.rdtsc(0, now)
        p.exit(0, now, cause)
        if commits and cause not in ("kernel", "smi"):
            p.commit(0, now + out // 2)
        now += out
        p.enter(0, now, moves and cause not in ("kernel", "smi"))
        assert p.rdtsc(0, now) >= last


@given(st.lists(TURN, max_size=6))
def test_what_was_kept_is_taken_back_and_looking_moves_nothing(turns):
    p, q = vm(), vm()
    now = 0
    for inside, cause, out, _, _ in turns:
        now += inside
        p.exit(0, now, cause)
        before = p.snapshot(), p.vcpus[0].offset
        p.peek(now + out)
        p.rdtsc(0, now + out)
        assert (p.snapshot(), p.vcpus[0].offset) == before
        q.restore(p.snapshot())
        assert q.snapshot() == p.snapshot()
        now += out
        p.enter(0, now, False)


@given(
    st.lists(st.tuples(st.integers(1, 10**6), CAUSES, st.integers(1, 10**6), st.booleans()), min_size=1, max_size=5),
    st.integers(1, 30),
    st.sampled_from(["source", "report"]),
    st.sampled_from(["none", "uptime"]),
    st.sampled_from(["netbsd", "dragonfly"]),
)
def test_many_rounds_of_a_load_at_once_are_the_rounds_one_by_one(turns, times, rebase, fix, kind):
    """Each piece is a whole number of host cycles: 5 ns are 11."""
    one, other = (vm(nvmm_rebase=rebase, nvmm_fix=fix, nvmm_exit=kind) for _ in range(2))

    def round_of(p: Nvmm, now: int) -> int:
        for inside, cause, out, moves in turns:
            p.exit(0, now + 5 * inside, cause)
            now += 5 * (inside + out)
            p.enter(0, now, moves and cause not in ("kernel", "smi"))
        return now

    now = round_of(one, 0)
    old = one.counts(0)
    round_of(one, now)
    one.add(0, tuple(b - a for a, b in zip(old, one.counts(0), strict=True)), times)
    now = 0
    for _ in range(times + 2):
        now = round_of(other, now)
    assert one.states == other.states
    assert one.vcpus[0].offset == other.vcpus[0].offset
    assert one.rdtsc(0, now + 999) == other.rdtsc(0, now + 999)


def test_a_page_that_xens_hypercall_registers_is_that_of_the_msr():
    made = []
    for pvclock, line in (("xen", "vmcall 24 13 0 1000h"), ("kvm", "wrmsr 4b564d01h 1001h")):
        s = Session(profile="nvmm", quirks={"nvmm_pvclock": pvclock})
        s.skip("1s")
        s.do(line)
        made.append([s.do(f"readq {address:x}h").value for address in range(0x1000, 0x1020, 8)])
        s.skip("1s")
        assert s.do("pvread").value == 1_999_999_999
    assert made[0] == made[1] and made[0][0] == 2


@pytest.mark.parametrize(
    ("profile", "quirks", "told"),
    [("nvmm", {}, True), ("nvmm", {"invariant_tsc": "hidden"}, False), ("kvm", {}, False)],
)
def test_a_move_to_another_rate_is_told_where_cpuid_has_said_that_there_is_one(profile, quirks, told):
    s = Session(profile=profile, quirks=quirks)
    s.skip("1s")
    words = s.do("migrate host 3000000").text
    assert words.endswith("it ran at 2.600 000 GHz and now does at 3.000 000 GHz") == told
    assert "CPUID" not in s.do("migrate host 3000000").text
