"""The RTC's registers as data: what each bit of ports 70h to 73h and of the bytes behind them means.

Source: MC146818A datasheet, the section named with each field; Intel 82371AB (PIIX4) for the ports.
"""

from __future__ import annotations

from timerlab.regs import Field, Layout, Peek, Reg, flag

_MC = "MC146818A"
_TIME = f"{_MC}, Time, Calendar and Alarm Locations"
_A, _B, _C, _D = (f"{_MC}, Register {name}" for name in "ABCD")
_PORT = "Intel 82371AB, Real Time Clock Registers"
_UPDATE = f"{_MC}, Update Cycle"
_ALARM = f"{_MC}, Alarm"

DVS = {
    0: "4.194304 MHz crystal",
    1: "1.048576 MHz crystal",
    2: "32.768 kHz crystal",
    3: "test mode, the divider stands",
    4: "test mode, the divider stands",
    5: "test mode, the divider stands",
    6: "the divider is held at zero",
    7: "the divider is held at zero",
}
DV_SHORT = {0: "4 MHz", 1: "1 MHz", 2: "32 kHz", 3: "test", 4: "test", 5: "test", 6: "held", 7: "held"}
RATES = {0: "none", 1: "256 Hz; 32 768 Hz at MHz bases", 2: "128 Hz; 16 384 Hz at MHz bases"} | {
    rs: f"{32_768 >> (rs - 1)} Hz" for rs in range(3, 16)
}
RATE_SHORT = {0: "none", 1: "256 Hz", 2: "128 Hz"} | {rs: f"{32_768 >> (rs - 1)} Hz" for rs in range(3, 16)}


def _reg(
    name: str,
    title: str,
    address: int,
    about: str,
    source: str,
    *layouts: Layout,
    access: str = "rw",
    span: int = 1,
    peek: str = "",
) -> Reg:
    return Reg(
        name=name,
        title=title,
        space="cmos",
        address=address,
        width=8,
        access=access,  # type: ignore[arg-type]
        about=about,
        source=source,
        layouts=layouts,
        choose=_alarm_kind if len(layouts) > 1 else _one,
        peek=peek,
        span=span,
    )


def _one(value: int) -> int:
    return 0


def _alarm_kind(value: int) -> int:
    """Which kind of alarm byte `value` is: 0 a value, 1 do-not-care."""
    return 1 if value >= 0xC0 else 0


def _byte(about: str) -> Layout:
    return Layout("byte", (Field("VAL", 7, 0, "rw", about, {}, _TIME),))


def _hours() -> Layout:
    return Layout(
        "hours",
        (
            flag("PM", 7, "rw", "in 12 hours: afternoon", source=_TIME, clear="AM", set="PM"),
            Field("HOUR", 6, 0, "rw", "the hour, 0 to 23 or 1 to 12", {}, _TIME),
        ),
    )


def _alarm(unit: str) -> tuple[Layout, Layout]:
    return (
        Layout("alarm", (Field("VAL", 7, 0, "rw", f"{unit} that must equal the time's, bit for bit", {}, _ALARM),)),
        Layout(
            "do-not-care",
            (
                Field("ANY", 7, 6, "rw", "11 matches at any time", {3: "any"}, _ALARM),
                Field("X", 5, 0, "rw", "kept, and not looked at", {}, _ALARM),
            ),
            "matches whatever the time is",
            _ALARM,
        ),
    )


_DSE = "in April and October the hour is changed by itself, on Sunday at 2 AM"

