"""The last two steps of the set-up: being reached, and a first event that comes all the way.

Both show the truth as it happens: the outcome of a test message, and the road of an event from the
front door to the acknowledgement.
"""

from datetime import datetime, time, timedelta
from typing import Any

from starlette.responses import RedirectResponse, Response

from tocsin.accounts.access import Permission, require
from tocsin.catalog import actions as catalog
from tocsin.core.database import Tx
from tocsin.core.errors import Invalid, Problem, Refused
from tocsin.core.timezones import first_instant, wall_clock, zone
from tocsin.escalations import actions as escalations
from tocsin.escalations.model import LevelInput, PolicyInput, Target, TargetKind
from tocsin.paging import actions as paging
from tocsin.queries import choices, first_event, incident
from tocsin.queries import people as people_queries
from tocsin.schedules import actions as schedules
from tocsin.schedules.drafts import LayerDraft, ScheduleDraft
from tocsin.web import formats, ladder_words, own_door, words
from tocsin.web.page import Page, get, post
from tocsin.web.setup import SETUP, Progress, hand_off, note, page_of, progress
from tocsin.web.snippets import ALERTMANAGER_SEVERITY
from tocsin.web.visit import Visit

WEEK_SECONDS = 7 * 86_400
TESTS_SHOWN = timedelta(hours=1)
DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


async def oncall(visit: Visit) -> Response:
    """How the viewer is reached, and who is on call; `part=reach` is the outcome of the tests."""
    require(visit.actor, Permission.MANAGE_INSTANCE)
    return await _oncall(visit, {}, {})


async def add_method(visit: Visit) -> Response:
    """Add a contact method for the viewer and send a test to it at once."""
    require(visit.actor, Permission.MANAGE_INSTANCE)
    values = {name: visit.field(name) for name in ("channel", "address")}
    kind = next((k for k in visit.deps.channels if k.name == values["channel"]), None)
    try:
        if kind is None:
            raise Invalid("channel", "choose a channel of the list")
        offered: dict[str, Any] = {each.name: each for each in visit.deps.channels}
        draft = paging.ContactMethodDraft(
            user_id=visit.viewer.id,
            channel=kind.name,
            label=kind.label,
            address=values["address"],
            secret=visit.field("secret") or None,
        )
        async with visit.tx() as tx:
            method = await paging.add_contact_method(
                tx,
                visit.actor,
                draft,
                visit.now,
                channels=offered,
                secret_box=visit.deps.secret_box,
            )
            if kind.configured:
                await paging.send_test(tx, visit.actor, method.id, visit.now)
    except Invalid as error:
        return await _oncall(visit, values, {error.field: error.message}, status=422)
    except Refused as refused:
        return await _oncall(visit, values, {"address": refused.message}, status=409)
    return visit.see_other(f"{SETUP}/oncall")


async def send_test(visit: Visit) -> Response:
    """Send another test to one of the viewer's contact methods."""
    require(visit.actor, Permission.MANAGE_INSTANCE)
    try:
        async with visit.tx() as tx:
            await paging.send_test(tx, visit.actor, visit.field("method"), visit.now)
    except Refused as refused:
        return await _oncall(visit, {}, {"test": formats.sentence(refused.message)}, status=409)
    return visit.see_other(f"{SETUP}/oncall")


async def choose(visit: Visit) -> Response:
    """Put the viewer, or a weekly schedule, on level 1 of the first policy."""
    require(visit.actor, Permission.MANAGE_INSTANCE)
    values = {name: visit.field(name) for name in ("who", "day", "time")}
    async with visit.tx() as tx:
        current = await progress(tx)
    if current.policy is None or current.service is None:
        return RedirectResponse(f"{SETUP}/service", status_code=303)
    try:
        async with visit.tx() as tx:
            if values["who"] == "schedule":
                target = Target(kind=TargetKind.SCHEDULE, id=await _schedule(tx, visit, current))
            else:
                target = Target(kind=TargetKind.USER, id=visit.viewer.id)
            await _put_on_level_one(tx, visit, current, target)
            chosen = "me" if target.kind is TargetKind.USER else target.id
            await note(tx, current.made, on_call=chosen)
    except Invalid as error:
        return await _oncall(visit, values, {"who": formats.sentence(error.message)}, status=422)
    return visit.see_other(f"{SETUP}/key")


