"""Pickers: in order of names, within one's teams, and never without what is chosen already."""

from tests.support import incidents_house
from tocsin.accounts.model import Actor, Role
from tocsin.core.database import Database
from tocsin.queries import choices

OWNER = Actor(kind="person", id="olga", label="Olga", role=Role.OWNER)
OUTSIDER = Actor(kind="person", id="bob", label="Bob", role=Role.RESTRICTED, teams={"T": "manager"})


async def test_whoever_has_left_is_offered_only_where_they_are_chosen(database: Database) -> None:
    await incidents_house.stand_up(database)
    async with database.transaction() as tx:
        before = [person.id for person in await choices.people(tx)]
        await tx.execute("update users set deleted_at = created_at where id = 'alice'")
        after = [person.id for person in await choices.people(tx)]
        kept = [person.id for person in await choices.people(tx, keep=["alice", ""])]
    assert before == ["alice", "bob", "olga"]
    assert after == ["bob", "olga"]
    assert kept == before


async def test_roles_that_are_never_paged_are_left_out_unless_chosen(database: Database) -> None:
    await incidents_house.stand_up(database)
    async with database.transaction() as tx:
        await tx.execute("update users set role = 'read_only_user' where id = 'bob'")
        offered = await choices.people(tx, without=[Role.STAKEHOLDER])
        kept = await choices.people(tx, keep=["bob"], without=[Role.STAKEHOLDER])
    assert [person.id for person in offered] == ["alice", "olga"]
    assert [person.id for person in kept] == ["alice", "bob", "olga"]


async def test_what_another_team_owns_is_offered_only_where_it_is_chosen(
    database: Database,
) -> None:
    await incidents_house.stand_up(database)
    async with database.transaction() as tx:
        (policy,) = await choices.policies(tx, OWNER)
        (service,) = await choices.services(tx, OWNER)
        assert await choices.policies(tx, OUTSIDER) == []
        assert await choices.services(tx, OUTSIDER) == []
        assert await choices.policies(tx, OUTSIDER, keep=[policy.id]) == [policy]
        assert await choices.services(tx, OUTSIDER, keep=[service.id]) == [service]
