"""The log and the way along it: goto, back, typing in the past, checkpoints, jobs, saving and loading."""

from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from timerlab import CommandError, Session
from timerlab.devices.pit_elapsed import Elapsed
from timerlab.history import EVERY

CONFIGS = [
    {},
    {"profile": "qemu"},
    {"quirks": {"odd_mode3": "harris", "refresh": "out1"}},
    {"profile": "qemu", "quirks": {"refresh": "kvm_16us"}},
    {"pit_hz": 1_193_182},
    {"pit_hz": 50_000_000, "start": "1999-12-31T23:59:59"},
]
configs = st.sampled_from(CONFIGS)
spans = st.one_of(st.integers(0, 2000), st.integers(0, 10**6), st.integers(0, 10**10))
bytes_ = st.one_of(st.sampled_from([0x34, 0x36, 0x30, 0x32, 0x38, 0x14, 0xB6, 0xC2, 0xE2, 0]), st.integers(0, 255))
commands = st.one_of(
    st.tuples(st.sampled_from([0x40, 0x41, 0x42, 0x43, 0x43, 0x61]), bytes_).map(lambda t: f"outb {t[0]:x}h {t[1]}"),
    st.sampled_from(["inb 40h", "inb 42h", "inb 61h", "inw 40h", "outw 40h 04a9h", "reset", "note it's  # here"]),
    spans.map(lambda ns: f"skip {ns}"),
    st.integers(0, 3000).map(lambda n: f"skip {n}pit"),
    st.sampled_from(["step", "step", "step irq.0", "step pit.ch2.out", "step refresh", "step 5pit"]),
    st.sampled_from(
        ["until rise irq.0 limit 3ms", "until pit.ch0.ce <= 500 limit 1ms", "until fall speaker limit 5us"]
    ),
    st.sampled_from(["expect pit.ch0.out", "expect inb 40h == 5", "expect skip 77 == none", "expect at 5ms"]),
)
paced = spans.map(lambda ns: ns)
moves = st.one_of(commands, commands, commands, paced)
programs = st.lists(moves, min_size=1, max_size=14)


def act(s, move):
    if isinstance(move, int):
        s.pass_time(s.now + move)
    else:
        s.do(move)


def after(config, program):
    s = Session(**config)
    for move in program:
        act(s, move)
    return s


def shape(s):
    return [(entry.text, entry.kind, entry.t_ns, entry.end_ns) for entry in s.log]


def at(config, program, ns):
    """A fresh machine that did everything at or before `ns`, and stands there."""
    s = Session(**config)
    for move in program:
        t = Session(**config)
        t.machine.restore(s.machine.snapshot())
        act(t, move)
        if t.now > ns:
            break
        act(s, move)
    s.skip_to(ns)
    return s


@settings(max_examples=settings().max_examples * 2)
@given(configs, programs, st.lists(st.integers(0, 1 << 40), min_size=1, max_size=6))
def test_goto_anywhere_is_a_fresh_run_to_there(config, program, places):
    s = after(config, program)
    end, log, digest = s.now, shape(s), s.machine.digest()
    moments = {place % (end + 1) for place in places} | {entry.end_ns for entry in s.log}
    for ns in sorted(moments, key=hash)[:6]:
        s.goto(ns)
        assert s.now == ns
        assert s.machine.digest() == at(config, program, ns).machine.digest()
        assert shape(s) == log, "going somewhere discards nothing"
    s.goto(end)
    assert (s.now, s.machine.digest(), s.past) == (end, digest, False)


