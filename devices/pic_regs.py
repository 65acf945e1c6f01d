"""The 8259A's registers as data: command words, what can be read, and the ELCR.

Source: Intel 8259A datasheet (order 231468), the word named with each field; Intel 82371AB (PIIX4) datasheet for the
ELCR.
"""

from __future__ import annotations

from timerlab.regs import Access, Field, Layout, Peek, Reg, flag

ICW_NAMES = {0: "ready", 1: "icw2", 2: "icw3", 4: "icw4"}
"""The word that an initialisation waits for, by its bit."""

ELCR_MASTER, ELCR_SLAVE = 0xF8, 0xDE
"""The ELCR's bits that can be set: IRQ 0, 1, 2, 8 and 13 are always edge-triggered."""

COMMANDS = {
    0: "rotate in AEOI mode, off",
    1: "non-specific EOI",
    2: "no operation",
    3: "specific EOI",
    4: "rotate in AEOI mode, on",
    5: "rotate on non-specific EOI",
    6: "set priority",
    7: "rotate on specific EOI",
}
"""OCW2's commands, by bits 7:5."""
COMMAND_SHORT = {0: "AEOI rot off", 1: "ns-EOI", 2: "nop", 3: "EOI", 4: "AEOI rot on", 5: "rot ns-EOI", 6: "prio"}
MASKS = {0: "unchanged", 1: "unchanged", 2: "special mask off", 3: "special mask on"}
READS = {0: "unchanged", 1: "unchanged", 2: "read IRR", 3: "read ISR"}

_ICW1 = "Intel 8259A, Initialization Command Words 1 and 2"
_ICW3 = "Intel 8259A, Initialization Command Word 3"
_ICW4 = "Intel 8259A, Initialization Command Word 4"
_OCW1 = "Intel 8259A, Operation Control Word 1"
_OCW2 = "Intel 8259A, Operation Control Word 2"
_OCW3 = "Intel 8259A, Operation Control Word 3"
_MAPS = "Intel 8259A, Interrupt Request Register and In-Service Register"
_READ = "Intel 8259A, Reading the 8259A Status"
_POLL = "Intel 8259A, Poll Command"
_PRIORITY = "Intel 8259A, Automatic Rotation and Specific Rotation"
_CASCADE = "Intel 8259A, Cascade Mode"
_SEQUENCE = "Intel 8259A, Interrupt Sequence"
_ELCR = "Intel PIIX4 82371AB, Edge/Level Control Registers"

_WIRED = (
    ("PIT OUT 0", "keyboard", "the slave's INT", "COM2", "COM1", "LPT2 or sound", "floppy", "LPT1"),
    ("RTC", "free, ACPI", "free", "free", "mouse", "coprocessor", "primary disk", "secondary disk"),
)


def command_kind(value: int) -> int:
    """Which word a write with A0 = 0 is: 0 ICW1, 1 OCW2, 2 OCW3."""
    if value & 0x10:
        return 0
    return 2 if value & 8 else 1


def _bits(chip: int, access: Access, name: str, about: str, source: str, **values: str) -> tuple[Field, ...]:
    """Eight flags, one an input, with what is wired to it."""
    return tuple(
        flag(f"{name}{i}", i, access, f"{about} IRQ{8 * chip + i}, {_WIRED[chip][i]}", source=source, **values)
        for i in reversed(range(8))
    )


