"""What can be seen of a guest's operating system, by name."""

from __future__ import annotations

from typing import Any

from timerlab.devices.os_clocks import detect, detect_2010
from timerlab.devices.os_read import CLOCKS, Reader
from timerlab.regs import Peek

_OS = "timerlab, guest operating system"
_CS = "Linux kernel/time/clocksource.c"
_KVM = "Linux Documentation/virt/kvm/x86/msr.rst"
_NTP = "RFC 5905, Appendix A"
_LOCKUP = "Linux kernel/watchdog.c"

_PEEKS = {
    "stage": Peek("off, calibrating, or up", _OS),
    "source": Peek("the source that the kernel counts ticks of", _OS),
    "ticks": Peek("ticks that it has counted since boot", _OS),
    "extra": Peek("of those, the ones that lost-tick compensation added", _OS),
    "khz": Peek("the TSC's rate as the calibration found it, kHz; 0 before", "Linux arch/x86/kernel/tsc.c"),
    "khz_error": Peek("that minus the true rate, in ppb, rounded down", "Linux arch/x86/kernel/tsc.c"),
    "clocksource": Peek("the clock that the system clock is made of", _CS),
    "unstable": Peek("1 once the TSC is no clocksource", _CS),
    "checks": Peek("checks that the clocksource watchdog has made", _CS),
    "skipped": Peek("of those, the ones with an interval above 1 s", _CS),
    "kvmclock_msrs": Peek("which MSRs kvmclock is registered with: new, old or none", _KVM),
    "kvmclock_msrs_2010": Peek("what the document of 2010 would choose: it takes bit numbers for masks", _KVM),
    "ntp": Peek("1 while NTP disciplines the system clock", _NTP),
    "ntp_ppb": Peek("by how much it slews the system clock now, in ppb, rounded down", _NTP),
    "ntp_offset": Peek("the offset that it acted on last, ns; positive is fast", _NTP),
    "ntp_left": Peek("ns that it is slewing since its last act, signed", _NTP),
    "ntp_steps": Peek("how often it has stepped the clock", _NTP),
    "ntp_gave_up": Peek("1 once the clock was more than 1000 s off", _NTP),
}
_CLOCK_PEEKS = {
    "ns": Peek("what this clock believes, ns since boot; or none", _OS),
    "drift": Peek("that minus true time, ns", _OS),
    "ppb": Peek("how much too fast it runs now, in parts per 10^9, rounded down; or none", _OS),
    "day": Peek("ns that it gains in a day at that rate; or none", _OS),
}
_CORE_PEEKS = {
    "soft": Peek("soft lockups that were reported", _LOCKUP),
    "stuck": Peek("seconds that the last report of a soft lockup said", _LOCKUP),
    "silenced": Peek("soft lockups that GUEST_STOPPED kept from being reported", _LOCKUP),
    "hard": Peek("hard lockups that were reported", "Linux kernel/watchdog_hld.c"),
    "hang": Peek("what the vCPU hangs in: none, preempt (preemption off), irq (interrupts off)", _OS),
}


def peeks_of(vcpus: int) -> dict[str, Peek]:
    """What each value means, by name."""
    found = {f"os.{name}": peek for name, peek in _PEEKS.items()}
    found |= {f"os.{clock}.{name}": peek for clock in CLOCKS for name, peek in _CLOCK_PEEKS.items()}
    return found | {f"os.v{v}.{name}": peek for v in range(vcpus) for name, peek in _CORE_PEEKS.items()}


def nothing(vcpus: int) -> dict[str, Any]:
    """What there is to see before boot."""
    return dict.fromkeys(peeks_of(vcpus), None) | {"os.stage": "off"}


def seen(reader: Reader, now: int) -> dict[str, Any]:
    """All values at `now`."""
    s, n = reader.state, reader.ntp
    true = reader.sight.tsc_khz(0)
    found: dict[str, Any] = {
        "os.stage": s.stage,
        "os.source": s.source,
        "os.ticks": reader.tick_count(),
        "os.extra": s.extra,
        "os.khz": s.khz,
        "os.khz_error": int((s.khz - true) * 1_000_000_000 // true) if s.khz and true else None,
        "os.clocksource": s.current,
        "os.unstable": int(bool(s.unstable)),
        "os.checks": s.checks,
        "os.skipped": s.skipped,
        "os.kvmclock_msrs": detect(reader.sight.cpuid) if s.options.kvmclock else "none",
        "os.kvmclock_msrs_2010": detect_2010(reader.sight.cpuid),
        "os.ntp": int(n.on),
        "os.ntp_ppb": reader.slew_ppb(now),
        "os.ntp_offset": n.offset,
        "os.ntp_left": n.left,
        "os.ntp_steps": n.steps,
        "os.ntp_gave_up": int(n.gave_up),
    }
    boot = now - s.boot
    for clock in CLOCKS:
        ns, rate = reader.ns(clock, now), reader.rate(clock, now)
        found[f"os.{clock}.ns"] = ns
        found[f"os.{clock}.drift"] = None if ns is None else ns - boot
        found[f"os.{clock}.ppb"] = None if rate is None else rate.numerator * 1_000_000_000 // rate.denominator
        found[f"os.{clock}.day"] = None if rate is None else rate.numerator * 86_400_000_000_000 // rate.denominator
    for v, core in enumerate(reader.cores):
        found[f"os.v{v}.soft"], found[f"os.v{v}.stuck"] = core.soft, core.stuck
        found[f"os.v{v}.silenced"], found[f"os.v{v}.hard"] = core.silenced, core.hard
        found[f"os.v{v}.hang"] = core.hang
    return found
