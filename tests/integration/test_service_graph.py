"""Dependencies on a real database: two people at once, bounds, and a fixed number of queries."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.postgres import START
from tests.support.world import World, make_world
from tocsin.accounts.model import SYSTEM, Role
from tocsin.catalog import actions as catalog
from tocsin.catalog import graph
from tocsin.catalog.graph_model import End, NewBusinessService, NodeKind, Pair
from tocsin.core.database import Tx
from tocsin.core.errors import NotFound, Refused
from tocsin.queries import related_changes, service_graph
from tocsin.queries.service_graph import State


@pytest.fixture
async def world(fresh_dsn: str, tmp_path: Path) -> AsyncIterator[World]:
    async with make_world(fresh_dsn, tmp_path, START) as made:
        await made.person("ann", role=Role.OWNER)
        for name in ("shop", "pay", "db"):
            await made.service(name, [["ann"]])
        yield made


def pair(world: World, dependent: str, supporting: str) -> Pair:
    return Pair(
        dependent=End("service", world.services[dependent].id),
        supporting=End("service", world.services[supporting].id),
    )


async def test_two_who_close_a_circle_at_once_do_not_both_succeed(world: World) -> None:
    async def add(dependent: str, supporting: str) -> str:
        try:
            async with world.database.transaction() as tx:
                await catalog.associate(tx, SYSTEM, [pair(world, dependent, supporting)], START)
                # Long enough for the other to begin.
                await asyncio.sleep(0.05)
        except Refused as refused:
            return refused.reason
        return "added"

    said = await asyncio.gather(add("shop", "pay"), add("pay", "db"), add("db", "shop"))
    assert sorted(said) == ["added", "added", "dependency_cycle"]


async def test_the_same_at_once_is_added_once(world: World) -> None:
    async def add() -> str:
        async with world.database.transaction() as tx:
            (one,) = await catalog.associate(tx, SYSTEM, [pair(world, "shop", "pay")], START)
            return one.id

    assert len(set(await asyncio.gather(add(), add(), add()))) == 1


async def test_what_is_deleted_meanwhile_keeps_no_dependency(world: World) -> None:
    async def delete() -> None:
        async with world.database.transaction() as tx:
            await catalog.delete_service(tx, SYSTEM, world.services["pay"].id, START)

    async with world.database.transaction() as tx:
        await catalog.associate(tx, SYSTEM, [pair(world, "shop", "pay")], START)
        deleting = asyncio.create_task(delete())
        await asyncio.sleep(0.1)
    await deleting
    async with world.database.transaction() as tx:
        assert await catalog.all_dependencies(tx) == []
        with pytest.raises(NotFound):
            await catalog.associate(tx, SYSTEM, [pair(world, "shop", "pay")], START)


class Counting:
    """A transaction that counts its reads."""

    def __init__(self, tx: Tx) -> None:
        self.tx = tx
        self.reads = 0

    def __getattr__(self, name: str) -> Any:
        if name in ("all", "one", "rows", "tuples", "value"):
            self.reads += 1
        return getattr(self.tx, name)


async def test_a_look_costs_the_same_however_large_the_graph_is(world: World) -> None:
    """A chain of business services above a service, with an incident at its foot."""
    shop = world.services["shop"].id
    await world.trigger("shop", "down")
    world["ann"].expects_page("down")
    reads: list[tuple[int, ...]] = []
    below = End("service", shop)
    number = 0
    for length in (1, 10, graph.MOST_DEPTH - 1):
        async with world.database.transaction() as tx:
            while number < length:
                number += 1
                new = NewBusinessService(name=f"level {number}")
                one = await catalog.create_business_service(tx, SYSTEM, new, START)
                above = End(NodeKind.BUSINESS.value, one.id)
                pairs = [Pair(dependent=above, supporting=below)]
                await catalog.associate(tx, SYSTEM, pairs, START)
                below = above
            counts = []
            counting: Any = Counting(tx)
            found = await service_graph.impacts(counting, SYSTEM, [below.id])
            assert len(found[below.id].hits[0].way) == length + 1
            counts.append(counting.reads)
            around = await service_graph.around(counting, SYSTEM, shop)
            assert len(around.spreads_to) == length
            counts.append(counting.reads)
            whole = await service_graph.whole(counting, SYSTEM)
            assert {place.state for place in whole.places} == {State.TRIGGERED, State.HIT}
            assert len(whole.hot) == length
            counts.append(counting.reads)
            assert len(await service_graph.hit_business(counting, SYSTEM, shop, None)) == length
            counts.append(counting.reads)
            await related_changes.of(counting, SYSTEM, shop, START)
            counts.append(counting.reads)
            reads.append(tuple(counts))
    assert len(set(reads)) == 1, reads


async def test_a_chain_has_a_bound(world: World) -> None:
    """One more than the longest chain is refused, and what came before stays."""
    below = End("service", world.services["shop"].id)
    async with world.database.transaction() as tx:
        for number in range(graph.MOST_DEPTH + 1):
            new = NewBusinessService(name=f"level {number}")
            one = await catalog.create_business_service(tx, SYSTEM, new, START)
            above = End(NodeKind.BUSINESS.value, one.id)
            pairs = [Pair(dependent=above, supporting=below)]
            if number == graph.MOST_DEPTH:
                with pytest.raises(Refused, match="longer than 100"):
                    await catalog.associate(tx, SYSTEM, pairs, START)
            else:
                await catalog.associate(tx, SYSTEM, pairs, START)
            below = above
        assert len(await catalog.all_dependencies(tx)) == graph.MOST_DEPTH
