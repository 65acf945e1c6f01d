"""What a vCPU makes of its host's time stamp counter, and when its instructions fault: numbered facts."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from timerlab import CommandError, GuestFault, Session
from timerlab.clock import Clock
from timerlab.devices.cpuid import cpuid, tsc_hz_of, tsc_of_art
from timerlab.devices.host import Host
from timerlab.devices.vcpu import Vcpu, split
from timerlab.policy import Bare, Policy
from timerlab.quirks import resolve
from timerlab.scaling import SVM_FRAC, VMX_FRAC, ratio_of

S = 10**9
WORD = 1 << 64
TSC, ADJUST, AUX, RATIO = 0x10, 0x3B, 0xC000_0103, 0xC000_0104
WORDS = st.integers(0, WORD - 1)


def vcpu(khz=1_000_000, index=0, start=0, **quirks):
    """A vCPU whose host's TSC reads `start` at 0."""
    clock = Clock.at(Fraction(khz) * 1000).offset(start)
    return Vcpu(index, lambda: clock, lambda: Fraction(khz), resolve("datasheet", quirks))


class Hypervisor(Policy):
    """A hypervisor that does nothing of its own."""

    name = "test"

    def peek(self, now):
        return {}

    def snapshot(self):
        return ()

    def restore(self, state):
        pass


def under(cpu, policy=Hypervisor):
    """The vCPU with a policy."""
    cpu.policy = policy((cpu,), cpu.quirks)
    return cpu


def fault(act, *args):
    with pytest.raises(GuestFault) as said:
        act(*args)
    return said.value.name


# -- offset and ratio


def test_an_offset_is_added_modulo_2_to_the_64():
    """T6, T7."""
    cpu = vcpu(khz=3_000_000)
    cpu.set_l1(0, offset=0xFFFF_FFFF_C465_3600)
    assert cpu.rdtsc(S) == 2_000_000_000
    assert cpu.peek(S)["vcpu0.offset"] == -1_000_000_000
    wrapping = vcpu(start=WORD - 1)
    wrapping.set_l1(0, offset=1)
    assert wrapping.rdtsc(0) == 0


@pytest.mark.parametrize(
    ("vendor", "ratio", "reading"),
    [("intel", 0x0000_C4EC_4EC4_EC4E, 19_999_999_999), ("amd", 0xC4EC_4EC4, 19_999_999_994)],
)
def test_scaling_hardware_rounds_ratio_and_product_down(vendor, ratio, reading):
    """T8, T9, T10: a guest of 2 GHz on a host of 2.6 GHz, after 10 s."""
    cpu = vcpu(2_600_000, vendor=vendor)
    assert ratio_of(2_000_000, 2_600_000, cpu.frac) == ratio
    cpu.set_l1(0, ratio=ratio)
    assert cpu.rdtsc(10 * S) == cpu.l1_clock().ticks(10 * S) == reading
    assert cpu.frac == {"intel": VMX_FRAC, "amd": SVM_FRAC}[vendor]


def test_a_ratio_of_one_and_a_half_makes_3_ghz_of_2():
    """T11, T12."""
    amd, intel = vcpu(2_000_000, vendor="amd"), vcpu(2_000_000)
    amd.set_l1(0, ratio=0x1_8000_0000)
    intel.set_l1(0, ratio=0x0001_8000_0000_0000)
    assert amd.rdtsc(S) == intel.rdtsc(S) == 3_000_000_000
    assert intel.l1_clock().hz == 3_000_000_000
    # the largest multiplier is 65536 - 2^-48, and the product keeps its low 64 bits
    intel.set_l1(0, ratio=WORD - 1)
    assert intel.rdtsc(1000) == (2000 << 16) - 1
    large = vcpu(start=1 << 62)
    large.set_l1(0, ratio=4 << 48, offset=5)
    assert large.rdtsc(0) == 5


