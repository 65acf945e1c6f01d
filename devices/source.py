"""Who asks for interrupts: a wire or a timer with its counts."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from timerlab.devices.ticks import Tick


class Source:
    """A wire or a timer that asks for interrupts.

    `rise` and `fall` hand its edges to the controllers that it is wired to. Of the `raised` requests, `delivered`
    were taken (by vCPU), `coalesced` met one that still waited, and `lost` met a mask; the rest is on its way, or was
    forgotten by a controller that was programmed anew. Under a tick policy (`tick`) the wire's edges go to the policy,
    and what it sends on is raised. A `gate` is no source but a vCPU's run line: the vCPU that it lets in and out.
    """

    __slots__ = (
        "base",
        "coalesced",
        "delivered",
        "fall",
        "gate",
        "index",
        "level",
        "lost",
        "name",
        "order",
        "raised",
        "rise",
        "share",
        "tick",
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
        self.gate = -1
        self.tick: Tick | None = None
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

    @property
    def plain(self) -> tuple[int, ...]:
        """Raised, coalesced, lost, and delivered by vCPU."""
        return (self.raised, self.coalesced, self.lost, *self.delivered)

    def counts(self) -> tuple[int, ...]:
        """The same, and what its policy counts."""
        return self.plain if self.tick is None else self.plain + self.tick.counts()

    def add(self, edges: int, change: tuple[int, ...], at: int) -> None:
        """Count so many more edges, the last at `at`, each of which changes the counts by `change`."""
        self.raised += edges * change[0]
        self.coalesced += edges * change[1]
        self.lost += edges * change[2]
        own = 3 + len(self.delivered)
        for vcpu, taken in enumerate(change[3:own]):
            self.delivered[vcpu] += edges * taken
        if self.tick is not None:
            self.tick.add(edges, change[own:], at)

    def snapshot(self) -> tuple[Any, ...]:
        """Level, by whom and how it was taken last, counts, and what estimates need."""
        return self.level, self.vcpu, self.way, self.vector, self.plain, self.base, self.share

    def restore(self, state: tuple[Any, ...]) -> None:
        """Take back what `snapshot` gave."""
        self.level, self.vcpu, self.way, self.vector, counts, self.base, self.share = state
        self.raised, self.coalesced, self.lost = counts[:3]
        self.delivered = list(counts[3:])
