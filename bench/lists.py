"""How long lists take when a million incidents are stored: over HTTP with a key, as a client asks,
one request after the other, and the list of the pages as its query.

Each case asks for 25 of them and is asked many times with values that differ, so that no answer is
warm because it was the last one.
"""

import asyncio
import statistics
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

import httpx
import msgspec
import psycopg

from bench import house, lists_past
from bench.report import Line, progress, quantile
from bench.server import Home, Tocsin
from tocsin.accounts import actions as accounts
from tocsin.accounts.model import SYSTEM, NewKey, Role
from tocsin.core.database import Database
from tocsin.queries import incidents as queries
from tocsin.queries.incidents import Filter

PART = "lists"
SERVICES = 200
SIZE, QUICK_SIZE = 1_000_000, 50_000
ROUNDS, QUICK_ROUNDS = 40, 10
WARMING = 2
AIM = "p95 < 50 ms"
SORTS = ("incident_number", "created_at", "resolved_at", "urgency")

SELECT_SCENE = """
    select (select incident_id from listed where n = (select max(n) from listed) / 2 + 1),
        array(select distinct service_id from listed where n <= 400 order by 1),
        array(select user_id from assignments group by user_id order by count(*) desc limit 20)
"""


class Scene(msgspec.Struct, frozen=True):
    """What the cases ask about: the incident with a thousand alerts, services, busy people."""

    big: str
    services: list[str]
    users: list[str]
    size: int
    now: datetime

    def day(self, ago: float) -> str:
        """A time so many days ago, as a parameter."""
        return (self.now - timedelta(days=ago)).strftime("%Y-%m-%dT%H:%M:%SZ")


# What is measured, and the address of the n-th request.
Case = tuple[str, Callable[[int], str]]


def cases(scene: Scene) -> list[Case]:
    """Every list, filter and order."""

    def service(n: int) -> str:
        return scene.services[n % len(scene.services)]

    def user(n: int) -> str:
        return scene.users[n % len(scene.users)]

    def month(n: int) -> str:
        return f"since={scene.day(60 + 5 * n)}&until={scene.day(30 + 5 * n)}"

    incidents = "/incidents?"
    everything = "/incidents?date_range=all&"
    found: list[Case] = [
        ("the last month", lambda n: incidents),
        ("a status", lambda n: f"{incidents}statuses[]=triggered"),
        ("what is open", lambda n: f"{everything}statuses[]=triggered&statuses[]=acknowledged"),
        ("a service", lambda n: f"{incidents}service_ids[]={service(n)}"),
        ("a service, all time", lambda n: f"{everything}service_ids[]={service(n)}"),
        ("a team", lambda n: f"{incidents}team_ids[]=PTEAM{n % lists_past.TEAMS + 1}"),
        ("a team, all time", lambda n: f"{everything}team_ids[]=PTEAM{n % lists_past.TEAMS + 1}"),
        ("a person", lambda n: f"{incidents}user_ids[]={user(n)}"),
        ("an urgency", lambda n: f"{incidents}urgencies[]=low"),
        ("a month of the past", lambda n: f"{incidents}{month(n)}"),
        ("offset up to 10,000", lambda n: f"{everything}offset={9_975 - 10 * n}"),
        (
            "a service, offset up to 10,000",
            lambda n: f"{everything}service_ids[]={service(2 * n)}&offset={2_000 + 100 * n}",
        ),
        ("total of a month", lambda n: f"{incidents}total=true&{month(n)}"),
        ("total of all time", lambda n: f"{everything}total=true"),
        ("incident_key", lambda n: f"{everything}incident_key=disk-{scene.size // 20 + n}"),
        (
            "alerts of an incident of 1,000",
            lambda n: f"/incidents/{scene.big}/alerts?offset={n * 20}&total=true",
        ),
        ("log entries", lambda n: f"/log_entries?offset={n * 200}"),
        (
            "log entries of a day",
            lambda n: f"/log_entries?since={scene.day(n + 2)}&until={scene.day(n + 1)}",
        ),
        (
            "log entries of an incident of 5,000",
            lambda n: f"/incidents/{scene.big}/log_entries?offset={n * 100}",
        ),
        ("related incidents", lambda n: f"/incidents/{scene.big}/related_incidents"),
        ("past incidents", lambda n: f"/incidents/{scene.big}/past_incidents"),
    ]
    for key in SORTS:
        for way in ("asc", "desc"):
            name = f"sort_by={key}:{way}"
            found.append((name, _sorted(incidents, f"{key}:{way}")))
            found.append((f"{name}, all time", _sorted(everything, f"{key}:{way}")))
    return found


