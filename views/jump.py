"""Jump: a letter on every panel; the letter's key focuses it."""

from __future__ import annotations

from collections.abc import Mapping

from textual import events
from textual.app import ComposeResult
from textual.geometry import Offset, Region
from textual.screen import ModalScreen

from timerlab.views.bar import Bar

LETTERS = "asdfjklghqwertyuiop"
"""Letters in the order in which they are given out: the home row first."""


def letters(places: Mapping[str, Region]) -> dict[str, str]:
    """A letter for each part, from the top left to the bottom right."""
    order = sorted(places, key=lambda name: (places[name].y, places[name].x))
    return dict(zip(LETTERS, order, strict=False))


class JumpScreen(ModalScreen[str | None]):
    """The letters, over the screen as it is; any other key goes back."""

    CSS = """
    JumpScreen { background: transparent; layout: vertical; }
    JumpScreen Bar { width: 2; height: 1; position: absolute; }
    """

    def __init__(self, places: Mapping[str, Region]) -> None:
        super().__init__()
        self.places = places
        self.targets = letters(places)

    def compose(self) -> ComposeResult:
        """One chip a part, on its title."""
        for letter, name in self.targets.items():
            chip = Bar(id=f"jump-{letter}")
            region = self.places[name]
            chip.styles.offset = Offset(max(1, region.x), region.y)
            yield chip

    def on_mount(self) -> None:
        """Draw the letters."""
        for letter in self.targets:
            self.query_one(f"#jump-{letter}", Bar).put([[(f"{letter} ", "badge")]])

    def on_key(self, event: events.Key) -> None:
        """A letter chooses, anything else leaves."""
        event.stop()
        event.prevent_default()
        self.dismiss(self.targets.get(event.character or ""))

    def on_click(self, event: events.Click) -> None:
        """A click chooses the part under the mouse."""
        at = [name for name, region in self.places.items() if region.contains(event.screen_x, event.screen_y)]
        self.dismiss(at[0] if at else None)

    def on_resize(self, event: events.Resize) -> None:
        """The parts have moved: begin anew."""
        if event.size != self.app.size or not self.is_mounted:
            self.dismiss(None)
