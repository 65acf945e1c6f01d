"""What an access to one of KVM's paravirtual MSRs did, in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from timerlab.devices.pv_pages import TIME_SIZE, inside_page
from timerlab.devices.pv_regs import (
    ASYNC_PF_ACK,
    ASYNC_PF_EN,
    ASYNC_PF_INT,
    FEATURE,
    POLL_CONTROL,
    PV_EOI_EN,
    STEAL_TIME,
    SYSTEM_TIME,
    SYSTEM_TIME_OLD,
    WALL_CLOCK,
    WALL_CLOCK_OLD,
)
from timerlab.text import count, duration_exact, hexa


def knows(msr: int) -> bool:
    """Whether it is one of them."""
    return msr in FEATURE


def wrote_msr(msr: int, value: int, before: Mapping[str, Any], after: Mapping[str, Any], v: int = 0) -> str:
    """The effect of a WRMSR that did not fault."""
    put = f"pv{v}."
    if msr in (WALL_CLOCK, WALL_CLOCK_OLD):
        if not value:
            return "no wall clock"
        if after["pv.steps"]:
            return f"wall clock at {value:X}h is being written: pvwrite next"
        return f"wall clock at {value:X}h: {after['pv.wall_sec']}.{after['pv.wall_nsec']:09d} s when kvmclock was 0"
    if msr in (SYSTEM_TIME, SYSTEM_TIME_OLD):
        return _time(value, after, put) + _master(before, after)
    if msr == STEAL_TIME:
        if not value & 1:
            return "steal time is written no more, memory keeps it"
        return f"steal time at {value & ~0x3F:X}h: {duration_exact(after[put + 'steal'])} so far"
    if msr == ASYNC_PF_EN:
        if after[put + "apf_flags"] is not None:
            return f"asynchronous page faults on, their page at {value & ~0x3F:X}h; a broadcast wakes all who wait"
        return "asynchronous page faults off" + (": bit 3, delivery by interrupt, is needed" if value & 1 else "")
    if msr == ASYNC_PF_ACK:
        if not value & 1:
            return "bit 0 is 0, nothing happens"
        sent = after[put + "apf_queued"] < before[put + "apf_queued"]
        return "acknowledged, the next event is delivered" if sent else "acknowledged, no event is delivered"
    if msr == ASYNC_PF_INT:
        return f"page-ready events by vector {hexa(value, 2)}"
    if msr == POLL_CONTROL:
        return "the host polls on HLT" if value else "the host does not poll on HLT: the guest does"
    if msr == PV_EOI_EN:
        return f"PV EOI at {value & ~3:X}h" if value & 1 else "PV EOI off"
    return "live migration allowed" if value & 1 else "live migration not allowed"


def _time(value: int, after: Mapping[str, Any], put: str) -> str:
    if not value & 1:
        return "the time page is written no more, memory keeps it"
    address = value & ~1
    if not inside_page(address, TIME_SIZE):
        return f"the time page at {address:X}h would cross a page of memory: it is never written"
    if after[put + "khz"] is None:
        return f"time page at {address:X}h is being written, version {after[put + 'version']}: pvwrite next"
    stable = ", TSC_STABLE" if (after[put + "flags"] or 0) & 1 else ""
    return f"time page at {address:X}h: version {after[put + 'version']}, {count(after[put + 'khz'])} kHz{stable}"


def _master(before: Mapping[str, Any], after: Mapping[str, Any]) -> str:
    was, here = before.get("kvm.master"), after.get("kvm.master")
    if was == here:
        return ""
    return ", master clock on" if here else ", master clock off"


def read_msr(msr: int, value: int, before: Mapping[str, Any], v: int = 0) -> str:
    """What a value means that RDMSR gave."""
    if msr in (WALL_CLOCK, WALL_CLOCK_OLD):
        return f"wall clock at {value:X}h" if value else "no wall clock"
    if msr in (SYSTEM_TIME, SYSTEM_TIME_OLD):
        return f"time page at {value & ~1:X}h, {'written' if value & 1 else 'not written'}"
    if msr == STEAL_TIME:
        return f"steal time at {value & ~0x3F:X}h" if value & 1 else "steal time is not written"
    if msr == ASYNC_PF_EN:
        return "asynchronous page faults " + ("on" if before[f"pv{v}.apf_flags"] is not None else "off")
    if msr == ASYNC_PF_INT:
        return f"vector {hexa(value, 2)}"
    if msr == POLL_CONTROL:
        return "the host polls on HLT" if value else "the host does not poll on HLT"
    return ""
