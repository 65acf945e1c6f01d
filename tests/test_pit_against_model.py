"""The closed-form 8254 against the clock-by-clock model: random programs, and every phase of a rewrite or a gate.

Both get the same accesses in the same slots between pulses. After every step every read, every OUT, CE, NULL, latch
and flip-flop is compared, and so are the predicted next edges and, at the end, the whole history of each OUT.
"""

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from model8254 import Model8254, Rig, edge_ns, pulse_ns, slot_ns

from timerlab import Session

PORTS = (0x40, 0x41, 0x42)


class Pair:
    """An engine and a model in step."""

    def __init__(self, odd_mode3):
        self.model = Model8254(odd_mode3)
        self.rig = Rig(Session(quirks={"odd_mode3": odd_mode3}))
        self.s = self.rig.s
        self.done = []
        self.compare()

    def clk(self, n):
        self.done.append(("clk", n))
        before = [len(channel.edges) for channel in self.model.channels]
        said = [(self.s.peek(f"pit.ch{i}.next"), self.s.peek(f"pit.ch{i}.next_level")) for i in range(3)]
        self.model.clk(n)
        self.rig.clk(n)
        for i, channel in enumerate(self.model.channels):
            new = channel.edges[before[i] : before[i] + 1]
            if new:
                assert said[i] == (edge_ns(new[0]), 1 - (before[i] & 1)), (i, self.done)
            else:
                assert said[i][0] is None or said[i][0] > slot_ns(self.model.k), (i, said[i], self.done)
        self.compare()

    def write(self, port, *values):
        for value in values:
            self.done.append(("w", hex(port), hex(value)))
            self.model.write(port, value)
            self.rig.write(port, value)
            self.compare()

    def read(self, port):
        self.done.append(("r", hex(port)))
        assert self.rig.read(port) == self.model.read(port), self.done
        self.compare()

    def gate(self, level):
        self.done.append(("gate", level))
        self.model.gate(level)
        self.rig.gate(level)
        self.compare()

    def compare(self):
        peeks = self.s.peeks()
        want = {}
        for i, c in enumerate(self.model.channels):
            place = f"pit.ch{i}."
            want[place + "out"] = c.out
            want[place + "ce"] = c.ce
            want[place + "cr"] = c.cr_hi << 8 | c.cr_lo
            want[place + "null"] = c.null
            want[place + "gate"] = c.gate
            want[place + "loaded"] = int(c.loaded)
            want[place + "status"] = c.status
            want[place + "out.edges"] = c.rises
            if c.kind < 0:
                want[place + "mode"] = want[place + "kind"] = None
                continue
            want |= {place + "mode": c.mode, place + "kind": c.kind, place + "rw": c.rw, place + "bcd": c.bcd}
            want[place + "ol"] = c.ol
            want[place + "ol_left"] = 0 if c.ol is None else 2 - c.rd_hi if c.rw == 3 else 1
            want[place + "rd"] = "hi" if c.rw == 2 or c.rd_hi else "lo"
            want[place + "wr"] = "hi" if c.rw == 2 or c.wr_hi else "lo"
        want["irq.0.edges"] = self.model.channels[0].rises
        want["irq.0.level"] = self.model.channels[0].out
        got = {name: peeks[name] for name in want}
        assert got == want, ({n: (got[n], want[n]) for n in want if got[n] != want[n]}, self.done)

    def finish(self):
        """Latch everything, read it, and compare the whole history of the three lines."""
        self.write(0x43, 0xCE)
        for port in PORTS:
            for _ in range(5):
                self.read(port)
        end = self.s.now + 1
        for i, channel in enumerate(self.model.channels):
            name = f"pit.ch{i}.out"
            edges = [edge_ns(stamp) for stamp in channel.edges]
            assert sum(self.s.wave(name, 0, end, 1).counts) == len(edges), self.done
            cells = 64
            wave = self.s.wave(name, 0, end, cells)
            counts, levels, level = [0] * cells, [], 0
            for ns in edges:
                cell = ns * cells // end
                while end * (cell + 1) // cells <= ns:
                    cell += 1
                counts[cell] += 1
            for n in counts:
                level ^= n & 1
                levels.append(level)
            assert (wave.start, wave.counts, wave.levels) == (0, counts, levels), self.done


