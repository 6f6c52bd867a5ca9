"""The route table of the pages, and what surrounds each page.

Order for each request: session, sign-in, same-origin and token check for acts, the page, and for a
refusal the page that says so. Every answer carries the security headers (`with_headers`); an
undeclared address is 404. Nothing here decides what a person may do: actions check that.
"""

from collections.abc import Awaitable, Callable, Iterable
from urllib.parse import quote, urlsplit

from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tocsin.accounts import actions as accounts
from tocsin.accounts.model import Actor
from tocsin.core import logs
from tocsin.core.database import BadValue, Retry, Unavailable
from tocsin.core.errors import Forbidden, Invalid, NotFound, Problem, Refused
from tocsin.queries import incidents as incident_lists
from tocsin.web import formats
from tocsin.web.assets import STATIC_DIRECTORY
from tocsin.web.deps import WebDeps
from tocsin.web.page import Page
from tocsin.web.render import THEME_COOKIE, render, theme_of
from tocsin.web.session import comes_from_elsewhere, cookie_name
from tocsin.web.sign_in import HOME, local_path
from tocsin.web.visit import Viewer, Visit

log = logs.get(__name__)

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:;"
    " connect-src 'self'; font-src 'self'; manifest-src 'self'; worker-src 'self';"
    " frame-ancestors 'none'; base-uri 'none'; form-action 'self'"
)
HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=()",
    "cache-control": "no-store",
}
STRICT_TRANSPORT = "max-age=31536000"
TO_INCIDENTS = ("Go to incidents", HOME)


