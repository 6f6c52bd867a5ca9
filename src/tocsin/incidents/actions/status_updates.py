"""Publish status updates, and let people and teams follow incidents.

Who may respond publishes, and subscribes whom they like; everybody who sees the incident may follow
it and stop following it themselves. The mails are queued in the transaction that writes the update.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec

from tocsin.accounts import access
from tocsin.accounts import actions as accounts
from tocsin.accounts.access import Permission
from tocsin.accounts.model import Actor
from tocsin.core import ids, rich_text
from tocsin.core.database import Tx
from tocsin.core.errors import Forbidden, Invalid, NotFound, Refused
from tocsin.incidents import status_updates as rules
from tocsin.incidents.actions.reading import get
from tocsin.incidents.model import Incident
from tocsin.incidents.status_updates import (
    BURST,
    BURST_WITHIN,
    MAX_HTML,
    MAX_MESSAGE,
    MAX_RECIPIENTS,
    MAX_SUBJECT,
    MAX_SUBSCRIBERS,
    MAX_UPDATES,
    NewUpdate,
    Pace,
    Reason,
    Result,
    StatusUpdate,
    Subscriber,
    SubscriberKind,
)
from tocsin.incidents.store import incidents as incident_store
from tocsin.incidents.store import status_updates as store
from tocsin.incidents.store.status_updates import Subscription
from tocsin.paging import actions as paging
from tocsin.paging.model import StatusMail
from tocsin.timeline import feed
from tocsin.timeline.model import Entry, Kind

MAX_AT_ONCE = 250
Chosen = tuple[SubscriberKind, str]


class Preview(msgspec.Struct, frozen=True, kw_only=True):
    """An update as it would be sent, and to how many people."""

    subject: str
    message: str
    html: str
    recipients: int


async def preview_update(tx: Tx, actor: Actor, incident_id: str, new: NewUpdate) -> Preview:
    """What publishing this would send. Changes nothing."""
    incident, team_id = await _seen(tx, actor, incident_id)
    access.require(actor, Permission.RESPOND, team_id)
    _check(new)
    found = await store.recipients(tx, incident.id, MAX_RECIPIENTS + 1)
    return Preview(
        subject=rules.subject(new.subject, incident.number, incident.title),
        message=new.message.strip(),
        html=_html(new),
        recipients=len(found),
    )


async def publish_update(
    tx: Tx, actor: Actor, incident_id: str, new: NewUpdate, now: datetime
) -> StatusUpdate:
    """Write a status update and mail it once to everybody who follows; on resolved incidents too.

    Raises Refused("said_already", "too_many_updates_at_once", "too_many_updates",
    "too_many_recipients").
    """
    await incident_store.lock(tx, [incident_id])
    sent = await preview_update(tx, actor, incident_id, new)
    incident, _ = await _seen(tx, actor, incident_id)
    recent, total = await store.count_updates(tx, incident_id, now - BURST_WITHIN)
    newest = await store.updates(tx, incident_id, 1 if recent else 0)
    same = any(_says(one) == (sent.subject, sent.message, sent.html) for one in newest)
    _refuse(rules.pace(recent, total, same=same))
    if sent.recipients > MAX_RECIPIENTS:
        raise Refused(
            "too_many_recipients",
            f"more than {MAX_RECIPIENTS} people follow it through their teams: remove a team",
        )
    update = StatusUpdate(
        id=ids.new("Q", now),
        incident_id=incident_id,
        user_id=actor.user_id,
        label=await _author(tx, actor),
        subject=sent.subject,
        message=sent.message,
        html=sent.html,
        recipients=sent.recipients,
        at=now,
    )
    await store.insert_update(tx, update)
    data = {
        "status_update_id": update.id,
        "subject": update.subject,
        "message": update.message,
        "recipients": update.recipients,
    }
    await _tell(tx, incident, Kind.STATUS_UPDATE, Reason.PUBLISHED, actor=actor, now=now, data=data)
    found = await store.recipients(tx, incident_id, MAX_RECIPIENTS)
    mails = [
        StatusMail(update_id=update.id, incident_id=incident_id, user_id=user_id)
        for user_id in found
    ]
    await paging.mail_updates(tx, mails, now)
    return update


async def status_updates(
    tx: Tx, actor: Actor, incident_id: str, limit: int = 100
) -> list[StatusUpdate]:
    """The updates of an incident, newest first."""
    await get(tx, actor, incident_id)
    return await store.updates(tx, incident_id, max(0, min(limit, MAX_UPDATES)))


async def subscribers(
    tx: Tx, actor: Actor, incident_id: str, *, limit: int = MAX_SUBSCRIBERS, offset: int = 0
) -> list[Subscriber]:
    """Who gets an incident's updates."""
    await get(tx, actor, incident_id)
    return await store.subscribers(tx, incident_id, min(limit, MAX_SUBSCRIBERS + 1), offset)


