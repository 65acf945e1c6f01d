"""The local APIC against a naive model of it, and the laws that every chip keeps, under random accesses."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lapicrig import DEADLINE, EOI, ERROR, ESR, ICR, LVTT, SVR, TDCR, TMCCT, TMICT, TPR, Rig
from modellapic import MASKED, NaiveInterrupts, NaiveTimer, QemuTimer

from timerlab.devices.lapic import MSRS
from timerlab.devices.lapic_regs import REGS
from timerlab.errors import GuestFault
from timerlab.interrupt import Delivery, Message, Outcome
from timerlab.line import Train, edge_after

RATES = ((1, 1), (1, 3), (7, 5), (3, 40))
"""Bus clocks a nanosecond."""

YEAR = 365 * 86_400 * 10**9

TIMER_STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("skip"), st.integers(0, 60)),
        st.tuples(st.just("skip"), st.integers(0, 400)),
        st.tuples(st.just("tmict"), st.integers(0, 40)),
        st.tuples(st.just("tdcr"), st.sampled_from((0, 1, 2, 3, 8, 0xB))),
        st.tuples(st.just("mode"), st.integers(0, 3)),
        st.tuples(st.just("deadline"), st.integers(-200, 1_500)),
        st.tuples(st.just("tsc"), st.integers(-300, 1_200)),
    ),
    max_size=14,
)


@pytest.mark.parametrize("extra", [0, 1])
@pytest.mark.parametrize("keeps", [False, True])
@given(rate=st.sampled_from(RATES), tsc=st.sampled_from((10**6, 2**64 - 2_000)), steps=TIMER_STEPS)
def test_the_timer_is_the_naive_timer(
    extra: int, keeps: bool, rate: tuple[int, int], tsc: int, steps: list[Any]
) -> None:
    rig = Rig(
        hz=Fraction(rate[0] * 10**9, rate[1]),
        tsc_hz=3 * 10**9,
        lapic_periodic=("tmict", "tmict_plus_1")[extra],
        lapic_mode_change=("disarm", "keep_count")[keeps],
    )
    rig.move_tsc(tsc)
    model = NaiveTimer(*rate, 3, extra, keeps, tsc=tsc)
    rig.write(LVTT, MASKED)
    for what, value in steps:
        if what == "skip":
            told = list(expand(rig, value))
            before = len(model.expiries)
            model.run(value)
            assert told == model.expiries[before:]
        elif what == "tmict":
            rig.write(TMICT, value)
            model.write_tmict(value)
        elif what == "tdcr":
            rig.write(TDCR, value)
            model.write_tdcr(value)
        elif what == "mode":
            rig.write(LVTT, value << 17 | MASKED | 0x31)
            model.write_mode(value)
        elif what == "tsc":
            rig.move_tsc(value)
            model.move_tsc(value)
        else:
            deadline = (model.tsc + value) % 2**64
            rig.wrmsr(DEADLINE, deadline)
            model.write_deadline(deadline)
        assert rig.read(TMCCT) == model.tmcct
        assert rig.read(TMICT) == model.tmict
        assert rig.rdmsr(DEADLINE) == model.deadline
        assert rig.lines[0].edges == len(model.expiries)


def expand(rig: Rig, ns: int) -> list[int]:
    """Let time pass; each expiry's ns."""
    told: list[int] = []

    def sink(train: Any) -> None:
        assert isinstance(train, Train)
        told.extend(train.ns(edge) for edge in range(0, train.count, 2))

    rig.lines[0].sinks.append(sink)
    rig.skip(ns)
    rig.lines[0].sinks.remove(sink)
    return told