async def _schedule(tx: Tx, visit: Visit, current: Progress) -> str:
    """A weekly schedule of the people chosen, beginning with the viewer; or the one made before."""
    assert current.service is not None
    kept = current.made.on_call
    if kept not in (None, "me"):
        return str(kept)
    members = tuple(dict.fromkeys([visit.viewer.id, *filter(None, visit.fields("people"))]))
    day = visit.whole("day", 1, 7)
    try:
        at = time.fromisoformat(visit.field("time"))
    except ValueError:
        raise Invalid("time", "give the hour of the hand-off, such as 09:00") from None
    tz = zone(visit.viewer.time_zone)
    here = wall_clock(visit.now, tz)
    today = datetime.combine(here.date(), at.replace(second=0, microsecond=0, tzinfo=None))
    start = first_instant(hand_off(here, day, today), tz)
    draft = ScheduleDraft(
        name=f"{current.service.name} weekly",
        time_zone=visit.viewer.time_zone,
        team_id=current.team.id if current.team else None,
        layers=(
            LayerDraft(
                name="Weekly",
                rotation_virtual_start=start,
                rotation_turn_length_seconds=WEEK_SECONDS,
                members=members,
            ),
        ),
    )
    return (await schedules.create(tx, visit.actor, draft, visit.now)).id


