"""The command palette: every action of the key table, every panel, lesson and register, the themes and the verbs."""

from __future__ import annotations

from functools import partial
from typing import Any

from textual.command import DiscoveryHit, Hit, Hits, Provider

from timerlab.index import presets
from timerlab.views.inspecting import register_names
from timerlab.views.keys import actions


class Everything(Provider):
    """What can be done, by name."""

    def _entries(self) -> list[tuple[str, str, Any]]:
        app: Any = self.app
        rows: list[tuple[str, str, Any]] = []
        places = ("panel", "anywhere", "lesson") if app.player is not None else ("panel", "anywhere")
        for action in actions(*places):
            rows.append((f"{action.hint}  {action.sign}", action.help, partial(app.act_later, action.name)))
        for key, panel, name in app.tabs:
            rows.append((f"panel {name}  {key}".rstrip(), "show and focus it", partial(app.action_show, panel)))
        for theme in app.theme_names:
            rows.append((f"theme {theme.partition('-')[2]}", "colours of the screen", partial(app.set_theme, theme)))
        for preset in presets():
            rows.append((f"lesson {preset.name}", preset.title, partial(app.issue, f"load {preset.name}")))
        for name, title in register_names(app.runner.session):
            rows.append((f"inspect {name}", title, partial(app.issue, f"inspect {name}")))
        rows.append(("signs", "ASCII alone, for poor fonts, and back", app.toggle_ascii))
        for verb, words in app.verbs():
            rows.append((f"{verb} …", words, partial(app.begin_typing, f"{verb} ")))
        return rows

    async def discover(self) -> Hits:
        """Everything, before anything is typed."""
        for name, words, run in self._entries():
            yield DiscoveryHit(name, run, help=words)

    async def search(self, query: str) -> Hits:
        """What matches, best first."""
        matcher = self.matcher(query)
        for name, words, run in self._entries():
            score = max(matcher.match(name), matcher.match(words) * 0.6)
            if score > 0:
                yield Hit(score, matcher.highlight(name), run, help=words)
