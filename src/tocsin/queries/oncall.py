"""What one person on call wants to see: what is theirs and open, and how often they were paged."""

from datetime import datetime

import msgspec

from tocsin.core.database import Tx

MAX_MINE = 20
MAX_PAGES = 1000

SELECT_MY_OPEN = """
select i.id, i.number, i.title, i.status, i.urgency, i.snoozed_until,
    (select min(t.due_at) from incident_timers t where t.incident_id = i.id
        and t.kind in ('acknowledgement_timeout', 'snooze')) as returns_at
from assignments a
join incidents i on i.id = a.incident_id and i.status <> 'resolved'
where a.user_id = %(user_id)s
order by case i.status when 'triggered' then 0 else 1 end,
    case i.urgency when 'high' then 0 else 1 end, i.created_at desc, i.id
limit %(limit)s
"""

COUNT_MY_OPEN = """
select count(*) from assignments a
join incidents i on i.id = a.incident_id and i.status <> 'resolved'
where a.user_id = %(user_id)s
"""

SELECT_PAGE_TIMES = """
select created_at from pages
where user_id = %(user_id)s and created_at >= %(since)s
order by created_at desc
limit %(limit)s
"""


class MyIncident(msgspec.Struct, frozen=True, kw_only=True):
    """An open incident assigned to the person, and when it comes back to be paged for again."""

    id: str
    number: int
    title: str
    status: str
    urgency: str
    snoozed_until: datetime | None
    returns_at: datetime | None


async def my_open(tx: Tx, user_id: str) -> tuple[list[MyIncident], int]:
    """The person's most pressing open incidents, and how many there are in all."""
    found = await tx.all(MyIncident, SELECT_MY_OPEN, {"user_id": user_id, "limit": MAX_MINE})
    if len(found) < MAX_MINE:
        return found, len(found)
    return found, int(await tx.value(COUNT_MY_OPEN, {"user_id": user_id}))


async def page_times(tx: Tx, user_id: str, since: datetime) -> list[datetime]:
    """When the person was paged, newest first; at most 1,000."""
    asked = {"user_id": user_id, "since": since, "limit": MAX_PAGES}
    return [at for (at,) in await tx.tuples(SELECT_PAGE_TIMES, asked)]
