"""The stories fail on what a page gets wrong by itself. Here pages get it wrong, and are seen."""

from pathlib import Path

import pytest
from playwright.async_api import Browser
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse
from starlette.routing import Route

from tests.support.chromium import screen
from tests.support.world import serving

POLICY = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'"
FAULTS = {
    "fine": ("<p>Nothing is wrong.</p>", ""),
    "script": ("<script>document.title = 'x'</script>", "script-src"),
    "style": ('<p style="color: red">red</p>', "style-src"),
    "missing": ('<img src="/gone.png" alt="">', "answered 404"),
    "refused": ('<img src="/refused.png" alt="">', "failed"),
    "wide": ('<p><svg width="2000" height="10"></svg></p>', "wider than the screen"),
    "word": (f"<p>{'x' * 500}</p>", "wider than the screen"),
}


async def page(request: Request) -> HTMLResponse:
    body, _ = FAULTS[request.path_params["fault"]]
    text = f'<!doctype html><html lang="en"><link rel="icon" href="data:,"><h1>A page</h1>{body}'
    return HTMLResponse(text, headers={"content-security-policy": POLICY + " data:"})


@pytest.mark.parametrize("fault", FAULTS)
async def test_what_is_wrong_is_seen(browser: Browser, pictures: Path, fault: str) -> None:
    app = Starlette(routes=[Route("/page/{fault}", page)])
    _, expected = FAULTS[fault]

    async def visit(url: str) -> None:
        async with screen(browser, url, pictures, width=390) as seen:
            if fault == "refused":
                await seen.page.route("**/refused.png", lambda route: route.abort("failed"))
            await seen.page.goto(f"/page/{fault}", wait_until="networkidle")
            await seen.fits()

    async with serving(app) as url:
        if not expected:
            await visit(url)
            return
        with pytest.raises(AssertionError, match=expected):
            await visit(url)
