"""One server for this folder, and on it Ann, whose things nobody else may see, and Mallory, with as many of her own."""

import asyncio
from collections.abc import Iterator
from typing import Any

import asyncpg
import httpx
import pytest

from tests.api.conftest import Client, signed_up
from tests.serving import Served, served
from tests.tenancy.places import Operation, operations
from tests.tenancy.world import ANNS_KEY, World, built


@pytest.fixture(scope="package")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with served(tmp_path_factory.mktemp("tenancy") / "data") as running:
        asyncio.run(_every_statement_is_logged(running))
        yield running


async def _every_statement_is_logged(server: Served) -> None:
    conn = await asyncpg.connect(server.database("postgres"))
    await conn.execute("ALTER SYSTEM SET log_statement = 'all'")
    await conn.execute("SELECT pg_reload_conf()")
    await conn.close()


@pytest.fixture(scope="package")
def document(server: Served) -> dict[str, Any]:
    found: dict[str, Any] = httpx.get(f"{server.url}/openapi.json").json()
    return found


@pytest.fixture(scope="package")
def walk(document: dict[str, Any]) -> list[Operation]:
    return operations(document)


@pytest.fixture(scope="package")
def anns(server: Served, walk: list[Operation]) -> Iterator[World]:
    """The tenant that is left alone, with one of everything that any route can name."""
    world = built(server, "ann")
    for diagram in world.diagrams:
        for operation in walk:
            for name in operation.named:
                world.id(name, diagram)
    body = {"title": "a third plan"}
    world.ask("POST", "/diagrams", json=body, headers={"Idempotency-Key": ANNS_KEY})
    world.ask("POST", f"/diagrams/{world.diagrams[0]}/versions", json={}, headers={"Idempotency-Key": ANNS_KEY})
    world.ask("POST", f"/diagrams/{world.diagrams[0]}/ticket", json={})
    yield world
    world.close()


@pytest.fixture(scope="package")
def own(server: Served) -> Iterator[World]:
    """Mallory's own tenant, of the same shape."""
    world = built(server, "mallory")
    yield world
    world.close()


def visitor(server: Served, anns: World) -> Iterator[Client]:
    """Somebody nobody knows, who came through a link to the second diagram."""
    with httpx.Client(base_url=f"{server.url}/api/v1", headers={"Origin": server.url}, timeout=30) as http:
        opened = http.post(f"/share-links/{anns.id('link_secret', anns.diagrams[1])}/open", json={})
        assert opened.status_code == 200, opened.text
        http.headers["Cookie"] = "; ".join(f"{name}={value}" for name, value in http.cookies.items())
        assert http.get(f"/diagrams/{anns.diagrams[1]}").status_code == 200
        yield Client(http, "", "", "")


@pytest.fixture(scope="package", params=["stranger", "former member", "guest of another diagram", "visitor by link"])
def caller(request: pytest.FixtureRequest, server: Served, anns: World, own: World) -> Iterator[Client]:
    """Who asks for the first diagram and whatever else is Ann's, and has no business there."""
    if request.param == "stranger":
        yield own.owner
        return
    if request.param == "visitor by link":
        yield from visitor(server, anns)
        return
    somebody = signed_up(server, request.param.partition(" ")[0])
    if request.param == "former member":
        anns.ask("POST", f"/orgs/{anns.owner.org_id}/members", json={"email": somebody.email, "role": "admin"})
        assert somebody.http.get(f"/diagrams/{anns.diagrams[0]}").status_code == 200
        anns.ask("DELETE", f"/orgs/{anns.owner.org_id}/members/{somebody.user_id}")
    else:
        body = {"email": somebody.email, "role": "editor"}
        anns.ask("PUT", f"/diagrams/{anns.diagrams[1]}/members", json=body)
        assert somebody.http.get(f"/diagrams/{anns.diagrams[1]}").status_code == 200
    yield somebody
    somebody.http.close()
