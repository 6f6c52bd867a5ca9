"""Make, change, enable and delete subscriptions, and keep their secrets.

Who manages a service may subscribe to it, who manages a team to that team; what the whole account
is told leaves the house in one stream, so an administrator decides on it. Whoever sees the service
or team sees its subscriptions, with the address cut to its host and without secrets.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from urllib.parse import urlsplit

import msgspec
from msgspec import UNSET

from tocsin.accounts import actions as accounts
from tocsin.accounts import audit
from tocsin.accounts.access import Permission, allowed, require
from tocsin.accounts.model import Actor
from tocsin.catalog import actions as catalog
from tocsin.core import ids
from tocsin.core.crypto import SecretBox, new_token
from tocsin.core.database import Tx
from tocsin.core.errors import Invalid, NotFound, Refused
from tocsin.core.http import url_problem
from tocsin.timeline import feed
from tocsin.webhooks import delivery_store, payload, store
from tocsin.webhooks.actions.reading import Opened, by_ids, get, opened
from tocsin.webhooks.model import (
    MAX_SECRETS,
    MAX_SUBSCRIPTIONS,
    SECRET_LENGTH,
    FilterType,
    Header,
    NewSubscription,
    Secret,
    Subscription,
    SubscriptionChange,
)
from tocsin.webhooks.places import header_context, secret_context, url_context
from tocsin.webhooks.validation import (
    checked_description,
    checked_events,
    checked_filter,
    checked_headers,
    checked_url,
)

PINGS_PER_MINUTE = 10
MINUTE = timedelta(minutes=1)
EVERYTHING = {"filter_type": None, "filter_id": None, "visible": None}


async def create(
    tx: Tx, actor: Actor, box: SecretBox, new: NewSubscription, now: datetime
) -> tuple[Subscription, str]:
    """Make a subscription; it and its first secret, which is shown this once."""
    filter_id = checked_filter(new.filter_type, new.filter_id)
    await _require(tx, actor, new.filter_type, filter_id)
    url = checked_url(new.url, url_problem(new.url.strip()))
    headers = checked_headers(new.headers)
    if int(await tx.value(store.COUNT_SUBSCRIPTIONS, EVERYTHING)) >= MAX_SUBSCRIPTIONS:
        raise Refused("too_many", f"there can be at most {MAX_SUBSCRIPTIONS} subscriptions")
    id = ids.new("P", now)
    await tx.execute(
        store.INSERT_SUBSCRIPTION,
        {
            "id": id,
            "description": checked_description(new.description),
            "filter_type": new.filter_type,
            "filter_id": filter_id,
            "events": checked_events(new.events),
            **_sealed(box, id, url, headers),
            "active": new.active,
            "starts_at": now,
            "created_at": now,
        },
    )
    secret, _ = await _new_secret(tx, box, id, now)
    made = (await by_ids(tx, [id]))[id]
    await _changed(tx, actor, now, "create", after=made)
    return made, secret


async def update(
    tx: Tx, actor: Actor, id: str, change: SubscriptionChange, now: datetime, *, box: SecretBox
) -> Subscription:
    """Change a subscription. One that is switched on again is told what happens from then on."""
    old = await _locked(tx, actor, id)
    before = (await opened(tx, box, [old])).get(id)
    if before is None:
        if change.url is UNSET:
            raise Refused(
                "sealed", "its address does not open with this server's key: give it anew"
            )
        before = Opened(url="")
    filter_type = old.filter_type if change.filter_type is UNSET else change.filter_type
    filter_id = old.filter_id if change.filter_id is UNSET else change.filter_id
    filter_id = checked_filter(filter_type, filter_id)
    if (filter_type, filter_id) != (old.filter_type, old.filter_id):
        await _require(tx, actor, filter_type, filter_id)
    url = before.url
    if change.url is not UNSET:
        url = checked_url(change.url, url_problem(change.url.strip()))
    headers = list(before.headers)
    if change.headers is not UNSET:
        headers = checked_headers(change.headers, headers)
    active = old.active if change.active is UNSET else change.active
    events = old.events if change.events is UNSET else checked_events(change.events)
    description = old.description
    if change.description is not UNSET:
        description = checked_description(change.description)
    await tx.execute(
        store.UPDATE_SUBSCRIPTION,
        {
            "id": id,
            "description": description,
            "filter_type": filter_type,
            "filter_id": filter_id,
            "events": events,
            **_sealed(box, id, url, headers),
            "active": active,
            "starts_at": now if active and not old.active else old.starts_at,
        },
    )
    if active and not old.active:
        await tx.execute(delivery_store.PROMOTE_STRANDED, {"ids": [id], "now": now})
    new = (await by_ids(tx, [id]))[id]
    # What was changed of the secrets is named without showing them.
    also = ["url"] if url != before.url else []
    also += ["headers"] if headers != list(before.headers) else []
    if new != old or also:
        await _changed(tx, actor, now, "update", before=old, after=new, also=also)
        tx.notify("tocsin_wake", "webhooks")
    return new


async def enable(tx: Tx, actor: Actor, id: str, now: datetime) -> Subscription:
    """Send again to a subscription that was disabled because sends failed. What still waits for it
    is sent; after one that was disabled for good, what happened meanwhile is not told."""
    old = await _locked(tx, actor, id)
    if old.disabled_at is None:
        return old
    for_good = old.disabled_until is None
    starts_at = now if for_good else old.starts_at
    await tx.execute(store.ENABLE_SUBSCRIPTION, {"id": id, "starts_at": starts_at})
    await tx.execute(delivery_store.PROMOTE_STRANDED, {"ids": [id], "now": now})
    new = (await by_ids(tx, [id]))[id]
    await _changed(tx, actor, now, "enable", before=old, after=new)
    tx.notify("tocsin_wake", "webhooks")
    return new


async def delete(tx: Tx, actor: Actor, id: str, now: datetime) -> None:
    """End a subscription: nothing that waits for it is sent, and its secrets are forgotten."""
    old = await _locked(tx, actor, id)
    await tx.execute(store.DELETE_SUBSCRIPTION, {"id": id, "now": now})
    await tx.execute(store.DELETE_SECRETS_OF, {"subscription_id": id})
    await _changed(tx, actor, now, "delete", before=old)


async def add_secret(
    tx: Tx, actor: Actor, box: SecretBox, id: str, now: datetime
) -> tuple[Secret, str]:
    """One more secret, shown this once. What is sent carries a signature by each, so the receiver
    can move from the old one to the new one without missing an event."""
    subscription = await _locked(tx, actor, id)
    there = await tx.all(
        Secret, store.SELECT_SECRETS, {"subscription_id": id, "limit": MAX_SECRETS}
    )
    if len(there) >= MAX_SECRETS:
        raise Refused("too_many", f"it has {MAX_SECRETS} secrets: remove one first")
    secret, secret_id = await _new_secret(tx, box, id, now)
    await _changed(tx, actor, now, "add_secret", after=subscription)
    return Secret(id=secret_id, subscription_id=id, created_at=now), secret


async def remove_secret(tx: Tx, actor: Actor, id: str, secret_id: str, now: datetime) -> None:
    """Sign no more with one of the secrets. The last one stays, or nothing could be verified."""
    subscription = await _locked(tx, actor, id)
    there = await tx.all(
        Secret, store.SELECT_SECRETS, {"subscription_id": id, "limit": MAX_SECRETS}
    )
    if secret_id not in {secret.id for secret in there}:
        raise NotFound("secret", secret_id)
    if len(there) == 1:
        raise Refused("last_secret", "it is the only secret: add another one first")
    await tx.execute(store.DELETE_SECRET, {"id": secret_id, "subscription_id": id})
    await _changed(tx, actor, now, "remove_secret", after=subscription)


async def ping(tx: Tx, actor: Actor, id: str, now: datetime, *, base_url: str) -> str:
    """Send a test event, whatever the filter, even to one that is switched off; the delivery's id.
    At most ten a minute."""
    await _locked(tx, actor, id)
    asked = {"subscription_id": id, "since": now - MINUTE, "limit": PINGS_PER_MINUTE}
    if int(await tx.value(delivery_store.COUNT_PINGS, asked)) >= PINGS_PER_MINUTE:
        raise Refused(
            "too_many_pings", f"at most {PINGS_PER_MINUTE} pings are sent a minute: wait a moment"
        )
    event_id, delivery_id = ids.new("Q", now), ids.new("Q", now)
    asking = actor.user_id or ""
    who = (await accounts.users_by_ids(tx, [asking])).get(asking)
    await tx.execute(
        delivery_store.INSERT_EVENTS,
        {
            "ids": [event_id],
            "types": [payload.PING],
            "sources": [f"ping {event_id}"],
            # A resource of its own: it waits behind nothing and nothing waits behind it.
            "resource_ids": [event_id],
            "bodies": [payload.ping(event_id, who, now, base_url)],
            "occurred_ats": [now],
            "now": now,
        },
    )
    await tx.execute(
        delivery_store.INSERT_DELIVERIES,
        {
            "ids": [delivery_id],
            "subscription_ids": [id],
            "event_ids": [event_id],
            "resource_ids": [event_id],
            "failures": [None],
            "ping": True,
            "now": now,
        },
    )
    tx.notify("tocsin_wake", "webhooks")
    return delivery_id


async def _locked(tx: Tx, actor: Actor, id: str) -> Subscription:
    """The subscription, locked and the actor's to change. Raises NotFound and Forbidden."""
    seen = await get(tx, actor, id)
    require_to_manage(actor, seen)
    await tx.execute(store.LOCK_SUBSCRIPTIONS, {"ids": [id]})
    return await get(tx, actor, id)


