"""What a Python client does, unmodified, in a process of its own.

`python python_story.py CLIENT URL TOKEN USER PART` imports nothing of the product; whom it trusts
comes from the environment.
"""

import sys
import warnings
from collections.abc import Callable
from typing import Any

PEOPLE = 120


def pagerduty_client(token: str, url: str) -> tuple[Any, type[Exception]]:
    """Whichever version is found first: 5 takes its address afterwards, 7 at once."""
    import pagerduty

    try:
        client = pagerduty.RestApiV2Client(token, default_from="ann@example.com", base_url=url)
    except TypeError:
        client = pagerduty.RestApiV2Client(token, default_from="ann@example.com")
        client.url = url
    return client, pagerduty.HttpError


def pdpyras_client(token: str, url: str) -> tuple[Any, type[Exception]]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import pdpyras

    client = pdpyras.APISession(token, default_from="ann@example.com")
    client.url = url
    return client, pdpyras.PDClientError


def reference(kind: str, id: str) -> dict[str, str]:
    return {"id": id, "type": f"{kind}_reference"}


def story(client: Any, bob: str, refused: type[Exception]) -> None:
    """Create, get, update, find, and both ways to page."""
    assert "teams" in client.rget("abilities")
    team = client.rpost("teams", json={"type": "team", "name": "Core"})
    assert client.rget(f"teams/{team['id']}")["name"] == "Core"
    assert client.rget(team["self"])["name"] == "Core"
    assert client.find("teams", "core")["id"] == team["id"]
    assert client.find("users", "eve007@example.com", attribute="email")["name"] == "Eve 007"
    assert client.find("users", "nobody at all") is None
    names = [user["name"] for user in client.iter_all("users")]
    assert len(names) == len(set(names)) == PEOPLE + 2
    small = client.iter_all("users", params={"limit": 50, "query": "eve"}, total=True)
    assert len(list(small)) == PEOPLE
    policy = client.rpost(
        "escalation_policies",
        json={
            "name": "Ops",
            "teams": [reference("team", team["id"])],
            "escalation_rules": [
                {"escalation_delay_in_minutes": 5, "targets": [reference("user", bob)]}
            ],
        },
    )
    service = client.persist(
        "services",
        "name",
        {
            "type": "service",
            "name": "Shop",
            "escalation_policy": reference("escalation_policy", policy["id"]),
        },
    )
    again = client.persist(
        "services", "name", {"name": "Shop", "description": "Sells"}, update=True
    )
    assert (again["id"], again["description"]) == (service["id"], "Sells")
    changed = client.rput(service, json={"name": "Store"})
    assert client.rget(changed)["name"] == "Store"
    incidents(client, bob, service["id"], policy["id"])
    records = list(client.iter_cursor("audit/records", params={"limit": 10}))
    assert len(records) == len({record["id"] for record in records}) > PEOPLE
    assert records[0]["root_resource"]["type"].endswith("_reference")
    refusals(client, refused)


def incidents(client: Any, bob: str, service: str, policy: str) -> None:
    incident = client.rpost(
        "incidents",
        json={"type": "incident", "title": "Slow", "service": reference("service", service)},
    )
    open_ones = client.list_all("incidents", params={"statuses": ["triggered"]})
    assert [one["id"] for one in open_ones] == [incident["id"]]
    both = client.rput(
        "incidents",
        json=[{"id": incident["id"], "type": "incident_reference", "status": "acknowledged"}],
    )
    assert both[0]["status"] == "acknowledged"
    note = client.rpost(f"incidents/{incident['id']}/notes", json={"content": "Looking"})
    assert note["content"] == "Looking"
    assert len(list(client.iter_all(f"incidents/{incident['id']}/log_entries"))) >= 3
    on_call = client.list_all("oncalls", params={"user_ids": [bob]})
    assert on_call[0]["escalation_policy"]["id"] == policy


def refusals(client: Any, refused: type[Exception]) -> None:
    for ask, status, word in (
        (lambda: client.rget("users/PNOBODY"), 404, "Not Found"),
        (lambda: client.rpost("users", json={"name": "No address"}), 400, "email"),
        (lambda: client.rget("users/me"), 400, "account-level access token"),
    ):
        try:
            ask()
        except refused as error:
            response: Any = error.response  # type: ignore[attr-defined]
            assert response.status_code == status, response.text
            assert word in response.text, response.text
        else:
            raise AssertionError(f"{word} was not refused")


def waits(client: Any, bob: str, refused: type[Exception]) -> None:
    """The key has used up its minute: the client is told so, and comes back by itself."""
    client.sleep_timer = 0.1
    assert "teams" in client.rget("abilities")


CLIENTS: dict[str, Callable[[str, str], tuple[Any, type[Exception]]]] = {
    "pagerduty": pagerduty_client,
    "pdpyras": pdpyras_client,
}
PARTS: dict[str, Callable[[Any, str, type[Exception]], None]] = {"story": story, "waits": waits}


def main() -> None:
    name, url, token, bob, part = sys.argv[1:]
    client, refused = CLIENTS[name](token, url)
    PARTS[part](client, bob, refused)
    print("done", sys.modules[name].__file__)


if __name__ == "__main__":
    main()
