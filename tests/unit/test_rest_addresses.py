"""What an address in an answer of the REST API begins with, however the client came."""

from typing import Any

import pytest
from starlette.requests import Request

from tests.support.settings import settings_for
from tocsin.core.clock import LogicalClock
from tocsin.core.crypto import SecretBox
from tocsin.core.database import Database
from tocsin.rest.app import base_url
from tocsin.rest.deps import RestDeps

PLAIN, SECURE = "http://pager.example.com", "https://pager.example.com"
OWN = "http://127.0.0.1:8080"


@pytest.mark.parametrize(
    ("public", "scheme", "host", "wanted"),
    [
        # A public URL holds, also behind a proxy that shows us another name.
        (SECURE, "http", "10.0.0.7:8080", SECURE),
        (SECURE, "https", "localhost:8443", SECURE),
        (PLAIN, "http", "10.0.0.7:8080", PLAIN),
        # But who came by https is not led to http.
        (PLAIN, "https", "localhost:8443", "https://localhost:8443"),
        (PLAIN, "https", "pager.example.com", SECURE),
        # Without one it is where the client came to; a proxy that ends TLS says so.
        (None, "http", "box.lan:8080", "http://box.lan:8080"),
        (None, "https", "[::1]:8443", "https://[::1]:8443"),
        # A name that is none is not repeated.
        (None, "https", "evil.example.com/x?", OWN),
        (None, "http", 'a"><script>', OWN),
        (None, "http", "", OWN),
    ],
)
def test_where_answers_lead(
    tmp_path: Any, public: str | None, scheme: str, host: str, wanted: str
) -> None:
    settings = settings_for(tmp_path, public_url=public or "")
    deps = RestDeps(
        database=Database("postgresql:///nothing"),
        clock=LogicalClock(),
        base_url=settings.base_url,
        base_url_given=settings.public_url is not None,
        secret_box=SecretBox(b"k" * 32),
        channels={},
    )
    scope = {
        "type": "http",
        "scheme": scheme,
        "path": "/users",
        "query_string": b"",
        "headers": [(b"host", host.encode())],
    }
    assert base_url(deps, Request(scope)) == wanted
