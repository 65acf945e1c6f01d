"""Where the panels stand: the three sizes of the design, and what gives way at all others."""

from __future__ import annotations

import itertools

import pytest

from timerlab.views import layout
from timerlab.views.layout import View, plan
from timerlab.views.panels import CLASSES, GROUPS, rows_of
from timerlab.views.tabs import in_order, panel_at, spans

SIZES = [(80, 24), (120, 40), (200, 60)]
OTHERS = [(79, 25), (100, 30), (120, 24), (120, 30), (140, 30), (160, 50), (180, 40), (200, 40), (200, 50), (240, 70)]


def shown(size: tuple[int, int], *names: str, **given: bool) -> dict[str, tuple[int, int, int, int]]:
    """The panels' regions after some were shown one after the other."""
    view = View(**given)  # type: ignore[arg-type]
    for name in names:
        view.shown = name
    return {name: tuple(region) for name, region in plan(*size, view).items() if name in CLASSES}  # type: ignore[misc]


@pytest.mark.parametrize("size", [*SIZES, *OTHERS, (300, 100)])
@pytest.mark.parametrize("lesson", [False, True])
@pytest.mark.parametrize("before", layout.PANELS)
def test_parts_stand_inside_the_screen_and_never_on_each_other(
    size: tuple[int, int], lesson: bool, before: str
) -> None:
    for given in ({}, {"zoomed": True}, {"inspecting": True}, {"aside": True}):
        view = View(lesson=lesson, note=lesson, **given)  # type: ignore[arg-type]
        view.shown = before
        for view.shown in layout.PANELS:
            parts = plan(*size, view)
            parts.pop("line")  # it lies on the prompt
            for name, region in parts.items():
                assert region.x >= 0 and region.right <= size[0], name
                assert region.y >= 0 and region.bottom <= size[1], name
            for (one, a), (other, b) in itertools.combinations(parts.items(), 2):
                assert not a.overlaps(b), (size, one, other)


@pytest.mark.parametrize("size", [*SIZES, *OTHERS, (300, 100)])
@pytest.mark.parametrize("lesson", [False, True])
def test_the_panel_that_was_asked_for_is_there(size: tuple[int, int], lesson: bool) -> None:
    view = View(lesson=lesson, note=lesson)
    for view.shown in (*layout.PANELS, *reversed(layout.PANELS)):
        assert view.shown in plan(*size, view), view.shown


def test_one_panel_at_80_columns_with_what_rides_with_it() -> None:
    size = (80, 24)
    assert shown(size) == {"pit": (1, 2, 78, 14), "port61": (1, 17, 78, 3)}
    assert shown(size, "port61") == shown(size)
    assert shown(size, "hpet") == {"hpet": (1, 2, 78, 8), "acpi": (1, 11, 78, 3), "log": (1, 15, 78, 5)}
    assert shown(size, "acpi") == shown(size, "hpet")
    assert shown(size, "rtc") == {"rtc": (1, 2, 78, 10), "log": (1, 13, 78, 7)}
    for name in ("apic", "fabric", "waves", "log"):
        assert shown(size, name) == {name: (1, 2, 78, 18)}


def test_two_columns_of_58_over_the_log_at_120() -> None:
    left = {"pit": (1, 2, 58, 14), "port61": (1, 17, 58, 3), "rtc": (1, 21, 58, 10), "log": (1, 32, 118, 4)}
    devices = {"apic": (61, 2, 58, 11), "hpet": (61, 14, 58, 8), "tsc": (61, 23, 58, 8)}
    size = (120, 40)
    assert shown(size) == left | devices
    for name in ("apic", "hpet", "tsc", "rtc", "log"):
        assert shown(size, name) == left | devices
    assert shown(size, "waves") == left | {"waves": (61, 2, 58, 29)}
    assert shown(size, "irq") == left | {"irq": (61, 2, 58, 12), "fabric": (61, 15, 58, 16)}
    assert shown(size, "fabric") == shown(size, "irq")


def test_the_right_page_stays_while_the_left_column_has_the_focus() -> None:
    size = (120, 40)
    assert shown(size, "irq", "pit") == shown(size, "irq")
    assert shown(size, "waves", "rtc", "log") == shown(size, "waves")
    assert "acpi" in shown(size, "acpi", "pit") and "tsc" not in shown(size, "acpi", "pit")
    assert shown(size, "irq", "hpet") == shown(size)


def test_three_columns_of_64_over_waves_and_log_at_200() -> None:
    assert shown((200, 60)) == {
        "pit": (1, 2, 64, 14),
        "port61": (1, 17, 64, 4),
        "rtc": (1, 22, 64, 10),
        "acpi": (1, 33, 64, 3),
        "apic": (68, 2, 64, 13),
        "hpet": (68, 16, 64, 8),
        "irq": (68, 25, 64, 12),
        "tsc": (135, 2, 64, 8),
        "clocks": (135, 11, 64, 13),
        "tree": (135, 25, 64, 9),
        "waves": (1, 38, 131, 17),
        "mem": (135, 38, 64, 5),
        "log": (135, 44, 64, 11),
    }
    parts = plan(200, 60, View())
    assert "tabs" not in parts
    assert [parts[name].y for name in ("prompt", "decoding", "hints")] == [56, 58, 59]


