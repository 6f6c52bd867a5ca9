"""The paths machines send to. Each is a plain ASGI endpoint: read, authenticate, keep, answer.

Nothing here knows incidents or people. An error nobody foresaw answers 503, so that the client
sends the event again, and is logged; it is never an answer that makes a client drop an alert.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Protocol

import msgspec
from starlette.routing import Route

from tocsin import metrics
from tocsin.catalog import actions as catalog
from tocsin.catalog.model import IntegrationTarget
from tocsin.core import ids, logs
from tocsin.core.clock import Clock
from tocsin.core.database import BadValue, Database, DatabaseError
from tocsin.events import actions, alertmanager, change, formats, pagerduty_v1, pagerduty_v2
from tocsin.events.model import Accepted, Destination, Format, Message, Rejected
from tocsin.events.rejections import KEY_LENGTH, invalid, key_errors
from tocsin.events.text import decode, repair
from tocsin.ingest import answers, bodies
from tocsin.ingest.answers import Answer, OverLimit
from tocsin.ingest.bodies import EVENT_LIMIT, GROUP_LIMIT, Receive, Scope, Send
from tocsin.ingest.group_commit import Done, GroupCommit, Overloaded
from tocsin.ingest.keys import Finder, Keys
from tocsin.ingest.limits import RateLimiter

log = logs.get(__name__)

EVENTS_PER_MINUTE = 60_000
UNKNOWN_KEY = invalid(["Invalid routing key"], "unknown_key")
NO_KEY = invalid(["The header 'Authorization: Bearer <integration key>' is missing"], "no_key")
NOT_KEPT = invalid(["The event holds a value that cannot be kept"], "bad_value")
REDACTED = b"0" * KEY_LENGTH

Handler = Callable[[Scope, bytes], Awaitable[Answer]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]


class Counters(Protocol):
    """What the front door counts."""

    def accepted(self, source: str, number: int) -> None:
        """`number` events of the format `source` were kept."""
        ...

    def rejected(self, reason: str) -> None:
        """A request was refused."""
        ...


class Metrics:
    """Counts into the product's metrics."""

    def __init__(self) -> None:
        # Finding a labelled counter costs more than counting with it.
        self._accepted = {
            source: metrics.EVENTS_ACCEPTED.labels(source) for source in (*Format, "change")
        }

    def accepted(self, source: str, number: int) -> None:
        """See Counters."""
        self._accepted[source].inc(number)

    def rejected(self, reason: str) -> None:
        """See Counters."""
        metrics.EVENTS_REJECTED.labels(reason).inc()


@dataclass(frozen=True, kw_only=True)
class IngestDeps:
    """What the front door stands on. Give it a `database` of its own (two connections are enough),
    so that a busy engine can never keep an alert waiting for a connection."""

    database: Database
    clock: Clock
    events_per_minute: int = EVENTS_PER_MINUTE
    is_stopping: Callable[[], bool] = lambda: False
    counters: Counters = field(default_factory=Metrics)
    find_target: Finder = catalog.target_for_key


