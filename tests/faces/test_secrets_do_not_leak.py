"""Canaries: a secret of each kind is planted and used, then everything that the product writes down
or shows is searched for it. In clear it may stand nowhere; what people are called and their e-mail
address (with which they sign in) are no secrets and are shown.

Also here: what machines and people type is shown, never run.
"""

import asyncio
import contextlib
import io
import json
import os
import re
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import psycopg
import pytest
import structlog
from starlette.applications import Starlette
from starlette.responses import Response

from tests.support.browserless import Browserless, Markup, faults, open_program
from tests.support.commands import run_async
from tests.support.postgres import START
from tocsin.accounts import actions as accounts
from tocsin.accounts.model import SYSTEM, NewUser, Role
from tocsin.app import Program
from tocsin.core import logs
from tocsin.core.clock import ManualClock
from tocsin.core.database import Tx
from tocsin.core.embedded_postgres import find_binaries
from tocsin.ingest.routes import FrontDoor, IngestDeps
from tocsin.web import routes as web_routes
from tocsin.web.all_pages import PAGES
from tocsin.web.page import post
from tocsin.web.visit import Visit

OWNER = "ann@example.com"
MASTER = "c4a7" * 15 + "0d1e"
SETTINGS = {
    "master_key": MASTER,
    "smtp_password": "canary-smtp-password-8e1f",
    "ntfy_token": "canary-ntfy-token-77ab",
    "dead_man_url": "http://127.0.0.1:59999/canary-dead-man-5c5c",
    "admin_password": "canary-admin-password-2d2d",
}
TYPED = {
    "owner password": "canary owner password 41",
    "wrong password": "canary wrong password 42",
    "password typed as e-mail": "canary-in-the-wrong-field-43",
    "new person's password": "canary new person 44",
    "changed password": "canary changed password 45",
    "webhook address": "http://127.0.0.1:59999/canary-hook-46aaaaaa",
    "webhook secret": "canary-webhook-secret-47",
    "slack address": "http://127.0.0.1:59999/services/canary-slack-48bbbb",
    "ntfy topic": "canary-topic-49",
    "contact e-mail": "canary50@private.example",
    "field of a page that failed": "canary field 51",
}
SETUP = "/app/setup"


class House:
    """A program used by its owner, and everything that was ever shown."""

    def __init__(self, program: Program, clock: ManualClock, browser: Browserless) -> None:
        self.program = program
        self.clock = clock
        self.browser = browser
        self.secrets = {f"setting {name}": value for name, value in SETTINGS.items()} | TYPED
        self.user_id = ""
        self.service_id = ""
        self.key = ""

    async def value(self, statement: Any, **params: Any) -> Any:
        async with self.program.database.transaction() as tx:
            return await tx.value(statement, params)


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    """What the product logs, as it does in production: JSON, and here everything from debug on."""
    written = io.StringIO()
    with contextlib.redirect_stderr(written):
        logs.configure(as_json=True, level="debug")
        _forget_loggers()
        yield written
    structlog.reset_defaults()
    _forget_loggers()


def _forget_loggers() -> None:
    """A logger keeps the stream it first wrote to."""
    for name, module in list(sys.modules.items()):
        if name.startswith("tocsin"):
            for logger in (getattr(module, "log", None), getattr(module, "_log", None)):
                getattr(logger, "__dict__", {}).pop("bind", None)


@pytest.fixture
async def house(fresh_dsn: str, tmp_path: Path, log: io.StringIO) -> AsyncIterator[House]:
    smtp = {
        "smtp_host": "127.0.0.1",
        "smtp_port": "59999",
        "smtp_user": "u",
        "smtp_from": "t@x.example",
    }
    async with (
        open_program(fresh_dsn, tmp_path, start=START, **SETTINGS, **smtp) as (
            program,
            clock,
        ),
        Browserless(program.asgi) as browser,
    ):
        house = House(program, clock, browser)
        await set_up(house)
        yield house


