"""The published 8254 examples (vectors.json), on the engine and on the clock-by-clock model."""

import json
from pathlib import Path

import pytest
from model8254 import Model8254, Rig

from timerlab import Session

VECTORS = json.loads(Path(__file__).with_name("vectors.json").read_text())


def play(chip, steps):
    """Every disagreement of a chip (Rig or Model8254) with the expected values."""
    wrong = []
    for number, step in enumerate(steps):
        got = want = None
        match step:
            case ["w", port, value]:
                chip.write(port, value)
            case ["r", port, want]:
                got = chip.read(port)
            case ["clk", n]:
                chip.clk(n)
            case ["gate", 2, level]:
                chip.gate(level)
            case ["out", channel, want]:
                got = chip.out(channel)
            case _:
                raise ValueError(step)
        if want is not None and got != want:
            wrong.append((number, step, got))
    return wrong


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["name"])
def test_engine_gives_the_published_answers(vector):
    assert play(Rig(Session()), vector["steps"]) == []


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["name"])
def test_model_gives_the_published_answers(vector):
    assert play(Model8254(), vector["steps"]) == []


def test_all_examples_are_here():
    assert len(VECTORS) == 25
    assert sum(step[0] in ("r", "out") and step[2] is not None for v in VECTORS for step in v["steps"]) == 231
