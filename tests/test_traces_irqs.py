"""Captured boots, all of them: each read of each timer chip, and the edges that the 8259 saw."""

import gzip
import re
from pathlib import Path

import pytest

from timerlab import Session
from timerlab.trace import OUTSIDE, load_trace

FOLDER = Path(__file__).parent.parent.parent / "shared" / "traces"
NAMES = (
    "grub-play-date",
    "linux-lapic-periodic",
    "linux-pc",
    "linux-pit-only",
    "memtest86",
    "oracle-lapic-pit-tcg",
    "seabios-pc",
    "seabios-pc-vga-beep",
)
EDGE = re.compile(r"(\d+) pic_set_irq master ([01]) irq (\d) level ([01])")
GIVEN = 6
"""Bytes of CMOS RAM that each boot reads before it writes them: what the machine put there."""

pytestmark = pytest.mark.skipif(not FOLDER.is_dir(), reason="the captured boots are kept outside of this project")
boots = pytest.mark.parametrize("boot", NAMES)


def rises_seen(path):
    """For IRQ 0 and IRQ 8, when QEMU's 8259 saw the line go from 0 to 1; and the time of the last line."""
    level, rises, last = {0: 0, 8: 0}, {0: [], 8: []}, 0
    with gzip.open(path, "rt") as lines:
        for line in lines:
            if line[0].isdigit():
                last = int(line.split(None, 1)[0])
            edge = EDGE.match(line)
            if edge is None:
                continue
            irq = int(edge[3]) + (0 if edge[2] == "1" else 8)
            if irq in level:
                now = int(edge[4])
                if now and not level[irq]:
                    rises[irq].append(int(edge[1]))
                level[irq] = now
    return rises, last


def replayed(boot):
    """A session that replayed the boot, and how many reads of each device the trace has."""
    path = str(FOLDER / f"{boot}.trace.gz")
    session = Session(profile="qemu")
    assert session.do(f"replay {path}").ok
    *_, trace = load_trace(path)
    reads: dict[str, int] = {}
    for access in trace.accesses:
        if access.device != OUTSIDE:
            reads[access.device] = reads.get(access.device, 0) + access.read
    return session, reads


@boots
def test_a_captured_boot_reads_and_interrupts_as_it_did_in_qemu(boot):
    session, reads = replayed(boot)
    # no read differs, and each is counted; only what the firmware left in CMOS RAM is given
    tally = session.feeder.tally
    assert tally.differing == []
    assert set(tally.devices) == set(reads)
    for device, counts in tally.devices.items():
        assert sum(counts.as_dict().values()) == reads[device]
        assert counts.different == counts.unmodelled == 0, device
        assert counts.given == (GIVEN if device == "rtc" else 0), device
    # each rise of IRQ 0 and IRQ 8 is one that QEMU's 8259 saw; where there is no HPET, the PIT's level at power-on
    # never reached it
    rises, last = rises_seen(FOLDER / f"{boot}.trace.gz")
    machine = session.machine
    machine.advance(max(last, session.now))
    assert machine.peek("irq.0.edges") == len(rises[0]) + (boot == "linux-pit-only")
    assert machine.peek("irq.8.edges") == len(rises[8])
    # QEMU's timers run a little late: the edge here is never after the one that was captured
    for irq in (0, 8):
        edge = machine.edge_before(f"irq.{irq}", machine.now + 1)
        if rises[irq] and edge is not None and edge[1]:
            assert edge[0] <= rises[irq][-1]
