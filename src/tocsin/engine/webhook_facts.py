"""What the events of a batch are about, loaded for all of them in a fixed number of queries."""

from collections.abc import Sequence

from tocsin.accounts import actions as accounts
from tocsin.catalog import actions as catalog
from tocsin.catalog.model import Service
from tocsin.core.database import Tx
from tocsin.escalations import actions as escalations
from tocsin.incidents import actions as incidents
from tocsin.incidents.model import Incident
from tocsin.queries import incident_pages
from tocsin.webhooks import events
from tocsin.webhooks.model import Happening
from tocsin.webhooks.payload import Facts

PEOPLE = ("person", "key", "reply")


async def facts_of(
    tx: Tx, happenings: Sequence[Happening], services: dict[str, Service], base_url: str
) -> Facts:
    """Everything that the payloads of these may name. `services` holds theirs already."""
    found = await _incidents(tx, happenings)
    around = await incidents.surroundings(tx, list(found.values()))
    edges = await incident_pages.edges(tx, list(found)) if found else {}
    assignees = {id: list(held) for id, held in around.assignments.items()}
    users = {user for held in assignees.values() for user in held}
    users |= {one.actor_id for one in happenings if one.actor_id and one.actor_kind in PEOPLE}
    users |= {id for one in happenings for id in events.people_of(one)}
    doors = {one.actor_id for one in happenings if one.actor_id and one.actor_kind == "integration"}
    teams = {service.team_id for service in services.values() if service.team_id is not None}
    policies = {incident.escalation_policy_id for incident in found.values()}
    policies |= {id for one in happenings for id in events.policies_of(one)}
    return Facts(
        base_url=base_url,
        incidents=found,
        services=services,
        assignees=assignees,
        keys={id: one.incident_key or edges[id].dedup_key for id, one in found.items()},
        users=await accounts.users_by_ids(tx, sorted(users)) if users else {},
        teams=await accounts.teams_by_ids(tx, sorted(teams)) if teams else {},
        policies=await escalations.policies_by_ids(tx, sorted(policies)),
        integrations=await catalog.integrations_by_ids(tx, sorted(doors)) if doors else {},
    )


async def _incidents(tx: Tx, happenings: Sequence[Happening]) -> dict[str, Incident]:
    ids = {one.resource_id for one in happenings if one.resource_type == "incident"}
    found = await incidents.by_ids(tx, sorted(ids))
    merged = {one.merged_into for one in found.values() if one.merged_into is not None}
    if merged - found.keys():
        found |= await incidents.by_ids(tx, sorted(merged - found.keys()))
    return found
