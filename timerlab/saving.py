"""A session as a file, and a file as a session."""

from __future__ import annotations

import os
from collections.abc import Mapping
from errno import EISDIR
from pathlib import Path
from typing import TYPE_CHECKING

from timerlab import places, script
from timerlab.commands.script import ReplayTrace
from timerlab.errors import CommandError, ScriptError
from timerlab.units import parse_rate

if TYPE_CHECKING:
    from timerlab.command import Entry, Result
    from timerlab.session import Session


def save(session: Session, path: str) -> tuple[str, int]:
    """Write what the session has done as a script; (the path, how many entries). OSError.

    A file that is there already is replaced whole or not at all.
    """
    target = Path(path).expanduser()
    if target.is_dir():
        raise IsADirectoryError(EISDIR, os.strerror(EISDIR), path)
    if not target.suffix:
        target = target.with_suffix(places.SUFFIX)
    done = session.log[: session.position]
    lines = [f"#: {key} = {value}" for key, value in head_of(session).items()]
    waiting = False
    for entry in done:
        if entry.kind == "advance":
            waiting = True
            continue
        text = _said(session, entry)
        lines.append(f"@{entry.t_ns} {text}" if waiting else text)
        # a replay that was stopped ends later than its last access
        waiting = entry.kind == "replay"
    half = session.log[session.position] if session.past else None
    if half is not None and isinstance(half.action, ReplayTrace) and session.history.taken:
        text = half.action.limited(session.history.taken).text()
        lines.append(f"@{half.t_ns} {text}" if waiting else text)
        waiting = True
    if waiting or session.now > (done[-1].end_ns if done else 0):
        lines.append(f"@{session.now}")
    part = target.with_name(target.name + ".part")
    try:
        part.write_text("\n".join(lines) + "\n", encoding="utf-8")
        os.replace(part, target)
    except OSError:
        part.unlink(missing_ok=True)
        raise
    return str(target), len(done)


def _said(session: Session, entry: Entry) -> str:
    """An entry's command; of a trace that is still being played, what was played so far."""
    if isinstance(entry.action, ReplayTrace) and session.feeder.plays(entry):
        return entry.action.limited(session.history.played[entry.index].done).text()
    return entry.text


def head_of(session: Session) -> dict[str, str]:
    """The head that makes the same session again."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        made_by = version("timerlab")
    except PackageNotFoundError:
        made_by = "0"
    kept = {key: value for key, value in session.head.items() if key not in ("timerlab", *script.OPTION_KEYS)}
    head = {"timerlab": made_by, **kept, "profile": session.options.profile}
    config = session.machine.config
    if config.quirks:
        head["quirks"] = " ".join(f"{name}={value}" for name, value in config.quirks)
    for key in (*script.CLOCK_KEYS, *script.WHOLE_KEYS):
        given, own = getattr(config, key), 1 if key == "vcpus" else None
        if given != own:
            head[key] = str(given)
    if config.guest != "none":
        head["guest"] = config.guest
    head["start"] = session.options.start
    return head


def from_head(kind: type[Session], head: Mapping[str, str], name: str) -> Session:
    """A fresh session with a head's options; ScriptError where they make no sense."""
    try:
        session = kind(**script.head_options(head))  # type: ignore[arg-type]
    except ValueError as error:
        line, column, length = _at_fault(kind, head)
        raise ScriptError(name, CommandError(str(error), column, line=line, length=length)) from None
    session.head = dict(head)
    if "rate" in head:
        try:
            session.rate = parse_rate(head["rate"], session.machine.board.clocks)
        except ValueError as error:
            line, column, length = _place(head, "rate")
            raise ScriptError(name, CommandError(str(error), column, line=line, length=length)) from None
    return session


def _place(head: Mapping[str, str], key: str) -> tuple[int, int, int]:
    """Line, column and length of a value in a head."""
    return head.places.get(key, (1, 1, 1)) if isinstance(head, script.Head) else (1, 1, 1)


def _at_fault(kind: type[Session], head: Mapping[str, str]) -> tuple[int, int, int]:
    """Line, column and length of the first option that makes no sense with those before it."""
    tried: dict[str, str] = {}
    for key in script.OPTION_KEYS:
        if key in head:
            tried[key] = head[key]
            try:
                kind(**script.head_options(tried))  # type: ignore[arg-type]
            except ValueError:
                return _place(head, key)
    return 1, 1, 1


def load(kind: type[Session], path: str | os.PathLike[str]) -> Session:
    """The session that a script describes, at its end. OSError, ScriptError with file, line and column, or CommandError
    for a name that is neither a file nor a preset.
    """
    text, name, folder = places.find(os.fspath(path))
    session = from_head(kind, script.read_head(text, name), name)
    session.folder = folder
    for line in script.read_lines(text, name, session.words, folder):
        play_line(session, line, name)
    return session


def play_line(session: Session, line: script.Line, name: str) -> Result | None:
    """Carry out a line of a script; ScriptError where it makes no sense at that place."""
    try:
        if line.at_ns is not None:
            if line.at_ns < session.now:
                raise CommandError(f"@{line.at_ns} is in the past, it is {session.now} ns")
            session.pass_time(line.at_ns)
        return None if line.action is None else session.perform(line.action, line.text).finish()
    except CommandError as error:
        error.line = line.number
        raise ScriptError(name, error) from None
