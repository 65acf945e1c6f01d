"""Guest time: a year of host load under each policy, and what a vCPU's exit and entry cost."""

from __future__ import annotations

from measure import Group, Row, compared, cpu, turns

from timerlab import Session

SECOND = 1_000_000_000
YEAR = 365 * 86_400 * SECOND
VCPUS = 8
LOADS = ("2ms 10ms", "3ms 20ms", "1ms 7ms random 5", "10ms 50ms moving")


def loaded(policy: str) -> Session:
    """Eight vCPUs, each with a load pattern; pvclock updates are off."""
    session = Session(vcpus=VCPUS, quirks={"policy": policy, "kvmclock_sync": "off"})
    for v in range(VCPUS):
        session.do(f"hostload v{v} {LOADS[v % len(LOADS)]}")
        if policy == "kvm":
            session.wrmsr(0x4B56_4D03, 0x3001 + 0x40 * v, v)
    return session


def years(rounds: int) -> Group:
    """A year of load, against a second of it."""
    rows: list[Row] = []
    for policy in ("bare", "palacios", "kvm", "nvmm"):

        def sample(ns: int, policy: str = policy) -> float:
            session = loaded(policy)
            return cpu(lambda: session.skip(ns))

        one, year = turns([lambda f=sample: f(SECOND), lambda f=sample: f(YEAR)], rounds)
        rows.append(compared(f"skip a year, policy {policy}", year, "skip a second", one, under_ns=50e6))
    about = (
        f"`Session.skip` once in a new session: {VCPUS} vCPUs, load patterns {', '.join(LOADS)} in turn, no pvclock "
        f"updates; {rounds} turns of each."
    )
    return Group("Host load in a skipped year", about, rows)


def groups(quick: bool) -> list[Group]:
    """All of them."""
    return [years(3 if quick else 12)]
