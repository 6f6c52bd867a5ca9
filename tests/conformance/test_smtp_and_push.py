"""A page over real wires: a real SMTP server, and loopback servers that speak as ntfy, Slack and a
webhook's owner do. The link each of them got acknowledges, and nobody is asked any more.

Time is simulated, so "nobody any more" is days of it; sockets, messages and answers are real.
"""

import hashlib
import hmac
import re
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.fake_providers import FakeHttp, FakeMail, Reset, SmtpReply, Status
from tests.support.ports import free_port
from tests.support.postgres import START
from tests.support.visitor import words
from tests.support.world import World, make_world
from tocsin.accounts.model import SYSTEM
from tocsin.paging import actions as paging

SECRET = "a secret of the pager's owner"
CHANNELS = ("email", "ntfy", "slack", "webhook")
ADDRESS = re.compile(r"http://127\.0\.0\.1:\d+/r/[\w.~-]+")


@dataclass(frozen=True)
class Providers:
    """Everything a page can be handed to."""

    mail: FakeMail
    ntfy: FakeHttp
    slack: FakeHttp
    webhook: FakeHttp

    def address(self, channel: str) -> str:
        """What a person would type for this channel."""
        return {
            "email": "ann@example.com",
            "ntfy": f"{self.ntfy.url}/ann-pages",
            "slack": f"{self.slack.url}/services/T1/B1/x",
            "webhook": f"{self.webhook.url}/hook",
        }[channel]

    def counts(self) -> dict[str, int]:
        """How many messages each was handed."""
        return {
            "email": len(self.mail.mails),
            "ntfy": len(self.ntfy.requests),
            "slack": len(self.slack.requests),
            "webhook": len(self.webhook.requests),
        }

    def newest(self, channel: str) -> tuple[str, str]:
        """The newest message's words, and the one-tap link a person would tap."""
        return {
            "email": self._mail,
            "ntfy": self._ntfy,
            "slack": self._slack,
            "webhook": self._webhook,
        }[channel]()

    def _mail(self) -> tuple[str, str]:
        content = self.mail.mails[-1].content
        part = content.get_body(("plain",))
        assert part is not None
        text = part.get_content()
        links = ADDRESS.findall(text)
        assert len(set(links)) == 1, text
        html = content.get_body(("html",))
        assert html is not None
        assert f'href="{links[0]}"' in html.get_content()
        return f"{content['Subject']}\n{text}", links[0]

    def _ntfy(self) -> tuple[str, str]:
        said = self.ntfy.requests[-1].json
        assert said["topic"] == "ann-pages"
        assert said["click"] == said["actions"][0]["url"]
        return f"{said['title']}\n{said['message']}", said["click"]

    def _slack(self) -> tuple[str, str]:
        said = self.slack.requests[-1].json
        text = "\n".join(block["text"]["text"] for block in said["blocks"])
        found = re.search(r"<(http[^|>]+)\|Acknowledge>", text)
        assert found, text
        return text, found[1]

    def _webhook(self) -> tuple[str, str]:
        request = self.webhook.requests[-1]
        signature = dict(
            part.split("=", 1) for part in request.headers["x-tocsin-signature"].split(",")
        )
        signed = f"{signature['t']}.".encode() + request.body
        # Checked as its owner would, without our own code.
        right = hmac.new(SECRET.encode(), signed, hashlib.sha256).hexdigest()
        assert signature["v1"] == right
        said = request.json
        return str(said["incidents"]), said["acknowledge_url"]


@pytest.fixture
async def providers() -> AsyncIterator[Providers]:
    with FakeMail() as mail:
        async with FakeHttp("ntfy") as ntfy, FakeHttp("slack") as slack, FakeHttp() as webhook:
            yield Providers(mail, ntfy, slack, webhook)


@pytest.fixture
async def world(fresh_dsn: str, tmp_path: Path, providers: Providers) -> AsyncIterator[World]:
    """Ann is reached by every channel at once, and bob is the next rung."""
    port = free_port()
    settings = {
        "public_url": f"http://127.0.0.1:{port}",
        "smtp_host": "127.0.0.1",
        "smtp_port": str(providers.mail.port),
        "smtp_tls": "none",
        "smtp_from": "Tocsin <pages@example.com>",
    }
    async with make_world(fresh_dsn, tmp_path, START, port=port, **settings) as made:
        await made.person("ann", channels=())
        await made.person("bob")
        await made.service(
            "checkout",
            [["ann"], ["bob"]],
            minutes=5,
            loops=3,
            acknowledgement_timeout=None,
            auto_resolve_timeout=None,
        )
        yield made
        made.ends()


