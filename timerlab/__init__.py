"""timerlab: the PC's timer hardware as a workbench.

    from timerlab import Session
    s = Session()
    s.outb(0x43, 0x34)

`Session` is the whole engine: see its docstring, and ARCHITECTURE.md for the idea.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from timerlab.errors import CommandError, GuestFault, ScriptError
    from timerlab.session import Session

__all__ = ["CommandError", "GuestFault", "ScriptError", "Session"]


def __getattr__(name: str) -> Any:
    """The public names, imported when first asked for: `timerlab --help` need not pay for an engine."""
    if name not in __all__:
        raise AttributeError(f"module 'timerlab' has no attribute {name!r}")
    from timerlab import errors, session

    return session.Session if name == "Session" else getattr(errors, name)
