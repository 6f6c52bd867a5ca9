"""https next to http on a server that really runs: trusted by its authority alone, its certificate
changed under it, and never what keeps the pager from starting."""

import socket
import ssl
from pathlib import Path

import httpx
import pytest
import structlog

from tests.support.certificates import client_context, pem_file
from tests.support.commands import run
from tests.support.ports import free_port_with_https
from tests.support.running import eventually, running
from tocsin.accounts import actions as accounts
from tocsin.accounts.model import SYSTEM, NewKey
from tocsin.cli import https
from tocsin.cli.process import StartError
from tocsin.core import tls


def trusting(data_dir: Path) -> ssl.SSLContext:
    """A client that trusts what `tocsin tls ca` prints, and nothing else."""
    printed = run("tls", "ca", "--data-dir", str(data_dir))
    assert printed.code == 0, printed.err
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(cadata=printed.out)
    return context


async def get(url: str, context: ssl.SSLContext, **headers: str) -> httpx.Response:
    async with httpx.AsyncClient(verify=context) as http:
        return await http.get(url, headers=headers)


async def test_https_out_of_the_box(fresh_dsn: str, server_dsn: str, tmp_path: Path) -> None:
    async with running(fresh_dsn, server_dsn, tmp_path) as node:
        base = f"https://localhost:{https.port_of(node.tools.settings)}"
        answer = await get(f"{base}/healthz", trusting(tmp_path))
        assert answer.status_code == 200
        with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
            await get(f"{base}/healthz", ssl.create_default_context())
        old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        old.check_hostname, old.verify_mode = False, ssl.CERT_NONE
        old.set_ciphers("ALL:@SECLEVEL=0")
        with pytest.warns(DeprecationWarning, match="TLSv1_1"):
            old.minimum_version = old.maximum_version = ssl.TLSVersion.TLSv1_1
        with pytest.raises(httpx.ConnectError):
            await get(f"{base}/healthz", old)


async def test_addresses_lead_back_the_way_one_came(
    fresh_dsn: str, server_dsn: str, tmp_path: Path
) -> None:
    async with running(fresh_dsn, server_dsn, tmp_path) as node:
        ann = await node.person("ann", "ntfy", "topic-of-ann")
        now = node.tools.clock.now()
        async with node.tools.database.transaction() as tx:
            _, token = await accounts.create_key(tx, SYSTEM, NewKey(name="k", user_id=ann.id), now)
        own = {"authorization": f"Token token={token}"}
        base = f"https://localhost:{https.port_of(node.tools.settings)}"
        trust = trusting(tmp_path)
        for url, context in ((base, trust), (node.url, trust)):
            found = (await get(f"{url}/users/{ann.id}", context, **own)).json()["user"]
            assert found["self"] == f"{url}/users/{ann.id}"
            assert found["html_url"].startswith(f"{url}/app/")
        told = (await get(f"{base}/openapi.json", trust)).json()
        assert told["servers"] == [{"url": base}]


async def test_a_renewed_file_is_shown_without_a_restart(
    fresh_dsn: str, server_dsn: str, tmp_path: Path
) -> None:
    pem = pem_file(tmp_path, "one.test")
    async with running(fresh_dsn, server_dsn, tmp_path, tls_certificate=str(pem)) as node:
        port = https.port_of(node.tools.settings)
        assert await agrees(port, "one.test")
        pem_file(tmp_path, "two.test")

        async def look() -> bool:
            return await agrees(port, "two.test")

        assert await eventually(look)
        # What fits nothing changes nothing.
        pem.write_text("nonsense")
        assert await agrees(port, "two.test")


async def agrees(port: int, name: str) -> bool:
    """Whether who trusts the certificate of this name gets an answer."""
    async with httpx.AsyncClient(verify=client_context(name)) as http:
        extensions = {"sni_hostname": name}
        try:
            url = f"https://127.0.0.1:{port}/healthz"
            return (await http.get(url, extensions=extensions)).status_code == 200
        except httpx.ConnectError:
            return False


async def test_a_taken_port_leaves_http(
    fresh_dsn: str, server_dsn: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = free_port_with_https()
    # Whatever other tests set up for the logs of this process.
    heard = structlog.testing.LogCapture()
    monkeypatch.setattr(https, "log", structlog.wrap_logger(None, processors=[heard]))
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", port + 363))
        taken.listen()
        url = f"http://127.0.0.1:{port}"
        async with (
            running(fresh_dsn, server_dsn, tmp_path, port=str(port), public_url=url),
            httpx.AsyncClient() as http,
        ):
            assert (await http.get(f"{url}/healthz")).status_code == 200
        with pytest.raises(StartError, match=f"port {port + 363} .* cannot be used for https"):
            async with running(
                fresh_dsn, server_dsn, tmp_path, port=str(port), tls_port=str(port + 363)
            ):
                pass
    assert [entry["event"] for entry in heard.entries] == ["https is not served, http is"]


@pytest.mark.parametrize("missing", ["tls_certificate", "tls_key"])
async def test_a_certificate_that_was_set_has_to_work_at_the_start(
    fresh_dsn: str, server_dsn: str, tmp_path: Path, missing: str
) -> None:
    given = {"tls_certificate": str(pem_file(tmp_path, "one.test")), missing: "/nowhere.pem"}
    with pytest.raises(StartError, match=r"TOCSIN_TLS_CERTIFICATE: .*nowhere\.pem"):
        async with running(fresh_dsn, server_dsn, tmp_path, **given):
            pass


async def test_a_master_key_of_another_server_leaves_http(
    fresh_dsn: str, server_dsn: str, tmp_path: Path
) -> None:
    tls.LocalAuthority(tmp_path / "tls", b"other" + b"x" * 27, ("localhost",)).ready(
        https.LogicalClock().now()
    )
    async with (
        running(fresh_dsn, server_dsn, tmp_path) as node,
        httpx.AsyncClient() as http,
    ):
        assert (await http.get(f"{node.url}/healthz")).status_code == 200
        with socket.socket() as probe:
            port = https.port_of(node.tools.settings)
            assert probe.connect_ex(("127.0.0.1", port)) != 0


def test_switched_off_there_is_none(tmp_path: Path) -> None:
    printed = run("tls", "ca", "--data-dir", str(tmp_path))
    assert printed.code == 1
    assert "made by the first start" in printed.err