def _command(name: str, port: int) -> Reg:
    return Reg(
        name=f"pic.{name}.cmd",
        title=f"8259 {name}, command",
        space="io",
        address=port,
        width=8,
        access="wo",
        about="ICW1 where bit 4 is set, else OCW2, or OCW3 where bit 3 is set",
        source="Intel 8259A, Programming the 8259A",
        choose=command_kind,
        layouts=(
            Layout(
                "ICW1",
                (
                    Field("A", 7, 5, "wo", "vector address bits of the 8080, not looked at", {}, _ICW1),
                    flag("ICW1", 4, "wo", "1 makes it ICW1", source=_ICW1),
                    flag("LTIM", 3, "wo", "all inputs level-triggered, where there is no ELCR", source=_ICW1),
                    flag("ADI", 2, "wo", "call interval of the 8080, not looked at", source=_ICW1),
                    flag("SNGL", 1, "wo", "no ICW3 will follow", source=_ICW1, clear="ICW3 follows", set="no ICW3"),
                    flag("IC4", 0, "wo", "ICW4 will follow", source=_ICW1, clear="no ICW4", set="ICW4 follows"),
                ),
                "starts the chip over: masks and latched edges are cleared, IR7 is lowest, ICW2 is due",
                _ICW1,
            ),
            Layout(
                "OCW2",
                (
                    Field("R SL EOI", 7, 5, "wo", "what is done", COMMANDS, _OCW2, COMMAND_SHORT),
                    Field("OCW2", 4, 3, "wo", "00 makes it OCW2", {}, _OCW2),
                    Field("L", 2, 0, "wo", "the level that a specific command names", {}, _OCW2),
                ),
                "ends an interrupt, or turns the order of priorities",
                _OCW2,
            ),
            Layout(
                "OCW3",
                (
                    Field("0", 7, 7, "rsvd", "not looked at", {}, _OCW3),
                    Field("ESMM SMM", 6, 5, "wo", "special mask mode", MASKS, _OCW3),
                    Field("OCW3", 4, 3, "wo", "01 makes it OCW3", {}, _OCW3),
                    flag("P", 2, "wo", "the next read is a poll", source=_OCW3, clear="no poll", set="poll"),
                    Field("RR RIS", 1, 0, "wo", "what reads of this port give", READS, _OCW3),
                ),
                "special mask mode, poll, and the register that is read",
                _OCW3,
            ),
        ),
    )


def _status(chip: int, name: str, port: int) -> Reg:
    return Reg(
        name=f"pic.{name}.status",
        title=f"8259 {name}, IRR or ISR",
        space="io",
        address=port,
        width=8,
        access="ro",
        about="IRR or ISR, as OCW3 chose, IRR after ICW1; once the poll byte where a poll is armed",
        source=_READ,
        layouts=(Layout("IRR or ISR", _bits(chip, "ro", "IR", "request, or in service:", _MAPS)),),
        peek=f"pic.{name}.status",
    )


def _mask(chip: int, name: str, port: int) -> Reg:
    return Reg(
        name=f"pic.{name}.imr",
        title=f"8259 {name}, IMR",
        space="io",
        address=port,
        width=8,
        access="rw",
        about="OCW1, the masks; after ICW1 the next writes are ICW2, ICW3 and ICW4 instead",
        source=_OCW1,
        layouts=(Layout("OCW1", _bits(chip, "rw", "M", "masks", _OCW1, clear="open", set="masked")),),
        peek=f"pic.{name}.imr",
    )


def _icws(chip: int, name: str) -> tuple[Reg, ...]:
    third = (
        _bits(0, "wo", "S", "a slave hangs on", _ICW3)
        if not chip
        else (
            Field("0", 7, 3, "rsvd", "not looked at", {}, _ICW3),
            Field("ID", 2, 0, "wo", "the master's input that it hangs on", {}, _ICW3),
        )
    )
    fourth = (
        Field("0", 7, 5, "rsvd", "not looked at", {}, _ICW4),
        flag("SFNM", 4, "wo", "special fully nested mode", source=_ICW4, clear="fully nested", set="special"),
        flag("BUF", 3, "wo", "buffered mode, no effect here", source=_ICW4),
        flag("M/S", 2, "wo", "master or slave in buffered mode, no effect here", source=_ICW4),
        flag("AEOI", 1, "wo", "ISR is cleared at the end of INTA", source=_ICW4, clear="normal EOI", set="auto EOI"),
        flag("uPM", 0, "wo", "8086 mode; 0 would be the 8080's", source=_ICW4, clear="8080", set="8086"),
    )
    second = (
        Field("T", 7, 3, "wo", "bits 7:3 of its eight vectors", {}, _ICW1),
        Field("A", 2, 0, "rsvd", "address bits of the 8080, not looked at", {}, _ICW1),
    )
    said = (
        ("icw2", "vector base", second, _ICW1, f"pic.{name}.base"),
        ("icw3", "cascade, taken and not used: it is wired to IR2", third, _ICW3, ""),
        ("icw4", "modes", fourth, _ICW4, ""),
    )
    return tuple(
        Reg(
            name=f"pic.{name}.{word}",
            title=f"8259 {name}, {word.upper()}",
            space="io",
            address=-1,
            width=8,
            access="wo",
            about=f"{about}; written to port {0xA1 if chip else 0x21:X}h in its turn after ICW1",
            source=source,
            layouts=(Layout(word.upper(), fields),),
            peek=peek,
        )
        for word, about, fields, source, peek in said
    )


