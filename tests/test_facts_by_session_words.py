"""Words that make no sense, and the odd ends of the commands of hosts and guests."""

import json
import re
import subprocess
import sys

import pytest
from sessionrig import lab

from timerlab import CommandError, Session

NONSENSE = {
    "kvm": """
        kvm; kvm foo; kvm set_tsc; kvm set_tsc x; kvm set_tsc_khz -1; kvm set_tsc 1 v9; kvm set_clock;
        kvm set_clock -1; kvm set_clock 0 realtime; kvm interrupt; kvm clocksource foo; kvm get_tsc 5;
        kvm host_tsc_step; kvm create v1; v3 advance; nvmm lost; apf missing; apf ready 8000h;
        apf missing 8000h cpl9; apf foo 1; pvread v9; pvread foo; pvread; pvwall; pvwrite; pvwrite foo; pvwrite next;
        l2; l2 foo; l2 exit; l2 offset; l2 offset x; l2 ratio -1; l2 ratio 1.2.3; l2 ratio 65536.0;
        l2 controls foo on; l2 controls use_tsc_scaling maybe; l2 intercept foo on; l2 intercept rdtsc;
        l2 preemption_timer -1; l2 enter v7; l2 enter enter; os; os foo; os read system; os boot hz 0; os boot hz;
        os boot source foo; os boot watchdog foo; os ntp on; os hang v0 foo; os calibrate foo; probe foo;
        probe read foo; probe udelay; probe alias 0; probe fair 0 0; probe covert 1021; probe lost 0 0 0; policy;
        policy pit; policy pit foo; policy foo merge; policy pit merge v9; hostload; hostload v0; hostload v0 10ms;
        hostload v0 20ms 10ms; hostload v0 0 10ms; hostload p9 1; hostload v9 1ms 2ms; hostload p0 -1;
        hostload share maybe; migrate v0; migrate v0 p9; migrate host 0; migrate host 3000000 -1; migrate v9 p0;
        suspend; suspend -1; smi; preempt v0 -5; vmexit v0 foo; preempt v9; cstate p0 c9; pstate p0 0; tstate p0 0;
        tstate p0 101; socket 5 1; socket 0 2000000; spread 0 -1; plug p0 none; plug p9 none; catchup p9; wrmsr tsc;
        wrmsr tsc 10000000000000000h; wrmsr foo 1; rdmsr 100000000h; rdtsc v9; cpl 1; tsd 2; show foo; show ticks;
        expect foo == 1; until foo
    """,
    "palacios": """
        v3; v3 foo; v3 ratio 1; v3 dilation 0 1; v3 dilation 1 0; v3 khz x; v3 follow maybe; v3 offset_time -1000;
        v3 skip_time; v3 remove_timer a; v3 advance v1; v3 enter x; kvm get_tsc; vmcall; vmcall x
    """,
    "nvmm": """
        nvmm; nvmm foo; nvmm commit x; nvmm lost 5 6; apf missing 8000h; apf
    """,
}


@pytest.mark.parametrize("profile", ["kvm", "palacios", "nvmm"])
def test_nonsense_gets_one_clear_line_and_changes_nothing(profile):
    s = lab(profile)
    s.skip("1ms")
    before = {name: s.peek(name) for name in _names(s)}
    for line in (line.strip() for line in NONSENSE[profile].split(";")):
        with pytest.raises(CommandError) as error:
            s.do(line)
        text = str(error.value)
        assert (
            "\n" not in text and 8 <= len(text) <= 500 and not re.search(r"Error\b|Traceback|NoneType|argument", text)
        ), (line, text)
        assert {name: s.peek(name) for name in before} == before, line


def _names(s: Session) -> list[str]:
    return [
        line.split()[0]
        for line in s.do("show").text.splitlines()
        if re.match(r"(vcpu|kvm|pv|nest|policy|host|os|sched)\w*\.", line)
    ]


def test_a_script_of_these_commands_runs_and_tells_what_was_not_met(tmp_path):
    script = tmp_path / "x.timerlab"
    script.write_text(
        "#: profile = kvm\n#: vcpus = 2\nwrmsr kvm_system_time 1001h\npreempt v0 5ms\nskip 1s\n"
        "expect vcpu0.steal_ns == 5000000\nexpect fault wrmsr kvm_steal_time 3002h\nexpect refused pvread v1\n"
        "expect pvread v0 >= 999999990\nexpect kvm.master == 0\n"
    )
    ran = subprocess.run(
        [sys.executable, "-m", "timerlab", "run", "--json", str(script)], capture_output=True, text=True, check=False
    )
    rows = [json.loads(line) for line in ran.stdout.splitlines()]
    assert ran.returncode == 1 and [row["line"] for row in rows] == list(range(3, 11))
    assert "kvm.master" in rows[-1]["text"] and rows[-1]["t_ns"] == 1_000_000_000
    script.write_text("#: profile = kvm\nskip 1s\nkvm foo\n")
    ran = subprocess.run(
        [sys.executable, "-m", "timerlab", "run", str(script)], capture_output=True, text=True, check=False
    )
    assert ran.returncode == 2 and ":3:5: no call foo" in ran.stderr + ran.stdout


def test_until_says_when_it_cannot_know_since_when():
    s = lab("kvm")
    assert s.do("until vcpu0.l1tsc >= 2600000").value == s.now == 1_000_000
    assert s.do("until host.p0.tsc >= 26000005200000").value == s.now == 2_000_000
    r = s.do("until kvm.clock >= 3000000 limit 5ms")
    assert s.now == r.value == 7_000_000 and "since when is not known" in r.text
    assert "not within" in s.do("until kvm.clock >= 1000000000 limit 5ms").text