def manages(actor: Actor, subscription: Subscription) -> bool:
    """Whether the actor may change it and see its address."""
    permission, team_id = _needed(subscription.filter_type, subscription.team_id)
    return allowed(actor, permission, team_id)


def require_to_manage(actor: Actor, subscription: Subscription) -> None:
    """Raise Forbidden unless the actor may change it."""
    permission, team_id = _needed(subscription.filter_type, subscription.team_id)
    require(actor, permission, team_id)


def _needed(filter_type: FilterType, team_id: str | None) -> tuple[Permission, str | None]:
    match filter_type:
        case FilterType.ACCOUNT:
            return Permission.MANAGE_INSTANCE, None
        case FilterType.SERVICE:
            return Permission.MANAGE_SERVICES, team_id
        case FilterType.TEAM:
            return Permission.MANAGE_TEAMS, team_id


async def _require(tx: Tx, actor: Actor, filter_type: FilterType, filter_id: str | None) -> None:
    """Raise unless there is such a thing and the actor may subscribe to it."""
    team_id = None
    if filter_type == FilterType.SERVICE:
        try:
            team_id = (await catalog.get_service(tx, actor, filter_id or "")).team_id
        except NotFound:
            raise Invalid("filter", f"there is no service {filter_id}") from None
    elif filter_type == FilterType.TEAM:
        team = (await accounts.teams_by_ids(tx, [filter_id or ""])).get(filter_id or "")
        if team is None or team.deleted_at is not None:
            raise Invalid("filter", f"there is no team {filter_id}")
        team_id = filter_id
    permission, team_id = _needed(filter_type, team_id)
    require(actor, permission, team_id)


