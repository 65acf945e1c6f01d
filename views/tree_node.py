"""A clock in the clock tree, and what several of them have in common."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import groupby

from timerlab.text import count, plural
from timerlab.views.frame import Frame

__all__ = ["NS", "Node", "Said", "known", "named", "names_of", "peeked"]

NS = 1_000_000_000

Said = tuple[str, str]
"""A text and its role."""


@dataclass(frozen=True, slots=True)
class Node:
    """One clock: its `names` and how it is made from its parent, `ways`, each from the longest wording to the shortest;
    its rate; how it is read; what it feeds. `spare` above 0 is left out where there is little room, the highest first.
    """

    names: tuple[str, ...]
    ways: tuple[str, ...] = ("",)
    hz: Fraction | None = None
    read: Callable[[Frame], str] | None = None
    feeds: Said = ("", "label")
    note: Callable[[Frame], Said] | None = None
    """What stands at `feeds` where that changes with time."""
    value: str = ""
    role: str = "text"
    told: tuple[str, ...] = ()
    """Its names where there is no column that says what it feeds, if they are others."""
    places: int = 3
    unit: str | None = None
    """The unit of the rate, where it is not the one that its size asks for."""
    spare: int = 0
    below: tuple[Node, ...] = ()


def known(hz: Fraction) -> Callable[[Frame], str]:
    """A reading that is a function of time alone: the ticks since power-on."""
    num, den = hz.numerator, hz.denominator * NS
    return lambda frame: count(frame.now * num // den)


def peeked(name: str) -> Callable[[Frame], str]:
    """A reading that is a value of the frame."""
    return lambda frame: count(frame.number(name))


def names_of(numbers: Sequence[int], sign: str, what: str) -> tuple[str, ...]:
    """What several processors are called together, the longest first: `v0 v1 v2`, `v0–v2`, `3 vCPUs`."""
    if len(numbers) == 1:
        return (f"{sign}{numbers[0]}",)
    parts = []
    for _, run in groupby(enumerate(numbers), lambda pair: pair[1] - pair[0]):
        members = [number for _, number in run]
        few = len(members) < 3
        parts += [f"{sign}{one}" for one in members] if few else [f"{sign}{members[0]}–{sign}{members[-1]}"]
    if len(numbers) == 2:
        return " ".join(parts), plural(len(numbers), what)
    return " ".join(f"{sign}{one}" for one in numbers), " ".join(parts), plural(len(numbers), what)


def named(what: str, names: tuple[str, ...]) -> tuple[str, ...]:
    """A clock's name with whose it is."""
    return tuple(f"{what} {one}" for one in names)
