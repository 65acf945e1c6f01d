"""The quirks of the host under the guest, where there is one."""

from __future__ import annotations

from timerlab.quirks.kinds import quirk

QUIRKS = (
    quirk(
        "host_boot",
        "when the host was started",
        "Intel SDM 3B, Time-Stamp Counter: it counts from the processor's reset",
        with_guest="together with the guest: its TSC is 0 at the guest's power-on",
        earlier="10 000 s before the guest's power-on: the guest's TSC starts at 0 by a negative offset",
    ),
)

EARLIER_S = 10_000
