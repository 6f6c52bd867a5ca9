"""A browser without a window: an httpx client that signs in, keeps the form token, reads forms out
of pages and submits them as a browser would.

It talks to the program in this process, so a test decides every header, the scheme and the address
it seems to come from. Redirects are not followed unless asked, because where an answer leads is
what these tests look at.
"""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit

import httpx

from tests.support.settings import settings_for
from tocsin.app import Program
from tocsin.channels.simulated import SimulatedChannel
from tocsin.core.clock import ManualClock
from tocsin.core.database import Database

PASSWORD = "correct horse battery"
SESSION_COOKIES = ("tocsin_session", "__Host-tocsin")


class Form:
    """One form of a page: where it goes, how, and what it carries untouched."""

    def __init__(self, action: str, method: str) -> None:
        self.action = action
        self.method = method
        self.fields: list[tuple[str, str]] = []

    def filled(self, **values: str) -> dict[str, list[str]]:
        """The fields with some of them typed over."""
        carried: dict[str, list[str]] = {}
        for name, value in self.fields:
            carried.setdefault(name, []).append(value)
        return {**carried, **{name: [value] for name, value in values.items()}}


class Markup(HTMLParser):
    """Every tag with its attributes, the text outside scripts, and the forms."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.forms: list[Form] = []
        self.text: list[str] = []
        self._open: list[Form] = []
        self._select: str | None = None
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self.tags.append((tag, given))
        if tag == "form":
            form = Form(given.get("action", ""), given.get("method", "get").upper())
            self.forms.append(form)
            self._open.append(form)
        elif self._open and given.get("name"):
            self._field(tag, given)
        elif tag == "option" and self._open and self._select and "selected" in given:
            self._open[-1].fields.append((self._select, given.get("value", "")))

    def _field(self, tag: str, given: dict[str, str]) -> None:
        if tag == "select":
            self._select = given["name"]
        elif tag == "textarea":
            self._open[-1].fields.append((given["name"], ""))
        elif tag == "input":
            kind = given.get("type", "text")
            if kind in ("checkbox", "radio") and "checked" not in given:
                return
            if kind not in ("submit", "button", "file"):
                self._open[-1].fields.append((given["name"], given.get("value", "")))

    def handle_endtag(self, tag: str) -> None:
        if tag == "form" and self._open:
            self._open.pop()
        elif tag == "select":
            self._select = None

    def handle_data(self, data: str) -> None:
        self.text.append(data)

    def addresses(self) -> list[str]:
        """Everything on the page that a click, a load or an act could lead to."""
        names = ("href", "src", "action", "formaction", "poster", "data", "hx-get", "hx-post")
        return [given[name] for _, given in self.tags for name in names if name in given]


class Browserless:
    """One browser. `client` is the address it seems to come from."""

    def __init__(
        self,
        app: Any,
        *,
        base_url: str = "http://tocsin.test",
        client: str = "192.0.2.7",
        headers: dict[str, str] | None = None,
    ) -> None:
        self.app = app
        self.base_url = base_url
        self.token = ""
        transport = httpx.ASGITransport(app=app, client=(client, 40_000))
        self.http = httpx.AsyncClient(transport=transport, base_url=base_url, headers=headers or {})

    async def __aenter__(self) -> "Browserless":
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.http.aclose()

    @property
    def session(self) -> str | None:
        """The session's token as the cookie holds it."""
        for cookie in self.http.cookies.jar:
            if cookie.name in SESSION_COOKIES:
                return cookie.value
        return None

    def use_session(self, token: str) -> None:
        """Be signed in with a token that is already known."""
        secure = self.base_url.startswith("https://")
        host = urlsplit(self.base_url).hostname or ""
        self.http.cookies.set(SESSION_COOKIES[secure], token, domain=host)

    async def sign_in(
        self, email: str, password: str = PASSWORD, *, status: int = 303, **more: str
    ) -> httpx.Response:
        """Send the sign-in form, and learn the form token of the new session."""
        response = await self.http.post(
            "/app/sign-in",
            data={"email": email, "password": password, "csrf_token": self.token, **more},
        )
        assert response.status_code == status, f"{response.status_code} {response.text[:500]}"
        if response.status_code == 303:
            await self.get("/app/settings")
        return response

    async def get(self, path: str, **more: Any) -> httpx.Response:
        """Look at a page, and keep the form token it carries."""
        response = await self.http.get(path, **more)
        self._remember(response)
        return response

    async def post(
        self, path: str, data: dict[str, Any] | None = None, *, csrf: bool = True, **more: Any
    ) -> httpx.Response:
        """Press a button; with `csrf` the form carries this session's token."""
        carried = {"csrf_token": self.token} if csrf else {}
        return await self.http.post(path, data={**carried, **(data or {})}, **more)

    async def submit(self, page: httpx.Response, action: str, **values: str) -> httpx.Response:
        """Fill in and send the form of a page that leads to `action`."""
        forms = [form for form in Markup(page.text).forms if form.action == action]
        assert forms, f"{page.url} has no form that leads to {action}"
        assert forms[0].method == "POST"
        address = urljoin(str(page.url), action)
        return await self.http.post(address, data=forms[0].filled(**values))

    def _remember(self, response: httpx.Response) -> None:
        if not response.headers.get("content-type", "").startswith("text/html"):
            return
        for tag, given in Markup(response.text).tags:
            if tag == "input" and given.get("name") == "csrf_token" and given.get("value"):
                self.token = given["value"]
                return

    async def begins(self, path: str) -> tuple[int, dict[str, str]]:
        """Status and headers of an answer that never ends, which is then left."""
        started: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        cookies = "; ".join(f"{name}={value}" for name, value in self.http.cookies.items())
        headers = [(b"host", b"tocsin.test"), (b"cookie", cookies.encode())]
        scope = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "1.1",
            "method": "GET",
            "scheme": "http",
            "path": path,
            "raw_path": path.encode(),
            "query_string": b"",
            "root_path": "",
            "headers": headers,
            "client": ("192.0.2.7", 40_000),
            "server": ("tocsin.test", 80),
        }

        async def receive() -> dict[str, Any]:
            await asyncio.Event().wait()
            return {"type": "http.disconnect"}

        async def send(message: dict[str, Any]) -> None:
            if message["type"] == "http.response.start" and not started.done():
                started.set_result(message)

        task = asyncio.create_task(self.app(scope, receive, send))
        await asyncio.wait([task, started], return_when=asyncio.FIRST_COMPLETED)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        message = started.result()
        found = {name.decode(): value.decode() for name, value in message["headers"]}
        return int(message["status"]), found


