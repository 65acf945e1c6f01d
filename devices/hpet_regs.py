"""The HPET's registers as data: what each bit of the block at FED00000h means.

Source: IA-PC HPET Specification 1.0a, the section named with each field. The block is 1 KiB, which has room for the
registers of 24 timers; a 25th and those after it exist by their number in NUM_TIM_CAP alone.
"""

from __future__ import annotations

from dataclasses import dataclass

from timerlab.regs import Field, Layout, Peek, Reg, flag

BASE = 0xFED0_0000
"""Where the block lies."""
SIZE = 0x400
"""Bytes of the block."""
MIN_TIMERS, MAX_TIMERS = 3, 32
REACHED = 24
"""How many timers have their registers within the block."""

LEVEL, ENB, PERIODIC = 1 << 1, 1 << 2, 1 << 3
"""INT_TYPE_CNF, INT_ENB_CNF, TYPE_CNF."""
VAL_SET, MODE32, FSB_EN = 1 << 6, 1 << 8, 1 << 14
"""VAL_SET_CNF, 32MODE_CNF, FSB_EN_CNF."""
ROUTE_LO = 9
ROUTE = 31 << ROUTE_LO
"""INT_ROUTE_CNF."""
STORED = LEVEL | ENB | PERIODIC | VAL_SET | MODE32 | ROUTE | FSB_EN
"""What of a timer's configuration can be written at all."""
WIRES = LEVEL | PERIODIC | ROUTE | FSB_EN
"""What of it says where the output goes."""


@dataclass(frozen=True, slots=True)
class Caps:
    """What a timer can do: PER_INT_CAP, SIZE_CAP, FSB_INT_DEL_CAP, INT_ROUTE_CAP; `told` where its register says so."""

    periodic: bool
    wide: bool
    fsb: bool
    routes: int
    told: bool = True

    @property
    def bits(self) -> int:
        """The read-only bits of the 64-bit configuration register."""
        if not self.told:
            return 0
        return self.periodic << 4 | self.wide << 5 | self.fsb << 15 | self.routes << 32


KINDS = {
    "all": (Caps(True, True, False, 1 << 2), Caps(True, True, False, 1 << 2)),
    "fsb": (Caps(True, True, True, 1 << 2), Caps(True, True, True, 1 << 2)),
    "ich": (Caps(True, True, False, 0xF << 20), Caps(False, False, False, 0xF << 20)),
}
"""What T0 and what the others can do, by the quirk `hpet_caps`."""

_SPEC = "IA-PC HPET Specification 1.0a"
_CAP = f"{_SPEC}, General Capabilities and ID Register"
_CONF = f"{_SPEC}, General Configuration Register"
_STA = f"{_SPEC}, General Interrupt Status Register"
_CNT = f"{_SPEC}, Main Counter Register"
_TCONF = f"{_SPEC}, Timer N Configuration and Capabilities"
_CMP = f"{_SPEC}, Timer N Comparator"
_FSB = f"{_SPEC}, Timer N FSB Interrupt Route"
_PERIODIC = f"{_SPEC}, Periodic Mode"


def _rsvd(hi: int, lo: int, source: str) -> Field:
    return Field("0", hi, lo, "rsvd", "reads 0, not looked at", {}, source)


CAP = Reg(
    name="hpet.cap",
    title="HPET capabilities and ID",
    space="mem",
    address=BASE,
    width=64,
    access="ro",
    about="what the block is: the counter's period, how many timers, legacy replacement",
    source=_CAP,
    peek="hpet.cap",
    layouts=(
        Layout(
            "capabilities",
            (
                Field("PERIOD", 63, 32, "ro", "femtoseconds a tick of the main counter, 05F5E100h at most", {}, _CAP),
                Field("VENDOR", 31, 16, "ro", "vendor ID as in PCI", {0x8086: "Intel"}, _CAP),
                flag("LEG_RT_CAP", 15, "ro", "T0, T1 can replace PIT and RTC", source=_CAP, clear="no", set="yes"),
                Field("0", 14, 14, "rsvd", "reserved", {}, _CAP),
                flag("COUNT_SIZE", 13, "ro", "width of the main counter", source=_CAP, clear="32 bits", set="64 bits"),
                Field("NUM_TIM", 12, 8, "ro", "index of the last timer", {}, _CAP),
                Field("REV_ID", 7, 0, "ro", "revision, never 0", {}, _CAP),
            ),
        ),
    ),
)

