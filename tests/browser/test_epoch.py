"""A laptop that slept while the document began a new epoch: the page opens anew by itself and takes its edits along (R13)."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from uuid import UUID

from playwright.sync_api import expect
from sqlalchemy import text

from collab import epochs, fold
from collab.bpmn import document
from collab.epochs import Outcome
from collab.workshop import Workshop
from storage.database import Database
from storage.updates import Append, UpdateLog
from tests.browser.pages import Person
from tests.collab.test_epochs import heavy
from tests.people import TEXT
from tests.serving import Served


async def renewed(server: Served, diagram: UUID, org: UUID) -> Outcome:
    """What the worker does at night, now."""
    url = server.database("colane_worker")
    async with UpdateLog.open(server.database("colane_app")) as log:
        stored = await log.load(org, diagram)
        before = document.load(stored.updates)
        doc = document.load([heavy(bytes(before.get_update()))])
        await log.append([Append(org, diagram, 1, doc.get_update(before.get_state()), None, 77)])
    async with Database.open(url) as db, UpdateLog.open(url) as log, Workshop.open() as shop:
        await fold.fold(db, log, shop, org, diagram)
        async with db.transaction(org=org) as conn:
            await conn.execute(text("UPDATE colane.diagram_heads SET seen_at = now() - interval '2 days'"))
        return await epochs.renew(db, log, shop, org, diagram)


def test_R13_a_page_that_was_away_opens_anew_and_takes_its_edits_along(
    server: Served, person: Callable[..., Person]
) -> None:
    diagram = server.create(TEXT)
    with server.http() as client:
        org = client.get(f"/diagrams/{diagram}").json()["org_id"]
    ann = person("Ann", diagram)
    ann.context.set_offline(True)
    ann.rename("Task_1", "On the train")
    # While Playwright runs, its loop counts as running: ours runs in a thread.
    with ThreadPoolExecutor(1) as thread:
        assert thread.submit(asyncio.run, renewed(server, UUID(diagram), UUID(org))).result() is Outcome.RENEWED
    ann.context.set_offline(False)
    expect(ann.page.get_by_text("Your last edits were carried over")).to_be_visible(timeout=30_000)
    expect(ann.element("Task_1").locator("text")).to_contain_text("On the train", timeout=20_000)
    assert b'name="On the train"' in server.content(diagram, "live")
    ann.rename("Task_1", "At home")
    expect(ann.page.locator(".light[data-light=saved]")).to_be_visible()
    assert b'name="At home"' in server.content(diagram, "live")
