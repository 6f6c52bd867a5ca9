"""One installation with a person for every base role and team role, and one thing of each kind that
belongs to their team; everything committed, so that each trial starts from the same rows."""

from datetime import timedelta
from typing import NamedTuple

from tests.support.world import PASSWORD, World
from tocsin.accounts import actions as accounts
from tocsin.accounts.model import SYSTEM, Member, NewKey, Role, TeamRole
from tocsin.catalog import actions as catalog
from tocsin.catalog.graph_model import End, NewBusinessService, Pair
from tocsin.catalog.model import NewIntegration, NewService
from tocsin.core import crypto
from tocsin.escalations import actions as escalations
from tocsin.escalations.model import LevelInput, PolicyInput, Target, TargetKind
from tocsin.handoffs import actions as handoffs
from tocsin.incidents import actions as incidents
from tocsin.incidents.actions import NewRequest
from tocsin.incidents.model import NewIncident
from tocsin.incidents.responders import AskKind, Wanted
from tocsin.paging import actions as paging
from tocsin.schedules import actions as schedules
from tocsin.schedules.drafts import LayerDraft, OverrideDraft, ScheduleDraft
from tocsin.suppression import actions as suppression
from tocsin.suppression.model import NewWindow
from tocsin.tags import actions as tags
from tocsin.tags.model import Naming, TagKind
from tocsin.webhooks import actions as webhooks
from tocsin.webhooks.model import FilterType, NewSubscription

RELATIONS = ("none", "observer", "responder", "manager", "elsewhere")
INSERT_SESSION = """
insert into sessions (digest, user_id, created_at, last_seen_at, expires_at, user_agent, address)
values (%(digest)s, %(user)s, %(now)s, %(now)s, %(until)s, 'test', '192.0.2.7')
"""
INSERT_MEMBER = """
insert into team_members (team_id, user_id, role) values (%(team)s, %(user)s, %(role)s)
"""
INSERT_QUARANTINED = """
with e as (
    insert into events (received_at, service_id, integration_id, format, body)
    values (%(now)s, %(service)s, %(integration)s, 'pagerduty_v2', '{}') returning seq
), i as (
    insert into inbox (seq, slice, service_id, due_at, quarantined)
    select seq, 3, %(service)s, %(now)s, true from e
)
select seq from e
"""
SAME_PASSWORD = """
update users set password_hash = (select password_hash from users where password_hash is not null
order by created_at, id limit 1) where password_hash is null
"""
INSERT_SETUP = """
insert into instance (name, value) values ('first_setup', jsonb_build_object('team_id',
%(team)s::text, 'without_team', false, 'service_id', %(service)s::text, 'policy_id',
%(policy)s::text, 'integration_id', %(integration)s::text, 'on_call', 'me'))
"""


class Persona(NamedTuple):
    """A base role, and what this person is in the team that owns things: nothing, one of the team
    roles, or the manager of another team."""

    role: str
    relation: str = "none"

    @property
    def name(self) -> str:
        return f"{self.role}-{self.relation}".replace("_", "-")


SIGNED_OUT = Persona("signed_out")
BASE = tuple(Persona(role.value) for role in Role)
# Owners, administrators and managers reach everything already; their teams are tried on one.
IN_TEAMS = tuple(
    Persona(role.value, relation)
    for role in Role
    for relation in RELATIONS[1:]
    if role not in (Role.OWNER, Role.ADMIN)
    and not (role is Role.MANAGER and relation != "observer")
)


class Scene:
    """What a trial can name: ids by word, and for each persona their own."""

    def __init__(self) -> None:
        self.ids: dict[str, str] = {}
        self.own: dict[Persona, dict[str, str]] = {SIGNED_OUT: {}}
        self.tokens: dict[Persona, str] = {}
        # A REST key of each persona's own.
        self.keys: dict[Persona, str] = {}

    def names(self, persona: Persona) -> dict[str, str]:
        """Every word that an address or a field may use."""
        own = ("own_method", "own_rule", "own_key", "own_handoff_rule")
        mine = {"self": "PNOBODY", **dict.fromkeys(own, "PX")}
        return {**self.ids, **mine, **self.own[persona], "password": PASSWORD}


