"""The RTC's closed forms against a model that counts event by event, and the laws that bind every chip."""

from hypothesis import assume, given
from hypothesis import strategies as st
from modelrtc import Calendar, Model

from timerlab.clock import Clock
from timerlab.devices.rtc import Rtc
from timerlab.devices.rtc_calendar import Rules, advance, alarms, next_alarm
from timerlab.line import Line, edge_after
from timerlab.quirks import QUIRKS, resolve
from timerlab.regs import RegTable

S = 10**9
START = (2026, 1, 1, 0, 0, 0)


def rtc(profile="datasheet", start=START, **quirks):
    lines = Line("rtc.irq"), Line("rtc.uip"), Line("rtc.sqw")
    return Rtc(Clock.at(32768), resolve(profile, quirks), start, *lines)


# -- the calendar

bytes_ = st.integers(0, 255)
FORMATS = (0, 2, 4, 6)


def coded(fmt, values):
    return st.sampled_from([v if fmt & 4 else int(str(v), 16) for v in values])


@st.composite
def times(draw, illegal=True):
    """A format and eight time bytes: mostly legal and near a turn, now and then anything."""
    fmt = draw(st.sampled_from(FORMATS))
    near = draw(st.booleans())
    hours = (0, 1, 2, 22, 23) if fmt & 2 else (1, 2, 11, 12)
    hour = draw(coded(fmt, hours if near else range(24) if fmt & 2 else range(1, 13)))
    if not fmt & 2 and draw(st.booleans()):
        hour |= 0x80
    time = [
        draw(coded(fmt, (57, 58, 59) if near else range(60))),
        draw(coded(fmt, (58, 59) if near else range(60))),
        hour,
        draw(st.integers(1, 7)),
        draw(coded(fmt, (1, 2, 24, 25, 26, 27, 28, 29, 30, 31))),
        draw(coded(fmt, (1, 2, 3, 4, 9, 10, 12))),
        draw(coded(fmt, (0, 1, 24, 98, 99))),
        draw(coded(fmt, (0, 19, 20, 99))),
    ]
    if draw(st.integers(0, 3)) == 0:  # shortly before the hour may change
        time[:4] = [draw(coded(fmt, (50, 58, 59))), 59 if fmt & 4 else 0x59, 1, draw(st.sampled_from([1, 1, 2]))]
        time[4], time[5] = draw(coded(fmt, range(23, 32))), draw(coded(fmt, (4, 10)))
    if illegal and draw(st.booleans()):
        for _ in range(draw(st.integers(1, 3))):
            time[draw(st.integers(0, 7))] = draw(bytes_)
        time[0] &= 0x7F
    return fmt, tuple(time)


@st.composite
def alarm_bytes(draw, time):
    """Alarm bytes that have a chance to be met."""
    return tuple(
        draw(st.one_of(st.just(0xFF), st.just(0xC0), st.just(byte), st.just(0), st.just(1), bytes_))
        for byte in time[:3]
    )


@given(times(), st.integers(0, 4000), st.booleans(), st.booleans(), st.data())
def test_any_number_of_updates_is_as_many_single_ones(timed, n, dse, century, data):
    fmt, time = timed
    alarm = data.draw(alarm_bytes(time))
    autumn = data.draw(st.booleans())
    rules = Rules(fmt, century, False, 24 if dse else 0)
    model = Calendar(time, fmt | dse, alarm, century=century, autumn=autumn)
    rang = []
    for i in range(1, n + 1):
        model.update()
        if model.rings():
            rang.append(i)
    assert advance(time, autumn, n, rules)[0] == model.time
    if dse:
        assert advance(time, autumn, n, rules)[1] == model.autumn
    assert alarms(time, autumn, alarm, n, rules) == len(rang)
    found = next_alarm(time, autumn, alarm, rules)
    assert found == rang[0] if rang else found is None or found > n
    assert next_alarm(time, autumn, alarm, rules, n) == (rang[0] if rang else None)


