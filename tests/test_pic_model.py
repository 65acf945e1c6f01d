"""The 8259 pair against a slow model of it, and the laws that every chip keeps."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from modelpic import ModelPair

from timerlab.devices import pic_words
from timerlab.devices.pic import PORTS, Pic
from timerlab.quirks import QUIRKS, resolve

OWN = [name for name in QUIRKS if name.startswith("pic_")] + ["edge", "elcr"]

quirks = st.one_of(
    st.just({}),
    st.just({name: value for name, value in resolve("qemu").items() if name in OWN}),
    st.fixed_dictionaries({name: st.sampled_from(sorted(QUIRKS[name].values)) for name in OWN}),
)

irqs = st.integers(0, 15)
ports = st.sampled_from(PORTS)
words = st.one_of(
    st.sampled_from((0x20, 0x20, 0x0A, 0x0B, 0x0C, 0x68, 0x48, 0xA0, 0x80, 0x00, 0x01, 0x03, 0x13)),
    st.integers(0, 255),
    st.integers(0, 7).map(lambda level: 0x60 | level),
    st.integers(0, 7).map(lambda level: 0xC0 | level),
    st.integers(0, 7).map(lambda bit: 1 << bit),
)
few = st.one_of(st.just(0), st.integers(0, 7).map(lambda bit: 1 << bit), st.integers(0, 255))

steps = st.one_of(
    st.tuples(st.just("raise"), irqs),
    st.tuples(st.just("raise"), irqs),
    st.tuples(st.just("lower"), irqs),
    st.tuples(st.just("inta")),
    st.tuples(st.just("inta")),
    st.tuples(st.just("eoi"), irqs, st.booleans()),
    st.tuples(st.just("reset")),
    st.tuples(st.just("read"), ports),
    st.tuples(st.just("write"), st.sampled_from((0x20, 0xA0)), words),
    st.tuples(st.just("write"), st.sampled_from((0x21, 0xA1, 0x4D0, 0x4D1)), few),
    st.tuples(st.just("start"), st.booleans(), st.sampled_from((0x01, 0x03, 0x11, 0x13))),
)
stories = st.lists(steps, max_size=60)


def play(pic, step):
    """One step on the chip; what it answered, and what the same steps on the model are."""
    match step:
        case ("raise", irq):
            return pic.raise_line(irq).value
        case ("lower", irq):
            return pic.lower_line(irq)
        case ("inta",):
            return tuple(pic.inta())
        case ("eoi", irq, spurious):
            return pic.eoi(irq, 0, spurious)
        case ("reset",):
            return pic.reset(0)
        case ("read", port):
            return pic.read(port, 0)
        case ("write", port, value):
            return pic.write(port, value, 0)
        case ("start", slave, icw4):
            for port, value in init(slave, icw4):
                pic.write(port, value, 0)
    return None


def naive(model, step):
    match step:
        case ("raise", irq):
            return model.raise_line(irq)
        case ("lower", irq):
            return model.lower_line(irq)
        case ("inta",):
            return model.inta()
        case ("eoi", irq, spurious):
            return model.eoi(irq, spurious)
        case ("reset",):
            return model.reset()
        case ("read", port):
            return model.read(port)
        case ("write", port, value):
            return model.write(port, value)
        case ("start", slave, icw4):
            for port, value in init(slave, icw4):
                model.write(port, value)
    return None


def init(slave, icw4):
    port = 0xA0 if slave else 0x20
    return (port, 0x11), (port + 1, 0x70 if slave else 0x08), (port + 1, 0x02), (port + 1, icw4)


def compare(chosen, story):
    pic = Pic(resolve("datasheet", chosen))
    model = ModelPair(resolve("datasheet", chosen))
    for step in story:
        assert play(pic, step) == naive(model, step), step
        seen, expected = pic.peek(0), model.seen()
        assert {name: seen[name] for name in expected} == expected, step
        assert pic.intr is model.intr, step
        assert pic.withdrawn is model.withdrawn, step


@given(quirks, stories)
def test_the_pair_does_what_the_slow_model_does(chosen, story):
    compare(chosen, story)


def long_story(dice, length):
    """Steps in about the proportions of a busy machine, for longer than hypothesis likes."""
    for _ in range(length):
        match dice.choices(
            ("raise", "lower", "inta", "eoi", "read", "command", "data", "start", "reset"),
            (6, 3, 4, 2, 1, 3, 1, 0.4, 0.2),
        ):
            case ["raise" | "lower" as what]:
                yield what, dice.randrange(16)
            case ["inta" | "reset" as what]:
                yield (what,)
            case ["eoi"]:
                yield "eoi", dice.randrange(16), dice.random() < 0.1
            case ["read"]:
                yield "read", dice.choice(PORTS)
            case ["command"]:
                level = dice.randrange(8)
                word = dice.choice((0x20, 0x20, 0x20, 0x0C, 0x68, 0x48, 0xA0, 0x80, 0x00, 0x60 | level, 0xC0 | level))
                value = dice.choice((word, word, word, 0xE0 | level, dice.randrange(256)))
                yield "write", dice.choice((0x20, 0xA0)), value
            case ["data"]:
                bits = dice.choice((0, 1 << dice.randrange(8), dice.randrange(256)))
                yield "write", dice.choice((0x21, 0xA1, 0x4D0, 0x4D1)), bits
            case ["start"]:
                yield "start", dice.random() < 0.5, dice.choice((0x01, 0x03, 0x11, 0x13))


@pytest.mark.parametrize("seed", range(60))
def test_the_pair_does_what_the_slow_model_does_for_long(seed):
    dice = random.Random(seed)
    chosen = {name: dice.choice(sorted(QUIRKS[name].values)) for name in OWN} if seed % 3 else {}
    compare(chosen, long_story(dice, 800))


@given(quirks, stories, stories)
def test_a_restored_pair_goes_on_as_the_first_did(chosen, before, after):
    first, second = Pic(resolve("datasheet", chosen)), Pic(resolve("datasheet", chosen))
    for step in before:
        play(first, step)
    for step in after:
        play(second, step)
    state = first.snapshot()
    second.restore(state)
    assert second.snapshot() == state
    assert second.peek(0) == first.peek(0)
    for step in after:
        assert play(second, step) == play(first, step)
        assert (second.intr, second.withdrawn) == (first.intr, first.withdrawn)
    assert second.snapshot() == first.snapshot()
    third = Pic(resolve("datasheet", chosen))
    third.restore(state)
    assert third.snapshot() == state


@given(quirks, stories)
def test_looking_at_the_pair_changes_nothing_and_time_is_nothing_to_it(chosen, story):
    pic = Pic(resolve("datasheet", chosen))
    for now, step in enumerate(story):
        play(pic, step)
        state = pic.snapshot()
        seen = pic.peek(now)
        pic.sync(now * 1_000_000_007)
        assert list(pic.next_event(now)) == []
        assert pic.highest == seen["pic.highest"]
        assert (pic.snapshot(), pic.peek(now)) == (state, seen)


@given(quirks, stories)
def test_what_is_seen_of_a_port_is_what_a_read_gives(chosen, story):
    pic = Pic(resolve("datasheet", chosen))
    for step in story:
        play(pic, step)
    seen = pic.peek(0)
    names = ("pic.master.status", "pic.master.data", "pic.slave.status", "pic.slave.data", "pic.elcr1", "pic.elcr2")
    state = pic.snapshot()
    for port, name in zip(PORTS, names, strict=True):
        assert pic.read(port, 0) == seen[name]
        pic.restore(state)


@given(quirks, stories)
def test_the_irq_that_is_highest_is_what_inta_gives(chosen, story):
    pic = Pic(resolve("datasheet", chosen))
    for step in story:
        play(pic, step)
    highest = pic.highest
    ack = pic.inta()
    assert ack.spurious is (highest is None)
    assert highest is None or ack.irq == highest


@given(stories)
def test_a_handlers_eoi_is_what_it_writes(story):
    quick, slow = Pic(resolve("datasheet")), Pic(resolve("datasheet"))
    for step in story:
        play(quick, step)
        if step[0] != "eoi":
            play(slow, step)
            continue
        _, irq, spurious = step
        if irq >= 8 and not spurious and not slow.slave.aeoi:
            slow.write(0xA0, 0x20, 0)
        if not slow.master.aeoi and (irq >= 8 or not spurious):
            slow.write(0x20, 0x20, 0)
    assert quick.snapshot() == slow.snapshot()


@given(quirks, st.lists(st.tuples(ports, st.integers(0, 255), st.booleans()), max_size=200))
def test_no_access_raises_and_each_has_its_words(chosen, accesses):
    pic = Pic(resolve("datasheet", chosen))
    for port, value, is_read in accesses:
        before = pic.peek(0)
        if is_read:
            got = pic.read(port, 0)
            assert 0 <= got <= 0xFF
            assert pic_words.read(port, got, before)
        else:
            pic.write(port, value, 0)
            assert pic_words.wrote(port, value, before, pic.peek(0))
    assert set(pic.peek(0)) == set(Pic.peeks)
