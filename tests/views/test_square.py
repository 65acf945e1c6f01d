"""Square waves and their axis as text."""

from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from timerlab.views.square import cell_of, draw, nice_step, ruler, series


@dataclass
class Cells:
    """A wave by hand."""

    start: int
    counts: list[int]

    @property
    def levels(self) -> list[int]:
        levels, level = [], self.start
        for edges in self.counts:
            level ^= edges & 1
            levels.append(level)
        return levels


def test_a_square_wave():
    upper, lower = draw(Cells(0, [1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0]))
    assert upper == "┏━━━┓   ┏━━"
    assert lower == "┛   ┗━━━┛  "


def test_a_pulse_narrower_than_a_cell_stays_visible():
    assert draw(Cells(1, [0, 2, 0, 0, 2])) == ("━┳━━┳", " ╹  ╹")
    assert draw(Cells(0, [0, 2, 0])) == (" ╻ ", "━┻━")


def test_three_edges_are_dense():
    assert draw(Cells(1, [0, 3, 0, 4])) == ("━░ ░", " ░━░")


def test_a_run_of_unlike_cells_is_dense_as_a_whole():
    assert draw(Cells(1, [0, 2, 2, 3, 2, 0])) == ("━░░░░ ", " ░░░░━")
    assert draw(Cells(1, [0, 2, 2, 2])) == ("━┳┳┳", " ╹╹╹")


def test_the_ascii_form_has_the_same_columns():
    assert draw(Cells(0, [0, 1, 0, 1, 2, 3]), ascii=True) == (" /-/##", "_/ /##")
    assert draw(Cells(1, [0, 2, 0]), ascii=True) == ("---", " / ")


def test_the_ruler_counts_from_now():
    unit, ticks, labels = ruler(-2_000_000, 400_000, 0, 64)
    assert unit == "ms"
    assert labels == "           −1.5         −1.0          −0.5          now         "
    assert ticks == [0, 13, 26, 40]


def test_the_ruler_of_a_window_without_now():
    unit, _, labels = ruler(10_000_000, 10_001_000, 0, 64)
    assert unit == "µs"
    assert "now" not in labels and "+10 000.2" in labels


def test_steps_are_1_2_5():
    assert [nice_step(2_400_000, 64, 10), nice_step(64, 64, 10), nice_step(10**9, 100, 10)] == [500_000, 10, 10**8]
    assert [series(n) for n in (1, 2, 7, 10, 50_000)] == [(1, 2), (1, 5), (5, 10), (5, 20), (20_000, 100_000)]


@given(st.integers(-(10**12), 10**12), st.integers(1, 300), st.integers(1, 10**9), st.integers(0, 10**9))
def test_a_moment_lies_in_its_cell(lo, cells, span, offset):
    ns = lo + offset % span
    at = cell_of(ns, lo, span, cells)
    assert lo + span * at // cells <= ns < lo + span * (at + 1) // cells


@given(st.integers(0, 1), st.lists(st.integers(0, 5), max_size=80))
def test_every_cell_is_one_character(start, counts):
    for ascii in (False, True):
        upper, lower = draw(Cells(start, counts), ascii)
        assert len(upper) == len(lower) == len(counts)


@given(st.integers(-(10**15), 10**15), st.integers(1, 10**13), st.integers(20, 150))
def test_labels_never_touch_and_fill_the_axis(lo, cell, cells):
    hi = lo + cell * cells
    _, ticks, labels = ruler(lo, hi, 0, cells)
    assert len(labels) == cells
    assert all(0 <= tick < cells for tick in ticks)
