"""The laws that bind any machine of timerlab, under the profiles ``datasheet`` and ``qemu`` alike.

Nothing here knows what an 8254 does: a random program of commands is run, and the session is held to its own word.
"""

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from timerlab import GuestFault, Session

SOURCES = ("pit.ch0.out", "pit.ch1.out", "pit.ch2.out", "irq.0")
PORT61 = ("serr", "iochk", "out2", "ref", "nochk", "noserr", "spkr", "gate2")  # bits 7 to 0
WAVES = ("pit.ch0.out", "irq.0", "pit.ch1.out", "pit.ch2.out", "port61.gate2", "port61.spkr", "speaker", "refresh")

configs = st.sampled_from(
    [
        {},
        {"profile": "qemu"},
        {"quirks": {"odd_mode3": "harris"}},
        {"quirks": {"refresh": "out1"}},
        {"quirks": {"refresh": "kvm_16us"}},
        {"pit_hz": 1_193_182},
    ]
)
counts = st.one_of(st.integers(0, 9), st.integers(0, 0xFFFF))
spans = st.one_of(
    st.integers(1, 3000), st.integers(1, 20_000), st.integers(1, 200_000), st.integers(1, 10**8), st.integers(1, 10**12)
)
moves = st.one_of(
    st.tuples(st.just("program"), st.integers(0, 2), st.integers(0x10, 0x3F), counts),
    st.tuples(st.just("program"), st.integers(0, 2), st.sampled_from([0x34, 0x36, 0x14, 0x16]), counts),
    st.tuples(st.just("outb"), st.integers(0x40, 0x43), st.integers(0, 255)),
    st.tuples(st.just("outb"), st.just(0x61), st.integers(0, 255)),
    st.tuples(st.just("inb"), st.sampled_from([0x40, 0x41, 0x42, 0x43, 0x61])),
    st.tuples(st.just("skip"), spans),
    st.tuples(st.just("skip"), spans),
    st.tuples(
        st.just("do"), st.sampled_from(["reset", "note a remark", "expect pit.ch0.out == 1", "step", "skip 3pit"])
    ),
)
programs = st.lists(moves, min_size=2, max_size=16)


def act(s, move):
    match move:
        case "program", ch, fields, count:
            s.outb(0x43, ch << 6 | fields)
            if fields & 0x10:
                s.outb(0x40 + ch, count & 0xFF)
            if fields & 0x20:
                s.outb(0x40 + ch, count >> 8)
        case "outb", port, value:
            s.outb(port, value)
        case "inb", port:
            s.inb(port)
        case "skip", ns:
            s.skip(ns)
        case "do", text:
            s.do(text)


def machine_after(config, program):
    s = Session(**config)
    for move in program:
        act(s, move)
    return s


def levels(s):
    return {name: (s.peek(f"{name}.level"), s.peek(f"{name}.edges")) for name in WAVES}


def shape(wave):
    return wave.start, wave.counts, wave.levels


def history(s, lo, hi):
    """Every line's wave, in cells that are finer than a clock for short windows."""
    return {name: shape(s.wave(name, lo, hi, 97)) for name in WAVES}


def sources(s):
    return {name: s.peek("irq.0.level" if name == "irq.0" else name) for name in SOURCES}


# prediction equals observation


@settings(max_examples=settings().max_examples * 4)
@given(configs, programs)
def test_next_event_is_when_a_line_really_changes(config, program):
    s = machine_after(config, program)
    for _ in range(8):
        said = s.next_event()
        before = sources(s), [s.peek(f"{name}.edges") for name in SOURCES]
        if said is None:
            s.skip("10s")
            assert (sources(s), [s.peek(f"{name}.edges") for name in SOURCES]) == before
            break
        ns, name = said
        assert ns > s.now
        assert name in SOURCES
        s.skip_to(ns - 1)
        assert (sources(s), [s.peek(f"{name}.edges") for name in SOURCES]) == before
        assert s.next_event() == said
        s.skip_to(ns)
        changed = [line for line, level in sources(s).items() if level != before[0][line]]
        assert name in changed


