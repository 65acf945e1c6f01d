"""Two slow models of the HPET, to hold the closed forms against, and a rig that drives a chip as they are driven.

`ModelHpet` is the specification's block, and goes tick by tick: the only thing that moves it is a tick of the main
counter. `ModelQemu` is QEMU's: host timers that are set and fire one by one, in nanoseconds. Both know nothing of
trains. They share only the access rules that the two have in common (width, halves).
"""

from timerlab.devices.hpet import BASE, SIZE, Hpet
from timerlab.line import Gap, Line
from timerlab.quirks import resolve

LOW = 0xFFFF_FFFF
ALL = 0xFFFF_FFFF_FFFF_FFFF
CAP, CONF, STA, CNT = 0x000, 0x010, 0x020, 0x0F0


def tconf(n):
    return 0x100 + 0x20 * n


def tcmp(n):
    return 0x108 + 0x20 * n


def tfsb(n):
    return 0x110 + 0x20 * n


class Rig:
    """An HPET on a bench: time, accesses, and what its outputs did."""

    def __init__(self, period_fs=10_000_000, timers=3, profile="datasheet", **quirks):
        self.lines = [Line(f"hpet.t{n}.out") for n in range(timers)]
        self.rewirings = []
        self.trains = [[] for _ in range(timers)]
        for line, told in zip(self.lines, self.trains, strict=True):
            line.sinks.append(told.append)
        self.chip = Hpet(period_fs, timers, resolve(profile, quirks), self.lines, self.rewirings.append)
        self.now = 0

    def skip_to(self, now):
        assert now >= self.now
        self.now = now
        self.chip.sync(now)

    def skip(self, ns):
        self.skip_to(self.now + ns)

    def read(self, offset, width=64):
        self.chip.sync(self.now)
        return self.chip.load(offset, width, self.now)

    def write(self, offset, value, width=64):
        self.chip.sync(self.now)
        self.chip.store(offset, value, width, self.now)

    def readq(self, offset):
        return self.read(offset)

    def readl(self, offset):
        return self.read(offset, 32)

    def writeq(self, offset, value):
        self.write(offset, value)

    def writel(self, offset, value):
        self.write(offset, value, 32)

    def peek(self, name):
        return self.chip.peek(self.now)[f"hpet.{name}"]

    def level(self, n):
        return self.lines[n].level

    def rises(self, n):
        return self.lines[n].edges

    def edges(self, n):
        """All edges of an output so far, as (ns, level), from the last gap on if there is one."""
        found = []
        for train in self.trains[n]:
            if isinstance(train, Gap):
                found.clear()
            else:
                found += [(train.ns(i), train.level ^ (i & 1)) for i in range(train.count)]
        return found


