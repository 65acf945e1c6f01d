"""The I/O APIC's registers as data: what is seen in memory, and what stands behind IOREGSEL and IOWIN.

Source: Intel 82093AA datasheet (order 290566), the register named with each field; Intel 82801AA (ICH) for the EOI
register.
"""

from __future__ import annotations

from timerlab.regs import Field, Layout, Peek, Reg, flag

BASE, SIZE = 0xFEC0_0000, 0x1000
PINS = 24

SEL, WIN, EOI = 0x00, 0x10, 0x40
"""Offsets from the base."""
ID, VER, ARB, TABLE = 0x00, 0x01, 0x02, 0x10
"""Indexes."""

DELIVERIES = {
    0: "fixed",
    1: "lowest priority",
    2: "SMI",
    3: "reserved, not sent",
    4: "NMI",
    5: "INIT",
    6: "reserved, not sent",
    7: "ExtINT: the 8259 gives the vector",
}
DELIVERY_SHORT = {0: "fixed", 1: "lowest", 2: "SMI", 3: "reserved", 4: "NMI", 5: "INIT", 6: "reserved", 7: "ExtINT"}

_SEL = "Intel 82093AA, I/O Register Select"
_WIN = "Intel 82093AA, I/O Window"
_ID = "Intel 82093AA, I/O APIC Identification Register"
_VER = "Intel 82093AA, I/O APIC Version Register"
_ARB = "Intel 82093AA, I/O APIC Arbitration Register"
_RTE = "Intel 82093AA, I/O Redirection Table Registers"
_EOI = "Intel 82801AA (ICH), EOI Register"

_WIRED = {
    0: "the 8259's INT",
    1: "keyboard",
    2: "PIT OUT 0, or HPET T0 by legacy replacement",
    3: "COM2",
    4: "COM1",
    8: "RTC, or HPET T1 by legacy replacement",
    9: "ACPI",
    12: "mouse",
    14: "primary disk",
    15: "secondary disk",
}


def _id(name: str, title: str, index: int, about: str, source: str) -> Reg:
    access = "rw" if index == ID else "ro"
    return Reg(
        name=f"ioapic.{name}",
        title=title,
        space="ioapic",
        address=index,
        width=32,
        access="rw" if index == ID else "ro",
        about=about,
        source=source,
        layouts=(
            Layout(
                title,
                (
                    Field("0", 31, 28, "rsvd", "reserved, 0", {}, source),
                    Field("ID", 27, 24, "rw" if access == "rw" else "ro", "the APIC ID", {}, source),
                    Field("0", 23, 0, "rsvd", "reserved, 0", {}, source),
                ),
            ),
        ),
        peek=f"ioapic.{name}",
    )


def _rte(pin: int) -> Reg:
    wired = _WIRED.get(pin)
    return Reg(
        name=f"ioapic.rte{pin}",
        title=f"I/O APIC entry {pin}",
        space="ioapic",
        address=TABLE + 2 * pin,
        width=64,
        access="rw",
        about=f"what pin {pin} sends" + (f": {wired}" if wired else "") + "; low half at the even index",
        source=_RTE,
        layouts=(
            Layout(
                "redirection entry",
                (
                    Field("DEST", 63, 56, "rw", "destination: an APIC ID, or a logical mask", {}, _RTE),
                    Field("0", 55, 17, "rsvd", "reserved, 0 unless ioapic_reserved=stored", {}, _RTE),
                    flag("MASK", 16, "rw", "nothing is sent", source=_RTE, clear="open", set="masked"),
                    flag("TRIGGER", 15, "rw", "how the pin asks", source=_RTE, clear="edge", set="level"),
                    flag(
                        "RIRR",
                        14,
                        "ro",
                        "remote IRR: a local APIC has the level, and its EOI is awaited",
                        source=_RTE,
                        clear="no EOI due",
                        set="EOI awaited",
                    ),
                    flag("POLARITY", 13, "rw", "the pin's sense", source=_RTE, clear="active high", set="active low"),
                    flag("STATUS", 12, "ro", "a message waits; always 0 here", source=_RTE, clear="idle", set="waits"),
                    flag("LOGICAL", 11, "rw", "what DEST is", source=_RTE, clear="physical", set="logical"),
                    Field("DELIVERY", 10, 8, "rw", "delivery mode", DELIVERIES, _RTE, DELIVERY_SHORT),
                    Field("VECTOR", 7, 0, "rw", "vector, 10h to FEh", {}, _RTE),
                ),
            ),
        ),
        peek=f"ioapic.rte{pin}",
        span=2,
    )


