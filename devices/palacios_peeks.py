"""What can be seen of Palacios' time keeping."""

from __future__ import annotations

from typing import Any

from timerlab.devices.palacios_core import Core, Timer, Vm
from timerlab.regs import Peek
from timerlab.text import count, decimal, plural

_VMM = "Palacios, vmm_time.c"
_H = "Palacios, vmm_time.h"
_OWN = "timerlab, after the future work that vmm_time.c names"

VM = {
    "follow_host_time": Peek("1: guest_cycles is computed anew from initial_host_time; 0: it is added to", _H),
    "td_num": Peek("numerator of time dilation", _H),
    "td_denom": Peek("denominator of time dilation", _H),
    "passthrough": Peek("1: the guest reads the host's TSC, while ratio and dilation are 1/1", _VMM),
    "hooked": Peek("1 while MSRs 10h and C0000103h and the hypercalls are hooked", _VMM),
    "skew_bound": Peek("guest cycles of skew that an exit takes back at most; 0: none", _OWN),
    "spread": Peek("largest less smallest guest TSC of all vCPUs, in cycles", _OWN),
    "spread_ns": Peek("the same in ns of the first vCPU's guest rate, rounded down", _OWN),
}

CORE = {
    "guest_cycles": Peek("monotonic guest time as of the last advance, which drives the guest's timers", _VMM),
    "tsc_guest_offset": Peek("what the guest's TSC is ahead of guest_cycles, signed", _VMM),
    "host_cpu_freq": Peek("rate of the host's TSC in kHz", _H),
    "guest_cpu_freq": Peek("rate that guest and timers are told, in kHz", _H),
    "clock_ratio_num": Peek("guest cycles for each clock_ratio_denom of the host", _H),
    "clock_ratio_denom": Peek("host cycles for each clock_ratio_num of the guest", _H),
    "initial_host_time": Peek("host TSC at v3_start_time", _H),
    "vm_pause_host_time": Peek("host TSC at the last advance, exit or skip", _H),
    "vm_enter_host_time": Peek("host TSC at the last entry", _H),
    "yield_start_cycle": Peek("host TSC from which the scheduler counts; no timer uses it", _VMM),
    "last_update": Peek("guest_cycles at the last v3_update_timers", _H),
    "time_flags": Peek("bit 0: RDTSC is trapped", _H),
    "tsc_aux_lo": Peek("low dword of MSR C0000103h, as Palacios keeps it", _VMM),
    "tsc_aux_hi": Peek("high dword of MSR C0000103h, as Palacios keeps it", _VMM),
    "rollovers": Peek("updates that found negative cycles and called no timer", _VMM),
    "host_faults": Peek("advances in the run loop that would have crashed the host", _VMM),
    "skew": Peek("guest cycles that guest time is still to be off by, signed", _OWN),
    "skew_ns": Peek("the same in ns of the guest's rate, rounded down", _OWN),
}

_MADE = {
    "guest_tsc": Peek("guest_cycles and tsc_guest_offset as of the last advance, modulo 2^64", _VMM),
    "num_timers": Peek("timers in the core's list", _H),
    "timers": Peek("each timer, its calls, and the time that they add up to", _VMM),
    "told_cycles": Peek("guest cycles that the newest timer was told last", _VMM),
    "told_khz": Peek("the rate that it was told with them, in kHz", _VMM),
}


def peeks_of(vcpus: int) -> dict[str, Peek]:
    """What each value means, by name."""
    names = {f"policy.{name}": peek for name, peek in VM.items()}
    for v in range(vcpus):
        names |= {f"policy.v{v}.{name}": peek for name, peek in (CORE | _MADE).items()}
    return names


def vm_seen(vm: Vm, spread: int, khz: int) -> dict[str, Any]:
    """The VM's values."""
    own = {f"policy.{name}": getattr(vm, name) for name in VM if not name.startswith("spread")}
    return own | {"policy.spread": spread, "policy.spread_ns": spread * 1_000_000 // khz}


def core_seen(v: int, core: Core) -> dict[str, Any]:
    """A core's values."""
    put = f"policy.v{v}."
    seen: dict[str, Any] = {put + name: getattr(core, name) for name in CORE if name != "skew_ns"}
    newest = core.timers[0] if core.timers else Timer("")
    return seen | {
        put + "skew_ns": core.skew * 1_000_000 // max(1, core.guest_cpu_freq),
        put + "guest_tsc": core.guest_tsc,
        put + "num_timers": len(core.timers),
        put + "timers": "; ".join(timer_words(timer) for timer in core.timers) or None,
        put + "told_cycles": newest.cycles,
        put + "told_khz": newest.khz,
    }


def timer_words(timer: Timer) -> str:
    """A timer with what it was told: `pit 2 calls, 5 200 000 cycles, 2386.363 PIT clocks`."""
    pit = decimal_thousandths(timer.pit_thousandths)
    return f"{timer.name} {plural(timer.calls, 'call')}, {count(timer.total)} cycles, {pit} PIT clocks"


def decimal_thousandths(n: int) -> str:
    """A count of thousandths with three decimals."""
    from fractions import Fraction

    return decimal(Fraction(n, 1000), 3)
