"""The pair of Intel 8259A interrupt controllers: ports 20h, 21h, A0h, A1h, and the ELCR at 4D0h and 4D1h.

Source: Intel 8259A datasheet (order 231468): Interrupt Sequence, Initialization Command Words, Operation Command
Words; Intel 82371AB (PIIX4) datasheet, Edge/Level Control Registers, for the ELCR and the cascade that is wired to
IR2. Each chip is three bit maps (IRR, ISR, IMR), an order of priorities and the modes. Nothing here depends on time.
Not modelled: the 8080's CALL sequence, the buffered mode (it changes a pin only), and any cascade but the PC's.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from timerlab.device import PortDevice, State
from timerlab.devices.pic_chip import FIELDS, RANK, Chip, whole
from timerlab.devices.pic_regs import ELCR_MASTER, ELCR_SLAVE, ICW_NAMES, PEEKS, REGS
from timerlab.interrupt import Outcome

PORTS = (0x20, 0x21, 0xA0, 0xA1, 0x4D0, 0x4D1)
CASCADE = 2
"""The master's input that hears the slave's INT."""
_IR2 = 1 << CASCADE
NONE = -1
"""No candidate."""

NEW, MERGED, HELD, LOST = Outcome.NEW, Outcome.MERGED, Outcome.HELD, Outcome.LOST
EOI = 0x20
"""OCW2, non-specific end of interrupt."""


class Ack(NamedTuple):
    """What the CPU gets of an INTA cycle: the vector, the IRQ it stands for, and whether there was no request.

    A spurious one has `irq` 7, or 15 where it was the slave that had nothing to say.
    """

    vector: int
    irq: int
    spurious: bool


_MASTER = tuple(Ack(vector, vector & 7, False) for vector in range(256))
_SLAVE = tuple(Ack(vector, 8 + (vector & 7), False) for vector in range(256))
_NO_MASTER = tuple(Ack(vector, 7, True) for vector in range(256))
_NO_SLAVE = tuple(Ack(vector, 15, True) for vector in range(256))


class Pic(PortDevice):
    """Two 8259As, the slave on IR2 of the master. `intr` is the master's INT.

    `withdrawn` is true after INT fell because a line fell: a CPU that had seen it finds nothing at its INTA. It ends
    with `inta`, with a write to any port, and when INT rises again.
    """

    name = "pic"
    regs = REGS
    peeks = PEEKS

    def __init__(self, quirks: Mapping[str, str]) -> None:
        self._withdraw = quirks["edge"] == "withdraw"
        self._eoi_skips_masked = quirks["pic_special_mask"] == "skipped"
        self._sfnm_all = quirks["pic_sfnm"] == "all_pass"
        self._poll_empty = 7 if quirks["pic_poll_empty"] == "seven" else 0
        self._icw1_keeps_isr = quirks["pic_icw1_isr"] == "kept"
        self._icw1_clears_modes = quirks["pic_icw1_modes"] == "cleared"
        self._follows = quirks["pic_lines"] == "followed"
        self._pulses = quirks["pic_cascade"] == "pulses"
        self._elcr = quirks["elcr"] == "present"
        self.master, self.slave = Chip(), Chip()
        self.intr = False
        self.withdrawn = False
        self._top = self._slave_top = NONE

    # -- time: there is none here

    def sync(self, now: int) -> None:
        """Nothing to do: it changes by its lines and by accesses alone."""

    def next_event(self, now: int) -> Iterator[tuple[int, str]]:
        """None."""
        return iter(())

    def reset(self, now: int) -> None:
        """To the power-on state; the lines stay where others hold them, and must rise anew to be heard."""
        master, slave = self.master, self.slave
        self.master = Chip(lines=master.lines & ~_IR2 if self._follows else 0)
        self.slave = Chip(lines=slave.lines if self._follows else 0)
        self.withdrawn = False
        self._settle_slave()

    # -- priorities

    def _best(self, chip: Chip) -> int:
        """The level that has a request, no mask, and nothing of its priority or above in service; or NONE."""
        asked = chip.irr & ~chip.imr
        if not asked:
            return NONE
        rank = RANK[chip.lowest]
        first = rank[asked]
        best = (first + chip.lowest + 1) & 7
        busy = chip.isr
        if busy:
            if chip.smm:
                busy &= ~chip.imr
            if chip.sfnm and chip is self.master and (best == CASCADE or self._sfnm_all):
                busy &= ~_IR2
            if first >= rank[busy]:
                return NONE
        return best

    def _settle(self) -> None:
        """Put INT of the master where its registers say."""
        self._top = top = self._best(self.master)
        if top < 0:
            self.intr = False
        else:
            self.intr = True
            self.withdrawn = False

    def _settle_slave(self) -> None:
        """Put INT of the slave, and with it IR2 and INT of the master, where the registers say."""
        self._slave_top = top = self._best(self.slave)
        master = self.master
        if top >= 0:
            if not master.lines & _IR2:
                master.lines |= _IR2
                master.irr |= _IR2
        elif (master.lines | master.irr & master.level) & _IR2:
            self._drop_cascade()
        self._settle()

    def _drop_cascade(self) -> None:
        """IR2 falls; its request stays latched, as the slave answers for it with a spurious vector."""
        master = self.master
        master.lines &= ~_IR2
        if master.level & _IR2:
            master.irr &= ~_IR2

    # -- lines

    def raise_line(self, irq: int) -> Outcome:
        """Line `irq` (0 to 15) goes high: NEW or HELD, if it is masked, where that makes a request; MERGED or LOST,
        if it is masked, where there was one. IR2 belongs to the slave: LOST.
        """
        if irq < 8:
            chip, bit = self.master, 1 << irq
            masked = chip.imr & bit
            if irq == CASCADE:
                return LOST
        else:
            chip, bit = self.slave, 1 << (irq - 8)
            masked = chip.imr & bit or self.master.imr & _IR2
        if (chip.irr | chip.lines & ~chip.level) & bit:
            outcome = LOST if masked or not chip.irr & bit else MERGED
            chip.lines |= bit
            if not self._follows:
                self._changed(chip)  # every report of a line makes the slave drive IR2 anew
            return outcome
        chip.lines |= bit
        chip.irr |= bit
        if irq < 8:
            self._settle()
        else:
            self._settle_slave()
        return HELD if masked else NEW

    def lower_line(self, irq: int) -> None:
        """Line `irq` goes low: the request of a level line goes with it, and of any line under edge=withdraw."""
        if irq == CASCADE:
            return
        chip, bit = (self.master, 1 << irq) if irq < 8 else (self.slave, 1 << (irq - 8))
        chip.lines &= ~bit
        if chip.irr & bit and (self._withdraw or chip.level & bit):
            was = self.intr
            chip.irr &= ~bit
            self._changed(chip)
            if was and not self.intr:
                self.withdrawn = True
        elif not self._follows:
            self._changed(chip)

    def masked(self, irq: int) -> bool:
        """Whether a mask keeps the line from the CPU: its own, or that of IR2 for the slave's."""
        if irq < 8:
            return bool(self.master.imr >> irq & 1)
        return bool(self.slave.imr >> (irq - 8) & 1 or self.master.imr & _IR2)

    def level_triggered(self, irq: int) -> bool:
        """Whether the line is level-triggered."""
        return bool(self._of(irq).level >> (irq & 7) & 1)

    def pending(self, irq: int) -> bool:
        """Whether the line has a request in IRR."""
        return bool(self._of(irq).irr >> (irq & 7) & 1)

    def in_service(self, irq: int) -> bool:
        """Whether the line's ISR bit is set."""
        return bool(self._of(irq).isr >> (irq & 7) & 1)

    def _of(self, irq: int) -> Chip:
        return self.master if irq < 8 else self.slave

    def _changed(self, chip: Chip) -> None:
        if chip is self.master:
            self._settle()
        else:
            self._settle_slave()

    # -- the CPU's side

    def inta(self) -> Ack:
        """The INTA cycle on both chips (8259A, Interrupt Sequence): what is found then is what counts."""
        self.withdrawn = False
        master, top = self.master, self._top
        if top < 0:
            return _NO_MASTER[master.base | 7]
        if top != CASCADE:
            master.take(top)
            self._settle()
            return _MASTER[master.base | top]
        slave, inner = self.slave, self._slave_top
        master.take(CASCADE)
        if inner < 0:
            self._settle()
            return _NO_SLAVE[slave.base | 7]
        vector = slave.base | inner
        slave.take(inner)
        if self._pulses:
            self._drop_cascade()
        self._settle_slave()
        return _SLAVE[vector]

    def eoi(self, irq: int | None, now: int, spurious: bool = False) -> None:
        """What a plain handler writes at its end: 20h to A0h for the slave's IRQs, then 20h to 20h.

        Nothing for None and for a spurious 7, the master's alone for a spurious 15, and nothing to a chip in AEOI
        mode.
        """
        if irq is None:
            return
        if irq >= 8:
            if not spurious and not self.slave.aeoi:
                self.withdrawn = False
                self.slave.ocw2(EOI, self._eoi_skips_masked)
                self._settle_slave()
        elif spurious:
            return
        if not self.master.aeoi:
            self.withdrawn = False
            self.master.ocw2(EOI, self._eoi_skips_masked)
            self._settle()

    # -- ports

    def read(self, port: int, now: int) -> int:
        """A read of a port: the poll byte where a poll is armed, else IRR or ISR, IMR, ELCR."""
        if port >= 0x4D0:
            if not self._elcr:
                return 0xFF
            return self.slave.level if port & 1 else self.master.level
        chip = self.slave if port & 0x80 else self.master
        if not chip.poll:
            return chip.value(port & 1)
        chip.poll = 0
        slave = chip is self.slave
        top = self._slave_top if slave else self._top
        if top < 0:
            return self._poll_empty
        chip.take(top)
        if slave and self._pulses:
            self._drop_cascade()
        self._changed(chip)
        return 0x80 | top

    def write(self, port: int, value: int, now: int) -> None:
        """A write to a port: ICW1, OCW2 or OCW3 with A0 = 0; ICW2 to ICW4 in their turn, else OCW1, with A0 = 1."""
        self.withdrawn = False
        if port >= 0x4D0:
            if not self._elcr:
                return
            chip, mask = (self.slave, ELCR_SLAVE) if port & 1 else (self.master, ELCR_MASTER)
            chip.level = value & mask
            if self._follows:
                chip.irr = chip.irr & ~chip.level | chip.lines & chip.level
        else:
            chip = self.slave if port & 0x80 else self.master
            if port & 1:
                chip.data(value)
            elif value & 0x10:
                self._icw1(chip, value)
            elif value & 8:
                chip.ocw3(value)
            else:
                chip.ocw2(value, self._eoi_skips_masked)
        self._changed(chip)

    def _icw1(self, chip: Chip, value: int) -> None:
        """ICW1 starts a chip over (8259A, Initialization Command Words 1 and 2)."""
        if not self._elcr:
            chip.level = 0xFF if value & 8 else 0
        if self._follows:
            chip.irr = chip.lines & chip.level
        else:
            chip.irr &= chip.level
            chip.lines = 0
        chip.imr = chip.smm = chip.ris = chip.poll = 0
        chip.lowest = 7
        if not self._icw1_keeps_isr:
            chip.isr = chip.rotate = 0
        if self._icw1_clears_modes:
            chip.base = 0
        if self._icw1_clears_modes or not value & 1:
            chip.aeoi = chip.sfnm = 0
        chip.init = 1 | (0 if value & 2 else 2) | (4 if value & 1 else 0)

    # -- looking

    def peek(self, now: int) -> dict[str, Any]:
        """The registers and modes of both chips, and the IRQ that an INTA would find."""
        seen: dict[str, Any] = {}
        for put, chip, top in (("pic.master.", self.master, self._top), ("pic.slave.", self.slave, self._slave_top)):
            seen[put + "irr"], seen[put + "isr"], seen[put + "imr"] = chip.irr, chip.isr, chip.imr
            seen[put + "base"], seen[put + "lowest"] = chip.base, chip.lowest
            seen[put + "init"] = ICW_NAMES[chip.init & -chip.init]
            seen[put + "aeoi"], seen[put + "sfnm"], seen[put + "smm"] = chip.aeoi, chip.sfnm, chip.smm
            seen[put + "rotate"] = chip.rotate
            seen[put + "read"] = "isr" if chip.ris else "irr"
            seen[put + "poll"] = chip.poll
            seen[put + "lines"], seen[put + "level"] = chip.lines, chip.level
            seen[put + "intr"] = int(top >= 0)
            seen[put + "status"] = self._looked(chip, top, 0)
            seen[put + "data"] = self._looked(chip, top, 1)
        seen["pic.elcr1"] = self.master.level if self._elcr else 0xFF
        seen["pic.elcr2"] = self.slave.level if self._elcr else 0xFF
        seen["pic.highest"] = self.highest
        seen["pic.withdrawn"] = int(self.withdrawn)
        return seen

    def _looked(self, chip: Chip, top: int, a0: int) -> int:
        """What a read would give."""
        if not chip.poll:
            return chip.value(a0)
        return 0x80 | top if top >= 0 else self._poll_empty

    @property
    def highest(self) -> int | None:
        """The IRQ that an INTA would give now; None where it would be spurious."""
        if self._top != CASCADE:
            return None if self._top < 0 else self._top
        return None if self._slave_top < 0 else 8 + self._slave_top

    def signature(self) -> State:
        """What decides about the fate of the next request: equal signatures, equal fates."""
        return whole(self.master), whole(self.slave), self.withdrawn

    def snapshot(self) -> State:
        """Both chips, flat, and `withdrawn`."""
        return (*whole(self.master), *whole(self.slave), self.withdrawn)

    def restore(self, state: State) -> None:
        """Take back what `snapshot` gave."""
        self.master, self.slave = Chip(*state[:FIELDS]), Chip(*state[FIELDS : 2 * FIELDS])
        self._slave_top = self._best(self.slave)
        self._settle()
        self.withdrawn = state[-1]
