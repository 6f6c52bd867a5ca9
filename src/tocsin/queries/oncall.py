"""What one person on call wants to see: what is theirs and open, and how often they were paged."""

from datetime import datetime

import msgspec

from tocsin.core.database import Tx

MAX_MINE = 20
MAX_PAGES = 1000

SELECT_MY_OPEN = """
select i.id, i.number, i.title, i.status, i.urgency, i.created_at, s.name as service,
    coalesce(r.state, 'stopped') as ladder_state, coalesce(r.level, 0) as level, r.due_at,
    coalesce(jsonb_array_length(r.ladder -> 'levels'), 0) as levels
from assignments a
join incidents i on i.id = a.incident_id and i.status <> 'resolved'
join services s on s.id = i.service_id
left join escalation_runs r on r.incident_id = i.id
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
    """An open incident assigned to the person. `level` counts from 1; 0 means not begun."""

    id: str
    number: int
    title: str
    status: str
    urgency: str
    created_at: datetime
    service: str
    ladder_state: str
    level: int
    due_at: datetime | None
    levels: int


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
