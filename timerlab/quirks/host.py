"""The quirks of the host under the guest, where there is one."""

from __future__ import annotations

from timerlab.quirks.kinds import quirk

QUIRKS = (
    quirk(
        "host_boot",
        "when the host was started",
        "Intel SDM 3B, Time-Stamp Counter: it counts from the processor's reset",
        with_guest="together with the guest: its TSC is 0 at the guest's power-on",
        earlier="10 000 s before the guest's power-on: the guest's TSC starts at 0 by a negative offset",
    ),
    quirk(
        "legacy",
        "PIT and RTC",
        "IA-PC HPET Specification 1.0a, Introduction: it is to replace them; ACPI 6.4, FADT, IA-PC Boot Architecture",
        present="are there, at ports 40h to 43h and 70h to 73h",
        absent="are not: their ports float, and what never was programmed asks for nothing; ticks come from the HPET",
    ),
    quirk(
        "host_x2apic",
        "whether the processor itself has x2APIC mode",
        "Intel SDM 3A, Extended XAPIC (x2APIC); Linux Documentation/virt/kvm/api.rst, KVM_GET_SUPPORTED_CPUID",
        yes="it has",
        no="it has not: nor has a guest with policy=bare; a hypervisor models it all the same, where lapic_x2apic=yes",
    ),
)

EARLIER_S = 10_000
