"""The table of all that the API serves."""

from tocsin.rest import (
    abilities,
    audit_records,
    catalog_services,
    contact_methods,
    fixed,
    incident_parts,
    incidents,
    integrations,
    oncalls,
    overrides,
    policies,
    schedules,
    teams,
    users,
)
from tocsin.rest.resource import Operation, Resource

RESOURCES: tuple[Resource, ...] = (
    users.USER,
    contact_methods.CONTACT_METHOD,
    contact_methods.NOTIFICATION_RULE,
    teams.TEAM,
    catalog_services.SERVICE,
    integrations.INTEGRATION,
    policies.ESCALATION_POLICY,
    schedules.SCHEDULE,
    incidents.INCIDENT,
    incident_parts.ALERT,
    incident_parts.LOG_ENTRY,
    fixed.PRIORITY,
    fixed.VENDOR,
    fixed.LICENSES,
)
OPERATIONS: tuple[Operation, ...] = (
    *abilities.OPERATIONS,
    *users.OPERATIONS,
    *contact_methods.OPERATIONS,
    *teams.OPERATIONS,
    *catalog_services.OPERATIONS,
    *integrations.OPERATIONS,
    *policies.OPERATIONS,
    *schedules.OPERATIONS,
    *overrides.OPERATIONS,
    *oncalls.OPERATIONS,
    *incidents.OPERATIONS,
    *incident_parts.OPERATIONS,
    *fixed.OPERATIONS,
    *audit_records.OPERATIONS,
)