@given(
    st.sampled_from(FORMATS),
    st.sampled_from([(1, 4), (2, 4), (1, 10), (2, 10)]),
    st.integers(22, 31),
    st.integers(0, 7300),
    st.sampled_from([24, 1]),
)
def test_the_hour_changes_as_in_the_table(fmt, day, date, n, april):
    """Around 2 AM in the last weeks of April and October, and the first of April."""
    dow, month = day
    if april == 1 and month == 4:
        date -= 21
    date = min(date, 30 if month == 4 else 31)
    time = tuple(v if fmt & 4 else int(str(v), 16) for v in (50, 59, 1, dow, date, month, 26, 20))
    rules = Rules(fmt, False, False, april)
    model = Calendar(time, fmt | 1, april=april)
    for _ in range(n):
        model.update()
    assert advance(time, False, n, rules) == (model.time, model.autumn)


@given(times(), st.integers(0, 3 * 10**7), st.integers(0, 3 * 10**9), st.booleans(), st.booleans(), st.booleans())
def test_updates_can_be_split_anywhere(timed, m, n, dse, century, by_date):
    fmt, time = timed
    rules = Rules(fmt, century, by_date, 24 if dse else 0)
    assert advance(*advance(time, False, m, rules), n, rules) == advance(time, False, m + n, rules)


@given(times(), st.integers(0, 700), st.booleans(), st.booleans())
def test_days_are_as_many_single_days(timed, days, dse, century):
    fmt, time = timed
    midnight = (0, 0, (0x12, 0, 12, 0)[FORMATS.index(fmt)], *time[3:])
    rules = Rules(fmt, century, False, 24 if dse else 0)
    model = Calendar(midnight, fmt, century=century)
    for _ in range(days):
        model.next_day()
    found = advance(midnight, False, days * 86400, rules)[0]
    # summer time moves midnight by an hour; an update or two before the hour the day is right either way
    if not dse:
        assert found == model.time


@given(times(illegal=False), st.integers(0, 400), st.booleans())
def test_summer_takes_back_what_it_gave(timed, years, century):
    """A skip over many summers, which leaves out years as a whole, is the skip change by change."""
    fmt, time = timed
    rules = Rules(fmt, century, False, 24)
    n = years * 365 * 86400 + 12345
    whole = advance(time, False, n, rules)
    at, done = time, False
    for part in [10**7] * (n // 10**7) + [n % 10**7]:
        at, done = advance(at, done, part, rules)
    assert whole == (at, done)


# -- the chip against the model

SPANS = st.one_of(
    st.integers(0, 300_000),
    st.integers(0, 3_000_000),
    st.sampled_from([S - 244_141, S - 244_140, S, 1_984_000, 1_983_999, 1_984_001, S // 2]),
    st.integers(0, 3 * S),
)
WRITES = st.one_of(
    st.tuples(st.integers(0, 9), st.sampled_from([0, 1, 0x59, 0x58, 0x23, 0x12, 0x91, 0xFF, 0xC0, 0x3B, 7])),
    st.tuples(
        st.just(10), st.sampled_from([0x26, 0x2A, 0x2F, 0x20, 0x27, 0x0F, 0x1A, 0x76, 0x66, 0x36, 0x46, 0xFF, 0x0E])
    ),
    st.tuples(st.just(11), bytes_),
)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("skip"), SPANS),
        st.tuples(st.just("skip"), SPANS),
        st.tuples(st.just("write"), WRITES),
        st.tuples(st.just("read"), st.integers(0, 13)),
        st.tuples(st.just("read"), st.just(12)),
        st.tuples(st.just("near"), st.integers(-3, 3)),
    ),
    min_size=3,
    max_size=14,
)


def put(chip, index, value, now):
    chip.write(0x70, index, now)
    chip.write(0x71, value, now)


