"""Measurements that a person makes: each one a name, arguments with defaults, a number and how it comes about.

A probe changes nothing. Most of them are sums (`probe_sums`), with the guest's TSC rate as it is now where no other is
given; `warp` and `table` read the TSCs of two vCPUs at this moment.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from timerlab.devices import probe_sums as sums
from timerlab.devices.probe_table import PROBES
from timerlab.devices.probe_words import Found, Param, Spec

__all__ = ["PROBES", "Found", "Param", "Probe", "Spec"]


@dataclass(frozen=True, slots=True)
class Probe:
    """The measuring side of a machine. `tsc` is what RDTSC gives (vCPU, now), `tsc_khz` its rate in kHz (vCPU)."""

    tsc: Callable[[int, int], int]
    tsc_khz: Callable[[int], Fraction]
    vcpus: int = 1

    def measure(self, name: str, arguments: tuple[Any, ...], now: int) -> Found:
        """What a probe finds; ValueError for a name or an argument that makes no sense."""
        spec = PROBES.get(name)
        if spec is None:
            raise ValueError(f"no probe {name}: {', '.join(PROBES)}")
        values = spec.complete(arguments, self.tsc_khz(0))
        if spec.reads:
            first, second = values[0], values[1]
            for vcpu in (first, second):
                if not 0 <= vcpu < self.vcpus:
                    raise ValueError(f"no vCPU {vcpu}: 0 to {self.vcpus - 1}")
            return self._read(name, values, now)
        return spec.measure(*values)

    def _read(self, name: str, values: tuple[Any, ...], now: int) -> Found:
        """Two vCPUs' TSCs at this moment, raw or by a table of offsets with one value for each TSC_AUX."""
        first, second = values[:2]
        a, b = self.tsc(first, now), self.tsc(second, now)
        skew = (b - a + (1 << 63)) % (1 << 64) - (1 << 63)
        if name == "warp":
            return Found(skew, f"v{second} reads {skew:+d} cycles against v{first}, at one moment")
        table = {first: 0, second: values[2]}
        found = sums.corrected(b, table[second]) - sums.corrected(a, table[first])
        found = (found + (1 << 63)) % (1 << 64) - (1 << 63)
        return Found(found, f"raw {skew:+d} cycles, offset[{second}] = {values[2]:+d}: {found:+d} after it")
