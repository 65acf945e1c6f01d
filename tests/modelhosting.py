"""For tests of a whole machine with its host: random options, and random programs of typed commands."""

import random

from timerlab.devices.os_read import CLOCKS, SOURCES
from timerlab.quirks import QUIRKS

PROFILES = ("datasheet", "qemu", "kvm", "kvm", "kvm", "palacios", "palacios", "nvmm", "nvmm", "ich")
GUESTS = ("none", "manual", "ideal", "ideal", "latency=50us", "latency=1ms")
MINE = (
    *("vendor", "constant_tsc", "nonstop_tsc", "turion_halt", "sockets", "tsc_write", "tsc_adjust", "host_boot"),
    *("palacios", "nvmm_rebase", "nvmm_fix", "nvmm_pvclock", "nvmm_exit", "kvm_features", "kvm_user_set"),
    *("kvm_update", "kvmclock_sync", "tsc_scaling", "nested", "l2_rdmsr", "nested_rounding", "tick_delay"),
    *("handler_out", "vmcs12_zero_multiplier", "rdtscp", "kvm_cpuid_khz", "tsc_ratio_msr"),
)
TIMES = ("1us", "5us", "30us", "100us", "333us", "1ms", "3ms", "7ms", "20ms", "100ms", "1s")
LONG = ("1s", "10s", "5min", "1hr", "1day")
CAUSES = ("user", "io", "fault", "kernel")
KHZ = (1_000_000, 1_300_000, 2_600_000, 2_599_999, 3_000_000, 5_200_000, 123_457)
WORDS = (0, 1, -1, 1000, 10**9, 2**32, 2**63, 2**64 - 1, 26 * 10**9)
TICKING = ("pit", "rtc", "hpet.t0", "hpet.t1", "lapic0", "irq.5", "pin.16")
POLICIES = ["discard", "discard_nolatch", "merge", "delay", "slew", "slew_nolatch", "slew_rtc", "reinject", "off"]
PAGE = 0x7000
NO_ARGS = ["vmstop", "vmcont", "sti", "cli", "inta", "eoi", "resync", "pvwall", "rdpid", "reset"]
V3 = [
    "host_time",
    "guest_time",
    "guest_tsc",
    "start_time",
    "advance",
    "exit",
    "enter",
    "skip_time",
    "update_timers",
    "rdtsc",
    "rdtscp",
    "sync",
]


def options(rng: random.Random, vcpus: int | None = None) -> dict:
    """Options of a session; some quirks of the host's at random."""
    chosen: dict = {"vcpus": vcpus or rng.choice((1, 2, 2, 3)), "profile": rng.choice(PROFILES)}
    chosen["guest"] = rng.choice(GUESTS)
    quirks = {name: rng.choice(list(QUIRKS[name].values)) for name in MINE if rng.random() < 0.12}
    if rng.random() < 0.5:
        quirks |= {name: "no" for name in ("constant_tsc", "nonstop_tsc") if rng.random() < 0.3}
    return chosen | {"quirks": quirks}


def kvm_call(rng: random.Random, v: str) -> str:
    """Something that KVM's userspace or its host does."""
    return rng.choice(
        (
            f"kvm set_tsc {rng.choice(WORDS)} {v}",
            f"kvm set_adjust {rng.choice(WORDS)} {v}",
            f"kvm set_offset {rng.choice(WORDS)} {v}",
            f"kvm set_tsc_khz {rng.choice(KHZ)} {v}",
            f"kvm set_clock {rng.choice((0, 10**9, 10**12))}",
            f"kvm set_clock 5 realtime {rng.choice((0, 1_767_225_600_000_000_000))}",
            f"kvm kvmclock_ctrl {v}",
            f"kvm init {v}",
            f"kvm refresh {v}",
            f"kvm update {v}",
            "kvm get_clock",
            f"kvm get_tsc {v}",
            f"kvm create {v}",
            f"kvm clocksource {rng.choice(('tsc', 'hpet'))}",
            "kvm unstable",
            f"kvm host_tsc_step {rng.choice(WORDS)}",
            f"kvm step_realtime {rng.choice((-(10**9), 10**6))}",
        )
    )


