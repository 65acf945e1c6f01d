"""`explain tsc`: every line of arithmetic, done again with the numbers that stand in it."""

from __future__ import annotations

import re

import pytest

from timerlab import Session
from timerlab.errors import CommandError
from timerlab.scaling import apply_scale, ratio_of
from timerlab.text import count

ONE = 1 << 48


def made(*commands: str, **options: object) -> Session:
    session = Session(**options)  # type: ignore[arg-type]
    for command in commands:
        assert session.do(command).fault is None, command
    return session


def told(session: Session, vcpu: int = 0) -> str:
    return session.do(f"explain tsc {vcpu}").text


def sums(text: str) -> list[tuple[int, str, int, int]]:
    """Each `a + b = c` and `a − b = c`: the terms, the sign, the result."""
    number = r"(−?\d+(?: \d{3})*)"
    found = re.findall(rf"{number} ([+−]) {number} = {number}", text)
    return [(_int(a), sign, _int(b), _int(c)) for a, sign, b, c in found]


def products(text: str) -> list[tuple[int, int, int, int]]:
    """Each `a × b >> n = c`."""
    number = r"(\d+(?: \d{3})*)"
    return [
        (_int(a), _int(b), int(n), _int(c))
        for a, b, n, c in re.findall(rf"{number} × {number} >> (\d+) = {number}", text)
    ]


def _int(text: str) -> int:
    return int(text.replace(" ", "").replace("−", "-"))


def check(text: str, at_least: int) -> None:
    """All sums and products are right, and there are so many."""
    done = 0
    for a, sign, b, c in sums(text):
        assert (a + b if sign == "+" else a - b) == c, text
        done += 1
    for a, b, n, c in products(text):
        assert a * b >> n == c, text
        done += 1
    assert done >= at_least, text


def test_a_processor_by_itself() -> None:
    session = made("skip 12345678901ns", tsc_khz=2_600_000)
    lines = told(session).splitlines()
    assert lines[0] == "the TSC of v0 at 12.345 678 901 s: 32 098 765 142  0000 0007 793C 4956h"
    assert "12.345 678 901 s × 2.600 000 GHz = 32 098 765 142 cycles" in lines[2]
    assert 12_345_678_901 * 2_600_000 // 10**6 == 32_098_765_142
    check(told(session), 1)
    assert session.do("explain tsc v0").text == told(session)


def test_a_write_to_the_tsc_is_all_of_the_offset() -> None:
    session = made("skip 1s", "wrmsr 10h 5000 v1", "skip 1us", vcpus=2)
    text = told(session, 1)
    check(text, 1)
    assert f"− {count(2_599_995_000)} = 7600: L1's TSC" in text
    assert "TSC_ADJUST says the same" in text and "TSC_ADJUST   −2 599 995 000" in text
    assert "−2 599 995 000 cycles, −999.998 ms" in text
    assert "to v0" not in told(session, 0)


def test_a_reset_leaves_an_offset_that_is_no_writes() -> None:
    text = told(made("skip 1s", "reset", "wrmsr 3bh 7", "skip 1s"))
    check(text, 1)
    assert "+7 by writes, the other −2 600 000 000 because the TSC began at 0" in text


def test_a_crystal_that_is_off_and_a_processor_that_sleeps() -> None:
    session = made("skip 1s", vcpus=2, quirks={"sockets": "each", "nonstop_tsc": "no"})
    machine = session.machine
    machine.host_act(lambda: machine.board.host.set_ppm(0, 50, machine.now))
    machine.host_act(lambda: machine.board.host.sleep(1, "c3", machine.now))
    session.do("skip 3s")
    text = told(session)
    check(text, 2)
    assert "its crystal +50.0 ppm" in text and "2 600 000 000 at 1.000 000 000 s; since then 3.000 000 000 s" in text
    assert "3.000 000 000 s × 2.600 130 GHz = 7 800 390 000 cycles" in text
    assert "2 600 000 000 + 7 800 390 000 = 10 400 390 000" in text
    asleep = told(session, 1)
    assert "asleep in C3" in asleep and "it stands still: 2 600 000 000" in asleep
    machine.host_act(lambda: machine.board.host.set_ppm(0, 1, machine.now))
    session.do("skip 1s")
    check(told(session), 2)
    assert "× 2 600 002 600 Hz =" in told(session)


