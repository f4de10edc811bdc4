"""A real Valkey, and two real servers on one embedded PostgreSQL, for tests that look at several nodes from outside."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from storage import valkey
from storage.valkey import Valkey, ValkeyError
from tests.serving import Served


@dataclass(frozen=True)
class Pair:
    """Two nodes and what is between them. The first has the database embedded."""

    one: Served
    two: Served
    redis: Valkey


@contextmanager
def redis() -> Iterator[Valkey]:
    """The real thing, or the test is skipped where none can be had."""
    try:
        valkey.find_binary()
    except ValkeyError as error:
        pytest.skip(f"NO REDIS: {error}")
    with valkey.valkey() as running:
        yield running


@contextmanager
def pair(folder: Path, **settings: str) -> Iterator[Pair]:
    """Both running."""
    with redis() as between, Served(folder / "one", settings={"REDIS_URL": between.url, **settings}) as one:
        urls = {
            "REDIS_URL": between.url,
            "DATABASE_URL": one.database("colane_app"),
            "COLANE_WORKER_URL": one.database("colane_worker"),
        }
        with Served(folder / "two", settings={**urls, **settings}) as two:
            yield Pair(one, two, between)
