"""An unmodified Alertmanager pages through Tocsin by every road it has: its PagerDuty receiver
with only the URL changed, and its webhook receiver with the key in the path and as credentials.

Its PagerDuty receiver with a `service_key` is not here: that one has its address built in.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.alertmanager import Alertmanager, alertmanager
from tests.support.fake_providers import FakeHttp
from tests.support.running import Running, eventually, running
from tocsin.web import setup_reach, snippets

pytestmark = pytest.mark.clients

ROADS = ("pagerduty", "path", "bearer")
INCIDENTS = """
select i.status, i.title, i.alert_count, i.open_alert_count, a.dedup_key, a.status as alert,
       a.severity, a.source, a.event_count, a.client, a.client_url, a.details, a.links
from incidents i join services s on s.id = i.service_id join alerts a on a.incident_id = i.id
where s.name = %(service)s order by i.number, a.created_at
"""
WAITING = "select (select count(*) from inbox) as inbox, (select count(*) from events) as events"


@dataclass(frozen=True)
class Scene:
    """Alertmanager, Tocsin with one service for each road, and the phone of who is on call."""

    am: Alertmanager
    tocsin: Running
    phone: FakeHttp
    keys: dict[str, str]

    async def incidents(self, road: str) -> list[dict[str, Any]]:
        """What one road led to, oldest first."""
        return await self.tocsin.rows(INCIDENTS, service=road)

    async def becomes(self, road: str, *states: str) -> list[dict[str, Any]]:
        """Wait until the road's incidents have exactly these states."""

        async def look() -> list[dict[str, Any]]:
            return await self.incidents(road)

        return await eventually(look, lambda rows: [row["status"] for row in rows] == [*states])

    async def all_become(self, *states: str) -> None:
        """The same for every road."""
        for road in ROADS:
            await self.becomes(road, *states)

    async def all_refused(self) -> None:
        """Wait until Alertmanager tried both kinds of receiver in vain."""
        before = await self.am.failed()

        def worse(now: dict[str, int]) -> bool:
            return all(now[kind] > before.get(kind, 0) for kind in ("pagerduty", "webhook"))

        await eventually(self.am.failed, worse)


def config(url: str, keys: dict[str, str]) -> dict[str, Any]:
    """What a team would write, with shorter waits: every alert goes down all three roads."""
    bearer = {"authorization": {"type": "Bearer", "credentials": keys["bearer"]}}
    return {
        "route": {
            "receiver": "path",
            "group_by": ["alertname"],
            "group_wait": "200ms",
            "group_interval": "1s",
            "repeat_interval": "1h",
            "routes": [{"receiver": road, "continue": True} for road in ROADS],
        },
        "receivers": [
            {
                "name": "pagerduty",
                "pagerduty_configs": [
                    {
                        "routing_key": keys["pagerduty"],
                        "url": f"{url}/v2/enqueue",
                        "severity": "{{ .CommonLabels.severity }}",
                    }
                ],
            },
            {
                "name": "path",
                "webhook_configs": [{"url": f"{url}/integration/{keys['path']}/alertmanager"}],
            },
            {
                "name": "bearer",
                "webhook_configs": [{"url": f"{url}/alertmanager", "http_config": bearer}],
            },
        ],
    }


@asynccontextmanager
async def made_scene(dsn: str, server_dsn: str, folder: Path) -> AsyncIterator[Scene]:
    async with (
        FakeHttp("ntfy") as phone,
        running(dsn, server_dsn, folder / "data") as tocsin,
    ):
        ann = await tocsin.person("ann", "ntfy", f"{phone.url}/ann")
        keys = {
            road: await tocsin.service(
                road, ann, urgency_rule="severity_based", auto_resolve_timeout=None
            )
            for road in ROADS
        }
        async with alertmanager(folder, config(tocsin.url, keys)) as am:
            yield Scene(am, tocsin, phone, keys)


@pytest.fixture
async def scene(fresh_dsn: str, server_dsn: str, tmp_path: Path) -> AsyncIterator[Scene]:
    async with made_scene(fresh_dsn, server_dsn, tmp_path) as made:
        yield made


DB1 = {"alertname": "DiskFull", "instance": "db1", "severity": "critical"}
DB2 = {"alertname": "DiskFull", "instance": "db2", "severity": "critical"}


