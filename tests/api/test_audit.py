"""The audit over REST: every write leaves its line, refusals are told of, and the log is read, checked and exported."""

import json
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from pycrdt import Map, create_update_message
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from collab.wire import messages
from storage.audit import keys
from storage.audit.export import examine
from storage.audit.refusals import account
from storage.embedded import SUPERUSER, find_binaries
from storage.settings import Settings
from tests.api.conftest import PASSWORD, Client, signed_up
from tests.interop.clients import eventually
from tests.interop.test_one_room import DIAGRAM
from tests.interop.test_socket import joined, open_socket
from tests.serving import Served, served

XML = {"Content-Type": "application/xml"}
SYSTEM = "00000000-0000-0000-0000-000000000000"


def query(server: Served, statement: str) -> list[str]:
    """Lines that psql prints, as the superuser of a running server's database."""
    socket = (server.data / "pg" / "postmaster.pid").read_text().splitlines()[4]
    command = [str(find_binaries() / "psql"), "-XqtA", "-h", socket, "-U", SUPERUSER, "-d", "colane", "-c", statement]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()


def asked(server: Served, select: str) -> list[dict[str, Any]]:
    """Rows by their columns."""
    return [json.loads(line) for line in query(server, f"SELECT row_to_json(t) FROM ({select}) t")]


def spoil(server: Served, statement: str) -> None:
    """What only somebody can do who owns the database, and means it."""
    query(
        server,
        f"ALTER TABLE colane.audit DISABLE TRIGGER USER; {statement}; ALTER TABLE colane.audit ENABLE TRIGGER USER",
    )


def written(server: Served, where: str, count: int = 1) -> list[dict[str, Any]]:
    """Lines of the log, once there are so many."""
    found: list[dict[str, Any]] = []

    def there() -> bool:
        found[:] = asked(server, f"SELECT * FROM colane.audit WHERE {where} ORDER BY at")
        return len(found) >= count

    eventually(f"{count} lines where {where}", there)
    return found


# -- every write ------------------------------------------------------------------------------------------------------


