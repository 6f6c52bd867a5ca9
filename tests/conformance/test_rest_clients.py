"""The clients people already use, unmodified, against the REST API over https. They trust what a
person would have them trust: the certificate of the local authority, by the environment."""

import asyncio
import os
import shutil
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any, NoReturn

import pytest
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tests.support.front_door import serving
from tests.support.postgres import START
from tests.support.rest import account_client
from tests.support.world import World, make_world
from tocsin.accounts import actions as accounts
from tocsin.accounts.model import SYSTEM, NewUser, Role
from tocsin.core import certificates, crypto
from tocsin.core.clock import LogicalClock
from tocsin.core.tls import LocalAuthority

ROOT = Path(__file__).parents[2]
KEPT = ROOT / ".cache" / "clients"
STORIES = Path(__file__).parent
# Name, version, and where it is found when the environment does not have it.
PYTHON = (
    ("pagerduty", "7.2.0", None),
    ("pagerduty", "5.3.0", KEPT / "python"),
    ("pdpyras", "5.4.1", None),
)
PEOPLE = 120
PATIENCE = 120.0


@pytest.fixture
async def world(fresh_dsn: str, tmp_path: Any) -> AsyncIterator[World]:
    async with make_world(fresh_dsn, tmp_path, START) as made:
        await made.person("ann", role=Role.OWNER)
        await made.person("bob")
        async with made.database.transaction() as tx:
            for number in range(PEOPLE):
                new = NewUser(name=f"Eve {number:03}", email=f"eve{number:03}@example.com")
                await accounts.create_user(tx, SYSTEM, new, START)
        yield made


@pytest.fixture
async def token(world: World) -> str:
    return (await account_client(world)).token


class Answers:
    """An application, and every status it has answered with."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self.statuses: list[int] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def note(message: Message) -> None:
            if message["type"] == "http.response.start":
                self.statuses.append(message["status"])
            await send(message)

        await self.app(scope, receive, note)


@asynccontextmanager
async def https(app: ASGIApp, folder: Path) -> AsyncIterator[tuple[str, Path]]:
    """The application on https, and the certificate of the authority behind it."""
    authority = LocalAuthority(folder / "tls", b"k" * crypto.KEY_BYTES, ("localhost",))
    authority.ready(LogicalClock().now())
    context = certificates.server_context()
    authority.load(context)
    async with serving(
        app, ssl_certfile="see-context", ssl_context_factory=lambda *_: context
    ) as url:
        yield url.replace("127.0.0.1", "localhost"), folder / "tls" / "ca.pem"


def missing(what: str) -> NoReturn:
    """Skip the test, or fail it where nothing may be missing."""
    if os.environ.get("TOCSIN_TEST_REQUIRE_ALL") == "1":
        pytest.fail(what)
    pytest.skip(what)


def surroundings(ca: Path, **more: str) -> dict[str, str]:
    """Nothing of the test's own but what every program has, and whom to trust."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    trust = ("REQUESTS_CA_BUNDLE", "SSL_CERT_FILE", "NODE_EXTRA_CA_CERTS")
    return {**kept, **dict.fromkeys(trust, str(ca)), **more}


async def ended(process: asyncio.subprocess.Process) -> str:
    """What it said. A client that hangs is ended after a while."""
    try:
        async with asyncio.timeout(PATIENCE):
            out, err = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
    assert process.returncode == 0, err.decode()[-3000:]
    return out.decode()


async def python(
    name: str, place: Path | None, ca: Path, *arguments: str
) -> asyncio.subprocess.Process:
    path = {} if place is None else {"PYTHONPATH": str(place)}
    return await asyncio.create_subprocess_exec(
        sys.executable,
        str(STORIES / "python_story.py"),
        name,
        *arguments,
        env=surroundings(ca, **path),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )


def here(name: str, wanted: str, place: Path | None) -> None:
    """Skip when this version of the client is not there."""
    if place is None:
        assert version(name) == wanted, "the environment has another version: change PYTHON"
    elif not (place / f"{name}-{wanted}.dist-info").exists():
        missing(f"no {name} {wanted} here: `make clients` puts it into {place}")


@pytest.mark.clients
@pytest.mark.parametrize(("name", "wanted", "place"), PYTHON)
async def test_a_python_client(
    world: World, token: str, tmp_path: Path, name: str, wanted: str, place: Path | None
) -> None:
    here(name, wanted, place)
    bob = world["bob"].user.id
    async with https(world.program.asgi, tmp_path) as (url, ca):
        said = await ended(await python(name, place, ca, url, token, bob, "story"))
    assert said.startswith("done")
    assert place is None or str(place) in said
    await world.settle()


@pytest.mark.clients
@pytest.mark.parametrize(("name", "wanted", "place"), PYTHON)
async def test_a_client_that_is_told_to_wait_comes_back(
    world: World, token: str, tmp_path: Path, name: str, wanted: str, place: Path | None
) -> None:
    here(name, wanted, place)
    limiter, key = world.program.api.limiter, crypto.hash_key(token).hex()
    while limiter.admit(key, world.clock.steady()).admitted:
        pass
    answers = Answers(world.program.asgi)
    async with https(answers, tmp_path) as (url, ca):
        process = await python(name, place, ca, url, token, "P", "waits")
        done = asyncio.create_task(ended(process))
        while 429 not in answers.statuses and not done.done():  # noqa: ASYNC110 - another process
            await asyncio.sleep(0.01)
        await world.advance(minutes=1)
        assert (await done).startswith("done")
    assert answers.statuses[0] == 429
    assert answers.statuses[-1] == 200


@pytest.mark.clients
async def test_the_javascript_client(world: World, token: str, tmp_path: Path) -> None:
    node = shutil.which("node")
    if node is None:
        missing("no node here")
    modules = KEPT / "node" / "node_modules"
    if not (modules / "@pagerduty" / "pdjs").exists():
        missing(f"no @pagerduty/pdjs here: `make clients` puts it into {modules}")
    async with https(world.program.asgi, tmp_path) as (url, ca):
        process = await asyncio.create_subprocess_exec(
            node,
            str(STORIES / "clients" / "story.cjs"),
            url.removeprefix("https://"),
            token,
            world["bob"].user.id,
            env=surroundings(ca, NODE_PATH=str(modules)),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        assert (await ended(process)).startswith("done")
    await world.settle()
    world["bob"].shown().clear()


@pytest.mark.clients
async def test_without_trust_there_is_no_answer(world: World, token: str, tmp_path: Path) -> None:
    """The proof that the certificate counts above: another authority's is refused."""
    other = tmp_path / "other"
    stranger = LocalAuthority(other, b"x" * crypto.KEY_BYTES, ("localhost",))
    stranger.ready(LogicalClock().now())
    async with https(world.program.asgi, tmp_path) as (url, _):
        process = await python("pdpyras", None, other / "ca.pem", url, token, "P", "waits")
        _, err = await process.communicate()
    assert process.returncode != 0
    assert b"CERTIFICATE_VERIFY_FAILED" in err