@given(configs, programs, st.lists(st.integers(0, 13), min_size=1, max_size=6))
def test_goto_entry_is_where_that_entry_was_just_done(config, program, order):
    s = after(config, program)
    digests, t = [], Session(**config)
    seen = 0
    for move in program:
        act(t, move)
        if len(t.log) == seen and digests:
            digests[-1] = t.machine.digest()  # paced time goes on in the entry that it is in
        digests += [t.machine.digest()] * (len(t.log) - seen)
        seen = len(t.log)
    for index in order:
        if index < len(s.log):
            s.goto_entry(index)
            assert (s.machine.digest(), s.position) == (digests[index], index + 1)
    with pytest.raises(IndexError):
        s.goto_entry(len(s.log))
    with pytest.raises(IndexError):
        s.goto_entry(-1)


@given(configs, programs)
def test_back_walks_to_power_on_and_goto_returns(config, program):
    s = after(config, program)
    log, digest, end = shape(s), s.machine.digest(), s.now
    count = len(s.log)
    for i in reversed(range(count)):
        entry = s.back()
        assert entry is s.log[i]
        assert (s.now, s.position) == (entry.t_ns, i)
    assert s.back() is None
    assert s.now == 0
    assert s.machine.digest() == Session(**config).machine.digest()
    assert shape(s) == log
    s.to_end()
    assert (s.now, s.machine.digest(), s.past) == (end, digest, False)


@given(configs, programs, st.integers(0, 1 << 40), programs)
def test_typing_in_the_past_goes_on_from_there(config, program, place, rest):
    s = after(config, program)
    ns = place % (s.now + 1)
    s.goto(ns)
    t = at(config, program, ns)
    for move in rest:
        if isinstance(move, int) and s.past:
            continue
        act(s, move)
        act(t, move)
    if not s.past:
        assert (s.now, s.machine.digest()) == (t.now, t.machine.digest())
        s.goto(0)
        s.to_end()
        assert (s.now, s.machine.digest()) == (t.now, t.machine.digest())
        for before, entry in zip([None, *s.log], s.log, strict=False):
            assert entry.t_ns == (before.end_ns if before else 0)
            assert entry is s.log[entry.index]


def test_a_skip_that_is_left_half_done_becomes_time_that_passed():
    s = Session()
    s.do("outb 43h 34h")
    s.do("skip 10ms")
    s.do("outb 43h 36h")
    s.goto(4_000_000)
    assert s.past and len(s.log) == 3
    s.do("note here")
    assert [(e.kind, e.t_ns, e.end_ns) for e in s.log] == [
        ("command", 0, 0),
        ("advance", 0, 4_000_000),
        ("note", 4_000_000, 4_000_000),
    ]
    s.back()
    assert (s.now, s.position) == (4_000_000, 2)
    s.back()
    assert (s.now, s.position) == (0, 1)


def test_what_is_only_looked_at_in_the_past_cuts_nothing():
    s = after({}, ["outb 43h 34h", "skip 10ms", "outb 43h 36h", "skip 5ms"])
    s.goto(4_000_000)
    log = shape(s)
    for line in ("show", "explain outb 43h 36h", "help", "rate 2", "pause"):
        s.do(line)
    s.decode("outb 43h 36h")
    s.complete("outb ")
    s.wave("pit.ch0.out", 0, 20_000_000, 50)
    assert shape(s) == log and s.past and s.now == 4_000_000


def test_a_command_that_cannot_be_carried_out_cuts_nothing():
    s = after({}, ["outb 43h 34h", "skip 10ms", "outb 43h 36h", "skip 5ms"])
    s.goto(4_000_000)
    log, digest = shape(s), s.machine.digest()
    for line in ("replay no-such-trace", "load no-such-thing", "goto #99", "run"):
        with pytest.raises(CommandError):
            s.do(line)
        assert (shape(s), s.machine.digest(), s.now, s.past) == (log, digest, 4_000_000, True), line
    s.goto(15_000_000)
    assert (shape(s), s.past) == (log, False)