@dataclass
class World:
    """What calls need: an owner, a browser of hers, somebody else, and things to do it to."""

    server: Served
    ann: Client
    bob: Client
    browser: httpx.Client
    made: dict[str, str] = field(default_factory=dict)

    def diagram(self) -> str:
        return self.ann.diagram(DIAGRAM)

    def saved(self) -> str:
        """A diagram with two versions."""
        diagram = self.diagram()
        changed = DIAGRAM.replace(b'name="one"', b'name="two"')
        done = self.ann.http.put(f"/diagrams/{diagram}/content?base_version=1", content=changed, headers=XML)
        assert done.status_code == 200, done.text
        return diagram

    def project(self) -> str:
        return str(self.ann.http.post("/projects", json={"name": "Project"}).json()["id"])

    def token(self) -> str:
        return str(self.ann.http.post("/tokens", json={"name": "one"}).json()["id"])

    def org_with_bob(self) -> str:
        org = str(self.ann.http.post("/orgs", json={"name": "Org"}).json()["id"])
        added = self.ann.http.post(f"/orgs/{org}/members", json={"email": self.bob.email, "role": "viewer"})
        assert added.status_code == 201, added.text
        return org

    def shared(self) -> str:
        diagram = self.diagram()
        done = self.ann.http.put(f"/diagrams/{diagram}/members", json={"email": self.bob.email, "role": "viewer"})
        assert done.status_code < 300, done.text
        return diagram

    def comment(self) -> str:
        """The path of a thread of Ann's."""
        diagram = self.diagram()
        made = self.ann.http.post(f"/diagrams/{diagram}/comments", json={"text": "Why?"})
        assert made.status_code == 201, made.text
        return f"/diagrams/{diagram}/comments/{made.json()['id']}"

    def settled(self) -> str:
        path = self.comment()
        assert self.ann.http.post(f"{path}/resolve").status_code == 200
        return path

    def link(self) -> tuple[str, str, str]:
        """A share link: its diagram, its id, its secret."""
        diagram = self.diagram()
        made = self.ann.http.post(f"/diagrams/{diagram}/share-links", json={"role": "viewer"})
        assert made.status_code == 201, made.text
        return diagram, made.json()["id"], made.json()["url"].rpartition("/")[2]

    def invitation(self) -> tuple[str, str]:
        """An invitation for somebody new: its id and its secret."""
        body = {"email": f"new-{uuid4().hex}@example.org", "role": "viewer"}
        made = self.ann.http.post(f"/orgs/{self.ann.org_id}/invitations", json=body)
        assert made.status_code == 201, made.text
        return made.json()["id"], made.json()["url"].rpartition("/")[2]

    def accept(self, name: "Named") -> httpx.Response:
        body = {"name": "New", "password": PASSWORD}
        return httpx.post(
            f"{self.server.url}/api/v1/invitations/{self.invitation()[1]}/accept", json=body, headers=name
        )

    def newcomer(self) -> str:
        """The path of somebody who belongs to Ann's organization and to no other."""
        accepted = self.accept({})
        assert accepted.status_code < 300, accepted.text
        return f"/orgs/{self.ann.org_id}/members/{accepted.json()['user_id']}"

    def reset_link(self) -> str:
        made = self.ann.http.post(f"{self.newcomer()}/reset-link")
        assert made.status_code == 201, made.text
        return str(made.json()["url"].rpartition("/")[2])

    def deleted(self) -> str:
        diagram = self.diagram()
        assert self.ann.http.delete(f"/diagrams/{diagram}").status_code == 204
        return diagram

    def edited(self) -> str:
        """A diagram with a live edit since its last version."""
        diagram = self.diagram()
        with open_socket(
            self.server, diagram, token=self.ann.http.headers["Authorization"].removeprefix("Bearer ")
        ) as socket:
            doc = joined(socket)
            state = doc.get_state()
            doc.get("n", type=Map)["Task_1"]["@name"] = "live"  # type: ignore[index]
            socket.send(create_update_message(doc.get_update(state)))
            eventually("the edit is in the document", lambda: b"live" in self.live(diagram))
        return diagram

    def live(self, diagram: str) -> bytes:
        return self.ann.http.get(f"/diagrams/{diagram}/content?version=live").content


Named = dict[str, str]
Do = Callable[[World, Named], httpx.Response]


def _register(world: World, name: Named) -> httpx.Response:
    body = {"email": f"new-{uuid4().hex}@example.org", "password": PASSWORD, "name": "New"}
    return httpx.post(f"{world.server.url}/api/v1/auth/register", json=body, headers=name)


def _login(world: World, name: Named) -> httpx.Response:
    body = {"email": world.ann.email, "password": PASSWORD}
    return world.browser.post("/auth/login", json=body, headers={**name, "Origin": world.server.url})


def _logout(world: World, name: Named) -> httpx.Response:
    _login(world, {})
    return world.browser.post("/auth/logout", headers={**name, "Origin": world.server.url})


