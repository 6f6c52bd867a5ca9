"""The door of the API: finds the operation, the key's actor, and the form of every refusal.

A request is one transaction, from the look-up of its key to the reading of its answer, so that an
answer shows what was written and nothing is kept of a request that was refused.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any
from urllib.parse import parse_qsl

import msgspec
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Match, Mount
from starlette.types import Receive, Scope, Send

from tocsin.accounts import actions as accounts
from tocsin.accounts.model import Actor
from tocsin.core import crypto, logs
from tocsin.core.database import BadValue, Conflict, Retry, TooSlow, Tx, Unavailable
from tocsin.core.errors import Problem
from tocsin.rest import errors, openapi
from tocsin.rest.call import Call
from tocsin.rest.deps import RestDeps
from tocsin.rest.errors import ApiError, PlainError
from tocsin.rest.limits import Allowance, RequestLimiter
from tocsin.rest.render import settle
from tocsin.rest.resource import Operation, Resource

log = logs.get(__name__)

MAX_BODY = 1_048_576
MAX_QUERY = 16_384
JSON = "application/json"
HOST = re.compile(r"(\[[0-9A-Fa-f:.]{2,45}\]|[A-Za-z0-9._-]{1,253})(:[0-9]{1,5})?")
Segments = tuple[str, ...]


class Api:
    """The ASGI application of the API."""

    def __init__(
        self,
        deps: RestDeps,
        resources: Iterable[Resource],
        operations: Iterable[Operation],
        *,
        limiter: RequestLimiter | None = None,
    ) -> None:
        self.deps = deps
        self.resources: Mapping[str, Resource] = {r.kind: r for r in resources}
        self.operations = tuple(operations)
        self.limiter = limiter or RequestLimiter()
        # By number of segments; an address spelt out comes before one with a value in it.
        self._paths: dict[int, list[tuple[Segments, dict[str, Operation]]]] = {}
        for operation in sorted(self.operations, key=lambda o: o.path.count("{")):
            segments = tuple(operation.path.strip("/").split("/"))
            known = self._paths.setdefault(len(segments), [])
            methods = next((m for s, m in known if s == segments), None)
            if methods is None:
                methods = {}
                known.append((segments, methods))
            if operation.method in methods:
                raise ValueError(f"{operation.method} {operation.path} is listed twice")
            methods[operation.method] = operation

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        request = Request(scope, receive)
        try:
            response = self._description(request) or await self._answer(request)
        except ClientDisconnect:
            return
        await response(scope, receive, send)

    def find(self, method: str, path: str) -> tuple[Operation, dict[str, str]]:
        """The operation of an address and the values in it. Raises ApiError."""
        parts = tuple(path.strip("/").split("/"))
        for segments, methods in self._paths.get(len(parts), ()):
            values = _matched(segments, parts)
            if values is None:
                continue
            operation = methods.get("GET" if method == "HEAD" else method)
            if operation is None:
                raise ApiError(405, errors.NOT_FOUND, "Method Not Allowed")
            return operation, values
        raise errors.not_found()

    def _description(self, request: Request) -> Response | None:
        """The two addresses that need no key: they say nothing of what is stored."""
        if request.method not in ("GET", "HEAD"):
            return None
        told = {"url": base_url(self.deps, request), "version": self.deps.version}
        if request.url.path == "/openapi.json":
            found = openapi.describe(self.resources.values(), self.operations, **told)
            return Response(msgspec.json.encode(found), media_type=JSON)
        if request.url.path == "/api":
            return Response(openapi.page(self.operations, **told), media_type="text/html")
        return None

    async def _answer(self, request: Request) -> Response:
        allowance: list[Allowance] = []
        try:
            status, value = await self._run(request, allowance.append)
        except ApiError as error:
            status, value = error.status, error.body()
        except PlainError as error:
            status, value = error.status, {"error": error.message}
        except Problem as problem:
            refusal = errors.of_problem(problem)
            status, value = refusal.status, refusal.body()
        except Conflict as conflict:
            status, value = 400, errors.of_conflict(conflict).body()
        except BadValue:
            status, value = 400, errors.invalid("a value holds what cannot be stored").body()
        except (Unavailable, Retry, TooSlow):
            status = 503
            value = ApiError(503, errors.INTERNAL, "The database is away for a moment").body()
        except ClientDisconnect:
            raise
        except Exception:
            log.exception("request failed", method=request.method)
            status, value = 500, ApiError(500, errors.INTERNAL, "Internal Server Error").body()
        headers = allowance[0].headers() if allowance else {}
        if status == 429:
            headers["retry-after"] = headers["ratelimit-reset"]
        if status == 503:
            headers["retry-after"] = "2"
        if status == 401:
            headers["www-authenticate"] = "Token"
        content = b"" if value is None else msgspec.json.encode(value)
        return Response(content, status, headers, media_type=JSON if content else None)

    async def _run(self, request: Request, seen: Callable[[Allowance], None]) -> tuple[int, Any]:
        operation, values = self.find(request.method, request.url.path)
        token = _token(request)
        # A GET may come with a body; nobody reads it.
        raw = b"" if operation.method == "GET" else await _body(request)
        query = _query(request)

        async def work(tx: Tx) -> tuple[int, Any]:
            now = self.deps.clock.now()
            address = request.client.host if request.client else None
            actor = await accounts.actor_for_key(tx, token, now, address=address)
            if actor is None:
                raise _unauthorized()
            if not counted:
                counted.append(
                    self.limiter.admit(crypto.hash_key(token).hex(), self.deps.clock.steady())
                )
                seen(counted[0])
            if not counted[0].admitted:
                raise ApiError(429, errors.LIMITED, "Rate Limit Exceeded")
            if operation.changes and actor.read_only:
                raise ApiError(
                    403, errors.DENIED, "Access Denied", "this key is read-only: use another"
                )
            if operation.changes:
                actor = await _in_the_name_of(tx, actor, request, operation)
            call = Call(self.deps, self.resources, query=query, path=values, now=now)
            call.base_url = base_url(self.deps, request)
            call.enter(tx, actor)
            call.read_zone()
            call.body = _decoded(raw, operation)
            value = await operation.handle(call)
            status = call.status or operation.ok
            return status, None if value is None else await settle(call, value, call.includes)

        counted: list[Allowance] = []
        return await self.deps.database.retrying(work)


class Everything(Mount):
    """Every address that no other face has taken by its first segment."""

    def __init__(self, app: Any, taken: Iterable[str]) -> None:
        super().__init__("", app=app)
        self.taken = frozenset(path.strip("/").partition("/")[0] for path in taken)

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Leave alone what belongs to the pages, the events and the probes."""
        first = str(scope.get("path", "")).strip("/").partition("/")[0]
        if scope["type"] != "http" or first in self.taken:
            return Match.NONE, {}
        return super().matches(scope)