async def reach(world: World, providers: Providers, *channels: str) -> None:
    """Give ann these contact methods, each asked at once."""
    ann = world["ann"].user.id
    async with world.database.transaction() as tx:
        for channel in channels:
            method = await paging.add_contact_method(
                tx,
                SYSTEM,
                paging.ContactMethodDraft(
                    user_id=ann,
                    channel=channel,
                    label=channel,
                    address=providers.address(channel),
                    secret=SECRET if channel == "webhook" else None,
                ),
                world.clock.now(),
                channels=world.program.channels,
                secret_box=world.program.secret_box,
            )
            if channel != channels[0]:
                await paging.add_rule(
                    tx,
                    SYSTEM,
                    paging.RuleDraft(
                        user_id=ann, contact_method_id=method.id, urgency="high", delay_seconds=0
                    ),
                    world.clock.now(),
                )


async def tap(link: str) -> str:
    """A phone with a browser and no session: look, find the button, press it."""
    async with httpx.AsyncClient(follow_redirects=True) as phone:
        page = await phone.get(link)
        assert page.status_code == 200, page.text
        forms = re.findall(r'<form[^>]*action="([^"]+/acknowledge)"', page.text)
        assert forms, page.text
        done = await phone.post(str(httpx.URL(link).join(forms[0])))
        assert done.status_code == 200, done.text
        return done.text


@pytest.mark.parametrize("channel", CHANNELS)
async def test_the_link_of_each_channel_acknowledges(
    world: World, providers: Providers, channel: str
) -> None:
    await reach(world, providers, *CHANNELS)
    await world.trigger("checkout", "db-down")
    assert providers.counts() == dict.fromkeys(CHANNELS, 1)

    text, link = providers.newest(channel)
    assert "db-down" in text
    assert "checkout" in text
    assert await world.status("db-down") == "triggered"
    assert "Acknowledged" in words(await tap(link))
    assert await world.status("db-down") == "acknowledged"

    # The ladder stopped: bob's rung never comes (the world fails on a page that nobody expected),
    # and ann is told nothing more by any channel.
    await world.advance(days=2)
    assert providers.counts() == dict.fromkeys(CHANNELS, 1)


async def test_without_a_tap_the_next_rung_is_asked(world: World, providers: Providers) -> None:
    await reach(world, providers, *CHANNELS)
    await world.trigger("checkout", "db-down")
    await world.advance(minutes=5)
    world["bob"].expects_page("db-down")
    await world.resolve("checkout", "db-down")


FAULTS: list[tuple[str, Callable[[Providers], Any]]] = [
    ("email", lambda to: to.mail.script(SmtpReply("data", "451 try again later"))),
    ("ntfy", lambda to: to.ntfy.script(Status(500), Status(429, {"Retry-After": "3"}))),
    ("slack", lambda to: to.slack.script(Status(503))),
    ("webhook", lambda to: to.webhook.script(Reset())),
]


@pytest.mark.parametrize(("channel", "break_it"), FAULTS, ids=[name for name, _ in FAULTS])
async def test_a_provider_that_stumbles_gets_it_again(
    world: World, providers: Providers, channel: str, break_it: Callable[[Providers], Any]
) -> None:
    await reach(world, providers, channel)
    break_it(providers)
    await world.trigger("checkout", "db-down")
    await world.advance(minutes=2)
    text, link = providers.newest(channel)
    assert "db-down" in text
    await tap(link)
    assert await world.status("db-down") == "acknowledged"
    before = providers.counts()
    await world.advance(days=1)
    assert providers.counts() == before


async def test_what_is_resolved_before_its_turn_is_never_sent(
    world: World, providers: Providers
) -> None:
    await reach(world, providers, "email", "ntfy")
    providers.ntfy.always = Status(503)
    await world.trigger("checkout", "db-down")
    tried = len(providers.ntfy.requests)
    assert tried >= 1
    await world.resolve("checkout", "db-down")
    providers.ntfy.always = None
    await world.advance(days=1)
    assert len(providers.ntfy.requests) == tried
    assert len(providers.mail.mails) == 1
