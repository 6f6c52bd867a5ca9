"""What machines ask about the server itself: /healthz, /readyz and /metrics. No sign-in.

- /healthz: this process serves requests. It asks nobody else, so that a supervisor never restarts
  a healthy process because the database is away.
- /readyz: everything this process needs to keep its promises is in place, else 503 with the list
  of what is not. For monitoring; events are accepted as long as the database answers.
- /metrics: Prometheus text. Only sums: no names of people, services or incidents.
"""

import asyncio
import math
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime

import msgspec
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

from tocsin import metrics
from tocsin.core import migrate
from tocsin.core.clock import Clock
from tocsin.core.database import Database, DatabaseError
from tocsin.engine.auditor import FindingKind, audit
from tocsin.engine.loop import Engine
from tocsin.queries import backlog

STALE_STAGE_SECONDS = 30.0
DATABASE_SECONDS = 5.0
WORK_KINDS = ("events", "timers", "escalations", "deliveries")


class Told(msgspec.Struct, frozen=True):
    """One answer, as it can be passed between processes."""

    status: int
    media_type: str
    body: str


@dataclass(frozen=True, kw_only=True)
class OperationsDeps:
    """What the three answers look at. `engine` is None in a process that only serves requests.

    `elsewhere` answers for a server of several processes: only its main one knows everything.
    """

    database: Database
    clock: Clock
    engine: Engine | None
    began: float
    elsewhere: Callable[[str], Awaitable[Told]] | None = None


class NotReady(msgspec.Struct, frozen=True):
    """One reason why the server is not ready. `what` is a stable word."""

    what: str
    detail: str


def routes(deps: OperationsDeps) -> list[BaseRoute]:
    """The three routes."""

    async def healthz(request: Request) -> Response:
        return PlainTextResponse("ok\n", headers=_headers())

    async def told(request: Request) -> Response:
        path = request.url.path
        try:
            found = await (deps.elsewhere(path) if deps.elsewhere else answer(deps, path))
        except TimeoutError:
            found = Told(503, "text/plain; charset=utf-8", "The main process does not answer.\n")
        return Response(
            found.body,
            status_code=found.status,
            media_type=found.media_type,
            headers=_headers(),
        )

    return [
        Route("/healthz", healthz, methods=["GET"]),
        Route("/readyz", told, methods=["GET"]),
        Route("/metrics", told, methods=["GET"]),
    ]


async def answer(deps: OperationsDeps, path: str) -> Told:
    """What this process knows about itself: /metrics, or else /readyz."""
    if path == "/metrics":
        await refresh(deps)
        return Told(200, CONTENT_TYPE_LATEST, generate_latest(metrics.REGISTRY).decode())
    missing = [*await _database_problems(deps), *_engine_problems(deps)]
    body = msgspec.json.encode({"ready": not missing, "not_ready": missing})
    return Told(503 if missing else 200, "application/json", body.decode())


def _headers() -> dict[str, str]:
    return {"cache-control": "no-store", "x-content-type-options": "nosniff"}


async def _database_problems(deps: OperationsDeps) -> list[NotReady]:
    now = deps.clock.now()
    try:
        async with asyncio.timeout(DATABASE_SECONDS):
            pending = await migrate.status(deps.database)
            if pending:
                names = ", ".join(f"{m.number:04}_{m.name}" for m in pending)
                return [NotReady("schema", f"migrations have not run: {names}")]
            async with deps.database.transaction() as tx:
                findings = await audit(tx, now)
    except migrate.SchemaError as error:
        return [NotReady("schema", str(error))]
    except TimeoutError:
        return [NotReady("database", f"no answer within {DATABASE_SECONDS:.0f} seconds")]
    except DatabaseError as error:
        return [NotReady("database", str(error))]
    return [NotReady(found.kind.value, found.text()) for found in findings if found.is_stuck]


def _engine_problems(deps: OperationsDeps) -> list[NotReady]:
    # A stage with a long poll is late only when it misses its turn.
    polls = {stage.name: stage.poll_seconds for stage in deps.engine.stages} if deps.engine else {}
    return [
        NotReady("engine", f"the stage {stage} has not finished a pass for {age:.0f} seconds")
        for stage, age in stage_ages(deps).items()
        if age > polls[stage] + STALE_STAGE_SECONDS
    ]


def stage_ages(deps: OperationsDeps) -> dict[str, float]:
    """Seconds since each stage of this process last finished a pass, or since the start."""
    if deps.engine is None:
        return {}
    now = deps.clock.steady()
    finished = deps.engine.finished_at
    return {stage.name: now - finished.get(stage.name, deps.began) for stage in deps.engine.stages}


async def refresh(deps: OperationsDeps) -> None:
    """Bring the gauges up to date. What cannot be known is NaN: an old number would be a lie."""
    for stage, age in stage_ages(deps).items():
        metrics.STAGE_AGE.labels(stage).set(age)
    try:
        async with asyncio.timeout(DATABASE_SECONDS):
            await _refresh_from_database(deps.database, deps.clock.now())
    except (DatabaseError, TimeoutError):
        metrics.DATABASE_UP.set(0)
        metrics.ENGINE_LAG.set(math.nan)
        for kind in WORK_KINDS:
            metrics.DUE_WORK.labels(kind).set(math.nan)
        for finding in FindingKind:
            metrics.OVERDUE.labels(finding.value).set(math.nan)
        return
    metrics.DATABASE_UP.set(1)


async def _refresh_from_database(database: Database, now: datetime) -> None:
    async with database.transaction() as tx:
        due = await backlog.due_work(tx, now)
        lag = await backlog.lag_seconds(tx, now)
        findings = await audit(tx, now)
    metrics.ENGINE_LAG.set(lag)
    for kind in WORK_KINDS:
        metrics.DUE_WORK.labels(kind).set(due[kind])
    counts = {found.kind: found.count for found in findings}
    for finding in FindingKind:
        metrics.OVERDUE.labels(finding.value).set(counts.get(finding, 0))
