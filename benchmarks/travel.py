"""Travel along a log, and traces: reading them and playing them."""

from __future__ import annotations

import contextlib
import gzip
import random
import tempfile
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from statistics import median

from engine import SECOND, all_three, program
from measure import Group, Row, cpu, per_second, span, turns

from timerlab import Session
from timerlab.commands.script import ReplayTrace
from timerlab.machine import Config, Machine
from timerlab.replay import MODELLED, Feed
from timerlab.trace import MEMORY_DEVICES, OUTSIDE, Reader, Trace

COMMANDS = 5000
MOMENTS = 200
AIM_NS = 100e6
BOOT = "boot-linux.trace.gz"
QTEST = "QEMU through qtest, as stated in the captured traces' notes"
QTEST_RATE = "45,000–215,000/s"


@dataclass(frozen=True)
class Boot:
    """A trace to replay: where it is, and what it is called in the table."""

    path: str
    name: str


@contextlib.contextmanager
def boot(given: str | None) -> Iterator[Boot]:
    """The trace that was named, the preset's, or one that is made up."""
    preset = resources.files("timerlab.presets") / BOOT
    if given is not None:
        yield Boot(given, Path(given).name)
    elif preset.is_file():
        with resources.as_file(preset) as path:
            yield Boot(str(path), f"the preset {BOOT}")
    else:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "synthetic.trace.gz"
            path.write_bytes(gzip.compress("\n".join(synthetic()).encode()))
            yield Boot(str(path), "a made-up boot")


def synthetic(reads: int = 30_000) -> Iterator[str]:
    """What Linux does to the PIT when it boots, in small: tick set up, then calibration by polling channel 2."""
    machine = Machine(Config("qemu"))
    now = 0

    def access(kind: str, port: int, value: int, after: int) -> str:
        nonlocal now
        now += after
        machine.advance(now)
        if kind == "write":
            machine.write(port, value)
        else:
            value = machine.read(port)
        name = "pcspk" if port == 0x61 else "pit"
        return f"{now} memory_region_ops_{kind} cpu 0 addr {port:#x} value {value:#x} size 1 name '{name}'"

    for port, value in ((0x43, 0x34), (0x40, 0), (0x40, 0)):
        yield access("write", port, value, 1000)
    for index in range(reads):
        if index % 10_000 == 0:
            yield access("read", 0x61, 0, 3 * SECOND)
            for port, value in ((0x61, 1), (0x43, 0xB0), (0x42, 0xFF), (0x42, 0xFF)):
                yield access("write", port, value, 1000)
        yield access("read", 0x42, 0, 1440)


def busy_session() -> Session:
    """5000 commands as a person or a guest would give them: counts, latches, reads, gates and waits."""
    session, dice = all_three(), random.Random(43)
    while len(session.log) < COMMANDS:
        what = dice.randrange(10)
        if what < 3:
            session.skip(dice.randrange(1, 20_000_000))
        elif what < 5:
            session.outb(0x43, dice.randrange(3) << 6)
        elif what < 8:
            session.inb(0x40 + dice.randrange(3))
        elif what < 9:
            session.outb(0x61, dice.randrange(4))
        else:
            program(session, dice.randrange(3), dice.choice((0, 2, 3)), dice.randrange(2, 65536))
    return session


def gotos(session: Session, moments: list[int]) -> list[float]:
    """What it costs to go from the end back to each of the moments."""
    costs = []
    for moment in moments:
        session.to_end()
        costs.append(cpu(lambda at=moment: session.goto(at)))
    session.to_end()
    return costs


def backs(session: Session) -> list[float]:
    """What it costs to go back a stop, a hundred times in a row."""
    session.to_end()
    costs = [cpu(session.back) for _ in range(100)]
    session.to_end()
    return costs


def travel_rows(name: str, session: Session, moments: list[int], once: float) -> list[Row]:
    """Worst, median and back, against what it cost to get there the first time."""
    costs, stops = gotos(session, moments), backs(session)
    peer = "all of it, the first time"
    rows = []
    for what, cost in (("worst", max(costs)), ("median", median(costs))):
        title = f"goto, {what} of {len(moments)} moments, {name}"
        rows.append(Row(title, span(cost), peer, span(once), cost / once, "under 100 ms", cost < AIM_NS))
    if len(session.log) >= 100:
        cost = max(stops)
        title = f"back, worst of 100 in a row, {name}"
        rows.append(Row(title, span(cost), peer, span(once), cost / once, "under 100 ms", cost < AIM_NS))
    return rows


