"""Send an event to this server's own front door, the way a machine outside would.

The request goes through the same routes, limits and group commit as every other; only the network
is left out.
"""

from typing import Any

import msgspec
from starlette.types import ASGIApp, Message

ENQUEUE = "/v2/enqueue"


class DoorAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What the front door said."""

    status: int
    body: dict[str, Any]

    @property
    def accepted(self) -> bool:
        """Whether the event is kept."""
        return self.status == 202

    @property
    def words(self) -> str:
        """Its message and errors in one line."""
        errors = ", ".join(str(error) for error in self.body.get("errors") or [])
        return f"{self.body.get('message') or self.status}" + (f": {errors}" if errors else "")


async def enqueue(app: ASGIApp, event: dict[str, Any]) -> DoorAnswer:
    """POST one Events v2 body to `app`."""
    body = msgspec.json.encode(event)
    sent: list[Message] = []
    unread = [body]

    async def receive() -> Message:
        if unread:
            return {"type": "http.request", "body": unread.pop(), "more_body": False}
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": "POST",
        "scheme": "http",
        "path": ENQUEUE,
        "raw_path": ENQUEUE.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": [
            (b"host", b"localhost"),
            (b"content-type", b"application/json"),
            (b"content-length", b"%d" % len(body)),
        ],
        "client": ("127.0.0.1", 0),
        "server": ("localhost", 80),
    }
    await app(scope, receive, send)
    status = next((m["status"] for m in sent if m["type"] == "http.response.start"), 500)
    text = b"".join(m.get("body", b"") for m in sent if m["type"] == "http.response.body")
    try:
        answer = msgspec.json.decode(text, type=dict[str, Any])
    except msgspec.MsgspecError:
        answer = {}
    return DoorAnswer(status=status, body=answer)
