"""Signing in by a provider: a real one on loopback, that says the truth, and then everything that must not be believed."""

import time
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

import httpx
import pytest
from joserfc.jwk import RSAKey

from storage.settings import Settings
from tests.api.conftest import PASSWORD
from tests.api.provider import CLIENT, SECRET, Provider, provider
from tests.serving import Served, served


@pytest.fixture(scope="module")
def issuer() -> Iterator[Provider]:
    with provider() as running:
        yield running


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, issuer: Provider) -> Iterator[Served]:
    settings = {
        "COLANE_OIDC_ISSUER": issuer.issuer,
        "COLANE_OIDC_CLIENT_ID": CLIENT,
        "COLANE_OIDC_CLIENT_SECRET": SECRET,
        "COLANE_OIDC_NAME": "Example Inc.",
        "COLANE_REGISTRATION": "open",
    }
    with served(tmp_path_factory.mktemp("oidc") / "data", **settings) as running:
        issuer.redirects.add(f"{running.url}/signin/oidc/callback")
        yield running


@pytest.fixture
def person(issuer: Provider) -> Iterator[dict[str, Any]]:
    """Somebody new at the provider."""
    name = uuid4().hex[:8]
    issuer.person = {"sub": f"sub-{name}", "email": f"{name}@example.org", "email_verified": True, "name": "Pat"}
    issuer.twist = lambda claims: claims
    yield issuer.person
    issuer.published = None


def browser(server: Served) -> httpx.Client:
    return httpx.Client(base_url=server.url, headers={"Origin": server.url}, timeout=30)


def gone_and_come(page: httpx.Client) -> tuple[str, httpx.Response]:
    """Leaves for the provider and comes back: the address it comes back to, and what is said there."""
    left = page.get("/signin/oidc")
    assert left.status_code == 303, left.text
    there = httpx.get(left.headers["location"])
    assert there.status_code == 302, there.text
    back = there.headers["location"]
    return back, page.get(back)


def who(page: httpx.Client) -> dict[str, Any] | None:
    answer = page.get("/api/v1/me")
    return answer.json() if answer.status_code == 200 else None


def refused(answer: httpx.Response, word: str) -> None:
    assert (answer.status_code, answer.headers["location"]) == (303, f"/?signin={word}")
    assert "set-cookie" not in answer.headers


def test_the_page_is_told_how_to_sign_in(server: Served) -> None:
    assert httpx.get(f"{server.url}/api/v1/auth/methods").json() == {
        "registration": True,
        "oidc": {"name": "Example Inc.", "url": "/signin/oidc"},
    }


def test_somebody_new_gets_an_account_and_the_same_one_again(server: Served, person: dict[str, Any]) -> None:
    with browser(server) as page, browser(server) as other:
        left = page.get("/signin/oidc")
        asked = {key: values[0] for key, values in parse_qs(urlsplit(left.headers["location"]).query).items()}
        assert (asked["response_type"], asked["code_challenge_method"], len(asked["code_challenge"])) == (
            "code",
            "S256",
            43,
        )
        assert len({asked["state"], asked["nonce"], asked["code_challenge"]}) == 3
        kept = left.headers["set-cookie"]
        assert all(part in kept for part in ("HttpOnly", "SameSite=lax", "Path=/signin/oidc"))
        _, back = gone_and_come(page)
        assert (back.status_code, back.headers["location"]) == (303, "/")
        me = who(page)
        assert me is not None
        assert (me["email"], me["name"], len(me["orgs"])) == (person["email"], "Pat", 1)
        person["email"] = "renamed@example.org"
        gone_and_come(other)
        assert who(other) == me, "known by the subject, not by the address"
        assert other.cookies["colane_session"] != page.cookies["colane_session"]


def test_a_sign_in_ends_the_session_that_was_there(server: Served, person: dict[str, Any]) -> None:
    with browser(server) as page:
        gone_and_come(page)
        before = page.cookies["colane_session"]
        gone_and_come(page)
        assert page.cookies["colane_session"] != before
        old = {"Cookie": f"colane_session={before}"}
        assert httpx.get(f"{server.url}/api/v1/me", headers=old).status_code == 401


@pytest.mark.parametrize("said", [{"email_verified": False}, {"email_verified": "true"}, {"email_verified": None},
                                  {"email": None}, {"email": "nonsense"}])  # fmt: skip
def test_an_address_that_is_not_verified_opens_nothing(
    server: Served, issuer: Provider, person: dict[str, Any], said: dict[str, Any]
) -> None:
    issuer.twist = lambda claims: {**claims, **said}
    with browser(server) as page:
        refused(gone_and_come(page)[1], "unverified")
        assert who(page) is None


def registered(page: httpx.Client, email: str) -> str:
    body = {"email": email, "password": PASSWORD, "name": "First"}
    return str(page.post("/api/v1/auth/register", json=body).raise_for_status().json()["user"]["id"])


