"""A clock-by-clock model of the 8254, to hold the engine's closed forms against.

Written from the datasheet's words and from reference/pit_corners.md alone, and slow on purpose: the only thing that
moves a counter is `Model8254.pulse`, one CLK pulse. Accesses happen between two pulses. The end of the file says where
pulses and accesses lie in nanoseconds, and drives a Session by the same calls as the model.
"""

from fractions import Fraction

PIT_HZ = Fraction(13_125_000, 11)  # the PC's 14.31818 MHz crystal / 12


def step_down(code: int, bcd: int) -> int:
    """The count after one decrement; BCD borrows nibble by nibble, and a digit above 9 just counts down."""
    if not bcd:
        return (code - 1) & 0xFFFF
    for shift in (0, 4, 8, 12):
        if code >> shift & 15:
            return code - (1 << shift)
        code |= 9 << shift
    return code


class Counter:
    """One of the three counters."""

    __slots__ = (
        "armed",
        "bcd",
        "ce",
        "complete",
        "cr_hi",
        "cr_lo",
        "edges",
        "fresh",
        "gate",
        "halted",
        "harris",
        "k",
        "kind",
        "loaded",
        "mode",
        "null",
        "odd",
        "ol",
        "out",
        "pending",
        "rd_hi",
        "rises",
        "rw",
        "status",
        "trigger",
        "wr_hi",
    )

    def __init__(self, gate: int, harris: bool) -> None:
        self.harris = harris
        self.gate = gate
        self.k = 0  # pulses so far
        self.rises = 0
        self.edges: list[int] = []  # of OUT: 2k for pulse k, 2k + 1 for an access after it
        self.rw = self.mode = self.bcd = 0
        self.kind = -1  # no control word yet
        self.cr_lo = self.cr_hi = self.ce = 0
        self.null, self.out = 1, 0
        self.ol: int | None = None
        self.status: int | None = None
        self.rd_hi = self.wr_hi = False  # the read and the write flip-flop
        self.complete = False  # a whole count was written since the control word
        self.loaded = False  # CE was loaded since the control word
        self.pending = False  # the next pulse moves CR to CE
        self.halted = False  # mode 0, between the two bytes
        self.trigger = False  # the gate's flip-flop, until the next pulse samples it
        self.armed = False  # modes 4 and 5: the strobe of this load is still to come
        self.odd = False  # mode 3: parity of the count of the running half
        self.fresh = False  # mode 3 after Harris: the half's first step is still to come

    def drive(self, level: int, place: int) -> None:
        if level != self.out:
            self.out = level
            self.rises += level
            self.edges.append(2 * self.k + place)

    # accesses, between pulses

    def control(self, rw: int, mode: int, bcd: int) -> None:
        self.rw, self.mode, self.bcd = rw, mode, bcd
        self.kind = mode & 3 if mode >= 6 else mode
        self.cr_lo = self.cr_hi = self.ce = 0
        self.null = 1
        self.ol = self.status = None
        self.rd_hi = self.wr_hi = False
        self.complete = self.loaded = self.pending = self.halted = self.trigger = self.armed = False
        self.drive(int(self.kind != 0), 1)

    def latch_count(self) -> None:
        half_way = self.rd_hi and self.ol is None
        if self.kind >= 0 and self.ol is None and not half_way:
            self.ol = self.ce

    def latch_status(self) -> None:
        if self.status is None:
            self.status = self.out << 7 | self.null << 6 | self.rw << 4 | self.mode << 1 | self.bcd

    def read(self) -> int:
        if self.status is not None:
            value, self.status = self.status, None
            return value
        code = self.ce if self.ol is None else self.ol
        high = self.rw == 2 or (self.rw == 3 and self.rd_hi)
        if self.rw == 3:
            self.rd_hi = not self.rd_hi
        if not self.rd_hi:
            self.ol = None
        return code >> 8 if high else code & 0xFF

    def write(self, value: int) -> None:
        if self.kind < 0:
            return
        if self.rw == 3 and not self.wr_hi:
            self.cr_lo = value
            self.wr_hi = True
            if self.kind == 0:
                self.halted = True
                self.pending = False
                self.drive(0, 1)
            return
        if self.rw == 1:
            self.cr_lo = value
        else:
            self.cr_hi = value
        self.wr_hi = self.halted = False
        self.complete = True
        self.null = 1
        if self.kind in (0, 4):
            self.pending = True
        elif self.kind in (2, 3):
            self.pending = not self.loaded
        if self.kind == 0:
            self.drive(0, 1)

    def set_gate(self, level: int) -> None:
        if level > self.gate and self.complete:
            self.trigger = True
        if level < self.gate and self.kind in (2, 3):
            self.drive(1, 1)
        self.gate = level

    # one CLK pulse

    def pulse(self) -> None:
        self.k += 1
        kind = self.kind
        trigger, self.trigger = self.trigger, False
        if not self.complete:
            return
        if kind == 0:
            if self.pending:
                self.load()
            elif self.loaded and self.gate and not self.halted:
                self.ce = step_down(self.ce, self.bcd)
                if self.ce == 0:
                    self.drive(1, 0)
        elif kind == 1:
            if trigger:
                self.load()
                self.drive(0, 0)
            elif self.loaded:
                self.ce = step_down(self.ce, self.bcd)
                if self.ce == 0:
                    self.drive(1, 0)
        elif kind == 2:
            if trigger or self.pending:
                self.load()
                self.drive(1, 0)
            elif self.loaded and self.gate:
                if self.ce == 1:
                    self.load()
                    self.drive(1, 0)
                else:
                    self.ce = step_down(self.ce, self.bcd)
                    if self.ce == 1:
                        self.drive(0, 0)
        elif kind == 3:
            if trigger or self.pending:
                self.load()
                self.drive(1, 0)
            elif self.loaded and self.gate:
                self.half_step()
        else:
            self.drive(1, 0)  # a strobe lasts one pulse, whatever happens next
            if trigger if kind == 5 else self.pending:
                self.load()
                self.armed = True
            elif self.loaded and (self.gate or kind == 5):
                self.ce = step_down(self.ce, self.bcd)
                if self.ce == 0 and self.armed:
                    self.armed = False
                    self.drive(0, 0)

    def load(self) -> None:
        code = self.cr_hi << 8 | self.cr_lo
        if self.kind == 2 and code == 1:
            code = 2
        elif self.kind == 3:
            if code == 1:
                code = 0
            self.odd = bool(code & 1)
            self.fresh = True
            if not self.harris:
                code &= 0xFFFE
        self.ce = code
        self.null = 0
        self.loaded = True
        self.pending = False

    def half_step(self) -> None:
        """Mode 3 counts by two; the extra pulse of an odd high half is spent at 0 (Intel) or at the top (Harris)."""
        steps = 2
        if self.harris and self.odd and self.fresh:
            steps = 1 if self.out else 3
        code = self.ce
        for _ in range(steps):
            code = step_down(code, self.bcd)
        ended = self.ce == 0 if self.odd and self.out and not self.harris else code == 0
        if ended:
            self.load()
            self.drive(1 - self.out, 0)
        else:
            self.ce = code
            self.fresh = False


