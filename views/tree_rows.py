"""The clock tree as data: which clock is made from which, how, and where its reading comes from.

`Wiring` is all that the tree's shape depends on, taken from a frame; `grown` makes the tree from it, once as long as
nothing is wired otherwise. What counts is read at each frame, by the functions that a `Node` carries.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from functools import lru_cache

from timerlab.text import count, hexa
from timerlab.views.frame import Frame
from timerlab.views.tree_node import NS, Node, known, named, names_of, peeked
from timerlab.views.tree_tsc import host_tree
from timerlab.views.tree_wiring import Timer, Wiring

__all__ = ["grown"]

RTC_HZ = 32_768
PIT_DIVIDER = 12
"""The PIT counts each twelfth clock of the crystal."""
PM_DIVIDER = 4


@lru_cache(64)
def grown(wiring: Wiring) -> tuple[Node, ...]:
    """The trees of all oscillators, in the order in which they stand."""
    return (
        _crystal(wiring),
        _watch(wiring),
        _hpet(wiring),
        *_bus(wiring),
        *(host_tree(wiring, host) for host in wiring.hosts),
    )


# -- the board's oscillators


def _crystal(wiring: Wiring) -> Node:
    pit = wiring.pit_hz
    base = PIT_DIVIDER * pit
    channels = tuple(_channel(wiring, ch) for ch in range(3))
    clocks = known(pit)
    return Node(
        ("crystal",),
        hz=base,
        role="strong",
        places=6,
        below=(
            Node(
                ("PIT",),
                (f"÷ {PIT_DIVIDER}",),
                pit,
                clocks,
                role="strong",
                places=6,
                value="pit.ch0.ce",
                below=channels,
            ),
            Node(
                ("ACPI PM",),
                (f"÷ {PM_DIVIDER}",),
                wiring.pm_hz,
                _pm_read(wiring.pm_bits, wiring.pm_hz),
                feeds=("SCI at a carry", "label") if wiring.tmr_en else ("", "label"),
                value="acpi.tmr",
                role="strong",
                spare=3,
            ),
        ),
    )


def _pm_read(bits: int, hz: Fraction) -> Callable[[Frame], str]:
    """All ticks of the ACPI timer: its low bits are what it reads, the others are known from the time."""
    half, mask = 1 << bits - 1, (1 << bits) - 1

    def read(frame: Frame) -> str:
        about = frame.now * hz.numerator // (hz.denominator * NS)
        return count(about + (frame.number("acpi.tmr") - about + half & mask) - half)

    return read


def _channel(wiring: Wiring, ch: int) -> Node:
    kind, period, loaded = wiring.channels[ch]
    value = f"pit.ch{ch}.cr"
    if ch == 0:
        where = ("taken by HPET T0" if wiring.legacy else "IRQ0", "label")
    elif ch == 1:
        where = ("refresh toggle" if wiring.out1_refreshes else "memory refresh", "label")
    else:
        where = ("speaker" if wiring.speaker else "port 61h bit 5", "label")
    names = (f"ch {ch}",)
    told = (f"ch {ch} → {('HPET' if wiring.legacy else 'IRQ0', 'refresh', 'spkr')[ch]}", *names)
    if kind is None:
        return Node(names, ("no control word", "unset"), feeds=where, value=value, told=told, spare=9)
    if period is None:
        way = (f"mode {kind}, no period" if loaded else f"mode {kind}, not loaded", f"mode {kind}")
        return Node(
            names, way, None, peeked(f"pit.ch{ch}.out.edges"), where, value=value, told=told, spare=8 if ch == 1 else 2
        )
    rate = wiring.pit_hz / period
    ways = (f"÷ {count(period)}", f"÷ {period}")
    return Node(names, ways, rate, peeked(f"pit.ch{ch}.out.edges"), where, value=value, told=told, spare=(1, 8, 2)[ch])


def _watch(wiring: Wiring) -> Node:
    """The RTC's crystal. Its divider chain gives the periodic rate and the seconds."""
    counts = wiring.chain == "runs"
    period = RTC_HZ // wiring.periodic_hz if wiring.periodic_hz and counts else 0
    stops = ("halted by SET", "attention") if wiring.rtc_set else ("date and alarm", "label")
    irq = "IRQ8" if not wiring.legacy else "taken by HPET T1"
    return Node(
        ("watch crystal",),
        hz=Fraction(RTC_HZ),
        unit="kHz",
        read=known(Fraction(RTC_HZ)),
        role="strong",
        spare=4,
        below=(
            Node(
                ("periodic",),
                (f"rs {wiring.rs:04b}",),
                Fraction(RTC_HZ, period) if period else None,
                _periods(period) if period else None,
                (irq if wiring.pie else f"{irq}, PIE is 0", "label"),
                value="rtc.a",
                spare=6,
            ),
            Node(
                ("seconds",),
                (f"÷ {count(RTC_HZ)}", f"÷ {RTC_HZ}")
                if counts
                else (f"dv {wiring.dv:03b}, {wiring.chain}", wiring.chain),
                Fraction(1) if counts and not wiring.rtc_set else None,
                lambda frame: str(frame.peeks.get("rtc.clock") or "–").rpartition("T")[2],
                stops,
                value="rtc.seconds",
                spare=7,
            ),
        ),
    )


def _periods(period: int) -> Callable[[Frame], str]:
    """How many periods of the divider chain have ended, told from when the next one does."""

    def read(frame: Frame) -> str:
        due = frame.peeks.get("rtc.next_periodic")
        ticks = (due if isinstance(due, int) else frame.now) * RTC_HZ // NS
        return count(ticks // period)

    return read


def _hpet(wiring: Wiring) -> Node:
    timers = " ".join(f"T{n}" for n in wiring.timers) or "no timer enabled"
    return Node(
        ("HPET",),
        hz=Fraction(10**15, wiring.hpet_fs),
        read=peeked("hpet.cnt"),
        feeds=(timers if wiring.hpet_runs else "halted", "label"),
        value="hpet.cnt",
        role="strong",
        spare=4 if wiring.hpet_runs else 7,
    )


def _bus(wiring: Wiring) -> tuple[Node, ...]:
    """The clock of the local APICs, and their timers that count; those that wait for a TSC hang on that."""
    if not wiring.lapics:
        return ()
    timers = tuple(_timer(timer, wiring.bus_hz) for timer in wiring.lapics)
    return (
        Node(
            ("APIC bus",),
            hz=wiring.bus_hz,
            read=known(wiring.bus_hz),
            role="strong",
            spare=3,
            below=timers,
        ),
    )


def _timer(timer: Timer, bus: Fraction) -> Node:
    """A timer, or several that are set alike."""
    first = timer.vcpus[0]
    masked = "masked" if timer.masked else f"vector {hexa(timer.vector, 2)}"
    names = named("timer", names_of(timer.vcpus, "v", "vCPU"))
    if timer.periodic:
        by = f"÷ {timer.divider} ÷ {count(timer.initial)}"
        return Node(
            names,
            (by, f"÷ {count(timer.divider * timer.initial)}", f"÷ {timer.divider * timer.initial}", "periodic"),
            bus / timer.divider / timer.initial,
            peeked(f"lapic{first}.timer.edges"),
            (masked, "label"),
            value=f"lapic{first}.tmict",
            spare=3,
        )
    return Node(
        names,
        (f"÷ {timer.divider}, one-shot", f"÷ {timer.divider}"),
        bus / timer.divider,
        peeked(f"lapic{first}.tmcct"),
        (f"{masked}, counts down", "label"),
        value=f"lapic{first}.tmcct",
        spare=3,
    )
