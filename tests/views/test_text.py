"""Every form of section 4 of the design, and the edges where a form changes."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from timerlab.text import (
    bits,
    clock_of_day,
    count,
    date,
    decimal,
    duration,
    duration_exact,
    hexa,
    moment,
    plural,
    ppm,
    rate,
    signed,
    stamp,
)
from timerlab.views import prose
from timerlab.views.decoding import underline
from timerlab.views.rows import plain
from timerlab.views.tone import note_name

PIT = Fraction(105_000_000, 88)


@pytest.mark.parametrize(
    ("value", "digits", "written"),
    [
        (0x43, 2, "43h"),
        (0x4A9, 4, "04A9h"),
        (0x400EC, 8, "0004 00ECh"),
        (0x7793C4956, 16, "0000 0007 793C 4956h"),
        (0x77954960A, 9, "7 7954 960Ah"),
        (0x10000, 4, "1 0000h"),
    ],
)
def test_hexa(value, digits, written):
    assert hexa(value, digits) == written


def test_a_narrow_cell_drops_the_gaps():
    assert hexa(0x77954960A, 9, gaps=False) == "77954960Ah"


@pytest.mark.parametrize(
    ("n", "written"),
    [
        (0, "0"),
        (1193, "1193"),
        (9999, "9999"),
        (10_000, "10 000"),
        (26_032_098_765_142, "26 032 098 765 142"),
        (-5, "−5"),
        (-9999, "−9999"),
        (-26_000, "−26 000"),
    ],
)
def test_count(n, written):
    assert count(n) == written


def test_signed():
    assert [signed(n) for n in (130, 0, -26_000_000_000_000)] == ["+130", "0", "−26 000 000 000 000"]


def test_moment():
    assert moment(12_345_678_901) == "12.345 678 901 s"
    assert moment(0) == "0.000 000 000 s"
    assert stamp(-1_500_000_000) == "−1.500 000 000"
    assert stamp(86_400 * 10**9) == "86 400.000 000 000"


@pytest.mark.parametrize(
    ("ns", "written"),
    [
        (0, "0 ns"),
        (381, "381 ns"),
        (999, "999 ns"),
        (1000, "1.000 µs"),
        (591_195, "591.195 µs"),
        (12_909, "12.909 µs"),
        (1_090_123, "1.090 ms"),
        (1_090_499, "1.090 ms"),
        (1_090_500, "1.091 ms"),
        (999_999_499, "999.999 ms"),
        (999_999_500, "1.000 s"),
        (17_656_000_000, "17.656 s"),
        (-1_271_000, "−1.271 ms"),
        (12_000 * 10**9, "12 000.000 s"),
        (Fraction(1, 3), "0.333 ns"),
        (Fraction(9_999_999, 10_000), "1.000 µs"),
        (Fraction(10**9) / PIT * 18, "15.086 µs"),
    ],
)
def test_duration(ns, written):
    assert duration(ns) == written


def test_an_exact_duration_keeps_every_nanosecond():
    assert duration_exact(1_999_695) == "1.999 695 ms"
    assert duration_exact(999_848) == "999.848 µs"
    assert duration_exact(-838) == "−838 ns"
    assert duration_exact(12_000_000_001) == "12.000 000 001 s"
    assert duration_exact(0) == "0 ns"


@pytest.mark.parametrize(
    ("hz", "places", "written"),
    [
        (PIT / 1193, 3, "1000.152 Hz"),
        (PIT / 18, 3, "66 287.879 Hz"),
        (PIT / 2711, 3, "440.126 Hz"),
        (PIT / 65536, 3, "18.207 Hz"),
        (PIT, 6, "1.193 182 MHz"),
        (PIT, 3, "1.193 MHz"),
        (99_999, 3, "99 999.000 Hz"),
        (100_000, 3, "100.000 kHz"),
        (2_600_000_000, 3, "2.600 GHz"),
        (2_600_000_000, 6, "2.600 000 GHz"),
    ],
)
def test_rate(hz, places, written):
    assert rate(hz, places) == written


def test_rate_in_a_unit():
    assert rate(32_768, unit="kHz") == "32.768 kHz"
    assert rate(PIT / 18, unit="kHz") == "66.288 kHz"


def test_drift():
    assert ppm(Fraction(1524, 10**7)) == "+152.4 ppm"
    assert ppm(0) == "0.0 ppm"
    assert ppm(Fraction(-1, 10**9)) == "0.0 ppm"


def test_bits():
    assert bits(0xB6, 8) == "1011 0110"
    assert bits(5, 3) == "101"
    assert bits(0x155, 9) == "1 0101 0101"


def test_calendar():
    start = "2026-01-01T00:00:00"
    assert clock_of_day(start, 12_345_678_901) == "00:00:12"
    assert date(start, 12_345_678_901) == "Thu 2026-01-01"
    assert date(start, 86_400 * 10**9) == "Fri 2026-01-02"
    assert date(start, 10**30) == clock_of_day(start, 10**30) == "–"


def test_plural():
    assert plural(1, "entry", "entries") == "1 entry"
    assert plural(11_347, "edge") == "11 347 edges"


def test_notes():
    assert note_name(PIT / 2711) == ("A4", "+0.5 cent")
    assert note_name(Fraction(440)) == ("A4", "0.0 cent")
    assert note_name(Fraction(262)) == ("C4", "+2.5 cent")
    assert note_name(Fraction(15)) is None
    assert note_name(PIT / 18) is None


@given(st.integers(-(10**20), 10**20))
def test_counts_and_moments_lose_nothing(n):
    assert int(count(n).replace(" ", "").replace("−", "-")) == n
    assert Fraction(stamp(n).replace(" ", "").replace("−", "-")) == Fraction(n, 10**9)


@given(st.integers(0, 10**18))
def test_a_duration_is_right_to_its_last_digit(ns):
    number, unit = duration(ns).rsplit(" ", 1)
    one = {"ns": 1, "µs": 10**3, "ms": 10**6, "s": 10**9}[unit]
    shown = Fraction(number.replace(" ", "")) * one
    assert abs(shown - ns) * 2 <= Fraction(one, 1 if unit == "ns" else 1000)
    assert unit == "s" or shown < 1000 * one


@given(st.fractions(), st.integers(0, 9))
def test_a_decimal_is_the_nearest(value, places):
    shown = Fraction(decimal(value, places).replace(" ", "").replace("−", "-"))
    assert abs(shown - value) * 2 * 10**places <= 1


def test_no_row_ends_within_a_number() -> None:
    """The blanks between its groups are part of it."""
    rows = prose.rows("abcdefgh 1 193 181 and", 12)
    assert [plain(row) for row in rows] == ["abcdefgh", "1 193 181", "and"]


def test_a_long_line_of_columns_goes_on_under_its_last_column() -> None:
    """Nothing of a page is cut off."""
    rows = prose.rows("```text\n  0  BCD  binary or four decades\n```", 20)
    assert [plain(row) for row in rows] == ["  0  BCD  binary or", "          four", "          decades"]


def test_a_mark_follows_its_text_out_of_sight() -> None:
    """Of a token that is scrolled away in part, only the rest is marked."""
    assert plain(underline(3, 6, 4)) == "───┘"
    assert plain(underline(3, 2, 9)) == ""