REGS: tuple[Reg, ...] = (
    Reg(
        name="rtc.index",
        title="RTC index",
        space="io",
        address=0x70,
        width=8,
        access="wo",
        about="which byte port 71h reaches; reads find the bus undriven, FFh",
        source=_PORT,
        layouts=(
            Layout(
                "index",
                (
                    flag("NMI#", 7, "wo", "keeps NMI from the CPU", source=_PORT, clear="NMI on", set="NMI masked"),
                    Field("INDEX", 6, 0, "wo", "0 to 127", {}, _PORT),
                ),
            ),
        ),
    ),
    Reg(
        name="rtc.data",
        title="RTC data",
        space="io",
        address=0x71,
        width=8,
        access="rw",
        about="the byte that port 70h selected",
        source=_PORT,
        layouts=(Layout("data", (Field("DATA", 7, 0, "rw", "the selected byte", {}, _PORT),)),),
    ),
    Reg(
        name="rtc.index2",
        title="RTC index, second bank",
        space="io",
        address=0x72,
        width=8,
        access="wo",
        about="which byte of the second 128 port 73h reaches",
        source=_PORT,
        layouts=(
            Layout(
                "index",
                (
                    Field("X", 7, 7, "rsvd", "not looked at", {}, _PORT),
                    Field("INDEX", 6, 0, "wo", "0 to 127", {}, _PORT),
                ),
            ),
        ),
    ),
    Reg(
        name="rtc.data2",
        title="RTC data, second bank",
        space="io",
        address=0x73,
        width=8,
        access="rw",
        about="the byte of the second bank that port 72h selected",
        source=_PORT,
        layouts=(Layout("data", (Field("DATA", 7, 0, "rw", "the selected byte", {}, _PORT),)),),
    ),
    _reg(
        "rtc.seconds",
        "RTC seconds",
        0x00,
        "0 to 59, BCD or binary as DM says",
        _TIME,
        Layout(
            "seconds",
            (
                Field("0", 7, 7, "ro", "reads 0 whatever is written", {}, _TIME),
                Field("SEC", 6, 0, "rw", "the second", {}, _TIME),
            ),
        ),
        peek="rtc.seconds",
    ),
    _reg(
        "rtc.seconds_alarm",
        "RTC seconds alarm",
        0x01,
        "the second at which AF is set; C0h and above: any",
        _ALARM,
        *_alarm("second"),
        peek="rtc.seconds_alarm",
    ),
    _reg("rtc.minutes", "RTC minutes", 0x02, "0 to 59", _TIME, _byte("the minute"), peek="rtc.minutes"),
    _reg(
        "rtc.minutes_alarm",
        "RTC minutes alarm",
        0x03,
        "the minute at which AF is set; C0h and above: any",
        _ALARM,
        *_alarm("minute"),
        peek="rtc.minutes_alarm",
    ),
    _reg(
        "rtc.hours",
        "RTC hours",
        0x04,
        "0 to 23, or 1 to 12 with bit 7 for PM, as 24/12 says",
        _TIME,
        _hours(),
        peek="rtc.hours",
    ),
    _reg(
        "rtc.hours_alarm",
        "RTC hours alarm",
        0x05,
        "the hour at which AF is set; C0h and above: any",
        _ALARM,
        *_alarm("hour"),
        peek="rtc.hours_alarm",
    ),
    _reg(
        "rtc.dow",
        "RTC day of week",
        0x06,
        "1 is Sunday, 7 Saturday; counts by itself, whatever the date",
        _TIME,
        _byte("the day of week"),
        peek="rtc.dow",
    ),
    _reg("rtc.date", "RTC date", 0x07, "1 to the length of the month", _TIME, _byte("the date"), peek="rtc.date"),
    _reg("rtc.month", "RTC month", 0x08, "1 to 12", _TIME, _byte("the month"), peek="rtc.month"),
    _reg(
        "rtc.year",
        "RTC year",
        0x09,
        "0 to 99; divisible by 4 is a leap year",
        _TIME,
        _byte("the year of its century"),
        peek="rtc.year",
    ),
    _reg(
        "rtc.a",
        "RTC register A",
        0x0A,
        "divider, rate, and whether an update is near; not changed by RESET",
        _A,
        Layout(
            "register A",
            (
                flag(
                    "UIP",
                    7,
                    "ro",
                    "an update is in progress, or starts within 244 µs",
                    source=_A,
                    clear="244 µs are safe",
                    set="update near",
                ),
                Field("DV", 6, 4, "rw", "the crystal, or what holds the divider", DVS, _A, DV_SHORT),
                Field("RS", 3, 0, "rw", "the tap for PF and SQW", RATES, _A, RATE_SHORT),
            ),
        ),
        peek="rtc.a",
    ),
    _reg(
        "rtc.b",
        "RTC register B",
        0x0B,
        "inhibits updates, enables interrupts, says how the bytes are coded",
        _B,
        Layout(
            "register B",
            (
                flag("SET", 7, "rw", "inhibits updates; clears UIE", source=_B, clear="runs", set="updates inhibited"),
                flag("PIE", 6, "rw", "interrupt at each PF", source=_B, clear="off", set="on"),
                flag("AIE", 5, "rw", "interrupt at each AF", source=_B, clear="off", set="on"),
                flag("UIE", 4, "rw", "interrupt at each UF", source=_B, clear="off", set="on"),
                flag("SQWE", 3, "rw", "lets the tap to the SQW pin", source=_B, clear="low", set="square wave"),
                flag("DM", 2, "rw", "how the time bytes are coded", source=_B, clear="BCD", set="binary"),
                flag("24/12", 1, "rw", "how hours are counted", source=_B, clear="12 hours", set="24 hours"),
                flag("DSE", 0, "rw", _DSE, source=f"{_B}, DSE", clear="off", set="on"),
            ),
        ),
        peek="rtc.b",
    ),
    _reg(
        "rtc.c",
        "RTC register C",
        0x0C,
        "interrupt flags; a read gives them and clears them all, and IRQ 8 falls",
        _C,
        Layout(
            "register C",
            (
                flag("IRQF", 7, "rc", "a flag is set whose interrupt is enabled", source=_C, clear="no", set="IRQ 8"),
                flag("PF", 6, "rc", "the tap rose since the last read", source=_C, clear="no", set="periodic"),
                flag("AF", 5, "rc", "the alarm was met since the last read", source=_C, clear="no", set="alarm"),
                flag("UF", 4, "rc", "an update ended since the last read", source=_C, clear="no", set="update"),
                Field("0", 3, 0, "rsvd", "read 0", {}, _C),
            ),
        ),
        access="rc",
        peek="rtc.c",
    ),
    _reg(
        "rtc.d",
        "RTC register D",
        0x0D,
        "whether time and RAM are valid; a read sets VRT again",
        _D,
        Layout(
            "register D",
            (
                flag("VRT", 7, "ro", "the battery has not failed", source=_D, clear="not valid", set="valid"),
                Field("0", 6, 0, "rsvd", "read 0", {}, _D),
            ),
        ),
        access="ro",
        peek="rtc.d",
    ),
    _reg(
        "rtc.ram",
        "CMOS RAM",
        0x0E,
        "battery-backed bytes, 0Eh to 31h; 0Fh is the shutdown code",
        f"{_MC}, Static CMOS RAM",
        _byte("a byte"),
        span=0x24,
    ),
    _reg(
        "rtc.century",
        "CMOS century",
        0x32,
        "the century by convention; the chip counts it only where rtc_century=counts",
        "ACPI, FADT, CENTURY",
        _byte("the century"),
        peek="rtc.century",
    ),
    _reg(
        "rtc.ram_high",
        "CMOS RAM, above the century",
        0x33,
        "battery-backed bytes, 33h to 7Fh",
        f"{_MC}, Static CMOS RAM",
        _byte("a byte"),
        span=0x4D,
    ),
)

