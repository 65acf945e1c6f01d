"""The nested guests' rows, on benches by hand and on sessions: the arithmetic as text, what the cursor stands on."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest
from nestedrig import RATIO, Bench, G, example

import timerlab.commands.nested  # noqa: F401
from timerlab import Session
from timerlab.scaling import SVM_FRAC
from timerlab.views import nested
from timerlab.views.frame import Camera, Frame
from timerlab.views.nested import NestedPanel, chosen, fit, ratio_text
from timerlab.views.rows import plain, width_of

WIDTHS = (58, 64, 78, 118)


def frame(bench: Bench, marks: dict[str, str] | None = None, vcpus: int = 1, **quirks: str) -> Frame:
    """The frame of a bench."""
    cpu, now = bench.cpu, bench.now
    rules = {"vendor": "amd" if bench.nested.svm else "intel", "nested": "on", "nested_rounding": "truncate"} | quirks
    peeks = {"vcpu0.host": cpu.host_tsc(now), "vcpu0.l1tsc": cpu.l1_tsc(now), **bench.nested.peek(now)}
    options = SimpleNamespace(vcpus=vcpus, quirks=rules)
    return Frame(now, peeks, cast(Any, None), cast(Any, options), marks or {})


def text(seen: Frame, width: int = 58) -> list[str]:
    """The rows as text, each of exactly the panel's width."""
    table = nested.rows(seen, width)
    assert [width_of(row) for row in table] == [width] * len(table)
    return [plain(row) for row in table]


def roles(seen: Frame, row: int, width: int = 58) -> dict[str, str]:
    """The role of each text in a row."""
    return {part.strip(): role for part, role in nested.rows(seen, width)[row]}


def test_the_example_while_l2_runs() -> None:
    assert text(frame(example(SVM_FRAC))) == [
        "level                       TSC           offset     ratio",
        "L0               10 000 000 000",
        "L1                6 000 000 000   −4 000 000 000 1.000 000",
        "L2 ►              7 000 000 000    1 000 000 000 1.000 000",
        "o01 · m12        −4 000 000 000   o01 as it is, m12 is 1",
        "+ o12             1 000 000 000   from vmcb12",
        "= o02            −3 000 000 000   in the hardware",
        "m02                   1.000 000   1.000 000 × 1.000 000",
        "hardware          7 000 000 000   L0 · m02 + o02",
        "two-step          7 000 000 000   L1 · m12 + o12, the same",
        "delta            +1 000 000 000   o02 − o01",
        "kept       o01 in vmcb01, 1 entry",
    ]


def test_the_example_while_l1_runs() -> None:
    bench = example()
    bench.nested.exit(0, bench.now)
    assert text(frame(bench))[2:] == [
        "L1 ►              6 000 000 000   −4 000 000 000 1.000 000",
        "L2                            –    1 000 000 000 1.000 000",
        "o01 · m12        −4 000 000 000   o01 as it is, m12 is 1",
        "+ o12             1 000 000 000   from vmcs12",
        "= o02            −3 000 000 000   at the next VM entry",
        "m02                   1.000 000   1.000 000 × 1.000 000",
        "hardware                      –   L0 · m02 + o02",
        "two-step                      –   L1 · m12 + o12",
        "delta                         –   o02 − o01",
        "last       exit to L1: VMCALL, reason 18",
    ]


def test_delta_stays_while_l1_changes() -> None:
    bench = example()
    bench.l1(-3_500_000_000)
    rows = text(frame(bench))
    assert "−2 500 000 000" in rows[6] and "7 500 000 000" in rows[8] and "+1 000 000 000" in rows[10]


def test_hardware_and_two_steps_with_ratios() -> None:
    bench = Bench(now=10_000_000_007)
    bench.l1(-1001, 0x0000_C4EC_4EC4_EC4E)
    bench.enter(0, 3 << 47)
    rows = text(frame(bench), 64)
    assert rows[4] == "o01 · m12                 −1501   o01 × 1.500 000"
    assert rows[7] == "m02                   1.153 846   0.769 231 × 1.500 000"
    assert rows[8] == "hardware         11 538 460 045   L0 · m02 + o02"
    assert rows[9] == "two-step         11 538 460 044   L1 · m12 + o12, 1 cycle less"
    assert text(frame(bench))[9].endswith("   1 cycle less")
    assert text(frame(bench), 118)[7].endswith("0001 2762 7627 6275h")
    floor = Bench(now=bench.now, nested_rounding="floor")
    floor.l1(-1001, 0x0000_C4EC_4EC4_EC4E)
    floor.enter(0, 3 << 47)
    seen = frame(floor, nested_rounding="floor")
    assert "−1502" in text(seen)[4] and text(seen)[6].endswith("in the hardware")


def test_a_field_that_waits_for_the_next_entry_asks_for_attention() -> None:
    bench = example(SVM_FRAC)
    bench.nested.set_offset(0, 500)
    seen = frame(bench)
    assert roles(seen, 5)["vmcb12 has 500 now"] == "attention" and "1 000 000 000" in text(seen)[5]


