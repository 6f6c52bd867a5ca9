"""First set-up: from an empty server to a page that arrived, in five steps.

Each step can be left and taken up again: what was made is noted in the instance's own values, and
`/app/setup` leads to the first that is not done. The first step makes the owner and exists only
while nobody does; the others need the right to manage the instance.
"""

from datetime import datetime, timedelta
from typing import Any

import msgspec
from starlette.responses import RedirectResponse, Response

from tocsin.accounts import actions as accounts
from tocsin.accounts.access import Permission, require
from tocsin.accounts.model import Member, NewUser, Team, TeamRole
from tocsin.catalog import actions as catalog
from tocsin.catalog.model import IntegrationKind, NewIntegration, NewService, Service
from tocsin.core.database import Tx
from tocsin.core.errors import Invalid, Refused
from tocsin.core.timezones import zone_names
from tocsin.escalations import actions as escalations
from tocsin.escalations.model import LevelInput, Policy, PolicyInput, Target, TargetKind
from tocsin.web.page import Page, get, post
from tocsin.web.session import put_session
from tocsin.web.visit import Visit

STATE = "first_setup"
SETUP = "/app/setup"
STEPS: tuple[tuple[str, str], ...] = (
    ("account", "Your account"),
    ("team", "Team"),
    ("service", "First service"),
    ("oncall", "Who is on call"),
    ("key", "Connect a source"),
)
# Five minutes to answer, then once more from the start: a first ladder that forgives a nap.
FIRST_DELAY_MINUTES = 5
FIRST_LOOPS = 2


class Made(msgspec.Struct, frozen=True, kw_only=True):
    """What the steps have made so far."""

    team_id: str | None = None
    without_team: bool = False
    service_id: str | None = None
    policy_id: str | None = None
    integration_id: str | None = None
    on_call: str | None = None
    """Who was chosen: `me`, or the id of a schedule."""


class Progress(msgspec.Struct, frozen=True, kw_only=True):
    """What of it still exists."""

    made: Made
    team: Team | None
    service: Service | None
    policy: Policy | None

    def done(self, step: str) -> bool:
        """Whether a step is done."""
        if step == "account":
            return True
        if step == "team":
            return self.team is not None or self.made.without_team or self.done("service")
        if step == "service":
            return self.service is not None and self.policy is not None
        if step == "oncall":
            return self.made.on_call is not None
        return False

    @property
    def step(self) -> str:
        """The first step that is not done."""
        return next((name for name, _ in STEPS if not self.done(name)), "key")


async def progress(tx: Tx) -> Progress:
    """What was made and still exists."""
    made = await accounts.read_value(tx, STATE, Made) or Made()
    team = service = policy = None
    if made.team_id:
        team = (await accounts.teams_by_ids(tx, [made.team_id])).get(made.team_id)
    if made.service_id:
        service = (await catalog.services_by_ids(tx, [made.service_id])).get(made.service_id)
        if service is not None and service.deleted_at is not None:
            service = None
    if service is not None:
        id = service.escalation_policy_id
        policy = (await escalations.policies_by_ids(tx, [id])).get(id)
    return Progress(made=made, team=team, service=service, policy=policy)


async def note(tx: Tx, made: Made, **changes: Any) -> None:
    """Remember what was made."""
    await accounts.write_value(tx, STATE, msgspec.structs.replace(made, **changes))


def page_of(step: str, current: Progress | None) -> dict[str, Any]:
    """What every step's template needs: the trail, and where the step stands in it."""
    notes = {"account": "you", "key": "your monitoring"}
    if current is not None:
        notes |= {
            "team": current.team.name if current.team else "",
            "service": current.service.name if current.service else "",
            "oncall": "chosen" if current.made.on_call else "",
        }
    return {
        "trail": [
            {
                "name": name,
                "label": label,
                "note": notes.get(name, ""),
                "current": name == step,
                "done": current is not None and current.done(name),
            }
            for name, label in STEPS
        ],
        "step": step,
        "number": [name for name, _ in STEPS].index(step) + 1,
        "page": {"title": dict(STEPS)[step], "wide": True},
    }


async def begin(visit: Visit) -> Response:
    """Lead to the first step that is not done."""
    async with visit.tx() as tx:
        first = await accounts.needs_first_run(tx)
        if first:
            return RedirectResponse(f"{SETUP}/account", status_code=303)
        if not visit.signed_in:
            return RedirectResponse(f"/app/sign-in?next={SETUP}", status_code=303)
        require(visit.actor, Permission.MANAGE_INSTANCE)
        step = (await progress(tx)).step
    return RedirectResponse(f"{SETUP}/{step}", status_code=303)


# Step 1


async def account(visit: Visit) -> Response:
    """The form for the owner."""
    async with visit.tx() as tx:
        if not await accounts.needs_first_run(tx):
            return RedirectResponse(SETUP, status_code=303)
    return _account(visit, {"time_zone": "Etc/UTC"}, {})


async def make_account(visit: Visit) -> Response:
    """Make the owner and sign them in."""
    names = ("name", "email", "time_zone")
    values = {name: visit.field(name) for name in names}
    password = visit.raw_field("password")
    try:
        async with visit.tx() as tx:
            await accounts.first_run(tx, NewUser(password=password, **values), visit.now)
    except Invalid as error:
        return _account(visit, values, {error.field: error.message}, status=422)
    except Refused:
        return RedirectResponse("/app/sign-in", status_code=303)
    request = visit.request
    outcome = await accounts.sign_in(
        visit.deps.database,
        email=values["email"],
        password=password,
        address=request.client.host if request.client else "",
        user_agent=request.headers.get("user-agent", ""),
        now=visit.now,
    )
    response = visit.see_other(f"{SETUP}/team")
    if outcome.token is not None:
        put_session(response, outcome.token, secure=visit.deps.secure)
    return response


