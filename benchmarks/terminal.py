"""Programs in a pseudo-terminal of some size, and what they report; and programs without one.

A driver script reports on a pipe of its own, as a line of JSON, so that what it draws is drawn for a real terminal.
What it draws is read and thrown away.
"""

from __future__ import annotations

import fcntl
import json
import os
import pty
import select
import struct
import subprocess
import sys
import tempfile
import termios
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyte

REPORT = """
import json, os, time
def report(**what):
    os.write(REPORT_FD, json.dumps(what).encode() + b"\\n")
"""
SECONDS = 120
ROOT = Path(__file__).resolve().parent.parent
"""The tree that is measured."""


def environment(state: str) -> dict[str, str]:
    """As in a terminal with all colours; nothing is read from or written to the user's own folders."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    return {
        **kept,
        "TERM": "xterm-256color",
        "COLORTERM": "truecolor",
        "LC_ALL": "C.UTF-8",
        "XDG_STATE_HOME": state,
        "PYTHONPATH": str(ROOT),
    }


@dataclass(frozen=True)
class Drawn:
    """A piece of what was drawn: when, from the start of the process, after how much CPU time, and the bytes."""

    wall_ns: int
    cpu_ns: int
    data: bytes


def in_terminal(script: str, columns: int = 80, rows: int = 24, **given: Any) -> tuple[dict[str, Any], list[Drawn]]:
    """Run a script in a terminal until it reports; what it reported, and what it drew.

    The script finds what is `given` as names of its own, and a function `report(**what)`.
    """
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
    told, tell = os.pipe()
    names = "\n".join(f"{name} = {value!r}" for name, value in {"REPORT_FD": tell, **given}.items())
    with tempfile.TemporaryDirectory() as state:
        start = time.monotonic_ns()
        child = subprocess.Popen(
            [sys.executable, "-c", f"{names}\n{REPORT}\n{script}"],
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            pass_fds=(tell,),
            env=environment(state),
            cwd=ROOT,
            start_new_session=True,
        )
        os.close(theirs)
        os.close(tell)
        try:
            said, drawn = drain(ours, told, child.pid, start)
        finally:
            child.kill()
            child.wait()
            os.close(ours)
            os.close(told)
    if not said:
        last = b"".join(piece.data for piece in drawn)[-3000:]
        raise RuntimeError(f"a driver reported nothing:\n{last.decode(errors='replace')}")
    return json.loads(said), drawn


def drain(screen: int, told: int, pid: int, start: int) -> tuple[bytes, list[Drawn]]:
    """All that is reported and drawn, until the report is whole or nothing more can come."""
    # Linux: the clock of another process's CPU time
    cpu_clock = ~pid << 3 | 2
    said, drawn = b"", []
    open_ends = [screen, told]
    end = time.monotonic() + SECONDS
    while told in open_ends and time.monotonic() < end:
        ready, _, _ = select.select(open_ends, [], [], 1)
        if screen in ready:
            try:
                data = os.read(screen, 1 << 16)
            except OSError:  # the other end is closed
                open_ends.remove(screen)
            else:
                drawn.append(Drawn(time.monotonic_ns() - start, time.clock_gettime_ns(cpu_clock), data))
        if told in ready:
            piece = os.read(told, 1 << 16)
            said += piece
            if not piece or said.endswith(b"\n"):
                open_ends.remove(told)
    return said, drawn


def settled(drawn: list[Drawn], columns: int = 80, rows: int = 24) -> tuple[Drawn, str]:
    """The piece with which the screen came to look as it looks at the end, and how that is."""
    screen = pyte.Screen(columns, rows)
    stream = pyte.ByteStream(screen)
    shown: list[str] = []
    for piece in drawn:
        # pyte takes the request for the kitty keyboard for a movement of the cursor
        stream.feed(piece.data.replace(b"\x1b[>25u", b"").replace(b"\x1b[<u", b""))
        shown.append("\n".join(screen.display))
    first = next(at for at, text in enumerate(shown) if text == shown[-1])
    return drawn[first], shown[-1]


def run_plain(*arguments: str) -> tuple[float, float]:
    """Run Python with arguments and without a terminal; (wall ns, CPU ns) from its start to its end."""
    with tempfile.TemporaryDirectory() as state, open(os.devnull, "w") as nowhere:
        start = time.monotonic_ns()
        child = subprocess.Popen([sys.executable, *arguments], stdout=nowhere, env=environment(state), cwd=ROOT)
        _, status, usage = os.wait4(child.pid, 0)
        wall = time.monotonic_ns() - start
        child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        raise RuntimeError(f"python {' '.join(arguments)} ended with {child.returncode}")
    return float(wall), (usage.ru_utime + usage.ru_stime) * 1e9