@pytest.mark.parametrize("verified", [True, False])
def test_an_account_that_exists_is_not_taken_over(server: Served, person: dict[str, Any], verified: bool) -> None:
    with browser(server) as page:
        registered(page, person["email"])
        person["email_verified"] = verified
        refused(gone_and_come(page)[1], "exists" if verified else "unverified")
        assert who(page) is None
        again = page.post("/api/v1/auth/login", json={"email": person["email"], "password": PASSWORD})
        assert again.status_code == 200


def test_whoever_is_signed_in_connects_the_account_with_their_address(server: Served, person: dict[str, Any]) -> None:
    with browser(server) as page, browser(server) as later, browser(server) as stranger:
        user = registered(page, person["email"])
        page.post("/api/v1/auth/login", json={"email": person["email"], "password": PASSWORD}).raise_for_status()
        assert gone_and_come(page)[1].headers["location"] == "/"
        gone_and_come(later)
        for one in (page, later):
            me = who(one)
            assert me is not None
            assert me["id"] == user
        other = f"other-{uuid4().hex[:6]}@example.org"
        registered(stranger, other)
        stranger.post("/api/v1/auth/login", json={"email": other, "password": PASSWORD}).raise_for_status()
        person["sub"] = "somebody-else"
        refused(gone_and_come(stranger)[1], "exists")
        me = who(stranger)
        assert me is not None
        assert me["email"] == other, "still who they were"


Twist = Callable[[dict[str, Any]], dict[str, Any]]
LIES: dict[str, Twist] = {
    "another nonce": lambda claims: {**claims, "nonce": "another"},
    "no nonce": lambda claims: {key: value for key, value in claims.items() if key != "nonce"},
    "another issuer": lambda claims: {**claims, "iss": "https://elsewhere.example"},
    "no issuer": lambda claims: {key: value for key, value in claims.items() if key != "iss"},
    "for another client": lambda claims: {**claims, "aud": "another"},
    "for several, by another": lambda claims: {**claims, "aud": [CLIENT, "another"], "azp": "another"},
    "expired": lambda claims: {**claims, "iat": int(time.time()) - 700, "exp": int(time.time()) - 300},
    "never expires": lambda claims: {key: value for key, value in claims.items() if key != "exp"},
    "from the future": lambda claims: {**claims, "nbf": int(time.time()) + 900},
    "no subject": lambda claims: {key: value for key, value in claims.items() if key != "sub"},
    "an empty subject": lambda claims: {**claims, "sub": ""},
    "a subject that is no text": lambda claims: {**claims, "sub": 7},
    "another access token's": lambda claims: {**claims, "at_hash": "AAAAAAAAAAAAAAAAAAAAAA"},
}


@pytest.mark.parametrize("lie", LIES)
def test_a_token_that_is_not_for_this_is_refused(
    server: Served, issuer: Provider, person: dict[str, Any], lie: str
) -> None:
    issuer.twist = LIES[lie]
    with browser(server) as page:
        refused(gone_and_come(page)[1], "refused")
        assert who(page) is None
        issuer.twist = lambda claims: claims
        assert gone_and_come(page)[1].headers["location"] == "/", "the truth is believed"


def test_a_token_that_another_key_signed_is_refused(server: Served, issuer: Provider, person: dict[str, Any]) -> None:
    issuer.published = RSAKey.generate_key(2048, {"kid": "one"})
    with browser(server) as page:
        refused(gone_and_come(page)[1], "refused")


def test_a_return_counts_once_for_the_browser_that_left(server: Served, person: dict[str, Any]) -> None:
    with browser(server) as page, browser(server) as other:
        left = page.get("/signin/oidc")
        back = httpx.get(left.headers["location"]).headers["location"]
        refused(other.get(back), "stale")
        other.get("/signin/oidc")
        refused(other.get(back), "stale")
        refused(page.get(back.replace("state=", "state=x")), "stale")
        refused(page.get("/signin/oidc/callback"), "stale")
        cancelled = page.get("/signin/oidc")
        state = parse_qs(urlsplit(cancelled.headers["location"]).query)["state"][0]
        refused(page.get(f"/signin/oidc/callback?error=access_denied&state={state}"), "refused")
        refused(page.get(f"/signin/oidc/callback?code=invented&state={state}"), "refused")
        refused(page.get(f"/signin/oidc/callback?code=x&state={state}&iss=https://elsewhere.example"), "refused")
        first, done = gone_and_come(page)
        assert done.headers["location"] == "/"
        assert page.get(first).headers["location"].startswith("/?signin="), "a code works once"


def test_a_provider_that_is_away_is_said_so(server: Served, issuer: Provider, person: dict[str, Any]) -> None:
    real, issuer.port = issuer.port, 1  # what it says of itself is not where it is asked
    try:
        with browser(server) as page:
            refused(page.get("/signin/oidc"), "unavailable")
    finally:
        issuer.port = real


@pytest.mark.parametrize("wrong", [{"oidc_issuer": "http://id.example.org", "oidc_client_id": "c"},
                                   {"oidc_issuer": "id.example.org", "oidc_client_id": "c"},
                                   {"oidc_issuer": "https://id.example.org"}])  # fmt: skip
def test_a_provider_is_set_up_whole_and_safe_or_the_server_does_not_start(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="COLANE_OIDC_"):
        Settings(**wrong)
