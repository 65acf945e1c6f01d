"""The processor's and its time stamp counter's quirks: what the TSC does in power states, who may write it, and which
of its features CPUID tells.
"""

from __future__ import annotations

from timerlab.quirks.kinds import Quirk, quirk

_TSC = "Intel SDM 3B, Time-Stamp Counter"
_INVARIANT = "Intel SDM 3B, Invariant TSC; AMD APM 3, CPUID Fn8000_0007"
_LINUX = "Linux, X86_FEATURE_CONSTANT_TSC, X86_FEATURE_NONSTOP_TSC"

QUIRKS: tuple[Quirk, ...] = (
    quirk(
        "vendor",
        "who made the processor, and how it scales a guest's TSC",
        "Intel SDM 3C, TSC Offsetting and Scaling; AMD APM 2, TSC Ratio MSR; CPUID leaf 0",
        intel="VMX: a multiplier with 48 fraction bits; bits 63:32 of TSC_AUX are reserved, a write faults",
        amd="SVM: a ratio with 32 fraction bits; bits 63:32 of TSC_AUX are ignored and read 0",
    ),
    quirk(
        "constant_tsc",
        "P-states, T-states and the TSC",
        f"{_TSC}; {_LINUX}",
        yes="the TSC counts at one rate in every P-state and T-state",
        no="it follows the core clock, and stands in the off part of a throttled clock",
    ),
    quirk(
        "nonstop_tsc",
        "C-states and the TSC",
        f"{_INVARIANT}; {_LINUX}",
        yes="the TSC counts on in C1E and C3",
        no="it stands still there",
    ),
    quirk(
        "invariant_tsc",
        "whether CPUID tells that the TSC is invariant",
        _INVARIANT,
        shown="80000007h EDX bit 8 is set where the TSC is constant and nonstop",
        hidden="the bit is 0, as hypervisors leave it where a guest may be moved",
    ),
    quirk(
        "tsc_write",
        "WRMSR to IA32_TSC on the processor itself",
        f"{_TSC}, which has older families write 32 bits only; AMD APM 2, Time-Stamp Counter",
        full="sets all 64 bits",
        low32="sets the low 32 bits and clears the others, as before family 0Fh model 3 and family 6 model 0Eh",
        ignored="does nothing",
        fault="is a general protection fault",
    ),
    quirk(
        "tsc_adjust",
        "the MSR IA32_TSC_ADJUST",
        "Intel SDM 3B, IA32_TSC_ADJUST MSR; CPUID 7 EBX bit 1",
        yes="exists: TSC and TSC_ADJUST move together",
        no="CPUID does not tell of it; the processor faults, KVM stores what is written and moves nothing",
    ),
    quirk(
        "tsc",
        "the TSC",
        "Intel SDM 2A, CPUID leaf 1 EDX bit 4",
        yes="exists",
        no="does not: RDTSC is an invalid opcode, MSR 10h faults",
    ),
    quirk(
        "rdtscp",
        "RDTSCP",
        "Intel SDM 2B, RDTSCP; CPUID 80000001h EDX bit 27",
        yes="exists",
        no="is an invalid opcode; TSC_AUX exists only where RDPID does",
    ),
    quirk(
        "rdpid",
        "RDPID",
        "Intel SDM 2B, RDPID; CPUID 7 ECX bit 22",
        yes="exists",
        no="is an invalid opcode; TSC_AUX exists only where RDTSCP does",
    ),
    quirk(
        "tsc_ratio_msr",
        "the MSR TSC_RATIO, with vendor=amd",
        "AMD APM 2, TSC Ratio MSR; CPUID 8000000Ah EDX bit 4",
        yes="exists: a guest that is a hypervisor scales its own guest's TSC",
        no="does not: an access faults",
    ),
    quirk(
        "turion_halt",
        "how fast a halted processor's TSC runs, with constant_tsc=no",
        "Linux, Timekeeping Virtualization for X86-Based Architectures, TSC and C-states",
        same="as before",
        full="at full rate, whatever the P-state: it runs ahead of one that works",
    ),
    quirk(
        "sockets",
        "how the host's processors share clocks",
        f"{_TSC}; Linux, unsynchronized_tsc",
        one="all are in one package and count on one crystal",
        two="two packages, each with its own",
        four="four packages",
        each="each processor is a package of its own",
    ),
)
