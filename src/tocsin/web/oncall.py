"""On-call: am I, until when, what is mine, how am I reached; who else is, who is next, what gapes.

One way in for covering: "take this shift" is an override for the viewer from now to the hand-off.
"""

from datetime import datetime, timedelta
from typing import Any

import msgspec
from starlette.responses import Response

from tocsin.accounts.access import Permission, allowed_somewhere
from tocsin.core.errors import Invalid, Refused
from tocsin.core.timezones import zone
from tocsin.escalations import actions as escalations
from tocsin.escalations.model import Policy
from tocsin.paging import actions as paging
from tocsin.paging.model import ContactMethod
from tocsin.queries import ladders
from tocsin.queries import oncall as oncall_queries
from tocsin.queries import policies as policy_queries
from tocsin.schedules import actions as schedules
from tocsin.schedules.drafts import OverrideDraft
from tocsin.schedules.model import Gap, ScheduleHead, Shift
from tocsin.web import formats, ladder_words, rota
from tocsin.web.page import Page, get, post
from tocsin.web.rota import Rota
from tocsin.web.strips import Axis
from tocsin.web.visit import Visit

MAX_POLICIES = 100
MAX_SCHEDULES = 100
PROOF_AGES_AFTER = timedelta(days=30)
WEEK = timedelta(days=7)


class Duty(msgspec.Struct, frozen=True, kw_only=True):
    """One way in which the viewer is on call now."""

    level: int
    policy: Policy
    schedule: str | None
    schedule_id: str | None
    until: datetime | None


class GapLine(msgspec.Struct, frozen=True, kw_only=True):
    """The next gap of one schedule, how many more there are, and how long they are together."""

    schedule: ScheduleHead
    gap: Gap
    more: int
    total: timedelta


class ScheduleLine(msgspec.Struct, frozen=True, kw_only=True):
    """One schedule: who is on call, and who is next."""

    schedule: ScheduleHead
    person: Any
    reachable: bool
    following: rota.Following | None
    takeable: bool


async def page(visit: Visit) -> Response:
    """The page, and (by hx-select) each part of it that changes."""
    async with visit.tx() as tx:
        policies = await escalations.list_policies(tx, visit.actor, limit=MAX_POLICIES)
        offered = await schedules.page(tx, visit.actor, limit=MAX_SCHEDULES)
        heads = offered.items
        found = await rota.read(
            tx, visit.now, policies=policies, schedule_ids=[head.id for head in heads]
        )
        uses = await policy_queries.services_of(tx, [policy.id for policy in policies])
        mine, open_count = await oncall_queries.my_open(tx, visit.viewer.id)
        briefs = await ladders.briefs(tx, [one.id for one in mine], visit.now) if mine else {}
        pages = await oncall_queries.page_times(tx, visit.viewer.id, visit.now - WEEK)
        methods = await paging.contact_methods(tx, visit.actor, visit.viewer.id)
    gaps = [line for head in heads if (line := _gap_line(head, found)) is not None]
    gaps.sort(key=lambda line: (line.gap.start, line.schedule.name))
    may_take = allowed_somewhere(visit.actor, Permission.RESPOND)
    return visit.render(
        "oncall/page.html",
        page={"title": "On-call", "section": "oncall"},
        duties=duties_of(policies, found, visit.viewer.id),
        strip=_strip(found, visit),
        next_shift=_next_shift(found, visit),
        mine=mine,
        climb={
            one.id: ladder_words.climb(one, briefs.get(one.id), visit.viewer.time_zone, visit.now)
            for one in mine
        },
        open_count=open_count,
        week=_week(pages, visit),
        methods=methods,
        weakest=weakest(methods, visit.now),
        proof=lambda method: proof(method, visit.now),
        board=[(policy, uses[policy.id], found.steps(policy)) for policy in policies],
        lines=[_line(head, found, visit, may_take=may_take) for head in heads],
        gaps=gaps,
        may_take=may_take,
        turn=found.turn(),
        cut_off=len(policies) == MAX_POLICIES or offered.next is not None,
    )


