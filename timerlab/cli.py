"""The command line: `timerlab` opens the screen, `run list check explain replay` work without one.

Exit codes: 0 all went well, 1 an expectation was not met or a read differed, 2 something could not be read, 141 (as of
a program that SIGPIPE ends) when whoever read the output has gone. Textual is imported only where the screen is
opened.
"""

from __future__ import annotations

import gc
import json
import os
import sys
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NoReturn

import click

if TYPE_CHECKING:
    from timerlab.command import Result
    from timerlab.lesson import Lesson
    from timerlab.replay import Tally
    from timerlab.script import Line
    from timerlab.session import Session

OK, UNMET, UNREADABLE, PIPE_GONE = 0, 1, 2, 141


def say(text: str) -> None:
    """A line to stdout, in whatever the terminal can show; out, where nobody reads it any more."""
    encoding = sys.stdout.encoding or "utf-8"
    try:
        click.echo(text.encode(encoding, "replace").decode(encoding))
    except BrokenPipeError:
        # what is left in the buffer must not fail once more when Python ends
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(PIPE_GONE)


def stop(message: str, code: int = UNREADABLE) -> NoReturn:
    """A line to stderr, and out."""
    encoding = sys.stderr.encoding or "utf-8"
    click.echo(message.encode(encoding, "replace").decode(encoding), err=True)
    sys.exit(code)


OPTIONS = {
    "profile": ("NAME", "datasheet, qemu, ich, kvm, palacios or nvmm."),
    "pit-hz": ("HZ", "The PIT's clock in Hz, e.g. 1193182 or 13125000/11."),
    "tsc-khz": ("KHZ", "The TSC's clock in kHz."),
    "apic-bus-hz": ("HZ", "The APIC timers' clock in Hz, before its divider."),
    "hpet-period-fs": ("FS", "The HPET's period in femtoseconds."),
    "hpet-timers": ("N", "How many comparators the HPET has, 3 to 32."),
    "vcpus": ("N", "How many vCPUs there are, 1 to 64."),
    "pcpus": ("N", "How many processors the host has; as many as vCPUs."),
    "guest": ("MODEL", "Who takes interrupts: none, manual, ideal, latency=50us."),
    "start": ("DATE", "The calendar at time 0: 2026-01-01T00:00:00."),
}
"""What the screen's session may be told; a script says the same in its head."""


def session_options(function: Callable[..., None]) -> Callable[..., None]:
    """A click command with the options of a session."""
    for name, (metavar, about) in reversed(OPTIONS.items()):
        function = click.option(f"--{name}", default=None, metavar=metavar, help=about)(function)
    quirk = click.option(
        "--quirk", "quirks", multiple=True, metavar="NAME=VALUE", help="A quirk on top; may be repeated."
    )
    return quirk(function)


def make_session(given: Mapping[str, str], quirks: tuple[str, ...] = ()) -> Session:
    """A session from the options, or out with what is wrong with them."""
    from timerlab.script import head_options
    from timerlab.session import Session

    head = dict(given)
    try:
        for quirk in quirks:
            if "=" not in quirk:
                raise ValueError(f"--quirk {quirk}: write NAME=VALUE, such as odd_mode3=harris")
        if quirks:
            head["quirks"] = " ".join(quirks)
        return Session(**head_options(head))  # type: ignore[arg-type]
    except ValueError as error:
        stop(f"timerlab: {error}")


@click.group(invoke_without_command=True, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="timerlab")
@session_options
@click.pass_context
def main(ctx: click.Context, /, quirks: tuple[str, ...], **options: str | None) -> None:
    """The PC's timer hardware in a terminal: live, slow, skipped, taken back.

    Without a command, opens the screen. Type `help` there, or press `?`.
    """
    given = {name: value for name, value in options.items() if value is not None}
    if ctx.invoked_subcommand is None:
        hurry()
        sys.exit(open_screen(make_session(given, quirks)))
    if given or quirks:
        stop("timerlab: --profile, --quirk and the other options belong to the screen; a script says them in its head")


def hurry() -> None:
    """No garbage collection until the first frame, which turns it on again: what is imported on the way there stays,
    and looking through it again and again costs a sixth of the start.
    """
    gc.disable()


def open_screen(session: Session, lesson: Lesson | None = None) -> int:
    """The screen, where there is a terminal to show it in."""
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        stop("timerlab: the screen needs a terminal, and this is none: `timerlab run SCRIPT` works without one")
    from timerlab.views import run

    return run(session, lesson)


@main.command()
@click.argument("name")
def play(name: str) -> None:
    """Open the screen with a preset or script, to be played line by line."""
    hurry()
    from timerlab.errors import CommandError
    from timerlab.lesson import open_lesson

    try:
        lesson = open_lesson(name)
    except CommandError as error:
        stop(str(error))
    sys.exit(open_screen(lesson.session, lesson))


@main.command(name="list")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a preset.")
def list_presets(as_json: bool) -> None:
    """Tell the presets: lessons, demos and captured boots."""
    from timerlab.index import presets

    found = presets()
    width = max((len(preset.name) for preset in found), default=0)
    for preset in found:
        if as_json:
            say(
                json.dumps(
                    {"name": preset.name, "title": preset.title, "about": preset.about, "profile": preset.profile}
                )
            )
        else:
            say(f"{preset.name:<{width}}  {preset.title}")


