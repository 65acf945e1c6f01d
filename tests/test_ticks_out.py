"""vCPUs that are out for a while: who waits, what a handler does, what a year of it costs; and policies as commands."""

import pytest
from modelfabric import entry, lapic_timer, pit, session, walk
from tickrig import MS, SOURCE, YEAR, C, Out, out_train, rig, see, taken

from timerlab import Session
from timerlab.devices import flow
from timerlab.devices.ticks import POLICIES
from timerlab.devices.ticks_regs import source_named
from timerlab.errors import CommandError

# -- vCPUs that are out


def test_a_vcpu_that_is_out_gives_no_vector():
    s = session()
    lapic_timer(s, 1000)
    out = Out(s, [(500, 5_000)])
    out.to(2_000)
    assert s.inta() is None
    assert s.peek("vcpu0.taken") == 0
    out.to(5_000)
    assert s.inta() == 0x41


def test_a_handler_goes_on_with_the_rest_of_its_time():
    """Taken at 1 ms, 100 us long, out from 1.04 to 3.5 ms: it ends at 3.56 ms."""
    s = Session(guest="latency=100us")
    lapic_timer(s, MS)
    out = Out(s, [(1_040_000, 3_500_000)])
    out.to(3_000_000)
    assert (s.peek("vcpu0.busy"), s.peek("vcpu0.serving")) == (None, 0x41)
    out.to(3_559_999)
    assert (s.peek("vcpu0.busy"), s.peek("vcpu0.taken")) == (3_560_000, 1)
    out.to(3_560_000)
    assert (s.peek("vcpu0.busy"), s.peek("vcpu0.taken")) == (3_660_000, 2)


def test_a_handler_that_would_end_as_its_vcpu_goes_out_ends_when_it_is_back():
    s = Session(guest="latency=100us")
    lapic_timer(s, MS)
    out = Out(s, [(1_100_000, 1_500_000)])
    out.to(1_499_999)
    assert s.peek("vcpu0.serving") == 0x41
    out.to(1_500_000)
    assert s.peek("vcpu0.serving") is None


def test_only_the_vcpu_that_is_out_waits():
    s = Session(guest="ideal", vcpus=2)
    for vcpu in range(2):
        lapic_timer(s, 100_000, vcpu=vcpu)
    Out(s, [(250_000, 750_000)], vcpu=1).to(MS)
    assert [s.peek(f"vcpu{vcpu}.taken") for vcpu in range(2)] == [10, 6]
    assert s.peek("lapic1.timer.coalesced") == 4


def test_an_nmi_is_counted_while_the_vcpu_is_out():
    s = Session(guest="ideal")
    pit(s)
    entry(s, 2, 0x400)
    before = s.peek("irq.0.edges")
    Out(s, [(MS, 10 * MS)]).to(10 * MS - 1)
    assert s.peek("lapic0.nmis") == s.peek("irq.0.edges") - before


