"""The I/O bus: which chip answers at which port, and what a wide access does.

The chips here are 8 bits wide, as ISA has them: a word or long access to one becomes byte accesses to ascending
ports, low byte first. Where nothing answers, the bus floats and reads give all ones.
"""

from __future__ import annotations

from collections.abc import Iterable
from operator import index

from timerlab.device import Device

PORTS = 0x10000
WIDTHS = {8: "b", 16: "w", 32: "l"}
"""The widths of a port access in bits, with the letter that its verb ends in."""


class IoBus:
    """The map from ports to chips."""

    def __init__(self) -> None:
        self.map: dict[int, Device] = {}

    def attach(self, device: Device, ports: Iterable[int]) -> None:
        """Let `device` answer at `ports`; ValueError where another one does."""
        for port in ports:
            if port in self.map:
                raise ValueError(f"port {port:X}h belongs to {self.map[port].name} already")
            self.map[port] = device

    def read(self, port: int, width: int, now: int) -> int:
        """A read of `width` bits; a port beyond FFFFh wraps, as the 16 address lines do."""
        value = 0
        for i in range(width // 8):
            at = (port + i) % PORTS
            device = self.map.get(at)
            if device is None:
                value |= 0xFF << 8 * i
            else:
                device.sync(now)
                value |= device.read(at, now) << 8 * i
        return value

    def write(self, port: int, value: int, width: int, now: int) -> None:
        """A write of `width` bits."""
        for i in range(width // 8):
            at = (port + i) % PORTS
            device = self.map.get(at)
            if device is not None:
                device.sync(now)
                device.write(at, value >> 8 * i & 0xFF, now)


def check_access(port: int, width: int, value: int = 0) -> None:
    """ValueError where a port is not one of 0 to FFFFh or a value does not fit the width; TypeError for what is no
    int.
    """
    if not 0 <= index(port) < PORTS:
        raise ValueError(f"port {port:#x} is not one of 0 to FFFFh")
    if not 0 <= index(value) < 1 << width:
        raise ValueError(f"{value:#x} does not fit {width} bits")