REGS: tuple[Reg, ...] = (
    Reg(
        name="ioapic.sel",
        title="I/O APIC register select",
        space="mem",
        address=BASE + SEL,
        width=32,
        access="rw",
        about="IOREGSEL: the index that IOWIN reaches",
        source=_SEL,
        layouts=(
            Layout(
                "IOREGSEL",
                (
                    Field("0", 31, 8, "rsvd", "reserved, 0", {}, _SEL),
                    Field("INDEX", 7, 0, "rw", "index of a register", {}, _SEL),
                ),
            ),
        ),
        peek="ioapic.sel",
    ),
    Reg(
        name="ioapic.win",
        title="I/O APIC window",
        space="mem",
        address=BASE + WIN,
        width=32,
        access="rw",
        about="IOWIN: the register that IOREGSEL names, 32 bits at once; narrower accesses have no effect and read 0",
        source=_WIN,
        layouts=(Layout("IOWIN", (Field("D", 31, 0, "rw", "the register's content", {}, _WIN),)),),
        peek="ioapic.win",
    ),
    Reg(
        name="ioapic.eoi",
        title="I/O APIC EOI",
        space="mem",
        address=BASE + EOI,
        width=32,
        access="wo",
        about="ends all level entries of a vector, from version 20h on; reads 0",
        source=_EOI,
        layouts=(
            Layout(
                "EOI",
                (
                    Field("0", 31, 8, "rsvd", "not looked at", {}, _EOI),
                    Field("VECTOR", 7, 0, "wo", "the vector that has ended", {}, _EOI),
                ),
            ),
        ),
    ),
    _id("id", "I/O APIC ID", ID, "the ID in bits 27:24; a write sets the arbitration ID too", _ID),
    Reg(
        name="ioapic.ver",
        title="I/O APIC version",
        space="ioapic",
        address=VER,
        width=32,
        access="ro",
        about="version, and how many entries there are",
        source=_VER,
        layouts=(
            Layout(
                "version",
                (
                    Field("0", 31, 24, "rsvd", "reserved, 0", {}, _VER),
                    Field("MAXENTRY", 23, 16, "ro", "number of the last entry", {}, _VER),
                    flag("PRQ", 15, "ro", "pins can be set by memory writes (ICH); 0 here", source=_VER),
                    Field("0", 14, 8, "rsvd", "reserved, 0", {}, _VER),
                    Field("VERSION", 7, 0, "ro", "11h 82093AA, 20h with an EOI register", {}, _VER),
                ),
            ),
        ),
        peek="ioapic.ver",
    ),
    _id("arb", "I/O APIC arbitration ID", ARB, "the ID in bits 27:24, as it was written to the ID register", _ARB),
    *(_rte(pin) for pin in range(PINS)),
)

PEEKS = {
    "ioapic.sel": Peek("IOREGSEL: the index that IOWIN reaches", _SEL),
    "ioapic.win": Peek("what a read of IOWIN would give", _WIN),
    "ioapic.id": Peek("the ID register, the ID in bits 27:24", _ID),
    "ioapic.ver": Peek("the version register", _VER),
    "ioapic.arb": Peek("the arbitration register, the ID in bits 27:24", _ARB),
    **{f"ioapic.rte{pin}": Peek(f"redirection entry of pin {pin}, both halves", _RTE) for pin in range(PINS)},
    **{f"ioapic.pin{pin}": Peek(f"level of pin {pin}", _RTE) for pin in range(PINS)},
}
"""What each value means, by the name that `peek` gives it."""
