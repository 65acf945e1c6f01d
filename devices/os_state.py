"""What a guest's operating system was told at boot, and all that it keeps."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

from timerlab.clock import NS_PER_S

CALIBRATIONS = ("pit", "hpet", "pm", "cpuid", "kvm")
"""How the TSC's rate is found at boot: against the PIT, the HPET or the PM timer, or told by CPUID or by kvmclock."""
CLOCKSOURCES = ("auto", "kvmclock", "tsc", "hpet", "pm", "jiffies")
COMPENSATIONS = ("off", "right", "buggy")
WATCHDOGS = ("off", "classic", "modern")
HANGS = ("none", "preempt", "irq")
"""What a vCPU hangs in: nothing, a loop with preemption off, a loop with interrupts off."""

LAPIC = "lapic0.timer"
PIT = "irq.0"


@dataclass(frozen=True, slots=True)
class Options:
    """The kernel's command line. Times are ns."""

    hz: int = 1000
    source: str = "auto"
    """The tick source; auto: the local APIC's timer where it is allowed and armed, else IRQ 0."""
    clocksource: str = "auto"
    kvmclock: bool = True
    nolapic: bool = False
    nolapic_timer: bool = False
    watchdog: str = "classic"
    tsc_reliable: bool = False
    """`tsc=reliable`: the clocksource watchdog lets the TSC alone."""
    soft: bool = True
    hard: bool = True
    calibration: str = "pit"
    window: int = 10_000_000
    late: int = 0
    """How late the calibration's last TSC read comes, after its reference was read."""
    compensate: str = "off"

    def check(self) -> None:
        """ValueError where one is out of range."""
        for name, value, allowed in (
            ("clocksource", self.clocksource, CLOCKSOURCES),
            ("watchdog", self.watchdog, WATCHDOGS),
            ("calibration", self.calibration, CALIBRATIONS),
            ("compensate", self.compensate, COMPENSATIONS),
        ):
            if value not in allowed:
                raise ValueError(f"no {name} {value}: {', '.join(allowed)}")
        if not 1 <= self.hz <= 10_000:
            raise ValueError(f"hz={self.hz} is out of range, 1–10000")
        if not 1_000_000 <= self.window <= 10 * NS_PER_S:
            raise ValueError("the window of a calibration is 1 ms to 10 s")
        if self.calibration == "pit" and self.window > 54_000_000:
            raise ValueError("PIT channel 2 counts 54.925 ms at most: a window of 54 ms or less, or hpet, pm")
        if not 0 <= self.late <= NS_PER_S:
            raise ValueError("a last read comes at most 1 s late")


@dataclass(slots=True)
class Core:
    """What the lockup detectors keep for one vCPU."""

    out: bool = False
    due: int = 0
    """When its watchdog timer is due, ns since power-on."""
    touch: int = 0
    """Units of 2^30 ns at the last healthy run."""
    report: int = 0
    """Units from which the next report is reckoned."""
    timer_run: int = 0
    """ns that it had run unhalted at its last watchdog timer interrupt."""
    hang: str = "none"
    soft: int = 0
    hard: int = 0
    """How many lockups were reported."""
    stuck: int = 0
    """Seconds as the last report of a soft lockup said them."""
    silenced: int = 0
    """Reports that GUEST_STOPPED kept back."""
    barked: bool = False
    """Whether the hard-lockup detector has reported the present hang: it does so once."""


@dataclass(slots=True)
class Ntp:
    """A discipline of the system clock. Frequencies are in 2^-16 ppm, as in Linux's timex."""

    on: bool = False
    poll: int = 64 * NS_PER_S
    due: int = 0
    corr: int = 0
    """ns that were added to the raw clock up to `since`."""
    since: int = 0
    freq: int = 0
    left: int = 0
    """ns that are to be slewed from `since` on, signed."""
    raw: int = 0
    """The raw clock's drift at the last poll, ns."""
    grew: int = 0
    """By how much that drift had grown since the poll before."""
    offset: int = 0
    """What the last poll that did something measured, ns; positive is fast."""
    steps: int = 0
    gave_up: bool = False


@dataclass(slots=True)
class OsState:
    """All that the system keeps. `stage` is off, calibrating or up; the rest means nothing while it is off."""

    stage: str = "off"
    options: Options = Options()
    at: int = 0
    boot: int = 0
    source: str = PIT
    # readings at boot
    tsc0: int = 0
    rtc0: int = 0
    kvm0: int | None = None
    steal0: int = 0
    ticks0: int = 0
    hpet0: int = 0
    pm0: int = 0
    # the calibration
    cal_tsc: int = 0
    cal_ref: int = 0
    """TSC since boot, and the reference's count, at its begin."""
    cal_end: int | None = None
    """The ns at which its reference has counted the window; None while no calibration is at work."""
    cal_read: int | None = None
    """What the reference read then; None before."""
    khz: int = 0
    """What it found."""
    mult: int = 0
    shift: int = 0
    tsc_from: int = 0
    tsc_base: int = 0
    """TSC since boot at the last calibration's end, if it was not the first, and the TSC clock's ns then."""
    # counters that wrap: last seen, and counted in all
    hpet_seen: int = 0
    hpet_total: int = 0
    hpet_hz: int = 0
    pm_seen: int = 0
    pm_total: int = 0
    pm_hz: int = 0
    # ticks
    extra: int = 0
    """Ticks that lost-tick compensation added, beyond one for each delivery."""
    tick_tsc: int | None = None
    """TSC since boot at the last tick, or None before the first."""
    tick_from: int = 0
    """The same at the first."""
    # the clocksource
    current: str = "jiffies"
    unstable: str = ""
    """Why the TSC is no clocksource, in words; empty where it is."""
    base: int = 0
    """The system clock at its last change of clocksource, ns since boot."""
    base_at: int = 0
    """What the present clocksource read then."""
    cs_due: int = 0
    cs_tsc: int | None = None
    """TSC at the last check of the watchdog, or None before the first."""
    cs_ref: int = 0
    cs_gap: int = 0
    """ns by which the next check is to read the TSC later than the reference."""
    checks: int = 0
    skipped: int = 0
    messages: tuple[tuple[int, str], ...] = ()
    """The latest lines of the kernel's log, with their ns."""


def plain(record: Any) -> tuple[Any, ...]:
    """A dataclass's values as a tuple."""
    return tuple(getattr(record, field.name) for field in fields(record))
