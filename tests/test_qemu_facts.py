"""What QEMU 7.2 does instead (rows F1 to F17), and its counting laws, under the profile ``qemu``.

The rows are the recorded commands and answers. The laws are coded here directly: d is the whole clocks of 1193182 Hz
since the load, in whole nanoseconds.
"""

import re

from hypothesis import example, given, settings
from hypothesis import strategies as st

from timerlab import Session

HZ = 1_193_182
START = 60_000_000  # where the recorded machine's clock stood


def qemu(now=START):
    s = Session(profile="qemu")
    s.skip_to(now)
    return s


def play(commands, s=None):
    """Recorded commands: every answer must be the recorded one."""
    s = s or qemu()
    for number, command in enumerate(commands.split(";")):
        words = re.split(r"\s+|=>", command.strip())
        words = [word for word in words if word]
        where = (number, command.strip())
        match words:
            case "outb", port, value:
                s.outb(int(port, 0), int(value, 0))
            case "inb", port, value:
                assert s.inb(int(port, 0)) == int(value, 0), where
            case "clock_step", ns, now:
                s.skip(int(ns))
                assert s.now == int(now), where
            case _:
                raise ValueError(command)
    return s


def test_bcd_is_ignored():
    """F1"""
    play(
        "outb 0x61 0x1; outb 0x43 0xb1; outb 0x42 0x0; outb 0x42 0x10; clock_step 8381 =>60008381; outb 0x43 0x80;"
        "inb 0x42 =>0x00f6; inb 0x42 =>0x000f"
    )


def test_null_count_is_never_set():
    """F2"""
    play("outb 0x43 0xb0; outb 0x43 0xe8; inb 0x42 =>0x00b0")


def test_mode0_control_word_does_not_force_out_low():
    """F3"""
    play(
        "outb 0x61 0x0; outb 0x43 0xb6; outb 0x42 0x0; outb 0x42 0x0; clock_step 200000000 =>260000000; outb 0x43 0xb0;"
        "inb 0x61 =>0x0030"
    )


def test_mode2_out_is_high_for_one_clock_only():
    """F4"""
    play(
        "outb 0x61 0x1; outb 0x43 0xb4; outb 0x42 0xe8; outb 0x42 0x3; outb 0x43 0xe8; inb 0x42 =>0x0034;"
        "clock_step 419048 =>60419048; outb 0x43 0xe8; inb 0x42 =>0x0034; clock_step 419048 =>60838096;"
        "outb 0x43 0xe8; inb 0x42 =>0x00b4"
    )


def test_mode4_out_starts_low():
    """F5"""
    play("outb 0x61 0x1; outb 0x43 0xb8; outb 0x42 0xe8; outb 0x42 0x3; outb 0x43 0xe8; inb 0x42 =>0x0038")


def test_mode1_starts_without_a_trigger():
    """F6"""
    play(
        "outb 0x61 0x1; outb 0x43 0xb2; outb 0x42 0xe8; outb 0x42 0x3; clock_step 83810 =>60083810; outb 0x43 0x80;"
        "inb 0x42 =>0x0084; inb 0x42 =>0x0003; outb 0x43 0xe8; inb 0x42 =>0x00b2; clock_step 838096 =>60921906;"
        "outb 0x43 0xe8; inb 0x42 =>0x0032"
    )


def test_mode5_starts_without_a_trigger():
    """F7"""
    play(
        "outb 0x61 0x0; outb 0x43 0xba; outb 0x42 0xe8; outb 0x42 0x3; clock_step 83810 =>60083810; outb 0x43 0x80;"
        "inb 0x42 =>0x0084; inb 0x42 =>0x0003"
    )


def test_gate_low_does_not_stop_mode0():
    """F8"""
    play(
        "outb 0x61 0x1; outb 0x43 0xb0; outb 0x42 0x10; outb 0x42 0x27; clock_step 83810 =>60083810; outb 0x61 0x0;"
        "outb 0x43 0x80; inb 0x42 =>0x00ac; inb 0x42 =>0x0026; clock_step 419048 =>60502858; outb 0x43 0x80;"
        "inb 0x42 =>0x00b8; inb 0x42 =>0x0024"
    )


