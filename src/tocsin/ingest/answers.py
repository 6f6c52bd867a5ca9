"""What the front door answers, in the words of the Events API.

400 is only for what can never be accepted, because clients drop it. Over a key's limit the answer
is one that the path's clients are known to retry: 429 on v2, 403 on v1, 503 on Alertmanager's
webhook. Trouble of our own is always 503.
"""

from enum import Enum

import msgspec

from tocsin.events.model import Rejected
from tocsin.ingest.bodies import Send

_JSON = (b"content-type", b"application/json")
_encode = msgspec.json.encode


class Answer(msgspec.Struct, frozen=True, gc=False):
    """A finished answer. `retry_after` is in seconds; `close` ends the connection after it."""

    status: int
    body: bytes
    retry_after: int = 0
    close: bool = False


class OverLimit(Enum):
    """How a path says that its key sends too much; the value is the status."""

    V2 = 429
    V1 = 403
    WEBHOOK = 503


def accepted_v2(dedup_key: str) -> Answer:
    """An event is kept, and this is its key."""
    return Answer(
        202,
        b'{"status":"success","message":"Event processed","dedup_key":' + _encode(dedup_key) + b"}",
    )


def accepted_v1(incident_key: str) -> Answer:
    """The same in version 1."""
    return Answer(
        200,
        b'{"status":"success","message":"Event processed","incident_key":'
        + _encode(incident_key)
        + b"}",
    )


ACCEPTED_GROUP = Answer(202, b'{"status":"success","message":"Event processed"}')
ACCEPTED_CHANGE = Answer(202, b'{"status":"success","message":"Change event processed"}')


def refused(rejected: Rejected, *, close: bool = False) -> Answer:
    """The body can never be accepted."""
    document = {
        "status": rejected.status,
        "message": rejected.message,
        "errors": list(rejected.errors),
    }
    return Answer(400, _encode(document), close=close)


def over_limit(kind: OverLimit, retry_after: int, per_minute: int) -> Answer:
    """The key sends more than its share; try again in `retry_after` seconds."""
    document = {
        "status": "throttle exceeded",
        "message": "Requests for this integration are arriving too quickly",
        "errors": [f"The limit is {per_minute} a minute: retry in {retry_after} s"],
    }
    return Answer(kind.value, _encode(document), retry_after=retry_after)


def unavailable(why: str, retry_after: int = 1, *, close: bool = False) -> Answer:
    """Trouble of our own; the client is to send the same again."""
    document = {
        "status": "unavailable",
        "message": "The event was not accepted; send it again",
        "errors": [why],
    }
    return Answer(503, _encode(document), retry_after=retry_after, close=close)


TOO_SLOW = Answer(
    408,
    _encode(
        {
            "status": "invalid event",
            "message": "The body did not arrive in time",
            "errors": ["The body did not arrive in time; send it again"],
        }
    ),
    close=True,
)


async def send(answer: Answer, send: Send) -> None:
    """Write the answer to the client."""
    headers = [_JSON, (b"content-length", b"%d" % len(answer.body))]
    if answer.retry_after:
        headers.append((b"retry-after", b"%d" % answer.retry_after))
    if answer.close:
        headers.append((b"connection", b"close"))
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": answer.body})
