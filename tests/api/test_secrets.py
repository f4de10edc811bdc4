"""No secret is ever written down: every route is called with canaries wherever something can be said, then all is read.

Read is what the server and its worker log, what PostgreSQL logs, the series, the audit log, and what other tables keep.
"""

import json
import subprocess
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import httpx
import pytest

from storage.embedded import SUPERUSER, find_binaries
from tests.api.conftest import PASSWORD, Client
from tests.api.test_audit import World, query
from tests.interop.clients import eventually
from tests.serving import Served

CANARY = "c4n4ry-Zk9xWq"
SAID = "what-is-said-of-things"  # titles and the like are no secrets
SECRET_FIELDS = ("password", "secret", "token", "code", "state", "nonce", "ticket", "cookie")


@pytest.fixture(scope="module")
def world(server: Served, ann: Client, mallory: Client) -> Iterator[World]:
    with httpx.Client(base_url=f"{server.url}/api/v1") as browser:
        yield World(server, ann, mallory, browser)


def example_of(schema: dict[str, Any], document: dict[str, Any], name: str = "") -> Any:
    """A value of a schema with a canary in whatever is secret, and in every text that nothing else is said of."""
    several = [*schema.get("anyOf", ()), *schema.get("oneOf", ()), *schema.get("allOf", ())]
    if "$ref" in schema or several:
        one = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]] if "$ref" in schema else several[0]
        return example_of(one, document, name)
    kind = schema.get("type")
    if kind == "object":
        return {field: example_of(one, document, field) for field, one in schema.get("properties", {}).items()}
    if kind == "array":
        return [example_of(schema.get("items", {}), document, name)]
    if kind in ("integer", "number", "boolean") or "enum" in schema:
        return schema.get("enum", [kind == "boolean" or 1])[0]
    return CANARY if any(part in name for part in SECRET_FIELDS) else SAID


def everything_logged(server: Served) -> dict[str, str]:
    """All that is written anywhere by then, by where."""
    where = {"log": server.log(), "series": httpx.get(f"{server.url}/metrics").text}
    for path in server.data.rglob("*"):
        if path.is_file() and path.suffix in (".log", ".jsonl", ".csv"):
            where[str(path.relative_to(server.data))] = path.read_text(errors="replace")
    return where


def kept(server: Served) -> str:
    """Every row of every table, as text."""
    socket = (server.data / "pg" / "postmaster.pid").read_text().splitlines()[4]
    tables = query(server, "SELECT tablename FROM pg_tables WHERE schemaname = 'colane'")
    select = " UNION ALL ".join(f"SELECT row_to_json(t)::text FROM colane.{table} t" for table in tables)
    command = [str(find_binaries() / "psql"), "-XqtA", "-h", socket, "-U", SUPERUSER, "-d", "colane", "-c", select]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def test_no_route_writes_down_what_is_secret(world: World) -> None:
    server = world.server
    document = httpx.get(f"{server.url}/openapi.json").json()
    credentials: list[dict[str, str]] = [
        {"Authorization": str(world.bob.http.headers["Authorization"])},
        {"Authorization": f"Bearer clt_{CANARY}"},
        {"Authorization": f"Basic {CANARY}"},
        {"Cookie": f"colane_session={CANARY}; colane_oidc={CANARY}", "Origin": server.url},
        {"Cookie": f"colane_session=clv_{CANARY}", "Origin": f"https://{CANARY}.example"},
    ]
    called, statuses = 0, set()
    with httpx.Client(base_url=server.url, timeout=30) as http:
        for template, several in document["paths"].items():
            for method, operation in several.items():
                if method not in ("get", "post", "put", "patch", "delete"):
                    continue
                for number, headers in enumerate(credentials):
                    path = template
                    for one in operation.get("parameters", ()):
                        if one["in"] == "path":
                            # With ids that could be, and with what could be a secret.
                            value = str(uuid4()) if number == 0 and one["name"].endswith("_id") else CANARY
                            path = path.replace(f"{{{one['name']}}}", value)
                    body: dict[str, Any] = {}
                    content = operation.get("requestBody", {}).get("content", {})
                    if "application/json" in content:
                        body["json"] = example_of(content["application/json"]["schema"], document)
                    elif content:
                        body["content"] = f'<!DOCTYPE x [<!ENTITY y "{CANARY}">]><{CANARY}/>'
                        body["headers"] = {"Content-Type": "application/xml"}
                    asked = dict.fromkeys((*SECRET_FIELDS, "cursor", "q", "org"), CANARY)
                    sent = {
                        **headers,
                        **body.pop("headers", {}),
                        "X-Request-Id": f"canaries-{called}",
                        "If-Match": f'"{CANARY}"',
                    }
                    answer = http.request(method.upper(), path, params=asked, headers=sent, **body)
                    called += 1
                    statuses.add(answer.status_code)
                    assert answer.status_code < 500 or answer.status_code == 503, (template, method, answer.text)
        for path in (
            f"/signin/{CANARY}",
            f"/share/{CANARY}",
            f"/reset/{CANARY}",
            f"/invitation/{CANARY}",
            f"/{CANARY}",
        ):
            http.get(path, params={"ticket": CANARY, "code": CANARY})
        http.get("/collab/x", params={"ticket": f"clk_{CANARY}"}, headers={"X-Request-Id": "canaries-last"})
        http.post("/api/v1/auth/login", content=f'{{"email": "{CANARY}", "password": 1')
    assert called > 150
    assert {400, 401, 403, 404} <= statuses
    eventually("the last is logged", lambda: f"canaries-{called - 1}" in server.log())
    for where, text in everything_logged(server).items():
        assert CANARY not in text, (where, [line for line in text.splitlines() if CANARY in line][:3])
    assert CANARY not in kept(server)


def test_secrets_that_open_something_are_kept_as_hashes_and_logged_nowhere(world: World) -> None:
    server, secrets = world.server, {PASSWORD, PASSWORD[::-1]}
    made = world.ann.http.post("/tokens", json={"name": "one"}).json()["token"]
    diagram, _, link = world.link()
    ticket = world.ann.http.post(f"/diagrams/{diagram}/ticket").json()["ticket"]
    invitation, reset = world.invitation()[1], world.reset_link()
    locked = world.ann.http.post(f"/diagrams/{diagram}/share-links", json={"role": "viewer", "password": CANARY[::-1]})
    assert locked.status_code == 201, locked.text
    url = f"{server.url}/api/v1"
    httpx.post(f"{url}/share-links/{locked.json()['url'].rpartition('/')[2]}/open", json={"password": CANARY[::-1]})
    opened = httpx.post(f"{url}/share-links/{link}/open")
    assert opened.status_code == 200, opened.text
    signed_in = world.browser.post("/auth/login", json={"email": world.ann.email, "password": PASSWORD})
    assert signed_in.status_code == 200
    secrets |= {made, ticket, link, invitation, reset, CANARY[::-1], world.browser.cookies["colane_session"]}
    secrets |= set(opened.cookies.values())
    assert len(secrets) == 10, "each is another"
    httpx.post(f"{url}/reset-links/{reset}", json={"password": PASSWORD[::-1]}, headers={"X-Request-Id": "secrets-end"})
    eventually("the last is logged", lambda: "secrets-end" in server.log())
    rows = kept(server)
    for secret in secrets:
        assert secret not in rows, "a secret is kept as it is"
        for where, text in everything_logged(server).items():
            assert secret not in text, where
    assert json.loads(query(server, "SELECT count(*) FROM colane.share_links")[0]) >= 2
