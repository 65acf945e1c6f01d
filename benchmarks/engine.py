"""The engine: skips, accesses, commands, checkpoints, events."""

from __future__ import annotations

import random
from statistics import median

from measure import Group, Row, compared, cpu, per_second, ratio, span, turns

from timerlab import Session
from timerlab.machine import Machine

SECOND = 1_000_000_000
YEAR = 365 * 86_400 * SECOND
N = 1193
"""The count that gives 1000 Hz."""
SKIPS = 20
"""Skips in a sample: few enough that the years of all rounds stay below the thousand that a session may last."""


def program(session: Session, channel: int, mode: int, count: int) -> None:
    """A channel in a mode with a count, low byte first."""
    session.outb(0x43, channel << 6 | 0x30 | mode << 1)
    session.outb(0x40 + channel, count & 0xFF)
    session.outb(0x40 + channel, count >> 8)


def hz_1000(mode: int = 2, profile: str = "datasheet") -> Session:
    """Channel 0 at 1000 Hz."""
    session = Session(profile=profile)
    program(session, 0, mode, N)
    return session


def all_three(profile: str = "datasheet") -> Session:
    """Channel 0 as the tick, channel 1 as memory refresh, channel 2 as a tone that the speaker plays."""
    session = hz_1000(profile=profile)
    program(session, 1, 2, 18)
    program(session, 2, 3, 1356)
    session.outb(0x61, 3)
    return session


class Empty:
    """What a Python method call costs."""

    def call(self, port: int, value: int) -> None:
        """Do nothing."""


def skips(rounds: int) -> Group:
    """A second and a year, in the same breath."""
    kinds = {
        "channel 0, mode 2, 1000 Hz": lambda: hz_1000(),
        "channel 0, mode 3, 1000 Hz": lambda: hz_1000(3),
        "all three channels and the speaker": all_three,
        "channel 0, mode 2, profile qemu": lambda: hz_1000(profile="qemu"),
        "all three and the speaker, profile qemu": lambda: all_three("qemu"),
    }
    rows: list[Row] = []
    rounds = min(rounds, 40)
    for name, make in kinds.items():
        short, long = make(), make()

        def sample(session: Session, ns: int) -> float:
            return cpu(lambda: [session.skip(ns) for _ in range(SKIPS)], SKIPS)

        one, year = turns([lambda s=short: sample(s, SECOND), lambda s=long: sample(s, YEAR)], rounds)
        rows.append(compared(f"skip a year, {name}", year, "skip a second", one, under=3, under_ns=1e6))
    return Group("Skipping", f"`Session.skip`, {SKIPS} in a row, {rounds} turns of each.", rows)