def v3_call(rng: random.Random, v: str) -> str:
    """A function of Palacios'."""
    if rng.random() < 0.5:
        return f"v3 {rng.choice(V3)} {v}"
    on = rng.choice(("on", "off"))
    return rng.choice(
        (
            f"v3 advance {rng.choice((0, 1000, 10**9))} {v}",
            f"v3 exit {rng.choice((0, 200_000))} {v}",
            f"v3 offset_time {rng.choice((-1000, 10**6))} {v}",
            f"v3 add_timer t {v}",
            f"v3 remove_timer t {v}",
            f"v3 init_core {rng.choice(KHZ)} {v}",
            f"v3 deinit_core {v}",
            *(f"v3 {what} {on}" for what in ("follow", "passthrough")),
            f"v3 khz {rng.choice(KHZ)} {v}",
            f"v3 ratio {rng.choice((1, 2, 3))} {rng.choice((1, 2, 7))} {v}",
            f"v3 dilation {rng.choice((1, 2, 3))} {rng.choice((1, 2, 7))}",
            f"v3 trap {on} {v}",
            f"v3 skew {rng.choice(('-5us', '3ms', '1000 cycles'))} {v}",
            f"v3 bound {rng.choice((0, 100, 10**6))}",
        )
    )


def host_call(rng: random.Random, p: str) -> str:
    """Something that happens to the host's processors."""
    return rng.choice(
        (
            f"pstate {p} {rng.choice(KHZ)}",
            f"pstate {p} {rng.choice(KHZ)} {rng.choice(TIMES)}",
            f"cstate {p} {rng.choice(('c1', 'c1e', 'c3'))} {rng.choice(TIMES)}",
            f"cstate {p} {rng.choice(('c0', 'c1', 'c1e', 'c3'))}",
            f"tstate {p} {rng.choice((12.5, 50, 100))}",
            f"socket {p[1:]} {rng.choice((-20, 0, 50))}",
            f"spread {p[1:]} {rng.choice((0, 5000))}",
            f"plug {p} {rng.choice(('none', 'copy', 'adjust'))}",
            f"resync {rng.choice((-40, 40))}",
            f"catchup {p}",
            f"suspend {rng.choice(('1ms', '1s', '1hr'))}",
        )
    )


def l2_call(rng: random.Random, v: str) -> str:
    """L1 does something with its own guest."""
    on = rng.choice(("on", "off"))
    return rng.choice(
        (
            f"l2 enter {v}",
            f"l2 enter {v}",
            f"l2 exit {v}",
            f"l2 offset {rng.choice(WORDS)} {v}",
            f"l2 ratio {rng.choice(('1.5', '0.5', '2.0', 0, 1 << 48))} {v}",
            f"l2 controls {rng.choice(('use_tsc_offsetting', 'use_tsc_scaling', 'rdtsc_exiting'))} {on} {v}",
            f"l2 intercept {rng.choice(('rdtsc', 'rdtscp', 'rdmsr tsc', 'wrmsr tsc', 'rdmsr 1bh'))} {on} {v}",
            f"l2 preemption_timer {rng.choice(('off', 1000, 10**6))} {v}",
        )
    )


