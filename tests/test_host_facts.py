"""What happens to the time stamp counters of a host's processors: numbered facts, on the processors themselves."""

from fractions import Fraction

import pytest

from timerlab import GuestFault
from timerlab.devices.host import Host
from timerlab.quirks import resolve

S = 10**9
MS = 10**6
WORD = 1 << 64


def host(khz=3_000_000, pcpus=2, **quirks):
    """A host, and the moments at which it told of a change."""
    heard = []
    made = Host(Fraction(khz), pcpus, resolve("datasheet", quirks), heard.append)
    return made, heard


OLD = {"constant_tsc": "no", "nonstop_tsc": "no"}
"""A processor whose TSC is neither constant nor nonstop."""


def test_a_crystal_50_ppm_fast_is_ahead_by_500_us_after_10_s():
    """T19."""
    h, heard = host(sockets="two")
    h.set_ppm(1, 50, 0)
    assert h.tsc(1, 10 * S) - h.tsc(0, 10 * S) == 1_500_000
    assert (h.khz(1), h.hz(1), heard) == (3_000_000, 3_000_150_000, [0])


def test_a_clock_spread_by_half_a_percent_is_a_quarter_of_a_percent_slow():
    """T20: a whole number of modulation periods in 1 s."""
    h, _ = host()
    h.spread(0, 5000, 0, 40_000)
    assert 3 * S - h.tsc(0, S) == 7_500_000
    # in the middle of a period it is slowest: the second quarter of it lacks three times what the first one does
    first, second = 30_000 - h.tsc(0, 10_000), 30_000 - (h.tsc(0, 20_000) - h.tsc(0, 10_000))
    assert (first, second) == (38, 112)
    h.spread(0, 0, S)
    assert h.tsc(0, 2 * S) - h.tsc(0, S) == 3 * S


@pytest.mark.parametrize(("constant", "delta"), [("no", 4_500_000_000), ("yes", 6_000_000_000)])
def test_the_tsc_follows_a_p_state_only_if_it_is_not_constant(constant, delta):
    """T21."""
    h, heard = host(constant_tsc=constant)
    h.set_khz(0, 1_500_000, S)
    assert h.tsc(0, 2 * S) == delta
    assert h.peek(2 * S)["host.p0.core"] == 1_500_000
    assert heard == ([S] if constant == "no" else [])


def test_a_rate_that_changes_often_loses_no_part_of_a_tick():
    """333 ns of 1.5 GHz are 499.5 ticks, and as many of 3 GHz 999."""
    h, _ = host(**OLD)
    for turn in range(2000):
        h.set_khz(0, 1_500_000 if turn % 2 else 3_000_000, 333 * turn)
    assert h.tsc(0, 333 * 2000) == 1_498_500


def test_c3_stops_a_tsc_that_is_not_nonstop_and_catching_up_adds_what_it_lost():
    """T22."""
    h, heard = host(2_000_000, nonstop_tsc="no")
    h.sleep(0, "c3", S, S + 250 * MS)
    assert h.tsc(0, S + 100 * MS) == 2 * S
    h.sync(3 * S)
    assert heard == [S, S + 250 * MS]
    assert h.tsc(1, 3 * S) - h.tsc(0, 3 * S) == 500_000_000
    assert h.catch_up(0, 3 * S) == 500_000_000
    assert h.tsc(0, 4 * S) == h.tsc(1, 4 * S) == 8 * S
    assert (h.catch_up(0, 4 * S), h.catch_up(1, 4 * S)) == (0, 0)


def test_what_is_missing_counts_from_the_last_write():
    h, _ = host(2_000_000, nonstop_tsc="no")
    h.sleep(0, "c3", 0, S)
    h.write(0, 10**15, 2 * S)
    assert h.missing(0, 3 * S) == 0
    h.sleep(0, "c3", 3 * S, 4 * S)
    assert h.missing(0, 5 * S) == 2 * S
    h.replace(2_000_000, 5 * S, (7, 10**12))
    h.sleep(1, "c3", 6 * S, 7 * S)
    assert [h.missing(p, 8 * S) for p in (0, 1)] == [0, 2 * S]
    h.write(1, 10**15, 8 * S)
    h.set_ppm(0, 50, 8 * S)  # ahead: nothing is missing
    assert h.missing(1, 9 * S) == 0


