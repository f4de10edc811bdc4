"""Invitations and links to a new password: who makes them, who they are for, and what they never open."""

from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import httpx
import pytest

from tests.api.conftest import PASSWORD, Client, signed_up
from tests.api.test_access import code
from tests.people import TEXT
from tests.serving import Served

NEW = "another long password"


@pytest.fixture
def bob(server: Served) -> Iterator[Client]:
    client = signed_up(server, "Bob")
    yield client
    client.http.close()


def anonymous(server: Served) -> httpx.Client:
    return httpx.Client(base_url=f"{server.url}/api/v1", headers={"Origin": server.url}, timeout=30)


def invited(owner: Client, email: str, role: str = "editor") -> dict[str, Any]:
    made = owner.http.post(f"/orgs/{owner.org_id}/invitations", json={"email": email, "role": role})
    assert made.status_code == 201, made.text
    body: dict[str, Any] = made.json()
    return {**body, "secret": body["url"].rpartition("/invitation/")[2]}


def joined(owner: Client, other: Client, role: str) -> None:
    other.http.post(f"/invitations/{invited(owner, other.email, role)['secret']}/accept").raise_for_status()


def test_somebody_with_an_account_joins_once(server: Served, ann: Client, bob: Client) -> None:
    made = invited(ann, bob.email.upper())
    with anonymous(server) as page:
        seen = page.get(f"/invitations/{made['secret']}").json()
        assert (seen["organization"], seen["email"], seen["role"]) == ("Ann's organization", bob.email, "editor")
        assert code(page.post(f"/invitations/{made['secret']}/accept")) == (401, "unauthenticated")
    listed = ann.http.get(f"/orgs/{ann.org_id}/invitations").json()["items"]
    assert made["id"] in [one["id"] for one in listed]
    assert made["secret"] not in str(listed)
    accepted = bob.http.post(f"/invitations/{made['secret']}/accept")
    assert accepted.json() == {
        "user_id": bob.user_id,
        "org": {"id": ann.org_id, "name": "Ann's organization"},
        "role": "editor",
    }
    assert [one["role"] for one in bob.http.get("/orgs").json()["items"] if one["id"] == ann.org_id] == ["editor"]
    assert code(bob.http.post(f"/invitations/{made['secret']}/accept")) == (404, "not_found")
    again = ann.http.post(f"/orgs/{ann.org_id}/invitations", json={"email": bob.email, "role": "viewer"})
    assert code(again) == (409, "already_exists")
    assert bob.http.get("/orgs").json()["items"][0]["id"] == bob.org_id, "one's own stays the first"


def test_somebody_new_makes_an_account_by_it(server: Served, ann: Client) -> None:
    email = f"new-{uuid4().hex[:8]}@example.org"
    made = invited(ann, email, "commenter")
    with anonymous(server) as page:
        short = page.post(f"/invitations/{made['secret']}/accept", json={"name": "New", "password": "short"})
        assert code(short) == (400, "invalid_request")
        accepted = page.post(f"/invitations/{made['secret']}/accept", json={"name": "New", "password": NEW})
        assert (accepted.status_code, accepted.json()["role"]) == (200, "commenter")
        assert "set-cookie" not in accepted.headers
        page.post("/auth/login", json={"email": email, "password": NEW}).raise_for_status()
        assert [(one["id"], one["role"]) for one in page.get("/me").json()["orgs"]] == [(ann.org_id, "commenter")]
        assert page.get("/diagrams").status_code == 200


def test_an_invitation_is_for_one_address(server: Served, ann: Client, bob: Client, mallory: Client) -> None:
    made = invited(ann, bob.email)
    assert code(mallory.http.post(f"/invitations/{made['secret']}/accept")) == (403, "forbidden")
    with anonymous(server) as page:
        taken = page.post(f"/invitations/{made['secret']}/accept", json={"name": "Not Bob", "password": NEW})
        assert code(taken) == (409, "already_exists")
        assert code(page.post("/auth/login", json={"email": bob.email, "password": NEW})) == (401, "bad_credentials")
    assert bob.http.post(f"/invitations/{made['secret']}/accept").status_code == 200, "still open for whom it is"


def test_invitations_are_taken_back_and_replaced(ann: Client, bob: Client, mallory: Client) -> None:
    first, second = invited(ann, bob.email), invited(ann, bob.email, "viewer")
    assert code(bob.http.get(f"/invitations/{first['secret']}")) == (404, "not_found")
    assert code(mallory.http.delete(f"/orgs/{ann.org_id}/invitations/{second['id']}")) == (404, "not_found")
    assert code(mallory.http.delete(f"/orgs/{mallory.org_id}/invitations/{second['id']}")) == (404, "not_found")
    assert ann.http.delete(f"/orgs/{ann.org_id}/invitations/{second['id']}").status_code == 204
    assert code(ann.http.delete(f"/orgs/{ann.org_id}/invitations/{second['id']}")) == (404, "not_found")
    assert code(bob.http.post(f"/invitations/{second['secret']}/accept")) == (404, "not_found")


def test_nobody_invites_above_themselves(ann: Client, bob: Client) -> None:
    joined(ann, bob, "editor")
    path = f"/orgs/{ann.org_id}/invitations"
    assert code(bob.http.post(path, json={"email": "x@example.org", "role": "viewer"})) == (403, "forbidden")
    assert code(bob.http.get(path)) == (403, "forbidden")
    ann.http.patch(f"/orgs/{ann.org_id}/members/{bob.user_id}", json={"role": "admin"}).raise_for_status()
    assert bob.http.post(path, json={"email": "x@example.org", "role": "admin"}).status_code == 201
    assert code(bob.http.post(path, json={"email": "y@example.org", "role": "owner"})) == (403, "forbidden")
    assert code(bob.http.post(path, json={"email": "y@example.org", "role": "boss"})) == (400, "invalid_request")


