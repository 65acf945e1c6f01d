"""The whole board: every timer at once, interrupts taken by a guest, edges one by one."""

from __future__ import annotations

from statistics import median

from measure import Group, Row, compared, cpu, per_second, ratio, span, turns

from timerlab import Session
from timerlab.devices import flow

SECOND = 1_000_000_000
YEAR = 365 * 86_400 * SECOND
EDGES = 20_000


def board(guest: str, vcpus: int = 4, shared: bool = False) -> Session:
    """PIT 1000 Hz by the 8259s, RTC 1024 Hz, HPET T1 1 kHz, and an APIC timer of 1 kHz on each vCPU. Under `shared` the
    APIC timer of vCPU 0 is the only other source, and contends with the PIT for it.
    """
    s = Session(vcpus=vcpus, guest=guest, quirks={"hpet_caps": "fsb"})
    for port, value in ((0x20, 0x11), (0x21, 0x20), (0x21, 4), (0x21, 1), (0xA0, 0x11), (0xA1, 0x28), (0xA1, 2)):
        s.outb(port, value)
    s.outb(0xA1, 1)
    s.outb(0x43, 0x34)
    s.outb(0x40, 1193 & 0xFF)
    s.outb(0x40, 1193 >> 8)
    for vcpu in range(vcpus):
        s.writel(0xFEE0_00F0, 0x1FF, vcpu)
        s.writel(0xFEE0_0350, 0x10700 if vcpu else 0x700, vcpu)
        s.writel(0xFEE0_03E0, 0xB, vcpu)
        s.writel(0xFEE0_0320, 0x2_0040, vcpu)
        s.writel(0xFEE0_0380, 1_000_000, vcpu)
    if not shared:
        s.outb(0x70, 0x0B)
        s.outb(0x71, 0x42)
        s.writeq(0xFED0_0130, 0xFEE0_0000 << 32 | 0x50)
        s.writel(0xFED0_0120, 0x404C)
        s.writeq(0xFED0_0128, 100_000)
        s.writeq(0xFED0_0128, 100_000)
        s.writel(0xFED0_0010, 1)
    return s


def one_source(guest: str) -> Session:
    """The PIT at 1000 Hz by the 8259s, and nothing else."""
    s = Session(guest=guest)
    for port, value in ((0x20, 0x11), (0x21, 0x20), (0x21, 4), (0x21, 1)):
        s.outb(port, value)
    s.outb(0x43, 0x34)
    s.outb(0x40, 1193 & 0xFF)
    s.outb(0x40, 1193 >> 8)
    return s


def years(rounds: int) -> Group:
    """A year with every timer, against a second."""
    kinds = {
        "every timer, four vCPUs, guest ideal": lambda: board("ideal"),
        "every timer, four vCPUs, guest none": lambda: board("none"),
        "one source, guest latency=50us": lambda: one_source("latency=50us"),
        "one source, guest latency=3ms": lambda: one_source("latency=3ms"),
    }
    rows: list[Row] = []
    for name, make in kinds.items():

        def sample(ns: int, make=make) -> float:
            session = make()
            return cpu(lambda: session.skip(ns))

        one, year = turns([lambda f=sample: f(SECOND), lambda f=sample: f(YEAR)], rounds)
        rows.append(compared(f"skip a year, {name}", year, "skip a second", one, under_ns=5e6))
    about = f"`Session.skip` on a new session, {rounds} turns of each."
    return Group("Interrupts in a skipped year", about, rows)


def stepped(rounds: int) -> Group:
    """Edges handled one by one: no leaps, every edge through the controllers and, if it can be, to a vCPU."""
    rows: list[Row] = []
    for name, make in {
        "two sources, one vCPU, guest latency=50us": lambda: board("latency=50us", 1, shared=True),
        "two sources, one vCPU, guest ideal": lambda: board("ideal", 1, shared=True),
        "two sources, one vCPU, guest none": lambda: board("none", 1, shared=True),
        "one source, guest ideal": lambda: one_source("ideal"),
    }.items():

        def by_hand(make=make) -> float:
            session = make()
            before = edges(session)
            patience, flow.FEW = flow.FEW, 1 << 60
            try:
                total = cpu(lambda: session.skip(EDGES * SECOND // 4000))
            finally:
                flow.FEW = patience
            return total / (edges(session) - before)

        def at_once(make=make) -> float:
            session = make()
            return cpu(lambda: session.skip(EDGES * SECOND // 4000))

        one, leap = turns([by_hand, at_once], rounds)
        rows.append(
            Row(
                f"edges one by one, {name}",
                per_second(median(one)),
                "the same time in leaps, if it can be",
                span(median(leap)),
                ratio(one, leap),
                "300 000/s",
                1e9 / median(one) > 300_000,
            )
        )
    about = (
        "Rising and falling edges a second of CPU that go through 8259s, I/O APIC and local APIC one by one, the "
        "guest's INTA and EOI included; the ratio is that of one edge to its peer. "
        f"About {EDGES} edges, {rounds} turns."
    )
    return Group("Every edge through the fabric", about, rows)


def edges(session: Session) -> int:
    """Edges of the interrupt sources so far: two a pulse."""
    seen = session.peeks()
    names = ("irq.0", "lapic0.timer")
    return sum(2 * int(seen[f"{name}.edges"]) for name in names)


def groups(quick: bool) -> list[Group]:
    """All of the fabric."""
    rounds = 3 if quick else 9
    return [years(rounds), stepped(rounds)]
