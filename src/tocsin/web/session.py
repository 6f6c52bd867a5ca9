"""The session cookie and the proof that a form was ours.

Over https the cookie has the `__Host-` prefix. It is SameSite=Lax, so that a link in an e-mail
opens the incident without a new sign-in, and every act carries a token besides; a request whose
browser says it comes from another site is refused whatever it carries.
"""

from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import Response

SESSION_DAYS = 30


def cookie_name(secure: bool) -> str:
    """The cookie's name; the prefix makes a browser refuse one set by a sibling host."""
    return "__Host-tocsin" if secure else "tocsin_session"


def put_session(response: Response, token: str, *, secure: bool) -> None:
    """Sign the browser in."""
    response.set_cookie(
        cookie_name(secure),
        token,
        max_age=SESSION_DAYS * 86400,
        httponly=True,
        samesite="lax",
        secure=secure,
        path="/",
    )


def drop_session(response: Response, *, secure: bool) -> None:
    """Sign the browser out."""
    response.delete_cookie(cookie_name(secure), path="/", secure=secure, httponly=True)


def comes_from_elsewhere(request: Request) -> bool:
    """Whether the browser itself says that another site made this request."""
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        return site not in ("same-origin", "none")
    origin = request.headers.get("origin")
    if origin is None:
        return False
    try:
        return urlsplit(origin).netloc != request.headers.get("host", "")
    except ValueError:
        return True
