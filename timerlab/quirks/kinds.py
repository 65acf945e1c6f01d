"""What a quirk is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True, slots=True)
class Quirk:
    """A named rule: its values with a sentence each, the datasheet's first, and where that stands."""

    name: str
    values: Mapping[str, str]
    about: str
    source: str

    @property
    def default(self) -> str:
        """The datasheet's value."""
        return next(iter(self.values))


def quirk(name: str, about: str, source: str, /, **values: str) -> Quirk:
    """A quirk with its values as keywords, the datasheet's first."""
    return Quirk(name, MappingProxyType(values), about, source)
