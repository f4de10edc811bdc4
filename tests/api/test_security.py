"""What somebody with bad intentions tries at the door: origins, cookies, headers, methods, odd bytes, secrets in answers."""

import asyncio
import json
import os
import re
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
from argon2 import extract_parameters
from starlette.requests import Request

from api import auth, bodies, passwords
from api.app import TABLE
from api.problems import Problem
from tests.api.conftest import PASSWORD, Client
from tests.conftest import ROOT
from tests.people import TEXT
from tests.serving import Served

WRITES = ("POST", "PUT", "PATCH", "DELETE")
CANARY = "canary" + os.urandom(8).hex()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """Behind a proxy that is believed, with a secret in every setting that can hold one, and in some that are not ours."""
    secrets = {
        "COLANE_PROXIES": "127.0.0.1",
        "REDIS_URL": f"redis://user:{CANARY}redis@127.0.0.1:9/0",
        "SENTRY_DSN": f"http://{CANARY}sentry@127.0.0.1:9/1",
        "COLANE_OWNER_URL": f"postgresql://colane_owner:{CANARY}owner@127.0.0.1:9/colane",
        "STRIPE_API_KEY": f"{CANARY}stripe",
        "VITE_SECRET": f"{CANARY}vite",
        "SECRET_KEY": f"{CANARY}key",
    }
    running = Served(tmp_path_factory.mktemp("security") / "data", settings=secrets, token=f"clt_{CANARY}token")
    with running:
        yield running


def paths(*methods: str) -> list[tuple[str, str]]:
    """Every route with one of these methods, with ids that nobody has."""
    found = [(one.method, re.sub(r"\{(\w+)\}", lambda m: _example(m[1]), one.path)) for one in TABLE]
    return [(method, path) for method, path in found if method in methods]


def _example(name: str) -> str:
    return "1" if name == "version" else str(uuid4())


@contextmanager
def signed_in(server: Served, client: Client) -> Iterator[httpx.Client]:
    """A browser, as far as a server can tell."""
    with httpx.Client(base_url=server.url, timeout=30) as http:
        answer = http.post("/api/v1/auth/login", json={"email": client.email, "password": PASSWORD})
        assert answer.status_code == 200
        yield http


# -- origins and cookies -----------------------------------------------------------------------------------------------


def test_every_writing_route_refuses_a_cookie_from_elsewhere(server: Served, ann: Client) -> None:
    own = server.url
    foreign = [
        None, "null", "https://evil.example", own.replace("http:", "https:"), own + ".evil.example", own + "0",
        "http://127.0.0.1", f"http://localhost:{server.port}", f"http://evil@127.0.0.1:{server.port}", own + "/path",
        f"{own}, {own}", "http://127.0.0.1:" + str(server.port + 1), "", "file://", own + "\\@evil.example",
    ]  # fmt: skip
    routes = paths(*WRITES)
    assert len(routes) > 25
    # The cookie's name alone makes it a browser's request: whether the session is real does not matter yet.
    with httpx.Client(base_url=own, cookies={"colane_session": "x"}, timeout=30) as http:
        for method, path in routes:
            for origin in foreign if path.endswith(("/auth/logout", "/content")) else foreign[:4]:
                headers = {} if origin is None else {"Origin": origin}
                answer = http.request(method, path, headers=headers, json={})
                assert (answer.status_code, answer.json()["code"]) == (403, "origin_not_allowed"), (
                    method,
                    path,
                    origin,
                )
            answer = http.request(method, path, headers={"Origin": own}, json={})
            assert b"origin_not_allowed" not in answer.content, (method, path)
    with signed_in(server, ann) as http:
        assert http.post("/api/v1/auth/logout").status_code == 403, "a sign-out from elsewhere is refused too"
        assert http.get("/api/v1/me").status_code == 200, "reading needs no origin"
        assert http.head("/api/v1/me").status_code == 200
        made = http.post("/api/v1/diagrams", json={"title": "own"}, headers={"Origin": own})
        assert made.status_code == 201
        assert http.post("/api/v1/auth/logout", headers={"Origin": own}).status_code == 204
        assert http.get("/api/v1/me").status_code == 401


