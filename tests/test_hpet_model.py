"""The HPET against its two slow models, and the laws that every chip keeps."""

import random

from hypothesis import given
from hypothesis import strategies as st
from modelhpet import ALL, CNT, CONF, LOW, STA, Endless, ModelHpet, ModelQemu, Rig, tcmp, tconf, tfsb

from timerlab.devices.hpet import SIZE, Hpet
from timerlab.devices.hpet_regs import peeks_of
from timerlab.devices.hpet_timer import KEPT
from timerlab.line import Gap, Line, edge_after
from timerlab.quirks import resolve

YEAR = 365 * 86_400 * 10**9

ONE_SHOTS = (0x04, 0x06, 0x104, 0x106, 0x00, 0x02, 0x4404, 0x4406)
RHYTHMS = (0x4C, 0x4C, 0x14C, 0x4E, 0x14E, 0x48, 0x4A, 0x444C, 0x454E)


class Programs:
    """Random accesses and skips from a seed: a whole program a draw, since short lists of drawn moves say little."""

    def __init__(self, seed):
        self.rng = random.Random(seed)

    def value(self):
        """Small, near a place where something wraps, or anything."""
        near = self.rng.choice((20, 20, 1 << 31, 1 << 32, 1 << 63, 1 << 64))
        return self.rng.choice((near - 1, near + self.rng.randint(-20, 20), self.rng.getrandbits(64))) & ALL

    def period(self):
        return self.value() if self.rng.random() < 0.2 else self.rng.randint(1, 12)

    def move(self):
        rng = self.rng
        n = rng.choice((0, 0, 0, 1, 2, 3))
        width = rng.choice((64, 64, 32, 32, 16, 8))
        match rng.randrange(16):
            case 0 | 1 | 2:
                return "rhythm", n, rng.choice(RHYTHMS), rng.randint(-3, 30), self.period()
            case 3:
                return "shot", n, rng.choice(ONE_SHOTS), rng.randint(-3, 30)
            case 4:
                return rng.choice((("ahead", n, rng.randint(-3, 30)), ("write", tcmp(n), LOW, 32)))
            case 5:
                return "write", tconf(n), rng.choice((*ONE_SHOTS, *RHYTHMS, rng.getrandbits(32))), width
            case 6:
                return rng.choice((("write", tcmp(n), self.value(), width), ("write", tcmp(n) + 4, n, 32)))
            case 7:
                place, value = rng.choice(((tfsb(n), rng.getrandbits(64)), (CNT, self.value())))
                return "write", place, value, width
            case 8:
                return "write", CONF, rng.choice((0, 1, 1, 1, 3, 3, 3)), 64
            case 9:
                return "halted", self.value()
            case 10:
                return "write", STA, rng.getrandbits(4), 32
        return "skip", rng.randint(0, rng.choice((15, 400, 1500)))

    def all(self, size):
        return [self.move() for _ in range(size)]


programs = st.builds(lambda seed, size: Programs(seed).all(size), st.integers(0, 1 << 64), st.integers(40, 100))
kinds = st.fixed_dictionaries(
    {
        "caps": st.sampled_from(["all", "fsb", "ich"]),
        "valset": st.sampled_from(["both", "accumulator"]),
        "status": st.sampled_from(["kept", "gated"]),
    }
)
rates = st.sampled_from([10_000_000, 69_841_279, 41_666_667, 1_000_000, 300_000])
profiles = st.sampled_from(
    [
        {},
        {"profile": "qemu"},
        {"hpet_caps": "fsb"},
        {"hpet_caps": "ich", "period_fs": 69_841_279},
        {"hpet_match": "deadline", "period_fs": 69_841_279},
        {"hpet_status": "gated", "hpet_caps": "fsb", "hpet_write_running": "taken"},
        {"hpet_match": "deadline", "hpet_write_running": "taken", "hpet_caps": "fsb"},
    ]
)
SHOWN = [CONF, STA, CNT, *(place(n) for n in range(4) for place in (tconf, tcmp, tfsb))]


def comparator(bench, n, conf, value):
    """Set a comparator as careful software does: a half at a time, with VAL_SET before each."""
    bench.write(tconf(n), conf, 32)
    bench.write(tcmp(n), value & LOW, 32)
    bench.write(tconf(n), conf, 32)
    bench.write(tcmp(n) + 4, value >> 32, 32)


