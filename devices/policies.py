"""Tick policies at work: which sources have one, and their way to the controllers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from timerlab.devices.source import Source
from timerlab.devices.ticks import POLICIES, Delay
from timerlab.devices.ticks_regs import COUNTED, abouts_of, peek_name, source_named
from timerlab.devices.ticks_reinject import Reinject
from timerlab.devices.ticks_rtc import rescaled
from timerlab.devices.ticks_slew import NS_PER_S, RTC_HZ, Slew, SlewRtc
from timerlab.devices.ticks_state import Tick
from timerlab.regs import Peek

if TYPE_CHECKING:
    from timerlab.devices.fabric import Fabric


class Way:
    """A source's way to the controllers, past its policy."""

    def __init__(self, fabric: Fabric, source: Source) -> None:
        self.fabric = fabric
        self.source = source
        self.reacts = fabric.guest.reacts
        self.raw: tuple[Callable[[], None], Callable[[], None]] = (source.rise, source.fall)

    def up(self) -> bool:
        """The wire rises; whether that made a request."""
        source = self.source
        asked = source.raised - source.coalesced - source.lost
        self.down()
        self.raw[0]()
        return source.raised - source.coalesced - source.lost > asked

    def down(self) -> None:
        """The wire falls, where it is up."""
        if self.source.level:
            self.raw[1]()

    def inject(self) -> bool:
        """A whole pulse; under edge=withdraw its end comes before the next one, or with the source's own."""
        made = self.up()
        if not self.fabric.unsteady:
            self.down()
        return made

    def waits(self) -> bool:
        """Whether a request waits where somebody may take it."""
        return self.fabric.awaited(self.source)

    def out(self, vcpu: int) -> bool:
        """Whether a vCPU takes nothing."""
        return bool(self.fabric.out >> vcpu & 1)

    def alarm(self, at: int | None) -> None:
        """Ring at a moment, or not."""
        if at is None:
            self.fabric.alarms.pop(self.source, None)
        else:
            self.fabric.alarms[self.source] = at

    def bulk(self, vcpu: int, taken: int) -> None:
        """So many were raised and taken."""
        self.source.raised += taken
        self.source.delivered[vcpu] += taken