def _account(
    visit: Visit, values: dict[str, str], errors: dict[str, str], status: int = 200
) -> Response:
    return visit.render(
        "setup/account.html",
        status=status,
        values=values,
        errors=errors,
        zones=sorted(zone_names()),
        **page_of("account", None),
    )


# Step 2


async def team(visit: Visit) -> Response:
    """The form for the first team."""
    require(visit.actor, Permission.MANAGE_INSTANCE)
    async with visit.tx() as tx:
        current = await progress(tx)
    return _team(visit, current, current.team.name if current.team else "", None)


async def make_team(visit: Visit) -> Response:
    """Make the team with the viewer as its manager, or go on without one."""
    require(visit.actor, Permission.MANAGE_INSTANCE)
    name = visit.field("name")
    async with visit.tx() as tx:
        current = await progress(tx)
    try:
        async with visit.tx() as tx:
            if visit.field("without"):
                await note(tx, current.made, without_team=True)
            elif current.team is None or current.team.name != name:
                made = await accounts.create_team(tx, visit.actor, visit.now, name=name)
                member = Member(team_id=made.id, user_id=visit.viewer.id, role=TeamRole.MANAGER)
                await accounts.set_member(tx, visit.actor, member, visit.now)
                await note(tx, current.made, team_id=made.id)
    except Invalid as error:
        return _team(visit, current, name, error.message, status=422)
    return visit.see_other(f"{SETUP}/service")


def _team(
    visit: Visit, current: Progress, name: str, problem: str | None, status: int = 200
) -> Response:
    return visit.render(
        "setup/team.html", status=status, name=name, problem=problem, **page_of("team", current)
    )


# Step 3


async def service(visit: Visit) -> Response:
    """The form for the first service."""
    require(visit.actor, Permission.MANAGE_INSTANCE)
    async with visit.tx() as tx:
        current = await progress(tx)
    return _service(visit, current, current.service.name if current.service else "", {})


async def make_service(visit: Visit) -> Response:
    """Make the service with an escalation policy of its own and a key."""
    require(visit.actor, Permission.MANAGE_INSTANCE)
    name = visit.field("name")
    async with visit.tx() as tx:
        current = await progress(tx)
    if current.service is not None:
        return visit.see_other(f"{SETUP}/oncall")
    team_id = current.team.id if current.team else None
    try:
        async with visit.tx() as tx:
            policy = await escalations.create_policy(
                tx, visit.actor, first_policy(name, team_id, visit.viewer.id), visit.now
            )
            made = await catalog.create_service(
                tx, visit.actor, NewService(name=name, escalation_policy_id=policy.id), visit.now
            )
            integration, _ = await catalog.add_integration(
                tx,
                visit.actor,
                visit.deps.secret_box,
                NewIntegration(
                    service_id=made.id, name="Alertmanager", kind=IntegrationKind.ALERTMANAGER
                ),
                visit.now,
            )
            await note(
                tx,
                current.made,
                service_id=made.id,
                policy_id=policy.id,
                integration_id=integration.id,
            )
    except Invalid as error:
        return _service(visit, current, name, {"name": error.message}, status=422)
    return visit.see_other(f"{SETUP}/oncall")


def first_policy(name: str, team_id: str | None, user_id: str) -> PolicyInput:
    """One level with the person who sets up, repeated twice; the next step may change it."""
    target = Target(kind=TargetKind.USER, id=user_id)
    level = LevelInput(delay_minutes=FIRST_DELAY_MINUTES, targets=(target,))
    called = f"{name.strip() or 'First'} on call"
    return PolicyInput(name=called, levels=(level,), team_id=team_id, loops=FIRST_LOOPS)


def _service(
    visit: Visit, current: Progress, name: str, errors: dict[str, str], status: int = 200
) -> Response:
    return visit.render(
        "setup/service.html",
        status=status,
        name=name,
        errors=errors,
        minutes=FIRST_DELAY_MINUTES,
        loops=FIRST_LOOPS,
        existing=current.service,
        **page_of("service", current),
    )


def hand_off(now: datetime, weekday: int, at: datetime) -> datetime:
    """The last instant before `now` at which a weekly turn changed, `at` being one on any day."""
    day = at + timedelta(days=(weekday - at.isoweekday()) % 7)
    return day if day <= now else day - timedelta(days=7)


async def finish(visit: Visit) -> Response:
    """Note that the set-up is done."""
    async with visit.tx() as tx:
        await accounts.complete_setup(tx, visit.actor, visit.now)
    return visit.see_other("/app/incidents", toast="The set-up is done. You can change all of it.")


PAGES: tuple[Page, ...] = (
    get(SETUP, begin, public=True),
    get(f"{SETUP}/account", account, public=True),
    post(f"{SETUP}/account", make_account, public=True),
    get(f"{SETUP}/team", team),
    post(f"{SETUP}/team", make_team),
    get(f"{SETUP}/service", service),
    post(f"{SETUP}/service", make_service),
    post(f"{SETUP}/finish", finish),
)
