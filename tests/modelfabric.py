"""For tests of a whole board: set-ups by name; random programs of accesses of any width anywhere, biased to what means
something, and of time; and a naive fabric to compare with, which takes every edge by itself.
"""

import random

from timerlab import GuestFault, Session
from timerlab.machine import Machine
from timerlab.quirks import QUIRKS

HPET, IOAPIC, LAPIC = 0xFED0_0000, 0xFEC0_0000, 0xFEE0_0000
ID, TPR, EOI, LDR, DFR, SVR, ICR_LOW, ICR_HIGH = 0x20, 0x80, 0xB0, 0xD0, 0xE0, 0xF0, 0x300, 0x310
LVT_TIMER, LINT0, TMICT, TDCR = 0x320, 0x350, 0x380, 0x3E0


def session(**options):
    """A session whose interrupts are taken by hand, unless told."""
    return Session(**{"guest": "manual", **options})


def pic(s, master=0x20, slave=0x28, mask=0, modes=1):
    """Both 8259s set up."""
    for base, chip, wired in ((master, 0x20, 4), (slave, 0xA0, 2)):
        s.outb(chip, 0x11)
        for value in (base, wired, modes):
            s.outb(chip + 1, value)
        s.outb(chip + 1, mask)


def isr(s, chip=0x20):
    """An 8259's in-service register."""
    s.outb(chip, 0x0B)
    return s.inb(chip)


def entry(s, pin, low, high=0):
    """Write a redirection entry."""
    for index, value in ((0x11 + 2 * pin, high), (0x10 + 2 * pin, low)):
        s.writel(IOAPIC, index)
        s.writel(IOAPIC + 0x10, value)


def low_of(s, pin):
    """Read the low half of a redirection entry."""
    s.writel(IOAPIC, 0x10 + 2 * pin)
    return s.readl(IOAPIC + 0x10)


def apics(s, vcpus=1, svr=0x1FF):
    """Enable local APICs."""
    for vcpu in range(vcpus):
        s.writel(LAPIC + SVR, svr, vcpu)


def x2apic(s, vcpu=0):
    """Put a local APIC into x2APIC mode, enabled."""
    s.wrmsr(0x1B, 0xFEE0_0C00 | (0 if vcpu else 0x100), vcpu)
    s.wrmsr(0x80F, 0x1FF, vcpu)


def requests(s, vcpu=0):
    """The vectors in a local APIC's IRR."""
    irr = s.peek(f"lapic{vcpu}.irr")
    return [vector for vector in range(256) if irr >> vector & 1]


def hpet(s, timer, conf, comparator, period=None):
    """Set a timer up, counter halted."""
    s.writel(HPET + 0x100 + 32 * timer, conf)
    s.writeq(HPET + 0x108 + 32 * timer, comparator)
    if period is not None:
        s.writeq(HPET + 0x108 + 32 * timer, period)


def pit(s, count=1193, mode=0x34):
    """Program PIT channel 0."""
    s.outb(0x43, mode)
    s.outb(0x40, count & 0xFF)
    s.outb(0x40, count >> 8)


def rtc(s, a=0x26, b=0x42):
    """Write the RTC's registers A and B: 1024 Hz, PIE."""
    for index, value in ((0xA, a), (0xB, b)):
        s.outb(0x70, index)
        s.outb(0x71, value)


def read_c(s):
    """Read the RTC's register C."""
    s.outb(0x70, 0xC)
    return s.inb(0x71)


def lapic_timer(s, count, vector=0x41, mode=1, vcpu=0):
    """Start a local APIC's timer at the bus clock itself."""
    s.writel(LAPIC + SVR, 0x1FF, vcpu)
    s.writel(LAPIC + LVT_TIMER, mode << 17 | vector, vcpu)
    s.writel(LAPIC + TDCR, 0xB, vcpu)
    s.writel(LAPIC + TMICT, count, vcpu)


# -- random programs