def os_call(rng: random.Random, v: str) -> str:
    """The guest's operating system."""
    return rng.choice(
        (
            "os boot",
            "os boot hz 250 clocksource tsc calibration hpet",
            "os boot calibration pit window 10ms watchdog classic",
            "os boot no-kvmclock source rtc.irq compensate right",
            f"os calibrate {rng.choice(('pit', 'hpet', 'pm', 'cpuid', 'kvm'))} {rng.choice(TIMES)}",
            "os ntp on",
            "os ntp on 16s",
            "os ntp off",
            f"os compensate {rng.choice(('off', 'right', 'buggy'))}",
            f"os watchdog {rng.choice(('off', 'classic', 'modern'))}",
            f"os watchdog soft {rng.choice(('on', 'off'))}",
            f"os clocksource {rng.choice(list(SOURCES))}",
            f"os hang {v} {rng.choice(('none', 'preempt', 'irq'))}",
            f"os disturb {rng.choice(TIMES)}",
            f"os read {rng.choice(list(CLOCKS))}",
        )
    )


def sched_call(rng: random.Random, v: str, p: str) -> str:
    """The host's scheduler."""
    out, period = rng.choice((("10us", "1ms"), ("1ms", "3ms"), ("2ms", "7ms"), ("10ms", "20ms"), ("333us", "1s")))
    how = rng.choice(("", "", " random 7", " moving", " random 3 moving", " after 3ms"))
    return rng.choice(
        (
            f"hostload {v} {out} {period}{how}",
            f"hostload {v} {out} {period}{how}",
            f"hostload {v} off",
            f"hostload {p} {rng.choice((0, 1, 2))}",
            f"hostload share {rng.choice(('on', 'off'))} {rng.choice(TIMES)}",
            f"preempt {v} {rng.choice(TIMES)}",
            f"preempt {v}",
            f"vmexit {v} {rng.choice(CAUSES)} {rng.choice(TIMES)}",
            f"vmexit {v} {rng.choice(CAUSES)}",
            f"vmenter {v}",
            f"vmenter {v}",
            f"migrate {v} {p}",
            f"migrate {v} {p} {rng.choice(TIMES)}",
            f"migrate host {rng.choice(KHZ)} {rng.choice(TIMES)}",
            f"migrate host {rng.choice(KHZ)}",
            "vmstop",
            "vmcont",
            "vmcont",
            f"smi {rng.choice(TIMES)}",
            f"halt {v}",
            f"wake {v}",
        )
    )


def msr_call(rng: random.Random, v: str) -> str:
    """An MSR, time stamps, pages."""
    page, n = PAGE + int(v[1:]) * 64, rng.choice(WORDS)
    return rng.choice(
        (
            f"wrmsr tsc {n} {v}",
            f"wrmsr tsc_adjust {n} {v}",
            f"wrmsr tsc_aux {rng.choice((0, 5, 2**32))} {v}",
            f"wrmsr tsc_deadline {rng.choice((0, 1, 10**9, 26 * 10**9, 2**63))} {v}",
            f"wrmsr {rng.choice(('12h', '4b564d01h'))} {page + rng.randrange(2):x}h {v}",
            f"wrmsr 4b564d01h {page + 1:x}h {v}",
            f"wrmsr {rng.choice(('11h', '4b564d00h'))} {PAGE + 0x400:x}h {v}",
            f"wrmsr 4b564d03h {page + 0x801:x}h {v}",
            f"wrmsr 4b564d02h {page + 0x1000 + rng.choice((1, 3, 9, 11)):x}h {v}",
            f"wrmsr 4b564d06h {rng.choice((0x40, 0x300)):x}h {v}",
            f"wrmsr 4b564d07h {rng.choice((0, 1))} {v}",
            f"wrmsr 4b564d04h {page + 0x1801:x}h {v}",
            f"wrmsr 1bh fee00{rng.choice(('800', 'c00', '000'))}h {v}",
            f"rdmsr {rng.choice(('tsc', 'tsc_adjust', 'tsc_aux', '1bh', '4b564d01h', '12h', '4b564d05h'))} {v}",
            f"rdtsc {v}",
            f"rdtscp {v}",
            f"pvread {v}",
            f"pvread {v} step",
            f"pvwrite {rng.choice(('steps', 'next', 'whole'))}",
            f"apf missing {rng.choice((PAGE, 0x9000)):x}h {rng.choice(('', 'cpl0', 'nopaging', 'l2'))} {v}",
            f"apf ready {v}",
            f"nvmm commit {v}",
            f"nvmm commit {n} {v}",
            f"nvmm lost {v}",
            f"vmcall {rng.choice(('d000h', 'd001h', '1h'))} {v}",
            f"cpl {rng.choice((0, 3))} {v}",
            f"tsd {rng.randrange(2)} {v}",
            f"cpuid {rng.choice(('1', '15h', '40000000h', '40000001h', '40000010h'))}",
        )
    )


