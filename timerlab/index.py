"""What presets there are: read from their heads, so that there is no second list to keep."""

from __future__ import annotations

from dataclasses import dataclass

from timerlab import places
from timerlab.places import SUFFIX
from timerlab.script import read_head


@dataclass(frozen=True, slots=True)
class Preset:
    """A preset: its name, and what its head says of it."""

    name: str
    title: str
    about: str
    profile: str
    chapter: str


def presets() -> list[Preset]:
    """All presets, by name."""
    found = []
    for file in places.presets().iterdir():
        if not file.name.endswith(SUFFIX):
            continue
        head = read_head(file.read_text(encoding="utf-8"), file.name)
        name = file.name.removesuffix(SUFFIX)
        found.append(
            Preset(
                name,
                head.get("title", name),
                head.get("about", ""),
                head.get("profile", "datasheet"),
                head.get("chapter", ""),
            )
        )
    return sorted(found, key=lambda preset: preset.name)