class FrontDoor:
    """The endpoints and what they share. One for each process."""

    def __init__(self, deps: IngestDeps) -> None:
        self.deps = deps
        self.keys = Keys(deps.database, deps.clock, deps.find_target)
        self.commit = GroupCommit(deps.database, deps.clock)
        self.limiter = RateLimiter(deps.events_per_minute)
        self._direct: dict[str, Endpoint] = {
            "/v2/enqueue": Endpoint(self, self._enqueue_v2, EVENT_LIMIT),
            "/generic/2010-04-15/create_event.json": Endpoint(
                self, self._create_event_v1, EVENT_LIMIT
            ),
            "/v2/change/enqueue": Endpoint(self, self._enqueue_change, EVENT_LIMIT),
            "/alertmanager": Endpoint(self, self._alertmanager, GROUP_LIMIT),
        }
        self._later: set[asyncio.Task[None]] = set()
        self._keyed: dict[str, Endpoint] = {
            "/integration/{key}/enqueue": Endpoint(self, self._enqueue_any, GROUP_LIMIT),
            "/integration/{key}/alertmanager": Endpoint(self, self._alertmanager, GROUP_LIMIT),
        }

    def routes(self) -> list[Route]:
        """The paths, for an application's router."""
        return [
            Route(path, endpoint, methods=["POST"])
            for path, endpoint in (self._direct | self._keyed).items()
        ]

    def in_front_of(self, app: App) -> App:
        """An application that takes the busiest paths before any middleware of `app` runs."""
        direct = self._direct

        async def door(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] == "http" and scope["method"] == "POST":
                endpoint = direct.get(scope["path"])
                if endpoint is not None:
                    await endpoint(scope, receive, send)
                    return
            await app(scope, receive, send)

        return door

    def forget(self) -> None:
        """Keys or services changed: ask the database again."""
        self.keys.forget()

    async def close(self) -> None:
        """Wait until every request that was read has its answer."""
        await self.commit.close()

    async def _enqueue_v2(self, scope: Scope, body: bytes) -> Answer:
        message = pagerduty_v2.read(body)
        if isinstance(message, Rejected):
            return self.refuse(message)
        return await self._keep(message, message.key, Format.PAGERDUTY_V2, body)

    async def _create_event_v1(self, scope: Scope, body: bytes) -> Answer:
        message = pagerduty_v1.read(body)
        if isinstance(message, Rejected):
            return self.refuse(message)
        return await self._keep(message, message.key, Format.PAGERDUTY_V1, body)

    async def _enqueue_any(self, scope: Scope, body: bytes) -> Answer:
        format, message = formats.read_any(body)
        if isinstance(message, Rejected):
            return self.refuse(message)
        if format != Format.ALERTMANAGER and len(body) > EVENT_LIMIT:
            return self.refuse(bodies.too_large(EVENT_LIMIT))
        return await self._keep(message, scope["path_params"]["key"], format, body)

    async def _alertmanager(self, scope: Scope, body: bytes) -> Answer:
        key = scope.get("path_params", {}).get("key") or bearer(scope)
        if not key:
            return self.refuse(NO_KEY)
        message = alertmanager.read(body)
        if isinstance(message, Rejected):
            return self.refuse(message)
        return await self._keep(message, key, Format.ALERTMANAGER, body)

    async def _enqueue_change(self, scope: Scope, body: bytes) -> Answer:
        message = change.read(body)
        if isinstance(message, Rejected):
            return self.refuse(message)
        target = await self.keys.target(message.key)
        if target is None:
            return self.refuse(UNKNOWN_KEY)
        limited = self._over_limit(target, OverLimit.V2)
        if limited is not None:
            return limited
        async with self.deps.database.transaction() as tx:
            await actions.record_change(
                tx,
                target.service_id,
                target.integration_id,
                message.change,
                self.deps.clock.now(),
            )
        self.deps.counters.accepted("change", 1)
        return answers.ACCEPTED_CHANGE

    async def _keep(self, message: Message, key: str, format: Format, body: bytes) -> Answer:
        target = await self.keys.target(key)
        if target is None:
            return self.refuse(UNKNOWN_KEY)
        kept = self._to_keep(message, key, format, body, target)
        if isinstance(kept, Answer):
            return kept
        await self.commit.accept(kept.row)
        return self._kept(kept)

    def _to_keep(
        self, message: Message, key: str, format: Format, body: bytes, target: IntegrationTarget
    ) -> "Answer | _ToKeep":
        limited = self._over_limit(target, OVER_LIMIT[format])
        if limited is not None:
            return limited
        given = message.events[0].dedup_key
        made = None if given else ids.new("Q", self.deps.clock.now())
        destination = Destination(
            service_id=target.service_id,
            integration_id=target.integration_id,
            slice=target.slice,
            format=format.value,
        )
        row = Accepted(
            destination=destination, dedup_key=made, body=without_keys(body, message, key)
        )
        return _ToKeep(row, format, len(message.events), given or made or "")

    def _kept(self, kept: "_ToKeep") -> Answer:
        self.deps.counters.accepted(kept.format.value, kept.events)
        if kept.format is Format.PAGERDUTY_V2:
            return answers.accepted_v2(kept.dedup_key)
        if kept.format is Format.PAGERDUTY_V1:
            return answers.accepted_v1(kept.dedup_key)
        return answers.ACCEPTED_GROUP

    def enqueue_now(self, body: bytes, answer: Callable[[Answer], None]) -> None:
        """POST /v2/enqueue for whoever does not wait: `answer` is called once, now or later."""
        try:
            kept = None if self.deps.is_stopping() else self._to_keep_now(body)
            if isinstance(kept, Answer):
                answer(kept)
            elif kept is not None:
                self.commit.bring(kept.row, self._teller(kept, answer))
        except Exception:
            # The ordinary way meets the same trouble, and has the words for it.
            kept = None
        if kept is None:
            task = asyncio.get_running_loop().create_task(self._enqueue_later(body, answer))
            self._later.add(task)
            task.add_done_callback(self._later.discard)

    def _to_keep_now(self, body: bytes) -> "Answer | _ToKeep | None":
        message = pagerduty_v2.read(body)
        if isinstance(message, Rejected):
            return self.refuse(message)
        target = self.keys.remembered(message.key)
        if target is None:
            return None
        return self._to_keep(message, message.key, Format.PAGERDUTY_V2, body, target)

    def _teller(self, kept: "_ToKeep", answer: Callable[[Answer], None]) -> Done:
        def tell(error: Exception | None) -> None:
            answer(self._kept(kept) if error is None else self.trouble(error, "_enqueue_v2"))

        return tell

    async def _enqueue_later(self, body: bytes, answer: Callable[[Answer], None]) -> None:
        answer(await self._direct["/v2/enqueue"].answer_to({}, body))

    def _over_limit(self, target: IntegrationTarget, kind: OverLimit) -> Answer | None:
        wait = self.limiter.retry_after(target.integration_id, self.deps.clock.steady())
        if not wait:
            return None
        self.deps.counters.rejected("over_limit")
        return answers.over_limit(kind, wait, self.limiter.per_minute)

    def stopping(self) -> Answer:
        """Count and word that nothing is taken any more."""
        self.deps.counters.rejected("stopping")
        return answers.unavailable("The server is stopping", close=True)

    def trouble(self, error: Exception, handler: str) -> Answer:
        """Count and word what went wrong on the way to the commit."""
        counters = self.deps.counters
        if isinstance(error, Overloaded):
            counters.rejected("overloaded")
            return answers.unavailable("Too many events are waiting to be stored")
        if isinstance(error, BadValue):
            return self.refuse(NOT_KEPT)
        if isinstance(error, DatabaseError):
            counters.rejected("unavailable")
            return answers.unavailable("The database did not confirm the event")
        # The path is not logged, because it may hold a key.
        log.error("an event was not accepted", handler=handler, exc_info=error)
        counters.rejected("failed")
        return answers.unavailable("The server failed on this event")

    def refuse(self, rejected: Rejected, *, close: bool = False) -> Answer:
        """Count and word a refusal."""
        self.deps.counters.rejected(rejected.reason)
        return answers.refused(rejected, close=close)


