"""Who asks for interrupts: a wire or a timer with its counts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


class Source:
    """A wire or a timer that asks for interrupts.

    `rise` and `fall` hand its edges to the controllers that it is wired to. Of the `raised` requests, `delivered`
    were taken (by vCPU), `coalesced` met one that still waited, and `lost` met a mask; the rest is on its way, or was
    forgotten by a controller that was programmed anew.
    """

    __slots__ = (
        "base",
        "coalesced",
        "delivered",
        "fall",
        "index",
        "level",
        "lost",
        "name",
        "order",
        "raised",
        "rise",
        "share",
        "vcpu",
        "vector",
        "way",
    )

    def __init__(self, name: str, order: int, index: int, vcpus: int) -> None:
        self.name = name
        self.order = order
        self.index = index
        self.level = 0
        self.raised = 0
        self.delivered = [0] * vcpus
        self.coalesced = 0
        self.lost = 0
        self.vcpu = -1
        """The vCPU that took its latest interrupt; -1 before the first."""
        self.way = ""
        self.vector = -1
        """The way and the vector by which it was taken."""
        self.base: tuple[int, ...] = self.counts()
        """The counts when sources began to contend for a vCPU."""
        self.share: tuple[Any, ...] = ()
        """While counts are estimated: what they were, the changes that they go on in proportion to, and the level that
        the controllers know of.
        """
        self.rise: Callable[[], None] = lambda: None
        self.fall: Callable[[], None] = lambda: None

    def counts(self) -> tuple[int, ...]:
        """Raised, coalesced, lost, and delivered by vCPU."""
        return (self.raised, self.coalesced, self.lost, *self.delivered)

    def add(self, raised: int, change: tuple[int, ...]) -> None:
        """Count `raised` more edges, each of which changes the counts by `change`."""
        self.raised += raised * change[0]
        self.coalesced += raised * change[1]
        self.lost += raised * change[2]
        for vcpu, taken in enumerate(change[3:]):
            self.delivered[vcpu] += raised * taken

    def snapshot(self) -> tuple[Any, ...]:
        """Level, by whom and how it was taken last, counts, and what estimates need."""
        return self.level, self.vcpu, self.way, self.vector, self.counts(), self.base, self.share

    def restore(self, state: tuple[Any, ...]) -> None:
        """Take back what `snapshot` gave."""
        self.level, self.vcpu, self.way, self.vector, counts, self.base, self.share = state
        self.raised, self.coalesced, self.lost = counts[:3]
        self.delivered = list(counts[3:])