def test_an_offset_older_than_the_ratio_asks_for_attention() -> None:
    bench = example(SVM_FRAC)
    bench.nested.wrmsr(0, RATIO, 3 << 31, bench.now)
    assert roles(frame(bench), 6)["older than the ratio"] == "attention"
    bench.again()
    assert "in the hardware" in roles(frame(bench), 6)


def test_where_l1_has_wrapped_the_two_ways_are_worlds_apart() -> None:
    bench = Bench()
    bench.l1(-11 * G)
    bench.enter(0, 3 << 47)
    assert roles(frame(bench), 9)["L1 has wrapped"] == "attention"


def test_it_is_quiet_where_there_is_no_l2() -> None:
    assert text(frame(Bench()))[1:] == [
        "L0               10 000 000 000",
        "L1 ►             10 000 000 000                0 1.000 000",
        "L2                            –",
        "           not entered: l2 enter lets L1 run a guest",
    ]
    off = frame(example(), nested="off")
    assert text(off)[4:] == ["           nested=off: VMLAUNCH is #UD"]
    assert NestedPanel().head(off) == ("VMX", "off")
    amd = frame(Bench(SVM_FRAC), nested="off")
    assert text(amd)[4].endswith("VMRUN is #UD") and NestedPanel().head(amd)[0] == "SVM"


def test_the_timer_that_will_end_l2() -> None:
    bench = Bench()
    bench.nested.set_preemption(0, 100)
    bench.enter(1)
    assert text(frame(bench))[11] == "kept       o01 in vmcs01, 1 entry, timer in 3200 ns"


def test_marks_stand_at_their_rows() -> None:
    bench = example()
    marks = {"vcpu0.offset": "●", "nest0.field_offset": "•", "nest0.o02": "·"}
    rows = text(frame(bench, marks))
    assert [row[9] for row in rows[1:8]] == [" ", "●", "•", " ", " ", "·", " "]
    assert NestedPanel.is_marked(frame(bench, {"nest0.o12": "●"}))
    assert not NestedPanel.is_marked(frame(bench, {"vcpu0.offset": "●"}))


def worlds() -> list[Bench]:
    """Benches with numbers of every length."""
    far = Bench(now=10**18)
    far.l1(-(10**19), (1 << 64) - 1)
    far.enter(-(1 << 63), (1 << 63) - 5)
    out = example(SVM_FRAC)
    out.nested.exit(0, out.now)
    return [Bench(), example(), example(SVM_FRAC), far, out]


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("which", range(5))
def test_every_row_is_as_wide_as_the_panel(width: int, which: int) -> None:
    for vcpus in (1, 64):
        bench = worlds()[which]
        table = text(frame(bench, vcpus=vcpus), width)
        assert len(table) <= NestedPanel.rows_at(width) - 1
        assert all("…" not in row for row in table[:-1])


@pytest.mark.parametrize(
    ("value", "room", "shown"),
    [(12345, 8, "  12 345"), (-123456, 9, " −123 456"), (-123456, 8, " −123456"), (-(10**12), 10, "  −1.000 T")],
)
def test_numbers_give_way_where_there_is_no_room(value: int, room: int, shown: str) -> None:
    assert fit(value, room) == shown


def test_ratios_give_way_too() -> None:
    assert [ratio_text(3 << 47, 48, room) for room in (20, 8, 4)] == ["1.500 000", "1.500", "2"]


def session(*commands: str, **options: Any) -> Session:
    made = Session(**options)
    for command in commands:
        assert made.do(command).fault is None, command
    return made


def test_on_a_session() -> None:
    made = session("skip 1s", "l2 offset 1000 v1", "l2 enter v1", vcpus=3)
    seen = Camera(made, None, lambda: 0).take()
    assert chosen(seen) == 1
    rows = text(seen)
    assert rows[-1] == "vCPUs      v0 L1  v1 L2  v2 L1" and rows[3].startswith("L2 ►              2 600 001 000")
    assert NestedPanel().head(seen) == ("VMX", "v1 runs L2")
    made.do("l2 exit v1")
    assert chosen(Camera(made, None, lambda: 0).take()) == 1, "the one that ran L2 last stays"


@pytest.mark.parametrize("inside", [True, False])
def test_every_cell_names_a_value_that_there_is(inside: bool) -> None:
    made = session("l2 offset 1000", "l2 enter", *(() if inside else ("l2 exit",)))
    panel = NestedPanel()
    seen = panel.frame = Camera(made, None, lambda: 0).take()
    panel._size = cast(Any, SimpleNamespace(width=58, height=20))
    names = [
        panel.value_name(row, column)
        for row in range(len(nested.rows(seen, 58)))
        for column in range(len(panel.cells(row)))
    ]
    named = [name for name in names if name]
    assert len(named) == 1 + 3 + 3 + 8 and set(named) <= set(seen.peeks)
    assert ("nest0.o02" in named) == inside and ("nest0.next_o02" in named) == (not inside)


def test_the_help_tells_the_example_with_its_numbers() -> None:
    for number in (
        "−4 000 000 000",
        "1 000 000 000",
        "−3 000 000 000",
        "7 000 000 000",
        "−2 500 000 000",
        "7 500 000 000",
    ):
        assert number in NestedPanel.HELP
    assert max(len(line) for line in NestedPanel.HELP.splitlines() if not line.startswith("|")) <= 120