PORTS = (
    *(0x40, 0x41, 0x42, 0x43, 0x43, 0x61, 0x70, 0x71, 0x71, 0x72, 0x73),
    *(0x20, 0x21, 0xA0, 0xA1, 0x4D0, 0x4D1, *range(0x600, 0x60C)),
)
OTHER_PORTS = (0, 0x3F, 0x44, 0x60, 0x62, 0x80, 0xCF8, 0x5FF, 0x60C, 0xFFFC, 0xFFFF)
BYTES = (0x34, 0x36, 0x30, 0x38, 0x3A, 0xB6, 0x54, 0xC2, 0xE2, 0x11, 0x19, 0x01, 0x03, 0x08, 0x20, 0x60, 0x68, 0x28)
BYTES += (0x0A, 0x0B, 0x0C, 0x0D, 0x32, 0x26, 0x42, 0x52, 0x72, 0x82, 0x02, 0x00, 0xFF, 0xFB, 0xFE, 0xA9, 0x04)
MSRS = (0x10, 0x1B, 0x3B, 0x6E0, 0xC0000103, *range(0x800, 0x840), 0x8FF, 0x9FF, 0xC0000104)
HPET_OFFSETS = (0, 4, 0x10, 0x20, 0xF0, 0xF4, *(0x100 + 32 * n + o for n in range(4) for o in (0, 4, 8, 12, 16, 20)))
LAPIC_OFFSETS = (0x20, 0x30, 0x80, 0xB0, 0xB0, 0xD0, 0xE0, 0xF0, 0xF0, 0x100, 0x200, 0x280, 0x2F0, 0x300, 0x310)
LAPIC_OFFSETS += (0x320, 0x320, 0x330, 0x340, 0x350, 0x360, 0x370, 0x380, 0x380, 0x390, 0x3E0, 0x3F0)
LONGS = (0, 1, 2, 3, 4, 6, 0xC, 0x4C, 0x44, 0x104, 0x144, 0x1FF, 0x10FF, 0x700, 0x10700, 0x8700, 0x20030, 0x40030)
LONGS += (0x31, 0x41, 0x8041, 0x8131, 0x141, 0xA041, 0x4500, 0x84041, 0xC00FB, 0x4031, 0x500, 0x600, 0x31FF, 1000)
LONGS += (100_000, 0xFFFFFFFF, 0x01000000, 0x0F000000, 0xFF000000, 0x0B, 0x8, 0xFEE0100C, 0xFEE00000, 0x20000)
PROFILES = ("datasheet", "qemu", "ich")
GUESTS = ("none", "manual", "ideal", "latency=50us", "latency=3us", "latency=1ns", "latency=2ms")
YEAR = 365 * 86_400 * 10**9


def a_value(rng: random.Random, width: int) -> int:
    """A value of so many bits, as often as not one that a chip understands."""
    kind = rng.random()
    if width == 8 or kind < 0.15:
        value = rng.choice(BYTES) if rng.random() < 0.7 else rng.getrandbits(8)
    elif kind < 0.75:
        value = rng.choice(LONGS)
    else:
        value = rng.getrandbits(rng.choice((8, 16, 24, 32, 40, 64)))
    return value % (1 << width)


def an_address(rng: random.Random) -> int:
    """An address where a chip may be, or RAM, or nothing."""
    kind = rng.random()
    if kind < 0.3:
        return HPET + (rng.choice(HPET_OFFSETS) if rng.random() < 0.8 else rng.randrange(0x400))
    if kind < 0.5:
        return IOAPIC + (rng.choice((0, 0, 0x10, 0x10, 0x10, 0x40)) if rng.random() < 0.9 else rng.randrange(0x100))
    if kind < 0.85:
        return LAPIC + (rng.choice(LAPIC_OFFSETS) if rng.random() < 0.9 else rng.randrange(0x1000))
    if kind < 0.9:
        return LAPIC + rng.randrange(0x100000)
    return rng.choice((rng.randrange(0x2000), (1 << 52) - 1 - rng.randrange(16), rng.getrandbits(52)))


def a_span(rng: random.Random, longest: int = YEAR) -> int:
    """A time to let pass, from a nanosecond to years, each order of magnitude as likely as another."""
    top = rng.choice((2, 10, 1000, 10**4, 10**5, 10**6, 10**7, 10**8, 10**9, 10**10, 10**12, 10**14, 3 * YEAR))
    return rng.randrange(1, min(top, longest) + 1)


