"""Every preset is a lesson that can be read, a test that is met, and a session that comes out the same again."""

from importlib import resources

import pytest

from timerlab import Session
from timerlab.index import presets
from timerlab.lesson import Lesson
from timerlab.script import KEYS
from timerlab.views.panels import CLASSES

NAMES = [preset.name for preset in presets()]
CHAPTERS = {"a", "b", "c", "d", "e", "f", "basics", "boots"}
NOTE_WIDTH = 76
NOTE_LINES = 4

every_preset = pytest.mark.parametrize("name", NAMES)


def played(name):
    lesson = Lesson.open(name)
    while not lesson.finished:
        lesson.next()
    return lesson


def unmet(lesson):
    return [result.text for result in lesson.results if result is not None and not result.ok]


def notes(lesson):
    """The blocks of notes, each a list of lines."""
    blocks = []
    for at, step in enumerate(lesson.steps):
        if not lesson.is_note(at):
            continue
        if not at or not lesson.is_note(at - 1):
            blocks.append([])
        blocks[-1].append(step.text.removeprefix("note").strip())
    return blocks


def test_there_are_at_least_ten_presets():
    assert len(NAMES) >= 10


def test_the_presets_take_less_than_a_megabyte():
    files = [file for file in resources.files("timerlab.presets").iterdir() if file.name.endswith((".timerlab", ".gz"))]
    assert sum(len(file.read_bytes()) for file in files) < 1_000_000


def test_no_two_presets_have_the_same_title():
    assert len({preset.title for preset in presets()}) == len(NAMES)


@every_preset
def test_its_head_says_what_it_is(name):
    preset = next(preset for preset in presets() if preset.name == name)
    head = Lesson.open(name).head
    assert set(head) <= set(KEYS)
    assert head["title"] == preset.title and len(preset.title) <= 50
    assert preset.about.endswith(".") and len(preset.about) <= 120
    assert preset.chapter in CHAPTERS
    assert head.get("panel", "pit") in CLASSES
    if "lesson" in head:
        assert 1 <= int(head["lesson"]) <= 40 and len(preset.chapter) == 1


@every_preset
def test_it_begins_and_ends_with_a_note_and_its_notes_are_short(name):
    lesson = Lesson.open(name)
    blocks = notes(lesson)
    assert len(blocks) >= 2
    assert lesson.is_note(0) and lesson.is_note(len(lesson.steps) - 1)
    for block in blocks:
        assert len(block) <= NOTE_LINES, block
        for line in block:
            assert 0 < len(line) <= NOTE_WIDTH, (len(line), line)
        assert block[-1][-1] in ".?:▔▁", block


@every_preset
def test_every_expectation_is_met(name):
    lesson = played(name)
    assert lesson.total >= 2
    assert lesson.done == lesson.total
    assert not unmet(lesson)


@every_preset
def test_no_wait_for_a_moment_ends_before_it(name):
    """`until at TIME` waits for a second at most unless told otherwise, and `expect at TIME` is met later as well."""
    lesson = played(name)
    waits = [(step.text, result) for step, result in zip(lesson.steps, lesson.results, strict=True) if result]
    assert not [text for text, result in waits if text.startswith("until at ") and result.value is None]


@every_preset
def test_every_expectation_is_met_on_the_screen_too(name):
    """There `run TIME` returns at once and time passes while one reads: so it stands last before a note."""
    lesson = Lesson.open(name)
    lesson.session.paced = True
    while not lesson.finished:
        lesson.to_note()
        session = lesson.session
        if session.running and session.run_until is not None:
            session.pass_time(session.run_until)
            session.pause()
        assert not unmet(lesson)
    assert lesson.session.peeks() == played(name).session.peeks()


@every_preset
def test_a_second_run_ends_in_the_same_state(name):
    first, second = played(name).session, played(name).session
    assert first.now == second.now
    assert first.peeks() == second.peeks()


@every_preset
def test_a_saved_run_loads_to_the_same_state(name, tmp_path):
    session = played(name).session
    path = tmp_path / f"{name}.timerlab"
    session.save(str(path))
    loaded = Session.load(path)
    assert loaded.now == session.now
    assert loaded.peeks() == session.peeks()
    assert loaded.options == session.options
