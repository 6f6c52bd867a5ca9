"""Somebody with a browser without scripts: signs in, reads pages, presses buttons."""

import html
import re
from typing import Any

import httpx

from tests.support.world import PASSWORD

TOKEN = re.compile(r'name="csrf_token" value="([0-9a-f]+)"')
TAGS = re.compile(r"<(script|style|svg)\b.*?</\1>|<[^>]+>", re.S)


class Visitor:
    """One browser. Its cookies are its own."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self.http = httpx.AsyncClient(base_url=http.base_url, follow_redirects=True)
        self.token = ""

    async def close(self) -> None:
        await self.http.aclose()

    async def sign_in(self, email: str, password: str = PASSWORD, **more: str) -> httpx.Response:
        response = await self.http.post(
            "/app/sign-in", data={"email": email, "password": password, **more}
        )
        self._remember(response)
        return response

    async def get(self, path: str, *, fragment: bool = False, status: int = 200) -> str:
        """The text of a page; a fragment is asked for as htmx does."""
        headers = {"HX-Request": "true"} if fragment else {}
        response = await self.http.get(path, headers=headers)
        assert response.status_code == status, f"{path}: {response.status_code} {response.text}"
        if not fragment:
            self._remember(response)
        return response.text

    async def post(
        self, path: str, data: dict[str, Any] | None = None, *, status: int = 200
    ) -> str:
        """Press a button and follow where it leads."""
        response = await self.http.post(path, data={"csrf_token": self.token, **(data or {})})
        assert response.status_code == status, f"{path}: {response.status_code} {response.text}"
        self._remember(response)
        return response.text

    def _remember(self, response: httpx.Response) -> None:
        found = TOKEN.search(response.text)
        if found:
            self.token = found[1]


def words(page: str) -> str:
    """What a reader reads, with plain spaces."""
    return " ".join(html.unescape(TAGS.sub(" ", page)).split())
