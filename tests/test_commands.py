"""Typed commands: what each gives, and that a bad one is one line, at its column, with nothing changed."""

import re

import pytest

from timerlab import CommandError, Session
from timerlab.commands import group


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


PROFILES = {
    "v3": "palacios", "vmcall": "palacios", "nvmm": "nvmm", "kvm": "kvm", "apf": "kvm", "pvread": "kvm",
    "pvwall": "kvm", "pvwrite": "kvm",
}  # fmt: skip
"""Verbs that belong to a profile."""


BEFORE = {
    "os": ("writel hpet.conf 1", "os boot clocksource tsc calibration cpuid"),
    "pvread": ("wrmsr kvm_system_time 1001h",),
    "pvwall": ("wrmsr kvm_system_time 1001h", "wrmsr kvm_wall_clock 2000h"),
    "apf": ("wrmsr kvm_async_pf_en 4009h", "apf missing 7000h"),
}
"""What has to be done before the examples of a verb make sense."""


def busy(profile="datasheet"):
    """A session with something of everything in it."""
    s = Session(profile=profile, vcpus=2)
    for line in ("outb 43h 34h", "outb 40h a9h", "outb 40h 4", "outb 43h b6h", "skip 3ms", "outb 42h 5", "inb 61h"):
        s.do(line)
    return s


def state(s):
    return (s.machine.digest(), len(s.log), s.position, s.now, s.past, s.running, s.rate, s.run_until, s.late)


def shape(s):
    return [(entry.text, entry.t_ns, entry.end_ns) for entry in s.log]


