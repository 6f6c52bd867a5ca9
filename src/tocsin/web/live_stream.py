"""The stream that tells an open page what has changed, topic by topic; never what it changed to.

A stream ends after a while, and the browser connects again: whoever was signed out meanwhile is
refused then.
"""

from collections.abc import AsyncIterator

from starlette.responses import PlainTextResponse, Response, StreamingResponse

from tocsin.web.live import TooManyReaders
from tocsin.web.page import Page, get
from tocsin.web.visit import Visit

LONGEST_SECONDS = 600.0


async def stream(visit: Visit) -> Response:
    """The text/event-stream of one page."""
    events = visit.deps.live.events()
    try:
        first = await anext(events)
    except TooManyReaders:
        return PlainTextResponse(
            "Too many pages are open on this server.", status_code=503, headers={"retry-after": "5"}
        )
    clock = visit.deps.clock
    until = clock.steady() + LONGEST_SECONDS

    async def body() -> AsyncIterator[bytes]:
        try:
            yield first
            async for event in events:
                yield event
                if clock.steady() > until:
                    return
        finally:
            await events.aclose()  # type: ignore[attr-defined]

    return StreamingResponse(
        body(),
        media_type="text/event-stream",
        headers={"cache-control": "no-store", "x-accel-buffering": "no"},
    )


PAGES: tuple[Page, ...] = (get("/app/live", stream),)
