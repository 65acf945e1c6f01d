"""NVMM's way with time: the guest's TSC is put back to where it was whenever NVMM re-bases it, and what passed
meanwhile is lost.

The hardware adds `tsc_offset` to the host's TSC. On the way to userland NVMM notes the guest's TSC as `gtsc`; on the
way back, if `gtsc_want_update` is set, the offset is made anew so that the TSC goes on from gtsc. Exits that the kernel
handles do not touch it. What sets gtsc_want_update: another pCPU than the last one, the guest's WRMSR 10h, and userland
when it commits MSR state, as an emulator does that writes back the whole vCPU. HLT and a host that wants the processor
are exits to userland.

`lost` counts the host cycles that the guest's TSC does not have: those of the present pCPU while the vCPU was out.

Sources: NetBSD sys/dev/nvmm/x86/nvmm_x86_svm.c (svm_vcpu_run, svm_vcpu_setstate), libnvmm_x86.c, QEMU nvmm-all.c; PR
port-amd64/59862 (`report`: each exit to userland re-bases; the repair by uptime; pvclock); DragonFly, the same file.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from timerlab.errors import GuestFault
from timerlab.policy import Cpu, Policy, Reply, Stamp
from timerlab.regs import Peek
from timerlab.scaling import WORD, signed

_SVM = "NetBSD nvmm_x86_svm.c, svm_vcpu_run"
_PR = "NetBSD PR port-amd64/59862"

LOST = ("move", "commit", "io", "fault", "exit")
"""Why cycles get lost: another pCPU, state committed by userland, an I/O exit, a nested page fault, any other exit."""
SIGNATURE = b"___ NVMM ___"
KVM_SIGNATURE = b"KVMKVMKVM\0\0\0"
XEN_SIGNATURE = b"XenVMMXenVMM"
KVM_FEATURE_CLOCKSOURCE2 = 1 << 3
HYPERVISOR_VCPU_OP = 24
"""Xen's hypercall number, and of its operations the one that hands over a vcpu_time_info page."""
REGISTER_VCPU_TIME_MEMORY_AREA = 13
ENOSYS = -38


@dataclass(slots=True)
class NvmmCpu:
    """`struct svm_cpudata`, as far as time goes, and the account of what is lost."""

    gtsc: int = 0
    """The guest's TSC at the last exit to userland, or as it was written since."""
    gtsc_want_update: bool = True
    out: bool = False
    """Whether it is with userland."""
    why: str = ""
    """What a re-base that is due would count as, of LOST."""
    out_tsc: int = 0
    """Host TSC when it went there."""
    out_ns: int = 0
    """Uptime then, in ns."""
    at_ns: int = 0
    """When it last went there or came back."""
    area: int = 0
    """Where the guest wants its vcpu_time_info, by Xen's hypercall; 0: nowhere."""
    rebases: int = 0
    restored: int = 0
    """Cycles that the repair put back."""
    lost_move: int = 0
    lost_commit: int = 0
    lost_io: int = 0
    lost_fault: int = 0
    lost_exit: int = 0

    @property
    def lost(self) -> int:
        """Cycles lost for any cause."""
        return self.lost_move + self.lost_commit + self.lost_io + self.lost_fault + self.lost_exit


_COUNTED = (
    "gtsc", "out_tsc", "out_ns", "at_ns", "rebases", "restored",
    "lost_move", "lost_commit", "lost_io", "lost_fault", "lost_exit",
)  # fmt: skip
_WRAPS = ("gtsc", "out_tsc")

_PEEKS = {
    "gtsc": Peek("the guest's TSC at its last exit to userland, where a re-base lets it go on", _SVM),
    "gtsc_want_update": Peek("1: the next entry re-bases the TSC on gtsc", _SVM),
    "tsc_offset": Peek("what the hardware adds to the host's TSC, signed", _SVM),
    "out": Peek("1 while the vCPU is with userland", _SVM),
    "area": Peek("guest address of the vcpu_time_info that a hypercall registered, or 0", _PR),
    "rebases": Peek("how often the TSC was put back to gtsc", _SVM),
    "restored": Peek("host cycles that the repair by uptime put back", _PR),
    "lost": Peek("host cycles that the guest's TSC lacks, for all causes", _PR),
    "lost_move": Peek("of those, because the vCPU came back on another pCPU", _PR),
    "lost_commit": Peek("of those, because userland wrote the vCPU's MSR state back", _SVM),
    "lost_io": Peek("of those, in I/O exits, under nvmm_rebase=report", _PR),
    "lost_fault": Peek("of those, in nested page faults, under nvmm_rebase=report", _PR),
    "lost_exit": Peek("of those, in other exits to userland, under nvmm_rebase=report", _PR),
}


