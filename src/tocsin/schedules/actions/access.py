"""Finding the schedule an action is about, if the actor may know of it."""

from tocsin.accounts.access import Permission, allowed
from tocsin.accounts.model import Actor
from tocsin.core.database import Tx
from tocsin.core.errors import NotFound
from tocsin.schedules import store
from tocsin.schedules.model import ScheduleHead


async def visible(tx: Tx, actor: Actor, schedule_id: str) -> ScheduleHead:
    """The schedule, or NotFound when there is none or the actor may not see it."""
    head = (await store.heads(tx, (schedule_id,))).get(schedule_id)
    if head is None or not allowed(actor, Permission.VIEW, head.team_id):
        raise NotFound("schedule", schedule_id)
    return head


async def locked(tx: Tx, actor: Actor, schedule_id: str) -> ScheduleHead:
    """The same, and no other edit of it may begin before this transaction ends."""
    head = await store.lock(tx, schedule_id)
    if head is None or not allowed(actor, Permission.VIEW, head.team_id):
        raise NotFound("schedule", schedule_id)
    return head
