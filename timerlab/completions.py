"""What may be typed after the verbs about the host and its policies, by the kind of argument."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from timerlab.commands.sched import EXITS
from timerlab.commands.ticks import NAMES as POLICIES
from timerlab.commands.v3 import CALLS as V3
from timerlab.devices.probe import PROBES
from timerlab.devices.ticks_regs import words_for

if TYPE_CHECKING:
    from timerlab.session import Session

Words = Iterator[tuple[str, str]]

_FIXED: dict[str, tuple[tuple[str, str], ...]] = {
    "cstate": (("c0", "awake"), ("c1", "halted"), ("c1e", "halted, slower"), ("c3", "asleep")),
    "plug": (("none", "its TSC starts at 0"), ("copy", "firmware copies"), ("adjust", "by TSC_ADJUST")),
    "os": (
        ("boot", "begin to keep time"),
        ("calibrate", "measure the TSC again"),
        ("ntp", "discipline the system clock"),
        ("compensate", "what is done about lost ticks"),
        ("watchdog", "which clocksource watchdog"),
        ("clocksource", "another clock"),
        ("read", "what a clock says"),
    ),
    "apf": (
        ("missing", "the guest touches a page that is not there"),
        ("ready", "the page is there"),
        ("fault", "a #PF of the guest's own"),
    ),
    "nvmm": (("commit", "userland writes the vCPU's state back"), ("lost", "cycles that the TSC does not have")),
}

L2 = (
    ("enter", "L1 runs its guest"),
    ("exit", "L2 calls L1"),
    ("offset", "L1 writes L2's TSC offset"),
    ("ratio", "L1 writes L2's TSC ratio"),
    ("controls", "L1 sets a control"),
    ("intercept", "L1 asks for exits"),
    ("preemption_timer", "L1 sets VMX's preemption timer"),
)


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
            yield from ((word, "") for word in words_for(list(session.machine.board.ticks.names)))
        case "policy":
            yield from ((name, "") for name in POLICIES)
        case "probe":
            yield from ((name, spec.about) for name, spec in PROBES.items())
        case "l2":
            yield from L2
        case "v3":
            yield from ((word, call.about) for word, call in V3.items())
        case _:
            yield from _FIXED.get(kind, ())
