"""Help and explanations: for everything that has a name."""

import pytest

from timerlab import CommandError, Session
from timerlab.assist import topics
from timerlab.commands import Verb, group
from timerlab.quirks import PROFILES, QUIRKS

TOPICS = sorted({topic for topic, _ in topics()})
REGS = list(Session().machine.board.regs)
PROFILE = pytest.mark.parametrize("profile", sorted(PROFILES))


def looked(s):
    return s.machine.digest(), len(s.log), s.now


ORIGINS = (
    "Intel", "IBM", "MC146818", "HPET", "ACPI", "MultiProcessor", "DS12887", "timerlab", "Linux", "Palacios", "NetBSD",
    "AMD", "kvm list", "RFC 5905", "clock_settime",
)  # fmt: skip
"""Where facts come from."""


@PROFILE
@pytest.mark.parametrize("topic", TOPICS)
def test_there_is_help_on_every_topic(topic, profile):
    s = Session(profile=profile)
    before = looked(s)
    text = s.help_text(topic)
    assert len(text) > 20
    assert s.do(f"help {topic}").text == text == s.help_text(topic.upper())
    assert looked(s) == before


def test_every_verb_register_quirk_and_profile_has_help():
    s = Session()
    for name in [*group.commands, *(reg.name for reg in REGS), *QUIRKS, *PROFILES]:
        assert name in s.help_text(name), name
    overview = s.help_text()
    for name in group.commands:
        assert f"`{name}" in overview
    assert all(name in s.help_text("quirks") for name in QUIRKS)
    assert all(name in s.help_text("profiles") for name in PROFILES)
    assert all(reg.name in s.help_text("registers") for reg in REGS)


def test_tables_in_the_help_have_as_many_cells_in_each_row():
    s = Session()
    for topic in [None, *TOPICS, *(reg.name for reg in REGS)]:
        rows = [line for line in s.help_text(topic).splitlines() if line.startswith("|")]
        width = None
        for row in rows:
            cells = row.replace("\\|", "").count("|")
            if set(row) <= set("|-"):
                width = cells
            elif width is not None and rows.index(row) > 1 and "| bits |" not in row:
                assert cells == width, (topic, row)


def test_no_help_is_one_line_with_what_was_meant():
    s = Session()
    for topic in ("outbb", "quirk", "nothing-like-it"):
        with pytest.raises(CommandError) as said:
            s.help_text(topic)
        assert len(str(said.value).splitlines()) == 1
    with pytest.raises(CommandError) as said:
        s.do("help  outbb")
    assert (said.value.column, said.value.length, said.value.suggestion) == (7, 5, "outb")


@PROFILE
@pytest.mark.parametrize("name", [*sorted(group.commands), *(reg.name for reg in REGS), *QUIRKS, *PROFILES])
def test_everything_with_a_name_is_explained(name, profile):
    s = Session(profile=profile)
    before = looked(s)
    text = s.do(f"explain {name}").text
    assert text.startswith(name) or name in text.splitlines()[0]
    assert s.do(f"explain {name.upper()}").text == text
    assert looked(s) == before


@pytest.mark.parametrize("reg", REGS, ids=[reg.name for reg in REGS])
def test_every_value_of_every_register_is_explained_bit_by_bit(reg):
    s = Session()
    every = range(1 << reg.width) if reg.width <= 8 else (0x5A5A_A5A5_0F0F_1234 & (1 << reg.width) - 1, 0)
    for value in [*every, (1 << reg.width) - 1]:
        lines = s.do(f"explain {value:x}h as {reg.name}").text.splitlines()
        layout = reg.layout(value)
        for field in layout.fields:
            assert any(field.name in line and field.bits(value) in line for line in lines), (value, field.name)


@PROFILE
@pytest.mark.parametrize("width", "bwl")
@pytest.mark.parametrize("port", [0x40, 0x41, 0x42, 0x43, 0x61, 0x3F, 0x60, 0x80, 0xFFFF])
def test_every_access_is_explained_and_decoded_and_nothing_changes(port, width, profile):
    s = Session(profile=profile)
    for line in ("outb 43h 36h", "outb 40h a9h", "outb 61h 3", "skip 5us"):
        s.do(line)
    before = looked(s)
    for value in (0, 0x36, 0xC2, 0xE2, 0x80, 0xFF):
        for line in (f"out{width} {port:x}h {value:x}h", f"in{width} {port:x}h"):
            assert s.do(f"explain {line}").text
            decoded = s.decode(line)
            assert decoded.error is None
            assert decoded.value
    assert looked(s) == before


def test_what_is_decoded_is_what_then_happens():
    s = Session()
    for line in (
        "outb 43h b6h", "outb 42h 10", "outb 42h 0", "skip 5us", "inb 42h", "outb 61h 3", "inb 61h", "outb 43h 80h",
        "inb 42h", "inb 42h", "outb 43h e8h", "inb 42h", "step", "until fall speaker", "expect pit.ch2.out", "reset",
    ):  # fmt: skip
        decoded = s.decode(line)
        said = "".join(text for text, _ in [*decoded.value, *decoded.then])
        result = s.do(line)
        if line.startswith("inb"):
            assert result.text.split()[0] in said
        elif not line.startswith(("outb", "skip")):
            assert result.text in said


@pytest.mark.parametrize("name", sorted(group.commands))
def test_a_verb_says_what_it_takes(name):
    verb = group.commands[name]
    assert isinstance(verb, Verb)
    assert verb.usage.split()[0] == name
    assert verb.help and verb.help.splitlines()[0].endswith(".")
    assert verb.examples
    s = Session()
    assert s.decode(name).usage == verb.usage


@PROFILE
def test_every_value_and_every_wire_is_explained_with_its_source(profile):
    s = Session(profile=profile)
    for name in [*s.peeks(), *s.lines()]:
        for ask in ("explain", "help"):
            text = s.do(f"{ask} {name}").text
            assert name in text.splitlines()[0]
            assert any(origin in text for origin in ORIGINS), name
    some = {name for name in s.machine.board.abouts if not name.startswith("ticks.")}  # seen once they have a policy
    assert some == set(s.peeks())


def test_what_is_nearly_a_name_is_asked_back():
    with pytest.raises(CommandError) as said:
        Session().do("explain odd_mod3")
    assert said.value.suggestion == "odd_mode3"


@pytest.mark.parametrize("name", sorted(set(group.commands) - {"note"}))
def test_help_is_an_option_of_every_verb(name):
    s = Session()
    assert s.do(f"{name} --help").text == s.help_text(name)
    assert not s.log
