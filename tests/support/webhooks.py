"""A program on loopback that subscribes to what happens, in the words of a test.

async with subscriber(world, "incident.triggered") as shop:
    await world.trigger("checkout", "db-down")
    assert shop.types == ["incident.triggered"]
"""

import hashlib
import hmac
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from tests.support.fake_providers import FakeHttp, Request
from tests.support.world import World
from tocsin.accounts.model import SYSTEM
from tocsin.webhooks import actions as webhooks
from tocsin.webhooks.events import TYPES
from tocsin.webhooks.model import Delivery, FilterType, Header, NewSubscription, Subscription


class Subscriber:
    """What one subscription was sent. `http` is scripted to misbehave."""

    def __init__(self, world: World, http: FakeHttp, id: str, secret: str) -> None:
        self.world = world
        self.http = http
        self.id = id
        self.secrets = [secret]

    @property
    def requests(self) -> list[Request]:
        """Every attempt that arrived, each with a signature by every secret."""
        for request in self.http.requests:
            assert self.signed(request), request.headers
        return self.http.requests

    @property
    def events(self) -> list[dict[str, Any]]:
        """The events of the attempts that arrived."""
        return [request.json["event"] for request in self.requests]

    @property
    def types(self) -> list[str]:
        """Their types, in order."""
        return [event["event_type"] for event in self.events]

    def about(self, title: str) -> list[str]:
        """The types of what arrived about the incident with this title, in order."""
        return [event["event_type"] for event in self.events if event["data"].get("title") == title]

    def signed(self, request: Request) -> bool:
        """Whether the request proves that it was sent by who knows every secret."""
        given = request.headers["x-pagerduty-signature"].split(",")
        return given == [signature(secret, request.body) for secret in self.secrets]

    async def subscription(self) -> Subscription:
        """As it stands now."""
        async with self.world.database.transaction() as tx:
            return await webhooks.get(tx, SYSTEM, self.id)

    async def deliveries(self) -> Sequence[Delivery]:
        """What was and is to be sent, oldest first."""
        async with self.world.database.transaction() as tx:
            one = await webhooks.get(tx, SYSTEM, self.id)
            found = await webhooks.deliveries(tx, one, limit=100)
        return found.items[::-1]

    async def states(self) -> list[str]:
        """The states of the deliveries, oldest first."""
        return [str(delivery.state) for delivery in await self.deliveries()]


def signature(secret: str, body: bytes) -> str:
    """As a receiver works it out, with nothing of ours."""
    return "v1=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


@asynccontextmanager
async def subscriber(
    world: World,
    *events: str,
    filter_type: FilterType = FilterType.ACCOUNT,
    filter_id: str | None = None,
    headers: Sequence[Header] = (),
) -> AsyncIterator[Subscriber]:
    """A receiver of its own with a subscription to these events, or to all."""
    async with FakeHttp("webhook") as http:
        new = NewSubscription(
            url=f"{http.url}/hook",
            events=events or TYPES,
            filter_type=filter_type,
            filter_id=filter_id,
            headers=tuple(headers),
        )
        async with world.database.transaction() as tx:
            made, secret = await webhooks.create(
                tx, SYSTEM, world.program.secret_box, new, world.clock.now()
            )
        yield Subscriber(world, http, made.id, secret)