# (line, the word at fault and which one of its kind, or a column; a piece of the message; suggestion)
BAD = [
    ("foo", "foo", "no command foo", None),
    ("otub 43h 36h", "otub", "Did you mean outb ?", "outb"),
    ("  otub 43h 36h", "otub", "Did you mean outb ?", "outb"),
    ("outb", 5, "wants PORT", None),
    ("outb ", 5, "wants PORT", None),
    ("outb 43h", 9, "wants VALUE", None),
    ("outb 43h 36h 5", "5", "one word too many", None),
    ("outb 43h 100h", "100h", "does not fit a byte, 00h–FFh", "0h"),
    ("outb 43h 1ff", "1ff", "Did you mean 1ffh ?", "1ffh"),
    ("outb 43h -5", "-5", "negative", None),
    ("outb 43h -x", "-x", "not a number", None),
    ("outb -x 5", "-x", "", None),
    ("outb --foo 5", "--foo", "", None),
    ("outb 43h ²", "²", "not a number", None),
    ("outb 10000h 5", "10000h", "no port, 0–FFFFh", None),
    ("outb -1 5", "-1", "no port", None),
    ("outb port62 5", "port62", "Did you mean port61 ?", "port61"),
    ("outb pit.cmdd 5", "pit.cmdd", "Did you mean pit.cmd ?", "pit.cmd"),
    ("outw 40h 10000h", "10000h", "does not fit a word, 0000h–FFFFh", "0h"),
    ("outl 40h 100000000h", "100000000h", "does not fit a long", "0h"),
    ("outb 43h 36h #x", "#x", "one word too many", None),
    ("inb", 4, "wants PORT", None),
    ("inb 40h 5", "5", "one word too many", None),
    ("inl ffffh ffh", "ffh", "one word too many", None),
    ("skip", 5, "wants TIME", None),
    ("skip 10", None, None, None),
    ("skip -5", "-5", "negative", None),
    ("skip 5h", "5h", "5hr", None),
    ("skip 0.5ns", "0.5ns", "finer than 1 ns", None),
    ("skip 5 ms", "ms", "one word too many", None),
    ("skip 1.5pit", "1.5pit", "whole", None),
    ("skip 2000y", "2000y", "too long", None),
    ("skip 99999999999999999pit", "99999999999999999pit", "too long", None),
    ("step foo", "foo", "no line foo", None),
    ("step pit.ch0.oot", "pit.ch0.oot", "Did you mean pit.ch0.out ?", "pit.ch0.out"),
    ("step 5", "5", "write 5pit", "5pit"),
    ("step 5ms", "5ms", "step counts clocks", "5pit"),
    ("step 5.5pit", "5.5pit", "whole", None),
    ("step 5 pit 6", "pit", "one word too many", None),
    ("step ² pit", "pit", "one word too many", None),
    ("step 99999999999999999999 pit", "99999999999999999999", "too long", None),
    ("until", 6, "condition is missing", None),
    ("   until", 9, "condition is missing", None),
    ("until limit 5ms", 7, "condition is missing", None),
    ("until rise", 11, "wants a line", None),
    ("until rise foo", "foo", "no line foo", None),
    ("until rise irq.0 x", "x", "one word too many", None),
    ("until at", 9, "wants a time", None),
    ("until at x", "x", "not a time", None),
    ("until pit.ch0.cee == 5", "pit.ch0.cee", "Did you mean pit.ch0.ce ?", "pit.ch0.ce"),
    ("until pit.ch0.ce ==", 20, "wants a value", None),
    ("until pit.ch0.ce = 5", "=", "does not compare", "=="),
    ("until pit.ch0.ce=5", "=", "does not compare", "=="),
    ("until pit.ch0.ce 5", "5", "does not compare", None),
    ("until pit.ch0.ce == x", "x", "not a number", None),
    ("until pit.ch0.ce<=x", "x", "not a number", None),
    ("until pit.ch0.ce == 5 6", "6", "one word too many", None),
    ("until pit.ch0.ce < none", "<", "compares numbers", None),
    ("until pit.ch0.rd > lo", ">", "compares numbers", None),
    ("until rise irq.0 limit", "limit", "one time", None),
    ("until rise irq.0 limit x", "x", "not a time", None),
    ("until rise irq.0 limit 5ms 6", "6", "one time", None),
    ("expect", 7, "condition is missing", None),
    ("   expect", 10, "condition is missing", None),
    ("expect inb 40h", 15, "wants a comparison", None),
    ("expect inb 40h == x", "x", "not a number", None),
    ("expect inb 40hh == 5", "40hh", "no", None),
    ("expect show == 5", "show", "gives no value", None),
    ("expect until rise irq.0 == 5", "until", "gives no value", None),
    ("expect note hi == 5", "note", "gives no value", None),
    ("expect expect inb 40h == 5 == 1", "expect", "gives no value", None),
    ("expect fault", 13, "wants a command", None),
    ("expect fault show", "show", "gives no value", None),
    ("expect fault outb 43h", 22, "wants VALUE", None),
    ("expect pit.ch0.out = 1", "=", "does not compare", "=="),
    ("expect pit.ch9.out", "pit.ch9.out", "Did you mean", None),
    ("goto", 5, "wants TIME", None),
    ("goto -1", "-1", "negative", None),
    ("goto x", "x", "not a time", None),
    ("goto #", "#", "no entry", None),
    ("goto #x", "#x", "no entry", None),
    ("goto #²", "#²", "no entry", None),
    ("goto #99", "#99", "no entry #99", None),
    ("goto #99999999999999999", "#99999999999999999", "no entry", None),
    ("back 5", "5", "one word too many", None),
    ("reset now", "now", "one word too many", None),
    ("rate", 5, "wants RATE", None),
    ("rate 0", "0", "out of range", None),
    ("rate x", "x", "not a rate", None),
    ("rate 1/0", "1/0", "not a rate", None),
    ("rate 5parsec/s", "5parsec/s", "no unit", None),
    ("run", "run", "needs a screen", None),
    ("run x", "x", "not a time", None),
    ("pause x", "x", "one word too many", None),
    ("show nothing", "nothing", "nothing to show", None),
    ("show pit.ch3", "pit.ch3", "Did you mean", None),
    ("help nothing", "nothing", "no help on nothing", None),
    ("help outbb", "outbb", "Did you mean outb ?", "outb"),
    ("help a b", "b", "one word too many", None),
    ("explain", 8, "wants a command", None),
    ("explain outb 43h", 17, "wants VALUE", None),
    ("explain outb 43h 1ff", "1ff", "not a number", None),
    ("explain 36h as", 15, "wants a register", None),
    ("explain 36h as pit.cmx", "pit.cmx", "Did you mean pit.cmd ?", "pit.cmd"),
    ("explain 136h as pit.cmd", "136h", "does not fit the 8 bits", None),
    ("explain -1 as pit.cmd", "-1", "does not fit", None),
    ("explain x as pit.cmd", "x", "not a number", None),
    ("explain nothing", "nothing", "nothing is called", None),
    ("explain a b", "b", "one word too many", None),
    ("load", 5, "wants NAME", None),
    ("load nothing", "nothing", "no file and no preset", None),
    ("load ~nobody-at-all/x", "~nobody-at-all/x", "no file", None),
    ("load a\0b", "a\0b", "no file", None),
    ("load .", ".", ". is a folder", None),
    ("load " + "x" * 5000, "x" * 5000, "cannot read", None),
    ("save", 5, "wants FILE", None),
    ("save nowhere/x", "nowhere/x", "cannot write", None),
    ("save /", "/", "cannot write", None),
    ("save .", ".", "cannot write", None),
    ("save a\0b", "a\0b", "cannot write", None),
    ("save ~nobody-at-all/x", "~nobody-at-all/x", "cannot write", None),
    ("save " + "x" * 5000, "x" * 5000, "cannot write", None),
    ("replay", 7, "wants TRACE", None),
    ("replay nothing", "nothing", "no trace nothing", None),
    ("replay .", ".", "no trace", None),
    ("replay ~nobody-at-all", "~nobody-at-all", "no file", None),
    ("replay a\0b", "a\0b", "no trace", None),
    ("replay " + "x" * 5000, "x" * 5000, "cannot read", None),
    ("replay a b", "b", "one word too many", None),
    ("replay a --most", 16, "wants a value", None),
    ("replay a --most x", "x", "--most", None),
    ("replay a --most -1", "-1", "--most", None),
    ("replay a --most=x", "--most=x", "--most", None),
    ("replay a --pacd", "--pacd", "Did you mean --paced ?", "--paced"),
    ("replay --paced=1 a", "--paced=1", "--paced", None),
    ("quit 3", "3", "one word too many", None),
    ("@5 outb 43h 36h", "@5", "no command", None),
    ("-- outb 43h 36h", "--", "no command", None),
    ("outb -- 43h 36h", "--", "", None),
    ("\0", "\0", "no command", None),
    ("outb 43h " + "9" * 5000, "9" * 5000, "too long", None),
    ("skip " + "9" * 5000, "9" * 5000, "too long", None),
    ("rate " + "9" * 5000, "9" * 5000, "too long", None),
    ("until pit.ch0.ce == 0x" + "f" * 5000, "0x" + "f" * 5000, "too long", None),
    ("expect inb 40h == 0x" + "f" * 5000, "0x" + "f" * 5000, "too long", None),
]
BAD = [case for case in BAD if case[1] is not None]


