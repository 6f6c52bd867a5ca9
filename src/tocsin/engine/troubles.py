"""What can be wrong with Tocsin itself, in plain words and with one way on.

The rule this module owns: from what was measured, what counts as trouble and how long it must last
before people are told. The words are the same on the health page and in the incident. Pure.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

import msgspec

from tocsin.engine.auditor import MOST_COUNTED, Finding, FindingKind

HOLD_SECONDS = 60.0
# Somebody who sets up an escalation policy may take a while to add their contact method.
MUTE_HOLD_SECONDS = 600.0

FAILING_FOR = timedelta(minutes=5)
FAILED_LEAST = 3
# Nobody has tried the channel for this long, so nothing is known of it any more.
FAILING_FORGOTTEN = timedelta(minutes=15)

DRIFT_SECONDS = 5.0
FREE_BYTES_LEAST = 1024**3
FREE_SHARE_LEAST = 0.02
MOST_NAMED = 5

HEALTH = "/app/health"


class Trouble(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that is wrong. `key` is its dedup key: the part after `@` names the only node that
    can see it. `href` is where on this server to look first."""

    key: str
    summary: str
    advice: str
    href: str = HEALTH
    hold_seconds: float = HOLD_SECONDS

    @property
    def node(self) -> str | None:
        """The node that sees it, or None when every node sees it alike."""
        return node_of(self.key)


class ChannelRecord(msgspec.Struct, frozen=True, kw_only=True):
    """The attempts of one channel that failed since the last that was taken by the provider."""

    channel: str
    failed: int
    since: datetime
    last_at: datetime
    detail: str


def node_of(key: str) -> str | None:
    """The node named in a key, or None."""
    _, at, node = key.partition("@")
    return node if at else None


# A finding of the auditor in words, for one and for many.
_WORDS: dict[FindingKind, tuple[str, str]] = {
    FindingKind.DELIVERIES: (
        "1 message is due and was not sent",
        "{count} messages are due and were not sent",
    ),
    FindingKind.LEASES: (
        "1 message was being sent by a node that never reported back",
        "{count} messages were being sent by nodes that never reported back",
    ),
    FindingKind.ESCALATIONS: (
        "1 escalation is due and has not moved",
        "{count} escalations are due and have not moved",
    ),
    FindingKind.TIMERS: (
        "1 timer of an incident is due and has not run",
        "{count} timers of incidents are due and have not run",
    ),
    FindingKind.HOLDS: (
        "1 service has alerts that its maintenance held back and nobody has let go on",
        "{count} services have alerts that maintenance held back and nobody has let go on",
    ),
    FindingKind.PAUSES: (
        "1 service has alerts that have waited long enough, or support hours that began unnoticed",
        "{count} services have alerts that have waited long enough, or support hours that began"
        " unnoticed",
    ),
    FindingKind.INBOX: (
        "1 accepted event waits to be processed",
        "{count} accepted events wait to be processed",
    ),
    FindingKind.QUARANTINED: (
        "1 event could not be processed and was set aside",
        "{count} events could not be processed and were set aside",
    ),
    FindingKind.STAGES: (
        "A part of the engine has stopped: {example}",
        "{count} parts of the engine have stopped: {example} and others",
    ),
}
# What to do about it, and where.
_ADVICE: dict[FindingKind, tuple[str, str]] = {
    FindingKind.DELIVERIES: (
        "See below whether a node runs the engine and which channel fails. Until then reach"
        " people by hand.",
        "/app/deliveries?state=queued",
    ),
    FindingKind.LEASES: (
        "A node that was sending is gone or hangs. Another takes these over by itself; restart"
        " the silent node if it stays.",
        "/app/deliveries?state=sending",
    ),
    FindingKind.ESCALATIONS: (
        "See below whether a node runs the engine and which incident is pushed back. Page the"
        " next person by hand meanwhile.",
        "/app/incidents",
    ),
    FindingKind.TIMERS: (
        "See below whether a node runs the engine and which incident is pushed back.",
        "/app/incidents",
    ),
    FindingKind.HOLDS: (
        "See below whether a node runs the engine and which service is pushed back. Its page"
        " names the alerts.",
        HEALTH,
    ),
    FindingKind.PAUSES: (
        "See below whether a node runs the engine. The service's page names the alerts that wait.",
        HEALTH,
    ),
    FindingKind.INBOX: (
        "They are stored and safe. See below whether a node runs the engine and keeps up.",
        HEALTH,
    ),
    FindingKind.QUARANTINED: (
        "They are kept whole. Read the error, then try them again or set them aside for good.",
        HEALTH + "#quarantined",
    ),
    FindingKind.STAGES: (
        "Restart the node that runs the engine, and read its log.",
        HEALTH,
    ),
}


