"""A page's entry in the route table. Each page module lists its own in `PAGES`."""

from collections.abc import Awaitable, Callable

import msgspec
from starlette.responses import Response

from tocsin.web.visit import Visit

Handler = Callable[[Visit], Awaitable[Response]]


class Page(msgspec.Struct, frozen=True, kw_only=True):
    """One address and method. `public` pages need no sign-in; `signed` ones carry their own proof
    in the address (a one-tap link), so they need no session and no session token either."""

    path: str
    run: Handler
    method: str = "GET"
    public: bool = False
    signed: bool = False


def get(path: str, run: Handler, *, public: bool = False, signed: bool = False) -> Page:
    """A page to look at."""
    return Page(path=path, run=run, public=public, signed=signed)


def post(path: str, run: Handler, *, public: bool = False, signed: bool = False) -> Page:
    """An act. Never a GET: link previews and mail scanners fetch those."""
    return Page(path=path, run=run, method="POST", public=public, signed=signed)
