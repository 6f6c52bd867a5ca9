"""The one-tap pages: look at an incident and answer it, without signing in and without scripts.

Rules: GET and HEAD never act, whatever fetches them; an act is a POST to an address that only a
page of ours shows. After an act the page says what is now true. What a person may do is what a
reply may do: look, acknowledge, give back, resolve, snooze.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from tocsin.accounts import actions as accounts
from tocsin.accounts.model import Actor, Role, User
from tocsin.core import logs
from tocsin.core.clock import Clock
from tocsin.core.crypto import BadToken, ExpiredToken
from tocsin.core.database import Database, Retry, Tx, Unavailable
from tocsin.core.errors import Forbidden, NotFound, Problem, Refused
from tocsin.incidents import actions as incidents
from tocsin.queries import incident as incident_queries
from tocsin.queries import ladders
from tocsin.replies.links import Grant, Links
from tocsin.replies.pace import Pace

log = logs.get(__name__)

# Shown as ten seconds; a slow phone network gets the difference.
UNDO_SECONDS = 10
UNDO_ACCEPTED = timedelta(seconds=30)
SNOOZES = ((1800, "30 min"), (3600, "1 h"), (14400, "4 h"))
MOST_FORM_BYTES = 10_000
THEMES = ("light", "dark")
HEADERS = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:;"
        " connect-src 'self'; manifest-src 'self'; frame-ancestors 'none'; base-uri 'none';"
        " form-action 'self'"
    ),
    "x-content-type-options": "nosniff",
    "x-robots-tag": "noindex, nofollow",
    # The address is the permission, so it is told to nobody.
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cache-control": "no-store",
}


@dataclass(frozen=True, kw_only=True)
class OneTapDeps:
    """The outside of these pages. `render(template, **context)` makes the text of a page."""

    database: Database
    clock: Clock
    links: Links
    render: Callable[..., str]


class OneTap:
    """The pages and what they share."""

    def __init__(self, deps: OneTapDeps) -> None:
        self.deps = deps
        self.pace = Pace()

    async def show(self, request: Request) -> Response:
        """How the incident is now, and what this person can do about it."""
        return await self.guarded(request, self._show)

    async def act(self, request: Request) -> Response:
        """Do what the button said, then show how it is."""
        return await self.guarded(request, self._act)

    async def guarded(self, request: Request, run: Callable[..., Any]) -> Response:
        """Run a page for whom the link was made for, within the pace, and say plainly why not."""
        address = request.client.host if request.client else ""
        if not self.pace.allows(address, self.deps.clock.steady()):
            response: Response = PlainTextResponse(
                "Too many tries from this address. Wait a minute and try again.",
                status_code=429,
                headers={"retry-after": "30"},
            )
        else:
            response = await self._answer(request, run)
        for name, value in HEADERS.items():
            response.headers.setdefault(name, value)
        return response

    async def _answer(self, request: Request, run: Callable[..., Any]) -> Response:
        try:
            grant = self.deps.links.read(request.path_params["token"])
            answered: Response = await run(request, grant)
            return answered
        except ExpiredToken:
            return self._refused(
                request,
                410,
                "This link has expired",
                "A link works for seven days. Sign in to see the incident as it is now.",
            )
        except BadToken:
            return self._refused(
                request,
                404,
                "This link is not complete",
                "It may have been cut off on its way. Open it again from the message itself, or"
                " sign in.",
            )
        except NotFound:
            return self._refused(
                request, 404, "There is nothing here", "The incident or the person is gone."
            )
        except Forbidden as problem:
            return self._refused(request, 403, "You cannot do this any more", str(problem))
        except Problem as problem:
            return self._refused(request, 409, "That cannot be done now", str(problem))
        except HTTPException as error:
            return self._refused(
                request, error.status_code, "This form could not be read", "Press again."
            )
        except (Unavailable, Retry):
            return PlainTextResponse(
                "The database is away for a moment. Press again in a few seconds.",
                status_code=503,
                headers={"retry-after": "2"},
            )
        except Exception:
            # The path is not logged: it holds the permission.
            log.exception("a one-tap page failed", method=request.method)
            return self._refused(
                request,
                500,
                "This page failed",
                "The engine still pages. Sign in to acknowledge, or press again.",
            )

    async def _show(self, request: Request, grant: Grant) -> Response:
        now = self.deps.clock.now()
        async with self.deps.database.transaction() as tx:
            user, actor = await person_of(tx, grant)
            head = await incident_queries.head(tx, actor, grant.incident_id)
            assigned = await incident_queries.assigned(tx, head.id)
            ladder = await ladders.view(tx, head.id, now)
            taken = await incidents.acknowledgements(tx, head.id)
            alerts = await incident_queries.alerts(tx, head.id, limit=3)
            asked = await incidents.asks_of(tx, head.id, user.id)
        mine = any(one.user_id == user.id for one in taken)
        undo_until = _undo_until(head) if mine else None
        text = self.deps.render(
            "one_tap/incident.html",
            page={"title": f"#{head.number} {head.title}"[:120]},
            viewer=None,
            now=now,
            zone=user.time_zone,
            theme=theme_of(request),
            person=user,
            incident=head,
            ladder=ladder,
            next=ladder.next if ladder else None,
            spared=_spared(ladder),
            assigned=assigned,
            taken=taken,
            mine=mine,
            alerts=alerts.items,
            asked=bool(asked),
            snoozes=SNOOZES,
            said=request.query_params.get("said", "")[:40],
            undo_until=undo_until if undo_until and undo_until > now else None,
            path=f"/r/{request.path_params['token']}",
        )
        response = HTMLResponse(text)
        if ladder is not None and ladder.due_at is not None:
            # Without scripts the countdown stands still, so the page is fetched anew when the
            # ladder has moved. Fetching it never acts.
            left = max(0.0, (ladder.due_at - now).total_seconds())
            response.headers["refresh"] = str(int(min(left, 3600.0)) + 2)
        return response

    async def _act(self, request: Request, grant: Grant) -> Response:
        now = self.deps.clock.now()
        name = request.path_params["act"]
        form = await request.form(max_files=0, max_fields=10, max_part_size=MOST_FORM_BYTES)
        said = name
        async with self.deps.database.transaction() as tx:
            _, actor = await person_of(tx, grant)
            ids = [grant.incident_id]
            try:
                if name == "acknowledge":
                    await incidents.acknowledge(tx, actor, ids, now)
                elif name == "resolve":
                    await incidents.resolve(tx, actor, ids, now)
                elif name == "snooze":
                    await incidents.snooze(tx, actor, ids, _seconds(form.get("seconds")), now)
                elif name == "undo":
                    await _undo(tx, actor, grant, now)
                else:
                    raise NotFound("act", name)
            except Refused as refusal:
                # Somebody was faster. The page that follows says how it is now.
                said = refusal.reason
        address = f"/r/{request.path_params['token']}?said={said}"
        return RedirectResponse(address, status_code=303)

    def _refused(self, request: Request, status: int, title: str, text: str) -> Response:
        body = self.deps.render(
            "one_tap/refused.html",
            page={"title": title},
            viewer=None,
            now=self.deps.clock.now(),
            theme=theme_of(request),
            text=text,
        )
        return HTMLResponse(body, status_code=status)


def routes(pages: OneTap) -> list[BaseRoute]:
    """The addresses that one-tap links lead to."""
    return [
        Route("/r/{token}", pages.show, methods=["GET"]),
        Route("/r/{token}/{act}", pages.act, methods=["POST"]),
    ]


async def person_of(tx: Tx, grant: Grant) -> tuple[User, Actor]:
    """Whom the link was made for, with the role and teams they have now."""
    user = (await accounts.users_by_ids(tx, [grant.user_id])).get(grant.user_id)
    if user is None or user.deleted_at is not None:
        raise NotFound("user", grant.user_id)
    actor = Actor(
        kind="reply",
        id=user.id,
        label=user.name,
        role=Role(user.role),
        teams=await accounts.teams_of(tx, user.id),
    )
    return user, actor


async def _undo(tx: Tx, actor: Actor, grant: Grant, now: datetime) -> None:
    """Give back what was acknowledged a moment ago. Later than that it is a decision, and the
    incident's own page is the place for it."""
    head = await incident_queries.head(tx, actor, grant.incident_id)
    since = head.acknowledged_at
    if head.status == "acknowledged" and (since is None or now - since > UNDO_ACCEPTED):
        raise Refused("too_late_to_undo", "it was acknowledged too long ago")
    await incidents.unacknowledge(tx, actor, [grant.incident_id], now)


def _undo_until(head: incident_queries.Head) -> datetime | None:
    """Until when an acknowledgement is taken back by one tap. A snooze is not one of those."""
    if head.status != "acknowledged" or head.acknowledged_at is None or head.snoozed_until:
        return None
    return head.acknowledged_at + timedelta(seconds=UNDO_SECONDS)


def _seconds(value: object) -> int:
    known = {str(seconds): seconds for seconds, _ in SNOOZES}
    seconds = known.get(str(value))
    if seconds is None:
        raise Refused("unknown_length", "choose one of the lengths on the page")
    return seconds


def _spared(ladder: ladders.LadderView | None) -> ladders.RungView | None:
    """The rung that is not climbed, because somebody answered."""
    if ladder is None:
        return None
    return next((rung for rung in ladder.rungs if rung.state is ladders.RungState.OFF), None)


def theme_of(request: Request) -> str:
    """The theme of this browser, empty when none was chosen."""
    theme = request.cookies.get("tocsin_theme", "")
    return theme if theme in THEMES else ""
