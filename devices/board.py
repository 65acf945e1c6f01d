"""The board: which chips there are, and every wire between them. All wiring stands in `Board.__init__`, as on a
schematic.

crystal 14.318 MHz / 12 --+-- CLK 0,1,2 of the 8254
                          +-- / 18 --> refresh toggle, port 61h bit 4
crystal 14.318 MHz / 4 ------ ACPI timer
crystal 32.768 kHz ---------- RTC
8254 OUT 0 --------+
HPET T0, legacy ---+-----------------> IRQ 0      which of two: HPET LEG_RT_CNF
RTC IRQF ----------+
HPET T1, legacy ---+-----------------> IRQ 8
ACPI timer carry --------------------> IRQ 9 (SCI)
8254 OUT 1 --------------------------> memory refresh, in the first PCs
port 61h bit 0 --> GATE 2 of the 8254, OUT 2 --+--> port 61h bit 5
port 61h bit 1 ------------------------------ AND -> speaker

From the IRQ lines on, see `fabric`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache, partial
from typing import ClassVar

from timerlab.bus import IoBus, MemoryBus
from timerlab.clock import NANOSECONDS, Clock
from timerlab.config import Config
from timerlab.device import Device
from timerlab.devices import hpet_regs, lapic_regs, vcpu_regs
from timerlab.devices.cpuid import Registers
from timerlab.devices.fabric import IRQS, PINS, Fabric
from timerlab.devices.flow import Flow
from timerlab.devices.host_regs import peeks_of as host_peeks_of
from timerlab.devices.hosting import Hosting
from timerlab.devices.hpet import BASE as HPET_BASE
from timerlab.devices.hpet import SIZE as HPET_SIZE
from timerlab.devices.hpet import Hpet
from timerlab.devices.ioapic import BASE as IOAPIC_BASE
from timerlab.devices.ioapic import SIZE as IOAPIC_SIZE
from timerlab.devices.ioapic import IoApic
from timerlab.devices.joint import Joint
from timerlab.devices.lapic import Lapic
from timerlab.devices.os import GuestOs
from timerlab.devices.os_peeks import peeks_of as os_peeks_of
from timerlab.devices.pic import PORTS as PIC_PORTS
from timerlab.devices.pic import Pic
from timerlab.devices.pit import PORTS as PIT_PORTS
from timerlab.devices.pit import Pit
from timerlab.devices.pmtimer import PORTS as PM_PORTS
from timerlab.devices.pmtimer import PmTimer
from timerlab.devices.port61 import PORT as PORT61
from timerlab.devices.port61 import Port61
from timerlab.devices.probe import Probe
from timerlab.devices.pv_regs import REGS as PV_REGS
from timerlab.devices.ram import Ram
from timerlab.devices.rtc import PORTS as RTC_PORTS
from timerlab.devices.rtc import Rtc
from timerlab.devices.sched_peeks import peeks_of as sched_peeks_of
from timerlab.devices.seeing import sight_of
from timerlab.devices.vcpu import Vcpu
from timerlab.interrupt import Delivery, Message
from timerlab.line import Line, Train, edge_before
from timerlab.regs import Peek, Reg, RegTable

_PC = "IBM PC AT Technical Reference, System Timers"
_ISA = "IBM PC AT Technical Reference, Interrupts"
_NMISC = "Intel PIIX4 82371AB, NMISC"
_RTC = "Motorola MC146818A"
_HPET = "IA-PC HPET Specification 1.0a"
_APIC = "Intel SDM 3A, Advanced Programmable Interrupt Controller"
_HOST = "timerlab, the host's scheduler"

RTC_HZ = 32_768

LINES = {
    "pit.ch0.out": Peek("OUT of PIT channel 0, which asks for IRQ 0", _PC),
    "irq.0": Peek("the system timer's interrupt request: OUT 0, unless pit_irq0=timer or HPET T0 replaces it", _PC),
    "pit.ch1.out": Peek("OUT of PIT channel 1, memory refresh in the first PCs", _PC),
    "pit.ch2.out": Peek("OUT of PIT channel 2: bit 5 of port 61h, and the speaker's tone", _PC),
    "port61.gate2": Peek("bit 0 of port 61h, which is GATE of PIT channel 2", _NMISC),
    "port61.spkr": Peek("bit 1 of port 61h, which lets OUT 2 to the speaker", _NMISC),
    "speaker": Peek("what drives the speaker: OUT 2 and bit 1 of port 61h", _NMISC),
    "refresh": Peek("the refresh toggle, bit 4 of port 61h; the quirk `refresh` says what toggles it", _NMISC),
    "rtc.irq": Peek("the RTC's interrupt output, up while IRQF is set", f"{_RTC}, Register C"),
    "rtc.uip": Peek("update in progress: up while the time bytes may change", f"{_RTC}, Register A"),
    "rtc.sqw": Peek("the RTC's square wave pin, while SQWE is set", f"{_RTC}, Register B"),
    "irq.8": Peek("the RTC's interrupt request, unless HPET T1 replaces it", _ISA),
    "acpi.sci": Peek("the ACPI timer's interrupt: a carry while it is enabled", "ACPI specification, PM1 Event"),
    "irq.9": Peek("the system control interrupt, which the ACPI timer asks for", "ACPI specification, PM1 Event"),
}
"""What each wire is that every machine has; `line_abouts` has them all."""


def line_abouts(timers: int, vcpus: int) -> dict[str, Peek]:
    """What each wire is."""
    abouts = dict(LINES)
    for timer in range(timers):
        abouts[f"hpet.t{timer}.out"] = Peek(f"output of HPET timer {timer}: a pulse a match, or a level", _HPET)
    for vcpu in range(vcpus):
        abouts[f"lapic{vcpu}.timer"] = Peek(f"expiries of the APIC timer of vCPU {vcpu}, masked or not", _APIC)
        abouts[f"vcpu{vcpu}.run"] = Peek(f"up while vCPU {vcpu} is in its guest and takes interrupts", _HOST)
        abouts[f"vcpu{vcpu}.stolen"] = Peek(f"up while the host runs something else in the place of vCPU {vcpu}", _HOST)
        abouts[f"vcpu{vcpu}.halt"] = Peek(f"up while vCPU {vcpu} is halted in its guest", _HOST)
    for irq in IRQS:
        abouts.setdefault(f"irq.{irq}", Peek(f"ISA interrupt line {irq}, driven by hand: irq {irq} 1", _ISA))
    for pin in PINS:
        abouts[f"pin.{pin}"] = Peek(f"I/O APIC pin {pin}, driven by hand: irq {pin} 1", "Intel 82093AA")
    return abouts


@dataclass(frozen=True, slots=True)
class Names:
    """What things are called, on every board with so many HPET timers and vCPUs."""

    regs: RegTable
    register_peeks: Mapping[str, tuple[Reg, int]]
    """For each value that is a register's content: the register, and the vCPU whose it is."""
    abouts: Mapping[str, Peek]
    line_abouts: Mapping[str, Peek]


