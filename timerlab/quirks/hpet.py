"""The HPET's and the ACPI timer's quirks, and which of them QEMU 7.2 has."""

from __future__ import annotations

from timerlab.quirks.kinds import quirk

_HPET = "IA-PC HPET Specification 1.0a"
_TIMER = f"{_HPET}, Timer N Configuration and Capabilities"

QUIRKS = (
    quirk(
        "hpet_caps",
        "what the HPET's timers can do",
        f"{_HPET}, Timer N Configuration and Capabilities; Intel ICH7 datasheet, High Precision Event Timers",
        all="every timer is periodic and 64 bits wide, route 2 alone, no FSB interrupts, as in QEMU",
        fsb="the same, with FSB interrupts",
        ich="T0 alone is periodic and 64 bits wide, the others are 32-bit one-shots; routes 20 to 23",
    ),
    quirk(
        "hpet_legacy",
        "legacy replacement, LEG_RT_CAP",
        f"{_HPET}, General Capabilities and ID Register",
        present="T0 and T1 can take the place of the PIT and the RTC",
        absent="LEG_RT_CNF is read-only 0",
    ),
    quirk(
        "hpet_match",
        "when an HPET timer fires",
        f"{_HPET}, Main Counter and Comparators; docs/qemu.md, F41, F42",
        equal="each time the counter takes the comparator's value, and so every 2^32 or 2^64 ticks at least",
        deadline="when a host timer set at the write is due: a comparator in the past fires after one tick (F41), a "
        "periodic timer fires at each match and one tick after it (F42), a 32-bit one-shot also a tick before the wrap",
    ),
    quirk(
        "hpet_status",
        "an HPET status bit and INT_ENB",
        f"{_HPET}, General Interrupt Status Register; docs/qemu.md, F46",
        kept="a match sets it with INT_ENB = 0 too; INT_ENB and ENABLE gate only the line",
        gated="is set with INT_ENB = 1 only, and cleared with INT_ENB or ENABLE",
    ),
    quirk(
        "valset",
        "what the comparator write after VAL_SET sets",
        f"{_TIMER}, which leaves it open; AMD-8111 data sheet; Intel ICH7 datasheet, Periodic Mode",
        both="comparator and period",
        accumulator="the comparator alone",
    ),
    quirk(
        "hpet_config",
        "bits of an HPET timer's configuration that it cannot do",
        f"{_TIMER}; docs/qemu.md, F37 to F39",
        checked="read 0: FSB_EN and FSB without the capability, VAL_SET; a route that it has not is refused",
        stored="are kept and read back: VAL_SET until the comparator is written, FSB_EN, any route (F37 to F39)",
    ),
    quirk(
        "hpet_64bit",
        "a 64-bit write to an HPET timer",
        f"{_HPET}, Register Access; docs/qemu.md, F36",
        atomic="is one write",
        split="is two, low half first, and VAL_SET is gone after the first (F36)",
    ),
    quirk(
        "hpet_beyond",
        "the HPET timer after the last",
        f"{_HPET}, Memory Map; docs/qemu.md, F40",
        absent="does not exist: reads 0",
        one_more="is there, without capabilities and without a wire (F40)",
    ),
    quirk(
        "hpet_write_running",
        "a write of the HPET's counter while it runs",
        f"{_HPET}, Main Counter Register, which leaves it open; docs/qemu.md, F45",
        ignored="is ignored",
        taken="sets it",
    ),
    quirk(
        "pm_bits",
        "how wide the ACPI timer is",
        "ACPI Specification, Power Management Timer",
        bits24="24 bits: TMR_STS is set every 2.343 s",
        bits32="32 bits: TMR_STS is set every 599.9 s",
    ),
)

QEMU: dict[str, str] = {
    "hpet_match": "deadline",
    "hpet_status": "gated",
    "hpet_config": "stored",
    "hpet_64bit": "split",
    "hpet_beyond": "one_more",
}
