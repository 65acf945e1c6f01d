"""Where scripts and traces are: files as given, and the presets that come along."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from timerlab.errors import CommandError, ScriptError

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
    """The folder of the presets. What finds it is imported here, for most starts do without it."""
    from importlib import resources

    return resources.files("timerlab.presets")


def find(name: str) -> tuple[str, str, str]:
    """(text, name, folder) of a file, with or without its suffix, or of a preset; OSError, ScriptError for what is not
    UTF-8, or CommandError for a name that is neither.
    """
    path = _home(name)
    for file in (path, path.with_name(path.name + SUFFIX) if path.name else path):
        if file.is_file() or file.is_fifo():
            return as_text(file.read_bytes(), str(file)), str(file), str(file.parent)
    bare = name.removesuffix(SUFFIX)
    if bare == Path(bare).name:
        preset = presets() / (bare + SUFFIX)
        if preset.is_file():
            return preset.read_text(encoding="utf-8"), name, ""
    if path.is_dir() and name:
        raise CommandError(f"{name} is a folder, and no script", 1, length=len(name))
    raise CommandError(f"no file and no preset {name}: `timerlab list` tells the presets", 1, length=len(name))


def as_text(data: bytes, name: str) -> str:
    """A script's text, whatever its line ends; ScriptError at the first byte that is not UTF-8."""
    try:
        return data.decode("utf-8-sig").replace("\r\n", "\n").replace("\r", "\n")
    except UnicodeDecodeError as error:
        before = data[: error.start].decode("utf-8", "replace")
        line, column = before.count("\n") + 1, len(before) - before.rfind("\n")
        message = f"byte {data[error.start]:02X}h is not UTF-8 text"
        raise ScriptError(name, CommandError(message, column, line=line)) from None


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