def test_what_a_foreign_page_can_send_without_asking_is_no_sign_in(server: Served, ann: Client) -> None:
    body = json.dumps({"email": ann.email, "password": PASSWORD})
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", ""):
        answer = httpx.post(f"{server.url}/api/v1/auth/login", content=body, headers={"Content-Type": kind})
        assert answer.status_code == 415, kind
        assert "set-cookie" not in answer.headers
    asked = httpx.options(
        f"{server.url}/api/v1/auth/login",
        headers={"Origin": "https://evil.example", "Access-Control-Request-Method": "POST"},
    )
    assert not [name for name in asked.headers if name.startswith("access-control")], "no other origin is let in"


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_the_cookie_is_closed_to_scripts_and_to_plain_lines(server: Served, ann: Client, scheme: str) -> None:
    answer = httpx.post(
        f"{server.url}/api/v1/auth/login",
        json={"email": ann.email, "password": PASSWORD},
        headers={"X-Forwarded-Proto": scheme},
    )
    flags = {part.strip().partition("=")[0].lower() for part in answer.headers["set-cookie"].split(";")[1:]}
    assert flags == {"httponly", "max-age", "path", "samesite", *(("secure",) if scheme == "https" else ())}
    assert "samesite=lax" in answer.headers["set-cookie"].lower()
    assert "path=/;" in answer.headers["set-cookie"].lower()


def test_a_session_that_was_put_there_beforehand_is_not_the_one_that_is_opened(server: Served, ann: Client) -> None:
    fixed = "A" * 43
    with httpx.Client(base_url=server.url, headers={"Origin": server.url}) as http:
        http.cookies.set("colane_session", fixed)
        answer = http.post("/api/v1/auth/login", json={"email": ann.email, "password": PASSWORD})
        opened = answer.cookies["colane_session"]
        assert opened != fixed
    for secret, status in ((fixed, 401), (opened, 200), (opened[:-1], 401), (opened + "x", 401)):
        asked = httpx.get(f"{server.url}/api/v1/me", headers={"Cookie": f"colane_session={secret}"})
        assert asked.status_code == status


# -- headers -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_every_answer_is_dressed(server: Served, ann: Client, scheme: str) -> None:
    diagram = ann.diagram(TEXT)
    asset = re.search(rb'src="(/assets/[^"]+)"', httpx.get(server.url).content)
    assert asset is not None, "the page is not built"
    token = {"Authorization": ann.http.headers["Authorization"], "X-Forwarded-Proto": scheme}
    with httpx.Client(base_url=server.url, headers=token, timeout=30) as http:
        content = f"/api/v1/diagrams/{diagram}/content"
        answers = [
            http.request(method, path, headers=headers)
            for method, path, headers in [
                *[(m, p, {}) for p in ("/", "/livez", "/docs", "/api/v1/me", "/nothing") for m in ("GET", "HEAD", "TRACE")],
                *[("GET", p, {}) for p in ("/readyz", "/metrics", "/openapi.json", f"/d/{diagram}", asset[1].decode())],
                ("GET", content, {}), ("GET", content, {"If-None-Match": '"v1"'}), ("GET", content, {"Accept": "image/png"}),
                ("GET", f"/api/v1/diagrams/{diagram}/thumbnail.svg", {}), ("GET", "/signin/nonsense", {}),
                ("GET", f"/api/v1/diagrams/{uuid4()}", {}), ("POST", "/api/v1/diagrams", {}), ("DELETE", "/api/v1/me", {}),
                ("GET", "/api/v1/me", {"Authorization": "Bearer wrong"}), ("PROPFIND", "/", {}), ("OPTIONS", "/docs", {}),
            ]
        ]  # fmt: skip
    assert {200, 303, 304, 401, 404, 405, 406} <= {one.status_code for one in answers}
    for one in answers:
        where = f"{one.request.method} {one.request.url.path} {one.status_code}"
        policy = one.headers["content-security-policy"]
        assert "default-src 'none'" in policy, where
        assert "frame-ancestors 'none'" in policy, where
        assert "unsafe-inline" not in policy or "sandbox" in policy, where
        assert "unsafe-eval" not in policy, where
        assert "*" not in policy, where
        assert one.headers["x-content-type-options"] == "nosniff", where
        assert one.headers["x-frame-options"] == "DENY", where
        assert one.headers["referrer-policy"] == "same-origin", where
        assert one.headers["cross-origin-opener-policy"] == "same-origin", where
        assert one.headers["cross-origin-resource-policy"] == "same-origin", where
        assert one.headers["x-request-id"], where
        assert "server" not in one.headers, where
        hsts = one.headers.get("strict-transport-security", "")
        assert (scheme == "https") == ("max-age=31536000" in hsts), where
        if "/api/" in one.request.url.path:
            assert re.search("no-store|private, no-cache", one.headers["cache-control"]), where


