"""The discipline of a guest's system clock by NTP.

Each poll compares the system clock with true time. More than 1000 s off, it gives up. More than 128 ms off, it steps.
Else it slews, at 500 ppm at most: a frequency against what the clock drifted between the last two polls, and the rest
of the 500 ppm against the offset until that is gone (adjtime). Where no more than the precision of 2^-20 s would be
left in the end, the poll changes nothing.

Source: RFC 5905, Appendix A (STEPT, PANICT, MAXFREQ); ntpd's manual page. Not modelled: a network, the loop filter,
the stepout time: a reference is exact, and a poll that finds a step takes it. One poll that finds a jump and no rate
error changes no frequency.

`advance` does the polls that may change something one by one; where nothing can change it goes to the last at once.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from timerlab.clock import NS_PER_S
from timerlab.devices.os_state import Ntp

PPM = 65_536
"""One ppm, in the units of Linux's timex.freq."""
MAX = 500 * PPM
"""The most that a clock is slewed by."""
PER = PPM * 1_000_000
STEP = 128_000_000
PANIC = 1000 * NS_PER_S
PRECISION = 954
"""2^-20 s: an offset that is not worth a change."""
JITTER = 4
"""By how much a reading may be off a straight line, in ns."""

Raw = Callable[[int], int]


@dataclass(frozen=True, slots=True)
class Slew:
    """How an offset is absorbed: `slew` in so many ns, `step` at once, or `give up`."""

    word: str
    ns: int


