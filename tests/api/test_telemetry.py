"""What the house says about itself: one request id on every line, no secrets, series that move, reports of the unexpected."""

import contextlib
import io
import json
import logging
import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import sentry_sdk
import structlog
from pycrdt import Map, create_update_message
from sentry_sdk.envelope import Envelope
from sentry_sdk.transport import Transport
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from api import telemetry
from api.front import FrontDoor
from api.resources import Health
from collab.wire import messages
from storage.embedded import SUPERUSER, find_binaries
from storage.settings import Settings
from tests.api.conftest import PASSWORD, Client
from tests.interop.clients import eventually
from tests.interop.test_one_room import DIAGRAM
from tests.interop.test_socket import closed_with, joined, open_socket
from tests.serving import Served, free_port, served

BAD_IDS = [b"", b"with space", b"a" * 129, b"a\tb", b"{json}", "ümlaut".encode(), b'"quoted"']


def lines(server: Served) -> list[dict[str, Any]]:
    return [json.loads(line) for line in server.log().splitlines() if line.startswith("{")]


def of_request(server: Served, name: str, *, ends: str = "request") -> list[dict[str, Any]]:
    """All lines under one request id, once the last one is written."""
    found: list[dict[str, Any]] = []

    def complete() -> bool:
        found[:] = [line for line in lines(server) if line.get("request_id") == name]
        return any(line["event"] == ends for line in found)

    eventually(f"{name} is logged to its end", complete)
    return found


# -- one id -----------------------------------------------------------------------------------------------------------


def test_the_request_id_is_taken_sent_back_and_logged_with_who_and_what(server: Served, ann: Client) -> None:
    diagram = ann.diagram(DIAGRAM)
    answer = ann.http.get(f"/diagrams/{diagram}", headers={"X-Request-Id": "look-for~this.id_1"})
    assert answer.headers["x-request-id"] == "look-for~this.id_1"
    (line,) = of_request(server, "look-for~this.id_1")
    assert (line["diagram"], line["org"], line["status"]) == (diagram, ann.org_id, 200)
    assert line["route"] == "/api/v1/diagrams/{diagram_id}"
    assert re.fullmatch("[0-9a-f]{16}", line["user"])
    assert ann.user_id not in json.dumps(line)


@pytest.mark.parametrize("bad", BAD_IDS, ids=repr)
def test_an_id_that_is_not_fit_to_be_written_down_is_replaced(server: Served, ann: Client, bad: bytes) -> None:
    given = ann.http.get("/me", headers={b"X-Request-Id": bad}).headers["x-request-id"]
    assert re.fullmatch("[0-9a-f-]{36}", given)
    assert of_request(server, given)[0]["route"] == "/api/v1/me"


def test_two_requests_without_an_id_get_two(ann: Client) -> None:
    assert ann.http.get("/me").headers["x-request-id"] != ann.http.get("/me").headers["x-request-id"]


def test_errors_name_the_same_id_in_header_body_and_log(server: Served, ann: Client) -> None:
    answer = ann.http.get("/diagrams/none", headers={"X-Request-Id": "an-error-1"})
    assert answer.headers["x-request-id"] == answer.json()["request_id"] == "an-error-1"
    assert of_request(server, "an-error-1")[-1]["status"] == 404


def test_the_id_is_carried_into_the_outbox_and_the_audit(server: Served, ann: Client) -> None:
    http = ann.http
    made = http.post(
        "/diagrams", content=DIAGRAM, headers={"Content-Type": "application/xml", "X-Request-Id": "ob-create"}
    )
    path = f"/diagrams/{made.json()['id']}"
    changed = DIAGRAM.replace(b'name="one"', b'name="two"')
    http.put(
        f"{path}/content?base_version=1", content=changed, headers={"Content-Type": "application/xml", "X-Request-Id": "ob-save"}
    )  # fmt: skip
    http.post(f"{path}/versions/1/restore", headers={"X-Request-Id": "ob-restore"})
    http.patch(path, json={"title": "Other"}, headers={"X-Request-Id": "ob-rename"})
    http.delete(path, headers={"X-Request-Id": "ob-delete"})
    http.post(f"{path}/undelete", headers={"X-Request-Id": "ob-undelete"})
    assert made.status_code == 201
    names = {"ob-create", "ob-save", "ob-restore", "ob-rename", "ob-delete", "ob-undelete"}
    rows = asked(server, "SELECT request_id FROM colane.outbox WHERE request_id LIKE 'ob-%'")
    assert set(rows) == names
    assert {line["request_id"] for line in http.get(f"{path}/audit").json()["items"]} == names


