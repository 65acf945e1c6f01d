"""The verbs: one click command each, and the parser that turns a line into an `Command`.

click gives the argument types, the help texts, "did you mean" and the names for completion; it never sees a
terminal. Words keep their columns all the way (they are `Token`s), so that an error can point at the word that is
wrong.
"""

from __future__ import annotations

import re

import click

from timerlab.command import Command
from timerlab.commands import (  # noqa: F401  (each adds its verbs to the group)
    cpu,
    host,
    hostload,
    io,
    kvm,
    look,
    memory,
    nested,
    nvmm,
    os,
    power,
    privilege,
    probe,
    pv,
    sched,
    script,
    ticks,
    time,
    travel,
    v3,
)
from timerlab.commands.verb import Verb, Words, fail, group
from timerlab.conditions import near
from timerlab.errors import CommandError
from timerlab.tokens import Token, split, strip_comment

_UNWRITABLE = re.compile(r"[\n\r\v\f\x1c-\x1e\x85\u2028\u2029]|[\ud800-\udfff]")
"""What a line of a script cannot hold: line breaks (as `str.splitlines` sees them), and halves of characters."""


def parse(line: str, words: Words, column: int = 1) -> Command | None:
    """The command that a line asks for; None for an empty line or a comment; CommandError with the column otherwise."""
    odd = _UNWRITABLE.search(line.rstrip(), len(line) - len(line.lstrip()))
    if odd is not None:
        what = "half a character" if "\ud800" <= odd.group() <= "\udfff" else "a line break"
        raise CommandError(f"{what} cannot stand in a command", odd.start() + column)
    tokens = split(strip_comment(line), column)
    if not tokens:
        return None
    if tokens[0].lower() == "note":
        # a note takes the raw rest of its line, `#` included
        rest = line[tokens[0].column - column + 4 :].strip()
        return script.Note(rest)
    return parse_tokens(tokens, words)


def parse_tokens(tokens: list[Token], words: Words) -> Command:
    """The command that some words ask for."""
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
    if "--help" in tokens[1:]:
        return look.Help(name, tokens[0].column)
    last = tokens[-1]
    end = last.column + len(last)
    try:
        context = verb.make_context(name, _sorted(verb, tokens[1:], end), obj=words)
        words.end = end
        action = verb.invoke(context)
    except CommandError:
        raise
    except click.MissingParameter as error:
        what = (error.param.human_readable_name if error.param else "something").upper()
        raise CommandError(f"{name} wants {what}: {verb.usage}", end, incomplete=True) from None
    except click.UsageError as error:
        message = " ".join(error.format_message().split())
        word = _blamed(error, tokens)
        if word is None:
            raise CommandError(message, tokens[1].column if len(tokens) > 1 else end) from None
        raise CommandError(message, word.column, length=len(word)) from None
    assert isinstance(action, Command)
    return action


def _sorted(verb: Verb, tokens: list[Token], end: int) -> list[str]:
    """The words with the verb's options in front and `--` before the rest, so that click takes `-5` or `-x` for what it
    is and hands every word on as it came, with its column.
    """
    options = {name: param for param in verb.params if isinstance(param, click.Option) for name in param.opts}
    front: list[str] = []
    rest: list[str] = []
    words = iter(tokens)
    for token in words:
        option = options.get(token.partition("=")[0])
        if option is None:
            if token.startswith("--") and options:
                guess = near(token, list(options))
                fail(f"no option {token}  " + (f"Did you mean {guess} ?" if guess else verb.usage), token, guess)
            rest.append(token)
            continue
        front.append(token)
        if not option.is_flag and "=" not in token:
            value = next(words, None)
            if value is None:
                raise CommandError(f"{token} wants a value after it: {verb.usage}", end, incomplete=True)
            front.append(value)
    return [*front, "--", *rest]


def _blamed(error: click.UsageError, tokens: list[Token]) -> Token | None:
    """The word that an error about an option is about."""
    param = getattr(error, "param", None)
    names = param.opts if isinstance(param, click.Option) else [getattr(error, "option_name", None)]
    for i, token in enumerate(tokens):
        if token in names and isinstance(error, click.BadParameter) and i + 1 < len(tokens):
            return tokens[i + 1]
        if token.partition("=")[0] in names:
            return token
    return None


__all__ = ["Verb", "Words", "fail", "group", "parse", "parse_tokens"]
