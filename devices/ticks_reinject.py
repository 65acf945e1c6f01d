"""Reinjection: the next tick is injected when the guest has ended the last one.

Source: Linux arch/x86/kvm/i8254.c: pit_do_work, kvm_pit_ack_irq, pit_mask_notifer, kvm_pit_reset_reinject. `n` is
ps->pending: it counts the tick in service until its EOI.
"""

from __future__ import annotations

from timerlab.devices.ticks_state import Tick

AT_ONCE = 64
"""So many ends in one nanosecond show that the guest ends each tick as it takes it."""


class Reinject(Tick):
    """KVM's in-kernel PIT with KVM_REINJECT_CONTROL on."""

    name = "reinject"
    about = "ticks that were missed are pending; each end of one injects the next"

    def tick(self, now: int) -> None:
        """One more is pending; injected if the guest has ended the last one."""
        s = self.state
        s.n += 1
        if s.acked:
            s.acked = False
            self.port.inject()

    def fall(self) -> None:
        """It was a whole pulse."""

    def ended(self, now: int) -> None:
        """The EOI notifier."""
        s = self.state
        vcpu = s.taker
        super().ended(now)
        s.acked = True
        if not s.n:
            return
        s.n -= 1
        at, ends = s.drained
        s.drained = (now, ends + 1 if at == now else 1)
        if s.drained[1] >= AT_ONCE and s.n > AT_ONCE:
            # a guest that ends them in no time ends the rest of them now
            many = s.n - AT_ONCE
            s.n -= many
            s.delivered += many
            s.late += many
            s.made_up += many
            self.port.bulk(vcpu, many)
        if s.n:
            s.acked = False
            s.made_up += 1
            self.port.inject()
