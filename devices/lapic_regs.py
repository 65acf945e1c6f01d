"""The local APIC's registers as data, declared once for all vCPUs, and what its values mean.

Source: Intel SDM 3A, chapter Advanced Programmable Interrupt Controller, the figure or section named with each
register. The address is the offset in the xAPIC page; in x2APIC mode the register is MSR 800h + offset / 16.
"""

from __future__ import annotations

from timerlab.devices.lapic_lvt_regs import LVT, LVT_REGS, SDM, TIMER, mode, reg, rsvd, status, vector
from timerlab.regs import Access, Field, Layout, Peek, Reg, flag

_BASE = SDM + "IA32_APIC_BASE MSR"
_ID = SDM + "Local APIC ID Register"
_VERSION = SDM + "Local APIC Version Register"


_DEADLINE = SDM + "TSC-Deadline Mode"
_ESR = SDM + "Error Status Register (ESR)"
_ICR = SDM + "Interrupt Command Register (ICR)"
_X2ICR = SDM + "ICR Operation in x2APIC Mode"
_SELF = SDM + "SELF IPI Register"
_LDR = SDM + "Logical Destination Register (LDR)"
_DFR = SDM + "Destination Format Register (DFR)"
_TPR = SDM + "Task-Priority Register (TPR)"
_PPR = SDM + "Processor-Priority Register (PPR)"
_APR = SDM + "Local APIC Register Address Map"
_ACCEPT = SDM + "Interrupt Acceptance for Fixed Interrupts"
_EOI = SDM + "Signaling Interrupt Servicing Completion"
_SVR = SDM + "Spurious-Interrupt Vector Register (SVR)"
_NMI = SDM + "Valid Interrupt Vectors and Delivery Modes"

SHORTHANDS = {0: "none", 1: "self", 2: "all including self", 3: "all excluding self"}


def _bitmap(name: str, title: str, offset: int, about: str) -> tuple[Reg, ...]:
    """Eight registers of 32 vectors each."""
    return tuple(
        reg(
            f"{name}{word}",
            f"{title}, vectors {32 * word:02X}h to {32 * word + 31:02X}h",
            offset + 0x10 * word,
            "ro",
            about,
            _ACCEPT,
            Field("VECTORS", 31, 0, "ro", f"bit n is vector {32 * word:02X}h + n", {}, _ACCEPT),
        )
        for word in range(8)
    )


_ID_REG = reg(
    "id",
    "ID",
    0x020,
    "rw",
    "which APIC this is; all 32 bits and read-only in x2APIC mode",
    _ID,
    Field("ID", 31, 24, "rw", "the APIC's physical address in xAPIC mode", {}, _ID),
    rsvd(23, 0, _ID),
)

_VERSION_REG = reg(
    "version",
    "version",
    0x030,
    "ro",
    "version, and what there is",
    _VERSION,
    rsvd(31, 25, _VERSION),
    flag("EOI SUP", 24, "ro", "EOI broadcasts can be suppressed by SVR bit 12", source=_VERSION, clear="no", set="yes"),
    Field("MAX LVT", 23, 16, "ro", "number of LVT entries less one", {}, _VERSION),
    rsvd(15, 8, _VERSION),
    Field("VERSION", 7, 0, "ro", "10h to 15h: an integrated APIC", {}, _VERSION),
)

_SVR_REG = reg(
    "svr",
    "spurious-interrupt vector",
    0x0F0,
    "rw",
    "software enable, and the vector where a request has gone",
    _SVR,
    rsvd(31, 13, _SVR),
    flag(
        "SUPPRESS",
        12,
        "rw",
        "no EOI broadcasts, where version bit 24 is 1",
        source=_SVR,
        clear="broadcast",
        set="suppressed",
    ),
    rsvd(11, 9, _SVR, "reads 0; bit 9 was focus checking"),
    flag("ENABLE", 8, "rw", "APIC software enable", source=_SVR, clear="disabled", set="enabled"),
    vector("vector that the CPU gets where nothing waits any more", _SVR),
)

_ESR_REG = reg(
    "esr",
    "error status",
    0x280,
    "rw",
    "errors until the last write to it; a write collects anew",
    _ESR,
    rsvd(31, 8, _ESR),
    flag("REG", 7, "ro", "access to an offset that holds no register", source=_ESR, clear="none", set="error"),
    flag("RX VEC", 6, "ro", "a vector below 16 arrived", source=_ESR, clear="none", set="error"),
    flag("TX VEC", 5, "ro", "a vector below 16 was to be sent", source=_ESR, clear="none", set="error"),
    flag(
        "REDIR", 4, "ro", "lowest priority was to be sent, where that cannot be", source=_ESR, clear="none", set="error"
    ),
    rsvd(3, 0, _ESR, "errors of the old APIC bus, read 0"),
)

