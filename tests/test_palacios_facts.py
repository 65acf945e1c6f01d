"""Palacios' time keeping, fact by fact: on a host whose TSC reads so many cycles, what guest time is."""

from __future__ import annotations

import pytest
from policyrig import FakeCpu, tscs

from timerlab.devices.palacios import Palacios
from timerlab.devices.palacios_core import HostFault, Refused
from timerlab.errors import GuestFault
from timerlab.scaling import WORD, signed

GHZ = 1_000_000
"""A host of 1 GHz, in kHz: a cycle is a ns, so that a moment is a host TSC value."""


def vm(form: str = "intended", cores: int = 1, khz: int = GHZ, vendor: str = "intel", at: int | None = 0) -> Palacios:
    """A VM whose cores' host TSC counts from power-on, time started at `at`."""
    cpus = [FakeCpu(v, tscs(khz), khz, 32 if vendor == "amd" else 48) for v in range(cores)]
    policy = Palacios(cpus, {"palacios": form, "vendor": vendor})
    if at is not None:
        policy.start(at)
    return policy


def fast(form: str = "intended", khz: int | None = None) -> Palacios:
    """A core that believes in a host of 2.6 GHz, while a cycle is a ns."""
    policy = vm(form, khz=2_600_000)
    policy.cpus[0].tscs[0] = tscs(GHZ)[0]
    policy.v3_init_time_core(0, khz)
    policy.v3_start_time(0, 0)
    return policy


def test_a_slaved_guest_has_the_host_cycles_since_its_start():  # T1
    p = vm(at=1_000_000)
    p.v3_advance_time(0, 1_750_000)
    core = p.cores[0]
    assert (core.guest_cycles, core.initial_host_time, core.yield_start_cycle) == (750_000, 1_000_000, 1_000_000)
    assert (core.vm_pause_host_time, core.vm_enter_host_time) == (1_750_000, 0)
    core.tsc_guest_offset = 5
    assert p.tsc_msr_read(0) == 750_005


def test_a_guest_of_half_the_rate_has_half_the_cycles():  # T2
    p = fast(khz=1_300_000)
    p.v3_advance_time(0, 750_000)
    assert (p.cores[0].clock_ratio_num, p.cores[0].clock_ratio_denom, p.cores[0].guest_cycles) == (1, 2, 375_000)


def test_a_write_to_the_tsc_goes_to_the_offset_alone():  # T3, T41
    p = vm(at=1_000_000)
    p.v3_advance_time(0, 1_750_000)
    p.v3_add_timer(0, "pit")
    p.v3_update_timers(0)
    p.write_tsc(0, 5_000_000, 1_750_000)
    assert p.cores[0].tsc_guest_offset == 4_250_000
    assert p.v3_update_timers(0) == 0
    p.write_tsc(0, 0, 1_750_000)
    assert p.cores[0].tsc_guest_offset == -750_000
    p.v3_advance_time(0, 2_000_000)
    assert p.v3_rdtsc(0).rax == 250_000


@pytest.mark.parametrize("call", ["offset", "skip"])
def test_a_slaved_guest_can_be_neither_moved_nor_skipped(call):  # T4
    p = vm(at=0)
    before = p.snapshot()
    with pytest.raises(Refused, match=f"Cannot {call} guest time passage while slaved to host clock"):
        p.v3_offset_time(0, -1000) if call == "offset" else p.v3_skip_time(0, 400_000)
    assert p.snapshot() == before


@pytest.mark.parametrize("call", ["offset", "skip"])
def test_todays_palacios_has_no_offset_and_no_skip(call):
    p = vm("later")
    p.set_follow(False)
    with pytest.raises(Refused, match="no more"):
        p.v3_offset_time(0, 1) if call == "offset" else p.v3_skip_time(0, 1)


def loose(form: str = "intended") -> Palacios:
    """At 750000 guest cycles that were updated, not slaved."""
    p = vm(form)
    p.v3_advance_time(0, 750_000)
    p.v3_add_timer(0, "pit")
    p.v3_update_timers(0)
    p.set_follow(False)
    return p


