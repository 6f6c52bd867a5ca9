"""Every page that a link leads to opens without an error and fits a desk and a phone."""

import re
from datetime import datetime, timedelta

from playwright.async_api import Page

from tests.browser.conftest import OpenScreen
from tests.browser.staging import event, messages, sign_in, stage
from tests.support.chromium import HEIGHTS, Screen
from tests.support.fake_providers import FakeHttp
from tests.support.running import Running
from tocsin.accounts import actions as accounts
from tocsin.accounts.model import SYSTEM, Member, TeamRole
from tocsin.catalog import actions as catalog
from tocsin.catalog.graph_model import End, NewBusinessService, Pair
from tocsin.core.crypto import SecretBox
from tocsin.core.database import Tx
from tocsin.events import actions as events
from tocsin.events.model import Change, Link
from tocsin.schedules import actions as schedules
from tocsin.schedules.drafts import LayerDraft, OverrideDraft, ScheduleDraft
from tocsin.tags import actions as tags
from tocsin.tags.model import Naming, TagKind
from tocsin.webhooks import actions as webhooks
from tocsin.webhooks.events import TYPES
from tocsin.webhooks.model import NewSubscription

# What the navigation leads to; a page that is missing here is one nobody finds.
NAVIGATION = (
    "incidents",
    "oncall",
    "services",
    "schedules",
    "escalation-policies",
    "webhooks",
    "people",
    "teams",
    "deliveries",
    "audit",
    "settings",
)
# Pages that no link leads to.
UNLINKED = ("/app/components", "/app/setup/key")
ID = re.compile(r"/[PQ][0-9A-Z]{12,}(?=/|$)")
LINKS = """() => [...document.querySelectorAll('a[href]:not([download])')]
  .map((each) => each.getAttribute("href")).filter((href) => href.startsWith("/app"))"""
DIALOGS = """() => {
  const wide = document.documentElement.clientWidth;
  return [...document.querySelectorAll("dialog")].flatMap((dialog) => {
    if (dialog.open) return [];
    dialog.showModal();
    const box = dialog.getBoundingClientRect();
    const inside = dialog.scrollWidth <= dialog.clientWidth + 1;
    dialog.close();
    return box.width > 0 && box.left >= 0 && box.right <= wide && inside ? [] : [dialog.id];
  });
}"""


async def furnish(tocsin: Running, phone: FakeHttp) -> None:
    """Something of everything, with long names: short ones fit anywhere."""
    key = await stage(tocsin, phone)
    bob = await tocsin.person("bob", "ntfy", f"{phone.url}/bob")
    now = tocsin.tools.clock.now()
    async with tocsin.tools.database.transaction() as tx:
        name = "Reliability and Platform Engineering, Southern Hemisphere"
        team = await accounts.create_team(tx, SYSTEM, now, name=name)
        member = Member(team_id=team.id, user_id=bob.id, role=TeamRole.MANAGER)
        await accounts.set_member(tx, SYSTEM, member, now)
        layer = LayerDraft(
            rotation_virtual_start=now, rotation_turn_length_seconds=604_800, members=(bob.id, None)
        )
        draft = ScheduleDraft(
            name="Follow the sun, primary", time_zone="Australia/Lord_Howe", layers=(layer,)
        )
        schedule = await schedules.create(tx, SYSTEM, draft, now)
        cover = OverrideDraft(
            user_id=bob.id, start=now + timedelta(days=8), end=now + timedelta(days=9)
        )
        await schedules.add_overrides(tx, SYSTEM, schedule.id, [cover], now)
        await _graph(tx, key, team.id, now)
        await _webhook(tx, tocsin.tools.secret_box, now)
    long = "p99 latency of checkout-api.prod.eu-central-1.internal.example.com is " + "x" * 90
    await event(tocsin, key, long, "second", "third")
    await event(tocsin, key, "second", action="acknowledge")
    await event(tocsin, key, "third", action="resolve")
    await messages(phone, 3)


async def _webhook(tx: Tx, box: SecretBox, now: datetime) -> None:
    """A subscription to everything, whose receiver is nowhere."""
    url = "https://hooks.example.invalid/" + "a-path-without-an-end/" * 6
    new = NewSubscription(url=url, description="chat-room-" * 12, events=TYPES)
    one, _ = await webhooks.create(tx, SYSTEM, box, new, now)
    await webhooks.ping(tx, SYSTEM, one.id, now, base_url="http://tocsin.test")


async def _graph(tx: Tx, key: str, team_id: str, now: datetime) -> None:
    """A business service above the service, a tag on the team, and a change."""
    target = await catalog.target_for_key(tx, key)
    assert target is not None
    name = "Ordering, paying and everything that customers see before a parcel leaves us"
    new = NewBusinessService(name=name, description="x" * 80, point_of_contact="y" * 60)
    one = await catalog.create_business_service(tx, SYSTEM, new, now)
    pair = Pair(
        dependent=End("business_service", one.id), supporting=End("service", target.service_id)
    )
    await catalog.associate(tx, SYSTEM, [pair], now)
    given = [Naming(label="a label as long as nobody would ever choose it " * 3)]
    await tags.change_tags(tx, SYSTEM, TagKind.TEAM, team_id, add=given, now=now)
    change = Change(summary="deployed " + "z" * 70, links=(Link(href="https://ci.example.com/1"),))
    await events.record_change(tx, target.service_id, target.integration_id, change, now)


def shape(address: str) -> str:
    """Pages of one kind have one shape: ids and what stands in the query are left out."""
    path, _, query = address.partition("#")[0].partition("?")
    names = sorted({part.partition("=")[0] for part in query.split("&") if part})
    return ID.sub("/*", path) + ("?" + "&".join(names) if names else "")


async def look(screen: Screen, page: Page, address: str) -> list[str]:
    """Open a page at both widths; the addresses of ours that it links to."""
    response = await page.goto(address)
    assert response is not None
    if await page.locator("h1").count() != 1:
        screen.wrong.append(f"{address} has {await page.locator('h1').count()} first headings")
    for width, height in HEIGHTS.items():
        screen.width = width
        await page.set_viewport_size({"width": width, "height": height})
        await screen.fits()
        for dialog in await page.evaluate(DIALOGS):
            screen.wrong.append(f"{address} at {width}: the dialog {dialog} does not fit")
    return list(await page.evaluate(LINKS))


async def test_every_page_opens_and_fits(
    open_screen: OpenScreen, tocsin: Running, phone: FakeHttp
) -> None:
    await furnish(tocsin, phone)
    async with open_screen() as ann:
        await sign_in(ann)
        waiting = [*(f"/app/{name}" for name in NAVIGATION), *UNLINKED]
        seen: set[str] = set()
        while waiting:
            address = waiting.pop(0).partition("#")[0]
            if shape(address) in seen:
                continue
            seen.add(shape(address))
            waiting += await look(ann, ann.page, address)
        nav = {f"/app/{name}" for name in NAVIGATION}
        assert nav <= seen
        print("\n" + "\n".join(sorted(seen)))
        kinds = ("incidents", "services", "schedules", "escalation-policies", "people", "teams")
        for kind in (*kinds, "business-services"):
            assert f"/app/{kind}/*" in seen, f"no link led to one of the {kind}"
