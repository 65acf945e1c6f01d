"""Which hypervisor keeps the guest's time, and how Palacios and NVMM do it. KVM's own quirks stand elsewhere."""

from __future__ import annotations

from timerlab.quirks.kinds import quirk

QUIRKS = (
    quirk(
        "policy",
        "who turns host time into guest time",
        "Palacios vmm_time.c; Linux arch/x86/kvm/x86.c; NetBSD nvmm_x86_svm.c",
        bare="nobody: each vCPU is a processor with its own TSC",
        palacios="Palacios: guest cycles are counted at exits and entries, and drive TSC and timers",
        kvm="KVM: an offset and a ratio in hardware, TSCs that are kept together, kvmclock and steal time",
        nvmm="NVMM: the TSC goes on where it was at the exit, when it is re-based",
    ),
    quirk(
        "palacios",
        "which text of Palacios' vmm_time.c, where policy=palacios",
        "Palacios vmm_time.c",
        intended="what it was meant to do: ratio by GCD, dilation, 128-bit products, elapsed time without a count",
        seed_exact="the text of 2012 with its bugs: ratio 1/1, no dilation, products that wrap, NULL that is read",
        later="the text of today: a GCD of 1024 at least, rates above the host's, no offset, skip or pause",
    ),
    quirk(
        "nvmm_rebase",
        "which exits re-base the guest's TSC, where policy=nvmm",
        "NetBSD nvmm_x86_svm.c; NetBSD PR port-amd64/59862",
        source="another pCPU, the guest's WRMSR 10h, and a commit of MSR state by userland, as the source says",
        report="each exit to userland, as the problem report says: I/O and page faults lose their time",
    ),
    quirk(
        "nvmm_fix",
        "what a re-base does about the time outside the guest, where policy=nvmm",
        "NetBSD PR port-amd64/59862, Description",
        none="nothing: it is lost to the TSC",
        uptime="adds the host's uptime since the exit, in cycles, as the report proposes",
    ),
    quirk(
        "nvmm_pvclock",
        "a pvclock page for the guest, where policy=nvmm",
        "NetBSD PR port-amd64/59862; Linux Documentation/virt/kvm/x86/msr.rst; Xen public/vcpu.h",
        none="none, as NVMM is",
        kvm="registered by MSR 4B564D01h, with KVM's signature in CPUID",
        xen="registered by Xen's hypercall vcpu_op, with Xen's signature in CPUID",
    ),
    quirk(
        "nvmm_exit",
        "what NVMM keeps of the TSC over an exit, where policy=nvmm",
        "NetBSD nvmm_x86_svm.c; DragonFly nvmm_x86_svm.c",
        netbsd="the guest's TSC: a re-base goes on from it",
        dragonfly="the offset to the host's TSC: pauses show, on another pCPU too",
    ),
)
