"""How the TSC of a vCPU comes about: every step from the crystal to what RDTSC gives, with the numbers of now.

Each line is arithmetic that can be done again by hand; products are cut as the hardware cuts them. Sources: Intel SDM
3C, TSC Offsetting and Scaling; AMD APM 2, TSC Ratio MSR; Linux arch/x86/kvm/x86.c; asm/pvclock.h; Palacios, vmm_time.c.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from fractions import Fraction
from typing import Any

from timerlab.devices.host import Host
from timerlab.devices.vcpu import Vcpu
from timerlab.machine import Machine
from timerlab.scaling import WORD, apply_scale, scaled, signed
from timerlab.text import MINUS, count, decimal, duration, duration_exact, hexa, moment, ppm, rate
from timerlab.text import signed as with_sign

__all__ = ["explain_tsc"]

Seen = Mapping[str, Any]
Step = tuple[str, str]
"""What a line is about, and its words; further lines about the same have no label."""

_LABEL = 13


def explain_tsc(machine: Machine, vcpu: int) -> list[str]:
    """The way from the host's counter to a vCPU's TSC, its TSC_ADJUST and its kvmclock. ValueError for a vCPU that is
    not there.
    """
    machine.check_vcpu(vcpu)
    seen, cpu, board = machine.peeks(), machine.board.vcpus[vcpu], machine.board
    steps = [
        *_host(board.host, board.sched.pcpu(vcpu), machine.now),
        *_l1(cpu, seen, machine.now),
        *_placed(machine, vcpu, seen),
        *_nested(cpu, seen),
        *_adjust(board.vcpus[0], cpu, seen, board.policy.has_adjust),
        *_page(vcpu, seen, machine.now),
    ]
    tsc = seen[f"vcpu{vcpu}.tsc"]
    lines = [f"the TSC of v{vcpu} at {moment(machine.now)}: {count(tsc)}  {hexa(tsc, 16)}"]
    return lines + [f"  {label:<{_LABEL}}{words}" for label, words in steps]


def _added(value: int) -> str:
    """A number that is added, with a blank behind its sign: `− 26 000`."""
    return f"{MINUS if value < 0 else '+'} {count(abs(value))}"


# -- the host's processor


def _host(host: Host, p: int, now: int) -> Iterator[Step]:
    """Its counter: what it read at its last change, and the cycles since."""
    cpu, package = host.state.pcpus[p], host.state.sockets[host.socket(p)]
    said = [f"p{p} in socket {host.socket(p)}", rate(host.khz(p) * 1000, 6)]
    if package.ppm:
        said.append(f"its crystal {_ppm(package.ppm)}")
    if package.spread:
        said.append(f"spread down by {package.spread} ppm")
    if cpu.duty < 1:
        said.append(f"throttled to {cpu.duty.numerator}/{cpu.duty.denominator}")
    if cpu.asleep:
        said.append(f"asleep in {cpu.asleep.upper()}")
    yield "host TSC", ", ".join(said)
    start, tsc, hz = cpu.start, host.tsc(p, now), host.hz(p)
    base, span = start.base % WORD, now - start.epoch
    since = f"{count(base)} at {moment(start.epoch)}"
    if not hz:
        yield "", f"{since}, and it stands still: {count(tsc)}"
        return
    passed = (tsc - base) % WORD
    average = " on the average" if cpu.duty < 1 or package.spread else ""
    yield "", f"{since}; since then {duration_exact(span)} × {_hertz(hz)}{average} = {count(passed)} cycles"
    if base:
        yield "", f"{count(base)} + {count(passed)} = {count(tsc)}"
    packages = len(set(map(host.socket, range(len(host.state.pcpus)))))
    if packages > 1:
        put = any(one.adjust for one in host.state.pcpus)
        word = "were made so once, by writes; nothing keeps them so" if put else "are not guaranteed"
        yield "", f"{packages} packages with a crystal each: equal TSCs {word}"
    if cpu.adjust:
        yield "", f"its own IA32_TSC_ADJUST is {with_sign(signed(cpu.adjust))}"


def _hertz(hz: Fraction) -> str:
    """A rate with all its digits, to reckon with: `2.600 000 GHz`, `2 600 130 000.333 Hz`."""
    return (
        rate(hz, 6) if hz % 1000 == 0 and hz >= 1_000_000_000 else f"{decimal(hz, 0 if hz.denominator == 1 else 3)} Hz"
    )


def _ppm(millionths: int) -> str:
    """How far a crystal is off: `+50.0 ppm`."""
    return ppm(Fraction(millionths, 1_000_000))


# -- what the hardware makes of it


def _l1(cpu: Vcpu, seen: Seen, now: int) -> Iterator[Step]:
    """Ratio and offset, as the hardware uses them for L1."""
    put, state = f"vcpu{cpu.index}.", cpu.state
    host, l1 = seen[put + "host"], seen[put + "l1tsc"]
    if not state.offsetting:
        yield "L1's TSC", f'{count(l1)}: the VM-execution control "use TSC offsetting" is 0, so it is the host\'s'
        return
    one = 1 << cpu.frac
    ratio = state.ratio if state.scaling else one
    count_of = scaled(host, ratio, cpu.frac)
    if not state.scaling and state.ratio != one:
        yield "× ratio", '1: the VM-execution control "use TSC scaling" is 0'
    elif ratio == one:
        yield "× ratio", "1, nothing to scale"
    else:
        yield "× ratio", _scaled_words(host, ratio, cpu.frac, count_of)
    offset = signed(state.offset)
    sum_of = count_of + offset
    wraps = "" if 0 <= sum_of < WORD else ", modulo 2^64"
    yield "+ offset", f"{count(count_of)} {_added(offset)} = {count(l1)}{wraps}: L1's TSC"


def _scaled_words(value: int, ratio: int, frac: int, result: int) -> str:
    """A product of the scaling hardware: `26 … × 253 … >> 48 = 23 …`, and what the ratio is."""
    return f"{count(value)} × {count(ratio)} >> {frac} = {count(result)}  (× {decimal(Fraction(ratio, 1 << frac), 9)})"


def _placed(machine: Machine, v: int, seen: Seen) -> Iterator[Step]:
    """Who put the offset there, and when, as far as it can be known."""
    policy = machine.quirks.get("policy", "bare")
    put = f"vcpu{v}."
    offset, adjust = seen[put + "offset"], seen[put + "adjust"]
    match policy:
        case "kvm":
            yield from _kvm(v, offset, adjust, seen)
        case "palacios":
            yield from _palacios(v, seen)
        case "nvmm":
            yield from _nvmm(v, seen)
        case _ if offset and offset == adjust:
            yield "", "all of the offset comes from writes: TSC_ADJUST says the same"
        case _ if offset:
            rest = signed((offset - adjust) % WORD)
            by = f"{with_sign(adjust)} by writes, the other " if adjust else ""
            yield "", f"{by}{with_sign(rest)} because the TSC began at 0 at power-on or RESET"


def _kvm(v: int, offset: int, adjust: int, seen: Seen) -> Iterator[Step]:
    """KVM: the write that began its generation, and what has moved it since."""
    one = f"kvm.v{v}."
    at = seen[one + "this_nsec"] + seen["kvm.kvmclock_offset"]
    base = seen["kvm.cur_offset"] if seen[one + "generation"] == seen["kvm.generation"] else None
    yield (
        "",
        f"KVM: generation {seen[one + 'generation']} of TSC writes began with {count(seen[one + 'this_write'])} "
        f"when kvmclock was {moment(at)}",
    )
    if base is None:
        yield "", f"others have begun generation {seen['kvm.generation']} since"
    elif offset == base:
        yield "", f"and put {count(base)} there, for all vCPUs of the generation"
    else:
        moved = signed((offset - base) % WORD)
        rest = signed((moved - adjust) % WORD)
        by = [f"{with_sign(adjust)} by the guest's writes"] if adjust else []
        by += [f"{with_sign(rest)} by KVM at a load or a refresh"] if rest else []
        yield "", f"and put {count(base)} there; moved since: {', '.join(by)}"
    if seen[one + "catchup"]:
        yield "", "catch-up is on: a refresh raises it to what time says, and never lowers it"


def _nvmm(v: int, seen: Seen) -> Iterator[Step]:
    """NVMM: the re-base."""
    put = f"policy.v{v}."
    times, lost = seen[put + "rebases"], seen[put + "lost"]
    yield (
        "",
        f"NVMM: gtsc {count(seen[put + 'gtsc'])} less the host's TSC, at an entry; re-based {count(times)} times since",
    )
    if lost:
        yield "", f"{count(lost)} host cycles were lost by that"
    if seen[put + "gtsc_want_update"]:
        yield "", f"the next entry re-bases it: the TSC will go on from {count(seen[put + 'gtsc'])}"


def _palacios(v: int, seen: Seen) -> Iterator[Step]:
    """Palacios: the guest cycles that it counts, and the offset of its own on them."""
    put = f"policy.v{v}."
    cycles, own = seen[put + "guest_cycles"], seen[put + "tsc_guest_offset"]
    begun, paused = seen[put + "initial_host_time"], seen[put + "vm_pause_host_time"]
    num, denom = seen[put + "clock_ratio_num"], seen[put + "clock_ratio_denom"]
    td_num, td_denom = seen["policy.td_num"], seen["policy.td_denom"]
    passed = (paused - begun) % WORD
    dilated = passed * td_num // td_denom
    guest = dilated * num // denom if denom else 0
    if seen["policy.follow_host_time"] and guest % WORD == cycles:
        words = f"{count(paused)} {MINUS} {count(begun)} = {count(passed)} host cycles from start to the last advance"
        yield "guest cycles", words
        if (td_num, td_denom) != (1, 1):
            yield "", f"× {td_num} / {td_denom} = {count(dilated)}, dilation"
        if num != denom:
            yield "", f"× {count(num)} / {count(denom)} = {count(guest)}, the guest's rate"
    else:
        yield "guest cycles", f"{count(cycles)} as of the last advance"
    total = (cycles + own) % WORD
    yield "", f"{count(cycles)} {_added(own)} = {count(total)}, which the guest's TSC was then"
    yield "", "at each entry Palacios puts an offset and a ratio there that go on from this"
    if seen[put + "time_flags"] & 1:
        yield "", "RDTSC is trapped: it gives guest cycles as of its own exit, whatever the hardware's ratio rounds"


# -- L2, TSC_ADJUST


def _nested(cpu: Vcpu, seen: Seen) -> Iterator[Step]:
    """L2's TSC, while it runs."""
    put = f"nest{cpu.index}."
    if not seen.get(put + "guest_mode"):
        return
    m01, m12, m02 = (seen[put + name] for name in ("m01", "m12", "m02"))
    o01, o12, o02 = (seen[put + name] for name in ("o01", "o12", "o02"))
    one = 1 << cpu.frac
    if m12 == one:
        yield "L2", f"o02 = o01 + o12 = {count(o01)} {_added(o12)} = {count(o02)}"
    else:
        yield "L2", f"m02 = m01 × m12 >> {cpu.frac} = {count(m01)} × {count(m12)} >> {cpu.frac} = {count(m02)}"
        part = signed((o02 - o12) % WORD)
        yield "", f"o02 = o01 × m12 >> {cpu.frac}, + o12 = {count(part)} {_added(o12)} = {count(o02)}"
    host, tsc = seen[f"vcpu{cpu.index}.host"], seen[put + "tsc2"]
    product = scaled(host, m02, cpu.frac)
    if m02 != one:
        yield "", _scaled_words(host, m02, cpu.frac, product)
    yield "", f"{count(product)} {_added(o02)} = {count(tsc)}: L2's TSC"
    apart = signed((seen[put + "two_step"] - tsc) % WORD)
    if apart:
        yield (
            "",
            f"made of L1's TSC it were {count(seen[put + 'two_step'])}, {with_sign(apart)}: each step is rounded down",
        )