@pytest.mark.parametrize("travelled", [False, True], ids=["present", "past"])
@pytest.mark.parametrize(("line", "where", "message", "suggestion"), BAD, ids=[case[0][:40] for case in BAD])
def test_a_bad_command_is_one_line_at_its_column_and_changes_nothing(line, where, message, suggestion, travelled):
    s = busy()
    if travelled:
        s.goto(1_000_000)
    before, log = state(s), shape(s)
    with pytest.raises(CommandError) as said:
        s.do(line)
    error = said.value
    if isinstance(where, str):
        words = list(re.finditer(r"(?<!\S)" + re.escape(where) + r"(?!\S)", line))
        column = (words[-1].start() if words else line.rindex(where)) + 1
        assert (error.column, error.length) == (column, len(where))
    else:
        assert (error.column, error.length) == (where, 1)
    assert message in str(error)
    assert len(str(error).splitlines()) == 1
    assert "Traceback" not in str(error) and "int_max_str" not in str(error)
    if suggestion is not None:
        assert error.suggestion == suggestion
    assert error.line == 1
    assert (state(s), shape(s)) == (before, log)


@pytest.mark.parametrize("line", [case[0] for case in BAD], ids=[case[0][:40] for case in BAD])
def test_a_bad_command_is_seen_while_it_is_typed(line):
    s = busy()
    before, log = state(s), shape(s)
    s.decode(line)
    s.complete(line)
    assert (state(s), shape(s)) == (before, log)


EXAMPLES = [
    (name, example)
    for name, verb in group.commands.items()
    for example in verb.examples
    if name not in ("load", "save", "replay")
]


@pytest.mark.parametrize(("name", "line"), EXAMPLES)
def test_the_examples_in_the_help_work(name, line):
    s = busy(PROFILES.get(name, "datasheet"))
    s.do("outb 43h 16h")  # something for `goto #3`
    for before in BEFORE.get(name, ()):
        s.do(before)
    if line == "run":
        s.paced = True
    assert s.do(line) is not None
    decoded = s.decode(line)
    assert decoded.error is None
    assert decoded.usage == group.commands[name].usage


def test_verbs_are_read_in_any_case_and_kept_as_typed():
    s = Session()
    s.do("  OUTB   43h 36H  # mode 3")
    assert s.log[0].text == "OUTB   43h 36H"
    assert s.peek("pit.ch0.mode") == 3


@pytest.mark.parametrize(
    ("typed", "call"),
    [
        ("outb 43h 36h", lambda s: s.outb(0x43, 0x36)),
        ("outw 40h 04a9h", lambda s: s.outw(0x40, 0x4A9)),
        ("outl 40h 12345678h", lambda s: s.outl(0x40, 0x12345678)),
        ("inb 61h", lambda s: s.inb(0x61)),
        ("inw 40h", lambda s: s.inw(0x40)),
        ("inl 40h", lambda s: s.inl(0x40)),
        ("skip 10ms", lambda s: s.skip("10ms")),
        ("skip 100pit", lambda s: s.skip("100pit")),
        ("skip 838", lambda s: s.skip(838)),
        ("reset", lambda s: s.reset()),
    ],
)
def test_a_typed_command_does_what_the_call_does(typed, call):
    one, other = busy(), busy()
    result, value = one.do(typed), call(other)
    assert one.machine.digest() == other.machine.digest()
    if typed.startswith("in"):
        assert result.value == value
    # the log of the call reads back to the same
    again = busy()
    again.do(other.log[-1].text)
    assert again.machine.digest() == other.machine.digest()
    again = busy()
    again.do(one.log[-1].action.text())
    assert again.machine.digest() == other.machine.digest()


