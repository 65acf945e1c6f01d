"""Tick policies: what becomes of a timer's ticks while the guest cannot take them.

| policy          | a tick is due                                  | the guest comes back            |
|-----------------|------------------------------------------------|---------------------------------|
| discard         | one may wait at the controller, more are lost  | takes the one that waits        |
| discard_nolatch | lost while the vCPU is out                     | -                               |
| merge           | remembered while the vCPU is out               | one for all of them             |
| delay           | the source stands still while the vCPU is out  | it goes on with what was left   |
| slew            | as discard, but more are counted               | extra ticks between later ones  |
| slew_nolatch    | counted while the vCPU is out                  | extra ticks between later ones  |
| slew_rtc        | as slew                                        | and more as register C is read  |
| reinject        | pending; injected when the last one was ended  | each end brings the next        |

A source without a policy does what the hardware does, which is `discard`; the policy of that name counts as well.
Sources: QEMU qapi/misc.json, LostTickPolicy; QEMU 7.2 hw/rtc/mc146818rtc.c; Linux arch/x86/kvm/i8254.c; libvirt, Time
keeping. `delay` follows its documentation; QEMU's kvm-pit calls reinjection so (quirk `tick_delay`).

Not modelled: `delay` holds the edges back, the chip's registers do not stand still.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from timerlab.devices.ticks_reinject import Reinject
from timerlab.devices.ticks_slew import Slew, SlewNoLatch, SlewRtc
from timerlab.devices.ticks_state import Held, Port, Tick
from timerlab.line import Train

__all__ = ["POLICIES", "Delay", "Discard", "DiscardNoLatch", "Held", "Merge", "Port", "Tick", "moved"]


class Discard(Tick):
    """What the hardware does: one request may wait, and what meets it is lost."""

    name = "discard"
    about = "what cannot be delivered is dropped; one may wait at the controller"

    def tick(self, now: int) -> None:
        """As it comes."""
        self.pass_on()


class DiscardNoLatch(Tick):
    """Nothing waits: what is due while the vCPU is out is lost."""

    name = "discard_nolatch"
    about = "what is due while the vCPU is out is dropped, the first one too"

    def tick(self, now: int) -> None:
        """Delivered, or lost."""
        if self.port.out(self.target):
            self.state.lost += 1
        else:
            self.pass_on()


class Merge(Tick):
    """What was missed is one tick when the vCPU comes back."""

    name = "merge"
    about = "ticks that were missed become one when the vCPU comes back"

    def tick(self, now: int) -> None:
        """Delivered, or remembered."""
        if self.port.out(self.target):
            self.state.n += 1
        else:
            self.pass_on()

    def resumed(self, now: int) -> None:
        """One for all."""
        s = self.state
        if s.n:
            s.lost += s.n - 1
            s.n = 0
            s.made_up += 1
            s.lost += not self.port.inject()


class Delay(Tick):
    """The source stands still while its vCPU is out: its edges come later by the time that the vCPU was out. What the
    chip told and has not come yet is held as trains, in the chip's time.
    """

    name = "delay"
    about = "the source stands still while the vCPU is out: every tick comes, later"

    def __init__(self, port: Port, vcpu: int | None = None) -> None:
        super().__init__(port, vcpu)
        self.held: list[Train] = []

    def tick(self, now: int) -> None:
        """As it comes: it comes when it is to."""
        self.pass_on()

    def absorb(self, train: Train) -> None:
        """What the chip did, in its own time."""
        if self.held:
            joined = self.held[-1].followed_by(train)
            if joined is not None:
                self.held[-1] = joined
                return
        self.held.append(train)

    def coming(self) -> list[Train]:
        """What is held, at the moments at which it comes if the vCPU stays in."""
        return [moved(train, self.state.shift) for train in self.held]

    def keep(self, trains: list[Train]) -> None:
        """What has not come yet, at such moments."""
        self.held = [moved(train, -self.state.shift) for train in trains]

    def stands(self, now: int) -> None:
        """The vCPU went out."""
        self.state.stopped = now

    def resumed(self, now: int) -> None:
        """The source goes on with the time that was left."""
        s = self.state
        if s.stopped is not None:
            s.shift += now - s.stopped
            s.stopped = None

    @property
    def stands_still(self) -> bool:
        """Whether the vCPU is out."""
        return self.state.stopped is not None

    def forget(self, now: int) -> None:
        """What was held does not come."""
        s = self.state
        s.due += sum(train.rises for train in self.held)
        self.held = []
        s.stopped = now if self.port.out(self.target) else None
        super().forget(now)

    @property
    def late_counts(self) -> bool:
        """Late ticks are as regular as others."""
        return False

    def due_by(self, now: int, early: bool) -> int:
        """Ticks that the chip had made by `now`; `early`: before the edges of this nanosecond came."""
        s = self.state
        passed = (now if s.stopped is None else s.stopped) - s.shift - early
        held = 0
        for train in self.held:
            held += (train.until(now - early) + train.level) // 2 - (train.until(passed) + train.level) // 2
        return s.due + held

    def due(self) -> int:
        """Those that are held were due."""
        return self.state.due + sum(train.rises for train in self.held)

    def snapshot(self) -> tuple[Any, ...]:
        """The state, and what is held."""
        held = self.held
        first = held[0].ns(0) if held else None
        last = held[-1].ns(held[-1].count - 1) if held else None
        return super().snapshot(), Held(sum(train.count for train in held), first, last, tuple(held))

    def restore(self, state: tuple[Any, ...]) -> None:
        """Take back what `snapshot` gave."""
        super().restore(state[0])
        self.held = list(state[1].trains)


def moved(train: Train, by: int) -> Train:
    """The same edges `by` ns later."""
    if not by:
        return train
    return replace(train, clock=replace(train.clock, epoch=train.clock.epoch + by))


POLICIES: Mapping[str, type[Tick]] = MappingProxyType(
    {one.name: one for one in (Discard, DiscardNoLatch, Merge, Delay, Slew, SlewNoLatch, SlewRtc, Reinject)}
)
"""The policies by their names."""
