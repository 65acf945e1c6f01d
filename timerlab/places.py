"""Where scripts and traces are: files as given, and the presets that come along."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

from timerlab.errors import CommandError

SUFFIX = ".timerlab"


def _home(name: str) -> Path:
    """A path with its `~` replaced; CommandError for the home of nobody."""
    try:
        return Path(name).expanduser()
    except RuntimeError as error:
        raise CommandError(f"no file {name}: {error}", 1, length=len(name)) from None


def find(name: str) -> tuple[str, str, str]:
    """(text, name, folder) of a preset or a file; OSError, or CommandError for a name that is neither."""
    path = _home(name)
    if path.is_file():
        return path.read_text(encoding="utf-8"), str(path), str(path.parent)
    bare = name.removesuffix(SUFFIX)
    if bare == Path(bare).name:
        preset = resources.files("timerlab.presets") / (bare + SUFFIX)
        if preset.is_file():
            return preset.read_text(encoding="utf-8"), name, ""
    raise CommandError(f"no file and no preset {name}: `timerlab list` tells the presets", 1, length=len(name))


def trace_path(name: str, folder: str) -> str:
    """Where a trace is: beside the script, as given, or among the presets; CommandError where it is not."""
    for place in (Path(folder) / name, _home(name)):
        if place.is_file():
            return str(place)
    if name == Path(name).name:
        preset = resources.files("timerlab.presets") / name
        with resources.as_file(preset) as found:
            if found.is_file():
                return str(found)
    raise CommandError(f"no trace {name}", 1, length=len(name))