@given(configs, programs, spans)
def test_each_channel_says_its_own_next_edge(config, program, span):
    s = machine_after(config, program)
    for i in range(3):
        name = f"pit.ch{i}.out"
        ns, level = s.peek(f"pit.ch{i}.next"), s.peek(f"pit.ch{i}.next_level")
        edge = s.edge(name, s.now, +1)
        assert edge == (None if ns is None else (ns, level))
        if ns is not None:
            assert level == 1 - s.peek(name)
    due = [s.peek(f"pit.ch{i}.next") for i in range(3)]
    irq = s.edge("irq.0", s.now, +1)
    due.append(irq and irq[0])
    told = s.next_event()
    assert (told and told[0]) == min((ns for ns in due if ns is not None), default=None)


@given(configs, programs, st.one_of(st.integers(1, 60_000), st.integers(1, 10**9)), st.integers(1, 64))
def test_a_predicted_wave_is_what_then_happens(config, program, span, cells):
    s = machine_after(config, program)
    now = s.now
    lo, hi = max(0, now - span // 3), now + span
    said = {name: shape(s.wave(name, lo, hi, cells)) for name in WAVES}
    s.skip(span)
    assert {name: shape(s.wave(name, lo, hi, cells)) for name in WAVES} == said


@given(configs, programs, st.integers(1, 30_000), st.integers(1, 40))
def test_waves_and_edges_tell_the_same(config, program, span, cells):
    s = machine_after(config, program)
    lo, hi = max(0, s.now - span), s.now + span
    for name in WAVES:
        wave = s.wave(name, lo, hi, cells)
        level, seen, ns = wave.start, [0] * cells, lo - 1
        bounds = [lo + (hi - lo) * i // cells for i in range(cells + 1)]
        forward = []
        while (edge := s.edge(name, ns, +1)) is not None and edge[0] < hi and len(forward) < 500:
            assert edge[0] > ns
            ns = edge[0]
            forward.append(ns)
            here = s.wave(name, ns, ns + 1, 1)
            assert edge[1] == here.levels[0] or here.counts[0] > 1
            cell = max(i for i in range(cells) if bounds[i] <= ns)
            seen[cell] += 1
        if len(forward) == 500:
            continue
        # several edges can share an ns (commands do that), and edge() goes by ns
        assert all(n >= m and (n > 0) == (m > 0) for n, m in zip(wave.counts, seen, strict=True))
        for n, after in zip(wave.counts, wave.levels, strict=True):
            level ^= n & 1
            assert after == level
        backward, ns = [], hi
        while (edge := s.edge(name, ns, -1)) is not None and edge[0] >= lo and len(backward) < 600:
            assert edge[0] < ns
            ns = edge[0]
            backward.append(ns)
            here = s.wave(name, ns, ns + 1, 1)
            assert edge[1] == here.levels[0] or here.counts[0] > 1
        assert backward[::-1] == forward


@given(configs, programs)
def test_edges_count_the_rises_of_the_whole_wave(config, program):
    s = machine_after(config, program)
    for name in WAVES:
        wave = s.wave(name, 0, s.now + 1, 1)
        level, edges = s.peek(f"{name}.level"), s.peek(f"{name}.edges")
        assert wave.levels == [level]
        # an alternating line: the rises follow from the number of edges and the level before them
        assert edges == (wave.counts[0] + 1 - wave.start) // 2, name


@pytest.mark.parametrize("profile", ["datasheet", "qemu"])
def test_history_of_long_ago_is_computed_again(profile):
    s = Session(profile=profile)
    s.outb(0x61, 1)
    windows, lasts = [], []
    for i in range(1500):
        lo = s.now
        for access in ((0x43, 0xB0), (0x42, i % 30 + 2), (0x42, 0), (0x43, 0x10), (0x40, 5)):
            s.outb(*access)
        s.skip(40_000)
        windows.append((lo, s.now, history(s, lo, s.now)))
        lasts.append(s.edge("pit.ch0.out", s.now, -1))
    before = s.peeks(), s.machine.snapshot(), s.position
    for lo, hi, seen in windows[::-83]:
        assert history(s, lo, hi) == seen
    for (_, hi, _), last in list(zip(windows, lasts, strict=True))[::137]:
        assert s.edge("pit.ch0.out", hi, -1) == last
    for name in ("pit.ch0.out", "pit.ch2.out", "irq.0"):
        wave = s.wave(name, 0, s.now + 1, 100)
        assert s.peek(f"{name}.edges") == (sum(wave.counts) + 1 - wave.start) // 2, name
    events = s.events(0, s.now + 1, 100_000)
    assert sum(event.count for event in events if event.kind == "rise") == s.peek("irq.0.edges")
    assert (s.peeks(), s.machine.snapshot(), s.position) == before


@given(configs, programs, st.integers(0, 10**6), st.integers(1, 5))
def test_events_of_irq_0_add_up_to_its_edges(config, program, back, limit):
    s = machine_after(config, program)
    lo, hi = max(0, s.now - back), s.now + 1
    wave = s.wave("irq.0", lo, hi, 1)
    rises = (wave.counts[0] + 1 - wave.start) // 2
    events = [event for event in s.events(lo, hi, 100_000) if event.source == "irq.0"]
    assert sum(event.count for event in events) == rises
    assert [event.t_ns for event in events] == sorted(event.t_ns for event in events)
    assert all(lo <= event.t_ns <= event.last_ns < hi and event.count >= 1 for event in events)
    assert len(s.events(lo, hi, limit)) <= limit


# splitting an advance


@settings(max_examples=settings().max_examples * 4)
@given(configs, programs, st.lists(spans, min_size=2, max_size=5), programs)
def test_advancing_in_parts_equals_advancing_at_once(config, program, parts, rest):
    whole, split = machine_after(config, program), machine_after(config, program)
    start = whole.now
    whole.skip(sum(parts))
    for part in parts:
        split.peeks()
        split.skip(part)
    assert whole.peeks() == split.peeks()
    assert whole.machine.snapshot() == split.machine.snapshot()
    for width in (2000, 100_000, whole.now - start):
        lo, hi = max(start, whole.now - width), whole.now + 5000
        assert history(whole, lo, hi) == history(split, lo, hi)
    for move in rest:
        act(whole, move)
        act(split, move)
        assert whole.peeks() == split.peeks()


# looking


@given(configs, programs, spans)
def test_looking_changes_nothing(config, program, span):
    s, t = machine_after(config, program), machine_after(config, program)
    before, stored = s.peeks(), s.machine.snapshot()
    for name, value in before.items():
        assert s.peek(name) == value, name
    now = s.now
    s.next_event()
    history(s, max(0, now - span), now + span)
    for name in WAVES:
        s.edge(name, now, +1)
        s.edge(name, now, -1)
    s.events(0, now + 1, 10)
    s.complete("outb ")
    s.decode("inb 61h")
    s.decode("outb 43h 36h")
    assert (s.peeks(), s.machine.snapshot(), s.now, len(s.log)) == (before, stored, now, len(t.log))
    s.skip(span)
    t.skip(span)
    assert (s.peeks(), s.machine.snapshot()) == (t.peeks(), t.machine.snapshot())


# snapshots


@given(configs, programs, programs)
def test_restoring_a_snapshot_is_the_identity(config, program, rest):
    s = machine_after(config, program)
    taken, before = s.machine.snapshot(), s.peeks()
    s.machine.restore(taken)
    assert (s.machine.snapshot(), s.peeks()) == (taken, before)

    t = machine_after(config, program)
    assert t.machine.snapshot() == taken
    for move in rest:
        act(t, move)
    after, end = t.machine.snapshot(), t.peeks()
    t.machine.restore(taken)
    assert (t.machine.snapshot(), t.peeks()) == (taken, before)
    t.machine.restore(after)
    assert (t.machine.snapshot(), t.peeks()) == (after, end)


# replay


@settings(max_examples=max(10, settings().max_examples // 2))
@given(config=configs, program=programs)
def test_a_saved_session_loads_to_the_same_state(config, program, tmp_path_factory):
    s = machine_after(config, program)
    path = tmp_path_factory.mktemp("saved") / "one.timerlab"
    s.save(path)
    t = Session.load(path)
    assert (t.now, t.peeks()) == (s.now, s.peeks())
    assert t.machine.snapshot() == s.machine.snapshot()
    assert t.options == s.options
    again = path.with_name("two.timerlab")
    t.save(again)
    assert again.read_text() == path.read_text()


@given(configs, programs, st.randoms(use_true_random=False))
def test_going_back_and_forth_gives_the_recorded_states(config, program, random):
    s = Session(**config)

    def look():
        return s.now, s.peeks(), history(s, max(0, s.now - 50_000), s.now + 1)

    seen = [look()]
    for move in program:
        s.skip(3)
        seen.append(look())
        s.skip(4)
        act(s, move)
    end = look()
    for then in random.sample(seen, len(seen)):
        s.goto(then[0])
        assert look() == then
    s.to_end()
    assert look() == end
    assert s.position == len(s.log)


@given(configs, programs, st.sampled_from([(0x43, 0x34), (0x43, 0xC2), (0x40, 7), (0x61, 3), (0x61, 0)]), st.booleans())
def test_back_undoes_one_command(config, program, access, reads):
    s = machine_after(config, program)
    s.skip(10)
    before = s.now, s.peeks()
    port, value = access
    s.do(f"inb {port:#x}" if reads else f"outb {port:#x} {value:#x}")
    s.back()
    assert (s.now, s.peeks()) == before


@given(configs, programs, programs)
def test_typing_in_the_past_starts_from_there(config, program, other):
    s = machine_after(config, program)
    s.skip(10)
    there, peeks = s.now, s.peeks()
    s.skip(10)
    for move in program:
        act(s, move)
    s.goto(there)
    assert s.peeks() == peeks
    t = machine_after(config, program)
    t.skip(10)
    for move in other:
        act(s, move)
        act(t, move)
    assert (s.now, s.peeks()) == (t.now, t.peeks())


# the bus


WIDTH = {"b": 8, "w": 16, "l": 32}
ports = st.one_of(
    st.integers(0x3E, 0x44), st.integers(0x5F, 0x63), st.sampled_from([0, 0xFFFF]), st.integers(0, 0xFFFF)
)
accesses = st.lists(
    st.tuples(st.sampled_from("bwl"), st.booleans(), ports, st.integers(0, 2**32 - 1), st.integers(0, 10_000)),
    max_size=20,
)


@given(configs, accesses)
def test_any_bus_access_raises_nothing_but_a_guest_fault(config, sequence):
    s = Session(**config)
    for width, write, port, value, ns in sequence:
        top = 1 << WIDTH[width]
        try:
            if write:
                getattr(s, "out" + width)(port, value % top)
            else:
                assert 0 <= getattr(s, "in" + width)(port) < top
        except GuestFault:
            pass
        s.skip(ns)
    s.peeks()


@pytest.mark.parametrize("profile", ["datasheet", "qemu"])
@pytest.mark.parametrize(("width", "bad"), itertools.product("bwl", ("below", "above")))
def test_a_value_wider_than_its_access_is_refused(profile, width, bad):
    s = Session(profile=profile)
    s.outb(0x43, 0x36)
    value = -1 if bad == "below" else 1 << WIDTH[width]
    for port in (0x40, 0x43, 0x61, 0x1234):
        before = s.peeks(), s.machine.snapshot(), len(s.log)
        with pytest.raises(ValueError):
            getattr(s, "out" + width)(port, value)
        assert (s.peeks(), s.machine.snapshot(), len(s.log)) == before


@pytest.mark.parametrize("width", "bwl")
def test_a_port_above_ffffh_is_refused(width):
    s = Session()
    for port in (-1, 0x10000):
        with pytest.raises(ValueError):
            getattr(s, "in" + width)(port)
        with pytest.raises(ValueError):
            getattr(s, "out" + width)(port, 0)


@pytest.mark.parametrize("profile", ["datasheet", "qemu"])
def test_an_unmapped_port_reads_all_ones(profile):
    s = Session(profile=profile)
    assert (s.inb(0x1234), s.inw(0x1234), s.inl(0x1234)) == (0xFF, 0xFFFF, 0xFFFF_FFFF)


@pytest.mark.parametrize("profile", ["datasheet", "qemu"])
def test_time_does_not_go_backwards_by_skipping(profile):
    s = Session(profile=profile)
    s.skip(100)
    s.skip_to(100)
    with pytest.raises(ValueError):
        s.skip_to(99)
    with pytest.raises(ValueError):
        s.skip(-1)
    assert s.now == 100


def test_an_unknown_peek_is_a_key_error():
    for name in ("", "pit", "pit.ch3.out", "pit.ch0.nothing", "irq.2"):
        with pytest.raises(KeyError):
            Session().peek(name)


@pytest.mark.parametrize("profile", ["datasheet", "qemu"])
def test_a_year_is_skipped_with_every_edge_counted(profile):
    s = Session(profile=profile)
    s.outb(0x43, 0x36)
    s.outb(0x40, 0xA9)
    s.outb(0x40, 0x04)
    before = s.peek("irq.0.edges")
    s.skip("1y")
    hz = s.options.pit_hz
    periods = 365 * 86_400 * hz // 1193
    assert s.peek("irq.0.edges") - before in (periods - 1, periods)


# what a screen reads


@pytest.mark.parametrize("profile", ["datasheet", "qemu"])
def test_every_documented_peek_exists(profile):
    s = Session(profile=profile)
    channel = (
        "mode kind rw bcd cr ce loaded ol ol_left status rd wr null gate out period high next next_level out.edges"
    )
    names = {f"pit.ch{i}.{field}" for i in range(3) for field in channel.split()}
    names |= {f"port61.{field}" for field in ("value", *PORT61)}
    names |= {f"{line}.{what}" for line in WAVES for what in ("level", "edges")} | {"refresh.next"}
    peeks = s.peeks()
    assert {name for name in names if name not in peeks} == set()
    assert {name: s.peek(name) for name in names} == {name: peeks[name] for name in names}
    assert s.lines()[: len(WAVES)] == list(WAVES)


@given(configs, programs)
def test_refresh_toggles_when_its_peek_says(config, program):
    s = machine_after(config, program)
    for _ in range(4):
        ns, level = s.peek("refresh.next"), s.peek("refresh.level")
        edge = s.edge("refresh", s.now, +1)
        if ns is None:
            assert edge is None
            s.skip("1ms")
            assert s.peek("refresh.level") == level
            break
        assert edge == (ns, 1 - level)
        s.skip_to(ns - 1)
        assert s.peek("refresh.level") == level
        s.skip_to(ns)
        assert s.peek("refresh.level") == 1 - level


@given(configs, programs)
def test_port_61h_peeks_are_the_bits_of_what_a_read_gives(config, program):
    s = machine_after(config, program)
    bits = [s.peek(f"port61.{bit}") for bit in PORT61]
    value = s.peek("port61.value")
    assert int("".join(map(str, bits)), 2) == value == s.inb(0x61)


@given(configs, programs)
def test_a_typed_command_does_what_the_call_does(config, program):
    s, t = machine_after(config, program), machine_after(config, program)
    for port, value in ((0x43, 0xB6), (0x42, 0x12), (0x42, 0), (0x43, 0x80), (0x61, 3)):
        s.outb(port, value)
        t.do(f"outb {port:x}h {value:#04x}")
        s.skip(1000)
        t.do("skip 1us")
        assert s.inb(0x42) == t.do("inb 42h").value
        assert s.peeks() == t.peeks()
    assert s.machine.snapshot() == t.machine.snapshot()
