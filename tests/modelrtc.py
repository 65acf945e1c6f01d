"""An MC146818A that goes event by event and second by second, written from the data sheet's tables.

It knows nothing of wheels, day numbers or trains. Time is in 1/128 ns, in which each edge of the divider is whole.
"""

from bisect import bisect_left

NS = 128
SECOND = 10**9 * NS
HALF = SECOND // 2
T_BUC = SECOND // 4096
MONTHS = [0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
PERIODIC = {  # table 5: period in 1/32768 s
    "32k": [0, 128, 256, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192, 16384],
    "MHz": [0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192, 16384],
}


def bcd(n):
    return int(str(n), 16)


class Calendar:
    """The ten bytes, and one update of them."""

    def __init__(self, time, b, alarm=(0, 0, 0), april=24, century=False, dow_of_date=False, autumn=False):
        self.sec, self.min, self.hour, self.dow, self.date, self.month, self.year, self.century = time
        self.b, self.alarm, self.april, self.counts, self.by_date = b, alarm, april, century, dow_of_date
        self.autumn = autumn

    @property
    def time(self):
        return (self.sec, self.min, self.hour, self.dow, self.date, self.month, self.year, self.century)

    def code(self, n):
        return n if self.b & 4 else bcd(n)

    def number(self, byte):
        return byte if self.b & 4 else (byte >> 4) * 10 + byte % 16

    def up(self, byte, mask=0xFF):
        if not self.b & 4 and byte & 0x0F == 9:
            return (byte & 0xF0) + 0x10 & mask
        return byte + 1 & mask

    def leap(self):
        year = self.number(self.year)
        if not self.counts:
            return year % 4 == 0
        year += 100 * self.number(self.century)
        return year % 400 == 0 or (year % 4 == 0 and year % 100 != 0)

    def month_length(self):
        for month in range(1, 13):
            if self.code(month) == self.month:
                return 29 if month == 2 and self.leap() else MONTHS[month]
        return 31

    def update(self):
        two = (self.sec, self.min, self.hour, self.dow) == (self.code(59), self.code(59), 1, 1)
        if two and self.b & 1 and self.april:
            if self.month == 4 and self.date in [self.code(d) for d in range(self.april, self.april + 7)]:
                self.sec, self.min, self.hour = 0, 0, 3
                return
            last = [self.code(d) for d in range(25, 32)]
            if self.month == self.code(10) and self.date in last and not self.autumn:
                self.sec, self.min, self.hour = 0, 0, 1
                self.autumn = True
                return
        if self.sec != self.code(59):
            self.sec = self.up(self.sec, 0x7F)
            return
        self.sec = 0
        if self.min != self.code(59):
            self.min = self.up(self.min)
            return
        self.min = 0
        if self.next_hour():
            self.next_day()

    def next_hour(self):
        if self.b & 2:
            if self.hour == self.code(23):
                self.hour = 0
                return True
            self.hour = self.up(self.hour)
            return False
        pm, low = self.hour & 0x80, self.hour & 0x7F
        if low == self.code(12):
            self.hour = pm + 1
        elif low == self.code(11):
            self.hour = self.code(12) + (0 if pm else 0x80)
            return bool(pm)
        else:
            self.hour = pm + self.up(low, 0x7F)
        return False

    def next_day(self):
        self.autumn = False
        self.dow = 1 if self.dow == 7 else self.up(self.dow)
        if self.date != self.code(self.month_length()):
            self.date = self.up(self.date)
        else:
            self.date = 1
            if self.month != self.code(12):
                self.month = self.up(self.month)
            else:
                self.month = 1
                if self.year != self.code(99):
                    self.year = self.up(self.year)
                else:
                    self.year = 0
                    if self.counts:
                        self.century = 0 if self.century == self.code(99) else self.up(self.century)

    def rings(self):
        bytes_ = (self.sec, self.min, self.hour)
        return all(a & 0xC0 == 0xC0 or a == t for a, t in zip(self.alarm, bytes_, strict=True))


class Model:
    """The chip under the data sheet's quirks (or `update=ds12887`)."""

    def __init__(self, time, slow=True):
        self.now = 0
        self.cal = Calendar((*time, 0x20), 2)
        self.slow = slow
        self.a, self.flags, self.index = 0x26, 0, 0
        self.zero = -HALF
        self.busy = False
        """An update is under way."""
        self.rises = 0
        self.updates = 0

    @property
    def b(self):
        return self.cal.b

    @property
    def irq(self):
        return int(bool(self.flags & self.b & 0x70))

    def runs(self):
        return self.a >> 4 <= 2

    def t_uc(self):
        if not self.slow:
            return 0
        return (1984 if self.a >> 4 == 2 else 248) * 1000 * NS

    def counting(self):
        return self.runs() and not self.b & 0x80

    def tap(self):
        return PERIODIC["32k" if self.a >> 4 == 2 else "MHz"][self.a & 15] * 1953125 * 2

    def run(self, ns):
        """Each event up to `ns`, one after the other."""
        end = ns * NS
        while True:
            events = []
            if self.runs():
                since = self.now - self.zero
                period = self.tap()
                if period:
                    n = (since + period // 2) // period  # taps that have risen
                    events.append((self.zero + n * period + period // 2, "pf"))
                n = (since + HALF) // SECOND
                events.append((self.zero + n * SECOND + HALF, "start"))
                if self.busy:
                    n = (since + HALF) // SECOND - 1
                    events.append((self.zero + n * SECOND + HALF + self.t_uc(), "end"))
            if not events or min(events)[0] > end:
                break
            at = min(events)[0]
            before = self.irq
            for when, what in sorted(events):
                if when == at:
                    self.event(what)
            self.rises += self.irq > before
            self.now = at
        self.now = end

    def event(self, what):
        if what == "pf":
            self.flags |= 0x40
        elif what == "start":
            self.busy = self.counting()
        if what == "end" or (what == "start" and not self.t_uc() and self.busy):
            self.busy = False
            self.cal.update()
            self.updates += 1
            self.flags |= 0x10 | (0x20 if self.cal.rings() else 0)

    def uip(self):
        if not self.counting():
            return 0
        to_start = SECOND - (self.now - self.zero - HALF) % SECOND
        return int(self.busy or to_start <= T_BUC)

    def read(self):
        i, cal = self.index, self.cal
        if i == 12:
            value = self.irq << 7 | self.flags
            self.flags = 0
            return value
        return {
            0: cal.sec,
            1: cal.alarm[0],
            2: cal.min,
            3: cal.alarm[1],
            4: cal.hour,
            5: cal.alarm[2],
            6: cal.dow,
            7: cal.date,
            8: cal.month,
            9: cal.year,
            10: self.uip() << 7 | self.a,
            11: self.b,
            13: 0x80,
        }[i]

    def write(self, value):
        i, cal = self.index, self.cal
        before = self.irq
        if i < 10:
            if self.busy:
                return
            names = ("sec", None, "min", None, "hour", None, "dow", "date", "month", "year")
            if names[i]:
                setattr(cal, names[i], value & (0x7F if i == 0 else 0xFF))
            else:
                alarm = list(cal.alarm)
                alarm[bisect_left((1, 3, 5), i)] = value
                cal.alarm = tuple(alarm)
        elif i == 10:
            old, was = self.a, self.runs()
            since = self.now - self.zero
            self.a = value & 0x7F
            if was and not self.runs():
                self.stood = since
                self.busy = False
            if self.a >> 4 >= 6:
                self.stood = 0
            if self.runs() and not was:
                self.zero = self.now - self.stood
            elif (old ^ self.a) & 0x20:
                self.busy = False
        elif i == 11:
            if value & 0x80:
                value &= ~0x10
                self.busy = False
            cal.b = value
        self.rises += self.irq > before