def act(bench, move):
    """Do a move on a rig or a model."""
    match move:
        case "skip", ns:
            bench.skip_to(bench.now + ns)
        case "ahead", n, away:
            bench.write(tcmp(n), bench.read(CNT) + away & ALL, 64)
        case "shot", n, conf, away:
            comparator(bench, n, conf, bench.read(CNT) + away & ALL)
        case "rhythm", n, conf, away, period:
            comparator(bench, n, conf, bench.read(CNT) + away & ALL)
            bench.write(tcmp(n), period & LOW, 32)
            bench.write(tcmp(n) + 4, period >> 32, 32)
        case "halted", value:
            conf = bench.read(CONF)
            bench.write(CONF, 0, 32)
            bench.write(CNT, value, 64)
            bench.write(CONF, conf, 32)
        case "write", place, value, width:
            bench.write(place, value & (1 << width) - 1, width)


def same(rig, model, count):
    for place in SHOWN:
        assert rig.read(place) == model.read(place), hex(place)
    for n in range(count):
        edges = rig.edges(n)
        assert edges == model.edges[n][len(model.edges[n]) - len(edges) :], n
        assert rig.rises(n) == sum(level for _, level in model.edges[n])
        assert len(edges) >= min(len(model.edges[n]), 4 * KEPT)
        assert rig.peek(f"t{n}.matches") == model.timers[n].matches


@given(programs, kinds, rates)
def test_the_closed_form_is_the_specification_tick_by_tick(program, kind, period_fs):
    rig = Rig(period_fs, **{name if name == "valset" else f"hpet_{name}": value for name, value in kind.items()})
    model = ModelHpet(period_fs, **kind)
    for move in [("write", CONF, 1, 64), *program, ("skip", 300)]:
        act(model, move)
        act(rig, move)
        same(rig, model, 3)


@given(programs)
def test_the_deadline_rule_is_host_timers_one_by_one(program):
    rig, model = Rig(profile="qemu"), ModelQemu()
    for move in [("write", CONF, 1, 64), *program, ("skip", 300)]:
        try:
            act(model, move)
        except Endless:
            return
        act(rig, move)
        same(rig, model, 3)


@given(programs, profiles)
def test_what_is_predicted_is_what_happens(program, options):
    rig = Rig(**options)
    for move in program:
        act(rig, move)
        if move[0] == "skip":
            continue
        for ns, name in rig.chip.next_event(rig.now):
            assert ns > rig.now
            n = next(i for i, line in enumerate(rig.lines) if line.name == name)
            trial = Rig(**options)
            copy_to(rig, trial)
            before = trial.rises(n), trial.level(n)
            trial.skip_to(ns - 1)
            assert (trial.rises(n), trial.level(n)) == before
            trial.skip_to(ns)
            assert (trial.rises(n), trial.level(n)) != before
        quiet = {line.name for line in rig.lines} - {name for _, name in rig.chip.next_event(rig.now)}
        trial = Rig(**options)
        copy_to(rig, trial)
        before = {line.name: line.edges for line in trial.lines}
        trial.skip(YEAR)
        for line in trial.lines:
            assert line.name not in quiet or line.edges == before[line.name]


def copy_to(rig, trial):
    """Give another bench the state of this one."""
    rig.chip.sync(rig.now)
    trial.now = rig.now
    trial.chip.restore(rig.chip.snapshot())
    for ours, theirs in zip(rig.lines, trial.lines, strict=True):
        theirs.restore(ours.snapshot(), ours.history())


@given(programs, profiles, st.lists(st.integers(1, 3 * 10**6), min_size=1, max_size=5))
def test_two_steps_are_one(program, options, steps):
    one, many = Rig(**options), Rig(**options)
    for move in program:
        act(one, move)
        act(many, move)
    for ns in steps:
        many.skip(ns)
    one.skip(sum(steps))
    assert one.chip.snapshot() == many.chip.snapshot()
    assert [line.snapshot() for line in one.lines] == [line.snapshot() for line in many.lines]
    assert one.chip.peek(one.now) == many.chip.peek(many.now)


@given(programs, profiles, st.integers(0, 10**6))
def test_looking_changes_nothing_and_sees_what_is_to_come(program, options, ahead):
    rig = Rig(**options)
    for move in program:
        act(rig, move)
    rig.chip.sync(rig.now)
    before = rig.chip.snapshot(), [line.snapshot() for line in rig.lines]
    seen = rig.chip.peek(rig.now + ahead)
    assert set(seen) == set(peeks_of(3))
    list(rig.chip.next_event(rig.now + ahead))
    predicted = [edge_after(rig.chip.future(n, rig.now + ahead), rig.now + ahead) for n in range(3)]
    assert (rig.chip.snapshot(), [line.snapshot() for line in rig.lines]) == before
    rig.skip(ahead)
    assert rig.chip.peek(rig.now) == seen
    events = {name: ns for ns, name in rig.chip.next_event(rig.now)}
    for n, edge in enumerate(predicted):
        assert events.get(f"hpet.t{n}.out") == (edge[0] if edge else None)


