"""The 8254's and port 61h's quirks, and which of them QEMU 7.2 has."""

from __future__ import annotations

from timerlab.quirks.kinds import quirk

QUIRKS = (
    quirk(
        "pit_count",
        "how the 8254 counts",
        "Intel 8254, Mode Definitions; docs/qemu.md, F1, F3 to F12, F14",
        clocked="on the clock's own grid, with CR, CE and a load pulse, as the datasheet draws it",
        elapsed="by the time since the last load, with no grid, no gate for modes 0, 2, 3 and 4, no BCD "
        "and QEMU's OUT (F1, F3 to F12, F14)",
    ),
    quirk(
        "odd_mode3",
        "what mode 3 loads for an odd count, where pit_count=clocked",
        "Intel 8254, Mode 3; Harris 82C54, Mode 3",
        intel="N-1, so that only even values are read (8254)",
        harris="N, so that the first read of each half is odd (8253, Harris 82C54)",
    ),
    quirk(
        "pit_null",
        "bit 6 of the status byte",
        "Intel 8254, Status Byte; docs/qemu.md, F2",
        tracked="NULL COUNT is 1 until the count written last is in CE",
        always_0="NULL COUNT is never set (F2)",
    ),
    quirk(
        "pit_mode67",
        "mode fields 110 and 111",
        "Intel 8254, Control Word Format; docs/qemu.md, F13",
        alias="are modes 2 and 3, as the datasheet's X10 and X11 say",
        own="are modes of their own: one edge at terminal count, no period; needs pit_count=elapsed (F13)",
    ),
    quirk(
        "pit_irq0",
        "what drives IRQ 0",
        "IBM PC AT Technical Reference, System Timers; docs/qemu.md, IRQ 0 is not OUT 0",
        out="OUT of channel 0",
        timer="a host timer set to the rounded-down time of OUT's next change, so that in mode 2 IRQ 0 falls "
        "and rises a clock away from OUT; needs pit_count=elapsed (F14)",
    ),
    quirk(
        "pit_reprogram",
        "what a control word does to latched values",
        "Intel 8254, Counter Latch Command; docs/qemu.md",
        clear="drops a latched count and a latched status",
        keep="leaves them to be read",
    ),
    quirk(
        "pit_half_read",
        "a count latch after one byte of an unlatched word was read",
        "Intel 8254, Read Operations, which leaves it open; docs/qemu.md",
        ignored="is ignored, and the next read gives the other byte",
        taken="is taken, and the next two reads give the latched count",
    ),
    quirk(
        "pit_43h",
        "a read of port 43h",
        "Intel 8254, Read/Write Logic; docs/qemu.md",
        floats="finds the bus undriven: FFh",
        zero="gives 00h",
    ),
    quirk(
        "pit_power_on",
        "the 8254 before its first control word",
        "Intel 8254, Programming the 8254, which leaves it open; docs/qemu.md, F15",
        unprogrammed="does not count; OUT 0, status 40h",
        mode3="counts in mode 3 with N = 65536 from time 0 (F15)",
    ),
    quirk(
        "refresh",
        "bit 4 of port 61h",
        "Intel PIIX4 82371AB, NMISC; docs/qemu.md, F17; Linux arch/x86/kvm/i8254.c",
        clock="toggles each 18 PIT clocks, 15.086 µs",
        read_toggle="toggles at each read of the port (F17)",
        kvm_16us="is bit 14 of the time in ns: 16.384 µs, as KVM has it",
        out1="toggles at each rising edge of OUT 1",
    ),
    quirk(
        "port61_enables",
        "bits 2 and 3 of port 61h",
        "Intel PIIX4 82371AB, NMISC; docs/qemu.md, F16",
        stored="are kept: parity and channel-check disable",
        ignored="are not stored and read 0 (F16)",
    ),
)

QEMU = {
    "pit_count": "elapsed",
    "pit_null": "always_0",
    "pit_mode67": "own",
    "pit_irq0": "timer",
    "pit_reprogram": "keep",
    "pit_half_read": "taken",
    "pit_43h": "zero",
    "pit_power_on": "mode3",
    "refresh": "read_toggle",
    "port61_enables": "ignored",
}

KVM: dict[str, str] = {"refresh": "kvm_16us"}
