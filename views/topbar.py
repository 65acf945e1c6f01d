"""The top row: state, rate, virtual time, clock of day, date and next event; right: profile, guest, lag, `? help`.

The only row with a background; in the past it turns violet. What stands in it depends on the width (guide, section 9);
an item that has no room is left out, the state and the time never.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from textual import events

from timerlab import text
from timerlab.views.bar import Bar, Spans, joined
from timerlab.views.frame import Frame
from timerlab.views.rows import width_of
from timerlab.views.wave_lines import label


@dataclass(frozen=True, slots=True)
class Status:
    """What the top row says; times in ns."""

    now: int
    running: bool
    past: bool
    end: int
    rate: Fraction
    pit_hz: Fraction
    start: str
    profile: str
    guest: str
    vcpus: int
    lag: int = 0
    next_name: str = ""
    next_ns: int | None = None
    next_level: int | None = None
    busy: str = ""
    notice: str = ""


def status_of(frame: Frame, busy: str = "", notice: str = "") -> Status:
    """What the top row says of a frame; `busy` is the verb that is at work, `notice` what a late wake-up did."""
    options = frame.options
    moment, line = frame.next or (None, "")
    level = frame.peeks.get(line.replace(".out", ".next_level")) if line.endswith(".out") else None
    if level is None and line:
        level = 1 - frame.number(f"{line}.level")
    return Status(
        now=frame.now,
        running=frame.running,
        past=frame.past,
        end=frame.end_ns,
        rate=frame.rate,
        pit_hz=options.pit_hz,
        start=options.start,
        profile=options.profile,
        guest=options.guest,
        vcpus=options.vcpus,
        lag=frame.lag if frame.running else 0,
        next_name=line_name(line),
        next_ns=moment,
        next_level=level if isinstance(level, int) else None,
        busy=busy,
        notice=notice,
    )


def line_name(line: str) -> str:
    """A line's short name: `pit.ch1.out` is `OUT1`, `irq.0` is `IRQ0`, `hpet.t0.out` is `HPET T0`."""
    return label(line).removesuffix(" req")


def rate_text(rate: Fraction, pit_hz: Fraction) -> str:
    """A rate as it is read: `×1/1000`, `×1000`, `1pit/s`."""
    if rate * pit_hz == 1:
        return "1pit/s"
    if rate.denominator == 1:
        return f"×{text.count(rate.numerator)}"
    if rate.numerator == 1:
        return f"×1/{text.count(rate.denominator)}"
    per_second = rate * 1_000_000_000
    return f"{text.duration(per_second)}/s"


def _state(status: Status) -> Spans:
    if status.past:
        return [("◄", "past!"), (" ", "text"), ("past", "past!")]
    if status.busy:
        return [("►", "interactive!"), (" ", "text"), (status.busy, "strong")]
    if status.running:
        return [("►", "interactive!"), (" ", "text"), ("running", "strong")]
    return [("║", "changed!"), (" ", "text"), ("paused", "changed!")]


def _next(status: Status) -> Spans:
    if status.next_ns is None:
        return [("next ", "label"), ("–", "absent")]
    sign = {1: "↑ ", 0: "↓ "}.get(status.next_level if status.next_level is not None else -1, "")
    wait = text.duration(max(0, status.next_ns - status.now))
    return [("next ", "label"), (f"{sign}{status.next_name} {wait}", "text")]


def items(status: Status, width: int) -> tuple[list[tuple[int, Spans]], list[tuple[int, Spans]]]:
    """The left and the right items with their rank: the highest rank goes first when there is no room."""
    wide, medium = width >= 200, width >= 120
    left: list[tuple[int, Spans]] = []
    right: list[tuple[int, Spans]] = []
    if medium:
        left.append((4, [("timerlab", "strong")]))
    left.append((0, _state(status)))
    if status.rate != 1:
        left.append((2, [(rate_text(status.rate, status.pit_hz), "attention" if status.running else "text")]))
    left.append((0, [(text.moment(status.now), "strong")]))
    if status.past:
        left.append((3, [(f"{text.duration(status.end - status.now)} before the end", "past")]))
        right.append((2, [("end", "interactive!"), (" to the end", "label")]))
        right.append((4, [("?", "interactive!"), (" help", "label")]))
        return left, right
    of_day = text.clock_of_day(status.start, status.now)
    if wide:
        left.append((5, [(f"{text.date(status.start, status.now)} {of_day}", "label")]))
    elif medium:
        left.append((5, [(of_day, "label")]))
    left.append((3, _next(status)))
    if status.notice:
        right.append((1, [(status.notice, "attention")]))
    lag = f"{text.decimal(Fraction(status.lag, 1_000_000), 1)} ms"
    lag_role = "attention" if status.lag >= 100_000_000 else "text"
    if wide:
        right.append((6, [("profile ", "label"), (status.profile, "text")]))
        right.append((8, [("guest ", "label"), (status.guest, "text")]))
        right.append((9, [("vCPUs ", "label"), (str(status.vcpus), "text")]))
        right.append((7, [("host lag ", "label"), (lag, lag_role)]))
        right.append((2, [("?", "interactive!"), (" help", "label")]))
    elif medium:
        right.append((7, [(status.profile, "text"), (" · lag ", "label"), (lag, lag_role)]))
        right.append((2, [("?", "interactive!"), (" help", "label")]))
    else:
        right.append((6, [(status.profile, "text")]))
    return left, right


def spans(status: Status, width: int) -> Spans:
    """The whole row, `width` cells wide."""
    left, right = items(status, width)
    gap = 3 if width >= 200 else 2

    def total() -> int:
        cells = sum(width_of(item) for _, item in left + right)
        return cells + gap * max(0, len(left) + len(right) - 1) + 2

    while total() > width:
        worst = max(rank for rank, _ in left + right)
        if worst == 0:
            break
        left = [item for item in left if item[0] != worst]
        right = [item for item in right if item[0] != worst]
    before: Spans = [(" ", "text"), *joined([item for _, item in left], gap)]
    after: Spans = [*joined([item for _, item in right], gap), (" ", "text")]
    space = max(0, width - width_of(before) - width_of(after))
    return [*before, (" " * space, "text"), *after]


class TopBar(Bar):
    """The row itself; the app gives it a `Status` a frame."""

    status: Status | None = None

    def show(self, status: Status) -> None:
        """Draw `status`."""
        self.status = status
        self.stand_on("tl-past" if status.past else "panel")
        self.put([spans(status, self.size.width)])

    def on_resize(self) -> None:
        """Draw again at the new width."""
        if self.status is not None:
            self.show(self.status)

    async def on_click(self, event: events.Click) -> None:
        """A click on `? help` opens it."""
        if event.x >= self.size.width - 8:
            await self.run_action("app.act('help')")
