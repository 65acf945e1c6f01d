"""The tab row: every panel that has a key, which of them are seen, and which hidden one has changed."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from textual import events

from timerlab.views.bar import Bar, Spans

Tab = tuple[str, str, str]
"""A panel's key, widget id and name."""


def in_order(tabs: Iterable[Tab]) -> list[Tab]:
    """Tabs as their keys lie on a keyboard: 1 to 9, 0, then letters as they come; none for a panel without a name."""
    return sorted((tab for tab in tabs if tab[2]), key=lambda tab: "1234567890".find(tab[0]) % 11)


def _labels(tabs: Sequence[Tab], width: int) -> list[tuple[str, str]]:
    """Each tab's key and name as written; where not all fit, a key stands at its name, or is the first letter of it."""
    if sum(len(key) + len(name) + 3 for key, _, name in tabs) <= width:
        return [(key, f" {name}") for key, _, name in tabs]
    return [(key, name.removeprefix(key)) for key, _, name in tabs]


def spans(tabs: Sequence[Tab], width: int, focus: str, shown: Collection[str], marked: Collection[str]) -> Spans:
    """The row: the focused panel on the selection's colour, shown ones bold, hidden ones muted with their mark."""
    gap = 2 if width >= 120 else 1
    row: Spans = []
    for index, ((key, name), (_, panel, _)) in enumerate(zip(_labels(tabs, width), tabs, strict=True)):
        star = "*" if panel == focus else ""
        row.append((" " * ((gap if index else 1) - 1), "text"))
        row.append((" ", "text" + star))
        row.append((key, "interactive!" + star))
        row.append((name, ("strong" if panel in shown else "label") + star))
        row.append(("•" if panel in marked and panel not in shown else " ", "changed" + star))
    return row


def panel_at(tabs: Sequence[Tab], x: int, width: int) -> str | None:
    """The panel whose tab is at column `x`."""
    at = 0
    gap = 2 if width >= 120 else 1
    for index, ((key, name), (_, panel, _)) in enumerate(zip(_labels(tabs, width), tabs, strict=True)):
        end = at + (gap if index else 1) + len(f"{key}{name} ")
        if at <= x < end:
            return panel
        at = end
    return None


class Tabs(Bar):
    """The row itself."""

    tabs: Sequence[Tab] = ()
    _state: tuple[str, Collection[str], Collection[str]] = ("", (), ())

    def show(self, tabs: Sequence[Tab], focus: str, shown: Collection[str], marked: Collection[str]) -> None:
        """Draw the tabs."""
        self.tabs, self._state = tabs, (focus, shown, marked)
        self.put([spans(tabs, self.size.width, focus, shown, marked)])

    def on_resize(self) -> None:
        """Draw again at the new width."""
        self.show(self.tabs, *self._state)

    async def on_click(self, event: events.Click) -> None:
        """A click shows the panel."""
        panel = panel_at(self.tabs, event.x, self.size.width)
        if panel is not None:
            await self.run_action(f"app.show('{panel}')")