def test_a_long_log_is_reached_anywhere_from_its_checkpoints():
    s = Session()
    t = Session()
    digests = []
    for i in range(3 * EVERY + 10):
        line = ("outb 43h 34h", "outb 40h a9h", f"skip {i * 37 % 5000}", "inb 40h", "outb 40h 4", "step", "inb 40h")[
            i % 7
        ]
        s.do(line)
        t.do(line)
        digests.append((t.now, t.machine.digest()))
    n = len(digests)
    for index in (0, EVERY - 1, EVERY, EVERY + 1, n - 1, 2 * EVERY, 5, 3 * EVERY, n - 2, 2 * EVERY - 1):
        s.goto_entry(index)
        assert (s.now, s.machine.digest()) == digests[index]
    # checkpoints that lie ahead are not trusted after a cut
    s.goto_entry(EVERY // 2)
    s.do("outb 43h 36h")
    for _ in range(2 * EVERY):
        s.do("skip 100pit")
    end = s.machine.digest()
    s.goto(0)
    s.to_end()
    assert s.machine.digest() == end


@given(configs, st.lists(st.tuples(st.integers(0, 10**7), st.sampled_from(["", "inb 40h", "note x"])), max_size=20))
def test_time_that_was_paced_in_slices_is_one_stretch(config, slices):
    s, t = Session(**config), Session(**config)
    for one in (s, t):
        one.do("outw 43h 3636h")
    for ns, line in slices:
        s.pass_time(s.now + ns // 3)
        s.pass_time(s.now)
        s.pass_time(s.now + ns - ns // 3)
        t.skip(ns)
        if line:
            s.do(line)
            t.do(line)
    assert (s.now, s.machine.digest()) == (t.now, t.machine.digest())
    runs = [entry for entry in s.log if entry.kind == "advance"]
    assert all(entry.end_ns > entry.t_ns for entry in runs)
    assert all(
        a.kind != b.kind or a.kind == "command"
        for a, b in zip(s.log, list(s.log)[1:], strict=False)
        if a.kind == "advance"
    )


@given(configs, programs, st.lists(st.integers(0, 1 << 30), min_size=1, max_size=8))
def test_time_passing_in_the_past_plays_what_is_recorded(config, program, slices):
    s = after(config, program)
    end, digest, log = s.now, s.machine.digest(), shape(s)
    s.goto(0)
    for ns in slices:
        was = s.now
        if was + ns > end:
            break
        s.pass_time(was + ns)
        assert s.now == was + ns
        assert s.machine.digest() == at(config, program, s.now).machine.digest()
        assert shape(s) == log
    s.pass_time(end)
    assert (s.now, s.machine.digest(), shape(s), s.past) == (end, digest, log, False)
    s.pass_time(end + 1000)
    assert s.now == end + 1000
    assert s.log[-1].kind == "advance"


def test_goto_beyond_the_end_skips():
    s = after({}, ["outb 43h 34h", "skip 1ms"])
    s.goto(0)
    s.do("goto 2ms")
    assert (s.now, s.past, s.log[-1].text) == (2_000_000, False, "skip 1ms")
    with pytest.raises(ValueError):
        s.goto(-1)


def test_a_moment_too_late_for_a_file_is_refused():
    for go in (Session.skip, Session.skip_to, Session.goto):
        s = Session()
        with pytest.raises(ValueError):
            go(s, 10**21)
        assert (s.now, len(s.log)) == (0, 0)


@pytest.mark.parametrize("go", [Session.skip, Session.skip_to, Session.goto])
@pytest.mark.parametrize("time", [1.5, 1000.0])
def test_time_is_whole_nanoseconds(go, time):
    s = Session()
    with pytest.raises((TypeError, ValueError)):
        go(s, time)
    assert isinstance(s.now, int)
    assert (s.now, len(s.log)) == (0, 0)


@pytest.mark.parametrize(
    "hz",
    [
        1_193_182,
        Fraction(105_000_000, 88),
        Fraction(1_000_000),
    ],
)
def test_a_skip_costs_no_more_for_being_long(hz, monkeypatch):
    s = Session(profile="qemu", pit_hz=hz)
    for line in ("outb 43h 34h", "outb 40h a9h", "outb 40h 4"):
        s.do(line)
    fired = []
    fire = Elapsed.fire
    monkeypatch.setattr(Elapsed, "fire", lambda *args: fired.append(1) or fire(*args))
    s.skip("2s")
    assert len(fired) < 1000


# jobs


def test_a_job_is_done_in_steps_of_its_budget():
    s, t = Session(), Session()
    for one in (s, t):
        for line in ("outb 43h 14h", "outb 40h 2"):
            one.do(line)
    job = s.begin("until pit.ch0.next_level == 5 limit 1ms")
    steps = 0
    while not job.finished:
        progress = job.step(10)
        assert progress.done <= max(progress.total, 1)
        steps += 1
    assert steps > 10
    t.skip("1ms")
    assert s.machine.digest() == t.machine.digest()
    assert job.step() == job.step()
    assert job.result.value is None


@pytest.mark.parametrize("steps", [0, 1, 2, 5, 30])
def test_a_cancelled_job_leaves_the_machine_at_a_whole_step_and_the_log_true(steps, tmp_path):
    s = Session()
    for line in ("outb 43h 14h", "outb 40h 2"):
        s.do(line)
    job = s.begin("until pit.ch0.next_level == 5 limit 1ms")
    for _ in range(steps):
        job.step(10)
    now = s.now
    job.cancel()
    assert job.finished and job.result is not None
    assert s.now == now < 1_000_000
    assert not s.past and s.position == len(s.log)
    t = Session()
    for line in ("outb 43h 14h", "outb 40h 2", f"skip {now}"):
        t.do(line)
    assert s.machine.digest() == t.machine.digest()
    s.do("inb 40h")
    t.do("inb 40h")
    digest = s.machine.digest()
    assert digest == t.machine.digest()
    s.goto(now // 2)
    s.to_end()
    assert s.machine.digest() == digest
    s.save(str(tmp_path / "cancelled"))
    loaded = Session.load(tmp_path / "cancelled.timerlab")
    assert (loaded.now, loaded.machine.digest()) == (s.now, digest)


def test_a_job_that_fails_is_over():
    s = Session()
    job = s.begin("replay no-such-trace")
    with pytest.raises(CommandError):
        while not job.finished:
            job.step()
    assert job.finished
    job.step()
    assert (len(s.log), s.past) == (0, False)


# files


@settings(max_examples=settings().max_examples * 2)
@given(config=configs, program=programs)
def test_a_session_is_loaded_as_it_was_saved(config, program, tmp_path_factory):
    s = after(config, program)
    path = tmp_path_factory.mktemp("s") / "one.timerlab"
    written, entries = s.save(str(path))
    assert (written, entries) == (str(path), len(s.log))
    t = Session.load(path)
    assert (t.now, t.machine.digest(), t.options) == (s.now, s.machine.digest(), s.options)
    assert [(e.text, e.t_ns) for e in t.log] == [(e.text, e.t_ns) for e in s.log]
    assert [e.result.text for e in t.log if e.result and e.kind != "advance"] == [
        e.result.text for e in s.log if e.result and e.kind != "advance"
    ]
    t.save(str(path.with_name("two")))
    assert path.with_name("two.timerlab").read_text() == path.read_text()


@given(config=configs, program=programs, place=st.integers(0, 1 << 40))
def test_a_session_saved_in_its_past_is_loaded_there(config, program, place, tmp_path_factory):
    s = after(config, program)
    s.goto(place % (s.now + 1))
    log = shape(s)
    path = tmp_path_factory.mktemp("s") / "one.timerlab"
    s.save(str(path))
    assert shape(s) == log
    t = Session.load(path)
    assert (t.now, t.machine.digest()) == (s.now, s.machine.digest())


def test_calls_are_saved_like_commands(tmp_path):
    s = Session(profile="qemu", quirks={"refresh": "clock"}, pit_hz=1_193_182, start="2020-02-29T12:00:00")
    s.outb(0x43, 0x36)
    s.outw(0x40, 0x1234)
    s.outl(0x40, 0xFFFF_FFFF)
    s.skip("1.5us")
    s.skip("100pit")
    s.skip_to(10**9)
    s.inb(0x61)
    s.inw(0x40)
    s.inl(0x40)
    s.pass_time(2 * 10**9)
    s.reset()
    s.save(str(tmp_path / "calls.timerlab"))
    text = (tmp_path / "calls.timerlab").read_text()
    assert "#: profile = qemu\n#: quirks = refresh=clock\n#: pit_hz = 1193182\n#: start = 2020-02-29T12:00:00\n" in text
    assert "@2000000000 reset" in text
    t = Session.load(tmp_path / "calls.timerlab")
    assert (t.now, t.machine.digest(), t.options) == (s.now, s.machine.digest(), s.options)


def test_a_file_is_replaced_whole_or_not_at_all(tmp_path):
    path = tmp_path / "mine.timerlab"
    path.write_text("before")
    folder = tmp_path / "folder.timerlab"
    folder.mkdir()
    s = Session()
    s.do("outb 43h 36h")
    with pytest.raises(OSError):
        s.save(str(folder))
    assert not list(tmp_path.glob("*.part*"))
    s.save(str(path))
    assert path.read_text().endswith("outb 43h 36h\n")
    assert s.do(f"save {tmp_path}/other").text.endswith("1 entry")
    assert (tmp_path / "other.timerlab").is_file()


def test_load_turns_into_the_session_of_the_file(tmp_path):
    s = Session(profile="qemu")
    s.do("outb 43h 36h")
    s.save(str(tmp_path / "x"))
    t = Session()
    t.paced = True
    t.do("skip 5ms")
    stops = t.stops
    t.do(f"load {tmp_path}/x.timerlab")
    assert (t.options.profile, t.now, len(t.log), t.paced) == ("qemu", 0, 1, True)
    assert t.stops > stops
    t.do("inb 43h")
    assert t.log[-1].result.value == 0


def test_sessions_do_not_share_anything():
    s, t = Session(), Session()
    s.do("outb 43h 36h")
    assert t.peek("pit.ch0.mode") is None
    assert not t.log


@pytest.mark.parametrize(
    "options",
    [
        {"vcpus": 0},
        {"vcpus": 65},
        {"guest": "latency"},
        {"guest": "latency=0"},
        {"hpet_timers": 2},
        {"hpet_timers": 33},
        {"tsc_khz": 0},
        {"profile": "bochs"},
        {"guest": "x"},
        {"start": "yesterday"},
        {"pit_hz": 0},
        {"pit_hz": -5},
        {"pit_hz": 10**12},
        {"quirks": {"odd_mode3": "amd"}},
        {"quirks": {"no_such": "x"}},
        {"quirks": {"pit_irq0": "timer"}},
    ],
)
def test_options_that_make_no_sense_are_value_errors(options):
    with pytest.raises(ValueError) as said:
        Session(**options)
    assert len(str(said.value).splitlines()) == 1


@pytest.mark.parametrize("bad", [1.0, "1", None])
def test_a_port_or_a_value_that_is_no_int_is_refused_before_anything_changes(bad):
    s = Session()
    for access in (lambda: s.outb(bad, 1), lambda: s.outb(0x43, bad), lambda: s.inb(bad)):
        with pytest.raises(TypeError):
            access()
    assert not s.log


def test_a_file_is_loaded_by_the_name_it_was_saved_under(tmp_path):
    s = Session()
    s.do("skip 5us")
    s.do(f"save {tmp_path / 'mine'}")
    assert Session.load(tmp_path / "mine").now == 5000
    with pytest.raises(CommandError, match="directory"):
        s.do(f"save {tmp_path}")
    assert not tmp_path.with_suffix(".timerlab").exists()
