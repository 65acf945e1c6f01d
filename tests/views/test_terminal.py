"""The screen in a real pseudo-terminal: start, type, resize, ctrl+z and fg, stop and go on, quit."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pexpect
import pyte
import pytest

START = "from timerlab import Session; from timerlab.views import run; raise SystemExit(run(Session()))"


class Terminal:
    """A terminal of some size with a program in it, and what it shows."""

    def __init__(self, command: str, arguments: list[str], folder: Path, columns: int = 80, rows: int = 24) -> None:
        environment = {
            **os.environ,
            "TERM": "xterm-256color",
            "COLORTERM": "truecolor",
            "XDG_STATE_HOME": str(folder),
            "PS1": "$ ",
            "LC_ALL": "C.UTF-8",
        }
        environment.pop("NO_COLOR", None)
        self.child: pexpect.spawn[bytes] = pexpect.spawn(
            command, arguments, dimensions=(rows, columns), env=environment, timeout=20
        )
        self.screen = pyte.Screen(columns, rows)
        self.stream = pyte.ByteStream(self.screen)

    def read(self) -> None:
        """Take what the program has written."""
        try:
            data = self.child.read_nonblocking(65536, timeout=0.05)
        except (pexpect.TIMEOUT, pexpect.EOF):
            return
        # pyte takes the kitty keyboard request for a cursor movement
        self.stream.feed(data.replace(b"\x1b[>25u", b"").replace(b"\x1b[<u", b""))

    def until(self, seen: Callable[[str], bool], what: str, seconds: float = 20) -> str:
        """Read until the text on the screen is as wanted."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.read()
            text = "\n".join(self.screen.display)
            if seen(text):
                return text
        raise AssertionError(f"not seen: {what}\n" + "\n".join(self.screen.display))

    def shows(self, *words: str) -> str:
        """Read until all the words are on the screen."""
        return self.until(lambda text: all(word in text for word in words), repr(words))

    def type(self, text: str) -> None:
        """Press keys."""
        self.child.send(text)

    def resize(self, columns: int, rows: int) -> None:
        """Make the terminal another size."""
        self.screen.resize(rows, columns)
        self.child.setwinsize(rows, columns)


Opener = Callable[..., Terminal]


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Opener]:
    """Opens the screen in a terminal, directly or in a shell."""
    opened: list[Terminal] = []

    def open_it(shell: bool = False, **size: Any) -> Terminal:
        if shell:
            one = Terminal("/bin/sh", ["-i"], tmp_path, **size)
            one.shows("$")
            one.type(f'{sys.executable} -c "{START}"\r')
        else:
            one = Terminal(sys.executable, ["-c", START], tmp_path, **size)
        opened.append(one)
        one.shows("paused", "PIT 8254", "? keys" if size.get("columns", 80) < 120 else "? all keys")
        return one

    yield open_it
    for one in opened:
        one.child.close(force=True)


def test_start_type_and_quit(terminal: Opener) -> None:
    one = terminal()
    one.type(":outb 43h 34h")
    one.shows("SC", "then", "F1 help outb")
    one.type("\r")
    one.shows("ch 0 mode 2, lo/hi")
    one.type("\x1b")
    one.shows("space run")
    one.type("q")
    one.child.expect(pexpect.EOF)
    one.child.wait()
    assert one.child.exitstatus == 0


def test_resize_goes_through_all_three_shapes(terminal: Opener) -> None:
    one = terminal()
    one.resize(120, 40)
    one.shows("timerlab", "4 HPET", "l Log", "? all keys")
    one.resize(200, 60)
    one.shows("w Waves", "profile datasheet", "l Log")
    one.resize(30, 4)
    one.until(lambda text: "PIT" not in text and "paused" in text, "time and prompt alone")
    one.resize(80, 24)
    one.shows("1pit", "Port 61h", "? keys")


def test_running_time_moves_and_pauses(terminal: Opener) -> None:
    one = terminal()
    one.type(" ")
    one.shows("► running", "1.0")
    one.type(" ")
    one.shows("║ paused")


def test_suspend_and_come_back_is_not_blank(terminal: Opener) -> None:
    one = terminal(shell=True)
    one.type("\x1a")
    one.until(lambda text: "paused" not in text.splitlines()[0], "the shell")
    one.type("fg\r")
    one.shows("paused", "PIT 8254", "Port 61h", "? keys")
    one.type("q")
    one.until(lambda text: "$" in text.splitlines()[0], "the shell again")  # pyte has no second screen


def test_a_stopped_process_says_what_it_made_of_the_time(terminal: Opener) -> None:
    one = terminal(columns=120, rows=40)
    one.type(" ")
    one.shows("► running")
    os.kill(one.child.pid, signal.SIGSTOP)
    time.sleep(1.6)
    os.kill(one.child.pid, signal.SIGCONT)
    one.shows("host slept", "carried on")
    one.type("q")
    one.child.expect(pexpect.EOF)


def test_signals_in_the_middle_of_drawing_do_not_hang_the_screen(terminal: Opener) -> None:
    one = terminal(columns=120, rows=40)
    one.type(" ")
    one.shows("► running")
    for turn in range(120):
        os.kill(one.child.pid, signal.SIGCONT)
        time.sleep(0.003 + turn % 7 * 0.001)
        one.read()
    for _ in range(20):
        one.type("q")  # what is typed while the terminal is entered again is lost
        if one.child.expect([pexpect.EOF, pexpect.TIMEOUT], timeout=1) == 0:
            return
    raise AssertionError("the screen hangs")
