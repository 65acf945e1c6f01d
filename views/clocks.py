"""Guest clocks: what each clock of the guest's system believes, against true time, and where the vCPUs were."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar, Protocol, cast

from textual.binding import Binding, BindingType

from timerlab.text import moment
from timerlab.views.clocks_rows import WIDE, Plotted, columns, first_lane, kept, parts, rows
from timerlab.views.frame import Frame
from timerlab.views.lanes import ACROSS, NAME, VALUE, zoomed
from timerlab.views.panel import Panel
from timerlab.views.rows import Row

__all__ = ["ClocksPanel"]

_VALUES = ("ns", "drift", "ppb", "day", "ns")
"""The values of a clock, by column; *why* has none of its own."""


class Typist(Protocol):
    """An app in which a line can be begun."""

    def begin_typing(self, text: str) -> None:
        """Put the beginning of a command into the prompt."""


class ClocksPanel(Panel):
    """The guest's clocks against true time: a table, the drifts over time, and the vCPUs."""

    KEY = "7"
    NAME = "Guest clocks"
    TAB = "clk"
    TOPIC = "os."
    HINTS = (("p", "policy"), ("s", "steal…"), ("m", "migrate…"), ("+ −", "zoom"), ("enter", "inspect"))
    HINT_ACTIONS: ClassVar[Mapping[str, str]] = {
        "enter": "choose",
        "p": "begin('policy ')",
        "s": "begin('preempt ')",
        "m": "begin('migrate ')",
        "+ −": "zoom(-1)",
    }
    HELP = """\
# Guest clocks

What the clocks of the guest's operating system believe, against true time, which is virtual time. `os boot` starts
the system; before that only the vCPUs are shown.

| column | what it shows |
|---|---|
| believes | time since boot by this clock; `± 1 s`: it cannot say more |
| drift | that minus true time: how far it is off |
| rate | how fast the drift grows now |
| a day | what that rate costs in a day |
| why | where the error comes from |

Clocks: `ticks` counts timer interrupts, `TSC cal` is the TSC at its calibrated rate, `HPET`, `PM timer` and `RTC` are
read from their chips, `kvmclock` from guest memory, `sched` is kvmclock less what was stolen, `system` is the
clocksource as NTP leaves it. A low panel leaves some out.

The plot has drift against time; names stand at the lines' ends. A clock that counts ticks stands between two of them:
the plot has it at its ticks, the table has it now. A line that is at zero throughout is the dotted one.
The cause of a jump stands beside it.

| lane | means |
|---|---|
| `━` | the vCPU runs |
| `─` | it is halted |
| `░` | stolen: it could run, the host runs something else |
| `·` | out: in its hypervisor, in an SMI, or stopped |

At the end of a lane: what was stolen in the window; `~` where it is reckoned from the lane.

| key | does |
|---|---|
| `p` | type a policy |
| `s` | take a vCPU from the guest for a while: the one under the cursor |
| `m` | move it to another processor of the host |
| `+` `−` | a shorter, a longer window for the lanes |
"""
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("p", "begin('policy ')", "policy", show=False),
        Binding("s", "begin('preempt ')", "steal", show=False),
        Binding("m", "begin('migrate ')", "migrate", show=False),
        Binding("plus,equals_sign", "zoom(-1)", "zoom in", show=False),
        Binding("minus", "zoom(1)", "zoom out", show=False),
    ]

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self.across = ACROSS
        """ns that the lanes show."""
        self._plotted = Plotted()

    def head(self, frame: Frame) -> tuple[str, str]:
        """What they are held against, and that."""
        part = "against true time" if self.size.width >= 64 else ""
        if self.size.width >= WIDE:
            part = "what each believes, against true time"
        return part, f"true  {moment(frame.now)}"

    def body(self, frame: Frame, width: int, height: int) -> list[Row]:
        """See `clocks_rows.rows`."""
        return rows(frame, width, height, self.across, self._plotted)

    def cells(self, row: int) -> Sequence[tuple[int, int]]:
        """The columns of a clock, or a vCPU's lane."""
        if self._vcpu(row) is not None:
            return ((0, NAME - 1), (NAME, self.size.width - NAME - VALUE))
        if self._clock(row):
            at, cells, before = columns(self.size.width), [], 9
            for end in at[:4]:
                if end:
                    cells.append((before + 1, end - before - 1))
                    before = end
            return (*cells, (at.why, self.size.width - at.why)) if at.why else tuple(cells)
        return ()

    def value_name(self, row: int, column: int) -> str:
        """The value at the cursor: `os.ticks.drift`, `vcpu3.state`."""
        vcpu, clock = self._vcpu(row), self._clock(row)
        if vcpu is not None:
            return f"vcpu{vcpu}.{('state', 'steal_ns')[column > 0]}"
        return f"os.{clock}.{_VALUES[min(column, len(_VALUES) - 1)]}" if clock else ""

    @classmethod
    def rows_at(cls, width: int) -> int:
        """Title, table and plot; with lanes from 78 on."""
        return 13 if width < 78 else 18 if width < WIDE else 34

    def action_zoom(self, direction: int) -> None:
        """A shorter (−1) or longer (+1) window for the lanes."""
        self.across = zoomed(self.across, direction)
        self.draw()

    def action_begin(self, text: str) -> None:
        """Put the beginning of a command into the prompt, with the vCPU under the cursor."""
        vcpu = self._vcpu(self.cursor[0]) if self.cursor else None
        if vcpu is not None and not text.startswith("policy"):
            text += f"v{vcpu} "
        cast("Typist", self.app).begin_typing(text)

    def _clock(self, row: int) -> str:
        """The clock in a row; empty where there is none."""
        if self.frame is None:
            return ""
        clocks = self.frame.clocks()
        most = parts(self.size.width, self.size.height - 1, len(clocks), self.frame.options.vcpus).clocks
        shown = kept(clocks, most)
        return shown[row - 1].clock if 0 < row <= len(shown) else ""

    def _vcpu(self, row: int) -> int | None:
        """The vCPU whose lane is in a row."""
        if self.frame is None:
            return None
        width, height = self.size.width, self.size.height - 1
        many = parts(width, height, len(self.frame.clocks()), self.frame.options.vcpus).lanes
        at = row - first_lane(self.frame, width, height)
        return at if 0 <= at < many else None
