"""A vCPU as nested guests see it, with a processor's TSC that can be moved by hand, and a bench with one of them."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

from timerlab.devices.nested import Nested
from timerlab.errors import GuestFault
from timerlab.policy import Bare
from timerlab.scaling import SVM_FRAC, VMX_FRAC, WORD, scaled, signed

QUIRKS = {
    "nested": "on",
    "l2_rdmsr": "l2",
    "nested_rounding": "truncate",
    "vmcs12_zero_multiplier": "checked",
}
G = 10**9
TSC, ADJUST, AUX, RATIO = 0x10, 0x3B, 0xC000_0103, 0xC000_0104


class FakeCpu:
    """A vCPU on a processor whose TSC began at power-on."""

    def __init__(self, index: int = 0, frac: int = VMX_FRAC, khz: Fraction = Fraction(1_000_000)) -> None:
        self.index, self.frac, self.khz = index, frac, khz
        self.jump = 0
        self.offset, self.ratio, self.adjust, self.aux = 0, 1 << frac, 0, index
        self.active: tuple[int, int] | None = None
        self.has_ratio, self.l2_ratio, self.cpl = frac == SVM_FRAC, 1 << SVM_FRAC, 0
        self.changed: Callable[[int, int, int, bool], None] = lambda *told: None
        self.policy = Bare([self], {})

    def host_tsc(self, now: int) -> int:
        return (now * self.khz // 1_000_000 + self.jump) % WORD

    def host_khz(self) -> Fraction:
        return self.khz

    def l1_tsc(self, now: int) -> int:
        return (scaled(self.host_tsc(now), self.ratio, self.frac) + self.offset) % WORD

    def set_l1(self, now: int, offset: int | None = None, ratio: int | None = None) -> None:
        old = self.offset
        if offset is not None:
            self.offset = offset % WORD
        if ratio is not None:
            self.ratio = ratio
        self.changed(0, now, old, offset is None)

    def set_active(self, now: int, active: tuple[int, int] | None) -> None:
        self.active = active

    @property
    def state(self) -> FakeCpu:
        return self

    def rdtsc(self, now: int) -> int:
        if self.active is None:
            return self.l1_tsc(now)
        return (scaled(self.host_tsc(now), self.active[0], self.frac) + self.active[1]) % WORD

    def rdtscp(self, now: int) -> tuple[int, int]:
        return self.rdtsc(now), self.aux

    def privileged(self, name: str) -> None:
        if self.cpl:
            raise GuestFault(13, "#GP(0)", f"{name} at CPL {self.cpl}")

    def rdmsr(self, msr: int, now: int) -> int:
        if msr == TSC:
            return self.rdtsc(now)
        value = {ADJUST: self.adjust, AUX: self.aux, RATIO: self.l2_ratio if self.has_ratio else None}.get(msr)
        if value is None:
            raise GuestFault(13, "#GP(0)", f"no MSR {msr:X}h")
        return value

    def wrmsr(self, msr: int, value: int, now: int) -> None:
        if msr == TSC:
            self.policy.write_tsc(0, value, now)
        elif msr == ADJUST:
            self.policy.write_adjust(0, value, now)
        elif msr == AUX:
            self.aux = value
        elif msr == RATIO and self.has_ratio and not value >> 40:
            self.l2_ratio = value
        else:
            raise GuestFault(13, "#GP(0)", f"MSR {msr:X}h takes no {value:X}h")


class Bench:
    """One vCPU with its nested guest, at a host TSC of 10 000 000 000 unless told."""

    def __init__(
        self, frac: int = VMX_FRAC, now: int = 10 * G, khz: Fraction = Fraction(1_000_000), **quirks: str
    ) -> None:
        self.cpu = FakeCpu(frac=frac, khz=khz)
        self.nested = Nested([self.cpu], QUIRKS | quirks)
        self.cpu.changed = self.nested.l1_changed
        self.now = now

    def l1(self, offset: int = 0, ratio: int | None = None) -> None:
        """L0 sets L1's offset, and its ratio if there is one."""
        self.cpu.set_l1(self.now, offset, ratio)

    def enter(self, offset: int = 0, ratio: int | None = None) -> None:
        """L1 writes L2's offset and ratio, and enters it."""
        self.nested.set_offset(0, offset)
        if ratio is not None and self.nested.svm:
            self.cpu.wrmsr(RATIO, ratio, self.now)
        elif ratio is not None:
            self.nested.set_control(0, "use_tsc_scaling", True)
            self.nested.set_ratio(0, ratio)
        assert self.nested.enter(0, self.now) is None

    def again(self) -> None:
        """Exit and entry, with nothing written in between."""
        self.nested.exit(0, self.now)
        assert self.nested.enter(0, self.now) is None

    @property
    def o02(self) -> int:
        """The hardware's offset while L2 runs, signed."""
        assert self.cpu.active is not None
        return signed(self.cpu.active[1])

    @property
    def m02(self) -> int:
        assert self.cpu.active is not None
        return self.cpu.active[0]

    @property
    def o01(self) -> int:
        return signed(self.cpu.offset)

    @property
    def tsc1(self) -> int:
        return self.cpu.l1_tsc(self.now)

    @property
    def tsc2(self) -> int:
        """What RDTSC gives in L2."""
        value = self.nested.rdtsc(0, self.now)
        assert isinstance(value, int)
        return value

    def look(self, name: str) -> object:
        return self.nested.peek(self.now)[f"nest0.{name}"]


def svm(**quirks: str) -> Bench:
    """A bench of AMD's."""
    return Bench(SVM_FRAC, **quirks)


def example(frac: int = VMX_FRAC, **quirks: str) -> Bench:
    """L1 4 s behind the host, L2 1 s ahead of L1, and running."""
    bench = Bench(frac, **quirks)
    bench.l1(-4 * G)
    bench.enter(G)
    return bench
