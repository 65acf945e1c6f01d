"""KVM's paravirtual MSRs as data, the CPUID bits that offer them, and what can be seen of them and of their pages.

Source: Linux Documentation/virt/kvm/x86/msr.rst and cpuid.rst, arch/x86/include/uapi/asm/kvm_para.h.
"""

from __future__ import annotations

from timerlab.regs import Access, Field, Layout, Peek, Reg, flag

_MSR = "Linux Documentation/virt/kvm/x86/msr.rst, "
_ABI = "Linux arch/x86/include/asm/pvclock-abi.h"
_PVCLOCK = "Linux arch/x86/kernel/pvclock.c"
_PARA = "Linux arch/x86/include/uapi/asm/kvm_para.h"

WALL_CLOCK_OLD, SYSTEM_TIME_OLD = 0x11, 0x12
WALL_CLOCK, SYSTEM_TIME, ASYNC_PF_EN, STEAL_TIME, PV_EOI_EN = range(0x4B56_4D00, 0x4B56_4D05)
POLL_CONTROL, ASYNC_PF_INT, ASYNC_PF_ACK, MIGRATION_CONTROL = range(0x4B56_4D05, 0x4B56_4D09)
CUSTOM = range(0x4B56_4D00, 0x4B56_4E00)
"""Reserved for KVM; what has no register there faults."""

FEATURE = {
    WALL_CLOCK_OLD: 0,
    SYSTEM_TIME_OLD: 0,
    WALL_CLOCK: 3,
    SYSTEM_TIME: 3,
    ASYNC_PF_EN: 4,
    STEAL_TIME: 5,
    PV_EOI_EN: 6,
    POLL_CONTROL: 12,
    ASYNC_PF_INT: 14,
    ASYNC_PF_ACK: 14,
    MIGRATION_CONTROL: 17,
}
"""The bit of CPUID 40000001h EAX that offers each MSR."""

APF_VMEXIT_BIT, APF_INT_BIT, TLB_FLUSH_BIT = 10, 14, 9

FEATURES = {
    "all": 0x0100_7EFB,
    "no_schedstats": 0x0100_7EDB,
    "no_stable": 0x0000_7EFB,
    "old": 0x0000_0003,
    "migration": 0x0102_7EFB,
    "none": 0,
}
"""CPUID 40000001h EAX under each value of the quirk kvm_features."""

FEATURE_NAMES = {
    0: "clocksource",
    1: "nop_io_delay",
    2: "mmu_op",
    3: "clocksource2",
    4: "async_pf",
    5: "steal_time",
    6: "pv_eoi",
    7: "pv_unhalt",
    9: "pv_tlb_flush",
    10: "async_pf_vmexit",
    11: "pv_send_ipi",
    12: "poll_control",
    13: "pv_sched_yield",
    14: "async_pf_int",
    15: "msi_ext_dest_id",
    16: "hc_map_gpa_range",
    17: "migration_control",
    24: "clocksource_stable",
}

SIGNATURE = (0x4B4D_564B, 0x564B_4D56, 0x0000_004D)
"""EBX, ECX, EDX of CPUID 40000000h: KVMKVMKVM."""


def detect(signature: tuple[int, int, int], features: int) -> tuple[int, int] | None:
    """The MSRs (wall clock, system time) that a guest uses for kvmclock: the new ones, the old ones, or none."""
    if signature != SIGNATURE:
        return None
    if features >> 3 & 1:
        return WALL_CLOCK, SYSTEM_TIME
    return (WALL_CLOCK_OLD, SYSTEM_TIME_OLD) if features & 1 else None


def _reg(name: str, title: str, msr: int, access: Access, about: str, source: str, peek: str, *fields: Field) -> Reg:
    return Reg(name, title, "msr", msr, 64, access, (Layout("value", fields),), about, _MSR + source, peek=peek)


def _zero(hi: int, lo: int, name: str = "0") -> Field:
    return Field(name, hi, lo, "rsvd", "reserved: a write with one of them set faults")


def _wall(name: str, title: str, msr: int, source: str) -> Reg:
    return _reg(
        name,
        title,
        msr,
        "rw",
        "a write fills in the wall clock page; one address and one value for all vCPUs",
        source,
        "pv.wall_clock",
        Field("GPA", 63, 0, "rw", "address of struct pvclock_wall_clock, 12 bytes; 0 for none"),
    )


def _time(name: str, title: str, msr: int, source: str, about: str) -> Reg:
    return _reg(
        name,
        title,
        msr,
        "rw",
        about,
        source,
        "pv{}.system_time",
        Field("GPA", 63, 1, "rw", "address of struct pvclock_vcpu_time_info, 32 bytes in one page, without its bit 0"),
        flag("EN", 0, "rw", "whether the page is written", clear="updates stop", set="updates"),
    )