@pytest.mark.parametrize("n", [0, 1, 7, 100, 12345])
@pytest.mark.parametrize("start", [0, 1, 838, 839, 840, 10**9 + 1])
def test_skip_100pit_is_to_the_hundredth_clock_after_the_present_one(n, start):
    pit = Session().machine.board.clocks["pit"]
    for line in (f"skip {n}pit", f"step {n}pit", f"step {n} pit"):
        s = Session()
        s.skip(start)
        s.do(line)
        assert s.now == (pit.ns(pit.ticks(start) + n) if n else start)
        if n:
            assert pit.ticks(s.now) == pit.ticks(start) + n
            assert pit.ticks(s.now - 1) == pit.ticks(start) + n - 1


def test_skipping_no_clocks_does_not_go_back():
    s = Session()
    s.skip(1000)  # between two clocks
    for line in ("skip 0pit", "step 0pit", "skip 0", "until pit.ch0.mode limit 0pit"):
        s.do(line)
        assert s.now == 1000


def test_a_reset_leaves_time_log_and_edge_counts():
    s = busy()
    s.skip("10ms")
    edges, now, entries = s.peek("irq.0.edges"), s.now, len(s.log)
    assert edges
    s.do("reset")
    assert (s.now, len(s.log)) == (now, entries + 1)
    assert s.peek("irq.0.edges") == edges
    assert s.peek("pit.ch0.mode") is None
    fresh = Session(vcpus=2)
    changing = (".edges", ".next", ".level")
    assert {
        k: v
        for k, v in s.peeks().items()
        if not k.endswith(changing) and k.startswith(("pit", "pic", "ioapic", "hpet.t"))
    } == {
        k: v
        for k, v in fresh.peeks().items()
        if not k.endswith(changing) and k.startswith(("pit", "pic", "ioapic", "hpet.t"))
    }


def test_expect_says_what_there_is_instead():
    s = busy()
    met = s.do("expect pit.ch0.mode == 2")
    assert met.ok and met.text.startswith("met")
    unmet = s.do("expect pit.ch0.mode == 3")
    assert not unmet.ok and "pit.ch0.mode is 2" in unmet.text
    assert not s.do("expect rise irq.0").ok
    assert s.do("expect at 1ms").ok
    assert not s.do("expect at 1s").ok
    assert s.do("expect pit.ch0.ol == none").ok
    assert s.do("expect pit.ch0.ol != 5").ok
    assert s.do("expect pit.ch2.wr == hi").ok
    assert not s.do("expect pit.ch1.mode").ok
    assert s.do("expect pit.ch0.gate").ok


def test_expect_of_a_command_carries_it_out():
    s = busy()
    t = busy()
    for op, value, ok in (("==", "7fh", False), ("!=", "7fh", True), (">=", "0", True), ("<", "0", False)):
        result = s.do(f"expect inb 40h {op} {value}")
        seen = t.do("inb 40h")
        assert (result.ok, result.value) == (ok, seen.value)
    assert s.do("expect outb 43h 36h == none").ok
    t.do("outb 43h 36h")
    assert s.machine.digest() == t.machine.digest()
    assert not s.do("expect outb 43h 36h == 1").ok


def test_expect_fault_wants_a_fault():
    s = busy()
    result = s.do("expect fault inb 40h")
    assert not result.ok and "no fault" in result.text


def test_until_and_step_say_how_far_they_went():
    s = busy()
    result = s.do("step irq.0")
    assert result.value == s.now
    assert s.do("until fall irq.0").value == s.now
    assert s.do("until pit.ch0.next_level == 5 limit 1ms").value is None


def test_rate_late_run_and_pause_stay_out_of_the_log():
    s = busy()
    entries = len(s.log)
    s.paced = True
    for line in (
        "rate 1/1000",
        "rate 1pit/s",
        "rate catch_up",
        "rate carry_on",
        "run",
        "pause",
        "run 5ms",
        "pause",
        "show",
    ):
        s.do(line)
    assert len(s.log) == entries
    s.paced = False
    s.do("run 5ms")
    assert s.log[-1].text.startswith("skip")


def test_quit_only_asks():
    s = Session()
    s.do("quit")
    assert s.quitting and not s.log
