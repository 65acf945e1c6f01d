"""The ACPI PM timer: facts, a count by fractions, and the laws that every chip keeps."""

from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from timerlab.clock import Clock
from timerlab.devices.pmtimer import PORTS, PmTimer
from timerlab.devices.pmtimer_regs import PEEKS, REGS
from timerlab.devices.pmtimer_words import read, wrote
from timerlab.line import Line, edge_after
from timerlab.quirks import PM_HZ, resolve

S = 10**9
YEAR = 365 * 86_400 * S
STS, EN, TMR = 0x600, 0x602, 0x608
HALF = 1 << 23


class Rig:
    """A PM timer on a bench."""

    def __init__(self, bits="bits24", hz=PM_HZ):
        self.hz = Fraction(hz)
        self.sci = Line("acpi.sci")
        self.edges = []
        self.sci.sinks.append(lambda train: self.edges.append((train.ns(0), train.level, train.count)))
        self.chip = PmTimer(Clock.at(self.hz), resolve("datasheet", {"pm_bits": bits}), self.sci)
        self.now = 0

    def skip_to(self, now):
        self.now = now
        self.chip.sync(now)

    def skip(self, ns):
        self.skip_to(self.now + ns)

    def inp(self, port, width):
        self.chip.sync(self.now)
        return self.chip.read_wide(port, width, self.now)

    def outp(self, port, value, width):
        self.chip.sync(self.now)
        self.chip.write_wide(port, value, width, self.now)

    def first(self, tick):
        """The ns in which a tick can first be seen."""
        return -(-tick * S * self.hz.denominator // self.hz.numerator)


def test_it_counts_at_a_quarter_of_the_crystal():
    assert Fraction(315_000_000, 88) == PM_HZ
    r = Rig()
    r.skip_to(1 * S)
    assert r.inp(TMR, 32) == 3_579_545
    r.skip_to(r.first(3_579_546) - 1)
    assert r.inp(TMR, 32) == 3_579_545
    r.skip(1)
    assert r.inp(TMR, 32) == 3_579_546


def test_24_bits_wrap_after_4_686_s_and_32_after_20_minutes():
    for bits, width, ms in (("bits24", 24, 4_686), ("bits32", 32, 1_199_863)):
        r = Rig(bits)
        assert r.first(1 << width) // 10**6 == ms
        r.skip_to(r.first(1 << width) - 1)
        assert r.inp(TMR, 32) == (1 << width) - 1
        r.skip(1)
        assert r.inp(TMR, 32) == 0


def test_the_upper_byte_of_a_24_bit_timer_reads_0():
    r = Rig()
    r.skip_to(10 * S)
    assert r.inp(TMR + 3, 8) == 0
    assert r.inp(TMR, 32) >> 24 == 0


def test_tmr_sts_is_set_when_the_highest_bit_changes_either_way():
    for bits, half in (("bits24", HALF), ("bits32", 1 << 31)):
        r = Rig(bits)
        for carry in range(1, 5):
            r.skip_to(r.first(carry * half) - 1)
            assert r.inp(STS, 16) == 0
            r.skip(1)
            assert r.inp(STS, 16) == 1
            r.outp(STS, 1, 16)
            assert r.inp(STS, 16) == 0


def test_writing_0_to_tmr_sts_leaves_it():
    r = Rig()
    r.skip_to(3 * S)
    r.outp(STS, 0xFFFE, 16)
    assert r.inp(STS, 16) == 1


def test_sci_is_a_level_status_and_enable():
    r = Rig()
    r.skip_to(3 * S)
    assert r.sci.level == 0
    r.outp(EN, 0xFFFF, 16)
    assert (r.inp(EN, 16), r.sci.level) == (1, 1)
    r.skip(10 * S)
    assert r.sci.edges == 1
    r.outp(STS, 1, 16)
    assert r.sci.level == 0
    r.skip_to(r.first(6 * HALF) - 1)
    assert r.sci.level == 0
    r.skip(1)
    assert r.sci.level == 1
    r.outp(EN, 0, 16)
    assert (r.inp(STS, 16), r.sci.level) == (1, 0)
    assert [(ns, level) for ns, level, _ in r.edges[2:3]] == [(r.first(6 * HALF), 1)]


def test_one_access_can_be_of_both_registers():
    r = Rig()
    r.outp(STS, 0x0001_0000, 32)
    assert r.inp(STS, 32) == 0x0001_0000
    r.skip_to(3 * S)
    assert r.inp(STS, 32) == 0x0001_0001
    r.outp(STS, 0x0001_0001, 32)
    assert (r.inp(STS, 32), r.sci.level) == (0x0001_0000, 0)


def test_reads_of_every_width_are_of_the_same_count():
    r = Rig()
    r.skip_to(4 * S)
    whole = r.inp(TMR, 32)
    assert whole == sum(r.inp(TMR + i, 8) << 8 * i for i in range(4))
    assert whole == r.inp(TMR, 16) | r.inp(TMR + 2, 16) << 16


def test_the_count_cannot_be_written_and_a_reset_leaves_it():
    r = Rig()
    r.outp(EN, 1, 16)
    r.skip_to(3 * S)
    count = r.inp(TMR, 32)
    r.outp(TMR, 0, 32)
    r.chip.reset(r.now)
    assert (r.inp(TMR, 32), r.inp(STS, 32), r.sci.level) == (count, 0, 0)


def test_a_year_is_one_edge():
    r = Rig()
    r.outp(EN, 1, 16)
    r.skip(YEAR)
    assert r.edges == [(r.first(HALF), 1, 1)]


def test_qemus_count():
    """Its constant is the rounded one, 3 579 545 Hz."""
    r = Rig(hz=3_579_545)
    for ns in (0, 1, 279, 280, 123_456_789, 36_887_746_204, 69 * S):
        r.skip_to(ns)
        assert r.inp(TMR, 32) == ns * 3_579_545 // S & 0xFF_FFFF


# -- laws

widths = st.sampled_from([8, 16, 32])
ports = st.sampled_from(PORTS)
spans = st.one_of(st.integers(0, 10**4), st.integers(0, 5 * S), st.integers(0, 1000 * S))
moves = st.one_of(
    st.tuples(st.just("skip"), spans),
    st.tuples(st.just("skip"), spans),
    st.tuples(st.just("carry"), st.integers(-2, 2)),
    st.tuples(st.just("out"), st.sampled_from([STS, EN, TMR, *PORTS]), st.integers(0, 0xFFFF_FFFF), widths),
    st.tuples(st.just("out"), st.just(EN), st.integers(0, 1), st.just(16)),
    st.tuples(st.just("out"), st.just(STS), st.just(1), st.just(16)),
    st.tuples(st.just("in"), ports, widths),
)
programs = st.lists(moves, max_size=20)
kinds = st.tuples(st.sampled_from(["bits24", "bits32"]), st.sampled_from([PM_HZ, Fraction(3_579_545)]))


def act(r, move):
    match move:
        case "skip", ns:
            r.skip(ns)
        case "carry", off:
            r.skip_to(max(r.now, r.chip.next_carry(r.now) + off))
        case "out", port, value, width:
            r.outp(port, value & (1 << width) - 1, width)
        case "in", port, width:
            assert 0 <= r.inp(port, width) < 1 << width


class Model:
    """Status by looking at the highest bit carry by carry, with fractions."""

    def __init__(self, bits, hz):
        self.width, self.hz = (32 if bits == "bits32" else 24), Fraction(hz)
        self.sts = self.en = self.now = self.carries = self.sci = 0
        self.edges = []

    def skip_to(self, now):
        while (at := -(-((self.carries + 1) << self.width - 1) * S // self.hz)) <= now:
            self.carries += 1
            self.sts = 1
            self.drive(at)
        self.now = now

    def drive(self, at):
        if self.sci != self.sts & self.en:
            self.sci ^= 1
            self.edges.append((at, self.sci, 1))

    def outp(self, port, value, width):
        for i in range(width // 8):
            byte = value >> 8 * i & 255
            if port + i == STS and byte & 1:
                self.sts = 0
            if port + i == EN:
                self.en = byte & 1
        self.drive(self.now)


@given(programs, kinds)
def test_it_is_as_a_count_by_fractions(program, kind):
    r, model = Rig(*kind), Model(*kind)
    for move in program:
        act(r, move)
        model.skip_to(r.now)
        if move[0] == "out":
            _, port, value, width = move
            model.outp(port, value & (1 << width) - 1, width)
        assert (r.inp(STS, 8), r.inp(EN, 8)) == (model.sts, model.en)
        assert r.inp(TMR, 32) == r.now * model.hz // S % (1 << model.width)
        assert r.edges == model.edges


@given(programs, kinds, spans, spans)
def test_laws(program, kind, first, second):
    r, other = Rig(*kind), Rig(*kind)
    for move in program:
        act(r, move)
        act(other, move)
    r.chip.sync(r.now)
    state, line = r.chip.snapshot(), r.sci.snapshot()
    seen = r.chip.peek(r.now + first)
    assert set(seen) == set(PEEKS)
    events = list(r.chip.next_event(r.now))
    assert (r.chip.snapshot(), r.sci.snapshot()) == (state, line)
    # prediction is observation
    trial = Rig(*kind)
    trial.now = r.now
    trial.chip.restore(state)
    trial.sci.restore(line, r.sci.history())
    for ns, name in events:
        assert (name, ns > r.now) == ("acpi.sci", True)
        trial.skip_to(ns - 1)
        assert trial.sci.level == line[0]
        trial.skip_to(ns)
        assert trial.sci.level != line[0]
        assert edge_after(list(trial.sci.ring), r.now) == (ns, trial.sci.level)
    # two steps are one
    r.skip(first)
    assert r.chip.peek(r.now) == seen
    r.skip(second)
    other.skip(first + second)
    assert (r.chip.snapshot(), r.sci.snapshot()) == (other.chip.snapshot(), other.sci.snapshot())


def test_every_bit_is_in_one_field_and_every_register_has_a_peek():
    for reg in REGS:
        assert reg.peek in PEEKS
        for layout in reg.layouts:
            assert sum(f.mask for f in layout.fields) == (1 << reg.width) - 1


def test_accesses_in_words():
    r = Rig()

    def do(port, value, width=16):
        before = r.chip.peek(r.now)
        r.outp(port, value, width)
        return wrote(port, value, before, r.chip.peek(r.now))

    def look(port, width=16):
        before = r.chip.peek(r.now)
        return read(port, r.inp(port, width), before)

    r.skip_to(3 * S)
    assert do(EN, 1) == "TMR_EN set, SCI rises"
    assert look(STS) == "PM1 status: TMR_STS"
    assert do(STS, 1) == "TMR_STS cleared, SCI falls"
    assert do(STS, 1) == "no bit changes"
    assert look(EN) == "PM1 enable: TMR_EN"
    assert do(TMR, 1, 32) == "the timer cannot be written"
    assert look(TMR, 32) == "timer, 10 738 636"
    assert look(TMR) == "low bits of the timer, 10 738 636"
    assert look(TMR + 2) == "upper bits of the timer, 10 738 636"


def test_the_fadt_names_a_century_byte_where_the_rtc_has_one():
    for century, index in (("ram", 0), ("counts", 0x32)):
        chip = PmTimer(Clock.at(3_579_545), resolve("datasheet", {"rtc_century": century}), Line("acpi.sci"))
        assert chip.peek(0)["acpi.century"] == index