REGS = (
    _wall("kvm_wall_clock_old", "MSR_KVM_WALL_CLOCK", WALL_CLOCK_OLD, "MSR_KVM_WALL_CLOCK"),
    _time(
        "kvm_system_time_old",
        "MSR_KVM_SYSTEM_TIME",
        SYSTEM_TIME_OLD,
        "MSR_KVM_SYSTEM_TIME",
        "as kvm_system_time, whose value it shares; a write by vCPU 0 turns the master clock off",
    ),
    _wall("kvm_wall_clock", "MSR_KVM_WALL_CLOCK_NEW", WALL_CLOCK, "MSR_KVM_WALL_CLOCK_NEW"),
    _time(
        "kvm_system_time",
        "MSR_KVM_SYSTEM_TIME_NEW",
        SYSTEM_TIME,
        "MSR_KVM_SYSTEM_TIME_NEW",
        "registers the vCPU's time page, which is written at once",
    ),
    _reg(
        "kvm_async_pf_en",
        "MSR_KVM_ASYNC_PF_EN",
        ASYNC_PF_EN,
        "rw",
        "asynchronous page faults: on with bits 0 and 3 both set",
        "MSR_KVM_ASYNC_PF_EN",
        "pv{}.async_pf_en",
        Field("GPA", 63, 6, "rw", "address of struct kvm_vcpu_pv_apf_data, 64 bytes, without its bits 5:0"),
        _zero(5, 4),
        flag("INT", 3, "rw", "page-ready events by interrupt", clear="none", set="interrupt"),
        flag("VMEXIT", 2, "rw", "page-missing events in L2 as #PF VM-exits", clear="no", set="yes"),
        flag("ALWAYS", 1, "rw", "page-missing events at CPL 0 as well", clear="not at CPL 0", set="at any CPL"),
        flag("EN", 0, "rw", "asynchronous page faults", clear="off", set="on"),
    ),
    _reg(
        "kvm_steal_time",
        "MSR_KVM_STEAL_TIME",
        STEAL_TIME,
        "rw",
        "registers the vCPU's steal time page",
        "MSR_KVM_STEAL_TIME",
        "pv{}.steal_time",
        Field("GPA", 63, 6, "rw", "address of struct kvm_steal_time, 64 bytes, without its bits 5:0"),
        _zero(5, 1),
        flag("EN", 0, "rw", "whether the page is written", clear="updates stop", set="updates"),
    ),
    _reg(
        "kvm_pv_eoi_en",
        "MSR_KVM_EOI_EN",
        PV_EOI_EN,
        "rw",
        "registers the word by which an EOI may be left out",
        "MSR_KVM_EOI_EN",
        "pv{}.eoi_en",
        Field("GPA", 63, 2, "rw", "address of the 4 bytes, without its bits 1:0"),
        _zero(1, 1),
        flag("EN", 0, "rw", "PV end of interrupt", clear="off", set="on"),
    ),
    _reg(
        "kvm_poll_control",
        "MSR_KVM_POLL_CONTROL",
        POLL_CONTROL,
        "rw",
        "whether the host polls before it lets a halted vCPU sleep",
        "MSR_KVM_POLL_CONTROL",
        "pv{}.poll_control",
        _zero(63, 1),
        flag("POLL", 0, "rw", "host-side polling on HLT", clear="the guest polls", set="the host polls"),
    ),
    _reg(
        "kvm_async_pf_int",
        "MSR_KVM_ASYNC_PF_INT",
        ASYNC_PF_INT,
        "rw",
        "the vector of page-ready interrupts",
        "MSR_KVM_ASYNC_PF_INT",
        "pv{}.async_pf_int",
        _zero(63, 8),
        Field("VECTOR", 7, 0, "rw", "fixed delivery"),
    ),
    _reg(
        "kvm_async_pf_ack",
        "MSR_KVM_ASYNC_PF_ACK",
        ASYNC_PF_ACK,
        "rw",
        "a page-ready event was handled; reads 0",
        "MSR_KVM_ASYNC_PF_ACK",
        "",
        Field("0", 63, 1, "rsvd", "ignored"),
        flag("ACK", 0, "wo", "the next event may come", clear="nothing", set="acknowledged"),
    ),
    _reg(
        "kvm_migration_control",
        "MSR_KVM_MIGRATION_CONTROL",
        MIGRATION_CONTROL,
        "rw",
        "whether the VM may be migrated; userspace handles it",
        "MSR_KVM_MIGRATION_CONTROL",
        "pv.migration_control",
        Field("0", 63, 1, "rsvd", "kept, without a meaning"),
        flag("READY", 0, "rw", "live migration", clear="not allowed", set="allowed"),
    ),
)