def base_url(deps: RestDeps, request: Request) -> str:
    """What an address in the answer begins with, so that it leads back to this server.

    The public URL when one is set. Else, and for who came over https to a server whose public URL
    is plain http, the address that the request came to: some clients follow only what begins as
    the address they were given.
    """
    secure = request.url.scheme == "https"
    if deps.base_url_given and (not secure or deps.base_url.startswith("https:")):
        return deps.base_url
    host = request.headers.get("host", "")
    if not HOST.fullmatch(host):
        return deps.base_url
    return f"{request.url.scheme}://{host}"


def _matched(segments: Segments, parts: Segments) -> dict[str, str] | None:
    values: dict[str, str] = {}
    for segment, part in zip(segments, parts, strict=True):
        if segment.startswith("{"):
            if not part or "\x00" in part:
                return None
            values[segment[1:-1]] = part
        elif segment != part:
            return None
    return values


def _unauthorized() -> ApiError:
    return ApiError(
        401,
        errors.UNAUTHORIZED,
        "Unauthorized",
        "send a key of this server as Authorization: Token token=<key>",
    )


def _token(request: Request) -> str:
    """The key of `Token token=...` or `Bearer ...`."""
    scheme, _, rest = request.headers.get("authorization", "").strip().partition(" ")
    rest = rest.strip()
    if scheme.lower() == "token" and rest.startswith("token="):
        found = rest.removeprefix("token=").strip().strip('"')
    elif scheme.lower() == "bearer":
        found = rest
    else:
        found = ""
    if not found or not found.isascii():
        raise _unauthorized()
    return found


def _query(request: Request) -> list[tuple[str, str]]:
    raw = request.url.query
    if len(raw) > MAX_QUERY:
        raise ApiError(414, errors.INVALID, "The query is too long")
    return parse_qsl(raw, keep_blank_values=True)


async def _body(request: Request) -> bytes:
    parts: list[bytes] = []
    size = 0
    async for part in request.stream():
        size += len(part)
        if size > MAX_BODY:
            raise ApiError(413, errors.INVALID, f"The body is larger than {MAX_BODY} bytes")
        parts.append(part)
    return b"".join(parts)


def _decoded(raw: bytes, operation: Operation) -> dict[str, Any]:
    if not raw.strip() or operation.takes is None:
        return {}
    try:
        found = msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise errors.invalid("the body is not JSON") from None
    if not isinstance(found, dict):
        raise errors.invalid("the body must be a JSON object")
    return found


async def _in_the_name_of(tx: Tx, actor: Actor, request: Request, operation: Operation) -> Actor:
    """An account key acts in the name of the person that `From` names."""
    if actor.kind == "key" and actor.id is not None:
        return actor
    email = request.headers.get("from", "").strip()
    user = await accounts.user_by_email(tx, email) if email and "\x00" not in email else None
    if user is not None:
        return accounts.acting_for(actor, user)
    if operation.needs_from:
        raise ApiError(
            400,
            1008,
            "Requester User Not Found",
            "the From header must hold the e-mail address of a user of this server",
        )
    return actor
