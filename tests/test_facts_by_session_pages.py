"""KVM's wall clock, steal time, asynchronous page faults, and what RESET and INIT do to them, by `Session` alone.

T numbers as the facts have them.
"""

import struct

import pytest
from sessionrig import S, do, kvm

from timerlab import Session

NEW, WALL, APF, STEAL, EOI, POLL, INT, ACK, MIGRATE = 0x4B564D01, 0x4B564D00, *range(0x4B564D02, 0x4B564D09)


def memory(s: Session, address: int, size: int) -> bytes:
    """Guest memory, a byte at a time."""
    return bytes(s.readb(address + i) for i in range(size))


def page(s: Session, address: int = 0x1000) -> tuple[int, ...]:
    """version, pad0, tsc_timestamp, system_time, mul, shift, flags, pad of a vcpu_time_info."""
    return struct.unpack("<IIQQIbBH", memory(s, address, 32))


def steal(s: Session, address: int = 0x3000) -> tuple[int, ...]:
    """steal, version, flags, preempted of a steal time page."""
    return struct.unpack("<QIIB47x", memory(s, address, 64))[:4]


# the wall clock


def test_the_wall_clock_is_the_time_of_boot():  # T15 T16 T30 T31
    s = kvm(start="2023-11-14T22:13:20")
    do(s, "kvm step_realtime 250000000")
    s.wrmsr(WALL, 0x2000)
    assert struct.unpack("<III", memory(s, 0x2000, 12)) == (2, 0x6553F100, 0x0EE6B280)
    s.wrmsr(NEW, 0x1001)
    s.skip("10s")
    assert abs(do(s, "pvwall") - 1_700_000_010_250_000_000) <= 4  # the multiplier is 32 bits
    s.writel(0x2000, 3)
    do(s, "pvwrite steps")
    s.wrmsr(WALL, 0x2000)
    assert s.readl(0x2000) == 5
    do(s, "pvwrite next", "pvwrite next")
    assert s.readl(0x2000) == 6
    do(s, "pvwrite whole")
    s.wrmsr(WALL, 0x2000)
    assert s.readl(0x2000) == 8
    s.wrmsr(WALL, 0)
    assert (s.readl(0x2000), s.rdmsr(WALL)) == (8, 0)


# steal time


def test_the_steal_page_is_added_to_step_by_step():  # T41 T43
    s = kvm()
    s.writeq(0x3000, 7)
    s.writel(0x3008, 5)
    s.writeb(0x3010, 1)
    do(s, "preempt v0 2s", "skip 2s", "pvwrite steps")
    s.wrmsr(STEAL, 0x3001)
    seen = [steal(s)]
    while s.do("pvwrite next").value:
        seen.append(steal(s))
    seen.append(steal(s))
    assert seen[0][3] == 0 and seen[-1] == (2_000_000_007, 8, 0, 0)
    assert (2_000_000_007, 7, 0, 0) in seen and (7, 7, 0, 0) in seen
    do(s, "pvwrite whole", "preempt v0")
    assert steal(s) == (2_000_000_007, 8, 0, 1)
    do(s, "skip 1ms", "vmenter v0")
    assert steal(s) == (2_001_000_007, 10, 0, 0)


def test_steal_is_what_the_vcpu_could_have_run():  # T19 T20 T42
    s = kvm()
    s.wrmsr(STEAL, 0x3001)
    start = steal(s)
    for n in (1, 2, 3):
        do(s, "preempt v0 1500us", "skip 2ms")
        assert steal(s)[:2] == (1_500_000 * n, start[1] + 2 * n)
    before = steal(s)
    do(s, "halt v0", "skip 10ms", "wake v0")
    assert steal(s)[0] == before[0]
    do(s, "vmstop", "skip 1s", "vmcont", "vmexit v0 user 5ms", "skip 10ms")
    assert steal(s)[0] == before[0]
    s.wrmsr(STEAL, 0)
    do(s, "preempt v0 1s", "skip 2s")
    assert steal(s)[0] == before[0]
    s.wrmsr(STEAL, 0x3001)
    assert steal(s)[0] == before[0] + S


@pytest.mark.parametrize("load", ["", " random 5", " moving"])
def test_a_host_load_is_steal_window_by_window_and_a_year_at_once(load):
    s = kvm(pcpus=2)
    s.wrmsr(STEAL, 0x3001)
    version = steal(s)[1]
    do(s, f"hostload v0 1ms 10ms{load}", "skip 1s")
    assert (s.peek("vcpu0.steal_ns"), s.peek("pv0.run_delay")) == (steal(s)[0], steal(s)[0])
    if not load.startswith(" random"):
        assert steal(s)[:2] == (100_000_000, version + 200)
    do(s, "skip 1y", "hostload v0 off")
    year = steal(s)
    assert abs(year[0] - 3_153_600_100_000_000) <= 1_000_000 and year[1] % 2 == 0
    s.goto(S)
    assert steal(s)[0] // 1_000_000 in (99, 100)


def test_two_busy_vcpus_on_one_processor_halve_it():  # tick facts T19
    s = kvm(vcpus=2, pcpus=1)
    for v in (0, 1):
        s.wrmsr(STEAL, 0x3001 + v * 0x100, v)
    do(s, "hostload share on 10ms", "skip 1s")
    assert [steal(s, 0x3000 + v * 0x100)[0] for v in (0, 1)] == [500_000_000] * 2


# asynchronous page faults


def apf(vcpus: int = 1, v: int = 0, bits: int = 0xB) -> Session:
    s = kvm(guest="manual", vcpus=vcpus)
    s.writel(0xFEE000F0, 0x1FF, vcpu=v)
    s.wrmsr(INT, 0xF2, v)
    s.wrmsr(APF, 0x4000 | bits, v)
    return s


