"""What a guest's operating system can see of the machine: a handful of questions that the board answers.

Nothing here is a register. The system reads counters as its drivers do, and each question is a callable, so that it
knows no chip. All `now` are ns since power-on. A question may be asked about any moment since the system was synced
last: between two host events every counter runs at one rate.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction

Registers = tuple[int, int, int, int]
"""EAX, EBX, ECX, EDX."""


@dataclass(frozen=True, slots=True)
class Sight:
    """The machine as a guest sees it. A rate of 0 is a timer that is not there."""

    tsc: Callable[[int, int], int]
    """(vCPU, now): what RDTSC gives."""
    tsc_khz: Callable[[int], Fraction]
    """(vCPU): how fast that really runs, in kHz."""
    cpuid: Callable[[int], Registers]
    """(leaf): what CPUID gives with ECX = 0."""
    delivered: Callable[[str], int]
    """(source): how many interrupts of a tick source were delivered since power-on."""
    rate: Callable[[str], Fraction | None]
    """(source): how often a tick source asks, in Hz, as it is programmed now; None where it does not."""
    pit_hz: Fraction
    """The clock of the PIT, or 0 where there is none."""
    hpet: Callable[[int], int]
    """(now): the HPET's main counter, all its 64 bits."""
    hpet_hz: Callable[[], Fraction]
    """How fast the main counter runs."""
    pm: Callable[[int], int]
    """(now): clocks of the ACPI PM timer since power-on, not yet cut to 24 bits."""
    pm_hz: Fraction
    """The clock of the ACPI PM timer."""
    rtc: Callable[[int], int]
    """(now): the RTC's time, in whole seconds since 1970."""
    kvmclock: Callable[[int, int], int | None]
    """(vCPU, now): ns by the pvclock page; None where no page is registered."""
    steal: Callable[[int, int], int]
    """(vCPU, now): ns that it was runnable and did not run."""
    run_ns: Callable[[int, int], int]
    """(vCPU, now): ns in the guest, not halted: what its cycle counter counts."""
    v_running: Callable[[int], bool]
    """(vCPU): whether it would take an interrupt now: it runs or halts, and is not out."""
    guest_stopped: Callable[[int], bool]
    """(vCPU): PVCLOCK_GUEST_STOPPED in its pvclock page."""
    clear_stopped: Callable[[int], None]
    """(vCPU): the guest clears that flag in its memory."""
    wrmsr: Callable[[int, int, int, int], None]
    """(vCPU, MSR, value, now): the guest writes an MSR, as it does to register a page. GuestFault where it faults."""
    since: Callable[[str, int], int] = lambda source, now: 0
    """(source, now): ns since its wire moved last; for the plot alone."""
    vcpus: int = 1
