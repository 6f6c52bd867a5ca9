"""An unmodified Prometheus Alertmanager on loopback, with a configuration the test writes."""

import asyncio
import json
import os
import re
import shutil
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NoReturn

import httpx
import pytest

from tests.support.ports import free_port

UNPACKED = Path(".cache/alertmanager/usr/bin/prometheus-alertmanager")
NO_PROGRAM = (
    "no Alertmanager here: put prometheus-alertmanager on the PATH, or unpack Debian's package of"
    " that name into .cache/alertmanager (see .ci/run)"
)
NO_TEMPLATES = (
    "Debian's Alertmanager reads its templates from /usr/share/prometheus/alertmanager: copy them"
    " there from the unpacked package (see .ci/run)"
)
FAILED = re.compile(
    r'^alertmanager_notification_requests_failed_total\{integration="(\w+)"\} (\d+)$', re.M
)


def missing(what: str) -> NoReturn:
    """Skip the test, or fail it where nothing may be missing."""
    if os.environ.get("TOCSIN_TEST_REQUIRE_ALL") == "1":
        pytest.fail(what)
    pytest.skip(what)


def binary() -> str:
    """The program."""
    unpacked = Path(__file__).parents[2] / UNPACKED
    if unpacked.exists():
        return str(unpacked)
    for name in ("prometheus-alertmanager", "alertmanager"):
        found = shutil.which(name)
        if found:
            return found
    missing(NO_PROGRAM)


class Alertmanager:
    """One that runs."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self.http = http

    async def fire(self, **labels: str) -> None:
        """An alert fires, as Prometheus would post it."""
        await self._post(labels, ended=False)

    async def resolve(self, **labels: str) -> None:
        """The alert with these labels is over."""
        await self._post(labels, ended=True)

    async def _post(self, labels: dict[str, str], *, ended: bool) -> None:
        now = datetime.now(UTC)
        alert: dict[str, Any] = {
            "labels": labels,
            "annotations": {"summary": f"{labels['alertname']} on {labels['instance']}"},
            "generatorURL": "http://prometheus.example/graph?g0.expr=up",
            "startsAt": (now - timedelta(minutes=1)).isoformat(),
            "endsAt": (now + timedelta(hours=-0.001 if ended else 1)).isoformat(),
        }
        response = await self.http.post("/api/v2/alerts", json=[alert])
        assert response.status_code == 200, response.text

    async def failed(self) -> dict[str, int]:
        """How many requests to each kind of receiver failed so far."""
        text = (await self.http.get("/metrics")).text
        return {kind: int(number) for kind, number in FAILED.findall(text)}


@asynccontextmanager
async def alertmanager(folder: Path, config: dict[str, Any] | str) -> AsyncIterator[Alertmanager]:
    """Start one with this configuration: YAML, or values to write as JSON, which is YAML."""
    program = binary()
    file = folder / "alertmanager.yml"
    file.write_text(config if isinstance(config, str) else json.dumps(config))
    address = f"127.0.0.1:{free_port()}"
    log = folder / "alertmanager.log"
    with log.open("wb") as output:
        server = await asyncio.create_subprocess_exec(
            program,
            f"--config.file={file}",
            f"--storage.path={folder / 'alertmanager'}",
            f"--web.listen-address={address}",
            "--cluster.listen-address=",
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        async with httpx.AsyncClient(base_url=f"http://{address}") as http:
            while True:
                if server.returncode is not None:
                    said = log.read_text()
                    if "default.tmpl: no such file" in said:
                        missing(NO_TEMPLATES)
                    pytest.fail(said)
                try:
                    if (await http.get("/-/ready")).status_code == 200:
                        break
                except httpx.TransportError:
                    pass
                await asyncio.sleep(0.05)
            yield Alertmanager(http)
    finally:
        if server.returncode is None:
            server.terminate()
        await server.wait()