def test_gate_low_neither_stops_mode3_nor_raises_out():
    """F9"""
    play(
        "outb 0x61 0x1; outb 0x43 0xb6; outb 0x42 0xe8; outb 0x42 0x3; clock_step 502858 =>60502858; outb 0x61 0x0;"
        "inb 0x61 =>0x0010; outb 0x43 0x80; inb 0x42 =>0x0020; inb 0x42 =>0x0003; clock_step 83810 =>60586668;"
        "outb 0x43 0x80; inb 0x42 =>0x0058; inb 0x42 =>0x0002"
    )


def test_mode3_odd_count_reads_odd():
    """F10"""
    play(
        "outb 0x61 0x1; outb 0x43 0xb6; outb 0x42 0x5; outb 0x42 0x0; outb 0x43 0x80; inb 0x42 =>0x0005;"
        "inb 0x42 =>0x0000; outb 0x43 0xe8; inb 0x42 =>0x00b6; clock_step 839 =>60000839; outb 0x43 0x80;"
        "inb 0x42 =>0x0003; inb 0x42 =>0x0000; outb 0x43 0xe8; inb 0x42 =>0x00b6; clock_step 839 =>60001678;"
        "outb 0x43 0x80; inb 0x42 =>0x0001; inb 0x42 =>0x0000; outb 0x43 0xe8; inb 0x42 =>0x00b6;"
        "clock_step 839 =>60002517; outb 0x43 0x80; inb 0x42 =>0x0004; inb 0x42 =>0x0000; outb 0x43 0xe8;"
        "inb 0x42 =>0x0036; clock_step 839 =>60003356; outb 0x43 0x80; inb 0x42 =>0x0002; inb 0x42 =>0x0000;"
        "outb 0x43 0xe8; inb 0x42 =>0x0036; clock_step 839 =>60004195; outb 0x43 0x80; inb 0x42 =>0x0005;"
        "inb 0x42 =>0x0000; outb 0x43 0xe8; inb 0x42 =>0x00b6; clock_step 839 =>60005034; outb 0x43 0x80;"
        "inb 0x42 =>0x0003; inb 0x42 =>0x0000; outb 0x43 0xe8; inb 0x42 =>0x00b6; clock_step 839 =>60005873;"
        "outb 0x43 0x80; inb 0x42 =>0x0001; inb 0x42 =>0x0000; outb 0x43 0xe8; inb 0x42 =>0x00b6;"
        "clock_step 839 =>60006712"
    )


def test_mode2_new_count_restarts_at_once():
    """F11"""
    play(
        "outb 0x61 0x1; outb 0x43 0xb4; outb 0x42 0xe8; outb 0x42 0x3; clock_step 83810 =>60083810; outb 0x42 0x10;"
        "outb 0x42 0x27; clock_step 8381 =>60092191; outb 0x43 0x80; inb 0x42 =>0x0006; inb 0x42 =>0x0027"
    )


def test_mode0_first_byte_does_not_stop_the_count():
    """F12"""
    play(
        "outb 0x61 0x1; outb 0x43 0xb0; outb 0x42 0x10; outb 0x42 0x27; clock_step 83810 =>60083810; outb 0x42 0x55;"
        "outb 0x43 0x80; inb 0x42 =>0x00ac; inb 0x42 =>0x0026; clock_step 83810 =>60167620; outb 0x43 0x80;"
        "inb 0x42 =>0x0048; inb 0x42 =>0x0026"
    )


def test_mode_field_6_is_not_periodic():
    """F13"""
    s = qemu()
    before = s.peek("irq.0.edges")
    play("outb 0x43 0x3c; outb 0x40 0xe8; outb 0x40 0x3; clock_step 5000000 =>65000000", s)
    assert s.peek("irq.0.edges") - before == 1


