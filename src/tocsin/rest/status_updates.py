"""Status updates of incidents, who gets them, and what people and teams follow."""

from collections.abc import Sequence
from typing import Any

import msgspec

from tocsin.accounts import access
from tocsin.accounts import actions as accounts
from tocsin.accounts.access import Permission
from tocsin.core.errors import Forbidden, NotFound
from tocsin.incidents import actions as incidents
from tocsin.incidents.status_updates import (
    NewUpdate,
    StatusUpdate,
    Subscriber,
    SubscriberKind,
)
from tocsin.rest import operations
from tocsin.rest.call import Call, convert
from tocsin.rest.errors import invalid
from tocsin.rest.resource import Operation, Ref

TAG = "Incidents"
Chosen = tuple[SubscriberKind, str]


class SubscriberGiven(msgspec.Struct):
    """One person or team."""

    subscriber_id: str
    subscriber_type: str


class SubscribableGiven(msgspec.Struct):
    """Something to follow."""

    subscribable_id: str
    subscribable_type: str


async def publish(call: Call) -> object:
    """Mail an update once to everybody who follows the incident."""
    body = call.body
    new = NewUpdate(
        message=convert("message", body.get("message"), str),
        subject=convert("subject", body.get("subject"), str | None),
        html=convert("html_message", body.get("html_message"), str | None),
    )
    found = await incidents.publish_update(call.tx, call.actor, call.path["id"], new, call.now)
    return {"status_update": _update(found)}


def _update(update: StatusUpdate) -> dict[str, Any]:
    return {
        "id": update.id,
        "message": update.message,
        "subject": update.subject,
        "html_message": update.html,
        "created_at": update.at,
        "sender": None if update.user_id is None else Ref("user", update.user_id),
    }


async def list_subscribers(call: Call) -> object:
    """Who gets the updates of an incident."""
    paging = call.paging()
    found = await incidents.subscribers(
        call.tx, call.actor, call.path["id"], limit=paging.limit + 1, offset=paging.offset
    )
    total = None
    if paging.total:
        total = len(await incidents.subscribers(call.tx, call.actor, call.path["id"]))
    return {
        "subscribers": [_subscriber(one) for one in found[: paging.limit]],
        "account_id": None,
        "limit": paging.limit,
        "offset": paging.offset,
        "total": total,
        "more": len(found) > paging.limit,
    }


def _subscriber(subscriber: Subscriber) -> dict[str, Any]:
    return {
        "subscriber_id": subscriber.subscriber_id,
        "subscriber_type": subscriber.kind.value,
        "has_indirect_subscription": False,
        "subscribed_via": None,
    }


def _subscribers(call: Call) -> list[Chosen]:
    given = call.list_of("subscribers", SubscriberGiven)
    found = [incidents.subscriber(one.subscriber_type, one.subscriber_id) for one in given]
    return list(dict.fromkeys(found))


async def add_subscribers(call: Call) -> object:
    """Let people and teams get the updates of an incident."""
    id, wanted = call.path["id"], _subscribers(call)
    results = await incidents.subscribe(call.tx, call.actor, id, wanted, call.now)
    return {
        "subscriptions": [
            {**_subscription(id, kind, who), "result": result.value}
            for (kind, who), result in results.items()
        ]
    }


async def remove_subscribers(call: Call) -> object:
    """Send them no more updates of an incident."""
    wanted = _subscribers(call)
    gone = await incidents.unsubscribe(call.tx, call.actor, call.path["id"], wanted, call.now)
    return _removed(gone, 0, len(wanted) - gone)


def _removed(deleted: int, unauthorized: int, missing: int) -> dict[str, int]:
    return {
        "deleted_count": deleted,
        "unauthorized_count": unauthorized,
        "non_existent_count": missing,
    }


def _subscription(incident_id: str, kind: SubscriberKind, id: str) -> dict[str, Any]:
    return {
        "account_id": None,
        "subscribable_id": incident_id,
        "subscribable_type": "incident",
        "subscriber_id": id,
        "subscriber_type": kind.value,
    }


# What one person or team follows


async def _who(call: Call, kind: SubscriberKind, *, changes: bool = False) -> str:
    """Whose subscriptions these are: one's own, or those that the actor may look at."""
    id = call.path["id"]
    if kind is SubscriberKind.TEAM:
        await accounts.get_team(call.tx, call.actor, id)
        return id
    if not changes:
        access.require_self_or_looking(call.actor, id)
    user = (await accounts.users_by_ids(call.tx, [id])).get(id)
    if user is None or user.deleted_at is not None:
        raise NotFound("user", id)
    return id


def _subscribables(call: Call) -> list[str]:
    given: Sequence[SubscribableGiven] = call.list_of("subscribables", SubscribableGiven)
    for number, one in enumerate(given):
        if one.subscribable_type != "incident":
            raise invalid(
                f"subscribables[{number}].subscribable_type must be incident: nothing else sends"
                " updates on this server"
            )
    return list(dict.fromkeys(one.subscribable_id for one in given))