def test_a_diagram_leaves_as_a_file_that_no_browser_runs(ann: Client) -> None:
    title = 'a"; filename="evil.html'
    diagram = ann.http.post("/diagrams", json={"title": title}).json()["id"]
    for path in (
        "content",
        "content?version=live",
        "export",
        "export?format=svg",
        "export?format=png",
        "export?format=json",
    ):
        answer = ann.http.get(f"/diagrams/{diagram}/{path}")
        assert answer.status_code == 200
        assert re.fullmatch(rf'attachment; filename="{diagram}\.\w+"', answer.headers["content-disposition"]), path
        assert "sandbox" in answer.headers["content-security-policy"], path
        assert "allow-scripts" not in answer.headers["content-security-policy"], path
    assert "sandbox" in ann.http.get(f"/diagrams/{diagram}/thumbnail.svg").headers["content-security-policy"]


# -- odd requests ------------------------------------------------------------------------------------------------------


def spoken(server: Served, data: bytes) -> bytes:
    """What the server says to these bytes, until it hangs up or falls silent."""
    answer = b""
    with socket.create_connection(("127.0.0.1", server.port)) as line:
        line.settimeout(2)
        try:
            line.sendall(data)
            while part := line.recv(65536):
                answer += part
        except (TimeoutError, ConnectionError):
            pass
    return answer


@pytest.mark.parametrize("method", ["TRACE", "CONNECT", "PROPFIND", "get", "DEBUG"])
def test_an_odd_method_is_refused_and_repeats_nothing(server: Served, method: str) -> None:
    for path in ("/", "/api/v1/me", "/livez", "/assets/x"):
        said = f"{method} {path} HTTP/1.1\r\nHost: x\r\nCookie: colane_session=echo-me\r\nConnection: close\r\n\r\n"
        answer = spoken(server, said.encode())
        assert answer.startswith(b"HTTP/1.1 405 "), (method, path)
        assert b"echo-me" not in answer


