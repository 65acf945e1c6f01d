"""The I/O APIC against a slow model of it, and the laws that every chip keeps."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from timerlab.devices import ioapic_words
from timerlab.devices.ioapic import BASE, IoApic
from timerlab.interrupt import Outcome
from timerlab.quirks import QUIRKS, resolve

OWN = [name for name in QUIRKS if name.startswith("ioapic_")] + ["polarity"]
ANSWERS = (Outcome.NEW, Outcome.MERGED, Outcome.LOST)


class ModelIoApic:
    """Entries as dictionaries of fields, written from the table of bits."""

    FIELDS = (
        ("vector", 0, 8),
        ("delivery", 8, 3),
        ("logical", 11, 1),
        ("polarity", 13, 1),
        ("remote", 14, 1),
        ("trigger", 15, 1),
        ("mask", 16, 1),
        ("middle", 17, 39),
        ("dest", 56, 8),
    )

    def __init__(self, quirks, answer):
        self.q = quirks
        self.answer = answer
        self.sent = []
        self.index = self.id = 0
        self.high = [None] * 24  # who drives the pin high
        self.entries = [self.fields(1 << 16) for _ in range(24)]

    def fields(self, value):
        return {name: value >> at & (1 << width) - 1 for name, at, width in self.FIELDS}

    def value(self, pin):
        return sum(self.entries[pin][name] << at for name, at, _ in self.FIELDS)

    def asserted(self, pin):
        low = self.q["polarity"] == "inverts" and self.entries[pin]["polarity"]
        return (self.high[pin] is None) == bool(low)

    def is_level(self, pin):
        entry = self.entries[pin]
        return entry["trigger"] and (self.q["ioapic_remote_irr"] == "sent" or entry["delivery"] in (0, 1))

    def send(self, pin, source):
        entry = self.entries[pin]
        if entry["delivery"] in (3, 6):
            return Outcome.LOST
        said = (entry["dest"], entry["logical"], entry["delivery"], entry["vector"], bool(self.is_level(pin)), source)
        self.sent.append(said)
        return self.answer()

    def evaluate(self, pin):
        entry = self.entries[pin]
        if not self.is_level(pin) or not self.asserted(pin):
            return Outcome.LOST
        if entry["mask"] or entry["remote"]:
            return Outcome.HELD
        outcome = self.send(pin, self.high[pin] or "")
        if outcome is not Outcome.LOST or self.q["ioapic_remote_irr"] == "sent":
            entry["remote"] = 1
        return outcome

    def move(self, pin, source):
        """The pin goes high by `source`, or low where that is None."""
        before, was = self.asserted(pin), self.high[pin]
        if was is not None and source is not None:
            return Outcome.LOST
        self.high[pin] = source
        if before or not self.asserted(pin):
            return Outcome.LOST
        if self.is_level(pin):
            return self.evaluate(pin)
        return Outcome.LOST if self.entries[pin]["mask"] else self.send(pin, source if source is not None else was)

    def eoi(self, vector):
        matching = [
            pin
            for pin in range(24)
            if self.is_level(pin) and self.entries[pin]["vector"] == vector and self.entries[pin]["remote"]
        ]
        for pin in matching:
            self.entries[pin]["remote"] = 0
        for pin in matching:
            self.evaluate(pin)

    def load(self, offset, width):
        if offset == 0:
            return self.index
        if offset != 0x10 or width < 32:
            return 0
        if self.index in (0, 2):
            return self.id << 24
        if self.index == 1:
            return 0x17_0020 if self.q["ioapic_version"] == "v20" else 0x17_0011
        pin, half = divmod(self.index - 0x10, 2)
        if 0 <= pin < 24:
            return self.value(pin) >> 32 * half & 0xFFFF_FFFF
        return 0xFFFF_FFFF if self.q["ioapic_other"] == "ones" else 0

    def store(self, offset, value, width):
        if offset == 0:
            self.index = value & 0xFF
        elif width < 32:
            return
        elif offset == 0x40 and self.q["ioapic_version"] == "v20":
            self.eoi(value & 0xFF)
        elif offset == 0x10 and self.index == 0:
            self.id = value >> 24 & 0xF
        elif offset == 0x10 and 0x10 <= self.index < 0x40:
            pin, half = divmod(self.index - 0x10, 2)
            whole = self.value(pin)
            value &= 0xFFFF_FFFF
            whole = value << 32 | whole & 0xFFFF_FFFF if half else whole >> 32 << 32 | value
            remote = self.entries[pin]["remote"]
            self.entries[pin] = entry = self.fields(whole)
            entry["remote"] = remote if self.is_level(pin) else 0
            if self.q["ioapic_reserved"] == "zero":
                entry["middle"] = 0
            self.evaluate(pin)


class Rig:
    """The chip, and local APICs that answer as the story says, in turn."""

    def __init__(self, chosen, answers):
        self.io = IoApic(resolve("datasheet", chosen), self.receive)
        self.sent = []
        self.answers = answers
        self.at = 0

    def receive(self, message):
        self.sent.append(
            (message.dest, message.logical, message.delivery, message.vector, message.level, message.source)
        )
        return self.answer()

    def answer(self):
        self.at += 1
        return self.answers[self.at % len(self.answers)]


quirks = st.one_of(
    st.just({}),
    st.just({name: value for name, value in resolve("qemu").items() if name in OWN}),
    st.fixed_dictionaries({name: st.sampled_from(sorted(QUIRKS[name].values)) for name in OWN}),
)
answers = st.lists(st.sampled_from(ANSWERS), min_size=1, max_size=5)
pins = st.sampled_from((0, 2, 9, 23))
vectors = st.sampled_from((0x31, 0x32))
lows = st.one_of(
    st.builds(
        lambda vector, delivery, bits: vector | delivery << 8 | bits,
        vectors,
        st.sampled_from((0, 0, 0, 1, 3, 4, 7)),
        st.sampled_from((0, 0x8000, 0x8000, 0x1_8000, 0x1_0000, 0xA000, 0x2800)),
    ),
    st.integers(0, 0xFFFF_FFFF),
)
widths = st.sampled_from((8, 16, 32, 64))
offsets = st.one_of(st.sampled_from((0x00, 0x10, 0x40)), st.integers(0, 0xFFF))
steps = st.one_of(
    st.tuples(st.just("raise"), pins, st.sampled_from(("a", "b"))),
    st.tuples(st.just("raise"), pins, st.just("a")),
    st.tuples(st.just("lower"), pins),
    st.tuples(st.just("eoi"), vectors),
    st.tuples(st.just("entry"), pins, lows),
    st.tuples(st.just("entry"), pins, lows),
    st.tuples(st.just("load"), offsets, widths),
    st.tuples(st.just("store"), offsets, st.integers(0, (1 << 64) - 1), widths),
    st.tuples(st.just("store"), st.just(0x00), st.integers(0, 0x41), widths),
)
stories = st.lists(steps, max_size=60)


def play(io, step):
    match step:
        case ("raise", pin, source):
            return io.raise_pin(pin, source)
        case ("lower", pin):
            return io.lower_pin(pin)
        case ("eoi", vector):
            return io.eoi(vector)
        case ("entry", pin, low):
            io.store(0x00, 0x10 + 2 * pin, 32, 0)
            return io.store(0x10, low, 32, 0)
        case ("load", offset, width):
            return io.load(offset, width, 0)
        case ("store", offset, value, width):
            return io.store(offset, value & (1 << width) - 1, width, 0)
    return None


def naive(model, step):
    match step:
        case ("raise", pin, source):
            return model.move(pin, source)
        case ("lower", pin):
            model.move(pin, None)
        case ("eoi", vector):
            model.eoi(vector)
        case ("entry", pin, low):
            model.store(0x00, 0x10 + 2 * pin, 32)
            model.store(0x10, low, 32)
        case ("load", offset, width):
            return model.load(offset, width)
        case ("store", offset, value, width):
            model.store(offset, value & (1 << width) - 1, width)
    return None


def compare(chosen, said, story):
    rig, other = Rig(chosen, said), Rig(chosen, said)
    model = ModelIoApic(resolve("datasheet", chosen), other.answer)
    for step in story:
        assert play(rig.io, step) == naive(model, step), step
        assert rig.sent == model.sent, step
        rig.sent.clear()
        model.sent.clear()
        seen = rig.io.peek(0)
        for pin in range(24):
            assert seen[f"ioapic.rte{pin}"] == model.value(pin), (step, pin)
            assert seen[f"ioapic.pin{pin}"] == (model.high[pin] is not None)


@given(quirks, answers, stories)
def test_the_io_apic_does_what_the_slow_model_does(chosen, said, story):
    compare(chosen, said, story)


def long_story(dice, length):
    """Steps in about the proportions of a busy machine, for longer than hypothesis likes."""
    for _ in range(length):
        pin = dice.choice((0, 2, 9, 23))
        match dice.choices(("raise", "lower", "eoi", "entry", "load", "store"), (5, 4, 3, 3, 1, 1)):
            case ["raise"]:
                yield "raise", pin, dice.choice("ab")
            case ["lower"]:
                yield "lower", pin
            case ["eoi"]:
                yield "eoi", dice.choice((0x31, 0x32))
            case ["entry"]:
                bits = dice.choice((0, 0x8000, 0x8000, 0xA000, 0x1_8000, 0x1_0000, 0x2800, dice.getrandbits(32)))
                yield "entry", pin, bits & ~0x7FF | dice.choice((0, 0, 0, 1, 3, 4, 7)) << 8 | dice.choice((0x31, 0x32))
            case ["load"]:
                yield "load", dice.choice((0x00, 0x10, 0x40, 0x44)), dice.choice((8, 16, 32, 64))
            case ["store"]:
                offset = dice.choice((0x00, 0x00, 0x10, 0x40, 0x44))
                value = dice.choice((dice.randrange(0x42), 0x31, dice.getrandbits(64)))
                yield "store", offset, value, dice.choice((8, 16, 32, 64))


@pytest.mark.parametrize("seed", range(60))
def test_the_io_apic_does_what_the_slow_model_does_for_long(seed):
    dice = random.Random(seed)
    chosen = {name: dice.choice(sorted(QUIRKS[name].values)) for name in OWN} if seed % 3 else {}
    compare(chosen, [dice.choice(ANSWERS) for _ in range(7)], long_story(dice, 400))


@given(quirks, answers, stories, stories)
def test_a_restored_io_apic_goes_on_as_the_first_did(chosen, said, before, after):
    first, second = Rig(chosen, said), Rig(chosen, said)
    for step in before:
        play(first.io, step)
    for step in after:
        play(second.io, step)
    second.sent.clear()
    state = first.io.snapshot()
    second.io.restore(state)
    second.at = first.at
    sent = len(first.sent)
    assert second.io.snapshot() == state
    for step in after:
        assert play(second.io, step) == play(first.io, step)
    assert second.sent == first.sent[sent:]
    assert second.io.snapshot() == first.io.snapshot()
    third = Rig(chosen, said)
    third.io.restore(state)
    assert third.io.snapshot() == state


@given(quirks, answers, stories)
def test_looking_at_the_io_apic_changes_nothing_and_time_is_nothing_to_it(chosen, said, story):
    rig = Rig(chosen, said)
    for now, step in enumerate(story):
        play(rig.io, step)
        state, sent = rig.io.snapshot(), len(rig.sent)
        seen = rig.io.peek(now)
        rig.io.sync(now * 1_000_000_007)
        assert list(rig.io.next_event(now)) == []
        assert (seen["ioapic.sel"], seen["ioapic.win"]) == (rig.io.load(0, 32, now), rig.io.load(0x10, 32, now))
        assert (rig.io.snapshot(), len(rig.sent), rig.io.peek(now)) == (state, sent, seen)


@given(
    quirks,
    st.lists(st.tuples(offsets, widths, st.integers(0, (1 << 64) - 1), st.booleans()), max_size=99),
)
def test_no_access_raises_and_each_has_its_words(chosen, accesses):
    rig = Rig(chosen, [Outcome.NEW])
    for offset, width, value, is_read in accesses:
        before = rig.io.peek(0)
        if is_read:
            got = rig.io.load(offset, width, 0)
            assert 0 <= got < 1 << width
            assert ioapic_words.read(BASE + offset, got, before)
        else:
            rig.io.store(offset, value & (1 << width) - 1, width, 0)
            assert ioapic_words.wrote(BASE + offset, value & (1 << width) - 1, before, rig.io.peek(0))
    assert set(rig.io.peek(0)) == set(IoApic.peeks)