class Policies:
    """The tick policies of a machine, and who tells them what the chips do.

    The board tells: `reloaded` when the guest has loaded channel 0 of the PIT anew, `rtc_read_c` when it has read the
    RTC's register C. Masks and EOI registers are looked at after each access (`before`, `after`).
    """

    def __init__(self, fabric: Fabric) -> None:
        self.fabric = fabric
        self.names = tuple(source.name for source in fabric.sources if source is not fabric.others)
        self._masks: dict[Source, tuple[bool, bool]] = {}

    # -- setting

    def find(self, word: str) -> Source:
        """A source by a name that people use; ValueError where there is none."""
        name = source_named(word)
        source = self.fabric.by_name.get(name)
        if source is None or name not in self.names:
            raise ValueError(f"no tick source {word}: pit, rtc, hpet.t0, lapic0, irq.5, pin.16")
        return source

    def put(self, word: str, policy: str, vcpu: int | None = None) -> None:
        """Give a source a policy, with all counts at 0, or `off`; ValueError for one that there is not. What a policy
        before it held back is lost.
        """
        source = self.find(word)
        if policy != "off" and policy not in POLICIES:
            raise ValueError(f"no policy {policy}: {', '.join(POLICIES)}, off")
        if vcpu is not None and not 0 <= vcpu < len(self.fabric.vcpus):
            raise ValueError(f"no vCPU {vcpu}: 0 to {len(self.fabric.vcpus) - 1}")
        taker = max(0, source.vcpu) if source.tick is None else source.tick.state.taker
        self._take_off(source)
        if policy != "off":
            tick = self._put_on(source, policy, vcpu)
            tick.state.taker = taker
            if policy == "delay":
                tick.state.vcpu = tick.target
                if self.fabric.out >> tick.target & 1:
                    tick.stands(self.fabric.now)
            if source.level and policy not in ("discard", "discard_nolatch", "merge", "delay"):
                tick.port.down()

    def _put_on(self, source: Source, policy: str, vcpu: int | None) -> Tick:
        fabric = self.fabric
        tick = source.tick = POLICIES[policy](Way(fabric, source), vcpu)
        source.rise = lambda: tick.rise(fabric.now)
        source.fall = tick.fall
        fabric.ticked = [one for one in fabric.sources if one.tick is not None]
        return tick

    def _take_off(self, source: Source) -> None:
        tick = source.tick
        if tick is None:
            return
        assert isinstance(tick.port, Way)
        source.rise, source.fall = tick.port.raw
        source.tick = None
        self.fabric.alarms.pop(source, None)
        self.fabric.ticked.remove(source)

    # -- what they are told

    def ring(self, now: int) -> None:
        """Let those act whose moment has come, in wiring order."""
        alarms = self.fabric.alarms
        for source in sorted((one for one, at in alarms.items() if at <= now), key=lambda one: one.order):
            del alarms[source]
            if source.tick is not None:
                source.tick.rang(now)

    def reloaded(self, now: int) -> None:
        """The count of PIT channel 0 was loaded (kvm_pit_load_count)."""
        self._reset("irq.0", now)

    def rtc_read_c(self, now: int) -> None:
        """The guest has read register C of the RTC."""
        tick = self.fabric.by_name["irq.8"].tick
        if isinstance(tick, SlewRtc):
            self.fabric.now = now
            tick.read_c(now)

    def rtc_rate(self, old: int, new: int, since: int, now: int) -> None:
        """The guest has changed the RTC's periodic rate: from `old` clocks of 32 768 Hz to `new`, `since` clocks after
        the last tick. 0 is no rate, or PIE cleared: what was missed is forgotten (periodic_timer_update).
        """
        tick = self.fabric.by_name["irq.8"].tick
        if isinstance(tick, Slew) and new:
            self.fabric.now = now
            tick.rated(rescaled(tick.state.n, old, new, since, slew=True)[0], new * NS_PER_S // RTC_HZ, now)
        elif not new:
            self._forget("irq.8", now)

    def _reset(self, name: str, now: int) -> None:
        if isinstance(self.fabric.by_name[name].tick, Reinject):
            self._forget(name, now)

    def _forget(self, name: str, now: int) -> None:
        self.fabric.now = now
        tick = self.fabric.by_name[name].tick
        if tick is not None:
            tick.forget(now)

    def before(self) -> None:
        """An access is about to be made: note the masks of the sources that are reinjected."""
        self._masks = {one: self._masked(one) for one in self.fabric.ticked if isinstance(one.tick, Reinject)}

    def after(self, now: int) -> None:
        """An access was made: an interrupt that was unmasked has no backlog any more (kvm_fire_mask_notifiers), and
        one that is in service no more was ended, by whatever way.
        """
        fabric = self.fabric
        fabric.now = now
        for source, was in self._masks.items():
            if source.tick is not None and any(a and not b for a, b in zip(was, self._masked(source), strict=True)):
                source.tick.forget(now)
        self._masks = {}
        for source in fabric.ticked:
            tick = source.tick
            if tick is not None and tick.state.serving is not None:
                vcpu, way, level = tick.state.serving
                held = fabric.pic.in_service(level) if way == "pic" else fabric.lapics[vcpu].state.isr >> level & 1
                if not held:
                    tick.ended(now)

    def _masked(self, source: Source) -> tuple[bool, bool]:
        """Whether the 8259 masks it, and the I/O APIC."""
        fabric = self.fabric
        head = source.name.partition(".")[0]
        pin = source.index
        if head == "irq":
            pin = source.index or 2
        elif head == "hpet":
            route = fabric.hpet.route(source.index)
            pin = route.pin if route.kind == "pin" else len(fabric.ioapic.state.table)
        elif head != "pin":
            return False, False
        table = fabric.ioapic.state.table
        return head == "irq" and fabric.pic.masked(source.index), pin < len(table) and bool(table[pin] >> 16 & 1)

    def forget(self, now: int) -> None:
        """Counts were estimated for some time: nobody knows what is missed."""
        for source in self.fabric.ticked:
            if source.tick is not None:
                source.tick.forget(now)

    def next_moment(self) -> int | None:
        """When a policy does something next at a moment of its own, if its vCPU stays as it is; None for never."""
        moments = list(self.fabric.alarms.values())
        for source in self.fabric.ticked:
            tick = source.tick
            if isinstance(tick, Delay) and not tick.stands_still:
                moments += [train.ns(0) for train in tick.coming()[:1]]
        return min(moments, default=None)

    # -- looking, keeping

    def abouts(self) -> Mapping[str, Peek]:
        """What each value means that can be seen of any source."""
        return abouts_of(self.names)

    def peek(self) -> dict[str, Any]:
        """What can be seen of the sources that have a policy."""
        seen: dict[str, Any] = {}
        for source in self.fabric.ticked:
            if source.tick is not None:
                seen |= {peek_name(source.name, what): value for what, value in source.tick.peek().items()}
        return seen

    def look(self, name: str) -> Any:
        """One of the values of `abouts`, whether its source has a policy or not; KeyError for another name."""
        source, _, what = name.removeprefix("ticks.").rpartition(".")
        if source not in self.names or what not in COUNTED:
            raise KeyError(name)
        tick = self.fabric.by_name[source].tick
        if tick is None:
            return "off" if what == "policy" else 0
        return tick.peek()[what]

    def snapshot(self) -> tuple[Any, ...]:
        """Each policy by its source's name, with its state."""
        return tuple(
            (source.name, source.tick.name, source.tick.snapshot())
            for source in self.fabric.ticked
            if source.tick is not None
        )

    def restore(self, state: tuple[Any, ...]) -> None:
        """Take back what `snapshot` gave."""
        fabric = self.fabric
        for source in list(fabric.ticked):
            self._take_off(source)
        fabric.alarms.clear()
        for name, policy, kept in state:
            source = fabric.by_name[name]
            tick = self._put_on(source, policy, None)
            tick.restore(kept)
            if tick.state.alarm is not None:
                fabric.alarms[source] = tick.state.alarm
