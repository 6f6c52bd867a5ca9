"""Status updates over the REST API: who follows is mailed once, and nobody is paged."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.support.postgres import START
from tests.support.rest import Client, account_client, code_of, person_client
from tests.support.world import World, make_world
from tocsin.accounts import actions as accounts
from tocsin.accounts.model import SYSTEM, Member, Role
from tocsin.channels.model import Message

UPDATE_FIELDS = {"id", "message", "subject", "html_message", "created_at", "sender"}


@pytest.fixture
async def world(fresh_dsn: str, tmp_path: Any) -> AsyncIterator[World]:
    channels = ("phone", "mail", "email")
    async with make_world(fresh_dsn, tmp_path, START, channels=channels) as made:
        await made.person("ann", role=Role.OWNER)
        await made.person("bob")
        await made.person("sue", role=Role.STAKEHOLDER)
        await made.service("shop", [["ann"]])
        await made.trigger("shop", "slow")
        made["ann"].expects_page("slow")
        yield made


@pytest.fixture
async def admin(world: World) -> Client:
    return await account_client(world, sender="ann@example.com")


@pytest.fixture
async def team(world: World) -> str:
    now = world.clock.now()
    async with world.database.transaction() as tx:
        made = await accounts.create_team(tx, SYSTEM, now, name="board")
        for name in ("bob", "sue"):
            user = world[name].user.id
            role = "observer" if name == "sue" else "manager"
            member = Member(team_id=made.id, user_id=user, role=role)
            await accounts.set_member(tx, SYSTEM, member, now)
    return made.id


async def path(world: World, rest: str = "") -> str:
    return f"/incidents/{(await world.incident('slow')).id}/status_updates{rest}"


def mails(world: World, name: str) -> list[Message]:
    """What came to the address of a person's profile; it is then read."""
    return world.channels["email"].waiting.pop(f"{name}@example.com", [])


def who(kind: str, id: str) -> dict[str, str]:
    return {"subscriber_id": id, "subscriber_type": kind}


async def test_an_update_is_mailed_once_to_each_who_follows(
    world: World, admin: Client, team: str
) -> None:
    sue = world["sue"].user.id
    body = await admin.post(
        await path(world, "/subscribers"),
        {"subscribers": [who("user", sue), who("team", team)]},
        200,
    )
    assert [one["result"] for one in body["subscriptions"]] == ["success", "success"]
    update = {"message": "**Half** of it works again", "subject": "Better"}
    body = await admin.post(await path(world), update, 200)
    found = body["status_update"]
    assert set(found) == UPDATE_FIELDS
    assert found["message"] == update["message"]
    assert found["subject"] == "Better"
    assert found["html_message"] == "<p><strong>Half</strong> of it works again</p>"
    assert found["sender"]["id"] == world["ann"].user.id
    await world.settle()
    (mail,) = mails(world, "sue")
    assert mail.update is not None
    assert (mail.update.subject, mail.update.author) == ("Better", "ann")
    assert mail.acknowledge_url is None
    assert len(mails(world, "bob")) == 1
    # The same again is a mistake or a second try, and is not mailed twice.
    again = await admin.post(await path(world), update, 400)
    assert "moment ago" in again["error"]["message"]
    await world.advance(minutes=4)
    assert mails(world, "sue") == []
    assert ("status_update", "status_update_published") in await world.reasons("slow")


async def test_html_is_made_safe_and_a_subject_is_found(world: World, admin: Client) -> None:
    html = '<p onclick="x()">Hi <script>alert(1)</script><img src="http://x/y"><b>all</b></p>'
    body = await admin.post(await path(world), {"message": "Hi", "html_message": html}, 200)
    assert body["status_update"]["html_message"] == "<p>Hi <b>all</b></p>"
    number = (await world.incident("slow")).number
    assert body["status_update"]["subject"] == f"Update on #{number}: slow"


async def test_subscribers_come_and_go(world: World, admin: Client, team: str) -> None:
    bob = world["bob"].user.id
    address = await path(world, "/subscribers")
    given = {"subscribers": [who("user", bob), who("team", team)]}
    await admin.post(address, given, 200)
    body = await admin.post(address, given, 200)
    assert {one["result"] for one in body["subscriptions"]} == {"duplicate"}
    assert set(body["subscriptions"][0]) == {
        "account_id",
        "subscribable_id",
        "subscribable_type",
        "subscriber_id",
        "subscriber_type",
        "result",
    }
    body = await admin.get(address, total="true")
    assert body["total"] == 2
    assert set(body) == {"subscribers", "account_id", "limit", "offset", "total", "more"}
    assert set(body["subscribers"][0]) == {
        "subscriber_id",
        "subscriber_type",
        "has_indirect_subscription",
        "subscribed_via",
    }
    page = await admin.get(address, limit=1)
    assert (len(page["subscribers"]), page["more"]) == (1, True)
    missing = {"subscribers": [who("user", bob), who("user", world["sue"].user.id)]}
    body = await admin.post(await path(world, "/unsubscribe"), missing, 200)
    assert body == {"deleted_count": 1, "unauthorized_count": 0, "non_existent_count": 1}
    await admin.post(await path(world), {"message": "x"}, 200)
    await world.settle()
    # Bob is still in the team.
    assert len(mails(world, "bob")) == 1
    assert len(mails(world, "sue")) == 1