class _ToKeep(msgspec.Struct, frozen=True, gc=False):
    """A row to commit, and what to answer then."""

    row: Accepted
    format: Format
    events: int
    dedup_key: str


OVER_LIMIT = {
    Format.PAGERDUTY_V2: OverLimit.V2,
    Format.PAGERDUTY_V1: OverLimit.V1,
    Format.ALERTMANAGER: OverLimit.WEBHOOK,
}


class Endpoint:
    """One path: reads within its limit and turns every trouble into the right answer."""

    def __init__(
        self,
        door: FrontDoor,
        handle: Handler,
        limit: int,
    ) -> None:
        self.door = door
        self.handle = handle
        self.limit = limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        try:
            answer = await self._answer(scope, receive)
        except bodies.Gone:
            self.door.deps.counters.rejected("gone")
            return
        await answers.send(answer, send)

    async def _answer(self, scope: Scope, receive: Receive) -> Answer:
        door = self.door
        if door.deps.is_stopping():
            return door.stopping()
        try:
            body = await bodies.read(scope, receive, self.limit)
        except bodies.TooSlow:
            door.deps.counters.rejected("too_slow")
            return answers.TOO_SLOW
        if isinstance(body, bodies.Unread):
            return door.refuse(body.rejected, close=body.close)
        return await self.answer_to(scope, body)

    async def answer_to(self, scope: Scope, body: bytes) -> Answer:
        """The answer to a body that was read."""
        if self.door.deps.is_stopping():
            return self.door.stopping()
        try:
            return await self.handle(scope, body)
        except Exception as error:
            return self.door.trouble(error, getattr(self.handle, "__name__", ""))


def bearer(scope: Scope) -> str | None:
    """The credentials of `Authorization: Bearer ...`."""
    value = (bodies.header(scope, b"authorization") or b"").decode("latin-1")
    scheme, _, credentials = value.partition(" ")
    return credentials.strip() if scheme.lower() == "bearer" else None


def without_keys(body: bytes, message: Message, key: str) -> bytes:
    """`body` without the integration's key and whatever else it shows as one: a key is a secret,
    and bodies are kept and shown. `key` is a valid one."""
    kept = body.replace(key.encode(), REDACTED)
    if message.key == key:
        # Written with escapes it is not found as text, only by reading the JSON.
        return _reencoded(body) if kept is body else kept
    if message.key and not key_errors(message.key):
        return _reencoded(body)
    return kept


def _reencoded(body: bytes) -> bytes:
    wire = decode(repair(body))
    for name in ("routing_key", "service_key"):
        wire.pop(name, None)
    return msgspec.json.encode(wire)
