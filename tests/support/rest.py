"""A client of the REST API in a test: a key of some role, and what every answer must be like."""

from typing import Any

import httpx

from tests.support.world import World
from tocsin.accounts import actions as accounts
from tocsin.accounts.model import SYSTEM, Actor, NewKey, Role

BASE = "http://tocsin.test"


class Client:
    """Speaks to the world's server with one key."""

    def __init__(self, world: World, token: str, *, sender: str | None = None) -> None:
        self.world = world
        self.token = token
        self.headers = {
            "authorization": f"Token token={token}",
            "accept": "application/vnd.pagerduty+json;version=2",
        }
        if sender is not None:
            self.headers["from"] = sender

    async def ask(self, method: str, path: str, **more: Any) -> httpx.Response:
        headers = {**self.headers, **more.pop("headers", {})}
        return await self.world.http.request(method, path, headers=headers, **more)

    async def get(self, path: str, status: int = 200, **params: Any) -> Any:
        """The decoded answer. `name=[...]` is sent as `name[]`."""
        pairs: list[tuple[str, str]] = []
        for name, value in params.items():
            if isinstance(value, list):
                pairs += [(f"{name}[]", str(one)) for one in value]
            else:
                pairs.append((name, str(value)))
        answer = await self.ask("GET", path, params=pairs)
        return checked(answer, status)

    async def post(self, path: str, body: Any, status: int = 201) -> Any:
        return checked(await self.ask("POST", path, json=body), status)

    async def put(self, path: str, body: Any, status: int = 200) -> Any:
        return checked(await self.ask("PUT", path, json=body), status)

    async def delete(self, path: str, status: int = 204) -> Any:
        return checked(await self.ask("DELETE", path), status)


def checked(answer: httpx.Response, status: int) -> Any:
    """The body of an answer whose status must be this one; errors must have the API's form."""
    assert answer.status_code == status, (answer.status_code, answer.text)
    if not answer.content:
        assert status in (204, 402) or status == 200, answer
        return None
    body = answer.json()
    if status >= 400 and isinstance(body["error"], dict):
        assert set(body["error"]) == {"message", "code", "errors"}, body
        assert isinstance(body["error"]["code"], int)
    return body


async def account_client(
    world: World, role: str = Role.ADMIN, *, read_only: bool = False, sender: str | None = None
) -> Client:
    """A client with an account key of this role."""
    async with world.database.transaction() as tx:
        new = NewKey(name=f"{role} key", role=role, read_only=read_only)
        _, token = await accounts.create_key(tx, SYSTEM, new, world.clock.now())
    return Client(world, token, sender=sender)


async def person_client(world: World, name: str, *, read_only: bool = False) -> Client:
    """A client with a key of this person's own."""
    user = world[name].user
    actor = Actor(kind="person", id=user.id, label=user.name, role=Role(user.role))
    async with world.database.transaction() as tx:
        new = NewKey(name=f"{name}'s key", user_id=user.id, read_only=read_only)
        _, token = await accounts.create_key(tx, actor, new, world.clock.now())
    return Client(world, token)


def code_of(body: Any) -> int:
    """The number of a refusal."""
    return int(body["error"]["code"])


def reference(kind: str, id: str) -> dict[str, str]:
    """As a request names a thing."""
    return {"id": id, "type": f"{kind}_reference"}


def every_field(item: dict[str, Any], names: str) -> None:
    """The item has exactly the head and these fields."""
    wanted = {"id", "type", "summary", "self", "html_url", *names.split()}
    assert set(item) == wanted, set(item) ^ wanted
