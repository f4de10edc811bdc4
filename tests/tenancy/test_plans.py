"""No query reads rows of other tenants on its way to ours: every plan of every route, on some thousand diagrams.

Tables are read as a whole only where no index would do, so the statistics of a small database do not matter. The same on
100,000 diagrams, as PostgreSQL decides by itself: `./run bench rest`.
"""

import asyncio
import re
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import httpx
import pytest

from load.rest import plans
from load.rest.fill import Filled, fill
from storage.embedded import Running
from tests.conftest import Urls
from tests.people import TEXT
from tests.serving import Served, served

SIZE = Filled(40, 50)
XML = {"Content-Type": "application/xml"}


@pytest.fixture
def server(postgres: Running, urls: Urls, tmp_path: Path) -> Iterator[Served]:
    """A server on a database that was filled before it came, and tells what it does."""
    superuser = urls.owner.replace("colane_owner@", "postgres@")
    asyncio.run(fill(superuser, SIZE))
    asyncio.run(plans.watch(superuser, seqscan=False))
    with served(tmp_path / "data", DATABASE_URL=urls.app, COLANE_WORKER_URL=urls.worker) as running:
        yield running


def said(answer: httpx.Response) -> httpx.Response:
    assert answer.status_code < 300, answer.text
    return answer


def routes(server: Served) -> list[str]:
    """All that reads, by the server's own description."""
    paths = httpx.get(f"{server.url}/openapi.json").json()["paths"]
    return [path.removeprefix("/api/v1") for path, methods in paths.items() if "get" in methods]


def test_every_plan_goes_in_by_the_organization(server: Served, postgres: Running) -> None:
    log = plans.Log(postgres.folder.with_suffix(".log"))
    headers = {"Authorization": f"Bearer {SIZE.token(3, 0)}"}
    with httpx.Client(base_url=f"{server.url}/api/v1", headers=headers, timeout=30) as http:
        (first, *_) = said(http.get("/diagrams", params={"limit": 3})).json()["items"]
        diagram = f"/diagrams/{first['id']}"
        fill = {
            "diagram_id": first["id"],
            "org_id": first["org_id"],
            "version": first["version"],
            "element_id": "Task_1",
        }
        walked = routes(server)
        for path in walked:
            filled = re.sub(r"\{(\w+)\}", lambda place: str(fill.get(place[1], uuid4())), path)
            answer = http.get(filled, params={"q": "order"} if path == "/search" else {})
            assert answer.status_code < 500, (path, answer.text)
        said(http.get("/diagrams", params={"q": "order", "limit": 2, "updated_after": "2025-01-01T00:00:00Z"}))
        said(http.get(f"{diagram}/content", params={"version": "live"}))
        made = said(http.post("/diagrams", params={"title": "New"}, content=TEXT, headers=XML))
        new = f"/diagrams/{made.json()['id']}"
        changed = TEXT.replace(b'name="Do"', b'name="Done"')
        saved = {**XML, "If-Match": '"v1"', "Idempotency-Key": "once"}
        for _ in range(2):
            said(http.put(f"{new}/content", content=changed, headers=saved))
        said(http.patch(new, json={"title": "Newer"}))
        thread = said(http.post(f"{new}/comments", json={"text": "Why?", "element_id": "Task_1"})).json()["id"]
        said(http.post(f"{new}/comments/{thread}/replies", json={"text": "Because"}))
        said(http.post(f"{new}/versions/1/restore"))
        said(http.post(f"{new}/ticket"))
        said(http.delete(new))
    seen = log.read()
    assert len(walked) >= 15
    assert len(seen.plans) > 200
    assert seen.findings == []


def test_a_plan_that_reads_a_whole_table_or_finds_by_something_else_is_found_out() -> None:
    def plan(**node: object) -> dict[str, object]:
        return {"Query Text": "SELECT 1", "Plan": {"Node Type": "Limit", "Plans": [node]}}

    whole = {"Node Type": "Seq Scan", "Relation Name": "versions", "Filter": "(org_id = x)"}
    other = {
        "Node Type": "Index Scan",
        "Relation Name": "diagram_members",
        "Index Name": "i",
        "Index Cond": "(user_id = x)",
    }
    bitmap = {"Node Type": "Bitmap Index Scan", "Index Name": "diagrams_title_idx", "Index Cond": "(title = x)"}
    for node in (whole, other, bitmap):
        assert len(list(plans.breaks(plan(**node)))) == 1
    fine = {
        "Node Type": "Index Scan",
        "Relation Name": "versions",
        "Index Name": "versions_pkey",
        "Index Cond": "(org_id = x)",
    }
    for node in (fine, {"Node Type": "Seq Scan", "Alias": "unnest"}):
        assert list(plans.breaks(plan(**node))) == []
