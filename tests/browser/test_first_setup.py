"""From nothing to an acknowledged page, as a new owner does it: the set-up in five steps, a test
that arrives, a first event, and the answer, at a desk and on a phone."""

import re

import pytest
from playwright.async_api import expect

from tests.browser.conftest import OpenScreen
from tests.browser.staging import messages
from tests.support.chromium import Screen
from tests.support.fake_providers import FakeHttp
from tests.support.running import PASSWORD, Running, eventually

RUNS = """
select i.status, r.state, r.reason,
       (select count(*) from deliveries d where d.state in ('queued', 'sending')) as waiting
from incidents i join escalation_runs r on r.incident_id = i.id
"""


async def set_up(ann: Screen, phone: FakeHttp) -> None:
    """The five steps, up to the key."""
    page = ann.page
    await page.goto("/")
    await expect(page).to_have_url(re.compile("/app/setup/account$"))
    await ann.fits()
    await ann.picture("setup-1-account")
    await page.get_by_label("Name").fill("Ann Example")
    await page.get_by_label("E-mail").fill("ann@example.com")
    await page.get_by_label("Password").fill(PASSWORD)
    await page.get_by_label("Time zone").select_option("Europe/Berlin")
    await page.get_by_role("button", name="Make the account").click()

    await expect(page).to_have_url(re.compile("/app/setup/team$"))
    await page.get_by_label("Name of the team").fill("Platform")
    await ann.fits()
    await page.get_by_role("button", name="Continue").click()

    await expect(page).to_have_url(re.compile("/app/setup/service$"))
    await page.get_by_label("Name of the service").fill("checkout-api")
    await ann.fits()
    await page.get_by_role("button", name="Continue").click()

    await expect(page).to_have_url(re.compile("/app/setup/oncall$"))
    await expect(page.get_by_text("Nothing reaches you yet.")).to_be_visible()
    await page.get_by_label("Channel").select_option("ntfy")
    await page.get_by_label("Address").fill(f"{phone.url}/ann-pages")
    await page.get_by_role("button", name="Add and send a test").click()
    # The outcome comes by itself.
    await expect(page.get_by_text("The test was taken after")).to_be_visible()
    assert phone.requests[0].json["topic"] == "ann-pages"
    await ann.fits()
    await ann.picture("setup-4-oncall")
    await page.get_by_label("A weekly schedule").check()
    await page.get_by_role("button", name="Continue").click()

    await expect(page).to_have_url(re.compile("/app/setup/key$"))
    await expect(page.get_by_text("Waiting for the first event")).to_be_visible()
    await expect(page.get_by_text("pagerduty_configs").first).to_be_visible()
    await ann.fits()
    await ann.picture("setup-5-key")


@pytest.mark.parametrize("width", [1440, 390])
async def test_from_nothing_to_an_acknowledged_page(
    open_screen: OpenScreen, tocsin: Running, phone: FakeHttp, width: int
) -> None:
    async with open_screen(width=width) as ann:
        page = ann.page
        await set_up(ann, phone)

        await page.get_by_role("button", name="Send one for me").click()
        road = page.locator("#road")
        for step in ("Event accepted", "Incident opened", "Page delivered"):
            await expect(road.get_by_text(step)).to_be_visible()
        await expect(road.get_by_role("button", name="Acknowledge")).to_be_visible()
        link = (await messages(phone, 2))[1]["click"]

        if width == 390:
            # On the phone: by the link in the page, in a browser without scripts or a session.
            async with open_screen(width=width, scripts=False) as pocket:
                await pocket.page.goto(link)
                await pocket.picture("one-tap")
                await pocket.page.get_by_role("button", name="Acknowledge", exact=True).click()
                await expect(pocket.page.get_by_text("You have it")).to_be_visible()
                await pocket.picture("one-tap-acknowledged")
        else:
            await road.get_by_role("link", name=re.compile(r"^#\d+$")).click()
            await expect(page.get_by_role("heading", level=1)).to_be_visible()
            await ann.fits()
            await ann.picture("incident-triggered")
            await page.keyboard.press("a")
        incident = await eventually(
            lambda: tocsin.rows(RUNS), lambda rows: rows[0]["status"] == "acknowledged"
        )
        assert (incident[0]["state"], incident[0]["waiting"]) == ("stopped", 0)

        if width == 390:
            # The page that was left open knows of it, without a reload.
            await expect(road.get_by_text("The whole way works.")).to_be_visible()
            await road.get_by_role("link", name=re.compile(r"^#\d+$")).click()
        await expect(page.locator("#ladder")).to_be_visible()
        await expect(page.locator(".st-acknowledged").first).to_be_visible()
        await ann.fits()
        await ann.picture("incident-acknowledged")

        await page.goto("/app/setup/key")
        await page.get_by_role("button", name="Finish").click()
        await expect(page).to_have_url(re.compile("/app/incidents$"))
        await expect(page.get_by_text("The set-up is done.")).to_be_visible()
        await ann.fits()
        assert len(phone.requests) == 2


async def test_mistakes_are_named_where_they_were_made(open_screen: OpenScreen) -> None:
    async with open_screen(width=390) as ann:
        ann.expected.add((422, "/app/setup/account"))
        page = ann.page
        await page.goto("/app/setup/account")
        await page.get_by_label("Name").fill("Ann")
        await page.get_by_label("E-mail").fill("ann@example.com")
        await page.get_by_label("Password").fill("short")
        await page.get_by_role("button", name="Make the account").click()
        await expect(page.locator(".err")).to_be_visible()
        # What was right is kept, the password is not shown again.
        assert await page.get_by_label("E-mail").input_value() == "ann@example.com"
        assert await page.get_by_label("Password").input_value() == ""
        await ann.fits()