def read_script(name: str) -> Lesson:
    """A script that is whole and well-formed, or out with where it is not."""
    from timerlab.errors import CommandError
    from timerlab.lesson import Lesson, open_lesson
    from timerlab.places import as_text

    try:
        return Lesson(as_text(sys.stdin.buffer.read(), "<stdin>"), "<stdin>") if name == "-" else open_lesson(name)
    except CommandError as error:
        stop(str(error))


@main.command()
@click.argument("script")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a command: line, text, t_ns, value, fault.")
@click.option("-q", "--quiet", is_flag=True, help="Only what was not met.")
def run(script: str, as_json: bool, quiet: bool) -> None:
    """Run a preset or script (- is stdin) as fast as it goes. Exit 1 where an expect is not met,
    2 where it cannot be read.
    """
    from timerlab.errors import CommandError

    lesson = read_script(script)
    unmet = 0
    while not lesson.finished:
        step = lesson.steps[lesson.at]
        try:
            result = lesson.next()
        except CommandError as error:
            stop(str(error))
        assert result is not None
        unmet += not result.ok
        if step.action is None:
            continue
        if as_json:
            say(json.dumps(_record(step.number, step.text, lesson.session.now, result)))
        elif not quiet or not result.ok:
            _tell(lesson.session.now, step, result)
    if unmet and not as_json:
        say(f"{unmet} not met")
    sys.exit(UNMET if unmet else OK)


def _record(line: int, text: str, t_ns: int, result: Result) -> dict[str, Any]:
    return {
        "line": line,
        "text": text,
        "t_ns": t_ns,
        "value": result.value,
        "fault": result.fault,
        "ok": result.ok,
        "result": result.text,
    }


def _tell(now: int, step: Line, result: Result) -> None:
    from timerlab.text import stamp

    if step.action is not None and step.action.kind == "note":
        say(result.text)
        return
    say(f"{stamp(now):>16} › {step.text}")
    sign = "=" if result.ok else "!"
    for line in result.text.splitlines():
        say(f"{'':>16} {sign} {line}")


@main.command()
@click.argument("script")
def check(script: str) -> None:
    """Read a script without running it, and say whether it is well-formed."""
    from timerlab.text import plural

    lesson = read_script(script)
    say(
        f"{script}: {plural(len(lesson.steps), 'line')}, {plural(lesson.total, 'expectation')}, "
        f"profile {lesson.session.options.profile}"
    )


@main.command(context_settings={"ignore_unknown_options": True})
@click.argument("words", nargs=-1, required=True, type=click.UNPROCESSED)
def explain(words: tuple[str, ...]) -> None:
    """Say bit by bit what a command or a value does, e.g. `explain outb 43h b6h`, `explain 36h as pit.cmd`, `explain
    odd_mode3`.
    """
    from timerlab.errors import CommandError
    from timerlab.session import Session

    line = "explain " + " ".join(words)
    try:
        say(Session().do(line).text)
    except CommandError as error:
        stop(f"{line}\n{' ' * (error.column - 1)}{'^' * error.length}\n{error}")


@main.command()
@click.argument("trace")
@click.option("--profile", default="qemu", show_default=True, help="What the reads are compared with.")
@click.option("--skip-bad", is_flag=True, help="Pass over lines that cannot be read.")
@click.option("--json", "as_json", is_flag=True, help="The first 100 differences and then the counts, as JSON lines.")
def replay(trace: str, profile: str, skip_bad: bool, as_json: bool) -> None:
    """Play a QEMU trace's timer accesses at their times and compare every read. Exit 1 where one differs."""
    from timerlab.commands.script import ReplayTrace
    from timerlab.errors import CommandError
    from timerlab.replay import Tally

    session = make_session({"profile": profile} if profile else {})
    job = session.perform(ReplayTrace(trace, skip_bad))
    start = time.perf_counter()
    try:
        while not job.finished:
            _progress(job.step().text)
    except CommandError as error:
        _progress("")
        stop(str(error))
    _progress("")
    seconds = time.perf_counter() - start
    tally = session.feeder.tally
    assert job.result is not None
    _tell_replay(trace, tally or Tally(), seconds, as_json)
    sys.exit(UNMET if job.result.value else OK)


def _progress(text: str) -> None:
    """A line on the terminal that the next one replaces; none in a file."""
    if sys.stderr.isatty():
        click.echo(f"\r{text}\x1b[K", nl=False, err=True)


def _tell_replay(trace: str, tally: Tally, seconds: float, as_json: bool) -> None:
    from timerlab.replay import differing_words
    from timerlab.text import count

    if as_json:
        for access, value in tally.differing:
            place = {"line": access.line, "t_ns": access.t_ns, "device": access.device, "address": access.address}
            say(json.dumps({**place, "expected": access.value, "value": value}))
        devices = {name: counts.as_dict() for name, counts in sorted(tally.devices.items())}
        say(json.dumps({"trace": trace, "devices": devices, "seconds": round(seconds, 3)}))
        return
    for access, value in tally.differing:
        say(differing_words(access, value))
    more = sum(counts.different for counts in tally.devices.values()) - len(tally.differing)
    if more:
        say(f"... and {count(more)} more")
    say(f"{'device':<12}{'equal':>10}{'different':>11}{'given':>8}{'unmodelled':>12}")
    for name, counts in sorted(tally.devices.items()):
        say(
            f"{name:<12}{count(counts.equal):>10}{count(counts.different):>11}{count(counts.given):>8}{count(counts.unmodelled):>12}"
        )
    say(f"{seconds:.2f} s")
