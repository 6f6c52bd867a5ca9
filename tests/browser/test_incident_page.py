"""What a responder does on an incident's page, with a thumb and with a mouse."""

import asyncio
import re

import pytest
from playwright.async_api import Page, Route, expect

from tests.browser.conftest import OpenScreen
from tests.browser.staging import event, sign_in, stage
from tests.support.fake_providers import FakeHttp
from tests.support.running import Running, eventually

INCIDENT = "select id, title, status, urgency, snoozed_until from incidents order by number"


async def menu(page: Page, name: str) -> None:
    """Press an entry of the menu with what is done less often."""
    await page.locator(".actbar details[data-menu] > summary").last.click()
    panel = page.locator("details[data-menu][open]")
    await panel.get_by_text(name, exact=True).locator("visible=true").click()


async def becomes(tocsin: Running, number: int, **wanted: str) -> None:
    """Wait until the incident is stored so."""

    def good(rows: list[dict[str, object]]) -> bool:
        return all(rows[number][name] == value for name, value in wanted.items())

    await eventually(lambda: tocsin.rows(INCIDENT), good)


@pytest.mark.parametrize("width", [390, 1440])
async def test_snooze_and_give_away(
    open_screen: OpenScreen, tocsin: Running, phone: FakeHttp, width: int
) -> None:
    key = await stage(tocsin, phone)
    await tocsin.person("bob", "ntfy", f"{phone.url}/bob")
    await event(tocsin, key, "db-down")
    [row] = await tocsin.rows(INCIDENT)
    async with open_screen(width=width) as ann:
        page = ann.page
        await sign_in(ann)
        await page.goto(f"/app/incidents/{row['id']}")
        if width == 390:
            await menu(page, "Snooze")
        else:
            await page.keyboard.press("s")
        dialog = page.get_by_role("dialog", name=re.compile("^Snooze #1"))
        await ann.picture("snooze")
        await dialog.get_by_role("button", name="1 h", exact=True).click()
        await expect(page.get_by_text("Snoozed until").first).to_be_visible()
        await becomes(tocsin, 0, status="acknowledged")

        # Given to bob it is triggered again, and with him.
        if width == 390:
            await menu(page, "Reassign")
        else:
            await page.locator(".actbar").get_by_text("Reassign").locator("visible=true").click()
        dialog = page.get_by_role("dialog", name=re.compile("^Reassign #1"))
        await dialog.get_by_label("To", exact=True).select_option(label="bob")
        await dialog.get_by_role("button", name="Reassign and page").click()
        await expect(page.locator("#responders")).to_contain_text("bob")
        await becomes(tocsin, 0, status="triggered")

        # The word of what was done is not in the way of what comes next.
        await expect(page.locator("#toasts")).to_contain_text("Reassigned #1")
        await menu(page, "Lower to low urgency")
        await expect(page.get_by_text("Low urgency").first).to_be_visible()
        await becomes(tocsin, 0, urgency="low")
        await ann.fits()


@pytest.mark.parametrize("width", [390, 1440])
async def test_title_note_merge_resolve(
    open_screen: OpenScreen, tocsin: Running, phone: FakeHttp, width: int
) -> None:
    key = await stage(tocsin, phone)
    await event(tocsin, key, "cause", "effect")
    cause, effect = await tocsin.rows(INCIDENT)
    async with open_screen(width=width) as ann:
        page = ann.page
        await sign_in(ann)
        await page.goto(f"/app/incidents/{cause['id']}")
        await menu(page, "Change the title")
        dialog = page.get_by_role("dialog", name="Change the title")
        await dialog.get_by_label("Title").fill("The database of checkout is down")
        await dialog.get_by_role("button", name="Change the title").click()
        title = page.get_by_role("heading", level=1)
        await expect(title).to_have_text("The database of checkout is down")

        # What people write is text, and long words break.
        note = "Failing over. <b>Not</b> bold, and " + "averylongword" * 20
        await page.get_by_label("Note").fill(note)
        await page.get_by_role("button", name="Add note").click()
        await expect(page.get_by_text("<b>Not</b> bold").first).to_be_visible()
        await ann.fits()
        await ann.picture("incident-worked-on")

        await page.goto(f"/app/incidents/{effect['id']}")
        await menu(page, "Merge into another")
        dialog = page.get_by_role("dialog", name=re.compile("^Merge #2"))
        await dialog.get_by_label("Incident number").fill("1")
        await dialog.get_by_role("button", name="Merge").click()
        await becomes(tocsin, 1, status="resolved")

        await page.goto(f"/app/incidents/{cause['id']}")
        await expect(page.get_by_text("Merged into this")).to_be_visible()
        await menu(page, "Resolve with a note")
        dialog = page.get_by_role("dialog", name=re.compile("^Resolve #1"))
        await dialog.get_by_label(re.compile("What was it")).fill("A full disk.")
        await dialog.get_by_role("button", name="Resolve").click()
        await expect(page.get_by_text("A full disk.").first).to_be_visible()
        await becomes(tocsin, 0, status="resolved")
        await ann.fits()


