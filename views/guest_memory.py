"""Guest memory: the structures that a hypervisor shares with its guest, and every byte that was written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

from textual.binding import Binding, BindingType

from timerlab.text import hexa, plural
from timerlab.views.frame import Frame
from timerlab.views.guest_memory_forms import Structure, registered
from timerlab.views.guest_memory_rows import MIDDLE, WIDE, dump, fields_of, has_page, page, summary
from timerlab.views.panel import Panel
from timerlab.views.rows import Row, Span, pad, rule

__all__ = ["MemoryPanel"]


class MemoryPanel(Panel):
    """The paravirtual structures in guest memory."""

    KEY = "9"
    NAME = "Guest memory"
    TAB = "mem"
    TOPIC = "pv kvm_"
    HINTS = (("↑↓", "row"), ("enter", "inspect"), ("[ ]", "structure"), ("x", "bytes"), ("u", "update now"))
    HINT_ACTIONS: ClassVar[Mapping[str, str]] = {
        "enter": "choose",
        "[ ]": "structure(1)",
        "x": "raw",
        "u": "update",
    }
    HELP = """\
# Guest memory

What a hypervisor writes into guest RAM, where the guest has registered a place for it with an MSR, and what a guest
makes of it.

| structure | registered by |
|---|---|
| pvclock | MSR 4B564D01h (12h): system_time and the TSC at one moment, and how to go on from there |
| wall clock | MSR 4B564D00h (11h): the date when kvmclock was 0 |
| steal | MSR 4B564D03h: for how long the vCPU could have run and did not |
| async pf | MSR 4B564D02h: pages that are missing, and that have come |
| pv eoi | MSR 4B564D04h: one word |

A version is odd while an update is under way. Under the fields of pvclock stands the guest's arithmetic: the delta of
the TSC, shifted, times the multiplier, without its 32 bits of fraction, and system_time. A small panel has a row a
structure. `●` `•` `·` mark what an update changed.

| key | does |
|---|---|
| `[` `]` | the previous, the next structure |
| `x` | the bytes of all RAM that is not 0, and back |
| `u` | let the guest write the MSR again, with the same value: an update, at once |
"""
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("left_square_bracket", "structure(-1)", "previous structure", show=False),
        Binding("right_square_bracket", "structure(1)", "next structure", show=False),
        Binding("x", "raw", "bytes", show=False),
        Binding("u", "update", "update", show=False),
    ]

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self.raw = False
        """Whether bytes are shown."""
        self._chosen = ("", 0)
        self._seen: tuple[Mapping[int, bytes], int] = ({}, 0)
        self._dump: tuple[list[Row], list[int]] = ([], [])
        self._names: list[str] = []

    @property
    def structure(self) -> Structure | None:
        """The one that is chosen: the first, if none was."""
        if self.frame is None:
            return None
        found = registered(self.frame)
        return next((one for one in found if (one.kind, one.vcpu) == self._chosen), found[0] if found else None)

    def head(self, frame: Frame) -> tuple[str, str]:
        """The structure that is shown, where it is, and its MSR; or how many there are."""
        found = registered(frame)
        one = self.structure
        if self.raw or one is None:
            pages = len(frame.memory())
            return ("bytes" if self.raw else ""), f"{plural(pages, 'page')} written"
        if not has_page(self.size.width, self.size.height - 1):
            return "", plural(len(found), "structure")
        msr = f"MSR {hexa(one.msr, 8 if one.msr > 0xFFFF else 2)} = {hexa(one.value, 4, False)}"
        return one.of, f"{hexa(one.address, 8)}  {msr}" if self.size.width >= WIDE else msr

    def body(self, frame: Frame, width: int, height: int) -> list[Row]:
        """The structure with its arithmetic and the others; one row for each; or bytes."""
        found = registered(frame)
        self._names = []
        if self.raw or not found:
            head = [] if self.raw else _quiet(frame, width)
            self._names = [""] * len(head)
            return [*head, *self._bytes(frame, width)]
        one = self.structure
        if one is None or not has_page(width, height):
            self._names = [structure.peek for structure in found]
            return [summary(frame, structure, width, structure == one) for structure in found]
        table = page(frame, one, width)
        fields = fields_of(one, width)
        self._names = ["", *(_value(one, field.peek) for field in fields)]
        others = [structure for structure in found if structure != one]
        if others:
            table += [(), rule("", "Other structures", "", "", width, False)]
            self._names += [""] * (len(table) - len(self._names)) + [structure.peek for structure in others]
            table += [summary(frame, structure, width, below=True) for structure in others]
        return table

    def cells(self, row: int) -> Sequence[tuple[int, int]]:
        """A field's, or a structure's row; nothing where there is no value."""
        if not 0 <= row < len(self._names) or not self._names[row]:
            return ()
        at = 10 if has_page(self.size.width, self.size.height - 1) else 12
        return ((at, self.size.width - at),)

    def value_name(self, row: int, column: int) -> str:
        """The value at the cursor: `pv0.tsc_timestamp`."""
        return self._names[row] if 0 <= row < len(self._names) else ""

    @classmethod
    def rows_at(cls, width: int) -> int:
        """Title and a row for each of four structures; then fields and the others; then fields and what they mean."""
        return 5 if width < MIDDLE else 18 if width < WIDE else 13

    def action_structure(self, direction: int) -> None:
        """Show the previous or the next structure."""
        one = self.structure
        if self.frame is None or one is None:
            return
        found = registered(self.frame)
        other = found[(found.index(one) + direction) % len(found)]
        self._chosen = (other.kind, other.vcpu)
        self.cursor = None
        self._to_structure()
        self.draw()

    def action_raw(self) -> None:
        """Bytes, or structures."""
        self.raw = not self.raw
        self.cursor = None
        self.first = 0
        self.draw()
        self._to_structure()
        self.draw()

    def action_update(self) -> None:
        """Ask the app for the command that lets the hypervisor write the structure."""
        one = self.structure
        if one is not None and one.kind != "eoi":
            who = f" v{one.vcpu}" if one.vcpu else ""
            self.post_message(self.Command(f"wrmsr {one.msr:x}h {one.value:x}h{who}"))

    def _bytes(self, frame: Frame, width: int) -> list[Row]:
        """The bytes, made anew only where one changed."""
        memory = frame.memory()
        if self._seen != (memory, width):
            self._seen = (memory, width)
            self._dump = dump(memory, width)
        if not self._dump[0]:
            return [pad(((("nothing was written yet"), "label"),), width)]
        return self._dump[0]

    def _to_structure(self) -> None:
        """Scroll the bytes to the structure that is chosen."""
        one, places = self.structure, self._dump[1]
        if self.raw and one is not None:
            self.first = next((row for row, place in enumerate(places) if place + 16 > one.address), 0)


def _value(one: Structure, peek: str) -> str:
    """A value's full name."""
    return f"pv{'' if one.kind == 'wall' else one.vcpu}.{peek}" if peek else ""


def _quiet(frame: Frame, width: int) -> list[Row]:
    """What would have to be done for a structure."""
    if frame.options.quirks.get("policy") == "kvm":
        words: list[Span] = [("no structure is registered: ", "label"), ("os boot", "interactive")]
        if width >= 64:
            words += [(" or ", "label"), ("wrmsr 4b564d01h 1001h", "interactive")]
    else:
        words = [("only policy kvm shares structures; ", "label"), ("RAM that is not 0:", "label")]
    return [pad(words, width), ()]
