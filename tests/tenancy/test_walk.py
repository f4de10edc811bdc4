"""Another organization's diagram does not exist: on every route, in every place an id can stand, to the letter."""

import json
import re
from typing import Any
from uuid import uuid4

import httpx
import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from tests.api.conftest import Client
from tests.people import TEXT
from tests.serving import Served

BODIES: dict[str, dict[str, Any]] = {
    "PUT content": {"content": TEXT, "headers": {"Content-Type": "application/xml", "If-Match": '"v1"'}},
    "PUT members": {"json": {"email": "nobody@example.org", "role": "viewer"}},
    "PATCH": {"json": {"title": "stolen"}},
    "POST": {"json": {}},
}


def routes(server: Served) -> list[tuple[str, str]]:
    paths = httpx.get(f"{server.url}/openapi.json").json()["paths"]
    return [
        (method.upper(), path)
        for path, methods in paths.items()
        for method in methods
        if method in ("get", "put", "post", "patch", "delete")
    ]


def ask(client: Client, method: str, path: str, filled: str) -> httpx.Response:
    body = BODIES.get(f"{method} {path.rpartition('/')[2]}") or BODIES.get(method, {})
    return client.http.request(method, filled.removeprefix("/api/v1"), **body)


def blanked(answer: httpx.Response) -> tuple[int, dict[str, str], Any]:
    ignored = ("date", "x-request-id", "ratelimit", "ratelimit-policy")
    headers = {k: v for k, v in answer.headers.items() if k not in ignored}
    text = re.sub(r'"request_id":"[^"]*"', '"request_id":""', answer.text)
    return answer.status_code, headers, text


def test_every_diagram_route_answers_as_if_it_did_not_exist(server: Served, ann: Client, mallory: Client) -> None:
    diagram = ann.diagram(TEXT)
    walked = 0
    for method, path in routes(server):
        if "{diagram_id}" not in path:
            continue
        walked += 1
        fill = {"version": "1", "user_id": ann.user_id, "element_id": "Task_1", "comment_id": str(uuid4())}
        theirs = path.replace("{diagram_id}", diagram).format(**fill)
        nobodys = path.replace("{diagram_id}", str(uuid4())).format(**fill)
        foreign, unknown = ask(mallory, method, path, theirs), ask(mallory, method, path, nobodys)
        assert foreign.status_code == 404, f"{method} {path}: {foreign.status_code} {foreign.text[:200]}"
        assert blanked(foreign) == blanked(unknown), f"{method} {path}"
        assert diagram not in foreign.text
    assert walked >= 15
    assert ann.http.get(f"/diagrams/{diagram}").json()["title"] == "Test"
    assert ann.http.get(f"/diagrams/{diagram}/content").content == TEXT


def test_every_organization_route_answers_as_if_it_did_not_exist(server: Served, ann: Client, mallory: Client) -> None:
    for method, path in routes(server):
        if "{org_id}" not in path:
            continue
        fill = {"user_id": ann.user_id}
        foreign = ask(mallory, method, path, path.replace("{org_id}", ann.org_id).format(**fill))
        unknown = ask(mallory, method, path, path.replace("{org_id}", str(uuid4())).format(**fill))
        assert foreign.status_code == 404, f"{method} {path}: {foreign.status_code} {foreign.text[:200]}"
        assert blanked(foreign) == blanked(unknown), f"{method} {path}"


@pytest.mark.parametrize("where", ["?org=", "audit?org="])
def test_a_foreign_organization_in_the_query_is_an_invalid_reference(ann: Client, mallory: Client, where: str) -> None:
    path = f"/{where}" if where.startswith("audit") else f"/diagrams{where}"
    foreign, unknown = mallory.http.get(path + ann.org_id), mallory.http.get(path + str(uuid4()))
    assert (foreign.status_code, foreign.json()["code"]) == (422, "invalid_reference")
    assert blanked(foreign) == blanked(unknown)


def test_the_socket_refuses_a_foreign_diagram_as_an_unknown_one(server: Served, ann: Client, mallory: Client) -> None:
    diagram = ann.diagram(TEXT)
    token = mallory.http.headers["Authorization"]
    for name in (diagram, str(uuid4()), "nonsense"):
        with (
            pytest.raises(InvalidStatus) as raised,
            connect(f"{server.ws}/{name}", additional_headers={"Authorization": token}),
        ):
            pass
        assert raised.value.response.status_code == 404
    for headers, status in (({}, 401), ({"Authorization": "Bearer clt_wrong"}, 401)):
        with pytest.raises(InvalidStatus) as raised, connect(f"{server.ws}/{diagram}", additional_headers=headers):
            pass
        assert raised.value.response.status_code == status


def test_lists_and_search_show_only_ones_own(ann: Client, mallory: Client) -> None:
    diagram = ann.diagram(TEXT, "Ann's secret plan")
    assert diagram in [d["id"] for d in ann.http.get("/diagrams").json()["items"]]
    assert mallory.http.get("/diagrams", params={"q": "secret"}).json()["items"] == []


def test_guests_and_roles(server: Served, ann: Client, mallory: Client) -> None:
    diagram = ann.diagram(TEXT)
    added = ann.http.put(f"/diagrams/{diagram}/members", json={"email": mallory.email, "role": "viewer"})
    assert added.status_code in (200, 201)
    assert mallory.http.get(f"/diagrams/{diagram}/content").content == TEXT
    refused = mallory.http.put(
        f"/diagrams/{diagram}/content", content=TEXT, headers={"Content-Type": "application/xml", "If-Match": '"v1"'}
    )
    assert (refused.status_code, refused.json()["code"]) == (403, "forbidden")
    assert mallory.http.delete(f"/diagrams/{diagram}").status_code == 403
    assert ann.http.delete(f"/diagrams/{diagram}/members/{mallory.user_id}").status_code == 204
    assert mallory.http.get(f"/diagrams/{diagram}").status_code == 404
    assert json.loads(ann.http.get(f"/diagrams/{diagram}/members").text)["items"] == []