# One call that succeeds for each writing route of the OpenAPI document. A new route needs its line here, and
# `audit.record(..., request_id=call.request_id)` as the last thing in the transaction of its command.
CALLS: dict[str, Do] = {
    "POST /auth/register": _register,
    "POST /auth/login": _login,
    "POST /auth/logout": _logout,
    "POST /tokens": lambda w, n: w.ann.http.post("/tokens", json={"name": "one"}, headers=n),
    "DELETE /tokens/{token_id}": lambda w, n: w.ann.http.delete(f"/tokens/{w.token()}", headers=n),
    "POST /orgs": lambda w, n: w.ann.http.post("/orgs", json={"name": "Org"}, headers=n),
    "PATCH /orgs/{org_id}": lambda w, n: w.ann.http.patch(f"/orgs/{w.org_with_bob()}", json={"name": "O"}, headers=n),
    "POST /orgs/{org_id}/members": lambda w, n: w.ann.http.post(
        f"/orgs/{w.ann.org_id}/members", json={"email": w.bob.email, "role": "viewer"}, headers=n
    ),
    "PATCH /orgs/{org_id}/members/{user_id}": lambda w, n: w.ann.http.patch(
        f"/orgs/{w.org_with_bob()}/members/{w.bob.user_id}", json={"role": "editor"}, headers=n
    ),
    "DELETE /orgs/{org_id}/members/{user_id}": lambda w, n: w.ann.http.delete(
        f"/orgs/{w.org_with_bob()}/members/{w.bob.user_id}", headers=n
    ),
    "POST /projects": lambda w, n: w.ann.http.post("/projects", json={"name": "Project"}, headers=n),
    "PATCH /projects/{project_id}": lambda w, n: w.ann.http.patch(
        f"/projects/{w.project()}", json={"name": "Other"}, headers=n
    ),
    "DELETE /projects/{project_id}": lambda w, n: w.ann.http.delete(f"/projects/{w.project()}", headers=n),
    "POST /diagrams": lambda w, n: w.ann.http.post("/diagrams", content=DIAGRAM, headers={**XML, **n}),
    "PATCH /diagrams/{diagram_id}": lambda w, n: w.ann.http.patch(
        f"/diagrams/{w.diagram()}", json={"title": "Other"}, headers=n
    ),
    "DELETE /diagrams/{diagram_id}": lambda w, n: w.ann.http.delete(f"/diagrams/{w.diagram()}", headers=n),
    "POST /diagrams/{diagram_id}/undelete": lambda w, n: w.ann.http.post(
        f"/diagrams/{w.deleted()}/undelete", headers=n
    ),
    "PUT /diagrams/{diagram_id}/content": lambda w, n: w.ann.http.put(
        f"/diagrams/{w.diagram()}/content?base_version=1", content=DIAGRAM.replace(b"one", b"two"), headers={**XML, **n}
    ),
    "POST /diagrams/{diagram_id}/versions": lambda w, n: w.ann.http.post(
        f"/diagrams/{w.edited()}/versions", json={"message": "live"}, headers=n
    ),
    "PATCH /diagrams/{diagram_id}/versions/{version}": lambda w, n: w.ann.http.patch(
        f"/diagrams/{w.diagram()}/versions/1", json={"name": "First"}, headers=n
    ),
    "POST /diagrams/{diagram_id}/versions/{version}/restore": lambda w, n: w.ann.http.post(
        f"/diagrams/{w.saved()}/versions/1/restore", headers=n
    ),
    "PUT /diagrams/{diagram_id}/members": lambda w, n: w.ann.http.put(
        f"/diagrams/{w.diagram()}/members", json={"email": w.bob.email, "role": "viewer"}, headers=n
    ),
    "POST /diagrams/{diagram_id}/comments": lambda w, n: w.ann.http.post(
        f"/diagrams/{w.diagram()}/comments", json={"text": "Why?"}, headers=n
    ),
    "PATCH /diagrams/{diagram_id}/comments/{comment_id}": lambda w, n: w.ann.http.patch(
        w.comment(), json={"text": "How?"}, headers=n
    ),
    "DELETE /diagrams/{diagram_id}/comments/{comment_id}": lambda w, n: w.ann.http.delete(w.comment(), headers=n),
    "POST /diagrams/{diagram_id}/comments/{comment_id}/replies": lambda w, n: w.ann.http.post(
        f"{w.comment()}/replies", json={"text": "So."}, headers=n
    ),
    "POST /diagrams/{diagram_id}/comments/{comment_id}/resolve": lambda w, n: w.ann.http.post(
        f"{w.comment()}/resolve", headers=n
    ),
    "POST /diagrams/{diagram_id}/comments/{comment_id}/reopen": lambda w, n: w.ann.http.post(
        f"{w.settled()}/reopen", headers=n
    ),
    "POST /orgs/{org_id}/members/{user_id}/reset-link": lambda w, n: w.ann.http.post(
        f"{w.newcomer()}/reset-link", headers=n
    ),
    "POST /reset-links/{reset_secret}": lambda w, n: httpx.post(
        f"{w.server.url}/api/v1/reset-links/{w.reset_link()}", json={"password": PASSWORD[::-1]}, headers=n
    ),
    "POST /orgs/{org_id}/invitations": lambda w, n: w.ann.http.post(
        f"/orgs/{w.ann.org_id}/invitations", json={"email": "x@example.org", "role": "viewer"}, headers=n
    ),
    "DELETE /orgs/{org_id}/invitations/{invitation_id}": lambda w, n: w.ann.http.delete(
        f"/orgs/{w.ann.org_id}/invitations/{w.invitation()[0]}", headers=n
    ),
    "POST /invitations/{secret}/accept": World.accept,
    "POST /diagrams/{diagram_id}/share-links": lambda w, n: w.ann.http.post(
        f"/diagrams/{w.diagram()}/share-links", json={"role": "viewer"}, headers=n
    ),
    "DELETE /diagrams/{diagram_id}/share-links/{link_id}": lambda w, n: w.ann.http.delete(
        "/diagrams/{}/share-links/{}".format(*w.link()), headers=n
    ),
    "POST /share-links/{link_secret}/open": lambda w, n: w.bob.http.post(f"/share-links/{w.link()[2]}/open", headers=n),
    "DELETE /diagrams/{diagram_id}/members/{user_id}": lambda w, n: w.ann.http.delete(
        f"/diagrams/{w.shared()}/members/{w.bob.user_id}", headers=n
    ),
}
# Routes with a writing method that change nothing that lasts, and why each is one.
NOTHING_TO_TELL = {
    "POST /validate": "reads what it is sent",
    "POST /diagrams/{diagram_id}/validate": "reads the diagram",
    "POST /diagrams/{diagram_id}/ticket": "lives for 30 seconds and opens what the caller may open anyway; what is then"
    " done is told of",
    "POST /diagrams/{diagram_id}/replay": "an ended epoch is needed for it: see tests/collab/test_epochs.py",
}