async def set_scene(world: World) -> Scene:
    """Build it. The first persona is the first owner."""
    scene = Scene()
    for persona in (*BASE, *IN_TEAMS):
        await world.person(persona.name, role=Role(persona.role))
    for name, role in (("boss", Role.OWNER), ("vera", Role.RESPONDER), ("leaver", Role.RESPONDER)):
        await world.person(name, role=role)
        scene.ids[name] = world[name].user.id
    await _teams(world, scene)
    await _things(world, scene)
    await _webhook(world, scene)
    await _graph(world, scene)
    await _personal(world, scene)
    await _incidents(world, scene)
    return scene


async def _teams(world: World, scene: Scene) -> None:
    now = world.clock.now()
    async with world.database.transaction() as tx:
        await tx.execute(SAME_PASSWORD)
        for name in ("team", "spare_team", "other_team"):
            scene.ids[name] = (await accounts.create_team(tx, SYSTEM, now, name=name)).id
        for persona in IN_TEAMS:
            elsewhere = persona.relation == "elsewhere"
            for team in ("other_team",) if elsewhere else ("team", "spare_team"):
                role = TeamRole.MANAGER if elsewhere else TeamRole(persona.relation)
                # By hand, because a stakeholder is only let in as an observer; one who was
                # something else before becoming a stakeholder is no less a case.
                await tx.execute(
                    INSERT_MEMBER,
                    {
                        "team": scene.ids[team],
                        "user": world[persona.name].user.id,
                        "role": role.value,
                    },
                )
        vera = Member(team_id=scene.ids["team"], user_id=scene.ids["vera"], role=TeamRole.RESPONDER)
        await accounts.set_member(tx, SYSTEM, vera, now)


async def _things(world: World, scene: Scene) -> None:
    now, ids = world.clock.now(), scene.ids
    box = world.program.secret_box
    owner = Target(kind=TargetKind.USER, id=world[BASE[0].name].user.id)
    async with world.database.transaction() as tx:
        for name, team in (("policy", "team"), ("spare_policy", "team"), ("free_policy", None)):
            wanted = PolicyInput(
                name=name,
                levels=(LevelInput(delay_minutes=5, targets=(owner,)),),
                team_id=ids[team] if team else None,
            )
            policy = await escalations.create_policy(tx, SYSTEM, wanted, now)
            ids[name] = policy.id
            ids[f"{name}_level"] = policy.levels[0].id or ""
        for name in ("service", "spare_service"):
            new = NewService(name=name, escalation_policy_id=ids["policy"])
            ids[name] = (await catalog.create_service(tx, SYSTEM, new, now)).id
            door = NewIntegration(service_id=ids[name], name="events")
            one, key = await catalog.add_integration(tx, SYSTEM, box, door, now)
            ids[f"{name}_integration"], ids[f"{name}_key"] = one.id, key
        layer = LayerDraft(
            name="Weekly",
            rotation_virtual_start=now - timedelta(days=1),
            rotation_turn_length_seconds=604_800,
            members=(ids["vera"],),
        )
        draft = ScheduleDraft(
            name="rota", time_zone="Etc/UTC", team_id=ids["team"], layers=(layer,)
        )
        schedule = await schedules.create(tx, SYSTEM, draft, now)
        ids["schedule"], ids["layer"] = schedule.id, schedule.layers[0].id
        wanted_override = OverrideDraft(
            user_id=ids["vera"], start=now + timedelta(days=2), end=now + timedelta(days=3)
        )
        (outcome,) = await schedules.add_overrides(tx, SYSTEM, schedule.id, [wanted_override], now)
        assert outcome.override is not None
        ids["override"] = outcome.override.id
        new = NewWindow(
            service_ids=(ids["service"],),
            starts_at=now + timedelta(days=1),
            ends_at=now + timedelta(days=2),
        )
        ids["window"] = (await suppression.create(tx, SYSTEM, new, now)).id
        await tx.execute(
            INSERT_SETUP,
            {n: ids[n] for n in ("team", "service", "policy")}
            | {"integration": ids["service_integration"]},
        )
    world.keys["service"] = ids["service_key"]
    world.program.door.forget()


async def _webhook(world: World, scene: Scene) -> None:
    """One that listens to the team, with two secrets, and one that listens to everything."""
    now, ids, box = world.clock.now(), scene.ids, world.program.secret_box
    async with world.database.transaction() as tx:
        new = NewSubscription(
            url="https://hooks.example.com/in",
            events=("incident.triggered",),
            filter_type=FilterType.TEAM,
            filter_id=ids["team"],
        )
        webhook, _ = await webhooks.create(tx, SYSTEM, box, new, now)
        secret, _ = await webhooks.add_secret(tx, SYSTEM, box, webhook.id, now)
        ids["webhook"], ids["webhook_secret"] = webhook.id, secret.id
        whole = NewSubscription(url=new.url, events=new.events)
        ids["whole_webhook"] = (await webhooks.create(tx, SYSTEM, box, whole, now))[0].id


