from datetime import timedelta
from pathlib import Path
from playwright.async_api import async_playwright
from tests.support.postgres import START
from tests.support.world import World, make_world, PASSWORD
from tocsin.channels.model import Dead, Retry
from tocsin.incidents import actions as incidents

async def shoot(world, name):
    async with async_playwright() as p:
        b = await p.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
        for scheme in ("light", "dark"):
            for w, h in ((390, 844), (1440, 900)):
                c = await b.new_context(viewport={"width": w, "height": h}, color_scheme=scheme)
                pg = await c.new_page()
                msgs = []
                pg.on("console", lambda m: msgs.append(m.text))
                base = str(world.http.base_url)
                await pg.goto(base + "/app/sign-in")
                await pg.fill("[name=email]", "ann@example.com")
                await pg.fill("[name=password]", PASSWORD)
                await pg.press("[name=password]", "Enter")
                await pg.wait_for_url("**/app/incidents*")
                if w == 1440 and scheme == "light":
                    await pg.screenshot(path=f"/tmp/hs/{name}-inc.png")
                await pg.goto(base + "/app/health")
                await pg.wait_for_timeout(300)
                for d in await pg.query_selector_all("details.small"):
                    await d.evaluate("e => e.open = true")
                wide = await pg.evaluate("document.documentElement.scrollWidth")
                await pg.screenshot(path=f"/tmp/hs/{name}-{w}-{scheme}.png", full_page=True)
                print(name, scheme, w, wide, [m for m in msgs])
                await c.close()
        await b.close()

async def test_shots(fresh_dsn, tmp_path):
    Path("/tmp/hs").mkdir(exist_ok=True)
    async with make_world(fresh_dsn, tmp_path, START) as world:
        await world.person("ann", zone="Europe/Berlin", channels=["phone", "mail"])
        await world.person("bob", channels=["phone"])
        await world.service("Checkout", [["ann"]], minutes=60)
        await world.service("Ledger and reconciliation of card payments", [["bob"]], minutes=60)
        await world.trigger("Checkout", "Card payments fail in eu-west-1")
        eng = world.program.engine
        await world.settle()
        for s in eng.stages: eng.finished_at[s.name] = world.clock.steady() - 0.4
        await world.program.watch.run()
        await shoot(world, "well")
        world.channels["phone"].outcome = lambda m, a: Dead(detail="HTTP 410: gone") if a=="ann" else Retry(detail="HTTP 503 from https://ntfy.example.com/topic-very-long-name")
        await world.trigger("Checkout", "Order queue grows: 12,400 waiting")
        await world.trigger("Ledger and reconciliation of card payments", "Ledger is 40 minutes behind")
        for k in ("a","b"):
            r = await world.http.post("/v2/enqueue", json={"routing_key": world.keys["Checkout"], "event_action":"trigger","dedup_key":k,"payload":{"summary":"Disk of db-7 is full: " + "x"*300,"source":"prometheus","severity":"error","custom_details":{"mount":"/var/lib/postgresql","free":"0 B"}}})
        async with world.database.transaction() as tx:
            await tx.execute("update inbox set quarantined = true, attempts = 3, error = %(e)s", {"e": "LookupError(\"no service PXXXX in slice 12 of the intake while recording the batch\")"})
        for _ in range(45):
            await world.advance(seconds=10)
        world.clock.advance(timedelta(minutes=60))
        i = await world.incident("Order queue grows: 12,400 waiting")
        async with world.database.transaction() as tx:
            await incidents.push_back(tx, i.id, "ValueError('the ladder has no level 3')", world.clock.now())
        await world.program.beat.run()
        await shoot(world, "bad")
        for p in world.people.values():
            for c in ("phone","mail"): p.shown(c).clear()
