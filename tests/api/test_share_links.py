"""Links to a diagram over REST: who makes them, who comes in by them, as what, and for how long."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import httpx
import pytest

from tests.api.conftest import Client, signed_up
from tests.api.test_access import code
from tests.people import TEXT
from tests.serving import Served


@pytest.fixture(scope="module")
def bob(server: Served) -> Iterator[Client]:
    client = signed_up(server, "Bob")
    yield client
    client.http.close()


def link(owner: Client, diagram: str, **wanted: Any) -> tuple[str, str]:
    """A new link's id and secret."""
    made = owner.http.post(f"/diagrams/{diagram}/share-links", json=wanted)
    assert made.status_code == 201, made.text
    return made.json()["id"], made.json()["url"].rpartition("/share/")[2]


def stranger(server: Served) -> httpx.Client:
    return httpx.Client(base_url=f"{server.url}/api/v1", headers={"Origin": server.url}, timeout=30)


def test_a_signed_in_person_becomes_a_guest_with_the_links_role(ann: Client, bob: Client) -> None:
    diagram = ann.diagram(TEXT)
    assert bob.http.get(f"/diagrams/{diagram}").status_code == 404
    made, secret = link(ann, diagram, role="commenter")
    assert bob.http.get(f"/share-links/{secret}").json() == {
        "role": "commenter",
        "has_password": False,
        "expires_at": None,
    }
    opened = bob.http.post(f"/share-links/{secret}/open")
    assert opened.json() == {"diagram_id": diagram, "role": "commenter", "url": f"/d/{diagram}"}
    assert "set-cookie" not in opened.headers
    assert bob.http.get(f"/diagrams/{diagram}").json()["role"] == "commenter"
    assert code(bob.http.patch(f"/diagrams/{diagram}", json={"title": "x"})) == (403, "forbidden")
    _, better = link(ann, diagram, role="editor")
    bob.http.post(f"/share-links/{better}/open").raise_for_status()
    assert bob.http.patch(f"/diagrams/{diagram}", json={"title": "x"}).status_code == 200
    assert code(bob.http.get(f"/diagrams/{diagram}/share-links")) == (403, "forbidden")
    listed = ann.http.get(f"/diagrams/{diagram}/share-links").json()["items"]
    assert [(one["role"], one["has_password"], one["created_by"]["name"]) for one in listed] == [
        ("editor", False, "Ann"),
        ("commenter", False, "Ann"),
    ]
    assert secret not in str(listed)
    assert better not in str(listed)
    for one in listed:
        assert ann.http.delete(f"/diagrams/{diagram}/share-links/{one['id']}").status_code == 204
    assert code(ann.http.delete(f"/diagrams/{diagram}/share-links/{made}")) == (404, "not_found")
    assert bob.http.get(f"/diagrams/{diagram}").status_code == 404
    assert code(bob.http.post(f"/share-links/{secret}/open")) == (404, "not_found")


def test_a_visitor_reads_this_diagram_and_nothing_else(server: Served, ann: Client) -> None:
    diagram, other = ann.diagram(TEXT), ann.diagram(TEXT)
    made, secret = link(ann, diagram, role="viewer")
    with stranger(server) as visitor:
        assert code(visitor.get(f"/diagrams/{diagram}")) == (401, "unauthenticated")
        opened = visitor.post(f"/share-links/{secret}/open", json={})
        assert opened.status_code == 200
        assert "HttpOnly" in opened.headers["set-cookie"]
        reads = ("", "/content", "/content?version=live", "/versions", "/versions/1", "/presence", "/thumbnail.svg",
                 "/export?format=svg", "/elements/Task_1/history")  # fmt: skip
        assert [visitor.get(f"/diagrams/{diagram}{path}").status_code for path in reads] == [200] * len(reads)
        assert visitor.get(f"/diagrams/{diagram}").json()["role"] == "viewer"
        assert visitor.get(f"/diagrams/{diagram}/content").content == TEXT
        assert visitor.post(f"/diagrams/{diagram}/ticket").json()["role"] == "viewer"
        foreign, unknown = visitor.get(f"/diagrams/{other}"), visitor.get(f"/diagrams/{uuid4()}")
        assert code(foreign) == code(unknown) == (404, "not_found")
        refused = [
            visitor.get("/me"),
            visitor.get("/orgs"),
            visitor.get("/tokens"),
            visitor.get("/diagrams"),
            visitor.get(f"/orgs/{ann.org_id}"),
            visitor.get(f"/diagrams/{diagram}/members"),
            visitor.get(f"/diagrams/{diagram}/audit"),
            visitor.get(f"/diagrams/{diagram}/share-links"),
            visitor.post("/tokens", json={"name": "x"}),
            visitor.post("/diagrams", json={"title": "x"}),
            visitor.patch(f"/diagrams/{diagram}", json={"title": "x"}),
            visitor.put(f"/diagrams/{diagram}/content", content=TEXT, headers={"Content-Type": "application/xml"}),
            visitor.delete(f"/diagrams/{diagram}"),
            visitor.post(f"/diagrams/{diagram}/versions", json={}),
        ]
        assert [code(one) for one in refused] == [(401, "unauthenticated")] * len(refused)
        no_origin = httpx.post(
            f"{server.url}/api/v1/diagrams/{diagram}/ticket",
            headers={"Cookie": f"colane_session={visitor.cookies['colane_session']}"},
        )
        assert code(no_origin) == (403, "origin_not_allowed")
        assert ann.http.delete(f"/diagrams/{diagram}/share-links/{made}").status_code == 204
        assert code(visitor.get(f"/diagrams/{diagram}")) == (401, "unauthenticated")