def test_an_invitation_is_void_when_its_maker_may_not_invite_any_more(
    ann: Client, bob: Client, mallory: Client
) -> None:
    """Else an admin would leave a door open for themselves before they are sent away."""
    joined(ann, bob, "admin")
    made = bob.http.post(f"/orgs/{ann.org_id}/invitations", json={"email": mallory.email, "role": "admin"}).json()
    secret = made["url"].rpartition("/")[2]
    assert mallory.http.get(f"/invitations/{secret}").status_code == 200
    member = f"/orgs/{ann.org_id}/members/{bob.user_id}"
    ann.http.patch(member, json={"role": "editor"}).raise_for_status()
    assert code(mallory.http.post(f"/invitations/{secret}/accept")) == (404, "not_found")
    ann.http.delete(member).raise_for_status()
    assert code(mallory.http.get(f"/invitations/{secret}")) == (404, "not_found")


def reset(owner: Client, user_id: str) -> httpx.Response:
    return owner.http.post(f"/orgs/{owner.org_id}/members/{user_id}/reset-link")


def test_a_reset_link_sets_a_password_once_and_ends_the_sessions(server: Served, ann: Client, bob: Client) -> None:
    joined(ann, bob, "editor")
    with anonymous(server) as browser, anonymous(server) as page:
        browser.post("/auth/login", json={"email": bob.email, "password": PASSWORD}).raise_for_status()
        made = reset(ann, bob.user_id)
        assert made.status_code == 201, made.text
        secret = made.json()["url"].rpartition("/reset/")[2]
        assert browser.get("/me").status_code == 401, "whoever was in is out"
        browser.cookies.clear()
        browser.post("/auth/login", json={"email": bob.email, "password": PASSWORD}).raise_for_status()
        assert page.get(f"/reset-links/{secret}").json() == {"email": bob.email}
        assert code(page.post(f"/reset-links/{secret}", json={"password": "short"})) == (400, "invalid_request")
        done = page.post(f"/reset-links/{secret}", json={"password": NEW})
        assert (done.status_code, "set-cookie" in done.headers) == (204, False)
        assert browser.get("/me").status_code == 401, "and again"
        old = page.post("/auth/login", json={"email": bob.email, "password": PASSWORD})
        assert code(old) == (401, "bad_credentials")
        page.post("/auth/login", json={"email": bob.email, "password": NEW}).raise_for_status()
        assert code(page.post(f"/reset-links/{secret}", json={"password": PASSWORD})) == (404, "not_found")
    actions = [one["action"] for one in ann.http.get("/audit").json()["items"][:10]]
    assert {"password.reset_link", "password.reset"} <= set(actions)


def test_a_later_reset_link_voids_the_earlier_one(server: Served, ann: Client, bob: Client) -> None:
    joined(ann, bob, "viewer")
    first, second = (reset(ann, bob.user_id).json()["url"].rpartition("/")[2] for _ in range(2))
    with anonymous(server) as page:
        assert code(page.post(f"/reset-links/{first}", json={"password": NEW})) == (404, "not_found")
        assert page.post(f"/reset-links/{second}", json={"password": NEW}).status_code == 204


def test_nobody_resets_upward_or_outside(server: Served, ann: Client, bob: Client, mallory: Client) -> None:
    joined(ann, bob, "editor")
    path = f"/orgs/{ann.org_id}/members"
    assert code(bob.http.post(f"{path}/{ann.user_id}/reset-link")) == (403, "forbidden")
    ann.http.patch(f"{path}/{bob.user_id}", json={"role": "admin"}).raise_for_status()
    assert code(bob.http.post(f"{path}/{ann.user_id}/reset-link")) == (403, "forbidden"), "an owner, by an admin"
    assert code(ann.http.post(f"{path}/{mallory.user_id}/reset-link")) == (404, "not_found")
    assert code(mallory.http.post(f"{path}/{bob.user_id}/reset-link")) == (404, "not_found")


def test_no_account_is_taken_over_that_leads_elsewhere(server: Served, ann: Client, mallory: Client) -> None:
    """Anybody may take anybody into an organization of theirs; that must not open what the other has."""
    added = mallory.http.post(f"/orgs/{mallory.org_id}/members", json={"email": ann.email, "role": "viewer"})
    assert added.status_code == 201
    ann.diagram(TEXT)
    assert code(reset(mallory, ann.user_id)) == (403, "forbidden"), "has diagrams"
    assert mallory.http.delete(f"/orgs/{mallory.org_id}/members/{ann.user_id}").status_code == 204


def test_a_reset_link_is_void_when_the_account_has_come_to_lead_elsewhere(
    server: Served, ann: Client, bob: Client, mallory: Client
) -> None:
    joined(mallory, bob, "viewer")
    secret = reset(mallory, bob.user_id).json()["url"].rpartition("/")[2]
    joined(ann, bob, "editor")
    with anonymous(server) as page:
        assert code(page.post(f"/reset-links/{secret}", json={"password": NEW})) == (404, "not_found")
        page.post("/auth/login", json={"email": bob.email, "password": PASSWORD}).raise_for_status()