def _adjust(first: Vcpu, cpu: Vcpu, seen: Seen, exists: bool) -> Iterator[Step]:
    """IA32_TSC_ADJUST, and how far it is from vCPU 0."""
    put = f"vcpu{cpu.index}."
    if exists:
        yield (
            "TSC_ADJUST",
            f"{with_sign(seen[put + 'adjust'])}: the sum of what writes to MSR 10h and 3Bh have moved it by",
        )
    if cpu.index:
        apart = signed((seen[put + "l1tsc"] - seen["vcpu0.l1tsc"]) % WORD)
        hz = first.host_khz() * 1000 * first.state.ratio / (1 << first.frac)
        as_time = f", {'+' if apart > 0 else ''}{duration(apart * 1_000_000_000 / hz)}" if apart and hz else ""
        yield "to v0", f"{with_sign(apart)} cycles{as_time}"


# -- pvclock


def _page(v: int, seen: Seen, now: int) -> Iterator[Step]:
    """kvmclock, as a guest computes it from its page."""
    put = f"pv{v}."
    mul = seen.get(put + "mul")
    if not mul:
        return
    stamp, ns, shift = (seen[put + name] for name in ("tsc_timestamp", "ns", "shift"))
    tsc = seen[f"vcpu{v}.l1tsc"]
    delta = (tsc - stamp) % WORD
    address = seen[put + "system_time"] & ~1
    yield "pvclock", f"its page is at {hexa(address, 8)}, version {count(seen[put + 'version'])}"
    jumps = ", nearly 2^64: the TSC is below the page's" if delta >> 63 else ""
    yield "  delta", f"{count(tsc)} {MINUS} {count(stamp)} = {count(delta)} cycles{jumps}"
    shifted = (delta << shift) % WORD if shift >= 0 else delta >> -shift
    if shift:
        yield "  shift", f"{'<<' if shift > 0 else '>>'} {abs(shift)} = {count(shifted)}"
    part = apply_scale(delta, mul, shift)
    yield "  mul", f"{count(shifted)} × {hexa(mul, 8)} >> 32 = {count(part)} ns"
    clock = (ns + part) % WORD
    yield "  time", f"+ system_time {count(ns)} = {count(clock)} ns, {moment(clock)}: kvmclock"
    apart = signed((clock - now) % WORD)
    told = f"{'+' if apart > 0 else ''}{duration_exact(apart)} to it" if apart else "the same"
    yield "  true time", f"{moment(now)}, kvmclock is {told}"