def set_up(rng: random.Random, vcpus: int) -> list[tuple]:
    """A few accesses that belong together: a timer that runs, or a controller that lets it through."""
    match rng.randrange(9):
        case 0:
            n = rng.choice((2, 50, 1193, 11932, 0, 65535))
            mode = rng.choice((0x34, 0x34, 0x36, 0x30, 0x38))
            return [("out", 0x43, mode, 8), ("out", 0x40, n & 0xFF, 8), ("out", 0x40, n >> 8 & 0xFF, 8)]
        case 1:
            base = rng.choice((8, 0x20, 0x30))
            words = [(0x20, 0x11), (0x21, base), (0x21, 4), (0x21, rng.choice((1, 3, 0x11, 0x13)))]
            words += [(0xA0, 0x11), (0xA1, base + 8), (0xA1, 2), (0xA1, rng.choice((1, 3)))]
            words += [(0x21, rng.choice((0, 0xFA, 0xFB, 0xFE))), (0xA1, rng.choice((0, 0xFE)))]
            return [("out", port, value, 8) for port, value in words]
        case 2:
            a, b = rng.choice((0x26, 0x21, 0x2F, 0x23)), rng.choice((0x42, 0x52, 0x12, 0x22, 0x72))
            return [("out", 0x70, 0xA, 8), ("out", 0x71, a, 8), ("out", 0x70, 0xB, 8), ("out", 0x71, b, 8)]
        case 3:
            return [("out", 0x70, 0xC, 8), ("in", 0x71, 8)]
        case 4:
            t = rng.randrange(3)
            config = rng.choice((0xC, 4, 0x4C, 0xE, 6, 0x144, 0x400C, 0x2A0C, 0x2A0E))
            at, period = rng.choice((100, 100_000, 10**6)), rng.choice((100, 1000, 100_000, 10**6))
            return [
                ("store", HPET + 0x100 + 32 * t, config, 32, 0),
                ("store", HPET + 0x108 + 32 * t, at, 32, 0),
                ("store", HPET + 0x108 + 32 * t, period, 32, 0),
                ("store", HPET + 0x10, rng.choice((1, 3)), 32, 0),
            ]
        case 5:
            v = rng.randrange(vcpus)
            return [
                ("store", LAPIC + 0xF0, 0x1FF, 32, v),
                ("store", LAPIC + 0x320, rng.choice((0x20040, 0x20041, 0x20052, 0x30040, 0x61)), 32, v),
                ("store", LAPIC + 0x3E0, rng.choice((0xB, 0, 3)), 32, v),
                ("store", LAPIC + 0x380, rng.choice((1, 10, 1000, 62_500, 10**6, 0xFFFFFFFF)), 32, v),
            ]
        case 6:
            pin = rng.choice((0, 2, 2, 8, 9, 5, 16, 20, 21))
            low = rng.choice((0x31, 0x40, 0x41, 0x8050, 0x8132, 0x700, 0x400, 0x951, 0x52))
            dest = rng.choice((0, 1, 2, 3, 0xFF)) << 24
            words = [(0, 0x11 + 2 * pin), (0x10, dest), (0, 0x10 + 2 * pin), (0x10, low)]
            return [("store", IOAPIC + offset, value, 32, 0) for offset, value in words]
        case 7:
            v = rng.randrange(vcpus)
            low = rng.choice((0x40, 0x52, 0x84050, 0xC0041, 0x44055, 0x500, 0x400, 0x840, 0x150))
            return [
                ("store", LAPIC + 0x310, rng.choice((0, 1, 2, 3, 0xFF)) << 24, 32, v),
                ("store", LAPIC + 0x300, low, 32, v),
            ]
    v = rng.randrange(vcpus)
    return [
        ("wrmsr", 0x1B, 0xFEE00C00 | (0x100 if not v else 0), v),
        ("wrmsr", 0x80F, 0x1FF, v),
        ("wrmsr", 0x832, rng.choice((0x20050, 0x40051, 0x50)), v),
        ("wrmsr", rng.choice((0x838, 0x6E0)), rng.choice((1000, 26_000_000, 10**10)), v),
    ]


def an_access(rng: random.Random, vcpus: int) -> tuple:
    """One access of any kind."""
    kind = rng.random()
    v = rng.randrange(vcpus)
    if kind < 0.4:
        port = rng.choice(PORTS) if rng.random() < 0.95 else rng.choice((*OTHER_PORTS, rng.getrandbits(16)))
        width = rng.choice((8, 8, 8, 8, 16, 32))
        return ("in", port, width) if rng.random() < 0.35 else ("out", port, a_value(rng, width), width)
    if kind < 0.75:
        width = rng.choice((8, 16, 32, 32, 32, 32, 64))
        address = an_address(rng)
        if rng.random() < 0.3:
            return ("load", address, width, v)
        return ("store", address, a_value(rng, width), width, v)
    if kind < 0.85:
        msr = rng.choice(MSRS) if rng.random() < 0.97 else rng.getrandbits(32)
        return ("rdmsr", msr, v) if rng.random() < 0.35 else ("wrmsr", msr, a_value(rng, 64), v)
    if kind < 0.9:
        return ("irq", rng.choice((0, 1, 3, 5, 8, 9, 15, 16, 20, 23)), rng.randrange(2))
    if kind < 0.985:
        return (rng.choice(("inta", "inta", "eoi", "eoi", "rdtsc", "sti", "cli")), v)
    if kind < 0.995:
        return ("cpuid", rng.choice((0, 1, 7, 0xB, 0x15, 0x16, 0x80000007, 0x40000000, rng.getrandbits(32))), v)
    return ("reset",)


