"""The one text format: head, `@ns`, commands; errors with file, line and column, and nothing carried out."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from timerlab import CommandError, ScriptError, Session
from timerlab.lesson import Lesson, open_lesson
from timerlab.script import KEYS, read_head, read_lines

HEAD = "#: timerlab = 0.1.0\n#: profile = qemu\n"


def write(tmp_path, text):
    path = tmp_path / "s.timerlab"
    path.write_text(text, encoding="utf-8")
    return str(path)


def test_a_script_is_a_head_and_a_command_a_line(tmp_path):
    path = write(
        tmp_path,
        "#: timerlab = 0.1.0\n#: title = Two things: a = b  # no comment\n#: profile = qemu\n"
        "#: quirks = refresh=clock, odd_mode3=harris\n#: pit_hz = 13125000/11\n#: start = 2020-01-01T00:00:00\n"
        "# a comment\n\n   # another\noutb 43h 36h  # mode 3\n@1500 inb 40h\n  @2000\n"
        "note it's  # raw\n@2000 inb 40h\n@3000\n",
    )
    s = Session.load(path)
    assert s.now == 3000
    assert s.head["title"] == "Two things: a = b  # no comment"
    assert s.options.profile == "qemu"
    assert s.options.quirks["refresh"] == "clock" and s.options.quirks["odd_mode3"] == "harris"
    assert s.options.pit_hz * 11 == 13_125_000
    assert [(e.text, e.t_ns) for e in s.log if e.kind != "advance"] == [
        ("outb 43h 36h  # mode 3", 0),
        ("inb 40h", 1500),
        ("note it's  # raw", 2000),
        ("inb 40h", 2000),
    ]


BAD = [
    ("outb 43h 36h\n\notub 1 2\n", 3, 1, "no command"),
    ("outb 43h 36h\n@1500 outb 43h 1ff\n", 2, 16, "1ffh"),
    ("outb 43h 36h\n   outb 43h 1ff\n", 2, 13, "1ffh"),
    ("@1500 until\n", 1, 12, "condition is missing"),
    ("@1500 expect\n", 1, 13, "condition is missing"),
    ("@1500 outb\n", 1, 11, "wants PORT"),
    ("@1500 explain\n", 1, 14, "wants a command"),
    ("@1500   replay x --most y\n", 1, 25, "--most"),
    ("@5 note x\n@4 note y\n", 2, 1, "before @5"),
    ("  @5 note x\n  @4 note y\n", 2, 3, "before @5"),
    ("@\n", 1, 1, "moment in ns"),
    ("@x note\n", 1, 1, "moment in ns"),
    ("@5x note\n", 1, 1, "moment in ns"),
    ("@1.5 note\n", 1, 1, "moment in ns"),
    ("@-5 note\n", 1, 1, "moment in ns"),
    ("@" + "9" * 30 + " note\n", 1, 1, "too late"),
    ("@" + "9" * 5000 + " note\n", 1, 1, "too late"),
    ("note x\nrun\n", 2, 1, "needs a screen"),
    ("note x\n@5   run  # here\n", 2, 6, "needs a screen"),
    ("note x\nload y\n", 2, 1, "load cannot"),
    ("#: profle = qemu\n", 1, 4, "no key profle"),
    ("#: profile\n", 1, 1, "head line"),
    ("#:\n", 1, 1, "head line"),
    ("note x\n#: Profile = qemu\n", 2, 1, "head line"),
]


@pytest.mark.parametrize(("text", "line", "column", "message"), BAD)
def test_an_error_names_file_line_and_column_and_nothing_is_carried_out(tmp_path, text, line, column, message):
    path = write(tmp_path, text)
    s = Session()
    s.do("outb 43h 34h")
    before = s.machine.digest(), len(s.log)
    for go in (Session.load, open_lesson):
        with pytest.raises(ScriptError) as said:
            go(path)
        assert str(said.value).startswith(f"{path}:{line}:{column}: ")
        assert message in str(said.value)
        assert len(str(said.value).splitlines()) == 1
    with pytest.raises(CommandError) as told:
        s.do(f"load {path}")
    assert (told.value.line, told.value.column) == (1, 6)
    assert f"{path}:{line}:{column}: " in str(told.value)
    assert (s.machine.digest(), len(s.log)) == before


BAD_OPTIONS = [
    "profile = bochs",
    "quirks = odd_mode3=amd",
    "quirks = nothing=x",
    "quirks = odd_mode3",
    "pit_hz = x",
    "pit_hz = 0",
    "pit_hz = 1/0",
    "pit_hz = 1e999999999",
    "pit_hz = nan",
    "vcpus = 65",
    "vcpus = x",
    "vcpus = ²",
    "guest = nobody",
    "start = yesterday",
]


@pytest.mark.parametrize("option", BAD_OPTIONS)
def test_a_bad_option_in_the_head_is_a_script_error(tmp_path, option):
    path = write(tmp_path, f"#: title = x\n#: {option}\nnote x\n")
    with pytest.raises(ScriptError) as said:
        Session.load(path)
    assert str(said.value).startswith(path + ":")
    assert len(str(said.value).splitlines()) == 1


@pytest.mark.parametrize("option", BAD_OPTIONS)
def test_a_bad_option_is_reported_at_its_own_line(tmp_path, option):
    path = write(tmp_path, f"#: title = x\n#: {option}\nnote x\n")
    with pytest.raises(ScriptError) as said:
        Session.load(path)
    assert said.value.line == 2


def test_a_moment_that_execution_has_passed_is_an_error_at_its_line(tmp_path):
    path = write(tmp_path, "skip 1ms\n@5 note x\n")
    with pytest.raises(ScriptError) as said:
        Session.load(path)
    assert said.value.line == 2
    assert "past" in str(said.value)


def test_a_script_that_loads_itself_ends(tmp_path):
    path = tmp_path / "s.timerlab"
    path.write_text(f"note x\nload {path}\n")
    with pytest.raises(CommandError):
        Session.load(path)


def test_no_file_is_a_command_error_or_an_os_error(tmp_path):
    for name in ("no-such-thing", str(tmp_path / "nothing"), "~nobody-at-all/x", "", ".", "..", "a\0b"):
        with pytest.raises((CommandError, OSError)):
            Session.load(name)


def test_windows_line_ends_and_a_missing_last_one_are_fine(tmp_path):
    path = tmp_path / "s.timerlab"
    path.write_bytes(b"#: profile = qemu\r\noutb 43h 36h\r\n@1500 inb 40h")
    s = Session.load(path)
    assert (s.now, s.options.profile, [e.text for e in s.log if e.kind == "command"]) == (
        1500,
        "qemu",
        ["outb 43h 36h", "inb 40h"],
    )


@given(st.sampled_from(KEYS), st.text(st.characters(exclude_categories=("Cs", "Cc", "Zl", "Zp")), max_size=30))
def test_a_head_says_what_was_written(key, value):
    assert read_head(f"#: {key} = {value}\n", "x") == {key: value.strip()}


@given(st.text(max_size=80))
def test_any_text_is_read_or_refused(text):
    words = Session().words
    try:
        head = read_head(text, "x")
        lines = read_lines(text, "x", words)
    except ScriptError as error:
        assert 1 <= error.line <= max(1, len(text.splitlines()))
    else:
        assert set(head) <= set(KEYS)
        assert [line.number for line in lines] == sorted({line.number for line in lines})


LESSON = """#: title = A lesson
note one
note two
outb 43h 36h
expect pit.ch0.mode == 3
note three
expect pit.ch0.mode == 2
@1000
note four
"""


def test_a_lesson_is_played_note_by_note():
    lesson = Lesson(LESSON, "x.timerlab")
    assert (lesson.title, lesson.total, lesson.done, lesson.finished) == ("A lesson", 2, 0, False)
    lesson.to_note()
    assert lesson.note == "one\ntwo"
    assert lesson.session.peek("pit.ch0.mode") is None
    lesson.to_note()
    assert (lesson.note, lesson.done) == ("three", 1)
    lesson.back()
    assert (lesson.note, lesson.at, lesson.done) == ("one\ntwo", 2, 0)
    lesson.to_note()
    lesson.to_note()
    assert (lesson.note, lesson.finished, lesson.done, lesson.session.now) == ("four", True, 1, 1000)
    assert lesson.next() is None and lesson.to_note() is None
    assert [r.ok for r in lesson.results] == [True, True, True, True, True, False, True, True]
    lesson.restart()
    assert (lesson.at, lesson.session.now, lesson.note) == (0, 0, "")


def test_a_lesson_and_a_load_come_to_the_same_state(tmp_path):
    path = write(tmp_path, LESSON)
    lesson = open_lesson(path)
    while not lesson.finished:
        lesson.next()
    s = Session.load(path)
    assert (s.now, s.machine.digest()) == (lesson.session.now, lesson.session.machine.digest())


def test_a_byte_that_is_not_utf_8_has_its_line_and_column(tmp_path):
    path = tmp_path / "x.timerlab"
    path.write_bytes("skip 1\r\nnote é ".encode() + b"\xff\n")
    with pytest.raises(ScriptError) as said:
        Session.load(path)
    assert (said.value.line, said.value.column) == (2, 8)


def test_a_byte_order_mark_is_no_word(tmp_path):
    path = tmp_path / "x.timerlab"
    path.write_bytes(b"\xef\xbb\xbf#: profile = qemu\nskip 1\n")
    assert Session.load(path).options.profile == "qemu"


def test_a_trace_that_is_not_there_is_found_before_anything_is_carried_out(tmp_path):
    with pytest.raises(ScriptError) as said:
        Lesson("skip 1ms\n  replay no.trace\n", "x", str(tmp_path))
    assert (said.value.line, said.value.column, said.value.length) == (2, 10, 8)


def test_operators_may_touch_a_command_as_well():
    s = Session()
    assert s.do("expect inb 43h==ffh").ok
    assert not s.do("expect inb 43h!=ffh").ok