def test_two_lengths_and_endless_headers_are_refused(server: Served) -> None:
    head = b"POST /api/v1/auth/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
    hidden = b"GET /openapi.json HTTP/1.1\r\nHost: x\r\n\r\n"
    both = spoken(server, head + b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + hidden)
    assert both.startswith(b"HTTP/1.1 400 ")
    assert spoken(server, head + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}x").startswith(b"HTTP/1.1 400 ")
    assert spoken(server, head + b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n")[9:12] in (b"400", b"501")
    endless = spoken(
        server,
        b"GET /livez HTTP/1.1\r\nHost: x\r\n" + b"".join(b"X-%d: %b\r\n" % (n, b"a" * 60_000) for n in range(40)),
    )
    assert not endless.startswith(b"HTTP/1.1 200 ")
    assert httpx.get(f"{server.url}/livez").status_code == 200


def test_paths_lead_nowhere_else(server: Served) -> None:
    for path in (
        "/assets/../index.html", "/assets/%2e%2e/%2e%2e/pyproject.toml", "/styles.json", "//etc/passwd", "/index.html",
        "/assets/%00", "/assets/..%5c..%5ccolane.py", "/.git/config", "/api/v1/../../metrics", "/api/v1/me/", "/%61pi/v2/me",
    ):  # fmt: skip
        answer = spoken(server, f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
        assert answer.startswith((b"HTTP/1.1 404 ", b"HTTP/1.1 405 ")), path


@pytest.mark.parametrize(
    "body",
    [
        b"[" * 100_000, b'{"email":' * 50_000, b'{"email":"\\ud800@x.org","password":"x"}', b"\xff\xfe{}", b"",
        b'{"email":' + b"9" * 200_000 + b',"password":"x"}', b'{"email":1e999,"password":"x"}', b'{"email":NaN}',
        b'{"email":"a@x.org","password":"' + b"x" * 201 + b'"}', b'{"email":["a@x.org"],"password":"x"}', b"null", b"\x00",
    ],
)  # fmt: skip
def test_json_that_is_meant_to_hurt_is_a_plain_400(server: Served, body: bytes) -> None:
    for path in ("/auth/login", "/auth/register"):
        answer = httpx.post(
            f"{server.url}/api/v1{path}", content=body, headers={"Content-Type": "application/json"}, timeout=30
        )
        assert (answer.status_code, answer.json()["code"]) == (400, "invalid_request")
        assert len(answer.content) < 5_000, "it repeats nothing"


def test_no_text_becomes_a_header_or_a_second_line(ann: Client) -> None:
    for bad in ("a\r\nX-Evil: 1", "a\nb", "a\x00b", "a\x7f", "a\x1b[31m", "\u0085".join("ab") + "\r"):
        assert ann.http.post("/diagrams", json={"title": bad}).status_code == 400, repr(bad)
        assert ann.http.post("/projects", json={"name": bad}).status_code == 400, repr(bad)
        assert ann.http.post("/orgs", json={"name": bad}).status_code == 400, repr(bad)
        asked = ann.http.get("/diagrams", params={"q": bad})
        assert asked.status_code in (200, 400)
        assert "x-evil" not in asked.headers


@pytest.mark.parametrize(
    "address",
    [
        "\u212aim@example.org", "ann@\uff45xample.org", "a\u200bnn@example.org", "a\u202enn@example.org", "a\u00adnn@example.org",
        "\ufeffann@example.org", "ann@exam\u2060ple.org", "o\ufb03ce@example.org", "ann@example.org\x00", "ann@example.org\n",
        "a\u061cnn@example.org", "ann\ufe0f@example.org", "ann bob@example.org", "a@b@example.org", "@example.org", "ann@",
    ],
)  # fmt: skip
def test_an_address_that_looks_like_another_is_none(server: Served, address: str) -> None:
    answer = httpx.post(
        f"{server.url}/api/v1/auth/register", json={"email": address, "password": PASSWORD, "name": "Ann"}
    )
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_request")


def test_addresses_are_one_whatever_their_case_and_may_be_in_any_writing(server: Served) -> None:
    for local in ("jürgen", "用户"):
        address = f"{local}-{os.urandom(4).hex()}@Example.org"
        body = {"email": address, "password": PASSWORD, "name": "Ann"}
        assert httpx.post(f"{server.url}/api/v1/auth/register", json=body).status_code == 201
        again = httpx.post(f"{server.url}/api/v1/auth/register", json={**body, "email": address.upper()})
        assert (again.status_code, again.json()["code"]) == (409, "already_exists")
    login = httpx.post(f"{server.url}/api/v1/auth/login", json={"email": address.upper(), "password": PASSWORD})
    assert login.status_code == 200


# -- sign-in -----------------------------------------------------------------------------------------------------------


def test_an_unknown_address_and_a_wrong_password_are_alike(server: Served, ann: Client) -> None:
    def told(email: str) -> tuple[int, dict[str, str], dict[str, Any]]:
        answer = httpx.post(f"{server.url}/api/v1/auth/login", json={"email": email, "password": "wrong password"})
        headers = {k: v for k, v in answer.headers.items() if k not in ("date", "x-request-id")}
        return answer.status_code, headers, {k: v for k, v in answer.json().items() if k != "request_id"}

    assert told(ann.email) == told("nobody@example.org") == told("no address at all")
    assert told(ann.email)[0] == 401


async def test_the_same_work_is_done_for_an_account_that_does_not_exist() -> None:
    stored = await passwords.hashed(PASSWORD)
    assert extract_parameters(stored) == extract_parameters(passwords._nobodys())
    assert await passwords.matches(stored, PASSWORD)
    assert not await passwords.matches(None, PASSWORD)
    assert not await passwords.matches(None, "nobody has this password"), "nobody's password opens nothing"


async def test_a_crowd_at_the_door_is_told_to_come_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passwords, "WAITING", 3 - passwords.AT_ONCE)
    async with asyncio.TaskGroup() as group:
        asked = [group.create_task(_refused()) for _ in range(8)]
    assert sum(one.result() for one in asked) == 5
    assert not await _refused(), "and then it is free again"


async def _refused() -> bool:
    try:
        await passwords.matches(None, "x")
    except Problem as problem:
        assert problem.code == "rate_limited"
        return True
    return False


async def test_a_body_that_does_not_come_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "BODY_S", 0.05)
    parts = iter([b"{", b" ", b" "])

    async def receive() -> dict[str, Any]:
        part = next(parts, None)
        if part is None:
            await asyncio.Event().wait()
        return {"type": "http.request", "body": part, "more_body": True}

    request = Request({"type": "http", "method": "POST", "headers": [(b"content-type", b"application/json")]}, receive)
    with pytest.raises(Problem) as raised:
        await bodies.read(auth.login, request)
    assert (raised.value.code, raised.value.headers) == ("invalid_request", {"Connection": "close"})


