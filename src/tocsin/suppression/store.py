"""The SQL of suppression: maintenance windows, and the services whose alerts wait.

Nobody locks a window to decide by it: a person who ends one must never wait for a storm of events.
A decision that was overtaken is put right through the hold instead. A new hold is due at once, a
changed window makes its services' holds due after it has waited for their locks, and the engine
reads the windows only once it holds the hold.
"""

from typing import Any, LiteralString

import msgspec

from tocsin.core.database import Tx
from tocsin.suppression.model import Window

INSERT_WINDOW = """
    insert into maintenance_windows (id, description, service_ids, starts_at, ends_at, created_by,
        created_at)
    values (%(id)s, %(description)s, %(service_ids)s, %(starts_at)s, %(ends_at)s, %(created_by)s,
        %(created_at)s)
    returning sequence_number
"""

UPDATE_WINDOW = """
    update maintenance_windows set description = %(description)s, service_ids = %(service_ids)s,
        starts_at = %(starts_at)s, ends_at = %(ends_at)s, deleted_at = %(deleted_at)s
    where id = %(id)s
"""

SELECT_WINDOWS_BY_IDS = """
    select id, sequence_number, description, service_ids, starts_at, ends_at, created_by,
        created_at, deleted_at
    from maintenance_windows where id = any(%(ids)s)
"""

LOCK_WINDOW = """
    select id, sequence_number, description, service_ids, starts_at, ends_at, created_by,
        created_at, deleted_at
    from maintenance_windows where id = %(id)s and deleted_at is null
    for update
"""

# For the intake: what is ongoing and names one of these services.
SELECT_ONGOING = """
    select id, sequence_number, description, service_ids, starts_at, ends_at, created_by,
        created_at, deleted_at
    from maintenance_windows
    where deleted_at is null and ends_at > %(now)s and starts_at <= %(now)s
        and service_ids && %(service_ids)s::text[]
"""

# For screens: what is ongoing or next, soonest first.
SELECT_OPEN = """
    select id, sequence_number, description, service_ids, starts_at, ends_at, created_by,
        created_at, deleted_at
    from maintenance_windows
    where deleted_at is null and ends_at > %(now)s and service_ids && %(service_ids)s::text[]
    order by starts_at, id
    limit %(limit)s
"""

COUNT_OPEN = """
    select count(*) from maintenance_windows where deleted_at is null and ends_at > %(now)s
"""

# The bounds turn a filter into a range of times: what ends after, what begins before.
SELECT_WINDOWS = """
    select w.id, w.sequence_number, w.description, w.service_ids, w.starts_at, w.ends_at,
        w.created_by, w.created_at, w.deleted_at
    from maintenance_windows w
    where w.deleted_at is null
        and (%(ended_by)s::timestamptz is null or w.ends_at <= %(ended_by)s)
        and (%(ends_after)s::timestamptz is null or w.ends_at > %(ends_after)s)
        and (%(begun_by)s::timestamptz is null or w.starts_at <= %(begun_by)s)
        and (%(begins_after)s::timestamptz is null or w.starts_at > %(begins_after)s)
        and (%(query)s::text is null
            or position(lower(%(query)s::text) in lower(w.description)) > 0)
        and (%(service_ids)s::text[] is null or w.service_ids && %(service_ids)s::text[])
        and ((%(team_ids)s::text[] is null and %(visible)s::text[] is null)
            or exists (
                select from services s
                join escalation_policies p on p.id = s.escalation_policy_id
                where s.id = any(w.service_ids)
                    and (%(team_ids)s::text[] is null or p.team_id = any(%(team_ids)s::text[]))
                    and (%(visible)s::text[] is null or p.team_id = any(%(visible)s::text[]))))
    order by w.starts_at desc, w.id desc
    limit %(limit)s offset %(offset)s
"""

COUNT_WINDOWS = """
    select count(*)
    from maintenance_windows w
    where w.deleted_at is null
        and (%(ended_by)s::timestamptz is null or w.ends_at <= %(ended_by)s)
        and (%(ends_after)s::timestamptz is null or w.ends_at > %(ends_after)s)
        and (%(begun_by)s::timestamptz is null or w.starts_at <= %(begun_by)s)
        and (%(begins_after)s::timestamptz is null or w.starts_at > %(begins_after)s)
        and (%(query)s::text is null
            or position(lower(%(query)s::text) in lower(w.description)) > 0)
        and (%(service_ids)s::text[] is null or w.service_ids && %(service_ids)s::text[])
        and ((%(team_ids)s::text[] is null and %(visible)s::text[] is null)
            or exists (
                select from services s
                join escalation_policies p on p.id = s.escalation_policy_id
                where s.id = any(w.service_ids)
                    and (%(team_ids)s::text[] is null or p.team_id = any(%(team_ids)s::text[]))
                    and (%(visible)s::text[] is null or p.team_id = any(%(visible)s::text[]))))
"""

# The holds

# One that is there already is in time: it was made due by whatever ended since.
HOLD = """
    insert into maintenance_holds (service_id, due_at)
    select x.service_id, %(now)s from unnest(%(service_ids)s::text[]) as x (service_id)
    order by x.service_id
    on conflict (service_id) do nothing
"""

# All of them, also one that seems due: whoever is at it now may be about to let it wait.
HURRY = """
    update maintenance_holds set due_at = %(now)s
    where service_id in (
        select service_id from maintenance_holds
        where service_id = any(%(service_ids)s)
        order by service_id for update)
"""

DUE = """
    select h.service_id, s.slice
    from maintenance_holds h join services s on s.id = h.service_id
    where h.due_at <= %(now)s
    order by h.due_at, h.service_id limit %(limit)s
"""

CLAIM = """
    select service_id from maintenance_holds
    where due_at <= %(now)s and service_id = any(%(service_ids)s)
    order by service_id
    for update skip locked
"""

NEXT_DUE = "select min(due_at) from maintenance_holds"

WAIT = """
    update maintenance_holds h set due_at = x.due, attempts = 0, error = null
    from unnest(%(service_ids)s::text[], %(due_ats)s::timestamptz[]) as x (service_id, due)
    where h.service_id = x.service_id
"""

DONE = "delete from maintenance_holds where service_id = any(%(service_ids)s)"

PUSH_BACK = """
    update maintenance_holds
    set attempts = least(attempts + 1, 1000), error = left(%(error)s, 2000),
        due_at = %(now)s::timestamptz
            + least(300, 5 * power(2, least(attempts, 10))) * interval '1 second'
    where service_id = %(service_id)s and due_at <= %(now)s
"""


async def windows(tx: Tx, statement: LiteralString, values: dict[str, Any]) -> list[Window]:
    """The windows that a statement finds."""
    return [msgspec.convert(row, Window) for row in await tx.rows(statement, values)]
