"""Named places where the process may be made to die, so that every gap between two steps is tried.

A module names its places once, ``CLAIMED = point("deliveries.claimed")``, and passes them with
``reach(CLAIMED)``. That does nothing unless the environment's ``TOCSIN_CRASH_AT`` names the place
(``name`` or ``name:3`` for the third time it is reached): then the process ends as if by kill -9.
A simulation sets a handler instead, which usually raises :class:`Crash`.
"""

import os
from collections.abc import Callable

EXIT_CODE = 137

# Every place named so far, in the order its module was loaded. The crash sweep walks this list.
POINTS: list[str] = []


class Crash(BaseException):
    """The simulated death of the process; a BaseException, so that no handler survives it."""


def _parse(setting: str) -> tuple[str, int]:
    name, _, times = setting.partition(":")
    return name, int(times) if times else 1


_name, _left = _parse(os.environ.get("TOCSIN_CRASH_AT", ""))
_handler: Callable[[str], None] | None = None


def point(name: str) -> str:
    """Register a place; returns its name."""
    if name in POINTS:
        raise ValueError(f"the crash point {name} is named twice")
    POINTS.append(name)
    return name


def reach(name: str) -> None:
    """Pass the place `name`; returns unless the process is to die here."""
    global _left
    if _handler is not None:
        _handler(name)
    if name == _name:
        _left -= 1
        if _left == 0:
            # Nothing is flushed or closed: that is the point.
            os._exit(EXIT_CODE)


def handle(handler: Callable[[str], None] | None) -> None:
    """Call `handler` with the name of each place reached; None stops that. For simulations."""
    global _handler
    _handler = handler
