"""What a guest's operating system reads of the board, as its drivers do: counters, rates, CPUID, its pages."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from fractions import Fraction
from typing import Any

from timerlab.clock import Clock
from timerlab.devices.cpuid import Registers
from timerlab.devices.fabric import Fabric
from timerlab.devices.hosting import Hosting
from timerlab.devices.hpet import Hpet
from timerlab.devices.os_sight import Sight
from timerlab.devices.pit import Pit
from timerlab.devices.pmtimer import PmTimer
from timerlab.devices.pv_pages import GUEST_STOPPED, TimeInfo
from timerlab.devices.rtc import Rtc
from timerlab.scaling import signed

__all__ = ["sight_of"]

_FLAGS = 29
"""Where the flags stand in a time page."""
_MASKED = 1 << 16


def sight_of(
    hosting: Hosting,
    fabric: Fabric,
    pit: Pit,
    rtc: Rtc,
    hpet: Hpet,
    pm: PmTimer,
    apic: Clock,
    since: Callable[[str, int], int],
    cpuid: Callable[[int], Registers],
    wrmsr: Callable[[int, int, int, int], None],
) -> Sight:
    """The board's chips as a guest's system sees them. `cpuid` and `wrmsr` are what vCPUs execute;
    `since` tells how long ago a wire moved."""
    sched, vcpus, ram = hosting.sched, hosting.vcpus, hosting.ram

    def spent(v: int, now: int, state: str) -> int:
        return sched.state.runs[v].spent(state, now)

    def page(v: int) -> int | None:
        return None if hosting.pv is None else hosting.pv.time_page(v)

    def kvmclock(v: int, now: int) -> int | None:
        """The page's time. What is asked of a moment before the page was filled in lies before it, as it did then."""
        address = page(v)
        if address is None:
            return None
        info, tsc = TimeInfo.read(ram.bytes_at, address), vcpus[v].l1_tsc(now)
        behind = signed(tsc - info.tsc_timestamp)
        if behind >= 0:
            return info.ns(tsc)
        return 2 * info.system_time - info.ns((info.tsc_timestamp - behind) % (1 << 64))

    def guest_stopped(v: int) -> bool:
        address = page(v)
        return address is not None and bool(ram.bytes_at(address + _FLAGS, 1)[0] & GUEST_STOPPED)

    def clear_stopped(v: int) -> None:
        address = page(v)
        if address is not None:
            flags = ram.bytes_at(address + _FLAGS, 1)[0]
            ram.put(address + _FLAGS, bytes((flags & ~GUEST_STOPPED,)))

    def rate(source: str) -> Fraction | None:
        """How often a source asks, as it is programmed."""
        chip, _, what = source.partition(".")
        if source == "irq.0" and not hpet.legacy:
            period = pit.peek(hosting.host_now)["pit.ch0.period"]
            return pit.clock.hz / period if period else None
        if source == "irq.8" and not hpet.legacy:
            hz = rtc.peek(hosting.host_now)["rtc.rate"]
            return Fraction(hz) if hz else None
        if chip == "hpet" or source in ("irq.0", "irq.8"):
            timer = what[1:].partition(".")[0] if chip == "hpet" else "01"[source == "irq.8"]
            seen = hpet.peek(hosting.host_now)
            period = seen.get(f"hpet.t{timer}.period")
            return hpet.clock.hz / period if period and seen["hpet.conf"] & 1 else None
        if chip.startswith("lapic"):
            seen = fabric.lapics[int(chip[5:])].peek(hosting.host_now)
            put = chip + "."
            if seen[put + "lvt_timer"] & _MASKED or seen[put + "timer_mode"] != "periodic" or not seen[put + "tmict"]:
                return None
            return apic.hz / int(seen[put + "tmict"] * seen[put + "divider"])
        return None

    def seconds(now: int) -> int:
        date = datetime.fromisoformat(rtc.peek(now)["rtc.clock"]).replace(tzinfo=UTC)
        return int(date.timestamp())

    def delivered(source: str) -> int:
        found: Any = fabric.by_name.get(source)
        return 0 if found is None else sum(found.delivered)

    return Sight(
        tsc=lambda v, now: vcpus[v].l1_tsc(now),
        tsc_khz=lambda v: vcpus[v].l1_clock().hz / 1000,
        cpuid=cpuid,
        delivered=delivered,
        rate=rate,
        pit_hz=pit.clock.hz if hosting.legacy else Fraction(0),
        hpet=hpet.counter,
        hpet_hz=lambda: hpet.clock.hz if hpet.enabled else Fraction(0),
        pm=pm.clock.ticks,
        pm_hz=pm.clock.hz,
        rtc=seconds,
        kvmclock=kvmclock,
        steal=lambda v, now: spent(v, now, "stolen"),
        run_ns=lambda v, now: spent(v, now, "run"),
        v_running=sched.in_guest,
        guest_stopped=guest_stopped,
        clear_stopped=clear_stopped,
        wrmsr=wrmsr,
        since=since,
        vcpus=len(vcpus),
    )
