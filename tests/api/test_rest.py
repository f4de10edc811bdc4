"""The rest of the contract: signing in, lists without XML, deletion, headers, errors from a closed list, OpenAPI."""

import httpx
import pytest

from api import problems
from tests.api.conftest import PASSWORD, Client, signed_up
from tests.interop.clients import eventually
from tests.people import TEXT
from tests.serving import Served


def test_registering_does_not_sign_in_and_a_name_is_taken_once(server: Served) -> None:
    email = "Carla@Example.org"
    with httpx.Client(base_url=f"{server.url}/api/v1") as http:
        made = http.post("/auth/register", json={"email": email, "password": PASSWORD, "name": "Carla"})
        assert made.status_code == 201
        assert "set-cookie" not in made.headers
        again = http.post("/auth/register", json={"email": email.lower(), "password": PASSWORD, "name": "C"})
        assert (again.status_code, again.json()["code"]) == (409, "already_exists")
        assert (
            http.post("/auth/register", json={"email": "d@example.org", "password": "short", "name": "D"}).status_code
            == 400
        )
        assert http.get("/me").status_code == 401
        assert (
            http.post("/auth/login", json={"email": email, "password": "wrong password"}).json()["code"]
            == "bad_credentials"
        )
        login = http.post("/auth/login", json={"email": email, "password": PASSWORD})
        cookie = login.headers["set-cookie"]
        assert "HttpOnly" in cookie
        assert "SameSite=lax" in cookie.replace("Lax", "lax")
        assert [o["role"] for o in http.get("/me").json()["orgs"]] == ["owner"]
        assert http.post("/diagrams", json={"title": "x"}).json()["code"] == "origin_not_allowed"
        assert (
            http.post("/diagrams", json={"title": "x"}, headers={"Origin": "https://evil.example"}).status_code == 403
        )
        assert http.post("/diagrams", json={"title": "x"}, headers={"Origin": server.url}).status_code == 201
        assert http.post("/auth/logout", headers={"Origin": server.url}).status_code == 204
        assert http.get("/me").status_code == 401


def test_a_sign_in_link_works_once(server: Served) -> None:
    link = server.process.stdout.readline().split()[-1] if server.process and server.process.stdout else ""
    with httpx.Client() as http:
        first = http.get(link)
        assert first.status_code in (302, 303, 307)
        assert "colane_session" in first.headers["set-cookie"]
        assert "colane_session" not in httpx.get(link).headers.get("set-cookie", "")


def test_a_revoked_token_opens_nothing(server: Served) -> None:
    carl = signed_up(server, "Carl")
    (token,) = carl.http.get("/tokens").json()["items"]
    assert "token" not in token
    assert carl.http.delete(f"/tokens/{token['id']}").status_code == 204
    assert carl.http.get("/me").status_code == 401
    carl.http.close()


def test_a_list_never_carries_xml_and_answers_304(ann: Client) -> None:
    ann.diagram(TEXT, "Listed")
    listed = ann.http.get("/diagrams")
    assert b"<bpmn" not in listed.content
    assert set(listed.json()["items"][0]) >= {
        "id", "title", "org_id", "project_id", "version", "element_count", "thumbnail_url", "updated_at", "updated_by", "editors", "etag",
    }  # fmt: skip
    assert listed.headers["etag"].startswith("W/")
    assert listed.headers["cache-control"] == "private, no-cache"
    same = ann.http.get("/diagrams", headers={"If-None-Match": listed.headers["etag"]})
    assert (same.status_code, same.content) == (304, b"")
    assert same.headers["x-request-id"]


def test_pages_follow_their_cursor_and_refuse_a_foreign_one(ann: Client) -> None:
    for number in range(3):
        ann.diagram(TEXT, f"Paged {number}")
    first = ann.http.get("/diagrams", params={"q": "Paged", "limit": 2})
    assert 'rel="next"' in first.headers["link"]
    cursor = first.json()["next_cursor"]
    rest = ann.http.get("/diagrams", params={"q": "Paged", "limit": 2, "cursor": cursor}).json()
    titles = [d["title"] for d in first.json()["items"] + rest["items"]]
    assert sorted(titles) == ["Paged 0", "Paged 1", "Paged 2"]
    wrong = ann.http.get("/diagrams", params={"q": "else", "cursor": cursor})
    assert (wrong.status_code, wrong.json()["code"]) == (400, "cursor_mismatch")


def test_deleted_is_gone_until_it_is_brought_back(ann: Client) -> None:
    diagram = ann.diagram(TEXT)
    assert ann.http.delete(f"/diagrams/{diagram}").status_code == 204
    gone = ann.http.get(f"/diagrams/{diagram}")
    assert (gone.status_code, gone.json()["code"]) == (410, "diagram_deleted")
    assert gone.json()["purge_at"]
    assert ann.http.post(f"/diagrams/{diagram}/undelete").json()["id"] == diagram
    assert ann.http.get(f"/diagrams/{diagram}/content").content == TEXT