def test_a_visitor_signs_out(server: Served, ann: Client) -> None:
    diagram = ann.diagram(TEXT)
    _, secret = link(ann, diagram, role="viewer")
    with stranger(server) as visitor:
        visitor.post(f"/share-links/{secret}/open").raise_for_status()
        kept = {"Cookie": f"colane_session={visitor.cookies['colane_session']}"}
        assert visitor.post("/auth/logout").status_code == 204
    assert httpx.get(f"{server.url}/api/v1/diagrams/{diagram}", headers=kept).status_code == 401


def test_without_signing_in_only_a_viewers_link_opens(server: Served, ann: Client) -> None:
    diagram = ann.diagram(TEXT)
    for role in ("commenter", "editor"):
        _, secret = link(ann, diagram, role=role)
        with stranger(server) as visitor:
            assert code(visitor.post(f"/share-links/{secret}/open")) == (401, "unauthenticated")
            assert code(visitor.get(f"/diagrams/{diagram}")) == (401, "unauthenticated")


def test_a_password_is_asked_for(server: Served, ann: Client, bob: Client) -> None:
    diagram = ann.diagram(TEXT)
    _, secret = link(ann, diagram, role="viewer", password="open sesame")
    with stranger(server) as visitor:
        assert visitor.get(f"/share-links/{secret}").json()["has_password"] is True
        for client in (visitor, bob.http):
            for tried in ({}, {"password": ""}, {"password": "open"}):
                assert code(client.post(f"/share-links/{secret}/open", json=tried)) == (401, "bad_credentials")
            assert client.get(f"/diagrams/{diagram}").status_code in (401, 404)
            assert client.post(f"/share-links/{secret}/open", json={"password": "open sesame"}).status_code == 200
            assert client.get(f"/diagrams/{diagram}").status_code == 200


def test_a_link_ends_when_its_time_is_over(server: Served, ann: Client, bob: Client) -> None:
    diagram = ann.diagram(TEXT)
    end = datetime.now(UTC) + timedelta(seconds=2)
    _, secret = link(ann, diagram, role="viewer", expires_at=end.isoformat())
    with stranger(server) as visitor:
        visitor.post(f"/share-links/{secret}/open").raise_for_status()
        bob.http.post(f"/share-links/{secret}/open").raise_for_status()
        assert (visitor.get(f"/diagrams/{diagram}").status_code, bob.http.get(f"/diagrams/{diagram}").status_code) == (
            200,
            200,
        )
        time.sleep(max(0.0, (end - datetime.now(UTC)).total_seconds()) + 0.1)
        assert code(visitor.get(f"/diagrams/{diagram}")) == (401, "unauthenticated")
        assert code(bob.http.get(f"/diagrams/{diagram}")) == (404, "not_found")
        assert code(visitor.post(f"/share-links/{secret}/open")) == (404, "not_found")
    assert [one["role"] for one in ann.http.get(f"/diagrams/{diagram}/share-links").json()["items"]] == ["viewer"]


def test_what_a_link_may_be(server: Served, ann: Client, bob: Client) -> None:
    diagram = ann.diagram(TEXT)
    yesterday = (datetime.now(UTC) - timedelta(days=1)).isoformat()
    for wrong in (
        {},
        {"role": "owner"},
        {"role": "viewer", "password": "short"},
        {"role": "viewer", "expires_at": yesterday},
    ):
        assert code(ann.http.post(f"/diagrams/{diagram}/share-links", json=wrong)) == (400, "invalid_request")
    ann.http.put(f"/diagrams/{diagram}/members", json={"email": bob.email, "role": "editor"}).raise_for_status()
    refused = bob.http.post(f"/diagrams/{diagram}/share-links", json={"role": "viewer"})
    assert code(refused) == (403, "forbidden"), "an editor who did not make it"


def test_a_private_diagram_opens_by_its_link_and_is_then_in_the_list(server: Served, ann: Client, bob: Client) -> None:
    assert ann.http.post(f"/orgs/{ann.org_id}/members", json={"email": bob.email, "role": "editor"}).status_code == 201
    diagram = ann.diagram(TEXT)
    ann.http.patch(f"/diagrams/{diagram}", json={"visibility": "private"}).raise_for_status()
    assert bob.http.get(f"/diagrams/{diagram}").status_code == 404
    _, secret = link(ann, diagram, role="viewer")
    bob.http.post(f"/share-links/{secret}/open").raise_for_status()
    assert bob.http.get(f"/diagrams/{diagram}").json()["role"] == "viewer"
    assert diagram in [one["id"] for one in bob.http.get(f"/diagrams?org={ann.org_id}").json()["items"]]
    ann.http.patch(f"/diagrams/{diagram}", json={"visibility": "org"}).raise_for_status()
    assert bob.http.get(f"/diagrams/{diagram}").json()["role"] == "editor", "a link never lowers"
    assert ann.http.delete(f"/orgs/{ann.org_id}/members/{bob.user_id}").status_code == 204
