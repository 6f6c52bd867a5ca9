"""Escalation policies: the list, the ladder with who would be paged now, and the editor."""

from datetime import datetime
from typing import Any

import msgspec
from starlette.responses import Response

from tocsin.accounts import actions as accounts
from tocsin.accounts.access import (
    Permission,
    allowed,
    allowed_somewhere,
    require,
    require_somewhere,
)
from tocsin.core.database import Tx
from tocsin.core.errors import Invalid, Refused
from tocsin.escalations import actions as escalations
from tocsin.escalations import ladder as rules
from tocsin.escalations.actions import PolicyFilter
from tocsin.escalations.model import Policy, Progress, Reason, Scene, Strategy
from tocsin.queries import choices
from tocsin.queries import policies as policy_queries
from tocsin.tags import actions as tag_actions
from tocsin.tags.model import TagKind
from tocsin.web import policy_form, rota, tag_cards, words
from tocsin.web.page import Page, get, post
from tocsin.web.policy_form import LevelDraft, PolicyDraft
from tocsin.web.visit import Visit

PAGE_SIZE = 50
SECTION = "policies"
BASE = "/app/escalation-policies"
STRATEGIES = (
    (Strategy.EVERYONE.value, "everyone at once"),
    (Strategy.ROUND_ROBIN.value, "one of them, in turn"),
)


