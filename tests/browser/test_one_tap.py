"""The page behind the link of a page, on a phone: without a session, and without scripts."""

import re

import pytest
from playwright.async_api import expect

from tests.browser.conftest import OpenScreen
from tests.browser.staging import event, messages, stage
from tests.support.fake_providers import FakeHttp
from tests.support.running import Running

STATUS = "select status from incidents"


@pytest.mark.parametrize("scripts", [True, False], ids=["scripts", "no scripts"])
async def test_look_acknowledge_undo_snooze_resolve(
    open_screen: OpenScreen, tocsin: Running, phone: FakeHttp, scripts: bool
) -> None:
    key = await stage(tocsin, phone)
    await event(tocsin, key, "db-down")
    link = (await messages(phone, 1))[0]["click"]

    async def status() -> str:
        [row] = await tocsin.rows(STATUS)
        return str(row["status"])

    async with open_screen(width=390, scripts=scripts) as pocket:
        page = pocket.page

        async def press(name: str) -> None:
            await page.get_by_role("button", name=name, exact=True).click()
            await expect(page).to_have_url(re.compile(r"\?said="))

        await page.goto(link)
        await expect(page.get_by_role("heading", name="db-down")).to_be_visible()
        # Looking, as scanners and previews do, changes nothing.
        await page.reload()
        assert await status() == "triggered"
        button = page.get_by_role("button", name="Acknowledge", exact=True)
        box = await button.bounding_box()
        assert box is not None
        # A thumb at three in the morning: large, and on the screen without scrolling.
        assert box["height"] >= 56
        assert box["width"] >= 300
        assert box["y"] + box["height"] <= 844

        await press("Acknowledge")
        await expect(page.get_by_text("You have it")).to_be_visible()
        assert await status() == "acknowledged"
        await press("Undo")
        await expect(page.get_by_text("Given back.")).to_be_visible()
        assert await status() == "triggered"
        await press("Acknowledge")
        await press("1 h")
        await expect(page.get_by_text("Snoozed until").first).to_be_visible()
        await press("Resolve")
        await expect(page.get_by_text("There is nothing left to do.")).to_be_visible()
        assert await status() == "resolved"
        if scripts:
            await pocket.fits()

        # A page that leads behind the sign-in says so, and comes back after it.
        await page.goto(f"{tocsin.url}/app/incidents")
        await expect(page.get_by_label("Password")).to_be_visible()


async def test_a_link_that_was_cut_off(
    open_screen: OpenScreen, tocsin: Running, phone: FakeHttp
) -> None:
    key = await stage(tocsin, phone)
    await event(tocsin, key, "db-down")
    link = (await messages(phone, 1))[0]["click"][:-4]
    async with open_screen(width=390) as pocket:
        pocket.expected.add((404, link.removeprefix(tocsin.url)))
        await pocket.page.goto(link)
        await expect(
            pocket.page.get_by_role("heading", name="This link is not complete")
        ).to_be_visible()
        await pocket.fits()