def test_a_ratio_and_an_offset() -> None:
    session = made("skip 10s", vcpus=1)
    ratio = ratio_of(2_000_000, 2_600_000, 48)
    session.machine.board.vcpus[0].set_l1(session.now, ratio=ratio, offset=-12_345)
    text = told(session)
    check(text, 2)
    assert products(text)[0][:3] == (26_000_000_000, ratio, 48)
    assert text.splitlines()[0].split(": ")[1].startswith(count((26_000_000_000 * ratio >> 48) - 12_345))
    session.machine.board.vcpus[0].set_controls(session.now, scaling=False)
    assert '"use TSC scaling" is 0' in told(session)
    session.machine.board.vcpus[0].set_controls(session.now, offsetting=False)
    assert '"use TSC offsetting" is 0' in told(session)
    check(told(session), 0)


def test_amd_has_32_bits_of_fraction() -> None:
    session = made("skip 10s", quirks={"vendor": "amd"})
    session.machine.board.vcpus[0].set_l1(session.now, ratio=3 << 31)
    assert products(told(session)) == [(26_000_000_000, 3 << 31, 32, 39_000_000_000)]


def test_an_offset_that_wraps_says_so() -> None:
    session = made("skip 1s")
    assert "modulo" not in told(session)
    session.machine.board.vcpus[0].set_l1(session.now, offset=-2_600_000_001)
    assert f"2 600 000 000 − 2 600 000 001 = {count((1 << 64) - 1)}, modulo 2^64" in told(session)


