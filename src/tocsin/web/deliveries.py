"""Deliveries: the ledger with proof instead of hope, and for each "why was this person paged?".

The chain is read from what was kept at the time: the timeline's entry of the rung, the ladder as it
was when the incident opened, and the schedule's versions in force at the instant of the page.
"""

from collections.abc import Sequence
from datetime import datetime

import msgspec
from starlette.responses import Response

from tocsin.accounts import actions as accounts
from tocsin.core.database import Tx
from tocsin.core.errors import Invalid, NotFound
from tocsin.engine.nodes import living
from tocsin.paging import actions as paging
from tocsin.paging.model import DeliveryReason, DeliveryState
from tocsin.queries import choices
from tocsin.queries import deliveries as ledger
from tocsin.queries import policies as policy_queries
from tocsin.queries.deliveries import Cause, Row
from tocsin.schedules import actions as schedules
from tocsin.web import formats, words
from tocsin.web.page import Page, get
from tocsin.web.visit import Visit

PAGE_SIZE = 50
SECTION = "deliveries"
MOST_QUOTED = 200
STATES = tuple(state.value for state in DeliveryState)


class Link(msgspec.Struct, frozen=True, kw_only=True):
    """One link of the chain, as ui.entry draws it."""

    at: datetime
    icon: str
    text: str
    because: str | None = None
    tone: str = ""
    href: str | None = None


async def deliveries(visit: Visit) -> Response:
    """The ledger with its filters."""
    chosen = {name: visit.query(name) for name in ("person", "channel", "state", "incident")}
    number = _number(chosen["incident"])
    cursor = visit.query("cursor") or None
    async with visit.tx() as tx:
        found = await ledger.ledger(
            tx,
            visit.actor,
            user_id=chosen["person"] or None,
            channel=chosen["channel"] or None,
            state=chosen["state"] if chosen["state"] in STATES else None,
            number=number,
            cursor=cursor,
            limit=PAGE_SIZE,
        )
        people = await choices.people(tx, keep=[chosen["person"]])
    return visit.render(
        "deliveries/list.html",
        page={"title": "Deliveries", "section": SECTION},
        rows=found.items,
        next=found.next,
        cursor=cursor,
        chosen=chosen,
        people=[("", "everybody"), *((user.id, user.name) for user in people)],
        channels=[("", "any"), *((kind.name, kind.label) for kind in visit.deps.channels)],
        channel_labels={kind.name: kind.label for kind in visit.deps.channels},
        states=[("", "any"), *((state, words.delivery_state(state)) for state in STATES)],
        proof=lambda row: proof(row, visit.now),
        tone=tone,
    )


async def delivery(visit: Visit) -> Response:
    """Why one message was sent, and what became of it."""
    delivery_id = visit.path("id")
    async with visit.tx() as tx:
        _, attempts = await paging.delivery(tx, visit.actor, delivery_id)
        row = await ledger.row(tx, delivery_id)
        if row is None:
            raise NotFound("delivery", delivery_id)
        causes = await ledger.causes(tx, delivery_id)
        chain = await _chain(tx, row, causes)
        nodes = {node.id: node.name for node in await living(tx)}
    return visit.render(
        "deliveries/page.html",
        page={
            "title": f"Why {row.user_name.split()[0]} was told"
            if row.kind != "test"
            else f"Test to {row.user_name}",
            "section": SECTION,
            "up": ("Deliveries", "/app/deliveries"),
        },
        row=row,
        chain=chain,
        attempts=attempts,
        nodes=nodes,
        causes=causes,
        proof=proof(row, visit.now),
        tone=tone(row),
        outcome=words.attempt_outcome,
        took=_seconds,
        channel_labels={kind.name: kind.label for kind in visit.deps.channels},
    )


def proof(row: Row, now: datetime) -> str:
    """What is known of a delivery, in words that claim no more than that."""
    detail = words.detail(row.detail) if row.detail else ""
    if row.state == DeliveryState.SENT and row.finished_at is not None:
        took = _seconds(row.first_due_at, row.finished_at)
        tries = f", at attempt {row.attempts}" if row.attempts > 1 else ""
        return f"handed over after {took}{tries}"
    if row.state == DeliveryState.FAILED:
        after = f" after {formats.plural(row.attempts, 'attempt')}" if row.attempts > 1 else ""
        nexts = "; next method at once" if row.next_started else ""
        return f"failed{after}: {detail or words.delivery_reason(row.reason)}{nexts}"
    if row.state == DeliveryState.QUEUED:
        if row.attempts:
            return f"to be tried again {formats.relative(row.due_at, now)}: {detail}"
        return "due now" if row.due_at <= now else f"due {formats.relative(row.due_at, now)}"
    if row.state == DeliveryState.SENDING:
        return f"being sent, attempt {row.attempts}"
    if row.state == DeliveryState.CANCELLED:
        return f"withdrawn: {detail or 'somebody acted before it was due'}"
    return words.delivery_state(row.state)


def tone(row: Row) -> str:
    """The colour class of a delivery's state."""
    return {"sent": "ok", "failed": "hot", "queued": "", "sending": "amber"}.get(row.state, "muted")


