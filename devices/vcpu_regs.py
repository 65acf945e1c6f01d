"""The MSRs around the time stamp counter as data, and what can be seen of a vCPU."""

from __future__ import annotations

from timerlab.regs import Field, Layout, Peek, Reg

_TSC = "Intel SDM 3B, Time-Stamp Counter"
_ADJUST = "Intel SDM 3B, IA32_TSC_ADJUST MSR"
_AUX = "Intel SDM 3B, IA32_TSC_AUX Register and RDTSCP Support"
_IF = "Intel SDM 1, EFLAGS Register"

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
)

MSRS = frozenset(reg.address for reg in REGS)

_PEEKS = {
    "host": Peek("the TSC of the processor that the vCPU runs on: cycles since power-on", _TSC),
    "tsc": Peek("what RDTSC gives: host count plus offset, modulo 2^64", _TSC),
    "offset": Peek("what is added to the host's count, signed", _TSC),
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
}


def peeks_of(index: int) -> dict[str, Peek]:
    """What each value of vCPU `index` means, by name."""
    return {f"vcpu{index}.{name}": peek for name, peek in _PEEKS.items()}
