"""What can be seen of tick policies, and how people name tick sources."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from types import MappingProxyType

from timerlab.regs import Peek

_SOURCE = "timerlab, tick policies"

COUNTED: Mapping[str, str] = MappingProxyType(
    {
        "policy": "the policy of {}",
        "vcpu": "the vCPU that {} is for",
        "due": "ticks of {} that were due since it has a policy",
        "delivered": "ticks of {} that a vCPU took",
        "late": "ticks of {} that were taken later than they were due, in the order of time",
        "lost": "ticks of {} that never will be delivered",
        "made_up": "ticks of {} that its policy injected at a moment of its own",
        "lag": "ticks of {} that are due and not delivered",
        "pending": "ticks of {} that its policy still has to make up for; reinject: with the one in service",
    }
)


def peek_name(source: str, what: str) -> str:
    """`ticks.irq.0.due`."""
    return f"ticks.{source}.{what}"


@lru_cache(8)
def abouts_of(sources: tuple[str, ...]) -> Mapping[str, Peek]:
    """What each value means."""
    return MappingProxyType(
        {
            peek_name(source, what): Peek(about.format(source), _SOURCE)
            for source in sources
            for what, about in COUNTED.items()
        }
    )


def source_named(word: str) -> str:
    """A source by the name that people give it: `pit`, `rtc`, `hpet.t0`, `lapic0`, `irq.5` or `irq5`, `pin.16`."""
    word = word.lower()
    if word in ("pit", "rtc", "sci"):
        return {"pit": "irq.0", "rtc": "irq.8", "sci": "irq.9"}[word]
    head, _, tail = word.partition(".")
    if head == "hpet" and tail.startswith("t") and not tail.endswith(".out"):
        return word + ".out"
    if head.startswith("lapic") and not tail:
        return word + ".timer"
    for kind in ("irq", "pin"):
        if head.startswith(kind) and head[3:].isdigit() and not tail:
            return f"{kind}.{head[3:]}"
    return word


def words_for(sources: list[str]) -> list[str]:
    """The names that completion offers."""
    short = {"irq.0": "pit", "irq.8": "rtc"}
    found = []
    for name in sources:
        if name != "ipi":
            found.append(short.get(name) or name.removesuffix(".out").removesuffix(".timer"))
    return found
