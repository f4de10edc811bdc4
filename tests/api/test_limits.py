"""Rates over REST on a real server: who is counted, what is free, what the headers say, and whose word about an address counts."""

import re
import time
from collections.abc import Iterator

import httpx
import pytest

from api.limits import network
from tests.api.conftest import Client, signed_up
from tests.people import TEXT
from tests.serving import Served, served

XML = {"Content-Type": "application/xml"}
STANDING = re.compile(r'"(?P<policy>[a-z-]+)";r=(?P<r>\d+);t=(?P<t>\d+)')


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """Small rates, behind a proxy that is believed."""
    rates = {"COLANE_LIMITS": "on", "COLANE_LIMIT_SAVE": "4", "COLANE_LIMIT_READ": "40", "COLANE_LIMIT_SIGNIN": "5"}
    with served(tmp_path_factory.mktemp("strict") / "data", **rates, COLANE_PROXIES="127.0.0.1") as running:
        yield running


def at(server: Served, address: str, client: Client | None = None) -> httpx.Client:
    """A client that the proxy says comes from this address."""
    headers = {"X-Forwarded-For": address}
    if client is not None:
        headers["Authorization"] = client.http.headers["Authorization"]
    return httpx.Client(base_url=f"{server.url}/api/v1", headers=headers, timeout=30)


def standing(answer: httpx.Response) -> tuple[str, int]:
    found = STANDING.fullmatch(answer.headers["ratelimit"].partition(",")[0])
    assert found, answer.headers["ratelimit"]
    return found["policy"], int(found["r"])


def save(http: httpx.Client, diagram: str, base: int, text: bytes, **more: str) -> httpx.Response:
    return http.put(f"/diagrams/{diagram}/content?base_version={base}", content=text, headers={**XML, **more})


def test_saves_are_counted_a_user_over_all_diagrams_and_free_ones_are_not(strict: Served) -> None:
    ann = signed_up(strict, "Ann")
    with at(strict, "192.0.2.1", ann) as http:
        made = [http.post("/diagrams?title=x", content=TEXT, headers=XML).json()["id"] for _ in range(2)]
        changed = [TEXT.replace(b'name="Do"', b'name="Do %d"' % number) for number in range(9)]
        one = save(http, made[0], 1, changed[0], **{"Idempotency-Key": "once"})
        assert (one.status_code, standing(one)) == (200, ("save", 3))
        assert one.headers["ratelimit-policy"] == '"save";q=4;w=60'
        for _ in range(5):
            again = save(http, made[0], 1, changed[0], **{"Idempotency-Key": "once"})
            assert (again.headers["idempotent-replayed"], standing(again)) == ("true", ("save", 3))
            same = save(http, made[0], 2, changed[0])
            assert (same.json()["unchanged"], standing(same)) == (True, ("save", 3))
        assert standing(save(http, made[1], 1, changed[1])) == ("save", 2)
        stale = save(http, made[1], 1, changed[2])
        assert (stale.status_code, standing(stale)) == (409, ("save", 1)), "a refused save counts"
        assert standing(save(http, made[1], 2, changed[3])) == ("save", 0)
        for _ in range(3):
            over = save(http, made[0], 2, changed[4])
            assert (over.status_code, over.json()["code"]) == (429, "rate_limited")
            assert over.json()["violated_policies"] == ["save"]
            assert over.json()["retryable"] is True
            assert standing(over) == ("save", 0)
            assert 1 <= int(over.headers["retry-after"]) <= 15
        assert http.get(f"/diagrams/{made[0]}/content").content == changed[0], "it wrote nothing"
        assert save(http, made[0], 1, changed[0], **{"Idempotency-Key": "once"}).status_code == 200, "replays are free"
    ann.http.close()