def test_time_that_went_back_calls_no_timer_and_is_counted_again():  # T5, T39
    p = loose()
    p.v3_offset_time(0, -1000)
    core = p.cores[0]
    assert core.guest_cycles == 749_000
    calls = core.timers[0].calls
    assert p.v3_update_timers(0) is None
    assert (core.last_update, core.rollovers, core.timers[0].calls) == (749_000, 1, calls)
    p.v3_offset_time(0, 1000)
    assert p.v3_update_timers(0) == 1000
    assert (core.timers[0].cycles, core.timers[0].total) == (1000, 751_000)


def test_skipped_time_does_not_pass():  # T6, T38
    p = loose()
    p.v3_time_exit_vm(0, 1_000_000, 1)
    was = p.cores[0].guest_cycles
    p.v3_skip_time(0, 1_400_000)
    assert (p.cores[0].guest_cycles, p.cores[0].vm_pause_host_time) == (was, 1_400_000)
    p.v3_advance_time(0, 1_500_000)
    assert p.cores[0].guest_cycles == was + 100_000


def test_an_exit_adds_the_cycles_that_it_is_given_unless_slaved():  # T7
    p = loose()
    p.v3_time_exit_vm(0, 10_000_000, 200_000)
    assert p.cores[0].guest_cycles == 950_000
    p.set_follow(True)
    p.v3_time_exit_vm(0, 10_000_000, 200_000)
    assert p.cores[0].guest_cycles == 10_000_000


@pytest.mark.parametrize(("form", "want"), [("intended", 2000), ("later", 500), ("seed_exact", 1000)])
def test_dilation_stretches_time_in_all_forms_but_the_seeds(form, want):  # T8
    p = vm(form)
    p.set_dilation(*((1, 2) if form == "later" else (2, 1)))
    p.v3_advance_time(0, 1000)
    assert p.cores[0].guest_cycles == want
    assert p.traps(0) == (form != "seed_exact")


def test_todays_dilation_is_one_to_n_of_a_slaved_guest():
    p = vm("later")
    with pytest.raises(Refused):
        p.set_dilation(2, 1)
    p.set_follow(False)
    with pytest.raises(Refused):
        p.set_dilation(1, 2)
    assert (p.vm.td_num, p.vm.td_denom) == (1, 1)


def test_the_frequency_hypercall_gives_the_guests_rate():  # T9
    p = fast()
    reply = p.vmcall(0, 0xD000, 5)
    assert reply is not None and (reply.register, reply.value) == ("RBX", 2_600_000)
    assert p.vmcall(0, 0xD001, 5) is None


@pytest.mark.parametrize(("khz", "want"), [(3_000_000, 2_600_000), (None, 2_600_000), (0, 2_600_000), (-5, 2_600_000)])
def test_a_rate_that_is_none_or_above_the_hosts_is_the_hosts(khz, want):  # T10
    core = fast(khz=khz).cores[0]
    assert (core.guest_cpu_freq, core.host_cpu_freq) == (want, 2_600_000)


def test_a_timer_turns_cycles_into_pit_clocks():  # T11
    p = fast()
    p.v3_add_timer(0, "pit")
    p.v3_advance_time(0, 2_600_000)
    assert p.v3_update_timers(0) == 2_600_000
    timer = p.cores[0].timers[0]
    assert (timer.cycles, timer.khz, timer.ns, timer.pit_thousandths) == (2_600_000, 2_600_000, 1_000_000, 1_193_182)
    assert "1193.182 PIT clocks" in p.peek(0)["policy.v0.timers"]


@pytest.mark.parametrize(
    ("ratio", "td", "host", "want"),
    [
        ((1, 1), (1, 2), 3_000_000_000, 1_500_000_000),  # T28
        ((2, 3), (1, 3), 3_000_000_000, 666_666_666),  # T29
        ((800, 1000), (1, 10), 1_000_000_000_007, 80_000_000_000),  # T30
    ],
)
def test_dilation_and_ratio_truncate_one_after_the_other(ratio, td, host, want):
    p = vm()
    p.set_ratio(0, *ratio)
    p.set_dilation(*td)
    p.v3_advance_time(0, host)
    assert p.cores[0].guest_cycles == want
    p.write_tsc(0, 12_345, host)
    assert (p.cores[0].guest_cycles, p.rdtsc(0, host)) == (want, 12_345)