@asynccontextmanager
async def open_program(
    dsn: str, data_dir: Path, *, start: datetime, **settings: Any
) -> AsyncIterator[tuple[Program, ManualClock]]:
    """The whole program on a database, with a clock that moves when told to; nothing runs by
    itself and no port is open."""
    clock = ManualClock(start)
    async with Database(dsn, size=4) as database:
        program = Program(
            settings_for(data_dir, **settings),
            clock=clock,
            database=database,
            web_database=database,
            door_database=database,
            extra_channels=[SimulatedChannel("phone")],
        )
        yield program, clock
        await program.door.close()
        await program.outbound.aclose()


CONTENT_POLICY = {
    "default-src": "'none'",
    "script-src": "'self'",
    "style-src": "'self'",
    "img-src": "'self' data:",
    "frame-ancestors": "'none'",
    "base-uri": "'none'",
    "form-action": "'self'",
}
SPILLED = re.compile(
    r"Traceback \(most|File \"[^\"]+\", line|psycopg|site-packages|\.py\b"
    r"|\bselect\b.{1,200}\bfrom\b|\binsert into\b|\bsyntax error\b|\bconstraint\b",
    re.IGNORECASE | re.DOTALL,
)


def faults(answer: httpx.Response, *, secure: bool = False) -> list[str]:
    """What is wrong with an answer's headers, or with what an error tells about our insides."""
    found = []
    given = answer.headers
    policy: dict[str, str] = {}
    for part in given.get("content-security-policy", "").split(";"):
        name, _, value = part.strip().partition(" ")
        policy[name] = value
    for name, value in CONTENT_POLICY.items():
        if policy.get(name) != value:
            found.append(f"content-security-policy {name}: {policy.get(name)}")
    if any("unsafe" in value or "*" in value or "http" in value for value in policy.values()):
        found.append(f"content-security-policy is weak: {policy}")
    if given.get("x-content-type-options") != "nosniff":
        found.append("no nosniff")
    kept = "immutable" if answer.request.url.path.startswith("/static/") else "no-store"
    if answer.status_code < 400 and kept not in given.get("cache-control", ""):
        found.append(f"cache-control: {given.get('cache-control')}")
    if given.get("referrer-policy") not in ("same-origin", "no-referrer"):
        found.append(f"referrer-policy: {given.get('referrer-policy')}")
    if ("max-age=31536000" in given.get("strict-transport-security", "")) != secure:
        found.append(f"strict-transport-security: {given.get('strict-transport-security')}")
    if "server" in given and "/" in given["server"]:
        found.append(f"server: {given['server']}")
    spilled = SPILLED.search(answer.text) if answer.status_code >= 400 else None
    if spilled:
        found.append(f"tells {spilled[0]!r}")
    return found
