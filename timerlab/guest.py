"""Who acknowledges interrupts: the guest, as far as a timer workbench needs one.

`none`: nobody; a request stays where it is, and what comes after it is counted. `manual`: `inta` and `eoi` are typed.
`ideal`: every interrupt is taken and ended in the nanosecond in which it can be. `latency=50us`: taken at once if the
vCPU is free, and ended that much later; until then the vCPU takes nothing else.

A handler ends an interrupt and does nothing to the device that asked for it. A level that is still up when its handler
ends would come again for ever; here it stays in service until the source lets go, and counts once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from timerlab.units import parse_time

GuestKind = Literal["none", "manual", "ideal", "latency"]


@dataclass(frozen=True, slots=True)
class Guest:
    """A guest model; `latency_ns` is the time from taking an interrupt to its end, 0 but for `latency`."""

    kind: GuestKind = "none"
    latency_ns: int = 0

    @property
    def reacts(self) -> bool:
        """Whether it takes interrupts by itself."""
        return self.kind in ("ideal", "latency")


def parse_guest(text: str) -> Guest:
    """`none`, `manual`, `ideal` or `latency=TIME`; ValueError says what there is."""
    kind, equals, time = text.partition("=")
    if kind in ("none", "manual", "ideal") and not equals:
        return Guest(kind)  # type: ignore[arg-type]
    if kind == "latency" and time:
        ns = parse_time(time).amount
        if ns > 0:
            return Guest("latency", ns)
    raise ValueError(f"guest cannot be {text!r}: none, manual, ideal, latency=50us")
