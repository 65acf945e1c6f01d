"""The tick policies' quirk."""

from __future__ import annotations

from timerlab.quirks.kinds import Quirk, quirk

QUIRKS: tuple[Quirk, ...] = (
    quirk(
        "tick_delay",
        "what `policy SOURCE delay` means",
        "QEMU qapi/misc.json, LostTickPolicy; QEMU 7.2 hw/i386/kvm/i8254.c, kvm_pit_realizefn",
        stands="the source stands still while the vCPU is out, as the policy is documented",
        reinject="missed ticks are injected again, as QEMU's kvm-pit takes the word",
    ),
    quirk(
        "handler_out",
        "a handler (guest=latency=TIME) whose vCPU goes out",
        "timerlab; a latency is the time of a running guest, or a delay until its EOI is seen",
        stops="stands still, and goes on with the rest of its time when the vCPU is back",
        goes_on="ends in its time all the same: only the next interrupt waits for the vCPU",
    ),
)
