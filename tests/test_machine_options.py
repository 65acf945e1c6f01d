"""Machines that differ in what they have: a timer that C3 stops, no PIT and RTC, a host without x2APIC, no power."""

from __future__ import annotations

import pytest

from timerlab import Session
from timerlab.errors import CommandError

MS = 1_000_000


def slow_start(**quirks):
    """A vCPU whose APIC timer is set to 1 ms, vector 30h, and whose processor falls asleep for 10 ms."""
    s = Session(quirks={"lapic_arat": "no"} | quirks)
    s.writel(0xFEE0_00F0, 0x1FF)
    s.writel(0xFEE0_03E0, 0xB)
    return s


@pytest.mark.parametrize("divide", ["rescale", "from_load"])
@pytest.mark.parametrize(("lvt", "edges"), [(0x30, 1), (0x2_0030, 990)])
def test_a_timer_that_c3_stops_is_late_by_the_sleep(divide, lvt, edges):
    s = slow_start(lapic_divide=divide)
    s.writel(0xFEE0_0320, lvt)
    s.writel(0xFEE0_0380, MS)
    s.skip(MS // 2)
    s.do("cstate p0 c3 10ms")
    s.skip(10 * MS)
    assert (s.peek("lapic0.timer.edges"), s.peek("lapic0.tmcct")) == (0, MS // 2)
    s.skip(MS // 2 - 1)
    assert s.peek("lapic0.timer.edges") == 0
    s.skip(1)
    assert s.peek("lapic0.timer.edges") == 1
    s.skip_to(1_000 * MS + MS // 2)
    assert s.peek("lapic0.timer.edges") == edges


@pytest.mark.parametrize("tsc", ["live", "armed"])
def test_a_deadline_that_passes_in_c3_is_over_at_the_wake_up(tsc):
    s = slow_start(lapic_deadline_tsc=tsc)
    s.writel(0xFEE0_0320, 0x4_0030)
    s.wrmsr(0x6E0, 2_600_000)
    s.do("cstate p0 c3")
    s.skip(10 * MS)
    assert (s.peek("lapic0.timer.edges"), s.rdmsr(0x6E0)) == (0, 2_600_000)
    s.do("cstate p0 c0")
    assert (s.peek("lapic0.timer.edges"), s.rdmsr(0x6E0)) == (1, 0)
    s.wrmsr(0x6E0, 2_600_000 * 30)
    s.do("cstate p0 c3 1ms")
    s.skip_to(30 * MS - 1)
    assert s.peek("lapic0.timer.edges") == 1
    s.skip(1)
    assert s.peek("lapic0.timer.edges") == 2


def test_what_is_written_while_the_timer_stands_counts_from_the_wake_up():
    s = slow_start()
    s.writel(0xFEE0_0320, 0x30)
    s.do("cstate p0 c3 10ms")
    s.skip(4 * MS)
    s.writel(0xFEE0_0380, MS)
    s.skip(2 * MS)
    s.writel(0xFEE0_03E0, 0x0)
    s.skip(6 * MS - 1)
    assert s.peek("lapic0.timer.edges") == 0
    s.skip(1)
    assert s.peek("lapic0.timer.edges") == 1


@pytest.mark.parametrize(("quirks", "sleep"), [({"lapic_arat": "yes"}, "c3"), ({}, "c1"), ({"policy": "kvm"}, "c3")])
def test_a_timer_runs_on_that_is_always_running_or_a_hypervisors_or_in_c1(quirks, sleep):
    s = slow_start(**quirks)
    s.writel(0xFEE0_0320, 0x30)
    s.writel(0xFEE0_0380, MS)
    s.do(f"cstate p0 {sleep} 10ms")
    s.skip(MS)
    assert s.peek("lapic0.timer.edges") == 1


def test_a_copy_taken_in_the_sleep_goes_on_alike_however_time_is_cut():
    s = slow_start()
    s.writel(0xFEE0_0320, 0x2_0030)
    s.writel(0xFEE0_0380, 7 * MS)
    s.skip(3 * MS)
    s.do("cstate p0 c3 10ms")
    s.skip(5 * MS)
    snapshot = s.machine.snapshot()
    s.skip(100 * MS)
    once = s.machine.digest()
    s.machine.restore(snapshot)
    for _ in range(100):
        s.machine.advance(s.machine.now + MS)
    assert s.machine.digest() == once


def test_cpuid_tells_whether_the_timer_always_runs():
    assert [Session(quirks={"lapic_arat": arat}).cpuid(6)[0] for arat in ("yes", "no")] == [4, 0]


def test_a_write_after_a_write_is_lost_unless_something_is_read_between():
    s = Session(quirks={"lapic_write": "lost"})
    s.writel(0xFEE0_00F0, 0x1FF)
    s.writel(0xFEE0_0320, 0x41)
    s.writel(0xFEE0_0320, 0x42)
    assert s.readl(0xFEE0_0320) == 0x1_0000
    s.writel(0xFEE0_0320, 0x43)
    assert s.readl(0xFEE0_0320) == 0x43


def test_without_pit_and_rtc_their_ports_float_and_nothing_ticks():
    s = Session(profile="qemu", quirks={"legacy": "absent"})
    for port in (*range(0x40, 0x44), *range(0x70, 0x74)):
        s.outb(port, 0x34)
        assert s.inb(port) == 0xFF
    s.skip("10s")
    assert (s.peek("irq.0.edges"), s.peek("irq.8.edges")) == (0, 0)
    assert s.inb(0x61) != 0xFF
    with pytest.raises(CommandError, match="there is no pit"):
        s.do("os boot")


@pytest.mark.parametrize(("policy", "has"), [("bare", 0), ("kvm", 1)])
def test_a_hypervisor_gives_x2apic_where_the_processor_has_none(policy, has):
    s = Session(quirks={"host_x2apic": "no", "policy": policy})
    assert s.cpuid(1)[2] >> 21 & 1 == has
    assert s.do("wrmsr 1bh fee00d00h").fault == (None if has else "#GP(0)")


def interrupted(irqchip, guest="none"):
    return Session(profile="kvm", guest=guest, vcpus=2, quirks={"kvm_irqchip": irqchip})


def test_kvm_interrupt_is_for_a_vm_whose_8259s_are_in_userspace():
    s = interrupted("kernel")
    assert [s.do(f"kvm interrupt {vector}").value for vector in (0x80, 256)] == [-6, -22]
    s = interrupted("split")
    assert [s.do("kvm interrupt 80h v1").value for _ in range(2)] == [0, -17]
    assert s.inta(1) == 0x80
    assert s.do("kvm interrupt 81h v1").value == 0


def test_a_queued_vector_goes_past_the_controllers_and_needs_no_eoi_of_theirs():
    s = interrupted("user", "ideal")
    s.do("cli v1")
    assert s.do("kvm interrupt 80h v1").value == 0
    assert (s.peek("vcpu1.queued"), s.peek("lapic1.irr_max"), s.peek("vcpu1.taken")) == (0x80, None, 0)
    s.do("sti v1")
    assert (s.peek("vcpu1.queued"), s.peek("vcpu1.last"), s.peek("vcpu1.depth"), s.peek("vcpu1.taken")) == (
        None, 0x80, 0, 1,
    )  # fmt: skip
    assert s.peek("vcpu0.taken") == 0


def test_a_queued_vector_waits_for_the_handler_that_runs():
    s = interrupted("user", "latency=1ms")
    s.do("kvm interrupt 80h")
    s.do("kvm interrupt 81h")
    assert (s.peek("vcpu0.last"), s.peek("vcpu0.queued")) == (0x80, 0x81)
    s.skip(MS)
    assert (s.peek("vcpu0.last"), s.peek("vcpu0.queued")) == (0x81, None)


def test_without_power_only_the_rtc_goes_on(tmp_path):
    s = Session()
    s.outb(0x43, 0x34)
    s.outb(0x40, 0xA9)
    s.outb(0x40, 4)
    s.skip("1s")
    edges = s.peek("irq.0.edges")
    s.do("poweroff 1hr")
    s.skip("10ms")
    assert (s.peek("irq.0.edges"), s.peek("pit.ch0.mode"), s.peek("rtc.clock")) == (edges, None, "2026-01-01T01:00:01")
    assert s.rdtsc() == 26_000_000
    end, digest = s.now, s.machine.digest()
    s.goto(1_801_000 * MS)
    assert s.peek("rtc.clock") == "2026-01-01T00:30:00"
    s.goto(end)
    assert s.machine.digest() == digest
    path = tmp_path / "off.timerlab"
    s.save(str(path))
    assert Session.load(path).machine.digest() == digest


def test_a_battery_that_failed_shows_once():
    s = Session()
    s.do("battery fail")
    s.outb(0x70, 0x0D)
    assert [s.inb(0x71), s.inb(0x71)] == [0, 0x80]


@pytest.mark.parametrize(("dv", "times"), [(0x00, 128), (0x10, 32), (0x20, 1)])
def test_a_pcs_crystal_makes_the_seconds_of_other_time_bases_long(dv, times):
    s = Session(quirks={"rtc_crystal": "khz32"})
    s.outb(0x70, 0x0A)
    s.outb(0x71, 0x76)
    s.outb(0x71, dv | 6)
    # the first update starts after half a second, and takes 1984 us, or 248 us of 4 MHz or 1 MHz
    length = 1_984_000 if times == 1 else 248_000
    assert s.peek("rtc.next_update") == times * (500 * MS + length)
    s.skip(times * 10_000 * MS)
    assert s.peek("rtc.updates") == 10


def test_another_time_base_keeps_what_was_left_of_a_second():
    s = Session(quirks={"rtc_crystal": "khz32"})
    s.outb(0x70, 0x0A)
    s.outb(0x71, 0x76)
    s.outb(0x71, 0x26)
    s.skip(250 * MS)
    s.outb(0x71, 0x06)
    assert s.peek("rtc.next_update") == 250 * MS + 128 * (250 * MS + 248_000)
    s.skip(16_000 * MS)
    s.outb(0x71, 0x26)
    assert s.peek("rtc.next_update") == 16_250 * MS + 125 * MS + 1_984_000
