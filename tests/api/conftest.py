"""A real server for the REST tests, and people who use it."""

import os
from collections.abc import Iterator
from dataclasses import dataclass

import httpx
import pytest

from tests.api.described import checked
from tests.serving import Served, served

PASSWORD = "correct horse battery"


@dataclass
class Client:
    """Somebody with an access token."""

    http: httpx.Client
    email: str
    org_id: str
    user_id: str

    def diagram(self, xml: bytes, title: str = "Test") -> str:
        made = self.http.post(
            "/diagrams", params={"title": title}, content=xml, headers={"Content-Type": "application/xml"}
        )
        assert made.status_code == 201, made.text
        return str(made.json()["id"])


@pytest.fixture(scope="package")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """One for all tests that leave it running: each of their modules has people and organizations of its own."""
    with served(tmp_path_factory.mktemp("rest") / "data") as running:
        yield running


def signed_up(server: Served, name: str) -> Client:
    """A new person with an organization and a token of their own."""
    email = f"{name.lower()}-{os.urandom(4).hex()}@example.org"
    hooks = checked(server.url)
    with httpx.Client(base_url=f"{server.url}/api/v1", event_hooks=hooks) as http:
        made = http.post("/auth/register", json={"email": email, "password": PASSWORD, "name": name})
        assert made.status_code == 201, made.text
        login = http.post("/auth/login", json={"email": email, "password": PASSWORD})
        assert login.status_code == 200, login.text
        token = http.post("/tokens", json={"name": "test"}, headers={"Origin": server.url}).json()["token"]
    client = httpx.Client(
        base_url=f"{server.url}/api/v1", headers={"Authorization": f"Bearer {token}"}, timeout=30, event_hooks=hooks
    )
    return Client(client, email, made.json()["org"]["id"], made.json()["user"]["id"])


@pytest.fixture(scope="module")
def ann(server: Served) -> Iterator[Client]:
    client = signed_up(server, "Ann")
    yield client
    client.http.close()


@pytest.fixture(scope="module")
def mallory(server: Served) -> Iterator[Client]:
    client = signed_up(server, "Mallory")
    yield client
    client.http.close()