def accesses(rounds: int) -> Group:
    """outb and inb, from the API down to the chip."""
    times = 2000
    empty = Empty()

    def calls() -> float:
        return cpu(lambda: [empty.call(0x40, 0) for _ in range(times)], times)

    def api(write: bool) -> float:
        s = hz_1000()
        work = (
            (lambda: [s.outb(0x42, 7) for _ in range(times)])
            if write
            else (lambda: [s.inb(0x40) for _ in range(times)])
        )
        return cpu(work, times)

    def bare(write: bool) -> float:
        m = hz_1000().machine
        work = (
            (lambda: [m.write(0x42, 7) for _ in range(times)])
            if write
            else (lambda: [m.read(0x40) for _ in range(times)])
        )
        return cpu(work, times)

    def pattern() -> float:
        s = hz_1000()

        def work() -> None:
            for _ in range(times // 5):
                s.outb(0x43, 0)
                s.inb(0x40)
                s.inb(0x40)
                s.inb(0x61)
                s.skip(1000)

        return cpu(work, times)

    outb, inb, write, read, call, mixed = turns(
        [lambda: api(True), lambda: api(False), lambda: bare(True), lambda: bare(False), calls, pattern], rounds
    )
    rows = [
        compared("Session.outb", outb, "Machine.write, without a log", write),
        compared("Session.inb", inb, "Machine.read, without a log", read),
        compared("Session.outb", outb, "an empty method call", call),
        compared("Session.inb", inb, "an empty method call", call),
        compared("latch, read twice, port 61h, 1 µs: each", mixed, "Session.outb", outb),
    ]
    about = (
        f"Channel 0 runs; no time passes between the accesses, but for the last row. {times} in a row, a new "
        f"session for each of {rounds} turns, checkpoints included."
    )
    return Group("Accesses through the API", about, rows)


def commands(rounds: int) -> Group:
    """What is typed."""
    times = 300

    def typed(*lines: str) -> float:
        s = hz_1000()
        each = times // len(lines)
        return cpu(lambda: [s.do(line) for _ in range(each) for line in lines], each * len(lines))

    def api() -> float:
        s = hz_1000()
        return cpu(lambda: [s.outb(0x43, 0x36) for _ in range(times)], times)

    def api_skip() -> float:
        s = hz_1000()
        return cpu(lambda: [s.skip(10_000_000) for _ in range(times)], times)

    def parsed(line: str) -> float:
        s = hz_1000()
        return cpu(lambda: [s.parse(line) for _ in range(times)], times)

    def decoded(line: str) -> float:
        s = hz_1000()
        return cpu(lambda: [s.decode(line) for _ in range(times)], times)

    def completed(line: str) -> float:
        s = hz_1000()
        return cpu(lambda: [s.complete(line) for _ in range(times // 4)], times // 4)

    samples = turns(
        [
            lambda: typed("outb 43h 36h"),
            lambda: typed("skip 10ms"),
            lambda: typed("step"),
            lambda: parsed("outb 43h 36h"),
            lambda: decoded("outb 43h 36h"),
            lambda: decoded("outb 40h 0"),
            lambda: completed("outb pit."),
            api,
            api_skip,
        ],
        rounds,
    )
    outb, skip, step, parse, decode, count, complete, by_api, skip_by_api = samples
    rows = [
        compared("do(“outb 43h 36h”)", outb, "Session.outb", by_api),
        compared("do(“skip 10ms”)", skip, "Session.skip", skip_by_api),
        compared("do(“step”), to the next edge", step, "Session.skip", skip_by_api),
        compared("of it, parsing “outb 43h 36h”", parse, "Session.outb", by_api),
        compared("decode(“outb 43h 36h”)", decode, "do(“outb 43h 36h”)", outb),
        compared("decode(“outb 40h 0”)", count, "do(“outb 43h 36h”)", outb),
        compared("complete(“outb pit.”)", complete, "do(“outb 43h 36h”)", outb),
    ]
    return Group("Typed commands", f"{times} in a row, a new session for each of {rounds} turns.", rows)


def full_rings() -> Session:
    """A session whose wires remember as many trains as they can: irregular work on all channels."""
    session, dice = all_three(), random.Random(8254)
    for _ in range(1500):
        program(session, dice.randrange(3), 2, dice.randrange(2, 3000))
        session.outb(0x61, dice.randrange(4))
        session.skip(dice.randrange(5_000_000))
    return session


def checkpoints(rounds: int) -> Group:
    """State as data."""
    times = 200
    young, old = all_three().machine, full_rings().machine

    def taking(machine: Machine) -> float:
        return cpu(lambda: [machine.snapshot() for _ in range(times)], times)

    def restoring(machine: Machine) -> float:
        snapshot = machine.snapshot()
        return cpu(lambda: [machine.restore(snapshot) for _ in range(times)], times)

    def peeking() -> float:
        return cpu(lambda: [old.peeks() for _ in range(times)], times)

    def api() -> float:
        s = hz_1000()
        return cpu(lambda: [s.outb(0x43, 0x36) for _ in range(times)], times)

    young_take, old_take, young_back, old_back, peeks, outb = turns(
        [
            lambda: taking(young),
            lambda: taking(old),
            lambda: restoring(young),
            lambda: restoring(old),
            peeking,
            api,
        ],
        rounds,
    )
    rows = [
        compared("snapshot, just programmed", young_take, "Session.outb", outb),
        compared("snapshot, all rings full", old_take, "Session.outb", outb),
        compared("restore, just programmed", young_back, "Session.outb", outb),
        compared("restore, all rings full", old_back, "Session.outb", outb),
        compared("peeks: every value at once", peeks, "Session.outb", outb),
    ]
    return Group("Checkpoints and looking", f"{times} in a row, {rounds} turns.", rows)


def every_edge(rounds: int) -> Group:
    """Going from edge to edge, against the closed form that skips them."""
    rows: list[Row] = []
    edges = 400
    for name, make in {
        "channel 0 at 1000 Hz": hz_1000,
        "all three channels": all_three,
        "all three channels, profile qemu": lambda: all_three("qemu"),
    }.items():

        def stepped(make=make) -> float:
            machine = make().machine

            def work() -> None:
                for _ in range(edges):
                    event = machine.next_event()
                    assert event is not None
                    machine.advance(event[0])

            return cpu(work, edges)

        def at_once(make=make) -> float:
            machine = make().machine
            return cpu(lambda: machine.advance(machine.now + SECOND))

        step, once = turns([stepped, at_once], rounds)
        rows.append(
            Row(
                f"from edge to edge, {name}",
                per_second(median(step)),
                "one second as one advance",
                span(median(once)),
                ratio(step, once),
            )
        )

    def listed() -> float:
        session = hz_1000()
        session.skip(10 * SECOND)
        train = session.machine.history("pit.ch0.out")[1][-1]
        return cpu(lambda: [train.ns(index) for index in range(train.count)], train.count)

    empty = Empty()
    line, call = turns([listed, lambda: cpu(lambda: [empty.call(1, 2) for _ in range(2000)], 2000)], rounds)
    rows.append(
        Row(
            "a train, written out edge by edge",
            per_second(median(line)),
            "an empty method call",
            span(median(call)),
            ratio(line, call),
        )
    )
    about = (
        "Edges of the OUT and interrupt lines a second of CPU when none is taken together with another; "
        "the ratio is that of one edge to its peer."
    )
    return Group("Every edge kept", f"{about} {edges} edges, {rounds} turns.", rows)


def groups(quick: bool) -> list[Group]:
    """All of the engine."""
    rounds = 5 if quick else 25
    few = 3 if quick else 9
    return [skips(rounds), accesses(rounds), commands(few), checkpoints(few), every_edge(few)]
