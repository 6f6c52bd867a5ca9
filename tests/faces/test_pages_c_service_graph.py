"""Business services, dependencies, the map and tags, as somebody without scripts uses them."""

import re
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from tests.support.postgres import START
from tests.support.visitor import Visitor, words
from tests.support.world import PASSWORD, World, make_world
from tocsin.accounts import actions as accounts
from tocsin.accounts.model import SYSTEM, Member, Role, TeamRole


@pytest.fixture
async def world(fresh_dsn: str, tmp_path: Path) -> AsyncIterator[World]:
    async with make_world(fresh_dsn, tmp_path, START) as made:
        await made.person("ann", role=Role.OWNER)
        await made.person("bob")
        for name in ("shop", "pay", "db"):
            await made.service(name, [["bob"]])
        yield made


@pytest.fixture
async def ann(world: World) -> AsyncIterator[Visitor]:
    visitor = Visitor(world.http)
    await visitor.sign_in("ann@example.com")
    yield visitor
    await visitor.close()


def at(world: World, service: str) -> str:
    return f"/app/services/{world.services[service].id}"


async def needs(world: World, ann: Visitor, path: str, supporting: str, status: int = 200) -> str:
    what = {"supporting": f"service:{world.services[supporting].id}"}
    await ann.get(path)
    return words(await ann.post(f"{path}/dependencies", what, status=status))


async def business(ann: Visitor, name: str) -> str:
    """The path of a new one."""
    await ann.get("/app/business-services/new")
    page = await ann.post("/app/business-services/new", {"name": name})
    found = re.search(r'action="(/app/business-services/\w+)/dependencies"', page)
    assert found is not None
    return found[1]


async def test_an_incident_is_seen_from_all_that_depends_on_it(world: World, ann: Visitor) -> None:
    buying = await business(ann, "Buying")
    assert "Nothing can ever hit it." in words(await ann.get(buying))
    await needs(world, ann, buying, "shop")
    await needs(world, ann, at(world, "shop"), "pay")
    assert "Quiet Buying nothing" in words(await ann.get("/app/business-services"))
    assert "All quiet: 3 services depend on one another." in words(
        await ann.get("/app/service-map")
    )
    await world.trigger("pay", "cards refused")
    world["bob"].expects_page("cards refused")
    listed = words(await ann.get("/app/business-services"))
    assert "Hit Buying shop → which needs pay : #1 cards refused" in listed
    await business(ann, "Search")
    only = words(await ann.get("/app/business-services?hit=1"))
    assert "Hit Buying" in only
    assert "Search nothing" not in only
    page = words(await ann.get(buying))
    assert "Buying → which needs shop → which needs pay #1 cards refused" in page
    shop = words(await ann.get(at(world, "shop")))
    assert "Trouble in what it needs shop → which needs pay #1 cards refused" in shop
    assert "Depends on Map pay Triggered" in shop
    assert "Used by Buying Hit" in shop
    incident = words(await ann.get(f"/app/incidents/{(await world.incident('cards refused')).id}"))
    assert "Hits Buying ." in incident
    drawn = await ann.get("/app/service-map")
    assert "3 services have trouble of 3 that depend on one another." in words(drawn)
    assert drawn.count('class="edge hot"') == 2
    assert len(re.findall(r'class="node is-hit', drawn)) == 2
    assert 'class="node is-triggered"' in drawn
    await world.resolve("pay", "cards refused")
    none = words(await ann.get("/app/business-services?hit=1"))
    assert "No business service is hit" in none
    assert 'class="edge hot"' not in await ann.get("/app/service-map")
    assert "Quiet Buying nothing" in words(await ann.get("/app/business-services"))


async def test_only_what_matters_enough_hits(world: World, ann: Visitor) -> None:
    buying = await business(ann, "Buying")
    await needs(world, ann, buying, "pay")
    await world.trigger("pay", "cards refused")
    world["bob"].expects_page("cards refused")
    assert "Hit Buying" in words(await ann.get("/app/business-services"))
    page = await ann.post("/app/business-services/threshold", {"priority": "P1"})
    assert "Quiet Buying" in words(page)
    # The service itself is red all the same, and its trouble spreads to nothing.
    drawn = await ann.get("/app/service-map")
    assert 'class="node is-triggered"' in drawn
    assert 'class="edge hot"' not in drawn
    page = await ann.post("/app/business-services/threshold", {"priority": ""})
    assert "Hit Buying" in words(page)


async def test_a_dependency_is_taken_away(world: World, ann: Visitor) -> None:
    shop = at(world, "shop")
    await needs(world, ann, shop, "pay")
    page = await ann.get(shop)
    found = re.search(r'action="[^"]+/dependencies/remove".*?name="id" value="(\w+)"', page, re.S)
    assert found is not None
    # It is not on the page of the other end, and cannot be taken away there.
    await ann.post(f"{at(world, 'pay')}/dependencies/remove", {"id": found[1]})
    assert "Depends on Map pay" in words(await ann.get(shop))
    said = words(await ann.post(f"{shop}/dependencies/remove", {"id": found[1]}))
    assert "Depends on Map Nothing that Tocsin knows of." in said


async def test_a_circle_is_refused_in_words(world: World, ann: Visitor) -> None:
    await needs(world, ann, at(world, "shop"), "pay")
    said = await needs(world, ann, at(world, "pay"), "shop", status=409)
    assert "This would close a circle, in which each needs the next: shop → pay → shop." in said
    said = words(await ann.post(f"{at(world, 'pay')}/dependencies", {"supporting": ""}, status=422))
    assert "choose one of the list" in said


