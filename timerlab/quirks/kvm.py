"""The quirks of KVM's time-keeping and of its paravirtual MSRs."""

from __future__ import annotations

from timerlab.quirks.kinds import Quirk, quirk

_X86 = "Linux arch/x86/kvm/x86.c"
_MSR = "Linux Documentation/virt/kvm/x86/msr.rst"
_CPUID = "Linux Documentation/virt/kvm/x86/cpuid.rst"

QUIRKS: tuple[Quirk, ...] = (
    quirk(
        "kvm_enforce_pv",
        "a paravirtual MSR whose CPUID bit the guest does not have",
        f"{_MSR}; {_X86}, guest_pv_has; KVM_CAP_ENFORCE_PV_FEATURE_CPUID",
        on="#GP",
        off="works all the same, as in KVM unless userspace asks for enforcement",
    ),
    quirk(
        "kvm_features",
        "what CPUID 40000001h offers",
        f"{_CPUID}; Linux arch/x86/kvm/cpuid.c",
        all="01007EFBh, what KVM itself offers",
        no_schedstats="01007EDBh: the host keeps no scheduler statistics, so there is no steal time",
        no_stable="00007EFBh: not bit 24, so that a guest does not trust flag 0 of its page",
        old="00000003h: the old MSRs 11h and 12h alone",
        migration="01027EFBh: userspace handles MIGRATION_CONTROL",
        none="0: the signature, and nothing else",
    ),
    quirk(
        "kvm_cpuid_khz",
        "CPUID leaf 40000010h, which userspace may add",
        "QEMU, CPU property vmware-cpuid-freq",
        absent="is not there",
        present="TSC kHz and APIC bus kHz",
    ),
    quirk(
        "kvm_irqchip",
        "where the interrupt controllers of a guest are, with policy=kvm",
        "Linux Documentation/virt/kvm/api.rst, KVM_CREATE_IRQCHIP, KVM_INTERRUPT; KVM_CAP_SPLIT_IRQCHIP",
        kernel="in KVM, all of them: KVM_INTERRUPT gives ENXIO",
        split="local APICs in KVM, the others in userspace: KVM_INTERRUPT hands over what the 8259s ask for",
        user="in userspace, all of them: KVM_INTERRUPT queues each vector for the vCPU",
    ),
    quirk(
        "kvm_user_set",
        "userspace's first write to the TSC",
        f"{_X86}, kvm_synchronize_tsc; Linux 6.7 added user_set_tsc",
        v6_7="sets it: only a write after another one of userspace is held against the second in which it would match",
        before="is held against the writes of 0 with which the vCPUs were made, and may be taken for one of those",
    ),
    quirk(
        "kvm_update",
        "when a write to the TSC by userspace takes the master clock's pair anew",
        f"{_X86}, kvm_track_tsc_matching, 6.1 and 6.12",
        v6_12="when the master clock must go on or off, or a new generation begins while it is on",
        v6_1="always while it is on, and when it could go on",
    ),
    quirk(
        "kvmclock_sync",
        "module parameter kvmclock_periodic_sync",
        f"{_X86}, kvmclock_sync_fn",
        every_300s="every page is refreshed every 300 s",
        off="no refresh without a reason",
    ),
    quirk(
        "tsc_scaling",
        "the host's TSC scaling hardware",
        "Intel SDM 3C, Time-Stamp Counter Offsetting and Scaling; AMD APM 2, TSC Ratio MSR",
        yes="is there",
        no="is not there: a faster guest is raised by catch-up, a slower one is refused",
    ),
    quirk(
        "kvm_apf",
        "how a guest is told that a page is there which it was told is missing",
        f"{_MSR}; {_X86}, kvm_arch_async_page_present; Linux 5.8 put an interrupt in the place of the #PF",
        interrupt="by an interrupt, which bit 3 of ASYNC_PF_EN asks for, and a token in memory",
        page_fault="by another #PF, flags 2 in memory and CR2 the token, as before 5.8; bit 3 is not asked for",
    ),
    quirk(
        "host_clocksource",
        "what the host keeps time by",
        f"{_X86}, pvclock_update_vm_gtod_copy, kvm_arch_vcpu_load",
        tsc="its TSC",
        hpet="its HPET, because its TSC is marked unstable: no master clock, and catch-up for all",
    ),
)