def asked(server: Served, query: str) -> list[str]:
    """Rows of one column from the database of a running server, as its superuser."""
    socket = Path((server.data / "pg" / "postmaster.pid").read_text().splitlines()[4])
    command: list[str] = [
        str(find_binaries() / "psql"),
        "-XqtA",
        "-h",
        str(socket),
        "-U",
        SUPERUSER,
        "-d",
        "colane",
        "-c",
        query,
    ]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()


def test_a_socket_session_has_an_id_too(server: Served, ann: Client) -> None:
    diagram = ann.diagram(DIAGRAM)
    token = ann.http.headers["Authorization"]
    for name, url in (("socket-1", f"{server.ws}/{diagram}"), ("socket-2", server.ws)):
        with connect(url, additional_headers={"Authorization": token, "X-Request-Id": name}) as socket:
            assert socket.response is not None
            assert socket.response.headers["X-Request-Id"] == name
            if name == "socket-2":
                socket.send(messages.address(diagram) + b"\x02\x00" + messages.address(token.removeprefix("Bearer ")))
                socket.recv(timeout=10)
        opened, closed = of_request(server, name, ends="socket.closed")
        assert (opened["event"], opened["diagram"], opened["org"]) == ("socket.joined", diagram, ann.org_id)
        assert (closed["code"], closed["user"]) == (1000, opened["user"])
    with pytest.raises(InvalidStatus) as raised:
        connect(f"{server.ws}/none", additional_headers={"Authorization": token, "X-Request-Id": "socket-3"})
    assert raised.value.response.headers["X-Request-Id"] == "socket-3"
    assert of_request(server, "socket-3", ends="socket.refused")[0]["status"] == 404
    with connect(server.ws, additional_headers={"X-Request-Id": "not good"}) as socket:
        assert socket.response is not None
        assert re.fullmatch("[0-9a-f-]{36}", socket.response.headers["X-Request-Id"])


# -- no secrets -------------------------------------------------------------------------------------------------------


def test_no_secret_and_no_address_is_ever_logged(server: Served, ann: Client) -> None:
    diagram = ann.diagram(DIAGRAM)
    token = ann.http.headers["Authorization"].removeprefix("Bearer ")
    with httpx.Client(base_url=f"{server.url}/api/v1") as browser:
        browser.post("/auth/login", json={"email": ann.email, "password": "not the password"})
        browser.post("/auth/login", json={"email": ann.email, "password": PASSWORD})
        cookie = browser.cookies["colane_session"]
        browser.get("/me")
        origin = {"Origin": server.url}
        ticket = browser.post(f"/diagrams/{diagram}/ticket", headers=origin).json()["ticket"]
        unused = browser.post(f"/diagrams/{diagram}/ticket", headers=origin).json()["ticket"]
        link = "Zm9yZ290dGVuLXNpZ24taW4tbGluaw"
        browser.get(f"{server.url}/signin/{link}")
        browser.get(f"{server.url}/nothing/{unused}?ticket={unused}", headers={"X-Request-Id": "secrets-1"})
        browser.post("/auth/login", content=f'{{"email": "{ann.email}", "password": 17, "x": "{PASSWORD}"}}')
    with connect(f"{server.ws}/{diagram}?ticket={ticket}") as socket:
        joined(socket)
    with pytest.raises(InvalidStatus):
        connect(f"{server.ws}/{diagram}?ticket={ticket}")
    with open_socket(server, diagram, token=token) as socket:
        socket.send(b"\x00\x02\x05hello")
    of_request(server, "secrets-1")
    log = server.log()
    for secret in (PASSWORD, "not the password", token, cookie, ticket, unused, link, ann.email, "example.org"):
        assert secret not in log


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("token clt_abcDEF-_9 was bad", "token clt_*** was bad"),
        ("GET /collab/x?ticket=clk_abc&epoch=1", "GET /collab/x?ticket=***&epoch=1"),
        ("Authorization: Bearer abc.def", "Authorization: Bearer ***"),
        ("Cookie: colane_session=abcdef; other=1", "Cookie: colane_session=***; other=1"),
        ("postgresql://colane_app:hunter2@db.internal/colane", "postgresql://colane_app:***db.internal/colane"),
        ("Key (email)=(ann.b+c@example.org) exists", "Key (email)=(***) exists"),
        ("/signin/abcdef", "/signin/***"),
        ("/share/abc-DEF_1 and /api/v1/reset-links/abc", "/share/*** and /api/v1/reset-links/***"),
        ("/api/v1/share-links/{link_secret}/open", "/api/v1/share-links/{link_secret}/open"),
        ("clv_abc", "clv_***"),
        ("colane_oidc=abc; x=1", "colane_oidc=***; x=1"),
        ("GET /callback?code=abc&state=def&x=1", "GET /callback?code=***&state=***&x=1"),
        ("client_secret=abc, 'password': 'abc'", "client_secret=***, 'password': '***'"),
        ("3 x 4 @ 5, a/b:c", "3 x 4 @ 5, a/b:c"),
    ],
)
def test_what_must_stay_secret_is_masked(text: str, shown: str) -> None:
    assert telemetry.masked(text) == shown


