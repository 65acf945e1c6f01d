"""CPU of a frame: pump, camera, panels, compositor and what is written to the terminal.

Both apps run in a pseudo-terminal and are driven by hand, a frame at a time: timerlab with every timer running
at real time on a clock that moves 40 ms a frame, the peer with one line-API widget that draws as many rows, as wide.
"""

from __future__ import annotations

from typing import Any

from measure import Group, Row, compared, three
from terminal import in_terminal

SIZES = ((80, 24), (120, 40), (200, 60))
AIM_NS = 7e6
FRAME_NS = 40_000_000

SCENE = """
outb 43h 34h, outb 40h a9h, outb 40h 04h, outb 43h 54h, outb 41h 12h
outb 43h b6h, outb 42h 4ch, outb 42h 05h, outb 61h 3
outb 20h 11h, outb 21h 20h, outb 21h 04h, outb 21h 01h, outb a0h 11h, outb a1h 28h, outb a1h 02h, outb a1h 01h
outb 21h 00h, outb a1h 00h, outb 70h 0bh, outb 71h 72h
writel ioapic.sel 38h, writel ioapic.win 51h, writel ioapic.sel 3ch, writel ioapic.win 8052h
writel hpet.conf 1, writeq hpet.t0.conf 284ch, writeq hpet.t0.cmp 143180, writeq hpet.t0.cmp 14318
writeq hpet.t2.conf 2c06h, writeq hpet.t2.cmp 200000000, writeq hpet.t1.conf 4, writeq hpet.t1.cmp 300000000
"""
"""What sets every timer going, by commas."""

WATCH = """
import asyncio
from textual.geometry import Region
from textual.widget import Widget

class Watch:
    # counts the rows that widgets ask to have drawn, and their cells
    def __init__(self):
        self.rows = self.cells = 0
        plain = Widget.refresh
        def refresh(widget, *regions, **options):
            for region in regions or [Region(0, 0, *widget.size)]:
                self.rows += region.height
                self.cells += region.area
            return plain(widget, *regions, **options)
        Widget.refresh = refresh

class Driver:
    # one frame after another, each painted before the next
    def begin(self):
        self.at, self.slept = -WARM, 0
        self.tick()

    def tick(self):
        if self.at == 0:
            watch.rows = watch.cells = 0
            self.start = time.process_time_ns()
        if self.at == FRAMES:
            report(frame_ns=(time.process_time_ns() - self.start) / FRAMES,
                   rows=watch.rows / FRAMES, cells=watch.cells / FRAMES, **self.extra())
            self.exit()
            return
        self.at += 1
        self.frame()
        self.call_after_refresh(self.tick)

    def extra(self):
        return {}

watch = Watch()
"""
OURS = (
    """
os.environ.setdefault("TEXTUAL_FPS", "120")  # as views.run does
from timerlab import Session
from timerlab.views.app import TimerlabApp
session = Session(vcpus=4, profile="ich", guest="ideal")
for command in """
    + repr(SCENE)
    + """.replace(",", "\\n").strip().splitlines():
    session.do(command)
for cpu in range(4):
    boot = 9 if cpu == 0 else 8
    for command in (f"1bh fee00{boot:x}00h", f"1bh fee00{boot + 4:x}00h", "80fh 1ffh", f"832h 200e{cpu}h", "83eh 3"):
        session.do(f"wrmsr {command} v{cpu}")
    session.do(f"wrmsr 838h {62_500 + cpu} v{cpu}")
session.do("skip 10ms")
"""
    + WATCH
    + """
class Clock:
    ns = 0
    def __call__(self):
        return self.ns

class Ours(Driver, TimerlabApp):
    parts = 0, 0

    def wake(self):
        # the pump turns by hand here
        pass

    def on_mount(self):
        self.issue("run")
        self.set_timer(0.3, self.begin)

    def frame(self):
        clock.ns += FRAME_NS
        if not RUNNING and self.runner.session.running:
            self.runner.session.pause()
        self.pump()

    def extra(self):
        if RUNNING and (not self.runner.session.running or self.runner.session.now < FRAMES * FRAME_NS):
            raise RuntimeError("timerlab did not run")
        return {}

clock = Clock()
Ours(session, pacer_clock=clock).run()
"""
)
PEER = (
    """
from rich.segment import Segment
from rich.style import Style
from textual.app import App
from textual.strip import Strip
"""
    + WATCH
    + """
class Lines(Widget):
    DEFAULT_CSS = "Lines { width: " + str(WIDTH) + "; height: 1fr; }"
    style = Style(color="#c0c0c0", bgcolor="#101010")
    turn = 0

    def render_line(self, y):
        text = f"row {y} of turn {self.turn} ".ljust(self.size.width)[: self.size.width]
        return Strip([Segment(text, self.style)], self.size.width)

class Peer(Driver, App):
    def compose(self):
        yield Lines()

    def on_mount(self):
        self.set_timer(0.3, self.begin)

    def frame(self):
        if not ROWS:
            return
        lines = self.query_one(Lines)
        lines.turn += 1
        lines.refresh(Region(0, 0, WIDTH, ROWS))

Peer().run()
"""
)


def frame(script: str, columns: int, lines: int, **given: Any) -> dict[str, float]:
    """What a driver reports of its frames."""
    return in_terminal(script, columns, lines, **given)[0]


def groups(quick: bool) -> list[Group]:
    """A frame at three sizes, running and paused."""
    frames, warm, rounds = (60, 10, 2) if quick else (200, 20, 5)
    rows: list[Row] = []
    for columns, lines in SIZES:
        given = {"FRAMES": frames, "WARM": warm, "FRAME_NS": FRAME_NS}
        ours: list[float] = []
        paused: list[float] = []
        peer: list[float] = []
        idle: list[float] = []
        drawn = width = 0.0
        for _ in range(rounds):
            taken = frame(OURS, columns, lines, RUNNING=True, **given)
            drawn, width = taken["rows"], taken["cells"] / max(taken["rows"], 1)
            ours.append(taken["frame_ns"])
            size = {"ROWS": min(lines, max(1, round(drawn))), "WIDTH": min(columns, max(1, round(width)))}
            peer.append(frame(PEER, columns, lines, **size, **given)["frame_ns"])
            paused.append(frame(OURS, columns, lines, RUNNING=False, **given)["frame_ns"])
            idle.append(frame(PEER, columns, lines, ROWS=0, WIDTH=columns, **given)["frame_ns"])
        at = f"at {columns}×{lines}"
        name = f"one line-API widget, {three(drawn)} rows of {three(width)} cells"
        aim = AIM_NS if (columns, lines) == SIZES[-1] else None
        rows.append(compared(f"a frame {at}, running", ours, name, peer, under_ns=aim))
        rows.append(compared(f"a turn of the pump {at}, paused", paused, "the same widget, nothing drawn", idle))
    about = (
        f"CPU of the whole process for a frame, {frames} frames by hand in a pseudo-terminal, {rounds} turns; "
        "each frame is 40 ms of virtual time at rate 1 for 4 vCPUs and a guest that takes every interrupt at once: "
        "channel 0 at 1000 Hz, channel 1 as refresh, channel 2 as a tone, the RTC's interrupts on, three HPET timers, "
        "four APIC timers at 1000 Hz; and one turn of the pump, where the screen makes two. In use it stands still "
        "while paused; the rows for that say what a turn costs that finds nothing to do."
    )
    return [Group("Frames", about, rows)]
