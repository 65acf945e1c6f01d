"""`os` and `probe`, as they are typed: what they do, that their text is the same command, and where errors point."""

from fractions import Fraction
from types import SimpleNamespace

import pytest
from osrig import MS, S, World

import timerlab.commands.os
import timerlab.commands.probe  # noqa: F401  (both add their verbs)
from timerlab.clock import Clock
from timerlab.commands import parse
from timerlab.commands.verb import Words
from timerlab.devices.probe import Probe
from timerlab.errors import CommandError

WORDS = Words({"pit": Clock.at(Fraction(105_000_000, 88))}, ("irq.0", "lapic0.timer"), (), vcpus=2)


class Machine:
    """A machine that has only a guest's system and its probes."""

    def __init__(self):
        self.world = World(vcpus=2)
        probe = Probe(self.world.sight.tsc, self.world.sight.tsc_khz, 2)
        self.board = SimpleNamespace(os=self.world.os, probe=probe)

    @property
    def now(self):
        return self.world.now

    def peeks(self):
        return self.world.os.peek(self.now)

    def host_act(self, act):
        act()

    def do(self, line):
        action = parse(line, WORDS)
        before = self.peeks()
        value = action.apply(self)
        return value, action.words(self, value, before)


@pytest.mark.parametrize(
    "line",
    [
        "os boot",
        "os boot hz 250 clocksource tsc no-kvmclock nolapic watchdog modern calibration hpet window 50ms late 1us",
        "os boot nolapic_timer tsc_reliable nosoftlockup nohardlockup source irq.0 compensate buggy",
        "os calibrate pm 50ms",
        "os calibrate hpet 10ms 1us",
        "os ntp on",
        "os ntp on 16s",
        "os ntp off",
        "os compensate right",
        "os watchdog modern",
        "os watchdog soft off",
        "os watchdog hard on",
        "os clocksource hpet",
        "os hang v1 irq",
        "os disturb 100ms",
        "os read kvmclock",
        "probe read lfence",
        "probe refresh 6436668531813 12292479390 3308756133 -1 6436936248314 12395600930",
        "probe udelay 100us 40us 5ms counted",
        "probe covert 0110 100ms",
        "probe latency 1ms 10ms 10ms 10.5ms",
    ],
)
def test_a_commands_text_is_the_same_command(line):
    action = parse(line, WORDS)
    assert parse(action.text(), WORDS) == action


def test_options_may_be_written_as_a_kernel_has_them():
    assert parse("os boot hz=250 no-kvmclock", WORDS) == parse("os boot hz 250 no-kvmclock", WORDS)


@pytest.mark.parametrize(
    "line, column",
    [
        ("os", 3),
        ("os bot", 4),
        ("os boot hz", 11),
        ("os boot hz x", 12),
        ("os boot hz=x", 12),
        ("os boot hz 20000", 9),
        ("os boot clocksource sundial", 21),
        ("os boot source irq.99", 16),
        ("os boot calibration pit window 60ms", 9),
        ("os read", 8),
        ("os read sun", 9),
        ("os read tsc now", 13),
        ("os hang v7 irq", 9),
        ("os ntp on 5pit", 11),
        ("os ntp off 5s", 12),
        ("probe", 6),
        ("probe reed", 7),
        ("probe read hand", 12),
        ("probe udelay 100us", 19),
        ("probe udelay 100us 4x 5ms", 20),
        ("probe band 1 2 3", 16),
    ],
)
def test_an_error_points_at_the_word(line, column):
    with pytest.raises(CommandError) as caught:
        parse(line, WORDS)
    assert caught.value.column == column


def test_a_system_boots_calibrates_and_is_read():
    m = Machine()
    _, words = m.do("os boot hz 250")
    assert "ticks are irq.0 at 250 Hz; TSC against pit until 0.009 999 315 s" in words
    m.world.skip(S)
    value, words = m.do("os read tsc")
    assert value == m.world.os.ns("tsc", S)
    assert "10 ms against pit" in words
    m.do("os calibrate hpet")
    m.world.skip(20 * MS)
    assert m.world.os.state.khz == 2_600_000


def test_every_turn_is_taken():
    m = Machine()
    m.do("os boot calibration kvm")
    for line in ("os compensate right", "os watchdog modern", "os watchdog soft off", "os watchdog hard off"):
        m.do(line)
    o = m.world.os.state.options
    assert (o.compensate, o.watchdog, o.soft, o.hard) == ("right", "modern", False, False)
    _, words = m.do("os clocksource hpet")
    assert "system clock by hpet" in words
    m.do("os hang v1 preempt")
    assert m.world.os.cores[1].hang == "preempt"
    m.do("os ntp on 16s")
    assert m.world.os.ntp.due == 16 * S
    m.do("os ntp off")
    assert not m.world.os.ntp.on
    m.do("os disturb 5ms")
    assert m.world.os.state.cs_gap == 5 * MS


def test_what_makes_no_sense_now_is_refused():
    m = Machine()
    for line in ("os ntp on", "os calibrate hpet", "os clocksource tsc", "os read tsc"):
        with pytest.raises(ValueError, match="os boot"):
            m.do(line)


@pytest.mark.parametrize(
    "line, value",
    [
        ("probe read none", 9615),
        ("probe udelay 100us 40us 5ms", 5_040_000),
        ("probe cli 20us 5ms", 5_020_000),
        ("probe covert 1011", 11),
        ("probe iodelay 10", 130_000),
        ("probe sleep 1ms 10ms", 20_000_000),
        ("probe migrate 2600000 3000000", 1_153_846_153),
        ("probe warp", 0),
        ("probe refresh 6436668531813 12292479390 3308756133 -1 6436936248314 12395600930", -154),
    ],
)
def test_a_probes_value_is_a_number(line, value):
    got, words = Machine().do(line)
    assert got == value
    assert words