@given(programs, profiles, programs)
def test_a_snapshot_restored_goes_on_as_the_original(program, options, rest):
    rig, other = Rig(**options), Rig(**options)
    for move in program:
        act(rig, move)
    copy_to(rig, other)
    state = rig.chip.snapshot()
    assert other.chip.snapshot() == state
    for move in rest:
        act(rig, move)
        act(other, move)
    assert other.chip.snapshot() == rig.chip.snapshot()
    assert [line.snapshot() for line in other.lines] == [line.snapshot() for line in rig.lines]
    third = Rig(**options)
    third.chip.restore(state)
    assert third.chip.snapshot() == state


@given(
    st.lists(
        st.tuples(
            st.booleans(),
            st.integers(0, SIZE - 8),
            st.sampled_from([8, 16, 32, 64]),
            st.integers(0, ALL),
            st.one_of(st.integers(0, 10**4), st.integers(0, YEAR)),
        ),
        max_size=30,
    ),
    profiles,
)
def test_no_access_raises_anything(accesses, options):
    rig = Rig(**options)
    for reads, offset, width, value, ns in accesses:
        if reads:
            assert 0 <= rig.read(offset, width) < 1 << width
        else:
            rig.write(offset, value & (1 << width) - 1, width)
        rig.skip(ns)
        rig.chip.peek(rig.now)


@given(
    st.integers(1, 200_000),
    st.sampled_from([0x4C, 0x4E, 0x14C, 0x48, 0x444C]),
    st.integers(0, 60),
    profiles,
    st.booleans(),
)
def test_a_year_counts_what_its_periods_say(period, conf, offset, options, late):
    """Matches and rises of a periodic timer after a year, by division."""
    rig = Rig(**options)
    rig.writel(tconf(0), conf)
    rig.writel(tcmp(0), offset + 1)
    rig.writel(tconf(0), conf)
    rig.writel(tcmp(0) + 4, 0)
    rig.writel(tcmp(0), period)
    rig.skip(7 if late else 0)
    rig.writel(CONF, 1)
    rig.skip(YEAR)
    ticks = rig.peek("cnt")
    done = (ticks - offset - 1) // period + 1
    if options.get("profile") == "qemu" or options.get("hpet_match") == "deadline":
        # the first tick after a match fires again, where it is not a match itself
        done += 0 if period == 1 else (ticks - offset - 2) // period + 1 if period > 2 else ticks - offset - done
    assert rig.peek("t0.matches") == done
    if conf & 4 and not conf & 2:
        assert rig.rises(0) == done
    else:
        assert rig.rises(0) == (1 if conf & 4 else 0)


def test_a_gap_keeps_the_count_of_what_it_leaves_out():
    rig = Rig(profile="qemu")
    rig.writel(tconf(0), 0x14C)
    rig.writel(tcmp(0), 100_000)
    rig.writel(CONF, 1)
    rig.skip(10**12)
    gaps = [train for train in rig.trains[0] if isinstance(train, Gap)]
    assert len(gaps) == 1
    assert gaps[0].rises + sum(t.rises for t in rig.trains[0] if not isinstance(t, Gap)) == rig.rises(0)
    assert rig.rises(0) == 2 * 10**6 - 1  # the repetition of the last is due a tick later


def test_blocks_of_3_to_32_timers_are_made_and_no_others():
    quirks = resolve("datasheet", {})
    for timers in (3, 8, 24, 32):
        lines = [Line(f"hpet.t{n}.out") for n in range(timers)]
        chip = Hpet(10_000_000, timers, quirks, lines, lambda now: None)
        assert set(chip.peek(0)) <= set(Hpet.peeks)
        assert chip.load(0x000, 64, 0) >> 8 & 31 == timers - 1
        list(chip.next_event(0))
    for period_fs, timers in ((0, 3), (100_000_001, 3), (10_000_000, 2), (10_000_000, 33)):
        try:
            Hpet(period_fs, timers, quirks, [], lambda now: None)
        except ValueError:
            continue
        raise AssertionError("taken")