async def set_up(house: House) -> None:
    """The owner's account by the set-up page, and a service with a key."""
    browser = house.browser
    owner = {"name": "Ann", "email": OWNER, "password": TYPED["owner password"]}
    made = await browser.post(f"{SETUP}/account", {**owner, "time_zone": "Etc/UTC"})
    assert made.status_code == 303, made.text
    await browser.get(f"{SETUP}/team")
    for step, form in (("team", {"name": "Core"}), ("service", {"name": "shop"})):
        assert (await browser.post(f"{SETUP}/{step}", form)).status_code == 303
    page = await browser.get(f"{SETUP}/key")
    found = re.search(r"\b[0-9a-f]{32}\b", page.text)
    assert found is not None, "the set-up shows the key; this is where it is declared to be shown"
    house.key = house.secrets["integration key"] = found[0]
    house.user_id = str(await house.value("select id from users"))
    house.service_id = str(await house.value("select id from services"))


async def fails(visit: Visit) -> Response:
    password = visit.raw_field("password")
    raise RuntimeError(f"a page failed with {len(password)} characters")


async def use_everything(house: House) -> None:
    """Do what leaves traces: right and wrong, so that errors are written too."""
    await _people(house)
    await _reach(house)
    await _machines(house)
    assert house.browser.session is not None
    house.secrets["session"] = house.browser.session
    house.secrets["form token"] = house.browser.token
    broken = web_routes.build(house.program.web_deps, [post("/app/fails", fails, public=True)])
    async with Browserless(Starlette(routes=broken)) as stranger:
        typed = {"password": TYPED["field of a page that failed"]}
        assert (await stranger.http.post("/app/fails", data=typed)).status_code == 500


async def _people(house: House) -> None:
    browser = house.browser
    async with Browserless(house.program.asgi, client="192.0.2.99") as stranger:
        await stranger.sign_in(OWNER, TYPED["wrong password"], status=422)
        await stranger.sign_in(TYPED["password typed as e-mail"], "x", status=422)
    bea = {"name": "Bea", "email": "bea@example.com", "role": "observer", "time_zone": "Etc/UTC"}
    given = {**bea, "password": TYPED["new person's password"]}
    assert (await browser.post("/app/people/new", given)).status_code == 303
    assert (await browser.post("/app/people/new", given)).status_code == 422
    changed = {
        "current_password": TYPED["owner password"],
        "new_password": TYPED["changed password"],
    }
    path = f"/app/people/{house.user_id}"
    assert (await browser.post(f"{path}/password", changed)).status_code == 303
    await browser.sign_in(OWNER, TYPED["changed password"])
    for where in (f"{path}/keys", "/app/settings/keys"):
        answer = await browser.post(where, {"key_name": "drill", "role": "observer"})
        assert answer.status_code == 200
        hint = str(await house.value("select hint from api_keys order by id desc limit 1"))
        tokens = re.findall(rf"\b[A-Za-z0-9_+-]{{16}}{re.escape(hint)}(?![\w-])", answer.text)
        assert tokens, "a new key's token is shown once"
        house.secrets[f"REST key of {where}"] = tokens[0]


async def _reach(house: House) -> None:
    path = f"/app/people/{house.user_id}/contact-methods"
    for channel, address, secret in (
        ("webhook", TYPED["webhook address"], TYPED["webhook secret"]),
        ("slack", TYPED["slack address"], ""),
        ("ntfy", TYPED["ntfy topic"], ""),
        ("email", TYPED["contact e-mail"], ""),
    ):
        form = {"channel": channel, "address": address, "secret": secret}
        answer = await house.browser.post(path, form)
        assert answer.status_code == 303, (channel, answer.text[-2000:])
        check = await house.browser.post(f"{path}/check", form)
        assert check.status_code == 200


