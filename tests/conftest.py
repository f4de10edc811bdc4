"""What every test may ask for: a real PostgreSQL, a fresh database, the corpus of other people's files.

One embedded server a test process, on memory where there is some, without flushing to disk (durability has tests of its
own). One template database is migrated once; each test that wants a database gets a copy in about 20 ms.
"""

import itertools
import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from storage.database import Database
from storage.embedded import Running, embedded
from storage.migrations import upgrade

ROOT = Path(__file__).resolve().parent.parent
_numbers = itertools.count(1)


@dataclass(frozen=True, slots=True)
class Urls:
    """One database, by who signs in."""

    app: str
    worker: str
    owner: str


@pytest.fixture(scope="session")
def postgres() -> Iterator[Running]:
    """The server; its template database `template_colane` holds the schema and nothing else."""
    memory = Path("/dev/shm")
    folder = Path(tempfile.mkdtemp(prefix="colane-test-", dir=memory if os.access(memory, os.W_OK) else None))
    try:
        with embedded(folder, durable=False) as running:
            running.sql("CREATE DATABASE template_colane OWNER colane_owner")
            upgrade(running.url("colane_owner", "template_colane"))
            yield running
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def urls(postgres: Running) -> Iterator[Urls]:
    """A fresh database of this test's own."""
    name = f"test_{next(_numbers)}"
    postgres.sql(f"CREATE DATABASE {name} TEMPLATE template_colane OWNER colane_owner")
    yield Urls(*(postgres.url(role, name) for role in ("colane_app", "colane_worker", "colane_owner")))
    postgres.sql(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
async def db(urls: Urls) -> AsyncIterator[Database]:
    """The application's connections to a fresh database."""
    async with Database.open(urls.app) as database:
        yield database


@pytest.fixture(scope="session")
def corpus() -> Path:
    """The folder of other people's files beside the checkout, never part of it."""
    folder = ROOT.parent / "shared" / "corpus"
    if not folder.is_dir():
        pytest.skip("the corpus of other people's files is not beside this checkout")
    return folder


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What is marked `long` waits for `./run test --long`."""
    if not os.environ.get("COLANE_LONG_MINUTES"):
        for item in items:
            if item.get_closest_marker("long") is not None:
                item.add_marker(pytest.mark.skip(reason="only with ./run test --long"))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """What long runs counted, and where the time went, by folder."""
    spent: dict[str, float] = {}
    for reports in terminalreporter.stats.values():
        for report in reports:
            if isinstance(report, pytest.TestReport):
                for name, value in report.user_properties if report.when == "call" else ():
                    terminalreporter.write_line(f"{report.nodeid}: {name}: {value}")
                folder = "/".join(report.nodeid.split("/")[:2])
                spent[folder] = spent.get(folder, 0.0) + report.duration
    for folder, seconds in sorted(spent.items(), key=lambda pair: -pair[1]):
        terminalreporter.write_line(f"{seconds:8.1f} s  {folder}")