CONF = Reg(
    name="hpet.conf",
    title="HPET configuration",
    space="mem",
    address=BASE + 0x010,
    width=64,
    access="rw",
    about="lets the main counter run, and puts T0 and T1 in the place of PIT and RTC",
    source=_CONF,
    peek="hpet.conf",
    layouts=(
        Layout(
            "configuration",
            (
                _rsvd(63, 2, _CONF),
                flag(
                    "LEG_RT",
                    1,
                    "rw",
                    "legacy replacement: T0 to IRQ 0, T1 to IRQ 8, PIT and RTC cut off",
                    source=_CONF,
                    clear="own routes",
                    set="legacy replacement",
                ),
                flag(
                    "ENABLE",
                    0,
                    "rw",
                    "the main counter runs and timers interrupt",
                    source=_CONF,
                    clear="halted",
                    set="runs",
                ),
            ),
        ),
    ),
)

CNT = Reg(
    name="hpet.cnt",
    title="HPET main counter",
    space="mem",
    address=BASE + 0x0F0,
    width=64,
    access="rw",
    about="counts up while ENABLE is set; written only while it is halted",
    source=_CNT,
    peek="hpet.cnt",
    layouts=(Layout("counter", (Field("CNT", 63, 0, "rw", "the count", {}, _CNT),)),),
)


def _sta(timers: int) -> Reg:
    bits = tuple(
        flag(f"T{n}", n, "w1c", f"T{n} matched, level mode; write 1 clears", source=_STA, clear="no", set="matched")
        for n in reversed(range(timers))
    )
    return Reg(
        name="hpet.sta",
        title="HPET interrupt status",
        space="mem",
        address=BASE + 0x020,
        width=64,
        access="w1c",
        about="a bit a timer, set by a match in level mode; in edge mode it reads 0",
        source=_STA,
        peek="hpet.sta",
        layouts=(Layout("status", (_rsvd(63, timers, _STA), *bits)),),
    )


def _timer_conf(n: int, at: int) -> Reg:
    return Reg(
        name=f"hpet.t{n}.conf",
        title=f"HPET T{n} configuration",
        space="mem",
        address=at,
        width=64,
        access="rw",
        about=f"what T{n} can do, and how it interrupts",
        source=_TCONF,
        peek=f"hpet.t{n}.conf",
        layouts=(
            Layout(
                "timer configuration",
                (
                    Field("ROUTE_CAP", 63, 32, "ro", "bit k: INT_ROUTE can be k", {}, _TCONF),
                    _rsvd(31, 16, _TCONF),
                    flag("FSB_CAP", 15, "ro", "it can send messages", source=_TCONF, clear="no", set="yes"),
                    flag("FSB_EN", 14, "rw", "a match is a memory write", source=_TCONF, clear="pin", set="message"),
                    Field("INT_ROUTE", 13, 9, "rw", "pin of the I/O APIC; only those of ROUTE_CAP stick", {}, _TCONF),
                    flag("32MODE", 8, "rw", "compare the low 32 bits only", source=_TCONF, clear="full", set="32 bits"),
                    _rsvd(7, 7, _TCONF),
                    flag(
                        "VAL_SET",
                        6,
                        "rw",
                        "the next write of CMP sets the comparator of a periodic timer; reads 0",
                        source=_TCONF,
                        clear="CMP is the period",
                        set="CMP is set directly",
                    ),
                    flag("SIZE_CAP", 5, "ro", "width of the timer", source=_TCONF, clear="32 bits", set="64 bits"),
                    flag("PER_CAP", 4, "ro", "it can be periodic", source=_TCONF, clear="no", set="yes"),
                    flag("TYPE", 3, "rw", "after a match", source=_TCONF, clear="one-shot", set="periodic"),
                    flag("INT_ENB", 2, "rw", "lets a match out", source=_TCONF, clear="no interrupt", set="interrupts"),
                    flag("INT_TYPE", 1, "rw", "what a match is", source=_TCONF, clear="edge", set="level"),
                    _rsvd(0, 0, _TCONF),
                ),
            ),
        ),
    )