@pytest.mark.parametrize("kind", ["c1", "c1e", "c3"])
def test_a_nonstop_tsc_counts_on_in_every_c_state(kind):
    h, heard = host()
    h.sleep(0, kind, 5)
    assert (h.tsc(0, S), h.word(0), heard) == (3 * S, kind, [])
    h.wake(0, S)
    assert (h.tsc(0, 2 * S), h.word(0), heard) == (6 * S, "run", [])


def test_c1_stops_no_tsc():
    h, _ = host(**OLD)
    h.sleep(0, "c1", 0)
    h.sleep(1, "c1e", 0)
    assert (h.tsc(0, S), h.tsc(1, S)) == (3 * S, 0)


def test_a_throttled_clock_of_50_percent_counts_half():
    """T23."""
    h, _ = host(2_000_000, constant_tsc="no")
    h.throttle(0, Fraction(1, 2), 0)
    h.throttle(1, Fraction(1, 8), 0, 1000)
    assert h.tsc(0, 2 * S) == 2_000_000_000
    # 125 ns of each 1000 ns
    assert [h.tsc(1, ns) for ns in (124, 125, 999, 1000, 1001, 2000)] == [248, 250, 250, 250, 252, 500]
    constant, heard = host(2_000_000)
    constant.throttle(0, Fraction(1, 2), 0)
    assert (constant.tsc(0, 2 * S), constant.word(0), heard) == (4_000_000_000, "throttled", [])


def test_a_processor_that_is_plugged_in_is_behind_until_somebody_copies_the_tsc():
    """T24."""
    h, heard = host(2_400_000)
    h.plug(1, 5 * S)
    assert h.tsc(1, 5 * S) == 0
    assert h.tsc(0, 7 * S) - h.tsc(1, 7 * S) == 12_000_000_000
    h.plug(1, 7 * S, "copy")
    assert h.tsc(0, 8 * S) == h.tsc(1, 8 * S)
    assert heard == [5 * S, 7 * S]


def test_tsc_adjust_takes_the_skew_of_a_plugged_in_processor_away():
    """T47."""
    h, _ = host(2_400_000)
    h.plug(1, 5 * S)
    h.write_adjust(1, (h.state.pcpus[1].adjust + 12_000_000_000) % WORD, 6 * S)
    assert h.tsc(0, 6 * S) == h.tsc(1, 6 * S) == 14_400_000_000
    assert h.state.pcpus[1].adjust - h.state.pcpus[0].adjust == 12_000_000_000
    h.plug(1, 7 * S, "adjust")
    assert (h.tsc(1, 8 * S), h.peek(8 * S)["host.p1.adjust"]) == (h.tsc(0, 8 * S), 16_800_000_000)


def test_an_old_processor_takes_32_bits_of_a_tsc_write_and_clears_the_others():
    """T25."""
    h, _ = host(tsc_write="low32")
    h.write(0, 0x1234_5678_9ABC_DEF0, S)
    assert h.tsc(0, S) == 0x9ABC_DEF0


@pytest.mark.parametrize(("how", "tsc"), [("full", 77), ("ignored", 3 * S), ("fault", 3 * S)])
def test_a_tsc_write_sets_it_or_is_ignored_or_faults(how, tsc):
    h, _ = host(tsc_write=how)
    if how == "fault":
        with pytest.raises(GuestFault, match="IA32_TSC"):
            h.write(0, 77, S)
    else:
        h.write(0, 77, S)
    assert h.tsc(0, S) == tsc
    assert h.state.pcpus[0].adjust == (tsc - 3 * S) % WORD


def test_a_resync_with_32_bit_writes_leaves_processors_4294967296_cycles_behind():
    """T40."""
    h, heard = host(2_500_000, tsc_write="low32", tsc_adjust="no")
    assert h.tsc(0, 2 * S) == 5_000_000_000
    h.resync(2 * S)
    assert h.tsc(1, 2 * S) == 705_032_704
    assert h.tsc(0, 2 * S) - h.tsc(1, 2 * S) == 4_294_967_296
    assert heard == [2 * S]


