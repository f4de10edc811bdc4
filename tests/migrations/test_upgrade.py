"""Migrations: step by step or at once, twice or by two at once, on the oldest PostgreSQL we promise; the same catalog."""

import asyncio
import subprocess
import sys
from pathlib import Path

import asyncpg
import pytest

from storage.embedded import OLDEST_VERSION, Running, embedded
from storage.migrations import newest, upgrade
from tests.conftest import ROOT
from tests.tenancy import catalog

OLDEST = Path(f"/usr/lib/postgresql/{OLDEST_VERSION}/bin")


def fresh(postgres: Running, name: str) -> str:
    postgres.sql(f"DROP DATABASE IF EXISTS {name}")
    postgres.sql(f"CREATE DATABASE {name} OWNER colane_owner")
    return postgres.url("colane_owner", name)


async def state(url: str) -> tuple[str, dict[str, list[object]]]:
    connection = await asyncpg.connect(url)
    try:
        revision = await connection.fetchval("SELECT version_num FROM colane_meta.alembic_version")
        return str(revision), await catalog.findings(connection)
    finally:
        await connection.close()


def test_each_step_after_the_other_and_twice(postgres: Running) -> None:
    url = fresh(postgres, "steps")
    for revision in sorted(
        path.name.partition("_")[0] for path in (ROOT / "storage/migrations/versions").glob("[0-9]*.py")
    ):
        upgrade(url, revision)
        assert asyncio.run(state(url))[0] == revision
    upgrade(url)
    assert asyncio.run(state(url)) == (newest(), {})


def test_two_at_once(postgres: Running) -> None:
    url = fresh(postgres, "race")
    command = [sys.executable, "-c", f"from storage.migrations import upgrade; upgrade({url!r})"]
    both = [subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE) for _ in range(2)]
    for one in both:
        _, said = one.communicate(timeout=50)
        assert one.returncode == 0, said.decode()
    assert asyncio.run(state(url)) == (newest(), {})


@pytest.mark.skipif(not (OLDEST / "postgres").exists(), reason=f"no PostgreSQL {OLDEST_VERSION} on this machine")
def test_on_the_oldest_postgresql(tmp_path: Path) -> None:
    with embedded(tmp_path, pg_bin=OLDEST, durable=False) as running:
        url = running.url("colane_owner")
        upgrade(url)
        assert asyncio.run(state(url)) == (newest(), {})
