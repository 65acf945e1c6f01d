"""The buses: which chip answers at which port or address, and what a wide access does.

Most chips at ports are 8 bits wide, as ISA has them: a word or long access to one becomes byte accesses to ascending
ports, low byte first. In memory an access is one access, and the chip says what it makes of its width. Where nothing
answers, the bus floats and reads give all ones.
"""

from __future__ import annotations

from collections.abc import Iterable
from operator import index

from timerlab.device import MemoryDevice, PortDevice, WidePortDevice

PORTS = 0x10000
WIDTHS = {8: "b", 16: "w", 32: "l"}
"""The widths of a port access in bits, with the letter that its verb ends in."""

MEMORY_WIDTHS = {8: "b", 16: "w", 32: "l", 64: "q"}
"""The widths of a memory access."""

ADDRESS_BITS = 52
"""How wide a physical address can be (Intel SDM 3A, Paging: MAXPHYADDR is at most 52)."""


class IoBus:
    """The map from ports to chips."""

    def __init__(self) -> None:
        self.map: dict[int, PortDevice | WidePortDevice] = {}

    def attach(self, device: PortDevice | WidePortDevice, ports: Iterable[int]) -> None:
        """Let `device` answer at `ports`; ValueError where another one does."""
        for port in ports:
            if port in self.map:
                raise ValueError(f"port {port:X}h belongs to {self.map[port].name} already")
            self.map[port] = device

    def read(self, port: int, width: int, now: int) -> int:
        """A read of `width` bits; a port beyond FFFFh wraps, as the 16 address lines do."""
        wide = self.map.get(port)
        if isinstance(wide, WidePortDevice):
            wide.sync(now)
            return wide.read_wide(port, width, now)
        value = 0
        for i in range(width // 8):
            at = (port + i) % PORTS
            device = self.map.get(at)
            if device is None:
                value |= 0xFF << 8 * i
                continue
            device.sync(now)
            byte = device.read(at, now) if isinstance(device, PortDevice) else device.read_wide(at, 8, now)
            value |= byte << 8 * i
        return value

    def write(self, port: int, value: int, width: int, now: int) -> None:
        """A write of `width` bits."""
        wide = self.map.get(port)
        if isinstance(wide, WidePortDevice):
            wide.sync(now)
            wide.write_wide(port, value, width, now)
            return
        for i in range(width // 8):
            at = (port + i) % PORTS
            device = self.map.get(at)
            if device is None:
                continue
            device.sync(now)
            byte = value >> 8 * i & 0xFF
            if isinstance(device, PortDevice):
                device.write(at, byte, now)
            else:
                device.write_wide(at, byte, 8, now)


class MemoryBus:
    """The map from addresses to chips; what no chip claims is the background's, guest RAM."""

    def __init__(self, background: MemoryDevice) -> None:
        self.background = background
        self.blocks: list[tuple[int, int, MemoryDevice]] = []

    def attach(self, device: MemoryDevice, base: int, size: int) -> None:
        """Let `device` answer in `size` bytes from `base` on; ValueError where another one does."""
        for start, end, other in self.blocks:
            if base < end and start < base + size:
                raise ValueError(f"{base:X}h belongs to {other.name} already")
        self.blocks.append((base, base + size, device))

    def find(self, address: int) -> tuple[MemoryDevice, int]:
        """The chip that answers at an address, and the offset in it."""
        for start, end, device in self.blocks:
            if start <= address < end:
                return device, address - start
        return self.background, address

    def read(self, address: int, width: int, now: int) -> int:
        """A read of `width` bits."""
        device, offset = self.find(address)
        device.sync(now)
        return device.load(offset, width, now)

    def write(self, address: int, value: int, width: int, now: int) -> None:
        """A write of `width` bits."""
        device, offset = self.find(address)
        device.sync(now)
        device.store(offset, value, width, now)


def check_access(port: int, width: int, value: int = 0) -> None:
    """ValueError where a port is not one of 0 to FFFFh or a value does not fit the width; TypeError for what is no
    int.
    """
    if not 0 <= index(port) < PORTS:
        raise ValueError(f"port {port:#x} is not one of 0 to FFFFh")
    if not 0 <= index(value) < 1 << width:
        raise ValueError(f"{value:#x} does not fit {width} bits")


def check_memory(address: int, width: int, value: int = 0) -> None:
    """ValueError where an address or a value does not fit; TypeError for what is no int."""
    if not 0 <= index(address) < 1 << ADDRESS_BITS:
        raise ValueError(f"address {address:#x} is not one of 0 to {(1 << ADDRESS_BITS) - 1:X}h")
    if not 0 <= index(value) < 1 << width:
        raise ValueError(f"{value:#x} does not fit {width} bits")