@pytest.fixture(scope="module")
def world(server: Served, ann: Client) -> Iterator[World]:
    bob = signed_up(server, "Bob")
    with httpx.Client(base_url=f"{server.url}/api/v1") as browser:
        yield World(server, ann, bob, browser)
    bob.http.close()


def test_every_route_that_writes_leaves_its_line(world: World) -> None:
    document = httpx.get(f"{world.server.url}/openapi.json").json()
    writing = {
        f"{method.upper()} {path.removeprefix('/api/v1')}"
        for path, several in document["paths"].items()
        for method in several
        if method in ("post", "put", "patch", "delete")
    }
    unknown = sorted(writing - CALLS.keys() - NOTHING_TO_TELL.keys())
    assert not unknown, (
        f"{unknown}: new routes that write. Give each a call that succeeds in CALLS of tests/api/test_audit.py, and let its"
        " command call audit.record(..., request_id=call.request_id) last in its transaction. One that changes nothing"
        " that lasts goes to NOTHING_TO_TELL, with the reason."
    )
    assert writing >= CALLS.keys() | NOTHING_TO_TELL.keys(), "routes that are gone"
    for number, (route, do) in enumerate(CALLS.items()):
        answer = do(world, {"X-Request-Id": f"walk-{number}"})
        assert answer.status_code < 300, (route, answer.text)
    told = {line["request_id"] for line in asked(world.server, "SELECT request_id FROM colane.audit")}
    silent = [route for number, route in enumerate(CALLS) if f"walk-{number}" not in told]
    assert not silent, f"{silent} wrote nothing into the audit log: see audit.record in the commands beside theirs"


@pytest.fixture
def guest(server: Served) -> Iterator[Callable[[str], Client]]:
    """Makes people who go again."""
    with ExitStack() as stack:

        def make(name: str) -> Client:
            made = signed_up(server, name)
            stack.enter_context(made.http)
            return made

        yield make


# -- refusals ---------------------------------------------------------------------------------------------------------