@given(STEPS, st.booleans(), st.sampled_from([START, (2026, 4, 26, 1, 59, 58), (1999, 12, 31, 23, 59, 58)]))
def test_the_chip_is_the_model(steps, slow, start):
    chip = rtc(update="mc146818" if slow else "ds12887", start=start)
    model = Model(chip.state.time[:7], slow)
    now = 0
    for what, arg in steps:
        if what in ("skip", "near"):
            if what == "near":  # beside the next thing that will happen
                seen = chip.peek(now)
                whens = [seen["rtc." + n] for n in ("next_periodic", "next_uip", "next_update")]
                now = max(now, min((ns for ns in whens if ns is not None), default=now) + arg)
            else:
                now += arg
            chip.sync(now)
            model.run(now)
        elif what == "write":
            put(chip, *arg, now)
            model.index = arg[0]
            model.write(arg[1])
        else:
            chip.write(0x70, arg, now)
            model.index = arg
            assert chip.read(0x71, now) == model.read()
        seen = chip.peek(now)
        assert chip.state.time[:7] == model.cal.time[:7]
        assert seen["rtc.c"] == model.irq << 7 | model.flags
        assert seen["rtc.uip"] == model.uip() == chip.uip.level
        assert chip.irq.level == model.irq
        assert chip.irq.edges == model.rises
        assert seen["rtc.updates"] == model.updates


# -- the laws

ACCESSES = st.one_of(
    st.tuples(st.just("write"), st.integers(0x70, 0x73), bytes_),
    st.tuples(st.just("read"), st.integers(0x70, 0x73), st.just(0)),
    st.tuples(st.just("put"), st.integers(0, 13), bytes_),
    st.tuples(st.just("put"), st.just(11), bytes_),
    st.tuples(st.just("put"), st.just(10), st.sampled_from([0x26, 0x2F, 0x2A, 0x70, 0x30, 0x01])),
    st.tuples(st.just("reset"), st.just(0), st.just(0)),
    st.tuples(st.just("skip"), st.integers(0, 2 * S), st.just(0)),
    st.tuples(st.just("skip"), st.integers(0, 10**6), st.just(0)),
    st.tuples(st.just("skip"), st.integers(0, 10**17), st.just(0)),
)
PROGRAMS = st.lists(ACCESSES, min_size=1, max_size=12)
FAMILY = [name for name in QUIRKS if name == "update" or name.startswith("rtc_")]


@st.composite
def chips(draw):
    """A way to make one chip again and again: a profile, or quirks at random."""
    if draw(st.booleans()):
        profile = draw(st.sampled_from(["datasheet", "qemu"]))
        return lambda: rtc(profile)
    quirks = {name: draw(st.sampled_from(list(QUIRKS[name].values))) for name in FAMILY}
    return lambda: rtc(**quirks)


def act(chip, now, step):
    what, a, b = step
    if what == "skip":
        now += a
        chip.sync(now)
    elif what == "write":
        chip.write(a, b, now)
    elif what == "read":
        assert 0 <= chip.read(a, now) <= 255
    elif what == "put":
        put(chip, a, b, now)
    else:
        chip.reset(now)
    return now


def run(chip, program, now=0):
    for step in program:
        now = act(chip, now, step)
    return now


def outside(chip, now):
    lines = chip.irq, chip.uip, chip.sqw
    return chip.snapshot(), chip.peek(now), [line.snapshot() for line in lines]


@given(chips(), PROGRAMS, st.lists(st.integers(1, 10**10), max_size=6))
def test_looks_on_the_way_change_nothing(make, program, cuts):
    one, other = make(), make()
    now = run(one, program)
    run(other, program)
    for cut in sorted(cuts):
        other.sync(now + cut)
    end = now + 10**10
    one.sync(end)
    other.sync(end)
    assert outside(one, end) == outside(other, end)
    for a, b in ((one.irq, other.irq), (one.uip, other.uip), (one.sqw, other.sqw)):
        assert [t.ns(0) for t in a.ring][:1] == [t.ns(0) for t in b.ring][:1]


@given(chips(), PROGRAMS, st.integers(0, 10**11))
def test_a_peek_ahead_is_the_future_and_stores_nothing(make, program, ahead):
    chip = make()
    now = run(chip, program)
    before = outside(chip, now)
    seen = chip.peek(now + ahead)
    assert outside(chip, now) == before
    chip.sync(now + ahead)
    assert chip.peek(now + ahead) == seen