def test_a_third_of_the_host_s_cycles_in_svm_is_one_short():
    """T36."""
    cpu = vcpu(3_000_000, vendor="amd")
    assert ratio_of(1_000_000, 3_000_000, cpu.frac) == 0x5555_5555
    cpu.set_l1(0, ratio=0x5555_5555)
    assert cpu.rdtsc(S) == 999_999_999


def test_a_ratio_that_the_hardware_does_not_take_is_refused():
    """A multiplier of 0 fails the VM entry; SVM takes it, and the TSC stands at the offset."""
    intel, amd = vcpu(), vcpu(vendor="amd")
    for ratio in (0, WORD, -1):
        with pytest.raises(ValueError, match="no TSC ratio"):
            intel.set_l1(0, ratio=ratio)
    with pytest.raises(ValueError, match="no TSC ratio"):
        amd.set_l1(0, ratio=1 << 40)
    amd.set_l1(0, ratio=0, offset=77)
    assert (amd.rdtsc(S), amd.clock().num) == (77, 0)


def test_without_offsetting_the_guest_reads_the_host_s_tsc():
    """T39: the offset is 500 and the multiplier 2.0, and none of them acts."""
    cpu = vcpu(start=1000)
    cpu.set_l1(0, offset=500, ratio=2 << 48)
    assert cpu.rdtsc(0) == 2500
    heard = []
    cpu.followers.append(heard.append)
    cpu.set_controls(7, offsetting=False)
    assert (cpu.rdtsc(0), cpu.l1_clock().ticks(0), heard) == (1000, 1000, [7])
    assert under(cpu).rdtsc(0) == 1000
    cpu.set_controls(8, offsetting=True, scaling=False)
    assert (cpu.rdtsc(0), heard) == (1500, [7, 8])


@given(WORDS, WORDS, st.integers(1, WORD - 1), st.integers(0, 10**6))
def test_the_tsc_is_the_host_s_times_the_ratio_plus_the_offset(start, offset, ratio, ns):
    cpu = vcpu(start=start)
    cpu.set_l1(0, offset=offset, ratio=ratio)
    expected = int((start + ns) % WORD * Fraction(ratio, 1 << 48)) + offset
    assert cpu.rdtsc(ns) == cpu.l1_tsc(ns) == cpu.peek(ns)["vcpu0.tsc"] == expected % WORD
    if start + ns < WORD:
        assert cpu.clock().ticks(ns) == expected


def test_a_clock_is_the_same_object_until_offset_ratio_or_host_change():
    quirks = resolve("datasheet", {})
    host = Host(Fraction(1_000_000), 1, quirks)
    cpu = Vcpu(0, lambda: host.clock(0), lambda: host.khz(0), quirks)
    seen = []
    for change in (
        lambda: cpu.set_l1(0, offset=5),
        lambda: cpu.set_l1(0, ratio=3 << 47),
        lambda: host.set_ppm(0, 10, 0),
        lambda: cpu.set_l1(0, ratio=1 << 48),
        lambda: host.write(0, 99, 0),
    ):
        change()
        clock = cpu.l1_clock()
        assert clock is cpu.l1_clock() is cpu.clock()
        assert all(clock is not other for other in seen)
        seen.append(clock)
    assert cpu.rdtsc(0) == 104


def test_followers_hear_of_each_change_of_l1_s_tsc_and_of_nothing_else():
    cpu = vcpu()
    heard = []
    cpu.followers.append(heard.append)
    cpu.set_l1(1, offset=5)
    cpu.set_l1(2, offset=5, ratio=1 << 48)
    cpu.set_active(3, (2 << 48, 7))
    cpu.set_controls(4, exiting=True)
    cpu.wrmsr(TSC, 100, 5)
    cpu.wrmsr(ADJUST, 3, 6)
    cpu.wrmsr(AUX, 3, 7)
    assert heard == [1, 5, 6]


