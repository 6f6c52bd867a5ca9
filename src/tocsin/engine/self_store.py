"""The SQL of the watch over Tocsin itself: one watcher at a time, how the channels do, and whom
nobody could reach."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from tocsin.core.database import Tx
from tocsin.engine.troubles import ChannelRecord

WATCH_LOCK = 0x7C5E1F
# A delivery may be due long after it was made, by a rule with a delay.
LONGEST_DELAY = timedelta(days=1)
# A failing delivery is tried for half an hour at most.
ATTEMPTS_SINCE = timedelta(minutes=35)
MOST_DELIVERIES = 2000
MOST_TARGETS = 2000
MOST_MUTE = 20

TAKE_WATCH_LOCK = "select pg_try_advisory_xact_lock(%(key)s)"

# A lapsed attempt tells of a node that died and not of the channel.
SELECT_CHANNEL_RECORDS = """
with recent as materialized (
    select id, channel from deliveries
    where created_at > %(made_since)s and attempts > 0
    order by created_at desc limit %(limit)s
), tried as materialized (
    select r.channel, a.finished_at, a.outcome, a.detail
    from recent r join delivery_attempts a on a.delivery_id = r.id
    where a.finished_at > %(since)s and a.outcome in ('sent', 'retry', 'dead')
), taken as (
    select channel, max(finished_at) as at from tried where outcome = 'sent' group by channel
)
select t.channel, count(*)::int as failed, min(t.finished_at) as since,
    max(t.finished_at) as last_at,
    (array_agg(t.detail order by t.finished_at desc))[1] as detail
from tried t left join taken s on s.channel = t.channel
where t.outcome <> 'sent' and (s.at is null or t.finished_at > s.at)
group by t.channel
order by t.channel
"""

SELECT_TARGETS = """
select distinct t.kind, t.target_id
from escalation_targets t join escalation_levels l on l.id = t.level_id
where exists (select from services s where s.escalation_policy_id = l.policy_id
    and s.deleted_at is null and s.disabled_at is null)
limit %(limit)s
"""

SELECT_MUTE = """
select u.name from users u
where u.id = any(%(ids)s) and u.deleted_at is null and not exists (
    select from contact_methods m
    where m.user_id = u.id and m.deleted_at is null and m.dead_since is null
        and m.channel = any(%(channels)s))
order by lower(u.name), u.id
limit %(limit)s
"""


async def lock(tx: Tx) -> bool:
    """Become the one watcher until this transaction ends, unless another is."""
    return bool(await tx.value(TAKE_WATCH_LOCK, {"key": WATCH_LOCK}))


async def channel_records(tx: Tx, now: datetime) -> list[ChannelRecord]:
    """Each channel of which something failed after the last success."""
    return await tx.all(
        ChannelRecord,
        SELECT_CHANNEL_RECORDS,
        {
            "made_since": now - LONGEST_DELAY,
            "since": now - ATTEMPTS_SINCE,
            "limit": MOST_DELIVERIES,
        },
    )


async def targets(tx: Tx) -> tuple[list[str], list[str]]:
    """The people and the schedules that the policies of working services name."""
    rows = await tx.tuples(SELECT_TARGETS, {"limit": MOST_TARGETS})
    users = [id for kind, id in rows if kind == "user"]
    return users, [id for kind, id in rows if kind == "schedule"]


async def mute(tx: Tx, user_ids: Iterable[str], channels: Sequence[str]) -> list[str]:
    """The names of those whom none of these channels reaches, at most twenty."""
    asked = {"ids": sorted(set(user_ids)), "channels": list(channels), "limit": MOST_MUTE}
    return [row[0] for row in await tx.tuples(SELECT_MUTE, asked)]
