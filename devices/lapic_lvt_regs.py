"""The local APIC's local vector table and timer registers as data, and how its registers are declared.

Source: Intel SDM 3A, Local Vector Table; APIC Timer; Divide Configuration Register.
"""

from __future__ import annotations

from timerlab.regs import Access, Field, Layout, Reg, flag

SDM = "Intel SDM 3A, "
LVT = SDM + "Local Vector Table"
TIMER = SDM + "APIC Timer"

DELIVERY = {
    0: "fixed",
    1: "lowest priority",
    2: "SMI",
    3: "reserved",
    4: "NMI",
    5: "INIT",
    6: "start-up",
    7: "ExtINT",
}
"""Delivery modes, bits 10:8 of an LVT entry and of the ICR."""

TIMER_MODES = {0: "one-shot", 1: "periodic", 2: "TSC-deadline", 3: "reserved"}


def rsvd(hi: int, lo: int, source: str, about: str = "reads 0") -> Field:
    """Reserved bits."""
    return Field("0", hi, lo, "rsvd", about, {}, source)


def reg(
    name: str, title: str, offset: int, access: Access, about: str, source: str, *fields: Field, peek: bool = True
) -> Reg:
    """A 32-bit register of the page; its value's name is its own."""
    return Reg(
        f"lapic.{name}",
        f"local APIC {title}",
        "lapic",
        offset,
        32,
        access,
        (Layout(title, fields, about, source),),
        about,
        source,
        peek=f"lapic{{}}.{name}" if peek else "",
    )


def vector(about: str = "vector that is asked for; below 16 is an error", source: str = LVT) -> Field:
    """Bits 7:0, the vector."""
    return Field("VECTOR", 7, 0, "rw", about, {}, source)


def mask() -> Field:
    """Bit 16 of an LVT entry."""
    return flag(
        "MASK",
        16,
        "rw",
        "keeps the interrupt back; forced while the SVR disables the APIC",
        source=LVT,
        clear="open",
        set="masked",
    )


def status(source: str = LVT) -> Field:
    """Bit 12, delivery status."""
    return flag(
        "DS", 12, "ro", "delivery status: a message takes no time here", source=source, clear="idle", set="send pending"
    )


def mode(source: str = LVT) -> Field:
    """Bits 10:8, the delivery mode."""
    return Field("MODE", 10, 8, "rw", "how it is delivered", DELIVERY, source)


def _local(name: str, title: str, offset: int, about: str) -> Reg:
    """An LVT entry with a delivery mode and no pin."""
    return reg(
        name,
        title,
        offset,
        "rw",
        about,
        LVT,
        rsvd(31, 17, LVT),
        mask(),
        rsvd(15, 13, LVT),
        status(),
        rsvd(11, 11, LVT),
        mode(),
        vector(),
    )


def _pin(number: int, about: str) -> Reg:
    """LINT0 or LINT1."""
    return reg(
        f"lvt_lint{number}",
        f"LVT LINT{number}",
        0x350 + 0x10 * number,
        "rw",
        about,
        LVT,
        rsvd(31, 17, LVT),
        mask(),
        flag(
            "TRIGGER",
            15,
            "rw",
            "for fixed delivery; NMI is edge, ExtINT is level",
            source=LVT,
            clear="edge",
            set="level",
        ),
        flag(
            "RIRR",
            14,
            "ro",
            "a level was accepted, and has had no EOI yet",
            source=LVT,
            clear="none",
            set="in service",
        ),
        flag("POLARITY", 13, "rw", "which level of the pin asks", source=LVT, clear="high", set="low"),
        status(),
        rsvd(11, 11, LVT),
        mode(),
        vector(),
    )


def _count(name: str, title: str, offset: int, access: Access, about: str) -> Reg:
    return reg(name, title, offset, access, about, TIMER, Field("COUNT", 31, 0, access, about, {}, TIMER))


_LVT_TIMER = reg(
    "lvt_timer",
    "LVT timer",
    0x320,
    "rw",
    "vector, mask and mode of the timer",
    TIMER,
    rsvd(31, 19, TIMER),
    Field("MODE", 18, 17, "rw", "what happens at the end of the count", TIMER_MODES, TIMER),
    mask(),
    rsvd(15, 13, TIMER),
    status(),
    rsvd(11, 8, TIMER),
    vector(),
)

_LVT_ERROR = reg(
    "lvt_error",
    "LVT error",
    0x370,
    "rw",
    "what an error raises",
    LVT,
    rsvd(31, 17, LVT),
    mask(),
    rsvd(15, 13, LVT),
    status(),
    rsvd(11, 8, LVT),
    vector(),
)

_TDCR = reg(
    "tdcr",
    "divide configuration",
    0x3E0,
    "rw",
    "bits 3, 1 and 0 divide the timer's clock",
    TIMER,
    rsvd(31, 4, TIMER),
    Field("DIV2", 3, 3, "rw", "highest bit of the divider's code", {0: "2, 4, 8, 16", 1: "32, 64, 128, 1"}, TIMER),
    rsvd(2, 2, TIMER),
    Field(
        "DIV",
        1,
        0,
        "rw",
        "which of the four, by bit 3",
        {0: "2 or 32", 1: "4 or 64", 2: "8 or 128", 3: "16 or 1"},
        TIMER,
    ),
)

LVT_REGS: tuple[Reg, ...] = (
    _local("lvt_cmci", "LVT CMCI", 0x2F0, "corrected machine checks, where max LVT is 6"),
    _LVT_TIMER,
    _local("lvt_thermal", "LVT thermal sensor", 0x330, "thermal interrupts; nothing raises them here"),
    _local("lvt_perf", "LVT performance counters", 0x340, "counter overflow; nothing raises it here"),
    _pin(0, "what pin LINT0 raises: the 8259's INTR on a PC"),
    _pin(1, "what pin LINT1 raises: NMI on a PC"),
    _LVT_ERROR,
    _count("tmict", "initial count", 0x380, "rw", "a write starts the timer with so many counts; 0 stops it"),
    _count("tmcct", "current count", 0x390, "ro", "counts left to the timer's expiry"),
    _TDCR,
)
"""The local vector table, and the timer's counts and divider."""