def _timer_cmp(n: int, at: int) -> Reg:
    return Reg(
        name=f"hpet.t{n}.cmp",
        title=f"HPET T{n} comparator",
        space="mem",
        address=at,
        width=64,
        access="rw",
        about="matches the main counter; a write to a periodic timer is its period, or after VAL_SET its comparator",
        source=_CMP,
        peek=f"hpet.t{n}.cmp",
        layouts=(Layout("comparator", (Field("CMP", 63, 0, "rw", "the count that matches next", {}, _CMP),)),),
    )


def _timer_fsb(n: int, at: int) -> Reg:
    return Reg(
        name=f"hpet.t{n}.fsb",
        title=f"HPET T{n} FSB route",
        space="mem",
        address=at,
        width=64,
        access="rw",
        about="the message of a match while FSB_EN is set",
        source=_FSB,
        peek=f"hpet.t{n}.fsb",
        layouts=(
            Layout(
                "FSB route",
                (
                    Field("ADDR", 63, 32, "rw", "where it is written", {}, _FSB),
                    Field("VAL", 31, 0, "rw", "what is written", {}, _FSB),
                ),
            ),
        ),
    )


def regs_of(timers: int) -> tuple[Reg, ...]:
    """The registers of a block of so many timers."""
    told = [CAP, CONF, _sta(timers), CNT]
    for n in range(min(timers, REACHED)):
        at = BASE + 0x100 + 0x20 * n
        told += [_timer_conf(n, at), _timer_cmp(n, at + 8), _timer_fsb(n, at + 16)]
    return tuple(told)


_GENERAL = {
    "cap": Peek("GCAP_ID: period, vendor, how many timers", _CAP),
    "conf": Peek("GEN_CONF: LEG_RT in bit 1, ENABLE in bit 0", _CONF),
    "sta": Peek("GINTR_STA: bit n is the status of Tn, set in level mode only", _STA),
    "cnt": Peek("MAIN_CNT: the main counter as a read finds it now", _CNT),
}
_TIMER = {
    "conf": Peek("Tn_CONF: configuration and capabilities, as a read gives them", _TCONF),
    "cmp": Peek("Tn_CMP: the count that matches next", _CMP),
    "period": Peek("what is added to the comparator after a match of a periodic timer; cannot be read", _PERIODIC),
    "fsb": Peek("Tn_FSB: address in the upper half, data in the lower", _FSB),
    "next": Peek("the ns of the next match, or none while the counter stands", _CMP),
    "left": Peek("ticks of the main counter to the next match, or none while it stands", _CMP),
    "mode": Peek("TYPE in words: one-shot or periodic", _TCONF),
    "sts": Peek("Tn_INT_STS: matched in level mode and not cleared yet", _STA),
    "matches": Peek("matches since power-on, with or without an interrupt", _CMP),
}


def peeks_of(timers: int) -> dict[str, Peek]:
    """What each value of a block of so many timers means, by the name that `peek` gives it."""
    told = {f"hpet.{name}": peek for name, peek in _GENERAL.items()}
    for n in range(timers):
        for name, peek in _TIMER.items():
            about = peek.about.replace("Tn", f"T{n}").replace("bit n", f"bit {n}")
            told[f"hpet.t{n}.{name}"] = Peek(about, peek.source)
    return told
