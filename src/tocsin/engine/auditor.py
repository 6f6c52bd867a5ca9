"""The auditor: one cheap query that finds whatever should have happened and has not.

It reads the tables and nothing the engine says of itself, so a stage that is stuck, or that
believes it is done, is found all the same. Every part of the query walks the head of a partial
index of waiting rows, or the head of a queue: its cost follows what waits, not what is stored.
"""

from datetime import datetime, timedelta
from enum import StrEnum

import msgspec

from tocsin.core import planted_defects
from tocsin.core.database import Tx

OVERDUE = timedelta(seconds=30)
# Stages without which nobody is paged. They finish a pass every second or less, on some node.
VITAL_STAGES = ("intake", "timers", "maintenance", "escalate", "responders", "deliveries")
# Rows beyond this many are not counted: "1000 or more" says enough.
MOST_COUNTED = 1000
INBOX_HEAD = 200

FIND_OVERDUE = """
select kind, count, since, example from (
    select 'deliveries_overdue' as kind, count(*)::int as count, min(due_at) as since,
        min(id) as example
    from (select id, due_at from deliveries
        where state = 'queued' and due_at < %(before)s order by due_at limit %(most)s) as a
    union all
    select 'leases_stuck', count(*)::int, min(leased_until), min(id)
    from (select id, leased_until from deliveries
        where state = 'sending' and leased_until < %(lease_before)s
        order by leased_until limit %(most)s) as b
    union all
    select 'escalations_overdue', count(*)::int, min(due_at), min(incident_id)
    from ((select incident_id, due_at from escalation_runs
        where state = 'running' and due_at < %(before)s order by due_at limit %(most)s)
        union all
        (select incident_id, due_at from responder_targets
        where due_at < %(before)s order by due_at limit %(most)s)) as c
    union all
    select 'timers_overdue', count(*)::int, min(due_at), min(incident_id)
    from (select incident_id, due_at from incident_timers
        where due_at < %(before)s order by due_at limit %(most)s) as d
    union all
    select 'holds_overdue', count(*)::int, min(due_at), min(service_id)
    from (select service_id, due_at from maintenance_holds
        where due_at < %(before)s order by due_at limit %(most)s) as h
    union all
    select 'pauses_overdue', count(*)::int, min(due_at), min(service_id)
    from (select service_id, due_at from (
            (select service_id, due_at from pause_holds where due_at < %(before)s
                order by due_at limit %(most)s)
            union all
            (select service_id, due_at from urgency_raises where due_at < %(before)s
                order by due_at limit %(most)s)) as both_kinds) as p
    union all
    select 'inbox_waiting', count(*)::int, min(due_at), min(seq)::text
    from (select seq, due_at from inbox
        where not quarantined order by seq limit %(head)s) as e
    where due_at < %(before)s
    union all
    select 'inbox_quarantined', count(*)::int, min(due_at), min(seq)::text
    from (select seq, due_at from inbox
        where quarantined order by seq limit %(most)s) as f
    union all
    select 'stage_silent', count(*)::int, min(finished_at), min(name)
    from stages where name = any(%(stages)s) and finished_at < %(before)s
) as finding
where count > 0
"""


class FindingKind(StrEnum):
    """What is late."""

    DELIVERIES = "deliveries_overdue"
    LEASES = "leases_stuck"
    ESCALATIONS = "escalations_overdue"
    TIMERS = "timers_overdue"
    HOLDS = "holds_overdue"
    PAUSES = "pauses_overdue"
    INBOX = "inbox_waiting"
    QUARANTINED = "inbox_quarantined"
    STAGES = "stage_silent"


# For the banner: what is wrong and where to look.
_TEXTS = {
    FindingKind.DELIVERIES: "messages are due and have not been sent",
    FindingKind.LEASES: "messages were being sent by a node that never reported back",
    FindingKind.ESCALATIONS: "escalations are due and have not moved",
    FindingKind.TIMERS: "timers of incidents are due and have not run",
    FindingKind.HOLDS: "services have alerts that a maintenance window no longer holds back",
    FindingKind.PAUSES: "services have alerts that waited long enough, or support hours to act on",
    FindingKind.INBOX: "accepted events wait to be processed",
    FindingKind.QUARANTINED: "events could not be processed and were set aside",
    FindingKind.STAGES: "a part of the engine has not finished a pass",
}


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that is late. `count` stops at :data:`MOST_COUNTED`; `example` is the id of one
    of them (for a stage its name); `since` is when the oldest was due."""

    kind: FindingKind
    count: int
    since: datetime
    example: str

    @property
    def is_stuck(self) -> bool:
        """Whether people may be waiting for a page: a node with such a finding is not ready.

        An event set aside is for somebody to look at; the engine itself goes on.
        """
        return self.kind is not FindingKind.QUARANTINED

    def text(self) -> str:
        """One line for a person."""
        count = f"{MOST_COUNTED} or more" if self.count >= MOST_COUNTED else str(self.count)
        return f"{count}: {_TEXTS[self.kind]} (oldest since {self.since:%Y-%m-%d %H:%M:%S} UTC)"


async def audit(tx: Tx, now: datetime, *, lease_seconds: float = 12.0) -> tuple[Finding, ...]:
    """Everything that is late now; empty when all is well. One query, a few milliseconds."""
    if planted_defects.AUDITOR_OFF:
        return ()
    rows = await tx.all(
        Finding,
        FIND_OVERDUE,
        {
            "before": now - OVERDUE,
            # `leased_until` is one lease after the claim: this finds leases older than two.
            "lease_before": now - timedelta(seconds=lease_seconds),
            "most": MOST_COUNTED,
            "head": INBOX_HEAD,
            "stages": list(VITAL_STAGES),
        },
    )
    return tuple(msgspec.structs.replace(row, kind=FindingKind(row.kind)) for row in rows)
