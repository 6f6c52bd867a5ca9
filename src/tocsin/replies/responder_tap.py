"""The one-tap page of somebody who is asked to join an incident: Join, or Decline.

It works without a session and without scripts. Looking never answers; an answer is a POST. Being
asked is what allows it, so the page shows the question to whom it was put, and nothing to others.
"""

from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from tocsin.core.errors import NotFound, Refused
from tocsin.incidents import actions as incidents
from tocsin.incidents.responders import MAX_ANSWER_NOTE, Answer
from tocsin.queries import responders as queries
from tocsin.replies.links import Grant
from tocsin.replies.one_tap import MOST_FORM_BYTES, OneTap, person_of, theme_of

TEMPLATE = "one_tap/responder.html"


class ResponderTap:
    """The page and its two acts."""

    def __init__(self, pages: OneTap) -> None:
        self.pages = pages
        self.deps = pages.deps

    async def show(self, request: Request) -> Response:
        """Who asks, what for, and how the answer stands."""
        return await self.pages.guarded(request, self._show)

    async def act(self, request: Request) -> Response:
        """Take the answer, then show how it is."""
        return await self.pages.guarded(request, self._act)

    async def _show(self, request: Request, grant: Grant) -> Response:
        now = self.deps.clock.now()
        async with self.deps.database.transaction() as tx:
            user, _ = await person_of(tx, grant)
            question = await queries.question(tx, grant.incident_id, user.id)
            if question is None:
                raise NotFound("question", grant.incident_id)
            joined = await queries.joined(tx, grant.incident_id)
        text = self.deps.render(
            TEMPLATE,
            page={"title": f"Join #{question.number}?"},
            viewer=None,
            now=now,
            zone=user.time_zone,
            theme=theme_of(request),
            person=user,
            question=question,
            joined=joined,
            said=request.query_params.get("said", "")[:40],
            most_note=MAX_ANSWER_NOTE,
            path=f"/r/{request.path_params['token']}/responder",
        )
        return HTMLResponse(text)

    async def _act(self, request: Request, grant: Grant) -> Response:
        now = self.deps.clock.now()
        try:
            answer = Answer(request.path_params["answer"])
        except ValueError:
            raise NotFound("answer", request.path_params["answer"]) from None
        form = await request.form(max_files=0, max_fields=10, max_part_size=MOST_FORM_BYTES)
        note = str(form.get("note") or "").strip()[:MAX_ANSWER_NOTE] or None
        said = answer.value
        async with self.deps.database.transaction() as tx:
            _, actor = await person_of(tx, grant)
            try:
                await incidents.answer_request(tx, actor, grant.incident_id, answer, now, note=note)
            except Refused as refusal:
                # It was answered or ended meanwhile. The page that follows says how it is now.
                said = refusal.reason
        address = f"/r/{request.path_params['token']}/responder?said={said}"
        return RedirectResponse(address, status_code=303)


def routes(pages: OneTap) -> list[BaseRoute]:
    """The addresses that a request to join leads to."""
    tap = ResponderTap(pages)
    return [
        Route("/r/{token}/responder", tap.show, methods=["GET"]),
        Route("/r/{token}/responder/{answer}", tap.act, methods=["POST"]),
    ]
