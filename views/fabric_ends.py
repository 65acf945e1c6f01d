"""The last part of an interrupt's way: from a message or a pin into local APICs, and into the vCPU that takes it."""

from __future__ import annotations

from dataclasses import dataclass, replace

from timerlab.views.frame import Frame
from timerlab.views.irq_rows import vcpu_names

__all__ = ["DEAD", "DELIVERY", "HELD", "OPEN", "SERVES", "WAITS", "End", "Hop", "fixed", "special", "taken"]

OPEN, WAITS, SERVES, HELD, DEAD = "open", "waits", "serves", "held", "dead"
"""The states of a way; see `fabric_rows.Way`."""

DELIVERY = ("fixed", "lowest", "SMI", "reserved", "NMI", "INIT", "reserved", "ExtINT")
"""Delivery modes by their number."""

_ENABLED = 1 << 8
_OFF = "SVR disables the APIC"
_WITHHELD = "withheld: SVR disables the APIC"


@dataclass(frozen=True, slots=True)
class Hop:
    """A place on a way: its name, `▲` a request is held there, `►` in service there, `×` nothing passes; and the
    value that the inspector opens.
    """

    text: str
    name: str = ""
    sign: str = ""


@dataclass(frozen=True, slots=True)
class End:
    """What a way comes to, from some place on."""

    hops: tuple[Hop, ...]
    state: str = OPEN
    why: str = ""

    def after(self, *hops: Hop) -> End:
        """The same, with hops before it."""
        return replace(self, hops=(*hops, *self.hops))


def special(frame: Frame, delivery: int, to: list[int]) -> End:
    """NMI, SMI, INIT and ExtINT go past IRR and ISR."""
    names = vcpu_names(to, frame.options.vcpus)
    hop = Hop(f"{names} {DELIVERY[delivery]}", f"lapic{to[0]}.svr")
    if delivery == 7 and any(frame.peeks[f"lapic{vcpu}.extint"] for vcpu in to):
        return End((replace(hop, sign="▲"),), WAITS, _nobody(frame, to[0]) or "waits for its INTA cycle")
    return End((hop,))


def fixed(frame: Frame, to: list[int], vector: int, lowest: bool = False) -> End:
    """A vector on its way into one local APIC, or into several: of these the first that has a say is told."""
    if vector < 16:
        return End((Hop(f"{vector:02X}h", "", "×"),), DEAD, "vectors below 10h are illegal")
    ends = [_local(frame, vcpu, vector) for vcpu in to]
    best = min(ends, key=lambda end: _RANK[end.state])
    if len(to) == 1:
        return best
    words = ("lowest of " if lowest else "") + vcpu_names(to, frame.options.vcpus)
    last = best.hops[-1]
    return replace(best, hops=(*best.hops[:-1], replace(last, text=f"{words} {vector:02X}h")))


_RANK = {WAITS: 0, SERVES: 1, OPEN: 2, HELD: 3, DEAD: 4}


def _local(frame: Frame, vcpu: int, vector: int) -> End:
    """A vector in the local APIC of one vCPU."""
    put, bit = f"lapic{vcpu}.", 1 << vector
    word = vector // 32
    here = Hop(f"v{vcpu} {vector:02X}h", f"{put}irr{word}", "▲")
    disabled = not frame.number(put + "svr") & _ENABLED
    drops = frame.options.quirks.get("lapic_soft_disable") == "masks"
    tpr = frame.number(put + "tpr")
    held = f"TPR {tpr:02X}h holds vectors up to {tpr | 15:02X}h"
    if not frame.number(put + "irr") & bit:
        if frame.number(put + "isr") & bit:
            return End((Hop(here.text, f"{put}isr{word}", "►"),), SERVES)
        if disabled:
            stop = Hop(here.text, put + "svr", "×")
            return End((stop,), DEAD, _OFF) if drops else End((stop,), HELD, _WITHHELD)
        if tpr >> 4 >= vector >> 4:
            return End((Hop(here.text, put + "tpr"),), HELD, held)
        return taken(frame, vcpu, vector, False, here.name)
    offered = frame.peeks[put + "pending"]
    if offered == vector:
        return taken(frame, vcpu, vector, True, here.name)
    if offered is not None:
        return End((here,), WAITS, f"{offered:02X}h goes first")
    if tpr >> 4 >= vector >> 4:
        return End((replace(here, name=put + "tpr"),), WAITS, held)
    serving = frame.peeks[put + "isr_max"]
    if isinstance(serving, int) and serving >> 4 >= vector >> 4:
        return End((here,), WAITS, f"ISR blocks it: {serving:02X}h not ended")
    return End((replace(here, name=put + "svr"),), WAITS, _WITHHELD)


def taken(frame: Frame, vcpu: int, vector: int, asks: bool, name: str = "") -> End:
    """Into the vCPU itself; `name` is the register that tells of the vector."""
    put = f"vcpu{vcpu}."
    hop = Hop(f"v{vcpu} {vector:02X}h", name or put + "last", "▲" if asks else "")
    if not frame.peeks[put + "if"]:
        return End((hop,), WAITS if asks else HELD, "IF is 0 (cli)")
    return End((hop,), WAITS, _nobody(frame, vcpu)) if asks else End((hop,))


def _nobody(frame: Frame, vcpu: int) -> str:
    """Why a vCPU with interrupts enabled does not take what it is offered."""
    guest, serving = frame.options.guest, frame.peeks[f"vcpu{vcpu}.serving"]
    if guest == "none":
        return "guest none takes nothing"
    if guest == "manual":
        return "inta takes it"
    return f"v{vcpu} serves {serving:02X}h" if isinstance(serving, int) else "taken next"