def test_a_failed_sign_in_is_told_of_with_a_hashed_account(server: Served, ann: Client) -> None:
    nobody = f"{uuid4().hex}@example.org"
    for email in (ann.email, nobody):
        for _ in range(2):
            httpx.post(f"{server.url}/api/v1/auth/login", json={"email": email, "password": "wrong password"})
    for email in (ann.email.upper(), nobody):
        (line,) = written(server, f"resource = '{account(email)}'")
        assert (line["org_id"], line["actor"], line["result"]) == (SYSTEM, None, "bad_credentials")
        assert line["metadata"]["route"] == "POST /api/v1/auth/login"
        assert line["metadata"]["address"] == "127.0.0.1"
    assert "example.org" not in str(asked(server, "SELECT * FROM colane.audit WHERE action = 'request.refused'"))


def test_whom_a_socket_does_not_let_in_is_told_to_the_systems_chain(
    server: Served, ann: Client, mallory: Client
) -> None:
    diagram = ann.diagram(DIAGRAM)
    token = mallory.http.headers["Authorization"]
    for header, status in ((token, 404), ("Bearer clt_wrong", 401)):
        with pytest.raises(InvalidStatus) as refused:
            connect(f"{server.ws}/{diagram}", additional_headers={"Authorization": header})
        assert refused.value.response.status_code == status
    lines = written(server, f"action = 'socket.refused' AND resource = 'diagram:{diagram}'", 2)
    assert {(line["org_id"], line["actor"], line["result"]) for line in lines} == {
        (SYSTEM, mallory.user_id, "not_found"), (SYSTEM, None, "unauthenticated"),
    }  # fmt: skip
    other = ann.diagram(DIAGRAM)
    with connect(server.ws) as socket:
        socket.send(messages.address(other) + bytes((messages.AUTH, 0, 9)) + b"clt_wrong")
        answer = socket.recv()
        assert isinstance(answer, bytes)
        assert b"permission-denied" in answer
    (line,) = written(server, f"action = 'socket.refused' AND resource = 'diagram:{other}'")
    assert (line["actor"], line["result"]) == (None, "unauthenticated")


def test_what_a_member_may_not_do_is_told_to_their_organization(
    server: Served, ann: Client, guest: Callable[[str], Client]
) -> None:
    viewer = guest("Viewer")
    ann.http.post(f"/orgs/{ann.org_id}/members", json={"email": viewer.email, "role": "viewer"})
    diagram = ann.diagram(DIAGRAM)
    for _ in range(4):
        assert viewer.http.delete(f"/diagrams/{diagram}").status_code == 403
    assert viewer.http.get(f"/audit?org={ann.org_id}").status_code == 403
    assert viewer.http.patch(f"/orgs/{ann.org_id}", json={"name": "Mine"}).status_code == 403
    lines = written(server, f"action = 'request.refused' AND actor = '{viewer.user_id}'", 3)
    assert {(line["org_id"], line["result"]) for line in lines} == {(ann.org_id, "forbidden")}
    assert [line["resource"] for line in lines] == [
        f"diagram:{diagram}", "route:/api/v1/audit", f"organization:{ann.org_id}",
    ]  # fmt: skip
    assert all("address" not in line["metadata"] for line in lines)
    shown = ann.http.get(f"/audit?action=request.refused&actor={viewer.user_id}").json()["items"]
    assert [one["resource"] for one in shown] == [line["resource"] for line in reversed(lines)]


def test_asking_for_what_is_not_ones_own_is_told_to_no_organization(
    server: Served, ann: Client, mallory: Client
) -> None:
    theirs, nothing = ann.diagram(DIAGRAM), str(uuid4())
    refused = "SELECT * FROM colane.audit WHERE action = 'request.refused' AND org_id"
    before = [asked(server, f"{refused} = '{one.org_id}'") for one in (ann, mallory)]
    for diagram in (theirs, nothing):
        for _ in range(2):
            assert mallory.http.get(f"/diagrams/{diagram}").status_code == 404
    assert mallory.http.get(f"/diagrams?org={ann.org_id}").status_code == 422
    assert mallory.http.get("/diagrams/no-id-at-all-but-perhaps-a-secret").status_code == 404
    lines = written(server, f"action = 'request.refused' AND actor = '{mallory.user_id}'", 4)
    assert {line["org_id"] for line in lines} == {SYSTEM}
    ours, unknown = (next(line for line in lines if line["resource"] == f"diagram:{one}") for one in (theirs, nothing))
    differ = {name for name in ours if ours[name] != unknown[name]}
    assert differ <= {"seq", "id", "at", "resource", "request_id", "prev_hash", "hash", "metadata"}
    assert ours["metadata"].keys() - {"since"} == unknown["metadata"].keys() - {"since"}
    assert "secret" not in str(lines)
    assert [asked(server, f"{refused} = '{one.org_id}'") for one in (ann, mallory)] == before