def test_a_resync_copies_the_tsc_of_processor_0_with_its_residue():
    h, _ = host(pcpus=3)
    h.write(1, 5, S)
    h.write(2, 10**15, S)
    h.resync(2 * S, -40)
    assert [h.tsc(p, 2 * S) for p in range(3)] == [6 * S, 6 * S - 40, 6 * S - 40]


def test_a_halted_turion_runs_ahead_of_one_that_works():
    """T41."""
    h, _ = host(2_000_000, turion_halt="full", constant_tsc="no")
    for p in (0, 1):
        h.set_khz(p, 1_600_000, 0)
    h.sleep(1, "c1", 0)
    assert h.tsc(1, S) - h.tsc(0, S) == 400_000_000
    h.wake(1, S)
    assert h.tsc(1, 2 * S) - h.tsc(0, 2 * S) == 400_000_000


def test_a_p_state_that_changes_at_an_unknown_moment_leaves_the_tsc_unknown():
    """T42."""
    h, heard = host(constant_tsc="no")
    h.set_khz(0, 1_500_000, 0)
    assert h.interval(0, 3_000_000, 10 * MS) == (15_000_000, 30_000_000)
    h.set_khz(0, 3_000_000, 0, after=4 * MS)
    assert h.tsc(0, 10 * MS) == 4 * 1_500_000 + 6 * 3_000_000
    assert (h.khz(0), heard) == (1_500_000, [0, 0])
    h.sync(10 * MS)
    assert (h.khz(0), heard) == (3_000_000, [0, 0, 4 * MS])
    assert host()[0].interval(0, 1_500_000, 10 * MS) == (30_000_000, 30_000_000)


def test_suspend_to_memory_starts_every_tsc_again_at_0():
    """T44, as the host has it: 9 000 000 000 000 before, 1 000 000 000 one second after."""
    h, heard = host(1_000_000)
    h.sleep(1, "c3", 0)
    assert h.tsc(0, 9000 * S) == 9_000_000_000_000
    h.suspend(3600 * S, 9000 * S)
    assert [h.tsc(p, 9000 * S) for p in (0, 1)] == [0, 0]
    assert [h.tsc(p, 9001 * S) for p in (0, 1)] == [1_000_000_000] * 2
    assert (h.word(1), h.state.suspended_ns, heard) == ("run", 3600 * S, [9000 * S])


def test_another_host_has_its_own_rate_and_tscs():
    h, heard = host(sockets="two")
    h.set_ppm(1, 100, 0)
    h.sleep(0, "c3", 0)
    h.replace(2_000_000, S, (7, WORD - 1))
    assert [h.tsc(p, S) for p in (0, 1)] == [7, WORD - 1]
    assert [h.tsc(p, 2 * S) for p in (0, 1)] == [2 * S + 7, 2 * S - 1]
    assert (h.khz(0), h.word(0), heard) == (2_000_000, "run", [0, S])


def test_the_tsc_wraps_at_2_to_the_64():
    h, _ = host(1_000_000)
    h.write(0, WORD - 2, 10)
    assert [h.tsc(0, ns) for ns in (10, 11, 12, 13)] == [WORD - 2, WORD - 1, 0, 1]


def test_packages_are_filled_in_order():
    assert [host(pcpus=4, sockets="two")[0].socket(p) for p in range(4)] == [0, 0, 1, 1]
    assert [host(pcpus=3, sockets="each")[0].socket(p) for p in range(3)] == [0, 1, 2]
    assert [host(pcpus=2, sockets="four")[0].socket(p) for p in range(2)] == [0, 1]
    assert [host(pcpus=5)[0].socket(p) for p in range(5)] == [0] * 5


def test_a_clock_is_the_same_object_until_something_changes():
    h, _ = host()
    clock = h.clock(0)
    h.sync(S)
    h.set_khz(0, 1_000_000, S)  # a constant TSC
    h.set_ppm(0, 0, S)
    h.restore(h.snapshot())
    assert h.clock(0) is clock
    h.set_ppm(0, 1, S)
    assert h.clock(0) is not clock