async def _machines(house: House) -> None:
    http, key = house.browser.http, house.key
    event = {
        "routing_key": key,
        "event_action": "trigger",
        "dedup_key": "drill",
        "payload": {"summary": "drill", "source": "x", "severity": "critical"},
    }
    assert (await http.post("/v2/enqueue", json=event)).status_code == 202
    assert (await http.post(f"/integration/{key}/enqueue", json=event)).status_code == 202
    assert (await http.post(f"/integration/{key}/enqueue", content=b"{{{")).status_code == 400
    assert (await http.post(f"/integration/{key}/nothing", content=b"x")).status_code == 404
    assert (await http.get(f"/integration/{key}/enqueue")).status_code == 405

    async def find(tx: Tx, key: str) -> None:
        raise RuntimeError("the look-up failed")

    deps = IngestDeps(database=house.program.database, clock=house.clock, find_target=find)
    app = Starlette(routes=FrontDoor(deps).routes())
    async with Browserless(app) as stranger:
        answer = await stranger.http.post(f"/integration/{key}/enqueue", json=event)
        assert answer.status_code == 503
        assert key not in answer.text
    await house.program.engine.run_until_idle()
    incident = str(await house.value("select id from incidents"))
    link = house.program.links.token(incident, house.user_id)
    house.secrets["one-tap link"] = link
    for _ in range(2):
        assert (await http.get(f"/r/{link}")).status_code == 200
        await http.post(f"/r/{link}/acknowledge")
        await http.post(f"/r/{link}/nothing")
    for _ in range(4):
        house.clock.advance(timedelta(minutes=2))
        await house.program.engine.run_until_idle()


def leaked(text: str, secrets: dict[str, str]) -> set[str]:
    """Which canaries stand in a text, as they are or as the bytes of a dump."""
    low = text.lower()
    return {
        name
        for name, value in secrets.items()
        if value in text or value.encode().hex() in low or json.dumps(value)[1:-1] in text
    }


async def shown(house: House) -> dict[str, str]:
    """Every page the owner can look at, and what machines ask for."""
    ids = {
        name: str(await house.value(f"select id from {table} order by id limit 1".encode()))
        for name, table in (
            ("/app/incidents/", "incidents"),
            ("/app/services/", "services"),
            ("/app/escalation-policies/", "escalation_policies"),
            ("/app/teams/", "teams"),
            ("/app/people/", "users"),
            ("/app/deliveries/", "deliveries"),
        )
    }
    paths = {page.path for page in PAGES if page.method == "GET"} - {"/app/live", f"{SETUP}/key"}
    paths = {
        path.replace("{id}", ids[path.partition("{")[0]]) if path.partition("{")[0] in ids else path
        for path in paths
    }
    found = {}
    for path in sorted(paths | {"/metrics", "/readyz", "/healthz", "/app/nothing"}):
        answer = await house.browser.http.get(path)
        assert answer.status_code < 500 or path == "/readyz", path
        found[path] = answer.text + str(answer.headers)
    return found


