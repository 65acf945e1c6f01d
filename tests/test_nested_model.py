"""L2's time stamp counter against a model that works everything out from the beginning each time, whatever the order of
L1's and L2's writes, entries and exits.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from nestedrig import ADJUST, QUIRKS, RATIO, TSC, Bench

from timerlab.devices.nested import Nested, VmFail
from timerlab.devices.nested_levels import Level, by_steps, compose
from timerlab.scaling import SVM_FRAC, VMX_FRAC, signed

FULL = 2**64
WITHOUT_RATIOS = ("time", "jump", "offset", "tsc", "adjust", "field", "offsetting", "enter", "exit")
Step = tuple[Any, ...]


@dataclass
class Story:
    """Where a history ends: plain arithmetic, nothing kept but what the rules name."""

    host: int
    o01: int = 0
    m01: Fraction = Fraction(1)
    adjust: int = 0
    o12: int = 0
    m12: Fraction = Fraction(1)
    field: int = 0
    ratio: Fraction = Fraction(1)
    offsetting: bool = True
    scaling: bool = False
    inside: bool = False
    o02: int = 0


def part(o01: int, m12: Fraction, floor: bool) -> int:
    """L1's offset in cycles of L2's."""
    product = signed(o01) * m12
    return product.numerator // product.denominator if floor else int(product)


def down(value: Fraction, bits: int) -> Fraction:
    """A ratio with so many fraction bits, rounded down."""
    return Fraction(int(value * 2**bits), 2**bits)


def told(history: list[Step], bits: int, floor: bool) -> Story:
    """The end of a history, from its beginning."""
    s = Story(0)
    for what, *values in history:
        fresh, value = False, values[0] if values else None
        if what == "time":
            s.host += value
        elif what == "jump":  # another processor, and L0 makes up for it as far as whole cycles of L1's go
            before = int(s.host * s.m01)
            s.host += value
            s.o01, fresh = s.o01 + before - int(s.host * s.m01), True
        elif what == "offset":
            s.o01, fresh = value, True
        elif what == "ratio":
            s.m01 = value
        elif what in ("tsc", "adjust"):
            change = value - (s.adjust if what == "adjust" else int(s.host * s.m01) + s.o01)
            s.o01, s.adjust, fresh = s.o01 + change, s.adjust + change, True
        elif what == "l2ratio":
            if bits == 32:
                s.ratio = value
                s.m12 = value if s.inside else s.m12
        elif what == "field":
            s.field = value
        elif what == "multiplier":
            s.ratio = s.ratio if bits == 32 and s.inside else value
        elif what == "scaling":
            s.scaling = value
        elif what == "offsetting":
            s.offsetting = value
        elif what == "enter" and not s.inside:
            counts = bits == 32 or s.offsetting
            wanted = s.ratio if bits == 32 or (s.offsetting and s.scaling) else Fraction(1)
            if bits == 32 or down(s.m01 * wanted, bits):
                s.inside, fresh = True, True
                s.o12, s.m12 = s.field if counts else 0, wanted
        elif what == "exit":
            s.inside = False
        if fresh and s.inside:
            s.o02 = part(s.o01, s.m12, floor) + s.o12
    return s


def steps(bits: int, *only: str) -> st.SearchStrategy[Step]:
    """One thing that may happen, of all or of some."""
    words = st.one_of(st.integers(0, FULL - 1), st.integers(0, 10**10), st.integers(1, 10**10).map(lambda n: FULL - n))
    ratios = st.one_of(
        st.sampled_from((Fraction(1), Fraction(1, 2), Fraction(3, 2), Fraction(4))),
        st.integers(1, 8 * 2**bits - 1).map(lambda n: Fraction(n, 2**bits)),
    )
    kinds: dict[str, tuple[st.SearchStrategy[Any], ...]] = {
        "time": (st.integers(0, 10**11),),
        "jump": (st.integers(-(10**9), 10**9),),
        **dict.fromkeys(("offset", "tsc", "adjust", "field"), (words,)),
        **dict.fromkeys(("ratio", "l2ratio", "multiplier"), (ratios,)),
        **dict.fromkeys(("scaling", "offsetting"), (st.booleans(),)),
        "enter": (),
        "exit": (),
    }
    return st.one_of(*[st.tuples(st.just(name), *values) for name, values in kinds.items() if name in (only or kinds)])


def do(bench: Bench, step: Step, bits: int) -> None:
    """The same with the engine."""
    cpu, nested = bench.cpu, bench.nested
    what, *given = step
    inside = nested.runs(0)
    bitted = int(given[0] * 2**bits) if given and isinstance(given[0], Fraction) else None
    if what == "time":
        bench.now += given[0]
    elif what == "jump":
        before = cpu.l1_tsc(bench.now) - cpu.offset
        cpu.jump += given[0]
        cpu.set_l1(bench.now, offset=cpu.offset + before - (cpu.l1_tsc(bench.now) - cpu.offset))
    elif what == "offset":
        cpu.set_l1(bench.now, offset=given[0])
    elif what == "ratio":
        cpu.set_l1(bench.now, ratio=bitted)
    elif what in ("tsc", "adjust"):
        msr = TSC if what == "tsc" else ADJUST
        assert (nested.wrmsr(0, msr, given[0], bench.now) if inside else cpu.wrmsr(msr, given[0], bench.now)) is None
    elif what == "l2ratio" and bits == 32:
        assert bitted is not None
        assert (nested.wrmsr(0, RATIO, bitted, bench.now) if inside else cpu.wrmsr(RATIO, bitted, bench.now)) is None
    elif what == "field":
        nested.set_offset(0, given[0])
    elif what == "multiplier" and bitted is not None:
        if bits == 48:
            nested.set_ratio(0, bitted)
        elif not inside:
            cpu.wrmsr(RATIO, bitted, bench.now)
    elif what in ("scaling", "offsetting") and bits == 48:
        nested.set_control(0, f"use_tsc_{what}", given[0])
    elif what == "enter" and not inside:
        failed = nested.enter(0, bench.now)
        assert failed is None or isinstance(failed, VmFail)
    elif what == "exit" and inside:
        nested.exit(0, bench.now)


@pytest.mark.parametrize("bits", [VMX_FRAC, SVM_FRAC])
@pytest.mark.parametrize("rounding", ["truncate", "floor"])
@given(data=st.data())
def test_any_history_gives_what_the_rules_give(bits: int, rounding: str, data: st.DataObject) -> None:
    # the host's TSC stays positive, as a counter from power-on is
    bench = Bench(bits, now=0, nested_rounding=rounding)
    history: list[Step] = [("time", 10**14)]
    do(bench, history[0], bits)
    for step in data.draw(st.lists(steps(bits), max_size=25)):
        history.append(step)
        do(bench, step, bits)
        s = told(history, bits, rounding == "floor")
        assert bench.cpu.offset == s.o01 % FULL and bench.cpu.adjust == s.adjust % FULL
        tsc1 = (int(s.host * s.m01) + s.o01) % FULL
        assert bench.tsc1 == tsc1
        assert bench.nested.runs(0) == s.inside == (bench.cpu.active is not None)
        if s.inside:
            assert bench.tsc2 == (int(s.host * down(s.m01 * s.m12, bits)) + s.o02) % FULL
            assert bench.look("two_step") == (int(tsc1 * s.m12) + s.o12) % FULL
        kept = bench.nested.snapshot()
        other = Nested([bench.cpu], QUIRKS | {"nested_rounding": rounding})
        other.restore(kept)
        assert other.snapshot() == kept and other.peek(bench.now) == bench.nested.peek(bench.now)


@given(st.lists(steps(VMX_FRAC, *WITHOUT_RATIOS), max_size=30))
def test_without_ratios_l2_is_always_l1_and_its_own_offset_to_the_cycle(history: list[Step]) -> None:
    bench = Bench(VMX_FRAC, now=0)
    do(bench, ("time", 10**14), VMX_FRAC)
    for step in history:
        do(bench, step, VMX_FRAC)
        if bench.nested.runs(0):
            taken = bench.look("o12")
            assert isinstance(taken, int)
            assert bench.tsc2 == (bench.tsc1 + taken) % FULL == bench.look("two_step")
            assert bench.look("delta") == taken


@given(st.data())
def test_a_change_while_l2_runs_is_what_the_next_entry_would_load(data: st.DataObject) -> None:
    bits = data.draw(st.sampled_from((VMX_FRAC, SVM_FRAC)))
    bench = Bench(bits)
    for step in (("multiplier", Fraction(3, 2)), ("scaling", True), ("field", 10**9), ("enter",)):
        do(bench, step, bits)
    for step in data.draw(st.lists(steps(bits, "offset", "tsc", "jump"), max_size=8)):
        do(bench, step, bits)
    before = bench.cpu.active
    bench.again()
    assert bench.cpu.active == before


@given(
    st.lists(st.tuples(st.integers(1, 2**50), st.integers(0, FULL - 1)), min_size=1, max_size=6), st.integers(0, 10**15)
)
def test_hardware_is_a_few_cycles_from_the_steps_of_any_depth(levels: list[tuple[int, int]], host: int) -> None:
    # no ratio here is above 1: what a level cuts off, no other one makes larger
    small = [Level(ratio >> 2, offset % 10**12) for ratio, offset in levels]
    one = compose(small, VMX_FRAC)
    hardware = (host * one.ratio >> VMX_FRAC) + one.offset
    allowed = 2 * len(levels) + (host * len(levels) >> VMX_FRAC) + 1
    assert abs(hardware % FULL - by_steps(host, small, VMX_FRAC)[-1]) <= allowed