def chips(rng: random.Random, v: str) -> list[str]:
    """A timer, programmed; a controller that lets it through; a policy for its ticks."""
    n = rng.choice((1193, 11932, 0))
    lapic = [f"writel fee000f0h 1ffh {v}"]
    match rng.randrange(7):
        case 0 | 1:
            return [f"outb 43h {rng.choice(('34h', '36h', '30h'))}", f"outb 40h {n & 255}", f"outb 40h {n >> 8}"]
        case 2:
            return [f"outb {port} {x}" for port, x in (("20h", "11h"), ("21h", "20h"), ("21h", 4), ("21h", "1"))] + [
                f"outb 21h {rng.choice(('0', 'feh'))}"
            ]
        case 3:
            conf, period = rng.choice(("4ch", "0ch", "84ch")), rng.choice((10**5, 10**6))
            return [f"writel fed00100h {conf}", f"writeq fed00108h {period}", f"writel fed00010h {rng.choice((1, 3))}"]
        case 4:
            lvt, count = rng.choice(("20040h", "00041h", "40042h")), rng.choice((10**5, 10**6, 10**7))
            return [*lapic, f"writel fee00320h {lvt} {v}", f"writel fee003e0h 0bh {v}", f"writel fee00380h {count} {v}"]
        case 5:
            deadline = rng.choice((10**7, 10**9, 10**11))
            return [*lapic, f"writel fee00320h 40041h {v}", f"wrmsr tsc_deadline {deadline} {v}"]
    return [f"outb 70h {a}" if at % 2 == 0 else f"outb 71h {a}" for at, a in enumerate(("0ah", "26h", "0bh", "42h"))]


def a_line(rng: random.Random, config: dict) -> str:
    """One command of any kind, mostly of those that mean something here."""
    v, p = f"v{rng.randrange(config['vcpus'])}", f"p{rng.randrange(config['vcpus'])}"
    profile = config["profile"]
    mine = {"kvm": kvm_call, "palacios": v3_call}.get(profile, msr_call)
    if rng.random() < 0.05:
        mine, v = rng.choice((kvm_call, v3_call)), rng.choice((v, "v7"))
    match rng.randrange(14):
        case 0 | 1 | 2 | 3:
            return sched_call(rng, v, p)
        case 4 | 5 | 6:
            return msr_call(rng, v)
        case 7 | 8:
            return mine(rng, v)
        case 9:
            return host_call(rng, p)
        case 10:
            return l2_call(rng, v)
        case 11:
            return os_call(rng, v)
        case 12:
            return f"policy {rng.choice(TICKING)} {rng.choice(POLICIES)} {rng.choice(('', v))}"
    return rng.choice((*NO_ARGS, f"irq 5 {rng.randrange(2)}", f"inta {v}", f"eoi {v}", "inb 61h"))


def a_program(rng: random.Random, config: dict, moves: int = 25, longest: int = 3) -> list[str]:
    """Commands, and time between them."""
    program: list[str] = []
    for _ in range(rng.randrange(1, moves)):
        kind = rng.random()
        if kind < 0.12:
            program += chips(rng, f"v{rng.randrange(config['vcpus'])}")
        elif kind < 0.68:
            program.append(a_line(rng, config))
        else:
            many = (*TIMES, *LONG[:longest]) if rng.random() < 0.9 else ("1ns", "7ns")
            program.append(f"skip {rng.choice(many)}")
    return program
