"""What the register inspector needs of the app: registers by any name, the writes to them, effects, and the commands.

The panel sees frames and asks here, and here alone, for what hangs on the session.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, cast

from timerlab import registers
from timerlab.command import Instant, Result
from timerlab.commands.cpu import Wrmsr
from timerlab.commands.io import Out
from timerlab.commands.memory import WriteMemory
from timerlab.conditions import near
from timerlab.devices.pit_regs import COMMAND
from timerlab.errors import CommandError
from timerlab.explain import Trial, trial_of
from timerlab.regs import Reg
from timerlab.session import Session
from timerlab.views.inspector import InspectorPanel
from timerlab.views.rows import numbers
from timerlab.views.sight import Effect, Subject, Written, refusal, turned

if TYPE_CHECKING:
    from timerlab.views.app import TimerlabApp

_CONTROL = re.compile(r"pit\.ch([012])\.(?:mode|kind|rw|bcd)")
_INDEXED = {
    "cmos": (registers.RTC_INDEX, registers.RTC_DATA, 8, 0x7F),
    "ioapic": (registers.IOAPIC, registers.IOAPIC + 0x10, 32, 0xFF),
}
"""Spaces behind two places: where the index is written, where the data, how wide, and the index's bits."""


def subject_of(session: Session, name: str) -> tuple[Subject, int | None] | None:
    """What a name means to the inspector, and the bit where it is a field's (`port61.gate2`); None where the value
    belongs to no register.
    """
    name = name.lower()
    control = _CONTROL.fullmatch(name)
    if control is not None:
        low = {"rw": 4, "bcd": 0}.get(name.rpartition(".")[2], 1)
        return Subject(COMMAND, channel=int(control[1])), low
    found = registers.find(session.machine, name)
    if found is not None:
        return Subject(*found), None
    owner, _, part = name.rpartition(".")
    found = registers.find(session.machine, owner) if owner else None
    if found is None:
        return None
    fields = (one for layout in found[0].layouts for one in layout.fields if one.name.lower() == part)
    one = next(fields, None)
    return None if one is None else (Subject(*found), one.lo)


def register_names(session: Session) -> Iterator[tuple[str, str]]:
    """All registers: (name, title)."""
    for reg in session.machine.board.regs:
        yield reg.name, f"{reg.title}, {registers.where(reg)}"


def writes_to(session: Session, reg: Reg, vcpu: int = 0) -> list[Written]:
    """The writes to a register that were done so far and stand in the log as commands, newest first."""
    found: list[Written] = []
    indexed = _INDEXED.get(reg.space)
    ways = _ways(session, reg, vcpu)
    index, held = -1, 0
    for entry in session.log[: session.position]:
        action = entry.action
        if not isinstance(action, (Out, WriteMemory, Wrmsr)):
            continue
        value = None
        if indexed is not None:
            select, data, width, mask = indexed
            chosen = _put(action, _space(reg), select, width)
            index = index if chosen is None else chosen & mask
            part = _put(action, _space(reg), data, width)
            at = width * (index - reg.address)
            if part is not None and 0 <= at < reg.width:  # a wide register is written in parts, each at its own index
                value = held = held & ~(((1 << width) - 1) << at) | part << at
        else:
            parts = (_put(action, *way, reg.width, vcpu) for way in ways)
            value = next((part for part in parts if part is not None), None)
        if value is not None:
            said = entry.result.text if entry.result is not None else ""
            found.append(Written(entry.t_ns, entry.text, value, said))
    return found[::-1]


def _space(reg: Reg) -> str:
    """Where the two places of an indexed space are."""
    return "io" if reg.space == "cmos" else "mem"