async def follows(tx: Tx, incident_id: str, user_id: str) -> bool:
    """Whether a person follows it themselves, and not only through a team. No access check."""
    values = {"incident_id": incident_id, "user_id": user_id}
    return bool(await tx.value(store.SELECT_FOLLOWS, values))


async def subscribe(
    tx: Tx, actor: Actor, incident_id: str, wanted: Sequence[Chosen], now: datetime
) -> dict[Chosen, Result]:
    """Let these people and teams get the updates; what came of each.

    Raises Invalid for one that does not exist, Refused("too_many_subscribers").
    """
    _check_number(wanted)
    incident, team_id = await _held(tx, actor, incident_id)
    _may_change(actor, team_id, wanted)
    await _check_exist(tx, wanted)
    by = actor.label
    added = await store.change_subscribers(tx, incident_id, wanted, added_by=by, at=now)
    total = await tx.value(store.COUNT_SUBSCRIBERS, {"incident_id": incident_id})
    if total > MAX_SUBSCRIBERS:
        raise Refused(
            "too_many_subscribers",
            f"an incident has at most {MAX_SUBSCRIBERS} subscribers: subscribe a team instead",
        )
    if added:
        data = {"subscribers": await _names(tx, added)}
        await _tell(
            tx, incident, Kind.SUBSCRIBE, Reason.SUBSCRIBED, actor=actor, now=now, data=data
        )
    return {
        one: Result.SUCCESS if (one[0].value, one[1]) in added else Result.DUPLICATE
        for one in wanted
    }


async def unsubscribe(
    tx: Tx, actor: Actor, incident_id: str, wanted: Sequence[Chosen], now: datetime
) -> int:
    """Send these people and teams no more updates; how many got them until now.

    Everybody may stop following, also what they may not see any more."""
    _check_number(wanted)
    if _is_own(actor, wanted):
        held = await incident_store.lock(tx, [incident_id])
        if incident_id not in held:
            raise NotFound("incident", incident_id)
        incident, team_id = held[incident_id], None
    else:
        incident, team_id = await _held(tx, actor, incident_id)
    _may_change(actor, team_id, wanted)
    gone = await store.change_subscribers(tx, incident_id, wanted, added_by=None, at=now)
    if gone:
        data = {"subscribers": await _names(tx, gone)}
        await _tell(
            tx, incident, Kind.UNSUBSCRIBE, Reason.UNSUBSCRIBED, actor=actor, now=now, data=data
        )
    return len(gone)


async def subscriptions(
    tx: Tx, kind: SubscriberKind, id: str, *, limit: int, offset: int = 0
) -> list[Subscription]:
    """What a person or a team follows, newest first. Check who asks first."""
    values = {"kind": kind.value, "id": id, "limit": limit, "offset": offset}
    return await tx.all(Subscription, store.SELECT_SUBSCRIPTIONS, values)


def _check(new: NewUpdate) -> None:
    if not 1 <= len(new.message.strip()) <= MAX_MESSAGE:
        raise Invalid("message", f"write 1 to {MAX_MESSAGE} characters")
    if len(new.subject or "") > MAX_SUBJECT:
        raise Invalid("subject", f"use at most {MAX_SUBJECT} characters")
    if len(new.html or "") > MAX_HTML:
        raise Invalid("html_message", f"use at most {MAX_HTML} characters")


