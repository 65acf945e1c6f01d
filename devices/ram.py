"""Guest RAM: sparse, and the background of the memory bus. What was never written reads 0.

Not modelled: its size (every address that no chip claims is RAM), caches, ECC.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from timerlab.device import MemoryDevice, State

PAGE = 4096


class Ram(MemoryDevice):
    """Memory in pages of 4 KiB that come to be when they are written."""

    name = "ram"

    def __init__(self) -> None:
        self.pages: dict[int, bytes] = {}
        self._live: dict[int, bytearray] = {}

    def sync(self, now: int) -> None:
        """Memory does nothing by itself."""

    def next_event(self, now: int) -> Iterator[tuple[int, str]]:
        """None."""
        return iter(())

    def load(self, offset: int, width: int, now: int) -> int:
        """A little-endian value; any alignment."""
        return int.from_bytes(self.bytes_at(offset, width // 8), "little")

    def store(self, offset: int, value: int, width: int, now: int) -> None:
        """Write a little-endian value; any alignment."""
        self.put(offset, value.to_bytes(width // 8, "little"))

    def bytes_at(self, address: int, count: int) -> bytes:
        """`count` bytes from `address` on."""
        found = bytearray()
        while count:
            page, at = divmod(address, PAGE)
            part = min(count, PAGE - at)
            held = self._live.get(page) or self.pages.get(page)
            found += held[at : at + part] if held else bytes(part)
            address, count = address + part, count - part
        return bytes(found)

    def put(self, address: int, data: bytes) -> None:
        """Write bytes from `address` on."""
        while data:
            page, at = divmod(address, PAGE)
            part = data[: PAGE - at]
            live = self._live.get(page)
            if live is None:
                live = self._live[page] = bytearray(self.pages.get(page, bytes(PAGE)))
            live[at : at + len(part)] = part
            address, data = address + len(part), data[len(part) :]

    def reset(self, now: int) -> None:
        """A reset leaves memory as it is."""

    def peek(self, now: int) -> dict[str, Any]:
        """Nothing by name: memory is looked at by address."""
        return {}

    def snapshot(self) -> State:
        """The pages that were written, in order; a page that holds only zeros is none."""
        for page, live in self._live.items():
            self.pages[page] = bytes(live)
        self._live.clear()
        return tuple((page, data) for page, data in sorted(self.pages.items()) if any(data))

    def restore(self, state: State) -> None:
        """Take back what `snapshot` gave."""
        self.pages = dict(state)
        self._live.clear()
