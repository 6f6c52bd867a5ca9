"""The SQL of status updates and of who gets them. Only this area uses this module."""

from collections.abc import Sequence
from datetime import datetime

import msgspec

from tocsin.core.database import Tx
from tocsin.incidents.status_updates import StatusUpdate, Subscriber, SubscriberKind

INSERT_UPDATE = """
    insert into status_updates (id, incident_id, user_id, label, subject, message, html, recipients,
        at)
    values (%(id)s, %(incident_id)s, %(user_id)s, %(label)s, %(subject)s, %(message)s, %(html)s,
        %(recipients)s, %(at)s)
"""
SELECT_UPDATES = """
    select id, incident_id, user_id, label, subject, message, html, recipients, at
    from status_updates where incident_id = %(incident_id)s
    order by at desc, id desc limit %(limit)s
"""
COUNT_UPDATES = """
    select count(*) filter (where at > %(since)s), count(*) from status_updates
    where incident_id = %(incident_id)s
"""
INSERT_SUBSCRIBERS = """
    insert into incident_subscribers (incident_id, kind, subscriber_id, added_by, at)
    select %(incident_id)s, kind, id, %(added_by)s, %(at)s
    from unnest(%(kinds)s::text[], %(ids)s::text[]) as new (kind, id)
    on conflict do nothing
    returning kind, subscriber_id
"""
DELETE_SUBSCRIBERS = """
    delete from incident_subscribers s
    using unnest(%(kinds)s::text[], %(ids)s::text[]) as gone (kind, id)
    where s.incident_id = %(incident_id)s and s.kind = gone.kind and s.subscriber_id = gone.id
    returning s.kind, s.subscriber_id
"""
COUNT_SUBSCRIBERS = """
    select count(*) from incident_subscribers where incident_id = %(incident_id)s
"""
SELECT_SUBSCRIBERS = """
    select s.incident_id, s.kind, s.subscriber_id, s.at, coalesce(u.name, t.name) as name
    from incident_subscribers s
    left join users u on s.kind = 'user' and u.id = s.subscriber_id and u.deleted_at is null
    left join teams t on s.kind = 'team' and t.id = s.subscriber_id and t.deleted_at is null
    where s.incident_id = %(incident_id)s
    order by s.kind, lower(coalesce(u.name, t.name)), s.subscriber_id
    limit %(limit)s offset %(offset)s
"""
# Each person once, however many ways lead to them.
SELECT_RECIPIENTS = """
    select u.id from users u
    where u.deleted_at is null and (
        u.id in (select s.subscriber_id from incident_subscribers s
            where s.incident_id = %(incident_id)s and s.kind = 'user')
        or u.id in (select m.user_id from incident_subscribers s
            join teams t on t.id = s.subscriber_id and t.deleted_at is null
            join team_members m on m.team_id = t.id
            where s.incident_id = %(incident_id)s and s.kind = 'team'))
    order by u.id limit %(limit)s
"""
SELECT_FOLLOWS = """
    select exists (select from incident_subscribers
        where incident_id = %(incident_id)s and kind = 'user' and subscriber_id = %(user_id)s)
"""
SELECT_SUBSCRIPTIONS = """
    select incident_id, kind, subscriber_id, at from incident_subscribers
    where kind = %(kind)s and subscriber_id = %(id)s
    order by at desc, incident_id desc limit %(limit)s offset %(offset)s
"""


class Subscription(msgspec.Struct, frozen=True):
    """What a person or team gets the updates of."""

    incident_id: str
    kind: str
    subscriber_id: str
    at: datetime


async def insert_update(tx: Tx, update: StatusUpdate) -> None:
    """Append a status update."""
    await tx.execute(INSERT_UPDATE, msgspec.structs.asdict(update))


async def updates(tx: Tx, incident_id: str, limit: int) -> list[StatusUpdate]:
    """The newest updates of an incident."""
    values = {"incident_id": incident_id, "limit": limit}
    return await tx.all(StatusUpdate, SELECT_UPDATES, values)


async def count_updates(tx: Tx, incident_id: str, since: datetime) -> tuple[int, int]:
    """How many updates an incident has had since then, and in all."""
    ((recent, total),) = await tx.tuples(
        COUNT_UPDATES, {"incident_id": incident_id, "since": since}
    )
    return recent, total


async def subscribers(tx: Tx, incident_id: str, limit: int, offset: int) -> list[Subscriber]:
    """Who gets an incident's updates: teams, then people, by name."""
    values = {"incident_id": incident_id, "limit": limit, "offset": offset}
    rows = await tx.all(Subscriber, SELECT_SUBSCRIBERS, values)
    return [msgspec.structs.replace(row, kind=SubscriberKind(row.kind)) for row in rows]


async def change_subscribers(
    tx: Tx,
    incident_id: str,
    wanted: Sequence[tuple[SubscriberKind, str]],
    *,
    added_by: str | None,
    at: datetime,
) -> set[tuple[str, str]]:
    """Add these (or remove them, without `added_by`); which of them were really changed."""
    values = {
        "incident_id": incident_id,
        "kinds": [kind.value for kind, _ in wanted],
        "ids": [id for _, id in wanted],
    }
    if added_by is None:
        return set(await tx.tuples(DELETE_SUBSCRIBERS, values))
    return set(await tx.tuples(INSERT_SUBSCRIBERS, {**values, "added_by": added_by, "at": at}))


async def recipients(tx: Tx, incident_id: str, limit: int) -> list[str]:
    """The people that an update goes to now."""
    rows = await tx.tuples(SELECT_RECIPIENTS, {"incident_id": incident_id, "limit": limit})
    return [row[0] for row in rows]
