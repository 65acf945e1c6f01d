"""timerlab: the PC's timer hardware as a workbench.

    from timerlab import Session
    s = Session()
    s.outb(0x43, 0x34)

`Session` is the whole engine: see its docstring, and ARCHITECTURE.md for the idea.
"""

from timerlab.errors import CommandError, GuestFault, ScriptError
from timerlab.session import Session

__all__ = ["CommandError", "GuestFault", "ScriptError", "Session"]
