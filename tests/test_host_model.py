"""The host's processors in closed form against a model that counts nanosecond by nanosecond."""

from fractions import Fraction

from hypothesis import given, settings
from hypothesis import strategies as st
from modelhost import SlowHost

from timerlab.devices.host import Host
from timerlab.quirks import resolve

PCPUS = 2
KHZ = st.one_of(st.integers(100_000, 5_000_000), st.fractions(100_000, 5_000_000, max_denominator=7)).map(Fraction)
P = st.integers(0, PCPUS - 1)
NS = st.integers(1, 60)
ACTS = st.one_of(
    st.tuples(st.just("pass"), NS),
    st.tuples(st.just("pass"), NS),
    st.tuples(st.just("set_khz"), P, KHZ, st.integers(0, 50)),
    st.tuples(st.just("sleep"), P, st.sampled_from(("c1", "c1e", "c3")), st.none() | NS),
    st.tuples(st.just("wake"), P),
    st.tuples(st.just("throttle"), P, st.sampled_from([Fraction(k, 8) for k in range(1, 9)]), st.integers(1, 30)),
    st.tuples(st.just("set_ppm"), P, st.integers(-1000, 1000)),
    st.tuples(st.just("spread"), P, st.sampled_from((0, 5000, 99_999)), st.integers(2, 40)),
    st.tuples(st.just("write"), P, st.integers(0, (1 << 64) - 1)),
    st.tuples(st.just("plug"), st.just(1), st.sampled_from(("none", "copy", "adjust"))),
    st.tuples(st.just("suspend")),
)
QUIRKS = st.fixed_dictionaries(
    {
        "constant_tsc": st.sampled_from(("yes", "no")),
        "nonstop_tsc": st.sampled_from(("yes", "no")),
        "tsc_write": st.sampled_from(("full", "low32", "ignored")),
    }
)


def do(host, model, act, heard):
    """One act on both, where it makes sense; whether it was done."""
    now = model.now
    match act:
        case ("set_khz", p, khz, after):
            host.set_khz(p, khz, now, after)
            if after:
                model.cpus[p].next_core = (now + after, khz)
            else:
                model.cpus[p].core, model.cpus[p].next_core = khz, None
        case ("sleep", p, kind, ns) if not model.cpus[p].asleep:
            until = None if ns is None else now + ns
            host.sleep(p, kind, now, until)
            model.cpus[p].asleep, model.cpus[p].wake_at = kind, until
        case ("wake", p) if model.cpus[p].asleep:
            host.wake(p, now)
            model.cpus[p].asleep, model.cpus[p].wake_at = "", None
        case ("throttle", p, duty, period) if model.constant or not model.spreads[p][0]:
            host.throttle(p, duty, now, period)
            cpu = model.cpus[p]
            cpu.duty, cpu.period, cpu.throttled_at = duty, period, now
        case ("set_ppm", p, ppm):
            host.set_ppm(p, ppm, now)
            model.ppm[p] = ppm
        case ("spread", p, ppm, period) if model.constant or model.cpus[p].duty == 1:
            host.spread(p, ppm, now, period)
            model.spreads[p] = (ppm, period, now)
        case ("write", p, value):
            host.write(p, value, now)
            model.write(p, value)
        case ("plug", p, sync):
            host.plug(p, now, sync)
            model.plug(p, sync)
        case ("suspend",):
            host.suspend(5, now)
            model.suspend()


def built(khz, quirks, heard=None):
    chosen = resolve("datasheet", quirks | {"sockets": "each"})
    return Host(khz, PCPUS, chosen, heard.append if heard is not None else lambda now: None)


@settings(max_examples=300, deadline=None)
@given(KHZ, QUIRKS, st.lists(ACTS, max_size=12))
def test_each_reading_is_that_of_a_processor_counted_nanosecond_by_nanosecond(khz, quirks, acts):
    """And a clock taken before knows all that comes by itself."""
    heard = []
    host = built(khz, quirks, heard)
    model = SlowHost(khz, PCPUS, quirks["constant_tsc"] == "yes", quirks["nonstop_tsc"] == "yes", quirks["tsc_write"])
    for act in acts:
        if act[0] != "pass":
            do(host, model, act, heard)
            assert [cpu.adjust for cpu in host.state.pcpus] == [cpu.adjust for cpu in model.cpus]
            continue
        known = [host.clock(p) for p in range(PCPUS)]
        for _ in range(act[1]):
            model.step()
            here = [model.tsc(p) for p in range(PCPUS)]
            assert [clock.ticks(model.now) % (1 << 64) for clock in known] == here
        host.sync(model.now)
        assert [host.tsc(p, model.now) for p in range(PCPUS)] == here
        assert [host.word(p) in ("run", "throttled") for p in range(PCPUS)] == [not cpu.asleep for cpu in model.cpus]


@settings(max_examples=150, deadline=None)
@given(KHZ, QUIRKS, st.lists(ACTS, max_size=10), st.data())
def test_how_time_is_cut_does_not_show_and_a_snapshot_is_the_state(khz, quirks, acts, data):
    heard, all_heard = [], []
    whole, cut = built(khz, quirks, heard), built(khz, quirks, all_heard)
    other = built(Fraction(1000), quirks)
    model = SlowHost(khz, PCPUS, quirks["constant_tsc"] == "yes", True, "full")
    twin = SlowHost(khz, PCPUS, quirks["constant_tsc"] == "yes", True, "full")
    for act in acts:
        if act[0] == "pass":
            to = model.now + act[1]
            for at in sorted(data.draw(st.lists(st.integers(model.now, to), max_size=4))):
                cut.sync(at)
                seen = cut.snapshot()
                cut.peek(at)
                assert cut.snapshot() == seen
            for slow in (model, twin):
                while slow.now < to:
                    slow.step()
            whole.sync(to)
            cut.sync(to)
        else:
            do(whole, model, act, heard)
            do(cut, twin, act, all_heard)
        assert whole.snapshot() == cut.snapshot()
        assert heard == all_heard
        other.restore(whole.snapshot())
        assert other.snapshot() == whole.snapshot()
        assert other.peek(model.now + 17) == whole.peek(model.now + 17)
        assert [other.clock(p) for p in range(PCPUS)] == [whole.clock(p) for p in range(PCPUS)]
