"""Words of a command line, each with its column.

`shlex` loses columns and takes apostrophes for quotes, so the split is done here: words are parted by blanks, a `#`
starts a comment at the start of a line or after two blanks, and nothing else is special.
"""

from __future__ import annotations

import re


class Token(str):
    """A word, with the column (from 1) at which it begins."""

    __slots__ = ("column",)
    column: int

    def __new__(cls, text: str, column: int) -> Token:
        """A word at a column."""
        token = super().__new__(cls, text)
        token.column = column
        return token


_COMMENT = re.compile(r"(?:^[ \t]*|[ \t]{2,})#")


def strip_comment(line: str) -> str:
    """The line without its comment. `goto #12`, with one blank, has none."""
    match = _COMMENT.search(line)
    return line if match is None else line[: match.start()]


def split(line: str, column: int = 1) -> list[Token]:
    """The words of a line; `column` is that of the line's first character."""
    return [Token(m.group(), m.start() + column) for m in re.finditer(r"\S+", line)]


def column_of(token: str, default: int = 1) -> int:
    """The column of a word, or `default` for text that came from elsewhere."""
    return token.column if isinstance(token, Token) else default
