"""A Chromium for the run, and a running Tocsin for each story.

Everything lives on one event loop for the run: the browser is started once.
"""

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser

from tests.support import chromium
from tests.support.chromium import Screen
from tests.support.fake_providers import FakeHttp
from tests.support.running import Running, running

OpenScreen = Callable[..., AbstractAsyncContextManager[Screen]]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Every test here needs the browser, and the loop that the browser lives on."""
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.browser)
            item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)


@pytest.fixture(scope="session")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Where the pictures of this run are; printed at the end (with -s)."""
    folder = tmp_path_factory.mktemp("pictures")
    yield folder
    print(f"\nPictures of the pages: {folder}")


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser() -> AsyncIterator[Browser]:
    async with chromium.chromium() as made:
        yield made


@pytest_asyncio.fixture(loop_scope="session")
async def tocsin(fresh_dsn: str, server_dsn: str, tmp_path: Path) -> AsyncIterator[Running]:
    """A fresh installation that nobody has set up."""
    async with running(fresh_dsn, server_dsn, tmp_path / "data") as made:
        yield made


@pytest_asyncio.fixture(loop_scope="session")
async def phone() -> AsyncIterator[FakeHttp]:
    """The ntfy server that pages reach people through."""
    async with FakeHttp("ntfy") as made:
        yield made


@pytest.fixture
def open_screen(browser: Browser, tocsin: Running, pictures: Path) -> OpenScreen:
    """Open a window on the installation: `async with open_screen(width=390) as ann:`."""

    def made(**options: Any) -> AbstractAsyncContextManager[Screen]:
        return chromium.screen(browser, tocsin.url, pictures, **options)

    return made
