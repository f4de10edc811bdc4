"""One bench process for all tests of a process, and a log on the test's own database."""

from collections.abc import AsyncIterator, Iterator

import pytest

from collab.workshop import Process, Workshop
from storage.database import Database
from storage.updates import UpdateLog
from tests.conftest import Urls

Hand = tuple[Database, UpdateLog]


@pytest.fixture(scope="session")
def process() -> Iterator[Process]:
    """Starting one costs a second, so it is started once."""
    started = Process()
    yield started
    started.end()


@pytest.fixture
async def shop(process: Process) -> AsyncIterator[Workshop]:
    async with Workshop.of([process]) as opened:
        yield opened


@pytest.fixture
async def log(urls: Urls) -> AsyncIterator[UpdateLog]:
    async with UpdateLog.open(urls.app) as opened:
        yield opened


@pytest.fixture
async def hand(urls: Urls) -> AsyncIterator[Hand]:
    """The worker's own login."""
    async with Database.open(urls.worker) as db, UpdateLog.open(urls.worker) as log:
        yield db, log