async def test_no_secret_is_written_down_or_shown_in_clear(
    house: House, fresh_dsn: str, tmp_path: Path, log: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    await use_everything(house)
    sinks: dict[str, str] = {}
    for path, text in (await shown(house)).items():
        # A page carries the form token of its own session, and nothing else.
        own = house.secrets["form token"]
        sinks[path] = text.replace(own, "")
    assert await house.value("select count(*) from delivery_attempts") >= 4
    program = find_binaries(None) / "pg_dump"
    sinks["the database"] = await asyncio.to_thread(_output, [program, fresh_dsn])
    assert "COPY public.audit" in sinks["the database"]
    sinks.update(await _said_by_commands(fresh_dsn, tmp_path, monkeypatch))
    written = log.getvalue()
    lines = [json.loads(line) for line in written.splitlines() if line.startswith("{")]
    events = {line["event"] for line in lines}
    assert {"page failed", "an event was not accepted"} <= events, events
    sinks["the log"] = written
    assert len(house.secrets) >= 20
    # The search finds what is there: in clear, and in the bytes of a stored event.
    assert leaked(sinks["the database"], {"a": OWNER, "b": '"summary":"drill"'}) == {"a", "b"}
    found = {sink: names for sink, text in sinks.items() if (names := leaked(text, house.secrets))}
    assert found == {}


async def _said_by_commands(
    dsn: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> dict[str, str]:
    """`config print`, `doctor` and a backup, with the secrets in environment variables."""
    for name, value in SETTINGS.items():
        monkeypatch.setenv(f"TOCSIN_{name.upper()}", value)
    monkeypatch.setenv("TOCSIN_SMTP_HOST", "127.0.0.1")
    monkeypatch.setenv("TOCSIN_SMTP_PORT", "59999")
    where = ["--database-url", dsn, "--data-dir", str(tmp_path / "var")]
    said = {}
    for command in (
        ["config", "print"],
        ["config", "print", "--json"],
        ["doctor"],
        ["doctor", "--json"],
    ):
        ran = await run_async(*command, *where)
        assert ran.out, command
        said[" ".join(command)] = ran.out + ran.err
    file = tmp_path / "drill.tbk"
    ran = await run_async("backup", str(file), *where, "--json")
    assert ran.code == 0, ran.err
    said["backup's words"] = ran.out + ran.err
    with ZipFile(file) as archive:
        for name in archive.namelist():
            said[f"backup: {name}"] = _readable(archive.read(name), tmp_path)
    return said


def _output(command: list[Any]) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def _readable(data: bytes, tmp_path: Path) -> str:
    """A member of a backup as text; a dump in pg_dump's own format is unpacked first."""
    if not data.startswith(b"PGDMP"):
        return data.decode("utf-8", "replace")
    file = tmp_path / "member.dump"
    file.write_bytes(data)
    program = find_binaries(None) / "pg_restore"
    text = _output([program, "--file=-", file])
    assert "COPY public.audit" in text
    return text


# What is typed is shown, never run

SCRIPT = "<script>alert('x')</script>"
BREAKOUT = "\"'><img src=x onerror=alert(1)>"
TEMPLATE = "{{ 7 * 191 }}{% raw %}${7*191}"
HREF = "javascript:alert(document.cookie)"
HOSTILE = f"{SCRIPT}{BREAKOUT}{TEMPLATE}"
ADDRESSES = [
    HREF,
    "JaVaScRiPt:alert(1)",
    " javascript:alert(1)",
    "java\tscript:alert(1)",
    "data:text/html,<script>alert(1)</script>",
    "vbscript:x",
    "file:///etc/passwd",
    "//evil.example/x",
    'https://good.example/"onmouseover="alert(1)',
]


async def hostile_things(house: House) -> None:
    """Every field that a machine or a person can fill."""
    http, browser = house.browser.http, house.browser
    event = {
        "routing_key": house.key,
        "event_action": "trigger",
        "dedup_key": f"k{HOSTILE}",
        "client": HOSTILE,
        "client_url": HREF,
        "links": [{"href": address, "text": HOSTILE} for address in ADDRESSES],
        "images": [{"src": address, "href": address, "alt": HOSTILE} for address in ADDRESSES],
        "payload": {
            "summary": HOSTILE,
            "source": HOSTILE,
            "severity": "critical",
            "component": HREF,
            "group": HOSTILE,
            "class": HOSTILE,
            "custom_details": {HOSTILE: HOSTILE, "url": HREF, "nested": {HREF: [HOSTILE, HREF]}},
        },
    }
    answer = await http.post("/v2/enqueue", json=event)
    assert answer.status_code == 202, answer.text
    await house.program.engine.run_until_idle()
    incident = str(await house.value("select id from incidents"))
    async with house.program.database.transaction() as tx:
        await accounts.create_user(
            tx,
            SYSTEM,
            NewUser(
                name=HOSTILE[:90],
                email="mallory@example.com",
                job_title=HOSTILE[:90],
                role=Role.ADMIN,
            ),
            START,
        )
    forms: list[tuple[str, dict[str, str]]] = [
        (f"/app/incidents/{incident}/note", {"content": HOSTILE}),
        (f"/app/incidents/{incident}/title", {"title": HOSTILE}),
        ("/app/teams", {"name": HOSTILE[:90], "description": HOSTILE}),
        ("/app/settings/instance", {"public_name": HOSTILE[:40]}),
        ("/app/settings/keys", {"key_name": HOSTILE[:90], "role": "observer"}),
        (
            f"/app/services/{house.service_id}",
            {
                "name": HOSTILE[:90],
                "description": HOSTILE,
                "escalation_policy_id": str(
                    await house.value("select escalation_policy_id from services")
                ),
                "urgency_rule": "high",
                "acknowledgement_minutes": "0",
                "auto_resolve_minutes": "0",
            },
        ),
        (
            f"/app/services/{house.service_id}/integrations",
            {"integration_name": HOSTILE[:90], "kind": "events_api_v2"},
        ),
        (
            f"/app/people/{house.user_id}/contact-methods",
            {"channel": "phone", "label": HOSTILE[:40], "address": HOSTILE[:90]},
        ),
        (
            "/app/escalation-policies/new",
            {
                "name": HOSTILE[:90],
                "description": HOSTILE,
                "level_count": "1",
                "delay_1": "5",
                "targets_1": f"user:{house.user_id}",
            },
        ),
        (
            "/app/schedules/new",
            {
                "name": HOSTILE[:90],
                "description": HOSTILE,
                "time_zone": "Etc/UTC",
                "layer_count": "1",
                "layer_name_1": HOSTILE[:90],
                "members_1": house.user_id,
            },
        ),
    ]
    for path, form in forms:
        answer = await browser.post(path, form)
        assert answer.status_code in (200, 303), (path, answer.status_code, answer.text[-3000:])
    async with Browserless(
        house.program.asgi, headers={"user-agent": SCRIPT + HREF}, client="192.0.2.50"
    ) as other:
        await other.sign_in(OWNER, TYPED["owner password"])


def runs(text: str) -> list[str]:
    """What a browser would run, load or follow in a page that should only show."""
    wrong = []
    markup = Markup(text)
    for tag, given in markup.tags:
        if tag == "script" and not given.get("src", "").startswith("/static/"):
            wrong.append(f"<script {given}>")
        if tag in ("iframe", "object", "embed", "base"):
            wrong.append(f"<{tag}>")
        if tag == "img" and given.get("src") == "x":
            wrong.append(f"<img {given}>")
        wrong += [f"<{tag} {name}>" for name in given if name.startswith("on") or name == "srcdoc"]
    for address in markup.addresses():
        plain = re.sub(r"[\x00-\x20]", "", address).lower()
        scheme = re.match(r"[a-z][a-z0-9+.-]*:", plain)
        if scheme and scheme[0] not in ("http:", "https:", "mailto:"):
            wrong.append(f"leads to {address}")
        if plain.startswith("//") or plain.startswith("\\"):
            wrong.append(f"leads to {address}")
    if "1337" in "".join(markup.text):
        wrong.append("a template ran")
    return wrong


async def test_what_is_typed_is_shown_and_never_run(house: House) -> None:
    await hostile_things(house)
    incident = str(await house.value("select id from incidents"))
    http = house.browser.http
    pages = await shown(house)
    schedule = str(await house.value("select id from schedules"))
    newest = {
        f"/app/schedules/{schedule}": "",
        f"/app/schedules/{schedule}/edit": "",
        f"/app/incidents?q={SCRIPT}&view={SCRIPT}&cursor=": "",
        f"/app/people?q={BREAKOUT}": "",
        f"/app/teams?q={BREAKOUT}": "",
        f"/app/services?q={BREAKOUT}": "",
        f"/app/sign-in?next={HREF}": "",
        f"/app/incidents/{incident}?part=record": "",
        f"/app/incidents/{incident}?part=head": "",
        "/app/people/" + str(await house.value("select id from users where role = 'admin'")): "",
    }
    link = house.program.links.token(incident, house.user_id)
    for path in (*newest, f"/r/{link}", f"/r/{link}?said={SCRIPT}", f"/r/{SCRIPT}"):
        answer = await http.get(path)
        assert answer.status_code < 500 or path == "/readyz", path
        assert faults(answer) == [], path
        pages[path] = answer.text
    wrong = {path: found for path, text in pages.items() if (found := runs(text))}
    assert wrong == {}
    # The words themselves are there: nothing was thrown away to be safe.
    seen = "".join("".join(Markup(text).text) for text in pages.values())
    assert seen.count("alert('x')") > 20
    assert "7 * 191" in seen
    told = [text for text in pages.values() if "alert('x')" in "".join(Markup(text).text)]
    assert len(told) > 12


async def test_links_of_alerts_lead_to_the_web_or_nowhere(house: House) -> None:
    await hostile_things(house)
    incident = str(await house.value("select id from incidents"))
    page = await house.browser.get(f"/app/incidents/{incident}")
    outside = [
        given
        for tag, given in Markup(page.text).tags
        if tag == "a" and "evil.example" in given.get("href", "") + given.get("src", "")
    ]
    assert outside == []
    for tag, given in Markup(page.text).tags:
        if tag == "a" and given.get("href", "").startswith("http"):
            assert {"noopener", "noreferrer"} <= set(given["rel"].split()), given
            assert given.get("target", "_self") in ("_self", "_blank")


# One-tap links and keys


async def test_a_one_tap_link_is_for_one_person_and_one_incident(house: House) -> None:
    http, links = house.browser.http, house.program.links
    await _machines(house)
    incident = str(await house.value("select id from incidents"))
    link = links.token(incident, house.user_id)
    other = links.token("Q0000000000000AA", house.user_id)
    strange = [
        link[:-1],
        link + "A",
        link[:-2] + ("AA" if link[-2:] != "AA" else "BB"),
        link[:24] + other[24:],
        other[:24] + link[24:],
        link[24:],
        "A" * 4000,
        "%00",
        house.browser.token,
    ]
    async with Browserless(house.program.asgi, client="192.0.2.51") as stranger:
        for token in strange:
            for answer in (
                await stranger.http.get(f"/r/{token}"),
                await stranger.http.post(f"/r/{token}/resolve"),
            ):
                assert answer.status_code == 404, token
                assert faults(answer) == []
        # A good signature for another incident shows that one, which is not there.
        assert (await stranger.http.get(f"/r/{other}")).status_code == 404
        # It opens this incident's page and no other page.
        assert (await stranger.http.get(f"/r/{link}")).status_code == 200
        assert (await stranger.http.get(f"/app/incidents/{incident}")).status_code == 303
        assert "set-cookie" not in (await stranger.http.get(f"/r/{link}")).headers
    house.clock.advance(timedelta(days=7, seconds=1))
    assert (await http.get(f"/r/{link}")).status_code == 410
    assert (await http.post(f"/r/{link}/resolve")).status_code == 410
    assert await house.value("select status from incidents") != "resolved"


async def test_a_link_of_somebody_who_left_opens_nothing(house: House) -> None:
    await _machines(house)
    incident = str(await house.value("select id from incidents"))
    async with house.program.database.transaction() as tx:
        new = NewUser(name="Bea", email="bea@example.com", role=Role.RESPONDER)
        bea = await accounts.create_user(tx, SYSTEM, new, house.clock.now())
    link = house.program.links.token(incident, bea.id)
    http = house.browser.http
    assert (await http.get(f"/r/{link}")).status_code == 200
    async with house.program.database.transaction() as tx:
        await accounts.deactivate_user(tx, SYSTEM, bea.id, house.clock.now())
    before = await house.value("select count(*) from log_entries")
    assert (await http.get(f"/r/{link}")).status_code == 404
    for act in ("acknowledge", "resolve", "undo"):
        assert (await http.post(f"/r/{link}/{act}")).status_code == 404
    assert await house.value("select count(*) from log_entries") == before


async def test_guessing_links_is_slowed_for_that_address_alone(house: House) -> None:
    async with Browserless(house.program.asgi, client="198.51.100.1") as guesser:
        codes = [(await guesser.http.get(f"/r/guess{number}")).status_code for number in range(41)]
    assert codes == [404] * 40 + [429]
    assert (await house.browser.http.get("/r/other")).status_code == 404


async def test_a_noisy_key_is_slowed_and_the_others_are_not(fresh_dsn: str, tmp_path: Path) -> None:
    limits = {"events_per_minute": "3"}
    async with open_program(fresh_dsn, tmp_path, start=START, **SETTINGS, **limits) as made:
        program, clock = made
        async with Browserless(program.asgi) as browser:
            house = House(program, clock, browser)
            await set_up(house)
            answer = await browser.post(
                f"/app/services/{house.service_id}/integrations",
                {"integration_name": "second", "kind": "events_api_v2"},
            )
            keys = set(re.findall(r"\b[0-9a-f]{32}\b", answer.text)) - {house.key}
            program.door.forget()
            payload = {"summary": "s", "source": "s", "severity": "info"}
            event = {"event_action": "trigger", "payload": payload}
            path = f"/integration/{house.key}/enqueue"
            codes = [(await browser.http.post(path, json=event)).status_code for _ in range(5)]
            assert codes == [202, 202, 202, 429, 429]
            other = await browser.http.post(f"/integration/{keys.pop()}/enqueue", json=event)
            assert other.status_code == 202


def test_the_dump_program_is_there() -> None:
    """Without it the search above would prove nothing."""
    assert os.access(find_binaries(None) / "pg_dump", os.X_OK)
    assert psycopg.__version__
