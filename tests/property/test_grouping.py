"""However events are cut into batches, the same alerts end up together, and none is lost.

Runs against a real database; each example has services of its own in it.
"""

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.incidents_house import House, level, stand_up, trigger, user
from tocsin.accounts.model import SYSTEM
from tocsin.catalog.actions import grouping
from tocsin.catalog.grouping import GroupingInput
from tocsin.core.database import Database
from tocsin.events.model import Event

CONFIGS: list[dict[str, Any]] = [
    {"type": "time", "timeout": 600},
    {"type": "time", "timeout": 0},
    {"type": "content_based", "aggregate": "all", "fields": ["source", "component"]},
    {"type": "content_based", "aggregate": "any", "fields": ["source", "component"]},
    {"type": "intelligent", "text_fields": ["summary"]},
    {
        "type": "content_based_intelligent",
        "aggregate": "any",
        "fields": ["source", "component"],
        "text_fields": ["summary"],
    },
]
SUMMARIES = ["disk full", "disk almost full", "disk is full on web-1", "db down", "db is down 7"]
# A word, a key, a summary, a source, a component; or minutes that pass.
said = st.tuples(
    st.sampled_from(["trigger"] * 4 + ["resolve"]),
    st.sampled_from("abcdefgh"),
    st.sampled_from(SUMMARIES),
    st.sampled_from([None, "one", "two"]),
    st.sampled_from([None, "one", "three"]),
)
Said = tuple[str, str, str, str | None, str | None]
stories = st.lists(
    st.tuples(st.lists(said, min_size=1, max_size=9), st.sampled_from([0, 1, 4, 9, 700])),
    min_size=1,
    max_size=5,
)

LONELY = """
    select a.id from alerts a left join incidents i on i.id = a.incident_id
    where a.status = 'triggered' and (i.id is null or i.status = 'resolved')
"""
WRONG_COUNTS = """
    select i.id from incidents i left join alerts a on a.incident_id = i.id
    group by i.id
    having i.alert_count <> count(a.id)
        or i.open_alert_count <> count(a.id) filter (where a.status = 'triggered')
"""
TOGETHER = """
    select dense_rank() over (order by i.number), i.status, i.title,
        array_agg(a.dedup_key || ' ' || a.status order by a.id)
    from incidents i join alerts a on a.incident_id = i.id
    where i.service_id = %(service)s
    group by i.id order by i.number
"""


def event(one: Said) -> Event:
    word, key, summary, source, component = one
    if word == "resolve":
        return Event(action="resolve", dedup_key=key)
    return trigger(key, summary=summary, source=source, component=component)


async def tell(
    house: House, service: str, story: Sequence[tuple[list[Said], int]], sizes: Sequence[int]
) -> list[tuple[Any, ...]]:
    """Say the story in batches of these sizes, over and over; what is together afterwards."""
    start, turn = house.now, 0
    for events, minutes in story:
        left = [event(one) for one in events]
        while left:
            size = sizes[turn % len(sizes)]
            turn += 1
            now, left = left[:size], left[size:]
            outcomes = await house.say(*now, service=service)
            assert len(outcomes) == len(now)
        house.clock.advance(timedelta(minutes=minutes))
    assert await house.rows(LONELY) == []
    assert await house.rows(WRONG_COUNTS) == []
    assert house.now >= start
    return await house.rows(TOGETHER, service=service)


async def live(
    dsn: str,
    number: int,
    config: dict[str, Any],
    story: list[tuple[list[Said], int]],
    sizes: list[int],
) -> None:
    database = Database(dsn, size=2)
    await database.open()
    try:
        house = await stand_up(database) if number == 1 else House(database)
        house.clock.advance(timedelta(days=10 * number))
        policy = await house.policy(level(user("alice")), name=f"Policy {number}")
        results = []
        for index, cut in enumerate(([1], [1000], sizes)):
            service = await house.service(policy, f"service-{number}-{index}")
            async with database.transaction() as tx:
                wanted = GroupingInput(service_ids=[service], **config)
                await grouping.create_grouping(tx, SYSTEM, wanted, house.now)
            results.append(await tell(house, service, story, cut))
        assert results[0] == results[1] == results[2]
    finally:
        await database.close()


def test_batches_make_no_difference(fresh_dsn: str) -> None:
    count = 0

    @settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
    @given(st.sampled_from(CONFIGS), stories, st.lists(st.integers(1, 5), min_size=1, max_size=4))
    def run(config: dict[str, Any], story: Any, sizes: list[int]) -> None:
        nonlocal count
        count += 1
        asyncio.run(live(fresh_dsn, count, config, story, sizes))

    run()
