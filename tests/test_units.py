"""Numbers, times and rates as people write them."""

import contextlib
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from timerlab.clock import Clock
from timerlab.units import LONGEST_NS, RATE_MAX, RATE_MIN, UNITS, Span, parse_hz, parse_number, parse_rate, parse_time

CLOCKS = {"ns": Clock(1, 1), "pit": Clock.at(Fraction(105_000_000, 88))}


@pytest.mark.parametrize("text", ["0x34", "34h", "0b110100", "52", "0X34", "34H", "0B110100", "052", "034h"])
def test_a_number_has_four_ways_to_be_written(text):
    assert parse_number(text) == 52
    assert parse_number("-" + text) == -52
    assert parse_number("−" + text) == -52


@given(st.integers(0, 1 << 64))
def test_every_number_reads_back(n):
    for text in (str(n), f"{n:x}h", f"{n:X}h", f"{n:#x}", f"{n:#b}"):
        assert parse_number(text) == n


BAD_NUMBERS = [
    "",
    "-",
    "−",
    "--5",
    "0x",
    "h",
    "0b",
    "0b2",
    "34g",
    "1.5",
    "1e3",
    "0x34h",
    "+5",
    " 5",
    "5 ",
    "²",
    "٣",
    "1_000",
    "0o17",
    "a9",
    "",
]


@pytest.mark.parametrize("text", [*BAD_NUMBERS, "9" * 5000, "0x" + "f" * 5000])
def test_what_is_no_number_is_said_so_in_a_line(text):
    with pytest.raises(ValueError) as said:
        parse_number(text)
    assert len(str(said.value).splitlines()) == 1
    assert "int_max_str" not in str(said.value)
    assert len(str(said.value)) < 200


def test_0b_forms_can_be_hex_too():
    # the one ambiguity: 0b10h ends in h, and is hex
    assert parse_number("0b10h") == 0x0B10


TIMES = [
    ("0", 0),
    ("838", 838),
    ("838ns", 838),
    ("1.5us", 1500),
    ("1.5µs", 1500),
    ("1.5μs", 1500),  # the Greek letter, as many keyboards have it
    ("10ms", 10_000_000),
    ("0.000001ms", 1),
    ("1s", 10**9),
    ("2min", 120 * 10**9),
    ("1hr", 3600 * 10**9),
    ("1day", 86_400 * 10**9),
    ("1y", 365 * 86_400 * 10**9),
    ("0.5y", 365 * 43_200 * 10**9),
    ("10MS", 10_000_000),
    ("1000y", LONGEST_NS),
    ("1.000ns", 1),
]


@pytest.mark.parametrize(("text", "ns"), TIMES)
def test_a_time_is_whole_nanoseconds(text, ns):
    assert parse_time(text, CLOCKS) == Span(ns)


def test_clock_names_count_ticks_of_the_clock():
    span = parse_time("100pit", CLOCKS)
    assert span == Span(100, "pit")
    for now in (0, 1, 838, 839, 10**12 + 5):
        pit = CLOCKS["pit"]
        assert span.after(now, CLOCKS) == pit.ns(pit.ticks(now) + 100)
    assert span.moment(CLOCKS) == CLOCKS["pit"].ns(100)
    assert parse_time("1.0pit", CLOCKS) == Span(1, "pit")


BAD_TIMES = {
    "": "not a time",
    "ms": "not a time",
    "-5": "negative",
    "-5ms": "negative",
    "−5ms": "negative",
    "0.5ns": "finer than 1 ns",
    "0.5": "finer than 1 ns",
    "1.0001us": "finer than 1 ns",
    "0.0000000001s": "finer than 1 ns",
    "5h": "5hr",
    "5parsecs": "no unit parsecs",
    "5hpet": "no unit hpet",
    "1.5pit": "whole",
    "1e3": "no unit e3",
    "1,5ms": "not a time",
    "1.ms": "not a time",
    ".5ms": "not a time",
    "0x10": "no unit x10",
    "²": "not a time",
    "1001y": "too long",
    "9" * 150: "too long",
    "9" * 5000: "too long",
    "9" * 150 + "pit": "too long",
    "31536000000000000000pit": "too long",
    "1" + "." + "0" * 5000 + "s": "too long",
}


@pytest.mark.parametrize(("text", "why"), BAD_TIMES.items())
def test_a_bad_time_says_what_is_wrong_in_a_line(text, why):
    with pytest.raises(ValueError, match=why) as said:
        parse_time(text, CLOCKS)
    assert len(str(said.value).splitlines()) == 1


@given(st.integers(0, 10**15), st.sampled_from(sorted(UNITS)))
def test_a_time_is_never_rounded(ns, unit):
    exact = Fraction(ns, UNITS[unit])
    whole, part = divmod(exact.numerator * 10**20, exact.denominator)
    digits = f"{whole:021d}"
    text = f"{digits[:-20]}.{digits[-20:]}{unit}"
    if part:
        with pytest.raises(ValueError, match="finer"):
            parse_time(text, CLOCKS)
    else:
        assert parse_time(text, CLOCKS) == Span(ns)


@given(st.integers(0, 10**16), st.sampled_from([None, "pit"]))
def test_a_span_reads_back_from_its_own_text(amount, clock):
    span = Span(amount, clock)
    assert parse_time(str(span), CLOCKS) == span


RATES = [
    ("1", Fraction(1)),
    ("1/1000", Fraction(1, 1000)),
    ("0.5", Fraction(1, 2)),
    ("10ms/s", Fraction(1, 100)),
    ("1pit/s", Fraction(88, 105_000_000)),
    ("1000000", RATE_MAX),
    ("1/10000000", RATE_MIN),
    ("100ns/s", RATE_MIN),
]


@pytest.mark.parametrize(("text", "rate"), RATES)
def test_a_rate_is_an_exact_fraction(text, rate):
    assert parse_rate(text, CLOCKS) == rate


BAD_RATES = [
    "",
    "0",
    "-1",
    "1/0",
    "1/00",
    "1000001",
    "1/10000001",
    "99ns/s",
    "x",
    "1/2/3",
    "1.5/2",
    "ms/s",
    "1e3",
    "/s",
]


@pytest.mark.parametrize("text", [*BAD_RATES, "9" * 5000, "1/" + "9" * 5000, "9" * 5000 + "/s", "²", "1/²"])
def test_a_bad_rate_is_refused(text):
    with pytest.raises(ValueError) as said:
        parse_rate(text, CLOCKS)
    assert len(str(said.value).splitlines()) == 1
    assert "int_max_str" not in str(said.value)


def test_a_clock_of_an_option_is_a_number_or_a_fraction():
    assert parse_hz("1193182") == 1_193_182
    assert parse_hz("13125000/11") == Fraction(13_125_000, 11)
    assert parse_hz("1193181.5") == Fraction(2_386_363, 2)
    for text in ("", "x", "1/0", "1e9", "1e999999999", "-5", "nan", "inf", "9" * 5000, "1_000", " 1"):
        with pytest.raises(ValueError):
            parse_hz(text)


@given(st.text(max_size=12))
def test_any_text_is_a_value_or_a_value_error(text):
    for read in (parse_number, lambda t: parse_time(t, CLOCKS), lambda t: parse_rate(t, CLOCKS), parse_hz):
        with contextlib.suppress(ValueError):
            read(text)
