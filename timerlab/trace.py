"""QEMU's traces of timer accesses, read line by line.

A line is a head, an event's name and its words. The head is virtual time in ns (`36887746204 `), or what QEMU's log
backend writes, host time (`10372@1763640000.123456:`), which is counted from the first line. Only
`memory_region_ops_read` and `_write` are accesses; other well-formed events, and a last line that begins with `END`,
are passed over, but for what reached the 8259s from outside: the lines of keyboard, serial port and disk
(`pic_set_irq`), and the CPU's INTA (`pic_interrupt`). What a device does by itself (`cpu -1`, interrupt messages of
the APIC) is no stimulus and is passed over too.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import IO, NamedTuple

from timerlab.errors import CommandError, ScriptError

_NAMES = """
    pit pcspk rtc rtc-index hpet acpi-tmr acpi-evt acpi-cnt acpi-gpe0 apic-msi kvm-apic-msi pic elcr ioapic
    kvm-pit kvm-pic kvm-elcr kvm-ioapic kvmvapic
"""
KNOWN = frozenset(_NAMES.split())
"""QEMU's names of the devices that a timer trace may hold; those without a model here are counted and not executed."""

PORT_DEVICES = frozenset({"pit", "pcspk", "rtc", "rtc-index", "pic", "elcr", "acpi-tmr"})
"""Those of them that have a model here and live in the 64 KiB of I/O ports; no access is wider than 32 bits."""

MEMORY_DEVICES = frozenset({"hpet", "ioapic", "apic-msi"})
"""Those that have a model here and live in memory."""

OUTSIDE = "outside"
"""In the place of a device's name: the line `address` of a device that is no timer went to `value`, or the CPU ran its
INTA (`address` is `INTA`). No access, but played in its place.
"""
INTA = -1

_INTA = "pic_interrupt "
_LINE = re.compile(r"pic_set_irq master ([01]) irq ([0-7]) level ([01])")
TIMERS = (0, 2, 8, 9)
"""IRQs that timers drive, the cascade, and the ACPI timer's: these are results here, the others come from outside."""

MSI_WRITES = 0xFEE0_1000
_ACCESS = re.compile(
    r"memory_region_ops_(read|write) cpu (-?\d+) (?:mr 0x[0-9a-f]+ )?addr 0x([0-9a-f]+) value 0x([0-9a-f]+) "
    r"size ([1248]) name '([^']*)'"
)
_HEAD = re.compile(r"(?:(\d{1,19}) |\d+@(\d{1,12})\.(\d{6}):)")
_EVENT = re.compile(r"[a-z_][a-z0-9_]*(?:\s.*)?$")


class Access(NamedTuple):
    """One access: when, what, and what QEMU answered. `size` is in bits, `line` counts from 1 in the file."""

    t_ns: int
    read: bool
    address: int
    value: int
    size: int
    device: str
    line: int


@dataclass(slots=True)
class Trace:
    """A trace in memory: its accesses in order, among them what came to the 8259s from outside (`OUTSIDE`), and the
    lines that were passed over as bad (their number and what is wrong).
    """

    name: str
    accesses: list[Access] = field(default_factory=list)
    bad: list[tuple[int, str]] = field(default_factory=list)

    @property
    def end_ns(self) -> int:
        """When its last access was."""
        return self.accesses[-1].t_ns if self.accesses else 0


def parse_line(text: str, origin: int | None) -> tuple[int, Access | None, int | None]:
    """(time, access or None, origin of host time) of a line; ValueError says what is wrong with it."""
    head = _HEAD.match(text)
    if head is None:
        raise ValueError("does not begin with a time in ns, or with pid@seconds.micros:")
    if head[1] is not None:
        t_ns = int(head[1])
    else:
        host = int(head[2]) * 1_000_000_000 + int(head[3]) * 1_000
        origin = host if origin is None else origin
        t_ns = host - origin
    rest = text[head.end() :]
    if not rest.startswith("memory_region_ops_"):
        if not _EVENT.match(rest) and not rest.startswith("END"):
            raise ValueError("holds no event after its time")
        return t_ns, None, origin
    match = _ACCESS.match(rest)
    if match is None:
        raise ValueError("is an access that cannot be read: cpu, addr, value, size and name are wanted")
    kind, cpu, address, value, size, device = match.groups()
    if device not in KNOWN:
        raise ValueError(f"names an unknown device '{device}'")
    place, bits = int(address, 16), int(size) * 8
    if device in PORT_DEVICES and (place > 0xFFFF or bits > 32):
        raise ValueError(f"is no port access: {bits} bits at {place:X}h")
    if cpu == "-1" or (device.endswith("apic-msi") and kind == "write" and (place >= MSI_WRITES or not place & 0xFFF)):
        return t_ns, None, origin
    return t_ns, Access(t_ns, kind == "read", place, int(value, 16) & (1 << bits) - 1, bits, device, 0), origin