@given(rate=st.sampled_from(((1, 1), (1, 4))), steps=TIMER_STEPS)
def test_the_qemu_profile_is_qemus_timer(rate: tuple[int, int], steps: list[Any]) -> None:
    rig = Rig(hz=10**9 // rate[1], profile="qemu")
    model = QemuTimer(*rate)
    for what, value in steps:
        if what == "skip":
            before = len(model.expiries)
            model.run(value)
            assert expand(rig, value) == model.expiries[before:]
        elif what == "tmict":
            rig.write(TMICT, value)
            model.write_tmict(value)
        elif what == "tdcr":
            rig.write(TDCR, value)
            model.write_tdcr(value)
        elif what == "mode":
            rig.write(LVTT, value << 17 | 0x31)
            model.write_mode(value)
        assert rig.read(TMCCT) == model.tmcct


VECTORS = st.one_of(st.integers(0, 255), st.sampled_from((0x0F, 0x31, 0x35, 0x41, 0x45, 0x80)))


@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("accept"), VECTORS, st.booleans()),
            st.tuples(st.just("take"), st.just(0), st.just(False)),
            st.tuples(st.just("eoi"), st.just(0), st.just(False)),
            st.tuples(st.just("tpr"), st.integers(0, 255), st.just(False)),
            st.tuples(st.just("svr"), st.integers(0, 3), st.just(False)),
            st.tuples(st.just("esr"), st.just(0), st.just(False)),
            st.tuples(st.just("error"), VECTORS, st.booleans()),
            st.tuples(st.just("self"), VECTORS, st.just(False)),
        ),
        max_size=60,
    )
)
def test_interrupts_are_sets_of_vectors(steps: list[tuple[str, int, bool]]) -> None:
    rig, model = Rig(), NaiveInterrupts()
    for what, value, flag in steps:
        if what == "accept":
            assert rig.chip.accept(value, flag).value == model.accept(value, flag)
        elif what == "take":
            assert rig.chip.take() == model.take()
        elif what == "eoi":
            rig.write(EOI, 0)
            model.eoi()
        elif what == "tpr":
            rig.write(TPR, value)
            model.tpr = value
        elif what == "svr":
            rig.write(SVR, 0x1FF if value else 0xFF)
            model.enable(value > 0)
        elif what == "esr":
            rig.write(ESR, 0)
            model.write_esr()
        elif what == "error":
            rig.write(ERROR, value | flag << 16)
            model.write_error_lvt(value | flag << 16)
        else:
            rig.write(ICR, 0x44000 | value)
            if value < 16:
                model.error(5)
            else:
                model.accept(value, False)
        assert rig.chip.pending() == model.pending()
        seen = rig.chip.peek(rig.now)
        for name, vectors in (("irr", model.irr), ("isr", model.isr), ("tmr", model.tmr), ("esr", model.esr)):
            assert seen[f"lapic0.{name}"] == sum(1 << vector for vector in vectors)
        assert seen["lapic0.ppr"] == model.ppr() and rig.broadcasts == model.told


# -- the laws

OFFSETS = st.one_of(
    st.sampled_from(sorted({reg.address for reg in REGS if reg.space == "lapic"})), st.integers(0, 0xFFF)
)
VALUES = st.one_of(
    st.integers(0, 0xFFFF_FFFF),
    st.integers(0, 3_000),
    st.sampled_from((0x1FF, 0xB, 0x20031, 0x40031, 0x31, 0xFEE0_0900, 0xFEE0_0D00, 0xFEE0_0100, 0x8031)),
)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("store"), OFFSETS, VALUES),
        st.tuples(st.just("load"), OFFSETS, st.just(0)),
        st.tuples(st.just("odd"), OFFSETS, VALUES),
        st.tuples(st.just("wrmsr"), st.sampled_from(sorted(MSRS)), VALUES),
        st.tuples(st.just("wrmsr"), st.sampled_from((0x1B, DEADLINE, 0x830, 0x838, 0x832, 0x80F)), VALUES),
        st.tuples(st.just("rdmsr"), st.sampled_from(sorted(MSRS)), st.just(0)),
        st.tuples(st.just("skip"), st.integers(0, 5_000), st.just(0)),
        st.tuples(st.just("skip"), st.integers(0, YEAR), st.just(0)),
        st.tuples(st.just("lint"), st.integers(0, 3), st.just(0)),
        st.tuples(st.just("message"), st.integers(0, 7), st.integers(0, 255)),
        st.tuples(st.just("cpu"), st.integers(0, 2), st.just(0)),
        st.tuples(st.just("tsc"), st.integers(-3_000, 3_000), st.just(0)),
    ),
    max_size=25,
)
QUIRKS = st.sampled_from(
    (
        {},
        {"profile": "qemu"},
        {"lapic_divide": "from_load", "lapic_mode_change": "disarm"},
        {"lapic_min_period": "kvm_200us", "lapic_mode_change": "keep_count", "lapic_ppr_equal": "zero"},
        {"lapic_mode_change": "keep_count", "lapic_periodic": "tmict_plus_1", "lapic_deadline_tsc": "armed"},
        {"lapic_cmci": "present", "lapic_eoi_suppress": "present", "lapic_lint0_reset": "extint"},
    )
)


def do(rig: Rig, what: str, a: int, b: int) -> Any:
    """One step, and what came of it."""
    chip = rig.chip
    try:
        match what:
            case "store":
                return chip.store(a & ~0xF, b, 32, rig.now)
            case "load":
                return chip.load(a & ~0xF, 32, rig.now)
            case "odd":
                width = (8, 16, 32, 64)[b & 3]
                chip.store(a, b & (1 << width) - 1, width, rig.now)
                return chip.load(a, width, rig.now)
            case "wrmsr":
                return chip.wrmsr(a, b, rig.now)
            case "rdmsr":
                return chip.rdmsr(a, rig.now)
            case "skip":
                return rig.skip(a)
            case "lint":
                return chip.set_lint(a & 1, a >> 1)
            case "message":
                message = Message(0, False, Delivery(a), b, bool(b & 1), "test")
                return chip.receive(message) if chip.matches(message) else None
            case "cpu":
                return (chip.take, chip.eoi, chip.took_extint)[a]()
            case "tsc":
                return rig.move_tsc(a)
    except GuestFault as fault:
        return str(fault)
    raise AssertionError(what)


