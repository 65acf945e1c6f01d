"""`probe`: measurements that a person makes, as sums with their arithmetic."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import click

from timerlab.commands.io import Access
from timerlab.commands.verb import Words, fail, verb
from timerlab.conditions import near
from timerlab.devices.probe import PROBES, Found, Param, Spec
from timerlab.devices.words import Seen
from timerlab.errors import CommandError
from timerlab.machine import Machine
from timerlab.text import count
from timerlab.tokens import Token
from timerlab.units import Span, parse_number, parse_time


@dataclass(frozen=True, slots=True)
class Measure(Access):
    """A probe: `arguments` as they were given, times in ns."""

    name: str
    arguments: tuple[int | str, ...] = ()

    def text(self) -> str:
        params = PROBES[self.name].params
        return " ".join(["probe", self.name, *(_text(*one) for one in zip(params, self.arguments, strict=False))])

    def found(self, machine: Machine) -> Found:
        """What it finds now."""
        found: Found = machine.board.probe.measure(self.name, self.arguments, machine.now)
        return found

    def check(self, machine: Machine) -> None:
        self.found(machine)

    def apply(self, machine: Machine) -> int:
        return self.found(machine).value

    def words(self, machine: Machine, value: int | None, before: Seen) -> str:
        found = self.found(machine)
        return f"{count(found.value)} {PROBES[self.name].unit}  {found.words}"


def _text(param: Param, value: Any) -> str:
    return str(Span(value)) if param.kind == "ns" else str(value)


def _argument(param: Param, token: Token, spec: Spec) -> int | str:
    """One argument; CommandError at its column."""
    if param.kind == "word":
        if token.lower() not in param.choices:
            fail(f"{token} is no {param.name}: {', '.join(param.choices)}", token, near(token, param.choices))
        return str(token.lower())
    if param.kind == "bits":
        return str(token)
    try:
        if param.kind != "ns":
            return parse_number(token)
        span = parse_time(token)
    except ValueError as error:
        fail(f"{error}: {spec.usage}", token)
    return span.amount


@verb(
    "probe NAME ...",
    examples=("probe read lfence", "probe udelay 100us 40us 5ms", "probe sleep 1ms 10ms"),
    completes=("probe",),
)
@click.argument("what", nargs=-1, type=click.UNPROCESSED)
@click.pass_obj
def probe(words: Words, what: tuple[Token, ...]) -> Measure:
    """Measure: what a program would find, with the arithmetic. `probe` with a name alone says what it wants.

    Clocks: read pair warp table alias band recalibrate refresh redpill cycles. Delays: udelay iodelay cli sleep. Lost
    time: lost latency fair sched covert rtcslew. Watchdogs: stuck skew. Calibration and migration: calibrate pitalias
    migrate catchup hpetmove downtime slew. A rate in kHz that is left out is the guest's TSC's.
    """
    if not what:
        raise CommandError(f"probe wants a name: {', '.join(PROBES)}", words.end, incomplete=True)
    spec = PROBES.get(what[0].lower())
    if spec is None:
        guess = near(what[0], list(PROBES))
        hint = f"  Did you mean {guess} ?" if guess else f": {', '.join(PROBES)}"
        fail(f"no probe {what[0]}{hint}", what[0], guess)
    given = what[1:]
    if len(given) > len(spec.params):
        extra = given[len(spec.params)]
        fail(f"{extra} is one word too many: {spec.usage}", extra)
    arguments = tuple(_argument(*one, spec) for one in zip(spec.params, given, strict=False))
    missing = [param for param in spec.params[len(given) :] if param.default is None]
    if missing:
        message = f"{missing[0].name} is missing: {spec.usage}  {spec.about}"
        raise CommandError(message, what[-1].column + len(what[-1]), incomplete=True)
    return Measure(spec.name, arguments)