def test_an_empty_diagram_is_valid_and_has_a_thumbnail(ann: Client) -> None:
    made = ann.http.post("/diagrams", json={"title": "Empty"})
    diagram = made.json()["id"]
    assert made.headers["location"].endswith(diagram)
    assert ann.http.get(f"/diagrams/{diagram}/versions/1").json()["valid"] is True
    drawn = ann.http.get(f"/diagrams/{diagram}/thumbnail.svg")
    assert drawn.headers["content-type"].startswith("image/svg+xml")
    assert "sandbox" in drawn.headers["content-security-policy"]
    assert b"<script" not in drawn.content


def test_every_answer_has_its_headers(server: Served, ann: Client) -> None:
    for answer in (
        ann.http.get("/me", headers={"X-Request-Id": "my-own-id"}),
        httpx.get(f"{server.url}/"),
        httpx.get(f"{server.url}/nothing-here", headers={"X-Request-Id": "bad id\x7f"}),
        httpx.delete(f"{server.url}/livez"),
    ):
        assert answer.headers["x-request-id"]
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["x-frame-options"] == "DENY"
    assert ann.http.get("/me", headers={"X-Request-Id": "my-own-id"}).headers["x-request-id"] == "my-own-id"
    policy = httpx.get(f"{server.url}/").headers["content-security-policy"]
    assert "'unsafe-inline'" not in policy
    assert "frame-ancestors 'none'" in policy
    wrong = ann.http.delete("/me")
    assert (wrong.status_code, wrong.json()["code"]) == (405, "method_not_allowed")
    assert "GET" in wrong.headers["allow"]
    assert ann.http.head("/me").status_code == 200


def test_the_request_id_stands_on_every_log_line_of_the_request(server: Served, ann: Client) -> None:
    ann.http.get("/me", headers={"X-Request-Id": "look-for-this-id"})
    lines = eventually(
        "it is logged", lambda: [line for line in server.log().splitlines() if "look-for-this-id" in line]
    )
    assert all('"request_id":"look-for-this-id"' in line for line in lines)
    assert ann.http.headers["Authorization"].removeprefix("Bearer ") not in server.log()


def test_health_and_metrics(server: Served, ann: Client) -> None:
    assert httpx.get(f"{server.url}/livez").json() == {"status": "ok"}
    assert httpx.get(f"{server.url}/readyz").json()["status"] == "ok"
    text = httpx.get(f"{server.url}/metrics").text
    for series in (
        "colane_http_request_seconds",
        "colane_save_seconds",
        "colane_edit_durable_seconds",
        "colane_room_open_seconds",
    ):
        assert f"{series}_bucket{{" in text or f"# TYPE {series} histogram" in text, series
    assert 'le="0.2"' in text
    assert "colane_socket_closed_total" in text


def test_openapi_describes_every_route(server: Served) -> None:
    document = httpx.get(f"{server.url}/openapi.json").json()
    assert document["openapi"].startswith("3.1")
    for path in (
        "/api/v1/diagrams",
        "/api/v1/diagrams/{diagram_id}/content",
        "/api/v1/diagrams/{diagram_id}/versions/{version}/restore",
    ):
        assert path in document["paths"]
    codes = {
        code
        for methods in document["paths"].values()
        for one in methods.values()
        if isinstance(one, dict)
        for code in one.get("responses", {})
    }
    assert {"200", "201", "204", "404", "409", "412", "422", "428"} <= codes
    assert httpx.get(f"{server.url}/docs").status_code == 200


def test_a_code_that_is_not_listed_cannot_be_raised() -> None:
    with pytest.raises(KeyError):
        problems.Problem("no_such_code")


def test_an_element_has_a_history(ann: Client) -> None:
    diagram = ann.diagram(TEXT)
    changed = TEXT.replace(b'name="Do"', b'name="Done"')
    saved = ann.http.put(
        f"/diagrams/{diagram}/content?base_version=1", content=changed, headers={"Content-Type": "application/xml"}
    )
    assert saved.status_code == 200
    told = ann.http.get(f"/diagrams/{diagram}/elements/Task_1/history").json()
    assert [(one["property"], one["before"], one["after"]) for one in told["items"]] == [("name", "Do", "Done")]
    assert (told["items"][0]["author"]["name"], told["next_cursor"]) == ("Ann", None)
    unknown = ann.http.get(f"/diagrams/{diagram}/elements/Nothing%00/history")
    assert (unknown.status_code, unknown.json()["code"]) == (404, "not_found")


def test_the_log_verifies_itself_for_admins(ann: Client, mallory: Client) -> None:
    ann.diagram(TEXT)
    verified = ann.http.get("/audit/verify").json()
    assert (verified["ok"], verified["broken_at"], verified["reason"]) == (True, None, None)
    foreign = mallory.http.get("/audit/verify", params={"org": ann.org_id})
    assert (foreign.status_code, foreign.json()["code"]) == (422, "invalid_reference")


def test_late_work_needs_an_epoch_that_is_kept(ann: Client) -> None:
    diagram = ann.diagram(TEXT)
    gone = ann.http.post(f"/diagrams/{diagram}/replay?epoch=1", json={"update": "AAA="})
    assert (gone.status_code, gone.json()["code"]) == (410, "epoch_gone")
    bad = ann.http.post(f"/diagrams/{diagram}/replay?epoch=1", json={"update": "not base64"})
    assert (bad.status_code, bad.json()["errors"][0]["path"]) == (400, "body.update")
    assert ann.http.post(f"/diagrams/{diagram}/replay", json={"update": "AAA="}).status_code == 400
