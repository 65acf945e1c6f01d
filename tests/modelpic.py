"""A slow model of the 8259 pair, written from the datasheet's tables and knowing nothing of the fast one.

Each input is an object, the order of priorities is a list, and INT is worked out anew whenever somebody asks.
"""

from __future__ import annotations


class Input:
    """One IR input with its cell: edge sense, request, in-service and mask bits."""

    def __init__(self, number):
        self.number = number
        self.line = False  # the wire
        self.sensed = False  # what the edge detector believes of the wire
        self.latched = False
        self.level = False
        self.served = False
        self.masked = False


class Model8259:
    def __init__(self, quirks, master):
        self.q = quirks
        self.is_master = master
        self.power_on()

    def power_on(self):
        self.inputs = [Input(i) for i in range(8)]
        self.order = list(range(8))  # highest first
        self.base = 0
        self.expects = []
        self.select = "irr"
        self.polling = self.special_mask = self.aeoi = self.rotating = self.sfnm = False

    def asking(self, cell):
        if cell.level and self.q["pic_lines"] == "followed":
            return cell.line
        return cell.latched

    def bits(self, what):
        return sum(1 << cell.number for cell in self.inputs if what(cell))

    # -- priority resolver

    def candidate(self):
        """The level that may interrupt now, found by walking from the highest priority down."""
        for level in self.order:
            cell = self.inputs[level]
            passes = self.is_master and self.sfnm and level == 2
            everything = self.is_master and self.sfnm and self.q["pic_sfnm"] == "all_pass"
            if self.asking(cell) and not cell.masked:
                for above in self.order:
                    other = self.inputs[above]
                    if other.served and not (self.special_mask and other.masked):
                        if above == 2 and (passes or everything):
                            pass
                        else:
                            return None
                    if above == level:
                        return level
        return None

    def make_lowest(self, level):
        while self.order[-1] != level:
            self.order.append(self.order.pop(0))

    # -- wires

    def drive(self, number, high):
        cell = self.inputs[number]
        cell.line = high
        if cell.level:
            cell.latched = high
            cell.sensed = high
        elif high:
            if not cell.sensed:
                cell.latched = True
            cell.sensed = True
        else:
            cell.sensed = False
            if self.q["edge"] == "withdraw" and not (self.is_master and number == 2):
                cell.latched = False

    def acknowledge(self, level):
        cell = self.inputs[level]
        if not cell.level:
            cell.latched = False
        if self.aeoi:
            if self.rotating:
                self.make_lowest(level)
        else:
            cell.served = True

    # -- words

    def write0(self, value):
        if value & 0x10:
            self.icw1(value)
        elif value & 0x08:
            esmm = value >> 5 & 3
            if esmm >= 2:
                self.special_mask = esmm == 3
            if value & 3 >= 2:
                self.select = "isr" if value & 3 == 3 else "irr"
            if value & 4:
                self.polling = True
        else:
            self.ocw2(value)

    def icw1(self, value):
        if self.q["elcr"] == "absent":
            for cell in self.inputs:
                cell.level = bool(value & 8)
        for cell in self.inputs:
            cell.masked = False
            if self.q["pic_icw1_isr"] == "cleared":
                cell.served = False
            if self.q["pic_lines"] == "reported":
                cell.sensed = False
                cell.latched = cell.latched and cell.level
            else:
                cell.latched = False
        if self.q["pic_icw1_isr"] == "cleared":
            self.rotating = False
        self.order = list(range(8))
        self.special_mask = self.polling = False
        self.select = "irr"
        self.expects = ["icw2"]
        if not value & 2:
            self.expects.append("icw3")
        if value & 1:
            self.expects.append("icw4")
        else:
            self.aeoi = self.sfnm = False
        if self.q["pic_icw1_modes"] == "cleared":
            self.aeoi = self.sfnm = False
            self.base = 0

    def ocw2(self, value):
        match f"{value >> 5:03b}":
            case "001" | "101" as word:
                for level in self.order:
                    cell = self.inputs[level]
                    skip = self.special_mask and cell.masked and self.q["pic_special_mask"] == "skipped"
                    if cell.served and not skip:
                        cell.served = False
                        if word == "101":
                            self.make_lowest(level)
                        break
            case "011":
                self.inputs[value & 7].served = False
            case "111":
                self.inputs[value & 7].served = False
                self.make_lowest(value & 7)
            case "110":
                self.make_lowest(value & 7)
            case "100":
                self.rotating = True
            case "000":
                self.rotating = False

    def write1(self, value):
        match self.expects.pop(0) if self.expects else "ocw1":
            case "ocw1":
                for cell in self.inputs:
                    cell.masked = bool(value >> cell.number & 1)
            case "icw2":
                self.base = value & 0xF8
            case "icw4":
                self.aeoi, self.sfnm = bool(value & 2), bool(value & 0x10)

    def set_elcr(self, value):
        for cell in self.inputs:
            was, cell.level = cell.level, bool(value >> cell.number & 1)
            if self.q["pic_lines"] == "followed" and (was or cell.level):
                cell.latched = cell.line


