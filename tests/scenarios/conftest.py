"""Every story has a world of its own, and fails when somebody was told what nobody expected."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.postgres import START
from tests.support.world import World, make_world


@pytest.fixture
async def world(fresh_dsn: str, tmp_path: Path) -> AsyncIterator[World]:
    """Monday 2 March 2026, nine o'clock in UTC."""
    async with make_world(fresh_dsn, tmp_path, START) as made:
        yield made
        made.ends()
