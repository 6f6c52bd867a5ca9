"""A real Chromium, and a watcher that fails a test on anything a page gets wrong by itself."""

import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NoReturn

import pytest
from playwright.async_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Page,
    Request,
    Response,
    async_playwright,
    expect,
)

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
MISSING = (
    "no Chromium here: install it (`apt-get install chromium`, or `playwright install chromium`),"
    " or name it in TOCSIN_TEST_CHROMIUM"
)
HEIGHTS = {390: 844, 1440: 900}
# How long a page may hang before the test gives up; nothing passes or fails by being fast or slow.
PATIENCE_MS = 30_000
# The wheel's own report of what the policy stopped; the console says it as well, without details.
REPORT_VIOLATIONS = """
document.addEventListener("securitypolicyviolation", (event) => console.error(
  "policy: " + event.violatedDirective + " stopped " + event.blockedURI + " " + event.sample));
"""
OVERFLOW = """() => {
  const wide = document.documentElement.clientWidth;
  if (document.documentElement.scrollWidth <= wide) return [];
  const seen = { visibilityProperty: true, contentVisibilityAuto: true };
  const reach = (each) => {
    const box = each.getBoundingClientRect();
    const spills = getComputedStyle(each).overflowX === "visible";
    return Math.round(Math.max(box.right, spills ? box.left + each.scrollWidth : 0));
  };
  return [...document.querySelectorAll("body *")]
    .filter((each) => each.checkVisibility(seen) && reach(each) > wide + 1)
    .slice(-6)
    .map((each) => each.tagName.toLowerCase() + "." + (each.getAttribute("class") || "")
      + " reaches " + reach(each) + " of " + wide)
    .concat(["in all " + document.documentElement.scrollWidth + " of " + wide]);
}"""


def missing() -> NoReturn:
    """Skip, or fail where nothing may be missing."""
    if os.environ.get("TOCSIN_TEST_REQUIRE_ALL") == "1":
        pytest.fail(MISSING)
    pytest.skip(MISSING)


@asynccontextmanager
async def chromium() -> AsyncIterator[Browser]:
    """A browser for a run of tests."""
    named = os.environ.get("TOCSIN_TEST_CHROMIUM")
    found = named or next(filter(None, map(shutil.which, NAMES)), None)
    async with async_playwright() as playwright:
        program = found or playwright.chromium.executable_path
        if not os.path.exists(program):  # noqa: ASYNC240 - once, before anything runs
            missing()
        expect.set_options(timeout=PATIENCE_MS)
        browser = await playwright.chromium.launch(executable_path=program, args=FLAGS)
        yield browser
        await browser.close()


class Screen:
    """One browser window with cookies of its own. What went wrong on any page is in `wrong`."""

    def __init__(self, context: BrowserContext, page: Page, width: int, pictures: Path) -> None:
        self.context = context
        self.page = page
        self.width = width
        self.pictures = pictures
        self.wrong: list[str] = []
        # Answers that a test provokes on purpose, as (status, end of the path).
        self.expected: set[tuple[int, str]] = set()
        # While the test keeps the server away, requests fail.
        self.outage = False
        page.on("console", self._console)
        page.on("pageerror", lambda error: self._add(f"uncaught: {error}"))
        page.on("requestfailed", self._failed)
        page.on("response", self._response)

    def _add(self, what: str) -> None:
        self.wrong.append(f"{self.page.url}: {what}")

    def _console(self, message: ConsoleMessage) -> None:
        # A refused answer is noticed as the answer it is, with its address.
        noticed = "Failed to load resource" in message.text or self.outage
        if message.type in ("error", "warning") and not noticed:
            self._add(f"console {message.type}: {message.text}")

    def _failed(self, request: Request) -> None:
        # Leaving a page ends its stream of changes and whatever it was still fetching.
        if request.failure != "net::ERR_ABORTED" and not self.outage:
            self._add(f"{request.method} {request.url} failed: {request.failure}")

    def _response(self, response: Response) -> None:
        path = response.url.partition("?")[0]
        known = any(
            response.status == status and path.endswith(end) for status, end in self.expected
        )
        if response.status >= 400 and not known:
            self._add(f"{response.request.method} {response.url} answered {response.status}")

    async def picture(self, name: str) -> None:
        """Keep what is on the screen, to be looked at by a person."""
        await self.page.screenshot(
            path=self.pictures / f"{name}-{self.width}.png", full_page=True, animations="disabled"
        )

    async def fits(self) -> None:
        """Nothing is wider than the screen."""
        reaching = await self.page.evaluate(OVERFLOW)
        if reaching:
            self._add("wider than the screen: " + "; ".join(reaching))

    def check(self) -> None:
        """Fail on everything that went wrong so far."""
        assert not self.wrong, "\n".join(self.wrong)


@asynccontextmanager
async def screen(
    browser: Browser,
    base_url: str,
    pictures: Path,
    *,
    width: int = 1440,
    scripts: bool = True,
    dark: bool = False,
) -> AsyncIterator[Screen]:
    """A fresh window; the test fails at its end if a page did something wrong."""
    context = await browser.new_context(
        base_url=base_url,
        viewport={"width": width, "height": HEIGHTS[width]},
        java_script_enabled=scripts,
        color_scheme="dark" if dark else "light",
        reduced_motion="reduce",
        has_touch=width < 600,
    )
    context.set_default_timeout(PATIENCE_MS)
    if scripts:
        await context.add_init_script(REPORT_VIOLATIONS)
    try:
        shown = Screen(context, await context.new_page(), width, pictures)
        yield shown
        shown.check()
    finally:
        await context.close()
