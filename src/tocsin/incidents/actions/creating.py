"""Open an incident by hand."""

from datetime import datetime

from msgspec import structs

from tocsin.accounts import access
from tocsin.accounts.access import Permission
from tocsin.accounts.model import Actor
from tocsin.core import ids
from tocsin.core.database import Tx
from tocsin.core.errors import Invalid, NotFound, Refused
from tocsin.escalations import actions as escalations
from tocsin.escalations.model import Move
from tocsin.escalations.model import Reason as LadderReason
from tocsin.incidents import lifecycle
from tocsin.incidents import urgency as urgencies
from tocsin.incidents.actions.marking import checked_conference
from tocsin.incidents.actions.owning import check_people
from tocsin.incidents.actions.responding import acknowledge_draft
from tocsin.incidents.actions.work import Question, Work
from tocsin.incidents.model import (
    MAX_BODY,
    MAX_KEY,
    MAX_TITLE,
    Incident,
    NewIncident,
    Reason,
    Settings,
    Status,
)
from tocsin.incidents.store import incidents as store
from tocsin.timeline.model import Kind


async def create(tx: Tx, actor: Actor, new: NewIncident, now: datetime) -> Incident:
    """Open an incident. One that its maker takes alone starts acknowledged and pages nobody.

    Raises Invalid, NotFound (service), Forbidden, Refused("duplicate_incident_key") when an open
    incident of the service has the key, Refused("service_disabled").
    """
    settings = (await store.settings(tx, [new.service_id])).get(new.service_id)
    if settings is None:
        raise NotFound("service", new.service_id)
    access.require(actor, Permission.RESPOND, settings.team_id)
    _check(new)
    if settings.disabled:
        raise Refused(
            "service_disabled", f"{settings.service_name} is disabled: enable it or choose another"
        )
    await _check_key(tx, new)
    alone = actor.user_id is not None and new.assignee_ids == (actor.user_id,)
    if not alone:
        await check_people(tx, new.assignee_ids)
    policy_id = new.escalation_policy_id or settings.policy_id
    ladders = await escalations.ladders(tx, [policy_id], live=True)
    if policy_id not in ladders:
        raise Invalid("escalation_policy", f"there is no escalation policy {policy_id}")
    work = Work(tx, now)
    bridge = checked_conference(new.conference)
    incident = _incident(new, settings, policy_id, (await store.numbers(tx, 1))[0], now)
    if bridge is not None:
        incident = structs.replace(
            incident, conference_number=bridge.number, conference_url=bridge.url
        )
    draft = work.add(incident, settings, ladders[policy_id])
    reason = Reason.CREATED_BY_HAND.value
    work.tell(draft, Kind.TRIGGER, reason, actor, {"title": incident.title, "body": new.body})
    if alone:
        work.tell(draft, Kind.ASSIGN, Reason.SELF_ASSIGNED.value, actor)
        acknowledge_draft(work, draft, actor)
        # It is with its maker and not on a ladder: should it come back, the maker is paged.
        draft.run = structs.replace(draft.run, reason=LadderReason.REASSIGNED)
    elif new.assignee_ids:
        draft.question = Question(Move.RESUME, Kind.ASSIGN, actor, reason, direct=new.assignee_ids)
    else:
        draft.question = Question(Move.BEGIN, Kind.ASSIGN, actor)
    await work.flush()
    return draft.incident


def _check(new: NewIncident) -> None:
    if not 1 <= len(new.title.strip()) <= MAX_TITLE:
        raise Invalid("title", f"give a title of 1 to {MAX_TITLE} characters")
    if new.body is not None and len(new.body) > MAX_BODY:
        raise Invalid("body", f"use at most {MAX_BODY} characters")
    if new.incident_key is not None and not 1 <= len(new.incident_key) <= MAX_KEY:
        raise Invalid("incident_key", f"use 1 to {MAX_KEY} characters")
    if new.assignee_ids and new.escalation_policy_id is not None:
        raise Invalid("assignments", "name either people or an escalation policy, not both")


async def _check_key(tx: Tx, new: NewIncident) -> None:
    if new.incident_key is None:
        return
    taken = await tx.value(
        store.SELECT_KEY_OPEN, {"service_id": new.service_id, "key": new.incident_key}
    )
    if taken is not None:
        refusal = lifecycle.DUPLICATE_KEY
        raise Refused(refusal.reason, f"{refusal.message}: it is #{taken}")


def _incident(
    new: NewIncident, settings: Settings, policy_id: str, number: int, now: datetime
) -> Incident:
    return Incident(
        id=ids.new("Q", now),
        number=number,
        service_id=new.service_id,
        escalation_policy_id=policy_id,
        title=new.title.strip(),
        status=Status.TRIGGERED,
        urgency=new.urgency or urgencies.initial(settings.urgency_rule_at(now), None),
        incident_key=new.incident_key,
        body=new.body,
        priority=new.priority,
        test=new.test,
        created_at=now,
        changed_at=now,
    )