async def _chain(tx: Tx, row: Row, causes: Sequence[Cause]) -> list[Link]:
    if row.kind == "test":
        return [Link(at=row.created_at, icon="send", text="A test was asked for by hand")]
    if row.kind == "handoff":
        text = f"A turn on call of {row.user_name} begins or ends"
        because = words.delivery_reason(row.reason)
        return [Link(at=row.created_at, icon="oncall", text=text, because=because)]
    if row.kind == "status_update":
        text = f"A status update on #{row.number} was posted"
        because = words.delivery_reason(row.reason)
        href = f"/app/incidents/{row.incident_id}#status-updates"
        return [Link(at=row.created_at, icon="mail", text=text, because=because, href=href)]
    if not causes:
        return [Link(at=row.created_at, icon="bell", text="The page is no longer on record")]
    chain = await _of_page(tx, causes[0])
    if len(causes) > 1:
        chain.append(
            Link(
                at=causes[-1].created_at,
                icon="merge",
                text=f"{formats.plural(len(causes), 'page')} travel in this one message",
                because=words.delivery_reason(row.reason),
            )
        )
    wait = (row.first_due_at - causes[0].created_at).total_seconds()
    when = "at once" if wait < 1 else f"{formats.duration(wait, parts=2)} after the page"
    label = f"{row.method_label} ({row.address_hint})"
    because = words.delivery_reason(row.reason)
    if row.reason == DeliveryReason.RULE:
        because = f"{row.user_name}’s notification rule for {causes[0].urgency} urgency"
    chain.append(Link(at=row.created_at, icon="send", text=f"Use {label}, {when}", because=because))
    return chain


async def _of_page(tx: Tx, cause: Cause) -> list[Link]:
    chain: list[Link] = []
    alert = await ledger.first_alert(tx, cause.incident_id)
    if alert is not None:
        through = f"through {alert.integration_name}" if alert.integration_name else ""
        said = ", ".join(
            part for part in (f"key {alert.dedup_key}", alert.source, alert.severity) if part
        )
        chain.append(
            Link(
                at=alert.created_at,
                icon="link",
                text=f"An event came in {through}: {alert.summary}".replace(" :", ":"),
                because=f"it opened an alert: {said}",
            )
        )
    chain.append(
        Link(
            at=cause.opened_at,
            icon="triggered",
            text=f"Incident #{cause.number} opened on {cause.service_name}",
            because="no open alert had this key" if alert else "opened by hand",
            href=f"/app/incidents/{cause.incident_id}",
        )
    )
    if cause.asked_by is not None:
        said = (cause.asked_for or "")[:MOST_QUOTED]
        text = f"{cause.asked_by} asked for {cause.user_name} to join: “{said}”"
        chain.append(Link(at=cause.created_at, icon="adduser", text=text))
        return chain
    step = await ledger.ladder_step(tx, cause.incident_id, cause.step)
    level = int((step.data or {}).get("level") or 0) if step is not None else 0
    on_level = f"Level {level} of {cause.policy_name}" if level else f"By {cause.policy_name}"
    if step is not None and step.actor_kind in ("person", "key", "reply"):
        on_level = f"{step.actor_label} chose " + (on_level.lower() if level else "who is paged")
    chain.append(
        Link(
            at=step.at if step is not None else cause.created_at,
            icon="ladder",
            text=on_level,
            because=words.because(cause.reason),
            href=f"/app/escalation-policies/{cause.policy_id}" if cause.policy_id else None,
        )
    )
    chain.append(await _on_call(tx, cause, level))
    return chain


async def _on_call(tx: Tx, cause: Cause, level: int) -> Link:
    """Why this very person: by which layer or override, or by name."""
    levels = cause.levels or []
    targets = levels[level - 1].get("targets", []) if 0 < level <= len(levels) else []
    users = await accounts.users_by_ids(tx, [cause.user_id])
    name = users[cause.user_id].name if cause.user_id in users else "the person"
    at = cause.created_at
    schedule_ids = [target["id"] for target in targets if target.get("kind") == "schedule"]
    shifts = await schedules.shifts_at(tx, schedule_ids, at)
    names = await policy_queries.schedule_names(tx, schedule_ids)
    for schedule_id, shift in shifts.items():
        if shift is None or shift.user_id != cause.user_id:
            continue
        schedule = names[schedule_id].name if schedule_id in names else "a schedule"
        layers = await ledger.layer_names(tx, [shift.source_id])
        by = (
            "by an override"
            if shift.reason == "override"
            else (f"by the layer {layers.get(shift.source_id, 'of that time')}")
        )
        return Link(
            at=at,
            icon="oncall",
            text=f"{name} was paged: on call in {schedule}",
            because=f"{by}, {_moment(shift.start)} to {_moment(shift.end)} UTC",
            href=f"/app/schedules/{schedule_id}",
        )
    if any(target.get("id") == cause.user_id for target in targets):
        because = "named directly on this level"
    elif cause.reason == "nobody_on_call":
        because = "the catch-all person: every level was empty"
    else:
        because = words.because(cause.reason)
    return Link(at=at, icon="oncall", text=f"{name} was paged", because=because)


def _moment(at: datetime) -> str:
    return f"{at.day} {formats.MONTHS[at.month - 1]} {at.hour:02}:{at.minute:02}"


def _seconds(since: datetime, until: datetime) -> str:
    took = max(0.0, (until - since).total_seconds())
    if took < 0.1:
        return f"less than 0.1{formats.NBSP}s"
    return f"{took:.1f}{formats.NBSP}s" if took < 60 else formats.duration(took, parts=2)


def _number(text: str) -> int | None:
    digits = text.removeprefix("#").strip()
    if not digits:
        return None
    if not (digits.isascii() and digits.isdigit() and len(digits) < 16):
        raise Invalid("incident", "is the number of an incident, such as 4812")
    return int(digits)


PAGES: tuple[Page, ...] = (
    get("/app/deliveries", deliveries),
    get("/app/deliveries/{id}", delivery),
)
