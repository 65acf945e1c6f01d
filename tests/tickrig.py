"""For tests of tick policies: an HPET timer that ticks into a local APIC, and windows in which vCPUs are out."""

from modelfabric import HPET, apics, entry, hpet

from timerlab import Session
from timerlab.clock import NANOSECONDS
from timerlab.line import Train

MS = 1_000_000
SOURCE = "hpet.t0.out"
YEAR = 365 * 86_400 * 10**9
C = (100_300_000, 150_300_000)
"""50 ms, from just after a tick."""


def rig(policy="off", guest="ideal", period=MS, target=None, **options):
    """HPET T0, periodic, first match at `period` ns, through pin 2 of the I/O APIC to vCPU 0."""
    s = Session(guest=guest, **options)
    s.outb(0x21, 0xFF)
    s.outb(0xA1, 0xFF)
    apics(s)
    entry(s, 2, 0x61)
    hpet(s, 0, 2 << 9 | 0x4C, period // 10, period // 10)
    s.machine.board.fabric.ticks.put("hpet.t0", policy, target)
    s.writel(HPET + 0x10, 1)
    return s


def see(s, what, source=SOURCE):
    """A value of its policy."""
    return s.machine.board.fabric.ticks.look(f"ticks.{source}.{what}")


def taken(s, source=SOURCE):
    """How many interrupts vCPUs took of a source."""
    return sum(s.machine.board.fabric.by_name[source].delivered)


class Out:
    """Lets time pass in which vCPUs are out in windows [out, back) of ns: their run lines' edges go to the fabric as
    the scheduler's would, with all that a step of time brings.
    """

    def __init__(self, s, windows=(), vcpu=0):
        self.s = s
        self.edges = [(at, level, vcpu) for out, back in windows for at, level in ((out, 0), (back, 1))]

    def also(self, windows, vcpu):
        """Windows of another vCPU."""
        self.edges = sorted(self.edges + Out(self.s, windows, vcpu).edges)
        return self

    def to(self, ns):
        """Go to `ns`."""
        board = self.s.machine.board
        for at, level, vcpu in self.edges:
            if self.s.now < at <= ns:
                board.flow.put(board.fabric.runs[vcpu], Train.edge(at, level))
        self.s.skip_to(ns)


def out_train(out, back, every, count):
    """`count` windows of `back - out` ns, each `every` ns."""
    return Train(NANOSECONDS, out, 0, back - out, every - (back - out), 2 * count)
