"""What can be seen of the RTC: its bytes, and when it will do what."""

from __future__ import annotations

from typing import Any

from timerlab.devices.rtc_calendar import clock_text
from timerlab.devices.rtc_core import Core
from timerlab.devices.rtc_state import RtcState
from timerlab.devices.rtc_waves import FIRST, SECOND, T_BUC, rate_hz


def next_uip(core: Core, s: RtcState) -> int | None:
    """When UIP rises next, for a state at its time; None while updates are inhibited."""
    updates = core.updates(s)
    if updates is None:
        return None
    rise = FIRST - T_BUC
    ticks = updates.clock.ticks(max(s.t, s.dead))
    return updates.clock.ns(rise + ((ticks - rise) // SECOND + 1) * SECOND)


def look(core: Core, s: RtcState, now: int) -> dict[str, Any]:
    """All that can be seen of a state at `now`, by name."""
    sec, minute, hour, dow, date, month, year, century = s.time
    uip, rate = core.uip(s, now), rate_hz(s.a)
    return {
        "rtc.seconds": sec,
        "rtc.seconds_alarm": s.alarm[0],
        "rtc.minutes": minute,
        "rtc.minutes_alarm": s.alarm[1],
        "rtc.hours": hour,
        "rtc.hours_alarm": s.alarm[2],
        "rtc.dow": dow,
        "rtc.date": date,
        "rtc.month": month,
        "rtc.year": year,
        "rtc.a": uip << 7 | s.a,
        "rtc.b": s.b,
        "rtc.c": s.c,
        "rtc.d": s.vrt << 7,
        "rtc.century": century,
        "rtc.index": s.index,
        "rtc.nmi_mask": s.nmi_mask,
        "rtc.uip": uip,
        "rtc.irqf": s.irqf,
        "rtc.clock": clock_text(s.time, core.rules(s)),
        "rtc.rate": rate and rate // core.slow(s.a),
        "rtc.next_periodic": core.next_periodic(s),
        "rtc.next_uip": next_uip(core, s),
        "rtc.next_update": core.next_update(s),
        "rtc.next_alarm": core.next_alarm(s),
        "rtc.coalesced": s.coalesced,
        "rtc.updates": s.updates,
        "rtc.c_read_ns": s.c_read,
    }
