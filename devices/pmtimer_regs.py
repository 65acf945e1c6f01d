"""The ACPI PM timer's registers as data: the timer and its bits in the event block PM1a.

Source: ACPI Specification, Fixed Hardware Registers: PM1 Event Grouping, Power Management Timer. The places are those
of a PIIX4 whose PMBASE is 600h, as PC firmware sets it.
"""

from __future__ import annotations

from timerlab.regs import Field, Layout, Peek, Reg, flag

STS_PORT, EN_PORT, TMR_PORT = 0x600, 0x602, 0x608
PORTS = (*range(0x600, 0x604), *range(0x608, 0x60C))
"""The ports that this part of the ACPI block answers at."""

_STS = "ACPI Specification, PM1 Status Registers"
_EN = "ACPI Specification, PM1 Enable Registers"
_TMR = "ACPI Specification, Power Management Timer"
_SCI = "ACPI Specification, SCI Interrupt"
_TABLE = "IA-PC HPET Specification 1.0a, The ACPI 2.0 HPET Description Table"

HPET_ADDRESS = 0xFED0_0000
"""What firmware writes into that table."""

REGS: tuple[Reg, ...] = (
    Reg(
        name="acpi.pm1_sts",
        title="ACPI PM1 status",
        space="io",
        address=STS_PORT,
        width=16,
        access="w1c",
        about="what happened; of its bits only the timer's exists here",
        source=_STS,
        peek="acpi.pm1_sts",
        layouts=(
            Layout(
                "PM1 status",
                (
                    Field("0", 15, 1, "rsvd", "other events: not here, read 0", {}, _STS),
                    flag(
                        "TMR_STS",
                        0,
                        "w1c",
                        "the timer's highest bit has changed; write 1 clears",
                        source=_STS,
                        clear="no",
                        set="carried",
                    ),
                ),
            ),
        ),
    ),
    Reg(
        name="acpi.pm1_en",
        title="ACPI PM1 enable",
        space="io",
        address=EN_PORT,
        width=16,
        access="rw",
        about="which bits of PM1 status ask for the SCI",
        source=_EN,
        peek="acpi.pm1_en",
        layouts=(
            Layout(
                "PM1 enable",
                (
                    Field("0", 15, 1, "rsvd", "other events: not here, read 0", {}, _EN),
                    flag("TMR_EN", 0, "rw", "SCI while TMR_STS is set", source=_EN, clear="no SCI", set="SCI"),
                ),
            ),
        ),
    ),
    Reg(
        name="acpi.tmr",
        title="ACPI PM timer",
        space="io",
        address=TMR_PORT,
        width=32,
        access="ro",
        about="counts up at 3.579 545 MHz and is never stopped or written; 24 bits, or 32 with pm_bits=bits32",
        source=_TMR,
        peek="acpi.tmr",
        layouts=(
            Layout(
                "timer",
                (
                    Field("E_TMR_VAL", 31, 24, "ro", "upper 8 bits, 0 in a 24-bit timer", {}, _TMR),
                    Field("TMR_VAL", 23, 0, "ro", "the count", {}, _TMR),
                ),
            ),
        ),
    ),
)

CENTURY = 0x32
"""What firmware writes into the FADT where the RTC has a century byte."""

PEEKS = {
    "acpi.century": Peek(
        "where the FADT says that the RTC's century byte is; 0: it has none", "ACPI 6.4, FADT, CENTURY"
    ),
    "acpi.hpet": Peek("where firmware says that the HPET's registers are: BASE_ADDRESS of the HPET table", _TABLE),
    "acpi.tmr": Peek("the PM timer's count as a read finds it now", _TMR),
    "acpi.pm1_sts": Peek("PM1 status: bit 0 is TMR_STS, set when the timer's highest bit changes", _STS),
    "acpi.pm1_en": Peek("PM1 enable: bit 0 is TMR_EN", _EN),
    "acpi.next_carry": Peek("the ns at which the timer's highest bit changes next", _TMR),
    "acpi.sci": Peek("level of the timer's request for the SCI: TMR_STS and TMR_EN", _SCI),
}
"""What each value means, by the name that `peek` gives it."""
