"""The trace that a session is being fed, at once or at its own pace, and the log entry that tells how much it was."""

from __future__ import annotations

from timerlab.command import Entry, Result
from timerlab.commands.script import ReplayTrace
from timerlab.history import EVERY_ACCESSES, History, Played
from timerlab.replay import Feed, Tally
from timerlab.text import plural
from timerlab.trace import Trace


class Feeder:
    """Feeds one trace at a time to the machine of a history. A whole replay is one entry of the log."""

    def __init__(self, history: History) -> None:
        self.history = history
        self.feed: Feed | None = None
        self.tally: Tally | None = None
        """How the reads of the trace that was fed last came out."""
        self._entry: Entry | None = None

    @property
    def at_work(self) -> bool:
        """Whether a trace is being fed."""
        return self.feed is not None

    def plays(self, entry: Entry) -> bool:
        """Whether it is this entry's trace that is being fed."""
        return self._entry is entry

    def begin(self, trace: Trace, entry: Entry, most: int | None) -> Feed:
        """Start with a trace: at its own times where they lie ahead, from now on where they do not."""
        now = self.history.machine.now
        first = trace.accesses[0].t_ns if trace.accesses else 0
        offset = 0 if now <= first else now
        self.history.played[entry.index] = Played(trace, offset, 0)
        self.feed, self._entry = Feed(trace, offset, most), entry
        self.tally = self.feed.tally
        return self.feed

    def play(self, most: int) -> None:
        """Feed up to `most` accesses."""
        if self.feed is None or self._entry is None:
            return
        end = min(self.feed.total, self.feed.at + most)
        while self.feed.at < end:
            self.feed.play(self.history.machine, min(EVERY_ACCESSES, end - self.feed.at))
            self.history.fed(self._entry, self.feed.at)

    def pass_time(self, to: int) -> bool:
        """Feed what is due by `to`, and let time pass to there; False where the trace ended before."""
        if self.feed is None or self._entry is None:
            return False
        self.feed.play(self.history.machine, self.feed.total, until=to)
        if self.feed.over:
            self.end()
            return False
        self.history.machine.advance(to)
        self.history.fed(self._entry, self.feed.at)
        return True

    def end(self) -> Result:
        """Stop feeding. What was played stays, and the entry says how much it was."""
        feed, entry = self.feed, self._entry
        assert feed is not None and entry is not None
        self.history.fed(entry, feed.at)
        self.feed = self._entry = None
        if not feed.over and isinstance(entry.action, ReplayTrace):
            entry.action = entry.action.limited(feed.at)
            entry.typed = ""
        total = feed.tally.total()
        bad = f"; {plural(len(feed.trace.bad), 'bad line')} passed over" if feed.trace.bad else ""
        profile = self.history.machine.config.profile
        other = f"; that is what {profile} makes of it, QEMU's own reads want profile qemu" if total.different else ""
        words = f"{feed.tally.words()}{other if profile != 'qemu' else ''}{bad}"
        result = Result(total.different, words, ok=not total.different)
        self.history.close(entry, result)
        return result
