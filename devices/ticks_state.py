"""What stands between a tick source and the interrupt controllers: counts, state, and what a policy is.

Sources: QEMU qapi/misc.json, LostTickPolicy; libvirt, Time keeping; Linux arch/x86/kvm/i8254.c; kvm list mail 2010
(lost ticks, reinjection). All times are int ns.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import astuple, dataclass, field
from typing import Any, ClassVar, Protocol

from timerlab.line import Train


class Port(Protocol):
    """A source's way to the controllers, as a policy sees it."""

    reacts: bool
    """Whether the guest takes interrupts by itself."""

    def inject(self) -> bool:
        """A whole pulse; whether it made a request: False where it met one that waits, or nobody."""

    def up(self) -> bool:
        """The wire rises; whether that made a request."""

    def down(self) -> None:
        """The wire falls, where it is up."""

    def waits(self) -> bool:
        """Whether a request of the source waits at a controller: the `irr` of the model."""

    def out(self, vcpu: int) -> bool:
        """Whether a vCPU takes no interrupts now."""

    def alarm(self, at: int | None) -> None:
        """Ask to be rung at a moment, or (None) no more."""

    def bulk(self, vcpu: int, taken: int) -> None:
        """So many more interrupts were injected, taken and ended in this nanosecond."""


@dataclass(frozen=True, slots=True)
class Held:
    """Edges that stand still with their source: how they are cut into trains is no state."""

    edges: int
    first: int | None
    last: int | None
    trains: tuple[Train, ...] = field(compare=False, repr=False)


@dataclass(slots=True)
class TickState:
    """All that a policy remembers of its source."""

    vcpu: int | None = None
    """The vCPU that it was said to be for."""
    taker: int = 0
    """The vCPU that took its latest interrupt."""
    due: int = 0
    delivered: int = 0
    late: int = 0
    lost: int = 0
    made_up: int = 0
    n: int = 0
    """Ticks that are still to be made up for: missed ones, or KVM's `pending`."""
    last: int | None = None
    """The ns of the latest edge."""
    gone: bool = False
    """Whether its tick is lost."""
    period: int = 0
    """ns between the latest two edges."""
    acked: bool = True
    """KVM's irq_ack: the guest has ended the latest tick."""
    serving: tuple[int, str, int] | None = None
    """The vCPU, the way and the vector (8259: request level) by which it was taken and has not been ended."""
    burst: int = 0
    """QEMU's irq_reinject_on_ack_count."""
    next: int = 0
    """The ns at which the extra timer expires, while n > 0."""
    alarm: int | None = None
    """The ns at which it has asked to be rung."""
    shift: int = 0
    """By how many ns its edges come later, as it stood still."""
    stopped: int | None = None
    """The ns since which it has stood still."""
    drained: tuple[int, int] = (-1, 0)
    """The ns of the latest end, and how many there were in it."""


class Tick(ABC):
    """A tick source under a policy. `rise` and `fall` are its edges; the rest is told by the fabric."""

    name: ClassVar[str]
    about: ClassVar[str]

    def __init__(self, port: Port, vcpu: int | None = None) -> None:
        self.port = port
        self.state = TickState(vcpu)

    @property
    def target(self) -> int:
        """The vCPU that it is for."""
        s = self.state
        return s.taker if s.vcpu is None else s.vcpu

    # -- edges

    def rise(self, now: int) -> None:
        """An edge of the source: a tick is due."""
        s = self.state
        if s.due - s.delivered > s.lost and not s.n and not self.port.waits():
            # a controller that was programmed anew has forgotten it
            s.lost = s.due - s.delivered
        if s.last is not None and now > s.last:
            s.period = now - s.last
        s.last = now
        s.due += 1
        lost = s.lost
        self.tick(now)
        s.gone = s.lost > lost

    @abstractmethod
    def tick(self, now: int) -> None:
        """What the policy does with a tick that is due."""

    def fall(self) -> None:
        """The source's wire falls."""
        self.port.down()

    def pass_on(self) -> None:
        """The edge as it is; where it is not taken as a request, the tick is lost."""
        if not self.port.up():
            self.state.lost += 1

    # -- what it is told

    def took(self, vcpu: int, way: str, level: int, now: int) -> bool:
        """A vCPU takes an interrupt of the source; whether that is late: later than its tick was due. Ticks are taken
        in the order in which they were due.
        """
        s = self.state
        s.taker = vcpu
        s.serving = (vcpu, way, level)
        waiting = s.due - s.delivered - s.lost
        late = waiting > (s.last == now and not s.gone) or (s.shift > 0 and waiting > 0)
        s.delivered += 1
        s.late += late
        self.taken(now)
        return late

    def taken(self, now: int) -> None:  # noqa: B027  (most have nothing to do)
        """The rest of it, as the policy has it."""

    def ended(self, now: int) -> None:
        """The guest has ended the interrupt."""
        self.state.serving = None

    def stands(self, now: int) -> None:  # noqa: B027  (most have nothing to do)
        """The vCPU that it is for went out."""

    def resumed(self, now: int) -> None:  # noqa: B027  (most have nothing to do)
        """The vCPU that it is for takes interrupts again."""

    def rang(self, now: int) -> None:  # noqa: B027  (most have nothing to do)
        """The moment that it asked for."""

    @property
    def stands_still(self) -> bool:
        """Whether no edge comes, as the vCPU is out."""
        return False

    def forget(self, now: int) -> None:
        """No backlog, no timer; what had not been delivered never will be, but for what waits at a controller."""
        s = self.state
        s.n = s.burst = 0
        s.acked = True
        s.drained = (-1, 0)
        self._ring(None)
        if not self.port.waits():
            s.lost = max(s.lost, s.due - s.delivered)

    def _ring(self, at: int | None) -> None:
        if self.state.alarm != at:
            self.state.alarm = at
            self.port.alarm(at)

    # -- leaps

    @property
    def late_counts(self) -> bool:
        """Whether late interrupts count towards the budget of what is handled one by one."""
        return True

    def counts(self) -> tuple[int, ...]:
        """Due, delivered, late, lost, made up, backlog."""
        s = self.state
        return s.due, s.delivered, s.late, s.lost, s.made_up, s.n

    def add(self, times: int, change: tuple[int, ...], at: int | None = None) -> None:
        """Let the counts grow so many times by `change`; the latest edge of those was at `at`."""
        s = self.state
        due, delivered, late, lost, made_up, n = change
        s.due += times * due
        s.delivered += times * delivered
        s.late += times * late
        s.lost += times * lost
        s.made_up += times * made_up
        s.n += times * n
        if at is not None:
            s.last = at

    def signature(self) -> tuple[Any, ...]:
        """What decides about the fate of its next edge, but for the counts."""
        s = self.state
        return bool(s.n), s.acked, s.burst, s.period if s.n else 0, s.serving, s.due - s.delivered - s.lost - s.n

    # -- looking, keeping

    def peek(self) -> dict[str, Any]:
        """What can be seen of it."""
        s = self.state
        due = self.due()
        return {
            "policy": self.name,
            "vcpu": self.target,
            "due": due,
            "delivered": s.delivered,
            "late": s.late,
            "lost": s.lost,
            "made_up": s.made_up,
            "lag": due - s.delivered,
            "pending": s.n,
        }

    def due(self) -> int:
        """Ticks that were due up to now."""
        return self.state.due

    def snapshot(self) -> tuple[Any, ...]:
        """The state, flat."""
        return astuple(self.state)

    def restore(self, state: tuple[Any, ...]) -> None:
        """Take back what `snapshot` gave."""
        self.state = TickState(*state)
