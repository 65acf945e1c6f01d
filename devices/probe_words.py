"""What a probe is: its arguments, and what it finds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Literal

Kind = Literal["ns", "number", "khz", "word", "bits"]


@dataclass(frozen=True, slots=True)
class Found:
    """A measurement: the number, and its arithmetic in words."""

    value: int
    words: str


@dataclass(frozen=True, slots=True)
class Param:
    """An argument: a stretch of time in ns, a number, a rate in kHz (0 is the guest's TSC), a word or bits. No default
    is an argument that must be given. `least` bounds a number.
    """

    name: str
    kind: Kind
    default: int | str | None = None
    choices: tuple[str, ...] = ()
    least: int = 0

    @property
    def usage(self) -> str:
        """As a usage line has it."""
        name = " | ".join(self.choices) if self.choices else self.name.upper()
        return name if self.default is None else f"[{name}]"


@dataclass(frozen=True, slots=True)
class Spec:
    """A probe: what it measures, in what unit, with what arguments."""

    name: str
    about: str
    unit: str
    params: tuple[Param, ...]
    measure: Callable[..., Found]
    reads: bool = False
    """Whether it reads two vCPUs of the machine, instead of a sum."""

    @property
    def usage(self) -> str:
        """The one-line form."""
        return " ".join(["probe", self.name, *(param.usage for param in self.params)])

    def complete(self, given: tuple[Any, ...], khz: Fraction) -> tuple[Any, ...]:
        """All arguments, checked; a rate of 0 is `khz`. ValueError says what is wrong."""
        if len(given) > len(self.params):
            raise ValueError(f"{len(given)} arguments are too many: {self.usage}")
        values = []
        for index, param in enumerate(self.params):
            value: Any = given[index] if index < len(given) else param.default
            if value is None:
                raise ValueError(f"{param.name} is missing: {self.usage}")
            if param.kind == "word":
                if value not in param.choices:
                    raise ValueError(f"{param.name} {value}: {', '.join(param.choices)}")
            elif param.kind == "bits":
                if not value or set(value) - set("01") or len(value) > 64:
                    raise ValueError(f"{param.name} is up to 64 of 0 and 1")
            elif value < param.least:
                raise ValueError(f"{param.name} is {value}, and at least {param.least}")
            elif param.kind == "khz" and not value:
                if not khz:
                    raise ValueError("the TSC stands still: give a rate in kHz")
                value = khz
            values.append(value)
        return tuple(values)