def travel(trace: Boot, quick: bool) -> Group:
    """From the end of a log back to any moment."""
    dice = random.Random(146818)
    once = median(cpu(busy_session) for _ in range(3))
    session = busy_session()
    moments = [dice.randrange(session.end_ns) for _ in range(40 if quick else MOMENTS)]
    rows = travel_rows(f"{COMMANDS} commands", session, moments, once)

    def boot_once() -> float:
        fresh = Session(profile="qemu")
        return cpu(lambda: fresh.perform(ReplayTrace(trace.path)).finish())

    session = Session(profile="qemu")
    session.perform(ReplayTrace(trace.path)).finish()
    reader = Reader(trace.path)
    deque(reader.lines(), 0)
    accesses = reader.trace.accesses
    # by access, not by time: most of a boot's accesses crowd into a few moments
    moments = [dice.choice(accesses).t_ns for _ in range(40 if quick else MOMENTS)]
    once = median(boot_once() for _ in range(3))
    rows += travel_rows(trace.name, session, moments, once)
    about = (
        "From the end of the log to random moments (in the boot: to moments of random accesses). Each moment is gone "
        "to once, so the worst is a single measurement and rises with what else the machine does. The peer, measured "
        "before, is what it cost to do all that the log holds, by the API or as a replay of a trace already read."
    )
    return Group("Travelling in time", about, rows)


def replaying(trace: Boot, rounds: int) -> Group:
    """A trace, read and played."""
    reader = Reader(trace.path)
    lines = sum(1 for _ in reader.lines())
    loaded: Trace = reader.trace
    ours = [access for access in loaded.accesses if access.device in MODELLED and access.device != OUTSIDE]
    only = Trace(loaded.name, ours)

    def read() -> float:
        return cpu(lambda: [None for _ in Reader(trace.path).lines()], lines)

    def play(what: Trace) -> float:
        machine = Machine(Config("qemu"))
        return cpu(lambda: Feed(what, 0).play(machine, len(what.accesses)), len(what.accesses))

    def replay() -> float:
        session = Session(profile="qemu")
        return cpu(lambda: session.perform(ReplayTrace(trace.path)).finish(), len(loaded.accesses))

    def by_api() -> float:
        session = Session(profile="qemu")
        few = ours[:5000]

        def work() -> None:
            for access in few:
                session.skip_to(access.t_ns)
                if access.device in MEMORY_DEVICES:
                    reads, writes = session.readl, session.writel
                elif access.size == 8:
                    reads, writes = session.inb, session.outb
                else:
                    reads, writes = session.inl, session.outl
                if access.read:
                    reads(access.address)
                else:
                    writes(access.address, access.value)

        return cpu(work, len(few))

    lines_ns, all_ns, ours_ns, job_ns, api_ns = turns(
        [read, lambda: play(loaded), lambda: play(only), replay, by_api], rounds
    )

    def against_qemu(what: str, costs: list[float]) -> Row:
        rate = 1e9 / median(costs)
        return Row(what, per_second(median(costs)), QTEST, QTEST_RATE, f"{rate / 215_000:.2f}–{rate / 45_000:.2f}×")

    def against_api(what: str, costs: list[float]) -> Row:
        cost, other = median(costs), median(api_ns)
        return Row(what, per_second(cost), "skip_to, then the access by API", per_second(other), cost / other)

    rows = [
        against_qemu(f"played, its {len(ours):,} accesses alone", ours_ns),
        against_qemu(f"played, with what came from outside, {len(loaded.accesses):,}", all_ns),
        against_qemu(f"played as a job, with checkpoints, all {len(loaded.accesses):,}", job_ns),
        against_api(f"played, its {len(ours):,} accesses alone", ours_ns),
        against_api(f"read and parsed, {lines:,} lines", lines_ns),
    ]
    about = (
        f"Accesses a second of CPU, {rounds} turns, from {trace.name}. What QEMU does was not measured here: it is "
        "what the notes of the captured traces state, and the ratio is how many times that rate is reached. In the "
        "other rows a ratio below 1 means cheaper than the peer."
    )
    return Group("Replaying a boot", about, rows)


def groups(quick: bool, given: str | None) -> list[Group]:
    """Travel and replay."""
    with boot(given) as trace:
        return [travel(trace, quick), replaying(trace, 3 if quick else 5)]