def test_l2_by_the_hardware_and_in_two_steps() -> None:
    session = made("skip 1s")
    machine, nested = session.machine, session.machine.board.nested
    machine.board.vcpus[0].set_l1(session.now, offset=-5_000_000_000, ratio=(9 << 48) // 10)
    assert "L2" not in told(session)
    nested.set_control(0, "use_tsc_offsetting", True)
    nested.set_control(0, "use_tsc_scaling", True)
    nested.set_offset(0, -777)
    nested.set_ratio(0, (1 << 47) + 123)
    assert nested.enter(0, machine.now) is None
    session.do("skip 3001ms")
    text = told(session)
    check(text, 5)
    m01, m12 = (9 << 48) // 10, (1 << 47) + 123
    assert (m01, m12, 48, m01 * m12 >> 48) in products(text)
    tsc2, steps = session.peek("nest0.tsc2"), session.peek("nest0.two_step")
    assert f"= {count(tsc2)}: L2's TSC" in text and text.splitlines()[0].split(": ")[1].startswith(count(tsc2))
    assert steps != tsc2 and f"it were {count(steps)}, {count(steps - tsc2)}" in text


def test_l2_without_a_ratio() -> None:
    session = made("skip 1s", "wrmsr 3bh 1000")
    nested = session.machine.board.nested
    nested.set_control(0, "use_tsc_offsetting", True)
    nested.set_offset(0, 500)
    assert nested.enter(0, session.now) is None
    text = told(session)
    assert "o02 = o01 + o12 = 1000 + 500 = 1500" in text and "2 600 000 000 + 1500 = 2 600 001 500: L2's TSC" in text


def test_kvm_says_which_write_put_the_offset_there() -> None:
    session = made("skip 3456789012ns", "wrmsr 3bh 130 v1", "skip 1s", profile="kvm", vcpus=2)
    text = told(session)
    check(text, 2)
    assert "generation 1 of TSC writes began with 0 when kvmclock was 0.000 000 000 s" in text
    assert "put −26 000 000 000 000 there, for all vCPUs of the generation" in text
    assert "there; moved since: +130 by the guest's writes" in told(session, 1)


def test_kvm_tells_generations_apart() -> None:
    session = made("skip 1s", profile="kvm", vcpus=2)
    session.machine.board.policy.set_tsc(0, 10**12, session.now)
    text = told(session)
    check(text, 2)
    assert "generation 2 of TSC writes began with 1 000 000 000 000 when kvmclock was 1.000 000 000 s" in text
    assert "others have begun generation 2 since" in told(session, 1)


def test_palacios_multiplies_dilation_and_rate_in_its_order() -> None:
    session = made("skip 1s", profile="palacios")
    policy = session.machine.board.policy
    policy.set_khz(0, 2_000_000)  # type: ignore[attr-defined]
    policy.set_dilation(1, 2)  # type: ignore[attr-defined]
    policy.trap(0, session.now)  # type: ignore[attr-defined]
    session.do("skip 1s")
    text = told(session)
    check(text, 3)
    assert "× 1 / 2 = 1 300 000 000, dilation" in text and "× 10 / 13 = 1 000 000 000, the guest's rate" in text
    assert "RDTSC is trapped" in text


def test_kvmclock_from_the_page_to_true_time() -> None:
    session = made("skip 1s", profile="kvm")
    assert "pvclock" not in told(session)
    for command in ("wrmsr 4b564d01h 1001h", "skip 3456789012ns"):
        session.do(command)
    text = told(session)
    tsc, stamp, ns, mul, shift = (
        session.peek(name) for name in ("vcpu0.l1tsc", "pv0.tsc_timestamp", "pv0.ns", "pv0.mul", "pv0.shift")
    )
    assert f"{count(tsc)} − {count(stamp)} = {count(tsc - stamp)} cycles" in text
    assert f">> {-shift} = {count(tsc - stamp >> -shift)}" in text
    part = apply_scale(tsc - stamp, mul, shift)
    assert f"{count(tsc - stamp >> -shift)} × C4EC 4EC4h >> 32 = {count(part)} ns" in text
    assert f"+ system_time {count(ns)} = {count(ns + part)} ns" in text
    off = ns + part - session.now
    assert off < 0 and f"kvmclock is {count(off)} ns to it" in text
    assert f"its page is at 0000 1000h, version {session.peek('pv0.version')}" in text


def test_palacios_shows_guest_cycles_and_its_own_offset() -> None:
    session = made("skip 1s", "wrmsr 10h 5000", "skip 1ms", profile="palacios")
    text = told(session)
    check(text, 4)
    assert "= 2 600 000 000 host cycles from start to the last advance" in text
    assert "2 600 000 000 − 2 599 995 000 = 5000, which the guest's TSC was then" in text
    assert "TSC_ADJUST" not in text, "Palacios hooks no MSR 3Bh"


def test_nvmm_says_what_a_rebase_put_there() -> None:
    session = made("skip 1s", "wrmsr 10h 5000", "skip 1ms", profile="nvmm")
    text = told(session)
    check(text, 2)
    assert "NVMM: gtsc 5000 less the host's TSC" in text


@pytest.mark.parametrize(("line", "column", "words"), [
    ("explain tsc 9", 13, "9 is no vCPU: v0 to v1"),
    ("explain tsc rate", 13, "rate is no vCPU"),
    ("explain tsc 0 1", 13, "one word too many"),
])  # fmt: skip
def test_what_is_wrong_is_said_at_its_word(line: str, column: int, words: str) -> None:
    with pytest.raises(CommandError) as error:
        made(vcpus=2).do(line)
    assert words in error.value.message and error.value.column == column


def test_it_is_completed_and_changes_nothing() -> None:
    session = made("skip 1s", vcpus=3)
    assert [one.text for one in session.complete("explain tsc ")] == [f"explain tsc {v}" for v in range(3)]
    assert [one.text for one in session.complete("explain tsc 2")] == []
    before, log = session.machine.digest(), len(session.log)
    told(session, 2)
    assert session.machine.digest() == before and len(session.log) == log
    assert "IA32_TIME_STAMP_COUNTER" in session.do("explain tsc").text
    action = session.parse("explain tsc v2")
    assert action is not None and session.parse(action.text()) == action
