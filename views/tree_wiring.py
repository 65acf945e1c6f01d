"""What the shape of the clock tree depends on, taken out of a frame: small, and the same as long as nothing is wired
otherwise, so that a tree can be kept.
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from functools import lru_cache
from typing import Any, NamedTuple

from timerlab.quirks import PM_HZ, PROFILES
from timerlab.scaling import SVM_FRAC, VMX_FRAC, WORD
from timerlab.views.frame import Frame

__all__ = ["Guest", "Host", "Page", "Timer", "Wiring", "wiring_of"]

CHAIN_RUNS, CHAIN_HELD = 3, 6
"""DV of the RTC's register A: below the first its divider runs, from the second on it is held at zero."""
SET, PIE = 0x80, 0x40
MASKED = 1 << 16

Values = Mapping[str, Any]


class Host(NamedTuple):
    """Host processors whose TSCs read alike: their numbers, rate in Hz and as calibrated in kHz, and what they do."""

    pcpus: tuple[int, ...]
    hz: int
    khz: int
    state: str


class Page(NamedTuple):
    """pvclock pages that give the same time: whose, and their scale."""

    vcpus: tuple[int, ...]
    mul: int
    shift: int


class Guest(NamedTuple):
    """vCPUs whose TSC is made alike. `differs`: it reads otherwise than that of vCPU 0."""

    vcpus: tuple[int, ...]
    pcpu: int
    offset: int
    ratio: int
    differs: bool
    deadlines: bool
    """Whether a TSC-deadline timer is armed on one of them."""
    counted: tuple[int, int]
    """Guest cycles for so many host cycles, where the policy counts them."""
    set_by: int
    """What the TSC is ahead of the guest cycles."""
    pages: tuple[Page, ...]
    nested: tuple[tuple[int, int, int], ...]
    """(vCPU, ratio, offset) of each L2 that runs."""


class Timer(NamedTuple):
    """Local APIC timers on the bus clock that are set alike."""

    vcpus: tuple[int, ...]
    periodic: bool
    divider: int
    initial: int
    vector: int
    masked: bool


class Wiring(NamedTuple):
    """All that the tree's shape depends on."""

    pit_hz: Fraction
    pm_hz: Fraction
    bus_hz: Fraction
    hpet_fs: int
    pm_bits: int
    amd: bool
    channels: tuple[tuple[int | None, int | None, bool], ...]
    """Mode, period in PIT clocks, and whether a count is loaded, of each channel."""
    out1_refreshes: bool
    speaker: bool
    legacy: bool
    """The HPET has taken IRQ 0 and IRQ 8 over."""
    tmr_en: bool
    chain: str
    """What the RTC's divider does: runs, stopped, held."""
    dv: int
    rs: int
    periodic_hz: int
    rtc_set: bool
    pie: bool
    hpet_runs: bool
    timers: tuple[int, ...]
    """HPET timers that are enabled."""
    lapics: tuple[Timer, ...]
    hosts: tuple[Host, ...]
    pcpus: int
    guests: tuple[Guest, ...]
    guest_hz: Fraction
    """The rate of vCPU 0's TSC."""
    counted: bool
    """Whether the policy counts guest cycles."""


def wiring_of(frame: Frame) -> Wiring:
    """How the clocks of a frame are wired."""
    peeks, options, number = frame.peeks, frame.options, frame.number
    quirks = options.quirks
    a, b, conf = number("rtc.a"), number("rtc.b"), number("hpet.conf")
    hosts = _hosts(frame)
    policy = quirks.get("policy", "bare")
    guests = _guests(frame, hosts, policy)
    frac = SVM_FRAC if quirks.get("vendor") == "amd" else VMX_FRAC
    dv = a >> 4 & 7
    return Wiring(
        options.pit_hz,
        PROFILES[options.profile].pm_hz if options.profile in PROFILES else PM_HZ,
        options.apic_bus_hz,
        options.hpet_period_fs,
        32 if quirks.get("pm_bits") == "bits32" else 24,
        frac == SVM_FRAC,
        tuple([(peeks.get(kind), peeks.get(period), bool(peeks.get(loaded))) for kind, period, loaded in _PIT]),  # type: ignore[misc]
        quirks.get("refresh") == "out1",
        bool(number("port61.spkr")),
        conf & 3 == 3,
        bool(number("acpi.pm1_en") & 1),
        "runs" if dv < CHAIN_RUNS else "held" if dv >= CHAIN_HELD else "stopped",
        dv,
        a & 15,
        number("rtc.rate"),
        bool(b & SET),
        bool(b & PIE),
        bool(conf & 1),
        tuple([n for n in range(options.hpet_timers) if number(f"hpet.t{n}.conf") & 4]),
        _lapics(peeks, options.vcpus),
        hosts,
        sum(len(host.pcpus) for host in hosts),
        guests,
        _rate(hosts, guests[0], frac),
        policy == "palacios",
    )


_PIT = tuple((f"pit.ch{ch}.kind", f"pit.ch{ch}.period", f"pit.ch{ch}.loaded") for ch in range(3))


def _rate(hosts: tuple[Host, ...], guest: Guest, frac: int) -> Fraction:
    """How fast a guest's TSC runs, in Hz."""
    host = next((host for host in hosts if guest.pcpu in host.pcpus), hosts[0])
    return Fraction(host.hz * guest.ratio, 1 << frac)


