"""`until` and `step` stop at the very first ns: against a machine that is stepped ns by ns, or clock by clock."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from timerlab import Session
from timerlab.conditions import OPS

HZ = 100_000_000
"""A fast PIT makes one clock 10 ns, so that stepping by the ns is affordable."""

LINES = ["pit.ch0.out", "irq.0", "pit.ch1.out", "pit.ch2.out", "port61.gate2", "port61.spkr", "speaker", "refresh"]
configs = st.sampled_from(
    [
        {"pit_hz": HZ},
        {"pit_hz": 71_000_000},
        {"pit_hz": HZ, "quirks": {"odd_mode3": "harris"}},
        {"pit_hz": HZ, "quirks": {"refresh": "out1"}},
        {"pit_hz": HZ, "profile": "qemu"},
        {"pit_hz": 71_000_000, "profile": "qemu"},
    ]
)
counts = st.one_of(st.integers(0, 12), st.integers(0, 60))
programs = st.lists(
    st.one_of(
        st.tuples(st.just("program"), st.integers(0, 2), st.integers(0, 15), counts),
        st.tuples(st.just("program"), st.integers(0, 2), st.sampled_from([2, 3]), counts),
        st.tuples(st.just("port61"), st.integers(0, 3)),
        st.tuples(st.just("skip"), st.integers(0, 300)),
        st.tuples(st.just("raw"), st.sampled_from([0x40, 0x41, 0x42, 0x43]), st.integers(0, 255)),
    ),
    min_size=1,
    max_size=6,
)
conditions = st.one_of(
    st.tuples(st.sampled_from(["rise", "fall"]), st.sampled_from(LINES)),
    st.tuples(st.sampled_from([f"pit.ch{i}.ce" for i in range(3)]), st.sampled_from(sorted(OPS)), counts),
    st.tuples(
        st.sampled_from([f"pit.ch{i}.ce" for i in range(3)]),
        st.sampled_from(["==", "<", ">"]),
        st.integers(-1, 0x10000),
    ),
    st.tuples(st.sampled_from([f"{line}.level" for line in LINES]), st.sampled_from(["==", "!="]), st.integers(0, 1)),
    st.tuples(st.sampled_from([f"{line}.edges" for line in LINES]), st.sampled_from(sorted(OPS)), st.integers(0, 12)),
    st.tuples(
        st.sampled_from(
            [
                f"pit.ch{i}.{what}"
                for i in range(3)
                for what in ("out", "null", "loaded", "next_level", "cr", "ol", "high")
            ]
            + ["port61.out2", "port61.ref", "port61.value", "pit.ch2.gate"]
        ),
        st.sampled_from(["==", "!="]),
        st.one_of(st.integers(0, 1), st.none(), st.integers(0, 64)),
    ),
    st.tuples(
        st.sampled_from(["pit.ch0.null", "pit.ch1.out", "port61.out2", "pit.ch0.ol", "irq.0.level", "pit.ch0.ce"])
    ),
    st.tuples(st.just("at"), st.integers(0, 3000)),
)
SPAN = 1500


def session(config, program):
    s = Session(**config)
    for move in program:
        match move:
            case "program", ch, mode_bcd, count:
                s.outb(0x43, ch << 6 | 0x30 | mode_bcd)
                s.outb(0x40 + ch, count & 0xFF)
                s.outb(0x40 + ch, count >> 8)
            case "port61", value:
                s.outb(0x61, value)
            case "skip", ns:
                s.skip(ns)
            case "raw", port, value:
                s.outb(port, value)
    return s


def line_of(condition):
    return " ".join("none" if word is None else str(word) for word in condition)


def brute(s, condition, span):
    """The first ns up to `span` from now at which a condition holds, by looking at each."""
    start = s.now
    for ns in range(start, start + span + 1):
        if ns > start:
            before = {line: s.peek(f"{line}.level") for line in LINES}
            s.skip_to(ns)
        match condition:
            case "rise" | "fall", line:
                level = int(condition[0] == "rise")
                if ns > start and before[line] != level and s.peek(f"{line}.level") == level:
                    return ns
            case "at", when:
                if ns >= when:
                    return ns
            case (peek,):
                if s.peek(peek):
                    return ns
            case peek, op, value:
                seen = s.peek(peek)
                if seen is None or value is None:
                    if {"==": seen == value, "!=": seen != value}.get(op, False):
                        return ns
                elif OPS[op](seen, value):
                    return ns
    return None


@given(configs, programs, conditions)
def test_until_stops_at_the_first_ns_at_which_the_condition_holds(config, program, condition):
    s, t = session(config, program), session(config, program)
    start = s.now
    result = s.do(f"until {line_of(condition)} limit {SPAN}")
    found = brute(t, condition, SPAN)
    assert result.value == found
    assert s.now == (start + SPAN if found is None else found)
    t.skip_to(s.now)
    assert s.machine.digest() == t.machine.digest()


@given(configs, programs, conditions)
def test_expect_asks_what_until_waits_for(config, program, condition):
    s = session(config, program)
    if s.do(f"until {line_of(condition)} limit 100us").value is not None:
        assert s.do(f"expect {line_of(condition)}").ok
    elif condition[0] not in ("rise", "fall"):
        assert not s.do(f"expect {line_of(condition)}").ok


@given(
    st.sampled_from([{"pit_hz": HZ}, {"quirks": {"refresh": "out1"}}, {"profile": "qemu"}]),
    programs,
    st.sampled_from(LINES),
)
def test_step_line_goes_to_its_very_next_edge(config, program, line):
    s, t = session(config, program), session(config, program)
    start, level = s.now, s.peek(f"{line}.level")
    result = s.do(f"step {line}")
    if result.value is None:
        assert s.now == start
        t.skip("3min")
        assert t.peek(f"{line}.level") == level
        return
    assert s.now == result.value > start
    t.skip_to(s.now - 1)
    assert t.peek(f"{line}.level") == level
    t.skip(1)
    assert t.peek(f"{line}.level") == 1 - level
    assert s.machine.digest() == t.machine.digest()


@given(configs, programs)
def test_step_goes_to_what_next_event_says(config, program):
    s = session(config, program)
    for _ in range(5):
        event = s.next_event()
        result = s.do("step")
        assert result.value == (event and event[0])
        if event is None:
            break
        assert s.now == event[0]
        assert s.do(f"expect {'rise' if s.peek(event[1] + '.level') else 'fall'} {event[1]}").ok


@pytest.mark.parametrize("profile", ["datasheet", "qemu"])
@pytest.mark.parametrize("mode", range(6))
@pytest.mark.parametrize("code", [0, 1, 2, 3, 5, 1193, 0xFFFF])
def test_a_count_is_reached_in_closed_form_at_the_pits_own_rate(profile, mode, code):
    """With the real clock: the moment found is a first one, and the ns before it is not yet it."""
    s = Session(profile=profile)
    s.outb(0x43, 0x30 | mode << 1)
    s.outb(0x40, code & 0xFF)
    s.outb(0x40, code >> 8)
    s.skip(2000)
    for op, value in (("==", 2), ("<=", 1000), ("==", 0x8000), (">", 0xFF00), ("<", 1), ("!=", s.peek("pit.ch0.ce"))):
        now = s.now
        entries = len(s.log)
        result = s.do(f"until pit.ch0.ce {op} {value} limit 1s")
        if result.value is None:
            assert s.now == now + 10**9
        elif s.now > now:
            assert OPS[op](s.peek("pit.ch0.ce"), value)
            found = s.now
            s.goto(found - 1)
            assert not OPS[op](s.peek("pit.ch0.ce"), value)
            s.goto_entry(entries)
            assert s.now == found


def test_until_waits_for_the_next_edge_and_not_for_the_present_one():
    s = Session(pit_hz=HZ)
    s.do("outb 43h 16h")
    s.do("outb 40h 10")
    first = s.do("until rise irq.0").value
    second = s.do("until rise irq.0").value
    assert second > first
    assert s.do("until pit.ch0.out == 1").value == second


def test_until_a_limit_that_is_now_or_zero():
    s = Session()
    assert s.do("until pit.ch0.out limit 0").value is None
    assert s.now == 0
    assert s.do("until pit.ch0.out == 0 limit 0").value == 0
    assert s.do("until rise irq.0 limit 10pit").value is None
    assert s.now == s.machine.board.clocks["pit"].ns(10)


def test_until_is_one_second_unless_told():
    s = Session()
    s.do("until rise irq.0")
    assert s.now == 10**9
    assert s.do("until at 5s").value is None
    assert s.now == 2 * 10**9


def test_until_far_counts_of_edges_are_reached():
    s = Session()
    for line in ("outb 43h 34h", "outb 40h a9h", "outb 40h 4"):
        s.do(line)
    edges = s.peek("irq.0.edges")
    result = s.do(f"until irq.0.edges == {edges + 5000} limit 1hr")
    assert s.peek("irq.0.edges") == edges + 5000
    s.goto(result.value - 1)
    assert s.peek("irq.0.edges") == edges + 4999


@pytest.mark.parametrize(
    "spelling", ["pit.ch0.ce<=5", "pit.ch0.ce <=5", "pit.ch0.ce<= 5", "pit.ch0.ce <= 5", "pit.ch0.ce <= 05h"]
)
def test_operators_may_touch_their_words(spelling):
    s = Session()
    for line in ("outb 43h 14h", "outb 40h 100"):
        s.do(line)
    s.do(f"until {spelling}")
    assert s.peek("pit.ch0.ce") == 0 or s.peek("pit.ch0.ce") <= 5


CONFIGS = [
    {"pit_hz": HZ},
    {"pit_hz": HZ, "quirks": {"refresh": "out1"}},
    {"pit_hz": HZ, "quirks": {"refresh": "kvm_16us"}},
    {"pit_hz": HZ, "profile": "qemu"},
    {"pit_hz": HZ, "profile": "qemu", "quirks": {"refresh": "out1"}},
]
BUSY = [
    [("program", 0, 4, 20), ("program", 1, 6, 9), ("port61", 3), ("program", 2, 6, 13), ("skip", 55)],
    [("program", 0, 0, 30), ("program", 1, 4, 17), ("program", 2, 2, 25), ("port61", 3), ("program", 0, 6, 7)],
    [("program", 0, 6, 40), ("skip", 333), ("raw", 0x40, 9), ("raw", 0x40, 0), ("program", 1, 8, 12), ("port61", 2)],
    [("program", 2, 10, 12), ("program", 1, 5, 0x11), ("port61", 1), ("raw", 0x43, 0xC2), ("raw", 0x43, 0x80)],
    [],
]


@pytest.mark.parametrize("program", range(len(BUSY)))
@pytest.mark.parametrize("config", range(len(CONFIGS)))
def test_until_sees_the_first_change_of_everything_that_can_be_seen(config, program):
    def fresh():
        return session(CONFIGS[config], BUSY[program])

    s = fresh()
    start, first = s.now, s.peeks()
    changed = {}
    for ns in range(start + 1, start + SPAN + 1):
        s.skip_to(ns)
        for name, value in s.peeks().items():
            if value != first[name]:
                changed.setdefault(name, (ns, value))
    for name, value in first.items():
        if not name.startswith(("pit.", "port61.", "refresh.", "speaker.", "irq.0.")):
            continue
        t = fresh()
        was = "none" if value is None else value
        assert t.do(f"until {name} != {was} limit {SPAN}").value == changed.get(name, (None,))[0], name
        if name in changed:
            to = changed[name][1]
            t = fresh()
            assert t.do(f"until {name} == {'none' if to is None else to} limit {SPAN}").value == changed[name][0], name