class ModelPair:
    def __init__(self, quirks):
        self.q = quirks
        self.master = Model8259(quirks, True)
        self.slave = Model8259(quirks, False)
        self.withdrawn = False

    @property
    def intr(self):
        return self.master.candidate() is not None

    def cascade(self):
        """The slave's INT, driven into IR2."""
        high = self.slave.candidate() is not None
        if self.q["pic_lines"] == "reported" or high != self.master.inputs[2].line:
            self.master.drive(2, high)
        if self.intr:
            self.withdrawn = False

    def chip(self, irq):
        return (self.master, irq) if irq < 8 else (self.slave, irq - 8)

    def raise_line(self, irq):
        if irq == 2:
            return "lost"
        chip, number = self.chip(irq)
        cell = chip.inputs[number]
        had = chip.asking(cell)
        masked = cell.masked or (irq >= 8 and self.master.inputs[2].masked)
        chip.drive(number, True)
        has = chip.asking(cell)
        self.after(chip)
        if had or not has:
            return "lost" if masked or not has else "merged"
        return "held" if masked else "new"

    def lower_line(self, irq):
        if irq == 2:
            return
        chip, number = self.chip(irq)
        before = self.intr
        had = chip.asking(chip.inputs[number])
        chip.drive(number, False)
        if (had and not chip.asking(chip.inputs[number])) or self.q["pic_lines"] == "reported":
            self.after(chip)
        if before and not self.intr:
            self.withdrawn = True

    def after(self, chip):
        if chip is self.slave:
            self.cascade()
        elif self.intr:
            self.withdrawn = False

    def inta(self):
        self.withdrawn = False
        level = self.master.candidate()
        if level is None:
            return self.master.base + 7, 7, True
        if level != 2:
            self.master.acknowledge(level)
            return self.master.base + level, level, False
        inner = self.slave.candidate()
        self.master.acknowledge(2)
        if inner is None:
            return self.slave.base + 7, 15, True
        self.slave.acknowledge(inner)
        self.fall()
        self.cascade()
        return self.slave.base + inner, 8 + inner, False

    def fall(self):
        """INT of a slave that was acknowledged."""
        if self.q["pic_cascade"] == "pulses":
            self.master.drive(2, False)

    def read(self, port):
        if port >= 0x4D0:
            if self.q["elcr"] == "absent":
                return 0xFF
            chip = self.slave if port == 0x4D1 else self.master
            return chip.bits(lambda cell: cell.level)
        chip = self.slave if port >= 0xA0 else self.master
        if chip.polling:
            chip.polling = False
            level = chip.candidate()
            if level is None:
                return 7 if self.q["pic_poll_empty"] == "seven" else 0
            chip.acknowledge(level)
            if chip is self.slave:
                self.fall()
            self.after(chip)
            return 0x80 + level
        return self.shown(chip, port & 1)

    def write(self, port, value):
        self.withdrawn = False
        if port >= 0x4D0:
            if self.q["elcr"] == "absent":
                return
            chip = self.slave if port == 0x4D1 else self.master
            chip.set_elcr(value & (0xDE if port == 0x4D1 else 0xF8))
        else:
            chip = self.slave if port >= 0xA0 else self.master
            (chip.write1 if port & 1 else chip.write0)(value)
        self.after(chip)

    def eoi(self, irq, spurious):
        """As a handler writes it: through the ports."""
        if irq == 7 and spurious:
            return
        if irq >= 8 and not spurious and not self.slave.aeoi:
            self.write(0xA0, 0x20)
        if not self.master.aeoi and not (irq < 8 and spurious):
            self.write(0x20, 0x20)

    def reset(self):
        """Power-on, with the wires where others hold them; who follows them knows that they are high."""
        for chip in (self.master, self.slave):
            wires = [cell.line for cell in chip.inputs]
            chip.power_on()
            if self.q["pic_lines"] == "followed":
                for cell, high in zip(chip.inputs, wires, strict=True):
                    cell.line = cell.sensed = high
        self.master.inputs[2].line = self.master.inputs[2].sensed = False
        self.withdrawn = False

    def shown(self, chip, a0):
        """What a read would give."""
        if chip.polling:
            level = chip.candidate()
            if level is not None:
                return 0x80 + level
            return 7 if self.q["pic_poll_empty"] == "seven" else 0
        if a0:
            return chip.bits(lambda cell: cell.masked)
        return chip.bits(lambda cell: cell.served) if chip.select == "isr" else chip.bits(chip.asking)

    def seen(self):
        """What can be compared with the peeks."""
        seen = {}
        for name, chip in (("master", self.master), ("slave", self.slave)):
            put = f"pic.{name}."
            seen[put + "irr"] = chip.bits(chip.asking)
            seen[put + "isr"] = chip.bits(lambda cell: cell.served)
            seen[put + "imr"] = chip.bits(lambda cell: cell.masked)
            seen[put + "level"] = chip.bits(lambda cell: cell.level)
            seen[put + "base"] = chip.base
            seen[put + "lowest"] = chip.order[-1]
            seen[put + "init"] = chip.expects[0] if chip.expects else "ready"
            seen[put + "aeoi"], seen[put + "sfnm"] = int(chip.aeoi), int(chip.sfnm)
            seen[put + "smm"], seen[put + "rotate"] = int(chip.special_mask), int(chip.rotating)
            seen[put + "read"], seen[put + "poll"] = chip.select, int(chip.polling)
            seen[put + "status"], seen[put + "data"] = self.shown(chip, 0), self.shown(chip, 1)
            seen[put + "intr"] = int(chip.candidate() is not None)
        seen["pic.withdrawn"] = int(self.withdrawn)
        level, inner = self.master.candidate(), self.slave.candidate()
        if level == 2:
            level = None if inner is None else 8 + inner
        seen["pic.highest"] = level
        return seen
