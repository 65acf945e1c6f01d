"""KVM's in-kernel PIT as a tick source: a host timer, and what it lets be pending.

Source: Linux 6.1 arch/x86/kvm/i8254.c: create_pit_timer, pit_timer_fn, pit_do_work, kvm_pit_ack_irq,
kvm_pit_reset_reinject, and the module parameter min_timer_period_us. A host timer is not the 8254 of the board: here it
stands alone, without a machine. The same pending counter, behind the board's own PIT, is the policy `reinject`.
"""

from __future__ import annotations

from dataclasses import dataclass

NS_PER_S, PIT_HZ = 1_000_000_000, 1_193_182
LEAST_NS = 200_000
"""The shortest period that a guest may have (min_timer_period_us)."""

PERIODIC, ONE_SHOT = (2, 3), (0, 1, 4)


def interval_ns(count: int) -> int:
    """The ns that a count stands for, rounded down; 0 counts 65536."""
    return (count or 0x1_0000) * NS_PER_S // PIT_HZ


@dataclass(slots=True)
class KvmPit:
    """The timer of channel 0. `loaded` is the ns of the last load; while HPET legacy replacement is on, or in mode 5,
    there is none.
    """

    reinject: bool = True
    mode: int = 2
    count: int = 0
    loaded: int | None = None
    pending: int = 0
    acked: bool = True

    def load(self, mode: int, count: int, now: int, legacy: bool = False) -> None:
        """A count was loaded: nothing is pending any more."""
        self.mode, self.count = mode, count
        timed = mode in PERIODIC + ONE_SHOT and not legacy
        self.loaded = now if timed else None
        self.reset()

    def reset(self) -> None:
        """IRQ 0 was unmasked, the count loaded, or reinjection enabled (kvm_pit_reset_reinject)."""
        self.pending, self.acked = 0, True

    def expiry(self, k: int) -> int | None:
        """The ns of expiry `k`, from 0: the first after the interval, in the periodic modes the next ones at least
        200 us apart; None where it never comes.
        """
        if self.loaded is None or (k and self.mode not in PERIODIC):
            return None
        interval = interval_ns(self.count)
        return self.loaded + interval + k * max(interval, LEAST_NS)

    def expiries(self, now: int) -> int:
        """How many there were up to `now`."""
        first = self.expiry(0)
        if first is None or now < first:
            return 0
        if self.mode not in PERIODIC:
            return 1
        return 1 + (now - first) // max(interval_ns(self.count), LEAST_NS)

    def expire(self) -> bool:
        """An expiry; whether it injects."""
        if not self.reinject:
            return True
        self.pending += 1
        inject, self.acked = self.acked, False
        return inject

    def ack(self) -> bool:
        """The guest's EOI; whether it injects the next one."""
        self.acked = True
        if not self.reinject or not self.pending:
            return False
        self.pending -= 1
        if self.pending:
            self.acked = False
        return bool(self.pending)