def test_the_load_takes_no_clock():
    """F14: the first deadline, 8380 ns, is 9.999 clocks and raises nothing; one ns later is 10 clocks."""
    s = play("outb 0x43 0x30; outb 0x40 0xa; outb 0x40 0x0; clock_step 0 =>60000000; clock_step 8380 =>60008380")
    assert (s.peek("irq.0.level"), s.peek("pit.ch0.out")) == (0, 0)
    assert s.next_event()[0] == 60_008_381
    s.skip(1)
    assert (s.peek("irq.0.level"), s.peek("pit.ch0.out")) == (1, 1)


def test_power_on_already_counts_mode3_from_65536():
    """F15"""
    s = play("outb 0x43 0xe2; inb 0x40 =>0x0086; outb 0x43 0xe4; inb 0x41 =>0x0086; outb 0x43 0xe8; inb 0x42 =>0x0086")
    assert [s.peek(f"pit.ch{i}.gate") for i in range(3)] == [1, 1, 0]


def test_port_61h_bits_2_and_3_are_not_stored():
    """F16"""
    play("outb 0x61 0xc; inb 0x61 =>0x0030")


def test_port_61h_bit_4_toggles_at_each_read():
    """F17"""
    play("inb 0x61 =>0x0030; inb 0x61 =>0x0020; inb 0x61 =>0x0030; inb 0x61 =>0x0020")


def test_port_43h_reads_0():
    assert qemu().inb(0x43) == 0


# The counting laws


def clocks(load, now):
    return (now - load) * HZ // 10**9


def law_count(mode, n, d):
    if mode in (0, 1, 4, 5):
        return (n - d) & 0xFFFF
    if mode == 3:
        return (n - 2 * d % n) & 0xFFFF
    return (n - d % n) & 0xFFFF


