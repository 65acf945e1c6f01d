"""What can be seen of a nested guest, by name."""

from __future__ import annotations

from timerlab.devices.nested_state import SVM_CONTROLS, SVM_INSTRUCTIONS, VMX_CONTROLS
from timerlab.regs import Peek

_X86 = "Linux arch/x86/kvm/x86.c, kvm_calc_nested_tsc_offset and kvm_calc_nested_tsc_multiplier"
_WRITE = "Linux arch/x86/kvm/x86.c, kvm_vcpu_write_tsc_offset"
_FIELDS = "Intel SDM 3C, TSC offset and TSC multiplier (25.6.5); AMD APM 2, VMCB Layout, TSC_OFFSET"
_TIMER = "Intel SDM 3C, VMX-Preemption Timer (26.5.1); Linux vmx/nested.c, vmx_start_preemption_timer"
_MAPS = "Intel SDM 3C, MSR-Bitmap Address (25.6.9); AMD APM 2, MSR Intercepts (15.11)"
_MAIL = "kvm list mail of 2010-09-30 on the TSC of nested guests"

_PEEKS = {
    "guest_mode": Peek("1 while L2 is what runs on the vCPU, 0 while L1 is", "Linux, is_guest_mode"),
    "entries": Peek("VM entries into L2 since power-on", "timerlab, nested guests"),
    "exits": Peek("exits from L2 to L1 since power-on", "timerlab, nested guests"),
    "last_exit": Peek("the last exit to L1 in words, or none", "timerlab, nested guests"),
    "o01": Peek("L1's offset, signed; kept while L2 runs", _WRITE),
    "m01": Peek("L1's ratio; kept while L2 runs", _X86),
    "o12": Peek("L2's offset as the last VM entry took it, signed; none before the first", _X86),
    "m12": Peek("L2's ratio as the last VM entry took it, or as L2 wrote it since", _X86),
    "o02": Peek("the offset that the hardware holds while L2 runs, signed; or none", _X86),
    "m02": Peek("the ratio that the hardware holds while L2 runs, or none", _X86),
    "delta": Peek("o02 - o01, signed, while L2 runs: without a ratio it is o12, whatever happens to o01", _MAIL),
    "moved": Peek("by how much o01 changed last while L2 ran, signed", _WRITE),
    "next_o12": Peek("the offset that a VM entry now would take for L2, signed", _FIELDS),
    "next_m12": Peek("the ratio that a VM entry now would take for L2", _FIELDS),
    "next_o02": Peek("the offset that a VM entry now would load, signed", _X86),
    "next_m02": Peek("the ratio that a VM entry now would load", _X86),
    "tsc2": Peek("L2's TSC, from the hardware's ratio and offset, while L2 runs; or none", _X86),
    "two_step": Peek("L2's TSC made of L1's, while L2 runs: L1's times m12, plus o12; or none", _FIELDS),
    "field_offset": Peek("TSC offset in vmcs12 or vmcb12, signed", _FIELDS),
    "field_ratio": Peek("TSC multiplier in vmcs12; on AMD the MSR TSC_RATIO", _FIELDS),
    "kept_in": Peek("where L1's offset is kept", _MAIL),
    "rdmsr_exits": Peek("MSRs whose RDMSR in L2 exits to L1 by the map, or none", _MAPS),
    "wrmsr_exits": Peek("MSRs whose WRMSR in L2 exits to L1 by the map, or none", _MAPS),
    "preemption": Peek("the VMX-preemption timer's value in vmcs12; none if it is not activated", _TIMER),
    "due": Peek("the ns at which it expires and L2 exits, or none", _TIMER),
}


def controls_of(svm: bool) -> dict[str, str]:
    """The controls and intercepts that are on or off, with what they do."""
    if svm:
        return SVM_CONTROLS | {name: f"{name.upper()} in L2 exits to L1" for name in SVM_INSTRUCTIONS}
    return VMX_CONTROLS


def peeks_of(index: int, svm: bool) -> dict[str, Peek]:
    """What each value of vCPU `index` means, by name."""
    source = "AMD APM 2, VMCB Layout (appendix B)" if svm else "Intel SDM 3C, VM-Execution Control Fields (25.6)"
    all_of_them = _PEEKS | {name: Peek(about, source) for name, about in controls_of(svm).items()}
    return {f"nest{index}.{name}": peek for name, peek in all_of_them.items()}
