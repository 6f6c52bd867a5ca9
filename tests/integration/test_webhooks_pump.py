"""The webhook pump against real receivers: signatures, order, retries, lanes and crashes."""

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from typing import Any

import pytest

from tests.support.fake_providers import Reset, Slow, Status
from tests.support.postgres import START
from tests.support.webhooks import signature, subscriber
from tests.support.world import World, make_world
from tocsin.accounts import audit
from tocsin.accounts.model import SYSTEM, Role
from tocsin.core import crash_points
from tocsin.core.database import Database
from tocsin.core.errors import Refused
from tocsin.core.http import Answer, Outbound
from tocsin.core.outbound_guard import parse_allow_list
from tocsin.engine.pump_webhooks import LEASE_SECONDS, WebhookPump
from tocsin.webhooks import actions as webhooks
from tocsin.webhooks.model import REDACTED, Finished, Header, Outcome, SubscriptionChange

SECOND = timedelta(seconds=1)
POINTS = [name for name in crash_points.POINTS if name.startswith("webhooks.")]


@pytest.fixture
async def world(fresh_dsn: str, tmp_path: Any) -> AsyncIterator[World]:
    async with make_world(fresh_dsn, tmp_path, START) as made:
        await made.person("ann", role=Role.OWNER)
        await made.service("shop", [["ann"]])
        made.clock.advance(SECOND)
        yield made


async def until(check: Callable[[], bool]) -> None:
    """Wait for a condition of this process."""
    while not check():  # noqa: ASYNC110 - what is waited for has no event of its own
        await asyncio.sleep(0.005)


class Gate(Outbound):
    """Requests wait until the gate is opened."""

    def __init__(self) -> None:
        super().__init__(parse_allow_list("127.0.0.0/8"))
        self.open = asyncio.Event()
        self.waiting = 0

    async def request(self, method: str, url: str, **more: Any) -> Answer:
        self.waiting += 1
        await self.open.wait()
        return await super().request(method, url, **more)


def new_pump(world: World, node: str = "node-2", **more: Any) -> WebhookPump:
    return WebhookPump(
        world.database,
        world.clock,
        secret_box=world.program.secret_box,
        node=node,
        **{"outbound": world.program.webhook_outbound, **more},
    )


async def send_all(pump: WebhookPump) -> None:
    while await pump.run_due():
        pass


async def read_only(world: World) -> None:
    """Let the engine do all but send webhooks."""
    for stage in world.program.engine.stages:
        if stage.name != "webhooks":
            while await (stage.inline or stage.run)():
                pass


async def queue(world: World, *names: str, resolve: bool = False) -> None:
    """Incidents whose events are queued and not sent."""
    for name in names:
        for action in ("trigger", "resolve") if resolve else ("trigger",):
            body = {
                "routing_key": world.keys["shop"],
                "event_action": action,
                "dedup_key": name,
                "payload": {"summary": name, "source": "test", "severity": "critical"},
            }
            answer = await world.http.post("/v2/enqueue", json=body)
            assert answer.status_code == 202
            await read_only(world)


async def disabling(world: World) -> list[tuple[str, str | None]]:
    """What the audit record says of subscriptions that were disabled: action and reason."""
    async with world.database.transaction() as tx:
        page = await audit.page(tx, SYSTEM, subject_type="webhook_subscription", limit=100)
    return [
        (row.actor_kind, (row.after or {}).get("disabled_reason"))
        for row in page.items
        if row.action == "disable"
    ]


async def test_what_is_sent_proves_who_sent_it_with_each_of_two_secrets(world: World) -> None:
    mine = [Header("X-Team", "core"), Header("Authorization", "Bearer abc")]
    async with subscriber(world, headers=mine) as shop:
        async with world.database.transaction() as tx:
            box, now = world.program.secret_box, world.clock.now()
            added, value = await webhooks.add_secret(tx, SYSTEM, box, shop.id, now)
        first, shop.secrets = shop.secrets[0], [value, shop.secrets[0]]
        await world.trigger("shop", "db-down")
        (request,) = shop.requests
        assert (request.method, request.path) == ("POST", "/hook")
        given = request.headers["x-pagerduty-signature"]
        assert given == f"{signature(value, request.body)},{signature(first, request.body)}"
        assert signature("wrong", request.body) not in given
        assert request.headers["content-type"] == "application/json"
        assert request.headers["x-webhook-subscription"] == shop.id
        assert request.headers["x-team"] == "core"
        assert request.headers["authorization"] == "Bearer abc"
        (delivery,) = await shop.deliveries()
        assert request.headers["x-webhook-id"] == delivery.id
        assert (delivery.status, delivery.state) == (202, "delivered")
        async with world.database.transaction() as tx:
            one = await webhooks.get(tx, SYSTEM, shop.id)
            old = (await webhooks.secrets(tx, one))[1]
            await webhooks.remove_secret(tx, SYSTEM, shop.id, old.id, world.clock.now())
            with pytest.raises(Refused):
                await webhooks.remove_secret(tx, SYSTEM, shop.id, added.id, world.clock.now())
        shop.http.requests.clear()
        shop.secrets = [value]
        await world.resolve("shop", "db-down")
        assert shop.types == ["incident.resolved"]