def law_out(mode, n, d):
    if mode == 1:
        return int(d < n)
    if mode == 2:
        return int(d % n == 0 and d != 0)
    if mode == 3:
        return int(d % n < (n + 1) // 2)
    if mode in (4, 5):
        return int(d == n)
    return int(d >= n)


def law_next(mode, n, d):
    """The clock of the transition for which QEMU's timer is armed at clock d, or None."""
    if mode == 2:
        base = d - d % n
        return base + n if d == base != 0 else base + n + 1
    if mode == 3:
        base, high = d - d % n, (n + 1) // 2
        return base + high if d - base < high else base + n
    if d < n:
        return n
    return n + 1 if mode in (4, 5) and d == n else None


class Irq0:
    """IRQ 0 as a timer that sets the line to OUT when it fires, at the floor of the next transition's ns."""

    def __init__(self):
        self.mode, self.n, self.load = 3, 65536, 0
        self.level, self.edges = 1, [(0, 1)]  # a reset puts the line to OUT and arms the timer
        self.arm(0)

    def set_count(self, now, n):
        self.load, self.n = now, n
        self.fire(now)

    def fire(self, now):
        d = clocks(self.load, now)
        out = law_out(self.mode, self.n, d)
        if out != self.level:
            self.level = out
            self.edges.append((now, out))
        self.arm(now)

    def arm(self, now):
        clock = law_next(self.mode, self.n, clocks(self.load, now))
        self.due = None if clock is None else max(now + 1, self.load + clock * 10**9 // HZ)

    def advance(self, now):
        while self.due is not None and self.due <= now:
            self.fire(self.due)


class Bench:
    """A session under the profile, and the laws beside it."""

    def __init__(self, now):
        self.s = qemu(now)
        self.mode = [3, 3, 3]
        self.n = [65536] * 3
        self.load = [0] * 3
        self.rw = [0, 0, 0]
        self.gate = 0
        self.low = 0
        self.refresh = 0
        self.irq = Irq0()
        self.irq.advance(now)
        self.rises = self.s.peek("irq.0.edges")
        self.past = len(self.irq.edges)

    def program(self, ch, rw, mode, bcd):
        self.s.outb(0x43, ch << 6 | rw << 4 | mode << 1 | bcd)
        self.rw[ch], self.mode[ch] = rw, mode
        if ch == 0:
            self.irq.mode = mode

    def count(self, ch, code):
        rw, s = self.rw[ch], self.s
        if rw & 1:
            s.outb(0x40 + ch, code & 0xFF)
        if rw & 2:
            s.outb(0x40 + ch, code >> 8)
        code &= {1: 0x00FF, 2: 0xFF00, 3: 0xFFFF}[rw]
        self.n[ch] = code or 65536
        self.load[ch] = s.now
        if ch == 0:
            self.irq.set_count(s.now, self.n[0])

    def port61(self, value):
        self.s.outb(0x61, value)
        if value & 1 and not self.gate and self.mode[2] in (1, 2, 3, 5):
            self.load[2] = self.s.now
        self.gate, self.low = value & 1, value & 3

    def skip(self, ns):
        self.s.skip(ns)
        self.irq.advance(self.s.now)

    def check(self):
        s = self.s
        for ch in range(3):
            d = clocks(self.load[ch], s.now)
            out, code = law_out(self.mode[ch], self.n[ch], d), law_count(self.mode[ch], self.n[ch], d)
            assert (s.peek(f"pit.ch{ch}.out"), s.peek(f"pit.ch{ch}.null")) == (out, 0), ch
            s.outb(0x43, 0xE0 | 2 << ch)
            assert s.inb(0x40 + ch) & 0xFE == out << 7 | self.rw[ch] << 4 | self.mode[ch] << 1, ch
            if self.rw[ch]:
                s.outb(0x43, ch << 6)
                size = 2 if self.rw[ch] == 3 else 1
                got = int.from_bytes(bytes(s.inb(0x40 + ch) for _ in range(size)), "little")
                assert got == {1: code & 0xFF, 2: code >> 8, 3: code}[self.rw[ch]], (ch, self.mode[ch], self.n[ch], d)
        self.refresh ^= 0x10
        out2 = law_out(self.mode[2], self.n[2], clocks(self.load[2], s.now))
        assert s.inb(0x61) == out2 << 5 | self.refresh | self.low
        assert s.peek("irq.0.level") == self.irq.level
        new = self.irq.edges[self.past :]
        assert s.peek("irq.0.edges") - self.rises == sum(level for _, level in new)


codes = st.one_of(st.integers(0, 20), st.integers(0, 0xFFFF))
waits = st.one_of(
    st.integers(1, 5000), st.integers(1, 200_000), st.sampled_from([838, 839, 8380, 8381, 10**6]), st.integers(1, 10**8)
)
moves = st.one_of(
    st.tuples(st.just("program"), st.integers(0, 2), st.integers(1, 3), st.integers(0, 7), st.integers(0, 1), codes),
    st.tuples(st.just("count"), st.integers(0, 2), codes),
    st.tuples(st.just("mode"), st.integers(0, 2), st.integers(1, 3), st.integers(0, 7)),
    st.tuples(st.just("port61"), st.integers(0, 255)),
    st.tuples(st.just("wait"), waits),
    st.tuples(st.just("wait"), waits),
    st.tuples(st.just("clocks"), st.integers(0, 2), st.integers(-1, 2), st.integers(-1, 1)),
)


@settings(max_examples=settings().max_examples * 2)
@given(st.integers(0, 200_000_000), st.lists(moves, min_size=1, max_size=12))
def test_counts_outs_status_port_61h_and_irq_0_follow_the_laws(start, sequence):
    bench = Bench(start)
    bench.check()
    for move in sequence:
        match move:
            case "program", ch, rw, mode, bcd, code:
                bench.program(ch, rw, mode, bcd)
                bench.count(ch, code)
            case "count", ch, code if bench.rw[ch]:
                bench.count(ch, code)
            case "mode", ch, rw, mode:
                bench.program(ch, rw, mode, 0)
            case "port61", value:
                bench.port61(value)
            case "wait", ns:
                if bench.irq.mode in (2, 3):
                    ns = min(ns, bench.irq.n * 838 * 200)  # the law beside it goes from edge to edge
                bench.skip(ns)
            case "clocks", ch, clock, ns:  # close to the next multiple of the count
                n = bench.n[ch]
                d = clocks(bench.load[ch], bench.s.now)
                goal = bench.load[ch] + -(-((d // n + 1) * n + clock) * 10**9 // HZ) + ns
                if goal > bench.s.now:
                    bench.skip(min(goal - bench.s.now, bench.irq.n * 838 * 200))
        bench.check()


@given(
    st.sampled_from([0, 1, 2, 3, 4, 5, 6, 7]),
    st.one_of(st.integers(1, 40), st.integers(1, 65536)),
    st.integers(0, 10**8),
    st.one_of(st.integers(0, 10**6), st.integers(0, 10**12), st.integers(0, 10**16)),
)
def test_count_and_out_follow_the_laws_at_any_distance(mode, n, load, later):
    s = qemu(load)
    s.outb(0x43, 0xB0 | mode << 1)
    s.outb(0x42, n & 0xFF)
    s.outb(0x42, n >> 8 & 0xFF)
    s.skip(later)
    d = later * HZ // 10**9
    assert s.peek("pit.ch2.out") == law_out(mode, n, d)
    s.outb(0x43, 0x80)
    assert s.inb(0x42) | s.inb(0x42) << 8 == law_count(mode, n, d)


@given(st.integers(2, 65536), st.integers(0, 10**8), st.integers(1, 8))
@example(65536, 60_000_000, 8)
@example(2, 60_000_000, 8)
def test_mode2_raises_irq_0_one_clock_after_each_multiple_of_the_count(n, load, m):
    s = qemu(load)
    s.outb(0x43, 0x34)
    s.outb(0x40, n & 0xFF)
    s.outb(0x40, n >> 8 & 0xFF)
    assert s.peek("irq.0.level") == 0
    rises = [load + (i * n + 1) * 10**9 // HZ for i in range(1, m + 1)]
    falls = [load + i * n * 10**9 // HZ for i in range(2, m + 1)]
    want = sorted([(ns, 1) for ns in rises] + [(ns, 0) for ns in falls])
    seen, ns = [], load
    for _ in want:
        ns, level = s.edge("irq.0", ns, +1)
        seen.append((ns, level))
    assert seen == want
    before = s.peek("irq.0.edges")
    s.skip_to(rises[-1] - 1)
    assert s.peek("irq.0.edges") - before == m - 1
    s.skip(1)
    assert s.peek("irq.0.edges") - before == m


@given(st.integers(1, 65536), st.integers(0, 10**8), st.sampled_from([0, 1, 3, 4, 5, 6, 7]))
def test_other_modes_set_irq_0_at_the_first_ns_of_the_transition(n, load, mode):
    law = Irq0()
    law.advance(load)
    s = qemu(load)
    s.outb(0x43, 0x30 | mode << 1)
    law.mode = mode
    s.outb(0x40, n & 0xFF)
    s.outb(0x40, n >> 8 & 0xFF)
    law.set_count(load, n)
    past = len(law.edges)
    law.advance(load + 200 * 10**6 if n > 300 else load + 10**6)
    ns = load
    for edge in law.edges[past:][:8]:
        assert s.edge("irq.0", ns, +1) == edge
        ns = edge[0]
    if mode in (0, 6, 7, 4, 5):
        assert law.edges[past] == (load - (-n * 10**9 // HZ), 1)


def test_irq_0_skips_a_tick_where_a_transition_falls_on_a_whole_ns():
    """There the timer is not early: it finds OUT past its pulse, and waits for the next one."""
    n = 596_590 // 10  # 10 n + 1 clocks are 500 ms exactly
    law = Irq0()
    s = qemu()
    s.outb(0x43, 0x34)
    s.outb(0x40, n & 0xFF)
    s.outb(0x40, n >> 8)
    law.mode = 2
    law.advance(START)
    law.set_count(START, n)
    before, past = s.peek("irq.0.edges"), len(law.edges)
    s.skip("1s")
    law.advance(s.now)
    rises = [ns for ns, level in law.edges[past:] if level]
    assert START + 500_000_000 not in rises
    assert s.peek("irq.0.edges") - before == len(rises)