@pytest.mark.parametrize("name", layout.PANELS)
def test_a_large_screen_stays_as_it_is_whatever_has_the_focus(name: str) -> None:
    still = shown((200, 60))
    if name == "fabric":  # there is no room for it beside all others: it takes the place of the clock tree
        del still["tree"]
        still["fabric"] = (135, 25, 64, 12)
    if name == "nested":  # and so does this one, in that of the guest's clocks
        del still["clocks"]
        still["tree"], still["nested"] = (135, 11, 64, 9), (135, 21, 64, 14)
    elif name == "nested":  # as here, that of the guest's clocks
        del still["clocks"]
        still |= {"tree": (135, 11, 64, 9), "nested": (135, 21, 64, 14)}
    assert shown((200, 60), name) == still


@pytest.mark.parametrize("size", [(120, 40), (160, 60), (200, 40), (200, 60), (240, 70), (300, 100)])
@pytest.mark.parametrize("name", layout.PANELS)
def test_panels_are_58_64_or_78_wide_and_have_all_their_rows(size: tuple[int, int], name: str) -> None:
    for panel, (_, _, width, height) in shown(size, name).items():
        spread = size[:2] in ((120, 40), (160, 60), (200, 40)) and any(panel in one for one in layout.SPREADS)
        if panel not in layout.OPEN:
            assert width == size[0] - 2 if spread else width in layout.WIDTHS, panel
            assert height >= min(rows_of(panel, width), rows_of(panel, 64)), panel


def test_help_takes_the_third_column_but_for_the_panel_that_it_is_about() -> None:
    view = View(aside=True)
    assert plan(200, 60, view)["aside"][:] == (135, 11, 64, 26)
    view.shown = "clocks"
    parts = plan(200, 60, view)
    assert parts["clocks"][:] == (135, 2, 64, 13) and parts["aside"][:] == (135, 16, 64, 21)
    assert "tsc" not in parts


def test_the_inspector_leaves_a_column_to_the_panel_it_came_from() -> None:
    view = View(inspecting=True)
    view.shown = "hpet"
    parts = plan(200, 60, view)
    assert parts["inspector"][:] == (1, 2, 131, 53)
    assert parts["hpet"][:] == (135, 2, 64, 8) and parts["acpi"].y == 11 and parts["log"].bottom == 55


def test_clocks_and_memory_take_the_width_of_a_medium_screen() -> None:
    assert shown((120, 40), "clocks") == {"clocks": (1, 2, 118, 34)}
    assert shown((120, 40), "mem")["mem"][2] == 118
    assert shown((80, 24), "clocks") == {"clocks": (1, 2, 78, 18)}
    assert shown((80, 24), "mem") == {"mem": (1, 2, 78, 18)}


def test_the_clock_tree_takes_the_width_of_a_medium_screen() -> None:
    assert shown((120, 40), "tree")["tree"][:3] == (1, 2, 118)
    assert shown((80, 24), "tree") == {"tree": (1, 2, 78, 18)}
    assert shown((120, 40), "tree", "rtc") == shown((120, 40))


def test_a_low_screen_keeps_whole_panels() -> None:
    assert set(shown((120, 30))) == {"pit", "port61", "apic", "acpi", "log"}
    assert set(shown((120, 30), "tsc")) == {"pit", "port61", "hpet", "tsc", "log"}
    assert shown((80, 18), "port61") == {"pit": (1, 2, 78, 8), "port61": (1, 11, 78, 3)}


def test_a_lesson_leaves_its_panel_in_sight() -> None:
    small = shown((80, 24), "rtc", lesson=True, note=True)
    assert small["rtc"][1] == 9
    medium = shown((120, 40), "hpet", lesson=True, note=True)
    assert medium["hpet"][0] == 49 and "waves" in medium
    large = shown((200, 60), "tsc", lesson=True, note=True)
    assert {"pit", "rtc", "tsc", "waves", "log"} <= set(large)


def test_typing_moves_no_panel() -> None:
    still = plan(80, 24, View())
    typing = plan(80, 24, View(mistake=True, decoded=2))
    assert all(typing[name] == still[name] for name in ("pit", "port61", "tabs", "topbar", "hints"))


@pytest.mark.parametrize("size", [(1, 1), (2, 2), (5, 3), (20, 5), (80, 6), (79, 7), (40, 10), (500, 2), (2, 500)])
def test_no_size_is_too_small(size: tuple[int, int]) -> None:
    for lesson, zoomed in itertools.product((False, True), repeat=2):
        for name in layout.PANELS:
            view = View(lesson=lesson, note=lesson, zoomed=zoomed, mistake=True, decoded=2)
            view.shown = name
            assert "prompt" in plan(*size, view) or size[0] < 3


def test_tabs_lie_as_their_keys_do_and_fit_80_columns() -> None:
    tabs = in_order((kind.KEY, name, kind.TAB) for name, kind in CLASSES.items() if kind.TAB)
    assert "".join(key for key, _, _ in tabs) == "1234567890wl"
    row = "".join(text for text, _ in spans(tabs, 80, "pit", {"pit"}, {name for _, name, _ in tabs}))
    assert len(row) <= 80 and " 0fab• wave• log•" in row
    assert [panel_at(tabs, row.index(text), 80) for _, _, text in tabs] == [name for _, name, _ in tabs]
    wide = "".join(text for text, _ in spans(tabs, 120, "pit", {"pit"}, set()))
    assert " 7 clk   8 tree   9 mem   0 fab " in wide
    assert all(rider in CLASSES for group in GROUPS.values() for rider in group)