def _check_number(wanted: Sequence[Chosen]) -> None:
    if not 1 <= len(wanted) <= MAX_AT_ONCE:
        raise Invalid("subscribers", f"name 1 to {MAX_AT_ONCE} people or teams at a time")


def _html(new: NewUpdate) -> str:
    if new.html and new.html.strip():
        return rich_text.safe(new.html)
    return rich_text.from_markdown(new.message)


async def _author(tx: Tx, actor: Actor) -> str:
    """The person's own name, also when a key speaks for them: readers know no keys."""
    user_id = actor.user_id
    if user_id is None:
        return actor.label
    user = (await accounts.users_by_ids(tx, [user_id])).get(user_id)
    return actor.label if user is None else user.name


def _says(update: StatusUpdate) -> tuple[str, str, str]:
    return update.subject, update.message, update.html


def _refuse(pace: Pace) -> None:
    if pace is Pace.SAID_ALREADY:
        raise Refused(pace.value, "exactly this was posted a moment ago, and is not mailed twice")
    if pace is Pace.TOO_FAST:
        minutes = int(BURST_WITHIN.total_seconds() // 60)
        raise Refused(
            pace.value, f"at most {BURST} updates within {minutes} minutes: wait, then say it once"
        )
    if pace is Pace.TOO_MANY:
        raise Refused(pace.value, f"an incident has at most {MAX_UPDATES} updates")


async def _seen(tx: Tx, actor: Actor, incident_id: str) -> tuple[Incident, str | None]:
    incident = await get(tx, actor, incident_id)
    settings = await incident_store.settings(tx, [incident.service_id])
    return incident, settings[incident.service_id].team_id


async def _held(tx: Tx, actor: Actor, incident_id: str) -> tuple[Incident, str | None]:
    await incident_store.lock(tx, [incident_id])
    return await _seen(tx, actor, incident_id)


def _may_change(actor: Actor, team_id: str | None, wanted: Sequence[Chosen]) -> None:
    if actor.read_only:
        raise Forbidden("this key is read-only: make a key with full access to change things")
    if not _is_own(actor, wanted):
        access.require(actor, Permission.RESPOND, team_id)


def _is_own(actor: Actor, wanted: Sequence[Chosen]) -> bool:
    return all(kind is SubscriberKind.USER and access.is_self(actor, id) for kind, id in wanted)


async def _check_exist(tx: Tx, wanted: Sequence[Chosen]) -> None:
    known = await _known(tx, wanted)
    for kind, id in wanted:
        if (kind.value, id) not in known:
            raise Invalid("subscribers", f"there is no {kind.value} {id}")


async def _known(tx: Tx, wanted: Sequence[tuple[str, str]]) -> dict[tuple[str, str], str]:
    users = await accounts.users_by_ids(tx, [id for kind, id in wanted if kind == "user"])
    teams = await accounts.teams_by_ids(tx, [id for kind, id in wanted if kind == "team"])
    found = {("user", id): user.name for id, user in users.items() if user.deleted_at is None}
    return found | {("team", id): t.name for id, t in teams.items() if t.deleted_at is None}


async def _names(tx: Tx, changed: set[tuple[str, str]]) -> list[dict[str, str]]:
    known = await _known(tx, sorted(changed))
    return [
        {"kind": kind, "id": id, "name": known.get((kind, id), id)} for kind, id in sorted(changed)
    ]


async def _tell(
    tx: Tx,
    incident: Incident,
    kind: Kind,
    reason: Reason,
    *,
    actor: Actor,
    now: datetime,
    data: dict[str, Any],
) -> None:
    entry = Entry(
        incident_id=incident.id,
        service_id=incident.service_id,
        kind=kind,
        reason=reason.value,
        actor=actor,
        at=now,
        data=data,
    )
    await feed.append(tx, [entry])


def subscriber(kind: str, id: str) -> Chosen:
    """A subscriber as a caller names it. Raises Invalid for a kind there is not."""
    try:
        return SubscriberKind(kind), id
    except ValueError:
        raise Invalid("subscriber_type", "must be user or team") from None