def test_l2_reads_by_its_own_ratio_and_offset_while_l1_s_tsc_goes_on():
    cpu = vcpu()
    cpu.set_l1(0, offset=10)
    cpu.set_active(0, (3 << 47, -4))
    assert cpu.rdtsc(1000) == cpu.clock().ticks(1000) % WORD == cpu.rdmsr(TSC, 1000) == 1496
    assert cpu.l1_tsc(1000) == cpu.l1_clock().ticks(1000) == 1010
    seen = cpu.peek(1000)
    assert (seen["vcpu0.tsc"], seen["vcpu0.l1tsc"], cpu.active) == (1496, 1010, (3 << 47, WORD - 4))
    cpu.set_active(0, None)
    assert cpu.rdtsc(1000) == 1010


# -- IA32_TSC and IA32_TSC_ADJUST


def standing():
    """A TSC that stands at 0 for as long as a test lasts, on a processor or under a hypervisor."""
    return (vcpu(Fraction(1, 10**9)), under(vcpu(Fraction(1, 10**9)), Bare), under(vcpu(Fraction(1, 10**9))))


@pytest.mark.parametrize("cpu", standing(), ids=("alone", "bare", "hypervisor"))
def test_guest_and_host_writes_of_tsc_and_tsc_adjust(cpu):
    """T28 to T32."""
    read = lambda: (cpu.rdmsr(TSC, 0), cpu.rdmsr(ADJUST, 0))  # noqa: E731
    policy = cpu.policy or Bare((cpu,), cpu.quirks)
    cpu.wrmsr(TSC, 4_294_967_296, 0)
    assert read() == (4_294_967_296, 4_294_967_296)
    cpu.wrmsr(ADJUST, 8_589_934_592, 0)
    assert read() == (8_589_934_592, 8_589_934_592)
    policy.set_tsc(0, 77_309_411_328, 0)
    assert read() == (77_309_411_328, 8_589_934_592)
    policy.set_adjust(0, 132_559_870_623_744, 0)
    assert read() == (77_309_411_328, 132_559_870_623_744)
    policy.set_adjust(0, 8_589_934_592, 0)
    assert read() == (77_309_411_328, 8_589_934_592)
    cpu.wrmsr(ADJUST, 12_884_901_888, 0)
    assert read() == (81_604_378_624, 12_884_901_888)
    cpu.wrmsr(TSC, 17_179_869_184, 0)
    assert read() == (17_179_869_184, 18_446_744_022_169_944_064)
    assert cpu.peek(0)["vcpu0.adjust"] == -51_539_607_552


@given(st.lists(st.tuples(st.sampled_from((TSC, ADJUST)), WORDS), max_size=8), st.sampled_from((1, 3)))
def test_tsc_minus_tsc_adjust_is_what_no_write_changes(writes, ratio):
    cpu = vcpu()
    cpu.set_l1(0, ratio=ratio << 47)
    for ns, (msr, value) in enumerate(writes):
        cpu.wrmsr(msr, value, ns)
        assert cpu.rdmsr(msr, ns) == value
        assert (cpu.rdmsr(TSC, ns) - cpu.rdmsr(ADJUST, ns)) % WORD == ns * ratio // 2


@pytest.mark.parametrize("how", ["low32", "ignored", "fault"])
def test_a_processor_takes_a_tsc_write_as_it_can_and_a_hypervisor_all_of_it(how):
    """T25."""
    for cpu in (vcpu(tsc_write=how), under(vcpu(tsc_write=how), Bare)):
        if how == "fault":
            assert fault(cpu.wrmsr, TSC, 0x1234_5678_9ABC_DEF0, 100) == "#GP(0)"
        else:
            cpu.wrmsr(TSC, 0x1234_5678_9ABC_DEF0, 100)
        assert cpu.rdtsc(100) == (0x9ABC_DEF0 if how == "low32" else 100)
    cpu = under(vcpu(tsc_write=how))
    cpu.wrmsr(TSC, 0x1234_5678_9ABC_DEF0, 100)
    assert cpu.rdtsc(100) == 0x1234_5678_9ABC_DEF0


class NamedKvm(Policy):
    name = "kvm"


