"""A naive model of tick policies: one source, one vCPU, every event by itself, in integer nanoseconds.

Order in one nanosecond: the vCPU goes out or comes back (and takes what waits), the tick, the handler's end, the extra
timer; after each of them a vCPU that can take the request that waits does so. It knows nothing of the fabric.
"""


class Model:
    """Run with `upto`; `taken` are the ns of the deliveries."""

    def __init__(self, policy, period, windows=(), ack=0, first=None):
        self.policy, self.period, self.ack = policy, period, ack
        self.tick_at = period if first is None else first
        self.due_at = self.tick_at
        self.moves = sorted([(out, 1) for out, _ in windows] + [(back, 0) for _, back in windows])
        self.out = False
        self.irr = False
        self.busy = None
        self.left = None
        self.extra = None
        self.n = self.burst = 0
        self.acked = True
        self.queue = []
        self.taken, self.lost, self.late, self.made_up = [], 0, 0, 0
        self.due = 0
        self.empty_at = []

    # -- the guest

    def take(self, now):
        while self.irr and not self.out and self.busy is None:
            self.irr = False
            self.taken.append(now)
            if self.queue:
                self.late += self.queue.pop(0) < now
            if not self.queue:
                self.empty_at.append(now)
            if self.ack:
                self.busy = now + self.ack
            else:
                self.ended()

    def ended(self):
        self.busy = None
        if self.policy == "reinject":
            self.acked = True
            if self.n:
                self.n -= 1
                if self.n:
                    self.acked, self.irr = False, True
                    self.made_up += 1
        if self.policy == "slew_rtc" and self.n and self.burst < 20:
            self.burst += 1
            if not self.irr:
                self.irr = True
                self.n -= 1
                self.made_up += 1

    # -- the source

    def miss(self, count=1):
        """So many ticks never come: the latest ones that were due."""
        self.lost += count
        del self.queue[len(self.queue) - count :]

    def tick(self, now):
        if self.policy == "discard_nolatch" and self.out:
            self.miss()
        elif self.policy == "merge" and self.out:
            self.n += 1
        elif self.policy in ("discard", "discard_nolatch", "merge", "delay"):
            if self.irr:
                self.miss()
            self.irr = True
        elif self.policy.startswith("slew"):
            if self.policy == "slew_rtc" and self.burst >= 20:
                self.burst = 0
            if self.irr or (self.policy == "slew_nolatch" and self.out):
                self.n += 1
                self.extra = now + self.period // (min(self.n, 7) + 1)
            else:
                self.irr = True
        elif self.policy == "reinject":
            self.n += 1
            if self.acked:
                self.acked, self.irr = False, True

    def slewed(self, now):
        blocked = self.irr or (self.policy == "slew_nolatch" and self.out)
        if self.n and not blocked:
            self.irr = True
            self.n -= 1
            self.made_up += 1
        self.extra = now + self.period // (min(self.n, 7) + 1) if self.n else None

    def move(self, now, out):
        if out:
            self.out = True
            self.went = now
            if self.busy is not None:
                self.left, self.busy = self.busy - now, None
                self.held = True
            return
        self.out = False
        if self.left is not None:
            self.busy, self.left = now + self.left, None
            if self.busy == now:
                self.ended()
        if self.policy == "delay":
            self.tick_at += now - self.went
        if self.policy == "merge" and self.n:
            self.miss(self.n - 1)
            self.n = 0
            self.made_up += 1
            if self.irr:
                self.miss()
            self.irr = True

    def upto(self, end):
        while True:
            stands = self.policy == "delay" and self.out
            moments = [
                (self.moves[0][0], 0) if self.moves else None,
                (self.tick_at, 1) if not stands else None,
                (self.busy, 2) if self.busy is not None else None,
                (self.extra, 3) if self.extra is not None else None,
                (self.due_at, -1) if self.policy == "delay" else None,
            ]
            now, what = min(moment for moment in moments if moment is not None)
            if now > end:
                return self
            if what == -1:
                self.due += 1
                self.queue.append(now)
                self.due_at += self.period
                continue
            if what == 0:
                self.move(now, self.moves.pop(0)[1])
            elif what == 1:
                if self.policy != "delay":
                    self.due += 1
                    self.queue.append(now)
                self.tick(now)
                self.tick_at += self.period
            elif what == 2:
                self.ended()
            else:
                self.slewed(now)
            if self.left is None:
                self.take(now)

    @property
    def lag(self):
        return self.due - len(self.taken)
