"""Quirks and profiles: every way in which a machine may differ from the datasheets, named.

A quirk is a rule with a value (`odd_mode3=harris`); its first value is what the datasheet says, and the default. A
profile is a set of quirks and constants. Chips ask for a quirk by name; none of them knows a profile. F numbers are
rows of the list of QEMU 7.2's deviations as they were measured with its qtest device (`docs/qemu.md` names each one
with the quirk that reproduces it).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from types import MappingProxyType

PIT_HZ = Fraction(105_000_000, 88)
"""The PIT's clock: the 14.318 18 MHz crystal (315/22 MHz), divided by 12, which is exactly 105/88 MHz."""

MAX_PIT_HZ = 100_000_000


@dataclass(frozen=True, slots=True)
class Quirk:
    """A named rule: its values with a sentence each, the datasheet's first, and where that stands."""

    name: str
    values: Mapping[str, str]
    about: str
    source: str

    @property
    def default(self) -> str:
        """The datasheet's value."""
        return next(iter(self.values))


@dataclass(frozen=True, slots=True)
class Profile:
    """A named machine: the quirks that differ from the datasheet, and its constants."""

    name: str
    about: str
    quirks: Mapping[str, str]
    pit_hz: Fraction


def _quirk(name: str, about: str, source: str, **values: str) -> Quirk:
    return Quirk(name, MappingProxyType(values), about, source)


QUIRKS: Mapping[str, Quirk] = MappingProxyType(
    {
        quirk.name: quirk
        for quirk in (
            _quirk(
                "pit_count",
                "how the 8254 counts",
                "Intel 8254, Mode Definitions; docs/qemu.md, F1, F3 to F12, F14",
                clocked="on the clock's own grid, with CR, CE and a load pulse, as the datasheet draws it",
                elapsed="by the time since the last load, with no grid, no gate for modes 0, 2, 3 and 4, no BCD "
                "and QEMU's OUT (F1, F3 to F12, F14)",
            ),
            _quirk(
                "odd_mode3",
                "what mode 3 loads for an odd count, where pit_count=clocked",
                "Intel 8254, Mode 3; Harris 82C54, Mode 3",
                intel="N-1, so that only even values are read (8254)",
                harris="N, so that the first read of each half is odd (8253, Harris 82C54)",
            ),
            _quirk(
                "pit_null",
                "bit 6 of the status byte",
                "Intel 8254, Status Byte; docs/qemu.md, F2",
                tracked="NULL COUNT is 1 until the count written last is in CE",
                always_0="NULL COUNT is never set (F2)",
            ),
            _quirk(
                "pit_mode67",
                "mode fields 110 and 111",
                "Intel 8254, Control Word Format; docs/qemu.md, F13",
                alias="are modes 2 and 3, as the datasheet's X10 and X11 say",
                own="are modes of their own: one edge at terminal count, no period; needs pit_count=elapsed (F13)",
            ),
            _quirk(
                "pit_irq0",
                "what drives IRQ 0",
                "IBM PC AT Technical Reference, System Timers; docs/qemu.md, IRQ 0 is not OUT 0",
                out="OUT of channel 0",
                timer="a host timer set to the rounded-down time of OUT's next change, so that in mode 2 IRQ 0 falls "
                "and rises a clock away from OUT; needs pit_count=elapsed (F14)",
            ),
            _quirk(
                "pit_reprogram",
                "what a control word does to latched values",
                "Intel 8254, Counter Latch Command; docs/qemu.md",
                clear="drops a latched count and a latched status",
                keep="leaves them to be read",
            ),
            _quirk(
                "pit_half_read",
                "a count latch after one byte of an unlatched word was read",
                "Intel 8254, Read Operations, which leaves it open; docs/qemu.md",
                ignored="is ignored, and the next read gives the other byte",
                taken="is taken, and the next two reads give the latched count",
            ),
            _quirk(
                "pit_43h",
                "a read of port 43h",
                "Intel 8254, Read/Write Logic; docs/qemu.md",
                floats="finds the bus undriven: FFh",
                zero="gives 00h",
            ),
            _quirk(
                "pit_power_on",
                "the 8254 before its first control word",
                "Intel 8254, Programming the 8254, which leaves it open; docs/qemu.md, F15",
                unprogrammed="does not count; OUT 0, status 40h",
                mode3="counts in mode 3 with N = 65536 from time 0 (F15)",
            ),
            _quirk(
                "refresh",
                "bit 4 of port 61h",
                "Intel PIIX4 82371AB, NMISC; docs/qemu.md, F17; Linux arch/x86/kvm/i8254.c",
                clock="toggles each 18 PIT clocks, 15.086 us",
                read_toggle="toggles at each read of the port (F17)",
                kvm_16us="is bit 14 of the time in ns: 16.384 us, as KVM has it",
                out1="toggles at each rising edge of OUT 1",
            ),
            _quirk(
                "port61_enables",
                "bits 2 and 3 of port 61h",
                "Intel PIIX4 82371AB, NMISC; docs/qemu.md, F16",
                stored="are kept: parity and channel-check disable",
                ignored="are not stored and read 0 (F16)",
            ),
        )
    }
)

PROFILES: Mapping[str, Profile] = MappingProxyType(
    {
        "datasheet": Profile("datasheet", "as the datasheets say, to the clock", MappingProxyType({}), PIT_HZ),
        "qemu": Profile(
            "qemu",
            "QEMU 7.2 with its own i8254 and pcspk (not KVM's): deviations F1 to F17",
            MappingProxyType(
                {
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
            ),
            Fraction(1_193_182),
        ),
    }
)


def resolve(profile: str, quirks: Mapping[str, str] | None = None) -> dict[str, str]:
    """Every quirk's value under `profile` with `quirks` on top; ValueError names what is unknown and what there is."""
    if profile not in PROFILES:
        raise ValueError(f"no profile {profile!r}: {', '.join(PROFILES)}")
    chosen = {name: quirk.default for name, quirk in QUIRKS.items()} | dict(PROFILES[profile].quirks)
    for name, value in (quirks or {}).items():
        if name not in QUIRKS:
            raise ValueError(f"no quirk {name!r}: {', '.join(QUIRKS)}")
        if value not in QUIRKS[name].values:
            raise ValueError(f"{name} cannot be {value!r}: {', '.join(QUIRKS[name].values)}")
        chosen[name] = value
    for name, value in (("pit_irq0", "timer"), ("pit_mode67", "own")):
        if chosen[name] == value and chosen["pit_count"] == "clocked":
            raise ValueError(f"{name}={value} needs pit_count=elapsed")
    return chosen
