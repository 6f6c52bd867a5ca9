"""Signing in and out, and where the bare addresses lead.

Rule: a wrong password, an unknown address and an account without a password get the same answer;
`next` is only ever a local path.
"""

from urllib.parse import urlsplit

from starlette.responses import RedirectResponse, Response

from tocsin.accounts import actions as accounts
from tocsin.accounts.model import Role, SignInReason
from tocsin.web import formats
from tocsin.web.page import Page, get, post
from tocsin.web.session import cookie_name, drop_session, put_session
from tocsin.web.visit import Visit

HOME = "/app/incidents"
SETUP = "/app/setup"
WRONG = "The e-mail address or the password is not right."


def local_path(path: str) -> str | None:
    """`path` when it leads to a page of ours, else None."""
    if not path.startswith("/app") or "\\" in path or not path.isprintable():
        return None
    parts = urlsplit(path)
    own = parts.path == "/app" or parts.path.startswith("/app/")
    if parts.scheme or parts.netloc or not own or "//" in parts.path:
        return None
    return path


async def home(visit: Visit) -> Response:
    """`/` and `/app`: set-up while nobody exists, else sign-in or the incidents."""
    return RedirectResponse(await _way_on(visit), status_code=303)


async def form(visit: Visit) -> Response:
    """The form, unless somebody is signed in already or nobody exists yet."""
    target = local_path(visit.query("next"))
    if visit.signed_in:
        return RedirectResponse(target or HOME, status_code=303)
    async with visit.tx() as tx:
        if await accounts.needs_first_run(tx):
            return RedirectResponse(SETUP, status_code=303)
    return _form(visit, target or "")


async def sign_in(visit: Visit) -> Response:
    """Prove the password and begin a session."""
    request = visit.request
    target = local_path(visit.field("next"))
    outcome = await accounts.sign_in(
        visit.deps.database,
        email=visit.field("email"),
        password=_password(visit),
        address=request.client.host if request.client else "",
        user_agent=request.headers.get("user-agent", ""),
        now=visit.now,
        previous_token=request.cookies.get(cookie_name(visit.deps.secure)),
    )
    if outcome.reason is SignInReason.LOCKED:
        wait = formats.duration(outcome.retry_after or 0)
        problem = f"Too many tries. Wait {wait} and try again; one-tap links still work."
        response = _form(visit, target or "", problem=problem, status=429)
        response.headers["retry-after"] = str(outcome.retry_after or 1)
        return response
    if outcome.token is None or outcome.user is None:
        return _form(visit, target or "", problem=WRONG, status=422)
    if target is None and outcome.user.role == Role.OWNER:
        async with visit.tx() as tx:
            if (await accounts.instance(tx)).setup_completed_at is None:
                target = SETUP
    response = visit.see_other(target or HOME)
    put_session(response, outcome.token, secure=visit.deps.secure)
    return response


async def sign_out(visit: Visit) -> Response:
    """End the session; harmless without one."""
    if visit.session_token:
        async with visit.tx() as tx:
            await accounts.sign_out(tx, visit.session_token)
    response = visit.see_other("/app/sign-in")
    drop_session(response, secure=visit.deps.secure)
    return response


async def _way_on(visit: Visit) -> str:
    if visit.signed_in:
        return HOME
    async with visit.tx() as tx:
        return SETUP if await accounts.needs_first_run(tx) else "/app/sign-in"


def _password(visit: Visit) -> str:
    """The password exactly as typed: spaces around it belong to it."""
    value = visit.raw_field("password")
    return value[:1000]


def _form(visit: Visit, target: str, *, problem: str | None = None, status: int = 200) -> Response:
    return visit.render(
        "sign_in.html",
        status=status,
        page={"title": "Sign in"},
        target=target,
        email=visit.field("email"),
        problem=problem,
    )


PAGES: tuple[Page, ...] = (
    get("/", home, public=True),
    get("/app", home, public=True),
    get("/app/sign-in", form, public=True),
    post("/app/sign-in", sign_in, public=True),
    post("/app/sign-out", sign_out, public=True),
)