@lru_cache(8)
def names_of(timers: int, vcpus: int, pcpus: int, paravirtual: bool) -> Names:
    """The tables of names; they are made once."""
    families = (Pit, Port61, Rtc, PmTimer, Lapic, Pic, IoApic, Vcpu)
    made_up = PV_REGS if paravirtual else ()
    regs = RegTable((*(reg for chip in families for reg in chip.regs), *hpet_regs.regs_of(timers), *made_up))
    register_peeks: dict[str, tuple[Reg, int]] = {}
    for reg in regs:
        for vcpu in range(vcpus if reg.banked else 1):
            if reg.peek:
                register_peeks.setdefault(reg.peek.format(vcpu), (reg, vcpu))
    abouts: dict[str, Peek] = {name: peek for chip in families for name, peek in chip.peeks.items()}
    abouts |= hpet_regs.peeks_of(timers)
    for vcpu in range(vcpus):
        abouts |= {**lapic_regs.peeks_of(vcpu), **vcpu_regs.peeks_of(vcpu)}
    abouts |= sched_peeks_of(vcpus) | host_peeks_of(pcpus) | os_peeks_of(vcpus)
    lines = line_abouts(timers, vcpus)
    for name, told in lines.items():
        abouts[name + ".level"] = Peek(f"level of {name}, {told.about}", told.source)
        abouts[name + ".edges"] = Peek(f"rises since power-on of {name}, {told.about}", told.source)
    return Names(regs, register_peeks, abouts, lines)


