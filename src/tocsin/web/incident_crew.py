"""Who is asked to join an incident, and who follows it: what its page shows, and what people do.

Each act is a plain form, listed in `ACTS` and carried out by `incident_acts`.
"""

from collections.abc import Awaitable, Callable
from typing import Any

from tocsin.core.database import Tx
from tocsin.core.errors import Invalid
from tocsin.incidents import actions as incidents
from tocsin.incidents.actions import NewRequest
from tocsin.incidents.responders import MAX_MESSAGE, Answer, AskKind, Wanted
from tocsin.incidents.status_updates import MAX_MESSAGE as MAX_UPDATE
from tocsin.incidents.status_updates import MAX_SUBJECT, NewUpdate, SubscriberKind
from tocsin.queries import responders as queries
from tocsin.queries.incident import Head
from tocsin.web import formats
from tocsin.web.visit import Visit

Said = tuple[str, bool]
Act = Callable[[Tx, Visit, str], Awaitable[Said]]
UPDATES_SHOWN = 10
FOLLOWERS_SHOWN = 50
TARGETS = {"user": AskKind.USER, "policy": AskKind.POLICY}
FOLLOWERS = {"user": SubscriberKind.USER, "team": SubscriberKind.TEAM}


async def asked(tx: Tx, visit: Visit, head: Head) -> dict[str, Any]:
    """Who was asked to join, and what the viewer is asked."""
    return {
        "asked": await queries.targets(tx, head.id),
        "question": await queries.question(tx, head.id, visit.viewer.id),
        "most_message": MAX_MESSAGE,
    }


async def updates(tx: Tx, visit: Visit, head: Head) -> dict[str, Any]:
    """What was told to who follows, and who that is."""
    followers = await incidents.subscribers(tx, visit.actor, head.id)
    return {
        "updates": await incidents.status_updates(tx, visit.actor, head.id, UPDATES_SHOWN),
        "followers": followers[:FOLLOWERS_SHOWN],
        "follower_count": len(followers),
        "follows": await incidents.follows(tx, head.id, visit.viewer.id),
        "most_update": MAX_UPDATE,
        "most_subject": MAX_SUBJECT,
    }


async def ask(tx: Tx, visit: Visit, id: str) -> Said:
    """Ask people and policies to join."""
    targets = [_chosen(value) for value in visit.fields("target") if value]
    if not targets:
        raise Invalid("target", "choose a person or an escalation policy")
    new = NewRequest(targets=tuple(dict.fromkeys(targets)), message=visit.field("message"))
    await incidents.ask_responders(tx, visit.actor, id, new, visit.now)
    return "They are paged now. Who joins shows under Responders.", False


def _chosen(value: str) -> Wanted:
    kind, _, id = value.partition(":")
    if kind not in TARGETS or not id:
        raise Invalid("target", "choose a person or an escalation policy")
    return Wanted(TARGETS[kind], id)


async def call_off(tx: Tx, visit: Visit, id: str) -> Said:
    """Call off one request that nobody answered, or all of them."""
    value = visit.field("target")
    targets = [_chosen(value)] if value else None
    ended = await incidents.cancel_requests(tx, visit.actor, id, targets, visit.now)
    if not ended:
        return "There was nothing left to call off.", False
    names = ", ".join(dict.fromkeys(target.label for target in ended))
    return f"Called off: {names}. Nothing more is sent for it.", False


async def join(tx: Tx, visit: Visit, id: str) -> Said:
    """Join, as one was asked to."""
    await incidents.answer_request(tx, visit.actor, id, Answer.JOIN, visit.now)
    return "You joined.", False


async def decline(tx: Tx, visit: Visit, id: str) -> Said:
    """Decline to join."""
    note = visit.field("note") or None
    await incidents.answer_request(tx, visit.actor, id, Answer.DECLINE, visit.now, note=note)
    return "You declined. Whoever asked sees it.", False


def new_update(visit: Visit) -> NewUpdate:
    """The update of a form."""
    return NewUpdate(message=visit.field("message"), subject=visit.field("subject") or None)


async def publish(tx: Tx, visit: Visit, id: str) -> Said:
    """Mail an update to everybody who follows."""
    update = await incidents.publish_update(tx, visit.actor, id, new_update(visit), visit.now)
    people = formats.plural(update.recipients, "person", "people")
    return f"Posted. It goes to {people} by e-mail.", False


async def follow(tx: Tx, visit: Visit, id: str) -> Said:
    """Get the updates of this incident."""
    who = (SubscriberKind.USER, visit.viewer.id)
    await incidents.subscribe(tx, visit.actor, id, [who], visit.now)
    return f"You follow it. Updates go to {visit.viewer.email}.", False


async def unfollow(tx: Tx, visit: Visit, id: str) -> Said:
    """Get them no more."""
    who = (SubscriberKind.USER, visit.viewer.id)
    await incidents.unsubscribe(tx, visit.actor, id, [who], visit.now)
    return "You no longer follow it.", False


async def add_follower(tx: Tx, visit: Visit, id: str) -> Said:
    """Let somebody else, or a team, get the updates."""
    await incidents.subscribe(tx, visit.actor, id, [_follower(visit)], visit.now)
    return "Added. They get the next update.", False


async def remove_follower(tx: Tx, visit: Visit, id: str) -> Said:
    """Send somebody, or a team, no more of them."""
    await incidents.unsubscribe(tx, visit.actor, id, [_follower(visit)], visit.now)
    return "Removed. They get no more updates of it.", False


def _follower(visit: Visit) -> tuple[SubscriberKind, str]:
    kind, _, id = visit.field("follower").partition(":")
    if kind not in FOLLOWERS or not id:
        raise Invalid("follower", "choose a person or a team")
    return FOLLOWERS[kind], id


ACTS: dict[str, Act] = {
    "responders": ask,
    "responders/cancel": call_off,
    "join": join,
    "decline": decline,
    "update": publish,
    "follow": follow,
    "unfollow": unfollow,
    "followers": add_follower,
    "followers/remove": remove_follower,
}
