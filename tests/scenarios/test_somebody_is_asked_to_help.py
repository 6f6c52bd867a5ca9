"""Who works on an incident asks others to join it: they are paged, they answer by one tap."""

from urllib.parse import urlsplit

import httpx

from tests.support.world import World
from tocsin.core.database import Tx
from tocsin.incidents import actions as incidents
from tocsin.incidents.actions import NewRequest
from tocsin.incidents.responders import AskKind, Target, Wanted


def person(world: World, name: str) -> Wanted:
    return Wanted(AskKind.USER, world[name].user.id)


def policy(world: World, service: str) -> Wanted:
    return Wanted(AskKind.POLICY, world.services[service].escalation_policy_id)


async def asks(world: World, who: str, title: str, *targets: Wanted, message: str = "") -> None:
    incident_id = (await world.incident(title)).id
    async with world.database.transaction() as tx:
        await incidents.ask_responders(
            tx,
            world[who].actor,
            incident_id,
            NewRequest(targets=targets, message=message),
            world.clock.now(),
        )
    await world.settle()


async def calls_off(world: World, who: str, title: str) -> list[Target]:
    incident_id = (await world.incident(title)).id
    async with world.database.transaction() as tx:
        found = await incidents.cancel_requests(
            tx, world[who].actor, incident_id, None, world.clock.now()
        )
    await world.settle()
    return found


async def answers(
    world: World, who: str, title: str, answer: str, note: str = ""
) -> httpx.Response:
    path = urlsplit(world[who].links[title]).path
    assert (await world.http.get(path)).status_code == 200
    response = await world.http.post(f"{path}/{answer}", data={"note": note}, follow_redirects=True)
    await world.settle()
    return response


async def states(tx: Tx, world: World, title: str) -> dict[str, str]:
    """By name, how the newest question to each person stands."""
    rows = await tx.tuples(
        "select u.name, r.state from responders r join users u on u.id = r.user_id"
        " join incidents i on i.id = r.incident_id where i.title = %(title)s order by r.id",
        {"title": title},
    )
    return dict(rows)


async def standing(world: World, title: str) -> dict[str, str]:
    async with world.database.transaction() as tx:
        return await states(tx, world, title)


async def scene(world: World) -> None:
    """Ann has the incident; Bob, Cid and Dora could help, the last two by a policy."""
    for name in ("ann", "bob", "cid", "dora"):
        await world.person(name)
    await world.service("checkout", [["ann"]], minutes=5, acknowledgement_timeout=None)
    await world.service("database", [["cid"], ["dora"]], minutes=5)
    await world.trigger("checkout", "slow")
    world["ann"].expects_page("slow")
    await world["ann"].acknowledges("slow")


async def test_a_person_is_paged_although_it_is_acknowledged_and_joins(world: World) -> None:
    await scene(world)
    await asks(world, "ann", "slow", person(world, "bob"), message="Is it the cache?")
    message = world["bob"].expects_page("slow")
    assert message.asked_by == "ann"
    assert message.reason == "ann asks: Is it the cache?"
    assert message.act_label == "Join or decline"
    said = (await answers(world, "bob", "slow", "join")).text
    assert "You joined" in said
    assert await standing(world, "slow") == {"bob": "joined"}
    assert ("responder_request", "responder_asked") in await world.reasons("slow")
    assert ("responder_accept", "responder_joined") in await world.reasons("slow")
    # It is still Ann's: who helps does not take it over.
    assert await world.status("slow") == "acknowledged"
    await asks(world, "ann", "slow", person(world, "bob"))
    world["bob"].expects_nothing()


async def test_a_policy_asks_level_by_level_until_somebody_joins(world: World) -> None:
    await scene(world)
    await asks(world, "ann", "slow", policy(world, "database"))
    world["cid"].expects_page("slow")
    await world.advance(minutes=5)
    world["dora"].expects_page("slow")
    await answers(world, "dora", "slow", "join")
    assert await standing(world, "slow") == {"cid": "cancelled", "dora": "joined"}
    await world.advance(hours=1)
    world["cid"].expects_nothing()
    said = (await answers(world, "cid", "slow", "join")).text
    assert "Somebody else joined" in said
    assert await standing(world, "slow") == {"cid": "cancelled", "dora": "joined"}


