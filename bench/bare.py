"""An endpoint that does nothing, on the HTTP server that Tocsin runs on.

`python -m bench.bare PORT`. What the server and the protocol cost by themselves: nothing on the
same server can be faster.
"""

import sys
from typing import Any

import uvicorn

ANSWER = b'{"status":"success"}'
HEADERS = [(b"content-type", b"application/json"), (b"content-length", str(len(ANSWER)).encode())]


async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """Read the body and answer 202 (200 to a GET)."""
    more = True
    while more:
        more = (await receive()).get("more_body", False)
    status = 202 if scope["method"] == "POST" else 200
    await send({"type": "http.response.start", "status": status, "headers": HEADERS})
    await send({"type": "http.response.body", "body": ANSWER})


if __name__ == "__main__":
    uvicorn.run(
        app,
        host="127.0.0.1",
        port=int(sys.argv[1]),
        log_level="warning",
        access_log=False,
        lifespan="off",
        backlog=4096,
        server_header=False,
    )