async def test_the_map_can_be_opened_around_one(world: World, ann: Visitor) -> None:
    await needs(world, ann, at(world, "shop"), "pay")
    assert "No dependency yet" not in words(await ann.get("/app/service-map"))
    whole = await ann.get("/app/service-map")
    around = await ann.get(f"/app/service-map?focus={world.services['pay'].id}")
    assert whole.count('class="edge"') == around.count('class="edge"') == 1
    assert "Everything that pay needs, and everything that needs it." in words(around)
    # One without a dependency leads to the whole map.
    alone = await ann.get(f"/app/service-map?focus={world.services['db'].id}")
    assert "depend on one another" in words(alone)
    await ann.get("/app/service-map?focus=../x", status=404)


async def test_a_business_service_is_changed_and_deleted(world: World, ann: Visitor) -> None:
    buying = await business(ann, "Buying")
    await business(ann, "Search")
    taken = words(await ann.post(buying, {"name": "search"}, status=422))
    assert "is already the name of another business service" in taken
    page = await ann.post(buying, {"name": "Buying", "point_of_contact": "Ines, ext. 4711"})
    assert "Ask Ines, ext. 4711" in words(page)
    record = words(await ann.get("/app/audit?subject=business_service"))
    assert "changed business service Buying" in record
    left = words(await ann.post(f"{buying}/delete"))
    assert "Buying is deleted." in left
    await ann.get(buying, status=404)


async def test_what_changed_is_on_the_pages(world: World, ann: Visitor) -> None:
    await needs(world, ann, at(world, "shop"), "pay")
    for service, summary, minutes in (("shop", "Build 7", 90), ("pay", "New card rules", 20)):
        body = {
            "routing_key": world.keys[service],
            "payload": {
                "summary": summary,
                "timestamp": (world.clock.now() - timedelta(minutes=minutes)).isoformat(),
            },
            "links": [{"href": f"https://ci.example.com/{minutes}", "text": "Diff"}],
        }
        assert (await world.http.post("/v2/change/enqueue", json=body)).status_code == 202
    await world.trigger("shop", "down")
    world["bob"].expects_page("down")
    page = await ann.get(f"/app/incidents/{(await world.incident('down')).id}")
    said = words(page)
    changed = said[said.index("What changed") :]
    assert changed.index("New card rules") < changed.index("Build 7")
    assert "20 min before this service needs pay" in changed
    assert 'href="https://ci.example.com/20"' in page
    assert 'href="https://ci.example.com/90"' in await ann.get(at(world, "shop"))


async def test_who_may_not_see_a_service_does_not_read_its_name(world: World, ann: Visitor) -> None:
    await needs(world, ann, at(world, "shop"), "pay")
    await world.trigger("pay", "secret trouble")
    world["bob"].expects_page("secret trouble")
    await world.person("eve", role=Role.RESTRICTED)
    async with world.database.transaction() as tx:
        team = await accounts.create_team(tx, SYSTEM, START, name="Core")
        member = Member(team_id=team.id, user_id=world["eve"].user.id, role=TeamRole.MANAGER)
        await accounts.set_member(tx, SYSTEM, member, START)
        await accounts.set_password(tx, SYSTEM, world["eve"].user.id, PASSWORD, START)
        await tx.execute(
            "update escalation_policies set team_id = %(team)s where id = %(id)s",
            {"team": team.id, "id": world.services["shop"].escalation_policy_id},
        )
    eve = Visitor(world.http)
    await eve.sign_in("eve@example.com")
    page = words(await eve.get(at(world, "shop")))
    assert "shop → which needs another team’s service" in page
    assert "1 open incident that you may not see" in page
    drawn = words(await eve.get("/app/service-map"))
    assert "1 service of other teams is not shown." in drawn
    assert "secret" not in page + drawn
    assert "pay" not in drawn
    await eve.close()


async def test_people_teams_and_policies_are_found_by_tag(world: World, ann: Visitor) -> None:
    bob = f"/app/people/{world['bob'].user.id}"
    policy = f"/app/escalation-policies/{world.services['shop'].escalation_policy_id}"
    await ann.get("/app/teams")
    team = await ann.post("/app/teams", {"name": "Core"})
    found = re.search(r'action="(/app/teams/\w+)/tags"', team)
    assert found is not None
    for path in (bob, policy, found[1]):
        page = words(await ann.post(f"{path}/tags", {"add": "Night crew"}))
        assert "Tags Night crew" in page
    listed = await ann.get("/app/tags")
    assert "Night crew 1 person 1 team 1 policy" in words(listed)
    tag = re.search(r"/app/people\?tag=(\w+)", listed)
    assert tag is not None
    people = words(await ann.get(f"/app/people?tag={tag[1]}"))
    assert "1 person on this page" in people
    assert "bob" in people
    policies = words(await ann.get(f"/app/escalation-policies?tag={tag[1]}"))
    assert "1 policy on this page" in policies
    assert "1 team on this page" in words(await ann.get(f"/app/teams?tag={tag[1]}"))
    assert "Nobody carries that tag" in words(await ann.get(f"/app/people?tag={tag[1]}&q=ann"))
    await ann.get("/app/people?tag=PNONE", status=404)
    page = words(await ann.post(f"{bob}/tags", {"remove": tag[1]}))
    assert "Night crew" not in page.partition("Tags")[2].partition("Password")[0].replace(
        "Add a tag", ""
    )
    await ann.post(f"{bob}/tags", {"add": "x" * 192}, status=422)
    again = words(await ann.post("/app/tags", {"label": "NIGHT CREW"}, status=422))
    assert "is already the label of another tag" in again
    gone = words(await ann.post(f"/app/tags/{tag[1]}/delete"))
    assert "No tag yet" in gone
    assert "Night crew" not in words(await ann.get(policy))
