"""The interrupt controllers', 8259, I/O APIC and local APIC, quirks, and which of them QEMU 7.2 has."""

from __future__ import annotations

from timerlab.quirks.kinds import Quirk, quirk

_8259 = "Intel 8259A datasheet"

QUIRKS: tuple[Quirk, ...] = (
    quirk(
        "edge",
        "an edge-triggered 8259 request whose line falls before INTA",
        f"{_8259}, Edge and Level Triggered Modes: IR must stay high until the first INTA; Linux and QEMU 8259 models",
        latch="stays in IRR until INTA or ICW1",
        withdraw="is gone, and an INTA on its way finds the spurious level 7",
    ),
    quirk(
        "elcr",
        "the edge/level control registers at 4D0h and 4D1h",
        f"Intel PIIX4 82371AB, Edge/Level Control Registers; {_8259}, Initialization Command Words 1 and 2",
        present="choose edge or level for each line; LTIM of ICW1 has no effect",
        absent="do not answer, and LTIM makes all lines of a chip level-triggered",
    ),
    quirk(
        "pic_special_mask",
        "masked ISR bits at a non-specific EOI in special mask mode",
        f"{_8259}, Special Mask Mode; QEMU 7.2 and Linux 8259 models",
        skipped="are passed over",
        cleared="are cleared like others",
    ),
    quirk(
        "pic_sfnm",
        "requests that pass while ISR bit 2 of a master in special fully nested mode is set",
        f"{_8259}, Special Fully Nested Mode; QEMU 7.2 and Linux 8259 models",
        lower_blocked="the slave's alone; IR3 to IR7 wait",
        all_pass="all of them: the bit blocks nothing",
    ),
    quirk(
        "pic_poll_empty",
        "the poll byte where nothing asks for service",
        f"{_8259}, Poll Command, which leaves bits 2:0 open; Linux arch/x86/kvm/i8259.c",
        zero="00h",
        seven="07h, as KVM has it",
    ),
    quirk(
        "pic_icw1_isr",
        "ISR and rotate-in-AEOI at ICW1",
        f"{_8259}, Initialization Command Words 1 and 2, which does not say; Linux arch/x86/kvm/i8259.c",
        cleared="are cleared",
        kept="stay, as in KVM",
    ),
    quirk(
        "pic_icw1_modes",
        "vector base, AEOI and SFNM between ICW1 and the words that set them",
        f"{_8259}, Initialization Command Words 1 and 2; QEMU 7.2 8259 model",
        kept="stay as they were, but for the modes where IC4 = 0",
        cleared="are 0",
    ),
    quirk(
        "pic_lines",
        "what an 8259 knows of a line that does not move",
        f"{_8259}, Edge and Level Triggered Modes; QEMU 7.2 8259 model",
        followed="its level, at all times",
        reported="nothing: ICW1 forgets that it is high, and a line made level-triggered asks when it moves next",
    ),
    quirk(
        "pic_cascade",
        "INT of a slave that has one more request when one is acknowledged",
        f"{_8259}, Interrupt Sequence; QEMU 7.2 8259 model",
        pulses="falls and rises again, so that the master latches the next one",
        holds="stays high: in AEOI mode the master does not hear of the next one",
    ),
    quirk(
        "ioapic_version",
        "the I/O APIC's version",
        "Intel 82093AA, I/O APIC Version Register; Intel 82801AA (ICH), EOI Register",
        v11="11h, the 82093AA: no EOI register",
        v20="20h, with the EOI register at offset 40h",
    ),
    quirk(
        "ioapic_reserved",
        "reserved bits of a redirection entry",
        "Intel 82093AA, I/O Redirection Table Registers; QEMU 7.2 and Linux I/O APIC models",
        zero="read 0",
        stored="are kept and read back",
    ),
    quirk(
        "ioapic_other",
        "reads of an index that has no register",
        "Intel 82093AA, Register Description; Linux arch/x86/kvm/ioapic.c",
        zero="give 0",
        ones="give all ones, as in KVM",
    ),
    quirk(
        "ioapic_remote_irr",
        "when a level-triggered entry sets remote IRR",
        "Intel 82093AA, I/O Redirection Table Registers; QEMU 7.2 I/O APIC model",
        accepted="when a local APIC has accepted the message, in delivery modes fixed and lowest priority",
        sent="when the message is sent, whoever takes it and whatever its delivery mode",
    ),
    quirk(
        "polarity",
        "bit 13 of a redirection entry",
        "Intel 82093AA, I/O Redirection Table Registers; QEMU 7.2 and Linux I/O APIC models",
        stored="is kept only: sources say whether they ask, not what their wire carries",
        inverts="turns the pin round: it asks while it is low",
    ),
)

QEMU: dict[str, str] = {
    "pic_special_mask": "cleared",
    "pic_sfnm": "all_pass",
    "pic_icw1_modes": "cleared",
    "pic_lines": "reported",
    "pic_cascade": "holds",
    "ioapic_version": "v20",
    "ioapic_reserved": "stored",
    "ioapic_remote_irr": "sent",
}

# -- the local APIC

_SDM_LVT = "Intel SDM 3A, Local Vector Table"
_SDM_TIMER = "Intel SDM 3A, APIC Timer"

