"""The list of incidents as people work in it: it changes by itself, acts on many at once, and obeys
the keyboard."""

import re

import pytest
from playwright.async_api import expect

from tests.browser.conftest import OpenScreen
from tests.browser.staging import event, sign_in, stage
from tests.support.chromium import Screen
from tests.support.fake_providers import FakeHttp
from tests.support.running import Running

OPEN = "select title, status from incidents order by number"


async def statuses(tocsin: Running) -> dict[str, str]:
    return {row["title"]: row["status"] for row in await tocsin.rows(OPEN)}


@pytest.mark.parametrize("width", [1440, 390])
async def test_it_changes_by_itself(
    open_screen: OpenScreen, tocsin: Running, phone: FakeHttp, width: int
) -> None:
    key = await stage(tocsin, phone)
    await event(tocsin, key, "first", "second")
    async with open_screen(width=width) as ann:
        page = ann.page
        await sign_in(ann)
        await page.evaluate("window.neverReloaded = true")
        row = page.locator("tr[data-row]", has_text="first")
        await expect(row.locator(".st-triggered")).to_be_visible()

        # A row changes where it stands.
        await event(tocsin, key, "first", action="acknowledge")
        await expect(row.locator(".st-acknowledged")).to_be_visible()

        # What is new is announced, and comes when it is asked for.
        await event(tocsin, key, "third")
        announced = page.locator("[data-new-rows]")
        await expect(announced).to_be_visible()
        await expect(announced).to_contain_text("1 new")
        await expect(page.get_by_role("link", name="third")).to_have_count(0)

        # What is over goes.
        await event(tocsin, key, "second", action="resolve")
        await expect(page.locator("tr[data-row]", has_text="second")).to_have_count(0)
        # Whatever counts, counts what is: one triggered, one acknowledged.
        figure = page.locator("#triggered-side" if width == 1440 else "#triggered-dock")
        await expect(figure).to_have_text("1")
        await expect(page.locator("#page-summary")).to_have_text("1 triggered, 1 acknowledged")
        await expect(page.locator("#views")).to_contain_text("Triggered 1")
        assert await page.evaluate("window.neverReloaded") is True
        await ann.fits()
        await ann.picture("incidents-live")

        await announced.click()
        await expect(page.get_by_role("link", name="third")).to_be_visible()


async def test_a_quiet_list_hears_of_the_first_incident(
    open_screen: OpenScreen, tocsin: Running, phone: FakeHttp
) -> None:
    key = await stage(tocsin, phone)
    async with open_screen() as ann:
        page = ann.page
        await sign_in(ann)
        await expect(page.get_by_text("Quiet", exact=True)).to_be_visible()
        await event(tocsin, key, "first")
        await expect(page.locator("[data-new-rows]")).to_be_visible()
        await page.locator("[data-new-rows]").click()
        await expect(page.get_by_role("link", name="first")).to_be_visible()


async def test_many_are_acknowledged_at_once(
    open_screen: OpenScreen, tocsin: Running, phone: FakeHttp
) -> None:
    key = await stage(tocsin, phone)
    await event(tocsin, key, "one", "two", "three")
    async with open_screen() as ann:
        page = ann.page
        await sign_in(ann)
        await page.get_by_label("Select all").check()
        bar = page.locator("[data-bulk-bar]")
        await expect(bar).to_contain_text("3 selected")
        await page.get_by_label(re.compile(r"Select #2$")).uncheck()
        await expect(bar).to_contain_text("2 selected")
        await bar.get_by_role("button", name="Acknowledge").click()
        await expect(page.locator("tr[data-row] .st-acknowledged")).to_have_count(2)
    assert await statuses(tocsin) == {
        "one": "acknowledged",
        "two": "triggered",
        "three": "acknowledged",
    }
    [row] = await tocsin.rows(
        "select count(*) filter (where state = 'running') as running from escalation_runs"
    )
    assert row["running"] == 1


