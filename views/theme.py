"""Colour as roles: the themes, and what each role looks like in them.

Panels name roles, never colours. Colour repeats what a sign, a weight or a place already says, so the screen reads the
same under NO_COLOR. A theme holds Textual's own variables and the extra ones below, all beginning with `tl-`.
"""

from __future__ import annotations

from collections.abc import Mapping

from rich.style import Style
from textual.app import App
from textual.color import Color
from textual.theme import Theme

__all__ = ["CONTENT", "DEFAULTS", "ROLES", "THEMES", "register", "role_styles"]

ROLES = (
    "text",
    "strong",
    "label",
    "absent",
    "rule",
    "interactive",
    "changed",
    "past",
    "attention",
    "fault",
    "met",
    "selection",
    "badge",
)
"""Every role a span may name; `badge` is `interactive` turned inside out, for the letters of the wave cursors."""

_VARIABLE = {
    "text": "foreground",
    "strong": "tl-strong",
    "label": "tl-muted",
    "absent": "tl-faint",
    "rule": "tl-rule",
    "interactive": "primary",
    "changed": "accent",
    "past": "secondary",
    "attention": "warning",
    "fault": "error",
    "met": "success",
    "selection": "tl-strong",
    "badge": "background",
}
_BOLD = frozenset(("strong", "changed", "fault", "badge"))


def _theme(
    name: str,
    dark: bool,
    colours: str,
) -> Theme:
    """A theme from its sixteen colours, in the order of the names below."""
    (background, panel, foreground, strong, muted, faint, rule, primary, accent, secondary, past) = colours.split()[:11]
    warning, error, success, select, hover = colours.split()[11:]
    return Theme(
        name=name,
        dark=dark,
        primary=primary,
        secondary=secondary,
        accent=accent,
        warning=warning,
        error=error,
        success=success,
        foreground=foreground,
        background=background,
        surface=background,
        panel=panel,
        boost=panel,
        variables={
            "tl-strong": strong,
            "tl-muted": muted,
            "tl-faint": faint,
            "tl-rule": rule,
            "tl-past": past,
            "tl-select": select,
            "text-muted": muted,
            "text-disabled": faint,
            "border": primary,
            "border-blurred": rule,
            "block-cursor-background": select,
            "block-cursor-foreground": strong,
            "block-hover-background": hover,
            "input-cursor-background": foreground,
            "input-cursor-foreground": background,
            "input-selection-background": select,
            "screen-selection-background": select,
            "scrollbar": rule,
            "scrollbar-hover": muted,
            "scrollbar-active": primary,
            "scrollbar-background": background,
            "scrollbar-background-hover": background,
            "scrollbar-background-active": background,
            "scrollbar-corner-color": background,
        },
    )


THEMES = (
    _theme(
        "timerlab-dark",
        True,
        "#0f1419 #1b232c #c8d0d9 #f4f7fa #8b98a6 #606d7a #35414d #6fb3ff #ffc857 #b79cff #2a2145"
        " #f2925a #ff6b81 #7ccf9b #1f3a57 #1b232c",
    ),
    _theme(
        "timerlab-light",
        False,
        "#fbfaf7 #e9e6df #2b3138 #000000 #616b76 #92989e #cbc7bd #0b5cad #8a5a00 #6a3bb5 #e5dcf7"
        " #b34a00 #b3123a #1b6b3f #cfe1f5 #e9e6df",
    ),
    _theme(
        "timerlab-contrast",
        True,
        "#000000 #2a2a2a #ffffff #ffffff #d0d0d0 #9a9a9a #8a8a8a #5cd6ff #ffe600 #d6b8ff #3d1f73"
        " #ffa640 #ff7b8a #6dff9e #0f4a6b #2a2a2a",
    ),
    _theme(
        "timerlab-mono",
        True,
        "#101010 #2c2c2c #c4c4c4 #ffffff #8e8e8e #616161 #353535 #ffffff #ffffff #ffffff #484848"
        " #ffffff #ffffff #ffffff #484848 #2c2c2c",
    ),
    Theme(
        name="timerlab-16",
        dark=True,
        ansi=True,
        primary="ansi_cyan",
        secondary="ansi_magenta",
        accent="ansi_yellow",
        warning="ansi_red",
        error="ansi_red",
        success="ansi_green",
        foreground="ansi_default",
        background="ansi_default",
        variables={
            "panel": "ansi_default",
            "surface": "ansi_default",
            "ansi-background": "ansi_black",
            "ansi-foreground": "ansi_white",
            "tl-strong": "ansi_default",
            "tl-muted": "ansi_default",
            "tl-faint": "ansi_bright_black",
            "tl-rule": "ansi_bright_black",
            "tl-past": "ansi_magenta",
            "tl-select": "ansi_blue",
            "text-muted": "ansi_default",
            "text-disabled": "ansi_bright_black",
            "border": "ansi_cyan",
            "border-blurred": "ansi_bright_black",
            "block-cursor-background": "ansi_blue",
            "input-selection-background": "ansi_blue",
        },
    ),
)
"""Dark, light, high contrast, greys for NO_COLOR, and one for sixteen colours, where weight does more of the work."""

DEFAULTS: Mapping[str, str] = {name: value for name, value in THEMES[0].variables.items() if name.startswith("tl-")}
"""The extra variables for a theme that has none: an app returns these from `get_theme_variable_defaults`."""

CONTENT: Mapping[str, str] = {
    role: ("bold " if role in _BOLD else "")
    + f"${_VARIABLE[role]}"
    + (" on $tl-select" if role == "selection" else " on $primary" if role == "badge" else "")
    for role in ROLES
}
"""Each role as a style string of Textual's `Content`: `Content.assemble(("PIE", CONTENT["strong"]))`."""


def register(app: App) -> None:
    """Give the app the themes; it then sets `app.theme` to one of their names."""
    for theme in THEMES:
        app.register_theme(theme)


def role_styles(variables: Mapping[str, str], ground: str = "background") -> dict[str, Style]:
    """Each role as a Rich style on the theme variable `ground`, and as `role*` on the selection's colour.

    `variables` are `app.theme_variables`. Under a theme of sixteen colours what is only colour elsewhere is bold here.
    """
    known = {**DEFAULTS, **variables}
    below = Color.parse(known[ground]).rich_color
    selected = Color.parse(known["tl-select"]).rich_color
    primary = Color.parse(known["primary"]).rich_color
    sixteen = known["primary"].startswith("ansi_")
    styles: dict[str, Style] = {}
    for role in ROLES:
        colour = Color.parse(known[_VARIABLE[role]]).rich_color
        bold = role in _BOLD or (sixteen and role == "attention")
        back = selected if role == "selection" else primary if role == "badge" else below
        styles[role] = Style(color=colour, bgcolor=back, bold=bold)
        styles[role + "*"] = Style(color=colour, bgcolor=primary if role == "badge" else selected, bold=bold)
    return styles
