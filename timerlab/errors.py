"""What can go wrong, and whose fault it is.

`CommandError` is the user's: a command that cannot be read or makes no sense; nothing has changed. `GuestFault` is
the guest's: the hardware answers an access with an exception such as #GP, which is a result to show. Anything else
that is raised is a bug.
"""

from __future__ import annotations


class CommandError(Exception):
    """A command that cannot be carried out. `line` and `column` count from 1 and point at the word that is wrong.

    `length` is how many characters that word has (at least 1), `suggestion` what could stand there instead, if
    anything is near. `incomplete` says that nothing is wrong so far, there is only something missing.
    """

    def __init__(
        self,
        message: str,
        column: int = 1,
        *,
        line: int = 1,
        length: int = 1,
        suggestion: str | None = None,
        incomplete: bool = False,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.line = line
        self.column = column
        self.length = max(1, length)
        self.suggestion = suggestion
        self.incomplete = incomplete

    def __str__(self) -> str:
        return self.message


class ScriptError(CommandError):
    """A file that cannot be read: the same, with the file's name. `str()` is `file:line:column: message`."""

    def __init__(self, file: str, error: CommandError) -> None:
        super().__init__(error.message, error.column, line=error.line, length=error.length, suggestion=error.suggestion)
        self.file = file

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}: {self.message}"


class GuestFault(Exception):
    """The guest takes an exception: `vector` by number, `name` as the manuals print it, e.g. `#GP(0)`."""

    def __init__(self, vector: int, name: str, why: str) -> None:
        super().__init__(f"{name}  {why}")
        self.vector = vector
        self.name = name
        self.why = why