def handled(s: Session, v: int = 0) -> None:
    assert s.inta(v) == 0xF2
    s.eoi(v)
    s.writel(0x4004, 0)
    s.wrmsr(ACK, 1, v)


def test_enabling_asynchronous_page_faults_wakes_all():  # T45 T21
    s = apf()
    assert s.readl(0x4004) == 0xFFFFFFFF and s.inta() == 0xF2
    s = apf(bits=1)
    assert s.readl(0x4004) == 0 and s.inta() is None and s.rdmsr(APF) == 0x4001


def test_a_page_that_is_missing_and_comes():  # T23 T46 T49
    s = apf()
    handled(s)
    assert do(s, "apf missing 8000h") == 0x1000
    assert (s.readl(0x4000), s.peek("pv0.pf_code"), s.peek("pv0.cr2")) == (1, 0, 0x1000)
    s.writel(0x4000, 0)
    do(s, "apf missing 9000h")
    s.writel(0x4000, 0)
    do(s, "apf ready")
    assert s.readl(0x4004) == 0x1000
    do(s, "apf ready")
    assert s.readl(0x4004) == 0x1000
    s.wrmsr(ACK, 1)
    assert s.readl(0x4004) == 0x1000
    handled(s)
    assert s.readl(0x4004) == 0x2000
    s.writel(0x4004, 0)
    s.wrmsr(ACK, 3)
    assert s.rdmsr(ACK) == 0


def test_the_token_tells_the_vcpu():  # T47
    s = apf(vcpus=4, v=3)
    handled(s, 3)
    do(s, "apf missing 8000h v3")
    assert do(s, "apf missing 9000h v3") == 0x2003 == s.peek("pv3.cr2")


def test_a_kernel_that_did_not_ask_for_it_waits():  # T48
    s = apf(bits=9)
    handled(s)
    r = s.do("apf missing 8000h cpl0")
    assert r.value is None and s.readl(0x4000) == 0 and s.peek("pv0.apf_halted") == 1
    do(s, "apf ready")
    assert (s.peek("pv0.apf_halted"), s.peek("vcpu0.state")) == (0, "run")


# reset and INIT


def paravirtual(s: Session, v: int) -> list[int]:
    return [s.rdmsr(msr, v) for msr in (NEW, APF, STEAL, EOI, INT, POLL, WALL)]


def registered() -> Session:
    s = kvm(vcpus=2, guest="ideal")
    for msr, value in (
        (WALL, 0x2000),
        (NEW, 0x1001),
        (STEAL, 0x3001),
        (EOI, 0x5001),
        (INT, 0xF2),
        (APF, 0x400B),
        (POLL, 0),
    ):
        s.wrmsr(msr, value, 1)
    do(s, "skip 1s")
    return s


@pytest.mark.parametrize("way", ["kvm init v1", "reset", "ipi"])
def test_reset_and_init_take_the_pages_away_and_leave_memory_alone(way):  # T50
    s = registered()
    before, tsc = memory(s, 0x1000, 32), s.rdmsr(0x10, 1)
    if way == "ipi":
        s.writel(0xFEE00310, 1 << 24)
        s.writel(0xFEE00300, 0x4500)
    else:
        do(s, way)
    assert paravirtual(s, 1) == [0, 0, 0, 0, 0, 0, 0x2000]
    do(s, "kvm update")
    assert memory(s, 0x1000, 32) == before and s.readl(0x2000) == 2
    assert way == "reset" or s.rdmsr(0x10, 1) == tsc  # an INIT leaves the TSC


# scripts and travel


def test_expect_until_and_travel_work_with_pages(tmp_path):
    s = registered()
    for line in (
        "expect pv1.version == 4",
        "expect rdmsr kvm_steal_time v1 == 3001h",
        "expect fault wrmsr kvm_steal_time 3002h",
        "expect kvm get_clock >= 999999997",
        "expect readb 101dh == 1",
        "expect refused l2 exit",
        "expect kvm.master",
        "expect pvread v1 < 1000000000",
    ):
        assert s.do(line).ok is not False, (line, s.do(line).text)
    do(s, "preempt v1 5ms")
    do(s, "until vcpu1.state == run limit 10ms")
    assert s.now == 1_005_000_000
    do(s, "until pv1.steal == 5000000 limit 10ms")
    do(s, "until vcpu1.l1tsc >= 2860000000 limit 1s")
    assert s.now == 1_100_000_000
    do(s, "until pv1.version > 4 limit 400s")
    assert s.now in range(300 * S, 301 * S)
    do(
        s,
        "pvwrite steps",
        "kvm refresh v1",
        "hostload v0 1ms 10ms",
        "wrmsr tsc 5000 v1",
        "skip 77ms",
        "pvwrite next",
        "migrate v0 p1 3ms",
        "skip 50ms",
    )
    seen = (
        [s.readb(a) for a in (*range(0x1000, 0x1020), *range(0x3000, 0x3040))],
        s.rdtsc(0),
        s.rdtsc(1),
        s.peek("kvm.clock"),
    )
    path = tmp_path / "x.timerlab"
    s.save(path)
    now = s.now
    other = Session.load(path)
    assert other.now == now
    assert (
        [other.readb(a) for a in (*range(0x1000, 0x1020), *range(0x3000, 0x3040))],
        other.rdtsc(0),
        other.rdtsc(1),
        other.peek("kvm.clock"),
    ) == seen
    s.goto(S // 2)
    assert (s.readb(0x1000), s.peek("vcpu1.steal_ns")) == (4, 0)
    s.do(f"goto {now}")
    assert s.peek("kvm.clock") == seen[3]
    s.back()
    assert s.now <= now