def of_finding(finding: Finding) -> Trouble:
    """What the auditor found, with the way on."""
    advice, href = _ADVICE[finding.kind]
    one, many = _WORDS[finding.kind]
    count = f"{MOST_COUNTED} or more" if finding.count >= MOST_COUNTED else str(finding.count)
    words = one if finding.count == 1 else many
    summary = words.format(count=count, example=finding.example)
    return Trouble(key=finding.kind.value, summary=summary, advice=advice, href=href)


def of_channel(record: ChannelRecord, now: datetime) -> Trouble | None:
    """A channel through which nothing has got for five minutes although it was tried."""
    if record.failed < FAILED_LEAST or now - record.since < FAILING_FOR:
        return None
    if now - record.last_at > FAILING_FORGOTTEN:
        return None
    return Trouble(
        key=f"channel_failing:{record.channel}",
        summary=f"Nothing gets through {record.channel}: every attempt since"
        f" {record.since:%H:%M:%S} UTC failed ({record.detail[:200]})",
        advice="Pages go on by people's other contact methods. Check the provider and this"
        " server's settings for it.",
        href=f"/app/deliveries?channel={record.channel}",
        # Five minutes have been waited for already.
        hold_seconds=0.0,
    )


def of_clock(drift_seconds: float, node: str) -> Trouble | None:
    """The product's own time and the database's clock are far apart."""
    if abs(drift_seconds) <= DRIFT_SECONDS:
        return None
    side = "ahead of" if drift_seconds > 0 else "behind"
    return Trouble(
        key=f"clock_drift@{node}",
        summary=f"The database's clock is {abs(drift_seconds):.1f} s {side} Tocsin's own time"
        f" on {node}",
        advice="Escalations follow Tocsin's own time and are neither hurried nor held. Let NTP set"
        " the clock of every machine, then restart Tocsin.",
    )


def of_disk(free: int, total: int, node: str) -> Trouble | None:
    """The disk under the embedded database is nearly full. Sizes are in bytes."""
    if free >= FREE_BYTES_LEAST and free >= total * FREE_SHARE_LEAST:
        return None
    return Trouble(
        key=f"disk_full@{node}",
        summary=f"The disk of the database on {node} has only {free / 1024**2:.0f} MiB free",
        advice="Free some space or move the data directory. With a full disk no event can be"
        " accepted.",
    )


NO_ENGINE = Trouble(
    key="no_engine",
    summary="No node runs the engine: events are accepted and nobody is paged",
    advice="Start a node with `tocsin serve`, its role all or engine. What was accepted is safe.",
)


def of_mute(names: Sequence[str]) -> Trouble | None:
    """People who may be paged now and whom no contact method reaches."""
    if not names:
        return None
    shown = ", ".join(names[:MOST_NAMED])
    more = len(names) - MOST_NAMED
    return Trouble(
        key="on_call_unreachable",
        summary=f"On call without any working contact method: {shown}"
        + (f" and {more} more" if more > 0 else ""),
        advice="They add one on their page and test it there; until then put somebody else on"
        " call.",
        href="/app/people",
        hold_seconds=MUTE_HOLD_SECONDS,
    )