def _ways(session: Session, reg: Reg, vcpu: int) -> list[tuple[str, int]]:
    """The places at which a register can be written: (space, address)."""
    if reg.space == "lapic":
        page = session.machine.board.lapic_base(vcpu)
        return [("lapic", page + reg.address), ("msr", 0x800 + reg.address // 16)]
    return [(reg.space, reg.address)]


def _put(
    action: Out | WriteMemory | Wrmsr, space: str, address: int, width: int, vcpu: int | None = None
) -> int | None:
    """What a write puts into a place of `width` bits; None where it passes by, or covers it in part. What each vCPU has
    for itself is written by that vCPU alone.
    """
    match action:
        case Out(port, value, size) if space == "io":
            low = 8 * (address - port)
        case WriteMemory(place, value, size, by) if space == "mem" or (space == "lapic" and by == vcpu):
            low = 8 * (address - place)
        case Wrmsr(msr, value, by) if space == "msr" and by == vcpu and msr == address:
            low, size = 0, max(64, width)
        case _:
            return None
    if low < 0 or low + width > size:
        return None
    return value >> low & (1 << width) - 1


def effect_of(session: Session, subject: Subject, value: int, bit: int) -> Effect:
    """What turning a bit equals, and what it would do now, tried on a copy."""
    reg = subject.reg
    refused = refusal(reg, value, bit)
    if refused:
        return Effect(refused=refused)
    commands = registers.write_commands(session.machine, reg, turned(reg, value, bit), subject.vcpu)
    if not commands:
        return Effect(refused=f"{reg.title} cannot be written")
    try:
        result = tried(session, commands)
    except CommandError as error:
        return Effect(tuple(commands), fault=error.message)
    words = result.text
    if len(commands) == 1 and not result.fault:
        then = "".join(text for text, _ in session.decode(commands[0]).then)
        words = then.removeprefix("then").strip() or words
    return Effect(tuple(commands), " ".join(words.split()), result.fault or "")


def tried(session: Session, commands: Sequence[str]) -> Result:
    """What the last of some instant commands gives, one after the other on a copy of the machine; CommandError."""
    trial = cast("Session", Trial(trial_of(session.machine), session.horizon))
    result = Result()
    for text in commands:
        action = session.parse(text)
        assert isinstance(action, Instant)
        result = action.run(trial)
        if result.fault:
            break
    return result


class Inspecting:
    """The actions of `TimerlabApp` around the inspector; the panel's `Desk`."""

    prelude: tuple[str, tuple[str, ...]] = ("", ())
    """The beginning of a line in the prompt, and the commands that have to come before it."""
    zoomed_before = False
    """Whether the panel that the inspector was opened from was alone on the screen."""

    @property
    def _me(self) -> TimerlabApp:
        return self  # type: ignore[return-value]

    @property
    def inspector(self) -> InspectorPanel:
        """The panel."""
        panel = self._me.panels["inspector"]
        assert isinstance(panel, InspectorPanel)
        return panel

    @property
    def home(self) -> str:
        """The panel that one goes back to from the prompt: the inspector while it is open, else what is shown."""
        view = self._me.view
        return "inspector" if view.inspecting else view.shown

    def inspect(self, name: str) -> bool:
        """Open the register that a name belongs to; whether there is one."""
        me = self._me
        found = subject_of(me.runner.session, name)
        if found is None:
            return False
        panel = self.inspector
        panel.desk = self
        owners = (one.KEY for one in me.panels.values() if one.owns(found[0].reg.name))
        panel.origin = next(owners, "")
        panel.open(*found)
        if not me.view.inspecting:
            self.zoomed_before, me.view.zoomed = me.view.zoomed, False
        me.action_show("inspector")
        return True

    def inspect_typed(self, text: str) -> Result:
        """`inspect NAME`, typed; CommandError for a name without a register."""
        verb, _, name = text.partition(" ")
        name = name.strip()
        known = [name for name, _ in register_names(self._me.runner.session)]
        if not name:
            raise CommandError(f"which register? inspect takes a name such as {known[0]}", len(verb) + 1)
        if not self.inspect(name):
            close = near(name.lower(), known)
            raise CommandError(
                f"{name} is no register, and no value of one", text.rfind(name) + 1, length=len(name), suggestion=close
            )
        return Result(text=f"{name} is open: space turns the bit, esc goes back")

    # what the panel asks for

    def effect_of(self, subject: Subject, value: int, bit: int) -> Effect:
        """See `effect_of`."""
        try:
            return effect_of(self._me.runner.session, subject, value, bit)
        except Exception as error:  # a defect in a chip must not take the screen
            self._me.log.error(repr(error))
            return Effect(refused=f"what it does cannot be told: {type(error).__name__}")

    def writes_of(self, subject: Subject) -> Sequence[Written]:
        """See `writes_to`."""
        return writes_to(self._me.runner.session, subject.reg, subject.vcpu)

    def turn(self, effect: Effect) -> bool:
        """Issue the commands as if typed; a refusal is said."""
        if effect.refused:
            self._me.composer.say([("! ", "fault"), *numbers(effect.refused)])
            return False
        return all(self._me.issue(command) for command in effect.commands)

    def edit(self, effect: Effect) -> None:
        """Put the last command into the prompt; those before it are issued with it."""
        if effect.refused:
            self.turn(effect)
            return
        *before, last = effect.commands
        self.prelude = (last.rpartition(" ")[0], tuple(before))
        self._me.begin_typing(last)

    def issue_with_prelude(self, text: str) -> bool:
        """Issue a typed line, and before it what `edit` owes to it."""
        begins, before = self.prelude
        self.prelude = ("", ())
        if begins and text.startswith(begins) and self._me.runner.session.decode(text).error is None:
            for command in before:
                self._me.issue(command)
        return self._me.issue(text)

    def tell(self, words: str) -> None:
        """Say something under the prompt."""
        self._me.say(words)

    def close_inspector(self) -> None:
        """Back to the panel that one came from."""
        me = self._me
        me.view.inspecting = False
        me.view.zoomed = self.zoomed_before
        me.action_show(me.view.shown)