class Rung(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the preview, as ui.ladder draws it."""

    number: int
    who: str
    note: str
    at: datetime | None
    state: str = "later"
    knob: str | None = None


async def policies(visit: Visit) -> Response:
    """Every policy the viewer may see, by name."""
    query = visit.query("q")
    page = int(visit.query("page")) if visit.query("page").isdecimal() else 1
    page = min(max(page, 1), 1000)
    async with visit.tx() as tx:
        tagged = await tag_cards.wanted(tx, visit)
        found = await escalations.list_policies(
            tx,
            visit.actor,
            limit=PAGE_SIZE + 1,
            offset=(page - 1) * PAGE_SIZE,
            wanted=PolicyFilter(query=query, tag_id=tagged.id),
        )
        more, shown = len(found) > PAGE_SIZE, found[:PAGE_SIZE]
        on_call = await rota.read(tx, visit.now, policies=shown)
        uses = await policy_queries.services_of(tx, [policy.id for policy in shown])
    return visit.render(
        "policies/list.html",
        page={"title": "Escalation policies", "section": SECTION},
        board=[(policy, uses[policy.id], on_call.steps(policy)) for policy in shown],
        query=query,
        tagged=tagged,
        number=page,
        more=more,
        may_add=allowed_somewhere(visit.actor, Permission.MANAGE_POLICIES),
    )


async def policy_page(visit: Visit) -> Response:
    """One policy."""
    return await _show(visit)


async def _show(visit: Visit, *, problem: str | None = None, status: int = 200) -> Response:
    async with visit.tx() as tx:
        policy = await escalations.get_policy(tx, visit.actor, visit.path("id"))
        on_call = await rota.read(tx, visit.now, policies=[policy])
        services = (await policy_queries.services_of(tx, [policy.id]))[policy.id]
        rungs, end = await _preview(tx, policy, on_call, visit.now)
        teams = await accounts.teams_by_ids(tx, [policy.team_id] if policy.team_id else [])
        tags = (await tag_actions.tags_of(tx, TagKind.POLICY, [policy.id]))[policy.id]
    manages = allowed(visit.actor, Permission.MANAGE_POLICIES, policy.team_id)
    return visit.render(
        "policies/page.html",
        status=status,
        page={"title": policy.name, "section": SECTION, "up": ("Escalation policies", BASE)},
        policy=policy,
        steps=on_call.steps(policy),
        turn=on_call.turn(),
        services=services,
        rungs=rungs,
        end=end,
        problem=problem,
        team=teams.get(policy.team_id or ""),
        strategies=dict(STRATEGIES),
        manages=manages,
        tags=tags,
        may_tag=manages,
    )


async def _preview(
    tx: Tx, policy: Policy, on_call: rota.Rota, now: datetime
) -> tuple[list[Rung], str]:
    """Who would be paged if an incident opened now and nobody answered, and why it ends; the why is
    empty when it goes on beyond the steps shown."""
    catch_all = await escalations.catch_all(tx)
    wanted = set(on_call.users) | ({catch_all} if catch_all else set())
    people = await escalations.people(tx, sorted(wanted))
    turns = await policy_queries.turns(tx, [level.id for level in policy.levels])
    ladder = (await escalations.ladders(tx, [policy.id]))[policy.id]

    def on_call_at(schedule_id: str, at: datetime) -> tuple[str, ...]:
        shifts = on_call.shifts.get(schedule_id, ())
        return tuple(shift.user_id for shift in shifts if shift.start <= at < shift.end)

    scene = Scene(people=people, catch_all=catch_all, turns=turns)
    found = rules.preview(ladder, Progress(), now, scene, on_call_at)
    rungs: list[Rung] = []
    end = ""
    loop = 0
    for rung in found:
        if not rung.user_ids:
            end = words.because(rung.reason)
            break
        names = [people[id].name if id in people else "somebody" for id in rung.user_ids]
        notes = []
        if rung.loop > loop:
            notes.append(f"loop {rung.loop + 1} of {policy.loops + 1}")
        if rung.reason == Reason.NOBODY_ON_CALL:
            notes.append(words.because(rung.reason))
        notes += [
            f"level {skip.level}: {_target_name(skip, on_call, people)} "
            + words.skipped(skip.reason)
            for skip in rung.skips
        ]
        rungs.append(
            Rung(
                number=rung.level,
                who=", ".join(names),
                note="; ".join(notes),
                at=rung.at,
                knob="loop" if rung.loop > loop else None,
            )
        )
        loop = rung.loop
    return rungs, end


def _target_name(skip: Any, on_call: rota.Rota, people: dict[str, Any]) -> str:
    if skip.user_id is not None and skip.user_id in people:
        return str(people[skip.user_id].name)
    if skip.target.id in on_call.names:
        return f"in {on_call.names[skip.target.id].name}"
    user = on_call.users.get(skip.target.id)
    return user.name if user else "somebody who"


async def new_policy(visit: Visit) -> Response:
    """An empty editor."""
    require_somewhere(visit.actor, Permission.MANAGE_POLICIES)
    draft = PolicyDraft(levels=[LevelDraft(targets=[f"user:{visit.viewer.id}"])])
    return await _editor(visit, draft, None)


async def edit_policy(visit: Visit) -> Response:
    """The editor, filled in."""
    async with visit.tx() as tx:
        policy = await escalations.get_policy(tx, visit.actor, visit.path("id"))
    require(visit.actor, Permission.MANAGE_POLICIES, policy.team_id)
    return await _editor(visit, policy_form.of_policy(policy), policy)


async def post_new(visit: Visit) -> Response:
    """A step of the editor, or make the policy."""
    return await _post(visit, None)


async def post_edit(visit: Visit) -> Response:
    """A step of the editor, or save the policy."""
    async with visit.tx() as tx:
        policy = await escalations.get_policy(tx, visit.actor, visit.path("id"))
    return await _post(visit, policy)


async def _post(visit: Visit, policy: Policy | None) -> Response:
    draft = policy_form.read(visit)
    do = visit.field("do", policy_form.SAVE)
    if do != policy_form.SAVE:
        policy_form.step(draft, do)
        return await _editor(visit, draft, policy)
    try:
        wanted = policy_form.wanted(draft)
        async with visit.tx() as tx:
            saved = (
                await escalations.create_policy(tx, visit.actor, wanted, visit.now)
                if policy is None
                else await escalations.update_policy(tx, visit.actor, policy.id, wanted, visit.now)
            )
    except Invalid as error:
        return await _editor(visit, draft, policy, errors=policy_form.errors_of(error), status=422)
    return visit.see_other(
        f"{BASE}/{saved.id}", toast=f"{saved.name} is saved. Open incidents keep their ladder."
    )


async def _editor(
    visit: Visit,
    draft: PolicyDraft,
    policy: Policy | None,
    *,
    errors: dict[str, str] | None = None,
    status: int = 200,
) -> Response:
    async with visit.tx() as tx:
        targets = [t.id for level in policy.levels for t in level.targets] if policy else []
        people = await choices.people(tx, keep=targets)
        schedules = await choices.schedules(tx, visit.actor, keep=targets)
        owner = [policy.team_id] if policy and policy.team_id else []
        teams = await choices.teams(tx, visit.actor, keep=owner)
    offered = [(f"schedule:{schedule.id}", f"{schedule.name} (schedule)") for schedule in schedules]
    offered += [(f"user:{person.id}", person.name) for person in people]
    up = (policy.name, f"{BASE}/{policy.id}") if policy else ("Escalation policies", BASE)
    return visit.render(
        "policies/editor.html",
        status=status,
        page={"title": "Edit" if policy else "New escalation policy", "section": SECTION, "up": up},
        action=f"{BASE}/{policy.id}/edit" if policy else f"{BASE}/new",
        back=f"{BASE}/{policy.id}" if policy else BASE,
        draft=draft,
        errors=errors or {},
        choices=[("", "nobody"), *offered],
        teams=[("", "no team"), *((team.id, team.name) for team in teams)],
        strategies=STRATEGIES,
    )


async def delete_policy(visit: Visit) -> Response:
    """Delete a policy that no service uses."""
    try:
        async with visit.tx() as tx:
            policy = await escalations.get_policy(tx, visit.actor, visit.path("id"))
            await escalations.delete_policy(tx, visit.actor, policy.id, visit.now)
    except Refused as refused:
        return await _show(visit, problem=refused.message, status=409)
    return visit.see_other(BASE, toast=f"{policy.name} is deleted.")


PAGES: tuple[Page, ...] = (
    get(BASE, policies),
    get(f"{BASE}/new", new_policy),
    post(f"{BASE}/new", post_new),
    get(f"{BASE}/{{id}}", policy_page),
    get(f"{BASE}/{{id}}/edit", edit_policy),
    post(f"{BASE}/{{id}}/edit", post_edit),
    post(f"{BASE}/{{id}}/delete", delete_policy),
)