QUIRKS += (
    quirk(
        "lapic_x2apic",
        "whether the CPU has x2APIC mode, CPUID.1:ECX[21]",
        "Intel SDM 3A, Extended XAPIC (x2APIC); docs/qemu.md, L8",
        yes="it has",
        no="setting EXTD in IA32_APIC_BASE is #GP(0) (L8)",
    ),
    quirk(
        "lapic_deadline",
        "whether the timer has TSC-deadline mode, CPUID.1:ECX[24]",
        f"{_SDM_TIMER}: TSC-Deadline Mode; docs/qemu.md, L8",
        yes="it has",
        no="bit 18 of the LVT timer entry is reserved, IA32_TSC_DEADLINE is #GP(0) (L8)",
    ),
    quirk(
        "lapic_arat",
        "the timer while its processor sleeps in C3, with policy=bare",
        "Intel SDM 3A, APIC Timer: CPUID.6:EAX[2], ARAT; Linux, X86_FEATURE_ARAT",
        yes="runs on",
        no="stands still, and goes on with what was left: it is late by the sleep",
    ),
    quirk(
        "lapic_write",
        "a write to a register in memory that follows another one without a read between them",
        "Intel Pentium Processor Specification Update, erratum 11AP; Linux 2.6, CONFIG_X86_GOOD_APIC",
        kept="is a write like others",
        lost="is lost: programs read a register before each write",
    ),
    quirk(
        "lapic_deadline_tsc",
        "an armed deadline when the TSC is written",
        f"{_SDM_TIMER}: TSC-Deadline Mode; Linux arch/x86/kvm/lapic.c",
        live="is compared with the TSC as it reads now",
        armed="expires when it would have without the write, as KVM has it",
    ),
    quirk(
        "lapic_mode_change",
        "the timer when its mode changes between one-shot and periodic",
        f"{_SDM_TIMER}; Linux arch/x86/kvm/lapic.c; docs/qemu.md, L5",
        disarm="is disarmed until TMICT is written",
        keep_count="counts on, and the new mode shows at the next zero",
    ),
    quirk(
        "lapic_divide",
        "a write to the divide configuration while the timer counts",
        f"{_SDM_TIMER}, which leaves it open; docs/qemu.md, L5, L6",
        rescale="keeps the counts that are left, at the new rate, as KVM has it",
        from_load="makes the count what it were had the divider been so since TMICT was written; LVT entry and mode "
        "are looked at in the same way (L5, L6)",
    ),
    quirk(
        "lapic_periodic",
        "how many counts the timer takes from TMICT to its expiry",
        f"{_SDM_TIMER}; docs/qemu.md, L4",
        tmict="TMICT",
        tmict_plus_1="TMICT + 1 (L4)",
    ),
    quirk(
        "lapic_min_period",
        "the shortest period, where lapic_divide=rescale",
        "Linux arch/x86/kvm/lapic.c; docs/qemu.md, L10",
        none="there is none but one count",
        kvm_200us="is 200 us, so that TMCCT can read above TMICT, as KVM has it (L10)",
    ),
    quirk(
        "lapic_lvt_reserved",
        "reserved bits written to an LVT entry",
        f"{_SDM_LVT}; docs/qemu.md, L1",
        zero="read 0",
        stored="are kept and read back (L1)",
    ),
    quirk(
        "lapic_soft_disable",
        "bit 8 of the SVR at 0",
        "Intel SDM 3A, Local APIC State After It Has Been Software Disabled; docs/qemu.md, L2",
        masks="forces the mask of every LVT entry; new fixed interrupts are dropped, those in IRR still offered",
        ignored="masks nothing; interrupts are accepted, and withheld from the CPU until it is 1 (L2)",
    ),
    quirk(
        "lapic_esr",
        "the error status register",
        "Intel SDM 3A, Error Handling; docs/qemu.md, L3",
        latches="shows what was collected until the last write to it",
        stuck="shows an illegal register access at once and for ever, and no other error (L3)",
    ),
    quirk(
        "lapic_eoi_suppress",
        "whether EOI broadcasts can be suppressed, version bit 24 and SVR bit 12",
        "Intel SDM 3A, Spurious-Interrupt Vector Register",
        absent="they cannot: version 0005 0014h, SVR bit 12 is reserved",
        present="they can: version 0105 0014h",
    ),
    quirk(
        "lapic_cmci",
        "whether there is an LVT entry for corrected machine checks",
        f"{_SDM_LVT}",
        absent="there is none: offset 2F0h is reserved, max LVT is 5",
        present="there is: max LVT is 6",
    ),
    quirk(
        "lapic_ppr_equal",
        "bits 3:0 of the PPR where TPR and the highest ISR have the same class",
        "Intel SDM 3A, Task Priority and Processor Priority, which lets the model choose",
        tpr="are those of the TPR",
        zero="are 0",
    ),
    quirk(
        "lapic_lint0_reset",
        "LINT0's LVT entry after a reset",
        f"{_SDM_LVT}; Linux arch/x86/kvm/lapic.c",
        masked="is masked, 0001 0000h",
        extint="is ExtINT and unmasked on the boot CPU, 0000 0700h, as KVM has it",
    ),
)

QEMU |= {
    "lapic_x2apic": "no",
    "lapic_deadline": "no",
    "lapic_mode_change": "keep_count",
    "lapic_divide": "from_load",
    "lapic_periodic": "tmict_plus_1",
    "lapic_lvt_reserved": "stored",
    "lapic_soft_disable": "ignored",
    "lapic_esr": "stuck",
}

KVM: dict[str, str] = {
    "lapic_deadline_tsc": "armed",
    "lapic_mode_change": "keep_count",
    "lapic_min_period": "kvm_200us",
    "lapic_lint0_reset": "extint",
}
