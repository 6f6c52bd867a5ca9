"""Notifications: what was sent to people by which way, from the delivery ledger.

A channel without a type of its own on the wire (ntfy, Slack, a webhook) is a push. The address is
shown as with contact methods: in clear to its owner and to whoever manages people, else masked; a
push has none.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec

from tocsin.paging import actions as paging
from tocsin.paging.model import ContactMethod, DeliveryState
from tocsin.queries import notifications as queries
from tocsin.queries.notifications import Notification, Wanted
from tocsin.rest.call import Call
from tocsin.rest.errors import ApiError, invalid
from tocsin.rest.operations import PAGING
from tocsin.rest.resource import Operation, Param, Ref, Reference

LONGEST = timedelta(days=92)
BAD_RANGE = 2004
PUSH = "push_notification"
TYPES = {
    "email": "email_notification",
    "sms": "sms_notification",
    "voice": "phone_notification",
}
FILTERS = (*TYPES.values(), PUSH)
STATUSES = {
    DeliveryState.SENT: "success",
    DeliveryState.FAILED: "failed",
    DeliveryState.CANCELLED: "cancelled",
    DeliveryState.BUNDLED: "cancelled",
}


class NotificationShown(msgspec.Struct):
    """One message to one person."""

    id: str
    type: str
    started_at: datetime
    address: str | None
    conferenceAddress: str | None
    status: str
    user: Reference


async def list_notifications(call: Call) -> object:
    """What was sent from `since` to before `until`, newest first."""
    paging_wanted = call.paging()
    wanted = _wanted(call)
    found = await queries.notifications(
        call.tx,
        call.actor,
        wanted,
        limit=paging_wanted.limit + 1,
        offset=paging_wanted.offset,
    )
    part = found[: paging_wanted.limit]
    methods = await queries.methods(call.tx, sorted({one.contact_method_id for one in part}))
    clear = await paging.addresses(
        call.tx, call.actor, call.deps.secret_box, list(methods.values())
    )
    full = "users" in call.includes
    total = await queries.count(call.tx, call.actor, wanted) if paging_wanted.total else None
    return {
        "notifications": [_shown(one, methods, clear, full) for one in part],
        "limit": paging_wanted.limit,
        "offset": paging_wanted.offset,
        "total": total,
        "more": len(found) > paging_wanted.limit,
    }


def _wanted(call: Call) -> Wanted:
    since, until = call.instant("since"), call.instant("until")
    if since is None or until is None:
        missing = "since" if since is None else "until"
        raise invalid(f"{missing} is required, a time such as 2030-01-31T09:00:00Z")
    if until < since:
        raise ApiError(400, BAD_RANGE, "Invalid Date Range", "until must not be before since")
    if until - since > LONGEST:
        raise invalid(f"until must be at most {LONGEST.days} days after since")
    chosen = call.text("filter")
    if chosen is not None and chosen not in FILTERS:
        raise invalid(f"filter must be one of {', '.join(FILTERS)}")
    if chosen is None:
        return Wanted(since=since, until=until)
    channels: Sequence[str] = [name for name, type in TYPES.items() if type == chosen]
    if chosen == PUSH:
        return Wanted(since=since, until=until, channels=list(TYPES), among=False)
    return Wanted(since=since, until=until, channels=channels)


def _shown(
    one: Notification,
    methods: Mapping[str, ContactMethod],
    clear: Mapping[str, str],
    full: bool,
) -> dict[str, Any]:
    type = TYPES.get(one.channel, PUSH)
    method = methods.get(one.contact_method_id)
    address = None
    if type != PUSH and method is not None:
        address = clear.get(method.id, method.address_hint)
    return {
        "id": one.id,
        "type": type,
        "started_at": one.started_at,
        "address": address,
        "conferenceAddress": None,
        "status": STATUSES.get(DeliveryState(one.state), "in_progress"),
        "user": Ref("user", one.user_id, full=full),
    }


OPERATIONS = (
    Operation(
        method="GET",
        path="/notifications",
        id="listNotifications",
        summary="List what was sent to people",
        tag="Notifications",
        handle=list_notifications,
        params=(
            Param(name="since"),
            Param(name="until"),
            Param(name="filter"),
            Param(name="time_zone"),
            Param(name="include", many=True),
            *PAGING,
        ),
        gives={"notifications": list[NotificationShown]},
        paged=True,
    ),
)