async def take(visit: Visit) -> Response:
    """Put the viewer on call from now until the next hand-off of a schedule."""
    schedule_id = visit.field("schedule_id")
    async with visit.tx() as tx:
        schedule = await schedules.get(tx, visit.actor, schedule_id, visit.now)
        found = await rota.read(tx, visit.now, schedule_ids=[schedule_id])
        current = found.current(schedule_id)
        if current is not None and current.user_id == visit.viewer.id:
            raise Refused("already_on_call", f"You are on call in {schedule.name} already.")
        end = found.ends(schedule_id) or found.horizon
        draft = OverrideDraft(user_id=visit.viewer.id, start=visit.now, end=end)
        outcome = (await schedules.add_overrides(tx, visit.actor, schedule_id, [draft], visit.now))[
            0
        ]
        if outcome.override is None:
            raise outcome.error or Invalid("schedule_id", "cannot be covered now")
    until = formats.moment(end, visit.viewer.time_zone, visit.now)
    return visit.see_other(
        "/app/oncall",
        toast=f"You are on call in {schedule.name} until {until}.",
        undo=f"/app/schedules/{schedule_id}/overrides/{outcome.override.id}/remove?next=oncall",
    )


def weakest(methods: list[ContactMethod], now: datetime) -> ContactMethod | None:
    """The contact method most in need of care, or None when all were proven lately."""
    doubtful = [method for method in methods if proof(method, now) != "works"]
    rank = {"fails": 0, "unproven": 1, "old": 2}
    return min(doubtful, key=lambda method: rank[proof(method, now)], default=None)


def proof(method: ContactMethod, now: datetime) -> str:
    """What is known of a method: `works`, `old`, `unproven` or `fails`."""
    if method.dead_since is not None:
        return "fails"
    if method.proven_at is None:
        return "unproven"
    return "old" if now - method.proven_at > PROOF_AGES_AFTER else "works"


def duties_of(policies: list[Policy], found: Rota, user_id: str) -> list[Duty]:
    """In which ways a person is on call now, the first to be paged first."""
    duties = [
        Duty(
            level=step.number,
            policy=policy,
            schedule=place.schedule.name if place.schedule else None,
            schedule_id=place.schedule.id if place.schedule else None,
            until=place.until,
        )
        for policy in policies
        for step in found.steps(policy)
        for place in step.places
        if place.user.id == user_id
    ]
    return sorted(duties, key=lambda duty: (duty.level, duty.until is None, duty.policy.name))


def _mine(found: Rota, user_id: str) -> list[Shift]:
    return [s for shifts in found.shifts.values() for s in shifts if s.user_id == user_id]


def _strip(found: Rota, visit: Visit) -> dict[str, Any]:
    tz = zone(formats.zone_of(visit.viewer.time_zone).key)
    axis = Axis(found.now, found.horizon, tz)
    return {
        "days": axis.days(visit.now),
        "bars": axis.bars(_mine(found, visit.viewer.id), {}, visit.now),
    }


def _next_shift(found: Rota, visit: Visit) -> tuple[datetime, str] | None:
    starts = [
        (shift.start, found.names[schedule_id].name)
        for schedule_id, shifts in found.shifts.items()
        for shift in shifts
        if shift.user_id == visit.viewer.id and shift.start > visit.now
    ]
    return min(starts, default=None)


def _line(head: ScheduleHead, found: Rota, visit: Visit, *, may_take: bool) -> ScheduleLine:
    person = found.person(head.id)
    return ScheduleLine(
        schedule=head,
        person=person,
        reachable=found.reached(head.id),
        following=found.following(head.id),
        takeable=may_take and (person is None or person.id != visit.viewer.id),
    )


def _gap_line(head: ScheduleHead, found: Rota) -> GapLine | None:
    gaps = found.gaps(head.id)
    if not gaps:
        return None
    total = sum((gap.end - gap.start for gap in gaps), timedelta())
    return GapLine(schedule=head, gap=gaps[0], more=len(gaps) - 1, total=total)


def _week(pages: list[datetime], visit: Visit) -> dict[str, Any]:
    zone_name = visit.viewer.time_zone
    today = formats.local(visit.now, zone_name).date()
    dates = [today - timedelta(days=back) for back in range(6, -1, -1)]
    counts = dict.fromkeys(dates, 0)
    for at in pages:
        date = formats.local(at, zone_name).date()
        if date in counts:
            counts[date] += 1
    return {
        "pages": len(pages),
        "nights": sum(1 for at in pages if formats.is_night(at, zone_name)),
        "counts": list(counts.values()),
    }


PAGES: tuple[Page, ...] = (get("/app/oncall", page), post("/app/oncall/take", take))
