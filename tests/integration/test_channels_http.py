"""ntfy, Slack and webhooks against real loopback servers, with every fault they can have."""

import hashlib
import hmac
import json
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.fake_providers import (
    Drip,
    FakeHttp,
    Fault,
    Huge,
    Lie,
    Raw,
    Reset,
    ResetBeforeReading,
    Slow,
    Status,
)
from tests.support.messages import NOW, line, page, test_message
from tocsin.channels import registry, webhook
from tocsin.channels.email import SmtpSettings
from tocsin.channels.model import Channel, Dead, Receipt, Retry, Sent
from tocsin.channels.ntfy import NtfyChannel
from tocsin.channels.registry import ChannelSettings
from tocsin.channels.simulated import SimulatedChannel
from tocsin.channels.slack import SlackChannel
from tocsin.channels.webhook import WebhookChannel
from tocsin.core.http import Outbound
from tocsin.core.outbound_guard import NOTHING, parse_allow_list

KINDS = ["ntfy", "slack", "webhook"]


@pytest.fixture
async def outbound() -> AsyncIterator[Outbound]:
    """May call loopback."""
    opened = Outbound(parse_allow_list("127.0.0.0/8"))
    yield opened
    await opened.aclose()


def channel_for(server: FakeHttp, outbound: Outbound) -> tuple[Channel, str]:
    """The channel of the server's kind, and an address on it."""
    if server.kind == "ntfy":
        return NtfyChannel(outbound, "https://ntfy.sh", None), f"{server.url}/oncall-4f8a2c"
    if server.kind == "slack":
        return SlackChannel(outbound), f"{server.url}/services/T0/B0/x"
    return WebhookChannel(outbound), f"{server.url}/hook?team=1"


async def send(server: FakeHttp, outbound: Outbound) -> Receipt:
    channel, address = channel_for(server, outbound)
    return await channel.send(page(), address, None)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        (Status(429, {"Retry-After": "17"}), Retry),
        (Status(429), Retry),
        (Status(500), Retry),
        (Status(502, {}, b""), Retry),
        (Status(503, {"Retry-After": "Sun, 29 Mar 2026 02:58:17 GMT"}), Retry),
        (Status(408), Retry),
        (Status(400), Dead),
        (Status(401), Dead),
        (Status(403), Dead),
        (Status(404), Dead),
        (Status(410), Dead),
        (Status(301, {"Location": "https://example.com/"}), Dead),
        (Status(307, {"Location": "/elsewhere"}), Dead),
        (Reset(), Retry),
        (ResetBeforeReading(), Retry),
        (Raw(b"not HTTP at all\r\n\r\n"), Retry),
        (Raw(b""), Retry),
        (Raw(b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\ncut"), Retry),
    ],
)
async def test_a_fault_is_never_sent(
    outbound: Outbound, kind: str, fault: Fault, expected: type[Receipt]
) -> None:
    async with FakeHttp(kind) as server:  # type: ignore[arg-type]
        server.script(fault)
        receipt = await send(server, outbound)
        assert isinstance(receipt, expected)
        assert receipt.detail
        if isinstance(fault, Status) and isinstance(receipt, Retry):
            assert receipt.after_seconds == (17.0 if fault.headers else None)
        assert isinstance(await send(server, outbound), Sent)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("fault", [Slow(30), Drip()])
async def test_a_slow_provider_is_given_up_and_tried_again(kind: str, fault: Fault) -> None:
    outbound = Outbound(parse_allow_list("127.0.0.0/8"), total_seconds=0.3)
    async with FakeHttp(kind) as server:  # type: ignore[arg-type]
        server.script(fault)
        receipt = await send(server, outbound)
        assert isinstance(receipt, Retry)
        assert "within 0.3 s" in receipt.detail
        assert len(server.requests) == 1
    await outbound.aclose()


@pytest.mark.parametrize("kind", KINDS)
async def test_a_provider_that_is_gone_is_tried_again(outbound: Outbound, kind: str) -> None:
    async with FakeHttp(kind) as server:  # type: ignore[arg-type]
        await server.stop()
        assert isinstance(await send(server, outbound), Retry)
        await server.start()
        assert isinstance(await send(server, outbound), Sent)


@pytest.mark.parametrize("kind", KINDS)
async def test_an_address_inside_is_dead_and_says_what_to_list(kind: str) -> None:
    closed = Outbound(NOTHING)
    async with FakeHttp(kind) as server:  # type: ignore[arg-type]
        receipt = await send(server, closed)
        assert isinstance(receipt, Dead)
        assert "TOCSIN_OUTBOUND_ALLOW" in receipt.detail
        assert server.connections == 0
    await closed.aclose()


@pytest.mark.parametrize("kind", ["ntfy", "slack"])
@pytest.mark.parametrize(
    "fault",
    [
        Lie(),
        Lie(b""),
        Lie(b"<html>Sign in to the hotel network</html>"),
        Lie(b"OKAY"),
        Lie(b'["id"]'),
        Lie(b'{"id":""}'),
        Huge(200_000),
    ],
)
async def test_a_lie_with_200_is_not_sent(outbound: Outbound, kind: str, fault: Fault) -> None:
    async with FakeHttp(kind) as server:  # type: ignore[arg-type]
        server.script(fault)
        assert isinstance(await send(server, outbound), Retry)