busy = st.sampled_from([2, 2, 2, 0, 1])  # channel 2 has a gate
counts = st.one_of(
    st.integers(0, 12),
    st.sampled_from([0, 1, 2, 3, 0x10, 0x11, 0x1F, 0x99, 0xA0, 0xFA, 0x100, 0x101, 0x0FFF, 0x1000, 0x9999, 0xFFFF]),
    st.integers(0, 0xFFFF),
)
gates = st.lists(st.integers(0, 1), min_size=1, max_size=3)
steps = st.one_of(
    st.tuples(st.just("program"), busy, st.integers(1, 3), st.integers(0, 7), st.integers(0, 1), counts),
    st.tuples(st.just("start"), st.integers(0, 7), st.booleans(), st.integers(0, 9), st.integers(-3, 2), gates),
    st.tuples(st.just("cw"), busy, st.integers(0x10, 0x3F)),
    st.tuples(st.just("count"), busy, counts),
    st.tuples(st.just("byte"), busy, st.one_of(st.integers(0, 5), st.integers(0, 255))),
    st.tuples(st.just("read"), busy, st.integers(1, 3)),
    st.tuples(st.just("latch"), busy),
    st.tuples(st.just("readback"), st.integers(0, 0x3F)),
    st.tuples(st.just("gate"), gates),
    st.tuples(st.just("clk"), st.integers(1, 8)),
    st.tuples(st.just("clk"), st.integers(1, 3)),
    st.tuples(st.just("near"), busy, st.integers(-2, 3)),
)
rare = st.tuples(st.just("clk"), st.one_of(st.integers(1, 1000), st.integers(1, 70_000)))
programs = st.lists(st.one_of(*[steps] * 24, rare), min_size=20, max_size=60)


