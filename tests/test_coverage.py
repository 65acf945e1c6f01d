"""Every row of docs/coverage*.md shows what it says: its scripts run, and its expectations are met."""

import re
from dataclasses import dataclass
from pathlib import Path

import pytest

from timerlab import Session
from timerlab.errors import CommandError
from timerlab.index import presets
from timerlab.places import find
from timerlab.script import OPTION_KEYS, head_options

FOLDER = Path(__file__).parent.parent / "docs"
ROWS = 254
OUT = "\N{EN DASH}"
OUT_OF_SCOPE = {46, 49, 51, 53, 101, 214, 224, 225}
PRESETS = {preset.name for preset in presets()}

_ROW = re.compile(r"\| *(\d+) *\|(.*)\|(.*)\|(.*)\| *$")
_SPAN = re.compile(r"`([^`]+)`")
_HEAD = re.compile(r"\[([^\]]*)\]\s*(.*)")


@dataclass(frozen=True)
class Row:
    """A line of the table: its number, and its cells."""

    number: int
    item: str
    shown: str
    seen: str

    @property
    def spans(self):
        return _SPAN.findall(self.shown)


def rows():
    found = []
    for path in sorted(FOLDER.glob("coverage*.md"), key=lambda path: (len(path.name), path.name)):
        for line in path.read_text(encoding="utf-8").splitlines():
            match = _ROW.match(line)
            assert match or not re.match(r"\| *\d", line), f"{path.name}: not a row: {line}"
            if match:
                number, *cells = match.groups()
                found.append(Row(int(number), *(cell.strip() for cell in cells)))
    return found


TABLE = rows()


def script(span):
    """The options of a span's head, and its commands."""
    match = _HEAD.fullmatch(span)
    head, commands = match.groups() if match else ("", span)
    options = {"quirks": ""}
    for word in head.split():
        name, equals, value = word.partition("=")
        assert equals, f"{word}: write NAME=VALUE"
        if name in OPTION_KEYS:
            options[name] = value
        else:
            options["quirks"] += f" {name}={value}"
    return head_options(options), [command.strip() for command in commands.split(" ; ")]


def unmet(span):
    """What goes wrong in a span: None if nothing does."""
    options, commands = script(span)
    session, said = Session(**options), ""
    for command in commands:
        if command.startswith("says: "):
            if command.removeprefix("says: ") not in said:
                return f"{command}: it says {said}"
            continue
        refused = command.removeprefix("refused:").strip() if command.startswith("refused:") else ""
        try:
            result = session.do(refused or command)
        except CommandError as error:
            if not refused:
                return f"{command}: {error}"
            said = str(error)
            continue
        if refused:
            return f"{command}: it is not refused, but {result.text}"
        if not result.ok or (result.fault and not command.startswith("expect ")):
            return f"{command}: {result.text}"
        said = " ".join(result.text.split())
    return None


def states(span):
    """Whether a span says what must come out."""
    return any(command.startswith(("expect ", "refused:", "says:")) for command in script(span)[1])


def test_every_row_stands_there_once_and_in_order():
    assert [row.number for row in TABLE] == list(range(1, ROWS + 1))


@pytest.mark.parametrize("row", TABLE, ids=lambda row: str(row.number))
def test_a_row_shows_what_it_says(row):
    assert row.item and row.seen
    if row.number in OUT_OF_SCOPE:
        assert row.shown == OUT
        return
    assert row.spans, f"{row.number} has neither a preset nor a script"
    for span in row.spans:
        if span.startswith("preset "):
            name = span.removeprefix("preset ")
            assert name in PRESETS, f"there is no preset {name}"
            assert re.search(r"^expect ", find(name)[0], re.MULTILINE), f"{name} expects nothing"
            continue
        assert states(span), f"{span}: no expect"
        assert unmet(span) is None


def test_a_script_whose_expectation_is_not_met_is_found_out():
    assert unmet("expect vcpu0.tsc == 1").startswith("expect vcpu0.tsc == 1: not met")
    assert unmet("[tsc_khz=1000] skip 1ms ; expect vcpu0.tsc == 1000") is None
    assert unmet("outb 43h 300h ; expect vcpu0.tsc == 0").startswith("outb 43h 300h: ")
    assert unmet("refused: rdtsc").startswith("refused: rdtsc: it is not refused")
    assert unmet("refused: outb 43h 300h") is None
    assert unmet("help rdtsc ; says: time stamp counter") is None
    assert unmet("rdtsc ; says: 5 cycles").startswith("says: 5 cycles: it says 0000")
    assert unmet("wrmsr 831h 0 ; expect vcpu0.tsc == 0").startswith("wrmsr 831h 0: ")