@pytest.mark.parametrize("who", ["none", "manual"])
def test_where_nobody_takes_interrupts_a_year_of_windows_costs_nothing(who):
    s = Session(guest=who)
    lapic_timer(s, MS)
    board = s.machine.board
    board.flow.put(board.fabric.runs[0], out_train(10_500_000, 20_500_000, 20 * MS, YEAR // (20 * MS) - 1))
    s.skip(YEAR)
    assert s.peek("lapic0.timer.edges") == YEAR // MS
    assert board.flow.stepped == 0


def test_a_year_of_windows_is_estimated(monkeypatch):
    """Off and on each 10 ms: the counts go on in proportion after the budget."""
    monkeypatch.setattr(flow, "BUDGET", 2000)
    s = rig("discard")
    board = s.machine.board
    board.flow.put(board.fabric.runs[0], out_train(10_500_000, 20_500_000, 20 * MS, 180_000))
    s.skip_to(3600 * 1000 * MS)
    assert board.flow.estimated_since is not None
    due = 3600 * 1000
    assert see(s, "due") == due
    assert abs(see(s, "delivered") - due * 55 // 100) < due // 100
    assert abs(see(s, "lost") - due * 45 // 100) < due // 100


def test_how_time_is_sliced_does_not_show_in_such_an_estimate(monkeypatch):
    monkeypatch.setattr(flow, "BUDGET", 500)
    whole, sliced = rig("slew"), rig("slew")
    windows = [(k * 5 * MS + 100_000, k * 5 * MS + 3_300_000) for k in range(1, 200)]
    Out(whole, windows).to(1200 * MS)
    for cut in (7_000_001, 80 * MS, 81_234_567, 300 * MS, 301 * MS, 900 * MS, 1200 * MS):
        Out(sliced, windows).to(cut)
    assert whole.machine.board.flow.estimated_since is not None
    assert whole.machine.board.fabric.snapshot() == sliced.machine.board.fabric.snapshot()
    assert whole.machine.board.flow.snapshot() == sliced.machine.board.flow.snapshot()
    for s in (whole, sliced):
        s.inb(0x61)
        s.skip(20 * MS)
    assert whole.machine.board.fabric.snapshot() == sliced.machine.board.fabric.snapshot()


@pytest.mark.parametrize("policy", POLICIES)
def test_a_year_of_a_running_guest_is_exact_under_any_policy(policy):
    s = rig(policy)
    Out(s, [C]).to(YEAR)
    assert s.machine.board.flow.estimated_since is None
    assert see(s, "due") == YEAR // MS
    assert see(s, "lag") == {"discard": 49, "merge": 49, "discard_nolatch": 50, "delay": 50}.get(policy, 0)


@pytest.mark.parametrize("policy", POLICIES)
def test_a_year_of_a_slow_guest_is_exact_under_any_policy(policy):
    s = rig(policy, "latency=50us")
    Out(s, [C]).to(YEAR)
    assert s.machine.board.flow.estimated_since is None
    assert see(s, "lag") == {"discard": 49, "merge": 49, "discard_nolatch": 50, "delay": 50}.get(policy, 0)


def test_a_source_with_another_one_beside_it():
    """Two timers, one of them under a policy, in leaps and edge by edge."""
    machines = []
    for leaps in (True, False):
        s = rig("slew")
        lapic_timer(s, 70_000, 0x71)
        if not leaps:
            walk(s)
        Out(s, [C, (300 * MS, 305 * MS)]).to(400 * MS)
        machines.append(s.machine)
    assert machines[0].digest() == machines[1].digest()
    assert machines[0].peeks() == machines[1].peeks()


def test_delay_lets_only_its_own_source_stand_still():
    s = rig("delay")
    lapic_timer(s, MS, 0x71)
    Out(s, [C]).to(200 * MS)
    assert (taken(s), s.peek("lapic0.timer.delivered")) == (150, 151)


def test_delay_is_for_the_vcpu_that_it_is_told():
    s = rig("delay", target=1, vcpus=2)
    Out(s, [C]).also([(20 * MS + 1, 30 * MS + 1)], 1).to(200 * MS)
    # 10 ms of vCPU 1, and of those that meet vCPU 0 while it is out one is latched
    assert see(s, "lag") == 10 + 49
    assert see(s, "vcpu") == 1


# -- setting and seeing


def test_a_policy_can_be_taken_away():
    s = rig("slew")
    Out(s, [C]).to(150_300_000)
    s.machine.board.fabric.ticks.put("hpet.t0", "off")
    s.skip_to(200 * MS)
    assert taken(s) == 101 + 50
    assert see(s, "policy") == "off"
    assert not [name for name in s.peeks() if name.startswith("ticks.")]


def test_what_a_policy_shows_is_described():
    s = rig("reinject")
    names = {name for name in s.peeks() if name.startswith("ticks.")}
    assert f"ticks.{SOURCE}.lag" in names
    assert names <= s.machine.board.fabric.peeks.keys()


@pytest.mark.parametrize(
    ("word", "name"),
    [
        ("pit", "irq.0"),
        ("rtc", "irq.8"),
        ("hpet.t2", "hpet.t2.out"),
        ("lapic3", "lapic3.timer"),
        ("irq5", "irq.5"),
        ("IRQ.5", "irq.5"),
        ("pin.16", "pin.16"),
        ("hpet.t0.out", "hpet.t0.out"),
    ],
)
def test_sources_by_the_names_that_people_use(word, name):
    assert source_named(word) == name


@pytest.mark.parametrize(
    "args", [("nothing", "slew"), ("irq.2", "slew"), ("pit", "fast"), ("pit", "slew", 1), ("ipi", "slew")]
)
def test_a_policy_that_makes_no_sense_changes_nothing(args):
    s = rig("slew")
    digest = s.machine.digest()
    with pytest.raises(ValueError, match=r"no (tick source|policy|vCPU)"):
        s.machine.board.fabric.ticks.put(*args)
    assert s.machine.digest() == digest


def test_a_policy_of_a_masked_interrupt_loses_its_ticks():
    s = rig("discard")
    entry(s, 2, 0x1_0061)
    s.skip_to(10 * MS)
    assert (see(s, "due"), see(s, "lost"), taken(s)) == (10, 10, 0)


# -- the command


def test_policy_is_a_command_that_is_logged_and_saved(tmp_path):
    s = Session(guest="ideal")
    lapic_timer(s, MS)
    said = s.do("policy lapic0 slew")
    assert said.text.startswith("lapic0.timer: ticks that were missed come as extra ones")
    Out(s, [C]).to(100 * MS)
    assert s.machine.board.ticks.look("ticks.lapic0.timer.delivered") == 100
    s.do("policy irq5 delay v0")
    path = tmp_path / "a.timerlab"
    s.save(str(path))
    assert "policy lapic0 slew\n" in path.read_text()
    again = Session.load(path)
    assert again.machine.digest() == s.machine.digest()
    s.back()
    assert s.machine.board.ticks.look("ticks.irq.5.policy") == "off"
    s.to_end()
    assert s.machine.board.ticks.look("ticks.irq.5.policy") == "delay"
    s.do("policy lapic0 off")
    assert s.machine.board.ticks.look("ticks.lapic0.timer.policy") == "off"


@pytest.mark.parametrize(
    ("line", "column", "says"),
    [
        ("policy pti slew", 8, "no tick source pti"),
        ("policy irq.2 slew", 8, "no tick source irq.2"),
        ("policy pit sleww", 12, "Did you mean slew"),
        ("policy pit slew v7", 17, "v7 is no vCPU"),
        ("policy pit", 11, "policy wants POLICY"),
    ],
)
def test_a_wrong_word_is_told_with_its_column(line, column, says):
    s = Session()
    with pytest.raises(CommandError, match=says) as told:
        s.do(line)
    assert told.value.column == column


@pytest.mark.parametrize(("quirk", "policy"), [("stands", "delay"), ("reinject", "reinject")])
def test_kvm_pit_calls_reinjection_delay(quirk, policy):
    s = Session(quirks={"tick_delay": quirk})
    s.do("policy pit delay")
    assert s.machine.board.ticks.look("ticks.irq.0.policy") == policy


def test_a_handler_may_go_on_while_its_vcpu_is_out():
    """The quirk handler_out: taken at 1 ms, it ends at 1.1 ms, and the next one waits for the vCPU."""
    s = Session(guest="latency=100us", quirks={"handler_out": "goes_on"})
    lapic_timer(s, MS)
    out = Out(s, [(1_040_000, 3_500_000)])
    out.to(1_100_000)
    assert (s.peek("vcpu0.busy"), s.peek("vcpu0.serving")) == (None, None)
    out.to(3_500_000)
    assert (s.peek("vcpu0.busy"), s.peek("vcpu0.taken")) == (3_600_000, 2)


@pytest.mark.parametrize(
    ("policy", "part"), [("discard", 55), ("delay", 50), ("slew", 100), ("merge", 55), ("reinject", 100)]
)
def test_a_year_of_windows_is_estimated_in_the_proportion_of_each_policy(policy, part):
    s = rig(policy)
    board = s.machine.board
    board.flow.put(board.fabric.runs[0], out_train(10_500_000, 20_500_000, 20 * MS, YEAR // (20 * MS) - 1))
    s.skip_to(YEAR)
    due = YEAR // MS
    assert board.flow.estimated_since is not None
    assert see(s, "due") == due
    assert abs(see(s, "delivered") - due * part // 100) < due // 1000
    assert 0 <= see(s, "lag") <= due


def test_when_a_policy_acts_next():
    s = rig("slew")
    out, ticks = Out(s, [C]), s.machine.board.ticks
    out.to(120 * MS)
    assert ticks.next_moment() is None
    out.to(150_300_000)
    assert ticks.next_moment() == 150_375_000
    s = rig("delay")
    out, ticks = Out(s, [C]), s.machine.board.ticks
    out.to(120 * MS)
    assert ticks.next_moment() is None
    out.to(150_300_000)
    assert ticks.next_moment() == 151_000_000