@pytest.mark.parametrize("kind", ["users", "teams"])
async def test_what_a_person_or_a_team_follows(
    world: World, admin: Client, team: str, kind: str
) -> None:
    id = team if kind == "teams" else world["bob"].user.id
    incident = (await world.incident("slow")).id
    address = f"/{kind}/{id}/notification_subscriptions"
    thing = {"subscribables": [{"subscribable_id": incident, "subscribable_type": "incident"}]}
    body = await admin.post(address, thing, 200)
    assert [one["result"] for one in body["subscriptions"]] == ["success"]
    body = await admin.get(address)
    (found,) = body["subscriptions"]
    assert found["subscribable_name"] == "slow"
    assert found["subscription"]["subscribable_id"] == incident
    assert found["subscription"]["subscriber_type"] == kind[:-1]
    body = await admin.post(f"{address}/unsubscribe", thing, 200)
    assert body == {"deleted_count": 1, "unauthorized_count": 0, "non_existent_count": 0}
    assert (await admin.get(address))["subscriptions"] == []
    other = {"subscribables": [{"subscribable_id": "P1", "subscribable_type": "business_service"}]}
    refused = await admin.post(address, other, 400)
    assert "subscribable_type" in refused["error"]["errors"][0]
    gone = {"subscribables": [{"subscribable_id": "P1", "subscribable_type": "incident"}]}
    await admin.post(address, gone, 404)
    body = await admin.post(f"{address}/unsubscribe", gone, 200)
    assert body["non_existent_count"] == 1
    for verb in ("", "/unsubscribe"):
        await admin.post(f"/{kind}/P1/notification_subscriptions{verb}", thing, 404)
    await admin.get(f"/{kind}/P1/notification_subscriptions", 404)


async def test_wrong_values_name_their_field(world: World, admin: Client) -> None:
    address = await path(world)
    for given_update, field in (
        ({}, "message"),
        ({"message": " "}, "message"),
        ({"message": "x" * 10_001}, "message"),
        ({"message": "x", "subject": "s" * 201}, "subject"),
        ({"message": "x", "html_message": "h" * 50_001}, "html_message"),
    ):
        answer = await admin.post(address, given_update, 400)
        assert answer["error"]["errors"][0].startswith(field), answer
    subscribers = await path(world, "/subscribers")
    for given, said in (
        ({"subscribers": []}, "subscribers"),
        ({"subscribers": [who("robot", "P1")]}, "subscriber_type"),
        ({"subscribers": [who("user", "P1")]}, "there is no user P1"),
        ({"subscribers": [who("team", "P1")]}, "there is no team P1"),
    ):
        answer = await admin.post(subscribers, given, 400)
        assert said in answer["error"]["errors"][0]
    for rest in ("", "/subscribers", "/unsubscribe"):
        body: dict[str, Any] = {"message": "x"}
        body["subscribers"] = [who("user", world["bob"].user.id)]
        await admin.post(f"/incidents/P1/status_updates{rest}", body, 404)
    await admin.get("/incidents/P1/status_updates/subscribers", 404)


async def test_who_may_publish_and_who_may_follow(world: World) -> None:
    address = await path(world)
    sue = world["sue"].user.id
    stakeholder = await person_client(world, "sue")
    await stakeholder.post(address, {"message": "x"}, 403)
    own = {"subscribers": [who("user", sue)]}
    await stakeholder.post(f"{address}/subscribers", own, 200)
    others = {"subscribers": [who("user", world["bob"].user.id)]}
    await stakeholder.post(f"{address}/subscribers", others, 403)
    assert len((await stakeholder.get(f"{address}/subscribers"))["subscribers"]) == 1
    reader = await account_client(world, read_only=True, sender="ann@example.com")
    await reader.post(address, {"message": "x"}, 403)
    await reader.post(f"{address}/subscribers", own, 403)
    await reader.post(f"{address}/unsubscribe", own, 403)
    nameless = await account_client(world)
    assert code_of(await nameless.post(address, {"message": "x"}, 400)) == 1008
    await stakeholder.post(f"{address}/unsubscribe", own, 200)


async def test_a_loop_cannot_mail_a_company_a_hundred_times(world: World, admin: Client) -> None:
    address = await path(world)
    for number in range(10):
        await admin.post(address, {"message": f"update {number}"}, 200)
    answer = await admin.post(address, {"message": "one more"}, 400)
    assert "within 10 minutes" in answer["error"]["message"]
    await world.advance(minutes=3)
    world["ann"].expects_nothing()
