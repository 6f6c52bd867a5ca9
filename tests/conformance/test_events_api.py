"""The Python clients people already use, unmodified, against the front door over loopback."""

import asyncio
import ipaddress
import ssl
import warnings
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from starlette.applications import Starlette

from tests.support.front_door import KEY, add_service, serving, stored
from tocsin.core.clock import LogicalClock
from tocsin.core.database import Database
from tocsin.events.formats import events_of
from tocsin.events.model import Event, Rejected
from tocsin.ingest.routes import FrontDoor, IngestDeps

pagerduty = pytest.importorskip("pagerduty")
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    pdpyras = pytest.importorskip("pdpyras")

WRONG_KEY = "ffffffffffffffffffffffffffffffff"


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate for 127.0.0.1 and its key in one file, as a home-made authority would."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]),
            critical=False,
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "server.pem"
    path.write_bytes(
        made.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return path


@pytest.fixture
async def app(database: Database) -> AsyncIterator[Any]:
    await add_service(database)
    door = FrontDoor(IngestDeps(database=database, clock=LogicalClock()))
    yield door.in_front_of(Starlette(routes=door.routes()))
    await door.close()


async def said(database: Database) -> list[Event]:
    found: list[Event] = []
    for row in await stored(database):
        events = events_of(row["format"], row["body"], row["dedup_key"])
        assert not isinstance(events, Rejected)
        found.extend(events)
    return found


def actions(events: list[Event]) -> list[tuple[str, str]]:
    return [(event.action, event.dedup_key) for event in events]


async def test_pagerduty_events_client(app: Any, database: Database, certificate: Path) -> None:
    trust = ssl.create_default_context(cafile=str(certificate))

    def use(url: str) -> str:
        client = pagerduty.EventsApiV2Client(KEY, base_url=url, verify=trust)
        made = client.trigger("Disk full", "db1", severity="warning", custom_details={"a": 1})
        client.acknowledge(made)
        client.resolve(made)
        assert client.trigger("CPU", "db2", dedup_key="cpu/db2") == "cpu/db2"
        # The client's own default timestamp raises inside the client (7.2.0).
        client.submit(
            "Deployed 1.2",
            source="ci",
            links=[{"href": "https://ci/7"}],
            timestamp=datetime.now(UTC).isoformat(),
        )
        wrong = pagerduty.EventsApiV2Client(WRONG_KEY, base_url=url, verify=trust)
        with pytest.raises(pagerduty.HttpError) as refused:
            wrong.trigger("x", "y")
        assert refused.value.response.status_code == 400
        assert refused.value.response.json()["errors"] == ["Invalid routing key"]
        return str(made)

    async with serving(app, ssl_certfile=str(certificate)) as url:
        made = await asyncio.to_thread(use, url)
    events = await said(database)
    assert actions(events) == [
        ("trigger", made),
        ("acknowledge", made),
        ("resolve", made),
        ("trigger", "cpu/db2"),
    ]
    assert (events[0].severity, events[0].details) == ("warning", {"a": 1})
    await one_change(database)


async def test_pdpyras_events_session(app: Any, database: Database) -> None:
    def use(url: str) -> str:
        session = pdpyras.EventsAPISession(KEY)
        session.url = url
        made = session.trigger("Disk full", "db1", severity="error")
        session.acknowledge(made)
        session.resolve(made)
        changes = pdpyras.ChangeEventsAPISession(KEY)
        changes.url = url
        changes.submit("Deployed 1.2", source="ci")
        wrong = pdpyras.EventsAPISession(WRONG_KEY)
        wrong.url = url
        with pytest.raises(pdpyras.PDHTTPError) as refused:
            wrong.trigger("x", "y")
        assert refused.value.response.status_code == 400
        return str(made)

    async with serving(app) as url:
        made = await asyncio.to_thread(use, url)
    assert actions(await said(database)) == [
        ("trigger", made),
        ("acknowledge", made),
        ("resolve", made),
    ]
    await one_change(database)


async def one_change(database: Database) -> None:
    async with database.transaction() as tx:
        [change] = await tx.rows("select summary, source, at, received_at from change_events")
    assert (change["summary"], change["source"]) == ("Deployed 1.2", "ci")
    assert abs((change["at"] - change["received_at"]).total_seconds()) < 60