async def test_slack_saying_never_again_with_200_is_dead(outbound: Outbound) -> None:
    async with FakeHttp("slack") as server:
        server.script(Lie(b"channel_is_archived"))
        receipt = await send(server, outbound)
        assert receipt == Dead(detail="HTTP 200, but it said 'channel_is_archived' and not ok")


async def test_what_slack_gets(outbound: Outbound) -> None:
    async with FakeHttp("slack") as server:
        assert await send(server, outbound) == Sent(detail="HTTP 200")
        [request] = server.requests
    assert (request.method, request.path) == ("POST", "/services/T0/B0/x")
    assert request.headers["content-type"] == "application/json"
    assert request.json["text"].startswith("[high] checkout: p99 over 2 s (3 alerts)\n")
    words = [block["text"]["text"] for block in request.json["blocks"]]
    assert words[0] == "*[high] checkout: p99 over 2 s (3 alerts)*"
    assert "triggered, 9 min old" in words[1]
    assert "<https://tocsin.example/a/token-1?x=1&amp;y=2|Acknowledge>" in words[2]
    assert request.json["unfurl_links"] is False


async def test_what_ntfy_gets(outbound: Outbound) -> None:
    async with FakeHttp("ntfy") as server:
        receipt = await send(server, outbound)
        assert receipt == Sent(detail="HTTP 200", provider_id="m00000000001")
        [request] = server.requests
    assert request.path == "/"
    assert "authorization" not in request.headers
    body = request.json
    assert body["topic"] == "oncall-4f8a2c"
    assert body["title"] == "[high] checkout: p99 over 2 s (3 alerts)"
    assert body["priority"] == 5
    assert body["click"] == "https://tocsin.example/a/token-1?x=1&y=2"
    assert [action["label"] for action in body["actions"]] == ["Acknowledge", "Open"]
    assert body["actions"][0]["action"] == "view"


async def test_ntfy_rings_less_for_low_urgency_and_fully_for_a_test(outbound: Outbound) -> None:
    async with FakeHttp("ntfy") as server:
        channel, address = channel_for(server, outbound)
        low = page(incidents=(line(urgency="low"),))
        assert isinstance(await channel.send(low, address, None), Sent)
        assert isinstance(await channel.send(test_message(), address, None), Sent)
        assert [request.json["priority"] for request in server.requests] == [3, 5]
        assert server.requests[1].json["click"] == "https://tocsin.example/app/incidents/42"


async def test_the_ntfy_token_goes_to_its_own_server_alone(outbound: Outbound) -> None:
    async with FakeHttp("ntfy") as own, FakeHttp("ntfy") as other:
        channel = NtfyChannel(outbound, own.url, "tk_operator")
        assert isinstance(await channel.send(page(), "oncall", None), Sent)
        assert isinstance(await channel.send(page(), f"{own.url}/oncall", None), Sent)
        assert isinstance(await channel.send(page(), f"{other.url}/oncall", None), Sent)
        assert isinstance(await channel.send(page(), f"{other.url}/oncall", "tk_mine"), Sent)
        assert [r.headers["authorization"] for r in own.requests] == ["Bearer tk_operator"] * 2
        assert [r.headers.get("authorization") for r in other.requests] == [None, "Bearer tk_mine"]


async def test_what_a_webhook_gets_and_how_to_check_it(outbound: Outbound) -> None:
    async with FakeHttp("webhook") as server:
        channel, address = channel_for(server, outbound)
        assert await channel.send(page(), address, "s3cret") == Sent(detail="HTTP 202")
        assert isinstance(await channel.send(page(attempt=2), address, "s3cret"), Sent)
        first, second = server.requests
    assert first.path == "/hook?team=1"
    stamp, signature = _parts(first.headers["x-tocsin-signature"])
    assert stamp == str(int(NOW.timestamp()))
    expected = hmac.new(b"s3cret", f"{stamp}.".encode() + first.body, hashlib.sha256).hexdigest()
    assert signature == expected
    assert first.headers["x-tocsin-delivery"] == second.headers["x-tocsin-delivery"] == "Q1DELIVERY"
    assert [r.headers["x-tocsin-attempt"] for r in (first, second)] == ["1", "2"]
    body = first.json
    assert (body["kind"], body["delivery_id"], body["person"]) == ("page", "Q1DELIVERY", "Ann")
    assert body["incidents"][0]["number"] == 42
    assert body["incidents"][0]["created_at"] == "2026-03-29T02:49:00Z"
    assert body["acknowledge_url"] == "https://tocsin.example/a/token-1?x=1&y=2"


def _parts(header: str) -> tuple[str, str]:
    fields = dict(part.split("=", 1) for part in header.split(","))
    return fields["t"], fields["v1"]


