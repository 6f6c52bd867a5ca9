"""What the events must have come to, worked out from scratch: the simplest program that could.

Events of one integration and key, in the order they were accepted: a trigger opens an alert or
counts up the open one, a resolve closes it, everything else leaves alerts alone.
"""

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Heard:
    """One stored event."""

    seq: int
    integration_id: str
    key: str
    action: str
    number: int


@dataclass
class Expected:
    """One alert as it must be stored."""

    events: int
    open: bool


def alerts(events: Iterable[Heard]) -> dict[tuple[str, str], list[Expected]]:
    """For each (integration, key) its alerts, oldest first."""
    found: dict[tuple[str, str], list[Expected]] = {}
    for event in sorted(events, key=lambda one: one.seq):
        own = found.setdefault((event.integration_id, event.key), [])
        last = own[-1] if own and own[-1].open else None
        if event.action == "trigger":
            if last is None:
                own.append(Expected(events=1, open=True))
            else:
                last.events += 1
        elif event.action == "resolve" and last is not None:
            last.open = False
    return found
