"""What is kept of a nested guest: what L1 wrote into vmcs12 or vmcb12, what L0 took out of it at VM entry, and what an
exit to L1 carries.

Sources: Intel SDM 3C, VM-Execution Control Fields (25.6), VM exits (appendix C); AMD APM 2, 15.9 to 15.11, appendix C;
Linux 6.1 arch/x86/kvm/vmx/nested.c and svm/nested.c.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from timerlab.scaling import VMX_FRAC
from timerlab.text import hexa

VMX_CONTROLS = {
    "use_tsc_offsetting": "the offset of vmcs12 counts; else it is taken as 0",
    "use_tsc_scaling": "the multiplier of vmcs12 counts, where offsetting does; else it is taken as 1",
    "rdtsc_exiting": "RDTSC and RDTSCP in L2 exit to L1",
    "enable_rdtscp": "L2 has RDTSCP; else it is #UD there",
    "use_msr_bitmaps": "the MSR bitmap of vmcs12 says which RDMSR and WRMSR exit to L1; else all do",
}
"""The controls of vmcs12 that are about time, by name."""
SVM_CONTROLS = {"msr_prot": "the MSR permissions map of vmcb12 says which RDMSR and WRMSR exit to L1; else none does"}
"""The same of vmcb12; RDTSC and RDTSCP have intercepts of their own."""
SVM_INSTRUCTIONS = ("rdtsc", "rdtscp")
"""Instructions with an intercept bit in vmcb12."""

IA32_TSC, TSC_RATIO = 0x10, 0xC000_0104
RATIO_SHIFT = 5
"""How many bits of L1's TSC one count of the VMX-preemption timer is, in KVM's IA32_VMX_MISC."""
INVALID_CONTROL = 7
"""VM-instruction error: VM entry with invalid control fields (SDM 3C, VM Instruction Error Numbers)."""

_EXITS = {
    "RDTSC": (16, 0x6E),
    "RDTSCP": (51, 0x87),
    "RDMSR": (31, 0x7C),
    "WRMSR": (32, 0x7C),
    "VMCALL": (18, 0x81),
    "VMX-preemption timer": (52, 0),
}
"""Basic exit reason of VMX, exit code of SVM."""
_MAPPED = (range(0x2000), range(0xC000_0000, 0xC000_2000))
"""MSRs that have a bit in VMX's MSR bitmap; SVM's map has those and the following."""
_MAPPED_SVM = (*_MAPPED, range(0xC001_0000, 0xC001_2000))


@dataclass(frozen=True, slots=True)
class ExitToL1:
    """An exit of L2 that L1 handles: L0 gives no value, whatever L2 then finds in its registers is L1's doing.

    `name` is the instruction or event, `number` VMX's basic exit reason or SVM's exit code. For an MSR access there
    is the `msr`, and what WRMSR was to write as `value`.
    """

    vcpu: int
    name: str
    number: int
    svm: bool
    msr: int | None = None
    value: int | None = None

    def text(self) -> str:
        """In words: `exit to L1: RDMSR 10h, reason 31`."""
        what = self.name if self.msr is None else f"{self.name} {self.msr:X}h"
        if self.value is not None:
            what += f" of {hexa(self.value, 16)}"
        code = f"#VMEXIT {hexa(self.number, 2)}" if self.svm else f"reason {self.number}"
        return f"exit to L1: {what}, {code}"


def exit_of(vcpu: int, name: str, svm: bool, msr: int | None = None, value: int | None = None) -> ExitToL1:
    """The exit of an instruction or event, with its number."""
    if svm and name == "VMCALL":
        return ExitToL1(vcpu, "VMMCALL", _EXITS[name][1], svm)
    return ExitToL1(vcpu, name, _EXITS[name][svm], svm, msr, value)


@dataclass(frozen=True, slots=True)
class VmFail:
    """A VM entry that failed; L1 goes on, as if L2 had never run. `number` is the VM-instruction error, `by` who found
    it: `L0` in its check of vmcs12, or the `processor` in L0's own VM entry with vmcs02.
    """

    number: int
    why: str
    by: str = "L0"

    def text(self) -> str:
        """In words: `VMfailValid, error 7: ...`."""
        return f"VMfailValid, error {self.number}: {self.why}, found by {'L0' if self.by == 'L0' else 'the processor'}"


@dataclass(slots=True)
class Guest:
    """One vCPU's nested guest. Up to `preemption` it is what L1 wrote into vmcs12 or vmcb12 and may change whenever it
    likes; what follows is L0's own.
    """

    offset: int = 0
    """tsc_offset, 64 bits."""
    ratio: int = 1 << VMX_FRAC
    """The TSC multiplier of vmcs12. SVM has an MSR for it, which the vCPU keeps."""
    use_tsc_offsetting: bool = True
    use_tsc_scaling: bool = False
    rdtsc_exiting: bool = False
    enable_rdtscp: bool = True
    use_msr_bitmaps: bool = True
    msr_prot: bool = True
    rdtsc: bool = False
    """SVM's intercept bits."""
    rdtscp: bool = False
    reads: tuple[int, ...] = ()
    """MSRs whose RDMSR bit is set in the MSR bitmap or permissions map, in ascending order."""
    writes: tuple[int, ...] = ()
    preemption: int | None = None
    """The VMX-preemption timer's value, 32 bits; None: not activated."""

    guest_mode: bool = False
    """L2 runs, or would if L0 let the vCPU run."""
    o12: int | None = None
    """L2's offset as the last VM entry took it, 64 bits; None before the first."""
    m12: int | None = None
    o01: int = 0
    """L1's offset and ratio, as the hardware's for L2 were made of them."""
    m01: int = 0
    due: int | None = None
    """The ns at which the VMX-preemption timer expires, while L2 runs."""
    entries: int = 0
    exits: int = 0
    moved: int = 0
    """By how much L1's offset changed last while L2 ran, modulo 2^64."""
    last_exit: str = ""

    def plain(self) -> tuple[Any, ...]:
        """All of it as plain data."""
        return tuple(getattr(self, name) for name in self.__slots__)

    def intercepts(self, msr: int, write: bool, svm: bool) -> bool:
        """Whether L1 wants to handle L2's access to an MSR. One that the map has no bit for always exits where there
        is a map (SDM 3C, 25.1.3; APM 2, 15.11).
        """
        if not (self.msr_prot if svm else self.use_msr_bitmaps):
            return not svm
        if not any(msr in part for part in (_MAPPED_SVM if svm else _MAPPED)):
            return True
        return msr in (self.writes if write else self.reads)
