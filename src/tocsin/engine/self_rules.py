"""When trouble in Tocsin itself becomes an incident, and when that incident is over.

The rule this module owns: trouble must last (`hold_seconds`) before people are told, and must have
been gone for a minute before they are told that it is over, so that what comes and goes does not
page again and again. While it stays they are told once; after an hour the trigger is repeated,
which changes nothing while its incident is open and opens one again when somebody closed it too
early. What only one node can see is judged by that node, until it has said nothing for long. Pure.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

import msgspec

from tocsin.engine.troubles import Trouble, node_of

GONE_FOR = timedelta(seconds=60)
# A longer break in what was seen starts the wait again: nobody looked meanwhile.
LONGEST_BREAK = timedelta(seconds=60)
REPEAT_AFTER = timedelta(hours=1)
NODE_SILENT_FOR = timedelta(minutes=5)


class Watched(msgspec.Struct, frozen=True, kw_only=True):
    """One trouble as it was last seen. `raised_at` is when people were last told of it."""

    trouble: Trouble
    since: datetime
    seen_at: datetime
    raised_at: datetime | None = None


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    """What to remember, what to trigger, and which keys to resolve."""

    watched: dict[str, Watched]
    raised: tuple[Trouble, ...]
    cleared: tuple[str, ...]


def decide(
    watched: Mapping[str, Watched], seen: Sequence[Trouble], now: datetime, *, node: str
) -> Decision:
    """What follows from what `node` sees now, given what was seen before."""
    kept: dict[str, Watched] = {}
    raised: list[Trouble] = []
    for trouble in seen:
        one, is_due = _seen(watched.get(trouble.key), trouble, now)
        if is_due:
            raised.append(trouble)
        kept[trouble.key] = one
    cleared: list[str] = []
    for key, old in watched.items():
        if key in kept:
            continue
        patience = GONE_FOR if node_of(key) in (None, node) else NODE_SILENT_FOR
        if now - old.seen_at < patience:
            kept[key] = old
        elif old.raised_at is not None:
            cleared.append(key)
    return Decision(watched=kept, raised=tuple(raised), cleared=tuple(cleared))


def _seen(old: Watched | None, trouble: Trouble, now: datetime) -> tuple[Watched, bool]:
    """The trouble as it is remembered, and whether people are to be told now."""
    since = now if old is None or now - old.seen_at > LONGEST_BREAK else old.since
    raised_at = old.raised_at if old is not None else None
    if raised_at is None:
        is_due = (now - since).total_seconds() >= trouble.hold_seconds
    else:
        is_due = now - raised_at >= REPEAT_AFTER
    one = Watched(trouble=trouble, since=since, seen_at=now, raised_at=now if is_due else raised_at)
    return one, is_due