_ICR_FIELDS = (
    Field("SHORT", 19, 18, "rw", "who gets it, in place of the destination", SHORTHANDS, _ICR),
    rsvd(17, 16, _ICR),
    flag("TRIGGER", 15, "rw", "only for an INIT de-assert", source=_ICR, clear="edge", set="level"),
    flag(
        "ASSERT",
        14,
        "rw",
        "0 with level makes INIT a de-assert, which does nothing",
        source=_ICR,
        clear="de-assert",
        set="assert",
    ),
    rsvd(13, 13, _ICR),
    status(_ICR),
    flag("LOGICAL", 11, "rw", "how the destination is read", source=_ICR, clear="physical", set="logical"),
    mode(_ICR),
    vector("vector, or the page of a start-up; below 16 is an error", _ICR),
)

_ICR_LOW = reg(
    "icr_low",
    "interrupt command, low",
    0x300,
    "rw",
    "writing it sends the message",
    _ICR,
    rsvd(31, 20, _ICR),
    *_ICR_FIELDS,
)

_ICR_HIGH = reg(
    "icr_high",
    "interrupt command, high",
    0x310,
    "rw",
    "where the next message goes",
    _ICR,
    Field("DEST", 31, 24, "rw", "APIC ID or logical mask; FFh is everybody", {}, _ICR),
    rsvd(23, 0, _ICR),
)


def _priority(name: str, title: str, offset: int, access: Access, about: str, source: str, peek: bool = True) -> Reg:
    return reg(
        name,
        title,
        offset,
        access,
        about,
        source,
        rsvd(31, 8, source),
        Field("CLASS", 7, 4, access, "priority class: vectors of this class and below wait", {}, source),
        Field("SUB", 3, 0, access, "below the class; holds nothing back", {}, source),
        peek=peek,
    )


APIC_BASE_REG = Reg(
    "apic_base",
    "IA32_APIC_BASE",
    "msr",
    0x1B,
    64,
    "rw",
    (
        Layout(
            "IA32_APIC_BASE",
            (
                rsvd(63, 40, _BASE, "above MAXPHYADDR, 1 is #GP(0)"),
                Field("BASE", 39, 12, "rw", "page of the registers in xAPIC mode", {}, _BASE),
                flag("EN", 11, "rw", "the APIC is on", source=_BASE, clear="off", set="on"),
                flag(
                    "EXTD",
                    10,
                    "rw",
                    "x2APIC mode; only with EN, and not straight from off",
                    source=_BASE,
                    clear="xAPIC",
                    set="x2APIC",
                ),
                rsvd(9, 9, _BASE, "1 is #GP(0)"),
                flag("BSP", 8, "rw", "this is the boot CPU", source=_BASE, clear="no", set="boot CPU"),
                rsvd(7, 0, _BASE, "1 is #GP(0)"),
            ),
            "where the local APIC is, and its mode",
            _BASE,
        ),
    ),
    "where the local APIC is, and its mode",
    _BASE,
    peek="lapic{}.base",
)

TSC_DEADLINE_REG = Reg(
    "tsc_deadline",
    "IA32_TSC_DEADLINE",
    "msr",
    0x6E0,
    64,
    "rw",
    (
        Layout(
            "IA32_TSC_DEADLINE",
            (Field("DEADLINE", 63, 0, "rw", "TSC at which the timer expires; 0 disarms", {}, _DEADLINE),),
            "when the timer expires in TSC-deadline mode; 0 in the others",
            _DEADLINE,
        ),
    ),
    "when the timer expires in TSC-deadline mode; 0 in the others",
    _DEADLINE,
    peek="lapic{}.deadline",
)

X2APIC_ICR_REG = Reg(
    "x2apic.icr",
    "x2APIC interrupt command",
    "msr",
    0x830,
    64,
    "rw",
    (
        Layout(
            "x2APIC ICR",
            (
                Field("DEST", 63, 32, "rw", "APIC ID or logical address; FFFFFFFFh is everybody", {}, _X2ICR),
                rsvd(31, 20, _X2ICR, "1 is #GP(0)"),
                *(rsvd(12, 12, _X2ICR, "1 is #GP(0)") if field.name == "DS" else field for field in _ICR_FIELDS),
            ),
            "writing it sends the message",
            _X2ICR,
        ),
    ),
    "writing it sends the message",
    _X2ICR,
    peek="lapic{}.icr",
)

SELF_IPI_REG = Reg(
    "x2apic.self_ipi",
    "x2APIC self IPI",
    "msr",
    0x83F,
    32,
    "wo",
    (
        Layout(
            "self IPI",
            (
                rsvd(31, 8, _SELF, "1 is #GP(0)"),
                Field("VECTOR", 7, 0, "wo", "fixed, edge interrupt to this APIC", {}, _SELF),
            ),
            "sends this APIC an interrupt",
            _SELF,
        ),
    ),
    "sends this APIC an interrupt",
    _SELF,
)