def test_without_tsc_adjust_all_fault_but_kvm_which_stores_the_value():
    bare, other = under(vcpu(tsc_adjust="no"), Bare), under(vcpu(tsc_adjust="no"))
    for cpu in (bare, other):
        assert fault(cpu.wrmsr, ADJUST, 5, 0) == fault(cpu.rdmsr, ADJUST, 0) == "#GP(0)"
    kvm = under(vcpu(tsc_adjust="no"), NamedKvm)
    kvm.wrmsr(ADJUST, 5, 0)
    assert (kvm.rdmsr(ADJUST, 0), kvm.rdtsc(100)) == (5, 100)


def test_reset_starts_the_tsc_again_and_leaves_the_hypervisor_s_controls():
    cpu = vcpu(vendor="amd", index=1, start=50)
    cpu.set_l1(0, ratio=1 << 33)
    cpu.set_controls(0, exiting=True)
    cpu.set_privilege(3, True)
    cpu.wrmsr(RATIO, 5, 0)
    cpu.reset(10)
    assert (cpu.rdtsc(10), cpu.rdtsc(13), cpu.rdpid()) == (0, 3, 1)
    assert (cpu.state.cpl, cpu.state.tsd, cpu.rdmsr(RATIO, 0)) == (0, False, 1 << 32)
    names = ("offsetting", "scaling", "enable_rdtscp", "exiting")
    for name in names:
        before = {one: one != name for one in names}
        cpu.set_controls(11, **before)
        cpu.reset(12)
        assert {one: getattr(cpu.state, one) for one in names} == before


# -- instructions and who may execute them


def test_rdtscp_gives_tsc_and_tsc_aux():
    """T14."""
    cpu = vcpu()
    cpu.wrmsr(AUX, 0x5003, 0)
    assert cpu.rdtscp(1234) == (1234, 0x5003)


def test_tsc_aux_above_32_bits_faults_on_intel_and_is_dropped_by_amd():
    """T15, T26."""
    intel, amd = vcpu(), vcpu(vendor="amd")
    assert fault(intel.wrmsr, AUX, 0x1_0000_0000, 0) == "#GP(0)"
    amd.wrmsr(AUX, 0x1_0000_0000, 0)
    assert amd.rdmsr(AUX, 0) == 0
    amd.wrmsr(AUX, 0x1_0000_5003, 0)
    assert amd.rdmsr(AUX, 0) == 0x5003


def test_cr4_tsd_keeps_programs_from_rdtsc_and_rdtscp_but_not_from_rdpid():
    """T16, T48."""
    cpu = vcpu()
    cpu.wrmsr(AUX, 0x5003, 0)
    for cpl, tsd in ((0, True), (3, False), (0, False)):
        cpu.set_privilege(cpl, tsd)
        assert (cpu.rdtsc(9), cpu.rdtscp(9), cpu.rdpid()) == (9, (9, 0x5003), 0x5003)
    cpu.set_privilege(3, True)
    assert fault(cpu.rdtsc, 9) == fault(cpu.rdtscp, 9) == "#GP(0)"
    assert cpu.rdpid() == 0x5003
    assert fault(cpu.privileged, "RDMSR") == "#GP(0)"
    cpu.set_privilege(cpl=0)
    cpu.privileged("RDMSR")
    with pytest.raises(ValueError, match="CPL 1"):
        cpu.set_privilege(1)


def test_without_rdtscp_and_rdpid_there_is_no_tsc_aux():
    """T27."""
    cpu = vcpu(rdtscp="no", rdpid="no")
    assert fault(cpu.rdtscp, 0) == fault(cpu.rdpid) == "#UD"
    assert fault(cpu.rdmsr, AUX, 0) == fault(cpu.wrmsr, AUX, 1, 0) == "#GP(0)"
    assert cpu.rdtsc(5) == 5
    for one in ({"rdtscp": "no"}, {"rdpid": "no"}):
        half = vcpu(**one)
        half.wrmsr(AUX, 7, 0)
        assert half.rdmsr(AUX, 0) == 7
        assert fault(half.rdtscp, 0) == "#UD" if "rdtscp" in one else fault(half.rdpid) == "#UD"