async def test_a_decline_moves_the_policy_on_at_once(world: World) -> None:
    await scene(world)
    await asks(world, "ann", "slow", policy(world, "database"))
    world["cid"].expects_page("slow")
    said = (await answers(world, "cid", "slow", "decline", "I am on a train")).text
    assert "You declined" in said
    world["dora"].expects_page("slow")
    assert ("responder_request", "responder_next_level") in await world.reasons("slow")
    await answers(world, "dora", "slow", "decline")
    async with world.database.transaction() as tx:
        rows = await tx.tuples("select state, reason, due_at from responder_targets")
    assert rows == [("declined", "all_declined", None)]
    await world.advance(hours=1)


async def test_nobody_joins_and_the_last_may_still_do_so_later(world: World) -> None:
    await scene(world)
    await asks(world, "ann", "slow", policy(world, "database"))
    world["cid"].expects_page("slow")
    await world.advance(minutes=5)
    world["dora"].expects_page("slow")
    await world.advance(minutes=5)
    assert ("responder_request", "nobody_joined") in await world.reasons("slow")
    await answers(world, "cid", "slow", "join")
    assert await standing(world, "slow") == {"cid": "joined", "dora": "cancelled"}


async def test_nothing_is_sent_after_it_is_called_off_or_over(world: World) -> None:
    await scene(world)
    await world.person(
        "eve", rules=[("phone", "high", 0), ("mail", "high", 2)], channels=("phone", "mail")
    )
    await asks(world, "ann", "slow", policy(world, "database"), person(world, "eve"))
    world["cid"].expects_page("slow")
    world["eve"].expects_page("slow")
    found = await calls_off(world, "ann", "slow")
    assert {target.state for target in found} == {"cancelled"}
    await world.advance(minutes=30)
    world["eve"].expects_nothing()
    assert "Called off" in (await answers(world, "eve", "slow", "join")).text

    await asks(world, "ann", "slow", policy(world, "database"), person(world, "eve"))
    world["cid"].expects_page("slow")
    world["eve"].expects_page("slow")
    await world["ann"].acts(incidents.resolve, "slow")
    await world.advance(minutes=30)
    assert await standing(world, "slow") == {"cid": "cancelled", "eve": "cancelled"}
    assert "It is over" in (await answers(world, "eve", "slow", "join")).text
    assert ("responder_cancel", "incident_over") in await world.reasons("slow")


async def test_an_acknowledgement_calls_nobody_off_but_joins_who_was_asked(world: World) -> None:
    for name in ("ann", "bob", "cid"):
        await world.person(name, rules=[("phone", "high", 0), ("phone", "high", 10)])
    await world.service("checkout", [["ann"]], minutes=60, acknowledgement_timeout=None)
    await world.trigger("checkout", "slow")
    world["ann"].expects_page("slow")
    await asks(world, "ann", "slow", person(world, "bob"), person(world, "cid"))
    world["bob"].expects_page("slow")
    world["cid"].expects_page("slow")
    await world["ann"].acknowledges("slow")
    await world["bob"].acts(incidents.acknowledge, "slow")
    await world.advance(minutes=10)
    world["bob"].expects_nothing()
    world["cid"].expects_page("slow")
    assert await standing(world, "slow") == {"bob": "joined", "cid": "pending"}


async def test_asking_again_reminds_and_never_doubles(world: World) -> None:
    await scene(world)
    await asks(world, "ann", "slow", person(world, "cid"), policy(world, "database"))
    world["cid"].expects_page("slow")
    world["cid"].expects_nothing()
    await asks(world, "ann", "slow", person(world, "cid"), message="Really, please")
    assert "Really" in world["cid"].expects_page("slow").reason
    await answers(world, "cid", "slow", "join")
    async with world.database.transaction() as tx:
        rows = await tx.tuples("select distinct state from responder_targets")
    assert rows == [("joined",)]
    await world.advance(hours=1)


async def test_a_restart_forgets_no_request(world: World) -> None:
    await scene(world)
    await asks(world, "ann", "slow", policy(world, "database"))
    world["cid"].expects_page("slow")
    async with world.database.transaction() as tx:
        due = await tx.value("select due_at from responder_targets")
        assert await incidents.next_due(tx) is not None
    assert (due - world.clock.now()).total_seconds() == 300
    await world.advance(minutes=5)
    world["dora"].expects_page("slow")
