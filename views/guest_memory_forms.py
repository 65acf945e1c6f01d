"""The paravirtual structures in guest memory: what they are made of, and which of them a guest has registered.

Sources: Linux Documentation/virt/kvm/x86/msr.rst; arch/x86/include/asm/pvclock-abi.h; uapi/asm/kvm_para.h.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from timerlab.views.frame import Frame

__all__ = ["FORMS", "PAGE", "Field", "Form", "Structure", "bytes_of", "registered"]

PAGE = 4096


@dataclass(frozen=True, slots=True)
class Structure:
    """One that the guest has registered: what it is, whose, where, and the MSR that says so."""

    kind: str
    vcpu: int
    address: int
    msr: int
    value: int
    peek: str
    """The MSR's value, by name."""

    @property
    def name(self) -> str:
        """`pvclock v0`, `wall clock`."""
        return f"{FORMS[self.kind].name} v{self.vcpu}" if FORMS[self.kind].own else FORMS[self.kind].name

    @property
    def of(self) -> str:
        """`pvclock of v0`, `wall clock`."""
        return f"{FORMS[self.kind].name} of v{self.vcpu}" if FORMS[self.kind].own else FORMS[self.kind].name


@dataclass(frozen=True, slots=True)
class Field:
    """A field of a structure: offset and size in bytes, name, the value's name after `pvN.`, what it means."""

    at: int
    size: int
    name: str
    peek: str = ""
    about: str = ""
    form: str = "count"
    """How the value is written: count, ns, hex, signed, flags, date."""


@dataclass(frozen=True, slots=True)
class Form:
    """A kind of structure. `own`: each vCPU has its own."""

    name: str
    size: int
    fields: tuple[Field, ...]
    own: bool = True


FORMS: Mapping[str, Form] = {
    "time": Form(
        "pvclock",
        32,
        (
            Field(0, 4, "version", "version", "", "version"),
            Field(4, 4, "pad0"),
            Field(8, 8, "tsc_timestamp", "tsc_timestamp", "guest TSC at the update"),
            Field(16, 8, "system_time", "ns", "true time at the update", "ns"),
            Field(24, 4, "tsc_to_system_mul", "mul", "", "mul"),
            Field(28, 1, "tsc_shift", "shift", "", "shift"),
            Field(29, 1, "flags", "flags", "", "stable"),
            Field(30, 2, "pad"),
        ),
    ),
    "wall": Form(
        "wall clock",
        12,
        (
            Field(0, 4, "version", "wall_version", "", "version"),
            Field(4, 4, "sec", "wall_sec", "", "date"),
            Field(8, 4, "nsec", "wall_nsec", "and nanoseconds"),
        ),
        own=False,
    ),
    "steal": Form(
        "steal",
        64,
        (
            Field(0, 8, "steal", "steal", "runnable, and did not run", "ns"),
            Field(8, 4, "version", "steal_version", "", "version"),
            Field(12, 4, "flags", "", "none is defined", "hex"),
            Field(16, 1, "preempted", "preempted", "", "preempted"),
            Field(17, 8, "pad"),
        ),
    ),
    "apf": Form(
        "async pf",
        64,
        (
            Field(0, 4, "flags", "apf_flags", "1: the last #PF is a page's", "hex"),
            Field(4, 4, "token", "apf_token", "the page that came; 0 free", "hex"),
            Field(8, 8, "pad"),
        ),
    ),
    "eoi": Form("pv eoi", 4, (Field(0, 4, "flag", "", "1: the guest may leave an EOI out", "hex"),)),
}
"""The structures by kind, in the order in which they are listed."""

_MSRS = {"time": 0x4B56_4D01, "wall": 0x4B56_4D00, "steal": 0x4B56_4D03, "apf": 0x4B56_4D02, "eoi": 0x4B56_4D04}
_REGISTERED: tuple[tuple[str, str, int, int], ...] = (
    ("time", "system_time", 1, 1),
    ("steal", "steal_time", 1, 0x3F),
    ("apf", "async_pf_en", 9, 0x3F),
    ("eoi", "eoi_en", 1, 3),
)
"""Of each vCPU: kind, the MSR's value after `pvN.`, the bits that turn it on, and those that are no address."""


def registered(frame: Frame) -> list[Structure]:
    """The structures that hypervisor and guest share now: time pages, the wall clock, then the others."""
    peeks, found = frame.peeks, []
    for kind, name, on, low in _REGISTERED:
        for v in range(frame.options.vcpus):
            value = peeks.get(f"pv{v}.{name}")
            if isinstance(value, int) and value & on == on:
                msr = 0x12 if kind == "time" and not v and peeks.get("kvm.boot_old") else _MSRS[kind]
                found.append(Structure(kind, v, value & ~low, msr, value, f"pv{v}.{name}"))
    wall = peeks.get("pv.wall_clock")
    if isinstance(wall, int) and wall:
        at = sum(one.kind == "time" for one in found)
        found.insert(at, Structure("wall", 0, wall, _MSRS["wall"], wall, "pv.wall_clock"))
    return found


def bytes_of(memory: Mapping[int, bytes], address: int, many: int) -> bytes:
    """Bytes of guest memory from an address on; what was never written is 0."""
    found = b""
    while many:
        number, at = divmod(address, PAGE)
        part = min(many, PAGE - at)
        found += memory.get(number, bytes(PAGE))[at : at + part]
        address, many = address + part, many - part
    return found