def test_conflicts_are_told_of(server: Served, ann: Client) -> None:
    diagram = ann.diagram(DIAGRAM)
    other = DIAGRAM.replace(b"one", b"two")
    path = f"/diagrams/{diagram}/content"
    assert ann.http.put(f"{path}?base_version=1", content=other, headers=XML).status_code == 200
    assert (
        ann.http.put(f"{path}?base_version=1", content=DIAGRAM.replace(b"one", b"three"), headers=XML).status_code
        == 409
    )
    stale = {**XML, "If-Match": '"v1"'}
    assert ann.http.put(path, content=DIAGRAM.replace(b"one", b"three"), headers=stale).status_code == 412
    (line,) = written(server, f"action = 'request.refused' AND diagram_id = '{diagram}'")
    assert (line["org_id"], line["result"], line["actor"]) == (ann.org_id, "version_conflict", ann.user_id)


def test_a_wrong_token_and_a_foreign_origin_are_told_of(server: Served, ann: Client) -> None:
    url = f"{server.url}/api/v1"
    assert httpx.get(f"{url}/tokens", headers={"Authorization": "Bearer clt_secret-canary"}).status_code == 401
    with httpx.Client(base_url=url) as browser:
        browser.post("/auth/login", json={"email": ann.email, "password": PASSWORD})
        assert (
            browser.post("/tokens", json={"name": "x"}, headers={"Origin": "https://evil.example"}).status_code == 403
        )
    (line,) = written(server, "metadata->>'route' = 'GET /api/v1/tokens'")
    assert (line["org_id"], line["result"]) == (SYSTEM, "unauthenticated")
    (line,) = written(server, "result = 'origin_not_allowed' AND metadata->>'route' = 'POST /api/v1/tokens'")
    assert line["org_id"] == SYSTEM
    assert "canary" not in str(asked(server, "SELECT * FROM colane.audit"))


# -- the log, read ----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def reader(server: Served) -> Iterator[Client]:
    """An organization with a short log of its own."""
    client = signed_up(server, "Reader")
    diagram = client.diagram(DIAGRAM)
    for number in range(5):
        client.http.patch(f"/diagrams/{diagram}", json={"title": f"Title {number}"})
    client.http.post("/projects", json={"name": "P"})
    yield client
    client.http.close()


def test_the_log_is_filtered_and_paged(reader: Client) -> None:
    http = reader.http
    everything = http.get("/audit").json()["items"]
    assert [one["action"] for one in everything] == [
        "project.create", *["diagram.update"] * 5, "diagram.create", "organization.create",
    ]  # fmt: skip
    assert http.get("/audit", params={"action": "diagram.create"}).json()["items"] == everything[6:7]
    assert http.get("/audit", params={"actor": reader.user_id}).json()["items"] == everything
    resource = everything[1]["resource"]
    assert http.get("/audit", params={"resource": resource}).json()["items"] == everything[1:7]
    from_to = {"from": everything[4]["at"], "to": everything[2]["at"]}
    assert http.get("/audit", params=from_to).json()["items"] == everything[3:5]
    both = {"resource": resource, "action": "diagram.update", "limit": 2}
    pages: list[Any] = []
    answer = http.get("/audit", params=both)
    while True:
        pages.append(answer.json()["items"])
        if answer.json()["next_cursor"] is None:
            break
        assert 'rel="next"' in answer.headers["link"]
        answer = http.get("/audit", params={**both, "cursor": answer.json()["next_cursor"]})
    assert [len(page) for page in pages] == [2, 2, 1]
    assert [one for page in pages for one in page] == everything[1:6]


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ({"actor": "nobody"}, 422),
        ({"actor": str(UUID(int=7))}, 422),
        ({"from": "yesterday"}, 400),
        ({"from": "2030-01-01T00:00:00"}, 400),
        ({"action": "a\0b"}, 400),
        ({"resource": "x" * 201}, 400),
        ({"cursor": "nonsense"}, 400),
    ],
)
def test_filters_that_are_none_are_refused(reader: Client, query: dict[str, str], status: int) -> None:
    assert reader.http.get("/audit", params=query).status_code == status