@lru_cache(64)
def _host_names(pcpu: int) -> tuple[str, str, str, str]:
    put = f"host.p{pcpu}."
    return put + "tsc", put + "hz", put + "khz", put + "state"


def _hosts(frame: Frame) -> tuple[Host, ...]:
    """The host's processors, those together that read alike now, run alike and do the same."""
    get = frame.peeks.get
    alike: dict[tuple[Any, ...], list[int]] = {}
    for pcpu in range(64):
        tsc, hz, khz, state = map(get, _host_names(pcpu))
        if tsc is None:
            break
        alike.setdefault((tsc, hz, khz, state), []).append(pcpu)
    return tuple(
        [Host(tuple(pcpus), hz or 0, khz or 0, state or "run") for (_, hz, khz, state), pcpus in alike.items()]
    )


@lru_cache(64)
def _vcpu_names(vcpu: int) -> tuple[str, ...]:
    put = f"vcpu{vcpu}."
    lapic, nest = f"lapic{vcpu}.", f"nest{vcpu}."
    return (
        *(put + name for name in ("pcpu", "l1tsc", "offset", "ratio")),
        *(lapic + name for name in ("deadline",)),
        *(nest + name for name in ("guest_mode", "m12", "o12")),
    )


def _guests(frame: Frame, hosts: tuple[Host, ...], policy: str) -> tuple[Guest, ...]:
    """All vCPUs, those together that are on processors that read alike, and whose TSC is made alike."""
    get = frame.peeks.get
    one = 1 << (SVM_FRAC if frame.options.quirks.get("vendor") == "amd" else VMX_FRAC)
    where = {pcpu: at for at, host in enumerate(hosts) for pcpu in host.pcpus}
    counts = policy == "palacios"
    alike: dict[tuple[Any, ...], list[int]] = {}
    armed: set[int] = set()
    nested: list[tuple[int, int, int]] = []
    base: Any = None
    for vcpu in range(frame.options.vcpus):
        pcpu, tsc, offset, ratio, deadline, mode, m12, o12 = map(get, _vcpu_names(vcpu))
        base = tsc if base is None else base
        how: tuple[Any, ...] = (where.get(pcpu or 0, 0), offset or 0, one if ratio is None else ratio, tsc != base)  # type: ignore[arg-type]
        if counts:
            put = f"policy.v{vcpu}."
            told = [get(put + name) for name in ("clock_ratio_num", "clock_ratio_denom", "tsc_guest_offset")]
            how = (how[0], _skew(tsc, base), *how[2:], *told)
        alike.setdefault(how, []).append(vcpu)
        if deadline:
            armed.add(vcpu)
        if mode:
            nested.append((vcpu, one if m12 is None else m12, o12 or 0))  # type: ignore[arg-type]
    dilation = (frame.number("policy.td_num") or 1, frame.number("policy.td_denom") or 1) if counts else (1, 1)
    made = []
    for how, vcpus in alike.items():
        at, offset, ratio, differs = how[:4]
        num, denom, set_by = how[4:] if counts else (1, 1, 0)
        made.append(
            Guest(
                tuple(vcpus),
                hosts[at].pcpus[0],
                offset,
                ratio,
                differs,
                not armed.isdisjoint(vcpus),
                ((num or 0) * dilation[0], (denom or 1) * dilation[1]),
                set_by or 0,
                _pages(frame, vcpus),
                tuple([one for one in nested if one[0] in vcpus]) if nested else (),
            )
        )
    return tuple(made)


def _skew(tsc: Any, base: Any) -> int:
    return int(tsc - base) % WORD


# -- pvclock


@lru_cache(64)
def _page_names(vcpu: int) -> tuple[str, ...]:
    put = f"pv{vcpu}."
    return put + "mul", put + "shift", put + "kvmclock"


def _pages(frame: Frame, vcpus: list[int]) -> tuple[Page, ...]:
    """The pages of some vCPUs, those together that give the same time now; one that was never filled in is none."""
    alike: dict[tuple[Any, ...], list[int]] = {}
    for vcpu in vcpus:
        page = tuple(map(frame.peeks.get, _page_names(vcpu)))
        if page[0]:
            alike.setdefault(page, []).append(vcpu)
    return tuple([Page(tuple(some), mul, shift) for (mul, shift, _), some in alike.items()])


# -- local APIC timers


@lru_cache(64)
def _lapic_names(vcpu: int) -> tuple[str, ...]:
    put = f"lapic{vcpu}."
    return tuple(put + name for name in ("tmict", "timer_mode", "divider", "lvt_timer"))


def _lapics(peeks: Values, vcpus: int) -> tuple[Timer, ...]:
    """The timers that a count was written to, those together that are set alike."""
    alike: dict[tuple[Any, ...], list[int]] = {}
    for vcpu in range(vcpus):
        initial, mode, divider, lvt = map(peeks.get, _lapic_names(vcpu))
        if initial and mode in ("one-shot", "periodic"):
            how = (mode == "periodic", divider or 1, initial, (lvt or 0) & 0xFF, bool((lvt or 0) & MASKED))
            alike.setdefault(how, []).append(vcpu)
    return tuple([Timer(tuple(some), *how) for how, some in alike.items()])