def test_a_copy_changes_nothing_of_its_host():
    h, heard = host(**OLD)
    other = h.copy()
    before, clock = h.snapshot(), h.clock(1)
    other.sleep(1, "c3", 5)
    other.suspend(7, 9)
    assert (h.snapshot(), heard) == (before, [])
    assert h.clock(1) is clock


def test_what_can_be_seen_is_explained():
    h, _ = host(pcpus=3)
    assert set(h.peek(0)) == set(h.peeks)


NONSENSE = {
    "p9": lambda h: h.set_khz(9, 1, 0),
    "p-1": lambda h: h.wake(-1, 0),
    "khz": lambda h: h.set_khz(0, 0, 0),
    "fast": lambda h: h.set_khz(0, 10**9, 0),
    "past": lambda h: h.set_khz(0, 1, 0, -1),
    "kind": lambda h: h.sleep(0, "c6", 0),
    "until": lambda h: h.sleep(0, "c3", 5, 5),
    "awake": lambda h: h.wake(0, 0),
    "duty 0": lambda h: h.throttle(0, Fraction(0), 0),
    "duty 2": lambda h: h.throttle(0, Fraction(2), 0),
    "no period": lambda h: h.throttle(0, Fraction(1, 2), 0, 0),
    "socket": lambda h: h.set_ppm(1, 5, 0),
    "ppm": lambda h: h.set_ppm(0, 10**6, 0),
    "upwards": lambda h: h.spread(0, -1, 0),
    "short": lambda h: h.spread(0, 5000, 0, 1),
    "word": lambda h: h.write(0, WORD, 0),
    "boot": lambda h: h.plug(0, 0),
    "way": lambda h: h.plug(1, 0, "magic"),
    "suspend": lambda h: h.suspend(-1, 0),
    "tscs": lambda h: h.replace(1, 0, (1,)),
    "big": lambda h: h.replace(1, 0, (1, WORD)),
    "window": lambda h: h.interval(0, 1, -1),
    "adjust": lambda h: h.write_adjust(0, -1, 0),
}


@pytest.mark.parametrize("what", NONSENSE)
def test_what_makes_no_sense_is_refused_and_changes_nothing(what):
    h, heard = host(**OLD)
    before = h.snapshot()
    with pytest.raises(ValueError, match=r".") as said:
        NONSENSE[what](h)
    assert len(str(said.value).splitlines()) == 1
    assert (h.snapshot(), heard) == (before, [])


def test_one_that_sleeps_cannot_fall_asleep():
    h, _ = host()
    h.sleep(0, "c1", 0)
    with pytest.raises(ValueError, match="p0 sleeps in c1 already"):
        h.sleep(0, "c3", 1)


def test_throttling_and_spread_spectrum_do_not_go_together_where_the_tsc_sees_both():
    h, _ = host(**OLD)
    h.spread(0, 5000, 0)
    with pytest.raises(ValueError, match="spread"):
        h.throttle(0, Fraction(1, 2), 0)
    h.spread(0, 0, 0)
    h.throttle(0, Fraction(1, 2), 0)
    with pytest.raises(ValueError, match="throttled"):
        h.spread(0, 5000, 0)
    constant, _ = host()
    constant.spread(0, 5000, 0)
    constant.throttle(0, Fraction(1, 2), 0)
    assert constant.hz(0) == 2_992_500_000


def test_a_processor_without_tsc_adjust_has_none():
    h, _ = host(tsc_adjust="no")
    with pytest.raises(GuestFault, match="TSC_ADJUST"):
        h.write_adjust(0, 5, 0)
    with pytest.raises(ValueError, match="TSC_ADJUST"):
        h.plug(1, 0, "adjust")


def test_a_host_needs_a_processor_and_a_clock():
    with pytest.raises(ValueError, match="1 or more"):
        host(pcpus=0)
    with pytest.raises(ValueError, match="above 0"):
        host(khz=0)
