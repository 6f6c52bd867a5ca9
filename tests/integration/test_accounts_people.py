"""People, teams, the first start and the installation's settings, on a real database."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from tocsin.accounts import actions, audit
from tocsin.accounts.model import (
    SYSTEM,
    Actor,
    Member,
    NewKey,
    NewUser,
    Role,
    TeamChange,
    User,
    UserChange,
)
from tocsin.core.database import Database, Tx
from tocsin.core.errors import Forbidden, Invalid, NotFound, Refused

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
PASSWORD = "correct horse battery"


def acting(user: User, teams: dict[str, str] | None = None) -> Actor:
    return Actor(
        kind="person", id=user.id, label=user.name, role=Role(user.role), teams=teams or {}
    )


async def make(tx: Tx, name: str, role: Role = Role.RESPONDER) -> User:
    new = NewUser(name=name, email=f"{name.lower()}@example.com", role=role)
    return await actions.create_user(tx, SYSTEM, new, NOW)


OWNER = NewUser(name="Olga", email="olga@example.com", time_zone="Europe/Berlin", password=PASSWORD)


async def test_the_first_start_makes_one_owner_even_when_two_try_at_once(
    database: Database,
) -> None:
    async def attempt(email: str) -> User | str:
        try:
            async with database.transaction() as tx:
                new = NewUser(name="Olga", email=email, password=PASSWORD)
                return await actions.first_run(tx, new, NOW)
        except Refused as refused:
            return refused.reason

    outcomes = await asyncio.gather(*(attempt(f"olga{n}@example.com") for n in range(4)))
    owners = [outcome for outcome in outcomes if isinstance(outcome, User)]
    assert len(owners) == 1
    assert [o for o in outcomes if not isinstance(o, User)] == ["already_set_up"] * 3
    async with database.transaction() as tx:
        assert await tx.value("select count(*) from users") == 1
        assert not await actions.needs_first_run(tx)
        settings = await actions.instance(tx)
    assert owners[0].role == Role.OWNER
    assert settings.catch_all_user_id == owners[0].id
    assert settings.setup_completed_at is None


async def test_a_first_start_that_fails_leaves_nothing_behind(database: Database) -> None:
    for bad, field in (
        (NewUser(name="Olga", email="olga@example.com"), "password"),
        (NewUser(name="Olga", email="olga@example.com", password="short"), "password"),
        (NewUser(name="Olga", email="olga", password=PASSWORD), "email"),
        (
            NewUser(name="Olga", email="o@example.com", time_zone="X", password=PASSWORD),
            "time_zone",
        ),
    ):
        with pytest.raises(Invalid) as refused:
            async with database.transaction() as tx:
                await actions.first_run(tx, bad, NOW)
        assert refused.value.field == field
    async with database.transaction() as tx:
        assert await actions.needs_first_run(tx)
        assert (await actions.first_run(tx, OWNER, NOW)).time_zone == "Europe/Berlin"


async def test_addresses_are_unique_whatever_their_case(database: Database) -> None:
    async with database.transaction() as tx:
        ada = await make(tx, "Ada")
        new = NewUser(name="Other", email="ADA@example.COM")
        with pytest.raises(Invalid, match="already used") as refused:
            await actions.create_user(tx, SYSTEM, new, NOW)
        assert refused.value.field == "email"
        bob = await make(tx, "Bob")
        with pytest.raises(Invalid, match="already used"):
            await actions.update_user(tx, SYSTEM, bob.id, UserChange(email="Ada@example.com"), NOW)
        same = await actions.update_user(
            tx, SYSTEM, ada.id, UserChange(email="ADA@example.com"), NOW
        )
        assert same.email == "ADA@example.com"
        assert (await actions.user_by_email(tx, "ada@EXAMPLE.com")) == same
        await actions.deactivate_user(tx, SYSTEM, ada.id, NOW)
        assert (await make(tx, "Ada")).id != ada.id


async def test_who_may_change_whom(database: Database) -> None:
    async with database.transaction() as tx:
        owner = await actions.first_run(tx, OWNER, NOW)
        admin, bob = await make(tx, "Admin", Role.ADMIN), await make(tx, "Bob")
        changed = await actions.update_user(
            tx, acting(bob), bob.id, UserChange(name="Bobby", job_title="SRE"), NOW
        )
        assert (changed.name, changed.job_title, changed.email) == ("Bobby", "SRE", bob.email)
        with pytest.raises(Forbidden):
            await actions.update_user(tx, acting(bob), bob.id, UserChange(role="admin"), NOW)
        with pytest.raises(Forbidden):
            await actions.update_user(tx, acting(bob), admin.id, UserChange(name="x"), NOW)
        with pytest.raises(Forbidden):
            await actions.create_user(
                tx, acting(bob), NewUser(name="Eve", email="eve@example.com"), NOW
            )
        for change in (UserChange(email="a@example.com"), UserChange(role="user")):
            with pytest.raises(Forbidden, match="owner"):
                await actions.update_user(tx, acting(admin), owner.id, change, NOW)
        with pytest.raises(Forbidden, match="owner"):
            await actions.update_user(tx, acting(admin), bob.id, UserChange(role="owner"), NOW)
        with pytest.raises(Forbidden, match="owner"):
            await actions.set_password(tx, acting(admin), owner.id, "another long one", NOW)
        with pytest.raises(Refused) as refused:
            await actions.update_user(tx, acting(owner), owner.id, UserChange(role="user"), NOW)
        assert refused.value.reason == "last_owner"
        await actions.update_user(tx, acting(owner), admin.id, UserChange(role="owner"), NOW)
        demoted = await actions.update_user(
            tx, acting(owner), owner.id, UserChange(role="user"), NOW
        )
        assert demoted.role == Role.MANAGER


async def test_an_account_key_in_someones_name_cannot_change_their_profile(
    database: Database,
) -> None:
    async with database.transaction() as tx:
        bob = await make(tx, "Bob")
        _, token = await actions.create_key(tx, SYSTEM, NewKey(name="ci", role="limited_user"), NOW)
        key = await actions.actor_for_key(tx, token, NOW)
        assert key is not None
        as_bob = actions.acting_for(key, bob)
        assert (as_bob.user_id, as_bob.label) == (bob.id, f"Bob (by ci (key …{token[-4:]}))")
        with pytest.raises(Forbidden):
            await actions.update_user(tx, as_bob, bob.id, UserChange(name="x"), NOW)
        person = acting(bob)
        assert actions.acting_for(person, await make(tx, "Ada")) is person


async def use(tx: Tx, user_id: str) -> None:
    """A policy, a schedule layer, a future override and an open incident of this person."""
    at = {"u": user_id, "now": NOW, "later": NOW + timedelta(days=1)}
    for statement in (
        "insert into escalation_policies (id, name, created_at) values ('PEP', 'Core', %(now)s)",
        "insert into escalation_levels (id, policy_id, position, delay_seconds)"
        " values ('PLV', 'PEP', 0, 300)",
        "insert into escalation_targets (level_id, position, kind, target_id)"
        " values ('PLV', 0, 'user', %(u)s)",
        "insert into schedules (id, name, time_zone, created_at)"
        " values ('PSC', 'Nights', 'Etc/UTC', %(now)s), ('PSO', 'Days', 'Etc/UTC', %(now)s)",
        "insert into schedule_layers (id, schedule_id, layer_id, position, name, time_zone,"
        " starts_at, rotation_virtual_start, turn_seconds, members)"
        " values ('PLA', 'PSC', 'PLY', 0, 'L', 'Etc/UTC', %(now)s, %(now)s, 86400, array[%(u)s])",
        "insert into schedule_overrides (id, schedule_id, user_id, starts_at, ends_at, created_at,"
        " created_by) values ('POV', 'PSO', %(u)s, %(now)s, %(later)s, %(now)s, 'x')",
        "insert into services (id, name, escalation_policy_id, slice, created_at)"
        " values ('PSV', 'Web', 'PEP', 0, %(now)s)",
        "insert into incidents (id, service_id, escalation_policy_id, title, status, urgency,"
        " created_at, changed_at) values ('QIN', 'PSV', 'PEP', 'Disk full', 'triggered', 'high',"
        " %(now)s, %(now)s)",
        "insert into assignments (incident_id, user_id, at) values ('QIN', %(u)s, %(now)s)",
    ):
        await tx.execute(statement, at)  # type: ignore[arg-type]


async def test_nobody_who_can_still_be_paged_is_deactivated(database: Database) -> None:
    async with database.transaction() as tx:
        await actions.first_run(tx, OWNER, NOW)
        bob = await make(tx, "Bob")
        await use(tx, bob.id)
        await actions.change_instance(tx, SYSTEM, NOW, catch_all_user_id=bob.id)
        with pytest.raises(Refused) as refused:
            await actions.deactivate_user(tx, SYSTEM, bob.id, NOW)
        assert refused.value.reason == "user_in_use"
        for use_of in (
            "escalation policy Core",
            "schedule Nights",
            "schedule Days",
            "#1 Disk full",
            "catch-all",
        ):
            assert use_of in refused.value.message
        await tx.execute("delete from escalation_targets")
        await tx.execute("update schedule_layers set ends_at = %(now)s", {"now": NOW})
        await tx.execute("update incidents set status = 'resolved'")
        with pytest.raises(Refused, match="Days"):
            await actions.deactivate_user(tx, SYSTEM, bob.id, NOW)
        later = NOW + timedelta(days=1)
        with pytest.raises(Refused, match="catch-all"):
            await actions.deactivate_user(tx, SYSTEM, bob.id, later)
        await actions.change_instance(tx, SYSTEM, NOW, catch_all_user_id=None)
        _, token = await actions.create_key(tx, SYSTEM, NewKey(name="k", user_id=bob.id), NOW)
        await actions.deactivate_user(tx, SYSTEM, bob.id, later)
        assert await actions.actor_for_key(tx, token, later) is None
        assert (await actions.users_by_ids(tx, [bob.id, "PNONE"]))[bob.id].deleted_at == later
        with pytest.raises(NotFound):
            await actions.get_user(tx, SYSTEM, bob.id)
        with pytest.raises(NotFound):
            await actions.update_user(tx, SYSTEM, bob.id, UserChange(name="x"), later)


async def test_nobody_deactivates_themselves_or_the_last_owner(database: Database) -> None:
    async with database.transaction() as tx:
        owner = await actions.first_run(tx, OWNER, NOW)
        admin = await make(tx, "Admin", Role.ADMIN)
        with pytest.raises(Refused) as own:
            await actions.deactivate_user(tx, acting(admin), admin.id, NOW)
        with pytest.raises(Refused) as last:
            await actions.deactivate_user(tx, SYSTEM, owner.id, NOW)
        with pytest.raises(Forbidden):
            await actions.deactivate_user(tx, acting(admin), owner.id, NOW)
    assert (own.value.reason, last.value.reason) == ("own_account", "last_owner")


async def test_people_are_listed_by_name_in_pages_and_found(database: Database) -> None:
    names = ["ann", "Bea", "bob", "Cy_d", "dee"]
    async with database.transaction() as tx:
        for name in reversed(names):
            new = NewUser(name=name, email=f"{name}@example.com")
            await actions.create_user(tx, SYSTEM, new, NOW)
        seen: list[str] = []
        cursor = None
        while True:
            page = await actions.list_users(tx, SYSTEM, cursor=cursor, limit=2)
            seen += [user.name for user in page.items]
            if (cursor := page.next) is None:
                break
        assert seen == names

        async def found(query: str) -> list[str]:
            return [u.name for u in (await actions.list_users(tx, SYSTEM, query=query)).items]

        assert await found("B") == ["Bea", "bob"]
        assert await found("dee@EX") == ["dee"]
        assert await found("_") == ["Cy_d"]
        assert await found("%") == []


async def test_each_change_is_recorded_without_secrets(database: Database) -> None:
    async with database.transaction() as tx:
        owner = await actions.first_run(tx, OWNER, NOW)
        bob = await make(tx, "Bob")
        await actions.set_password(tx, acting(owner), bob.id, "a different phrase", NOW)
        await actions.update_user(tx, acting(owner), bob.id, UserChange(name="Rob"), NOW)
        await actions.update_user(tx, acting(owner), bob.id, UserChange(name="Rob"), NOW)
        rows = (await audit.page(tx, SYSTEM, subject_type="user", subject_id=bob.id)).items
        everything = await tx.value("select string_agg(a::text, ' ') from audit a")
    assert [row.action for row in rows] == ["update", "change_password", "create"]
    assert (rows[0].before, rows[0].after) == ({"name": "Bob"}, {"name": "Rob"})
    for secret in ("argon2", "different phrase", PASSWORD):
        assert secret not in everything


async def test_teams_and_their_members(database: Database) -> None:
    async with database.transaction() as tx:
        ada, bob = await make(tx, "Ada", Role.RESTRICTED), await make(tx, "Bob")
        core = await actions.create_team(tx, SYSTEM, NOW, name="Core", description="keeps it up")
        web = await actions.create_team(tx, SYSTEM, NOW, name="Web")
        with pytest.raises(Invalid, match="another team"):
            await actions.create_team(tx, SYSTEM, NOW, name="CORE")
        with pytest.raises(Invalid, match="another team"):
            await actions.update_team(tx, SYSTEM, web.id, TeamChange(name="core"), NOW)
        member = Member(team_id=core.id, user_id=ada.id, role="manager")
        await actions.set_member(tx, SYSTEM, member, NOW)
        teams = await actions.teams_of(tx, ada.id)
        assert teams == {core.id: "manager"}
        manager = acting(ada, teams)
        await actions.set_member(
            tx, manager, Member(team_id=core.id, user_id=bob.id, role="responder"), NOW
        )
        with pytest.raises(Forbidden):
            await actions.set_member(
                tx, manager, Member(team_id=web.id, user_id=bob.id, role="responder"), NOW
            )
        with pytest.raises(Forbidden):
            await actions.create_team(tx, manager, NOW, name="Mine")
        assert [t.name for t in (await actions.list_teams(tx, manager)).items] == ["Core"]
        assert [t.name for t in (await actions.list_teams(tx, SYSTEM)).items] == ["Core", "Web"]
        with pytest.raises(NotFound):
            await actions.get_team(tx, manager, web.id)
        members = await actions.list_members(tx, manager, core.id)
        assert {m.user_id: m.role for m in members.items} == {
            ada.id: "manager",
            bob.id: "responder",
        }
        in_core = await actions.list_users(tx, SYSTEM, team_ids=[core.id])
        assert [u.name for u in in_core.items] == ["Ada", "Bob"]
        await actions.remove_member(tx, manager, core.id, bob.id, NOW)
        with pytest.raises(NotFound):
            await actions.remove_member(tx, manager, core.id, bob.id, NOW)
        found = await actions.memberships(tx, [ada.id, bob.id])
        assert [len(found[ada.id]), len(found[bob.id])] == [1, 0]


async def test_a_team_in_use_stays(database: Database) -> None:
    async with database.transaction() as tx:
        bob = await make(tx, "Bob")
        team = await actions.create_team(tx, SYSTEM, NOW, name="Core")
        member = Member(team_id=team.id, user_id=bob.id, role="responder")
        await actions.set_member(tx, SYSTEM, member, NOW)
        await use(tx, bob.id)
        await tx.execute("update escalation_policies set team_id = %(t)s", {"t": team.id})
        with pytest.raises(Refused, match="escalation policy Core"):
            await actions.delete_team(tx, SYSTEM, team.id, NOW)
        with pytest.raises(Refused, match="Core") as refused:
            await actions.remove_member(tx, SYSTEM, team.id, bob.id, NOW)
        assert refused.value.reason == "member_in_use"
        await tx.execute("update escalation_policies set team_id = null")
        await actions.delete_team(tx, SYSTEM, team.id, NOW)
        assert (await actions.teams_by_ids(tx, [team.id]))[team.id].deleted_at == NOW
        assert await actions.teams_of(tx, bob.id) == {}


async def test_what_a_deleted_team_owned_goes_to_its_heir(database: Database) -> None:
    async with database.transaction() as tx:
        bob = await make(tx, "Bob")
        core, edge = [await actions.create_team(tx, SYSTEM, NOW, name=n) for n in ("Core", "Edge")]
        await use(tx, bob.id)
        await tx.execute("update escalation_policies set team_id = %(t)s", {"t": core.id})
        seat = Member(team_id=core.id, user_id=bob.id, role="manager")
        await actions.set_member(tx, SYSTEM, seat, NOW)
        manager = Actor(
            kind="person", id=bob.id, label="Bob", role=Role.RESPONDER, teams={core.id: "manager"}
        )
        with pytest.raises(Forbidden):
            # What is given must be wanted: who deletes manages the heir as well.
            await actions.delete_team(tx, manager, core.id, NOW, heir_id=edge.id)
        for wrong, error in ((core.id, Invalid), ("PNONE", NotFound)):
            with pytest.raises(error):
                await actions.delete_team(tx, SYSTEM, core.id, NOW, heir_id=wrong)
        await actions.delete_team(tx, SYSTEM, core.id, NOW, heir_id=edge.id)
        [policy] = await tx.rows("select id, team_id from escalation_policies")
        assert policy["team_id"] == edge.id
        rows = await tx.rows(
            "select subject_type, before, after from audit"
            " where subject_id = %(id)s and action = 'update'",
            {"id": policy["id"]},
        )
        assert [tuple(row.values()) for row in rows] == [
            ("escalation_policy", {"team_id": core.id}, {"team_id": edge.id})
        ]


async def test_a_stakeholder_only_observes_in_a_team(database: Database) -> None:
    async with database.transaction() as tx:
        eve = await make(tx, "Eve", Role.STAKEHOLDER)
        team = await actions.create_team(tx, SYSTEM, NOW, name="Core")
        for role in ("manager", "responder", "emperor"):
            with pytest.raises(Invalid, match="role"):
                await actions.set_member(
                    tx, SYSTEM, Member(team_id=team.id, user_id=eve.id, role=role), NOW
                )
        await actions.set_member(
            tx, SYSTEM, Member(team_id=team.id, user_id=eve.id, role="observer"), NOW
        )


async def test_the_installations_settings(database: Database) -> None:
    async with database.transaction() as tx:
        assert (await actions.instance(tx)).public_name == "Tocsin"
        bob = await make(tx, "Bob")
        with pytest.raises(Forbidden):
            await actions.change_instance(tx, acting(bob), NOW, public_name="Mine")
        with pytest.raises(Invalid, match="catch_all_user_id"):
            await actions.change_instance(tx, SYSTEM, NOW, catch_all_user_id="PNOBODY")
        await actions.change_instance(tx, SYSTEM, NOW, public_name="Acme Pager")
        done = await actions.complete_setup(tx, SYSTEM, NOW)
        again = await actions.complete_setup(tx, SYSTEM, NOW + timedelta(days=1))
        assert done == again == await actions.instance(tx)
        assert (done.public_name, done.setup_completed_at) == ("Acme Pager", NOW)
        await actions.write_value(tx, "vapid", {"key": "x"})
        assert await actions.read_value(tx, "vapid", dict[str, str]) == {"key": "x"}
        assert await actions.read_value(tx, "nothing", str) is None
