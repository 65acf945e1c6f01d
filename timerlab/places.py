"""Where scripts and traces are: files as given, and the presets that come along."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from timerlab.errors import CommandError

if TYPE_CHECKING:
    from importlib.abc import Traversable

SUFFIX = ".timerlab"


def _home(name: str) -> Path:
    """A path with its `~` replaced; CommandError for the home of nobody."""
    try:
        return Path(name).expanduser()
    except RuntimeError as error:
        raise CommandError(f"no file {name}: {error}", 1, length=len(name)) from None


def presets() -> Traversable:
    """The folder of the presets; importing what finds it costs as much as a fifth of the engine, so it is done here."""
    from importlib import resources

    return resources.files("timerlab.presets")


def find(name: str) -> tuple[str, str, str]:
    """(text, name, folder) of a preset or a file; OSError, or CommandError for a name that is neither."""
    path = _home(name)
    if path.is_file():
        return path.read_text(encoding="utf-8"), str(path), str(path.parent)
    bare = name.removesuffix(SUFFIX)
    if bare == Path(bare).name:
        preset = presets() / (bare + SUFFIX)
        if preset.is_file():
            return preset.read_text(encoding="utf-8"), name, ""
    raise CommandError(f"no file and no preset {name}: `timerlab list` tells the presets", 1, length=len(name))


def trace_path(name: str, folder: str) -> str:
    """Where a trace is: beside the script, as given, or among the presets; CommandError where it is not."""
    for place in (Path(folder) / name, _home(name)):
        if place.is_file():
            return str(place)
    if name == Path(name).name:
        from importlib import resources

        preset = presets() / name
        with resources.as_file(preset) as found:
            if found.is_file():
                return str(found)
    raise CommandError(f"no trace {name}", 1, length=len(name))