def run(pair, program):
    for step in program:
        match step:
            case "program", ch, rw, mode, bcd, count:
                pair.write(0x43, ch << 6 | rw << 4 | mode << 1 | bcd)
                pair.write(0x40 + ch, *([count & 0xFF, count >> 8] if rw == 3 else [count & 0xFF]))
            case "start", mode, early, count, more, levels:  # channel 2, triggered, up to about its end
                pair.write(0x43, 0x90 | mode << 1)
                if early:
                    run(pair, [("gate", [0, 1])])
                pair.write(0x42, count)
                pair.clk(1)
                if not early:
                    run(pair, [("gate", [0, 1])])
                run(pair, [("clk", max(1, 1 + count + more)), ("gate", levels), ("clk", 1)])
            case "cw", ch, fields:
                pair.write(0x43, ch << 6 | fields)
            case "count", ch, count:
                rw = pair.model.channels[ch].rw
                pair.write(0x40 + ch, *([count & 0xFF, count >> 8] if rw == 3 else [count & 0xFF]))
            case "byte", ch, value:
                pair.write(0x40 + ch, value)
            case "read", ch, n:
                for _ in range(n):
                    pair.read(0x40 + ch)
            case "latch", ch:
                pair.write(0x43, ch << 6)
            case "readback", fields:
                pair.write(0x43, 0xC0 | fields)
            case "gate", levels:
                for level in levels:
                    pair.gate(level)
            case "clk", n:
                pair.clk(n)
            case "near", ch, more:  # close to where this count ends
                c = pair.model.channels[ch]
                pair.clk(max(1, (c.ce // 2 if c.kind == 3 else c.ce) % 3000 + more))


@settings(max_examples=settings().max_examples * 5)
@given(st.sampled_from(["intel", "harris"]), programs)
def test_closed_form_equals_the_clock_by_clock_model(odd_mode3, program):
    pair = Pair(odd_mode3)
    run(pair, program)
    pair.finish()


@settings(max_examples=settings().max_examples)
@given(
    st.sampled_from(["intel", "harris"]),
    st.tuples(st.integers(1, 3), st.integers(0, 7), st.integers(0, 1), counts),
    st.lists(
        st.one_of(
            st.tuples(st.just("clk"), st.integers(1, 70_000)),
            st.tuples(st.just("near"), st.just(2), st.integers(-2, 3)),
            st.tuples(st.just("count"), st.just(2), counts),
            st.tuples(st.just("gate"), gates),
        ),
        max_size=5,
    ),
)
def test_long_runs_equal_the_clock_by_clock_model(odd_mode3, first, program):
    pair = Pair(odd_mode3)
    pair.gate(1)
    run(pair, [("program", 2, *first), ("clk", 1), ("gate", [0, 1]), *program])
    pair.finish()


@pytest.mark.parametrize("odd_mode3", ["intel", "harris"])
@pytest.mark.parametrize("mode", range(6))
def test_a_rewrite_is_taken_up_as_modelled_at_every_phase(mode, odd_mode3):
    for first, second, phase, apart in itertools.product((1, 2, 3, 4, 5), (0x0001, 0x0002, 0x0103), range(8), (0, 1)):
        pair = Pair(odd_mode3)
        pair.write(0x43, 0xB0 | mode << 1)
        pair.gate(1)
        pair.write(0x42, first, 0)
        pair.gate(0)
        pair.gate(1)
        if phase:
            pair.clk(phase)
        pair.write(0x42, second & 0xFF)
        if apart:
            pair.clk(apart)
        pair.write(0x42, second >> 8)
        for _ in range(4):
            pair.clk(1)
        pair.gate(0)
        pair.gate(1)
        for _ in range(5):
            pair.clk(1)


@pytest.mark.parametrize("bcd", [0, 1])
@pytest.mark.parametrize("mode", range(6))
def test_a_gate_change_acts_as_modelled_at_every_phase(mode, bcd):
    for count, phase, low, glitch in itertools.product((0, 1, 2, 3, 4), range(9), (0, 1, 2), (0, 1)):
        pair = Pair("intel")
        pair.write(0x43, 0x90 | mode << 1 | bcd)
        pair.write(0x42, count)
        pair.clk(1)
        pair.gate(1)
        if phase:
            pair.clk(phase)
        pair.gate(0)
        if low:
            pair.clk(low)
        pair.gate(1)
        if glitch:
            pair.gate(0)
        for _ in range(6):
            pair.clk(1)


@pytest.mark.parametrize("bcd", [0, 1])
@pytest.mark.parametrize("odd_mode3", ["intel", "harris"])
@pytest.mark.parametrize("mode", range(8))
def test_whole_periods_and_wraps_equal_the_model(mode, odd_mode3, bcd):
    for count in (0x0000, 0x0001, 0x0FFF, 0x1000, 0x00FA, 0xFFFF):
        pair = Pair(odd_mode3)
        pair.write(0x43, 0xB0 | mode << 1 | bcd)
        pair.write(0x42, count & 0xFF, count >> 8)
        pair.gate(1)
        pair.clk(1)
        period = next(c for c in (count, 0x10000) if c) if not bcd else 10_000
        for n in (period // 2, period - period // 2 - 2, 1, 1, 1, 1):
            pair.clk(max(1, n))
        pair.finish()


@given(st.integers(0, 50_000_000), st.integers(1, 500), st.sampled_from([0x10, 0x14, 0x16, 0x18]))
def test_an_access_at_any_ns_lies_after_the_last_pulse_at_or_before_it(ns, count, cw):
    s = Session()
    s.skip_to(ns)
    s.outb(0x43, cw)
    s.outb(0x40, count & 0xFF)
    k = ns * 21 // 17_600  # pulses at or before ns
    before = s.peek("pit.ch0.null")
    s.skip_to(pulse_ns(k + 1) - 1)
    assert (before, s.peek("pit.ch0.null")) == (1, 1)
    s.skip_to(pulse_ns(k + 1))
    assert s.peek("pit.ch0.null") == 0
