"""The verbs: one click command each, and the parser that turns a line into an `Action`.

click gives the argument types, the help texts, "did you mean" and the names for completion; it never sees a
terminal. Words keep their columns all the way (they are `Token`s), so that an error can point at the word that is
wrong.
"""

from __future__ import annotations

import click

from timerlab.command import Action
from timerlab.commands import io, look, script, time, travel  # noqa: F401  (each adds its verbs to the group)
from timerlab.commands.verb import Verb, Words, fail, group
from timerlab.errors import CommandError
from timerlab.tokens import Token, split, strip_comment


def parse(line: str, words: Words, column: int = 1) -> Action | None:
    """The action that a line asks for; None for an empty line or a comment; CommandError with the column otherwise."""
    tokens = split(strip_comment(line), column)
    if not tokens:
        return None
    if tokens[0].lower() == "note":
        # a note takes the raw rest of its line, `#` included
        rest = line[tokens[0].column - column + 4 :].strip()
        return script.Note(rest)
    return parse_tokens(tokens, words)


def parse_tokens(tokens: list[Token], words: Words) -> Action:
    """The action that some words ask for."""
    name = tokens[0].lower()
    verb = group.commands.get(name)
    if not isinstance(verb, Verb):
        error = click.exceptions.NoSuchCommand(name, possibilities=list(group.commands))
        guess = error.possibilities[0] if error.possibilities else None
        begun = len(tokens) == 1 and any(verb.startswith(name) for verb in group.commands)
        hint = f"  Did you mean {guess} ?" if guess else "  help lists the commands"
        raise CommandError(
            f"no command {tokens[0]}{hint}", tokens[0].column, length=len(tokens[0]), suggestion=guess, incomplete=begun
        )
    last = tokens[-1]
    end = last.column + len(last)
    try:
        context = verb.make_context(name, list(tokens[1:]), obj=words)
        words.end = end
        action = verb.invoke(context)
    except CommandError:
        raise
    except click.MissingParameter as error:
        what = (error.param.human_readable_name if error.param else "something").upper()
        raise CommandError(f"{name} wants {what}: {verb.usage}", end, incomplete=True) from None
    except click.UsageError as error:
        raise CommandError(error.format_message(), tokens[1].column if len(tokens) > 1 else end) from None
    assert isinstance(action, Action)
    return action


__all__ = ["Verb", "Words", "fail", "group", "parse", "parse_tokens"]
