"""A job on a terminal of its own, shown on ours: `with`in a program whose standard input and output are one.

    session     the bytes both ways, the window's size, signals, the end
    escapes     what the user types that is meant for us; pure
    own         our terminal: raw and back
    guard       back even when we are killed
    signals     signals as events of a loop
    loop        what is needed of an event loop
    in_asyncio  one of asyncio's as such

Imported by whoever shows a terminal, and nobody else.
"""

from maelstrom_client.terminal.own import check_terminals
from maelstrom_client.terminal.session import TerminalSession, TerminatedError

__all__ = ["TerminalSession", "TerminatedError", "check_terminals"]