@pytest.mark.parametrize(
    ("form", "khz", "ratio", "want"),
    [
        ("intended", 2_000_000, (10, 13), 20_000_000_000),  # T31
        ("intended", 2_599_999, (2_599_999, 2_600_000), 25_999_990_000),  # T32
        ("later", 2_599_999, (2539, 2539), 26_000_000_000),
        ("intended", 1000, (1, 2600), 10_000_000),  # T33
        ("later", 1000, (0, 2539), 0),
        ("later", 3_000_000, (15, 13), 30_000_000_000),  # T34
        ("seed_exact", 2_000_000, (1, 1), 26_000_000_000),
    ],
)
def test_the_khz_option_makes_the_ratio(form, khz, ratio, want):
    p = fast(form, khz)
    core = p.cores[0]
    assert (core.clock_ratio_num, core.clock_ratio_denom) == ratio
    p.v3_advance_time(0, 26_000_000_000)
    assert core.guest_cycles == want


def test_the_seed_tells_timers_a_rate_that_guest_time_does_not_have():  # T35
    p = fast("seed_exact", 1_300_000)
    p.v3_add_timer(0, "pit")
    p.v3_advance_time(0, 2_600_000_000)
    p.v3_update_timers(0)
    timer = p.cores[0].timers[0]
    assert (p.cores[0].guest_cycles, timer.khz, timer.ns) == (2_600_000_000, 1_300_000, 2_000_000_000)


def test_the_seed_reads_null_where_it_is_not_slaved():  # T36
    p = loose("seed_exact")
    with pytest.raises(HostFault, match="NULL") as fault:
        p.v3_advance_time(0, 1_400_000)
    assert fault.value.name == "host #PF"
    assert (p.cores[0].guest_cycles, p.cores[0].vm_pause_host_time) == (750_000, 1_400_000)
    p.v3_time_exit_vm(0, 1_500_000, 0)
    assert p.cores[0].guest_cycles == 750_000


def test_in_the_run_loop_the_seeds_fault_is_counted():
    p = loose("seed_exact")
    p.enter(0, 800_000, False)
    assert p.cores[0].host_faults == 1
    p.exit(0, 900_000, "io")
    assert p.cores[0].guest_cycles == 850_000


def test_an_advance_without_a_count_adds_what_has_elapsed():  # T37
    p = loose()
    p.v3_time_exit_vm(0, 1_000_000, 1)
    was = p.cores[0].guest_cycles
    p.v3_advance_time(0, 1_400_000)
    assert p.cores[0].guest_cycles == was + 400_000
    p.v3_time_exit_vm(0, 1_450_000, 0)
    assert p.cores[0].guest_cycles == was + 450_000


def test_todays_palacios_adds_nothing_without_a_count():
    p = loose("later")
    p.v3_advance_time(0, 1_400_000)
    assert (p.cores[0].guest_cycles, p.cores[0].vm_pause_host_time) == (750_000, 0)


def test_rdtsc_and_rdtscp_fill_registers():  # T40
    p = vm()
    core = p.cores[0]
    core.guest_cycles = 0x1_2345_6789
    p.tsc_aux_msr_write(0, 7)
    assert p.v3_handle_rdtsc(0) == (0x2345_6789, 1, None, 2)
    assert p.v3_handle_rdtscp(0) == (0x2345_6789, 1, 7, 3)


def test_of_two_timers_one_is_left():  # T42
    p = vm()
    p.v3_add_timer(0, "pit")
    p.v3_add_timer(0, "apic")
    assert [timer.name for timer in p.cores[0].timers] == ["apic", "pit"]
    p.v3_remove_timer(0, "pit")
    p.v3_advance_time(0, 1000)
    p.v3_update_timers(0)
    assert p.peek(0)["policy.v0.num_timers"] == 1
    assert [(timer.name, timer.calls) for timer in p.cores[0].timers] == [("apic", 1)]
    with pytest.raises(Refused, match="no timer pit"):
        p.v3_remove_timer(0, "pit")
    with pytest.raises(Refused, match="already"):
        p.v3_add_timer(0, "apic")


