"""The 8254's registers as data: what each bit of ports 40h to 43h and of the status byte means.

Source: Intel 8254 datasheet (order 231164), the figure or section named with each field.
"""

from __future__ import annotations

from timerlab.regs import Field, Layout, Peek, Reg, flag

MODES = {
    0: "interrupt on terminal count",
    1: "hardware one-shot",
    2: "rate generator",
    3: "square wave",
    4: "software strobe",
    5: "hardware strobe",
    6: "rate generator (as 2)",
    7: "square wave (as 3)",
}
"""Mode names by mode field; 6 and 7 are X10 and X11 with X = 1."""

MODE_ABOUT = {
    0: "OUT is low from the control word on and rises when CE reaches 0, N+1 clocks after the count was written; "
    "GATE low holds the count",
    1: "OUT falls on the clock after GATE rises and stays low for N clocks; each further rise starts anew",
    2: "OUT is high, and low for the one clock in which CE is 1, every N clocks; "
    "GATE low holds it high, its rise reloads",
    3: "CE counts down by two; OUT is high for (N+1)/2 clocks and low for (N-1)/2; "
    "GATE low holds it high, its rise reloads",
    4: "OUT is high, and low for the one clock in which CE reaches 0, N+1 clocks after the count was written; "
    "GATE low holds the count",
    5: "as mode 4, but started by a rise of GATE, N+1 clocks after it",
}
"""One sentence a mode (8254, Mode Definitions)."""

RWS = {0: "counter latch", 1: "low byte", 2: "high byte", 3: "low byte, then high byte"}
CHANNELS = {0: "channel 0", 1: "channel 1", 2: "channel 2", 3: "read-back"}
RW_SHORT = {0: "latch", 1: "lo", 2: "hi", 3: "lo/hi"}
SC_SHORT = {0: "ch 0", 1: "ch 1", 2: "ch 2", 3: "read-back"}
BCD_SHORT = {0: "binary", 1: "BCD"}
BCDS = {0: "binary, 65536 steps", 1: "BCD, 10000 steps"}

_CW = "Intel 8254, Control Word Format"
_LATCH = "Intel 8254, Counter Latch Command"
_BACK = "Intel 8254, Read-Back Command"
_STATUS = "Intel 8254, Status Byte"


def command_kind(value: int) -> int:
    """Which of port 43h's words `value` is: 0 control word, 1 counter latch, 2 read-back."""
    if value >> 6 == 3:
        return 2
    return 0 if value & 0x30 else 1


COMMAND = Reg(
    name="pit.cmd",
    title="PIT command",
    space="io",
    address=0x43,
    width=8,
    access="wo",
    about="control word, counter latch or read-back command; reads find the bus undriven, FFh",
    source=_CW,
    choose=command_kind,
    layouts=(
        Layout(
            "control word",
            (
                Field("SC", 7, 6, "wo", "selects the channel", CHANNELS, _CW, SC_SHORT),
                Field("RW", 5, 4, "wo", "which bytes of a count are written and read", RWS, _CW, RW_SHORT),
                Field("M", 3, 1, "wo", "mode; in modes 2 and 3 its high bit does not matter", MODES, _CW),
                Field("BCD", 0, 0, "wo", "binary or four decades", BCDS, _CW, BCD_SHORT),
            ),
            "programs a channel: OUT goes to the mode's idle level, and the count must be written anew",
            _CW,
        ),
        Layout(
            "counter latch",
            (
                Field("SC", 7, 6, "wo", "selects the channel", CHANNELS, _LATCH, SC_SHORT),
                Field("RW", 5, 4, "wo", "00 makes it a counter latch", RWS, _LATCH, RW_SHORT),
                Field("X", 3, 0, "rsvd", "not looked at", {}, _LATCH),
            ),
            "holds the count in OL until it is read; counting goes on",
            _LATCH,
        ),
        Layout(
            "read-back",
            (
                Field("SC", 7, 6, "wo", "11 makes it a read-back", CHANNELS, _BACK, SC_SHORT),
                flag("COUNT#", 5, "wo", "0 latches the count", source=_BACK, clear="latch count", set="no count"),
                flag("STATUS#", 4, "wo", "0 latches the status", source=_BACK, clear="latch status", set="no status"),
                flag("CNT2", 3, "wo", "selects channel 2", source=_BACK, clear="not ch 2", set="ch 2"),
                flag("CNT1", 2, "wo", "selects channel 1", source=_BACK, clear="not ch 1", set="ch 1"),
                flag("CNT0", 1, "wo", "selects channel 0", source=_BACK, clear="not ch 0", set="ch 0"),
                Field("0", 0, 0, "rsvd", "not looked at", {}, _BACK),
            ),
            "latches count or status, or both, of any channels at once; status is read first",
            _BACK,
        ),
    ),
)