def a_program(rng: random.Random, vcpus: int, longest: int = YEAR, moves: int = 30) -> list[tuple]:
    """Moves: set-ups, accesses, time."""
    program: list[tuple] = []
    for _ in range(rng.randrange(1, moves)):
        kind = rng.random()
        if kind < 0.3:
            program += set_up(rng, vcpus)
        elif kind < 0.7:
            program.append(an_access(rng, vcpus))
        else:
            program.append(("skip", a_span(rng, longest)))
    return program


def options(rng: random.Random) -> dict:
    """What a session is made with."""
    chosen: dict = {"vcpus": rng.randrange(1, 5), "profile": rng.choice(PROFILES), "guest": rng.choice(GUESTS)}
    if rng.random() < 0.6:
        return chosen
    quirks = {}
    for name in rng.sample(sorted(QUIRKS), rng.randrange(1, 8)):
        quirks[name] = rng.choice(sorted(QUIRKS[name].values))
    if quirks.get("pit_irq0") == "timer" or quirks.get("pit_mode67") == "own":
        quirks["pit_count"] = "elapsed"
    if quirks.get("pit_count") == "clocked" and chosen["profile"] == "qemu":
        del quirks["pit_count"]
    return chosen | {"quirks": quirks}


def act(machine: Machine, move: tuple) -> None:
    """Do it to a machine; a guest fault is an answer like others."""
    verb, *rest = move
    try:
        match verb:
            case "out":
                machine.write(rest[0], rest[1], rest[2])
            case "in":
                machine.read(*rest)
            case "load" | "store" | "rdmsr" | "wrmsr" | "irq" | "inta" | "eoi" | "rdtsc" | "reset":
                getattr(machine, verb)(*rest)
            case "sti" | "cli":
                machine.interrupts(verb == "sti", *rest)
            case "cpuid":
                machine.cpuid(rest[0], 0, rest[1])
            case "skip":
                machine.advance(machine.now + rest[0])
    except GuestFault:
        pass


LETTERS = {8: "b", 16: "w", 32: "l", 64: "q"}


def perform(s: Session, move: tuple) -> None:
    """Do it to a session, by its verbs, so that it is logged."""
    verb, *rest = move
    try:
        match verb:
            case "out":
                getattr(s, "out" + LETTERS[rest[2]])(rest[0], rest[1])
            case "in":
                getattr(s, "in" + LETTERS[rest[1]])(rest[0])
            case "load":
                getattr(s, "read" + LETTERS[rest[1]])(rest[0], vcpu=rest[2])
            case "store":
                getattr(s, "write" + LETTERS[rest[2]])(rest[0], rest[1], vcpu=rest[3])
            case "cpuid":
                s.cpuid(rest[0], vcpu=rest[1])
            case _:
                getattr(s, verb)(*rest)
    except GuestFault:
        pass


# -- a fabric without leaps


def walk(session: Session) -> None:
    """Take the leaps away from a session's fabric."""
    flow = session.machine.board.flow
    for name in dir(flow):
        if name.startswith("_leap"):
            setattr(flow, name, lambda *_: False)


def naive(options: dict) -> Session:
    """A session whose fabric never leaps: every edge goes through the controllers by itself."""
    session = Session(**options)
    walk(session)
    return session


def edges_ahead(machine: Machine, span: int) -> int:
    """How many edges the interrupt sources have in the next `span` ns, if nothing is written."""
    until, count = machine.now + span, 0
    for name in machine.line_names():
        if name.startswith(("irq.", "hpet.", "lapic", "pin.")):
            for train in machine.future(name) or ():
                count += train.until(until) - train.until(machine.now)
    return count


def bounded(machine: Machine, move: tuple, edges: int) -> tuple:
    """A move that passes no more edges than so many: a `skip` is made shorter."""
    while move[0] == "skip" and edges_ahead(machine, move[1]) > edges:
        move = ("skip", move[1] // 4 + 1)
    return move


def served(rises: list[int], latency: int, until: int) -> tuple[int, int]:
    """(delivered, coalesced) by `until` of one edge-triggered source that has a vCPU to itself: one request can be in
    service for `latency` ns, one can wait, and what comes while one waits is one with it.
    """
    delivered = coalesced = 0
    free, waiting = 0, False
    for at in rises:
        if waiting and free <= at:
            delivered, free, waiting = delivered + 1, free + latency, False
        if waiting:
            coalesced += 1
        elif at < free:
            waiting = True
        else:
            delivered, free = delivered + 1, at + latency
    if waiting and free <= until:
        delivered += 1
    return delivered, coalesced