@pytest.mark.parametrize(("form", "want"), [("seed_exact", -3_547_450_783_405), ("intended", 3_547_450_783_406)])
def test_a_product_of_64_bits_wraps(form, want):  # T43
    p = vm(form)
    p.set_ratio(0, 2_600_000, 2_600_000)
    p.v3_advance_time(0, 3_547_450_783_405)
    p.v3_update_timers(0)
    p.v3_advance_time(0, 3_547_450_783_406)
    assert signed(p.cores[0].guest_cycles) == want
    assert (p.v3_update_timers(0) is None) == (form == "seed_exact")


def test_a_stall_comes_all_at_once_to_a_slaved_guest():  # T44
    p = vm(khz=2_600_000)
    p.enter(0, 0, False)
    p.exit(0, 1_000_000, "preempt")
    was = p.cores[0].guest_cycles
    p.v3_time_exit_vm(0, 51_000_000)
    assert p.cores[0].guest_cycles == was + 130_000_000


@pytest.mark.parametrize("form", ["seed_exact", "later"])
def test_a_stall_is_not_seen_where_only_cycles_in_the_guest_count(form):  # T44
    p = vm(form, khz=2_600_000)
    p.set_follow(False)
    p.enter(0, 0, False)
    p.exit(0, 1_000_000, "preempt")
    p.v3_time_exit_vm(0, 51_000_000, 0)
    p.enter(0, 51_000_000, False)
    p.exit(0, 52_000_000, "io")
    assert p.cores[0].guest_cycles == 5_200_000


def test_todays_palacios_gives_the_hosts_tsc_by_hypercall():  # T45
    p = vm("later")
    reply = p.vmcall(0, 0xD001, 123_456)
    assert reply is not None and (reply.register, reply.value) == ("RBX", 123_456)


def test_without_hooks_msrs_and_hypercalls_are_unhandled():
    p = vm()
    p.v3_deinit_time_vm()
    assert p.vmcall(0, 0xD000, 0) is None
    for access in (lambda: p.tsc_msr_read(0), lambda: p.write_tsc(0, 1, 0), lambda: p.tsc_aux_msr_read(0)):
        with pytest.raises(GuestFault, match="unhandled"):
            access()
    p.v3_init_time_vm()
    assert p.tsc_msr_read(0) == 0


def test_a_core_that_is_initialised_has_no_time_until_it_starts():
    p = vm(at=5)
    p.v3_add_timer(0, "pit")
    p.tsc_aux_msr_write(0, 7)
    p.write_tsc(0, 99, 5)
    p.v3_init_time_core(0)
    core = p.cores[0]
    zero = ("guest_cycles", "tsc_guest_offset", "last_update", "initial_host_time", "vm_enter_host_time", "time_flags")
    assert [getattr(core, name) for name in zero] == [0] * len(zero)
    assert (core.timers, core.tsc_aux_lo, core.tsc_aux_hi, core.vm_pause_host_time) == ((), 0, 0, 0)
    assert p.rdtsc(0, 1000) == 0
    p.v3_deinit_time_core(0)
    with pytest.raises(Refused, match="not initialised"):
        p.v3_add_timer(0, "pit")


def test_the_upper_half_of_tsc_aux():
    for form in ("seed_exact", "later"):
        p = vm(form)
        p.tsc_aux_msr_write(0, 0x1_0000_5003)
        assert p.tsc_aux_msr_read(0) == 0x1_0000_5003
    p = vm(vendor="amd")
    p.tsc_aux_msr_write(0, 0x1_0000_5003)
    assert p.tsc_aux_msr_read(0) == 0x5003
    p = vm()
    with pytest.raises(GuestFault, match="reserved"):
        p.tsc_aux_msr_write(0, 1 << 32)
    assert p.tsc_aux_msr_read(0) == 0


def test_an_entry_changes_its_stamp_only():
    p = vm()
    p.v3_advance_time(0, 100)
    p.v3_time_enter_vm(0, 150)
    core = p.cores[0]
    assert (core.vm_enter_host_time, core.vm_pause_host_time, core.guest_cycles) == (150, 100, 100)


def test_in_the_guest_the_hardware_counts_on_from_the_entry():
    p = vm(at=1000)
    p.write_tsc(0, 7_000_000, 1000)
    p.enter(0, 2000, False)
    assert p.rdtsc(0, 2500) == p.cpus[0].l1_tsc(2500) == 7_001_500
    p.exit(0, 3000, "io")
    assert p.v3_rdtsc(0).rax == 7_002_000
    p.enter(0, 4000, True)
    assert p.rdtsc(0, 4000) == 7_003_000