async def test_the_keyboard_is_enough(
    open_screen: OpenScreen, tocsin: Running, phone: FakeHttp
) -> None:
    key = await stage(tocsin, phone)
    await event(tocsin, key, "one", "two", "three")
    async with open_screen() as ann:
        page = ann.page
        await sign_in(ann)
        keys = page.keyboard
        await keys.press("?")
        help_list = page.get_by_role("dialog", name="Keys")
        await expect(help_list).to_be_visible()
        await ann.picture("keys")
        await keys.press("Escape")
        await expect(help_list).to_be_hidden()

        # Newest first: down to the second, select it, and the third as well.
        await keys.press("j")
        await keys.press("j")
        await expect(page.locator("tr.cur")).to_contain_text("two")
        await keys.press("x")
        await keys.press("j")
        await keys.press("x")
        await expect(page.locator("[data-bulk-bar]")).to_contain_text("2 selected")
        await keys.press("a")
        await expect(page.locator("tr[data-row] .st-acknowledged")).to_have_count(2)
        assert await statuses(tocsin) == {
            "one": "acknowledged",
            "two": "acknowledged",
            "three": "triggered",
        }

        # Open the first, acknowledge it there, and go back to the list.
        await keys.press("j")
        await expect(page.locator("tr.cur")).to_contain_text("three")
        await keys.press("Enter")
        await expect(page.get_by_role("heading", level=1, name="three")).to_be_visible()
        await keys.press("a")
        await expect(page.locator(".st-acknowledged").first).to_be_visible()
        await keys.press("g")
        await keys.press("i")
        await expect(page).to_have_url(re.compile("/app/incidents$"))

        # Every incident by its number, and no key acts while somebody types.
        await keys.press("Control+k")
        await expect(page.get_by_role("dialog", name="Command palette")).to_be_visible()
        await keys.type("2")
        await ann.picture("palette")
        await keys.press("Enter")
        await expect(page.get_by_role("heading", level=1, name="two")).to_be_visible()
        await keys.press("n")
        await keys.type("raxe?")
        await expect(page.get_by_label("Note")).to_have_value("raxe?")
        assert (await statuses(tocsin))["two"] == "acknowledged"


async def test_dark_is_dark_and_stays(
    open_screen: OpenScreen, tocsin: Running, phone: FakeHttp
) -> None:
    key = await stage(tocsin, phone)
    await event(tocsin, key, "one")

    async def brightness(screen: Screen) -> float:
        colour = await screen.page.evaluate("getComputedStyle(document.body).backgroundColor")
        parts = [float(number) for number in re.findall(r"[\d.]+", colour)[:3]]
        return sum(parts) / 3 if "rgb" in colour else parts[0]

    async with open_screen() as ann:
        page = ann.page
        await sign_in(ann)
        light = await brightness(ann)
        await page.get_by_role("button", name="Dark").click()
        await expect(page.locator("html")).to_have_attribute("data-theme", "dark")
        dark = await brightness(ann)
        assert dark < light / 2
        await page.reload()
        assert await brightness(ann) == dark
        await ann.picture("incidents-dark")
    # Who asked their system for dark gets it without asking here.
    async with open_screen(dark=True) as other:
        await sign_in(other)
        assert await brightness(other) == dark


async def test_a_page_that_hears_nothing_says_so(
    open_screen: OpenScreen, tocsin: Running, phone: FakeHttp
) -> None:
    key = await stage(tocsin, phone)
    await event(tocsin, key, "one")
    async with open_screen() as ann:
        page = ann.page
        await page.clock.install()
        await sign_in(ann)
        sign = page.locator(".side [data-live-state]")
        await expect(sign).to_contain_text("Live")
        banner = page.locator("#stale")
        await expect(banner).to_be_hidden()

        ann.outage = True
        await tocsin.stop()
        await page.clock.fast_forward(60_000)
        await expect(banner).to_be_visible()
        await expect(banner).to_contain_text("The engine still pages.")
        await expect(sign).to_contain_text("Stale")
        await ann.picture("stale")

        await tocsin.start()
        ann.outage = False
        await banner.get_by_role("button", name="Try again").click()
        await expect(sign).to_contain_text("Live")
        await expect(banner).to_be_hidden()