SHARED_PEEKS = {
    "pv.wall_clock": Peek("MSRs 4B564D00h and 11h: the wall clock's address", _MSR + "MSR_KVM_WALL_CLOCK_NEW"),
    "pv.migration_control": Peek("MSR 4B564D08h", _MSR + "MSR_KVM_MIGRATION_CONTROL"),
    "pv.wall_version": Peek("version of the wall clock page, or none", _ABI),
    "pv.wall_sec": Peek("seconds since 1970 when kvmclock was 0, modulo 2^32, or none", _ABI),
    "pv.wall_nsec": Peek("and nanoseconds", _ABI),
    "pv.steps": Peek("writes of an update that the writer still has to do, where it stops after each", _ABI),
    "pv.last_value": Peek("the guest's last_value: no filtered read is below it", _PVCLOCK),
    "pv.warps": Peek("reads that gave less than one before them", _PVCLOCK),
    "pv.warp_ns": Peek("by how many ns at most", _PVCLOCK),
    "pv.huge": Peek("reads with a TSC below the page's tsc_timestamp", _PVCLOCK),
    "pv.touched": Peek("how often watchdogs were touched for GUEST_STOPPED", _PVCLOCK),
}

_PEEKS = {
    "system_time": Peek(
        "MSRs 4B564D01h and 12h: the time page's address and its enable bit", _MSR + "MSR_KVM_SYSTEM_TIME_NEW"
    ),
    "async_pf_en": Peek("MSR 4B564D02h", _MSR + "MSR_KVM_ASYNC_PF_EN"),
    "steal_time": Peek("MSR 4B564D03h: the steal time page's address and its enable bit", _MSR + "MSR_KVM_STEAL_TIME"),
    "eoi_en": Peek("MSR 4B564D04h", _MSR + "MSR_KVM_EOI_EN"),
    "poll_control": Peek("MSR 4B564D05h", _MSR + "MSR_KVM_POLL_CONTROL"),
    "async_pf_int": Peek("MSR 4B564D06h: the vector of page-ready interrupts", _MSR + "MSR_KVM_ASYNC_PF_INT"),
    "version": Peek("time page: version, or none where no page is written", _ABI),
    "tsc_timestamp": Peek("time page: the TSC when it was filled in", _ABI),
    "ns": Peek("time page: system_time, kvmclock at that TSC, ns", _ABI),
    "mul": Peek("time page: tsc_to_system_mul", _ABI),
    "shift": Peek("time page: tsc_shift, signed", _ABI),
    "flags": Peek("time page: 1 TSC_STABLE, 2 GUEST_STOPPED", _ABI),
    "khz": Peek("time page: the TSC's kHz as a guest computes it", _PVCLOCK + ", pvclock_tsc_khz"),
    "kvmclock": Peek("what the page gives for the TSC now, without the filter, ns", _PVCLOCK),
    "stop_wanted": Peek("1 if the next refresh sets GUEST_STOPPED", "Linux arch/x86/kvm/x86.c, kvm_set_guest_paused"),
    "steal": Peek("steal time page: ns, or none where no page is written", _PARA),
    "steal_version": Peek("steal time page: version", _PARA),
    "preempted": Peek("steal time page: the preempted byte", _PARA),
    "run_delay": Peek(
        "ns in which it could have run but did not, as the host counts them", "Linux sched_info.run_delay"
    ),
    "last_steal": Peek("how much of that has gone into a page", "Linux arch/x86/kvm/x86.c, record_steal_time"),
    "flushes": Peek("TLB flushes that the guest left to its next entry", "Linux arch/x86/kvm/x86.c, record_steal_time"),
    "apf_flags": Peek("async page fault page: flags, or none where it is off", _PARA),
    "apf_token": Peek("async page fault page: token", _PARA),
    "apf_missing": Peek("pages that it waits for", "Linux virt/kvm/async_pf.c"),
    "apf_queued": Peek("page-ready events that are not delivered yet", "Linux virt/kvm/async_pf.c"),
    "apf_halted": Peek("1 while it is halted because it could not be told of a page", "Linux virt/kvm/async_pf.c"),
    "pf_code": Peek("error code of the last #PF that stands for a page", _MSR + "MSR_KVM_ASYNC_PF_EN"),
    "cr2": Peek("CR2 of that #PF: the token", _MSR + "MSR_KVM_ASYNC_PF_EN"),
    "reader": Peek("its read loop: 0 not in it, 1 it has the version, 2 the fields too", _PVCLOCK),
    "retries": Peek("how often its read loop began anew", _PVCLOCK),
}


def peeks_of(index: int) -> dict[str, Peek]:
    """What each value of vCPU `index` means, by name."""
    return {f"pv{index}.{name}": peek for name, peek in _PEEKS.items()}