def test_a_trapped_rdtsc_is_guest_time_where_the_ratio_is_not_exact():
    p = fast(khz=2_000_000)
    p.enter(0, 0, False)
    assert p.traps(0)
    assert p.rdtsc(0, 26_000_000_000) == 20_000_000_000
    assert p.cpus[0].l1_tsc(26_000_000_000) == 19_999_999_999
    assert p.handle_rdtsc(0, 26_000_000_000).rax == 20_000_000_000 % (1 << 32)
    assert (p.cores[0].inside, p.cores[0].guest_cycles) == (1, 20_000_000_000)


def test_a_system_management_interrupt_is_none_of_its_exits():
    p = vm()
    p.set_follow(False)
    p.enter(0, 0, False)
    p.exit(0, 1000, "smi")
    p.enter(0, 1500, False)
    p.exit(0, 2000, "io")
    assert p.cores[0].guest_cycles == 2000


def test_skew_goes_back_to_0_by_its_bound_and_time_stays_monotonic():
    p = vm()
    p.set_skew_bound(300)
    p.set_skew(0, 1000)
    assert p.cores[0].guest_cycles == 0
    seen = []
    for turn in range(1, 7):
        p.enter(0, 1000 * turn - 500, False)
        p.exit(0, 1000 * turn - 499 if turn == 3 else 1000 * turn, "io")
        seen.append((p.cores[0].guest_cycles - (1000 * turn - (499 if turn == 3 else 0)), p.cores[0].skew))
    assert seen == [(700, 700), (400, 400), (399, 399), (99, 99), (0, 0), (0, 0)]
    p.set_skew(0, -500)
    p.enter(0, 9000, False)
    p.exit(0, 9100, "io")
    assert (p.cores[0].guest_cycles, p.cores[0].skew) == (9100 - 200, -200)


def test_without_a_bound_skew_stays():
    p = vm()
    p.set_skew(0, 1000)
    for turn in range(1, 5):
        p.enter(0, 1000 * turn, False)
        p.exit(0, 1000 * turn + 500, "io")
    assert (p.cores[0].skew, p.cores[0].guest_cycles) == (1000, 5500)


def test_synchronising_makes_all_guest_tscs_the_foremost():
    p = vm(cores=3)
    for v in range(3):
        p.enter(v, 0, False)
        p.write_tsc(v, 1000 * v, 100 * v)
    assert p.spread(1000) == 1800
    assert p.peek(1000)["policy.spread_ns"] == 1800
    assert p.synchronize(1000) == 2800
    assert p.spread(1000) == p.spread(5000) == 0
    assert [p.cpus[v].l1_tsc(2000) for v in range(3)] == [3800] * 3


def test_passthrough_is_the_hosts_tsc_until_there_is_a_ratio():
    p = vm("later", at=1000, khz=2_048_000)
    p.set_passthrough(True)
    p.enter(0, 2000, False)
    assert p.rdtsc(0, 2500) == p.cpus[0].host_tsc(2500)
    p.by_hand(0, 2500, lambda: p.set_khz(0, 1_024_000))
    assert p.traps(0)
    assert p.rdtsc(0, 3000) == (p.cpus[0].host_tsc(3000) - p.cores[0].initial_host_time) // 2
    with pytest.raises(Refused):
        vm().set_passthrough(True)


def test_there_is_no_tsc_adjust():
    with pytest.raises(GuestFault, match="3Bh"):
        vm().write_adjust(0, 1, 0)


def test_a_reset_begins_time_anew_and_keeps_the_configuration():
    p = fast(khz=1_300_000)
    p.enter(0, 100, False)
    p.start(1000)
    core = p.cores[0]
    assert (core.guest_cpu_freq, core.initial_host_time, core.inside, core.guest_cycles) == (1_300_000, 1000, 1, 0)
    assert p.rdtsc(0, 3000) == 1000 % WORD


def test_each_value_that_can_be_seen_is_explained():
    p = vm(cores=2)
    p.v3_add_timer(1, "pit")
    assert set(p.peek(5)) == set(p.peeks)