async def _list(call: Call, kind: SubscriberKind) -> object:
    id = await _who(call, kind)
    paging = call.paging()
    found = await incidents.subscriptions(
        call.tx, kind, id, limit=paging.limit + 1, offset=paging.offset
    )
    shown = found[: paging.limit]
    known = await incidents.by_ids(call.tx, [one.incident_id for one in shown])
    teams = (await incidents.surroundings(call.tx, list(known.values()))).teams
    return {
        "subscriptions": [
            {
                "subscription": _subscription(one.incident_id, kind, id),
                "subscribable_name": known[one.incident_id].title,
            }
            for one in shown
            if one.incident_id in known
            and access.allowed(call.actor, Permission.VIEW, teams.get(one.incident_id))
        ],
        "limit": paging.limit,
        "offset": paging.offset,
        "total": None,
        "more": len(found) > paging.limit,
    }


async def _add(call: Call, kind: SubscriberKind) -> object:
    id = await _who(call, kind, changes=True)
    subscriptions = []
    for incident_id in _subscribables(call):
        try:
            results = await incidents.subscribe(
                call.tx, call.actor, incident_id, [(kind, id)], call.now
            )
            result = results[kind, id].value
        except Forbidden:
            result = "unauthorized"
        subscriptions.append({**_subscription(incident_id, kind, id), "result": result})
    return {"subscriptions": subscriptions}


async def _remove(call: Call, kind: SubscriberKind) -> object:
    id = await _who(call, kind, changes=True)
    deleted = unauthorized = missing = 0
    for incident_id in _subscribables(call):
        try:
            gone = await incidents.unsubscribe(
                call.tx, call.actor, incident_id, [(kind, id)], call.now
            )
            deleted += gone
            missing += 1 - gone
        except NotFound:
            missing += 1
        except Forbidden:
            unauthorized += 1
    return _removed(deleted, unauthorized, missing)


async def list_of_user(call: Call) -> object:
    """What a person follows, newest first."""
    return await _list(call, SubscriberKind.USER)


async def add_of_user(call: Call) -> object:
    """Let a person follow incidents."""
    return await _add(call, SubscriberKind.USER)


async def remove_of_user(call: Call) -> object:
    """Let a person follow them no more."""
    return await _remove(call, SubscriberKind.USER)


async def list_of_team(call: Call) -> object:
    """What a team follows, newest first."""
    return await _list(call, SubscriberKind.TEAM)


async def add_of_team(call: Call) -> object:
    """Let a team follow incidents."""
    return await _add(call, SubscriberKind.TEAM)


async def remove_of_team(call: Call) -> object:
    """Let a team follow them no more."""
    return await _remove(call, SubscriberKind.TEAM)


REMOVED = {"deleted_count": int, "unauthorized_count": int, "non_existent_count": int}
LISTED = {"subscriptions": list[dict[str, Any]]}
OPERATIONS = (
    Operation(
        method="POST",
        path="/incidents/{id}/status_updates",
        id="createIncidentStatusUpdate",
        summary="Publish a status update of an incident",
        tag=TAG,
        handle=publish,
        takes={"message": str, "subject": str | None, "html_message": str | None},
        gives={"status_update": dict[str, Any]},
        needs_from=True,
    ),
    Operation(
        method="GET",
        path="/incidents/{id}/status_updates/subscribers",
        id="getIncidentNotificationSubscribers",
        summary="List who gets the status updates of an incident",
        tag=TAG,
        handle=list_subscribers,
        params=operations.PAGING,
        gives={"subscribers": list[dict[str, Any]], "account_id": str | None},
        paged=True,
    ),
    Operation(
        method="POST",
        path="/incidents/{id}/status_updates/subscribers",
        id="createIncidentNotificationSubscribers",
        summary="Let people and teams get the status updates of an incident",
        tag=TAG,
        handle=add_subscribers,
        takes={"subscribers": list[SubscriberGiven]},
        gives=LISTED,
    ),
    Operation(
        method="POST",
        path="/incidents/{id}/status_updates/unsubscribe",
        id="removeIncidentNotificationSubscribers",
        summary="Send people and teams no more status updates of an incident",
        tag=TAG,
        handle=remove_subscribers,
        takes={"subscribers": list[SubscriberGiven]},
        gives=REMOVED,
    ),
    *(
        operation
        for path, tag, name, handlers in (
            ("/users/{id}", "Users", "User", (list_of_user, add_of_user, remove_of_user)),
            ("/teams/{id}", "Teams", "Team", (list_of_team, add_of_team, remove_of_team)),
        )
        for operation in (
            Operation(
                method="GET",
                path=f"{path}/notification_subscriptions",
                id=f"get{name}NotificationSubscriptions",
                summary=f"List what a {name.lower()} follows",
                tag=tag,
                handle=handlers[0],
                params=operations.PAGING,
                gives=LISTED,
                paged=True,
            ),
            Operation(
                method="POST",
                path=f"{path}/notification_subscriptions",
                id=f"create{name}NotificationSubscriptions",
                summary=f"Let a {name.lower()} follow incidents",
                tag=tag,
                handle=handlers[1],
                takes={"subscribables": list[SubscribableGiven]},
                gives=LISTED,
            ),
            Operation(
                method="POST",
                path=f"{path}/notification_subscriptions/unsubscribe",
                id=f"remove{name}NotificationSubscriptions",
                summary=f"Let a {name.lower()} follow incidents no more",
                tag=tag,
                handle=handlers[2],
                takes={"subscribables": list[SubscribableGiven]},
                gives=REMOVED,
            ),
        )
    ),
)
