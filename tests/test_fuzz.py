"""Whatever is typed, nothing but CommandError comes back, and looking changes nothing."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from timerlab import CommandError, Session
from timerlab.commands import group
from timerlab.quirks import PROFILES, QUIRKS

NAMES = [
    "pit.ch0.ce",
    "pit.ch0.out",
    "irq.0",
    "irq.0.edges",
    "port61.value",
    "refresh",
    "speaker",
    "pit.cmd",
    "pit.ch0",
]
words = st.one_of(
    st.sampled_from([*group.commands, *NAMES, *QUIRKS, *PROFILES]),
    st.sampled_from(
        ["rise", "fall", "at", "limit", "fault", "as", "none", "lo", "hi", "==", "<=", ">", "=", "!", "--"]
    ),
    st.sampled_from(
        ["43h", "40h", "61h", "36h", "0", "5", "10ms", "100pit", "1y", "#0", "#1", "-1", "-", "1/1000", "1pit/s"]
    ),
    st.sampled_from(["--paced", "--skip-bad", "--most", "--most=3", "--most=-1", "--help", "-h", "²", "٣", "0x", "h"]),
    st.integers(-(10**30), 10**30).map(str),
    st.integers(0, 10**6000).map(hex),
    st.text(st.characters(exclude_categories=()), max_size=6),
)
spaces = st.sampled_from([" ", " ", " ", "  ", "\t", "", "  # ", "\x85", "\n", "\u2028"])
lines = st.one_of(
    st.text(max_size=40),
    st.text(st.characters(max_codepoint=0x7F), max_size=40),
    st.tuples(words, spaces, words, spaces, words, spaces, words).map("".join),
    st.lists(words, max_size=8).map(" ".join),
    st.tuples(st.sampled_from(list(group.commands)), st.lists(words, max_size=5)).map(
        lambda t: " ".join([t[0], *t[1]])
    ),
)
EXAMPLES = sorted(example for verb in group.commands.values() for example in verb.examples)


@st.composite
def mutated(draw):
    """A command that works, with something done to it."""
    line = draw(st.sampled_from(EXAMPLES))
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(line)))
        match draw(st.integers(0, 4)):
            case 0:
                line = line[:at] + line[at + 1 :]
            case 1:
                line = line[:at] + draw(st.text(max_size=2)) + line[at:]
            case 2:
                line = line[:at] + line[max(0, at - 3) : at] + line[at:]
            case 3:
                line = line[:at] + draw(st.sampled_from("0 9#-=.hx\0\x1b")) + line[at + 1 :]
            case 4:
                parts = line.split(" ")
                line = " ".join(draw(st.permutations(parts)))
    return line


def busy():
    s = Session()
    for line in ("outb 43h 34h", "outb 40h a9h", "outb 40h 4", "skip 3ms", "inb 61h"):
        s.do(line)
    return s


def state(s):
    return (s.machine.digest(), [(e.text, e.t_ns, e.end_ns) for e in s.log], s.position, s.now, s.running, s.rate)


def harmless(line):
    """Whether a line writes no file outside the folder of the test, and takes no ages."""
    tokens = line.split()
    return not (tokens and tokens[0].lower() in ("save", "load", "replay") and any(c in line for c in "/~\\"))


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def check(s, line):
    before = state(s)
    decoded = s.decode(line)
    assert state(s) == before
    for completion in s.complete(line):
        assert isinstance(completion.text, str)
    assert state(s) == before
    if not harmless(line):
        return
    try:
        job = s.begin(line)
        for _ in range(20):
            if job.finished:
                break
            job.step(1000)
        else:
            job.cancel()
    except CommandError as error:
        assert len(str(error).splitlines()) <= 1
        assert 1 <= error.column <= len(line) + 1
        assert error.length >= 1
        assert state(s) == before
    else:
        if decoded.error is not None:
            raise AssertionError(f"decode says {decoded.error}, and the command works")
        action = s.parse(line)
        if action is not None:
            again = s.parse(action.text())
            assert again is not None and again.text() == action.text(), "what the log would show reads back"


@settings(max_examples=settings().max_examples * 5)
@given(lines)
def test_random_text_is_a_command_or_a_command_error(line):
    check(busy(), line)


@settings(max_examples=settings().max_examples * 5)
@given(mutated())
def test_a_mutated_command_is_a_command_or_a_command_error(line):
    check(busy(), line)


@given(st.lists(st.one_of(mutated(), lines), max_size=12))
def test_many_of_them_in_one_session(some):
    s = busy()
    for line in some:
        check(s, line)
        if s.now > 10**20:
            break
    s.to_end()
    end = state(s)
    s.goto(0)
    s.to_end()
    assert state(s) == end


@given(lines)
def test_each_completion_keeps_what_was_typed(line):
    s = busy()
    for completion in s.complete(line):
        kept = completion.text[: len(line)]
        assert (
            kept.lower() == line.lower()
            or line.strip() == ""
            or completion.text.lower().startswith(line.lower().lstrip())
        )


@pytest.mark.parametrize("name", sorted(group.commands))
def test_completion_leads_from_a_letter_to_a_command_that_can_be_read(name):
    s = busy()
    assert any(c.text == name for c in s.complete(name[0])) or len(name) == 1
    line = name + " "
    for _ in range(6):
        offers = s.complete(line)
        if not offers:
            break
        for offer in offers:
            error = s.decode(offer.text).error
            assert error is None, (offer.text, str(error))
        line = offers[0].text + " "


@given(st.text(max_size=60))
def test_any_text_as_a_script_is_read_or_refused_with_its_place(text):
    path = Path("any.timerlab")
    path.write_text(text, encoding="utf-8", errors="replace")
    if not all(harmless(line) and "save" not in line.lower() for line in text.splitlines()):
        return
    try:
        Session.load("any.timerlab")
    except CommandError as error:
        assert str(error).startswith(f"any.timerlab:{error.line}:{error.column}: ")
        assert 1 <= error.line <= len(text.splitlines()) + 1


@given(st.binary(max_size=60))
def test_any_bytes_as_a_script_are_read_or_refused(data):
    Path("bytes.timerlab").write_bytes(data)
    s = busy()
    before = state(s)
    try:
        s.do("load bytes.timerlab")
    except CommandError:
        assert state(s) == before