PEEKS = {
    "rtc.seconds": Peek("the seconds byte, as it stands", _TIME),
    "rtc.seconds_alarm": Peek("the seconds alarm byte; C0h and above: any", _ALARM),
    "rtc.minutes": Peek("the minutes byte, as it stands", _TIME),
    "rtc.minutes_alarm": Peek("the minutes alarm byte; C0h and above: any", _ALARM),
    "rtc.hours": Peek("the hours byte, as it stands; bit 7 is PM in 12 hours", _TIME),
    "rtc.hours_alarm": Peek("the hours alarm byte; C0h and above: any", _ALARM),
    "rtc.dow": Peek("the day of week byte, 1 is Sunday", _TIME),
    "rtc.date": Peek("the date byte, as it stands", _TIME),
    "rtc.month": Peek("the month byte, as it stands", _TIME),
    "rtc.year": Peek("the year byte, as it stands", _TIME),
    "rtc.a": Peek("register A as a read would give it now, UIP included", _A),
    "rtc.b": Peek("register B", _B),
    "rtc.c": Peek("register C as a read would give it; looking clears nothing", _C),
    "rtc.d": Peek("register D as a read would give it", _D),
    "rtc.century": Peek("byte 32h of the RAM", "ACPI, FADT, CENTURY"),
    "rtc.index": Peek("the index that port 70h selected", _PORT),
    "rtc.nmi_mask": Peek("bit 7 of port 70h: 1 keeps NMI from the CPU", _PORT),
    "rtc.uip": Peek("UIP: an update is in progress, or starts within 244 µs", _A),
    "rtc.irqf": Peek("IRQF: a flag is set whose interrupt is enabled", _C),
    "rtc.clock": Peek("the time bytes as date and time of day; none where they mean none", _TIME),
    "rtc.rate": Peek("rate of the tap that RS selects, in Hz, or none", _A),
    "rtc.next_periodic": Peek("the ns of the next PF event, or none", f"{_MC}, Periodic Interrupt"),
    "rtc.next_uip": Peek("the ns at which UIP rises next, or none while updates are inhibited", _UPDATE),
    "rtc.next_update": Peek("the ns at which the next second shows, or none while updates are inhibited", _UPDATE),
    "rtc.next_alarm": Peek("the ns at which the alarm is met next, or none", _ALARM),
    "rtc.coalesced": Peek(
        "events of enabled interrupts since C was read that found their flag set already, and are lost", _C
    ),
    "rtc.updates": Peek("updates counted since power-on", _UPDATE),
    "rtc.c_read_ns": Peek("the ns of the last read of register C, or none", _C),
}
"""What each value means, by the name that `peek` gives it."""
