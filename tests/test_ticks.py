"""Tick policies: what becomes of a timer's ticks while the guest cannot take them. The scenarios run on the real
machine: HPET T0 ticks through the I/O APIC into a local APIC, and the vCPU is out for a while.
"""

import pytest
from modelfabric import apics, lapic_timer
from tickrig import MS, C, Out, rig, see, taken

from timerlab import Session
from timerlab.devices.ticks_rtc import drain

D = (100_300_000, 150_800_000)
S = (10_500_000, 60_500_000)

TABLE = {
    "off": ((100, 100, 100, 101, 102, 106, 111, 151), None, None),
    "discard_nolatch": ((100, 100, 100, 100, 101, 105, 110, 150), 0, 50),
    "discard": ((100, 100, 100, 101, 102, 106, 111, 151), 1, 49),
    "merge": ((100, 100, 100, 101, 102, 106, 111, 151), 1, 49),
    "delay": ((100, 100, 100, 100, 101, 105, 110, 150), 50, 0),
    "slew_nolatch": ((100, 100, 100, 100, 107, 143, 160, 200), 57, 0),
    "slew": ((100, 100, 100, 101, 108, 144, 160, 200), 57, 0),
    "slew_rtc": ((100, 100, 100, 121, 148, 155, 160, 200), 51, 0),
    "reinject": ((100, 100, 100, 101, 136, 155, 160, 200), 51, 0),
}
"""Scenario C: delivered at 100, 125, 150, 150.3, 151, 155, 160, 200 ms; late, lost."""
MOMENTS = (100_000_000, 125_000_000, 150_000_000, 150_300_000, 151_000_000, 155_000_000, 160_000_000, 200_000_000)
DUE = (100, 125, 150, 150, 151, 155, 160, 200)


def guest(policy):
    return "latency=20us" if policy == "reinject" else "ideal"


@pytest.mark.parametrize("policy", TABLE)
def test_50_ms_out_under_each_policy(policy):
    """Scenario C, row by row: T37 to T43."""
    s = rig(policy, guest(policy))
    out = Out(s, [C])
    delivered, late, lost = TABLE[policy]
    for at, wanted, due in zip(MOMENTS, delivered, DUE, strict=True):
        out.to(at)
        assert taken(s) == wanted, at
        if policy != "off":
            assert (see(s, "due"), see(s, "delivered"), see(s, "lag")) == (due, wanted, due - wanted)
    if policy != "off":
        assert (see(s, "late"), see(s, "lost")) == (late, lost)


@pytest.mark.parametrize("policy", TABLE)
def test_50_ms_out_is_the_same_in_one_step(policy):
    s = rig(policy, guest(policy))
    Out(s, [C]).to(MOMENTS[-1])
    assert taken(s) == TABLE[policy][0][-1]


@pytest.mark.parametrize(
    ("policy", "who", "at"),
    [
        ("slew", "ideal", 157_217_856),
        ("slew_nolatch", "ideal", 157_342_856),
        ("slew_rtc", "ideal", 152_000_000),
        ("reinject", "latency=20us", 151_300_000),
        ("reinject", "latency=500us", 198_800_000),
        ("reinject", "latency=900us", 585_900_000),
    ],
)
def test_when_the_lag_is_gone(policy, who, at):
    """T40 to T45: the tick of 100 ms is acknowledged in its time, though the vCPU is out by then."""
    s = rig(policy, who, quirks={"handler_out": "goes_on"})
    out = Out(s, [C])
    out.to(at - 1)
    assert see(s, "lag") > 0
    out.to(at)
    assert see(s, "lag") == 0