class Reader:
    """Reads a trace in slices; `trace` is whole when `lines` is exhausted.

    A bad line raises ScriptError with file, line and column, or is noted in `trace.bad` if `skip_bad`.
    """

    def __init__(self, path: str, skip_bad: bool = False) -> None:
        self.path = path
        self.skip_bad = skip_bad
        self.trace = Trace(PurePath(path).name)

    def lines(self) -> Iterator[int]:
        """Reads the file; yields the number of each line that was read. OSError where it cannot be opened."""
        import gzip
        import zlib

        number, last, origin = 0, 0, None
        levels = [0] * 16
        with self._open() as file:
            try:
                for number, text in enumerate(file, 1):
                    if text.isspace() or text.startswith("END"):
                        continue
                    try:
                        t_ns, access, origin = parse_line(text, origin)
                        if t_ns < last:
                            raise ValueError(f"is at {t_ns} ns, before the line above it at {last} ns")
                    except ValueError as error:
                        self._bad(number, str(error))
                        continue
                    last = t_ns
                    if access is not None:
                        self.trace.accesses.append(access._replace(line=number))
                    elif "pic_" in text:
                        self._outside(text, t_ns, levels, number)
                    yield number
            except (EOFError, zlib.error, gzip.BadGzipFile) as error:
                what = (
                    "the gzip file is cut off here"
                    if isinstance(error, EOFError)
                    else f"the gzip file is damaged here: {error}"
                )
                self._bad(number + 1, what, whole=True)

    def _outside(self, text: str, t_ns: int, levels: list[int], number: int) -> None:
        """Note what came to the 8259s from outside; a line that stays as it is says nothing."""
        if _INTA in text:
            self.trace.accesses.append(Access(t_ns, False, INTA, 0, 8, OUTSIDE, number))
            return
        match = _LINE.search(text)
        if match is None:
            return
        irq, level = int(match[2]) + (0 if match[1] == "1" else 8), int(match[3])
        if irq not in TIMERS and levels[irq] != level:
            levels[irq] = level
            self.trace.accesses.append(Access(t_ns, False, irq, level, 8, OUTSIDE, number))

    def _open(self) -> IO[str]:
        with open(self.path, "rb") as file:
            packed = file.read(2) == b"\x1f\x8b"
        if packed:
            import gzip

            return gzip.open(self.path, "rt", encoding="utf-8", errors="replace")
        return open(self.path, encoding="utf-8", errors="replace")

    def _bad(self, number: int, what: str, whole: bool = False) -> None:
        message = what if whole else f"this line {what}"
        if not self.skip_bad:
            raise ScriptError(self.path, CommandError(message, 1, line=number))
        self.trace.bad.append((number, message))


_CACHE: dict[tuple[str, int, int, bool], Trace] = {}
KEPT_TRACES = 4


def load_trace(path: str, skip_bad: bool = False) -> Iterator[int | Trace]:
    """Line numbers as a trace is read, and at the end the `Trace`; one that did not change since is not read twice.
    OSError, ScriptError.
    """
    seen = os.stat(path)
    key = (os.path.realpath(path), seen.st_mtime_ns, seen.st_size, skip_bad)
    if key not in _CACHE:
        reader = Reader(path, skip_bad)
        yield from reader.lines()
        while len(_CACHE) >= KEPT_TRACES:
            del _CACHE[next(iter(_CACHE))]
        _CACHE[key] = reader.trace
    yield _CACHE[key]