def absorb(offset: int, speed_ppm: int = 500) -> Slew:
    """What NTP does about an offset, and how long a slew takes (rounded up)."""
    if abs(offset) > PANIC:
        return Slew("give up", 0)
    if abs(offset) > STEP:
        return Slew("step", 0)
    return Slew("slew", -(-abs(offset) * 1_000_000 // speed_ppm))


def speed(n: Ntp) -> int:
    """How fast the offset is slewed, without its sign: what the frequency leaves of 500 ppm."""
    return min(MAX, MAX - n.freq if n.left > 0 else MAX + n.freq)


def correction(n: Ntp, t: int) -> int:
    """ns that are added to the raw clock at `t`."""
    dt = t - n.since
    phase = min(abs(n.left), speed(n) * dt // PER) if n.left else 0
    return n.corr + n.freq * dt // PER + (phase if n.left > 0 else -phase)


def slewing(n: Ntp, t: int) -> int:
    """The rate of all corrections at `t`, in 2^-16 ppm."""
    pace = speed(n)
    busy = n.left and pace * (t - n.since) // PER < abs(n.left)
    return n.freq + (0 if not busy else pace if n.left > 0 else -pace)


def start(n: Ntp, drift: Raw, now: int) -> None:
    """Begin at `now`: the first poll is one interval ahead."""
    n.on, n.gave_up = True, False
    n.due, n.since, n.raw, n.grew = now + n.poll, now, drift(now), 0


def stop(n: Ntp, now: int) -> None:
    """Let the clock run on as it is: the correction stays, its rates end."""
    n.corr, n.since, n.freq, n.left, n.on = correction(n, now), now, 0, 0, False


def _noted(n: Ntp, drift: int) -> tuple[int, int]:
    """Note the raw clock's drift at a poll: the growth at this and at the one before."""
    grew, before = drift - n.raw, n.grew
    n.raw, n.grew = drift, grew
    return grew, before


def poll(n: Ntp, drift: Raw, t: int) -> bool:
    """One poll at `t`; whether it changed what is done. `drift` is the raw clock minus true time."""
    raw = drift(t)
    grew, before = _noted(n, raw)
    limit = 500 * n.poll // 1_000_000
    offset = raw + correction(n, t)
    if abs(offset) > PANIC:
        n.corr, n.since, n.left = correction(n, t), t, 0
        n.gave_up, n.offset = True, offset
        return True
    jump = abs(grew) > limit >= abs(before)
    freq = n.freq if jump else _wanted(n, grew)
    if abs(offset) > STEP:
        n.corr, n.since, n.left, n.freq = correction(n, t) - offset, t, 0, freq
        n.offset, n.steps = offset, n.steps + 1
        return True
    saturated = abs(freq) == MAX and freq * offset <= 0
    if (saturated and freq == n.freq and not n.left) or abs(_goal(n, raw, t)) <= PRECISION:
        return False
    n.corr, n.since, n.freq = correction(n, t), t, freq
    n.left, n.offset = 0 if saturated else -offset, offset
    return True


def _wanted(n: Ntp, grew: int) -> int:
    """The frequency against a drift that grew so much in one poll interval."""
    return max(-MAX, min(MAX, -(grew * PER // n.poll)))


def _goal(n: Ntp, drift: int, t: int) -> int:
    """The offset that there will be when all is slewed that is to be slewed: a straight line."""
    return drift + n.corr + n.left + n.freq * (t - n.since) // PER


def _beyond(n: Ntp, drift: int, t: int) -> bool:
    """Whether a poll at `t` may change something. A clock whose drift is more than 500 ppm is let drift, once all of
    them are used.
    """
    goal = _goal(n, drift, t)
    saturated = abs(n.freq) == MAX == abs(_wanted(n, n.grew)) and not n.left and n.freq * goal <= 0
    return abs(goal) > (STEP if saturated else PRECISION) - JITTER


def advance(n: Ntp, drift: Raw, now: int) -> None:
    """All polls up to `now`. `drift` is a straight line up to `now`, give or take some ns."""
    quiet = steps = 0
    while n.on and not n.gave_up and n.due <= now:
        if quiet >= 2:
            _leap(n, drift, now)
            quiet = 0
        elif steps >= 2 and _leap_steps(n, drift, now):
            steps = 0
        if n.due > now:
            return
        t, had = n.due, n.steps
        changed = poll(n, drift, t)
        n.due = t + n.poll
        quiet = 0 if changed else quiet + 1
        steps = steps + 1 if n.steps > had else 0


def _leap(n: Ntp, drift: Raw, now: int) -> None:
    """Pass over polls that change nothing: all of them, or those before the first that may."""
    last = (now - n.due) // n.poll

    def beyond(k: int) -> bool:
        t = n.due + k * n.poll
        return _beyond(n, drift(t), t)

    t = n.due
    if beyond(0) or (n.left and abs(drift(t) + correction(n, t)) > STEP - 2 * PRECISION - JITTER):
        return
    if beyond(last):
        # the goal is a straight line that begins inside: it leaves once
        low, high = 0, 1
        while high < last and not beyond(high):
            low, high = high, 2 * high
        high = min(high, last)
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (low, middle) if beyond(middle) else (middle, high)
        last = low
    _pass(n, drift, last + 1)


def _pass(n: Ntp, drift: Raw, polls: int) -> None:
    """Go on to the poll after the next `polls`."""
    for t in range(n.due + max(0, polls - 2) * n.poll, n.due + polls * n.poll, n.poll):
        _noted(n, drift(t))
    n.due += polls * n.poll


def _leap_steps(n: Ntp, drift: Raw, now: int) -> bool:
    """A clock so far off that each poll steps it: all of these steps at once."""
    count = (now - n.due) // n.poll + 1
    if count < 3 or abs(n.freq) != MAX:
        return False
    end = n.due + (count - 1) * n.poll
    grown = drift(end) - drift(n.due - n.poll)
    pulled = n.freq * n.poll // PER
    least, most = (grown - JITTER) // count + pulled, -(-(grown + JITTER) // count) + pulled
    fast, slow = least > STEP + 1 and most < PANIC, most < -STEP - 1 and least > -PANIC
    if not fast and not slow:
        return False
    _pass(n, drift, count)
    before = drift(end - n.poll)
    # each step put the clock right at its poll, so the last one found what one interval made
    n.corr, n.since, n.left = -drift(end), end, 0
    n.offset = drift(end) - before + pulled
    n.steps += count
    return True
