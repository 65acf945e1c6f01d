"""The MC146818's quirks, and which of them QEMU 7.2 has."""

from __future__ import annotations

from timerlab.quirks.kinds import quirk

_MC = "MC146818A datasheet"

QUIRKS = (
    quirk(
        "update",
        "when an RTC update ends, and how long UIP is high",
        f"{_MC}, Update Cycle; DS12887 datasheet, Update Cycle; docs/qemu.md, F19",
        mc146818="UIP from 244 µs before the update to its end, 1984 µs (248 µs at MHz bases) after its start: the "
        "new time, UF and AF come then",
        ds12887="UIP for the 244 µs before the update, which takes no time (F19)",
        qemu="the same, as QEMU has it",
    ),
    quirk(
        "rtc_crystal",
        "the crystal, where DV names another one than 32.768 kHz",
        f"{_MC}, Register A, DV; IBM PC AT Technical Reference, Real-Time Clock, which has 32.768 kHz",
        as_dv="is the one that DV names",
        khz32="has 32.768 kHz all the same: with DV 000 a second takes 128 s, with DV 001 32 s",
    ),
    quirk(
        "rtc_pf",
        "when PF is set",
        f"{_MC}, Register C; docs/qemu.md, F18",
        always="at each rise of the RS tap, whatever PIE is",
        with_pie="only while PIE is 1, by a timer that PIE starts: whole periods after the tick that set it (F18)",
    ),
    quirk(
        "rtc_format",
        "the time bytes when DM or 24/12 changes",
        f"{_MC}, Register B; docs/qemu.md, F20",
        kept="stay as they are, and mean something else",
        converted="are converted to the new format, unless SET is 1 (F20)",
    ),
    quirk(
        "rtc_illegal",
        "time bytes that make no time of day or date",
        f"{_MC}, Time, Calendar and Alarm Locations; docs/qemu.md",
        counts="count up from what they are",
        normalised="are reckoned as they stand and written back as a date: 31 February is 3 March",
    ),
    quirk(
        "rtc_write",
        "a write of a time byte with SET=0",
        f"{_MC}, Setting the Time; docs/qemu.md",
        phase_kept="leaves the divider alone: the next second comes when it would have come",
        restarts="starts the second anew: the next one comes a second after the last write",
    ),
    quirk(
        "rtc_alarm",
        "how the alarm is compared",
        f"{_MC}, Alarm; docs/qemu.md, F21, F22",
        bytes="byte by byte with the time, in whatever format",
        qemu="as a time reckoned beforehand: hours modulo 24, and in 12 hours the PM bit of the present hour "
        "instead of the alarm's (F21, F22)",
    ),
    quirk(
        "rtc_dse",
        "the DSE bit",
        f"{_MC}, Register B, DSE; DS12887 datasheet, Register B; docs/qemu.md, F33",
        april_last="last Sunday of April, an hour on; last Sunday of October, an hour back",
        ignored="changes nothing (F33)",
        ds12887="first Sunday of April, an hour on; last Sunday of October, an hour back",
    ),
    quirk(
        "rtc_century",
        "byte 32h of the CMOS RAM",
        "ACPI 6.4, FADT, CENTURY; docs/qemu.md",
        ram="is plain RAM; each year divisible by 4 is a leap year",
        counts="counts centuries with the year, and leap years are the Gregorian calendar's",
    ),
    quirk(
        "rtc_37h",
        "byte 37h of the CMOS RAM",
        "IBM PS/2 Technical Reference, CMOS RAM; docs/qemu.md, F34",
        ram="is plain RAM",
        alias="is the century byte, 32h (F34)",
    ),
    quirk(
        "rtc_bank2",
        "ports 72h and 73h",
        "Intel PIIX4 82371AB, Real Time Clock Registers; docs/qemu.md, F35",
        present="reach a second bank of 128 bytes",
        absent="are not there: reads give FFh (F35)",
    ),
    quirk(
        "rtc_reset_uie",
        "UIE at the RESET pin",
        f"{_MC}, RESET; docs/qemu.md",
        cleared="is cleared with PIE, AIE and SQWE",
        kept="is kept",
    ),
    quirk(
        "rtc_dow",
        "the day of week",
        f"{_MC}, Time, Calendar and Alarm Locations; docs/qemu.md",
        own="is a counter of its own, 7 to 1",
        date="is reckoned from the date",
    ),
    quirk(
        "rtc_70h",
        "a read of port 70h",
        "Intel ICH6 datasheet, RTC I/O Registers; Intel 82371AB, RTCI",
        ffh="finds the bus undriven: FFh",
        last="gives the byte that was written last",
    ),
    quirk(
        "rtc_update_read",
        "a read of the time or alarm bytes during an update, where update=mc146818",
        f"{_MC}, Update Cycle, which leaves it open",
        old="gives the old time",
        ff="gives FFh",
    ),
)

QEMU = {
    "update": "ds12887",
    "rtc_pf": "with_pie",
    "rtc_format": "converted",
    "rtc_illegal": "normalised",
    "rtc_write": "restarts",
    "rtc_alarm": "qemu",
    "rtc_dse": "ignored",
    "rtc_century": "counts",
    "rtc_37h": "alias",
    "rtc_bank2": "absent",
    "rtc_reset_uie": "kept",
    "rtc_dow": "date",
}