async def test_a_header_that_is_given_back_redacted_keeps_its_value(world: World) -> None:
    async with subscriber(world, headers=[Header("X-Team", "core")]) as shop:
        async with world.database.transaction() as tx:
            change = SubscriptionChange(headers=(Header("X-Team", REDACTED), Header("X-B", "b")))
            box, now = world.program.secret_box, world.clock.now()
            await webhooks.update(tx, SYSTEM, shop.id, change, now, box=box)
        await world.trigger("shop", "db-down")
        (request,) = shop.requests
        assert (request.headers["x-team"], request.headers["x-b"]) == ("core", "b")


@pytest.mark.parametrize("name", POINTS)
async def test_a_crash_at_any_point_loses_nothing(world: World, name: str) -> None:
    """At most one repeat, under the same id and word for word the same."""
    async with subscriber(world, "incident.triggered", "incident.resolved") as shop:
        await queue(world, "db-down", resolve=True)

        def die(reached: str) -> None:
            if reached == name:
                raise crash_points.Crash(name)

        crash_points.handle(die)
        try:
            with pytest.raises(crash_points.Crash):
                await send_all(world.program.webhook_pump)
        finally:
            crash_points.handle(None)
        world.clock.advance(timedelta(seconds=LEASE_SECONDS + 1))
        await send_all(new_pump(world))
        assert await shop.states() == ["delivered", "delivered"]
        assert list(dict.fromkeys(shop.types)) == ["incident.triggered", "incident.resolved"]
        assert 2 <= len(shop.requests) <= 3
        ids = [request.headers["x-webhook-id"] for request in shop.requests]
        bodies = [request.body for request in shop.requests]
        assert len(set(ids)) == len(set(bodies)) == 2
        if name in ("webhooks.after_send", "webhooks.receipt_uncommitted"):
            assert len(ids) == 3
            assert (ids[0], bodies[0]) == (ids[1], bodies[1])


async def test_a_later_event_waits_for_the_earlier_one(world: World) -> None:
    """Of one incident; those of other incidents go on."""
    async with subscriber(world) as shop:
        shop.http.script(Status(503), Reset(), Status(429, {"Retry-After": "120"}))
        await queue(world, "a", resolve=True)
        await world.program.webhook_pump.run_due()
        assert shop.about("a") == ["incident.triggered"]
        assert await shop.states() == ["queued", "waiting"]
        shop.http.requests.clear()
        await world.advance(seconds=10)
        await world.advance(seconds=30)
        assert shop.about("a") == ["incident.triggered"] * 2
        await world.advance(seconds=119)
        assert shop.about("a") == ["incident.triggered"] * 2
        await world.trigger("shop", "b")
        assert shop.about("b") == ["incident.triggered"]
        await world.advance(seconds=1)
        assert shop.about("a") == ["incident.triggered"] * 3 + ["incident.resolved"]
        ids = [r.headers["x-webhook-id"] for r in shop.requests if b'"title":"a"' in r.body]
        assert len(set(ids[:3])) == 1
        assert ids[3] != ids[0]
        assert set(await shop.states()) == {"delivered"}