def _sorted(base: str, order: str) -> Callable[[int], str]:
    return lambda n: f"{base}sort_by={order}&offset={n * 25}"


PAGES: tuple[tuple[str, Filter], ...] = (
    ("page: open", Filter()),
    ("page: resolved", Filter(statuses=("resolved",))),
    ("page: all", Filter(statuses=queries.STATUSES)),
    ("page: resolved, low urgency", Filter(statuses=("resolved",), urgency="low")),
    ("page: resolved, P1", Filter(statuses=("resolved",), priorities=("P1",))),
    ("page: all by priority", Filter(statuses=queries.STATUSES, by_priority=True)),
    ("page: a title of a month", Filter(statuses=queries.STATUSES, words="nothing has this")),
)


def measure(quick: bool) -> list[Line]:
    """The lines of this part."""
    size, rounds = (QUICK_SIZE, QUICK_ROUNDS) if quick else (SIZE, ROUNDS)
    now = datetime.now(UTC)
    with Home() as home, Tocsin(home, role="web") as server:
        asyncio.run(house.House(home).services(SERVICES, 1))
        progress(f"lists: filling {size:,} incidents")
        with psycopg.connect(home.dsn, autocommit=True) as connection:
            lists_past.fill(connection, size, now)
        scene = asyncio.run(_scene(home, size, now))
        wanted = cases(scene)
        keys = asyncio.run(_keys(home, len(wanted)))
        lines = [Line(PART, f"{size:,} incidents stored", f"{rounds} requests each", AIM)]
        for (name, address), key in zip(wanted, keys, strict=True):
            progress(f"lists: {name}")
            with httpx.Client(
                base_url=f"http://127.0.0.1:{server.port}",
                headers={"authorization": f"Token token={key}"},
                timeout=60,
            ) as client:
                python, database = server.cpu_seconds(), home.database_cpu_seconds()
                text = _text(_asked(client, address, rounds))
                each = 1000 / (rounds + WARMING)
                python = (server.cpu_seconds() - python) * each
                database = (home.database_cpu_seconds() - database) * each
                cost = f"CPU {python:.0f} ms Python, {database:.0f} ms PostgreSQL each"
                lines.append(Line(PART, name, f"{text}; {cost}", AIM))
        lines += asyncio.run(_pages(home, rounds, now))
    return lines


async def _scene(home: Home, size: int, now: datetime) -> Scene:
    async with Database(home.dsn, size=1) as database, database.transaction() as tx:
        ((big, services, users),) = await tx.tuples(SELECT_SCENE)
    return Scene(big, services, users, size, now)


async def _keys(home: Home, number: int) -> list[str]:
    """A key for each case: one has 960 requests a minute."""
    async with Database(home.dsn, size=1) as database, database.transaction() as tx:
        now = datetime.now(UTC)
        made = []
        for n in range(number):
            new = NewKey(name=f"bench {n}", role=Role.ADMIN, read_only=True)
            made.append((await accounts.create_key(tx, SYSTEM, new, now))[1])
    return made


def _asked(client: httpx.Client, address: Callable[[int], str], rounds: int) -> list[float]:
    times = []
    for n in range(-WARMING, rounds):
        path = address(max(0, n))
        begun = time.perf_counter()
        answer = client.get(path)
        took = time.perf_counter() - begun
        if answer.status_code != 200:
            raise RuntimeError(f"{path} was answered {answer.status_code}: {answer.text[:200]}")
        if n >= 0:
            times.append(took)
    return times


async def _pages(home: Home, rounds: int, now: datetime) -> list[Line]:
    lines = []
    async with Database(home.dsn, size=2) as database:
        for name, wanted in PAGES:
            if wanted.words:
                wanted = msgspec.structs.replace(wanted, since=now - timedelta(days=30))
            times = []
            for _ in range(rounds):
                async with database.transaction() as tx:
                    begun = time.perf_counter()
                    await queries.page(tx, SYSTEM, wanted)
                    times.append(time.perf_counter() - begun)
            lines.append(Line(PART, name, _text(times), AIM))
    return lines


def _text(times: Sequence[float]) -> str:
    ordered = sorted(times)
    p95 = quantile(ordered, 0.95) * 1000
    return f"p50 {statistics.median(ordered) * 1000:.1f} ms, p95 {p95:.1f} ms"
