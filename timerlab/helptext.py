"""Help as Markdown, made from the tables that the engine runs on: verbs, registers, quirks, profiles."""

from __future__ import annotations

from timerlab.assist import nearest_topic
from timerlab.commands import Verb, group
from timerlab.devices.pit_regs import MODE_ABOUT, MODES
from timerlab.errors import CommandError
from timerlab.explain import explain_name
from timerlab.machine import Machine
from timerlab.quirks import PROFILES, QUIRKS
from timerlab.registers import where
from timerlab.regs import Reg

NUMBERS = """# Numbers and times

Numbers: `52`, `34h`, `0x34`, `0b110100`. Names of registers stand for ports: `outb pit.cmd 36h`.

Times: a bare number is ns; units are `ns us ms s min hr day y` (`y` is 365 days; there is no `h`, that is hex). The
name of a clock counts its ticks: `skip 100pit`. Anything finer than 1 ns is refused. Moments for `goto` count from
power-on; `goto #12` is the end of entry 12 of the log.
"""

CONDITIONS = """# Conditions

`until` waits for one, `expect` asks for one:

| condition | holds |
|---|---|
| `PEEK == VALUE` | also `!= < <= > >=`; `none` is an absent value |
| `PEEK` | the value is not 0 |
| `rise LINE`, `fall LINE` | the line has this edge at this very ns |
| `at TIME` | it is that moment, or later |

`until` stops at the first ns where the condition holds. Running counts are reached in closed form, lines at their
edges, everything else where the machine can change.
"""


def help_text(machine: Machine, topic: str | None) -> str:
    """The help of a topic as Markdown; CommandError for one that there is not."""
    if not topic:
        return overview()
    name = topic.lower()
    pages = {"numbers": NUMBERS, "times": NUMBERS, "conditions": CONDITIONS}
    if name in pages:
        return pages[name]
    if name == "quirks":
        return quirks()
    if name == "profiles":
        return profiles()
    if name == "registers":
        return registers(machine)
    verb = group.commands.get(name)
    if isinstance(verb, Verb):
        return verb_page(verb)
    reg = machine.board.regs.by_name.get(name)
    if reg is not None:
        return register(reg)
    if name in QUIRKS:
        return quirk_rows(name)
    if name in PROFILES:
        return profiles(name)
    found = explain_name(machine, name)
    if found is not None:
        return "\n\n".join(found)
    guess = nearest_topic(name)
    raise CommandError(f"no help on {topic}" + (f"  Did you mean {guess} ?" if guess else ""), suggestion=guess)


def overview() -> str:
    """The list of commands."""
    rows = [f"| `{verb.usage.replace('|', chr(92) + '|')}` | {_first(verb)} |" for verb in _verbs()]
    return "\n".join(
        [
            "# Commands",
            "",
            "| command | does |",
            "|---|---|",
            *rows,
            "",
            "`help numbers`, `conditions`, `registers`, `quirks`, `profiles`: more.",
        ]
    )


def _verbs() -> list[Verb]:
    return [verb for _, verb in sorted(group.commands.items()) if isinstance(verb, Verb)]


def _first(verb: Verb) -> str:
    return (verb.help or "").splitlines()[0]


def verb_page(verb: Verb) -> str:
    """One command."""
    lines = [f"# {verb.usage}", "", *((line.strip()) for line in (verb.help or "").splitlines()), ""]
    if verb.examples:
        lines += ["Examples:", "", *(f"    {example}" for example in verb.examples)]
    return "\n".join(lines)


def register(reg: Reg) -> str:
    """One register with its bits."""
    lines = [f"# {reg.name}: {reg.title}", "", f"{where(reg)}; {reg.about}. *{reg.source}*", ""]
    for layout in reg.layouts:
        lines += [f"## {layout.name}", "", "| bits | field | meaning |", "|---|---|---|"]
        for field in layout.fields:
            place = f"{field.hi}:{field.lo}" if field.width > 1 else f"{field.lo}"
            values = "; ".join(f"{value:0{field.width}b} {words}" for value, words in field.values.items())
            lines.append(f"| {place} | {field.name} | {field.about}{': ' if values else ''}{values} |")
        lines.append("")
    if reg.name == "pit.cmd":
        lines += ["## modes", ""] + [f"* **{mode} {MODES[mode]}**: {about}" for mode, about in MODE_ABOUT.items()]
    return "\n".join(lines)


def registers(machine: Machine) -> str:
    """All registers, a line each."""
    rows = [f"| `{reg.name}` | {reg.title} | {reg.about} |" for reg in machine.board.regs]
    return "\n".join(["# Registers", "", "| name | register | |", "|---|---|---|", *rows])


def quirks() -> str:
    """All quirks."""
    return "\n\n".join(["# Quirks", *(quirk_rows(name) for name in QUIRKS)])


def quirk_rows(name: str) -> str:
    """One quirk with its values; the first is the datasheet's."""
    quirk = QUIRKS[name]
    rows = [f"* `{name}={value}`: {about}" for value, about in quirk.values.items()]
    return "\n".join([f"**{name}**, {quirk.about}:", "", *rows, "", f"*{quirk.source}*"])


def profiles(only: str = "") -> str:
    """The profiles with their quirks."""
    lines = ["# Profiles"]
    for profile in PROFILES.values():
        if only in ("", profile.name):
            lines += ["", f"**{profile.name}**: {profile.about}. PIT clock {profile.pit_hz} Hz."]
            lines += [f"* `{name}={value}`: {QUIRKS[name].values[value]}" for name, value in profile.quirks.items()]
    return "\n".join(lines)