async def test_an_event_that_comes_while_one_is_sent_waits_too(world: World) -> None:
    """Queueing and finishing meet on the subscription's row: the one behind is never forgotten."""
    async with subscriber(world) as shop:
        await queue(world, "a")
        gate = Gate()
        pump = new_pump(world, outbound=gate)
        assert await pump.claim_and_start() == 1
        await until(lambda: gate.waiting == 1)
        await queue(world, "b")
        await world.http.post(
            "/v2/enqueue",
            json={
                "routing_key": world.keys["shop"],
                "event_action": "resolve",
                "dedup_key": "a",
            },
        )
        await read_only(world)
        states = {d.type + d.resource_id: d.state for d in await shop.deliveries()}
        assert sorted(states.values()) == ["queued", "sending", "waiting"]
        gate.open.set()
        await pump.drain(5)
        await gate.aclose()
        await world.settle()
        assert shop.about("a") == ["incident.triggered", "incident.resolved"]
        assert set(await shop.states()) == {"delivered"}


async def test_a_slow_subscriber_holds_up_neither_others_nor_its_own_free_places(
    world: World,
) -> None:
    async with subscriber(world) as slow, subscriber(world) as quick:
        slow.http.always = Slow(30)
        freed: list[bool] = []
        pump = new_pump(world, places=2, answer_seconds=60.0, on_free=lambda: freed.append(True))
        await queue(world, "a", "b", "c")
        assert await pump.claim_and_start() == 4
        await until(lambda: len(quick.http.requests) == 2 and len(slow.http.requests) == 2)
        await until(lambda: len(freed) == 2)
        assert await pump.claim_and_start() == 1
        await until(lambda: len(quick.http.requests) == 3)
        assert len(slow.http.requests) == 2
        assert await pump.claim_and_start() == 0
        await pump.drain(0.01)


async def test_two_pumps_send_each_event_once(world: World) -> None:
    async with subscriber(world) as shop, Database(world.database.dsn, size=4) as own:
        names = [f"i{n}" for n in range(20)]
        await queue(world, *names)
        other = WebhookPump(
            own,
            world.clock,
            outbound=world.program.webhook_outbound,
            secret_box=world.program.secret_box,
            node="node-2",
        )

        await asyncio.gather(send_all(world.program.webhook_pump), send_all(other))
        await world.settle()
        assert sorted(event["data"]["title"] for event in shop.events) == sorted(names)


async def test_a_receipt_after_the_lease_changes_nothing(world: World) -> None:
    """Another node has taken it over and is sending it."""
    async with subscriber(world) as shop:
        await queue(world, "a")
        async with world.database.transaction() as tx:
            (stale,) = await claim(world, tx, "node-1")
        world.clock.advance(timedelta(seconds=LEASE_SECONDS + 1))
        async with world.database.transaction() as tx:
            assert await webhooks.take_back(tx, world.clock.now()) == 1
        async with world.database.transaction() as tx:
            (fresh,) = await claim(world, tx, "node-2")
        assert (stale.id, stale.fence + 1) == (fresh.id, fresh.fence)
        async with world.database.transaction() as tx:
            gone = Finished(claim=stale, outcome=Outcome.GONE, detail="answered 410")
            await webhooks.record(tx, [gone], world.clock.now())
        assert await shop.states() == ["sending"]
        assert not (await shop.subscription()).disabled(world.clock.now())


async def claim(world: World, tx: Any, node: str) -> Any:
    return await webhooks.claim(
        tx,
        world.clock.now(),
        node=node,
        lease_seconds=LEASE_SECONDS,
        places=4,
        limit=10,
        busy={},
    )


async def test_what_is_refused_is_dropped_and_three_in_a_row_rest_for_a_day(world: World) -> None:
    async with subscriber(world, "incident.triggered") as shop:
        shop.http.always = Status(400)
        for name in ("a", "b"):
            await world.trigger("shop", name)
        assert not (await shop.subscription()).disabled(world.clock.now())
        shop.http.always = None
        await world.trigger("shop", "c")
        shop.http.always = Status(302, {"Location": "http://elsewhere.example"})
        for name in ("d", "e", "f"):
            await world.trigger("shop", name)
        assert await shop.states() == ["dropped"] * 2 + ["delivered"] + ["dropped"] * 3
        one = await shop.subscription()
        assert one.disabled(world.clock.now())
        assert one.disabled_reason == "it refused three events in a row"
        assert await disabling(world) == [("engine", one.disabled_reason)]
        await world.trigger("shop", "g")
        assert len(shop.requests) == 6
        shop.http.always = None
        await world.advance(hours=23, minutes=59)
        assert len(shop.requests) == 6
        await world.advance(minutes=1)
        assert shop.about("g") == ["incident.triggered"]
        well = await shop.subscription()
        assert (well.disabled_at, well.disabled_reason, well.refusals) == (None, None, 0)