class Model8254:
    """Three counters and the port 43h decoder."""

    def __init__(self, odd_mode3: str = "intel") -> None:
        self.channels = [Counter(gate, odd_mode3 == "harris") for gate in (1, 1, 0)]
        self.k = 0

    def pulse(self) -> None:
        """One CLK pulse."""
        self.k += 1
        for channel in self.channels:
            channel.pulse()

    def clk(self, n: int) -> None:
        """n CLK pulses, one by one (the counters don't see each other)."""
        self.k += n
        for channel in self.channels:
            if channel.complete:
                pulse = channel.pulse
                for _ in range(n):
                    pulse()
            else:
                channel.k += n  # nothing to load: the counter holds
                channel.trigger = False

    def write(self, port: int, value: int) -> None:
        """A byte to ports 40h to 43h."""
        if port != 0x43:
            self.channels[port - 0x40].write(value)
        elif value >> 6 == 3:
            for number, channel in enumerate(self.channels):
                if value & 2 << number:
                    if not value & 0x20:
                        channel.latch_count()
                    if not value & 0x10:
                        channel.latch_status()
        else:
            channel = self.channels[value >> 6]
            if value & 0x30:
                channel.control(value >> 4 & 3, value >> 1 & 7, value & 1)
            else:
                channel.latch_count()

    def read(self, port: int) -> int:
        """A byte from ports 40h to 43h; 43h does not drive the bus."""
        return 0xFF if port == 0x43 else self.channels[port - 0x40].read()

    def gate(self, level: int) -> None:
        """GATE of channel 2; the others are tied high."""
        self.channels[2].set_gate(level)

    def out(self, channel: int) -> int:
        """Level of OUT now."""
        return self.channels[channel].out


# Where pulses and accesses lie: one clock is 17600/21 ns, an access a quarter of a clock after its pulse.


def pulse_ns(k: int) -> int:
    """The first ns at or after pulse k."""
    return -(-17_600 * k // 21)


def slot_ns(k: int) -> int:
    """The ns of the accesses between pulse k and pulse k + 1."""
    return (17_600 * k + 4_400) // 21


def edge_ns(stamp: int) -> int:
    """The ns of one of `Counter.edges`."""
    return slot_ns(stamp // 2) if stamp & 1 else pulse_ns(stamp // 2)


class Rig:
    """A Session driven in whole clocks, by the same calls as the model."""

    def __init__(self, session) -> None:
        self.s = session
        self.k = 0
        session.skip_to(slot_ns(0))

    def clk(self, n: int) -> None:
        self.k += n
        self.s.skip_to(slot_ns(self.k))

    def write(self, port: int, *values: int) -> None:
        for value in values:
            self.s.outb(port, value)

    def read(self, port: int) -> int:
        return self.s.inb(port)

    def gate(self, level: int) -> None:
        self.s.outb(0x61, level)

    def out(self, channel: int) -> int:
        return self.s.peek(f"pit.ch{channel}.out")

    def count(self, channel: int, size: int = 2) -> int:
        """What a counter latch and `size` reads give."""
        self.s.outb(0x43, channel << 6)
        return int.from_bytes(bytes(self.s.inb(0x40 + channel) for _ in range(size)), "little")

    def status(self, channel: int) -> int:
        """What a read-back of the status gives."""
        self.s.outb(0x43, 0xE0 | 2 << channel)
        return self.s.inb(0x40 + channel)

    def outs(self, channel: int, n: int) -> list[int]:
        """OUT after each of the next n clocks."""
        levels = []
        for _ in range(n):
            self.clk(1)
            levels.append(self.out(channel))
        return levels

    def counts(self, channel: int, n: int, size: int = 2) -> list[int]:
        """The latched count after each of the next n clocks."""
        codes = []
        for _ in range(n):
            self.clk(1)
            codes.append(self.count(channel, size))
        return codes
