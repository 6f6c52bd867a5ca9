"""What was sent to people, as clients list it: the delivery ledger over a range of time.

A delivery counts from when its last attempt began; what still waits for its first is none yet, and
tests that people send themselves are none at all. Who does not see all teams sees only what was
sent to themselves: a delivery tells of incidents of any team.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec

from tocsin.accounts.access import Permission, require_somewhere, visible_teams
from tocsin.accounts.model import Actor
from tocsin.core.database import Tx
from tocsin.paging.model import ContactMethod

SELECT_NOTIFICATIONS = """
select d.id, d.user_id, d.contact_method_id, d.channel, d.state, d.started_at
from deliveries d
where d.started_at >= %(since)s and d.started_at < %(until)s and d.kind <> 'test'
    and (%(user_id)s::text is null or d.user_id = %(user_id)s)
    and (%(channels)s::text[] is null
        or (d.channel = any(%(channels)s::text[])) = %(among)s::boolean)
order by d.started_at desc, d.id desc
limit %(limit)s offset %(offset)s
"""

COUNT_NOTIFICATIONS = """
select count(*)
from deliveries d
where d.started_at >= %(since)s and d.started_at < %(until)s and d.kind <> 'test'
    and (%(user_id)s::text is null or d.user_id = %(user_id)s)
    and (%(channels)s::text[] is null
        or (d.channel = any(%(channels)s::text[])) = %(among)s::boolean)
"""

SELECT_METHODS = """
select id, user_id, channel, label, address_hint, created_at, proven_at, dead_since, dead_reason
from contact_methods where id = any(%(ids)s)
"""


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """Which notifications: from `since` to before `until`. `channels` are those to be listed, or
    with `among` False all others; None does not restrict."""

    since: datetime
    until: datetime
    channels: Sequence[str] | None = None
    among: bool = True


class Notification(msgspec.Struct, frozen=True, kw_only=True):
    """One message to one person, and where it stands."""

    id: str
    user_id: str
    contact_method_id: str
    channel: str
    state: str
    started_at: datetime


async def notifications(
    tx: Tx, actor: Actor, wanted: Wanted, *, limit: int, offset: int
) -> list[Notification]:
    """A part of the list, newest first."""
    asked = {**_asked(actor, wanted), "limit": limit, "offset": offset}
    return await tx.all(Notification, SELECT_NOTIFICATIONS, asked)


async def count(tx: Tx, actor: Actor, wanted: Wanted) -> int:
    """How many there are in all."""
    return int(await tx.value(COUNT_NOTIFICATIONS, _asked(actor, wanted)))


async def methods(tx: Tx, ids: Sequence[str]) -> dict[str, ContactMethod]:
    """Contact methods by id, removed ones too; for showing, without a check of access."""
    found = await tx.all(ContactMethod, SELECT_METHODS, {"ids": list(ids)})
    return {method.id: method for method in found}


def _asked(actor: Actor, wanted: Wanted) -> dict[str, Any]:
    require_somewhere(actor, Permission.VIEW)
    own = visible_teams(actor) is not None
    return {
        **msgspec.structs.asdict(wanted),
        "channels": None if wanted.channels is None else list(wanted.channels),
        "user_id": (actor.user_id or "") if own else None,
    }