async def _put_on_level_one(tx: Tx, visit: Visit, current: Progress, target: Target) -> None:
    policy = current.policy
    assert policy is not None
    first, *others = policy.levels
    levels = (
        LevelInput(
            id=first.id,
            delay_minutes=max(1, first.delay_seconds // 60),
            strategy=first.strategy,
            targets=(target,),
        ),
        *(
            LevelInput(
                id=level.id,
                delay_minutes=max(1, level.delay_seconds // 60),
                strategy=level.strategy,
                targets=level.targets,
            )
            for level in others
        ),
    )
    wanted = PolicyInput(
        name=policy.name,
        levels=levels,
        description=policy.description,
        team_id=policy.team_id,
        loops=policy.loops,
        handoff_notifications=policy.handoff_notifications,
    )
    await escalations.update_policy(tx, visit.actor, policy.id, wanted, visit.now)


async def _oncall(
    visit: Visit, values: dict[str, Any], errors: dict[str, str], status: int = 200
) -> Response:
    async with visit.tx() as tx:
        current = await progress(tx)
        methods = await paging.contact_methods(tx, visit.actor, visit.viewer.id)
        tests = await people_queries.last_tests(
            tx, visit.viewer.id, [method.id for method in methods], visit.now - TESTS_SHOWN
        )
        others = await choices.people(tx)
    if not current.done("service"):
        return RedirectResponse(f"{SETUP}/service", status_code=303)
    context: dict[str, Any] = {
        "methods": methods,
        "tests": tests,
        "words": words,
        "errors": errors,
    }
    if visit.is_fragment and visit.query("part") == "reach":
        return visit.render("setup/reach.html", **context)
    return visit.render(
        "setup/oncall.html",
        status=status,
        values=values,
        channels=sorted(visit.deps.channels, key=lambda kind: not kind.configured),
        others=[one for one in others if one.id != visit.viewer.id],
        days=list(enumerate(DAYS, 1)),
        made=current.made,
        policy=current.policy,
        **context,
        **page_of("oncall", current),
    )


async def key(visit: Visit) -> Response:
    """The key, what to paste where, and the road of the newest event."""
    return await _key(visit, None)


async def send_event(visit: Visit) -> Response:
    """Send one real event to the front door of this server with the first key."""
    require(visit.actor, Permission.MANAGE_INSTANCE)
    async with visit.tx() as tx:
        current = await progress(tx)
        secret = await _secret(tx, visit, current)
    if secret is None or current.service is None:
        return RedirectResponse(SETUP, status_code=303)
    answer = await own_door.enqueue(
        visit.request.app,
        {
            "routing_key": secret,
            "event_action": "trigger",
            "dedup_key": f"set-up-{current.made.integration_id}",
            "client": "Tocsin set-up",
            "client_url": f"{visit.deps.base_url}{SETUP}/key",
            "payload": {
                "summary": f"Test event for {current.service.name}, sent from the set-up",
                "source": "set-up",
                "severity": "critical",
                "custom_details": {"sent by": visit.viewer.name, "what to do": "Acknowledge it."},
            },
        },
    )
    if not answer.accepted:
        return await _key(visit, f"The front door refused the event. {answer.words}", status=409)
    return visit.see_other(f"{SETUP}/key#road")


async def _secret(tx: Tx, visit: Visit, current: Progress) -> str | None:
    if current.service is None or current.made.integration_id is None:
        return None
    try:
        return await catalog.reveal_key(
            tx, visit.actor, visit.deps.secret_box, current.made.integration_id
        )
    except Problem:
        return None


async def _key(visit: Visit, problem: str | None, status: int = 200) -> Response:
    require(visit.actor, Permission.MANAGE_INSTANCE)
    async with visit.tx() as tx:
        current = await progress(tx)
        secret = await _secret(tx, visit, current)
        if secret is None or current.service is None or current.made.integration_id is None:
            return RedirectResponse(f"{SETUP}/service", status_code=303)
        event, outcome = await first_event.latest(
            tx, current.service.id, current.made.integration_id
        )
        paged: list[incident.PagedView] = []
        if outcome is not None and outcome.incident_id is not None:
            paged = await incident.paged(tx, outcome.incident_id)
    context: dict[str, Any] = {
        "event": event,
        "outcome": outcome,
        "paged": paged,
        "after": ladder_words.after,
        "words": words,
        "answered": outcome is not None and outcome.status in ("acknowledged", "resolved"),
    }
    if visit.is_fragment and visit.query("part") == "road":
        return visit.render("setup/road.html", **context)
    return visit.render(
        "setup/key.html",
        status=status,
        problem=problem,
        key=secret,
        base_url=visit.deps.base_url,
        service=current.service,
        snippets=snippets(visit.deps.base_url, secret),
        **context,
        **page_of("key", current),
    )


def snippets(base_url: str, key: str) -> dict[str, str]:
    """What to paste where."""
    return {
        "pagerduty": (
            "route:\n  routes:\n    - receiver: tocsin\n"
            "      continue: true # your other receivers still get it\n\n"
            "receivers:\n  - name: tocsin\n    pagerduty_configs:\n"
            f"      - routing_key: {key}\n        url: {base_url}/v2/enqueue\n"
            f"        {ALERTMANAGER_SEVERITY}\n"
            "        send_resolved: true"
        ),
        "webhook": (
            "receivers:\n  - name: tocsin\n    webhook_configs:\n"
            f"      - url: {base_url}/alertmanager\n        send_resolved: true\n"
            "        http_config:\n          authorization:\n"
            f"            credentials: {key}"
        ),
        "curl": (
            f"curl -sS {base_url}/v2/enqueue -H 'content-type: application/json' -d '"
            f'{{"routing_key":"{key}","event_action":"trigger",'
            '"payload":{"summary":"Hello from curl","source":"my laptop",'
            '"severity":"critical"}}\''
        ),
        "amtool": ('amtool alert add TocsinHello severity=critical --annotation=summary="Hello"'),
    }


PAGES: tuple[Page, ...] = (
    get(f"{SETUP}/oncall", oncall),
    post(f"{SETUP}/oncall/method", add_method),
    post(f"{SETUP}/oncall/test", send_test),
    post(f"{SETUP}/oncall", choose),
    get(f"{SETUP}/key", key),
    post(f"{SETUP}/key/event", send_event),
)
