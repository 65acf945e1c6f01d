"""What the fabric counts: of each source what became of its requests, and what was taken beside them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar

from timerlab.devices.lapic import Lapic
from timerlab.devices.policies import Policies
from timerlab.devices.source import Source
from timerlab.devices.vcpu import Vcpu
from timerlab.regs import Peek


class Counting(ABC):
    """The part of the `Fabric` that counts."""

    sources: list[Source]
    lapics: tuple[Lapic, ...]
    vcpus: tuple[Vcpu, ...]
    ticks: Policies

    @abstractmethod
    def taken(self, index: int) -> int:
        """How many interrupts a vCPU took."""

    def others_counts(self) -> tuple[int, ...]:
        """What edges count beside their own source's: spurious interrupts, NMIs, SMIs and start-ups, vCPU by vCPU."""
        counts: list[int] = []
        for vcpu, lapic in zip(self.vcpus, self.lapics, strict=True):
            state = lapic.state
            counts += (vcpu.state.spurious, state.nmis, state.smis, state.startups)
        return tuple(counts)

    def add_others(self, times: int, change: tuple[int, ...]) -> None:
        """Count so many times a change of `others_counts`."""
        for vcpu, lapic, i in zip(self.vcpus, self.lapics, range(0, len(change), 4), strict=True):
            state = lapic.state
            vcpu.state.spurious += times * change[i]
            state.nmis += times * change[i + 1]
            state.smis += times * change[i + 2]
            state.startups += times * change[i + 3]

    # -- looking

    COUNTED: ClassVar = {
        "raised": "requests of {} that set out, rises of its line while it is wired",
        "delivered": "interrupts of {} that a vCPU took",
        "coalesced": "requests of {} that met one that still waited, and became one with it",
        "lost": "requests of {} that met a mask or reached nobody, and are forgotten",
    }

    def _abouts(self) -> dict[str, Peek]:
        source = "timerlab, the interrupt fabric"
        abouts = {
            f"{one.name}.{what}": Peek(about.format(one.name), source)
            for one in self.sources
            for what, about in self.COUNTED.items()
        }
        for one in self._spread():
            for vcpu in self.vcpus:
                name = f"{one.name}.delivered.v{vcpu.index}"
                abouts[name] = Peek(f"interrupts of {one.name} that vCPU {vcpu.index} took", source)
        for vcpu in self.vcpus:
            abouts[f"vcpu{vcpu.index}.taken"] = Peek("interrupts taken since power-on, spurious ones included", source)
        return {**abouts, **self.ticks.abouts()}

    def _spread(self) -> list[Source]:
        """The sources whose interrupts more than one vCPU may take."""
        return [one for one in self.sources if not one.name.startswith("lapic")] if len(self.vcpus) > 1 else []

    def peek(self) -> dict[str, Any]:
        """The counts, by name."""
        seen: dict[str, Any] = {}
        for source in self.sources:
            seen[source.name + ".raised"] = source.raised
            seen[source.name + ".delivered"] = sum(source.delivered)
            seen[source.name + ".coalesced"] = source.coalesced
            seen[source.name + ".lost"] = source.lost
        for source in self._spread():
            for index, taken in enumerate(source.delivered):
                seen[f"{source.name}.delivered.v{index}"] = taken
        for vcpu in self.vcpus:
            seen[f"vcpu{vcpu.index}.taken"] = self.taken(vcpu.index)
        return seen | self.ticks.peek()