def test_the_control_enable_rdtscp_is_looked_at_before_the_privilege():
    cpu = vcpu()
    cpu.set_privilege(3, True)
    cpu.set_controls(0, enable_rdtscp=False)
    assert fault(cpu.rdtscp, 0) == fault(cpu.rdpid) == "#UD"
    assert fault(cpu.rdtsc, 0) == "#GP(0)"


def test_without_a_tsc_rdtsc_is_an_invalid_opcode():
    cpu = vcpu(tsc="no")
    assert fault(cpu.rdtsc, 0) == fault(cpu.rdtscp, 0) == "#UD"
    assert fault(cpu.rdmsr, TSC, 0) == fault(cpu.wrmsr, TSC, 0, 0) == "#GP(0)"


def test_tsc_ratio_is_amd_s_and_has_40_bits():
    """T13."""
    amd = vcpu(vendor="amd")
    assert amd.rdmsr(RATIO, 0) == 0x1_0000_0000
    amd.wrmsr(RATIO, 0xFF_FFFF_FFFF, 0)
    assert amd.rdmsr(RATIO, 0) == amd.state.l2_ratio == 0xFF_FFFF_FFFF
    assert fault(amd.wrmsr, RATIO, 1 << 40, 0) == "#GP(0)"
    assert amd.rdtsc(100) == 100
    for cpu in (vcpu(), vcpu(vendor="amd", tsc_ratio_msr="no")):
        assert fault(cpu.rdmsr, RATIO, 0) == fault(cpu.wrmsr, RATIO, 0, 0) == "#GP(0)"


def test_rdtsc_fills_two_registers_and_clears_their_upper_halves():
    """T45."""
    assert split(0x1_0000_0000) == (0, 1)
    assert split(WORD - 1) == (0xFFFF_FFFF, 0xFFFF_FFFF)


@given(WORDS)
def test_the_two_halves_make_the_tsc(value):
    eax, edx = split(value)
    assert eax < 1 << 32
    assert edx << 32 | eax == value


def test_a_policy_that_traps_rdtsc_gives_l1_s_value_and_never_l2_s():
    class Frozen(Hypervisor):
        def rdtsc(self, v, now):
            return 42

    cpu = under(vcpu(), Frozen)
    assert (cpu.rdtsc(7), cpu.rdtscp(7), cpu.rdmsr(TSC, 7), cpu.l1_tsc(7)) == (42, (42, 0), 42, 7)
    cpu.set_active(7, (1 << 48, 1))
    assert cpu.rdtsc(7) == 8


@given(st.lists(st.tuples(st.sampled_from((TSC, ADJUST, AUX, RATIO)), st.integers(0, (1 << 40) - 1)), max_size=6))
def test_a_snapshot_is_the_state_and_looking_changes_nothing(writes):
    cpu, other = vcpu(vendor="amd"), vcpu(vendor="amd")
    for ns, (msr, value) in enumerate(writes):
        cpu.wrmsr(msr, value, ns)
    cpu.set_active(3, (1 << 31, 9))
    before = cpu.snapshot()
    other.restore(before)
    assert cpu.peek(99) == other.peek(99)
    assert set(cpu.peek(99)) | {"vcpu0.taken"} == set(cpu.peeks)
    assert cpu.snapshot() == other.snapshot() == before
    assert cpu.clock() == other.clock()


# -- CPUID


def leaf(number, hypervisor=None, khz=2_600_000, bus=10**9, **quirks):
    return cpuid(number, 0, 1, Fraction(khz), Fraction(bus), True, True, True, resolve("datasheet", quirks), hypervisor)


