"""The line plot, as text."""

from __future__ import annotations

import pytest

from timerlab.views.plot import Cause, Series, end_of, nice, plot, scale_of, short
from timerlab.views.rows import plain, width_of

S, MS, US = 10**9, 10**6, 10**3


def line(name: str, *points: tuple[int, int], role: str = "text") -> Series:
    """A line through points."""
    return Series(name, role, points)


def text(series: list[Series], hi: int, width: int = 40, height: int = 6, **more: object) -> list[str]:
    """The plot's rows as text, each of exactly its width."""
    rows = plot(series, 0, hi, width, height, **more)  # type: ignore[arg-type]
    assert len(rows) == height and [width_of(row) for row in rows] == [width] * height
    return [plain(row) for row in rows]


def test_a_line_that_rises_ends_at_its_name() -> None:
    assert text([line("ticks", (0, 0), (10 * S, 2 * MS))], 10 * S) == [
        "    +2 ms┤                 ⣀⠤⠒⠉ ticks",
        "         │            ⢀⡠⠤⠒⠉",
        "         │        ⢀⡠⠔⠊⠁",
        "         │    ⣀⠤⠒⠊⠁",
        "        0┤⣀⠤⠒⠉┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈",
        "         └0 s",
    ]


JUMP = line("ticks", (0, 0), (5 * S, MS), (5 * S + 1, -MS), (10 * S, 0))


def test_a_jump_is_a_stroke_with_its_cause_under_it() -> None:
    assert text([JUMP], 10 * S, 44, causes=[Cause(5 * S, "2 ticks lost", -MS, MS)]) == [
        "    +1 ms┤        ⣀⡠⠔⠊⡇",
        "         │   ⢀⡠⠔⠒⠉    ⡇",
        "        0┤⠤⠒⠉⠁┈┈┈┈┈┈┈┈⡇┈┈┈┈┈┈┈┈┈⢀⣀⠤ ticks",
        "         │            ⡇    ⣀⡠⠤⠒⠊⠁",
        "    −1 ms┤            ⣇⠤⠔⠊⠉",
        "         └0 s         5 s: 2 ticks lost",
    ]


def test_a_roomy_plot_has_a_ruler_and_the_cause_beside_the_jump_and_not_on_zero() -> None:
    cause = Cause(5 * S, "2 lost", -MS, MS)
    assert text([JUMP], 10 * S, 60, 12, left=12, names=10, causes=[cause]) == [
        "       +1 ms┤               ⣀⠤⠒⡇",
        "            │           ⢀⡠⠔⠉   ⡇",
        "            │        ⣀⠔⠊⠁      ⡇",
        "            │    ⢀⠤⠒⠉          ⡇",
        "            │⢀⡠⠔⠊⠁             ⡇ ◄ 2 lost",
        "           0┤⠁┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈⡇┈┈┈┈┈┈┈┈┈┈┈┈┈┈⢀⡠⠔⠊ ticks",
        "            │                  ⡇          ⢀⡠⠔⠊⠁",
        "            │                  ⡇      ⢀⡠⠔⠊⠁",
        "            │                  ⡇  ⢀⡠⠔⠊⠁",
        "       −1 ms┤                  ⡧⠔⠊⠁",
        "            └┴─────────────────┴─────────────────┴",
        "             0 s               5 s               10 s",
    ]
    mirrored = line("ticks", (0, 0), (5 * S, -MS), (5 * S + 1, MS), (10 * S, 0))
    beside = text([mirrored], 10 * S, 60, 14, left=12, names=10, causes=[cause])
    assert [row for row in beside if "◄ 2 lost" in row and "┈" not in row]


def test_a_line_at_zero_is_the_dotted_one_and_takes_no_room_below_it() -> None:
    rows = text([line("ticks", (0, 0), (S, MS)), line("kvmclock", (0, -1), (S, -1))], S)
    assert rows[0].startswith("    +1 ms┤") and rows[4] == "        0┤⣀⠤⠒⠉┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈ kvmclock"


def test_only_flat_lines_have_a_scale_of_their_own() -> None:
    assert text([line("HPET", (0, -1), (S, -1))], S)[2] == "        0┤┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈ HPET"
    assert scale_of([], 5) == (600, -600, 200)