def _elcr(chip: int) -> Reg:
    kept = (ELCR_MASTER, ELCR_SLAVE)[chip]
    fields = tuple(
        flag(
            f"ECL{8 * chip + i}",
            i,
            "rw" if kept >> i & 1 else "ro",
            f"IRQ{8 * chip + i} is level-triggered" + ("" if kept >> i & 1 else ", never: always reads 0"),
            source=_ELCR,
            clear="edge",
            set="level",
        )
        for i in reversed(range(8))
    )
    return Reg(
        name=f"pic.elcr{chip + 1}",
        title=f"Edge/level control {chip + 1}",
        space="io",
        address=0x4D0 + chip,
        width=8,
        access="rw",
        about="1 makes an interrupt line level-triggered; ICW1 leaves it alone",
        source=_ELCR,
        layouts=(Layout("ELCR", fields),),
        peek=f"pic.elcr{chip + 1}",
    )


REGS: tuple[Reg, ...] = tuple(
    reg
    for chip, (name, port) in enumerate((("master", 0x20), ("slave", 0xA0)))
    for reg in (
        _command(name, port),
        _status(chip, name, port),
        _mask(chip, name, port + 1),
        *_icws(chip, name),
        _elcr(chip),
    )
)

_PEEKS = {
    "irr": Peek("IRR: the levels that ask for service, IR0 in bit 0", _MAPS),
    "isr": Peek("ISR: the levels that are being served", _MAPS),
    "imr": Peek("IMR: 1 masks a level", _OCW1),
    "base": Peek("vector of IR0, a multiple of 8", _ICW1),
    "lowest": Peek("the level of lowest priority; the next one is the highest", _PRIORITY),
    "init": Peek("the word that the next write with A0 = 1 is: icw2, icw3 or icw4; or ready", _ICW1),
    "aeoi": Peek("1: INTA leaves no ISR bit behind", _ICW4),
    "rotate": Peek("1: in AEOI mode the level that was taken becomes the lowest", _OCW2),
    "sfnm": Peek("1: special fully nested mode", _ICW4),
    "smm": Peek("1: special mask mode", _OCW3),
    "read": Peek("what a read with A0 = 0 gives, irr or isr", _OCW3),
    "poll": Peek("1: the next read is a poll", _POLL),
    "lines": Peek("levels of the inputs; the master's bit 2 is the slave's INT", _CASCADE),
    "level": Peek("the inputs that are level-triggered", _ELCR),
    "intr": Peek("level of INT", _SEQUENCE),
    "status": Peek("the byte that a read with A0 = 0 would give", _READ),
    "data": Peek("the byte that a read with A0 = 1 would give", _READ),
}

PEEKS = {
    **{f"pic.{name}.{key}": peek for name in ("master", "slave") for key, peek in _PEEKS.items()},
    "pic.elcr1": Peek("level-triggered lines of IRQ 0 to 7", _ELCR),
    "pic.elcr2": Peek("level-triggered lines of IRQ 8 to 15", _ELCR),
    "pic.highest": Peek("the IRQ that an INTA would find now, or none", _SEQUENCE),
    "pic.withdrawn": Peek("1 when INT fell with a line, so that an INTA on its way finds nothing", _SEQUENCE),
}
"""What each value means, by the name that `peek` gives it."""
