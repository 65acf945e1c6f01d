"""What may be typed after the verbs about the host and its policies, by the kind of argument."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from timerlab.commands.kvm import CALLS as KVM
from timerlab.commands.sched import EXITS
from timerlab.commands.ticks import NAMES as POLICIES
from timerlab.commands.v3 import CALLS as V3
from timerlab.devices.os_read import CLOCKS
from timerlab.devices.os_state import CALIBRATIONS, CLOCKSOURCES, COMPENSATIONS, HANGS, WATCHDOGS
from timerlab.devices.probe import PROBES
from timerlab.devices.ticks_regs import source_named, words_for

if TYPE_CHECKING:
    from timerlab.session import Session

Words = Iterator[tuple[str, str]]

_FIXED: dict[str, tuple[tuple[str, str], ...]] = {
    "cstate": (("c0", "awake"), ("c1", "halted"), ("c1e", "halted, slower"), ("c3", "asleep")),
    "plug": (("none", "its TSC starts at 0"), ("copy", "firmware copies"), ("adjust", "by TSC_ADJUST")),
    "pvread": (("step", "a step of the loop"), ("formulas", "by printed formulas that are wrong, too")),
    "pvwrite": (
        ("steps", "the host stops after each write"),
        ("next", "its next write"),
        ("whole", "all of an update at once"),
    ),
    "apf": (
        ("missing", "the guest touches a page that is not there"),
        ("ready", "the page is there"),
        ("fault", "a #PF of the guest's own"),
    ),
    "nvmm": (("commit", "userland writes the vCPU's state back"), ("lost", "cycles that the TSC does not have")),
}

OS = {
    "boot": "begin to keep time",
    "calibrate": "measure the TSC again",
    "ntp": "discipline the system clock",
    "compensate": "what is done about lost ticks",
    "watchdog": "which watchdogs run",
    "clocksource": "another clock",
    "hang": "a vCPU loops in the kernel",
    "disturb": "the next check of the clocksource is late",
    "read": "what a clock says",
}
_BOOT = {
    "setup": "program 8259s, PIT, HPET first",
    "hz": "ticks a second",
    "source": "the line that ticks",
    "clocksource": "which clock",
    "calibration": "by what the TSC is measured",
    "watchdog": "of the clocksource",
    "compensate": "for lost ticks",
    "window": "of the calibration",
    "late": "its last read is late by",
    "no-kvmclock": "without kvmclock",
    "nolapic": "without local APIC",
    "nolapic_timer": "without its timer",
    "tsc_reliable": "no watchdog for the TSC",
    "nosoftlockup": "no soft lockup watchdog",
    "nohardlockup": "no hard lockup watchdog",
}
_OS_WORDS: dict[str, tuple[tuple[str, ...], ...]] = {
    "calibrate": (("pit", "hpet", "pm"),),
    "ntp": (("on", "off"),),
    "compensate": (COMPENSATIONS,),
    "watchdog": ((*WATCHDOGS, "soft", "hard"), ("on", "off")),
    "clocksource": (CLOCKSOURCES[1:],),
    "hang": ((), HANGS),
    "read": (CLOCKS,),
}
_VALUES = {
    "clocksource": CLOCKSOURCES,
    "calibration": CALIBRATIONS,
    "watchdog": WATCHDOGS,
    "compensate": COMPENSATIONS,
    "hz": ("100", "250", "1000"),
    "source": ("auto", "irq.0", "irq.8", "lapic0.timer"),
    "window": ("10ms", "50ms"),
    "late": ("1ms",),
}
"""What may stand after a word of `os`, by place, and after an option of `os boot`."""

L2 = (
    ("enter", "L1 runs its guest"),
    ("exit", "L2 calls L1"),
    ("offset", "L1 writes L2's TSC offset"),
    ("ratio", "L1 writes L2's TSC ratio"),
    ("controls", "L1 sets a control"),
    ("intercept", "L1 asks for exits"),
    ("preemption_timer", "L1 sets VMX's preemption timer"),
)
_SWITCH = (("on", ""), ("off", ""))
_TICKS = {
    "discard": "dropped; one may wait",
    "discard_nolatch": "dropped, the first one too",
    "merge": "become one",
    "delay": "the source stands still",
    "slew": "extra ones in between",
    "slew_nolatch": "as slew, the first dropped",
    "slew_rtc": "as slew, by its handlers",
    "reinject": "one at each end of one",
    "off": "no policy",
}
"""What becomes of ticks that were missed, in a few words."""


def _os_words(done: list[str], vcpus: list[tuple[str, str]]) -> Words:
    """What may follow `os` and the words after it."""
    if len(done) == 1:
        yield from OS.items()
    elif done[1] == "boot":
        last = done[-1] if len(done) > 2 else ""
        if last in _VALUES:
            yield from ((word, "") for word in _VALUES[last])
        else:
            yield from ((word, about) for word, about in _BOOT.items() if word not in done)
    elif done[1] == "hang" and len(done) == 2:
        yield from vcpus
    else:
        places = _OS_WORDS.get(done[1], ())
        if len(done) - 2 < len(places) and (done[1] != "watchdog" or len(done) == 2 or done[2] in ("soft", "hard")):
            yield from ((word, "") for word in places[len(done) - 2])


def _l2_words(session: Session, done: list[str], vcpus: list[tuple[str, str]]) -> Words:
    """What may follow `l2` and the words after it."""
    match done[1:]:
        case []:
            yield from L2
        case ["controls"]:
            yield from session.machine.board.nested.controls.items()
        case ["intercept"]:
            yield from ((name, f"{name.upper()} in L2 exits to L1") for name in ("rdtsc", "rdtscp"))
            yield from ((name, f"{name.upper()} of one MSR") for name in ("rdmsr", "wrmsr"))
        case ["intercept", "rdmsr" | "wrmsr"]:
            yield from (("tsc", "MSR 10h"), ("tsc_adjust", "MSR 3Bh"))
        case ["controls", _] | ["intercept", "rdtsc" | "rdtscp"] | ["intercept", _, _]:
            yield from _SWITCH
        case ["preemption_timer"]:
            yield "off", "not active"
        case ["enter" | "exit"]:
            yield from vcpus


def host_words(session: Session, kind: str, done: list[str]) -> Words:
    """(word, what it is) for a kind of argument, `done` being the words before it."""
    vcpus = [(f"v{v}", f"vCPU {v}") for v in range(session.words.vcpus)]
    pcpus = [(f"p{p}", f"processor {p} of the host") for p in range(session.machine.board.sched.pcpus)]
    match kind:
        case "pcpu":
            yield from pcpus
        case "exit":
            yield from ((cause, f"exits {about}") for cause, about in EXITS.items())
        case "migrant":
            yield from (*vcpus, ("host", "the whole VM"))
        case "target":
            yield from (("3000000", "kHz of its TSC"),) if done[-1:] == ["host"] else pcpus
        case "loaded":
            yield from (*vcpus, *pcpus, ("share", "turns on one processor"))
        case "load":
            if done[1] == "share":
                yield from (("on", "vCPUs on one processor take turns"), ("off", "they all run at once"))
            elif done[1].startswith("p"):
                yield from (("1", "a busy thread of the host"), ("0", "none"))
            else:
                yield from (("off", "no load"), ("1ms", "out for so long"), ("10ms", "out for so long"))
        case "period":
            if done[1].startswith("v") and done[2] != "off":
                yield from (("20ms", "every"), ("100ms", "every"), ("1s", "every"))
            elif done[1:] == ["share", "on"]:
                yield "10ms", "a turn"
        case "source":
            for word in words_for(list(session.machine.board.ticks.names)):
                yield word, source_named(word) if source_named(word) != word else ""
        case "policy":
            yield from ((name, _TICKS.get(name, "")) for name in POLICIES)
        case "kvm":
            if len(done) == 1:
                yield from ((word, call.about) for word, call in KVM.items())
            elif done[1] == "clocksource" and len(done) == 2:
                yield from (("tsc", "the host keeps time by its TSC"), ("hpet", "by its HPET: no master clock"))
            elif done[1] in KVM and not KVM[done[1]].every and len(done) - 2 == len(KVM[done[1]].takes):
                yield from vcpus
        case "os":
            yield from _os_words(done, vcpus)
        case "probe":
            yield from ((name, spec.about) for name, spec in PROBES.items())
        case "l2":
            yield from _l2_words(session, done, vcpus)
        case "v3":
            yield from ((word, call.about) for word, call in V3.items())
        case _:
            yield from _FIXED.get(kind, ())