def _status(index: int) -> Reg:
    return Reg(
        name=f"pit.ch{index}.status",
        title=f"PIT status, channel {index}",
        space="io",
        address=-1,
        width=8,
        access="ro",
        about=f"read once from port {0x40 + index:X}h after a read-back command with STATUS# = 0",
        source=_STATUS,
        layouts=(
            Layout(
                "status",
                (
                    flag("OUT", 7, "ro", "level of the OUT pin", source=_STATUS, clear="low", set="high"),
                    flag(
                        "NULL",
                        6,
                        "ro",
                        "the count written last is not in CE yet",
                        source=_STATUS,
                        clear="count is in CE",
                        set="count waits for CE",
                    ),
                    Field(
                        "RW",
                        5,
                        4,
                        "ro",
                        "as programmed",
                        RWS | {0: "no control word yet"},
                        _STATUS,
                        RW_SHORT | {0: "none"},
                    ),
                    Field("M", 3, 1, "ro", "mode, exactly as written", MODES, _STATUS),
                    Field("BCD", 0, 0, "ro", "as programmed", BCDS, _STATUS, BCD_SHORT),
                ),
            ),
        ),
    )


STATUS = _status(0).layouts[0].fields
"""The fields of a status byte."""


def _data(index: int, wired: str) -> Reg:
    source = "Intel 8254, Write Operations and Read Operations"
    return Reg(
        name=f"pit.ch{index}",
        title=f"PIT channel {index} data",
        space="io",
        address=0x40 + index,
        width=8,
        access="rw",
        about=f"writes fill CR, reads give latched status, OL or CE, a byte at a time as RW says; OUT goes to {wired}",
        source=source,
        layouts=(Layout("count byte", (Field("D", 7, 0, "rw", "a byte of the count", {}, source),)),),
    )


REGS: tuple[Reg, ...] = (
    COMMAND,
    *(
        _data(i, wired)
        for i, wired in enumerate(("IRQ 0", "memory refresh, in the first PCs", "port 61h and the speaker"))
    ),
    *(_status(i) for i in range(3)),
)

_COUNTER = "Intel 8254, Functional Description, Counter 0, Counter 1, Counter 2"
_MODE = "Intel 8254, Mode Definitions"
_READ, _WRITE = "Intel 8254, Read Operations", "Intel 8254, Write Operations"

_PEEKS = {
    "mode": Peek("M of the control word as written, 0 to 7; none before the first control word", _CW),
    "kind": Peek("the mode that M means: 6 and 7 are 2 and 3, unless pit_mode67=own", _CW),
    "rw": Peek("RW of the control word: 1 low byte, 2 high byte, 3 both; 0 before the first control word", _CW),
    "bcd": Peek("BCD of the control word: 1 counts in four decades", _CW),
    "cr": Peek("CR, the count register: the count as written, a binary or BCD code", _COUNTER),
    "ce": Peek("CE, the counting element: what a read or a latch finds now", _COUNTER),
    "loaded": Peek("1 when CE was loaded since the control word", _MODE),
    "ol": Peek("OL, the output latch: the count that is held until it is read, or none", _LATCH),
    "ol_left": Peek("bytes of the latched count that are still to be read", _LATCH),
    "status": Peek("the latched status byte that the next read gives, or none", _BACK),
    "rd": Peek("the byte of a count that the next read gives, lo or hi", _READ),
    "wr": Peek("the byte of a count that the next write fills, lo or hi", _WRITE),
    "null": Peek("NULL COUNT: 1 while the count written last is not in CE", _STATUS),
    "gate": Peek("level of GATE: 0 and 1 are tied high, 2 is bit 0 of port 61h", _MODE),
    "out": Peek("level of OUT", _MODE),
    "period": Peek("clocks in a period of OUT, modes 2 and 3 while they count; else none", _MODE),
    "high": Peek("clocks of a period in which OUT is high, or none", _MODE),
    "next": Peek("the ns of OUT's next edge if nothing is written, or none", _MODE),
    "next_level": Peek("the level that OUT's next edge goes to, or none", _MODE),
}

PEEKS = {f"pit.ch{index}.{name}": peek for index in range(3) for name, peek in _PEEKS.items()}
"""What each value of a channel means, by the name that `peek` gives it."""
