"""The part of the clock tree below the host's time stamp counters: what guests see of them, level by level."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

from timerlab.scaling import SVM_FRAC, VMX_FRAC, signed
from timerlab.text import count, decimal, duration, hexa
from timerlab.text import signed as with_sign
from timerlab.views.frame import Frame
from timerlab.views.tree_node import NS, Node, Said, named, names_of, peeked
from timerlab.views.tree_wiring import Guest, Host, Page, Wiring

__all__ = ["host_tree", "skew_words"]


def skew_words(cycles: int, hz: Fraction) -> str:
    """A difference of TSCs as time: `+50.0 ns`; in cycles where the counters stand."""
    if not hz:
        return f"{with_sign(cycles)} cycles"
    ns = Fraction(cycles * NS) / hz
    text = f"{decimal(ns, 1)} ns" if abs(ns) < 1000 else duration(ns)
    return ("+" if cycles > 0 else "") + text


def host_tree(wiring: Wiring, host: Host) -> Node:
    """A host processor's TSC, or those of several that read alike."""
    first = host.pcpus[0]
    names = named("host TSC", names_of(host.pcpus, "p", "processor")) if wiring.pcpus > 1 else ("host TSC",)
    off = Fraction(host.hz - host.khz * 1000, host.khz * 1000) if host.hz and host.khz else Fraction(0)
    said = "" if host.state == "run" else f"{host.state}, stopped" if not host.hz else host.state
    if not said and abs(off) * 10_000_000 >= 1:
        said = f"{'+' if off > 0 else ''}{decimal(off * 1_000_000, 1)} ppm"
    guests = tuple(_guest(wiring, host, guest) for guest in wiring.guests if guest.pcpu in host.pcpus)
    note = None
    if 0 not in host.pcpus and wiring.hosts[0].hz:
        note = _apart(f"host.p{first}.tsc", "host.p0.tsc", Fraction(wiring.hosts[0].hz), "p0")
    return Node(
        names,
        (said, host.state if said and host.state != "run" else said),
        Fraction(host.hz),
        peeked(f"host.p{first}.tsc"),
        note=note,
        value=f"host.p{first}.tsc",
        role="strong",
        spare=0 if guests else 5,
        below=guests,
    )


def _apart(name: str, other: str, hz: Fraction, of: str) -> Callable[[Frame], Said]:
    """How far a counter is from another one now."""

    def note(frame: Frame) -> Said:
        skew = signed(frame.number(name) - frame.number(other))
        return (f"{skew_words(skew, hz)} to {of}", "attention") if skew else (f"as {of}", "label")

    return note


def _linear(ratio: int, offset: int, frac: int) -> tuple[str, ...]:
    """How a TSC is made from the one below it: times a ratio, plus an offset."""
    sign = "−" if offset < 0 else "+"
    by = f"{sign} {count(abs(offset))}"
    if ratio == 1 << frac:
        return (by, f"{sign} offset") if offset else ("as its parent", "the same")
    times = [f"× {decimal(Fraction(ratio, 1 << frac), places)}" for places in (9, 6, 3)]
    if not offset:
        return tuple(times)
    return *[f"{one} {by}" for one in times], f"{times[-1]} {sign} offset", times[-1]


def _guest(wiring: Wiring, host: Host, guest: Guest) -> Node:
    """L1's TSC of vCPUs whose offset and ratio are alike, on processors that are alike."""
    frac = SVM_FRAC if wiring.amd else VMX_FRAC
    hz = Fraction(host.hz * guest.ratio, 1 << frac)
    first = guest.vcpus[0]
    note = None
    if guest.differs:
        note = _apart(f"vcpu{first}.l1tsc", "vcpu0.l1tsc", wiring.guest_hz, "v0")
    who = names_of(guest.vcpus, "v", "vCPU")
    tsc = Node(
        (*named("guest TSC", who), *named("guest", who)),
        _linear(guest.ratio, guest.offset, frac),
        hz,
        peeked(f"vcpu{first}.l1tsc"),
        ("deadline timers" if guest.deadlines else "", "label"),
        note,
        f"vcpu{first}.tsc",
        "attention" if guest.differs else "text",
        below=(
            *(_page(page, guest) for page in guest.pages),
            *(_nested(v, hz, frac, m12, o12) for v, m12, o12 in guest.nested),
        ),
    )
    if not wiring.counted:
        return tsc
    num, denom = guest.counted
    return Node(
        (*named("guest cycles", who), *named("cycles", who)),
        (f"× {num}/{denom}", "× ratio") if num != denom else ("since the start", "from 0"),
        Fraction(host.hz * num, denom),
        peeked(f"policy.v{first}.guest_cycles"),
        ("as of the last exit", "label"),
        value=f"policy.v{first}.guest_cycles",
        below=(_moved(tsc, guest.set_by),),
    )


def _moved(tsc: Node, offset: int) -> Node:
    """A guest's TSC that is made of guest cycles by an offset of its own."""
    ways = _linear(1, offset, 0)
    return Node(tsc.names, ways, tsc.hz, tsc.read, tsc.feeds, tsc.note, tsc.value, tsc.role, below=tsc.below)


def _nested(vcpu: int, hz: Fraction, frac: int, m12: int, o12: int) -> Node:
    """L2's TSC, while it is L2 that runs."""
    return Node(
        (f"L2's TSC v{vcpu}", f"L2 TSC v{vcpu}"),
        _linear(m12, o12, frac),
        hz * Fraction(m12, 1 << frac),
        peeked(f"nest{vcpu}.tsc2"),
        ("what RDTSC gives there", "label"),
        value=f"nest{vcpu}.tsc2",
    )


def _page(page: Page, guest: Guest) -> Node:
    """kvmclock, as the guest computes it from its page."""
    shift = f"<< {page.shift}" if page.shift > 0 else f">> {-page.shift}"
    mul = f"× {hexa(page.mul, 8, False)} >> 32"
    first = page.vcpus[0]
    ways = (f"{shift}, {mul}" if page.shift else mul, mul, "× mul")
    names = ("kvmclock",) if page.vcpus == guest.vcpus else named("kvmclock", names_of(page.vcpus, "v", "vCPU"))
    return Node(
        names,
        ways,
        Fraction(NS),
        peeked(f"pv{first}.kvmclock"),
        note=_error(f"pv{first}.kvmclock"),
        value=f"pv{first}.system_time",
    )


def _error(name: str) -> Callable[[Frame], Said]:
    """How far kvmclock is from true time."""

    def note(frame: Frame) -> Said:
        off = signed(frame.number(name) - frame.now)
        if not off:
            return "true time", "label"
        text = ("+" if off > 0 else "") + duration(off)
        return f"{text} to true time", "attention" if abs(off) >= 1000 else "label"

    return note