@given(chips(), PROGRAMS, PROGRAMS)
def test_a_restored_chip_goes_on_alike(make, first, then):
    one, other = make(), make()
    now = run(one, first)
    state = one.snapshot()
    assert hash(state) is not None
    other.restore(state)
    for a, b in ((one.irq, other.irq), (one.uip, other.uip), (one.sqw, other.sqw)):
        b.restore(a.snapshot(), a.history())
    assert outside(one, now) == outside(other, now)
    end = run(one, then, now)
    assert one.snapshot() != state or end == now
    run(other, then, now)
    assert outside(one, end) == outside(other, end)


@given(chips(), PROGRAMS)
def test_the_interrupt_that_is_predicted_is_the_one_that_comes(make, program):
    chip = make()
    now = run(chip, program)
    events = list(chip.next_event(now))
    assert events == [(ns, "rtc.irq") for ns, _ in events]
    rises = chip.irq.edges
    if not events:
        chip.sync(now + 10 * S)
        assert chip.irq.edges == rises
        return
    ns = events[0][0]
    assert ns > now
    chip.sync(ns - 1)
    assert chip.irq.edges == rises
    assert list(chip.next_event(ns - 1)) == events
    chip.sync(ns)
    assert chip.irq.edges == rises + 1
    assert chip.irq.level == 1


@given(chips(), PROGRAMS, st.integers(0, 10**10))
def test_waves_ahead_are_the_waves_that_come(make, program, ahead):
    chip = make()
    now = run(chip, program)
    for line in (chip.irq, chip.uip, chip.sqw):
        line.ring.clear()
    lines = {line.name: line for line in (chip.irq, chip.uip, chip.sqw)}
    future = {name: chip.future(name, now) for name in lines}
    for name, trains in future.items():
        assert all(t.level != lines[name].level for t in trains[:1])
    levels = {name: line.level for name, line in lines.items()}
    chip.sync(now + ahead)
    for name, trains in future.items():
        count = sum(t.until(now + ahead) for t in trains)
        assert lines[name].level == levels[name] ^ (count & 1)
        first = edge_after(trains, now)
        if first and first[0] <= now + ahead:
            assert lines[name].ring[0].ns(0) == first[0]


@given(chips(), PROGRAMS)
def test_what_peek_predicts_comes_when_it_says(make, program):
    chip = make()
    now = run(chip, program)
    seen = chip.peek(now)
    at = seen["rtc.next_update"]
    if at is not None:
        assert chip.peek(at - 1)["rtc.updates"] == seen["rtc.updates"]
        assert chip.peek(at)["rtc.updates"] == seen["rtc.updates"] + 1
    at = seen["rtc.next_uip"]
    if at is not None:
        assert (chip.peek(at - 1)["rtc.uip"], chip.peek(at)["rtc.uip"]) == (0, 1)
    at = seen["rtc.next_periodic"]
    if at is not None and not seen["rtc.c"] & 0x40:
        assert (chip.peek(at - 1)["rtc.c"] & 0x40, chip.peek(at)["rtc.c"] & 0x40) == (0, 0x40)
    at = seen["rtc.next_alarm"]
    assume(at is not None and not seen["rtc.c"] & 0x20)
    assert (chip.peek(at - 1)["rtc.c"] & 0x20, chip.peek(at)["rtc.c"] & 0x20) == (0, 0x20)


@given(chips(), PROGRAMS)
def test_every_value_is_declared_and_every_register_has_its_value(make, program):
    chip = make()
    now = run(chip, program)
    seen = chip.peek(now)
    assert set(seen) == set(chip.peeks)
    for reg in RegTable(chip.regs):
        assert not reg.peek or 0 <= seen[reg.peek] <= 255
        for layout in reg.layouts:
            assert sum(f.mask for f in layout.fields) == 0xFF


def test_a_hundred_years_cost_what_a_day_costs():
    """Counted in steps and not in time: no part of the way is longer than a few calls."""
    chip = rtc()
    chip.sync(36525 * 86400 * S)
    assert len(chip.uip.ring) == 1
    assert chip.peek(36525 * 86400 * S)["rtc.updates"] == 36525 * 86400 - 1