def test_leaf_15h_tells_the_rate_as_a_ratio_to_the_crystal():
    """T17, T18, T46."""
    assert tsc_hz_of(2, 216, 24_000_000) == 2_592_000_000
    assert tsc_hz_of(2, 200, 25_000_000) == 2_500_000_000
    assert [tsc_hz_of(*three) for three in ((2, 200, 0), (0, 200, 1), (2, 0, 1))] == [None] * 3
    assert tsc_hz_of(*leaf(0x15, khz=2_592_000, bus=24_000_000)[:3]) == 2_592_000_000
    assert leaf(0x15, khz=2_592_000, bus=24_000_000) == (1, 108, 24_000_000, 0)


def test_a_device_s_time_stamp_turns_into_a_tsc():
    assert tsc_of_art(24_000_000, 2, 216) == 2_592_000_000
    assert tsc_of_art(3, 2, 5, WORD - 7) == 0
    with pytest.raises(ValueError, match="no ratio"):
        tsc_of_art(1, 2, 0)


def test_the_invariant_bit_is_set_where_the_tsc_is_constant_and_nonstop_and_not_hidden():
    assert leaf(0x8000_0007) == (0, 0, 0, 1 << 8)
    for quirk, value in (("constant_tsc", "no"), ("nonstop_tsc", "no"), ("invariant_tsc", "hidden")):
        assert leaf(0x8000_0007, **{quirk: value}) == (0, 0, 0, 0)


def test_what_the_processor_has_not_cpuid_does_not_tell():
    assert leaf(1)[3] - leaf(1, tsc="no")[3] == 1 << 4
    assert leaf(7)[1] - leaf(7, tsc_adjust="no")[1] == 1 << 1
    assert leaf(7)[2] - leaf(7, rdpid="no")[2] == 1 << 22
    assert leaf(0x8000_0001)[3] - leaf(0x8000_0001, rdtscp="no")[3] == 1 << 27
    assert leaf(0x15, constant_tsc="no") == leaf(0x16, constant_tsc="no") == (0, 0, 0, 0)


def test_the_vendor_has_a_name_and_leaves_of_its_own():
    name = lambda r: b"".join(one.to_bytes(4, "little") for one in (r[1], r[3], r[2]))  # noqa: E731
    assert name(leaf(0)) == b"GenuineIntel"
    assert name(leaf(0, vendor="amd")) == b"AuthenticAMD"
    assert leaf(0x8000_000A, vendor="amd")[3] == 1 << 4
    assert leaf(0x8000_000A, vendor="amd", tsc_ratio_msr="no") == leaf(0x8000_000A) == (0, 0, 0, 0)
    assert leaf(0x15, vendor="amd") == (0, 0, 0, 0)


def test_a_hypervisor_s_leaves_are_its_own_and_bit_31_of_leaf_1_tells_that_there_is_one():
    def kvm(number):
        return (0x4000_0001, 1, 2, 3) if number == 0x4000_0000 else None

    assert leaf(0x4000_0000, kvm) == (0x4000_0001, 1, 2, 3)
    assert leaf(0x4000_0055, kvm) == leaf(0x4000_0000) == (0, 0, 0, 0)
    assert (leaf(1, kvm)[2] >> 31, leaf(1)[2] >> 31, leaf(1, lambda number: None)[2] >> 31) == (1, 0, 0)


def test_the_value_of_cpuid_is_the_register_that_is_asked_for():
    s = Session(vcpus=2)
    assert s.do("cpuid 80000007h edx").value == 0x100
    assert s.do("cpuid 80000007h").value == 0
    assert s.do("cpuid bh 1 ebx v1").value == s.machine.cpuid(0xB, 1, 1)[1]
    assert s.do("cpuid 0 v1").value == s.machine.cpuid(0, 0, 1)[0]
    assert s.log[-1].text == "cpuid 0 v1"
    assert s.parse("cpuid 1h 0h ecx v1").text() == "cpuid 1h 0h ecx v1"
    for line in ("cpuid 1 2 3", "cpuid 1 esi", "cpuid 1 0 v7"):
        with pytest.raises(CommandError):
            s.do(line)
