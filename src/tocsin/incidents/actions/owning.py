"""Give incidents to other people: reassign, escalate, raise or lower the urgency."""

from collections.abc import Sequence
from datetime import datetime

import msgspec
from msgspec import structs

from tocsin.accounts.model import Actor
from tocsin.core.database import Tx
from tocsin.core.errors import Invalid, Refused
from tocsin.escalations import actions as escalations
from tocsin.escalations import ladder
from tocsin.escalations.model import Move, Progress
from tocsin.incidents import lifecycle
from tocsin.incidents.actions import opening
from tocsin.incidents.actions.work import Question
from tocsin.incidents.lifecycle import Act
from tocsin.incidents.model import MAX_ASSIGNEES, Incident, Reason, Urgency
from tocsin.timeline.model import Kind


class Reassignment(msgspec.Struct, frozen=True, kw_only=True):
    """Where incidents go: to people, or to the first level of a policy. Exactly one."""

    user_ids: tuple[str, ...] = ()
    policy_id: str | None = None


async def reassign(
    tx: Tx, actor: Actor, incident_ids: Sequence[str], to: Reassignment, now: datetime
) -> list[Incident]:
    """Triggered again, with the new people paged. Given to people, the ladder rests; given to a
    policy, its ladder as of now begins at level 1. Raises Refused("already_resolved")."""
    if bool(to.user_ids) == (to.policy_id is not None):
        raise Invalid("assignments", "name either people or one escalation policy")
    await check_people(tx, to.user_ids)
    ladders = await escalations.ladders(tx, [to.policy_id] if to.policy_id else [], live=True)
    if to.policy_id is not None and to.policy_id not in ladders:
        raise Invalid("escalation_policy", f"there is no escalation policy {to.policy_id}")
    work = await opening.load(tx, actor, incident_ids, now)
    reason = Reason.REASSIGNED.value
    for draft in opening.drafts(work, incident_ids):
        work.apply(draft, Act.REASSIGN, reason, actor)
        move = Move.RESUME
        if to.policy_id is not None:
            move = Move.BEGIN
            draft.set(escalation_policy_id=to.policy_id)
            draft.run = structs.replace(
                draft.run,
                ladder=ladders[to.policy_id],
                # The step goes on counting: a rung of the new ladder is another rung.
                progress=Progress(0, 0, draft.run.progress.step),
            )
        draft.question = Question(move, Kind.ASSIGN, actor, reason, direct=to.user_ids)
    await work.flush()
    return opening.after(work, incident_ids)


async def escalate(
    tx: Tx,
    actor: Actor,
    incident_ids: Sequence[str],
    now: datetime,
    *,
    level: int | None = None,
) -> list[Incident]:
    """Page the next level, or `level`, now. An acknowledged incident is triggered again.

    Raises Refused("cannot_escalate") beyond the last level, Refused("nobody_on_call") when there
    and above nobody can be paged, Refused("already_resolved").
    """
    work = await opening.load(tx, actor, incident_ids, now)
    reason = Reason.ESCALATED_BY_PERSON.value
    for draft in opening.drafts(work, incident_ids):
        work.apply(draft, Act.ESCALATE, reason, actor)
        run = draft.run
        wanted = ladder.next_level(run.ladder, run.progress) if level is None else level
        if wanted is None or not 1 <= wanted <= len(run.ladder.levels):
            refusal = lifecycle.CANNOT_ESCALATE
            raise Refused(
                refusal.reason,
                f"#{draft.incident.number}: {refusal.message}: its policy has"
                f" {len(run.ladder.levels)} levels",
            )
        draft.question = Question(Move.MOVE_TO, Kind.ESCALATE, actor, reason, level=level)
    await work.flush()
    return opening.after(work, incident_ids)


async def set_urgency(
    tx: Tx, actor: Actor, incident_ids: Sequence[str], urgency: Urgency, now: datetime
) -> list[Incident]:
    """Change the urgency. A triggered incident pages its people again by their rules for it, and
    climbs only when it is high. Raises Refused("already_resolved")."""
    work = await opening.load(tx, actor, incident_ids, now)
    reason = Reason.URGENCY_SET.value
    for draft in opening.drafts(work, incident_ids):
        before = draft.incident.urgency
        if before is urgency and draft.incident.is_open:
            continue
        work.apply(draft, Act.CHANGE_URGENCY, reason, actor)
        draft.set(urgency=urgency)
        data = {"from": before.value, "to": urgency.value}
        work.tell(draft, Kind.URGENCY_CHANGE, reason, actor, data)
    await work.flush()
    return opening.after(work, incident_ids)


async def check_people(tx: Tx, user_ids: Sequence[str]) -> None:
    """Raise Invalid unless these are existing people, and not too many."""
    if not user_ids:
        return
    if len(user_ids) > MAX_ASSIGNEES or len(set(user_ids)) != len(user_ids):
        raise Invalid("assignments", f"name each person once, at most {MAX_ASSIGNEES}")
    people = await escalations.people(tx, user_ids)
    for user_id in user_ids:
        if user_id not in people:
            raise Invalid("assignments", f"there is no user {user_id}")
        if not people[user_id].reachable:
            raise Invalid(
                "assignments",
                f"{people[user_id].name} has no contact method and could not be paged: choose"
                " somebody else, or add one first",
            )