@pytest.mark.parametrize(
    ("policy", "delivered", "deficit", "at"),
    [
        ("discard_nolatch", 50, 50, None),
        ("discard", 51, 49, None),
        ("merge", 51, 49, None),
        ("delay", 50, 50, None),
        ("slew_nolatch", 100, 0, 67_467_856),
        ("slew", 100, 0, 67_342_856),
        ("slew_rtc", 100, 0, 62_000_000),
        ("reinject", 100, 0, 61_500_000),
    ],
)
def test_50_ms_out_in_the_middle_between_ticks(policy, delivered, deficit, at):
    """Scenario S: T1 to T6."""
    s = rig(policy, guest(policy))
    out = Out(s, [S])
    if at is not None:
        out.to(at - 1)
        assert see(s, "lag") > 0
        out.to(at)
        assert see(s, "lag") == 0
    out.to(100 * MS)
    assert (taken(s), see(s, "lag")) == (delivered, deficit)


def test_pending_counts_the_tick_in_service_until_its_eoi():
    """Scenario S, reinject: the lag is 0 at 61.5 ms, pending 20 us later."""
    s = rig("reinject", "latency=20us")
    out = Out(s, [S])
    out.to(61_519_999)
    assert (see(s, "lag"), see(s, "pending")) == (0, 1)
    out.to(61_520_000)
    assert see(s, "pending") == 0


def moments(policy, window, until, who=None):
    """The ns of the deliveries after a window's begin, by the naive way: ns by ns around each."""
    s = rig(policy, who or guest(policy))
    out = Out(s, [window])
    out.to(window[1] - 1)
    found, seen = [], taken(s)
    now = s.now
    while now < until:
        now = min(until, now + 1000 - now % 1000)
        out.to(now)
        found += [now] * (taken(s) - seen)
        seen = taken(s)
    return found


