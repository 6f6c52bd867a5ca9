"""One request to a page: who asks, with what, and the ways to answer.

A page is `async def page(visit: Visit) -> Response`, listed in web/routes.py. It opens transactions
itself, calls actions with `visit.actor`, and lets errors.Problem rise: the router turns it into a
page of its own. A form page catches Invalid and shows the form again with the field's message.
"""

import base64
import hashlib
import hmac
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import Any

import msgspec
from starlette.datastructures import FormData
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.types import Message, Receive

from tocsin.accounts.model import Actor
from tocsin.core.database import Tx
from tocsin.core.errors import Invalid
from tocsin.web.deps import WebDeps
from tocsin.web.render import THEME_COOKIE, render, theme_of

TOAST_COOKIE = "tocsin_toast"
MOST_FIELDS = 500
MOST_FIELD_BYTES = 65_536
# The largest editor, filled to its limits, sends less than half of this.
MOST_FORM_BYTES = 524_288


class Viewer(msgspec.Struct, frozen=True, kw_only=True):
    """The signed-in person, as templates see them."""

    id: str
    name: str
    email: str
    role: str
    time_zone: str
    theme: str
    note: str = ""


class Toast(msgspec.Struct, frozen=True, kw_only=True):
    """A short word after an act. `undo` is an address to POST to."""

    text: str
    undo: str | None = None


def csrf_token_for(session_token: str) -> str:
    """The token every form of this session carries; follows from the session's secret."""
    return hashlib.sha256(b"csrf:" + session_token.encode()).hexdigest()[:40]


def _bounded(receive: Receive) -> Receive:
    """`receive` that gives up on a body larger than any form of ours."""
    left = MOST_FORM_BYTES

    async def bounded() -> Message:
        nonlocal left
        message = await receive()
        left -= len(message.get("body", b""))
        if left < 0:
            raise HTTPException(413)
        return message

    return bounded


class Visit:
    """A request with its person."""

    def __init__(
        self,
        request: Request,
        deps: WebDeps,
        *,
        actor: Actor | None,
        viewer: Viewer | None,
        session_token: str | None,
    ) -> None:
        self.request = request
        self.deps = deps
        self.now: datetime = deps.clock.now()
        self.session_token = session_token
        self.csrf_token = csrf_token_for(session_token) if session_token else ""
        self._actor = actor
        self._viewer = viewer
        self._form: FormData | None = None
        # The figures in the navigation; the router fills them for a whole page.
        self.nav: dict[str, Any] | None = None

    @property
    def actor(self) -> Actor:
        """Who acts. Only pages that need no sign-in may be without one."""
        if self._actor is None:
            raise RuntimeError("this page is listed as public and has no actor")
        return self._actor

    @property
    def viewer(self) -> Viewer:
        """The signed-in person."""
        if self._viewer is None:
            raise RuntimeError("this page is listed as public and has no viewer")
        return self._viewer

    @property
    def signed_in(self) -> bool:
        """Whether somebody is signed in."""
        return self._actor is not None

    @property
    def is_fragment(self) -> bool:
        """Whether htmx asks for a part of the page."""
        return self.request.headers.get("hx-request") == "true"

    def tx(self) -> AbstractAsyncContextManager[Tx]:
        """Open a transaction."""
        return self.deps.database.transaction()

    def path(self, name: str) -> str:
        """A value from the address."""
        return str(self.request.path_params[name])

    def query(self, name: str, default: str = "") -> str:
        """One value from the query string, bounded."""
        return self.request.query_params.get(name, default)[:500]

    def queries(self, name: str) -> list[str]:
        """Every value of a name in the query string, bounded."""
        return [value[:500] for value in self.request.query_params.getlist(name)[:100]]

    async def load_form(self) -> None:
        """Read the form once; the router does this before the page runs.

        Raises HTTPException 413 for one that is too large and 400 for one that is not a form.
        """
        if self._form is None:
            bounded = Request(self.request.scope, _bounded(self.request.receive))
            self._form = await bounded.form(
                max_files=0, max_fields=MOST_FIELDS, max_part_size=MOST_FIELD_BYTES
            )

    def field(self, name: str, default: str = "") -> str:
        """One value of the form, without surrounding space."""
        value = self._form.get(name, default) if self._form is not None else default
        return value.strip() if isinstance(value, str) else default

    def raw_field(self, name: str) -> str:
        """One value of the form exactly as it was typed, for passwords."""
        value = self._form.get(name, "") if self._form is not None else ""
        return value if isinstance(value, str) else ""

    def fields(self, name: str) -> list[str]:
        """Every value of a name in the form."""
        values = self._form.getlist(name) if self._form is not None else []
        return [value.strip() for value in values if isinstance(value, str)]

    def whole(self, name: str, low: int, high: int) -> int:
        """A whole number of the form. Raises Invalid naming the field and its range."""
        text = self.field(name)
        try:
            number = int(text)
        except ValueError:
            raise Invalid(name, f"must be a whole number from {low} to {high}") from None
        if not low <= number <= high:
            raise Invalid(name, f"must be from {low} to {high}")
        return number

    def checks_csrf(self, given: str) -> bool:
        """Whether `given` is this session's token."""
        return bool(self.csrf_token) and hmac.compare_digest(
            given.encode("utf-8", "replace"), self.csrf_token.encode()
        )

    def render(self, template: str, /, *, status: int = 200, **context: Any) -> Response:
        """A page or fragment from a template, with what base.html and bare.html read."""
        toast = self._taken_toast()
        values: dict[str, Any] = {
            "viewer": self._viewer,
            "nav": self.nav,
            "now": self.now,
            "csrf_token": self.csrf_token,
            "theme": theme_of(self.request.cookies.get(THEME_COOKIE)),
            "toasts": [toast] if toast else [],
            **context,
        }
        response = HTMLResponse(render(template, **values), status_code=status)
        if toast:
            response.delete_cookie(TOAST_COOKIE, path="/")
        return response

    def see_other(self, url: str, toast: str | None = None, undo: str | None = None) -> Response:
        """After a POST: go and look. htmx is told to load the page whole."""
        response: Response
        if self.is_fragment:
            response = Response(status_code=204, headers={"HX-Redirect": url})
        else:
            response = RedirectResponse(url, status_code=303)
        if toast:
            raw = msgspec.json.encode(Toast(text=toast[:300], undo=undo))
            response.set_cookie(
                TOAST_COOKIE,
                base64.urlsafe_b64encode(raw).decode(),
                max_age=60,
                httponly=True,
                samesite="lax",
                secure=self.deps.secure,
                path="/",
            )
        return response

    def _taken_toast(self) -> Toast | None:
        raw = self.request.cookies.get(TOAST_COOKIE)
        if not raw or self.is_fragment:
            return None
        try:
            toast = msgspec.json.decode(base64.urlsafe_b64decode(raw), type=Toast)
        except (ValueError, msgspec.MsgspecError):
            return None
        local = toast.undo is None or (toast.undo.startswith("/app/") and "//" not in toast.undo)
        return toast if local else None