def test_a_304_is_free_and_every_answer_of_a_limited_route_says_how_things_stand(strict: Served) -> None:
    ann = signed_up(strict, "Ann")
    with at(strict, "192.0.2.2", ann) as http:
        first = http.get("/diagrams")
        policy, left = standing(first)
        assert policy == "read"
        for _ in range(60):
            again = http.get("/diagrams", headers={"If-None-Match": first.headers["etag"]})
            assert (again.status_code, standing(again)) == (304, ("read", left))
        unknown = http.get("/diagrams/0190b0f0-0000-7000-8000-000000000000")
        assert (unknown.status_code, standing(unknown)[0]) == (404, "read")
        nobody = httpx.get(f"{strict.url}/api/v1/diagrams")
        assert (nobody.status_code, standing(nobody)[0]) == (401, "read-address")
    ann.http.close()


def attempt(http: httpx.Client, *, hops: str | None = None) -> httpx.Response:
    """An attempt to sign in that says nothing: it counts, and costs no hashing."""
    return http.post("/auth/login", json={}, headers={"X-Forwarded-For": hops} if hops else {})


def used_up(http: httpx.Client, hops: list[str] | None = None) -> httpx.Response:
    """The first refusal; it comes after 60, and what came back meanwhile."""
    began = time.monotonic()
    for number in range(200):
        answer = attempt(http, hops=hops[number % len(hops)] if hops else None)
        if answer.status_code == 429:
            assert 60 <= number <= 61 + time.monotonic() - began
            assert answer.json()["violated_policies"] == ["signin-address"]
            return answer
        assert answer.status_code == 400
    raise AssertionError("never refused")


def test_an_address_is_counted_over_all_its_people_and_says_nothing_of_others(strict: Served) -> None:
    with at(strict, "192.0.2.3") as http, at(strict, "192.0.2.4") as other:
        over = used_up(http)
        assert over.headers["ratelimit-policy"] == '"signin-address";q=60;w=60'
        assert attempt(other).status_code == 400


def test_an_account_is_counted_wherever_the_attempts_come_from(strict: Served) -> None:
    ann = signed_up(strict, "Ann")
    codes = []
    for number in range(8):
        with at(strict, f"198.51.100.{number}") as http:
            email = ann.email.upper() if number % 2 else ann.email
            codes.append(http.post("/auth/login", json={"email": email, "password": "wrong password"}).status_code)
    # One was taken when Ann signed in.
    assert codes == [401] * 4 + [429] * 4
    ann.http.close()


def test_an_ipv6_network_is_one_address(strict: Served) -> None:
    with at(strict, "::1") as http:
        used_up(http, [f"2001:db8:1:2::{number:x}" for number in range(100)])
        assert attempt(http, hops="2001:db8:1:2:ffff::1").status_code == 429
        assert attempt(http, hops="2001:db8:1:3::1").status_code == 400
    assert network("::ffff:192.0.2.1") == network("192.0.2.1") != network("192.0.2.2")
    assert network("2001:db8::1") != network("192.0.2.1")
    assert len(network("x" * 10_000)) <= 100


def test_a_listed_proxy_is_believed_about_the_last_hop_only(strict: Served) -> None:
    """What the client itself wrote into X-Forwarded-For stands further left and is not read."""
    with at(strict, "::1") as http:
        used_up(http, [f"10.0.0.{number}, 192.0.2.9, 127.0.0.1" for number in range(100)])
        assert attempt(http, hops="10.9.9.9, 192.0.2.9").status_code == 429
        assert attempt(http, hops="192.0.2.9, 10.9.9.9").status_code == 400


def test_nobody_else_is_believed(tmp_path_factory: pytest.TempPathFactory) -> None:
    rates = {"COLANE_LIMITS": "on", "COLANE_PROXIES": "192.0.2.77"}
    with served(tmp_path_factory.mktemp("direct") / "data", **rates) as direct, at(direct, "192.0.2.1") as http:
        http.headers.update({"X-Real-IP": "192.0.2.1", "Forwarded": "for=192.0.2.1;proto=https"})
        http.headers.update({"X-Forwarded-Proto": "https", "X-Forwarded-Host": "evil.example"})
        over = used_up(http, [f"192.0.2.{number}" for number in range(100)])
        assert "strict-transport-security" not in over.headers, "nor about the scheme"
