"""The requests that are measured: which routes, asked by whom, about what. Made once beforehand from what the server has."""

import json
import re
from dataclasses import dataclass
from typing import Final

from load.rest import ask
from load.rest.fill import Filled
from tests.serving import Served

ORGANIZATIONS: Final = 50  # that are asked about, each by an editor
REQUESTS: Final = 1_000
SAVES: Final = 200
XML: Final = "application/xml"
_NAME: Final = re.compile(rb'(<bpmn:\w+ id="\w+" name=")([^"]*)"')


@dataclass(frozen=True, slots=True)
class Route:
    """Requests of one kind; `again` for those that work but once."""

    name: str
    wanted: int
    requests: list[bytes]
    again: list[bytes]


@dataclass(frozen=True, slots=True)
class Asker:
    """Somebody, their organization's diagrams, and the ETag of their list."""

    token: str
    diagrams: list[str]
    etag: str


async def routes(server: Served, size: Filled) -> list[Route]:
    """All of them. What the server does not have (search, say) is left out."""
    askers = [
        await _asker(server, size, number * size.organizations // ORGANIZATIONS) for number in range(ORGANIZATIONS)
    ]
    known = json.loads((await ask.one(server.port, ask.request("GET", "/openapi.json", askers[0].token))).body)["paths"]
    found = [
        _reads("list, 200", askers, "/diagrams"),
        _reads("list, 304", askers, "/diagrams", wanted=304),
        _reads("list of a project, 200", askers, "/diagrams?limit=20&q=order"),
        _reads("get", askers, "/diagrams/{}"),
        _reads("content", askers, "/diagrams/{}/content"),
        _reads("content, live", askers, "/diagrams/{}/content?version=live", count=200),
        _reads("history", askers, "/diagrams/{}/versions"),
        _reads("comments", askers, "/diagrams/{}/comments"),
        _reads("audit", askers, "/diagrams/{}/audit"),
        _reads("usage", askers, "/usage", count=200),
        _reads("mentions", askers, "/me/mentions", count=200),
        _reads("search", askers, "/search?q=handling"),
        _reads("dashboard", askers, "/dashboard"),
    ]
    asked = {"search": "/search", "dashboard": "/dashboard"}
    found = [one for one in found if f"/api/v1{asked.get(one.name, '/diagrams')}" in known]
    return [*found, await _saves(server, askers)]


async def _asker(server: Served, size: Filled, organization: int) -> Asker:
    token = size.token(organization)
    listed = await ask.one(server.port, ask.request("GET", "/api/v1/diagrams", token))
    assert listed.status == 200, listed.body
    return Asker(token, [one["id"] for one in json.loads(listed.body)["items"]], listed.headers["etag"])


def _reads(name: str, askers: list[Asker], path: str, *, wanted: int = 200, count: int = REQUESTS) -> Route:
    made = []
    for number in range(count):
        who = askers[number % len(askers)]
        diagram = who.diagrams[number // len(askers) % len(who.diagrams)]
        more = {"If-None-Match": who.etag} if wanted == 304 else {}
        made.append(ask.request("GET", f"/api/v1{path.format(diagram)}", who.token, headers=more))
    return Route(name, wanted, made, made)


async def _saves(server: Served, askers: list[Asker]) -> Route:
    """Each the next version of a diagram, with one other name."""
    made = []
    for number in range(SAVES + ORGANIZATIONS):
        who = askers[number % len(askers)]
        place = f"/api/v1/diagrams/{who.diagrams[number // len(askers)]}/content"
        held = await ask.one(server.port, ask.request("GET", place, who.token))
        text = _NAME.sub(rb'\g<1>renamed %d"' % number, held.body, count=1)
        assert text != held.body
        headers = {"Content-Type": XML, "If-Match": held.headers["etag"]}
        made.append(ask.request("PUT", place, who.token, text, headers=headers))
    return Route("save", 200, made[:SAVES], made[SAVES:])