def test_the_ends_of_time_are_moments_like_others(reader: Client) -> None:
    for query in ({"to": "0001-01-01T00:00:00+14:00"}, {"from": "9999-12-31T23:59:59-14:00"}):
        answer = reader.http.get("/audit", params=query)
        assert (answer.status_code, answer.json()["items"]) == (200, [])


def test_a_cursor_belongs_to_its_filters(reader: Client) -> None:
    cursor = reader.http.get("/audit", params={"limit": 1}).json()["next_cursor"]
    assert reader.http.get("/audit", params={"cursor": cursor}).status_code == 200
    other = reader.http.get("/audit", params={"cursor": cursor, "action": "diagram.update"})
    assert (other.status_code, other.json()["code"]) == (400, "cursor_mismatch")


def test_the_log_is_verified_and_exported_for_who_checks_offline(server: Served, reader: Client) -> None:
    seen = reader.http.get("/audit/verify").json()
    assert (seen["ok"], seen["broken_at"], seen["what"], seen["reason"]) == (True, None, None, None)
    assert seen["rows"] >= 8  # refusals of the tests above may be among them
    answer = reader.http.get("/audit/export")
    assert answer.headers["content-type"] == "application/x-ndjson"
    assert answer.headers["content-disposition"] == f'attachment; filename="audit-{reader.org_id}.ndjson"'
    trusted = keys.believed(Settings(data=server.data))
    report = examine(answer.content.splitlines(keepends=True), trusted)
    assert (report.broken, report.org) == (None, reader.org_id)
    assert report.rows >= seen["rows"]
    assert reader.email not in answer.text
    head = reader.http.head("/audit/export")
    assert (head.status_code, head.content) == (200, b"")


def test_only_admins_export(ann: Client, mallory: Client, guest: Callable[[str], Client]) -> None:
    assert mallory.http.get(f"/audit/export?org={ann.org_id}").status_code == 422
    viewer = guest("Looker")
    ann.http.post(f"/orgs/{ann.org_id}/members", json={"email": viewer.email, "role": "editor"})
    assert viewer.http.get(f"/audit/export?org={ann.org_id}").status_code == 403


def test_rates_are_told_of_and_a_changed_row_is_named(tmp_path: Path) -> None:
    with served(tmp_path / "data", COLANE_LIMITS="on", COLANE_LIMIT_SIGNIN="2") as server, server.http() as http:
        body = {"email": "somebody@example.org", "password": "wrong password"}
        statuses = [http.post("/auth/login", json=body).status_code for _ in range(6)]
        assert set(statuses) == {401, 429}
        lines = written(server, f"resource = '{account(body['email'])}'", 2)
        assert {(line["org_id"], line["result"]) for line in lines} >= {
            (SYSTEM, "rate_limited"),
            (SYSTEM, "bad_credentials"),
        }
        for number in range(6):
            http.post("/projects", json={"name": f"P{number}"})
        rows = http.get("/audit/verify").json()["rows"]
        spoil(server, f"UPDATE colane.audit SET action = 'x' WHERE seq = {rows - 2} AND org_id <> '{SYSTEM}'")
        seen = http.get("/audit/verify").json()
        assert (seen["ok"], seen["broken_at"], seen["what"]) == (False, rows - 2, "changed")
        assert f"Row {rows - 2}" in seen["reason"]
        trusted = keys.believed(Settings(data=server.data))
        report = examine(http.get("/audit/export").content.splitlines(keepends=True), trusted)
        assert report.broken is not None
        assert (report.broken.row, report.broken.what) == (rows - 2, "changed")
