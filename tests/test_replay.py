"""Replay: every read compared, at once or paced, and travelled through like anything else."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from timerlab import CommandError, Session
from timerlab.replay import Feed
from timerlab.trace import Reader

SMALL = Path(__file__).parent / "data" / "small.trace.gz"


def trace_of(path):
    reader = Reader(str(path))
    for _ in reader.lines():
        pass
    return reader.trace


TRACE = trace_of(SMALL)
READS = sum(access.read for access in TRACE.accesses)


def qemu():
    s = Session(profile="qemu")
    s.folder = str(SMALL.parent)
    return s


def at_once(profile="qemu"):
    s = Session(profile=profile)
    return s, s.do(f"replay {SMALL}")


def counts(tally):
    total = tally.total()
    return total.equal, total.different, total.given, total.unmodelled


def test_a_trace_made_here_is_predicted_whole():
    s, result = at_once()
    assert result.ok and result.value == 0
    equal, different, given_, unmodelled = counts(s.feeder.tally)
    assert (different, given_) == (0, 0)
    assert equal + unmodelled == READS
    assert unmodelled == sum(a.read for a in TRACE.accesses if a.device == "acpi-gpe0") > 0
    assert s.now == TRACE.end_ns
    assert len(s.log) == 1 and s.log[0].kind == "replay"
    assert "equal" in result.text


def test_another_profile_differs_and_all_reads_are_counted():
    s, result = at_once("datasheet")
    assert not result.ok
    tally = s.feeder.tally
    assert result.value == tally.total().different > 0
    assert sum(counts(tally)) == READS
    for access, value in tally.differing:
        assert access.value != value
    assert len(tally.differing) == min(100, tally.total().different)


def test_a_trace_is_what_typing_its_accesses_is():
    s, _ = at_once()
    t = qemu()
    for access in TRACE.accesses:
        if access.device in ("pit", "pcspk"):
            t.skip_to(access.t_ns)
            if access.read:
                t.inb(access.address)
            else:
                t.outb(access.address, access.value)
    t.skip_to(TRACE.end_ns)
    assert s.machine.digest() == t.machine.digest()
    for name in s.lines():
        assert s.wave(name, 0, s.now, 60) == t.wave(name, 0, t.now, 60), name


@given(st.lists(st.integers(1, 5 * 10**8), min_size=1, max_size=30))
def test_a_paced_replay_is_the_replay_at_once(slices):
    whole, said = at_once()
    s = qemu()
    s.paced = True
    s.do("replay small.trace.gz --paced")
    assert s.running and s.feeder.at_work
    for ns in slices:
        s.pass_time(s.now + ns)
    while s.feeder.at_work:
        s.pass_time(s.now + 10**9)
    assert counts(s.feeder.tally) == counts(whole.feeder.tally)
    entry = s.log[0]
    assert (entry.kind, entry.result.text) == ("replay", said.text)
    end = s.now
    whole.skip_to(end)
    assert s.machine.digest() == whole.machine.digest()
    s.goto(entry.end_ns)
    assert s.now == TRACE.end_ns


@settings(max_examples=settings().max_examples // 2)
@given(st.lists(st.integers(0, TRACE.end_ns + 10**6), min_size=1, max_size=8), st.booleans())
def test_goto_into_the_middle_of_a_replay_and_back(moments, paced):
    s = qemu()
    s.do("outb 61h 3")
    if paced:
        s.paced = True
        s.do("replay small.trace.gz --paced")
        s.pass_time(TRACE.end_ns + 10**6)
        assert (s.now, s.running) == (TRACE.end_ns, False)
        s.pass_time(TRACE.end_ns + 10**6)
    else:
        s.do("replay small.trace.gz")
        s.skip(10**6)
    s.do("inb 40h")
    end, digest = s.now, s.machine.digest()
    log = [(e.text, e.t_ns, e.end_ns) for e in s.log]
    for ns in moments:
        ns = min(ns, end)
        s.goto(ns)
        t = Session(profile="qemu")
        t.outb(0x61, 3)
        feed = Feed(TRACE, 0)
        feed.play(t.machine, len(TRACE.accesses), until=ns)
        t.machine.advance(ns)
        assert s.now == ns
        if ns < end:
            assert s.machine.digest() == t.machine.digest()
    s.goto(end)
    assert (s.now, s.machine.digest()) == (end, digest)
    assert [(e.text, e.t_ns, e.end_ns) for e in s.log] == log


@pytest.mark.parametrize("how", ["paced", "cancelled", "cut"])
@pytest.mark.parametrize("share", [0, 1, 3, 7, 9])
def test_a_replay_stopped_half_way_is_what_was_played_of_it(how, share, tmp_path):
    s = qemu()
    moment = TRACE.end_ns * share // 10
    if how == "paced":
        s.paced = True
        s.do("replay small.trace.gz --paced")
        s.pass_time(moment)
        s.pause()
    elif how == "cancelled":
        job = s.begin("replay small.trace.gz")
        while not job.finished and s.now < moment:
            job.step(7)
        job.cancel()
    else:
        s.do("replay small.trace.gz")
        s.goto(moment)
    t = Session(profile="qemu")
    feed = Feed(TRACE, 0)
    feed.play(t.machine, len(TRACE.accesses), until=s.now)
    t.machine.advance(s.now)
    # a replay may stop between two accesses of one ns
    tied = any(a.t_ns == s.now for a in TRACE.accesses) and how == "cancelled"
    assert tied or s.machine.digest() == t.machine.digest()
    if how == "cut":
        s.save(str(tmp_path / "half"))
        again = Session.load(rewritten(tmp_path / "half.timerlab"))
        assert (again.now, again.machine.digest()) == (s.now, s.machine.digest())
    s.do("inb 40h")
    s.do("note after")
    assert not s.past
    digest, now = s.machine.digest(), s.now
    assert [e.kind for e in s.log][-2:] == ["command", "note"]
    s.goto(now // 2)
    s.goto(0)
    s.to_end()
    assert (s.now, s.machine.digest()) == (now, digest)
    s.save(str(tmp_path / "x"))
    again = Session.load(rewritten(tmp_path / "x.timerlab"))
    assert (again.now, again.machine.digest()) == (now, digest)
    assert [e.text for e in again.log if e.kind != "advance"] == [e.text for e in s.log if e.kind != "advance"]


def rewritten(path):
    """A saved script with its trace beside it."""
    (path.parent / SMALL.name).write_bytes(SMALL.read_bytes())
    return path


def test_a_session_with_a_trace_is_loaded_as_it_was(tmp_path):
    s = qemu()
    s.do("outb 43h 36h")
    s.do("replay small.trace.gz --most 50")
    s.do("skip 1ms")
    s.do("replay small.trace.gz")
    s.do("inb 40h")
    s.save(str(tmp_path / "x"))
    t = Session.load(rewritten(tmp_path / "x.timerlab"))
    assert (t.now, t.machine.digest()) == (s.now, s.machine.digest())
    assert [(e.text, e.t_ns) for e in t.log if e.kind != "advance"] == [
        (e.text, e.t_ns) for e in s.log if e.kind != "advance"
    ]


def test_a_trace_whose_times_are_past_is_played_from_now_on():
    s = qemu()
    s.skip(TRACE.end_ns)
    s.do("replay small.trace.gz")
    assert s.now == 2 * TRACE.end_ns


def test_a_job_that_is_cancelled_while_it_reads_leaves_nothing():
    s = qemu()
    for steps in (0, 1, 2):
        job = s.begin("replay small.trace.gz --skip-bad")
        for _ in range(steps):
            job.step(1)
        job.cancel()
        assert s.now == 0
        s.do("skip 5")
        s.goto(0)
        s.to_end()
        assert (s.now, s.past) == (5, False)
        s.goto(0)
        s.do("note x")
        s.back()


def test_a_broken_trace_changes_nothing(tmp_path):
    (tmp_path / "bad.trace").write_text("5 pic_set_irq\n4 pic_set_irq\n")
    s = Session()
    s.folder = str(tmp_path)
    s.do("outb 43h 36h")
    s.skip(500)
    s.goto(100)
    with pytest.raises(CommandError) as said:
        s.do("  replay bad.trace")
    assert (said.value.column, said.value.length) == (10, 9)
    assert "bad.trace:2:1: " in str(said.value)
    assert said.value.suggestion == "bad.trace --skip-bad"
    assert len(str(said.value).splitlines()) == 1
    assert (len(s.log), s.now, s.past) == (2, 100, True)
    result = s.do("replay bad.trace --skip-bad")
    assert result.ok and "1 bad line" in result.text


def test_saving_does_not_stop_a_paced_replay(tmp_path):
    s = qemu()
    s.paced = True
    s.do("replay small.trace.gz --paced")
    s.pass_time(TRACE.end_ns // 2)
    s.save(str(tmp_path / "x"))
    assert s.feeder.at_work and s.running
    t = Session.load(rewritten(tmp_path / "x.timerlab"))
    assert (t.now, t.machine.digest()) == (s.now, s.machine.digest())


def test_typing_stops_a_paced_replay_and_looking_does_not():
    s = qemu()
    s.paced = True
    s.do("replay small.trace.gz --paced")
    s.pass_time(TRACE.end_ns // 2)
    for line in ("show", "help", "rate 2", "explain inb 40h"):
        s.do(line)
    s.decode("outb 43h 36h")
    assert s.feeder.at_work
    s.do("note here")
    assert not s.feeder.at_work
    now = s.now
    s.pass_time(now + 10**9)
    t = qemu()
    feed = Feed(TRACE, 0)
    feed.play(t.machine, len(TRACE.accesses), until=now)
    t.machine.advance(now + 10**9)
    assert s.machine.digest() == t.machine.digest()


def test_a_checkpoint_within_a_nanosecond_does_not_stop_a_journey_there(tmp_path, monkeypatch):
    monkeypatch.setattr("timerlab.feeding.EVERY_ACCESSES", 4)
    monkeypatch.setattr("timerlab.history.EVERY_ACCESSES", 4)
    path = tmp_path / "dense.trace"
    line = "{} memory_region_ops_write cpu 0 addr 0x42 value {:#x} size 1 name 'pit'\n"
    path.write_text("".join(line.format(5000 * (i // 10), i) for i in range(30)))
    s = Session(profile="qemu")
    s.do("outb 43h 90h")
    s.do(f"replay {path}")
    s.do("skip 1us")
    for ns, last in ((0, 9), (5000, 19), (10_000, 29)):
        s.goto(ns)
        assert s.peek("pit.ch2.cr") == last
        s.save(str(tmp_path / "there"))
        t = Session.load(str(tmp_path / "there"))
        assert t.machine.snapshot() == s.machine.snapshot()
    s.goto(0)
    assert s.back().kind == "replay"
    assert (s.position, s.now, s.peek("pit.ch2.cr")) == (1, 0, 0)
    s.goto(5000)
    s.goto_entry(0)
    assert (s.now, s.peek("pit.ch2.cr")) == (0, 0)
