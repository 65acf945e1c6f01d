"""Quirks and profiles: every way in which a machine may differ from the datasheets, named.

A quirk is a rule with a value (`odd_mode3=harris`); its first value is what the datasheet says, and the default. A
profile is a set of quirks and constants. Chips ask for a quirk by name; none of them knows a profile. F and L numbers
are rows of the list of QEMU 7.2's deviations as they were measured with its qtest device (`docs/qemu.md` names each
one with the quirk that reproduces it). The quirks stand in a file a family of chips.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from types import MappingProxyType

from timerlab.quirks import host, hpet, interrupts, kvm, nested, pit, policies, rtc, ticks, tsc
from timerlab.quirks.kinds import Quirk

__all__ = ["MAX_PIT_HZ", "PIT_HZ", "PROFILES", "QUIRKS", "Profile", "Quirk", "resolve"]

PIT_HZ = Fraction(105_000_000, 88)
"""The PIT's clock: the 14.318 18 MHz crystal (315/22 MHz), divided by 12, which is exactly 105/88 MHz."""

MAX_PIT_HZ = 100_000_000

PM_HZ = Fraction(315_000_000, 88)
"""The ACPI timer's clock: the same crystal divided by 4, which is exactly 315/88 MHz."""


@dataclass(frozen=True, slots=True)
class Profile:
    """A named machine: the quirks that differ from the datasheet, and its constants."""

    name: str
    about: str
    quirks: Mapping[str, str]
    pit_hz: Fraction = PIT_HZ
    pm_hz: Fraction = PM_HZ
    tsc_khz: Fraction = Fraction(2_600_000)
    apic_bus_hz: Fraction = Fraction(1_000_000_000)
    hpet_period_fs: int = 10_000_000
    hpet_timers: int = 3


FAMILIES = (pit, rtc, interrupts, hpet, tsc, host, policies, kvm, nested, ticks)

QUIRKS: Mapping[str, Quirk] = MappingProxyType({quirk.name: quirk for family in FAMILIES for quirk in family.QUIRKS})

PROFILES: Mapping[str, Profile] = MappingProxyType(
    {
        profile.name: profile
        for profile in (
            Profile("datasheet", "as the datasheets say, to the clock", MappingProxyType({})),
            Profile(
                "qemu",
                "QEMU 7.2 with its own models of the chips (TCG, not KVM's): deviations F1 to F47, L1 to L6, L8, L9",
                MappingProxyType(pit.QEMU | rtc.QEMU | interrupts.QEMU | hpet.QEMU),
                pit_hz=Fraction(1_193_182),
                pm_hz=Fraction(3_579_545),
            ),
            Profile(
                "kvm",
                "a guest of Linux KVM: its time-keeping policy, its paravirtual MSRs, its local APIC and PIT clock",
                MappingProxyType({"policy": "kvm", "host_boot": "earlier"} | interrupts.KVM | pit.KVM),
                pit_hz=Fraction(1_193_182),
                pm_hz=Fraction(3_579_545),
            ),
            Profile(
                "palacios",
                "a guest of Palacios: guest time is counted at exits and entries",
                MappingProxyType({"policy": "palacios", "host_boot": "earlier", "tsc_adjust": "no"}),
            ),
            Profile(
                "nvmm",
                "a guest of NetBSD's NVMM: the TSC goes on where it was, without RDTSCP",
                MappingProxyType({"policy": "nvmm", "host_boot": "earlier", "rdtscp": "no", "tsc_adjust": "no"}),
            ),
            Profile(
                "ich",
                "an Intel ICH7's HPET: 14.318 18 MHz, T0 alone periodic and 64 bits wide, routes 20 to 23",
                MappingProxyType({"hpet_caps": "ich"}),
                hpet_period_fs=69_841_279,
            ),
        )
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
    if chosen["legacy"] == "absent":
        chosen["pit_power_on"] = "unprogrammed"
    if chosen["host_x2apic"] == "no" and chosen["policy"] == "bare":
        chosen["lapic_x2apic"] = "no"
    return chosen
