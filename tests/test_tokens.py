"""Words of a line, with their columns."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from timerlab import CommandError, Session
from timerlab.tokens import Token, column_of, split, strip_comment

lines = st.text(st.sampled_from(list("ab1#= \t'\"\\é–")), max_size=30)


@given(lines, st.integers(1, 9))
def test_words_stand_where_their_columns_say(line, column):
    tokens = split(line, column)
    for token in tokens:
        at = token.column - column
        assert line[at : at + len(token)] == token
        assert at == 0 or line[at - 1].isspace()
    assert [str(token) for token in tokens] == line.split()


@given(lines)
def test_a_comment_begins_at_the_start_or_after_two_blanks_only(line):
    kept = strip_comment(line)
    assert line.startswith(kept)
    if kept != line:
        rest = line[len(kept) :]
        assert rest.lstrip(" \t").startswith("#")
        assert not kept.strip(" \t") or rest[:2].isspace()
    assert strip_comment(kept) == kept


COMMENTS = {
    "# all of it": "",
    "   # all of it": "",
    "#": "",
    "\t# x": "",
    "outb 43h 36h  # mode 3": "outb 43h 36h",
    "outb 43h 36h\t\t# mode 3": "outb 43h 36h",
    "outb 43h 36h \t# mode 3": "outb 43h 36h",
    "goto #12": "goto #12",
    "goto #12  # there": "goto #12",
    "goto#12": "goto#12",
    "skip 5  #": "skip 5",
}


@pytest.mark.parametrize(("line", "kept"), COMMENTS.items())
def test_comments(line, kept):
    assert strip_comment(line) == kept


NOTES = {
    'note it\'s "so"': 'it\'s "so"',
    "note  two  blanks  # and no comment": "two  blanks  # and no comment",
    "note": "",
    "note #": "#",
    "  NOTE x ": "x",
    "note\ttab": "tab",
    "note -5 --help -- =": "-5 --help -- =",
}


@pytest.mark.parametrize(("line", "words"), NOTES.items())
def test_a_note_takes_the_raw_rest_of_its_line(line, words):
    s = Session()
    assert s.do(line).text == words
    assert s.log[0].kind == "note"


@pytest.mark.parametrize("line", ["", "  ", "# x", "   # outb 43h 36h", "\t"])
def test_empty_lines_and_comments_do_nothing(line):
    s = Session()
    assert s.do(line).ok
    assert (s.now, list(s.log)) == (0, [])


@pytest.mark.parametrize("mark", ["\n", "\r", "\v", "\f", "\x1c", "\x1d", "\x1e", "\x85", "\u2028", "\u2029", "\ud800"])
def test_what_a_line_of_a_file_cannot_hold_is_refused(mark):
    s = Session()
    for line in (f"note a{mark}outb 43h 36h", f"outb 43h{mark}36h", f"x{mark}y"):
        with pytest.raises(CommandError) as said:
            s.do(line)
        assert line[said.value.column - 1] == mark
    assert not s.log
    # at the ends it is only white space
    if mark != "\ud800":
        s.do(f"{mark}outb 43h 36h{mark}")
        assert s.log[0].text == "outb 43h 36h"


def test_a_word_from_elsewhere_has_the_default_column():
    assert column_of("x", 7) == 7
    assert column_of(Token("x", 3), 7) == 3
