"""The MSRs around the time stamp counter as data, and what can be seen of a vCPU."""

from __future__ import annotations

from timerlab.regs import Field, Layout, Peek, Reg

_TSC = "Intel SDM 3B, Time-Stamp Counter"
_ADJUST = "Intel SDM 3B, IA32_TSC_ADJUST MSR"
_AUX = "Intel SDM 3B, IA32_TSC_AUX Register and RDTSCP Support"
_IF = "Intel SDM 1, EFLAGS Register"
_SCALING = "Intel SDM 3C, TSC Offsetting and Scaling; AMD APM 2, TSC Ratio MSR"
_TSD = "Intel SDM 2B, RDTSC; Intel SDM 3A, Control Registers"

REGS = (
    Reg(
        "tsc",
        "IA32_TIME_STAMP_COUNTER",
        "msr",
        0x10,
        64,
        "rw",
        (Layout("count", (Field("TSC", 63, 0, "rw", "reference clock cycles since reset, plus what was written"),)),),
        "counts at tsc_khz in every state; a write changes IA32_TSC_ADJUST by the same amount",
        _TSC,
        peek="vcpu{}.tsc",
    ),
    Reg(
        "tsc_adjust",
        "IA32_TSC_ADJUST",
        "msr",
        0x3B,
        64,
        "rw",
        (Layout("offset", (Field("ADJUST", 63, 0, "rw", "signed sum of all changes made to the TSC by writes"),)),),
        "a write moves the TSC by the difference to what was there",
        _ADJUST,
        peek="vcpu{}.adjust_bits",
    ),
    Reg(
        "tsc_aux",
        "IA32_TSC_AUX",
        "msr",
        0xC000_0103,
        64,
        "rw",
        (
            Layout(
                "value",
                (
                    Field("0", 63, 32, "rsvd", "reserved: a write with one of them set faults"),
                    Field(
                        "AUX", 31, 0, "rw", "what RDTSCP gives in ECX, and RDPID; systems put the CPU's number there"
                    ),
                ),
            ),
        ),
        "read together with the TSC by RDTSCP",
        _AUX,
        peek="vcpu{}.aux",
    ),
    Reg(
        "tsc_ratio",
        "TSC_RATIO",
        "msr",
        0xC000_0104,
        64,
        "rw",
        (
            Layout(
                "ratio",
                (
                    Field("0", 63, 40, "rsvd", "reserved: a write with one of them set faults"),
                    Field("INT", 39, 32, "rw", "whole part of the ratio"),
                    Field("FRAC", 31, 0, "rw", "fraction of the ratio, in units of 2^-32"),
                ),
            ),
        ),
        "what a guest that is a hypervisor multiplies its own guest's TSC by; with vendor=amd only",
        "AMD APM 2, TSC Ratio MSR",
        peek="vcpu{}.l2_ratio",
    ),
)

MSRS = frozenset(reg.address for reg in REGS)

_PEEKS = {
    "host": Peek("the TSC of the processor that the vCPU runs on: cycles since power-on", _TSC),
    "tsc": Peek("what RDTSC gives: L1's TSC, or L2's while L2 runs, modulo 2^64", _TSC),
    "l1tsc": Peek("what L1 reads: the host's count times the ratio, plus the offset, modulo 2^64", _SCALING),
    "offset": Peek("what is added to the host's count, signed", _SCALING),
    "ratio": Peek("what the host's count is multiplied by, with 48 fraction bits (VMX) or 32 (SVM)", _SCALING),
    "l2_ratio": Peek("MSR TSC_RATIO, by which a guest that is a hypervisor scales; 32 fraction bits", _SCALING),
    "cpl": Peek("the privilege level of the guest's code, 0 or 3", _TSD),
    "tsd": Peek("CR4.TSD: 1 lets RDTSC and RDTSCP fault above CPL 0", _TSD),
    "adjust": Peek("IA32_TSC_ADJUST, signed", _ADJUST),
    "adjust_bits": Peek("IA32_TSC_ADJUST, as its 64 bits", _ADJUST),
    "aux": Peek("IA32_TSC_AUX", _AUX),
    "if": Peek("RFLAGS.IF: 1 while the vCPU takes interrupts", _IF),
    "busy": Peek("the ns at which the running handler ends, under guest=latency; or none", "timerlab, guest models"),
    "serving": Peek("the vector in service that was taken last, or none", "timerlab, guest models"),
    "depth": Peek("how many interrupts are taken and not ended", "timerlab, guest models"),
    "taken": Peek("interrupts taken since power-on", "timerlab, guest models"),
    "spurious": Peek("of those, the ones that nobody asked for", "Intel 8259A; Intel SDM 3A, Spurious Interrupt"),
    "last": Peek("the vector taken last, or none", "timerlab, guest models"),
    "queued": Peek("a vector that waits since KVM_INTERRUPT, or none", "Linux Documentation/virt/kvm/api.rst"),
}


def peeks_of(index: int) -> dict[str, Peek]:
    """What each value of vCPU `index` means, by name."""
    return {f"vcpu{index}.{name}": peek for name, peek in _PEEKS.items()}