# -- secrets -----------------------------------------------------------------------------------------------------------


def test_no_answer_tells_a_secret_of_the_server(server: Served, ann: Client) -> None:
    """Of the environment, of settings, of the database's address, of other people's credentials."""
    ann.diagram(TEXT)
    asked = 0
    owner = {"Authorization": f"Bearer {server.token}"}
    mine = {"Authorization": ann.http.headers["Authorization"]}
    assets = re.findall(r'(?:src|href)="(/[^"]+)"', httpx.get(server.url).text)
    places = ["/", "/docs", "/openapi.json", "/metrics", "/readyz", "/livez", "/nothing", "/signin/x", *assets]
    folder = (server.data / "pg" / "postmaster.pid").read_text().splitlines()[4]
    secrets = [CANARY, folder, "argon2id", mine["Authorization"].removeprefix("Bearer ")]
    with httpx.Client(base_url=server.url, timeout=30) as http:
        for headers in ({}, owner, mine, {"Authorization": "Bearer wrong"}):
            for method, path in [*(("GET", p) for p in places), *paths("GET"), *paths(*WRITES)]:
                answer = http.request(method, path, headers=headers, json={} if method in WRITES else None)
                asked += 1
                text = f"{answer.headers} {answer.text}"
                assert [one for one in secrets if one in text] == [], (method, path)
                assert answer.status_code < 500, (method, path)
                assert "Traceback" not in text
    assert asked > 200
    assert CANARY not in server.log()


@pytest.mark.node
def test_nothing_of_the_environment_gets_into_the_bundle(tmp_path: Path) -> None:
    names = ("VITE_SECRET", "COLANE_TOKEN", "DATABASE_URL", "REDIS_URL", "SENTRY_DSN", "NODE_AUTH_TOKEN", "SECRET_KEY")
    built = subprocess.run(
        ["node", "node_modules/vite/bin/vite.js", "build", "--outDir", str(tmp_path / "dist"), "--emptyOutDir"],
        cwd=ROOT / "frontend",
        env={**os.environ, **{name: f"{CANARY}-{name}" for name in names}},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert built.returncode == 0, built.stderr
    files = [one for one in (tmp_path / "dist").rglob("*") if one.is_file() and one.suffix not in (".br", ".gz")]
    assert len(files) > 5
    for one in files:
        content = one.read_bytes()
        assert CANARY.encode() not in content, one.name
        assert str(ROOT).encode() not in content, f"{one.name} names a folder of the machine that built it"
        assert b"sourceMappingURL" not in content, one.name