async def test_firing_grouping_and_resolving(scene: Scene) -> None:
    await scene.am.fire(**DB1)
    await scene.all_become("triggered")
    [paged] = await scene.incidents("pagerduty")
    assert paged["severity"] == "critical"
    assert paged["title"].startswith("[FIRING:1] DiskFull")
    assert "instance = db1" in paged["details"]["firing"]
    for road in ("path", "bearer"):
        [row] = await scene.incidents(road)
        assert (row["title"], row["severity"], row["source"]) == (
            "DiskFull on db1",
            "critical",
            "db1",
        )
        assert row["details"]["labels"] == DB1
        assert row["client"] == "Alertmanager"
        assert row["links"] == [
            {"href": "http://prometheus.example/graph?g0.expr=up", "text": "Source"}
        ]

    # A second alert joins the group. For the PagerDuty receiver a group is one condition with one
    # key; the webhook names each alert.
    await scene.am.fire(**DB2)
    for road in ("path", "bearer"):
        rows = await scene.becomes(road, "triggered", "triggered")
        assert rows[0]["dedup_key"] != rows[1]["dedup_key"]
    [grouped] = await eventually(
        lambda: scene.incidents("pagerduty"), lambda rows: rows[0]["event_count"] > 1
    )
    assert (grouped["dedup_key"], grouped["alert_count"]) == (paged["dedup_key"], 1)

    # One is over: the group still fires.
    await scene.am.resolve(**DB1)
    for road in ("path", "bearer"):
        rows = await scene.becomes(road, "resolved", "triggered")
        assert [row["source"] for row in rows] == ["db1", "db2"]
        assert [row["open_alert_count"] for row in rows] == [0, 1]
    assert [row["status"] for row in await scene.incidents("pagerduty")] == ["triggered"]

    # All are over.
    await scene.am.resolve(**DB2)
    await scene.becomes("pagerduty", "resolved")
    for road in ("path", "bearer"):
        await scene.becomes(road, "resolved", "resolved")

    # It breaks again: a new incident, with the key it had before.
    await scene.am.fire(**DB1)
    first, second = await scene.becomes("pagerduty", "resolved", "triggered")
    assert first["dedup_key"] == second["dedup_key"]
    for road in ("path", "bearer"):
        rows = await scene.becomes(road, "resolved", "resolved", "triggered")
        assert rows[2]["dedup_key"] == rows[0]["dedup_key"]

    await every_event_was_worked_on(scene)
    # Eight incidents opened, and the person on call was told of them.
    titles = " ".join(request.json["title"] for request in scene.phone.requests)
    assert "DiskFull" in titles


async def test_a_warning_pages_nobody_as_loudly(scene: Scene) -> None:
    await scene.am.fire(alertname="DiskFilling", instance="db1", severity="warning")
    for road in ROADS:
        [row] = await scene.becomes(road, "triggered")
        assert row["severity"] == "warning"
    [urgencies] = await scene.tocsin.rows("select array_agg(distinct urgency) as u from incidents")
    assert urgencies["u"] == ["low"]


async def test_while_the_database_is_away_nothing_is_lost(scene: Scene) -> None:
    async with scene.tocsin.without_database():
        await scene.am.fire(**DB1)
        await scene.all_refused()
        async with httpx.AsyncClient(base_url=scene.tocsin.url, timeout=60) as http:
            answer = await http.post(
                f"/integration/{scene.keys['path']}/alertmanager",
                json={"alerts": [{"status": "firing", "labels": DB2}]},
            )
        assert answer.status_code == 503
        assert int(answer.headers["retry-after"]) > 0
    await scene.all_become("triggered")
    await scene.am.resolve(**DB1)
    await scene.all_become("resolved")
    await every_event_was_worked_on(scene)


async def test_while_tocsin_is_stopped_nothing_is_lost(scene: Scene) -> None:
    await scene.am.fire(**DB1)
    await scene.all_become("triggered")
    await scene.tocsin.stop()
    # One alert is over and another begins while nobody listens.
    await scene.am.resolve(**DB1)
    await scene.am.fire(alertname="Latency", instance="web1", severity="critical")
    await scene.all_refused()
    await scene.tocsin.start()
    await scene.all_become("resolved", "triggered")
    await every_event_was_worked_on(scene)


def pasted(snippet: str) -> str:
    """A configuration file with the snippet in it exactly as it is shown; waits are shortened."""
    waits = "  group_wait: 200ms\n  group_interval: 1s\n"
    if snippet.startswith("route:\n"):
        own = snippet.replace("route:\n", f"route:\n  receiver: elsewhere\n{waits}", 1)
        return f"{own.rstrip()}\n  - name: elsewhere\n"
    return f"route:\n  receiver: tocsin\n{waits}{snippet}\n"


SHOWN: dict[str, Callable[[str, str], str]] = {
    "set-up, as PagerDuty": lambda url, key: setup_reach.snippets(url, key)["pagerduty"],
    "set-up, as a webhook": lambda url, key: setup_reach.snippets(url, key)["webhook"],
    "service, as PagerDuty": lambda url, key: snippets.snippets("alertmanager", url, key)[0].text,
    "service, as a webhook": lambda url, key: snippets.snippets("alertmanager", url, key)[1].text,
}


@pytest.mark.parametrize("shown", SHOWN)
async def test_what_we_tell_people_to_paste_works(
    fresh_dsn: str, server_dsn: str, tmp_path: Path, shown: str
) -> None:
    async with (
        FakeHttp("ntfy") as phone,
        running(fresh_dsn, server_dsn, tmp_path / "data") as tocsin,
    ):
        ann = await tocsin.person("ann", "ntfy", f"{phone.url}/ann")
        key = await tocsin.service("checkout", ann, auto_resolve_timeout=None)

        async def states() -> list[str]:
            return [row["status"] for row in await tocsin.rows("select status from incidents")]

        config = pasted(SHOWN[shown](tocsin.url, key))
        async with alertmanager(tmp_path, config) as am:
            await am.fire(**DB1)
            await eventually(states, lambda seen: seen == ["triggered"])
            await am.resolve(**DB1)
            await eventually(states, lambda seen: seen == ["resolved"])


async def every_event_was_worked_on(scene: Scene) -> None:
    """The inbox runs empty."""

    async def look() -> dict[str, Any]:
        [row] = await scene.tocsin.rows(WAITING)
        return row

    row = await eventually(look, lambda row: row["inbox"] == 0)
    assert row["events"] > 0
