"""What a credential is good for: scopes of access tokens, and sessions that begin anew with every sign-in."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.api.conftest import PASSWORD, Client, signed_up
from tests.people import TEXT
from tests.serving import Served


def with_scopes(server: Served, owner: Client, *scopes: str) -> httpx.Client:
    made = owner.http.post("/tokens", json={"name": " ".join(scopes), "scopes": list(scopes)})
    assert made.status_code == 201, made.text
    headers = {"Authorization": f"Bearer {made.json()['token']}"}
    return httpx.Client(base_url=f"{server.url}/api/v1", headers=headers, timeout=30)


@pytest.fixture(scope="module")
def bob(server: Served) -> Iterator[Client]:
    client = signed_up(server, "Bob")
    yield client
    client.http.close()


def code(answer: httpx.Response) -> tuple[int, str | None]:
    body: dict[str, Any] = answer.json() if answer.content and "json" in answer.headers.get("content-type", "") else {}
    return answer.status_code, body.get("code")


@pytest.mark.parametrize("scopes", [["diagrams"], ["read", "everything"], ["READ"], [], ["read", 7]])
def test_unknown_scopes_are_refused(ann: Client, scopes: list[Any]) -> None:
    refused = ann.http.post("/tokens", json={"name": "t", "scopes": scopes})
    assert code(refused) == (400, "invalid_request")
    assert refused.json()["errors"][0]["path"].startswith("body.scopes")


def test_a_token_says_what_it_is_good_for(ann: Client) -> None:
    made = ann.http.post("/tokens", json={"name": "listed", "scopes": ["write", "read", "read"]}).json()["id"]
    default = ann.http.post("/tokens", json={"name": "default"}).json()["id"]
    listed = {one["id"]: one["scopes"] for one in ann.http.get("/tokens").json()["items"]}
    assert (listed[made], listed[default]) == (["read", "write"], ["admin"])


def test_a_read_token_reads_and_does_nothing_else(server: Served, ann: Client) -> None:
    diagram = ann.diagram(TEXT)
    with with_scopes(server, ann, "read") as reader:
        seen = reader.get(f"/diagrams/{diagram}")
        assert (seen.status_code, seen.json()["role"]) == (200, "viewer")
        assert reader.get(f"/diagrams/{diagram}/content").content == TEXT
        assert reader.get("/diagrams").status_code == 200
        assert reader.get(f"/orgs/{ann.org_id}/members").status_code == 200
        assert reader.post("/validate", content=TEXT, headers={"Content-Type": "application/xml"}).status_code == 200
        assert reader.post(f"/diagrams/{diagram}/ticket").json()["role"] == "viewer"
        refused = [
            reader.post("/diagrams", json={"title": "x"}),
            reader.patch(f"/diagrams/{diagram}", json={"title": "x"}),
            reader.delete(f"/diagrams/{diagram}"),
            reader.post("/projects", json={"name": "x"}),
            reader.put(f"/diagrams/{diagram}/content", content=TEXT, headers={"Content-Type": "application/xml"}),
            reader.post("/orgs", json={"name": "x"}),
            reader.patch(f"/orgs/{ann.org_id}", json={"name": "x"}),
            reader.get("/tokens"),
            reader.post("/tokens", json={"name": "x"}),
            reader.get("/audit"),
        ]
        assert [code(one) for one in refused] == [(403, "forbidden")] * len(refused)
    assert ann.http.get(f"/diagrams/{diagram}").json()["title"] == "Test"


def test_a_write_token_writes_and_does_not_administer(server: Served, ann: Client, bob: Client) -> None:
    with with_scopes(server, ann, "write") as writer:
        made = writer.post("/diagrams", json={"title": "by a script"})
        assert (made.status_code, writer.get(f"/diagrams/{made.json()['id']}").json()["role"]) == (201, "editor")
        assert writer.patch(f"/diagrams/{made.json()['id']}", json={"title": "y"}).status_code == 200
        refused = [
            writer.post("/tokens", json={"name": "more", "scopes": ["admin"]}),
            writer.get("/tokens"),
            writer.post("/orgs", json={"name": "x"}),
            writer.patch(f"/orgs/{ann.org_id}", json={"name": "x"}),
            writer.post(f"/orgs/{ann.org_id}/members", json={"email": bob.email, "role": "viewer"}),
            writer.put(f"/diagrams/{made.json()['id']}/members", json={"email": bob.email, "role": "viewer"}),
        ]
        assert [code(one) for one in refused] == [(403, "forbidden")] * len(refused)


def test_an_owners_read_token_lists_what_it_may_open(server: Served, ann: Client, bob: Client) -> None:
    assert ann.http.post(f"/orgs/{ann.org_id}/members", json={"email": bob.email, "role": "editor"}).status_code == 201
    private = bob.http.post(f"/diagrams?org={ann.org_id}", json={"title": "mine", "visibility": "private"}).json()["id"]
    with with_scopes(server, ann, "read") as reader:
        assert private in [one["id"] for one in reader.get("/diagrams").json()["items"]]
        assert reader.get(f"/diagrams/{private}").status_code == 200
    assert ann.http.delete(f"/orgs/{ann.org_id}/members/{bob.user_id}").status_code == 204


def test_whoever_signs_in_begins_a_new_session_and_the_old_one_is_gone(server: Served, ann: Client) -> None:
    with httpx.Client(base_url=f"{server.url}/api/v1", headers={"Origin": server.url}) as browser:
        credentials = {"email": ann.email, "password": PASSWORD}
        planted = "colane_session=chosen-by-somebody-else"
        first = browser.post("/auth/login", json=credentials, headers={"Cookie": planted})
        before = first.cookies["colane_session"]
        assert before != "chosen-by-somebody-else"
        assert httpx.get(f"{server.url}/api/v1/me", headers={"Cookie": planted}).status_code == 401
        assert browser.get("/me").json()["id"] == ann.user_id
        wrong = browser.post("/auth/login", json={**credentials, "password": "not the right one"})
        assert code(wrong) == (401, "bad_credentials")
        assert browser.get("/me").status_code == 200, "a failed attempt ends nothing"
        after = browser.post("/auth/login", json=credentials).cookies["colane_session"]
        assert after != before
        old = {"Cookie": f"colane_session={before}"}
        assert httpx.get(f"{server.url}/api/v1/me", headers=old).status_code == 401
        assert browser.get("/me").status_code == 200
        gone = browser.post("/auth/logout")
        assert (gone.status_code, "Max-Age=0" in gone.headers["set-cookie"]) == (204, True)
        stolen = {"Cookie": f"colane_session={after}"}
        assert httpx.get(f"{server.url}/api/v1/me", headers=stolen).status_code == 401


def test_without_a_provider_there_is_no_way_through_one(server: Served) -> None:
    for path in ("/signin/oidc", "/signin/oidc/callback"):
        assert code(httpx.get(server.url + path)) == (404, "not_found")
    assert httpx.get(f"{server.url}/api/v1/auth/methods").json() == {"registration": True, "oidc": None}
