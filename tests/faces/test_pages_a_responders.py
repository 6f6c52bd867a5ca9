"""Asking others to join an incident and keeping followers informed, as somebody without scripts."""

from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.support.postgres import START
from tests.support.visitor import Visitor, words
from tests.support.world import World, make_world
from tocsin.accounts.model import Role


@pytest.fixture
async def world(fresh_dsn: str, tmp_path: Path) -> AsyncIterator[World]:
    channels = ("phone", "mail", "email")
    async with make_world(fresh_dsn, tmp_path, START, channels=channels) as made:
        await made.person("ann", zone="Europe/Berlin")
        await made.person("bob")
        await made.person("sue", role=Role.STAKEHOLDER)
        await made.service("shop", [["ann"]], acknowledgement_timeout=None)
        await made.service("database", [["bob"]])
        await made.trigger("shop", "slow")
        made["ann"].expects_page("slow")
        yield made


@pytest.fixture
async def ann(world: World) -> AsyncIterator[Visitor]:
    visitor = Visitor(world.http)
    await visitor.sign_in("ann@example.com")
    yield visitor
    await visitor.close()


async def page(world: World) -> str:
    return f"/app/incidents/{(await world.incident('slow')).id}"


async def test_a_person_is_asked_on_the_page_and_answers_by_one_tap(
    world: World, ann: Visitor
) -> None:
    address = await page(world)
    before = await ann.get(address)
    assert "Nobody was asked to help yet." in words(before)
    # Who only follows is not offered.
    offered = before.split('id="f-target-0"')[1].split("</select>")[0]
    assert "bob" in offered
    assert "sue" not in offered
    bob, policy = world["bob"].user.id, world.services["database"].escalation_policy_id
    await ann.post(
        f"{address}/responders",
        {"target": [f"user:{bob}", f"policy:{policy}", ""], "message": "Is it <b>the</b> cache?"},
    )
    await world.settle()
    message = world["bob"].expects_page("slow")
    said = words(await ann.get(address))
    assert "bob asked" in said
    assert "ann asked 10:00 : Is it <b>the</b> cache?" in said
    assert "ann asked bob to join, through database policy" in said
    assert "The policy goes on 10:05:00 if nobody joins." in said
    assert message.acknowledge_url is not None
    link = urlsplit(message.acknowledge_url).path
    tap = words((await world.http.get(link)).text)
    assert "Question for bob" in tap
    assert "ann asks you to join." in tap
    answer = await world.http.post(
        f"{link}/decline", data={"note": "On a plane"}, follow_redirects=True
    )
    assert "You declined" in words(answer.text)
    await world.settle()
    said = words(await ann.get(address))
    assert "bob declined" in said
    assert "“On a plane”" in said
    assert "0 open requests" in said
    deliveries = await ann.get("/app/deliveries")
    first = deliveries.split('href="/app/deliveries/Q')[1].split('"')[0]
    why = words(await ann.get(f"/app/deliveries/Q{first}"))
    assert "ann asked for bob to join" in why


async def test_who_is_asked_answers_on_the_page_too(world: World, ann: Visitor) -> None:
    address = await page(world)
    await ann.post(f"{address}/responders", {"target": f"user:{world['ann'].user.id}"})
    await world.settle()
    world["ann"].expects_page("slow")
    said = words(await ann.get(address))
    assert "ann asks you to join. Please help with “slow”" in said
    await ann.post(f"{address}/join")
    said = words(await ann.get(address))
    assert "asks you to join" not in said
    assert "ann joined" in said
    refused = await ann.post(f"{address}/join", status=409)
    assert "Nothing waits for your answer here" in words(refused)


async def test_a_request_is_called_off_on_the_page(world: World, ann: Visitor) -> None:
    address = await page(world)
    target = f"user:{world['bob'].user.id}"
    await ann.post(f"{address}/responders", {"target": target})
    await world.settle()
    world["bob"].expects_page("slow")
    await ann.post(f"{address}/responders/cancel", {"target": target})
    said = words(await ann.get(address))
    assert "bob not needed" in said
    assert "A person called it off." in said
    nobody = await ann.post(f"{address}/responders", {"target": ""}, status=422)
    assert "Choose a person or an escalation policy" in words(nobody)


async def test_an_update_is_looked_at_and_then_mailed(world: World, ann: Visitor) -> None:
    address = await page(world)
    shown = await ann.post(f"{address}/update/preview", {"message": "x"})
    assert "Nobody follows #1 yet." in words(shown)
    await ann.post(f"{address}/follow")
    await ann.post(f"{address}/followers", {"follower": f"user:{world['sue'].user.id}"})
    update = {"message": "**Half** works <script>x</script>", "subject": "Better"}
    shown = await ann.post(f"{address}/update/preview", update)
    assert "2 people by e-mail, once" in words(shown).replace("\N{NO-BREAK SPACE}", " ")
    assert "<strong>Half</strong> works &lt;script&gt;x&lt;/script&gt;" in shown
    await world.settle()
    assert world.channels["email"].waiting == {}
    await ann.post(f"{address}/update", update)
    await world.settle()
    mailed = world.channels["email"].waiting
    assert sorted(mailed) == ["ann@example.com", "sue@example.com"]
    assert [len(mails) for mails in mailed.values()] == [1, 1]
    said = words(await ann.get(address)).replace("\N{NO-BREAK SPACE}", " ")
    assert "Better" in said
    assert "Status update by ann, to 2 people" in said
    assert "Stop following" in said
    # A second press mails nobody again.
    await ann.post(f"{address}/update", update, status=409)
    await ann.post(f"{address}/followers/remove", {"follower": f"user:{world['sue'].user.id}"})
    await ann.post(f"{address}/unfollow")
    said = words(await ann.get(address)).replace("\N{NO-BREAK SPACE}", " ")
    assert "0 followers" in said
    assert "Follow this incident" in said
    await ann.post(f"{address}/update/preview", {"message": " "}, status=422)