def world(rig: Rig) -> Any:
    """All that can be told of a bench."""
    return rig.chip.snapshot(), rig.chip.peek(rig.now), rig.lines[0].snapshot(), rig.broadcasts


def rigs(quirks: dict[str, str]) -> Rig:
    options = dict(quirks)
    return Rig(hz=133_333_333, profile=options.pop("profile", "datasheet"), **options)


@given(quirks=QUIRKS, steps=STEPS, cuts=st.lists(st.integers(0, 100), min_size=1, max_size=4))
def test_a_skip_in_pieces_is_the_skip_and_looking_changes_nothing(
    quirks: dict[str, str], steps: list[Any], cuts: list[int]
) -> None:
    whole, pieces = rigs(quirks), rigs(quirks)
    for what, a, b in steps:
        came = do(whole, what, a, b)
        if what == "skip":
            start = pieces.now
            for cut in sorted(cuts):
                pieces.at(max(pieces.now, start + a * cut // 100))
                seen = pieces.chip.snapshot()
                ahead = pieces.now + 12_345
                pieces.chip.peek(ahead)
                list(pieces.chip.next_event(pieces.now))
                pieces.chip.future(ahead)
                assert pieces.chip.snapshot() == seen
            pieces.at(start + a)
        else:
            assert do(pieces, what, a, b) == came
        assert world(pieces) == world(whole)
        assert pieces.lines[0].level == 0


@given(quirks=QUIRKS, steps=STEPS, at=st.integers(0, 25))
def test_a_restored_snapshot_goes_on_as_the_chip_did(quirks: dict[str, str], steps: list[Any], at: int) -> None:
    first = rigs(quirks)
    for step in steps[:at]:
        do(first, *step)
    second = rigs(quirks)
    taken = first.chip.snapshot()
    hash(taken)
    second.now, second.tscs = first.now, list(first.tscs)
    second.lines[0].restore(first.lines[0].snapshot(), first.lines[0].history())
    second.broadcasts[:] = first.broadcasts
    second.chip.restore(taken)
    assert world(second) == world(first)
    for step in steps[at:]:
        assert do(second, *step) == do(first, *step)
        assert world(second) == world(first)
    third = rigs(quirks)
    third.chip.restore(taken)
    assert third.chip.snapshot() == taken, "what the second did has not reached the snapshot"


@given(quirks=QUIRKS, steps=STEPS)
def test_what_is_predicted_is_what_happens(quirks: dict[str, str], steps: list[Any]) -> None:
    rig = rigs(quirks)
    for step in steps:
        do(rig, *step)
        event = next(rig.chip.next_event(rig.now), None)
        assert event == _named(edge_after(rig.chip.future(rig.now), rig.now))
        assert rig.chip.peek(rig.now)["lapic0.next"] == (event[0] if event else None)
        edges, copy = rig.lines[0].edges, rigs(quirks)
        copy.now, copy.tscs = rig.now, list(rig.tscs)
        copy.chip.restore(rig.chip.snapshot())
        if event is None:
            copy.at(rig.now + 100 * YEAR)
            assert copy.lines[0].edges == 0
        else:
            assert event[0] > rig.now
            copy.at(event[0] - 1)
            assert copy.lines[0].edges == 0
            copy.at(event[0])
            assert copy.lines[0].edges > 0
        assert rig.lines[0].edges == edges


def _named(edge: tuple[int, int] | None) -> tuple[int, str] | None:
    return edge and (edge[0], "lapic0.timer")


def test_a_year_costs_what_a_second_costs() -> None:
    rig = Rig(hz=133_333_333)
    rig.write(LVTT, 0x20031)
    rig.write(TMICT, 1)
    rig.at(YEAR)
    assert rig.lines[0].edges == YEAR * 133_333_333 // 10**9 // 2 and len(rig.lines[0].ring) == 1
    rig.at(2 * YEAR)
    assert len(rig.lines[0].ring) == 1 and rig.outcomes[-1] is Outcome.MERGED


def test_every_value_is_declared_and_every_bit_has_one_field() -> None:
    for i in (0, 3):
        chip = Rig(4).chips[i]
        seen = chip.peek(0)
        assert set(seen) == set(chip.peeks)
        for reg in chip.regs:
            assert not reg.peek or reg.peek.format(i) in seen
            for layout in reg.layouts:
                assert sum(field.mask for field in layout.fields) == (1 << reg.width) - 1
                highs = [field.hi for field in layout.fields]
                assert highs == sorted(highs, reverse=True) and len(set(highs)) == len(highs)
