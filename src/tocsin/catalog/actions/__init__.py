"""The door of the catalog: services, and the integrations through which machines report."""

from tocsin.catalog.actions.catalog import (
    count_services,
    create_service,
    delete_service,
    get_service,
    incidents_opened,
    list_services,
    services_by_ids,
    set_enabled,
    update_service,
)
from tocsin.catalog.actions.integrations import (
    add_integration,
    get_integration,
    integrations_by_ids,
    integrations_of,
    keys_of,
    remove_integration,
    rename_integration,
    reveal_key,
    rotate_key,
    target_for_key,
)

__all__ = [
    "add_integration",
    "count_services",
    "create_service",
    "delete_service",
    "get_integration",
    "get_service",
    "incidents_opened",
    "integrations_by_ids",
    "integrations_of",
    "keys_of",
    "list_services",
    "remove_integration",
    "rename_integration",
    "reveal_key",
    "rotate_key",
    "services_by_ids",
    "set_enabled",
    "target_for_key",
    "update_service",
]
