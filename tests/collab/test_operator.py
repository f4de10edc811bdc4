"""What an operator types: parked events are shown, handled again, given up; read models made anew. On a real database."""

import os
import subprocess
import sys
from pathlib import Path

from sqlalchemy import text

from collab.delivery import Delivery
from collab.readmodels import ReadModels
from collab.workshop import Workshop
from storage.database import Database
from tests.collab.test_readmodels import rows
from tests.collab.test_worker import aged
from tests.conftest import ROOT, Urls
from tests.people import diagram_of, somebody


def colane(urls: Urls, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "COLANE_WORKER_URL": urls.worker}
    command = [sys.executable, "-m", "colane", *arguments]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=60)


async def test_parked_events_are_shown_and_handled_again(db: Database, shop: Workshop, urls: Urls) -> None:
    owner = await somebody(db)
    diagram = await diagram_of(db, shop, owner)
    await aged(urls, "UPDATE colane.outbox SET parked_at = now(), attempts = 8, last_error = 'ValueError: no'")
    (line,) = colane(urls, "outbox", "list").stdout.splitlines()
    event = line.split()[0]
    for said in (
        "parked",
        "diagram.create",
        str(diagram),
        str(owner.org_id),
        "attempts 8",
        "behind it 0",
        "ValueError: no",
    ):
        assert said in line
    assert colane(urls, "outbox", "replay", str(diagram)).returncode == 1, "no event has this id"
    assert colane(urls, "outbox", "replay", event).stdout == "1 to be handled again\n"
    assert "waiting" in colane(urls, "outbox", "list", "--all").stdout
    async with Database.open(urls.worker) as hand:
        assert await Delivery(hand, [ReadModels(hand, shop)]).round() == 1
    assert colane(urls, "outbox", "skip", event).returncode == 1, "it is handled"


async def test_read_models_are_made_anew(db: Database, shop: Workshop, urls: Urls) -> None:
    owner = await somebody(db)
    await diagram_of(db, shop, owner)
    async with Database.open(urls.worker) as hand:
        await Delivery(hand, [ReadModels(hand, shop)]).round()
        before = await rows(hand, owner.org_id)
        async with hand.transaction(org=owner.org_id) as conn:
            await conn.execute(text("DELETE FROM colane.search_entries WHERE field <> 'title'"))
            await conn.execute(text("UPDATE colane.diagram_activity SET edits = edits + 1"))
        assert await rows(hand, owner.org_id) != before
        done = colane(urls, "readmodels", "rebuild", "--org", str(owner.org_id))
        assert (done.returncode, done.stdout) == (0, f"organization 1 of 1: {owner.org_id}: 1 diagrams\n")
        assert await rows(hand, owner.org_id) == before


def test_without_a_database_it_says_what_to_do(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "colane", "outbox", "list", "--data", str(tmp_path)],
        cwd=ROOT, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert done.returncode == 2
    assert "start the server, or set COLANE_WORKER_URL" in done.stderr