def test_the_first_line_gives_a_shared_cell_its_role() -> None:
    first, second = line("a", (0, 0), (S, MS), role="attention"), line("b", (0, 0), (S, MS), role="interactive")
    roles = {role for row in plot([first, second], 0, S, 40, 6) for text, role in row if "⠉" in text or "⡠" in text}
    assert roles == {"attention"}


def test_a_second_name_in_a_row_goes_to_the_next_one_and_a_third_is_left_out() -> None:
    rows = text([line(name, (0, 0), (S, end * US)) for name, end in (("a", 100), ("b", 90), ("c", 99))], S)
    assert [row[31:].strip() for row in rows[:5]] == ["a", "b", "", "", ""]


def test_of_two_lines_that_end_together_the_first_is_named_and_zero_keeps_its_name() -> None:
    lines = [line("a", (0, 0), (S, 300 * US)), line("b", (0, 0), (S, 300 * US)), line("c", (0, 0), (S, 0))]
    assert [row[31:].strip() for row in text([*lines, line("d", (0, 0), (S, 2 * MS))], S)[:5]] == [
        "d",
        "",
        "",
        "a",
        "c",
    ]


def test_ascii_has_no_dots() -> None:
    assert text([line("ticks", (0, 0), (10 * S, 2 * MS))], 10 * S, ascii=True)[2:5] == [
        "         │        _--''",
        "         │    _-'''",
        "        0┤_-''.................",
    ]


def test_points_outside_of_the_axis_are_left_out_and_no_time_at_all_is_no_error() -> None:
    assert text([line("a", (-S, 5 * MS), (0, 0), (S, 0))], S)[4].startswith("        0┤┈")
    assert plot([], 0, 0, 40, 6)[5]


@pytest.mark.parametrize(
    ("ns", "shown"),
    [(0, "0"), (S, "+1 s"), (-2_500_000, "−2.5 ms"), (200_000, "+200 µs"), (-50, "−50 ns"), (1_200 * S, "+1200 s")],
)
def test_labels_are_round_and_short(ns: int, shown: str) -> None:
    assert short(ns, sign=True) == shown


@pytest.mark.parametrize("height", [4, 6, 9, 13, 16])
@pytest.mark.parametrize(
    "values", [(0, 1), (-3, 5), (0, 1_271_000), (-1_900_000, 1_250_000), (-(10**12), 7), (5, 10**15)]
)
def test_the_scale_holds_all_values_and_zero_at_whole_steps(values: tuple[int, int], height: int) -> None:
    scale = scale_of([line("a", (0, values[0]), (1, values[1]))], height)
    dot = (scale.top - scale.bottom) // (4 * height - 1) + 1
    assert scale.bottom <= min(0, *values) + dot and scale.top >= max(0, *values) - dot
    assert scale.top > scale.bottom and scale.top % scale.step == 0 == scale.bottom % scale.step
    assert (scale.top - scale.bottom) // scale.step <= max(1, (height - 1) // 3 if height >= 10 else 2 * height - 2) + 1


def test_points_behind_the_last_ones_are_the_lines_ends() -> None:
    one = line("a", (0, 0), (S // 2, MS))
    joined = text([line("a", (0, 0), (S // 2, MS), (S, -MS))], S)
    assert text([one], S, ends=[(S, -MS)]) == joined and joined[4].endswith("a")
    assert text([line("a")], S, ends=[(S, -MS)])[4].endswith("a")
    assert text([one], S, ends=[(2 * S, -MS)])[4] == "    −1 ms┤"


def test_a_line_on_one_row_is_straight() -> None:
    points = tuple((at * S // 50, MS - at % 3) for at in range(51))
    assert text([line("a", *points)], S)[0] == "    +1 ms┤" + "⠉" * 21 + " a"


def test_an_axis_stands_still_while_time_goes_on() -> None:
    ends = {end_of(0, 12 * S + ms * MS) for ms in range(1, 200)}
    assert len(ends) == 1 and ends.pop() - 12 * S < S
    assert end_of(0, 0) > 0 and end_of(7, 7) > 7


def test_nice_numbers() -> None:
    assert [nice(n) for n in (0, 1, 3, 5, 6, 11, 200, 201)] == [1, 1, 5, 5, 10, 20, 200, 500]