class HashedFiles(StaticFiles):
    """Static files have their content's hash in the name, so a browser may keep them for ever."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        """The file, with its caching headers."""
        response = await super().get_response(path, scope)
        if response.status_code == 200:
            response.headers["cache-control"] = "public, max-age=31536000, immutable"
        response.headers["x-content-type-options"] = "nosniff"
        return response


def build(deps: WebDeps, pages: Iterable[Page]) -> list[BaseRoute]:
    """Every page as a route, and the static files."""
    by_path: dict[str, dict[str, Page]] = {}
    for page in pages:
        methods = by_path.setdefault(page.path, {})
        if page.method in methods:
            raise ValueError(f"{page.method} {page.path} is listed twice")
        methods[page.method] = page
    routes: list[BaseRoute] = [
        Route(path, _endpoint(deps, methods), methods=sorted(methods))
        for path, methods in by_path.items()
    ]
    routes.append(Mount("/static", HashedFiles(directory=STATIC_DIRECTORY, check_dir=False)))
    return routes


def _endpoint(deps: WebDeps, methods: dict[str, Page]) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        page = methods["GET" if request.method == "HEAD" else request.method]
        return await _answer(deps, page, request)

    return endpoint


def with_headers(app: ASGIApp, *, secure: bool) -> ASGIApp:
    """`app` with the security headers on every answer that does not set them itself: pages, files,
    and the refusals of an unknown address or method, which no page of ours ever sees."""
    headers = {**HEADERS, "strict-transport-security": STRICT_TRANSPORT} if secure else HEADERS

    async def guarded(scope: Scope, receive: Receive, send: Send) -> None:
        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                given = MutableHeaders(scope=message)
                for name, value in headers.items():
                    given.setdefault(name, value)
            await send(message)

        await app(scope, receive, sending if scope["type"] == "http" else send)

    return guarded


async def not_found(request: Request, error: Exception) -> Response:
    """An address that nothing has: a page of ours for people, plain words for machines."""
    if not request.url.path.startswith("/app"):
        return PlainTextResponse("Not Found", status_code=404)
    text = render(
        "refusal.html",
        page={"title": "There is nothing here"},
        theme=theme_of(request.cookies.get(THEME_COOKIE)),
        text="No page has this address.",
        way=TO_INCIDENTS,
    )
    return HTMLResponse(text, status_code=404)


async def _answer(deps: WebDeps, page: Page, request: Request) -> Response:
    try:
        visit = await _visit(deps, page, request)
    except Unavailable:
        return _plain(503, "The database is away for a moment. Paging goes on when it is back.")
    try:
        if not visit.signed_in and not (page.public or page.signed):
            return _to_sign_in(visit)
        if page.method == "POST":
            await visit.load_form()
            refused = _refuse_forgery(visit, page)
            if refused is not None:
                return refused
        return await page.run(visit)
    except Problem as problem:
        return _problem(visit, problem)
    except HTTPException as error:
        text = "Go back, shorten what you wrote, and send it again."
        return _refusal(visit, error.status_code, "This form could not be read", text)
    except BadValue:
        text = "It holds a character that cannot be kept."
        return _refusal(visit, 422, "One value is not right", text)
    except Retry:
        return _refusal(visit, 409, "Somebody else changed this at the same time", "Try again.")
    except Unavailable:
        return _plain(503, "The database is away for a moment. Paging goes on when it is back.")
    except Exception:
        log.exception("page failed", path=page.path, method=page.method)
        return _refusal(
            visit, 500, "This page failed", "The engine still pages. The error is in the log."
        )


async def _visit(deps: WebDeps, page: Page, request: Request) -> Visit:
    token = request.cookies.get(cookie_name(deps.secure))
    actor: Actor | None = None
    viewer: Viewer | None = None
    if token:
        address = request.client.host if request.client else ""
        user = None
        triggered = 0
        async with deps.database.transaction() as tx:
            actor = await accounts.actor_for_session(tx, token, deps.clock.now(), address=address)
            if actor is not None and actor.id is not None:
                user = (await accounts.users_by_ids(tx, [actor.id])).get(actor.id)
                if _is_whole_page(request):
                    triggered = await incident_lists.triggered_count(tx, actor)
        if user is not None:
            viewer = Viewer(
                id=user.id,
                name=user.name,
                email=user.email,
                role=user.role,
                time_zone=user.time_zone,
                theme=theme_of(request.cookies.get(THEME_COOKIE)),
            )
    visit = Visit(request, deps, actor=actor, viewer=viewer, session_token=token if actor else None)
    if viewer is not None and _is_whole_page(request):
        look = await deps.glance.look()
        visit.nav = {"triggered": triggered, "trouble": look.count, "stuck": look.stuck}
    return visit


def _is_whole_page(request: Request) -> bool:
    """Whether the answer has the navigation with its figure."""
    return request.method == "GET" and request.headers.get("hx-request") != "true"


def _to_sign_in(visit: Visit) -> Response:
    if visit.is_fragment:
        return Response(status_code=401, headers={"HX-Redirect": "/app/sign-in"})
    if visit.request.method != "GET":
        # A page that was left open too long: say so, and lead back to where the button was.
        try:
            came_from = urlsplit(visit.request.headers.get("referer", "")).path
        except ValueError:
            came_from = ""
        back = local_path(came_from) or HOME
        way = ("Sign in", "/app/sign-in?next=" + quote(back, safe=""))
        text = "Nothing was done. Sign in and press again; one-tap links still work."
        return _refusal(visit, 401, "You are signed out", text, way=way)
    target = visit.request.url.path
    if visit.request.url.query:
        target += "?" + visit.request.url.query
    return RedirectResponse("/app/sign-in?next=" + quote(target, safe=""), status_code=303)


def _refuse_forgery(visit: Visit, page: Page) -> Response | None:
    if page.signed:
        return None
    if comes_from_elsewhere(visit.request):
        return _refusal(
            visit, 403, "This came from another site", "Open the page here and try again."
        )
    if visit.signed_in:
        given = visit.field("csrf_token") or visit.request.headers.get("x-csrf-token", "")
        if not visit.checks_csrf(given):
            return _refusal(
                visit, 403, "This form is too old", "Load the page again and repeat the act."
            )
    return None


def _problem(visit: Visit, problem: Problem) -> Response:
    if isinstance(problem, NotFound):
        kind = problem.kind.replace("_", " ")
        text = f"There is no {kind} {problem.id}, or it is not yours to see."
        return _refusal(visit, 404, "There is nothing here", text)
    if isinstance(problem, Forbidden):
        return _refusal(visit, 403, "Your role does not allow this", formats.sentence(str(problem)))
    if isinstance(problem, Invalid):
        return _refusal(visit, 422, "One value is not right", formats.sentence(str(problem)))
    if isinstance(problem, Refused):
        return _refusal(visit, 409, "That cannot be done now", formats.sentence(problem.message))
    return _refusal(visit, 400, "That cannot be done", formats.sentence(str(problem)))


def _refusal(
    visit: Visit, status: int, title: str, text: str, *, way: tuple[str, str] = TO_INCIDENTS
) -> Response:
    if visit.is_fragment:
        return PlainTextResponse(f"{title}. {text}", status_code=status)
    page = {"title": title}
    return visit.render("refusal.html", status=status, page=page, text=text, way=way)


def _plain(status: int, text: str) -> Response:
    return PlainTextResponse(text, status_code=status, headers={"retry-after": "2"})
