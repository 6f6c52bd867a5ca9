"""What this server can do, by the names that clients test before they use it."""

from tocsin.rest.call import Call
from tocsin.rest.errors import NO_ABILITY, ApiError, not_found
from tocsin.rest.resource import Operation

HAS = (
    "teams",
    "read_only_users",
    "urgencies",
    "manage_schedules",
    "manage_api_keys",
    "round_robin_escalation",
    "alert_to_incident",
    "priorities",
    "coordinated_responding",
)
LACKS = (
    "sso",
    "advanced_reports",
    "service_support_hours",
    "business_hours_urgency",
    "preview_intelligent_alert_grouping",
    "event_intelligence",
    "response_operations",
    "automation_actions",
    "status_pages",
    "custom_fields",
)


async def list_abilities(call: Call) -> object:
    """All that the server has."""
    return {"abilities": list(HAS)}


async def test_ability(call: Call) -> None:
    """204 when the server has it, 402 when it lacks it, 404 when nobody knows what it is."""
    name = call.path["id"]
    if name in LACKS:
        raise ApiError(402, NO_ABILITY, "Account does not have the ability", name)
    if name not in HAS:
        raise not_found(f"there is no ability {name}")


OPERATIONS = (
    Operation(
        method="GET",
        path="/abilities",
        id="listAbilities",
        summary="List what this server can do",
        tag="Abilities",
        handle=list_abilities,
        gives={"abilities": list[str]},
    ),
    Operation(
        method="GET",
        path="/abilities/{id}",
        id="getAbility",
        summary="Test one ability",
        tag="Abilities",
        handle=test_ability,
        ok=204,
    ),
)
