"""Quirks of guests in guests: whether L1 may run any, and how L0 makes L2's TSC."""

from __future__ import annotations

from timerlab.quirks.kinds import quirk

_X86 = "Linux arch/x86/kvm/x86.c"

QUIRKS = (
    quirk(
        "nested",
        "whether L1 can run a guest of its own",
        "Linux, parameter nested of kvm_intel and kvm_amd, on by default",
        on="yes: VMLAUNCH, VMRESUME and VMRUN work",
        off="no: they are #UD",
    ),
    quirk(
        "l2_rdmsr",
        "RDMSR of IA32_TSC in L2, where L1 does not intercept it",
        f"{_X86}, kvm_get_msr_common; kvm list mail of 2010-09-30 on svm_get_msr",
        l2="gives L2's TSC, as RDTSC there does",
        kvm_2010="gives L1's TSC, as KVM did in 2010: such reads were thought to be L1's alone; on AMD, L1's offset is "
        "in nested.hsave while L2 runs",
    ),
    quirk(
        "nested_rounding",
        "a negative offset of L1, scaled for L2",
        f"{_X86}, mul_s64_u64_shr in kvm_calc_nested_tsc_offset",
        truncate="is rounded towards zero: its magnitude is scaled, as in KVM",
        floor="is rounded down, as an arithmetic shift does",
    ),
    quirk(
        "vmcs12_zero_multiplier",
        "VM entry with use TSC scaling and a TSC multiplier of 0",
        "Intel SDM 3C, Checks on VMX Controls (27.2.1.1); Linux vmx/nested.c, nested_check_vm_execution_controls, 2025",
        checked="fails in L0's check of vmcs12: VMfailValid, error 7",
        unchecked="is tried, as in KVM before 2025: the processor refuses L0's own VM entry with vmcs02",
    ),
)
