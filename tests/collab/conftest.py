"""A workshop for all tests of a process, and a log on the test's own database."""

from collections.abc import AsyncIterator

import pytest

from collab.workshop import Workshop
from storage.updates import UpdateLog
from tests.conftest import Urls


@pytest.fixture
async def shop() -> AsyncIterator[Workshop]:
    async with Workshop.open() as opened:
        yield opened


@pytest.fixture
async def log(urls: Urls) -> AsyncIterator[UpdateLog]:
    async with UpdateLog.open(urls.app) as opened:
        yield opened
