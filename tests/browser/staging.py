"""What the stories share: people who sign in, and machines that report."""

import re

import httpx
from playwright.async_api import expect

from tests.support.chromium import Screen
from tests.support.fake_providers import FakeHttp
from tests.support.running import PASSWORD, Running, eventually


async def stage(tocsin: Running, phone: FakeHttp) -> str:
    """Ann, the owner, who is paged for the service checkout; the service's key."""
    ann = await tocsin.person("ann", "ntfy", f"{phone.url}/ann")
    return await tocsin.service("checkout", ann, auto_resolve_timeout=None)


async def sign_in(screen: Screen, person: str = "ann") -> None:
    """Through the form, to the list of incidents."""
    page = screen.page
    await page.goto("/app/sign-in?next=/app/incidents")
    await page.get_by_label("E-mail").fill(f"{person}@example.com")
    await page.get_by_label("Password").fill(PASSWORD)
    await page.get_by_role("button", name="Sign in").click()
    await expect(page).to_have_url(re.compile("/app/incidents$"))


async def event(tocsin: Running, key: str, *names: str, action: str = "trigger") -> None:
    """Events from a machine, worked on."""
    async with httpx.AsyncClient(base_url=tocsin.url) as machine:
        for name in names:
            payload = {"summary": name, "source": "db1", "severity": "critical"}
            body = {
                "routing_key": key,
                "event_action": action,
                "dedup_key": name,
                "payload": payload,
            }
            answer = await machine.post("/v2/enqueue", json=body)
            assert answer.status_code == 202
    await eventually(lambda: tocsin.rows("select seq from inbox"), lambda rows: not rows)


async def messages(phone: FakeHttp, number: int) -> list[dict[str, str]]:
    """The pages that arrived, once there are so many."""

    async def look() -> list[dict[str, str]]:
        return [request.json for request in phone.requests]

    return await eventually(look, lambda said: len(said) >= number)