async def _graph(world: World, scene: Scene) -> None:
    now, ids = world.clock.now(), scene.ids
    async with world.database.transaction() as tx:
        new = NewBusinessService(name="business", team_id=ids["team"])
        ids["business"] = (await catalog.create_business_service(tx, SYSTEM, new, now)).id
        spare = End("service", ids["spare_service"])
        pairs = [
            Pair(supporting=spare, dependent=End("business_service", ids["business"])),
            Pair(supporting=spare, dependent=End("service", ids["service"])),
        ]
        of_business, of_service = await catalog.associate(tx, SYSTEM, pairs, now)
        ids["business_dependency"], ids["dependency"] = of_business.id, of_service.id
        ids["tag"] = (await tags.create_tag(tx, SYSTEM, "night", now)).id
        given = [Naming(id=ids["tag"])]
        await tags.change_tags(tx, SYSTEM, TagKind.TEAM, ids["team"], add=given, now=now)


async def _personal(world: World, scene: Scene) -> None:
    now = world.clock.now()
    async with world.database.transaction() as tx:
        everybody: list[Persona | str] = [*BASE, *IN_TEAMS, "vera", "boss"]
        for who in everybody:
            name = who.name if isinstance(who, Persona) else who
            user = world[name].user.id
            key, secret = await accounts.create_key(
                tx, SYSTEM, NewKey(name=f"{name} key", user_id=user), now
            )
            (method,) = await paging.contact_methods(tx, SYSTEM, user)
            rule, *_ = await paging.notification_rules(tx, SYSTEM, user)
            handoff = await handoffs.add_rule(
                tx,
                SYSTEM,
                handoffs.RuleDraft(
                    user_id=user,
                    contact_method_id=method.id,
                    direction="both",
                    advance_seconds=3600,
                ),
                now,
            )
            token = crypto.new_token(43)
            session = {"digest": crypto.hash_key(token), "user": user, "now": now}
            await tx.execute(INSERT_SESSION, {**session, "until": now + timedelta(days=30)})
            if isinstance(who, Persona):
                scene.tokens[who] = token
                scene.keys[who] = secret
                scene.own[who] = {
                    "own_handoff_rule": handoff.id,
                    "self": user,
                    "own_method": method.id,
                    "own_rule": rule.id,
                    "own_key": key.id,
                }
            else:
                named = {"method": method.id, "rule": rule.id, "key": key.id}
                named["handoff_rule"] = handoff.id
                scene.ids |= {f"{name}_{word}": id for word, id in named.items()}
        account_key, _ = await accounts.create_key(
            tx, SYSTEM, NewKey(name="account key", role="observer"), now
        )
        scene.ids["account_key"] = account_key.id


async def _incidents(world: World, scene: Scene) -> None:
    for name in ("incident", "other_incident", "taken_incident"):
        async with world.database.transaction() as tx:
            new = NewIncident(service_id=scene.ids["service"], title=name)
            made = await incidents.create(tx, SYSTEM, new, world.clock.now())
        scene.ids[name], scene.ids[f"{name}_number"] = made.id, str(made.number)
    await world.settle()
    poison = {"service": scene.ids["service"], "integration": scene.ids["service_integration"]}
    async with world.database.transaction() as tx:
        found = await tx.value(INSERT_QUARANTINED, {**poison, "now": world.clock.now()})
        scene.ids["quarantined"] = str(found)
    async with world.database.transaction() as tx:
        scene.ids["delivery"] = str(
            await tx.value("select id from deliveries where kind <> 'test' order by id limit 1")
        )
    owner = world[BASE[0].name]
    await owner.acts(incidents.acknowledge, "taken_incident")
    async with world.database.transaction() as tx:
        # The link of who is signed out names the owner, who is asked to join.
        request = NewRequest(targets=(Wanted(AskKind.USER, owner.user.id),), message="drill")
        await incidents.ask_responders(
            tx, SYSTEM, scene.ids["incident"], request, world.clock.now()
        )
    await world.settle()
    for own in scene.own.values():
        user = own.get("self", owner.user.id)
        own["link"] = world.program.links.token(scene.ids["incident"], user)
    for person in world.people.values():
        person.shown().clear()