async def test_two_people_look_at_one_incident(
    open_screen: OpenScreen, tocsin: Running, phone: FakeHttp
) -> None:
    """What one does the other sees, and an act that came too late is said to be so."""
    key = await stage(tocsin, phone)
    await tocsin.person("bob", "ntfy", f"{phone.url}/bob")
    await event(tocsin, key, "db-down")
    [row] = await tocsin.rows(INCIDENT)
    async with open_screen() as ann, open_screen(width=390) as bob:
        for screen, name in ((ann, "ann"), (bob, "bob")):
            await sign_in(screen, name)
            await screen.page.goto(f"/app/incidents/{row['id']}")
        await ann.page.get_by_role("button", name="Acknowledge").click()
        await expect(bob.page.locator(".st-acknowledged").first).to_be_visible()
        await expect(bob.page.get_by_text("Acknowledged by ann").first).to_be_visible()
        await bob.page.get_by_label("Note").fill("On my way")
        await bob.page.get_by_role("button", name="Add note").click()
        await expect(ann.page.get_by_text("On my way").first).to_be_visible()


async def test_a_press_is_not_lost_when_the_page_changes(
    open_screen: OpenScreen, tocsin: Running, phone: FakeHttp
) -> None:
    """A thumb is on a button for a tenth of a second, and somebody else acts in it."""
    key = await stage(tocsin, phone)
    await tocsin.person("bob", "ntfy", f"{phone.url}/bob")
    await event(tocsin, key, "db-down")
    [row] = await tocsin.rows(INCIDENT)
    async with open_screen() as ann, open_screen(width=390) as bob:
        for screen, name in ((ann, "ann"), (bob, "bob")):
            await sign_in(screen, name)
            await screen.page.goto(f"/app/incidents/{row['id']}")
        page = bob.page
        await page.get_by_label("Note").fill("On my way")
        button = page.get_by_role("button", name="Add note")
        await button.hover()
        await page.mouse.down()
        await ann.page.get_by_role("button", name="Acknowledge").click()
        await expect(ann.page.locator(".st-acknowledged").first).to_be_visible()
        # Long enough for the page to have changed under the thumb.
        await page.wait_for_timeout(1500)
        await page.mouse.up()
        await expect(page.get_by_text("On my way").first).to_be_visible()
        await expect(page.locator(".st-acknowledged").first).to_be_visible()


async def test_a_change_is_seen_while_an_older_answer_is_on_its_way(
    open_screen: OpenScreen, tocsin: Running, phone: FakeHttp
) -> None:
    key = await stage(tocsin, phone)
    await tocsin.person("bob", "ntfy", f"{phone.url}/bob")
    await event(tocsin, key, "db-down")
    [row] = await tocsin.rows(INCIDENT)
    gate = asyncio.Event()
    caught = asyncio.Event()

    async def hold(route: Route) -> None:
        answer = await route.fetch()
        caught.set()
        await gate.wait()
        await route.fulfill(response=answer)

    async with open_screen() as ann, open_screen(width=390) as bob:
        for screen, name in ((ann, "ann"), (bob, "bob")):
            await sign_in(screen, name)
        await ann.page.goto(f"/app/incidents/{row['id']}")
        # The first answer says triggered, and is slow.
        await bob.page.route("**/incidents/*?part=head", hold, times=1)
        await bob.page.goto(f"/app/incidents/{row['id']}")
        await caught.wait()
        await ann.page.get_by_role("button", name="Acknowledge").click()
        await expect(bob.page.get_by_text("Acknowledged by ann").first).to_be_visible()
        # By now the head has been asked for again.
        await bob.page.wait_for_timeout(1000)
        gate.set()
        await expect(bob.page.locator("#ihead .st-acknowledged").first).to_be_visible()