def test_the_first_deliveries_after_the_gap():
    """Scenario C, in us."""
    us = 1000
    assert [at // us for at in moments("discard", C, 152_100_000)] == [150_300, 151_000, 152_000]
    wanted = [150_300, 150_375, 150_500, 150_625, 150_750, 150_875, 151_000, 151_000, 151_125]
    assert [at // us for at in moments("slew", C, 151_200_000)] == wanted
    assert [at // us for at in moments("reinject", C, 150_350_000)] == [150_300, 150_320, 150_340]


def test_reinjection_with_an_acknowledgement_as_long_as_the_period_never_catches_up():
    """T46: the lag stays, and grows where it takes longer."""
    s = rig("reinject", "latency=1ms")
    out = Out(s, [C])
    for at in (151, 200, 1000, 5000):
        out.to(at * MS + 999_000)
        assert see(s, "lag") == 50
    s = rig("reinject", "latency=1100us")
    out = Out(s, [C])
    out.to(200 * MS)
    lag = see(s, "lag")
    out.to(1000 * MS)
    assert see(s, "lag") > lag + 50


def test_reinjection_with_slow_handlers_on_the_way():
    """T44, T45."""
    s = rig("reinject", "latency=500us", quirks={"handler_out": "goes_on"})
    out = Out(s, [C])
    out.to(155 * MS)
    assert taken(s) == 110
    out.to(160 * MS)
    assert taken(s) == 120
    s = rig("reinject", "latency=900us", quirks={"handler_out": "goes_on"})
    Out(s, [C]).to(200 * MS)
    assert taken(s) == 156


def test_a_handler_that_stands_still_makes_catching_up_later():
    """As T44, with the 200 us that were left of the handler when the vCPU went out."""
    s = rig("reinject", "latency=500us")
    out = Out(s, [C])
    out.to(150_499_999)
    assert taken(s) == 100
    out.to(198_999_999)
    assert see(s, "lag") > 0
    out.to(199_000_000)
    assert see(s, "lag") == 1  # the tick of 199 ms is due, and is taken when the handler ends
    out.to(199_500_000)
    assert see(s, "lag") == 0


@pytest.mark.parametrize(
    ("policy", "delivered"),
    [
        ("discard_nolatch", (100, 101, 102, 110, 150)),
        ("discard", (100, 102, 103, 111, 151)),
        ("delay", (100, 100, 101, 109, 149)),
        ("slew", (100, 104, 113, 160, 200)),
        ("reinject", (100, 111, 152, 160, 200)),
    ],
)
def test_50_and_a_half_ms_out(policy, delivered):
    """Scenario D, at 150, 151, 152, 160, 200 ms."""
    s = rig(policy, guest(policy))
    out = Out(s, [D])
    for at, wanted in zip((150, 151, 152, 160, 200), delivered, strict=True):
        out.to(at * MS)
        assert taken(s) == wanted, at


def test_the_phase_stays_with_discard_and_moves_with_delay():
    """T47: the next regular tick is at 151.0, or at 151.5 ms."""
    for policy, before, at in (("discard", 101, 151_000_000), ("delay", 100, 151_500_000)):
        s = rig(policy)
        out = Out(s, [D])
        out.to(at - 1)
        assert taken(s) == before
        out.to(at)
        assert taken(s) == before + 1


@pytest.mark.parametrize(
    ("n", "after"), [(1, 500_000), (2, 833_333), (3, 1_083_333), (7, 1_717_856), (8, 1_842_856), (50, 7_092_856)]
)
def test_how_long_slewing_takes(n, after):
    """T48: from n missed ticks, regular ones apart."""
    assert sum(drain(MS, n)) == after


def test_how_long_slewing_takes_on_the_machine():
    """T48 with 3 missed: the last was due at 4.0 ms, the regular 5.0 ms is on time."""
    s = rig("slew_nolatch")
    out = Out(s, [(1_500_000, 4_000_001)])
    out.to(5_083_332)
    assert see(s, "lag") == 1
    out.to(5_083_333)
    assert see(s, "lag") == 0


@pytest.mark.parametrize(("hz", "lost", "behind"), [(100, 5, 50), (250, 12, 48), (1000, 50, 50)])
def test_the_same_stall_at_other_rates(hz, lost, behind):
    """T52: nothing latched."""
    period = 10**9 // hz
    s = rig("discard_nolatch", period=period)
    Out(s, [C]).to(1_000 * MS)
    assert (see(s, "lost"), see(s, "lag") * period) == (lost, behind * MS)


def test_on_and_off_each_10_ms():
    """T56: 49 of 50 latched ticks are late, the last one waits."""
    s = rig("discard")
    windows = [(10_500_000 + k * 20 * MS, 20_500_000 + k * 20 * MS) for k in range(50)]
    Out(s, windows).to(1000 * MS)
    assert (see(s, "due"), see(s, "delivered"), see(s, "lost")) == (1000, 549, 450)
    assert s.machine.board.flow.estimated_since is None
    assert taken(s) == 549


@pytest.mark.parametrize(("window", "lost"), [((10_200_000, 12_700_000), 1), ((10_800_000, 13_300_000), 2)])
def test_an_smm_stall_of_two_and_a_half_ticks(window, lost):
    """T35: a latch, one delivered at the end."""
    s = rig("discard")
    out = Out(s, [window])
    out.to(window[1] - 1)
    assert taken(s) == 10
    out.to(window[1])
    assert (taken(s), see(s, "lost")) == (11, lost)


def test_a_short_stall_loses_nothing():
    """T34."""
    s = rig("discard")
    Out(s, [(10_900_000, 11_100_000)]).to(20 * MS)
    assert (taken(s), see(s, "lost"), see(s, "late")) == (20, 0, 1)


# -- the local APIC


def test_a_periodic_local_apic_timer_keeps_one_of_ten():
    """T13: IRR is one bit."""
    s = Session(guest="ideal")
    lapic_timer(s, MS)
    Out(s, [(10_500_000, 20_500_000)]).to(20_500_000)
    assert [s.peek(f"lapic0.timer.{what}") for what in ("delivered", "coalesced")] == [11, 9]


def test_a_deadline_is_late_once():
    """T14."""
    s = Session(guest="ideal")
    apics(s)
    s.writel(0xFEE0_0320, 0x40041)
    s.wrmsr(0x6E0, s.rdtsc() + 2_600_000)
    out = Out(s, [(500_000, 10_500_000)])
    out.to(10_499_999)
    assert s.peek("lapic0.timer.delivered") == 0
    out.to(100 * MS)
    assert s.peek("lapic0.timer.delivered") == 1