async def test_gone_means_never_again_until_somebody_enables_it(world: World) -> None:
    async with subscriber(world, "incident.triggered") as shop:
        shop.http.always = Status(410)
        await queue(world, "a", "b")
        await world.settle()
        assert len(shop.requests) == 2
        await world.trigger("shop", "c")
        shop.http.always = None
        await world.advance(hours=50)
        assert len(shop.requests) == 2
        assert (await shop.subscription()).disabled(world.clock.now())
        assert await disabling(world) == [("engine", "it answered 410 Gone")]
        async with world.database.transaction() as tx:
            await webhooks.enable(tx, SYSTEM, shop.id, world.clock.now())
        world.clock.advance(SECOND)
        await world.trigger("shop", "d")
        assert shop.about("d") == ["incident.triggered"]
        assert shop.about("c") == []


async def test_what_cannot_be_delivered_for_two_days_is_given_up(world: World) -> None:
    async with subscriber(world, "incident.triggered", "incident.resolved") as shop:
        shop.http.always = Status(500)
        await world.trigger("shop", "a")
        await world.resolve("shop", "a")
        await world.advance(hours=47)
        assert await shop.states() == ["queued", "waiting"]
        assert shop.types == ["incident.triggered"] * len(shop.requests)
        await world.advance(hours=2)
        states = await shop.states()
        assert states == ["expired", "cancelled"]
        one = await shop.subscription()
        assert one.disabled(world.clock.now())
        assert one.disabled_reason == "it could not be reached for 48 hours"
        assert 48 < len(shop.requests) < 64


async def test_a_ping_goes_to_one_that_is_switched_off_and_is_tried_once(world: World) -> None:
    async with subscriber(world, "incident.resolved") as shop:
        async with world.database.transaction() as tx:
            box, now = world.program.secret_box, world.clock.now()
            off = SubscriptionChange(active=False)
            await webhooks.update(tx, SYSTEM, shop.id, off, now, box=box)
            ann = world["ann"].actor
            await webhooks.ping(tx, ann, shop.id, now, base_url="http://tocsin.test")
        shop.http.script(Status(500))
        await world.settle()
        await world.advance(hours=1)
        (event,) = shop.events
        assert event["event_type"] == "pagey.ping"
        assert event["resource_type"] == "pagey"
        assert event["agent"]["id"] == ann.id
        assert event["data"]["type"] == "ping"
        (delivery,) = await shop.deliveries()
        assert (delivery.state, delivery.status) == ("dropped", 500)
        assert (await shop.subscription()).refusals == 0
        async with world.database.transaction() as tx:
            for _ in range(10):
                await webhooks.ping(
                    tx, ann, shop.id, world.clock.now(), base_url="http://tocsin.test"
                )
            with pytest.raises(Refused):
                await webhooks.ping(
                    tx, ann, shop.id, world.clock.now(), base_url="http://tocsin.test"
                )


async def test_what_waits_for_one_that_is_switched_off_is_cancelled(world: World) -> None:
    async with subscriber(world) as shop, subscriber(world) as other:
        await queue(world, "a", resolve=True)
        async with world.database.transaction() as tx:
            box, now = world.program.secret_box, world.clock.now()
            off = SubscriptionChange(active=False)
            await webhooks.update(tx, SYSTEM, shop.id, off, now, box=box)
            await webhooks.delete(tx, SYSTEM, other.id, now)
        await world.advance(minutes=1)
        assert await shop.states() == ["cancelled", "cancelled"]
        assert shop.http.requests == other.http.requests == []
        async with world.database.transaction() as tx:
            states = await tx.tuples("select distinct state from webhook_deliveries")
        assert states == [("cancelled",)]


async def test_an_address_inside_is_refused_before_anything_is_sent(
    fresh_dsn: str, tmp_path: Any
) -> None:
    """The server opens no private address to subscribers unless its operator does."""
    async with make_world(fresh_dsn, tmp_path, START, outbound_allow="") as world:
        await world.person("ann", role=Role.OWNER)
        await world.service("shop", [["ann"]])
        world.clock.advance(SECOND)
        async with subscriber(world, "incident.triggered") as shop:
            await world.trigger("shop", "a")
            assert shop.http.connections == 0
            (delivery,) = await shop.deliveries()
            assert delivery.state == "dropped"
            assert "TOCSIN_OUTBOUND_ALLOW" in (delivery.detail or "")