async def test_another_secret_gives_another_signature(outbound: Outbound) -> None:
    async with FakeHttp("webhook") as server:
        channel, address = channel_for(server, outbound)
        for secret in ("a", "b"):
            await channel.send(page(), address, secret)
        one, two = (request.headers["x-tocsin-signature"] for request in server.requests)
    assert one != two


@pytest.mark.parametrize(
    ("address", "fine"),
    [
        ("oncall-4f8a2c", True),
        ("https://ntfy.example.com/oncall", True),
        ("http://ntfy.lan:8080/oncall/", True),
        ("", False),
        ("on call", False),
        ("tópic", False),
        ("x" * 65, False),
        ("https://ntfy.example.com/", False),
        ("https://ntfy.example.com/a/b", False),
        ("https://ntfy.example.com/a?auth=x", False),
        ("https://user:pw@ntfy.example.com/a", False),
        ("ftp://ntfy.example.com/a", False),
        ("topic\n", False),
    ],
)
def test_ntfy_addresses(outbound: Outbound, address: str, fine: bool) -> None:
    problem = NtfyChannel(outbound, "https://ntfy.sh", None).check_address(address)
    assert (problem is None) is fine


@pytest.mark.parametrize(
    ("address", "fine"),
    [
        ("https://hooks.slack.com/services/T0/B0/x", True),
        ("https://mattermost.example.com/hooks/abc", True),
        ("http://hooks.slack.com/services/T0/B0/x", False),
        ("https://hooks.slack.com/", False),
        ("https://acme.slack.com/archives/C0", False),
        ("#incidents", False),
        ("", False),
    ],
)
def test_slack_addresses(outbound: Outbound, address: str, fine: bool) -> None:
    assert (SlackChannel(outbound).check_address(address) is None) is fine


@pytest.mark.parametrize(
    ("address", "fine"),
    [
        ("https://pager.example.com/hook", True),
        ("http://10.1.2.3:8080/hook", True),  # judged when it is called
        ("pager.example.com/hook", False),
        ("https://u:p@pager.example.com/hook", False),
        ("", False),
    ],
)
def test_webhook_addresses(outbound: Outbound, address: str, fine: bool) -> None:
    assert (WebhookChannel(outbound).check_address(address) is None) is fine


async def test_the_simulated_channel_records_and_answers_as_told() -> None:
    channel = SimulatedChannel(keep=2)
    assert isinstance(await channel.send(page(), "ann", None), Sent)
    channel.answers = lambda message, address: Dead(detail=f"{address} is off")
    assert await channel.send(page(), "bob", None) == Dead(detail="bob is off")
    await channel.send(page(), "eve", None)
    assert [handed.address for handed in channel.handed] == ["bob", "eve"]


def test_the_registry_builds_every_channel(outbound: Outbound) -> None:
    smtp = SmtpSettings(
        host=None, port=587, user=None, password=None, tls="starttls", sender=None, public_host="h"
    )
    settings = ChannelSettings(smtp=smtp, ntfy_url="https://ntfy.sh", ntfy_token=None)
    channels = registry.build(settings, outbound)
    assert list(channels) == ["email", "ntfy", "slack", "webhook"]
    assert [name for name, channel in channels.items() if channel.missing()] == ["email"]
    for channel in channels.values():
        assert channel.label
        assert channel.address_label
        assert channel.address_hint
        assert channel.check_address("") is not None
    replaced = registry.build(settings, outbound, [SimulatedChannel("email")])
    assert isinstance(replaced["email"], SimulatedChannel)


GUIDE = Path(__file__).parents[2] / "docs" / "guides" / "channels.md"


async def test_the_check_in_the_guide_accepts_what_is_sent_and_nothing_else(
    outbound: Outbound,
) -> None:
    [code] = re.findall(r"```python\n(.*?)```", GUIDE.read_text(), re.DOTALL)
    names: dict[str, Any] = {}
    exec(code, names)
    is_genuine = names["is_genuine"]
    async with FakeHttp("webhook") as server:
        channel, address = channel_for(server, outbound)
        await channel.send(page(), address, "s3cret")
        [request] = server.requests
    header, body, now = request.headers["x-tocsin-signature"], request.body, NOW.timestamp()
    assert is_genuine(header, body, "s3cret", now)
    assert not is_genuine(header, body, "other", now)
    assert not is_genuine(header, body + b" ", "s3cret", now)
    assert not is_genuine(header, body, "s3cret", now + 301)
    assert not is_genuine(header.replace("t=1", "t=2"), body, "s3cret", now)
    assert not is_genuine("", body, "s3cret", now)
    assert not is_genuine("t=,v1=ü", body, "s3cret", now)


async def test_the_example_in_the_guide_has_the_fields_that_are_sent() -> None:
    [text] = re.findall(r"```json\n(.*?)```", GUIDE.read_text(), re.DOTALL)
    example, sent = json.loads(text), webhook.payload(page())
    assert list(example) == list(sent)
    assert list(example["incidents"][0]) == list(sent["incidents"][0])