class Nvmm(Policy):
    """NVMM, with all vCPUs of one VM. Quirks: nvmm_rebase, nvmm_fix, nvmm_pvclock, nvmm_exit."""

    name = "nvmm"
    about = "the TSC goes on where it was when the vCPU comes back: time outside the guest gets lost"
    has_adjust = False
    """There is no IA32_TSC_ADJUST in the guest."""
    has_rdtscp = False
    """RDTSCP and RDPRU give #UD."""

    def __init__(self, vcpus: Sequence[Cpu], quirks: Mapping[str, str]) -> None:
        super().__init__(vcpus, quirks)
        self.report = quirks.get("nvmm_rebase", "source") == "report"
        self.mended = quirks.get("nvmm_fix", "none") == "uptime"
        self.pvclock = quirks.get("nvmm_pvclock", "none")
        self.dragonfly = quirks.get("nvmm_exit", "netbsd") == "dragonfly"
        self.states = [NvmmCpu() for _ in self.vcpus]
        self.registered: Callable[[int, int, int], None] = lambda v, address, now: None
        """A hypercall of a guest has registered a vCPU's vcpu_time_info: vCPU, address, now."""

    @property
    def peeks(self) -> Mapping[str, Peek]:
        """What each name that `peek` gives means."""
        return {f"policy.v{v}.{name}": peek for v in range(len(self.vcpus)) for name, peek in _PEEKS.items()}

    # -- the life of a VM

    def start(self, now: int) -> None:
        """The vCPUs are made: their TSC is 0, and the first entry bases it."""
        super().start(now)
        for v, cpu in enumerate(self.vcpus):
            host = cpu.host_tsc(now)
            self.states[v] = NvmmCpu(out=True, out_tsc=host, out_ns=now, at_ns=now)

    def exit(self, v: int, now: int, cause: str) -> None:
        """The vCPU leaves the guest; only where it goes to userland does NVMM note its TSC."""
        state = self.states[v]
        if cause in ("kernel", "smi") or state.out:
            return
        state.out, state.out_ns, state.at_ns = True, now, now
        state.out_tsc = self.vcpus[v].host_tsc(now)
        state.gtsc = self.vcpus[v].l1_tsc(now)
        if self.report and not self.dragonfly:
            state.gtsc_want_update = True
            state.why = cause if cause in LOST else "exit"

    def enter(self, v: int, now: int, moved: bool) -> None:
        """The vCPU comes back: on another pCPU, or where somebody wrote the TSC, it is re-based."""
        state = self.states[v]
        if moved and not self.dragonfly:
            if not state.out:
                # moved from within the kernel's loop, where nothing was noted: gtsc is of an exit long ago
                state.gtsc = self.vcpus[v].l1_tsc(now)
            state.gtsc_want_update = True
            if state.why != "commit":
                state.why = "move"
        if state.gtsc_want_update:
            self._rebase(v, now, moved)
        state.out, state.at_ns = False, now

    def _rebase(self, v: int, now: int, moved: bool) -> None:
        """tsc_offset = gtsc - rdtsc(), and what that costs."""
        state, cpu = self.states[v], self.vcpus[v]
        host = cpu.host_tsc(now)
        if state.out and state.why:
            # on another pCPU what was noted is another counter's
            gone = signed(host - (cpu.host_tsc(state.out_ns) if moved else state.out_tsc))
            back = self._uptime_cycles(v, now)
            state.gtsc = (state.gtsc + back) % WORD
            state.restored += back
            name = "lost_" + state.why
            setattr(state, name, getattr(state, name) + gone - back)
            state.rebases += 1
        state.gtsc_want_update, state.why = False, ""
        cpu.set_l1(now, offset=(state.gtsc - host) % WORD)

    def _uptime_cycles(self, v: int, now: int) -> int:
        """The cycles of the uptime since the exit, for the repair; rounded down."""
        if not self.mended:
            return 0
        khz = self.vcpus[v].host_khz()
        return (now - self.states[v].out_ns) * khz.numerator // (khz.denominator * 1_000_000)

    def arrived(self, now: int, tsc: Sequence[int], downtime: int, host_khz: int) -> None:
        """On another host, userland commits the whole state of each vCPU: the TSC goes on from where it was stopped."""
        for v, (cpu, value) in enumerate(zip(self.vcpus, tsc, strict=True)):
            state = self.states[v]
            state.lost_commit += downtime * host_khz // 1_000_000
            state.rebases += 1
            self._set(v, value, now)
            cpu.set_l1(now, offset=(value - cpu.host_tsc(now)) % WORD)

    # -- userland and the guest write the TSC

    def commit(self, v: int, now: int, value: int | None = None) -> None:
        """Userland commits MSR state: with what it had got, as an emulator does that writes back the whole vCPU, or
        with another TSC. A vCPU in the guest comes out for it, and goes on at once. DragonFly takes the value that it
        gave last, and 0, for no wish to write the TSC.
        """
        state = self.states[v]
        inside = not state.out
        if inside:
            self.exit(v, now, "user")
        if value is not None and value != state.gtsc and not (self.dragonfly and not value):
            self._set(v, value, now)
            if self.dragonfly:
                self._rebase(v, now, False)
        elif not self.dragonfly:
            state.gtsc_want_update, state.why = True, "commit"
        if inside:
            self.enter(v, now, False)

    def _set(self, v: int, value: int, now: int) -> None:
        """The TSC is `value` as of now: what was lost before is the writer's."""
        state = self.states[v]
        state.gtsc, state.gtsc_want_update, state.why = value % WORD, True, ""
        state.out_tsc, state.out_ns = self.vcpus[v].host_tsc(now), now

    def write_tsc(self, v: int, value: int, now: int) -> None:
        """WRMSR 10h in the guest: gtsc is the value, and the entry bases the TSC on it."""
        state = self.states[v]
        self._set(v, value, now)
        if not state.out or self.dragonfly:
            self._rebase(v, now, False)

    def set_tsc(self, v: int, value: int, now: int) -> None:
        """The VM's user sets the TSC, by a commit."""
        self.commit(v, now, value)

    def write_adjust(self, v: int, value: int, now: int) -> None:
        """GuestFault: NVMM has no MSR 3Bh."""
        raise GuestFault(13, "#GP(0)", "NVMM has no MSR 3Bh: userland is asked, and refuses")

    def rdtsc(self, v: int, now: int) -> int:
        """What RDTSC gives: not intercepted. With userland, and to be re-based: where it will go on."""
        state = self.states[v]
        if state.out and state.gtsc_want_update:
            return (state.gtsc + (self._uptime_cycles(v, now) if state.why else 0)) % WORD
        return self.vcpus[v].l1_tsc(now)

    # -- what the guest is told

    def cpuid(self, leaf: int, v: int = 0) -> tuple[int, int, int, int] | None:
        """EAX, EBX, ECX, EDX of a hypervisor leaf, or None for a leaf that is the processor's. With a pvclock, the
        signature is the one that its guests look for.
        """
        match leaf:
            case 0x4000_0000:
                name = {"kvm": KVM_SIGNATURE, "xen": XEN_SIGNATURE}.get(self.pvclock, SIGNATURE)
                ebx, ecx, edx = (int.from_bytes(name[at : at + 4], "little") for at in (0, 4, 8))
                return 0x4000_0010, ebx, ecx, edx
            case 0x4000_0001:
                return (KVM_FEATURE_CLOCKSOURCE2 if self.pvclock == "kvm" else 0), 0, 0, 0
            case 0x4000_0010:
                return int(self.vcpus[v].host_khz()), 0, 0, 0
        return (0, 0, 0, 0) if 0x4000_0000 < leaf < 0x4000_0100 else None

    def vmcall(self, v: int, number: int, now: int, args: Sequence[int] = ()) -> Reply | None:
        """A hypercall. NVMM has none and gives #UD; with nvmm_pvclock=xen, vcpu_op(13, vCPU, address) registers the
        vcpu_time_info at that address.
        """
        if self.pvclock != "xen":
            raise GuestFault(6, "#UD", "NVMM has no hypercalls: VMMCALL is undefined")
        if number != HYPERVISOR_VCPU_OP or len(args) < 3 or args[0] != REGISTER_VCPU_TIME_MEMORY_AREA:
            return None
        _, vcpu, address = args[:3]
        if not 0 <= vcpu < len(self.states):
            return Reply("RAX", ENOSYS % WORD, f"there is no vCPU {vcpu}")
        self.states[vcpu].area = address
        self.registered(vcpu, address, now)
        return Reply("RAX", 0, f"vcpu_time_info of vCPU {vcpu} at {address:X}h")

    def stamp(self, v: int, now: int) -> Stamp:
        """The guest's TSC and the host's uptime now; each vCPU has its own, since their offsets differ."""
        return Stamp(self.rdtsc(v, now), now, int(self.vcpus[v].host_khz()), False)

    # -- a load that comes again and again

    def counts(self, v: int) -> tuple[int, ...]:
        """The offset, gtsc with its stamps, and what is lost."""
        state = self.states[v]
        return (signed(self.vcpus[v].offset), *(getattr(state, name) for name in _COUNTED))

    def add(self, v: int, change: tuple[int, ...], times: int) -> None:
        """Let them grow by so many rounds; the vCPU's offset is set as well."""
        state, cpu = self.states[v], self.vcpus[v]
        for name, by in zip(_COUNTED, change[1:], strict=True):
            value = getattr(state, name) + by * times
            setattr(state, name, value % WORD if name in _WRAPS else value)
        if change[0]:
            cpu.set_l1(state.at_ns, offset=(cpu.offset + change[0] * times) % WORD)

    # -- what can be seen, and kept

    def peek(self, now: int) -> dict[str, Any]:
        """All that can be seen, as `policy.vN.name`."""
        seen: dict[str, Any] = {}
        for v, state in enumerate(self.states):
            for name in _PEEKS:
                value = signed(self.vcpus[v].offset) if name == "tsc_offset" else getattr(state, name)
                seen[f"policy.v{v}.{name}"] = int(value)
        return seen

    def snapshot(self) -> tuple[Any, ...]:
        """Each vCPU's state, flat."""
        return tuple(tuple(getattr(state, one.name) for one in fields(NvmmCpu)) for state in self.states)

    def restore(self, state: tuple[Any, ...]) -> None:
        """Take back what `snapshot` gave."""
        self.states = [NvmmCpu(*one) for one in state]
