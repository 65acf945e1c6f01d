"""Asynchronous page faults: a page that the host has swapped out, which the guest need not wait for.

Source: Linux arch/x86/kvm/x86.c, kvm_pv_enable_async_pf, kvm_can_do_async_pf, kvm_arch_async_page_not_present,
kvm_arch_async_page_present; virt/kvm/async_pf.c; Documentation/virt/kvm/x86/msr.rst. A missing page is told by a #PF
whose CR2 is a token; that it is there, by the token in memory and an interrupt, or before Linux 5.8 by another #PF
(`kvm_apf=page_fault`). Not modelled: more than 64 pages at once, which KVM waits for.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from timerlab.devices.pv_pages import Memory, number

ENABLED, SEND_ALWAYS, AS_VMEXIT, AS_INT = 1, 2, 4, 8
"""Bits of MSR ASYNC_PF_EN."""
NOT_PRESENT, READY = 1, 2
"""What the flags in memory say of a #PF: a page is missing; it is there, where #PFs tell that too."""
ORDINARY = 4
"""Error code of an ordinary #PF: a read in user mode of a page that is not present (Intel SDM 3A, Interrupt 14)."""
BROADCAST = 0xFFFF_FFFF
"""The token that wakes all."""


@dataclass(slots=True)
class ApfState:
    """Of one vCPU. `waiting` are pages that are missing: (token, address, whether the guest was told); `done` are
    tokens that have not been delivered, and None for a page that the guest was not told of.
    """

    enabled: int = 0
    """MSR ASYNC_PF_EN."""
    vector: int = 0
    """MSR ASYNC_PF_INT."""
    id: int = 0
    waiting: tuple[tuple[int, int, bool], ...] = ()
    done: tuple[int | None, ...] = ()
    halted: bool = False
    fault: tuple[int, int] | None = None
    """Error code and CR2 of the last #PF."""
    ready: int = 0
    """Page-ready interrupts so far."""


@dataclass(slots=True)
class Apf:
    """The mechanism of one vCPU. `interrupt` delivers a vector, `lapic_on` says whether its local APIC takes one,
    `halt` puts the vCPU to sleep (True) or wakes it, `open` is its IF. `by_fault`: a #PF tells of a page that came.
    """

    index: int
    memory: Memory
    put: Callable[[int, bytes], None]
    interrupt: Callable[[int, int], None]
    lapic_on: Callable[[int], bool]
    halt: Callable[[int, bool], None]
    open: Callable[[int], bool] = lambda v: True
    by_fault: bool = False
    state: ApfState = field(default_factory=ApfState)

    @property
    def on(self) -> bool:
        """Enabled, and with delivery by interrupt, where there is one."""
        needed = ENABLED if self.by_fault else ENABLED | AS_INT
        return self.state.enabled & needed == needed

    @property
    def address(self) -> int:
        """Where its 64 bytes are."""
        return self.state.enabled & ~0x3F

    def enable(self, value: int) -> None:
        """WRMSR to ASYNC_PF_EN, with no reserved bit set: off, everything outstanding is forgotten; on, one broadcast
        is queued.
        """
        state = self.state
        state.enabled = value
        if not self.on:
            state.waiting, state.done = (), ()
            self._sleep(False)
        elif not state.done:
            state.done = (BROADCAST,)
            self.deliver()

    def missing(self, address: int, cpl: int = 3, paging: bool = True, nested: bool = False) -> int | None:
        """The guest touches a page that is not there: the token, or None where the guest cannot be told and halts; with
        IF 0 it could not even wake (kvm_can_do_async_pf).
        """
        state = self.state
        if state.id << 12 & BROADCAST == 0:
            state.id = 1
        token = (state.id << 12 | self.index) & BROADCAST
        state.id += 1
        told = self.on and self.open(self.index) and bool(cpl or state.enabled & SEND_ALWAYS)
        told = told and (bool(state.enabled & AS_VMEXIT) if nested else paging)
        state.waiting += ((token, address, told),)
        if not told:
            self._sleep(True)
            return None
        self.put(self.address, NOT_PRESENT.to_bytes(4, "little"))
        state.fault = (0, token)
        return token

    def ordinary(self, address: int) -> int:
        """A #PF of the guest's own, which no host knows of: the flags that its handler finds in memory. What is not 0
        makes it take CR2 for a token.
        """
        self.state.fault = (ORDINARY, address)
        return number(self.memory, self.address) if self.on else 0

    def present(self, address: int | None = None) -> int | None:
        """A page has come, the one that was missed first or the one at an address: its token. None where the guest was
        not told of it; ValueError where no such page is missing.
        """
        state = self.state
        found = next((page for page in state.waiting if address is None or page[1] == address), None)
        if found is None:
            raise ValueError("no page is missing" if address is None else f"the page at {address:x}h is not missing")
        state.waiting = tuple(page for page in state.waiting if page is not found)
        token = found[0] if found[2] else None
        state.done += (token,)
        self.deliver()
        return token

    def deliver(self) -> None:
        """kvm_check_async_pf_completion: as long as the token's field is free, one after the other."""
        state = self.state
        while state.done and (not self.on or self._free()):
            token, *rest = state.done
            state.done = tuple(rest)
            if token is not None and self.on:
                state.ready += 1
                if self.by_fault:
                    self.put(self.address, READY.to_bytes(4, "little"))
                    state.fault = (0, token)
                else:
                    self.put(self.address + 4, token.to_bytes(4, "little"))
                    self.interrupt(self.index, state.vector)
            self._sleep(False)

    def _free(self) -> bool:
        """Whether the guest can be told that a page came: it has seen to what it was told before, and takes more."""
        if self.by_fault:
            return self.open(self.index) and not number(self.memory, self.address)
        return self.lapic_on(self.index) and not number(self.memory, self.address + 4)

    def woken(self) -> None:
        """An interrupt reaches the vCPU while it waits for a page: it runs."""
        self._sleep(False)

    def _sleep(self, asleep: bool) -> None:
        if self.state.halted != asleep:
            self.state.halted = asleep
            self.halt(self.index, asleep)

    def reset(self) -> None:
        """RESET or INIT of the vCPU: off, nothing outstanding; guest memory stays, and tokens go on."""
        state = self.state
        self.state = ApfState(id=state.id, fault=state.fault, ready=state.ready, halted=state.halted)
        self._sleep(False)
