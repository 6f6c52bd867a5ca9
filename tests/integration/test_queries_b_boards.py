"""What the boards of services, on-call, policies and deliveries read, on a real database."""

from datetime import timedelta

import pytest

from tests.support import incidents_house, paging_house
from tests.support.paging_house import settle
from tocsin.accounts.model import Actor, Role
from tocsin.core.database import Database
from tocsin.core.errors import Forbidden, Invalid
from tocsin.paging import actions as paging
from tocsin.queries import deliveries, ladders, oncall, people, policies, service_board


def actor(id: str, role: Role = Role.RESPONDER) -> Actor:
    return Actor(kind="person", id=id, label=id, role=role)


async def test_a_service_counts_what_is_open_and_says_when_it_last_spoke(
    database: Database,
) -> None:
    house = await incidents_house.stand_up(database)
    first = await house.opened("db")
    await house.opened("queue")
    async with database.transaction() as tx:
        await tx.execute(
            "update incidents set status = 'acknowledged' where id = %(id)s", {"id": first}
        )
        board = (await service_board.boards(tx, ["shop"]))["shop"]
        recent = await service_board.recent_incidents(tx, "shop")
        since = await service_board.incidents_since(tx, "shop", house.now - timedelta(days=1))
        later = await service_board.incidents_since(tx, "shop", house.now + timedelta(days=1))
    assert (board.triggered, board.acknowledged, board.state) == (1, 1, "triggered")
    assert board.integrations == 1
    assert {one.id for one in recent} >= {first}
    assert (since, later) == (2, 0)


async def test_a_state_is_the_worst_of_what_is_open() -> None:
    def state(triggered: int, acknowledged: int) -> str:
        return service_board.Board(
            id="s",
            policy_name="p",
            triggered=triggered,
            acknowledged=acknowledged,
            last_event_at=None,
            integrations=0,
        ).state

    assert [state(2, 1), state(0, 1), state(0, 0)] == ["triggered", "acknowledged", "resolved"]


async def test_mine_are_the_open_ones_with_where_their_ladder_stands(database: Database) -> None:
    house = await incidents_house.stand_up(database)
    incident_id = await house.opened("db")
    (owner,) = await house.assignees(incident_id)
    async with database.transaction() as tx:
        mine, count = await oncall.my_open(tx, owner)
        briefs = await ladders.briefs(tx, [incident_id], house.now)
        nobody = await oncall.my_open(tx, "somebody-else")
        paged = await oncall.page_times(tx, owner, house.now - timedelta(days=7))
        none = await oncall.page_times(tx, owner, house.now + timedelta(days=7))
    assert [one.id for one in mine] == [incident_id]
    assert (briefs[incident_id].level, briefs[incident_id].state) == (1, "running")
    assert count == 1
    assert briefs[incident_id].levels >= briefs[incident_id].level
    assert nobody == ([], 0)
    assert (len(paged), none) == (1, [])


async def test_a_policy_knows_its_services(database: Database) -> None:
    await incidents_house.stand_up(database)
    async with database.transaction() as tx:
        policy_id = await tx.value(
            "select escalation_policy_id from services where id = %(id)s", {"id": "shop"}
        )
        uses = await policies.services_of(tx, [policy_id, "PNONE"])
        assert await policies.schedule_names(tx, ["PNONE"]) == {}
        assert await policies.policies_using(tx, ["PNONE"]) == {"PNONE": []}
        assert await policies.turns(tx, ["PNONE"]) == {}
    assert [use.name for use in uses[policy_id]] == ["shop"]
    assert uses["PNONE"] == []


async def test_the_ledger_is_read_page_by_page_without_loss(database: Database) -> None:
    house = await paging_house.stand_up(database)
    await house.person("ann", "mail")
    for incident_id in await house.incidents(5):
        await house.page("ann", [incident_id])
    seen: list[str] = []
    cursor = None
    async with database.transaction() as tx:
        while True:
            page = await deliveries.ledger(tx, actor("ann"), cursor=cursor, limit=2)
            seen += [row.id for row in page.items]
            cursor = page.next
            if cursor is None:
                break
        total = await tx.value("select count(*) from deliveries")
    assert len(seen) == len(set(seen)) == total
    assert seen == sorted(seen, reverse=True)


async def test_who_sees_only_some_teams_sees_only_their_own_deliveries(database: Database) -> None:
    house = await paging_house.stand_up(database)
    await house.person("ann", "mail")
    await house.person("bob", "mail")
    (incident_id,) = await house.incidents()
    await house.page("ann", [incident_id])
    await house.page("bob", [incident_id], step=2)
    limited = Actor(
        kind="person", id="bob", label="bob", role=Role.RESTRICTED, teams={"PTEAM": "responder"}
    )
    async with database.transaction() as tx:
        everything = await deliveries.ledger(tx, actor("ann"))
        own = await deliveries.ledger(tx, limited, user_id="ann")
        with pytest.raises(Forbidden):
            await deliveries.ledger(tx, actor("eve", Role.RESTRICTED))
        with pytest.raises(Invalid):
            await deliveries.ledger(tx, actor("ann"), cursor="x")
    assert {row.user_id for row in everything.items} == {"ann", "bob"}
    assert {row.user_id for row in own.items} == {"bob"}


async def test_a_delivery_leads_back_to_its_page(database: Database) -> None:
    house = await paging_house.stand_up(database)
    await house.person("ann", "mail")
    (incident_id,) = await house.incidents()
    await house.page("ann", [incident_id])
    async with database.transaction() as tx:
        (row,) = (await deliveries.ledger(tx, actor("ann"))).items
        causes = await deliveries.causes(tx, row.id)
        assert await deliveries.causes(tx, "QNONE") == []
        assert await deliveries.row(tx, "QNONE") is None
        assert await deliveries.first_alert(tx, incident_id) is None
        assert await deliveries.ladder_step(tx, incident_id, 9) is None
    assert [cause.incident_id for cause in causes] == [incident_id]
    assert row.state == "queued"


async def test_the_newest_test_of_each_method_is_told(database: Database) -> None:
    house = await paging_house.stand_up(database)
    (method,) = await house.person("ann", "mail")
    async with database.transaction() as tx:
        await paging.send_test(tx, actor("ann"), method.id, house.now)
        since = house.now - timedelta(hours=1)
        before = (await people.last_tests(tx, "ann", [method.id], since))[method.id]
    await settle(house.new_pump("node"))
    async with database.transaction() as tx:
        after = (await people.last_tests(tx, "ann", [method.id], since))[method.id]
        assert await people.last_tests(tx, "ann", [method.id], house.now + timedelta(hours=1)) == {}
    assert before.under_way
    assert (after.state, after.under_way) == ("sent", False)
