"""What services have in store for incidents by their rules: alerts that may join, and an urgency
that will be raised."""

from collections.abc import Sequence
from datetime import datetime

import msgspec

from tocsin.core.database import Tx

SELECT_GROUPS = """
    select g.incident_id, s.type, g.opened_at, g.until
    from alert_groups g join grouping_settings s on s.id = g.setting_id
    where g.incident_id = any(%(ids)s)
"""
SELECT_RAISES = "select service_id, due_at from urgency_raises where service_id = any(%(ids)s)"


class GroupState(msgspec.Struct, frozen=True, kw_only=True):
    """An incident that alerts join, or could join until `until`."""

    incident_id: str
    type: str
    opened_at: datetime
    until: datetime


async def groups(tx: Tx, incident_ids: Sequence[str]) -> dict[str, GroupState]:
    """Those of these incidents that alerts may join, or could until lately."""
    found = await tx.all(GroupState, SELECT_GROUPS, {"ids": list(incident_ids)})
    return {state.incident_id: state for state in found}


async def raises(tx: Tx, service_ids: Sequence[str]) -> dict[str, datetime]:
    """When the urgency of open incidents is raised next, by service."""
    return dict(await tx.tuples(SELECT_RAISES, {"ids": sorted(set(service_ids))}))
