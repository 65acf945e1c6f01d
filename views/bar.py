"""A few rows of spans drawn through the line API: the base of every part of the screen that is not a panel.

A span is `(text, role)`; a role is one of `theme.ROLES`, with `!` behind it in bold and with `*` on the selection's
colour. Text is drawn as it is: markup means nothing, and a control character is shown as a dot.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich.segment import Segment
from rich.style import Style
from textual.geometry import Region
from textual.strip import Strip
from textual.widget import Widget

from timerlab.views.rows import ASCII, Row, Span, width_of
from timerlab.views.theme import role_styles

Spans = list[Span]
"""Spans that are still being put together."""

_BOLD = Style(bold=True)
_CORNERS = str.maketrans("╭╮╰╯└┘╵", "++++++'")


def safe(text: str) -> str:
    """`text` with everything that a terminal would act on replaced by a dot."""
    return text if text.isprintable() else "".join(c if c.isprintable() else "·" for c in text)


def joined(parts: Iterable[Iterable[Span]], gap: int = 2) -> Spans:
    """`parts` one after the other, `gap` blanks between them; an empty part takes no room."""
    result: Spans = []
    for part in map(tuple, parts):
        if part:
            result += [(" " * gap, "text"), *part] if result else part
    return result


def spread(left: Iterable[Span], right: Iterable[Span], width: int) -> Row:
    """`left` and, at the right end of `width` cells, `right`; where both do not fit, `left` alone."""
    left, right = tuple(left), tuple(right)
    space = width - width_of(left) - width_of(right)
    return (*left, (" " * space, "text"), *right) if space > 0 else left


class Roles(Widget):
    """A widget that draws by roles: resolves them once a theme."""

    def __init__(self, *, id: str | None = None, ground: str = "background") -> None:
        super().__init__(id=id)
        self.ground = ground
        self._of_role: dict[str, Style] = {}

    def stand_on(self, ground: str) -> None:
        """Change the theme variable that is the background."""
        if ground != self.ground:
            self.ground = ground
            self.notify_style_update()
            self.refresh()

    def notify_style_update(self) -> None:
        """The theme changed: resolve the roles anew."""
        super().notify_style_update()
        self._of_role.clear()

    def role(self, name: str) -> Style:
        """The style of a role, with its `!` or `*`, on this widget's background."""
        if not self._of_role:
            self._of_role = role_styles(self.app.theme_variables, self.ground)
        style = self._of_role.get(name)
        if style is None:
            bare = name.replace("!", "")
            style = self._of_role.get(bare, self._of_role["text"])
            if bare != name:
                style = style + _BOLD
            self._of_role[name] = style
        return style

    def drawn(self, spans: Iterable[Span], width: int) -> Strip:
        """`spans` as a strip of exactly `width` cells."""
        poor = getattr(self.app, "ascii", False)
        segments = []
        for text, role in spans:
            text = safe(text)
            segments.append(Segment(text.translate(ASCII).translate(_CORNERS) if poor else text, self.role(role)))
        return Strip(segments).adjust_cell_length(width, self.role("text"))


class Bar(Roles, can_focus=False):
    """Rows of spans, each redrawn only when it has changed."""

    DEFAULT_CSS = """
    Bar { height: 1; background: $background; }
    """

    def __init__(self, *, id: str | None = None, ground: str = "background") -> None:
        super().__init__(id=id, ground=ground)
        self.rows: list[Row] = []
        self._strips: list[Strip | None] = []

    def put(self, rows: Sequence[Iterable[Span]]) -> None:
        """Show `rows`; only those that differ from what is shown are drawn."""
        new = [tuple(span for span in row if span[0]) for row in rows]
        old, self.rows = self.rows, new
        self._strips = (self._strips + [None] * len(new))[: len(new)]
        for y in range(max(len(new), len(old))):
            if y >= len(old) or y >= len(new) or old[y] != new[y]:
                if y < len(new):
                    self._strips[y] = None
                self.refresh(Region(0, y, self.size.width, 1))

    def notify_style_update(self) -> None:
        """The theme changed: draw every row anew."""
        super().notify_style_update()
        self._strips = [None] * len(self.rows)

    def render_line(self, y: int) -> Strip:
        """One row as a strip of the widget's width."""
        width = self.size.width
        if y >= len(self.rows):
            return Strip.blank(width, self.role("text"))
        strip = self._strips[y]
        if strip is None or strip.cell_length != width:
            strip = self._strips[y] = self.drawn(self.rows[y], width)
        return strip

    def plain_text(self) -> str:
        """The rows as text, as they are copied and tested."""
        return "\n".join("".join(text for text, _ in row).rstrip() for row in self.rows)