def _sealed(box: SecretBox, id: str, url: str, headers: Sequence[Header]) -> dict[str, object]:
    parts = urlsplit(url)
    kept = msgspec.json.encode(list(headers))
    return {
        "url_sealed": box.encrypt(url, url_context(id)),
        "url_hint": f"{parts.scheme}://{parts.netloc}/…"[:200],
        "header_names": [header.name for header in headers],
        "headers_sealed": box.encrypt(kept, header_context(id)) if headers else None,
    }


async def _new_secret(tx: Tx, box: SecretBox, id: str, now: datetime) -> tuple[str, str]:
    secret, secret_id = new_token(SECRET_LENGTH), ids.new("P", now)
    await tx.execute(
        store.INSERT_SECRET,
        {
            "id": secret_id,
            "subscription_id": id,
            "secret_sealed": box.encrypt(secret, secret_context(secret_id)),
            "created_at": now,
        },
    )
    return secret, secret_id


async def _changed(
    tx: Tx,
    actor: Actor,
    now: datetime,
    action: str,
    *,
    before: Subscription | None = None,
    after: Subscription | None = None,
    also: Sequence[str] = (),
) -> None:
    """Note the change. The address and the headers' values are named, never written."""
    one = after or before
    assert one is not None
    kept = None if after is None else {**msgspec.structs.asdict(after)}
    if kept is not None and also:
        kept["changed_secretly"] = list(also)
    feed.changed(tx, "config")
    await audit.record(
        tx,
        actor,
        now,
        action=action,
        subject_type="webhook_subscription",
        subject_id=one.id,
        subject_label=one.description or one.url_hint,
        before=before,
        after=kept,
    )