# -- in this process: our own stream and our own transport -----------------------------------------------------------------


class Kept(Transport):
    """A transport that keeps the events it is given."""

    def __init__(self) -> None:
        super().__init__()
        self.events: list[dict[str, Any]] = []

    def capture_envelope(self, envelope: Envelope) -> None:
        event = envelope.get_event()
        if event is not None:
            self.events.append(json.loads(json.dumps(event, default=str)))


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    """Where the lines go; everything is as before afterwards."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield io.StringIO()
    root.handlers, root.level = handlers, level
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()
    sentry_sdk.get_client().close()
    sentry_sdk.get_global_scope().set_client(None)


def failing(settings: Settings) -> Starlette:
    """An app behind our front door with a route that says some things and fails."""

    async def fail(request: Request) -> Response:
        password, email = request.headers["x-password"], request.headers["x-email"]
        structlog.get_logger("ours").info("ours", value=1)
        logging.getLogger("theirs").warning("theirs %s", "too")
        structlog.contextvars.bind_contextvars(org="org-1", diagram="diagram-1")
        raise RuntimeError(f"no room for clt_{'7' * 43} of {email}\nDETAIL: Failing row contains ({password})")

    app = Starlette(routes=[Route("/fail", fail)])
    app.add_middleware(FrontDoor, settings=settings, health=Health(ready=True))
    return app


async def call(app: Starlette) -> httpx.Response:
    headers = {
        "X-Request-Id": "the-one",
        "X-Password": PASSWORD,
        "X-Email": "ann@example.org",
        "Cookie": "colane_session=cookie-value",
        "Authorization": f"Bearer clt_{'7' * 43}",
    }
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as http:
        return await http.get("/fail?ticket=clk_secret-ticket", headers=headers)


def secrets_in(text: str) -> list[str]:
    hidden = (PASSWORD, "7" * 43, "cookie-value", "secret-ticket", "example.org")
    return [one for one in hidden if one in text]


async def test_every_line_of_one_request_carries_its_id_and_no_secret(stream: io.StringIO) -> None:
    settings = Settings(sentry_dsn=None)
    telemetry.configure(settings, stream=stream)
    answer = await call(failing(settings))
    assert (answer.status_code, answer.json()["code"], answer.json()["request_id"]) == (500, "internal", "the-one")
    said = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert [line["event"] for line in said] == ["ours", "theirs too", "unexpected error", "request"]
    assert {line["request_id"] for line in said} == {"the-one"}
    assert said[2]["exception"][0]["exc_type"] == "RuntimeError"
    assert said[2]["exception"][0]["frames"]
    assert secrets_in(stream.getvalue()) == []
    assert all(set(line) >= {"at", "level", "event"} for line in said)


async def test_the_unexpected_is_reported_with_its_request_and_without_secrets(stream: io.StringIO) -> None:
    kept = Kept()
    settings = Settings(sentry_dsn="http://key@127.0.0.1:9/1")
    telemetry.configure(settings, stream=stream, transport=kept)
    await call(failing(settings))
    (event,) = kept.events
    assert event["tags"] == {"request_id": "the-one", "org": "org-1", "diagram": "diagram-1"}
    (error,) = event["exception"]["values"]
    assert (error["type"], error["value"]) == ("RuntimeError", "no room for clt_*** of ***")
    assert error["stacktrace"]["frames"][-1]["function"] == "fail"
    assert secrets_in(json.dumps(event)) == []
    assert not {"request", "user"} & event.keys()
    assert os.uname().nodename not in (event.get("server_name") or "")


async def test_what_fails_outside_a_request_is_reported_too(stream: io.StringIO) -> None:
    kept = Kept()
    telemetry.configure(Settings(sentry_dsn="http://key@127.0.0.1:9/1"), stream=stream, transport=kept)
    structlog.contextvars.bind_contextvars(request_id="a-socket")
    try:
        raise ValueError("a room")
    except ValueError as error:
        structlog.get_logger().exception("socket.failed")
        logging.getLogger("asyncio").error("a task", exc_info=error)  # noqa: TRY400 -- as asyncio itself does it
    structlog.get_logger().error("expected, no traceback")
    assert [one["exception"]["values"][0]["value"] for one in kept.events] == ["a room", "a room"]
    assert kept.events[0]["tags"]["request_id"] == "a-socket"
    assert all("exception" in json.loads(line) for line in stream.getvalue().splitlines()[:2])


async def test_without_a_dsn_nothing_is_reported(stream: io.StringIO, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = Kept()
    monkeypatch.delenv("SENTRY_DSN", raising=False)
    settings = Settings()
    telemetry.configure(settings, stream=stream, transport=kept)
    await call(failing(settings))
    assert not sentry_sdk.get_client().is_active()
    assert kept.events == []
    monkeypatch.setenv("SENTRY_DSN", "http://key@127.0.0.1:9/1")
    assert Settings().sentry_dsn == "http://key@127.0.0.1:9/1"


# -- series -----------------------------------------------------------------------------------------------------------


def series(server: Served) -> dict[str, float]:
    text = httpx.get(f"{server.url}/metrics").text
    return {
        name: float(value) for name, _, value in (line.rpartition(" ") for line in text.splitlines() if line[0] != "#")
    }


def test_the_series_move_with_real_traffic(server: Served, ann: Client) -> None:
    diagram = ann.diagram(DIAGRAM)
    before = series(server)
    path = f"/diagrams/{diagram}/content"
    xml = {"Content-Type": "application/xml"}
    assert (
        ann.http.put(f"{path}?base_version=9", content=DIAGRAM.replace(b"one", b"two"), headers=xml).status_code == 409
    )
    assert (
        ann.http.put(f"{path}?base_version=1", content=DIAGRAM.replace(b"one", b"two"), headers=xml).status_code == 200
    )
    token = ann.http.headers["Authorization"].removeprefix("Bearer ")
    with open_socket(server, diagram, token=token) as socket:
        doc = joined(socket)
        for number in range(3):
            state = doc.get_state()
            doc.get("n", type=Map)["Task_1"]["@name"] = f"name {number}"  # type: ignore[index]
            socket.send(create_update_message(doc.get_update(state)))
        assert series(server)["colane_sockets"] >= 1
    with open_socket(server, diagram, token=token) as socket:
        socket.close(3999, "a number of our own")
    with open_socket(server, diagram, token=token) as socket:
        joined(socket)
        socket.send("text")
        assert closed_with(socket) == 4400
    with pytest.raises(InvalidStatus):
        open_socket(server, diagram, token="clt_wrong")
    moved = {
        'colane_http_request_seconds_count{method="PUT",route="/api/v1/diagrams/{diagram_id}/content",status="200"}': 1,
        'colane_http_request_seconds_count{method="PUT",route="/api/v1/diagrams/{diagram_id}/content",status="409"}': 1,
        'colane_save_seconds_count{result="saved"}': 1,
        'colane_save_seconds_count{result="conflict"}': 1,
        "colane_edit_durable_seconds_count": 3,
        "colane_room_open_seconds_count": 1,
        'colane_socket_closed_total{code="1000"}': 1,
        'colane_socket_closed_total{code="4400"}': 1,
        'colane_socket_closed_total{code="other"}': 1,
        'colane_socket_refused_total{status="401"}': 1,
    }

    missing: dict[str, float] = {}

    def settled() -> bool:
        now = series(server)
        missing.clear()
        missing.update({name: by - now.get(name, 0) + before.get(name, 0) for name, by in moved.items()})
        return not any(missing.values())

    with contextlib.suppress(AssertionError):
        eventually("every series moved by what happened", settled, timeout=5)
    assert {name: by for name, by in missing.items() if by} == {}
    now = series(server)
    assert not any("3999" in name for name in now)
    assert now["colane_ready"] == 1
    assert now["colane_degraded"] == 0
    for name in ("http_request", "save", "edit_durable", "room_open"):
        edges = {found[1] for one in now if (found := re.search(rf'^colane_{name}_seconds_bucket.*le="([^"]+)"', one))}
        assert {"0.1", "0.2", "0.6"} <= edges, name


def test_an_unknown_path_or_method_makes_no_new_series(server: Served) -> None:
    before = set(series(server))
    for number in range(3):
        httpx.get(f"{server.url}/unknown/{number}")
        httpx.request(f"M{number}", f"{server.url}/api/v1/me")
        httpx.request(f"M{number}", f"{server.url}/livez")
    new = {name for name in set(series(server)) - before if "count" in name}
    assert all('method="any"' in name or 'status="405"' in name for name in new)
    assert not any('"M' in name for name in new)


def test_a_worker_shows_its_series_where_it_is_told_to(tmp_path: Path) -> None:
    port = free_port()
    with served(tmp_path / "data", COLANE_WORKER_METRICS=str(port)):

        def page() -> str:
            with contextlib.suppress(httpx.TransportError):
                return httpx.get(f"http://127.0.0.1:{port}/metrics").text
            return ""

        told = eventually("the worker's page is there", page)
        assert re.search(r"^colane_log_unfolded_seconds \d", told, re.MULTILINE)
