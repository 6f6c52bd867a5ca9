"""Reading a body: whoever does not send it in time is not waited for."""

import asyncio
from collections.abc import MutableMapping
from typing import Any

import pytest

from tocsin.ingest import bodies
from tocsin.ingest.bodies import TooSlow, read

SCOPE = {"headers": [(b"content-length", b"100")]}


class Client:
    """Sends these messages and then nothing more."""

    def __init__(self, *messages: MutableMapping[str, Any]) -> None:
        self.messages = list(messages)

    async def receive(self) -> MutableMapping[str, Any]:
        if not self.messages:
            await asyncio.Event().wait()
        return self.messages.pop(0)


@pytest.mark.parametrize(
    "messages", [(), ({"type": "http.request", "body": b"{", "more_body": True},)]
)
async def test_a_client_that_stops_in_the_middle_is_given_up(
    monkeypatch: pytest.MonkeyPatch, messages: tuple[dict[str, Any], ...]
) -> None:
    monkeypatch.setattr(bodies, "READ_SECONDS", 0.01)
    with pytest.raises(TooSlow):
        async with asyncio.timeout(10):
            await read(SCOPE, Client(*messages).receive, 1000)


async def test_a_body_in_parts_is_put_together() -> None:
    client = Client(
        {"type": "http.request", "body": b"ab", "more_body": True},
        {"type": "http.request", "body": b"cd"},
    )
    assert await read(SCOPE, client.receive, 1000) == b"abcd"
