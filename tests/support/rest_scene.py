"""The access scene, with one of each kind of thing that only the REST API names by itself.

Made over the API with the owner's key, so that what is found there is what the API makes.
"""

from typing import Any

from tests.support.access_scene import BASE, Scene, set_scene
from tests.support.rest import Client, reference
from tests.support.world import World

FAR = {"start_time": "2026-04-01T00:00:00Z", "end_time": "2026-04-01T02:00:00Z"}


async def set_rest_scene(world: World) -> Scene:
    """Build it."""
    scene = await set_scene(world)
    owner = Client(world, scene.keys[BASE[0]])
    await _on_incidents(world, scene, owner)
    await _beside_services(world, scene, owner)
    for person in world.people.values():
        person.shown().clear()
    return scene


async def _on_incidents(world: World, scene: Scene, owner: Client) -> None:
    ids = scene.ids
    await world.trigger("service", "alarm")
    ids["alarm"] = (await world.incident("alarm")).id
    path = f"/incidents/{ids['alarm']}"
    ids["alert"] = (await owner.get(f"{path}/alerts"))["alerts"][0]["id"]
    ids["log_entry"] = (await owner.get(f"{path}/log_entries"))["log_entries"][0]["id"]
    note = await owner.post(f"{path}/notes", {"note": {"content": "Looking"}}, 200)
    ids["note"] = note["note"]["id"]
    request = {
        "requester_id": world[BASE[0].name].user.id,
        "message": "Please",
        "responder_request_targets": [
            {"responder_request_target": reference("user", ids["leaver"])}
        ],
    }
    await owner.post(f"{path}/responder_requests", request, 200)
    subscriber = {"subscriber_id": ids["vera"], "subscriber_type": "user"}
    await owner.post(f"{path}/status_updates/subscribers", {"subscribers": [subscriber]}, 200)


async def _beside_services(world: World, scene: Scene, owner: Client) -> None:
    ids = scene.ids

    async def made(path: str, kind: str, body: dict[str, Any], status: int = 201) -> str:
        return str((await owner.post(path, {kind: body}, status))[kind]["id"])

    ids["tag"] = await made("/tags", "tag", {"label": "prod"})
    ids["spare_tag"] = await made("/tags", "tag", {"label": "spare"})
    for kind, thing in (("users", "vera"), ("teams", "team"), ("escalation_policies", "policy")):
        adding = {"add": [{"id": ids["tag"], "type": "tag_reference"}]}
        await owner.post(f"/{kind}/{ids[thing]}/change_tags", adding, 200)
    window = {**FAR, "services": [reference("service", ids["service"])]}
    ids["window"] = await made("/maintenance_windows", "maintenance_window", window)
    for name, team in (("business", "team"), ("free_business", None)):
        body: dict[str, Any] = {"name": f"rest {name}", "team": {"id": ids[team]} if team else None}
        ids[name] = await made("/business_services", "business_service", body, 200)
    pair = {
        "supporting_service": {"id": ids["service"], "type": "service"},
        "dependent_service": {"id": ids["business"], "type": "business_service"},
    }
    joined = await owner.post("/service_dependencies/associate", {"relationships": [pair]}, 200)
    ids["dependency"] = joined["relationships"][0]["id"]
    grouping = {
        "type": "time",
        "config": {"timeout": 300},
        "services": [reference("service", ids["service"])],
    }
    ids["grouping"] = await made("/alert_grouping_settings", "alert_grouping_setting", grouping)
    event = {
        "routing_key": ids["service_key"],
        "payload": {"summary": "Deployed", "source": "ci", "timestamp": "2026-03-02T08:59:00Z"},
    }
    await owner.post("/change_events", event, 202)
    await world.settle()
    ids["change"] = (await owner.get("/change_events"))["change_events"][0]["id"]
    for name, about in (
        ("hook", {"type": "account_reference"}),
        ("service_hook", {"id": ids["service"], "type": "service_reference"}),
        ("team_hook", {"id": ids["team"], "type": "team_reference"}),
    ):
        hook = {
            "type": "webhook_subscription",
            "delivery_method": {"type": "http_delivery_method", "url": "https://x.example.com/in"},
            "events": ["incident.triggered"],
            "filter": about,
        }
        ids[name] = await made("/webhook_subscriptions", "webhook_subscription", hook, 200)
    ids["priority"] = (await owner.get("/priorities"))["priorities"][0]["id"]
    ids["vendor"] = (await owner.get("/vendors"))["vendors"][0]["id"]
    schemas = (await owner.get("/extension_schemas"))["extension_schemas"]
    ids["extension_schema"] = schemas[0]["id"] if schemas else "PNONE"