class Board:
    """All parts and wires of one machine, at power-on."""

    INSIDE: ClassVar = {"pit.timer": 0, "rtc.irq": 8, "acpi.sci": 9}
    """Outputs that are told of under the name of the interrupt line that they drive."""

    def __init__(self, quirks: Mapping[str, str], config: Config) -> None:
        constants = config.constants
        hpet_hz = Fraction(10**15, config.period_fs)
        self.clocks: dict[str, Clock] = {
            "ns": NANOSECONDS,
            "pit": Clock.at(config.hz),
            "rtc": Clock.at(RTC_HZ),
            "pm": Clock.at(constants.pm_hz),
            "hpet": Clock.at(hpet_hz),
            "apic": Clock.at(config.bus_hz),
            "tsc": Clock.at(config.khz * 1000),
        }
        clk = self.clocks["pit"]

        # the 8254 and port 61h
        outs = (Line("pit.ch0.out"), Line("pit.ch1.out"), Line("pit.ch2.out"))
        pit_timer = Line("pit.timer")
        gate2, spkr, refresh = Line("port61.gate2"), Line("port61.spkr"), Line("refresh")
        speaker = Line("speaker")
        pit = Pit(clk, quirks, outs, pit_timer)

        def gate(level: int, now: int) -> None:
            pit.sync(now)
            pit.set_gate(2, level, now)

        port61 = Port61(
            clk,
            quirks,
            set_gate2=gate,
            out2=lambda now: pit.out(2, now),
            out1_rises=lambda now: pit.rises(1, now),
            out1_rise=lambda now: pit.next_rise(1, now),
            lines=(gate2, spkr, speaker, refresh),
        )
        if quirks["refresh"] == "out1":
            outs[1].sinks.append(port61.out1_edges)
        # the speaker hears OUT 2 while its data bit is set
        outs[2].sinks.append(lambda train: speaker.absorb((train,)) if port61.state.spkr else None)

        # the other timers
        rtc_irq, uip, sqw = Line("rtc.irq"), Line("rtc.uip"), Line("rtc.sqw")
        rtc = Rtc(self.clocks["rtc"], quirks, config.date, rtc_irq, uip, sqw)
        hpet_outs = tuple(Line(f"hpet.t{timer}.out") for timer in range(config.timers))
        hpet = Hpet(config.period_fs, config.timers, quirks, hpet_outs, self._rewire)
        sci = Line("acpi.sci")
        pm = PmTimer(self.clocks["pm"], quirks, sci)

        # vCPUs and controllers
        self.ram = ram = Ram()
        self.hosting = hosting = Hosting(config, quirks, ram)
        self.host, self.sched, self.policy, self.nested = hosting.host, hosting.sched, hosting.policy, hosting.nested
        self.pv = hosting.pv
        vcpus = hosting.vcpus
        expiries = tuple(Line(f"lapic{index}.timer") for index in range(config.vcpus))
        pic = Pic(quirks)
        self.fabric = fabric = Fabric(
            pic,
            lambda send: IoApic(quirks, send),
            lambda index, send, eoi: Lapic(
                index, self.clocks["apic"], quirks, expiries[index], vcpus[index].l1_clock, send, eoi
            ),
            vcpus,
            hpet,
            config.timers,
            config.who,
            quirks["edge"] == "withdraw",
        )
        fabric.handlers_stop = quirks["handler_out"] == "stops"
        self.ticks = fabric.ticks
        pit.loaded, rtc.on_c, rtc.on_rate = fabric.ticks.reloaded, fabric.ticks.rtc_read_c, fabric.ticks.rtc_rate
        self.flow = flow = Flow(fabric)
        for vcpu, lapic in zip(vcpus, fabric.lapics, strict=True):
            vcpu.followers.append(lapic.tsc_moved)
            if self.pv is not None:
                lapic.on_init = partial(self.pv.init, lapic.index)

        hosting.lapic_on = lambda v: fabric.lapics[v].apic_enabled and fabric.lapics[v].software_enabled
        hosting.interrupt = self._interrupt
        hosting.on_arrival = self._arrived
        for run, (inside, _, _) in zip(fabric.runs, hosting.lines, strict=True):
            inside.sinks.append(lambda train, run=run: flow.put(run, train))  # type: ignore[misc]

        # the interrupt lines
        irq0_chip = pit_timer if quirks["pit_irq0"] == "timer" else outs[0]
        self.joints = {irq: Joint(Line(f"irq.{irq}")) for irq in IRQS}
        self.joints[0] = Joint(Line("irq.0"), irq0_chip)
        self.joints[8] = Joint(Line("irq.8"), rtc_irq)
        self.joints[9] = Joint(Line("irq.9"), sci)
        self.joints[0].listen(hpet_outs[0])
        self.joints[8].listen(hpet_outs[1])
        self.joints |= {pin: Joint(Line(f"pin.{pin}")) for pin in PINS}
        self._legacy_ways = ((0, irq0_chip, hpet_outs[0]), (8, rtc_irq, hpet_outs[1]))
        asking = [joint.line for joint in self.joints.values()] + [*hpet_outs, *expiries]
        for wire in asking:
            source = fabric.by_name[wire.name]
            source.level = wire.level
            wire.sinks.append(lambda train, source=source: flow.put(source, train))  # type: ignore[misc]
            if wire.level:
                source.rise()

        # the guest's operating system, and who measures it
        self.cpuid: Callable[[int], Registers] = lambda leaf: (0, 0, 0, 0)
        self.wrmsr: Callable[[int, int, int, int], None] = lambda v, msr, value, now: None
        """What a vCPU executes; the machine's to give."""
        sight = sight_of(
            hosting, fabric, pit, rtc, hpet, pm, self.clocks["apic"], self._since,
            lambda leaf: self.cpuid(leaf), lambda v, msr, value, now: self.wrmsr(v, msr, value, now),
        )  # fmt: skip
        self.os, self.probe = GuestOs(sight), Probe(sight.tsc, sight.tsc_khz, config.vcpus)
        hosting.sched.followers.append(self.os)
        hosting.sched.on_leap, hosting.sched.before = self.os.leap, self.os.catch_up
        hosting.sched.watched = lambda: (fabric.guest.reacts or bool(fabric.ticked)) and flow.estimated_since is None

        self.nmi = 0
        """The level of NMI, which LINT1 of each local APIC sees."""
        self.pit, self.port61, self.rtc, self.hpet, self.pm, self.pic = pit, port61, rtc, hpet, pm, pic
        self.ioapic, self.lapics, self.vcpus, self.ram = fabric.ioapic, fabric.lapics, vcpus, ram
        self.devices: tuple[Device, ...] = (
            pit,
            port61,
            rtc,
            hpet,
            pm,
            *self.lapics,
            pic,
            self.ioapic,
            *hosting.devices,
            ram,
            self.os,
        )
        self.timed: tuple[Device, ...] = (pit, port61, rtc, hpet, pm, *self.lapics)
        """The chips that do something by themselves, in wiring order."""

        toggle = port61.refresh_train()
        self.ticking: dict[str, Train] = {} if toggle is None else {refresh.name: toggle}
        """Wires that are a function of time alone, from power-on."""
        irq0 = self.joints[0].line
        wires = [outs[0], irq0, outs[1], outs[2], gate2, spkr, speaker]
        wires += [] if toggle else [refresh]
        wires += [rtc_irq, uip, sqw, self.joints[8].line, *hpet_outs, sci, self.joints[9].line, *expiries]
        shown = {wire.name for wire in wires}
        wires += [joint.line for joint in self.joints.values() if joint.line.name not in shown]
        wires += [wire for three in hosting.lines for wire in three]
        self.lines: dict[str, Line] = {wire.name: wire for wire in wires}
        """Wires that remember, in the order in which a screen shows them."""
        self.hidden: tuple[Line, ...] = (pit_timer,)
        """Wires that are no one's business but the board's."""

        # the buses
        self.bus = IoBus()
        if quirks["legacy"] == "present":
            self.bus.attach(pit, PIT_PORTS)
            self.bus.attach(rtc, RTC_PORTS)
        self.bus.attach(port61, (PORT61,))
        self.bus.attach(pic, PIC_PORTS)
        self.bus.attach(pm, PM_PORTS)
        self.memory = MemoryBus(self.ram)
        self.memory.attach(hpet, HPET_BASE, max(HPET_SIZE, 0x100 + 0x20 * config.timers))
        self.memory.attach(self.ioapic, IOAPIC_BASE, IOAPIC_SIZE)

        names = names_of(config.timers, config.vcpus, config.processors, self.pv is not None)
        self.regs, self.register_peeks, self.line_abouts = names.regs, names.register_peeks, names.line_abouts
        self.abouts = {**names.abouts, **fabric.peeks, **hosting.policy.peeks}
        for device in hosting.devices:
            self.abouts.update(device.peeks)
        """What each value means, by its name."""

    def follow_compensation(self) -> None:
        """A system that compensates for lost ticks hears of each one that is taken."""
        on = self.os.state.stage != "off" and self.os.state.options.compensate != "off"
        self.fabric.told = self._taken if on else None

    def _taken(self, source: str, first: int, period: int, count: int, last: int) -> None:
        if source == self.os.state.source:
            self.os.ticks(first, period, count, last)

    def _since(self, name: str, now: int) -> int:
        """How many ns ago a wire moved last; 0 where it is not known."""
        wire = self.lines.get(name)
        found = None if wire is None else edge_before(list(wire.ring)[-2:], now + 1)
        return 0 if found is None else now - found[0]

    def _arrived(self, now: int) -> None:
        """The VM is on another host."""
        for lapic in self.lapics:
            lapic.arrived(now)

    def _interrupt(self, vcpu: int, vector: int) -> None:
        """A hypervisor hands a fixed interrupt to a vCPU's local APIC."""
        lapic = self.fabric.lapics[vcpu]
        lapic.receive(Message(0, False, Delivery.FIXED, vector, False, "ipi"))
        self.fabric.look |= 1 << vcpu

    def _rewire(self, now: int) -> None:
        """The HPET's routing was written: who drives IRQ 0 and IRQ 8, and which pins (HPET 1.0a, LEG_RT_CNF)."""
        for irq, driver in self._drivers():
            self.joints[irq].connect(driver, now)
        self.fabric.rewire_hpet()

    def _drivers(self) -> Iterator[tuple[int, Line | None]]:
        """Who drives IRQ 0 and IRQ 8: the chip, or the HPET timer that replaces it; nobody where that timer sends FSB
        messages instead.
        """
        for timer, (irq, chip, out) in enumerate(self._legacy_ways):
            if not self.hpet.legacy:
                yield irq, chip
            else:
                yield irq, None if self.hpet.route(timer).kind == "fsb" else out

    def reconnect(self) -> None:
        """After a restored state: the wires of IRQ 0 and IRQ 8 lie where the HPET's state has them."""
        for irq, driver in self._drivers():
            self.joints[irq].driver = driver
        self.nmi = int(self.port61.nmi and not self.rtc.nmi_masked)

    def follow_nmi(self) -> None:
        """NMI is up while port 61h asks for it and port 70h does not mask it; LINT1 of each APIC follows."""
        level = int(self.port61.nmi and not self.rtc.nmi_masked)
        if level != self.nmi:
            self.nmi = level
            for lapic in self.lapics:
                lapic.set_lint(1, level)

    # -- what others ask of it

    @property
    def nmi_masked(self) -> bool:
        """Bit 7 of port 70h."""
        return self.rtc.nmi_masked

    def x2apic(self, vcpu: int) -> bool:
        """Whether the local APIC of a vCPU is reached by MSRs."""
        return self.lapics[vcpu].x2apic

    def lapic_base(self, vcpu: int) -> int:
        """Where the local APIC's page of a vCPU is."""
        return self.lapics[vcpu].base