class Access:
    """Whole registers and halves; `put` and `get` are asked for 64 bits and the bits that are meant."""

    def read(self, offset, width=64):
        if width not in (32, 64) or offset % (width // 8):
            return 0
        value = self.get(offset - offset % 8)
        if width == 64:
            return value
        return value >> 32 if offset % 8 else value & LOW

    def write(self, offset, value, width=64):
        if width not in (32, 64) or offset % (width // 8):
            return
        if width == 64 and not self.splits:
            self.put(offset, value, ALL)
        elif width == 64:
            self.put(offset, value & LOW, LOW)
            self.put(offset, value & ~LOW, ALL - LOW)
        elif offset % 8:
            self.put(offset - 4, value << 32, ALL - LOW)
        else:
            self.put(offset, value, LOW)


def merged(old, value, bits):
    return (old & (ALL - bits)) | (value & bits)


class Comparator:
    def __init__(self, index, periodic, wide, fsb, routes):
        self.index = index
        self.can_periodic, self.wide, self.can_fsb, self.routes = periodic, wide, fsb, routes
        self.conf = self.period = self.fsb = self.sts = self.matches = 0
        self.valset = False
        self.cmp = ALL if wide else LOW
        self.pulse = 0
        self.level = 0

    def bit(self, k):
        return self.conf >> k & 1

    @property
    def width(self):
        return ALL if self.wide and not self.bit(8) else LOW

    @property
    def messages_or_edges(self):
        return self.bit(14) or not self.bit(1)


class ModelHpet(Access):
    """The block of the specification, tick by tick."""

    splits = False

    def __init__(self, period_fs=10_000_000, timers=3, caps="all", valset="both", status="kept"):
        self.fs, self.both, self.kept = period_fs, valset == "both", status == "kept"
        self.timers = []
        for n in range(timers):
            if caps == "ich":
                self.timers.append(Comparator(n, n == 0, n == 0, False, 0x00F0_0000))
            else:
                self.timers.append(Comparator(n, True, True, caps == "fsb", 4))
        self.enable = self.legacy = 0
        self.counter = 0
        self.now = self.started = self.ticks = 0
        self.edges = [[] for _ in range(timers)]

    # -- time

    def skip_to(self, now):
        while self.enable:
            at = self.started + -(-(self.ticks + 1) * self.fs // 1_000_000)
            if at > now:
                break
            self.ticks += 1
            self.tick(at)
        self.now = now

    def tick(self, at):
        self.counter = (self.counter + 1) & ALL
        for t in self.timers:
            if t.pulse:
                t.pulse = 0
                self.drive(t, at)
            if self.counter & t.width == t.cmp & t.width:
                self.match(t, at)

    def match(self, t, at):
        t.matches += 1
        step = 0
        if t.bit(3):
            step = t.period & t.width
            t.cmp = (t.cmp + step) & t.width
        if t.messages_or_edges:
            if t.bit(2):
                self.edges[t.index].append((at, 1))
                t.level = 1
                if step == 1:
                    # on every tick: a pulse as wide as a tick would never end
                    self.edges[t.index].append((at, 0))
                    t.level = 0
                else:
                    t.pulse = 1
        elif t.bit(2) or self.kept:
            t.sts = 1
        self.drive(t, at)

    def drive(self, t, at):
        if t.pulse:
            level = 1
        elif t.messages_or_edges:
            level = 0
        else:
            level = int(bool(t.sts and t.bit(2) and self.enable))
        if level != t.level:
            t.level = level
            self.edges[t.index].append((at, level))

    # -- registers

    def get(self, place):
        if place == CAP:
            return self.fs << 32 | 0x8086_A001 | (len(self.timers) - 1) << 8
        if place == CONF:
            return self.legacy << 1 | self.enable
        if place == STA:
            return sum(t.sts << t.index for t in self.timers)
        if place == CNT:
            return self.counter
        for t in self.timers:
            if place == tconf(t.index):
                caps = t.can_periodic << 4 | t.wide << 5 | t.can_fsb << 15 | t.routes << 32
                return t.conf | caps
            if place == tcmp(t.index):
                return t.cmp
            if place == tfsb(t.index):
                return t.fsb
        return 0

    def put(self, place, value, bits):
        if place == CONF and bits & 1:
            self.general(value & 1, value >> 1 & 1)
        elif place == STA:
            for t in self.timers:
                if value >> t.index & 1:
                    t.sts = 0
                    self.drive(t, self.now)
        elif place == CNT and not self.enable:
            self.counter = merged(self.counter, value, bits)
        for t in self.timers:
            if place == tconf(t.index) and bits & 1:
                self.configure(t, value & LOW)
            elif place == tcmp(t.index):
                self.compare(t, value, bits)
            elif place == tfsb(t.index) and t.can_fsb:
                t.fsb = merged(t.fsb, value, bits)

    def general(self, enable, legacy):
        self.legacy = legacy
        if enable and not self.enable:
            self.started, self.ticks = self.now, 0
        stopped = self.enable and not enable
        self.enable = enable
        for t in self.timers:
            if stopped:
                t.pulse = 0
                if not self.kept:
                    t.sts = 0
            self.drive(t, self.now)

    def configure(self, t, value):
        old = t.conf
        new = value & 0b110
        if t.can_periodic:
            new |= value & 1 << 3
        t.valset = bool(value & 1 << 6 and new & 1 << 3)
        if t.wide:
            new |= value & 1 << 8
        if t.can_fsb:
            new |= value & 1 << 14
        route = value >> 9 & 31
        new |= (route << 9) if t.routes >> route & 1 else old & 31 << 9
        t.conf = new
        if new & 1 << 8:
            t.cmp &= LOW
            t.period &= LOW
        if t.messages_or_edges:
            t.sts = 0
        if not self.kept and ((old & 4 and not new & 4) or (new & ~old & 1 << 14)):
            t.sts = 0
        if not t.messages_or_edges or not new & 4:
            t.pulse = 0
        self.drive(t, self.now)

    def compare(self, t, value, bits):
        bits &= t.width
        if not t.bit(3):
            t.cmp = merged(t.cmp, value, bits)
            return
        if t.valset:
            t.cmp = merged(t.cmp, value, bits)
        if not t.valset or self.both:
            t.period = merged(t.period, value, bits)
        t.valset = False


class Endless(Exception):
    """A comparator so far behind that stepping it period by period would take too long to wait for."""


class HostTimer:
    def __init__(self, index, real):
        self.index = index
        self.conf = self.period = self.fsb = self.sts = self.matches = 0
        self.caps = 4 << 32 | 0x30 if real else 0
        self.cmp = ALL if real else 0
        self.deadline = None
        self.at_wrap = False
        self.level = 0


class ModelQemu(Access):
    """QEMU's block: 100 MHz, a host timer a comparator, in nanoseconds."""

    splits = True

    def __init__(self, timers=3):
        self.timers = [HostTimer(n, n < timers) for n in range(timers + 1)]
        self.count = timers
        self.conf = self.held = self.offset = self.now = 0
        self.edges = [[] for _ in self.timers]

    def counter(self):
        return (self.now + self.offset) // 10 & ALL if self.conf & 1 else self.held

    @staticmethod
    def ahead(t, counter):
        """How far the comparator is ahead, as a signed number of the timer's width."""
        width = 32 if t.conf & 1 << 8 else 64
        away = (t.cmp - counter) % (1 << width)
        return away - (1 << width) if away >> (width - 1) else away

    def set(self, t):
        t.at_wrap = False
        away = max(self.ahead(t, self.counter()), 1)
        if t.conf & 1 << 8 and not t.conf & 1 << 3:
            wrap = LOW - self.counter() % (1 << 32)
            if wrap < away:
                away, t.at_wrap = wrap, True
        t.deadline = self.now + 10 * away
        if away == 0:
            self.fire(t)

    def skip_to(self, now):
        while True:
            due = [t for t in self.timers if t.deadline is not None and t.deadline <= now]
            if not due:
                break
            t = min(due, key=lambda t: (t.deadline, t.index))
            self.now = t.deadline
            self.fire(t)
        self.now = now

    def fire(self, t):
        t.deadline = None
        t.matches += 1
        if t.conf & 1 << 3 and t.period:
            whole = 1 << 32 if t.conf & 1 << 8 else 1 << 64
            behind = -self.ahead(t, self.counter())
            step = t.period % whole
            if step < whole // 2:
                turns = behind // step if step else behind * 50_001
            else:
                turns = (whole // 2 - behind) // (whole - step)  # it moves back, until that is ahead
            if behind > 0 and turns > 50_000:
                raise Endless
            while self.ahead(t, self.counter()) < 0:
                t.cmp = (t.cmp + t.period) & (LOW if t.conf & 1 << 8 else ALL)
            t.deadline = self.now + 10 * max(self.ahead(t, self.counter()), 1)
        elif t.at_wrap:
            t.deadline = self.now + 10 * max(self.ahead(t, self.counter()), 1)
            t.at_wrap = False
        if t.conf & 4:
            if t.conf & 1 << 14:
                self.edges[t.index] += [(self.now, 1), (self.now, 0)]
            elif t.conf & 2:
                t.sts = 1
                self.drive(t, 1)
            else:
                t.sts = 0
                self.drive(t, 1)
                self.drive(t, 0)

    def drive(self, t, level):
        if level != t.level:
            t.level = level
            self.edges[t.index].append((self.now, level))

    def drop(self, t):
        t.sts = 0
        self.drive(t, 0)

    def get(self, place):
        if place == CAP:
            return 10_000_000 << 32 | 0x8086_A001 | (self.count - 1) << 8
        if place == CONF:
            return self.conf
        if place == STA:
            return sum(t.sts << t.index for t in self.timers)
        if place == CNT:
            return self.counter()
        for t in self.timers:
            if place == tconf(t.index):
                return t.conf | t.caps
            if place == tcmp(t.index):
                return t.cmp
            if place == tfsb(t.index):
                return t.fsb
        return 0

    def put(self, place, value, bits):
        if place == CONF and bits & 1:
            came, went = value & ~self.conf & 3, self.conf & ~value & 3
            if went & 1:
                self.held = self.counter()
            self.conf = value & 3
            if came & 1:
                self.offset = self.held * 10 - self.now
            for t in self.timers[: self.count]:
                if came & 1 and t.cmp != ALL:
                    self.set(t)
                elif went & 1:
                    t.deadline, t.at_wrap = None, False
                    self.drop(t)
            if went & 1:
                self.timers[-1].deadline, self.timers[-1].at_wrap = None, False
        elif place == STA:
            for t in self.timers:
                if value >> t.index & t.sts & 1:
                    self.drop(t)
        elif place == CNT and not self.conf & 1:
            self.held = merged(self.held, value, bits)
        for t in self.timers:
            if place == tconf(t.index) and bits & 1:
                self.configure(t, value & 0x7F4E)
            elif place == tcmp(t.index):
                self.compare(t, value, bits)
            elif place == tfsb(t.index):
                t.fsb = merged(t.fsb, value, bits)

    def configure(self, t, value):
        came, went = value & ~t.conf, t.conf & ~value
        if came & 1 << 14:
            self.drop(t)
        t.conf = value
        if value & 1 << 8:
            t.cmp &= LOW
            t.period &= LOW
        if came & 4 and self.conf & 1:
            self.set(t)
        elif went & 4:
            t.deadline, t.at_wrap = None, False
            self.drop(t)

    def compare(self, t, value, bits):
        periodic, chosen = t.conf & 1 << 3, t.conf & 1 << 6
        if not periodic or chosen:
            t.cmp = merged(t.cmp, value, bits)
        if periodic and (bits == LOW or not chosen):
            t.period = merged(t.period, value, bits)
            if bits == LOW and t.conf & 1 << 8:
                t.period &= ~(1 << 31)
        t.conf &= ~(1 << 6)
        if self.conf & 1:
            self.set(t)


__all__ = ["ALL", "BASE", "CAP", "CNT", "CONF", "LOW", "SIZE", "STA", "Endless", "ModelHpet", "ModelQemu", "Rig"]