REGS: tuple[Reg, ...] = (
    APIC_BASE_REG,
    _ID_REG,
    _VERSION_REG,
    _priority("tpr", "task priority", 0x080, "rw", "what software holds back; CR8 is its class", _TPR),
    _priority("apr", "arbitration priority", 0x090, "ro", "not used since the APIC bus went; reads 0", _APR, False),
    _priority("ppr", "processor priority", 0x0A0, "ro", "what holds interrupts back: TPR or the highest in ISR", _PPR),
    reg(
        "eoi",
        "end of interrupt",
        0x0B0,
        "wo",
        "a write ends the interrupt of highest priority in service",
        _EOI,
        Field("EOI", 31, 0, "wo", "any value in xAPIC mode, 0 in x2APIC mode", {}, _EOI),
        peek=False,
    ),
    reg(
        "rrd",
        "remote read",
        0x0C0,
        "ro",
        "not used since the APIC bus went; reads 0",
        _APR,
        rsvd(31, 0, _APR),
        peek=False,
    ),
    reg(
        "ldr",
        "logical destination",
        0x0D0,
        "rw",
        "the APIC's logical address; made of its ID in x2APIC mode",
        _LDR,
        Field("LOGICAL ID", 31, 24, "rw", "flat: a bit each; cluster: 4 bits of cluster and 4 of member", {}, _LDR),
        rsvd(23, 0, _LDR),
    ),
    reg(
        "dfr",
        "destination format",
        0x0E0,
        "rw",
        "how logical addresses are read; not in x2APIC mode",
        _DFR,
        Field("MODEL", 31, 28, "rw", "how the LDR is matched", {15: "flat", 0: "cluster"}, _DFR),
        Field("1", 27, 0, "rsvd", "reads 1", {}, _DFR),
    ),
    _SVR_REG,
    *_bitmap("isr", "in service", 0x100, "vectors that the CPU took and has not ended"),
    *_bitmap("tmr", "trigger mode", 0x180, "vectors that came as a level, whose EOI is told to the I/O APICs"),
    *_bitmap("irr", "interrupt request", 0x200, "vectors that wait for the CPU"),
    _ESR_REG,
    _ICR_LOW,
    _ICR_HIGH,
    *LVT_REGS,
    TSC_DEADLINE_REG,
    X2APIC_ICR_REG,
    SELF_IPI_REG,
)

_PEEKS = {
    "base": Peek("IA32_APIC_BASE", _BASE),
    "mode": Peek("off, xapic or x2apic", SDM + "x2APIC State Transitions"),
    "pending": Peek("the vector that the CPU is offered, or none", _ACCEPT),
    "irr_max": Peek("the highest vector that waits, or none", _ACCEPT),
    "isr_max": Peek("the highest vector in service, or none", _ACCEPT),
    "irr": Peek("the vectors that wait, as 256 bits", _ACCEPT),
    "isr": Peek("the vectors in service, as 256 bits", _ACCEPT),
    "tmr": Peek("the vectors that came as a level, as 256 bits", _ACCEPT),
    "errors": Peek("errors collected since the last write to the ESR, which will show them", _ESR),
    "icr": Peek("the interrupt command register as one of 64 bits", _X2ICR),
    "cr8": Peek("CR8: the class of the TPR", SDM + "Interaction of Task Priorities between CR8 and APIC"),
    "divider": Peek("what the timer's clock is divided by", TIMER),
    "deadline": Peek("the TSC at which the timer expires; 0 is disarmed", _DEADLINE),
    "timer_mode": Peek("one-shot, periodic, deadline, or reserved", TIMER),
    "next": Peek("the ns of the timer's next expiry, or none", TIMER),
    "lint0": Peek("level of pin LINT0, the 8259's INTR", LVT),
    "lint1": Peek("level of pin LINT1, NMI", LVT),
    "extint": Peek("1 where the CPU is asked for an 8259 cycle", _NMI),
    "nmis": Peek("NMIs that were taken since the reset", _NMI),
    "smis": Peek("SMIs that were taken since the reset", _NMI),
    "startups": Peek("start-up messages since the reset; they do nothing to the APIC", _NMI),
}


def peeks_of(index: int) -> dict[str, Peek]:
    """What each value of vCPU `index`'s APIC means, by the name that `peek` gives it."""
    found = {f"lapic{index}.{name}": peek for name, peek in _PEEKS.items()}
    for declared in REGS:
        if declared.peek:
            found.setdefault(declared.peek.format(index), Peek(f"{declared.title}: {declared.about}", declared.source))
    return found
