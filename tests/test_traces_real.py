"""Captured boots: every read of a modelled device comes out as QEMU answered it."""

from importlib import resources

import pytest

from timerlab import Session
from timerlab.replay import Feed
from timerlab.trace import OUTSIDE, Reader

BOOTS = sorted(
    (file for file in resources.files("timerlab.presets").iterdir() if file.name.endswith(".trace.gz")),
    key=lambda file: file.name,
)


@pytest.mark.parametrize("boot", BOOTS, ids=[boot.name for boot in BOOTS])
def test_every_read_of_a_captured_boot_is_equal(boot):
    s = Session(profile="qemu")
    result = s.do(f"replay {boot.name}")
    assert result.ok and result.value == 0
    tally = s.feeder.tally
    assert tally.differing == []
    with resources.as_file(boot) as path:
        reader = Reader(str(path))
        for _ in reader.lines():
            pass
    reads: dict[str, int] = {}
    for access in reader.trace.accesses:
        if access.device != OUTSIDE:
            reads[access.device] = reads.get(access.device, 0) + access.read
    for device, counts in tally.devices.items():
        assert sum(counts.as_dict().values()) == reads[device]
        assert counts.different == counts.unmodelled == 0
        if device != "rtc":
            # of the RTC, CMOS RAM is given where it is read before it was written
            assert counts.equal == reads[device]
    assert set(reads) == set(tally.devices)


@pytest.mark.parametrize("boot", BOOTS, ids=[boot.name for boot in BOOTS])
def test_a_captured_boot_is_travelled_through(boot):
    s = Session(profile="qemu")
    s.do(f"replay {boot.name}")
    end, digest = s.now, s.machine.digest()
    seen = []
    for share in (3, 1, 2):
        s.goto(end * share // 4)
        seen.append((s.now, s.machine.digest()))
    for now, there in reversed(seen):
        s.goto(now)
        assert (s.now, s.machine.digest()) == (now, there)
    s.to_end()
    assert (s.now, s.machine.digest()) == (end, digest)


@pytest.mark.parametrize("boot", BOOTS, ids=[boot.name for boot in BOOTS])
def test_typing_in_the_middle_of_a_captured_boot_goes_on_from_there(boot, tmp_path):
    s = Session(profile="qemu")
    s.do(f"replay {boot.name}")
    s.do("inb 40h")
    middle = s.log[0].end_ns * 2 // 3
    s.goto(middle)
    with resources.as_file(boot) as path:
        reader = Reader(str(path))
        for _ in reader.lines():
            pass
    t = Session(profile="qemu")
    Feed(reader.trace, 0).play(t.machine, len(reader.trace.accesses), until=middle)
    t.machine.advance(middle)
    assert s.machine.digest() == t.machine.digest()
    s.do("inb 61h")
    s.skip("1ms")
    now, digest = s.now, s.machine.digest()
    assert len(s.log) == 3
    s.goto(middle // 2)
    s.goto(0)
    s.to_end()
    assert (s.now, s.machine.digest()) == (now, digest)
    s.save(str(tmp_path / "x"))
    again = Session.load(tmp_path / "x.timerlab")
    assert (again.now, again.machine.digest()) == (now, digest)
